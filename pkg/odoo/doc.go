// Package odoo owns everything leadctl does to an Odoo server: the client, the making of a tenant's workspace, and the
// test that says whether a server can be used.
//
// The client. A Server is one Odoo installation; New makes it, Version and SignIn ask it, and Session speaks to one
// database as one user. Three protocols stand behind Session: XML-RPC, which every version to date answers (xmlrpc.go), JSON-2 (19 and
// later, API keys only; json2.go), and what Odoo's own pages speak, for passwords where XML-RPC is shut (web.go). All share one HTTP path
// (transport.go) with a deadline per call, a cap on the size of an answer, a cap on concurrent calls, a breaker that leaves a server alone
// which answers nothing (breaker.go), and one classification of failures (failure.go). What differs between Odoo's versions is in
// version.go. A Provisioner's sessions speak JSON-2 where server and account have it, unless Options.Protocol says otherwise; everything
// above the wire is the same for all. A call that changes records is never repeated here: whoever owns the work decides, because a broken
// write may have been carried out (Ambiguous tells). Only what copies, names or ends a database is, after looking (databases.go).
//
// The workspace. A Provisioner makes a database per tenant from a prepared, locked template, by raw clone where the
// cluster's DSN is known (cluster.go). Otherwise it has Odoo copy it (manager.go), by its database service or the forms of its pages
// (databases.go). Which of these ways are open, ways.go finds out. Every step looks, acts and looks again, so that it can be repeated
// after a crash at any point; database.go tells why a half-made workspace can never be taken for a whole one. The template itself is made
// by PrepareTemplate (template.go).
//
// In ModeCompany a workspace is a company of one shared database instead (company.go), and the same steps make it. What keeps
// companies apart are record rules (isolation.go); the smoke test of each tries to get around them (leak.go).
//
// What it does not own: which tenant gets a workspace and when (package onboarding calls the steps), where secrets are
// kept (the caller generates one with NewSecret, stores it encrypted, and only then lets a step install it), and what a
// lead is. The stand-in for demos and fault tests is package odootest.
package odoo
