ALTER TABLE public.sessions DROP COLUMN own_hash;
DROP TABLE public.session_tokens;
