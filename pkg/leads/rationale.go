package leads

import (
	"regexp"
	"strconv"
	"strings"
)

// Reason is one part of a rationale. Got and Of are its points and the most it can bring; both are 0 when the rationale
// states no points.
type Reason struct {
	Text    string
	Got, Of int
}

var pointsSuffix = regexp.MustCompile(`^(.*) \((\d{1,3}) of (\d{1,3})\)$`)

// ParseRationale returns the reasons that a rationale of leadctl's own scoring lists. The rationale of another service
// is one reason, unchanged.
func ParseRationale(rationale string) (list []Reason) {
	_, parts, own := strings.Cut(rationale, " of 100: ")
	if !own {
		if rationale != "" {
			list = []Reason{{Text: rationale}}
		}
		return list
	}
	open := "" // the beginning of a reason whose text contains the separator, as an industry's title may
	for part := range strings.SplitSeq(strings.TrimSuffix(parts, "."), "; ") {
		r := Reason{Text: open + part}
		if m := pointsSuffix.FindStringSubmatch(r.Text); m != nil {
			r.Text = m[1]
			r.Got, _ = strconv.Atoi(m[2])
			r.Of, _ = strconv.Atoi(m[3])
			list, open = append(list, r), ""
			continue
		}
		open += part + "; "
	}
	if open != "" {
		list = append(list, Reason{Text: strings.TrimSuffix(open, "; ")})
	}
	return list
}
