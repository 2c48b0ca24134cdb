"""What mail hosts may do to us, and what each recipient's outcome is then."""
import hashlib
import re

import pytest

from harness import isolation, waiting
from harness.spool import MESSAGE, bsmtp, by_address, only, wire
from harness.table import Row, Table
from harness.world import simple

DELAYED = ("delayed", r"4\.\d+\.\d+")
LOST = ("delayed", r"4\.4\.\d", "network")
SHIFTED = ("delayed|failed", r"[45]\.\d+\.\d+")  # the next command's refusal is taken for the missing reply
BIG = MESSAGE + [b"x" * 70] * 60_000
PATIENCE = {f"smtp.timeouts.{stage}": "1s" for stage in (
    "connect", "greeting", "ehlo", "mail", "rcpt", "data", "block", "end_of_data", "rset", "quit")}


def one(**host):
    return {"mx.~": host}


def at(**steps):
    return {"mx.~": {"at": {stage: {"reply": step} if isinstance(step, list) else step for stage, step in steps.items()}}}


def two(**host):
    """A first host that misbehaves so, and a good second one."""
    return {"mx1.~": host, "mx2.~": {}}


def closing(reply):
    return {"reply": reply, "then": "close"}


def indeterminate(view):
    assert only(view.status)["indeterminate"] is True and only(view.status)["status"] == "4.4.2"


def determinate(view):
    assert only(view.status)["indeterminate"] is False


def host_says(**expected):
    def check(view):
        told = view.host("mx.~")
        assert {key: told.get(key, 0) for key in expected} == expected, told
    return check


def diagnostic(text):
    def check(view):
        assert text in only(view.status)["diagnostic_code"], view.status
    return check


def no_control_bytes(view):
    code = only(view.status)["diagnostic_code"]
    assert code.startswith("smtp; 250 2.0.0 ok") and not re.search(r"[\x00-\x1f\x7f-\x9f]", code), repr(code)


FEW = ["PIPELINING", "ENHANCEDSTATUSCODES"]
CHUNKS = FEW + ["8BITMIME", "CHUNKING"]


def chunked(**steps):
    return {"mx.~": {"extensions": CHUNKS, "at": steps}}


def limited(limits):
    return one(extensions=CHUNKS + ["LIMITS " + limits])

