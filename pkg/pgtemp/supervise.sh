# Runs a temporary PostgreSQL server until file descriptor 3 reaches end of file, then removes its directory.
# The documentation of package pgtemp gives the reasons. Arguments: directory, directory of the binaries, template
# archive (may be empty), arguments for initdb as one word, then the arguments for the server.
set -u
umask 077
dir=$1 bin=$2 template=$3 initdb=$4
shift 4
trap '' HUP INT TERM PIPE

mkdir "$dir" || exit 1
exec 4>&2 >"$dir/log" 2>&1

unpack() {
	[ -f "$template" ] && tar -xf "$template" -C "$dir" && [ -s "$dir/data/global/pg_control" ]
}

create() {
	rm -rf "$dir/data"
	# shellcheck disable=SC2086 # the arguments for initdb must be split
	"$bin/initdb" -D "$dir/data" $initdb </dev/null
}

# The rename publishes the archive in one step, so that no other process unpacks a part of it.
publish() {
	[ -n "$template" ] || return 0
	if ! { tar -cf "$template.$$" -C "$dir" data && mv -f "$template.$$" "$template"; }; then
		rm -f "$template.$$"
	fi
}

serve() {
	"$bin/postgres" -D "$dir/data" -k "$dir" "$@" </dev/null 3<&- 4>&- &
	server=$!
	(
		read -r _ <&3
		: >"$dir/stopping"
		# Repeated, because a server that has just started ignores the signal.
		while kill -QUIT "$server"; do sleep 0.05; done
	) 4>&- &
	watcher=$!
	wait "$server"
	[ -e "$dir/stopping" ] || kill -KILL "$watcher" # if the file exists, the watcher ends by itself
	wait "$watcher"
}

if unpack || { create && publish; }; then
	serve "$@"
fi
tail -n 20 "$dir/log" >&4
# The children of a killed server write for a moment longer.
rm -rf "$dir" || { sleep 1 && rm -rf "$dir"; }
