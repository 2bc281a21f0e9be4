package sso_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"math/big"
	"sync"
)

// keyring holds the test keys. They are made once per run, because making RSA keys is slow.
type keyring struct {
	k1, k2, attacker, weak *rsa.PrivateKey
	e1                     *ecdsa.PrivateKey
	e384                   *ecdsa.PrivateKey
}

var testKeys = sync.OnceValue(func() keyring {
	rsaKey := func(bits int) *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return k
	}
	ecKey := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	}
	return keyring{
		k1: rsaKey(2048), k2: rsaKey(2048), attacker: rsaKey(2048), weak: rsaKey(1024),
		e1: ecKey(elliptic.P256()), e384: ecKey(elliptic.P384()),
	}
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public key as a JWK; more holds further members as pairs of name and JSON text.
func jwk(key crypto.Signer, kid string, more ...string) map[string]json.RawMessage {
	text := func(s string) json.RawMessage { return json.RawMessage(fmt.Sprintf("%q", s)) }
	out := map[string]json.RawMessage{}
	if kid != "" {
		out["kid"] = text(kid)
	}
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		out["kty"], out["n"], out["e"] = text("RSA"), text(b64(k.N.Bytes())), text(b64(big.NewInt(int64(k.E)).Bytes()))
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		out["kty"], out["crv"] = text("EC"), text(k.Curve.Params().Name)
		out["x"], out["y"] = text(b64(point[1:1+size])), text(b64(point[1+size:]))
	}
	if k, ok := key.Public().(ed25519.PublicKey); ok {
		out["kty"], out["crv"], out["x"] = text("OKP"), text("Ed25519"), text(b64(k))
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = json.RawMessage(more[i+1])
	}
	return out
}

func keySetJSON(keys ...map[string]json.RawMessage) string {
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sign returns a compact JWS of exactly these texts.
func sign(key crypto.Signer, alg, header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(signature(key, alg, input))
}

func signature(key crypto.Signer, alg, input string) []byte {
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, []byte(input))
	}
	hashes := map[string]struct {
		new func() hash.Hash
		id  crypto.Hash
	}{"256": {sha256.New, crypto.SHA256}, "384": {sha512.New384, crypto.SHA384}, "512": {sha512.New, crypto.SHA512}}
	h := hashes[alg[2:]]
	hasher := h.new()
	hasher.Write([]byte(input))
	digest := hasher.Sum(nil)
	var out []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			out, err = rsa.SignPSS(rand.Reader, k, h.id, digest, opts)
		} else {
			out, err = rsa.SignPKCS1v15(nil, k, h.id, digest)
		}
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, k, digest)
		if err == nil {
			size := (k.Curve.Params().BitSize + 7) / 8
			out = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	}
	if err != nil {
		panic(err)
	}
	return out
}
