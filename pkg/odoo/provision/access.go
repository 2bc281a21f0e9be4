package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Reasons why leadctl took a person's access to a workspace away. The workspace remembers the reason of each user in an
// external id, so that only leadctl's own changes are undone: a user whom the tenant archived stays archived.
const (
	AccessRemoved   = "removed"   // the person is no longer a member
	AccessSuspended = "suspended" // the tenant is suspended
)

// TakeAccess archives the user with this login, or with "" every person of the workspace. Odoo then ends the user's
// sessions. It returns the number of users that have no access for this reason. leadctl's own account is no person.
func (p *Provisioner) TakeAccess(ctx context.Context, w Workspace, reason, login string) (int, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return 0, err
	}
	users, err := findPeople(ctx, s, login)
	if err != nil {
		return 0, err
	}
	marks, err := accessMarks(ctx, s, reason, users)
	if err != nil {
		return 0, err
	}
	otherMarks, err := accessMarks(ctx, s, otherReason(reason), users)
	if err != nil {
		return 0, err
	}
	var active []int64
	var unmarked []odoo.Record
	for _, u := range users {
		if u.Bool("active") {
			active = append(active, u.ID())
		}
		// A user whom the tenant archived gets no mark, or GiveAccess would undo what the tenant did.
		if marks[u.ID()] == 0 && (u.Bool("active") || otherMarks[u.ID()] != 0) {
			unmarked = append(unmarked, odoo.Record{"module": ownModule, "name": accessMark(reason, u.ID()),
				"model": "res.users", "res_id": u.ID(), "noupdate": true})
		}
	}
	if len(unmarked) > 0 {
		if _, err := s.Create(ctx, "ir.model.data", unmarked, nil); err != nil {
			return 0, err
		}
	}
	if len(active) > 0 {
		if err := s.Write(ctx, "res.users", active, odoo.Record{"active": false}, nil); err != nil {
			return 0, err
		}
	}
	return len(marks) + len(unmarked), forgetUsers(ctx, s, odoo.IDsOf(users), false, len(active) > 0)
}

// forgetUsers makes Odoo forget the sessions and the accepted secrets of users, whose state is active. Odoo forgets
// them by itself in the middle of the write that archives them, before its commit. A request at that moment, as the
// page of an open browser sends all the time, makes Odoo remember the old state, and then the session stays usable. A
// write after the commit ends that. With changed, there is a second one for requests that began before the commit.
func forgetUsers(ctx context.Context, s *odoo.Session, ids []int64, active, changed bool) error {
	if len(ids) == 0 {
		return nil
	}
	forget := func() error { return s.Write(ctx, "res.users", ids, odoo.Record{"active": active}, nil) }
	if err := forget(); err != nil || !changed {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	return forget()
}

// GiveAccess undoes TakeAccess with the same reason. A user without access for another reason too stays archived.
func (p *Provisioner) GiveAccess(ctx context.Context, w Workspace, reason, login string) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	users, err := findPeople(ctx, s, login)
	if err != nil {
		return err
	}
	marks, err := accessMarks(ctx, s, reason, users)
	if err != nil || len(marks) == 0 {
		return err
	}
	otherMarks, err := accessMarks(ctx, s, otherReason(reason), users)
	if err != nil {
		return err
	}
	var back, undone []int64
	for uid, mark := range marks {
		undone = append(undone, mark)
		if otherMarks[uid] == 0 {
			back = append(back, uid)
		}
	}
	if len(back) > 0 {
		if err := s.Write(ctx, "res.users", back, odoo.Record{"active": true}, nil); err != nil {
			return err
		}
	}
	return s.Unlink(ctx, "ir.model.data", undone)
}

func otherReason(reason string) string {
	if reason == AccessRemoved {
		return AccessSuspended
	}
	return AccessRemoved
}

// findPeople returns the person with this login, or with "" all of the workspace, archived ones included.
func findPeople(ctx context.Context, s *odoo.Session, login string) ([]odoo.Record, error) {
	where := s.PeopleDomain()
	if login != "" {
		where = append(where, odoo.Where("login", "=", sso.CanonicalEmail(login)))
	}
	return s.SearchRead(ctx, "res.users", odoo.Query{Domain: where, Fields: []string{"login", "active"},
		Archived: true})
}

func accessMark(reason string, uid int64) string { return reason + "_" + odoo.FormatID(uid) }

// accessMarks returns the external ids' records by user, for those users who have one with this reason.
func accessMarks(ctx context.Context, s *odoo.Session, reason string, users []odoo.Record) (map[int64]int64, error) {
	marks := map[int64]int64{}
	if len(users) == 0 {
		return marks, nil
	}
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = accessMark(reason, u.ID())
	}
	found, err := s.SearchRead(ctx, "ir.model.data", odoo.Query{Fields: []string{"res_id"},
		Domain: odoo.Domain{odoo.Where("module", "=", ownModule), odoo.Where("name", "in", names)}})
	for _, r := range found {
		marks[r.Int("res_id")] = r.ID()
	}
	return marks, err
}
