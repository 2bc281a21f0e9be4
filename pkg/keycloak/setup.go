package keycloak

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Options are the wanted state of the realm. Setup removes only permissions that let users choose their tenant.
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
	ui, err := s.ensureClients(ctx)
	if err != nil {
		return err
	}
	if err := s.ensureUsers(ctx, ui); err != nil {
		return err
	}
	return s.readSettings(ctx, ui)
}

// ensureClients creates or updates all clients and the client scope. It returns the id of the UI's client.
func (s *setup) ensureClients(ctx context.Context) (ui string, err error) {
	if ui, err = s.ensureUIClient(ctx); err != nil {
		return "", err
	}
	scope, err := s.ensureScope(ctx)
	if err != nil {
		return "", err
	}
	cli, err := s.ensureCLIClient(ctx)
	if err != nil {
		return "", err
	}
	err = s.ensureDefaultScopes(ctx, s.Client, ui, scope)
	if err = errors.Join(err, s.ensureDefaultScopes(ctx, s.CLIClient, cli, scope)); err != nil {
		return "", err
	}
	if err := s.ensureRoleScope(ctx, cli, ui); err != nil {
		return "", err
	}
	return ui, s.ensureOdooClient(ctx)
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
