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

// Options are the wanted state of the realm. Setup removes nothing,
// except permissions with which users could choose their tenant.
type Options struct {
	Realm       string
	CreateRealm bool // create a missing realm; otherwise Setup fails
	Client      string
	CLIClient   string
	OdooClient  string // "" means none
	Addresses   sso.Addresses
	Users       []User // users for development; missing ones are created with Password
	Password    string
	DryRun      bool // change nothing; the plan lists what Setup would change
}

// User is a user for development.
type User struct {
	Email  string
	Tenant string     // "" assigns none
	Roles  []sso.Role // empty assigns none
}

// The actions of a Change.
const (
	Create = "create"
	Update = "update"
	Keep   = "keep"
)

// Change is one line of a plan.
type Change struct {
	Action string `json:"action"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// Result is the state of the realm after Setup, or after a dry run the state that Setup would produce.
type Result struct {
	Plan     []Change
	Warnings []string
	Issuer   string // as in the realm's discovery document
	Secret   string // of Client; "" in a dry run that would create it
}

// Changed reports whether Setup wrote, or would write, anything.
func (r Result) Changed() bool {
	return slices.ContainsFunc(r.Plan, func(c Change) bool { return c.Action != Keep })
}

// setup is one run of Setup.
type setup struct {
	*Admin
	Options
	Result
	realmPath    string
	realmMissing bool // the realm does not exist yet, so nothing in it can be read
}

// Setup brings the realm to the state in opts. It reads each resource and writes it only if it differs, so that a
// second run changes nothing. It can be run again after an error; the Result lists what was done before the error.
// Faults: Invalid for wrong options, NotFound for a missing realm without CreateRealm, and those of the API calls.
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
		return fault.New(fault.Invalid, `realm %q: must not be empty or contain any of /?#%%`, o.Realm)
	case o.Realm == "master":
		return fault.New(fault.Invalid, "realm master: reserved for Keycloak's own administrators").
			WithHint("choose another realm with --realm")
	case o.Client == "" || o.CLIClient == "" || o.Client == o.CLIClient ||
		o.Client == o.OdooClient || o.CLIClient == o.OdooClient:
		return fault.New(fault.Invalid, "clients %q, %q, %q: names must differ and not be empty",
			o.Client, o.CLIClient, o.OdooClient)
	case len(o.Users) > 0 && o.Password == "" && !o.DryRun:
		return fault.New(fault.Invalid, "test users: a password is required")
	}
	for _, u := range o.Users {
		if err := u.validate(); err != nil {
			return err
		}
	}
	return nil
}

// String returns the user's tenant and roles.
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
	local, domain, ok := strings.Cut(u.Email, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(u.Email, " \t\r\n") {
		return fault.New(fault.Invalid, "user %q: must be an e-mail address", u.Email)
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
	err = s.ensureDefaultScopes(ctx, s.Client, ui, scope)
	if err = errors.Join(err, s.ensureDefaultScopes(ctx, s.CLIClient, cli, scope)); err != nil {
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

// resource is one resource of the realm, as it is and as it should be.
type resource struct {
	kind, name     string
	have           rep // nil if it does not exist
	want           rep
	create, update string // the paths to POST and PUT to; update is "" for a resource that is never updated
	detail         string // describes a new resource in the plan
}

// ensureResource creates or updates a resource if needed and adds a line to
// the plan. It returns the resource's id, or "" if a dry run would create it.
func (s *setup) ensureResource(ctx context.Context, it resource) (id string, err error) {
	merged, changed := merge(it.have, it.want)
	switch {
	case it.have == nil:
		return s.applyChange(ctx, http.MethodPost, it.create, merged, Change{Create, it.kind, it.name, it.detail})
	case len(changed) > 0 && it.update != "":
		c := Change{Update, it.kind, it.name, strings.Join(changed, "; ")}
		_, err = s.applyChange(ctx, http.MethodPut, it.update, merged, c)
	default:
		s.recordKept(it.kind, it.name)
	}
	return it.have.stringMember("id"), err
}

// applyChange sends a request, except in a dry run, and adds c to the
// plan if the request succeeds. It returns the id of a created resource.
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

// findEntry reads the list at path and returns the element whose member name is value, or nil. parent is the id of the
// resource that the list belongs to. If it is "", a dry run would create that resource, and the list is empty.
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

// readSettings reads the client secret and the issuer for the Result.
func (s *setup) readSettings(ctx context.Context, ui string) error {
	s.Issuer = s.base + "/realms/" + url.PathEscape(s.Realm)
	if s.realmMissing {
		return nil
	}
	var secret struct {
		Value string `json:"value"`
	}
	if ui != "" {
		path := s.realmPath + "/clients/" + ui + "/client-secret"
		if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &secret); err != nil {
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
