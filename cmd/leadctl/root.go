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

// newRoot builds the command tree. It uses no global state, so each test builds its own.
func newRoot(a *app) *cobra.Command {
	root := groupCommand(&cobra.Command{
		Use:           "leadctl",
		Short:         "Run the tenancy of a lead-generation platform",
		Long:          "leadctl gives each sales team that signs in a tenant, an Odoo workspace and scored leads.",
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
	global.StringVar(&a.configFile, "config", "",
		"configuration file (also LEADCTL_CONFIG); default: leadctl.yaml in ., ~/.config/leadctl or /etc/leadctl")
	global.StringVar(&a.profile, "profile", "",
		"profile of the configuration file (also LEADCTL_PROFILE); it overrides the environment")
	config.AddFlags(global, "log.level", "log.format")
	addCompletion(root)
	root.AddCommand(newExitCodes())
	a.completeTenants(root)
	registerCompletion(root, "profile", a.profileNames)
	a.markStarted(root)
	return root
}

// addCompletion adds cobra's completion command now. Cobra would add it at execution, too late for the generated docs.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short = "Print the completion script for a shell"
			groupCommand(cmd)
		}
	}
}

// usageTemplate is cobra's template with the examples first, because most readers need only those.
const usageTemplate = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands -}}
{{$all := .Commands}}{{range $group := .Groups}}{{$title := .Title}}{{range $i, $c := $all -}}
{{if and (eq $c.GroupID $group.ID) $c.IsAvailableCommand}}{{if $title}}

{{$title}}{{$title = ""}}{{end}}
  {{rpad $c.Name $c.NamePadding}} {{$c.Short}}{{end}}{{end}}{{end}}{{if not .AllChildCommandsHaveGroup}}

Commands:{{range $all}}{{if and (eq .GroupID "") .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

Run {{.CommandPath}} COMMAND --help for more about a command.{{if not .HasParent}}
Run {{.CommandPath}} help exit-codes for the exit codes.{{end}}{{end}}
`
