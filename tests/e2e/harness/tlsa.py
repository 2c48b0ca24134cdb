"""What a TLSA record says of a certificate (RFC 6698 §2.1), by the openssl command."""
import hashlib
import subprocess

CERTIFICATE, PUBLIC_KEY = 0, 1
EXACT, SHA256, SHA512 = 0, 1, 2


def association(certificate, selector, matching):
    """The data of a record for the first certificate in a PEM file."""
    data = _openssl("x509", "-in", certificate, "-outform", "DER")
    if selector == PUBLIC_KEY:
        key = _openssl("x509", "-in", certificate, "-noout", "-pubkey")
        data = _openssl("pkey", "-pubin", "-outform", "DER", stdin=key)
    return {EXACT: lambda: data, SHA256: hashlib.sha256(data).digest, SHA512: hashlib.sha512(data).digest}[matching]()


def _openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
