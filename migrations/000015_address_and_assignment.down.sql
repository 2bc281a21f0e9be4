ALTER TABLE public.push_policies DROP COLUMN assign;
ALTER TABLE public.companies DROP COLUMN registered_street, DROP COLUMN registered_street2,
  DROP COLUMN registered_postal_code;
