package schema

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

const (
	scramIterations = 4096 // PostgreSQL's own default
	minPassword     = 12
)

// CreateLogin makes, or resets the password of, the login that serves in production: it may become leadctl_app and
// leadctl_system, inherits nothing from them, and can do nothing by itself. The server is sent a SCRAM verifier, so the
// password appears in no statement and no server log.
func CreateLogin(ctx context.Context, dsn, name, password string) error {
	if len(password) < minPassword {
		return fault.New(fault.Invalid, "password of %s: shorter than %d characters", name, minPassword)
	}
	if name == OwnerRole || name == AppRole || name == SystemRole {
		return fault.New(fault.Invalid, "login %s: that is a role, not a login", name)
	}
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return makeLogin(ctx, tx, name, verifier)
	})
}

func makeLogin(ctx context.Context, tx pgx.Tx, name, verifier string) error {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)`, name).Scan(&exists); err != nil {
		return wrap(err, "login "+name)
	}
	id := pgx.Identifier{name}.Sanitize()
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`%s ROLE %s LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '%s';
		GRANT %s, %s TO %s`, verb, id, verifier, AppRole, SystemRole, id))
	if err != nil {
		return rolesFault(err)
	}
	return nil
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
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(stored[:]), b64(mac(salted, "Server Key"))), nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
