package main

import "fmt"

// exportStatement is the statement of an export. It is not taken from the code, because the reference is plain SQL.
const exportStatement = columns + `lead_scores` + joins + order

// pageStatement returns the statement of one page in its cheapest form: the limit in a subquery, a lookup for each row,
// and contacts only when the tenant has any.
func pageStatement() string {
	return columns + fmt.Sprintf(`(SELECT * FROM lead_scores ORDER BY score DESC NULLS LAST, company_id LIMIT %d) s
 LEFT JOIN LATERAL (SELECT * FROM companies c WHERE c.company_id = s.company_id OFFSET 0) c ON true
 LEFT JOIN LATERAL (SELECT * FROM company_contacts k
  WHERE k.company_id = s.company_id AND (SELECT EXISTS (SELECT FROM company_contacts))
  ORDER BY k.own DESC, k.updated_at DESC, k.contact_id LIMIT 1) k ON true
 LEFT JOIN LATERAL (SELECT * FROM company_emails e
  WHERE e.company_id = s.company_id AND (SELECT EXISTS (SELECT FROM company_emails))
  ORDER BY e.own DESC, e.is_primary DESC, e.updated_at DESC, e.email LIMIT 1) e ON true
 LEFT JOIN LATERAL (SELECT * FROM lead_outcomes o
  WHERE o.company_id = s.company_id AND (SELECT EXISTS (SELECT FROM lead_outcomes)) OFFSET 0) o ON true`,
		pageLimit) + order
}

const columns = `SELECT s.company_id, c.name, c.website_domain, c.industry_norm, c.employees_est,
 s.score, s.bucket, s.rationale, coalesce(e.email, k.email) AS primary_email,
 k.name AS contact_name, k.title AS contact_title, k.linkedin AS contact_linkedin, k.phone AS contact_phone,
 o.outcome AS crm_outcome, o.lost_reason AS crm_lost_reason
 FROM `

const joins = ` s LEFT JOIN companies c ON c.company_id = s.company_id
 LEFT JOIN (SELECT DISTINCT ON (company_id) * FROM company_contacts
  ORDER BY company_id, own DESC, updated_at DESC, contact_id) k ON k.company_id = s.company_id
 LEFT JOIN (SELECT DISTINCT ON (company_id) * FROM company_emails
  ORDER BY company_id, own DESC, is_primary DESC, updated_at DESC, email) e ON e.company_id = s.company_id
 LEFT JOIN lead_outcomes o ON o.company_id = s.company_id`

const order = `
 ORDER BY s.score DESC NULLS LAST, s.company_id`

// asTenant returns the start of a request's transaction. psql or pgbench substitutes the tenant.
func asTenant(tenant, more string) string {
	return `BEGIN; SELECT set_config('request.tenant_id', ` + tenant +
		`, true), set_config('role', 'leadctl_app', true)` + more + `;`
}
