ALTER TABLE public.tenant_users DROP COLUMN invited_until;
