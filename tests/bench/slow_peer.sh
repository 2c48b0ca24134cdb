#!/bin/bash
# A peer of the benchmark with slow syncs if PEER_SLOW is set: called as NAME.sh (by a link), it has SLOW_SYNC preloaded into
# what NAME's own script starts, by way of /etc/ld.so.preload, since some peers clear their environment. That file is the
# benchmark's own: /etc is an overlay in its mount namespace, and nothing is written where it isn't. The writer of drops is
# not what is measured: it is spared.
name=$(basename "$0")
peer=$(dirname "$(readlink -f "$0")")/$name
[ -e "$peer" ] || peer=$BENCH/peers/$name
if [ -n "$PEER_SLOW" ]; then
	[ "$BENCH_NS" = 1 ] && [ "$(findmnt -n -o FSTYPE /etc)" = overlay ] || { echo "$0: not in the benchmark's namespace" >&2; exit 64; }
	case $1 in
	version | inject) rm -f /etc/ld.so.preload ;;
	*)
		echo "$SLOW_SYNC" >/etc/ld.so.preload
		grep -q "$SLOW_SYNC" /proc/self/maps || { echo "$0: $SLOW_SYNC is not preloaded" >&2; exit 1; } ;;
	esac
fi
"$peer" "$@"
