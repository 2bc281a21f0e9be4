-- A database as the platform's other services make it, with the irregular rows that collect in one over the years.
CREATE TABLE tenants (tenant_id serial PRIMARY KEY, name text NOT NULL, status text DEFAULT 'active');
INSERT INTO tenants (name, status)
  VALUES ('Alpha', 'active'), ('Beta', 'Inactive'), ('Gamma', NULL), ('Delta', 'on-hold');

CREATE TABLE tenant_users (tenant_id int REFERENCES tenants ON DELETE CASCADE, user_id text NOT NULL, roles text[],
  PRIMARY KEY (tenant_id, user_id));
INSERT INTO tenant_users VALUES (1, 'ann@alpha.example', '{admin}'), (1, 'bob@alpha.example', NULL),
  (2, 'ann@alpha.example', '{viewer,ops}');

CREATE TABLE odoo_connections (tenant_id int PRIMARY KEY REFERENCES tenants, base_url text, db_name text,
  auth_type text, secret text, active boolean DEFAULT true);
INSERT INTO odoo_connections VALUES (1, 'https://odoo.example', 'alpha', 'api_key', 'hunter2-plaintext', true),
  (2, 'https://odoo.example', 'beta', 'api_key', NULL, NULL);

CREATE TABLE icp_rules (rule_id serial PRIMARY KEY, tenant_id int REFERENCES tenants, name text NOT NULL,
  payload jsonb NOT NULL, created_at timestamptz DEFAULT now());
INSERT INTO icp_rules (tenant_id, name, payload)
  VALUES (1, 'Default', '{"n": 1}'), (1, 'Default', '{"n": 2}'), (1, 'Default', '{"n": 3}'),
  (1, 'Default (1)', '{"n": 4}'), (2, 'Default', '{"n": 5}'), (NULL, 'No tenant', '{"n": 6}');

CREATE TABLE onboarding_status (tenant_id int PRIMARY KEY, status text, error text, updated_at timestamptz,
  CONSTRAINT onboarding_words CHECK (status IN ('pending', 'completed', 'failed', 'provisioning')));
INSERT INTO onboarding_status VALUES (1, 'completed', NULL, now()), (2, 'failed', 'boom', now()),
  (3, 'pending', NULL, NULL), (99, 'pending', NULL, now());

CREATE TABLE companies (company_id serial PRIMARY KEY, uen text, name text, industry_norm text, employees_est int,
  incorporation_year int, website_domain text, last_seen timestamptz, linkedin_url text, confidence numeric NOT NULL,
  parent_id int REFERENCES companies);
INSERT INTO companies (uen, name, employees_est, confidence, parent_id) VALUES ('201234567A', 'One', 10, 0.5, NULL),
  ('201234567A', 'One again', 12, 0.9, 1), ('', 'No UEN', NULL, 0.1, NULL), (NULL, 'Nor this', NULL, 0, NULL);

CREATE TABLE lead_scores (company_id int PRIMARY KEY REFERENCES companies ON DELETE CASCADE, score float, bucket text,
  rationale text, cache_key text, tenant_id int NULL);
INSERT INTO lead_scores VALUES (1, 0.9, 'high', 'because', 'k1', 1), (2, 0.4, 'medium', NULL, 'k2', NULL),
  (3, 0.1, 'low', NULL, NULL, 77), (4, NULL, NULL, NULL, NULL, 2);

CREATE TABLE lead_features (company_id int PRIMARY KEY, features jsonb, tenant_id int);
INSERT INTO lead_features VALUES (1, '{"size": 3}', 1), (2, NULL, NULL), (3, NULL, 2);

CREATE TABLE enrichment_runs (run_id serial PRIMARY KEY, tenant_id int, started_at timestamptz DEFAULT now(),
  ended_at timestamptz, status text);
CREATE TABLE company_enrichment_runs (run_id int REFERENCES enrichment_runs ON DELETE CASCADE,
  company_id int REFERENCES companies, note text);
INSERT INTO enrichment_runs (tenant_id, status) VALUES (1, 'done'), (NULL, 'done'), (2, NULL);
INSERT INTO company_enrichment_runs VALUES (1, 1, 'kept'), (2, 2, 'its run has no tenant'), (3, 1, 'kept too');

CREATE TABLE staging_acra_companies (id serial PRIMARY KEY, uen varchar(20) NOT NULL, entity_name varchar(200),
  registration_incorporation_date date, primary_ssic_code integer, uen_issue_date timestamp, no_of_officers smallint,
  imported_by text NOT NULL DEFAULT current_user);
INSERT INTO staging_acra_companies (uen, entity_name, registration_incorporation_date, primary_ssic_code) VALUES
  ('201234567A', 'ONE PTE. LTD.', '2012-03-04', 62011), ('201234567A', 'ONE PTE. LTD.', '2012-03-04', 1110),
  ('53000000B', 'TWO', NULL, NULL), (' ', 'BLANK', NULL, NULL);

CREATE MATERIALIZED VIEW icp_candidate_companies AS SELECT r.rule_id, c.company_id FROM icp_rules r, companies c
  WHERE c.employees_est > (r.payload->>'n')::int;

ALTER TABLE icp_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_scores ENABLE ROW LEVEL SECURITY;
ALTER TABLE lead_features ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrichment_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY icp_rules_isolation ON icp_rules USING (tenant_id::text = current_setting('request.tenant_id', true));
CREATE POLICY lead_scores_isolation ON lead_scores USING (tenant_id::text = current_setting('request.tenant_id', true));
CREATE POLICY lead_features_isolation ON lead_features
  USING (tenant_id::text = current_setting('request.tenant_id', true));
CREATE POLICY enrichment_runs_isolation ON enrichment_runs
  USING (tenant_id::text = current_setting('request.tenant_id', true));
