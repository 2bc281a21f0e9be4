package onboarding

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// FirstLogin makes sure that the identity has a tenant, is its user, and that its workspace is ready or being made.
// Everything happens in one transaction: either all of it is there, with the job that finishes it, or nothing is.
// Parallel and repeated calls of one identity queue up on its row and join the same work. Requests are answered without
// waiting for Odoo. Faults: Denied with TENANT_INVALID, TENANT_REQUIRED, TENANT_SUSPENDED, EMAIL_NOT_VERIFIED,
// ONBOARDING_CLOSED; Conflict with QUOTA_MEMBERS.
func (s *Service) FirstLogin(ctx context.Context, who sso.Identity, by tenant.By) (Status, error) {
	st, err := s.signIn(ctx, who, by)
	if !tenant.ClaimRefused(who, err) {
		return st, err
	}
	recorded := s.DB.InSystem(ctx, "refused claim", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.RecordRefusal(ctx, tx, tenant.Principal{Identity: who}, err, by)
	})
	return Status{}, cmp.Or(recorded, err)
}

func (s *Service) signIn(ctx context.Context, who sso.Identity, by tenant.By) (Status, error) {
	if err := who.ClaimFault(); err != nil {
		return Status{}, err
	}
	var st Status
	err := s.DB.InSystem(ctx, "first sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		if err := lockIdentity(ctx, tx, who); err != nil {
			return err
		}
		t, joined, err := s.tenantOf(ctx, tx, who, by)
		if err != nil {
			return err
		}
		if st, err = s.ensureUnderWay(ctx, tx, t.ID, false); err == nil && joined && st.Status == Ready {
			_, _, err = s.Jobs.Enqueue(ctx, tx, workspace.UsersArgs{Tenant: t.ID, Subject: who.Subject})
		}
		return err
	})
	return st, err
}

// lockIdentity makes one identity's sign-ins wait for each other and for nobody else's.
func lockIdentity(ctx context.Context, tx postgres.SystemTx, who sso.Identity) error {
	if _, err := tx.Exec(ctx, `INSERT INTO identities (issuer, subject) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		who.Issuer, who.Subject); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT 1 FROM identities WHERE issuer = $1 AND subject = $2 FOR UPDATE`, who.Issuer,
		who.Subject)
	return err
}

// tenantOf finds the tenant that the identity belongs to, by claim or membership, or makes it under the policy. joined:
// the identity became its user just now.
func (s *Service) tenantOf(ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By) (t tenant.Tenant,
	joined bool, err error) {
	p, err := tenant.Resolve(ctx, tx, who)
	if err == nil {
		joined, err = s.joinTenant(ctx, tx, p.Tenant, who, by)
		return p.Tenant, joined, err
	}
	if !errors.Is(err, tenant.ErrNoTenant) {
		return tenant.Tenant{}, false, err
	}
	if err := requireVerifiedEmail(who); err != nil {
		return tenant.Tenant{}, false, err
	}
	t, found, err := tenant.InvitedTo(ctx, tx, who)
	if err == nil && !found {
		if err = s.Policy.requireAllowed(who); err == nil {
			t, err = s.createTenant(ctx, tx, who, by)
		}
	}
	if err == nil {
		joined, err = s.joinTenant(ctx, tx, t, who, by)
	}
	return t, joined, err
}

// createTenant makes the tenant that a first sign-in asked for. Its name is never taken from a mail domain: two strangers may
// share one.
func (s *Service) createTenant(ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By) (tenant.Tenant,
	error) {
	name, external := who.Email, ""
	if who.Tenant.Kind == sso.TenantExternalID {
		name, external = who.Tenant.Value, who.Tenant.Value
	}
	t, err := tenant.Create(ctx, tx, name, external, by)
	if fault.Is(err, fault.Conflict) {
		// Another identity with the same claim was quicker: its tenant is committed now, or Create would still be
		// waiting.
		t, err = tenant.Find(ctx, tx, external)
	}
	return t, err
}

// joinTenant makes the identity a user, unless it is one. Who is one already needs no verified e-mail.
func (s *Service) joinTenant(ctx context.Context, tx postgres.SystemTx, t tenant.Tenant, who sso.Identity,
	by tenant.By) (bool, error) {
	if known, err := tenant.IsMember(ctx, tx, t.ID, who); err != nil || known {
		return false, err
	}
	if err := requireVerifiedEmail(who); err != nil {
		return false, err
	}
	err := s.Quotas.Within(ctx, tx, t.ID, func() error {
		return tenant.Join(ctx, tx, t.ID, who,
			[]string{string(sso.Viewer)}, by)
	})
	return err == nil, err
}

// ensureUnderWay begins onboarding or joins the one that is running, and makes sure that a job exists for it.
func (s *Service) ensureUnderWay(ctx context.Context, tx postgres.SystemTx, id tenant.ID, restart bool) (Status,
	error) {
	st, ended, err := beginOnboarding(ctx, tx, id, restart)
	if err != nil || st.Status == Ready {
		return st, err
	}
	job, fresh, err := s.Jobs.Enqueue(ctx, tx, Args{Tenant: id})
	if err == nil && !fresh && ended {
		// That job has said its last word, and only River has not noted its end yet: it does this work no more.
		_, fresh, err = s.Jobs.Enqueue(ctx, tx, Args{Tenant: id, After: job})
	}
	if err != nil || !fresh {
		return st, err
	}
	// A new job tells its story from the beginning; one that was joined goes on telling it.
	_, err = tx.Exec(ctx, `DELETE FROM onboarding_steps WHERE tenant_id = $1`, id)
	return st, err
}

func requireVerifiedEmail(who sso.Identity) error {
	if who.Email != "" && who.EmailVerified {
		return nil
	}
	return fault.New(fault.Denied, "e-mail address is not verified").WithCode("EMAIL_NOT_VERIFIED").
		WithHint("verify the address at the identity provider, and sign in again")
}

func (p Policy) requireAllowed(who sso.Identity) error {
	_, domain, _ := strings.Cut(who.Email, "@")
	byClaim := who.Tenant.Kind == sso.TenantExternalID
	switch {
	case byClaim && p.ExistingOnly:
		return closedFault("tenant %s: there is none, and sign-in may not make it", who.Tenant.Value)
	case p.Mode == PolicyOpen:
		return nil
	case p.Mode == PolicyDomains && slices.ContainsFunc(p.Domains,
		func(d string) bool { return strings.EqualFold(d, domain) }):
		return nil
	case p.Mode == PolicyDomains:
		return closedFault("e-mail domain is not on the list of this installation")
	}
	return closedFault("sign-in does not make a tenant here")
}

func closedFault(format string, args ...any) error {
	return fault.New(fault.Denied, format, args...).WithCode("ONBOARDING_CLOSED").
		WithHint("ask an operator to add you: `leadctl tenant user add`")
}
