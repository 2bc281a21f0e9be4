-- The registered address of companies, for their contacts in a CRM. The refresh of companies keeps it up to date. Here
-- companies that are there already get theirs; updated_at stays, so that no tenant's companies are scored again.
ALTER TABLE public.companies
  ADD COLUMN registered_street text,       -- "10 ANSON ROAD"
  ADD COLUMN registered_street2 text,      -- "#10-11 INTERNATIONAL PLAZA"
  ADD COLUMN registered_postal_code text;

UPDATE public.companies c
SET registered_street = a.street, registered_street2 = a.street2, registered_postal_code = a.postal_code
FROM public.staging_acra_companies s
CROSS JOIN LATERAL (SELECT
  nullif(concat_ws(' ', nullif(nullif(btrim(s.block), ''), 'na'),
    nullif(nullif(btrim(s.street_name), ''), 'na')), '') AS street,
  nullif(concat_ws(' ', '#' || nullif(concat_ws('-', nullif(nullif(btrim(s.level_no), ''), 'na'),
    nullif(nullif(btrim(s.unit_no), ''), 'na')), ''), nullif(nullif(btrim(s.building_name), ''), 'na')), '') AS street2,
  nullif(nullif(btrim(s.postal_code), ''), 'na') AS postal_code) a
WHERE s.uen = c.uen AND num_nonnulls(a.street, a.street2, a.postal_code) > 0;

-- To whom new leads in a tenant's CRM belong; NULL: as the installation's setting says.
ALTER TABLE public.push_policies ADD COLUMN assign text CHECK (assign IN ('none', 'round_robin'));
