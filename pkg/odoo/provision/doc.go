// Package provision makes, checks and removes the workspaces of tenants on an Odoo server.
//
// A Provisioner has one method for each step of onboarding: EnsureDatabase, EnsureFields, EnsureServiceAccount,
// EnsureUser, EnsureProvider, SmokeTest, EnsureBaseline. Each step looks, acts and looks again, so that the caller can
// repeat it after a crash at any point. There are three ways of making a workspace, each a backend:
//
//   - cluster: a raw clone of the template on Odoo's PostgreSQL, where its DSN is known (cluster*.go).
//   - manager: a copy that Odoo itself makes, by its database service or web forms (manager.go).
//   - company: a company in one shared database, separated from others by record rules (company*.go).
//
// A database gets its final name last. That rename is the commit point: no step mistakes a half-made workspace for a
// complete one (workspace.go). leadctl never writes to a database or company without the marker of this installation.
//
// PrepareTemplate makes the template of all workspaces, or the shared database (template*.go). Test checks whether
// leadctl can use a server (check.go).
//
// Package provision does not decide which tenant gets a workspace and when (package onboarding). It does not store
// secrets (package workspace). It does not know the parts of a lead (package crm).
package provision
