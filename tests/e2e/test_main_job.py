"""The main job: a file dropped into the spool is delivered, and its status file says so."""
import json
import re

import pytest

from harness import waiting
from harness.spool import FORMATS, MESSAGE, bsmtp, by_address, digest, only, wire
from harness.world import simple

RFC3339 = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def newsletter(domains, recipients):
    return [f"reader{i}@d{i % domains + 1}.example" for i in range(recipients)]


def test_a_newsletter_to_2000_recipients_over_40_domains_reaches_each_exactly_once(start_world, start_agent, spool):
    world = start_world(simple(domains=40, hosts=8))
    agent = start_agent(world, {"smtp.connections_per_site": 3})
    recipients = newsletter(40, 2000)
    spool.send("newsletter", recipients)
    status = spool.final("newsletter", 60)
    assert [recipient["final_recipient"] for recipient in status["recipients"]] == ["rfc822; " + address for address in recipients]
    assert status["counts"] == {"total": 2000, "relayed": 2000, "delivered": 0, "failed": 0, "delayed": 0, "queued": 0}
    assert world.received() == {address: 1 for address in recipients}
    summary = world.summary()
    assert {name: sum(kinds["MX"].values()) for name, kinds in summary["dns"].items() if "MX" in kinds} \
        == {f"d{i}.example": 1 for i in range(1, 41)}, "one question a domain"
    assert len(summary["hosts"]) == 8
    for name, host in summary["hosts"].items():
        assert host["max_open"] <= 3, f"{name}: the domains of a Site share its sessions"
        assert host["connections"] <= 3, f"{name}: sessions are reused"
        assert host["transactions"] <= 5 + 5, f"{name}: recipients share transactions"
    spool.empty()
    results = spool.results()
    assert sorted(line["final_recipient"] for line in results) == sorted("rfc822; " + address for address in recipients)
    assert [line["seq"] for line in results] == sorted({line["seq"] for line in results})
    agent.stop()


def test_a_newsletter_goes_through_a_real_name_server_to_a_real_postfix(start_world, start_unbound, start_postfix, start_agent, spool):
    addresses = [f"198.51.0.{i}" for i in range(1, 5)]
    postfix = start_postfix(addresses, ["nobody@d7.example"])
    world = start_world({
        "smtp_port": 2525, "hosts": {},
        "names": {f"d{i}.example": {"MX": [f"10 mail{i % 4 + 1}.example"]} for i in range(1, 41)}
        | {f"mail{i}.example": {"A": addresses[i - 1]} for i in range(1, 5)}})
    unbound = start_unbound(world)
    # private_targets stays at "refuse": these mail hosts are neither loopback nor private.
    start_agent(None, {"resolver.servers": [unbound.server], "smtp.port": 25, "smtp.private_targets": "refuse",
                       "resolver.timeout": "2s"})
    recipients = newsletter(40, 400) + ["nobody@d7.example"]
    content = MESSAGE + [b".", b"..", b".one dot", b"x" * 3000, "Gr\u00fc\u00dfe".encode(), b"", b"end"]
    spool.drop("newsletter", bsmtp("list@sender.example", recipients, content))
    status = spool.final("newsletter", 60)
    assert status["counts"] == {"total": 401, "relayed": 400, "delivered": 0, "failed": 1, "delayed": 0, "queued": 0}
    refused = by_address(status)["nobody@d7.example"]
    assert (refused["action"], refused["status"], refused["source"]) == ("failed", "5.1.1", "remote")
    assert refused["diagnostic_code"].startswith("smtp; 550 5.1.1 ")
    arrived = postfix.wait_for(400)
    assert sorted(mail.recipient for mail in arrived) == sorted(recipients[:-1]), "each recipient exactly once"
    for mail in arrived:
        assert mail.content == wire(content).replace(b"\r\n", b"\n")
        assert (mail.sender, mail.helo) == ("list@sender.example", "relay.example")


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("form", FORMATS)
def test_content_arrives_at_the_mail_host_byte_for_byte(start_world, start_agent, spool, form, eol):
    world = start_world(simple(save="received"))
    start_agent(world)
    content = MESSAGE + [b".", b"..", b".one dot", b" .", b"x" * 998, b"y" * 5000, bytes(range(128, 256)), b"",
                         b"trailing blank ", b"\ttab", b"", b"."]
    spool.drop("mail", FORMATS[form]("list@sender.example", ["ann@d1.example"], content, eol=eol))
    status = spool.final("mail")
    assert only(status)["action"] == "relayed"
    [message] = world.messages()
    assert world.content(message) == wire(content)
    assert status["size"] == message["size"] == len(wire(content))
    assert message["sender"] == "list@sender.example" and message["rcpts"] == ["ann@d1.example"]
    assert message["bare"] == 0


