"""Runs one program inside a root, as an unprivileged user, and sees to it that it does not outlive us.

    python launch.py watch|free ROOT UID GID REMOVE ARGV...

`free`  becomes the program (same process id) and lets it live on.
`watch` starts it as a child, writes its process id as one line, and waits until the program ends or standard input is
        closed, which is what happens when whoever started us dies, however it dies. Then the program is asked to stop,
        killed if it does not, and the directory REMOVE (unless `-`) goes with it. A program that has ended by itself
        leaves its directory: whoever started us may want to start it again there.

A parent-death signal alone would not do: it comes when the *thread* dies that started the program, and is forgotten
when the program changes its user. It guards only the program against a killed watcher here.
Standard library only, and run with -I: it must work before anything is installed.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
GRACE = 3.0  # seconds between asking and killing


def become(root: str, uid: int, gid: int, argv: list[str], *, guarded: bool) -> NoReturn:
    # Loaded before the change of root: afterwards another C library may lie under its name.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getppid()
    os.umask(0o077)
    if root != "/":
        os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if guarded:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "TZ": "UTC"}
    try:
        os.execve(argv[0], argv, surroundings)  # noqa: S606
    except OSError as failure:
        print(f"cannot run {argv[0]}: {failure}", file=sys.stderr)
        os._exit(127)


def watch(root: str, uid: int, gid: int, remove: str, argv: list[str]) -> int:
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        become(root, uid, gid, argv, guarded=True)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # the end comes by closing standard input, and by nothing else
    os.write(1, b"%d\n" % child)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([0, ended], [], [])
    # On a busy machine both can be seen at once: our starter saw the program end, and closed the pipe, before we ran.
    orphaned = ended not in ready
    if orphaned:
        os.kill(child, signal.SIGTERM)
        if not select.select([ended], [], [], GRACE)[0]:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if orphaned and remove != "-":
        shutil.rmtree(remove, ignore_errors=True)
    return os.waitstatus_to_exitcode(status) & 0xFF


def main(argv: list[str]) -> int:
    mode, root, uid, gid, remove, *program = argv
    if mode == "free":
        become(root, int(uid), int(gid), program, guarded=False)
    return watch(root, int(uid), int(gid), remove, program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
