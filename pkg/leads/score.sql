WITH division(code, title) AS (
  SELECT * FROM unnest({divisions}::text[], {titles}::text[])
), picked AS (
  {picked}
), valued AS (
  SELECT p.*, d.title, {values}
  FROM picked p LEFT JOIN division d ON d.code = left(p.code, 2)
  OFFSET 0 -- otherwise every use would compute the expressions again
), judged AS (
  SELECT t.*, round(t.reached / t.possible * 10000) / 10000 AS score
  FROM (SELECT p.*, {possible} AS possible, {reached} AS reached FROM valued p OFFSET 0) t
  OFFSET 0
), chosen AS (
  -- A company that fits several rules is scored by the one it fits best.
  SELECT {distinct} * FROM judged {order}
), best AS MATERIALIZED (
  SELECT p.company_id, p.score,
    CASE WHEN p.score >= {high}::float8 THEN 'high' WHEN p.score >= {medium}::float8 THEN 'medium' ELSE 'low'
      END AS bucket,
    jsonb_build_object('rule_id', p.rule_id, 'rule', p.rule, {features}) AS features,
    concat('Fits "', p.rule, '" at ', {percent}, ' of 100: ', concat_ws('; ', {reasons}), '.') AS rationale
  FROM chosen p
), features AS (
  INSERT INTO public.lead_features AS f (tenant_id, company_id, features, source)
  SELECT {tenant}, b.company_id, b.features, {source}
  FROM best b LEFT JOIN public.lead_features o ON o.company_id = b.company_id
  WHERE o.company_id IS NULL OR (o.source = {source} AND NOT o.features @> b.features)
  -- Members that other services added to leadctl's row are kept.
  ON CONFLICT (tenant_id, company_id) DO UPDATE SET features = f.features || excluded.features, updated_at = now()
    WHERE f.source = {source}
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
), gone AS MATERIALIZED (
  SELECT f.company_id FROM public.lead_features f
  WHERE f.source = {source} AND f.features ? 'rule_id'
    AND NOT EXISTS (SELECT FROM best b WHERE b.company_id = f.company_id){changed_f}
), forgotten AS (
  DELETE FROM public.lead_features f WHERE f.company_id IN (SELECT company_id FROM gone) AND f.features - {keys} = '{}'
), left_to_others AS (
  -- Members that other services added to leadctl's row are kept, without those of leadctl.
  UPDATE public.lead_features f SET features = f.features - {keys}, updated_at = now()
  WHERE f.company_id IN (SELECT company_id FROM gone) AND f.features - {keys} <> '{}'
)
SELECT (SELECT count(*) FROM best) AS candidates,
  (SELECT count(*) FROM scores WHERE added) AS added,
  (SELECT count(*) FROM scores WHERE NOT added) AS changed,
  (SELECT count(*) FROM unscored) AS removed
