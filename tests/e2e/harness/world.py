"""The embedded loopback world (tests/world/README.md) as a process: name servers and mail hosts, scripted by a dict."""
import json
import os
import signal
import subprocess
import time

from . import isolation, waiting
from .folders import world_program


def simple(domains=1, hosts=1, host=None, name=None, **more):
    """d1.example … over mx1.example …: a world in which all is well, but for the keys given."""
    generate = {"domains": "d%d.example", "count": domains, "hosts": "mx%d.example", "host_count": hosts,
                "address": "127.0.2.%d"}
    if host:
        generate["host"] = host
    if name:
        generate["name"] = name
    return {"generate": [generate], **more}


class World:
    def __init__(self, home, script):
        os.makedirs(home)
        self.home = home
        self._script(script)
        self._errors = open(home + "/stderr", "wb")
        self.process = subprocess.Popen([world_program(), home + "/world.json"], stdin=subprocess.DEVNULL, cwd=home,
                                        stdout=subprocess.PIPE, stderr=self._errors, preexec_fn=isolation.child)
        line = self.process.stdout.readline().decode()
        assert line.startswith("ready "), f"the world did not start: {line} {self.errors()}"
        self.ready = json.loads(line[6:])
        self.began = time.monotonic()  # the log's zero, to some milliseconds

    def _script(self, script):
        given = {"smtp_port": 25, "log": "log.ndjson", "summary": "summary.json", **script}
        with open(self.home + "/world.json.new", "w", encoding="utf-8") as file:
            json.dump(given, file)
        os.rename(self.home + "/world.json.new", self.home + "/world.json")

    def settings(self):
        """What bulkmail needs to live in this world."""
        return {"resolver.servers": self.ready["resolver_servers"], "smtp.port": self.ready["smtp_port"]}

    def errors(self):
        with open(self.home + "/stderr", encoding="utf-8", errors="replace") as file:
            return file.read()

    def _told(self, what):
        line = self.process.stdout.readline().decode().strip()
        assert line == what, f"the world said {line!r}, not {what!r}: {self.errors()}"

    def reload(self, script):
        self._script(script)
        self.process.send_signal(signal.SIGHUP)
        self._told("reloaded")

    def summary(self):
        self.process.send_signal(signal.SIGUSR1)
        self._told("summary")
        with open(self.home + "/summary.json", encoding="utf-8") as file:
            return json.load(file)

    def accepted(self, recipient):
        return self.summary()["recipients"].get(recipient, {}).get("accepted", 0)

    def received(self):
        """How often each recipient's complete content arrived, whatever the answer."""
        return {recipient: counts["accepted"] + counts["unanswered"]
                for recipient, counts in self.summary()["recipients"].items()
                if counts["accepted"] + counts["unanswered"]}

    def events(self, *kinds):
        with open(self.home + "/log.ndjson", encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
        events = [json.loads(line) for line in lines]
        return [event for event in events if not kinds or event["event"] in kinds]

    def messages(self):
        return self.events("message")

    def wait_for(self, kind, count=1, seconds=20, **members):
        """The first `count` events of a kind with these members, once they are there."""
        def found():
            events = [event for event in self.events(kind)
                      if all(event.get(key) == value for key, value in members.items())]
            return events[:count] if len(events) >= count else None
        return waiting.until(found, seconds, lambda: f"{kind} {members}: {self.events()[-5:]}")

    def content(self, message):
        """The octets of a message that came (the script needs "save": "received/")."""
        with open(f"{self.home}/received/{message['seq']}.eml", "rb") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(10) == 0, self.errors()
        self.process.stdout.close()
        self._errors.close()
