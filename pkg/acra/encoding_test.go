package acra_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

const savedFile = "uen,entity_name,entity_status_description,postal_code,primary_ssic_code,unit_no\n" +
	"53000001E,\"CAFÉ, \u202aONE\u202c\",Live,S018982,N/A,-\n" +
	"53000002D,NULL,Live,18982.0,62011,07\n"

func encodeUTF16(text string, little, mark bool) []byte {
	var out []byte
	if mark {
		text = "\ufeff" + text
	}
	for _, u := range utf16.Encode([]rune(text)) {
		if little {
			out = append(out, byte(u), byte(u>>8))
		} else {
			out = append(out, byte(u>>8), byte(u))
		}
	}
	return out
}

// Files as spreadsheets and people save them give the same rows.
func TestFilesAsTheyAreSaved(t *testing.T) {
	t.Parallel()
	quoted := strings.Replace(savedFile, "uen,entity_name", `"uen","entity_name"`, 1)
	separated := func(by string) string {
		text := strings.ReplaceAll(strings.Replace(savedFile, "CAFÉ, ", "CAFÉ~ ", 1), ",", by)
		return strings.Replace(text, "CAFÉ~ ", "CAFÉ, ", 1)
	}
	db := pgtest.New(t)
	want := []string{}
	for i, c := range []struct {
		name string
		text []byte
	}{
		{"plain", []byte(savedFile)},
		{"byte order mark", []byte("\ufeff" + quoted)},
		{"UTF-16 little endian", encodeUTF16(quoted, true, true)},
		{"UTF-16 big endian", encodeUTF16(savedFile, false, true)},
		{"UTF-16 without a mark", encodeUTF16(savedFile, true, false)},
		{"semicolons", []byte(separated(";"))},
		{"tabs", []byte(separated("\t"))},
		{"sep=", []byte("sep=;\r\n" + separated(";"))},
		{"sep= in UTF-16", encodeUTF16("\"sep=;\"\r\n"+separated(";"), true, true)},
		{"CR alone", []byte(strings.ReplaceAll(savedFile, "\n", "\r"))},
		{"CR LF", []byte(strings.ReplaceAll(savedFile, "\n", "\r\n"))},
		{"newline in the header", []byte(strings.Replace(separated(";"), "postal_code", "\"Postal\nCode\"", 1))},
		{"spaces in the header", []byte(strings.Replace(savedFile, "uen,entity_name", "UEN , Entity Name", 1))},
		{"empty columns at the end", []byte(strings.ReplaceAll(savedFile, "\n", ",,\n"))},
	} {
		_, err := db.Owner.Exec(t.Context(), `TRUNCATE staging_acra_companies`)
		require.NoError(t, err)
		opts := allRows(c.text)
		opts.Resume = false
		rep := ingest(t, db, opts)
		require.EqualValues(t, 2, rep.Inserted, c.name)
		if i == 0 {
			want = tableRows(t, db.Owner)
			require.Contains(t, want[0], `"CAFÉ, ONE"`)
			require.Contains(t, want[0], ",018982,")
			require.Contains(t, want[1], ",NULL,", "a company may have this name")
			require.Contains(t, want[1], ",018982,")
			require.Equal(t, int64(1), queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies
				WHERE primary_ssic_code IS NULL AND unit_no IS NULL`))
		}
		require.Equal(t, want, tableRows(t, db.Owner), c.name)
	}
}

// What is no CSV is refused by name.
func TestWorkbookIsNamed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := acra.Ingest(t.Context(), db.App, allRows([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old workbook")))
	require.ErrorContains(t, err, "is an Excel workbook, want CSV")
	require.Contains(t, fault.Hint(err), "CSV UTF-8")
}

// A header that leaves a choice is a question to the operator. The flag in the hint answers it.
func TestHeaderQuestions(t *testing.T) {
	t.Parallel()
	const rows = "53000001E,A,Live,018982,999999\n"
	for _, c := range []struct{ header, wrong, hint, answer, postal string }{
		{"uen,entity_name,entity_status_description,postcode,extra", "unknown column postcode, extra, and no column",
			"--column postcode=", "postcode=postal_code extra=-", "018982"},
		{"uen,entity_name,entity_status_description,postal_code,Postal_Code", "column postal_code occurs twice",
			"--column 'postal_code#2=-'", "postal_code#2=-", "018982"},
		{"uen,entity_name,entity_status_description,postal_code,postal_code", "column postal_code occurs twice",
			"--column 'postal_code=-'", "postal_code=- postal_code#2=postal_code", "999999"},
		{"uen,name,entity_status_description,postal_code,-", "column entity_name missing",
			"--column NAME=entity_name", "name=entity_name -=-", "018982"},
	} {
		db := pgtest.New(t)
		_, err := acra.Ingest(t.Context(), db.App, allRows([]byte(c.header+"\n"+rows)))
		require.ErrorContains(t, err, c.wrong)
		require.Contains(t, fault.Hint(err), c.hint)
		require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))
		opts := allRows([]byte(c.header + "\n" + rows))
		opts.Columns = strings.Fields(c.answer)
		ingest(t, db, opts)
		require.Equal(t, c.postal, queryOne[string](t, db.Owner, `SELECT postal_code FROM staging_acra_companies`))
	}
	opts := allRows([]byte(savedFile))
	opts.Columns = []string{"postcode=zip"}
	_, err := acra.Ingest(t.Context(), pgtest.New(t).App, opts)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
}

func TestHeaderLineAmongTheRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	opts := allRows(bytes.Repeat([]byte(savedFile), 2))
	opts.MaxRejects = 1
	rep := ingest(t, db, opts)
	require.EqualValues(t, 2, rep.Inserted)
	require.Equal(t, map[string]int64{"a header line among the rows": 1}, rep.Detail.Reasons)
}
