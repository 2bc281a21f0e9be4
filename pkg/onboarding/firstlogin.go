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

// FirstLogin ensures that the identity is a member of a tenant whose workspace is ready or being made. One transaction
// makes tenant, member, status and job. Concurrent and repeated calls of one identity wait for each other on its row
// and share one job. FirstLogin does not wait for Odoo. Faults: Denied with TENANT_INVALID, TENANT_REQUIRED,
// TENANT_SUSPENDED, EMAIL_NOT_VERIFIED, ONBOARDING_CLOSED; Conflict with QUOTA_MEMBERS.
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

// signIn is FirstLogin without the audit record of a refused claim.
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

// lockIdentity locks the identity's row, so that its sign-ins wait for each other.
func lockIdentity(ctx context.Context, tx postgres.SystemTx, who sso.Identity) error {
	if _, err := tx.Exec(ctx, `INSERT INTO identities (issuer, subject) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		who.Issuer, who.Subject); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT 1 FROM identities WHERE issuer = $1 AND subject = $2 FOR UPDATE`, who.Issuer,
		who.Subject)
	return err
}

// tenantOf returns the tenant of the identity, by claim, membership or invitation, or makes one if the policy allows
// it. joined reports whether this call made the identity a member.
func (s *Service) tenantOf(
	ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By,
) (t tenant.Tenant, joined bool, err error) {
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

// createTenant makes the tenant for a first sign-in. It does not use the mail domain as name, because strangers can
// share one.
func (s *Service) createTenant(
	ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By,
) (tenant.Tenant, error) {
	name, external := who.Email, ""
	if who.Tenant.Kind == sso.TenantExternalID {
		name, external = who.Tenant.Value, who.Tenant.Value
	}
	t, err := tenant.Create(ctx, tx, name, external, by)
	if fault.Is(err, fault.Conflict) {
		// Another identity with the same claim made the tenant. Create waited until that transaction committed.
		t, err = tenant.Find(ctx, tx, external)
	}
	return t, err
}

// joinTenant makes the identity a member, unless it is one. Only a new member needs a verified e-mail address. It
// reports whether the identity is a new member.
func (s *Service) joinTenant(
	ctx context.Context, tx postgres.SystemTx, t tenant.Tenant, who sso.Identity, by tenant.By,
) (bool, error) {
	if known, err := tenant.IsMember(ctx, tx, t.ID, who); err != nil || known {
		return false, err
	}
	if err := requireVerifiedEmail(who); err != nil {
		return false, err
	}
	err := s.Quotas.Within(ctx, tx, t.ID, func() error {
		return tenant.Join(ctx, tx, t.ID, who, []string{string(sso.Viewer)}, by)
	})
	return err == nil, err
}

// ensureUnderWay starts the tenant's onboarding, unless one is running or ready, and ensures that it has a job. With
// restart it starts a ready one again.
func (s *Service) ensureUnderWay(
	ctx context.Context, tx postgres.SystemTx, id tenant.ID, restart bool,
) (Status, error) {
	st, ended, err := beginOnboarding(ctx, tx, id, restart)
	if err != nil || st.Status == Ready {
		return st, err
	}
	job, fresh, err := s.Jobs.Enqueue(ctx, tx, Args{Tenant: id})
	if err == nil && !fresh && ended {
		// That job recorded its end, but River has not yet: it will not do this work.
		_, fresh, err = s.Jobs.Enqueue(ctx, tx, Args{Tenant: id, After: job})
	}
	if err != nil || !fresh {
		return st, err
	}
	// A new job writes the steps from the first; a job that runs already continues them.
	_, err = tx.Exec(ctx, `DELETE FROM onboarding_steps WHERE tenant_id = $1`, id)
	return st, err
}

// requireVerifiedEmail returns a Denied fault unless the identity has a verified e-mail address.
func requireVerifiedEmail(who sso.Identity) error {
	if who.Email != "" && who.EmailVerified {
		return nil
	}
	return fault.New(fault.Denied, "e-mail address is not verified").WithCode("EMAIL_NOT_VERIFIED").
		WithHint("verify the address at the identity provider, then sign in again")
}

// requireAllowed returns a Denied fault unless the policy lets the identity's sign-in make a tenant.
func (p Policy) requireAllowed(who sso.Identity) error {
	_, domain, _ := strings.Cut(who.Email, "@")
	byClaim := who.Tenant.Kind == sso.TenantExternalID
	switch {
	case byClaim && p.ExistingOnly:
		return closedFault("tenant %s does not exist, and a sign-in cannot make it", who.Tenant.Value)
	case p.Mode == PolicyOpen:
		return nil
	case p.Mode == PolicyDomains && slices.ContainsFunc(p.Domains,
		func(d string) bool { return sso.CanonicalDomain(d) == sso.CanonicalDomain(domain) }):
		return nil
	case p.Mode == PolicyDomains:
		return closedFault("e-mail domain %s is not allowed to make a tenant", domain)
	}
	return closedFault("a sign-in cannot make a tenant on this installation")
}

// closedFault returns a Denied fault with code ONBOARDING_CLOSED.
func closedFault(format string, args ...any) error {
	return fault.New(fault.Denied, format, args...).WithCode("ONBOARDING_CLOSED").
		WithHint("ask an operator to add you: `leadctl tenant user add`")
}
