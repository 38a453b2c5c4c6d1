"""No record lost, none doubled, none hidden: whatever happens to the database, the disk and this process."""

# ruff: noqa: PLR0917  fixtures
from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, func, select
from structlog.testing import capture_logs

from dialog_acd.core.model import CallId
from dialog_acd.core.records import Blame, CallRecord, Outcome, Result
from dialog_acd.core.retention import parted
from dialog_acd.store import journal as journal_module
from dialog_acd.store.database import open_database
from dialog_acd.store.journal import SEGMENT_RECORDS, JournalUnavailable
from dialog_acd.store.record_json import encode
from dialog_acd.store.record_store import AT_ONCE, RecordReader, RecordWriter
from dialog_acd.store.tables import record_conflicts
from patience import soon
from records import NOON, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def writer(engine: AsyncEngine, folder: Path, clock: Any) -> AsyncIterator[RecordWriter]:
    writer = RecordWriter(engine, folder, clock, pace=0)
    yield writer
    await writer.close(1)


@pytest.fixture
def reader(engine: AsyncEngine) -> RecordReader:
    return RecordReader(engine)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("records-*.jsonl"))


async def until(condition: Callable[[], bool]) -> None:
    """Twenty seconds and a pause: it is the database that has to act, in a thread or a process of its own."""
    await soon(condition, within=20, pause=0.005)


# -- the good day


async def test_a_record_is_in_the_journal_when_put_returns_and_in_the_database_a_moment_later(
    writer: RecordWriter, reader: RecordReader, folder: Path
) -> None:
    record = served("pbx-1.1")
    writer.put(record)
    (segment,) = segments(folder)
    assert segment.read_bytes() == encode(record) + b"\n"
    assert segment.stat().st_mode & 0o777 == 0o600
    assert writer.depth == 1

    running = asyncio.create_task(writer.run())
    await until(lambda: writer.depth == 0)
    assert await reader.by_call(record.call) == record
    assert segments(folder) == []
    assert (writer.written, writer.conflicts, writer.spilled, writer.last_error) == (1, 0, 0, None)
    await writer.close(1)
    await running


