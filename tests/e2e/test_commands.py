"""The command line: what each subcommand does, prints and exits with, and what signals do."""
import datetime
import json
import os
import signal
import subprocess
import time

import pytest

from harness import isolation, waiting
from harness.agent import bulkmail
from harness.folders import BULKMAIL
from harness.spool import MESSAGE, Spool, bsmtp, only, wire
from harness.world import simple

LATER = {"users": {"late@*": "450 4.2.0 later", "late@d1.example": "450 4.2.0 later", "late@d2.example": "450 4.2.0 later"}}


def delayed_world(start_world, domains=1):
    """late@ is told to come again, until the world is reloaded with simple()."""
    return start_world(simple(domains=domains, host=LATER))


def quiet(done, code=0):
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


# run

def test_a_second_agent_on_the_spool_exits_75(start_agent, make_agent):
    start_agent()
    second = make_agent()
    second.start(wait=False)
    assert second.process.wait(10) == 75


def test_two_agents_live_on_two_spools(start_world, start_agent, home):
    world = start_world(simple())
    for name in ("one", "two"):
        spool = Spool(f"{home}/{name}")
        start_agent(world, where=spool)
        spool.send("mail", [f"{name}@d1.example"])
        spool.final("mail")
    assert world.received() == {"one@d1.example": 1, "two@d1.example": 1}


def test_an_unusable_spool_exits_75(make_agent, home):
    with open(home + "/file", "wb"):
        pass
    agent = make_agent(where=Spool(home + "/file"))
    agent.start(wait=False)
    assert agent.process.wait(10) == 75 and agent.log()


def test_term_ends_an_idle_agent_at_once(start_agent):
    agent = start_agent()
    began = time.monotonic()
    agent.stop()
    assert time.monotonic() - began < 2


def test_term_in_mid_data_claims_nothing_more_and_drops_before_the_dot(start_world, make_agent, spool):
    world = start_world(simple(host={"when": [{"rcpt": "stuck@d1.example", "at": {"content": {"after": 0, "then": "deaf"}}}]}, log_commands=True))
    agent = make_agent(world, {"stop_timeout": "1s"}).start()
    spool.send("stuck", ["stuck@d1.example"], MESSAGE + [b"x" * 70] * 300_000)
    world.wait_for("command", line="DATA")
    waiting.stays(lambda: agent.running, 0.3)
    agent.signal(signal.SIGTERM)
    time.sleep(0.2)  # the signal and an event of new/ may come in either order
    spool.send("new", ["ann@d1.example"])
    began = time.monotonic()
    assert agent.process.wait(10) == 0
    assert 0.5 < time.monotonic() - began < 5
    assert spool.names("new") == ["new"], "no new claims after TERM"
    assert not world.received()
    world.reload(simple())
    agent.start()
    assert only(spool.final("stuck"))["action"] == "relayed"
    assert only(spool.final("new"))["action"] == "relayed"
    assert world.received() == {"stuck@d1.example": 1, "ann@d1.example": 1}
    agent.stop()


def test_term_after_the_dot_waits_for_the_reply(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"end_of_data": {"delay": "2s"}}}, log_commands=True))
    agent = make_agent(world, {"stop_timeout": "10s"}).start()
    spool.send("mail", ["ann@d1.example"])
    world.wait_for("command", line="DATA")
    waiting.stays(lambda: agent.running, 0.5, "the dot is on its way")
    agent.stop()
    assert only(spool.status("mail"))["action"] == "relayed"
    assert spool.status("mail")["final"] is True
    assert world.received() == {"ann@d1.example": 1}


def test_a_second_term_ends_it_at_once(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"end_of_data": {"delay": "30s"}}}, log_commands=True))
    agent = make_agent(world, {"stop_timeout": "30s"}).start()
    spool.send("mail", ["ann@d1.example"])
    world.wait_for("command", line="DATA")
    agent.signal(signal.SIGTERM)
    waiting.stays(lambda: agent.running, 0.5, "it waits for what is in flight")
    agent.signal(signal.SIGTERM)
    agent.process.wait(3)


