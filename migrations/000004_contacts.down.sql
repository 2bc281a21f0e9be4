-- Drops the tables only if leadctl created them. Tables of another service keep their rows; the up file adopts them
-- again.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenant_contacts', 'tenant_emails'] LOOP
    IF obj_description(format('public.%I', t)::regclass, 'pg_class') = 'made by leadctl' THEN
      EXECUTE format('DROP TABLE public.%I', t);
    ELSE
      EXECUTE format('DROP POLICY tenant_isolation ON public.%I', t);
      EXECUTE format('REVOKE ALL ON public.%I FROM leadctl_app', t);
    END IF;
  END LOOP;
END $$;
