"""What groups did is there for the reports: across restarts, and across a database that was away."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text

from dialog_acd.core.attendance import HALF_HOUR_MS, WITHOUT_TEAM, Attendance
from dialog_acd.core.messages import AgentChanged, RememberIntent
from dialog_acd.core.model import AgentId, Team, TeamId
from dialog_acd.store import attendance_store
from dialog_acd.store.attendance_store import AttendanceStore, AttendanceWriter
from dialog_acd.store.tables import attendance as table
from dialog_acd.testing import ManualClock, demo_directory
from patience import soon

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest
    from sqlalchemy.ext.asyncio import AsyncEngine

    from store.conftest import Database

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TOMORROW = NINE + timedelta(days=1)
OFFICE = TeamId("office")
NAMES = ("anna", "bert", "cleo")
_BASE = demo_directory(NAMES)
CENTRE = replace(
    _BASE,
    agents=tuple(replace(a, team=None if a.id == "cleo" else OFFICE) for a in _BASE.agents),
    teams=(Team(OFFICE, "Bürgerbüro"),),
)


class Service:
    """One run of the service, as far as attendance is concerned. Who is ``there`` is in a break."""

    def __init__(self, engine: AsyncEngine, clock: ManualClock, there: Iterable[str] = NAMES) -> None:
        self.clock = clock
        wanted = [RememberIntent(AgentId(name), "not-ready", "pause", clock.now()) for name in there]
        self.book = Attendance(CENTRE, clock.now(), wanted)
        self.writer = AttendanceWriter(engine, self.book, clock.now)

    def signs_out(self, agent: str) -> None:
        self.book.note(AgentChanged(AgentId(agent), "intent", "not-ready", "signed-out", ""), self.clock.now())


async def kept(engine: AsyncEngine) -> dict[tuple[int, str], tuple[float, int]]:
    """Of each half hour (minutes after nine) and team: seconds signed in, people."""
    rows = await AttendanceStore(engine).between(NINE, TOMORROW)
    assert rows == sorted(rows, key=lambda r: (r.begins, r.team))
    return {(round((r.begins - NINE).total_seconds() / 60), r.team): (r.signed_in_ms / 1000, r.people) for r in rows}


async def test_what_is_written_each_minute_is_the_whole_half_hour_so_far(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE))
    for _ in range(3):
        service.clock.advance(60)
        assert await service.writer.flush()
    assert await kept(engine) == {(0, "-"): (180, 1), (0, "office"): (360, 2)}
    service.clock.set(NINE + timedelta(minutes=40))
    service.signs_out("cleo")
    service.clock.advance(60)
    assert await service.writer.flush()
    assert await kept(engine) == {
        (0, "-"): (1800, 1),
        (0, "office"): (3600, 2),
        (30, "-"): (600, 1),
        (30, "office"): (2 * 660, 2),
    }
    assert service.writer._pending == {}


async def test_every_part_comes_back_as_it_was(engine: AsyncEngine) -> None:
    clock = ManualClock(NINE)
    service = Service(engine, clock)
    for number, (axis, after) in enumerate(
        [
            ("phone", "reachable"), ("intent", "ready"), ("work", "offered"), ("work", "talking"), ("work", "wrap-up"),
            ("work", "idle"), ("phone", "in-use"), ("phone", "unreachable"), ("phone", "reachable"),
        ]
    ):  # fmt: skip
        clock.advance(number + 1.001)
        service.book.note(AgentChanged(AgentId("anna"), axis, "", after, ""), clock.now())
    clock.advance(2)
    service.book.note(AgentChanged(AgentId("anna"), "intent", "ready", "not-ready", "rona"), clock.now())
    clock.advance(3)
    counted = service.book.take(clock.now())
    assert counted[1].free_ms > 0
    assert all(value for name, value in asdict(counted[1]).items() if name.endswith("_ms"))
    assert await service.writer.flush()
    assert await AttendanceStore(engine).between(NINE, TOMORROW) == list(counted)


async def test_a_restart_adds_to_the_half_hour_and_overwrites_nothing(engine: AsyncEngine) -> None:
    clock = ManualClock(NINE)
    first = Service(engine, clock)
    clock.advance(600)
    first.signs_out("anna")
    await first.writer.close()
    clock.advance(60)  # nobody counts while the service is away
    second = Service(engine, clock, there=("bert", "cleo"))
    for _ in range(2):
        clock.advance(300)
        await second.writer.flush()
    await second.writer.close()
    # Bert was there before and after: two people it was, not three.
    assert await kept(engine) == {(0, "-"): (1200, 1), (0, "office"): (2 * 600 + 600, 2)}


async def test_the_same_totals_written_twice_change_nothing(engine: AsyncEngine) -> None:
    """The answer to a commit was lost: nobody knows whether it is there, so it is written again."""
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(60)
    for _ in range(2):
        assert await service.writer.flush()
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(table)) == 2
    assert (await kept(engine))[0, "office"] == (120, 2)


async def test_database_that_is_away_costs_nothing_but_time(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE))
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE attendance RENAME TO away"))
    for _ in range(5):
        service.clock.advance(20 * 60)
        assert not await service.writer.flush()
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO attendance"))
    assert await service.writer.flush()
    assert {key: value for key, value in (await kept(engine)).items() if key[1] == "office"} == {
        (0, "office"): (3600, 2),
        (30, "office"): (3600, 2),
        (60, "office"): (3600, 2),
        (90, "office"): (1200, 2),
    }


async def test_a_database_that_does_not_answer_holds_nobody_up_at_the_stop(
    database: Database, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance_store, "WRITE_WITHIN", 0.2)
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(60)
    database.stop()
    async with asyncio.timeout(5):
        await service.writer.close()
    database.start()
    assert await service.writer.flush()
    assert (await kept(engine))[0, "-"] == (60, 1)


async def test_what_was_being_written_at_the_stop_is_written_by_the_last_word(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(60)
    writing = asyncio.create_task(service.writer.flush())
    await soon(lambda: bool(service.writer._pending))
    writing.cancel()
    await asyncio.wait({writing})
    service.clock.set(NINE + timedelta(minutes=31))
    await service.writer.close()
    assert (await kept(engine))[0, "-"] == (1800, 1)


async def test_memory_has_an_end_and_the_oldest_goes_first(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance_store, "PENDING_AT_MOST", 3)
    service = Service(engine, ManualClock(NINE))
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE attendance RENAME TO away"))
    for _ in range(4):
        service.clock.advance(30 * 60)
        assert not await service.writer.flush()
    assert service.writer.lost == 5
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO attendance"))
    assert await service.writer.flush()
    assert set(await kept(engine)) == {(60, "office"), (90, "-"), (90, "office")}


async def test_more_than_one_batch_is_written(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance_store, "BATCH", 3)
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(timedelta(hours=4))
    assert await service.writer.flush()
    assert set((await kept(engine)).values()) == {(1800, 1), (3600, 2)}
    assert len(await kept(engine)) == 16


async def test_between_takes_the_first_moment_and_leaves_the_last(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE), there=("cleo",))
    service.clock.advance(timedelta(hours=2))
    await service.writer.flush()
    rows = await AttendanceStore(engine).between(NINE + timedelta(minutes=30), NINE + timedelta(minutes=90))
    assert [(r.team, r.begins.minute, r.signed_in_ms) for r in rows] == [
        (WITHOUT_TEAM, 30, HALF_HOUR_MS),
        (WITHOUT_TEAM, 0, HALF_HOUR_MS),
    ]
    assert all(r.begins.tzinfo is UTC for r in rows)


async def test_a_day_of_a_thousand_people_is_not_too_long_for_a_number(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE), there=("cleo",))
    service.clock.advance(60)
    [row] = service.book.take(service.clock.now())
    service.writer._pending[row.begins, row.team] = replace(row, signed_in_ms=5_000_000_000)
    await service.writer._write()
    [found] = await AttendanceStore(engine).between(NINE, TOMORROW)
    assert found.signed_in_ms == 5_000_000_000


async def test_no_person_is_named_in_the_database(engine: AsyncEngine) -> None:
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(3600)
    await service.writer.flush()
    async with engine.connect() as connection:
        columns = await connection.run_sync(
            lambda c: {column["name"] for column in inspect(c).get_columns("attendance")}
        )
        rows = (await connection.execute(select(table))).all()
    assert columns == {column.name for column in table.columns}
    assert not any(name in str(row) for row in rows for name in NAMES)


async def test_it_writes_by_itself(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance_store, "WRITE_EVERY", 0.01)
    service = Service(engine, ManualClock(NINE))
    service.clock.advance(60)
    running = asyncio.create_task(service.writer.run())
    await soon(lambda: bool(service.writer._pending))
    await soon(lambda: not service.writer._pending)
    running.cancel()
    await asyncio.wait({running})
    assert (await kept(engine))[0, "-"] == (60, 1)
