package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/stretchr/testify/require"
)

type row struct {
	ID     int        `json:"tenant_id"`
	Name   string     `json:"name"`
	Roles  []string   `json:"roles"`
	Since  *time.Time `json:"since"`
	Hidden string     `json:"-"`
}

func rows() []row {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []row{
		{ID: 1, Name: "Acme <Pte> Ltd", Roles: []string{"ops", "viewer"}, Since: &since, Hidden: "x"},
		{ID: -20, Name: "=HYPERLINK(1)\x1b[2J", Hidden: "x"},
	}
}

func TestOneResultFourFormats(t *testing.T) {
	t.Parallel()
	for f, want := range map[format]string{
		formatTable: "TENANT_ID  NAME               ROLES       SINCE\n" +
			"1          Acme <Pte> Ltd     ops,viewer  2026-01-02T03:04:05Z\n" +
			"-20        =HYPERLINK(1)\ufffd[2J\n",
		formatCSV: "tenant_id,name,roles,since\n" +
			"1,Acme <Pte> Ltd,\"ops,viewer\",2026-01-02T03:04:05Z\n" +
			"-20,'=HYPERLINK(1)\x1b[2J,,\n",
		formatYAML: "- tenant_id: 1\n  name: Acme <Pte> Ltd\n  roles:\n    - ops\n    - viewer\n" +
			"  since: \"2026-01-02T03:04:05Z\"\n" +
			"- tenant_id: -20\n  name: \"=HYPERLINK(1)\\e[2J\"\n  roles: null\n  since: null\n",
	} {
		var out bytes.Buffer
		require.NoError(t, renderResult(&out, f, false, rows()))
		require.Equal(t, want, out.String(), f)
	}
	var out bytes.Buffer
	require.NoError(t, renderResult(&out, formatJSON, false, rows()))
	var back []row
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Equal(t, rows()[1].Name, back[1].Name)
	require.Contains(t, out.String(), "<Pte>", "not escaped for HTML")
}

func TestNothingFoundIsAnEmptyList(t *testing.T) {
	t.Parallel()
	for f, want := range map[format]string{
		formatJSON: "[]\n", formatYAML: "[]\n",
		formatCSV: "tenant_id,name,roles,since\n", formatTable: "TENANT_ID  NAME  ROLES  SINCE\n",
	} {
		var out bytes.Buffer
		require.NoError(t, renderResult(&out, f, false, []row(nil)))
		require.Equal(t, want, out.String(), f)
	}
}

// TestSingleResultHasALinePerField also checks that an empty field has no line.
func TestSingleResultHasALinePerField(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, renderResult(&out, formatTable, false, &row{ID: 1, Name: "a\nb"}))
	require.Equal(t, "tenant_id  1\nname       a b\n", out.String())
}

func TestListInsideASingleResultIsATableBelow(t *testing.T) {
	t.Parallel()
	result := struct {
		row
		Users []struct {
			Email string `json:"email"`
		} `json:"users"`
		After int `json:"after"`
	}{row: row{ID: 1, Name: "a"}}
	var out bytes.Buffer
	require.NoError(t, renderResult(&out, formatTable, false, result))
	require.Equal(t, "tenant_id  1\nname       a\nafter      0\n", out.String())

	out.Reset()
	result.Users = append(result.Users, struct {
		Email string `json:"email"`
	}{"x@a.example"})
	require.NoError(t, renderResult(&out, formatTable, false, result))
	require.Equal(t, "tenant_id  1\nname       a\nafter      0\n\nusers:\nEMAIL\nx@a.example\n", out.String())
	out.Reset()
	require.NoError(t, renderResult(&out, formatCSV, false, result))
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "CSV has one row")
}

func TestYAMLQuotesTextThatLooksLikeANumber(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, renderResult(&out, formatYAML, false, row{Name: "0123"}))
	require.Contains(t, out.String(), `name: "0123"`)
}

// TestNarrowScreen: a table that is wider than the screen becomes records, whose values are wrapped between words.
func TestNarrowScreen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	renderer := lipgloss.NewRenderer(&out)
	g := grid{columns: []string{"key", "value", "fix"}, rows: [][]string{{"a", strings.Repeat("word ", 40), ""},
		{"b", strings.Repeat("x", 70), "one"}}}
	require.NoError(t, g.writeDrawn(&out, &out, 60))
	require.Equal(t, 40, strings.Count(out.String(), "word"), "wrapped, not cut")
	require.NotContains(t, out.String(), "\x1b", "no colour off a terminal")
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, "KEY    a", lines[0])
	require.Equal(t, "VALUE  "+strings.TrimSpace(strings.Repeat("word ", 10)), lines[1])
	require.Equal(t, "       "+strings.TrimSpace(strings.Repeat("word ", 10)), lines[2])
	require.Equal(t, []string{"", "KEY    b", "VALUE  " + strings.Repeat("x", 70), "FIX    one", ""}, lines[5:])

	out.Reset()
	require.NoError(t, g.writeDrawn(&out, &out, 0))
	require.Contains(t, out.String(), "│", "a wide table")
	require.Contains(t, out.String(), strings.TrimSpace(strings.Repeat("word ", 40)))
	out.Reset()
	g = grid{columns: []string{"step", "detail"}, rows: [][]string{{"one", strings.Repeat("word ", 20)}}, single: true}
	require.NoError(t, g.writeRecords(&out, renderer, 60))
	require.True(t, strings.HasPrefix(out.String(), "step    one\ndetail  word word"), out.String())
}

func TestProgressOffATerminal(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	a := newApp(nil, nil, &err)
	p := a.newProgress("rows", 200)
	clock := time.Now()
	p.now, p.lastPrinted, p.startedAt = func() time.Time { return clock }, clock, clock
	p.setDone(1)
	require.Empty(t, err.String(), "nothing before ten seconds")
	clock = clock.Add(progressEvery)
	p.setDone(50)
	p.setDone(51)
	clock = clock.Add(progressEvery)
	p.setDone(200)
	p.finish()
	require.Equal(t, "50 of 200 rows (25%), 5 a second\n200 of 200 rows (100%), 10 a second\n", err.String())

	unknown := progress{out: &err, unit: "rows", total: -1, done: 7, now: p.now, startedAt: clock}
	require.Equal(t, "7 rows, 7 a second", unknown.statusLine())
}

func TestSteps(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	a := newApp(nil, nil, &err)
	a.printStep("odoo_database", 212*time.Millisecond, nil)
	a.printStep("smoke_test", time.Second, errors.New("no \x1b[2Janswer"))
	require.Equal(t, "✓ odoo_database 212ms\n✗ smoke_test 1s no \ufffd[2Janswer\n", err.String())
}
