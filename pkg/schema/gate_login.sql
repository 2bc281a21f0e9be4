-- The login's part of the gate, asked by the login itself: RESET ROLE must not lead anywhere. $1, $2: the two roles it
-- may become.
WITH me AS (SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication, rolinherit FROM pg_roles WHERE rolname = session_user)
SELECT 'G01' AS rule, 'login is superuser' AS violation, rolname AS object FROM me WHERE rolsuper
UNION ALL SELECT 'G02', 'login has BYPASSRLS', rolname FROM me WHERE rolbypassrls
UNION ALL SELECT 'G05', 'login has CREATEROLE or REPLICATION', rolname FROM me WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G25', 'login may become ' || r.rolname || ', which is more than ' || $1 || ' and ' || $2, me.rolname FROM me, pg_roles r
  WHERE NOT me.rolsuper AND r.oid <> me.oid AND r.rolname NOT IN ($1, $2) AND pg_has_role(me.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G28', 'login may not become ' || r, me.rolname FROM me, unnest(ARRAY[$1, $2]) AS r
  WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) AND NOT pg_has_role(me.oid, r, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
UNION ALL SELECT 'G29', 'login has ' || p.priv || ' on a tenant table by itself', c.relname FROM me, pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(priv)
  WHERE NOT me.rolsuper AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND CASE WHEN p.priv IN ('DELETE', 'TRUNCATE') THEN has_table_privilege(me.oid, c.oid, p.priv) ELSE has_any_column_privilege(me.oid, c.oid, p.priv) END
    AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
ORDER BY 1, 3, 2
