"""MTA-STS (RFC 8461): what a domain asks for over HTTPS is what its mail hosts have to prove, and nobody else's."""
import pytest

from harness import waiting
from harness.certificates import Authority
from harness.policy_server import PolicyServer
from harness.spool import only

POLICY_ADDRESS = "127.0.9.1"


def policy(mode="enforce", mx=("mx1.example",), max_age=86400):
    return "version: STSv1\r\n" + f"mode: {mode}\r\n" + "".join(f"mx: {host}\r\n" for host in mx) + f"max_age: {max_age}\r\n"


def names(record="v=STSv1; id=1", hosts=("mx1.example",)):
    return {"d1.example": {"MX": [f"{10 * i} {host}" for i, host in enumerate(hosts, 1)]},
            "_mta-sts.d1.example": {"TXT": record, "ttl": 1}, "mta-sts.d1.example": {"A": POLICY_ADDRESS}}


class Place:
    """A world whose d1.example has a policy, and what the agent trusts."""

    def __init__(self, start_world, home, hosts, **more):
        self.authority = Authority(home + "/authority")
        self.certificate = self.authority.valid("mta-sts.d1.example")
        self.hosts = {name: {"address": f"127.0.2.{i}"} | host for i, (name, host) in enumerate(hosts.items(), 1)}
        self.more = more
        self.start(start_world)
        self.ca = home + "/trusted.pem"
        with open(self.ca, "wb") as trusted:
            for part in (self.authority.ca, self.world.home + "/certificates/ca.pem"):
                with open(part, "rb") as file:
                    trusted.write(file.read())

    def script(self, **change):
        given = {"names": names(hosts=self.hosts)} | self.more | change
        return {"certificates": "certificates", "log_commands": True, "hosts": self.hosts, **given}

    def start(self, start_world):
        self.world = start_world(self.script())

    def settings(self):
        return {"smtp.ca_file": self.ca, "smtp.mta_sts": True}


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **how):
        servers.append(PolicyServer(POLICY_ADDRESS, *arguments, **how))
        return servers[-1]
    yield start
    for server in servers:
        server.stop()


def nothing_was_said_in_clear(world):
    return {event["line"].split()[0] for event in world.events("command") if not event["tls"]} <= {"EHLO", "HELO", "STARTTLS", "QUIT"}


def test_a_host_that_the_policy_names_and_whose_certificate_holds_gets_the_mail(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "valid"}})
    server = serve(place.certificate, policy())
    start_agent(place.world, place.settings())
    for i in range(3):
        spool.send(f"mail-{i}", ["ann@d1.example"])
        tls = only(spool.final(f"mail-{i}"))["tls"]
        assert (tls["policy"], tls["verified"]) == ("mta-sts", True)
    assert server.asked == [("mta-sts.d1.example", "/.well-known/mta-sts.txt")]


def test_a_host_that_the_policy_does_not_name_gets_nothing(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "valid"}})
    serve(place.certificate, policy(mx=["*.d1.example", "other.example"]))
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.settled("mail"))
    assert (entry["action"], entry["status"], entry["source"]) == ("delayed", "4.7.5", "policy")
    assert "MTA-STS" in entry["diagnostic_code"]
    assert not place.world.events("command")


def test_only_those_hosts_are_tried_that_the_policy_names(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "valid"}, "mx2.example": {"tls": "valid"}})
    serve(place.certificate, policy(mx=["mx2.example"]))
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["remote_mta"] == "dns; mx2.example"
    assert "mx1.example" not in {event["host"] for event in place.world.events("command")}


@pytest.mark.parametrize("host, status", [
    ({"tls": "self-signed"}, "4.7.5"), ({"tls": "expired"}, "4.7.5"), ({"tls": {"names": ["other.example"]}}, "4.7.5"),
    ({"tls": {"offered": False}}, "4.7.4"), ({"tls": "valid", "at": {"starttls": "454 4.7.0 not now"}}, "4.7.4")],
    ids=["self-signed", "expired", "another name", "no STARTTLS", "STARTTLS refused"])
