package jobs

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/logging"
)

// origin stores the request that caused a job and adds it to the job's log lines, so that one request id finds both.
type origin struct{ river.MiddlewareDefaults }

// causeAttributes returns the log attributes that a job stores.
func causeAttributes() []string { return []string{"request_id", "subject"} }

// metadataKey is the member of a job's metadata that holds them.
const metadataKey = "leadctl"

// InsertMany implements rivertype.JobInsertMiddleware.
func (origin) InsertMany(ctx context.Context, many []*rivertype.JobInsertParams,
	inner func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	known := map[string]string{}
	for _, key := range causeAttributes() {
		if value := logging.Value(ctx, key); value != "" {
			known[key] = value
		}
	}
	for _, params := range many {
		metadata := map[string]any{}
		if len(known) > 0 && (len(params.Metadata) == 0 || json.Unmarshal(params.Metadata, &metadata) == nil) {
			metadata[metadataKey] = known
			params.Metadata, _ = json.Marshal(metadata) // cannot fail: it was JSON before
		}
	}
	return inner(ctx)
}

// Work implements rivertype.WorkerMiddleware.
func (origin) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) error {
	var metadata map[string]json.RawMessage
	known := map[string]string{}
	if json.Unmarshal(job.Metadata, &metadata) == nil && metadata[metadataKey] != nil &&
		json.Unmarshal(metadata[metadataKey], &known) == nil {
		for _, key := range causeAttributes() {
			if known[key] != "" {
				ctx = logging.With(ctx, slog.String(key, known[key]))
			}
		}
	}
	return inner(ctx)
}
