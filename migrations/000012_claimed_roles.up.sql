-- The roles in the user's latest token, for jobs that act after the sign-in; NULL: the token had no roles claim.
ALTER TABLE public.tenant_users ADD COLUMN claimed_roles text[];
