"""XMERGE: a message stored once and filled in for each recipient while it is sent, read by Python's email package."""
import base64
import email
import email.policy
import json
import re
import urllib.parse

import pytest

from harness.spool import bsmtp
from harness.world import simple

BOUNDARY = "=_boundary"
NAMES = ["Ann Lee", "Jörg Müller", "Łukasz Żółć", "李小龍", "O'Neil, \"Bo\" <x>", "a & b", "Zoë" * 30, "=?utf-8?q?x?=", ""]


def xmerge(fields):
    return "XMERGE=" + base64.b64encode(json.dumps(fields).encode()).decode()


def newsletter():
    """Text in four encodings, HTML, an attachment with braces of its own."""
    quoted = "Hallo {{na=\r\nme}}, =C3=BCber 76 " + "x" * 60 + "=\r\n und mehr: {{town}}=20\r\n{{name}}"
    encoded = base64.encodebytes("Grüße, {{name}} aus {{town}}!\r\n".encode()).decode().strip()
    return "\r\n".join([
        "From: List <list@sender.example>",
        "To: {{name}} <{{address}}>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe=2C_=7B=7Bname=7D=7D=2C?= from \\{{us}}",
        "List-Unsubscribe: <https://list.example/u?t={{token}}&l=news>, <mailto:leave+{{token}}@list.example>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "X-Kept:   as\tit  {came}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{BOUNDARY}"',
        "",
        "preamble {{name}}",
        f"--{BOUNDARY}",
        "",
        "Plain: {{name}} of {{ town }}",
        ".{{name}}",
        f"--{BOUNDARY}",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        "<p>{{name}}</p><p>{{{town}}}</p>",
        f"--{BOUNDARY}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        quoted,
        f"--{BOUNDARY}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        encoded,
        f"--{BOUNDARY}",
        "Content-Type: application/json",
        "",
        '{"a":{"b":"{{name}}"}}',
        f"--{BOUNDARY}--",
        ""]).encode()


def fields_of(i):
    return {"name": NAMES[i % len(NAMES)] + (f" {i}" if i >= len(NAMES) else ""), "token": f"t{i}/+=ü", "town": f"<Köln {i}>",
            "address": f"reader{i}@d{i % 7 + 1}.example", "n": i}


def escaped(text):
    for plain, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(plain, entity)
    return text


def check(octets, fields):
    assert max(len(line) for line in octets.split(b"\r\n")) <= 998
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    name, town, token = fields["name"], fields["town"], urllib.parse.quote(fields["token"], safe="")
    assert message["Subject"] == f"Grüße, {name}, from {{{{us}}}}"
    to = message["To"].addresses[0]
    # Python keeps the space between two encoded words of a phrase, which is none (RFC 2047 section 6.2).
    assert to.display_name.replace(" ", "") == name.replace(" ", "") and to.addr_spec == fields["address"]
    assert re.sub(r"\s+", " ", message["List-Unsubscribe"]) == \
        f"<https://list.example/u?t={token}&l=news>, <mailto:leave+{token}@list.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert b"\r\nX-Kept:   as\tit  {came}\r\n" in octets
    assert b"preamble {{name}}\r\n" in octets
    plain, html, quoted, encoded, attached = message.iter_parts()
    assert not message.defects and not any(part.defects for part in message.iter_parts())
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == f"Plain: {name} of {town}\n.{name}"
    assert html.get_content().rstrip() == f"<p>{escaped(name)}</p><p>{town}</p>"
    assert quoted.get_content().replace("\r\n", "\n") == \
        f"Hallo {name}, über 76 {'x' * 60} und mehr: {town} \n{name}"
    assert encoded.get_content().replace("\r\n", "\n") == f"Grüße, {name} aus {town}!\n"
    assert attached.get_content() == b'{"a":{"b":"{{name}}"}}'
    for part in (quoted, encoded):
        assert max(len(line) for line in part.get_payload().splitlines()) <= 76


def test_a_newsletter_is_filled_in_for_each_recipient_with_the_right_encodings(start_world, start_agent, spool):
    world = start_world(simple(domains=7, hosts=3, save="received/"))
    start_agent(world)
    readers = [fields_of(i) for i in range(300)]
    recipients = [reader["address"] for reader in readers]
    spool.drop("news", bsmtp("list@sender.example", recipients, newsletter(), eol=b"\r\n", mail="XMERGE",
                             rcpt={reader["address"]: xmerge(reader) for reader in readers}))
    status = spool.final("news", 60)
    assert status["counts"]["relayed"] == 300
    got = {}
    for message in world.messages():
        assert len(message["rcpts"]) == 1, "each recipient has a transaction of its own"
        got[message["rcpts"][0]] = message
    assert sorted(got) == sorted(recipients)
    for reader in readers:
        check(world.content(got[reader["address"]]), reader)


def test_size_on_mail_is_what_is_sent(start_world, start_agent, spool):
    world = start_world(simple(save="received/"))
    start_agent(world)
    spool.drop("long", bsmtp("list@sender.example", ["ann@d1.example"], [b"Subject: x", b"", b"{{text}}"], mail="XMERGE",
                             rcpt={"ann@d1.example": xmerge({"text": "line\n" * 4000})}))
    spool.final("long")
    message, = world.messages()
    content = world.content(message)
    assert content == b"Subject: x\r\n\r\n" + b"line\r\n" * 4000 + b"\r\n"
    assert f"SIZE={len(content)}" in message["mail_parameters"].split()


