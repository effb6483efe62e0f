package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/internal/testhost"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

// serve starts the daemon; it and its jobs end with the test.
func serve(t *testing.T, o ssh.Options) (*daemon, *httptest.Server) {
	t.Helper()
	// Told to nobody but the jobs' logs: the test's own output stays readable.
	work, cancel := context.WithCancelCause(narrate.WithNarrator(context.Background(), narrate.New()))
	d := &daemon{log: stream.NewMemory(1000), ssh: o, work: work}
	server := httptest.NewServer(d.handler())
	t.Cleanup(func() {
		cancel(davit.ErrInterrupted)
		server.Close()
		d.jobs.Wait()
	})
	return d, server
}

// reach is how the daemon gets into a host of the tests.
func reach(h *testhost.Host) ssh.Options {
	return ssh.Options{ConfigFile: os.DevNull, Identities: []string{h.IdentityFile}, KnownHostsFiles: []string{h.KnownHosts}}
}

// accepted is the daemon's answer to an order.
type accepted struct {
	JobID  string `json:"job_id"`
	SSEURL string `json:"sse_url"`
}

func order(t *testing.T, server *httptest.Server, o map[string]string) accepted {
	t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+"/install", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a accepted
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("status %s, %v", resp.Status, err)
	}
	if a.JobID == "" || a.SSEURL != "/v1/jobs/"+a.JobID+"/stream" {
		t.Fatalf("answer %+v", a)
	}
	return a
}

// program makes a small executable for any host and returns its path.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho hello from "+name+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// curl follows a stream to its end, as a user would, and returns what it printed, but for
// comments, which say that the connection lives.
func curl(t *testing.T, url string, args ...string) string {
	t.Helper()
	out, err := exec.Command(testhost.Need(t, "curl"), append([]string{"-sSN", "--fail", "--max-time", "60", url}, args...)...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		t.Errorf("curl %s: %v", url, err)
	}
	var frames []string
	for frame := range strings.SplitSeq(string(out), "\n\n") {
		if frame != "" && !strings.HasPrefix(frame, ":") {
			frames = append(frames, frame)
		}
	}
	return strings.Join(frames, "\n\n")
}

// events reads the events of what curl printed.
func events(t *testing.T, printed string) []narrate.Event {
	t.Helper()
	var all []narrate.Event
	for line := range strings.Lines(printed) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e narrate.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		all = append(all, e)
	}
	return all
}

func actions(all []narrate.Event) []string {
	var words []string
	for _, e := range all {
		if e.Kind != narrate.Progress {
			words = append(words, e.Action)
		}
	}
	return words
}

func TestWatchersOfAnInstallPrintTheSame(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	_, server := serve(t, reach(h))
	job := order(t, server, map[string]string{"host": h.Target(), "binary": program(t, "worker")})

	first := curl(t, server.URL+job.SSEURL) // from before its first event, as likely as not
	late := curl(t, server.URL+job.SSEURL+"?after=0")
	if first != late {
		t.Errorf("a watcher from the start printed\n%s\n\na late one with ?after=0\n%s", first, late)
	}

	all := events(t, first)
	for i, e := range all {
		if e.Seq != uint64(i+1) || e.Job != job.JobID {
			t.Fatalf("event %d has seq %d of job %s", i+1, e.Seq, e.Job)
		}
	}
	told := actions(all)
	if len(told) < 4 || told[0] != "start" || !slices.Contains(told, "copying") || told[len(told)-2] != "install_complete" || told[len(told)-1] != "end" {
		t.Errorf("told %q", told)
	}
	end := all[len(all)-1]
	if end.Kind != narrate.End || end.Attrs["state"] != narrate.Succeeded {
		t.Errorf("the end is %+v", end)
	}
	if out := h.Run(`exec "$HOME/.local/bin/worker"`); out != "hello from worker\n" {
		t.Errorf("what was installed says %q", out)
	}

	middle := all[len(all)/2]
	rest := curl(t, server.URL+job.SSEURL, "-H", "Last-Event-ID: "+middle.ID)
	if _, want, _ := strings.Cut(first, "id: "+middle.ID+"\n"); !strings.HasSuffix(want, rest) || len(events(t, rest)) != len(all)-int(middle.Seq) {
		t.Errorf("after %s a watcher printed\n%s\n\nwant the rest of\n%s", middle.ID, rest, want)
	}
	if n := len(events(t, curl(t, server.URL+job.SSEURL, "-H", "Last-Event-ID: "+end.ID))); n != 0 {
		t.Errorf("%d events after the end", n)
	}
	text := curl(t, server.URL+job.SSEURL+"?format=text")
	if !strings.Contains(text, "⏱️  Install daemon (timeout: 300s)") || !strings.HasSuffix(text, "data: [DONE]") {
		t.Errorf("as text:\n%s", text)
	}
}

func TestAWatcherFollowsWhileTheInstallIsUnderWay(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{})
	link.Stall()
	_, server := serve(t, reach(h))
	job := order(t, server, map[string]string{"host": h.Via(link.Addr()).Target(), "binary": program(t, "worker")})

	resp, err := http.Get(server.URL + job.SSEURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	live := &bytes.Buffer{}
	for !strings.Contains(live.String(), `"action":"connecting"`) { // the install waits for the network
		if _, err := io.CopyN(live, resp.Body, 1); err != nil {
			t.Fatal(err)
		}
	}
	link.Resume()
	if _, err := live.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if told := actions(events(t, live.String())); told[len(told)-1] != "end" || told[len(told)-2] != "install_complete" {
		t.Errorf("told %q", told)
	}
}

