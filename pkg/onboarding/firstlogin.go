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
// TENANT_SUSPENDED, MEMBER_REMOVED, MEMBERSHIP_REQUIRED, EMAIL_NOT_VERIFIED, ONBOARDING_CLOSED; Conflict with
// QUOTA_MEMBERS.
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
	st, done, err := s.findReady(ctx, who)
	if err != nil || done {
		return st, err
	}
	err = s.DB.InSystem(ctx, "first sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		if err := lockIdentity(ctx, tx, who); err != nil {
			return err
		}
		t, joined, err := s.tenantOf(ctx, tx, who, by)
		if err != nil {
			return err
		}
		if err := workspace.NoteRoles(ctx, tx, s.Jobs, t.ID, who, by); err != nil {
			return err
		}
		if st, err = s.ensureUnderWay(ctx, tx, t.ID, false); err == nil && joined && st.Status == Ready {
			_, _, err = s.Jobs.Enqueue(ctx, tx, workspace.UsersArgs{Tenant: t.ID, Subject: who.Subject})
		}
		return err
	})
	return st, err
}

// findReady reports whether there is nothing to do: the identity is a user of a tenant that is ready, with the roles of
// its token. Clients call first_login at every start, and then it writes nothing and waits for no lock.
func (s *Service) findReady(ctx context.Context, who sso.Identity) (st Status, done bool, err error) {
	err = s.DB.InSystem(ctx, "ready sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		p, refusal := tenant.Resolve(ctx, tx, who, s.Membership)
		if fault.Is(refusal, fault.Denied) {
			return nil // the first sign-in decides again, under its locks
		}
		if refusal != nil {
			return refusal
		}
		noted, err := tenant.IsNoted(ctx, tx, p.Tenant.ID, who)
		if err != nil || !noted {
			return err
		}
		rows, err := tx.Query(ctx, selectStatus, p.Tenant.ID)
		if err != nil {
			return err
		}
		st, err = oneStatus(rows, p.Tenant.ID)
		done = err == nil && st.Status == Ready
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	return st, done, err
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
	p, refusal := tenant.Resolve(ctx, tx, who, s.Membership)
	noTenant := errors.Is(refusal, tenant.ErrNoTenant)
	claimed := who.Tenant.Kind != sso.TenantAbsent
	switch {
	case refusal == nil || noTenant && p.Tenant.ID.Valid():
		joined, err = s.joinTenant(ctx, tx, p.Tenant, who, s.byClaim(who), by)
		return p.Tenant, joined, err
	case !noTenant && (claimed || !errors.Is(refusal, tenant.ErrRemoved)):
		return tenant.Tenant{}, false, refusal
	}
	if err := requireVerifiedEmail(who); err != nil {
		return tenant.Tenant{}, false, err
	}
	if !claimed { // a claim that names another tenant must not use an invitation up
		t, joined, err = s.joinInvited(ctx, tx, who, by)
		if err != nil || t.ID.Valid() {
			return t, joined, err
		}
	}
	if !noTenant {
		return tenant.Tenant{}, false, refusal
	}
	return s.joinNew(ctx, tx, who, by)
}

// byClaim returns what the identity's claim is worth in the tenant that it names.
func (s *Service) byClaim(who sso.Identity) tenant.Admission {
	return tenant.Admission{Uninvited: who.Tenant.Kind != sso.TenantAbsent && s.Membership != tenant.Required,
		Roles: []string{string(sso.Viewer)}}
}

// joinInvited makes the identity a member of the one tenant that has an open invitation for its address. It returns the
// zero Tenant if there is none, also if it was used or withdrawn while this call waited for the tenant.
func (s *Service) joinInvited(
	ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By,
) (tenant.Tenant, bool, error) {
	t, found, err := tenant.InvitedTo(ctx, tx, who)
	if err != nil || !found {
		return tenant.Tenant{}, false, err
	}
	joined, err := s.joinTenant(ctx, tx, t, who, tenant.Admission{}, by)
	if errors.Is(err, tenant.ErrNoTenant) || errors.Is(err, tenant.ErrRemoved) {
		return tenant.Tenant{}, false, nil
	}
	return t, joined, err
}

// joinNew makes a tenant, if the policy allows it, with the identity as first member.
func (s *Service) joinNew(
	ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By,
) (tenant.Tenant, bool, error) {
	if err := s.Policy.requireAllowed(who); err != nil {
		return tenant.Tenant{}, false, err
	}
	t, created, err := s.createTenant(ctx, tx, who, by)
	if err != nil {
		return t, false, err
	}
	admission := s.byClaim(who)
	if created {
		admission = tenant.Admission{Uninvited: true, Roles: []string{string(s.firstRole(who))}}
	}
	joined, err := s.joinTenant(ctx, tx, t, who, admission, by)
	return t, joined, err
}

// firstRole returns the stored role of a tenant's first member. With a roles claim the provider decides, so the stored
// role, which counts once the claim is gone, is the lowest.
func (s *Service) firstRole(who sso.Identity) sso.Role {
	if who.RolesClaimPresent {
		return sso.Viewer
	}
	return cmp.Or(s.Policy.FirstRole, sso.Admin)
}

// createTenant makes the tenant for a first sign-in, or finds the one that another sign-in made for the same claim. It
// does not use the mail domain as name, because strangers can share one.
func (s *Service) createTenant(
	ctx context.Context, tx postgres.SystemTx, who sso.Identity, by tenant.By,
) (t tenant.Tenant, created bool, err error) {
	switch who.Tenant.Kind {
	case sso.TenantNumber:
		id, _ := who.Tenant.ID() // Resolve has refused other numbers
		t, err = tenant.CreateNumbered(ctx, tx, id, who.Email, by)
	case sso.TenantExternalID:
		t, err = tenant.Create(ctx, tx, who.Tenant.Value, who.Tenant.Value, by)
	default:
		t, err = tenant.Create(ctx, tx, who.Email, "", by)
	}
	if fault.Is(err, fault.Conflict) {
		// Another identity with the same claim made the tenant. The insert waited until that transaction committed.
		t, err = tenant.Find(ctx, tx, who.Tenant.Value)
		return t, false, err
	}
	return t, err == nil, err
}

// joinTenant makes the identity a member, unless it is one. Only a new member needs a verified e-mail address. It
// reports whether the identity is a new member.
func (s *Service) joinTenant(
	ctx context.Context, tx postgres.SystemTx, t tenant.Tenant, who sso.Identity, a tenant.Admission, by tenant.By,
) (bool, error) {
	if known, err := tenant.IsMember(ctx, tx, t.ID, who); err != nil || known {
		return false, err
	}
	if err := requireVerifiedEmail(who); err != nil {
		return false, err
	}
	return s.Quotas.Admit(ctx, tx, t.ID, who, a, by)
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
	byClaim := who.Tenant.Kind != sso.TenantAbsent
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