def test_a_large_template_is_filled_in_off_the_loop(start_world, start_agent, spool):
    world = start_world(simple(save="received/"))
    start_agent(world)
    readers = [f"reader{i}@d1.example" for i in range(20)]
    content = [b"Subject: x", b"", b"Hello {{name}}"] + [b"%d " % i + b"y" * 60 for i in range(8000)]
    spool.drop("large", bsmtp("list@sender.example", readers, content, mail="XMERGE",
                              rcpt={reader: xmerge({"name": reader}) for reader in readers}))
    spool.final("large")
    for message in world.messages():
        assert world.content(message) == b"\r\n".join(content).replace(b"{{name}}", message["rcpts"][0].encode()) + b"\r\n"


CASES = {
    "a field that one lacks": ([b"Subject: {{name}}", b"", b"x"], [{"name": "Ann"}, {"town": "x"}],
                               "missing-field", 3, 'the recipient reader1@d1.example has no field "name"'),
    "a field that nobody has": ([b"Subject: x", b"", b"{{nmae}}"], [{"name": "Ann"}, {"name": "Bo"}],
                                "missing-field", 2, 'the recipient reader0@d1.example has no field "nmae"'),
    "no fields at all": ([b"Subject: {{name}}", b"", b"x"], [{"name": "Ann"}, None],
                         "missing-field", 3, 'the recipient reader1@d1.example has no field "name"'),
    "no placeholder": ([b"Subject: x", b"", b"{{first name}}"], [{"name": "Ann"}] * 2, "bad-template", None, "first name"),
    "a wrong address": ([b"To: x <{{to}}>", b"", b"x"], [{"to": "a@b.example"}, {"to": "a b"}],
                        "bad-value", 3, "it makes no right address in To"),
    "a charset too small": ([b"Content-Type: text/plain; charset=iso-8859-1", b"", b"{{name}}"],
                            [{"name": "J\u00f6rg"}, {"name": "\u674e"}], "bad-value", 3, "iso-8859-1"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_what_cannot_be_filled_in_is_refused_at_claim_and_nothing_is_sent(start_world, start_agent, spool, case):
    content, readers, code, line, text = CASES[case]
    world = start_world(simple())
    start_agent(world)
    data = bsmtp("list@sender.example", [f"reader{i}@d1.example" for i in range(len(readers))], content, mail="XMERGE",
                 rcpt={f"reader{i}@d1.example": xmerge(fields) for i, fields in enumerate(readers) if fields is not None})
    spool.drop("wrong", data)
    error = spool.refused("wrong")["error"]
    assert (error["code"], error.get("line")) == (code, line)
    assert text in error["text"]
    assert spool.read("bad", "wrong") == data
    assert not world.received()


def test_fields_without_a_template_are_right_as_long_as_nothing_asks_for_them(start_world, start_agent, spool):
    world = start_world(simple(save="received/"))
    start_agent(world)
    rcpt = {"ann@d1.example": xmerge({"name": "Ann"})}
    spool.drop("plain", bsmtp("l@sender.example", ["ann@d1.example"], [b"Subject: x", b"", b"Hello."], rcpt=rcpt))
    spool.drop("merge", bsmtp("l@sender.example", ["bob@d1.example"], [b"Subject: x", b"", b"Hello."], mail="XMERGE"))
    spool.drop("braces", bsmtp("l@sender.example", ["carl@d1.example"], [b"Subject: x", b"", b"{{name}}"]))
    spool.drop("forgotten", bsmtp("l@sender.example", ["ann@d1.example"], [b"Subject: x", b"", b"{{name}}"], rcpt=rcpt))
    for name in ("plain", "merge", "braces"):
        assert spool.final(name)["counts"]["relayed"] == 1
    assert spool.refused("forgotten")["error"]["code"] == "bad-template"
    sent = {message["rcpts"][0]: world.content(message) for message in world.messages()}
    assert sent["carl@d1.example"].endswith(b"{{name}}\r\n"), "without XMERGE braces are text"


def test_a_template_is_filled_in_after_a_restart(start_world, make_agent, spool):
    world = start_world(simple(save="received/", host={"when": [{"message": 1, "at": {"mail": "451 4.3.0 later"}}]}))
    spool.drop("news", bsmtp("list@sender.example", ["ann@d1.example"], [b"Subject: {{name}}", b"", b"Hello {{name}}"], mail="XMERGE",
                             rcpt={"ann@d1.example": xmerge({"name": "J\u00f6rg"})}))
    agent = make_agent(world, {"smtp.connections_per_site": 1}).start()
    spool.settled("news")
    agent.kill()
    agent = make_agent(world).start()
    agent.command("flush")
    assert spool.final("news")["counts"]["relayed"] == 1
    message = email.message_from_bytes(world.content(world.messages()[-1]), policy=email.policy.SMTP)
    assert message["Subject"] == "J\u00f6rg" and message.get_content().strip() == "Hello J\u00f6rg"
    agent.stop()
