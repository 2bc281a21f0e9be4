package odoo

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// dbForms uses the forms of Odoo's database manager, at /web/database, where the database service is not available. A
// form answers success with a redirect and failure with a page, so the methods check the result. With list_db = False
// the forms are closed like the service.
type dbForms struct {
	server *Server
	master Secret
}

// hasDatabase reads the list of the manager's page. The list has the databases that Odoo's dbfilter shows.
func (d *dbForms) hasDatabase(ctx context.Context, name string) (bool, error) {
	v, err := retryOn500(ctx, func() (v any, err error) {
		v, _, err = d.server.callJSONRPC(ctx, webCall{path: "/web/database/list", params: map[string]any{},
			failed: &CallError{Op: "web.database.list", Database: name}})
		return v, err
	})
	names, _ := v.([]any)
	return slices.Contains(names, any(name)), err
}

func (d *dbForms) duplicateDatabase(ctx context.Context, from, to string) error {
	err := d.submitForm(ctx, "duplicate", to, url.Values{"name": {from}, "new_name": {to}})
	if fault.Code(err) != CodeRejected {
		return err
	}
	taken, look := d.hasDatabase(ctx, to)
	if look != nil {
		return err
	}
	if taken {
		return fault.New(fault.Conflict, "Odoo database %s: name taken: %w", to, err)
	}
	there, look := d.hasDatabase(ctx, from)
	if look == nil && !there {
		return fault.New(fault.NotFound, "Odoo database %s: missing: %w", from, err).WithCode(CodeMissing)
	}
	return err
}

// createDatabase sends phone and country_code too: the form requires them even when they are empty.
func (d *dbForms) createDatabase(ctx context.Context, name, lang, login string, password Secret) error {
	return d.submitForm(ctx, "create", name, url.Values{"name": {name}, "lang": {lang}, "login": {login},
		"password": {string(password)},
		"phone":    {""}, "country_code": {""}}, password)
}

// renameDatabase copies the database and drops the first one, because no form renames. The copy is complete when it has
// its name.
func (d *dbForms) renameDatabase(ctx context.Context, from, to string) error {
	if err := duplicateWithRetry(ctx, d, from, to); err != nil {
		return err
	}
	_, err := dropWithRetry(ctx, d, from)
	return err
}

// dropDatabase looks before and after, because the form reports success in any case.
func (d *dbForms) dropDatabase(ctx context.Context, name string) (bool, error) {
	there, err := d.hasDatabase(ctx, name)
	if err != nil || !there {
		return false, err
	}
	if err := d.dropByForm(ctx, name); err != nil {
		return false, err
	}
	there, err = d.hasDatabase(ctx, name)
	if err == nil && there {
		err = fault.New(fault.Unavailable, "Odoo database %s: still exists after it was dropped", name)
	}
	return err == nil, err
}

func (d *dbForms) dropByForm(ctx context.Context, name string) error {
	return d.submitForm(ctx, "drop", name, url.Values{"name": {name}})
}

// submitForm sends one form with the master password.
func (d *dbForms) submitForm(ctx context.Context, form, db string, fields url.Values, secrets ...Secret) error {
	failed := &CallError{Op: "web.database." + form, Database: db}
	fields.Set("master_pwd", string(d.master))
	req, err := http.NewRequest(http.MethodPost, d.server.base+"/web/database/"+form,
		strings.NewReader(fields.Encode()))
	if err != nil {
		return fault.New(fault.Internal, "Odoo %s: cannot encode the request", failed.Op)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := d.server.roundTrip(ctx, req, DatabaseTimeout, failed)
	switch {
	case err != nil:
		return err
	case got.status == http.StatusSeeOther:
		return nil
	case got.status != http.StatusOK:
		return httpFault(got, failed)
	}
	failed.Ambiguous = false
	said := alertText(got.body)
	failed.Detail = cutDetail(said, append(secrets, d.master))
	if strings.Contains(said, "Access Denied") || strings.Contains(said, "manager has been disabled") {
		return accessDeniedFault(failed)
	}
	return rejectedFault(failed)
}

var (
	alertBox = regexp.MustCompile(`(?s)class="[^"]*\balert-danger\b[^"]*"[^>]*>(.*?)</div>`)
	tags     = regexp.MustCompile(`(?s)<[^>]*>`)
)

// alertText returns the error message on a page of the database manager.
func alertText(page []byte) string {
	box := alertBox.FindSubmatch(page)
	if box == nil {
		return "the page has no error message"
	}
	return strings.TrimSpace(html.UnescapeString(tags.ReplaceAllString(string(box[1]), "")))
}

// checkAccess checks the master password by asking the drop form for a database that does not exist.
func (d *dbForms) checkAccess(ctx context.Context) (string, error) {
	if d.master == "" {
		return "", masterMissing()
	}
	if _, err := d.hasDatabase(ctx, ""); err != nil {
		return "", MasterRefused(err)
	}
	if _, err := retryOn500(ctx, func() (any, error) { return nil, d.dropByForm(ctx, noSuchDatabase()) }); err != nil {
		return "", MasterRefused(err)
	}
	return "master password accepted", nil
}
