"""The journal: where a record is before it is in the database, so that nothing between the two can lose it.

A folder of segments, files of one JSON record a line, or one change of an earlier record (an *amendment*). A record is
appended with one ``write`` before ``put`` returns, so the death of this process loses nothing: the line is the
kernel's. There is no fsync per record: that would stop routing for milliseconds a call to guard against the power
failing in the second before the record is committed. When the database is away for longer, everything is
synced, once per attempt.

A segment is what one transaction writes; it is deleted when that transaction is committed. What is found at the
start was left by a crash or an outage, and is written again: the call's id is the key, so twice is once.

Files:

``records-<when>-<pid>-<n>.jsonl``   segments; names sort by age and never repeat
``unreadable-<day>.jsonl``           lines that are no record: torn by a power failure, or not ours
``rejected-<day>.jsonl``             records the database will never take, kept for people to look at: they are nowhere
                                     else. Their numbers go as others' do, and what nobody can read goes as a whole
``lock``                             one process at a time: deleting another's living segment would lose records
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from typing import TYPE_CHECKING

import structlog

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.records import CallRecord
from dialog_acd.store.record_json import UnreadableRecord, decode, encode, without_persons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dialog_acd.core.records import Amendment

log = structlog.get_logger(__name__)

SEGMENT_RECORDS = 128
"""Records of one segment, and so of one transaction. Preparing them holds up the loop, some 20 us each."""
KEPT_IN_MEMORY = 4096
"""So many journalled records are also kept decoded. Beyond, during a long outage, they are read back."""


class JournalUnavailable(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The journal of call records cannot be used."""

    error_id = "journal-unavailable"


@dataclass(slots=True, eq=False)
class Segment:
    path: Path
    count: int = 0
    records: list[CallRecord | Amendment] | None = None
    """All of them in their sequence, or ``None`` where they are on the disk alone."""
    synced: bool = False


