// Package migrations embeds the SQL that brings a database to leadctl's schema.
//
// It owns the files and nothing else: package schema runs them, in order, as leadctl_owner, under one lock. A file is one
// simple-query message and so one implicit transaction: never write BEGIN or COMMIT in one. CREATE INDEX CONCURRENTLY
// needs a file of its own. A file that has been released is never edited; its checksum is kept in the database.
package migrations

import "embed"

// FS holds NNNNNN_name.up.sql and, where going back is possible, NNNNNN_name.down.sql.
//
//go:embed *.sql
var FS embed.FS
