package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newJobs(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "jobs",
		Short:   "List, retry and cancel jobs of the queue",
		GroupID: groupServer,
		Example: "  leadctl jobs list --state retryable\n  leadctl jobs show 17\n  leadctl jobs retry 17",
	}, newJobsList(a), newJobsShow(a), newJobsRetry(a), newJobsCancel(a))
}

func newJobsList(a *app) *cobra.Command {
	var f jobs.Filter
	var ref string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Long: "List jobs, newest first, with kind, tenant, state and the error of the last attempt. Jobs that have\n" +
			"ended are deleted after a week.",
		Example: "  leadctl jobs list\n  leadctl jobs list --tenant 42 --state retryable,discarded -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.listJobs(cmd.Context(), f, ref)
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	cmd.Flags().StringVar(&f.Kind, "kind", "", "only jobs of this kind, such as onboarding")
	cmd.Flags().StringVar(&ref, "tenant", "", "only jobs of this tenant: number or external ID")
	cmd.Flags().StringSliceVar(&f.States, "state", nil, "only jobs in these states: available, pending, scheduled, "+
		"running, retryable, completed, cancelled, discarded")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "maximum number of jobs, from 1 to 10000")
	return a.addOutputFlag(cmd)
}

func newJobsShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show JOB",
		Short:   "Show one job and the error of each attempt",
		Example: "  leadctl jobs show 17 -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var job jobs.Detail
			read := func(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) (err error) {
				job, err = client.Get(ctx, tx, id)
				return err
			}
			err := a.withJob(cmd.Context(), args[0], read)
			return errors.Join(err, a.printResultUnless(err, job))
		},
	}
	return a.addOutputFlag(cmd)
}

func newJobsRetry(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "retry JOB",
		Short:   "Run a waiting or ended job now",
		Long:    "Make a waiting or ended job available now. A running `leadctl serve` works it.",
		Example: "  leadctl jobs retry 17",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.changeJob(cmd.Context(), args[0], retryJob)
			return errors.Join(err, a.printResultUnless(err, job))
		},
	}
	return a.addOutputFlag(cmd)
}

func newJobsCancel(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel JOB",
		Short: "Cancel a job",
		Long: "Cancel a job. A running job is told to stop and is cancelled when it has stopped. If it is an\n" +
			"onboarding job, the tenant's onboarding gets status error; the next sign-in or\n" +
			"`leadctl tenant provision` starts it again.",
		Example: "  leadctl jobs cancel 17",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.changeJob(cmd.Context(), args[0], cancelJob)
			return errors.Join(err, a.printResultUnless(err, job))
		},
	}
	return a.addOutputFlag(cmd)
}

func (a *app) listJobs(ctx context.Context, f jobs.Filter, ref string) (list []jobs.Job, err error) {
	client, err := a.openJobs(ctx, false)
	if err != nil {
		return nil, err
	}
	err = a.inSystem(ctx, "list jobs", func(ctx context.Context, tx postgres.SystemTx) error {
		if ref != "" {
			t, err := tenant.Find(ctx, tx, ref)
			if err != nil {
				return err
			}
			f.Tenant = t.ID
		}
		list, err = client.List(ctx, tx, f)
		return err
	})
	return list, err
}

// jobWork is work on one job in a transaction of the control plane.
type jobWork func(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) error

// withJob parses arg, a job number, and runs fn on that job.
func (a *app) withJob(ctx context.Context, arg string, fn jobWork) error {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return fault.New(fault.Invalid, "job %q: must be a job number", arg).WithHint("leadctl jobs list")
	}
	client, err := a.openJobs(ctx, false)
	if err != nil {
		return err
	}
	return a.inSystem(ctx, "jobs", func(ctx context.Context, tx postgres.SystemTx) error {
		return fn(ctx, tx, client, id)
	})
}

// jobChange changes one job and returns it.
type jobChange func(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) (jobs.Job, error)

// changeJob runs change on the job that arg names.
func (a *app) changeJob(ctx context.Context, arg string, change jobChange) (job jobs.Job, err error) {
	work := func(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) (err error) {
		job, err = change(ctx, tx, client, id)
		return err
	}
	err = a.withJob(ctx, arg, work)
	return job, err
}

func retryJob(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) (jobs.Job, error) {
	return client.Retry(ctx, tx, id, operatorBy(""))
}

func cancelJob(ctx context.Context, tx postgres.SystemTx, client *jobs.Client, id int64) (jobs.Job, error) {
	return onboarding.CancelJob(ctx, tx, client, id, operatorBy(""))
}
