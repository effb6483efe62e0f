// Hello is a daemon that says hello: the smallest thing worth installing.
//
//	go build -ldflags "-X main.version=1.0.0" ./examples/hello
//	./hello -listen 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "devel"

// grace is how long requests under way may take once the daemon was told to end.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("hello", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to serve on; port 0 takes a free one")
	onlyVersion := flags.Bool("version", false, "print the version and leave")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *onlyVersion {
		fmt.Fprintln(out, "hello", version)
		return nil
	}
	ln, err := listenLoopback(ctx, *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "hello %s listens on http://%s\n", version, ln.Addr())
	return serve(ctx, ln)
}

// listenLoopback refuses any address that other machines could reach: nobody signs in here.
func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", address)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr.String())
}

// serve serves until ctx ends, then lets the requests under way end too.
func serve(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello", version) })
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: grace}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return server.Shutdown(last)
}
