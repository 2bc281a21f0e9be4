package acra

import (
	"context"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
)

const (
	maxPage     = 2000 // the service rejects larger answers
	minPage     = 50
	maxRescans  = 2
	filterField = "entity_status_description"
)

// Pages returns a source that reads datasets page by page. ids are resource ids; none means the whole collection.
// pageSize 0 means the largest page that the service sends. The service filters by status, which saves pages.
func Pages(s Service, ids []string, pageSize int) Source {
	if pageSize <= 0 || pageSize > maxPage {
		pageSize = maxPage
	}
	return pagedSource{service: s, ids: ids, size: pageSize}
}

type pagedSource struct {
	service Service
	ids     []string
	size    int
}

func (p pagedSource) sourceLabel() string { return datasetsLabel("api", p.ids) }

// datasetsLabel returns a source label for the given datasets. Different sets of datasets get different labels.
func datasetsLabel(kind string, ids []string) string {
	switch len(ids) {
	case 0:
		return kind
	case 1:
		return kind + " " + ids[0]
	}
	ids = slices.Sorted(slices.Values(ids))
	sum := crc32.ChecksumIEEE([]byte(strings.Join(ids, " ")))
	return fmt.Sprintf("%s %s and %d more (%08x)", kind, ids[0], len(ids)-1, sum)
}

func (p pagedSource) open(ctx context.Context, a sourceOptions) (stream, error) {
	s := &pagedStream{apiClient: p.service.newClient(), ids: p.ids, size: p.size, from: a.from}
	list, all, err := s.chooseDatasets(ctx, p.ids)
	if err != nil {
		return nil, err
	}
	s.versions, s.complete = versionsOf(list), all
	for _, d := range list {
		if len(a.statuses) == 0 {
			s.queries = append(s.queries, query{dataset: d})
		}
		for _, status := range a.statuses {
			s.queries = append(s.queries, query{dataset: d, status: status})
		}
	}
	s.filtered = len(a.statuses) > 0
	return s, nil
}

// query is one dataset, with one status when the service filters by status.
type query struct {
	dataset dataset
	status  string
}

func (q query) queryName() string {
	if q.status == "" {
		return q.dataset.name
	}
	return q.dataset.name + " " + q.status
}

// pagedStream reads the queries one after the other; each is a part.
type pagedStream struct {
	*apiClient
	ids      []string
	queries  []query
	size     int
	from     Position
	at       int   // number of queries started
	known    int64 // rows announced by the started queries
	rows     int64
	versions map[string]string
	complete bool
	filtered bool
}

func (s *pagedStream) close() error { return nil }

func (s *pagedStream) facts() sourceFacts {
	return sourceFacts{complete: s.complete, filtered: s.filtered, versions: s.versions, batch: s.size}
}

// finalFacts checks whether the collection was republished during the run. If so, missing rows mean nothing, and the
// next run reads everything again.
func (s *pagedStream) finalFacts(ctx context.Context) (sourceFacts, string) {
	f := s.facts()
	if f.versions == nil {
		return f, ""
	}
	list, _, err := s.chooseDatasets(ctx, s.ids)
	if now := versionsOf(list); err != nil || now == nil || maps.Equal(now, f.versions) {
		return f, ""
	}
	f.complete, f.versions = false, nil
	return f, "the register was republished while it was read; the next run reads it again"
}

// progress counts rows. The total is known once every query has started.
func (s *pagedStream) progress() (done, of int64) {
	if s.at < len(s.queries) {
		return s.rows, 0
	}
	return s.rows, s.known
}

func (s *pagedStream) nextPart(ctx context.Context) (part, error) {
	if i := s.from.Index; s.at == 0 && i < len(s.queries) && s.queries[i].queryName() == s.from.Part {
		s.at = i // the earlier queries are committed
	}
	if s.at >= len(s.queries) {
		return nil, errEnd
	}
	p := &pagedPart{stream: s, query: s.queries[s.at], number: s.at,
		passRows: map[uint64]struct{}{}, emittedRows: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	s.at++
	if p.partName() == s.from.Part && p.number == s.from.Index {
		p.offset, p.start = s.from.Line, s.from.Line
	}
	if err := p.fetchPage(ctx); err != nil {
		return nil, err
	}
	if p.start > 0 && p.releaseVersion() != s.from.Version { // rows have moved: read the committed ones again
		p.offset, p.start, p.records = 0, 0, nil
		if err := p.fetchPage(ctx); err != nil {
			return nil, err
		}
	}
	s.known += p.total
	return p, nil
}
