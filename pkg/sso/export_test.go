package sso

import (
	"errors"
	"slices"
)

// ProveJWS runs the part of Verify that knows nothing of claims: taking the token apart, its header, the allow-list, the
// choice of the key, the signature. Vectors made for signature libraries have no claims.
func ProveJWS(raw string, keySet []byte, algorithms []string) error {
	token, refused := splitCompact(raw)
	if refused != nil {
		return refused
	}
	headers, err := parseObject(token.header)
	if err != nil {
		return err
	}
	h, refused := readHeader(headers, newSpelling(headerNames()))
	if refused != nil {
		return refused
	}
	if !slices.Contains(algorithms, h.algorithm) {
		return errors.New("algorithm not allowed")
	}
	keys, err := parseKeySet(keySet, algorithms)
	if err != nil {
		return err
	}
	found, _ := (&published{keys: keys}).match(h)
	_, err = (&chosenKeys{keys: found, algorithm: h.algorithm, token: token}).VerifySignature(nil, raw) //nolint:staticcheck // it has no use for a context
	return err
}
