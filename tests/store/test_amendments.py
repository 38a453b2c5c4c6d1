"""What is said of a call after its end finds its record, wherever that is by then, and is no second story."""

from __future__ import annotations

import asyncio
import errno
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from dialog_acd.core.model import UNASSIGNED, CallId, TenantId
from dialog_acd.core.promises import GIVEN_UP_AFTER
from dialog_acd.core.records import Amendment, CallRecord
from dialog_acd.store import record_store
from dialog_acd.store.journal import SEGMENT_RECORDS, Journal
from dialog_acd.store.record_json import encode
from dialog_acd.store.record_store import COUNT_HOLDS, PromiseCount, RecordReader, RecordWriter
from patience import soon
from records import NOON, promised, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

TOWNS = (TenantId("hannover"), TenantId("laatzen"))


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


def nobodys(call: str) -> CallRecord:
    return served(call, tenant=UNASSIGNED, candidates=TOWNS)


def names(call: str, town: str, seconds: float = 0) -> Amendment:
    return Amendment(CallId(call), NOON + timedelta(seconds=seconds), tenant=TenantId(town))


def journalled(folder: Path) -> tuple[str, bytes]:
    [segment] = folder.glob("records-*.jsonl")
    return segment.name, segment.read_bytes()


async def found(reader: RecordReader, call: str) -> tuple[str, bool, Any]:
    record = await reader.by_call(CallId(call))
    assert record is not None
    return record.tenant, record.test, record.t_amended


async def test_a_record_in_the_database_is_moved_and_marked(writer: RecordWriter, reader: RecordReader) -> None:
    writer.put(nobodys("c1"))
    writer.put(nobodys("c2"))
    assert await writer.flush()
    assert await found(reader, "c1") == (UNASSIGNED, False, None)
    writer.amend(names("c1", "laatzen", 5))
    writer.amend(Amendment(CallId("c1"), NOON + timedelta(seconds=9), test=True))
    assert await writer.flush()
    assert await found(reader, "c1") == ("laatzen", True, NOON + timedelta(seconds=9))
    assert await found(reader, "c2") == (UNASSIGNED, False, None)
    assert [r.call for r in await reader.recent(9, tenant="laatzen")] == ["c1"]
    assert [r.call for r in await reader.recent(9, tenant=UNASSIGNED)] == ["c2"]
    record = await reader.by_call(CallId("c1"))
    assert record is not None
    assert record.candidates == TOWNS


async def test_the_record_may_still_be_on_its_way(writer: RecordWriter, reader: RecordReader) -> None:
    writer.put(nobodys("c1"))
    writer.amend(names("c1", "hannover"))
    writer.amend(names("c1", "laatzen"))
    for n in range(SEGMENT_RECORDS):
        writer.put(served(f"x{n}"))
    writer.amend(names("x0", "hannover"))  # in a later segment
    assert await writer.flush()
    assert (await found(reader, "c1"))[0] == "laatzen"
    assert (await found(reader, "x0"))[0] == "hannover"
    assert (writer.depth, writer.rejected, writer.conflicts) == (0, 0, 0)


async def test_that_a_caller_was_called_back_is_said_and_taken_back(
    database: Any, writer: RecordWriter, reader: RecordReader
) -> None:
    """Also while the database is away, and when the journal brings everything once more."""

    def said(kept: bool, seconds: int) -> Amendment:
        at = NOON + timedelta(seconds=seconds)
        return Amendment(CallId("c1"), at, kept=kept, kept_at=at if kept else None)

    async def owed() -> tuple[Any, bool]:
        record = await reader.by_call(CallId("c1"))
        assert record is not None
        return record.t_called_back, bool(await reader.recent(9, owed_at=NOON))

    record = promised("c1")
    writer.put(record)
    assert await writer.flush()
    assert await owed() == (None, True)
    database.stop()
    with capture_logs():
        writer.amend(said(True, 1))
        writer.amend(said(False, 2))
        writer.amend(said(True, 3))
        assert not await writer.flush()
    database.start()
    assert await writer.flush()
    assert await owed() == (NOON + timedelta(seconds=3), False)
    writer.put(record)
    writer.amend(said(False, 2))
    assert await writer.flush()
    assert (await owed(), writer.conflicts) == ((NOON + timedelta(seconds=3), False), 0)
    writer.amend(said(False, 4))
    writer.amend(names("c1", "laatzen", 7200))
    assert await writer.flush()
    assert await owed() == (None, True)
    assert await reader.promises(NOON) == {"laatzen": (1, 0)}


async def test_promises_are_counted_by_town_while_they_are_anybodys_business(
    writer: RecordWriter, reader: RecordReader
) -> None:
    due = NOON + timedelta(days=1)
    writer.put(promised("c1"))
    writer.put(promised("c2", NOON - timedelta(hours=1)))
    writer.put(promised("c3", NOON, tenant=TenantId("laatzen")))
    writer.put(promised("c4", NOON, test=True))
    writer.put(promised("c5", NOON, t_called_back=NOON))
    writer.put(promised("c6", NOON, t_due=None))  # of an earlier version
    writer.put(served("c7"))
    assert await writer.flush()
    assert await reader.promises(NOON) == {"langenhagen": (2, 0), "laatzen": (1, 0)}
    assert await reader.promises(due) == {"langenhagen": (2, 1), "laatzen": (1, 0)}
    late = due + timedelta(microseconds=1)
    assert await reader.promises(late) == {"langenhagen": (2, 2), "laatzen": (1, 1)}
    assert await reader.promises(due + GIVEN_UP_AFTER) == {"langenhagen": (1, 1), "laatzen": (1, 1)}
    assert await reader.promises(late + GIVEN_UP_AFTER) == {}


