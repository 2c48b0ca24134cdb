"""The spool from outside: a writer of drops and a reader of status files and results, as any upstream program is."""
import hashlib
import json
import os
import stat

from . import waiting


def bsmtp(sender, recipients, content, eol=b"\n", mail="", rcpt=None, hello=False, quit_=False):
    """A drop in format 1. `content` is a list of lines without their ends, or bytes whose lines end in `eol`.
    `rcpt` has RCPT parameters by recipient."""
    rcpt = rcpt or {}
    head = [b"EHLO upstream.example"] if hello else []
    head.append(f"MAIL FROM:<{sender}>{' ' + mail if mail else ''}".encode())
    for recipient in recipients:
        parameters = f" {rcpt[recipient]}" if recipient in rcpt else ""
        head.append(f"RCPT TO:<{recipient}>{parameters}".encode())
    lines = _lines(content, eol)
    body = [b"." + line if line.startswith(b".") else line for line in lines]
    return eol.join(head + [b"DATA"] + body + [b"."] + ([b"QUIT"] if quit_ else [])) + eol


def nullmailer(sender, recipients, content, eol=b"\n"):
    """A drop in format 2."""
    return eol.join([sender.encode()] + [recipient.encode() for recipient in recipients] + [b""] + _lines(content, eol)) + eol


def replay(sender, recipients, content, eol=b"\n"):
    """A drop in format 3."""
    head = [f"X-Sender: {sender}".encode()] + [f"X-Receiver: {recipient}".encode() for recipient in recipients]
    return eol.join(head + _lines(content, eol)) + eol


FORMATS = {"bsmtp": bsmtp, "nullmailer": nullmailer, "replay": replay}


def _lines(content, eol):
    if isinstance(content, bytes):
        content = content.split(eol)
        if content[-1] == b"":
            content.pop()
    return list(content)


def wire(content):
    """Lines as they stand on the wire, before dot-stuffing."""
    return b"".join(line + b"\r\n" for line in content)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


MESSAGE = [b"Subject: news", b"From: List <list@sender.example>", b"Message-ID: <news@sender.example>", b"", b"Hello."]


class Spool:
    def __init__(self, path):
        self.path = path

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    # Writing

    def write(self, name, data, mode=0o660):
        """A finished file in tmp/."""
        path = self("tmp", name)
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path

    def drop(self, name, data, how="rename"):
        """Lets a message appear, as writers do: by rename, or by link and unlink (Exim, qmail)."""
        path = self.write(name, data)
        if how == "rename":
            os.rename(path, self("new", name))
        else:
            os.link(path, self("new", name))
            os.unlink(path)
        return name

    def send(self, name, recipients, content=None, sender="list@sender.example", **more):
        return self.drop(name, bsmtp(sender, recipients, content or MESSAGE, **more))

    # Reading

    def names(self, folder):
        try:
            return sorted(os.listdir(self(folder)))
        except FileNotFoundError:
            return []

    def read(self, *parts):
        with open(self(*parts), "rb") as file:
            return file.read()

    def status(self, name):
        try:
            return json.loads(self.read("status", name + ".json"))
        except FileNotFoundError:
            return None

    def final(self, name, seconds=20.0):
        """The message's status once it is final."""
        def condition():
            status = self.status(name)
            return status if status and status["final"] else None
        return waiting.until(condition, seconds, lambda: f"{name} is not final: {self.describe(name)}")

    def settled(self, name, seconds=20.0):
        """The status once each recipient was tried: none is queued."""
        def condition():
            status = self.status(name)
            if status and (status["final"] or status["recipients"] and not status["counts"]["queued"]):
                return status
            return None
        return waiting.until(condition, seconds, lambda: f"{name} is not settled: {self.describe(name)}")

    def refused(self, name, seconds=20.0):
        """The status of a refused drop, once its bytes lie in bad/ too."""
        status = self.final(name, seconds)
        waiting.until(lambda: name in self.names("bad"), seconds, lambda: f"{name} is not in bad/: {self.names('bad')}")
        return status

    def when(self, name, predicate, seconds=20.0):
        """The status once `predicate` holds for it."""
        def condition():
            status = self.status(name)
            return status if status and predicate(status) else None
        return waiting.until(condition, seconds, lambda: f"{name}: {self.describe(name)}")

    def empty(self, seconds=10.0):
        """Waits until every message has left."""
        waiting.until(lambda: not self.names("new") and not self.names("cur"), seconds,
                      lambda: f"still there: new {self.names('new')[:9]} cur {self.names('cur')[:9]}")

    def describe(self, name):
        status = self.status(name)
        if not status:
            return f"no status; new {self.names('new')[:9]} cur {self.names('cur')[:9]} bad {self.names('bad')[:9]}"
        if len(status["recipients"]) > 5:
            return json.dumps({key: value for key, value in status.items() if key != "recipients"})
        return json.dumps(status)

    def results(self):
        """All result lines, oldest first."""
        files = [name for name in self.names("results") if name.endswith(".ndjson")]
        files.sort(key=lambda name: (name == "current.ndjson", name))
        return [json.loads(line) for name in files for line in self.read("results", name).splitlines()]

    def mode(self, *parts):
        return stat.S_IMODE(os.lstat(self(*parts)).st_mode)


def by_address(status):
    """A status's recipients by their address."""
    return {recipient["final_recipient"].split("; ", 1)[1]: recipient for recipient in status["recipients"]}


def only(status):
    """The one recipient of a status."""
    assert len(status["recipients"]) == 1, status
    return status["recipients"][0]
