#!/bin/bash
# bulkmail as a peer of a mail benchmark: version DIR | start DIR live|hold | release DIR | stop DIR | inject DIR …
# `hold`: drops lie in new/ and no agent runs; `release` starts it, so that claim, journal and status files are measured.
# BULKMAIL names the program (default: the release build); PEER_SET has further --set options.
here=$(cd "$(dirname "$0")" && pwd)
program=${BULKMAIL:-$here/../../build/release/agent/bulkmail}
verb=$1 dir=$2
agent() {
	local set=()
	for s in $PEER_SET; do set+=(--set "$s"); done
	"$program" run --spool "$dir/spool" --set hostname=bench.invalid --set smtp.private_targets=allow \
		--set smtp.connections_per_site="${PEER_CONC:-20}" --set smtp.timeouts.greeting="${PEER_HELO:-300s}" \
		--set log.target="$dir/log" --set log.level="${PEER_LOG:-info}" "${set[@]}" </dev/null >/dev/null 2>"$dir/err" &
	echo $! >"$dir/pid"
}
case $verb in
version) "$program" --version;;
start)
	mkdir -p "$dir/spool"
	"$program" drain --spool "$dir/spool" || exit 1 # makes the folders
	[ "$3" = hold ] || agent;;
release) agent;;
stop)
	[ -s "$dir/pid" ] || exit 0
	kill -TERM "$(cat "$dir/pid")" 2>/dev/null
	for _ in $(seq 100); do kill -0 "$(cat "$dir/pid")" 2>/dev/null || break; sleep 0.1; done;;
inject)
	[ "$3" = probe ] && exit 0
	shift 2
	/usr/bin/python3 "$here/inject.py" "$dir/spool" "$@";;
*) exit 64;;
esac
exit 0
