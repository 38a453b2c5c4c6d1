"""Figures of many days: whatever is written when, a report says what the records say."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from dialog_acd.core.kpi import (
    By,
    Fate,
    Figures,
    Ratio,
    TooManyGroups,
    berlin_day,
    berlin_midnight,
    cell_of,
    facts,
    grouped,
)
from dialog_acd.core.model import UNASSIGNED, AgentId, CallId, EntryKind, TenantId
from dialog_acd.core.records import Amendment, CallRecord, Result
from dialog_acd.store import figures_store
from dialog_acd.store.database import writing
from dialog_acd.store.figures_store import Day, FiguresStore, NotRolledUp, packed, seal, unpacked
from dialog_acd.store.record_store import RecordWriter
from dialog_acd.store.tables import records, rollups
from records import NOON, anything, call, promised, served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from store.conftest import Clock

SINCE, UNTIL = date(2026, 1, 1), date(2027, 1, 1)
TOWN, OTHER = TenantId("langenhagen"), TenantId("laatzen")
WAYS = [[], [By.TENANT], [By.DAY, By.ENTRY], [By.HALF_HOUR, By.KIND, By.QUEUE], [By.MONTH, By.WEEKDAY], [By.CLOCK]]
A_DAY = timedelta(days=1)


@pytest.fixture
def writer(engine: AsyncEngine, tmp_path: Path, clock: Clock) -> RecordWriter:
    return RecordWriter(engine, tmp_path / "spool", clock)


@pytest.fixture
def figures(engine: AsyncEngine, clock: Clock) -> FiguresStore:
    return FiguresStore(engine, clock)


async def write(writer: RecordWriter, *entries: CallRecord | Amendment) -> None:
    for entry in entries:
        if isinstance(entry, CallRecord):
            writer.put(entry)
        else:
            writer.amend(entry)
    assert await writer.flush()
    assert writer.conflicts == writer.rejected == 0


def in_order(tables: Sequence[dict[Any, Figures]]) -> Sequence[dict[Any, Figures]]:
    for table in tables:
        assert list(table) == sorted(table)
        for found in table.values():
            for waits in (found.waits, found.waits_in_line, found.waits_of_abandoned):
                waits.sort()
    return tables


async def agrees(figures: FiguresStore, told: Sequence[CallRecord], **asked: Any) -> None:
    """Whatever is asked for is what the records say."""
    found = await figures.tables(SINCE, UNTIL, groupings=WAYS, **asked)
    tenants = asked.get("tenants")
    there = [record for record in told if tenants is None or record.tenant in tenants]
    wanted = [grouped(there, by) for by in WAYS]
    assert in_order(found) == in_order(wanted)


async def kept(engine: AsyncEngine) -> dict[tuple[str, date], bool]:
    """What is kept, and whether it counts."""
    async with engine.connect() as connection:
        rows = (await connection.execute(select(rollups))).all()
    return {(r.tenant, r.day): r.cells is not None and (r.sealed or r.made_of == r.generation) for r in rows}


async def erase(engine: AsyncEngine, *, sealing: date | None = None) -> None:
    async with writing(engine).begin() as connection:
        if sealing:
            await seal(connection, sealing)
        await connection.execute(delete(records))


def some(n: int, **changes: Any) -> list[CallRecord]:
    """Calls of the days before noon, one every five hours, by turns answered and given up."""
    return [
        call(
            Result.ABANDONED if i % 3 == 2 else Result.SERVED,
            7.25 * (1 + i % 9),
            call=f"c{changes.get('tenant', '')}{i}",
            t_in=NOON - timedelta(hours=5 * i),
            **{"entry": f"+4951173{i % 2}", **changes},
        )
        for i in range(n)
    ]


async def test_a_report_says_what_the_records_say_whatever_is_written_and_when(
    figures: FiguresStore, writer: RecordWriter, clock: Clock
) -> None:
    dice, told = random.Random(115), dict[str, CallRecord]()
    towns = [TOWN, OTHER, UNASSIGNED]
    for step in range(40):
        match dice.randrange(5):
            case 0 | 1:
                new = [
                    call(
                        dice.choice([*Result]),
                        dice.randrange(0, 90_000) / 1000,
                        call=f"c{step}-{n}",
                        t_in=clock() - timedelta(minutes=dice.randrange(0, 9 * 1440)),
                        tenant=dice.choice(towns),
                        kind=dice.choice([*EntryKind]),
                        target_ms=dice.choice([None, 20_000, 30_000]),
                        t_ovf=dice.choice([None, 3]),
                        t_ann_end=dice.choice([None, 4, 90]),
                        overflow_trigger="waited",
                    )
                    for n in range(dice.randrange(1, 12))
                ]
                await write(writer, *new)
                told |= {record.call: record for record in new}
            case 2 if told:
                old = told[dice.choice(sorted(told))]
                amended = Amendment(old.call, clock(), dice.choice([None, *towns]), dice.choice([None, True, False]))
                await write(writer, amended)
                told[old.call] = replace(
                    old, tenant=amended.tenant or old.tenant, test=old.test if amended.test is None else amended.test
                )
            case 3:
                clock.advance(hours=dice.randrange(1, 40))
            case _:
                await agrees(figures, [*told.values()], tenants=dice.choice([None, [TOWN], [OTHER, UNASSIGNED]]))
    await agrees(figures, [*told.values()])


async def test_a_finished_day_is_counted_once_and_today_every_time(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    told = some(20)
    await write(writer, *told)
    await agrees(figures, told)
    days = {berlin_day(record.t_in) for record in told}
    assert await kept(engine) == {(TOWN, day): day < berlin_day(NOON) for day in days}
    await erase(engine)  # behind everybody's back
    found = await figures.figures(SINCE, UNTIL)
    assert found[()].calls == sum(berlin_day(record.t_in) < berlin_day(NOON) for record in told)


async def test_days_without_calls_are_counted_too_but_none_before_the_first_or_after_the_last(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine, clock: Clock
) -> None:
    await write(writer, call(wait=3))
    clock.advance(days=4)
    await agrees(figures, [call(wait=3)])
    assert sorted(await kept(engine)) == [(TOWN, NOON.date() + n * A_DAY) for n in range(4)]
    assert await figures.figures(SINCE, UNTIL, ["nowhere"]) == {}
    assert await figures.figures(UNTIL, SINCE) == {}
    assert await figures.figures(NOON.date() + A_DAY, UNTIL) == {}


async def test_what_is_late_and_what_is_amended_is_in_the_next_report(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    told = [*some(20), *some(20, tenant=OTHER)]
    await write(writer, *told)
    assert await figures.make(SINCE, UNTIL) == 8
    assert await figures.make(SINCE, UNTIL) == 0
    before = await kept(engine)
    moved = told[10]
    late = call(wait=4, call="late", t_in=told[15].t_in)
    await write(writer, late, Amendment(moved.call, NOON, tenant=OTHER), Amendment(told[3].call, NOON, test=True))
    stale = {
        (TOWN, berlin_day(moved.t_in)), (OTHER, berlin_day(moved.t_in)), (TOWN, berlin_day(late.t_in)),
        (TOWN, berlin_day(told[3].t_in)),
    }  # fmt: skip
    assert {place for place, good in (await kept(engine)).items() if not good and before[place]} == stale - {
        (TOWN, NOON.date())
    }
    told[10], told[3] = replace(moved, tenant=OTHER), replace(told[3], test=True)
    await agrees(figures, [*told, late])
    assert (await figures.figures(SINCE, UNTIL, [TOWN]))[()].fates[Fate.TEST] == 1


async def test_the_same_record_carried_once_more_is_nothing_new(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    await write(writer, *some(10))
    await figures.make(SINCE, UNTIL)
    before = await kept(engine)
    await write(writer, *some(10))
    assert await kept(engine) == before


async def test_a_record_that_comes_while_its_day_is_counted_is_not_forgotten(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day was read without it, and must not be kept as if that were all."""
    told = some(20)
    await write(writer, *told[:-1])
    counted = figures._counted

    async def slowly(*asked: Any) -> Any:
        found = await counted(*asked)
        await write(writer, told[-1])
        return found

    monkeypatch.setattr(figures, "_counted", slowly)
    await figures.make(SINCE, UNTIL)
    monkeypatch.undo()
    assert {day for (_, day), good in (await kept(engine)).items() if not good} == {
        berlin_day(told[-1].t_in),
        NOON.date(),
    }
    await agrees(figures, told)


