package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// OpenForSettings is openForSettings for tests.
func (p *Provisioner) OpenForSettings(ctx context.Context, w Workspace) (*odoo.Session, error) {
	return p.openForSettings(ctx, w)
}

// HashKey returns the hash that Odoo stores of an API key.
func HashKey(key odoo.Secret) (string, error) { return hashSecret(key, keyRounds) }
