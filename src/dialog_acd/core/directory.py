"""The configuration snapshot: one immutable value, valid as a whole or not at all.

Routing never waits for a database: it asks this. An edit builds a new directory, checks it, and swaps it in
(``DirectoryChanged``); a live call takes the new rules at its next decision.

What contradicts itself does not come into being (``faults``); what is probably a mistake is told (``remarks``).

Numbers change hands at midnight, on a date agreed months before. So an entry has dates, and the snapshot does not
change on that night: the same directory, asked of another moment, answers otherwise. Hence whoever asks names the
moment (``entry_for``), and there is none that could be meant by default. Dates are days of the calendar on the wall in
Berlin, for every entry: numbers are switched by carriers and contracts here, whatever zone a calendar of hours is in.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.faults import EXTENSION, faults
from dialog_acd.core.matching import Plan
from dialog_acd.core.model import NOT_YET, EntryKind, PartnerId, QueueId, Target, Trunk
from dialog_acd.core.numbers import Number, NumberKind, may_be_called, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.calendars import Calendar
    from dialog_acd.core.model import (
        Agent,
        AgentId,
        CalendarId,
        Entry,
        FailsafeProfile,
        Partner,
        Phone,
        Prompt,
        PromptId,
        Queue,
        Skill,
        Team,
        Tenant,
        TenantId,
    )

_BERLIN = ZoneInfo("Europe/Berlin")
_ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Period(NamedTuple):
    """An entry, and the moments between which it is active: from the first on, to before the second."""

    begins: datetime
    ends: datetime
    entry: Entry


@dataclass(frozen=True)
class Resolution:
    """Where a dialled number leads, and how that was found."""

    entry: Entry
    number: Number
    why: str
    dormant: Entry | None = None
    """The entry that would come before this one, but for its dates."""
    awaited: bool = False
    """... and that is still to begin: nobody need be alarmed that its number is dialled already."""

    @property
    def known(self) -> bool:
        return self.entry.kind is not EntryKind.CATCH_ALL


@dataclass(frozen=True)
class Directory:
    """All there is to know of a centre. Raises ``DirectoryInvalid`` on contradiction."""

    tenants: tuple[Tenant, ...]
    queues: tuple[Queue, ...]
    entries: tuple[Entry, ...]
    agents: tuple[Agent, ...] = ()
    partners: tuple[Partner, ...] = ()
    failsafe_profiles: tuple[FailsafeProfile, ...] = ()
    trunks: tuple[Trunk, ...] = field(default_factory=lambda: (Trunk("trunk"),))
    skills: tuple[Skill, ...] = ()
    teams: tuple[Team, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    test_callers: tuple[str, ...] = ()
    """E.164. Their calls are test calls: handled as all others, and in no figure."""

    def __post_init__(self) -> None:
        found = tuple(faults(self))
        if found:
            raise DirectoryInvalid(found)

    # -- look-ups

    @cached_property
    def tenant(self) -> Mapping[TenantId, Tenant]:
        return {t.id: t for t in self.tenants}

    @cached_property
    def tenant_coded(self) -> Mapping[str, Tenant]:
        """By the digits an agent dials."""
        return {t.code: t for t in self.tenants if t.code is not None}

    @cached_property
    def queue(self) -> Mapping[QueueId, Queue]:
        return {q.id: q for q in self.queues}

    @cached_property
    def agent(self) -> Mapping[AgentId, Agent]:
        return {a.id: a for a in self.agents}

    @cached_property
    def agent_at(self) -> Mapping[Phone, Agent]:
        return {a.phone: a for a in self.agents}

    @cached_property
    def _able(self) -> dict[int, tuple[Agent, ...]]:
        return {}

    def able(self, queue: QueueId, step: int) -> tuple[Agent, ...]:
        """Who may serve the queue's calls at this of its steps, in the directory's order.

        Worked out once: who asks it of every queue must not walk through all agents for each.
        """
        groups, group_of = self.plan.own[queue][step], self.plan.group_of
        if (found := self._able.get(groups)) is None:
            found = self._able[groups] = tuple(agent for agent in self.agents if groups >> group_of[agent.id] & 1)
        return found

    @cached_property
    def partner(self) -> Mapping[PartnerId, Partner]:
        return {p.id: p for p in self.partners}

    @cached_property
    def calendar(self) -> Mapping[CalendarId, Calendar]:
        return {c.id: c for c in self.calendars}

    @cached_property
    def prompt(self) -> Mapping[PromptId, Prompt]:
        return {p.id: p for p in self.prompts}

    @cached_property
    def plan(self) -> Plan:
        """Who could serve what. Takes long in a large centre: ask for it aside, before the directory is in force."""
        return Plan(self.queues, self.agents, self.teams, ((e.queue, e.tenant) for e in self.entries))

    def prepare(self) -> Directory:
        """Work out all that is otherwise worked out when first asked. Aside, so that no call waits for it."""
        for name, attribute in vars(type(self)).items():
            if isinstance(attribute, cached_property):
                getattr(self, name)
        return self

    @cached_property
    def catch_all(self) -> Entry:
        return next(e for e in self.entries if e.kind is EntryKind.CATCH_ALL)

    @cached_property
    def periods(self) -> Sequence[Period]:
        """Each entry, and when it is active: within its own dates, and not before its town goes live."""
        return [_period(e, self.tenant[e.tenant].live_from) for e in self.entries]

    @cached_property
    def _exact(self) -> Mapping[str, tuple[Period, ...]]:
        return _by_number(p for p in self.periods if p.entry.kind is not EntryKind.CATCH_ALL)

    @cached_property
    def _blocks(self) -> Mapping[str, tuple[Period, ...]]:
        return _by_number(p for p in self.periods if p.entry.block)

    @cached_property
    def _extensions(self) -> Mapping[str, tuple[Period, ...]]:
        return _by_number(
            p for p in self.periods if p.entry.kind is EntryKind.INTERNAL and EXTENSION.fullmatch(p.entry.number)
        )

    @cached_property
    def _switches(self) -> Sequence[datetime]:
        never = {*_ALWAYS, _midnight(NOT_YET)}
        return sorted({moment for begins, ends, _ in self.periods for moment in (begins, ends)} - never)

    def number(self, dialled: str, trunk: str = "trunk") -> Number:
        """Read a dialled number by the profile of its trunk; an unknown trunk is read like the first one."""
        return normalise(dialled, self._profile(trunk))

    def _profile(self, trunk: str) -> Trunk:
        return next((t for t in self.trunks if t.name == trunk), self.trunks[0])

    def entry_for(self, dialled: str, trunk: str = "trunk", *, at: datetime) -> Resolution:
        """Entry of a dialled number at a moment (aware): exact beats block, the longest block beats the shorter, else
        the catch-all. Only entries that are active at this moment count.

        ``0511 7307`` alone is the head of the block and means its switchboard, so it belongs to the block too. An
        extension of our own house is looked at last: where its digits are somebody's telephone as well, as this trunk
        writes numbers, the telephone counts.
        """
        number = self.number(dialled, trunk)
        passed: tuple[Period, ...] = ()  # over, in front of what was found; most of the time there is nothing
        if number.kind in (NumberKind.E164, NumberKind.SERVICE_115):
            if (periods := self._exact.get(number.text)) is not None:
                if (exact := _active(periods, at)) is not None:
                    return Resolution(exact, number, f"number {number.text}")
                passed = periods
            for length in range(len(number.text), 3, -1):
                if (periods := self._blocks.get(number.text[:length])) is not None:
                    if (block := _active(periods, at)) is not None:
                        return Resolution(block, number, f"block {block.number}", *_dormant(passed, at))
                    passed += periods
        if (periods := self._extensions.get(dialled.strip())) is not None:
            if (inside := _active(periods, at)) is not None:
                return Resolution(inside, number, f"extension {inside.number}", *_dormant(passed, at))
            passed += periods
        dormant, awaited = _dormant(passed, at)
        if number.kind is NumberKind.UNKNOWN and dormant is None:
            profile = self._profile(trunk)
            why = f"it is not one number as trunk {profile.name} writes them ({profile.number_format})"
            return Resolution(self.catch_all, number, why)
        why = "nobody owns this number" + ("" if dormant is None else " yet" if awaited else " any more")
        return Resolution(self.catch_all, number, why, dormant, awaited)

    def entry_named(self, number: str, at: datetime) -> Entry | None:
        """The entry with this very number, as the directory or as a person writes it, that is active at this moment.

        Not the one that a call to it is led by: of a block its head alone. The catch-all has no number.
        """
        for text in (number, self.number(number).text):
            if (periods := self._exact.get(text)) is not None:
                return _active(periods, at)
        return None

    def entry_into(self, queue: QueueId, at: datetime) -> Entry | None:
        """Whose calls wait in this queue: its first entry that is active at this moment. ``None``: it has none."""
        return next((e for begins, ends, e in self.periods if e.queue == queue and begins <= at < ends), None)

    def active_entries(self, at: datetime) -> Sequence[Entry]:
        """All that a number can lead to at this moment (aware), the catch-all included."""
        return [entry for begins, ends, entry in self.periods if begins <= at < ends]

    def next_switch(self, after: datetime) -> datetime | None:
        """When the first entry begins or ends after this moment; UTC."""
        place = bisect_right(self._switches, after)
        return self._switches[place] if place < len(self._switches) else None

    def successor(self, entry: Entry) -> Entry:
        """What an entry of an earlier directory has become here, for the calls that came by it. Itself, if nothing.

        Of several entries of its number it is the one of the same town and beginning; where dates were moved, one of
        the same town; where the town was corrected, the one of the same dates. A live call never goes over to the town
        that takes its number next, also where that one's date has been cleared for being past.
        """
        same = [p.entry for p in self._exact.get(entry.number, ())]
        if entry.kind is EntryKind.CATCH_ALL and self.catch_all.number == entry.number:
            return self.catch_all
        dates = entry.active_from, entry.active_to
        ours = [e for e in same if e.tenant == entry.tenant] or [
            e for e in same if (e.active_from, e.active_to) == dates
        ]
        return next((e for e in ours if e.active_from == entry.active_from), ours[0] if ours else entry)

    def target(self, entry: Entry, queue: Queue, at: datetime) -> Target:
        """What is promised to a caller who came by this entry at this moment: by the contract of its town, or else as
        the queue is set. A town that is gone has promised nothing any more.
        """
        tenant = self.tenant.get(entry.tenant)
        if tenant is None or not tenant.contract.targets:
            return Target(queue.target_share, queue.target)
        day = at.astimezone(_BERLIN).date()
        in_force = [
            target
            for target in tenant.contract.targets
            if (target.since is None or target.since <= day) and (not target.kinds or entry.kind in target.kinds)
        ]
        # Of one day, what is said of this kind of entry is more exact than what is said of all.
        return max(
            in_force,
            key=lambda target: (target.since or date.min, bool(target.kinds)),
            default=Target(queue.target_share, queue.target),
        )

    def may_call_back(self, shown: str, trunk: str = "trunk", *, at: datetime) -> bool:
        """Whether a caller who shows this number at this moment can be called back at it.

        Not at a number of ours: a switchboard that forwards to us with its own would ring us.
        """
        found = self.entry_for(shown, trunk, at=at)
        # Of a block only its switchboard: behind the longer numbers may be somebody's telephone.
        ours = found.known and found.number.text in (found.entry.number, f"{found.entry.number}0")
        return may_be_called(found.number) and not ours

    def is_test_caller(self, shown: str | None, trunk: str = "trunk") -> bool:
        """Whether calls of this number, as the trunk writes it, are test calls."""
        if shown is None or not self.test_callers:
            return False
        return self.number(shown, trunk).text in self.test_callers


# ---------------------------------------------------------------- entries and their dates


def _midnight(day: date) -> datetime:
    """When the day begins in Berlin. No clock was ever changed at midnight there, but it is at 22 or at 23 UTC."""
    return datetime.combine(day, time(), _BERLIN).astimezone(UTC)


def _period(entry: Entry, live_from: date | None) -> Period:
    if live_from is not None and entry.kind is not EntryKind.CATCH_ALL:
        entry = replace(entry, active_from=max(live_from, entry.active_from or live_from))
    begins, ends = _ALWAYS
    if entry.active_from is not None:
        begins = _midnight(entry.active_from)
    if entry.active_to is not None:
        ends = _midnight(entry.active_to + timedelta(days=1))
    return Period(begins, ends, entry)


def _by_number(periods: Iterable[Period]) -> Mapping[str, tuple[Period, ...]]:
    """Each number's periods, the earliest first: they do not overlap."""
    found: dict[str, tuple[Period, ...]] = {}
    for period in sorted(periods, key=lambda p: p.begins):
        found[period.entry.number] = (*found.get(period.entry.number, ()), period)
    return found


def _active(periods: tuple[Period, ...], at: datetime) -> Entry | None:
    for begins, ends, entry in periods:
        if begins <= at < ends:
            return entry
    return None


def _dormant(passed: tuple[Period, ...], at: datetime) -> tuple[Entry | None, bool]:
    """Of entries that are not active, the most specific first: the next to begin, or else the last that was active.
    And whether it is still to begin.
    """
    if not passed:
        return None, False
    for begins, _, entry in passed:
        if begins > at:
            return entry, True
    closest = passed[0].entry.number
    return next(p.entry for p in reversed(passed) if p.entry.number == closest), False
