package jobs

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/logging"
)

// origin stores the request that caused a job and adds it to the job's log lines, so that one request id finds both. It
// also stores the version of leadctl that wrote the job.
type origin struct {
	river.MiddlewareDefaults
	version string
}

// causeAttributes returns the log attributes that a job stores.
func causeAttributes() []string { return []string{"request_id", "subject"} }

// metadataKey is the member of a job's metadata that holds them and, at versionKey, the version.
const (
	metadataKey = "leadctl"
	versionKey  = "version"
)

// InsertMany implements rivertype.JobInsertMiddleware.
func (o *origin) InsertMany(ctx context.Context, many []*rivertype.JobInsertParams,
	inner func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	known := map[string]string{}
	if o.version != "" {
		known[versionKey] = o.version
	}
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
func (*origin) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) error {
	known := readOrigin(job)
	for _, key := range causeAttributes() {
		if known[key] != "" {
			ctx = logging.With(ctx, slog.String(key, known[key]))
		}
	}
	return inner(ctx)
}

// readOrigin returns what InsertMany stored with the job; nil if the metadata has no such member.
func readOrigin(job *rivertype.JobRow) map[string]string {
	var metadata struct {
		Leadctl map[string]string `json:"leadctl"`
	}
	if json.Unmarshal(job.Metadata, &metadata) != nil {
		return nil
	}
	return metadata.Leadctl
}
