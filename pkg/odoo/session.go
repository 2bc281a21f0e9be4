package odoo

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Session calls one database as one user; Open makes it. Odoo checks the secret on every call.
type Session struct {
	db      string
	uid     int64
	proto   protocol
	company int64 // the session's company in a shared database; 0 elsewhere
}

// protocol is one way to call a method of a model. Open chooses it.
type protocol interface {
	protocolName() string
	callMethod(ctx context.Context, db string, c Call) (any, error)
}

// whoAmI is a call that every user may make. The answer's "uid" is the user's id.
var whoAmI = Call{Model: "res.users", Method: "context_get"}

// Call is one method of one model. JSON-2 sends every parameter by name. The other protocols send IDs and Args by
// position and Named by name.
type Call struct {
	Model   string
	Method  string
	IDs     []int64        // the records of the call; nil for a method of the model itself
	Args    []Arg          // in the order of the method's signature
	Named   map[string]any // optional parameters
	Context map[string]any
	Secrets []Secret      // the secrets among the values; no error shows them
	Timeout time.Duration // 0: the server's
}

// Arg is a parameter with its name in Odoo's source.
type Arg struct {
	Name  string
	Value any
}

// Protocol returns ProtocolXMLRPC, ProtocolJSON2 or ProtocolWeb.
func (s *Session) Protocol() string { return s.proto.protocolName() }

// UID returns the id of the session's user.
func (s *Session) UID() int64 { return s.uid }

// Database returns the name of the session's database.
func (s *Session) Database() string { return s.db }

// Company returns the session's company in a shared database; 0 elsewhere.
func (s *Session) Company() int64 { return s.company }

// ForCompany returns a copy of the session for one company of a shared database.
func (s *Session) ForCompany(id int64) *Session {
	own := *s
	own.company = id
	return &own
}

// Call calls a method. In a shared database the call sees only the session's company.
func (s *Session) Call(ctx context.Context, c Call) (any, error) {
	if s.company != 0 {
		c.Context = WithContext(c.Context, "allowed_company_ids", []int64{s.company})
	}
	return s.proto.callMethod(ctx, s.db, c)
}

// WithContext returns a copy of context with key set, unless context has key already.
func WithContext(context map[string]any, key string, value any) map[string]any {
	out := map[string]any{key: value}
	maps.Copy(out, context)
	return out
}

// positionalArgs returns the parameters in the form of XML-RPC's execute_kw and JSON-RPC's call_kw.
func (c Call) positionalArgs() (args []any, named map[string]any) {
	args, named = []any{}, map[string]any{}
	if c.IDs != nil {
		args = append(args, c.IDs)
	}
	for _, a := range c.Args {
		args = append(args, a.Value)
	}
	maps.Copy(named, c.Named)
	if c.Context != nil {
		named["context"] = c.Context
	}
	return args, named
}

// Domain is an Odoo search condition: Domain{Where("x_uen", "=", "T1")}. Odoo joins the conditions with "and".
type Domain []any

// Where returns one condition of a Domain.
func Where(field, op string, value any) []any { return []any{field, op, value} }

// Query selects records of a model.
type Query struct {
	Domain   Domain
	Fields   []string // nil: all fields, rarely wanted
	Order    string
	Limit    int // 0: no limit; more than a few thousand records do not fit into one answer
	Offset   int
	Archived bool // include archived records
}

func (q Query) namedParameters() map[string]any {
	named := map[string]any{}
	if q.Fields != nil {
		named["fields"] = q.Fields
	}
	if q.Order != "" {
		named["order"] = q.Order
	}
	if q.Limit > 0 {
		named["limit"] = q.Limit
	}
	if q.Offset > 0 {
		named["offset"] = q.Offset
	}
	return named
}

