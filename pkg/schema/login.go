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

// CreateLogin creates the login that serves in production, or sets its password. The login is a member of leadctl_app
// and leadctl_system, does not inherit their privileges and has none of its own. The server gets a SCRAM verifier, so
// the password appears in no statement and no server log. If name is a role with more privileges, CreateLogin leaves
// it unchanged and returns an Invalid fault.
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
		return fault.New(fault.Invalid, "password of %s: must have %d or more characters", name, minPassword)
	case name == OwnerRole || name == AppRole || name == SystemRole:
		return fault.New(fault.Invalid, "login %s: this name belongs to a role that cannot log in", name)
	case name == "" || len(name) > 63 || strings.HasPrefix(name, "pg_") || strings.ContainsRune(name, 0):
		return fault.New(fault.Invalid, "login %q: not a valid role name", name)
	}
	return nil
}

func makeLogin(ctx context.Context, tx pgx.Tx, name, verifier string) error {
	var ready bool
	err := tx.QueryRow(ctx, `SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ($1, $2)`, AppRole, SystemRole).
		Scan(&ready)
	if err != nil {
		return classifyError(err, "login "+name)
	}
	if !ready {
		return fault.New(fault.Operator, "login %s: the roles %s and %s do not exist yet", name, AppRole, SystemRole).
			WithHint("run `leadctl migrate` first")
	}
	verb, err := createOrAlter(ctx, tx, name)
	if err != nil {
		return err
	}
	id := pgx.Identifier{name}.Sanitize()
	_, err = tx.Exec(ctx, fmt.Sprintf(`%s ROLE %s LOGIN NOINHERIT PASSWORD '%s'; GRANT %s, %s TO %[2]s`,
		verb, id, verifier, AppRole, SystemRole))
	if err != nil {
		return classifyError(err, "login "+name)
	}
	return grantConnect(ctx, tx, name)
}

// grantConnect grants the login CONNECT on the current database if it lacks that.
func grantConnect(ctx context.Context, tx pgx.Tx, name string) error {
	var database string
	var granted bool
	err := tx.QueryRow(ctx, `SELECT current_database(), has_database_privilege($1, current_database(), 'CONNECT')`,
		name).
		Scan(&database, &granted)
	if err == nil && !granted {
		_, err = tx.Exec(ctx, fmt.Sprintf(`GRANT CONNECT ON DATABASE %s TO %s`,
			pgx.Identifier{database}.Sanitize(), pgx.Identifier{name}.Sanitize()))
	}
	return classifyError(err, "login "+name)
}

// createOrAlter returns CREATE if the role name does not exist, and ALTER if it is a login that CreateLogin may
// change: one without attributes that is a member of no other role than the two.
func createOrAlter(ctx context.Context, tx pgx.Tx, name string) (verb string, err error) {
	var taken bool
	err = tx.QueryRow(ctx, `SELECT r.rolname = session_user OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole
			OR r.rolcreatedb OR r.rolreplication OR EXISTS (SELECT 1 FROM pg_auth_members m
				JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname NOT IN ($2, $3))
		FROM pg_roles r WHERE r.rolname = $1`, name, AppRole, SystemRole).Scan(&taken)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "CREATE", nil
	case err != nil:
		return "", classifyError(err, "login "+name)
	case taken:
		return "", fault.New(fault.Invalid, "login %s: the role exists and has more privileges than a daemon may have",
			name).
			WithHint("choose another name")
	}
	return "ALTER", nil
}

// scramVerifier returns what PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803). It rejects passwords outside
// ASCII, which would need SASLprep.
func scramVerifier(password string) (string, error) {
	for _, c := range []byte(password) {
		if c < 0x20 || c > 0x7e {
			return "", fault.New(fault.Invalid, "password: must hold printable ASCII characters only")
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
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(stored[:]),
		b64(hmacSHA256(salted, "Server Key"))), nil
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
