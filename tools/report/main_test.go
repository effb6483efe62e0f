package main

import (
	"strings"
	"testing"
)

const (
	passes = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: of no interest\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	fails = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: got 1\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`
	reports = `{"Action":"output","Package":"p","Test":"TestD","Output":"    d_test.go:1: REPORT: good hosts:\n"}
{"Action":"output","Package":"p","Test":"TestE","Output":"    e_test.go:1: REPORT: bad hosts: none\n"}
{"Action":"output","Package":"p","Test":"TestD","Output":"        REPORT:   x.go: ok\n"}
{"Action":"pass","Package":"p","Test":"TestD"}
{"Action":"pass","Package":"p","Test":"TestE"}
`
	broken = `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: syntax error\n"}
{"ImportPath":"q","Action":"build-fail"}
`
	skips = `{"Action":"output","Package":"p","Test":"TestC","Output":"    need.go:45: SKIPPED, NOT TESTED: no sshd\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
`
)

func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, events string
		strict, ok   bool
		maySkip      string
		want         string
	}{
		{"what passes is one line a package", passes, true, true, "", "ok  \tp\t0.1s\n1 tests passed, 0 failures\n"},
		{"what fails says why", passes + fails, false, false, "", "ok  \tp\t0.1s\n    b_test.go:1: got 1\nFAIL\tp\t0.1s\n1 tests passed, 2 failures\n"},
		{"what does not build fails", passes + broken, false, false, "", "ok  \tp\t0.1s\nq.go:1: syntax error\n1 tests passed, 1 failures\n"},
		{"what is skipped is said", passes + skips, false, true, "", "ok  \tp\t0.1s\nSKIPPED, NOT TESTED: no sshd: TestC\n1 tests passed, 0 failures\n"},
		{
			"what is skipped fails in CI", passes + skips, true, false, "",
			"ok  \tp\t0.1s\nSKIPPED, NOT TESTED: no sshd: TestC\n1 tests passed, 0 failures\nin CI a skipped test is a failed one\n",
		},
		{"what may be skipped does not", passes + skips, true, true, "TestC", "ok  \tp\t0.1s\n1 tests passed, 0 failures\n"},
		{"what tests report comes last", reports + passes, true, true, "", "ok  \tp\t0.1s\ngood hosts:\n  x.go: ok\nbad hosts: none\n3 tests passed, 0 failures\n"},
		{"no test at all is a failure", "", false, false, "", "0 tests passed, 0 failures\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := report{out: &out, strict: c.strict, maySkip: []string{c.maySkip}}
			ok, err := r.read(strings.NewReader(c.events))
			if ok != c.ok || err != nil || out.String() != c.want {
				t.Errorf("ok %v, error %v, said\n%q\nwant %v\n%q", ok, err, out.String(), c.ok, c.want)
			}
		})
	}
}

func TestWhatIsNoReportIsAnError(t *testing.T) {
	t.Parallel()
	r := report{out: &strings.Builder{}}
	if ok, err := r.read(strings.NewReader("go: no such tool\n")); ok || err == nil {
		t.Errorf("ok %v, error %v", ok, err)
	}
}
