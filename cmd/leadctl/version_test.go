package main

import (
	"cmp"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionOfEachKindOfBuild(t *testing.T) {
	t.Parallel()
	checkout := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "0123456789abcdef"},
		{Key: "vcs.time", Value: "2026-01-31T12:00:00Z"}}
	for name, c := range map[string]struct {
		version      string
		settings     []debug.BuildSetting
		commit, date string
	}{
		"checkout": {"v0.1.1-0.20260131120000-0123456789ab+dirty", checkout,
			"0123456789abcdef", "2026-01-31T12:00:00Z"},
		"checkout without vcs":   {"(devel)", nil, "unknown", "unknown"},
		"go install of a commit": {"v0.0.0-20260131120000-0123456789ab", nil, "0123456789ab", "2026-01-31T12:00:00Z"},
		"go install after a tag": {"v0.1.1-0.20260131120000-0123456789ab", nil, "0123456789ab", "2026-01-31T12:00:00Z"},
		"go install of a tag":    {"v0.1.0", nil, "unknown", "unknown"},
		"no information":         {"", nil, "unknown", "unknown"},
		"an impossible time":     {"v0.0.0-20261399000000-0123456789ab", nil, "unknown", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readVersion(&debug.BuildInfo{Main: debug.Module{Version: c.version}, Settings: c.settings})
			require.Equal(t, cmp.Or(c.version, "(devel)"), got.Version)
			require.Equal(t, c.commit, got.Commit)
			require.Equal(t, c.date, got.Date)
		})
	}
}
