#!/usr/bin/python3
"""A post to many recipients at one Site, and single messages dropped behind it to the same Site.

The singles are dropped once the first of the post has left, all at once or at --pace a second; the figures are their times
from drop to relayed (the event's time in results/). Beside it the same singles without the post, in turn, each time with a
new agent and a new spool. The Site's hosts answer after --latency, so that the Site is what there is too little of.
"""
import argparse
import time

from rig import Rig, Table, median, percentiles, scratch, waiting


def world(options):
    return {"log_messages": False, "sha256": False, "generate": [{
        "domains": "d%d.example", "count": options.domains, "hosts": "mx%d.example", "host_count": 1,
        "address": "127.0.2.%d", "host": {"latency": options.latency}}]}


def recipient(name, number, options):
    return f"{name}{number}@d{number % options.domains + 1}.example"


def run(home, options, post):
    """p50, p99 and the largest of the singles' seconds, and the seconds until the post was done."""
    settings = {"smtp.connections_per_site": options.connections, "status.files": options.files}
    with Rig(home, world(options), settings) as rig:
        rig.start()
        began = time.time()
        if post:
            rig.drop("post", (recipient("list", number, options) for number in range(post)))
            waiting.until(lambda: next(rig.results(), None), 60, rig.agent.log, every=0.002)
        dropped = {}
        first = time.monotonic()
        for number in range(options.singles):
            if options.pace:
                time.sleep(max(0, first + number / options.pace - time.monotonic()))
            dropped[f"single-{number}"] = rig.drop(f"single-{number}", (recipient("one", number, options),))
        waiting.until(rig.is_empty, options.patience, lambda: f"not all relayed: {rig.ping()}", every=0.2)
        relayed = list(rig.relayed())
    waits = [when - dropped[message] for message, when in relayed if message != "post"]
    assert (len(waits), len(relayed)) == (options.singles, options.singles + post)
    return *percentiles(waits), max((when - began for message, when in relayed if message == "post"), default=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--post", type=int, default=100_000, help="recipients of the post")
    parser.add_argument("--singles", type=int, default=1000)
    parser.add_argument("--pace", type=float, default=0, help="singles a second; default: all at once")
    parser.add_argument("--domains", type=int, default=500)
    parser.add_argument("--connections", type=int, default=20, help="sessions that the Site may have")
    parser.add_argument("--latency", default="20ms")
    parser.add_argument("--files", default="all", choices=("all", "failed", "none"), help="status.files")
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    parser.add_argument("--patience", type=float, default=600)
    options = parser.parse_args()
    table = Table("run", "singles p50", "p99", "max", "post done")
    found = {0: [], options.post: []}
    with scratch() as home:
        for number in range(options.n):
            for post in found:
                result = run(f"{home}/{number}-{post}", options, post)
                found[post].append(result)
                table.row(f"{number + 1}, {'behind the post' if post else 'alone'}", *(f"{value:.3f} s" for value in result))
    for post, results in found.items():
        table.row(f"median, {'behind the post' if post else 'alone'}",
                  *(f"{median(column):.3f} s" for column in zip(*results)))
    alone, behind = ([median(column) for column in zip(*results)] for results in found.values())
    table.row("ratio", *(f"{late / early:.2f}" for late, early in zip(behind[:3], alone[:3])), "")
    print(f"{options.singles} singles behind a post to {options.post}, {options.domains} domains of one Site, "
          f"{options.connections} sessions, replies after {options.latency}")
    table.print()


main()
