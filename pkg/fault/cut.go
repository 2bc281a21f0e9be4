package fault

import "strings"

// cut stands in for a wrapped error while a text is rendered for the caller.
type cut struct{}

const cutMark = "\x00"

// Error implements error so that cut can take the place of a %w operand.
func (cut) Error() string { return cutMark }

// trimCut removes the marks together with the ": " that led to them.
func trimCut(s string) string {
	s = strings.ReplaceAll(s, ": "+cutMark, "")
	s = strings.ReplaceAll(s, " ("+cutMark+")", "")
	return strings.TrimSpace(strings.ReplaceAll(s, cutMark, ""))
}
