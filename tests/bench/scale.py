#!/usr/bin/python3
"""A queue at scale, claimed, sorted, held and restarted: memory, loop latency and recovery.

    scale.py                                        both cases in full size: minutes
    scale.py list --recipients 100000               one case, smaller

`list` is 10 messages that share all recipients, `singles` messages of one recipient each. Mail hosts accept connections and
never greet, so that all recipients are sorted to their Sites and none leaves. Memory is what is above the same agent's with
an empty spool. Recovery is timed from the agent's start after SIGKILL until it answers. Claims are timed from a drop's
appearance, with a flush (which rescans), until it is gone from new/.
"""
import argparse
import os
import subprocess
import time

from rig import Rig, Table, percentiles, scratch, waiting

LOOP_MS = 20
PING_MS = 3 * LOOP_MS  # seen from outside: the turn under way, one's own, and the machine's scheduler
RECOVERY_S = 10
LIST_OCTETS, SINGLE_OCTETS = 100, 400  # resident, a recipient of a list and a message of one recipient
LIST_MESSAGES = 10
PROBES = 20


def world(domains, sites):
    return {"log_messages": False, "generate": [{
        "domains": "d%d.example", "count": domains, "hosts": "mx%d.example", "host_count": min(sites, domains),
        "address": "127.0.2.%d", "host": {"at": {"greeting": {"silent": True, "then": "stall"}}}}]}


def recipient(number, domains):
    return f"user{number}@d{number % domains + 1}.example"


def fill(rig, kind, recipients, domains):
    """Drops it all; returns how many messages that were."""
    if kind == "list":
        for message in range(LIST_MESSAGES):
            rig.drop(f"list-{message}", (recipient(number, domains) for number in range(message, recipients, LIST_MESSAGES)))
        return LIST_MESSAGES
    for number in range(recipients):
        rig.drop(f"single-{number:06}", (recipient(number, domains),))
    return recipients


def sorted_all(agent, messages, recipients):
    """All claimed, and no recipient's Site unknown."""
    held = agent["recipients"]
    return agent["messages"] == messages and not held["resolving"] and sum(held.values()) == recipients


def claims(rig, to, prefix):
    """Milliseconds that single drops take, each with a rescan: p50, p99, max."""
    taken = []
    for number in range(PROBES):
        name = f"{prefix}-{number}"
        began = time.monotonic()
        rig.drop(name, (to,))
        rig.ask("flush")
        waiting.until(lambda: not os.path.exists(rig.spool("new", name)), 60, name, every=0.001)
        taken.append((time.monotonic() - began) * 1000)
    return zip(("p50", "p99", "max"), percentiles(taken))


def ask_for_the_queue(rig):
    """Seconds that `queue --json` takes, and the longest wait for an answer to `ping` meanwhile."""
    began = time.monotonic()
    longest = 0
    with open(os.devnull, "wb") as nowhere:
        command = rig.agent.arguments("queue", "--json")
        asking = subprocess.Popen([rig.agent.program, *command], stdout=nowhere, stderr=nowhere)
    while asking.poll() is None:
        asked = time.monotonic()
        rig.ping()
        longest = max(longest, time.monotonic() - asked)
    return time.monotonic() - began, longest


def acknowledgeable(rig, count):
    """Final status files that nobody has taken away."""
    for number in range(count):
        with open(rig.spool("status", f"done-{number:06}.json"), "wb", buffering=0) as file:
            file.write(b'{"version":1,"id":"done-%06d","name":"done-%06d","serial":1,"final":true,"recipients":[]}' % (number, number))


def latency(table, rig, when):
    found = rig.latency()
    table.row(f"loop latency, {when}, p50", f"{found['p50']:.3g} ms", "")
    table.row(f"loop latency, {when}, p99", f"{found['p99']:.3g} ms", "")
    table.measure(f"loop latency, {when}, max", found["max"], "ms", LOOP_MS)


