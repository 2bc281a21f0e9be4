// Package odoo is a client of Odoo servers, versions 14 to 19.
//
// A Server is one Odoo installation (New). Open signs in to a database as an Account and returns a Session, which calls
// methods of models. Three protocols stand behind a Session, and Open alone chooses between them:
//
//   - XML-RPC: every version to date (xmlrpc.go).
//   - JSON-2: 19 and later, API keys only (json2.go).
//   - What Odoo's own pages speak: passwords on 19 and later, and where XML-RPC is closed (web.go).
//
// All share one HTTP path (transport.go) with a deadline for each call, a limit on the size of an answer, a limit on
// concurrent calls, a circuit breaker (breaker.go) and one classification of failures (failure.go). What differs
// between Odoo's versions is in version.go. orm.go has what leadctl needs of Odoo's models beyond single calls:
// parameters, external ids, imports. Databases has Odoo itself make, copy, rename and drop databases (databases.go).
//
// A call that changes records is never repeated here: the caller decides, because an answer may be lost after the
// change was made (Ambiguous reports that). Only the work on whole databases is repeated, after a look at the result.
//
// Package odoo does not know workspaces (package provision), what is written into a CRM (package crm), or where secrets
// are stored (package workspace). The stand-in server for demos and fault tests is package odootest.
package odoo
