"""What would happen to a call: the directory questioned, with nobody disturbed.

The same functions decide here as in a living call (``Directory.entry_for``, ``Calendar.opening``, ``ladder.fires``),
for a caller who comes at a given moment, finds nobody free and everybody of the directory signed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dialog_acd.core.ladder import Situation, fires
from dialog_acd.core.matching import may_serve
from dialog_acd.core.model import Action, EntryKind
from dialog_acd.core.numbers import NumberKind
from dialog_acd.core.rules import written

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.calendars import Opening
    from dialog_acd.core.directory import Directory, Resolution
    from dialog_acd.core.model import Agent, PartnerId, Queue, Rung, Step


@dataclass(frozen=True, slots=True)
class StepAnswer:
    step: Step
    able: tuple[Agent, ...]
    """Who in the directory fulfils it."""
    unable: tuple[tuple[Agent, str], ...]
    """Everybody else, and why not."""


@dataclass(frozen=True, slots=True)
class RungAnswer:
    rung: Rung
    at_arrival: bool
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a call goes. ``verdict``: ``wait``, ``partner``, ``closed``, ``released``, ``emergency``."""

    at: datetime
    found: Resolution
    queue: Queue
    opening: Opening | None
    """``None``: the number has no calendar and is always served."""
    verdict: str
    reason: str
    steps: tuple[StepAnswer, ...]
    ladder: tuple[RungAnswer, ...]

    @property
    def open(self) -> bool:
        return self.opening is None or self.opening.open


def inquire(directory: Directory, called: str, trunk: str, at: datetime) -> Answer:
    """Ask what happens to a call to ``called`` (as the trunk writes it) at this moment (aware)."""
    found = directory.entry_for(called, trunk, at=at)
    queue = directory.queue[found.entry.queue]
    calendar = directory.calendar[found.entry.calendar] if found.entry.calendar is not None else None
    opening = calendar.opening(at) if calendar else None
    closed = "" if opening is None or opening.open else opening.why.value
    ladder = tuple(_rung(directory, found, rung, closed, at) for rung in queue.ladder)
    verdict, reason = _verdict(found, opening, ladder)
    steps = tuple(_step(directory, queue, step) for step in queue.steps)
    return Answer(at, found, queue, opening, verdict, reason, steps, ladder)


def _verdict(found: Resolution, opening: Opening | None, ladder: tuple[RungAnswer, ...]) -> tuple[str, str]:
    if found.number.kind is NumberKind.EMERGENCY:
        return "emergency", "an emergency number: the caller is told where help is, never queued"
    closed = "" if opening is None or opening.open else opening.why.value
    if opening is None:
        reason = "always open: the number has no calendar"
    elif opening.open:
        reason = "open"
    else:
        reason = closed.replace("-", " ") + (f" ({opening.name})" if opening.name else "")
    if closed and not any(
        r.rung.trigger == closed and (not r.rung.kinds or found.entry.kind in r.rung.kinds) for r in ladder
    ):
        return "closed", reason  # told so at the door: no rung is for this
    for rung in ladder:
        if not rung.at_arrival or rung.rung.action in (Action.ANNOUNCE, Action.CALLBACK):
            continue
        if rung.rung.action is Action.PARTNER:
            return "partner", reason if rung.why in reason else f"{reason}; {rung.why}"
        if rung.rung.action is Action.RELEASE:
            return "closed" if closed else "released", reason
        if rung.rung.action is Action.QUEUE:
            return "wait", reason
    return ("closed" if closed else "wait"), reason


def _rung(directory: Directory, found: Resolution, rung: Rung, closed: str, at: datetime) -> RungAnswer:
    if rung.kinds and found.entry.kind not in rung.kinds:
        return RungAnswer(rung, at_arrival=False, why=f"not for {found.entry.kind}")
    why, _ = fires(rung, at, Situation(at, closed))
    if not why:
        return RungAnswer(rung, at_arrival=False, why="not at arrival")
    if rung.action is Action.PARTNER:
        if not directory.queue[found.entry.queue].to_partners or found.entry.kind is EntryKind.PARTNER_INBOUND:
            return RungAnswer(rung, at_arrival=False, why="never to a partner")
        partner = directory.partner[cast("PartnerId", rung.target)]
        calendar = directory.calendar[partner.calendar] if partner.calendar is not None else None
        if calendar is not None and not (opening := calendar.opening(at)).open:
            name = f" ({opening.name})" if opening.name else ""
            return RungAnswer(
                rung, at_arrival=False, why=f"{partner.name} is {opening.why.value.replace('-', ' ')}{name}"
            )
    return RungAnswer(rung, at_arrival=True, why=why)


def _step(directory: Directory, queue: Queue, step: Step) -> StepAnswer:
    able = tuple(agent for agent in directory.agents if may_serve(agent, queue, step))
    unable = tuple((a, _why_not(a, queue, step)) for a in directory.agents if not may_serve(a, queue, step))
    return StepAnswer(step, able, unable)


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
