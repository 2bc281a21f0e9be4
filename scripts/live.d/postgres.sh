# shellcheck shell=bash disable=SC2154 # set by scripts/live
# A PostgreSQL cluster of our own for the Odoo servers: loopback, throwaway, durability off.

postgres_install() {
	postgres_bin >/dev/null || apt_install postgresql
}

# postgres_bin prints the folder of the newest server binaries.
postgres_bin() {
	local bins
	bins=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	[[ -x $bins/postgres ]] && echo "$bins"
}

# The server refuses root.
postgres_user() { id -un postgres 2>/dev/null || echo nobody; }

as_postgres() {
	local user
	user=$(postgres_user)
	setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env HOME="$state" LC_ALL=C.UTF-8 "$@"
}

# postgres_place makes $state/pg, in memory where there is room: ext4 looks for a free inode past every one that was deleted a
# short while ago, so after a run has dropped its databases, cloning one takes 0.8 s there instead of 0.1 s.
postgres_place() {
	local free
	free=$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -n 1)
	if ((${free:-0} >= 8)); then
		install -d -m 0700 "$(postgres_memory)"
		ln -s "$(postgres_memory)" "$state/pg"
	else
		install -d -m 0700 "$state/pg"
	fi
}

postgres_memory() { echo "/dev/shm/leadctl-live-$run"; }

postgres_clean() { rm -rf --one-file-system "$(postgres_memory)"; }

postgres_start() {
	local bin user data
	bin=$(postgres_bin)
	user=$(postgres_user)
	postgres_place
	data=$state/pg/
	pg_port=$(free_port)
	chown "$user" "$data"
	quietly initdb as_postgres "$bin/initdb" --no-sync --pgdata "$data/cluster" --username "$user" --encoding UTF8 \
		--locale C.UTF-8 --auth-local peer --auth-host scram-sha-256
	spawn postgres setpriv "${tether[@]/TERM/INT}" --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
		"$bin/postgres" -D "$data/cluster" -p "$pg_port" -k "$data" -F -c listen_addresses=127.0.0.1 \
		-c max_connections=300 -c shared_buffers=256MB -c synchronous_commit=off -c full_page_writes=off
	await postgres 30 as_postgres "$bin/psql" -qAt -h "$data" -p "$pg_port" -d postgres -c 'SELECT 1'
	say "postgres: 127.0.0.1:$pg_port"
}

# postgres_role NAME makes a login that may create databases, and prints its DSN. An Odoo server lists the databases
# that its role owns, so each server gets its own role.
postgres_role() {
	local secret
	secret=$(random_secret)
	printf "CREATE ROLE %s LOGIN CREATEDB PASSWORD '%s';\n" "$1" "$secret" |
		as_postgres "$(postgres_bin)/psql" -qAt -v ON_ERROR_STOP=1 -h "$state/pg" -p "$pg_port" -d postgres
	echo "postgres://$1:$secret@127.0.0.1:$pg_port/postgres?sslmode=disable"
}
