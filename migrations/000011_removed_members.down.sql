DROP TABLE public.removed_members;
