package crm

import (
	"context"
	"slices"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// teamMark is the external id, in ownModule, of the sales team that pushed leads belong to: one for a database, one for
// each company of a shared database.
func teamMark(s *odoo.Session) string {
	if s.Company() != 0 {
		return "team_" + odoo.FormatID(s.Company())
	}
	return "team"
}

// FindTeam returns the sales team of pushed leads; 0 if EnsureTeam has not run.
func FindTeam(ctx context.Context, s *odoo.Session) (int64, error) {
	return findMarked(ctx, s, teamMark(s))
}

// EnsureTeam makes a sales team with all people of the workspace in it, or takes the team that Odoo made. Without a
// team of her own Odoo shows a salesperson sample cards. Once the team is there, its people are the workspace's
// business: EnsureTeam changes nothing.
func EnsureTeam(ctx context.Context, s *odoo.Session) (int64, error) {
	if team, err := FindTeam(ctx, s); err != nil || team != 0 {
		return team, err
	}
	row := []string{ownModule + "." + teamMark(s), "Sales"}
	fields := []string{"id", "name"}
	if s.Company() != 0 {
		fields, row = append(fields, "company_id/.id"), append(row, odoo.FormatID(s.Company()))
	} else {
		existing, err := s.SearchRead(ctx, "crm.team", odoo.Query{Fields: []string{"name"}, Order: "id", Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(existing) > 0 {
			if err := markRecord(ctx, s, teamMark(s), "crm.team", existing[0].ID()); err != nil {
				return 0, err
			}
			return existing[0].ID(), addEveryone(ctx, s, existing[0].ID())
		}
	}
	if err := s.LoadRecords(ctx, "crm.team", fields, [][]string{row}); err != nil {
		return 0, err
	}
	team, err := FindTeam(ctx, s)
	if err != nil {
		return 0, err
	}
	return team, addEveryone(ctx, s, team)
}

// addEveryone puts all people who are in no team into it.
func addEveryone(ctx context.Context, s *odoo.Session, team int64) error {
	people, err := s.SearchRead(ctx, "res.users",
		odoo.Query{Fields: []string{"sale_team_id"}, Domain: s.PeopleDomain()})
	if err != nil {
		return err
	}
	people = slices.DeleteFunc(people, func(r odoo.Record) bool { return r.Int("sale_team_id") != 0 })
	return addToTeam(ctx, s, team, odoo.IDsOf(people))
}

// JoinTeam puts a new person into the workspace's team, unless she is in a team already.
func JoinTeam(ctx context.Context, s *odoo.Session, uid int64) error {
	team, err := FindTeam(ctx, s)
	if err != nil || team == 0 {
		return err
	}
	user, err := s.Read(ctx, "res.users", []int64{uid}, []string{"sale_team_id"})
	if err != nil || len(user) == 0 || user[0].Int("sale_team_id") != 0 {
		return err
	}
	return addToTeam(ctx, s, team, []int64{uid})
}

func addToTeam(ctx context.Context, s *odoo.Session, team int64, users []int64) error {
	if len(users) == 0 {
		return nil
	}
	commands := make([]any, len(users))
	for i, uid := range users {
		commands[i] = []any{4, uid}
	}
	return s.Write(ctx, "crm.team", []int64{team}, odoo.Record{"member_ids": commands}, odoo.QuietContext())
}

// EnsureSource makes the source (utm.source) that pushed leads name as their origin.
func EnsureSource(ctx context.Context, s *odoo.Session) error {
	return ensureMarked(ctx, s, "utm.source", sourceMark, "leadctl")
}

// FindShared returns, by model, the records that the pushed leads of all companies of a database refer to.
func FindShared(ctx context.Context, s *odoo.Session) (map[string]int64, error) {
	source, tag, reason := ownModule+"."+sourceMark, ownModule+"."+withdrawnMark, ownModule+"."+lostReasonMark
	found, err := s.ResolveXMLIDs(ctx, []string{source, tag, reason})
	return map[string]int64{"utm.source": found[source], "crm.tag": found[tag], "crm.lost.reason": found[reason]}, err
}
