-- The platform's database as its other services make it: 35 relations with their keys, defaults, policies and indexes,
-- and rows in all of them, irregular ones included.

CREATE TABLE tenants (tenant_id serial PRIMARY KEY, name text NOT NULL, status text DEFAULT 'active');
INSERT INTO tenants (name, status)
  VALUES ('Alpha', 'active'), ('Beta', 'Inactive'), ('Gamma', NULL), ('Delta', 'on-hold'), ('Epsilon', 'active');

CREATE TABLE tenant_users (tenant_id integer NOT NULL REFERENCES tenants ON DELETE CASCADE, user_id text NOT NULL,
  roles text[], PRIMARY KEY (tenant_id, user_id));
INSERT INTO tenant_users VALUES (1, 'ann@alpha.example', '{admin}'), (1, 'bob@alpha.example', NULL),
  (2, 'ann@alpha.example', '{viewer,ops}');

CREATE TABLE odoo_connections (tenant_id integer PRIMARY KEY REFERENCES tenants ON DELETE CASCADE, base_url text,
  db_name text, auth_type text, secret text, active boolean DEFAULT true);
INSERT INTO odoo_connections VALUES (1, 'https://odoo.example', 'alpha', 'api_key', 'hunter2-plaintext', true),
  (2, 'https://odoo.example', 'beta', 'api_key', NULL, NULL);

CREATE TABLE onboarding_status (tenant_id integer PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  status text NOT NULL, error text, updated_at timestamptz DEFAULT now());
INSERT INTO onboarding_status VALUES (1, 'complete', NULL, now()), (2, 'error', 'boom', now()),
  (3, 'starting', NULL, NULL), (4, 'creating_odoo', NULL, now()), (5, 'seeding', NULL, now());

CREATE TABLE icp_rules (rule_id serial PRIMARY KEY, name text, payload jsonb NOT NULL,
  created_at timestamptz DEFAULT now(), tenant_id integer NOT NULL DEFAULT 1,
  CONSTRAINT icp_rules_tenant_name_uniq UNIQUE (tenant_id, name));
INSERT INTO icp_rules (tenant_id, name, payload) VALUES (1, 'Default', '{"industries": ["software"]}'),
  (1, NULL, '{"industries": ["retail"]}'), (1, NULL, '"{\"industries\": [\"software\"]}"'),
  (2, 'Default', '[]'),
  (2, 'Empty', 'null'), (2, 'Twice', '"\"{}\""'), (3, 'Default', '{"employee_range": {"min": 5}}'),
  (99, 'No such tenant', '{}');
ALTER TABLE icp_rules
  ADD CONSTRAINT fk_icp_rules_tenant FOREIGN KEY (tenant_id) REFERENCES tenants ON DELETE CASCADE NOT VALID;
UPDATE icp_rules SET tenant_id = 5 WHERE tenant_id = 99;
ALTER TABLE icp_rules ADD CONSTRAINT icp_rules_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants
  ON DELETE CASCADE;

CREATE TABLE companies (company_id bigserial PRIMARY KEY, uen text UNIQUE, name text, industry_norm text,
  employees_est integer, revenue_bucket text, incorporation_year integer, sg_registered boolean DEFAULT true,
  last_seen timestamptz DEFAULT now(), website_domain text, industry_code text, company_size integer,
  annual_revenue text, hq_city text, hq_country text, linkedin_url text, founded_year integer, tech_stack text[],
  ownership_type text, funding_status jsonb, employee_turnover double precision, web_traffic bigint, email text,
  phone_number text, location_city text, location_country text, uen_confidence numeric, sg_phone text,
  sg_postcode text, sg_markers text[], employee_bracket text, locations_est integer,
  domain_hygiene boolean DEFAULT true);
CREATE INDEX idx_companies_industry ON companies (industry_norm);
CREATE INDEX idx_companies_name ON companies (lower(name));
INSERT INTO companies (uen, name, industry_norm, employees_est, industry_code, tech_stack, web_traffic)
  VALUES ('201234567A', 'One', 'software', 10, '62011', '{go}', 5000000000),
  ('53000000B', 'Two', 'retail', 12, '47', NULL, 1),
  ('', 'Blank UEN', 'software', NULL, NULL, NULL, NULL), (NULL, 'No UEN', NULL, NULL, NULL, NULL, NULL);

