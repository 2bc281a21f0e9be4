package sso

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that algorithms name
	_ "crypto/sha512"
	"errors"
	"math/big"

	"github.com/coreos/go-oidc/v3/oidc"
)

// tokenKeySet is the oidc.KeySet of one verification: the keys that the header and the key set agreed on, and the token
// as it was taken apart before. go-oidc reports key errors as text only, so the outcome is kept here.
type tokenKeySet struct {
	keys      []Key
	algorithm string
	token     compactJWS
	verified  bool
}

// VerifySignature tries each key. What it returns is what our own reading saw, or an error. Parsing the token once more,
// as libraries do here, would cost as much as the signature.
func (c *tokenKeySet) VerifySignature(context.Context, string) ([]byte, error) {
	for _, k := range c.keys {
		if isSignedBy(k.publicKey, c.algorithm, c.token.signed, c.token.signature) {
			c.verified = true
			return c.token.payload, nil
		}
	}
	return nil, errors.New("no key verifies the signature")
}

// isSignedBy reports whether signature is public's over text by alg, as RFC 7518 §3 and RFC 8037 have it. Key.fits has
// matched alg and the key.
func isSignedBy(public any, alg, text string, signature []byte) bool {
	if k, ok := public.(ed25519.PublicKey); ok {
		return ed25519.Verify(k, []byte(text), signature)
	}
	hash := hashFor(alg)
	h := hash.New()
	h.Write([]byte(text))
	digest := h.Sum(nil)
	switch k := public.(type) {
	case *rsa.PublicKey:
		if alg[0] == 'P' {
			return rsa.VerifyPSS(k, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		half := (k.Curve.Params().BitSize + 7) / 8
		return len(signature) == 2*half && ecdsa.Verify(k, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

// hashFor is the hash that the last three digits of alg name.
func hashFor(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// verifySignature has go-oidc check the signature, and with it, as a second opinion, issuer and times.
func (v *Verifier) verifySignature(ctx context.Context, in *inspection) (*oidc.IDToken, *TokenError) {
	chosen := &tokenKeySet{keys: in.keys, algorithm: in.header.algorithm, token: in.token.compactJWS}
	verifier := oidc.NewVerifier(v.cfg.Issuer, chosen, &oidc.Config{
		SkipClientIDCheck:    true, // checkAudience knows several
		SupportedSigningAlgs: []string{in.header.algorithm},
		SkipExpiryCheck:      true, // checkLifetime is stricter
	})
	token, err := verifier.Verify(ctx, in.raw)
	switch {
	case !chosen.verified:
		return nil, reject(ReasonSignature, "no key with kid %s verifies the signature", quote(in.header.keyID)).
			withHint("the token was changed, or another realm with the same kid issued it")
	case err != nil:
		return nil, reject(ReasonMalformed, "go-oidc: %s", quoteError(err))
	}
	return token, nil
}
