#!/bin/bash
# bulkmail as a peer of a mail benchmark: version DIR | start DIR live|hold | release DIR | stop DIR | inject DIR …
# `hold`: drops lie in new/ and no agent runs; `release` starts it, so that claim, journal and status files are measured.
#
#   BULKMAIL      the program; default: the release build
#   PEER_STATUS   status.files: all, failed or none
#   PEER_CONC     smtp.connections_per_site        PEER_HELO   smtp.timeouts.greeting
#   PEER_SET      further --set options, separated by spaces
#   PEER_PROFILE  a file: the agent runs under perf, which writes there
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=${BULKMAIL:-$here/../../build/release/agent/bulkmail}
verb=$1 dir=$2
agent() {
	local set=() perf=()
	for s in $PEER_SET; do set+=(--set "$s"); done
	[ -z "$PEER_PROFILE" ] || perf=(perf record -q -e cpu-clock -F 4000 -g -o "$PEER_PROFILE" --)
	# By way of a shell, whose place the agent takes: perf's own pid would be of no use to `stop`.
	"${perf[@]}" sh -c 'echo $$ >"$0/pid"; exec "$@"' "$dir" \
		"$program" run --spool "$dir/spool" --set hostname=bench.invalid --set smtp.private_targets=allow \
		--set status.files="${PEER_STATUS:-all}" --set smtp.connections_per_site="${PEER_CONC:-20}" \
		--set smtp.timeouts.greeting="${PEER_HELO:-300s}" --set log.target="$dir/log" --set log.level="${PEER_LOG:-info}" \
		"${set[@]}" </dev/null >/dev/null 2>"$dir/err" &
	echo $! >"$dir/job"
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
	for _ in $(seq 100); do kill -0 "$(cat "$dir/job")" 2>/dev/null || break; sleep 0.5; done;; # discards may be slow
inject)
	[ "$3" = probe ] && exit 0
	shift 2
	/usr/bin/python3 "$here/inject.py" "$dir/spool" "$@";;
*) exit 64;;
esac
exit 0
