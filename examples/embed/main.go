// Embed is a control daemon of one's own: it installs executables on request, answers at once, and
// lets anybody follow the work, before, during and after.
//
//	go run ./examples/embed &
//	curl -d '{"host":"me@gpu-1","binary":"./worker","timeout":"90s"}' 127.0.0.1:7834/install
//	curl -N 127.0.0.1:7834/v1/jobs/job-…/stream?format=text
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/davit-sh/davit"
	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/host/local"
	"github.com/davit-sh/davit/host/ssh"
	"github.com/davit-sh/davit/narrate"
	"github.com/davit-sh/davit/stream"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7834", "where to listen; it asks nobody who they are")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	work, cancel := context.WithCancelCause(context.Background())
	d := &daemon{log: stream.NewMemory(1000), work: work}
	server := &http.Server{Addr: *addr, Handler: d.handler(), ReadHeaderTimeout: time.Minute}
	d.jobs.Go(func() {
		<-interrupted.Done()
		stop()                                    // a second Ctrl-C ends the process at once
		cancel(davit.ErrInterrupted)              // installs clean up and end, and with them their streams,
		_ = server.Shutdown(context.Background()) // which this waits for
	})
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	d.jobs.Wait()
}

// states are what a job ends in if it did not simply fail.
var states = map[int]string{davit.ExitDeadline: narrate.TimedOut, davit.ExitInterrupted: narrate.Cancelled}

type daemon struct {
	log  *stream.Memory
	ssh  ssh.Options
	work context.Context // of all jobs
	jobs sync.WaitGroup  // under way
}

func (d *daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /install", d.install)
	mux.Handle("GET /v1/jobs/{id}/stream", stream.Handler(d.log))
	return http.NewCrossOriginProtection().Handler(mux) // no web page may order anything
}

func (d *daemon) install(w http.ResponseWriter, r *http.Request) {
	var o struct{ Host, Binary, Name, Timeout string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&o)
	timeout, badTimeout := time.ParseDuration(cmp.Or(o.Timeout, "5m"))
	options := davit.InstallOptions{Binary: o.Binary, Name: o.Name, Timeout: cmp.Or(timeout, -1)}
	h, badHost := d.host(o.Host)
	if err := cmp.Or(err, badTimeout, badHost, options.Validate()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := "job-" + strings.ToLower(rand.Text())
	_ = d.log.Create(r.Context(), id) // before the work starts: who asks now, waits for its first event
	ctx := narrate.WithSink(narrate.WithJob(d.work, id), d.log.Sink())
	d.jobs.Go(func() {
		defer h.Close()
		if receipt, err := davit.Install(ctx, h, options); err != nil {
			narrate.Finish(ctx, cmp.Or(states[davit.ExitCode(err)], narrate.Failed), err, nil)
		} else {
			narrate.Finish(ctx, narrate.Succeeded, nil, []davit.Receipt{receipt})
		}
		time.AfterFunc(time.Hour, func() { _ = d.log.Remove(ctx, id) })
	})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]string{"job_id": id, "sse_url": "/v1/jobs/" + id + "/stream"})
}

func (d *daemon) host(name string) (host.Host, error) {
	if name != "local" {
		return ssh.New(name, d.ssh)
	}
	return local.New(), nil
}
