"""Gathers what a report is made of, for the command line and the REST API alike.

A closed range gives the same report for ever: counts come from records that are not changed any more, what was promised
stands on them, and names and contracts are read from the version of the directory that was in force when the range
ended, not from today's.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from dialog_acd.core.attendance import Demand, staffing
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.kpi import BERLIN, By, Fate, Figures, TooManyGroups, berlin_day, berlin_midnight, settled_before
from dialog_acd.core.model import UNASSIGNED, EntryKind, Trigger
from dialog_acd.core.remarks import promised_gaps
from dialog_acd.report.document import plain
from dialog_acd.report.evaluation import Evaluated, evaluation
from dialog_acd.report.figures import calls_document
from dialog_acd.report.page import page
from dialog_acd.report.readiness import Readied, readiness
from dialog_acd.report.sheet import sheet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence

    from dialog_acd.core.attendance import Attended, Staffed
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.kpi import Cell, Key, Promise
    from dialog_acd.core.model import QueueId
    from dialog_acd.report.document import Document
    from dialog_acd.store.directory_store import Version

MOST_DAYS = 731
MOST_DAYS_BY_HALF_HOUR = 31
MOST_WEEKS = 104
MOST_GROUPS = 3
MOST_ROWS = 10_000
"""Of a table, each with some forty figures: more would be seconds of work, and nobody reads them."""
DAYS_SHOWN_SINGLY = 31


_BY_PLAN = frozenset({Trigger.CLOSED_HOURS.value, Trigger.CLOSED_DAY.value})


class RangeRefused(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """No report can be made of this range."""

    error_id = "range-refused"


class NoDirectory(DialogAcdError):  # noqa: N818
    """Nobody has said yet which towns there are."""

    error_id = "no-directory"


class Form(StrEnum):
    """How a report is told."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


def told(document: Document, form: Form) -> str:
    """A report as text."""
    match form:
        case Form.HTML:
            return page(document)
        case Form.CSV:
            return sheet(document.tables())
        case Form.JSON:
            return json.dumps(plain(document), ensure_ascii=False, indent=1) + "\n"


class Told:
    """Reports as text, for whoever has words for days, groups and forms alone: the REST API."""

    def __init__(self, reports: Reports, now: Callable[[], datetime]) -> None:
        self._reports, self._now = reports, now
        self._turn = asyncio.Lock()

    async def calls(self, since: date | None, until: date | None, by: str, town: str | None, form: str) -> str:
        return await self._told(self._reports.calls(self._range(since, until), grouping(by), town), form)

    async def evaluation(self, since: date | None, until: date | None, town: str | None, form: str) -> str:
        return await self._told(self._reports.evaluation(self._range(since, until), town), form)

    async def readiness(self, weeks: int, form: str) -> str:
        return await self._told(self._reports.readiness(weeks), form)

    async def towns(self, since: date | None, until: date | None) -> Collection[str]:
        return await self._reports.towns(self._range(since, until))

    def _range(self, since: date | None, until: date | None) -> Range:
        return range_of(since, until, berlin_day(self._now()))

    async def _told(self, document: Awaitable[Document], form: str) -> str:
        # A large report takes some tenths of a second to be written, and callers must not wait for it. Nor for several
        # at once, however many are asked for.
        async with self._turn:
            return await asyncio.to_thread(told, await document, Form(form))


class Counted(Protocol):
    """``store.figures_store.FiguresStore``."""

    async def tables(
        self,
        since: date,
        until: date,
        tenants: Collection[str] | None = None,
        *,
        groupings: Sequence[Sequence[By]],
        kinds: Collection[EntryKind] = ...,
        most: int | None = None,
    ) -> list[dict[Key, Figures]]: ...

    def cells(
        self,
        since: date,
        until: date,
        tenants: Collection[str] | None = None,
        *,
        kinds: Collection[EntryKind] = ...,
    ) -> AsyncIterator[tuple[Cell, Figures]]: ...


class Presence(Protocol):
    """``store.attendance_store.AttendanceStore``."""

    async def between(self, since: datetime, until: datetime) -> list[Attended]: ...


class Directories(Protocol):
    """``store.directory_store.DirectoryStore``."""

    async def versions(self, limit: int = 50, before: int | None = None) -> list[Version]: ...

    async def version(self, number: int) -> Directory: ...


