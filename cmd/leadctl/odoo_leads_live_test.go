//go:build live

package main

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// seeLeads scores leads, which the daemon then pushes, and looks for them as the salesperson who is signed in to Odoo:
// through the menus, without a setting, a filter or the developer mode. It saves screenshots of what she sees; those of
// 19 are in docs/img.
func (s *site) seeLeads(t *testing.T, version string) {
	scoreRegister(t)
	require.Eventually(t, func() bool { // a push by hand is a conflict while the daemon's runs
		var out, errs bytes.Buffer
		push := []string{"odoo", "push", "--tenant", "1"}
		return run(t.Context(), push, strings.NewReader(""), &out, &errs) == 0
	}, 2*time.Minute, 500*time.Millisecond)
	page := newPageChecker(t, s)
	page.devtools(t, "Emulation.setDeviceMetricsOverride",
		map[string]any{"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false}, nil)

	s.openCRM(t)
	cards := s.waitForTexts(t, ".o_kanban_record", "of 100")
	scores := pointsOf(t, cards)
	require.True(t, slices.IsSortedFunc(scores, func(a, b int) int { return b - a }), "best first: %v", scores)
	page.saveScreenshot(t, "odoo"+version+"-pipeline")

	s.clickScript(t, ".o_kanban_record:not(.o_kanban_ghost)")
	form := strings.Join(s.waitForTexts(t, ".o_form_view", "Fit with your profiles"), " ")
	for _, text := range []string{"Fit score", "of 100", "Reasons", "matches the profile"} {
		require.Contains(t, form, text)
	}
	var shown int
	s.evalScript(t, `[...document.querySelectorAll('[name="probability"], #probability')]
		.filter(e => e.offsetParent).length`, &shown)
	require.Zero(t, shown, "Odoo's probability is beside the score")
	page.saveScreenshot(t, "odoo"+version+"-lead")

	s.openCRM(t)
	s.waitForTexts(t, ".o_kanban_record", "of 100")
	s.clickScript(t, ".o_switch_view.o_list")
	rows := s.waitForTexts(t, ".o_list_view thead", "Fit score")
	require.Contains(t, strings.Join(rows, " "), "Fit")
	s.waitForTexts(t, ".o_data_row", "high")
	page.saveScreenshot(t, "odoo"+version+"-list")
}

// openCRM opens the app CRM from the menu of apps.
func (s *site) openCRM(t *testing.T) {
	t.Helper()
	const app = `[data-menu-xmlid="crm.crm_menu_root"]`
	require.Eventually(t, func() (clicked bool) {
		s.evalScript(t, `(() => {
			const app = document.querySelector('`+app+`');
			if (app) { app.click(); return true; }
			const menu = document.querySelector('.o_navbar_apps_menu button, .o_menu_apps a.full');
			if (menu) menu.click();
			return false;
		})()`, &clicked)
		return clicked
	}, time.Minute, 300*time.Millisecond, "the app CRM is in her menu")
}

// clickScript clicks the first element that css selects. Odoo redraws pages while they load, so an element that
// WebDriver found may be gone when it is clicked.
func (s *site) clickScript(t *testing.T, css string) {
	t.Helper()
	require.Eventually(t, func() (clicked bool) {
		s.evalScript(t, `(() => { const e = document.querySelector(`+strconv.Quote(css)+`);
			if (e) e.click(); return !!e; })()`, &clicked)
		return clicked
	}, time.Minute, 200*time.Millisecond, css)
}

// waitForTexts waits until an element that css selects shows text, and returns the texts of all of them.
func (s *site) waitForTexts(t *testing.T, css, text string) (texts []string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.evalScript(t, `[...document.querySelectorAll(`+strconv.Quote(css)+`)].map(e => e.textContent)`, &texts)
		return strings.Contains(strings.Join(texts, " "), text)
	}, time.Minute, 200*time.Millisecond, "%s shows %q", css, text)
	return texts
}

var shownScore = regexp.MustCompile(`Fit\s+(\d+)\s+of 100`)

// pointsOf returns the scores that cards show, in their order.
func pointsOf(t *testing.T, cards []string) (scores []int) {
	t.Helper()
	for _, card := range cards {
		if m := shownScore.FindStringSubmatch(card); m != nil {
			points, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			scores = append(scores, points)
		}
	}
	require.Greater(t, len(scores), 5)
	return scores
}