CREATE TABLE lead_scores (company_id integer PRIMARY KEY, score double precision, bucket text, rationale text,
  cache_key text, tenant_id integer);
CREATE INDEX idx_lead_scores_score_id ON lead_scores (score, company_id);
CREATE INDEX idx_lead_scores_tenant ON lead_scores (tenant_id);
INSERT INTO lead_scores VALUES (1, 0.9, 'high', 'because', 'k1', 1), (2, 85, 'A', 'by another model', 'k2', 1),
  (3, 0.1, 'low', NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, 2), (5, 40, 'C', NULL, NULL, 2),
  (6, 0.5, 'B', NULL, NULL, 2), (7, 100, 'A', NULL, NULL, 77);

CREATE TABLE lead_features (company_id integer PRIMARY KEY, features jsonb, tenant_id integer);
INSERT INTO lead_features VALUES (1, '{"size": 3}', 1), (2, NULL, NULL), (3, NULL, 2);

CREATE TABLE enrichment_runs (run_id bigserial PRIMARY KEY, started_at timestamptz DEFAULT now(), tenant_id integer,
  ended_at timestamptz, status text, langsmith_trace_url text, degraded boolean DEFAULT false);
INSERT INTO enrichment_runs (tenant_id, status) VALUES (1, 'done'), (NULL, 'done'), (2, NULL);

CREATE TABLE company_enrichment_runs (company_id bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
  run_id bigint NOT NULL REFERENCES enrichment_runs, domain text, about_text text, tech_stack text[],
  jobs_count integer, linkedin_url text, news_latest_at date, source_json jsonb, updated_at timestamptz DEFAULT now(),
  degraded_reasons text, tenant_id integer, public_emails text[], verification_results jsonb,
  embedding double precision[], PRIMARY KEY (company_id, run_id));
ALTER TABLE company_enrichment_runs ADD FOREIGN KEY (tenant_id) REFERENCES tenants ON DELETE SET NULL NOT VALID;
INSERT INTO company_enrichment_runs (company_id, run_id, domain, tenant_id) VALUES (1, 1, 'one.example', 1),
  (2, 2, 'two.example', NULL), (1, 3, 'one.example', 2);

