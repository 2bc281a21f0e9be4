-- The gate: each row that this query returns is a violation. $1 is the role of tenants' transactions, $2 that of the
-- control plane, $3 the owner of leadctl's tables. fix is SQL that mends the violation, '' if no SQL does. theirs is
-- true for a table of another service that neither role can reach: the rules say what it lacks, and serving goes on.
-- The result does not depend on the session's role, so CI, serve, doctor and migrate status get the same list.
WITH RECURSIVE roles AS (
  SELECT oid, rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname IN ($1, $2)
), bound AS ( -- roles that privileges restrict: a superuser has all of them, which G01 reports once
  SELECT oid, rolname FROM roles WHERE NOT rolsuper
), schemas AS ( -- all but PostgreSQL's own
  SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
  SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.reloptions, c.relname AS name,
    CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS relname, n.nspname,
    format('%I.%I', n.nspname, c.relname) AS id, coalesce(c.relowner = to_regrole($3::text), false) AS ours,
    EXISTS (SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants,
    format('REVOKE ALL ON %I.%I FROM PUBLIC, %I, %I', n.nspname, c.relname, $1::text, $2::text) AS close
  FROM pg_class c JOIN schemas n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
), reached AS ( -- by any privilege, of a column or through PUBLIC too
  SELECT rel.oid, b.oid AS role, b.rolname FROM relations rel, bound b
  WHERE has_any_column_privilege(b.oid, rel.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
    OR has_table_privilege(b.oid, rel.oid, 'DELETE, TRUNCATE, TRIGGER')
), tenant_tables AS ( -- shut is not null for a reached table of another service: closing it mends every violation
  SELECT rel.*, NOT rel.ours AND r.oid IS NULL AS theirs,
    CASE WHEN NOT rel.ours AND r.oid IS NOT NULL THEN rel.close END AS shut,
    format('CREATE POLICY tenant_isolation ON %s USING (%s)', rel.id,
      CASE WHEN a.atttypid IN ('int4'::regtype, 'int8'::regtype) THEN 'tenant_id = public.request_tenant()'
        ELSE 'tenant_id::text = current_setting(''request.tenant_id'', true)' END) AS isolate
  FROM relations rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attname = 'tenant_id'
  LEFT JOIN (SELECT DISTINCT oid FROM reached) r ON r.oid = rel.oid
  WHERE rel.relkind IN ('r', 'p') AND rel.of_tenants
), services AS (
  SELECT DISTINCT r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole
  FROM relations rel JOIN pg_class c ON c.oid = rel.oid CROSS JOIN aclexplode(c.relacl) g
  JOIN pg_roles r ON r.oid = g.grantee WHERE rel.id = 'public.tenants' AND r.rolname NOT IN ($1, $2, $3)
), policies AS (
  -- The expressions of permissive policies, because a RESTRICTIVE one only narrows. A policy may be always true for the
  -- control plane alone, for services' logins on tables of the control plane, and for the owner to fill a view.
  SELECT p.polname, tt.relname, tt.theirs, p.oid, e.expr, coalesce(tt.shut, format('DROP POLICY %I ON %s', p.polname,
    tt.id) || CASE p.polname WHEN 'tenant_isolation' THEN '; ' || tt.isolate ELSE '' END) AS fix
  FROM tenant_tables tt JOIN pg_policy p ON p.polrelid = tt.oid
  CROSS JOIN LATERAL (
    SELECT pg_get_expr(p.polqual, p.polrelid) AS expr UNION SELECT pg_get_expr(p.polwithcheck, p.polrelid)) e
  WHERE p.polpermissive AND e.expr IS NOT NULL
    AND p.polroles <> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = $2)]
    AND NOT (p.polroles <@ ARRAY(SELECT oid FROM services) AND tt.relname IN (SELECT c.relname FROM control_plane c))
    AND NOT (p.polcmd = 'r' AND p.polroles = ARRAY[to_regrole($3::text)::oid])
), policy_functions AS (
  SELECT p.relname, p.theirs, p.fix, pr.oid, pr.proname, pr.pronamespace, pr.provolatile, pr.prosecdef, pr.proconfig,
    pr.prorettype FROM policies p
  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
  JOIN pg_proc pr ON pr.oid = d.refobjid
), keys_without_tenant AS (
  SELECT tt.relname, tt.theirs, tt.shut, tt.id, co.conname, co.contype, co.conkey, tt.oid, co.confrelid
  FROM tenant_tables tt JOIN pg_constraint co ON co.conrelid = tt.oid AND co.contype IN ('u', 'p', 'x', 'f')
  WHERE NOT EXISTS (SELECT 1 FROM unnest(co.conkey) k
    JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attnum = k WHERE a.attname = 'tenant_id')
), control_plane(relname) AS (
  VALUES ('tenants'), ('tenant_users'), ('odoo_connections'), ('onboarding_status'), ('onboarding_steps'),
    ('audit_log'), ('removed_members')
), for_all(relname) AS ( -- what every tenant and login may read
  VALUES ('companies'), ('contacts'), ('lead_emails'), ('leadctl_migrations'), ('leadctl_schema_version')
), right_policy(pattern) AS (
  SELECT '^\((tenant_id|\(tenant_id\)::(text|integer|bigint)) = (public\.)?(request_tenant\(\)'
    || '|current_setting\(''request\.tenant_id''::text, true\)'
    || '|\(?NULLIF\(current_setting\(''request\.tenant_id''::text, true\), ''''::text\)\)?(::integer|::bigint)?)\)$'
), written AS ( -- tables whose triggers and rules a role's statement fires: partitions and children too
  SELECT oid FROM reached UNION SELECT i.inhrelid FROM written w JOIN pg_inherits i ON i.inhparent = w.oid
)
SELECT 'G00' AS rule, 'role does not exist' AS violation, r AS object, '' AS fix, false AS theirs
  FROM unnest(ARRAY[$1, $2]) r WHERE NOT EXISTS (SELECT 1 FROM roles WHERE rolname = r)
UNION ALL SELECT 'G01', 'role is superuser', rolname, format('ALTER ROLE %I NOSUPERUSER', rolname), false
  FROM roles WHERE rolsuper
UNION ALL SELECT 'G02', 'role has BYPASSRLS', rolname, format('ALTER ROLE %I NOBYPASSRLS', rolname), false
  FROM roles WHERE rolbypassrls
UNION ALL SELECT 'G03', 'role is a member of ' || r.rolname, b.rolname,
    format('REVOKE %I FROM %I', r.rolname, b.rolname), false
  FROM roles b JOIN pg_auth_members m ON m.member = b.oid JOIN pg_roles r ON r.oid = m.roleid
UNION ALL SELECT 'G04', b.rolname || ' owns this tenant table', tt.relname,
    format('ALTER TABLE %s OWNER TO %I', tt.id, $3::text), false
  FROM tenant_tables tt JOIN bound b ON b.oid = tt.relowner
UNION ALL SELECT 'G05', 'role has CREATEROLE or REPLICATION', rolname,
    format('ALTER ROLE %I NOCREATEROLE NOREPLICATION', rolname), false
  FROM roles WHERE rolcreaterole OR rolreplication
UNION ALL SELECT 'G06', 'row security is not enabled', tt.relname, coalesce(shut,
    format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', id)
    || CASE WHEN EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = tt.oid) THEN '' ELSE '; ' || isolate END), theirs
  FROM tenant_tables tt WHERE NOT relrowsecurity
UNION ALL SELECT 'G07', 'row security is not forced', relname,
    coalesce(shut, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', id)), theirs
  FROM tenant_tables WHERE relrowsecurity AND NOT relforcerowsecurity
UNION ALL SELECT 'G08', 'row security has no policy', relname, coalesce(shut, isolate), theirs FROM tenant_tables tt
  WHERE relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = tt.oid)
UNION ALL SELECT 'G09', 'policy ' || polname || ' is always true', relname, fix, theirs
  FROM policies WHERE expr IN ('true', '(1 = 1)')
UNION ALL SELECT 'G10',
  'policy ' || polname || ' must compare tenant_id with the transaction''s tenant, but is ' || expr, relname, fix,
    theirs
  FROM policies, right_policy WHERE expr NOT IN ('true', '(1 = 1)') AND expr !~ pattern
UNION ALL SELECT 'G11', 'policy uses the IMMUTABLE function ' || proname, relname,
    format('ALTER FUNCTION %s STABLE', oid::regprocedure), theirs
  FROM policy_functions WHERE provolatile = 'i' AND pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'G12', 'tenant_id is nullable', tt.relname,
    coalesce(shut, format('ALTER TABLE %s ALTER tenant_id SET NOT NULL', id)), theirs FROM tenant_tables tt
  JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'tenant_id' WHERE NOT a.attnotnull
UNION ALL SELECT 'G13', 'view without security_invoker, reachable by ' || r.rolname, rel.relname,
    format('ALTER VIEW %s SET (security_invoker = true)', rel.id), false
  FROM relations rel JOIN reached r ON r.oid = rel.oid WHERE rel.relkind = 'v'
    AND NOT coalesce(rel.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=yes',
      'security_invoker=1'], false)
UNION ALL SELECT 'G14', 'materialized view readable by ' || r.rolname, rel.relname, rel.close, false
  FROM relations rel JOIN reached r ON r.oid = rel.oid WHERE rel.relkind = 'm'
UNION ALL SELECT 'G15', 'SECURITY DEFINER function executable by ' || b.rolname, p.proname,
    format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I, %I', p.oid::regprocedure, $1::text, $2::text), false
  FROM pg_proc p JOIN schemas n ON n.oid = p.pronamespace, bound b
  WHERE p.prosecdef AND has_function_privilege(b.oid, p.oid, 'EXECUTE') AND has_schema_privilege(b.oid, n.oid, 'USAGE')
UNION ALL SELECT 'G16', 'key without tenant_id: ' || conname, relname, coalesce(shut,
    format('ALTER TABLE %s DROP CONSTRAINT %I', id, conname) || CASE contype WHEN 'x' THEN '' ELSE (
      SELECT format(', ADD CONSTRAINT %I %s (tenant_id, %s)', conname,
        CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, string_agg(quote_ident(a.attname), ', ' ORDER BY i))
      FROM unnest(conkey) WITH ORDINALITY c(k, i) JOIN pg_attribute a ON a.attrelid = kw.oid AND a.attnum = k) END),
    theirs
  FROM keys_without_tenant kw WHERE contype IN ('u', 'p', 'x') AND relname <> 'tenants'
    AND NOT (contype = 'p' AND cardinality(conkey) = 1 AND (SELECT a.atttypid FROM pg_attribute a
      WHERE a.attrelid = kw.oid AND a.attnum = conkey[1]) = 'uuid'::regtype)
UNION ALL SELECT 'G17', 'foreign key between tenant tables without tenant_id: ' || k.conname, k.relname,
    coalesce(k.shut, format('ALTER TABLE %s DROP CONSTRAINT %I', k.id, k.conname)), k.theirs
  FROM keys_without_tenant k JOIN tenant_tables t2 ON t2.oid = k.confrelid WHERE k.contype = 'f'
UNION ALL SELECT 'G18', p.priv || ' granted to ' || b.rolname, tt.relname,
    format('REVOKE %s ON %s FROM PUBLIC, %I', p.priv, tt.id, b.rolname), false
  FROM tenant_tables tt, bound b, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(priv)
  WHERE CASE p.priv WHEN 'REFERENCES' THEN has_any_column_privilege(b.oid, tt.oid, p.priv)
    ELSE has_table_privilege(b.oid, tt.oid, p.priv) END
UNION ALL SELECT 'G19', 'a role or database has a default setting: ' || s,
  coalesce(r.rolname::text, d.datname::text, 'every role'),
  concat('ALTER ', CASE WHEN g.setrole = 0 AND g.setdatabase > 0 THEN format('DATABASE %I', d.datname)
    ELSE 'ROLE ' || coalesce(quote_ident(r.rolname), 'ALL')
      || coalesce(' IN DATABASE ' || quote_ident(d.datname), '') END, ' RESET ', split_part(s, '=', 1)), false
  FROM pg_db_role_setting g CROSS JOIN unnest(g.setconfig) s
  LEFT JOIN pg_roles r ON r.oid = g.setrole LEFT JOIN pg_database d ON d.oid = g.setdatabase
  WHERE (g.setdatabase = 0 OR d.datname = current_database()) AND (s ILIKE 'request.%' OR s ILIKE 'row\_security=%'
    OR s ILIKE 'role=%' OR s ILIKE 'session\_replication\_role=%')
UNION ALL SELECT 'G22', b.rolname || ' may create objects', 'schema ' || n.nspname,
    CASE n.nspowner WHEN b.oid THEN format('ALTER SCHEMA %I OWNER TO %I', n.nspname, $3::text)
      ELSE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', n.nspname, b.rolname) END, false
  FROM bound b, pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp' AND has_schema_privilege(b.oid, n.oid, 'CREATE')
UNION ALL SELECT 'G22', b.rolname || ' may create schemas', 'database ' || d.datname,
    CASE d.datdba WHEN b.oid THEN format('ALTER DATABASE %I OWNER TO %I', d.datname, $3::text)
      ELSE format('REVOKE CREATE ON DATABASE %I FROM PUBLIC, %I', d.datname, b.rolname) END, false
  FROM bound b, pg_database d WHERE d.datname = current_database() AND has_database_privilege(b.oid, d.oid, 'CREATE')
UNION ALL SELECT 'G23', 'unique index without tenant_id: ' || ic.relname, tt.relname,
    coalesce(tt.shut, format('DROP INDEX %I.%I', tt.nspname, ic.relname)), tt.theirs
  FROM tenant_tables tt JOIN pg_index ix ON ix.indrelid = tt.oid AND ix.indisunique
  JOIN pg_class ic ON ic.oid = ix.indexrelid
  WHERE tt.relname <> 'tenants' AND NOT EXISTS (SELECT 1 FROM pg_constraint co WHERE co.conindid = ix.indexrelid)
    AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = tt.oid
      AND a.attnum = ANY (ix.indkey[0:ix.indnkeyatts - 1]) AND a.attname = 'tenant_id')
UNION ALL SELECT 'G24', 'index is INVALID', ic.relname, format('REINDEX INDEX public.%I', ic.relname), false
  FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid JOIN relations rel ON rel.oid = ix.indrelid AND rel.ours
  WHERE NOT ix.indisvalid AND ic.relnamespace = 'public'::regnamespace
-- From here on, rules that only leadctl needs. The control plane has no privilege on lead data; no tenant reads a
-- stored secret; policies use the function that the migrations made; only the owner reads the rows that adoption set
-- aside; the server's files and programs cannot be reached.
UNION ALL SELECT 'G26', p.priv || ' on lead data granted to ' || b.rolname, tt.relname,
    format('REVOKE %s ON %s FROM PUBLIC, %I', p.priv, tt.id, b.rolname), false
  FROM tenant_tables tt, bound b, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(priv)
  WHERE b.rolname = $2 AND tt.relname NOT IN (SELECT relname FROM control_plane)
    AND CASE p.priv WHEN 'DELETE' THEN has_table_privilege(b.oid, tt.oid, p.priv)
      ELSE has_any_column_privilege(b.oid, tt.oid, p.priv) END
UNION ALL SELECT DISTINCT 'G27', 'column secret readable by ' || b.rolname, tt.relname, concat_ws('; ',
    format('REVOKE SELECT ON %s FROM PUBLIC, %I', tt.id, b.rolname), (
      SELECT format('GRANT SELECT (%s) ON %s TO %I', string_agg(quote_ident(o.attname), ', '), tt.id, b.rolname)
      FROM pg_attribute o CROSS JOIN aclexplode(o.attacl) g WHERE o.attrelid = tt.oid AND g.grantee = b.oid
        AND g.privilege_type = 'SELECT' AND o.attname NOT IN ('secret', 'pending_secret') HAVING count(*) > 0)), false
  FROM tenant_tables tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname IN ('secret', 'pending_secret')
    AND NOT a.attisdropped, bound b
  WHERE b.rolname = $1 AND has_column_privilege(b.oid, tt.oid, a.attnum, 'SELECT')
UNION ALL SELECT 'G30', 'policies use this function, which differs from the one that the migrations made',
    oid::regprocedure::text, CASE WHEN pronamespace <> 'public'::regnamespace THEN string_agg(DISTINCT fix, '; ')
      ELSE 'CREATE OR REPLACE FUNCTION public.request_tenant() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE '
        'RETURN NULLIF(current_setting(''request.tenant_id'', true), '''')::integer' END, false
  FROM policy_functions WHERE proname = 'request_tenant' AND NOT theirs
    AND (pronamespace <> 'public'::regnamespace OR provolatile <> 's' OR prosecdef OR proconfig IS NOT NULL
    OR prorettype <> 'integer'::regtype OR pg_get_function_sqlbody(oid)
      IS DISTINCT FROM 'RETURN (NULLIF(current_setting(''request.tenant_id''::text, true), ''''::text))::integer')
  GROUP BY oid, pronamespace
UNION ALL SELECT 'G31', 'rows set aside by adoption are readable by ' || r.rolname, rel.relname, rel.close, false
  FROM relations rel JOIN reached r ON r.oid = rel.oid
  WHERE rel.nspname = 'public' AND rel.relname LIKE '%\_unassigned'
UNION ALL SELECT 'G32', 'function for server files executable by ' || b.rolname, p.proname,
    format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %I', p.oid::regprocedure, b.rolname), false
  FROM bound b, pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
    AND has_function_privilege(b.oid, p.oid, 'EXECUTE')
    AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export')
UNION ALL SELECT 'G33', 'foreign table, which has no row security, reachable by ' || r.rolname, rel.relname, rel.close,
    false
  FROM relations rel JOIN reached r ON r.oid = rel.oid WHERE rel.relkind = 'f'
UNION ALL SELECT 'G34', p.priv || ' on a table without tenants granted to ' || b.rolname, rel.relname,
    format('REVOKE %s ON %s FROM PUBLIC, %I', p.priv, rel.id, b.rolname), false
  FROM relations rel, bound b,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p(priv)
  WHERE b.rolname = $1 AND rel.ours AND rel.relkind IN ('r', 'p') AND NOT rel.of_tenants
    AND rel.relname NOT LIKE '%\_unassigned'
     AND NOT (p.priv = 'SELECT' AND rel.relname IN (SELECT relname FROM for_all))
    AND CASE WHEN p.priv IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN has_table_privilege(b.oid, rel.oid, p.priv)
      ELSE has_any_column_privilege(b.oid, rel.oid, p.priv) END
UNION ALL SELECT 'G34', p.priv || ' on a sequence granted to ' || b.rolname,
    CASE n.nspname WHEN 'public' THEN s.relname ELSE n.nspname || '.' || s.relname END,
    format('REVOKE %s ON SEQUENCE %I.%I FROM PUBLIC, %I', p.priv, n.nspname, s.relname, b.rolname), false
  FROM pg_class s JOIN schemas n ON n.oid = s.relnamespace, bound b, unnest(ARRAY['SELECT', 'UPDATE']) AS p(priv)
  WHERE s.relkind = 'S' AND s.relowner = to_regrole($3::text) AND b.rolname = $1
    AND has_sequence_privilege(b.oid, s.oid, p.priv)
UNION ALL SELECT 'G35', p.priv || ' on the audit log granted to ' || b.rolname, rel.relname,
    format('REVOKE %s ON %s FROM PUBLIC, %I', p.priv, rel.id, b.rolname), false
  FROM relations rel, bound b, unnest(ARRAY['UPDATE', 'DELETE']) AS p(priv)
  WHERE rel.id = 'public.audit_log' AND CASE p.priv WHEN 'DELETE' THEN has_table_privilege(b.oid, rel.oid, p.priv)
      ELSE has_any_column_privilege(b.oid, rel.oid, p.priv) END
UNION ALL SELECT 'G36', 'trigger ' || t.tgname || ' runs the SECURITY DEFINER function ' || p.proname, rel.relname,
    format('DROP TRIGGER %I ON %s', t.tgname, rel.id), false
  FROM relations rel JOIN written w ON w.oid = rel.oid JOIN pg_trigger t ON t.tgrelid = rel.oid AND t.tgparentid = 0
  JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.prosecdef
UNION ALL SELECT 'G36', 'rule ' || w.rulename || ' acts as the owner of the table', rel.relname,
    format('DROP RULE %I ON %s', w.rulename, rel.id), false
  FROM relations rel JOIN written t ON t.oid = rel.oid JOIN pg_rewrite w ON w.ev_class = rel.oid AND w.ev_type <> '1'
UNION ALL SELECT 'G37', 'tenant_id has a default: ' || d.value, tt.relname, coalesce(tt.shut, d.fix), tt.theirs
  FROM tenant_tables tt JOIN pg_attribute a ON a.attrelid = tt.oid AND a.attname = 'tenant_id'
  JOIN pg_type ty ON ty.oid = a.atttypid LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
  CROSS JOIN LATERAL (VALUES
    (pg_get_expr(f.adbin, f.adrelid), format('ALTER TABLE %s ALTER tenant_id DROP %s', tt.id,
      CASE a.attgenerated WHEN '' THEN 'DEFAULT' ELSE 'EXPRESSION' END)),
    (ty.typdefault, format('ALTER DOMAIN %s DROP DEFAULT', a.atttypid::regtype)),
    (CASE WHEN a.attidentity <> '' THEN 'identity' END, format('ALTER TABLE %s ALTER tenant_id DROP IDENTITY', tt.id))
  ) AS d(value, fix)
  WHERE d.value IS NOT NULL AND NOT (tt.id = 'public.audit_log' AND d.value = '0')
    AND NOT (tt.id = 'public.tenants' AND d.value LIKE 'nextval(%')
-- Logins of other services: adoption left them rights on leadctl's tables. An attribute of the login is theirs.
UNION ALL SELECT 'G39', 'login of another service is a member of ' || r.rolname, s.rolname,
    format('REVOKE %I FROM %I', r.rolname, s.rolname), NOT pg_has_role(s.oid, r.oid, 'USAGE')
  FROM services s JOIN pg_roles r ON r.rolname IN ($1, $2, $3)
  WHERE NOT s.rolsuper AND pg_has_role(s.oid, r.oid, 'MEMBER')
UNION ALL SELECT 'G39', 'login of another service ' || a.text, s.rolname,
    format('ALTER ROLE %I %s', s.rolname, a.fix), true
  FROM services s CROSS JOIN LATERAL (VALUES
    (s.rolsuper, 'reads all rows and secrets: it is superuser', 'NOSUPERUSER'),
    (s.rolbypassrls AND NOT s.rolsuper, 'reads the rows of all tenants: it has BYPASSRLS', 'NOBYPASSRLS'),
    (s.rolcreaterole AND NOT s.rolsuper, 'can join leadctl''s roles: it has CREATEROLE', 'NOCREATEROLE')
  ) AS a(found, text, fix) WHERE a.found
UNION ALL SELECT DISTINCT 'G39', 'column secret readable by the login of another service, ' || s.rolname, rel.relname,
    format('REVOKE SELECT ON %s FROM PUBLIC, %I', rel.id, s.rolname), false
  FROM services s, relations rel JOIN pg_attribute a ON a.attrelid = rel.oid
    AND a.attname IN ('secret', 'pending_secret') AND NOT a.attisdropped
  WHERE rel.id = 'public.odoo_connections' AND NOT s.rolsuper
    AND has_column_privilege(s.oid, rel.oid, a.attnum, 'SELECT')
UNION ALL SELECT 'G39', 'rows set aside by adoption are readable by the login of another service, ' || s.rolname,
    rel.relname, format('REVOKE ALL ON %s FROM PUBLIC, %I', rel.id, s.rolname), false
  FROM services s, relations rel WHERE rel.ours AND rel.nspname = 'public' AND rel.relname LIKE '%\_unassigned'
    AND NOT s.rolsuper AND has_any_column_privilege(s.oid, rel.oid, 'SELECT')
UNION ALL SELECT 'G38', 'no table of leadctl exists, so no rule could be checked', 'database ' || current_database(),
    '', false
  WHERE NOT EXISTS (SELECT 1 FROM tenant_tables WHERE ours)
ORDER BY 1, 3, 2
