# Runs one throwaway PostgreSQL until file descriptor 3 reaches its end, then removes every trace of it.
# Package pgtemp's documentation has the reasons. Arguments: directory, binaries' directory, template archive (may be
# empty), words for initdb, then the server's own arguments.
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
	# shellcheck disable=SC2086 # the words for initdb are meant to be split
	"$bin/initdb" -D "$dir/data" $initdb </dev/null
}

# The archive appears under its name in one step, so that nobody ever unpacks half of it.
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
		# More than once, since a server that has only just begun ignores it still.
		while kill -QUIT "$server"; do sleep 0.05; done
	) 4>&- &
	watcher=$!
	wait "$server"
	[ -e "$dir/stopping" ] || kill -KILL "$watcher" # else it is about to end, and has a child to wait for
	wait "$watcher"
}

if unpack || { create && publish; }; then
	serve "$@"
fi
tail -n 20 "$dir/log" >&4
# A server killed without warning leaves children that write for a moment longer.
rm -rf "$dir" || { sleep 1 && rm -rf "$dir"; }
