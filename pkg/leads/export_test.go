package leads_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func (w world) export(tenant leads.TenantID, format leads.Format, limit int) string {
	w.t.Helper()
	return w.exportAs(tenant, leads.ExportOptions{Format: format, Limit: limit})
}

func (w world) exportAs(tenant leads.TenantID, o leads.ExportOptions) string {
	w.t.Helper()
	var out bytes.Buffer
	require.NoError(w.t, w.App.ReadTenant(w.t.Context(), tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := leads.Export(ctx, tx, &out, o)
		return err
	}))
	return out.String()
}

const header = "company_id,name,website_domain,industry_norm,employees_est,score,bucket,rationale,primary_email," +
	"contact_name,contact_title,contact_linkedin,contact_phone,crm_outcome,crm_lost_reason\r\n"

func TestEmptyExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, header, w.export(1, leads.CSV, leads.All))
	require.Equal(t, "[]\n", w.export(1, leads.JSON, leads.All))
	require.Empty(t, w.export(1, leads.NDJSON, 5))
}

// TestExportShowsSharedContacts: contacts and addresses that the platform's services found are in every tenant's
// exports, after the tenant's own. Addresses that do not work, or of people who left, are not.
func TestExportShowsSharedContacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO companies (company_id, name) VALUES (1, 'One'), (2, 'Two')`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (1, 1, 0.9), (1, 2, 0.8), (2, 1, 0.7)`)
	w.exec(`INSERT INTO contacts (company_id, full_name, job_title, phone_number) VALUES (1, 'Eve', 'CEO', '123'),
		(2, 'Fay', NULL, NULL)`)
	w.exec(`INSERT INTO lead_emails (email, company_id, verification_status, left_company) VALUES
		('a@one.example', 1, 'valid', true), ('b@one.example', 1, 'invalid', false),
		('c@one.example', 1, 'valid', NULL)`)
	w.exec(`INSERT INTO tenant_contacts (tenant_id, company_id, name, updated_at) VALUES (1, 1, 'Ada', '2001-01-01')`)
	for _, limit := range []int{leads.All, 10} {
		require.Equal(t, header+"1,One,,,,0.9,,,c@one.example,Ada,,,,,\r\n2,Two,,,,0.8,,,,Fay,,,,,\r\n",
			w.export(1, leads.CSV, limit))
		require.Equal(t, header+"1,One,,,,0.7,,,c@one.example,Eve,CEO,,123,,\r\n", w.export(2, leads.CSV, limit))
	}
}

func TestExportShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO companies (company_id, name, website_domain, industry_norm, employees_est)
		VALUES (1, '=EVIL() "CO", LTD.', '', NULL, 12)`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
		VALUES (1, 1, 0.875, 'high', E'two\r\nlines'), (1, 7, -5, NULL, NULL)`)
	w.exec(`INSERT INTO tenant_contacts (tenant_id, company_id, name, phone) VALUES (1, 1, 'Ada', '+65 6123')`)
	w.exec(`INSERT INTO tenant_emails (tenant_id, company_id, email) VALUES (1, 1, 'ada@example.com')`)
	w.exec(`INSERT INTO lead_outcomes (tenant_id, company_id, outcome, lost_reason, changed_at)
		VALUES (1, 1, 'lost', 'Too expensive', now())`)
	require.Equal(t, header+
		`1,"'=EVIL() ""CO"", LTD.","",,12,0.875,high,"two`+"\r\n"+
		`lines",ada@example.com,Ada,,,'+65 6123,lost,Too expensive`+"\r\n"+
		"7,,,,,-5,,,,,,,,,\r\n",
		w.export(1, leads.CSV, leads.All))
	require.Equal(t, "[\n"+
		`{"company_id":1,"name":"=EVIL() \"CO\", LTD.","website_domain":"","industry_norm":null,"employees_est":12,`+
		`"score":0.875,"bucket":"high","rationale":"two\r\nlines",`+
		`"primary_email":"ada@example.com","contact_name":"Ada","contact_title":null,"contact_linkedin":null,`+
		`"contact_phone":"+65 6123","crm_outcome":"lost","crm_lost_reason":"Too expensive"},`+"\n"+
		`{"company_id":7,"name":null,"website_domain":null,"industry_norm":null,"employees_est":null,"score":-5,`+
		`"bucket":null,"rationale":null,`+
		`"primary_email":null,"contact_name":null,"contact_title":null,"contact_linkedin":null,`+
		`"contact_phone":null,"crm_outcome":null,"crm_lost_reason":null}]`+"\n", w.export(1, leads.JSON, leads.All))
	require.Equal(t, 2, strings.Count(w.export(1, leads.NDJSON, leads.All), "}\n"))
}

