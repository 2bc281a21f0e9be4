//go:build live

package provision_test

import "testing"

// TestLiveOdoo14 is TestLiveOdoo19 for version 14, without JSON-2.
func TestLiveOdoo14(t *testing.T) {
	t.Parallel()
	const server = "LEADCTL_LIVE_ODOO14"
	t.Run("forms", func(t *testing.T) { testWorkspace(t, liveRig(t, server, "f14", false, "/xmlrpc/2/db")) })
	t.Run("cluster", func(t *testing.T) { testWorkspace(t, liveRig(t, server, "c14", true)) })
	t.Run("service", func(t *testing.T) { testWorkspace(t, liveRig(t, server, "s14", false)) })
	t.Run("broken off", func(t *testing.T) { testBrokenOffLive(t, liveRig(t, server, "s14", false)) })
	t.Run("SQL matches Odoo", func(t *testing.T) { testSQLMatchesOdoo(t, liveRig(t, server, "c14", true)) })
	t.Run("merges", func(t *testing.T) { testMerges(t, liveRig(t, server, "c14", true)) })
	t.Run("CRM", func(t *testing.T) { testCRM(t, liveRig(t, server, "c14", true)) })
	t.Run("salesperson", func(t *testing.T) { testSalesperson(t, liveRig(t, server, "c14", true)) })
	t.Run("company CRM", func(t *testing.T) { testCompanyCRM(t, liveShared(t, server, "k14", true)) })
	t.Run("doors", func(t *testing.T) { testDoorsLive(t, liveRig(t, server, "d14", true)) })
	t.Run("doors of companies", func(t *testing.T) { testDoorsLive(t, liveShared(t, server, "k14", true)) })
	t.Run("company", func(t *testing.T) { testCompany(t, liveShared(t, server, "k14", true)) })
	t.Run("company by service", func(t *testing.T) { testProtocol(t, liveShared(t, server, "w14", false)) })
}
