package onboarding_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// change runs fn on the control plane.
func (r *rig) change(fn func(ctx context.Context, tx postgres.SystemTx) error) error {
	return r.DB.InSystem(context.Background(), "test", fn)
}

// newTenant makes a tenant without users.
func (r *rig) newTenant(t *testing.T, name string) (made tenant.Tenant) {
	t.Helper()
	require.NoError(t, r.change(func(ctx context.Context, tx postgres.SystemTx) (err error) {
		made, err = tenant.Create(ctx, tx, name, "", tester)
		return err
	}))
	return made
}

func (r *rig) invite(id tenantid.ID, email, role string) error {
	return r.change(func(ctx context.Context, tx postgres.SystemTx) error {
		return r.Quotas.Within(ctx, tx, id, func() error {
			_, err := tenant.Invite(ctx, tx, id, email, []string{role}, time.Now().Add(time.Hour), tester)
			return err
		})
	})
}

func (r *rig) remove(id tenantid.ID, email string) (gone workspace.UserRemoval, err error) {
	err = r.change(func(ctx context.Context, tx postgres.SystemTx) error {
		gone, err = workspace.RemoveUser(ctx, tx, r.Jobs, id, email, time.Now(), tester)
		return err
	})
	return gone, err
}

func (r *rig) members(t *testing.T, id tenantid.ID) (list []tenant.Member) {
	t.Helper()
	require.NoError(t, r.change(func(ctx context.Context, tx postgres.SystemTx) (err error) {
		list, err = tenant.Members(ctx, tx, id)
		return err
	}))
	return list
}

func claimed(who sso.Identity, id tenantid.ID) sso.Identity {
	who.Tenant = sso.TenantClaim{Kind: sso.TenantNumber, Value: id.String()}
	who.Roles, who.RolesClaimPresent = []sso.Role{sso.Admin}, true
	return who
}

// removedMembersStayOut: a removed person's claim admits neither the same identity nor another one with the address,
// whatever sso.membership is, until the person is added again.
func removedMembersStayOut(t *testing.T) {
	t.Parallel()
	for _, mode := range []tenant.Membership{tenant.ByClaim, tenant.Required} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
			r.Membership = mode
			id := r.newTenant(t, "Acme").ID
			require.NoError(t, r.invite(id, "bob@acme.example", "ops"))
			bob, again := claimed(person("bob", "Bob@Acme.example"), id), claimed(person("b2", "bob@acme.example"), id)
			_, err := r.FirstLogin(t.Context(), bob, tester)
			require.NoError(t, err)

			gone, err := r.remove(id, "Bob@acme.example")
			require.NoError(t, err)
			require.Equal(t, []string{"bob"}, gone.Subjects)
			other := bob
			other.Email = "robert@acme.example"
			for _, who := range []sso.Identity{bob, again, other, person("bob", "bob@acme.example")} {
				_, err = r.FirstLogin(t.Context(), who, tester)
				require.Equal(t, "MEMBER_REMOVED", fault.Code(err), "%+v", who)
				require.Equal(t, 403, fault.HTTPStatus(err))
				require.Error(t, r.change(func(ctx context.Context, tx postgres.SystemTx) error {
					_, err := tenant.Resolve(ctx, tx, who, mode)
					require.Equal(t, "MEMBER_REMOVED", fault.Code(err), "%+v", who)
					return err
				}))
			}
			require.Empty(t, r.members(t, id))
			require.Equal(t, 1, r.count(t, `SELECT count(*) FROM tenants`))

			require.NoError(t, r.invite(id, "bob@acme.example", "viewer"))
			_, err = r.FirstLogin(t.Context(), bob, tester)
			require.NoError(t, err)
			require.Equal(t, []string{"viewer"}, r.members(t, id)[0].Roles)
		})
	}
}

