#!/usr/bin/env bash
# Measures register ingestion against psql \copy of the same CSV file into the same keyed table, on a throwaway
# PostgreSQL that flushes to disk. Loads: the first, the same file again, and one changed row in a hundred.
# Figures: time, WAL and peak memory.
# Options: -rows N (default 200000; docs/performance.md also has 2000000), -rounds N (default 3).
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -trimpath -o "$bin/leadctl" ./cmd/leadctl
go build -o "$bin/bench" ./scripts/bench.d/acra
"$bin/bench" -leadctl "$bin/leadctl" "$@"
