package fault

import "strings"

// cut replaces a wrapped error while a text is rendered for the caller.
type cut struct{}

const cutMark = "\x00"

// Error implements error, so that cut can replace a %w operand.
func (cut) Error() string { return cutMark }

// trimCut removes each mark with the punctuation that belongs to it: ": mark" or " (mark)".
func trimCut(s string) string {
	s = strings.ReplaceAll(s, ": "+cutMark, "")
	s = strings.ReplaceAll(s, " ("+cutMark+")", "")
	return strings.TrimSpace(strings.ReplaceAll(s, cutMark, ""))
}
