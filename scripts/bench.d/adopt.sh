#!/usr/bin/env bash
# Measures the adoption of the platform's real database with many rows in each of five tables, on a throwaway PostgreSQL
# that flushes to disk: against a bare CREATE TABLE AS of the same rows, and against 60 s.
# Options: -rows N (default 205000), -rounds N (default 3).
set -euo pipefail
go run ./scripts/bench.d/adopt "$@"
