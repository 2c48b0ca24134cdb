"""Many faults in one world at once: each row has a domain and mail hosts of its own, all rows run together on one agent,
and each is judged by itself. That all other rows come right beside it is part of every row's claim.

In a row's JSON `~` stands for its domain, in the settings for the world's folder.
"""
import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field

from . import isolation
from .agent import Agent
from .spool import MESSAGE, Spool, bsmtp, by_address
from .world import World


@dataclass
class Row:
    """What the world does, and what must come of it: `expect` has for each recipient (action, status, source) or as much
    of that as matters, status as a regular expression; `received` how often the content may have arrived whole."""
    expect: object
    hosts: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)
    received: int = 0
    sender: str = "list@sender.example"
    mail: str = ""
    content: list = field(default_factory=lambda: list(MESSAGE))
    check: object = None  # check(row's view): more claims

    def expected(self):
        if isinstance(self.expect, dict):
            return self.expect
        return {"ann@~": self.expect}


class View:
    """What a row's `check` may look at."""

    def __init__(self, table, number):
        self.domain = table.domain(number)
        self.status = table.spool.settled(table.message(number))
        self.summary = table.world.summary()
        self.recipients = by_address(self.status)

    def host(self, name):
        return self.summary["hosts"].get(name.replace("~", self.domain), {})

    def questions(self, name, kind):
        return self.summary["dns"].get(name.replace("~", self.domain), {}).get(kind, {"udp": 0, "tcp": 0})

    def received(self, recipient):
        counts = self.summary["recipients"].get(recipient, {"accepted": 0, "unanswered": 0})
        return counts["accepted"], counts["unanswered"]


class Table:
    def __init__(self, rows, settings, world=None):
        isolation.enter()
        self.rows = list(rows)
        self.home = tempfile.mkdtemp(dir="/var/tmp", prefix="bulkmail-e2e-")
        script = {"hosts": {}, "names": {}, **(world or {})}
        for number, row in enumerate(self.rows):
            self._add(script, number, row)
        self.world = World(self.home + "/world", script)
        self.spool = Spool(self.home + "/spool")
        self.agent = Agent(self.spool, self.home + "/agent.log", self.world.settings() | self._own(settings)).start()
        self.descriptors = self.agent.descriptors()
        for number, row in enumerate(self.rows):
            recipients = [recipient.replace("~", self.domain(number)) for recipient in row.expected()]
            self.spool.drop(self.message(number), bsmtp(row.sender, recipients, row.content, mail=row.mail))

    @staticmethod
    def domain(number):
        return f"r{number}.example"

    @staticmethod
    def message(number):
        return f"row-{number}"

    def _own(self, settings):
        return {key: value.replace("~", self.world.home) if isinstance(value, str) else value for key, value in settings.items()}

    def _add(self, script, number, row):
        def own(part):
            return json.loads(json.dumps(part).replace("~", self.domain(number)))
        hosts = own(row.hosts)
        for position, host in enumerate(hosts.values()):
            host.setdefault("address", f"127.1.{10 + number}.{position + 1}")
        script["hosts"] |= hosts
        if hosts:
            script["names"][self.domain(number)] = {"MX": [f"{10 * (i + 1)} {name}" for i, name in enumerate(hosts)]}
        script["names"] |= own(row.names)

    def judge(self, row):
        number = self.rows.index(row)
        status = self.spool.settled(self.message(number), 30)
        view = View(self, number)
        for (recipient, expected), entry in zip(row.expected().items(), status["recipients"], strict=True):
            recipient = recipient.replace("~", view.domain)
            self._compare(entry, expected if isinstance(expected, tuple) else (expected,))
            accepted, unanswered = view.received(recipient)
            if entry["action"] == "relayed":
                assert accepted == 1, f"relayed, but taken {accepted} times: {entry}"
            else:
                assert accepted + unanswered <= row.received, f"not relayed, but there: {entry}"
        if row.check:
            row.check(view)
        assert self.agent.running

    @staticmethod
    def _compare(entry, expected):
        action, status, source = (*expected, None, None)[:3]
        actions = action.split("|")
        assert entry["action"] in actions, entry
        assert status is None or re.fullmatch(status, entry["status"]), entry
        assert source is None or entry["source"] == source, entry

    def close(self):
        try:
            if self.agent.running:
                self.agent.stop()
        finally:
            self.agent.kill()
            print(self.agent.log()[-3000:])
            self.world.stop()
            shutil.rmtree(self.home, ignore_errors=True)

