package odoo

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
)

// What differs between Odoo's versions stands here: who speaks which protocol, and what has another name. Three more
// differences need no version to be known. A method that returns nothing is a fault over XML-RPC alone, which decodeXML
// takes for success. Odoo 19 keeps notes as HTML, so no value of such a field is ever compared. And Odoo 14 makes
// opportunities of leads that say nothing of their type, so leadctl's always say it.

// Version is what a server says it is.
type Version struct {
	Name   string // "19.0"
	Major  int    // 19; 0 when the answer does not say
	XMLRPC bool   // XML-RPC is open: it ends with 19, and a proxy may keep it shut before
}

// Version asks without signing in.
func (s *Server) Version(ctx context.Context) (Version, error) {
	v, err := s.versionByXMLRPC(ctx)
	if !pathNotServed(err) {
		return v, err
	}
	v, page := s.versionByPage(ctx)
	if pathNotServed(page) {
		return Version{}, err
	}
	return v, page
}

// pathNotServed: something answered, and it was not what was asked for; another door of the same server may be open.
func pathNotServed(err error) bool {
	return fault.Is(err, fault.Operator) && fault.Code(err) == CodeMisconfig
}

func (s *Server) versionByXMLRPC(ctx context.Context) (Version, error) {
	v, err := s.askXMLRPC(ctx, rpcCall{service: "common", method: "version"})
	if err != nil {
		return Version{}, err
	}
	answer := asRecord(v)
	return readVersion("common.version", answer.Text("server_version"), answer["server_version_info"], true)
}

// versionByPage asks a page that 19 and later have.
func (s *Server) versionByPage(ctx context.Context) (Version, error) {
	failed := &CallError{Op: "web.version"}
	req, err := http.NewRequest(http.MethodGet, s.base+"/web/version", nil)
	if err != nil {
		return Version{}, fault.New(fault.Internal, "Odoo %s: request not encodable", failed.Op)
	}
	got, err := s.roundTrip(ctx, req, 0, failed)
	if err != nil {
		return Version{}, err
	}
	if got.status != http.StatusOK {
		return Version{}, httpFault(got, failed)
	}
	var answer struct {
		Version string `json:"version"`
		Info    []any  `json:"version_info"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil {
		failed.Detail = "answer is not JSON"
		return Version{}, unreachableFault(failed)
	}
	return readVersion(failed.Op, answer.Version, answer.Info, false)
}

func readVersion(op, name string, info any, xmlrpc bool) (Version, error) {
	out := Version{Name: name, XMLRPC: xmlrpc}
	if info, ok := info.([]any); ok && len(info) > 0 {
		out.Major = int(asInt(info[0]))
	}
	if out.Name == "" {
		return Version{}, unreachableFault(&CallError{Op: op, Detail: "answer without a version"})
	}
	return out, nil
}

// CachedVersion is Version, asked once in the server's life, or again after XML-RPC was found closed.
func (s *Server) CachedVersion(ctx context.Context) (Version, error) {
	if v := s.version.Load(); v != nil {
		return *v, nil
	}
	v, err := s.Version(ctx)
	if err == nil {
		s.version.Store(&v)
	}
	return v, err
}

// speaksJSON2 chooses the protocol for accounts that have an API key. fault.Operator: the one that is configured is not
// to be had on this server.
func (s *Server) speaksJSON2(ctx context.Context) (bool, error) {
	v, err := s.CachedVersion(ctx)
	switch {
	case err != nil:
		return false, err
	case s.protocol == ProtocolXMLRPC && !v.XMLRPC:
		return false, Misconfigured("Odoo %s: XML-RPC is shut, or gone", v.Name).WithHint("set odoo.protocol to auto")
	case s.protocol == ProtocolXMLRPC:
		return false, nil
	case s.protocol == ProtocolJSON2 && v.Major < 19:
		return false, Misconfigured("Odoo %s: has no JSON-2, which came with 19",
			v.Name).WithHint("set odoo.protocol to auto or xmlrpc")
	}
	return v.Major >= 19, nil
}

// prefersPages: a password goes by Odoo's own pages. Over XML-RPC, Odoo 19 works a third of a second at the password in
// every call that follows a change of users or parameters; for the pages it does so once, when it opens the session.
// But the pages obey a dbfilter, make callers wait after other people's wrong passwords, take no API key for a
// password, and lose sessions behind a balancer: so their "no" is asked of XML-RPC once more where that is open.
func (s *Server) prefersPages(v Version) bool {
	return !v.XMLRPC || v.Major >= 19 && s.protocol != ProtocolXMLRPC
}
