-- The gate's checks of the login, run in a session of that login: RESET ROLE must give it no further privilege.
-- $1 and $2 are the two roles of which it must be a member, $3 is the owner of leadctl's tables.
WITH me AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = session_user
)
SELECT 'G01' AS rule, 'login is superuser' AS violation, rolname AS object, '' AS fix, false AS theirs
  FROM me WHERE rolsuper
UNION ALL SELECT 'G02', 'login has BYPASSRLS', rolname, '', false FROM me WHERE rolbypassrls
UNION ALL SELECT 'G05', 'login has CREATEROLE or REPLICATION', rolname, '', false
  FROM me WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G25',
  'login is a member of ' || r.rolname || '; it may be a member of ' || $1 || ' and ' || $2 || ' only', me.rolname,
  '', false FROM me, pg_roles r
  WHERE NOT me.rolsuper AND r.oid <> me.oid AND r.rolname NOT IN ($1, $2) AND pg_has_role(me.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G28', 'login cannot SET ROLE ' || r, me.rolname, '', false FROM me, unnest(ARRAY[$1, $2]) AS r
  WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) AND NOT pg_has_role(me.oid, r,
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
-- Tables of leadctl and, through a right of PUBLIC or of the login itself, tables of others with tenants' rows.
UNION ALL SELECT 'G29', 'login itself has ' || p.priv || ' on this table',
    CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END,
    coalesce(CASE c.relowner WHEN me.oid THEN format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, $3::text)
      ELSE (SELECT DISTINCT format('REVOKE ALL ON %I.%I FROM PUBLIC, %I', n.nspname, c.relname, me.rolname)
        FROM (SELECT c.relacl UNION SELECT a.attacl FROM pg_attribute a WHERE a.attrelid = c.oid) AS acl(items),
          aclexplode(items) g WHERE g.grantee IN (0, me.oid)) END, ''), false
  FROM me, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema',
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(priv)
  WHERE NOT me.rolsuper AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE WHEN p.priv IN ('DELETE', 'TRUNCATE') THEN has_table_privilege(me.oid, c.oid, p.priv)
      ELSE has_any_column_privilege(me.oid, c.oid, p.priv) END
    AND NOT (p.priv = 'SELECT' AND c.relname IN ('companies', 'leadctl_migrations', 'leadctl_schema_version'))
    AND (c.relowner = to_regrole($3::text) OR EXISTS (SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
ORDER BY 1, 3, 2
