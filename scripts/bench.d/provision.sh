#!/usr/bin/env bash
# Provisions workspaces on a real Odoo as production does: the job worker, a database per tenant, raw clones. Measured: one
# alone, then twenty at once while somebody works in another tenant's database. Odoo and its PostgreSQL run as scripts/live starts them.
# Root is needed, for scripts/live. Options: -alone N (default 5), -burst N (default 20), -protocol auto|xmlrpc|json2, -odoo 19|14,
# -cluster=false without Odoo's PostgreSQL, by Odoo's database service,
# -workers N of Odoo: 0 (the default) is one process with threads, more are so many processes, as larger installations run it. Each process
# loads every database that it is asked about, so on two cores they cost a new workspace more than they gain.
set -euo pipefail
workers=0 odoo=19 rest=()
while (($#)); do
  case $1 in
  -workers | --workers) workers=$2 && shift ;;
  -odoo | --odoo) odoo=$2 && shift ;;
  *) rest+=("$1") ;;
  esac
  shift
done
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/bench" ./scripts/bench.d/provision
echo "# Odoo $odoo, workers: $workers"
LEADCTL_LIVE_ODOO_WORKERS=$workers scripts/live "odoo$odoo" --run "$bin/bench" -odoo "$odoo" "${rest[@]}"
