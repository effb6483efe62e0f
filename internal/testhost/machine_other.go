//go:build !linux

package testhost

import (
	"errors"
	"io"
	"testing"
)

// Boot does not get as far as this where there is no Linux.

func builtRoot(testing.TB, Init) string { return "" }

func (m *Machine) start(string) (io.Reader, error) { return nil, errors.ErrUnsupported }
