package odootest

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a stand-in. The zero value means an empty Odoo 19 with the master password "admin".
type Options struct {
	Major  int              // 14 or 19
	Master string           // the master password
	Closed bool             // list_db = False: of the database service only db_exist and server_version answer
	Shut   []string         // path prefixes that answer 403, as from a proxy
	Ledger io.Writer        // every effect as one JSON line
	Now    func() time.Time // the clock
}

// Server is the stand-in.
type Server struct {
	major  int
	master string
	closed bool
	shut   []string
	file   io.Writer
	now    func() time.Time

	mu        sync.Mutex
	databases map[string]*database
	sessions  map[string]session
	ledger    []Effect
	faults    []*script
	exhausted bool
	calls     []string
}

// New returns a stand-in without databases. It needs no closing.
func New(o Options) *Server {
	s := &Server{major: o.Major, master: o.Master, closed: o.Closed, shut: o.Shut, file: o.Ledger, now: o.Now,
		databases: map[string]*database{}, sessions: map[string]session{}}
	if s.major == 0 {
		s.major = 19
	}
	if s.master == "" {
		s.master = "admin"
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// ServeHTTP answers /xmlrpc/2/{common,db,object}, /json/2/<model>/<method>, the paths of Odoo's own pages under /web,
// and one page that says what this server is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case slices.ContainsFunc(s.shut, func(beginning string) bool { return strings.HasPrefix(path, beginning) }):
		http.Error(w, "<html><h1>403 Forbidden</h1></html>", http.StatusForbidden)
	case strings.HasPrefix(path, "/xmlrpc/2/"):
		s.serveXML(w, r, strings.TrimPrefix(path, "/xmlrpc/2/"))
	case strings.HasPrefix(path, "/json/2/") && s.major >= 19:
		s.serveJSON(w, r, strings.TrimPrefix(path, "/json/2/"))
	case strings.HasPrefix(path, "/web/"):
		s.serveWeb(w, r)
	case path == "/" || path == "/web":
		s.servePage(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveXML(w http.ResponseWriter, r *http.Request, service string) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	method, args, err := decodeCall(r.Body)
	c := call{service: service, method: method, args: args}
	op, db := c.opAndDatabase()
	login := ""
	if op == "common.authenticate" && len(args) > 1 {
		login = asString(args[1])
	}
	s.countCall(op, login)
	answer := func(w io.Writer) {
		var v any
		if err == nil {
			v, err = s.dispatchCall(c)
		}
		if err != nil {
			encodeFault(w, err)
			return
		}
		encodeAnswer(w, v)
	}
	w.Header().Set("Content-Type", "text/xml")
	s.answerWithFault(w, r, s.faultFor(op, db), answer, func(w io.Writer, f *fault) {
		f.text = strings.ReplaceAll(f.text, "{args}", fmt.Sprint(args))
		encodeFault(w, f)
	})
}

// Calls returns the name of every call so far, as in Fault.Op. A sign-in has its login too: "common.authenticate
// leadctl".
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// countCall records a call. login is that of a sign-in, "" for other calls.
func (s *Server) countCall(op, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if login != "" {
		op += " " + login
	}
	s.calls = append(s.calls, op)
}

// call is one XML-RPC call.
type call struct {
	service, method string
	args            []any
}

// opAndDatabase returns the call's name as in Fault.Op, and its database.
func (c call) opAndDatabase() (op, db string) {
	op = c.service + "." + c.method
	switch {
	case c.service == "object" && len(c.args) >= 5:
		return fmt.Sprint(c.args[3], ".", c.args[4]), fmt.Sprint(c.args[0])
	case c.service == "common" && len(c.args) > 0:
		return op, fmt.Sprint(c.args[0])
	case c.service == "db" && len(c.args) > 0:
		return op, fmt.Sprint(c.args[len(c.args)-1])
	}
	return op, ""
}

func (s *Server) dispatchCall(c call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.service {
	case "common":
		return s.callCommonService(c)
	case "db":
		return s.callDBService(c)
	case "object":
		return s.callObjectService(c)
	}
	return nil, pythonException("KeyError: '%s'", c.service)
}

func (s *Server) callCommonService(c call) (any, error) {
	switch c.method {
	case "version":
		name := fmt.Sprintf("%d.0", s.major)
		return map[string]any{"server_version": name, "server_serie": name, "protocol_version": 1,
			"server_version_info": []any{s.major, 0, 0, "final", 0, ""}}, nil
	case "authenticate":
		if len(c.args) != 4 {
			return nil, pythonException(
				"TypeError: exp_authenticate() missing 1 required positional argument: 'user_agent_env'")
		}
		db, err := s.findDatabase(asString(c.args[0]))
		if err != nil {
			return nil, err
		}
		for id, u := range db.tableOf("res.users").rows {
			if u["login"] == c.args[1] && u["active"] == true && db.acceptsSecret(id, asString(c.args[2])) {
				return id, nil
			}
		}
		return false, nil
	}
	return nil, pythonException("Exception: Method not found: %s", c.method)
}

// AddKey gives a user an API key. On a real server only a person can make one, on Odoo's own pages.
func (s *Server) AddKey(db, login, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.findDatabase(db)
	if err != nil {
		return err
	}
	for id, u := range d.tableOf("res.users").rows {
		if u["login"] == login {
			d.keys[key] = id
			return nil
		}
	}
	return userError("user %s does not exist", login)
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>Odoo stand-in</title><h1>Stand-in for Odoo</h1>",
		"<p>leadctl uses it like a real server. On a real server, this page is Odoo's CRM.</p><table>",
		"<tr><th>database</th><th>company</th><th>partners</th><th>leads</th></tr>")
	wanted := r.URL.Query().Get("db")
	for _, name := range sortedKeys(s.databases) {
		if wanted != "" && wanted != name {
			continue
		}
		db := s.databases[name]
		fmt.Fprintf(w, "<tr><td>%s</td><td>%s</td><td>%d</td><td>%d</td></tr>", html.EscapeString(name),
			html.EscapeString(asString(db.tableOf("res.company").rows[1]["name"])), len(db.tableOf("res.partner").rows),
			len(db.tableOf("crm.lead").rows))
	}
	fmt.Fprint(w, "</table>")
}

func asString(v any) string {
	s, _ := v.(string)
	return s
}
