package testhost_test

import (
	"testing"

	"github.com/davit-sh/davit/internal/testhost"
)

func TestAMachineBoots(t *testing.T) {
	t.Parallel()
	m := testhost.Boot(t, testhost.Systemd)
	if got := m.Login("me").Run(`echo "$(id -un) $HOME"`); got != "me /home/me\n" {
		t.Errorf("me: %q", got)
	}
	if got := m.Run(`echo "$(id -un) $HOME"; cat /proc/1/comm; systemctl is-system-running --wait`); got != "root /root\nsystemd\nrunning\n" {
		t.Errorf("root: %q", got)
	}
	m.Reboot()
	m.PowerOff()
	m.PowerOn()
}
