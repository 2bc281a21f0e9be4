// Package onboarding takes a tenant from the first sign-in to a ready workspace.
//
// FirstLogin (firstlogin.go) makes tenant, member, status and job in one transaction and returns at once. A worker
// (provision.go) runs the ordered steps (steps.go). Each step checks before it acts, and the worker records it
// (status.go), so that a job continues after a crash at any point. Package workspace has a tenant's workspace and its
// secret, package odoo the calls of Odoo, package tenant the tenants and members, package jobs the queue.
package onboarding

import (
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Policies: whose sign-in may make a tenant.
const (
	PolicyOpen    = "open"    // each identity of the issuer with a verified e-mail address
	PolicyDomains = "domains" // identities with a verified e-mail address of a listed domain
	PolicyInvite  = "invite"  // none: an operator adds members by e-mail address first
	PolicyClosed  = "closed"  // none, with or without a tenant claim
)

// Policy decides whether a sign-in may make a tenant. It does not apply to members of a tenant.
type Policy struct {
	Mode         string
	Domains      []string // for PolicyDomains: whole domains; A to Z compare without case
	ExistingOnly bool     // claim_policy "existing": a sign-in whose claim names no existing tenant is refused
	FirstRole    sso.Role // stored role of the first member of a tenant that a sign-in makes; "" means admin
}

// Service starts onboardings for HTTP handlers and commands. It enqueues jobs; Worker runs them.
type Service struct {
	DB     *postgres.DB
	Jobs   *jobs.Client
	Policy Policy
	Quotas tenant.Quotas // limits the members of a tenant

	Membership tenant.Membership // what a token's tenant claim is worth
}

// Worker makes workspaces. River calls it for each job; a process has one Worker.
type Worker struct {
	river.WorkerDefaults[Args]

	DB         *postgres.DB
	Workspaces *workspace.Service // without Odoo, each job fails with an error that says so
	Log        *slog.Logger
	Now        func() time.Time
}

// Args of a provisioning job. They have no secret and no address, because the job table is not encrypted.
type Args struct {
	Tenant tenantid.ID `json:"tenant_id"`
	After  int64       `json:"after,omitempty"` // the job that was ending when this one was enqueued
}

// Kind implements river.JobArgs.
func (Args) Kind() string { return "onboarding" }

// maxAttempts, with the backoff of NextRetry, lets a job wait about eight hours for a dependency that is down.
const maxAttempts = 100

// InsertOpts makes the job unique per tenant while one waits or runs, so that concurrent sign-ins share it.
func (Args) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: maxAttempts,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
}
