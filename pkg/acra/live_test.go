//go:build live

package acra_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// readSample reads a captured answer of the real service. The answers are kept outside the repository, in the folder
// REGISTER_SAMPLES, by default ../shared/data. The test fails when they are missing.
func readSample(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("REGISTER_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return text
}

func TestPublishedRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	rep := ingest(t, db, allRows(readSample(t, "real_acra_rows.csv")))
	require.Equal(t, acra.Counts{Read: 7, Inserted: 7}, rep.Counts)
	require.Zero(t, rep.Warnings)
	require.Empty(t, rep.Detail.Unknown)
	require.Empty(t, rep.Detail.Missing)
	require.Equal(t, "018982",
		queryOne[string](t, db.Owner, `SELECT postal_code FROM staging_acra_companies WHERE uen = '196800306E'`))
	require.Equal(t, "0106",
		queryOne[string](t, db.Owner, `SELECT postal_code FROM staging_acra_companies WHERE uen = '189100001K'`))
	require.Nil(t,
		queryOne[*string](t, db.Owner,
			`SELECT former_entity_name2 FROM staging_acra_companies WHERE uen = '196800306E'`))

	live := pgtest.New(t)
	opts := allRows(readSample(t, "real_acra_rows.csv"))
	opts.Status = nil
	require.EqualValues(t, 4, ingest(t, live, opts).Inserted,
		"companies are live, although their status is not \"Live\"")
}

// The captured page and the captured 429, served unchanged.
func TestPublishedPage(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var refusal struct {
		Status int `json:"status_code"`
		Body   json.RawMessage
	}
	require.NoError(t, json.Unmarshal(readSample(t, "real_http_429.json"), &refusal))
	site := acratest.Start(t, acratest.Dataset{ID: "d_df7d2d661c0c11a7c367c9ee4bf896c1", Letter: "S",
		CSV: readSample(t, "real_acra_rows.csv"), Updated: "2026-09-10"})
	page := readSample(t, "real_datastore_search_response.json")
	site.Script(acratest.Search,
		acratest.Reply(refusal.Status, string(refusal.Body), "Content-Type", "application/json"),
		acratest.Reply(http.StatusOK, string(page), "Content-Type", "application/json"))
	rep, err := acra.Ingest(t.Context(), db.App,
		acra.Options{Source: acra.Pages(site.Service(), nil, 1), Status: []string{"Struck Off"}, Limit: 1})
	require.NoError(t, err)
	require.EqualValues(t, 1, rep.Inserted)
	require.Equal(t, "SINGAPORE LAND COMPANY LIMITED",
		queryOne[string](t, db.Owner, `SELECT entity_name FROM staging_acra_companies WHERE uen = '189100001K'`))
	waited := time.Duration(0)
	for _, w := range site.Waits() {
		waited = max(waited, w)
	}
	require.GreaterOrEqual(t, waited, 10*time.Second, "the captured 429 has no Retry-After")
}
