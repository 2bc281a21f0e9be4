// Package workspace owns a tenant's connection to its Odoo workspace: the odoo_connections row with the sealed secret,
// and what is done to a workspace that stands: another key (rotate.go), sign-in through the identity provider (sso.go),
// scored leads (push.go), its end (remove.go). Sealed values move to a new master key in reseal.go.
//
// How a workspace comes to be is package onboarding, whose steps begin with Prepare; what is said to Odoo is package
// odoo. A secret is opened here, in memory, and handed to package odoo and nobody else.
package workspace

import (
	"context"
	"log/slog"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Service is what doors and workers call. It is safe for concurrent use.
type Service struct {
	DB        *postgres.DB
	Keys      *secret.Keyring
	Odoo      *provision.Provisioner // nil: no Odoo is configured
	BaseURL   string                 // of Odoo, as users open it
	Prefix    string                 // of database names
	OdooLogin *OdooLogin             // nil: people do not sign in to Odoo through the identity provider
	Log       *slog.Logger
}

// Classes of the session locks taken here; the object is the tenant.
const (
	lockWorkspace = 0x6f6e62 // one provisioning, rotation or removal of a workspace at a time
	lockPush      = 0x6f6e63 // one push into it, which may last
)

// Configured is an Operator fault where there is no Odoo.
func (s *Service) Configured() error {
	if s.Odoo != nil {
		return nil
	}
	return fault.New(fault.Operator, "no Odoo server is configured").
		WithHint("set ODOO_SERVER_URL and ODOO_TEMPLATE_DB, then `leadctl tenant provision TENANT`")
}

// TryLock takes the workspace for this process if nobody has it. See postgres.DB.Lock.
func (s *Service) TryLock(ctx context.Context, id tenantid.ID) (release func(), ok bool, err error) {
	return s.DB.Lock(ctx, lockWorkspace, int32(id))
}

// Times of waiting for a workspace that somebody else holds.
const (
	lockPatience = 10 * time.Second
	lockPause    = 100 * time.Millisecond
)

// waitForLock waits for the workspace. Unavailable when it does not come free in time.
func (s *Service) waitForLock(ctx context.Context, id tenantid.ID) (release func(), err error) {
	for end := time.Now().Add(lockPatience); ; {
		release, ok, err := s.TryLock(ctx, id)
		if err != nil || ok {
			return release, err
		}
		if time.Now().After(end) {
			return nil, fault.New(fault.Unavailable, "workspace of tenant %s: being worked on",
				id).WithRetryAfter(lockPause * 50)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}
