"""One run of a scenario: the very core that routes live calls, a switch that is only pretended, and virtual time.

``Acd.handle`` is told signals and its orders are carried out, as by the engine; what a switch and its dialplan do
with an order is written here, in the order in which a real one tells of it. A caller is held, and only then offered;
after a failed offer or partner they are held again; last words are heard before the line is dead. What is left out is
what takes milliseconds: an order is carried out in the moment it is given, so no two things ever cross on the wire.
Nobody has a number or presses a key either: no callback is ever offered, and rungs that would are passed over.

*Time* goes from one happening to the next: a heap of what will come outside (a caller, a hang-up, the end of a
shift), and the core's own next deadline, whichever is first. At one moment the deadline goes first, and what follows
from a signal is told before anything else that happens then.

*Late happenings.* A caller who is answered will not give up, a phone that was withdrawn will not be picked up. Nothing
is taken out of the heap for that: what is to come of an order carries the number of the order it belongs to
(``Caller.order``), and is void when another order has come since.

*Room.* With ``room`` in the scenario the network lets only so many callers wait: whoever would be one more hears that
all lines are busy and is blocked. Whether somebody would have to wait, only the core can say, so such a caller is put
through to it and gone in the same moment.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.model import CallId
from dialog_acd.core.records import Result
from dialog_acd.simulation.chance import factor, stream
from dialog_acd.simulation.figures import Cell, Seen
from dialog_acd.simulation.predictors import Told, learnt
from dialog_acd.simulation.scenario import local_day
from dialog_acd.testing import SequentialIds

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from dialog_acd.core.model import AgentId, OfferId, PartnerId
    from dialog_acd.core.records import CallRecord
    from dialog_acd.simulation.scenario import Group, PartnerWays, Redial, Scenario, Source, Stretch

LONGEST_TALK = timedelta(hours=4)
"""The dialplan ends every call then (``TIMEOUT(absolute)``)."""
FAILSAFE_FOR = timedelta(seconds=120)
"""How long Asterisk tries on its own, when a caller has waited too long. Nobody answers there in a simulation."""
NO_CIRCUIT, ENDED, BUSY = 34, 16, 17
"""Q.850: blocked by the network, the ordinary end, and a partner's call that we have not promised to take."""
_NO_TIME = timedelta()
_DIAL_STATUS = {"busy": "busy", "refused": "congestion", "silent": "noanswer"}


class Place(Enum):
    """Where in the dialplan a caller is."""

    DOOR = auto()
    HELD = auto()
    RINGING = auto()
    TALKING = auto()
    AT_PARTNER = auto()
    """Ringing there, or talking."""
    LEAVING = auto()
    """Hearing the last words, or in failsafe."""
    GONE = auto()


_WAITING = frozenset({Place.HELD, Place.RINGING, Place.AT_PARTNER})
_IN_SERVICE = frozenset({Place.TALKING, Place.LEAVING, Place.GONE})


@dataclass(slots=True, eq=False)
class Caller:
    """Somebody on the line."""

    call: CallId
    source: Source
    patience: timedelta | None
    work: float
    """Between 0 and 1: how long the conversation is, of all there could be."""
    limit_at: datetime | None = None
    place: Place = Place.DOOR
    order: int = 0
    """Counts the orders; what comes of an earlier one is void."""
    offer: OfferId | None = None
    partner: PartnerId | None = None
    served: bool = False
    """A partner's person talks to them: patience is no question any more."""
    gives_up_at: datetime | None = None
    untold: int = 0
    """How often the core will still hear that the caller is held."""
    blocked: bool = False
    head_s: float = 0.0
    """What the first in line had waited when this caller began to."""
    waited_s: float = 0.0
    squared: dict[str, float] | None = None
    """Of the wait that an agent ended: how long it was, and the squared error of each predictor."""


@dataclass(slots=True)
class Load:
    """Of one group, in one window: seconds of work, and of being there without agreed breaks."""

    handling_s: float = 0.0
    there_s: float = 0.0


@dataclass(slots=True)
class Outcome:
    """All that one run has to tell. ``calls``: how many came in all, the uncounted ones included."""

    calls: int
    cells: dict[Cell, Seen]
    loads: dict[tuple[str, str | None], Load]


