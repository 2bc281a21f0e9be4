# shellcheck shell=bash disable=SC2154 # set by scripts/live
# A throwaway PostgreSQL cluster for the Odoo servers, on loopback, with durability off.

postgres_need() { postgres_bin >/dev/null || missing+=(postgresql); }

# postgres_bin prints the folder of the newest server binaries.
postgres_bin() {
	local bins
	bins=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	[[ -x $bins/postgres ]] && echo "$bins"
}

# postgres_user prints the user that runs the server, because PostgreSQL refuses to run as root.
postgres_user() { id -un postgres 2>/dev/null || echo nobody; }

as_postgres() {
	local user
	user=$(postgres_user)
	setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env HOME="$state" LC_ALL=C.UTF-8 "$@"
}

# postgres_make_folder makes $state/pg, in memory if 8 GB are free there. On ext4, the search for a free inode passes
# every recently deleted one, so once a run has dropped its databases, cloning one takes 0.8 s instead of 0.1 s.
postgres_make_folder() {
	local free
	free=$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -n 1)
	if ((${free:-0} >= 8)); then
		install -d -m 0700 "$(postgres_shm_folder)"
		ln -s "$(postgres_shm_folder)" "$state/pg"
	else
		install -d -m 0700 "$state/pg"
	fi
}

postgres_shm_folder() { echo "/dev/shm/leadctl-live-$run"; }

postgres_clean() { rm -rf --one-file-system "$(postgres_shm_folder)"; }

postgres_start() {
	local bin user data
	bin=$(postgres_bin)
	user=$(postgres_user)
	postgres_make_folder
	data=$state/pg/
	pg_port=$(free_port)
	chown "$user" "$data"
	run_logged initdb as_postgres "$bin/initdb" --no-sync --pgdata "$data/cluster" --username "$user" --encoding UTF8 \
		--locale C.UTF-8 --auth-local peer --auth-host scram-sha-256
	start_service postgres setpriv "${lifeline[@]/TERM/INT}" --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
		"$bin/postgres" -D "$data/cluster" -p "$pg_port" -k "$data" -F -c listen_addresses=127.0.0.1 \
		-c max_connections=300 -c shared_buffers=256MB -c synchronous_commit=off -c full_page_writes=off
	wait_for postgres 30 as_postgres "$bin/psql" -qAt -h "$data" -p "$pg_port" -d postgres -c 'SELECT 1'
	log "postgres: 127.0.0.1:$pg_port"
}

# postgres_role NAME makes a login that may create databases, and prints its DSN. Each Odoo server gets its own role,
# because it lists all databases that its role owns.
postgres_role() {
	local secret
	secret=$(random_secret)
	printf "CREATE ROLE %s LOGIN CREATEDB PASSWORD '%s';\n" "$1" "$secret" |
		as_postgres "$(postgres_bin)/psql" -qAt -v ON_ERROR_STOP=1 -h "$state/pg" -p "$pg_port" -d postgres
	echo "postgres://$1:$secret@127.0.0.1:$pg_port/postgres?sslmode=disable"
}
