package onboarding

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Snapshot is where a tenant's onboarding stands, with every step so far.
type Snapshot struct {
	Tenant    tenantid.ID `json:"tenant_id"`
	Status    string      `json:"status"`
	Step      *string     `json:"step"`
	Error     *string     `json:"error"`
	Attempt   int         `json:"attempt"`
	UpdatedAt time.Time   `json:"updated_at"`
	Steps     []Step      `json:"steps"`
}

// ReadSnapshot is the tenant's own view. Faults: NotFound when onboarding never began, Denied while the tenant is
// suspended.
func ReadSnapshot(ctx context.Context, tx postgres.TenantTx) (Snapshot, error) {
	owner := tenant.Tenant{ID: tx.Tenant()}
	if err := tx.QueryRow(ctx, `SELECT status FROM tenants WHERE tenant_id = $1`,
		owner.ID).Scan(&owner.Status); err != nil {
		return Snapshot{}, err
	}
	if err := owner.Usable(); err != nil {
		return Snapshot{}, err
	}
	st, err := ReadStatus(ctx, tx)
	if err != nil {
		return Snapshot{}, err
	}
	steps, err := ReadTimeline(ctx, tx)
	if steps == nil {
		steps = []Step{}
	}
	return Snapshot{st.Tenant, st.Status, st.Step, st.Error, st.Attempt, st.UpdatedAt.UTC(), steps}, err
}

// Ended reports whether nothing more happens by itself.
func (s Snapshot) Ended() bool { return s.Status == Ready || s.Status == Failed }

// Event is the snapshot as one line of JSON, and an id that says what it says: the same rows give the same id in every
// process, other rows and other tenants another one.
func (s Snapshot) Event() (id string, line []byte, err error) {
	if line, err = json.Marshal(s); err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:12]), line, nil
}
