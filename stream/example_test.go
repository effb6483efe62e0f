package stream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

// A program that embeds Davit keeps its jobs in memory and mounts the handler in its own server.
func Example() {
	log := stream.NewMemory(1000)
	ctx := narrate.WithNarrator(context.Background(), narrate.New())
	ctx = narrate.WithSink(narrate.WithJob(ctx, "job-1"), log.Sink())
	narrate.Sayf(narrate.WithActor(ctx, "install"), "copying", "📤 Copying llm-worker")
	narrate.Finish(ctx, narrate.Succeeded, nil, nil)

	mux := http.NewServeMux()
	mux.Handle("GET /v1/jobs/{id}/stream", stream.Handler(log))
	server := httptest.NewServer(mux)
	defer server.Close()

	resp, err := http.Get(server.URL + "/v1/jobs/job-1/stream?format=text")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "data: ") {
			fmt.Print(line)
		}
	}
	// Output:
	// data: [install   ] copying        : 📤 Copying llm-worker
	// data: [DONE]
}
