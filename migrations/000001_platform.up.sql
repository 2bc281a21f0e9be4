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
-- Whose the tables are. Those that exist come under leadctl_owner, and so do the sequences that count for them. Only the
-- login that migrates can give them away, and the rest of this file is leadctl_owner's work again.

RESET ROLE;

-- What stands in the way of an adoption. A dry run goes on to find the rest: its transaction is rolled back.
CREATE FUNCTION pg_temp.refuse(what text, code text, todo text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('leadctl.dry_run', true), '') <> 'on' THEN
    RAISE EXCEPTION '%', what USING ERRCODE = code, HINT = todo;
  END IF;
  RAISE NOTICE 'leadctl refusal: %', concat_ws('; hint: ', what, todo);
END $$;

DO $$
DECLARE
  t text;
  c record;
  s record;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status', 'icp_rules', 'companies',
    'lead_features', 'lead_scores', 'enrichment_runs', 'staging_acra_companies'] LOOP
    SELECT r.oid, r.relkind, o.rolname AS owner INTO c FROM pg_class r JOIN pg_roles o ON o.oid = r.relowner WHERE r.oid = to_regclass('public.' || t);
    CONTINUE WHEN NOT FOUND;
    IF c.relkind <> 'r' THEN
      PERFORM pg_temp.refuse(format('public.%s is not a plain table', t), '42809', 'rename it and make its rows a table of that name, or leave the name to leadctl');
      EXECUTE format('ALTER TABLE public.%I RENAME TO %I', t, left(t, 55) || '_renamed');
      CONTINUE;
    END IF;
    -- Who owned a table keeps reading and writing it, from now on within row security like everyone.
    IF c.owner <> 'leadctl_owner' THEN
      EXECUTE format('ALTER TABLE public.%I OWNER TO leadctl_owner', t);
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %I', t, c.owner);
    END IF;
    FOR s IN SELECT DISTINCT q.oid::regclass AS name, o.rolname AS owner FROM pg_attrdef f
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class q ON q.oid = d.refobjid AND q.relkind = 'S' JOIN pg_roles o ON o.oid = q.relowner
        WHERE f.adrelid = c.oid
        UNION SELECT q.oid::regclass, o.rolname FROM pg_class q JOIN pg_roles o ON o.oid = q.relowner -- or bears the name that theirs shall have
        WHERE q.relkind = 'S' AND q.relnamespace = 'public'::regnamespace AND q.relname = t || '_' || CASE t WHEN 'tenants' THEN 'tenant' WHEN 'companies' THEN 'company'
          WHEN 'icp_rules' THEN 'rule' ELSE 'run' END || '_id_seq' LOOP
      IF s.owner <> 'leadctl_owner' THEN
        EXECUTE format('ALTER SEQUENCE %s OWNER TO leadctl_owner', s.name);
      END IF;
      IF c.owner <> 'leadctl_owner' THEN
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', s.name, c.owner);
      END IF;
    END LOOP;
  END LOOP;
END $$;

SET ROLE leadctl_owner;

-- ---------------------------------------------------------------------------------------------------------------------
-- What the statements below are written in. pg_temp goes away with the connection.

CREATE TEMPORARY TABLE wanted (tbl text, keys jsonb, cols text[] DEFAULT '{}') ON COMMIT DROP;

