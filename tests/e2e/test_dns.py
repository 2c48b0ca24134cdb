"""What the DNS may do to us: doubt delays and is asked again, only a definite answer is a bounce."""
import subprocess
import time

import pytest

from harness import waiting
from harness.spool import only
from harness.table import Row, Table
from harness.world import simple

GOOD = "127.1.0.1"
MX = {"MX": ["10 mx.example"]}          # a good host that all rows may share
DOUBT = ("delayed", r"4\.4\.3", "dns")
GONE = ("failed", r"5\.4\.4", "dns")


def asked_by_tcp(view):
    assert view.questions("~", "MX")["tcp"] >= 1


def asked_bounded(view):
    asked = sum(sum(kinds.values()) for name, types in view.summary["dns"].items() if name.endswith(view.domain)
                for kinds in types.values())
    assert asked <= 250, "the number of hosts looked up is capped"


ROWS = {
    "SERVFAIL delays": Row(DOUBT, names={"~": {"answer": "servfail"}}),
    "REFUSED delays": Row(DOUBT, names={"~": {"answer": "refused"}}),
    "FORMERR delays": Row(DOUBT, names={"~": {"answer": "formerr"}}),
    "NOTIMP delays": Row(DOUBT, names={"~": {"answer": "notimp"}}),
    "silence delays": Row(DOUBT, names={"~": {"answer": "silent"}}),
    "garbage delays": Row(DOUBT, names={"~": {"answer": "garbage"}}),
    "an answer later than every try delays": Row(DOUBT, names={"~": MX | {"slow": "5s"}}),
    "NXDOMAIN fails": Row(("failed", r"5\.1\.2", "dns"), names={"~": {"answer": "nxdomain"}}),
    "without MX the domain's own address is used": Row("relayed", names={"~": {"A": GOOD}}),
    "neither MX nor address fails": Row(("failed", r"5\.(1\.2|4\.4)", "dns"), names={"~": {"TXT": "no mail here"}}),
    "no MX and the address in doubt delays": Row(DOUBT, names={"~": {"A": GOOD, "when": [
        {"type": ["A", "AAAA"], "answer": "servfail"}]}}),
    "the MX in doubt never falls back to the address": Row(DOUBT, names={"~": {"A": GOOD, "when": [
        {"type": "MX", "answer": "servfail"}]}}),
    "a null MX fails": Row(("failed", r"5\.1\.10", "dns"), names={"~": {"MX": ["0 ."], "A": GOOD}}),
    "mail hosts that do not exist fail": Row(GONE, names={"~": {"MX": ["10 gone1.~", "20 gone2.~"]}}),
    "a mail host without addresses fails": Row(GONE, names={"~": {"MX": ["10 bare.~"]}, "bare.~": {"TXT": "x"}}),
    "one mail host in doubt and the rest gone delays": Row(DOUBT, names={
        "~": {"MX": ["10 gone.~", "20 doubt.~"]}, "doubt.~": {"answer": "servfail"}}),
    "one mail host in doubt and a good one relays": Row("relayed", names={
        "~": {"MX": ["10 doubt.~", "20 mx.example"]}, "doubt.~": {"answer": "servfail"}}),
    "one mail host gone and a good one relays": Row("relayed", names={"~": {"MX": ["10 gone.~", "20 mx.example"]}}),
    "a truncated answer is asked again by TCP": Row("relayed", names={"~": MX | {"answer": "truncated"}}, check=asked_by_tcp),
    "an answer too large for UDP comes by TCP": Row("relayed", names={"~": {"MX": ["1 mx.example"] + [
        f"{i} a-rather-long-name-for-a-mail-host-{i}.~" for i in range(10, 90)]}}, check=asked_by_tcp),
    "truncated and no TCP delays": Row(DOUBT, names={"~": MX | {"answer": "truncated", "when": [
        {"transport": "tcp", "answer": "close"}]}}),
    "a lame server is passed over for the next": Row("relayed", names={"~": MX | {"when": [
        {"server": "ns", "answer": "lame"}]}}),
    "lame servers alone delay": Row(DOUBT, names={"~": {"answer": "lame"}}),
    "SERVFAIL of one server is passed over for the next": Row("relayed", names={"~": MX | {"when": [
        {"server": "ns2", "answer": "servfail"}]}}),
    "silence of one server is passed over for the next": Row("relayed", names={"~": MX | {"when": [
        {"server": "ns", "answer": "silent"}]}}),
    "a CNAME loop delays": Row(("delayed", r"4\.\d\.\d", "dns"), names={"~": {"answer": "loop"}}),
    "a loop of two CNAMEs delays": Row(("delayed", r"4\.\d\.\d", "dns"), names={
        "~": {"CNAME": "other.~"}, "other.~": {"CNAME": "~"}}),
    "a CNAME to a domain with MX is followed": Row("relayed", names={"~": {"CNAME": "real.~"}, "real.~": MX}),
    "an MX that is a CNAME is followed": Row("relayed", names={"~": {"MX": ["10 alias.~"]}, "alias.~": {"CNAME": "mx.example"}}),
    "an MX that is an address literal is unusable": Row(("failed", r"5\.4\.4", "dns"), names={"~": {"MX": ["10 127.1.0.1"]}}),
    "an MX that is an address literal is passed over": Row("relayed", names={"~": {"MX": ["10 127.1.0.1", "20 mx.example"]}}),
    "this host as only MX fails": Row(("failed", r"5\.4\.6"), names={"~": {"MX": ["10 relay.example"]}}),
    "this host as best MX fails": Row(("failed", r"5\.4\.6"), names={"~": {"MX": ["10 RELAY.example", "20 mx.example"]}}),
    "better hosts than this one are used": Row("relayed", names={"~": {"MX": ["10 mx.example", "20 relay.example"]}}),
    "this host known by its address fails": Row(("failed", r"5\.4\.6"), names={
        "~": {"MX": ["10 self.~", "20 mx.example"]}, "self.~": {"A": "198.18.7.7"}}),
    "a thousand MX are capped": Row(("delayed", r"4\.4\.\d"), names={"~": {"many_mx": 1000}}, check=asked_bounded),
    "a wrong id is never taken": Row(DOUBT, names={"~": MX | {"answer": "wrong_id"}}),
    "a wrong question is never taken": Row(DOUBT, names={"~": MX | {"answer": "wrong_question"}}),
    "a wrong port is never taken": Row(("delayed|relayed", ".*"), names={"~": MX | {"answer": "wrong_source"}}),
    "bad packets before the answer are ignored": Row("relayed", names={"~": MX | {
        "before": ["wrong_id", "wrong_question", "wrong_source", "garbage"], "slow": "100ms"}}),
    "an answer in another case is not taken": Row(("delayed|relayed", ".*"), names={"~": MX | {"answer": "wrong_case"}}),
    "a double answer is one answer": Row("relayed", names={"~": MX | {"copies": 3}}),
    "an answer late for the first try but not the second": Row("relayed", names={"~": MX | {"when": [
        {"query": 1, "slow": "600ms"}]}}),
    "a pointer to itself is survived": Row(DOUBT, names={"~": {"answer": {"hex": "c00cc01e000f0001000000ff0004000ac01e", "counts": [1, 1, 0, 0]}}}),
    "a chain of pointers is survived": Row(DOUBT, names={"~": {"answer": {
        "hex": "c0" + "".join(f"{0x20 + 2 * i:02x}c0" for i in range(40)) + "20000f0001000000ff0004000ac020", "counts": [1, 1, 0, 0]}}}),
    "false counts are survived": Row(DOUBT, names={"~": {"answer": {"hex": "", "counts": [1, 65535, 65535, 65535]}}}),
    "short record data is survived": Row(DOUBT, names={"~": {"answer": {"hex": "c00c000f0001000000ff0001aa", "counts": [1, 1, 0, 0]}}}),
    "record data past the end is survived": Row(DOUBT, names={"~": {"answer": {"hex": "c00c000f0001000000ffffff000a", "counts": [1, 1, 0, 0]}}}),
    "TTL 0 is used once": Row("relayed", names={"~": MX | {"ttl": 0}}),
    "a huge TTL is used": Row("relayed", names={"~": MX | {"ttl": 2147483647}}),
    "a domain with a 63 letter label": Row({"ann@" + "x" * 63 + ".~": "relayed"}, names={"x" * 63 + ".~": MX}),
    "a label of 64 letters fails": Row({"ann@" + "x" * 64 + ".~": ("failed", r"5\.1\.[23]")}),
    "an empty label fails": Row({"ann@a..~": ("failed", r"5\.1\.[23]")}),
    "a domain in another case is the same": Row({"ann@SUB.~": "relayed"}, names={"sub.~": MX}),
}


