"""Backup and restore by the very commands of the README: of what was promised to be kept nothing is missing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dialog_acd.core.messages import RememberCall
from dialog_acd.core.model import CallId
from dialog_acd.store import backup
from dialog_acd.store.backup import BackupImpossible, back_up
from dialog_acd.store.call_store import CallMemory
from dialog_acd.store.database import DatabaseMissing, migrate, open_database, writing
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.record_store import RecordReader, RecordWriter
from records import NOON, served
from store import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine

    from .conftest import Cluster

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```\n(.*?)^```", README.split("\n## Backup and restore\n")[1].split("\n## ")[0], re.MULTILINE | re.DOTALL
)
BACK_UP, DUMP, RESTORE_SQLITE, RESTORE_POSTGRES, GO_ON, GO_BACK = BLOCKS


class Machine:
    """Folders and settings of one installation; what an engineer types is typed there."""

    def __init__(self, folder: Path, url: str, names: Mapping[str, str], path: Path | None = None) -> None:
        self.folder, self.url = folder, url
        self.journal = folder / "journal"
        self._names = {"/var/backups/dialog-acd": str(folder / "backups"), **names}
        programs = [Path(sys.executable).parent, *([path] if path else [])]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ACD_")},
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "ACD_STORE__DATABASE_URL": url,
            "ACD_STORE__JOURNAL_DIR": "journal",
            "ACD_AMI__PORT": "1",
            "ACD_AMI__SECRET_FILE": str(folder / "secret"),
            "ACD_API__TOKEN_FILE": str(folder / "secret"),
        }
        (folder / "secret").write_text("long-enough-to-be-a-secret\n")
        (folder / "secret").chmod(0o600)
        (folder / "backups").mkdir()

    def types(self, block: str, status: int = 0) -> str:
        for name, ours in self._names.items():
            block = block.replace(name, ours)
        done = subprocess.run(
            ["bash", "-euc", block], cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    async def lives(self) -> AsyncEngine:
        """A centre with a past (the youngest dump), whose service runs."""
        await frozen.thaw(self.url, frozen.frozen()[-1])
        await migrate(self.url)
        return await open_database(self.url)


def arrived(call: str) -> RememberCall:
    return RememberCall(CallId(call), "+4951173070", None, "", "trunk", "abc@carrier", NOON)


async def everything(engine: AsyncEngine) -> dict[str, Any]:
    """All that is read from the database, but for records."""
    said = await frozen.read(engine)
    del said["records"]
    return said


async def saved_broken_and_restored(machine: Machine, restore: str, breaks: Callable[[], None], dump: str = "") -> None:
    engine = await machine.lives()
    store, reader = DirectoryStore(engine), RecordReader(engine)
    await store.replace(await store.load(), Edit("anna", NOON, "the day before"))
    writer = RecordWriter(engine, machine.journal, lambda: NOON)
    memory = CallMemory(machine.journal)
    memory.put(arrived("talking"))
    writer.put(served("written"))
    assert await writer.flush()
    writer.put(served("in-the-journal"))
    before, records = await everything(engine), await reader.count()

    said = await asyncio.to_thread(machine.types, BACK_UP + dump)
    assert "2 files of the journal" in said, said

    # What comes afterwards: one record more in the database, one in the journal alone, and then the disaster.
    assert await writer.flush()
    await store.replace(await store.load(), Edit("anna", NOON, "after the backup"))
    writer.put(served("after"))
    memory.put(arrived("calling"))
    await writer.close(0)
    memory.close()
    await engine.dispose()
    breaks()

    said = await asyncio.to_thread(machine.types, restore + GO_ON, 1)
    assert "ok    database and directory: 8 entries, 3 queues, 3 agents" in said
    assert "FAIL  AMI" in said, "there is none, and nothing else is wrong"

    engine = await open_database(machine.url)
    assert await everything(engine) == before
    writer = RecordWriter(engine, machine.journal, lambda: NOON)
    assert await writer.flush()
    await writer.close(1)
    assert writer.conflicts == writer.unreadable == 0
    reader = RecordReader(engine)
    assert await reader.count() == records + 2
    for call in ("written", "in-the-journal", "after"):
        assert await reader.by_call(CallId(call)) == served(call)
    memory = CallMemory(machine.journal)
    assert {call.call for call in memory.calls} == {"talking", "calling"}, "the younger one stayed"
    memory.close()
    with pytest.raises(DBAPIError, match="audit is append-only"):
        async with writing(engine).begin() as connection:
            await connection.execute(text("DELETE FROM audit"))
    await engine.dispose()


async def test_a_centre_on_sqlite_is_restored(tmp_path: Path) -> None:
    file = tmp_path / "dialog-acd.sqlite"
    machine = Machine(tmp_path, f"sqlite+aiosqlite:///{file}", {})

    def breaks() -> None:
        file.write_bytes(b"Sehr geehrte Damen und Herren, " * 1000)
        (tmp_path / "dialog-acd.sqlite-wal").write_bytes(b"x" * 5000)

    await saved_broken_and_restored(machine, RESTORE_SQLITE, breaks)
    saved = tmp_path / "backups" / "2026-11-23"
    assert {
        path.name: path.stat().st_mode & 0o777 for path in (saved, *saved.rglob("*")) if path.suffix != ".jsonl"
    } == {
        "2026-11-23": 0o700,
        "acd.sqlite": 0o600,
        "journal": 0o700,
    }
    assert not list((tmp_path / "backups").glob("*.part"))
    assert (tmp_path / "broken" / "dialog-acd.sqlite").stat().st_size > 1000, "what was found broken is kept"


@pytest.mark.postgres
async def test_a_centre_on_postgresql_is_restored(tmp_path: Path, cluster: Cluster) -> None:
    def uri(name: str) -> str:
        return f"postgresql://acd@/{name}?host={cluster.folder}"

    names = {f"postgresql://acd@db/{name}": uri(name) for name in ("acd", "postgres")}
    machine = Machine(tmp_path, cluster.url("acd"), names, cluster.programs)

    def breaks() -> None:
        psql = [*cluster.client("psql"), "-q", "-d", "acd", "-c", "DROP TABLE records, directory_versions"]
        subprocess.run(psql, check=True, timeout=30)

    cluster.create("acd")
    try:
        await saved_broken_and_restored(machine, RESTORE_POSTGRES, breaks, DUMP)
    finally:
        for name in ("acd", "acd_broken"):
            drop = [*cluster.client("dropdb"), "--if-exists", "--force", name]
            await asyncio.to_thread(subprocess.run, drop, check=True, timeout=30)


async def test_nobody_waits_for_a_backup_and_it_is_of_one_moment(tmp_path: Path, migrated_file: Path) -> None:
    """Somebody writes all the time, in pairs of rows: there is never one of them alone, in no backup either."""
    file, journal = tmp_path / "acd.sqlite", tmp_path / "journal"
    url = f"sqlite+aiosqlite:///{file}"
    shutil.copy(migrated_file, file)
    over = threading.Event()
    pairs = 0

    def write() -> None:
        nonlocal pairs
        with closing(sqlite3.connect(file, timeout=0.05, isolation_level=None)) as mine:
            while not over.is_set():
                mine.execute("BEGIN IMMEDIATE")
                for half in "ab":
                    mine.execute(
                        "INSERT INTO agent_intents VALUES (?, 'ready', ?, '2026-11-23 09:00:00')",
                        (f"{pairs}{half}", "x" * 500),
                    )
                mine.execute("COMMIT")
                pairs += 1

    writing_on = asyncio.create_task(asyncio.to_thread(write))
    try:
        for number in range(5):
            before = pairs
            await back_up(url, journal, tmp_path / f"backup{number}")
            with closing(sqlite3.connect(tmp_path / f"backup{number}" / "acd.sqlite")) as copy:
                rows = [row for (row,) in copy.execute("SELECT agent FROM agent_intents")]
            assert len(rows) % 2 == 0
            assert len(rows) // 2 >= before, "what was committed before it began is in it"
    finally:
        over.set()
        await writing_on
    assert pairs > 5


async def test_going_back_to_an_earlier_version(tmp_path: Path) -> None:
    machine = Machine(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/dialog-acd.sqlite", {})
    engine = await machine.lives()
    before = await everything(engine)
    await engine.dispose()
    assert "schema: 0007" in await asyncio.to_thread(machine.types, GO_BACK)
    await asyncio.to_thread(machine.types, "mkdir gone && mv dialog-acd.sqlite* gone/")
    shutil.copy(tmp_path / "backups" / "before-going-back" / "acd.sqlite", tmp_path / "dialog-acd.sqlite")
    engine = await open_database(machine.url)
    assert await everything(engine) == before
    await engine.dispose()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_backup_is_never_overwritten_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    file, there = tmp_path / "acd.sqlite", tmp_path / "there"
    url = f"sqlite+aiosqlite:///{file}"
    with pytest.raises(DatabaseMissing):
        await back_up(url, tmp_path / "journal", there)
    file.write_text("Sehr geehrte Damen und Herren, " * 100)
    with pytest.raises(BackupImpossible, match=r"failed \(file is not a database\); nothing of it is left\.$"):
        await back_up(url, tmp_path / "journal", there)
    with pytest.raises(BackupImpossible, match="No such file or directory"):
        await back_up(url, tmp_path / "journal", tmp_path / "nowhere" / "there")
    there.mkdir()
    with pytest.raises(BackupImpossible, match="never overwritten"):
        await back_up(url, tmp_path / "journal", there)
    assert names_in(tmp_path) == {"acd.sqlite", "there"}
    assert names_in(there) == set()


async def test_a_record_on_its_way_is_in_the_journals_copy_or_in_the_databases(
    tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches the database, and its segment is deleted, while the backup is made."""
    file, journal = tmp_path / "acd.sqlite", tmp_path / "journal"
    url = f"sqlite+aiosqlite:///{file}"
    shutil.copy(migrated_file, file)
    engine = await open_database(url)
    writer = RecordWriter(engine, journal, lambda: NOON)
    loop = asyncio.get_running_loop()
    for moment in ("_copy_journal", "_copy_database"):
        writer.put(served(moment))
        copy = getattr(backup, moment)

        def carried_first(source: Path, to: Path, copy: Any = copy) -> Any:
            assert asyncio.run_coroutine_threadsafe(writer.flush(), loop).result(10)
            return copy(source, to)

        monkeypatch.setattr(backup, moment, carried_first)
        await back_up(url, journal, tmp_path / moment)
        monkeypatch.undo()
        found = await opened(tmp_path / moment)
        assert moment in found, found
    await writer.close(1)
    await engine.dispose()


async def opened(saved: Path) -> set[str]:
    """The calls that a service has a record of which is started on this backup."""
    engine = await open_database(f"sqlite+aiosqlite:///{saved}/acd.sqlite")
    writer = RecordWriter(engine, saved / "journal", lambda: NOON)
    assert await writer.flush()
    await writer.close(1)
    calls = {record.call for record in await RecordReader(engine).records_since(frozen.LONG_AGO)}
    await engine.dispose()
    return {str(call) for call in calls}
