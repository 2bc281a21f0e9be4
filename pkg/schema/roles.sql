-- Creates the roles and grants them their privileges in this database. Runs before the migrations, as the migrating
-- login. Roles belong to the whole cluster, so the migration of another database can create them at the same time.
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
  -- The migrating login becomes a member of all three roles: of the owner to migrate, of the others so that one DSN is
  -- enough on a development machine. A serving login (leadctl migrate login) is no member of the owner.
  -- From PostgreSQL 16 on, the creator of a role is a member, but needs this GRANT before it can SET ROLE.
  FOREACH r IN ARRAY ARRAY['leadctl_owner', 'leadctl_app', 'leadctl_system'] LOOP
    IF NOT pg_has_role(r,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
      BEGIN
        EXECUTE format('GRANT %I TO %I', r, current_user);
      EXCEPTION WHEN unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

DO $$
BEGIN
  IF NOT has_schema_privilege('leadctl_owner', 'public', 'CREATE')
      OR NOT has_schema_privilege('leadctl_owner', 'public', 'USAGE') THEN
    GRANT USAGE, CREATE ON SCHEMA public TO leadctl_owner;
  END IF;
  -- In a database made before PostgreSQL 15, every role may create objects in schema public.
  IF has_schema_privilege('leadctl_app', 'public', 'CREATE') THEN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO leadctl_owner', current_database());
  IF to_regnamespace('river') IS NULL THEN
    CREATE SCHEMA river AUTHORIZATION leadctl_owner;
  END IF;
END $$;
