// Package tenantid defines ID, the number that identifies a tenant.
//
// It imports no other package of leadctl, so that package postgres can require an ID without knowing what a tenant is.
// Package tenant says what a tenant is and resolves a token to an ID.
package tenantid

import "strconv"

// ID is a value of tenants.tenant_id: positive and never reused. The zero value identifies no tenant; package postgres
// rejects it.
type ID int32

// Valid reports whether id can identify a tenant.
func (id ID) Valid() bool { return id > 0 }

// String returns the decimal form used in logs, claims and URLs.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Parse returns the ID that s holds in canonical decimal form: no sign, no leading zero, no space, within int4.
// Otherwise ok is false. PostgreSQL's own cast reads ' 1 ', '+1' and '001' as tenant 1, so other forms must not reach
// it.
func Parse(s string) (id ID, ok bool) {
	if s == "" || len(s) > 10 || s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, false
	}
	return ID(n), true
}
