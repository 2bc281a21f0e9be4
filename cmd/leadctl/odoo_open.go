package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// openFlags are the flags of `odoo open`.
type openFlags struct {
	reason, file string
	end, dryRun  bool
}

// odooVisit is the result of `odoo open`.
type odooVisit struct {
	Tenant   tenant.ID `json:"tenant_id"`
	URL      string    `json:"url"`
	Login    string    `json:"login"`
	Password string    `json:"password"` // "" with --password-file and in a dry run
	Until    time.Time `json:"until"`
	Job      int64     `json:"job"` // ends the access; 0 in a dry run
}

func newOdooOpen(a *app) *cobra.Command {
	var ref string
	var f openFlags
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Open a tenant's workspace for an operator, for an hour",
		Long: "Open a tenant's workspace for an operator. The command prints the address of Odoo's sign-in page, a\n" +
			"login and a new password. The password is shown once, on a terminal only; --password-file writes it\n" +
			"to a new file instead. The login has the rights of the role admin. A job ends the access after an\n" +
			"hour, --end ends it at once, and so does a suspension or deletion of the tenant.\n\n" +
			"The reason is recorded in the tenant's audit log. A second call replaces password and end.",
		Example: "  leadctl odoo open --tenant 42 --reason 'ticket 1234: no leads in the pipeline'\n" +
			"  leadctl odoo open --tenant 42 --end",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.end {
				return a.endVisit(cmd.Context(), ref, f.reason)
			}
			v, err := a.openVisit(cmd.Context(), ref, f)
			return errors.Join(err, a.printResultUnless(err, v))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().StringVar(&f.reason, "reason", "", "reason, recorded in the tenant's audit log; required unless --end")
	cmd.Flags().StringVar(&f.file, "password-file", "", "new file for the password, instead of the terminal")
	cmd.Flags().BoolVar(&f.end, "end", false, "end the access that an earlier call opened")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "check that the workspace can be opened, and open nothing")
	cmd.MarkFlagsMutuallyExclusive("end", "dry-run")
	return a.addOutputFlag(cmd)
}

func (a *app) openVisit(ctx context.Context, ref string, f openFlags) (odooVisit, error) {
	if f.reason == "" {
		return odooVisit{}, fault.New(fault.Invalid, "--reason: not given").
			WithHint("say why in the words that the tenant will read: --reason 'ticket 1234'")
	}
	if f.file == "" && !f.dryRun && !isTerminal(a.stdout) {
		return odooVisit{}, fault.New(fault.Invalid, "stdout is not a terminal, and the password is shown on one only").
			WithHint("run the command on a terminal, or use --password-file FILE")
	}
	id, err := a.findTenant(ctx, ref, "odoo.open", f.dryRun)
	if err != nil {
		return odooVisit{}, err
	}
	spaces, err := a.openWorkspaces(ctx)
	if err != nil {
		return odooVisit{}, err
	}
	if f.dryRun {
		v, err := spaces.TryVisit(ctx, id)
		return newOdooVisit(id, v), err
	}
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return odooVisit{}, err
	}
	v, err := spaces.OpenVisit(ctx, queue, id, operatorBy(f.reason))
	out := newOdooVisit(id, v)
	if err != nil || f.file == "" {
		return out, err
	}
	out.Password = ""
	if err := createFile(f.file, []byte(v.Password)); err != nil {
		_, ended := spaces.EndVisit(context.WithoutCancel(ctx), id, operatorBy("the password file was not written"))
		return odooVisit{}, errors.Join(err, ended)
	}
	return out, nil
}

func newOdooVisit(id tenant.ID, v workspace.Visit) odooVisit {
	return odooVisit{Tenant: id, URL: v.URL, Login: v.Login, Password: string(v.Password), Until: v.Until, Job: v.Job}
}

func (a *app) endVisit(ctx context.Context, ref, reason string) error {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return err
	}
	ended, err := spaces.EndVisit(ctx, t.ID, operatorBy(reason))
	if err == nil && !ended {
		a.printNotice("tenant %s: no operator has access", t.ID)
	}
	return err
}
