package build

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWhatIsNotBuiltAnyMoreIsDropped(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	executable := filepath.Join(t.TempDir(), "worker")
	write(t, executable, script)
	at := func(name string) string { return filepath.Join(cache, name, "linux-amd64") }
	age := func(name string, days int) {
		then := time.Now().AddDate(0, 0, -days)
		if err := os.Chtimes(filepath.Join(cache, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"old", "used", "recent"} {
		keep(executable, at(name))
	}
	age("old", 31)
	age("used", 31)
	age("recent", 29)
	if f := seed(filepath.Join(t.TempDir(), "worker"), at("used")); f == nil {
		t.Error("it cannot be used")
	} else {
		f.Close()
	}
	keep(executable, at("new"))
	for name, want := range map[string]bool{"old": false, "used": true, "recent": true, "new": true} {
		if exists(at(name)) != want {
			t.Errorf("%s: there is %v, want %v", name, !want, want)
		}
	}
}

func TestAKeptExecutableIsTakenAsItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable, kept, output := filepath.Join(dir, "worker"), filepath.Join(dir, "cache", "a", "b"), filepath.Join(dir, "output")
	write(t, executable, script)
	keep(executable, kept)
	f := seed(output, kept)
	if f == nil {
		t.Fatal("it is not taken")
	}
	defer f.Close()
	if info, err := os.Stat(output); err != nil || read(t, output) != script || info.Mode().Perm() != 0o755 {
		t.Errorf("%q, %v", read(t, output), err)
	}
	if seed(output, kept) != nil {
		t.Error("what is there already was taken for it")
	}
	for name, text := range map[string]string{"one that is empty": "", "one that is short": "abc", "one of nothing": string(make([]byte, 32))} {
		write(t, kept, text)
		if f := seed(filepath.Join(dir, "another"), kept); f != nil || exists(filepath.Join(dir, "another")) {
			t.Errorf("%s is taken", name)
		}
	}
}
