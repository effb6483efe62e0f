//go:build unix

package openssh_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit/host/openssh"
	"github.com/davit-sh/davit/internal/testhost"
)

// before returns the path of an ssh program that first does what script says, as the program itself
// would with hardware that is not here.
func before(t *testing.T, script string) string {
	t.Helper()
	program := write(t, "#!/bin/sh\n[ \"$1\" = -G ] || {\n"+script+"\n}\nexec "+testhost.Need(t, "ssh")+" \"$@\"\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

func TestAKeyThatIsToBeTouchedIsTold(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	program := before(t, `SSH_ASKPASS_PROMPT=none "$SSH_ASKPASS" "Confirm user presence for key ED25519-SK SHA256:abc" & sleep 1; kill $!`)
	ctx, rec := told(t)
	if err := open(t, "x", h.Block("x"), func(o *openssh.Options) { o.Program = program }).Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rec.Actions(), []string{"touch"}) || !strings.Contains(rec.Events()[0].Message, "Confirm user presence for key ED25519-SK SHA256:abc") {
		t.Errorf("told %v", rec.Events())
	}
}

func TestWhatTheProgramAsksIsAnswered(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	for name, c := range map[string]struct {
		hint, question, answer string // "-" is nobody
		want                   string // what the program gets, and the exit status
	}{
		"a PIN":                  {"", "Enter PIN for ED25519-SK key /k: ", `1 2\n$HOME`, `1 2\n$HOME` + "\n0\n"},
		"nothing":                {"", "Enter PIN: ", "", "\n0\n"},
		"nobody":                 {"", "Enter PIN: ", "-", "1\n"},
		"a yes":                  {"confirm", "Add key to the agent?", "yes", "yes\n0\n"},
		"silence, which is a no": {"confirm", "Add key to the agent?", "", "1\n"},
		"a question of lines":    {"", "One.\nTwo: ", "2", "2\n0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := t.TempDir() + "/got"
			program := before(t, `SSH_ASKPASS_PROMPT=`+c.hint+` "$SSH_ASKPASS" '`+c.question+`' >`+got+`; echo $? >>`+got)
			prompt, asked := answers(c.answer)
			far := open(t, "x", h.Block("x"), func(o *openssh.Options) {
				o.Program = program
				if c.answer != "-" {
					o.Prompt = prompt
				}
			})
			if err := connect(t, far); err != nil {
				t.Fatal(err)
			}
			if text := read(t, got); text != c.want {
				t.Errorf("the program got %q, want %q", text, c.want)
			}
			if c.answer != "-" && !slices.Equal(*asked, []string{c.question}) {
				t.Errorf("asked %q", *asked)
			}
		})
	}
}