def test_hup_takes_a_new_configuration_and_keeps_the_old_one_when_it_is_broken(start_world, start_agent, spool, home):
    world = start_world(simple())
    config = home + "/bulkmail.toml"
    with open(config, "w", encoding="ascii") as file:
        file.write('[status]\ndetail = "all"\n')
    agent = start_agent(world, config=config)
    with open(config, "w", encoding="ascii") as file:
        file.write('[status]\ndetial = "failures"\n')
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: "detial" in agent.log(), what=agent.log)
    spool.send("one", ["ann@d1.example"])
    assert len(spool.final("one")["recipients"]) == 1
    with open(config, "w", encoding="ascii") as file:
        file.write('[status]\ndetail = "failures"\n')
    agent.signal(signal.SIGHUP)
    attempt = iter(range(100))

    def taken():
        name = f"next-{next(attempt)}"
        spool.send(name, ["ann@d1.example"])
        return spool.final(name)["recipients"] == []
    waiting.until(taken, every=0.2)


def test_hup_reopens_the_log_file(start_agent, home):
    target = home + "/bulkmail.log"
    agent = start_agent(settings={"log.target": target, "log.level": "debug"})
    assert os.path.exists(target)
    os.rename(target, target + ".1")
    agent.signal(signal.SIGHUP)
    waiting.until(lambda: os.path.exists(target))


@pytest.mark.parametrize("way", ["ALRM", "flush"])
def test_a_flush_tries_what_is_delayed(start_world, start_agent, spool, way):
    world = delayed_world(start_world)
    agent = start_agent(world)
    spool.send("mail", ["late@d1.example"])
    assert only(spool.settled("mail"))["action"] == "delayed"
    world.reload(simple())
    if way == "ALRM":
        agent.signal(signal.SIGALRM)
    else:
        quiet(agent.command("flush"))
    recipient = only(spool.final("mail"))
    assert (recipient["action"], recipient["attempts"]) == ("relayed", 2)


def test_usr1_dumps_the_state_to_the_log(start_world, start_agent, spool):
    agent = start_agent(delayed_world(start_world))
    spool.send("dumped-mail", ["late@d1.example"])
    spool.settled("dumped-mail")
    before = len(agent.log())
    agent.signal(signal.SIGUSR1)
    waiting.until(lambda: len(agent.log()) > before, what=agent.log)
    agent.command("ping")
    assert agent.running


def test_the_log_tells_each_attempt(start_world, start_agent, spool):
    agent = start_agent(start_world(simple()))
    spool.send("logged", ["ann@d1.example"])
    spool.final("logged")
    line = waiting.until(lambda: next((line for line in agent.log().splitlines() if "logged" in line and "mx1.example" in line), None),
                         what=agent.log)
    assert "250" in line


def test_json_log_lines_are_json(start_world, start_agent, spool):
    agent = start_agent(start_world(simple()), {"log.format": "json"})
    spool.send("logged", ["ann@d1.example"])
    spool.final("logged")
    lines = agent.log().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_with_closed_descriptors_nothing_is_written_into_the_wrong_file(start_world, make_agent, spool, closed):
    def close():
        for descriptor in closed:
            os.close(descriptor)
    world = start_world(simple())
    agent = make_agent(world, preexec_fn=close).start()
    for descriptor in closed:
        assert os.readlink(f"/proc/{agent.process.pid}/fd/{descriptor}") == "/dev/null"
    spool.send("mail", ["ann@d1.example"])
    assert only(spool.final("mail"))["action"] == "relayed"
    agent.stop()


