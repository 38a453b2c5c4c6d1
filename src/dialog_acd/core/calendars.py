"""When a number is served: weekly hours, a Land's public holidays, days that differ.

Service is promised in *local wall-clock time*: "Monday to Thursday 7 to 18" means what the clock in the town hall
shows, in summer and in winter. Everything handed in and out is UTC; wall time lives in this file alone.

Which plan a local day follows: a special day wins over everything, both ways (the staff outing closes a Tuesday, a
town festival opens a holiday); else a public holiday closes it; else the hours of its weekday hold. The day is the
whole local day: at three in the night of a holiday the reason is the holiday, not the hour.

A wall time is not always one moment. In the spring night 02:30 does not exist, in the autumn night it comes twice.
One rule answers both: **a stretch begins the first moment the clock has reached its opening time, and ends when the
clock has passed its closing time for good.** So a time inside the gap becomes the first moment after the gap, and of
a doubled time the first one opens and the second one closes. Why this way: a caller who reads an opening hour off the
clock never finds us closed, and a stretch opens once and closes once. The strict reading (open whenever the clock
shows a time within the hours) would close at 02:30, open again at 02:00 and close again at 02:30, and the
announcement of the next opening time would name an hour that seems to lie in the past. The price is that we may be
open for up to an hour, once a year and at night, while the clock shows a time outside the hours. A closing time equal
to the one the clocks are set back to (02:00) is reached for good the first time: nothing less is shown after it.

Midnight is no border: a stretch to ``24:00`` and one from ``00:00`` of the next day are one. A night shift is
written as two lines.

It is asked for every call, so the answers of one UTC day are worked out once: they change only at an opening, a
closing or a local midnight, and between two of those every moment has the very same answer. UTC days, because they
all have 24 hours.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import holidays

from dialog_acd.core.errors import RuleInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dialog_acd.core.model import CalendarId, TenantId

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_DAYS = frozenset(range(7))
_MIDNIGHT = time()
_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_LINE = re.compile(r"(?P<days>[^0-9]*) (?P<span>[0-9].*)")
_SPAN = re.compile(r"([0-9]{1,2}):([0-5][0-9]) ?- ?([0-9]{1,2}):([0-5][0-9])")
_EXAMPLE = "'mon-thu 07:00-18:00', 'mon,wed 08:00-12:00' or 'daily 00:00-24:00'"

LOOK_AHEAD = 400
"""So many local days after today the next opening is looked for."""
NEVER_CLOSES = 366
"""Who is open without a break until the end of so many local days after today never closes."""
_KEPT = 500
"""Days whose answers a calendar keeps; a replay may walk through years."""


@dataclass(frozen=True, slots=True)
class Hours:
    """One line of a weekly plan, written ``mon-thu 07:00-18:00``. Whole minutes."""

    days: frozenset[int]
    """0 is Monday."""
    opens: time
    """Local wall time; from this moment on, inclusive."""
    closes: time
    """Exclusive; ``time(0)`` is midnight at the end of the day (``24:00``)."""


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that differs: the staff outing, Christmas Eve, a day with other hours."""

    day: date
    name: str
    """As a caller may hear it: ``Betriebsausflug``."""
    hours: tuple[tuple[time, time], ...] = ()
    """Opening and closing, as in ``Hours``; empty: closed all day."""


class Why(StrEnum):
    """The words of the closed ones are those of the overflow triggers."""

    OPEN = "open"
    HOURS = "closed-by-hours"
    DAY = "closed-by-day"
    """A public holiday or a special day."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a calendar says about one moment."""

    open: bool
    why: Why
    name: str
    """German name of the holiday or special day that the local day is, also while it is open; else empty."""
    closes_at: datetime | None
    """UTC. When open: the end of this stretch, and of all that adjoin it. ``None`` when closed or when it never
    closes within a year."""
    opens_at: datetime | None
    """UTC. When closed: the next opening; ``None`` when open or when there is none within ``LOOK_AHEAD`` days."""


