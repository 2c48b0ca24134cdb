"""The addresses to send from: which mail leaves from where, by what name, and how a warm-up holds it back."""
import pytest

from harness import waiting
from harness.world import simple

FIRST, SECOND = "127.0.9.1", "127.0.9.2"


def accepted_from(world):
    """Recipients accepted, by the client's address."""
    peers = {event["id"]: event["from"].rsplit(":", 1)[0] for event in world.events("connect")}
    counts = {}
    for event in world.events("message"):
        if event["accepted"]:
            counts[peers[event["id"]]] = counts.get(peers[event["id"]], 0) + len(event["rcpts"])
    return counts


@pytest.fixture
def configured(home):
    """A configuration file."""
    def write(text):
        path = home + "/bulkmail.toml"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path
    return write


def test_new_addresses_send_what_their_warm_up_lets_go_and_a_restart_changes_nothing(start_world, start_agent, spool, configured):
    world = start_world(simple(domains=6, hosts=6))
    agent = start_agent(world, config=configured(f"""
[smtp]
source = ["{FIRST}", "{SECOND}"]
warmup = ["2/2h"]
[[source]]
address = "{SECOND}"
warmup = ["3/3s", "1000/1s"]
"""))
    spool.send("mail", [f"r{i}@d{i % 6 + 1}.example" for i in range(9)])
    waiting.until(lambda: accepted_from(world).get(SECOND, 0) >= 3, 20)
    assert accepted_from(world)[FIRST] == 1, "the second one may go in an hour"
    agent.stop()
    state = spool.read("state", "warmup").decode()
    assert FIRST in state and SECOND in state and "running" not in state
    agent.start()
    assert spool.final("mail")["counts"]["relayed"] == 9  # the second address is warm by now
    assert accepted_from(world) == {FIRST: 1, SECOND: 8}
    agent.kill()
    spool.send("late", ["late@d1.example"])
    agent.start()
    spool.final("late")
    assert accepted_from(world)[FIRST] == 1


def test_what_no_address_may_send_yet_waits(start_world, start_agent, spool):
    world = start_world(simple(domains=3, hosts=3))
    agent = start_agent(world, {"smtp.source": [FIRST], "smtp.warmup": ["2/2h"], "agent.workers": 2})
    spool.send("mail", [f"r{i}@d{i % 3 + 1}.example" for i in range(9)])
    waiting.until(lambda: sum(accepted_from(world).values()) >= 1, 20)
    before = agent.cpu()
    waiting.stays(lambda: sum(accepted_from(world).values()) <= 2, 2)  # each worker has its part
    assert agent.cpu() - before < 0.5, "nothing is polled"


def test_a_site_is_sent_to_from_its_own_address_by_its_own_name(start_world, start_agent, spool, configured):
    world = start_world(simple(domains=4, hosts=4))
    start_agent(world, config=configured(f"""
[smtp]
source = ["{FIRST}", "{SECOND}"]
[[source]]
address = "{SECOND}"
hostname = "out2.example"
[[site]]
match = ["d2.example"]
source = ["{SECOND}"]
[[site]]
match = ["d3.example"]
source = ["{FIRST}"]
"""))
    for turn in range(3):
        spool.send(f"mail{turn}", [f"r@d{i}.example" for i in range(1, 5)])
        spool.final(f"mail{turn}")
    peers = {event["id"]: event["from"].rsplit(":", 1)[0] for event in world.events("connect")}
    seen = {}
    for event in world.events("message"):
        for recipient in event["rcpts"]:
            seen.setdefault(recipient, set()).add((peers[event["id"]], event["helo"] == "out2.example"))
    assert seen["r@d2.example"] == {(SECOND, True)}
    assert seen["r@d3.example"] == {(FIRST, False)}
    assert set().union(*seen.values()) == {(FIRST, False), (SECOND, True)}