def test_submit_with_closed_output_still_submits(start_world, start_agent, spool):
    world = start_world(simple())
    agent = start_agent(world)

    def close():
        isolation.child()
        os.close(1)
        os.close(2)
    done = agent.command("submit", "-f", "a@b.example", "--id", "sub", "ann@d1.example", stdin=b"Subject: x\n\nx\n", preexec_fn=close)
    assert done.returncode == 0
    assert only(spool.final("sub"))["action"] == "relayed"


# ping

def test_ping_tells_whether_an_agent_is_there(start_agent, make_agent):
    agent = make_agent()
    assert agent.command("ping").returncode == 69
    agent.start()
    assert agent.command("ping").returncode == 0
    agent.stop()
    assert agent.command("ping").returncode == 69


def test_ping_fails_when_the_agent_makes_no_progress(start_agent):
    agent = start_agent()
    agent.signal(signal.SIGSTOP)
    try:
        assert agent.command("ping").returncode == 69
    finally:
        agent.signal(signal.SIGCONT)
    waiting.until(lambda: agent.command("ping").returncode == 0)


# drain

def test_drain_delivers_what_is_due_in_silence(start_world, make_agent, spool):
    world = start_world(simple(domains=5))
    agent = make_agent(world)
    for i in range(20):
        spool.send(f"mail-{i}", [f"r{i}@d{i % 5 + 1}.example"])
    quiet(agent.command("drain"))
    for i in range(20):
        assert spool.status(f"mail-{i}")["final"] is True
    assert len(world.received()) == 20
    assert spool.names("new") == spool.names("cur") == []


def test_drain_shows_its_progress_on_a_terminal_alone(start_world, make_agent, spool):
    agent = make_agent(start_world(simple(host={"latency": "100ms"})), {"smtp.connections_per_site": 1})
    for i in range(10):
        spool.send(f"mail-{i}", [f"r{i}@d1.example"])
    ours, theirs = os.openpty()
    drain = subprocess.Popen([BULKMAIL, *agent.arguments("drain")], stderr=theirs, preexec_fn=isolation.child)
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # the last writer is gone
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert drain.wait(20) == 0 and shown
    assert spool.status("mail-9")["final"]


def test_drain_of_an_empty_spool_is_quick_and_quiet(make_agent):
    began = time.monotonic()
    quiet(make_agent().command("drain"))
    assert time.monotonic() - began < 2


def test_drain_exits_0_with_mail_left_and_75_when_strict(start_world, make_agent, spool):
    agent = make_agent(delayed_world(start_world))
    spool.send("mail", ["late@d1.example", "ann@d1.example"])
    quiet(agent.command("drain"))
    assert spool.status("mail")["counts"]["delayed"] == 1
    assert agent.command("drain", "--strict").returncode == 75


def test_drain_leaves_what_is_not_due_unless_forced(start_world, make_agent, spool):
    world = delayed_world(start_world)
    agent = make_agent(world)
    spool.send("mail", ["late@d1.example"])
    quiet(agent.command("drain"))
    world.reload(simple())
    quiet(agent.command("drain"))
    assert only(spool.status("mail"))["action"] == "delayed"
    quiet(agent.command("drain", "--force"))
    assert only(spool.status("mail"))["action"] == "relayed"


def test_drain_beside_a_running_agent_asks_it_to_flush(start_world, start_agent, spool):
    world = delayed_world(start_world)
    agent = start_agent(world)
    spool.send("mail", ["late@d1.example"])
    spool.settled("mail")
    world.reload(simple())
    quiet(agent.command("drain", "--strict"))
    assert only(spool.final("mail"))["action"] == "relayed"


def test_drain_begins_nothing_after_its_max_time(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"end_of_data": {"delay": "1s"}}}))
    agent = make_agent(world, {"smtp.connections_per_site": 1, "smtp.recipients_per_transaction": 1})
    spool.send("mail", [f"r{i}@d1.example" for i in range(30)])
    began = time.monotonic()
    done = agent.command("drain", "--max-time", "2s")
    assert done.returncode == 0
    assert time.monotonic() - began < 6
    counts = spool.status("mail")["counts"]
    assert 1 <= counts["relayed"] <= 6 and counts["failed"] == 0
    assert len(world.received()) == counts["relayed"]


