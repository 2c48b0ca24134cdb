"""Certificates for mail hosts that are real programs, by the openssl command (the world makes its own)."""
import os
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """Signs what `valid` asks for; its own certificate is the file `ca`."""

    def __init__(self, home):
        os.makedirs(home, exist_ok=True)
        self.home, self.ca, self._key = home, home + "/ca.pem", home + "/ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", "/CN=Tests' authority", "-keyout", self._key, "-out", self.ca)

    def valid(self, *names):
        """A file with the key and the certificate of a host with these names."""
        base = f"{self.home}/{names[0]}"
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
                 "-addext", "subjectAltName=" + ",".join("DNS:" + name for name in names), "-keyout", base + ".key",
                 "-out", base + ".csr")
        _openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "30",
                 "-copy_extensions", "copy", "-out", base + ".crt")
        with open(base + ".pem", "wb") as chain:
            for part in (base + ".key", base + ".crt"):
                with open(part, "rb") as file:
                    chain.write(file.read())
        return base + ".pem"
