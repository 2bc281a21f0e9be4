// Package acratest imitates data.gov.sg on loopback, as far as the company register needs it: the paged API, the
// collection's metadata and the bulk download. It has the quirks of the real service, and faults that tests script.
//
// Only tests import it. It reads its rows with the standard library, so that it does not repeat errors of package acra.
package acratest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leadctl/leadctl/pkg/acra"
)

// Call is a kind of request that the site answers.
type Call string

// The calls.
const (
	Search   Call = "search"
	Metadata Call = "metadata"
	Initiate Call = "initiate"
	Poll     Call = "poll"
	File     Call = "file"
)

// Dataset is one dataset of the collection.
type Dataset struct {
	ID, Letter string
	CSV        []byte
	Updated    string // time of its release
}

// Site is the imitated service. Change its fields only while no request is in progress.
type Site struct {
	URL      string
	Datasets []Dataset
	MaxPage  int  // larger pages are rejected with 413; 0 means 5000
	Pending  int  // number of polls per dataset that answer "not ready"
	Sizes    bool // the metadata tell the size of each dataset

	mu       sync.Mutex
	script   map[Call][]Fault
	calls    map[Call]int
	waits    []time.Duration
	polls    map[string]int
	expire   bool // existing links are rejected
	links    int
	linkBase string   // origin of links; "" means the site itself
	keys     []string // x-api-key of every call
}

// Start serves datasets until the test ends.
func Start(t testing.TB, datasets ...Dataset) *Site {
	s := &Site{Datasets: datasets, MaxPage: 5000, script: map[Call][]Fault{}, calls: map[Call]int{},
		polls: map[string]int{}}
	mux := http.NewServeMux()
	s.handleCall(mux, "GET /api/action/datastore_search", Search, s.serveSearch)
	s.handleCall(mux, "GET /v2/public/api/collections/2/metadata", Metadata, s.serveMetadata)
	s.handleCall(mux, "GET /v1/public/api/datasets/{id}/initiate-download", Initiate, s.serveInitiate)
	s.handleCall(mux, "GET /v1/public/api/datasets/{id}/poll-download", Poll, s.servePoll)
	s.handleCall(mux, "GET /file/{id}", File, s.serveFile)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Service returns the service for package acra. Its waits are recorded and take no time.
func (s *Site) Service() acra.Service {
	service := acra.NewService(s.URL+"/api/action/datastore_search", "")
	service.Wait = func(ctx context.Context, d time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waits = append(s.waits, d)
		return ctx.Err()
	}
	return service
}

// Script sets the faults of the next requests of a kind, in order; nil means no fault. Later requests succeed.
func (s *Site) Script(call Call, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[call] = append(slices.Repeat([]Fault{nil}, s.calls[call]), faults...)
}

// Calls returns the number of requests of a kind.
func (s *Site) Calls(call Call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

// Waits returns the client's waits, in order.
func (s *Site) Waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.waits)
}

// Keys returns the API key of every request, "" for a request without one.
func (s *Site) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// ExpireLinks makes every existing download link answer 403.
func (s *Site) ExpireLinks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire = true
}

// LinksTo makes download links point to another origin, as the real ones do.
func (s *Site) LinksTo(url string) { s.linkBase = url }

func (s *Site) handleCall(mux *http.ServeMux, pattern string, call Call, answer http.HandlerFunc) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		var fault Fault
		if n := s.calls[call]; n < len(s.script[call]) {
			fault = s.script[call][n]
		}
		s.calls[call]++
		s.keys = append(s.keys, r.Header.Get("X-Api-Key"))
		s.mu.Unlock()
		if fault == nil {
			answer(w, r)
			return
		}
		fault(w, r, answer)
	})
}

func (s *Site) findDataset(id string) (Dataset, bool) {
	i := slices.IndexFunc(s.Datasets, func(d Dataset) bool { return d.ID == id })
	if i < 0 {
		return Dataset{}, false
	}
	return s.Datasets[i], true
}

// page is the part of a search answer that faults may change.
type page struct {
	Records []map[string]any
	Total   int
}

type pageEditKey struct{}