@pytest.fixture(scope="module")
def table():
    subprocess.run("ip addr add 198.18.7.7/32 dev lo".split(), check=True)  # an address of this host
    ns = {"ns": {"address": "127.0.0.1"}, "ns2": {"address": "127.0.0.2"}}
    table = Table(ROWS.values(), {"resolver.attempts": 3, "smtp.timeouts.connect": "1s"},
                  {"name_servers": ns, "hosts": {"mx.example": {"address": GOOD}, "relay.example": {"address": "127.1.0.2"}}})
    yield table
    table.close()
    subprocess.run("ip addr del 198.18.7.7/32 dev lo".split(), check=True)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_dns(table, row):
    table.judge(row)


PRIVATE = {
    "loopback": "127.0.2.1", "this network": "0.0.0.0", "ten": "10.1.2.3", "172.16": "172.16.1.1", "192.168": "192.168.1.1",
    "link local": "169.254.1.1", "shared": "100.64.1.1", "v6 loopback": "::1", "v4 mapped": "::ffff:127.0.0.1",
    "unique local": "fd00::1", "v6 link local": "fe80::1", "unspecified": "::",
}


def test_private_targets_are_refused_unless_allowed(start_world, start_agent, spool):
    names, recipients = {}, []
    for number, address in enumerate(PRIVATE.values()):
        kind = "AAAA" if ":" in address else "A"
        names |= {f"by-mx{number}.example": {"MX": [f"10 host{number}.example"]}, f"host{number}.example": {kind: address},
                  f"implicit{number}.example": {kind: address}}
        recipients += [f"ann@by-mx{number}.example", f"ann@implicit{number}.example",
                       f"ann@[{'IPv6:' if kind == 'AAAA' else ''}{address}]"]
    world = start_world({"names": names, "hosts": {"mx.example": {"address": "127.0.2.1"}}})
    start_agent(world, {"smtp.private_targets": "refuse"})
    spool.send("inwards", recipients)
    status = spool.final("inwards")
    wrong = [entry for entry in status["recipients"]
             if (entry["action"], entry["status"], entry["source"]) != ("failed", "5.4.4", "policy")]
    assert not wrong
    assert not world.events("connect")