-- What adoption takes away from another service. Package schema hands these on to the operator.
CREATE FUNCTION pg_temp.note(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'leadctl: %', what;
END $$;

CREATE FUNCTION pg_temp.drop_constraint(rel regclass, con name, def text, why text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE f record;
BEGIN
  FOR f IN SELECT x.conname, x.conrelid::regclass AS tbl FROM pg_constraint x JOIN pg_constraint k ON k.conindid = x.conindid
           WHERE x.contype = 'f' AND k.conrelid = rel AND k.conname = con AND k.contype IN ('p', 'u') LOOP
    PERFORM pg_temp.note(format('foreign key %s of %s is dropped: it rested on %s of %s', f.conname, f.tbl, con, rel));
  END LOOP;
  PERFORM pg_temp.note(format('constraint %s of %s is dropped: %s; it was %s', con, rel, why, def));
  EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', rel, con);
END $$;

-- keys: the primary key, unique keys and foreign keys the table shall have, as {"name": "definition"}. A key that is right
-- already is only renamed, so that other services' foreign keys which rest on it stand. Of the rest, every key goes, since
-- one without the tenant in it tells tenants about each other, and so does every foreign key into a tenant's table.
-- All that happens before the rows are touched, so that no cascade follows them.
CREATE FUNCTION pg_temp.want_table(name text, want jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass;
  c record;
  right_name text;
BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I ()', name);
  rel := format('public.%I', name)::regclass;
  IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = rel AND attnum > 0) THEN
    RAISE NOTICE 'leadctl progress: %', name;
  END IF;
  INSERT INTO pg_temp.wanted (tbl, keys) VALUES (name, want);
  FOR c IN SELECT polname FROM pg_policy WHERE polrelid = rel LOOP
    EXECUTE format('DROP POLICY %I ON %s', c.polname, rel);
  END LOOP;
  -- Row security would hide rows from the corrections below. It comes back, forced, at the end of this transaction.
  EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY', rel);
  FOR c IN SELECT i.indexrelid::regclass AS name FROM pg_index i WHERE i.indrelid = rel AND i.indisunique
           AND NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conrelid = rel AND x.conindid = i.indexrelid) LOOP
    PERFORM pg_temp.note(format('unique index %s of %s is dropped: leadctl has keys of its own', c.name, rel));
    EXECUTE format('DROP INDEX %s CASCADE', c.name);
  END LOOP;
  FOR c IN SELECT conname, contype, confrelid, pg_get_constraintdef(oid) AS def FROM pg_constraint
           WHERE conrelid = rel AND contype IN ('p', 'u', 'x', 'f') ORDER BY contype = 'f' DESC LOOP
    SELECT e.key INTO right_name FROM jsonb_each_text(want) e WHERE e.value = c.def
      AND (e.key = c.conname OR NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conrelid = rel AND x.conname = e.key)) LIMIT 1;
    IF right_name IS NOT NULL THEN
      IF right_name <> c.conname THEN
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', rel, c.conname, right_name);
      END IF;
    ELSIF c.contype <> 'f' OR pg_temp.of_a_tenant(c.confrelid) THEN
      PERFORM pg_temp.drop_constraint(rel, c.conname, c.def, 'leadctl has keys of its own');
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION pg_temp.of_a_tenant(rel regclass) RETURNS boolean LANGUAGE sql AS $$
  SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = rel AND attname = 'tenant_id' AND NOT attisdropped)
$$;

-- dflt NULL: an existing default stays. required: NULLs are filled with the default before NOT NULL is set.
CREATE FUNCTION pg_temp.want_column(name text, col text, typ text, dflt text, required boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', name)::regclass;
  have text;
  c record;
BEGIN
  UPDATE pg_temp.wanted w SET cols = cols || col WHERE w.tbl = name;
  FOR c IN SELECT x.conname, pg_get_constraintdef(x.oid) AS def FROM pg_constraint x JOIN pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = ANY (x.conkey)
           WHERE x.conrelid = rel AND x.contype = 'c' AND a.attname = col LOOP
    PERFORM pg_temp.drop_constraint(rel, c.conname, c.def, format('leadctl has its own rules for %s', col));
  END LOOP;
  SELECT format_type(atttypid, atttypmod) INTO have FROM pg_attribute WHERE attrelid = rel AND attname = col AND NOT attisdropped;
  IF have IS NULL THEN -- with its default, so that rows that exist need no UPDATE
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s %s', rel, col, typ, 'DEFAULT ' || dflt);
  ELSIF have <> typ AND NOT (have = 'bigint' AND typ = 'integer') THEN -- a wider number stays: it may hold what integer cannot
    PERFORM pg_temp.change_type(rel, col, typ);
  END IF;
  IF dflt IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rel, col, dflt);
    IF required AND have IS NOT NULL THEN
      EXECUTE format('UPDATE %s SET %I = %s WHERE %I IS NULL', rel, col, dflt, col);
    END IF;
  ELSIF col = 'tenant_id' AND name <> 'tenants' THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', rel, col); -- whose a row is, is said, never assumed
  END IF;
  IF required THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, col);
  ELSIF NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                    WHERE i.indrelid = rel AND i.indisprimary AND a.attname = col) THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', rel, col);
  END IF;
END $$;

-- Views that stand on a column whose type changes. They are dropped before and made again, filled, when the rows are right.
CREATE TEMPORARY TABLE taken_views (nr serial, id text, kind text, definition text, owner name, acl aclitem[], options text[],
  indexes text[]) ON COMMIT DROP;