async def test_a_count_of_promises_is_told_for_a_while_and_then_nobody_knows(
    reader: RecordReader, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, asked = False, 0

    async def answer(now: Any) -> dict[str, tuple[int, int]]:
        nonlocal asked
        asked += 1
        if away:
            raise ConnectionError
        return {"langenhagen": (1, int(now > NOON))}

    async def asked_again() -> None:
        before = asked
        await soon(lambda: asked > before + 1, within=20, pause=0.001)

    monkeypatch.setattr(record_store, "COUNT_EVERY", 0.001)
    monkeypatch.setattr(reader, "promises", answer)
    count = PromiseCount(reader, clock)
    assert count.latest() is None
    with capture_logs() as logs:
        running = asyncio.create_task(count.run())
        await asked_again()
        away = True
        await asked_again()
        clock.advance(seconds=COUNT_HOLDS.total_seconds())
        assert count.latest() == {"langenhagen": (1, 0)}
        clock.advance(seconds=1)
        await asked_again()
        assert count.latest() is None
        away = False
        await asked_again()
        assert count.latest() == {"langenhagen": (1, 1)}
        running.cancel()
    assert [line["event"] for line in logs] == ["promises.not-counted"]


async def test_a_database_that_is_away_costs_no_name(database: Any, writer: RecordWriter, reader: RecordReader) -> None:
    writer.put(nobodys("c1"))
    assert await writer.flush()
    database.stop()
    with capture_logs():
        writer.amend(names("c1", "laatzen"))
        assert not await writer.flush()
    database.start()

    running = asyncio.create_task(writer.run())
    await soon(lambda: writer.depth == 0, within=20, pause=0.005)
    await writer.close(1)
    await running
    assert (await found(reader, "c1"))[0] == "laatzen"


async def test_a_crash_before_the_journal_was_emptied_changes_nothing_twice(
    writer: RecordWriter, reader: RecordReader, folder: Path, engine: AsyncEngine, clock: Any
) -> None:
    """Carried, committed, and killed before the segment was deleted: record and names come once more."""
    writer.put(nobodys("c1"))
    writer.amend(names("c1", "hannover", 1))
    writer.amend(names("c1", "laatzen", 2))
    name, lines = journalled(folder)
    assert await writer.flush()
    await writer.close(1)
    (folder / name).write_bytes(lines)

    again = RecordWriter(engine, folder, clock)
    assert again.depth == 3
    assert await again.flush()
    assert await found(reader, "c1") == ("laatzen", False, NOON + timedelta(seconds=2))
    assert (again.conflicts, again.rejected, again.unreadable) == (0, 0, 0)
    again.put(nobodys("c1"))  # and the record alone
    assert await again.flush()
    assert (again.conflicts, (await found(reader, "c1"))[0]) == (0, "laatzen")
    await again.close(1)


async def test_a_second_different_story_is_one_also_where_the_first_was_amended(
    writer: RecordWriter, reader: RecordReader
) -> None:
    writer.put(nobodys("c1"))
    writer.amend(names("c1", "laatzen"))
    assert await writer.flush()
    with capture_logs():
        writer.put(served("c1", tenant=UNASSIGNED, candidates=TOWNS, cause=34))
        assert await writer.flush()
    assert (writer.conflicts, (await found(reader, "c1"))[0]) == (1, "laatzen")


async def test_a_full_disk_lets_no_name_overtake_its_record(
    writer: RecordWriter, reader: RecordReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, append = [0], Journal.append

    def refuse(self: Journal, entry: CallRecord | Amendment) -> None:
        if room[0] < len(encode(entry)):
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, entry)

    monkeypatch.setattr(Journal, "append", refuse)
    with capture_logs():
        writer.put(nobodys("c1"))
        writer.amend(names("c1", "hannover"))
        room[0] = 200  # for a name, and not for a record
        writer.amend(names("c1", "laatzen"))
        assert await writer.flush()
    assert ((await found(reader, "c1"))[0], writer.depth) == ("laatzen", 0)


async def test_a_name_for_a_record_that_is_nowhere_is_said_and_holds_nobody_up(
    writer: RecordWriter, reader: RecordReader
) -> None:
    writer.amend(names("nowhere", "laatzen"))
    writer.put(nobodys("c1"))
    with capture_logs() as logs:
        assert await writer.flush()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["record.not-there-to-amend"]
    assert (await found(reader, "c1"))[0] == UNASSIGNED


async def test_a_name_the_database_will_never_take_is_put_aside(
    writer: RecordWriter, reader: RecordReader, folder: Path
) -> None:
    writer.put(nobodys("c1"))
    writer.amend(Amendment(CallId("c1"), NOON, test="perhaps"))  # type: ignore[arg-type]
    writer.amend(names("c1", "laatzen"))
    with capture_logs():
        assert await writer.flush()
    assert ((await found(reader, "c1"))[0], writer.rejected) == ("laatzen", 1)
    assert b"perhaps" in (folder / f"rejected-{NOON:%Y%m%d}.jsonl").read_bytes()


async def test_the_loop_carries_a_name_within_a_moment(writer: RecordWriter, reader: RecordReader) -> None:
    running = asyncio.create_task(writer.run())
    writer.put(nobodys("c1"))
    await soon(lambda: writer.depth == 0, within=20, pause=0.005)
    writer.amend(names("c1", "laatzen"))
    await soon(lambda: writer.depth == 0, within=20, pause=0.005)
    assert (await found(reader, "c1"))[0] == "laatzen"
    await writer.close(1)
    await running