ROWS = {
    "a good host": Row("relayed", one()),
    "a slow path": Row("relayed", one(latency="100ms")),
    "a host without extensions": Row("relayed", one(extensions=[])),
    "a host that knows only HELO": Row("relayed", one(helo_only=True)),
    "nobody listens": Row(("delayed", r"4\.4\.1", "network"), one(down=True)),
    "nobody listens at the first host": Row("relayed", two(down=True)),
    "a black hole": Row(("delayed", r"4\.4\.1", "network"), one(blackhole=True)),
    "a black hole first": Row("relayed", two(blackhole=True)),
    "no greeting": Row(LOST, at(greeting={"silent": True})),
    "no greeting at the first host": Row("relayed", two(at={"greeting": {"silent": True}})),
    "closed before the greeting": Row(LOST, at(greeting={"silent": True, "then": "close"})),
    "reset before the greeting": Row(LOST, at(greeting={"silent": True, "then": "reset"})),
    "a greeting in drips": Row(LOST, at(greeting={"reply": "220 mx.example very slow ESMTP", "drip": "300ms"})),
    "a greeting in drips at the first host": Row("relayed", two(at={"greeting": {"reply": "220 mx slow", "drip": "300ms"}})),
    "an EHLO reply in drips": Row(LOST, at(ehlo={"reply": ["250-mx.example", "250 HELP"], "drip": "300ms"})),
    "an endless greeting": Row(DELAYED, at(greeting={"reply": "220 welcome", "endless": True})),
    "an endless line": Row(DELAYED, at(greeting={"endless": "220 x"})),
    "an endless EHLO reply": Row(DELAYED, at(ehlo={"reply": "250 X-MORE", "endless": True})),
    "a greeting that is no reply": Row(DELAYED, at(greeting={"raw": "Welcome, stranger\r\n"})),
    "a greeting of another protocol": Row(DELAYED, at(greeting={"raw": "\u0016\u0003\u0001\u0002\u0000\u0001\r\n"})),
    "421 greeting": Row(DELAYED, at(greeting=closing("421 4.3.2 busy")), check=diagnostic("421 4.3.2 busy")),
    "421 to EHLO": Row(DELAYED, at(ehlo=closing("421 4.3.2 busy"), helo=closing("421 4.3.2 busy"))),
    "421 to MAIL": Row(DELAYED, at(mail=closing("421 4.3.2 busy")), check=diagnostic("421 4.3.2 busy")),
    "421 to RCPT": Row(DELAYED, at(rcpt=closing("421 4.3.2 busy")), check=diagnostic("421 4.3.2 busy")),
    "421 to DATA": Row(DELAYED, at(data=closing("421 4.3.2 busy")), check=diagnostic("421 4.3.2 busy")),
    "421 to the end of data": Row(DELAYED, at(end_of_data=closing("421 4.3.2 busy")), received=1, check=determinate),
    "554 greeting of every host": Row(("failed", r"5\.7\.1", "remote"), at(greeting="554 5.7.1 go away"), check=diagnostic("554 5.7.1 go away")),
    "521 greeting of every host": Row(("failed", r"5\.\d\.\d+", "remote"), at(greeting="521 no mail here")),
    "554 greeting of the first host": Row("relayed", two(at={"greeting": "554 5.7.1 go away"})),
    "450 greeting": Row(DELAYED, at(greeting="450 4.3.2 later")),
    "EHLO and HELO refused by every host": Row(("failed", r"5\.\d\.\d+", "remote"), at(ehlo="550 5.7.1 no", helo="550 5.7.1 no")),
    "EHLO and HELO refused by the first host": Row("relayed", two(at={"ehlo": "502 5.5.1 no", "helo": "502 5.5.1 no"})),
    "451 to EHLO": Row(DELAYED, at(ehlo="451 4.3.0 later", helo="451 4.3.0 later")),
    "MAIL refused for now": Row(("delayed", r"4\.7\.1", "remote"), at(mail="451 4.7.1 not now")),
    "MAIL refused": Row(("failed", r"5\.7\.1", "remote"), at(mail="550 5.7.1 not you")),
    "a reply without enhanced code": Row(("failed", r"5\.\d\.\d+", "remote"), at(mail="550 not you")),
    "a lie in the enhanced code": Row(("delayed", r"4\.\d+\.\d+", "remote"), at(mail="451 5.1.1 contradiction")),
    "no reply to MAIL": Row(LOST, at(mail={"silent": True, "then": "stall"})),
    "no reply to RCPT": Row(LOST, at(rcpt={"silent": True, "then": "stall"})),
    "no reply to DATA": Row(LOST, at(data={"silent": True, "then": "stall"}), check=determinate),
    "recipients of every kind": Row({"ok@~": "relayed", "late@~": ("delayed", r"4\.2\.1", "remote"),
                                     "bad@~": ("failed", r"5\.1\.1", "remote"), "ok2@~": "relayed"},
                                    one(users={"late@~": "450 4.2.1 busy", "bad@~": "550 5.1.1 unknown"})),
    "252 to RCPT is taken as acceptance": Row("relayed", at(rcpt="252 cannot verify")),
    "all recipients refused": Row({"a@~": "failed", "b@~": ("failed", r"5\.1\.1", "remote")},
                                  one(users={"a@~": "550 5.1.1 no", "b@~": "550 5.1.1 no"}), check=host_says(messages=0, partial=0)),
    "all recipients refused and 354 all the same": Row(
        {"a@~": ("failed", r"5\.1\.1", "remote"), "b@~": ("delayed", r"4\.1\.1", "remote")},
        one(users={"a@~": "550 5.1.1 no", "b@~": "450 4.1.1 no"}, data_without_recipients=True), check=host_says(messages=0, partial=0)),
    "250 to DATA sends no content": Row(DELAYED, at(data="250 ok"), check=host_says(unknown_commands=0, partial=0)),
    "DATA refused": Row(("failed", r"5\.7\.1", "remote"), at(data="554 5.7.1 no")),
    "DATA refused for now": Row(("delayed", r"4\.3\.0", "remote"), at(data="451 4.3.0 later")),
    "the message refused": Row(("failed", r"5\.6\.0", "remote"), at(end_of_data="554 5.6.0 spam"), received=1),
    "the message refused for now": Row(("delayed", r"4\.3\.1", "remote"), at(end_of_data="452 4.3.1 full"), received=1),
    "lost in mid-content": Row(LOST, at(content={"after": 0, "then": "reset"}), content=BIG, check=determinate),
    "closed in mid-content": Row(LOST, at(content={"after": 100_000, "then": "close"}), content=BIG, check=determinate),
    "deaf in mid-content": Row(LOST, at(content={"after": 100_000, "then": "deaf"}), content=BIG, check=determinate),
    "lost after the dot": Row(LOST, at(end_of_data={"silent": True, "then": "close"}), received=1, check=indeterminate),
    "reset after the dot": Row(LOST, at(end_of_data={"silent": True, "then": "reset"}), received=1, check=indeterminate),
    "no reply to the dot": Row(LOST, at(end_of_data={"silent": True, "then": "stall"}), received=1, check=indeterminate),
    "half a reply to the dot": Row(LOST, at(end_of_data={"raw": "250 2.0.0 o", "then": "close"}), received=1, check=indeterminate),
    "250 after the time-out": Row(LOST, at(end_of_data={"delay": "3s"}), received=1, check=indeterminate),
    "a garbage code to RCPT": Row(DELAYED, at(rcpt={"raw": "25O ok\r\n"})),
    "a changing code to RCPT": Row(DELAYED, at(rcpt=["250-ok", "550 no"])),
    "a changing code to the dot": Row(DELAYED, at(end_of_data=["250-ok", "550 no"]), received=1),
    "a reply missing to MAIL": Row(SHIFTED, at(mail={"silent": True})),
    "a reply missing to RCPT": Row(SHIFTED, at(rcpt={"silent": True})),
    "a reply too many to MAIL": Row(DELAYED, at(mail={"extra": "250 2.1.0 ok"})),
    "a reply too many to RCPT": Row(DELAYED, at(rcpt={"extra": "250 2.1.5 ok"})),
    "a stray 250 before the dot is not its reply": Row(("delayed|failed", ".*"), at(
        data={"reply": "354 go ahead", "extra": "250 2.0.0 stray"}, end_of_data="554 5.6.0 no"), received=1),
    "a shifted reply": Row(("delayed|relayed", ".*"), at(rcpt={"hold": True})),
    "a reply too many to the dot": Row("relayed", at(end_of_data={"reply": "250 2.0.0 ok", "extra": "250 2.0.0 again"})),
    "over the announced size": Row(("failed", r"5\.3\.4"), one(extensions=["SIZE 100"]), content=MESSAGE + [b"x" * 100],
                                   check=host_says(transactions=0)),
    "over the size of the first host alone": Row(("relayed|failed", ".*"), two(extensions=["SIZE 100"]), content=MESSAGE + [b"x" * 100]),
    "SIZE without a number": Row("relayed", one(extensions=["SIZE"])),
    "SIZE with a senseless number": Row("relayed", one(extensions=["SIZE 99999999999999999999999"])),
    "8-bit content to a host without 8BITMIME": Row("relayed", one(extensions=FEW), content=MESSAGE + [bytes(range(128, 256))]),
    "UTF-8 addresses to a host with SMTPUTF8": Row({"j\u00f6rg@~": "relayed"}, one(), mail="SMTPUTF8"),
    "UTF-8 addresses to a host without SMTPUTF8": Row({"j\u00f6rg@~": ("failed", r"5\.6\.7")}, one(extensions=FEW), mail="SMTPUTF8"),
    "more recipients than a transaction may have": Row({f"r{i}@~": "relayed" for i in range(12)}, one(max_recipients=5),
                                                       check=host_says(transactions=3, messages=3)),
    "552 for too many recipients": Row({f"r{i}@~": "relayed" for i in range(6)}, {"mx.~": {"when": [
        {"transaction": 1, "rcpt": ["r4@~", "r5@~"], "at": {"rcpt": "552 too many"}}]}}),
    "452 to the first recipient delays it": Row(("delayed", r"4\.5\.3", "remote"), at(rcpt="452 4.5.3 too many"),
                                                check=lambda view: host_says(messages=0)(view)),
    "452 for another reason is no invitation to go on": Row(
        {"ok@~": "relayed", "full@~": ("delayed", r"4\.2\.2", "remote")}, one(users={"full@~": "452 4.2.2 mailbox full"}),
        check=host_says(transactions=1)),
    "control bytes in a reply": Row("relayed", at(end_of_data={"raw": "250 2.0.0 ok \u0000\u0007\u001b[31m\u00ff\u009b\r\n"}), check=no_control_bytes),
    "a reply of many lines": Row("relayed", at(end_of_data=[f"250-2.0.0 line {i}" for i in range(20)] + ["250 2.0.0 end"])),
    "a reply with bare LF": Row("relayed|delayed", at(mail={"raw": "250 2.1.0 ok\n"})),
    "EHLO keywords in lower case and nonsense": Row("relayed", one(extensions=["pipelining", "size 1000000", "", "X" * 200, "8bitmime"])),
    "a host that takes chunks": Row("relayed", chunked()),
    "chunks in lock-step": Row("relayed", one(extensions=["CHUNKING"])),
    "a large message in chunks": Row("relayed", chunked(), content=BIG),
    "BDAT is offered and not known": Row("relayed", chunked(bdat="502 5.5.2 what?")),
    "BDAT is offered and out of sequence": Row("relayed", chunked(bdat="503 bad sequence of commands")),
    "a chunk refused": Row(("failed", r"5\.3\.4", "remote"), chunked(data="552 5.3.4 too big"), content=BIG),
    "the message refused after its chunk": Row(("failed", r"5\.6\.0", "remote"), chunked(end_of_data="554 5.6.0 spam"), received=1),
    "all recipients refused, and a chunk": Row(
        {"a@~": ("failed", r"5\.1\.1", "remote"), "b@~": ("delayed", r"4\.1\.1", "remote")},
        one(extensions=CHUNKS, users={"a@~": "550 5.1.1 no", "b@~": "450 4.1.1 no"}), check=host_says(messages=0, unknown_commands=0)),
    "lost after the last chunk": Row(LOST, chunked(end_of_data={"silent": True, "then": "close"}), received=1, check=indeterminate),
    "no reply to the last chunk": Row(LOST, chunked(end_of_data={"silent": True, "then": "stall"}), received=1, check=indeterminate),
    "a reply to the last chunk after the time-out": Row(LOST, chunked(end_of_data={"delay": "3s"}), received=1, check=indeterminate),
    "a reply missing to RCPT, and a chunk": Row(SHIFTED, chunked(rcpt={"silent": True})),
    "deaf in mid-chunk": Row(LOST, chunked(content={"after": 100_000, "then": "deaf"}), content=BIG, check=determinate),
    "RCPTMAX": Row({f"r{i}@~": "relayed" for i in range(12)}, limited("RCPTMAX=5"), check=host_says(transactions=3, messages=3)),
    "MAILMAX": Row({f"r{i}@~": "relayed" for i in range(3)}, limited("MAILMAX=1 RCPTMAX=1"), check=host_says(connections=3)),
    "a closed connection after each message": Row({f"r{i}@~": "relayed" for i in range(3)}, at(end_of_data=closing("250 2.0.0 ok"))),
    "no reply to QUIT": Row("relayed", at(quit={"silent": True})),
}


