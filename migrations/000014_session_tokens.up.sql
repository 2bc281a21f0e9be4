-- What is known of the tokens of signed-in browsers. A token is named by the SHA-256 of what the provider signed, because
-- one token can have several valid signatures. A sign-out revokes all tokens of the session, older ones too. A token counts
-- until expires_at, which can be later than its claim exp: some providers return no ID token at a refresh.
CREATE TABLE public.session_tokens (
  handle_hash bytea NOT NULL REFERENCES public.sessions (handle_hash) ON DELETE CASCADE,
  fingerprint bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (fingerprint, handle_hash)
);
CREATE INDEX session_tokens_session_idx ON public.session_tokens (handle_hash);
REVOKE ALL ON public.session_tokens FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.session_tokens TO leadctl_system;

-- The cookie that only leadctl's own host can set. A session without it cannot be used: its user signs in again.
ALTER TABLE public.sessions ADD COLUMN own_hash bytea;