func TestAnInstallThatTimesOutSaysSoAndEnds(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t)
	link := testhost.NewLink(t, h.Addr, testhost.Link{})
	link.Blackhole()
	_, server := serve(t, reach(h))
	job := order(t, server, map[string]string{"host": h.Via(link.Addr()).Target(), "binary": program(t, "worker"), "timeout": "1s"})

	printed := curl(t, server.URL+job.SSEURL)
	all := events(t, printed)
	told := actions(all)
	if told[0] != "start" || told[len(told)-2] != "timeout" || told[len(told)-1] != "end" {
		t.Errorf("told %q", told)
	}
	if m := all[0].Message; m != "⏱️  Install daemon (timeout: 1s)" {
		t.Errorf("the start is told as %q", m)
	}
	if m := all[len(all)-2].Message; m != "❌ Install daemon TIMED OUT after 1s" {
		t.Errorf("the timeout is told as %q", m)
	}
	end := all[len(all)-1]
	if why, _ := end.Attrs["error"].(string); end.Attrs["state"] != narrate.TimedOut || !strings.Contains(why, "timed out after 1 second") {
		t.Errorf("the end is %+v", end)
	}
	if text := curl(t, server.URL+job.SSEURL+"?format=text"); !strings.Contains(text, "data: [ERROR] ") {
		t.Errorf("as text:\n%s", text)
	}
}

// What one job tells reaches its own log alone, and what belongs to no job reaches none.
func TestJobsAreKeptApart(t *testing.T) {
	t.Parallel()
	h := testhost.Start(t, testhost.WithShell("bash"), testhost.WithFile(".bashrc", "echo noise of the shell >&2\n"))
	d, server := serve(t, reach(h))
	jobs := map[string]accepted{}
	for _, name := range []string{"alpha", "beta"} {
		jobs[name] = order(t, server, map[string]string{"host": h.Target(), "binary": program(t, name)})
	}

	// Without a job ID, through the same sink.
	var told narrate.Recorder
	ctx := narrate.WithSink(narrate.WithNarrator(t.Context(), narrate.New(&told)), d.log.Sink())
	direct, err := ssh.New(h.Target(), d.ssh)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	if _, err := davit.Install(ctx, direct, davit.InstallOptions{Binary: program(t, "gamma")}); err != nil {
		t.Fatal(err)
	}
	if words := told.Actions(); !slices.Contains(words, "start") || !slices.Contains(words, "install_complete") {
		t.Errorf("the narrator was told %q", words)
	}

	for name, job := range jobs {
		all := events(t, curl(t, server.URL+job.SSEURL))
		words := actions(all)
		if words[0] != "start" || words[len(words)-1] != "end" {
			t.Errorf("%s: told %q", name, words)
		}
		captured := false
		for _, e := range all {
			captured = captured || e.Kind == narrate.Output && strings.Contains(e.Message, "noise of the shell")
			for other := range strings.FieldsSeq("alpha beta gamma") {
				if e.Job != job.JobID || other != name && strings.Contains(e.Message, other) {
					t.Errorf("%s: told of %s: %+v", name, other, e)
				}
			}
		}
		if !captured {
			t.Errorf("%s: what the host printed is not in its log: %q", name, words)
		}
	}
}

func TestOrdersThatCannotWorkAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	_, server := serve(t, ssh.Options{ConfigFile: os.DevNull})
	good := program(t, "worker")
	for name, c := range map[string]struct{ body, what string }{
		"not JSON":         {`host=pi`, "invalid character"},
		"no host":          {`{"binary":"` + good + `"}`, "not a host"},
		"no binary":        {`{"host":"local"}`, "no executable"},
		"missing binary":   {`{"host":"local","binary":"/nowhere/worker"}`, "/nowhere/worker: no such file"},
		"a name of dots":   {`{"host":"local","binary":"` + good + `","name":".."}`, `".."`},
		"a limit of words": {`{"host":"local","binary":"` + good + `","timeout":"soon"}`, "invalid duration"},
		"a limit of 0":     {`{"host":"local","binary":"` + good + `","timeout":"0s"}`, "more than 0"},
		"too much":         {`{"host":"` + strings.Repeat("x", 1<<20) + `"}`, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := http.Post(server.URL+"/install", "application/json", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			said, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), c.what) {
				t.Errorf("%s: %q, %v; want one that says %q", resp.Status, said, err, c.what)
			}
		})
	}
}

func TestAWebPageCannotOrderAnything(t *testing.T) {
	t.Parallel()
	_, server := serve(t, ssh.Options{})
	r, err := http.NewRequest(http.MethodPost, server.URL+"/install", strings.NewReader(`{"host":"local"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %s, want 403", resp.Status)
	}
}

// It is an example: it stays as short as it is said to be.
func TestTheExampleHasLessThanAHundredLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n >= 100 {
		t.Errorf("main.go has %d lines", n)
	}
}
