-- People at companies and the addresses to write to, each a tenant's own. Whoever finds them writes them; exports show the
-- newest contact of a company, and its primary address or else the newest.
--
-- Other services may have made tables contacts and lead_emails. Without a tenant_id they are reference data about companies,
-- which a later migration reads as they are. With one they are adopted: columns are added, keys get the tenant in them, and
-- a row that the keys cannot hold moves, whole, into <table>_unassigned. What is theirs beyond that stays.

SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';

RESET ROLE; -- only the login that migrates can give tables away
DO $$
DECLARE
  c record;
  q record;
BEGIN
  FOR c IN SELECT a.attrelid::regclass::text AS rel, CASE a.attrelid WHEN to_regclass('public.contacts') THEN 'tenant_contacts' ELSE 'tenant_emails' END AS name
           FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid AND r.relkind = 'r' WHERE a.attname = 'tenant_id' AND NOT a.attisdropped
           AND a.attrelid IN (to_regclass('public.contacts'), to_regclass('public.lead_emails')) LOOP
    EXECUTE format('ALTER TABLE %s RENAME TO %I', c.rel, c.name);
    RAISE NOTICE 'leadctl: table % is now called %: its rows are the tenants'' own', c.rel, c.name;
  END LOOP;
  FOR c IN SELECT r.oid, r.relname, r.relkind, o.rolname AS owner FROM pg_class r JOIN pg_roles o ON o.oid = r.relowner
           WHERE r.oid IN (to_regclass('public.tenant_contacts'), to_regclass('public.tenant_emails')) LOOP
    IF c.relkind <> 'r' THEN
      RAISE EXCEPTION 'public.% is not a plain table', c.relname USING ERRCODE = '42809', HINT = 'rename it and make its rows a table of that name, or leave the name to leadctl';
    END IF;
    CONTINUE WHEN c.owner = 'leadctl_owner';
    EXECUTE format('ALTER TABLE public.%I OWNER TO leadctl_owner', c.relname);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %I', c.relname, c.owner);
    FOR q IN SELECT DISTINCT s.oid::regclass AS name, o.rolname AS owner FROM pg_attrdef f
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_roles o ON o.oid = s.relowner WHERE f.adrelid = c.oid LOOP
      IF q.owner <> 'leadctl_owner' THEN
        EXECUTE format('ALTER SEQUENCE %s OWNER TO leadctl_owner', q.name);
      END IF;
      EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', q.name, c.owner);
    END LOOP;
  END LOOP;
END $$;
SET ROLE leadctl_owner;

