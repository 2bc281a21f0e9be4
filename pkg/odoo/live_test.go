//go:build live

package odoo_test

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// env demands a setting: with the tag and without a server these tests are red, not skipped.
func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	require.NotEmpty(t, v, "%s is not set; scripts/live sets it", name)
	return v
}

// liveRig reads the server that the variables prefix_URL, prefix_DSN and prefix_MASTER_FILE describe. Each rig has a template of
// its own, which stays for the next run.
func liveRig(t *testing.T, variables, name string, cluster bool) rig {
	t.Helper()
	secret, err := os.ReadFile(env(t, variables+"_MASTER_FILE"))
	require.NoError(t, err)
	r := rig{server: client(t, env(t, variables+"_URL"), 2*time.Minute), prefix: "lct_" + name}
	r.how = odoo.Provisioning{Installation: "live", Template: "lct_template_" + name, Master: odoo.Secret(strings.TrimSpace(string(secret)))}
	r.dsn = env(t, variables+"_DSN")
	if cluster {
		r.how.ClusterDSN = odoo.Secret(r.dsn)
	} else {
		r.how.TemplateSecret = adminPassword
	}
	r.prepare(t)
	return r
}

func TestLiveOdoo19Cluster(t *testing.T) {
	testWorkspace(t, liveRig(t, "LEADCTL_LIVE_ODOO", "c19", true))
}

func TestLiveOdoo19Service(t *testing.T) {
	testWorkspace(t, liveRig(t, "LEADCTL_LIVE_ODOO", "s19", false))
}

func TestLiveOdoo14Cluster(t *testing.T) {
	testWorkspace(t, liveRig(t, "LEADCTL_LIVE_ODOO14", "c14", true))
}

func TestLiveOdoo14Service(t *testing.T) {
	testWorkspace(t, liveRig(t, "LEADCTL_LIVE_ODOO14", "s14", false))
}

// TestLiveBurst makes twenty workspaces at once and reports how long each took; scripts/bench holds the times to a limit.
func TestLiveBurst(t *testing.T) {
	r := liveRig(t, "LEADCTL_LIVE_ODOO", "c19", true)
	took := make([]time.Duration, 20)
	var wg sync.WaitGroup
	for i := range took {
		w := r.workspace(t, tenantid.ID(200+i))
		wg.Go(func() {
			start := time.Now()
			assert.NoError(t, steps(r, w))
			took[i] = time.Since(start)
		})
	}
	wg.Wait()
	slices.Sort(took)
	t.Logf("fastest %v, median %v, p95 %v", took[0], took[10], took[18])
}

// liveShared is a rig with one database for all tenants on a real server.
func liveShared(t *testing.T, variables, name string, cluster bool) rig {
	t.Helper()
	secret, err := os.ReadFile(env(t, variables+"_MASTER_FILE"))
	require.NoError(t, err)
	r := rig{server: client(t, env(t, variables+"_URL"), 2*time.Minute), prefix: "lct_" + name, dsn: env(t, variables+"_DSN")}
	r.how = odoo.Provisioning{Installation: "live", Mode: odoo.ModeCompany, Shared: "lct_shared_" + name,
		Master: odoo.Secret(strings.TrimSpace(string(secret))), TemplateSecret: adminPassword}
	if cluster {
		r.how.ClusterDSN = odoo.Secret(r.dsn)
	}
	r.prepare(t)
	return r
}

func TestLiveOdoo19Company(t *testing.T) {
	testCompany(t, liveShared(t, "LEADCTL_LIVE_ODOO", "k19", true))
}

func TestLiveOdoo19CompanyService(t *testing.T) {
	testCompany(t, liveShared(t, "LEADCTL_LIVE_ODOO", "w19", false))
}

func TestLiveOdoo14Company(t *testing.T) {
	testCompany(t, liveShared(t, "LEADCTL_LIVE_ODOO14", "k14", true))
}
