// Package acra brings Singapore's register of companies into staging_acra_companies.
//
// It owns the way from the source to that table: reading (a CSV file, the paged API or the bulk download of data.gov.sg),
// the rules for each row, loading, runs and refused rows. It does not own what the platform makes of the register:
// package leads derives companies from the rows that a run changed.
//
// # The way of a run
//
// Ingest (ingest.go) opens the source and starts the run; a decoder (decode.go) turns raw records (csv.go, pages.go,
// bulk.go) into batches of COPY text, each row with a hash, while the loader (load.go) writes the batch before; finish
// (publish.go) judges the whole and publishes.
//
// # What is written when
//
// A batch asks the table, by UEN and hash, which of its rows are new and which differ. New rows go straight into the
// table; rows that differ wait in acra_pending until the source has been read to its end, so that the last of several
// rows of one UEN wins and a run that is refused leaves every old row as it was. One transaction publishes them. Rows
// that are as they were cost a look and write nothing: last_seen is when a row was last written, and a run that saw the
// whole register marks the rows it did not find (absent_since) instead of touching the two million that it did.
//
// Every batch is one transaction that also moves the run's checkpoint (batches that write nothing leave it for a while),
// and begins by locking the run's row and comparing its batch number: a batch cannot be applied twice, and a run that
// somebody else took over cannot go on.
package acra
