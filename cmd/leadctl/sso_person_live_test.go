//go:build live

package main

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// person is a user with an HTTP client in place of a browser.
type person struct {
	*http.Client
	email string
}

func newPerson(t *testing.T, email string) person {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return person{&http.Client{Jar: jar, Timeout: 30 * time.Second}, email}
}

var formAction = regexp.MustCompile(`(?s)<form[^>]*\baction="([^"]*)"`)

// signInAt fills in the forms of Keycloak's pages at address, including consent, and returns the last page.
func (p person) signInAt(t *testing.T, address string) string {
	resp, err := p.Get(address)
	if !assert.NoError(t, err) {
		return ""
	}
	for range 4 {
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		page := string(raw)
		if !assert.NoError(t, err) || !strings.Contains(page, "<form") ||
			!strings.Contains(resp.Request.URL.Path, "/realms/") { // back from the provider
			return page
		}
		at, err := resp.Request.URL.Parse(html.UnescapeString(formAction.FindStringSubmatch(page)[1]))
		if !assert.NoError(t, err) {
			return page
		}
		form := url.Values{"username": {p.email}, "password": {livePassword}, "credentialId": {""}}
		if !strings.Contains(page, `name="password"`) {
			form = hiddenFields(page)
			form.Set("accept", "Yes")
		}
		if resp, err = p.PostForm(at.String(), form); !assert.NoError(t, err) {
			return ""
		}
	}
	t.Errorf("%s: more than 4 forms", address)
	return ""
}

func hiddenFields(page string) url.Values {
	form := url.Values{}
	input := regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	for _, m := range input.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// loginTerminal is a stderr that calls visit with the first login address that is written to it.
type loginTerminal struct {
	mu    sync.Mutex
	text  strings.Builder
	once  sync.Once
	visit func(address string)
	done  sync.WaitGroup
}

var loginAddress = regexp.MustCompile(`https?://[^\s]+/(auth\?|device\?)[^\s]+`)

func (s *loginTerminal) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if address := loginAddress.FindString(s.text.String()); address != "" {
		s.once.Do(func() { s.done.Go(func() { s.visit(address) }) })
	}
	return len(b), nil
}

// logIn runs `sso login` and signs in as email.
func logIn(t *testing.T, email string, flags ...string) (said signedIn) {
	t.Helper()
	who := newPerson(t, email)
	screen := &loginTerminal{visit: func(address string) {
		page := who.signInAt(t, address)
		assert.Regexp(t, `Signed in\. This page can be closed|Device Login Successful`, page)
	}}
	var out bytes.Buffer
	code := run(
		t.Context(),
		append([]string{"sso", "login", "-o", "json"}, flags...),
		strings.NewReader(""),
		&out,
		screen,
	)
	screen.done.Wait()
	t.Logf("leadctl sso login %v: exit %d\n%s%s", flags, code, screen.text.String(), out.String())
	require.Zero(t, code)
	require.NoError(t, json.Unmarshal(out.Bytes(), &said))
	return said
}
