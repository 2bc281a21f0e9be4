package odoo

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// SetPassword sets a user's password. The same call writes the values of more.
func (s *Session) SetPassword(ctx context.Context, uid int64, next Secret, more Record) error {
	values := Record{"password": string(next)}
	maps.Copy(values, more)
	_, err := s.Call(ctx, Call{Model: "res.users", Method: "write", IDs: []int64{uid},
		Args: []Arg{{"vals", values}}, Secrets: []Secret{next}})
	return err
}

// LoadRecords imports rows with Odoo's load method, all or none. It finds records by external id or number, archived
// ones included. Odoo reports a refusal in the answer, not as a fault.
func (s *Session) LoadRecords(ctx context.Context, model string, fields []string, rows [][]string) error {
	data := make([]any, len(rows))
	for i, r := range rows {
		data[i] = r
	}
	v, err := s.Call(ctx, Call{Model: model, Method: "load", Args: []Arg{{"fields", fields}, {"data", data}},
		Context: WithContext(QuietContext(), "active_test", false)})
	if err != nil {
		return err
	}
	if ids, ok := AsRecord(v)["ids"].([]any); ok && len(ids) == len(rows) {
		return nil
	}
	said := ""
	if messages, _ := AsRecord(v)["messages"].([]any); len(messages) > 0 {
		said = cutDetail(AsRecord(messages[0]).Text("message"), nil)
	}
	return rejectedFault(&CallError{Op: model + ".load", Database: s.Database(), Detail: said})
}

// IDsOf returns the ids of the records, in their order.
func IDsOf(records []Record) []int64 {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.ID()
	}
	return ids
}

// FormatID returns an id in decimal digits.
func FormatID(n int64) string { return strconv.FormatInt(n, 10) }

// ModelIDs returns the ids of those models that exist.
func (s *Session) ModelIDs(ctx context.Context, models []string) (map[string]int64, error) {
	found, err := s.SearchRead(ctx, "ir.model", Query{Domain: Domain{Where("model", "in", models)},
		Fields: []string{"model"}})
	ids := map[string]int64{}
	for _, r := range found {
		ids[r.Text("model")] = r.ID()
	}
	return ids, err
}

// Parameter returns a system parameter, "" if it is not set.
func (s *Session) Parameter(ctx context.Context, key string) (string, error) {
	found, err := s.Parameters(ctx, [][2]string{{key}})
	return found[key], err
}

// Parameters returns those of the named system parameters that are set.
func (s *Session) Parameters(ctx context.Context, named [][2]string) (map[string]string, error) {
	keys := make([]string, len(named))
	for i, n := range named {
		keys[i] = n[0]
	}
	found, err := s.SearchRead(ctx, "ir.config_parameter",
		Query{Domain: Domain{Where("key", "in", keys)}, Fields: []string{"key", "value"}})
	out := map[string]string{}
	for _, r := range found {
		out[r.Text("key")] = r.Text("value")
	}
	return out, err
}

// SetParameter writes a system parameter.
func (s *Session) SetParameter(ctx context.Context, key, value string) error {
	_, err := s.Call(ctx, Call{Model: "ir.config_parameter", Method: "set_param",
		Args: []Arg{{"key", key}, {"value", value}}})
	return err
}

// QuietContext returns a context in which Odoo writes no followers and log notes. It also makes writes several times
// faster.
func QuietContext() map[string]any {
	return map[string]any{"tracking_disable": true, "mail_create_nosubscribe": true, "mail_create_nolog": true}
}

// ParameterDifference is a system parameter whose value differs from the wanted one.
type ParameterDifference struct{ Key, Want, Is string }

// DifferingParameters returns those of the wanted parameters that have another value.
func (s *Session) DifferingParameters(ctx context.Context, want [][2]string) (off []ParameterDifference, err error) {
	is, err := s.Parameters(ctx, want)
	for _, kv := range want {
		if err == nil && is[kv[0]] != kv[1] {
			off = append(off, ParameterDifference{kv[0], kv[1], is[kv[0]]})
		}
	}
	return off, err
}

// EnsureParameters writes those of the wanted parameters that have another value.
func (s *Session) EnsureParameters(ctx context.Context, want [][2]string) error {
	off, err := s.DifferingParameters(ctx, want)
	for _, p := range off {
		if err == nil {
			err = s.SetParameter(ctx, p.Key, p.Want)
		}
	}
	return err
}

// EnsureParameter writes a parameter if it has another value.
func (s *Session) EnsureParameter(ctx context.Context, key, value string) error {
	return s.EnsureParameters(ctx, [][2]string{{key, value}})
}

// PeopleDomain selects the people who work in the session's workspace. A person's login is an e-mail address; those of
// leadctl's accounts are not, and the administrator of a cloned database is no person.
func (s *Session) PeopleDomain() Domain {
	people := Domain{Where("share", "=", false), Where("login", "like", "@"),
		Where("login", "!=", AdministratorLogin(s.db))}
	if s.company != 0 {
		people = append(people, Where("company_id", "=", s.company))
	}
	return people
}

// AdministratorLogin is the login that the administrator of a cloned database gets.
func AdministratorLogin(database string) string { return "admin@" + database }

// MissingRecord returns the fault of an external id that does not exist because its module is not installed.
func (s *Session) MissingRecord(id string) error {
	return fault.New(fault.Operator, "Odoo record %s in %s: missing, its module is not installed", id, s.Database()).
		WithCode(CodeMisconfig).WithHint("prepare the template again with: leadctl odoo template prepare")
}

// ResolveXMLIDs returns the record ids of those external ids that exist.
func (s *Session) ResolveXMLIDs(ctx context.Context, ids []string) (map[string]int64, error) {
	out := map[string]int64{}
	var modules, shortNames []string
	for _, id := range ids {
		module, name, _ := strings.Cut(id, ".")
		modules, shortNames = append(modules, module), append(shortNames, name)
	}
	found, err := s.SearchRead(ctx, "ir.model.data", Query{Fields: []string{"module", "name", "res_id"},
		Domain: Domain{Where("module", "in", modules), Where("name", "in", shortNames)}})
	for _, r := range found {
		out[r.Text("module")+"."+r.Text("name")] = r.Int("res_id")
	}
	return out, err
}
