package pgtemp

import (
	"fmt"
	"strconv"
	"strings"
)

// version is a PostgreSQL version, such as 15.14. minor is -1 for a build without a minor version, such as "18beta1".
type version struct {
	major, minor int
	text         string
}

// parseVersion parses the output of `postgres --version`: "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)".
func parseVersion(output string) (version, error) {
	_, rest, found := strings.Cut(output, "(PostgreSQL) ")
	words := strings.Fields(rest)
	if !found || len(words) == 0 {
		return version{}, fmt.Errorf("postgres --version printed %q: no PostgreSQL version", output)
	}
	v := version{minor: -1, text: words[0]}
	digits := len(v.text) - len(strings.TrimLeft(v.text, "0123456789"))
	major, err := strconv.Atoi(v.text[:digits])
	if err != nil {
		return version{}, fmt.Errorf("postgres --version printed %q: no PostgreSQL version", output)
	}
	v.major = major
	if minor, err := strconv.Atoi(strings.TrimPrefix(v.text[digits:], ".")); err == nil {
		v.minor = minor
	}
	return v, nil
}

func (v version) String() string { return v.text }

func (v version) newerThan(w version) bool {
	if v.major != w.major {
		return v.major > w.major
	}
	return v.minor > w.minor
}
