// Package bench compares whole installs with the ways in which people do them today. It prints
// ratios from one run, in turns, since an absolute time holds on one machine only:
//
//	make bench
package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// repetitions is how often each way is measured; the medians are compared.
const repetitions = 5

// BenchmarkFirstInstall compares the first install of the go command with four connections of
// OpenSSH: mkdir, scp, chmod, test. Both sides use the same key exchange. The network is a proxy
// in this process, which does not delay the handshake of TCP.
func BenchmarkFirstInstall(b *testing.B) {
	binary, err := filepath.EvalSymlinks(testhost.Need(b, "go"))
	if err != nil {
		b.Fatal(err)
	}
	for _, roundTrip := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run(fmt.Sprintf("rtt=%v", roundTrip), func(b *testing.B) {
			h := testhost.Start(b, testhost.WithSSHD("KexAlgorithms curve25519-sha256"))
			far := h.Via(testhost.NewLink(b, h.Addr, testhost.Link{Latency: roundTrip / 2}).Addr())
			var ours, theirs []time.Duration
			for b.Loop() {
				for range repetitions {
					ours = append(ours, timed(b, func() error { return davitInstall(far, binary) }))
					theirs = append(theirs, timed(b, func() error { return fourConnections(far, binary) }))
					h.Run("rm -rf .local four")
				}
			}
			report(b, ours, theirs)
		})
	}
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	began := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// report prints the medians and their ratio.
func report(b *testing.B, ours, theirs []time.Duration) {
	slices.Sort(ours)
	slices.Sort(theirs)
	o, t := ours[len(ours)/2], theirs[len(theirs)/2]
	fmt.Printf("%-32s davit %8v   ssh, scp, ssh, ssh %8v   ratio %.2f   (%d CPUs)\n",
		b.Name(), o.Round(time.Millisecond), t.Round(time.Millisecond), o.Seconds()/t.Seconds(), runtime.NumCPU())
	b.ReportMetric(o.Seconds()/t.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func davitInstall(h *testhost.Host, binary string) error {
	conn, err := ssh.New(h.Target(), ssh.Options{
		ConfigFile: os.DevNull, Identities: []string{h.IdentityFile}, KnownHostsFiles: []string{h.KnownHosts},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx := narrate.WithNarrator(context.Background(), narrate.New())
	_, err = davit.Install(ctx, conn, davit.InstallOptions{Binary: binary, Name: "worker"})
	return err
}

// fourConnections is what a deployment script does.
func fourConnections(h *testhost.Host, binary string) error {
	target := h.SSH()
	options := target[:len(target)-3] // what stands before -p PORT user@host
	port, login := target[len(target)-2], target[len(target)-1]
	for _, command := range [][]string{
		append([]string{"ssh"}, h.SSH("mkdir", "-p", "four")...),
		append(append([]string{"scp", "-q"}, options...), "-P", port, binary, login+":four/worker"),
		append([]string{"ssh"}, h.SSH("chmod", "755", "four/worker")...),
		append([]string{"ssh"}, h.SSH("test", "-x", "four/worker")...),
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	return nil
}
