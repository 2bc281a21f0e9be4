package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/schema"
)

// migrationRow is one line of `migrate status`: a migration, or a violation of a row-security rule.
type migrationRow struct {
	Item  string `json:"item"`
	State string `json:"state"`
	Note  string `json:"note"`
}

func newMigrateStatus(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List migrations and violations of row security",
		Long: "List every migration and every violation of row security. It exits 3 if `leadctl serve` would refuse\n" +
			"to start on this database.",
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
		if st.Version > 0 && st.JobTables == schema.Pending {
			rows = append(rows, migrationRow{Item: "job tables", State: st.JobTables})
		}
		if problem = st.Problem(); st.Version == 0 {
			return nil // there are no roles and tables to check yet
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
		Short:   "Print the schema version of the database; 0 means no schema",
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
