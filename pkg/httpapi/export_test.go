package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// exportPaths lists all formats, buffered and streamed.
func exportPaths() (paths []string) {
	for _, row := range httpapi.Routes() {
		if strings.HasPrefix(row.Path, "/export/") {
			paths = append(paths, row.Path, row.Path+"?limit=all")
		}
	}
	return paths
}

// age makes the tenant's rows older than a second, so that Last-Modified is sent.
func (r *rig) age(t testing.TB, id tenantid.ID) {
	t.Helper()
	r.exec(t, `UPDATE lead_scores SET scored_at = '2026-01-01 10:00:00.5' WHERE tenant_id = $1`, id)
	r.exec(t, `UPDATE tenant_emails SET updated_at = '2026-01-01 09:00:00' WHERE tenant_id = $1`, id)
	r.exec(t, `UPDATE companies SET updated_at = '2026-01-01 08:00:00' WHERE company_id IN (SELECT company_id
		FROM lead_scores WHERE tenant_id = $1)`, id)
}

func TestExportsTellWhetherTheyChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Len(t, exportPaths(), 6)
	id := r.tenant(t, "Unchanged")
	token := r.token("tenant_id", id)
	for i := range 3 {
		r.lead(t, id, fmt.Sprint("LEAD-", i), 0.5+float64(i)/10)
	}
	r.age(t, id)
	for _, change := range []string{
		`UPDATE lead_scores SET score = score - 0.001 WHERE tenant_id = $1`,
		`UPDATE tenant_emails SET email = 'x' || email WHERE tenant_id = $1`,
		`INSERT INTO tenant_contacts (tenant_id, company_id, name) SELECT $1, min(company_id), 'Ada' FROM lead_scores
			WHERE tenant_id = $1`,
		`INSERT INTO tenant_contacts (tenant_id, company_id, name) SELECT $1, min(company_id), n
			FROM lead_scores, unnest('{Bob,Eve}'::text[]) n WHERE tenant_id = $1 GROUP BY n`,
		`DELETE FROM tenant_contacts WHERE tenant_id = $1 AND contact_id = (SELECT contact_id FROM tenant_contacts
			WHERE tenant_id = $1 AND name IN ('Bob', 'Eve') ORDER BY contact_id LIMIT 1)`,
		`UPDATE companies SET name = 'RENAMED ' || name WHERE company_id IN (SELECT company_id FROM lead_scores
			WHERE tenant_id = $1)`,
		`DELETE FROM lead_scores WHERE tenant_id = $1 AND company_id = (SELECT min(company_id) FROM lead_scores
			WHERE tenant_id = $1)`,
		`DELETE FROM lead_scores WHERE tenant_id = $1`,
	} {
		tags := map[string]string{}
		for _, path := range exportPaths() {
			a := r.get(t, path, token)
			require.Equal(t, http.StatusOK, a.status, a.body)
			tag := a.header.Get("ETag")
			require.Regexp(t, `^"[0-9a-f]{16}-(csv|json|ndjson)"$`, tag)
			require.NotContains(t, tags, tag, "each body has its own tag")
			tags[tag] = path
			for _, match := range []string{tag, "W/" + tag, `"x", ` + tag} {
				same := r.do(t, request{path: path, token: token,
					header: header("If-None-Match", match, "If-Modified-Since", "Mon, 01 Jan 1990 00:00:00 GMT")})
				require.Equal(t, http.StatusNotModified, same.status, "%s for %s", path, match)
				require.Empty(t, same.body)
				require.Equal(t, tag, same.header.Get("ETag"))
			}
			require.Equal(t, http.StatusOK, r.do(t,
				request{path: path, token: token, header: header("If-None-Match", `"other"`)}).status)
		}
		r.exec(t, change, id)
		for tag, path := range tags {
			require.Equal(t, http.StatusOK, r.do(t,
				request{path: path, token: token, header: header("If-None-Match", tag)}).status, "%s after %s", path,
				change)
		}
	}
}

