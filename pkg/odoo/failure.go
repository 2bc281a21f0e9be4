package odoo

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Codes of the failures that callers distinguish (fault.Code).
const (
	CodeUnreachable  = "ODOO_UNREACHABLE"      // no usable answer; another attempt can help
	CodeAccessDenied = "ODOO_ACCESS_DENIED"    // the credentials are refused; another attempt cannot help
	CodeForbidden    = "ODOO_FORBIDDEN"        // the user is known but not allowed to do this
	CodeRejected     = "ODOO_REJECTED"         // Odoo understood the content and refused it
	CodeMisconfig    = "ODOO_MISCONFIGURED"    // an operator must fix a setting or the server
	CodeMissing      = "ODOO_DATABASE_MISSING" // no database of that name, or a locked one
	CodeForeign      = "ODOO_DATABASE_FOREIGN" // no marker of this installation: never written to
)

// CallError is one failed call. It is the cause inside the fault that the caller gets, and is meant for logs. Its text
// is one line of the server's message without the call's secrets. fault.Text never shows it.
type CallError struct {
	Op        string // service or model, and method: "common.authenticate", "res.partner.create"
	Database  string // "" for calls without a database
	Status    int    // HTTP status, 0 when there was no answer
	Code      int    // XML-RPC fault code, 0 when there was none
	Detail    string // the server's message, at most 300 bytes, no traceback
	Ambiguous bool   // the request was sent and its outcome is unknown
	cause     error
}

// Error implements error.
func (e *CallError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Database != "" {
		fmt.Fprintf(&b, " on %s", e.Database)
	}
	if e.Status != 0 && e.Status != http.StatusOK {
		fmt.Fprintf(&b, ": HTTP %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, ": fault %d", e.Code)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Ambiguous {
		b.WriteString(" (outcome unknown)")
	}
	return b.String()
}

// Unwrap returns the transport's error, if any.
func (e *CallError) Unwrap() error { return e.cause }

// Ambiguous reports whether err comes from a call that the server may have carried out although no answer arrived.
// Before the caller repeats a write, it must look whether the write took effect.
func Ambiguous(err error) bool {
	var e *CallError
	return errors.As(err, &e) && e.Ambiguous
}

// outcomeUnknown reports whether err leaves open what the server would answer.
func outcomeUnknown(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Interrupted)
}

// unreachableFault returns the fault of a call without a usable answer.
func unreachableFault(e *CallError) *fault.Error {
	return fault.New(fault.Unavailable, "Odoo %s: no usable answer: %w", e.Op, e).WithCode(CodeUnreachable)
}

// xmlFault classifies an XML-RPC fault by its code. The texts differ between versions and languages. Only code 1 needs
// the text: the last line of its traceback begins with the class of the Python exception.
func xmlFault(e *CallError, text string) error {
	switch e.Code {
	case 2:
		return rejectedFault(e)
	case 3:
		return accessDeniedFault(e)
	case 4:
		return forbiddenFault(e)
	}
	return exceptionFault(e, text)
}

func rejectedFault(e *CallError) error {
	return fault.New(fault.Unprocessable, "Odoo %s: refused: %w", e.Op, e).WithCode(CodeRejected)
}

func forbiddenFault(e *CallError) error {
	return fault.New(fault.Denied, "Odoo %s: not permitted: %w", e.Op, e).WithCode(CodeForbidden)
}

// noDatabaseFault returns the fault of a database that does not exist or that Odoo hides.
func noDatabaseFault(e *CallError) *fault.Error {
	return fault.New(fault.NotFound, "Odoo database: missing: %w", e).WithCode(CodeMissing)
}

func accessDeniedFault(e *CallError) error {
	return fault.New(fault.Denied, "Odoo %s: credentials refused: %w", e.Op, e).WithCode(CodeAccessDenied)
}

// exceptionFault classifies an unexpected Python exception by its class.
func exceptionFault(e *CallError, text string) error {
	line := lastLine(text)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	}
	switch {
	case has("DuplicateDatabase", "already exists!"):
		return fault.New(fault.Conflict, "Odoo %s: name taken: %w", e.Op, e)
	case has("InvalidCatalogName"), databaseRefused(text[strings.Index(text, line):], e.Database):
		return noDatabaseFault(e)
	case has("being accessed by other users"), has("OperationalError", "InterfaceError", "PoolError",
		"SerializationFailure", "LockNotAvailable", "ObjectInUse", "DeadlockDetected"):
		return unreachableFault(e)
	}
	return rejectedFault(e)
}

// databaseRefused reports whether PostgreSQL rejected Odoo's connection because the database is missing or locked. The
// message is in PostgreSQL's configured language, but it names the database. It does not name the database when
// PostgreSQL has no connection left, is starting or does not know Odoo's role.
func databaseRefused(said, db string) bool {
	if db == "" || !strings.Contains(said, "OperationalError") || strings.Contains(said, "pg_hba.conf") ||
		strings.Contains(said, "too many connections") {
		return false
	}
	named, err := regexp.MatchString(`[^\w.-]`+regexp.QuoteMeta(db)+`[^\w.-]`, said)
	return err == nil && named
}

// statusFault classifies an answer whose HTTP status says that the call was not served.
func statusFault(e *CallError) error {
	switch s := e.Status; {
	case s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || s >= 500:
		return unreachableFault(e)
	case s == http.StatusRequestEntityTooLarge:
		return fault.New(fault.TooLarge, "Odoo %s: request too large: %w", e.Op, e)
	case s >= 300 && s < 400:
		return fault.New(fault.Operator, "Odoo address: the server answers with a redirect: %w", e).
			WithCode(CodeMisconfig).WithHint("set ODOO_SERVER_URL to the address it redirects to")
	default:
		return fault.New(fault.Operator, "Odoo address: the server there is not Odoo (HTTP %d): %w", s, e).
			WithCode(CodeMisconfig).WithHint("check ODOO_SERVER_URL, and that no proxy blocks /xmlrpc and /json")
	}
}

// cutDetail cuts a server's message to what a log may show: one line, without the call's secrets.
func cutDetail(text string, secrets []Secret) string {
	line := lastLine(text)
	for _, s := range secrets {
		if len(s) > 3 {
			line = strings.ReplaceAll(line, string(s), masked)
		}
	}
	line = strings.ToValidUTF8(line, "?")
	if len(line) <= 300 {
		return line
	}
	cut := 300
	for !utf8.RuneStart(line[cut]) {
		cut--
	}
	return line[:cut] + "…"
}

// lastLine returns the line that says what happened: the exception of a Python traceback, else the first line.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	said := lines[0]
	for i := 1; i < len(lines); i++ {
		if strings.HasPrefix(lines[i-1], " ") && lines[i] != "" && !strings.HasPrefix(lines[i], " ") {
			said = lines[i]
		}
	}
	return strings.TrimSpace(said)
}

// Misconfigured returns a fault.Operator with CodeMisconfig.
func Misconfigured(format string, args ...any) *fault.Error {
	return fault.New(fault.Operator, format, args...).WithCode(CodeMisconfig)
}
