package leads_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
)

func TestProfileFaultsNameTheMember(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`[]`:                                   "payload: must be a JSON object",
		`null`:                                 "payload: must be a JSON object",
		``:                                     "payload: must be a JSON object",
		`"x"`:                                  "payload: must be a JSON object",
		`{"industries":`:                       "payload",
		`{"industries":"software"}`:            "payload.industries: want a list of strings, got a string",
		`{"industries":[1]}`:                   "payload.industries.0: want a string, got a number",
		`{"industries":[""]}`:                  "payload.industries[0]: must contain a letter or digit",
		`{"industries":["a"],"industries":[]}`: "payload.industries: not valid JSON, or a member occurs twice",
		`{"keywords":["ok","a\u0007b"]}`:       "payload.keywords[1]: must not contain a control character",
		`{"keywords":["a\u0000b"]}`:            "payload.keywords[0]: must not contain a control character",
		`{"keywords":["***"]}`:                 "payload.keywords[0]: must contain a letter or digit",
		`{"ssic_codes":["6"]}`:                 `payload.ssic_codes[0] "6": must be two to five digits`,
		`{"ssic_codes":["620111"]}`:            `payload.ssic_codes[0] "620111": must be two to five digits`,
		`{"ssic_codes":[62011]}`:               "payload.ssic_codes.0:",
		`{"employee_range":{"min":-1}}`:        "payload.employee_range.min -1",
		`{"employee_range":{"min":1.5}}`:       "payload.employee_range.min: want an integer, got a number",
		`{"employee_range":{"min":"10"}}`:      "payload.employee_range.min: want an integer, got a string",
		`{"employee_range":{"from":1}}`:        "payload.employee_range.from: unknown member; must be min or max",
		`{"employee_range":[1,2]}`:             "payload.employee_range: want an object, got a list",
		`{"incorporation_year":{"max":99}}`:    "payload.incorporation_year.max 99",
		`{"incorporation_year":{"min":2020,"max":2010}}`: "payload.incorporation_year: min 2020 is above " +
			"max 2010",
		`{"exclusions":{"uens":["x"]}}`:                         `payload.exclusions.uens[0] "x": must be a UEN`,
		`{"exclusions":{"names":["x"]}}`:                        "payload.exclusions.names: unknown member",
		`{"entity_types":["` + strings.Repeat("x", 200) + `"]}`: "payload.entity_types[0]: must have at most 120 bytes",
		`{"keywords":[` + strings.Repeat(`"a",`, 300) + `"a"]}`: "payload.keywords: 301 values",
		`{"x":"` + strings.Repeat("y", 70_000) + `"}`:           "payload: 7",
	} {
		_, err := leads.ParseProfile([]byte(payload))
		require.Equal(t, fault.Invalid, fault.KindOf(err), payload)
		require.Contains(t, fault.Text(err), want)
	}
}

func TestProfileKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	p, err := leads.ParseProfile(
		[]byte(`{"industries":["software","Blockchain"],"geos":["SG"],"employee_range":null,"keywords":null}`))
	require.NoError(t, err)
	require.Equal(t, []string{
		"payload.geos: unknown member; it is stored but has no effect",
		`industry "Blockchain": not a section, division or known word of SSIC 2020; compared with ` +
			`companies.industry_norm`,
	}, p.Warnings())
}

func TestDefaultPayloadIsAProfileWithoutWarnings(t *testing.T) {
	t.Parallel()
	p, err := leads.ParseProfile([]byte(leads.DefaultPayload))
	require.NoError(t, err)
	require.Empty(t, p.Warnings())
	require.Len(t, p.Industries, 3)
}
