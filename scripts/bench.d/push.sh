#!/usr/bin/env bash
# Measures pushes of leads into a real Odoo: new ones, against Odoo's bare create of the same values; a push that finds
# nothing changed; and a push of one changed lead among many. scripts/live starts Odoo, so this needs root.
# Options: -leads N (default 10000), -new N (default 1000), -protocol auto|xmlrpc|json2, -odoo 19|14
set -euo pipefail
odoo=19
for ((i = 1; i < $#; i++)); do
  if [[ ${!i} =~ ^--?odoo$ ]]; then j=$((i + 1)) && odoo=${!j}; fi
done
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/bench" ./scripts/bench.d/push
scripts/live "odoo$odoo" --run "$bin/bench" "$@"
