// Package onboarding takes a tenant from first sign-in to a ready workspace, by itself and never twice.
//
// The way of a first sign-in: FirstLogin (firstlogin.go) makes tenant, user, status and job in one transaction and
// answers at once. A worker (provision.go) loops over the ordered steps (steps.go); each looks before it acts and is
// recorded as it goes (status.go), so a crash at any point is a pause. Which workspace a tenant has, and its secret, is
// package workspace; what a step does to Odoo, package odoo; who the tenants are, package tenant; how jobs run, package
// jobs.
package onboarding

import (
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Policies on who may have a tenant made by signing in.
const (
	PolicyOpen    = "open"    // anyone the issuer vouches for, with a verified e-mail
	PolicyDomains = "domains" // verified e-mail of a listed domain
	PolicyInvite  = "invite"  // nobody: an operator adds users by e-mail first
	PolicyClosed  = "closed"  // nobody, and no claim makes one either
)

// Policy decides whether a sign-in may make a tenant. It does not bind those who belong to one already.
type Policy struct {
	Mode         string
	Domains      []string // for PolicyDomains: whole domains, compared without case
	ExistingOnly bool     // claim_policy "existing": a claim that names no tenant yet is refused
}

// Service is what doors call. It only enqueues; Worker does.
type Service struct {
	DB     *postgres.DB
	Jobs   *jobs.Client
	Policy Policy
	Quotas tenant.Quotas // what a tenant may have of users
}

// Worker makes workspaces. One Worker serves a whole process; River calls it for each job.
type Worker struct {
	river.WorkerDefaults[Args]

	DB         *postgres.DB
	Workspaces *workspace.Service // without Odoo every provisioning ends in an error that says so
	Log        *slog.Logger
	Now        func() time.Time
}

// Args of a provisioning job: the tenant, and nothing else, so that no secret or address stands in the job table.
type Args struct {
	Tenant tenantid.ID `json:"tenant_id"`
	After  int64       `json:"after,omitempty"` // the job that was ending when this one was asked for
}

// Kind implements river.JobArgs.
func (Args) Kind() string { return "onboarding" }

// maxAttempts with the backoff of NextRetry is about eight hours of a dependency being down.
const maxAttempts = 100

// InsertOpts makes the job unique per tenant while one is waiting or running: concurrent sign-ins join the same work.
func (Args) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: maxAttempts,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
}
