-- The gate: each row that this query returns is a violation. $1 is the role of tenants' transactions, $2 that of the
-- control plane. A tenant table is a table with a column tenant_id that is in schema public, or in any schema if one of
-- the two roles can use it. The result does not depend on the session's role, so CI, serve, doctor and migrate status
-- get the same list.
WITH roles AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname IN ($1, $2)
), bound AS ( -- roles that privileges restrict: a superuser has all of them, which G01 reports once
  SELECT oid, rolname FROM roles WHERE NOT rolsuper
), schemas AS ( -- all but PostgreSQL's own
  SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
  SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.reloptions, c.relname AS name,
    CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS relname, n.nspname,
    EXISTS (SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants
  FROM pg_class c JOIN schemas n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
), tenant_tables AS (
  SELECT * FROM relations rel WHERE relkind IN ('r', 'p') AND of_tenants
    AND (nspname = 'public' OR EXISTS (SELECT 1 FROM bound b
      WHERE has_any_column_privilege(b.oid, rel.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege(b.oid, rel.oid, 'DELETE')))
), policies AS (
  -- The expressions of permissive policies, because a RESTRICTIVE one only narrows. A policy of the control plane alone
  -- may be always true.
  SELECT p.polname, tt.relname, p.oid, e.expr
  FROM tenant_tables tt JOIN pg_policy p ON p.polrelid = tt.oid
  CROSS JOIN LATERAL (
    SELECT pg_get_expr(p.polqual, p.polrelid) AS expr UNION SELECT pg_get_expr(p.polwithcheck, p.polrelid)) e
  WHERE p.polpermissive AND e.expr IS NOT NULL
    AND p.polroles <> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = $2)]
), keys_without_tenant AS (
  SELECT tt.relname, tt.name, co.conname, co.contype, co.conkey, tt.oid
  FROM tenant_tables tt JOIN pg_constraint co ON co.conrelid = tt.oid AND co.contype IN ('u', 'p', 'x', 'f')
  WHERE NOT EXISTS (SELECT 1 FROM unnest(co.conkey) k
    JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attnum = k WHERE a.attname = 'tenant_id')
), control_plane(relname) AS (
  VALUES ('tenants'), ('tenant_users'), ('odoo_connections'), ('onboarding_status'), ('onboarding_steps'),
    ('audit_log'), ('removed_members')
), right_policy(pattern) AS (
  SELECT '^\((tenant_id|\(tenant_id\)::text) = (public\.)?(request_tenant\(\)'
    || '|current_setting\(''request\.tenant_id''::text, true\)'
    || '|\(?NULLIF\(current_setting\(''request\.tenant_id''::text, true\), ''''::text\)\)?(::integer|::bigint)?)\)$'
)
SELECT 'G00' AS rule, 'role does not exist' AS violation, r AS object
  FROM unnest(ARRAY[$1, $2]) r WHERE NOT EXISTS (SELECT 1 FROM roles WHERE rolname = r)
UNION ALL SELECT 'G01', 'role is superuser', rolname FROM roles WHERE rolsuper
UNION ALL SELECT 'G02', 'role has BYPASSRLS', rolname FROM roles WHERE rolbypassrls
UNION ALL SELECT 'G03', 'role is a member of the privileged role ' || r.rolname, b.rolname FROM bound b, pg_roles r
  WHERE r.oid <> b.oid AND pg_has_role(b.oid, r.oid, 'MEMBER') AND (r.rolsuper OR r.rolbypassrls
    OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
UNION ALL SELECT 'G04', b.rolname || ' owns this tenant table or is a member of its owner', tt.relname
  FROM tenant_tables tt, bound b WHERE pg_has_role(b.oid, tt.relowner, 'MEMBER')
UNION ALL SELECT 'G05', 'role has CREATEROLE or REPLICATION', rolname FROM roles WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G06', 'row security is not enabled', relname FROM tenant_tables WHERE NOT relrowsecurity
UNION ALL SELECT 'G07', 'row security is not forced', relname FROM tenant_tables
  WHERE relrowsecurity AND NOT relforcerowsecurity
UNION ALL SELECT 'G08', 'row security has no policy', relname FROM tenant_tables tt
  WHERE relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = tt.oid)
UNION ALL SELECT 'G09', 'policy ' || polname || ' is always true', relname
  FROM policies WHERE expr IN ('true', '(1 = 1)')
UNION ALL SELECT 'G10',
  'policy ' || polname || ' must compare tenant_id with the transaction''s tenant, but is ' || expr, relname
  FROM policies, right_policy WHERE expr NOT IN ('true', '(1 = 1)') AND expr !~ pattern
UNION ALL SELECT 'G11', 'policy uses the IMMUTABLE function ' || pr.proname, p.relname FROM policies p
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc pr ON pr.oid = d.refobjid WHERE pr.provolatile = 'i' AND pr.pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'G12', 'tenant_id is nullable', tt.relname FROM tenant_tables tt
  JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'tenant_id' WHERE NOT a.attnotnull
UNION ALL SELECT 'G13', 'view without security_invoker, readable by ' || b.rolname, rel.relname
  FROM relations rel, bound b WHERE rel.relkind = 'v' AND has_any_column_privilege(b.oid, rel.oid, 'SELECT')
    AND NOT coalesce(rel.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=yes',
      'security_invoker=1'], false)
UNION ALL SELECT 'G14', 'materialized view readable by ' || b.rolname, rel.relname FROM relations rel, bound b
  WHERE rel.relkind = 'm' AND has_any_column_privilege(b.oid, rel.oid, 'SELECT')
UNION ALL SELECT 'G15', 'SECURITY DEFINER function executable by ' || b.rolname, p.proname
  FROM pg_proc p JOIN schemas n ON n.oid = p.pronamespace, bound b
  WHERE p.prosecdef AND has_function_privilege(b.oid, p.oid, 'EXECUTE') AND has_schema_privilege(b.oid, n.oid, 'USAGE')
UNION ALL SELECT 'G16', 'key without tenant_id: ' || conname, relname FROM keys_without_tenant k
  WHERE contype IN ('u', 'p', 'x') AND relname <> 'tenants'
    AND NOT (contype = 'p' AND cardinality(conkey) = 1 AND (SELECT a.atttypid FROM pg_attribute a
      WHERE a.attrelid = k.oid AND a.attnum = conkey[1]) = 'uuid'::regtype)
UNION ALL SELECT 'G17', 'foreign key between tenant tables without tenant_id: ' || k.conname, k.relname
  FROM keys_without_tenant k JOIN pg_constraint co ON co.conrelid = k.oid AND co.conname = k.conname
  JOIN tenant_tables t2 ON t2.oid = co.confrelid WHERE k.contype = 'f'
UNION ALL SELECT 'G18', p.priv || ' granted to ' || b.rolname, tt.relname
  FROM tenant_tables tt, bound b, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(priv)
  WHERE has_table_privilege(b.oid, tt.oid, p.priv)
UNION ALL SELECT 'G19', 'a role or database has a default setting: ' || s,
  coalesce(r.rolname::text, d.datname::text, 'every role')
  FROM pg_db_role_setting g CROSS JOIN unnest(g.setconfig) s
  LEFT JOIN pg_roles r ON r.oid = g.setrole LEFT JOIN pg_database d ON d.oid = g.setdatabase
  WHERE (g.setdatabase = 0 OR d.datname = current_database()) AND (s ILIKE 'request.%' OR s ILIKE 'row\_security=%'
    OR s ILIKE 'role=%' OR s ILIKE 'session\_replication\_role=%')
UNION ALL SELECT 'G21', 'partition without row security, readable by ' || b.rolname, c.relname
  FROM relations c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN tenant_tables tt ON tt.oid = i.inhparent, bound b
  WHERE has_any_column_privilege(b.oid, c.oid, 'SELECT') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL SELECT 'G22', b.rolname || ' may create objects', 'schema public'
  FROM bound b WHERE has_schema_privilege(b.oid, 'public', 'CREATE')
UNION ALL SELECT 'G23', 'unique index without tenant_id: ' || ic.relname, tt.relname
  FROM tenant_tables tt JOIN pg_index ix ON ix.indrelid = tt.oid AND ix.indisunique
  JOIN pg_class ic ON ic.oid = ix.indexrelid
  WHERE tt.relname <> 'tenants' AND NOT EXISTS (SELECT 1 FROM pg_constraint co WHERE co.conindid = ix.indexrelid)
    AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = tt.oid
      AND a.attnum = ANY (ix.indkey[0:ix.indnkeyatts - 1]) AND a.attname = 'tenant_id')
UNION ALL SELECT 'G24', 'index is INVALID', ic.relname FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid
  WHERE NOT ix.indisvalid AND ic.relnamespace = 'public'::regnamespace
-- From here on, rules that only leadctl needs. The control plane has no privilege on lead data; no tenant reads a
-- stored secret; policies use the function that the migrations made; only the owner reads the rows that adoption set
-- aside; the server's files and programs cannot be reached.
UNION ALL SELECT 'G26', p.priv || ' on lead data granted to ' || b.rolname, tt.relname
  FROM tenant_tables tt, bound b, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(priv)
  WHERE b.rolname = $2 AND tt.relname NOT IN (SELECT relname FROM control_plane)
    AND CASE p.priv WHEN 'DELETE' THEN has_table_privilege(b.oid, tt.oid, p.priv)
      ELSE has_any_column_privilege(b.oid, tt.oid, p.priv) END
UNION ALL SELECT DISTINCT 'G27', 'column secret readable by ' || b.rolname, tt.relname FROM tenant_tables tt
  JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname IN ('secret', 'pending_secret')
    AND NOT a.attisdropped, bound b
  WHERE b.rolname = $1 AND has_column_privilege(b.oid, tt.oid, a.attnum, 'SELECT')
UNION ALL SELECT DISTINCT 'G30', 'policies use this function, which differs from the one that the migrations made',
  pr.oid::regprocedure::text FROM policies p
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc pr ON pr.oid = d.refobjid AND pr.proname = 'request_tenant'
  WHERE pr.pronamespace <> 'public'::regnamespace OR pr.provolatile <> 's' OR pr.prosecdef OR pr.proconfig IS NOT NULL
    OR pr.prorettype <> 'integer'::regtype OR pg_get_function_sqlbody(pr.oid)
      IS DISTINCT FROM 'RETURN (NULLIF(current_setting(''request.tenant_id''::text, true), ''''::text))::integer'
UNION ALL SELECT 'G31', 'rows set aside by adoption are readable by ' || b.rolname, rel.relname
  FROM relations rel, bound b WHERE rel.nspname = 'public' AND rel.relname LIKE '%\_unassigned'
    AND has_any_column_privilege(b.oid, rel.oid, 'SELECT')
UNION ALL SELECT DISTINCT 'G32', 'function for server files executable by ' || b.rolname, p.proname
  FROM bound b, pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
    AND has_function_privilege(b.oid, p.oid, 'EXECUTE')
    AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export')
ORDER BY 1, 3, 2
