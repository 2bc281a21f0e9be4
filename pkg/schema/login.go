package schema

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

const (
	scramIterations = 4096 // PostgreSQL's own default
	minPassword     = 12
)

// CreateLogin makes, or resets the password of, the login that serves in production: it may become leadctl_app and
// leadctl_system, inherits nothing from them, and can do nothing by itself. The server is sent a SCRAM verifier, so the
// password appears in no statement and no server log. An existing role that can do more is left alone: Invalid.
func CreateLogin(ctx context.Context, dsn, name, password string) error {
	if err := checkLogin(name, password); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	conn, err := openConn(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return makeLogin(ctx, tx, name, verifier)
	})
}

func checkLogin(name, password string) error {
	switch {
	case len(password) < minPassword:
		return fault.New(fault.Invalid, "password of %s: shorter than %d characters", name, minPassword)
	case name == OwnerRole || name == AppRole || name == SystemRole:
		return fault.New(fault.Invalid, "login %s: that is a role, not a login", name)
	case name == "" || len(name) > 63 || strings.HasPrefix(name, "pg_") || strings.ContainsRune(name, 0):
		return fault.New(fault.Invalid, "login %q: not a name for a role", name)
	}
	return nil
}

func makeLogin(ctx context.Context, tx pgx.Tx, name, verifier string) error {
	var ready bool
	if err := tx.QueryRow(ctx, `SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ($1, $2)`, AppRole, SystemRole).Scan(&ready); err != nil {
		return classifyError(err, "login "+name)
	}
	if !ready {
		return fault.New(fault.Operator, "login %s: the roles it shall become are not there yet", name).WithHint("run `leadctl migrate` first")
	}
	verb, err := createOrAlter(ctx, tx, name)
	if err != nil {
		return err
	}
	id := pgx.Identifier{name}.Sanitize()
	_, err = tx.Exec(ctx, fmt.Sprintf(`%s ROLE %s LOGIN NOINHERIT PASSWORD '%s'; GRANT %s, %s TO %s`, verb, id, verifier, AppRole, SystemRole, id))
	if err != nil {
		return classifyError(err, "login "+name)
	}
	var database string
	var admitted bool
	err = tx.QueryRow(ctx, `SELECT current_database(), has_database_privilege($1, current_database(), 'CONNECT')`, name).Scan(&database, &admitted)
	if err == nil && !admitted {
		_, err = tx.Exec(ctx, fmt.Sprintf(`GRANT CONNECT ON DATABASE %s TO %s`, pgx.Identifier{database}.Sanitize(), id))
	}
	return classifyError(err, "login "+name)
}

// createOrAlter is CREATE for a name that is free and ALTER for one that leadctl may have: it can log in to nothing more than
// the two roles.
func createOrAlter(ctx context.Context, tx pgx.Tx, name string) (string, error) {
	var taken bool
	err := tx.QueryRow(ctx, `SELECT r.rolname = session_user OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
		OR EXISTS (SELECT 1 FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname NOT IN ($2, $3))
		FROM pg_roles r WHERE r.rolname = $1`, name, AppRole, SystemRole).Scan(&taken)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "CREATE", nil
	case err != nil:
		return "", classifyError(err, "login "+name)
	case taken:
		return "", fault.New(fault.Invalid, "login %s: it exists, with more rights than a daemon may have", name).WithHint("choose another name")
	}
	return "ALTER", nil
}

// scramVerifier is what PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803). Passwords outside ASCII would need
// SASLprep and are refused.
func scramVerifier(password string) (string, error) {
	for _, c := range []byte(password) {
		if c < 0x20 || c > 0x7e {
			return "", fault.New(fault.Invalid, "password: only printable ASCII is accepted")
		}
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fault.New(fault.Internal, "SCRAM verifier: %w", err)
	}
	stored := sha256.Sum256(hmacSHA256(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(stored[:]), b64(hmacSHA256(salted, "Server Key"))), nil
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
