DROP TABLE public.pushed_leads;
