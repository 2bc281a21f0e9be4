package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newLeads(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "leads",
		Short:   "Score companies for a tenant and list the best",
		GroupID: groupLeads,
		Example: "  leadctl leads score --tenant 42\n  leadctl leads top --tenant 42 --limit 10",
	}, newLeadsScore(a), newLeadsTop(a), newLeadsReport(a))
}

// tenantScores is the output of `leads score` for one tenant.
type tenantScores struct {
	Tenant tenant.ID `json:"tenant_id"`
	leads.ScoreReport
}

func newLeadsScore(a *app) *cobra.Command {
	var ref string
	var all, dryRun bool
	var opts leads.ScoreOptions
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Rescore a tenant's companies",
		Long: "Rescore the companies of a tenant, or of all active tenants, by the tenant's rules. If neither rules\n" +
			"nor weights changed, only changed companies are scored. If a newer register was ingested, companies\n" +
			"are updated from it first.",
		Example: "  leadctl leads score --tenant 42\n  leadctl leads score --all-tenants -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reports, err := a.scoreTenants(cmd.Context(), ref, all, opts, dryRun)
			if len(reports) == 0 && err != nil {
				return err
			}
			return errors.Join(a.printResult(reports), err)
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "tenant number or external ID")
	cmd.Flags().BoolVar(&all, "all-tenants", false, "score every active tenant, one after the other")
	cmd.MarkFlagsMutuallyExclusive("tenant", "all-tenants")
	cmd.MarkFlagsOneRequired("tenant", "all-tenants")
	cmd.Flags().BoolVar(&opts.Full, "full", false, "score every company, changed or not")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count the changes, but store nothing")
	return a.addOutputFlag(cmd)
}

// selectTenants updates the companies from the register and returns the tenants to score.
func (a *app) selectTenants(ctx context.Context, ref string, all bool) (refs []string, err error) {
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return nil, err
	}
	refs = []string{ref}
	err = a.inSystem(ctx, "score leads", func(ctx context.Context, tx postgres.SystemTx) error {
		if all {
			if refs, err = activeTenants(ctx, tx); err != nil {
				return err
			}
		} else if _, err := tenant.Find(ctx, tx, ref); err != nil {
			return err
		}
		_, err := leads.FollowRegister(ctx, tx, queue, false)
		return err
	})
	return refs, err
}

// scoreTenants scores one tenant or all. It goes on when a tenant fails, and returns the reports of those that did not.
func (a *app) scoreTenants(
	ctx context.Context, ref string, all bool, opts leads.ScoreOptions, dryRun bool,
) (reports []tenantScores, err error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	if opts.Weights, err = leads.ParseWeights(cfg.Leads.Weights); err != nil {
		return nil, err
	}
	refs, err := a.selectTenants(ctx, ref, all)
	if err != nil {
		return nil, err
	}
	p := a.newProgress("tenants", int64(len(refs)))
	defer p.finish()
	var failed []error
	for i, ref := range refs {
		var one tenantScores
		score := func(ctx context.Context, tx postgres.TenantTx) (err error) {
			one.Tenant = tx.Tenant()
			one.ScoreReport, err = leads.Score(ctx, tx, opts, operatorBy(""))
			return err
		}
		err := a.writeTenant(ctx, ref, "leads.score", dryRun, score)
		p.setDone(int64(i + 1))
		if err != nil {
			err = fault.New(fault.KindOf(err), "tenant %s: %w", ref, err).WithHint("%s", fault.Hint(err))
			failed = append(failed, err)
			continue
		}
		a.printWarnings(one.Skipped)
		reports = append(reports, one)
	}
	return reports, errors.Join(failed...)
}

func activeTenants(ctx context.Context, tx postgres.SystemTx) (refs []string, err error) {
	list, err := tenant.List(ctx, tx)
	for _, t := range list {
		if t.Status == tenant.Active {
			refs = append(refs, t.ID.String())
		}
	}
	return refs, err
}

// topLead is a lead in the output of `leads top`. `export scores` has all columns.
type topLead struct {
	Score     *float64 `json:"score"`
	Bucket    *string  `json:"bucket"`
	CompanyID int32    `json:"company_id"`
	Name      *string  `json:"name"`
	Industry  *string  `json:"industry_norm"`
	Rationale *string  `json:"rationale"`
}

func newLeadsTop(a *app) *cobra.Command {
	var ref string
	var limit int
	var chosen filterFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "List a tenant's best leads with the reason for each score",
		Example: "  leadctl leads top --tenant 42 --limit 10\n" +
			"  leadctl leads top --tenant 42 --bucket high --industry software --year 2015-2020",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			top, err := a.topLeads(cmd.Context(), ref, limit, chosen)
			return errors.Join(err, a.printResultUnless(err, top))
		},
	}
	tenantFlag(cmd, &ref)
	chosen.addFlags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "maximum number of leads, from 1 to 10000")
	return a.addOutputFlag(cmd)
}

func (a *app) topLeads(ctx context.Context, ref string, limit int, chosen filterFlags) (top []topLead, err error) {
	filter, err := chosen.parseFilter()
	if err != nil {
		return nil, err
	}
	err = a.readTenant(ctx, ref, "leads.top", func(ctx context.Context, tx postgres.TenantTx) error {
		page, err := leads.Latest(ctx, tx, limit, filter, leads.Cursor{})
		for _, l := range page.Items {
			top = append(top, topLead{l.Score, l.Bucket, l.CompanyID, l.Name, l.IndustryNorm, l.Rationale})
		}
		return err
	})
	return top, err
}

// filterFlags are the flags that select leads.
type filterFlags struct{ bucket, industry, year string }

func (f *filterFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.bucket, "bucket", "", "only leads in this bucket: high, medium or low")
	cmd.Flags().StringVar(&f.industry, "industry", "",
		"only companies of this industry: SSIC section, division, title or a common word")
	cmd.Flags().StringVar(&f.year, "year", "", "only companies incorporated in this year (2015) or range (2010-2020)")
}

func (f *filterFlags) parseFilter() (leads.Filter, error) {
	return leads.ParseFilter(f.bucket, f.industry, f.year)
}
