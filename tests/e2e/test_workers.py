"""Several workers, each in a thread of its own: the same outside, and limits still hold for each Site."""
import os
import signal
import time

import pytest

from harness import waiting
from harness.world import simple


def newsletter(domains, recipients):
    return [f"reader{i}@d{i % domains + 1}.example" for i in range(recipients)]


@pytest.mark.parametrize("workers", [2, 3])
def test_a_newsletter_goes_out_once_and_no_site_gets_more_sessions_than_allowed(start_world, start_agent, spool, workers):
    world = start_world(simple(domains=40, hosts=8, host={"latency": "5ms"}))
    agent = start_agent(world, {"smtp.connections_per_site": 3, "agent.workers": workers,
                                "smtp.recipients_per_transaction": 10})
    assert len(threads(agent)) > workers
    for number in range(3):
        spool.send(f"post{number}", newsletter(40, 2000))
    for number in range(3):
        assert spool.final(f"post{number}", 60)["counts"]["relayed"] == 2000
    assert set(world.received().values()) == {3}
    for name, host in world.summary()["hosts"].items():
        assert host["max_open"] <= 3, f"{name}: its domains are all with one worker"
    agent.stop()
    spool.empty()


def threads(agent):
    return os.listdir(f"/proc/{agent.process.pid}/task")


def test_killed_with_several_workers_nothing_is_lost(start_world, make_agent, spool):
    world = start_world(simple(domains=20, hosts=5, host={"latency": "20ms"}))
    settings = {"agent.workers": 2, "smtp.connections_per_site": 2, "smtp.recipients_per_transaction": 5}
    agent = make_agent(world, settings).start()
    recipients = newsletter(20, 1000)
    spool.send("post", recipients)
    for _ in range(3):
        waiting.until(lambda: world.received(), 10)
        time.sleep(0.3)
        agent.signal(signal.SIGKILL)
        agent.process.wait(10)
        agent.start()
    status = spool.final("post", 60)
    assert status["counts"]["relayed"] == 1000
    received = world.received()
    assert set(received) == set(recipients)


def test_term_with_several_workers_finishes_what_is_in_flight(start_world, start_agent, spool):
    world = start_world(simple(domains=4, hosts=4, host={"latency": "100ms"}))
    agent = start_agent(world, {"agent.workers": 2})
    spool.send("post", newsletter(4, 40))
    world.wait_for("connect")
    agent.stop()
    left = spool.status("post")["counts"]
    assert sum(world.received().values()) == left["relayed"], "what a host took is told"


def test_a_drain_with_several_workers_ends_when_all_is_done(start_world, make_agent, spool):
    world = start_world(simple(domains=20, hosts=5))
    spool.send("post", newsletter(20, 400))
    agent = make_agent(world, {"agent.workers": 2})
    drained = agent.command("drain")
    assert drained.returncode == 0, drained.stderr
    assert spool.final("post", 1)["counts"]["relayed"] == 400
