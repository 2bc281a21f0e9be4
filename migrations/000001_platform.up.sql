-- The platform's tables, made or adopted.
--
-- Other services of the platform may have made these tables already, with the login role as owner, weaker keys and
-- row-level security that does not bind the owner. Every statement here therefore says what must be true afterwards and
-- leaves alone what is: on an empty database it creates, on an existing one it adds and corrects. A row that the new keys
-- cannot hold moves, whole, into <table>_unassigned, with the reason; package schema counts those rows in its output.
--
-- Policies are made TO PUBLIC on purpose: the comparison is safe for every role, and the platform's other services keep
-- reading their tenant's rows after they call set_config('request.tenant_id', …, true). The control plane's policies are
-- TO leadctl_system only.

SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';

-- ---------------------------------------------------------------------------------------------------------------------
-- What the statements below are written in. pg_temp goes away with the connection.

CREATE FUNCTION pg_temp.want_table(tbl text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE p record;
BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I ()', tbl);
  FOR p IN SELECT polname FROM pg_policy WHERE polrelid = format('public.%I', tbl)::regclass LOOP
    EXECUTE format('DROP POLICY %I ON public.%I', p.polname, tbl);
  END LOOP;
  -- Row security would hide rows from the corrections below. It comes back, forced, at the end of this transaction.
  EXECUTE format('ALTER TABLE public.%I NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', tbl);
END $$;

-- dflt NULL: an existing default stays. required: NULLs are filled with the default before NOT NULL is set.
CREATE FUNCTION pg_temp.want_column(tbl text, col text, typ text, dflt text, required boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', tbl)::regclass;
  have text;
BEGIN
  SELECT format_type(atttypid, atttypmod) INTO have FROM pg_attribute WHERE attrelid = rel AND attname = col AND NOT attisdropped;
  IF have IS NULL THEN
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', rel, col, typ);
  ELSIF have <> typ THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', rel, col);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %I::text::%s', rel, col, typ, col, typ);
  END IF;
  IF dflt IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rel, col, dflt);
    IF required THEN
      EXECUTE format('UPDATE %s SET %I = %s WHERE %I IS NULL', rel, col, dflt, col);
    END IF;
  END IF;
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I %s NOT NULL', rel, col, CASE WHEN required THEN 'SET' ELSE 'DROP' END);
END $$;

-- An integer key that counts up. An existing sequence or identity stays; one that is behind the rows is brought past them.
CREATE FUNCTION pg_temp.want_serial(tbl text, col text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', tbl)::regclass;
  seq text := format('public.%I', tbl || '_' || col || '_seq');
  found text;
BEGIN
  PERFORM pg_temp.want_column(tbl, col, 'integer', NULL, false);
  found := pg_get_serial_sequence(rel::text, col);
  IF found IS NOT NULL AND found <> seq THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY IF EXISTS', rel, col);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', rel, col);
    EXECUTE format('DROP SEQUENCE IF EXISTS %s', found);
    found := NULL;
  END IF;
  IF found IS NULL OR EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = rel AND attname = col AND attidentity <> '') THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY IF EXISTS', rel, col);
    EXECUTE format('CREATE SEQUENCE IF NOT EXISTS %s AS integer OWNED BY %s.%I', seq, rel, col);
  END IF;
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT nextval(%L::regclass)', rel, col, seq);
  EXECUTE format('UPDATE %s SET %I = nextval(%L::regclass) WHERE %I IS NULL', rel, col, seq, col);
  EXECUTE format('SELECT setval(%L::regclass, greatest((SELECT max(%I) FROM %s), (SELECT last_value FROM %s), 1), '
    || '(SELECT count(*) > 0 FROM %s) OR (SELECT is_called FROM %s))', seq, col, rel, seq, rel, seq);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, col);
END $$;

