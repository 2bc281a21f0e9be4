-- Run as the login that migrates, before any migration: the roles and what they may do in this database.
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
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO leadctl_owner', current_database());
  IF to_regnamespace('river') IS NULL THEN
    CREATE SCHEMA river AUTHORIZATION leadctl_owner;
  END IF;
END $$;