CREATE TABLE contacts (contact_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  company_id bigint NOT NULL REFERENCES companies, full_name text, email text, email_verified boolean DEFAULT false,
  verification_confidence double precision, job_title text, department text, linkedin_profile text,
  phone_number text, seniority text, location_city text, location_country text, contact_source text,
  email_engagement jsonb, last_interaction timestamptz, preferred_contact_method text,
  created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
INSERT INTO contacts (company_id, full_name, email, job_title, linkedin_profile, phone_number, seniority)
  VALUES (1, 'Ada', 'ada@one.example', 'CTO', 'https://in.example/ada', '+65 6123 4567', 'chief'),
  (1, 'Bob', NULL, NULL, NULL, NULL, NULL), (2, NULL, 'info@two.example', NULL, NULL, NULL, NULL);

CREATE TABLE lead_emails (email text PRIMARY KEY, company_id bigint REFERENCES companies, first_name text,
  last_name text, role_title text, verification_status text, smtp_confidence numeric,
  left_company boolean DEFAULT false, role_last_seen date, source text, last_verified_at timestamptz,
  bounce_count integer DEFAULT 0);
INSERT INTO lead_emails (email, company_id, first_name, verification_status, smtp_confidence, left_company)
  VALUES ('sales@one.example', 1, 'Sales', 'valid', 0.9, false), ('old@one.example', 1, 'Old', 'valid', 0.9, true),
  ('bad@two.example', 2, NULL, 'invalid', 0.1, NULL), ('none@nowhere.example', NULL, NULL, NULL, NULL, NULL);

CREATE TABLE email_verification_cache (email text PRIMARY KEY, status text, confidence double precision,
  checked_at timestamptz DEFAULT now());
INSERT INTO email_verification_cache VALUES ('ada@one.example', 'valid', 0.9);

CREATE TABLE background_jobs (job_id bigserial PRIMARY KEY, tenant_id integer, job_type text NOT NULL,
  status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, ended_at timestamptz,
  params jsonb, processed integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0, error text);
INSERT INTO background_jobs (tenant_id, job_type, status) VALUES (1, 'enrich', 'done'), (NULL, 'nightly', 'queued');

CREATE TABLE crawl_corpus (id bigserial PRIMARY KEY, company_id bigint NOT NULL, page_count integer, source text,
  corpus text, created_at timestamptz DEFAULT now());
INSERT INTO crawl_corpus (company_id, corpus) VALUES (1, 'One makes software.');

CREATE TABLE customer_seeds (id bigserial PRIMARY KEY, tenant_id integer NOT NULL, seed_name text NOT NULL,
  domain text, created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO customer_seeds (tenant_id, seed_name) VALUES (1, 'One');

CREATE TABLE icp_evidence (id bigserial PRIMARY KEY, tenant_id integer NOT NULL, company_id integer NOT NULL,
  signal_key text NOT NULL, value jsonb NOT NULL, source text NOT NULL,
  observed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO icp_evidence (tenant_id, company_id, signal_key, value, source) VALUES (1, 1, 'ssic', '"62011"', 'acra'),
  (1, 2, 'ssic', '"47"', 'acra'), (2, 1, 'ssic', '"62011"', 'acra');

CREATE TABLE icp_intake_responses (id bigserial PRIMARY KEY, tenant_id integer NOT NULL, submitted_by text NOT NULL,
  submitted_at timestamptz NOT NULL DEFAULT now(), answers_jsonb jsonb NOT NULL);
INSERT INTO icp_intake_responses (tenant_id, submitted_by, answers_jsonb) VALUES (1, 'ann@alpha.example', '{}');

CREATE TABLE icp_research_artifacts (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, company_hint text,
  company_id bigint, path text NOT NULL, source_urls text[] NOT NULL, snapshot_md text NOT NULL, fit_signals jsonb,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  ai_metadata jsonb NOT NULL DEFAULT '{}');
INSERT INTO icp_research_artifacts (tenant_id, path, source_urls, snapshot_md) VALUES (1, 'a.md', '{}', '# One');

CREATE TABLE qa_samples (run_id bigint, tenant_id integer, company_id integer, bucket varchar(16) NOT NULL,
  checks jsonb NOT NULL, result varchar(16) NOT NULL DEFAULT 'needs_review', notes text,
  created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (run_id, tenant_id, company_id));
INSERT INTO qa_samples (run_id, tenant_id, company_id, bucket, checks) VALUES (1, 1, 1, 'high', '{}');

CREATE TABLE research_import_runs (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL,
  run_started_at timestamptz NOT NULL DEFAULT now(), files_scanned integer NOT NULL DEFAULT 0,
  leads_upserted integer NOT NULL DEFAULT 0, errors jsonb NOT NULL DEFAULT '[]',
  ai_metadata jsonb NOT NULL DEFAULT '{}');
INSERT INTO research_import_runs (tenant_id) VALUES (1);

CREATE TABLE run_event_logs (run_id bigint NOT NULL, tenant_id integer NOT NULL, stage varchar(64) NOT NULL,
  company_id integer, event varchar(64) NOT NULL, status varchar(32) NOT NULL, error_code varchar(64),
  duration_ms integer, trace_id text, extra jsonb, ts timestamptz NOT NULL DEFAULT now());
INSERT INTO run_event_logs (run_id, tenant_id, stage, event, status) VALUES (1, 1, 'score', 'end', 'ok');

CREATE TABLE run_manifests (run_id bigint PRIMARY KEY, tenant_id integer NOT NULL, selected_ids bigint[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO run_manifests VALUES (1, 1, '{1,2}');

CREATE TABLE run_stage_stats (run_id bigint, tenant_id integer, stage varchar(64), count_total integer DEFAULT 0,
  count_success integer DEFAULT 0, count_error integer DEFAULT 0, p50_ms integer DEFAULT 0, p95_ms integer DEFAULT 0,
  p99_ms integer DEFAULT 0, PRIMARY KEY (run_id, tenant_id, stage));
INSERT INTO run_stage_stats VALUES (1, 1, 'score', 2, 2);

CREATE TABLE run_summaries (run_id bigint PRIMARY KEY, tenant_id integer NOT NULL, candidates integer DEFAULT 0,
  processed integer DEFAULT 0, batches integer DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO run_summaries VALUES (1, 1, 2, 2, 1);

CREATE TABLE run_vendor_usage (run_id bigint, tenant_id integer, vendor varchar(64), calls integer DEFAULT 0,
  errors integer DEFAULT 0, tokens_input integer DEFAULT 0, tokens_output integer DEFAULT 0,
  cost_usd numeric(12,4) DEFAULT 0, rate_limit_hits integer DEFAULT 0, quota_exhausted boolean DEFAULT false,
  PRIMARY KEY (run_id, tenant_id, vendor));
INSERT INTO run_vendor_usage (run_id, tenant_id, vendor) VALUES (1, 1, 'search');

CREATE TABLE service_progress (service_key text PRIMARY KEY, last_id bigint, last_uen text,
  updated_at timestamptz DEFAULT now());
INSERT INTO service_progress VALUES ('acra', 7, '201234567A');

CREATE TABLE ssic_ref (code text PRIMARY KEY, title text NOT NULL, description text, version text NOT NULL,
  effective_date date NOT NULL DEFAULT CURRENT_DATE, source_file_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(), fts tsvector);
CREATE INDEX ssic_ref_fts ON ssic_ref USING gin (fts);
INSERT INTO ssic_ref (code, title, version, source_file_hash) VALUES ('62011', 'Development of software', '2020', 'f');

CREATE TABLE staging_acra_companies (
  uen text PRIMARY KEY, issuance_agency_id text, entity_name text, entity_type_description text,
  business_constitution_description text, company_type_description text, paf_constitution_description text,
  entity_status_description text, registration_incorporation_date text, uen_issue_date text, address_type text,
  block text, street_name text, level_no text, unit_no text, building_name text, postal_code text,
  other_address_line1 text, other_address_line2 text, account_due_date text, annual_return_date text,
  primary_ssic_code integer, primary_ssic_description text, primary_user_described_activity text,
  secondary_ssic_code text, secondary_ssic_description text, secondary_user_described_activity text,
  no_of_officers integer, former_entity_name1 text, former_entity_name2 text, former_entity_name3 text,
  former_entity_name4 text, former_entity_name5 text, former_entity_name6 text, former_entity_name7 text,
  former_entity_name8 text, former_entity_name9 text, former_entity_name10 text, former_entity_name11 text,
  former_entity_name12 text, former_entity_name13 text, former_entity_name14 text, former_entity_name15 text,
  uen_of_audit_firm1 text, name_of_audit_firm1 text, uen_of_audit_firm2 text, name_of_audit_firm2 text,
  uen_of_audit_firm3 text, name_of_audit_firm3 text, uen_of_audit_firm4 text, name_of_audit_firm4 text,
  uen_of_audit_firm5 text, name_of_audit_firm5 text);
CREATE TABLE staging_raw_acra (
  uen text, issuance_agency_id text, entity_name text, entity_type_description text,
  business_constitution_description text, company_type_description text, paf_constitution_description text,
  entity_status_description text, registration_incorporation_date text, uen_issue_date text, address_type text,
  block text, street_name text, level_no text, unit_no text, building_name text, postal_code text,
  other_address_line1 text, other_address_line2 text, account_due_date text, annual_return_date text,
  primary_ssic_code text, primary_ssic_description text, primary_user_described_activity text,
  secondary_ssic_code text, secondary_ssic_description text, secondary_user_described_activity text,
  no_of_officers text, former_entity_name1 text, former_entity_name2 text, former_entity_name3 text,
  former_entity_name4 text, former_entity_name5 text, former_entity_name6 text, former_entity_name7 text,
  former_entity_name8 text, former_entity_name9 text, former_entity_name10 text, former_entity_name11 text,
  former_entity_name12 text, former_entity_name13 text, former_entity_name14 text, former_entity_name15 text,
  uen_of_audit_firm1 text, name_of_audit_firm1 text, uen_of_audit_firm2 text, name_of_audit_firm2 text,
  uen_of_audit_firm3 text, name_of_audit_firm3 text, uen_of_audit_firm4 text, name_of_audit_firm4 text,
  uen_of_audit_firm5 text, name_of_audit_firm5 text);
CREATE INDEX idx_staging_acra_ssic ON staging_acra_companies (primary_ssic_code);
INSERT INTO staging_acra_companies (uen, entity_name, registration_incorporation_date, primary_ssic_code,
  no_of_officers)
  VALUES ('201234567A', 'ONE PTE. LTD.', '2012-03-04', 62011, 3), ('53000000B', 'TWO', NULL, 1110, NULL),
  (' ', 'BLANK', NULL, NULL, NULL);
INSERT INTO staging_raw_acra (uen, entity_name, primary_ssic_code) VALUES ('201234567A', 'ONE PTE. LTD.', '62011');

CREATE TABLE staging_global_companies (id bigserial PRIMARY KEY, tenant_id bigint, domain text NOT NULL,
  source text NOT NULL DEFAULT 'web_discovery', created_at timestamptz NOT NULL DEFAULT now(),
  ai_metadata jsonb NOT NULL DEFAULT '{}');
INSERT INTO staging_global_companies (tenant_id, domain) VALUES (1, 'far.example');

CREATE TABLE summaries (id bigserial PRIMARY KEY, company_id bigint REFERENCES companies, url text NOT NULL,
  title text, description text, content_summary text, key_pages jsonb, signals jsonb, rule_score integer,
  rule_band text, shortlist jsonb, crawl_metadata jsonb, created_at timestamptz DEFAULT now());
INSERT INTO summaries (company_id, url) VALUES (1, 'https://one.example');

CREATE TABLE tenant_company_profiles (tenant_id integer PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  profile jsonb NOT NULL DEFAULT '{}', source_url text, confirmed boolean DEFAULT false, confirmed_at timestamptz,
  updated_at timestamptz DEFAULT now());
INSERT INTO tenant_company_profiles (tenant_id) VALUES (1);

CREATE MATERIALIZED VIEW icp_candidate_companies AS SELECT r.rule_id, r.tenant_id, c.company_id
  FROM icp_rules r JOIN companies c ON (r.payload -> 'industries') ? c.industry_norm;
CREATE UNIQUE INDEX icp_candidate_companies_uniq ON icp_candidate_companies (rule_id, company_id);
CREATE MATERIALIZED VIEW icp_patterns AS SELECT s.tenant_id, jsonb_agg(s.code ORDER BY s.companies DESC) AS top_ssics
  FROM (SELECT e.tenant_id, a.primary_ssic_code AS code, count(DISTINCT c.company_id) AS companies FROM icp_evidence e
    JOIN companies c ON c.company_id = e.company_id JOIN staging_acra_companies a ON a.uen = c.uen
    WHERE e.signal_key = 'ssic' GROUP BY 1, 2) s GROUP BY 1;

ALTER TABLE icp_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_scores ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_features ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrichment_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_seeds ENABLE ROW LEVEL SECURITY;
ALTER TABLE icp_evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE icp_intake_responses ENABLE ROW LEVEL SECURITY;
ALTER TABLE qa_samples ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_event_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_manifests ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_stage_stats ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_summaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_vendor_usage ENABLE ROW LEVEL SECURITY;
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['lead_scores', 'lead_features', 'enrichment_runs', 'qa_samples', 'run_event_logs',
      'run_manifests', 'run_stage_stats', 'run_summaries', 'run_vendor_usage'] LOOP
    EXECUTE format('CREATE POLICY %I ON %I USING (tenant_id = current_setting(''request.tenant_id'', true)::int)',
      t || '_isolation', t);
  END LOOP;
  CREATE POLICY icp_rules_tenant_isolation ON icp_rules
    USING (tenant_id = current_setting('request.tenant_id', true)::int);
END $$;
