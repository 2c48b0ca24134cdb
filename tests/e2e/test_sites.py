"""What the domains of one site share: where it is wanted a transaction."""
import pytest

from harness.spool import by_address
from harness.world import simple

DOMAINS = (1, 2, 3)
FIRST = [f"first@d{domain}.example" for domain in DOMAINS]
POST = [f"{user}@d{domain}.example" for domain in DOMAINS for user in ("ann", "bob")]


def domains_of_transactions(world):
    """Of each transaction of a post, in the order in which they came."""
    accepted = [event["rcpts"] for event in world.events("message") if event["accepted"]]
    return [{recipient.rpartition("@")[2] for recipient in recipients}
            for recipients in accepted if not set(recipients) & set(FIRST)]


def send_post(spool):
    """A post to three domains whose routes are known by then, so that nobody's is still to be found."""
    spool.send("first", FIRST)
    spool.final("first")
    spool.send("post", POST)
    return by_address(spool.final("post"))


@pytest.mark.parametrize("mixed", [False, True])
def test_domains_of_one_mx_set_share_a_transaction_only_where_that_is_wanted(mixed, start_world, start_agent, spool):
    world = start_world(simple(domains=3))
    start_agent(world, {"smtp.mixed_domains": mixed})
    assert {entry["action"] for entry in send_post(spool).values()} == {"relayed"}
    assert sorted(map(len, domains_of_transactions(world))) == ([3] if mixed else [1, 1, 1])


@pytest.mark.parametrize("stage, reply", [
    ("rcpt", "550 5.7.1 only one recipient domain per transaction"),
    ("data", "451 4.3.0 multiple destination domains per transaction is unsupported"),
    ("end_of_data", "550 5.5.0 mixed domains in one message"),
])
def test_a_host_that_refuses_mixed_domains_gets_all_mail_apart_and_at_once(stage, reply, start_world, start_agent, spool):
    world = start_world(simple(domains=3, host={"when": [
        {"rcpt": ["ann@d3.example", "bob@d3.example"], "attempt": 1, "at": {stage: reply}}]}))
    agent = start_agent(world, {"smtp.mixed_domains": True, "smtp.connections_per_site": 1})
    status = send_post(spool)
    assert {(entry["action"], entry["attempts"]) for entry in status.values()} == {("relayed", 1)}, status
    assert {recipient: world.accepted(recipient) for recipient in FIRST + POST} == dict.fromkeys(FIRST + POST, 1)
    assert {"d3.example"} in domains_of_transactions(world)
    before = len(domains_of_transactions(world))
    spool.send("next", POST)  # it is remembered
    spool.final("next")
    assert [len(domains) for domains in domains_of_transactions(world)[before:]] == [1, 1, 1]
    assert "one domain a transaction" in agent.log()
