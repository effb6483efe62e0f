package health_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/davit-sh/davit/health"
)

func TestAValidCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []health.Check{
		{},
		{HTTP: "http://127.0.0.1:8080/healthz"},
		{HTTP: "https://localhost/", Status: 302, Match: "x"},
		{HTTP: "http://[::1]:1?a=b#c"},
		{TCP: "[fe80::1%eth0]:22"},
		{TCP: "db_1.local:5432", Interval: time.Hour, Timeout: 1},
		{Command: "test -e /run/x\nexit $?"},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestABadCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check health.Check
		word  string
	}{
		{health.Check{HTTP: "http://h/", TCP: "h:1"}, "one of"},
		{health.Check{TCP: "h:1", Command: "true"}, "one of"},
		{health.Check{TCP: "h:1", Status: 200}, "only an HTTP"},
		{health.Check{Match: "x"}, "only an HTTP"},
		{health.Check{HTTP: "http://h/", Status: 99}, "status 99"},
		{health.Check{HTTP: "http://h/", Match: strings.Repeat("x", 1<<17)}, "131072 bytes"},
		{health.Check{HTTP: "http://h/", Interval: -1}, "interval"},
		{health.Check{HTTP: "http://h/", Timeout: -1}, "timeout"},
		{health.Check{HTTP: "127.0.0.1:8080"}, "not a URL"},
		{health.Check{HTTP: "h:80/x"}, "not a URL of http"},
		{health.Check{HTTP: "ftp://h/"}, "not a URL of http"},
		{health.Check{HTTP: "http:h"}, "not a URL of http"},
		{health.Check{HTTP: "http://h/\n"}, "not a URL"},
		{health.Check{HTTP: "http:///x"}, "no name"},
		{health.Check{HTTP: "http://-x/"}, "no name"},
		{health.Check{HTTP: "http://a b/"}, "not a URL"},
		{health.Check{HTTP: "http://h:0/"}, "port"},
		{health.Check{HTTP: "http://h:70000/"}, "port"},
		{health.Check{HTTP: "http://me:hunter2@h/"}, "password"},
		{health.Check{TCP: "5432"}, "name:port"},
		{health.Check{TCP: ":5432"}, "no name"},
		{health.Check{TCP: "-e:5432"}, "no name"},
		{health.Check{TCP: "a/b:5432"}, "no name"},
		{health.Check{TCP: "h:postgres"}, "port"},
		{health.Check{Command: " \n"}, "not a command"},
		{health.Check{Command: "a\x00b"}, "not a command"},
	} {
		err := c.check.Validate()
		if err == nil || !strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200q: %v, want %q in it", fmt.Sprint(c.check), err, c.word)
			continue
		}
		is(t, health.New(c.check, newMemory(never)).Once(t.Context()), health.ErrCannotAsk, c.word)
	}
}

func TestACheckSaysWhatItAsks(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]health.Check{
		"GET http://127.0.0.1:8080/healthz": {HTTP: "http://127.0.0.1:8080/healthz"},
		"connect to 127.0.0.1:5432":         {TCP: "127.0.0.1:5432"},
		"pg_isready -q":                     {Command: "pg_isready -q"},
		"nothing":                           {},
	} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A host is one that connects for us, and runs commands: host.Host has Dial, and a conversation with a script Run.
func ExampleProber_Wait() {
	var theHost health.Asker = newMemory(never)

	check := health.Check{HTTP: "http://127.0.0.1:8080/healthz", Match: "ok", Timeout: 50 * time.Millisecond}
	p := health.New(check, theHost)
	defer p.Close()
	_, err := p.Wait(context.Background())
	_, reason, _ := strings.Cut(err.Error(), ": ")
	fmt.Println(reason)
	// Output:
	// 🩺 Waiting for the daemon to serve: GET http://127.0.0.1:8080/healthz (timeout: 50ms)
	// GET http://127.0.0.1:8080/healthz: nothing listens at 127.0.0.1:8080 yet
}