def test_a_drain_that_meets_a_drain_exits_0_in_silence(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"greeting": {"delay": "3s"}}}))
    agent = make_agent(world)
    spool.send("mail", ["ann@d1.example"])
    first = subprocess.Popen([BULKMAIL, *agent.arguments("drain")], preexec_fn=isolation.child)
    world.wait_for("connect")
    quiet(agent.command("drain"))
    assert first.poll() is None, "the first one is still at it"
    assert first.wait(20) == 0
    assert only(spool.status("mail"))["action"] == "relayed"


def test_run_waits_for_a_drain_that_has_the_spool(start_world, make_agent, spool):
    world = start_world(simple(host={"at": {"greeting": {"delay": "2s"}}}))
    agent = make_agent(world)
    spool.send("mail", ["ann@d1.example"])
    drain = subprocess.Popen([BULKMAIL, *agent.arguments("drain")], preexec_fn=isolation.child)
    world.wait_for("connect")
    agent.start()
    assert drain.wait(20) == 0
    assert only(spool.final("mail"))["action"] == "relayed"
    assert world.received() == {"ann@d1.example": 1}
    agent.stop()


@pytest.mark.parametrize("arguments", [["--max-time", "soon"], ["--unknown"], ["extra"]], ids=str)
def test_wrong_usage_of_drain_exits_64(make_agent, arguments):
    done = make_agent().command("drain", *arguments)
    assert done.returncode == 64 and done.stderr


# flush

def test_flush_without_an_agent_exits_69(make_agent):
    done = make_agent().command("flush")
    assert done.returncode == 69 and done.stderr


@pytest.mark.parametrize("what", ["domain", "id"])
def test_flush_of_one_domain_or_message_leaves_the_others(start_world, start_agent, spool, what):
    world = delayed_world(start_world, domains=2)
    agent = start_agent(world)
    for i in (1, 2):
        spool.send(f"mail-{i}", [f"late@d{i}.example"])
    for i in (1, 2):
        spool.settled(f"mail-{i}")
    world.reload(simple(domains=2))
    quiet(agent.command("flush", *(["d2.example"] if what == "domain" else ["--id", "mail-2"])))
    assert only(spool.final("mail-2"))["action"] == "relayed"
    assert only(spool.status("mail-1"))["action"] == "delayed"
    assert world.received() == {"late@d2.example": 1}


# submit

def test_submit_is_byte_exact_and_silent(start_world, start_agent, spool):
    world = start_world(simple(save="received"))
    agent = start_agent(world)
    lines = [b"Subject: x", b"", b".", b"..", b"From here", bytes(range(128, 256)), b"x" * 2000, b".last"]
    for name, eol in (("lf", b"\n"), ("crlf", b"\r\n")):
        quiet(agent.command("submit", "-f", "a@b.example", "--id", name, "--", f"{name}@d1.example", "bob@d1.example",
                            stdin=eol.join(lines) + eol))
        status = spool.final(name)
        assert (status["id"], status["sender"], status["counts"]["relayed"]) == (name, "a@b.example", 2)
    assert {world.content(message) for message in world.messages()} == {wire(lines)}


def test_submit_needs_no_agent(make_agent, start_world, spool):
    agent = make_agent(start_world(simple()))
    quiet(agent.command("submit", "-f", "a@b.example", "--id", "early", "ann@d1.example", stdin=b"Subject: x\n\nx\n"))
    assert spool.names("new") == ["early"]
    agent.start()
    assert only(spool.final("early"))["action"] == "relayed"
    agent.stop()


