package sso

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hashes of the algorithms
	_ "crypto/sha512"
	"errors"
	"math/big"

	"github.com/coreos/go-oidc/v3/oidc"
)

// tokenKeySet is the oidc.KeySet for one token: the candidate keys, and the token as parsed before. It records whether
// a key verified the signature, because go-oidc reports failures of the key set only as text.
type tokenKeySet struct {
	keys      []Key
	algorithm string
	token     compactJWS
	verified  bool
}

// VerifySignature returns the payload parsed before, if one of the keys verifies the signature. It does not parse the
// token again, as other implementations do, because that would take as long as the signature.
func (c *tokenKeySet) VerifySignature(context.Context, string) ([]byte, error) {
	for _, k := range c.keys {
		if isSignedBy(k.publicKey, c.algorithm, c.token.signed, c.token.signature) {
			c.verified = true
			return c.token.payload, nil
		}
	}
	return nil, errors.New("no key verifies the signature")
}

// isSignedBy reports whether signature over text verifies with the key by alg (RFC 7518 section 3, RFC 8037).
// Key.canVerify must have matched the key and alg.
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
			opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(k, hash, digest, signature, opts) == nil
		}
		return rsa.VerifyPKCS1v15(k, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		// For every valid (r, s), (r, n-s) is valid too, and providers make both. The token is known by what is signed
		// (Identity.Fingerprint), so the second form is the same token.
		half := (k.Curve.Params().BitSize + 7) / 8
		return len(signature) == 2*half &&
			ecdsa.Verify(k, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

// hashFor returns the hash named by the last three digits of alg.
func hashFor(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// verifySignature verifies the signature with go-oidc, which also checks issuer and times a second time.
func (v *Verifier) verifySignature(ctx context.Context, in *inspection) (*oidc.IDToken, *TokenError) {
	chosen := &tokenKeySet{keys: in.keys, algorithm: in.header.algorithm, token: in.token.compactJWS}
	verifier := oidc.NewVerifier(v.cfg.Issuer, chosen, &oidc.Config{
		SkipClientIDCheck:    true, // checkAudience accepts several
		SupportedSigningAlgs: []string{in.header.algorithm},
		SkipExpiryCheck:      true, // checkLifetime is stricter
	})
	token, err := verifier.Verify(ctx, in.raw)
	switch {
	case !chosen.verified:
		return nil, refuse(ReasonSignature, "no key with kid %s verifies the signature", quote(in.header.keyID)).
			withHint("the token was changed, or issued by another realm that uses the same kid")
	case err != nil:
		return nil, refuse(ReasonMalformed, "go-oidc: %s", quoteError(err))
	}
	return token, nil
}
