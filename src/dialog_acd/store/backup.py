"""A copy of what this machine holds of the records and the directory, taken while the service runs.

First the journal, then the database. A record moves from the journal into the database, and its segment is deleted
then; so in this order it is in at least one of the two copies, and in both it is one, as the call's id is the key. The
other way round it could be in neither.

The file of an SQLite database that is in use must not be copied as files are: a part of it is in its ``-wal``, and
what is read while it is written may be torn. SQLite's own backup reads one moment of it and holds up no writer.

What is kept of callers for days only is in a backup for as long as that is kept. So there are two kinds: whole ones,
for a week, and such without numbers and without the keys of their hashes, for as long as anybody likes.

A backup has its name only once it is complete, on the disk and looked over.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.records import CallRecord
from dialog_acd.core.retention import parted
from dialog_acd.store.call_store import CallMemory
from dialog_acd.store.database import DatabaseMissing, sqlite_file
from dialog_acd.store.record_json import UnreadableRecord, decode, encode
from dialog_acd.store.tables import caller_keys, caller_numbers

if TYPE_CHECKING:
    from dialog_acd.core.records import Amendment

DATABASE = "acd.sqlite"
JOURNAL = "journal"


class BackupImpossible(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """No backup was made."""

    error_id = "backup-impossible"


async def back_up(url: str, journal: Path, to: Path, *, numbers: bool = True) -> tuple[bool, int]:
    """Make the folder ``to`` with the journal and, where it is SQLite, the database.

    Returns whether the database is in it, and how many files of the journal are. Readable by their owner alone, as
    they hold callers' numbers, unless ``numbers`` is off. Raises ``DatabaseUnavailable`` and ``BackupImpossible``;
    nothing is left then.
    """
    file = sqlite_file(url)
    return file is not None, await asyncio.to_thread(_back_up, file, journal, to, numbers)


def _back_up(database: Path | None, journal: Path, to: Path, numbers: bool) -> int:
    if database is not None and not database.is_file():
        raise DatabaseMissing(database)
    if to.exists():
        raise BackupImpossible(f"{to} is there already, and a backup is never overwritten: name a new folder.")
    try:
        with tempfile.TemporaryDirectory(prefix=f"{to.name}-", suffix=".part", dir=to.parent) as made:
            folder = Path(made)
            files = _copy_journal(journal, folder / JOURNAL)
            if database is not None:
                _copy_database(database, folder / DATABASE)
            if not numbers:
                _forget_callers(folder)
                files = len(list((folder / JOURNAL).iterdir()))
            for path in (*folder.rglob("*"), folder):
                _sync(path)
            folder.rename(to)  # what is not there any more is not cleared away
            _sync(to.parent)
    except (OSError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise BackupImpossible(f"The backup in {to} failed ({said}); nothing of it is left.") from error
    return files


def _copy_journal(journal: Path, to: Path) -> int:
    to.mkdir(0o700)
    names = [path.name for path in journal.glob("*") if path.is_file() and path.name != "lock"]
    # Who is there before what is over: a call that ends just now is then known twice rather than not at all.
    for name in sorted(names, key=lambda name: (not name.startswith("calls"), name)):
        with suppress(FileNotFoundError):  # it is in the database by now
            shutil.copy2(journal / name, to / name)
    return len(list(to.iterdir()))


def _forget_callers(saved: Path) -> None:
    journal, database = saved / JOURNAL, saved / DATABASE
    if database.exists():
        with closing(sqlite3.connect(database)) as copy:
            for table in (*caller_numbers, caller_keys):
                copy.execute(f"DELETE FROM {table.name}")  # noqa: S608  ours
            copy.commit()
            copy.execute("VACUUM")  # written anew, without what was in free pages
    for path in journal.iterdir():
        if path.name.startswith("records-"):
            entries = [decode(line) for line in path.read_bytes().splitlines() if _is_whole(line)]
            path.write_bytes(b"".join(encode(_alone(entry)) + b"\n" for entry in entries))
        elif path.name.startswith("calls"):
            memory = CallMemory(journal)
            for call in memory.calls:
                memory.put(replace(call, ani=None, caller_name="", diversion=None))
            memory.tidy()
            memory.close()
        else:
            path.unlink()  # put aside for somebody to look at, here


def _alone(entry: CallRecord | Amendment) -> CallRecord | Amendment:
    return parted(entry)[0] if isinstance(entry, CallRecord) else entry


def _is_whole(line: bytes) -> bool:
    try:
        decode(line)
    except UnreadableRecord:
        return False
    return True


def _copy_database(file: Path, to: Path) -> None:
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)
        # One file without companions, that can also be looked at where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE")
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise BackupImpossible(f"The database file {file} is damaged ({found}): keep it, and restore an older backup.")


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
