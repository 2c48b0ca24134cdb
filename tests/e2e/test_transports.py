"""Final delivery: programs, maildirs, discard and error."""
import mailbox
import os
import signal
import stat
import subprocess
import time

import pytest

from harness import waiting
from harness.relay import Relay
from harness.spool import MESSAGE, by_address, only
from harness.world import simple

EXITS = {  # sysexits.h: what becomes of the recipient
    0: ("delivered", "2.0.0"), 64: ("failed", "5.3.5"), 65: ("failed", "5.6.0"), 66: ("failed", "5.3.0"),
    67: ("failed", "5.1.1"), 68: ("failed", "5.1.2"), 69: ("failed", "5.3.0"), 70: ("failed", "5.3.0"),
    71: ("delayed", "4.3.0"), 72: ("failed", "5.3.0"), 73: ("failed", "5.2.0"), 74: ("failed", "5.3.0"),
    75: ("delayed", "4.3.0"), 76: ("failed", "5.5.0"), 77: ("failed", "5.7.0"), 78: ("failed", "5.3.5"),
    1: ("failed", "5.3.0")}


@pytest.fixture
def script(home):
    def write(text):
        path = home + "/script"
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path
    return write


def test_a_program_gets_the_message_and_its_exit_status_decides(start_world, start_agent, configure, script, home, spool):
    command = [script('cat > "$OUT/$LOCAL"; [ "$LOCAL" -gt 90 ] && echo "4.2.2 mailbox full" >&2; exit "${LOCAL%9?}"'),
               "{recipient}"]
    start_agent(start_world(simple()), config=configure(
        {"match": ["p.example"], "transport": "pipe", "command": command, "environment": [f"OUT={home}"]}))
    content = MESSAGE + [b".dot", b"", b"long " * 300, "ü".encode()]
    spool.send("m", [f"{code}@p.example" for code in EXITS])
    spool.send("content", ["0@p.example"], content=content)
    spool.send("said", ["6795@p.example"])
    spool.final("content")
    status = by_address(spool.settled("m"))
    got = {int(address.split("@")[0]): (entry["action"], entry["status"]) for address, entry in status.items()}
    assert got == EXITS
    assert {entry["source"] for entry in status.values()} == {"local"}
    with open(home + "/0", "rb") as file:
        assert file.read() in [b"Return-Path: <list@sender.example>\nDelivered-To: 0@p.example\n" + b"\n".join(lines) + b"\n"
                               for lines in (content, MESSAGE)]
    said = only(spool.settled("said"))
    assert (said["action"], said["status"]) == ("delayed", "4.2.2")
    assert said["diagnostic_code"].endswith("4.2.2 mailbox full")


def test_a_program_has_nothing_of_the_agent_and_no_shell(start_world, start_agent, configure, script, home, spool):
    command = [script(f'{{ env; echo "$#:$1"; }} > {home}/seen; ls /proc/self/fd > {home}/descriptors'), "--to={recipient}"]
    start_agent(start_world(simple()),
                config=configure({"match": ["*"], "transport": "pipe", "command": command}))
    evil = "$(touch${IFS}" + home.replace("/", "-") + ")`id`;x@p.example"
    spool.send("m", [f'"{evil.split("@")[0]}"@p.example'])
    assert only(spool.final("m"))["action"] == "delivered"
    with open(home + "/seen", encoding="utf-8") as file:
        seen = file.read().split("\n")
    names = {line.split("=")[0] for line in seen if "=" in line and not line.startswith("1:")}
    assert names - {"PWD", "SHLVL", "OLDPWD", "_"} == {"PATH", "SENDER", "RECIPIENT", "LOCAL", "DOMAIN", "MESSAGE_ID"}
    assert [line for line in seen if line.startswith("1:--to=")]
    with open(home + "/descriptors", encoding="ascii") as file:
        assert file.read().split() == ["0", "1", "2", "3"]  # 3: of ls itself


