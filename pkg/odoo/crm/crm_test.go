package crm

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// TestViewsAreXMLForEachVersion: every view is well-formed, uses the syntax of the version, and shows only fields that
// leadctl creates.
func TestViewsAreXMLForEachVersion(t *testing.T) {
	t.Parallel()
	known := FieldNames(Fields())
	for _, major := range []int{14, 16, 17, 18, 19} {
		rows, err := viewRows(major)
		require.NoError(t, err)
		require.Len(t, rows, len(views()))
		for _, row := range rows {
			arch := row[len(row)-1]
			decoder := xml.NewDecoder(strings.NewReader(arch))
			for {
				token, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err, "%s in %d", row[0], major)
				element, ok := token.(xml.StartElement)
				if !ok || element.Name.Local != "field" {
					continue
				}
				for _, a := range element.Attr {
					if a.Name.Local == "name" {
						require.Contains(t, known, a.Value, row[0])
					}
				}
			}
			require.NotContains(t, arch, "{{", row[0])
			require.Equal(t, major < 17 && strings.Contains(arch, `name="leadctl"`), strings.Contains(arch, "attrs="))
			if strings.Contains(row[0], "_list") {
				require.Equal(t, major < 18, strings.Contains(arch, "//tree"), row[0])
			}
		}
	}
}

// TestHashFollowsContent: a change of anything that Odoo shows changes the hash, and nothing else does.
func TestHashFollowsContent(t *testing.T) {
	t.Parallel()
	base := Lead{UEN: "202012345A", Name: "Acme", Score: 0.5, Bucket: "low", Reasons: []string{"a"}}
	same := base
	same.Reasons = []string{"a"}
	require.Equal(t, base.Hash(), same.Hash())
	for name, change := range map[string]func(*Lead){
		"score":  func(l *Lead) { l.Score = 0.51 },
		"reason": func(l *Lead) { l.Reasons = []string{"b"} },
		"status": func(l *Lead) { l.RegisterStatus = "Struck Off" },
		"people": func(l *Lead) { l.People = []Person{{Name: "Mrs Tan"}} },
	} {
		other := base
		change(&other)
		require.NotEqual(t, base.Hash(), other.Hash(), name)
	}
}

// TestSharedFieldsStayHers: leadctl writes a field of Odoo while it is empty or as leadctl left it, whatever Odoo made
// of the HTML.
func TestSharedFieldsStayHers(t *testing.T) {
	t.Parallel()
	want := map[string]string{"description": "<p>new<br>&amp; good</p>"}
	written := map[string]string{"description": "<p>old</p>"}
	for _, c := range []struct {
		have    string
		written map[string]string
		writes  bool
	}{
		{"", nil, true},
		{"<p><br></p>", nil, true},
		{"<p>old</p>\n", written, true},
		{"old", written, true},
		{"<div><p>new<br/>&amp; good</p></div>", written, false},
		{"<p>her own words</p>", written, false},
		{"<p>old</p>", nil, false},
	} {
		p, change := &pushing{options: Options{Major: 19}}, odoo.Record{}
		p.addShared(change, odoo.Record{"description": c.have}, want, c.written)
		require.Equal(t, c.writes, len(change) > 0, "%q", c.have)
	}
	p, change := &pushing{options: Options{Major: 14}}, odoo.Record{}
	p.addShared(change, odoo.Record{}, want, nil)
	require.Equal(t, "new\n& good", change["description"], "Odoo 14 keeps plain text")
	p.addShared(change, odoo.Record{"priority": "0"}, map[string]string{"priority": "3"}, nil)
	require.Equal(t, "3", change["priority"], "no star is an empty value")
}
