package provision_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestPushedValues runs testPushedValues on the stand-in.
func TestPushedValues(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"14", "19"} {
		t.Run(name, func(t *testing.T) { t.Parallel(); testPushedValues(t, standIn(t, serverVariants[name])) })
	}
}

// TestLanguage: a new person has the language of the setting. A workspace of an older version, which lacks it, gets it
// with its fields; until then people have Odoo's default.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"14", "19"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := standIn(t, serverVariants[name])
			r.how.Language = "zh_CN"
			r = r.withOptions(t, odoo.Options{})
			w := r.provision(t, 130)
			language := func(email string) string {
				_, err := r.prov.EnsureUser(t.Context(), w, provision.User{Email: email})
				require.NoError(t, err)
				s, err := r.prov.Session(t.Context(), w)
				require.NoError(t, err)
				found, err := s.SearchRead(t.Context(), "res.users", odoo.Query{Fields: []string{"lang"},
					Domain: odoo.Domain{odoo.Where("login", "=", email)}})
				require.NoError(t, err)
				return found[0].Text("lang")
			}
			require.Empty(t, language("early@example.com"))
			for range 2 {
				_, err := r.prov.EnsureFields(t.Context(), w)
				require.NoError(t, err)
				require.Equal(t, 1, countEffects(r.stand, "install", w.Database))
			}
			require.Equal(t, "zh_CN", language("late@example.com"))

			// Template: another language is a reason to prepare it again. Afterwards clones need no installation.
			template := r.template()
			template.Language = "zh_CN"
			parts, err := provision.TemplateStatus(t.Context(), r.server, template)
			require.NoError(t, err)
			require.Equal(t, provision.PartMissing, parts[0].State)
			_, err = provision.PrepareTemplate(t.Context(), r.server, template)
			require.NoError(t, err)
			parts, err = provision.TemplateStatus(t.Context(), r.server, template)
			require.NoError(t, err)
			require.Equal(t, provision.PartReady, parts[0].State)
			w = r.provision(t, 131)
			_, err = r.prov.EnsureFields(t.Context(), w)
			require.NoError(t, err)
			require.Zero(t, countEffects(r.stand, "install", w.Database))

			r.how.Language = "xx_XX"
			r = r.withOptions(t, odoo.Options{})
			_, err = r.prov.EnsureFields(t.Context(), w)
			require.Equal(t, odoo.CodeMisconfig, fault.Code(err), "%v", err)
		})
	}
}

// testPushedValues checks what salespeople find in Odoo's own fields. The protocol does not matter, so real servers run
// it once for each version.
func testPushedValues(t *testing.T, r rig) {
	t.Run("address", func(t *testing.T) { t.Parallel(); testAddress(t, r) })
	t.Run("people", func(t *testing.T) { t.Parallel(); testPeople(t, r) })
	t.Run("salespeople", func(t *testing.T) { t.Parallel(); testAssign(t, r) })
}

// testAddress: the address follows the register, part by part, until a person changes a part.
func testAddress(t *testing.T, r rig) {
	w, s := r.openCRM(t, 126)
	leads := []crm.Lead{{UEN: "202400001E", Name: "Moves", Score: 0.5, Street: "10 ANSON ROAD",
		Street2: "#10-11 INTERNATIONAL PLAZA", PostalCode: "079903"},
		{UEN: "202400002E", Name: "No address", Score: 0.5}}
	known := ledger{}
	known.push(t, r, w, leads)
	address := func(lead int) []string {
		c := known.contact(t, s, leads[lead].UEN, "street", "street2", "zip", "city")
		return []string{c.Text("street"), c.Text("street2"), c.Text("zip"), c.Text("city")}
	}
	require.Equal(t, []string{"10 ANSON ROAD", "#10-11 INTERNATIONAL PLAZA", "079903", "Singapore"}, address(0))
	require.Equal(t, []string{"", "", "", "Singapore"}, address(1))

	contact := []int64{known[leads[0].UEN].Contact}
	require.NoError(t, s.Write(t.Context(), "res.partner", contact, odoo.Record{"street2": "Back door"}, nil))
	leads[0].Street, leads[0].Street2, leads[0].PostalCode = "1 RAFFLES PLACE", "#02-01", "048616"
	leads[1].Street = "2 RAFFLES PLACE"
	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 2}, known.push(t, r, w, leads))
	require.Equal(t, []string{"1 RAFFLES PLACE", "Back door", "048616", "Singapore"}, address(0))
	require.Equal(t, []string{"2 RAFFLES PLACE", "", "", "Singapore"}, address(1))
}

