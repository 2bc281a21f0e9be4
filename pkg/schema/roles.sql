-- Run as the login that migrates, before any migration: roles, and the ownership of what is adopted.
-- Roles belong to the whole cluster, so another database's migration may make them at the same moment.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['leadctl_owner', 'leadctl_app', 'leadctl_system'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', r);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
  -- The login that migrates may become all three: the owner to migrate, the others to serve a development machine with
  -- one DSN. A serving login (leadctl migrate login) never gets the owner.
  -- From PostgreSQL 16 on, whoever makes a role is its member, but may not SET ROLE to it before they grant themselves that.
  FOREACH r IN ARRAY ARRAY['leadctl_owner', 'leadctl_app', 'leadctl_system'] LOOP
    IF NOT pg_has_role(r, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
      BEGIN
        EXECUTE format('GRANT %I TO %I', r, current_user);
      EXCEPTION WHEN unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

DO $$
BEGIN
  IF NOT has_schema_privilege('leadctl_owner', 'public', 'CREATE') OR NOT has_schema_privilege('leadctl_owner', 'public', 'USAGE') THEN
    GRANT USAGE, CREATE ON SCHEMA public TO leadctl_owner;
  END IF;
  -- Databases made before PostgreSQL 15 let everybody create here.
  IF has_schema_privilege('leadctl_app', 'public', 'CREATE') THEN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO leadctl_owner, leadctl_system', current_database());
  IF to_regnamespace('river') IS NULL THEN
    CREATE SCHEMA river AUTHORIZATION leadctl_owner;
  END IF;
END $$;

-- Tables of the platform that exist already come under leadctl_owner, and so do the sequences that count for them; those
-- owned by a column follow by themselves.
DO $$
DECLARE
  t text;
  c record;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status', 'icp_rules', 'companies',
    'lead_features', 'lead_scores', 'enrichment_runs', 'staging_acra_companies'] LOOP
    SELECT r.oid, r.relkind, o.rolname AS owner INTO c FROM pg_class r JOIN pg_roles o ON o.oid = r.relowner WHERE r.oid = to_regclass('public.' || t);
    CONTINUE WHEN NOT FOUND;
    IF c.relkind <> 'r' THEN
      RAISE EXCEPTION 'public.% is not a plain table', t USING ERRCODE = '42809', HINT = 'rename it and make its rows a table of that name, or leave the name to leadctl';
    END IF;
    IF c.owner <> 'leadctl_owner' THEN
      EXECUTE format('ALTER TABLE public.%I OWNER TO leadctl_owner', t);
    END IF;
    FOR c IN SELECT DISTINCT s.oid::regclass AS seq FROM pg_attrdef f
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_roles o ON o.oid = s.relowner
        WHERE f.adrelid = format('public.%I', t)::regclass AND o.rolname <> 'leadctl_owner' LOOP
      EXECUTE format('ALTER SEQUENCE %s OWNER TO leadctl_owner', c.seq);
    END LOOP;
  END LOOP;
END $$;
