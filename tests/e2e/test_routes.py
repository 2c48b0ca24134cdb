"""Mail that goes where the configuration says, instead of where the DNS does."""
import base64
import os
import signal

import pytest

from harness import waiting
from harness.relay import Relay
from harness.spool import by_address, only
from harness.world import simple


@pytest.fixture
def start_relay():
    relays = []

    def start(*where, **how):
        relays.append(Relay(*where, **how))
        return relays[-1]
    yield start
    for relay in relays:
        relay.stop()


@pytest.fixture
def secret(home):
    def write(text, mode=0o600, name="secret"):
        path = f"{home}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text + "\n")
        return path
    return write


def test_a_host_in_brackets_is_reached_without_its_mx_on_a_port_of_its_own(start_world, start_agent, start_relay, configure,
                                                                          spool):
    world = start_world(simple(domains=2) | {"hosts": {"smart.example": {"address": "127.0.3.1", "down": True}}})
    relay = start_relay(("127.0.3.1", 587))
    start_agent(world, config=configure({"match": ["d1.example"], "to": "[smart.example]:587"}))
    spool.send("m", ["ann@d1.example", "bob@d2.example"])
    status = by_address(spool.final("m"))
    assert {entry["action"] for entry in status.values()} == {"relayed"}
    assert status["ann@d1.example"]["remote_mta"] == "dns; smart.example"
    assert status["ann@d1.example"]["remote_port"] == 587
    assert status["bob@d2.example"]["remote_port"] == 25
    assert [message["recipients"] for message in relay.messages] == [["ann@d1.example"]]
    assert not [event for event in world.events("dns") if event["name"] in ("d1.example", "smart.example")
                and event["type"] == "MX"]


def test_an_address_may_be_private_in_a_route_and_nowhere_else(start_world, start_agent, start_relay, configure, spool):
    world = start_world(simple(domains=2))
    relay = start_relay(("127.0.3.1", 587))
    start_agent(world, {"smtp.private_targets": "refuse"},
                config=configure({"match": ["d1.example"], "to": "[127.0.3.1]:587"}))
    spool.send("m", ["ann@d1.example", "bob@d2.example", "cy@[127.0.3.1]"])
    status = by_address(spool.final("m"))
    assert status["ann@d1.example"]["action"] == "relayed"
    for address in ("bob@d2.example", "cy@[127.0.3.1]"):
        assert (status[address]["action"], status[address]["status"], status[address]["source"]) == \
            ("failed", "5.4.4", "policy")
    assert len(relay.messages) == 1


def test_all_mail_through_one_relay_shares_its_sessions_and_limits(start_world, start_agent, configure, spool):
    world = start_world(simple(domains=40, hosts=40) | {"hosts": {"relay.net": {"address": "127.0.3.1"}}})
    start_agent(world, {"smtp.connections_per_site": 2}, config=configure({"match": ["*"], "to": "[relay.net]"}))
    for number in range(5):
        spool.send(f"m{number}", [f"ann@d{domain}.example" for domain in range(1, 41)])
    for number in range(5):
        assert spool.final(f"m{number}")["counts"]["relayed"] == 40
    hosts = world.summary()["hosts"]
    assert hosts["relay.net"]["max_open"] <= 2
    assert hosts["relay.net"]["messages"] == 200
    assert sum(host["connections"] for host in hosts.values()) == hosts["relay.net"]["connections"]


def test_the_mx_of_another_host_takes_the_mail(start_world, start_agent, configure, spool):
    world = start_world(simple(domains=2, hosts=2))
    start_agent(world, config=configure({"match": [".example"], "to": "d2.example"}))
    spool.send("m", ["ann@d1.example"])
    assert only(spool.final("m"))["remote_mta"] == "dns; mx2.example"


