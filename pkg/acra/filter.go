package acra

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// All takes the whole register, as the only status of Options.
const All = "all"

// LiveStatuses are the three ways in which the register says that an entity exists: businesses and partnerships are
// "Live", companies one of the others.
func LiveStatuses() []string {
	return []string{"Live Company", "Live", "Live (Receiver or Receiver and Manager appointed)"}
}

// filter is which rows a run takes.
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

// chosenStatuses is what Options.Status means: nil for all. "live" is all three that say so, also beside others: whoever asks
// for live and struck-off entities does not mean to leave the companies out.
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

// takesDate reports whether the run takes a row registered, or else issued its UEN, at these dates.
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

// canonicalStatus is a live status as it is published, whatever case it came in. Others are kept as they are.
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
