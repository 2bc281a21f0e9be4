// Package tenant owns the tables tenants and tenant_users, the audit log, and the step from a verified identity to a
// tenant and its roles (Resolve).
//
// It makes rows, not workspaces: package onboarding handles a first sign-in, package sso reads tokens. Every function
// runs in a transaction of the caller.
package tenant

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// ID names a tenant.
type ID = tenantid.ID

// Status of a tenant. Every route rejects a suspended or deleted tenant; its rows are kept.
const (
	Active    = "active"
	Suspended = "suspended"
	Deleted   = "deleted"
)

// Tenant is one customer of the platform.
type Tenant struct {
	ID     ID     `json:"tenant_id" yaml:"tenant_id" db:"tenant_id"`
	Name   string `json:"name" yaml:"name" db:"name"`
	Status string `json:"status" yaml:"status" db:"status"`
	// value of the token's tenant claim, unless it is the number
	ExternalID *string   `json:"external_id" yaml:"external_id" db:"external_id"`
	CreatedAt  time.Time `json:"created_at" yaml:"created_at" db:"created_at"`
}

// Usable returns nil for an active tenant, else a Denied fault with code TENANT_SUSPENDED.
func (t Tenant) Usable() error {
	if t.Status == Active {
		return nil
	}
	return fault.New(fault.Denied, "tenant %s is %s", t.ID, t.Status).WithCode("TENANT_SUSPENDED").
		WithHint("an operator can resume it with `leadctl tenant resume %s`", t.ID)
}

const columns = `tenant_id, name, status, external_id, created_at`

var externalID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

// isReserved reports whether name has another meaning in URLs, database names or roles.
func isReserved(name string) bool {
	switch strings.ToLower(name) {
	case "www", "admin", "root", "postgres", "template0", "template1", "leadctl", "public", "all", "system":
		return true
	}
	return false
}

