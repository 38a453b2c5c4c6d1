"""The configuration snapshot: one immutable value, valid as a whole or not at all.

Routing never waits for a database: it asks this. An edit builds a new directory, checks it, and swaps it in
(``DirectoryChanged``); a live call takes the new rules at its next decision.

Two kinds of complaint. A *fault* is a contradiction: something could not be carried out, or not as it is written; a
directory with a fault does not come into being. A *remark* is allowed and probably a mistake: a skill nobody has (yet),
a rung that never matches. Steps are numbered from 0, as in ``widen 1`` and as in the place in a file.

Numbers change hands at midnight, on a date agreed months before. So an entry has dates, and the snapshot does not
change on that night: the same directory, asked of another moment, answers otherwise. Hence whoever asks names the
moment (``entry_for``), and there is none that could be meant by default. Dates are days of the calendar on the wall in
Berlin, for every entry: numbers are switched by carriers and contracts here, whatever zone a calendar of hours is in.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from dialog_acd.core import calendars
from dialog_acd.core.errors import DirectoryInvalid, RuleInvalid
from dialog_acd.core.matching import fulfils, may_serve
from dialog_acd.core.model import Action, EntryKind, PartnerId, QueueId, SkillKind, Trigger, Trunk
from dialog_acd.core.numbers import FORMATS, Number, NumberKind, is_area_code, may_be_called, normalise
from dialog_acd.core.rules import ANYBODY, EXPECTED_WAIT, POSITION, parse_rung, parse_step, written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from dialog_acd.core.calendars import Calendar
    from dialog_acd.core.model import (
        Agent,
        AgentId,
        CalendarId,
        Entry,
        FailsafeProfile,
        Need,
        Partner,
        Phone,
        Queue,
        Rung,
        Skill,
        SkillId,
        Step,
        Team,
        Tenant,
        TenantId,
    )

_WORD = re.compile(r"[0-9a-z][0-9a-z-]{0,29}")
_WORD_FORM = "of the form [0-9a-z-], 1 to 30 characters"
_E164 = re.compile(r"\+[0-9]{3,15}")
_EXTENSION = re.compile(r"[0-9]{1,6}")
_TAKEN = frozenset({"110", "112", "115"})
"""Never an extension: whoever dials these wants what everybody wants who dials them."""
_IN_E164 = frozenset({EntryKind.MAIN_NUMBER, EntryKind.FORWARDED, EntryKind.PARTNER_INBOUND})
_BERLIN = ZoneInfo("Europe/Berlin")
_ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class _Period(NamedTuple):
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

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise DirectoryInvalid(faults)

    # -- look-ups

    @cached_property
    def tenant(self) -> Mapping[TenantId, Tenant]:
        return {t.id: t for t in self.tenants}

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
    def _able(self) -> dict[tuple[tuple[Need, ...], QueueId | None], tuple[Agent, ...]]:
        return {}

    @cached_property
    def _skilled(self) -> Mapping[SkillId, Sequence[Agent]]:
        skilled: dict[SkillId, list[Agent]] = {}
        for agent in self.agents:
            for skill in agent.skills:
                skilled.setdefault(skill, []).append(agent)
        return skilled

    @cached_property
    def _kept(self) -> frozenset[QueueId]:
        """Queues that somebody keeps to."""
        return frozenset(line for agent in self.agents for line in agent.lines)

    def able(self, queue: Queue, step: Step) -> tuple[Agent, ...]:
        """Who may serve the queue's calls at this step, in the directory's order.

        Worked out once: who asks it of every queue (a board, a scrape) must not walk through all agents for each.
        Queues that ask the same of the same people share one tuple.
        """
        asked = step.needs, queue.id if queue.id in self._kept else None
        if (found := self._able.get(asked)) is None:
            likely = self._skilled.get(step.needs[0].skill, ()) if step.needs else self.agents
            found = self._able[asked] = tuple(agent for agent in likely if may_serve(agent, queue, step))
        return found

    @cached_property
    def partner(self) -> Mapping[PartnerId, Partner]:
        return {p.id: p for p in self.partners}

    @cached_property
    def calendar(self) -> Mapping[CalendarId, Calendar]:
        return {c.id: c for c in self.calendars}

    @cached_property
    def catch_all(self) -> Entry:
        return next(e for e in self.entries if e.kind is EntryKind.CATCH_ALL)

    @cached_property
    def _periods(self) -> Sequence[_Period]:
        return [_period(e) for e in self.entries]

    @cached_property
    def _exact(self) -> Mapping[str, tuple[_Period, ...]]:
        return _by_number(p for p in self._periods if p.entry.kind is not EntryKind.CATCH_ALL)

    @cached_property
    def _blocks(self) -> Mapping[str, tuple[_Period, ...]]:
        return _by_number(p for p in self._periods if p.entry.block)

    @cached_property
    def _extensions(self) -> Mapping[str, tuple[_Period, ...]]:
        return _by_number(
            p for p in self._periods if p.entry.kind is EntryKind.INTERNAL and _EXTENSION.fullmatch(p.entry.number)
        )

    @cached_property
    def _switches(self) -> Sequence[datetime]:
        return sorted({moment for begins, ends, _ in self._periods for moment in (begins, ends)} - {*_ALWAYS})

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
        passed: tuple[_Period, ...] = ()  # over, in front of what was found; most of the time there is nothing
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

    def entry_into(self, queue: QueueId, at: datetime) -> Entry | None:
        """Whose calls wait in this queue: its first entry that is active at this moment. ``None``: it has none."""
        return next((e for begins, ends, e in self._periods if e.queue == queue and begins <= at < ends), None)

    def active_entries(self, at: datetime) -> Sequence[Entry]:
        """All that a number can lead to at this moment (aware), the catch-all included."""
        return [entry for begins, ends, entry in self._periods if begins <= at < ends]

    def next_switch(self, after: datetime) -> datetime | None:
        """When the first entry begins or ends after this moment; UTC."""
        place = bisect_right(self._switches, after)
        return self._switches[place] if place < len(self._switches) else None

    def successor(self, entry: Entry) -> Entry:
        """What an entry of an earlier directory has become here, for the calls that came by it. Itself, if nothing.

        Of several entries of its number it is the one with the same beginning; where dates were moved, one of the same
        town. A live call never goes over to the town that takes its number next.
        """
        same = [p.entry for p in self._exact.get(entry.number, ())]
        if entry.kind is EntryKind.CATCH_ALL and self.catch_all.number == entry.number:
            return self.catch_all
        return next(
            (e for e in same if e.active_from == entry.active_from),
            next((e for e in same if e.tenant == entry.tenant), entry),
        )

    def may_call_back(self, shown: str, trunk: str = "trunk", *, at: datetime) -> bool:
        """Whether a caller who shows this number at this moment can be called back at it.

        Not at a number of ours: a switchboard that forwards to us with its own would ring us.
        """
        found = self.entry_for(shown, trunk, at=at)
        # Of a block only its switchboard: behind the longer numbers may be somebody's telephone.
        ours = found.known and found.number.text in (found.entry.number, f"{found.entry.number}0")
        return may_be_called(found.number) and not ours

    # -- consistency

    def _faults(self) -> Iterator[str]:
        yield from _twice("tenant", (t.id for t in self.tenants))
        yield from _twice("queue", (q.id for q in self.queues))
        yield from _twice("skill", (s.id for s in self.skills))
        yield from _twice("team", (t.id for t in self.teams))
        yield from _twice("calendar", (c.id for c in self.calendars))
        yield from _twice("agent", (a.id for a in self.agents))
        yield from _twice("phone", (a.phone for a in self.agents))
        yield from _twice("partner", (p.id for p in self.partners))
        yield from _twice("failsafe profile", (p.name for p in self.failsafe_profiles))
        yield from _twice("number", (e.number for e in self.entries if not period_of(e)))
        yield from _overlaps(self.entries)
        yield from _twice("trunk", (t.name for t in self.trunks))
        if not self.trunks:
            yield "there is no trunk profile"
        for trunk in self.trunks:
            yield from _trunk_faults(trunk)
        if sum(e.kind is EntryKind.CATCH_ALL for e in self.entries) != 1:
            yield "there must be exactly one catch-all entry, or a caller with an odd number is dropped"
        for skill in self.skills:
            yield from _malformed("skill", skill.id)
            if skill.id == ANYBODY:
                yield f"skill {ANYBODY!r} cannot be told from 'from 0 s: {ANYBODY}' in a step, call it something else"
        for team in self.teams:
            yield from _malformed("team", team.id)
        for calendar in self.calendars:
            yield from calendars.faults(calendar)
        profiles = {p.name: p for p in self.failsafe_profiles}
        for entry in self.entries:
            yield from self._entry_faults(entry, profiles)
        kinds = {s.id: s.kind for s in self.skills}
        for queue in self.queues:
            yield from _queue_faults(queue)
            yield from _step_faults(queue, kinds)
            yield from self._ladder_faults(queue)
        teams, declared = frozenset(t.id for t in self.teams), frozenset(kinds)
        for agent in self.agents:
            yield from self._agent_faults(agent, teams, declared)
        for partner in self.partners:
            yield from self._partner_faults(partner)
        for profile in self.failsafe_profiles:
            yield from self._profile_faults(profile)

    def _entry_faults(self, entry: Entry, profiles: Mapping[str, FailsafeProfile]) -> Iterator[str]:
        who = _called(entry)
        yield from _missing(f"{who} names tenant", entry.tenant, self.tenant)
        yield from _missing(f"{who} names queue", entry.queue, self.queue)
        yield from _missing(f"{who} names failsafe profile", entry.failsafe, profiles)
        if entry.calendar is not None:
            yield from _missing(f"{who} names calendar", entry.calendar, self.calendar)
        if entry.kind in _IN_E164 and not _E164.fullmatch(entry.number):
            yield f"{who}: write the number in E.164, as +4951173070"
        if entry.kind is EntryKind.INTERNAL:
            if not _E164.fullmatch(entry.number) and not _EXTENSION.fullmatch(entry.number):
                yield f"{who}: write the number in E.164, as +4951173070, or as an extension of 1 to 6 digits"
            elif entry.number in _TAKEN:
                yield f"{who}: {entry.number} is no extension, everybody who dials it wants something else"
        if entry.kind is EntryKind.SERVICE_115 and entry.number != "115":
            yield f"{who}: an entry of kind 115 has the number 115"
        if entry.at_most is not None and entry.at_most < 1:
            yield f"{who}: at_most {entry.at_most} would take no call, write at least 1 or leave it out"
        if entry.spare < 0:
            yield f"{who}: spare {entry.spare} is not a number of agents, write 0 or more"
        yield from _date_faults(who, entry)
        queue, profile = self.queue.get(entry.queue), profiles.get(entry.failsafe)
        if queue and not queue.to_partners and profile and profile.partner is not None:
            yield (
                f"{who}: queue {queue.id} never goes to a partner, but failsafe profile {profile.name!r} does"
                f" ({profile.partner}), name a profile without a partner"
            )

    def _ladder_faults(self, queue: Queue) -> Iterator[str]:
        for position, rung in enumerate(queue.ladder):
            who = f"queue {queue.id}: rung {written(rung)!r}"
            wrong = tuple(self._target_faults(who, queue, rung))
            yield from wrong
            try:
                # What cannot be written cannot be stored, nor be shown to anybody. Of a wrong target, enough has been
                # said: another takes its place.
                sample = replace(rung, target="1") if wrong else rung
                if parse_rung(written(sample)) != sample:
                    yield f"{who} has values that cannot be written: whole milliseconds, and only what its words need"
            except RuleInvalid as error:
                yield f"{who} cannot be written, {error.expected}"
            for earlier in queue.ladder[:position]:
                if earlier.action is Action.RELEASE and _always_before(earlier, rung):
                    yield f"{who} can never be reached, {written(earlier)!r} before it has already ended the call"
                    break

    def _target_faults(self, who: str, queue: Queue, rung: Rung) -> Iterator[str]:
        match rung.action:
            case Action.PARTNER:
                yield from _missing(f"{who} names partner", rung.target, self.partner)
                if not queue.to_partners:
                    yield f"{who} goes to a partner, but this queue never does (to_partners is off)"
            case Action.QUEUE if rung.target == queue.id:
                yield f"{who} leads back to the queue itself"
            case Action.QUEUE:
                yield from _missing(f"{who} names queue", rung.target, self.queue)
            case Action.WIDEN:
                later = [str(position) for position in range(1, len(queue.steps))]
                if rung.target not in later:
                    have = f"name one of {', '.join(later)}" if later else "this queue has no later step"
                    yield f"{who} widens to a step that is not there, {have}"

    def _agent_faults(self, agent: Agent, teams: frozenset[str], declared: frozenset[str]) -> Iterator[str]:
        who = f"agent {agent.id}"
        if not _WORD.fullmatch(agent.phone):
            yield f"{who}: phone {agent.phone!r} is not {_WORD_FORM}"
        for skill, level in agent.skills.items():
            if skill not in declared:
                yield f"{who} has skill {skill!r}, which is not declared{_meant(skill, declared)}"
            if not 1 <= level <= 5:
                yield f"{who}: level {level} of skill {skill} is not between 1 and 5"
        if agent.team is not None:
            yield from _missing(f"{who} names team", agent.team, teams)
        if agent.home is not None:
            yield from _missing(f"{who} names as home tenant", agent.home, self.tenant)
        for line in sorted(agent.lines):
            yield from _missing(f"{who} keeps to queue", line, self.queue)

    def _partner_faults(self, partner: Partner) -> Iterator[str]:
        yield from _malformed("partner", partner.id)
        who = f"partner {partner.id}"
        if not partner.numbers:
            yield f"{who} has no numbers to dial, name at least one"
        for number in partner.numbers:
            if not re.fullmatch(r"\+?[0-9]{1,20}", number):
                yield f"{who}: number {number!r} is not made of digits"
        if partner.calendar is not None:
            yield from _missing(f"{who} names calendar", partner.calendar, self.calendar)
        for what, most in (("channels", partner.channels), ("calls_per_hour", partner.calls_per_hour)):
            if most is not None and most < 1:
                yield f"{who}: {what} {most} would send no call, write at least 1 or leave it out"

    def _profile_faults(self, profile: FailsafeProfile) -> Iterator[str]:
        for word in (profile.name, profile.group):
            if not _WORD.fullmatch(word):
                yield f"failsafe profile {profile.name!r}: {word!r} is not {_WORD_FORM}"
        if profile.partner is not None:
            yield from _missing(f"failsafe profile {profile.name} names partner", profile.partner, self.partner)
        for hours in profile.hours:
            if not re.fullmatch(r"[0-9a-z:*-]+(,[0-9a-z*-]+){3}", hours):
                yield f"failsafe profile {profile.name}: {hours!r} is not like 8:00-18:00,mon-fri,*,*"


# ---------------------------------------------------------------- entries and their dates


def period_of(entry: Entry) -> str:
    """An entry's dates as they are said: ``from 2026-01-01 to 2026-12-31``; empty: it has none."""
    since = f"from {entry.active_from.isoformat()}" if entry.active_from is not None else ""
    to = f"to {entry.active_to.isoformat()}" if entry.active_to is not None else ""
    return f"{since} {to}".strip()


