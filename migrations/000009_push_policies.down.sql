DROP TABLE public.push_policies;