def test_the_status_file_has_every_field_as_promised(start_world, start_agent, spool):
    world = start_world({
        "hosts": {"mx1.example": {"address": "127.0.2.1", "users": {
            "bad@d1.example": "550 5.1.1 no such user", "late@d1.example": "451 4.7.1 come again"},
            "at": {"end_of_data": "250 2.0.0 Ok: queued as 4711"}}},
        "names": {"d1.example": {"MX": ["10 mx1.example"]}}})
    start_agent(world)
    data = bsmtp("list@sender.example", ["ok@d1.example", "bad@d1.example", "late@d1.example"], MESSAGE,
                 mail="ENVID=news+2B1 RET=HDRS", rcpt={"bad@d1.example": "ORCPT=rfc822;bad+2Balias@d1.example NOTIFY=NEVER"})
    spool.drop("news-0001", data)
    status = spool.settled("news-0001")
    recipients = status.pop("recipients")
    assert list(status) == ["version", "id", "name", "serial", "final", "reporting_mta", "original_envelope_id", "message_id",
                            "sender", "size", "digest", "arrival_date", "updated", "expires", "forecast", "counts"]
    forecast = status.pop("forecast")  # by the retry in an hour; none before the Site's pace is known
    assert forecast is None or all(RFC3339.match(forecast[part]) for part in ("p50", "p99"))
    for field in ("arrival_date", "updated", "expires"):
        assert RFC3339.match(status.pop(field)), field
    assert status.pop("serial") >= 1
    assert status == {
        "version": 1, "id": "news-0001", "name": "news-0001", "final": False,
        "reporting_mta": "dns; relay.example", "original_envelope_id": "news+1", "message_id": "<news@sender.example>",
        "sender": "list@sender.example", "size": len(wire(MESSAGE)), "digest": digest(data),
        "counts": {"total": 3, "relayed": 1, "delivered": 0, "failed": 1, "delayed": 1, "queued": 0}}
    fields = ["final_recipient", "original_recipient", "action", "status", "diagnostic_code", "remote_mta", "remote_address",
              "remote_port", "tls", "source", "bounce_class", "attempts", "indeterminate", "last_attempt_date", "next_attempt_date",
              "will_retry_until"]
    for recipient in recipients:
        assert list(recipient) == fields
        assert RFC3339.match(recipient.pop("last_attempt_date"))
        assert (recipient["remote_mta"], recipient["remote_address"], recipient["remote_port"], recipient["tls"],
                recipient["source"], recipient["attempts"], recipient["indeterminate"]) \
            == ("dns; mx1.example", "127.0.2.1", 25, None, "remote", 1, False)
    ok, bad, late = recipients
    assert (ok["action"], ok["status"], ok["diagnostic_code"]) == ("relayed", "2.0.0", "smtp; 250 2.0.0 Ok: queued as 4711")
    assert (bad["action"], bad["status"], bad["diagnostic_code"]) == ("failed", "5.1.1", "smtp; 550 5.1.1 no such user")
    assert (late["action"], late["status"], late["diagnostic_code"]) == ("delayed", "4.7.1", "smtp; 451 4.7.1 come again")
    assert (ok["original_recipient"], bad["original_recipient"]) == (None, "rfc822; bad+alias@d1.example")
    for recipient in (ok, bad):
        assert recipient["next_attempt_date"] is None and recipient["will_retry_until"] is None
    assert RFC3339.match(late["next_attempt_date"]) and RFC3339.match(late["will_retry_until"])
    assert spool.mode("status", "news-0001.json") & 0o040, "the spool's group may read it"


