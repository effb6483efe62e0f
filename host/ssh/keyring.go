package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/davit-sh/davit/host"
	"golang.org/x/crypto/ssh"
)

// keyring is the keys that may be offered to one host.
type keyring struct {
	ctx   context.Context
	opts  Options
	agent *agentConn // nil if there is none

	keys    []*key
	offered []string // what the host was shown
	left    int      // how many keys there were besides
	notes   []string // why some could not be offered
	locked  string   // the path of a key that nobody could be asked to unlock
}

// key is one key that may be offered.
type key struct {
	signer ssh.Signer
	label  string // "ed25519 SHA256:… (~/.ssh/id_ed25519)"
}

// newKeyring finds the keys, in the order in which they are offered: the ones that the caller
// named; of the agent's those that ssh_config names, then its others; then files that it names.
// The caller closes it.
func newKeyring(ctx context.Context, s *settings, o Options) (*keyring, error) {
	r := &keyring{ctx: ctx, opts: o}
	r.openAgent(s.identityAgent)
	var certificates []*ssh.Certificate
	for _, path := range s.certificateFiles {
		certificates = r.addCertificate(certificates, path, true)
	}
	for _, path := range o.Identities {
		if _, err := os.Stat(path); err != nil {
			r.close()
			return nil, &host.Error{Kind: host.ErrConfig, Err: fmt.Errorf("read a key: %w", err)}
		}
		certificates = r.addCertificate(certificates, path+"-cert.pub", false)
		r.addFile(path, certificates)
	}
	named := &keyring{ctx: ctx, opts: o, agent: r.agent} // what ssh_config names
	for _, path := range s.identityFiles {
		certificates = r.addCertificate(certificates, path+"-cert.pub", false)
		named.addFile(path, certificates)
	}
	fromAgent := func(k *key) bool { return r.agent.holds(k.signer.PublicKey()) }
	r.add(slices.DeleteFunc(slices.Clone(named.keys), func(k *key) bool { return !fromAgent(k) })...)
	if !s.identitiesOnly {
		for _, signer := range r.agent.signers() {
			r.addSigner(signer, "agent", certificates)
		}
	}
	r.add(named.keys...)
	r.notes = append(r.notes, named.notes...)
	if r.locked == "" {
		r.locked = named.locked
	}
	return r, nil
}

func (r *keyring) close() { r.agent.close() }

func (r *keyring) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// add adds keys that are not there yet.
func (r *keyring) add(keys ...*key) {
	for _, k := range keys {
		blob := k.signer.PublicKey().Marshal()
		if !slices.ContainsFunc(r.keys, func(other *key) bool {
			return bytes.Equal(other.signer.PublicKey().Marshal(), blob)
		}) {
			r.keys = append(r.keys, k)
		}
	}
}

// addSigner adds a key from where, after the certificates for it.
func (r *keyring) addSigner(signer ssh.Signer, where string, certificates []*ssh.Certificate) {
	for _, c := range certificates {
		if !bytes.Equal(c.Key.Marshal(), signer.PublicKey().Marshal()) {
			continue
		}
		if certified, err := ssh.NewCertSigner(c, signer); err == nil {
			r.add(&key{certified, fmt.Sprintf("certificate %q of %s (%s)", c.KeyId, describe(c.Key), where)})
		}
	}
	r.add(&key{signer, fmt.Sprintf("%s (%s)", describe(signer.PublicKey()), where)})
}

// addFile adds the key at path. The agent's is taken instead if it has the same. A file that is
// not there, or is no key, adds nothing.
func (r *keyring) addFile(path string, certificates []*ssh.Certificate) {
	text, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.note("%v", err)
		}
		return
	}
	signer, err := ssh.ParsePrivateKey(text)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		signer, err = r.unlockLater(path, text, missing.PublicKey)
	} else if public, _, _, _, e := ssh.ParseAuthorizedKey(text); err != nil && e == nil {
		if signer, err = r.agent.signer(public), nil; signer == nil {
			r.note("%s is a public key, and the agent does not have the private one", path)
			return
		}
	}
	switch {
	case err != nil:
		r.note("%s: %v", path, err)
	case signer != nil:
		if held := r.agent.signer(signer.PublicKey()); held != nil {
			signer = held
		}
		r.addSigner(signer, path, certificates)
	}
}

// unlockLater returns an encrypted key that asks for its passphrase when it is wanted, or nil if
// it can be had only from somebody who is not there.
func (r *keyring) unlockLater(path string, text []byte, public ssh.PublicKey) (ssh.Signer, error) {
	if public == nil {
		if side, err := os.ReadFile(path + ".pub"); err == nil {
			public, _, _, _, _ = ssh.ParseAuthorizedKey(side)
		}
	}
	if public != nil {
		if held := r.agent.signer(public); held != nil {
			return held, nil
		}
	}
	if r.opts.Prompt == nil {
		r.note("%s is encrypted, and there is nobody to ask for its passphrase", path)
		if r.locked == "" {
			r.locked = path
		}
		return nil, nil
	}
	locked := &lockedKey{public: public, unlock: func() (ssh.Signer, error) { return r.unlock(path, text) }}
	if public == nil { // of an old format, that says nothing without a passphrase
		return locked.open()
	}
	return locked, nil
}

// addCertificate reads the certificate at path; wanted says that it should be there.
func (r *keyring) addCertificate(to []*ssh.Certificate, path string, wanted bool) []*ssh.Certificate {
	text, err := os.ReadFile(path)
	if err == nil {
		var public ssh.PublicKey
		if public, _, _, _, err = ssh.ParseAuthorizedKey(text); err == nil {
			if c, ok := public.(*ssh.Certificate); ok {
				return append(to, c)
			}
			err = errors.New("not a certificate")
		}
	}
	if wanted || !errors.Is(err, fs.ErrNotExist) {
		r.note("certificate %s: %v", path, err)
	}
	return to
}

// offer returns the keys to try, and notes them as tried.
func (r *keyring) offer() ([]ssh.Signer, error) {
	keys := r.keys[:min(len(r.keys), maxKeys)]
	r.left = len(r.keys) - len(keys)
	r.offered = nil
	var signers []ssh.Signer
	for _, k := range keys {
		r.offered = append(r.offered, k.label)
		signers = append(signers, k.signer)
	}
	return signers, nil
}
