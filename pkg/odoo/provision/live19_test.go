//go:build live

package provision_test

import (
	"testing"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// TestLiveOdoo19 runs in parallel with TestLiveOdoo14, because the servers are two processes. The forms come first, so
// that they make the template that Odoo can open. Without XML-RPC the server is as after version 19: it has only JSON-2
// and JSON-RPC.
func TestLiveOdoo19(t *testing.T) {
	t.Parallel()
	const server = "LEADCTL_LIVE_ODOO"
	t.Run("without XML-RPC", func(t *testing.T) {
		testWorkspace(t, liveRig(t, server, "x19", false, "/xmlrpc", "/jsonrpc"))
	})
	t.Run("cluster without XML-RPC", func(t *testing.T) {
		testProtocol(t, liveRig(t, server, "y19", true, "/xmlrpc", "/jsonrpc"))
	})
	t.Run("cluster", func(t *testing.T) { testWorkspace(t, liveRig(t, server, "c19", true)) })
	t.Run("cluster, XML-RPC configured", func(t *testing.T) {
		testProtocol(t, liveRig(t, server, "c19", true).withOptions(t, odoo.Options{Protocol: odoo.ProtocolXMLRPC}))
	})
	t.Run("service", func(t *testing.T) { testWorkspace(t, liveRig(t, server, "s19", false)) })
	t.Run("broken off", func(t *testing.T) { testBrokenOffLive(t, liveRig(t, server, "c19", true)) })
	t.Run("SQL matches Odoo", func(t *testing.T) { testSQLMatchesOdoo(t, liveRig(t, server, "c19", true)) })
	t.Run("merges", func(t *testing.T) { testMerges(t, liveRig(t, server, "c19", true)) })
	t.Run("burst", func(t *testing.T) { testBurst(t, liveRig(t, server, "c19", true)) })
	t.Run("CRM", func(t *testing.T) { testCRM(t, liveRig(t, server, "c19", true)) })
	t.Run("salesperson", func(t *testing.T) { testSalesperson(t, liveRig(t, server, "c19", true)) })
	t.Run("company CRM", func(t *testing.T) { testCompanyCRM(t, liveShared(t, server, "k19", true)) })
	t.Run("doors", func(t *testing.T) { testDoorsLive(t, liveRig(t, server, "d19", true)) })
	t.Run("doors of companies", func(t *testing.T) { testDoorsLive(t, liveShared(t, server, "k19", true)) })
	t.Run("company", func(t *testing.T) { testCompany(t, liveShared(t, server, "k19", true)) })
	t.Run("company without XML-RPC", func(t *testing.T) {
		testProtocol(t, liveShared(t, server, "w19", false, "/xmlrpc", "/jsonrpc"))
	})
}
