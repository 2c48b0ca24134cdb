#!/usr/bin/python3
"""One Site has nine tenths of the mail; how long does the mail of the others take, beside what it takes alone?

Single messages are dropped at a steady pace, one in ten to one of many small Sites, nine in ten to one busy Site whose host
answers so late that its queue grows and would take every session there is (both limits on sessions are the same). The
figures are the small Sites' times from drop to relayed (the event's time in results/), beside the same small Sites' mail at
the same pace alone; in turn, each time with a new agent and a new spool. Of the p99s' medians the ratio counts.
"""
import argparse
import time

from rig import Rig, Table, median, percentiles, scratch, waiting

RATIO = 1.10
SHARE = 10  # one in so many goes to a small Site


def world(options):
    return {"log_messages": False, "sha256": False, "hosts": {"busy.example": {"address": "127.0.1.1", "latency": options.busy_latency}},
            "names": {"busy-domain.example": {"MX": ["10 busy.example"]}},
            "generate": [{"domains": "d%d.example", "count": options.sites, "hosts": "mx%d.example", "host_count": options.sites,
                          "address": "127.0.2.%d", "host": {"latency": options.latency}}]}


def run(home, options, busy):
    """p50, p99 and the largest of the small Sites' seconds, and how many messages waited for the busy one at the end."""
    settings = {"smtp.connections": options.connections, "smtp.connections_per_site": options.connections,
                "smtp.idle": options.idle, "status.files": options.files, "stop_timeout": "1s"}
    with Rig(home, world(options), settings) as rig:
        rig.start()
        dropped = {}
        began = time.monotonic()
        for number in range(options.messages):
            small = number % SHARE == 0
            if not small and not busy:
                continue
            time.sleep(max(0, began + number / options.pace - time.monotonic()))
            domain = f"d{number // SHARE % options.sites + 1}" if small else "busy-domain"
            appeared = rig.drop(f"{'small' if small else 'busy'}-{number}", (f"one{number}@{domain}.example",))
            if small:
                dropped[f"small-{number}"] = appeared
        waiting_then = rig.ping()["messages"]
        waiting.until(lambda: rig.alive() and sum(message in dropped for message, _ in rig.relayed()) == len(dropped),
                      options.patience, lambda: f"not all relayed: {rig.ping()}", every=0.5)
        waits = [when - dropped[message] for message, when in rig.relayed() if message in dropped]
    waits = waits[len(waits) // 10:]  # the first ones open their sessions and learn their windows
    return *percentiles(waits), waiting_then


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000, help="to all Sites together")
    parser.add_argument("--pace", type=float, default=500, help="messages a second, to all Sites together")
    parser.add_argument("--sites", type=int, default=200, help="small ones")
    parser.add_argument("--connections", type=int, default=50, help="sessions over all Sites")
    parser.add_argument("--latency", default="20ms", help="of the small Sites' replies")
    parser.add_argument("--busy-latency", default="200ms")
    parser.add_argument("--idle", default="1s", help="how long a session is kept: small Sites' mail mostly needs new ones")
    parser.add_argument("--files", default="all", choices=("all", "failed", "none"), help="status.files")
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    parser.add_argument("--patience", type=float, default=600)
    options = parser.parse_args()
    table = Table("run", "small Sites' p50", "p99", "max", "messages left at the last drop")
    found = {False: [], True: []}
    with scratch() as home:
        for number in range(options.n):
            for busy in found:
                result = run(f"{home}/{number}-{busy}", options, busy)
                found[busy].append(result)
                table.row(f"{number + 1}, {'beside the busy Site' if busy else 'alone'}",
                          *(f"{value * 1000:.0f} ms" for value in result[:3]), result[3])
    alone, beside = ([median(column) for column in zip(*results)] for results in found.values())
    ratios = [late / early for late, early in zip(beside[:3], alone[:3])]
    table.row("ratio of medians", *(f"{ratio:.2f}" for ratio in ratios), "")
    if ratios[1] > RATIO:
        table.broken.append(f"the small Sites' p99 is {ratios[1]:.2f} times what it is alone, at most {RATIO:g}")
    print(f"{options.messages} messages at {options.pace:g} a second, nine tenths to one Site, the rest to {options.sites}; "
          f"{options.connections} sessions, replies after {options.latency}, the busy one's after {options.busy_latency}")
    table.end()


main()
