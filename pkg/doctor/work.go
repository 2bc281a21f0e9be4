package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
)

// stuckSQL selects jobs that need attention: discarded, due but not started, running for too long, or retried five
// times or more.
const stuckSQL = `SELECT id, kind, state::text, attempt FROM ` + schema.JobsSchema + `.river_job
	WHERE state = 'discarded' AND finalized_at > now() - interval '7 days'
	OR state = 'available' AND scheduled_at < now() - interval '10 minutes'
	OR state = 'running' AND attempted_at < now() -
		CASE kind WHEN 'acra_ingest' THEN interval '7 hours' ELSE interval '1 hour' END
	OR state = 'retryable' AND attempt >= 5
	ORDER BY id`

type stuckJob struct {
	ID      int64
	Kind    string
	State   string
	Attempt int
}

// checkStuckJobs returns a check for each of the first stuck jobs. With Options.Fix it retries discarded jobs, which is
// safe because jobs are idempotent.
func checkStuckJobs(ctx context.Context, o Options, db *postgres.DB) []Check {
	var found []stuckJob
	err := db.InSystem(ctx, "doctor: jobs", func(ctx context.Context, tx postgres.SystemTx) error {
		rows, err := tx.Query(ctx, stuckSQL)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[stuckJob])
		return err
	})
	if err != nil || len(found) == 0 {
		return []Check{fromError("jobs", err, "none is stuck")}
	}
	var checks []Check
	for i, j := range found {
		if i == mostShown {
			return append(checks, Check{Name: "jobs", State: Failed, Fact: fmt.Sprintf("%d more", len(found)-i),
				Fix: "run `leadctl jobs list`"})
		}
		checks = append(checks, j.describeFault(ctx, o, db))
	}
	return checks
}

// mostShown is how many stuck jobs, or workspaces that refuse leadctl, the report lists.
const mostShown = 10

func (j stuckJob) describeFault(ctx context.Context, o Options, db *postgres.DB) Check {
	c := Check{Name: "jobs", State: Failed, Fact: fmt.Sprintf("job %d (%s): %s after %d attempts", j.ID, j.Kind,
		j.State, j.Attempt)}
	switch j.State {
	case "available":
		c.Fix = "no process works the queue: start `leadctl serve`"
		if j.Kind == (acra.JobArgs{}).Kind() {
			c.Fix += " without DISABLE_SCHEDULER"
		}
	case "running":
		c.Fix = fmt.Sprintf("end its process if it hangs; another process continues the job within %s",
			jobs.RescueAfter)
	case "retryable":
		c.State = Warning
		c.Fix = fmt.Sprintf("leadctl retries it; `leadctl jobs show %d` shows why it fails", j.ID)
	default:
		c.Fix = fmt.Sprintf("run `leadctl jobs show %d` for the reason, then `leadctl jobs retry %[1]d`, or use --fix",
			j.ID)
		if o.Fix {
			return j.retryJob(ctx, db, o.By, c)
		}
	}
	return c
}

func (j stuckJob) retryJob(ctx context.Context, db *postgres.DB, by tenant.By, c Check) Check {
	client, err := jobs.New(ctx, db, jobs.Options{})
	if err == nil {
		err = db.InSystem(ctx, "doctor: retry", func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := client.Retry(ctx, tx, j.ID, by)
			return err
		})
	}
	if err != nil {
		c.Fact += "; the retry failed: " + err.Error()
		return c
	}
	c.State, c.Fix = Fixed, fmt.Sprintf("leadctl retries it now; run `leadctl jobs show %d` for the result", j.ID)
	return c
}

// checkRegister checks the age of the register. With Options.Fix it also updates the companies from the register.
func checkRegister(ctx context.Context, o Options, db *postgres.DB) []Check {
	age, err := acra.ReadAge(ctx, db)
	c := fromError("register", err, "")
	limit := 2*24*time.Hour + o.Config.ACRA.Interval
	switch old := time.Since(age.Current).Round(time.Minute); {
	case err != nil:
	case age.Current.IsZero():
		c.State, c.Fact, c.Fix = Failed, "the register was never loaded", "run `leadctl acra ingest`"
	case old > limit:
		c.State, c.Fact = Failed, fmt.Sprintf("last compared with the published one %s ago", old)
		c.Fix = "run `leadctl acra status` for the result of the last run, then `leadctl acra ingest --resume`; " +
			"`leadctl serve` without DISABLE_SCHEDULER ingests every day"
	default:
		c.Fact = strings.TrimSpace(fmt.Sprintf("same as the published one %s ago %s", old, age.Released))
	}
	if c.State == Failed && o.Config.Development() {
		c.State = Warning
	}
	if !o.Fix {
		return []Check{c}
	}
	return []Check{c, updateCompanies(ctx, db)}
}

func updateCompanies(ctx context.Context, db *postgres.DB) Check {
	var done leads.CompaniesReport
	queue, err := jobs.New(ctx, db, jobs.Options{})
	if err == nil {
		done, err = wire.Companies(ctx, db, queue, acra.Report{NothingToDo: true})
	}
	c := fromError("companies", err, "same as the register")
	if done.Added+done.Updated > 0 {
		c.State = Fixed
		c.Fact = fmt.Sprintf("updated from the register: %d added, %d changed", done.Added, done.Updated)
	}
	return c
}

// checkPublisher checks that the register's publisher answers.
func checkPublisher(ctx context.Context, o Options) []Check {
	released, err := wire.Register(o.Config, nil).Probe(ctx, o.Config.ACRA.ResourceIDs)
	c := fromError("register source", err, strings.TrimSpace("answers; released "+released))
	switch {
	case err == nil && released == "":
		c.Fact = "answers"
	case fault.Is(err, fault.NotFound):
		c.Fix = "set API_URL to the address of datastore_search and RESOURCE_ID to a dataset there " +
			"(see `leadctl config show`)"
	}
	c = c.orFix("make API_URL reachable from this machine; behind a proxy set HTTPS_PROXY")
	if c.State == Failed && o.Config.Development() {
		c.State = Warning
	}
	return []Check{c}
}
