"""The program under test: the agent as a process, and the other subcommands."""
import json
import os
import re
import signal
import subprocess

from . import isolation, waiting
from .folders import BULKMAIL

DEFAULTS = {
    "hostname": "relay.example",
    "resolver.timeout": "400ms",
    "resolver.attempts": 2,
    "smtp.private_targets": "allow",
    "status.interval": "0ms",
    "retry.schedule": ["1h"],
    "stop_timeout": "5s",
}


def options(settings):
    """--set arguments: JSON is TOML as far as our values go."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def bulkmail(*arguments, stdin=b"", seconds=60, **more):
    """Runs the program to its end."""
    environment = dict(os.environ, **more.pop("environment", {}))
    if stdin is not None:
        more["input"] = stdin
    return subprocess.run([BULKMAIL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=seconds, check=False, preexec_fn=more.pop("preexec_fn", isolation.child), env=environment, **more)


class Agent:
    """`bulkmail run` on a spool. Start it again after stop() or kill(): it is the same agent, restarted."""

    def __init__(self, spool, log, settings=None, config=None, preexec_fn=None, program=BULKMAIL):
        self.spool, self.log_path = spool, log
        self.settings = DEFAULTS | (settings or {})
        self.config, self.preexec_fn, self.program = config, preexec_fn, program
        self.process = None

    def arguments(self, command, *more):
        config = ["--config", self.config] if self.config else []
        return [command, "--spool", self.spool.path, *config, *options(self.settings), *more]

    def start(self, wait=True):
        def prepare():
            if self.preexec_fn:
                self.preexec_fn()
            isolation.child()  # last: a change of user takes it back
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, *self.arguments("run")], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=prepare)
        if wait:
            waiting.until(self._alive, 20, lambda: f"no answer to ping; {self.log()[-3000:]}", every=0.02)
        return self

    def _alive(self):
        assert self.process.poll() is None, f"the agent ended with {self.process.returncode}: {self.log()[-3000:]}"
        return os.path.exists(self.spool("control.sock")) and self.command("ping").returncode == 0

    def command(self, command, *more, **how):
        return bulkmail(*self.arguments(command, *more), **how)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=20):
        """TERM; a clean end within `seconds`."""
        self.signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        assert code == 0, f"the agent exited {code} on TERM: {self.log()[-3000:]}"

    def kill(self):
        if self.running:
            self.process.kill()
            self.process.wait()

    def signal(self, number):
        assert self.running, f"the agent is gone ({self.process.returncode}): {self.log()[-3000:]}"
        self.process.send_signal(number)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def memory(self, field="VmHWM"):
        """Octets, from /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
