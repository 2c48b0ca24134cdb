#!/usr/bin/python3
"""What a secured session costs: the agent's CPU time of one message a session, in clear and over TLS 1.3 with tickets, and the
difference between the two; beside it openssl's own client, which does nothing but open such sessions (`s_time -reuse`).
"""
import argparse
import os
import re
import resource
import subprocess

from rig import Rig, Table, median, scratch, waiting


def world(secured):
    return {"log_messages": False, "sha256": False, "generate": [{
        "domains": "d%d.example", "count": 20, "hosts": "mx%d.example", "host_count": 20, "address": "127.0.2.%d",
        "host": {"tls": "valid"} if secured else {}}]}


def microseconds_a_session(home, options, secured):
    settings = {"smtp.messages_per_connection": 1, "smtp.connections_per_site": 1, "status.files": "failed"}
    with Rig(home, world(secured), settings) as rig:
        rig.start()
        def send(name, count):
            for number in range(count):
                rig.drop(f"{name}-{number}", (f"ann@d{number % 20 + 1}.example",))
            waiting.until(rig.is_empty, 120, rig.agent.log, every=0.05)
        send("warm-up", 100)
        before = rig.agent.cpu()
        send("mail", options.sessions)
        used = rig.agent.cpu() - before
        connections = sum(host["connections"] for host in rig.world.summary()["hosts"].values())
        assert connections >= options.sessions, f"{connections} sessions"
    return used / options.sessions * 1e6


def openssl_microseconds(home, seconds):
    """User and system time of s_time's, a connection."""
    key, certificate = home + "/key.pem", home + "/certificate.pem"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=mx1.example", "-keyout", key, "-out", certificate], check=True, **quiet)
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.4.1:4433", "-key", key, "-cert", certificate, "-www"],
                              stdin=subprocess.DEVNULL, **quiet)
    try:
        client = ["openssl", "s_time", "-connect", "127.0.4.1:4433", "-www", "/", "-tls1_3", "-reuse", "-time", str(seconds)]
        waiting.until(lambda: subprocess.run(client[:-1] + ["1"], check=False, **quiet).returncode == 0, 10, lambda: "no s_server")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(client, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        server.kill()
        server.wait()
    connections = int(re.findall(r"(\d+) connections in \d+ real seconds", said)[-1])
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / connections * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    table = Table("run", "clear µs", "TLS µs", "difference µs", "openssl µs", "ratio")
    ratios = []
    with scratch() as disk:
        for run in range(options.runs):
            clear = microseconds_a_session(f"{disk}/clear-{run}", options, False)
            secured = microseconds_a_session(f"{disk}/tls-{run}", options, True)
            os.makedirs(f"{disk}/openssl-{run}")
            openssl = openssl_microseconds(f"{disk}/openssl-{run}", 3)
            ratios.append((secured - clear) / openssl)
            table.row(run + 1, round(clear), round(secured), round(secured - clear), round(openssl), f"{ratios[-1]:.2f}")
    table.print()
    print(f"median ratio {median(ratios):.2f}")


if __name__ == "__main__":
    main()