def test_submit_with_a_null_sender(make_agent, start_world, spool):
    agent = make_agent(start_world(simple()))
    quiet(agent.command("submit", "-f", "", "--id", "null", "ann@d1.example", stdin=b"Subject: x\n\nx\n"))
    quiet(agent.command("drain"))
    assert spool.status("null")["sender"] == ""


def test_generated_ids_are_unique_and_sort_by_time(make_agent, spool):
    agent = make_agent()
    seen = []
    for _ in range(5):
        quiet(agent.command("submit", "-f", "a@b.example", "ann@d1.example", stdin=b"Subject: x\n\nx\n"))
        [new] = set(spool.names("new")) - set(seen)
        seen.append(new)
    assert seen == sorted(seen)


def test_submit_takes_any_number_of_bsmtp_transactions(make_agent, start_world, spool):
    world = start_world(simple())
    agent = make_agent(world)
    batch = b"HELO upstream\n" + b"".join(bsmtp("a@b.example", [f"r{i}@d1.example"], MESSAGE) for i in range(3)) + b"QUIT\n"
    quiet(agent.command("submit", "--bsmtp", stdin=batch))
    assert len(spool.names("new")) == 3
    quiet(agent.command("drain"))
    assert world.received() == {f"r{i}@d1.example": 1 for i in range(3)}


@pytest.mark.parametrize("arguments", [[], ["-f", "a@b.example"], ["--unknown", "ann@d1.example"],
                                       ["-f", "a@b.example", "--set", "no.such=1", "ann@d1.example"],
                                       ["-f", "a@b.example", "--config", "/nonexistent.toml", "ann@d1.example"],
                                       ["-f", "a@b.example", "--id", "../../etc/passwd", "ann@d1.example"],
                                       ["-f", "a\nb@c.example", "ann@d1.example"]], ids=str)
def test_submit_exits_0_or_75_and_nothing_else(make_agent, spool, arguments):
    done = make_agent().command("submit", *arguments, stdin=b"Subject: x\n\nx\n")
    assert done.returncode == 75 and done.stderr
    assert spool.names("new") == []


def test_bulkmail_pipe_is_submit(make_agent, start_world, spool, home):
    agent = make_agent(start_world(simple()))
    os.symlink(BULKMAIL, home + "/bulkmail-pipe")
    options = agent.arguments("")[1:]  # all but the subcommand
    done = subprocess.run([home + "/bulkmail-pipe", *options, "-f", "a@b.example", "--id", "4711", "--", "ann@d1.example"],
                          input=b"Subject: x\n\nx\n", capture_output=True, check=False, preexec_fn=isolation.child)
    quiet(done)
    quiet(agent.command("drain"))
    assert only(spool.status("4711"))["action"] == "relayed"


def test_submit_into_a_spool_that_cannot_be_made_exits_75(home):
    with open(home + "/file", "wb"):
        pass
    done = bulkmail("submit", "--spool", home + "/file/spool", "-f", "a@b.example", "ann@d1.example", stdin=b"x\n")
    assert done.returncode == 75 and done.stderr


# check and the configuration

def test_check_of_a_good_file_exits_0(home):
    config = home + "/good.toml"
    with open(config, "w", encoding="ascii") as file:
        file.write('hostname = "relay.example"\n[smtp]\nport = 2525\ntimeouts = { connect = "1s" }\n')
    done = bulkmail("check", "--config", config)
    assert done.returncode == 0, done.stderr


def test_check_says_all_that_is_wrong_with_line_and_column(home):
    config = home + "/bad.toml"
    with open(config, "w", encoding="ascii") as file:
        file.write('hostname = "relay.example"\n[smtp]\nprot = 25\n  connections = "many"\nidle = "soon"\nport = 99999\n')
    done = bulkmail("check", "--config", config)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 78
    for place in ("bad.toml:3:1:", "bad.toml:4:17:", "bad.toml:5:8:", "bad.toml:6:8:"):
        assert place in said, said
    assert "smtp.port" in said, "the nearest known key"