def _called(entry: Entry) -> str:
    """Of several entries of a number, the dates say which."""
    period = period_of(entry)
    return f"entry {entry.number or entry.kind}" + (f" ({period})" if period else "")


def _midnight(day: date) -> datetime:
    """When the day begins in Berlin. No clock was ever changed at midnight there, but it is at 22 or at 23 UTC."""
    return datetime.combine(day, time(), _BERLIN).astimezone(UTC)


def _period(entry: Entry) -> _Period:
    begins, ends = _ALWAYS
    if entry.active_from is not None:
        begins = _midnight(entry.active_from)
    if entry.active_to is not None:
        ends = _midnight(entry.active_to + timedelta(days=1))
    return _Period(begins, ends, entry)


def _by_number(periods: Iterable[_Period]) -> Mapping[str, tuple[_Period, ...]]:
    """Each number's periods, the earliest first: they do not overlap."""
    found: dict[str, tuple[_Period, ...]] = {}
    for period in sorted(periods, key=lambda p: p.begins):
        found[period.entry.number] = (*found.get(period.entry.number, ()), period)
    return found


def _active(periods: tuple[_Period, ...], at: datetime) -> Entry | None:
    for begins, ends, entry in periods:
        if begins <= at < ends:
            return entry
    return None


def _dormant(passed: tuple[_Period, ...], at: datetime) -> tuple[Entry | None, bool]:
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


