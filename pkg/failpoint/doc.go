// Package failpoint is where a test asks a real process to die, stop or wait: right before and right after each effect on
// PostgreSQL and on Odoo. Only binaries built with the tag failpoint listen; in all others Hit is an empty function and
// none of its names are in the binary.
//
// A point is named by the side it stands on and by the effect: "before commit onboarding step", "after odoo res.users.create".
// The points stand where every effect passes (package postgres's transactions, package odoo's calls and statements), so that
// a new effect is a new point by itself. scripts/torture asks for them.
package failpoint
