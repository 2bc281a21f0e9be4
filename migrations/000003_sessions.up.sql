-- Sign-in of browsers. Nothing here belongs to a tenant: a session is an identity's, and its tenant is resolved per request.
-- What a browser holds is stored as SHA-256 only; what the provider gave us is sealed.

-- A sign-in that has been started and not come back yet. Its row is deleted when it does, so a callback works once.
CREATE TABLE public.login_attempts (
  state_hash bytea NOT NULL,
  browser_hash bytea NOT NULL,
  nonce text NOT NULL,
  verifier text NOT NULL,
  return_to text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT login_attempts_pkey PRIMARY KEY (state_hash)
);
CREATE INDEX login_attempts_started_idx ON public.login_attempts (started_at);

-- A signed-in browser. The provider's refresh token stays here; the browser holds a random handle to the row.
CREATE TABLE public.sessions (
  handle_hash bytea NOT NULL,
  issuer text NOT NULL,
  subject text NOT NULL,
  refresh_token text,
  id_token text NOT NULL,
  refreshed_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT sessions_pkey PRIMARY KEY (handle_hash)
);
CREATE INDEX sessions_expires_idx ON public.sessions (expires_at);
CREATE INDEX sessions_identity_idx ON public.sessions (issuer, subject);

-- Tokens of ended sessions, until they would have expired by themselves.
CREATE TABLE public.revoked_tokens (
  token_hash bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  CONSTRAINT revoked_tokens_pkey PRIMARY KEY (token_hash)
);
CREATE INDEX revoked_tokens_expires_idx ON public.revoked_tokens (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON public.login_attempts, public.sessions, public.revoked_tokens TO leadctl_system;
