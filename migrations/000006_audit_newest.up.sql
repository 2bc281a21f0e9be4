-- The newest acts of all tenants are what an operator looks at first; without it every look sorts the whole log.
CREATE INDEX audit_log_at_idx ON public.audit_log (at DESC);
