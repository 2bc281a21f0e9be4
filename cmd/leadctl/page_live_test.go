//go:build live

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageChecker checks pages as the browser shows them.
type pageChecker struct {
	*site
	dir string // of screenshots
	axe string // the source of axe-core
}

func newPageChecker(t *testing.T, s *site) *pageChecker {
	l := &pageChecker{site: s, dir: os.Getenv("LEADCTL_LIVE_SHOTS")}
	require.NotEmpty(t, l.dir, "LEADCTL_LIVE_SHOTS is not set; scripts/live chromium sets it")
	require.NoError(t, os.MkdirAll(l.dir, 0o755))
	source, err := os.ReadFile(os.Getenv("LEADCTL_LIVE_AXE"))
	require.NoError(t, err, "LEADCTL_LIVE_AXE; scripts/live chromium sets it")
	l.axe = string(source)
	return l
}

// devtools runs a command of the DevTools protocol, for what WebDriver does not support.
func (l *pageChecker) devtools(t *testing.T, command string, params map[string]any, out any) {
	t.Helper()
	l.call(t, http.MethodPost, "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, out)
}

// evaluate evaluates an expression outside the page's content security policy, as an extension does.
func (l *pageChecker) evaluate(t *testing.T, expression string) (text string) {
	t.Helper()
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	l.devtools(
		t,
		"Runtime.evaluate",
		map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true},
		&answer,
	)
	require.Nil(t, answer.ExceptionDetails)
	text, _ = answer.Result.Value.(string)
	return text
}

// checkPage checks the layout and the accessibility of the current page, and saves screenshots.
func (l *pageChecker) checkPage(t *testing.T, name string) {
	t.Helper()
	for _, width := range []int{1280, 360, 320} {
		for _, scheme := range []string{"light", "dark"} {
			what := fmt.Sprintf("%s-%d-%s", name, width, scheme)
			l.devtools(
				t,
				"Emulation.setDeviceMetricsOverride",
				map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false},
				nil,
			)
			l.devtools(
				t,
				"Emulation.setEmulatedMedia",
				map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}},
				nil,
			)
			require.Equal(
				t,
				"fits",
				l.evaluate(t, `document.documentElement.scrollWidth > innerWidth ? 'scrolls sideways' : 'fits'`),
				what,
			)
			if width == 320 {
				continue
			}
			l.saveScreenshot(t, what)
			found := l.evaluate(
				t,
				`if (typeof axe === 'undefined') { `+l.axe+`; } axe.run().then(r => r.violations
					.filter(v => ['serious', 'critical'].includes(v.impact))
					.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')).join('\n'))`,
			)
			assert.Empty(t, found, what)
		}
	}
	l.devtools(
		t,
		"Emulation.setDeviceMetricsOverride",
		map[string]any{"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false},
		nil,
	)
}

func (l *pageChecker) saveScreenshot(t *testing.T, name string) {
	var page struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	l.devtools(t, "Page.getLayoutMetrics", map[string]any{}, &page)
	var shot struct{ Data string }
	l.devtools(t, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{
			"x":      0,
			"y":      0,
			"width":  page.CSSContentSize.Width,
			"height": page.CSSContentSize.Height,
			"scale":  1,
		}}, &shot)
	raw, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, name+".png"), raw, 0o644))
}

func (l *pageChecker) source(t *testing.T) (html string) {
	l.evalScript(t, `document.documentElement.outerHTML`, &html)
	return html
}

// requireCleanLog checks the browser's log: no error except those that the test provoked, and no request to another
// host.
func (l *pageChecker) requireCleanLog(t *testing.T) {
	var notes []struct{ Level, Message string }
	l.call(t, http.MethodPost, "/se/log", map[string]string{"type": "browser"}, &notes)
	for _, n := range notes {
		wanted := strings.Contains(n.Message, "/nowhere") || strings.Contains(n.Message, "/ops") ||
			strings.Contains(n.Message, "/auth/callback") ||
			!strings.HasPrefix(n.Message, l.api)
		assert.True(t, n.Level != "SEVERE" || wanted, n.Message)
	}
	l.call(t, http.MethodPost, "/se/log", map[string]string{"type": "performance"}, &notes)
	requests := 0
	for _, n := range notes {
		var event struct {
			Message struct {
				Method string
				Params struct {
					DocumentURL, Type string
					Request           struct{ URL string }
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(n.Message), &event))
		p := event.Message.Params
		if event.Message.Method != "Network.requestWillBeSent" || !strings.HasPrefix(p.DocumentURL, l.api) {
			continue
		}
		requests++
		assert.True(t, strings.HasPrefix(p.Request.URL, l.api+"/"), "%s requests %s", p.DocumentURL, p.Request.URL)
	}
	require.Greater(t, requests, 100)
}
