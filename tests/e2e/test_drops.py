"""The spool's contract: how drops appear, what is refused and how, what is left alone, whose everything is."""
import hashlib
import os
import shutil
import socket
import stat
import time

import pytest

from harness import isolation, waiting
from harness.folders import BULKMAIL
from harness.spool import MESSAGE, Spool, bsmtp, digest, only
from harness.world import simple

OLD = 61  # seconds: older than what a half-written file is given


def good(recipient="ann@d1.example", text=b"Hello."):
    return bsmtp("list@sender.example", [recipient], MESSAGE[:-1] + [text])


def age(path, seconds=OLD):
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


@pytest.mark.parametrize("how", ["rename", "link"])
def test_a_drop_is_seen_however_it_appears(start_world, start_agent, spool, how):
    world = start_world(simple())
    start_agent(world, {"spool.rescan": "1h"})  # by events alone
    for i in range(20):
        spool.drop(f"mail-{i}", good(f"r{i}@d1.example"), how)
    for i in range(20):
        spool.final(f"mail-{i}")
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(20)}


def test_a_drop_that_was_there_before_the_agent_is_taken_at_start(start_world, make_agent, spool):
    world = start_world(simple())
    spool.drop("early", good())
    agent = make_agent(world, {"spool.rescan": "1h"}).start()
    assert only(spool.final("early"))["action"] == "relayed"
    agent.stop()


def test_a_file_written_in_place_is_found_by_the_rescan(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"spool.rescan": "200ms"})
    path = spool("new", "in-place")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o660)
    whole = good()
    os.write(descriptor, whole[:40])
    waiting.stays(lambda: spool.status("in-place") is None and os.path.exists(path), 1, "an incomplete drop waits")
    os.write(descriptor, whole[40:])
    os.close(descriptor)
    assert only(spool.final("in-place"))["action"] == "relayed"


def test_a_hard_link_is_left_alone_until_it_is_single(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world, {"spool.rescan": "200ms"})
    path = spool.write("linked", good())
    os.link(path, spool("new", "linked"))
    status = spool.when("linked", lambda status: "error" in status, 6)
    assert status["final"] is False
    assert os.path.exists(spool("new", "linked")) and not world.received()
    os.unlink(path)
    assert only(spool.final("linked"))["action"] == "relayed"


