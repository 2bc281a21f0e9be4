package odoo

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The differences between Odoo's versions: which protocols a server has. The code handles three more differences
// without knowing the version. Over XML-RPC a method that returns nothing is a fault, and decodeXML takes it for
// success. Odoo 19 stores notes as HTML, so leadctl never compares them. Odoo 14 makes a lead without a type an
// opportunity, so leadctl always sends the type.

// Version asks the server for its version without signing in.
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

// pathNotServed reports whether the answer did not come from the expected interface. Another interface of the same
// server may be open.
func pathNotServed(err error) bool {
	return fault.Is(err, fault.Operator) && fault.Code(err) == CodeMisconfig
}

func (s *Server) versionByXMLRPC(ctx context.Context) (Version, error) {
	v, err := s.askXMLRPC(ctx, rpcCall{service: "common", method: "version"})
	if err != nil {
		return Version{}, err
	}
	answer := AsRecord(v)
	return readVersion("common.version", answer.Text("server_version"), answer["server_version_info"], true)
}

// versionByPage asks a page that Odoo 19 and later have.
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

// CachedVersion returns the version. It asks only once, and again after XML-RPC was found closed.
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

// speaksJSON2 reports whether accounts with an API key use JSON-2. fault.Operator means that the server does not have
// the configured protocol.
func (s *Server) speaksJSON2(ctx context.Context) (bool, error) {
	v, err := s.CachedVersion(ctx)
	switch {
	case err != nil:
		return false, err
	case s.protocol == ProtocolXMLRPC && !v.XMLRPC:
		return false, Misconfigured("Odoo %s: XML-RPC is not available", v.Name).WithHint("set odoo.protocol to auto")
	case s.protocol == ProtocolXMLRPC:
		return false, nil
	case s.protocol == ProtocolJSON2 && v.Major < 19:
		return false, Misconfigured("Odoo %s: JSON-2 needs Odoo 19 or later",
			v.Name).WithHint("set odoo.protocol to auto or xmlrpc")
	}
	return v.Major >= 19, nil
}

// prefersPages reports whether a password uses JSON-RPC. Over XML-RPC, Odoo 19 spends a third of a second on the
// password in every call that follows a change of users or parameters. Over JSON-RPC it spends that once, when it opens
// the session.
//
// But JSON-RPC obeys a dbfilter, delays callers after wrong passwords of others, takes no API key for a password, and
// loses sessions behind a load balancer. So when it refuses, leadctl asks once more over XML-RPC where that is open.
func (s *Server) prefersPages(v Version) bool {
	return !v.XMLRPC || v.Major >= 19 && s.protocol != ProtocolXMLRPC
}
