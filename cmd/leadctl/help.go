package main

import "github.com/spf13/cobra"

// newExitCodes is a page to read: `leadctl help exit-codes`.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What leadctl exits with",
		Long: `What leadctl exits with. They are part of its interface: scripts may rely on them.

  0    done
  1    failed: what was asked for cannot be done as it is (a conflict, content that cannot be used, a fault of leadctl)
  2    usage: the command line or the configuration is wrong, and nothing was touched
  3    an operator must act: a pending or dirty migration, a refused gate, a finding of leadctl doctor
  4    not found: no such tenant, run, job, file
  5    denied: a token that proves nothing, or a role that is lacking
  6    a dependency is unavailable: PostgreSQL, the identity provider, Odoo, the register; trying again can help
  130  interrupted by Ctrl-C or SIGTERM

Every error says on stderr what happened ("leadctl: …") and, when something can be done, what ("hint: …").`,
	}
}
