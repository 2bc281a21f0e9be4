package provision_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// testFeedback checks that a salesperson's won, lost and "Not a fit" come back, and that a reopened lead is open.
func testFeedback(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 124)
	_, err := r.prov.EnsureFields(ctx, w)
	require.NoError(t, err)
	items := make([]crm.Item, 5)
	for i := range items {
		items[i].Lead = crm.Lead{UEN: fmt.Sprintf("2021%05dF", i), Name: fmt.Sprint("Feedback ", i), Score: 0.5,
			Bucket: "low"}
	}
	outcomes, err := r.prov.PushLeads(ctx, w, items, provision.PushOptions{})
	require.NoError(t, err)
	lead := func(i int) int64 { return outcomes[i].Entry.Lead }
	read := func(since time.Time) map[int64]crm.Feedback {
		found := map[int64]crm.Feedback{}
		require.NoError(t, r.prov.ReadFeedback(ctx, w, since, func(page []crm.Feedback) error {
			for _, f := range page {
				found[f.Lead] = f
			}
			return nil
		}))
		return found
	}
	for _, f := range read(time.Time{}) {
		require.Equal(t, crm.ResultOpen, f.Result)
		require.WithinDuration(t, time.Now(), f.Changed, time.Minute)
	}
	person := r.person(t, w, "seller"+w.Tenant.String()+"@example.com", crm.RoleOps)
	reasons, err := person.SearchRead(ctx, "crm.lost.reason", odoo.Query{Fields: []string{"name"}, Order: "id"})
	require.NoError(t, err)
	byName := map[string]int64{}
	for _, reason := range reasons {
		byName[reason.Text("name")] = reason.ID()
	}
	require.NotZero(t, byName["Not a fit"])
	r.close(t, w, person, "won", lead(0), 0)
	r.close(t, w, person, "lost", lead(1), 0)
	r.close(t, w, person, "lost", lead(2), byName["Not a fit"])
	require.NoError(t, person.Write(ctx, "crm.lead", []int64{lead(3)}, odoo.Record{"active": false}, nil))

	found := read(time.Time{})
	require.Len(t, found, 5)
	for i, want := range []crm.Result{crm.ResultWon, crm.ResultLost, crm.ResultNotAFit, crm.ResultOpen,
		crm.ResultOpen} {
		require.Equal(t, want, found[lead(i)].Result, "lead %d: %+v", i, found[lead(i)])
	}
	require.Equal(t, "Not a fit", found[lead(2)].LostReason)
	require.Empty(t, read(time.Now().Add(time.Hour)))
	require.NotEmpty(t, read(found[lead(2)].Changed))
	r.close(t, w, person, "reopen", lead(2), 0)
	require.Equal(t, crm.ResultOpen, read(time.Time{})[lead(2)].Result)
	_, err = r.prov.EnsureFields(ctx, w)
	require.NoError(t, err, "the lost reason is there already")
}

// close does to a lead, as a salesperson, what Odoo's buttons do. The stand-in has no buttons.
func (r rig) close(t *testing.T, w provision.Workspace, s *odoo.Session, how string, lead, reason int64) {
	t.Helper()
	ctx := context.Background()
	if r.stand != nil {
		values := map[string]odoo.Record{"won": {"probability": 100}, "lost": {"active": false, "probability": 0},
			"reopen": {"active": true, "probability": 10}}[how]
		if reason != 0 {
			field := "lost_reason_id"
			if about, err := r.prov.About(ctx, w); err == nil && about.Version < "16" {
				field = "lost_reason"
			}
			values[field] = reason
		}
		require.NoError(t, s.Write(ctx, "crm.lead", []int64{lead}, values, nil))
		return
	}
	call := odoo.Call{Model: "crm.lead", IDs: []int64{lead}}
	switch how {
	case "won":
		call.Method = "action_set_won"
	case "reopen":
		call.Method = "toggle_active"
		about, err := r.prov.About(ctx, w)
		require.NoError(t, err)
		if about.Version >= "19" {
			call.Method = "action_unarchive"
		}
	case "lost":
		call.Method, call.Named = "action_set_lost", map[string]any{}
		about, err := r.prov.About(ctx, w)
		require.NoError(t, err)
		if reason != 0 {
			call.Named["lost_reason_id"] = reason
			if about.Version < "16" {
				call.Named = map[string]any{"lost_reason": reason}
			}
		}
	}
	_, err := s.Call(ctx, call)
	require.NoError(t, err)
}