def test_what_is_no_regular_file_is_never_touched(start_world, start_agent, spool, home):
    outside = home + "/outside"
    with open(outside, "wb") as file:
        file.write(good())
    os.symlink(outside, spool("new", "symlink"))
    os.symlink("/nowhere", spool("new", "dangling"))
    os.mkfifo(spool("new", "fifo"))
    os.mkdir(spool("new", "folder"))
    os.mknod(spool("new", "device"), 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(spool("new", "socket"))
    names = spool.names("new")
    world = start_world(simple())
    agent = start_agent(world, {"spool.rescan": "100ms"})
    spool.drop("good", good())
    spool.final("good")
    assert agent.command("flush").returncode == 0
    waiting.stays(lambda: spool.names("new") == names, 0.5, "all of it is still there")
    assert world.received() == {"ann@d1.example": 1}
    assert spool.names("bad") == [] and os.path.exists(outside)


@pytest.mark.parametrize("name", [".hidden", "temp.4711.host", "draft.tmp"])
def test_writers_work_in_progress_is_left_alone(start_world, start_agent, spool, name):
    world = start_world(simple())
    start_agent(world, {"spool.rescan": "100ms"})
    spool.drop(name, good())
    spool.drop("good", good("bob@d1.example"))
    spool.final("good")
    waiting.stays(lambda: spool.names("new") == [name], 0.4)
    assert world.received() == {"bob@d1.example": 1}
    os.rename(spool("new", name), spool("new", "finished"))
    assert only(spool.final("finished"))["action"] == "relayed"


@pytest.mark.parametrize("name", [b"new\nline", b"sp ace", b"x" * 201, b"x" * 255, b"\xff\xfe", "gr\u00fc\u00dfe".encode(),
                                  b"semi;colon", b"back\\slash", b"quo\"te", b"\x01"],
                         ids=lambda name: name.hex()[:16])
def test_a_hostile_name_is_refused_under_a_name_of_ours(start_world, start_agent, spool, name):
    world = start_world(simple())
    start_agent(world)
    data = good()
    temporary = spool.write("ok", data)
    os.rename(os.fsencode(temporary), os.fsencode(spool("new")) + b"/" + name)
    refused = "bad-" + hashlib.sha256(name).hexdigest()[:16]
    status = spool.refused(refused)
    assert status["error"]["name"] and status["recipients"] == []
    assert spool.read("bad", refused) == data
    assert spool.names("new") == [] and not world.received()


@pytest.mark.parametrize("name", ["a", "x" * 200, "A-z0.9_=,:+@-", "1vXyz-000001-AB", "q1-2"])
def test_a_name_of_allowed_characters_is_the_id(start_world, start_agent, spool, name):
    world = start_world(simple())
    start_agent(world)
    spool.drop(name, good())
    status = spool.final(name)
    assert (status["id"], status["name"]) == (name, name)


REFUSED = {
    "an unknown verb": b"MAIL FROM:<a@b.example>\nVRFY x\nRCPT TO:<ann@d1.example>\nDATA\nx\n.\n",
    "an unknown parameter": b"MAIL FROM:<a@b.example> MAGIC=1\nRCPT TO:<ann@d1.example>\nDATA\nx\n.\n",
    "an unknown recipient parameter": b"MAIL FROM:<a@b.example>\nRCPT TO:<ann@d1.example> MAGIC=1\nDATA\nx\n.\n",
    "garbage": b"\x7f\x01\x02\xff\x00garbage without any sense\n\x00\x01\n" * 3,
    "bytes behind QUIT": b"MAIL FROM:<a@b.example>\nRCPT TO:<ann@d1.example>\nDATA\nx\n.\nQUIT\nmore\n",
    "a second message": good() + good(),
    "no recipient": b"MAIL FROM:<a@b.example>\nDATA\nx\n.\n",
    "NUL in the sender": b"MAIL FROM:<a\0@b.example>\nRCPT TO:<ann@d1.example>\nDATA\nx\n.\n",
    "CR in a recipient": b"MAIL FROM:<a@b.example>\nRCPT TO:<an\rn@d1.example>\nDATA\nx\n.\n",
    "a malformed sender": b"MAIL FROM:<a b@>\nRCPT TO:<ann@d1.example>\nDATA\nx\n.\n",
    "NUL in a nullmailer recipient": b"a@b.example\nan\0n@d1.example\n\nx\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_a_drop_that_more_bytes_cannot_mend_is_refused_at_once_and_kept(start_world, start_agent, spool, data):
    world = start_world(simple())
    start_agent(world)
    spool.drop("wrong", data)
    status = spool.refused("wrong")
    assert status["version"] == 1 and status["id"] == "wrong" and status["recipients"] == []
    assert status["error"]["code"] and status["error"]["text"]
    assert spool.read("bad", "wrong") == data
    assert spool.names("new") == [] and spool.names("cur") == [] and not world.received()
    assert [line["event"] for line in waiting.until(spool.results)] == ["refused"]


CUT = {
    "empty": b"",
    "a cut envelope": b"MAIL FROM:<a@b.example>\nRCPT TO:<ann@d1.exa",
    "no DATA": b"MAIL FROM:<a@b.example>\nRCPT TO:<ann@d1.example>\n",
    "no final dot": b"MAIL FROM:<a@b.example>\nRCPT TO:<ann@d1.example>\nDATA\nSubject: x\n\nhalf a mess",
    "a nullmailer envelope without its end": b"a@b.example\nann@d1.example\n",
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT.keys())
def test_a_drop_that_ends_early_waits_a_minute_and_is_then_truncated(start_world, start_agent, spool, data):
    world = start_world(simple())
    start_agent(world, {"spool.rescan": "100ms"})
    spool.drop("cut", data)
    waiting.stays(lambda: spool.names("new") == ["cut"] and not spool.names("bad"), 0.5, "it is given time")
    age(spool("new", "cut"))
    status = spool.refused("cut")
    assert status["error"]["code"] == "truncated"
    assert spool.read("bad", "cut") == data and not world.received()


def test_the_same_drop_again_is_a_no_op(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    spool.drop("news", good())
    first = spool.final("news")
    spool.empty()
    spool.drop("news", good())
    waiting.until(lambda: spool.names("new") == [], what="the second one is removed")
    spool.drop("after", good("bob@d1.example"))
    spool.final("after")
    assert world.received() == {"ann@d1.example": 1, "bob@d1.example": 1}
    assert spool.names("status") == ["after.json", "news.json"]
    assert spool.status("news")["digest"] == first["digest"] == digest(good())


def test_a_taken_name_with_other_bytes_is_another_message(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    for number, text in enumerate([b"one", b"two", b"three"]):
        spool.drop("news", good(f"r{number}@d1.example", text))
        expected = "news" if number == 0 else f"news~{number}"
        status = spool.final(expected)
        assert (status["id"], status["name"]) == (expected, "news")
    spool.drop("news", good("r1@d1.example", b"two"))  # the bytes of news~1 again
    waiting.until(lambda: spool.names("new") == [])
    waiting.stays(lambda: spool.status("news~3") is None, 0.5)
    assert world.received() == {"r0@d1.example": 1, "r1@d1.example": 1, "r2@d1.example": 1}


def test_a_name_taken_by_a_message_still_under_way_is_not_overwritten(start_world, start_agent, spool):
    world = start_world(simple(host={"users": {"late@d1.example": "450 4.2.0 later"}}))
    start_agent(world)
    spool.drop("news", good("late@d1.example", b"one"))
    spool.settled("news")
    spool.drop("news", good("ann@d1.example", b"two"))
    assert spool.final("news~1")["name"] == "news"
    assert only(spool.status("news"))["action"] == "delayed"


def test_a_refused_drop_whose_name_is_taken_keeps_both(start_world, start_agent, spool):
    start_agent(start_world(simple()))
    for number, data in enumerate([b"MAIL FROM:<a@b.example>\nNONSENSE\n", b"MAIL FROM:<a@b.example>\nFOLLY\n"]):
        spool.drop("wrong", data)
        name = "wrong" if number == 0 else "wrong~1"
        assert spool.refused(name)["error"]["code"]
        assert spool.read("bad", name) == data


def test_deleting_a_final_status_frees_its_id(start_world, start_agent, spool):
    world = start_world(simple())
    start_agent(world)
    for count in (1, 2):
        spool.drop("news", good())
        spool.final("news")
        spool.empty()
        os.unlink(spool("status", "news.json"))
        assert world.received() == {"ann@d1.example": count}


def test_everything_made_has_its_mode_and_the_spool_owner(start_world, home, make_agent):
    spool = Spool(home + "/owned")
    os.mkdir(spool.path)
    os.chown(spool.path, 61234, 61235)
    os.chmod(spool.path, 0o2751)
    world = start_world(simple(host={"users": {"late@d1.example": "450 4.2.0 later"}}))
    agent = make_agent(world, where=spool).start()  # by root
    spool.drop("news", good())
    spool.drop("later", good("late@d1.example"))
    spool.drop("wrong", b"MAIL FROM:<a@b.example>\nNONSENSE\n")
    for name in ("news", "wrong"):
        spool.final(name)
    spool.settled("later")
    submitted = agent.command("submit", "-f", "a@b.example", "ann@d1.example", stdin=b"Subject: x\n\nx\n")
    assert submitted.returncode == 0, submitted.stderr
    modes = {"": 0o2751, "tmp": 0o3770, "new": 0o3770, "cur": 0o700, "bad": 0o750, "status": 0o2770, "results": 0o2750,
             "journal": 0o700, "state": 0o700, "lmtp.sock": 0o660, "control.sock": 0o600, "lock": 0o600}
    assert {name: oct(spool.mode(name)) for name in modes} == {name: oct(mode) for name, mode in modes.items()}
    for folder, folders, files in os.walk(spool.path):
        if folder in (spool("cur"), spool("bad")):
            continue  # there lie the writer's own files, moved
        for name in folders + files:
            path = os.path.join(folder, name)
            owner = os.lstat(path)
            assert (owner.st_uid, owner.st_gid) == (61234, 61235), path
    agent.stop()


def test_started_by_root_the_agent_becomes_its_user(start_world, home, make_agent):
    isolation.add_account("bulkmail", 61236)
    try:
        spool = Spool(home + "/owned")
        world = start_world(simple())
        agent = make_agent(world, where=spool).start()
        with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as file:
            ids = [line.split()[1:] for line in file if line.startswith(("Uid:", "Gid:"))]
        assert ids == [["61236"] * 4] * 2
        top = os.stat(spool.path)
        assert (top.st_uid, top.st_gid) == (61236, 61236)
        path = spool.write("news", good())
        os.chown(path, 61236, 61236)
        os.rename(path, spool("new", "news"))
        assert only(spool.final("news"))["action"] == "relayed"
        agent.stop()
    finally:
        isolation.forget_account("bulkmail")


def test_an_unreadable_drop_is_reported_left_and_taken_once_it_is_readable(start_world, home, make_agent):
    spool = Spool(home + "/owned")
    os.mkdir(spool.path)
    os.chown(spool.path, 61237, 61237)

    def become():
        os.setgroups([])
        os.setgid(61237)
        os.setuid(61237)
    program = shutil.copy(BULKMAIL, home)  # where every user may run it
    world = start_world(simple())
    agent = make_agent(world, {"spool.rescan": "200ms"}, where=spool, preexec_fn=become, program=program).start()
    path = spool.write("secret", good(), mode=0o600)  # root's
    os.rename(path, spool("new", "secret"))
    status = spool.when("secret", lambda status: "error" in status)
    assert status["final"] is False
    assert spool.names("new") == ["secret"] and spool.names("bad") == []
    os.chown(spool("new", "secret"), 61237, 61237)
    assert only(spool.final("secret"))["action"] == "relayed"
    agent.stop()


def test_a_drop_deleted_after_the_claim_is_still_delivered(start_world, start_agent, spool):
    world = start_world(simple(save="received", host={"at": {"greeting": {"delay": "1500ms"}}}))
    start_agent(world)
    spool.drop("gone", good())
    waiting.until(lambda: spool.names("cur"))
    world.wait_for("connect")
    for name in spool.names("cur"):
        os.unlink(spool("cur", name))
    assert only(spool.final("gone"))["action"] == "relayed"
    assert world.received() == {"ann@d1.example": 1}


def test_a_drop_changed_after_the_claim_is_not_sent(start_world, start_agent, spool):
    world = start_world(simple(host={"at": {"greeting": {"delay": "1500ms"}}}))
    start_agent(world)
    path = spool.write("changed", bsmtp("a@b.example", ["ann@d1.example"], MESSAGE + [b"x" * 70] * 20000))
    with open(path, "r+b") as held:
        os.rename(path, spool("new", "changed"))
        waiting.until(lambda: spool.names("cur"))
        world.wait_for("connect")
        held.seek(1_000_000)
        held.write(b"TAMPERED")
        held.flush()
        status = spool.refused("changed")
    assert status["error"]["code"] and status["recipients"] == []
    assert spool.names("cur") == []
    assert not world.received()
