package main

import "github.com/spf13/cobra"

// newExitCodes is a help topic without a command: `leadctl help exit-codes`.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "List the exit codes",
		Long: `Exit codes of leadctl. Scripts may rely on them.

  0    done
  1    failed: a conflict, content that cannot be used, or a fault of leadctl
  2    usage: the command line or the configuration is wrong; nothing was changed
  3    an operator must act: a pending or dirty migration, a failed row-security check, a finding of leadctl doctor
  4    not found: the tenant, run, job or file does not exist
  5    denied: the token is not valid, or the role does not allow the action
  6    a dependency is unavailable: PostgreSQL, the identity provider, Odoo or the register; try again later
  130  interrupted by Ctrl-C or SIGTERM

An error is printed on stderr as "leadctl: WHAT FAILED". If there is a remedy, "hint: WHAT TO DO" follows.`,
	}
}
