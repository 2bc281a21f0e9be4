// Package provision makes, checks and removes the workspaces of tenants on an Odoo server.
//
// A Provisioner has one method for each step of onboarding: EnsureDatabase, EnsureFields, EnsureServiceAccount,
// EnsureUser, EnsureProvider, SmokeTest, EnsureBaseline. Each step looks, acts and looks again, so that it can be
// repeated after a crash at any point. A backend carries out what differs between the ways of making a workspace:
//
//   - cluster: a raw clone of the template on Odoo's PostgreSQL, where its DSN is known (cluster*.go).
//   - manager: a copy that Odoo itself makes, by its database service or web forms (manager.go).
//   - company: a company in one shared database, kept apart by record rules (company*.go).
//
// A database gets its final name last. That rename is the commit point: a half-made workspace is never taken for a
// whole one (workspace.go). A database or company without the marker of this installation is never written to.
//
// PrepareTemplate makes the template that workspaces are copied from, or the shared database (template*.go). Test
// checks whether a server can be used (check.go).
//
// Package provision does not decide which tenant gets a workspace and when (package onboarding), does not store secrets
// (package workspace), and does not know what a lead consists of (package crm).
package provision
