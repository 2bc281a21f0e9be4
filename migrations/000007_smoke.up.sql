-- What the latest smoke test of a workspace found: when, whether it passed, and each check with the time it took.
ALTER TABLE public.odoo_connections
  ADD COLUMN smoke_at timestamptz,
  ADD COLUMN smoke_passed boolean,
  ADD COLUMN smoke_checks jsonb;