@dataclass(slots=True)
class _Partner:
    ways: PartnerWays
    dice: random.Random
    free: int


class Run:
    """One run. Everything chance decides in it follows from ``seed`` and ``number``."""

    def __init__(self, scenario: Scenario, seed: int, number: int) -> None:
        self._scenario = scenario
        self._seed, self._number = seed, number
        self._now = scenario.start
        self._acd = Acd(scenario.directory, scenario.start, SequentialIds())
        self._soon: deque[m.Signal] = deque()
        self._coming: list[tuple[datetime, int, Callable[..., None], object, int]] = []
        self._scheduled = 0
        self._callers: dict[CallId, Caller] = {}
        self._expected = 0
        """Happenings that will bring another caller."""
        self._arrived = 0
        self._held = 0
        self._told = None if scenario.known is None else Told(scenario.known)
        self._line: dict[CallId, datetime] = {}
        """Since when callers wait, longest first; kept for predictors only. Who is rung for is still waiting."""
        self._taken: CallId | None = None
        self._redials = self._dice("redial")
        self._phones = self._dice("phones")
        self._group_of: dict[AgentId, Group] = {a: group for group in scenario.groups for a in group.agents}
        self._state = {group.name: "out" for group in scenario.groups}
        self._not_answering: set[AgentId] = set()
        self._partners = {
            name: _Partner(ways, self._dice(f"partner:{name}"), -1 if ways.people is None else ways.people)
            for name, ways in scenario.partners.items()
        }
        self._cells: dict[Cell, Seen] = {}
        self._work: dict[str, list[Stretch]] = {group.name: [] for group in scenario.groups}
        self._edges = {
            window: [edge for stretch in stretches for edge in stretch]
            for window, stretches in scenario.windows.items()
        }
        # What the switch does with each order; all others are for somebody else.
        self._outside: dict[type[m.Order | m.Notice], Callable[..., None]] = {
            m.Treat: self._treat,
            m.Offer: self._ring,
            m.Divert: self._divert,
            m.Withdraw: self._hold,
            m.Hold: self._hold,
            m.Say: self._say,
            m.Release: self._release,
            m.OfferTaken: self._is_taken,
            m.WaitsCompared: self._compared,
            m.SaveRecord: self._saved,
        }

    def outcome(self) -> Outcome:
        """Run from the start until the last caller is gone."""
        scenario = self._scenario
        for group in scenario.groups:
            for at, state in group.moves:
                self._at(at, self._moves, (group, state))
        for source in scenario.sources:
            arrivals = self._arrivals(source)
            wants = self._dice(f"handling:{source.name}"), self._dice(f"patience:{source.name}")
            self._next_caller((source, arrivals, *wants))
        phones = tuple((agent.phone, "reachable") for agent in scenario.directory.agents)
        self._soon.append(m.SwitchFound("simulation", (), phones, scenario.start))
        self._turn()
        return Outcome(self._arrived, self._cells, self._loads())

    def _dice(self, source: str) -> random.Random:
        return stream(self._seed, self._number, source)

    def _turn(self) -> None:
        """The loop. Every line of it is paid for ten times a call."""
        acd, soon, coming, outside = self._acd, self._soon, self._coming, self._outside
        handle, next_deadline, pop, tick = acd.handle, acd.next_deadline, heapq.heappop, m.Tick()
        now = self._now
        while True:
            if soon:
                signal = soon.popleft()
            elif not self._callers and not self._expected:
                return
            else:
                due = next_deadline(coming[0][0] if coming else None)
                if due is not None and (not coming or due <= coming[0][0]):
                    # A deadline the core was too busy to see is not in the past for us.
                    now = self._now = max(due, now)
                    signal = tick
                else:
                    now, _, happens, about, order = pop(coming)
                    self._now = now
                    happens(about, order)
                    continue
            others = len(soon)
            for message in handle(signal, now):
                act = outside.get(type(message))
                if act is not None:
                    act(message)
            if others and len(soon) > others:
                # What follows comes first: a partner was busy before the second of two agents came.
                soon.rotate(len(soon) - others)
            if type(signal) is m.CallerHeld:
                self._perhaps_waits(self._callers.get(signal.call))

    def _at(self, at: datetime, happens: Callable[..., None], about: object, order: int = 0) -> None:
        self._scheduled += 1
        heapq.heappush(self._coming, (at, self._scheduled, happens, about, order))

    def _after(self, length: timedelta, happens: Callable[[Caller, int], None], caller: Caller) -> None:
        """To come of the order in force, and of no later one."""
        self._at(self._now + length, happens, caller, caller.order)

    # ------------------------------------------------------------ callers come

    def _arrivals(self, source: Source) -> Iterator[datetime]:
        """Poisson, at a rate that differs by the slot and, if so wanted, by a gamma factor of the day and the hour."""
        yield from source.at
        dice, busy = self._dice(f"arrivals:{source.name}"), self._dice(f"busy:{source.name}")
        day: date | None = None
        hour: datetime | None = None
        of_day = of_hour = 1.0
        for begin, until, rate in source.rates:
            if source.day_cv and day != (today := local_day(begin)):
                day, of_day = today, factor(busy, source.day_cv)
            if source.hour_cv and hour != (this := begin.replace(minute=0, second=0, microsecond=0)):
                hour, of_hour = this, factor(busy, source.hour_cv)
            mean, at = rate * of_day * of_hour, begin
            # Nobody for thirty years is nobody: beyond that lies the end of all dates.
            while mean > 0 and (at := at + timedelta(seconds=min(dice.expovariate(mean), 1e9))) < until:
                yield at

    def _next_caller(self, stream_of: tuple[Source, Iterator[datetime], random.Random, random.Random]) -> None:
        at = next(stream_of[1], None)
        if at is not None:
            self._expected += 1
            self._at(at, self._arrives, stream_of)

    def _arrives(self, stream_of: tuple[Source, Iterator[datetime], random.Random, random.Random], _order: int) -> None:
        self._expected -= 1
        source, _, handling, patience = stream_of
        self._new_caller(source, handling.random(), patience.random())
        self._next_caller(stream_of)

    def _redialled(self, source: Source, _order: int) -> None:
        self._expected -= 1
        # Thrown now and not with the first call: who redials depends on the staff, who calls first does not.
        self._new_caller(source, self._redials.random(), self._redials.random())

    def _new_caller(self, source: Source, work: float, patience: float) -> None:
        self._arrived += 1
        length = source.patience.of(patience) if source.patience is not None else None
        caller = Caller(CallId(f"c{self._arrived}"), source, length, work)
        self._callers[caller.call] = caller
        self._soon.append(m.CallArrived(caller.call, source.dialled, trunk=source.trunk))

    # ------------------------------------------------------------ what the dialplan does

    def _place(self, caller: Caller, place: Place) -> None:
        """The caller is somewhere else; what was to come of the order before is void."""
        self._held += (place is Place.HELD) - (caller.place is Place.HELD)
        caller.place = place
        caller.order += 1
        if self._line and place not in _WAITING:
            self._line.pop(caller.call, None)
        if caller.partner is not None and place is not Place.AT_PARTNER:
            self._partners[caller.partner].free += 1
            caller.partner = None

    def _treat(self, treat: m.Treat) -> None:
        caller = self._callers[treat.call]
        caller.limit_at = treat.max_wait_at
        if treat.verdict is m.Verdict.HOLD and treat.greeting is None:
            self._back_in_line(caller, caller.order)
        elif treat.verdict is m.Verdict.HOLD:
            self._after(self._prompt(treat.greeting or ""), self._greeted, caller)
        elif treat.verdict is m.Verdict.FAILSAFE:
            self._failsafe(caller, "verdict")
        else:
            self._place(caller, Place.LEAVING)
            if treat.verdict is m.Verdict.BUSY:
                self._soon.append(m.CallerHungUp(caller.call, BUSY))
            else:
                self._after(self._prompt(treat.closed), self._hangs_up, caller)

    def _greeted(self, caller: Caller, order: int) -> None:
        if caller.order == order:
            self._soon.append(m.GreetingEnded(caller.call))
            self._back_in_line(caller, order)

    def _back_in_line(self, caller: Caller, order: int) -> None:
        """The waiting loop, from its first line: who has waited too long is not told as held any more."""
        if caller.order != order:
            return
        if caller.limit_at is not None and self._now > caller.limit_at:
            self._failsafe(caller, "max-wait")
            return
        if caller.place is not Place.HELD:
            self._place(caller, Place.HELD)
        after, caller.offer = caller.offer, None
        caller.untold += 1
        self._soon.append(m.CallerHeld(caller.call, after=after))

    def _perhaps_waits(self, caller: Caller | None) -> None:
        """The core has been told of a caller in line, and has had its chance to do something about it."""
        if caller is None:
            return
        caller.untold -= 1
        # Sent to a partner who is busy, a caller is in line again before the core knows.
        if caller.untold or caller.place is not Place.HELD:
            return
        room = self._scenario.room
        if caller.gives_up_at is None and room is not None and self._held > room:
            caller.blocked = True
            self._place(caller, Place.LEAVING)
            self._soon.append(m.CallerHungUp(caller.call, NO_CIRCUIT))
            return
        self._is_patient(caller)
        if self._told is not None and caller.call not in self._line:
            first = next(iter(self._line.values()), self._now)
            caller.head_s = (self._now - first).total_seconds()
            self._line[caller.call] = self._now
        if caller.limit_at is not None:
            self._at(caller.limit_at + timedelta(microseconds=1), self._waited_too_long, caller, caller.order)

    def _is_patient(self, caller: Caller) -> None:
        """From now on the caller may give up. Patience begins in the line, once: a greeting is heard to its end."""
        if caller.gives_up_at is None:
            caller.gives_up_at = datetime.max.replace(tzinfo=self._now.tzinfo)
            if caller.patience is not None:
                caller.gives_up_at = self._now + caller.patience
                self._at(caller.gives_up_at, self._gives_up, caller)

    def _gives_up(self, caller: Caller, _order: int) -> None:
        if caller.place in _WAITING and not caller.served:
            self._hangs_up(caller, caller.order)

    def _hangs_up(self, caller: Caller, order: int) -> None:
        if caller.order == order:
            self._place(caller, Place.GONE)
            self._soon.append(m.CallerHungUp(caller.call, ENDED))

    def _waited_too_long(self, caller: Caller, order: int) -> None:
        if caller.order == order:
            self._failsafe(caller, "max-wait")

    def _failsafe(self, caller: Caller, why: str) -> None:
        self._place(caller, Place.LEAVING)
        self._soon.append(m.CallTakenByFailsafe(caller.call, why))
        left = FAILSAFE_FOR if caller.gives_up_at is None else min(FAILSAFE_FOR, caller.gives_up_at - self._now)
        self._after(max(left, _NO_TIME), self._hangs_up, caller)

    def _hold(self, order: m.Hold | m.Withdraw) -> None:
        caller = self._callers[order.call]
        if caller.place not in _IN_SERVICE:
            caller.order += 1
            self._back_in_line(caller, caller.order)

    def _say(self, say: m.Say) -> None:
        """One prompt, and then the waiting loop anew. Whoever is offered meanwhile does not hear its end."""
        caller = self._callers[say.call]
        if caller.place is Place.HELD:
            caller.order += 1
            self._after(self._prompt(say.prompt), self._back_in_line, caller)

    def _release(self, release: m.Release) -> None:
        caller = self._callers[release.call]
        self._place(caller, Place.LEAVING)
        self._after(self._prompt(release.prompt), self._hangs_up, caller)

    def _prompt(self, name: str) -> timedelta:
        return self._scenario.prompts.get(name, self._scenario.prompt)

    # ------------------------------------------------------------ an agent's phone

    def _ring(self, offer: m.Offer) -> None:
        caller, group = self._callers[offer.call], self._group_of[offer.agent]
        self._place(caller, Place.RINGING)
        caller.offer = offer.offer
        if group.no_answer and self._phones.random() < group.no_answer:
            rings = offer.ring_for
        elif group.answers.none:
            self._picks_up(caller, group)
            return
        else:
            rings = group.answers.of(self._phones.random())
        self._is_patient(caller)
        if rings < offer.ring_for:
            self._at(self._now + rings, self._picked_up, (caller, group), caller.order)
        else:
            self._at(self._now + offer.ring_for, self._not_answered, (caller, group, offer.agent), caller.order)

    def _picked_up(self, who: tuple[Caller, Group], order: int) -> None:
        if who[0].order == order:
            self._picks_up(*who)

    def _picks_up(self, caller: Caller, group: Group) -> None:
        offer = caller.offer
        if offer is None:
            return
        self._place(caller, Place.TALKING)
        self._soon += (m.OfferAnswered(caller.call, offer), m.PartiesBridged(caller.call, offer))
        length = (group.handling or caller.source.handling).of(caller.work)
        self._after(min(length, LONGEST_TALK), self._talk_ends, caller)

    def _talk_ends(self, caller: Caller, order: int) -> None:
        if caller.order != order:
            return
        if caller.offer is not None and int(caller.work * 1_048_576) & 1:
            # One conversation in two is ended by the agent, and the dialplan then lets the caller go.
            self._soon.append(m.AgentHungUp(caller.call, caller.offer))
        self._hangs_up(caller, order)

    def _not_answered(self, who: tuple[Caller, Group, AgentId], order: int) -> None:
        caller, group, agent = who
        if caller.order != order or caller.offer is None:
            return
        self._soon.append(m.OfferFailed(caller.call, caller.offer, m.OfferFailure.NO_ANSWER))
        self._back_in_line(caller, order)
        # The core takes such an agent out of the round, until they say that they are there.
        self._not_answering.add(agent)
        self._at(self._now + group.back_after.of(self._phones.random()), self._is_back, (agent, group))

    # ------------------------------------------------------------ agents come and go

    def _moves(self, move: tuple[Group, str], _order: int) -> None:
        group, state = move
        before, self._state[group.name] = self._state[group.name], state
        for agent in group.agents:
            if state == "out":
                self._soon.append(m.AgentSignedOut(agent))
            elif state == "pause":
                if before == "out":
                    self._soon.append(m.AgentSignedIn(agent))
                self._soon.append(m.AgentNotReady(agent))
            elif agent not in self._not_answering:
                self._soon.append(m.AgentReady(agent))

    def _is_back(self, who: tuple[AgentId, Group], _order: int) -> None:
        agent, group = who
        self._not_answering.discard(agent)
        if self._state[group.name] == "ready":
            self._soon.append(m.AgentReady(agent))

    # ------------------------------------------------------------ partners

    def _divert(self, divert: m.Divert) -> None:
        caller, partner = self._callers[divert.call], self._partners.get(divert.partner)
        self._place(caller, Place.AT_PARTNER)
        caller.offer = None
        if partner is None:
            # Nobody said how this partner behaves: always there, at once.
            self._partner_answers((caller, divert.partner, None), caller.order)
            return
        how = self._partner_does(partner)
        answers = partner.ways.answers.of(partner.dice.random()) if how == "answers" else _NO_TIME
        if how == "answers":
            partner.free -= 1
            caller.partner = divert.partner
        if how == "silent" or answers >= divert.ring_for:
            self._is_patient(caller)
            self._at(self._now + divert.ring_for, self._partner_fails, (caller, divert.partner, "silent"), caller.order)
        elif how != "answers":
            self._partner_fails((caller, divert.partner, how), caller.order)
        elif answers == _NO_TIME:
            self._partner_answers((caller, divert.partner, partner.ways), caller.order)
        else:
            self._is_patient(caller)
            self._at(self._now + answers, self._partner_answers, (caller, divert.partner, partner.ways), caller.order)

    def _partner_does(self, partner: _Partner) -> str:
        """``answers``, or how it does not. The dice are thrown whatever comes, so that a change there is only that."""
        ways, thrown = partner.ways, partner.dice.random()
        if any(begin <= self._now < until for begin, until in ways.down):
            return ways.while_down
        for how, share in (("busy", ways.busy), ("refused", ways.refused), ("silent", ways.silent)):
            if thrown < share:
                return how
            thrown -= share
        return "busy" if partner.free == 0 else "answers"

    def _partner_fails(self, what: tuple[Caller, PartnerId, str], order: int) -> None:
        caller, partner, how = what
        if caller.order == order:
            self._soon.append(m.DivertFailed(caller.call, partner, _DIAL_STATUS[how]))
            self._back_in_line(caller, order)

    def _partner_answers(self, what: tuple[Caller, PartnerId, PartnerWays | None], order: int) -> None:
        caller, partner, ways = what
        if caller.order != order:
            return
        caller.served = True
        self._line.pop(caller.call, None)
        self._soon.append(m.DivertAnswered(caller.call, partner))
        length = (ways and ways.handling) or caller.source.handling
        self._after(min(length.of(caller.work), LONGEST_TALK), self._talk_ends, caller)

    # ------------------------------------------------------------ what is left

    def _is_taken(self, taken: m.OfferTaken) -> None:
        self._taken = taken.call

    def _compared(self, compared: m.WaitsCompared) -> None:
        """Of the call that was just taken."""
        if self._taken is None:
            return
        caller, wait = self._callers[self._taken], compared.wait
        caller.waited_s, caller.squared = wait.waited_s, learnt(wait)
        if self._told is not None:
            caller.squared |= self._told.squared(wait.ahead, caller.head_s, wait.waited_s)

    def _saved(self, order: m.SaveRecord) -> None:
        record = order.record
        caller = self._callers.pop(record.call)
        if caller.place is not Place.GONE:
            self._place(caller, Place.GONE)
        scenario = self._scenario
        if record.t_wrap_end is not None and record.t_ans is not None and record.agent is not None:
            self._work[self._group_of[record.agent].name].append((record.t_ans, record.t_wrap_end))
        if record.outcome.result is Result.ABANDONED and not caller.blocked and scenario.redial is not None:
            self._perhaps_redials(caller, scenario.redial)
        if scenario.counted_from <= record.t_in < scenario.end:
            self._count(caller, record)

    def _perhaps_redials(self, caller: Caller, redial: Redial) -> None:
        if self._redials.random() < redial.share:
            at = self._now + redial.after.of(self._redials.random())
            if at < self._scenario.end:
                self._expected += 1
                self._at(at, self._redialled, caller.source)

    def _count(self, caller: Caller, record: CallRecord) -> None:
        windows = 0
        for number, edges in enumerate(self._edges.values()):
            # Stretches do not touch: an odd number of edges behind us means that we are inside of one.
            windows |= (bisect_right(edges, record.t_in) & 1) << number
        cell = Cell(caller.source.entry, record.queue, record.kind, windows)
        seen = self._cells.get(cell)
        if seen is None:
            seen = self._cells[cell] = Seen()
        if caller.blocked:
            seen.blocked += 1
            return
        seen.figures.add(record)
        if caller.squared is not None:
            seen.compare(caller.squared, caller.waited_s)
        if record.agent is not None:
            seen.by_group[self._group_of[record.agent].name] += 1

    def _loads(self) -> dict[tuple[str, str | None], Load]:
        scenario = self._scenario
        counted = [(scenario.counted_from, scenario.end)]
        loads: dict[tuple[str, str | None], Load] = {}
        for window, stretches in ((None, counted), *scenario.windows.items()):
            asked = [(max(a, counted[0][0]), min(b, scenario.end)) for a, b in stretches]
            for group in scenario.groups:
                moves = [*group.moves, (scenario.end, "out")]
                there = [(at, until) for (at, state), (until, _) in pairwise(moves) if state == "ready"]
                loads[group.name, window] = Load(
                    _common_s(self._work[group.name], asked), len(group.agents) * _common_s(there, asked)
                )
        return loads


def _common_s(some: Sequence[Stretch], asked: Sequence[Stretch]) -> float:
    """Seconds of ``some`` that lie in what is asked for (stretches in order, none overlapping)."""
    ends = [until for _, until in asked]
    total = 0.0
    for begin, until in some:
        for at in range(bisect_right(ends, begin), len(asked)):
            if asked[at][0] >= until:
                break
            total += (min(until, asked[at][1]) - max(begin, asked[at][0])).total_seconds()
    return total
