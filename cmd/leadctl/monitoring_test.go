package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAlertsAndDashboardNameExistingMetrics guards against an alert that never fires because its metric does not exist.
func TestAlertsAndDashboardNameExistingMetrics(t *testing.T) {
	t.Parallel()
	var source bytes.Buffer
	walk(t, func(p string) {
		b, err := os.ReadFile(filepath.Join(repoRoot, p))
		require.NoError(t, err)
		source.Write(b)
	}, ".go")
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(repoRoot, "docs", "monitoring", name))
		require.NoError(t, err)
		if filepath.Ext(name) == ".json" {
			require.True(t, json.Valid(text), name)
		}
		found := regexp.MustCompile(`\b(leadctl_[a-z_]+?)(_bucket)?\b`).FindAllSubmatch(text, -1)
		require.NotEmpty(t, found, name)
		for _, m := range found {
			require.Contains(t, source.String(), `"`+string(m[1])+`"`, "%s: %s", name, m[0])
		}
	}
}
