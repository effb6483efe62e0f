package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestItSaysHelloUntilItIsToldToEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-listen", "127.0.0.1:0"}, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Sscanf(line, "hello devel listens on %s\n", &url); err != nil {
		t.Fatalf("first line %q: %v", line, err)
	}
	for path, want := range map[string]string{"/": "hello devel\n", "/health": "ok\n"} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want || resp.StatusCode != http.StatusOK || err != nil {
			t.Errorf("GET %s: %s %q %v", path, resp.Status, body, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("told to end: %v", err)
	}
}

func TestItServesNobodyElse(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "[::]:0"} {
		err := run(t.Context(), []string{"-listen", address}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestItTellsItsVersion(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-version"}, &out); err != nil || out.String() != "hello devel\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
