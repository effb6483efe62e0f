package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"golang.org/x/sys/unix"
)

// terminals stay open as long as the process, as stdin does: a read that is left behind still
// knows the number of its file, which must not become another's.
var (
	terminalsLock sync.Mutex
	terminals     []*os.File
)

// terminalPair returns a terminal, and the end at which a user would sit.
func terminalPair(t *testing.T) (terminal, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	terminalsLock.Lock()
	terminals = append(terminals, terminal, user)
	terminalsLock.Unlock()
	return terminal, user
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

type secret struct {
	text string
	err  error
}

// reading starts to read a secret and returns when what is typed is not shown any more.
func reading(ctx context.Context, t *testing.T, terminal *os.File) <-chan secret {
	t.Helper()
	read := make(chan secret, 1)
	go func() {
		text, err := readSecret(ctx, terminal)
		read <- secret{text, err}
	}()
	testhost.Eventually(t, "the terminal no longer echoes", func() bool { return !echoes(t, terminal) })
	return read
}

func TestASecretIsReadUnseen(t *testing.T) {
	t.Parallel()
	terminal, user := terminalPair(t)
	if !isTerminal(terminal) || !sameFile(terminal, terminal) || sameFile(terminal, user) {
		t.Error("a terminal is not known as one, or as the one that it is")
	}
	read := reading(t.Context(), t, terminal)
	io.WriteString(user, "swordfish\n")
	if got := <-read; got.text != "swordfish" || got.err != nil {
		t.Errorf("got %q, %v", got.text, got.err)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal stays mute")
	}
}

func TestAnInterruptedSecretLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	terminal, _ := terminalPair(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	read := reading(ctx, t, terminal)
	cancel(davit.ErrInterrupted)
	if got := <-read; !errors.Is(got.err, davit.ErrInterrupted) {
		t.Errorf("got %q, %v", got.text, got.err)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal stays mute")
	}
}
