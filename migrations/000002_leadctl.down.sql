DROP TABLE public.acra_pending;
DROP TABLE public.acra_rejects;
DROP TABLE public.acra_runs;
DROP TABLE public.audit_log;
DROP TABLE public.onboarding_steps;
DROP TABLE public.identities;
DROP TABLE public.installation;
