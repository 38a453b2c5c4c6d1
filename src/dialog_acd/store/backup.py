"""A copy of what this machine holds of the records and the directory, taken while the service runs.

First the journal, then the database. A record moves from the journal into the database, and its segment is deleted
then; so in this order it is in at least one of the two copies, and in both it is one, as the call's id is the key. The
other way round it could be in neither.

The file of an SQLite database that is in use must not be copied as files are: a part of it is in its ``-wal``, and
what is read while it is written may be torn. SQLite's own backup reads one moment of it and holds up no writer.

A backup has its name only once it is complete, on the disk and looked over.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.store.database import DatabaseMissing, sqlite_file

DATABASE = "acd.sqlite"
JOURNAL = "journal"


class BackupImpossible(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """No backup was made."""

    error_id = "backup-impossible"


async def back_up(url: str, journal: Path, to: Path) -> tuple[bool, int]:
    """Make the folder ``to`` with the journal and, where it is SQLite, the database.

    Returns whether the database is in it, and how many files of the journal are. Readable by their owner alone, as
    they hold callers' numbers. Raises ``DatabaseUnavailable`` and ``BackupImpossible``; nothing is left then.
    """
    file = sqlite_file(url)
    return file is not None, await asyncio.to_thread(_back_up, file, journal, to)


def _back_up(database: Path | None, journal: Path, to: Path) -> int:
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
