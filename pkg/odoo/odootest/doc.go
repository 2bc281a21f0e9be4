// Package odootest is a stand-in for an Odoo server: an http.Handler that answers XML-RPC (common, db, object), JSON-2
// and what Odoo's own pages ask, in the shapes of real Odoo servers, as far as leadctl asks. `leadctl demo` runs on it,
// and so do the tests of faults that a real Odoo does not produce on request.
//
// Databases, users, partners, leads, custom fields and parameters live in memory (store.go, schema.go). Every effect on
// them is one entry of an append-only Ledger, which is how a test proves that nothing was done twice. Inject makes
// chosen calls fail, stall or break off (fault.go).
//
// It is no Odoo: it checks no access rights beyond the password, computes no fields and renders no pages but one. What
// real servers answer is measured by the live tests of package odoo, which run the same code against real ones.
package odootest
