package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func newICP(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "icp",
		Short:   "Manage a tenant's rules: which companies are leads",
		GroupID: groupLeads,
		Long: "A rule is a name and an ideal customer profile (ICP). The profile is a JSON object with industries,\n" +
			"ssic_codes, employee_range {min, max}, incorporation_year {min, max}, entity_types, keywords, and\n" +
			"exclusions, which has the same lists and uens. docs/scoring.md explains each.",
		Example: "  leadctl icp list --tenant 42\n" +
			"  leadctl icp set Software --tenant 42 \\\n" +
			"    --payload '{\"industries\": [\"software\"], \"incorporation_year\": {\"min\": 2010}}'\n" +
			"  leadctl icp test Software --tenant 42",
	}, newICPList(a), newICPShow(a), newICPSet(a), newICPTest(a), newICPDelete(a))
}

func newICPList(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List a tenant's rules, newest first",
		Example: "  leadctl icp list --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var rules []leads.Rule
			list := func(ctx context.Context, tx postgres.TenantTx) (err error) {
				rules, err = leads.ListRules(ctx, tx)
				return err
			}
			err := a.readTenant(cmd.Context(), ref, "icp.list", list)
			a.printWarnings(unreadableRules(rules))
			return errors.Join(err, a.printResultUnless(err, rules))
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}

// unreadableRules returns a warning for each rule that cannot be read.
func unreadableRules(rules []leads.Rule) (warnings []string) {
	for _, r := range rules {
		if r.Unreadable != "" {
			warnings = append(warnings,
				fmt.Sprintf("rule %q cannot be read and picks no company: %s", r.Name, r.Unreadable))
		}
	}
	return warnings
}

func newICPShow(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one rule",
		Example: "  leadctl icp show Software --tenant 42 -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var rule leads.Rule
			show := func(ctx context.Context, tx postgres.TenantTx) (err error) {
				rule, err = leads.ShowRule(ctx, tx, args[0])
				return err
			}
			err := a.readTenant(cmd.Context(), ref, "icp.show", show)
			a.printWarnings(unreadableRules([]leads.Rule{rule}))
			return errors.Join(err, a.printResultUnless(err, rule))
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}

func newICPSet(a *app) *cobra.Command {
	var ref string
	var from payloadSource
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create a rule, or replace the rule of that name",
		Long: "Create a rule, or replace the rule of that name. A job then rescores the tenant's companies; a\n" +
			"running `leadctl serve` works it.",
		Example: "  leadctl icp set Software --tenant 42 --file software.json\n" +
			"  leadctl icp set Default --tenant 42 --template",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rule, err := a.setRule(cmd.Context(), ref, args[0], from, dryRun)
			return errors.Join(err, a.printResultUnless(err, rule))
		},
	}
	tenantFlag(cmd, &ref)
	from.addFlags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check the profile against the database, but store nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) setRule(
	ctx context.Context, ref, name string, from payloadSource, dryRun bool,
) (rule leads.Rule, err error) {
	payload, err := from.readPayload(a.stdin)
	if err != nil {
		return rule, err
	}
	profile, err := leads.ParseProfile(payload)
	if err != nil {
		return rule, err
	}
	a.printWarnings(profile.Warnings())
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return rule, err
	}
	id, err := a.findTenant(ctx, ref, "icp.set", dryRun)
	if err != nil {
		return rule, err
	}
	err = a.inSystem(ctx, "icp.set", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if rule, err = leads.SetRule(ctx, tx, queue, id, name, payload, operatorBy("")); err == nil && dryRun {
			err = errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return rule, err
}

func newICPTest(a *app) *cobra.Command {
	var ref string
	var from payloadSource
	cmd := &cobra.Command{
		Use:   "test [NAME]",
		Short: "Count the companies that a rule selects, and find its strictest condition",
		Long: "Count the companies that a stored rule, or a profile that is not stored yet, selects. Nothing is\n" +
			"written.",
		Example: "  leadctl icp test Software --tenant 42\n" +
			"  leadctl icp test --tenant 42 --payload '{\"keywords\": [\"logistics\"]}' -o json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			trial, err := a.testRule(cmd.Context(), ref, firstArg(args), from)
			return errors.Join(err, a.printResultUnless(err, trial))
		},
	}
	tenantFlag(cmd, &ref)
	from.addFlags(cmd)
	return a.addOutputFlag(cmd)
}

func (a *app) testRule(ctx context.Context, ref, name string, from payloadSource) (trial leads.Trial, err error) {
	var payload []byte
	if name == "" {
		if payload, err = from.readPayload(a.stdin); err != nil {
			return trial, err
		}
	}
	err = a.readTenant(ctx, ref, "icp.test", func(ctx context.Context, tx postgres.TenantTx) (err error) {
		if name != "" {
			rule, err := leads.ShowRule(ctx, tx, name)
			if err != nil {
				return err
			}
			payload = rule.Payload
		}
		profile, err := leads.ParseProfile(payload)
		if err != nil {
			return err
		}
		trial, err = leads.TryProfile(ctx, tx, profile)
		return err
	})
	return trial, err
}

func newICPDelete(a *app) *cobra.Command {
	var ref string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a rule",
		Long: "Delete a rule and print it. A job then rescores the tenant's companies by the remaining rules; a\n" +
			"running `leadctl serve` works it. The last rule cannot be deleted, because all leads would be\n" +
			"deleted with it. The audit log keeps the deleted rule.",
		Example: "  leadctl icp delete Software --tenant 42\n  leadctl icp delete Software --tenant 42 --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rule, err := a.deleteRule(cmd.Context(), ref, args[0], dryRun)
			return errors.Join(err, a.printResultUnless(err, rule))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check whether the rule can be deleted, but keep it")
	return a.addOutputFlag(cmd)
}

func (a *app) deleteRule(ctx context.Context, ref, name string, dryRun bool) (rule leads.Rule, err error) {
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return rule, err
	}
	id, err := a.findTenant(ctx, ref, "icp.delete", dryRun)
	if err != nil {
		return rule, err
	}
	err = a.inSystem(ctx, "icp.delete", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if rule, err = leads.DeleteRule(ctx, tx, queue, id, name, operatorBy("")); err == nil && dryRun {
			err = errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return rule, err
}
