package acra

import (
	"time"
)

// Counts of a run. Every record read is in exactly one of the others:
// Read = Inserted + Updated + Unchanged + Duplicates + Rejected + Filtered.
type Counts struct {
	Read       int64 `json:"read"`
	Inserted   int64 `json:"inserted"`
	Updated    int64 `json:"updated"` // while a run goes on: found to differ so far
	Unchanged  int64 `json:"unchanged"`
	Duplicates int64 `json:"duplicates"` // another row of the source has the UEN; the last one counts
	Rejected   int64 `json:"rejected"`
	Filtered   int64 `json:"filtered"` // of other statuses or dates, and not in the table
}

// add adds the counts of a part to those of the whole.
func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Inserted += o.Inserted
	c.Updated += o.Updated
	c.Unchanged += o.Unchanged
	c.Duplicates += o.Duplicates
	c.Rejected += o.Rejected
	c.Filtered += o.Filtered
}

// Run is one ingestion, as acra_runs keeps it.
type Run struct {
	ID         int64      `json:"run_id"`
	Source     string     `json:"source"`
	State      string     `json:"state"` // running, interrupted, done, failed or aborted
	StartedAt  time.Time  `json:"started_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Counts
	Warnings int64    `json:"warnings"`
	Absent   int64    `json:"absent"` // rows of the table that a complete run did not find; they stay, marked
	Complete bool     `json:"complete"`
	Error    string   `json:"error,omitempty"`
	At       Position `json:"at"`
	Detail   Detail   `json:"detail"`
}

// Detail is what a run has to say beyond its counts.
type Detail struct {
	Status   []string          `json:"status,omitempty"` // entity statuses taken; none means all
	Since    string            `json:"since,omitempty"`
	Limit    int64             `json:"limit,omitempty"`
	Warnings map[string]int64  `json:"warnings,omitempty"`
	Reasons  map[string]int64  `json:"reasons,omitempty"`  // rejects by reason, without the values
	Unknown  []string          `json:"unknown,omitempty"`  // columns of the source that the table has not
	Missing  []string          `json:"missing,omitempty"`  // columns of the table that the source has not; they keep their values
	Versions map[string]string `json:"versions,omitempty"` // releases of the datasets read
	Notes    []string          `json:"notes,omitempty"`    // what an operator should look at
	Seconds  float64           `json:"seconds,omitempty"`  // worked on, all calls together
}

// Report is the outcome of Ingest.
type Report struct {
	Run
	DryRun       bool     `json:"dry_run,omitempty"`       // nothing was written; the counts say what a run would do
	Resumed      bool     `json:"resumed,omitempty"`       // the run had begun earlier
	NothingToDo  bool     `json:"nothing_to_do,omitempty"` // the source has not been republished since this run
	Seconds      float64  `json:"seconds"`                 // that this call took
	FirstRejects []Reject `json:"first_rejects,omitempty"` // of a dry run, which keeps none
}

// Reject is a row that was refused.
type Reject struct {
	RunID  int64  `json:"run_id"`
	Part   string `json:"part"` // file or dataset
	Line   int64  `json:"line"` // of its first line; the header is line 1. In a paged dataset the row's number
	UEN    string `json:"uen"`
	Reason string `json:"reason"`
	Raw    string `json:"raw"` // as it came, at most 2 KiB
}

// Progress is what Options.Progress is told after every batch.
type Progress struct {
	RunID int64
	Counts
	At       Position // where the source is, see Run.At
	Done, Of int64    // how far the source is, in bytes or rows of its own; Of is 0 when unknown
}

// Rows estimates how many records the whole source has from how far it was read; -1 when nobody can tell.
func (p Progress) Rows() int64 {
	if p.Done <= 0 || p.Of <= 0 {
		return -1
	}
	return int64(float64(p.Read) * float64(p.Of) / float64(p.Done))
}
