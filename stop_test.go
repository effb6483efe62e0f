package davit_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/service"
)

func TestADaemonIsAskedToEndBeforeItIsTold(t *testing.T) {
	t.Parallel()
	seen := testhost.Start(t)
	k := keepers[slices.IndexFunc(keepers, func(k keeper) bool { return k.kind == service.Process && k.scope == davit.User })]
	l := &life{T: t, keeper: k, Host: dial(t, seen), seen: seen}
	quit := filepath.Join(seen.Home, "quit")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/quit" {
			http.NotFound(w, r)
			return
		}
		if err := os.WriteFile(quit, nil, 0o644); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	// It ends by itself when it is asked, and says so; TERM ends it without a word.
	daemon := shellDaemon(t, "while [ ! -e "+quit+" ]; do sleep 0.1; done\necho ended as asked")
	log := func() (lines []string) {
		t.Helper()
		if err := davit.Logs(t.Context(), l, davit.LogsOptions{Target: l.target()}, func(line string) { lines = append(lines, line) }); err != nil {
			t.Fatal(err)
		}
		return lines
	}
	for name, c := range map[string]struct {
		url   string
		asked bool
		told  string
	}{
		"it takes that":        {server.URL + "/quit", true, "Asking worker to end: POST " + server.URL + "/quit"},
		"it does not":          {server.URL + "/other", false, "It did not take that: status 404"},
		"there is nobody":      {"http://" + testhost.Refused(t) + "/quit", false, "It did not take that: "},
		"it speaks no TLS":     {strings.Replace(server.URL, "http:", "https:", 1), false, "It did not take that: "},
		"it is not asked then": {"", false, "Stopping worker"},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(quit)
			l.must(l.install(daemon, l.running()))
			before := len(log())
			ctx, rec := told(t)
			l.must(davit.Stop(ctx, l, davit.StopOptions{Target: l.target(), URL: c.url}))
			l.is(davit.StateStopped, id(l, daemon))
			if said := slices.Contains(log()[before:], "ended as asked"); said != c.asked {
				t.Errorf("it said %q", log()[before:])
			}
			var messages []string
			for _, e := range rec.Events() {
				messages = append(messages, e.Message)
			}
			if !strings.Contains(strings.Join(messages, "\n"), c.told) {
				t.Errorf("told %q, want %q", messages, c.told)
			}
		})
	}
	for _, bad := range []string{"ftp://127.0.0.1/", "http://", "127.0.0.1:80", "%"} {
		_, err := davit.Stop(t.Context(), l, davit.StopOptions{Target: l.target(), URL: bad})
		explained(t, err, davit.ExitUsage, "begins with http:// or https://")
	}
}