CREATE FUNCTION pg_temp.take_views(rel regclass, col text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v record;
BEGIN
  RESET ROLE; -- the views are those of the login that migrates, if it is not a superuser
  FOR v IN WITH RECURSIVE standing AS (
        SELECT w.ev_class AS oid, 1 AS depth FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = rel AND a.attname = col AND w.ev_class <> rel
        UNION SELECT w.ev_class, s.depth + 1 FROM standing s JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid
          JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid WHERE w.ev_class <> s.oid)
      SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS id, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind,
        o.rolname AS owner, c.relacl, c.reloptions FROM (SELECT s.oid, max(s.depth) AS depth FROM standing s GROUP BY 1) s
        JOIN pg_class c ON c.oid = s.oid AND c.relkind IN ('v', 'm') JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_roles o ON o.oid = c.relowner ORDER BY s.depth DESC, 2 LOOP
    INSERT INTO pg_temp.taken_views (id, kind, definition, owner, acl, options, indexes) VALUES (v.id, v.kind, pg_get_viewdef(v.oid), v.owner, v.relacl, v.reloptions,
      ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = v.oid));
    EXECUTE format('DROP %s %s', v.kind, v.id);
  END LOOP;
  SET ROLE leadctl_owner;
END $$;

CREATE FUNCTION pg_temp.return_views() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v record;
  g record;
  statement text;
BEGIN
  RESET ROLE;
  FOR v IN SELECT * FROM pg_temp.taken_views ORDER BY nr DESC LOOP
    BEGIN
      EXECUTE format('CREATE %s %s %s AS %s', v.kind, v.id, 'WITH (' || array_to_string(v.options, ', ') || ')', v.definition);
    EXCEPTION WHEN OTHERS THEN
      PERFORM pg_temp.refuse(format('%s %s does not fit a column whose type changes: %s', lower(v.kind), v.id, SQLERRM), SQLSTATE,
        'drop the view, migrate, and create it with a cast of that column');
      CONTINUE;
    END;
    FOREACH statement IN ARRAY v.indexes LOOP
      EXECUTE statement;
    END LOOP;
    FOR g IN SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee, x.privilege_type FROM aclexplode(v.acl) x LOOP
      EXECUTE format('GRANT %s ON %s TO %s', g.privilege_type, v.id, g.grantee);
    END LOOP;
    EXECUTE format('ALTER %s %s OWNER TO %I', v.kind, v.id, v.owner);
    PERFORM pg_temp.note(format('%s %s was dropped and created again, because a column''s type changed', lower(v.kind), v.id));
  END LOOP;
  SET ROLE leadctl_owner;
END $$;

