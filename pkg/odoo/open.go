package odoo

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Account is a user of one database and the secret that opens it.
type Account struct {
	Database string
	Login    string // not used by JSON-2
	Secret   Secret
	Key      bool   // Secret is an API key, not a password
	UID      int64  // the user's id from an earlier Open; Open then makes no call
	Over     string // ProtocolXMLRPC or ProtocolJSON2 to use that protocol; with "" Open chooses
}

// Open opens the account's database. It chooses the protocol: JSON-2 for API keys on Odoo 19 and later, JSON-RPC for
// passwords there, XML-RPC for older versions. Options.Protocol and Account.Over restrict the choice.
//
// A refused secret is ok == false without an error. fault.NotFound means that there is no such database. fault.Operator
// means that the server does not have the configured protocol.
func (s *Server) Open(ctx context.Context, a Account) (session *Session, ok bool, err error) {
	json2 := a.Over == ProtocolJSON2
	if a.Key && a.Over == "" {
		if json2, err = s.speaksJSON2(ctx); err != nil {
			return nil, false, err
		}
	}
	if a.UID == 0 {
		if json2 {
			a.UID, ok, err = s.keyHolder(ctx, a)
		} else {
			a.UID, ok, err = s.Authenticate(ctx, a.Database, a.Login, a.Secret)
		}
		if err != nil || !ok {
			return nil, false, err
		}
	}
	proto, err := s.protocolOf(ctx, a, json2)
	if err != nil {
		return nil, false, err
	}
	return &Session{db: a.Database, uid: a.UID, proto: proto}, true, nil
}

// protocolOf returns the protocol of an account that has signed in. A password uses JSON-RPC when it opened a session
// there.
func (s *Server) protocolOf(ctx context.Context, a Account, json2 bool) (protocol, error) {
	if json2 {
		return &jsonProtocol{s, a.Secret}, nil
	}
	plain := &xmlProtocol{s, a.UID, a.Secret}
	if a.Over == ProtocolXMLRPC {
		return plain, nil
	}
	version, err := s.CachedVersion(ctx)
	if err != nil {
		return nil, err
	}
	_, byPages := s.cookies.Load(newWebKey(a.Database, a.Login, a.Secret))
	if version.XMLRPC && !byPages {
		return plain, nil
	}
	pages := &webProtocol{server: s, login: a.Login, secret: a.Secret}
	if version.XMLRPC {
		pages.fallback = plain
	}
	return pages, nil
}

// keyHolder asks Odoo which user holds the key. Unlike the sign-in over XML-RPC it uses no cache, so Odoo refuses a
// revoked key at once.
func (s *Server) keyHolder(ctx context.Context, a Account) (uid int64, ok bool, err error) {
	v, err := (&jsonProtocol{s, a.Secret}).callMethod(ctx, a.Database, whoAmI)
	if fault.Code(err) == CodeAccessDenied {
		return 0, false, nil
	}
	uid = AsRecord(v).Int("uid")
	return uid, uid > 0, err
}

// Authenticate reports whether login and secret open database db, and as which user. A refused secret is ok == false
// without an error. An unknown database is fault.NotFound. Odoo compares logins byte by byte, so callers lower-case
// e-mail addresses first. Where XML-RPC is closed, Odoo does not accept an API key as a password.
func (s *Server) Authenticate(ctx context.Context, db, login string, secret Secret) (uid int64, ok bool, err error) {
	version, err := s.CachedVersion(ctx)
	if err != nil {
		return 0, false, err
	}
	if s.prefersPages(version) {
		uid, cookie, err := s.webReuseSession(ctx, db, login, secret)
		if cookie != "" || !version.XMLRPC || outcomeUnknown(err) {
			return uid, cookie != "", err
		}
	}
	return s.authenticateByXMLRPC(ctx, db, login, secret)
}

func (s *Server) authenticateByXMLRPC(ctx context.Context, db, login string, secret Secret) (uid int64, ok bool,
	err error) {
	v, err := s.askXMLRPC(ctx, rpcCall{service: "common", method: "authenticate", db: db, secrets: []Secret{secret},
		args: []any{db, login, string(secret), map[string]any{}}})
	if err != nil {
		return 0, false, err
	}
	uid = asInt(v)
	return uid, uid > 0, nil
}
