package acra

import (
	"time"
)

// Counts of a run. Every record read is in exactly one of the other counts:
// Read = Inserted + Updated + Unchanged + Duplicates + Rejected + Filtered.
type Counts struct {
	Read       int64 `json:"read"`
	Inserted   int64 `json:"inserted"`
	Updated    int64 `json:"updated"` // during a run: rows found to differ so far
	Unchanged  int64 `json:"unchanged"`
	Duplicates int64 `json:"duplicates"` // another row of the source has the same UEN; the last one counts
	Rejected   int64 `json:"rejected"`
	Filtered   int64 `json:"filtered"` // of another status or date, and not in the table
}

// add adds the counts of a batch.
func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Inserted += o.Inserted
	c.Updated += o.Updated
	c.Unchanged += o.Unchanged
	c.Duplicates += o.Duplicates
	c.Rejected += o.Rejected
	c.Filtered += o.Filtered
}

// Run is one ingestion, a row of acra_runs.
type Run struct {
	ID         int64      `json:"run_id"`
	Source     string     `json:"source"`
	State      string     `json:"state"` // running, interrupted, done, incomplete, failed or aborted
	StartedAt  time.Time  `json:"started_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Counts
	Warnings int64    `json:"warnings"`
	Absent   int64    `json:"absent"` // rows of the table that a complete run did not find; they are only marked
	Complete bool     `json:"complete"`
	Error    string   `json:"error,omitempty"`
	At       Position `json:"at"`
	Detail   Detail   `json:"detail"`
}

// Detail is what a run records beyond its counts.
type Detail struct {
	Status   []string          `json:"status,omitempty"` // entity statuses taken; none means all
	Since    string            `json:"since,omitempty"`
	Limit    int64             `json:"limit,omitempty"`
	Warnings map[string]int64  `json:"warnings,omitempty"`
	Reasons  map[string]int64  `json:"reasons,omitempty"`  // rejects by reason, without the values
	Unknown  []string          `json:"unknown,omitempty"`  // columns that only the source has
	Missing  []string          `json:"missing,omitempty"`  // columns that only the table has; they keep their values
	Versions map[string]string `json:"versions,omitempty"` // releases of the datasets read
	Notes    []string          `json:"notes,omitempty"`    // findings that an operator should check
	Doubts   []string          `json:"doubts,omitempty"`   // why the source may have ended early; the run is incomplete
	Seconds  float64           `json:"seconds,omitempty"`  // time spent on the run, by all calls
}

// Report is the outcome of Ingest.
type Report struct {
	Run
	DryRun       bool     `json:"dry_run,omitempty"`       // nothing was written; the counts tell what a run would do
	Resumed      bool     `json:"resumed,omitempty"`       // an earlier call started the run
	NothingToDo  bool     `json:"nothing_to_do,omitempty"` // the source has not been republished since this run
	Seconds      float64  `json:"seconds"`                 // duration of this call
	FirstRejects []Reject `json:"first_rejects,omitempty"` // only of a dry run, whose rejects are not stored
}

// Reject is a rejected row.
type Reject struct {
	RunID  int64  `json:"run_id"`
	Part   string `json:"part"` // file or dataset
	Line   int64  `json:"line"` // number of its first line; the header is line 1. In a paged dataset, the row's number
	UEN    string `json:"uen"`
	Reason string `json:"reason"`
	Raw    string `json:"raw"` // the unchanged row, cut at 2 KiB
}

// Progress is passed to Options.Progress after every batch.
type Progress struct {
	RunID int64
	Counts
	At       Position // position in the source, see Run.At
	Done, Of int64    // done and total, in bytes or rows of the source; Of is 0 when unknown
}

// Rows estimates the number of records in the whole source, from the part read so far. -1 means unknown.
func (p Progress) Rows() int64 {
	if p.Done <= 0 || p.Of <= 0 {
		return -1
	}
	return int64(float64(p.Read) * float64(p.Of) / float64(p.Done))
}
