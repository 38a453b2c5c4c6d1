"""A supervisor's switches: for a while something is otherwise than the directory has it.

Three things can be switched: a queue's calls are sent over (*overflow*), an entry is closed (*closure*), new callers
are told something (*message*). What holds for all of them:

* It ends by itself, at a moment said beforehand and at most a week away. What is forgotten must not stay: the wet
  cellar of Tuesday may not close the number at Christmas.
* It is about whoever comes after it. A closure turns away nobody who is there, and a message is told to nobody who
  waits already; whoever was turned away or told has been, when it is taken back. Overflow alone concerns those who
  wait, which is what it is for.
* It is about what it was about when it was switched. With the queue or the entry it goes, and it stays with the town:
  a number that goes over to another one at midnight is not closed there.

*A closure is a special day* that nobody knew of beforehand: the reason is ``closed by day``, and it wins over hours,
holidays and special days alike. So the rungs ``closed by day`` speak, as on the day of the staff outing, and a town
that has its calls taken by a partner on such days has them taken now. It opens again at its end, or when the calendar
opens next after that.

*Messages* add up, from the widest to the narrowest: a storm is the whole centre's, a broken register is one town's, and
who has switched the one on does not mean to silence the other.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Opening, Why
from dialog_acd.core.model import QueueId, SwitchKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from dialog_acd.core.calendars import Calendar
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Entry, TenantId

LONGEST = timedelta(days=7)
"""So far ahead a switch may end."""
PROMPT = "[0-9a-z][0-9a-z-]{0,29}"
"""Form of a prompt's name: it becomes part of an extension, and of what Asterisk plays."""
OF_QUEUES = frozenset({SwitchKind.OVERFLOW, SwitchKind.QUEUE_MESSAGE})
OF_ENTRIES = frozenset({SwitchKind.CLOSURE, SwitchKind.ENTRY_MESSAGE})
MESSAGES = (SwitchKind.CENTRE_MESSAGE, SwitchKind.QUEUE_MESSAGE, SwitchKind.ENTRY_MESSAGE)
"""In the order in which they are told."""


class Met(NamedTuple):
    """What a new caller of an entry meets of what was switched."""

    closure: m.Switch | None
    messages: tuple[m.Switch, ...]
    """Whoever finds us closed is told none."""
    overflow: m.Switch | None

    @property
    def prompts(self) -> tuple[str, ...]:
        """Those of the messages, none of them twice."""
        return tuple(dict.fromkeys(message.prompt for message in self.messages if message.prompt is not None))


class SwitchBook:
    """What is switched now."""

    def __init__(self, switches: Iterable[m.Switch] = ()) -> None:
        self._on = {(switch.kind, switch.about): switch for switch in switches}

    def __iter__(self) -> Iterator[m.Switch]:
        return iter(self._on.values())

    @property
    def next_at(self) -> datetime | None:
        """When the first of them is over."""
        return min((switch.until for switch in self), default=None)

    def put(self, switch: m.Switch) -> None:
        """In the place of what was switched of the kind, about the same, before."""
        self._on[switch.kind, switch.about] = switch

    def take(self, kind: SwitchKind, about: str) -> None:
        self._on.pop((kind, about), None)

    def overflow_until(self, queue: QueueId) -> datetime | None:
        """Until when the queue is switched over; ``None``: it is not."""
        found = self._on.get((SwitchKind.OVERFLOW, queue))
        return None if found is None else found.until

    def met(self, entry: Entry, at: datetime | None = None) -> Met:
        """What concerns callers of this entry, who came at this moment; ``None``: who come now."""
        if not self._on:
            return _NOTHING
        found = {
            kind: switch
            for kind in SwitchKind
            if (switch := self._on.get((kind, _about(kind, entry)))) is not None
            and switch.tenant in (None, entry.tenant)
            and (at is None or switch.at <= at < switch.until)
        }
        messages = tuple(found[kind] for kind in MESSAGES if kind in found)
        return Met(found.get(SwitchKind.CLOSURE), messages, found.get(SwitchKind.OVERFLOW))

    def spent(self, directory: Directory, now: datetime) -> list[tuple[m.Switch, str]]:
        """What ends now, and why."""
        return [(switch, why) for switch in self if (why := _over(switch, directory, now))]


_NOTHING = Met(None, (), None)


def wanted(signal: m.SupervisorSwitched, directory: Directory, now: datetime) -> tuple[m.Switch | None, str]:
    """What is to be in force, ``None``: nothing any more; and why it cannot be, if it cannot."""
    kind, about, tenant = signal.kind, signal.about, None
    if kind in OF_QUEUES and about not in directory.queue:
        return None, "unknown queue"
    if kind in OF_ENTRIES:
        tenant = _town_of(about, directory, now)
        if tenant is None:
            return None, "no entry with this number is active"
    if signal.until is None:
        return None, ""
    why = ""
    if kind is SwitchKind.OVERFLOW and not any(
        rung.trigger is Trigger.SWITCHED for rung in directory.queue[QueueId(about)].ladder
    ):
        why = "the queue's ladder has no rung 'switched: ...'"
    elif not now < signal.until <= now + LONGEST:
        why = "'until' must lie ahead, by at most a week"
    elif kind in MESSAGES and signal.prompt is None:
        why = "a message needs a prompt"
    elif signal.prompt is not None and not re.fullmatch(PROMPT, signal.prompt):
        why = "a prompt's name is of the form [0-9a-z-], 1 to 30 characters"
    return m.Switch(kind, about, signal.until, signal.by, now, signal.prompt, tenant), why


def opening(calendar: Calendar | None, closure: m.Switch | None, at: datetime) -> Opening | None:
    """Open or closed at this moment, as ``Calendar.opening`` says it; ``None``: a number that is always served.

    ``closure``: by which the number is closed at this moment.
    """
    if closure is None:
        return None if calendar is None else calendar.opening(at)
    return Opening(open=False, why=Why.DAY, name="", closes_at=None, opens_at=reopens_at(calendar, closure))


def reopens_at(calendar: Calendar | None, closure: m.Switch) -> datetime | None:
    """When a closed number opens again: at the end, or when its calendar opens next after that; ``None``: unknown."""
    after = None if calendar is None else calendar.opening(closure.until)
    return closure.until if after is None or after.open else after.opens_at


def _about(kind: SwitchKind, entry: Entry) -> str:
    if kind in OF_QUEUES:
        return entry.queue
    return entry.number if kind in OF_ENTRIES else ""


def _over(switch: m.Switch, directory: Directory, now: datetime) -> str:
    """Why a switch is not in force any more; empty: it is."""
    if switch.until <= now:
        return "its time is over"
    if switch.kind in OF_QUEUES and switch.about not in directory.queue:
        return "the queue is gone"
    if switch.kind in OF_ENTRIES and (town := _town_of(switch.about, directory, now)) != switch.tenant:
        return "the entry is gone" if town is None else "the number is another town's"
    return ""


def _town_of(number: str, directory: Directory, now: datetime) -> TenantId | None:
    entry = directory.entry_named(number, now)
    # As one may write a number, it is for the API to know.
    return entry.tenant if entry is not None and entry.number == number else None