@pytest.mark.parametrize("command", ["run", "drain", "check"])
@pytest.mark.parametrize("wrong", [["--config", "/nonexistent.toml"], ["--set", "smtp.prot=25"], ["--set", "smtp.port=mail"]], ids=str)
def test_a_wrong_configuration_exits_78(home, command, wrong):
    done = bulkmail(command, "--spool", home + "/spool", *wrong)
    assert done.returncode == 78 and done.stderr
    assert not os.path.exists(home + "/spool")


def test_options_stand_before_or_after_the_subcommand_and_the_environment_names_a_file(home):
    config = home + "/env.toml"
    with open(config, "w", encoding="ascii") as file:
        file.write('nonsense = 1\n')
    assert bulkmail("check", environment={"BULKMAIL_CONFIG": config}).returncode == 78
    assert bulkmail("--config", config, "check").returncode == 78
    assert bulkmail("--set", "smtp.port=2525", "check").returncode == 0
    assert bulkmail("check", "--set", "smtp.port=2525").returncode == 0


def test_help_and_version():
    shown = bulkmail("--help")
    assert shown.returncode == 0
    for command in ("run", "ping", "drain", "flush", "submit", "queue", "show", "check"):
        assert command in shown.stdout.decode()
    version = bulkmail("--version")
    assert version.returncode == 0 and b"0.1.0" in version.stdout


# queue and show

def test_queue_and_show_tell_what_waits_and_why(start_world, start_agent, spool):
    agent = start_agent(delayed_world(start_world))
    spool.send("waiting-mail", ["late@d1.example", "ann@d1.example"])
    status = spool.settled("waiting-mail")
    told = json.loads(agent.command("queue", "--json").stdout)
    assert told["agent"]["pid"] == agent.process.pid and told["agent"]["version"] and told["agent"]["uptime_s"] >= 0
    [message] = told["messages"]
    assert message["id"] == "waiting-mail" and message["sender"] == "list@sender.example" and message["size"] == len(wire(MESSAGE))
    assert message["counts"]["delayed"] == 1 and message["counts"]["relayed"] == 1
    assert message["arrival_date"] and message["next_attempt_date"]
    for site in told["sites"]:
        assert {"site", "hosts", "recipients", "sessions", "window", "next_attempt_date", "last_reply"} <= set(site)
    text = agent.command("queue")
    assert text.returncode == 0 and "waiting-mail" in text.stdout.decode()
    shown = agent.command("show", "waiting-mail")
    assert shown.returncode == 0
    for word in ("late@d1.example", "450 4.2.0 later", "99 % in ", "1 recipient: delayed, in "):
        assert word in shown.stdout.decode()
    [line] = json.loads(agent.command("show", "waiting-mail", "--json").stdout)["holding"]
    assert line["cause"] == "delayed" and line["recipients"] == 1
    told, kept = (datetime.datetime.fromisoformat(date) for date in (line["until"], message["next_attempt_date"]))
    assert abs((told - kept).total_seconds()) < 0.05
    # Half of the recipients are done, the other will be with its next attempt.
    forecast = status["forecast"]
    assert forecast["p50"] < message["next_attempt_date"] <= forecast["p99"]


def test_queue_of_an_idle_agent_is_empty(start_agent):
    told = json.loads(start_agent().command("queue", "--json").stdout)
    assert told["messages"] == []


def test_queue_and_show_work_without_an_agent(start_world, make_agent, spool):
    agent = make_agent(delayed_world(start_world))
    spool.send("waiting-mail", ["late@d1.example"])
    quiet(agent.command("drain"))
    listed = agent.command("queue", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [message["id"] for message in json.loads(listed.stdout)["messages"]] == ["waiting-mail"]
    shown = agent.command("show", "waiting-mail")
    assert shown.returncode == 0 and b"late@d1.example" in shown.stdout
