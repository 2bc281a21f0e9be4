package serve

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// The daemon loads the register by itself, derives the companies, and does neither again after a restart.
func TestRegisterComesByItself(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	var text bytes.Buffer
	_, err := acragen.Write(&text, 300, 1, acragen.Options{LiveOnly: true})
	require.NoError(t, err)
	site := acratest.Start(t, acratest.Dataset{ID: "d_1", Letter: "A", CSV: text.Bytes(),
		Updated: "2026-09-16T10:04:13+08:00"})
	cfg := settings(t, db.LoginDSN, provider.URL, "API_URL", site.URL+"/api/action/datastore_search",
		"INTERVAL_SECONDS", "31536000", "DISABLE_SCHEDULER", "0", "DISABLE_STARTUP_INGEST", "0")

	d := start(t, cfg)
	const completed = `SELECT count(*) FROM river.river_job WHERE kind = 'acra_ingest' AND state = 'completed'`
	eventually(t, "the ingestion is done", func() bool { return count(t, db, completed) == 1 })
	require.Equal(t, 300, count(t, db, `SELECT count(*) FROM staging_acra_companies`))
	require.Positive(t, count(t, db, `SELECT count(*) FROM companies WHERE live`))
	require.Contains(t, d.log.String(), `"msg":"register ingested"`)
	require.Contains(t, d.log.String(), `"inserted":300`)
	require.Contains(t, d.log.String(), `"msg":"companies follow the register"`)
	require.Equal(t, `{"ok":true}`, strings.TrimSpace(get(t, d.base+"/livez", "").body))
	var health struct {
		Register struct {
			Age      int    `json:"age_seconds"`
			Released string `json:"released"`
		}
	}
	// what the first one was asked before is kept for half a minute
	young := start(t, settings(t, db.LoginDSN, provider.URL))
	require.NoError(t, json.Unmarshal([]byte(get(t, young.base+"/health", "").body), &health))
	require.Less(t, health.Register.Age, 600)
	require.Equal(t, "2026-09-16T10:04:13+08:00", health.Register.Released)
	require.Regexp(t, `(?m)^leadctl_register_age_seconds \d`, get(t, young.metrics+"/metrics", "").body)
	require.Regexp(t, `(?m)^leadctl_register_release_age_seconds \d`, get(t, young.metrics+"/metrics", "").body)
	require.NoError(t, young.end())
	require.NoError(t, d.end())

	calls := site.Calls(acratest.Metadata)
	again := start(t, cfg)
	eventually(t, "the schedule has looked", func() bool {
		return strings.Contains(again.log.String(),
			`"reason":"schedule register ingestion"`)
	})
	require.NoError(t, again.end())
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job`))
	require.Equal(t, calls, site.Calls(acratest.Metadata))
}

func TestWhoKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env, disabled, interval string
		want                    bool
	}{
		{"production", "0", "0", true},
		{"production", "0", "86400", true},
		{"production", "1", "86400", false},
		{"development", "0", "0", false},
		{"development", "0", "86400", true},
		{"development", "1", "86400", false},
	} {
		cfg := settings(t, "postgres://db/x", "https://idp.example", "LEADCTL_ENV", c.env, "DISABLE_SCHEDULER", c.disabled, "INTERVAL_SECONDS", c.interval)
		require.Equal(t, c.want, keepsSchedule(cfg), "%+v", c)
		require.Equal(t, c.want, queueSizes(cfg)[acra.JobQueue] == 1, "%+v", c)
	}
}