def test_where_the_policy_is_enforced_nothing_goes_to_a_host_that_proves_nothing(start_world, start_agent, home, spool, serve, host, status):
    place = Place(start_world, home, {"mx1.example": host})
    serve(place.certificate, policy())
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    entry = only(spool.settled("mail"))
    assert (entry["action"], entry["status"], entry["source"]) == ("delayed", status, "tls")
    assert nothing_was_said_in_clear(place.world) and not place.world.messages()


def test_one_domains_policy_says_nothing_about_anothers_mail_to_the_same_hosts(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "self-signed"}},
                  names=names() | {"d2.example": {"MX": ["10 mx1.example"]}})
    serve(place.certificate, policy())
    start_agent(place.world, place.settings() | {"smtp.mixed_domains": True})
    spool.send("mail", ["ann@d1.example", "bob@d2.example"])
    status = spool.when("mail", lambda status: status["counts"]["relayed"] == 1 and status["counts"]["delayed"] == 1)
    entries = {entry["final_recipient"]: entry for entry in status["recipients"]}
    assert entries["rfc822; ann@d1.example"]["status"] == "4.7.5"
    assert entries["rfc822; bob@d2.example"]["tls"]["policy"] == "opportunistic"


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_a_policy_that_is_not_enforced_stops_nothing(start_world, start_agent, home, spool, serve, mode):
    place = Place(start_world, home, {"mx1.example": {"tls": "self-signed"}})
    serve(place.certificate, policy(mode, mx=["other.example"]))
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["tls"]["policy"] == "opportunistic"


@pytest.mark.parametrize("how", [{"text": "<html>"}, {"status": 404}, {"status": 301}, {"text": policy() + "\n" * 70_000}],
                         ids=["no policy", "not found", "a redirect", "longer than 64 KiB"])
def test_a_policy_that_cannot_be_had_and_never_was_holds_nothing_up(start_world, start_agent, home, spool, serve, how):
    place = Place(start_world, home, {"mx1.example": {"tls": "self-signed"}})
    server = serve(place.certificate, **({"text": policy()} | how))
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["tls"]["policy"] == "opportunistic"
    assert len(server.asked) == 1


def test_a_policy_server_whose_certificate_is_of_another_name_is_not_believed(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "self-signed"}})
    server = serve(place.authority.valid("www.d1.example"), policy())
    start_agent(place.world, place.settings())
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["tls"]["policy"] == "opportunistic"
    assert not server.asked


def test_a_policy_is_kept_over_a_restart_though_its_server_is_gone_and_its_record_changed(start_world, make_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "valid"}})
    server = serve(place.certificate, policy())
    agent = make_agent(place.world, place.settings()).start()
    spool.send("before", ["ann@d1.example"])
    assert only(spool.final("before"))["tls"]["policy"] == "mta-sts"
    waiting.until(lambda: "mta-sts" in spool.names("state"), 10)
    agent.kill()
    server.stop()
    place.world.reload(place.script(names=names(record="v=STSv1; id=2")))
    agent.start()
    spool.send("after", ["ann@d1.example"])
    assert only(spool.final("after"))["tls"]["policy"] == "mta-sts"
    agent.stop()


def test_a_server_that_stalls_holds_up_its_own_domain_alone(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "valid"}},
                  names=names() | {"d2.example": {"MX": ["10 mx1.example"]}})
    server = serve(place.certificate, policy(), stall=True)
    start_agent(place.world, place.settings())
    spool.send("stalled", ["ann@d1.example"])
    waiting.until(lambda: server.asked, 10)
    spool.send("other", ["bob@d2.example"])
    assert only(spool.final("other"))["action"] == "relayed"
    assert spool.status("stalled") is None or not spool.status("stalled")["final"]


def test_mta_sts_can_be_turned_off(start_world, start_agent, home, spool, serve):
    place = Place(start_world, home, {"mx1.example": {"tls": "self-signed"}})
    server = serve(place.certificate, policy())
    start_agent(place.world, place.settings() | {"smtp.mta_sts": False})
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["tls"]["policy"] == "opportunistic"
    assert not server.asked
