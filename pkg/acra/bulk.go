package acra

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// maxPoll bounds the wait until the service has prepared one dataset's download.
const maxPoll = 15 * time.Minute

// Bulk returns a source that downloads whole datasets. It is the fast way for a full run: minutes instead of hours.
// ids are dataset ids; none means the whole collection. It skips datasets whose release is loaded already.
func Bulk(s Service, ids []string) Source { return bulkSource{service: s, ids: ids} }

type bulkSource struct {
	service Service
	ids     []string
}

func (b bulkSource) sourceLabel() string { return datasetsLabel("bulk", b.ids) }

func (b bulkSource) open(ctx context.Context, a sourceOptions) (stream, error) {
	c := b.service.newClient()
	list, all, err := c.chooseDatasets(ctx, b.ids)
	if err != nil {
		return nil, err
	}
	s := &bulkStream{apiClient: c, list: list, versions: versionsOf(list), from: a.from}
	s.todo = slices.DeleteFunc(slices.Clone(list), func(d dataset) bool {
		return d.version != "" && a.loaded[d.id] == d.version
	})
	s.complete = all && len(s.todo) == len(list)
	if i := a.from.Index; a.from.Part != "" && i < len(list) && list[i].name == a.from.Part {
		s.todo = list[i:] // the earlier datasets are committed
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.links = make(chan downloadLink, 1)
	go s.requestLinks(ctx, s.todo)
	return s, nil
}

// bulkStream reads one dataset after the other. The service's limits make the calls that prepare a download slow, so
// they are made one dataset ahead.
type bulkStream struct {
	*apiClient
	list, todo []dataset
	versions   map[string]string
	complete   bool
	from       Position
	links      chan downloadLink
	stop       context.CancelFunc
	at         int // index in todo of the next dataset
	size       int64
	done       counter
}

// downloadLink is a dataset's URL, valid for about an hour, or the error of the request for it.
type downloadLink struct {
	url string
	err error
}

func (s *bulkStream) facts() sourceFacts {
	return sourceFacts{complete: s.complete, versions: s.versions}
}

// finalFacts needs no call: a release published during the run has another version than the one stored here, so the
// next run reads it.
func (s *bulkStream) finalFacts(context.Context) (sourceFacts, string) { return s.facts(), "" }

func (s *bulkStream) close() error { s.stop(); return nil }

// progress estimates the total from the datasets read so far.
func (s *bulkStream) progress() (done, of int64) {
	done = s.done.n.Load()
	if s.at == 0 {
		return done, 0
	}
	return done, max(done, s.size/int64(s.at)*int64(len(s.todo)))
}

func (s *bulkStream) requestLinks(ctx context.Context, list []dataset) {
	defer close(s.links)
	for _, d := range list {
		address, err := s.fetchLink(ctx, d)
		select {
		case s.links <- downloadLink{address, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *bulkStream) nextPart(ctx context.Context) (part, error) {
	if s.at >= len(s.todo) {
		return nil, errEnd
	}
	ready, ok := <-s.links
	if !ok {
		return nil, ctx.Err()
	}
	if ready.err != nil {
		return nil, ready.err
	}
	d := s.todo[s.at]
	s.at++
	down := &download{apiClient: s.apiClient, ctx: ctx, what: "dataset " + d.id, url: ready.url,
		renewLink: func(ctx context.Context) (string, error) { return s.fetchLink(ctx, d) }}
	p, err := openCSV(d.name, s.done.countReads(down), down.close)
	if err != nil {
		_ = down.close()
		return nil, err
	}
	s.size += max(0, down.size)
	p.sized = func() bool { return d.size > 0 && down.offset == d.size }
	p.counted = func(ctx context.Context, rows int64) string { return s.countDoubt(ctx, d, rows) }
	p.at = slices.Index(s.list, d)
	p.release = orElse(down.etag, d.version)
	p.notResumed = p.at != s.from.Index || d.name != s.from.Part || p.release != s.from.Version
	return p, nil
}

// fetchLink calls the service until the download of a dataset is ready, and returns its URL.
func (s *bulkStream) fetchLink(ctx context.Context, d dataset) (string, error) {
	base := s.Download + "/v1/public/api/datasets/" + d.id
	address, _, err := s.callDownload(ctx, d, base+"/initiate-download")
	if address != "" || err != nil {
		return address, err
	}
	for waited := time.Duration(0); waited < maxPoll; waited += s.downloads.gap {
		address, status, err := s.callDownload(ctx, d, base+"/poll-download")
		if address != "" || err != nil {
			return address, err
		}
		if strings.Contains(status, "FAIL") {
			return "", fault.New(fault.Unavailable, "dataset %s: download: %s", d.id, clipText(status, 40))
		}
	}
	return "", fault.New(fault.Unavailable, "dataset %s: download not ready after %s", d.id, maxPoll)
}

func (s *bulkStream) callDownload(ctx context.Context, d dataset, address string) (url, status string, err error) {
	type answer struct {
		Code int
		Data struct{ Status, URL string }
	}
	what := "download of dataset " + d.id
	got, err := getJSON(ctx, s.apiClient, &s.downloads, what, address, func(a answer) error {
		if a.Code != 0 {
			return fault.New(fault.Unavailable, "%s: code %d", what, a.Code)
		}
		return nil
	})
	return got.Data.URL, got.Data.Status, err
}
