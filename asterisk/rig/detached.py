"""`make up` and `make down`: a stack that stays when the command has returned, and how it is found and ended again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rig.private import HOMES
from rig.root import REPOSITORY
from rig.stack import STOP_LIMIT, Api, Keeper, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUN_DIR = REPOSITORY / ".run"
SETTINGS = RUN_DIR / "env"
"""The settings of the stack that runs, for a shell: with them ``dialog-acd`` asks it, and no other."""


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two at once would end each other's processes."""
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    with (RUN_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up() -> int:
    """Start a stack that outlives us, unless one runs. Returns when /health/ready is green and all agents are ready."""
    with _one_at_a_time():
        file = RUN_DIR / "stack.json"
        left = find_processes(RUN_DIR)
        if file.exists() and {"asterisk", "service"} <= {process.what for process in left}:
            known = json.loads(file.read_text())
            print(
                f"up: already running (trunk {known['sip']}, API {known['api_url']}); nothing was changed. "
                "`make down` ends it."
            )
            if SETTINGS.exists():
                print(_how_to_use())
            return 0
        if left or file.exists():
            ended = end(RUN_DIR)
            print(
                "up: a stack that is no longer whole was cleared away"
                + (f" ({', '.join(p.what for p in ended)} still ran)" if ended else "")
            )

        def started(what: str, pid: int) -> None:
            note_process(RUN_DIR, Process.of(what, pid))

        def tell(line: str) -> None:
            print(line if line.startswith("asterisk:") else f"up: {line}", flush=True)

        stack = Stack(RUN_DIR, detach=True, name=instance_name(RUN_DIR), started=started, progress=tell)
        try:
            stack.start()
            started("keeper", _start_keeper(stack))
            known = {
                "sip": stack.asterisk.sip,
                "api_url": stack.api_url,
                "metrics_url": f"{stack.api_url}/metrics",
                "ami_port": stack.asterisk.ports.ami,
                "agi_port": stack.asterisk.ports.agi,
                "token_file": str(stack.token_file),
                "asterisk_pid": stack.asterisk.pid,
                "service_pid": stack.service_pid,
                "phones_sip": stack.asterisk.phone_sip,
                "service_log": str(stack.service_log),
                "asterisk_log": str(stack.asterisk.log),
                "processes": {process.what: process.pid for process in find_processes(RUN_DIR)},
            }
            beside = file.with_name("stack.json.new")
            beside.write_text(json.dumps(known, indent=1) + "\n")
            SETTINGS.write_text(as_shell(stack.environment))
            beside.replace(file)
        except BaseException:
            end(RUN_DIR)
            raise
    print(
        f"up: ready. Trunk {known['sip']}, API {known['api_url']} (token in {known['token_file']}), "
        f"metrics {known['metrics_url']}; all of it in {file}. `make down` ends it."
    )
    print(_how_to_use())
    return 0


def as_shell(environment: Mapping[str, str]) -> str:
    """A file for a shell's ``.``; a path may hold a blank or a quote."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def _how_to_use() -> str:
    return f"up: dialog-acd in your shell asks this stack after: set -a; . {shlex.quote(str(SETTINGS))}; set +a"


def _start_keeper(stack: Stack) -> int:
    argv = [sys.executable, "-m", "rig", "keep", stack.api_url, str(stack.token_file), str(stack.service_pid)]
    surroundings = os.environ | {"PYTHONPATH": str(REPOSITORY / "asterisk")}
    with (stack.run_dir / "keeper.log").open("ab") as said:
        return subprocess.Popen(
            argv, env=surroundings, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        ).pid


def keep(url: str, token_file: Path, service: int) -> int:
    """Send agents back to work for as long as the service lives."""
    living, keeper = Process.of("service", service), Keeper(Api(url, token_file.read_text().strip()))
    while living.alive:
        for agent in keeper.look():
            print(f"{agent} is back at work", flush=True)
        time.sleep(1.0)
    return 0


def down() -> int:
    """End what `up` started, also where half of it is dead already."""
    with _one_at_a_time():
        there_was = (RUN_DIR / "stack.json").exists()
        ended = end(RUN_DIR)
    if ended:
        print("down: ended " + ", ".join(f"{process.what} ({process.pid})" for process in ended))
    elif there_was:
        print("down: nothing of the stack was running any more; forgot it")
    else:
        print("down: there is no stack to end")
    return 0


# ---------------------------------------------------------------- what is alive of it


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is known again: ids come round, an id with its start does not (until the machine restarts)."""

    what: str
    pid: int
    started: int  # clock ticks since the machine's start

    @classmethod
    def of(cls, what: str, pid: int) -> Process:
        return cls(what, pid, _started_at(pid) or 0)

    @property
    def alive(self) -> bool:
        return _started_at(self.pid) == self.started

    def end(self, limit: float) -> None:
        """Ask, wait `limit` seconds, kill."""
        for number, patience in ((signal.SIGTERM, limit), (signal.SIGKILL, 2.0)):
            if self._gone_within(0):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
                os.kill(self.pid, signal.SIGCONT)
            if self._gone_within(patience):
                return

    def _gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        return True


def _started_at(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None for no process and for a zombie. The name in field 2 may hold anything."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def instance_name(run_dir: Path) -> str:
    """The same for the same run_dir, so that what it left behind can be recognised; another for each checkout."""
    return "up-" + hashlib.sha256(str(run_dir.absolute()).encode()).hexdigest()[:12]


def note_process(run_dir: Path, process: Process) -> None:
    """Write a process down the moment it exists: a start that is cut off must leave nothing that nobody finds."""
    with (run_dir / "processes").open("a") as file:
        file.write(json.dumps(asdict(process)) + "\n")


def find_processes(run_dir: Path) -> list[Process]:
    """What is alive of the detached stack of `run_dir`, whether or not it came to be written down."""
    found: dict[int, Process] = {}
    file = run_dir / "processes"
    for line in file.read_text().splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError, TypeError):
            process = Process(**json.loads(line))
            if process.alive:
                found[process.pid] = process
    home = f"{HOMES}/{instance_name(run_dir)}/"
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in found:
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                what = Path(argv[0]).name
                # Not everything that has such a path in its command line: somebody may be reading the log.
                if what in ("asterisk", "sipp") and any(argument.startswith(home) for argument in argv[1:]):
                    found[int(entry.name)] = Process.of(what, int(entry.name))
    return list(found.values())


def end(run_dir: Path) -> list[Process]:
    """End what is left of the detached stack of `run_dir` and forget it. Says what that was."""
    ended = find_processes(run_dir)
    # The service first: its records need time. Whoever sends agents back to work last of all would only complain.
    rank = {"keeper": 0, "service": 1, "registrations": 2, "phones": 3, "sipp": 3, "asterisk": 5}
    for process in sorted(ended, key=lambda p: rank.get(p.what, 4)):
        process.end(STOP_LIMIT if process.what == "service" else 3.0)
    with contextlib.suppress(OSError, ValueError, KeyError):
        root = Path(json.loads((run_dir / "asterisk.json").read_text())["root"])
        shutil.rmtree(root / HOMES.lstrip("/") / instance_name(run_dir), ignore_errors=True)
    for name in ("processes", "stack.json", "asterisk.json", SETTINGS.name):
        (run_dir / name).unlink(missing_ok=True)
    return ended
