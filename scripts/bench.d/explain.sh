#!/usr/bin/env bash
# No ratio: prints EXPLAIN (ANALYZE, BUFFERS) of the statements that run most, as the code sends them, on a database of a size
# worth looking at. docs/performance/plans.md keeps its output. It takes minutes and a few GB of disk.
# Options: -companies N (default 2000000), -tenants N (default 10000), -full N of them with -leads N each (2000 with 1000), the
# others with -few N (50).
set -euo pipefail
[[ $# -gt 0 || ${LEADCTL_BENCH_EXPLAIN:-} ]] || { echo "explain: skipped; give it options, or set LEADCTL_BENCH_EXPLAIN=1" >&2; exit 0; }
go run ./scripts/bench.d/explain "$@"
