package main

import (
	"context"
	"errors"
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
		Short:   "Bring the database to this leadctl's schema",
		GroupID: groupServer,
		Long: "Bring the database to this leadctl's schema; bare, it is `migrate up`. Several runners at once are fine: one works, the others wait.\n" +
			"POSTGRES_DSN has to be the owner's login here: one that may make roles and owns the database, or a superuser.",
		Example: "  leadctl migrate\n  leadctl migrate status\n  leadctl migrate login leadctl_serve --password-file pw",
	}, newMigrateUp(a), newMigrateDown(a), newMigrateStatus(a), newMigrateVersion(a), newMigrateForce(a), newMigrateLogin(a))
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
		Short: "Apply what is pending",
		Long: "Apply what is pending, each migration in one transaction. A database that the platform's other services made is adopted: rows that the new\n" +
			"keys cannot hold move to …_unassigned tables and are counted.",
		Example: "  leadctl migrate up --dry-run\n  leadctl migrate up",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.migrateUp(cmd.Context(), dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what is pending and write nothing")
	return cmd
}

func (a *app) migrateUp(ctx context.Context, dryRun bool) error {
	dsn, err := a.ownerDSN(ctx)
	if err != nil {
		return err
	}
	if dryRun {
		return a.printPending(ctx)
	}
	res, err := schema.Up(ctx, dsn, schema.Options{FS: migrations.FS, Step: func(version uint, name string, took time.Duration) {
		a.printStep(fmt.Sprintf("%06d_%s", version, name), took, nil)
	}})
	if err != nil {
		return err
	}
	for _, line := range migrationSummary(res) {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}

// migrationSummary says what a run came to, and what an operator has to look at after an adoption.
func migrationSummary(res schema.Result) []string {
	lines := []string{fmt.Sprintf("schema version %d (was %d)", res.To, res.From)}
	lines = append(lines, res.Notes...)
	for _, table := range slices.Sorted(maps.Keys(res.Unassigned)) {
		lines = append(lines, fmt.Sprintf("%d rows are kept in %s_unassigned; its column reason says why", res.Unassigned[table], table))
	}
	if res.PlaintextSecrets > 0 {
		lines = append(lines, fmt.Sprintf("%d Odoo secrets of other services are still plaintext; docs/upgrading.md says what to do about them", res.PlaintextSecrets))
	}
	return lines
}

func (a *app) printPending(ctx context.Context) error {
	return a.readCatalog(ctx, func(q schema.Querier) error {
		st, err := schema.ReadStatus(ctx, q, migrations.FS)
		if err != nil {
			return err
		}
		for _, m := range st.Migrations {
			if m.State == schema.Pending {
				fmt.Fprintf(a.stdout, "would apply %06d_%s\n", m.Version, m.Name)
			}
		}
		if st.Version == st.Latest {
			fmt.Fprintln(a.stdout, "nothing to do")
		}
		return nil
	})
}

func newMigrateDown(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Undo the latest migration; its tables and their rows are gone then",
		Example: "  leadctl migrate down --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return fault.New(fault.Invalid, "migrate down deletes tables: not confirmed").WithHint("add --yes")
			}
			return a.migrateDown(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, delete them")
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

// migrationRow is one line of `migrate status`: a migration, or a violation of the gate.
type migrationRow struct {
	Item  string `json:"item"`
	State string `json:"state"`
	Note  string `json:"note"`
}

func newMigrateStatus(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show every migration and every violation of the row-security gate",
		Long:    "Show every migration and every violation of the row-security gate. Exits 3 when `leadctl serve` would refuse this database.",
		Example: "  leadctl migrate status\n  leadctl migrate status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, problem, err := a.migrateStatus(cmd.Context())
			return errors.Join(err, a.printResultUnless(err, rows), problem)
		},
	}
	return a.addOutputFlag(cmd)
}

func (a *app) migrateStatus(ctx context.Context) (rows []migrationRow, problem, err error) {
	err = a.readCatalog(ctx, func(q schema.Querier) error {
		st, err := schema.ReadStatus(ctx, q, migrations.FS)
		if err != nil {
			return err
		}
		for _, m := range st.Migrations {
			row := migrationRow{Item: fmt.Sprintf("%06d_%s", m.Version, m.Name), State: m.State}
			if m.AppliedAt != nil {
				row.Note = m.AppliedAt.UTC().Format(time.RFC3339)
			}
			rows = append(rows, row)
		}
		if problem = st.Problem(); st.Version == 0 {
			return nil // no roles and no tables to judge yet
		}
		found, err := schema.Gate(ctx, q)
		for _, v := range found {
			rows = append(rows, migrationRow{Item: v.Rule + " " + v.Object, State: "violation", Note: v.Text})
		}
		problem = errors.Join(problem, schema.Refusal(found))
		return err
	})
	return rows, problem, err
}

func newMigrateVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the schema version of the database, 0 for none",
		Example: "  leadctl migrate version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.readCatalog(cmd.Context(), func(q schema.Querier) error {
				st, err := schema.ReadStatus(cmd.Context(), q, migrations.FS)
				if err == nil {
					fmt.Fprintln(a.stdout, st.Version)
				}
				return err
			})
		},
	}
}

func newMigrateForce(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "force VERSION",
		Short: "Record a version without running anything, and clear the dirty flag",
		Long: "Record a version without running anything, and clear the dirty flag: your word that the database is as that version says.\n" +
			"After a killed runner that is the version which `migrate status` names.",
		Example: "  leadctl migrate force 2 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseUint(args[0], 10, 31)
			switch {
			case err != nil:
				return fault.New(fault.Invalid, "version %q: not a number", args[0])
			case !yes:
				return fault.New(fault.Invalid, "migrate force changes what leadctl believes: not confirmed").WithHint("add --yes")
			}
			return a.migrateForce(cmd.Context(), uint(version))
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, the database is as that version says")
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
		Short: "Make the login that serves in production, or set its password anew",
		Long: "Make the login that serves in production: it may become leadctl_app and leadctl_system and has no right by itself. The server is sent\n" +
			"a SCRAM verifier, so the password stands in no statement and no log.",
		Example: "  leadctl migrate login leadctl_serve --password-file pw\n  pwgen 32 1 | leadctl migrate login leadctl_serve --password-file -",
		Args:    cobra.ExactArgs(1),
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