def memory(table, rig, base, count, limit, when):
    now = rig.memory()
    table.measure(f"memory above idle, resident, {when}", (now["Rss"] - base["Rss"]) / 1e6, "MB")
    table.measure(f"memory above idle, PSS, {when}", (now["Pss"] - base["Pss"]) / 1e6, "MB")
    table.measure(f"memory above idle, largest resident, {when}", (rig.agent.memory("VmHWM") - base["Rss"]) / 1e6, "MB")
    table.measure(f"resident, each, {when}", (now["Rss"] - base["Rss"]) / count, "octets", limit)


def measure(home, kind, options):
    recipients = options.recipients or {"list": 1_000_000, "singles": 200_000}[kind]
    limit = {"list": LIST_OCTETS, "singles": SINGLE_OCTETS}[kind]
    table = Table("figure", "value", "limit")
    # Sessions that never come to anything are not what is weighed: a few will do.
    settings = {"smtp.connections": 10, "smtp.timeouts.greeting": "1h", "stop_timeout": "1s"}
    with Rig(home, world(options.domains, options.sites), settings) as rig:
        rig.start()
        base = rig.memory()
        table.measure("idle agent, resident", base["Rss"] / 1e6, "MB")
        began = time.monotonic()
        messages = fill(rig, kind, recipients, options.domains)
        table.measure("dropping it all", time.monotonic() - began, "s")
        waiting.until(lambda: rig.alive() and sorted_all(rig.ping(), messages, recipients), options.patience,
                      lambda: f"not sorted: {rig.ping()}", every=0.2)
        table.measure("from the first drop to all sorted", time.monotonic() - began, "s")
        waiting.until(lambda: rig.count("status") == messages, options.patience, "a status for each", every=0.5)
        table.measure("from the first drop to a status for each", time.monotonic() - began, "s")
        latency(table, rig, "until then")
        memory(table, rig, base, recipients, limit, "held")
        taken, ping = ask_for_the_queue(rig)
        table.measure("queue --json", taken, "s")
        table.measure("ping's longest wait meanwhile", ping * 1000, "ms", PING_MS)
        latency(table, rig, "with queue --json")

        rig.agent.kill()
        began = time.monotonic()
        table.measure("recovery after SIGKILL", rig.start(), "s", RECOVERY_S)
        waiting.until(lambda: rig.alive() and sorted_all(rig.ping(), messages, recipients), options.patience,
                      lambda: f"not sorted: {rig.ping()}", every=0.2)
        table.measure("from the restart to all sorted", time.monotonic() - began, "s")
        latency(table, rig, "recovered")
        memory(table, rig, base, recipients, limit, "recovered")

        for beside, prefix in ((f"{messages} status files", "before"), (f"{options.status} more", "after")):
            if prefix == "after":
                acknowledgeable(rig, options.status)
            for percentile, value in claims(rig, recipient(1, options.domains), prefix):
                table.measure(f"claim of one drop beside {beside}, {percentile}", value, "ms")
        latency(table, rig, "with them")
        rig.agent.kill()
        table.measure(f"recovery beside {options.status} more status files", rig.start(), "s", RECOVERY_S)
    print(f"{kind}: {recipients} recipients in {messages} messages, {options.domains} domains, "
          f"{min(options.sites, options.domains)} Sites")
    table.print()
    return table.broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=("list", "singles"), help="default: both, one after the other")
    parser.add_argument("--recipients", type=int, help="default: 1000000 for the list, 200000 for singles")
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--status", type=int, default=100_000, help="unacknowledged final status files")
    parser.add_argument("--patience", type=float, default=600, help="seconds until all must be sorted")
    options = parser.parse_args()
    broken = []
    with scratch() as home:
        for kind in [options.kind] if options.kind else ["list", "singles"]:
            broken += [f"{kind}: {what}" for what in measure(f"{home}/{kind}", kind, options)]
    if broken:
        raise SystemExit("broken: " + "; ".join(broken))


main()