def test_a_program_that_hangs_is_killed_with_its_children(start_world, start_agent, configure, script, home, spool):
    command = [script(f"sleep 1000 & echo $! > {home}/child; wait")]
    start_agent(start_world(simple()), config=configure(
        {"match": ["*"], "transport": "pipe", "command": command, "timeout": "1s"}))
    spool.send("m", ["ann@p.example"])
    began = time.monotonic()
    status = only(spool.settled("m"))
    assert 0.9 < time.monotonic() - began < 6
    assert (status["action"], status["status"]) == ("delayed", "4.3.0")
    assert "took too long" in status["diagnostic_code"]
    with open(home + "/child", encoding="ascii") as file:
        child = int(file.read())

    def gone():
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], stdout=subprocess.PIPE, check=False).stdout
        return state.strip() in (b"", b"Z")
    waiting.until(gone, 5, lambda: f"{child} is still there")


def test_a_program_that_dies_or_is_not_there_delays(start_world, start_agent, configure, script, spool):
    start_agent(start_world(simple()), config=configure(
        {"match": ["dies.example"], "transport": "pipe", "command": [script("kill -SEGV $$")]},
        {"match": ["gone.example"], "transport": "pipe", "command": ["/nonexistent/program"]}))
    spool.send("m", ["ann@dies.example", "ann@gone.example"])
    status = by_address(spool.settled("m"))
    assert {(entry["action"], entry["status"]) for entry in status.values()} == {("delayed", "4.3.0")}
    assert "signal 11" in status["ann@dies.example"]["diagnostic_code"]
    assert "no such file" in status["ann@gone.example"]["diagnostic_code"]


def test_programs_run_at_once_as_far_as_the_site_may_have_sessions(start_world, start_agent, configure, script, home, spool):
    command = [script(f'cat > /dev/null; echo + >> {home}/log; sleep 0.2; echo - >> {home}/log')]
    start_agent(start_world(simple()), {"smtp.connections_per_site": 3},
                config=configure({"match": ["*"], "transport": "pipe", "command": command}))
    spool.send("m", [f"u{number}@d{number}.example" for number in range(20)])
    assert spool.final("m", 30)["counts"]["delivered"] == 20
    at_once = most = 0
    with open(home + "/log", encoding="ascii") as file:
        for line in file:
            at_once += 1 if line[0] == "+" else -1
            most = max(most, at_once)
    assert 2 <= most <= 3


