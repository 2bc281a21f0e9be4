package odootest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// serveWeb answers the requests of Odoo's own pages: the version, JSON-RPC with a session cookie, and the forms of the
// database manager.
func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request) {
	form, isForm := strings.CutPrefix(r.URL.Path, "/web/database/")
	switch {
	case r.URL.Path == "/web/version" && s.major >= 19:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"version_info": [%d, 0, 0, "final", 0, ""], "version": "%d.0"}`, s.major, s.major)
	case isForm && form != "list":
		s.serveForm(w, r, form)
	case isForm, r.URL.Path == "/web/session/authenticate", strings.HasPrefix(r.URL.Path, "/web/dataset/call_kw/"):
		s.serveRPC(w, r)
	case r.URL.Path == "/web/login":
		s.servePage(w, r)
	default:
		http.NotFound(w, r)
	}
}

// hasSeveralDatabases reports whether a call without a session could mean any of several databases.
func (s *Server) hasSeveralDatabases() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.databases) > 1
}

// session is the database and user of a cookie.
type session struct {
	database string
	uid      int64
	secret   string // of the sign-in; the session ends when the user's password differs from it
}

func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request) {
	var body struct{ Params map[string]any }
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&body); err != nil {
		http.Error(w, "no JSON-RPC", http.StatusBadRequest)
		return
	}
	params, _ := convertNumbers(body.Params).(map[string]any)
	op, db := s.webLabel(r, params)
	if strings.HasPrefix(r.URL.Path, "/web/dataset/") && db == "" && s.hasSeveralDatabases() {
		http.Error(w, "<html>No database is selected. Alternatively, use the X-Odoo-Database header.</html>",
			http.StatusNotFound)
		return
	}
	s.countCall(op, asString(params["login"]))
	answer := func(out io.Writer) {
		result, err := s.answerRPC(w, r, params)
		reply := map[string]any{"jsonrpc": "2.0", "id": nil, "result": result}
		if err != nil {
			delete(reply, "result")
			reply["error"] = webError(err)
		}
		_ = json.NewEncoder(out).Encode(reply)
	}
	w.Header().Set("Content-Type", "application/json")
	s.answerWithFault(w, r, s.faultFor(op, db), answer, func(w io.Writer, f *fault) {
		f.text = strings.ReplaceAll(f.text, "{args}", fmt.Sprint(params))
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "error": webError(f)})
	})
}

// webLabel returns the call's name as in Fault.Op, and its database.
func (s *Server) webLabel(r *http.Request, params map[string]any) (op, db string) {
	switch r.URL.Path {
	case "/web/database/list":
		return "web.database.list", ""
	case "/web/session/authenticate":
		return "web.authenticate", asString(params["db"])
	}
	in, _ := s.sessionOf(r)
	return asString(params["model"]) + "." + asString(params["method"]), in.database
}

func (s *Server) sessionOf(r *http.Request) (session, bool) {
	c, err := r.Cookie("session_id")
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.sessions[c.Value]
	return in, ok
}

func (s *Server) answerRPC(w http.ResponseWriter, r *http.Request, params map[string]any) (any, error) {
	in, signedIn := s.sessionOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.URL.Path == "/web/database/list":
		return s.callDBService(call{method: "list"})
	case r.URL.Path == "/web/session/authenticate":
		return s.webAuthenticate(w, params)
	case !signedIn:
		return nil, errExpired
	}
	db, err := s.findDatabase(in.database)
	if err != nil {
		return nil, err
	}
	if u := db.tableOf("res.users").rows[in.uid]; u == nil || u["active"] != true || db.passwords[in.uid] != in.secret {
		return nil, errExpired
	}
	q := request{s: s, db: db, name: in.database, uid: in.uid, model: asString(params["model"]),
		method: asString(params["method"]), named: map[string]any{}}
	q.args, _ = params["args"].([]any)
	if named, ok := params["kwargs"].(map[string]any); ok {
		q.named = named
	}
	return q.runMethod()
}

var errExpired = errors.New("session expired")

func (s *Server) webAuthenticate(w http.ResponseWriter, params map[string]any) (any, error) {
	db, err := s.findDatabase(asString(params["db"]))
	if err != nil {
		return nil, err
	}
	secret := asString(params["password"])
	for id, u := range db.tableOf("res.users").rows {
		if u["login"] == params["login"] && u["active"] == true && secret != "" && db.passwords[id] == secret {
			cookie := "session" + strconv.Itoa(len(s.sessions))
			s.sessions[cookie] = session{asString(params["db"]), id, secret}
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: cookie, HttpOnly: true})
			return map[string]any{"uid": id, "db": params["db"], "username": params["login"]}, nil
		}
	}
	return nil, accessDenied()
}

func webError(err error) map[string]any {
	name := "builtins.Exception"
	var f *fault
	switch {
	case errors.Is(err, errExpired):
		name = "odoo.http.SessionExpiredException"
	case errors.As(err, &f):
		name = map[int]string{1: "builtins.ValueError", 2: "odoo.exceptions.UserError",
			3: "odoo.exceptions.AccessDenied", 4: "odoo.exceptions.AccessError"}[f.code]
	}
	return map[string]any{"code": 0, "message": "Odoo Server Error",
		"data": map[string]any{"name": name, "message": err.Error(),
			"debug": "Traceback (most recent call last):\n" + err.Error()}}
}

// serveForm answers a form of the database manager: a redirect after success, a page with an alert after failure.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request, form string) {
	name, to := r.PostFormValue("name"), r.PostFormValue("new_name")
	args := []any{r.PostFormValue("master_pwd"), name}
	method := map[string]string{"create": "create_database", "duplicate": "duplicate_database", "drop": "drop"}[form]
	switch form {
	case "create":
		args = append(args, false, r.PostFormValue("lang"), r.PostFormValue("password"), r.PostFormValue("login"))
	case "duplicate":
		args = append(args, to)
		name = to
	case "drop":
	default:
		http.NotFound(w, r)
		return
	}
	s.countCall("web.database."+form, "")
	alert := func(out io.Writer, f *fault) {
		said := strings.ReplaceAll(f.text, "{args}", fmt.Sprint(args))
		if i := strings.LastIndex(strings.TrimSpace(said), "\n"); i >= 0 {
			said = said[i+1:]
		}
		fmt.Fprintf(out, `<html><div class="alert alert-danger">Database %s error: %s</div></html>`, form,
			html.EscapeString(said))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.answerWithFault(w, r, s.faultFor("web.database."+form, name), func(out io.Writer) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var f *fault
		if _, err := s.callDBService(call{method: method, args: args}); errors.As(err, &f) {
			alert(out, f)
			return
		}
		if out == io.Writer(w) {
			w.Header().Set("Location", "/web/database/manager")
			w.WriteHeader(http.StatusSeeOther)
		}
	}, alert)
}

// EndSessions removes every session, as Odoo does with sessions that were not used for long.
func (s *Server) EndSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}
