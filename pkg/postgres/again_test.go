package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// serializationFailure raises the error with which PostgreSQL reports a serialization failure.
const serializationFailure = `DO $$ BEGIN RAISE EXCEPTION 'CANARY' USING ERRCODE = '40001'; END $$`

// TestRetriedTransactions: a transaction that PostgreSQL rolls back because of others runs again as its tenant, and
// takes effect once.
func TestRetriedTransactions(t *testing.T) {
	t.Parallel()
	t.Run("D-033", func(t *testing.T) {
		t.Parallel()
		t.Run("deadlock", deadlock)
		t.Run("bounded", retriesAreBounded)
		t.Run("streams", streamsRunOnce)
		t.Run("readers", readersRunOnce)
	})
}

// deadlock runs two transactions that lock two rows in opposite orders. Each has locked its first row before either
// asks for its second.
func deadlock(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
		VALUES (1, 901, 'left', '{"n": 0}'), (1, 902, 'right', '{"n": 0}')`)
	require.NoError(t, err)
	var locked, all sync.WaitGroup // locked: both have their first row
	locked.Add(2)
	for _, order := range [][]string{{"left", "right"}, {"right", "left"}} {
		all.Go(func() {
			calls := 0
			err := db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
				calls++
				for i, name := range order {
					if _, err := tx.Exec(ctx, `UPDATE icp_rules SET payload = jsonb_build_object('n',
						(payload->>'n')::int + 1) WHERE name = $1`, name); err != nil {
						return err
					}
					if i == 0 && calls == 1 {
						locked.Done()
						locked.Wait()
					}
				}
				return nil
			})
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Equal(t, "2 2", queryOne[string](t, db.Owner, `SELECT string_agg(payload->>'n', ' ') FROM icp_rules
		WHERE name IN ('left', 'right')`))
}

// retriesAreBounded: after three attempts the door returns a fault without PostgreSQL's message. Each attempt sees its
// own tenant only.
func retriesAreBounded(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	calls := 0
	err := db.App.InTenant(t.Context(), 2, func(ctx context.Context, tx postgres.TenantTx) error {
		calls++
		found, err := readCanaries(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, []string{canaryOf(2)}, found)
		_, err = tx.Exec(ctx, serializationFailure)
		return err
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotContains(t, fault.Text(err), "CANARY")
	require.Equal(t, 3, calls)
}

// streamsRunOnce: a transaction that has read a stream is not run again, because the stream cannot be read again.
func streamsRunOnce(t *testing.T) {
	db, calls := pgtest.New(t), 0
	err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		calls++
		_, err := tx.CopyFrom(ctx, strings.NewReader("x\n"), `COPY acra_pending (uen) FROM STDIN`)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, serializationFailure)
		return err
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 1, calls)
}

// readersRunOnce: a reading transaction is not run again, because its rows may have been sent to a client.
func readersRunOnce(t *testing.T) {
	db, calls := pgtest.New(t), 0
	err := db.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		calls++
		_, err := tx.Exec(ctx, serializationFailure)
		return err
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 1, calls)
}