def _date_faults(who: str, entry: Entry) -> Iterator[str]:
    for what, day in (("active_from", entry.active_from), ("active_to", entry.active_to)):
        # Beyond them no holidays are known either, and a year is typed wrong more easily than any other number.
        if day is not None and not 2000 <= day.year <= 2099:
            yield f"{who}: {what} {day.isoformat()} lies outside the years 2000 to 2099"
    if entry.active_from is not None and entry.active_to is not None and entry.active_to < entry.active_from:
        yield f"{who}: active_to is the last day, and lies before active_from, the first"
    if entry.kind is EntryKind.CATCH_ALL and period_of(entry):
        yield f"{who}: the catch-all has no dates, or a caller with an odd number is dropped outside them"


def _overlaps(entries: Iterable[Entry]) -> Iterator[str]:
    """Where it could not be said which entry of a number counts. Of two without any dates, enough has been said."""
    by_number: dict[str, list[Entry]] = {}
    for entry in entries:
        by_number.setdefault(entry.number, []).append(entry)
    for number, same in by_number.items():
        if len(same) == 1 or not any(map(period_of, same)):
            continue
        same.sort(key=lambda e: (e.active_from or date.min, e.active_to or date.max))
        longest, *others = same
        for entry in others:
            overlap = longest.active_to is None or entry.active_from is None or entry.active_from <= longest.active_to
            if overlap and (period_of(entry) or period_of(longest)):
                yield (
                    f"number {number!r} has two entries at once: one {period_of(longest) or 'without dates'}, the other"
                    f" {period_of(entry) or 'without dates'}"
                )
            if (entry.active_to or date.max) > (longest.active_to or date.max):
                longest = entry


