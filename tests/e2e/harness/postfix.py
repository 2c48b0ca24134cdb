"""A real Postfix as mail host: a private instance that puts all it takes into one Maildir.

Only smtpd and what it needs runs; whatever the domain, each recipient gets a file of its own, so that what arrived can be
counted and compared byte for byte.
"""
import os
import re
import signal
import socket
import subprocess

from . import isolation, packages, waiting

_SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
discard unix - - n - - discard
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Delivered:
    """One file in the Maildir."""

    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        own = re.match(rb"Return-Path: <(?P<sender>[^\n]*)>\nX-Original-To: (?P<recipient>[^\n]*)\nDelivered-To: [^\n]*\n"
                       rb"(?P<received>Received: from (?P<helo>\S+)[^\n]*\n(?:[ \t][^\n]*\n)*)", raw)
        assert own, f"unexpected headers of Postfix: {raw[:500]!r}"
        self.sender = own["sender"].decode()
        self.recipient = own["recipient"].decode()
        self.helo = own["helo"].decode()
        self.content = raw[own.end():]  # with LF, as Postfix keeps it


class Postfix:
    def __init__(self, home, addresses, refuse=(), certificate=None):
        packages.provide()
        for name, number in (("postfix", 62001), ("postdrop", 62002)):
            isolation.add_account(name, number)
        self.home, self.conf, self.maildir = home, home + "/conf", home + "/mail/all"
        for folder in ("conf", "queue", "data", "mail", "log"):
            os.makedirs(f"{home}/{folder}")
        os.chown(home + "/data", 62001, 62001)
        os.chown(home + "/mail", 62001, 62001)
        refusals = ", ".join(f"{{ {address} = 550 5.1.1 no such user }}" for address in refuse)
        security = f"may\nsmtpd_tls_chain_files = {certificate}\nsmtpd_tls_loglevel = 1" if certificate else "none"
        with open(self.conf + "/main.cf", "w", encoding="ascii") as file:
            file.write(f"""\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log/maillog
maillog_file_prefixes = {home}
meta_directory = /etc/postfix
myhostname = postfix.example
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {home}/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:62001
virtual_gid_maps = static:62001
virtual_delivery_slot_cost = 0
virtual_destination_concurrency_limit = 4
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {refusals or "{ nobody@nowhere.invalid = OK }"} }}
smtpd_peername_lookup = no
smtpd_recipient_limit = 1000
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = {security}
smtputf8_enable = yes
message_size_limit = 0
mailbox_size_limit = 0
header_size_limit = 1024000
always_add_missing_headers = no
line_length_limit = 20480
""")
        with open(self.conf + "/master.cf", "w", encoding="ascii") as file:
            for address in addresses:
                file.write(f"{address}:25 inet n - n - 100 smtpd\n")
            file.write(_SERVICES)
        self._log = open(home + "/log/start", "wb")
        quiet = {"stdin": subprocess.DEVNULL, "stdout": self._log, "stderr": self._log, "preexec_fn": isolation.child}
        subprocess.run(["postfix", "-c", self.conf, "check"], check=True, **quiet)  # makes the queue
        # In the foreground and at the head of a session of its own: its TERM reaches all of its processes.
        self.process = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-s", "-c", self.conf], start_new_session=True, **quiet)
        self.addresses = addresses
        waiting.until(self._listening, 20, self.log)

    def _listening(self):
        assert self.process.poll() is None, f"Postfix ended: {self.log()}"
        for address in self.addresses:
            try:
                with socket.create_connection((address, 25), 1) as connection:
                    if not connection.recv(4).startswith(b"220"):
                        return False
                    connection.sendall(b"QUIT\r\n")
            except OSError:
                return False
        return True

    def log(self):
        text = ""
        for name in ("start", "maillog"):
            try:
                with open(f"{self.home}/log/{name}", encoding="utf-8", errors="replace") as file:
                    text += file.read()[-4000:]
            except OSError:
                pass
        return text

    def arrived(self):
        """What lies in the Maildir now."""
        folder = self.maildir + "/new"
        return [Delivered(os.path.join(folder, name)) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []

    def count(self):
        try:
            return len(os.listdir(self.maildir + "/new"))
        except OSError:
            return 0

    def wait_for(self, count, seconds=30):
        waiting.until(lambda: self.count() >= count, seconds, lambda: f"{self.count()} of {count} in the Maildir; {self.log()}")
        return self.arrived()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self._log.close()
