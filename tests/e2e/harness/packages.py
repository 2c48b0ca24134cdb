"""Debian packages as test peers: downloaded and unpacked into the build folder, never installed on the host.

The folder is laid over /usr and /etc of the test process alone (see isolation.overlay), so that programs find their
libraries and files where they expect them. What can't be had fails the test that wants it, with apt's words.
"""
import fcntl
import os
import shutil
import subprocess

from . import isolation
from .folders import PEERS

WANTED = ("ldnsutils", "nsd", "postfix", "unbound")
_ROOT = os.path.join(PEERS, "root")
_provided = False


class Unavailable(AssertionError):
    pass


def _apt(*arguments, cwd=None):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    done = subprocess.run(arguments, cwd=cwd, env=environment, preexec_fn=isolation.outside, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(arguments)}: {done.stdout.strip()[-2000:]}")
    return done.stdout


def _missing():
    """The wanted packages and what they need, as far as this host hasn't installed it."""
    said = _apt("apt-get", "install", "-s", "--no-install-recommends", *WANTED)
    return [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]


def _download(folder):
    def fetch():
        names = _missing()
        if names:
            _apt("apt-get", "download", "-o", "APT::Sandbox::User=root", *names, cwd=folder)
    try:
        fetch()
    except Unavailable:  # stale or no package lists
        _apt("apt-get", "update")
        fetch()


def _unpack():
    archives = os.path.join(PEERS, "archives")
    shutil.rmtree(_ROOT, ignore_errors=True)
    for folder in (archives, _ROOT + "/etc", _ROOT + "/usr"):
        os.makedirs(folder, exist_ok=True)
    _download(archives)
    for archive in sorted(os.listdir(archives)):
        subprocess.run(["dpkg", "-x", os.path.join(archives, archive), _ROOT], check=True)
    for old in ("bin", "sbin", "lib", "lib64"):  # /usr is merged on the host, not in every package
        if os.path.isdir(f"{_ROOT}/{old}"):
            subprocess.run(["cp", "-a", f"{_ROOT}/{old}", f"{_ROOT}/usr/"], check=True)
            shutil.rmtree(f"{_ROOT}/{old}")
    shutil.rmtree(archives)


def _complete():
    try:
        with open(_ROOT + "/complete", encoding="ascii") as complete:
            return complete.read() == " ".join(WANTED)
    except OSError:
        return False


def program(name):
    """Where a program of the wanted packages is, once they are provided."""
    return shutil.which(name, path="/usr/sbin:/usr/bin")


def provide():
    """Makes the programs of the wanted packages usable in this test process."""
    global _provided
    if _provided:
        return
    os.makedirs(PEERS, exist_ok=True)
    with open(os.path.join(PEERS, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete():
            _unpack()
            with open(_ROOT + "/complete", "w", encoding="ascii") as complete:
                complete.write(" ".join(WANTED))
    isolation.overlay("/usr", _ROOT + "/usr")
    subprocess.run(["cp", "-a", _ROOT + "/etc/.", "/etc/"], check=True)
    _provided = True
