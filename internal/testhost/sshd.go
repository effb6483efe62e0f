package testhost

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh/knownhosts"
)

// first begins every sshd_config: of this one sshd takes the last value that it reads.
const first = "MaxStartups 1000"

// plain is the part of sshd_config that is the same for every host. sshd takes the first value
// that it reads, so whatever stands before this wins.
const plain = `
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
LogLevel VERBOSE
Subsystem sftp internal-sftp
`

// errPortTaken is what start returns when somebody else got the port first.
var errPortTaken = errors.New("port taken")

// hosts counts the hosts of this process, for their addresses.
var hosts atomic.Int64

// listen starts sshd for the first time, on an address of the host's own. sshd cannot choose a
// free port itself, so the choice is ours, and is made again if somebody else was faster.
func (h *Host) listen() {
	h.t.Helper()
	if os.Getuid() == 0 {
		h.must(os.MkdirAll("/run/sshd", 0o755)) // sshd wants it, and init makes it where there is one
	}
	err := errPortTaken
	for try := 0; try < 5 && errors.Is(err, errPortTaken); try++ {
		h.Addr = h.freeAddr()
		h.write("sshd_config", h.sshdConfig())
		err = h.start()
	}
	h.must(err)
	h.write("known_hosts", knownhosts.Line([]string{h.Addr}, h.HostKey)+"\n")
}

func (h *Host) freeAddr() string {
	h.t.Helper()
	if h.config.WAN != nil {
		return h.config.WAN.freeAddr()
	}
	ip := fmt.Sprintf("127.0.0.%d", 2+(int64(os.Getpid())*7+hosts.Add(1))%249)
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	h.must(err)
	defer ln.Close()
	return ln.Addr().String()
}

// start has the keeper start sshd and returns when it listens. sshd's own word for it is
// believed rather than a banner, which may be another server's, and costs a connection.
func (h *Host) start() error {
	before := len(h.Log())
	if err := h.keeper.startSSHD(h.command()); err != nil {
		return err
	}
	var log string
	decided := poll(func() bool {
		log = h.Log()[before:]
		return strings.Contains(log, h.listening()) || strings.Contains(log, sshdEnded)
	})
	switch {
	case strings.Contains(log, "Address already in use"):
		return errPortTaken
	case !decided || strings.Contains(log, sshdEnded):
		return fmt.Errorf("sshd did not start:\n%s", log)
	}
	return nil
}

// sshdConfig returns the whole sshd_config: what the test asked for first, then the host's own,
// then Match blocks, because such a block ends only with the file.
func (h *Host) sshdConfig() string {
	lines, blocks := []string{first}, []string{}
	for _, line := range h.config.SSHD {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "match") {
			blocks = append(blocks, line)
		} else {
			lines = append(lines, line)
		}
	}
	lines = append(lines,
		"ListenAddress "+h.Addr,
		"HostKey "+h.path("host_key"),
		"AuthorizedKeysFile "+h.authorizedKeys(),
		h.setEnv(), plain)
	return strings.Join(append(lines, blocks...), "\n") + "\n"
}

// setEnv returns the SetEnv line. There is one for all variables: sshd ignores a second.
func (h *Host) setEnv() string {
	env := map[string]string{"TESTHOST": h.dir}
	if h.config.Login != LoginOrdinary {
		env["HOME"] = h.Home
	}
	if h.config.Tools != nil || h.config.Applets {
		env["PATH"] = h.path("bin")
	}
	if h.config.Clock != "" {
		env["LD_PRELOAD"], env["FAKETIME"] = h.fakeTime(), h.config.Clock
	}
	maps.Copy(env, h.config.Env)
	var line strings.Builder
	line.WriteString("SetEnv")
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&line, ` "%s=%s"`, name, escape.Replace(env[name]))
	}
	return line.String()
}
