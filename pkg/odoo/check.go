package odoo

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Report is what `odoo test` prints.
type Report struct {
	BaseURL string  `json:"base_url"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	Paths   []Check `json:"provisioning"` // the ways of making databases, open or closed
}

// Err is the first failed check's error. A closed way of provisioning counts only when no other is open.
func (r Report) Err() error {
	for _, c := range r.Checks {
		if c.Err != nil {
			return c.Err
		}
	}
	return nil
}

// Login is an account to try: leadctl's own in a tenant's workspace, or any that an operator names.
type Login struct {
	Database, Login string
	Secret          Secret
}

// Test tries what leadctl needs from this server, one thing after the other: the version, then with who != nil the sign-in and
// one marked partner's life, each timed. paths are provisioners whose ways are tried as well, without making anything.
func (s *Server) Test(ctx context.Context, who *Login, paths ...*Provisioner) Report {
	r := Report{BaseURL: s.base}
	t := trial{}
	t.do("version", func() error {
		v, err := s.Version(ctx)
		r.Version = v.Name
		return err
	})
	if who != nil {
		var session *Session
		t.do("sign in", func() (err error) { session, err = s.open(ctx, *who); return })
		if t.err == nil {
			session.roundTrip(ctx, &t)
		}
	}
	r.Checks = t.checks
	for _, p := range paths {
		r.Paths = append(r.Paths, p.maker.checks(ctx)...)
	}
	return r
}

func (s *Server) open(ctx context.Context, who Login) (*Session, error) {
	uid, ok, err := s.Authenticate(ctx, who.Database, who.Login, who.Secret)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Denied, "Odoo account %s in %s: credentials refused", who.Login, who.Database).
			WithCode(CodeAccessDenied)
	}
	return s.Session(who.Database, uid, who.Secret), nil
}

// timed makes one Check of one question.
func timed(name string, ask func() (string, error)) Check {
	start := time.Now()
	found, err := ask()
	return Check{Name: name, Detail: found, Took: time.Since(start), Err: err, Closed: err != nil}
}

// checks: the cluster answers, the role may create databases, and the template is ready.
func (c *cluster) checks(ctx context.Context) []Check {
	return []Check{timed("raw clone", func() (string, error) {
		conn, err := c.connect(ctx, "")
		if err != nil {
			return "", err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		var allowed bool
		if err := conn.QueryRow(ctx, `SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&allowed); err != nil {
			return "", clusterFault("role", err)
		}
		if !allowed {
			return "", fault.New(fault.Operator, "Odoo PostgreSQL: the role may not create databases").WithCode(CodeMisconfig).
				WithHint("the role of ODOO_POSTGRES_DSN needs CREATEDB and membership in Odoo's role")
		}
		t, err := lookup(ctx, conn, c.template)
		if err != nil {
			return "", err
		}
		if !t.exists || !t.locked {
			return "", notPrepared(c.template)
		}
		return "template " + c.template + " is locked and ready", nil
	})}
}

// checks: the service answers, takes the master password, and shows whether there is a template to copy.
func (m *manager) checks(ctx context.Context) []Check {
	return []Check{timed("database service", func() (string, error) {
		// Dropping a name that cannot exist changes nothing, and is the one question whose answer depends on the master password.
		if _, err := m.databases.Drop(ctx, "leadctl_no_such_"+string(NewSecret())); err != nil {
			return "", m.serviceFault(err)
		}
		return "master password accepted" + noBackstop, nil
	})}
}

// noBackstop is what an operator shall know of a database that only Odoo was asked to make: an index is SQL's to make.
const noBackstop = "; without ODOO_POSTGRES_DSN no unique index keeps a company (x_uen) from being two contacts"
