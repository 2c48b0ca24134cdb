#!/usr/bin/python3
"""What a slow disk costs: W1, preloaded and durable, with --ms added to every sync, beside the same without.

    slow_syncs.py [-n RUNS]

bulkmail and Postfix in turn, on a journaled file system of the benchmark's own (BENCH_DISK=loop). BENCH is the peer
benchmark's folder (default: ../shared/bench beside the checkout), BENCH_WORK its scratch folder.
"""
import argparse
import os
import subprocess
import tempfile
import time

from peer_runs import HERE, Figures, run
from rig import Table

LEAST = 0.8  # of the rate without: it falls by less than a fifth


def build(folder, milliseconds):
    """The shim, which is seen to work, and a folder of peers that use it."""
    shim = f"{folder}/slow_sync.so"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-DSLOW_MS={milliseconds}",
                    "-o", shim, f"{HERE}/slow_sync.c"], check=True)
    began = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/seen", "bs=1", "count=1", "conv=fsync", "status=none"], check=True,
                   env=dict(os.environ, LD_PRELOAD=shim))
    assert time.monotonic() - began >= milliseconds / 1000, "the shim adds nothing to a sync"
    for peer in ("bulkmail", "postfix"):
        os.symlink(f"{HERE}/slow_peer.sh", f"{folder}/{peer}.sh")
    return {"SLOW_SYNC": shim, "BENCH_DISK": "loop"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ms", type=int, default=5, help="added to fsync, fdatasync, syncfs, sync_file_range and sync")
    parser.add_argument("--msgs", type=int, default=10_000)
    parser.add_argument("--mode", default="queued", choices=("queued", "live"))
    parser.add_argument("--peers", nargs="*", default=["bulkmail", "postfix"])
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    options = parser.parse_args()
    found = {(peer, slow): [] for peer in options.peers for slow in (0, options.ms)}
    with tempfile.TemporaryDirectory() as folder:
        environment = build(folder, options.ms)
        for _ in range(options.n):
            for peer, slow in found:
                settings = {"PEER_SLOW": slow} if slow else {}
                found[peer, slow].append(run(peer, "W1", options.mode, peers=folder, environment=environment,
                                             msgs=options.msgs, **settings))
    table = Table("peer", "added to a sync", "complete", "messages/s", "of that without", "syncs", "intake", "CPU a message")
    for peer, slow in found:
        figures, without = Figures(found[peer, slow]), Figures(found[peer, 0])
        if not (figures.whole and without.whole):
            table.row(peer, f"{slow} ms", figures.complete, *["-"] * 5)
            table.broken.append(f"{peer}: no complete run")
            continue
        ratio = figures.rate / without.rate
        table.row(peer, f"{slow} ms", figures.complete, f"{figures.rate:.0f}", f"{ratio:.2f}", f"{figures.syncs:.0f}",
                  f"{figures.intake:.1f} s", f"{figures.cpu_ms:.3f} ms")
        if peer == "bulkmail" and ratio < LEAST:
            table.broken.append(f"with slow syncs {ratio:.2f} of the rate, at least {LEAST}")
    table.end()


main()
