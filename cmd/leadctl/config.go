package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newConfig(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "config",
		Short:   "See what leadctl is configured to do",
		GroupID: groupSelf,
	}, newConfigShow(a))
}

func newConfigShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every setting with its value and where that comes from",
		Long: "Print every setting with its value and its origin: a flag, a variable, the file or the default. Secrets are masked.\n" +
			"Settings that are wrong are printed too, and then reported.",
		Example: "  leadctl config show\n  leadctl config show -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, wrong := a.config(cmd.Context())
			return errors.Join(a.printResult(cfg.Show()), wrong)
		},
	}
	return a.addOutputFlag(cmd)
}
