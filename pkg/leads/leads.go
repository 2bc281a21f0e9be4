// Package leads turns the register into a tenant's scored leads.
//
// It updates the companies table from the staged register (RefreshCompanies) and stores a tenant's ideal customer
// profiles (ListRules, SetRule, TryProfile). It scores the companies that match them (Score, and the jobs that run it),
// and reads the results: Latest, Candidates, ShortlistStatus, ReadSpread and Export. It does not ingest the register
// (package acra) and does not push leads into a CRM (package workspace). Every function takes a transaction of
// package postgres; only Worker begins its own. A TenantTx sees one tenant's rules, features and scores. A SystemTx
// writes jobs, and companies, which belong to no tenant.
//
// A score is made in five files: job.go (when to score) → profile.go (the payload of a rule) → match.go (the rule as
// SQL conditions over companies) → score.go and score.sql (features, score, rationale, and the rows that differ) →
// export.go (leads as a stream, best first).
//
// Other services may write lead_features and lead_scores too. leadctl's rows carry source 'leadctl'; others are read
// and exported like its own, and never changed.
package leads

import "github.com/leadctl/leadctl/pkg/tenantid"

// Source marks the rows that this package wrote and may change again.
const Source = "leadctl"

// Limits of a page. Exports also take All.
const (
	DefaultLimit = 200
	MaxLimit     = 10_000
	All          = 0
)

// Classes of the advisory locks taken here; the object is a tenant id, or 0.
const (
	lockCompanies int32 = 0x1ead01
	lockNumbers   int32 = 0x1ead02 // rule and run numbers of a tenant: held for a moment
	lockScores    int32 = 0x1ead03 // a tenant's scoring: held as long as it takes
)

// TenantID names a tenant.
type TenantID = tenantid.ID

// Lead is a scored company as clients read it. A pointer is nil if the value is unknown; a score that is not finite
// counts as unknown. Contacts are the tenant's own or else shared ones.
type Lead struct {
	CompanyID       int32    `json:"company_id" yaml:"company_id" db:"company_id"`
	Name            *string  `json:"name" yaml:"name" db:"name"`
	WebsiteDomain   *string  `json:"website_domain" yaml:"website_domain" db:"website_domain"`
	IndustryNorm    *string  `json:"industry_norm" yaml:"industry_norm" db:"industry_norm"`
	EmployeesEst    *int32   `json:"employees_est" yaml:"employees_est" db:"employees_est"`
	Score           *float64 `json:"score" yaml:"score" db:"score"`
	Bucket          *string  `json:"bucket" yaml:"bucket" db:"bucket"`
	Rationale       *string  `json:"rationale" yaml:"rationale" db:"rationale"`
	PrimaryEmail    *string  `json:"primary_email" yaml:"primary_email" db:"primary_email"`
	ContactName     *string  `json:"contact_name" yaml:"contact_name" db:"contact_name"`
	ContactTitle    *string  `json:"contact_title" yaml:"contact_title" db:"contact_title"`
	ContactLinkedin *string  `json:"contact_linkedin" yaml:"contact_linkedin" db:"contact_linkedin"`
	ContactPhone    *string  `json:"contact_phone" yaml:"contact_phone" db:"contact_phone"`
}
