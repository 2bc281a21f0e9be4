package sso

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json/jsontext"
)

// Key is one entry of the issuer's key set.
type Key struct {
	ID        string // kid; "" if absent
	Type      string // kty: RSA, EC, OKP or oct
	Algorithm string // alg; "" if absent
	Use       string // use; "" if absent
	Bits      int    // size of modulus or field; 0 if the key cannot be parsed
	Unusable  string // why the key verifies no tokens; "" for a usable key

	Since time.Time // start of its certificate's validity, near the key's creation; zero without a certificate

	publicKey any
	position  int // in the key set, from 1
}

// Limits on a key set.
const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192
)

// parseKeySet parses a JWK set. Its result includes unusable entries, so that their kids are known. It fails if body is
// no key set or has no usable key.
func parseKeySet(body []byte, algorithms []string) ([]Key, error) {
	entries, err := splitKeySet(body)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(entries) > maxKeys {
		return nil, fmt.Errorf("key set: %d keys, at most %d are allowed", len(entries), maxKeys)
	}
	keys := make([]Key, 0, len(entries))
	for i, e := range entries {
		k := parseKey(e, algorithms)
		k.position = i + 1
		keys = append(keys, k)
	}
	if !slices.ContainsFunc(keys, func(k Key) bool { return k.Unusable == "" }) {
		return keys, fmt.Errorf("key set: none of %d keys can verify %s", len(keys), strings.Join(algorithms, ", "))
	}
	return keys, nil
}

// splitKeySet returns the entries of a JWK set. It reads only the form of the JSON: parseKey rejects duplicate members
// and invalid characters, so that one bad entry does not make the others unusable.
func splitKeySet(body []byte) ([]jsontext.Value, error) {
	if err := checkDepth(body); err != nil {
		return nil, err
	}
	set := jsontext.Value(body)
	if !set.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) || set.Kind() != '{' {
		return nil, errors.New("not a JSON object")
	}
	var keys jsontext.Value
	for name, value := range walkEntries(set) {
		if string(unquoteBytes(name)) != "keys" {
			continue
		}
		if keys != nil {
			return nil, errors.New("the member keys occurs twice")
		}
		keys = value
	}
	if keys == nil {
		return nil, errors.New("the member keys is missing")
	}
	entries, err := listElements(keys)
	if err != nil {
		return nil, fmt.Errorf("member keys: %w", err)
	}
	return entries, nil
}

// parseKey parses one entry. If the entry cannot be used, Unusable says why.
func parseKey(entry jsontext.Value, algorithms []string) Key {
	if entry.Kind() != '{' {
		return Key{Unusable: "not a JSON object"}
	}
	m, err := parseObject(entry)
	if err != nil {
		k := Key{Unusable: quoteError(err)}
		if kid := objectMember(entry, "kid"); kid.Kind() == '"' {
			k.ID = unquoteString(kid) // its tokens have a known kid, and the log can name it
		}
		return k
	}
	var k Key
	k.ID, _ = m.stringMember("kid")
	k.Type, _ = m.stringMember("kty")
	k.Algorithm, _ = m.stringMember("alg")
	k.Use, _ = m.stringMember("use")
	k.Since = certificateStart(m)
	if k.Unusable = useProblem(m, k); k.Unusable != "" {
		return k
	}
	if k.publicKey, err = parsePublicKey(m); err != nil {
		k.Unusable = err.Error()
		return k
	}
	k.Bits = keyBits(k.publicKey)
	k.Unusable = strengthProblem(k, algorithms)
	return k
}

// certificateStart returns when the validity of the key's certificate starts. It is for display only.
func certificateStart(m members) time.Time {
	if !m.hasMember("x5c") {
		return time.Time{}
	}
	chain, err := stringList(m.memberValue("x5c"))
	if err != nil || len(chain) == 0 {
		return time.Time{}
	}
	der, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return time.Time{}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return time.Time{}
	}
	return cert.NotBefore
}

// useProblem returns why the entry's own members forbid its use, or "".
func useProblem(m members, k Key) string {
	for _, name := range []string{"kid", "kty", "alg", "use"} {
		if _, isText := m.stringMember(name); m.hasMember(name) && !isText {
			return name + " must be a string"
		}
	}
	switch {
	case k.Type == "oct":
		return "a symmetric key must not be published"
	case m.hasMember("d") || m.hasMember("k"):
		return "its private part is published; the provider must replace this key"
	case m.hasMember("use") && k.Use != "sig":
		return "use " + quote(k.Use) + ": must be sig"
	case m.hasMember("key_ops") && !allowsVerify(m.memberValue("key_ops")):
		return "key_ops does not contain verify"
	}
	return ""
}

func allowsVerify(v jsontext.Value) bool {
	ops, err := stringList(v)
	return err == nil && slices.Contains(ops, "verify")
}

// parsePublicKey uses the public members only, so that a broken certificate chain has no effect.
func parsePublicKey(m members) (any, error) {
	public := map[string]json.RawMessage{}
	for _, name := range []string{"kty", "n", "e", "crv", "x", "y"} {
		if m.hasMember(name) {
			public[name] = json.RawMessage(m.memberValue(name))
		}
	}
	raw, err := json.Marshal(public)
	if err != nil {
		return nil, err
	}
	var k jose.JSONWebKey
	if err := json.Unmarshal(raw, &k); err != nil || !k.Valid() {
		return nil, errors.New("the public key is not valid")
	}
	return k.Key, nil
}

func keyBits(public any) int {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return 256
	}
	return 0
}

// strengthProblem returns why the key is too weak, too large or usable with none of algorithms, or "".
func strengthProblem(k Key, algorithms []string) string {
	if rsaKey, ok := k.publicKey.(*rsa.PublicKey); ok {
		if k.Bits < minRSABits || k.Bits > maxRSABits {
			return fmt.Sprintf("RSA key of %d bits: must have %d to %d", k.Bits, minRSABits, maxRSABits)
		}
		if rsaKey.E < 3 || rsaKey.E%2 == 0 {
			return "RSA exponent must be odd and at least 3"
		}
	}
	for _, alg := range algorithms {
		if k.canVerify(alg) {
			return ""
		}
	}
	return "works with none of the algorithms " + strings.Join(algorithms, ", ")
}

// canVerify reports whether the key can verify alg, by its own alg member, its type and its curve.
func (k Key) canVerify(alg string) bool {
	return (k.Algorithm == "" || k.Algorithm == alg) && suitsAlgorithm(alg, k.publicKey)
}
