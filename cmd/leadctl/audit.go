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
		Short: "List audit records, newest first",
		Long: "List who did what to which tenant, newest first. The log is append-only. Tenant 0 means that an act\n" +
			"concerns no single tenant.",
		Example: "  leadctl audit list\n  leadctl audit list --tenant 42 --since 2026-01-31 -o json\n" +
			"  leadctl audit list --action icp --actor cli:root --since 24h\n" +
			"  leadctl audit list --since 2026-01-01 --until 2026-02-01 --limit 1000 -o csv",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.listAudit(cmd.Context(), f, ref, since, until)
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "only acts on this tenant: number or external ID")
	cmd.Flags().StringVar(&f.Actor, "actor", "",
		"only acts of this actor: a token's subject, or cli:USER with a user of the operating system")
	cmd.Flags().StringVar(&f.Action, "action", "", "only this action, such as icp.set; icp alone means all icp actions")
	cmd.Flags().StringVar(&since, "since", "",
		"only acts since this time: a day (2026-01-31, UTC), a time (RFC 3339) or an age (24h)")
	cmd.Flags().StringVar(&until, "until", "", "only acts before this time, in the formats of --since")
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "maximum number of records, from 1 to 10000")
	registerCompletion(cmd, "action", tenant.Actions)
	return a.addOutputFlag(cmd)
}

func (a *app) listAudit(
	ctx context.Context, f tenant.ActFilter, ref, since, until string,
) (list []tenant.Recorded, err error) {
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

// parseTime parses s, the value of a flag that names a point in time. "" is the zero time.
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
	return time.Time{}, fault.New(fault.Invalid,
		"--%s %q: must be a day (2026-01-31), a time (2026-01-31T08:00:00Z) or an age (24h)", flag, s)
}
