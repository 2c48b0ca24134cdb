#!/usr/bin/python3
"""Drops a benchmark's workload into a spool as its writers would: composed in tmp/, synced, renamed into new/.

inject.py SPOOL MSGS RCPTS DOMAINS BODY WORLD ONLY_HEALTHY
Recipient g is u<g>@d<g % DOMAINS>.test; message i has recipients i*RCPTS to i*RCPTS+RCPTS-1. WORLD ("0=dead,2=silent" or
"-") names the last digits of domains that are not healthy; ONLY_HEALTHY=1 leaves their recipients out.
"""
import os
import sys

spool, msgs, rcpts, domains, body, world, only_healthy = sys.argv[1:]
msgs, rcpts, domains, body = int(msgs), int(rcpts), int(domains), int(body)
bad = {item.split("=")[0] for item in world.split(",")} if only_healthy == "1" and world != "-" else set()

text = "".join(chr(ord("a") + i % 26) if i % 72 < 70 else "\r\n"[i % 72 - 70] for i in range(body))
content = (
    "From: Bench <bounce@sender.test>\r\nTo: list@sender.test\r\nSubject: bench\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <bench@sender.test>\r\n\r\n" + text + "\r\n.\r\n"
)
for i in range(msgs):
    chosen = [g for g in range(i * rcpts, (i + 1) * rcpts) if str(g % domains)[-1] not in bad]
    if not chosen:
        continue
    head = "MAIL FROM:<bounce@sender.test>\r\n" + "".join(f"RCPT TO:<u{g}@d{g % domains}.test>\r\n" for g in chosen)
    composed = f"{spool}/tmp/bench-{i:07}"
    with open(composed, "w", encoding="ascii", newline="") as drop:
        drop.write(head + "DATA\r\n" + content)
        drop.flush()
        os.fsync(drop.fileno())
    os.rename(composed, f"{spool}/new/bench-{i:07}")
