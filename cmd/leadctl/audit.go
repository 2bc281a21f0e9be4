package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newAudit(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "audit",
		Short:   "Read the audit log",
		GroupID: groupTenancy,
		Example: "  leadctl audit list --tenant 42 --since 24h",
	}, newAuditList(a))
}

func newAuditList(a *app) *cobra.Command {
	var ref, since, until string
	var f tenant.ActFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who did what, newest first",
		Long:  "List who did what to which tenant, newest first. The log is append only; tenant 0 stands for acts on no tenant in particular.",
		Example: "  leadctl audit list\n  leadctl audit list --tenant 42 --since 2026-01-31 -o json\n  leadctl audit list --action icp --actor cli:root --since 24h\n" +
			"  leadctl audit list --since 2026-01-01 --until 2026-02-01 --limit 1000 -o csv",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.listAudit(cmd.Context(), f, ref, since, until)
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "only acts on this tenant, by number or external id")
	cmd.Flags().StringVar(&f.Actor, "actor", "", "only acts of this actor: a token's subject, or cli: and a user of the operating system")
	cmd.Flags().StringVar(&f.Action, "action", "", "only this action, such as icp.set; a noun alone (icp) means all its actions")
	cmd.Flags().StringVar(&since, "since", "", "only acts since then: a day (2006-01-02, UTC), a time (RFC 3339), or how long ago (24h)")
	cmd.Flags().StringVar(&until, "until", "", "only acts before then, given as for --since")
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "how many, from 1 to 10000")
	registerCompletion(cmd, "action", tenant.Actions)
	return a.addOutputFlag(cmd)
}

func (a *app) listAudit(ctx context.Context, f tenant.ActFilter, ref, since, until string) (list []tenant.Recorded, err error) {
	if f.Since, err = parseTime("since", since, time.Now()); err != nil {
		return nil, err
	}
	if f.Until, err = parseTime("until", until, time.Now()); err != nil {
		return nil, err
	}
	err = a.inSystem(ctx, "audit log", func(ctx context.Context, tx postgres.SystemTx) error {
		if ref != "" {
			t, err := tenant.Find(ctx, tx, ref)
			if err != nil {
				return err
			}
			f.Tenant = &t.ID
		}
		list, err = tenant.Acts(ctx, tx, f)
		return err
	})
	return list, err
}

// parseTime reads the value of a flag that names a time; "" is the zero time.
func parseTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "--%s %q: not a day such as 2026-01-31, a time such as 2026-01-31T08:00:00Z, or a duration such as 24h", flag, s)
}
