package workspace

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Latency measures one small call to the tenant's workspace with leadctl's own account, without the sign-in.
func (s *Service) Latency(ctx context.Context, id tenantid.ID) (time.Duration, error) {
	var at Connection
	err := s.DB.InSystem(ctx, "console: Odoo latency", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		at, err = s.Open(ctx, tx, id)
		return err
	})
	if err != nil {
		return 0, err
	}
	session, err := s.Odoo.Session(ctx, at.Workspace)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = session.SearchCount(ctx, "res.company", odoo.Query{})
	return time.Since(start), err
}
