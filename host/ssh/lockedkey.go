package ssh

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
)

// lockedKey is an encrypted key. It is unlocked when the host has said that it would take it.
type lockedKey struct {
	public ssh.PublicKey
	unlock func() (ssh.Signer, error)

	once   sync.Once
	signer ssh.Signer
	err    error
}

var _ ssh.AlgorithmSigner = (*lockedKey)(nil)

func (k *lockedKey) open() (ssh.Signer, error) {
	k.once.Do(func() { k.signer, k.err = k.unlock() })
	return k.signer, k.err
}

// PublicKey implements ssh.Signer.
func (k *lockedKey) PublicKey() ssh.PublicKey { return k.public }

// Sign implements ssh.Signer.
func (k *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (k *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := k.open()
	if err != nil {
		return nil, err
	}
	if with, ok := signer.(ssh.AlgorithmSigner); ok && algorithm != "" {
		return with.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}

// unlock asks for the passphrase of the key at path, and again if it is wrong.
func (r *keyring) unlock(path string, text []byte) (ssh.Signer, error) {
	question := "passphrase for the key " + path + ": "
	for range maxAsked {
		passphrase, err := r.opts.Prompt(r.ctx, question)
		if err != nil {
			r.note("%s was not unlocked: %v", path, err)
			return nil, err
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase))
		if err == nil {
			return signer, nil
		}
		if passphrase != "" && !errors.Is(err, x509.IncorrectPasswordError) {
			return nil, err
		}
		question = "wrong; the passphrase for the key " + path + ": "
	}
	r.note("%s was not unlocked: the passphrase was wrong", path)
	return nil, fmt.Errorf("the passphrase for %s was wrong", path)
}
