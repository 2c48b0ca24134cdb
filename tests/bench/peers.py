#!/usr/bin/python3
"""bulkmail beside Postfix, in the same run: time, rate, CPU, memory and syncs, and the ratios.

    peers.py [-n RUNS] [WORKLOAD…]          W1, W1-none (status.files = "none"), W2, W3i, W3i-healthy, W3l, W3l-healthy

W1 and W2 are preloaded; the others are dropped while the agent runs. BENCH is the peer benchmark's folder (default:
../shared/bench beside the checkout), whose README.md describes the workloads; BENCH_WORK is its scratch folder.
"""
import argparse

from peer_runs import Figures, run
from rig import Table

WORKLOADS = {  # what bench.py calls it, mode, bulkmail's settings, CPU limit in ms a recipient
    "W1": ("W1", "queued", {}, 0.15),
    "W1-none": ("W1", "queued", {"PEER_STATUS": "none"}, 0.08),
    "W2": ("W2", "queued", {}, 0.01),
    **{name: (name, "live", {}, None) for name in ("W3i", "W3i-healthy", "W3l", "W3l-healthy")},
}
# Without these Postfix doesn't get the healthy mail out within the cap: hosts that never greet take all its processes.
POSTFIX_W3 = {"PEER_PROCS": 500, "PEER_INIT": 2, "PEER_HELO": "10s"}
FASTER = 6  # than Postfix, in W1
BESIDE_BAD = {"W3l": 1.05}  # of the healthy alone; of W3i bad_sites.py judges, since here its drops take the writer their time


def settings(peer, name):
    if peer == "bulkmail":
        return WORKLOADS[name][2]
    return POSTFIX_W3 if name.startswith("W3") else {}


def text(value, form):
    return "-" if value is None else form.format(value)


def print_runs(figures):
    table = Table("workload", "peer", "complete", "to the last", "recipients/s", "CPU a recipient", "memory", "processes", "syncs",
                  "sessions", "others' CPU")
    for (name, peer), f in figures.items():
        table.row(name, peer, f.complete, text(f.seconds, "{:.3f} s"), text(f.rate, "{:.0f}"), text(f.cpu_ms, "{:.4f} ms"),
                  f"{f.memory_mb:.0f} MB", f"{f.processes:.0f}", f"{f.syncs:.0f}", f"{f.sessions:.0f}", f"{f.others:.2f} cores")
    table.print()


def judge(figures):
    """The ratios, and what the limits say."""
    table = Table("figure", "value", "limit")
    for (name, peer), own in figures.items():
        if len(own.whole) < own.runs and (peer, name) != ("postfix", "W3i"):
            table.broken.append(f"{name} {peer}: {own.complete} runs complete")
        if peer != "bulkmail" or not own.whole:
            continue
        if (limit := WORKLOADS[name][3]) is not None:
            table.measure(f"{name}: CPU a recipient", own.cpu_ms, "ms", limit)
        other = figures.get((name, "postfix"))
        if other and other.whole:
            table.measure(f"{name}: CPU, of Postfix's", own.cpu_ms / other.cpu_ms, "")
            table.row(f"{name}: times as fast as Postfix", f"{own.rate / other.rate:.1f}", f"at least {FASTER}" if name == "W1" else "")
            if name == "W1" and own.rate < FASTER * other.rate:
                table.broken.append(f"{name}: not {FASTER} times Postfix's rate")
        alone = figures.get((f"{name}-healthy", peer))
        if alone and alone.whole:
            table.measure(f"{name}: time, of the healthy alone", own.seconds / alone.seconds, "", BESIDE_BAD.get(name))
    table.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", help="default: all")
    parser.add_argument("--peers", nargs="*", default=["bulkmail", "postfix"])
    parser.add_argument("--cap", type=float, default=120, help="seconds for a run")
    parser.add_argument("-n", type=int, default=3, help="runs of each, in turn")
    options = parser.parse_args()
    names = options.workload or list(WORKLOADS)
    if unknown := set(names) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    records = {(name, peer): [] for name in names for peer in options.peers if (name, peer) != ("W1-none", "postfix")}
    for _ in range(options.n):
        for name, peer in records:
            workload, mode, *_ = WORKLOADS[name]
            records[name, peer].append(run(peer, workload, mode, options.cap, **settings(peer, name)))
    figures = {key: Figures(found) for key, found in records.items()}
    print_runs(figures)
    judge(figures)


main()
