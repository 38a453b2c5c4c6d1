"""What is alive: calls and agents with their deadlines, and the picture of them that others may see.

Plain state; every change to it is decided in the rooms around ``floor.py``. Each live thing writes its deadlines down
itself, as absolute moments; the ``Agenda`` only knows which comes first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.matching import bits
from dialog_acd.core.model import UNASSIGNED
from dialog_acd.core.view import AcdView, AgentView, CallStory, CallView, PartnerView, QueueView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.ladder import PartnerBook
    from dialog_acd.core.matching import Also, Plan
    from dialog_acd.core.messages import Switch
    from dialog_acd.core.model import Agent, AgentId, CallId, Entry, OfferId, PartnerId, Queue, QueueId, TenantId
    from dialog_acd.core.records import Counted, RungTaken, Timeline
    from dialog_acd.core.switches import SwitchBook
    from dialog_acd.core.waiting import Announcement, Forecast


class Due(StrEnum):
    """What a deadline is about."""

    OFFER_EXPIRES = "offer-expires"
    HELD_BY = "held-by"
    LOST = "lost"
    STEP = "step"
    LADDER = "ladder"
    CLOSING = "closing"
    PAUSE_ENDS = "pause-ends"
    WRAP_UP_ENDS = "wrap-up-ends"
    ASIDE_ENDS = "aside-ends"


UNTRIED: Mapping[int, datetime | None] = MappingProxyType({})
"""No rung taken yet; one for all calls."""


@dataclass(slots=True)
class LiveCall:
    """A caller's visit, from arrival until its record is written."""

    id: CallId
    entry: Entry
    queue: Queue
    place: tuple[datetime, int]
    """Arrival and order of arrival. Never changes, through failed offers, overflow and return."""
    line: Timeline
    touched_at: datetime
    """When we last learnt something of the call."""
    waiting_since: datetime
    """When the present wait began: arrival, or the end of a conversation. Its limits count from here; the place in
    the queue, and the record, from the arrival."""
    state: CallState = CallState.ARRIVED
    dialled: str = ""
    ani: str | None = None
    caller_name: str = ""
    """As at the first arrival. After an offer the channel shows our own word for the caller, town included."""
    trunk: str = ""
    trunk_call_id: str = ""
    diversion: str | None = None
    """E.164."""
    diversion_reason: str = ""
    candidates: tuple[TenantId, ...] = ()
    """Towns it may be for, of the entry by which it came, as that was then: neither a transfer nor a new directory
    makes another town of a call."""
    named: TenantId | None = None
    """The town somebody has named."""
    counted: Counted | None = None
    """As what it is counted, since somebody has answered; ``entry`` and ``queue`` say where it has been led since."""
    test: bool = False
    test_at_door: bool = False
    """It was known when the call came; by this it is counted while it happens, so that no counter has half of it."""
    emergency: bool = False
    offer: OfferId | None = None
    agent: AgentId | None = None
    """Whom the call occupies now."""
    served_by: AgentId | None = None
    talked: bool = False
    holds_ordered: int = 0
    step: int = 0
    """Which of the queue's steps the wait has come to; skipped ones are the matching's business."""
    also: Also | None = None
    """Another queue whose people may serve the call since a rung said so."""
    ahead: int = 0
    """Callers who waited already when this one began to."""
    forecast: Forecast | None = None
    """What was expected of this wait when it began."""
    told: Announcement | None = None
    """What the caller was last told of it."""
    told_closing: bool = False
    saying_until: datetime | None = None
    """A prompt is being played, until its end is told, or so long at the most."""
    asking: int | None = None
    """The rung that has the prompt offer a callback."""
    climbed: Mapping[int, datetime | None] = field(default_factory=lambda: UNTRIED)
    """Rungs taken in this wait, and from when on each may be taken again."""
    rung: int | None = None
    """The rung whose partner's numbers are being tried."""
    rungs: tuple[RungTaken, ...] = ()
    trigger: str = ""
    callback_at: datetime | None = None
    """When the caller was promised to be called back."""
    owed: bool = False
    """... and nobody has talked to them since."""
    wants_callback: bool = False
    """The key was pressed, and nothing said of it yet: a phone rang already, and may be answered instead."""
    numbers_tried: int = 0
    """How many of the partner's numbers have been rung for the rung in force."""
    partner: PartnerId | None = None
    """Whom the call is with now."""
    asked: PartnerId | None = None
    """Which partner was last asked."""
    closed: str = ""
    """Why nobody serves the number at this hour (a value of ``calendars.Why``); empty: somebody does."""
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    closure: Switch | None = None
    """By which a supervisor had closed the number when the caller was found to come too late."""
    messages: tuple[str, ...] = ()
    """Prompts of the day that the caller is told at this door."""
    heard: frozenset[str] = frozenset()
    """... and was told at an earlier one."""
    came_in_time: bool = False
    """The number was served when the call came."""
    from_partner: bool = False
    """A partner's overflow, wherever it has been transferred since: it is never sent on to one."""
    offered_from: PartnerId | None = None
    """Who rang when the offer in force was made; if the switch refuses the offer, they still do."""
    released_for: str = ""
    refused: str = ""
    """Why we did not take the call at all."""
    transferred_to: str | None = None
    transfer_blind: bool | None = None
    transfer_landed: bool = False
    """The target of the transfer was a number of ours: coming back to the queue is what was meant."""
    failsafe_why: str = ""
    failsafe_answered_by: str | None = None
    hung_up_first: str = "unknown"
    deadlines: dict[Due, datetime] = field(default_factory=dict)
    noted: datetime | None = None

    @property
    def town(self) -> TenantId:
        """Whose it is."""
        return self.named or (UNASSIGNED if self.candidates else (self.counted or self.entry).tenant)

    @property
    def shown_town(self) -> TenantId:
        """For whom the agent answers: after a transfer, the town it led to. ``UNASSIGNED``: that is the question."""
        known = self.named or self.candidates or self.entry.candidates
        return self.town if known else self.entry.tenant

    @property
    def closing_words(self) -> str:
        """The prompt of a caller who finds us closed."""
        prompt = self.closure.prompt if self.closure is not None else None
        return self.entry.closed if prompt is None else f"acd/{prompt}"


