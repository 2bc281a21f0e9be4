package odootest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// serveJSON answers POST /json/2/<model>/<method>. The API key is a bearer token, the database is in a header, and the
// parameters have names.
func (s *Server) serveJSON(w http.ResponseWriter, r *http.Request, path string) {
	model, method, ok := strings.Cut(path, "/")
	if !ok || r.Method != http.MethodPost {
		jsonFault(w, http.StatusNotFound, "werkzeug.exceptions.NotFound", "Did you mean POST /json/2/<model>/<method>?")
		return
	}
	db := r.Header.Get("X-Odoo-Database")
	named := map[string]any{}
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&named); err != nil {
		jsonFault(w, http.StatusBadRequest, "werkzeug.exceptions.BadRequest", "could not parse the body as json")
		return
	}
	q := request{s: s, name: db, model: model, method: method, named: convertNumbers(named).(map[string]any)}
	s.countCall(model+"."+method, "")
	f := s.faultFor(model+"."+method, db)
	answer := func(out io.Writer) {
		w, ok := out.(http.ResponseWriter)
		if !ok { // a Fault needs the body of a good answer
			w = discard{out}
		}
		s.answerJSON(w, q, r.Header.Get("Authorization"))
	}
	if f == nil {
		answer(w)
		return
	}
	if f.Execute {
		answer(io.Discard)
		answer = func(io.Writer) {}
	}
	if f.Do == Refuse {
		jsonFault(w, f.Code, "odoo.exceptions.UserError", f.Text)
	} else if !f.spoilAnswer(w, r, answer) {
		answer(w)
	}
}

func (s *Server) answerJSON(w http.ResponseWriter, q request, authorization string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.db = s.databases[q.name]; q.db == nil {
		http.Error(w, "<html>No database is selected; set X-Odoo-Database</html>", http.StatusNotFound)
		return
	}
	key, _ := strings.CutPrefix(authorization, "Bearer ")
	uid, known := q.db.keys[key]
	if !known || q.db.tableOf("res.users").rows[uid]["active"] != true {
		jsonFault(w, http.StatusUnauthorized, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
		return
	}
	if q.db.tables[q.model] == nil {
		jsonFault(w, http.StatusNotFound, "werkzeug.exceptions.NotFound", "the model '"+q.model+"' does not exist")
		return
	}
	q.uid = uid
	v, err := q.runMethod()
	if err != nil {
		status, class := jsonStatus(err)
		jsonFault(w, status, class, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// discard is a ResponseWriter that keeps only the body.
type discard struct{ io.Writer }

func (discard) Header() http.Header { return http.Header{} }
func (discard) WriteHeader(int)     {}

func jsonStatus(err error) (int, string) {
	var f *fault
	if !errors.As(err, &f) {
		return http.StatusInternalServerError, "builtins.Exception"
	}
	switch f.code {
	case 2:
		return http.StatusUnprocessableEntity, "odoo.exceptions.ValidationError"
	case 4:
		return http.StatusForbidden, "odoo.exceptions.AccessError"
	}
	return http.StatusInternalServerError, "builtins.ValueError"
}

func jsonFault(w http.ResponseWriter, status int, class, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"name": class, "message": message, "arguments": []any{message},
		"context": map[string]any{},
		"debug":   "Traceback (most recent call last):\n  File \"odoo/http.py\"\n" + message})
}

// convertNumbers converts JSON numbers to int64 or float64.
func convertNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = convertNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = convertNumbers(v[k])
		}
	}
	return v
}
