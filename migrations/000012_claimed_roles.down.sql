ALTER TABLE public.tenant_users DROP COLUMN claimed_roles;