// Exports with other columns are other documents: each has its own tag.
func TestExportsWithChosenColumns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Columns")
	token := r.token("tenant_id", id)
	r.lead(t, id, "LEAD", 0.5)
	tags := map[string]bool{}
	for _, size := range []string{"limit=5", "limit=all"} {
		for query, want := range map[string]string{"&columns=name,score": "name,score\r\nLEAD,0.5\r\n",
			"&columns=score,name&bom=true": "\ufeffscore,name\r\n0.5,LEAD\r\n",
			"&columns=score,name":          "score,name\r\n0.5,LEAD\r\n",
		} {
			a := r.get(t, "/export/latest_scores.csv?"+size+query, token)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Equal(t, want, a.body)
			require.False(t, tags[a.header.Get("ETag")], "%s%s", size, query)
			tags[a.header.Get("ETag")] = true
		}
	}
	for _, wrong := range []string{"columns=tenant_id", "columns=name,name", "bom=maybe"} {
		a := r.get(t, "/export/latest_scores.csv?"+wrong, token)
		require.GreaterOrEqual(t, a.status, 400, wrong)
		require.Less(t, a.status, 500, wrong)
	}
	require.Equal(t, 2, r.count(t, `SELECT count(*) FROM audit_log WHERE action = 'export.scores'
		AND detail->'columns' = '["name", "score"]'`))
}

func TestExportsTellSinceWhen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Since")
	token := r.token("tenant_id", id)
	r.lead(t, id, "LEAD", 0.5)
	for _, path := range exportPaths() {
		require.Empty(t, r.get(t, path, token).header.Get("Last-Modified"), "too recent")
	}
	r.age(t, id)
	const told = "Thu, 01 Jan 2026 10:00:00 GMT"
	for _, path := range exportPaths() {
		require.Equal(t, told, r.get(t, path, token).header.Get("Last-Modified"))
		since := func(s string) int {
			return r.do(t, request{path: path, token: token, header: header("If-Modified-Since", s)}).status
		}
		require.Equal(t, http.StatusNotModified, since(told))
		for _, other := range []string{"Thu, 01 Jan 2026 10:00:01 GMT", "Thu, 01 Jan 2026 09:59:59 GMT",
			"Mon, 01 Jan 2999 00:00:00 GMT", "yesterday"} {
			require.Equal(t, http.StatusOK, since(other), other)
		}
	}
	r.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, status, started_at, ended_at)
		VALUES ($1, 1, 'done', '2026-02-01', '2026-02-01 00:01')`, id)
	require.Equal(t, "Sun, 01 Feb 2026 00:01:00 GMT", r.get(t, exportPaths()[0], token).header.Get("Last-Modified"),
		"a run may have removed rows")
}

// validatorsAreOnesOwn: a change of another tenant's rows does not change A's tags and times.
func validatorsAreOnesOwn(t *testing.T, _ *rig) {
	r := newRig(t)
	id, other := r.tenant(t, "B-048"), r.tenant(t, "B-048 other")
	company := r.lead(t, id, "CNR-048", 0.5)
	r.age(t, id)
	token, theirs := r.token("tenant_id", id), r.token("tenant_id", other)
	before := map[string]http.Header{}
	for _, path := range exportPaths() {
		before[path] = r.get(t, path, token).header
	}
	r.exec(t, `INSERT INTO lead_scores (tenant_id, company_id, score) VALUES ($1, $2, 0.9)`, other, company)
	r.exec(t, `INSERT INTO tenant_contacts (tenant_id, company_id, name) VALUES ($1, $2, 'CNR-OTHER')`, other, company)
	r.exec(t, `INSERT INTO tenant_emails (tenant_id, company_id, email) VALUES ($1, $2, 'CNR-OTHER')`, other, company)
	r.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, ended_at) VALUES ($1, 1, now())`, other)
	for _, path := range exportPaths() {
		a := r.get(t, path, token)
		require.Equal(t, before[path].Get("ETag"), a.header.Get("ETag"))
		require.Equal(t, before[path].Get("Last-Modified"), a.header.Get("Last-Modified"))
		require.NotContains(t, a.body, "CNR-OTHER")
		b := r.do(t, request{path: path, token: theirs, header: header("If-None-Match", a.header.Get("ETag"))})
		require.Equal(t, http.StatusOK, b.status, "tenants have different tags")
		require.NotEqual(t, a.header.Get("ETag"), b.header.Get("ETag"))
	}
}

