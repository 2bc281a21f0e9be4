WITH division(code, title) AS (
  SELECT * FROM unnest({divisions}::text[], {titles}::text[])
), picked AS (
  {picked}
), valued AS (
  SELECT p.*, d.title, {values}
  FROM picked p LEFT JOIN division d ON d.code = left(p.code, 2)
), best AS MATERIALIZED (
  -- A company that fits several rules is scored by the one it fits best.
  SELECT DISTINCT ON (p.company_id) p.company_id, s.score,
    CASE WHEN s.score >= {high}::float8 THEN 'high' WHEN s.score >= {medium}::float8 THEN 'medium' ELSE 'low' END AS bucket,
    jsonb_build_object('rule_id', p.rule_id, 'rule', p.rule, {features}) AS features,
    'Fits "' || p.rule || '" at ' || round(100 * s.score) || ' of 100: ' || concat_ws('; ', {reasons}) || '.' AS rationale
  FROM valued p
  CROSS JOIN LATERAL (SELECT {possible} AS possible, {reached} AS reached) t
  CROSS JOIN LATERAL (SELECT round((t.reached / t.possible)::numeric, 4)::float8 AS score) s
  ORDER BY p.company_id, s.score DESC, p.rule_id
), features AS (
  INSERT INTO public.lead_features AS f (tenant_id, company_id, features, source)
  SELECT {tenant}, b.company_id, b.features, {source}
  FROM best b LEFT JOIN public.lead_features o ON o.company_id = b.company_id
  WHERE o.company_id IS NULL OR (o.source = {source} AND NOT o.features @> b.features)
  -- What others added to a row of ours stays.
  ON CONFLICT (tenant_id, company_id) DO UPDATE SET features = f.features || excluded.features, updated_at = now() WHERE f.source = {source}
), scores AS (
  INSERT INTO public.lead_scores AS f (tenant_id, company_id, score, bucket, rationale, source, version)
  SELECT {tenant}, b.company_id, b.score, b.bucket, b.rationale, {source}, {version}
  FROM best b LEFT JOIN public.lead_scores o ON o.company_id = b.company_id
  WHERE o.company_id IS NULL OR (o.source = {source}
    AND (o.score, o.bucket, o.rationale, o.version) IS DISTINCT FROM (b.score, b.bucket, b.rationale, {version}))
  ON CONFLICT (tenant_id, company_id) DO UPDATE SET score = excluded.score, bucket = excluded.bucket,
    rationale = excluded.rationale, version = excluded.version, scored_at = now() WHERE f.source = {source}
  RETURNING xmax = 0 AS added
), unscored AS (
  DELETE FROM public.lead_scores s
  WHERE s.source = {source} AND NOT EXISTS (SELECT FROM best b WHERE b.company_id = s.company_id){changed_s}
  RETURNING 1
), forgotten AS (
  DELETE FROM public.lead_features f
  WHERE f.source = {source} AND f.features - {keys} = '{}' AND NOT EXISTS (SELECT FROM best b WHERE b.company_id = f.company_id){changed_f}
), left_to_others AS (
  UPDATE public.lead_features f SET features = f.features - {keys}, updated_at = now()
  WHERE f.source = {source} AND f.features ? 'rule_id' AND f.features - {keys} <> '{}'
    AND NOT EXISTS (SELECT FROM best b WHERE b.company_id = f.company_id){changed_f}
)
SELECT (SELECT count(*) FROM best) AS candidates,
  (SELECT count(*) FROM scores WHERE added) AS added,
  (SELECT count(*) FROM scores WHERE NOT added) AS changed,
  (SELECT count(*) FROM unscored) AS removed
