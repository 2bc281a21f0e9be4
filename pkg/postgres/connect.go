package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// connectError says on one line why a connection failed. pgx lists every attempt on a line of its own, although all
// attempts mostly fail for one reason.
type connectError struct{ cause *pgconn.ConnectError }

// Error implements error.
func (e connectError) Error() string {
	cfg := e.cause.Config
	server, reason := net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), reasonOf(e.cause).text
	if strings.HasPrefix(cfg.Host, "/") {
		server = cfg.Host
	}
	if reason == "" {
		reason = strings.Join(strings.Fields(errors.Unwrap(e.cause).Error()), " ")
	}
	return fmt.Sprintf("%s, user %s, database %s: %s", server, cfg.User, cfg.Database, reason)
}

// Unwrap returns pgx's error.
func (e connectError) Unwrap() error { return e.cause }

// ConnectHint returns what an operator can do about a connection that failed, or "" for other errors.
func ConnectHint(err error) string {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return ""
	}
	return reasonOf(connect).hint
}

type connectReason struct{ text, hint string }

// reasonOf returns why the connection failed. Its text is "" if it is none of the usual reasons.
func reasonOf(err error) connectReason {
	var pg *pgconn.PgError
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var expired x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &pg):
		return refusalOf(pg)
	case errors.Is(err, syscall.ECONNREFUSED):
		return connectReason{"connection refused", "start PostgreSQL, or correct host and port in POSTGRES_DSN"}
	case errors.Is(err, syscall.ENOENT):
		return connectReason{"no such socket", "start PostgreSQL, or correct the socket's folder in POSTGRES_DSN"}
	case errors.As(err, &dns):
		return connectReason{"no such host", "correct the host in POSTGRES_DSN, or this machine's name resolution"}
	case errors.As(err, &unknownCA):
		return connectReason{"the server's certificate is signed by an unknown authority",
			"set sslrootcert in POSTGRES_DSN to the authority's certificate"}
	case errors.As(err, &wrongHost):
		return connectReason{"the server's certificate is for another name",
			"use the name in the certificate as host in POSTGRES_DSN"}
	case errors.As(err, &expired):
		return connectReason{"the server's certificate is not valid: " + expired.Error(),
			"renew the server's certificate"}
	case errors.As(err, &record), strings.Contains(err.Error(), "server refused TLS connection"):
		return connectReason{"the server does not speak TLS",
			"set ssl = on in PostgreSQL, or sslmode=disable in POSTGRES_DSN on a network that you trust"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return connectReason{"no answer in time", "check host and port in POSTGRES_DSN, and firewalls on the way"}
	}
	return connectReason{hint: "check POSTGRES_DSN and the log of PostgreSQL"}
}

// refusalOf returns why the server refused the connection.
func refusalOf(pg *pgconn.PgError) connectReason {
	switch pg.Code {
	case "28P01":
		return connectReason{"wrong password", "correct the password in POSTGRES_DSN, or set it: ALTER ROLE … PASSWORD"}
	case "28000":
		return connectReason{"the server does not admit this user from here: " + pg.Message,
			"correct the user in POSTGRES_DSN, or add a line for it to pg_hba.conf"}
	case "3D000":
		return connectReason{"no such database", "correct the database in POSTGRES_DSN, or create it: createdb"}
	case "53300":
		return connectReason{"too many connections", "raise max_connections of PostgreSQL, or lower database.max_conns"}
	case "57P03":
		return connectReason{"the server is starting or stopping", "try again in a moment"}
	}
	return connectReason{pg.Message, "see the log of PostgreSQL"}
}
