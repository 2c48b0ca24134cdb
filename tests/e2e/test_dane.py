"""DANE with AD bits that are real: a signed zone, an unbound that validates it, and hosts that keep or break their word."""
import dataclasses

import pytest

from harness.agent import DEFAULTS, Agent, bulkmail, options
from harness.signed_zone import SignedZone
from harness.spool import Spool, only
from harness.tlsa import association
from harness.unbound import Unbound
from harness.world import World

ZONE = "proved.example"
UNPROVEN = ("delayed", r"4.7.5", "tls")
NOT_OFFERED = ("delayed", r"4.7.4", "tls")
IN_DOUBT = ("delayed", r"4.4.3", "dns")
WRONG = b"\x5a" * 32


@dataclasses.dataclass
class Case:
    """One domain, row<i>.proved.example, with one mail host. `records`: usage, selector, matching type, and what of: the host's
    certificate ("host"), its authority's ("ca"), or the data itself."""
    expect: tuple  # (policy, verified), or what the recipient's delay looks like
    tls: object = "valid"
    records: tuple = ()
    spoilt: tuple = ()         # whose signatures don't hold: "MX", "A", "TLSA"
    alias: bool = False        # the MX is an alias of the host, which has the TLSA records
    second: bool = False       # a good host of lower preference
    signed: bool = True        # the domain is; its host always is
    at: dict = dataclasses.field(default_factory=dict)


def dane_ee(selector=1, matching=1, of="host"):
    return (3, selector, matching, of)


CASES = {
    "the host's key": Case(("dane", True), records=(dane_ee(),)),
    "the host's key by SHA-512": Case(("dane", True), records=(dane_ee(1, 2),)),
    "the host's key itself": Case(("dane", True), records=(dane_ee(1, 0),)),
    "the host's certificate": Case(("dane", True), records=(dane_ee(0, 1),)),
    "the host's certificate by SHA-512": Case(("dane", True), records=(dane_ee(0, 2),)),
    "the host's certificate itself": Case(("dane", True), records=(dane_ee(0, 0),)),
    "the authority's certificate": Case(("dane", True), records=((2, 0, 0, "ca"),)),
    "a self-signed certificate": Case(("dane", True), "self-signed", (dane_ee(),)),
    "an expired certificate, which the host's own key excuses": Case(("dane", True), "expired", (dane_ee(),)),
    "another name, which the host's own key excuses": Case(("dane", True), {"names": ["other.example"]}, (dane_ee(),)),
    "the domain's name under an authority": Case(("dane", True), {"names": ["~"]}, ((2, 0, 0, "ca"),)),
    "an old record beside the new one": Case(("dane", True), records=((3, 1, 1, WRONG), dane_ee())),
    "the TLSA records at the end of an alias": Case(("dane", True), records=(dane_ee(),), alias=True),
    "records for other uses beside a good one": Case(("dane", True), records=((1, 0, 1, WRONG), dane_ee())),
    "records for other uses alone": Case(("encrypt", False), "self-signed", ((1, 0, 1, WRONG),)),
    "no records": Case(("opportunistic", False), "self-signed"),
    "a domain that is not signed": Case(("opportunistic", False), "self-signed", ((3, 1, 1, WRONG),), signed=False),
    "a key that does not match": Case(UNPROVEN, records=((3, 1, 1, WRONG),)),
    "an expired certificate of a good authority": Case(UNPROVEN, "expired", ((2, 0, 0, "ca"),)),
    "another name under a good authority": Case(UNPROVEN, {"names": ["other.example"]}, ((2, 0, 0, "ca"),)),
    "STARTTLS taken out": Case(NOT_OFFERED, {"offered": False}, (dane_ee(),)),
    "STARTTLS taken out, records for other uses alone": Case(NOT_OFFERED, {"offered": False}, ((1, 0, 1, WRONG),)),
    "STARTTLS refused": Case(NOT_OFFERED, records=(dane_ee(),), at={"starttls": "454 4.7.0 not now"}),
    "a handshake that is hung up on": Case(UNPROVEN, records=(dane_ee(),), at={"starttls": {"then": "close"}}),
    "TLSA records that are bogus": Case(IN_DOUBT, records=(dane_ee(),), spoilt=("TLSA",)),
    "an MX set that is bogus": Case(IN_DOUBT, records=(dane_ee(),), spoilt=("MX",)),
    "addresses that are bogus": Case(IN_DOUBT, records=(dane_ee(),), spoilt=("A",)),
    "a key that does not match, and a good second host": Case(("dane", True), records=((3, 1, 1, WRONG),), second=True),
    "bogus TLSA records, and a good second host": Case(("dane", True), records=(dane_ee(),), spoilt=("TLSA",), second=True),
}


