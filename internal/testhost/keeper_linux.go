package testhost

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// init makes a keeper of a test binary that was started to be one.
func init() {
	encoded := os.Getenv(keeperEnv)
	if encoded == "" {
		return
	}
	os.Unsetenv(keeperEnv)
	if err := keep(encoded); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// keep is the whole life of a keeper.
func keep(encoded string) error {
	var d duty
	if err := json.Unmarshal([]byte(encoded), &d); err != nil {
		return err
	}
	if err := adoptOrphans(); err != nil {
		return err
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody may be left to read our stderr
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	words, sshd := readWords(), 0
	for {
		select {
		case <-children:
			d.reap(&sshd)
		case word, more := <-words:
			if !more {
				return errors.Join(d.sweep(), d.dismantle())
			}
			var command []string
			if err := json.Unmarshal([]byte(word), &command); err != nil {
				return errors.Join(err, d.sweep(), d.dismantle())
			}
			sshd = d.startSSHD(command)
		}
	}
}

// adoptOrphans makes this process the parent of all descendants whose own parent ends, so that
// none can leave the family. Elsewhere that is the part of init.
func adoptOrphans() error {
	const prSetChildSubreaper = 36 // linux/prctl.h
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return os.NewSyscallError("prctl", errno)
	}
	return nil
}

// readWords returns a channel that gets the lines of standard input and is closed at its end.
func readWords() <-chan string {
	words := make(chan string)
	go func() {
		defer close(words)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			words <- in.Text()
		}
	}()
	return words
}

// startSSHD starts sshd by the command and returns its process ID. If it cannot, the log tells.
func (d duty) startSSHD(command []string) int {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0
	}
	defer null.Close()
	log, err := d.openLog()
	if err != nil {
		return 0
	}
	defer log.Close()
	sshd, err := os.StartProcess(command[0], command, &os.ProcAttr{Files: []*os.File{null, log, log}})
	if err != nil {
		fmt.Fprintf(log, "%s: %v\n", sshdEnded, err)
		return 0
	}
	defer sshd.Release() // reap waits for it, as for everybody
	return sshd.Pid
}

func (d duty) openLog() (*os.File, error) {
	return os.OpenFile(d.Dir+"/sshd.log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// reap takes leave of all children that have ended, and reports whether there are no others.
// If the listening sshd is among them it says so in the log.
func (d duty) reap(sshd *int) (childless bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 {
			return errors.Is(err, syscall.ECHILD)
		}
		if pid != *sshd {
			continue
		}
		if log, err := d.openLog(); err == nil {
			fmt.Fprintf(log, "%s: status %d, signal %d\n", sshdEnded, status.ExitStatus(), status.Signal())
			log.Close()
		}
	}
}

// sweep kills until nothing is left to kill. A scan of /proc can miss a process that is just
// being born; that the kernel knows of no child is what settles it.
func (d duty) sweep() error {
	var left []Proc
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		left = d.procs(os.Getpid())
		for _, p := range left {
			syscall.Kill(p.PID, syscall.SIGKILL)
		}
		if d.reap(new(int)) && len(left) == 0 {
			return nil
		}
	}
	return fmt.Errorf("processes that do not die: %v", left)
}

// procs returns the host's processes: all below the keeper, and all of the host's account.
func (d duty) procs(keeper int) []Proc {
	uid := d.uid()
	return processes(func(p Proc, below func(int) bool) bool {
		return p.PID != keeper && (below(keeper) || p.UID == uid)
	})
}

// uid returns the user ID of the host's own account, -1 if it has none.
func (d duty) uid() int {
	if d.Account == "" {
		return -1
	}
	account, err := user.Lookup(d.Account)
	if err != nil {
		return -1
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return -1
	}
	return uid
}

func (d duty) hasAccount() bool { return d.uid() > 0 }

// ownSession keeps the terminal's interrupt, which ends the test, away from the keeper.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
