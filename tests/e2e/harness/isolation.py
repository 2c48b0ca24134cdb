"""A private world for one test process: its own network (loopback alone), mounts, /etc and /usr.

No packet leaves, no port collides with another test process, nothing of the host is changed, and all of it goes when the
process ends. Needs root. The addresses in ANYWHERE are local here without being any interface's: to the program under
test they are neither private nor "this host".
"""
import ctypes
import os
import signal
import subprocess

ANYWHERE = "198.51.0.0/16"
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
_outside = ()  # the host's network and mounts


def enter():
    """Moves this process into namespaces of its own, once."""
    global _outside
    if _outside:
        return
    _outside = tuple(os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt"))
    if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())} (these tests need root)")
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for command in ("mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "ip link set lo up",
                    f"ip route add local {ANYWHERE} dev lo"):
        subprocess.run(command.split(), check=True)
    overlay("/etc")
    for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/mailname"):
        if os.path.islink(path):
            os.unlink(path)
    with open("/etc/resolv.conf", "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\n")
    for account in ("bulkmail", "postfix", "postdrop", "unbound"):
        forget_account(account)


def overlay(target, below=None):
    """Makes `target` writable for this process alone, with the folder `below` laid over what the host has."""
    scratch = f"/run/overlay{target}"
    os.makedirs(scratch + "/upper")
    os.makedirs(scratch + "/work")
    lower = f"{below}:{target}" if below else target
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work", target], check=True)


def add_account(name, number):
    """A user and a group that exist in this process's /etc only."""
    forget_account(name)
    with open("/etc/passwd", "a", encoding="ascii") as file:
        file.write(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
    with open("/etc/group", "a", encoding="ascii") as file:
        file.write(f"{name}:x:{number}:\n")


def forget_account(name):
    for path in ("/etc/passwd", "/etc/group"):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line for line in file if line.split(":")[0] != name]
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(lines)


def child():
    """For Popen's preexec_fn: the child dies with the test process."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def outside():
    """For preexec_fn: as child, with the host's network and files (to fetch packages)."""
    child()
    here = os.getcwd()
    for namespace in _outside:
        _libc.setns(namespace, 0)
    os.chdir(here)


class BlackHole:
    """While entered: an IPv6 address whose packets vanish without an answer."""
    ADDRESS = "2001:67c:dead::25"

    def __enter__(self):
        for command in ("link add hole type veth peer name drain", "link set hole up", "link set drain up",
                        "-6 addr add 2001:67c:dead::1/64 dev hole nodad",
                        f"-6 neigh add {self.ADDRESS} lladdr 02:00:00:00:00:25 dev hole nud permanent"):
            subprocess.run(["ip"] + command.split(), check=True)
        return self.ADDRESS

    def __exit__(self, *_):
        subprocess.run("ip link del hole".split(), check=True)


class FailingDisk:
    """A file system of its own on a loop device, mounted at a folder while entered, whose kernel finds an error in it on
    demand and makes it read-only, as a dying disk does."""

    def __init__(self, path):
        self.path, self.image = path, path + ".image"

    def __enter__(self):
        os.makedirs(self.path)
        with open(self.image, "wb") as file:
            file.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self._mount()
        return self

    def _mount(self):
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.path], check=True)

    def fail(self):
        with open("/proc/self/mounts", encoding="ascii") as file:
            [device] = [line.split()[0] for line in file if line.split()[1] == self.path]
        with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w", encoding="ascii") as file:
            file.write("1")

    def repair(self):
        """What an administrator does; nobody may have a file open there."""
        subprocess.run(["umount", self.path], check=True)
        repaired = subprocess.run(["fsck.ext4", "-f", "-y", self.image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert repaired.returncode in (0, 1), repaired.stdout
        self._mount()

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        os.unlink(self.image)


class TinyDisk:
    """A file system small enough to fill, mounted at a folder while entered."""

    def __init__(self, path, size):
        self.path, self.size = path, size

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.path], check=True)
        return self

    def free(self):
        room = os.statvfs(self.path)
        return room.f_bavail * room.f_frsize

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
