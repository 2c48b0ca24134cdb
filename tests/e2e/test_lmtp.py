"""Intake by LMTP: a reply a recipient, and 250 only once the message is durable in the spool."""
import os
import re
import socket
import threading

import pytest

from harness import isolation, waiting
from harness.lmtp import Lmtp, stuffed
from harness.spool import Spool, by_address, wire
from harness.world import simple

CONTENT = wire([b"Subject: by LMTP", b"", b".", b"..dots", bytes(range(128, 256)), b"x" * 3000, b"end"])


def received_header(content):
    """The one Received: header of a message and the rest."""
    match = re.match(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", content)
    assert match, content[:300]
    return match[0], content[match.end():]


def messages_of(spool):
    return [spool.status(name[:-5]) for name in spool.names("status")]


def test_each_recipient_has_its_reply_and_the_message_is_delivered_with_a_received_header(start_world, start_agent, spool):
    world = start_world(simple(domains=2, save="received"))
    start_agent(world)
    recipients = ["ann@d1.example", "bob@d2.example", "cy@d1.example"]
    with Lmtp(spool("lmtp.sock")) as client:
        assert client.greeting.code == 220
        assert [reply.code for reply in client.message("list@sender.example", recipients, CONTENT)] == [250] * 3
        assert client.command("QUIT").code == 221
    waiting.until(lambda: world.received() == {recipient: 1 for recipient in recipients})
    for message in world.wait_for("message", 2):
        received, rest = received_header(world.content(message))
        assert b"LMTP" in received and b"relay.example" in received and b"client.example" in received
        assert rest == CONTENT
    spool.empty()
    [status] = messages_of(spool)
    assert status["counts"]["relayed"] == 3


def test_a_drop_gets_no_received_header(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    start_agent(world)
    spool.send("mail", ["ann@d1.example"])
    spool.final("mail")
    assert b"Received:" not in world.content(world.messages()[0])


def test_an_accepted_message_survives_a_kill_right_after_its_reply(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"greeting": {"delay": "5s"}}}))
    agent = make_agent(world).start()
    accepted = []
    for i in range(10):
        with Lmtp(spool("lmtp.sock")) as client:
            [reply] = client.message("a@b.example", [f"r{i}@d1.example"], CONTENT)
            assert reply.code == 250
            accepted.append(f"r{i}@d1.example")
    agent.kill()
    world.reload(simple())
    agent.start()
    waiting.until(lambda: sorted(world.received()) == sorted(accepted), what=world.received)
    agent.stop()


