"""The seven invariants and five more of the distributor, under a hostile wire.

Hypothesis plays switch, callers, agents and administrator at once: what is plausible, and in the same breath what
is late, doubled or about nobody. After every signal everything below must hold. The invariants are the test; the
rules only have to be rich enough to lead everywhere. What a *call* went through is written down here a second
time, from signals and orders alone, so that the core is not checked against its own books only.

At the end of each run two more questions are put: does the world come to rest when everybody falls silent (nothing
may stay stuck for ever), and does the same story told to a new ``Acd`` lead to the same orders.

``HYPOTHESIS_PROFILE=long`` searches ten times as many days, twice as long each.
"""

from __future__ import annotations

import inspect
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.attendance import Attendance, part_of
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.live import Due, LiveAgent, LiveCall
from dialog_acd.core.matching import may_serve
from dialog_acd.core.model import (
    UNASSIGNED,
    AgentId,
    AgentOrder,
    CalendarId,
    CallId,
    EntryKind,
    OfferId,
    PartnerId,
    Phone,
    QueueId,
    SwitchKind,
    Team,
    TeamId,
    TenantId,
    Trigger,
)
from dialog_acd.core.records import Result
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.core.switches import OF_ENTRIES, OF_QUEUES
from dialog_acd.testing import HANNOVER, LANGENHAGEN, MONDAY, REGION, SequentialIds, demo_agent, demo_directory

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent, Entry
    from dialog_acd.core.records import CallRecord

_ZERO = timedelta()
_TESTER = "+493023125777"
_DIALLED = (LANGENHAGEN, HANNOVER, "115", "0511 999999", "anonymous", "112", REGION)
_ANY = st.integers(0, 999)
_GHOST = CallId("ghost")


def _directories() -> tuple[Directory, ...]:
    """The day's directory, and what an administrator may make of it while calls are up."""
    staff = (
        demo_agent("anna"),
        demo_agent("bert", {"citizens": 2}),
        demo_agent("cleo", {"115": 5}),
        demo_agent("dora", {"citizens": 1, "115": 1}),
    )
    full = demo_directory(staff, ring_s=10, wrap_up_s=15, max_wait_s=600)
    langenhagen, hannover, region, service_115 = full.queues
    full = replace(
        full,
        partners=(replace(full.partners[0], numbers=("+494412350", "+494412351"), channels=1),),
        queues=(
            replace(langenhagen, ladder=(parse_rung("waited 20 s: partner oldenburg"),)),
            replace(hannover, wrap_up_for=_ZERO),
            region,
            service_115,
        ),
        tenants=tuple(replace(t, code=str(n)) for n, t in enumerate(full.tenants)),
        entries=tuple(
            replace(e, candidates=(TenantId("hannover"), TenantId("region"))) if e.kind is EntryKind.SERVICE_115 else e
            for e in full.entries
        ),
        test_callers=(_TESTER,),
    )
    without_queue = replace(
        full,
        queues=tuple(q for q in full.queues if q.id != langenhagen.id),
        entries=tuple(replace(e, queue=QueueId("hannover")) if e.queue == langenhagen.id else e for e in full.entries),
    )
    # Everything that can be switched on: steps, ladders, priorities, teams' rules, town halls, hours.
    ladder = (
        "closed by hours for 115: partner oldenburg",
        "closed by day: partner oldenburg",
        "queue length 2: widen 1",
        "nobody signed in: partner oldenburg",
        "waited 15 s: queue 115",
        "waited 25 s: announce acd/long-wait",
        "closing soon: callback",
        "waited 30 s: callback",
        "technical: release",
        "switched: partner oldenburg",
        "waited 40 s: partner oldenburg",
    )
    rich = replace(
        full,
        calendars=(
            Calendar(CalendarId("never"), "never", (parse_hours("sun 03:00-04:00"),), land=None),
            Calendar(
                CalendarId("shut-soon"), "Monday, 08:00 to 08:02 UTC", (parse_hours("mon 08:00-09:02"),), land=None
            ),
        ),
        teams=(Team(TeamId("all-rules"), "all rules", by_target=True, help_debt=True), Team(TeamId("plain"), "plain")),
        queues=(
            replace(
                langenhagen,
                steps=tuple(map(parse_step, ("from 0 s: citizens>=3", "from 12 s: citizens>=2", "from 30 s: any"))),
                ladder=tuple(map(parse_rung, ladder)),
                agent_order=AgentOrder.BEST_LEVEL,
            ),
            replace(hannover, home_first=True, target=timedelta(seconds=60), ladder=tuple(map(parse_rung, ladder[4:]))),
            replace(region, priority=5, to_partners=False),
            replace(service_115, ladder=(parse_rung("all busy: partner oldenburg"),)),
        ),
        entries=tuple(
            replace(e, calendar=CalendarId("never"))
            if e.kind is EntryKind.SERVICE_115
            else replace(e, calendar=CalendarId("shut-soon"))
            if e.queue == region.id
            else e
            for e in full.entries
        ),
        agents=(
            replace(staff[0], team=TeamId("all-rules"), home=TenantId("hannover")),
            replace(staff[1], team=TeamId("plain")),
            replace(staff[2], lines=frozenset({service_115.id})),
            replace(staff[3], team=TeamId("all-rules")),
        ),
    )
    return (
        full,
        rich,
        replace(full, agents=staff[1:]),
        replace(full, agents=(staff[0], demo_agent("bert", phone="phone-new"), demo_agent("emil"))),
        without_queue,
        replace(full, queues=tuple(replace(q, ladder=(), wrap_up_for=_ZERO) for q in full.queues)),
        replace(
            rich, partners=(replace(full.partners[0], channels=2, calls_per_hour=3, calendar=CalendarId("never")),)
        ),
    )


_DIRECTORIES = _directories()
_OVERFLOWING = (CallState.WAITING, CallState.DIVERTING)
_NAMES = ("anna", "bert", "cleo", "dora", "emil", "nobody")
_PHONES = (*(f"phone-{n}" for n in _NAMES), "phone-new")


class WatchedAcd(Acd):
    """An ``Acd`` that does not come to rest fails the test."""

    def handle(self, signal: m.Signal, now: datetime) -> list[m.Order | m.Notice]:
        out = super().handle(signal, now)
        assert m.Unsettled(type(signal).__name__) not in out
        return out

    @property
    def agents(self) -> dict[AgentId, LiveAgent]:
        return {a.agent.id: a for a in self._floor.roster}


