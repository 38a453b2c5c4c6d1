"""Who is there: one line per call from its arrival until its record is saved, in a file beside the journal.

Not in the database, because a call must be remembered while that is away, and not in Asterisk, because the channel may
be gone when we come back. A line is one ``O_APPEND`` write; kill -9 loses nothing, a power failure ends the calls,
too (and may cost what was promised in the last seconds before it: no call waits here for a disk).
What cannot be written is only remembered in memory: no call is refused for it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import structlog

from dialog_acd.core.messages import RememberCall
from dialog_acd.core.model import CallId, EntryKind
from dialog_acd.core.records import Counted

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()

REWRITE_AFTER = 10_000
"""Lines before the file is written anew with the living only."""

_MOMENTS = ("at", "callback_at", "due_at", "t_ann_end", "t_ans", "t_talk", "t_ovf")


class CallMemory:
    """Remembers calls by appending, forgets them by appending. Owned by one process, like the journal's folder."""

    def __init__(self, folder: Path) -> None:
        """Read what was left behind; ``calls`` are those without a record, ``left_at`` is when they were last seen."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = folder / "calls.jsonl"
        self.left_at = _last_touched(self._file)
        self._living = _read(self._file)
        self._lines = 0
        self._fd: int | None = None
        self._failing = False
        self._rewrite()

    @property
    def calls(self) -> list[RememberCall]:
        return list(self._living.values())

    def put(self, call: RememberCall) -> None:
        """Remember a call. Returns at once and never raises."""
        self._living[call.call] = call
        self._append(_line(call))

    def forget(self, call: CallId) -> None:
        """Its record is safe."""
        if self._living.pop(call, None) is not None:
            self._append(orjson.dumps({"call": call, "over": True}))
            if self._lines >= REWRITE_AFTER and self._lines > 4 * len(self._living):
                self._rewrite()

    def alive(self, now: datetime) -> None:
        """All of them are in sight, or over. Returns at once and never raises."""
        with suppress(OSError):  # no file, no call
            os.utime(self._file, (now.timestamp(), now.timestamp()))

    def tidy(self) -> None:
        """Leave nothing in the file of calls that are over: a line of theirs has the caller's number.

        Raises ``OSError`` where something is left.
        """
        if (problem := self._rewrite()) is not None:
            raise problem

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, line: bytes) -> None:
        self._lines += 1
        try:
            if self._fd is None:
                self._fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._fd, line + b"\n")
            self._failing = False
        except OSError as problem:
            if not self._failing:
                log.warning("calls.not_remembered", why=str(problem), file=str(self._file))
            self._failing = True

    def _rewrite(self) -> OSError | None:
        """The living only, in a new file that takes the old one's place at once."""
        self.close()
        new = self._file.with_suffix(".new")
        failed = None
        try:
            lines = [_line(call) + b"\n" for call in self._living.values()]
            new.touch(0o600)
            new.write_bytes(b"".join(lines))
            new.replace(self._file)
        except OSError as problem:
            log.warning("calls.not_rewritten", why=str(problem), file=str(self._file))
            failed = problem
        self._lines = len(self._living)
        return failed


def _line(call: RememberCall) -> bytes:
    try:
        return orjson.dumps(call)
    except TypeError:
        # Half a character, which is no UTF-8: nobody is forgotten for it.
        return json.dumps(asdict(call), default=str).encode()


def _last_touched(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None


def _read(file: Path) -> dict[CallId, RememberCall]:
    living: dict[CallId, RememberCall] = {}
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return living
    for line in lines:
        try:
            said = json.loads(line)
            call = CallId(said["call"])
            if said.get("over"):
                living.pop(call, None)
            else:
                moments = {name: datetime.fromisoformat(said[name]) for name in _MOMENTS if said.get(name)}
                if (counted := said.get("counted")) is not None:
                    said["counted"] = Counted(**(counted | {"kind": EntryKind(counted["kind"])}))
                living[call] = RememberCall(**(said | moments))
        except (ValueError, KeyError, TypeError):
            # Torn by a power failure; the call it spoke of is over.
            log.warning("calls.unreadable_line", file=str(file))
    return living
