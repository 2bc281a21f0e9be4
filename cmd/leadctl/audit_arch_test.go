package main

import (
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// domainPackages own the rows of tenants and of the control plane. Package odoo writes into other databases, for
// package workspace, and package schema migrates.
func domainPackages() []string {
	return []string{"tenant", "jobs", "session", "websession", "reseal", "leads", "acra", "workspace", "onboarding"}
}

// doorPackages are where callers come in: commands, the API and the console, and the wiring that these share.
func doorPackages() []string {
	return []string{cmdPackage, "httpapi", "console", "web", "serve", "wire", "doctor", "demo"}
}

// unrecorded are the functions that change rows for a door although they do not know who acts, with the reason why that
// is right.
func unrecorded() map[string]string {
	const (
		browser  = "a browser's own session is its own record; ending all sessions of a person is recorded"
		register = "companies are shared data that follows the register; the ingestion that changed it is recorded"
		dead     = "returns the jobs of processes that died to the queue"
	)
	return map[string]string{
		"websession.Manager.Begin":    browser,
		"websession.Manager.Finish":   browser,
		"websession.Manager.Refresh":  browser,
		"websession.Manager.Exchange": browser,
		"websession.Manager.End":      browser,
		"leads.FollowRegister":        register,
		"leads.RefreshCompanies":      register,
		"jobs.Client.Start":           dead,
		"workspace.Service.Smoke":     "keeps what the latest test of a workspace found",
	}
}

var changesRows = regexp.MustCompile(
	`\b(INSERT INTO|UPDATE\s+(ONLY\s+)?\S+(\s+(AS\s+)?\w+)?\s+SET|DELETE FROM|TRUNCATE|COPY\s+\S+[^;]*FROM STDIN)\b`)

// What is done for a caller is recorded, by the function that does it.
func TestActsAreRecorded(t *testing.T) {
	t.Parallel()
	code := readCode(t)
	t.Run("every act has an actor", func(t *testing.T) { everyActHasAnActor(t, code) })
	t.Run("doors record nothing", func(t *testing.T) { doorsRecordNothing(t, code) })
	t.Run("who acts is recorded", func(t *testing.T) { whoActsIsRecorded(t, code) })
	t.Run("downloads are recorded", func(t *testing.T) { downloadsAreRecorded(t, code) })
	t.Run("acts of requests ask again", func(t *testing.T) { actsAskAgain(t, code) })
}

// everyActHasAnActor: a function that changes rows for a door takes a tenant.By, or is only called by functions that
// do.
func everyActHasAnActor(t *testing.T, code code) {
	allowed, used := unrecorded(), map[string]bool{}
	reached := code.reach(
		func(f *function) bool { return slices.Contains(doorPackages(), f.pkg) },
		func(f *function) bool {
			used[f.key] = true
			return f.takes("tenant.By") || allowed[f.key] != ""
		})
	for _, f := range reached {
		if slices.Contains(domainPackages(), f.pkg) && changesRows.MatchString(f.text) && !f.takes("tenant.By") &&
			allowed[f.key] == "" {
			t.Errorf("%s: %s changes rows without a tenant.By (called as %s)", f.at, f.key, f.path)
		}
	}
	for key := range allowed {
		if !used[key] {
			t.Errorf("unrecorded: no door reaches %s", key)
		}
	}
}

// doorsRecordNothing: what one door recorded, the next door would forget.
func doorsRecordNothing(t *testing.T, code code) {
	for _, f := range code.list() {
		if !slices.Contains(doorPackages(), f.pkg) {
			continue
		}
		// doctor rolls its rows back
		if f.uses("tenant.Record") || f.pkg != "doctor" && changesRows.MatchString(f.text) {
			t.Errorf("%s: %s records or changes rows; that belongs into a package of the domain", f.at, f.key)
		}
	}
}

// whoActsIsRecorded: a function that takes a tenant.By records it, directly or by what it calls.
func whoActsIsRecorded(t *testing.T, code code) {
	for _, f := range code.list() {
		if !f.takes("tenant.By") || slices.Contains(doorPackages(), f.pkg) {
			continue
		}
		below := code.reach(func(g *function) bool { return g == f }, func(*function) bool { return false })
		if !slices.ContainsFunc(below, func(g *function) bool {
			return strings.Contains(g.text,
				"INSERT INTO audit_log")
		}) {
			t.Errorf("%s: %s takes a tenant.By and records nothing", f.at, f.key)
		}
	}
}

// downloadsAreRecorded: a door that exports leads records the download.
func downloadsAreRecorded(t *testing.T, code code) {
	for _, f := range code.list() {
		if !slices.Contains(doorPackages(), f.pkg) || !f.uses("leads.Export") {
			continue
		}
		below := code.reach(func(g *function) bool { return g == f }, func(*function) bool { return false })
		if !slices.ContainsFunc(below, func(g *function) bool { return g.key == "leads.RecordExport" }) {
			t.Errorf("%s: %s exports leads and records no download", f.at, f.key)
		}
	}
}

// actsAskAgain: what a request changes, it changes only while its caller may, as read in the transaction of the change.
func actsAskAgain(t *testing.T, code code) {
	other := map[string]string{
		"onboarding.Service.FirstLogin": "reads what decides under locks of its own",
		"websession.Manager.EndAll":     "ends the caller's own sessions",
		"leads.RecordExport":            "a download looks again while it goes on",
		"tenant.RecordRefusal":          "changes nothing else",
		"workspace.NoteRoles":           "notes the roles of the token that is being used",
	}
	for _, f := range code.list() {
		for _, ref := range f.refs {
			act := code.functions[ref]
			if !slices.Contains([]string{"httpapi", "console"}, f.pkg) || act == nil ||
				!slices.Contains(domainPackages(), act.pkg) || !act.takes("tenant.By") || other[act.key] != "" {
				continue
			}
			below := code.reach(func(g *function) bool { return g == act }, func(*function) bool { return false })
			if !slices.ContainsFunc(below, func(g *function) bool { return g.uses("tenant.By.StillMay") }) {
				t.Errorf("%s: %s calls %s, which does not call By.StillMay", f.at, f.key, act.key)
			}
		}
	}
}

// takes reports whether a parameter has the named type, or is a struct with a field of it.
func (f *function) takes(name string) bool {
	params := f.obj.Signature().Params()
	for i := range params.Len() {
		p := params.At(i).Type()
		if typeName(p) == name {
			return true
		}
		if s, ok := p.Underlying().(*types.Struct); ok {
			for i := range s.NumFields() {
				if typeName(s.Field(i).Type()) == name {
					return true
				}
			}
		}
	}
	return false
}