@pytest.fixture(scope="module")
def table():
    table = Table(ROWS.values(), PATIENCE | {"smtp.idle": "500ms"})
    yield table
    table.close()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_smtp(table, row):
    table.judge(row)


def test_after_all_of_it_no_descriptor_and_no_connection_is_left(table):
    for row in ROWS.values():
        table.judge(row)
    open_messages = sum(not table.spool.status(table.message(number))["final"] for number in range(len(ROWS)))
    waiting.until(lambda: table.agent.descriptors() <= table.descriptors + open_messages, 10,
                  lambda: f"{table.agent.descriptors()} of {table.descriptors} and {open_messages} messages")


def test_a_host_that_breaks_pipelining_is_spoken_to_in_lock_step_afterwards(start_world, start_agent, spool):
    world = start_world(simple(host={"broken_pipelining": True}))
    start_agent(world, PATIENCE | {"retry.schedule": ["200ms"]})
    spool.send("first", ["ann@d1.example"])
    assert only(spool.final("first"))["action"] == "relayed"
    spool.send("second", ["bob@d1.example"])
    assert only(spool.final("second"))["attempts"] == 1
    assert world.received() == {"ann@d1.example": 1, "bob@d1.example": 1}


def test_8_bit_content_fails_where_the_configuration_says_so(start_world, start_agent, spool):
    world = start_world(simple(host={"extensions": ["PIPELINING"]}))
    start_agent(world, {"smtp.eight_bit": "fail"})
    spool.send("mail", ["ann@d1.example"], MESSAGE + [b"\xe4"])
    entry = only(spool.final("mail"))
    assert entry["action"] == "failed" and entry["status"] == "5.6.3"


