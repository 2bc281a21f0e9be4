//go:build live

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// testWorkspaceLife takes tenant 1's workspace on a real server through what follows its making: another key, leads,
// its end.
func testWorkspaceLife(t *testing.T, version, dsn string) {
	a := newApp(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{})
	spaces, err := a.openWorkspaces(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	t.Run("rotation", func(t *testing.T) { rotateKey(t, spaces, version) })
	t.Run("push", func(t *testing.T) { pushTwice(t, spaces) })
	t.Run("end", func(t *testing.T) { archiveWorkspace(t, spaces, dsn) })
}

// rotateKey checks that Odoo rejects the old key at once, over both protocols, although it caches keys over XML-RPC.
func rotateKey(t *testing.T, spaces *workspace.Service, version string) {
	before, err := spaces.Current(t.Context(), 1)
	require.NoError(t, err)
	server, err := odoo.New(odoo.Options{BaseURL: spaces.BaseURL, Protocol: "xmlrpc"})
	require.NoError(t, err)
	uid, ok, err := server.Authenticate(t.Context(), before.Database, odoo.ServiceLogin, before.Secret)
	require.NoError(t, err)
	require.True(t, ok)
	overXML := func(key odoo.Secret) error {
		a := odoo.Account{Database: before.Database, Secret: key, UID: uid, Over: odoo.ProtocolXMLRPC}
		session, _, err := server.Open(t.Context(), a)
		require.NoError(t, err)
		_, err = session.SearchCount(t.Context(), "res.partner", odoo.Query{})
		return err
	}
	require.NoError(t, overXML(before.Secret), "Odoo caches the key now")

	start := time.Now()
	mustRun(t, "odoo", "rotate-key", "--tenant", "1")
	t.Logf("rotated in %v", time.Since(start))
	after, err := spaces.Current(t.Context(), 1)
	require.NoError(t, err)
	require.NotEqual(t, before.Secret, after.Secret)
	require.Equal(t, odoo.CodeAccessDenied, fault.Code(overXML(before.Secret)))
	require.NoError(t, overXML(after.Secret))
	if version == "19" {
		require.Equal(t, http.StatusUnauthorized, callJSON2(t, spaces.BaseURL, before))
		require.Equal(t, http.StatusOK, callJSON2(t, spaces.BaseURL, after))
	}
	tried, _ := mustRun(t, "odoo", "test", "--tenant", "1", "-o", "csv")
	require.NotContains(t, tried, "failed")
}

func callJSON2(t *testing.T, base string, w provision.Workspace) int {
	req, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPost,
		base+"/json/2/res.partner/search_count",
		strings.NewReader(`{"domain":[]}`),
	)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+string(w.Secret))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Odoo-Database", w.Database)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// scoreRegister ingests a synthetic register and scores it for tenant 1.
func scoreRegister(t *testing.T) {
	var register bytes.Buffer
	_, err := acragen.Write(&register, 2000, 1, acragen.Options{})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "register.csv")
	require.NoError(t, os.WriteFile(file, register.Bytes(), 0o600))
	mustRun(t, "acra", "ingest", file)
	mustRun(t, "icp", "set", "Default", "--tenant", "1", "--template")
	mustRun(t, "leads", "score", "--tenant", "1")
}

// pushTwice checks that a second push creates nothing, and that a salesperson's changes stay when scores change.
func pushTwice(t *testing.T, spaces *workspace.Service) {
	scoreRegister(t)
	push := func(flags ...string) (sum workspace.Pushed) {
		start := time.Now()
		out, _ := mustRun(t, append([]string{"odoo", "push", "--tenant", "1", "-o", "json"}, flags...)...)
		require.NoError(t, json.Unmarshal([]byte(out), &sum))
		t.Logf("push %v: %+v in %v", flags, sum, time.Since(start))
		return sum
	}
	all := push("--dry-run").Created
	require.Positive(t, all)
	first := push()
	require.Equal(t, all, first.Created)

	w, err := spaces.Current(t.Context(), 1)
	require.NoError(t, err)
	s, err := spaces.Odoo.Session(t.Context(), w)
	require.NoError(t, err)
	mine := odoo.Query{
		Domain: odoo.Domain{odoo.Where("x_pre_sdr_bucket", "!=", false)},
		Fields: []string{"name"},
		Order:  "id",
		Limit:  1,
	}
	found, err := s.SearchRead(t.Context(), "crm.lead", mine)
	require.NoError(t, err)
	theirs := odoo.Record{"name": "Call back on Monday"}
	require.NoError(t, s.Write(t.Context(), "crm.lead", []int64{found[0].ID()}, theirs, nil))
	second := push()
	require.Equal(t, workspace.Pushed{Leads: all, Unchanged: all, Reasons: []string{}}, second)
	require.NoError(t, spaces.DB.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `UPDATE lead_scores SET rationale = 'a new reason'`)
		return err
	}))
	require.Equal(t, all, push().Updated)
	found, err = s.Read(
		t.Context(),
		"crm.lead",
		[]int64{found[0].ID()},
		[]string{"name", "type", "x_pre_sdr_rationale"},
	)
	require.NoError(t, err)
	require.Equal(t, "Call back on Monday", found[0].Text("name"))
	require.Equal(t, "opportunity", found[0].Text("type"))
	require.Equal(t, "a new reason", found[0].Text("x_pre_sdr_rationale"))
}

// archiveWorkspace checks that the database of a deleted tenant is renamed and refuses connections.
func archiveWorkspace(t *testing.T, spaces *workspace.Service, dsn string) {
	w, err := spaces.Current(t.Context(), 1)
	require.NoError(t, err)
	out, _ := mustRun(t, "tenant", "delete", "1", "--confirm", "Acme", "-o", "json")
	var done workspace.Closed
	require.NoError(t, json.Unmarshal([]byte(out), &done))
	require.NotEmpty(t, done.ArchivedAs)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var open bool
	require.NoError(
		t,
		conn.QueryRow(t.Context(), `SELECT datallowconn FROM pg_database WHERE datname = $1`, done.ArchivedAs).
			Scan(&open),
	)
	require.False(t, open)
	_, err = conn.Exec(t.Context(), "DROP DATABASE "+pgx.Identifier{done.ArchivedAs}.Sanitize())
	require.NoError(t, err)
	_, err = spaces.Odoo.SmokeTest(t.Context(), w)
	require.Equal(t, odoo.CodeMissing, fault.Code(err), "%s: %v", w.Database, err)
}