@pytest.mark.parametrize("size", [10, 600_000])
def test_a_maildir_has_each_message_once_and_whole(size, start_world, start_agent, configure, home, spool):
    os.makedirs(home + "/mail")
    start_agent(start_world(simple()), config=configure(
        {"match": [".example"], "transport": "maildir", "path": home + "/mail/{domain}/{local}"}))
    content = MESSAGE + [b".dot", b"x" * 70] * (size // 70 + 1) + [b"ends"]
    spool.send("m", ["ann@m.example", "bob@m.example", "ann@n.example", "..@m.example", ".@m.example", '"../x"@m.example'],
               content=content)
    spool.send("again", ["ann@m.example"])
    assert spool.final("again")["counts"]["delivered"] == 1
    status = by_address(spool.final("m"))
    assert {address: entry["action"] for address, entry in status.items() if entry["action"] != "failed"} == \
        dict.fromkeys(["ann@m.example", "bob@m.example", "ann@n.example"], "delivered")
    for entry in status.values():
        assert entry["status"] in ("2.0.0", "5.1.1", "5.1.3")
    ann = mailbox.Maildir(home + "/mail/m.example/ann", create=False)
    assert len(ann) == 2
    [message] = [ann.get_bytes(key) for key in ann.iterkeys() if b"ends" in ann.get_bytes(key)]
    assert message == b"Return-Path: <list@sender.example>\nDelivered-To: ann@m.example\n" + b"\n".join(content) + b"\n"
    assert os.listdir(home + "/mail/m.example/ann/tmp") == []
    assert sorted(os.listdir(home + "/mail")) == ["m.example", "n.example"]
    assert sorted(os.listdir(home + "/mail/m.example")) == ["ann", "bob"]
    [file] = os.listdir(home + "/mail/n.example/ann/new")
    assert stat.S_IMODE(os.stat(f"{home}/mail/n.example/ann/new/{file}").st_mode) == 0o600


@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_a_mail_store_answers_for_each_recipient(where, start_world, start_agent, configure, home, spool):
    address = ("127.0.3.1", 24) if where == "tcp" else home + "/lmtp"
    store = Relay(address, lmtp=True, answers={
        ("RCPT", "nobody@m.example"): "550 5.1.1 no such user", ("DATA", "full@m.example"): "452 4.2.2 over quota",
        ("DATA", "bad@m.example"): "554 5.6.0 not for me"})
    try:
        if where == "unix":
            os.chmod(address, 0o666)
        start_agent(start_world(simple()), config=configure(
            {"match": ["m.example"], "transport": "lmtp", "to": "[127.0.3.1]" if where == "tcp" else f"unix:{address}"}))
        users = ["ann", "nobody", "full", "bob", "bad"]
        spool.send("m", [f"{user}@m.example" for user in users], content=MESSAGE + [b".dot", b"."])
        status = by_address(spool.settled("m"))
        assert {address.split("@")[0]: (entry["action"], entry["status"]) for address, entry in status.items()} == {
            "ann": ("delivered", "2.0.0"), "nobody": ("failed", "5.1.1"), "full": ("delayed", "4.2.2"),
            "bob": ("delivered", "2.0.0"), "bad": ("failed", "5.6.0")}
        assert {event["event"] for event in spool.results()} == {"delivered", "failed", "delayed"}
        assert store.commands[0].startswith("LHLO ")
        [message] = store.messages
        assert message["recipients"] == ["ann@m.example", "bob@m.example"]
        assert message["content"].endswith(b"\r\n.dot\r\n.\r\n")
    finally:
        store.stop()


def test_a_socket_that_nobody_listens_at_delays(start_world, start_agent, configure, home, spool):
    start_agent(start_world(simple()), config=configure({"match": ["*"], "transport": "lmtp", "to": f"unix:{home}/nothing"}))
    spool.send("m", ["ann@m.example"])
    status = only(spool.settled("m"))
    assert (status["action"], status["source"]) == ("delayed", "network")


def test_discard_delivers_to_nobody_and_error_fails_as_told(start_world, start_agent, configure, spool):
    world = start_world(simple())
    start_agent(world, config=configure(
        {"match": ["d.example"], "transport": "discard"},
        {"match": ["e.example"], "transport": "error", "status": "5.7.1", "text": "we do not write to them"}))
    spool.send("m", [f"u{number}@d.example" for number in range(300)] + ["ann@e.example", "bob@d1.example"])
    status = by_address(spool.final("m"))
    assert spool.status("m")["counts"] | {"delivered": 300, "failed": 1, "relayed": 1} == spool.status("m")["counts"]
    assert status["u7@d.example"]["diagnostic_code"] == "x-bulkmail; discarded, as a route says"
    failed = status["ann@e.example"]
    assert (failed["status"], failed["source"], failed["diagnostic_code"]) == \
        ("5.7.1", "policy", "x-bulkmail; we do not write to them")
    assert world.received() == {"bob@d1.example": 1}


def test_a_killed_agent_delivers_again_what_it_has_not_on_record_and_no_more(start_world, make_agent, configure, script, home,
                                                                            spool):
    command = [script(f'cat > /dev/null; echo "$LOCAL" >> {home}/log')]
    agent = make_agent(start_world(simple()), {"smtp.connections_per_site": 2},
                       config=configure({"match": ["*"], "transport": "pipe", "command": command}))
    agent.start()
    spool.send("m", [f"u{number}@p.example" for number in range(200)])

    def delivered():
        with open(home + "/log", encoding="ascii") as file:
            return file.read().split()
    waiting.until(lambda: os.path.exists(home + "/log") and len(delivered()) >= 50, 20, spool.status)
    agent.kill()
    agent.start()
    assert spool.final("m", 30)["counts"]["delivered"] == 200
    agent.stop()
    assert len(set(delivered())) == 200
    assert len(delivered()) <= 205  # two in flight, and what the last few milliseconds had not on record


def test_a_stop_waits_for_a_program(start_world, start_agent, configure, script, home, spool):
    agent = start_agent(start_world(simple()), config=configure(
        {"match": ["*"], "transport": "pipe",
         "command": [script(f"cat > /dev/null; touch {home}/begun; sleep 1; touch {home}/done")]}))
    spool.send("m", ["ann@p.example"])
    waiting.until(lambda: os.path.exists(home + "/begun"), 10, agent.log)
    agent.stop()
    assert os.path.exists(home + "/done")
    assert spool.final("m")["counts"]["delivered"] == 1