@dataclass(frozen=True, slots=True)
class Range:
    """Whole days in Berlin, both included. Raises ``RangeRefused`` for one that is none, or is too long."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise RangeRefused(f"the range ends on {self.until}, before it begins on {self.since}")
        if self.days > MOST_DAYS:
            raise RangeRefused(f"the range has {self.days} days, and may have {MOST_DAYS}: ask for a shorter one")

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def after(self) -> date:
        """The first day behind it."""
        return self.until + timedelta(days=1)

    def months(self, settled_before: date) -> list[date]:
        """The first days of all whole months in it before this day."""
        first, end = self.since if self.since.day == 1 else _next(self.since), min(self.after, settled_before)
        found = []
        while _next(first) <= end:
            found.append(first)
            first = _next(first)
        return found


def _next(day: date) -> date:
    """The first of the month after this day's."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def range_of(since: date | None, until: date | None, today: date) -> Range:
    """What is left out is the month before today's; with a first day alone, up to yesterday.

    Raises ``RangeRefused``.
    """
    last = today.replace(day=1) - timedelta(days=1)
    if since is None and until is None:
        return Range(last.replace(day=1), last)
    if until is None:
        return Range(since or last.replace(day=1), today - timedelta(days=1))
    return Range(since or until.replace(day=1), until)


