package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

type ruleBody struct {
	RuleID    int32                      `json:"rule_id" doc:"Counts within the tenant"`
	Tenant    tenantid.ID                `json:"tenant_id"`
	Name      string                     `json:"name"`
	Payload   map[string]json.RawMessage `json:"payload"`
	CreatedAt time.Time                  `json:"created_at"`
	// A payload of another service need not be an object; here it is an empty one then.
	Unreadable string `json:"unreadable,omitempty" doc:"Why the payload cannot be read. Such a rule picks no company"`
}

type rulesOut struct{ Body []ruleBody }

func (s *Server) getRules(ctx context.Context, _ *empty) (*rulesOut, error) {
	var rules []leads.Rule
	err := s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID,
		func(ctx context.Context, tx postgres.TenantTx) (err error) {
			rules, err = leads.ListRules(ctx, tx)
			return err
		})
	if err != nil {
		return nil, err
	}
	out := &rulesOut{Body: make([]ruleBody, len(rules))}
	for i, r := range rules {
		out.Body[i] = ruleBody{RuleID: r.RuleID, Tenant: r.TenantID, Name: r.Name, CreatedAt: r.CreatedAt,
			Unreadable: r.Unreadable, Payload: map[string]json.RawMessage{}}
		if err := json.Unmarshal(r.Payload, &out.Body[i].Payload); err != nil && r.Unreadable == "" {
			return nil, err
		}
	}
	return out, nil
}

// rulePayload holds the members of a rule; package leads checks them.
type rulePayload map[string]json.RawMessage

type ruleIn struct {
	Body struct {
		Name    string      `json:"name,omitempty" maxLength:"200" doc:"An existing rule of this name is replaced"`
		Payload rulePayload `json:"payload"`
	}
}

func (s *Server) postRule(ctx context.Context, in *ruleIn) (*okOut, error) {
	payload, err := json.Marshal(in.Body.Payload)
	if err != nil {
		return nil, err
	}
	owner := web.PrincipalOf(ctx).Tenant.ID
	err = s.db.InSystem(ctx, "change rule", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := leads.SetRule(ctx, tx, s.jobs, owner, in.Body.Name, payload, web.ByOf(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	return newOK(), nil
}

type ruleNamed struct {
	strictQuery
	Name string `path:"name" maxLength:"200"`
}

// deleteRule deletes a rule. It does not delete the tenant's last one.
func (s *Server) deleteRule(ctx context.Context, in *ruleNamed) (*struct{}, error) {
	p := web.PrincipalOf(ctx)
	return nil, s.db.InSystem(ctx, "delete rule", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := leads.DeleteRule(ctx, tx, s.jobs, p.Tenant.ID, in.Name, web.ByOf(ctx))
		return err
	})
}

// LeadFilter selects leads. It is exported because huma ignores unexported embedded structs.
type LeadFilter struct {
	Bucket   string `query:"bucket" doc:"high, medium or low"`
	Industry string `query:"industry" maxLength:"200" doc:"SSIC section, division or title, or a common word"`
	Year     string `query:"year" doc:"Year of incorporation, as in 2015 or 2010-2020"`
}

func (f LeadFilter) parseFilter() (leads.Filter, error) {
	return leads.ParseFilter(f.Bucket, f.Industry, f.Year)
}

type scoresIn struct {
	strictQuery
	LeadFilter
	Limit      string `query:"limit" doc:"1 to 10000; 200 when absent"`
	AfterScore string `query:"afterScore" doc:"From nextCursor of the page before"`
	AfterID    string `query:"afterId" doc:"From nextCursor of the page before"`
}

type scoresOut struct{ Body leads.Page }

func (s *Server) getScores(ctx context.Context, in *scoresIn) (*scoresOut, error) {
	limit, err := leads.ParseLimit(in.Limit, false)
	if err != nil {
		return nil, err
	}
	after := leads.Cursor{}
	if after.AfterScore, err = parseScore("afterScore", in.AfterScore); err != nil {
		return nil, err
	}
	if after.AfterID, err = parseID("afterId", in.AfterID); err != nil {
		return nil, err
	}
	filter, err := in.parseFilter()
	if err != nil {
		return nil, err
	}
	out := &scoresOut{}
	err = s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID,
		func(ctx context.Context, tx postgres.TenantTx) (err error) {
			out.Body, err = leads.Latest(ctx, tx, limit, filter, after)
			return err
		})
	return out, err
}

type candidatesIn struct {
	strictQuery
	Limit          string `query:"limit" doc:"1 to 10000; 200 when absent"`
	Industry       string `query:"industry" maxLength:"200"`
	AfterUpdatedAt string `query:"afterUpdatedAt" doc:"From nextCursor of the page before"`
	AfterID        string `query:"afterId" doc:"From nextCursor of the page before"`
}

type candidatesOut struct{ Body leads.CandidatePage }

func (s *Server) getCandidates(ctx context.Context, in *candidatesIn) (*candidatesOut, error) {
	limit, err := leads.ParseLimit(in.Limit, false)
	if err != nil {
		return nil, err
	}
	after := leads.CandidateCursor{}
	if after.AfterUpdatedAt, err = parseTime("afterUpdatedAt", in.AfterUpdatedAt); err != nil {
		return nil, err
	}
	if after.AfterID, err = parseID("afterId", in.AfterID); err != nil {
		return nil, err
	}
	out := &candidatesOut{}
	err = s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID,
		func(ctx context.Context, tx postgres.TenantTx) (err error) {
			out.Body, err = leads.Candidates(ctx, tx, limit, in.Industry, after)
			return err
		})
	return out, err
}

type shortlistOut struct{ Body leads.Status }

func (s *Server) getShortlist(ctx context.Context, _ *empty) (*shortlistOut, error) {
	out := &shortlistOut{}
	err := s.db.ReadTenant(ctx, web.PrincipalOf(ctx).Tenant.ID,
		func(ctx context.Context, tx postgres.TenantTx) (err error) {
			out.Body, err = leads.ShortlistStatus(ctx, tx)
			return err
		})
	return out, err
}
