package health

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	"github.com/davit-sh/davit/internal/testhost"
)

// scripts are what is run on hosts, with values that a careless quoter would trip over.
func scripts(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, c := range []Check{{HTTP: "http://h:1/it's?$HOME=`id`"}, {HTTP: "https://[::1]/"}, {TCP: "h:1"}} {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		p := New(c, nil)
		p.onHost = &onHost{}
		all[c.String()] = p.script("davit-mark", 4).Text()
	}
	return all
}

func TestTheScriptIsPOSIX(t *testing.T) {
	shellcheck := testhost.Need(t, "shellcheck")
	for name, text := range scripts(t) {
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name); err != nil {
			t.Errorf("POSIX: %v", err)
		}
		cmd := exec.Command(shellcheck, "--shell=sh", "--exclude=SC2034,SC2016", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
			cmd := exec.Command(testhost.Need(t, shell[0]), append(shell[1:], "-n", "-c", text)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", shell, name, err, out)
			}
		}
	}
}

func TestHeads(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       head
		body       string
		ok         bool
	}{
		{"plain", "HTTP/1.0 200 OK\n\nbody", head{status: 200, length: -1}, "body", true},
		{"all of it", "HTTP/1.1 301 Moved\r\nlocation:  /x \r\nContent-Length: 4\r\nTransfer-Encoding: Chunked\r\n\r\nbody", head{301, "/x", 4, true}, "body", true},
		{"after another", "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 204\r\n\r\n", head{status: 204, length: -1}, "", true},
		{"cut short", "HTTP/1.1 200 OK\r\nX: ", head{}, "", false},
		{"without an end", "HTTP/1.1 200 OK\r\n", head{}, "", false},
		{"not HTTP", "SSH-2.0 200 OK\n\n", head{}, "", false},
		{"a bad status", "HTTP/1.1 -20 OK\n\n", head{}, "", false},
		{"a bad length", "HTTP/1.1 200\nContent-Length: -4\n\n", head{status: 200, length: -1}, "", true},
	} {
		h, body, ok := cutHead([]byte(c.text))
		if h != c.want || string(body) != c.body || ok != c.ok {
			t.Errorf("%s: %+v, %q, %v", c.name, h, body, ok)
		}
	}
}

func FuzzReply(f *testing.F) {
	const mark = "davit-mark"
	for _, tool := range []string{"curl", "wget", "busybox", "bash", "nc"} {
		for _, answer := range []string{
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\r\nready\r\n0\r\n\r\n",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /\x1b[31m\r\n\r\n", "\n" + mark + " x 0", "220 mail", "",
		} {
			f.Add(answer, tool, 0, "  "+answer)
			f.Add(answer, tool, 143, "wget: server returned error: HTTP/1.1 503\n")
		}
	}
	web, tcp := New(Check{HTTP: "http://h:1/", Match: "ready"}, nil), New(Check{TCP: "h:1"}, nil)
	f.Fuzz(func(t *testing.T, answer, tool string, status int, errors string) {
		for _, output := range []string{fmt.Sprintf("%s\n%s %s %d\n%s", answer, mark, tool, status, errors), answer} {
			r, ok := parseReply(mark, output)
			if !ok {
				continue
			}
			r.seconds = 4
			for _, e := range []*Error{web.judgeHTTP(context.Background(), r), tcp.judgeTCP(context.Background(), r)} {
				switch {
				case e == nil:
				case e.Kind == nil || e.Reason == "" || len(e.Reason) > 3*excerptLimit:
					t.Errorf("%#v", e)
				case strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' }):
					t.Errorf("not fit to be shown: %q", e)
				}
			}
			if e := web.judgeHTTP(context.Background(), r); e == nil && !strings.Contains(answer, "ready") && !strings.Contains(answer, "chunked") {
				t.Errorf("healthy without a match: %q", answer)
			}
		}
	})
}
