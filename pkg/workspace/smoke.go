package workspace

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Smoke is the result of a workspace's latest smoke test.
type Smoke struct {
	At     time.Time
	Passed bool
	Checks []SmokeCheck
}

// SmokeCheck is one check of a smoke test. The test stops at the first check that fails.
type SmokeCheck struct {
	Check  string  `json:"check"`
	Passed bool    `json:"passed"`
	Millis float64 `json:"ms"`
	Error  string  `json:"error,omitempty"` // without text from Odoo
}

// keepWithin limits the transaction that stores a result after the caller was cancelled.
const keepWithin = 10 * time.Second

// Smoke tests the workspace and stores the result in odoo_connections. It returns the checks made, and the error of the
// one that failed.
func (s *Service) Smoke(ctx context.Context, w provision.Workspace) ([]provision.Check, error) {
	checks, failed := s.Odoo.SmokeTest(ctx, w)
	found := make([]SmokeCheck, len(checks))
	for i, c := range checks {
		found[i] = SmokeCheck{Check: c.Name, Passed: c.Err == nil, Millis: float64(c.Took.Microseconds()) / 1000}
		if c.Err != nil {
			found[i].Error = fault.Text(c.Err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	kept := s.DB.InSystem(ctx, "smoke test", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tx.Exec(ctx, `UPDATE odoo_connections SET smoke_at = now(), smoke_passed = $3, smoke_checks = $4
			WHERE tenant_id = $1 AND db_name = $2`, w.Tenant, w.Database, failed == nil, found)
		return err
	})
	return checks, errors.Join(failed, kept)
}

// LatestSmoke returns the latest result, nil when the workspace was never tested.
func LatestSmoke(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) (*Smoke, error) {
	var found Smoke
	err := tx.QueryRow(ctx, `SELECT smoke_at, smoke_passed, smoke_checks FROM odoo_connections
		WHERE tenant_id = $1 AND smoke_at IS NOT NULL`, id).
		Scan(&found.At, &found.Passed, &found.Checks)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &found, err
}
