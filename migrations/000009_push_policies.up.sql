-- What a tenant's pushes bring to its CRM. A tenant without a row, and a column that is NULL, has the settings of the
-- installation.
CREATE TABLE public.push_policies (
  tenant_id integer PRIMARY KEY REFERENCES public.tenants (tenant_id) ON DELETE CASCADE CHECK (tenant_id > 0),
  buckets text[] CHECK (cardinality(buckets) > 0 AND buckets <@ ARRAY['high', 'medium', 'low']),
  max_leads integer CHECK (max_leads >= 0), -- in the CRM at a time; 0: no limit
  when_full text NOT NULL DEFAULT 'wait' CHECK (when_full IN ('wait', 'replace')),
  paused boolean NOT NULL DEFAULT false,
  reason text, -- why it is paused
  updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE public.push_policies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON public.push_policies
  USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant());
REVOKE ALL ON public.push_policies FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.push_policies TO leadctl_app;
