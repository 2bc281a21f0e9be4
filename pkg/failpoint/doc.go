// Package failpoint lets a test kill, stop or delay a real process immediately before or after an effect on PostgreSQL
// or Odoo. Only binaries built with the tag failpoint do so. In all other binaries Hit is an empty function.
//
// A failpoint's name is its side and its effect: "before commit onboarding step", "after odoo res.users.create". The
// calls of Hit are in the code that every effect passes (transactions in package postgres, calls and statements in
// package odoo), so a new effect needs no new call. scripts/torture sets the failpoints.
package failpoint
