-- Living together with the platform's other services after adoption: shared contacts, one numbering, the services' words
-- and scores, changes of the register by other writers, and what the services' logins may read.

-- ---------------------------------------------------------------------------------------------------------------------
-- contacts and lead_emails are reference data about companies, like companies itself. The services write them; every tenant
-- may read them. A tenant's own contacts are in tenant_contacts and tenant_emails, which had those names until here.

DO $$
DECLARE
  pair text[];
  c record;
BEGIN
  FOREACH pair SLICE 1 IN ARRAY ARRAY[['contacts', 'tenant_contacts'], ['lead_emails', 'tenant_emails']] LOOP
    CONTINUE WHEN to_regclass('public.' || pair[2]) IS NOT NULL;
    EXECUTE format('ALTER TABLE public.%I RENAME TO %I', pair[1], pair[2]);
    FOR c IN SELECT conname AS name FROM pg_constraint WHERE conrelid = to_regclass('public.' || pair[2]) AND conname LIKE pair[1] || '\_%' LOOP
      EXECUTE format('ALTER TABLE public.%I RENAME CONSTRAINT %I TO %I', pair[2], c.name, pair[2] || substr(c.name, length(pair[1]) + 1));
    END LOOP;
    FOR c IN SELECT relname AS name FROM pg_class JOIN pg_index ON indexrelid = oid WHERE indrelid = to_regclass('public.' || pair[2]) AND relname LIKE pair[1] || '\_%' LOOP
      EXECUTE format('ALTER INDEX public.%I RENAME TO %I', c.name, pair[2] || substr(c.name, length(pair[1]) + 1));
    END LOOP;
  END LOOP;
END $$;

DO $$
DECLARE t text;
BEGIN
  IF to_regclass('public.contacts') IS NULL THEN
    CREATE TABLE public.contacts (contact_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), company_id bigint NOT NULL REFERENCES public.companies,
      full_name text, email text, email_verified boolean DEFAULT false, verification_confidence double precision, job_title text, department text,
      linkedin_profile text, phone_number text, seniority text, location_city text, location_country text, contact_source text, email_engagement jsonb,
      last_interaction timestamptz, preferred_contact_method text, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
    COMMENT ON TABLE public.contacts IS 'made by leadctl';
  END IF;
  IF to_regclass('public.lead_emails') IS NULL THEN
    CREATE TABLE public.lead_emails (email text PRIMARY KEY, company_id bigint REFERENCES public.companies, first_name text, last_name text,
      role_title text, verification_status text, smtp_confidence numeric, left_company boolean DEFAULT false, role_last_seen date, source text,
      last_verified_at timestamptz, bounce_count integer DEFAULT 0);
    COMMENT ON TABLE public.lead_emails IS 'made by leadctl';
  END IF;
  FOREACH t IN ARRAY ARRAY['contacts', 'lead_emails'] LOOP
    IF (SELECT relowner <> 'leadctl_owner'::regrole FROM pg_class WHERE oid = to_regclass('public.' || t)) THEN
      RESET ROLE; -- a table of the services stays theirs
    END IF;
    EXECUTE format('ALTER TABLE public.%I ', t) || CASE t WHEN 'contacts' THEN
      'ADD COLUMN IF NOT EXISTS full_name text, ADD COLUMN IF NOT EXISTS email text, ADD COLUMN IF NOT EXISTS job_title text, '
      'ADD COLUMN IF NOT EXISTS linkedin_profile text, ADD COLUMN IF NOT EXISTS phone_number text, '
      'ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(), ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now()'
      ELSE 'ADD COLUMN IF NOT EXISTS verification_status text, ADD COLUMN IF NOT EXISTS left_company boolean DEFAULT false, '
      'ADD COLUMN IF NOT EXISTS last_verified_at timestamptz' END;
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON public.%I (company_id)', t || '_company_idx', t);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC', t);
    EXECUTE format('GRANT SELECT ON public.%I TO leadctl_app', t);
    SET ROLE leadctl_owner;
  END LOOP;
END $$;

