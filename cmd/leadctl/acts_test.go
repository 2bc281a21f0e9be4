package main

import (
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// everyActIsRecorded: every command that changes rows leaves exactly one line for each act, in the transaction of the
// change, and none when it fails. A new command must be in the script, or in otherCommands with the reason.
func everyActIsRecorded(t *testing.T) {
	t.Run("jobs", everyJobIsAnswerable)
	const dir = "testdata/acts"
	script, err := os.ReadFile(dir + "/acts.txtar")
	require.NoError(t, err)
	tried := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^act \S+ leadctl (.+)$`).FindAllStringSubmatch(string(script), -1) {
		cmd, _, err := newRoot(newApp(nil, nil, nil)).Find(strings.Fields(line[1]))
		require.NoError(t, err)
		tried[strings.TrimPrefix(cmd.CommandPath(), "leadctl ")] = true
	}
	other := otherCommands()
	leaves := leafCommands(newRoot(newApp(nil, nil, nil)))
	for path := range other {
		if !slices.Contains(leaves, path) {
			t.Errorf("otherCommands: no command %s", path)
		}
	}
	for _, path := range leaves {
		if tried[path] == (other[path] != "") {
			t.Errorf("%s: must be in %s/acts.txtar or in otherCommands", path, dir)
		}
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"act": recordedAct}, Setup: operateSetup})
}

func leafCommands(cmd *cobra.Command) (paths []string) {
	if !cmd.HasSubCommands() {
		return []string{strings.TrimPrefix(cmd.CommandPath(), "leadctl ")}
	}
	for _, sub := range cmd.Commands() {
		paths = append(paths, leafCommands(sub)...)
	}
	return paths
}

// otherCommands are the commands that the script does not try, with the reason.
func otherCommands() map[string]string {
	const (
		reads   = "reads; acting for a tenant leaves a line (B-070)"
		schema  = "changes the schema, which has a record of its own"
		files   = "changes files only"
		odoo    = "changes Odoo first; tests of package workspace cover its lines"
		account = "changes the person's own session or the identity provider"
		run     = "has a record of its own, and a line (package acra)"
		process = "runs the work of others"
		secrets = "changes rows in batches, and has one line for all (operate/rotate.txtar)"
	)
	list := map[string]string{
		"acra ingest": run, "migrate up": schema, "migrate down": schema, "migrate force": schema,
		"migrate login": schema, "secrets init": files, "secrets add-key": files, "secrets promote": files,
		"secrets retire": files, "secrets rotate": secrets, "odoo push": odoo, "odoo open": odoo,
		"odoo feedback": odoo, "odoo rotate-key": odoo,
		"odoo sso configure": odoo, "odoo template prepare": odoo, "sso login": account, "sso logout": account,
		"tenant assign-rows": "needs rows that adoption set aside; package schema covers its line",
		"sso keycloak setup": account, "sso keycloak assign": account, "serve": process,
		"demo": process, "doctor": process,
	}
	for _, path := range strings.Split("acra rejects,acra status,audit list,config show,export scores,icp list,"+
		"icp show,"+
		"icp test,jobs list,jobs show,leads report,leads top,migrate status,migrate version,odoo fields,"+
		"odoo sso verify,odoo template status,odoo test,sso discover,sso whoami,tenant list,tenant show,"+
		"tenant user list,version,completion bash,completion fish,completion powershell,completion zsh,"+
		"exit-codes", ",") {
		list[path] = reads
	}
	return list
}

// recordedAct is the script command `act LINES COMMAND…`.
func recordedAct(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: act LINES COMMAND ARG…")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, ts.Getenv("OWNER_DSN"))
	ts.Check(err)
	defer conn.Close(ctx)
	want, command := args[0], args[1:]
	before, lines := rowsOf(ts, conn), linesOf(ts, conn)
	tables, err := pgtest.ActTables(ctx, conn)
	ts.Check(err)
	for _, failing := range [][]string{{pgtest.AuditLog}, tables} {
		undo, err := pgtest.FailChanges(ctx, conn, failing...)
		ts.Check(err)
		failed := ts.Exec(command[0], command[1:]...) != nil && strings.Contains(ts.ReadFile("stderr"), pgtest.Planted)
		ts.Check(undo())
		if !failed || rowsOf(ts, conn) != before || len(linesOf(ts, conn)) != len(lines) {
			ts.Fatalf("%v: worked, changed rows or left a line although changes of %v failed", command, failing)
		}
	}
	ts.Check(ts.Exec(command[0], command[1:]...))
	found := linesOf(ts, conn)[len(lines):]
	slices.Sort(found)
	if strings.Join(found, ",") != want {
		ts.Fatalf("%v: lines %v, want %s", command, found, want)
	}
	for _, action := range found {
		if !slices.Contains(tenant.Actions(), action) {
			ts.Fatalf("%s: missing in tenant.Actions", action)
		}
	}
}

func rowsOf(ts *testscript.TestScript, conn *pgx.Conn) string {
	rows, err := pgtest.ActRows(context.Background(), conn)
	ts.Check(err)
	return rows
}

// linesOf returns the actions in the audit log, oldest first.
func linesOf(ts *testscript.TestScript, conn *pgx.Conn) []string {
	rows, err := conn.Query(context.Background(), `SELECT action FROM audit_log ORDER BY at`)
	ts.Check(err)
	actions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ts.Check(err)
	return actions
}

// everyJobIsAnswerable: each kind of job records what it does, or carries out what was recorded when it was requested.
// A new kind must be here.
func everyJobIsAnswerable(t *testing.T) {
	const requested = "carries out what the request's line says"
	kinds := map[string]string{
		"onboarding": requested, "odoo_access": requested, "odoo_users": requested, "odoo_push": requested,
		"leads_score": requested, "acra_ingest": "acra.ingest", "odoo_feedback": "odoo.feedback",
		"odoo_visit_end": "odoo.open.end",
	}
	found := map[string]bool{}
	for _, f := range readCode(t).list() {
		if f.obj.Name() == "Kind" && f.obj.Signature().Params().Len() == 0 && slices.Contains(domainPackages(), f.pkg) {
			found[strings.Trim(f.text, "\"\n ")] = true
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(found)))
	for kind, line := range kinds {
		require.True(t, line == requested || slices.Contains(tenant.Actions(), line), kind)
	}
}