def grouping(text: str) -> tuple[By, ...]:
    """``town,day`` as what to group by. Raises ``RangeRefused``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = {"town": By.TENANT} | {str(by): by for by in By if by is not By.TENANT}
    unknown = [word for word in words if word not in known]
    if unknown or not words or len(words) > MOST_GROUPS or len({*words}) < len(words):
        raise RangeRefused(
            f"figures are grouped by up to {MOST_GROUPS} different ones of {', '.join(known)}, not by {text!r}"
        )
    return tuple(known[word] for word in words)


class Reports:
    """All raise ``RangeRefused``, and ``NoDirectory`` where there is none yet."""

    def __init__(
        self, counted: Counted, presence: Presence, directories: Directories, now: Callable[[], datetime]
    ) -> None:
        self._counted, self._presence, self._directories, self._now = counted, presence, directories, now

    async def calls(self, span: Range, by: Sequence[By], town: str | None = None) -> Document:
        """Call figures in groups."""
        if By.HALF_HOUR in by and span.days > MOST_DAYS_BY_HALF_HOUR:
            raise RangeRefused(
                f"by half hours a range may have {MOST_DAYS_BY_HALF_HOUR} days, and this one has {span.days}"
            )
        try:
            found, whole = await self._tables(span, town, (by, ()), most=MOST_ROWS)
        except TooManyGroups as error:
            raise RangeRefused(
                f"that would be more than the {MOST_ROWS} rows there may be: ask for fewer days or groups"
            ) from error
        directory = await self._directory(span.after)
        return await asyncio.to_thread(
            calls_document,
            span.since,
            span.until,
            self._stand(),
            by=by,
            groups=found,
            whole=whole.get((), Figures()),
            towns=_names(directory),
            town=town,
        )

    async def evaluation(self, span: Range, town: str | None = None) -> Document:
        """The five chapters. With ``town`` about that town alone."""
        daily = span.days <= DAYS_SHOWN_SINGLY
        groupings = ((), (By.TENANT,), (By.KIND,), (By.DAY if daily else By.MONTH,), (By.TENANT, By.MONTH))
        whole, by_town, by_kind, by_time, by_town_and_month = await self._tables(span, town, groupings)
        directory = await self._directory(span.after)
        # Of others two reports, before and after a town is named or a test marked, would tell how long one call took.
        months = span.months(settled_before(self._now()))
        attended, staffed = await self._staff(months) if town is None else ([], ())
        handled: dict[str, list[Figures]] = {}
        for (tenant, month), figures in by_town_and_month.items():
            if month in months:
                handled.setdefault(str(tenant), []).append(figures)
        data = Evaluated(
            since=span.since,
            until=span.until,
            as_of=self._stand(),
            towns=_names(directory),
            town=town,
            whole=whole.get((), Figures()),
            by_town={str(key[0]): figures for key, figures in by_town.items()},
            by_kind={EntryKind(str(key[0])): figures for key, figures in by_kind.items()},
            by_time={key[0]: figures for key, figures in by_time.items() if isinstance(key[0], date)},
            daily=daily,
            handled=handled,
            formulas={tenant.id: tenant.contract.formula for tenant in directory.tenants},
            attended=attended,
            staffed=staffed,
            teams={team.id: team.name for team in directory.teams},
        )
        return await asyncio.to_thread(evaluation, data)

    async def readiness(self, weeks: int) -> Document:
        """The last whole weeks of 115."""
        if not 1 <= weeks <= MOST_WEEKS:
            raise RangeRefused(f"the readiness looks back over 1 to {MOST_WEEKS} weeks, not {weeks}")
        today = berlin_day(self._now())
        monday = today - timedelta(days=today.weekday())
        first = monday - timedelta(weeks=weeks)
        (by_day,) = await self._counted.tables(first, monday, groupings=((By.DAY,),), kinds=(EntryKind.SERVICE_115,))
        found: dict[date, Figures | None] = {first + timedelta(weeks=n): None for n in range(weeks)}
        for (day,), figures in by_day.items():
            if isinstance(day, date):
                begins = day - timedelta(days=day.weekday())
                week = found[begins] = found[begins] or Figures()
                week.join(figures)
        directory = await self._directory(today + timedelta(days=1))
        hours = [
            (entry.number, promised_gaps(directory, entry))
            for entry in directory.entries
            if entry.kind is EntryKind.SERVICE_115
        ]
        return await asyncio.to_thread(readiness, Readied(self._stand(), found, hours))

    async def towns(self, span: Range) -> Collection[str]:
        """Ids of the towns there were when the range ended: one that has left since has its figures all the same."""
        return {tenant.id for tenant in (await self._directory(span.after)).tenants}

    async def _staff(self, months: Sequence[date]) -> tuple[list[Attended], tuple[Staffed, ...]]:
        """Who was there, and how many it would have taken: for all calls, also those of partners.

        Month by month: all queues' half hours of a year at once are gigabytes.
        """
        present: list[Attended] = []
        staffed: list[Staffed] = []
        for month in months:
            attended = await self._presence.between(berlin_midnight(month), berlin_midnight(_next(month)))
            present += attended
            if not present:
                continue
            asked: dict[tuple[QueueId, datetime], _Asked] = {}
            # Before that nobody counted who was there, which does not mean that nobody was.
            first = present[0].begins
            async for cell, figures in self._counted.cells(month, _next(month), kinds=tuple(EntryKind)):
                if cell.half_hour >= first:
                    of = asked.get((cell.queue, cell.half_hour))
                    if of is None:
                        of = asked[cell.queue, cell.half_hour] = _Asked()
                    of.add(figures)
            staffed += await asyncio.to_thread(lambda: staffing(attended, _demands(asked)))  # noqa: B023  awaited
        return present, tuple(staffed)

    async def _tables(
        self, span: Range, town: str | None, groupings: Sequence[Sequence[By]], most: int | None = None
    ) -> list[dict[Key, Figures]]:
        towns = None if town is None else [town]
        return await self._counted.tables(span.since, span.after, towns, groupings=groupings, most=most)

    async def _directory(self, until: date) -> Directory:
        """The one in force when this day began; before there was any, the first."""
        end, before = berlin_midnight(until), None
        while True:
            page = await self._directories.versions(before=before)
            for version in page:
                before = version.number
                if version.edit.at < end:
                    return await self._directories.version(version.number)
            if not page:
                break
        if before is None:
            raise NoDirectory("there is no directory yet: load one first")
        return await self._directories.version(before)

    def _stand(self) -> datetime:
        return self._now().astimezone(BERLIN)


def _names(directory: Directory) -> dict[str, str]:
    towns = {str(tenant.id): tenant.name for tenant in sorted(directory.tenants, key=lambda t: t.name)}
    return towns | {UNASSIGNED: "Ohne genannten Ort"}


@dataclass(slots=True)
class _Asked:
    """What was asked of one queue in one half hour."""

    handled: int = 0
    handled_ms: int = 0
    promises: dict[Promise | None, int] = field(default_factory=dict)
    """Offered calls by what was promised."""

    def add(self, figures: Figures) -> None:
        """One cell. Whoever came when nobody works here, and went to a partner by plan, asks for nobody of ours."""
        elsewhere = sum(
            count for sent, count in figures.sent.items() if sent.trigger in _BY_PLAN and sent.fate is not Fate.ANSWERED
        )
        self.handled += figures.answered
        self.handled_ms += figures.handled_ms
        for promise, kept in figures.promises.items():
            # One entry's callers of one half hour have one promise.
            away = min(elsewhere, kept.offered)
            elsewhere -= away
            self.promises[promise] = self.promises.get(promise, 0) + kept.offered - away


def _demands(asked: dict[tuple[QueueId, datetime], _Asked]) -> Iterator[Demand]:
    """What was asked of the centre, half hour by half hour; a promise that nobody knows is the usual one."""
    for (queue, begins), of in asked.items():
        left, offered_in_all = of.handled, sum(of.promises.values())
        for n, (promise, offered) in enumerate(of.promises.items(), 1):
            handled = left if n == len(of.promises) else min(left, of.handled * offered // max(1, offered_in_all))
            left -= handled
            yield Demand(
                begins=begins,
                queue=queue,
                calls=offered,
                handling_ms=round(of.handled_ms * handled / of.handled) if of.handled else 0,
                handled=handled,
                share=0.75 if promise is None else promise.share,
                within=timedelta(seconds=30) if promise is None else timedelta(milliseconds=promise.target_ms),
            )
