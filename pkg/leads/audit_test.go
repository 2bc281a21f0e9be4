package leads_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// lines lists a tenant's record, oldest first.
func (w world) lines(id leads.TenantID) []string {
	w.t.Helper()
	return w.rows(`SELECT actor, action, object, detail - 'old_sha256' - 'new_sha256' FROM audit_log
		WHERE tenant_id = ` + id.String() + ` ORDER BY at`)
}

func TestARulesLineTellsWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{`{"keywords":["a"]}`, `{"keywords":["b"]}`, `{"keywords":["b"]}`} {
		w.change(1, "Mine", payload)
	}
	var first, second, third struct{ Old, New *string }
	hashes := `SELECT detail->>'old_sha256', detail->>'new_sha256' FROM audit_log WHERE action = 'icp.set'
		ORDER BY at OFFSET $1 LIMIT 1`
	for i, into := range []*struct{ Old, New *string }{&first, &second, &third} {
		require.NoError(t, w.Owner.QueryRow(t.Context(), hashes, i).Scan(&into.Old, &into.New))
	}
	require.Nil(t, first.Old, "there was none")
	require.Len(t, *first.New, 64)
	require.Equal(t, first.New, second.Old)
	require.NotEqual(t, second.Old, second.New)
	require.Equal(t, second.New, third.Old)
	require.Equal(t, third.Old, third.New, "the same again")
	var stored string
	require.NoError(t, w.Owner.QueryRow(t.Context(),
		`SELECT encode(sha256(convert_to(payload::text, 'UTF8')), 'hex') FROM icp_rules`).Scan(&stored))
	require.Equal(t, stored, *third.New, "the database can prove it")
	require.Empty(t, w.lines(2), "another tenant's record")
}

func TestARunIsRecordedWithItsNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.request(1)
	require.Equal(t, run.RunID, w.request(1).RunID, "the run that waits")
	require.Equal(t, []string{"(test,run.request,1,{})", "(test,run.request,1,{})"}, w.lines(1))
	w.register()
	w.rule(1, "All", `{}`)
	w.score(1, leads.ScoreOptions{})
	require.Contains(t, w.lines(1)[3], "test,leads.score,2")
}

// What fails, or is taken back, leaves neither rule nor run nor line.
func TestFailedActsOnRulesLeaveNoLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change(1, "Last", `{}`)
	before := w.lines(1)
	queue := w.queue()
	for name, act := range map[string]func(context.Context, postgres.SystemTx) error{
		"not a profile": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := leads.SetRule(ctx, tx, queue, 1, "Bad", []byte(`[]`), tester)
			return err
		},
		"the last rule": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := leads.DeleteRule(ctx, tx, queue, 1, "Last", tester)
			return err
		},
		"no such rule": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := leads.DeleteRule(ctx, tx, queue, 1, "None", tester)
			return err
		},
		"taken back": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := leads.SetRule(ctx, tx, queue, 1, "More", []byte(`{}`), tester)
			return errors.Join(err, fault.New(fault.Conflict, "taken back"))
		},
	} {
		require.Error(t, w.App.InSystem(t.Context(), "test", act), name)
	}
	require.Equal(t, before, w.lines(1))
	require.Equal(t, []string{"(Last)"}, w.rows(`SELECT name FROM icp_rules`))
}

func TestADownloadsLineSaysWhatWasChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	filter, err := leads.ParseFilter("high", "software", "2010-2020")
	require.NoError(t, err)
	for _, limit := range []int{200, leads.All} {
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			require.NoError(t, leads.RecordExport(ctx, tx,
				leads.ExportOptions{Format: leads.CSV, Limit: limit, Filter: filter}, tester))
		})
	}
	const chosen = `"format": "csv", "filter": {"bucket": "high", "industry": "software", "year_min": 2010, ` +
		`"year_max": 2020}`
	var details []string
	require.NoError(t, w.Owner.QueryRow(t.Context(), `SELECT array_agg(detail::text ORDER BY at) FROM audit_log
		WHERE tenant_id = 1 AND action = 'export.scores'`).Scan(&details))
	require.Len(t, details, 2)
	require.JSONEq(t, `{`+chosen+`, "limit": 200}`, details[0])
	require.JSONEq(t, `{`+chosen+`}`, details[1])
}
