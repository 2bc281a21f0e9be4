DROP INDEX public.audit_log_at_idx;
