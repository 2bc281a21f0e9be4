// Package crm owns what leadctl writes into the CRM of a workspace: the custom fields on partners and leads (fields.go)
// and the leads themselves (push.go).
//
// It works on an open odoo.Session. Which workspace that is, and with which account, is decided in package provision;
// which companies are leads is decided in package leads.
package crm
