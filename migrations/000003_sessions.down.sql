DROP TABLE public.revoked_tokens;
DROP TABLE public.sessions;
DROP TABLE public.login_attempts;