// testPeople does with the people of a company what salespeople do, and pushes changes and new people after it.
func testPeople(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 127)
	lead := crm.Lead{UEN: "202400003F", Name: "People", Score: 0.5, People: []crm.Person{
		{Key: "tan", Name: "Mrs Tan", Title: "Director", Email: "tan@people.example", Phone: "+65 6000 0001"},
		{Key: "lim", Name: "Mr Lim", Email: "lim@people.example"}, {Key: "ng", Name: "Ms Ng"}}}
	known := ledger{}
	push := func() map[crm.Action]int { return known.push(t, r, w, []crm.Lead{lead}) }
	push()
	people := func() (out []string) {
		found, err := s.SearchRead(ctx, "res.partner", odoo.Query{Order: "id", Archived: true,
			Fields: []string{"name", "function", "email", "phone"},
			Domain: odoo.Domain{odoo.Where("parent_id", "=", known[lead.UEN].Contact)}})
		require.NoError(t, err)
		for _, p := range found {
			out = append(out, fmt.Sprint(p.Text("name"), ", ", p.Text("function"), ", ", p.Text("email"), ", ",
				p.Text("phone")))
		}
		return out
	}
	record := func(key string) []int64 { return []int64{known[lead.UEN].Written.People[key].Record} }
	require.Equal(t, []string{"Mrs Tan, Director, tan@people.example, +65 6000 0001", "Mr Lim, , lim@people.example, ",
		"Ms Ng, , , "}, people())
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 1}, push())

	// A salesperson corrects Mrs Tan's title, deletes Mr Lim, and enters Mr Ong, whom leadctl learns of later.
	require.NoError(t, s.Write(ctx, "res.partner", record("tan"), odoo.Record{"function": "Chair"}, nil))
	require.NoError(t, s.Unlink(ctx, "res.partner", record("lim")))
	_, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "Ong", "email": "Ong@people.example",
		"parent_id": known[lead.UEN].Contact}}, nil)
	require.NoError(t, err)
	lead.People[0].Title, lead.People[0].Phone = "Owner", "+65 6000 0002"
	lead.People[1].Phone = "+65 6000 0003"
	lead.People[2].Email = "ng@people.example"
	lead.People = append(lead.People, crm.Person{Key: "ong", Name: "Mr Ong", Title: "Buyer",
		Email: "ong@people.example"}, crm.Person{Key: "koh", Name: "Dr Koh"})
	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 1}, push())
	after := []string{"Mrs Tan, Chair, tan@people.example, +65 6000 0002", "Ms Ng, , ng@people.example, ",
		"Ong, Buyer, Ong@people.example, ", "Dr Koh, , , "}
	require.Equal(t, after, people())
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 1}, push())

	known[lead.UEN] = crm.Entry{Contact: known[lead.UEN].Contact, Lead: known[lead.UEN].Lead, State: crm.StatePushed}
	lead.People = slices.Delete(lead.People, 1, 2)
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 1}, push(), "a push whose end was not recorded")
	require.Equal(t, after, people())

	// The contact's number is taken away: it is no longer the company's, and gets no people.
	require.NoError(t, s.Write(ctx, "res.partner", []int64{known[lead.UEN].Contact}, odoo.Record{"x_uen": false}, nil))
	lead.People = append(lead.People, crm.Person{Key: "new", Name: "Mx New"})
	push()
	require.Equal(t, after, people())

	// A contact that a person entered before gets its lead, and the people whom it lacks.
	hers, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "Known before", "x_uen": "202400004F"}}, nil)
	require.NoError(t, err)
	_, err = s.Create(ctx, "res.partner", []odoo.Record{{"name": "Ms Ng", "parent_id": hers[0]}}, nil)
	require.NoError(t, err)
	lead = crm.Lead{UEN: "202400004F", Name: "Known", Score: 0.5, People: []crm.Person{{Key: "a", Name: "Ms Ng",
		Email: "ng@known.example"}, {Key: "b", Name: "Mr Ho"}}}
	push()
	require.Equal(t, []string{"Ms Ng, , ng@known.example, ", "Mr Ho, , , "}, people())
}

// testAssign: new leads go to the salespeople in turn, and to no one who only reads or has left. What is in the CRM
// keeps its salesperson, and a lead that only leadctl assigned is not one that a person works on.
func testAssign(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 128)
	people := map[string]int64{}
	for name, role := range map[string]crm.Role{"ann": crm.RoleOps, "bea": crm.RoleAdmin, "vic": crm.RoleViewer,
		"left": crm.RoleOps} {
		uid, err := r.prov.EnsureUser(ctx, w, provision.User{Email: name + "128@example.com", Role: role})
		require.NoError(t, err)
		people[name] = uid
	}
	known := ledger{}
	push := func(from, to int, assign crm.Assign) (owners []int64) {
		var items []crm.Item
		for i := from; i < to; i++ {
			items = append(items, crm.Item{Lead: crm.Lead{UEN: fmt.Sprintf("2024%05dG", i),
				Name:  fmt.Sprint("Lead ", i),
				Score: 0.5, Bucket: "high"}})
		}
		outcomes, err := r.prov.PushLeads(ctx, w, items, provision.PushOptions{Assign: assign})
		require.NoError(t, err)
		for _, o := range outcomes {
			known[o.UEN] = o.Entry
			owners = append(owners, known.lead(t, s, o.UEN, "user_id").Int("user_id"))
		}
		return owners
	}
	require.Equal(t, []int64{0}, push(0, 1, crm.AssignNone))
	first := push(1, 4, crm.AssignRoundRobin)
	require.ElementsMatch(t, []int64{people["ann"], people["bea"], people["left"]}, first)
	_, err := r.prov.TakeAccess(ctx, w, provision.AccessRemoved, "left128@example.com")
	require.NoError(t, err)
	second := push(4, 5, crm.AssignRoundRobin)
	third := push(5, 6, crm.AssignRoundRobin)
	require.ElementsMatch(t, []int64{people["ann"], people["bea"]}, append(second, third...),
		"in turn, over two pushes")

	// One lead was assigned by leadctl alone, and one was given to a colleague.
	mine, given := crm.Lead{UEN: "202400004G"}, crm.Lead{UEN: "202400005G"}
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{known[given.UEN].Lead}, odoo.Record{"user_id": second[0]},
		odoo.QuietContext()))
	known.withdraw(t, r, w, []crm.Lead{mine, given})
	require.False(t, known.lead(t, s, mine.UEN, "active").Bool("active"))
	require.True(t, known.lead(t, s, given.UEN, "active").Bool("active"))
}
