package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newConfig(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "config",
		Short:   "Show the configuration",
		GroupID: groupSelf,
	}, newConfigShow(a))
}

func newConfigShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every setting with its value and origin",
		Long: "Print every setting with its value and origin: a flag, an environment variable, the file or the\n" +
			"default. Secrets are masked. Invalid settings are printed as they are and then reported as an error.",
		Example: "  leadctl config show\n  leadctl config show -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, wrong := a.config(cmd.Context())
			return errors.Join(a.printResult(cfg.Show()), wrong)
		},
	}
	return a.addOutputFlag(cmd)
}
