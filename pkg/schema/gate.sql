-- The gate: every row is a violation. $1 is the role that tenants' work runs as, $2 the control plane's.
-- A tenant table is any table of schema public with a column tenant_id. Nothing here depends on who asks, so CI, serve,
-- doctor and migrate status all see the same list.
WITH me AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname IN ($1, $2)
), tt AS (
  SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner
  FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
), pol AS (
  -- Policies that may be always true belong to the control plane alone. RESTRICTIVE ones only narrow.
  SELECT p.polname, tt.relname, p.oid, e.expr
  FROM tt JOIN pg_policy p ON p.polrelid = tt.oid
  CROSS JOIN LATERAL (SELECT pg_get_expr(p.polqual, p.polrelid) AS expr UNION SELECT pg_get_expr(p.polwithcheck, p.polrelid)) e
  WHERE p.polpermissive AND e.expr IS NOT NULL
    AND p.polroles <> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = $2)]
), control_plane(relname) AS (
  VALUES ('tenants'), ('tenant_users'), ('odoo_connections'), ('onboarding_status'), ('onboarding_steps'), ('audit_log')
)
SELECT 'G00' AS rule, 'role is missing' AS violation, r AS object FROM unnest(ARRAY[$1, $2]) r WHERE NOT EXISTS (SELECT 1 FROM me WHERE rolname = r)
UNION ALL SELECT 'G01', 'role is superuser', rolname FROM me WHERE rolsuper
UNION ALL SELECT 'G02', 'role has BYPASSRLS', rolname FROM me WHERE rolbypassrls
UNION ALL SELECT 'G03', 'role may become the privileged role ' || r.rolname, me.rolname FROM me, pg_roles r
  WHERE r.oid <> me.oid AND (r.rolsuper OR r.rolbypassrls) AND NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G04', me.rolname || ' owns, or may become the owner of, a tenant table', tt.relname FROM tt, me WHERE NOT me.rolsuper AND pg_has_role(me.oid, tt.relowner, 'MEMBER')
