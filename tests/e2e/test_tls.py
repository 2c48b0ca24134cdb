"""Sessions that are secured, and what becomes of mail where they can't be."""
import random
import re

import pytest

from harness.certificates import Authority
from harness.spool import MESSAGE, bsmtp, by_address, only, wire
from harness.table import Row, Table
from harness.world import simple
from test_smtp import BIG, LOST, PATIENCE, determinate, diagnostic, indeterminate

CERTIFICATES = {"certificates": "certificates", "log_commands": True}
PATIENT = PATIENCE | {"smtp.timeouts.tls": "1s", "smtp.ca_file": "~/certificates/ca.pem"}
UNPROVEN = ("delayed", r"4\.7\.5", "tls")
NOT_OFFERED = ("delayed", r"4\.7\.4", "tls")


def one(tls="valid", **host):
    return {"mx.~": {"tls": tls, **host}}


def at(tls="valid", **steps):
    return one(tls, at=steps)


def two(tls, **host):
    """A first host like that, and a good second one."""
    return {"mx1.~": {"tls": tls, **host}, "mx2.~": {"tls": "valid"}}


def secured(policy, verified, version="TLSv1.3"):
    def check(view):
        tls = only(view.status)["tls"]
        assert tls and (tls["policy"], tls["verified"], tls["version"]) == (policy, verified, version), tls
        assert tls["cipher"]
    return check


def in_clear(connections=1):
    def check(view):
        assert only(view.status)["tls"] is None
        assert view.host("mx.~")["connections"] == connections
    return check


def from_the_second(view):
    assert only(view.status)["remote_mta"] == f"dns; mx2.{view.domain}"


def every(*checks):
    def check(view):
        for one_of_them in checks:
            one_of_them(view)
    return check


OTHER_NAME = {"names": ["other.example"]}
OPPORTUNISTIC = {
    "a valid certificate": Row("relayed", one(), check=secured("opportunistic", True)),
    "a self-signed certificate": Row("relayed", one("self-signed"), check=secured("opportunistic", False)),
    "an expired certificate": Row("relayed", one("expired"), check=secured("opportunistic", False)),
    "a certificate of another name": Row("relayed", one(OTHER_NAME), check=secured("opportunistic", False)),
    "TLS 1.2": Row("relayed", one({"versions": "1.2"}), check=secured("opportunistic", True, "TLSv1.2")),
    "a large message": Row("relayed", one(), content=BIG, check=secured("opportunistic", True)),
    "no STARTTLS": Row("relayed", one({"offered": False}), check=in_clear()),
    "STARTTLS refused": Row("relayed", at(starttls="454 4.7.0 not now"), check=in_clear()),
    "STARTTLS refused for good": Row("relayed", at(starttls="554 5.7.0 never"), check=in_clear()),
    "a handshake that stalls": Row("relayed", at(starttls={"then": "stall"}), check=in_clear(2)),
    "a handshake that is hung up on": Row("relayed", at(starttls={"then": "close"}), check=in_clear(2)),
    "TLS that is too old": Row("relayed", one({"versions": "1.0"}), check=in_clear(2)),
    "octets in clear behind the 220": Row(("delayed", r"4\.7\.0", "tls"), at(starttls={"extra": "250 SIZE 1"})),
    "no reply to STARTTLS": Row(LOST, at(starttls={"silent": True, "then": "stall"})),
    "421 to STARTTLS": Row(("delayed", r"4\.3\.2", "remote"), at(starttls={"reply": "421 4.3.2 busy", "then": "close"})),
    "closed with a close_notify in mid-content": Row(LOST, at(content={"after": 100_000, "then": "close"}), content=BIG, check=determinate),
    "reset in mid-content": Row(LOST, at(content={"after": 100_000, "then": "reset"}), content=BIG, check=determinate),
    "deaf in mid-content": Row(LOST, at(content={"after": 100_000, "then": "deaf"}), content=BIG, check=determinate),
    "closed with a close_notify after the dot": Row(LOST, at(end_of_data={"silent": True, "then": "close"}), received=1, check=indeterminate),
    "reset after the dot": Row(LOST, at(end_of_data={"silent": True, "then": "reset"}), received=1, check=indeterminate),
    "half a reply to the dot": Row(LOST, at(end_of_data={"raw": "250 2.0.0 o", "then": "close"}), received=1, check=indeterminate),
}

