"""What is allowed in a directory and probably a mistake: a skill nobody has (yet), a rung that never matches.

Nothing here keeps a directory from being put in force; ``dialog-acd check`` says it, and the API with each edit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialog_acd.core import calendars
from dialog_acd.core.faults import called, covers, meant, named, widens
from dialog_acd.core.matching import fulfils, may_serve
from dialog_acd.core.model import Action, EntryKind, PartnerId, QueueId, Trigger
from dialog_acd.core.rules import EXPECTED_WAIT, POSITION, written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from dialog_acd.core.calendars import Calendar
    from dialog_acd.core.directory import Directory, Period
    from dialog_acd.core.model import Entry, Partner, Queue, TenantId

_BERLIN = ZoneInfo("Europe/Berlin")
SHIPPED = frozenset(
    (
        "call-again",
        "callback-noted",
        "callback-offer",
        "closed",
        "closed-callback",
        "closing-callback",
        "closing-soon",
        "emergency",
        "failsafe-end",
        "failsafe-hold",
        "goodbye",
        "long-wait",
        "nobody",
        "not-an-agent",
        "not-possible",
        "not-ready",
        "open-again",
        "please-hold",
        "position",
        "ready",
        "service-down",
        "signed-in",
        "signed-out",
        "town-115",
        "town-hannover",
        "town-langenhagen",
        "town-region",
        "town-unknown",
        "transfer-failed",
        "unknown-code",
        "wait-2-to-5",
        "wait-5-to-10",
        "wait-over-10",
        "wait-under-2",
    )
)
"""Prompts of ours, as dialplans/sounds has them in German."""


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
        *_towns_without_a_code(directory),
        *(wrong for entry in directory.entries if (wrong := promised_hours(directory, entry))),
        *_prompts_missing(directory),
        *_over(directory, at),
        *(
            f"trunk {trunk.name} is read by guess where there is but one guess, and bare numbers that can be two go to"
            " the catch-all: ask its carrier what it writes, and say so (number_format)"
            for trunk in directory.trunks
            if trunk.number_format == "auto-with-warning"
        ),
    )
    return tuple(dict.fromkeys(found))


def _towns_without_a_code(directory: Directory) -> Iterator[str]:
    """Where no town has one, they are named at a screen, and that is meant."""
    for entry in directory.entries:
        towns = [directory.tenant[town] for town in entry.candidates]
        without = [town.id for town in towns if town.code is None]
        if len(without) < len(towns):
            for town in without:
                yield f"{called(entry)}: candidate {town} has no code, so no agent can name it at the phone"


def _over(directory: Directory, at: datetime) -> Iterator[str]:
    """Entries that nobody will be led by again, and towns that will have no number."""
    of_town: dict[TenantId, list[Period]] = {}
    for period in directory.periods:
        if period.entry.kind is not EntryKind.CATCH_ALL:
            of_town.setdefault(period.entry.tenant, []).append(period)
    for tenant in directory.tenants:
        numbers = of_town.get(tenant.id, [])
        over = [p.entry for p in numbers if p.ends <= at]
        if numbers and len(over) == len(numbers):
            yield f"tenant {tenant.id}: all its numbers are over, {_last_day(numbers)} was the last day"
            continue
        for entry in over:
            yield f"{called(entry)} is over for good, take it out"
        if numbers and all(p.entry.active_to is not None for p in numbers):
            yield f"tenant {tenant.id}: all its numbers end, {_last_day(numbers)} is the last day"


def _last_day(periods: Iterable[Period]) -> str:
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
        who = f"queue {queue.id}: {named(position, step)}"
        if not any(may_serve(agent, queue, step) for agent in directory.agents):
            elsewhere = any(fulfils(agent, step) for agent in directory.agents)
            why = "whoever fulfils it keeps to other queues" if elsewhere else "no agent fulfils it"
            yield f"{who} is of no use, {why}" + (
                ", and it is the last: nobody can answer this queue" if step is queue.steps[-1] else ""
            )
        if step.after > queue.max_wait:
            yield f"{who} begins later than max_wait ({_seconds(queue.max_wait)}), when the callers have left the queue"
    for position, (step, later) in enumerate(pairwise(queue.steps)):
        if widens(later, step):  # a step that asks for more than the one before is a fault, so they are the same
            yield (
                f"queue {queue.id}: {named(position + 1, later)} widens nothing, whoever may answer then could"
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
                f"{meant(rung.target, _MADE_UP, 0.5)}"
            )
        for release in queue.ladder:
            if (
                rung.trigger is release.trigger is Trigger.WAITED
                and release.action is Action.RELEASE
                and release.after < rung.after
                and covers(release, rung)
            ):
                yield f"{who} comes too late, {written(release)!r} has released the caller by then"
                break
        for earlier in queue.ladder[:position]:
            # A waiting caller of an open number is a caller who found all busy, whatever else is true as well.
            if (
                earlier.trigger is Trigger.ALL_BUSY
                and earlier.action in (Action.RELEASE, Action.QUEUE)
                and rung.trigger not in (Trigger.ALL_BUSY, *_CLOSED)
                and covers(earlier, rung)
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


def promised_gaps(directory: Directory, entry: Entry) -> tuple[calendars.Hours, ...]:
    """When in the promised hours nobody takes the calls of a 115 entry, neither we nor a partner, by weekday."""
    if entry.kind is not EntryKind.SERVICE_115 or entry.calendar is None:
        return ()
    partners = _after_hours(directory, entry)
    if any(partner.calendar is None for partner in partners):
        return ()  # somebody is always there
    named = (entry.calendar, *(partner.calendar for partner in partners))
    return _gaps([_ordinary(directory.calendar[id_]) for id_ in named if id_ is not None])


def promised_hours(directory: Directory, entry: Entry) -> str:
    """What is wrong with the hours of a 115 entry; empty: it keeps them, by itself or with its partners."""
    gaps = [calendars.written(gap).title() for gap in promised_gaps(directory, entry)]
    if not gaps:
        return ""
    promise = f"entry {entry.number} is promised Mon-Fri 08:00-18:00, but {', '.join(gaps)} it is closed"
    partners = _after_hours(directory, entry)
    if theirs := list(dict.fromkeys(f"partner {p.id} (calendar {p.calendar})" for p in partners)):
        return f"{promise}, and so {'is' if len(theirs) == 1 else 'are'} {' and '.join(theirs)}"
    return f"{promise} and no partner takes its calls, as a rung 'closed by hours for 115: partner NAME' would have it"


def _after_hours(directory: Directory, entry: Entry) -> list[Partner]:
    """Who takes its calls while it is closed."""
    return [
        directory.partner[PartnerId(rung.target)]
        for rung in directory.queue[entry.queue].ladder
        if rung.trigger is Trigger.CLOSED_HOURS
        and rung.action is Action.PARTNER
        and (not rung.kinds or entry.kind in rung.kinds)
    ]


def _prompts_missing(directory: Directory) -> Iterator[str]:
    for entry in directory.entries:
        for what, name in (
            ("greeting", entry.greeting),
            ("announcement", entry.announcement),
            ("closed", entry.closed),
        ):
            if name is not None and not is_there(directory, name):
                yield f"{called(entry)}: its {what} {name!r} is {_NOWHERE}"
    for queue in directory.queues:
        for rung in queue.ladder:
            if rung.action is Action.ANNOUNCE and not is_there(directory, rung.target) and "/" in rung.target:
                yield f"queue {queue.id}: rung {written(rung)!r} announces what is {_NOWHERE}"


_NOWHERE = "neither among the prompts of the directory nor one of those that come with this program"


def prompts_of(entry: Entry) -> Iterator[tuple[str, str]]:
    """What is heard at this number, and which prompt that is."""
    for what in ("greeting", "announcement", "closed"):
        name = getattr(entry, what)
        if name is not None:
            yield what, name


def is_there(directory: Directory, name: str) -> bool:
    """Whether Asterisk will find this prompt, as far as can be known here: other folders than ours are the site's."""
    folder, _, prompt = name.rpartition("/")
    return folder != "acd" or prompt in directory.prompt or prompt in SHIPPED


def _gaps(any_of: Sequence[Calendar]) -> tuple[calendars.Hours, ...]:
    """When in the promised hours none of these is open, days with the same gap together: ``fri 15:00-18:00``."""
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
    return tuple(calendars.Hours(frozenset(weekdays), opens, closes) for (opens, closes), weekdays in days.items())


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"
