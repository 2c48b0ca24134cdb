"""Fixtures of the end-to-end tests. Each test process lives in a world of its own (harness/isolation.py)."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import isolation  # noqa: E402
from harness.agent import DEFAULTS, Agent, bulkmail, options  # noqa: E402
from harness.postfix import Postfix  # noqa: E402
from harness.routes import routes  # noqa: E402
from harness.signed_zone import SignedZone  # noqa: E402
from harness.spool import Spool  # noqa: E402
from harness.unbound import Unbound  # noqa: E402
from harness.world import World  # noqa: E402


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def isolated():
    isolation.enter()


@pytest.fixture
def home():
    """A folder on a real file system."""
    path = tempfile.mkdtemp(dir="/var/tmp", prefix="bulkmail-e2e-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def configure(home):
    """A configuration file of these routes."""
    def write(*entries):
        with open(home + "/bulkmail.toml", "w", encoding="utf-8") as file:
            file.write(routes(*entries))
        return home + "/bulkmail.toml"
    return write


@pytest.fixture
def spool(home):
    """A spool as `bulkmail` makes it, with no agent yet."""
    spool = Spool(home + "/spool")
    made = bulkmail("drain", "--spool", spool.path, *options(DEFAULTS))
    assert made.returncode == 0, made.stderr.decode()
    return spool


@pytest.fixture
def start_world(home):
    worlds = []

    def start(script):
        world = World(f"{home}/world-{len(worlds)}", script)
        worlds.append(world)
        return world
    yield start
    for world in worlds:
        world.stop()


@pytest.fixture
def make_agent(home, spool):
    """An agent that isn't started yet; killed at the end if the test didn't stop it."""
    agents = []

    def make(world=None, settings=None, where=None, **how):
        settings = (world.settings() if world else {}) | (settings or {})
        agent = Agent(where or spool, f"{home}/agent-{len(agents)}.log", settings, **how)
        agents.append(agent)
        return agent
    yield make
    for agent in agents:
        agent.kill()
        print(f"--- log of the agent on {agent.spool.path}\n{agent.log()[-6000:]}")


@pytest.fixture
def start_agent(make_agent):
    """A running agent. A test that ends with it running stops it by TERM, which must end in exit 0."""
    agents = []

    def start(*arguments, **how):
        agent = make_agent(*arguments, **how).start()
        agents.append(agent)
        return agent
    yield start
    for agent in agents:
        if agent.running:
            agent.stop()


@pytest.fixture
def start_postfix(home):
    instances = []

    def start(addresses, refuse=(), certificate=None):
        instances.append(Postfix(f"{home}/postfix-{len(instances)}", addresses, refuse, certificate))
        return instances[-1]
    yield start
    for postfix in instances:
        postfix.stop()


@pytest.fixture
def start_unbound(home):
    instances = []

    def start(world, **how):
        instances.append(Unbound(f"{home}/unbound-{len(instances)}", world.ready["resolver_servers"][0], **how))
        return instances[-1]
    yield start
    for unbound in instances:
        unbound.stop()


@pytest.fixture
def make_signed_zone(home):
    """A signed zone that isn't served yet: fill and publish() it."""
    zones = []

    def make(*arguments, **how):
        zones.append(SignedZone(f"{home}/zone-{len(zones)}", *arguments, **how))
        return zones[-1]
    yield make
    for zone in zones:
        zone.stop()