class Journal:
    """Raises ``JournalUnavailable`` where the folder cannot be made, written, or belongs to another process."""

    def __init__(self, folder: Path, clock_now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock_now = clock_now
        self._numbers = count(1)
        self._fd: int | None = None
        self._size = 0
        self._in_memory = 0
        self.unreadable = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalUnavailable(
                f"The folder {folder} for call records on their way to the database cannot be used"
                f" ({error.strerror}); make it writable for this user or name another in ACD_STORE__JOURNAL_DIR."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalUnavailable(
                f"The folder {folder} is in use by another dialog-acd; stop that one or name another in"
                " ACD_STORE__JOURNAL_DIR."
            ) from error
        self._segments = deque(_found(folder))

    @property
    def depth(self) -> int:
        """Records in all segments."""
        return sum(segment.count for segment in self._segments)

    def append(self, record: CallRecord | Amendment) -> None:
        """Write one record, or one amendment, down.

        Raises ``OSError`` (disk full, folder gone) or ``ValueError`` (no record).
        """
        line = encode(record) + b"\n"
        if self._fd is None or self._segments[-1].count >= SEGMENT_RECORDS:
            self._begin_segment()
        segment = self._segments[-1]
        fd = self._fd
        assert fd is not None  # noqa: S101  said to mypy: a segment is open
        if os.write(fd, line) != len(line):
            # The disk became full within the line. Take the piece back, or end the segment after it.
            try:
                os.ftruncate(fd, self._size)
            except OSError:
                self.seal()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(line)
        segment.count += 1
        segment.synced = False
        if segment.records is not None:
            segment.records.append(record)
            self._in_memory += 1

    def oldest(self) -> Segment | None:
        """The segment to be written to the database next; it takes no more records. ``None``: nothing to write."""
        while self._segments:
            segment = self._segments[0]
            if len(self._segments) == 1:
                self.seal()
            if segment.count:
                return segment
            self.remove(segment)
        return None

    def read(self, segment: Segment) -> list[CallRecord | Amendment]:
        """Its records. What cannot be read is put aside, counted and logged, and does not stop the rest."""
        if segment.records is not None:
            return segment.records
        records, strange = _read(segment.path)
        self._put_aside_unreadable(segment, strange)
        # From now on it is in memory: a second attempt must not put the same lines aside again.
        segment.records = records
        segment.count = len(records)
        self._in_memory += len(records)
        return records

    def _put_aside_unreadable(self, segment: Segment, strange: list[tuple[bytes, str]]) -> None:
        for line, why in strange:
            log.error("journal.unreadable", segment=segment.path.name, bytes=len(line), why=why[:200])
        if strange:
            self.put_aside("unreadable", [line for line, _ in strange])
            self.unreadable += len(strange)

    def remove(self, segment: Segment) -> None:
        """Its records are safe elsewhere."""
        self._segments.remove(segment)
        if segment.records is not None:
            self._in_memory -= len(segment.records)
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            # It is written again at the next start, and nothing comes of that.
            log.warning("journal.not-removed", segment=segment.path.name, why=str(error))

    def put_aside(self, name: str, lines: list[bytes]) -> None:
        """Append to this day's file for people, on the disk when this returns. Raises ``OSError``."""
        path = self._folder / f"{name}-{self._clock_now():%Y%m%d}.jsonl"
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(os.dup(fd), "ab") as file:
                file.writelines(line + b"\n" for line in lines)
            os.fsync(fd)
        finally:
            os.close(fd)

    async def forget(self, to: date, fit: Callable[[CallRecord], CallRecord]) -> int:
        """Nothing of this day (UTC) or an earlier one stays as it was: what waits for the database, or was rejected by
        it, gets ``fit``, and lines that are no record are deleted. Returns how many files that were.

        There may be hundreds of them after a long outage. So it is one file at a time, others have their turn between
        two of them, and no memory is filled. Raises ``OSError``.
        """
        if self._segments and _day(self._segments[-1].path) <= to:
            self.seal()  # while the database is away, a quiet week may not fill it
        changed = 0
        for path in self._folder.glob("unreadable*.jsonl"):
            if _day(path) <= to:
                path.unlink(missing_ok=True)
                changed += 1
        for path in self._folder.glob("rejected*.jsonl"):
            if _day(path) <= to:
                changed += _fit_rejected(path, fit)
                await asyncio.sleep(0)
        for segment in tuple(self._segments):
            with suppress(FileNotFoundError):  # its records were carried just now
                if _day(segment.path) <= to:
                    changed += await self._fit(segment, fit)
                    await asyncio.sleep(0)
        return changed

    async def _fit(self, segment: Segment, fit: Callable[[CallRecord], CallRecord]) -> bool:
        if segment not in self._segments:
            return False
        there = segment.records
        was, strange = _read(segment.path) if there is None else (there, [])
        becomes = [fit(entry) if isinstance(entry, CallRecord) else entry for entry in was]
        if becomes == was and not strange:
            return False
        new = await asyncio.to_thread(_write_new, segment.path, [encode(entry) for entry in becomes])
        if segment not in self._segments or segment.records is not there:
            # Meanwhile it was carried, and would come back; or it was read to be carried, as it still was.
            new.unlink()
            return await self._fit(segment, fit)
        self._put_aside_unreadable(segment, strange)
        new.replace(segment.path)
        segment.count = len(becomes)
        if there is not None:
            there[:] = becomes  # in place: whoever carries them has this list
        return True

    def seal(self) -> None:
        """No more into the open segment."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def sync(self) -> None:
        """Put every segment on the disk. Waits for it: call it in a thread."""
        for segment in tuple(self._segments):
            if segment.synced:
                continue
            # First, so that a record appended meanwhile makes it unsynced again.
            segment.synced = True
            with suppress(FileNotFoundError):
                _fsync(segment.path)
        _fsync(self._folder)

    def close(self) -> None:
        """Let another process have it. A record appended after this is found by the next start all the same."""
        self.seal()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _begin_segment(self) -> None:
        self.seal()
        name = f"records-{self._clock_now():%Y%m%dT%H%M%S.%f}-{os.getpid():07}-{next(self._numbers):06}.jsonl"
        path = self._folder / name
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._segments.append(Segment(path, records=[] if self._in_memory < KEPT_IN_MEMORY else None))


def left_in(folder: Path) -> int | None:
    """Records in the journal of a process that may be running; nothing is touched. ``None``: it cannot be read."""
    try:
        paths = [path for path in folder.iterdir() if path.match("records-*.jsonl")]
    except OSError:
        return None
    waiting = 0
    for path in paths:
        with suppress(FileNotFoundError):  # its records were carried just now
            try:
                waiting += sum(bool(line) for line in path.read_bytes().split(b"\n"))
            except PermissionError:
                return None
    return waiting


def _fit_rejected(path: Path, fit: Callable[[CallRecord], CallRecord]) -> bool:
    was = path.read_bytes()
    becomes = []
    for line in was.split(b"\n"):
        try:
            entry = decode(line)
        except UnreadableRecord:
            stays = without_persons(line)
        else:
            stays = encode(fit(entry)) if isinstance(entry, CallRecord) else line
        if stays is not None:
            becomes.append(stays)
    if not becomes:
        path.unlink(missing_ok=True)
    elif b"".join(line + b"\n" for line in becomes) != was:
        _write_new(path, becomes).replace(path)
    else:
        return False
    return True


def _read(path: Path) -> tuple[list[CallRecord | Amendment], list[tuple[bytes, str]]]:
    """Its records, and the lines that are none, each with the reason."""
    records: list[CallRecord | Amendment] = []
    strange = []
    for line in path.read_bytes().split(b"\n"):
        if not line:
            continue
        try:
            records.append(decode(line))
        except UnreadableRecord as error:
            strange.append((line, str(error)))
    return records, strange


def _write_new(path: Path, lines: Iterable[bytes]) -> Path:
    """What is to take the place of this file, on the disk."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(b"".join(line + b"\n" for line in lines))
    _fsync(new)
    return new


def _found(folder: Path) -> list[Segment]:
    for left in (*folder.glob("records-*.new"), *folder.glob("rejected-*.new")):
        left.unlink()  # a crash came before it took its file's place; that one is whole
    return [
        # A torn last line has no line end, and counts until it is read.
        Segment(path, count=sum(bool(line) for line in path.read_bytes().split(b"\n")))
        for path in sorted(folder.glob("records-*.jsonl"))
    ]


def _day(path: Path) -> date:
    """When it was begun, by its name; by its last change for those that have none in it."""
    found = re.search(r"-(\d{8})(?!\d)", path.name)
    if found is None:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    return datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).date()


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
