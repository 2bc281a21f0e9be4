ALTER TABLE public.odoo_connections
  DROP COLUMN smoke_at,
  DROP COLUMN smoke_passed,
  DROP COLUMN smoke_checks;
