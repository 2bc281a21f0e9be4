# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Odoo from Debian's packages, each version in a root of the Debian release whose Python it needs.
# Odoo 19 is packaged in sid only, but it runs on trixie's Python and not on sid's. So its package comes from sid, and
# its dependencies from trixie: the pin of sid is so low that apt takes nothing else from there.

odoo19_recipe=(odoo19 odoo_fill trixie odoo-19 sid)
odoo14_recipe=(odoo14 odoo_fill bullseye odoo-14)

odoo19_install() { install_once "${odoo19_recipe[@]}"; }
odoo14_install() { install_once "${odoo14_recipe[@]}"; }

# odoo_fill DIR RELEASE PACKAGE [OTHER] installs PACKAGE in a root of RELEASE. Release OTHER has the package if RELEASE
# does not.
odoo_fill() {
	local root=$1 mirror
	mirror=$(debian_mirror)
	odoo_root "$root" "$2" "$mirror"
	if [[ -n ${4:-} ]]; then
		# The mirror may lag behind, so the date on its index is not checked; its signature is.
		echo "deb [check-valid-until=no] $mirror $4 main" >"$root/etc/apt/sources.list.d/$4.list"
		printf 'Package: *\nPin: release n=%s\nPin-Priority: 1\n' "$4" >"$root/etc/apt/preferences.d/$4"
	fi
	odoo_packages "$root" "$3"
}

# odoo_root DIR RELEASE MIRROR makes a minimal Debian in which packages do not start services and do not wait for the
# disk.
odoo_root() {
	debian_bootstrap "$@"
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 0755 "$1/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/leadctl"
	echo 'Acquire::Languages "none";' >"$1/etc/apt/apt.conf.d/leadctl"
}

odoo_packages() {
	local root=$1 name=${1##*/}
	shift
	log "$name: Debian is ready; installing $*"
	run_logged "$name-packages" in_root "$root" apt-get update -q
	run_logged "$name-packages" in_root "$root" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "$@"
	run_logged "$name-packages" in_root "$root" apt-get clean
}

# in_root DIR COMMAND... runs the command in the root.
in_root() {
	local enter
	set_enter
	"${enter[@]}" "$@"
}

start_service_in_root() {
	local name=$1 enter
	shift
	set_enter
	start_service "$name" "${enter[@]}" "$@"
}

# set_enter sets the array enter to the words that go before "DIR COMMAND...". Each word executes the next, so the pid
# stays the same. /proc is mounted in a mount namespace of the command, so the mount ends with it. Where the machine
# forbids that, the files that Odoo reads of its own process are copied.
set_enter() {
	enter=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8)
	# shellcheck disable=SC2016 # for the inner shells
	if unshare --mount true 2>/dev/null; then
		enter+=(unshare --mount sh -c 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"')
	else
		enter+=(sh -c 'cd "$0/proc"; mkdir -p $$; cp /proc/stat .; cp /proc/$$/stat* $$; exec chroot "$0" "$@"')
	fi
}

# odoo_start VERSION launches a server and publishes its address and secrets; odoo_ready waits for it.
odoo_start() {
	local name=odoo$1 port dsn secret data
	port=$(free_port)
	dsn=$(postgres_role "$name")
	secret=$(random_secret)
	data=$(odoo_data "$1")
	install -d -m 0700 -o nobody -g nogroup "$data"
	odoo_config "$port" "$dsn" "$secret" /srv/leadctl/"$run" | write_private "$data/odoo.conf" nobody
	write_private "$state/$name.master" <<<"$secret"
	odoo_launch "$1"
	odoo_publish "LEADCTL_LIVE_ODOO${1/19/}" "$1" "http://127.0.0.1:$port" "$dsn"
}

# odoo_data VERSION prints the folder of a server's files. The server sees it as /srv/leadctl/$run.
odoo_data() { echo "$cache/odoo$1/srv/leadctl/$run"; }

# odoo_config PORT DSN MASTER DATA
# LEADCTL_LIVE_ODOO_WORKERS is the number of server processes, as in production; 0 (the default) is one with threads.
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

# odoo_launch VERSION runs the server as nobody. The program is called odoo in both packages.
odoo_launch() {
	local root=$cache/odoo$1 inside=/srv/leadctl/$run
	start_service_in_root "odoo$1" "$root" setpriv --reuid nobody --regid nogroup --clear-groups "${lifeline[@]}" \
		env HOME="$inside" odoo -c "$inside/odoo.conf"
}

odoo_ready() {
	local prefix=LEADCTL_LIVE_ODOO${1/19/}
	local url=${prefix}_URL
	wait_for "odoo$1" 90 odoo_answers "${!url}"
	log "odoo$1: ${!url}"
}

odoo_answers() {
	local call='<methodCall><methodName>version</methodName></methodCall>'
	curl -sf --max-time 5 -H 'Content-Type: text/xml' --data "$call" "$1/xmlrpc/2/common" | grep -q server_serie
}

odoo_clean() { rm -rf --one-file-system "$(odoo_data 14)" "$(odoo_data 19)"; }