// normalizeName returns the stored form of a name: trimmed, with one encoding of letters such as é.
func normalizeName(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

// Create makes an active tenant with the next free number. With external "", a claim can name it by number only.
// Faults: Invalid for a malformed name or external id, Conflict when the external id is taken.
func Create(ctx context.Context, tx postgres.SystemTx, name, external string, by By) (t Tenant, err error) {
	name = normalizeName(name)
	if err := checkNames(name, external); err != nil {
		return Tenant{}, err
	}
	const insert = `INSERT INTO tenants (name, external_id) VALUES ($1, NULLIF($2, ''))`
	for { // until a number that CreateNumbered has not used
		t, err = insertTenant(ctx, tx, insert, name, external)
		if errors.Is(err, pgx.ErrNoRows) && external != "" {
			if _, err := Find(ctx, tx, external); !fault.Is(err, fault.NotFound) {
				return Tenant{}, cmp.Or(err, error(fault.New(fault.Conflict, "external id %s: used by another tenant",
					external)))
			}
		}
		if err == nil {
			return t, recordCreate(ctx, tx, t, by)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Tenant{}, err
		}
	}
}

// CreateNumbered makes an active tenant with the number id. Faults: Invalid for a malformed name, Conflict when a
// tenant has the number.
func CreateNumbered(ctx context.Context, tx postgres.SystemTx, id ID, name string, by By) (Tenant, error) {
	name = normalizeName(name)
	if err := checkNames(name, ""); err != nil {
		return Tenant{}, err
	}
	t, err := insertTenant(ctx, tx, `INSERT INTO tenants (name, tenant_id) VALUES ($1, $2)`, name, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Tenant{}, fault.New(fault.Conflict, "tenant %s: exists", id)
	}
	if err != nil {
		return Tenant{}, err
	}
	return t, recordCreate(ctx, tx, t, by)
}

func checkNames(name, external string) error {
	switch {
	case name == "" || len(name) > 200 || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return fault.New(fault.Invalid, "tenant name %q: must be 1 to 200 bytes of printable characters", name)
	case isReserved(name) || isReserved(external):
		return fault.New(fault.Invalid, "tenant name %q: reserved", name)
	case external != "" && !externalID.MatchString(external):
		return fault.New(fault.Invalid,
			"external id %q: must be a letter, then up to 62 letters, digits, _ or -", external)
	}
	return nil
}

// insertTenant runs an INSERT. It returns pgx.ErrNoRows if a tenant has the number or the external id.
func insertTenant(ctx context.Context, tx postgres.SystemTx, sql string, args ...any) (Tenant, error) {
	rows, err := tx.Query(ctx, sql+` ON CONFLICT DO NOTHING RETURNING `+columns, args...)
	if err != nil {
		return Tenant{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Tenant])
}

func recordCreate(ctx context.Context, tx postgres.SystemTx, t Tenant, by By) error {
	return Record(ctx, tx, by, Act{Tenant: t.ID, Action: "tenant.create", Object: t.ID.String()})
}

// Find returns a tenant by its number or external id. Fault: NotFound.
func Find(ctx context.Context, tx postgres.SystemTx, ref string) (Tenant, error) {
	where, arg := `external_id = $1`, any(ref)
	if id, ok := tenantid.Parse(ref); ok {
		where, arg = `tenant_id = $1`, id
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM tenants WHERE `+where, arg)
	if err != nil {
		return Tenant{}, err
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Tenant])
	if errors.Is(err, pgx.ErrNoRows) {
		return Tenant{}, fault.New(fault.NotFound, "tenant %q: no such tenant",
			ref).WithHint("`leadctl tenant list` shows all")
	}
	return t, err
}

// List returns all tenants, ordered by number.
func List(ctx context.Context, tx postgres.SystemTx) ([]Tenant, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM tenants ORDER BY tenant_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Tenant])
}

// SetStatus sets a tenant's status and reports whether it changed.
func SetStatus(ctx context.Context, tx postgres.SystemTx, id ID, status string, by By) (bool, error) {
	tag, err := tx.Exec(ctx, `UPDATE tenants SET status = $2, updated_at = now() WHERE tenant_id = $1 AND status <> $2`,
		id, status)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	return true, Record(ctx, tx, by, Act{Tenant: id, Action: "tenant." + status, Object: id.String()})
}

// Close marks a tenant as deleted: its users are rejected, and its external id is free for another tenant. Its rows are
// kept. workspace says what happens to its workspace, for the audit log. A closed tenant is left unchanged.
func Close(ctx context.Context, tx postgres.SystemTx, id ID, workspace string, by By) error {
	var external string
	err := tx.QueryRow(ctx, `WITH was AS (SELECT tenant_id, external_id FROM tenants WHERE tenant_id = $1
		AND status <> $2 FOR UPDATE)
		UPDATE tenants t SET status = $2, external_id = NULL, updated_at = now() FROM was
		WHERE t.tenant_id = was.tenant_id
		RETURNING coalesce(was.external_id, '')`, id, Deleted).Scan(&external)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return Record(ctx, tx, by, Act{Tenant: id, Action: "tenant." + Deleted, Object: id.String(),
		Detail: map[string]any{"external_id": external, "workspace": workspace}})
}

// FindSame finds the tenant that an earlier call of the same command made: by external id if given, else by name and
// first user.
func FindSame(ctx context.Context, tx postgres.SystemTx, name, external, email string) (t Tenant, found bool,
	err error) {
	if external != "" {
		t, err = Find(ctx, tx, external)
		if fault.Is(err, fault.NotFound) {
			return Tenant{}, false, nil
		}
		return t, err == nil, err
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM tenants WHERE name = $1 AND external_id IS NULL
		AND status <> 'deleted'
		AND EXISTS (SELECT 1 FROM tenant_users u WHERE u.tenant_id = tenants.tenant_id AND u.user_id = $2)
		ORDER BY tenant_id LIMIT 1`, normalizeName(name), sso.CanonicalEmail(email))
	if err != nil {
		return Tenant{}, false, err
	}
	t, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Tenant])
	if errors.Is(err, pgx.ErrNoRows) {
		return Tenant{}, false, nil
	}
	return t, err == nil, err
}