def test_a_mistyped_relay_delays_mail_and_returns_none(start_world, start_agent, configure, spool):
    start_agent(start_world(simple()), config=configure({"match": ["*"], "to": "[mistyped.example]"}))
    spool.send("m", ["ann@d1.example"])
    status = only(spool.settled("m"))
    assert (status["action"], status["status"], status["source"]) == ("delayed", "4.4.4", "dns")
    assert "mistyped.example" in status["diagnostic_code"]


def test_new_routes_hold_after_hup_for_what_waits_and_what_comes(start_world, start_agent, start_relay, configure, spool):
    world = start_world(simple(host={"users": {"late@d1.example": "451 4.2.0 later"}}))
    relay = start_relay(("127.0.3.1", 587))
    agent = start_agent(world, config=configure())
    spool.send("before", ["ann@d1.example", "late@d1.example"])
    spool.settled("before")
    configure({"match": ["d1.example"], "to": "[127.0.3.1]:587"})
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: "reloaded" in agent.log(), 5, agent.log)
    spool.send("after", ["ann@d1.example"])
    spool.final("after")
    assert agent.command("flush").returncode == 0
    assert spool.final("before")["counts"]["relayed"] == 2
    assert sorted(recipient for message in relay.messages for recipient in message["recipients"]) == \
        ["ann@d1.example", "late@d1.example"]


def test_a_secret_that_others_can_read_is_refused(make_agent, start_world, configure, secret, spool):
    entry = {"match": ["*"], "to": "[127.0.3.1]", "username": "u"}
    for mode, code in ((0o600, 0), (0o640, 0), (0o644, 78), (0o660, 78)):
        path = secret("sesame", mode)
        agent = make_agent(start_world(simple(smtp_port=0)), config=configure(entry | {"password_file": path}))
        checked = agent.command("check")
        assert checked.returncode == code, (oct(mode), checked.stderr)
        assert code == 0 or path.encode() in checked.stderr
        assert b"sesame" not in checked.stdout + checked.stderr
        os.unlink(path)
    missing = make_agent(config=configure(entry | {"password_file": "/nonexistent"}))
    assert missing.command("check").returncode == 78
    assert missing.command("queue").returncode == 0  # who sends nothing needs no password


PASSWORD, TOKEN = "sesame-open-7413", "ya29.token-8824"


def told(home, spool):
    """All that is in logs, status files, results and the journal, as one."""
    text = b""
    for folder, _, files in os.walk(home):
        for file in files:
            if file.endswith((".log", ".json", ".ndjson")) or folder.startswith(spool.path):
                path = os.path.join(folder, file)
                if os.path.isfile(path):
                    with open(path, "rb") as opened:
                        text += opened.read()
    return text


def secrets(user):
    """What must be nowhere: the secrets, and what goes over the wire for them."""
    for secret in (PASSWORD, TOKEN):
        yield secret.encode()
        yield base64.b64encode(secret.encode()).rstrip(b"=")
    yield base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).rstrip(b"=")
    yield base64.b64encode(f"user={user}\x01auth=Bearer {TOKEN}\x01\x01".encode()).rstrip(b"=")


@pytest.mark.parametrize("offered, chosen", [
    (["PLAIN", "LOGIN", "XOAUTH2", "SCRAM-SHA-256"], "SCRAM-SHA-256"), (["LOGIN", "XOAUTH2", "PLAIN"], "XOAUTH2"),
    (["LOGIN", "PLAIN"], "PLAIN"), (["LOGIN"], "LOGIN")])
