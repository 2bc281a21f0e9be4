package workspace

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/websession"
)

// UserRemoval is what ended with the removal of a user.
type UserRemoval struct {
	User        string   `json:"user"`
	Invitations int      `json:"invitations"` // open ones, which can no longer be used
	Sessions    int64    `json:"sessions"`    // browsers that were signed in
	Subjects    []string `json:"subjects"`    // identities whose tokens the tenant refuses from now on
	OdooJob     int64    `json:"odoo_job"`    // job that ends the access to Odoo; 0 without a workspace
}

// RemoveUser removes a user from a tenant, and ends the user's sessions, ID tokens and invitation in the same
// transaction. A job ends the access to Odoo. Fault: NotFound.
func RemoveUser(
	ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id tenantid.ID, email string, now time.Time,
	by tenant.By,
) (UserRemoval, error) {
	r := UserRemoval{User: email, Subjects: []string{}}
	gone, err := tenant.RemoveMember(ctx, tx, id, email, by)
	if err != nil {
		return r, err
	}
	for _, u := range gone {
		if u.Issuer == nil || u.Subject == nil {
			r.Invitations++
			continue
		}
		ended, err := websession.SignOutIdentity(ctx, tx, *u.Issuer, *u.Subject, now, by)
		if err != nil {
			return r, err
		}
		r.Sessions += ended.Sessions
		r.Subjects = append(r.Subjects, *u.Subject)
	}
	r.OdooJob, err = EnqueueAccess(ctx, tx, queue, AccessArgs{Tenant: id, Email: tenant.Member{UserID: email}.Email()})
	if err == nil {
		err = by.StillMay(ctx, tx, id)
	}
	return r, err
}
