-- Moves the rows that adoption set aside for want of a tenant from <table>_unassigned to the tenant of the transaction.
-- The settings leadctl.table and leadctl.assigned are the table and, afterwards, the number of rows. A row that the
-- table does not take stays, and its reason says why.
DO $$
DECLARE
  tbl text := current_setting('leadctl.table');
  columns text;
  vals text;
  u record;
  moved bigint := 0;
BEGIN
  -- A value that is missing or NULL becomes the column's default where the column must have one.
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
      string_agg(CASE WHEN a.attname = 'tenant_id' THEN 'public.request_tenant()'
        WHEN f.adbin IS NULL THEN format('r.%I', a.attname)
        ELSE format('coalesce(r.%I, %s)', a.attname, pg_get_expr(f.adbin, f.adrelid)) END, ', ' ORDER BY a.attnum)
    INTO columns, vals
    FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attrelid = to_regclass('public.' || tbl) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
  FOR u IN EXECUTE format('SELECT ctid, row_data FROM public.%I WHERE reason LIKE ''no such tenant%%''',
      tbl || '_unassigned') LOOP
    BEGIN
      EXECUTE format('INSERT INTO public.%1$I (%2$s) SELECT %3$s FROM jsonb_populate_record(NULL::public.%1$I, $1) r',
        tbl, columns, vals) USING u.row_data;
      EXECUTE format('DELETE FROM public.%I WHERE ctid = $1', tbl || '_unassigned') USING u.ctid;
      moved := moved + 1;
    EXCEPTION WHEN integrity_constraint_violation OR unique_violation OR not_null_violation OR foreign_key_violation
        OR check_violation THEN
      EXECUTE format('UPDATE public.%I SET reason = $2 WHERE ctid = $1', tbl || '_unassigned')
        USING u.ctid, format('no such tenant; tenant %s does not take it: %s', public.request_tenant(), SQLERRM);
    END;
  END LOOP;
  PERFORM set_config('leadctl.assigned', moved::text, true);
END $$;
