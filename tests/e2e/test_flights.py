"""What is sent before it was asked for: chunks, and transactions ahead of the replies to those before them."""
import hashlib
import time

import pytest

from harness import waiting
from harness.spool import MESSAGE, bsmtp, only, wire
from harness.world import simple

CHUNKS = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING"]
FAR = {"smtp.connections_per_site": 1}
ODD = [b".", b"..", b".a", b"", b"x" * 5000, bytes(range(128, 256)), b"BDAT 4 LAST", b"MAIL FROM:<>", b"."]


def far(count, spool, start_world, start_agent, host=None, settings=None, relayed=None):
    """Sends so many messages over one session on a path of 100 ms; answers the world, and how long it took."""
    world = start_world(simple(host={"latency": "100ms"} | (host or {}), log_commands=True))
    agent = start_agent(world, FAR | (settings or {}))
    begin = time.monotonic()
    for i in range(count):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    for i in range(count):
        spool.settled(f"mail-{i}", 30)
    return world, agent, time.monotonic() - begin


@pytest.mark.parametrize("extensions", [CHUNKS, ["CHUNKING"], ["PIPELINING"], []],
                         ids=["chunks", "chunks in lock-step", "a dot", "a dot in lock-step"])
def test_the_same_octets_arrive_either_way(start_world, start_agent, spool, extensions):
    world = start_world(simple(host={"extensions": extensions}))
    start_agent(world)
    contents = {"odd": MESSAGE + ODD, "dots": MESSAGE + [b"." * n for n in range(1, 200)], "none": [],
                "middle": MESSAGE + ODD * 20, "large": MESSAGE + [b".%d " % i + b"y" * 70 for i in range(70_000)]}
    for name, lines in contents.items():
        spool.drop(name, bsmtp(f"{name}@b.example", ["ann@d1.example"], lines))
    for name in contents:
        assert only(spool.final(name, 30))["action"] == "relayed"
    arrived = {message["sender"]: (message["sha256"], message["bare"]) for message in world.messages()}
    assert arrived == {f"{name}@b.example": (hashlib.sha256(wire(lines)).hexdigest(), 0) for name, lines in contents.items()}


def test_a_long_path_is_filled_with_chunks(start_world, start_agent, spool):
    world, _, took = far(200, spool, start_world, start_agent, {"extensions": CHUNKS})
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(200)}
    assert took < 5, "in lock-step it takes 20 s"
    assert world.summary()["hosts"]["mx1.example"]["max_open"] == 1


def test_on_a_long_path_the_next_envelope_follows_the_dot(start_world, start_agent, spool):
    world, _, took = far(40, spool, start_world, start_agent, {"extensions": ["PIPELINING"]})
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(40)}
    assert took < 40 * 0.2 / 1.4 + 1, "in lock-step it takes 8 s"


def test_what_one_of_many_is_told_is_about_it_alone(start_world, start_agent, spool):
    world, _, _ = far(60, spool, start_world, start_agent, {"extensions": CHUNKS, "when": [
        {"rcpt": "r20@d1.example", "at": {"rcpt": "550 5.1.1 unknown"}},
        {"rcpt": "r30@d1.example", "at": {"end_of_data": "554 5.6.0 spam"}},
        {"rcpt": "r40@d1.example", "at": {"mail": "250 2.1.0 ok", "end_of_data": "452 4.3.1 full"}}]})
    told = {i: only(spool.status(f"mail-{i}")) for i in range(60)}
    assert {i: entry["status"] for i, entry in told.items() if entry["action"] != "relayed"} == {20: "5.1.1", 30: "5.6.0", 40: "4.3.1"}
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(60) if i != 20}, "content of the others came, too"


def test_a_host_that_ends_sessions_with_421_delays_nobody(start_world, start_agent, spool):
    world, _, _ = far(60, spool, start_world, start_agent, {"extensions": CHUNKS, "max_messages": 10})
    for i in range(60):
        entry = only(spool.status(f"mail-{i}"))
        assert (entry["action"], entry["attempts"]) == ("relayed", 1)
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(60)}


def test_a_connection_lost_in_flight_leaves_in_doubt_what_was_not_answered(start_world, start_agent, spool):
    world, _, _ = far(60, spool, start_world, start_agent, {"extensions": CHUNKS, "when": [
        {"message": 30, "at": {"end_of_data": {"silent": True, "then": "reset"}}}]}, {"retry.schedule": ["300ms"]})
    for i in range(60):
        assert only(spool.final(f"mail-{i}"))["action"] == "relayed"
    counts = world.summary()["recipients"]
    assert all(one["accepted"] == 1 for one in counts.values()), "none that was answered is sent twice"
    assert sum(one["unanswered"] for one in counts.values()) == 1


def test_killed_in_flight_nothing_is_lost(start_world, start_agent, spool):
    world = start_world(simple(host={"latency": "100ms", "extensions": CHUNKS}))
    agent = start_agent(world, FAR)
    for i in range(300):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    waiting.until(lambda: len(world.messages()) > 100, 20)
    agent.kill()
    start_agent(world, FAR)
    for i in range(300):
        assert only(spool.final(f"mail-{i}", 30))["action"] == "relayed"
    counts = [one["accepted"] + one["unanswered"] for one in world.summary()["recipients"].values()]
    assert len(counts) == 300 and min(counts) == 1
    assert sum(count > 1 for count in counts) <= 2 * 64, "no more than was under way, and what was answered just before"


def test_ended_in_flight_waits_for_the_replies(start_world, start_agent, spool):
    world = start_world(simple(host={"latency": "100ms", "extensions": CHUNKS}))
    agent = start_agent(world, FAR)
    for i in range(300):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    waiting.until(lambda: len(world.messages()) > 100, 20)
    agent.stop()
    start_agent(world, FAR)
    for i in range(300):
        assert only(spool.final(f"mail-{i}", 30))["action"] == "relayed"
    assert set(world.received().values()) == {1}
