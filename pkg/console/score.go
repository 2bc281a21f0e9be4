package console

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// postScore brings the scores to what the profiles say now.
func (c *Console) postScore(w http.ResponseWriter, r *http.Request, v visitor) error {
	err := c.deps.DB.InTenant(r.Context(), v.Tenant.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := leads.Score(ctx, tx, leads.ScoreOptions{})
		return err
	})
	if err != nil {
		return err
	}
	c.goTo(w, r, "/leads")
	return nil
}