def _trunk_faults(trunk: Trunk) -> Iterator[str]:
    if trunk.number_format not in FORMATS:
        yield f"trunk {trunk.name}: number format {trunk.number_format!r} is none of {', '.join(FORMATS)}"
    if trunk.country_code == "49" and not is_area_code(trunk.area_code):
        yield f"trunk {trunk.name}: {trunk.area_code} is no German area code, write it without its 0, as 511 or 5130"


def _queue_faults(queue: Queue) -> Iterator[str]:
    if not 0 <= queue.priority <= 9:
        yield f"queue {queue.id}: priority {queue.priority} is not between 0 and 9"
    if queue.ring_for.total_seconds() < 1:
        yield f"queue {queue.id}: a phone must ring for at least one second"


def _step_faults(queue: Queue, kinds: Mapping[SkillId, SkillKind]) -> Iterator[str]:
    if not queue.steps:
        yield f"queue {queue.id} has no steps, write 'from 0 s: SKILL>=LEVEL' or 'from 0 s: any'"
        return
    declared = frozenset(kinds)
    for position, step in enumerate(queue.steps):
        who = f"queue {queue.id}: {_named(position, step)}"
        sound = True
        for need in step.needs:
            if need.skill not in declared:
                sound = False
                yield f"{who} asks for skill {need.skill!r}, which is not declared{_meant(need.skill, declared)}"
            if not 1 <= need.level <= 5:
                sound = False
                yield f"{who}: level {need.level} of skill {need.skill} is not between 1 and 5"
        # What cannot be written cannot be stored. Of a step that is wrong anyhow, enough has been said.
        if sound and not _readable(step):
            yield f"{who} must begin at a whole number of milliseconds, and within a day"
    if queue.steps[0].after:
        yield f"queue {queue.id}: {_named(0, queue.steps[0])} must begin at 0 s, or nobody may answer before"
    for position, (step, later) in enumerate(pairwise(queue.steps)):
        who = f"queue {queue.id}: {_named(position + 1, later)}"
        if later.after <= step.after:
            yield f"{who} must begin later than {_named(position, step)}"
        if not _widens(step, later):
            yield f"{who} contradicts step {position}: who could answer before could not any more"
    last = queue.steps[-1]
    for skill in dict.fromkeys(need.skill for need in last.needs if kinds.get(need.skill) is SkillKind.LANGUAGE):
        yield (
            f"queue {queue.id}: {_named(len(queue.steps) - 1, last)} asks for {skill}, but language is preferred,"
            " never a trap: the last step must do without it"
        )


