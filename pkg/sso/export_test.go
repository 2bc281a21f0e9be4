package sso

import (
	"errors"
	"slices"
)

// VerifyJWS runs the part of Verify that knows nothing of claims: taking the token apart, its header, the allow-list, the
// choice of the key, the signature. Vectors made for signature libraries have no claims.
func VerifyJWS(raw string, keySet []byte, algorithms []string) error {
	token, rejected := splitCompact(raw)
	if rejected != nil {
		return rejected
	}
	headers, err := parseObject(token.header)
	if err != nil {
		return err
	}
	h, rejected := readHeader(headers, newKnownNames(headerNames()))
	if rejected != nil {
		return rejected
	}
	if !slices.Contains(algorithms, h.algorithm) {
		return errors.New("algorithm not allowed")
	}
	keys, err := parseKeySet(keySet, algorithms)
	if err != nil {
		return err
	}
	found, _ := (&keySnapshot{keys: keys}).matchKeys(h)
	_, err = (&tokenKeySet{keys: found, algorithm: h.algorithm, token: token}).VerifySignature(nil, raw) //nolint:staticcheck // it has no use for a context
	return err
}
