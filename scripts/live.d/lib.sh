# shellcheck shell=bash disable=SC2154 # set by the script that sources this file
# Functions that every service of scripts/live uses: log, install, start, wait, stop.
# The sourcing script sets:
#   cache     folder of everything that is installed once and kept between runs
#   state     folder of this run: log, pid file and data of each service; removed at the end
#   lifeline  setpriv options that end a service when this script dies, even by SIGKILL; empty with --keep

missing=()  # Debian packages that need found missing
parallel=() # functions that run_parallel started, by pid

log() { printf '%4ds  %s\n' "$SECONDS" "$*" >&2; }

die() {
	log "${0##*/}: $*"
	exit 1
}

# need COMMAND PACKAGE adds the Debian package to the array missing unless the command exists.
need() { [[ -n $(type -P "$1") ]] || missing+=("$2"); }

# apt_install PACKAGE... installs packages on this machine, one process at a time.
apt_install() {
	local lock
	(($#)) || return 0
	log "installing $*"
	exec {lock}>"$cache/apt.lock"
	flock "$lock"
	run_logged apt apt-get update -q
	run_logged apt env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
	exec {lock}>&-
}

# run_logged NAME COMMAND... appends the output to $state/NAME.log and prints its end only if the command fails.
run_logged() {
	local name=$1
	shift
	"$@" >>"$state/$name.log" 2>&1 </dev/null || {
		tail -n 30 "$state/$name.log" >&2
		die "$name failed (the end of its output is above)"
	}
}

# install_once NAME FILL INPUT... runs "FILL DIR INPUT..." to fill the folder $cache/NAME, unless the folder was filled
# by the same recipe. The recipe's key is stored in DIR/.complete: last on success, and removed first on a new
# installation, so a failed or interrupted installation runs again. Everything that FILL installs by version or name
# must be an INPUT, because only inputs and code are part of the key.
install_once() {
	local name=$1 dir=$cache/$1 key lock
	shift
	key=$(recipe_key "$@")
	exec {lock}>"$cache/$name.lock"
	flock --shared "$lock"
	if ! is_installed "$name" "$key"; then
		flock --nonblock "$lock" || {
			log "$name: waiting for other runs that use it"
			flock "$lock"
		}
		is_installed "$name" "$key" || fill_folder "$name" "$key" "$@"
	fi
	exec {lock}>&-
}

is_installed() { [[ $(cat "$cache/$1/.complete" 2>/dev/null) == "$2" ]]; }

# fill_folder NAME KEY FILL INPUT... is the part of install_once that runs under the lock.
fill_folder() {
	local name=$1 key=$2 fill=$3 dir=$cache/$1
	shift 3
	log "$name: installing into $dir, recipe ${key::12}"
	rm -f "$dir/.complete"
	rm -rf --one-file-system "$dir"
	mkdir -p "$dir"
	"$fill" "$dir" "$@"
	echo "$key" >"$dir/.complete"
	log "$name: installed"
}

# recipe_key FILL INPUT... prints a hash of the inputs and of the code of FILL and every function that it can call.
# declare -f prints code without comments, so a change of a comment keeps the key.
recipe_key() {
	local -A code=()
	local calls=("$1") name
	while ((${#calls[@]})); do
		name=${calls[-1]}
		unset 'calls[-1]'
		[[ -z ${code[$name]:-} ]] || continue
		code[$name]=$(declare -f "$name") || die "recipe $1: there is no function $name"
		mapfile -t -O "${#calls[@]}" calls < <(functions_named_in "${code[$name]}")
	done
	{
		printf '%s\0' "$@"
		for name in $(printf '%s\n' "${!code[@]}" | LC_ALL=C sort); do printf '%s\n' "${code[$name]}"; done
	} | sha256sum | cut -d' ' -f1
}

# functions_named_in TEXT prints each word of TEXT that is the name of a function.
functions_named_in() {
	LC_ALL=C comm -12 <(compgen -A function | LC_ALL=C sort) <(grep -oE '\w+' <<<"$1" | LC_ALL=C sort -u)
}

# hold_installed NAME FILL INPUT... keeps other runs from replacing $cache/NAME until this script and the services that
# it leaves running have ended: they inherit the open lock file.
hold_installed() {
	local name=$1 lock
	shift
	exec {lock}>"$cache/$name.lock"
	flock --shared "$lock"
	is_installed "$name" "$(recipe_key "$@")" || die "$name: another run replaced it with its own version; run again"
}

# run_parallel FUNCTION... runs functions of this script at the same time. When one fails, the others are ended.
# Each is a process group of its own; end_parallel ends those that still run.
run_parallel() {
	local function pid status=0
	set -m
	for function; do
		(set +m; "$function") &
		parallel[$!]=$function
	done
	set +m
	while ((${#parallel[@]})); do
		wait -n -p pid "${!parallel[@]}" || status=$?
		unset "parallel[$pid]"
		((status == 0)) || exit "$status"
	done
}

end_parallel() {
	local pids=("${!parallel[@]}")
	((${#pids[@]})) || return 0
	kill -s TERM -- "${pids[@]/#/-}" 2>/dev/null || true
	wait "${pids[@]}" 2>/dev/null || true
}

# free_port prints a loopback port on which no process listens, outside the range of outgoing connections.
free_port() {
	local port
	while port=$((RANDOM % 10000 + 20000)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

random_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# write_private FILE [OWNER] writes stdin to a file that only its owner (default root) can read.
write_private() {
	(umask 077 && cat >"$1")
	chown "${2:-root}" "$1"
}

# publish NAME VALUE sets an environment variable for the tests, and writes it to $state/env for a developer's shell.
publish() {
	export "$1=$2"
	printf "export %s='%s'\n" "$1" "$2" >>"$state/env"
}

# start_service NAME COMMAND... starts COMMAND as the leader of its own process group. COMMAND must not daemonize.
start_service() {
	local name=$1
	shift
	setsid "$@" >>"$state/$name.log" 2>&1 </dev/null &
	record_pid "$name" $!
}

# record_pid NAME PID also records the start time, because the system may give the same pid to a later process.
record_pid() { echo "$2 $(start_time "$2")" >"$state/$1.pid"; }

# start_time PID prints nothing for a process that is gone or is a zombie.
start_time() { sed -n 's/.*) \([^Z]\) /\1 /p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

is_running() {
	local pid start
	read -r pid start 2>/dev/null <"$state/$1.pid" || return 1
	[[ -n $start && $(start_time "$pid") == "$start" ]]
}

# wait_for NAME SECONDS COMMAND... returns when COMMAND succeeds. It ends the script if the service exits or the time is
# over.
wait_for() {
	local name=$1 deadline=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		is_running "$name" || die_with_log "$name" "exited"
		((SECONDS < deadline)) || die_with_log "$name" "not ready in time"
		sleep 0.2
	done
}

die_with_log() {
	tail -n 40 "$state/$1.log" >&2
	die "$1: $2 (the end of its log is above)"
}

# stop_service NAME [SIGNAL] sends SIGNAL (default TERM) to a service, and after 10 seconds KILL to its process group.
stop_service() {
	local name=$1 pid start tries=100
	is_running "$name" || return 0
	read -r pid start <"$state/$name.pid"
	kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
	while is_running "$name" && ((tries-- > 0)); do sleep 0.1; done
	kill -s KILL -- "-$pid" 2>/dev/null || true
	rm -f "$state/$name.pid"
}
