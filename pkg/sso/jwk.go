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
	ID        string // kid, "" when absent
	Type      string // kty: RSA, EC, OKP, oct
	Algorithm string // alg, "" when the entry leaves it open
	Use       string // use, "" when the entry leaves it open
	Bits      int    // modulus or field size, 0 for an entry that cannot be read
	Unusable  string // why no token is checked with it; "" for a usable key

	Since time.Time // when its certificate begins, which is when the provider made it; zero without one

	publicKey any
}

// Limits on what an issuer may publish.
const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192
)

// parseKeySet reads a JWK set. Entries that cannot be used are kept and marked, so that their kid counts as known.
// A body that is no key set, or one without a usable key, is an error.
func parseKeySet(body []byte, algorithms []string) ([]Key, error) {
	set, err := parseObject(body)
	if err != nil {
		return nil, fmt.Errorf("key set: %s", quoteError(err))
	}
	if !set.hasMember("keys") {
		return nil, errors.New("key set: no member keys")
	}
	entries, err := listElements(set.memberValue("keys"))
	if err != nil {
		return nil, fmt.Errorf("key set: member keys: %w", err)
	}
	if len(entries) > maxKeys {
		return nil, fmt.Errorf("key set: %d keys, more than %d", len(entries), maxKeys)
	}
	keys := make([]Key, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, parseKey(e, algorithms))
	}
	if !slices.ContainsFunc(keys, func(k Key) bool { return k.Unusable == "" }) {
		return keys, fmt.Errorf("key set: none of %d keys can verify %s", len(keys), strings.Join(algorithms, ", "))
	}
	return keys, nil
}

// parseKey reads one entry; what is wrong with it stands in Refused.
func parseKey(entry jsontext.Value, algorithms []string) Key {
	if entry.Kind() != '{' {
		return Key{Unusable: "not a JSON object"}
	}
	m, err := parseObject(entry)
	if err != nil {
		return Key{Unusable: quoteError(err)}
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

// certificateStart reads the certificate beside the key, for people only: nothing is checked with it.
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

// useProblem judges what the entry says about itself.
func useProblem(m members, k Key) string {
	for _, name := range []string{"kid", "kty", "alg", "use"} {
		if _, isText := m.stringMember(name); m.hasMember(name) && !isText {
			return name + " is not a text"
		}
	}
	switch {
	case k.Type == "oct":
		return "a symmetric key has no place in a published set"
	case m.hasMember("d") || m.hasMember("k"):
		return "the private part is published: the issuer must replace this key"
	case m.hasMember("use") && k.Use != "sig":
		return "use is " + quote(k.Use) + ", not sig"
	case m.hasMember("key_ops") && !allowsVerify(m.memberValue("key_ops")):
		return "key_ops does not hold verify"
	}
	return ""
}

func allowsVerify(v jsontext.Value) bool {
	ops, err := stringList(v)
	return err == nil && slices.Contains(ops, "verify")
}

// parsePublicKey builds the key from its public members alone, so that a broken certificate chain beside them changes nothing.
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
		return nil, errors.New("not a valid public key")
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

// strengthProblem wants a sound key that at least one accepted algorithm can use.
func strengthProblem(k Key, algorithms []string) string {
	if rsaKey, ok := k.publicKey.(*rsa.PublicKey); ok {
		if k.Bits < minRSABits || k.Bits > maxRSABits {
			return fmt.Sprintf("RSA of %d bits, allowed: %d to %d", k.Bits, minRSABits, maxRSABits)
		}
		if rsaKey.E < 3 || rsaKey.E%2 == 0 {
			return "RSA exponent is even or below 3"
		}
	}
	for _, alg := range algorithms {
		if k.canVerify(alg) {
			return ""
		}
	}
	return "fits none of " + strings.Join(algorithms, ", ")
}

// canVerify reports whether the key may verify alg: what it says itself, its type and its curve.
func (k Key) canVerify(alg string) bool {
	return (k.Algorithm == "" || k.Algorithm == alg) && suitsAlgorithm(alg, k.publicKey)
}
