package pgtest

import (
	"net/url"
	"strings"
)

// dsnFor returns dsn with another database.
func dsnFor(dsn, database string) string {
	return rewriteDSN(dsn, " dbname="+database, func(u *url.URL) { u.Path = "/" + database })
}

// dsnAs returns dsn with another login.
func dsnAs(dsn, user, password string) string {
	return rewriteDSN(dsn, " user="+user+" password="+password, func(u *url.URL) {
		u.User = url.UserPassword(user, password)
	})
}

// rewriteDSN applies change to a DSN that is a URL. To a DSN in keyword=value form it appends words; of two equal
// keywords, the last one counts.
func rewriteDSN(dsn, words string, change func(*url.URL)) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		change(u)
		return u.String()
	}
	return dsn + words
}