-- Makes or adopts table t: columns are {name, type, default or null} in order, key the columns of its primary key.
CREATE FUNCTION pg_temp.own(t text, columns text[], key text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass;
  ours boolean := to_regclass(format('public.%I', t)) IS NULL;
  c record;
  same text;
BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I ()', t);
  rel := format('public.%I', t)::regclass;
  IF ours THEN
    EXECUTE format('COMMENT ON TABLE %s IS %L', rel, 'made by leadctl');
  END IF;
  EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', rel);
  FOR c IN SELECT polname FROM pg_policy WHERE polrelid = rel LOOP
    EXECUTE format('DROP POLICY %I ON %s', c.polname, rel);
  END LOOP;
  -- Keys without the tenant tell tenants about each other, and so do references into a tenant's table.
  FOR c IN SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conrelid = rel AND (contype IN ('p', 'u', 'x')
           OR contype = 'f' AND EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = confrelid AND attname = 'tenant_id' AND NOT attisdropped)
           OR contype = 'c' AND EXISTS (SELECT 1 FROM pg_attribute a, generate_subscripts(columns, 1) i
             WHERE a.attrelid = rel AND a.attnum = ANY (conkey) AND a.attname = columns[i][1])) LOOP
    RAISE NOTICE 'leadctl: constraint % of % is dropped: leadctl has its own; it was %', c.conname, rel, c.def;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', rel, c.conname);
  END LOOP;
  FOR c IN SELECT indexrelid::regclass AS name FROM pg_index WHERE indrelid = rel AND indisunique LOOP
    RAISE NOTICE 'leadctl: unique index % of % is dropped: leadctl has keys of its own', c.name, rel;
    EXECUTE format('DROP INDEX %s CASCADE', c.name);
  END LOOP;
  FOR i IN 1 .. array_length(columns, 1) LOOP
    SELECT format_type(atttypid, atttypmod) INTO same FROM pg_attribute WHERE attrelid = rel AND attname = columns[i][1] AND NOT attisdropped;
    IF same IS NULL THEN
      EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', rel, columns[i][1], columns[i][2]);
    ELSIF same <> columns[i][2] AND columns[i][1] <> 'contact_id' AND NOT (same = 'bigint' AND columns[i][2] = 'integer') THEN -- numbers that other tables refer to stay, and wider ones
      EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I DROP DEFAULT, ALTER COLUMN %2$I TYPE %3$s USING nullif(btrim(%2$I::text), '''')::%3$s', rel, columns[i][1], columns[i][2]);
    END IF;
    IF columns[i][3] IS NOT NULL AND (same IS NULL OR columns[i][1] <> 'contact_id') THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rel, columns[i][1], columns[i][3]);
      EXECUTE format('UPDATE %1$s SET %2$I = %3$s WHERE %2$I IS NULL', rel, columns[i][1], columns[i][3]);
    ELSIF columns[i][1] = 'tenant_id' THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id DROP DEFAULT', rel); -- whose a row is, is said, never assumed
    END IF;
    IF columns[i][3] IS NOT NULL OR columns[i][1] = ANY (key) THEN
      CONTINUE; -- NOT NULL comes once the rows are right
    END IF;
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', rel, columns[i][1]);
  END LOOP;
  PERFORM pg_temp.set_aside(rel, t, 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
  PERFORM pg_temp.set_aside(rel, t, (SELECT string_agg(format('t.%I IS NULL', k), ' OR ') FROM unnest(key) k), 'a part of its key is missing');
  PERFORM pg_temp.set_aside(rel, t, format('t.ctid IN (SELECT d.ctid FROM (SELECT o.ctid, row_number() OVER (PARTITION BY %s '
    'ORDER BY o.ctid DESC) AS n FROM %s o) d WHERE d.n > 1)', (SELECT string_agg(quote_ident(k), ', ') FROM unnest(key) k), rel), 'the same key twice');
  FOR i IN 1 .. array_length(columns, 1) LOOP
    IF columns[i][3] IS NOT NULL OR columns[i][1] = ANY (key) THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, columns[i][1]);
    END IF;
  END LOOP;
  EXECUTE format('ALTER TABLE %1$s ADD CONSTRAINT %2$I PRIMARY KEY (%3$s), ADD CONSTRAINT %4$I FOREIGN KEY (tenant_id) REFERENCES public.tenants (tenant_id) ON DELETE CASCADE, '
    || 'ADD CONSTRAINT %5$I CHECK (tenant_id > 0)', rel, t || '_pkey', (SELECT string_agg(quote_ident(k), ', ') FROM unnest(key) k), t || '_tenant_id_fkey', t || '_tenant_id_check');
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', rel);
  EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant())', rel);
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, leadctl_app, leadctl_system', rel);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO leadctl_app', rel);
END $$;

-- condition is SQL over t, the row, which keeps every column it had as jsonb.
CREATE FUNCTION pg_temp.set_aside(rel regclass, name text, condition text, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s t WHERE %s)', rel, condition) INTO found;
  IF found THEN
    EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I (reason text NOT NULL, moved_at timestamptz NOT NULL DEFAULT now(), row_data jsonb NOT NULL)', name || '_unassigned');
    EXECUTE format('WITH gone AS (DELETE FROM %s t WHERE %s RETURNING to_jsonb(t) AS row_data) INSERT INTO public.%I (reason, row_data) SELECT %L, row_data FROM gone',
      rel, condition, name || '_unassigned', reason);
  END IF;
END $$;

ALTER TABLE public.tenants NO FORCE ROW LEVEL SECURITY; -- which tenants there are; forced again below

SELECT pg_temp.own('tenant_contacts', ARRAY[
  ['tenant_id', 'integer', NULL], ['contact_id', 'uuid', 'gen_random_uuid()'], ['company_id', 'integer', NULL],
  ['name', 'text', NULL], ['title', 'text', NULL], ['email', 'text', NULL], ['linkedin', 'text', NULL], ['phone', 'text', NULL],
  ['source', 'text', '''platform'''], ['updated_at', 'timestamp with time zone', 'now()']], ARRAY['tenant_id', 'contact_id']);
CREATE INDEX IF NOT EXISTS tenant_contacts_company_idx ON public.tenant_contacts (tenant_id, company_id, updated_at DESC, contact_id);

SELECT pg_temp.own('tenant_emails', ARRAY[
  ['tenant_id', 'integer', NULL], ['company_id', 'integer', NULL], ['email', 'text', NULL], ['status', 'text', '''unknown'''],
  ['is_primary', 'boolean', 'false'], ['source', 'text', '''platform'''], ['updated_at', 'timestamp with time zone', 'now()']],
  ARRAY['tenant_id', 'company_id', 'email']);
CREATE INDEX IF NOT EXISTS tenant_emails_best_idx ON public.tenant_emails (tenant_id, company_id, is_primary DESC, updated_at DESC, email);

ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
DROP FUNCTION pg_temp.own(text, text[], text[]);
DROP FUNCTION pg_temp.set_aside(regclass, text, text, text);