// TestMembershipRequired: with sso.membership required, a claim without an invitation does not admit.
func TestMembershipRequired(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	id := r.newTenant(t, "Acme").ID
	bob := claimed(person("bob", "bob@acme.example"), id)
	r.Membership = tenant.Required
	_, err := r.FirstLogin(t.Context(), bob, tester)
	require.Equal(t, "MEMBERSHIP_REQUIRED", fault.Code(err))
	require.Empty(t, r.members(t, id))
	require.NoError(t, r.invite(id, "bob@acme.example", "ops"))
	st, err := r.FirstLogin(t.Context(), bob, tester)
	require.NoError(t, err)
	require.Equal(t, id, st.Tenant)

	r.Membership = tenant.ByClaim
	_, err = r.FirstLogin(t.Context(), claimed(person("eve", "eve@acme.example"), id), tester)
	require.NoError(t, err)
	require.Len(t, r.members(t, id), 2)
}

// TestRemovedInviteeMayHaveOwnTenant: inviting and removing a stranger's address keeps the stranger out of that tenant
// only.
func TestRemovedInviteeMayHaveOwnTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	id := r.newTenant(t, "Acme").ID
	require.NoError(t, r.invite(id, "eve@other.example", "ops"))
	gone, err := r.remove(id, "eve@other.example")
	require.NoError(t, err)
	require.Equal(t, 1, gone.Invitations)
	st, err := r.FirstLogin(t.Context(), person("eve", "eve@other.example"), tester)
	require.NoError(t, err)
	require.NotEqual(t, id, st.Tenant)
	_, err = r.FirstLogin(t.Context(), claimed(person("eve", "eve@other.example"), id), tester)
	require.Equal(t, "MEMBER_REMOVED", fault.Code(err))
}

// TestFirstRole: the first member of a tenant that a sign-in makes gets onboarding.first_role, later ones do not.
func TestFirstRole(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen, FirstRole: sso.Ops})
	acme := func(subject string) sso.Identity {
		who := person(subject, subject+"@acme.example")
		who.Tenant = sso.TenantClaim{Kind: sso.TenantExternalID, Value: "acme"}
		return who
	}
	st, err := r.FirstLogin(t.Context(), acme("alice"), tester)
	require.NoError(t, err)
	_, err = r.FirstLogin(t.Context(), acme("bob"), tester)
	require.NoError(t, err)
	list := r.members(t, st.Tenant)
	require.Equal(t, []string{"ops"}, list[0].Roles)
	require.Equal(t, []string{"viewer"}, list[1].Roles)
}

const raceRounds = 200

// atOnce runs the functions concurrently and returns their errors.
func atOnce(fns ...func() error) []error {
	errs := make([]error, len(fns))
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() {
			<-gate
			errs[i] = fn()
		})
	}
	close(gate)
	wg.Wait()
	return errs
}

// invitationsInRaces: what admits a person is read under the lock under which it is used.
func invitationsInRaces(t *testing.T) {
	t.Parallel()
	for name, round := range map[string]func(*testing.T, *rig, tenantid.ID, int){
		"withdrawn while first_login waits": withdrawnInvitation,
		"two people with one address":       oneInvitationTwoPeople,
		"claim of another tenant":           invitationAndForeignClaim,
		"last place of the quota":           lastPlace,
		"role changed by a new invitation":  changedRole,
		"removed while first_login waits":   removedInFirstLogin,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyClosed})
			r.Quotas = tenant.Quotas{Members: 2}
			for i := range raceRounds {
				round(t, r, r.newTenant(t, fmt.Sprintf("Race %d", i)).ID, i)
			}
		})
	}
}

func (r *rig) enters(who sso.Identity) func() error {
	return func() error {
		_, err := r.FirstLogin(context.Background(), who, tester)
		return err
	}
}

