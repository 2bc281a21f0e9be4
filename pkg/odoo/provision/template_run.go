package provision

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// templateRun is one run of PrepareTemplate.
type templateRun struct {
	server  *odoo.Server
	t       Template
	cluster *cluster // nil without ClusterDSN
	service *odoo.Databases
	steps   checkList

	db      string // the database to work on: the final name when it exists already, else the provisional one
	ready   bool
	session *odoo.Session
}

func newTemplateRun(server *odoo.Server, t Template) (*templateRun, error) {
	b := &templateRun{server: server, t: t, service: server.Databases(t.Master)}
	if !databaseName.MatchString(t.Name) {
		return nil, fault.New(fault.Operator, "Odoo template database %q: not of the form [a-z][a-z0-9_]{1,50}",
			t.Name).WithCode(odoo.CodeMisconfig)
	}
	if t.ClusterDSN != "" {
		var err error
		if b.cluster, err = newCluster(Provisioning{ClusterDSN: t.ClusterDSN, Template: t.Name}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// comment is the comment of a locked template in PostgreSQL's catalog. It says the version, because no session can open
// the template to read it.
func (t Template) comment() string { return "leadctl template " + t.version() }

// findDatabase finds the database to work on. It unlocks one of leadctl's templates that is out of date.
func (b *templateRun) findDatabase(ctx context.Context) error {
	exists, err := b.lookupDatabase(ctx, b.t.Name)
	if err != nil {
		return err
	}
	b.db = b.t.Name
	if !exists.exists {
		b.db += provisionalSuffix
		return nil
	}
	if !exists.locked {
		return nil
	}
	if b.ready = exists.comment == b.t.comment(); b.ready {
		return nil
	}
	if exists.comment == "" && !b.t.Adopt {
		return b.foreignTemplate("it is locked and has no comment of leadctl")
	}
	return b.onCluster(ctx, func(admin *pgx.Conn) error {
		_, err := admin.Exec(ctx, "ALTER DATABASE "+quoteName(b.db)+" IS_TEMPLATE false ALLOW_CONNECTIONS true")
		return err
	})
}

func (b *templateRun) foreignTemplate(why string) error {
	return fault.New(fault.Operator, "Odoo template database %s: exists, but %s", b.t.Name,
		why).WithCode(odoo.CodeForeign).
		WithHint("choose another name, or prepare that database with --adopt")
}

// lookupDatabase looks into PostgreSQL's catalog, which has locked databases too. Without ClusterDSN it asks Odoo.
func (b *templateRun) lookupDatabase(ctx context.Context, name string) (f databaseState, err error) {
	if b.cluster == nil {
		f.exists, err = b.service.Exists(ctx, name)
		return f, err
	}
	err = b.onCluster(ctx, func(admin *pgx.Conn) error {
		f, err = lookupDatabase(ctx, admin, name)
		return err
	})
	return f, err
}

func (b *templateRun) onCluster(ctx context.Context, work func(*pgx.Conn) error) error {
	admin, err := b.cluster.connect(ctx, "")
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	return clusterFault("template "+b.t.Name, work(admin))
}

// ensureDatabase makes the provisional database. It first drops one that Odoo did not finish, because that one accepts
// admin/admin and cannot be repaired.
func (b *templateRun) ensureDatabase(ctx context.Context) error {
	there, err := b.lookupDatabase(ctx, b.db)
	if err != nil {
		return err
	}
	if there.exists {
		begun, err := b.isBegun(ctx)
		if err != nil {
			return err
		}
		switch {
		case begun || b.t.Adopt && b.db == b.t.Name:
			return nil
		case b.db == b.t.Name:
			return b.foreignTemplate("leadctl did not make it")
		}
		if _, err := b.service.Drop(ctx, b.db); err != nil {
			return err
		}
	}
	password := b.t.Secret
	if password == "" {
		password = odoo.NewSecret() // not needed again: SQL opens the database
	}
	if err := b.service.Create(ctx, b.db, b.t.Language, b.t.Login, password); err != nil {
		return err
	}
	return b.requireComplete(ctx, password)
}

// requireComplete checks that Odoo finished the database, because Odoo's "true" does not prove it. In a finished
// database the configured password works; in a half-made one admin/admin works.
func (b *templateRun) requireComplete(ctx context.Context, password odoo.Secret) error {
	_, ok, err := b.server.Authenticate(ctx, b.db, b.t.Login, password)
	if err != nil {
		return err
	}
	_, half, err := b.server.Authenticate(ctx, b.db, "admin", "admin")
	if err == nil && (!ok || half) {
		err = fault.New(fault.Unavailable, "Odoo database %s: Odoo did not finish it; the next attempt drops it", b.db)
	}
	return err
}

// isBegun reports whether an earlier run began work on the database. Without the mark, and when the database cannot be
// read, Odoo did not finish it.
func (b *templateRun) isBegun(ctx context.Context) (bool, error) {
	if b.cluster == nil {
		s, ok, err := b.openAsAdministrator(ctx)
		if err != nil || !ok {
			return false, err
		}
		mark, err := s.Parameter(ctx, begunKey)
		return mark != "", err
	}
	conn, err := b.cluster.connect(ctx, b.db)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	mark, err := readParameter(ctx, conn, begunKey)
	return mark != "", err
}

// markBegun marks the database as begun. It returns an error for another installation's shared database, which leadctl
// must not prepare.
func (b *templateRun) markBegun(ctx context.Context) error {
	owner, err := b.session.Parameter(ctx, markerKey)
	if err != nil {
		return err
	}
	if owner != "" && !(b.t.Shared && owner == sharedMarker(b.t.Installation)) {
		return b.foreignTemplate("its marker names another owner")
	}
	if b.t.Shared && owner == "" { // a shared database gets its marker before this one
		if made, err := b.session.Parameter(ctx, templateKey); err != nil {
			return err
		} else if made != "" {
			return b.foreignTemplate("it is a template that workspaces are cloned from")
		}
	}
	return b.session.EnsureParameter(ctx, begunKey, b.t.version())
}

func (b *templateRun) openAsAdministrator(ctx context.Context) (*odoo.Session, bool, error) {
	return b.server.Open(ctx, odoo.Account{Database: b.db, Login: b.t.Login, Secret: b.t.Secret})
}

// signIn opens the database as its administrator: with ClusterDSN by a key that exists only during the work, else with
// the configured password.
func (b *templateRun) signIn(ctx context.Context) error {
	if b.cluster != nil {
		return b.signInByKey(ctx)
	}
	s, ok, err := b.openAsAdministrator(ctx)
	if err == nil && !ok {
		err = fault.New(fault.Operator, "Odoo template account %s: credentials refused by %s", b.t.Login,
			b.db).WithCode(odoo.CodeMisconfig)
	}
	b.session = s
	return err
}

const templateKeyName = "leadctl template"

func (b *templateRun) signInByKey(ctx context.Context) error {
	key := odoo.NewSecret()
	hash, err := hashSecret(key, keyRounds)
	if err != nil {
		return err
	}
	conn, err := b.cluster.connect(ctx, b.db)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var uid int64
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx,
			`SELECT res_id FROM ir_model_data WHERE module = 'base' AND name = 'user_admin'`).Scan(&uid); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO res_users_apikeys (name, user_id, scope, key, index, create_date)
			VALUES ($1, $2, NULL, $3, $4, now() AT TIME ZONE 'utc')`,
			templateKeyName, uid, hash, string(key[:keyIndexLength]))
		return err
	})
	if err != nil {
		return clusterFault("account of "+b.db, err)
	}
	account := odoo.Account{Database: b.db, Secret: key, Key: true, UID: uid, Over: odoo.ProtocolJSON2}
	version, err := b.server.CachedVersion(ctx)
	if err == nil && version.XMLRPC { // unlike JSON-2, XML-RPC reaches databases that Odoo's dbfilter hides
		account.Over = odoo.ProtocolXMLRPC
	}
	if err == nil {
		b.session, _, err = b.server.Open(ctx, account)
	}
	return err
}
