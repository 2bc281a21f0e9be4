package main

import (
	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
)

// The groups of `leadctl --help`.
const (
	groupTenancy = "tenancy"
	groupLeads   = "leads"
	groupServer  = "server"
	groupSelf    = "self"
)

// newRoot builds the command tree anew; nothing of it is global.
func newRoot(a *app) *cobra.Command {
	root := groupCommand(&cobra.Command{
		Use:           "leadctl",
		Short:         "Run the tenancy of a lead-generation platform",
		Long:          "leadctl gives every sales team that signs in a tenant, an Odoo workspace and scored company leads.",
		Example:       demoExample + "  leadctl doctor\n  leadctl tenant list --profile staging",
		SilenceErrors: true,
		SilenceUsage:  true,
	},
		newTenant(a), newAudit(a), newSSO(a), newOdoo(a), newACRA(a),
		newICP(a), newLeads(a), newExport(a),
		newMigrate(a), newServe(a), newJobs(a), newDoctor(a), newSecrets(a), newDemo(a),
		newVersion(a), newConfig(a),
	)
	root.AddGroup(
		&cobra.Group{ID: groupTenancy, Title: "Tenants and sign-in:"},
		&cobra.Group{ID: groupLeads, Title: "Companies and leads:"},
		&cobra.Group{ID: groupServer, Title: "Database and server:"},
		&cobra.Group{ID: groupSelf, Title: "leadctl itself:"},
	)
	root.SetCompletionCommandGroupID(groupSelf)
	root.SetHelpCommandGroupID(groupSelf)
	root.SetUsageTemplate(usageTemplate)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)

	global := root.PersistentFlags()
	global.StringVar(&a.configFile, "config", "", "configuration file (also LEADCTL_CONFIG); else ./leadctl.yaml and the usual folders")
	global.StringVar(&a.profile, "profile", "", "section of that file's profiles to use (also LEADCTL_PROFILE); stronger than the environment")
	config.AddFlags(global, "log.level", "log.format")
	addCompletion(root)
	root.AddCommand(newExitCodes())
	a.completeTenants(root)
	registerCompletion(root, "profile", a.profileNames)
	a.markStarted(root)
	return root
}

// addCompletion adds cobra's command now rather than at execution, so that docs and usage errors know it.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short = "Write the completion script for a shell"
			groupCommand(cmd)
		}
	}
}

// usageTemplate is cobra's with the examples first: most readers need no more.
const usageTemplate = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}{{$all := .Commands}}{{range $group := .Groups}}{{$title := .Title}}{{range $i, $c := $all}}{{if and (eq $c.GroupID $group.ID) $c.IsAvailableCommand}}{{if $title}}

{{$title}}{{$title = ""}}{{end}}
  {{rpad $c.Name $c.NamePadding}} {{$c.Short}}{{end}}{{end}}{{end}}{{if not .AllChildCommandsHaveGroup}}

Commands:{{range $all}}{{if and (eq .GroupID "") .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help says more about each.{{if not .HasParent}} {{.CommandPath}} help exit-codes lists what it exits with.{{end}}{{end}}
`
