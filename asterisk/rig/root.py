"""Where Asterisk's programs are: the machine itself, or a Debian root of our own that is entered with chroot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

REPOSITORY = Path(__file__).resolve().parents[2]
# In the range systemd keeps for DynamicUser: no package and no person owns it, and no passwd entry is needed.
UID = GID = 61999


class RigError(Exception):
    """The rig cannot go on. The text says what is wrong and what to do about it."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Root:
    """A place with an Asterisk, German prompts, music and SIPp. `path` is `/` for the machine itself."""

    path: Path
    version: str

    @property
    def own(self) -> bool:
        """Whether this is the machine itself and no chroot."""
        return self.path == Path("/")

    def host(self, inside: str | Path) -> Path:
        """The path from outside of something that programs inside know as `inside`."""
        return self.path / str(inside).lstrip("/")

    def command(self, argv: Sequence[str], *, uid: int | None = None) -> list[str]:
        """The command line that runs `argv` inside; as `uid` if one is given, else as whoever calls."""
        who = [] if uid is None else [f"--userspec=+{uid}:+{uid}", "--groups="]
        # chroot(1) also changes to "/" and drops all groups, so it serves for the machine itself as well.
        if self.own and uid is None:
            return list(argv)
        return ["chroot", *who, str(self.path), *argv]


def provide(cache: Path | None = None, progress: Callable[[str], None] = _to_stderr) -> Root:
    """Find or make a root. Takes under 0.1 s when there is one, about a minute when it has to be made.

    `progress` is called with each line that tells how it goes. Raises RigError with the reason.
    """
    script = REPOSITORY / "asterisk" / "provide.sh"
    argv = [str(script)] if cache is None else [str(script), str(cache)]
    last: list[str] = []
    answer: dict[str, str] = {}

    def relay(lines: IO[str]) -> None:
        for line in lines:
            last[:] = [*last[-2:], line.rstrip()]
            progress(line.rstrip())

    def understand(lines: IO[str]) -> None:
        answer.update(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)  # type: ignore[misc]

    # Its own session: a Ctrl-C must reach it through us, after which it removes what it had half made.
    script_run = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    readers = [
        threading.Thread(target=reader, args=(pipe,), daemon=True)
        for reader, pipe in ((relay, script_run.stderr), (understand, script_run.stdout))
    ]
    for reader in readers:
        reader.start()
    try:
        script_run.wait()
    except BaseException:
        # The whole session, or debootstrap would go on in a directory that is being removed.
        os.killpg(script_run.pid, signal.SIGTERM)
        script_run.wait()
        raise
    for reader, pipe in zip(readers, (script_run.stderr, script_run.stdout), strict=True):
        reader.join(timeout=5)
        if pipe is not None:
            pipe.close()
    if script_run.returncode != 0 or not {"root", "version"} <= answer.keys():
        raise RigError(last[-1] if last else f"{script} gave no Asterisk and no reason; run it by hand to see")
    return Root(Path(answer["root"]), answer["version"])
