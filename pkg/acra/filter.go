package acra

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// All is the status that takes the whole register, as the only one in Options.
const All = "all"

// LiveStatuses returns the three statuses of a live entity. Businesses and partnerships are "Live"; companies have one
// of the other two.
func LiveStatuses() []string {
	return []string{"Live Company", "Live", "Live (Receiver or Receiver and Manager appointed)"}
}

// filter selects the rows that a run takes.
type filter struct {
	statuses [][]byte // nil takes all
	since    string   // yyyy-mm-dd; "" takes all
}

func newFilter(statuses []string, since time.Time) filter {
	var f filter
	for _, s := range statuses {
		f.statuses = append(f.statuses, []byte(s))
	}
	if !since.IsZero() {
		f.since = since.Format(time.DateOnly)
	}
	return f
}

// chosenStatuses expands Options.Status to the statuses of the register, nil for all. "live" stands for all three live
// statuses, also beside other statuses: a user who asks for live and struck-off entities means companies too.
func chosenStatuses(status []string) (chosen []string) {
	if len(status) == 0 {
		return LiveStatuses()
	}
	for _, s := range status {
		one := []string{strings.TrimSpace(s)}
		switch {
		case strings.EqualFold(one[0], All):
			return nil
		case strings.EqualFold(one[0], "live"):
			one = LiveStatuses()
		}
		for _, s := range one {
			if !slices.ContainsFunc(chosen, func(c string) bool { return strings.EqualFold(c, s) }) {
				chosen = append(chosen, s)
			}
		}
	}
	return chosen
}

// takesStatus reports whether the run takes rows of status s.
func (f filter) takesStatus(s []byte) bool {
	if f.statuses == nil {
		return true
	}
	for _, want := range f.statuses {
		if bytes.EqualFold(want, s) {
			return true
		}
	}
	return false
}

// takesDate reports whether the run takes a row with these dates. The date of issue counts when the date of
// registration is missing.
func (f filter) takesDate(registered, issued []byte) bool {
	if f.since == "" {
		return true
	}
	for _, d := range [][]byte{registered, issued} {
		if day, _, ok := cleanDate(nil, d); ok {
			return string(day) >= f.since
		}
	}
	return false
}

// canonicalStatus returns a live status in its published case. Other statuses are returned unchanged.
func canonicalStatus(s []byte, statuses []string) (out []byte, mended bool) {
	for _, live := range statuses {
		switch {
		case live == string(s):
			return s, false
		case len(live) == len(s) && strings.EqualFold(live, string(s)):
			return []byte(live), true
		}
	}
	return s, false
}
