"""The deep module: decides what happens to every call.

Knows nothing of Asterisk, of a database or of the time of day: it is told signals and the moment they are
looked at, and answers with orders and notices. ``handle`` always does three things: *expire* what is due,
apply the signal through the tables of ``lifecycle.py``, *settle* what can be brought together now, and again
until nothing changes. Never an idle agent beside a caller that agent could serve.

Here signals are taken in and deadlines acted on. What follows is decided in five rooms, each of which knows one thing:
``visits.py`` (how a caller comes and leaves), ``offers.py`` (callers and agents), ``overflow.py`` (ladders and
partners), ``naming.py`` (what people say of a call), ``resync.py`` (what the switch knows better). They share one
picture, the *floor* (``floor.py``), and change it only through its moves.

There are no timers. Whatever can get stuck carries a deadline (``live.py``); ``next_deadline()`` says when to come
back.

What is known of a call may be wrong at any time: signals come late, twice, or never. The rule is: the dialplan
holds the caller, so the dialplan is believed. ``CallerHeld`` always wins (somebody *is* waiting there), a
picture of the switch (``SwitchFound``) settles whatever is older than itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from dialog_acd.core import messages as m
from dialog_acd.core.floor import GRACE, HELD_WITHIN, LOST_AFTER, Floor
from dialog_acd.core.ladder import AGAIN
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState
from dialog_acd.core.live import UNTRIED, Due, LiveAgent, LiveCall, picture, story
from dialog_acd.core.model import Action, QueueId, SwitchKind
from dialog_acd.core.naming import Naming
from dialog_acd.core.offers import IdSource, Offers
from dialog_acd.core.overflow import Overflow
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.resync import Resync
from dialog_acd.core.switches import wanted
from dialog_acd.core.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import CallId, PartnerId
    from dialog_acd.core.view import AcdView, CallStory

PAUSE = timedelta(seconds=2)
"""After a refused order, before the same call is offered again."""
OVERSLEPT = timedelta(seconds=1)
"""A deadline found this late means that we did not turn (a paused machine): what we missed is still in the inbox."""
NEVER = datetime.max.replace(tzinfo=UTC)
Output = m.Order | m.Notice
MOST_TURNS = 20_000
"""So often one signal may make something happen: far more than all callers of a centre have agents and rungs. Beyond
it a rule feeds itself; what is left waits for the next signal, so that the heartbeat still has its turn."""
_MISTRUSTED = frozenset({Due.OFFER_EXPIRES, Due.HELD_BY, Due.LOST})
"""Deadlines that mean "nothing was heard": worth nothing where we did not listen."""


class Acd:
    """Decides what happens to every call. See the head of this file."""

    def __init__(
        self,
        directory: Directory,
        now: datetime,
        ids: IdSource,
        *,
        intents: Iterable[m.RememberIntent] = (),
        calls: Iterable[m.RememberCall] = (),
        switches: Iterable[m.Switch] = (),
        stopped_at: datetime | None = None,
    ) -> None:
        """Take up where the service stopped, at ``stopped_at`` if that is known.

        ``intents``: what agents wanted, ``calls``: who was there, ``switches``: what a supervisor had switched, also
        such as have ended meanwhile.
        """
        self._floor = floor = Floor(directory, now)
        floor.unseen_since = stopped_at
        self._offers = Offers(floor, ids)
        self._visits = Visits(floor, self._offers)
        self._overflow = Overflow(floor)
        self._resync = Resync(floor, self._visits, self._offers, self._overflow)
        self._naming = Naming(floor)
        self._turns = 0
        self._dates_at = directory.next_switch(now) or NEVER
        """When the next entry begins or ends."""
        self._wakes_at = self._dates_at
        """When that is, or when something that was switched is over, whichever comes first: a deadline that belongs to
        no call and no agent."""
        floor.roster.remember(intents)
        for switch in switches:
            floor.switches.put(switch)
            self._wakes_at = now  # to look which of them has ended, or is about what is gone
        for known in calls:
            # By the entry of then: a call that came before midnight is still the town's that had the number.
            found = directory.entry_for(known.dialled, known.trunk, at=known.at)
            call = self._visits.new_call(known.call, found, known.at)
            self._visits.note_arrival(call, known)
            call.callback_at, call.due_at = known.callback_at, known.due_at
            # Whoever is found waiting all the same has not been told: the order was lost with us.
            call.owed = call.wants_callback = known.callback_at is not None
            self._visits.at_the_door(call)
        # One method per kind of signal; a test checks that none is missing.
        self._apply: dict[type[m.Signal], object] = {
            m.CallArrived: self._visits.on_call_arrived,
            m.GreetingEnded: self._visits.on_greeting_ended,
            m.CallerHeld: self._visits.on_caller_held,
            m.OfferAnswered: self._offers.on_offer_answered,
            m.PartiesBridged: self._offers.on_parties_bridged,
            m.OfferFailed: self._offers.on_offer_failed,
            m.AgentHungUp: self._offers.on_agent_hung_up,
            m.CallerHungUp: self._visits.on_caller_hung_up,
            m.CallTransferred: self._offers.on_call_transferred,
            m.CallTakenByFailsafe: self._visits.on_taken_by_failsafe,
            m.FailsafeAnswered: self._visits.on_failsafe_answered,
            m.CallbackAsked: self._overflow.on_callback_asked,
            m.DivertAnswered: self._overflow.on_divert_answered,
            m.DivertFailed: self._overflow.on_divert_failed,
            m.AgentSignedIn: self._on_intent,
            m.AgentSignedOut: self._on_intent,
            m.AgentReady: self._on_intent,
            m.AgentNotReady: self._on_intent,
            m.PhoneStateChanged: self._on_phone_state,
            m.OrderFailed: self._on_order_failed,
            m.SupervisorSwitched: self._on_supervisor_switched,
            m.TownNamed: self._naming.on_town_named,
            m.TownDialled: self._naming.on_town_dialled,
            m.CallMarked: self._naming.on_call_marked,
            m.PromiseMarked: self._naming.on_promise_marked,
            m.DirectoryChanged: self._on_directory_changed,
            m.SwitchLost: self._resync.on_switch_lost,
            m.SwitchFound: self._resync.on_switch_found,
            m.Tick: self._on_tick,
            m.Beat: self._on_beat,
        }

    def handle(self, signal: m.Signal, now: datetime) -> list[Output]:
        """Take in one signal at the moment ``now``; answer with everything that follows from it."""
        floor = self._floor
        floor.begin(now)
        if now >= self._wakes_at:
            self._wake()
        self._turns = 0
        self._expire()
        cast("Callable[[m.Signal], None]", self._apply[type(signal)])(signal)
        while self._turns < MOST_TURNS and (self._settle() or self._expire()):
            self._turns += 1
        if self._turns >= MOST_TURNS:
            floor.out.append(m.Unsettled(type(signal).__name__))
        return floor.out

    def next_deadline(self, by: datetime | None = None) -> datetime | None:
        """When to call ``handle(Tick(), ...)`` at the latest; ``None`` where there is nothing to come back for (by the
        moment ``by``, if it is given: who will come then anyhow need not be told of later ones).
        """
        agenda = self._floor.agenda
        due = None if by is not None and agenda.quiet(by) else agenda.next_at()
        if self._wakes_at is NEVER or (due is not None and due <= self._wakes_at):
            return due
        return due if by is not None and by < self._wakes_at else self._wakes_at

    @property
    def directory(self) -> Directory:
        """The directory in force."""
        return self._floor.directory

    def story(self, call: CallId) -> CallStory | None:
        """What has happened to a call so far; ``None`` for one that is not there (any more)."""
        found = self._floor.calls.get(call)
        return None if found is None else story(found, self._floor.directory)

    def view(self) -> AcdView:
        """An immutable picture, as of the last signal."""
        return picture(
            self._floor.directory,
            self._floor.calls.values(),
            self._floor.roster.everybody(),
            self._floor.now,
            switch_up=self._floor.switch_up,
            switches=self._floor.switches,
            partners=self._floor.partners,
        )

    def expected_wait(self, queue: QueueId) -> timedelta | None:
        """How long a caller who joined the queue now would wait on average, were everybody busy; ``None``: nobody
        works for it, or there is no such queue (any more).
        """
        floor = self._floor
        if queue not in floor.directory.queue:
            return None
        matching = floor.roster.matching
        return floor.outlook.expected(queue, matching.waiting_in(queue), matching.staff(queue), floor.now)

    def _expire(self) -> bool:
        """Act on every deadline that has come. Says whether anything did."""
        floor, now = self._floor, self._floor.now
        if floor.agenda.quiet(now):
            return False
        acted = False
        while self._turns < MOST_TURNS and (come := floor.agenda.take(now)) is not None:
            at, due, owner = come
            acted = True
            self._turns += 1
            if isinstance(owner, LiveAgent):
                floor.roster.due(owner, due, now)
            elif due in _MISTRUSTED and now - at > OVERSLEPT:
                floor.set_due(owner, due, now + GRACE)
            else:
                self._call_due(owner, due)
        return acted

    def _call_due(self, call: LiveCall, due: Due) -> None:
        if due is Due.OFFER_EXPIRES:
            if call.state is CallState.DIVERTING:
                # We heard nothing; that the partner is at fault, nobody has said.
                self._floor.back_from_partner(call, "unheard", at_fault=False)
            self._offers.offer_over(call, m.OfferFailure.PHONE_GONE)
            self._order_hold(call)
        elif due is Due.HELD_BY:
            self._order_hold(call)
        elif due is Due.PAUSE_ENDS:
            if call.state in (CallState.WAITING, CallState.DIVERTING):
                self._floor.stand_in_line(call)
        elif due is Due.STEP:
            self._floor.arm_step(call)
            if call.id in self._floor.roster.matching:
                self._floor.stand_in_line(call)
        elif due in (Due.LADDER, Due.CLOSING):
            if due is Due.CLOSING and call.closes_at is not None and self._floor.now < call.closes_at:
                self._floor.set_due(call, Due.CLOSING, call.closes_at)
            self._floor.to_climb[call.id] = None
        elif due is Due.LOST and not self._floor.switch_up:
            # We cannot see, so it is not the call that is lost.
            self._floor.set_due(call, Due.LOST, self._floor.now + LOST_AFTER)
        elif due is Due.LOST:
            self._visits.end(call, Outcome(Result.FAILED, "lost-sight", Blame.SWITCH), 0)

    def _order_hold(self, call: LiveCall) -> None:
        """Send the caller back to the waiting loop; three times, then only ``LOST`` is left."""
        order = m.Hold(call.id)
        self._floor.move(call, order)
        call.holds_ordered += 1
        if call.holds_ordered <= 3:
            self._floor.set_due(call, Due.HELD_BY, self._floor.now + HELD_WITHIN)
            self._floor.out.append(order)

    def _settle(self) -> bool:
        """Bring together one caller and one agent, or take one waiting call up its ladder. Says whether it did."""
        if not self._floor.switch_up:
            return False
        matching = self._floor.roster.matching
        if matching.stirred and (match := matching.next(self._floor.now.timestamp())) is not None:
            self._floor.out.append(self._offers.offer(match))
            return True
        if len(self._floor.to_climb) > 1:
            # Whoever came first is the first to get what has become free.
            there = [self._floor.calls[c] for c in self._floor.to_climb if c in self._floor.calls]
            self._floor.to_climb = dict.fromkeys(c.id for c in sorted(there, key=lambda c: c.place))
        while self._floor.to_climb:
            call = self._floor.calls.get(next(iter(self._floor.to_climb)))
            del self._floor.to_climb[next(iter(self._floor.to_climb))]
            if call is not None and call.state is CallState.WAITING and self._overflow.climb(call):
                return True
        return False

    def _on_intent(self, signal: m.AgentSignedIn | m.AgentSignedOut | m.AgentReady | m.AgentNotReady) -> None:
        agent = self._floor.roster.get(signal.agent)
        if agent is None or signal.agent not in self._floor.directory.agent:
            self._floor.ignore(signal, "unknown agent", signal.agent)
        elif isinstance(signal, m.AgentSignedIn):
            if agent.intent is Intent.SIGNED_OUT:
                self._floor.roster.set_intent(agent, Intent.NOT_READY, "signed-in", self._floor.now)
        elif isinstance(signal, m.AgentSignedOut):
            self._floor.roster.set_intent(agent, Intent.SIGNED_OUT, "", self._floor.now)
            self._floor.look_again()  # perhaps the last one
        elif isinstance(signal, m.AgentReady):
            self._floor.roster.set_intent(agent, Intent.READY, "", self._floor.now)
        elif agent.intent is Intent.SIGNED_OUT:
            self._floor.ignore(signal, "agent is signed out", signal.agent)
        else:
            self._floor.roster.set_intent(agent, Intent.NOT_READY, signal.why, self._floor.now)

    def _on_phone_state(self, signal: m.PhoneStateChanged) -> None:
        agent = self._floor.roster.at(signal.phone)
        if agent is None:
            self._floor.ignore(signal, "nobody's phone", signal.phone)
        else:
            self._floor.roster.set_phone(agent, PhoneState(signal.state))
            if agent.phone is PhoneState.UNREACHABLE:
                self._floor.look_again()

    def _on_order_failed(self, signal: m.OrderFailed) -> None:
        order = signal.order
        call = self._floor.calls.get(order.call)
        if call is None:
            self._floor.ignore(signal, "unknown or ended call", order.call)
            return
        if signal.certain and isinstance(order, m.Say):
            self._overflow.not_said(call)
        if not signal.certain or isinstance(order, m.Hold | m.Withdraw | m.Say):
            # Nobody knows whether it happened, or the caller is about to be gone: a deadline decides.
            self._floor.ignore(signal, f"deadline decides: {signal.why}", order.call)
            return
        if isinstance(order, m.Offer):
            if call.state is not CallState.OFFERED or call.offer != order.offer:
                self._floor.ignore(signal, "offer not in force", order.call)
                return
            self._offers.note_offer(call, m.OfferFailure.CALLER_GONE)
            self._offers.free(call, "switch refused")
        elif isinstance(order, m.Divert) and call.state is CallState.DIVERTING and order.partner == call.partner:
            self._floor.partners.never_went(call.id)
            self._floor.back_from_partner(call)
            if call.rung is not None:
                # Not at once again, or the rungs below would never have their turn.
                call.climbed, call.rung = {**call.climbed, call.rung: self._floor.now + AGAIN}, None
        elif not isinstance(order, m.Release) or call.state is not CallState.RELEASED:
            self._floor.ignore(signal, f"call is {call.state}", order.call)
            return
        self._floor.move(call, signal)
        self._floor.set_due(call, Due.PAUSE_ENDS, self._floor.now + PAUSE)
        if isinstance(order, m.Offer) and call.offered_from is not None:
            self._still_with(call, call.offered_from)

    def _still_with(self, call: LiveCall, partner: PartnerId) -> None:
        """An offer was to fetch the caller from a ringing partner, and the switch refused: nobody moved."""
        asked = self._floor.directory.partner.get(partner)
        if asked is None:
            return
        self._floor.move(call, m.Divert(call.id, partner, asked.numbers[0], asked.ring_for))
        self._floor.rings_at(call, asked)
        self._floor.set_due(call, Due.PAUSE_ENDS, self._floor.now + PAUSE)

    def _on_directory_changed(self, signal: m.DirectoryChanged) -> None:
        self._floor.directory = directory = signal.directory
        in_line = [call for call in self._floor.calls.values() if call.id in self._floor.roster.matching]
        for call in in_line:
            self._floor.leave_line(call)
        self._floor.roster.take(directory, self._floor.now)
        for (queue, tenant), short in self._floor.debt.short.items():
            if queue in directory.queue:
                self._floor.roster.matching.help_town(queue, tenant, short)
        self._drop_switches()
        self._dates_at = directory.next_switch(self._floor.now) or NEVER
        self._wakes_at = min(self._dates_at, self._floor.switches.next_at or NEVER)
        for call in self._floor.calls.values():
            before = call.queue
            call.queue = directory.queue.get(call.queue.id) or directory.queue[directory.catch_all.queue]
            call.entry = directory.successor(call.entry)
            if call.queue.ladder != before.ladder:
                # Other rungs: what was taken of the old ones says nothing.
                call.climbed, call.rung, call.numbers_tried = UNTRIED, None, 0
            if call.queue.steps != before.steps:
                call.step = 0
                # What a rung had said of the old steps, it may say of the new.
                ladder = call.queue.ladder
                call.climbed = {p: at for p, at in call.climbed.items() if ladder[p].action is not Action.WIDEN}
            if call.also is not None:
                other = directory.queue.get(call.also[0])
                call.also = None if other is None else (other.id, len(other.steps) - 1)
            if call.line.t_q is not None:
                self._floor.arm_step(call)
            if not call.closed:
                self._other_hours(call)
        for call in in_line:
            self._floor.stand_in_line(call)
        self._floor.look_again()
        self._resync.keep_failsafe()

    def _wake(self) -> None:
        """Entries have begun or ended, or what was switched is over.

        Who calls from now on is led and told otherwise; who is there already stays as they are.
        """
        floor = self._floor
        if floor.now >= self._dates_at:
            self._dates_at = floor.directory.next_switch(floor.now) or NEVER
            if floor.switch_up:  # or it is told when it is found
                self._resync.keep_failsafe()
        self._drop_switches()
        self._wakes_at = min(self._dates_at, floor.switches.next_at or NEVER)

    def _on_supervisor_switched(self, signal: m.SupervisorSwitched) -> None:
        floor = self._floor
        switch, why = wanted(signal, floor.directory, floor.now)
        if why:
            floor.ignore(signal, why, signal.about)
            return
        if switch is None:
            floor.switches.take(signal.kind, signal.about)
        else:
            floor.switches.put(switch)
        until = None if switch is None else switch.until
        floor.out += [
            m.SwitchTurned(signal.kind, signal.about, until, signal.by, signal.prompt),
            m.RememberSwitch(signal.kind, signal.about, switch),
        ]
        self._wakes_at = min(self._dates_at, floor.switches.next_at or NEVER)
        if signal.kind is SwitchKind.OVERFLOW:
            floor.look_again(QueueId(signal.about))

    def _drop_switches(self) -> None:
        """Of what was switched, what is over, or is about what is not there any more."""
        floor = self._floor
        for switch, why in floor.switches.spent(floor.directory, floor.now):
            floor.switches.take(switch.kind, switch.about)
            floor.out += [
                m.SwitchTurned(switch.kind, switch.about, None, switch.by, switch.prompt, why),
                m.RememberSwitch(switch.kind, switch.about, None),
            ]

    def _other_hours(self, call: LiveCall) -> None:
        """A new directory, perhaps other hours: whoever is there is served as long as somebody is."""
        self._floor.look_at_the_clock(call, self._floor.now)
        if call.closed:
            call.closed, call.closes_at = "", self._floor.now

    def _on_tick(self, signal: m.Tick) -> None:
        """Everything a tick is for happens in ``_expire`` and ``_settle``."""

    def _on_beat(self, signal: m.Beat) -> None:  # noqa: ARG002
        if self._floor.switch_up:
            self._floor.out.append(m.Heartbeat())
