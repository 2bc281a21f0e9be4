UPDATE public.acra_runs SET state = 'failed' WHERE state = 'incomplete';
ALTER TABLE public.acra_runs
  DROP CONSTRAINT acra_runs_state_check,
  ADD CONSTRAINT acra_runs_state_check CHECK (state IN ('running', 'done', 'failed', 'aborted'));
