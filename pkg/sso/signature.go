package sso

import (
	"bytes"
	"context"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// chosenKeys is the oidc.KeySet of one verification: the keys that the header and the key set agreed on.
// go-oidc reports key errors as text only, so the outcome is kept here.
type chosenKeys struct {
	keys      []Key
	algorithm string
	payload   []byte // what the claims were read from
	proven    bool
}

// VerifySignature tries each key. What it returns is what our own reading saw, or an error.
func (c *chosenKeys) VerifySignature(_ context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.algorithm)})
	if err != nil {
		return nil, err
	}
	for _, k := range c.keys {
		payload, err := jws.Verify(k.public)
		if err == nil && bytes.Equal(payload, c.payload) {
			c.proven = true
			return payload, nil
		}
	}
	return nil, errors.New("no key verifies the signature")
}

// proveSignature has go-oidc check the signature, and with it, as a second opinion, issuer and times.
func (v *Verifier) proveSignature(ctx context.Context, in *inspection) (*oidc.IDToken, *TokenError) {
	chosen := &chosenKeys{keys: in.keys, algorithm: in.header.algorithm, payload: in.parts.payload}
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
