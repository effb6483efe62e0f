package testhost

import (
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"testing"

	"golang.org/x/crypto/ssh"
)

// NewKey makes an ed25519 key and writes its private half to path, for its owner only, in
// OpenSSH's format and without a passphrase.
func NewKey(t testing.TB, path string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatalf("testhost: new key: %v", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "testhost")
	if err != nil {
		t.Fatalf("testhost: new key: %v", err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatalf("testhost: new key: %v", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatalf("testhost: new key: %v", err)
	}
	return signer
}