async def test_who_asks_for_the_same_at_the_same_time_waits_for_one_count(
    figures: FiguresStore, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = some(20)
    await write(writer, *told)
    made: list[int] = []
    make = figures._make_some

    async def noted(*asked: Any) -> int:
        made.append(await make(*asked))
        return made[-1]

    monkeypatch.setattr(figures, "_make_some", noted)
    await asyncio.gather(*(agrees(figures, told) for _ in range(5)))
    assert sum(made) == 4
    assert 4 in made


async def test_a_day_in_berlin_is_not_a_day_in_greenwich(
    figures: FiguresStore, writer: RecordWriter, clock: Clock
) -> None:
    """Also on the days that have 23 and 25 hours."""
    clock.time = datetime(2026, 11, 1, 12, tzinfo=UTC)
    days = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30), date(2026, 10, 24), date(2026, 10, 25)]
    edges = [berlin_midnight(day).astimezone(UTC) for day in days]
    told = [
        call(wait=3, call=f"{n}{by}", t_in=edge + by)
        for n, edge in enumerate(edges)
        for by in (timedelta(microseconds=-1), timedelta(), timedelta(hours=2, minutes=30))
    ]
    await write(writer, *told)
    await agrees(figures, told)
    for day in days:
        one = await figures.figures(day, day + A_DAY)
        assert one[()].answered == sum(berlin_day(record.t_in) == day for record in told)


