-- Updates the companies from the staged register, only the rows that differ. $1, $2: divisions and the industry of
-- each; $3: statuses of a live company. Rows of a register run that is still running are ignored.
-- A company that was never live is not added; one that stops being live keeps its row with live = false.
WITH industry(division, norm) AS (
  SELECT * FROM unnest($1::text[], $2::text[])
), staged AS (
  SELECT s.uen,
    -- No-break spaces and line ends count as spaces; the regular expression is for the few names that need it.
    CASE WHEN strpos(n.name, '  ') > 0 THEN regexp_replace(n.name, ' {2,}', ' ', 'g') ELSE n.name END AS name,
    k.code,
    i.norm,
    CASE WHEN y.year BETWEEN 1800 AND extract(year FROM now()) + 1 THEN y.year END AS year,
    nullif(nullif(btrim(s.entity_type_description), ''), 'na') AS entity_type,
    nullif(nullif(btrim(s.entity_status_description), ''), 'na') AS entity_status,
    a.street, a.street2, a.postal_code,
    s.absent_since IS NULL AND coalesce(lower(btrim(s.entity_status_description)) = ANY ($3::text[]), false) AS live,
    s.last_seen
  FROM public.staging_acra_companies s
  CROSS JOIN LATERAL (SELECT btrim(translate(s.entity_name, U&'\00A0' || E'\t\r\n', '    ')) AS name) n
  CROSS JOIN LATERAL (SELECT CASE WHEN s.primary_ssic_code ~ '^\d{4,5}(\.0)?$'
    THEN lpad(split_part(s.primary_ssic_code, '.', 1), 5, '0') END AS code) k
  CROSS JOIN LATERAL (SELECT CASE
    WHEN s.registration_incorporation_date ~ '^\d{4}-' THEN left(s.registration_incorporation_date, 4)
    WHEN s.registration_incorporation_date ~ '/\d{4}$' THEN right(s.registration_incorporation_date, 4)
    END::int AS year) y
  -- "10 ANSON ROAD", "#10-11 INTERNATIONAL PLAZA", "079903"; every part may be missing.
  CROSS JOIN LATERAL (SELECT
    nullif(concat_ws(' ', nullif(nullif(btrim(s.block), ''), 'na'),
      nullif(nullif(btrim(s.street_name), ''), 'na')), '') AS street,
    nullif(concat_ws(' ', '#' || nullif(concat_ws('-', nullif(nullif(btrim(s.level_no), ''), 'na'),
      nullif(nullif(btrim(s.unit_no), ''), 'na')), ''), nullif(nullif(btrim(s.building_name), ''), 'na')), '')
      AS street2,
    nullif(nullif(btrim(s.postal_code), ''), 'na') AS postal_code) a
  LEFT JOIN industry i ON i.division = left(k.code, 2)
  WHERE s.run_id IS NULL OR s.run_id NOT IN (SELECT r.run_id FROM public.acra_runs r WHERE r.state = 'running')
), changed AS MATERIALIZED (
  SELECT c.company_id, c.live AS was_live, t.*
  FROM staged t LEFT JOIN public.companies c ON c.uen = t.uen
  WHERE CASE WHEN c.company_id IS NULL THEN t.live
    ELSE (c.name, c.industry_code, c.industry_norm, c.incorporation_year, c.entity_type, c.entity_status, c.live,
        c.registered_street, c.registered_street2, c.registered_postal_code)
      IS DISTINCT FROM
      (t.name, t.code, coalesce(t.norm, c.industry_norm), t.year, t.entity_type, t.entity_status, t.live,
        t.street, t.street2, t.postal_code) END
), added AS (
  INSERT INTO public.companies
    (uen, name, industry_code, industry_norm, incorporation_year, entity_type, entity_status, live,
      registered_street, registered_street2, registered_postal_code, last_seen, updated_at)
  SELECT uen, name, code, norm, year, entity_type, entity_status, live, street, street2, postal_code, last_seen,
    statement_timestamp()
  FROM changed WHERE company_id IS NULL
  ON CONFLICT (uen) DO NOTHING
  RETURNING 1
), corrected AS (
  UPDATE public.companies c SET name = t.name, industry_code = t.code,
    industry_norm = coalesce(t.norm, c.industry_norm), incorporation_year = t.year,
    entity_type = t.entity_type, entity_status = t.entity_status, live = t.live,
    registered_street = t.street, registered_street2 = t.street2, registered_postal_code = t.postal_code,
    last_seen = t.last_seen, updated_at = statement_timestamp()
  FROM changed t WHERE c.company_id = t.company_id
  RETURNING t.was_live AND NOT t.live AS closed
)
SELECT (SELECT count(*) FROM added) AS added,
  (SELECT count(*) FROM corrected) AS updated,
  (SELECT count(*) FROM corrected WHERE closed) AS closed
