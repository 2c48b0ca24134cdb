"""Runs of the peer benchmark, which lies beside the checkout (or where BENCH says), and what came out of them."""
import json
import os
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.abspath(os.environ.get("BENCH") or os.path.join(HERE, "..", "..", "..", "shared", "bench"))
WORK = os.environ.get("BENCH_WORK") or os.path.join(os.environ.get("TMPDIR") or tempfile.gettempdir(), "bulkmail-bench")
RESULTS = os.path.join(WORK, "results.jsonl")  # bench.py appends each run


def run(peer, workload, mode, cap=120, peers=HERE, environment=None, **settings):
    """One run's record, as bench.py keeps it (README.md there): complete, secs, cpu, expect, fsyncs …"""
    seen = os.path.getsize(RESULTS) if os.path.exists(RESULTS) else 0
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    subprocess.run([os.path.join(BENCH, "bench.py"), "run", peer, workload, mode, "--cap", str(cap), *chosen], check=True,
                   env=dict(os.environ, BENCH=BENCH, BENCH_WORK=WORK, BENCH_PEERS=peers, **environment or {}))
    with open(RESULTS, encoding="utf-8") as file:
        file.seek(seen)
        return json.loads(file.readline())


class Figures:
    """The medians of some runs; of complete ones, where time and CPU are concerned."""

    def __init__(self, records):
        self.runs, self.recipients = len(records), records[0]["expect"]
        self.whole = [record for record in records if record["complete"] and not record["dups"]]
        of = lambda key: statistics.median(record[key] or 0 for record in records)
        self.sessions, self.syncs, self.memory_mb, self.processes = of("conns"), of("fsyncs"), of("pss_mb"), of("procs")
        self.intake = of("intake_s")
        self.others = statistics.median(record["other_cpu"] / (record["elapsed"] + record["intake_s"]) for record in records)

    @property
    def complete(self):
        return f"{len(self.whole)} of {self.runs}"

    @property
    def seconds(self):
        return statistics.median(record["secs"] for record in self.whole) if self.whole else None

    @property
    def rate(self):
        return self.recipients / self.seconds if self.whole else None

    @property
    def cpu_ms(self):
        """Milliseconds a recipient (where each message has one: a message)."""
        return statistics.median(record["cpu"] / record["expect"] * 1000 for record in self.whole) if self.whole else None
