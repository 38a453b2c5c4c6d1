"""Figures of many days: what has been counted once is kept, and always says what the records say.

A *rollup* is all calls of one town on one Berlin day, counted in cells (half hour, entry, kind, queue) with the exact
waits, which percentiles need, and without persons. It is made when somebody asks for the day and it is over; of a day
that is not, or of which something was written since, the records are counted themselves. So a report never says
anything else than the records do, and whoever writes a record need not count.

*Always equal.* Whoever writes or amends a record raises the ``generation`` of its town's day in the same transaction
(``touched``). A rollup says of which generation it was made, and counts for nothing when that is not the one there is.
The generation is read *before* the records: whatever is committed after that makes the rollup an old one, also while it
is being made. What is not committed yet will raise it; and a day that had no row yet has one from whoever comes first,
so that the other finds it.

*How many people.* How long calls took is told where five agents or more answered them (``core/disclosure.py``), and who
answered is soon forgotten. So with the cells stands how many different agents answered citizens' calls of the town on
that day. A day that is counted once more, when names are gone, keeps the greater number; and who forgets names has the
days counted before.

*Kept for good.* Records are erased one day. Then there is nothing to count any more, so such days are sealed in the
transaction that erases (``seal``): a sealed rollup stays as it is whatever comes, also where a later version counts
otherwise (``FORM``).

*Beside live calls.* The records of a month are read in narrow columns and in handfuls, and so is what was kept; between
two of them the loop has its turn.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from dataclasses import astuple, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import and_, func, or_, select, text, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NULLTYPE

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.kpi import (
    CITIZENS,
    By,
    Cell,
    Facts,
    Fate,
    Figures,
    Kept,
    Key,
    Promise,
    Sent,
    TooManyGroups,
    berlin_day,
    berlin_midnight,
    cell_of,
    key_of,
)
from dialog_acd.core.model import EntryKind, QueueId, TenantId
from dialog_acd.core.records import Result
from dialog_acd.store.database import writing
from dialog_acd.store.tables import records, rollups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger(__name__)

FORM = 2
"""How cells are packed and what is counted in them. Another number has all that are not sealed made anew."""
HANDFUL = 250
"""Records counted in one turn of the loop: two milliseconds or so."""
FEW = 20
"""Cells joined in one turn: one millisecond."""
UNSORTED = 2000
"""Waits that may be out of order behind those that are in order."""
MONTH = 31
"""Days made in one go, and kept in one transaction."""
_DAY = timedelta(days=1)
_HALF_HOUR_S = 1800
_KINDS = {kind.value: kind for kind in EntryKind}
_RESULTS = {result.value: result for result in Result}
_FATES = {fate.value: fate for fate in Fate}

_OF_DAYS = frozenset({By.TENANT, By.DAY, By.MONTH, By.YEAR, By.WEEKDAY})
"""Groups by these are of whole days."""

Cells = dict[Cell, Figures]


class NotRolledUp(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Calls are not counted yet whose records would be erased."""

    error_id = "not-rolled-up"


async def touched(connection: AsyncConnection, days: Iterable[tuple[str, date]]) -> None:
    """Something was written of these towns' calls of these Berlin days, in this transaction."""
    # In one order: two who write at the same time wait for each other, and not in a circle.
    rows = [{"tenant": tenant, "day": day, "generation": 1, "sealed": False} for tenant, day in sorted(set(days))]
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(rollups).on_conflict_do_update(
            index_elements=[rollups.c.tenant, rollups.c.day], set_={"generation": rollups.c.generation + 1}
        )
        await connection.execute(statement, rows)


async def seal(connection: AsyncConnection, before: date, tenant: str | None = None) -> None:
    """The records of earlier days than this are erased in this transaction: keep what was counted, for good.

    Have them counted first (``FiguresStore.make``). Raises ``NotRolledUp`` where a day is not counted as it is now.
    """
    where = [rollups.c.day < before, ~rollups.c.sealed]
    if tenant is not None:
        where.append(rollups.c.tenant == tenant)
    missing = select(rollups.c.tenant, rollups.c.day).where(*where, ~_CURRENT).limit(1)
    if found := (await connection.execute(missing)).first():
        raise NotRolledUp(f"The calls of {found.tenant} on {found.day} are not counted yet.")
    await connection.execute(update(rollups).where(*where).values(sealed=True))


