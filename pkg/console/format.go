package console

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// templateFunctions returns the functions that templates can call. They format numbers, times and durations.
func (c *Console) templateFunctions() template.FuncMap {
	return template.FuncMap{
		"asset":  func(name string) string { a := c.assets["/console/"+name]; return a.path + "?v=" + a.digest },
		"number": formatNumber,
		"ago":    func(t any) string { return formatAgo(c.now(), t) },
		"stamp":  formatTime,
		"iso":    formatRFC3339,
		"took":   formatDuration,
		"text":   textOf,
		"points": scorePoints,
		"plural": formatCount,
		"words":  asWords,
		"share":  formatShare,
		"bucket": func(name *string) string { return bucketClass(textOf(name)) },
	}
}

// formatNumber returns 1234567 as 1,234,567.
func formatNumber(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func formatCount(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return formatNumber(n) + " " + many
}

func timeOf(v any) (time.Time, bool) {
	switch t := v.(type) {
	case time.Time:
		return t, !t.IsZero()
	case *time.Time:
		if t != nil {
			return *t, true
		}
	}
	return time.Time{}, false
}

// formatAgo returns the time since v in its largest unit, such as "2 days ago".
func formatAgo(now time.Time, v any) string {
	t, ok := timeOf(v)
	if !ok {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return "in " + formatSpan(-d)
	case d < 10*time.Second:
		return "just now"
	}
	return formatSpan(d) + " ago"
}

func formatSpan(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int64(d / u.size); n > 0 {
			return formatCount(n, u.name, u.name+"s")
		}
	}
	return formatCount(int64(d/time.Second), "second", "seconds")
}

func formatTime(v any) string {
	if t, ok := timeOf(v); ok {
		return t.UTC().Format("2 Jan 2006, 15:04 UTC")
	}
	return "never"
}

func formatRFC3339(v any) string {
	if t, ok := timeOf(v); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return ""
}

// formatDuration returns d with a precision that fits its size, from milliseconds to hours.
func formatDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(max(1, d.Milliseconds()), 10) + " ms"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// textOf returns *s, or "" for nil.
func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// scorePoints converts a score from 0 to 1 to points from 0 to 100. It rounds like the rationale.
func scorePoints(score *float64) int {
	if score == nil || math.IsNaN(*score) {
		return 0
	}
	return int(math.Floor(math.Max(0, math.Min(1, *score))*100 + 0.5))
}

// asWords replaces underscores with spaces: odoo_service_account becomes odoo service account.
func asWords(s string) string { return strings.ReplaceAll(s, "_", " ") }

// formatShare returns n of a total in percent. It returns 0 % only if n is 0.
func formatShare(n, of int64) string {
	if of == 0 || n == 0 {
		return "0 %"
	}
	if p := 100 * float64(n) / float64(of); p >= 1 {
		return fmt.Sprintf("%.0f %%", p)
	}
	return "< 1 %"
}