def test_a_session_logs_in_with_the_strongest_mechanism_and_tells_nobody(offered, chosen, start_world, start_agent, start_relay,
                                                                        configure, secret, home, spool):
    relay = start_relay(("127.0.3.1", 587), users={"list@example.org": PASSWORD}, tokens={"list@example.org": TOKEN},
                        mechanisms=offered)
    agent = start_agent(start_world(simple()), {"log.level": "debug"}, config=configure(
        {"match": ["*"], "to": "[127.0.3.1]:587", "username": "list@example.org", "auth_without_tls": True,
         "password_file": secret(PASSWORD), "token_file": secret(TOKEN, name="token")}))
    for number in range(3):
        spool.send(f"m{number}", [f"ann@d{number}.example"])
        assert only(spool.final(f"m{number}"))["action"] == "relayed"
    assert {message["user"] for message in relay.messages} == {"list@example.org"}
    assert [line for line in relay.commands if line.startswith("AUTH")][0].split(" ")[1] == chosen
    assert len(relay.logins) == len([line for line in relay.commands if line.startswith("EHLO")])
    agent.signal(signal.SIGUSR1)
    waiting.until(lambda: "state" in agent.log() or "sessions" in agent.log(), 5, agent.log)
    shown = told(home, spool) + agent.command("queue", "--json").stdout
    for one in secrets("list@example.org"):
        assert one not in shown


@pytest.mark.parametrize("relay_is, says", [
    ({"users": {"u": "another"}, "mechanisms": ["PLAIN"]}, "535 5.7.8 who are you?"),
    ({"users": {"u": "another"}, "mechanisms": ["SCRAM-SHA-256"]}, "535 5.7.8 who are you?"),
    ({"users": {"u": PASSWORD}, "mechanisms": ["SCRAM-SHA-256"], "lies": True}, "SCRAM-SHA-256"),
    ({"mechanisms": ["CRAM-MD5"]}, "no mechanism"), ({}, "no mechanism")])
def test_a_login_that_fails_delays_until_it_is_mended(relay_is, says, start_world, start_agent, start_relay, configure, secret,
                                                      home, spool):
    relay = start_relay(("127.0.3.1", 587), **relay_is)
    agent = start_agent(start_world(simple()), config=configure(
        {"match": ["*"], "to": "[127.0.3.1]:587", "username": "u", "auth_without_tls": True, "password_file": secret(PASSWORD)}))
    spool.send("m", ["ann@d1.example"])
    status = only(spool.settled("m"))
    assert (status["action"], status["status"]) == ("delayed", "4.7.8")
    assert says in status["diagnostic_code"]
    assert not relay.messages and not any(line.startswith("MAIL") for line in relay.commands)
    for one in secrets("u"):
        assert one not in told(home, spool)
    relay.users, relay.mechanisms, relay.lies = {"u": "mended"}, ["SCRAM-SHA-256"], False
    secret("mended")
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: "reloaded" in agent.log(), 5, agent.log)
    assert agent.command("flush").returncode == 0
    assert only(spool.final("m"))["action"] == "relayed"


def test_nobody_logs_in_over_a_session_in_clear(start_world, start_agent, start_relay, configure, secret, spool):
    relay = start_relay(("127.0.3.1", 587), users={"u": PASSWORD}, mechanisms=["PLAIN", "SCRAM-SHA-256"])
    start_agent(start_world(simple()), config=configure(
        {"match": ["*"], "to": "[127.0.3.1]:587", "username": "u", "password_file": secret(PASSWORD)}))
    spool.send("m", ["ann@d1.example"])
    status = only(spool.settled("m"))
    assert (status["action"], status["source"]) == ("delayed", "policy")
    assert not any(line.startswith(("AUTH", "MAIL")) for line in relay.commands)


def test_what_logs_in_shares_no_session_with_what_does_not(start_world, start_agent, start_relay, configure, secret, spool):
    relay = start_relay(("127.0.3.1", 587), users={"u": PASSWORD, "v": PASSWORD}, mechanisms=["PLAIN"])
    common = {"to": "[127.0.3.1]:587", "auth_without_tls": True, "password_file": secret(PASSWORD)}
    start_agent(start_world(simple()), config=configure({"match": ["d1.example"], "username": "u", **common},
                                                        {"match": ["d2.example"], "username": "v", **common}))
    for number in range(10):
        spool.send(f"m{number}", ["ann@d1.example", "bob@d2.example"])
    for number in range(10):
        spool.final(f"m{number}")
    assert {(message["user"], *message["recipients"]) for message in relay.messages} == \
        {("u", "ann@d1.example"), ("v", "bob@d2.example")}
