package sso

import (
	"errors"
	"slices"
)

// VerifyJWS runs the part of Verify that does not read claims: parsing, header, allowed algorithms, choice of the key,
// signature. Test vectors for signature libraries have no claims.
func VerifyJWS(raw string, keySet []byte, algorithms []string) error {
	token, refused := splitCompact(raw)
	if refused != nil {
		return refused
	}
	headers, err := parseObject(token.header)
	if err != nil {
		return err
	}
	h, refused := readHeader(headers, newKnownNames(headerNames()))
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
	found, _ := (&keySnapshot{keys: keys}).matchKeys(h)
	set := &tokenKeySet{keys: found, algorithm: h.algorithm, token: token}
	_, err = set.VerifySignature(nil, raw) //nolint:staticcheck // the context is not used
	return err
}
