#!/usr/bin/python3
"""Messages a second over one session on a long path, beside Postfix in the same run.

One mail host whose replies come a round trip later, with CHUNKING and without; both senders may have one session to it and
begin with a full queue. The rate is that of the messages between the first that the host took and the last.
"""
import argparse
import os
import subprocess

from rig import Rig, Table, TEXT, World, isolation, median, scratch, waiting

from harness import packages  # noqa: E402  (rig has set the path)

EXTENSIONS = ["PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES"]
LIMITS = {"with CHUNKING": 10, "without": 1.5}  # times Postfix's rate, at least
SERVICES = """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def script(options, chunking):
    return {"log_messages": False, "sha256": False, "names": {"far.example": {"MX": ["10 mx.far.example"]}}, "hosts": {
        "mx.far.example": {"address": "127.0.2.1", "latency": options.round_trip,
                           "extensions": EXTENSIONS + (["CHUNKING"] if chunking else [])}}}


def rate(world, count, options):
    waiting.until(lambda: world.summary()["totals"]["messages"] >= count, options.patience,
                  lambda: str(world.summary()["totals"]), every=0.2)
    totals, host = world.summary()["totals"], world.summary()["hosts"]["mx.far.example"]
    assert (totals["messages"], totals["recipients"]) == (count, count), totals
    assert host["max_open"] == 1, host
    return (count - 1) / (totals["last_message"] - totals["first_message"])


def bulkmail(home, options, chunking):
    with Rig(home, script(options, chunking), {"smtp.connections_per_site": 1}) as rig:
        for number in range(options.messages):
            rig.drop(f"mail-{number}", [f"r{number}@far.example"], TEXT[:options.size])
        rig.start()
        return rate(rig.world, options.messages, options)


def postfix(home, options, chunking):
    packages.provide()
    for name, number in (("postfix", 62001), ("postdrop", 62002)):
        isolation.add_account(name, number)
    os.makedirs(home)
    world = World(home + "/world", script(options, chunking))
    port = world.settings()["smtp.port"]
    conf = home + "/conf"
    for folder in ("conf", "queue", "data"):
        os.makedirs(f"{home}/{folder}")
    os.chown(home + "/data", 62001, 62001)
    with open(conf + "/main.cf", "w", encoding="ascii") as file:
        file.write(f"""\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
meta_directory = /etc/postfix
myhostname = relay.example
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
relayhost = [127.0.2.1]:{port}
smtp_destination_concurrency_limit = 1
smtp_tls_security_level = none
in_flow_delay = 0
""")
    with open(conf + "/master.cf", "w", encoding="ascii") as file:
        file.write(SERVICES)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": isolation.child}
    subprocess.run(["postfix", "-c", conf, "check"], check=True, **quiet)
    text = b"Subject: bench\n\n" + TEXT[:options.size].replace(b"\r\n", b"\n")
    for number in range(options.messages):  # they wait in maildrop/
        subprocess.run(["sendmail", "-C", conf, "-f", "list@sender.example", f"r{number}@far.example"], check=True,
                       input=text, **{key: value for key, value in quiet.items() if key != "stdin"})
    master = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-s", "-c", conf], start_new_session=True, **quiet)
    try:
        return rate(world, options.messages, options)
    finally:
        master.terminate()
        master.wait()
        world.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--size", type=int, default=4096, help="octets of a message")
    parser.add_argument("--round-trip", default="100ms")
    parser.add_argument("-n", type=int, default=3, help="runs of each")
    parser.add_argument("--patience", type=float, default=300)
    options = parser.parse_args()
    table = Table("host", "bulkmail", "Postfix", "times as many", "at least")
    with scratch() as home:
        os.chmod(os.path.dirname(home), 0o755)  # Postfix's processes are nobody special
        for number, (name, least) in enumerate(LIMITS.items()):
            runs = [[send(f"{home}/{number}-{run}-{send.__name__}", options, name == "with CHUNKING") for run in range(options.n)]
                    for send in (bulkmail, postfix)]
            ours, theirs = (median(found) for found in runs)
            table.row(name, f"{ours:.1f}/s", f"{theirs:.1f}/s", f"{ours / theirs:.1f}", str(least))
            if ours < least * theirs:
                table.broken.append(name)
    print(f"{options.messages} messages of {options.size} octets over one session, round trip {options.round_trip}")
    table.end()


main()
