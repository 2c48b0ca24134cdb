"""A small LMTP client (RFC 2033) that sees every reply; smtplib's reads but one after the final dot."""
import socket


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])
        self.text = lines[0][4:].decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.code} {self.text}>"


class Lmtp:
    def __init__(self, path, seconds=20, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self._buffer = b""
        self.greeting = self.reply()
        if greet:
            assert self.command("LHLO client.example").code == 250

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        lines = []
        while True:
            while b"\n" not in self._buffer:
                more = self.socket.recv(65536)
                if not more:
                    raise ConnectionError(f"closed in mid-reply, {self._buffer!r} so far")
                self._buffer += more
            line, self._buffer = self._buffer.split(b"\n", 1)
            lines.append(line.rstrip(b"\r"))
            if lines[-1][3:4] != b"-":
                return Reply(lines)

    def command(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def message(self, sender, recipients, content):
        """One transaction in lock-step; `content` is in wire form without the final dot. The replies to the end of data."""
        assert self.command(f"MAIL FROM:<{sender}>").code == 250
        accepted = [self.command(f"RCPT TO:<{recipient}>").code == 250 for recipient in recipients]
        assert self.command("DATA").code == 354
        self.send(stuffed(content) + b".\r\n")
        return self.replies(sum(accepted))

    def at_end(self):
        """True once the server has closed."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def stuffed(content):
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")
