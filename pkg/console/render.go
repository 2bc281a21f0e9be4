package console

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
)

//go:embed web
var webFiles embed.FS

// contentPolicy returns a Content-Security-Policy with which a page loads only leadctl's own files. It forbids inline
// styles and scripts. It allows forms to redirect to the provider, because sign-out does.
func contentPolicy(issuer string) string {
	formAction := "'self'"
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		formAction += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action " +
		formAction + "; base-uri 'none'; frame-ancestors 'none'"
}

// setSecurityHeaders sets the headers of every page, redirect and error page. Browsers store no page, so that the back
// button shows nothing after sign-out.
func (c *Console) setSecurityHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", c.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	if c.cfg.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// page is the data of the layout: the header, the footer and the page's own content.
type page struct {
	Title  string
	Active string      // the navigation entry of this page
	User   *headerUser // nil: no user is signed in
	Poll   bool        // without JavaScript, reload every 3 seconds
	Status int         // 200 when 0
	Body   any

	Development bool
	Version     string
	Tenants     []tenant.Tenant // to switch between, in development
}

// headerUser is the signed-in user as the header shows it.
type headerUser struct {
	Email, Tenant, Role   string
	TenantID              string
	Member, Ops, Operator bool
	Admin                 bool // of the tenant
}

func newHeaderUser(v visitor) *headerUser {
	if !v.signedIn() {
		return nil
	}
	w := &headerUser{Email: v.Identity.Email, Member: v.isMember(), Ops: v.hasOps(), Operator: v.operator}
	if w.Email == "" {
		w.Email = v.Identity.Subject
	}
	if v.isMember() {
		w.Admin = v.Has(sso.Admin)
		w.Tenant, w.TenantID, w.Role = v.Tenant.Name, v.Tenant.ID.String(), string(highestRole(v.Roles))
	}
	return w
}

func highestRole(roles []sso.Role) sso.Role {
	for _, r := range []sso.Role{sso.Admin, sso.Ops, sso.Viewer} {
		for _, have := range roles {
			if have == r {
				return r
			}
		}
	}
	return "no role"
}

// renderPage renders a whole page. If the template fails, it writes nothing.
func (c *Console) renderPage(w http.ResponseWriter, r *http.Request, v visitor, name string, p page) error {
	p.User, p.Version, p.Development = newHeaderUser(v), c.cfg.Version, c.cfg.Development
	if c.cfg.Development && p.Tenants == nil && v.signedIn() && v.Identity.Issuer == "" {
		p.Tenants, _ = c.listTenants(r.Context()) // without the list, the page still works
	}
	return c.renderTemplate(w, name, "layout", p.Status, p)
}

// renderPart renders one template of a page. htmx replaces that part of the page with it.
func (c *Console) renderPart(w http.ResponseWriter, name, part string, body any) error {
	return c.renderTemplate(w, name, part, http.StatusOK, body)
}

func (c *Console) renderTemplate(w http.ResponseWriter, name, template string, status int, data any) error {
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, template, data); err != nil {
		return fault.New(fault.Internal, "page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status != 0 {
		w.WriteHeader(status)
	}
	_, _ = b.WriteTo(w) // this fails only if the browser has disconnected
	return nil
}

func (c *Console) renderProblem(w http.ResponseWriter, r *http.Request, v visitor, t problemView) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Retarget", "#notice") // above the page, which does not change
		w.Header().Set("HX-Reswap", "innerHTML")
		if c.renderPart(w, "problem", "notice", t) == nil {
			return
		}
	}
	if err := c.renderPage(w, r, v, "problem", page{Title: t.Heading(), Status: t.Status, Body: t}); err != nil {
		http.Error(w, http.StatusText(t.Status), t.Status)
	}
}

func (c *Console) logFailure(r *http.Request, err error) {
	if fault.HTTPStatus(err) >= http.StatusInternalServerError {
		c.log.ErrorContext(r.Context(), "page not shown", "code", fault.Code(err), "error", err)
		return
	}
	c.log.InfoContext(r.Context(), "page refused", "code", fault.Code(err), "error", err)
}

func (c *Console) listTenants(ctx context.Context) (list []tenant.Tenant, err error) {
	err = c.deps.DB.InSystem(ctx, "development: tenants to choose from",
		func(ctx context.Context, tx postgres.SystemTx) error {
			list, err = tenant.List(ctx, tx)
			return err
		})
	return list, err
}

// parsePages returns one set of templates for each page: the layout, the shared pieces and the page itself.
func parsePages(c *Console) map[string]*template.Template {
	base := template.Must(template.New("base").Funcs(c.templateFunctions()).ParseFS(webFiles, "web/layout.html",
		"web/pieces.html"))
	files, _ := fs.Glob(webFiles, "web/*.html")
	pages := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		pages[name] = template.Must(template.Must(base.Clone()).ParseFS(webFiles, file))
	}
	return pages
}
