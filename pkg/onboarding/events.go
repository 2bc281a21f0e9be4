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

// Snapshot is the state of a tenant's onboarding with the steps so far.
type Snapshot struct {
	Tenant    tenantid.ID `json:"tenant_id"`
	Status    string      `json:"status"`
	Step      *string     `json:"step"`
	Error     *string     `json:"error"`
	Attempt   int         `json:"attempt"`
	UpdatedAt time.Time   `json:"updated_at"`
	Steps     []Step      `json:"steps"`
}

// ReadSnapshot reads the tenant's own onboarding. Faults: NotFound when onboarding never started, Denied while the
// tenant is suspended.
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

// Ended reports whether the onboarding is over, in Ready or in Failed.
func (s Snapshot) Ended() bool { return s.Status == Ready || s.Status == Failed }

// Event returns the snapshot as one line of JSON, and its hash as id: equal snapshots have equal ids in every process.
func (s Snapshot) Event() (id string, line []byte, err error) {
	if line, err = json.Marshal(s); err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:12]), line, nil
}
