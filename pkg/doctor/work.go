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

// stuckSQL finds jobs that do not move by themselves: given up, waiting although they are due, running for longer than
// any should, or tried again and again.
const stuckSQL = `SELECT id, kind, state::text, attempt FROM ` + schema.JobsSchema + `.river_job
	WHERE state = 'discarded' AND finalized_at > now() - interval '7 days'
	OR state = 'available' AND scheduled_at < now() - interval '10 minutes'
	OR state = 'running' AND attempted_at < now() - CASE kind WHEN 'acra_ingest' THEN interval '7 hours' ELSE interval '1 hour' END
	OR state = 'retryable' AND attempt >= 5
	ORDER BY id`

type stuckJob struct {
	ID      int64
	Kind    string
	State   string
	Attempt int
}

// checkStuckJobs names each of the first ones. Those that were given up are tried again where that is allowed: a job looks
// at what is there before it acts.
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
				Fix: "`leadctl jobs list`"})
		}
		checks = append(checks, j.describeFault(ctx, o, db))
	}
	return checks
}

// mostShown bounds the lines about things of one kind.
const mostShown = 10

func (j stuckJob) describeFault(ctx context.Context, o Options, db *postgres.DB) Check {
	c := Check{Name: "jobs", State: Failed, Fact: fmt.Sprintf("job %d (%s): %s after %d attempts", j.ID, j.Kind,
		j.State, j.Attempt)}
	switch j.State {
	case "available":
		c.Fix = "nobody works it: start `leadctl serve`"
		if j.Kind == (acra.JobArgs{}).Kind() {
			c.Fix += ", one without DISABLE_SCHEDULER"
		}
	case "running":
		c.Fix = fmt.Sprintf("is its process alive? End it, and the job goes on elsewhere within %s", jobs.RescueAfter)
	case "retryable":
		c.State, c.Fix = Warning, fmt.Sprintf("it is tried again by itself; `leadctl jobs show %d` says why it fails",
			j.ID)
	default:
		c.Fix = fmt.Sprintf("`leadctl jobs show %d` says why; then `leadctl jobs retry %[1]d`, or --fix", j.ID)
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
		c.Fact += ", and not to be tried again: " + err.Error()
		return c
	}
	c.State, c.Fix = Fixed, fmt.Sprintf("it is tried again now; `leadctl jobs show %d` says how that goes", j.ID)
	return c
}

// checkRegister says how old the register is, and whether the companies have followed it.
func checkRegister(ctx context.Context, o Options, db *postgres.DB) []Check {
	age, err := acra.ReadAge(ctx, db)
	c := fromError("register", err, "")
	limit := 2*24*time.Hour + o.Config.ACRA.Interval
	switch old := time.Since(age.Current).Round(time.Minute); {
	case err != nil:
	case age.Current.IsZero():
		c.State, c.Fact, c.Fix = Failed, "none was loaded", "leadctl acra ingest"
	case old > limit:
		c.State, c.Fact = Failed, fmt.Sprintf("last found to be as published %s ago", old)
		c.Fix = "`leadctl acra status` says what the last run came to; then `leadctl acra ingest --resume`, or a " +
			"`leadctl serve` that keeps the schedule"
	default:
		c.Fact = strings.TrimSpace(fmt.Sprintf("as published %s ago %s", old, age.Released))
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
	c := fromError("companies", err, "follow the register")
	if done.Added+done.Updated > 0 {
		c.State, c.Fact = Fixed, fmt.Sprintf("follow the register: %d added, %d updated", done.Added, done.Updated)
	}
	return c
}

// checkPublisher asks the register's source whether it would answer an ingestion.
func checkPublisher(ctx context.Context, o Options) []Check {
	released, err := wire.Register(o.Config, nil).Probe(ctx, o.Config.ACRA.ResourceIDs)
	c := fromError("register source", err, strings.TrimSpace("answers; released "+released))
	switch {
	case err == nil && released == "":
		c.Fact = "answers"
	case fault.Is(err, fault.NotFound):
		c.Fix = "API_URL has to be the address of datastore_search, RESOURCE_ID a dataset of it (`leadctl config show`)"
	}
	c = c.orFix("does this machine reach API_URL? Behind a proxy set HTTPS_PROXY")
	if c.State == Failed && o.Config.Development() {
		c.State = Warning
	}
	return []Check{c}
}
