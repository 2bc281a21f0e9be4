package odoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/kolo/xmlrpc"

	"github.com/leadctl/leadctl/pkg/fault"
)

// rpcCall is one XML-RPC call. secrets are the secrets among args; no error shows them.
type rpcCall struct {
	service string // "common", "db", "object"
	method  string
	op      string // for errors and logs; service.method by default
	db      string
	args    []any
	secrets []Secret
	timeout time.Duration // 0: the server's
}

// callXMLRPC makes the call and returns the decoded answer: nil, bool, int64, float64, string, []any or map[string]any.
// It uses kolo/xmlrpc only as a codec, because that package's client has no deadlines and stops after one bad answer.
func (s *Server) callXMLRPC(ctx context.Context, c rpcCall) (any, error) {
	if c.op == "" {
		c.op = c.service + "." + c.method
	}
	failed := &CallError{Op: c.op, Database: c.db}
	args, err := wireValue(c.args)
	if err != nil {
		return nil, fault.New(fault.Internal, "Odoo %s: argument: %w", c.op, err)
	}
	req, err := xmlrpc.NewRequest(s.base+"/xmlrpc/2/"+c.service, c.method, args)
	if err != nil {
		return nil, fault.New(fault.Internal, "Odoo %s: cannot encode the request", c.op)
	}
	got, err := s.roundTrip(ctx, req, c.timeout, failed)
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusOK {
		if got.status < 500 {
			s.version.Store(nil) // an operator may have closed XML-RPC
		}
		return nil, httpFault(got, failed)
	}
	return decodeXML(got.body, failed, c.secrets)
}

// askXMLRPC is callXMLRPC for a call that changes nothing, with retryOn500.
func (s *Server) askXMLRPC(ctx context.Context, c rpcCall) (any, error) {
	return retryOn500(ctx, func() (any, error) { return s.callXMLRPC(ctx, c) })
}

// retryOn500 repeats a call that may be repeated, up to two times, when the answer is HTTP 500. On a server with one
// database Odoo opens that database for every request, and fails while it is copied, renamed or dropped.
func retryOn500(ctx context.Context, try func() (any, error)) (v any, err error) {
	for _, wait := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
		Pause(ctx, wait)
		v, err = try()
		var e *CallError
		if !errors.As(err, &e) || e.Status != http.StatusInternalServerError {
			break
		}
	}
	return v, err
}

// marshalNone is Odoo's fault over XML-RPC for a method that returned nothing. Odoo has committed the method's work.
const marshalNone = "cannot marshal None unless allow_none is enabled"

func decodeXML(body []byte, failed *CallError, secrets []Secret) (any, error) {
	unreadable := func(why string) error {
		failed.Detail = why
		return unreachableFault(failed)
	}
	if !bytes.Contains(body, []byte("<methodResponse")) {
		return nil, unreadable("answer is not XML-RPC")
	}
	if tooDeep(body) {
		return nil, unreadable("answer nested too deeply")
	}
	err := xmlrpc.Response(body).Err()
	var f xmlrpc.FaultError
	if errors.As(err, &f) {
		if strings.Contains(f.String, marshalNone) {
			return nil, nil
		}
		failed.Code, failed.Ambiguous, failed.Detail = f.Code, false, cutDetail(f.String, secrets)
		return nil, xmlFault(failed, f.String)
	}
	var v any
	if err == nil {
		err = xmlrpc.Response(body).Unmarshal(&v)
	}
	if err != nil {
		return nil, unreadable("answer is not well-formed XML-RPC")
	}
	return v, nil
}

// tooDeep reports whether an answer is nested too deeply for the codec, which recurses for each level.
func tooDeep(body []byte) bool {
	const limit = 64
	depth := 0
	for {
		i := bytes.Index(body, []byte("value"))
		if i < 0 {
			return false
		}
		switch {
		case i >= 2 && body[i-1] == '/' && body[i-2] == '<':
			depth--
		case i >= 1 && body[i-1] == '<':
			depth++
		}
		if depth > limit {
			return true
		}
		body = body[i+len("value"):]
	}
}

type xmlProtocol struct {
	server *Server
	uid    int64
	secret Secret
}

func (p *xmlProtocol) protocolName() string { return ProtocolXMLRPC }

func (p *xmlProtocol) callMethod(ctx context.Context, db string, c Call) (any, error) {
	args, named := c.positionalArgs()
	return p.server.callXMLRPC(ctx, rpcCall{service: "object", method: "execute_kw", db: db,
		op:      c.Model + "." + c.Method,
		args:    []any{db, p.uid, string(p.secret), c.Model, c.Method, args, named},
		secrets: append([]Secret{p.secret}, c.Secrets...), timeout: c.Timeout})
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// wireValue prepares arguments for the codec, which turns nil into an empty string and does not escape the keys of a
// map. nil becomes false, as Odoo expects. A key that needs escaping is an error.
func wireValue(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = wireValue(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case Record:
		return wireValue(map[string]any(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if !plainKey.MatchString(k) {
				return nil, fmt.Errorf("key %q: must match [A-Za-z0-9_.:-]+", k)
			}
			var err error
			if out[k], err = wireValue(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []Record:
		out := make([]any, len(v))
		for i := range v {
			out[i] = map[string]any(v[i])
		}
		return wireValue(out)
	}
	return wireScalar(v)
}

func wireScalar(v any) (any, error) {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return v, nil
	}
	return nil, fmt.Errorf("%T: cannot be sent to Odoo", v)
}
