"""Who serves whom: pure functions over what is waiting and who is free.

First form: the longest-waiting caller goes to the longest-idle agent who has the skill. All calls of one queue
need the same, so only the head of each queue must be looked at, and the work does not grow with its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from dialog_acd.core.model import Agent, CallId, Queue

    Pick = Callable[[Sequence[Agent]], Agent]
    """Breaks a tie between agents; given from outside, because the core does not roll dice."""


class FreeAgent(Protocol):
    @property
    def agent(self) -> Agent: ...
    @property
    def idle_since(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The first waiting call of a queue. ``place`` orders calls of all queues: arrival, then order of arrival."""

    place: tuple[datetime, int]
    call: CallId
    queue: Queue


@dataclass(frozen=True, slots=True)
class Match:
    call: CallId
    agent: Agent
    why: str


def serves(agent: Agent, queue: Queue) -> bool:
    return agent.skills.get(queue.skill, 0) >= queue.level


def best_match(heads: Iterable[Head], free: Sequence[FreeAgent], pick: Pick) -> Match | None:
    """The next pair to bring together, or ``None`` when nobody who waits can be served by anybody who is free."""
    if not free:
        return None
    for head in sorted(heads, key=lambda h: h.place):
        able = [f for f in free if serves(f.agent, head.queue)]
        if not able:
            continue
        since = min(f.idle_since for f in able)
        longest = [f.agent for f in able if f.idle_since == since]
        agent = longest[0] if len(longest) == 1 else pick(longest)
        why = f"longest waiting; longest idle of {len(able)} with {head.queue.skill}>={head.queue.level}"
        return Match(head.call, agent, why)
    return None
