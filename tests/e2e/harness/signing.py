"""Keys that sign, and what checks their signatures: dkimpy (Debian's python3-dkim), which is not ours."""
import base64
import json
import os
import subprocess

import dkim


class Key:
    """A new private key in a file, and its record."""

    def __init__(self, folder, name, algorithm="ed25519", bits=2048):
        self.path = f"{folder}/{name}.pem"
        self.make(algorithm, bits)

    def make(self, algorithm="ed25519", bits=2048):
        how = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"] if algorithm == "rsa" else ["-algorithm", algorithm]
        subprocess.run(["openssl", "genpkey", *how, "-out", self.path], check=True, stderr=subprocess.DEVNULL)
        os.chmod(self.path, 0o640)
        public = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True,
                                stdout=subprocess.PIPE).stdout
        if algorithm != "rsa":  # RFC 8463 section 4.2: the bare key
            public = public[-32:]
        self.record = f"v=DKIM1; k={algorithm}; p={base64.b64encode(public).decode()}"


def entry(domain, selector, key, **more):
    """A [[dkim]] entry."""
    return {"domain": domain, "selector": selector, "key_file": key.path, **more}


def config(path, entries):
    """A configuration with these entries."""
    with open(path, "w", encoding="ascii") as file:
        for one in entries:
            file.write("[[dkim]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items()))
    return path


def records(entries, keys):
    """What the DNS has to say: by name."""
    return {f"{one['selector']}._domainkey.{one['domain']}.": key.record for one, key in zip(entries, keys)}


def signatures(octets):
    """The DKIM-Signature fields that a message begins with, and the rest of it, byte for byte."""
    fields = []
    while octets.startswith(b"DKIM-Signature:"):
        end = octets.index(b"\r\n") + 2
        while octets[end:end + 1] in (b"\t", b" "):
            end = octets.index(b"\r\n", end) + 2
        fields.append(octets[:end])
        octets = octets[end:]
    return fields, octets


def verified(octets, dns):
    """(d, s) of each signature at the message's beginning that the DNS has a key for; all of them must hold."""
    found = []
    for i, _ in enumerate(signatures(octets)[0]):
        check, asked = dkim.DKIM(octets), []

        def answer(name, timeout=5):
            asked.append(name.decode())
            return dns.get(asked[-1], "").encode() or None
        held = check.verify(i, dnsfunc=answer)
        if asked[-1] in dns:
            assert held, (i, octets[:3000])
            found.append((check.domain.decode(), check.selector.decode()))
    return found
