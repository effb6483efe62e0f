package cli

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// The size of a terminal that does not tell.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// screen is a terminal on which lines pass by above a frame that stays: a bar, or a table. It is what mpb
// draws on, and what lines must be written through while it does.
type screen struct {
	mu    sync.Mutex
	w     io.Writer
	size  func() (width, height int)
	next  bytes.Buffer // the frame that is being drawn
	frame []byte       // the one to be seen
	rows  int          // its rows
	shut  bool         // frames are not shown any more
}

func newScreen(w io.Writer, size func() (int, int)) *screen {
	if size == nil {
		size = func() (int, int) { return defaultWidth, defaultHeight }
	}
	return &screen{w: w, size: size}
}

// Write writes whole lines above the frame.
func (s *screen) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.show(lines, s.frame, s.rows); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// show takes the frame away and writes lines and another frame in its place, in one go.
func (s *screen) show(lines, frame []byte, rows int) error {
	var b bytes.Buffer
	if s.rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", s.rows)
	}
	b.Write(lines)
	b.Write(frame)
	s.frame, s.rows = bytes.Clone(frame), rows
	_, err := b.WriteTo(s.w)
	return err
}

// ReadFrom takes a part of the next frame, whole rows of it.
func (s *screen) ReadFrom(r io.Reader) (int64, error) { return s.next.ReadFrom(r) }

// Flush shows the frame that has been read. It counts the rows itself: a bar may have several.
func (s *screen) Flush(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.next.Reset()
	if s.shut {
		return nil
	}
	return s.show(nil, s.next.Bytes(), bytes.Count(s.next.Bytes(), []byte("\n")))
}

// IsTerminal reports true.
func (s *screen) IsTerminal() bool { return true }

// GetTermSize returns the columns, and the lines that a frame may have: all but the one that the
// cursor is left in, or the first would scroll away. Its error is always nil.
func (s *screen) GetTermSize() (width, height int, err error) {
	width, height = s.size()
	return width, max(height-1, 1), nil
}

// hold takes the frame away and keeps everybody from writing until release is called. Meanwhile
// the caller alone may write, to the writer that hold returns.
func (s *screen) hold() (w io.Writer, release func()) {
	s.mu.Lock()
	s.show(nil, nil, 0)
	return s.w, s.mu.Unlock
}

// close takes the frame away for good. Lines are still written.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
	s.show(nil, nil, 0)
}
