#!/usr/bin/env bash
# Prints EXPLAIN (ANALYZE, BUFFERS) of the most frequent statements, as the code sends them, on a large database.
# It measures no ratio; docs/performance/plans.md has its output. It takes minutes and a few GB of disk.
# Options: -companies N (default 2000000) and -tenants N (default 10000); -full N (2000) of the tenants have -leads N
# (1000) leads each, and the others -few N (50).
set -euo pipefail
if [[ $# == 0 && -z ${LEADCTL_BENCH_EXPLAIN:-} ]]; then
  echo "explain: skipped; to run it, pass options or set LEADCTL_BENCH_EXPLAIN=1" >&2
  exit 0
fi
go run ./scripts/bench.d/explain "$@"
