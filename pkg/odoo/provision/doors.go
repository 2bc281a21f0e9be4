package provision

import (
	"context"
	"crypto/sha256"
	_ "embed" // the action and the view below
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// Odoo has more ways in than the identity provider: password reset, free sign-up, and credentials that a person makes
// for herself (password, API key, passkey). Where a provider is enabled, leadctl closes them with Odoo's own means:
// parameters, record rules, and a server action that finds and deletes credentials. Administrators of Odoo keep theirs.

//go:embed doors/credentials.py
var credentialsCode string

//go:embed doors/sign_in.xml
var signInView string

// External ids of leadctl's records for the sign-in, and the parameters beside them.
const (
	credentialsAction = ownModule + ".action_credentials"
	signInViewID      = ownModule + ".view_sign_in"
	signInVersionKey  = "leadctl.sign_in"      // hash of the records, see signInVersion
	refusedPageKey    = "leadctl.refused_page" // OAuthProvider.RefusedPage
)

// credentialRules keep people from making API keys and passkeys. Odoo 14 has no passkeys.
func credentialRules() []recordRule {
	const domain = `[(1,'=',1)] if user.has_group('base.group_system') else [(0,'=',1)]`
	return []recordRule{
		{model: "res.users.apikeys.description", domain: domain, changes: true},
		{model: "auth.passkey.key.create", domain: domain, changes: true, optional: true},
	}
}

// signUpParameters close free sign-up, which Odoo leaves open. They also make Odoo 19 send the token in a header
// instead of the URL.
func signUpParameters() [][2]string {
	return [][2]string{{"auth_signup.invitation_scope", "b2b"}, {"auth_oauth.authorization_header", "1"}}
}

// doorParameters close password reset too, and hold the version of the records.
func doorParameters() [][2]string {
	return append(signUpParameters(), [2]string{"auth_signup.reset_password", "False"},
		[2]string{signInVersionKey, signInVersion()})
}

// signInVersion changes with the records that ensureSignIn writes.
func signInVersion() string {
	sum := sha256.Sum256([]byte(fmt.Sprint(credentialsCode, signInView, credentialRules())))
	return hex.EncodeToString(sum[:8])
}

// signInState is what a workspace has of leadctl's sign-in.
type signInState struct {
	parameters map[string]string
	missing    string // a record that is missing, or a rule that is changed or not active; "" for none
	action     int64  // id of credentialsAction
}

func readSignIn(ctx context.Context, s *odoo.Session, w Workspace) (st signInState, err error) {
	st.parameters, err = s.Parameters(ctx, append(doorParameters(), [2]string{visitKey(w.Tenant)}))
	if err != nil {
		return st, err
	}
	ids, err := s.ResolveXMLIDs(ctx, []string{credentialsAction, signInViewID})
	if err != nil {
		return st, err
	}
	for _, id := range []string{credentialsAction, signInViewID} {
		if ids[id] == 0 {
			st.missing = id
		}
	}
	st.action = ids[credentialsAction]
	if st.missing == "" {
		st.missing, err = missingCredentialRule(ctx, s)
	}
	return st, err
}

// missingCredentialRule returns the name of a rule that is missing, changed or not active.
func missingCredentialRule(ctx context.Context, s *odoo.Session) (string, error) {
	rules, _, err := presentRules(ctx, s, credentialRules())
	if err != nil {
		return "", err
	}
	have, err := s.SearchRead(ctx, "ir.rule", odoo.Query{Domain: odoo.Domain{odoo.Where("name", "=like", "leadctl: %")},
		Fields: []string{"name", "domain_force", "perm_create"}})
	for _, r := range rules {
		if err == nil && !slices.ContainsFunc(have, func(h odoo.Record) bool {
			return h.Text("name") == r.ruleName() && h.Text("domain_force") == r.domain && h.Bool("perm_create")
		}) {
			return "record rule " + r.ruleName(), nil
		}
	}
	return "", err
}

// ensureSignIn writes the rules, the server action and the extension of the sign-in page, unless the workspace has
// those of this version. Then it writes the parameters, and deletes the credentials that people have.
func (p *Provisioner) ensureSignIn(ctx context.Context, s *odoo.Session, w Workspace, refusedPage string) error {
	st, err := readSignIn(ctx, s, w)
	if err != nil {
		return err
	}
	if st.parameters[signInVersionKey] != signInVersion() || st.missing != "" {
		if st.action, err = writeSignInRecords(ctx, s); err != nil {
			return err
		}
	}
	want := append(doorParameters(), [2]string{refusedPageKey, refusedPage})
	if err := s.EnsureParameters(ctx, want); err != nil {
		return err
	}
	_, err = findCredentials(ctx, s, w, st, true)
	return err
}

// writeSignInRecords returns the id of the server action.
func writeSignInRecords(ctx context.Context, s *odoo.Session) (action int64, err error) {
	rules, models, err := presentRules(ctx, s, credentialRules())
	if err != nil {
		return 0, err
	}
	var rows [][]string
	for _, r := range rules {
		rows = append(rows, r.importRow(models[r.model], r.domain))
	}
	groups, err := crm.GroupsField(ctx, s, "ir.actions.server")
	if err != nil {
		return 0, err
	}
	for _, load := range []struct {
		model   string
		columns []string
		rows    [][]string
	}{
		{"ir.rule", ruleColumns, rows},
		{"ir.actions.server", []string{"id", "name", "model_id/id", "state", "code", groups + "/id"},
			[][]string{{credentialsAction, "leadctl: credentials beside the identity provider",
				"base.model_res_users", "code", credentialsCode, "base.group_system"}}},
		{"ir.ui.view", []string{"id", "name", "type", "inherit_id/id", "priority", "arch"},
			[][]string{{signInViewID, "leadctl: sign-in", "qweb", "web.login", "99", signInView}}},
	} {
		if err := s.LoadRecords(ctx, load.model, load.columns, load.rows); err != nil {
			return 0, err
		}
	}
	ids, err := s.ResolveXMLIDs(ctx, []string{credentialsAction})
	return ids[credentialsAction], err
}

// credential is a way in that a user has beside the identity provider.
type credential struct{ login, door string }

// findCredentials returns the credentials of people, as odoo.Session.PeopleDomain selects them, without Odoo's
// administrators. With remove it deletes them. An operator's user counts too, except during a visit (see OpenVisit).
func findCredentials(ctx context.Context, s *odoo.Session, w Workspace, st signInState, remove bool) ([]credential,
	error) {
	with := map[string]any{"leadctl_administrator": odoo.AdministratorLogin(s.Database()),
		"leadctl_company": s.Company(), "leadctl_close": remove}
	if until, err := parseVisit(s, w, st.parameters[visitKey(w.Tenant)]); err != nil {
		return nil, err
	} else if !time.Now().Before(until) {
		with["leadctl_operator"] = VisitLogin(w.Tenant)
	}
	answer, err := s.Call(ctx, odoo.Call{Model: "ir.actions.server", Method: "run", IDs: []int64{st.action},
		Context: with})
	if err != nil {
		return nil, err
	}
	var found []credential
	var owners []int64
	for _, r := range odoo.AsRecord(odoo.AsRecord(answer)["infos"]).Records("found") {
		found, owners = append(found, credential{r.Text("login"), r.Text("door")}), append(owners, r.ID())
	}
	if remove {
		err = forgetUsers(ctx, s, owners, true, true)
	}
	return found, err
}

// requireClosedDoors checks that people can sign in through the provider only.
func (p *Provisioner) requireClosedDoors(ctx context.Context, s *odoo.Session, w Workspace) error {
	st, err := readSignIn(ctx, s, w)
	if err != nil {
		return err
	}
	for _, want := range doorParameters() {
		if is := st.parameters[want[0]]; is != want[1] {
			return p.doorOpen(s, w, "parameter %s is %q, not %q", want[0], is, want[1])
		}
	}
	if st.missing != "" {
		return p.doorOpen(s, w, "%s is missing, changed or not active", st.missing)
	}
	found, err := findCredentials(ctx, s, w, st, false)
	if err == nil && len(found) > 0 {
		err = p.doorOpen(s, w, "user %s has %s, not only the identity provider", found[0].login, found[0].door)
	}
	return err
}

func (p *Provisioner) doorOpen(s *odoo.Session, w Workspace, format string, args ...any) error {
	return odoo.Misconfigured("Odoo database %s: "+format, append([]any{s.Database()}, args...)...).
		WithHint("repair it with: leadctl odoo sso configure --tenant %s", w.Tenant)
}
