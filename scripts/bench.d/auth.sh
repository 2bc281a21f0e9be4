#!/usr/bin/env bash
# Measures the processor time of token verification in a request against go-oidc alone, with the same keys and token.
# Figures: medians.
set -euo pipefail
exec go run ./scripts/bench.d/auth