@dataclass(frozen=True)
class Calendar:
    """When something is served. ``faults`` says what is impossible in it; ask it before anything else.

    No ``slots``: the worked-out plan is kept with the calendar itself. A cache keyed by calendar would compare whole
    calendars on each call as soon as the directory was loaded a second time.
    """

    id: CalendarId
    name: str
    hours: tuple[Hours, ...]
    land: str | None = "NI"
    """Subdivision of Germany whose public holidays close it (``NI``, ``NW``, ...). ``None``: holidays do not."""
    special_days: tuple[SpecialDay, ...] = ()
    zone: str = "Europe/Berlin"
    tenant: TenantId | None = None
    """Whose it is; ``None``: the centre's."""

    def opening(self, now: datetime) -> Opening:
        """Open or closed at ``now``, why, and until when. A ``now`` without a zone raises ``TypeError``."""
        moments, answers = self._plan.answers(now.astimezone(UTC).date())
        # It is `now` itself that is compared: a naive one would have been read in the machine's own zone by
        # astimezone, and is refused only here.
        return answers[bisect_right(moments, now) - 1]

    def days(self, since: datetime) -> Iterator[tuple[date, Sequence[tuple[datetime, datetime]]]]:
        """The local days on which it opens at all, from that of ``since`` (aware) on: each with its openings and
        closings, in UTC. Looks ``LOOK_AHEAD`` days ahead.
        """
        first = since.astimezone(ZoneInfo(self.zone)).date()
        for ahead in range(LOOK_AHEAD + 1):
            day = first + ahead * _DAY
            if stretches := self._plan.stretches(day):
                yield day, stretches

    def clock(self, moment: datetime) -> time:
        """What the clock shows at a moment (aware)."""
        return moment.astimezone(ZoneInfo(self.zone)).time()

    def moment(self, day: date, clock: time) -> datetime:
        """When the clock of that local day first shows so much or more; UTC."""
        return _moment(datetime.combine(day, clock), ZoneInfo(self.zone))

    @cached_property
    def _plan(self) -> _Plan:
        return _Plan(self)


# ---------------------------------------------------------------- as an operator writes it


def parse_hours(text: str) -> Hours:
    """Read ``mon-thu 07:00-18:00``; a range of days may go over the week's end (``sat-mon``).

    Raises ``RuleInvalid`` that says what was expected.
    """
    found = _LINE.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise RuleInvalid(text, f"write hours as {_EXAMPLE}")
    days, span = _days(found["days"], text), found["span"]
    if len(several := [part for part in re.split(r"[ ,;]+", span) if _SPAN.fullmatch(part)]) > 1:
        lines = " and ".join(f"'{_days_written(days)} {part}'" for part in several)
        raise RuleInvalid(text, f"a line has one stretch of time: write {len(several)} lines, {lines}")
    return Hours(days, *_span(span, text))


def _days(words: str, whole: str) -> frozenset[int]:
    if words == "daily":
        return _ALL_DAYS
    days: set[int] = set()
    for part in words.split(","):
        names = [name.strip() for name in part.split("-")]
        if len(names) > 2 or not set(names) <= set(_WEEK):
            raise RuleInvalid(
                whole,
                f"{part.strip()!r} is not a day: write {', '.join(_WEEK)}, a range as 'mon-thu', or 'daily' alone",
            )
        first, last = _WEEK.index(names[0]), _WEEK.index(names[-1])
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _span(words: str, whole: str) -> tuple[time, time]:
    found = _SPAN.fullmatch(words)
    if found is None:
        raise RuleInvalid(whole, f"{words!r} is not a stretch of time: write it as '07:00-18:00', hours 0 to 24")
    opens, closes = (int(hour) * 60 + int(minute) for hour, minute in (found.group(1, 2), found.group(3, 4)))
    if opens >= 24 * 60 or closes > 24 * 60:
        raise RuleInvalid(whole, "the day's last opening is at 23:59 and its last closing at 24:00")
    if closes <= opens:
        raise RuleInvalid(
            whole,
            "it must close later than it opens; midnight at the end of the day is 24:00, "
            "and a night is two lines: 'fri 22:00-24:00' and 'sat 00:00-06:00'",
        )
    return time(*divmod(opens, 60)), time(*divmod(closes % (24 * 60), 60))


def written(hours: Hours) -> str:
    """The canonical text of a line of hours."""
    return f"{_days_written(hours.days)} {_span_written(hours.opens, hours.closes)}"


def _days_written(days: frozenset[int]) -> str:
    if days == _ALL_DAYS:
        return "daily"
    runs: list[str] = []
    for first in sorted(day for day in days if (day - 1) % 7 not in days):
        last = first
        while (last + 1) % 7 in days:
            last = (last + 1) % 7
        runs.append(_WEEK[first] if first == last else f"{_WEEK[first]}-{_WEEK[last]}")
    return ",".join(runs)


