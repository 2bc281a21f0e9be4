//go:build nodemo

package main

import (
	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
)

// demoExample is the line about the demo in the examples of `leadctl --help`.
const demoExample = ""

// newDemo says how to get the demo. Packages and the container image are built with tag nodemo: the demo brings an
// identity provider that issues a token to anyone, and a program that downloads PostgreSQL.
func newDemo(*app) *cobra.Command {
	return &cobra.Command{
		Use:                "demo",
		Short:              "Say how to get a leadctl with the demo",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return fault.New(fault.Invalid, "leadctl demo: not part of this build").
				WithHint("go install github.com/leadctl/leadctl/cmd/leadctl@latest, or take an archive of the release")
		},
	}
}
