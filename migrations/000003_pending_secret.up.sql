-- A rotation of a tenant's Odoo key stores the next secret here, sealed, before Odoo learns it: whatever is killed then, the
-- secret that opens the workspace is one of the two.
ALTER TABLE public.odoo_connections ADD COLUMN pending_secret text,
  ADD CONSTRAINT odoo_connections_pending_secret_check CHECK (pending_secret LIKE 'v1:%');
