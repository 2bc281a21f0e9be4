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

// chosenKeys is the oidc.KeySet of one verification: the keys that the header and the key set agreed on, and the token
// as it was taken apart before. go-oidc reports key errors as text only, so the outcome is kept here.
type chosenKeys struct {
	keys      []Key
	algorithm string
	token     compact
	proven    bool
}

// VerifySignature tries each key. What it returns is what our own reading saw, or an error. Parsing the token once more,
// as libraries do here, would cost as much as the signature.
func (c *chosenKeys) VerifySignature(context.Context, string) ([]byte, error) {
	for _, k := range c.keys {
		if signedBy(k.public, c.algorithm, c.token.signed, c.token.signature) {
			c.proven = true
			return c.token.payload, nil
		}
	}
	return nil, errors.New("no key verifies the signature")
}

// signedBy reports whether signature is public's over text by alg, as RFC 7518 §3 and RFC 8037 have it. Key.fits has
// matched alg and the key.
func signedBy(public any, alg, text string, signature []byte) bool {
	if k, ok := public.(ed25519.PublicKey); ok {
		return ed25519.Verify(k, []byte(text), signature)
	}
	hash := hashOf(alg)
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

// hashOf is the hash that the last three digits of alg name.
func hashOf(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// proveSignature has go-oidc check the signature, and with it, as a second opinion, issuer and times.
func (v *Verifier) proveSignature(ctx context.Context, in *inspection) (*oidc.IDToken, *TokenError) {
	chosen := &chosenKeys{keys: in.keys, algorithm: in.header.algorithm, token: in.parts.compact}
	verifier := oidc.NewVerifier(v.cfg.Issuer, chosen, &oidc.Config{
		SkipClientIDCheck:    true, // checkAudience knows several
		SupportedSigningAlgs: []string{in.header.algorithm},
		SkipExpiryCheck:      true, // checkLifetime is stricter
	})
	token, err := verifier.Verify(ctx, in.raw)
	switch {
	case !chosen.proven:
		return nil, refuse(ReasonSignature, "no key with kid %s verifies the signature", quote(in.header.keyID)).
			hint("the token was changed, or another realm with the same kid issued it")
	case err != nil:
		return nil, refuse(ReasonMalformed, "go-oidc: %s", jsonProblem(err))
	}
	return token, nil
}