def _span_written(opens: time, closes: time) -> str:
    return f"{opens:%H:%M}-{'24:00' if closes == _MIDNIGHT else f'{closes:%H:%M}'}"


# ---------------------------------------------------------------- what cannot be


def faults(calendar: Calendar) -> Iterator[str]:
    """What is impossible in a calendar, one sentence each; nothing for a sound one.

    A calendar without weekly hours is sound if some special day has hours: a partner who takes over on carnival
    days only.
    """
    who = f"calendar {calendar.id}"
    if not calendar.hours and not any(special.hours for special in calendar.special_days):
        yield f"{who} has no hours at all, so it would never open: write them as {_EXAMPLE}"
    sound: list[Hours] = []
    for hours in calendar.hours:
        if not hours.days or not hours.days <= _ALL_DAYS:
            yield f"{who}: hours {_span_written(hours.opens, hours.closes)} need days of the week, from 0 (Monday) to 6"
        elif fault := _span_fault(hours.opens, hours.closes):
            yield f"{who}: hours {written(hours)!r} {fault}"
        else:
            sound.append(hours)
    for one, other in combinations(sound, 2):
        common = one.days & other.days
        if common and _overlap((one.opens, one.closes), (other.opens, other.closes)):
            yield f"{who}: hours {written(one)!r} and {written(other)!r} overlap on {_days_written(common)}"
    for special in calendar.special_days:
        day = f"special day {special.day.isoformat()} ({special.name})"
        whole: list[tuple[time, time]] = []
        for opens, closes in special.hours:
            if fault := _span_fault(opens, closes):
                yield f"{who}: {day}: {_span_written(opens, closes)} {fault}"
            else:
                whole.append((opens, closes))
        for a, b in combinations(whole, 2):
            if _overlap(a, b):
                yield f"{who}: {day}: {_span_written(*a)} and {_span_written(*b)} overlap"
    for repeated, times in Counter(special.day for special in calendar.special_days).items():
        if times > 1:
            yield f"{who}: special day {repeated.isoformat()} appears {times} times, it can have one plan only"
    if calendar.land is not None and calendar.land not in _lands():
        yield f"{who}: Land {calendar.land!r} is unknown: write one of {', '.join(sorted(_lands()))}, or none"
    if not _zone_exists(calendar.zone):
        yield f"{who}: time zone {calendar.zone!r} is unknown: write it as Europe/Berlin"


def _span_fault(opens: time, closes: time) -> str:
    if any(moment.second or moment.microsecond or moment.tzinfo for moment in (opens, closes)):
        return "must be in whole minutes of local time"
    return "" if _before(opens, closes) else "must close later than it opens"


def _before(moment: time, closing: time) -> bool:
    return closing == _MIDNIGHT or moment < closing


def _overlap(one: tuple[time, time], other: tuple[time, time]) -> bool:
    return _before(one[0], other[1]) and _before(other[0], one[1])


@lru_cache(maxsize=1)
def _lands() -> frozenset[str]:
    # The library also counts Augsburg, a city with a holiday of its own, among the subdivisions.
    return frozenset(code for code in holidays.country_holidays("DE").subdivisions if len(code) == 2)


def _zone_exists(key: str) -> bool:
    # zoneinfo opens a file of this name: "Europe" is a directory (OSError), "../x" is refused (ValueError).
    try:
        ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        return False
    return True


# ---------------------------------------------------------------- from wall time to moments


@lru_cache(maxsize=256)
def _holidays(land: str, year: int) -> Mapping[date, str]:
    """Public holidays of a Land in a year, with German names.

    The library loads a country when it is first asked for, some 40 ms once; ``faults`` does so before any call.
    """
    return dict(holidays.country_holidays("DE", subdiv=land, years=year, language="de").items())


