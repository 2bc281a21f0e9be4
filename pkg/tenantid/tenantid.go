// Package tenantid is the one word every layer shares about tenancy: the number that names a tenant.
//
// It is a leaf so that the database doors (package postgres) can demand an ID without knowing what a tenant is.
// What a tenant is, and how a token becomes an ID, is package tenant.
package tenantid

import "strconv"

// ID is tenants.tenant_id: positive, never reused. The zero value names no tenant and is refused by every door.
type ID int32

// Valid reports whether id can name a tenant.
func (id ID) Valid() bool { return id > 0 }

// String is the decimal form used in logs, claims and URLs.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Parse reads the canonical decimal form only: no sign, no leading zero, no space, within int4.
// PostgreSQL's own cast maps ' 1 ', '+1' and '001' to tenant 1, so nothing looser may ever reach it.
func Parse(s string) (ID, bool) {
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
