package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRevocationsEndEverything plays a short scene of revocations with two people. `scripts/torture --scene revoke`
// plays longer ones.
func TestRevocationsEndEverything(t *testing.T) {
	t.Parallel()
	o := options{scene: sceneRevoke, leadctl: filepath.Join(t.TempDir(), "leadctl"), tenants: 2,
		chaos:   20 * time.Second,
		healing: 90 * time.Second}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", o.leadctl, "../../cmd/leadctl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	shared, err := startSharedPostgres(t.Context())
	require.NoError(t, err)
	defer shared.close()
	violations, err := playRevokeSeed(t.Context(), shared, o, 1)
	require.NoError(t, err)
	require.Zero(t, violations)
}

// TestLateEffectsAreFound: the checker finds what began after a revocation, and what came too late.
func TestLateEffectsAreFound(t *testing.T) {
	t.Parallel()
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	for name, c := range map[string]struct {
		begun, at int
		who       string
		late      bool
	}{
		"before":               {begun: 90, at: 99, who: "a"},
		"under way":            {begun: 99, at: 109, who: "a"},
		"too late":             {begun: 99, at: 111, who: "a", late: true},
		"begun without access": {begun: 101, at: 102, who: "a", late: true},
		"another person":       {begun: 101, at: 102, who: "b"},
		"let in again":         {begun: 131, at: 132, who: "a"},
	} {
		r := &record{}
		r.addSpan(span{"a", at(100), at(130)})
		r.addEffect(c.who, "answer", at(c.begun), at(c.at))
		require.Equal(t, c.late, len(r.late()) > 0, name)
	}
}
