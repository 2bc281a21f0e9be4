package odoo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Odoo's own pages use JSON-RPC with a session cookie. leadctl uses it for passwords on 19 and later (prefersPages) and
// to read the list of the database manager's page.

// webKey identifies a session. It has a digest instead of the secret.
type webKey struct {
	database, login string
	secret          [sha256.Size]byte
}

func newWebKey(db, login string, secret Secret) webKey {
	return webKey{db, login, sha256.Sum256([]byte(secret))}
}

type webProtocol struct {
	server   *Server
	login    string
	secret   Secret
	fallback protocol // used when JSON-RPC refuses to sign in; nil where XML-RPC is closed
}

func (p *webProtocol) protocolName() string { return ProtocolWeb }

// errExpired means that Odoo no longer knows the session. It did not carry out the call.
var errExpired = errors.New("session expired")

// callMethod signs in when there is no session, or when the session has expired. Odoo ends a user's sessions when the
// password changes.
func (p *webProtocol) callMethod(ctx context.Context, db string, c Call) (any, error) {
	refused := accessDeniedFault(&CallError{Op: c.Model + "." + c.Method, Database: db})
	for range 2 {
		cookie, err := p.sessionCookie(ctx, db)
		if outcomeUnknown(err) {
			return nil, err
		}
		if err != nil {
			refused = err
		}
		if cookie == "" {
			break
		}
		v, err := p.callWithCookie(ctx, db, c, cookie)
		if !errors.Is(err, errExpired) {
			return v, err
		}
		p.server.cookies.CompareAndDelete(newWebKey(db, p.login, p.secret), cookie)
	}
	if p.fallback != nil {
		return p.fallback.callMethod(ctx, db, c)
	}
	return nil, refused
}

// sessionCookie returns the cookie of the kept session, or of a new one. It returns "" when Odoo refuses to sign in.
func (p *webProtocol) sessionCookie(ctx context.Context, db string) (string, error) {
	if kept, known := p.server.cookies.Load(newWebKey(db, p.login, p.secret)); known {
		return kept.(string), nil
	}
	_, cookie, err := p.server.webSignIn(ctx, db, p.login, p.secret)
	return cookie, err
}

func (p *webProtocol) callWithCookie(ctx context.Context, db string, c Call, cookie string) (any, error) {
	args, named := c.positionalArgs()
	v, _, err := p.server.callJSONRPC(ctx, webCall{path: "/web/dataset/call_kw/" + c.Model + "/" + c.Method,
		cookie: cookie, timeout: c.Timeout,
		failed:  &CallError{Op: c.Model + "." + c.Method, Database: db},
		secrets: append([]Secret{p.secret}, c.Secrets...),
		params:  map[string]any{"model": c.Model, "method": c.Method, "args": args, "kwargs": named}})
	return v, err
}

// webReuseSession is webSignIn for an account that may have a session already. Odoo ends a session when the user's
// password changes or the user is archived. So a session that still works proves the secret, and costs Odoo no work on
// the password.
func (s *Server) webReuseSession(ctx context.Context, db, login string, secret Secret) (uid int64, cookie string,
	err error) {
	key := newWebKey(db, login, secret)
	if kept, known := s.cookies.Load(key); known {
		p := &webProtocol{server: s, login: login, secret: secret}
		v, err := p.callWithCookie(ctx, db, whoAmI, kept.(string))
		if uid := AsRecord(v).Int("uid"); uid > 0 {
			return uid, kept.(string), nil
		}
		if outcomeUnknown(err) {
			return 0, "", err
		}
		s.cookies.CompareAndDelete(key, kept)
	}
	return s.webSignIn(ctx, db, login, secret)
}

// webSignIn opens a session, keeps its cookie and returns it. A refusal is an empty cookie without an error.
func (s *Server) webSignIn(ctx context.Context, db, login string, secret Secret) (uid int64, cookie string, err error) {
	failed := &CallError{Op: "web.authenticate", Database: db}
	v, cookie, err := s.callJSONRPC(ctx, webCall{path: "/web/session/authenticate", failed: failed,
		params:  map[string]any{"db": db, "login": login, "password": string(secret)},
		secrets: []Secret{secret}})
	key := newWebKey(db, login, secret)
	switch {
	case fault.Code(err) == CodeAccessDenied:
		s.cookies.Delete(key)
		return 0, "", nil
	case fault.Code(err) == CodeForbidden: // without a session, Odoo forbids only a hidden database
		return 0, "", noDatabaseFault(failed)
	case err != nil:
		return 0, "", err
	}
	uid = AsRecord(v).Int("uid")
	switch {
	case uid == 0: // Odoo asks for a second factor, which leadctl does not have
		return 0, "", nil
	case cookie == "":
		failed.Detail = "signed in, but the answer sets no session cookie"
		return 0, "", unreachableFault(failed)
	}
	s.cookies.Store(key, cookie)
	return uid, cookie, nil
}

// webCall is one call over JSON-RPC. failed becomes part of the fault when the call fails.
type webCall struct {
	path    string
	params  map[string]any
	cookie  string
	failed  *CallError
	secrets []Secret
	timeout time.Duration
}

// callJSONRPC makes the call. It returns the decoded result, and the session's cookie where the answer sets one.
func (s *Server) callJSONRPC(ctx context.Context, c webCall) (v any, cookie string, err error) {
	plain, err := wireValue(c.params)
	if err != nil {
		return nil, "", fault.New(fault.Internal, "Odoo %s: argument: %w", c.failed.Op, err)
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "call", "params": plain})
	if err != nil {
		return nil, "", fault.New(fault.Internal, "Odoo %s: cannot encode the arguments", c.failed.Op)
	}
	req, err := http.NewRequest(http.MethodPost, s.base+c.path, bytes.NewReader(body))
	if err != nil {
		return nil, "", fault.New(fault.Internal, "Odoo %s: invalid model or method name", c.failed.Op)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: webCookie, Value: c.cookie})
	}
	got, err := s.roundTrip(ctx, req, c.timeout, c.failed)
	if err != nil {
		return nil, "", err
	}
	switch {
	case got.noDatabaseSelected() && c.cookie != "":
		// on a server with several databases, only the cookie names the database
		return nil, "", errExpired
	case got.noDatabaseSelected():
		return nil, "", noDatabaseFault(c.failed)
	case got.status != http.StatusOK:
		return nil, "", httpFault(got, c.failed)
	}
	v, err = decodeWeb(got.body, c.failed, c.secrets)
	return v, got.cookieValue(webCookie), err
}

const webCookie = "session_id"

func decodeWeb(body []byte, failed *CallError, secrets []Secret) (any, error) {
	var said struct {
		Result any
		Error  *struct {
			Data struct{ Name, Message string }
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&said); err != nil {
		failed.Detail = "answer is not JSON"
		return nil, unreachableFault(failed)
	}
	if said.Error == nil {
		return convertNumbers(said.Result), nil
	}
	name, message := said.Error.Data.Name, said.Error.Data.Message
	failed.Ambiguous = false
	failed.Detail = cutDetail(name+": "+lastLine(message), secrets)
	switch name {
	case "odoo.http.SessionExpiredException":
		return nil, errExpired
	case "odoo.exceptions.AccessDenied":
		return nil, accessDeniedFault(failed)
	case "odoo.exceptions.AccessError":
		return nil, forbiddenFault(failed)
	}
	return nil, exceptionFault(failed, name+": "+message)
}
