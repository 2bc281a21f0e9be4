package tenant

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Member is one user of a tenant. Issuer and Subject are empty for a user who was added by e-mail and has not signed
// in.
type Member struct {
	TenantID  ID        `json:"tenant_id" yaml:"tenant_id" db:"tenant_id"`
	UserID    string    `json:"user_id" yaml:"user_id" db:"user_id"` // the e-mail, see storeMember
	Issuer    *string   `json:"issuer" yaml:"issuer" db:"issuer"`
	Subject   *string   `json:"subject" yaml:"subject" db:"subject"`
	Roles     []string  `json:"roles" yaml:"roles" db:"roles"`
	CreatedAt time.Time `json:"created_at" yaml:"created_at" db:"created_at"`

	// nil: without end, or signed in
	InvitedUntil *time.Time `json:"invited_until" yaml:"invited_until" db:"invited_until"`
}

// Email returns the address, without the subject that UserID holds for a second identity with the same address.
func (m Member) Email() string {
	email, _, _ := strings.Cut(m.UserID, " (")
	return email
}

// Members lists the users of tenant id.
func Members(ctx context.Context, tx postgres.SystemTx, id ID) ([]Member, error) {
	rows, err := tx.Query(ctx, `SELECT tenant_id, user_id, issuer, subject, roles, created_at, invited_until
		FROM tenant_users WHERE tenant_id = $1 ORDER BY user_id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Member])
}

// AddMember adds a user by e-mail, or sets the roles of an existing one. An identity that later signs in with that
// verified address becomes this user.
func AddMember(ctx context.Context, tx postgres.SystemTx, id ID, email string, roles []string, by By) error {
	email, err := newMember(email, roles)
	if err != nil {
		return err
	}
	if err := forgetRemoval(ctx, tx, id, email); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO tenant_users (tenant_id, user_id, roles) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, user_id) DO UPDATE SET roles = EXCLUDED.roles, invited_until = NULL`, id, email, roles)
	if err != nil {
		return err
	}
	if err := Record(ctx, tx, by, Act{Tenant: id, Action: "user.add", Object: email,
		Detail: map[string]any{"roles": roles}}); err != nil {
		return err
	}
	return by.StillMay(ctx, tx, id)
}

// Invite is AddMember with an end: the first identity that signs in with that address before until becomes the user. A
// second invitation changes the end. Fault: Conflict when that user has signed in.
func Invite(ctx context.Context, tx postgres.SystemTx, id ID, email string, roles []string, until time.Time,
	by By) (Member, error) {
	email, err := newMember(email, roles)
	if err != nil {
		return Member{}, err
	}
	if err := forgetRemoval(ctx, tx, id, email); err != nil {
		return Member{}, err
	}
	rows, err := tx.Query(ctx, `INSERT INTO tenant_users AS u (tenant_id, user_id, roles, invited_until)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, user_id) DO UPDATE SET roles = EXCLUDED.roles, invited_until = EXCLUDED.invited_until
		WHERE u.issuer IS NULL
		RETURNING tenant_id, user_id, issuer, subject, roles, created_at, invited_until`, id, email, roles, until)
	if err != nil {
		return Member{}, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Member])
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.Conflict, "user %s of tenant %s: has already signed in", email,
			id).WithHint("`leadctl tenant user add` changes a user's roles")
	}
	if err != nil {
		return Member{}, err
	}
	if err := Record(ctx, tx, by, Act{Tenant: id, Action: "user.invite", Object: email,
		Detail: map[string]any{"roles": roles, "until": until}}); err != nil {
		return m, err
	}
	return m, by.StillMay(ctx, tx, id)
}

// newMember returns the address in its stored form. Fault: Invalid for a malformed address or unknown role.
func newMember(email string, roles []string) (string, error) {
	email = sso.CanonicalEmail(email)
	if !strings.Contains(email, "@") || len(email) > 254 || strings.ContainsAny(email, " \t\r\n,;<>") {
		return "", fault.New(fault.Invalid, "e-mail %q: not a valid address", email)
	}
	for _, r := range roles {
		if !sso.Role(r).Valid() {
			return "", fault.New(fault.Invalid, "role %q: must be one of viewer, ops, admin", r)
		}
	}
	return email, nil
}

// IsMember reports whether the identity is a user of the tenant.
func IsMember(ctx context.Context, tx postgres.SystemTx, id ID, identity sso.Identity) (known bool, err error) {
	err = tx.QueryRow(ctx,
		`SELECT EXISTS (SELECT 1 FROM tenant_users WHERE tenant_id = $1 AND issuer = $2 AND subject = $3)`,
		id, identity.Issuer, identity.Subject).Scan(&known)
	return known, err
}

// userEmail is the canonical form of a stored address, as sso.CanonicalEmail gives it: rows that other services wrote
// can have capitals. Collation C has a lower case for A to Z only; a database's own collation makes more letters equal.
const userEmail = `lower(user_id COLLATE "C")`

// Join makes the identity a user of the tenant with the given roles, or with those of an open invitation for its
// e-mail. It is Admit without quotas, for an identity that may enter uninvited.
func Join(ctx context.Context, tx postgres.SystemTx, id ID, identity sso.Identity, roles []string, by By) error {
	_, err := Quotas{}.Admit(ctx, tx, id, identity, Admission{Uninvited: true, Roles: roles}, by)
	return err
}

// MayEnter reports whether the tenant is active and the identity is its user. id 0 means any tenant.
func MayEnter(ctx context.Context, tx postgres.SystemTx, id ID, identity sso.Identity) (may bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM tenant_users u JOIN tenants t USING (tenant_id)
		WHERE t.status = 'active' AND u.issuer = $1 AND u.subject = $2 AND ($3 = 0
		OR t.tenant_id = $3))`, identity.Issuer, identity.Subject, id).Scan(&may)
	return may, err
}
