package acra

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// probePatience bounds each of a probe's two calls.
const probePatience = 10 * time.Second

// Probe asks the service for the date of its latest release, and for one row of the first of ids (without ids, of the
// collection's first dataset). It makes each call once and does not wait. A service that throttles counts as available.
// Faults: NotFound, Unavailable, Unprocessable.
func (s Service) Probe(ctx context.Context, ids []string) (released string, err error) {
	c := s.newClient()
	var list collectionAnswer
	if err := c.callOnce(ctx, "collection "+collection, c.collectionURL(), &list); err != nil {
		return "", err
	}
	id := slices.Concat(ids, list.Data.CollectionMetadata.ChildDatasets, []string{knownDatasets()[0].id})[0]
	page := struct{ Success *bool }{}
	q := url.Values{"resource_id": {id}, "limit": {"1"}}
	err = c.callOnce(ctx, "dataset "+id, c.Search+"?"+q.Encode(), &page)
	if err == nil && page.Success != nil && !*page.Success {
		err = fault.New(fault.Unavailable, "dataset %s: the service reports no success", id)
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