-- The people and addresses that a tenant sees: its own and the shared ones. The columns of both parts have one type, else
-- PostgreSQL cannot look a company up in them by index.
ALTER TABLE public.tenant_contacts ALTER COLUMN company_id TYPE bigint;
ALTER TABLE public.tenant_emails ALTER COLUMN company_id TYPE bigint;
CREATE VIEW public.company_contacts WITH (security_invoker = true) AS
  SELECT company_id, contact_id::text, name, title, email, linkedin, phone, true AS own, updated_at FROM public.tenant_contacts
  UNION ALL
  SELECT company_id::bigint, contact_id::text, full_name, job_title, email, linkedin_profile, phone_number, false, coalesce(updated_at, created_at)
  FROM public.contacts;
CREATE VIEW public.company_emails WITH (security_invoker = true) AS
  SELECT company_id, email, is_primary, true AS own, updated_at FROM public.tenant_emails WHERE status <> 'invalid'
  UNION ALL
  SELECT company_id::bigint, email, false, false, last_verified_at FROM public.lead_emails
  WHERE verification_status IS DISTINCT FROM 'invalid' AND left_company IS NOT TRUE;
GRANT SELECT ON public.company_contacts, public.company_emails TO leadctl_app;

-- ---------------------------------------------------------------------------------------------------------------------
-- Numbers. leadctl counts rules and runs per tenant; the services draw theirs from the sequence, which other tables of
-- theirs use as a key. A number that the tenant has already is passed over.

CREATE FUNCTION public.next_rule_id() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  LOOP
    n := nextval('public.icp_rules_rule_id_seq');
    EXIT WHEN NOT EXISTS (SELECT 1 FROM public.icp_rules WHERE rule_id = n);
  END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION public.next_run_id() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  LOOP
    n := nextval('public.enrichment_runs_run_id_seq');
    EXIT WHEN NOT EXISTS (SELECT 1 FROM public.enrichment_runs WHERE run_id = n);
  END LOOP;
  RETURN n;
END $$;
ALTER TABLE public.icp_rules ALTER COLUMN rule_id SET DEFAULT public.next_rule_id();
ALTER TABLE public.enrichment_runs ALTER COLUMN run_id SET DEFAULT public.next_run_id();

-- ---------------------------------------------------------------------------------------------------------------------
-- Words and scores of the services. What they write is stored in leadctl's words, so that both rank in one order.

CREATE FUNCTION public.translate_onboarding_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.status := CASE lower(btrim(NEW.status))
    WHEN 'complete' THEN 'ready' WHEN 'completed' THEN 'ready' WHEN 'done' THEN 'ready'
    WHEN 'failed' THEN 'error'
    WHEN 'seeding' THEN 'syncing'
    WHEN 'starting' THEN 'provisioning' WHEN 'creating_odoo' THEN 'provisioning' WHEN 'configuring_oidc' THEN 'provisioning'
    WHEN 'pending' THEN 'provisioning'
    ELSE NEW.status END;
  RETURN NEW;
END $$;
CREATE TRIGGER translate_status BEFORE INSERT OR UPDATE OF status ON public.onboarding_status FOR EACH ROW
  WHEN (NEW.status NOT IN ('provisioning', 'syncing', 'ready', 'error')) EXECUTE FUNCTION public.translate_onboarding_status();

-- Scores of 0 to 100 with buckets A, B and C. leadctl's are 0 to 1 with high, medium and low. 1 without such a bucket is
-- leadctl's best.
CREATE FUNCTION public.translate_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.score := NEW.score / 100;
  NEW.bucket := CASE NEW.bucket WHEN 'A' THEN 'high' WHEN 'B' THEN 'medium' WHEN 'C' THEN 'low' ELSE NEW.bucket END;
  RETURN NEW;
END $$;
ALTER TABLE public.lead_scores NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE n bigint;
BEGIN
  UPDATE public.lead_scores SET score = score / 100,
      bucket = CASE bucket WHEN 'A' THEN 'high' WHEN 'B' THEN 'medium' WHEN 'C' THEN 'low' ELSE bucket END
    WHERE bucket IN ('A', 'B', 'C') OR source <> 'leadctl' AND score > 1 AND score <= 100;
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n > 0 THEN
    RAISE NOTICE 'leadctl: % scores of 0 to 100 are now 0 to 1, and buckets A, B and C are high, medium and low', n;
  END IF;
