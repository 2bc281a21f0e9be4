package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Options say what the realm is to look like. Nothing that is there already is taken away, save rights that would let
// users choose their own tenant.
type Options struct {
	Realm       string
	CreateRealm bool // make the realm when there is none; else that is an error
	Client      string
	CLIClient   string
	OdooClient  string // "" makes none
	Places      sso.Places
	Users       []User // users for development, made with Password when they are missing
	Password    string
	DryRun      bool // write nothing; the plan is what would be done
}

// User is somebody to sign in as.
type User struct {
	Email  string
	Tenant string     // "" leaves it open
	Roles  []sso.Role // none leaves them open
}

// What a Change does to its thing.
const (
	Create = "create"
	Update = "update"
	Keep   = "keep"
)

// Change is one line of the plan.
type Change struct {
	Action string `json:"action"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// Result is what the realm is like now, or would be after a dry run.
type Result struct {
	Plan     []Change
	Warnings []string
	Issuer   string // as the realm calls itself
	Secret   string // of Client; "" in a dry run that would create it
}

// Changed reports whether anything was, or would be, written.
func (r Result) Changed() bool {
	return slices.ContainsFunc(r.Plan, func(c Change) bool { return c.Action != Keep })
}

// setup is one run of Setup.
type setup struct {
	*Admin
	Options
	Result
	realmPath    string
	realmMissing bool // the realm does not exist: nothing below it needs to be looked for
}

// Setup brings the realm to what opts say, one thing after the other, each looked at first: running it again changes
// nothing. After an error it can be run again. The Result tells how far it came. Faults: those of the calls, Invalid for
// options that cannot be meant, NotFound for a realm that is not to be created.
func (a *Admin) Setup(ctx context.Context, opts Options) (Result, error) {
	if err := opts.validate(); err != nil {
		return Result{}, err
	}
	s := &setup{Admin: a, Options: opts, realmPath: "/" + url.PathEscape(opts.Realm)}
	err := s.ensureAll(ctx)
	return s.Result, err
}

func (o Options) validate() error {
	switch {
	case o.Realm == "" || strings.ContainsAny(o.Realm, "/?#%"):
		return fault.New(fault.Invalid, "realm %q: not a realm's name", o.Realm)
	case o.Realm == "master":
		return fault.New(fault.Invalid, "realm master: it is for Keycloak's own administrators").WithHint("choose another with --realm")
	case o.Client == "" || o.CLIClient == "" || o.Client == o.CLIClient || o.Client == o.OdooClient || o.CLIClient == o.OdooClient:
		return fault.New(fault.Invalid, "clients %q, %q, %q: each needs a name of its own", o.Client, o.CLIClient, o.OdooClient)
	case len(o.Users) > 0 && o.Password == "" && !o.DryRun:
		return fault.New(fault.Invalid, "test users: no password for them")
	}
	for _, u := range o.Users {
		if err := u.validate(); err != nil {
			return err
		}
	}
	return nil
}

// String is what the user is given.
func (u User) String() string {
	var parts []string
	if u.Tenant != "" {
		parts = append(parts, "tenant "+u.Tenant)
	}
	for _, r := range u.Roles {
		parts = append(parts, string(r))
	}
	return strings.Join(parts, ", ")
}

func (u User) validate() error {
	if local, domain, ok := strings.Cut(u.Email, "@"); !ok || local == "" || domain == "" || strings.ContainsAny(u.Email, " \t\r\n") {
		return fault.New(fault.Invalid, "user %q: not an e-mail address", u.Email)
	}
	return checkAssignment(u.Tenant, u.Roles)
}

func (s *setup) ensureAll(ctx context.Context) error {
	if err := s.ensureRealm(ctx); err != nil {
		return err
	}
	if err := s.ensureTenantAttribute(ctx); err != nil {
		return err
	}
	ui, err := s.ensureUIClient(ctx)
	if err != nil {
		return err
	}
	scope, err := s.ensureScope(ctx)
	if err != nil {
		return err
	}
	cli, err := s.ensureCLIClient(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(s.ensureDefaultScopes(ctx, s.Client, ui, scope), s.ensureDefaultScopes(ctx, s.CLIClient, cli, scope)); err != nil {
		return err
	}
	if err := s.ensureRoleScope(ctx, cli, ui); err != nil {
		return err
	}
	if err := s.ensureOdooClient(ctx); err != nil {
		return err
	}
	if err := s.ensureUsers(ctx, ui); err != nil {
		return err
	}
	return s.readSettings(ctx, ui)
}

// resource is one thing of the realm, as it is and as it is to be. Paths are below the realm.
type resource struct {
	kind, name     string
	have           rep // nil when there is none
	want           rep
	create, update string // where it is posted, and where it is put; "" for what is only ever made
	detail         string // what a new one is, for the plan
}

// ensureResource brings an item about and notes what that took. id is "" for what a dry run would create.
func (s *setup) ensureResource(ctx context.Context, it resource) (id string, err error) {
	merged, changed := merge(it.have, it.want)
	switch {
	case it.have == nil:
		return s.applyChange(ctx, http.MethodPost, it.create, merged, Change{Create, it.kind, it.name, it.detail})
	case len(changed) > 0 && it.update != "":
		_, err = s.applyChange(ctx, http.MethodPut, it.update, merged, Change{Update, it.kind, it.name, strings.Join(changed, "; ")})
	default:
		s.recordKept(it.kind, it.name)
	}
	return it.have.stringMember("id"), err
}

// applyChange sends what makes c true, except in a dry run, and notes it once it is. It gives the id of what was created.
func (s *setup) applyChange(ctx context.Context, method, path string, in any, c Change) (id string, err error) {
	if !s.DryRun {
		id, err = s.callAPI(ctx, method, path, in, nil)
	}
	if err == nil {
		s.Plan = append(s.Plan, c)
	}
	return id, err
}

func (s *setup) recordKept(kind, name string) { s.Plan = append(s.Plan, Change{Keep, kind, name, ""}) }

func (s *setup) addWarning(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// findEntry reads path below the realm and picks the element whose member name is value; nil when there is none.
// parent is the id of what the list belongs to: "" when a dry run would create it, and then there is no list.
func (s *setup) findEntry(ctx context.Context, parent, path, name, value string) (rep, error) {
	if s.realmMissing || parent == "" {
		return nil, nil
	}
	var list []rep
	if _, err := s.callAPI(ctx, http.MethodGet, s.realmPath+path, nil, &list); err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.stringMember(name) == value {
			return r, nil
		}
	}
	return nil, nil
}

// readSettings reads what the settings are made of.
func (s *setup) readSettings(ctx context.Context, ui string) error {
	s.Issuer = s.base + "/realms/" + url.PathEscape(s.Realm)
	if s.realmMissing {
		return nil
	}
	var secret struct {
		Value string `json:"value"`
	}
	if ui != "" {
		if _, err := s.callAPI(ctx, http.MethodGet, s.realmPath+"/clients/"+ui+"/client-secret", nil, &secret); err != nil {
			return err
		}
	}
	s.Secret = secret.Value
	var realm struct {
		Issuer string `json:"issuer"`
	}
	address := s.Issuer + "/.well-known/openid-configuration"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if _, err := s.sendRequest(req, &realm); err != nil {
		return fault.New(fault.Unavailable, "%s: %w", address, err)
	}
	s.Issuer = realm.Issuer
	return nil
}
