package serve

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

func TestCasesOfUpgrades(t *testing.T) {
	t.Parallel()
	t.Run("D-043", func(t *testing.T) { t.Parallel(); anotherBinarysSchema(t) })
}

// anotherBinarysSchema: a process whose schema was changed under it answers what it is asked and says that it is not
// ready, so that a balancer goes over to the new ones; one of that version does not start. On its own schema it is
// ready again.
func anotherBinarysSchema(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	token := provider.token(newTenant(t, db, "D-043", 2))
	cfg := settings(t, db.LoginDSN, provider.URL)
	d := start(t, cfg, func(o *Options) { o.times.recheck = time.Millisecond })
	ready := func(want int) func() bool {
		return func() bool { return get(t, d.base+"/readyz", "").status == want }
	}
	require.Eventually(t, ready(http.StatusOK), time.Minute, 50*time.Millisecond)
	for _, change := range []string{"+ 1", "- 1"} {
		exec(t, db, `UPDATE leadctl_schema_version SET version = version `+change)
		require.Eventually(t, ready(http.StatusServiceUnavailable), time.Minute, 50*time.Millisecond)
		for _, path := range []string{"/shortlist/status", "/scores/latest", "/whoami", "/livez"} {
			require.Equal(t, http.StatusOK, get(t, d.base+path, token).status, path)
		}
		requireFault(t, refused(t, cfg), fault.Operator, "schema version")
		back := map[string]string{"+ 1": "- 1", "- 1": "+ 1"}[change]
		exec(t, db, `UPDATE leadctl_schema_version SET version = version `+back)
		require.Eventually(t, ready(http.StatusOK), time.Minute, 50*time.Millisecond)
	}
}