// TestChosenColumns: an export has the chosen columns in the chosen order, and the digest changes with each of them.
func TestChosenColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO companies (company_id, name, uen, industry_code, incorporation_year, entity_type, entity_status,
			registered_street, registered_street2, registered_postal_code)
		VALUES (1, 'ÉCLAIR – 1', '00123400W', '01234', 1999, 'Local Company', 'Live Company', '10 ANSON ROAD', '#10-11',
			'018956')`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (1, 1, 0.5), (1, 2, 'NaN')`)
	columns, err := leads.ParseColumns("uen, score,name,ssic_code,incorporation_year,entity_type,entity_status," +
		"street,street2,postal_code")
	require.NoError(t, err)
	require.Equal(t, "\ufeffuen,score,name,ssic_code,incorporation_year,entity_type,entity_status,"+
		"street,street2,postal_code\r\n"+
		"00123400W,0.5,ÉCLAIR – 1,01234,1999,Local Company,Live Company,10 ANSON ROAD,#10-11,018956\r\n,,,,,,,,,\r\n",
		w.exportAs(1, leads.ExportOptions{Format: leads.CSV, Columns: columns, BOM: true}))
	require.Equal(t, `{"uen":"00123400W","score":0.5}`+"\n", w.exportAs(1,
		leads.ExportOptions{Format: leads.NDJSON, Limit: 1, Columns: columns[:2]}))
	require.Equal(t, w.export(1, leads.JSON, leads.All), w.exportAs(1, leads.ExportOptions{Format: leads.JSON,
		Columns: leads.ColumnNames()[:15]}), "the columns of an export that names none come first")
	for _, wrong := range []string{"tenant_id", "uen,uen", "uen,", "s.score", "UEN"} {
		_, err := leads.ParseColumns(wrong)
		require.Equal(t, fault.Invalid, fault.KindOf(err), wrong)
	}

	docs, err := os.ReadFile("../../docs/scoring.md")
	require.NoError(t, err)
	for _, name := range leads.ColumnNames() {
		require.Contains(t, string(docs), "`"+name+"`")
	}

	digest := func() (text string) {
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			var err error
			text, _, err = leads.Digest(ctx, tx, leads.ExportOptions{Columns: leads.ColumnNames()})
			require.NoError(t, err)
		})
		return text
	}
	for _, change := range []string{"uen = 'x'", "industry_code = 'x'", "incorporation_year = 1", "entity_type = 'x'",
		"entity_status = 'x'", "registered_street = 'x'", "registered_street2 = 'x'", "registered_postal_code = 'x'"} {
		before := digest()
		w.exec(`UPDATE companies SET ` + change + ` WHERE company_id = 1`)
		require.NotEqual(t, before, digest(), change)
	}
}

