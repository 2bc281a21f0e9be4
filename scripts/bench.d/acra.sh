#!/usr/bin/env bash
# Register ingestion against psql \copy of the same CSV into the same keyed table, in one run, on a throwaway PostgreSQL that
# flushes to disk: first load, the same file again, one row in a hundred changed; time, WAL and peak memory.
# Options: -rows N (default 200000; the other size that counts is 2000000), -rounds N (default 3).
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -trimpath -o "$bin/leadctl" ./cmd/leadctl
go build -o "$bin/bench" ./scripts/bench.d/acra
"$bin/bench" -leadctl "$bin/leadctl" "$@"