def test_many_clients_at_once_each_get_their_own_answers(start_world, start_agent, spool):
    world = start_world(simple(domains=5))
    start_agent(world)
    failures = []

    def client(number):
        try:
            with Lmtp(spool("lmtp.sock"), 40) as connection:
                for i in range(5):
                    recipients = [f"c{number}-{i}-{k}@d{k + 1}.example" for k in range(number % 3 + 1)]
                    codes = [reply.code for reply in connection.message("a@b.example", recipients, CONTENT)]
                    assert codes == [250] * len(recipients)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append((number, failure))
    threads = [threading.Thread(target=client, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = {f"c{n}-{i}-{k}@d{k + 1}.example": 1 for n in range(40) for i in range(5) for k in range(n % 3 + 1)}
    waiting.until(lambda: world.received() == expected, what=lambda: len(world.received()))


def test_a_whole_session_in_one_write_is_answered_in_order(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    with Lmtp(spool("lmtp.sock"), greet=False) as client:
        script = b"LHLO client.example\r\n"
        for i in range(3):
            script += (f"MAIL FROM:<a@b.example>\r\nRCPT TO:<r{i}@d1.example>\r\nRCPT TO:<s{i}@d1.example>\r\nDATA\r\n".encode()
                       + stuffed(CONTENT) + b".\r\n")
        client.send(script + b"QUIT\r\n")
        codes = [reply.code for reply in client.replies(1 + 3 * 6 + 1)]
    assert codes == [250] + [250, 250, 250, 354, 250, 250] * 3 + [221]
    waiting.until(lambda: len(world.received()) == 6)


def test_a_session_cut_into_single_bytes_is_the_same(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    start_agent(world)
    with Lmtp(spool("lmtp.sock"), greet=False) as client:
        script = (b"LHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@d1.example>\r\nDATA\r\n"
                  + b"Subject: x\r\n\r\n..\r\nbody\r\n.\r\nQUIT\r\n")
        for position in range(len(script)):
            client.send(script[position:position + 1])
        assert [reply.code for reply in client.replies(6)] == [250, 250, 250, 354, 250, 221]
    assert received_header(world.content(world.wait_for("message")[0]))[1] == b"Subject: x\r\n\r\n.\r\nbody\r\n"


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\n.\r", b"\r\n.\r", b"\r\n\0.\r\n",
                                    b"\r\n.\0\r\n", b"\r\r\n.\r\r\n"], ids=lambda ending: ending.hex())
def test_no_false_end_of_data_ends_a_message(start_world, start_agent, spool, ending):
    world = start_world(simple(log_commands=True))
    start_agent(world)
    smuggled = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@d1.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
    with Lmtp(spool("lmtp.sock")) as client:
        for line, code in (("MAIL FROM:<a@b.example>", 250), ("RCPT TO:<ann@d1.example>", 250), ("DATA", 354)):
            assert client.command(line).code == code
        client.send(b"Subject: x\r\n\r\nbody" + ending + smuggled + ending + b"more\r\n.\r\n")
        assert client.reply().code in (250, 550, 554)
        assert client.command("NOOP").code == 250
    if world.received() or spool.names("new") or spool.names("cur"):
        waiting.until(world.received)
    spool.empty()
    assert set(world.received()) <= {"ann@d1.example"}
    for message in world.messages():
        assert message["bare"] == 0
    assert world.summary()["hosts"].get("mx1.example", {}).get("unknown_commands", 0) == 0


def test_lmtp_parameters_reach_the_status(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"bad@d1.example": "550 5.1.1 no"}}))
    start_agent(world)
    with Lmtp(spool("lmtp.sock")) as client:
        assert client.command("MAIL FROM:<a@b.example> BODY=8BITMIME SIZE=100 RET=HDRS ENVID=e-1").code == 250
        assert client.command("RCPT TO:<bad@d1.example> NOTIFY=NEVER ORCPT=rfc822;old@d1.example").code == 250
        assert client.command("RCPT TO:<ann@d1.example>").code == 250
        assert client.command("DATA").code == 354
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert [reply.code for reply in client.replies(2)] == [250, 250]
    status = waiting.until(lambda: next((s for s in messages_of(spool) if s and s["final"]), None))
    assert status["original_envelope_id"] == "e-1"
    assert by_address(status)["bad@d1.example"]["original_recipient"] == "rfc822; old@d1.example"


def test_wrong_commands_are_refused_and_the_session_goes_on(start_agent, spool):
    start_agent()
    with Lmtp(spool("lmtp.sock")) as client:
        for line, code in (("HELO x", 500), ("EHLO x", 500), ("DATA", 503), ("RCPT TO:<a@b.example>", 503), ("FROBNICATE", 500),
                           ("MAIL FROM:<a@b.example> MAGIC=1", 555), ("VRFY x", 252)):
            reply = client.command(line)
            assert reply.code == code or code in (500, 252) and 500 <= reply.code < 505 or reply.code == 252, (line, reply)
        assert client.command("MAIL FROM:<a@b.example>").code == 250
        assert client.command("RCPT TO:<@>").code in (501, 550, 553)
        assert client.command("DATA").code in (503, 554)
        assert client.command("RSET").code == 250
        assert client.command("NOOP").code == 250


def test_a_client_that_sends_an_endless_line_closes_only_itself(start_world, start_agent, spool):
    world = start_world(simple())
    agent = start_agent(world)
    before = agent.memory("VmRSS")
    with Lmtp(spool("lmtp.sock")) as good, Lmtp(spool("lmtp.sock")) as bad:
        try:
            for _ in range(200):
                bad.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass
        assert agent.memory("VmRSS") - before < 4 << 20
        assert [reply.code for reply in good.message("a@b.example", ["ann@d1.example"], CONTENT)] == [250]
    waiting.until(world.received)


