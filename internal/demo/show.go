package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/davit-sh/davit/host"
	"github.com/davit-sh/davit/narrate"
)

// told tells what p says until it has ended.
func told(ctx context.Context, p host.Process) error {
	var outputs sync.WaitGroup
	for stream, from := range map[string]io.Reader{"stdout": p.Stdout(), "stderr": p.Stderr()} {
		outputs.Go(func() {
			lines := narrate.NewLineWriter(ctx, stream)
			io.Copy(lines, from)
			lines.Close()
		})
	}
	outputs.Wait()
	err := p.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// showLayout tells what the installs made in the home.
func (d *demo) showLayout(ctx context.Context) error {
	lines, err := tree(d.server.home)
	if err != nil {
		return err
	}
	for _, line := range lines {
		narrate.Sayf(ctx, "layout", "   %s", line)
	}
	return nil
}

// tree returns what is below root, a line each, with links and sizes.
func tree(root string) ([]string, error) {
	lines := []string{"~"}
	err := branch(&lines, root, "  ")
	return lines, err
}

func branch(lines *[]string, dir, indent string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path, name, err := onlyChildren(filepath.Join(dir, e.Name()), e.Name())
		if err != nil {
			return err
		}
		what, isDir, err := describe(path)
		if err != nil {
			return err
		}
		*lines = append(*lines, strings.TrimRight(fmt.Sprintf("%s%-*s%s", indent, 36-len(indent), name, what), " "))
		if isDir {
			if err := branch(lines, path, indent+"  "); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyChildren follows folders that hold just one other folder: ".local/share/davit" is one line.
func onlyChildren(path, name string) (string, string, error) {
	for {
		info, err := os.Lstat(path)
		if err != nil {
			return "", "", err
		}
		if !info.IsDir() {
			return path, name, nil
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return "", "", err
		}
		if len(entries) != 1 || !entries[0].IsDir() {
			return path, name + "/", nil
		}
		path, name = filepath.Join(path, entries[0].Name()), name+"/"+entries[0].Name()
	}
}

// describe returns the target of a link, or the mode and size of a file.
func describe(path string) (what string, isDir bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", false, err
	case info.IsDir() && filepath.Base(path) == "undo":
		return "what was before the last change", false, nil // in files that are for the host alone
	case info.IsDir():
		return "", true, nil
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return "→ " + target, false, err
	}
	return fmt.Sprintf("%v  %s", info.Mode(), narrate.Bytes(info.Size())), false, nil
}

// showReceipts tells what each install came to.
func (d *demo) showReceipts(ctx context.Context) {
	for _, r := range d.receipts {
		sent := fmt.Sprintf("%s sent for %s", narrate.Bytes(r.Sent), narrate.Bytes(r.Size))
		if r.Form != "" {
			sent += " (" + r.Form + ")"
		}
		narrate.Emit(ctx, narrate.Event{
			Action:  "receipt",
			Message: fmt.Sprintf("🧾 %s %s: %s, %s, %.2f s", r.Daemon, r.Release[:min(12, len(r.Release))], r.Outcome, sent, r.Seconds),
			Attrs:   map[string]any{"receipt": r},
		})
		for _, s := range r.Steps {
			narrate.Sayf(ctx, "receipt", "   %-10s %.2f s", s.Name, s.Seconds)
		}
	}
}