async def test_callers_are_answered_while_many_records_are_made_ready(
    writer: RecordWriter, reader: RecordReader, engine: AsyncEngine
) -> None:
    """The event loop makes ready what one statement carries, and has no time for anybody until it is done."""
    rows: list[int] = []

    def said(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("INSERT INTO records "):
            rows.append(statement.partition("VALUES")[2].partition("ON CONFLICT")[0].count("), (") + 1)

    event.listen(engine.sync_engine, "before_cursor_execute", said)
    for number in range(100):
        writer.put(served(f"c{number}"))
    assert await writer.flush()
    assert sum(rows) == 100
    assert max(rows) <= AT_ONCE < 100
    assert await reader.by_call(CallId("c99")) == served("c99")


async def test_records_that_come_one_after_the_other_share_a_transaction_a_second(
    engine: AsyncEngine, reader: RecordReader, folder: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is there a moment later; under load it is the transaction that costs. The stop waits for neither."""
    writer = RecordWriter(engine, folder, clock, linger=0.01, pace=1000)
    pauses: list[float] = []
    pause = writer._pause

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await pause(seconds)

    monkeypatch.setattr(writer, "_pause", noted)
    running = asyncio.create_task(writer.run())
    writer.put(served("first"))
    await until(lambda: writer.written == 1)
    writer.put(served("second"))
    writer.put(served("third"))
    await until(lambda: len(pauses) == 2)
    assert pauses[0] == 0.01
    assert 900 < pauses[1] <= 1000
    assert writer.depth == 2
    assert await writer.close(10) == 0
    await running
    assert await reader.count() == 3


async def test_closing_writes_what_is_left(writer: RecordWriter, reader: RecordReader, folder: Path) -> None:
    running = asyncio.create_task(writer.run())
    for number in range(3 * SEGMENT_RECORDS):
        writer.put(served(f"c{number}"))
    assert len(segments(folder)) == 3
    assert await writer.close(10) == 0
    await running
    assert await reader.count() == 3 * SEGMENT_RECORDS
    assert segments(folder) == []


async def test_the_same_record_twice_is_one_row_and_no_conflict(writer: RecordWriter, reader: RecordReader) -> None:
    writer.put(served("c1"))
    writer.put(served("c1"))  # in one batch
    assert await writer.flush()
    writer.put(served("c1"))  # and in a later one
    assert await writer.flush()
    assert await reader.count() == 1
    assert (writer.written, writer.conflicts, writer.depth) == (1, 0, 0)


@pytest.mark.parametrize("flush_between", [True, False], ids=["later", "same-batch"])
async def test_a_second_different_record_is_kept_aside_counted_and_logged(
    writer: RecordWriter,
    reader: RecordReader,
    clock: Any,
    engine: AsyncEngine,
    flush_between: bool,
) -> None:
    first = served("c1")
    second = served("c1", outcome=Outcome(Result.ABANDONED, "hung-up", Blame.CALLER), t_ans=None)
    writer.put(first)
    if flush_between:
        assert await writer.flush()
    writer.put(second)
    with capture_logs() as logs:
        assert await writer.flush()
    assert await reader.by_call(first.call) == first
    (conflict,) = await reader.conflicts_since(clock() - timedelta(hours=1))
    assert (conflict.record, conflict.seen_at) == (parted(second)[0], clock())
    assert (writer.written, writer.conflicts) == (1, 1)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["record.conflict"]

    writer.put(second)  # the same second story again, as after a crash: not a new conflict
    assert await writer.flush()
    assert writer.conflicts == 1
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(record_conflicts)) == 1


# -- the database dies


async def test_the_database_dies_in_the_middle_and_comes_back(
    database: Any, writer: RecordWriter, reader: RecordReader
) -> None:
    running = asyncio.create_task(writer.run())
    writer.put(served("before"))
    await until(lambda: writer.written == 1)

    database.stop()
    for number in range(600):
        writer.put(served(f"during{number}"))
    await until(lambda: writer.failing and bool(writer.last_error))
    writer.put(served("while-failing"))
    assert writer.depth == 601
    assert writer.spilled == 601
    assert writer.unjournalled == 0
    database.start()

    await until(lambda: writer.depth == 0)
    assert not writer.failing
    assert writer.last_error is None
    assert await reader.count() == 602
    assert (writer.written, writer.conflicts, writer.rejected, writer.lost) == (602, 0, 0, 0)
    await writer.close(1)
    await running


async def test_the_database_is_asked_again_although_no_call_ends(database: Any, writer: RecordWriter) -> None:
    running = asyncio.create_task(writer.run())
    database.stop()
    writer.put(served("c1"))
    await until(lambda: writer.failing)
    database.start()
    await until(lambda: writer.written == 1)
    await writer.close(1)
    await running


async def test_a_database_that_hangs_is_given_up_and_asked_again(
    database: Any, reader: RecordReader, folder: Path, clock: Any
) -> None:
    patient = await open_database(database.url, busy_for=1)  # so that SQLite hangs, too, before it refuses
    writer = RecordWriter(patient, folder, clock, flush_within=0.1)
    took: list[float] = []
    writer.watch(took.append)
    writer.put(served("c1"))
    with database.held():
        assert not await writer.flush()
        assert writer.last_error == "no answer in time"
    assert (len(took), writer.failures) == (1, 1)
    assert took[0] >= 0.1
    assert await writer.flush()
    assert (len(took), writer.failures) == (2, 1)
    assert await reader.count() == 1
    await writer.close(1)
    await patient.dispose()


async def test_what_an_outage_left_is_written_by_the_next_start(
    database: Any, engine: AsyncEngine, reader: RecordReader, folder: Path, clock: Any
) -> None:
    writer = RecordWriter(engine, folder, clock)
    database.stop()
    for number in range(300):
        writer.put(served(f"c{number}"))
    assert await writer.close(0.3) == 300
    database.start()

    again = RecordWriter(engine, folder, clock)
    assert again.depth == 300
    running = asyncio.create_task(again.run())  # nothing put: what was found must be enough to start it
    await until(lambda: again.depth == 0)
    assert await reader.count() == 300
    await again.close(1)
    await running


async def test_a_long_outage_does_not_fill_the_memory(
    database: Any,
    writer: RecordWriter,
    reader: RecordReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "KEPT_IN_MEMORY", 2 * SEGMENT_RECORDS)
    database.stop()
    for number in range(1000):
        writer.put(served(f"c{number}"))
    assert sum(len(s.records or ()) for s in writer._journal._segments) == 2 * SEGMENT_RECORDS
    assert not await writer.flush()
    database.start()
    assert await writer.flush()
    assert await reader.count() == 1000


async def test_the_error_of_an_outage_is_not_logged_for_every_attempt(
    database: Any, writer: RecordWriter, clock: Any
) -> None:
    database.stop()
    writer.put(served("c1"))
    with capture_logs() as logs:
        for _ in range(3):
            assert not await writer.flush()
        clock.advance(seconds=11)
        assert not await writer.flush()
    assert [line["event"] for line in logs].count("record.database-away") == 2
    database.start()


# -- this process dies

_CHILD = """
    import asyncio, os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from dialog_acd.store import record_store
    from dialog_acd.store.database import open_database
    from dialog_acd.store.record_json import decode

    async def main(url, folder, when):
        engine = await open_database(url)
        writer = record_store.RecordWriter(engine, Path(folder), lambda: datetime(2026, 3, 2, tzinfo=UTC))
        for line in sys.stdin.buffer.read().splitlines():
            writer.put(decode(line))
        if when == "before-commit":
            os.kill(os.getpid(), signal.SIGKILL)
        writer._journal.remove = lambda segment: os.kill(os.getpid(), signal.SIGKILL)  # committed, not deleted
        await writer.flush()

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("when", ["before-commit", "after-commit"])
async def test_kill_9_between_journal_and_delete_loses_and_doubles_nothing(
    database_url: str,
    engine: AsyncEngine,
    reader: RecordReader,
    folder: Path,
    clock: Any,
    when: str,
) -> None:
    told = [served(f"c{number}") for number in range(40)]
    child = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(_CHILD), database_url, str(folder), when],
        input=b"\n".join(encode(record) for record in told),
        timeout=30,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert await reader.count() == (0 if when == "before-commit" else 40)
    assert len(segments(folder)) == 1

    writer = RecordWriter(engine, folder, clock)  # the dead one's lock is gone with it
    assert writer.depth == 40
    assert await writer.flush()
    assert sorted(r.call for r in await reader.recent(100)) == sorted(r.call for r in told)
    assert (writer.conflicts, writer.unreadable) == (0, 0)
    assert segments(folder) == []
    await writer.close(1)


async def test_a_torn_line_is_put_aside_and_does_not_hold_up_the_others(
    engine: AsyncEngine, reader: RecordReader, folder: Path, clock: Any
) -> None:
    folder.mkdir()  # noqa: ASYNC240
    whole, torn = encode(served("c1")), encode(served("c2"))[:-7]
    zeros = b"\x00" * 20  # what ext4 leaves of a tail after the power failed
    (folder / "records-1.jsonl").write_bytes(whole + b"\n" + zeros + b"\n" + torn)
    writer = RecordWriter(engine, folder, clock)
    writer.put(served("c3"))
    with capture_logs() as logs:
        assert await writer.flush()
    assert {r.call for r in await reader.recent(9)} == {"c1", "c3"}
    assert writer.unreadable == 2
    assert (folder / f"unreadable-{NOON:%Y%m%d}.jsonl").read_bytes() == zeros + b"\n" + torn + b"\n"
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["journal.unreadable"] * 2
    assert writer.depth == 0
    await writer.close(1)


async def test_two_processes_cannot_share_a_journal(
    writer: RecordWriter, engine: AsyncEngine, folder: Path, clock: Any
) -> None:
    with pytest.raises(JournalUnavailable, match="in use by another dialog-acd; stop that one or name another"):
        RecordWriter(engine, folder, clock)


async def test_a_journal_folder_that_cannot_be_made_says_so(engine: AsyncEngine, tmp_path: Path, clock: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnavailable, match="make it writable for this user or name another"):
        RecordWriter(engine, tmp_path / "file" / "journal", clock)


async def test_a_record_put_after_close_is_found_by_the_next_start(
    engine: AsyncEngine, reader: RecordReader, folder: Path, clock: Any
) -> None:
    writer = RecordWriter(engine, folder, clock)
    assert await writer.close(1) == 0
    writer.put(served("late"))
    again = RecordWriter(engine, folder, clock)
    assert await again.close(1) == 0
    assert [r.call for r in await reader.recent(9)] == ["late"]


# -- the disk is full


class FullDisk:
    """``os.write`` on a disk with so many bytes left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, fd: int, data: bytes) -> int:
        if self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        wrote = self._write(fd, data[: self.left])
        self.left -= wrote
        return wrote


async def test_a_full_disk_keeps_records_in_memory_until_there_is_room(
    database: Any,
    writer: RecordWriter,
    reader: RecordReader,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = len(encode(served("c0"))) + 1
    disk = FullDisk(monkeypatch, left=one + one // 2)
    database.stop()
    with capture_logs() as logs:
        for number in range(9):
            writer.put(served(f"c{number}"))
    assert (writer.depth, writer.unjournalled) == (9, 8)
    assert segments(folder)[0].stat().st_size == one, "half a line was left in the journal"
    assert [line["event"] for line in logs] == ["record.not-journalled"], "not once per record"

    assert not await writer.flush()
    disk.left = 4 * one  # somebody made a little room: it is used at once, although the database is still away
    assert not await writer.flush()
    assert writer.unjournalled == 4
    database.start()
    assert await writer.flush()
    assert (writer.depth, writer.written, writer.lost, writer.unreadable) == (0, 9, 0, 0)
    assert await reader.count() == 9


async def test_no_database_no_disk_and_no_memory_leaves_the_log(
    database: Any,
    engine: AsyncEngine,
    folder: Path,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = RecordWriter(engine, folder, clock, memory_limit=2)
    FullDisk(monkeypatch, left=0)
    database.stop()
    with capture_logs() as logs:
        for number in range(3):
            writer.put(served(f"c{number}"))
        assert writer.lost == 1
        await writer.close(0.1)
    lost = [line["record"]["call"] for line in logs if line["log_level"] == "critical"]
    assert sorted(lost) == ["c0", "c1", "c2"]
    assert writer.lost == 3
    database.start()


# -- strange records


async def test_a_record_no_database_takes_is_put_aside_and_the_others_go_on(
    writer: RecordWriter, reader: RecordReader, folder: Path
) -> None:
    writer.put(served("c1"))
    writer.put(served("huge", cause=2**70))
    writer.put(served("c2"))
    assert await writer.flush()
    assert {r.call for r in await reader.recent(9)} == {"c1", "c2"}
    assert (writer.rejected, writer.depth, writer.lost) == (1, 0, 0)
    assert json.loads((folder / f"rejected-{NOON:%Y%m%d}.jsonl").read_bytes())["call"] == "huge"


@pytest.mark.postgres
async def test_a_call_id_no_index_takes_is_put_aside(cluster: Any, folder: Path, clock: Any) -> None:
    cluster.create("long", template="migrated")
    engine = await open_database(cluster.url("long"))
    writer = RecordWriter(engine, folder, clock)
    writer.put(served(random.Random(1).randbytes(5000).hex()))
    writer.put(served("c1"))
    assert await writer.flush()
    assert (writer.written, writer.rejected, writer.depth) == (1, 1, 0)
    await writer.close(1)
    await engine.dispose()
    cluster.drop("long")


async def test_hostile_texts_are_stored(writer: RecordWriter, reader: RecordReader) -> None:
    # Long, and not to be compressed: PostgreSQL's tree index would refuse it as a key.
    hostile = 'a\x00b\ud800"\\\n\u2028ü, ' + random.Random(1).randbytes(5000).hex()
    writer.put(served("c1", ani=hostile, dialled=hostile, trunk_call_id=hostile))
    assert await writer.flush()
    (record,) = await reader.recent(1)
    assert record.ani == hostile.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    writer.put(served("c1", ani=hostile, dialled=hostile, trunk_call_id=hostile))
    assert await writer.flush()
    assert writer.conflicts == 0, "cleaning must not make a repetition look different"


async def test_put_never_raises(writer: RecordWriter, folder: Path) -> None:
    naive: CallRecord = served("naive", t_in=served("x").t_in.replace(tzinfo=None))
    writer.put(naive)
    assert (writer.rejected, writer.depth) == (1, 0)
    assert b"naive" in (folder / f"rejected-{NOON:%Y%m%d}.jsonl").read_bytes()