def test_dsn_parameters_are_passed_on_to_a_host_that_takes_them(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    spool.send("mail", ["ann@d1.example"], mail="ENVID=e1 RET=FULL BODY=8BITMIME",
               rcpt={"ann@d1.example": "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann@old.example"})
    spool.final("mail")
    [message] = world.messages()
    parameters = json.dumps([message["mail_parameters"], message["rcpt_parameters"]]).upper()
    for wanted in ("ENVID=E1", "RET=FULL", "NOTIFY=FAILURE,DELAY", "ORCPT=RFC822;ANN@OLD.EXAMPLE"):
        assert wanted in parameters


def test_a_status_is_told_within_a_second_while_the_peer_is_slow(start_world, start_agent, spool):
    world = start_world(simple(host={"at": {"end_of_data": {"delay": "4s"}}}))
    start_agent(world, {"status.interval": "60s"})
    spool.send("slow", ["ann@d1.example"])
    status = spool.when("slow", lambda status: True, seconds=2.5)
    queued = only(status)
    assert status["final"] is False and status["counts"]["queued"] == 1
    assert queued["action"] == "queued"
    for field in ("status", "diagnostic_code", "source", "remote_mta", "remote_address", "remote_port", "tls",
                  "last_attempt_date", "next_attempt_date", "will_retry_until"):
        assert queued[field] is None, field
    final = spool.final("slow")
    assert final["serial"] > status["serial"]


def test_the_first_delay_is_told_at_once_whatever_the_interval(start_world, start_agent, spool):
    world = start_world(simple(domains=2, hosts=2) | {"hosts": {
        "mx1.example": {"users": {"ann@d1.example": "451 4.3.0 later"}},
        "mx2.example": {"at": {"greeting": {"delay": "30s"}}}}})
    start_agent(world, {"status.interval": "1h", "stop_timeout": "100ms"})
    spool.send("mixed", ["ann@d1.example", "bob@d2.example"])
    status = spool.when("mixed", lambda status: status["counts"]["delayed"] == 1, seconds=5)
    assert status["counts"]["queued"] == 1


def test_with_detail_failures_the_status_leaves_out_who_got_it(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"bad@d1.example": "550 5.1.1 no"}}))
    start_agent(world, {"status.detail": "failures"})
    spool.send("mail", ["ann@d1.example", "bad@d1.example", "bob@d1.example"])
    status = spool.final("mail")
    assert [recipient["final_recipient"] for recipient in status["recipients"]] == ["rfc822; bad@d1.example"]
    assert status["counts"]["relayed"] == 2 and status["counts"]["total"] == 3


@pytest.mark.parametrize("files", ["failed", "none"])
def test_status_files_can_be_left_out_but_never_the_results(start_world, start_agent, spool, files):
    world = start_world(simple(host={"users": {"bad@d1.example": "550 5.1.1 no"}}))
    start_agent(world, {"status.files": files})
    spool.send("good", ["ann@d1.example"])
    spool.send("mixed", ["ann@d1.example", "bad@d1.example"])
    waiting.until(lambda: len(spool.results()) == 3, what=spool.results)
    spool.empty()
    assert spool.names("status") == (["mixed.json"] if files == "failed" else [])


def test_results_have_a_line_for_each_recipient_event(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"bad@d1.example": "550 5.1.1 no", "late@d1.example": "450 4.2.1 later"}}))
    start_agent(world)
    spool.send("mail", ["ok@d1.example", "bad@d1.example", "late@d1.example"])
    status = spool.settled("mail")
    waiting.until(lambda: len(spool.results()) >= 3, what=spool.results)
    lines = {line["final_recipient"]: line for line in spool.results()}
    assert {address: line["event"] for address, line in lines.items()} == {
        "rfc822; ok@d1.example": "relayed", "rfc822; bad@d1.example": "failed", "rfc822; late@d1.example": "delayed"}
    for recipient in status["recipients"]:
        line = lines[recipient["final_recipient"]]
        assert RFC3339.match(line["event_time"]) and isinstance(line["seq"], int)
        assert (line["id"], line["sender"]) == ("mail", "list@sender.example")
        for field in ("status", "diagnostic_code", "remote_mta", "remote_address", "source", "attempts"):
            assert line[field] == recipient[field], field
    assert spool.mode("results") == 0o2750


def test_results_are_rotated_at_their_size_without_losing_a_line(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"results.rotate": "8KiB"})
    recipients = [f"r{i}@d1.example" for i in range(300)]
    for i in range(10):
        spool.send(f"mail-{i}", recipients[i * 30:i * 30 + 30])
    for i in range(10):
        spool.final(f"mail-{i}")
    waiting.until(lambda: len(spool.results()) >= 300)
    rotated = [name for name in spool.names("results") if name != "current.ndjson"]
    assert rotated and all(re.fullmatch(r"results-[0-9TZ:.\-]+\.ndjson", name) for name in rotated), rotated
    assert sorted(line["final_recipient"] for line in spool.results()) == sorted("rfc822; " + r for r in recipients)


def test_each_recipient_of_an_xverp_message_has_a_sender_of_its_own(start_world, start_agent, spool):
    world = start_world(simple(domains=2, save="received"))
    start_agent(world)
    spool.send("verp", ["ann@d1.example", "bob@d2.example"], mail="XVERP")
    spool.send("verp-dash", ["ann@d1.example"], mail="XVERP=-=")
    spool.final("verp")
    spool.final("verp-dash")
    assert sorted((message["sender"], message["rcpts"]) for message in world.messages()) == [
        ("list+ann=d1.example@sender.example", ["ann@d1.example"]),
        ("list+bob=d2.example@sender.example", ["bob@d2.example"]),
        ("list-ann=d1.example@sender.example", ["ann@d1.example"])]
    assert {world.content(message) for message in world.messages()} == {wire(MESSAGE)}


