ALTER TABLE public.odoo_connections DROP COLUMN feedback_newest, DROP COLUMN feedback_seen_at,
  DROP COLUMN feedback_read_at;
DROP TABLE public.lead_outcomes;
