#!/usr/bin/env bash
# Exports, in one run on a throwaway PostgreSQL that flushes to disk: the whole of a tenant's scores against psql \copy under
# the same row security; GET /export/latest_scores.json?limit=200 against the same statements by pgbench, with a token
# verified for each request; what it takes to learn that an export is as it was; the same request with many tenants in the
# database against ten of them.
# -flat N measures nothing but the highest memory of an export of N rows against one of 1,000, by the command and by a daemon.
# Options: -rows N of the whole export (default 200000), -tenants N (default 10000), -rounds N (default 3), -seconds N a run.
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -trimpath -o "$bin/leadctl" ./cmd/leadctl
go build -o "$bin/bench" ./scripts/bench.d/export
"$bin/bench" -leadctl "$bin/leadctl" "$@"