// compressedExportsOnly: only exports are compressed, and only with br.
func compressedExportsOnly(t *testing.T, r *rig) {
	id := r.tenant(t, "C-055")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	for i := range 100 {
		r.lead(t, id, fmt.Sprint("CNR-055-", i), 0.5)
	}
	for _, path := range exportPaths() {
		plain := r.get(t, path, token)
		require.Empty(t, plain.header.Get("Content-Encoding"))
		require.Contains(t, plain.header.Values("Vary"), "Accept-Encoding")
		for _, accept := range []string{"br", "gzip, deflate, br", "gzip;q=1, BR ; q=0.1"} {
			a := r.do(t, request{path: path, token: token, header: header("Accept-Encoding", accept)})
			require.Equal(t, "br", a.header.Get("Content-Encoding"), accept)
			body, err := io.ReadAll(brotli.NewReader(strings.NewReader(a.body)))
			require.NoError(t, err)
			require.Equal(t, plain.body, string(body))
			require.Less(t, len(a.body), len(body)/4)
			require.Equal(t, plain.trailer.Get("X-Row-Count"), a.trailer.Get("X-Row-Count"))
			require.NotEqual(t, plain.header.Get("ETag"), a.header.Get("ETag"))
		}
		for _, accept := range []string{"gzip", "*", "identity", "br;q=0", "br;q=0.0", "brr", "x-br", "br;q=x",
			"zstd, deflate"} {
			a := r.do(t, request{path: path, token: token, header: header("Accept-Encoding", accept)})
			require.Empty(t, a.header.Get("Content-Encoding"), accept)
			require.True(t, bytes.Equal([]byte(plain.body), []byte(a.body)))
		}
	}
	for _, row := range httpapi.Routes() {
		if q := call(row, id, token); !strings.HasPrefix(row.Path, "/export/") {
			q.header = q.header.Clone()
			if q.header == nil {
				q.header = http.Header{}
			}
			q.header.Set("Accept-Encoding", "br, gzip")
			require.Empty(t, r.do(t, q).header.Get("Content-Encoding"), row.Path)
		}
	}
}

func TestLeadsAreFiltered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Filter")
	token := r.token("tenant_id", id)
	for i, name := range []string{"OLD", "MID", "NEW"} {
		company := r.lead(t, id, name, 0.9-float64(i)/10)
		r.exec(t, `UPDATE companies SET incorporation_year = $2, industry_code = $3 WHERE company_id = $1`, company,
			2000+10*i, []string{"62011", "56111", "62021"}[i])
		r.exec(t, `UPDATE lead_scores SET bucket = $2 WHERE company_id = $1`, company,
			[]string{"high", "high", "low"}[i])
	}
	names := func(body string) (found []string) {
		for _, name := range []string{"OLD", "MID", "NEW"} {
			if strings.Contains(body, `"name":"`+name+`"`) {
				found = append(found, name)
			}
		}
		return found
	}
	for query, want := range map[string][]string{
		"":                                      {"OLD", "MID", "NEW"},
		"bucket=high":                           {"OLD", "MID"},
		"industry=62":                           {"OLD", "NEW"},
		"year=2010":                             {"MID"},
		"year=2005-2020":                        {"MID", "NEW"},
		"bucket=high&industry=J&year=1990-2000": {"OLD"},
		"bucket=low&industry=F%26B&year=1990-2000": nil,
	} {
		for _, path := range []string{"/scores/latest?limit=10&", "/export/latest_scores.ndjson?",
			"/export/latest_scores.json?limit=all&"} {
			a := r.get(t, path+query, token)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Equal(t, want, names(a.body), path+query)
		}
	}
	for _, bad := range []string{"bucket=best", "bucket=HIGH", "year=10", "year=2020-2010", "year=20101", "year=x",
		"year=2010-", "industry=--", "bucket=high&bucket=low"} {
		for _, path := range []string{"/scores/latest?", "/export/latest_scores.csv?",
			"/export/latest_scores.csv?limit=all&"} {
			requireProblem(t, r.get(t, path+bad, token), http.StatusBadRequest, "invalid")
		}
	}
}
