#!/usr/bin/env bash
# Measures the start of the program: median wall time of 20 runs of `leadctl version` in milliseconds, against 50 ms,
# the limit for shell completion.
set -euo pipefail
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -trimpath -o "$bin/leadctl" ./cmd/leadctl

times=()
for _ in $(seq 21); do
  start=$(date +%s%N)
  "$bin/leadctl" version >/dev/null
  times+=($((($(date +%s%N) - start) / 1000)))
done
median=$(printf '%s\n' "${times[@]:1}" | sort -n | sed -n 10p)
awk -v us="$median" 'BEGIN {
  r = us / 50000
  printf "bench version ours=%.1fms ref=50ms ratio=%.2f reach=1 %s\n", us / 1000, r, (r <= 1 ? "ok" : "short")
}'