def _widens(step: Step, later: Step) -> bool:
    """Whether each need of the later step follows from one of the earlier."""
    return all(any(n.skill == need.skill and n.level >= need.level for n in step.needs) for need in later.needs)


def _readable(step: Step) -> bool:
    try:
        return parse_step(written(step)) == step
    except RuleInvalid:
        return not all(_WORD.fullmatch(need.skill) for need in step.needs)  # its declaration is told


def _named(position: int, step: Step) -> str:
    return f"step {position} ({written(step)})"


def _covers(one: Rung, other: Rung) -> bool:
    """Whether ``one`` is for all kinds of entry that ``other`` is for."""
    return not one.kinds or (bool(other.kinds) and other.kinds <= one.kinds)


def _always_before(one: Rung, other: Rung) -> bool:
    """Whether ``one``, higher up, matches whenever ``other`` does."""
    return (
        one.trigger is other.trigger and _covers(one, other) and one.after <= other.after and one.length <= other.length
    )


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{what} {name!r} appears {times} times"


def _malformed(what: str, name: str) -> Iterator[str]:
    if not _WORD.fullmatch(name):
        yield f"{what} {name!r} is not {_WORD_FORM}"


def _missing(who: str, name: str, known: Collection[str]) -> Iterator[str]:
    if name not in known:
        yield f"{who} {name!r}, which does not exist{_meant(name, frozenset(known))}"


