package acra

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// probePatience bounds one of a probe's two calls.
const probePatience = 10 * time.Second

// Probe asks the service for the date of its latest release, and for one row of the first of ids (none: of the collection's
// first dataset), each once, without waiting. A service that throttles is one that answers. Faults: NotFound, Unavailable,
// Unprocessable.
func (s Service) Probe(ctx context.Context, ids []string) (released string, err error) {
	c := s.newClient()
	var list collectionAnswer
	if err := c.callOnce(ctx, "collection "+collection, c.collectionURL(), &list); err != nil {
		return "", err
	}
	id := append(append(slices.Clone(ids), list.Data.CollectionMetadata.ChildDatasets...), knownDatasets()[0].id)[0]
	page := struct{ Success *bool }{}
	q := url.Values{"resource_id": {id}, "limit": {"1"}}
	err = c.callOnce(ctx, "dataset "+id, c.Search+"?"+q.Encode(), &page)
	if err == nil && page.Success != nil && !*page.Success {
		err = fault.New(fault.Unavailable, "dataset %s: refused", id)
	}
	return list.Data.CollectionMetadata.LastUpdatedAt, err
}

func (c *apiClient) callOnce(ctx context.Context, what, address string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	if _, err := c.tryJSON(ctx, what, address, out); err != nil && !errors.Is(err, errThrottled) {
		return err
	}
	return nil
}
