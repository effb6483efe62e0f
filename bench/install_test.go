package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

// BenchmarkFirstInstall compares the first install of an executable with what people do today.
func BenchmarkFirstInstall(b *testing.B) {
	for _, c := range []struct {
		size, roundTrip               string
		link                          testhost.Link
		fourConnections, scp, ansible aim
	}{
		{"15 MiB", "0", testhost.Link{}, atMost(0.5), atMost(1), atMost(0.3)},
		{"15 MiB", "50 ms", roundTrip(50 * time.Millisecond), atMost(0.32), atMost(1), atMost(0.32)},
		{"100 MiB", "0", testhost.Link{}, aim{}, atMost(1), aim{}},
		{"100 MiB", "50 ms", roundTrip(50 * time.Millisecond), aim{}, atMost(1 / 1.6), aim{}},
	} {
		b.Run(fmt.Sprintf("%s/rtt=%s", c.size, c.roundTrip), func(b *testing.B) {
			binary := goCommand(b)
			if c.size == "100 MiB" {
				binary = program(b, 100*mib)
			}
			s := startSite(b, c.link)
			ways := []way{
				{"davit", aim{}, func() error { _, err := s.install(binary); return err }},
				{"ssh, scp, ssh, ssh", c.fourConnections, func() error { return s.fourConnections(binary) }},
				{"scp alone", c.scp, func() error { return s.scp(binary, "worker") }},
			}
			if installed("rsync") {
				ways = append(ways, way{"rsync -z", aim{}, func() error { return s.rsync(binary) }})
			}
			if c.ansible != (aim{}) && installed("ansible-playbook") {
				ways = append(ways, way{"ansible-playbook", c.ansible, s.playbook(binary)})
			}
			for b.Loop() {
				times := inTurns(b, s.wipe, ways...)
				t := ratios(fmt.Sprintf("First install, %s, round trip %s", c.size, c.roundTrip), ways, times)
				t.print()
				b.ReportMetric(median(times[0]).Seconds()/median(times[2]).Seconds(), "×scp")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fourConnections is what a deployment script does.
func (s *site) fourConnections(binary string) error {
	for _, step := range []func() error{
		func() error { return run("ssh", "-F", s.config, name, "mkdir -p four") },
		func() error { return s.scp(binary, "four/worker") },
		func() error { return run("ssh", "-F", s.config, name, "chmod 755 four/worker") },
		func() error { return run("ssh", "-F", s.config, name, "test -x four/worker") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) scp(binary, path string) error {
	return run("scp", "-q", "-F", s.config, binary, name+":"+path)
}

func (s *site) rsync(binary string) error {
	return run("rsync", "-z", "-e", "ssh -F "+s.config, binary, name+":worker")
}

// play does with Ansible what fourConnections does; facts of the host are not asked for.
const play = `- hosts: all
  gather_facts: false
  tasks:
    - copy: {src: "%s", dest: worker, mode: "0755"}
`

// playbook returns how Ansible does it. Its connection, which it would keep for a minute, is made
// anew each time, as everybody's is.
func (s *site) playbook(binary string) func() error {
	s.b.Helper()
	path := filepath.Join(s.dir, "play.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, play, binary), 0o644); err != nil {
		s.b.Fatal(err)
	}
	return func() error {
		defer s.DropConnections()
		cmd := exec.Command("ansible-playbook", "-i", name+",", path)
		cmd.Dir = s.dir
		cmd.Env = append(os.Environ(), "HOME="+s.dir, "ANSIBLE_LOCALHOST_WARNING=False",
			"ANSIBLE_PIPELINING=True", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
			"ANSIBLE_SSH_CONTROL_PATH_DIR="+s.dir+"/cp",
			"ANSIBLE_SSH_ARGS=-F "+s.config+" -o ControlMaster=auto -o ControlPersist=60s")
		return finish(cmd)
	}
}
