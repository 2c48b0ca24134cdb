"""A DNSSEC-signed zone on a real name server (NSD), signed by ldns-signzone: with a real unbound before it, AD bits are real.

    zone = SignedZone(home)                        # proved.example on 127.0.0.60
    zone.mx("@", "mx").a("mx", "127.0.2.1").tlsa("mx", 3, 1, 1, digest)
    zone.publish()
    unbound = Unbound(…, signed=[zone])            # later: zone.publish(), unbound.forget(zone.name)
"""
import os
import re
import signal
import subprocess
import time

from . import isolation, packages, waiting


class SignedZone:
    ALGORITHM = "ECDSAP256SHA256"

    def __init__(self, home, name="proved.example", address="127.0.0.60", ttl=60):
        packages.provide()
        os.makedirs(home)
        self.home, self.name, self.address, self.ttl = home, name, address, ttl
        self._serial, self._lines, self._spoilt, self._nsd, self._log = 0, [], [], None, None
        self._key = self._tool("ldns-keygen", "-r", "/dev/urandom", "-a", self.ALGORITHM, "-k", name).strip()
        self.anchor = f"{home}/{self._key}.ds"  # for a validating resolver

    # ---- Records. Names are relative to the zone; "@" is the zone's own, one with a final dot stands as it is.

    def record(self, name, kind, data):
        self._lines.append(f"{name} {self.ttl} IN {kind} {data}")
        return self

    def mx(self, name, host, preference=10):
        return self.record(name, "MX", f"{preference} {host}")

    def a(self, name, address):
        return self.record(name, "A", address)

    def cname(self, name, target):
        return self.record(name, "CNAME", target)

    def txt(self, name, text):
        return self.record(name, "TXT", f'"{text}"')

    def tlsa(self, host, usage, selector, matching, octets, port=25):
        return self.record(f"_{port}._tcp.{host}", "TLSA", f"{usage} {selector} {matching} {octets.hex()}")

    def without(self, name, kind):
        """Takes records back."""
        self._lines = [line for line in self._lines if line.split()[0] != name or line.split()[3] != kind]
        return self

    def spoil(self, name, kind):
        """From the next publish() on, the signature of these records does not hold."""
        self._spoilt.append((self._full(name), kind))
        return self

    # ---- The name server

    def publish(self, expires=None):
        """Signs the zone as it is now and serves it. `expires`: when its signatures do, in seconds from now."""
        self._serial += 1
        with open(self.home + "/zone", "w", encoding="ascii") as file:
            file.write(f"$ORIGIN {self.name}.\n@ {self.ttl} IN SOA ns root {self._serial} 3600 600 86400 {self.ttl}\n"
                       f"@ {self.ttl} IN NS ns\nns {self.ttl} IN A {self.address}\n" + "\n".join(self._lines) + "\n")
        period = []
        if expires is not None:
            now = int(time.time())
            period = ["-i", _stamp(min(now, now + expires) - 86400), "-e", _stamp(now + expires)]
        self._tool("ldns-signzone", *period, "-f", "signed.new", "zone", self._key)
        self._spoil_signatures(self.home + "/signed.new")
        os.rename(self.home + "/signed.new", self.home + "/signed")
        if self._nsd is None:
            self._start()
        else:
            self._nsd.send_signal(signal.SIGHUP)
        waiting.until(lambda: self._served() == self._serial, 10, self._said)
        return self

    def _start(self):
        with open(self.home + "/nsd.conf", "w", encoding="ascii") as file:
            file.write(f"""\
server:
  ip-address: {self.address}
  username: ""
  chroot: ""
  zonesdir: "{self.home}"
  zonelistfile: "{self.home}/zone.list"
  xfrdfile: ""
  xfrdir: "{self.home}"
  database: ""
  pidfile: ""
  server-count: 1
  rrl-ratelimit: 0
  zonefiles-check: yes
remote-control:
  control-enable: no
zone:
  name: {self.name}
  zonefile: signed
""")
        self._log = open(self.home + "/log", "wb")
        self._nsd = subprocess.Popen([packages.program("nsd"), "-d", "-c", self.home + "/nsd.conf"], stdin=subprocess.DEVNULL,
                                     stdout=self._log, stderr=self._log, preexec_fn=isolation.child)

    def _served(self):
        """The serial number of the zone that is being served."""
        assert self._nsd.poll() is None, f"nsd ended: {self._said()}"
        said = self._tool("drill", "-Q", f"@{self.address}", self.name, "SOA", check=False)
        found = re.search(r"\broot\S* (\d+) ", said)
        return int(found.group(1)) if found else None

    def _said(self):
        with open(self.home + "/log", encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def _full(self, name):
        return f"{self.name}." if name == "@" else f"{name}.{self.name}."

    def _spoil_signatures(self, path):
        if not self._spoilt:
            return
        with open(path, encoding="ascii") as file:
            lines = file.read().split("\n")
        for name, kind in self._spoilt:
            at = [i for i, line in enumerate(lines) if re.match(rf"{re.escape(name)}\s+\d+\s+IN\s+RRSIG\s+{kind}\s", line)]
            assert at, f"no signature of {name} {kind}"
            for i in at:
                head, signature = lines[i].rsplit(None, 1)
                lines[i] = f"{head} {'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines))

    def _tool(self, name, *arguments, check=True):
        done = subprocess.run([packages.program(name), *arguments], cwd=self.home, check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, preexec_fn=isolation.child, timeout=60)
        assert not check or done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def stop(self):
        if self._nsd is None:
            return
        if self._nsd.poll() is None:
            self._nsd.send_signal(signal.SIGTERM)
            self._nsd.wait(10)
        self._log.close()


def _stamp(seconds):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))
