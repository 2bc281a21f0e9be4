#!/usr/bin/env bash
# Measures exports on a throwaway PostgreSQL that flushes to disk:
# - an export of all scores of a tenant, against psql \copy under the same row-level security;
# - GET /export/latest_scores.json?limit=200 with a token that is verified for each request, against pgbench with the
#   same statements;
# - the same request when the export has not changed;
# - the same request with many tenants in the database, against ten tenants.
# Options: -rows N of the export of all scores (default 200000), -tenants N (default 10000), -rounds N (default 3),
# -seconds N of each run. -flat N measures only peak memory: of an export of N rows against one of 1,000, by the command
# and by a daemon.
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -trimpath -o "$bin/leadctl" ./cmd/leadctl
go build -o "$bin/bench" ./scripts/bench.d/export
"$bin/bench" -leadctl "$bin/leadctl" "$@"