@lru_cache(maxsize=256)
def _meant(name: str, known: frozenset[str], likeness: float = 0.6) -> str:
    """Of what there is, the closest: a wrong name is nearly always a typing error. Kept, because a skill that was
    forgotten is missing with hundreds of agents.
    """
    found = get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return f", did you mean {found[0]!r}?" if found else ""


# ---------------------------------------------------------------- what is probably a mistake


def remarks(directory: Directory, at: datetime) -> tuple[str, ...]:
    """What is allowed and probably a mistake at this moment (aware), one sentence each."""
    reached = _entries_reaching(directory)
    found = (
        *_skill_remarks(directory),
        *(remark for queue in directory.queues for remark in _step_remarks(directory, queue)),
        *(remark for queue in directory.queues for remark in _ladder_remarks(directory, queue, reached[queue.id])),
        *(remark for partner in directory.partners for remark in _partner_remarks(partner)),
        *_partners_in_the_end(directory),
        *_loops(directory),
        *_only_special_days(directory),
        *_hours_of_115(directory),
        *_over(directory, at),
        *(
            f"trunk {trunk.name} is read by guess where there is but one guess, and bare numbers that can be two go to"
            " the catch-all: ask its carrier what it writes, and say so (number_format)"
            for trunk in directory.trunks
            if trunk.number_format == "auto-with-warning"
        ),
    )
    return tuple(dict.fromkeys(found))


def _over(directory: Directory, at: datetime) -> Iterator[str]:
    """Entries that nobody will be led by again, and towns that will have no number."""
    for tenant in directory.tenants:
        numbers = [_period(e) for e in directory.entries if e.tenant == tenant.id and e.kind is not EntryKind.CATCH_ALL]
        over = [p.entry for p in numbers if p.ends <= at]
        if numbers and len(over) == len(numbers):
            yield f"tenant {tenant.id}: all its numbers are over, {_last_day(numbers)} was the last day"
            continue
        for entry in over:
            yield f"{_called(entry)} is over for good, take it out"
        if numbers and all(p.entry.active_to is not None for p in numbers):
            yield f"tenant {tenant.id}: all its numbers end, {_last_day(numbers)} is the last day"


def _last_day(periods: Iterable[_Period]) -> str:
    return max(p.entry.active_to for p in periods if p.entry.active_to is not None).isoformat()


def _skill_remarks(directory: Directory) -> Iterator[str]:
    had = {skill for agent in directory.agents for skill in agent.skills}
    asked = {need.skill for queue in directory.queues for step in queue.steps for need in step.needs}
    for skill in directory.skills:
        wrong = [
            what for what, ids in (("no agent has it", had), ("no queue asks for it", asked)) if skill.id not in ids
        ]
        if wrong:
            yield f"skill {skill.id} is declared, but {' and '.join(wrong)}"


def _step_remarks(directory: Directory, queue: Queue) -> Iterator[str]:
    for position, step in enumerate(queue.steps):
        who = f"queue {queue.id}: {_named(position, step)}"
        if not any(may_serve(agent, queue, step) for agent in directory.agents):
            elsewhere = any(fulfils(agent, step) for agent in directory.agents)
            why = "whoever fulfils it keeps to other queues" if elsewhere else "no agent fulfils it"
            yield f"{who} is of no use, {why}" + (
                ", and it is the last: nobody can answer this queue" if step is queue.steps[-1] else ""
            )
        if step.after > queue.max_wait:
            yield f"{who} begins later than max_wait ({_seconds(queue.max_wait)}), when the callers have left the queue"
    for position, (step, later) in enumerate(pairwise(queue.steps)):
        if _widens(later, step):  # a step that asks for more than the one before is a fault, so they are the same
            yield (
                f"queue {queue.id}: {_named(position + 1, later)} widens nothing, whoever may answer then could"
                f" already from step {position} on"
            )


