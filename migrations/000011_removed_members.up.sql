-- Persons who were removed from a tenant. A token whose claim names the tenant does not admit them again; adding or
-- inviting the person deletes the row.
CREATE TABLE public.removed_members (
  tenant_id integer NOT NULL REFERENCES public.tenants (tenant_id) ON DELETE CASCADE CHECK (tenant_id > 0),
  user_id text NOT NULL, -- as in tenant_users
  issuer text,           -- NULL: the person had not signed in
  subject text,
  removed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX removed_members_identity_idx ON public.removed_members (issuer, subject);
ALTER TABLE public.removed_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON public.removed_members
  USING (tenant_id = public.request_tenant()) WITH CHECK (tenant_id = public.request_tenant());
CREATE POLICY control_plane ON public.removed_members TO leadctl_system USING (true) WITH CHECK (true);
REVOKE ALL ON public.removed_members FROM PUBLIC;
GRANT SELECT ON public.removed_members TO leadctl_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.removed_members TO leadctl_system;