-- Numbers become numbers by PostgreSQL's own cast; everything else goes by way of text, where '' means no value.
CREATE FUNCTION pg_temp.change_type(rel regclass, col text, typ text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  numbers regtype[] := ARRAY['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision'];
  old regtype := (SELECT atttypid FROM pg_attribute WHERE attrelid = rel AND attname = col AND NOT attisdropped);
  using_expr text := CASE
    WHEN typ = 'text' THEN '%1$I::text'
    WHEN old = ANY (numbers) AND typ::regtype = ANY (numbers) THEN '%1$I::%2$s'
    ELSE 'nullif(btrim(%1$I::text), '''')::%2$s' END;
  detail text;
BEGIN
  PERFORM pg_temp.take_views(rel, col);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', rel, col);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING ', rel, col, typ) || format(using_expr, col, typ);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  PERFORM pg_temp.refuse(format('%s.%s cannot become %s: %s%s', rel, col, typ, SQLERRM, ' (' || nullif(detail, '') || ')'), SQLSTATE,
    CASE WHEN SQLSTATE = '0A000' THEN 'drop what uses the column, migrate, and make it again' ELSE 'correct the values of that column first' END);
  EXECUTE format('ALTER TABLE %1$s DROP COLUMN %2$I CASCADE, ADD COLUMN %2$I %3$s', rel, col, typ);
END $$;

-- An integer key that counts up. Its sequence stays, whatever kind it was; one behind the rows is brought past them.
CREATE FUNCTION pg_temp.want_serial(name text, col text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', name)::regclass;
  seq_name text := name || '_' || col || '_seq';
  seq text := format('public.%I', seq_name);
  used regclass;
  last bigint;
  typ text;
BEGIN
  IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = rel AND attname = col AND NOT attisdropped) THEN
    used := pg_get_serial_sequence(format('public.%I', name), col)::regclass;
  END IF;
  IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = rel AND attname = col AND attidentity <> '') THEN
    EXECUTE format('SELECT last_value FROM %s', used) INTO last;
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', rel, col);
    used := NULL;
  ELSIF used IS NULL THEN -- a sequence that counts for the column without belonging to it
    SELECT d.refobjid::regclass INTO used FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
      WHERE f.adrelid = rel AND a.attname = col;
  END IF;
  PERFORM pg_temp.want_column(name, col, 'integer', NULL, false);
  IF used IS NOT NULL AND used IS DISTINCT FROM to_regclass(seq) THEN
    EXECUTE format('ALTER SEQUENCE %s RENAME TO %I', used, seq_name);
  END IF;
  SELECT format_type(atttypid, atttypmod) INTO typ FROM pg_attribute WHERE attrelid = rel AND attname = col;
  EXECUTE format('CREATE SEQUENCE IF NOT EXISTS %s AS %s', seq, typ);
  EXECUTE format('ALTER SEQUENCE %s AS %s OWNED BY %s.%I', seq, typ, rel, col);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT nextval(%L::regclass)', rel, col, seq);
  EXECUTE format('SELECT setval(%1$L::regclass, greatest((SELECT max(%2$I) FROM %3$s), (SELECT last_value FROM %1$s), $1, 1), '
    || '$1 IS NOT NULL OR EXISTS (SELECT 1 FROM %3$s WHERE %2$I IS NOT NULL) OR (SELECT is_called FROM %1$s))', seq, col, rel) USING last;
  EXECUTE format('UPDATE %s SET %I = nextval(%L::regclass) WHERE %I IS NULL', rel, col, seq, col);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, col);
END $$;

-- condition is SQL over t, the row. The row keeps every column it had, as jsonb. No foreign key may carry the deletion on.
CREATE FUNCTION pg_temp.set_aside(name text, condition text, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', name)::regclass;
  found boolean;
  c record;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s t WHERE %s)', rel, condition) INTO found;
  IF NOT found THEN
    RETURN;
  END IF;
  FOR c IN SELECT DISTINCT k.conname, pg_get_constraintdef(k.oid) AS def FROM pg_constraint f JOIN pg_constraint k ON k.conindid = f.conindid AND k.conrelid = rel
           WHERE f.contype = 'f' AND f.confrelid = rel LOOP -- the key returns, what other tables rested on it does not
    PERFORM pg_temp.drop_constraint(rel, c.conname, c.def, 'rows are set aside');
  END LOOP;
  PERFORM pg_temp.want_aside(name);
  EXECUTE format('WITH gone AS (DELETE FROM %s t WHERE %s RETURNING to_jsonb(t) AS row_data) '
    || 'INSERT INTO public.%I (reason, row_data) SELECT %L, row_data FROM gone', rel, condition, name || '_unassigned', reason);
END $$;

-- Condition for set_aside: another row of that key comes later. A window instead of a self-join, which PostgreSQL may run
-- as a nested loop over all pairs of rows.
CREATE FUNCTION pg_temp.twice(name text, key text) RETURNS text LANGUAGE sql AS $$
  SELECT format('t.ctid IN (SELECT d.ctid FROM (SELECT o.ctid, row_number() OVER (PARTITION BY %1$s ORDER BY o.ctid DESC) AS n '
    'FROM public.%2$I o WHERE (%1$s) IS NOT NULL) d WHERE d.n > 1)', key, name)
$$;

-- Keeps what rows were before a correction that loses something of them. The rows themselves stay.
CREATE FUNCTION pg_temp.keep_copy(name text, condition text, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I t WHERE %s)', name, condition) INTO found;
  IF found THEN
    PERFORM pg_temp.want_aside(name);
    EXECUTE format('INSERT INTO public.%I (reason, row_data) SELECT %L, to_jsonb(t) FROM public.%I t WHERE %s', name || '_unassigned', reason, name, condition);
  END IF;
END $$;

CREATE FUNCTION pg_temp.want_aside(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I (reason text NOT NULL, moved_at timestamptz NOT NULL DEFAULT now(), row_data jsonb NOT NULL)', name || '_unassigned');
END $$;

-- The end of a table's part: its keys, and what other services' columns need so that leadctl can write rows too.
CREATE FUNCTION pg_temp.finish(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rel regclass := format('public.%I', name)::regclass;
  k record;
BEGIN
  FOR k IN SELECT e.key, e.value FROM pg_temp.wanted w, jsonb_each_text(w.keys) e WHERE w.tbl = name ORDER BY e.value LIKE 'FOREIGN%' LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = rel AND conname = k.key) THEN
      EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', rel, k.key, k.value);
    END IF;
  END LOOP;
  FOR k IN SELECT a.attname FROM pg_attribute a, pg_temp.wanted w WHERE w.tbl = name AND a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attname <> ALL (w.cols) LOOP
    PERFORM pg_temp.note(format('column %s of %s may now be NULL: leadctl does not know it', k.attname, rel));
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', rel, k.attname);
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

SELECT pg_temp.want_table('tenants', '{
  "tenants_pkey": "PRIMARY KEY (tenant_id)",
  "tenants_external_id_key": "UNIQUE (external_id)"}');
SELECT pg_temp.want_serial('tenants', 'tenant_id');
SELECT pg_temp.want_column('tenants', 'name', 'text', '''''', true);
SELECT pg_temp.want_column('tenants', 'status', 'text', '''active''', true);
SELECT pg_temp.want_column('tenants', 'external_id', 'text', NULL, false);
SELECT pg_temp.want_column('tenants', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('tenants', 'updated_at', 'timestamp with time zone', 'now()', true);
ALTER TABLE public.tenants ALTER COLUMN name DROP DEFAULT;
-- A word that leadctl cannot read lets nobody in until an operator has looked.
SELECT pg_temp.keep_copy('tenants', $$lower(btrim(status)) NOT IN ('', 'active', 'enabled', 'live', 'trial', 'suspended', 'inactive', 'disabled', 'paused', 'deleted', 'archived')$$,
  'unknown status: the tenant stays, suspended');
UPDATE public.tenants SET status = CASE
    WHEN lower(btrim(status)) IN ('', 'active', 'enabled', 'live', 'trial') THEN 'active'
    WHEN lower(btrim(status)) IN ('deleted', 'archived') THEN 'deleted'
    ELSE 'suspended' END
  WHERE status NOT IN ('active', 'suspended', 'deleted');
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM public.tenants WHERE tenant_id <= 0) THEN
    PERFORM pg_temp.refuse('tenants has a tenant_id of 0 or less', '23514', 'give that tenant another number, or delete it');
    DELETE FROM public.tenants WHERE tenant_id <= 0;
  END IF;
END $$;
SELECT pg_temp.finish('tenants');
ALTER TABLE public.tenants
  DROP CONSTRAINT IF EXISTS tenants_tenant_id_check, DROP CONSTRAINT IF EXISTS tenants_status_check, DROP CONSTRAINT IF EXISTS tenants_external_id_check,
  ADD CONSTRAINT tenants_tenant_id_check CHECK (tenant_id > 0),
  ADD CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'deleted')),
  -- A claim that is a number names a tenant_id, so no external_id may look like one.
  ADD CONSTRAINT tenants_external_id_check CHECK (external_id ~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$');

-- ---------------------------------------------------------------------------------------------------------------------
-- tenant_users: who belongs to a tenant. (issuer, subject) is the identity; user_id is the e-mail as it was known.

SELECT pg_temp.want_table('tenant_users', '{
  "tenant_users_pkey": "PRIMARY KEY (tenant_id, user_id)",
  "tenant_users_identity_key": "UNIQUE (tenant_id, issuer, subject)",
  "tenant_users_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_column('tenant_users', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'user_id', 'text', NULL, false);
SELECT pg_temp.set_aside('tenant_users', 't.user_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant, or no user');
SELECT pg_temp.set_aside('tenant_users', pg_temp.twice('tenant_users', 'tenant_id, user_id'), 'the same user twice');
SELECT pg_temp.want_column('tenant_users', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('tenant_users', 'user_id', 'text', NULL, true);
SELECT pg_temp.want_column('tenant_users', 'issuer', 'text', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'subject', 'text', NULL, false);
SELECT pg_temp.want_column('tenant_users', 'roles', 'text[]', '''{}''::text[]', true);
SELECT pg_temp.want_column('tenant_users', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.finish('tenant_users');
CREATE INDEX IF NOT EXISTS tenant_users_identity_idx ON public.tenant_users (issuer, subject);

-- ---------------------------------------------------------------------------------------------------------------------
-- odoo_connections: where a tenant's workspace is. secret holds ciphertext only ('v1:' and base64 of an AEAD ciphertext
-- bound to the tenant). The check is NOT VALID so that plaintext left by another service survives adoption, is counted,
-- and is encrypted by the operator's next step; nothing can write plaintext again.

SELECT pg_temp.want_table('odoo_connections', '{
  "odoo_connections_pkey": "PRIMARY KEY (tenant_id)",
  "odoo_connections_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_column('odoo_connections', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('odoo_connections', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('odoo_connections', pg_temp.twice('odoo_connections', 'tenant_id'), 'a second connection of the same tenant');
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
SELECT pg_temp.finish('odoo_connections');
ALTER TABLE public.odoo_connections DROP CONSTRAINT IF EXISTS odoo_connections_secret_check,
  ADD CONSTRAINT odoo_connections_secret_check CHECK (secret LIKE 'v1:%') NOT VALID;

-- ---------------------------------------------------------------------------------------------------------------------
-- onboarding_status: what a signed-in user is told while the workspace is made.

SELECT pg_temp.want_table('onboarding_status', '{
  "onboarding_status_pkey": "PRIMARY KEY (tenant_id)",
  "onboarding_status_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_column('onboarding_status', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('onboarding_status', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('onboarding_status', pg_temp.twice('onboarding_status', 'tenant_id'), 'a second status of the same tenant');
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
    WHEN lower(btrim(status)) IN ('syncing', 'seeding') THEN 'syncing'
    ELSE 'provisioning' END
  WHERE status NOT IN ('provisioning', 'syncing', 'ready', 'error');
SELECT pg_temp.finish('onboarding_status');
ALTER TABLE public.onboarding_status DROP CONSTRAINT IF EXISTS onboarding_status_status_check,
  ADD CONSTRAINT onboarding_status_status_check CHECK (status IN ('provisioning', 'syncing', 'ready', 'error'));

-- ---------------------------------------------------------------------------------------------------------------------
-- icp_rules: a tenant's ideal customer profiles. Rule numbers count per tenant, so they tell nothing about others.

SELECT pg_temp.want_table('icp_rules', '{
  "icp_rules_pkey": "PRIMARY KEY (tenant_id, rule_id)",
  "icp_rules_name_key": "UNIQUE (tenant_id, name)",
  "icp_rules_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_serial('icp_rules', 'rule_id');
SELECT pg_temp.want_column('icp_rules', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('icp_rules', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('icp_rules', pg_temp.twice('icp_rules', 'tenant_id, rule_id'), 'the same rule number twice');
SELECT pg_temp.want_column('icp_rules', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('icp_rules', 'name', 'text', NULL, false);
-- Names may be missing. A key on (tenant_id, name) may exist already, so each rule gets one that is free, the newest first.
DO $$
DECLARE
  r record;
  free text;
BEGIN
  FOR r IN SELECT tenant_id, rule_id FROM public.icp_rules WHERE name IS NULL ORDER BY rule_id DESC LOOP
    free := 'Unnamed';
    WHILE EXISTS (SELECT 1 FROM public.icp_rules n WHERE n.tenant_id = r.tenant_id AND n.name = free) LOOP
      free := free || ' (' || r.rule_id || ')';
    END LOOP;
    UPDATE public.icp_rules n SET name = free WHERE n.tenant_id = r.tenant_id AND n.rule_id = r.rule_id;
  END LOOP;
END $$;
SELECT pg_temp.want_column('icp_rules', 'name', 'text', NULL, true);
SELECT pg_temp.want_column('icp_rules', 'payload', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('icp_rules', 'created_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('icp_rules', 'updated_at', 'timestamp with time zone', 'now()', true);
ALTER TABLE public.icp_rules ALTER COLUMN payload DROP DEFAULT;
-- Names were not unique before: the newest keeps its name.
DO $$
BEGIN
  LOOP
    UPDATE public.icp_rules r SET name = r.name || ' (' || r.rule_id || ')'
      WHERE EXISTS (SELECT 1 FROM public.icp_rules n WHERE n.tenant_id = r.tenant_id AND n.name = r.name AND n.rule_id > r.rule_id);
    EXIT WHEN NOT FOUND;
  END LOOP;
END $$;
SELECT pg_temp.finish('icp_rules');

-- ---------------------------------------------------------------------------------------------------------------------
-- companies: shared reference data derived from the register. No tenant writes it.

SELECT pg_temp.want_table('companies', '{
  "companies_pkey": "PRIMARY KEY (company_id)",
  "companies_uen_key": "UNIQUE (uen)"}');
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
UPDATE public.companies SET uen = NULL WHERE btrim(uen) = '';
CREATE TEMPORARY TABLE second_uen ON COMMIT DROP AS SELECT d.company_id FROM (
  SELECT company_id, row_number() OVER (PARTITION BY uen ORDER BY company_id) AS n FROM public.companies WHERE uen IS NOT NULL) d WHERE d.n > 1;
SELECT pg_temp.keep_copy('companies', 't.company_id IN (SELECT s.company_id FROM pg_temp.second_uen s)',
  'a second company of the same UEN: it stays, without the UEN');
UPDATE public.companies SET uen = NULL WHERE company_id IN (SELECT s.company_id FROM pg_temp.second_uen s);
SELECT pg_temp.finish('companies');
-- Candidate search: a rule names ranges of SSIC codes, compared byte by byte, or industries. Scoring asks what changed.
CREATE INDEX IF NOT EXISTS companies_code_idx ON public.companies (industry_code COLLATE "C", incorporation_year) WHERE live;
CREATE INDEX IF NOT EXISTS companies_industry_idx ON public.companies (industry_norm, incorporation_year) WHERE live;
CREATE INDEX IF NOT EXISTS companies_updated_idx ON public.companies (updated_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- lead_features, lead_scores: a tenant's view of a company. Other services may write rows too; source says whose they are.

SELECT pg_temp.want_table('lead_features', '{
  "lead_features_pkey": "PRIMARY KEY (tenant_id, company_id)",
  "lead_features_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_column('lead_features', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('lead_features', 'company_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('lead_features', 't.company_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('lead_features', pg_temp.twice('lead_features', 'tenant_id, company_id'), 'the same company twice');
SELECT pg_temp.want_column('lead_features', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_features', 'company_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_features', 'features', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('lead_features', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('lead_features', 'updated_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.finish('lead_features');
CREATE INDEX IF NOT EXISTS lead_features_latest_idx ON public.lead_features (tenant_id, updated_at DESC, company_id);

SELECT pg_temp.want_table('lead_scores', '{
  "lead_scores_pkey": "PRIMARY KEY (tenant_id, company_id)",
  "lead_scores_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_column('lead_scores', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'company_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('lead_scores', 't.company_id IS NULL OR NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('lead_scores', pg_temp.twice('lead_scores', 'tenant_id, company_id'), 'the same company twice');
SELECT pg_temp.want_column('lead_scores', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_scores', 'company_id', 'integer', NULL, true);
SELECT pg_temp.want_column('lead_scores', 'score', 'double precision', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'bucket', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'rationale', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'cache_key', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('lead_scores', 'version', 'text', NULL, false);
SELECT pg_temp.want_column('lead_scores', 'scored_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.finish('lead_scores');
-- Best first, with a tie-breaker: the order of exports and of keyset paging.
CREATE INDEX IF NOT EXISTS lead_scores_best_idx ON public.lead_scores (tenant_id, score DESC NULLS LAST, company_id);

-- ---------------------------------------------------------------------------------------------------------------------
-- enrichment_runs: the tenant's scoring and enrichment runs, of leadctl and of other services.

SELECT pg_temp.want_table('enrichment_runs', '{
  "enrichment_runs_pkey": "PRIMARY KEY (tenant_id, run_id)",
  "enrichment_runs_tenant_id_fkey": "FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id) ON DELETE CASCADE"}');
SELECT pg_temp.want_serial('enrichment_runs', 'run_id');
SELECT pg_temp.want_column('enrichment_runs', 'tenant_id', 'integer', NULL, false);
SELECT pg_temp.set_aside('enrichment_runs', 'NOT EXISTS (SELECT 1 FROM public.tenants x WHERE x.tenant_id = t.tenant_id)', 'no such tenant');
SELECT pg_temp.set_aside('enrichment_runs', pg_temp.twice('enrichment_runs', 'tenant_id, run_id'), 'the same run number twice');
SELECT pg_temp.want_column('enrichment_runs', 'tenant_id', 'integer', NULL, true);
SELECT pg_temp.want_column('enrichment_runs', 'status', 'text', '''unknown''', true);
SELECT pg_temp.want_column('enrichment_runs', 'source', 'text', '''platform''', true);
SELECT pg_temp.want_column('enrichment_runs', 'started_at', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('enrichment_runs', 'ended_at', 'timestamp with time zone', NULL, false);
SELECT pg_temp.want_column('enrichment_runs', 'counts', 'jsonb', '''{}''::jsonb', true);
SELECT pg_temp.want_column('enrichment_runs', 'error', 'text', NULL, false);
SELECT pg_temp.finish('enrichment_runs');
CREATE INDEX IF NOT EXISTS enrichment_runs_latest_idx ON public.enrichment_runs (tenant_id, started_at DESC, run_id DESC);

-- ---------------------------------------------------------------------------------------------------------------------
-- staging_acra_companies: the register as published, every value text. Existing databases may hold codes as numbers and
-- dates as dates: they are widened; a leading zero lost that way comes back with the next run.

SELECT pg_temp.want_table('staging_acra_companies', '{"staging_acra_companies_pkey": "PRIMARY KEY (uen)"}');
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
SELECT pg_temp.set_aside('staging_acra_companies', pg_temp.twice('staging_acra_companies', 'uen'), 'the same UEN twice');
SELECT pg_temp.want_column('staging_acra_companies', 'uen', 'text', NULL, true);
SELECT pg_temp.want_column('staging_acra_companies', 'row_hash', 'bytea', NULL, false);
SELECT pg_temp.want_column('staging_acra_companies', 'first_seen', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('staging_acra_companies', 'last_seen', 'timestamp with time zone', 'now()', true);
SELECT pg_temp.want_column('staging_acra_companies', 'run_id', 'bigint', NULL, false);
-- Since when complete runs no longer find the company. Written once, so that a run rewrites no row that is as it was.
SELECT pg_temp.want_column('staging_acra_companies', 'absent_since', 'timestamp with time zone', NULL, false);
SELECT pg_temp.finish('staging_acra_companies');

SELECT pg_temp.return_views(); -- before row security hides rows from their owners

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
END $$;
SELECT pg_temp.control_plane(t) FROM unnest(ARRAY['tenants', 'tenant_users', 'odoo_connections', 'onboarding_status']) AS t;

-- ---------------------------------------------------------------------------------------------------------------------
-- Grants. Rights that named roles hold on these tables stay; what everybody held goes, since leadctl's two roles would
-- hold it too. They get exactly this.

CREATE FUNCTION pg_temp.clear_grants(tbl text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid = format('public.%I', tbl)::regclass AND g.grantee = 0) THEN
    PERFORM pg_temp.note(format('rights of PUBLIC on %s are revoked', tbl));
  END IF;
  EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, leadctl_app, leadctl_system', tbl);
END $$;
SELECT pg_temp.clear_grants(tbl) FROM pg_temp.wanted;

GRANT USAGE ON SCHEMA public TO leadctl_app, leadctl_system;
GRANT SELECT ON public.tenants, public.tenant_users, public.onboarding_status, public.companies TO leadctl_app;
GRANT SELECT (tenant_id, base_url, db_name, company_id, auth_type, protocol, server_version, active, created_at, updated_at)
  ON public.odoo_connections TO leadctl_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.icp_rules, public.lead_features, public.lead_scores, public.enrichment_runs TO leadctl_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.tenants, public.tenant_users, public.odoo_connections, public.onboarding_status,
  public.staging_acra_companies TO leadctl_system;
GRANT SELECT, INSERT, UPDATE ON public.companies TO leadctl_system;
GRANT USAGE ON SEQUENCE public.tenants_tenant_id_seq, public.companies_company_id_seq TO leadctl_system;

-- Columns of other services that count up: whoever inserts a row draws their next number too. Not rule_id and run_id:
-- a number drawn from those would tell a tenant how many rules and runs the others have.
CREATE FUNCTION pg_temp.grant_sequences() RETURNS void LANGUAGE plpgsql AS $$
DECLARE q record;
BEGIN
  FOR q IN SELECT DISTINCT d.refobjid::regclass AS seq, r.rolname FROM pg_temp.wanted w
      JOIN pg_attribute a ON a.attrelid = format('public.%I', w.tbl)::regclass AND a.attname <> ALL (w.cols)
      JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
      JOIN pg_roles r ON r.rolname IN ('leadctl_app', 'leadctl_system') AND has_table_privilege(r.oid, a.attrelid, 'INSERT') LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', q.seq, q.rolname);
  END LOOP;
END $$;
SELECT pg_temp.grant_sequences();
