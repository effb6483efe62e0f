package host

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/davit-sh/davit/internal/testhost"
)

// posixShells are the shells that a host's /bin/sh may be, and what makes each read its text from an argument.
var posixShells = [][]string{
	{"/bin/sh", "-c"}, {"dash", "-c"}, {"busybox", "sh", "-c"}, {"bash", "--posix", "-c"}, {"bash", "-c"},
}

// values are what a careless quoter, or a shell with marks of its own in its strings, trips over.
var values = []string{
	"", "plain", "it's", "a b", "$HOME `id` $(id) ${HOME} $((1+1))", "\n", "a\n", "\n\na\n\n", "\\", "\\n", "a\\\n", "!", "-n", "~", "~root",
	"*", "?[a-z]", "{a,b}", "#", "a=b", "\xff\xfe", "a\x00b", "\x00", "'\"'", "''''", "é 📦", "\u2028", "\r", "a\r\n", "\t ", " a ", "\x01\x7f\x01\x01", "\x7f", "\x80\x81\x82\x83\x84\x85\x86\x87\x88",
	"\xc3", "\xe2\x82", "\x7f\xfc\x96\x01", "\x1b[2J", "%s%n", "kill $!", "exit 3\n", "'; exit 3; '", "\"$v\"", "EOF", strings.Repeat("'", 100), strings.Repeat("long ", 200),
}

// FuzzQuote has values arrive in every shell, as [boot] reads them.
func FuzzQuote(f *testing.F) {
	shells := needShells(f, `eval "$command"`)
	for i, value := range values {
		f.Add(value, values[len(values)-1-i])
	}
	f.Fuzz(func(t *testing.T, value, other string) {
		if len(value)+len(other) > longest {
			return // longer than any value of ours
		}
		script := Script{
			Vars: []Var{{"value", value}, {"other", other}},
			Body: `printf '%s\000' "$value" "$other" ` + Quote(value) + Quote(other),
		}
		value, other = whole(value), whole(other)
		for _, shell := range shells {
			command, stdin := script.start(sentinel, 3600)
			_, withoutClock, _ := strings.Cut(inner(t, command), " & ")
			shell.prints(t, withoutClock, stdin, value, other, value+other)
		}
	})
}

// FuzzScript has a script go the whole way, through another, as it does where sudo stands between.
func FuzzScript(f *testing.F) {
	shells := needShells(f, `(eval "$command")`)
	for i, value := range values {
		f.Add(value, values[len(values)-1-i], "hunter2 '\\ ", uint8(i))
	}
	f.Fuzz(func(t *testing.T, value, other, secret string, which uint8) {
		secret = strings.ReplaceAll(whole(secret), "\n", "")
		if len(value)+len(other)+len(secret) > longest || secret == "" {
			return // longer than any value of ours, or no password at all
		}
		shell := shells[int(which)%len(shells)]
		script := Script{
			Vars: []Var{{"value", value}},
			Body: `printf '%s\000' "$value"`,
			Through: &Script{
				Vars: []Var{{"other", other}},
				// The shell that is tried takes the place of the one that the command names.
				Body: `IFS= read -r secret; printf '%s\000' "$other" "$secret"; eval "set -- $next"; exec ` +
					strings.Join(shell.args, " ") + ` "` + shell.first + `$4"`,
				Secret: secret,
			},
		}
		command, stdin := script.start(sentinel, 60)
		shell.prints(t, inner(t, command), stdin, whole(other), secret, whole(value))
	})
}

const sentinel = "davit-k3v9"

// inner returns what the command has /bin/sh run: one line.
func inner(t *testing.T, command string) string {
	t.Helper()
	text, ok := strings.CutPrefix(strings.TrimSuffix(command, "'"), "exec /bin/sh -c '")
	if !ok || strings.Contains(text, "\n") {
		t.Fatalf("the command for hosts has another form: %s", command)
	}
	return text
}

// longest is the length of values that every shell reads in no time on a busy machine.
const longest = 2 << 10

// whole returns value as a shell can hold it.
func whole(value string) string { return strings.ReplaceAll(value, "\x00", "") }

// liveShell is a shell that runs the commands for hosts, one after the other: thousands of values
// are read by the very text that hosts run, and no shell is started for each.
type liveShell struct {
	args  []string // what runs a text
	first string   // what it runs first
	run   string   // how it runs $command

	mu     sync.Mutex
	cmd    *exec.Cmd // nil if it does not run
	stdin  io.WriteCloser
	out    *os.File
	stdout *bufio.Reader
}

// needShells returns each shell twice: with a dd that can take a text at once, and without. They
// end with the test.
func needShells(f *testing.F, run string) []*liveShell {
	var shells []*liveShell
	for _, args := range posixShells {
		testhost.Need(f, args[0])
		for _, first := range []string{"", "dd() { return 1; }; "} {
			s := &liveShell{args: args, first: first, run: run}
			f.Cleanup(s.end)
			shells = append(shells, s)
		}
	}
	return shells
}

// prints fails the test unless a command that finds stdin prints words, each ended by a NUL.
func (s *liveShell) prints(t *testing.T, command string, stdin []byte, words ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	s.out.SetReadDeadline(time.Now().Add(8 * time.Second)) // only a failing test pays
	go s.stdin.Write(append([]byte(command+"\n"), stdin...))
	for _, want := range words {
		got, err := s.stdout.ReadString(0)
		if got = strings.TrimSuffix(got, "\x00"); got != want || err != nil {
			s.stop()
			t.Fatalf("%s%s: %q became %q (%v)", s.first, s.args, want, got, err)
		}
	}
}

// begin starts the shell unless it runs.
func (s *liveShell) begin() error {
	if s.cmd != nil {
		return nil
	}
	loop := s.first + "while IFS= read -r command; do " + s.run + "; done"
	cmd := exec.Command(s.args[0], append(slices.Clone(s.args[1:]), loop)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // as a host may have it while it reads
	var err error
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		out.Close()
		return err
	}
	s.cmd, s.out, s.stdout = cmd, out, bufio.NewReader(out)
	return nil
}

// stop ends the shell, if it runs.
func (s *liveShell) stop() {
	if s.cmd == nil {
		return
	}
	s.stdin.Close()
	s.cmd.Process.Kill()
	s.out.Close()
	s.cmd.Wait()
	s.cmd = nil
}

func (s *liveShell) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}
