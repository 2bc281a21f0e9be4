// Package workspace owns a tenant's connection to its Odoo workspace: the odoo_connections row with the sealed secret,
// and the operations on a workspace that exists: key rotation (rotate.go), sign-in through the identity provider
// (sso.go), the push of scored leads (push.go), removal (remove.go).
//
// Package onboarding makes a workspace; its steps begin with Prepare. Package odoo speaks to Odoo. This package opens a
// secret in memory and passes it to package odoo alone.
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

// Service has the operations that HTTP handlers, commands and workers call. It is safe for concurrent use.
type Service struct {
	DB        *postgres.DB
	Keys      *secret.Keyring
	Odoo      *provision.Provisioner // nil: no Odoo is configured
	BaseURL   string                 // address of Odoo for users
	Defaults  PolicyDefaults         // of tenants whose policy does not say otherwise
	Prefix    string                 // of database names
	OdooLogin *OdooLogin             // nil: people do not sign in to Odoo through the identity provider
	Log       *slog.Logger
}

// Classes of this package's advisory locks; the object is the tenant.
const (
	lockWorkspace = 0x6f6e62 // one provisioning, rotation or removal of a workspace at a time
	lockPush      = 0x6f6e63 // one push to a workspace at a time, beside the other operations
)

// Configured returns an Operator fault when no Odoo is configured.
func (s *Service) Configured() error {
	if s.Odoo != nil {
		return nil
	}
	return fault.New(fault.Operator, "no Odoo server is configured").
		WithHint("set ODOO_SERVER_URL and ODOO_TEMPLATE_DB, then `leadctl tenant provision TENANT`")
}

// TryLock takes the workspace lock, unless another process holds it. See postgres.DB.Lock.
func (s *Service) TryLock(ctx context.Context, id tenantid.ID) (release func(), ok bool, err error) {
	return s.DB.Lock(ctx, lockWorkspace, int32(id))
}

// How long waitForLock waits for a workspace lock, and between two attempts.
const (
	lockPatience = 10 * time.Second
	lockPause    = 100 * time.Millisecond
)

// waitForLock takes the workspace lock, and waits while another process holds it. It returns an Unavailable fault after
// lockPatience.
func (s *Service) waitForLock(ctx context.Context, id tenantid.ID) (release func(), err error) {
	for end := time.Now().Add(lockPatience); ; {
		release, ok, err := s.TryLock(ctx, id)
		if err != nil || ok {
			return release, err
		}
		if time.Now().After(end) {
			return nil, fault.New(fault.Unavailable, "workspace of tenant %s: another process is working on it", id).
				WithRetryAfter(lockPause * 50)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}