-- condition is SQL over t, the row. The row keeps every column it had, as jsonb.
CREATE FUNCTION pg_temp.set_aside(tbl text, condition text, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  aside text := format('public.%I', tbl || '_unassigned');
  found boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I t WHERE %s)', tbl, condition) INTO found;
  IF NOT found THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE IF NOT EXISTS %s (reason text NOT NULL, moved_at timestamptz NOT NULL DEFAULT now(), row_data jsonb NOT NULL)', aside);
  EXECUTE format('WITH gone AS (DELETE FROM public.%I t WHERE %s RETURNING to_jsonb(t) AS row_data) '
    || 'INSERT INTO %s (reason, row_data) SELECT %L, row_data FROM gone', tbl, condition, aside, reason);
END $$;

-- keys: the constraints the table shall have, as {"name": "definition"}. A key that is already right is only renamed, so
-- that foreign keys of other services which rest on it stand. Others go; what leaned on them is named in a notice.
CREATE FUNCTION pg_temp.want_keys(tbl text, keys jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', tbl)::regclass;
  c record;
  k record;
BEGIN
  FOR c IN SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint
           WHERE conrelid = rel AND contype IN ('p', 'u', 'f') ORDER BY contype = 'f' DESC LOOP
    SELECT e.key INTO k FROM jsonb_each_text(keys) e WHERE e.value = c.def
      AND (e.key = c.conname OR NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conrelid = rel AND x.conname = e.key)) LIMIT 1;
    IF k.key IS NULL THEN
      PERFORM pg_temp.note_dependents(rel, c.conname);
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', rel, c.conname);
    ELSIF k.key <> c.conname THEN
      EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', rel, c.conname, k.key);
    END IF;
  END LOOP;
  FOR c IN SELECT i.indexrelid::regclass AS name FROM pg_index i WHERE i.indrelid = rel AND i.indisunique
           AND NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conindid = i.indexrelid) LOOP
    EXECUTE format('DROP INDEX %s', c.name);
  END LOOP;
  FOR k IN SELECT key, value FROM jsonb_each_text(keys) e ORDER BY value LIKE 'FOREIGN%' LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = rel AND conname = k.key) THEN
      EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', rel, k.key, k.value);
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION pg_temp.note_dependents(rel regclass, con name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d record;
BEGIN
  FOR d IN SELECT f.conname, f.conrelid::regclass AS tbl FROM pg_constraint f JOIN pg_constraint k ON k.conindid = f.conindid
           WHERE f.contype = 'f' AND k.conrelid = rel AND k.conname = con AND k.contype IN ('p', 'u') LOOP
    RAISE NOTICE 'foreign key % of % is dropped: it rests on a key of % that has no tenant in it', d.conname, d.tbl, rel;
  END LOOP;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The tenant of this transaction. STABLE, never IMMUTABLE: a cached plan must not keep the tenant it was first run for.
-- PostgreSQL leaves '' behind when a transaction-local setting ends, hence NULLIF. No tenant: NULL, which equals nothing.

CREATE OR REPLACE FUNCTION public.request_tenant() RETURNS integer
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN NULLIF(current_setting('request.tenant_id', true), '')::integer;
COMMENT ON FUNCTION public.request_tenant() IS 'tenant_id of this transaction, set by set_config(''request.tenant_id'', …, true); NULL when unset';

-- ---------------------------------------------------------------------------------------------------------------------
-- tenants

SELECT pg_temp.want_table('tenants');
SELECT pg_temp.want_serial('tenants', 'tenant_id');
SELECT pg_temp.want_column('tenants', 'name', 'text', '''''', true);
SELECT pg_temp.want_column('tenants', 'status', 'text', '''active''', true);
SELECT pg_temp.want_column('tenants', 'external_id', 'text', NULL, false);
SELECT pg_temp.want_column('tenants', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('tenants', 'updated_at', 'timestamp with time zone', 'now()', true);
ALTER TABLE public.tenants ALTER COLUMN name DROP DEFAULT;
UPDATE public.tenants SET status = CASE
    WHEN lower(btrim(status)) IN ('suspended', 'inactive', 'disabled') THEN 'suspended'
    WHEN lower(btrim(status)) IN ('deleted', 'archived') THEN 'deleted'
    ELSE 'active' END
  WHERE status NOT IN ('active', 'suspended', 'deleted');
SELECT pg_temp.want_keys('tenants', '{
  "tenants_pkey": "PRIMARY KEY (tenant_id)",
  "tenants_external_id_key": "UNIQUE (external_id)"}');
ALTER TABLE public.tenants
  DROP CONSTRAINT IF EXISTS tenants_tenant_id_check, DROP CONSTRAINT IF EXISTS tenants_status_check, DROP CONSTRAINT IF EXISTS tenants_external_id_check,
  ADD CONSTRAINT tenants_tenant_id_check CHECK (tenant_id > 0),
  ADD CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'deleted')),
  -- A claim that is a number names a tenant_id, so no external_id may look like one.
  ADD CONSTRAINT tenants_external_id_check CHECK (external_id ~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$');

-- ---------------------------------------------------------------------------------------------------------------------
-- tenant_users: who belongs to a tenant. (issuer, subject) is the identity; user_id is the e-mail as it was known.

SELECT pg_temp.want_table('tenant_users');
SELECT pg_temp.want_column('tenant_users', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'user_id', 'text', NULL, false);
SELECT pg_temp.set_aside('tenant_users', 't.user_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant, or no user');
SELECT pg_temp.set_aside('tenant_users', 'EXISTS (SELECT 1 FROM public.tenant_users o WHERE o.tenant_id = t.tenant_id AND o.user_id = t.user_id AND o.ctid > t.ctid)', 'the same user twice');
SELECT pg_temp.want_column('tenant_users', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('tenant_users', 'user_id', 'text', NULL, true);
SELECT pg_temp.want_column('tenant_users', 'issuer', 'text', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'subject', 'text', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'roles', 'text[]', '''{}''::text[]', true);
SELECT pg_temp.want_column('tenant_users', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_keys('tenant_users', '{
  "tenant_users_pkey": "PRIMARY KEY (tenant_id, user_id)",
  "tenant_users_identity_key": "UNIQUE (tenant_id, issuer, subject)",
  "tenant_users_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
CREATE INDEX IF NOT EXISTS tenant_users_identity_idx ON public.tenant_users (issuer, subject);

-- ---------------------------------------------------------------------------------------------------------------------
-- odoo_connections: where a tenant's workspace is. secret holds ciphertext only ('v1:' and base64 of an AEAD ciphertext
-- bound to the tenant). The check is NOT VALID so that plaintext left by another service survives adoption, is counted,
-- and is encrypted by the operator's next step; nothing can write plaintext again.

SELECT pg_temp.want_table('odoo_connections');
SELECT pg_temp.want_column('odoo_connections', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('odoo_connections', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('odoo_connections', 'EXISTS (SELECT 1 FROM public.odoo_connections o WHERE o.tenant_id = t.tenant_id AND o.ctid > t.ctid)', 'a second connection of the same tenant');
SELECT pg_temp.want_column('odoo_connections', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('odoo_connections', 'base_url', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'db_name', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'company_id', 'integer', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'auth_type', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'login', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'secret', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'protocol', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'server_version', 'text', NULL, false);
SELECT pg_temp.want_column('odoo_connections', 'active', 'boolean', 'true', true);
SELECT pg_temp.want_column('odoo_connections', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('odoo_connections', 'updated_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_keys('odoo_connections', '{
  "odoo_connections_pkey": "PRIMARY KEY (tenant_id)",
  "odoo_connections_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
ALTER TABLE public.odoo_connections DROP CONSTRAINT IF EXISTS odoo_connections_secret_check,
  ADD CONSTRAINT odoo_connections_secret_check CHECK (secret LIKE 'v1:%') NOT VALID;

-- ---------------------------------------------------------------------------------------------------------------------
-- onboarding_status: what a signed-in user is told while the workspace is made.

SELECT pg_temp.want_table('onboarding_status');
SELECT pg_temp.want_column('onboarding_status', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('onboarding_status', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('onboarding_status', 'EXISTS (SELECT 1 FROM public.onboarding_status o WHERE o.tenant_id = t.tenant_id AND o.ctid > t.ctid)', 'a second status of the same tenant');
SELECT pg_temp.want_column('onboarding_status', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('onboarding_status', 'status', 'text', '''provisioning''', true);
SELECT pg_temp.want_column('onboarding_status', 'step', 'text', NULL, false);
SELECT pg_temp.want_column('onboarding_status', 'error', 'text', NULL, false);
SELECT pg_temp.want_column('onboarding_status', 'attempt', 'integer', '0', true);
SELECT pg_temp.want_column('onboarding_status', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('onboarding_status', 'updated_at', 'timestamp with time zone', 'now()', true);
UPDATE public.onboarding_status SET status = CASE
    WHEN lower(btrim(status)) IN ('ready', 'complete', 'completed', 'done', 'active') THEN 'ready'
    WHEN lower(btrim(status)) IN ('error', 'failed') THEN 'error'
    WHEN lower(btrim(status)) = 'syncing' THEN 'syncing'
    ELSE 'provisioning' END
  WHERE status NOT IN ('provisioning', 'syncing', 'ready', 'error');
SELECT pg_temp.want_keys('onboarding_status', '{
  "onboarding_status_pkey": "PRIMARY KEY (tenant_id)",
  "onboarding_status_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
ALTER TABLE public.onboarding_status DROP CONSTRAINT IF EXISTS onboarding_status_status_check,
  ADD CONSTRAINT onboarding_status_status_check CHECK (status IN ('provisioning', 'syncing', 'ready', 'error'));

-- ---------------------------------------------------------------------------------------------------------------------
-- icp_rules: a tenant's ideal customer profiles. Rule numbers count per tenant, so they tell nothing about others.

SELECT pg_temp.want_table('icp_rules');
SELECT pg_temp.want_serial('icp_rules', 'rule_id');
SELECT pg_temp.want_column('icp_rules', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('icp_rules', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.want_column('icp_rules', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('icp_rules', 'name', 'text', '''Unnamed''', true);
SELECT pg_temp.want_column('icp_rules', 'payload', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('icp_rules', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('icp_rules', 'updated_at', 'timestamp with time zone', 'now()', true);
ALTER TABLE public.icp_rules ALTER COLUMN name DROP DEFAULT, ALTER COLUMN payload DROP DEFAULT;
-- Names were not unique before: the newest keeps its name.
UPDATE public.icp_rules r SET name = r.name || ' (' || r.rule_id || ')'
  WHERE EXISTS (SELECT 1 FROM public.icp_rules n WHERE n.tenant_id = r.tenant_id AND n.name = r.name AND n.rule_id > r.rule_id);
SELECT pg_temp.want_keys('icp_rules', '{
  "icp_rules_pkey": "PRIMARY KEY (tenant_id, rule_id)",
  "icp_rules_name_key": "UNIQUE (tenant_id, name)",
  "icp_rules_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');

-- ---------------------------------------------------------------------------------------------------------------------
-- companies: shared reference data derived from the register. No tenant writes it.

SELECT pg_temp.want_table('companies');
SELECT pg_temp.want_serial('companies', 'company_id');
SELECT pg_temp.want_column('companies', 'uen', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'name', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'industry_norm', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'industry_code', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'website_domain', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'employees_est', 'integer', NULL, false);
SELECT pg_temp.want_column('companies', 'revenue_bucket', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'incorporation_year', 'integer', NULL, false);
SELECT pg_temp.want_column('companies', 'entity_type', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'entity_status', 'text', NULL, false);
SELECT pg_temp.want_column('companies', 'live', 'boolean', 'true', true);
SELECT pg_temp.want_column('companies', 'last_seen', 'timestamp with time zone', NULL, false);
SELECT pg_temp.want_column('companies', 'updated_at', 'timestamp with time zone', 'now()', true);
-- Two rows of one UEN: both stay, since other services refer to them by company_id; the older keeps the UEN.
UPDATE public.companies c SET uen = NULL WHERE btrim(c.uen) = ''
  OR EXISTS (SELECT 1 FROM public.companies o WHERE o.uen = c.uen AND o.company_id < c.company_id);
SELECT pg_temp.want_keys('companies', '{
  "companies_pkey": "PRIMARY KEY (company_id)",
  "companies_uen_key": "UNIQUE (uen)"}');

-- ---------------------------------------------------------------------------------------------------------------------
-- lead_features, lead_scores: a tenant's view of a company. Other services may write rows too; source says whose they are.

SELECT pg_temp.want_table('lead_features');
SELECT pg_temp.want_column('lead_features', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('lead_features', 'company_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('lead_features', 't.company_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('lead_features', 'EXISTS (SELECT 1 FROM public.lead_features o WHERE o.tenant_id = t.tenant_id AND o.company_id = t.company_id AND o.ctid > t.ctid)', 'the same company twice');
SELECT pg_temp.want_column('lead_features', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_features', 'company_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_features', 'features', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('lead_features', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('lead_features', 'updated_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_keys('lead_features', '{
  "lead_features_pkey": "PRIMARY KEY (tenant_id, company_id)",
  "lead_features_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');

SELECT pg_temp.want_table('lead_scores');
SELECT pg_temp.want_column('lead_scores', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'company_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('lead_scores', 't.company_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('lead_scores', 'EXISTS (SELECT 1 FROM public.lead_scores o WHERE o.tenant_id = t.tenant_id AND o.company_id = t.company_id AND o.ctid > t.ctid)', 'the same company twice');
SELECT pg_temp.want_column('lead_scores', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_scores', 'company_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_scores', 'score', 'double precision', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'bucket', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'rationale', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'cache_key', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('lead_scores', 'version', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'scored_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_keys('lead_scores', '{
  "lead_scores_pkey": "PRIMARY KEY (tenant_id, company_id)",
  "lead_scores_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
-- Best first, with a tie-breaker: the order of exports and of keyset paging.
CREATE INDEX IF NOT EXISTS lead_scores_best_idx ON public.lead_scores (tenant_id, score DESC NULLS LAST, company_id);

-- ---------------------------------------------------------------------------------------------------------------------
-- enrichment_runs: the tenant's scoring and enrichment runs, of leadctl and of other services.

SELECT pg_temp.want_table('enrichment_runs');
SELECT pg_temp.want_serial('enrichment_runs', 'run_id');
SELECT pg_temp.want_column('enrichment_runs', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('enrichment_runs', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.want_column('enrichment_runs', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('enrichment_runs', 'status', 'text', '''unknown''', true);
SELECT pg_temp.want_column('enrichment_runs', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('enrichment_runs', 'started_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('enrichment_runs', 'ended_at', 'timestamp with time zone', NULL, false);
SELECT pg_temp.want_column('enrichment_runs', 'counts', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('enrichment_runs', 'error', 'text', NULL, false);
SELECT pg_temp.want_keys('enrichment_runs', '{
  "enrichment_runs_pkey": "PRIMARY KEY (tenant_id, run_id)",
  "enrichment_runs_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');

-- ---------------------------------------------------------------------------------------------------------------------
-- staging_acra_companies: the register as published, every value text. Existing databases may hold codes as numbers and
-- dates as dates: they are widened; a leading zero lost that way comes back with the next run.

SELECT pg_temp.want_table('staging_acra_companies');
SELECT pg_temp.want_column('staging_acra_companies', c, 'text', NULL, false) FROM unnest(string_to_array(
  'uen issuance_agency_id entity_name entity_type_description business_constitution_description company_type_description'
  ' paf_constitution_description entity_status_description registration_incorporation_date uen_issue_date address_type block'
  ' street_name level_no unit_no building_name postal_code other_address_line1 other_address_line2 account_due_date'
  ' annual_return_date primary_ssic_code primary_ssic_description primary_user_described_activity secondary_ssic_code'
  ' secondary_ssic_description secondary_user_described_activity no_of_officers former_entity_name1 former_entity_name2'
  ' former_entity_name3 former_entity_name4 former_entity_name5 former_entity_name6 former_entity_name7 former_entity_name8'
  ' former_entity_name9 former_entity_name10 former_entity_name11 former_entity_name12 former_entity_name13'
  ' former_entity_name14 former_entity_name15 uen_of_audit_firm1 name_of_audit_firm1 uen_of_audit_firm2 name_of_audit_firm2'
  ' uen_of_audit_firm3 name_of_audit_firm3 uen_of_audit_firm4 name_of_audit_firm4 uen_of_audit_firm5 name_of_audit_firm5', ' ')) AS c;
SELECT pg_temp.set_aside('staging_acra_companies', 't.uen IS NULL OR btrim(t.uen) = ''''', 'no UEN');
SELECT pg_temp.set_aside('staging_acra_companies', 'EXISTS (SELECT 1 FROM public.staging_acra_companies o WHERE o.uen = t.uen AND o.ctid > t.ctid)', 'the same UEN twice');
SELECT pg_temp.want_column('staging_acra_companies', 'uen', 'text', NULL, true);
SELECT pg_temp.want_column('staging_acra_companies', 'row_hash', 'bytea', NULL, false);
SELECT pg_temp.want_column('staging_acra_companies', 'first_seen', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('staging_acra_companies', 'last_seen', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('staging_acra_companies', 'run_id', 'bigint', NULL, false);
SELECT pg_temp.want_keys('staging_acra_companies', '{"staging_acra_companies_pkey": "PRIMARY KEY (uen)"}');

-- ---------------------------------------------------------------------------------------------------------------------
-- Isolation: enabled and forced on everything that belongs to a tenant, with the one comparison.

CREATE FUNCTION pg_temp.isolate(tbl text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY tenant_isolation ON public.%I USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant())', tbl);
  IF tbl <> 'tenants' THEN
    EXECUTE format('ALTER TABLE public.%1$I DROP CONSTRAINT IF EXISTS %2$I, ADD CONSTRAINT %2$I CHECK (tenant_id > 0)', tbl, tbl || '_tenant_id_check');
  END IF;
END $$;
SELECT pg_temp.isolate(t) FROM unnest(ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status', 'icp_rules',
  'lead_features', 'lead_scores', 'enrichment_runs']) AS t;

CREATE FUNCTION pg_temp.control_plane(tbl text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE POLICY control_plane ON public.%I TO leadctl_system USING (true) WITH CHECK (true)', tbl);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO leadctl_system', tbl);
END $$;
SELECT pg_temp.control_plane(t) FROM unnest(ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status']) AS t;

-- ---------------------------------------------------------------------------------------------------------------------
-- Grants. Rights that existing roles hold on these tables stay; the two roles of leadctl get exactly this.

GRANT USAGE ON SCHEMA public TO leadctl_app, leadctl_system;
GRANT SELECT ON public.tenants, public.tenant_users, public.onboarding_status, public.companies TO leadctl_app;
GRANT SELECT (tenant_id, base_url, db_name, company_id, auth_type, protocol, server_version, active, created_at, updated_at)
  ON public.odoo_connections TO leadctl_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.icp_rules, public.lead_features, public.lead_scores, public.enrichment_runs TO leadctl_app;
GRANT SELECT, INSERT, UPDATE ON public.companies TO leadctl_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.staging_acra_companies TO leadctl_system;
GRANT USAGE ON SEQUENCE public.tenants_tenant_id_seq, public.companies_company_id_seq TO leadctl_system;
