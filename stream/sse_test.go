package stream

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// sseFrame is one thing that a reader of a stream meets: an event, or a comment.
type sseFrame struct {
	id, event, data string
	comment         string // if it is a comment: its text
}

// sseReader reads a stream by the letter of WHATWG HTML, §9.2.6, except that it gives comments
// too, and each frame's own id and not the last one seen.
type sseReader struct {
	r       *bufio.Reader
	afterCR bool
}

func newSSEReader(r io.Reader) *sseReader { return &sseReader{r: bufio.NewReader(r)} }

// line reads up to CR, LF or CRLF.
func (s *sseReader) line() (string, error) {
	var line []byte
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return "", err
		}
		skip := c == '\n' && s.afterCR
		s.afterCR = c == '\r'
		switch {
		case skip:
		case c == '\r', c == '\n':
			return string(line), nil
		default:
			line = append(line, c)
		}
	}
}

// next returns the next frame. What has not ended with an empty line is never given.
func (s *sseReader) next() (sseFrame, error) {
	var f sseFrame
	var data []string
	for {
		line, err := s.line()
		if err != nil {
			return sseFrame{}, err
		}
		if line == "" {
			if data == nil {
				f = sseFrame{}
				continue
			}
			f.data = strings.Join(data, "\n")
			return f, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			return sseFrame{comment: value}, nil
		case "id":
			if !strings.Contains(value, "\x00") {
				f.id = value
			}
		case "event":
			f.event = value
		case "data":
			data = append(data, value)
		}
	}
}

// nextEvent is next without comments.
func (s *sseReader) nextEvent() (sseFrame, error) {
	for {
		f, err := s.next()
		if err != nil || f.comment == "" {
			return f, err
		}
	}
}

// rest returns all events up to the end of the stream.
func (s *sseReader) rest() ([]sseFrame, error) {
	var all []sseFrame
	for {
		f, err := s.nextEvent()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
}