class Stage:
    """All cases at once: one world of hosts, one zone, one agent."""

    def __init__(self, home):
        self.spool = Spool(home + "/spool")
        made = bulkmail("drain", "--spool", self.spool.path, *options(DEFAULTS))
        assert made.returncode == 0, made.stderr.decode()
        hosts = {"good.proved.example": {"address": "127.0.4.250", "tls": "valid"}}
        names = {}
        for i, case in enumerate(CASES.values()):
            host = f"mx{i}.{ZONE}"
            tls = case.tls
            if isinstance(tls, dict) and "names" in tls:
                tls = {"names": [name.replace("~", f"row{i}.{ZONE}") for name in tls["names"]]}
            hosts[host] = {"address": self.address(i), "tls": tls, "at": case.at}
            if not case.signed:
                names[f"row{i}.example"] = {"MX": [f"10 {host}"]}
        self.world = World(home + "/world", {"certificates": "certificates", "log_commands": True, "hosts": hosts, "names": names})
        self.zone = SignedZone(home + "/zone", ZONE)
        self.zone.a("good", "127.0.4.250").tlsa("good", 3, 1, 1, self.data(f"good.{ZONE}", 1, 1, "host"))
        for i, case in enumerate(CASES.values()):
            self._add(i, case)
        self.zone.publish()
        self.unbound = Unbound(home + "/unbound", self.world.ready["resolver_servers"][0], signed=[self.zone])
        self.agent = Agent(self.spool, home + "/agent.log", {
            "resolver.servers": [self.unbound.server], "resolver.timeout": "2s", "smtp.port": 25, "smtp.timeouts.tls": "2s"}).start()
        for i, case in enumerate(CASES.values()):
            self.spool.send(f"mail-{i}", [self.recipient(i, case)])

    @staticmethod
    def address(i):
        return f"127.0.4.{i + 1}"

    @staticmethod
    def recipient(i, case):
        return f"ann@row{i}.{ZONE if case.signed else 'example'}"

    def data(self, host, selector, matching, of):
        if isinstance(of, bytes):
            return of
        return association(f"{self.world.home}/certificates/{host if of == 'host' else 'ca'}.pem", selector, matching)

    def _add(self, i, case):
        domain, host, zone = f"row{i}", f"mx{i}", self.zone
        zone.mx(domain, f"alias{i}" if case.alias else host).a(host, self.address(i))
        if case.alias:
            zone.cname(f"alias{i}", host)
        if case.second:
            zone.mx(domain, "good", 20)
        for usage, selector, matching, of in case.records:
            zone.tlsa(host, usage, selector, matching, self.data(f"{host}.{ZONE}", selector, matching, of))
        for kind in case.spoilt:
            zone.spoil({"MX": domain, "A": host, "TLSA": f"_25._tcp.{host}"}[kind], kind)

    def close(self):
        self.agent.kill()
        print(self.agent.log()[-6000:])
        self.unbound.stop()
        self.zone.stop()
        self.world.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = Stage(str(tmp_path_factory.mktemp("dane")))
    yield made
    made.close()


@pytest.mark.parametrize("name", CASES)
def test_what_dnssec_proves_decides(stage, name):
    number, case = list(CASES).index(name), CASES[name]
    entry = only(stage.spool.settled(f"mail-{number}", 40))
    if case.expect in (UNPROVEN, NOT_OFFERED, IN_DOUBT):
        assert (entry["action"], entry["status"], entry["source"]) == case.expect, entry
    else:
        assert entry["action"] == "relayed", entry
        assert (entry["tls"]["policy"], entry["tls"]["verified"]) == case.expect, entry
    if case.second:
        assert entry["remote_mta"] == f"dns; good.{ZONE}"