END $$;
ALTER TABLE public.lead_scores FORCE ROW LEVEL SECURITY;
CREATE TRIGGER translate_score BEFORE INSERT OR UPDATE OF score, bucket ON public.lead_scores FOR EACH ROW
  WHEN (NEW.bucket IN ('A', 'B', 'C') OR NEW.source <> 'leadctl' AND NEW.score > 1 AND NEW.score <= 100) EXECUTE FUNCTION public.translate_score();

-- Payloads that the services encoded twice or more, as a JSON string that holds an object.
ALTER TABLE public.icp_rules NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
  r record;
  inner_value jsonb;
BEGIN
  FOR r IN SELECT tenant_id, rule_id, name, payload FROM public.icp_rules WHERE jsonb_typeof(payload) = 'string' LOOP
    inner_value := r.payload;
    BEGIN
      WHILE jsonb_typeof(inner_value) = 'string' LOOP
        inner_value := (inner_value #>> '{}')::jsonb;
      END LOOP;
    EXCEPTION WHEN invalid_text_representation THEN
      CONTINUE;
    END;
    IF jsonb_typeof(inner_value) = 'object' THEN
      UPDATE public.icp_rules SET payload = inner_value WHERE tenant_id = r.tenant_id AND rule_id = r.rule_id;
      RAISE NOTICE 'leadctl: the payload of rule % of tenant % was a JSON string and is now the object in it', quote_literal(r.name), r.tenant_id;
    END IF;
  END LOOP;
END $$;
ALTER TABLE public.icp_rules FORCE ROW LEVEL SECURITY;

-- ---------------------------------------------------------------------------------------------------------------------
-- The register's row_hash is right only for the writer that keeps it. A row that changes without it loses it, so the next
-- ingestion sees that the row is not as the register has it.

CREATE FUNCTION public.forget_row_hash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.row_hash := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER forget_row_hash BEFORE UPDATE ON public.staging_acra_companies FOR EACH ROW
  WHEN (NEW.row_hash = OLD.row_hash AND NEW.run_id IS NOT DISTINCT FROM OLD.run_id AND NEW.last_seen = OLD.last_seen
    AND NEW.absent_since IS NOT DISTINCT FROM OLD.absent_since AND NEW IS DISTINCT FROM OLD)
  EXECUTE FUNCTION public.forget_row_hash();

-- ---------------------------------------------------------------------------------------------------------------------
-- The services' logins: the roles that owned the tables before, which adoption granted rights of their own. They keep the
-- control plane's rows, which they wrote without naming a tenant, but no stored secret. Rules, leads and runs they see of
-- the tenant that the transaction names.

DO $$
DECLARE
  logins text;
  m record;
  src record;
BEGIN
  SELECT string_agg(DISTINCT quote_ident(r.rolname), ', ') INTO logins FROM pg_class c, aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
    WHERE c.oid = 'public.tenants'::regclass AND r.rolname NOT IN ('leadctl_owner', 'leadctl_app', 'leadctl_system');
  IF logins IS NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE POLICY services ON public.tenants TO %s USING (true) WITH CHECK (true)', logins);
  EXECUTE format('CREATE POLICY services ON public.tenant_users TO %s USING (true) WITH CHECK (true)', logins);
  EXECUTE format('CREATE POLICY services ON public.onboarding_status TO %s USING (true) WITH CHECK (true)', logins);
  EXECUTE format('CREATE POLICY services ON public.odoo_connections TO %s USING (true) WITH CHECK (true)', logins);
  EXECUTE format('REVOKE SELECT ON public.odoo_connections FROM %s', logins);
  EXECUTE format('GRANT SELECT (%s) ON public.odoo_connections TO %s', (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
    WHERE attrelid = 'public.odoo_connections'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('secret', 'pending_secret')), logins);
  FOR m IN SELECT c.relname FROM pg_class c WHERE c.oid IN ('public.contacts'::regclass, 'public.lead_emails'::regclass) AND c.relowner = 'leadctl_owner'::regrole LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %s', m.relname, logins);
  END LOOP;

  -- A materialized view is filled with what its owner sees. One over tenants' rows goes to leadctl_owner, who may read the
  -- rows for that, and its former owner fills it with refresh_view.
  RESET ROLE;
  FOR m IN WITH RECURSIVE reads AS (
        SELECT w.ev_class AS view, d.refobjid AS rel FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
        UNION SELECT r.view, d.refobjid FROM reads r JOIN pg_rewrite w ON w.ev_class = r.rel JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
          AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class)
      SELECT c.oid::regclass AS name, o.rolname AS owner, array_agg(DISTINCT r.rel::regclass) AS tables FROM pg_class c JOIN reads r ON r.view = c.oid
        JOIN pg_roles o ON o.oid = c.relowner JOIN pg_class t ON t.oid = r.rel AND t.relkind IN ('r', 'p')
        WHERE c.relkind = 'm' AND o.rolname <> 'leadctl_owner' GROUP BY 1, 2 HAVING bool_or(t.relforcerowsecurity AND t.relowner = 'leadctl_owner'::regrole) LOOP
    FOR src IN SELECT c.oid::regclass AS name, c.relrowsecurity, c.relowner = 'leadctl_owner'::regrole AS ours FROM pg_class c WHERE c.oid = ANY (m.tables) LOOP
      IF src.ours THEN
        SET ROLE leadctl_owner;
      ELSE
        EXECUTE format('GRANT SELECT ON %s TO leadctl_owner', src.name);
      END IF;
      IF src.relrowsecurity AND NOT EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = src.name AND polname = 'views') THEN
        EXECUTE format('CREATE POLICY views ON %s FOR SELECT TO leadctl_owner USING (true)', src.name);
      END IF;
      RESET ROLE;
    END LOOP;
    EXECUTE format('ALTER MATERIALIZED VIEW %s OWNER TO leadctl_owner', m.name);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', m.name);
    EXECUTE format('GRANT SELECT ON %s TO %I', m.name, m.owner);
    RAISE NOTICE 'leadctl: materialized view % belongs to leadctl_owner; % refreshes it with SELECT refresh_view(%)', m.name, m.owner, quote_literal(m.name);
    SET ROLE leadctl_owner;
    CREATE OR REPLACE FUNCTION public.refresh_view(view regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp AS $f$
    BEGIN
      EXECUTE format('REFRESH MATERIALIZED VIEW %s', view);
    END $f$;
    REVOKE ALL ON FUNCTION public.refresh_view(regclass) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.refresh_view(regclass) TO %I', m.owner);
    PERFORM public.refresh_view(m.name);
    RESET ROLE;
  END LOOP;
  SET ROLE leadctl_owner;
END $$;

-- An earlier form of migration 4 set the services' contacts aside, because they have no tenant.
DO $$
DECLARE
  t text;
  n bigint;
  rest boolean;
BEGIN
  FOREACH t IN ARRAY ARRAY['contacts', 'lead_emails'] LOOP
    CONTINUE WHEN to_regclass('public.' || t || '_unassigned') IS NULL;
    EXECUTE format('INSERT INTO public.%1$I SELECT r.* FROM public.%2$I u, jsonb_populate_record(NULL::public.%1$I, u.row_data) r '
      'WHERE u.row_data->>''tenant_id'' IS NULL AND r.%3$I IS NOT NULL ON CONFLICT DO NOTHING', t, t || '_unassigned',
      CASE t WHEN 'contacts' THEN 'contact_id' ELSE 'email' END);
    GET DIAGNOSTICS n = ROW_COUNT;
    EXECUTE format('DELETE FROM public.%1$I u USING public.%2$I k WHERE u.row_data->>''tenant_id'' IS NULL AND u.row_data->>%3$L = k.%3$I::text',
      t || '_unassigned', t, CASE t WHEN 'contacts' THEN 'contact_id' ELSE 'email' END);
    RAISE NOTICE 'leadctl: % rows of %_unassigned are shared by all tenants again', n, t;
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t || '_unassigned') INTO rest;
    IF NOT rest THEN
      EXECUTE format('DROP TABLE public.%I', t || '_unassigned');
    END IF;
  END LOOP;
END $$;