def _ladder_remarks(directory: Directory, queue: Queue, reached: Collection[Entry]) -> Iterator[str]:
    if not reached:
        yield f"queue {queue.id}: no number leads to it"
    for position, rung in enumerate(queue.ladder):
        who = f"queue {queue.id}: rung {written(rung)!r}"
        entries = [entry for entry in reached if not rung.kinds or entry.kind in rung.kinds]
        # Of a queue without numbers, enough has been said.
        if reached and not entries:
            yield f"{who} never matches, no number of this kind leads to this queue"
        elif reached and rung.action is Action.PARTNER and all(e.kind is EntryKind.PARTNER_INBOUND for e in entries):
            yield f"{who} never sends anybody, a call that comes from a partner never goes on to one"
        elif reached and rung.trigger in _NEVER:
            said, ever = _NEVER[rung.trigger]
            if not any(e.calendar is not None and ever(directory.calendar[e.calendar]) for e in entries):
                yield f"{who} never matches, no number that leads to this queue {said}"
        if rung.trigger is Trigger.WAITED and rung.after > queue.max_wait:
            yield f"{who} comes later than max_wait ({_seconds(queue.max_wait)}), when the callers have left the queue"
        if rung in queue.ladder[:position]:
            yield f"{who} is written more than once"
        if rung.trigger in _CLOSED and rung.action is Action.WIDEN:
            yield f"{who} is of no use, no agent of this queue gets calls of a number that is closed"
        if rung.action is Action.ANNOUNCE and "/" not in rung.target and rung.target not in _MADE_UP:
            yield (
                f"{who} announces a prompt that is in no folder (as acd/long-wait is)"
                f"{_meant(rung.target, _MADE_UP, 0.5)}"
            )
        for release in queue.ladder:
            if (
                rung.trigger is release.trigger is Trigger.WAITED
                and release.action is Action.RELEASE
                and release.after < rung.after
                and _covers(release, rung)
            ):
                yield f"{who} comes too late, {written(release)!r} has released the caller by then"
                break
        for earlier in queue.ladder[:position]:
            # A waiting caller of an open number is a caller who found all busy, whatever else is true as well.
            if (
                earlier.trigger is Trigger.ALL_BUSY
                and earlier.action in (Action.RELEASE, Action.QUEUE)
                and rung.trigger not in (Trigger.ALL_BUSY, *_CLOSED)
                and _covers(earlier, rung)
            ):
                yield f"{who} never matches, {written(earlier)!r} before it takes every caller who has to wait"
                break


_CLOSED = frozenset({Trigger.CLOSED_HOURS, Trigger.CLOSED_DAY})
_MADE_UP = frozenset({POSITION, EXPECTED_WAIT})


def _partner_remarks(partner: Partner) -> Iterator[str]:
    for number in partner.numbers:
        # What is shorter is a short number of the network (115), or an extension behind the trunk.
        if len(number) > _LONGEST_SHORT and not number.startswith(("+", "0")):
            yield (
                f"partner {partner.id}: number {number!r} is dialled just so, with neither + nor 0 in front:"
                " is the area code missing?"
            )


_LONGEST_SHORT = 4


def _ever_closed_by_hours(calendar: Calendar) -> bool:
    opening = _ordinary(calendar).opening(datetime.combine(_MONDAY, time(), UTC))
    return not opening.open or opening.closes_at is not None


def _ever_closes(calendar: Calendar) -> bool:
    return _ever_closed_by_hours(calendar) or calendar.land is not None or bool(calendar.special_days)


_NEVER: Mapping[Trigger, tuple[str, Callable[[Calendar], bool]]] = {
    Trigger.CLOSED_HOURS: ("ever closes by its hours", _ever_closed_by_hours),
    Trigger.CLOSED_DAY: (
        "has a calendar with holidays or special days",
        lambda calendar: calendar.land is not None or bool(calendar.special_days),
    ),
    Trigger.CLOSING_SOON: ("ever closes", _ever_closes),
}


def _onward(queue: Queue, kind: EntryKind) -> Iterator[QueueId]:
    """The queues to which a ladder can send calls of this kind."""
    for rung in queue.ladder:
        if rung.action is Action.QUEUE and (not rung.kinds or kind in rung.kinds):
            yield QueueId(rung.target)


def _reachable(directory: Directory, start: QueueId, kind: EntryKind) -> list[QueueId]:
    found = [start]
    for queue in found:  # grows meanwhile
        found += dict.fromkeys(q for q in _onward(directory.queue[queue], kind) if q not in found)
    return found


def _entries_reaching(directory: Directory) -> Mapping[QueueId, list[Entry]]:
    """For each queue the numbers whose calls can come to it, by themselves or by a ladder."""
    reached: dict[QueueId, list[Entry]] = {queue.id: [] for queue in directory.queues}
    walked: dict[tuple[QueueId, EntryKind], list[QueueId]] = {}
    for entry in directory.entries:
        key = entry.queue, entry.kind
        if key not in walked:
            walked[key] = _reachable(directory, *key)
        for queue in walked[key]:
            reached[queue].append(entry)
    return reached


