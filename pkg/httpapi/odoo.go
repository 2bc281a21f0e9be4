package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// postRotateKey replaces the key of the caller's own workspace and shows neither key. Every other tenant number,
// existing or not, gets the same 404.
func (s *Server) postRotateKey(ctx context.Context, in *tenantIn) (*struct{}, error) {
	p := web.PrincipalOf(ctx)
	if in.ID != p.Tenant.ID.String() {
		return nil, errNoTenant
	}
	if s.workspaces == nil {
		return nil, fault.New(fault.Operator, "no Odoo server is configured")
	}
	return nil, s.workspaces.Rotate(ctx, p.Tenant.ID, web.ByOf(ctx))
}

// userinfoIn is the request of an Odoo server. Odoo 19 sends the token in a header, Odoo 14 in the query.
type userinfoIn struct {
	strictQuery
	Tenant        string `query:"tenant" maxLength:"10" doc:"Tenant of the workspace that asks"`
	Token         string `query:"access_token" doc:"As Odoo 14 sends it"`
	Authorization string `header:"Authorization" doc:"As Odoo 19 sends it"`

	request *http.Request
}

// Resolve implements huma.Resolver.
func (in *userinfoIn) Resolve(hc huma.Context) []error {
	in.request, _ = humago.Unwrap(hc)
	return in.strictQuery.Resolve(hc)
}

func (in *userinfoIn) presentedToken() string {
	if bearer, ok := strings.CutPrefix(in.Authorization, "Bearer "); ok {
		return bearer
	}
	return in.Token
}

type userinfoOut struct {
	Status    int
	Challenge string `header:"WWW-Authenticate"`
	Cache     string `header:"Cache-Control"`
	Retry     string `header:"Retry-After"`
	Body      struct {
		UserID  string `json:"user_id,omitempty" doc:"The subject, for Odoo 14"`
		Subject string `json:"sub,omitempty" doc:"The subject, for Odoo 19"`
		Email   string `json:"email,omitempty"`
		Name    string `json:"name,omitempty"`
		Error   string `json:"error,omitempty" enum:"invalid_token,slow_down"`
	}
}

// getUserinfo verifies the token of a user who signs in to Odoo: its signature, issuer and expiry, and that it was
// issued to Odoo's client, which Odoo does not check. The user must be a member of the tenant. Every rejection has the
// same answer.
func (s *Server) getUserinfo(ctx context.Context, in *userinfoIn) (*userinfoOut, error) {
	if s.odooTokens == nil {
		return nil, fault.New(fault.NotFound, "no such route")
	}
	out := &userinfoOut{Status: http.StatusOK, Cache: "no-store"}
	from := s.door.SourceOf(in.request)
	if !s.refusals.HasRoom(from, s.now()) {
		out.Status, out.Retry, out.Body.Error = http.StatusTooManyRequests, "1", "slow_down"
		return out, nil
	}
	who, err := s.odooUser(ctx, in)
	if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Interrupted) {
		return nil, err
	}
	if err != nil {
		_ = s.refusals.Take(from, s.now()) // counts the rejection; this request is answered below
		web.LogOf(ctx).InfoContext(ctx, "sign-in to Odoo refused", "tenant", in.Tenant, "error", err)
		out.Status, out.Challenge, out.Body.Error = http.StatusUnauthorized, `Bearer error="invalid_token"`,
			"invalid_token"
		return out, nil
	}
	web.SetSubject(ctx, who.Subject)
	out.Body.UserID, out.Body.Subject, out.Body.Email, out.Body.Name = who.Subject, who.Subject, who.Email, who.Email
	return out, nil
}

func (s *Server) odooUser(ctx context.Context, in *userinfoIn) (sso.Identity, error) {
	who, err := s.odooTokens.Verify(ctx, in.presentedToken())
	if err != nil {
		return who, err
	}
	id := tenantid.ID(0)
	if in.Tenant != "" {
		var ok bool
		if id, ok = tenantid.Parse(in.Tenant); !ok {
			return who, fault.New(fault.Denied, "tenant %q: must be a number", in.Tenant)
		}
	}
	var refusal error
	err = s.db.InSystem(ctx, "sign-in to Odoo", func(ctx context.Context, tx postgres.SystemTx) error {
		by := tenant.By{Actor: who.Subject, RequestID: web.RequestIDOf(ctx)}
		may, err := tenant.MayEnter(ctx, tx, id, who)
		if err != nil {
			return err
		}
		if may {
			return workspace.NoteRoles(ctx, tx, s.jobs, id, who, by)
		}
		// The caller names the tenant in the query, so the line is not written to that tenant's audit log.
		refusal = fault.New(fault.Denied, "subject %s: not a member of tenant %q", who.Subject,
			in.Tenant).WithCode("TENANT_INVALID")
		return tenant.RecordRefusal(ctx, tx, tenant.Principal{Identity: who}, refusal, by)
	})
	return who, cmp.Or(err, refusal)
}
