package console

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// functions are what templates may call: how numbers, times and durations are written.
func (c *Console) functions() template.FuncMap {
	return template.FuncMap{
		"asset":  func(name string) string { a := c.assets["/console/"+name]; return a.path + "?v=" + a.digest },
		"number": number,
		"ago":    func(t any) string { return ago(c.now(), t) },
		"stamp":  stamp,
		"iso":    iso,
		"took":   took,
		"text":   text,
		"points": points,
		"plural": plural,
		"words":  words,
		"share":  share,
		"bucket": func(name *string) string { return bucketClass(text(name)) },
	}
}

// number writes 1234567 as 1,234,567.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
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

// ago says how long a time is past, in its largest unit.
func ago(now time.Time, v any) string {
	t, ok := timeOf(v)
	if !ok {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return "in " + span(-d)
	case d < 10*time.Second:
		return "just now"
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int64(d / u.size); n > 0 {
			return plural(n, u.name, u.name+"s")
		}
	}
	return plural(int64(d/time.Second), "second", "seconds")
}

func stamp(v any) string {
	if t, ok := timeOf(v); ok {
		return t.UTC().Format("2 Jan 2006, 15:04 UTC")
	}
	return "never"
}

func iso(v any) string {
	if t, ok := timeOf(v); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return ""
}

// took writes a duration as people say it.
func took(d time.Duration) string {
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

// text is what a pointer points to, "" for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// points is a score from 0 to 1 as one of 100, rounded as the rationale rounds it.
func points(score *float64) int {
	if score == nil || math.IsNaN(*score) {
		return 0
	}
	return int(math.Floor(math.Max(0, math.Min(1, *score))*100 + 0.5))
}

// words makes an identifier readable: odoo_service_account as odoo service account.
func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// share is a part of a whole in percent. What is there at all is never 0 %.
func share(n, of int64) string {
	if of == 0 || n == 0 {
		return "0 %"
	}
	if p := 100 * float64(n) / float64(of); p >= 1 {
		return fmt.Sprintf("%.0f %%", p)
	}
	return "< 1 %"
}