// sameRows: CSV, JSON and NDJSON hold the same rows in the same order, and odd numbers are no numbers.
func sameRows(t *testing.T) {
	w := newWorld(t)
	w.oddScores()
	w.exec(`INSERT INTO companies (company_id, name) SELECT i, 'BULK, "' || i || '"'
		FROM generate_series(1001, 11000) i`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) SELECT 1, i, (i * 7919 % 1009) / 1009.0
		FROM generate_series(11000, 1001, -1) i`)
	for _, limit := range []int{leads.All, 10_000, 45} {
		records, err := csv.NewReader(strings.NewReader(w.export(1, leads.CSV, limit))).ReadAll()
		require.NoError(t, err)
		var list []leads.Lead
		require.NoError(t, json.Unmarshal([]byte(w.export(1, leads.JSON, limit)), &list))
		want := w.rows(inOrder)
		if limit != leads.All {
			want = want[:limit]
		}
		require.Len(t, list, len(want))
		require.Len(t, records, len(want)+1)
		lines := json.NewDecoder(strings.NewReader(w.export(1, leads.NDJSON, limit)))
		for i, lead := range list {
			require.Equal(t, want[i], fmt.Sprintf("(%d)", lead.CompanyID))
			require.Equal(t, records[i+1][0], fmt.Sprint(lead.CompanyID))
			if lead.Score == nil {
				require.Empty(t, records[i+1][5])
			} else {
				var number float64
				_, err := fmt.Sscan(records[i+1][5], &number)
				require.NoError(t, err)
				require.Equal(t, number, *lead.Score)
			}
			var line leads.Lead
			require.NoError(t, lines.Decode(&line))
			require.Equal(t, lead, line)
		}
		require.ErrorIs(t, lines.Decode(new(leads.Lead)), io.EOF)
	}
}

// threeParsers: what was stored comes back through Go's reader, PostgreSQL's, and the standard read literally
// (TestCSVRoundTrip).
func threeParsers(t *testing.T) {
	w := newWorld(t)
	names := []string{"PLAIN", `QUOTE " IN IT`, "COMMA, LTD.", "LINE\r\nBREAK", "LF\nONLY", "TAB\tBED", "É 股份 🦀",
		" SPACES ", "", "'APOSTROPHE", "=1+1", `\N`, `\.`, "NULL"}
	for i, name := range names {
		w.exec(`INSERT INTO companies (company_id, name) VALUES ($1, $2)`, i+1, name)
		w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (1, $1, $2)`, i+1, 1/float64(i+1))
	}
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (1, 99, -1)`)
	out := w.export(1, leads.CSV, leads.All)

	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	for i, name := range names {
		require.Equal(t, strings.ReplaceAll(name, "\r\n", "\n"), strings.TrimPrefix(records[i+1][1], "'"))
	}

	w.exec(`CREATE TABLE reader (` + strings.ReplaceAll(strings.TrimSpace(header), ",", " text, ") + ` text)`)
	conn, err := w.Owner.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Conn().PgConn().CopyFrom(t.Context(), strings.NewReader(out),
		`COPY reader FROM STDIN (FORMAT csv, HEADER)`)
	require.NoError(t, err)
	require.Equal(t, w.rows(`SELECT company_id, name FROM companies ORDER BY company_id`),
		w.rows(`SELECT company_id, regexp_replace(name, '^''', '') FROM reader WHERE company_id <> '99'
			ORDER BY company_id::int`))
	require.Equal(t, []string{"(t)"}, w.rows(`SELECT name IS NULL FROM reader WHERE company_id = '99'`),
		"NULL and empty are two things")
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.oddScores()
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.Export(ctx, tx, io.Discard, leads.ExportOptions{Format: "xlsx", Limit: 5})
		require.Equal(t, fault.Unsupported, fault.KindOf(err))
		_, err = leads.Export(ctx, tx, io.Discard, leads.ExportOptions{Format: leads.CSV, Limit: -1})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		_, err = leads.Export(ctx, tx, io.Discard,
			leads.ExportOptions{Format: leads.CSV, Columns: []string{"tenant_id"}})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	})
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	err := w.App.ReadTenant(ctx, 1, func(ctx context.Context, tx postgres.TenantTx) error {
		cancel()
		_, err := leads.Export(ctx, tx, &out, leads.ExportOptions{Format: leads.CSV, Limit: leads.All})
		return err
	})
	require.Equal(t, fault.Interrupted, fault.KindOf(err))
	require.Empty(t, out.String(), "not a byte of a document that never began")
}

type fullDisk struct{ room int }

var errDiskFull = errors.New("disk full")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errDiskFull
	}
	return len(b), nil
}

func TestExportStopsWhenItsReaderDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, rationale) SELECT 1, i, 0.5, repeat('x', 300)
		FROM generate_series(1, 5000) i`)
	for _, room := range []int{0, 100_000} {
		err := w.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.Export(ctx, tx, &fullDisk{room}, leads.ExportOptions{Format: leads.JSON, Limit: leads.All})
			return err
		})
		require.ErrorIs(t, err, errDiskFull)
	}
	require.Equal(t, 5001, strings.Count(w.export(1, leads.CSV, leads.All), "\r\n"), "the connection is fit for use")
}

// Not parallel: it looks at what the process allocates.
func TestExportDoesNotGrowWithItsRows(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, rationale) SELECT 1, i, 0.5, repeat('x', 100)
		FROM generate_series(1, 30000) i`)
	allocated := func(limit int) (objects uint64) {
		var before, after runtime.MemStats
		require.NoError(t, w.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			runtime.ReadMemStats(&before)
			_, err := leads.Export(ctx, tx, io.Discard, leads.ExportOptions{Format: leads.CSV, Limit: limit})
			runtime.ReadMemStats(&after)
			return err
		}))
		return after.Mallocs - before.Mallocs
	}
	allocated(leads.All) // prepares statements
	require.Less(t, allocated(leads.All), uint64(10_000), "a third of an allocation a row is too many")
}
