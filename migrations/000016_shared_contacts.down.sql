-- Drops the shared tables only if leadctl created them. tenant_contacts and tenant_emails keep their names.
DROP VIEW public.company_contacts, public.company_emails;
DO $$
DECLARE
  t text;
  p record;
BEGIN
  FOREACH t IN ARRAY ARRAY['contacts', 'lead_emails'] LOOP
    IF obj_description(format('public.%I', t)::regclass, 'pg_class') = 'made by leadctl' THEN
      EXECUTE format('DROP TABLE public.%I', t);
    END IF;
  END LOOP;
  FOR p IN SELECT polrelid::regclass AS rel FROM pg_policy WHERE polname = 'services' LOOP
    EXECUTE format('DROP POLICY services ON %s', p.rel);
  END LOOP;
END $$;
DROP TRIGGER translate_status ON public.onboarding_status;
DROP TRIGGER translate_score ON public.lead_scores;
DROP TRIGGER forget_row_hash ON public.staging_acra_companies;
ALTER TABLE public.icp_rules ALTER COLUMN rule_id SET DEFAULT nextval('public.icp_rules_rule_id_seq');
ALTER TABLE public.enrichment_runs ALTER COLUMN run_id SET DEFAULT nextval('public.enrichment_runs_run_id_seq');
DROP FUNCTION public.next_rule_id(), public.next_run_id(), public.translate_onboarding_status(),
  public.translate_score(),
  public.forget_row_hash();
