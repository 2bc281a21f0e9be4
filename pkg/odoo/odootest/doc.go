// Package odootest is a stand-in for an Odoo server. Its http.Handler answers the calls that leadctl makes, in the
// shapes of real Odoo servers: XML-RPC (common, db, object), JSON-2, and JSON-RPC of Odoo's own pages. `leadctl demo`
// uses it. So do tests of faults that a real Odoo does not produce on request.
//
// Databases, users, partners, leads, custom fields and parameters are in memory (store.go, schema.go). Every effect on
// them is one entry of an append-only Ledger, with which a test proves that nothing was done twice. Inject makes chosen
// calls fail, stall or break off (fault.go).
//
// It is not a complete Odoo: it checks the password and the rules for companies but no other access rights, computes no
// fields and renders one page. The live tests of package provision run the same tests against real servers.
package odootest
