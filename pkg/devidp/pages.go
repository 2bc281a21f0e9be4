package devidp

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The paths of the provider's own pages. All other paths belong to the protocol.
const (
	loginPath  = "/login"
	devicePath = "/device"
	stylePath  = "/style.css"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle []byte

// page is the data of page.html.
type page struct {
	Title, Message string
	Action         string // the path that the form posts to; "" for a page without a list of users
	Request        string // the authorization request; "" on the device page
	UserCode       string
	Users          []User
}

// newRoutes serves the pages, and the protocol on all other paths. It rejects POST requests from other origins.
func (p *Provider) newRoutes() http.Handler {
	t := template.Must(template.New("page").Parse(pageText))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		renderPage(w, t, http.StatusOK, page{
			Title: "Development sign-in", Message: "You are signed out. To sign in again, return to the application.",
		})
	})
	mux.HandleFunc("GET "+stylePath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(pageStyle)
	})
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) { p.showLogin(w, r, t) })
	mux.HandleFunc("POST "+loginPath, func(w http.ResponseWriter, r *http.Request) { p.submitLogin(w, r, t) })
	mux.HandleFunc("GET "+devicePath, func(w http.ResponseWriter, r *http.Request) {
		renderPage(w, t, http.StatusOK, p.devicePage(r.URL.Query().Get("user_code"), ""))
	})
	mux.HandleFunc("POST "+devicePath, func(w http.ResponseWriter, r *http.Request) { p.submitDevice(w, r, t) })
	mux.Handle("/", p.op)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request, t *template.Template) {
	id := r.URL.Query().Get("request")
	if _, err := p.store.AuthRequestByID(r.Context(), id); err != nil {
		renderFault(w, t, err)
		return
	}
	renderPage(w, t, http.StatusOK, page{Title: "Sign in as", Action: loginPath, Request: id, Users: p.listUsers()})
}

// submitLogin records the selected user and redirects the browser to the protocol, which issues the code.
func (p *Provider) submitLogin(w http.ResponseWriter, r *http.Request, t *template.Template) {
	id := r.PostFormValue("request")
	if err := p.store.selectUser(id, r.PostFormValue("user")); err != nil {
		renderFault(w, t, err)
		return
	}
	next := p.op.AuthorizationEndpoint().Relative() + "/callback?" + url.Values{"id": {id}}.Encode()
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (p *Provider) submitDevice(w http.ResponseWriter, r *http.Request, t *template.Template) {
	code := r.PostFormValue("user_code")
	if err := p.store.approveDevice(code, r.PostFormValue("user")); err != nil {
		renderPage(w, t, fault.HTTPStatus(err), p.devicePage(code, fault.Text(err)))
		return
	}
	renderPage(w, t, http.StatusOK, page{
		Title: "Signed in", Message: "The device continues by itself. This page can be closed.",
	})
}

func (p *Provider) devicePage(userCode, message string) page {
	return page{
		Title: "Sign in a device as", Message: message, Action: devicePath, UserCode: userCode, Users: p.listUsers(),
	}
}

func (p *Provider) listUsers() []User {
	var out []User
	for _, id := range p.store.userIDs {
		out = append(out, p.store.users[id])
	}
	return out
}

func renderFault(w http.ResponseWriter, t *template.Template, err error) {
	renderPage(w, t, fault.HTTPStatus(err), page{Title: "Sign-in failed", Message: fault.Text(err)})
}

// renderPage writes a complete page, or an error if the template fails. Its Content-Security-Policy does not restrict
// form-action, because the response to the form redirects to the client.
func renderPage(w http.ResponseWriter, t *template.Template, status int, p page) {
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}