def test_a_private_host_is_passed_over_for_a_public_one(start_world, start_agent, spool):
    world = start_world({"names": {"d1.example": {"MX": ["10 private.example", "20 public.example"]},
                                   "private.example": {"A": "127.0.2.1"}, "public.example": {"A": "198.51.0.9"}},
                         "hosts": {"private.example": {"address": "127.0.2.1"}}})
    start_agent(world, {"smtp.private_targets": "refuse"})
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.settled("mail"))
    assert (entry["action"], entry["source"], entry["remote_address"]) == ("delayed", "network", "198.51.0.9")
    assert not world.events("connect")


def test_hosts_of_equal_preference_share_the_sessions(start_world, start_agent, spool):
    world = start_world({"names": {"d1.example": {"MX": ["10 a.example", "10 b.example"]}},
                         "hosts": {"a.example": {"address": "127.0.2.1"}, "b.example": {"address": "127.0.2.2"}}})
    start_agent(world, {"smtp.messages_per_connection": 1})
    for i in range(40):
        spool.send(f"mail-{i}", ["ann@d1.example"])
    for i in range(40):
        spool.final(f"mail-{i}")
    hosts = world.summary()["hosts"]
    assert hosts["a.example"]["messages"] + hosts["b.example"]["messages"] == 40
    assert min(host["messages"] for host in hosts.values()) >= 3


def test_an_answer_is_cached_as_long_as_it_may_be_and_no_longer(start_world, start_agent, spool):
    world = start_world({"names": {"long.example": {"MX": ["10 mx.example"]}, "short.example": {"MX": ["10 mx.example"], "ttl": 1},
                                   "never.example": {"MX": ["10 mx.example"], "ttl": 0}, "gone.example": {"answer": "nxdomain"}},
                         "hosts": {"mx.example": {"address": "127.0.2.1"}}})
    start_agent(world)
    domains = ["long", "short", "never", "gone"]
    for turn in range(2):
        for domain in domains:
            spool.send(f"{domain}-{turn}", [f"ann@{domain}.example"])
        for domain in domains:
            spool.final(f"{domain}-{turn}")
        if turn == 0:
            waiting.stays(lambda: True, 1.1, "the second that a TTL of 1 lasts")
    asked = {domain: world.summary()["dns"][f"{domain}.example"]["MX"]["udp"] for domain in domains}
    assert asked == {"long": 1, "short": 2, "never": 2, "gone": 1}


