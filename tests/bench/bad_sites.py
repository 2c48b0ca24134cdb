#!/usr/bin/python3
"""A fifth of the domains is dead in DNS and a fifth at hosts that never greet: what does that cost the healthy ones?

`list` is one drop to all recipients, or to the healthy ones alone; its figure is the time from drop to the last healthy one
relayed. `singles` are messages of one recipient each at a steady pace, or the healthy ones of them alone at the same times;
their figures are the time to the last one relayed, and their own times from drop to relayed. In turn, each time with a new
agent and a new spool. Times of events are those in results/.
"""
import argparse
import time

from rig import Rig, Table, median, percentiles, scratch, waiting

RATIO = 1.05
DEAD, SILENT = (0, 1), (2, 3)  # by a domain's last digit


def world(options):
    hosts = max(10, options.domains // 5)  # a multiple of ten: a host's last digit is its domains'
    return {"log_messages": False, "sha256": False,
            "generate": [{"domains": "d%d.example", "count": options.domains, "hosts": "mx%d.example", "host_count": hosts,
                          "address": "127.0.2.%d", "host": {"latency": options.latency}}],
            "names": {f"d{n}.example": {"answer": "silent"} for n in range(1, options.domains + 1) if n % 10 in DEAD},
            "hosts": {f"mx{n}.example": {"at": {"greeting": {"silent": True, "then": "stall"}}}
                      for n in range(1, hosts + 1) if n % 10 in SILENT}}


def is_healthy(number, options):
    return (number % options.domains + 1) % 10 not in DEAD + SILENT


def recipient(number, options):
    return f"user{number}@d{number % options.domains + 1}.example"


def drop_list(rig, options, chosen):
    began = rig.drop("list", (recipient(number, options) for number in chosen))
    return {"list": began}, began


def drop_singles(rig, options, chosen):
    dropped, first, began = {}, time.monotonic(), time.time()
    for number in chosen:
        time.sleep(max(0, first + number / options.pace - time.monotonic()))
        dropped[f"single-{number}"] = rig.drop(f"single-{number}", (recipient(number, options),))
    return dropped, began


def run(home, kind, options, alone):
    """Seconds until the last healthy one was relayed, then p50, p99 and the largest of their own times."""
    count = {"list": options.recipients, "singles": options.singles}[kind]
    healthy = [number for number in range(count) if is_healthy(number, options)]
    with Rig(home, world(options), {"stop_timeout": "1s"}) as rig:
        rig.start()
        dropped, began = {"list": drop_list, "singles": drop_singles}[kind](rig, options, healthy if alone else range(count))
        waiting.until(lambda: rig.alive() and sum(1 for _ in rig.relayed()) == len(healthy), options.patience,
                      lambda: f"not all relayed: {rig.ping()}", every=0.3)
        relayed = list(rig.relayed())
    return max(when for _, when in relayed) - began, *percentiles([when - dropped[message] for message, when in relayed])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=("list", "singles"), help="default: both")
    parser.add_argument("--recipients", type=int, default=100_000, help="of the list")
    parser.add_argument("--singles", type=int, default=10_000)
    parser.add_argument("--pace", type=float, default=500, help="singles a second")
    parser.add_argument("--domains", type=int, default=500, help="a multiple of 50")
    parser.add_argument("--latency", default="20ms", help="of the healthy hosts' replies")
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    parser.add_argument("--patience", type=float, default=600)
    options = parser.parse_args()
    table = Table("run", "to the last", "p50", "p99", "max")
    with scratch() as home:
        for kind in [options.kind] if options.kind else ["list", "singles"]:
            found = {True: [], False: []}
            for number in range(options.n):
                for alone in found:
                    result = run(f"{home}/{kind}-{number}-{alone}", kind, options, alone)
                    found[alone].append(result)
                    table.row(f"{number + 1}, {kind}, {'healthy alone' if alone else 'beside bad ones'}",
                              *(f"{value:.3f} s" for value in result))
            alone, beside = ([median(column) for column in zip(*results)] for results in found.values())
            ratios = [late / early for late, early in zip(beside, alone)]
            table.row(f"{kind}, ratio of medians", *(f"{ratio:.2f}" for ratio in ratios))
            if ratios[0] > RATIO:
                table.broken.append(f"{kind}: {ratios[0]:.2f} times what the healthy take alone, at most {RATIO:g}")
    print(f"{options.domains} domains, a fifth dead in DNS, a fifth at hosts that never greet; replies after {options.latency}")
    table.end()


main()
