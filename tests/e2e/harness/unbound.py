"""A real unbound as bulkmail's resolver, with the world's name server behind it."""
import os
import signal
import socket
import subprocess

from . import isolation, packages, waiting


class Unbound:
    """`signed`: zones (harness/signed_zone.py) whose answers it validates; what it proves carries the AD bit."""

    def __init__(self, home, upstream, address="127.0.0.54", zones=("example",), signed=()):
        packages.provide()
        self.server = f"{address}:53"
        self.address = address
        os.makedirs(home)
        host, port = upstream.rsplit(":", 1)
        stubs = "".join(f"stub-zone:\n  name: {zone}\n  stub-addr: {host}@{port}\n" for zone in zones)
        stubs += "".join(f"stub-zone:\n  name: {zone.name}\n  stub-addr: {zone.address}\n" for zone in signed)
        anchors = "".join(f"  trust-anchor-file: {zone.anchor}\n" for zone in signed)
        modules = "validator iterator" if signed else "iterator"
        config = self._config = home + "/unbound.conf"
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""\
server:
  directory: {home}
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  interface: {address}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "{modules}"
{anchors}  val-log-level: 2
  val-sig-skew-min: 0
  val-sig-skew-max: 0
  qname-minimisation: no
  num-threads: 1
  outgoing-range: 512
  so-reuseport: no
{stubs}remote-control:
  control-enable: yes
  control-interface: {home}/control
  control-use-cert: no
""")
        self._log_path = home + "/log"
        self._log = open(self._log_path, "wb")
        self.process = subprocess.Popen([packages.program("unbound"), "-d", "-c", config], stdin=subprocess.DEVNULL, stdout=self._log,
                                        stderr=self._log, preexec_fn=isolation.child)
        waiting.until(self._answers, 10, self.log)

    def _answers(self):
        assert self.process.poll() is None, f"unbound ended: {self.log()}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
            question.settimeout(0.2)
            try:
                question.sendto(b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03", (self.address, 53))
                return question.recv(512)[:2] == b"\x12\x34"
            except OSError:
                return False

    def forget(self, zone):
        """Drops what it has cached of a zone, bogus answers included."""
        for command in (("flush_zone", zone), ("flush_bogus",)):
            subprocess.run([packages.program("unbound-control"), "-c", self._config, *command], check=True,
                           stdout=subprocess.DEVNULL, preexec_fn=isolation.child, timeout=10)

    def log(self):
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
        self._log.close()
