# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Odoo from Debian's own packages, each version in a root of the Debian release whose Python it needs.
# Odoo 19 is packaged in sid alone, but runs on trixie's Python and not on sid's: its package comes from sid (pinned so low
# that nothing else does), all it depends on from trixie.

# The archive that this machine's own apt reads; asked for only when something is installed.
# shellcheck disable=SC2016 # for apt
odoo_mirror() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | awk '/\/debian\/*$/ && !n++'; }

odoo_install() {
	need debootstrap debootstrap
	case $1 in
	19) installed odoo19 'trixie odoo-19 1' odoo19_fill ;;
	14) installed odoo14 'bullseye odoo-14 1' odoo14_fill ;;
	esac
}

odoo19_fill() {
	odoo_root "$1" trixie
	# A mirror that lags behind will do: the signature is checked all the same.
	echo "deb [check-valid-until=no] $(odoo_mirror) sid main" >"$1/etc/apt/sources.list.d/sid.list"
	printf 'Package: *\nPin: release n=sid\nPin-Priority: 1\n' >"$1/etc/apt/preferences.d/sid"
	odoo_packages "$1" odoo-19
}

odoo14_fill() {
	odoo_root "$1" bullseye
	odoo_packages "$1" odoo-14
}

# odoo_root DIR RELEASE makes a bare Debian in which packages neither start services nor wait for the disk.
odoo_root() {
	quietly "debootstrap-$2" debootstrap --variant=minbase "$2" "$1" "$(odoo_mirror)"
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 0755 "$1/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/leadctl"
	echo 'Acquire::Languages "none";' >"$1/etc/apt/apt.conf.d/leadctl"
}

odoo_packages() {
	local root=$1
	shift
	say "${root##*/}: Debian is there, installing $*"
	quietly "${root##*/}-packages" in_root "$root" apt-get update -q
	quietly "${root##*/}-packages" in_root "$root" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "$@"
	quietly "${root##*/}-packages" in_root "$root" apt-get clean
}

# in_root DIR COMMAND... runs in the root. /proc is mounted in a mount namespace of the command's own, so that no mount
# outlives it. Where the machine forbids that, the command finds there what Odoo wants to read of its own process.
in_root() {
	local enter
	enter_root
	"${enter[@]}" "$@"
}

spawn_in_root() {
	local name=$1 enter
	shift
	enter_root
	spawn "$name" "${enter[@]}" "$@"
}

# enter_root sets enter to the words that go before DIR COMMAND...; each of them execs the next, so the pid stays.
enter_root() {
	enter=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8)
	# shellcheck disable=SC2016 # for the inner shells
	if unshare --mount true 2>/dev/null; then
		enter+=(unshare --mount sh -c 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"')
	else
		enter+=(sh -c 'cd "$0/proc"; mkdir -p $$; cp /proc/stat .; cp /proc/$$/stat* $$; exec chroot "$0" "$@"')
	fi
}

# odoo_start VERSION launches a server and publishes how to reach it; odoo_ready waits for it.
odoo_start() {
	local name=odoo$1 port dsn secret data
	port=$(free_port)
	dsn=$(postgres_role "$name")
	secret=$(random_secret)
	data=$(odoo_data "$1")
	install -d -m 0700 -o nobody -g nogroup "$data"
	odoo_config "$port" "$dsn" "$secret" /srv/leadctl/"$run" | private "$data/odoo.conf" nobody
	private "$state/$name.master" <<<"$secret"
	odoo_launch "$1"
	odoo_publish "LEADCTL_LIVE_ODOO${1/19/}" "$1" "http://127.0.0.1:$port" "$dsn"
}

# odoo_data prints where a server keeps its files, outside in; the server sees it as /srv/leadctl/$run.
odoo_data() { echo "$cache/odoo$1/srv/leadctl/$run"; }

# odoo_config PORT DSN MASTER DATA
# LEADCTL_LIVE_ODOO_WORKERS makes it a server of so many processes, as in production; by default it is one with threads.
odoo_config() {
	local login=${2#postgres://}
	local workers=${LEADCTL_LIVE_ODOO_WORKERS:-0}
	local user=${login%%:*} password=${login#*:}
	cat <<-END
		[options]
		admin_passwd = $3
		http_interface = 127.0.0.1
		http_port = $1
		db_host = 127.0.0.1
		db_port = $pg_port
		db_user = $user
		db_password = ${password%%@*}
		data_dir = $4
		list_db = True
		workers = $workers
		limit_time_cpu = 600
		limit_time_real = 1200
		gevent_port = $(free_port)
		longpolling_port = $(free_port)
	END
}

odoo_publish() {
	publish "$1_URL" "$3"
	publish "$1_DSN" "$4"
	publish "$1_MASTER_FILE" "$state/odoo$2.master"
	publish "$1_DATA_DIR" "$(odoo_data "$2")"
}

# odoo_launch runs the server as nobody. The program is called odoo in both packages.
odoo_launch() {
	local root=$cache/odoo$1 inside=/srv/leadctl/$run
	spawn_in_root "odoo$1" "$root" setpriv --reuid nobody --regid nogroup --clear-groups "${tether[@]}" \
		env HOME="$inside" odoo -c "$inside/odoo.conf"
}

odoo_ready() {
	local prefix=LEADCTL_LIVE_ODOO${1/19/}
	local url=${prefix}_URL
	await "odoo$1" 90 odoo_answers "${!url}"
	say "odoo$1: ${!url}"
}

odoo_answers() {
	curl -sf --max-time 5 -H 'Content-Type: text/xml' --data '<methodCall><methodName>version</methodName></methodCall>' \
		"$1/xmlrpc/2/common" | grep -q server_serie
}

odoo_clean() { rm -rf --one-file-system "$(odoo_data 14)" "$(odoo_data 19)"; }