_CURRENT = and_(rollups.c.cells.is_not(None), rollups.c.made_of == rollups.c.generation, rollups.c.form == FORM)
_GOOD = or_(rollups.c.sealed, func.coalesce(_CURRENT, False))


@dataclass(slots=True)
class _Group:
    figures: Figures = field(default_factory=Figures)
    in_order: int = 0
    """So many of the waits are in order already."""

    def join(self, figures: Figures) -> Sequence[list[int]]:
        """Waits that should be put in order now, one list at a time."""
        self.figures.join(figures)
        there = len(self.figures.waits)
        if there - self.in_order <= max(UNSORTED, there // 64):
            return ()
        # A percentile would have to put a year's waits in order at once, and nothing else could be done meanwhile. What
        # is nearly so is put in order quickly.
        self.in_order = there
        return self.figures.waits, self.figures.waits_in_line, self.figures.waits_of_abandoned


@dataclass(slots=True)
class Day:
    """A town's day, or a part of it."""

    cells: Cells = field(default_factory=dict)
    people: int = 0
    """At least so many different agents answered citizens."""
    agents: set[str] = field(default_factory=set)
    """While it is counted: who they are."""
    nameless: bool = False
    """... and whether it is forgotten of some."""

    def count(self, call: Facts, agent: str | None, figures: Figures) -> None:
        """``figures``: of its cell."""
        answered = figures.answered
        figures.count(call)
        if figures.answered > answered and call.kind in CITIZENS:
            if agent:
                self.agents.add(agent)
                self.people = len(self.agents)
            else:
                self.nameless = True


@dataclass(slots=True)
class _Tables:
    """Groups as they fill."""

    groupings: tuple[tuple[By, ...], ...]
    most: int | None
    """Groups of each."""
    people: bool
    """Whether all who answer them are among these calls."""
    found: list[dict[Key, _Group]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.found = [{} for _ in self.groupings]

    async def take(self, cell: Cell, figures: Figures) -> None:
        """Others have their turn while it takes long. Raises ``TooManyGroups``."""
        for by, groups in zip(self.groupings, self.found, strict=True):
            key = key_of(cell, by)
            group = groups.get(key)
            if group is None:
                if len(groups) == self.most:
                    raise TooManyGroups(f"there are more than {self.most} groups")
                group = groups[key] = _Group()
            for waits in group.join(figures):
                waits.sort()
                await asyncio.sleep(0)

    def in_order(self) -> list[dict[Key, Figures]]:
        return [{key: groups[key].figures for key in sorted(groups)} for groups in self.found]

    def take_people(self, day: Day) -> None:
        """Once the day's cells are taken."""
        if not day.people or not self.people:
            return
        for by, groups in zip(self.groupings, self.found, strict=True):
            if _OF_DAYS.issuperset(by):
                for key in {key_of(cell, by) for cell in day.cells if cell.kind in CITIZENS}:
                    figures = groups[key].figures
                    figures.people = max(figures.people, day.people)


class FiguresStore:
    """Figures of finished calls, as far as their records are in the database. ``now``: the clock."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._making = asyncio.Lock()

    async def figures(
        self,
        since: date,
        until: date,
        tenants: Collection[str] | None = None,
        *,
        by: Sequence[By] = (),
        kinds: Collection[EntryKind] = CITIZENS,
    ) -> dict[Key, Figures]:
        """Calls that came from the Berlin day ``since`` on and before the day ``until``, in groups, in their order.

        ``tenants``: of these towns (ids); ``None``: of all, ``UNASSIGNED`` among them. Without ``by``, all are one
        group, whose key is ``()``. What had no call is no group. Of another than the citizens' calls only on demand.
        """
        return (await self.tables(since, until, tenants, groupings=[by], kinds=kinds))[0]

    async def tables(
        self,
        since: date,
        until: date,
        tenants: Collection[str] | None = None,
        *,
        groupings: Sequence[Sequence[By]],
        kinds: Collection[EntryKind] = CITIZENS,
        most: int | None = None,
    ) -> list[dict[Key, Figures]]:
        """The same calls in several ways at once, as ``figures`` says each.

        Raises ``TooManyGroups`` as soon as one of these ways has more than ``most``.
        """
        tables = _Tables(tuple(map(tuple, groupings)), most, people=frozenset(kinds) == CITIZENS)
        async for day in self._days(since, until, tenants):
            async for cell, figures in _in_turns(day.cells, kinds):
                await tables.take(cell, figures)
            tables.take_people(day)
        return await asyncio.to_thread(tables.in_order)

    async def cells(
        self,
        since: date,
        until: date,
        tenants: Collection[str] | None = None,
        *,
        kinds: Collection[EntryKind] = CITIZENS,
    ) -> AsyncIterator[tuple[Cell, Figures]]:
        """The same calls in the finest groups there are, town by town, to be counted at once and not kept."""
        async for day in self._days(since, until, tenants):
            async for cell, figures in _in_turns(day.cells, kinds):
                yield cell, figures

    async def make(self, since: date, until: date, tenants: Collection[str] | None = None) -> int:
        """Have all days of this time counted that are over; how many were not before."""
        return sum([await self._make(tenant, since, until) for tenant in await self._tenants(tenants, since, until)])

    async def _days(self, since: date, until: date, tenants: Collection[str] | None) -> AsyncIterator[Day]:
        for tenant in await self._tenants(tenants, since, until):
            try:
                await self._make(tenant, since, until)
            except SQLAlchemyError as error:
                # A disk that is full, or somebody who does not let go: then the records are counted once more.
                log.warning("figures.not-kept", tenant=tenant, why=str(error).split("\n", 1)[0])
            kept: set[date] = set()
            async for at, day in self._kept(tenant, since, until):
                kept.add(at)
                yield day
            # What is not over, and what was written of since a moment ago.
            begin, end = await self._there(tenant, since, until)
            for first, last in _runs(begin, end, kept):
                for day in (await self._counted(tenant, first, last)).values():
                    yield day

    # -- counting

    async def _make(self, tenant: str, since: date, until: date) -> int:
        begin, end = await self._there(tenant, since, until)
        end = min(end, berlin_day(self._now()))
        if await self._good(tenant, begin, end) == (end - begin).days:
            return 0
        made = 0
        async with self._making:  # who asks for the same meanwhile finds it
            for first in _months(begin, end):
                made += await self._make_some(tenant, first, min(first + MONTH * _DAY, end))
        return made

    async def _make_some(self, tenant: str, begin: date, end: date) -> int:
        there = select(rollups.c.day, rollups.c.generation, _GOOD.label("good")).where(
            rollups.c.tenant == tenant, rollups.c.day >= begin, rollups.c.day < end
        )
        before = select(rollups.c.cells).where(rollups.c.tenant == tenant, rollups.c.form == FORM)
        async with self._engine.connect() as connection:
            known = {row.day: row for row in (await connection.execute(there)).all()}
        kept = {day for day, row in known.items() if row.good}
        rows = []
        for first, last in _runs(begin, end, kept):
            counted = await self._counted(tenant, first, last)
            for day in _every(first, last):
                generation = known[day].generation if day in known else 0
                new = counted.get(day, Day())
                if new.nameless and day in known:
                    async with self._engine.connect() as connection:
                        content = await connection.scalar(before.where(rollups.c.day == day))
                    if content is not None:
                        new.people = max(new.people, unpacked(TenantId(tenant), content).people)
                rows.append(
                    {
                        "tenant": tenant,
                        "day": day,
                        "generation": generation,
                        "made_of": generation,
                        "form": FORM,
                        "sealed": False,
                        "cells": packed(new),
                    }
                )
                await asyncio.sleep(0)
        if rows:
            async with writing(self._engine).begin() as connection:
                insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
                statement = insert(rollups)
                ours = statement.excluded
                statement = statement.on_conflict_do_update(
                    index_elements=[rollups.c.tenant, rollups.c.day],
                    set_={name: ours[name] for name in ("made_of", "form", "cells")},
                    where=~rollups.c.sealed,
                )
                await connection.execute(statement, rows)
            log.info("figures.rolled-up", tenant=tenant, days=len(rows))
        return len(rows)

    async def _counted(self, tenant: str, begin: date, end: date) -> dict[date, Day]:
        """The records themselves."""
        found: dict[date, Day] = {}
        days: dict[datetime, Day] = {}
        question = (
            select(*_COLUMNS)
            .where(
                records.c.tenant == tenant,
                records.c.t_in >= berlin_midnight(begin),
                records.c.t_in < berlin_midnight(end),
            )
            .execution_options(yield_per=HANDFUL)
        )
        async with self._engine.connect() as connection:
            moment = _moment_of_text if connection.dialect.name == "sqlite" else _moment_as_it_is
            rows = await connection.stream(question)
            async for handful in rows.partitions():
                for row in handful:
                    *of_call, agent = row
                    try:
                        call = _facts(tenant, of_call, moment)
                        cell = cell_of(call)
                    except (ValueError, KeyError, TypeError) as error:
                        # Of a later version, say. It ends neither a report nor the night that has to forget names.
                        log.error("figures.not-counted", tenant=tenant, why=f"{type(error).__name__}: {error}"[:200])  # noqa: TRY400
                        continue
                    day = days.get(cell.half_hour)
                    if day is None:
                        day = days[cell.half_hour] = found.setdefault(berlin_day(cell.half_hour), Day())
                    figures = day.cells.get(cell)
                    if figures is None:
                        figures = day.cells[cell] = Figures()
                    day.count(call, agent, figures)
                await asyncio.sleep(0)
        return found

    # -- what there is

    async def _kept(self, tenant: str, since: date, until: date) -> AsyncIterator[tuple[date, Day]]:
        for first in _months(since, until):
            question = (
                select(rollups.c.day, rollups.c.cells)
                .where(
                    rollups.c.tenant == tenant,
                    rollups.c.day >= first,
                    rollups.c.day < min(first + MONTH * _DAY, until),
                    _GOOD,
                )
                .order_by(rollups.c.day)
            )
            async with self._engine.connect() as connection:
                rows = (await connection.execute(question)).all()
            for day, content in rows:
                yield day, unpacked(TenantId(tenant), content)

    async def _good(self, tenant: str, begin: date, end: date) -> int:
        question = (
            select(func.count())
            .select_from(rollups)
            .where(rollups.c.tenant == tenant, rollups.c.day >= begin, rollups.c.day < end, _GOOD)
        )
        async with self._engine.connect() as connection:
            return await connection.scalar(question) or 0

    async def _there(self, tenant: str, since: date, until: date) -> tuple[date, date]:
        """Of this time, what can have records: from the town's first on, and not tomorrow."""
        first = select(records.c.t_in).where(records.c.tenant == tenant).order_by(records.c.t_in).limit(1)
        async with self._engine.connect() as connection:
            came = await connection.scalar(first)
        end = min(until, berlin_day(self._now()) + _DAY)
        begin = max(since, end if came is None else berlin_day(came))
        return begin, max(begin, end)

    async def _tenants(self, tenants: Collection[str] | None, since: date, until: date) -> list[str]:
        if tenants is not None:
            return sorted(set(tenants))
        kept = select(rollups.c.tenant).where(rollups.c.day >= since, rollups.c.day < until).distinct()
        async with self._engine.connect() as connection:
            told = (await connection.execute(_EVERY_TENANT)).scalars().all()
            return sorted({*told, *(await connection.execute(kept)).scalars().all()})


# From one town to the next: a DISTINCT would walk through the whole index, a hundred thousand calls for each of them.
_EVERY_TENANT = text(
    "WITH RECURSIVE town(id) AS (SELECT min(tenant) FROM records"
    " UNION ALL SELECT (SELECT min(tenant) FROM records WHERE tenant > town.id) FROM town WHERE town.id IS NOT NULL)"
    " SELECT id FROM town WHERE id IS NOT NULL"
)


def _every(begin: date, end: date) -> list[date]:
    return [begin + n * _DAY for n in range((end - begin).days)]


def _months(begin: date, end: date) -> list[date]:
    return _every(begin, end)[::MONTH]


async def _in_turns(cells: Cells, kinds: Collection[EntryKind]) -> AsyncIterator[tuple[Cell, Figures]]:
    """Those of these kinds; between a few of them others have their turn."""
    for n, (cell, figures) in enumerate(cells.items(), 1):
        if cell.kind in kinds:
            yield cell, figures
        if n % FEW == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)


def _runs(begin: date, end: date, without: Collection[date]) -> list[tuple[date, date]]:
    """What is left in stretches of at most ``MONTH`` days: of each its first day, and the one after its last."""
    found: list[tuple[date, date]] = []
    for day in _every(begin, end):
        if day in without:
            continue
        if found and found[-1][1] == day and (day - found[-1][0]).days < MONTH:
            found[-1] = found[-1][0], day + _DAY
        else:
            found.append((day, day + _DAY))
    return found


# ---------------------------------------------------------------- a record's row

# As the driver gives them: SQLAlchemy's own reading of half a million moments would be most of the time.
_COLUMNS = [
    type_coerce(records.c[name], NULLTYPE)
    for name in (
        "entry", "kind", "queue", "t_in", "t_ann_end", "t_ans", "t_end", "t_wrap_end", "talk_ms", "wrap_ms",
        "t_leave", "t_ovf", "t_ovf_ans", "result", "reason", "failsafe_answered_by", "overflow_trigger",
        "overflow_partner", "test", "target_ms", "target_share", "agent",
    )
]  # fmt: skip


def _moment_of_text(value: Any) -> Any:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


def _moment_as_it_is(value: Any) -> Any:
    return value


def _facts(tenant: str, row: Any, moment: Callable[[Any], Any]) -> Facts:
    (
        entry, kind, queue, t_in, t_ann_end, t_ans, t_end, t_wrap_end, talk_ms, wrap_ms, t_leave, t_ovf, t_ovf_ans,
        result, reason, failsafe_answered_by, trigger, partner, test, target_ms, target_share,
    ) = row  # fmt: skip
    return Facts(
        TenantId(tenant), entry, _KINDS[kind], QueueId(queue), moment(t_in), moment(t_ann_end), moment(t_ans),
        moment(t_end), moment(t_wrap_end), talk_ms, wrap_ms, moment(t_leave), moment(t_ovf), moment(t_ovf_ans),
        _RESULTS[result], reason, failsafe_answered_by is not None, trigger, partner, bool(test), target_ms,
        target_share,
    )  # fmt: skip


# ---------------------------------------------------------------- how a day is kept


def packed(day: Day) -> bytes:
    """One town's day as JSON, packed by zlib; the waits in order, each as what it is longer than the one before."""
    plain = [day.people, *(_plain(cell, figures) for cell, figures in sorted(day.cells.items()))]
    return zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 6)