func (s *Site) serveSearch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d, ok := s.findDataset(q.Get("resource_id"))
	if !ok {
		writeJSON(w, http.StatusNotFound,
			map[string]any{"success": false, "error": map[string]any{"message": "Not found: Resource was not found."}})
		return
	}
	limit, offset := intOr(q, "limit", 100), intOr(q, "offset", 0)
	if limit > s.MaxPage {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]any{"message": "Request Too Long"})
		return
	}
	columns, rows, err := d.tableRows(q.Get("filters"), q.Get("sort") == "uen")
	if err != nil {
		writeJSON(w, http.StatusConflict,
			map[string]any{"success": false, "error": map[string]any{"message": err.Error()}})
		return
	}
	p := page{Records: rows[min(offset, len(rows)):min(offset+limit, len(rows))], Total: len(rows)}
	if edit, ok := r.Context().Value(pageEditKey{}).(func(*page, []map[string]any)); ok {
		edit(&p, rows)
	}
	var fields []map[string]string
	for _, c := range columns {
		fields = append(fields, map[string]string{"type": "text", "id": c})
	}
	next := *r.URL
	q.Set("offset", strconv.Itoa(offset+limit))
	next.RawQuery = q.Encode()
	writeJSON(w, http.StatusOK, map[string]any{"success": true, "result": map[string]any{
		"resource_id": d.ID, "fields": append(fields, map[string]string{"type": "int4", "id": "_id"}),
		"records": p.Records, "total": p.Total,
		"_links": map[string]string{"next": next.String()}}}) // the service sends it always, also after the last page
}

// tableRows returns the dataset's rows as the API serves them.
func (d Dataset) tableRows(filters string, sorted bool) (columns []string, rows []map[string]any, err error) {
	want := map[string]string{}
	if filters != "" {
		if err := json.Unmarshal([]byte(filters), &want); err != nil {
			return nil, nil, err
		}
	}
	table, err := csv.NewReader(bytes.NewReader(d.CSV)).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	for n, values := range table[1:] {
		row := map[string]any{"_id": n + 1}
		keep := true
		for i, c := range table[0] {
			row[c] = values[i]
			if w, ok := want[c]; ok && w != values[i] {
				keep = false
			}
		}
		if keep {
			rows = append(rows, row)
		}
	}
	if sorted {
		slices.SortStableFunc(rows,
			func(a, b map[string]any) int { return strings.Compare(a["uen"].(string), b["uen"].(string)) })
	}
	return table[0], rows, nil
}

func intOr(q url.Values, key string, otherwise int) int {
	if n, err := strconv.Atoi(q.Get(key)); err == nil {
		return n
	}
	return otherwise
}

func (s *Site) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	ids, list := []string{}, []map[string]any{}
	latest := ""
	for _, d := range s.Datasets {
		ids = append(ids, d.ID)
		one := map[string]any{"datasetId": d.ID, "lastUpdatedAt": d.Updated,
			"name": fmt.Sprintf("ACRA Information on Corporate Entities ('%s')", d.Letter)}
		if s.Sizes {
			one["datasetSize"] = len(d.CSV)
		}
		list = append(list, one)
		latest = max(latest, d.Updated)
	}
	writeJSON(w, http.StatusOK, map[string]any{"code": 0, "data": map[string]any{
		"collectionMetadata": map[string]any{"lastUpdatedAt": latest, "childDatasets": ids}, "datasetMetadata": list}})
}

func (s *Site) serveInitiate(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.findDataset(r.PathValue("id")); !ok {
		writeJSON(w, http.StatusNotFound, map[string]any{"code": 4, "errorMsg": "Dataset not found"})
		return
	}
	writeJSON(w, http.StatusCreated,
		map[string]any{"code": 0, "data": map[string]any{"message": "Download successfully initiated."}})
}

func (s *Site) servePoll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("id")
	if s.polls[id]++; s.polls[id] <= s.Pending {
		writeJSON(w, http.StatusCreated,
			map[string]any{"code": 0, "data": map[string]any{"status": "DOWNLOAD_PROCESSING"}})
		return
	}
	s.links++
	s.expire = false
	writeJSON(w, http.StatusCreated, map[string]any{"code": 0, "data": map[string]any{"status": "DOWNLOAD_SUCCESS",
		"url": fmt.Sprintf("%s/file/%s?signature=%d", cmp.Or(s.linkBase, s.URL), id, s.links)}})
}

func (s *Site) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	expired := s.expire || r.URL.Query().Get("signature") == ""
	s.mu.Unlock()
	d, ok := s.findDataset(r.PathValue("id"))
	if expired || !ok {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/csv")
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, d.Updated, len(d.CSV)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.CSV))
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // it fails only when the client has disconnected
}