def test_a_client_that_leaves_in_mid_data_leaves_nothing(start_world, start_agent, spool):
    start_agent(start_world(simple()))
    with Lmtp(spool("lmtp.sock")) as client:
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<ann@d1.example>", "DATA"):
            client.command(line)
        client.send(b"Subject: half\r\n\r\nhalf a mess")
    waiting.until(lambda: not spool.names("tmp"), what=lambda: spool.names("tmp"))
    assert spool.names("new") == spool.names("cur") == spool.names("status") == []


def test_a_large_message_by_lmtp_is_streamed(start_world, start_agent, spool):
    world = start_world(simple())
    agent = start_agent(world)
    with Lmtp(spool("lmtp.sock"), 60) as client:
        assert client.message("a@b.example", ["warm-up@d1.example"], CONTENT)[0].code == 250
        waiting.until(world.received)
        before = agent.memory("VmRSS")
        large = b"Subject: large\r\n\r\n" + (b"." + b"x" * 69 + b"\r\n") * (50 * 1024 * 1024 // 72)
        assert client.message("a@b.example", ["ann@d1.example"], large)[0].code == 250
    waiting.until(lambda: world.accepted("ann@d1.example") == 1, 30)
    assert agent.memory("VmHWM") - before < 8 << 20
    message = world.wait_for("message", 2)[1]
    assert len(large) < message["size"] < len(large) + 1000 and message["bare"] == 0


def test_the_socket_belongs_to_the_group_that_is_told(start_agent, spool):
    isolation.add_account("postfix-client", 61240)
    try:
        start_agent(settings={"listen.lmtp_group": "postfix-client"})
        assert os.stat(spool("lmtp.sock")).st_gid == 61240
        assert os.stat(spool("control.sock")).st_gid == 0
    finally:
        isolation.forget_account("postfix-client")


def test_the_socket_may_lie_elsewhere_or_nowhere(make_agent, spool, home):
    agent = make_agent(settings={"listen.lmtp": f"unix:{home}/elsewhere.sock"}).start()
    with Lmtp(home + "/elsewhere.sock") as client:
        assert client.command("QUIT").code == 221
    assert not os.path.exists(spool("lmtp.sock"))
    agent.stop()
    agent.settings["listen.lmtp"] = ""
    agent.start()
    assert not os.path.exists(spool("lmtp.sock"))
    agent.stop()


def test_the_same_message_by_lmtp_twice_is_two_messages(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    for _ in range(2):
        with Lmtp(spool("lmtp.sock")) as client:
            client.message("a@b.example", ["ann@d1.example"], CONTENT)
    waiting.until(lambda: world.received() == {"ann@d1.example": 2}, what=world.received)


def test_a_full_spool_is_answered_452_4_3_1_and_taken_again_when_there_is_room(start_world, make_agent, home):
    with isolation.TinyDisk(home + "/tiny", "6m") as disk:
        spool = Spool(disk.path + "/spool")
        world = start_world(simple())
        agent = make_agent(world, where=spool).start()
        filler = disk.path + "/filler"
        with open(filler, "wb") as file:
            file.write(b"\0" * (disk.free() - (64 << 10)))
        big = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10_000
        with Lmtp(spool("lmtp.sock")) as client:
            assert client.command("MAIL FROM:<a@b.example>").code in (250, 452)
            client.command("RSET")
            client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ann@d1.example>\r\nRCPT TO:<bob@d1.example>\r\nDATA\r\n")
            replies = client.replies(4)
            if replies[-1].code == 354:
                client.send(big + b".\r\n")
                replies = client.replies(2)
                assert [(reply.code, reply.text[:5]) for reply in replies] == [(452, "4.3.1")] * 2
            else:
                assert [reply.text[:5] for reply in replies if reply.code == 452] == ["4.3.1"] * sum(
                    reply.code == 452 for reply in replies) and replies[0].code == 452
        assert not world.received() and agent.running
        with open(filler, "wb"):
            pass

        def taken():
            with Lmtp(spool("lmtp.sock")) as client:
                client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ann@d1.example>\r\nDATA\r\n")
                if client.replies(3)[-1].code != 354:
                    return False
                client.send(big + b".\r\n")
                return client.reply().code == 250
        waiting.until(taken, every=0.2)
        waiting.until(lambda: world.received() == {"ann@d1.example": 1}, what=world.received)
        agent.stop()
