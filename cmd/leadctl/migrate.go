package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

func newMigrate(a *app) *cobra.Command {
	cmd := groupCommand(&cobra.Command{
		Use:     "migrate",
		Short:   "Migrate the database to the schema of this leadctl",
		GroupID: groupServer,
		Long: "Migrate the database to the schema of this leadctl. `leadctl migrate` alone runs\n" +
			"`leadctl migrate up`. Several processes may run it at once: one migrates, the others wait.\n\n" +
			"POSTGRES_DSN must name the database owner, who may create roles, or a superuser.",
		Example: "  leadctl migrate\n  leadctl migrate status\n" +
			"  leadctl migrate login leadctl_serve --password-file pw",
	}, newMigrateUp(a), newMigrateDown(a), newMigrateStatus(a), newMigrateVersion(a), newMigrateForce(a),
		newMigrateLogin(a))
	group := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.migrateUp(cmd.Context(), false)
		}
		return group(cmd, args)
	}
	return cmd
}

func newMigrateUp(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply the pending migrations",
		Long: "Apply the pending migrations, each in one transaction. A database that was created by other services\n" +
			"of the platform is adopted. Rows that do not fit the new keys move to tables named …_unassigned and\n" +
			"are counted.\n\n" +
			"--dry-run applies them in one transaction and rolls it back. It lists every change, the rows before\n" +
			"after, and everything that would be refused. It takes the locks and the time of the migration.",
		Example: "  leadctl migrate up --dry-run\n  leadctl migrate up",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.migrateUp(cmd.Context(), dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "list what would change, without changing it")
	return cmd
}

func (a *app) migrateUp(ctx context.Context, dryRun bool) error {
	dsn, err := a.ownerDSN(ctx)
	if err != nil {
		return err
	}
	if dryRun {
		return a.previewMigrations(ctx, dsn)
	}
	printStep := func(version uint, name string, took time.Duration) {
		a.printStep(fmt.Sprintf("%06d_%s", version, name), took, nil)
	}
	res, err := schema.Up(ctx, dsn, schema.Options{FS: migrations.FS, Step: printStep,
		Adopting: func(table string) { fmt.Fprintln(a.stderr, "adopting", table) }})
	if err != nil {
		return err
	}
	for _, line := range migrationSummary(res) {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}

// migrationSummary returns the result of a migration in lines, with what an operator must check after an adoption.
func migrationSummary(res schema.Result) []string {
	lines := []string{fmt.Sprintf("schema version %d (was %d)", res.To, res.From)}
	lines = append(lines, res.Notes...)
	for _, table := range slices.Sorted(maps.Keys(res.Unassigned)) {
		lines = append(lines, fmt.Sprintf("%d rows moved to %s_unassigned; see its column reason",
			res.Unassigned[table], table))
	}
	if res.PlaintextSecrets > 0 {
		lines = append(lines, fmt.Sprintf("%d Odoo secrets of other services are plaintext; see docs/upgrading.md",
			res.PlaintextSecrets))
	}
	return lines
}

// previewMigrations prints what a migration would do. A refusal that it would meet is an Operator fault.
func (a *app) previewMigrations(ctx context.Context, dsn string) error {
	p, err := schema.DryRun(ctx, dsn, schema.Options{FS: migrations.FS})
	if err != nil {
		return err
	}
	for _, line := range previewLines(p) {
		fmt.Fprintln(a.stdout, line)
	}
	if n := len(p.Refusals); n > 0 {
		return fault.New(fault.Operator, "dry run: `leadctl migrate` would refuse this database for %d reasons", n).
			WithHint("resolve the refusals above; nothing was changed")
	}
	return nil
}

func previewLines(p schema.Preview) (lines []string) {
	if len(p.Pending) == 0 {
		return []string{"nothing to do"}
	}
	for _, m := range p.Pending {
		lines = append(lines, fmt.Sprintf("would apply %06d_%s", m.Version, m.Name))
	}
	for _, group := range []struct {
		name  string
		lines []string
	}{{"change", p.Columns}, {"note", p.Notes}, {"refusal", p.Refusals}} {
		for _, line := range group.lines {
			lines = append(lines, group.name+": "+line)
		}
	}
	for _, t := range p.Tables {
		lines = append(lines, fmt.Sprintf("rows: %s has %d, would have %d", t.Table, t.Before, t.After))
		for _, reason := range slices.Sorted(maps.Keys(t.SetAside)) {
			lines = append(lines, fmt.Sprintf("rows: %d to %s_unassigned: %s", t.SetAside[reason], t.Table, reason))
		}
	}
	return lines
}

func newMigrateDown(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Undo the latest migration and delete its tables and rows",
		Example: "  leadctl migrate down --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return fault.New(fault.Invalid, "migrate down: deletes tables, and --yes is not set").
					WithHint("add --yes")
			}
			return a.migrateDown(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that tables are deleted")
	return cmd
}

func (a *app) migrateDown(ctx context.Context) error {
	dsn, err := a.ownerDSN(ctx)
	if err != nil {
		return err
	}
	undone, err := schema.Down(ctx, dsn, schema.Options{FS: migrations.FS})
	if err == nil {
		fmt.Fprintf(a.stdout, "undone: %06d_%s\n", undone.Version, undone.Name)
	}
	return err
}

func newMigrateForce(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "force VERSION",
		Short: "Set the recorded schema version and clear the dirty flag",
		Long: "Set the recorded schema version and clear the dirty flag. No migration runs. After a killed\n" +
			"migration run `leadctl migrate` instead; only a file that runs outside a transaction needs force,\n" +
			"when the database has the schema of that version. `leadctl migrate status` names the version.",
		Example: "  leadctl migrate force 2 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseUint(args[0], 10, 31)
			switch {
			case err != nil:
				return fault.New(fault.Invalid, "version %q: must be a number", args[0]).
					WithHint("leadctl migrate status")
			case !yes:
				return fault.New(fault.Invalid, "migrate force: changes the recorded version, and --yes is not set").
					WithHint("add --yes")
			}
			return a.migrateForce(cmd.Context(), uint(version))
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that the database has the schema of that version")
	return cmd
}

func (a *app) migrateForce(ctx context.Context, version uint) error {
	dsn, err := a.ownerDSN(ctx)
	if err != nil {
		return err
	}
	return schema.Force(ctx, dsn, version, schema.Options{FS: migrations.FS})
}

func newMigrateLogin(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "login NAME",
		Short: "Create the login for `leadctl serve`, or change its password",
		Long: "Create the login for `leadctl serve` in production, or change its password. The login may take the\n" +
			"roles leadctl_app and leadctl_system and has no rights of its own. PostgreSQL receives only a SCRAM\n" +
			"verifier, so the password appears in no statement and no log.",
		Example: "  leadctl migrate login leadctl_serve --password-file pw\n" +
			"  pwgen 32 1 | leadctl migrate login leadctl_serve --password-file -",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.readPassword(file)
			if err != nil {
				return err
			}
			dsn, err := a.ownerDSN(cmd.Context())
			if err != nil {
				return err
			}
			return schema.CreateLogin(cmd.Context(), dsn, args[0], password)
		},
	}
	cmd.Flags().StringVar(&file, "password-file", "", "file with the password; - reads stdin")
	return cmd
}
