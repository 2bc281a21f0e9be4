package workspace

import (
	"context"

	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// pushWhileActive is pushPages for an active tenant, ended when the tenant is suspended or deleted. The next push
// continues it.
func (s *Service) pushWhileActive(
	ctx context.Context, id tenantid.ID, opts PushOptions, tell func(Pushed),
) (Pushed, error) {
	if err := s.requireUsable(ctx, id); err != nil {
		return Pushed{Reasons: []string{}}, err
	}
	ctx, stop := tenant.WhileActive(ctx, s.DB, id)
	defer stop()
	sum, err := s.pushPages(ctx, id, opts, tell)
	return sum, tenant.EndReason(ctx, err)
}
