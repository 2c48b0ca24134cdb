"""A relay that wants to know who is there, and a mail store that takes LMTP: servers in a thread, over TCP or a unix socket.

Written apart from the program under test, SCRAM included, so that a mistake in the one is not one in the other.
"""
import base64
import hashlib
import hmac
import os
import socketserver
import threading


class Relay:
    """`users`: passwords by name; `tokens`: of XOAUTH2. `mechanisms`: as offered, after EHLO; none: no AUTH."""

    def __init__(self, address=("127.0.3.1", 587), lmtp=False, users=None, tokens=None, mechanisms=(), answers=None,
                 lies=False, iterations=4096):
        self.lmtp, self.users, self.tokens = lmtp, users or {}, tokens or {}
        self.mechanisms, self.answers, self.lies, self.iterations = list(mechanisms), answers or {}, lies, iterations
        self.messages, self.commands, self.logins = [], [], []
        kind = socketserver.ThreadingUnixStreamServer if isinstance(address, str) else socketserver.ThreadingTCPServer
        relay = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    Session(relay, self.rfile, self.wfile).run()
                except (ConnectionError, EOFError):
                    pass

        kind.allow_reuse_address, kind.daemon_threads = True, True
        self._server = kind(address, Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Session:
    def __init__(self, relay, rfile, wfile):
        self.relay, self.rfile, self.wfile = relay, rfile, wfile
        self.user, self.sender, self.recipients = None, None, []

    def say(self, *lines):
        for line in lines:
            self.wfile.write(line.encode() + b"\r\n")

    def hear(self):
        line = self.rfile.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line[:-2].decode()

    def run(self):
        self.say("220 relay.test")
        while True:
            line = self.hear()
            self.relay.commands.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb in ("EHLO", "LHLO"):
                if (verb == "LHLO") != self.relay.lmtp:
                    self.say("500 5.5.1 the other one")
                    continue
                auth = [f"250-AUTH {' '.join(self.relay.mechanisms)}"] if self.relay.mechanisms else []
                self.say("250-relay.test", "250-PIPELINING", *auth, "250 ENHANCEDSTATUSCODES")
            elif verb == "AUTH":
                self.user = self.login(*line.split(" ")[1:])
                self.relay.logins.append(self.user)
                self.say("235 2.7.0 welcome" if self.user else "535 5.7.8 who are you?")
            elif verb == "MAIL" and self.relay.mechanisms and not self.user:
                self.say("530 5.7.0 log in first")
            elif verb == "MAIL":
                self.sender, self.recipients = line[len("MAIL FROM:<"):].split(">")[0], []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                recipient = line[len("RCPT TO:<"):].split(">")[0]
                answer = self.relay.answers.get(("RCPT", recipient), "250 2.1.5 ok")
                if answer.startswith("2"):
                    self.recipients.append(recipient)
                self.say(answer)
            elif verb == "DATA":
                self.data()
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok" if verb in ("RSET", "NOOP") else "502 5.5.1 what?")

    def data(self):
        if not self.recipients:
            self.say("503 5.5.1 nobody")
            return
        self.say("354 go on")
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise EOFError
            content += line[1:] if line.startswith(b".") else line
        taken = []
        for recipient in self.recipients if self.relay.lmtp else [None]:
            answer = self.relay.answers.get(("DATA", recipient), "250 2.0.0 taken")
            if answer.startswith("2"):
                taken += [recipient] if recipient else self.recipients
            self.say(answer)
        self.relay.messages.append({"user": self.user, "sender": self.sender, "recipients": taken, "content": content})

    # AUTH: each answers the user's name, or None.

    def ask(self, challenge):
        self.say("334 " + base64.b64encode(challenge).decode())
        return base64.b64decode(self.hear())

    def login(self, mechanism, initial=None):
        first = None if initial is None else b"" if initial == "=" else base64.b64decode(initial)
        if mechanism not in self.relay.mechanisms:
            return None
        if mechanism == "PLAIN":
            _, user, password = (self.ask(b"") if first is None else first).decode().split("\0")
            return user if self.relay.users.get(user) == password else None
        if mechanism == "LOGIN":
            user = (self.ask(b"Username:") if first is None else first).decode()
            return user if self.relay.users.get(user) == self.ask(b"Password:").decode() else None
        if mechanism == "XOAUTH2":
            fields = dict(field.split("=", 1) for field in first.decode().split("\x01") if field)
            if self.relay.tokens.get(fields["user"]) == fields["auth"].removeprefix("Bearer "):
                return fields["user"]
            self.ask(b'{"status":"401"}')
            return None
        return self.scram(first)

    def scram(self, first):
        header, bare = first.decode()[:3], first.decode()[3:]
        user, nonce = (field[2:] for field in bare.split(","))
        password = self.relay.users.get(user, "").encode()
        salt, whole = os.urandom(16), nonce + base64.b64encode(os.urandom(9)).decode()
        server_first = f"r={whole},s={base64.b64encode(salt).decode()},i={self.relay.iterations}"
        final = self.ask(server_first.encode()).decode()
        without, proof = final.rsplit(",p=", 1)
        assert without == f"c={base64.b64encode(header.encode()).decode()},r={whole}"
        signed = f"{bare},{server_first},{without}".encode()

        def mac(key, text):
            return hmac.new(key, text, hashlib.sha256).digest()
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, self.relay.iterations)
        client_key = mac(salted, b"Client Key")
        expected = bytes(a ^ b for a, b in zip(client_key, mac(hashlib.sha256(client_key).digest(), signed)))
        if base64.b64decode(proof) != expected:
            return None
        signature = mac(mac(salted, b"Server Key"), signed)
        said = self.ask(b"v=" + base64.b64encode(b"x" * 32 if self.relay.lies else signature))
        return user if said == b"" else None
