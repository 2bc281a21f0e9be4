package devidp

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// keyRing holds the signing key and its predecessor.
type keyRing struct {
	mu   sync.RWMutex
	keys []signingKey // newest first, one or two
}

// signingKey is an RS256 key; it implements op.SigningKey.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                    { return k.private }
func (k signingKey) ID() string                                  { return k.id }

// publicKey is the public half of a signingKey; it implements op.Key.
type publicKey struct{ signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.private.PublicKey }

// rotate makes a new signing key, keeps the one before it and removes older ones.
func (r *keyRing) rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fault.New(fault.Internal, "signing key: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := []signingKey{{id: rand.Text(), private: private}}
	if len(r.keys) > 0 {
		keys = append(keys, r.keys[0])
	}
	r.keys = keys
	return nil
}

func (r *keyRing) signingKey() op.SigningKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[0]
}

func (r *keyRing) publicKeys() []op.Key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []op.Key
	for _, k := range r.keys {
		out = append(out, publicKey{k})
	}
	return out
}
