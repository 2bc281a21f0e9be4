package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/leads"
)

// runDetail is the output of `acra status RUN`: every field of a run.
type runDetail struct {
	ID       int64      `json:"run_id"`
	Source   string     `json:"source"`
	State    string     `json:"state"`
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
	Seconds  float64    `json:"seconds"` // working time, summed over all resumptions
	Rate     int64      `json:"rows_per_second"`
	acra.Counts
	Warnings int64      `json:"warnings"`
	Absent   int64      `json:"absent"`
	Complete bool       `json:"complete"`
	Error    string     `json:"error"`
	Notes    []string   `json:"notes"`
	Status   []string   `json:"status"` // entity statuses that are loaded; empty means all
	Since    string     `json:"since"`
	Limit    int64      `json:"limit"`
	Release  string     `json:"release"` // the publisher's date of the newest dataset that was read
	Part     string     `json:"at_part"` // checkpoint: file or dataset, and the line up to which all rows are committed
	Line     int64      `json:"at_line"`
	Unknown  []string   `json:"unknown_columns"`
	Missing  []string   `json:"missing_columns"`
	Refused  []rowCount `json:"refused"` // number of rejected rows by reason
	Mended   []rowCount `json:"mended"`  // number of corrected rows by correction
}

// rowCount is a number of rows and what happened to them.
type rowCount struct {
	Rows int64  `json:"rows"`
	What string `json:"what"`
}

// sortedCounts returns counted as a list, the largest count first.
func sortedCounts(counted map[string]int64) []rowCount {
	list := []rowCount{}
	for what, n := range counted {
		list = append(list, rowCount{n, what})
	}
	slices.SortFunc(list, func(a, b rowCount) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.What, b.What))
	})
	return list
}

func newRunDetail(r acra.Run) runDetail {
	d := r.Detail
	s := runDetail{ID: r.ID, Source: r.Source, State: r.State, Started: r.StartedAt, Finished: r.FinishedAt,
		Seconds: math.Round(d.Seconds*100) / 100, Counts: r.Counts, Warnings: r.Warnings, Absent: r.Absent,
		Complete: r.Complete, Error: r.Error, Notes: nonNilList(d.Notes), Status: nonNilList(d.Status), Since: d.Since,
		Limit: d.Limit, Part: r.At.Part, Line: r.At.Line, Unknown: nonNilList(d.Unknown),
		Missing: nonNilList(d.Missing), Refused: sortedCounts(d.Reasons), Mended: sortedCounts(d.Warnings)}
	if d.Seconds > 0 {
		s.Rate = int64(float64(r.Read) / d.Seconds)
	}
	for _, v := range d.Versions {
		s.Release = max(s.Release, v)
	}
	return s
}

// nonNilList returns a copy of list that is never nil, so that an empty list is [] in JSON.
func nonNilList(list []string) []string { return append([]string{}, list...) }

// ingestResult is the output of `acra ingest`.
type ingestResult struct {
	runDetail
	DryRun           bool          `json:"dry_run"`         // nothing was written; the counts say what a run would do
	Resumed          bool          `json:"resumed"`         // the run continued an earlier one
	NothingToDo      bool          `json:"nothing_to_do"`   // the source has no newer release than this run
	CompaniesAdded   int64         `json:"companies_added"` // changes to the companies after the ingestion
	CompaniesUpdated int64         `json:"companies_updated"`
	CompaniesClosed  int64         `json:"companies_closed"`
	FirstRejects     []acra.Reject `json:"first_rejects"` // of a dry run only, which stores no rejected rows
}

func newIngestResult(r acra.Report, companies leads.CompaniesReport) ingestResult {
	return ingestResult{newRunDetail(r.Run), r.DryRun, r.Resumed, r.NothingToDo,
		companies.Added, companies.Updated, companies.Closed, append([]acra.Reject{}, r.FirstRejects...)}
}
