package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/doctor"
)

func newDoctor(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say what is wrong with this installation and how to put it right",
		GroupID: groupServer,
		Long:    "Check configuration, database, row security, identity provider and Odoo. Looks only. Exits 3 when something must be done.",
		Example: "  leadctl doctor\n  leadctl doctor -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _ := a.config(cmd.Context()) // what is wrong with it is the first check
			checks := doctor.Examine(cmd.Context(), cfg)
			return errors.Join(a.print(checks), doctor.Verdict(checks))
		},
	}
	return a.reads(cmd)
}
