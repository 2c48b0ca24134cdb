"""Where things are."""
import os

E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(E2E))
BUILD = os.environ.get("BULKMAIL_BUILD") or os.path.join(ROOT, "build")
PEERS = os.path.join(BUILD, "peers")  # unpacked Debian packages, git-ignored
BULKMAIL = os.environ.get("BULKMAIL") or os.path.join(BUILD, "release", "agent", "bulkmail")


def world_program():
    """The embedded loopback world, wherever the build put it."""
    if os.environ.get("BULKMAIL_WORLD"):
        return os.environ["BULKMAIL_WORLD"]
    for folder, _, files in os.walk(os.path.join(BUILD, "release", "tests")):
        if "bulkmail-world" in files:
            return os.path.join(folder, "bulkmail-world")
    return os.path.join(BUILD, "release", "tests", "world", "bulkmail-world")
