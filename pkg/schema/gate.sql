-- The gate: every row is a violation. $1 is the role that tenants' work runs as, $2 the control plane's.
-- A tenant table is a table with a column tenant_id that lies in schema public, or anywhere the two roles can reach it.
-- Nothing here depends on who asks, so CI, serve, doctor and migrate status all see the same list.
WITH me AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname IN ($1, $2)
), mortal AS ( -- a superuser has every right; G01 says that once instead of every rule below
  SELECT oid, rolname FROM me WHERE NOT rolsuper
), users AS ( -- schemas that are not PostgreSQL's own
  SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), rel AS (
  SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.reloptions, c.relname AS name,
    CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS relname, n.nspname,
    EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants
  FROM pg_class c JOIN users n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
), tt AS (
  SELECT * FROM rel WHERE relkind IN ('r', 'p') AND of_tenants
    AND (nspname = 'public' OR EXISTS (SELECT 1 FROM mortal WHERE has_any_column_privilege(mortal.oid, rel.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(mortal.oid, rel.oid, 'DELETE')))
), pol AS (
  -- Policies that may be always true belong to the control plane alone. RESTRICTIVE ones only narrow.
  SELECT p.polname, tt.relname, p.oid, e.expr
  FROM tt JOIN pg_policy p ON p.polrelid = tt.oid
  CROSS JOIN LATERAL (SELECT pg_get_expr(p.polqual, p.polrelid) AS expr UNION SELECT pg_get_expr(p.polwithcheck, p.polrelid)) e
  WHERE p.polpermissive AND e.expr IS NOT NULL
    AND p.polroles <> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = $2)]
), keyed AS ( -- unique constraints and indexes, and whether the tenant is in them
  SELECT tt.relname, tt.name, co.conname, co.contype, co.conkey, tt.oid FROM tt JOIN pg_constraint co ON co.conrelid = tt.oid AND co.contype IN ('u', 'p', 'x', 'f')
  WHERE NOT EXISTS (SELECT 1 FROM unnest(co.conkey) k JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attnum = k WHERE a.attname = 'tenant_id')
), control_plane(relname) AS (
  VALUES ('tenants'), ('tenant_users'), ('odoo_connections'), ('onboarding_status'), ('onboarding_steps'), ('audit_log')
), right_policy(pattern) AS (
  VALUES ('^\((tenant_id|\(tenant_id\)::text) = (public\.)?(request_tenant\(\)|current_setting\(''request\.tenant_id''::text, true\)|\(?NULLIF\(current_setting\(''request\.tenant_id''::text, true\), ''''::text\)\)?(::integer|::bigint)?)\)$')
)
SELECT 'G00' AS rule, 'role is missing' AS violation, r AS object FROM unnest(ARRAY[$1, $2]) r WHERE NOT EXISTS (SELECT 1 FROM me WHERE rolname = r)
UNION ALL SELECT 'G01', 'role is superuser', rolname FROM me WHERE rolsuper
UNION ALL SELECT 'G02', 'role has BYPASSRLS', rolname FROM me WHERE rolbypassrls
UNION ALL SELECT 'G03', 'role may become the privileged role ' || r.rolname, mortal.rolname FROM mortal, pg_roles r
  WHERE r.oid <> mortal.oid AND (r.rolsuper OR r.rolbypassrls OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
    AND pg_has_role(mortal.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G04', mortal.rolname || ' owns, or may become the owner of, a tenant table', tt.relname FROM tt, mortal WHERE pg_has_role(mortal.oid, tt.relowner, 'MEMBER')
UNION ALL SELECT 'G05', 'role has CREATEROLE or REPLICATION', rolname FROM me WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G06', 'row security is not enabled', relname FROM tt WHERE NOT relrowsecurity
UNION ALL SELECT 'G07', 'row security is not forced', relname FROM tt WHERE relrowsecurity AND NOT relforcerowsecurity
UNION ALL SELECT 'G08', 'row security without any policy', relname FROM tt WHERE relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = tt.oid)
UNION ALL SELECT 'G09', 'always-true policy ' || polname, relname FROM pol WHERE expr IN ('true', '(1 = 1)')
UNION ALL SELECT 'G10', 'policy ' || polname || ' is not the comparison of tenant_id with this transaction''s tenant: ' || expr, relname FROM pol, right_policy
  WHERE expr NOT IN ('true', '(1 = 1)') AND expr !~ pattern
UNION ALL SELECT 'G11', 'policy uses the IMMUTABLE function ' || pr.proname, pol.relname FROM pol
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = pol.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc pr ON pr.oid = d.refobjid WHERE pr.provolatile = 'i' AND pr.pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'G12', 'tenant_id is nullable', tt.relname FROM tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'tenant_id' WHERE NOT a.attnotnull
UNION ALL SELECT 'G13', 'view without security_invoker, readable by ' || mortal.rolname, rel.relname FROM rel, mortal
  WHERE rel.relkind = 'v' AND has_any_column_privilege(mortal.oid, rel.oid, 'SELECT')
    AND NOT coalesce(rel.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=yes', 'security_invoker=1'], false)
UNION ALL SELECT 'G14', 'materialized view readable by ' || mortal.rolname, rel.relname FROM rel, mortal WHERE rel.relkind = 'm' AND has_any_column_privilege(mortal.oid, rel.oid, 'SELECT')
UNION ALL SELECT 'G15', 'SECURITY DEFINER function executable by ' || mortal.rolname, p.proname FROM pg_proc p JOIN users n ON n.oid = p.pronamespace, mortal
  WHERE p.prosecdef AND has_function_privilege(mortal.oid, p.oid, 'EXECUTE') AND has_schema_privilege(mortal.oid, n.oid, 'USAGE')
UNION ALL SELECT 'G16', 'key without tenant_id: ' || conname, relname FROM keyed WHERE contype IN ('u', 'p', 'x') AND relname <> 'tenants'
    AND NOT (contype = 'p' AND cardinality(conkey) = 1 AND (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = keyed.oid AND a.attnum = conkey[1]) = 'uuid'::regtype)
UNION ALL SELECT 'G17', 'foreign key between tenant tables without tenant_id: ' || k.conname, k.relname FROM keyed k
  JOIN pg_constraint co ON co.conrelid = k.oid AND co.conname = k.conname JOIN tt t2 ON t2.oid = co.confrelid WHERE k.contype = 'f'
UNION ALL SELECT 'G18', p.priv || ' granted to ' || mortal.rolname, tt.relname FROM tt, mortal, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(priv)
  WHERE has_table_privilege(mortal.oid, tt.oid, p.priv)
UNION ALL SELECT 'G19', 'a default is set for a role or database: ' || s, coalesce(r.rolname::text, d.datname::text, 'every role')
  FROM pg_db_role_setting g CROSS JOIN unnest(g.setconfig) s LEFT JOIN pg_roles r ON r.oid = g.setrole LEFT JOIN pg_database d ON d.oid = g.setdatabase
  WHERE (s ILIKE 'request.%' OR s ILIKE 'row\_security=%' OR s ILIKE 'role=%' OR s ILIKE 'session\_replication\_role=%') AND (g.setdatabase = 0 OR d.datname = current_database())
UNION ALL SELECT 'G21', 'partition without row security, readable by ' || mortal.rolname, c.relname FROM rel c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN tt ON tt.oid = i.inhparent, mortal
  WHERE has_any_column_privilege(mortal.oid, c.oid, 'SELECT') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL SELECT 'G22', mortal.rolname || ' may create objects', 'schema public' FROM mortal WHERE has_schema_privilege(mortal.oid, 'public', 'CREATE')
UNION ALL SELECT 'G23', 'unique index without tenant_id: ' || ic.relname, tt.relname FROM tt JOIN pg_index ix ON ix.indrelid = tt.oid AND ix.indisunique JOIN pg_class ic ON ic.oid = ix.indexrelid
  WHERE tt.relname <> 'tenants' AND NOT EXISTS (SELECT 1 FROM pg_constraint co WHERE co.conindid = ix.indexrelid)
    AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = tt.oid AND a.attnum = ANY (ix.indkey[0:ix.indnkeyatts - 1]) AND a.attname = 'tenant_id')
UNION ALL SELECT 'G24', 'index is INVALID', ic.relname FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid WHERE NOT ix.indisvalid AND ic.relnamespace = 'public'::regnamespace
-- Ours, beyond the usual list. The control plane has no right on lead data; no tenant reads a stored secret; the function
-- that policies compare with is the one that the migrations made; what adoption set aside is for the owner's eyes; the
-- server's files and programs are out of reach.
UNION ALL SELECT 'G26', p.priv || ' on lead data granted to ' || mortal.rolname, tt.relname FROM tt, mortal, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(priv)
  WHERE mortal.rolname = $2 AND tt.relname NOT IN (SELECT relname FROM control_plane)
    AND CASE p.priv WHEN 'DELETE' THEN has_table_privilege(mortal.oid, tt.oid, p.priv) ELSE has_any_column_privilege(mortal.oid, tt.oid, p.priv) END
UNION ALL SELECT DISTINCT 'G27', 'column secret readable by ' || mortal.rolname, tt.relname FROM tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname IN ('secret', 'pending_secret') AND NOT a.attisdropped, mortal
  WHERE mortal.rolname = $1 AND has_column_privilege(mortal.oid, tt.oid, a.attnum, 'SELECT')
UNION ALL SELECT DISTINCT 'G30', 'policies compare with another function of this name than the migrations made', p.oid::regprocedure::text FROM pol
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = pol.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc p ON p.oid = d.refobjid AND p.proname = 'request_tenant'
  WHERE p.pronamespace <> 'public'::regnamespace OR p.provolatile <> 's' OR p.prosecdef OR p.proconfig IS NOT NULL OR p.prorettype <> 'integer'::regtype
    OR pg_get_function_sqlbody(p.oid) IS DISTINCT FROM 'RETURN (NULLIF(current_setting(''request.tenant_id''::text, true), ''''::text))::integer'
UNION ALL SELECT 'G31', 'rows set aside by adoption readable by ' || mortal.rolname, rel.relname FROM rel, mortal
  WHERE rel.nspname = 'public' AND rel.relname LIKE '%\_unassigned' AND has_any_column_privilege(mortal.oid, rel.oid, 'SELECT')
UNION ALL SELECT DISTINCT 'G32', 'server function executable by ' || mortal.rolname, p.proname FROM mortal, pg_proc p
  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege(mortal.oid, p.oid, 'EXECUTE')
    AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export')
ORDER BY 1, 3, 2
