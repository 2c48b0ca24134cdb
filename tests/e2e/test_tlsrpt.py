"""TLS reports (RFC 8460): what a domain's mail host gets to read about the day before."""
import datetime
import email
import email.policy
import gzip
import json
import os

from harness import waiting
from harness.world import simple

ASKS = {"_smtp._tls.d1.example": {"TXT": "v=TLSRPTv1; rua=mailto:tls@d2.example"}}
WORLD = simple(domains=2, hosts=1, names=ASKS, save="received/")
ON = {"tlsrpt.report": True}


def day(ago):
    return (datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=ago)).isoformat()


def leave_a_day(spool, date, domain="d1.example"):
    failure = {"result": "certificate-expired", "mx": "mx.d1.example", "to": "192.0.2.7", "from": "", "reason": "certificate has expired",
               "count": 3}
    policies = [{"type": "tlsa", "text": ["3 1 1 00ff"], "mx": ["mx.d1.example"], "successes": 5, "failures": 3,
                 "details": [failure]}]
    path = f"{spool.path}/state/tls-{date}.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": 1, "domains": {domain: policies}, "sent": {}}, file)
    owner = os.stat(spool.path)
    os.chown(path, owner.st_uid, owner.st_gid)
    return path


def read_report(content):
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "tlsrpt"
    people, attached = mail.iter_parts()
    assert people.get_content_type() == "text/plain"
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    return mail, attached.get_filename(), json.loads(gzip.decompress(attached.get_payload(decode=True)))


def test_a_day_left_by_an_earlier_run_is_reported_once(spool, start_world, start_agent):
    date = day(2)
    path = leave_a_day(spool, date)
    world = start_world(WORLD)
    agent = start_agent(world, ON | {"hostname": "relay.example", "tlsrpt.organization": "Relay & Co"})
    waiting.until(lambda: world.accepted("tls@d2.example") == 1, 30)
    message, = world.messages()
    mail, name, report = read_report(world.content(message))
    assert mail["From"] == "tls-reports@relay.example"
    assert mail["TLS-Report-Domain"] == "d1.example"
    assert mail["TLS-Report-Submitter"] == "relay.example"
    assert mail["Subject"] == f"Report Domain: d1.example Submitter: relay.example Report-ID: <{report['report-id']}>"
    assert name.startswith("relay.example!d1.example!") and name.endswith(".json.gz")
    assert report["organization-name"] == "Relay & Co"
    assert report["contact-info"] == "tls-reports@relay.example"
    assert report["date-range"] == {"start-datetime": f"{date}T00:00:00Z", "end-datetime": f"{date}T23:59:59Z"}
    assert report["policies"] == [{
        "policy": {"policy-type": "tlsa", "policy-string": ["3 1 1 00ff"], "policy-domain": "d1.example",
                   "mx-host": ["mx.d1.example"]},
        "summary": {"total-successful-session-count": 5, "total-failure-session-count": 3},
        "failure-details": [{"result-type": "certificate-expired", "receiving-mx-hostname": "mx.d1.example",
                             "receiving-ip": "192.0.2.7", "failed-session-count": 3,
                             "failure-reason-code": "certificate has expired"}]}]
    waiting.until(lambda: not os.path.exists(path))
    agent.stop()
    start_agent(world, ON | {"hostname": "relay.example"}).stop()
    assert world.accepted("tls@d2.example") == 1


def test_sessions_are_counted_and_outlive_the_agent(spool, start_world, start_agent):
    world = start_world(WORLD)
    agent = start_agent(world, ON)
    spool.send("one", ["ann@d1.example"])
    spool.send("two", ["bob@d2.example"])
    spool.final("one")
    spool.final("two")
    agent.stop()
    with open(f"{spool.path}/state/tls-{day(0)}.json", encoding="utf-8") as file:
        domains = json.load(file)["domains"]
    policy, = domains["d1.example"]
    assert (policy["type"], policy["successes"], policy["failures"]) == ("no-policy-found", 0, 1)
    assert policy["details"][0]["result"] == "starttls-not-supported"


def test_what_is_wrong_with_hosts_is_told_apart(spool, start_world, start_agent):
    hosts = {"good": "valid", "old": "expired", "other": {"names": ["other.example"]}, "alone": "self-signed",
             "bare": {"offered": False}}
    script = {"certificates": "certificates", "hosts": {}, "names": {}}
    for number, (name, tls) in enumerate(hosts.items(), 1):
        script["hosts"][f"mx.{name}.example"] = {"address": f"127.0.3.{number}", "tls": tls}
        script["names"][f"{name}.example"] = {"MX": [f"10 mx.{name}.example"]}
    world = start_world(script)
    agent = start_agent(world, ON | {"smtp.tls": "require", "smtp.ca_file": world.home + "/certificates/ca.pem"})
    for name in hosts:
        spool.send(name, [f"ann@{name}.example"])
    for name in hosts:
        spool.settled(name)
    agent.stop()
    with open(f"{spool.path}/state/tls-{day(0)}.json", encoding="utf-8") as file:
        domains = json.load(file)["domains"]
    found = {}
    for name in hosts:
        policy, = domains[f"{name}.example"]
        assert policy["successes"] + policy["failures"] == 1, name
        found[name] = [detail["result"] for detail in policy["details"]]
        assert all(detail["mx"] == f"mx.{name}.example" for detail in policy["details"])
    assert found == {"good": [], "old": ["certificate-expired"], "other": ["certificate-host-mismatch"],
                     "alone": ["certificate-not-trusted"], "bare": ["starttls-not-supported"]}


def test_with_a_folder_alone_reports_are_files(spool, home, start_world, start_agent):
    folder = home + "/reports"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    leave_a_day(spool, day(2))
    world = start_world(WORLD)
    start_agent(world, {"tlsrpt.folder": folder, "hostname": "relay.example"})
    name, = waiting.until(lambda: [name for name in os.listdir(folder) if name.endswith(".json")])
    with open(f"{folder}/{name}", encoding="utf-8") as file:
        assert json.load(file)["policies"][0]["summary"]["total-successful-session-count"] == 5
    assert world.accepted("tls@d2.example") == 0
