-- What became of a tenant's pushed leads in its CRM. A lead without a row is open and was never closed.
CREATE TABLE public.lead_outcomes (
  tenant_id integer NOT NULL REFERENCES public.tenants (tenant_id) ON DELETE CASCADE CHECK (tenant_id > 0),
  company_id integer NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('won', 'lost', 'not_a_fit', 'open')),
  lost_reason text,
  changed_at timestamptz NOT NULL,                -- in the CRM
  noted_at timestamptz NOT NULL DEFAULT now(),    -- by leadctl
  PRIMARY KEY (tenant_id, company_id)
);
ALTER TABLE public.lead_outcomes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON public.lead_outcomes
  USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant());
REVOKE ALL ON public.lead_outcomes FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.lead_outcomes TO leadctl_app;

-- How far the outcomes of a workspace were read: the newest change of a lead, when leadctl saw it first, and when it
-- looked last.
ALTER TABLE public.odoo_connections
  ADD COLUMN feedback_newest timestamptz,
  ADD COLUMN feedback_seen_at timestamptz,
  ADD COLUMN feedback_read_at timestamptz;
