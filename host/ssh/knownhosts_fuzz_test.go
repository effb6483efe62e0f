package ssh

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/davit-sh/davit/narrate"
)

// fixedKey returns a key that is the same in every run, so that inputs which were found stay good.
func fixedKey(t testing.TB, seed byte) ssh.PublicKey {
	t.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	key, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// FuzzKnownHosts has anything stand in known_hosts, around the one line that is right.
func FuzzKnownHosts(f *testing.F) {
	known, shown := fixedKey(f, 'k'), fixedKey(f, 's')
	good, other := string(ssh.MarshalAuthorizedKey(known)), string(ssh.MarshalAuthorizedKey(shown))
	for _, garbage := range []string{
		"", "\n", "# a comment\n", "\r\n", "\x00", "word", "two words", "three words here", "host.example", "host.example ssh-ed25519", "host.example ssh-ed25519 AAAA",
		"host.example " + good, "host.example " + other, "[host.example]:2222 " + other, "[host.example]:* " + other, "host.example:2222 " + other, "* " + other, "host.* " + other, "h?st.example " + other,
		"!host.example " + other, "*,!host.example " + other, "!,* " + other, "[ " + other, "[]: " + other, "[host.example " + other, "[host.example] " + other, ",, " + other, "| " + other, "|1| " + other, "|1|a|b " + other, "|1|AAAA|BBBB= " + other,
		"|2|AAAA|AAAA " + other, "@revoked * " + good, "@revoked * " + other, "@revoked " + good, "@cert-authority * " + other, "@cert-authority " + good, "@unknown * " + other, "@ " + other, "@revoked @revoked " + other,
		"host.example ssh-rsa " + strings.Fields(other)[1], "host.example\t" + other, "host.example " + strings.ReplaceAll(other, " ", "\t"), "host.example\v" + other, "host.example 1024 35 1234567890",
		xknownhosts.HashHostname("host.example") + " " + other, xknownhosts.HashHostname("[host.example]:2222") + " " + other, strings.Repeat("x", 70<<10), strings.Repeat("host.example,", 100) + " " + other,
		"\ufeffhost.example " + other, " host.example " + other, "host.example " + strings.TrimSpace(other) + " comment \x1b[2J\r\n", "host.example ssh-ed25519 " + strings.Repeat("A", 1000) + "\n",
	} {
		f.Add(garbage, "\n", true)
		f.Add("x\n"+garbage+"\n", garbage, false)
	}
	file := filepath.Join(f.TempDir(), "known_hosts")
	f.Fuzz(func(t *testing.T, before, after string, otherPort bool) {
		port, names := "22", []string{"host.example"}
		if otherPort {
			port, names = "2222", append(names, "[host.example]:2222")
		}
		k := func(text string) *hostKeys {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := &settings{hostName: "host.example", port: port, userKnownHostsFiles: []string{file}}
			keys, err := newHostKeys(narrate.WithNarrator(t.Context(), narrate.New()), s, Options{})
			if err != nil {
				t.Fatalf("the file %q is refused: %v", text, err)
			}
			keys.algorithms()
			return keys
		}
		text := before + after
		keys := k(text)
		for _, key := range []ssh.PublicKey{known, shown} {
			if err := keys.verify("", nil, key); err == nil && !gives(text, names, key) {
				t.Errorf("%s is accepted at port %s, and no line of %q gives it", key.Type(), port, text)
			}
		}
		line := "\n" + knownhosts.Line([]string{"host.example:" + port}, known) + "\n"
		text = before + line + after
		if err := k(text).verify("", nil, known); err != nil && !revokes(text, known) {
			t.Errorf("the right line of %q is not found: %v", text, err)
		}
	})
}

// gives reports whether a line may give the host this key, with more patience than known_hosts has.
func gives(text string, names []string, key ssh.PublicKey) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		fields := wordsOf(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "@") || !slices.Contains(fields, blob(key)) {
			return false
		}
		matched := false
		for pattern := range strings.SplitSeq(fields[0], ",") {
			pattern, negated := strings.CutPrefix(pattern, "!")
			for _, name := range names {
				if patternMatches(pattern, name) {
					if negated {
						return false
					}
					matched = true
				}
			}
		}
		return matched
	})
}

func revokes(text string, key ssh.PublicKey) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		fields := wordsOf(line)
		return len(fields) > 3 && fields[0] == "@revoked" && fields[3] == blob(key)
	})
}

func wordsOf(line string) []string {
	line = strings.ReplaceAll(line, "\r", "")
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
}

func blob(key ssh.PublicKey) string { return base64.StdEncoding.EncodeToString(key.Marshal()) }

func patternMatches(pattern, name string) bool {
	if parts := strings.Split(pattern, "|"); len(parts) == 4 && parts[1] == "1" {
		salt, _ := base64.StdEncoding.DecodeString(parts[2])
		sum, _ := base64.StdEncoding.DecodeString(parts[3])
		mac := hmac.New(sha1.New, salt)
		mac.Write([]byte(name))
		return hmac.Equal(mac.Sum(nil), sum)
	}
	return glob(pattern, name) || glob(pattern, strings.NewReplacer("[", "", "]", "").Replace(name))
}

// glob reports whether all of name matches a pattern of * and ?.
func glob(pattern, name string) bool {
	matches := map[int]bool{0: true} // ends of what was matched so far
	for _, p := range []byte(pattern) {
		next := map[int]bool{}
		for at := range matches {
			switch {
			case p == '*':
				for ; at <= len(name); at++ {
					next[at] = true
				}
			case at < len(name) && (p == '?' || p == name[at]):
				next[at+1] = true
			}
		}
		matches = next
	}
	return matches[len(name)]
}