def _partners_in_the_end(directory: Directory) -> Iterator[str]:
    for queue in directory.queues:
        if queue.to_partners:
            continue
        for kind in dict.fromkeys(e.kind for e in directory.entries if e.queue == queue.id):
            for other in _reachable(directory, queue.id, kind)[1:]:
                for rung in directory.queue[other].ladder:
                    if rung.action is Action.PARTNER and (not rung.kinds or kind in rung.kinds):
                        yield (
                            f"queue {queue.id} never goes to a partner, but its ladder leads to queue {other},"
                            f" which does ({written(rung)!r})"
                        )


def _loops(directory: Directory) -> Iterator[str]:
    """Each circle of ladders that a caller of some kind could be sent round."""
    order = {queue.id: position for position, queue in enumerate(directory.queues)}
    found: dict[tuple[QueueId, ...], None] = {}
    for kind in EntryKind:
        done: set[QueueId] = set()
        for start in order:
            path = [] if start in done else [start]
            ahead = [_onward(directory.queue[start], kind)]
            while path:
                onward = next(ahead[-1], None)
                if onward is None:
                    done.add(path.pop())
                    ahead.pop()
                elif onward in path:
                    circle = path[path.index(onward) :]
                    first = circle.index(min(circle, key=order.__getitem__))
                    found[*circle[first:], *circle[:first]] = None
                elif onward not in done:
                    path.append(onward)
                    ahead.append(_onward(directory.queue[onward], kind))
    for names in found:
        yield f"the ladders lead in a circle: queue {', queue '.join((*names, names[0]))}"


def _only_special_days(directory: Directory) -> Iterator[str]:
    """A partner may be there on carnival days alone; a number that is served on them alone is nearly always a slip."""
    for entry in directory.entries:
        calendar = directory.calendar[entry.calendar] if entry.calendar is not None else None
        if calendar is not None and not calendar.hours:
            yield (
                f"entry {entry.number or entry.kind}: its calendar {calendar.id} has no weekly hours, the number is"
                " open on special days alone"
            )


# What every member of the 115 network promises its callers: Monday to Friday, 8 to 18, by the clock on the wall.
_PROMISED = time(8), time(18)
_MONDAY = date(2026, 3, 2)
"""Of an ordinary week: any would do in which no clock is changed. Holidays and special days are taken out of the
calendars for it."""


def _ordinary(calendar: Calendar) -> Calendar:
    return replace(calendar, land=None, special_days=())


def _hours_of_115(directory: Directory) -> Iterator[str]:
    for entry in directory.entries:
        if entry.kind is not EntryKind.SERVICE_115 or entry.calendar is None:
            continue
        partners = [
            directory.partner[PartnerId(rung.target)]
            for rung in directory.queue[entry.queue].ladder
            if rung.trigger is Trigger.CLOSED_HOURS
            and rung.action is Action.PARTNER
            and (not rung.kinds or entry.kind in rung.kinds)
        ]
        if any(partner.calendar is None for partner in partners):
            continue  # somebody is always there
        named = (entry.calendar, *(partner.calendar for partner in partners))
        gaps = _gaps([_ordinary(directory.calendar[id_]) for id_ in named if id_ is not None])
        if not gaps:
            continue
        promise = f"entry {entry.number} is promised Mon-Fri 08:00-18:00, but {', '.join(gaps)} it is closed"
        if theirs := list(dict.fromkeys(f"partner {p.id} (calendar {p.calendar})" for p in partners)):
            yield f"{promise}, and so {'is' if len(theirs) == 1 else 'are'} {' and '.join(theirs)}"
        else:
            yield (
                f"{promise} and no partner takes its calls, as a rung 'closed by hours for 115: partner NAME' would"
                " have it"
            )


def _gaps(any_of: Sequence[Calendar]) -> list[str]:
    """When in the promised hours none of these is open, days with the same gap together: ``Fri 15:00-18:00``."""
    days: dict[tuple[time, time], set[int]] = {}
    for weekday in range(5):
        day = _MONDAY + timedelta(days=weekday)
        moment, end = (datetime.combine(day, hour, _BERLIN).astimezone(UTC) for hour in _PROMISED)
        while moment < end:
            openings = [calendar.opening(moment) for calendar in any_of]
            until = min([end, *(at for o in openings if (at := o.closes_at if o.open else o.opens_at) is not None)])
            if not any(opening.open for opening in openings):
                gap = moment.astimezone(_BERLIN).time(), until.astimezone(_BERLIN).time()
                days.setdefault(gap, set()).add(weekday)
            moment = until
    return [
        calendars.written(calendars.Hours(frozenset(weekdays), opens, closes)).title()
        for (opens, closes), weekdays in days.items()
    ]


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"
