package artifact

import (
	"bytes"
	"unicode/utf8"
)

const (
	buildForHost = "build it for the host: GOOS=linux go build, or cargo build --release --target x86_64-unknown-linux-musl"
	unpackFirst  = "unpack it, and name the executable in it"
)

// foreign lists what people hand over by mistake, by the bytes at an offset; the first match
// counts. The numbers are those of file(1).
var foreign = []struct {
	at    int
	magic string
	what  string
	hint  string
}{
	{
		0, "MZqFpD=", "is an Actually Portable Executable, which a service manager cannot start",
		"turn it into the host's own format with: assimilate FILE",
	},
	{0, "MZ", "is a Windows program", buildForHost},
	{0, "\x00asm", "is a WebAssembly module", buildForHost},
	{0, "\xca\xfe\xba\xbe", "is a Java class", "wrap it in a script that begins with #!/bin/sh and runs java"},
	{0, "!<arch>\ndebian-binary", "is a Debian package", unpackFirst},
	{0, "!<arch>\n", "is a static library", "link it into a program first"},
	{0, "\xed\xab\xee\xdb", "is an RPM package", unpackFirst},
	{0, "PK\x03\x04", "is a zip archive", unpackFirst},
	{0, "\x1f\x8b", "is compressed with gzip", unpackFirst},
	{0, "BZh", "is compressed with bzip2", unpackFirst},
	{0, "\xfd7zXZ\x00", "is compressed with xz", unpackFirst},
	{0, "\x28\xb5\x2f\xfd", "is compressed with zstd", unpackFirst},
	{257, "ustar", "is a tar archive", unpackFirst},
	{0, "version https://git-lfs", "is a Git LFS pointer, not the file itself", "git lfs pull"},
	{0, "\xef\xbb\xbf#!", "is a script with a byte order mark before its #!", "save it without the mark"},
}

// refuseForeign says what a file is that no host can start, going by its beginning.
func refuseForeign(head []byte) error {
	for _, f := range foreign {
		if len(head) > f.at && bytes.HasPrefix(head[f.at:], []byte(f.magic)) {
			return refusal(ErrFormat, f.hint, "%s", f.what)
		}
	}
	if isText(head) {
		return refusal(ErrFormat, "begin a script with #!/bin/sh; source code is built first", "is text without a #! line")
	}
	return refusal(ErrFormat, buildForHost, "is in no format that hosts can start (ELF, Mach-O, or a script with a #! line)")
}

// isText says whether head is the beginning of a text in UTF-8. Its end may have cut a character.
func isText(head []byte) bool {
	for cut := range min(utf8.UTFMax, len(head)) {
		if text := head[:len(head)-cut]; utf8.Valid(text) {
			return !bytes.Contains(text, []byte{0})
		}
	}
	return false
}
