-- What leadctl has pushed into each tenant's CRM: the records there, a hash of what was pushed, and the values that
-- leadctl wrote last into fields that salespeople may edit.
CREATE TABLE public.pushed_leads (
  tenant_id integer NOT NULL REFERENCES public.tenants (tenant_id) ON DELETE CASCADE CHECK (tenant_id > 0),
  company_id integer NOT NULL,
  contact_id bigint NOT NULL,
  lead_id bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('pushed', 'deleted', 'withdrawn')),
  hash text NOT NULL,
  written jsonb NOT NULL,
  pushed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, company_id)
);
ALTER TABLE public.pushed_leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON public.pushed_leads
  USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant());
REVOKE ALL ON public.pushed_leads FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.pushed_leads TO leadctl_app;
