package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-sh/davit/build"
)

// Draft returns a manifest with comments for the source tree in dir, and what it found there, in lines: programs in
// Go and Rust, or a Makefile.
func Draft(ctx context.Context, dir string) (text []byte, found []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	programs, err := build.Programs(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	var drafts []draft
	for _, p := range programs {
		drafts = append(drafts, draftOf(p))
	}
	if len(drafts) == 0 {
		drafts = []draft{draftOfDirectory(dir)}
	}
	var b strings.Builder
	b.WriteString(draftHead)
	seen := map[string]bool{}
	for _, d := range drafts {
		for base, n := d.name, 2; seen[d.name]; n++ {
			d.name = fmt.Sprintf("%s-%d", base, n)
		}
		seen[d.name] = true
		fmt.Fprintf(&b, "  %s:\n    build:\n%s", d.name, d.build)
		found = append(found, d.name+": "+d.found)
	}
	b.WriteString(draftTail)
	return []byte(b.String()), found, nil
}

// draft is one daemon of a draft.
type draft struct{ name, build, found string }

func draftOf(p build.Program) draft {
	if p.Go != nil {
		return draft{nameFor(p.Name), "      go: {package: " + yamlText(p.Go.Package) + "}\n", "a program in Go, " + p.Go.Package}
	}
	return draft{nameFor(p.Name), "      cargo: {bin: " + yamlText(p.Cargo.Bin) + "}\n", "a program in Rust, the bin " + p.Cargo.Bin}
}

func draftOfDirectory(dir string) draft {
	name := nameFor(filepath.Base(dir))
	for _, makefile := range []string{"GNUmakefile", "makefile", "Makefile"} {
		if _, err := os.Stat(filepath.Join(dir, makefile)); err == nil {
			return draft{name, "      command: make\n" + draftCommand, "made by " + makefile + "; see that it writes to $DAVIT_OUTPUT, or say output"}
		}
	}
	return draft{
		name, "      # Nothing in Go or Rust was found here, and no Makefile: say how it is made.\n      command: make\n" + draftCommand,
		"no program was found here; say how it is made",
	}
}

// nameFor returns a name for a daemon that is as near as it can be to text.
func nameFor(text string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-", r) {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	name = strings.Trim(name[:min(len(name), 63)], "-._")
	if name == "" {
		return "daemon"
	}
	return name
}

// yamlText returns text as a scalar of YAML.
func yamlText(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-", r)
	}) {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return text
}

const draftHead = `# What Davit installs, and where. "davit schema" prints all that can be said here, for editors.
# Install a daemon with: davit install NAME user@machine

daemons:
`

const draftCommand = `      # The command finds DAVIT_OS, DAVIT_ARCH and DAVIT_LIBC in its environment, and writes to $DAVIT_OUTPUT,
      # or to the file that is named here:
      # output: bin/{os}-{arch}/program
`

const draftTail = `    # args: [--listen, "127.0.0.1:8080"]
    # env: {LOG_LEVEL: info}
    # secrets:
    #   API_KEY: {file: secrets/api-key}        # or {command: pass show api-key}
    # health: {http: "http://127.0.0.1:8080/health"}
    # timeouts: {install: 5m}
    # releases: 5                               # kept on the host
    # scope: user                               # or system, through sudo or doas
    # hosts: [gpu-1, "@rack=a"]                 # where it runs unless the command line says it

# hosts:
#   gpu-1:
#     address: me@192.168.1.100
#     labels: {rack: a}
#     jump: bastion.example.com
#     identity: ~/.ssh/id_ed25519
`
