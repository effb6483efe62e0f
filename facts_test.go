package davit

import (
	"strings"
	"testing"

	"github.com/davit-sh/davit/narrate"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-sh/davit/artifact"
)

func TestFactsBecomeAReport(t *testing.T) {
	f := facts{tools: map[string]string{}, free: -1}
	for line := range strings.Lines(`os Linux
machine x86_64
longbit 64
libc glibc 2.31
user vince
home /home/vince
root /home/vince/.local/share/davit
bin /home/vince/.local/bin
init systemd
free 1024
tool gzip /usr/bin/gzip
tool sha256sum /usr/bin/sha256sum
unwritable /home/vince
installed worker 0123456789ab
something new
free lots
`) {
		f.add(strings.TrimSuffix(line, "\n"))
	}
	want := Report{
		Host: "gpu-1", Platform: "linux/amd64", Libc: "glibc 2.31", User: "vince", Home: "/home/vince", Init: "systemd",
		Dir: "/home/vince/.local/share/davit", Free: 1 << 20,
		Tools:     map[string]string{"gzip": "/usr/bin/gzip", "sha256sum": "/usr/bin/sha256sum"},
		Installed: []InstalledDaemon{{"worker", "0123456789ab"}},
		Findings: []Finding{
			{true, "vince cannot write to /home/vince", "change its owner or mode, or name another directory with --dir"},
			{false, "only 1 MiB are free below /home/vince/.local/share/davit", "make room"},
		},
	}
	if diff := cmp.Diff(want, f.report("gpu-1")); diff != "" {
		t.Error(diff)
	}
	if f.form() != formGzip {
		t.Errorf("form %s", f.form())
	}
}

func TestSuitRefusesBeforeAByteIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*facts, *artifact.File)
		want   string
	}{
		"a full disk": {
			func(f *facts, _ *artifact.File) { f.free = 5 << 20 },
			"not enough space: worker needs 11 MiB below /srv, 5 MiB are free",
		},
		"an older glibc": {func(f *facts, a *artifact.File) {
			a.Needs.Libc, a.Needs.LibcVersion = "glibc", "2.38"
			f.platform.Libc, f.platform.LibcVersion = "glibc", "2.31"
		}, "worker wants GLIBC_2.38, the host has 2.31"},
		"musl": {func(f *facts, a *artifact.File) {
			a.Needs.Libc, a.Needs.Interpreter = "glibc", "/lib64/ld-linux-x86-64.so.2"
			f.platform.Libc = "musl"
		}, "worker is linked against glibc (/lib64/ld-linux-x86-64.so.2), the host has musl"},
	} {
		f := facts{tools: map[string]string{"openssl": "/bin/openssl"}, free: 1 << 30, root: "/srv", platform: artifact.Platform{OS: "linux", Arch: "amd64"}}
		a := &artifact.File{Path: "x/worker", Size: 10 << 20, Kind: artifact.ELF, Needs: artifact.Needs{OS: "linux", Archs: []string{"amd64"}}}
		c.change(&f, a)
		if err := f.suit(a, "worker"); err == nil || err.Error() != c.want || ExitCode(err) != ExitHost {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 15 << 20: "15 MiB", 15_500_000: "14.8 MiB", 1 << 30: "1 GiB", 1<<20 - 1: "1 MiB", 3 << 40: "3 TiB",
	} {
		if got := narrate.Bytes(n); got != want {
			t.Errorf("narrate.Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