def test_without_smtputf8_an_ascii_local_part_is_sent_with_the_a_label(start_world, start_agent, spool):
    world = start_world({"names": {"xn--bcher-kva.example": {"MX": ["10 mx.example"]}},
                         "hosts": {"mx.example": {"address": "127.0.2.1", "extensions": ["PIPELINING"]}}})
    start_agent(world)
    spool.send("mail", ["ann@b\u00fccher.example", "j\u00f6rg@b\u00fccher.example"], mail="SMTPUTF8")
    told = by_address(spool.final("mail"))
    assert told["ann@b\u00fccher.example"]["action"] == "relayed"
    assert (told["j\u00f6rg@b\u00fccher.example"]["action"], told["j\u00f6rg@b\u00fccher.example"]["status"]) == ("failed", "5.6.7")
    assert world.received() == {"ann@xn--bcher-kva.example": 1}


def test_a_black_holed_ipv6_costs_at_most_ten_seconds(start_world, start_agent, spool):
    with isolation.BlackHole() as hole:
        world = start_world({"names": {"d1.example": {"MX": ["10 mx.example"]}, "mx.example": {"A": "127.0.2.1", "AAAA": hole}},
                             "hosts": {"mx.example": {"address": "127.0.2.1"}}})
        start_agent(world, {"smtp.timeouts.connect": "30s"})
        spool.send("mail", ["ann@d1.example"])
        entry = only(spool.final("mail", 10))
        assert (entry["action"], entry["remote_address"]) == ("relayed", "127.0.2.1")