// withdrawnInvitation lets a withdrawal hold the tenant's lock when the sign-in has found the invitation.
func withdrawnInvitation(t *testing.T, r *rig, id tenantid.ID, i int) {
	email := fmt.Sprintf("dan%d@acme.example", i)
	require.NoError(t, r.invite(id, email, "admin"))
	var withdrawn bool
	errs := atOnce(r.enters(person(email, email)), func() error {
		gone, err := r.remove(id, email)
		withdrawn = gone.Invitations == 1
		return err
	})
	require.NoError(t, errs[1])
	require.Empty(t, r.members(t, id))
	if withdrawn {
		require.Equal(t, "ONBOARDING_CLOSED", fault.Code(errs[0]), "the invitation was withdrawn first")
	}
	require.Equal(t, "MEMBER_REMOVED", fault.Code(r.enters(claimed(person(email, email), id))()))
}

func oneInvitationTwoPeople(t *testing.T, r *rig, id tenantid.ID, i int) {
	email := fmt.Sprintf("dan%d@acme.example", i)
	require.NoError(t, r.invite(id, email, "admin"))
	errs := atOnce(r.enters(person(email+"1", email)), r.enters(person(email+"2", email)))
	require.Len(t, r.members(t, id), 1)
	require.Equal(t, 1, failures(errs), "%v", errs)
}

func invitationAndForeignClaim(t *testing.T, r *rig, id tenantid.ID, i int) {
	email := fmt.Sprintf("dan%d@acme.example", i)
	require.NoError(t, r.invite(id, email, "admin"))
	other := r.newTenant(t, fmt.Sprintf("Other %d", i)).ID
	foreign := claimed(person(email+"1", email), other)
	unknown := person(email+"2", email)
	unknown.Tenant = sso.TenantClaim{Kind: sso.TenantExternalID, Value: fmt.Sprintf("unknown%d", i)}
	errs := atOnce(r.enters(foreign), r.enters(unknown), r.enters(person(email, email)))
	require.Equal(t, []error{nil, nil}, []error{errs[0], errs[2]})
	require.Equal(t, "ONBOARDING_CLOSED", fault.Code(errs[1]))
	list := r.members(t, id)
	require.Len(t, list, 1)
	require.Equal(t, email, *list[0].Subject, "only the sign-in without a claim uses the invitation")
}

func lastPlace(t *testing.T, r *rig, id tenantid.ID, i int) {
	var fns []func() error
	for n := range 4 {
		email := fmt.Sprintf("p%d-%d@acme.example", n, i)
		fns = append(fns, r.enters(claimed(person(email, email), id)))
	}
	errs := atOnce(fns...)
	require.Len(t, r.members(t, id), 2)
	require.Equal(t, 2, failures(errs), "%v", errs)
}

// changedRole: the role that the user has is that of the invitation which stood when the sign-in used it.
func changedRole(t *testing.T, r *rig, id tenantid.ID, i int) {
	email := fmt.Sprintf("dan%d@acme.example", i)
	require.NoError(t, r.invite(id, email, "admin"))
	errs := atOnce(r.enters(person(email, email)), func() error { return r.invite(id, email, "viewer") })
	require.NoError(t, errs[0])
	want := "viewer"
	if errs[1] != nil {
		require.True(t, fault.Is(errs[1], fault.Conflict), "%v", errs[1])
		want = "admin"
	}
	require.Equal(t, []string{want}, r.members(t, id)[0].Roles)
}

// removedInFirstLogin: a person whom a claim admits is removed while signing in again.
func removedInFirstLogin(t *testing.T, r *rig, id tenantid.ID, i int) {
	email := fmt.Sprintf("dan%d@acme.example", i)
	who := claimed(person(email, email), id)
	require.NoError(t, r.enters(who)())
	errs := atOnce(r.enters(who), r.enters(who), func() error {
		_, err := r.remove(id, email)
		return err
	})
	require.NoError(t, errs[2])
	for _, err := range errs[:2] {
		require.True(t, err == nil || errors.Is(err, tenant.ErrRemoved), "%v", err)
	}
	require.Empty(t, r.members(t, id))
}

func failures(errs []error) (n int) {
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}
