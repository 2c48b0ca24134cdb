"""Disks that fill, turn read-only and come back: nothing is lost and it goes on by itself."""
import os
import resource

import pytest

from harness import isolation, waiting
from harness.spool import MESSAGE, Spool, bsmtp, only
from harness.world import simple


@pytest.fixture
def tiny(home):
    with isolation.TinyDisk(home + "/tiny", "8m") as disk:
        yield disk


def fill(disk, leave=0):
    """Takes all room but `leave` octets; removing the file gives it back."""
    path = disk.path + "/filler"
    with open(path, "wb") as file:
        block = b"\0" * 4096
        try:
            while disk.free() > leave:
                file.write(block)
                file.flush()
        except OSError:
            pass
    return path


def test_a_full_disk_stops_claiming_and_all_goes_on_by_itself_when_there_is_room(tiny, start_world, make_agent):
    spool = Spool(tiny.path + "/spool")
    world = start_world(simple(domains=4, hosts=4))
    agent = make_agent(world, {"spool.rescan": "200ms", "retry.schedule": ["1s"]}, where=spool).start()
    spool.send("before", ["ann@d1.example"])
    spool.final("before")
    for i in range(20):
        spool.write(f"mail-{i}", bsmtp("a@b.example", [f"r{i}@d{i % 4 + 1}.example"], MESSAGE))
    filler = fill(tiny)
    for i in range(20):
        os.rename(spool("tmp", f"mail-{i}"), spool("new", f"mail-{i}"))
    waiting.stays(lambda: agent.running and agent.command("ping").returncode == 0, 2, "alive on a full disk")
    busy = agent.cpu()
    waiting.stays(lambda: agent.running, 1)
    assert agent.cpu() - busy < 0.3, "it does not spin"
    os.unlink(filler)
    for i in range(20):
        assert only(spool.final(f"mail-{i}", 30))["action"] == "relayed"
    assert world.received() == {"ann@d1.example": 1} | {f"r{i}@d{i % 4 + 1}.example": 1 for i in range(20)}
    spool.empty()
    agent.stop()


def test_a_disk_that_fills_in_mid_delivery_loses_and_doubles_nothing(tiny, start_world, make_agent):
    spool = Spool(tiny.path + "/spool")
    world = start_world(simple(host={"at": {"greeting": {"delay": "1s"}}}))
    agent = make_agent(world, {"retry.schedule": ["1s"]}, where=spool).start()
    for i in range(10):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    waiting.until(lambda: len(spool.names("cur")) == 10)
    filler = fill(tiny)
    waiting.stays(lambda: agent.running, 2)
    os.unlink(filler)
    for i in range(10):
        assert only(spool.final(f"mail-{i}", 30))["action"] == "relayed"
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(10)}
    agent.stop()


def test_an_agent_started_on_a_full_disk_waits_or_says_so_and_loses_nothing(tiny, start_world, make_agent):
    spool = Spool(tiny.path + "/spool")
    world = start_world(simple())
    agent = make_agent(world, where=spool)
    assert agent.command("drain").returncode == 0
    spool.send("mail", ["ann@d1.example"])
    filler = fill(tiny)
    agent.start(wait=False)
    waiting.stays(lambda: True, 1)
    if not agent.running:
        assert agent.process.returncode == 75 and agent.log()
    os.unlink(filler)
    if not agent.running:
        agent.start()
    assert only(spool.final("mail", 30))["action"] == "relayed"
    assert world.received() == {"ann@d1.example": 1}
    agent.stop()


def test_a_disk_that_turns_read_only_pauses_deliveries_with_one_alarm_and_loses_nothing(home, start_world, make_agent):
    with isolation.FailingDisk(home + "/failing") as disk:
        spool = Spool(disk.path + "/spool")
        world = start_world(simple(host={"when": [{"until": "2s", "at": {"rcpt": "450 4.2.1 later"}}]}))
        agent = make_agent(world, {"retry.schedule": ["700ms"], "spool.rescan": "200ms"}, where=spool).start()
        for i in range(5):
            spool.send(f"mail-{i}", [f"r{i}@d1.example"])
        for i in range(5):
            spool.settled(f"mail-{i}")
        disk.fail()
        before = len(agent.log())
        waiting.until(lambda: "ead-only" in agent.log()[before:], what=agent.log)
        taken = len(world.messages())
        waiting.stays(lambda: agent.running, 3)
        assert len(world.messages()) == taken, "paused"
        alarms = [line for line in agent.log()[before:].splitlines() if " error " in line]
        assert len(alarms) == 1, alarms
        agent.kill()
        disk.repair()
        agent.start()
        for i in range(5):
            assert only(spool.final(f"mail-{i}", 30))["action"] == "relayed"
        assert all(count <= 2 for count in world.received().values()), "twice only what was in flight"
        agent.stop()


def test_few_descriptors_mean_fewer_sessions_and_no_loss(start_world, make_agent, spool):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    world = start_world(simple(domains=100, hosts=100, host={"latency": "20ms"}))
    agent = make_agent(world, {"spool.rescan": "500ms"}, preexec_fn=few).start()
    spool.send("mail", [f"r{i}@d{i % 100 + 1}.example" for i in range(400)])
    for i in range(30):
        spool.send(f"mail-{i}", [f"s{i}@d{i + 1}.example"])

    def done():
        assert agent.running, agent.log()[-3000:]
        statuses = [spool.status("mail")] + [spool.status(f"mail-{i}") for i in range(30)]
        if all(status and status["final"] for status in statuses):
            return statuses
        if any(status and status["counts"]["delayed"] for status in statuses):
            agent.command("flush")
        return None
    statuses = waiting.until(done, 30, every=0.2)
    assert all(status["counts"]["relayed"] == status["counts"]["total"] for status in statuses)
    assert set(world.received().values()) == {1}
    agent.stop()


def test_a_power_cut_in_the_journal_is_cut_at_the_last_whole_record(start_world, make_agent, spool):
    world = start_world(simple(host={"users": {"late*": "450 4.2.1 later"}}))
    agent = make_agent(world).start()
    for i in range(10):
        spool.send(f"mail-{i}", [f"late{i}@d1.example", f"r{i}@d1.example"])
    for i in range(10):
        spool.settled(f"mail-{i}")
    agent.kill()
    newest = max((name for name in spool.names("journal")), key=lambda name: (os.path.getmtime(spool("journal", name)), name))
    with open(spool("journal", newest), "ab") as file:
        file.write(b"\x17\x00half a rec")
    world.reload(simple())
    agent.start()
    agent.command("flush")
    for i in range(10):
        assert spool.final(f"mail-{i}")["counts"]["relayed"] == 2
    assert set(world.received().values()) == {1}
    agent.stop()
