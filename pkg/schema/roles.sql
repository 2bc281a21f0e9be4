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
  FOREACH r IN ARRAY ARRAY['leadctl_owner', 'leadctl_app', 'leadctl_system'] LOOP
    IF NOT pg_has_role(r, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO %I', r, current_user);
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

-- Tables of the platform that exist already come under leadctl_owner; sequences owned by their columns follow.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status', 'icp_rules', 'companies',
    'lead_features', 'lead_scores', 'enrichment_runs', 'staging_acra_companies'] LOOP
    IF EXISTS (SELECT 1 FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
               WHERE c.oid = to_regclass('public.' || t) AND o.rolname <> 'leadctl_owner') THEN
      EXECUTE format('ALTER TABLE public.%I OWNER TO leadctl_owner', t);
    END IF;
  END LOOP;
END $$;
