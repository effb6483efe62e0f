//go:build !linux

package ssh

import "net"

// keepUnsentLow is for Linux only.
func keepUnsentLow(net.Conn) {}