// Call returns the call of a method that takes the query's domain.
func (q Query) Call(model, method string) Call {
	c := Call{Model: model, Method: method, Args: []Arg{{"domain", []any(q.Domain)}}}
	if q.Domain == nil {
		c.Args[0].Value = []any{}
	}
	if q.Archived {
		c.Context = map[string]any{"active_test": false}
	}
	return c
}

// SearchRead returns the records that q selects.
func (s *Session) SearchRead(ctx context.Context, model string, q Query) ([]Record, error) {
	c := q.Call(model, "search_read")
	c.Named = q.namedParameters()
	return s.callForRecords(ctx, c)
}

// SearchCount returns the number of records that q selects.
func (s *Session) SearchCount(ctx context.Context, model string, q Query) (int64, error) {
	v, err := s.Call(ctx, q.Call(model, "search_count"))
	return asInt(v), err
}

// Read returns the named fields of the records that exist among ids.
func (s *Session) Read(ctx context.Context, model string, ids []int64, fields []string) ([]Record, error) {
	c := Call{Model: model, Method: "read", IDs: ids, Named: map[string]any{"fields": fields}}
	return s.callForRecords(ctx, c)
}

// FieldsGet returns the definitions ("type", "string", …) of those of the named fields that exist. With nil names it
// returns all fields.
func (s *Session) FieldsGet(ctx context.Context, model string, names []string) (map[string]Record, error) {
	c := Call{Model: model, Method: "fields_get", Named: map[string]any{"attributes": []string{"type", "string",
		"required"}}}
	if names != nil {
		c.Named["allfields"] = names
	}
	v, err := s.Call(ctx, c)
	if err != nil {
		return nil, err
	}
	out := map[string]Record{}
	for name, def := range AsRecord(v) {
		out[name] = AsRecord(def)
	}
	return out, nil
}

// Create makes records, all or none, and returns their ids in the same order. An Ambiguous failure may have made them.
// In a shared database it sets the session's company on partners and leads, because every tenant would see records
// without a company.
func (s *Session) Create(ctx context.Context, model string, values []Record, with map[string]any) ([]int64, error) {
	if s.company != 0 && slices.Contains(CompanyModels, model) {
		values = slices.Clone(values)
		for i, r := range values {
			values[i] = Record{"company_id": s.company}
			maps.Copy(values[i], r)
		}
	}
	c := Call{Model: model, Method: "create", Args: []Arg{{"vals_list", values}}, Context: with}
	v, err := s.Call(ctx, c)
	if err != nil {
		return nil, err
	}
	ids, err := asIDs(v)
	if err != nil || len(ids) != len(values) {
		return nil, unknownShapeFault(c, err)
	}
	return ids, nil
}

// Write sets values on all records in ids.
func (s *Session) Write(ctx context.Context, model string, ids []int64, values Record, with map[string]any) error {
	_, err := s.Call(ctx, Call{Model: model, Method: "write", IDs: ids, Args: []Arg{{"vals", values}}, Context: with})
	return err
}

// Unlink deletes records.
func (s *Session) Unlink(ctx context.Context, model string, ids []int64) error {
	_, err := s.Call(ctx, Call{Model: model, Method: "unlink", IDs: ids})
	return err
}

func (s *Session) callForRecords(ctx context.Context, c Call) ([]Record, error) {
	v, err := s.Call(ctx, c)
	if err != nil {
		return nil, err
	}
	list, err := asRecords(v)
	if err != nil {
		return nil, unknownShapeFault(c, err)
	}
	return list, nil
}

// unknownShapeFault returns the fault of an answer that does not have the method's shape.
func unknownShapeFault(c Call, err error) error {
	e := &CallError{Op: c.Model + "." + c.Method, Detail: "answer has an unexpected shape", Ambiguous: true, cause: err}
	return fault.New(fault.Unavailable, "Odoo %s: no usable answer: %w", e.Op, e).WithCode(CodeUnreachable)
}

// CompanyModels are the models whose records need a company.
var CompanyModels = []string{"res.partner", "crm.lead"}
