package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// joinRoles creates leadctl's roles and makes the migrating login a member of them.
func joinRoles(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, rolesSQL)
	return classifyError(err, "roles")
}

// leaveRoles ends the login's membership in leadctl's roles if it is a login of the platform's other services: as a
// member it could read every tenant's rows and secrets. Such a login owns table tenants, or adoption left it rights
// there. The next migration joins it again, because a login with CREATEROLE may do so. From PostgreSQL 16 on, it keeps
// the ADMIN OPTION on roles that it has created, without their rights; only a superuser can revoke that.
func leaveRoles(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `RESET ROLE;
DO $$
DECLARE r text;
BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) OR NOT EXISTS (
			SELECT 1 FROM pg_class c WHERE c.oid = to_regclass('public.tenants') AND (c.relowner = session_user::regrole
			OR EXISTS (SELECT 1 FROM aclexplode(c.relacl) g WHERE g.grantee = session_user::regrole))) THEN
		RETURN;
	END IF;
	FOREACH r IN ARRAY ARRAY['leadctl_owner', 'leadctl_app', 'leadctl_system'] LOOP
		IF pg_has_role(session_user, r, 'MEMBER') THEN
			EXECUTE format('REVOKE %I FROM %I', r, session_user);
		END IF;
	END LOOP;
END $$`)
	return classifyError(err, "membership in leadctl's roles")
}
