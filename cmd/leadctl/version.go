package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the release build with -ldflags -X. Other builds leave them empty and debug.BuildInfo speaks.
var version, commit, date string

type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"` // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit it was built from and its date",
		GroupID: groupSelf,
		Example: "  leadctl version\n  leadctl version -o json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.print(buildVersion()) },
	}
	return a.reads(cmd)
}

func buildVersion() versionInfo {
	built := map[string]string{}
	module := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Version
		for _, s := range info.Settings {
			built[s.Key] = s.Value
		}
	}
	return versionInfo{
		Version:  cmp.Or(version, module, "(devel)"),
		Commit:   cmp.Or(commit, built["vcs.revision"], "unknown"),
		Date:     cmp.Or(date, built["vcs.time"], "unknown"),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}
