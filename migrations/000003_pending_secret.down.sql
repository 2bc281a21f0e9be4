ALTER TABLE public.odoo_connections DROP COLUMN pending_secret;
