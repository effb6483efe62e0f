package davit_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
)

// partial returns what the host keeps of a broken transfer of the worker: path, size and whether it is
// executable.
func (s site) partial() (path string, size int64, executable bool) {
	s.t.Helper()
	found, _ := filepath.Glob(filepath.Join(s.Home, ".local/share/davit/worker/partial/*"))
	if len(found) == 0 {
		return "", 0, false
	}
	if len(found) > 1 {
		s.t.Errorf("more than one partial file: %v", found)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return found[0], info.Size(), info.Mode()&0o111 != 0
}

// breakOff has an install of the executable lose its connection once some of it has arrived.
func (s site) breakOff(path string) {
	s.t.Helper()
	link := testhost.NewLink(s.t, s.Addr, testhost.Link{Rate: 8 << 20})
	ctx, _ := told(s.t)
	ctx = when(ctx, "progress", link.Reset)
	_, err := davit.Install(ctx, dial(s.t, s.Via(link.Addr())), davit.InstallOptions{Binary: path, Name: "worker"})
	explained(s.t, err, davit.ExitFailed, "transfer: connection lost after ", "for the next try", "try again")
	s.assertWhole("")
	testhost.Eventually(s.t, "what arrived is kept", func() bool {
		_, size, _ := s.partial()
		return size > 0
	})
}

func TestABrokenTransferGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string][]string{
		"zstd": {"sha256sum", "flock", "zstd"}, "plain, without flock": {"openssl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t, testhost.WithPath(append(tools, testhost.BaseTools...)...)), t}
			two := program(t, "two", 8<<20)
			s.breakOff(two)
			path, size, executable := s.partial()
			if executable || !strings.HasPrefix(filepath.Base(path), id(t, two)) {
				t.Errorf("kept as %s, executable: %v", path, executable)
			}
			ctx, rec := told(t)
			r, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: two, Name: "worker"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Resumed == 0 || r.Resumed != size/(64<<10)*(64<<10) || r.Sent == 0 || r.Sent > r.Size-r.Resumed {
				t.Errorf("%d bytes were there, the receipt says that %d of %d were and %d were sent", size, r.Resumed, r.Size, r.Sent)
			}
			for _, e := range rec.Events() {
				if e.Kind == narrate.Progress && e.Attrs["done"].(int64) < r.Resumed && e.Attrs["done"] != int64(0) {
					t.Errorf("progress begins at %v", e.Attrs["done"])
				}
			}
			s.assertWhole(id(t, two))
			if path, _, _ := s.partial(); path != "" {
				t.Errorf("still there: %s", path)
			}
		})
	}
}

func TestNothingIsSentWhereAllHadArrived(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{true, false} {
		t.Run(fmt.Sprintf("far %v", far), func(t *testing.T) {
			t.Parallel()
			s := site{testhost.Start(t), t}
			two := program(t, "two", 0)
			if err := os.Truncate(two, 1<<20); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(two)
			if err != nil {
				t.Fatal(err)
			}
			digest := sha256.Sum256(content)
			dir := "~/.local/share/davit/worker/partial"
			s.Run("mkdir -p " + dir + " && cp " + shared(t, two) + " " + dir + "/" + hex.EncodeToString(digest[:]))
			h := dial(t, s.Host)
			if !far {
				h = near{h}
			}
			ctx, _ := told(t)
			r, err := davit.Install(ctx, h, davit.InstallOptions{Binary: two, Name: "worker"})
			if err != nil || r.Sent != 0 || r.Form != "" || r.Resumed != r.Size {
				t.Errorf("%+v, %v", r, err)
			}
			s.assertWhole(id(t, two))
		})
	}
}

// shared returns path, of a file that everybody may read.
func shared(t *testing.T, path string) string {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestWhatArrivedBeforeIsSentAgainIfItIsDamaged(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	two := program(t, "two", 4<<20)
	s.breakOff(two)
	path, _, _ := s.partial()
	s.Run("printf evil | dd of=" + path + " conv=notrunc 2>/dev/null")
	ctx, rec := told(t)
	r, err := davit.Install(ctx, dial(t, s.Host), davit.InstallOptions{Binary: two, Name: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Resumed != 0 || r.Sent <= r.Size/2 {
		t.Errorf("receipt: %+v", r)
	}
	if !strings.Contains(strings.Join(rec.Actions(), " "), "copying again copying chmod verify") {
		t.Errorf("told %q", rec.Actions())
	}
	s.assertWhole(id(t, two))
}

func TestASuccessRemovesWhatArrivedOfAnother(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	s.breakOff(program(t, "two", 4<<20))
	s.install(program(t, "one", 1<<10))
	if path, _, _ := s.partial(); path != "" {
		t.Errorf("still there: %s", path)
	}
}

func TestWhatArrivedADayAgoIsNotUsed(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	two := program(t, "two", 4<<20)
	s.breakOff(two)
	kept, _, _ := s.partial()
	day := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(kept, day, day); err != nil {
		t.Fatal(err)
	}
	if r := s.install(two); r.Resumed > 0 {
		t.Errorf("resumed: %+v", r)
	}
	s.assertWhole(id(t, two))
}

func TestNothingIsKeptOfATransferThatWasCalledOff(t *testing.T) {
	t.Parallel()
	s := site{testhost.Start(t), t}
	link := testhost.NewLink(t, s.Addr, testhost.Link{Rate: 8 << 20})
	ctx, _ := told(t)
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = when(ctx, "progress", func() { cancel(davit.ErrInterrupted) })
	_, err := davit.Install(ctx, dial(t, s.Via(link.Addr())), davit.InstallOptions{Binary: program(t, "two", 8<<20), Name: "worker"})
	explained(t, err, davit.ExitInterrupted, "nothing is left of the attempt")
	s.assertWhole("")
	if path, _, _ := s.partial(); path != "" {
		t.Errorf("kept: %s", path)
	}
}
