# shellcheck shell=bash disable=SC2154 # set by scripts/live
# What every service of scripts/live shares: saying what happens, installing, starting, waiting, stopping.
# Sourced by scripts/live, which sets:
#   cache  what is installed once and kept between runs
#   state  what belongs to this run: a log, a pid and the data of each service; removed at the end
#   tether options for setpriv: with the driver gone, even by SIGKILL, the services go too (empty for --keep)

say() { printf '%4ds  %s\n' "$SECONDS" "$*" >&2; }

die() {
	say "live: $*"
	exit 1
}

# need COMMAND PACKAGE... installs the packages when the command is missing.
need() {
	local command=$1
	shift
	[[ -n $(type -P "$command") ]] || apt_install "$@"
}

apt_install() {
	say "installing $*"
	quietly apt apt-get update -q
	quietly apt env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# quietly LOG COMMAND... keeps the output for the day it is needed: shown only when the command fails.
quietly() {
	local log=$state/$1.log
	shift
	"$@" >>"$log" 2>&1 </dev/null || {
		tail -n 30 "$log" >&2
		die "$1 ended with an error (last lines above)"
	}
}

# installed NAME RECIPE FUNCTION: FUNCTION DIR fills $cache/NAME, once for each text of RECIPE. The stamp comes last,
# so an interrupted installation is made anew; the lock lets two runs share one installation.
installed() {
	local name=$1 recipe=$2 fill=$3 dir=$cache/$1 lock
	exec {lock}>"$cache/$name.lock"
	flock "$lock"
	if [[ $(cat "$dir/.complete" 2>/dev/null) != "$recipe" ]]; then
		say "$name: installing (once; kept in $dir)"
		rm -rf --one-file-system "$dir"
		mkdir -p "$dir"
		"$fill" "$dir"
		printf '%s\n' "$recipe" >"$dir/.complete"
		say "$name: installed"
	fi
	exec {lock}>&-
}

# free_port prints a loopback port that nobody listens on, outside the range that outgoing connections take.
free_port() {
	local port
	while port=$((RANDOM % 10000 + 20000)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

random_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# private FILE [OWNER] writes stdin to a file that only its owner reads.
private() {
	(umask 077 && cat >"$1")
	chown "${2:-root}" "$1"
}

# publish NAME VALUE hands a setting to the tests, and to a developer through $state/env.
publish() {
	export "$1=$2"
	printf "export %s='%s'\n" "$1" "$2" >>"$state/env"
}

# spawn NAME COMMAND... starts a service as the leader of its own process group. COMMAND must not fork away.
spawn() {
	local name=$1
	shift
	setsid "$@" >>"$state/$name.log" 2>&1 </dev/null &
	record "$name" $!
}

# record NAME PID: the start time stands beside the pid, since a pid alone may be another process's by the time it is used.
record() { echo "$2 $(started_at "$2")" >"$state/$1.pid"; }

# started_at PID prints nothing for a process that is gone or only waits to be reaped.
started_at() { sed -n 's/.*) \([^Z]\) /\1 /p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() {
	local pid start
	read -r pid start 2>/dev/null <"$state/$1.pid" || return 1
	[[ -n $start && $(started_at "$pid") == "$start" ]]
}

# await NAME SECONDS COMMAND... returns when COMMAND succeeds; a service that ended or takes too long ends the run.
await() {
	local name=$1 deadline=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		alive "$name" || fail_with_log "$name" "ended by itself"
		((SECONDS < deadline)) || fail_with_log "$name" "not ready in time"
		sleep 0.2
	done
}

fail_with_log() {
	tail -n 40 "$state/$1.log" >&2
	die "$1: $2 (its log is above)"
}

# stop NAME [SIGNAL] ends a service and whatever it started.
stop() {
	local name=$1 pid start tries=100
	alive "$name" || return 0
	read -r pid start <"$state/$name.pid"
	kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
	while alive "$name" && ((tries-- > 0)); do sleep 0.1; done
	kill -s KILL -- "-$pid" 2>/dev/null || true
	rm -f "$state/$name.pid"
}
