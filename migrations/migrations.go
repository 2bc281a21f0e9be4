// Package migrations embeds the SQL files that migrate a database to leadctl's schema.
//
// It owns only the files. Package schema runs them in order, as the role leadctl_owner, under one lock. Each file is
// sent as one simple-query message, so it is one implicit transaction and must not contain BEGIN or COMMIT. A
// statement such as CREATE INDEX CONCURRENTLY needs its own file.
//
// Do not edit an up file after its release, not even a comment: each database stores the SHA-256 of the files that
// were applied to it.
package migrations

import "embed"

// FS contains NNNNNN_name.up.sql and, for a migration that can be undone, NNNNNN_name.down.sql.
//
//go:embed *.sql
var FS embed.FS
