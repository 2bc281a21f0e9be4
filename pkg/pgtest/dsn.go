package pgtest

import (
	"net/url"
	"strings"
)

// dsnFor is dsn for another database.
func dsnFor(dsn, database string) string {
	return rewriteDSN(dsn, " dbname="+database, func(u *url.URL) { u.Path = "/" + database })
}

// dsnAs is dsn for another login.
func dsnAs(dsn, user, password string) string {
	return rewriteDSN(dsn, " user="+user+" password="+password, func(u *url.URL) { u.User = url.UserPassword(user, password) })
}

// rewriteDSN changes a URL by change. To a DSN of keywords it adds words, of which the last of a kind counts.
func rewriteDSN(dsn, words string, change func(*url.URL)) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		change(u)
		return u.String()
	}
	return dsn + words
}
