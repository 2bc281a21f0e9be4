package crm

import (
	"context"
	"slices"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Assign says to whom a new lead belongs. Leads that are in the CRM keep their salesperson.
type Assign string

// Values of Assign.
const (
	AssignNone       Assign = "none"        // to no person
	AssignRoundRobin Assign = "round_robin" // to the salespeople of the team in turn
)

// ownerField is a lead's field with its salesperson.
const ownerField = "user_id"

// findOwners returns the salespeople of the team, beginning with the one after whom got the last lead. People who only
// read, and those without access, get no leads.
func findOwners(ctx context.Context, s *odoo.Session, team int64) ([]int64, error) {
	members, err := s.Read(ctx, "crm.team", []int64{team}, []string{"member_ids"})
	if err != nil || len(members) == 0 {
		return nil, err
	}
	groups, err := ResolveGroups(ctx, s, []string{groupSalesperson, groupAllLeads, groupCRMAdmin})
	if err != nil {
		return nil, err
	}
	field, err := GroupsField(ctx, s, "res.users")
	if err != nil {
		return nil, err
	}
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Fields: []string{"login"}, Order: "id",
		Domain: append(s.PeopleDomain(), odoo.Where("id", "in", members[0].IDs("member_ids")),
			odoo.Where(field, "in", []int64{groups[groupSalesperson], groups[groupAllLeads], groups[groupCRMAdmin]}))})
	owners := odoo.IDsOf(found)
	if err != nil || len(owners) < 2 {
		return owners, err
	}
	last, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Fields: []string{ownerField}, Archived: true,
		Order: "id desc", Limit: 1, Domain: odoo.Domain{odoo.Where("x_pre_sdr_bucket", "!=", false),
			odoo.Where(ownerField, "in", owners)}})
	if err != nil || len(last) == 0 {
		return owners, err
	}
	next := slices.Index(owners, last[0].Int(ownerField)) + 1
	return slices.Concat(owners[next:], owners[:next]), nil
}

// nextOwner returns the salesperson whose turn it is; 0 for none.
func (p *pushing) nextOwner() int64 {
	if len(p.refs.Owners) == 0 {
		return 0
	}
	owner := p.refs.Owners[0]
	p.refs.Owners = append(p.refs.Owners[1:], owner)
	return owner
}
