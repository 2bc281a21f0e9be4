// Package keycloak configures a Keycloak realm for leadctl through Keycloak's admin REST API:
// clients, mappers, roles, the user attribute tenant_id, and each user's tenant and roles.
//
// It owns what the realm must contain (setup.go and the files beside it) and the settings that result from it (env.go).
// Package sso verifies the realm's tokens. The package calls a dozen endpoints with net/http. The client libraries for
// this API use their own HTTP stacks, and none can edit the user profile, which must declare tenant_id.
package keycloak

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Access is the address and the credentials of the admin API.
type Access struct {
	URL           string // of the server, without /realms/…, with its base path, if any (such as /auth)
	Realm         string // the administrator's realm; "" means master
	User          string // administrator; "" means that Client is a service account
	Client        string // "" means admin-cli
	Secret        string // the administrator's password, or the service account's secret
	AllowInsecure bool   // allow http to hosts other than loopback: development only
	HTTPClient    *http.Client
}

// Admin is a client of the admin API. Only one goroutine may use it at a time.
type Admin struct {
	base      string
	tokenForm url.Values // the request for an access token
	realm     string
	client    *http.Client
	token     string
}

const (
	requestTimeout = time.Minute // Keycloak takes seconds to create a realm, and much longer under load
	maxResponse    = 8 << 20
)

// Connect signs in to the admin API. Faults: Invalid for a malformed URL or one that would send the password without
// encryption, Unauthenticated for wrong credentials, NotFound for an unknown realm, Unavailable when Keycloak does not
// answer.
func Connect(ctx context.Context, access Access) (*Admin, error) {
	base, err := checkURL(access)
	if err != nil {
		return nil, err
	}
	a := &Admin{base: base, realm: cmp.Or(access.Realm, "master"), client: boundedClient(access.HTTPClient)}
	a.tokenForm = url.Values{"client_id": {cmp.Or(access.Client, "admin-cli")}}
	if access.User == "" {
		a.tokenForm.Set("grant_type", "client_credentials")
		a.tokenForm.Set("client_secret", access.Secret)
	} else {
		a.tokenForm.Set("grant_type", "password")
		a.tokenForm.Set("username", access.User)
		a.tokenForm.Set("password", access.Secret)
	}
	return a, a.signIn(ctx)
}

// checkURL returns the server's URL without a trailing slash. It rejects http, except for loopback and if allowed.
func checkURL(access Access) (string, error) {
	u, err := url.Parse(access.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fault.New(fault.Invalid, "Keycloak URL %q: must have the form https://host[:port][/path]",
			access.URL)
	case strings.Contains(u.Path, "/realms/"):
		return "", fault.New(fault.Invalid, "Keycloak URL %q: must be the server's URL, without /realms/…", access.URL)
	case u.Scheme == "https", u.Scheme == "http" && (access.AllowInsecure || sso.IsLoopback(u.Hostname())):
		return strings.TrimSuffix(access.URL, "/"), nil
	}
	return "", fault.New(fault.Invalid, "Keycloak URL %q: must start with https://", access.URL).
		WithHint("the administrator's password is sent there; http is for loopback, or for LEADCTL_ENV=development")
}

// boundedClient returns a copy of given (nil means a new client) with a timeout and without redirects.
func boundedClient(given *http.Client) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	}
	c.Timeout = requestTimeout
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// signIn gets an access token. By default, Keycloak's tokens for administrators expire after one minute.
func (a *Admin) signIn(ctx context.Context) error {
	address := a.base + "/realms/" + url.PathEscape(a.realm) + "/protocol/openid-connect/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(a.tokenForm.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	_, err = a.sendRequest(req, &answer)
	var rejected *apiError
	switch {
	case errors.As(err, &rejected) && rejected.status != http.StatusNotFound:
		return fault.New(fault.Unauthenticated, "Keycloak administrator: %s", rejected.message).
			WithHint("give the credentials of an administrator of realm %s; "+
				"`leadctl sso keycloak setup --help` says where the password is read from", a.realm)
	case errors.As(err, &rejected):
		return fault.New(fault.NotFound, "Keycloak: no realm %q at %s", a.realm, a.base)
	case err == nil && answer.AccessToken == "":
		return fault.New(fault.Unavailable, "Keycloak: %s: the response has no access token", address)
	}
	a.token = answer.AccessToken
	return err
}

// callAPI sends in as JSON and decodes the response into out; both may be nil. It returns the id of a created resource.
// When the access token has expired, it signs in again once.
// Faults: Denied for missing rights, NotFound, Conflict, Unprocessable, Unavailable.
func (a *Admin) callAPI(ctx context.Context, method, path string, in, out any) (id string, err error) {
	for canRetry := true; ; canRetry = false {
		id, err = a.callOnce(ctx, method, path, in, out)
		var rejected *apiError
		if !errors.As(err, &rejected) {
			return id, err
		}
		if rejected.status != http.StatusUnauthorized || !canRetry {
			return "", rejected.toFault()
		}
		if err := a.signIn(ctx); err != nil {
			return "", err
		}
	}
}

func (a *Admin) callOnce(ctx context.Context, method, path string, in, out any) (string, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return "", err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/admin/realms"+path, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	return a.sendRequest(req, out)
}

// readIfExists reads path into out; found is false when Keycloak answers 404.
func (a *Admin) readIfExists(ctx context.Context, path string, out any) (found bool, err error) {
	_, err = a.callAPI(ctx, http.MethodGet, path, nil, out)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// sendRequest decodes the response into out, unless out is nil. It returns the id in the Location header, if any.
func (a *Admin) sendRequest(req *http.Request, out any) (id string, err error) {
	resp, err := a.client.Do(req)
	if err != nil {
		return "", fault.New(fault.Unavailable, "Keycloak: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return "", fault.New(fault.Unavailable, "Keycloak: %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode > 299 {
		return "", &apiError{req.Method, req.URL.Path, resp.StatusCode, errorMessage(body)}
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			return "", fault.New(fault.Unavailable, "Keycloak: %s: unexpected JSON: %w", req.URL.Path, err)
		}
	}
	location := resp.Header.Get("Location")
	return location[strings.LastIndexByte(location, '/')+1:], nil
}
