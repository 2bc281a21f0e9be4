package main

import (
	"cmp"
	"regexp"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// Set by the release build with -ldflags -X. In other builds they are empty and readVersion asks debug.BuildInfo.
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
		RunE:    func(*cobra.Command, []string) error { return a.printResult(buildVersion()) },
	}
	return a.addOutputFlag(cmd)
}

// buildVersion is the version of this binary.
func buildVersion() versionInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	built := readVersion(info)
	built.Version = cmp.Or(version, built.Version)
	built.Commit = cmp.Or(commit, built.Commit)
	built.Date = cmp.Or(date, built.Date)
	return built
}

// readVersion is what the go command recorded: the repository's commit in a build from a checkout, and a version in one
// by `go install …@VERSION`. There a tag stands for its commit, and a pseudo-version contains commit and date.
func readVersion(info *debug.BuildInfo) versionInfo {
	recorded := map[string]string{}
	for _, s := range info.Settings {
		recorded[s.Key] = s.Value
	}
	pseudoCommit, pseudoDate := parsePseudoVersion(info.Main.Version)
	return versionInfo{
		Version:  cmp.Or(info.Main.Version, "(devel)"),
		Commit:   cmp.Or(recorded["vcs.revision"], pseudoCommit, "unknown"),
		Date:     cmp.Or(recorded["vcs.time"], pseudoDate, "unknown"),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// parsePseudoVersion reads the short commit and the date in a version such as v0.1.1-0.20260131120000-0123456789ab.
// Both are empty for other versions.
func parsePseudoVersion(version string) (commit, date string) {
	found := regexp.MustCompile(`[-.](\d{14})-([0-9a-f]{12})(\+|$)`).FindStringSubmatch(version)
	if found == nil {
		return "", ""
	}
	at, err := time.Parse("20060102150405", found[1])
	if err != nil {
		return "", ""
	}
	return found[2], at.Format(time.RFC3339)
}