def unpacked(tenant: TenantId, content: bytes) -> Day:
    """What ``packed`` made, also in the form before, in which nobody said how many people."""
    plain = json.loads(zlib.decompress(content))
    people = plain.pop(0) if plain and isinstance(plain[0], int) else 0
    return Day(dict(_read(tenant, one) for one in plain), people)


def _plain(cell: Cell, figures: Figures) -> list[Any]:
    waits = _steps(figures.waits)
    in_line = _steps(figures.waits_in_line)
    return [
        int(cell.half_hour.timestamp()) // _HALF_HOUR_S, cell.entry, cell.kind.value, cell.queue,
        {fate.value: count for fate, count in figures.fates.items()},
        [[*sent, count] for sent, count in figures.sent.items()],
        [[*(promise or (None, None)), *astuple(kept)] for promise, kept in figures.promises.items()],
        figures.unassigned,
        waits,
        None if in_line == waits else in_line,  # no announcement
        _steps(figures.waits_of_abandoned),
        figures.talked_ms,
        figures.handled_ms,
    ]  # fmt: skip


def _read(tenant: TenantId, plain: list[Any]) -> tuple[Cell, Figures]:
    when, entry, kind, queue, fates, sent, promises, unassigned, waits, in_line, left, talked, handled = plain
    cell = Cell(tenant, datetime.fromtimestamp(when * _HALF_HOUR_S, UTC), entry, _KINDS[kind], queue)
    return cell, Figures(
        fates=Counter({_FATES[fate]: count for fate, count in fates.items()}),
        sent=Counter({Sent(trigger, partner, _FATES[fate]): count for trigger, partner, fate, count in sent}),
        promises={
            None if target_ms is None else Promise(target_ms, share): Kept(*counts)
            for target_ms, share, *counts in promises
        },
        unassigned=unassigned,
        waits=list(accumulate(waits)),
        waits_in_line=list(accumulate(waits if in_line is None else in_line)),
        waits_of_abandoned=list(accumulate(left)),
        talked_ms=talked,
        handled_ms=handled,
    )


def _steps(waits: list[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise([0, *sorted(waits)])]