async def test_what_was_counted_outlives_the_records(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    told = [*some(20), *some(20, tenant=OTHER)]
    await write(writer, *told)
    today = NOON.date()
    with pytest.raises(NotRolledUp, match=r"laatzen on 2026-02-26"):
        await erase(engine, sealing=today)
    await figures.make(SINCE, UNTIL)
    await erase(engine, sealing=today)
    old = [record for record in told if berlin_day(record.t_in) < today]
    await agrees(figures, old)
    late = call(wait=4, call="late", t_in=old[-1].t_in)
    await write(writer, late)
    async with writing(engine).begin() as connection:
        await connection.execute(update(rollups).values(form=0))  # counted by an earlier version
    await figures.make(SINCE, UNTIL)
    await agrees(figures, old)


async def test_a_version_that_counts_otherwise_counts_again(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    told = some(20)
    await write(writer, *told)
    await figures.make(SINCE, UNTIL)
    async with writing(engine).begin() as connection:
        await connection.execute(update(rollups).values(form=0, cells=b"as it was then"))
    await agrees(figures, told)


async def test_a_report_is_made_also_where_nothing_can_be_kept(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = some(20)
    await write(writer, *told)

    def full(_: AsyncEngine) -> AsyncEngine:
        raise OperationalError("INSERT", {}, OSError("no space left on device"))

    monkeypatch.setattr(figures_store, "writing", full)
    await agrees(figures, told)
    monkeypatch.undo()
    assert not any((await kept(engine)).values())
    await agrees(figures, told)


async def test_too_many_groups_are_noticed_before_they_are_there(
    figures: FiguresStore, writer: RecordWriter, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(writer, *(call(call=f"c{n}", t_in=NOON + n * A_DAY, wait=1) for n in range(20)))
    clock.time = NOON + 30 * A_DAY
    await figures.tables(SINCE, UNTIL, groupings=[[By.DAY]], most=20)
    joined: list[Figures] = []
    plain = figures_store._Group.join

    def join(group: figures_store._Group, of: Figures) -> Sequence[list[int]]:
        joined.append(of)
        return plain(group, of)

    monkeypatch.setattr(figures_store._Group, "join", join)
    with pytest.raises(TooManyGroups):
        await figures.tables(SINCE, UNTIL, groupings=[[], [By.DAY]], most=3)
    assert len(joined) < 10


async def test_long_lists_are_put_in_order_one_at_a_time(
    figures: FiguresStore, writer: RecordWriter, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has a turn between any two."""
    clock.time = NOON + 30 * A_DAY
    await write(writer, *(call(call=f"c{n}", t_in=NOON + n * A_DAY, wait=n) for n in range(5)))
    monkeypatch.setattr(figures_store, "UNSORTED", -1)
    turns, sorts = 0, []

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    class Told(list[int]):
        def sort(self, **how: Any) -> None:
            sorts.append(turns)
            super().sort(**how)

    class Group(figures_store._Group):
        def join(self, of: Figures) -> Sequence[list[int]]:
            return [Told(waits) for waits in super().join(of)]

    monkeypatch.setattr(figures_store, "_Group", Group)
    other = asyncio.create_task(somebody_else())
    await figures.tables(SINCE, UNTIL, groupings=[[]])
    other.cancel()
    assert len(sorts) == 15
    assert len(set(sorts)) == 15


async def test_only_what_is_asked_for(figures: FiguresStore, writer: RecordWriter) -> None:
    told = [
        *some(9),
        call(wait=3, call="i", kind=EntryKind.INTERNAL, queue="it"),
        call(wait=3, call="p", kind=EntryKind.PARTNER_INBOUND, tenant=OTHER),
    ]
    await write(writer, *told)
    assert (await figures.figures(SINCE, UNTIL))[()].calls == 9
    every = await figures.figures(SINCE, UNTIL, by=[By.KIND], kinds=[*EntryKind])
    assert [(*key, of.calls) for key, of in every.items()] == [
        ("internal", 1), ("main-number", 9), ("partner-inbound", 1),
    ]  # fmt: skip
    assert await figures.figures(SINCE, UNTIL, [OTHER]) == {}


async def test_no_person_is_in_what_is_kept(figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine) -> None:
    await write(writer, *some(20, team="centre"))
    await figures.make(SINCE, UNTIL)
    async with engine.connect() as connection:
        contents = (await connection.scalars(select(rollups.c.cells).where(rollups.c.cells.is_not(None)))).all()
    for content in contents:
        said = zlib.decompress(content).decode()
        assert "+49511730" in said or "+49511731" in said
        assert json.loads(said)[0] == 1, "how many people"
        assert not any(word in said for word in ("bert", "anna", "centre", "+4930230125001", "192.0.2.7"))


# ---------------------------------------------------------------- how many people


def by_each(names: str, **changes: Any) -> list[CallRecord]:
    """A call for each letter, answered by the agent it stands for, two days before noon."""
    there = {"t_in": NOON - 2 * A_DAY, **changes}
    found = enumerate(names)
    return [call(wait=3, call=f"{names}{n}{there['t_in']}", agent=AgentId(name), **there) for n, name in found]


async def people(figures: FiguresStore, by: Sequence[By] = (By.TENANT, By.MONTH), **asked: Any) -> list[int]:
    return [of.people for of in (await figures.figures(SINCE, UNTIL, by=by, **asked)).values()]


async def test_a_month_has_as_many_people_as_its_best_day(figures: FiguresStore, writer: RecordWriter) -> None:
    """Who answered twenty times is one; and who worked on another day may be the same."""
    await write(
        writer,
        *by_each("aaaaaaaaaab"),
        *by_each("bcd", t_in=NOON - 3 * A_DAY, queue="other"),
        *by_each("e", t_in=NOON - 3 * A_DAY, kind=EntryKind.SERVICE_115),
        # In no figure of citizens' calls, or answered by nobody.
        *by_each("tuvwxyz", t_in=NOON - 3 * A_DAY, test=True),
        *by_each("tuvwxy", t_in=NOON - 3 * A_DAY, kind=EntryKind.INTERNAL),
        *by_each("abcdefghi", t_in=NOON - 3 * A_DAY, t_ans=None),
        *by_each("abc", tenant=OTHER),
    )
    for _ in ("counted", "kept"):
        assert await people(figures) == [3, 4]
        assert await people(figures, [By.TENANT, By.DAY]) == [3, 4, 2]
        assert await people(figures, []) == [4]
        # Of part of a day, and of other calls, nobody can say.
        assert set(await people(figures, [By.QUEUE])) == {0}
        assert set(await people(figures, kinds=[EntryKind.SERVICE_115])) == {0}


async def test_how_many_they_were_is_known_when_their_names_are_not(
    figures: FiguresStore, writer: RecordWriter, engine: AsyncEngine
) -> None:
    await write(writer, *by_each("abcde"), *by_each("abc", tenant=OTHER))
    await figures.make(SINCE, UNTIL, [TOWN])
    async with writing(engine).begin() as connection:
        await connection.execute(update(records).values(agent=None))
    assert await people(figures) == [0, 5], "nobody had counted the first"
    # One comes late, and the day is counted once more.
    await write(writer, *by_each("f"))
    assert await people(figures) == [0, 5]
    assert (await figures.figures(SINCE, UNTIL, [TOWN]))[()].answered == 6


async def test_calls_that_go_to_another_town_take_their_people_along(
    figures: FiguresStore, writer: RecordWriter
) -> None:
    told = by_each("abcde")
    await write(writer, *told)
    assert await people(figures) == [5]
    await write(writer, *(Amendment(one.call, NOON, tenant=OTHER) for one in told[1:]))
    assert await people(figures) == [4, 1]


@given(st.lists(anything, max_size=30))
def test_what_is_kept_is_what_was_counted(calls: list[CallRecord]) -> None:
    cells: dict[Any, Figures] = {}
    for n, one in enumerate(calls):
        told = facts(replace(one, tenant=TOWN, t_in=one.t_in, entry=str(n % 3)))
        cells.setdefault(cell_of(told), Figures()).count(told)
    found = unpacked(TOWN, packed(Day(cells, 7)))
    in_order([dict(sorted(cells.items()))])
    assert (found.cells, found.people) == (cells, 7)
    assert sum((Counter(of.fates) for of in found.cells.values()), Counter()).total() == len(calls)


# ---------------------------------------------------------------- promises of callbacks


def owed(call: str, due: datetime, called: float | None = None, **more: Any) -> CallRecord:
    """``called``: so many hours after it was due."""
    at = None if called is None else due + timedelta(hours=called)
    return promised(call, due - A_DAY, t_due=due, t_called_back=at, **more)


async def test_promises_are_counted_on_the_day_they_were_due(
    writer: RecordWriter, figures: FiguresStore, clock: Clock
) -> None:
    clock.time = datetime(2026, 3, 31, 12, tzinfo=UTC)
    evening = datetime(2026, 3, 30, 22, tzinfo=UTC)  # midnight in Berlin
    minute = 1 / 60
    await write(
        writer,
        owed("c1", evening - timedelta(minutes=1), 0),  # at the very moment
        owed("c2", evening - timedelta(minutes=1), minute),
        owed("c3", evening, -24),
        owed("c4", evening),
        owed("c5", clock.time),  # the moment has come, and is not over
        owed("c6", clock.time + A_DAY, -30),  # kept before its time
        owed("c7", evening, 0, test=True),
        owed("c8", evening, 0, kind=EntryKind.PARTNER_INBOUND),
        owed("c9", evening, 0, tenant=OTHER),
        promised("c10", evening - A_DAY, t_due=None),
        served("c11", clock.time),
    )
    by_day = await figures.figures(date(2026, 3, 30), date(2026, 4, 3), [TOWN], by=[By.DAY])
    assert {day: found.callbacks for (day,), found in by_day.items()} == {
        date(2026, 3, 30): Ratio(1, 2),
        date(2026, 3, 31): Ratio(1, 2),
        date(2026, 4, 1): Ratio(1, 1),
    }
    assert by_day[date(2026, 4, 1),].calls == 0, "nobody called; somebody was called"
    whole, towns, entries = await figures.tables(
        SINCE, UNTIL, groupings=[(), (By.TENANT, By.MONTH), (By.TENANT, By.ENTRY)]
    )
    assert whole[()].callbacks == Ratio(4, 6)
    assert {town: found.callbacks for (town, month), found in towns.items() if month == date(2026, 3, 1)} == {
        TOWN: Ratio(2, 4), OTHER: Ratio(1, 1)
    }  # fmt: skip
    assert {found.callbacks for found in entries.values()} == {None}, "a promise of the entry is the town's"
    clock.advance(seconds=1)
    assert (await figures.figures(SINCE, UNTIL))[()].callbacks == Ratio(4, 7)
    [others] = (await figures.figures(SINCE, UNTIL, kinds=[EntryKind.PARTNER_INBOUND])).values()
    assert others.callbacks == Ratio(1, 1)


async def test_a_promise_that_is_kept_after_its_day_was_counted_is_kept(
    writer: RecordWriter, figures: FiguresStore, clock: Clock
) -> None:
    due = datetime(2026, 3, 2, 9, tzinfo=UTC)
    clock.time = due + 3 * A_DAY
    await write(writer, owed("c1", due))
    assert (await figures.figures(SINCE, UNTIL))[()].callbacks == Ratio(0, 1)
    await write(writer, Amendment(CallId("c1"), clock.time, kept=True, kept_at=due - timedelta(hours=1)))
    assert await figures.make(SINCE, UNTIL) == 0, "the calls of the day are as they were counted"
    assert (await figures.figures(SINCE, UNTIL))[()].callbacks == Ratio(1, 1)