@dataclass(frozen=True, slots=True)
class EndedCall:
    """What is still known of a call that has its record."""

    town: TenantId
    candidates: tuple[TenantId, ...]
    ended_at: datetime
    test: bool


@dataclass(slots=True)
class LiveAgent:
    """An agent of the directory, on three independent axes: intent, work, phone."""

    agent: Agent
    idle_since: datetime
    since: datetime
    intent: Intent = Intent.SIGNED_OUT
    reason: str = ""
    work: Work = Work.IDLE
    phone: PhoneState = PhoneState.UNREACHABLE
    call: CallId | None = None
    last_call: CallId | None = None
    """With whose caller the agent last talked, or talks."""
    presence: tuple[bool, bool, bool] | None = None
    """What the matching was last told: signed in, wants calls, phone within reach."""
    deadlines: dict[Due, datetime] = field(default_factory=dict)
    noted: datetime | None = None

    @property
    def available(self) -> bool:
        return (
            self.intent is Intent.READY
            and self.work is Work.IDLE
            and self.phone is PhoneState.REACHABLE
            and Due.ASIDE_ENDS not in self.deadlines
        )


class Owner(Protocol):
    """What has deadlines: a call or an agent."""

    deadlines: dict[Due, datetime]
    noted: datetime | None


OwnerT = TypeVar("OwnerT", bound=Owner)