class CentreUnderFire(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = MONDAY
        self.directory = _DIRECTORIES[0]
        self.acd = WatchedAcd(self.directory, self.now, SequentialIds())
        self.attendance = Attendance(self.directory, self.now)
        self.told: list[tuple[m.Signal, datetime, list[m.Order | m.Notice]]] = []
        # What signals and orders alone say, without a look into the core.
        self.calls: list[CallId] = []
        self.t_in: dict[CallId, datetime] = {}
        self.place: dict[CallId, tuple[datetime, int]] = {}
        self.held_callers: set[CallId] = set()
        self.talking: set[CallId] = set()
        self.shown_elsewhere: set[CallId] = set()
        self.now_told: m.Signal = m.Tick()
        self.records: dict[CallId, CallRecord] = {}
        self.offers: list[m.Offer] = []
        self.orders: list[m.Order] = []
        self.promised: set[CallId] = set()
        self.signed_out: set[str] = set(_NAMES)
        self.last_offer: dict[CallId, OfferId] = {}
        self.picked_up: set[OfferId] = set()
        self.switch_up = False
        self.sound = True
        self.foreign = 5000
        self.shown_at_partner = False
        self.assigned: dict[CallId, TenantId] = {}
        self.tests: dict[CallId, bool] = {}
        """Calls that came as a test, or were marked as one or as none."""
        self.answered: dict[CallId, m.CallAnswered] = {}
        self.moved: set[CallId] = set()
        """Calls that were sent to a partner before their queue's rules changed."""
        self.most_channels = 0
        self.switched: dict[tuple[str, str], datetime] = {}
        """What a supervisor has switched, by what was told of it alone."""
        self.perhaps_closed: set[CallId] = set()
        """Calls that came while their number was closed by a supervisor, or nobody can say when they came."""

    # ------------------------------------------------------------ telling

    def tell(self, signal: m.Signal) -> list[m.Order | m.Notice]:
        known, self.sound, self.now_told = set(self.acd._floor.calls), False, signal
        out = self.acd.handle(signal, self.now)
        self.told.append((signal, self.now, list(out)))
        if isinstance(signal, m.DirectoryChanged):
            self.moved |= {c.id for c in self.acd._floor.calls.values() if c.partner is not None}
            self.most_channels = max(self.most_channels, self.directory.partners[0].channels or 9)
            self.directory = signal.directory
        elif isinstance(signal, m.SwitchFound | m.SwitchLost):
            self.switch_up = isinstance(signal, m.SwitchFound)
        elif isinstance(signal, m.AgentSignedOut):
            self.signed_out.add(signal.agent)
        elif isinstance(signal, m.AgentSignedIn | m.AgentReady) and signal.agent in self.directory.agent:
            self.signed_out.discard(signal.agent)
        elif isinstance(signal, m.CallerHeld):
            if not any(isinstance(o, m.Ignored) for o in out):
                self.held_callers.add(signal.call)
        elif isinstance(signal, m.OfferFailed | m.CallTakenByFailsafe | m.CallTransferred | m.DivertAnswered):
            if not any(isinstance(o, m.Ignored) for o in out):
                self.held_callers.discard(signal.call)
        elif isinstance(signal, m.OrderFailed) and signal.certain and not any(isinstance(o, m.Ignored) for o in out):
            self.held_callers.add(signal.order.call)
        self.what_is_told_of_agents_is_enough_to_know_what_they_do(signal, out)
        self.who_talks(signal, out)
        if isinstance(signal, m.CallArrived) and any(isinstance(o, m.SaveRecord) for o in out):
            self.place.setdefault(signal.call, (self.now, 0))  # hung up before we heard of the arrival
        if isinstance(signal, m.SwitchFound):
            self.held_callers |= {c.call for c in signal.calls if c.place in ("wait", "offer", "talk", "overflow")}
            self.shown_at_partner |= any(c.place in ("overflow", "partner") for c in signal.calls)
        for name in _NAMES:
            if name not in self.directory.agent:
                self.signed_out.add(name)
        for call_id in set(self.acd._floor.calls) - known:
            assert call_id not in self.records, "a call came back from the dead"
            self.place[call_id] = self.acd._floor.calls[call_id].place
            if isinstance(signal, m.CallArrived):
                self.t_in[call_id] = self.now
        for message in out:
            self.hear(message)
        self.what_is_switched_is_about_who_comes_then(out, set(self.acd._floor.calls) - known)
        self.check_offers_of_this_moment(out)
        self.one_agent_one_call_and_each_knows_the_other()
        self.nobody_waits_beside_a_free_agent()
        self.whatever_can_get_stuck_has_a_deadline()
        self.every_ended_call_has_one_record_every_live_one_none()
        self.a_place_never_worsens()
        self.a_partner_never_has_more_than_agreed()
        self.who_signed_out_stays_signed_out()
        self.sound = True
        return out

    def what_is_told_of_agents_is_enough_to_know_what_they_do(
        self, signal: m.Signal, out: list[m.Order | m.Notice]
    ) -> None:
        if isinstance(signal, m.DirectoryChanged):
            self.attendance.directory_changed(signal.directory, self.now)
        for message in out:
            if isinstance(message, m.AgentChanged):
                self.attendance.note(message, self.now)
        theirs = {name: part_of(a.intent, a.reason, a.work, a.phone) for name, a in self.acd.agents.items()}
        assert self.attendance.parts() == {name: part for name, part in theirs.items() if part is not None}

    def who_talks(self, signal: m.Signal, out: list[m.Order | m.Notice]) -> None:
        """By what was said alone: from the bridge on until somebody leaves, or a picture says otherwise."""
        if isinstance(signal, m.SwitchFound):
            self.shown_elsewhere |= {c.call for c in signal.calls if c.place == "transfer" or c.talked_at}
            self.talking.clear()
        elif any(isinstance(o, m.Ignored) for o in out):
            return
        elif isinstance(signal, m.PartiesBridged):
            self.talking.add(signal.call)
        elif isinstance(
            signal,
            m.AgentHungUp | m.CallTransferred | m.CallerHungUp | m.CallTakenByFailsafe | m.CallerHeld | m.CallArrived,
        ):
            self.talking.discard(signal.call)

    def hear(self, message: m.Order | m.Notice) -> None:
        if isinstance(message, m.Offer | m.Hold | m.Divert) and not isinstance(self.now_told, m.SwitchFound):
            assert message.call not in self.talking or message.call == getattr(self.now_told, "call", None), (
                f"{type(message).__name__} would take {message.call} out of a conversation"
            )
        if isinstance(message, m.ToFailsafe):
            assert message.call in self.records, "who has a record is looked after by Asterisk alone, and nobody else"
            assert message.call not in self.acd._floor.calls
        elif isinstance(message, m.SaveRecord):
            self.hear_record(message.record)
        elif isinstance(message, m.CallbackPromised):
            self.promised.add(message.call)
        elif isinstance(message, m.CallAssigned):
            self.assigned[message.call] = message.tenant
        elif isinstance(message, m.CallAnswered):
            self.answered[message.call] = message
        elif isinstance(message, m.TestMarked | m.CallOffered):
            self.tests[message.call] = message.test
        elif isinstance(message, m.Treat) and message.offer is not None:
            assert isinstance(self.now_told, m.CallArrived)
            assert self.now_told.takes_offer, "a dialplan that does not know of it"
            assert message.verdict is m.Verdict.HOLD
            assert not message.messages, "there was something to hear first"
            assert message.call not in self.last_offer, "a door is passed once"
            self.hear_offer(message.offer)
        elif isinstance(message, m.Offer):
            assert message.call in self.held_callers, f"{message.call} was offered while not held"
            self.hear_offer(message)
            self.orders.append(message)
        elif isinstance(message, m.Hold):
            self.held_callers.discard(message.call)
            self.orders.append(message)
        elif isinstance(message, m.Divert | m.Release | m.Say):
            self.orders.append(message)

    def hear_offer(self, message: m.Offer) -> None:
        assert self.switch_up, "an order into the void"
        assert message.agent in self.directory.agent, "an agent who is gone gets no new call"
        assert message.agent not in self.signed_out, "an agent who signed out gets no call"
        assert message.phone == self.directory.agent[message.agent].phone
        self.held_callers.discard(message.call)
        self.offers.append(message)
        self.last_offer[message.call] = message.offer

    def hear_record(self, record: CallRecord) -> None:
        assert record.call not in self.records, "a call has exactly one record"
        self.records[record.call] = record
        self.held_callers.discard(record.call)
        # A record tells a possible story.
        assert record.t_in <= (record.t_q or record.t_in) <= record.t_end == self.now
        assert all(o.result != "open" for o in record.offers), record.offers
        answered = [o for o in record.offers if o.result == "answered"]
        # Found already handed on, after a restart: who had answered is not known, when perhaps.
        found_elsewhere = record.call in self.shown_elsewhere
        assert found_elsewhere or (record.t_ans is not None) == bool(answered), record
        assert (record.agent is None) == (not answered)
        if record.t_ans is not None and answered and not found_elsewhere:
            assert answered[0].at <= record.t_ans, "the first person who answered counts"
        assert len(answered) < 2 or record.t_ans is None or record.t_ans <= answered[1].at
        if answered:
            assert record.agent == answered[-1].agent
        # Whose it was, only people say; and they have the last word.
        if record.call in self.assigned:
            assert record.tenant == self.assigned[record.call]
        else:
            assert (record.tenant == UNASSIGNED) == bool(record.candidates)
        assert record.test == self.tests.get(record.call, False)
        # It is counted as the call that was answered, wherever it was led afterwards and whatever the rules became.
        if (was := self.answered.get(record.call)) is not None:
            assert (record.queue, record.kind, record.in_time) == (was.queue, was.kind, was.in_time)
            assert record.call in self.assigned or record.tenant == was.tenant
        # A promise is never forgotten, unless a person was met after all.
        assert (record.t_callback is not None) == (record.call in self.promised)
        if record.call in self.promised:
            assert record.t_callback is not None
            here = found_elsewhere or any(o.at >= record.t_callback for o in answered)
            elsewhere = record.t_ovf_ans is not None or record.failsafe_answered_by is not None
            assert here or elsewhere or record.outcome.result is Result.CALLBACK, record.outcome
        # ... and by when, was settled when it was made.
        assert (record.t_due is not None) == (record.outcome.result is Result.CALLBACK)
        assert record.t_due is None or (record.t_callback is not None and record.t_due > record.t_callback)
        if record.outcome.result is Result.SERVED:
            assert record.t_ans is not None
        if record.outcome.result is Result.ABANDONED:
            assert record.t_ans is None
            assert not record.in_time
        if record.outcome.result is Result.OVERFLOWED:
            assert record.t_ovf_ans is not None
            assert record.partner is not None
        if record.outcome.result is Result.FAILSAFE:
            assert record.t_failsafe is not None

    def check_offers_of_this_moment(self, out: list[m.Order | m.Notice]) -> None:
        """Every decision has a reason; and nobody is overtaken by somebody for whom none of the rules speaks."""
        calls = self.acd._floor.calls
        reasons = {o.call: o.why for o in out if isinstance(o, m.OfferMade)}
        given = [o.offer if isinstance(o, m.Treat) else o for o in out]
        offers = [o for o in given if isinstance(o, m.Offer)]
        assert sorted(reasons) == sorted(o.call for o in offers), "what is decided is ordered, once"
        for offer in offers:
            assert reasons[offer.call].startswith("waited ")
            chosen = calls.get(offer.call)
            if chosen is None or any(a.team == "all-rules" for a in self.directory.agents):
                continue  # what such a team may do is compared in test_matching.py
            for other in calls.values():
                if (
                    self.stands_in_line(other.id)
                    and other.queue.priority >= chosen.queue.priority
                    and other.place < chosen.place
                ):
                    assert not self.accepts(other, self.directory.agent[offer.agent]), f"{other.id} was overtaken"

    def accepts(self, call: LiveCall, agent: Agent) -> bool:
        """By the queue's rules alone: the step the wait has come to, or the first later one somebody could fulfil."""
        there = [a.agent for a in self.acd.agents.values() if a.agent.id not in self.signed_out]
        also = []
        if call.also is not None:
            other = self.directory.queue[call.also[0]]
            also = [a.id for a in self.directory.agents if may_serve(a, other, other.steps[call.also[1]])]
        for step in call.queue.steps[call.step :]:
            if any(may_serve(a, call.queue, step) or a.id in also for a in there):
                return may_serve(agent, call.queue, step) or agent.id in also
        return False

    # ------------------------------------------------------------ choosing

    def call(self, n: int) -> CallId:
        """Live calls mostly, ended ones and ghosts now and then."""
        live = list(self.acd._floor.calls)
        if live and n % 10 < 8:
            return live[n % len(live)]
        pool = [*self.calls, _GHOST]
        return pool[n % len(pool)]

    def an_offer(self, n: int) -> tuple[CallId, OfferId]:
        """Offers in force mostly; stale ones, and such as never were."""
        live = [c for c in self.acd._floor.calls.values() if c.offer is not None]
        if live and n % 10 < 7:
            chosen = live[n % len(live)]
            return chosen.id, chosen.offer or OfferId("")
        if self.offers and n % 10 < 9:
            old = self.offers[n % len(self.offers)]
            return old.call, old.offer
        return self.call(n), OfferId("999999")

    def in_state(self, *states: CallState) -> list[CallId]:
        return [c.id for c in self.acd._floor.calls.values() if c.state in states]

    # ------------------------------------------------------------ rules: callers

    @initialize(ready=st.lists(st.sampled_from(_NAMES[:4]), unique=True), found=st.sampled_from((True, True, False)))
    def begin(self, ready: list[str], found: bool) -> None:
        if found:
            phones = tuple((a.phone, "reachable") for a in self.directory.agents)
            self.tell(m.SwitchFound("pbx", (), phones, self.now))
        for name in ready:
            self.tell(m.AgentReady(self.agent_id(name)))

    def agent_id(self, name: str) -> AgentId:
        return AgentId(name)

    @rule(
        n=_ANY,
        greeted=st.booleans(),
        held=st.sampled_from((True, True, True, False)),
        takes_offer=st.booleans(),
        late_s=st.sampled_from((0, 0, 1, 15)),
    )
    def a_call_comes_in(self, n: int, greeted: bool, held: bool, takes_offer: bool, late_s: int) -> None:
        """``late_s``: it is the first we hear after so many seconds, and what was due meanwhile has not been done."""
        if len(self.acd._floor.calls) > 7:
            return
        self.now += timedelta(seconds=late_s)
        call = CallId(f"c{len(self.calls) + 1}")
        self.calls.append(call)
        dialled = _DIALLED[n % 10 if n % 10 < len(_DIALLED) else n % 2]
        ani = _TESTER if n % 4 == 3 else "+4951123559876"
        out = self.tell(m.CallArrived(call, dialled, ani, takes_offer=takes_offer))
        if any(isinstance(o, m.Treat) and o.offer is not None for o in out) and n % 5:
            return  # it rings
        if greeted:
            self.tell(m.GreetingEnded(call))
        if held and dialled != "112":
            self.tell(m.CallerHeld(call))

    @rule(n=_ANY)
    def a_call_comes_in_while_people_are_there(self, n: int) -> None:
        if not self.switch_up:
            self.tell(m.SwitchFound("pbx", self.true_picture(), (), self.now))
        for agent in self.directory.agents:
            self.tell(m.PhoneStateChanged(agent.phone, "reachable"))
            self.tell(m.AgentReady(agent.id))
        self.a_call_comes_in(n, greeted=False, held=True, takes_offer=True, late_s=0)

    people_are_there = a_call_comes_in_while_people_are_there

    @precondition(lambda self: any(a.work is Work.WRAP_UP for a in self.acd.agents.values()))
    @rule(n=_ANY)
    def a_call_comes_in_just_when_somebody_becomes_free(self, n: int) -> None:
        """And nobody has looked since then at those who wait."""
        ends = [a.deadlines[Due.WRAP_UP_ENDS] for a in self.acd.agents.values() if a.work is Work.WRAP_UP]
        self.tick_until(min(ends) - timedelta(milliseconds=1))
        self.now = max(self.now, min(ends))
        self.a_call_comes_in(n, greeted=False, held=True, takes_offer=True, late_s=0)

    @rule(n=_ANY)
    def arrives_again(self, n: int) -> None:
        """Doubled, or transferred by an agent to a number of ours."""
        self.tell(m.CallArrived(self.call(n), _DIALLED[n % 3], takes_offer=n % 2 == 0))

    @rule(n=_ANY)
    def held(self, n: int) -> None:
        returning = self.in_state(CallState.RETURNING, CallState.ARRIVED)
        self.tell(m.CallerHeld(returning[n % len(returning)] if returning and n % 4 else self.call(n)))

    @precondition(lambda self: self.in_state(CallState.OFFERED, CallState.CONNECTED))
    @rule(n=_ANY, stale=st.booleans())
    def held_after_an_offer(self, n: int, stale: bool) -> None:
        """The dialplan comes back from the offer in force without a word about it, or its word is from before."""
        rung = self.in_state(CallState.OFFERED, CallState.CONNECTED)
        call = self.acd._floor.calls[rung[n % len(rung)]]
        before, old = call.state, OfferId("1") if call.offer != OfferId("1") else None
        self.tell(m.CallerHeld(call.id, after=old if stale else call.offer))
        if stale and before is CallState.OFFERED:
            assert self.acd._floor.calls[call.id].state is CallState.OFFERED, "an old word ended a new offer"

    held_again = held  # a rule twice is drawn twice as often

    @rule(n=_ANY)
    def held_and_never_heard_of(self, n: int) -> None:
        call = CallId(f"x{n % 4}")
        if call not in self.calls and len(self.acd._floor.calls) < 8:
            self.calls.append(call)
        queue = (None, QueueId("langenhagen"), QueueId("115"), QueueId("nowhere"))[n % 4]
        entered = (None, self.now - timedelta(seconds=n), self.now + timedelta(hours=1))[n % 3]
        self.tell(m.CallerHeld(call, queue, entered))

    @rule(n=_ANY, cause=st.sampled_from((16, 16, 38, 0)))
    def caller_hangs_up(self, n: int, cause: int) -> None:
        self.tell(m.CallerHungUp(self.call(n), cause))

    @precondition(lambda self: self.in_state(CallState.OFFERED))
    @rule(n=_ANY)
    def caller_hangs_up_while_ringing(self, n: int) -> None:
        ringing = self.in_state(CallState.OFFERED)
        self.tell(m.CallerHungUp(ringing[n % len(ringing)]))

    @rule(n=_ANY)
    def greeting_ends(self, n: int) -> None:
        self.tell(m.GreetingEnded(self.call(n)))

    # ------------------------------------------------------------ rules: offers

    @rule(n=_ANY, bridged=st.booleans())
    def answers(self, n: int, bridged: bool) -> None:
        call, offer = self.an_offer(n)
        self.tell(m.OfferAnswered(call, offer))
        if bridged:
            self.tell(m.PartiesBridged(call, offer))

    answers_too = answers

    @rule(n=_ANY)
    def bridged(self, n: int) -> None:
        self.tell(m.PartiesBridged(*self.an_offer(n)))

    @rule(n=_ANY, reason=st.sampled_from(m.OfferFailure), held=st.booleans())
    def offer_fails(self, n: int, reason: m.OfferFailure, held: bool) -> None:
        call, offer = self.an_offer(n)
        self.tell(m.OfferFailed(call, offer, reason))
        if held:
            self.tell(m.CallerHeld(call))

    @rule(n=_ANY, gone=st.booleans())
    def agent_hangs_up(self, n: int, gone: bool) -> None:
        call, offer = self.an_offer(n)
        self.tell(m.AgentHungUp(call, offer))
        if gone:
            self.tell(m.CallerHungUp(call))

    @rule(n=_ANY, certain=st.booleans())
    def an_order_fails(self, n: int, certain: bool) -> None:
        """The last order to a call refused; or an old one, of which news comes late."""
        if self.orders:
            order = self.orders[-1 - (n % min(4, len(self.orders)))]
            if isinstance(order, m.Offer | m.Hold | m.Divert | m.Release | m.Say):
                self.tell(m.OrderFailed(order, "refused", certain))

    @precondition(lambda self: self.in_state(CallState.OFFERED))
    @rule(n=_ANY, late_s=st.sampled_from((0, 1, 5, 9, 10, 11)))
    def the_offer_in_force_is_refused(self, n: int, late_s: int) -> None:
        """And what else is due meanwhile (overflow, the end of the pause) comes due."""
        ringing = self.in_state(CallState.OFFERED)
        offer_id = self.acd._floor.calls[ringing[n % len(ringing)]].offer
        self.tick_until(self.now + timedelta(seconds=late_s))
        for order in self.offers:
            if order.offer == offer_id:
                self.tell(m.OrderFailed(order, "refused", certain=True))
        self.tick_until(self.now + timedelta(seconds=3))

    @precondition(lambda self: self.in_state(CallState.OFFERED, CallState.CONNECTED))
    @rule(n=_ANY, how=st.sampled_from(("out", "pause", "removed")), reason=st.sampled_from(m.OfferFailure))
    def a_busy_agent_wants_away(self, n: int, how: str, reason: m.OfferFailure) -> None:
        """In the midst of ringing or talking; then the offer fails or the conversation ends."""
        busy = [c for c in self.acd._floor.calls.values() if c.agent is not None and c.offer is not None]
        if not busy:
            return
        call = busy[n % len(busy)]
        agent, offer, ringing = call.agent or AgentId(""), call.offer or OfferId(""), call.state is CallState.OFFERED
        if how == "out":
            self.tell(m.AgentSignedOut(agent))
        elif how == "pause":
            self.tell(m.AgentNotReady(agent, "lunch"))
        else:
            rest = tuple(a for a in self.directory.agents if a.id != agent)
            self.tell(m.DirectoryChanged(replace(self.directory, agents=rest)))
            self.tell(m.AgentReady(agent))
        if ringing and n % 3:
            self.tell(m.OfferFailed(call.id, offer, reason))
            self.tell(m.CallerHeld(call.id))
        elif n % 2:
            self.tell(m.AgentHungUp(call.id, offer))

    @rule(n=_ANY)
    def an_order_never_given_fails(self, n: int) -> None:
        call, offer = self.an_offer(n)
        order = (m.Withdraw(call, offer), m.Say(call, "prompt"), m.Release(call, "acd/nobody"))[n % 3]
        self.tell(m.OrderFailed(order, "refused", certain=True))

    # ------------------------------------------------------------ rules: elsewhere

    @rule(n=_ANY, blind=st.booleans(), what=st.sampled_from(("stays", "back", "ours", "held")))
    def transferred(self, n: int, blind: bool, what: str) -> None:
        connected = self.in_state(CallState.CONNECTED)
        call = connected[n % len(connected)] if connected and n % 4 else self.call(n)
        self.tell(m.CallTransferred(call, "2345", blind))
        if what == "ours":
            self.tell(m.CallArrived(call, _DIALLED[n % 2]))
        if what in ("back", "ours"):
            self.tell(m.CallerHeld(call))

    @rule(n=_ANY, answered=st.booleans(), wait=st.booleans())
    def partner(self, n: int, answered: bool, wait: bool) -> None:
        diverting = self.in_state(CallState.DIVERTING)
        call = diverting[n % len(diverting)] if diverting and n % 5 else self.call(n)
        partner = PartnerId("oldenburg")
        self.tell(m.DivertAnswered(call, partner) if answered else m.DivertFailed(call, partner, "busy"))
        if wait and not answered:
            self.tell(m.CallerHeld(call))

    @rule(n=_ANY)
    def asks_to_be_called_back(self, n: int) -> None:
        waiting = self.in_state(CallState.WAITING)
        self.tell(m.CallbackAsked(waiting[n % len(waiting)] if waiting and n % 3 else self.call(n)))

    @rule(n=_ANY, why=st.sampled_from(("heartbeat", "max-wait", "no-answer")), known=st.booleans())
    def failsafe(self, n: int, why: str, known: bool) -> None:
        if n % 3:
            return
        call = self.call(n // 3) if known or len(self.acd._floor.calls) > 6 else CallId(f"f{n % 5}")
        if call not in self.calls:
            self.calls.append(call)
        self.tell(m.CallTakenByFailsafe(call, why, LANGENHAGEN))
        if n % 2:
            self.tell(m.FailsafeAnswered(call, "group"))

    # ------------------------------------------------------------ rules: agents

    @rule(name=st.sampled_from(_NAMES), what=st.sampled_from(("in", "out", "ready", "ready", "ready", "not-ready")))
    def agent_wants(self, name: str, what: str) -> None:
        agent = self.agent_id(name)
        if what == "in":
            self.tell(m.AgentSignedIn(agent))
        elif what == "out":
            self.tell(m.AgentSignedOut(agent))
        elif what == "ready":
            self.tell(m.AgentReady(agent))
        else:
            self.tell(m.AgentNotReady(agent))

    @rule()
    def all_are_ready(self) -> None:
        for agent in self.directory.agents:
            self.tell(m.AgentReady(agent.id))

    @rule(phone=st.sampled_from(_PHONES), state=st.sampled_from([*PhoneState, PhoneState.REACHABLE]))
    def phone_changes(self, phone: str, state: PhoneState) -> None:
        self.tell(m.PhoneStateChanged(Phone(phone), str(state)))

    # ------------------------------------------------------------ rules: the world

    @rule(
        n=_ANY,
        kind=st.sampled_from((SwitchKind.OVERFLOW, SwitchKind.CLOSURE, SwitchKind.CLOSURE, *SwitchKind)),
        seconds=st.sampled_from((None, 1, 30, 600)),
    )
    def supervisor_switches(self, n: int, kind: SwitchKind, seconds: int | None) -> None:
        about = ("langenhagen", "hannover", "115", "nowhere")[n % 4]
        if kind in OF_ENTRIES:
            about = ("+495117307", "+49511168", "115", "+49511")[n % 4]
        elif kind is SwitchKind.CENTRE_MESSAGE:
            about = ""
        until = self.now + timedelta(seconds=seconds) if seconds else None
        prompt = None if kind is SwitchKind.OVERFLOW else ("storm-warning", "election")[n % 2]
        self.tell(m.SupervisorSwitched(kind, about, until, "supervisor", prompt))

    @rule(n=_ANY, tenant=st.sampled_from(("hannover", "region", "langenhagen", "unassigned", "nowhere")))
    def somebody_says_what_a_call_is(self, n: int, tenant: str) -> None:
        call = self.call(n)
        record = self.records.get(call) if n % 2 else None
        what = n % 7
        if what < 2:
            self.tell(m.TownNamed(call, TenantId(tenant), "desk", anywhere=what == 1, record=record))
        elif what == 2:
            self.tell(m.TownDialled(self.agent_id(_NAMES[n % len(_NAMES)]), str(n % 4)))
        elif what < 5:
            self.tell(m.CallMarked(call, what == 3, "lead", record))
        else:
            at = None if n % 4 else self.now - timedelta(seconds=n % 60)
            self.tell(m.PromiseMarked(call, what == 5, at, "desk", None if n % 3 else TenantId(tenant), record))

    @rule(n=st.integers(0, 9))
    def directory_changes(self, n: int) -> None:
        self.tell(m.DirectoryChanged(_DIRECTORIES[n if n < len(_DIRECTORIES) else 0]))

    @rule(n=_ANY)
    def switch_lost(self, n: int) -> None:
        if n % 3 == 0:
            self.tell(m.SwitchLost("pbx"))

    def true_picture(self) -> tuple[m.SwitchCall, ...]:
        """What a switch would show if the core believed nothing but the truth."""
        places = {
            CallState.ARRIVED: "arriving",
            CallState.WAITING: "wait",
            CallState.OFFERED: "offer",
            CallState.RETURNING: "wait",
            CallState.CONNECTED: "talk",
            CallState.DIVERTING: "overflow",
            CallState.DIVERTED: "transfer",
            CallState.FAILSAFE: "failsafe",
            CallState.RELEASED: "closed",
        }
        seen = []
        for call in self.acd._floor.calls.values():
            agent = self.acd.agents.get(call.agent) if call.agent else None
            phone = agent.agent.phone if agent else None
            seen.append(m.SwitchCall(call.id, places[call.state], call.queue.id, call.line.t_in, call.offer, phone))
        return tuple(seen)

    @rule(audit=st.booleans(), ago=st.integers(0, 3))
    def switch_found(self, audit: bool, ago: int) -> None:
        phones = tuple((a.phone, "reachable") for a in self.directory.agents)
        at = self.now - timedelta(seconds=ago)
        self.tell(m.SwitchFound("pbx", self.true_picture(), phones, at, audit and self.switch_up))

    def foreign_offer(self) -> OfferId:
        """Made before a restart of ours: never doubled, never ours."""
        self.foreign += 1
        return OfferId(str(self.foreign))

    @rule(n=_ANY, seed=st.integers(0, 9999), audit=st.booleans())
    def switch_shows_another_picture(self, n: int, seed: int, audit: bool) -> None:
        """Some calls gone, some elsewhere, some we have never heard of, with somebody's phone or nobody's."""
        dice = random.Random(seed)
        calls: list[m.SwitchCall] = []
        for theirs in self.true_picture():
            if dice.random() < 0.2:
                continue
            changed = theirs
            if dice.random() < 0.5:
                place = dice.choice(("wait", "wait", "offer", "talk", "overflow", "failsafe", "transfer", "arriving"))
                offer = theirs.offer or (self.foreign_offer() if dice.random() < 0.8 else None)
                phone = theirs.phone or (Phone(dice.choice(_PHONES)) if dice.random() < 0.8 else None)
                changed = replace(theirs, place=place, offer=offer, phone=phone)
            calls.append(changed)
        for k in range(dice.randint(0, 2)):
            call = CallId(f"s{(n + k) % 6}")
            if len(self.acd._floor.calls) + k < 8:
                if call not in self.calls:
                    self.calls.append(call)
                place = dice.choice(
                    ("wait", "offer", "talk", "overflow", "partner", "failsafe", "transfer", "arriving")
                )
                queue = QueueId(dice.choice(("langenhagen", "115", "nowhere")))
                entered = self.now - timedelta(seconds=dice.randint(0, 400))
                offer, phone = self.foreign_offer(), Phone(dice.choice(_PHONES))
                partner = dice.choice((None, PartnerId("oldenburg"), PartnerId("nobody")))
                talked = dice.choice((None, self.now - timedelta(seconds=dice.randint(0, 900))))
                calls.append(m.SwitchCall(call, place, queue, entered, offer, phone, partner, talked))
        phones = tuple((a.phone, dice.choice(("reachable", "reachable", "in-use"))) for a in self.directory.agents)
        at = self.now - timedelta(seconds=dice.choice((0, 0, 1, 60)))
        self.tell(m.SwitchFound("pbx", tuple(calls), phones, at, audit and self.switch_up))

    @rule(seconds=st.sampled_from((0.001, 1, 2, 5, 7, 12, 30, 120, 700)), ticking=st.booleans())
    def time_passes(self, seconds: float, ticking: bool) -> None:
        target = self.now + timedelta(seconds=seconds)
        if ticking:
            self.tick_until(target)
        self.now = target
        self.tell(m.Beat())

    @rule(n=st.integers(1, 4))
    def next_deadline_comes(self, n: int) -> None:
        for _ in range(n):
            due = self.acd.next_deadline()
            if due is None or due > self.now + timedelta(hours=1):
                return
            self.now = due
            self.tell(m.Tick())

    def tick_until(self, target: datetime) -> None:
        while (due := self.acd.next_deadline()) is not None and due <= target:
            # What came in this very moment may have come before the tick of it.
            self.now = max(self.now, due)
            self.tell(m.Tick())
            left = self.acd.next_deadline()
            assert left is None or left > self.now, "a deadline in the past: the engine would turn for ever"
        self.now = target

    # ------------------------------------------------------------ the seven

    def stands_in_line(self, call_id: CallId) -> bool:
        call = self.acd._floor.calls[call_id]
        out = bool(call.closed) and call.also is None
        return call.state in _OVERFLOWING and Due.PAUSE_ENDS not in call.deadlines and not out

    def one_agent_one_call_and_each_knows_the_other(self) -> None:
        """1 and 2."""
        calls, agents = self.acd._floor.calls, self.acd.agents
        served = [c.agent for c in calls.values() if c.agent is not None]
        assert len(served) == len(set(served))
        offers = [c.offer for c in calls.values() if c.offer is not None]
        assert len(offers) == len(set(offers))
        for agent in agents.values():
            busy = agent.work in (Work.OFFERED, Work.TALKING)
            assert busy == (agent.call is not None), f"{agent.agent.id} is {agent.work} with {agent.call}"
            if agent.call is not None:
                assert agent.call in calls, f"{agent.agent.id} serves a call that is not alive"
                call = calls[agent.call]
                assert call.agent == agent.agent.id
                expected = CallState.OFFERED if agent.work is Work.OFFERED else CallState.CONNECTED
                assert call.state is expected
        for call in calls.values():
            assert (call.agent is None) == (call.offer is None)
            if call.agent is not None:
                assert agents[call.agent].call == call.id
            if call.state is CallState.OFFERED:
                assert call.agent is not None
                assert call.offer == self.last_offer.get(call.id, call.offer) or int(call.offer or 0) >= 5000
            elif call.state is not CallState.CONNECTED:
                assert call.agent is None

    def nobody_waits_beside_a_free_agent(self) -> None:
        """3."""
        if not self.switch_up:
            return
        free = self.free_agents()
        for call in self.acd._floor.calls.values():
            if self.stands_in_line(call.id):
                assert not any(self.accepts(call, agent) for agent in free), f"{call.id} waits beside a free agent"

    def free_agents(self) -> list[Agent]:
        free: list[Agent] = []
        for name, state in self.acd.agents.items():
            able = state.intent is Intent.READY and state.work is Work.IDLE and state.phone is PhoneState.REACHABLE
            aside = Due.ASIDE_ENDS in state.deadlines
            assert state.available == (able and not aside)
            if able and not aside:
                assert name in self.directory.agent, "an agent who is gone is not available"
                free.append(self.directory.agent[name])
        return free

    def nobody_comes_in_beside_a_free_agent(self, treat: m.Treat) -> None:
        """3, at the door: who may be given the phone with the answer is given it."""
        call = self.acd._floor.calls[treat.call]
        if (
            call.state is CallState.ARRIVED
            and treat.verdict is m.Verdict.HOLD
            and not treat.messages
            and self.switch_up
        ):
            found_closed = bool(call.closed) and call.also is None
            free = [] if found_closed else self.free_agents()
            assert not any(self.accepts(call, agent) for agent in free), f"{call.id} is held beside a free agent"

    def whatever_can_get_stuck_has_a_deadline(self) -> None:
        """4."""
        owners: list[LiveCall | LiveAgent] = [*self.acd._floor.calls.values(), *self.acd.agents.values()]
        dues = [at for owner in owners for at in owner.deadlines.values()] + [*self.switched.values()]
        assert self.acd.next_deadline() == min(dues, default=None), "a deadline is written down but will not ring"
        assert min(dues, default=self.now + timedelta(1)) > self.now
        ring, grace = timedelta(seconds=10), timedelta(seconds=2)
        for call in self.acd._floor.calls.values():
            due = call.deadlines
            assert Due.LOST in due
            assert due[Due.LOST] <= self.now + timedelta(hours=6)
            if call.state is CallState.OFFERED and self.switch_up:
                assert due[Due.OFFER_EXPIRES] <= self.now + ring + grace
            if call.state is CallState.DIVERTING and self.switch_up:
                assert Due.OFFER_EXPIRES in due
            if call.state is CallState.RETURNING and self.switch_up:
                assert Due.HELD_BY in due or call.holds_ordered > 3
            if call.state is CallState.WAITING and self.switch_up and Due.PAUSE_ENDS not in due:
                for place, rung in enumerate(call.queue.ladder):
                    at = call.waiting_since + rung.after
                    if rung.trigger is Trigger.WAITED and place not in call.climbed and at > self.now:
                        most = max(at, call.saying_until or at)
                        assert due[Due.LADDER] <= most, f"{call.id} will miss a rung"
            if call.state is CallState.WAITING and call.step + 1 < len(call.queue.steps):
                assert due[Due.STEP] <= call.waiting_since + call.queue.steps[call.step + 1].after
        for agent in self.acd.agents.values():
            assert (agent.work is Work.WRAP_UP) == (Due.WRAP_UP_ENDS in agent.deadlines)
            assert agent.deadlines.get(Due.WRAP_UP_ENDS, self.now) <= self.now + timedelta(seconds=15)
            assert agent.deadlines.get(Due.ASIDE_ENDS, self.now) <= self.now + timedelta(seconds=5)

    def every_ended_call_has_one_record_every_live_one_none(self) -> None:
        """5. A second record is caught in ``hear_record``."""
        live = set(self.acd._floor.calls)
        assert not live & set(self.records)
        assert set(self.t_in) <= live | set(self.records), "a call vanished without a record"
        assert set(self.place) == live | set(self.records)
        for call_id, record in self.records.items():
            assert record.t_in == self.t_in.get(call_id, record.t_in)

    def what_is_switched_is_about_who_comes_then(self, out: list[m.Order | m.Notice], new: set[CallId]) -> None:
        """9. It ends on time, or with what it is about; it turns away and tells whoever comes, and nobody else."""
        for o in out:
            if isinstance(o, m.SwitchTurned):
                assert o.why != "its time is over" or self.switched[o.kind, o.about] <= self.now
                self.switched.pop((o.kind, o.about), None)
                if o.until is not None:
                    self.switched[o.kind, o.about] = o.until
        assert {(s.kind, s.about): s.until for s in self.acd.view().switches} == self.switched
        numbers = {e.number for e in self.directory.entries if e.number}
        for (kind, about), until in self.switched.items():
            assert until > self.now, f"{kind} of {about} is over"
            assert about in (self.directory.queue if kind in OF_QUEUES else numbers if kind in OF_ENTRIES else {""})
        signal = self.now_told
        for call_id in new if not isinstance(signal, m.CallArrived) else ():
            self.perhaps_closed.add(call_id)  # found in the switch: when they came it says, or nobody
        for o in out:
            if isinstance(o, m.Treat) and isinstance(signal, m.CallArrived) and o.verdict is not m.Verdict.FAILSAFE:
                entry = self.directory.entry_for(signal.dialled, signal.trunk, at=self.now).entry
                shut = (SwitchKind.CLOSURE, entry.number) in self.switched
                if shut:
                    self.perhaps_closed.add(o.call)
                if o.call in new:
                    self.treated(o, entry, shut=shut)
        turned_away = {o.call for o in out if isinstance(o, m.CallReleased) and o.why == "closed-by-day"}
        assert turned_away <= self.perhaps_closed, "somebody was there before it was closed"

    def treated(self, treat: m.Treat, entry: Entry, *, shut: bool) -> None:
        call = self.acd._floor.calls.get(treat.call)
        if call is None or call.emergency:
            return
        assert (call.closed == "closed-by-day") == shut  # no calendar here knows a special day
        kinds = ((SwitchKind.CENTRE_MESSAGE, ""), (SwitchKind.QUEUE_MESSAGE, entry.queue))
        told = {*kinds, (SwitchKind.ENTRY_MESSAGE, entry.number)} & self.switched.keys()
        assert bool(treat.messages) == (bool(told) and not call.closed)
        assert len(treat.messages) <= len(told)
        if isinstance(self.now_told, m.CallArrived) and self.now_told.takes_offer:
            self.nobody_comes_in_beside_a_free_agent(treat)

    def a_place_never_worsens(self) -> None:
        """6."""
        for call in self.acd._floor.calls.values():
            assert call.place == self.place[call.id]
            if call.id in self.t_in:
                assert call.place[0] == self.t_in[call.id] == call.line.t_in
        matching = self.acd._floor.roster.matching
        for call_id in self.acd._floor.calls:
            assert (call_id in matching) == self.stands_in_line(call_id), call_id
        assert matching.waiting == sum(map(self.stands_in_line, self.acd._floor.calls))
        learnt_of = Counter(c.queue.id for c in self.acd._floor.calls.values() if c.id in matching and not c.test)
        assert +self.acd._floor.outlook._lines == learnt_of, "the line of which waits are learnt"
        assert matching.idle == sum(a.available for a in self.acd.agents.values())

    def a_partner_never_has_more_than_agreed(self) -> None:
        """8. Whoever is found there after a restart was sent by somebody else."""
        partner = self.directory.partners[0]
        book, there = self.acd._floor.partners, [c for c in self.acd._floor.calls.values() if c.partner == partner.id]
        assert book.at(partner.id) == len(there)
        if partner.channels is not None and not self.shown_at_partner:
            assert len(there) <= max(partner.channels, self.most_channels)
        for call in there:
            assert call.state in (CallState.DIVERTING, CallState.DIVERTED)
            assert call.queue.to_partners or call.id in self.moved, "a dispatch call is with a partner"

    def who_signed_out_stays_signed_out(self) -> None:
        for name, agent in self.acd.agents.items():
            if name in self.signed_out:
                assert agent.intent is Intent.SIGNED_OUT, f"{name} went home and is {agent.intent}"

    # ------------------------------------------------------------ the end of the day

    def teardown(self) -> None:
        if not self.sound:
            return  # the failure is told already
        self.replay()
        self.a_good_switch_serves_everybody_who_waits()
        self.silence_leads_to_rest()

    def replay(self) -> None:
        """7."""
        again = WatchedAcd(_DIRECTORIES[0], MONDAY, SequentialIds())
        for signal, now, out in self.told:
            assert again.handle(signal, now) == out

    def a_good_switch_serves_everybody_who_waits(self) -> None:
        """Suddenly all is well: full staff, phones that are answered. Every caller who waits is served by it."""
        self.tell(m.DirectoryChanged(_DIRECTORIES[0]))
        phones = tuple((a.phone, "reachable") for a in self.directory.agents)
        self.tell(m.SwitchFound("pbx", self.true_picture(), phones, self.now))
        for agent in self.directory.agents:
            self.tell(m.AgentReady(agent.id))
        waiting = {
            c.id
            for c in self.acd._floor.calls.values()
            if c.state in (CallState.WAITING, CallState.OFFERED) and not c.closed  # who found us closed is told so
        }
        for _ in range(200):
            busy = (CallState.OFFERED, CallState.CONNECTED, CallState.RETURNING)
            while moving := self.in_state(*busy):
                call = self.acd._floor.calls[moving[0]]
                if call.state is CallState.RETURNING:
                    self.tell(m.CallerHeld(call.id))
                    continue
                if call.offer is not None:
                    self.tell(m.PartiesBridged(call.id, call.offer))
                self.tell(m.CallerHungUp(call.id))
            if not waiting - set(self.records):
                break
            self.now = self.acd.next_deadline() or self.now
            self.tell(m.Tick())
        assert waiting <= set(self.records), f"never served: {waiting - set(self.records)}"
        for call_id in waiting:
            assert self.records[call_id].outcome.result in (Result.SERVED, Result.ABANDONED)

    def silence_leads_to_rest(self) -> None:
        if not self.switch_up:
            self.tell(m.SwitchFound("pbx", self.true_picture(), (), self.now))
        for _ in range(500):
            due = self.acd.next_deadline()
            if due is None:
                break
            self.now = due
            self.tell(m.Tick())
        assert not self.acd._floor.calls
        assert all(a.work is Work.IDLE and not a.deadlines for a in self.acd.agents.values())
        assert set(self.records) == set(self.place)


TestCentreUnderFire = CentreUnderFire.TestCase


def test_every_signal_is_thrown_at_the_core() -> None:
    """Whoever adds a kind of signal adds it to the rules above."""
    source = inspect.getsource(CentreUnderFire)
    for kind in get_args(m.Signal):
        assert f"m.{kind.__name__}(" in source, kind
