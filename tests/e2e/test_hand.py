"""The hand on the queue: hold, release, cancel and flush, by command, and what of it outlives the agent."""
import json
import os

import pytest

from harness import waiting
from harness.spool import Spool, by_address, only
from harness.world import simple

LATER = {"users": {"late@*": "450 4.2.0 later"}}
DOMAINS = {"domains": 2, "hosts": 2}  # d1 over mx1, d2 over mx2


def late_world(start_world):
    """late@ is told to come again, until the world is reloaded with simple(**DOMAINS)."""
    return start_world(simple(host=LATER, **DOMAINS))


def ordered(agent, *words, code=0):
    done = agent.command(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert bool(done.stderr) == (code != 0)
    return done.stdout.decode()


def queue(agent):
    return json.loads(ordered(agent, "queue", "--json"))


def restart(agent):
    agent.kill()
    agent.start()


def stays_unsent(agent, world, sent):
    ordered(agent, "flush")
    waiting.stays(lambda: world.received() == sent, 0.5, world.received)


SELECTORS = [("--id", "held"), ("--sender", "ann@news.example"), ("--sender", "news.example"), ("--sender", "*.example"),
             ("--site", "mx1.example"), ("--site", "D1.example"), ("--site", "10 mx1.example"), ("--all",)]


@pytest.mark.parametrize("what", SELECTORS, ids=" ".join)
@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
def test_what_is_held_waits_over_a_crash_until_it_is_released(start_world, start_agent, spool, what, killed):
    world = late_world(start_world)
    agent = start_agent(world)
    spool.send("held", ["late@d1.example"], sender="ann@news.example")
    spool.settled("held")
    assert ordered(agent, "hold", *what) == "held: 1 message, 1 recipient\n"
    world.reload(simple(**DOMAINS))
    if killed:
        restart(agent)
    stays_unsent(agent, world, {})
    told = queue(agent)
    assert told["agent"]["recipients"]["held"] == 1
    name = what[0].strip("-")
    assert told["holds"] == [{name: True if name == "all" else what[1].lower()}]
    assert told["messages"][0]["held"] is (name != "site")
    assert only(spool.status("held"))["action"] == "delayed"
    assert ordered(agent, "release", *what) == "released: 1 hold\n"
    ordered(agent, "flush")
    assert only(spool.final("held"))["action"] == "relayed"
    assert queue(agent)["holds"] == []


@pytest.mark.parametrize("what, other", [(("--sender", "news.example"), "ann@d1.example"), (("--site", "mx1.example"), "ann@d2.example")],
                         ids=["sender", "site"])
def test_a_hold_is_there_before_its_mail_and_holds_nothing_else(start_world, start_agent, spool, what, other):
    world = start_world(simple(**DOMAINS))
    agent = start_agent(world)
    assert ordered(agent, "hold", *what) == "held: 0 messages, 0 recipients\n"
    restart(agent)
    spool.send("held", ["bob@d1.example"], sender="list@news.example")
    spool.send("free", [other], sender="list@other.example")
    assert only(spool.final("free"))["action"] == "relayed"
    stays_unsent(agent, world, {other: 1})
    assert only(spool.when("held", lambda status: True))["action"] == "queued"
    ordered(agent, "release", *what)
    assert only(spool.final("held"))["action"] == "relayed"


def test_release_all_ends_every_hold(start_world, start_agent, spool):
    world = late_world(start_world)
    agent = start_agent(world)
    spool.send("mail", ["late@d1.example"])
    spool.settled("mail")
    for what in (("--id", "mail"), ("--sender", "<>"), ("--site", "mx2.example"), ("--all",)):
        ordered(agent, "hold", *what)
    world.reload(simple(**DOMAINS))
    assert ordered(agent, "release", "--all") == "released: 4 holds\n"
    restart(agent)
    ordered(agent, "flush")
    assert only(spool.final("mail"))["action"] == "relayed"


def test_a_drain_without_an_agent_keeps_to_the_holds(start_world, make_agent, spool):
    world = start_world(simple(**DOMAINS))
    agent = make_agent(world).start()
    ordered(agent, "hold", "--site", "mx1.example")
    agent.stop()
    spool.send("mail", ["ann@d1.example", "bob@d2.example"])
    assert agent.command("drain", "--force").returncode == 0
    assert world.received() == {"bob@d2.example": 1}
    assert agent.command("drain", "--strict").returncode == 75, "some is left"


@pytest.mark.parametrize("what", SELECTORS, ids=" ".join)
@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
def test_what_is_cancelled_fails_for_good_even_if_the_agent_dies_at_once(start_world, start_agent, spool, what, killed):
    world = late_world(start_world)
    agent = start_agent(world)
    spool.send("held", ["late@d1.example", "ann@d2.example"], sender="ann@news.example")
    spool.settled("held")
    assert ordered(agent, "cancel", *what) == "cancelled: 1 message, 1 recipient\n"
    if killed:
        agent.kill()
    world.reload(simple(**DOMAINS))
    if killed:
        agent.start()
        ordered(agent, "flush")
    told = by_address(spool.final("held"))
    late = told["late@d1.example"]
    assert (late["action"], late["status"], late["source"], late["bounce_class"]) == ("failed", "5.7.0", "local", "cancelled")
    assert late["diagnostic_code"] == "x-bulkmail; cancelled by hand"
    assert late["attempts"] == 1 and late["next_attempt_date"] is None
    assert told["ann@d2.example"]["action"] == "relayed"
    assert world.received() == {"ann@d2.example": 1}
    assert any(line["event"] == "failed" and line["bounce_class"] == "cancelled" for line in spool.results())
    spool.send("later", ["late@d1.example"], sender="ann@news.example")
    assert only(spool.final("later"))["action"] == "relayed", "a cancel is about the mail that was there"
    restart(agent)
    assert world.received() == {"ann@d2.example": 1, "late@d1.example": 1}


def test_a_site_is_cancelled_without_the_rest_of_its_messages(start_world, start_agent, spool):
    world = late_world(start_world)
    agent = start_agent(world)
    spool.send("mail", ["late@d1.example", "late@d2.example"])
    spool.settled("mail")
    ordered(agent, "cancel", "--site", "mx1.example")
    status = spool.when("mail", lambda status: status["counts"]["failed"] == 1)
    assert by_address(status)["late@d2.example"]["action"] == "delayed"
    world.reload(simple(**DOMAINS))
    ordered(agent, "flush")
    spool.final("mail")
    assert world.received() == {"late@d2.example": 1}


def test_what_is_held_can_be_cancelled(start_world, start_agent, spool):
    agent = start_agent(start_world(simple(**DOMAINS)))
    ordered(agent, "hold", "--all")
    spool.send("mail", ["ann@d1.example"])
    waiting.until(lambda: queue(agent)["messages"])
    ordered(agent, "cancel", "--id", "mail")
    assert only(spool.final("mail"))["bounce_class"] == "cancelled"


@pytest.mark.parametrize("what", [("--sender", "news.example"), ("--site", "mx1.example"), ("--site", "d1.example"), ("d1.example",)],
                         ids=" ".join)
def test_a_flush_of_a_part_leaves_the_rest(start_world, start_agent, spool, what):
    world = late_world(start_world)
    agent = start_agent(world)
    spool.send("meant", ["late@d1.example"], sender="ann@news.example")
    spool.send("other", ["late@d2.example"], sender="ann@other.example")
    spool.settled("meant")
    spool.settled("other")
    world.reload(simple(**DOMAINS))
    assert ordered(agent, "flush", *what) == ""
    assert only(spool.final("meant"))["action"] == "relayed"
    waiting.stays(lambda: only(spool.status("other"))["action"] == "delayed", 0.3)
    assert json.loads(ordered(agent, "flush", "--json")) == {"messages": 1, "recipients": 1}
    assert only(spool.final("other"))["action"] == "relayed"


def test_an_order_for_what_is_not_there_is_1(start_world, start_agent, spool):
    agent = start_agent(start_world(simple()))
    for command in ("hold", "release", "cancel", "flush"):
        ordered(agent, command, "--id", "nobody", code=1)
    for command in ("cancel", "flush"):
        ordered(agent, command, "--sender", "nobody.example", code=1)
        ordered(agent, command, "--site", "nobody.example", code=1)
    for what in (("--sender", "nobody.example"), ("--site", "nobody.example"), ("--all",)):
        ordered(agent, "release", *what, code=1)
    ordered(agent, "hold", "--sender", "no sender", code=1)
    ordered(agent, "cancel", "--all")
    ordered(agent, "flush", "nobody.example")


@pytest.mark.parametrize("file", [b"", b"{", b'{"version":1,"held":{"all":tr', b"\0" * 4096], ids=["empty", "torn", "cut", "zeros"])
def test_an_agent_that_cannot_read_its_holds_sends_nothing_and_says_what_to_do(start_world, make_agent, spool, file):
    world = start_world(simple())
    agent = make_agent(world)
    with open(spool("state", "holds"), "wb") as holds:
        holds.write(file)
    spool.send("mail", ["ann@d1.example"])
    agent.start(wait=False)
    assert agent.process.wait(10) == 75
    assert "state/holds" in agent.log() and "remove it" in agent.log()
    assert agent.command("drain").returncode == 75
    assert not world.received()
    os.unlink(spool("state", "holds"))
    agent.start()
    assert only(spool.final("mail"))["action"] == "relayed"
    agent.stop()
