-- A run whose source was not proven to be whole ends as incomplete.
ALTER TABLE public.acra_runs
  DROP CONSTRAINT acra_runs_state_check,
  ADD CONSTRAINT acra_runs_state_check CHECK (state IN ('running', 'done', 'incomplete', 'failed', 'aborted'));