REFUSED_EVERYWHERE = {
    "no STARTTLS": Row(NOT_OFFERED, one({"offered": False})),
    "a host that knows only HELO": Row(NOT_OFFERED, one(helo_only=True)),
    "STARTTLS refused": Row(NOT_OFFERED, at(starttls="454 4.7.0 not now"), check=diagnostic("smtp; 454 4.7.0 not now")),
    "a handshake that stalls": Row(UNPROVEN, at(starttls={"then": "stall"})),
    "a handshake that is hung up on": Row(UNPROVEN, at(starttls={"then": "close"})),
    "TLS that is too old": Row(UNPROVEN, one({"versions": "1.0"})),
    "octets in clear behind the 220": Row(("delayed", r"4\.7\.0", "tls"), at(starttls={"extra": "250 SIZE 1"})),
    "no STARTTLS at the first host": Row("relayed", two({"offered": False}), check=from_the_second),
}

ENCRYPT = REFUSED_EVERYWHERE | {
    "a valid certificate": Row("relayed", one(), check=secured("encrypt", True)),
    "a self-signed certificate": Row("relayed", one("self-signed"), check=secured("encrypt", False)),
}

REQUIRE = REFUSED_EVERYWHERE | {
    "a valid certificate": Row("relayed", one(), check=secured("require", True)),
    "a wildcard": Row("relayed", {"mx.~": {"tls": {"names": ["*.~"]}}}, check=secured("require", True)),
    "a self-signed certificate": Row(UNPROVEN, one("self-signed"), check=diagnostic("self-signed certificate")),
    "an expired certificate": Row(UNPROVEN, one("expired"), check=diagnostic("certificate has expired")),
    "a certificate of another name": Row(UNPROVEN, one(OTHER_NAME), check=diagnostic("hostname mismatch")),
    "a certificate of the domain, not of its host": Row(UNPROVEN, {"mx.~": {"tls": {"names": ["~"]}}}),
    "a bad certificate at the first host": Row("relayed", two("expired"), check=every(from_the_second, secured("require", True))),
}


LEVELS = {"opportunistic": OPPORTUNISTIC, "encrypt": ENCRYPT, "require": REQUIRE}


@pytest.fixture(scope="module")
def table(request):
    """The rows of one level; two never stand at once, as they have the same addresses."""
    table = Table(LEVELS[request.param].values(), PATIENT | {"smtp.tls": request.param}, CERTIFICATES)
    yield table
    table.close()


@pytest.mark.parametrize("table, row", [
    pytest.param(level, row, id=f"{level}: {name}") for level, rows in LEVELS.items() for name, row in rows.items()], indirect=["table"])
def test_tls(table, row):
    table.judge(row)


@pytest.mark.parametrize("table", ["encrypt", "require"], indirect=True)
def test_nothing_of_a_message_is_ever_said_in_clear(table):
    for row in table.rows:
        table.judge(row)
    in_the_clear = [event["line"] for event in table.world.events("command") if not event["tls"]]
    assert set(in_the_clear) == {"EHLO relay.example", "HELO relay.example", "STARTTLS"}
    assert all(message["tls"] for message in table.world.messages())


def test_tls_can_be_turned_off(start_world, start_agent, spool):
    world = start_world(simple(host={"tls": "valid"}))
    start_agent(world, {"smtp.tls": "off"})
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["tls"] is None
    assert not world.events("tls")


