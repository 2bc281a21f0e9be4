#!/usr/bin/env bash
# Measures how long a new workspace takes on a real Odoo, made as in production: by the job worker, one database per
# tenant, as a clone in PostgreSQL. First one at a time, then a burst of twenty while a user works in another tenant's
# database. scripts/live starts Odoo and its PostgreSQL, so this needs root.
# Options:
#   -alone N                     workspaces made one after the other (default 5)
#   -burst N                     workspaces made at once (default 20)
#   -protocol auto|xmlrpc|json2  how leadctl talks to Odoo
#   -odoo 19|14                  Odoo's version
#   -cluster=false               let Odoo's database service copy, without access to Odoo's PostgreSQL
#   -workers N                   Odoo's processes; 0 (the default) is one process with threads. Each process loads every
#                                database that it gets a request for, so on two cores more processes make it slower.
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