def test_one_question_is_in_flight_however_many_ask(start_world, start_agent, spool):
    world = start_world(simple(name={"slow": "300ms"}))
    start_agent(world, {"resolver.timeout": "2s"})
    for i in range(50):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    for i in range(50):
        spool.final(f"mail-{i}")
    assert world.summary()["dns"]["d1.example"]["MX"] == {"udp": 1, "tcp": 0}


def test_with_all_name_servers_dead_nothing_bounces_and_mail_goes_on_when_they_return(start_world, start_agent, spool):
    dead = simple(domains=3, name_servers={"ns": {"address": "127.0.0.1", "port": 53, "down": True}})
    world = start_world(dead)
    agent = start_agent(world, {"retry.schedule": ["1s"]})
    for i in range(1, 4):
        spool.send(f"mail-{i}", [f"ann@d{i}.example"])
    for i in range(1, 4):
        entry = only(spool.settled(f"mail-{i}"))
        assert (entry["action"], entry["source"], entry["status"]) == ("delayed", "dns", "4.4.3")
    world.process.terminate()
    world.process.wait()
    world = start_world(simple(domains=3, name_servers={"ns": {"address": "127.0.0.1", "port": 53}}))
    for i in range(1, 4):
        assert only(spool.final(f"mail-{i}"))["action"] == "relayed"
    assert agent.running


def test_servfail_is_forgotten_after_five_seconds_at_most(start_world, start_agent, spool):
    world = start_world(simple(name={"when": [{"until": "2s", "answer": "servfail"}]}))
    start_agent(world, {"retry.schedule": ["500ms"]})
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.settled("mail"))["action"] == "delayed"
    assert only(spool.final("mail", 9))["action"] == "relayed"


def test_u_label_domains_are_looked_up_and_sent_as_a_labels(start_world, start_agent, spool):
    world = start_world({"names": {"xn--bcher-kva.example": {"MX": ["10 mx.example"]}},
                         "hosts": {"mx.example": {"address": "127.0.2.1"}, "ascii.example": {
                             "address": "127.0.2.2", "extensions": ["PIPELINING"]}}})
    start_agent(world)
    spool.send("mail", ["ann@b\u00fccher.example"], mail="SMTPUTF8")
    entry = only(spool.final("mail"))
    assert entry["action"] == "relayed" and entry["final_recipient"] == "utf-8; ann@b\u00fccher.example"
    assert world.summary()["dns"]["xn--bcher-kva.example"]["MX"]["udp"] == 1


def test_two_hundred_silent_domains_hold_up_none_of_two_hundred_healthy(start_world, make_agent, spool):
    names = {f"dead{i}.example": {"answer": "silent"} for i in range(200)}
    world = start_world({"generate": [{"domains": "d%d.example", "count": 200, "hosts": "mx%d.example", "host_count": 20,
                                       "address": "127.0.2.%d"}], "names": names})
    agent = make_agent(world, {"resolver.timeout": "2s", "resolver.attempts": 4}).start()
    healthy = [f"ann@d{i}.example" for i in range(1, 201)]

    def duration(name, recipients):
        before = len(world.messages())
        spool.send(name, recipients)
        began = time.monotonic()
        waiting.until(lambda: sum(len(message["rcpts"]) for message in world.messages()[before:]) >= 200, 60, name, every=0.02)
        return time.monotonic() - began
    alone = duration("alone", healthy)
    agent.stop()
    agent.start()  # an empty cache again
    mixed = [recipient for pair in zip((f"ann@dead{i}.example" for i in range(200)), healthy) for recipient in pair]
    assert duration("mixed", mixed) <= 1.1 * alone + 1
    counts = spool.settled("mixed", 30)["counts"]
    assert (counts["relayed"], counts["delayed"], counts["failed"]) == (200, 200, 0)
    agent.stop()
