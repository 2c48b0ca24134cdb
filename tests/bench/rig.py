"""What the measurements stand on: a spool, an agent and a world in namespaces of their own, and figures as a table.

The agent, the world and the namespaces are those of the end-to-end tests (tests/e2e/harness): no packet leaves, nothing of
the host is changed, every process dies with the run. Needs root. BULKMAIL and BULKMAIL_WORLD name the programs (default:
the release build), BENCH_SCRATCH a folder for the image of the disk that spools are made on (default: /var/tmp).
"""
import contextlib
import datetime
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from harness import isolation, waiting  # noqa: E402
from harness.agent import Agent  # noqa: E402
from harness.spool import Spool  # noqa: E402
from harness.world import World  # noqa: E402

SETTINGS = {"log.level": "warning", "status.interval": "60s", "resolver.timeout": "2s", "resolver.attempts": 4}
DISK_SIZE = 16 << 30   # sparse
OCTETS_A_FILE = 8192  # room for two million files
TEXT = b"".join(b"%04d Long lines of a newsletter's text, one after the other, say little.\r\n" % n for n in range(1000))


@contextlib.contextmanager
def scratch():
    """A folder for a run, in the namespaces of the run: a journaled file system of its own, which goes as one file."""
    isolation.enter()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_SCRATCH", "/var/tmp"), prefix="bulkmail-bench-") as folder:
        image, path = folder + "/image", folder + "/disk"
        os.mkdir(path)
        with open(image, "wb") as file:
            file.truncate(DISK_SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-i", str(OCTETS_A_FILE), "-E", "nodiscard", image], check=True)
        subprocess.run(["mount", "-o", "loop,noinit_itable", image, path], check=True)
        try:
            yield path
        finally:
            subprocess.run(["umount", "-l", path], check=True)


class Rig:
    """One world, one spool, one agent; all of it in a folder `home` that may not exist yet."""

    def __init__(self, home, script, settings):
        os.makedirs(home)
        self.world = World(home + "/world", script)
        self.agent = Agent(Spool(home + "/spool"), home + "/log", SETTINGS | self.world.settings() | settings)
        made = self.agent.command("drain")
        assert made.returncode == 0, made.stderr.decode()
        self.spool = self.agent.spool

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.agent.kill()
        self.world.stop()

    def start(self, patience=120):
        """Seconds from the agent's start until it answers, which it does once it has recovered."""
        began = time.monotonic()
        self.agent.start(wait=False)
        waiting.until(lambda: self.alive() and self.ping(), patience, self.agent.log, every=0.01)
        return time.monotonic() - began

    def alive(self):
        assert self.agent.running, f"the agent ended: {self.agent.log()[-3000:]}"
        return True

    def ask(self, command, seconds=60, **more):
        """The answer's body; None while nobody answers. Asked here, since a process a question costs more than the answer."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(seconds)
                client.connect(self.spool("control.sock"))
                client.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    block = client.recv(1 << 20)
                    if not block:
                        return None
                    answer += block
        except (ConnectionError, FileNotFoundError):
            return None
        answer = json.loads(answer)
        assert answer["ok"], answer
        return answer.get("body") or {}

    def ping(self):
        body = self.ask("ping")
        return body and body["agent"]

    def latency(self):
        """The loop's turns since the agent's start, in milliseconds: p50, p99, max."""
        return self.ping()["loop_latency_ms"]

    def memory(self):
        """Octets: resident, and proportional share."""
        with open(f"/proc/{self.agent.process.pid}/smaps_rollup", encoding="ascii") as file:
            text = file.read()
        return {field: int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1]) * 1024 for field in ("Rss", "Pss")}

    def drop(self, name, recipients, text=TEXT[:1024], sender="list@sender.example"):
        """As Spool.drop, without a sync: the writer is not what is measured. Returns when the drop appeared."""
        envelope = f"MAIL FROM:<{sender}>\r\n" + "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
        with open(self.spool("tmp", name), "wb", buffering=0) as file:
            file.write(envelope.encode() + b"DATA\r\nSubject: bench\r\nFrom: <list@sender.example>\r\n\r\n" + text + b"\r\n.\r\n")
        appeared = time.time()
        os.rename(self.spool("tmp", name), self.spool("new", name))
        return appeared

    def is_empty(self):
        """Every message has left."""
        return self.alive() and not self.count("new") and not self.ping()["messages"]

    def count(self, folder):
        with os.scandir(self.spool(folder)) as entries:
            return sum(not entry.name.startswith(".") for entry in entries)

    def relayed(self):
        """Each recipient that was relayed: its message's id, and when, in seconds."""
        for line in self.results():
            event = json.loads(line)
            if event["event"] == "relayed":
                yield event["id"], datetime.datetime.fromisoformat(event["event_time"].replace("Z", "+00:00")).timestamp()

    def results(self):
        names = [name for name in self.spool.names("results") if name.endswith(".ndjson")]
        for name in sorted(names, key=lambda name: (name == "current.ndjson", name)):
            with open(self.spool("results", name), encoding="utf-8") as file:
                yield from (line for line in file if line.endswith("\n"))


class Table:
    """Rows of text under headings, and whether a limit was broken."""

    def __init__(self, *headings):
        self.rows = [headings]
        self.broken = []

    def row(self, *cells):
        self.rows.append(tuple(cell if isinstance(cell, str) else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
                               for cell in cells))

    def measure(self, what, value, unit, limit=None):
        """A row of the three columns figure, value and limit."""
        if limit is not None and value > limit:
            self.broken.append(what)
        self.row(what, f"{value:.4g} {unit}".rstrip(), "" if limit is None else
                 f"at most {limit:g}{'' if value <= limit else ', BROKEN'}")

    def print(self):
        widths = [max(map(len, column)) for column in zip(*self.rows)]
        for number, row in enumerate(self.rows):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        print(flush=True)

    def end(self):
        """Prints the table; exits 1 if a limit was broken."""
        self.print()
        if self.broken:
            sys.exit("broken: " + "; ".join(self.broken))


def percentiles(values):
    """p50, p99 and the largest."""
    values = sorted(values)
    return values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)], values[-1]


def median(values):
    return statistics.median(values)
