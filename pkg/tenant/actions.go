package tenant

// Actions returns the actions that the audit log can contain, for shell completion.
func Actions() []string {
	return []string{
		"acra.ingest", "claim.refuse", "export.scores", "icp.delete", "icp.list", "icp.set", "icp.show", "icp.test",
		"job.cancel", "job.retry", "leads.report", "leads.score", "leads.top",
		"odoo.connection.replace", "odoo.feedback", "odoo.key.rotate", "odoo.key.rotated", "odoo.open",
		"odoo.open.end", "odoo.policy", "odoo.push",
		"odoo.sso.configure", "odoo.workspace.archive", "odoo.workspace.drop",
		"run.request", "secrets.rotate", "session.end_all",
		"tenant.active", "tenant.create", "tenant.deleted", "tenant.provision", "tenant.suspended",
		"user.add", "user.claimed_roles", "user.invite", "user.join", "user.remove",
	}
}
