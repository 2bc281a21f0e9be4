package sso

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"slices"
)

// knownAlgorithms returns the algorithms that the configuration may allow. All are asymmetric: symmetric algorithms and
// none are never allowed.
func knownAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// keyTypeFor returns the JWK key type that alg requires, or "" for an algorithm that is not in knownAlgorithms.
func keyTypeFor(alg string) string {
	switch {
	case !slices.Contains(knownAlgorithms(), alg):
		return ""
	case alg == "EdDSA":
		return "OKP"
	case alg[0] == 'E':
		return "EC"
	}
	return "RSA"
}

// suitsAlgorithm reports whether key can make signatures with alg. The key type must match and, for ECDSA, the curve.
func suitsAlgorithm(alg string, key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return keyTypeFor(alg) == "RSA"
	case *ecdsa.PublicKey:
		curves := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
		return curves[alg] == k.Curve.Params().Name
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
