package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// jsonProtocol is JSON-2, which Odoo has since 19. It takes API keys only. Odoo refuses a revoked key at once.
type jsonProtocol struct {
	server *Server
	key    Secret
}

func (p *jsonProtocol) protocolName() string { return ProtocolJSON2 }

func (p *jsonProtocol) callMethod(ctx context.Context, db string, c Call) (any, error) {
	failed := &CallError{Op: c.Model + "." + c.Method, Database: db}
	body, err := c.jsonBody()
	if err != nil {
		return nil, fault.New(fault.Internal, "Odoo %s: argument: %w", failed.Op, err)
	}
	req, err := http.NewRequest(http.MethodPost, p.server.base+"/json/2/"+c.Model+"/"+c.Method, bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Internal, "Odoo %s: invalid model or method name", failed.Op)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+string(p.key))
	req.Header.Set("X-Odoo-Database", db)
	got, err := p.server.roundTrip(ctx, req, c.Timeout, failed)
	if err != nil {
		return nil, err
	}
	return decodeJSON(got, failed, append([]Secret{p.key}, c.Secrets...))
}

// jsonBody returns the request body: every parameter by name, with the record ids and the context.
func (c Call) jsonBody() ([]byte, error) {
	body := map[string]any{}
	for _, a := range c.Args {
		body[a.Name] = a.Value
	}
	for k, v := range c.Named {
		body[k] = v
	}
	if c.IDs != nil {
		body["ids"] = c.IDs
	}
	if c.Context != nil {
		body["context"] = c.Context
	}
	plain, err := wireValue(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

func decodeJSON(got answer, failed *CallError, secrets []Secret) (any, error) {
	isJSON := strings.HasPrefix(got.header.Get("Content-Type"), "application/json")
	if got.status != http.StatusOK {
		if !isJSON {
			return nil, htmlRefusal(got, failed)
		}
		return nil, jsonFault(got, failed, secrets)
	}
	dec := json.NewDecoder(bytes.NewReader(got.body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || !isJSON {
		failed.Detail = "answer is not JSON"
		return nil, unreachableFault(failed)
	}
	return convertNumbers(v), nil
}

// htmlRefusal classifies an answer in HTML. Odoo answers 404 in HTML when it does not know the database; every other
// HTML answer comes from a proxy.
func htmlRefusal(got answer, failed *CallError) error {
	if got.noDatabaseSelected() {
		failed.Status, failed.Ambiguous = got.status, false
		return noDatabaseFault(failed).WithHint(
			"Odoo's dbfilter may hide the database from JSON-2; odoo.protocol xmlrpc is not affected by it")
	}
	return httpFault(got, failed)
}

func jsonFault(got answer, failed *CallError, secrets []Secret) error {
	var body struct{ Name, Message string }
	if err := json.Unmarshal(got.body, &body); err != nil || body.Name == "" {
		return httpFault(got, failed) // Odoo 14 answers every JSON request with other JSON
	}
	failed.Ambiguous = false
	failed.Detail = cutDetail(body.Name+": "+lastLine(body.Message), secrets)
	switch got.status {
	case http.StatusUnauthorized:
		return accessDeniedFault(failed)
	case http.StatusForbidden:
		return fault.New(fault.Denied, "Odoo %s: not permitted: %w", failed.Op, failed).WithCode(CodeForbidden)
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return httpFault(got, failed)
	}
	return exceptionFault(failed, body.Name+": "+body.Message)
}