def test_mail_goes_by_ipv6_where_only_that_is_offered(start_world, start_agent, spool):
    world = start_world({"names": {"d1.example": {"MX": ["10 mx.example"]}}, "hosts": {"mx.example": {"address": "::1"}}})
    start_agent(world)
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.final("mail"))
    assert (entry["action"], entry["remote_address"]) == ("relayed", "::1")


def test_a_host_that_allows_one_connection_gets_all_its_mail(start_world, start_agent, spool):
    world = start_world(simple(host={"max_connections": 1, "latency": "5ms"}))
    start_agent(world, {"retry.schedule": ["500ms"]})  # who was refused with 421 comes back
    for i in range(60):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    for i in range(60):
        spool.final(f"mail-{i}")
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(60)}


def test_a_site_never_gets_more_sessions_than_allowed(start_world, start_agent, spool):
    world = start_world(simple(domains=8, hosts=1, host={"latency": "10ms"}))
    start_agent(world, {"smtp.connections_per_site": 4, "smtp.recipients_per_transaction": 5})
    spool.send("mail", [f"r{i}@d{i % 8 + 1}.example" for i in range(800)])
    assert spool.final("mail")["counts"]["relayed"] == 800
    assert 2 <= world.summary()["hosts"]["mx1.example"]["max_open"] <= 4


def test_all_sites_together_never_get_more_sessions_than_allowed(start_world, start_agent, spool):
    world = start_world(simple(domains=30, hosts=30, host={"latency": "30ms"}))
    start_agent(world, {"smtp.connections": 6})
    spool.send("mail", [f"r{i}@d{i % 30 + 1}.example" for i in range(300)])
    assert spool.final("mail")["counts"]["relayed"] == 300
    open_now = most = 0
    for event in world.events("connect", "close"):
        open_now += 1 if event["event"] == "connect" else -1
        most = max(most, open_now)
    assert most <= 6


