#!/usr/bin/env bash
# What checking the token costs a request, against go-oidc alone with the same keys and token: processor time, medians.
set -euo pipefail
exec go run ./scripts/bench.d/auth
