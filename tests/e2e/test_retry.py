"""Time: retries, expiry, and what a restart keeps."""
import datetime
import time

import pytest

from harness import waiting
from harness.spool import by_address, only
from harness.world import simple

LATER = {"users": {"late@d1.example": "450 4.2.1 come again"}}


def instant(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def test_a_greylisted_recipient_gets_it_at_a_later_attempt(start_world, start_agent, spool):
    world = start_world(simple(host={"greylist": "1s"}))
    start_agent(world, {"retry.schedule": ["600ms"]})
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.final("mail"))
    assert entry["action"] == "relayed" and entry["attempts"] in (2, 3)
    assert world.received() == {"ann@d1.example": 1}


def test_only_the_delayed_recipients_are_tried_again(start_world, start_agent, spool):
    world = start_world(simple(host={"when": [{"rcpt": "late@d1.example", "attempt": "1-2", "at": {"rcpt": "450 4.2.1 later"}}]}))
    start_agent(world, {"retry.schedule": ["200ms"]})
    spool.send("mail", ["ann@d1.example", "late@d1.example", "bob@d1.example"])
    told = by_address(spool.final("mail"))
    assert {address: entry["attempts"] for address, entry in told.items()} \
        == {"ann@d1.example": 1, "late@d1.example": 3, "bob@d1.example": 1}
    assert world.received() == {address: 1 for address in told}


def test_delays_follow_the_schedule_lengthened_by_up_to_a_quarter(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"late*": "450 4.2.1 later"}}))
    start_agent(world, {"retry.schedule": ["10m"]})
    for i in range(20):
        spool.send(f"mail-{i}", [f"late{i}@d1.example"])
    delays = []
    for i in range(20):
        entry = only(spool.settled(f"mail-{i}"))
        delays.append(instant(entry["next_attempt_date"]) - instant(entry["last_attempt_date"]))
    assert all(599 <= delay <= 752 for delay in delays), delays
    assert max(delays) - min(delays) > 20, "at random"


def test_the_last_step_of_the_schedule_repeats(start_world, start_agent, spool):
    world = start_world(simple(host=LATER))
    start_agent(world, {"retry.schedule": ["200ms", "400ms"]})
    spool.send("mail", ["late@d1.example"])
    world.wait_for("rcpt", 5, rcpt="late@d1.example")
    times = [event["t"] for event in world.events("rcpt")]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])][:4]
    assert 0.2 <= gaps[0] < 0.4 and all(0.4 <= gap < 0.8 for gap in gaps[1:]), gaps


def test_after_its_time_a_recipient_fails_as_expired_and_keeps_the_last_reply(start_world, start_agent, spool):
    world = start_world(simple(host=LATER))
    start_agent(world, {"retry.schedule": ["300ms"], "retry.expire": "2s"})
    spool.send("mail", ["late@d1.example", "ann@d1.example"])
    status = spool.final("mail")
    late = by_address(status)["late@d1.example"]
    assert (late["action"], late["status"], late["source"]) == ("failed", "4.4.7", "expired")
    assert "450 4.2.1 come again" in late["diagnostic_code"]
    assert late["attempts"] >= 2 and late["next_attempt_date"] is None
    assert instant(status["expires"]) - instant(status["arrival_date"]) == pytest.approx(2, abs=0.01)
    assert world.received() == {"ann@d1.example": 1}


def test_a_host_that_is_down_until_expiry_fails_then(start_world, start_agent, spool):
    start_agent(start_world(simple(host={"down": True})), {"retry.schedule": ["300ms"], "retry.expire": "1500ms"})
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.final("mail"))
    assert (entry["action"], entry["status"], entry["source"]) == ("failed", "4.4.7", "expired")


def test_a_restart_keeps_what_is_due_when(start_world, make_agent, spool):
    world = start_world(simple(host=LATER, log_commands=True))
    agent = make_agent(world, {"retry.schedule": ["4s"]}).start()
    spool.send("mail", ["late@d1.example"])
    due = instant(only(spool.settled("mail"))["next_attempt_date"])
    agent.stop()
    world.reload(simple(log_commands=True))
    agent.start()
    assert only(spool.final("mail"))["action"] == "relayed"
    assert due - 0.1 <= time.time() <= due + 3
    assert sum(event["line"].startswith("RCPT") for event in world.events("command")) == 2, "not before it was due"
    agent.stop()


def test_a_restart_after_the_time_is_over_tries_once_before_it_fails(start_world, make_agent, spool):
    world = start_world(simple(host=LATER))
    agent = make_agent(world, {"retry.schedule": ["1h"], "retry.expire": "1500ms"}).start()
    spool.send("mail", ["late@d1.example"])
    expires = instant(spool.settled("mail")["expires"])
    agent.kill()
    waiting.until(lambda: time.time() > expires)
    world.reload(simple())
    agent.start()
    assert agent.command("flush").returncode == 0
    assert only(spool.final("mail"))["action"] == "relayed"
    agent.stop()


def test_restored_delays_are_at_most_the_longest_of_the_schedule(start_world, make_agent, spool):
    world = start_world(simple(host=LATER))
    agent = make_agent(world, {"retry.schedule": ["10h"]}).start()
    spool.send("mail", ["late@d1.example"])
    spool.settled("mail")
    agent.stop()
    world.reload(simple())
    agent.settings["retry.schedule"] = ["1s"]
    agent.start()
    assert only(spool.final("mail"))["action"] == "relayed"
    agent.stop()


def lossy(message=1):
    return {"when": [{"message": message, "at": {"end_of_data": {"silent": True, "then": "close"}}}]}


def test_an_indeterminate_message_is_tried_again(start_world, start_agent, spool):
    world = start_world(simple(host=lossy()))
    start_agent(world, {"retry.schedule": ["2s"]})
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.settled("mail"))
    assert (entry["action"], entry["status"], entry["indeterminate"]) == ("delayed", "4.4.2", True)
    entry = only(spool.final("mail"))
    assert (entry["action"], entry["indeterminate"]) == ("relayed", False)
    assert world.received() == {"ann@d1.example": 2}


def test_an_indeterminate_message_is_given_up_if_so_configured(start_world, start_agent, spool):
    world = start_world(simple(host=lossy()))
    start_agent(world, {"retry.schedule": ["200ms"], "retry.indeterminate": "stop"})
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.final("mail"))
    assert (entry["action"], entry["status"], entry["indeterminate"]) == ("failed", "4.4.2", True)
    assert world.received() == {"ann@d1.example": 1}


@pytest.mark.slow
def test_final_status_files_go_after_their_time(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"status.keep": "1s", "spool.rescan": "200ms"})
    spool.send("mail", ["ann@d1.example"])
    spool.final("mail")
    waiting.until(lambda: spool.status("mail") is None, 90, "gone after status.keep")
