-- An invitation is a user whom nobody has signed in as yet. Until then it may come to an end; NULL never does.
ALTER TABLE public.tenant_users ADD COLUMN invited_until timestamptz;
