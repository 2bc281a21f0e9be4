// Package acra loads Singapore's register of companies into staging_acra_companies.
//
// It owns everything from the source to that table: reading (a CSV file, the paged API or the bulk download of
// data.gov.sg), the rules for each row, loading, runs and rejected rows. It does not own what the platform derives from
// the register: package leads derives companies from the rows that a run changed.
//
// # Path of a run
//
// Ingest (ingest.go) opens the source and starts the run. A decoder (decode.go) turns raw records (csv.go, pages.go,
// bulk.go) into batches of COPY text, each row with a hash. At the same time the loader (load.go) writes the previous
// batch. At the end, finishRun (publish.go) checks the run as a whole and publishes it.
//
// # What is written when
//
// The loader finds out, by UEN and hash, which rows of a batch are new and which differ from the table. New rows go
// straight into the table. Rows that differ wait in acra_pending until the source has been read to its end, and one
// transaction publishes them. So the last of several rows with one UEN wins, and an aborted run leaves every old row
// unchanged. Unchanged rows are compared and not written: last_seen is the time of a row's last write. A run that read
// the whole register marks the rows that it did not find (absent_since), instead of updating the two million that it
// found.
//
// Every batch is one transaction that also saves the run's checkpoint. (A batch without writes may leave the checkpoint
// to a later one.) The transaction first locks the run's row and compares its batch number. So a batch cannot be
// applied twice, and a run that another process has taken over cannot continue.
package acra
