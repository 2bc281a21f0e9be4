package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// demoPackages are the packages that only the demo needs. The first three are dangerous in production: an identity
// provider that issues a token to anyone, an Odoo stand-in, and a program that downloads and runs PostgreSQL.
func demoPackages() []string {
	return []string{
		module + "pkg/devidp", module + "pkg/odoo/odootest", module + "pkg/pgtemp",
		module + "pkg/demo", module + "pkg/acra/acragen",
		"github.com/zitadel/oidc/v3/pkg/op", "github.com/fergusstrange/embedded-postgres", "testing",
	}
}

func TestDemoIsNotInPackagesAndImage(t *testing.T) {
	t.Parallel()
	withDemo, without := linkedPackages(t), linkedPackages(t, "-tags", "nodemo")
	for _, p := range demoPackages() {
		require.True(t, slices.Contains(withDemo, p), "%s: the demo needs it no longer; remove it from demoPackages", p)
		require.False(t, slices.Contains(without, p), "%s: linked into the build with tag nodemo", p)
	}
	for _, p := range []string{module + "pkg/pgtest", module + "pkg/acra/acratest", module + "pkg/logging/logtest"} {
		require.False(t, slices.Contains(withDemo, p), "%s: for tests only, but linked into leadctl", p)
	}
}

// linkedPackages lists the packages that are linked into leadctl when it is built with flags.
func linkedPackages(t *testing.T, flags ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append(append([]string{"list", "-deps"}, flags...), ".")...).
		Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// TestReleaseBuildsPackagesAndImageWithoutDemo holds .goreleaser.yaml to the tag.
func TestReleaseBuildsPackagesAndImageWithoutDemo(t *testing.T) {
	t.Parallel()
	type artifact struct{ IDs []string }
	var release struct {
		Builds []struct {
			ID   string
			Tags []string
		}
		NFPMs   []artifact `yaml:"nfpms"`
		Dockers []artifact `yaml:"dockers_v2"`
	}
	text, err := os.ReadFile(filepath.Join(repoRoot, ".goreleaser.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &release))
	var nodemo []string
	for _, b := range release.Builds {
		if slices.Contains(b.Tags, "nodemo") {
			nodemo = append(nodemo, b.ID)
		}
	}
	require.NotEmpty(t, nodemo)
	require.NotEmpty(t, release.NFPMs)
	require.NotEmpty(t, release.Dockers)
	for _, a := range slices.Concat(release.NFPMs, release.Dockers) {
		require.Equal(t, nodemo, a.IDs)
	}
}

func TestDemoSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "leadctl")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "nodemo", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)

	said, err := exec.CommandContext(t.Context(), binary, "demo", "--once").CombinedOutput()
	var ended *exec.ExitError
	require.True(t, errors.As(err, &ended))
	require.Equal(t, 2, ended.ExitCode())
	require.Equal(t, "leadctl: leadctl demo: not part of this build\n"+
		"hint: go install github.com/leadctl/leadctl/cmd/leadctl@latest, or take an archive of the release\n",
		string(said))

	help, err := exec.CommandContext(t.Context(), binary, "--help").CombinedOutput()
	require.NoError(t, err)
	require.NotContains(t, string(help), "demo")
}