class Agenda(Generic[OwnerT]):
    """Which deadline comes first.

    One heap for all, with no more than one entry that counts per owner: its earliest deadline when it was last looked
    at, which the owner remembers (``noted``). Most deadlines are moved or struck out long before they come, and cost
    nothing here then: an entry that comes to the top and is out of date is put back at the owner's earliest.
    No running number in an entry: the order of two deadlines of one moment must not depend on who asked
    ``next_at()`` in between.
    """

    def __init__(self, owner: Callable[[bool, str], OwnerT | None]) -> None:
        """``owner``: find an agent (or else a call) by its id; ``None`` for one that is gone."""
        self._owner = owner
        self._heap: list[tuple[datetime, bool, str]] = []

    def note(self, at: datetime, *, agents: bool, name: str, owner: Owner) -> None:
        """An owner has written a deadline down."""
        if owner.noted is None or at < owner.noted:
            owner.noted = at
            heapq.heappush(self._heap, (at, agents, name))

    def quiet(self, now: datetime) -> bool:
        """Nothing can be due: the quick look, for every signal."""
        return not self._heap or self._heap[0][0] > now

    def next_at(self) -> datetime | None:
        while self._heap:
            at, agents, name = self._heap[0]
            owner = self._owner(agents, name)
            if owner is None or owner.noted != at:
                heapq.heappop(self._heap)
                continue
            earliest = min(owner.deadlines.values(), default=None)
            if earliest == at:
                return at
            owner.noted = earliest
            if earliest is None:
                heapq.heappop(self._heap)
            else:
                heapq.heapreplace(self._heap, (earliest, agents, name))
        return None

    def take(self, now: datetime) -> tuple[datetime, Due, OwnerT] | None:
        """The first deadline that has come, struck out at its owner, or ``None``."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, agents, name = self._heap[0]
        owner = self._owner(agents, name)
        if owner is None:
            raise AssertionError(f"{name} is gone and has a deadline")  # next_at() has just looked
        due = min(due for due, when in owner.deadlines.items() if when == at)
        del owner.deadlines[due]
        return at, due, owner


_WAITING_STATES = frozenset(
    {CallState.ARRIVED, CallState.WAITING, CallState.OFFERED, CallState.RETURNING, CallState.DIVERTING}
)


def _view(call: LiveCall, directory: Directory) -> CallView:
    towns = directory.tenant
    return CallView(
        call.id, call.town, call.queue.id, (call.counted or call.entry).kind, call.state, call.line.t_in, call.agent,
        tuple(towns[t] for t in call.candidates if t in towns), call.test,
        call.line.t_ans is not None or call.failsafe_answered_by is not None,
    )  # fmt: skip


def story(call: LiveCall, directory: Directory) -> CallStory:
    """An immutable copy of what is known of one call."""
    line = call.line
    away = "emergency" if call.emergency else call.refused or ("" if line.t_q or call.came_in_time else call.closed)
    return CallStory(
        now=_view(call, directory), dialled=call.dialled, ani=call.ani, trunk=call.trunk,
        trunk_call_id=call.trunk_call_id,
        t_in=line.t_in, t_ann_end=line.t_ann_end, t_q=line.t_q, t_ans=line.t_ans, t_wrap_end=line.t_wrap_end,
        t_ovf=line.t_ovf, t_ovf_ans=line.t_ovf_ans, t_failsafe=line.t_failsafe, t_callback=call.callback_at,
        agent=call.agent or call.served_by, partner=call.partner, overflow_partner=call.asked,
        transferred_to=call.transferred_to, failsafe_answered_by=call.failsafe_answered_by,
        offers=tuple(line.offers), rungs=call.rungs, turned_away=away,
    )  # fmt: skip


class _Staffed:
    """How many could answer a queue. Counted by kinds of agents: a large centre has more pairs of queue and agent than
    can be looked at while calls wait.
    """

    def __init__(self, plan: Plan, agents: Collection[LiveAgent]) -> None:
        self._plan = plan
        self._there = [0] * len(plan.kinds)
        self._available = [0] * len(plan.kinds)
        for agent in agents:
            kind = plan.group_of.get(agent.agent.id)
            if kind is not None and agent.intent is not Intent.SIGNED_OUT:
                self._there[kind] += 1
                self._available[kind] += agent.available
        self._counted: dict[int, tuple[int, int]] = {}

    def able(self, queue: QueueId) -> tuple[int, int]:
        """Signed in and able by the widest step; and available among them."""
        kinds = self._plan.own[queue][-1]
        counted = self._counted.get(kinds)
        if counted is None:
            numbers = list(bits(kinds))
            counted = sum(self._there[n] for n in numbers), sum(self._available[n] for n in numbers)
            self._counted[kinds] = counted
        return counted


def picture(
    directory: Directory,
    calls: Collection[LiveCall],
    agents: Collection[LiveAgent],
    now: datetime,
    *,
    switch_up: bool,
    switches: SwitchBook,
    partners: PartnerBook,
) -> AcdView:
    """An immutable copy of what is alive."""
    ordered = sorted(calls, key=lambda c: c.place)
    live = [_view(c, directory) for c in ordered]
    people = [
        AgentView(
            a.agent.id, a.agent.name, a.agent.phone, a.agent.team or "", a.intent, a.reason, a.work, a.phone,
            a.available, a.since,
        )
        for a in agents
    ]  # fmt: skip
    queues = []
    staffed = _Staffed(directory.plan, agents)
    of_queue: dict[QueueId, list[LiveCall]] = {}
    for call in calls:
        if not call.test:
            of_queue.setdefault(call.queue.id, []).append(call)
    for queue in directory.queues:
        mine = of_queue.get(queue.id, [])
        waiting = [c for c in mine if c.state in _WAITING_STATES]
        able, available = staffed.able(queue.id)
        queues.append(
            QueueView(
                queue.id,
                queue.name,
                len(waiting),
                max((now - c.waiting_since for c in waiting), default=timedelta()),
                sum(c.state is CallState.CONNECTED for c in mine),
                able,
                available,
                switches.overflow_until(queue.id),
            )
        )
    in_force = tuple(sorted(switches, key=lambda s: (s.at, s.kind, s.about), reverse=True))
    asked = tuple(PartnerView(p.id, partners.at(p.id), partners.shut(p.id)) for p in directory.partners)
    return AcdView(now, switch_up, tuple(queues), tuple(people), tuple(live), in_force, asked)
