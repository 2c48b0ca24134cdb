#!/bin/bash
# Where the agent's CPU goes in a workload, preloaded (default W1): by program and kernel, by thread, by function.
#
#   tests/bench/profile.sh [WORKLOAD [bench.py's options]]       profile.sh W1 --set PEER_STATUS=none
#   BENCH       the peer benchmark's folder; default: ../shared/bench beside the checkout
#   BENCH_WORK  its scratch folder
#   PROFILE     where to keep perf's record, for `perf report -i`; default: it goes at the end
#   LINES       functions a list; default 40
set -e
here=$(cd "$(dirname "$0")" && pwd)
bench=${BENCH:-$here/../../../shared/bench}
lines=${LINES:-40}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
profile=${PROFILE:-$scratch/perf.data}
workload=${1:-W1}
[ $# = 0 ] || shift

BENCH_PEERS=$here "$bench/bench.py" run bulkmail "$workload" queued --dry --set PEER_PROFILE="$profile" "$@"

report() { perf report -i "$profile" --stdio -g none -q "$@" 2>/dev/null | sed -E '/^$/d; s/ +(- +- *)?$//' | cut -c1-140; }
self() { report --no-children "$@"; }
section() { printf '\n%s\n' "$1"; }
section "By object" && self --sort dso | head -8
section "By thread (the lowest number is the loop's, the others are its pool)" && self --sort pid | head -10
section "By thread and object" && self --sort pid,dso | head -16
section "Functions of the program and its libraries" && self --sort dso,symbol | grep -v '\[k\]' | head -"$lines"
section "Functions of the kernel" && self --sort symbol | grep '\[k\]' | head -"$lines"
section "System calls with all that the kernel did for them, then themselves" &&
	report --children --sort symbol | grep -E '\[k\] (__x64_sys_|__do_sys_)' | head -"$lines"
section "The same by thread" &&
	report --children --sort pid,symbol | grep -E '\[k\] (__x64_sys_|__do_sys_)' | head -"$lines"
