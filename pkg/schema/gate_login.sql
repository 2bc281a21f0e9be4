-- The gate's checks of the login, run in a session of that login: RESET ROLE must give it no further privilege.
-- $1 and $2 are the two roles of which it must be a member.
WITH me AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = session_user
)
SELECT 'G01' AS rule, 'login is superuser' AS violation, rolname AS object FROM me WHERE rolsuper
UNION ALL SELECT 'G02', 'login has BYPASSRLS', rolname FROM me WHERE rolbypassrls
UNION ALL SELECT 'G05', 'login has CREATEROLE or REPLICATION', rolname FROM me WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G25',
  'login is a member of ' || r.rolname || '; it may be a member of ' || $1 || ' and ' || $2 || ' only', me.rolname
  FROM me, pg_roles r
  WHERE NOT me.rolsuper AND r.oid <> me.oid AND r.rolname NOT IN ($1, $2) AND pg_has_role(me.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G28', 'login cannot SET ROLE ' || r, me.rolname FROM me, unnest(ARRAY[$1, $2]) AS r
  WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) AND NOT pg_has_role(me.oid, r,
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
UNION ALL SELECT 'G29', 'login itself has ' || p.priv || ' on this tenant table', c.relname
  FROM me, pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(priv)
  WHERE NOT me.rolsuper AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND CASE WHEN p.priv IN ('DELETE', 'TRUNCATE') THEN has_table_privilege(me.oid, c.oid, p.priv)
      ELSE has_any_column_privilege(me.oid, c.oid, p.priv) END
    AND EXISTS (SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
ORDER BY 1, 3, 2
