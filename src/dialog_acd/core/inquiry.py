"""What would happen to a call: the directory questioned, with nobody disturbed.

The same functions decide here as in a living call (``Directory.entry_for``, ``Calendar.opening``, ``ladder.fires``),
for a caller who comes at a given moment. What nobody can know beforehand is assumed, and the answer says what
(``ASSUMING``); an agent who is free would answer before any rung is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.ladder import Situation, fires, is_for
from dialog_acd.core.model import UNASSIGNED, Action, EntryKind, Trigger
from dialog_acd.core.numbers import NumberKind
from dialog_acd.core.rules import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from dialog_acd.core.calendars import Opening
    from dialog_acd.core.directory import Directory, Resolution
    from dialog_acd.core.model import Agent, PartnerId, Queue, Rung, Step, TenantId

ASSUMING = "everybody in the directory is signed in and busy, no caller waits yet, no supervisor has switched"

BERLIN = ZoneInfo("Europe/Berlin")


class NoSuchTrunk(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The directory has no trunk of this name."""

    error_id = "no-such-trunk"


class NoSuchMoment(DialogAcdError):  # noqa: N818
    """A text that is no time."""

    error_id = "no-such-moment"


@dataclass(frozen=True, slots=True)
class StepAnswer:
    directory: Directory
    queue: Queue
    step: Step
    able: tuple[Agent, ...]
    """Who in the directory fulfils it."""

    @property
    def unable(self) -> Iterator[tuple[Agent, str]]:
        """Everybody else, and why not: a sentence for each of thousands, so only for whoever asks."""
        able = {agent.id for agent in self.able}
        for agent in self.directory.agents:
            if agent.id not in able:
                yield agent, _why_not(agent, self.queue, self.step)


@dataclass(frozen=True, slots=True)
class RungAnswer:
    rung: Rung
    at_arrival: bool
    why: str
    """Why it is taken at arrival; else when it would be, or what is in its way."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a call goes. ``verdict``: ``wait``, ``partner``, ``closed``, ``released``, ``emergency``."""

    at: datetime
    found: Resolution
    queue: Queue
    opening: Opening | None
    """``None``: the number has no calendar and is always served."""
    hours: str
    """Open or closed, and why."""
    verdict: str
    reason: str
    steps: tuple[StepAnswer, ...]
    ladder: tuple[RungAnswer, ...]
    called: str
    """As it was asked."""
    caller: str | None
    """As it was read; ``None``: not said."""
    diversion: Resolution | None
    """Who forwarded the call; ``None``: not said."""

    @property
    def open(self) -> bool:
        return self.opening is None or self.opening.open

    @property
    def somebody(self) -> bool:
        """Somebody in the directory can answer, in some step."""
        return any(step.able for step in self.steps)

    @property
    def in_words(self) -> str:
        """The verdict, and what comes before it."""
        then = self.verdict
        for rung in self.ladder:
            if rung.at_arrival and rung.rung.action is Action.QUEUE and not self.open and then == "wait":
                then = f"wait for an agent of queue {rung.rung.target}"
        if any(rung.at_arrival and rung.rung.action is Action.CALLBACK for rung in self.ladder):
            then = f"a callback is offered, then {then}"
        if not self.open or self.verdict == "emergency":
            return then
        if not self.somebody:
            return f"no agent in the directory can answer: {then}"
        return f"an agent who is free answers at once; if all are busy: {then}"


def inquire(
    directory: Directory,
    called: str,
    trunk: str,
    at: datetime,
    caller: str | None = None,
    *,
    diversion: str | None = None,
) -> Answer:
    """Ask what happens to a call to ``called`` (as the trunk writes it) at this moment (aware).

    ``caller``: the number shown, as the trunk writes it; ``None``: one that can be called back. ``diversion``: who
    forwarded the call; it is told, and decides nothing.
    """
    found = directory.entry_for(called, trunk, at=at)
    queue = directory.queue[found.entry.queue]
    calendar = directory.calendar[found.entry.calendar] if found.entry.calendar is not None else None
    opening = calendar.opening(at) if calendar else None
    steps = tuple(StepAnswer(directory, queue, step, directory.able(queue.id, n)) for n, step in enumerate(queue.steps))
    asked = _Inquiry(
        directory=directory,
        found=found,
        queue=queue,
        opening=opening,
        at=at,
        somebody=any(step.able for step in steps),
        may_call_back=caller is None or directory.may_call_back(caller, trunk, at=at),
    )
    ladder = tuple(map(asked.rung, queue.ladder))
    verdict, reason = asked.verdict(ladder)
    return Answer(
        at, found, queue, opening, asked.hours, verdict, reason, steps, ladder, called,
        directory.number(caller, trunk).text if caller else None,
        directory.entry_for(diversion, trunk, at=at) if diversion else None,
    )  # fmt: skip


