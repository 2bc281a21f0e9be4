package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TestRoleTakenBackDuringAChange: in 200 rounds, the role of a caller is taken back while a request of the caller
// changes something: by removal, by a lower role, by suspension. Once that is acknowledged, no change of the request
// becomes visible, whatever the request answers.
func TestRoleTakenBackDuringAChange(t *testing.T) {
	t.Parallel()
	const rounds = 200
	var s *setup
	r := newRig(t, func(given *setup) { s = given })
	ends := []func(context.Context, postgres.SystemTx, tenantid.ID) error{
		func(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
			_, err := tenant.RemoveMember(ctx, tx, id, "ops@acme.example", tenant.By{Actor: "test"})
			return err
		},
		func(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
			return tenant.Quotas{}.Within(ctx, tx, id, func() error {
				return tenant.AddMember(ctx, tx, id, "ops@acme.example", []string{"viewer"}, tenant.By{Actor: "test"})
			})
		},
		func(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
			_, err := tenant.SetStatus(ctx, tx, id, tenant.Suspended, tenant.By{Actor: "test"})
			return err
		},
	}
	acts := []struct{ method, path, body string }{
		{http.MethodPost, "/icp/rules", `{"name": "Late", "payload": {}}`},
		{http.MethodDelete, "/icp/rules/First", ""},
		{http.MethodPost, "/runs", ""},
	}
	changes := func(request string) int { // a refusal is recorded too
		return r.count(t, `SELECT count(*) FROM audit_log WHERE request_id = $1 AND action <> 'claim.refuse'`, request)
	}
	done, refused := 0, 0
	for round := range rounds {
		id := r.tenant(t, fmt.Sprint("race ", round))
		r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES ($1, 'ops@acme.example', $2, 'user-1', '{ops}')`, id, r.URL)
		r.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
			VALUES ($1, 1, 'First', '{}'), ($1, 2, 'Second', '{}')`, id)
		act, request := acts[round%len(acts)], fmt.Sprint("race-", round)
		token := r.token("typ", "Bearer", "tenant_id", id, "roles", nil)
		answered := make(chan answer)
		go func() { answered <- r.do(t, identified(request, act.method, act.path, token, act.body)) }()
		time.Sleep(time.Duration(round%8) * time.Millisecond)
		require.NoError(t, s.deps.DB.InSystem(t.Context(), "take the role back",
			func(ctx context.Context, tx postgres.SystemTx) error {
				return ends[(round/len(acts))%len(ends)](ctx, tx, id)
			}))
		acknowledged := changes(request)
		a := <-answered
		require.Equal(t, acknowledged, changes(request), "round %d: %s %s: a change after the end",
			round, act.method, act.path)
		if a.status < 300 {
			done++
		} else {
			require.Equal(t, http.StatusForbidden, a.status, "%s", a.body)
			require.Zero(t, acknowledged)
			refused++
		}
	}
	require.Positive(t, done)
	require.Positive(t, refused)
}
