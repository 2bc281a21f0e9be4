package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// person is a user who signs in during the steps, and what the API answered.
type person struct {
	devidp.User
	token    string
	tenant   tenantid.ID
	database string         // of the Odoo workspace
	leads    map[int32]lead // of the export, by company_id
}

type lead struct {
	ID        int32   `json:"company_id"`
	Name      string  `json:"name"`
	Score     float64 `json:"score"`
	Bucket    string  `json:"bucket"`
	Rationale string  `json:"rationale"`
}

func mainPeople() []*person {
	return []*person{
		{User: devidp.User{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true,
			Roles: []string{"ops"}}},
		{User: devidp.User{ID: "bob", Name: "Bob", Email: "bob@borealis.example", EmailVerified: true,
			Roles: []string{"viewer"}}},
	}
}

const operatorRole = "operator"

// consoleUsers are users for the console. The steps do not use them, so Carol's first sign-in is still to come.
func consoleUsers() []devidp.User {
	return []devidp.User{
		{ID: "carol", Name: "Carol", Email: "carol@cedar.example", EmailVerified: true, Roles: []string{"ops"}},
		{ID: "olga", Name: "Olga", Email: "olga@platform.example", EmailVerified: true,
			Roles: []string{operatorRole}},
	}
}

const readyWithin = 60 * time.Second

// signIn does what a browser does: it gets a token from the provider, posts the first sign-in, and polls until the
// workspace is ready.
func (d *demo) signIn(ctx context.Context, p *person) (err error) {
	if p.token, err = d.idp.IssueToken(ctx, p.ID, clientID); err != nil {
		return err
	}
	status, body, err := d.call(ctx, http.MethodPost, "/onboarding/first_login", p.token, "")
	if err != nil || status != http.StatusAccepted {
		return unexpectedStatus("POST /onboarding/first_login as "+p.ID, status, err)
	}
	var state struct {
		Tenant tenantid.ID `json:"tenant_id"`
		Status string      `json:"status"`
		Error  *string     `json:"error"`
	}
	for deadline := time.Now().Add(readyWithin); state.Status != "ready"; {
		if err := json.Unmarshal(body, &state); err != nil {
			return err
		}
		if state.Status == "error" || time.Now().After(deadline) {
			return fault.New(fault.Internal, "workspace of %s: status %s, not ready within %s: %s",
				p.ID, state.Status, readyWithin, textOrEmpty(state.Error))
		}
		time.Sleep(20 * time.Millisecond)
		status, body, err = d.call(ctx, http.MethodGet, "/onboarding/status", p.token, "")
		if err != nil || status != http.StatusOK {
			return unexpectedStatus("GET /onboarding/status as "+p.ID, status, err)
		}
	}
	p.tenant = state.Tenant
	return d.readWorkspace(ctx, p)
}

func (d *demo) readWorkspace(ctx context.Context, p *person) error {
	status, body, err := d.call(ctx, http.MethodGet, "/session/odoo_info", p.token, "")
	if err != nil || status != http.StatusOK {
		return unexpectedStatus("GET /session/odoo_info as "+p.ID, status, err)
	}
	var info struct {
		Odoo struct {
			Database string `json:"db_name"`
		} `json:"odoo"`
	}
	err = json.Unmarshal(body, &info)
	p.database = info.Odoo.Database
	return err
}

// call sends one request to the API. token and body may be "".
func (d *demo) call(ctx context.Context, method, path, token, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fault.New(fault.Unavailable, "%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// unexpectedStatus is err, or else an Internal fault for a status that the step did not expect.
func unexpectedStatus(request string, status int, err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Internal, "%s: unexpected status %d", request, status)
}

func textOrEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
