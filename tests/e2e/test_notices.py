"""Senders are told by mail, in a form that people, Mailman's bounce processor and any MIME parser understand."""
import email
import email.policy
import time

import pytest
from flufl.bounce import all_failures

from harness import waiting
from harness.lmtp import Lmtp
from harness.spool import bsmtp, wire
from harness.world import simple

USERS = {"bad@d1.example": "550 5.1.1 no such user", "full@d1.example": "552 5.2.2 mailbox full",
         "late@d1.example": "451 4.7.1 come again"}
CONTENT_LINES = [b"From: list@d2.example", b"Subject: hello", b"Message-ID: <one@d2.example>", b"", b"text"]
CONTENT = wire(CONTENT_LINES)


def told(world, count=1):
    """The notices that came to the senders at d2.example, as parsed."""
    def found():
        messages = [message for message in world.messages() if message["sender"] == ""]
        return messages if len(messages) >= count else None
    waiting.until(found, 20, world.messages)
    notices = [email.message_from_bytes(world.content(message), policy=email.policy.default) for message in found()]
    assert len(notices) == count
    return notices


def defects(message):
    return list(message.defects) + [defect for part in message.walk() for defect in part.defects]


def fields(notice):
    """Of the message, then of each recipient."""
    return notice.get_payload()[1].get_payload()


@pytest.fixture
def place(start_world):
    return start_world(simple(domains=2, save="received", host={"users": USERS}))


def test_what_came_by_lmtp_and_failed_is_told_to_its_sender(place, start_agent, spool):
    start_agent(place)
    with Lmtp(spool("lmtp.sock")) as client:
        client.message("list@d2.example", ["ann@d1.example", "bad@d1.example", "full@d1.example"], CONTENT)
    [notice] = told(place)
    assert not defects(notice)
    assert notice["To"] == "list@d2.example" or notice["To"] == "<list@d2.example>"
    assert notice["Auto-Submitted"] == "auto-replied"
    assert notice["In-Reply-To"] == "<one@d2.example>"
    assert notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    words, status, returned = notice.get_payload()
    assert "bad@d1.example" in words.get_content() and "no such mailbox" in words.get_content()
    assert status.get_content_type() == "message/delivery-status"
    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_payload(0)["Subject"] == "hello"
    message, *recipients = fields(notice)
    assert message["Reporting-MTA"] == "dns; relay.example"
    assert [(one["Final-Recipient"], one["Action"], one["Status"]) for one in recipients] == [
        ("rfc822; bad@d1.example", "failed", "5.1.1"), ("rfc822; full@d1.example", "failed", "5.2.2")]
    assert all_failures(notice) == (set(), {b"bad@d1.example", b"full@d1.example"})
    spool.empty()


def test_what_was_submitted_is_told_and_a_direct_drop_is_not(place, start_agent, spool):
    agent = start_agent(place)
    spool.send("direct", ["bad@d1.example"], sender="list@d2.example")
    assert spool.final("direct")["recipients"][0]["bounce_class"] == "mailbox-unknown"
    done = agent.command("submit", "-f", "me@d2.example", "--", "bad@d1.example", stdin=CONTENT)
    assert done.returncode == 0, done.stderr
    [notice] = told(place)
    assert "me@d2.example" in notice["To"]
    assert all_failures(notice)[1] == {b"bad@d1.example"}


def test_a_drain_sends_its_notices_before_it_ends(place, make_agent, spool):
    agent = make_agent(place)
    spool.drop("asks", bsmtp("list@d2.example", ["bad@d1.example", "late@d1.example"], CONTENT_LINES, mail="XDSN"))
    done = agent.command("drain")
    assert done.returncode == 0, done.stderr
    assert all_failures(told(place)[0])[1] == {b"bad@d1.example"}


def test_success_is_told_as_asked_and_nothing_to_a_null_sender(start_world, start_agent, spool):
    place = start_world(simple(domains=2, save="received", host={"users": USERS, "extensions": ["PIPELINING", "8BITMIME"]}))
    start_agent(place)
    spool.drop("null", bsmtp("", ["bad@d1.example"], CONTENT_LINES, mail="XDSN"))
    spool.drop("asks", b"MAIL FROM:<list@d2.example> RET=HDRS ENVID=QQ+2B1\nRCPT TO:<ann@d1.example> NOTIFY=SUCCESS "
                       b"ORCPT=rfc822;old+2Bann@d3.example\nDATA\n" + CONTENT.replace(b"\r\n", b"\n") + b".\n")
    spool.final("null")
    [notice] = told(place)
    message, recipient = fields(notice)
    assert message["Original-Envelope-Id"] == "QQ+1"
    assert recipient["Original-Recipient"] == "rfc822; old+ann@d3.example"
    assert recipient["Action"] == "relayed"
    assert notice.get_payload()[2].get_content_type() == "text/rfc822-headers"
    assert not defects(notice)


def test_a_host_that_knows_dsn_tells_of_success_itself(place, start_agent, spool):
    start_agent(place)
    spool.drop("asks", bsmtp("list@d2.example", ["ann@d1.example"], CONTENT_LINES, rcpt={"ann@d1.example": "NOTIFY=SUCCESS"}))
    spool.final("asks")
    assert [message["sender"] for message in place.wait_for("message")] == ["list@d2.example"]
    assert place.messages()[0]["rcpt_parameters"] == ["NOTIFY=SUCCESS"]
    assert spool.names("new") == []


def test_failures_do_not_wait_for_the_slowest_recipient_and_a_kill_repeats_none(place, make_agent, spool):
    settings = {"status.interval": "1s", "retry.schedule": ["1h"], "retry.dsn": "on"}
    agent = make_agent(place, settings).start()
    spool.send("post", ["bad@d1.example", "late@d1.example"], sender="list@d2.example")
    told(place)
    waiting.until(lambda: not spool.names("new") and spool.names("cur") == ["post"], 10)
    time.sleep(0.5)  # until what was told is on record
    for _ in range(2):
        agent.kill()
        agent.start()
        time.sleep(1.5)
    [notice] = told(place)
    assert all_failures(notice)[1] == {b"bad@d1.example"}
    agent.stop()