def _moment(wall: datetime, zone: ZoneInfo, *, closing: bool = False) -> datetime:
    """When the clock first shows ``wall`` or later; ``closing``: since when it never shows less again."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:
        # PEP 495: for a time in the gap the two folds are read with the offsets of both sides, crosswise, so the
        # jump lies between them. zoneinfo does not tell its transitions; they fall on whole seconds.
        second = second.replace(microsecond=0)
        seconds = range(int((first - second).total_seconds()) + 1)
        return second + timedelta(
            seconds=bisect_left(
                seconds,
                wall,
                key=lambda ahead: (second + timedelta(seconds=ahead)).astimezone(zone).replace(tzinfo=None),
            )
        )
    if closing and (second - _INSTANT).astimezone(zone).replace(tzinfo=None) < wall:
        return second
    # Also when closing at the very time the clocks are set back to: what precedes its second showing is later, not
    # less. Where clocks change at midnight (Havana), `24:00` would otherwise last into the next day.
    return first


@dataclass(frozen=True, slots=True)
class _LocalDay:
    begins_at: datetime
    stretches: tuple[tuple[datetime, datetime], ...]
    """By opening; UTC."""
    differs: bool
    """A holiday or a special day."""
    name: str


class _Plan:
    """A calendar with its days worked out as they are asked for."""

    __slots__ = ("_answers", "_days", "_land", "_special", "_weekly", "_zone")

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.zone)
        self._land = calendar.land
        self._special = {special.day: special for special in calendar.special_days}
        self._weekly = tuple(
            tuple((hours.opens, hours.closes) for hours in calendar.hours if weekday in hours.days)
            for weekday in range(7)
        )
        self._days: dict[date, _LocalDay] = {}
        self._answers: dict[date, tuple[list[datetime], list[Opening]]] = {}

    def answers(self, utc_day: date) -> tuple[list[datetime], list[Opening]]:
        """The moments of this UTC day at which the answer changes, its begin first, and the answer from each on."""
        known = self._answers.get(utc_day)
        if known is None:
            begin = datetime.combine(utc_day, _MIDNIGHT, UTC)
            end = begin + _DAY
            changes = {begin}
            local = begin.astimezone(self._zone).date()
            while (day := self._day(local)).begins_at < end:
                changes.add(day.begins_at)
                changes.update(moment for stretch in day.stretches for moment in stretch)
                local += _DAY
            moments = sorted(moment for moment in changes if begin <= moment < end)
            known = moments, [self._answer(moment) for moment in moments]
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            self._answers[utc_day] = known
        return known

    def stretches(self, local: date) -> Sequence[tuple[datetime, datetime]]:
        return self._day(local).stretches

    def _answer(self, moment: datetime) -> Opening:
        today = moment.astimezone(self._zone).date()
        day = self._day(today)
        end = self._open_until(moment, today)
        if end == moment:
            why = Why.DAY if day.differs else Why.HOURS
            return Opening(open=False, why=why, name=day.name, closes_at=None, opens_at=self._next(moment, today))
        return Opening(open=True, why=Why.OPEN, name=day.name, closes_at=end, opens_at=None)

    def _open_until(self, moment: datetime, today: date) -> datetime | None:
        """``moment`` itself when closed; ``None`` when it never closes."""
        until = moment
        local = today  # no stretch of yesterday reaches into it
        for _ in range(NEVER_CLOSES + 1):
            for opens_at, closes_at in self._day(local).stretches:
                if opens_at > until:
                    return until
                until = max(until, closes_at)
            local += _DAY
            if until < self._day(local).begins_at:
                return until
        return None

    def _next(self, moment: datetime, today: date) -> datetime | None:
        for ahead in range(LOOK_AHEAD + 1):
            for opens_at, _ in self._day(today + ahead * _DAY).stretches:
                if opens_at > moment:
                    return opens_at
        return None

    def _day(self, local: date) -> _LocalDay:
        known = self._days.get(local)
        if known is None:
            if len(self._days) >= 2 * _KEPT:
                self._days.clear()
            known = self._days[local] = self._work_out(local)
        return known

    def _work_out(self, local: date) -> _LocalDay:
        special = self._special.get(local)
        holiday = _holidays(self._land, local.year).get(local) if self._land else None
        if special:
            spans, name = special.hours, special.name
        elif holiday:
            spans, name = (), holiday
        else:
            spans, name = self._weekly[local.weekday()], ""
        stretches = sorted(
            (
                _moment(datetime.combine(local, opens), self._zone),
                _moment(
                    datetime.combine(local + _DAY if closes == _MIDNIGHT else local, closes), self._zone, closing=True
                ),
            )
            for opens, closes in spans
            if _before(opens, closes)
        )
        return _LocalDay(
            _moment(datetime.combine(local, _MIDNIGHT), self._zone),
            # A stretch that lies in the spring gap altogether is empty.
            tuple((opens_at, closes_at) for opens_at, closes_at in stretches if opens_at < closes_at),
            differs=bool(special or holiday),
            name=name,
        )