def require_trunk(directory: Directory, name: str) -> str:
    """The trunk's name. Raises ``NoSuchTrunk``: a call from one is read like the first, a question is a mistake."""
    if all(name != trunk.name for trunk in directory.trunks):
        names = ", ".join(trunk.name for trunk in directory.trunks)
        raise NoSuchTrunk(f"there is no trunk {name!r}; there are: {names}")
    return name


def moment_of(text: str) -> datetime:
    """A time as people write it (ISO 8601), in Berlin if no zone is given. Raises ``NoSuchMoment``."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoSuchMoment(f"{text!r} is not a time; write it as 2026-10-30T15:30") from None
    if not 2000 <= moment.year <= 2099:  # the library of holidays knows no more
        raise NoSuchMoment(f"{text!r} lies outside the years 2000 to 2099")
    if moment.tzinfo is not None:
        return moment
    local = moment.replace(tzinfo=BERLIN)
    if local.astimezone(UTC).astimezone(BERLIN).replace(tzinfo=None) != moment:
        raise NoSuchMoment(f"{text!r} does not exist in Berlin: that night the clocks are set forward")
    return local


# ---------------------------------------------------------------- as plain values


def plainly(answer: Answer, *, why: bool, home: TenantId | None = None) -> dict[str, object]:
    """Everything of an answer as texts, numbers, lists and tables: what every way of asking tells.

    ``why``: also who could answer, and who could not for what; with ``home`` only those of this town hall by name.
    Times are Berlin's.
    """
    entry, found, opening, by = answer.found.entry, answer.found, answer.opening, answer.diversion
    return {
        "called": answer.called,
        "number": found.number.text,
        "origin": found.number.origin,
        "caller": answer.caller,
        "diversion": by.number.text if by else None,
        "diversion_tenant": by.entry.tenant if by and by.known else None,
        "at": _local(answer.at),
        "kind": entry.kind.value,
        "tenant": UNASSIGNED if entry.candidates else entry.tenant,
        "candidates": list(entry.candidates),
        "entry": entry.number or entry.kind.value,
        "found_by": found.why,
        "active_from": _iso(entry.active_from),
        "active_to": _iso(entry.active_to),
        "dormant": _dormant(found),
        "queue": answer.queue.id,
        "priority": answer.queue.priority,
        "open": answer.open,
        "closes_at": _local(opening.closes_at) if opening else None,
        "opens_at": _local(opening.opens_at) if opening else None,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "in_words": answer.in_words,
        "assuming": ASSUMING,
        "greeting": entry.greeting,
        "announcement": entry.announcement,
        "closing_prompt": entry.closed,
        "steps": [
            {"step": written(step.step), "able": len(step.able)} | (_names(step, home) if why else {})
            for step in answer.steps
        ],
        "ladder": [{"rung": written(r.rung), "at_arrival": r.at_arrival, "why": r.why} for r in answer.ladder],
        "failsafe": entry.failsafe,
    }


def _names(step: StepAnswer, home: TenantId | None) -> dict[str, object]:
    return {
        "agents": [agent.id for agent in step.able if home in (None, agent.home)],
        "others": {agent.id: reason for agent, reason in step.unable if home in (None, agent.home)},
    }


def _dormant(found: Resolution) -> dict[str, object] | None:
    entry = found.dormant
    if entry is None:
        return None
    return {
        "entry": entry.number,
        "tenant": entry.tenant,
        "active_from": _iso(entry.active_from),
        "active_to": _iso(entry.active_to),
        "awaited": found.awaited,
    }


def _local(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BERLIN).isoformat(timespec="seconds")


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


# ---------------------------------------------------------------- how it is found


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """What is known before the ladder is looked at."""

    directory: Directory
    found: Resolution
    queue: Queue
    opening: Opening | None
    at: datetime
    somebody: bool
    may_call_back: bool

    @property
    def closed(self) -> str:
        return "" if self.opening is None or self.opening.open else self.opening.why.value

    @property
    def hours(self) -> str:
        if self.opening is None:
            return "always open: the number has no calendar"
        return "open" if self.opening.open else _said(self.opening)

    @property
    def turned_away(self) -> str:
        """Why the call does not come to the ladder at all; empty: it does."""
        if self.found.number.kind is NumberKind.EMERGENCY:
            return "an emergency number"
        if self.closed and not any(
            rung.trigger == self.closed and is_for(rung, self.found.entry.kind) for rung in self.queue.ladder
        ):
            return self.closed.replace("-", " ")
        return ""

    def verdict(self, ladder: tuple[RungAnswer, ...]) -> tuple[str, str]:
        if self.found.number.kind is NumberKind.EMERGENCY:
            return "emergency", "an emergency number: the caller is told where help is, never queued"
        for rung in ladder:
            if not rung.at_arrival:
                continue
            match rung.rung.action:
                case Action.PARTNER:
                    return "partner", self.hours if rung.why in self.hours else f"{self.hours}; {rung.why}"
                case Action.RELEASE:
                    return "closed" if self.closed else "released", self.hours
                case Action.QUEUE:
                    return "wait", self.hours
                case _:
                    pass  # said, offered or widened, and the ladder is climbed on
        return "closed" if self.closed else "wait", self.hours

    def rung(self, rung: Rung) -> RungAnswer:
        if not is_for(rung, self.found.entry.kind):
            return RungAnswer(rung, at_arrival=False, why=f"not for {self.found.entry.kind}")
        if self.turned_away:
            return RungAnswer(rung, at_arrival=False, why=self.turned_away)
        why, _ = fires(rung, self.at, Situation(self.at, self.closed, self.somebody))
        in_the_way = self._in_the_way(rung) if why else self._not_now(rung)
        return RungAnswer(rung, at_arrival=not in_the_way, why=in_the_way or why)

    def _in_the_way(self, rung: Rung) -> str:
        if rung.action is Action.CALLBACK and not self.may_call_back:
            return "this caller cannot be called back"
        if rung.action is not Action.PARTNER:
            return ""
        if self.found.entry.kind is EntryKind.PARTNER_INBOUND:
            return "came from a partner"
        partner = self.directory.partner[cast("PartnerId", rung.target)]
        calendar = self.directory.calendar[partner.calendar] if partner.calendar is not None else None
        if calendar is not None and not (opening := calendar.opening(self.at)).open:
            return f"{partner.name} is {_said(opening)}"
        return ""

    def _not_now(self, rung: Rung) -> str:
        """When a rung would be taken that is not taken at arrival."""
        seconds, closed = f"{rung.after.total_seconds():g} s", self.closed.replace("-", " ")
        never_closes = self.opening is None or (self.opening.open and self.opening.closes_at is None)
        match rung.trigger:
            case Trigger.ALL_BUSY:
                return closed
            case Trigger.WAITED:
                return f"after {seconds}"
            case Trigger.EXPECTED_WAIT:
                return f"when the expected wait is above {seconds}"
            case Trigger.LENGTH:
                return "when 1 caller waits already" if rung.length == 1 else f"when {rung.length} callers wait already"
            case Trigger.NOBODY:
                return "when nobody signed in can answer"
            case Trigger.TECHNICAL:
                return "when no phone can be reached"
            case Trigger.SWITCHED:
                return "when a supervisor has switched over"
            case Trigger.CLOSING_SOON:
                return closed or ("never closes" if never_closes else "when closing comes first")
            case Trigger.CLOSED_HOURS | Trigger.CLOSED_DAY:
                return closed or ("always open" if self.opening is None else "open now")


def _said(opening: Opening) -> str:
    """``closed by day (Karfreitag)``."""
    return opening.why.value.replace("-", " ") + (f" ({opening.name})" if opening.name else "")


def _why_not(agent: Agent, queue: Queue, step: Step) -> str:
    if agent.lines and queue.id not in agent.lines:
        return f"keeps to {', '.join(sorted(agent.lines))}"
    lacking = [n for n in step.needs if agent.skills.get(n.skill, 0) < n.level]
    return ", ".join(
        f"has {need.skill} at {agent.skills[need.skill]}, not {need.level}"
        if need.skill in agent.skills
        else f"no {written(need)}"
        for need in lacking
    )