def test_the_next_session_with_a_host_resumes_the_last_one(start_world, start_agent, spool):
    world = start_world(simple(host={"tls": "valid"}))
    start_agent(world, {"smtp.messages_per_connection": 1, "smtp.connections_per_site": 1})
    for i in range(4):
        spool.send(f"mail-{i}", ["ann@d1.example"])
        assert only(spool.final(f"mail-{i}"))["tls"]["version"] == "TLSv1.3"
    handshakes = world.wait_for("tls", 4)
    assert [event["resumed"] for event in handshakes] == [False, True, True, True]
    assert {event["server_name"] for event in handshakes} == {"mx1.example"}


def test_after_a_reload_nothing_is_resumed_and_the_new_trust_store_counts(start_world, start_agent, home, spool):
    world = start_world(simple(host={"tls": "valid"}, **CERTIFICATES))
    config = home + "/bulkmail.toml"
    trusted = {"mine": world.home + "/certificates/ca.pem", "another": Authority(home + "/authority").ca}
    with open(config, "w", encoding="ascii") as file:
        file.write(f'[smtp]\ntls = "require"\nca_file = "{trusted["mine"]}"\n')
    agent = start_agent(world, {"smtp.idle": "0ms"}, config=config)
    spool.send("before", ["ann@d1.example"])
    assert only(spool.final("before"))["tls"]["verified"] is True
    with open(config, "w", encoding="ascii") as file:
        file.write(f'[smtp]\ntls = "require"\nca_file = "{trusted["another"]}"\n')
    agent.signal(1)
    spool.send("after", ["ann@d1.example"])
    assert only(spool.settled("after"))["status"] == "4.7.5"


@pytest.mark.parametrize("command", ["run", "drain"])
def test_a_trust_store_that_cannot_be_read_is_an_error_of_the_configuration(make_agent, command):
    done = make_agent(settings={"smtp.ca_file": "/nowhere/ca.pem"}).command(command)
    assert done.returncode == 78
    assert b"smtp.ca_file: can't read /nowhere/ca.pem: No such file or directory" in done.stderr


def every_kind_of_message(count):
    """Contents that a careless writer of records would spoil: 5 MB, 8-bit, dots, long lines, none at all."""
    dice = random.Random(5321)
    yield [b"x" * 70] * 72_000
    for i in range(1, count):
        kinds = ([b".", b"..", b".one dot", b""], [bytes(dice.choices(range(128, 256), k=200))], [b"y" * dice.randrange(999, 9000)],
                 [b"z" * dice.randrange(1, 990) for _ in range(dice.randrange(1, 400))], [])
        yield dice.choice(kinds) + [b"message %d" % i]


def test_200_messages_of_every_kind_reach_a_real_postfix_over_tls(start_world, start_postfix, start_agent, home, spool):
    authority = Authority(home + "/authority")
    addresses = ["198.51.0.1", "198.51.0.2"]
    postfix = start_postfix(addresses, certificate=authority.valid("mail1.example", "mail2.example"))
    world = start_world({"smtp_port": 2525, "hosts": {},
                         "names": {f"d{i}.example": {"MX": [f"10 mail{i % 2 + 1}.example"]} for i in range(1, 11)}
                         | {f"mail{i}.example": {"A": addresses[i - 1]} for i in (1, 2)}})
    start_agent(None, {"resolver.servers": world.ready["resolver_servers"], "smtp.tls": "require", "smtp.ca_file": authority.ca})
    sent = {f"m{i}@d{i % 10 + 1}.example": MESSAGE + content for i, content in enumerate(every_kind_of_message(200))}
    for number, (recipient, content) in enumerate(sent.items()):
        spool.drop(f"mail-{number}", bsmtp("list@sender.example", [recipient], content))
    for number, recipient in enumerate(sent):
        entry = by_address(spool.final(f"mail-{number}", 60))[recipient]
        assert entry["action"] == "relayed", entry
        assert entry["tls"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "policy": "require", "verified": True}
    arrived = {mail.recipient: mail.content for mail in postfix.wait_for(200, 60)}
    assert arrived == {recipient: wire(content).replace(b"\r\n", b"\n") for recipient, content in sent.items()}
    assert re.search(r"TLS connection established from .*TLSv1\.3", postfix.log())