def test_nothing_of_a_message_is_ever_said_in_clear_where_there_are_tlsa_records(stage):
    for number in range(len(CASES)):
        stage.spool.settled(f"mail-{number}", 40)
    proved = {f"mx{i}.{ZONE}" for i, case in enumerate(CASES.values()) if case.records and case.signed}
    in_the_clear = {event["line"] for event in stage.world.events("command") if event["host"] in proved and not event["tls"]}
    assert in_the_clear <= {"EHLO relay.example", "STARTTLS", "QUIT"}
    assert all(message["tls"] for message in stage.world.messages() if message["host"] in proved)


def test_hosts_are_told_the_name_whose_records_count(stage):
    number = list(CASES).index("the TLSA records at the end of an alias")
    [handshake] = stage.world.wait_for("tls", 1, host=f"mx{number}.{ZONE}")
    assert handshake["server_name"] == f"mx{number}.{ZONE}"


@pytest.fixture
def one_host(start_world, make_signed_zone, start_unbound):
    """A signed zone whose one host has a key that its TLSA record doesn't name: with DANE no mail goes there. Beside
    the stage, hence other addresses."""
    world = start_world({"hosts": {f"mx.{ZONE}": {"address": "127.0.5.1", "tls": "valid"}}, "certificates": "certificates"})
    zone = make_signed_zone(ttl=1, address="127.0.0.61").mx("@", "mx").a("mx", "127.0.5.1").tlsa("mx", 3, 1, 1, WRONG).publish()
    return world, zone, start_unbound(world, signed=[zone], address="127.0.0.55")


def outcome(spool, name):
    spool.send(name, [f"ann@{ZONE}"])
    entry = only(spool.settled(name))
    return entry["tls"]["policy"] if entry["action"] == "relayed" else entry["status"]


@pytest.mark.parametrize("settings, expected", [({}, "4.7.5"), ({"resolver.trust_ad": "yes"}, "4.7.5"),
                                                ({"resolver.trust_ad": "no"}, "opportunistic"), ({"smtp.dane": False}, "opportunistic")])
def test_the_ad_bit_counts_where_it_is_trusted(one_host, start_agent, spool, settings, expected):
    _, _, unbound = one_host
    start_agent(None, {"resolver.servers": [unbound.server]} | settings)
    assert outcome(spool, "mail") == expected


@pytest.mark.parametrize("trusted, expected", [(True, "4.7.5"), (False, "opportunistic")])
def test_resolv_conf_says_whether_its_servers_are_trusted(one_host, start_agent, spool, trusted, expected):
    _, _, unbound = one_host
    with open("/etc/resolv.conf", encoding="ascii") as file:
        before = file.read()
    try:
        with open("/etc/resolv.conf", "w", encoding="ascii") as file:
            file.write(f"nameserver {unbound.address}\n" + ("options trust-ad\n" if trusted else ""))
        start_agent(None, {})
        assert outcome(spool, "mail") == expected
    finally:
        with open("/etc/resolv.conf", "w", encoding="ascii") as file:
            file.write(before)


def test_a_new_record_counts_from_the_next_session_on(one_host, start_agent, spool):
    world, zone, unbound = one_host
    start_agent(None, {"resolver.servers": [unbound.server], "retry.schedule": ["1s"], "smtp.idle": "0ms"})
    assert outcome(spool, "before") == "4.7.5"
    key = association(f"{world.home}/certificates/mx.{ZONE}.pem", 1, 1)
    zone.tlsa("mx", 3, 1, 1, key).publish()
    unbound.forget(ZONE)
    assert only(spool.final("before", 30))["tls"]["policy"] == "dane"


def test_a_zone_whose_signatures_have_expired_delays(one_host, start_agent, spool):
    _, zone, unbound = one_host
    zone.publish(expires=-3600)
    unbound.forget(ZONE)
    start_agent(None, {"resolver.servers": [unbound.server]})
    assert outcome(spool, "mail") == "4.4.3"