def test_a_null_sender_stays_null_and_makes_no_notice(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"bad@d1.example": "550 5.1.1 no"}}))
    start_agent(world)
    spool.send("bounce", ["ann@d1.example", "bad@d1.example"], sender="")
    status = spool.final("bounce")
    assert status["sender"] == ""
    assert [message["sender"] for message in world.messages()] == [""]
    spool.empty()


def test_a_recipient_named_twice_is_sent_once(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    spool.send("twice", ["ann@d1.example", "bob@d1.example", "ann@D1.EXAMPLE", "Ann@d1.example"])
    status = spool.final("twice")
    assert status["counts"]["total"] == 3
    assert [entry["final_recipient"].lower() for entry in status["recipients"]] \
        == ["rfc822; ann@d1.example", "rfc822; bob@d1.example", "rfc822; ann@d1.example"]
    assert sum(world.received().values()) == 3


def test_lines_of_every_length_with_dots_at_buffer_edges_arrive_whole(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    start_agent(world)
    lines = list(MESSAGE)
    for edge in (1024, 4096, 8192, 16384, 32768, 65536):
        for around in range(-3, 4):
            size = sum(len(line) + 2 for line in lines)
            fill = (edge + around - size - 2) % edge
            lines += [b"f" * fill, b".", b"..", b".x"]
    spool.send("edges", ["ann@d1.example"], lines)
    spool.final("edges")
    [message] = world.messages()
    assert world.content(message) == wire(lines)


def test_an_empty_message_and_one_without_a_final_newline_are_sent(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    start_agent(world)
    spool.drop("empty", bsmtp("a@b.example", ["empty@d1.example"], []))
    spool.drop("no-newline", b"a@b.example\ntail@d1.example\n\nSubject: x\n\nno newline at the end")
    assert spool.final("empty")["size"] == 0
    spool.final("no-newline")
    contents = {message["rcpts"][0]: world.content(message) for message in world.messages()}
    assert contents == {"empty@d1.example": b"", "tail@d1.example": b"Subject: x\r\n\r\nno newline at the end\r\n"}


def test_bare_cr_and_nul_never_reach_the_wire_and_headers_stay_as_they_are(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    start_agent(world)
    spool.drop("bare", b"a@b.example\nann@d1.example\n\nSubject:  odd\t spacing \nX: a\n\tfolded\n\na\rb\0c\n\r\r\nend\n")
    spool.final("bare")
    [message] = world.messages()
    assert message["bare"] == 0
    assert world.content(message) == b"Subject:  odd\t spacing \r\nX: a\r\n\tfolded\r\n\r\na bc\r\n \r\nend\r\n"


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\n", b"\r.\r", b"\r.\r\n", b"\n.\r", b"\r\n.\r",
                                    b"\n\0.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\r\n.\r\r\n"],
                         ids=lambda ending: ending.hex())
def test_no_false_end_of_data_in_a_body_makes_a_second_message(start_world, start_agent, spool, ending):
    world = start_world(simple(log_commands=True))
    start_agent(world)
    smuggled = b"MAIL FROM:<evil@d1.example>\r\nRCPT TO:<victim@d1.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
    spool.drop("smuggler", b"a@b.example\nann@d1.example\n\nSubject: x\n\nbody" + ending + smuggled + ending + b"more\n")
    assert only(spool.final("smuggler"))["action"] == "relayed"
    [message] = world.messages()
    assert (message["sender"], message["rcpts"], message["bare"]) == ("a@b.example", ["ann@d1.example"], 0)
    assert world.summary()["hosts"]["mx1.example"]["unknown_commands"] == 0


def test_quoted_local_parts_and_literals_are_sent_as_they_are(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    recipients = ['"a b"@d1.example', '"a@b"@d1.example', '"<x>"@d1.example', "lit@[127.0.2.1]"]
    spool.send("quoted", recipients)
    status = spool.final("quoted")
    assert status["counts"]["relayed"] == 4, status
    assert set(world.received()) == set(recipients)


def test_a_malformed_recipient_fails_alone(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    bad = ["@d1.example", "u@", "x" * 65 + "@d1.example", "u@[999.1.1.1]", "u@" + ".".join(["y" * 60] * 5)]
    spool.send("mixed", ["ann@d1.example"] + bad + ["bob@d1.example"])
    status = spool.final("mixed")
    assert [entry["action"] for entry in status["recipients"]] == ["relayed"] + ["failed"] * len(bad) + ["relayed"]
    for entry in status["recipients"][1:-1]:
        assert (entry["status"], entry["source"]) == ("5.1.3", "local"), entry
        assert entry["diagnostic_code"].startswith("x-bulkmail; ")
    assert set(world.received()) == {"ann@d1.example", "bob@d1.example"}
