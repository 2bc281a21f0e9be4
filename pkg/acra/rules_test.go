package acra_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// uen returns a valid UEN, the n-th of a business.
func uen(n int) string {
	body := fmt.Sprintf("%08d", n)
	return body + string(acra.CheckLetter(body))
}

func TestWhatIsStored(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	cases := []struct{ column, from, to, warning string }{
		{"entity_name", "  ACME  ", "ACME", ""},
		{"entity_name", "na", "", ""},
		{"entity_name", "NA", "", ""},
		{"entity_name", "", "", ""},
		{"entity_name", "NAB", "NAB", ""},
		{"entity_name", `BACK\SLASH\N`, `BACK\SLASH\N`, ""},
		{"entity_name", `"A, ""B"" C"`, `A, "B" C`, ""},
		{"entity_name", "A\u00a0B", "A B", "control or no-break space"},
		{"entity_name", "\ufeffA\u200bB", "AB", "control or no-break space"},
		{"entity_name", "\"LINE\r\nTWO\"", "LINE TWO", "control or no-break space"},
		{"entity_name", "TAB\tHERE", "TAB HERE", "control or no-break space"},
		{"entity_name", "CAFÉ 中文", "CAFÉ 中文", ""},
		{"entity_name", "@ ZONE", "@ ZONE", ""},
		{"entity_name", strings.Repeat("LONG ", 60) + "X", strings.Repeat("LONG ", 60) + "X", ""},
		{"unit_no", "-3", "-3", ""},
		{"unit_no", "01", "01", ""},
		{"registration_incorporation_date", "16/07/1968", "1968-07-16", "date format"},
		{"registration_incorporation_date", "6/7/1968", "1968-07-06", "date format"},
		{"registration_incorporation_date", "1968-07-16T00:00:00", "1968-07-16", "date format"},
		{"registration_incorporation_date", "1891-03-17", "1891-03-17", ""},
		{"account_due_date", "2024-02-29", "2024-02-29", ""},
		{"primary_ssic_code", "62011.0", "62011", "ssic format"},
		{"primary_ssic_code", "1111", "01111", "ssic format"},
		{"primary_ssic_code", "01111", "01111", ""},
		{"secondary_ssic_code", "NA", "", ""},
		{"no_of_officers", "3.0", "3", "officers format"},
		{"no_of_officers", "many", "", "officers format"},
		{"no_of_officers", "102", "102", ""},
		{"postal_code", "18982", "018982", "postal code zero"},
		{"postal_code", "106", "0106", "postal code zero"},
		{"postal_code", "0106", "0106", ""},
		{"postal_code", "42", "42", ""},
		{"postal_code", "EC1A", "EC1A", ""},
		{"entity_status_description", "LIVE COMPANY", "Live Company", "status case"},
		{"entity_status_description", "STRUCK OFF", "STRUCK OFF", ""},
	}
	var text bytes.Buffer
	for i, c := range cases {
		line := registerCSV("uen "+c.column, uen(i)+"|"+c.from)
		if i > 0 {
			_, line, _ = bytes.Cut(line, []byte("\n"))
		}
		text.Write(line)
	}
	rep := ingest(t, db, allRows(text.Bytes()))
	require.EqualValues(t, len(cases), rep.Inserted)
	warnings := map[string]int64{}
	for i, c := range cases {
		have := queryOne[*string](t, db.Owner, `SELECT `+c.column+` FROM staging_acra_companies WHERE uen = $1`, uen(i))
		if c.to == "" {
			require.Nil(t, have, "%s %q is missing, not a text", c.column, c.from)
		} else {
			require.Equal(t, &c.to, have, "%s %q", c.column, c.from)
		}
		if c.warning != "" {
			warnings[c.warning]++
		}
	}
	require.Equal(t, warnings, rep.Detail.Warnings)
}

func testMalformedRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	cases := []struct{ columns, line, reason string }{
		{"uen", "", "uen: missing"},
		{"uen", "na", "uen: missing"},
		{"uen", "HELLO", `uen "HELLO": none of the three UEN formats`},
		{"uen", "2015321O8K", `uen "2015321O8K": none of the three UEN formats`},
		{"uen registration_incorporation_date", uen(1) + "|2019-02-30",
			`registration_incorporation_date "2019-02-30": not a valid value`},
		{"uen annual_return_date", uen(1) + "|soon", `annual_return_date "soon": not a valid value`},
		{"uen account_due_date", uen(1) + "|07/31/2020", `account_due_date "07/31/2020": not a valid value`},
		{"uen primary_ssic_code", uen(1) + "|6201A", `primary_ssic_code "6201A": not a valid value`},
		{"uen secondary_ssic_code", uen(1) + "|123456", `secondary_ssic_code "123456": not a valid value`},
		{"uen entity_name", uen(1) + "|A\x00B", "entity_name: a NUL character"},
		{"uen entity_name", uen(1) + "|A\xffB", "entity_name: not UTF-8"},
		{"uen entity_name", uen(1) + "|=1+1", "entity_name: a formula"},
		{"uen entity_name", uen(1) + "|@SUM(1)*cmd|' /C calc'!A0", ""}, // this table splits at |; checked below
		{"uen entity_name", uen(1) + "|" + strings.Repeat("x", 10<<20), "record longer than 65536 bytes"},
		{"uen", uen(1) + ",surplus", "54 columns instead of 53"},
		{"uen", uen(1) + `,"`, "unclosed quote"},
	}
	header, _, _ := bytes.Cut(registerCSV("uen"), []byte("\n"))
	text := append(bytes.Clone(header), '\n')
	var want []string
	line := 2
	for _, c := range cases {
		if c.reason == "" {
			continue
		}
		_, row, _ := bytes.Cut(registerCSV(c.columns, c.line), []byte("\n"))
		text = append(text, row...)
		want = append(want, fmt.Sprintf("%d %s", line, c.reason))
		line++
	}
	text = append(text, uen(7)+strings.Repeat(",na", 51)+"\n"...) // one column too few
	want = append(want, fmt.Sprintf("%d 52 columns instead of 53", line))
	text = append(text, uen(8)+",na,+cmd|' /C calc'!A0"+strings.Repeat(",na", 50)+"\n"...)
	want = append(want, fmt.Sprintf("%d entity_name: a formula", line+1))
	text = append(text, uen(9)+strings.Repeat(",na", 52)+"\n"...) // a good row after all the bad ones

	opts := allRows(text)
	opts.MaxRejects = 1
	rep := ingest(t, db, opts)
	require.EqualValues(t, len(want), rep.Rejected)
	require.EqualValues(t, 1, rep.Inserted)
	list, err := acra.Rejects(t.Context(), db.App, 0, 100)
	require.NoError(t, err)
	var have []string
	for _, r := range list {
		require.Equal(t, "test", r.Part)
		require.LessOrEqual(t, len(r.Raw), 3*2048)
		have = append(have, fmt.Sprintf("%d %s", r.Line, r.Reason))
	}
	require.Equal(t, want, have)
}

// Each trap of the generator has its expected outcome, also in a random mixture.
func TestDirtyRegister(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, tally := generate(t, 4000, acragen.Options{Dirty: 0.5})
	var refused, twice int64
	for trap, n := range tally.Traps {
		if trap.Rejected() {
			refused += int64(n)
		}
		if trap == acragen.SameUEN {
			twice += int64(n)
		}
	}
	opts := allRows(text)
	opts.MaxRejects = 1
	rep := ingest(t, db, opts)
	require.Equal(t, refused, rep.Rejected)
	require.LessOrEqual(t, rep.Duplicates, twice, "the earlier row of a pair may be rejected itself")
	require.Greater(t, rep.Duplicates, twice/2)
	require.Equal(t, rep.Inserted, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))
	require.Equal(t, rep.Rejected, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_rejects`))
	require.EqualValues(t, tally.Traps[acragen.BadCheck], rep.Detail.Warnings["check letter"])
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies
		WHERE primary_ssic_code !~ '^\d{5}$' OR registration_incorporation_date !~ '^\d{4}-\d\d-\d\d$'
			OR no_of_officers !~ '^\d+$' OR lower(entity_name) = 'na'`))

	before := tableRows(t, db.Owner)
	opts = allRows(text)
	opts.MaxRejects = 1
	rep = ingest(t, db, opts)
	require.Zero(t, rep.Inserted+rep.Updated, "the same dirty file again changes nothing")
	require.Equal(t, before, tableRows(t, db.Owner))
}

func TestHeader(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	t.Run("columns in another order, case and number", func(t *testing.T) {
		text := "\ufeffENTITY_STATUS_DESCRIPTION, Uen ,colour,entity_name\r\nLive," + uen(1) + ",red,ACME\r\n"
		opts := allRows([]byte(text))
		opts.Columns = []string{"colour=-"}
		rep := ingest(t, db, opts)
		require.Len(t, rep.Detail.Missing, 50)
		require.Equal(t, "ACME", queryOne[string](t, db.Owner, `SELECT entity_name FROM staging_acra_companies`))
	})
	t.Run("an additional column is reported", func(t *testing.T) {
		text := bytes.ReplaceAll(registerCSV("uen entity_name entity_status_description", uen(1)+"|ACME|Live"),
			[]byte("\n"), []byte(",colour\n"))
		require.Equal(t, []string{"colour"}, ingest(t, db, allRows(text)).Detail.Unknown)
	})
	t.Run("missing columns keep their values", func(t *testing.T) {
		ingest(t, db, allRows(registerCSV("uen entity_name entity_status_description block", uen(1)+"|ACME|Live|12")))
		rep := ingest(t, db, allRows([]byte("uen,entity_name,entity_status_description\n"+uen(1)+",ACME TWO,Live\n")))
		require.EqualValues(t, 1, rep.Updated)
		require.Equal(t, "12 ACME TWO",
			queryOne[string](t, db.Owner, `SELECT block || ' ' || entity_name FROM staging_acra_companies`))
	})
	for name, c := range map[string]struct{ text, says string }{
		"a required column": {"uen,entity_name\n", "entity_status_description missing"},
		"another dataset":   {"uen,entity_name,uen_status_desc\n1,2,3\n", "which cannot be loaded"},
		"a web page":        {"<!DOCTYPE html>\n<html>\n", "HTML"},
		"nothing":           {"", "empty"},
		"a header only":     {"uen,entity_name,entity_status_description\n", "no rows"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := acra.Ingest(t.Context(), db.App, allRows([]byte(c.text)))
			require.ErrorContains(t, err, c.says)
		})
	}
}
