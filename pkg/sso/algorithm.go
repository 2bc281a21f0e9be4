package sso

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"slices"
)

// knownAlgorithms are the asymmetric ones that can be allowed. Symmetric algorithms and none are not among them.
func knownAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// keyTypeFor is the JWK key type that alg needs, "" for an algorithm that is never allowed.
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

// suitsAlgorithm reports whether key can carry a signature by alg: the type, and for ECDSA the very curve.
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
