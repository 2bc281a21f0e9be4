// Package odoo is a client of Odoo servers, versions 14 to 19.
//
// A Server is one Odoo installation (New). Open signs in to a database as an Account and returns a Session, which calls
// methods of models. A Session uses one of three protocols. Open chooses it:
//
//   - XML-RPC: every version to date (xmlrpc.go).
//   - JSON-2: 19 and later, API keys only (json2.go).
//   - JSON-RPC, the protocol of Odoo's own pages: passwords on 19 and later, and where XML-RPC is closed (web.go).
//
// All share one HTTP path (transport.go) with a deadline for each call, a limit on the size of an answer, a limit on
// concurrent calls, a circuit breaker (breaker.go) and one classification of failures (failure.go). version.go has the
// differences between Odoo's versions. orm.go has what needs more than one plain call: parameters, external ids,
// imports. Databases makes, copies, renames and drops databases through Odoo (databases.go).
//
// A call that changes records is never repeated here. The caller decides, because an answer may be lost after the
// change was made (Ambiguous reports that). Only work on whole databases is repeated, after a look at the result.
//
// Package odoo does not know workspaces (package provision), what is written into a CRM (package crm), or where secrets
// are stored (package workspace). Package odootest is the stand-in server for demos and fault tests.
package odoo
