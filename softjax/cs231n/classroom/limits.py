"""Limits that a process sets on itself, before a student's code runs in it, and the end of all that it started.

This keeps mistakes from harming the machine. It is no sandbox against somebody who wants to.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

MIB = 2**20
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SECONDS_TO_END = 5.0  # for processes that were killed; the system needs milliseconds


@dataclass(frozen=True)
class Limits:
    """What a student's function may use.

    - `seconds`: of its process, from the start to its grade.
    - `memory`: MiB of addresses of each process.
    - `file`: MiB of each file that it writes.
    - `processes`: how many it may run at the same time.
    - `namespaces`: whether it is cut off from the network and other processes, where the system allows that.
    """

    seconds: float = 30.0
    memory: int = 4096
    file: int = 64
    processes: int = 32
    namespaces: bool = True


@dataclass(frozen=True)
class Held:
    """Which limits hold on this machine: the system enforces them, or the grader sees to them itself."""

    time: bool = True
    memory: bool = False
    files: bool = False
    processes: bool = False
    network: bool = False

    def __str__(self) -> str:
        names: dict[bool, list[str]] = {True: [], False: []}
        for field in fields(self):
            names[getattr(self, field.name)].append(field.name)
        return f"{', '.join(names[True])}" + (
            f"; not limited: {', '.join(names[False])}" if names[False] else ""
        )


def limit_this_process(limits: Limits) -> dict[str, bool]:
    """Sets the limits of memory and files on this process and all that it starts. Returns which hold."""
    cpu = int(limits.seconds) + 2
    _set(resource.RLIMIT_CPU, cpu)
    _set(resource.RLIMIT_CORE, 0)
    return {
        "memory": _set(resource.RLIMIT_AS, limits.memory * MIB),
        "files": _set(resource.RLIMIT_FSIZE, limits.file * MIB),
        "processes": Path("/proc/self/stat").exists(),  # they are counted there
    }


def _set(kind: int, most: int) -> bool:
    """Sets a limit. It can only become lower than it is."""
    try:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, most))
    except (OSError, ValueError):
        return False
    return sys.platform == "linux" or kind != resource.RLIMIT_AS  # macOS takes that one, and ignores it


def separate() -> bool:
    """Cuts this process off from the network, and its children from other processes. Returns whether that worked.

    The next child is the first process of its own; all later ones end with it. A user who is not root does that as root
    of a name space of his own.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWPID | CLONE_NEWNET) == 0:
        return True
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):  # files keep their owners without it too
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    return True


def end_with_parent() -> None:
    """Has the system kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Has this process become the parent of all that its descendants leave behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def list_descendants() -> list[int]:
    """The processes that descend from this one, those that have ended and wait to be reaped too. Empty without /proc."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
            stat = (folder / "stat").read_bytes()
            parents[int(folder.name)] = int(stat[stat.rindex(b")") + 2 :].split()[1])
    found, own = [], {os.getpid()}
    while own:
        own = {pid for pid, parent in parents.items() if parent in own}
        found += sorted(own)
    return found


def end_descendants(group: int) -> int:
    """Kills and reaps all that descends from this process, and a process group. Returns how many there were."""
    count, deadline = 0, time.monotonic() + SECONDS_TO_END
    with contextlib.suppress(OSError):  # without /proc it is all that can be found
        os.killpg(group, signal.SIGKILL)
    while time.monotonic() < deadline:
        left = list_descendants()
        count = max(count, len(left))
        for number in (signal.SIGSTOP, signal.SIGKILL):  # first none of them can start another
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        _reap()
        if not left:
            break
        time.sleep(0.001)
    return count


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
