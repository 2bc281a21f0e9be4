// Command auth measures the cost of verifying one request's token: leadctl's verifier against go-oidc alone. go-oidc
// checks signature, issuer, audience and expiry of the same token, and reads no claims. Both have the issuer's keys.
//
// The rounds of the two alternate. Each round is measured in processor time, on which other programs have less effect
// than on wall time.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

const (
	rounds   = 25
	perRound = 400
	reach    = 1.3
	audience = "agent-chat-ui"
)

func main() {
	ours, ref, err := measureMedians(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "auth:", err)
		os.Exit(1)
	}
	gauge.Figure{Name: "auth", Ours: inMicroseconds(ours), Ref: inMicroseconds(ref), Unit: "µs", Reach: reach}.Print()
}

func inMicroseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// measureMedians returns the median processor time of one verification by leadctl and by go-oidc.
func measureMedians(ctx context.Context) (ours, ref time.Duration, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, 0, err
	}
	issuer := startProvider(&key.PublicKey)
	defer issuer.Close()
	token, err := signToken(key, issuer.URL)
	if err != nil {
		return 0, 0, err
	}
	verifier, err := sso.NewVerifier(sso.Config{Issuer: issuer.URL, Audiences: []string{audience},
		ClientIDs: []string{audience, "leadctl-cli"}, AllowInsecure: true})
	if err != nil {
		return 0, 0, err
	}
	defer verifier.Close()
	found, err := oidc.NewProvider(ctx, issuer.URL)
	if err != nil {
		return 0, 0, err
	}
	bare := found.Verifier(&oidc.Config{ClientID: audience})
	var a, b []time.Duration
	for range rounds + 1 {
		x, err := measureRound(func() error { _, err := verifier.Verify(ctx, token); return err })
		if err != nil {
			return 0, 0, err
		}
		y, err := measureRound(func() error { _, err := bare.Verify(ctx, token); return err })
		if err != nil {
			return 0, 0, err
		}
		a, b = append(a, x), append(b, y)
	}
	return medianOf(a[1:]), medianOf(b[1:]), nil // the first round also fetched the keys
}

func medianOf(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// measureRound returns the mean processor time of a call, including its share of garbage collection.
func measureRound(call func() error) (time.Duration, error) {
	before, err := processorTime()
	if err != nil {
		return 0, err
	}
	for range perRound {
		if err := call(); err != nil {
			return 0, err
		}
	}
	after, err := processorTime()
	return (after - before) / perRound, err
}

func processorTime() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// startProvider starts an identity provider that publishes one key.
func startProvider(public *rsa.PublicKey) *httptest.Server {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	answer("/.well-known/openid-configuration", map[string]any{
		"issuer": server.URL, "jwks_uri": server.URL + "/keys", "authorization_endpoint": server.URL + "/auth",
		"token_endpoint":                        server.URL + "/token",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
	answer("/keys",
		jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	return server
}

// signToken returns an access token with the claims of a plain Keycloak realm.
func signToken(key *rsa.PrivateKey, issuer string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "auth_time": now.Unix(),
		"jti": "onrtac:6f0d0d4a-9e0c-4a35-9a0c-1f6c8b4c2d11",
		"iss": issuer, "aud": []string{audience, "account"}, "sub": "873c34f6-798d-4108-94ed-baa8c9581a2f",
		"typ": "Bearer", "azp": "leadctl-cli",
		"sid": "2f8d4a0e-0b57-4f0c-8d5d-7c8c8f1b9a10", "acr": "1", "allowed-origins": []string{"http://localhost:3000"},
		"realm_access": map[string]any{"roles": []string{"default-roles-acme", "offline_access",
			"uma_authorization"}},
		"resource_access": map[string]any{audience: map[string]any{"roles": []string{"ops"}},
			"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}},
		"scope": "openid email profile", "email_verified": true, "tenant_id": "42", "roles": []string{"ops"},
		"name": "Alice Example", "preferred_username": "alice@acme.example", "given_name": "Alice",
		"family_name": "Example", "email": "alice@acme.example",
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
