"""DKIM: what leaves is signed, and dkimpy finds that every signature holds."""
import base64
import json
import os
import re
import signal

import dkim
import pytest

from harness import waiting
from harness.agent import bulkmail
from harness.signing import Key, config, entry, records, signatures, verified
from harness.spool import bsmtp, only
from harness.world import simple

HEAD = [b"From: News <news@sender.example>", b"To: ann@d1.example", b"Subject: hello",
        b"Date: Tue, 24 Nov 2026 12:00:00 +0000", b"Message-ID: <1@sender.example>"]
FOLDED = [b"From: \"News, of\r\n\tSender\" (a comment\r\n  folded)\r\n <news@sender.example>", b"SUBJECT:  a \t b\r\n  c  ",
          b"To: ann@d1.example,\r\n\tbob@d1.example", b"X-Empty:", b"Cc:\r\n carl@d1.example"]
TWICE = [b"Subject: one", b"From: News <news@sender.example>", b"To: ann@d1.example", b"Subject: two", b"To: bob@d1.example",
         b"List-Unsubscribe: <https://sender.example/u>", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
SIGNED = [b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=From;\r\n bh=AAAA; b=AAAA"] + HEAD
LARGE = b"".join(b"%07d %s\r\n" % (i, b"x" * (i % 90)) for i in range(100_000))

MESSAGES = {
    "plain": (HEAD, b"Hello,\r\n\r\nthis is text.\r\n"),
    "eight-bit": (HEAD + [b"X-Name: J\xc3\xb6rg", b"Content-Type: text/plain; charset=utf-8"], "Grüße aus Köln\r\n".encode()),
    "dots": (HEAD, b".\r\n..\r\n.a\r\n...\r\n\r\n.\r\n"),
    "long-lines": (HEAD, b"y" * 5000 + b" " * 300 + b"\r\n" + b"z  " * 999 + b"\r\n"),
    "white-space": (HEAD, b" a \t b \r\n\t\r\n  \r\nc\t \r\n"),
    "empty-body": (HEAD, b""),
    "empty-lines-at-the-end": (HEAD, b"text\r\n\r\n\r\n \r\n\r\n"),
    "empty-lines-alone": (HEAD, b"\r\n\r\n\r\n"),
    "folded": (FOLDED, b"text\r\n"),
    "fields-twice": (TWICE, b"text\r\n"),
    "signed-already": (SIGNED, b"text\r\n"),
    "large": (HEAD, LARGE),
}


@pytest.fixture
def keys(home):
    return [Key(home, "rsa", "rsa"), Key(home, "ed")]


@pytest.fixture
def entries(keys):
    return [entry("sender.example", "r1", keys[0]), entry("sender.example", "e1", keys[1])]


def drop_of(head, body, recipients=("ann@d1.example",)):
    return bsmtp("list@bounces.example", recipients, b"\r\n".join(head) + b"\r\n\r\n" + body, eol=b"\r\n")


def declared(message):
    return int(re.search(r"\bSIZE=(\d+)", message["mail_parameters"])[1])


@pytest.mark.parametrize("forms", ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"])
def test_any_message_verifies_and_its_own_bytes_are_as_they_were(start_world, start_agent, spool, home, keys, entries, forms):
    world = start_world(simple(save="received/"))
    for one in entries:
        one["canonicalization"] = forms
    start_agent(world, config=config(home + "/dkim.toml", entries))
    for name, (head, body) in MESSAGES.items():
        spool.drop(name, drop_of(head, body, [f"{name}@d1.example"]))
    got = {}
    for name in MESSAGES:
        spool.final(name, 30)
    for message in world.messages():
        got[message["rcpts"][0].split("@")[0]] = message
    for name, (head, body) in MESSAGES.items():
        octets = world.content(got[name])
        assert verified(octets, records(entries, keys)) == [("sender.example", "r1"), ("sender.example", "e1")], name
        rest = octets[octets.index(b"\r\n".join(head)):]
        assert rest == b"\r\n".join(head) + b"\r\n\r\n" + body, name
        assert declared(got[name]) == len(octets), name


def test_each_copy_of_a_template_has_a_signature_of_its_own(start_world, start_agent, spool, home, keys, entries):
    world = start_world(simple(domains=3, save="received/"))
    start_agent(world, config=config(home + "/dkim.toml", entries))
    readers = [f"reader{i}@d{i % 3 + 1}.example" for i in range(60)]
    head = [b"From: News <news@{{brand}}.example>", b"To: {{name}} <list@sender.example>", b"Subject: for {{name}}"]
    fields = {reader: {"name": f"Zoë {i}", "brand": "sender" if i % 2 else "elsewhere"} for i, reader in enumerate(readers)}
    rcpt = {reader: "XMERGE=" + base64.b64encode(json.dumps(fields[reader]).encode()).decode() for reader in readers}
    body = b"Hello {{name}},\r\n.{{name}}\r\n"
    spool.drop("news", bsmtp("list@sender.example", readers, b"\r\n".join(head) + b"\r\n\r\n" + body, eol=b"\r\n", mail="XMERGE",
                             rcpt=rcpt))
    spool.final("news", 30)
    messages = world.messages()
    assert len(messages) == len(readers)
    for message in messages:
        octets, reader = world.content(message), message["rcpts"][0]
        ours = fields[reader]["brand"] == "sender"
        assert len(verified(octets, records(entries, keys))) == (2 if ours else 0), "From says who signs, once it is filled in"
        assert declared(message) == len(octets)


def test_what_is_changed_on_its_way_does_not_verify(start_world, start_agent, spool, home, keys, entries):
    world = start_world(simple(save="received/"))
    start_agent(world, config=config(home + "/dkim.toml", entries))
    spool.drop("mail", drop_of(*MESSAGES["fields-twice"]))
    spool.final("mail")
    octets, dns = world.content(world.messages()[0]), records(entries, keys)
    assert len(verified(octets, dns)) == 2
    fields, rest = signatures(octets)
    for old, new in ((b"Subject: one", b"Subject: two"), (b"From:", b"From: Bank <x@bank.example>\r\nFrom:"), (b"text", b"Text"),
                     (b"To: bob", b"Cc: bob"), (b"Subject: one", b"Content-Type: text/html\r\nSubject: one"),
                     (b"/u>", b"/v>"), (b"One-Click", b"Two-Click")):
        changed = b"".join(fields) + rest.replace(old, new, 1)
        assert changed != octets
        for i in range(2):
            try:
                assert not dkim.DKIM(changed).verify(i, dnsfunc=lambda name, timeout=5: dns[name.decode()].encode()), (old, new)
            except dkim.DKIMException:
                pass


def test_from_says_who_signs_and_the_envelope_does_not(start_world, start_agent, spool, home, keys):
    both = [entry("sender.example", "s1", keys[0]),
            entry("corp.example", "s2", keys[1], match=["brand.example", "*.brand.example"], expire="2d")]
    world = start_world(simple(save="received/"))
    start_agent(world, config=config(home + "/dkim.toml", both))
    cases = {"own": (b"a@sender.example", ["sender.example"]), "below": (b"a@news.sender.example", ["sender.example"]),
             "named": (b"<a@BRAND.example>", ["corp.example"]), "deep": (b"a@x.y.brand.example", ["corp.example"]),
             "other": (b"a@other.example", []), "nobody": (b"undisclosed:;", [])}
    for name, (author, _) in cases.items():
        spool.drop(name, drop_of([b"From: " + author, b"Subject: x"], b"x\r\n", [f"{name}@d1.example"]))
    spool.drop("none", drop_of([b"Subject: x"], b"x\r\n", ["none@d1.example"]))
    for name in [*cases, "none"]:
        spool.final(name)
    for message in world.messages():
        name = message["rcpts"][0].split("@")[0]
        octets = world.content(message)
        assert [domain for domain, _ in verified(octets, records(both, keys))] == cases.get(name, (b"", []))[1], name
        for field in signatures(octets)[0]:
            assert (b"x=" in field) == (b"corp.example" in field)


def test_a_delayed_message_is_signed_when_it_goes(start_world, start_agent, spool, home, keys, entries):
    later = {"rcpt": "ann@d1.example", "attempt": 1, "at": {"end_of_data": "451 4.3.0 later"}}
    world = start_world(simple(host={"when": [later]}, save="received/"))
    start_agent(world, {"retry.schedule": ["1500ms"]}, config=config(home + "/dkim.toml", entries))
    spool.drop("mail", drop_of(*MESSAGES["plain"]))
    assert only(spool.final("mail"))["attempts"] == 2
    assert all(len(verified(world.content(message), records(entries, keys))) == 2 for message in world.messages())


def test_hup_reads_the_keys_again_and_keeps_the_old_ones_if_they_are_broken(start_world, start_agent, spool, home, keys, entries):
    world = start_world(simple(save="received/"))
    agent = start_agent(world, config=config(home + "/dkim.toml", entries))

    def send(name):
        spool.drop(name, drop_of(*MESSAGES["plain"], [f"{name}@d1.example"]))
        spool.final(name)
        message, = [one for one in world.messages() if one["rcpts"] == [f"{name}@d1.example"]]
        return world.content(message)
    assert len(verified(send("first"), records(entries, keys))) == 2
    old = records(entries, keys)
    keys[1].make()
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: "reloaded" in agent.log(), 5)
    with pytest.raises(AssertionError):
        verified(send("second"), old)
    assert len(verified(send("third"), records(entries, keys))) == 2
    with open(keys[0].path, "w", encoding="ascii") as file:
        file.write("no key\n")
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: "reload refused" in agent.log(), 5)
    assert len(verified(send("fourth"), records(entries, keys))) == 2
    assert "BEGIN" not in agent.log()


def test_keys_that_cannot_be_used_are_found_by_check_and_at_the_start(spool, home, keys, entries):
    path = config(home + "/dkim.toml", entries)

    def said(code):
        done = bulkmail("check", "--config", path)
        assert done.returncode == code, done.stderr
        if code:
            assert bulkmail("run", "--config", path, "--spool", spool.path).returncode == code
        return done.stderr.decode()
    assert said(0) == ""
    os.chmod(keys[0].path, 0o644)
    assert "others can read or change it (mode 0644)" in said(78)
    os.chmod(keys[0].path, 0o600)
    os.rename(keys[1].path, keys[1].path + ".away")
    wrong = said(78)
    assert "dkim.key_file of e1, sender.example" in wrong and "No such file" in wrong
    for text in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with open(keys[1].path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(keys[1].path, 0o600)
        assert "is no private key in PEM" in said(78)
    Key(home, "ed", "X25519")
    assert "is neither an RSA nor an Ed25519 key" in said(78)
    Key(home, "ed", "rsa", 1024)
    assert "RSA key of 1024 bits; 2048 or more" in said(0)
    assert bulkmail("submit", "--config", path, "--spool", spool.path, "-f", "a@sender.example", "ann@d1.example",
                    stdin=b"Subject: x\n\nx\n").returncode == 0
