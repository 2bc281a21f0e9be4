package odootest

import "regexp"

var nameRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// callDBService is Odoo's database service. Every method that changes something takes the master password first.
func (s *Server) callDBService(c call) (any, error) {
	switch {
	case c.method == "server_version":
		return "19.0", nil
	case c.method == "db_exist" && len(c.args) == 1:
		_, exists := s.databases[asString(c.args[0])]
		return exists && !s.exhausted, nil
	case s.closed:
		return nil, accessDenied()
	case c.method == "list":
		out := []any{}
		for _, name := range sortedKeys(s.databases) {
			out = append(out, name)
		}
		return out, nil
	case len(c.args) == 0 || c.args[0] != any(s.master):
		return nil, accessDenied()
	}
	return s.changeDatabases(c.method, c.args[1:])
}

func (s *Server) changeDatabases(method string, args []any) (any, error) {
	arg := func(i int) string {
		if i < len(args) {
			return asString(args[i])
		}
		return ""
	}
	switch method {
	case "create_database":
		return true, s.createDatabase(arg(0), arg(4), arg(3))
	case "duplicate_database":
		return true, s.duplicateDatabase(arg(0), arg(1))
	case "rename":
		return true, s.renameDatabase(arg(0), arg(1))
	case "drop":
		if _, ok := s.databases[arg(0)]; !ok {
			return false, nil
		}
		delete(s.databases, arg(0))
		s.appendEffect(Effect{Do: "drop", Database: arg(0)})
		return true, nil
	}
	return nil, pythonException("KeyError: '%s'", method)
}

func (s *Server) createDatabase(name, login, password string) error {
	if !nameRule.MatchString(name) {
		return pythonException("Exception: invalid database name")
	}
	if _, taken := s.databases[name]; taken {
		return pythonException("odoo.service.db.DatabaseExists: database '%s' already exists!", name)
	}
	if login == "" {
		login = "admin"
	}
	if password == "" {
		password = "admin"
	}
	s.databases[name] = newDatabase(s.major, login, password, s.now().UTC())
	s.appendEffect(Effect{Do: "create_database", Database: name})
	return nil
}

func (s *Server) duplicateDatabase(from, to string) error {
	source, ok := s.databases[from]
	if !ok {
		return pythonException("psycopg2.errors.InvalidCatalogName: template database \"%s\" does not exist", from)
	}
	if _, taken := s.databases[to]; taken {
		return pythonException("psycopg2.errors.DuplicateDatabase: database \"%s\" already exists", to)
	}
	s.databases[to] = source.cloneDatabase()
	s.appendEffect(Effect{Do: "duplicate_database", Database: to, Name: from})
	return nil
}

func (s *Server) renameDatabase(from, to string) error {
	db, ok := s.databases[from]
	if !ok {
		return pythonException("psycopg2.errors.InvalidCatalogName: database \"%s\" does not exist", from)
	}
	if _, taken := s.databases[to]; taken {
		return pythonException("psycopg2.errors.DuplicateDatabase: database \"%s\" already exists", to)
	}
	delete(s.databases, from)
	s.databases[to] = db
	s.appendEffect(Effect{Do: "rename", Database: to, Name: from})
	return nil
}

func (s *Server) findDatabase(name string) (*database, error) {
	db, ok := s.databases[name]
	if !ok {
		return nil, pythonException(
			"psycopg2.OperationalError: connection to server failed: FATAL:  database \"%s\" does not exist", name)
	}
	return db, nil
}