def test_a_session_is_used_for_as_many_messages_as_allowed(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"smtp.messages_per_connection": 5, "smtp.connections_per_site": 1})
    for i in range(20):
        spool.send(f"mail-{i}", ["ann@d1.example"])
    for i in range(20):
        spool.final(f"mail-{i}")
    assert {event["messages"] for event in world.events("close")} <= {1, 2, 3, 4, 5}
    assert 4 <= world.summary()["hosts"]["mx1.example"]["connections"] <= 8


def test_an_idle_session_is_closed_with_quit(start_world, start_agent, spool):
    world = start_world(simple(log_commands=True))
    start_agent(world, {"smtp.idle": "300ms"})
    spool.send("mail", ["ann@d1.example"])
    spool.final("mail")
    closed = world.wait_for("close")[0]
    assert closed["by"] == "client" or closed["stage"] == "quit"
    lines = [event["line"] for event in world.events("command")]
    assert lines[0] == "EHLO relay.example" and lines[-1] == "QUIT"


def test_a_session_that_the_peer_closed_while_idle_costs_no_delay(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"smtp.idle": "1m"})
    spool.send("first", ["ann@d1.example"])
    spool.final("first")
    world.reload(simple(host={"down": True}))
    world.reload(simple())
    spool.send("second", ["bob@d1.example"])
    entry = only(spool.final("second"))
    assert (entry["action"], entry["attempts"]) == ("relayed", 1)


def test_one_slow_site_does_not_hold_up_the_others(start_world, start_agent, spool):
    script = simple(domains=20, hosts=20) | {"hosts": {"mx1.example": {"address": "127.0.3.1", "latency": "2s"}}}
    world = start_world(script)
    start_agent(world)
    spool.send("big", [f"r{i}@d1.example" for i in range(3000)])
    spool.send("others", [f"ann@d{i}.example" for i in range(2, 21)])
    assert spool.final("others", 3)["counts"]["relayed"] == 19


def test_a_large_message_arrives_whole_in_flat_memory(start_world, start_agent, spool):
    world = start_world(simple(domains=4, hosts=4))
    agent = start_agent(world)
    spool.send("warm-up", ["ann@d1.example"])
    spool.final("warm-up")
    before = agent.memory("VmRSS")
    lines = MESSAGE + [b".%d " % i + b"x" * 60 for i in range(50 * 1024 * 1024 // 70)]
    spool.drop("large", bsmtp("a@b.example", [f"ann@d{i}.example" for i in range(1, 5)], lines))
    status = spool.final("large", 60)
    assert status["counts"]["relayed"] == 4 and status["size"] > 50_000_000
    assert agent.memory("VmHWM") - before < 8 << 20
    expected = hashlib.sha256(wire(lines)).hexdigest()
    assert {message["sha256"] for message in world.messages() if message["size"] > 1000} == {expected}


@pytest.mark.parametrize("count, growth", [(2000, 8 << 20), (100_000, 192 << 20)], ids=["2000", "100000"])
def test_many_recipients_of_one_message_take_little_memory(start_world, start_agent, spool, count, growth):
    world = start_world(simple(domains=40, hosts=10, log_messages=False))
    agent = start_agent(world)
    spool.send("warm-up", [f"r{i}@d{i + 1}.example" for i in range(40)])
    spool.final("warm-up")
    before = agent.memory("VmRSS")
    spool.send("large", [f"reader{i}@d{i % 40 + 1}.example" for i in range(count)])
    assert spool.final("large", 60)["counts"]["relayed"] == count
    assert agent.memory("VmHWM") - before < growth  # the status file, 500 octets a recipient, is rendered in memory
    assert set(world.received().values()) == {1}


def test_the_addresses_to_send_from_take_turns(start_world, start_agent, spool):
    world = start_world(simple(domains=4, hosts=4))
    start_agent(world, {"smtp.source": ["127.0.9.1", "127.0.9.2", "::1"]})
    spool.send("mail", [f"r{i}@d{i}.example" for i in range(1, 5)])
    assert spool.final("mail")["counts"]["relayed"] == 4
    peers = [event["from"].rsplit(":", 1)[0] for event in world.events("connect")]
    assert sorted(peers) == ["127.0.9.1", "127.0.9.1", "127.0.9.2", "127.0.9.2"], "and none of a family that no host has"
