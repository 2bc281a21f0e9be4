//go:build live

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chromium is a browser that is driven by WebDriver (https://www.w3.org/TR/webdriver2/).
type chromium struct{ session string }

func newChromium(t *testing.T) *chromium {
	t.Helper()
	binary, driver := os.Getenv("LEADCTL_LIVE_CHROMIUM"), os.Getenv("LEADCTL_LIVE_CHROMEDRIVER")
	require.NotEmpty(t, binary, "LEADCTL_LIVE_CHROMIUM is not set; scripts/live chromium sets it")
	require.NotEmpty(t, driver, "LEADCTL_LIVE_CHROMEDRIVER is not set; scripts/live chromium sets it")
	home := t.TempDir()
	scratch, err := os.MkdirTemp(
		"",
		"chromium",
	) // t.TempDir's name is too long for the socket that Chromium makes there
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(scratch) })
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	cmd := exec.Command(driver, "--port="+port)
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+scratch)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { // after the session has been ended, below: a driver that is killed leaves its browser behind
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})

	c := &chromium{session: "http://127.0.0.1:" + port}
	require.Eventually(t, func() bool {
		resp, err := http.Get(c.session + "/status")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	var made struct{ SessionID string }
	c.call(t, http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:chromeOptions": map[string]any{
			"binary": binary,
			"args": []string{
				"--headless",
				"--no-sandbox",
				"--disable-gpu",
				"--disable-dev-shm-usage",
				"--user-data-dir=" + home,
			},
		},
		"goog:loggingPrefs": map[string]string{"browser": "ALL", "performance": "ALL"},
		"timeouts":          map[string]any{"implicit": 30_000, "script": 30_000, "pageLoad": 60_000},
	}}}, &made)
	c.session += "/session/" + made.SessionID
	t.Cleanup(func() {
		req, err := http.NewRequest(http.MethodDelete, c.session, nil)
		require.NoError(t, err)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	return c
}

// call sends one command and decodes its value into out.
func (c *chromium) call(t *testing.T, method, path string, in, out any) {
	t.Helper()
	var body bytes.Buffer
	if in != nil {
		require.NoError(t, json.NewEncoder(&body).Encode(in))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, c.session+path, &body)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct{ Value json.RawMessage }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", path, answer.Value)
	if out != nil {
		require.NoError(t, json.Unmarshal(answer.Value, out))
	}
}

func (c *chromium) open(t *testing.T, address string) {
	t.Helper()
	c.call(t, http.MethodPost, "/url", map[string]string{"url": address}, nil)
}

func (c *chromium) currentAddress(t *testing.T) (address string) {
	t.Helper()
	c.call(t, http.MethodGet, "/url", nil, &address)
	return address
}

// waitForAddress waits until the browser's address begins with prefix.
func (c *chromium) waitForAddress(t *testing.T, prefix string) {
	t.Helper()
	require.Eventually(
		t,
		func() bool { return strings.HasPrefix(c.currentAddress(t), prefix) },
		time.Minute,
		100*time.Millisecond,
		"at %s",
		c.currentAddress(t),
	)
}

func (c *chromium) element(t *testing.T, css string) string {
	t.Helper()
	var found map[string]string
	c.call(t, http.MethodPost, "/element", map[string]string{"using": "css selector", "value": css}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	t.Fatalf("no element %s at %s", css, c.currentAddress(t))
	return ""
}

func (c *chromium) fill(t *testing.T, css, text string) {
	t.Helper()
	c.call(t, http.MethodPost, c.element(t, css)+"/value", map[string]string{"text": text}, nil)
}

func (c *chromium) click(t *testing.T, css string) {
	t.Helper()
	c.call(t, http.MethodPost, c.element(t, css)+"/click", map[string]any{}, nil)
}

// evalScript evaluates an expression in the page and decodes its value into out. It waits for a promise.
func (c *chromium) evalScript(t *testing.T, expression string, out any) {
	t.Helper()
	script := fmt.Sprintf(
		"const done = arguments[arguments.length - 1]; Promise.resolve(%s).then(done, e => done('failed: ' + e));",
		expression,
	)
	c.call(t, http.MethodPost, "/execute/async", map[string]any{"script": script, "args": []any{}}, out)
}

// browserCookie is a cookie of the browser.
type browserCookie struct {
	Name, Value, Path, SameSite string
	HTTPOnly                    bool `json:"httpOnly"`
}

func (c *chromium) cookies(t *testing.T) map[string]browserCookie {
	t.Helper()
	var list []browserCookie
	c.call(t, http.MethodGet, "/cookie", nil, &list)
	out := map[string]browserCookie{}
	for _, k := range list {
		out[k.Name] = k
	}
	return out
}
