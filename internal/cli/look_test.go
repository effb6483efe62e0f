package cli

import (
	"context"
	"testing"
)

// terminal returns streams that are terminals all three, in a sane environment but for env.
func terminal(env map[string]string) Streams {
	all := map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}
	for name, value := range env {
		all[name] = value
	}
	return Streams{
		InTerminal: true, OutTerminal: true, ErrTerminal: true, SameTerminal: true,
		Env:    func(name string) string { return all[name] },
		Secret: func(context.Context) (string, error) { return "", nil },
	}
}

func TestHowItLooksIsDecidedByFlagsTerminalAndEnvironment(t *testing.T) {
	t.Parallel()
	full := look{Color: true, ErrColor: true, Bar: true, Ask: true}
	for name, c := range map[string]struct {
		env    map[string]string
		flags  output
		change func(*Streams)
		want   look
	}{
		"a terminal":                             {want: full},
		"no terminal at all":                     {change: func(s *Streams) { s.InTerminal, s.OutTerminal, s.ErrTerminal = false, false, false }},
		"stdout is a file":                       {change: func(s *Streams) { s.OutTerminal = false }, want: look{ErrColor: true, Bar: true, Ask: true}},
		"stderr is a file":                       {change: func(s *Streams) { s.ErrTerminal = false }, want: look{Color: true}},
		"stdin is a file":                        {change: func(s *Streams) { s.InTerminal = false }, want: look{Color: true, ErrColor: true, Bar: true}},
		"nothing can be read unseen":             {change: func(s *Streams) { s.Secret = nil }, want: look{Color: true, ErrColor: true, Bar: true}},
		"--plain":                                {flags: output{Plain: true}, want: look{Plain: true, Bar: true, Ask: true}},
		"--quiet":                                {flags: output{Quiet: true}, want: look{Color: true, ErrColor: true, Ask: true}},
		"--json":                                 {flags: output{JSON: true}, want: look{ErrColor: true, Ask: true}},
		"NO_COLOR":                               {env: map[string]string{"NO_COLOR": "1"}, want: look{Bar: true, Ask: true}},
		"an empty NO_COLOR":                      {env: map[string]string{"NO_COLOR": ""}, want: full},
		"TERM=dumb":                              {env: map[string]string{"TERM": "dumb"}, want: look{Ask: true}},
		"TERM is not set":                        {env: map[string]string{"TERM": ""}, want: look{Ask: true}},
		"LANG=C":                                 {env: map[string]string{"LANG": "C"}, want: look{Plain: true, Bar: true, Ask: true}},
		"LANG=C.UTF-8":                           {env: map[string]string{"LANG": "C.UTF-8"}, want: full},
		"LANG=de_DE.utf8@euro":                   {env: map[string]string{"LANG": "de_DE.utf8@euro"}, want: full},
		"LANG=de_DE.ISO-8859-1":                  {env: map[string]string{"LANG": "de_DE.ISO-8859-1"}, want: look{Plain: true, Bar: true, Ask: true}},
		"LC_ALL=C wins over the LANG":            {env: map[string]string{"LC_ALL": "C"}, want: look{Plain: true, Bar: true, Ask: true}},
		"LC_CTYPE=POSIX wins over the LANG":      {env: map[string]string{"LC_CTYPE": "POSIX"}, want: look{Plain: true, Bar: true, Ask: true}},
		"LC_ALL wins over the LC_CTYPE":          {env: map[string]string{"LC_ALL": "C.UTF-8", "LC_CTYPE": "C"}, want: full},
		"no locale is set, as in most images":    {env: map[string]string{"LANG": ""}, want: full},
		"--json --plain, and colour for nothing": {flags: output{JSON: true, Plain: true}, want: look{Plain: true, Ask: true}},
	} {
		t.Run(name, func(t *testing.T) {
			std := terminal(c.env)
			if c.change != nil {
				c.change(&std)
			}
			if got := decide(std, c.flags); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}