UNION ALL SELECT 'G05', 'role has CREATEROLE or REPLICATION', rolname FROM me WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G06', 'row security is not enabled', relname FROM tt WHERE NOT relrowsecurity
UNION ALL SELECT 'G07', 'row security is not forced', relname FROM tt WHERE relrowsecurity AND NOT relforcerowsecurity
UNION ALL SELECT 'G08', 'row security without any policy', relname FROM tt WHERE relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = tt.oid)
UNION ALL SELECT 'G09', 'always-true policy ' || polname, relname FROM pol WHERE expr IN ('true', '(1 = 1)')
UNION ALL SELECT 'G10', 'policy ' || polname || ' is not the comparison of tenant_id with this transaction''s tenant: ' || expr, relname FROM pol
  WHERE expr NOT IN ('true', '(1 = 1)')
    AND expr !~ '^\((tenant_id|\(tenant_id\)::text) = (public\.)?(request_tenant\(\)|current_setting\(''request\.tenant_id''::text, true\)|\(?NULLIF\(current_setting\(''request\.tenant_id''::text, true\), ''''::text\)\)?(::integer|::bigint)?)\)$'
UNION ALL SELECT 'G11', 'policy uses the IMMUTABLE function ' || pr.proname, pol.relname FROM pol
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = pol.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc pr ON pr.oid = d.refobjid WHERE pr.provolatile = 'i' AND pr.pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'G12', 'tenant_id is nullable', tt.relname FROM tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'tenant_id' WHERE NOT a.attnotnull
UNION ALL SELECT 'G13', 'view without security_invoker, readable by ' || me.rolname, c.relname FROM pg_class c, me
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND NOT me.rolsuper AND has_table_privilege(me.oid, c.oid, 'SELECT')
    AND NOT coalesce(c.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
UNION ALL SELECT 'G14', 'materialized view readable by ' || me.rolname, c.relname FROM pg_class c, me
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'm' AND NOT me.rolsuper AND has_table_privilege(me.oid, c.oid, 'SELECT')
UNION ALL SELECT 'G15', 'SECURITY DEFINER function executable by ' || me.rolname, p.proname FROM pg_proc p, me
  WHERE p.pronamespace IN ('public'::regnamespace, coalesce(to_regnamespace('river'), 'public'::regnamespace)) AND p.prosecdef
    AND NOT me.rolsuper AND has_function_privilege(me.oid, p.oid, 'EXECUTE')
UNION ALL SELECT 'G16', 'key without tenant_id: ' || co.conname, tt.relname FROM tt JOIN pg_constraint co ON co.conrelid = tt.oid AND co.contype IN ('u', 'p')
  WHERE tt.relname <> 'tenants'
    AND NOT EXISTS (SELECT 1 FROM unnest(co.conkey) k JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attnum = k WHERE a.attname = 'tenant_id')
    AND NOT (co.contype = 'p' AND cardinality(co.conkey) = 1 AND (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = tt.oid AND a.attnum = co.conkey[1]) = 'uuid'::regtype)
UNION ALL SELECT 'G17', 'foreign key between tenant tables without tenant_id: ' || co.conname, tt.relname FROM tt
  JOIN pg_constraint co ON co.conrelid = tt.oid AND co.contype = 'f' JOIN tt t2 ON t2.oid = co.confrelid
  WHERE NOT EXISTS (SELECT 1 FROM unnest(co.conkey) k JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attnum = k WHERE a.attname = 'tenant_id')
UNION ALL SELECT 'G18', p.priv || ' granted to ' || me.rolname, tt.relname FROM tt, me, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(priv)
  WHERE NOT me.rolsuper AND has_table_privilege(me.oid, tt.oid, p.priv)
UNION ALL SELECT 'G19', 'a default is set for a role or database: ' || s, coalesce(r.rolname::text, d.datname::text, 'every role')
  FROM pg_db_role_setting g CROSS JOIN unnest(g.setconfig) s LEFT JOIN pg_roles r ON r.oid = g.setrole LEFT JOIN pg_database d ON d.oid = g.setdatabase
  WHERE (s ILIKE 'request.%' OR s ILIKE 'row\_security%' OR s ILIKE 'role=%') AND (g.setdatabase = 0 OR d.datname = current_database())
UNION ALL SELECT 'G21', 'partition without row security, readable by ' || me.rolname, c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN tt ON tt.oid = i.inhparent, me
  WHERE NOT me.rolsuper AND has_table_privilege(me.oid, c.oid, 'SELECT') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL SELECT 'G22', me.rolname || ' may create objects', 'schema public' FROM me WHERE NOT me.rolsuper AND has_schema_privilege(me.oid, 'public', 'CREATE')
UNION ALL SELECT 'G23', 'unique index without tenant_id: ' || ic.relname, tt.relname FROM tt JOIN pg_index ix ON ix.indrelid = tt.oid AND ix.indisunique JOIN pg_class ic ON ic.oid = ix.indexrelid
  WHERE tt.relname <> 'tenants' AND NOT EXISTS (SELECT 1 FROM pg_constraint co WHERE co.conindid = ix.indexrelid) AND pg_get_indexdef(ix.indexrelid) NOT LIKE '%tenant_id%'
UNION ALL SELECT 'G24', 'index is INVALID', ic.relname FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid WHERE NOT ix.indisvalid AND ic.relnamespace = 'public'::regnamespace
-- Ours, beyond the usual list: the control plane has no right on lead data, and no tenant reads a stored secret.
UNION ALL SELECT 'G26', p.priv || ' on lead data granted to ' || me.rolname, tt.relname FROM tt, me, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(priv)
  WHERE me.rolname = $2 AND NOT me.rolsuper AND has_any_column_privilege(me.oid, tt.oid, p.priv) AND tt.relname NOT IN (SELECT relname FROM control_plane) AND p.priv <> 'DELETE'
UNION ALL SELECT 'G27', 'column secret readable by ' || me.rolname, tt.relname FROM tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'secret', me
  WHERE me.rolname = $1 AND NOT me.rolsuper AND has_column_privilege(me.oid, tt.oid, a.attnum, 'SELECT')
ORDER BY 1, 3, 2
