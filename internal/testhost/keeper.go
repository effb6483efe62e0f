package testhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A keeper is a second process of the test binary, one for each host. It starts the host's sshd
// and is the foster parent of every process below it. When its standard input ends, be it at the
// end of the test or because the test binary was killed, it kills all of them and removes the
// host's account and files. So there is one way to clean up, and every test takes it.

// duty is what a keeper is told.
type duty struct {
	Dir     string // removed at the end
	Account string // deleted at the end; "" if there is none
}

const (
	// keeperEnv has the duty, as JSON, and makes a keeper of the test binary.
	keeperEnv = "DAVIT_TESTHOST_KEEPER"
	// sshdEnded is what a keeper adds to sshd's log when sshd has ended.
	sshdEnded = "testhost: sshd ended"
	// accountLock is held while accounts are changed: useradd gives up when another one runs.
	accountLock = "/run/davit-testhost.lock"
)

// keeper is the keeper's end that is in the test.
type keeper struct {
	duty
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
}

func startKeeper(d duty) (*keeper, error) {
	encoded, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	k := &keeper{duty: d, cmd: exec.Command("/proc/self/exe")}
	k.cmd.Args[0] = "testhost-keeper " + d.Dir
	// The race detector would have the keeper sleep for a second before it exits.
	k.cmd.Env = append(os.Environ(), keeperEnv+"="+string(encoded), "GORACE=atexit_sleep_ms=0")
	k.cmd.SysProcAttr = ownSession()
	k.cmd.Stderr = &k.stderr
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return k, k.cmd.Start()
}

// startSSHD asks for the command that is sshd to be started; its log tells how that went.
func (k *keeper) startSSHD(command []string) error {
	return json.NewEncoder(k.stdin).Encode(command) // a line
}

// end ends the host and returns when nothing is left of it.
func (k *keeper) end() error {
	k.stdin.Close()
	defer time.AfterFunc(patience, func() { k.cmd.Process.Kill() }).Stop()
	if err := k.cmd.Wait(); err != nil {
		return fmt.Errorf("keeper: %w: %s", err, bytes.TrimSpace(k.stderr.Bytes()))
	}
	return nil
}

// procs returns the host's processes, sshd's own too.
func (k *keeper) procs() []Proc { return k.duty.procs(k.cmd.Process.Pid) }

// started reports whether p is a child of the keeper.
func (k *keeper) started(p Proc) bool { return p.PPID == k.cmd.Process.Pid }

// locked runs a command that changes accounts.
func locked(command ...string) error {
	out, err := exec.Command("flock", append([]string{accountLock}, command...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", command, err, bytes.TrimSpace(out))
	}
	return nil
}

// dismantle removes the account and the files of a host that has no processes any more.
func (d duty) dismantle() error {
	var account error
	if d.hasAccount() {
		account = locked("userdel", "--force", d.Account)
	}
	return errors.Join(account, os.RemoveAll(d.Dir))
}
