"""The deep module: decides what happens to every call.

Knows nothing of Asterisk, of a database or of the time of day: it is told signals and the moment they are
looked at, and answers with orders and notices. ``handle`` always does three things: *expire* what is due,
apply the signal through the tables of ``lifecycle.py``, *settle* what can be brought together now, and again
until nothing changes. Never an idle agent beside a caller that agent could serve.

There are no timers. Whatever can get stuck carries a deadline (``live.py``); ``next_deadline()`` says when to come
back.

What is known of a call may be wrong at any time: signals come late, twice, or never. The rule is: the dialplan
holds the caller, so the dialplan is believed. ``CallerHeld`` always wins (somebody *is* waiting there), a
picture of the switch (``SwitchFound``) settles whatever is older than itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, cast

from dialog_acd.core import messages as m
from dialog_acd.core.ladder import AGAIN, CIRCUIT_OPEN, LOOK_AGAIN, Obstacle, PartnerBook, Situation, fires
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work, advance, knows
from dialog_acd.core.live import UNTRIED, Agenda, Due, LiveAgent, LiveCall, picture
from dialog_acd.core.model import Action, EntryKind, OfferId, Trigger
from dialog_acd.core.numbers import NumberKind
from dialog_acd.core.outlook import Debt, Outlook
from dialog_acd.core.records import (
    MOST_RUNGS,
    Blame,
    CallRecord,
    OfferTried,
    Outcome,
    Result,
    RungTaken,
    Timeline,
    blame_for,
)
from dialog_acd.core.roster import Roster
from dialog_acd.core.rules import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dialog_acd.core.directory import Directory, Resolution
    from dialog_acd.core.matching import Match
    from dialog_acd.core.model import AgentId, CallId, Partner, PartnerId, QueueId, Rung
    from dialog_acd.core.view import AcdView

GRACE = timedelta(seconds=2)
"""Asterisk's ``Dial`` timeout fires first; ours is for the day Asterisk is silent."""
HELD_WITHIN = timedelta(seconds=5)
"""After a failed offer the dialplan needs milliseconds to hold the caller again."""
PAUSE = timedelta(seconds=2)
"""After a refused order, before the same call is offered again."""
LOST_AFTER = timedelta(minutes=5)
"""A call in passing (arriving, returning) of which nothing more is heard."""
LONGEST_TALK = timedelta(hours=4, minutes=5)
"""The dialplan ends every call after four hours (``TIMEOUT(absolute)``)."""
FAILSAFE_LONGEST = timedelta(hours=1)
LONGEST_SWITCH = timedelta(days=7)
"""A supervisor's switch always ends by itself."""
CLOSING_SOON = timedelta(minutes=5)
"""So long before closing, who still waits is looked at once more: will they be served?"""
SAID_WITHIN = timedelta(seconds=20)
"""No prompt is longer; usually the dialplan tells sooner that it is over."""
FROM_OVERFLOW = OfferId("overflow")
"""What a caller who comes back from a partner comes back from."""
OVERSLEPT = timedelta(seconds=1)
"""A deadline found this late means that we did not turn (a paused machine): what we missed is still in the inbox."""
REMEMBERED = 10_000
"""Ended calls whose late signals are still recognised as such."""


class IdSource(Protocol):
    def offer(self) -> OfferId:
        """A new offer id: decimal digits, never used before, also not before a restart."""
        ...


Output = m.Order | m.Notice
POSITION, EXPECTED_WAIT = "position", "expected-wait"
"""Reserved names of announcements: they are made up from what is known when they are due."""
_WAIT_PROMPTS = ("acd/wait-under-2", "acd/wait-2-to-5", "acd/wait-5-to-10", "acd/wait-over-10")
_EXPECTED = Trigger.EXPECTED_WAIT
_OF_WAITING = frozenset({Trigger.ALL_BUSY, Trigger.WAITED, Trigger.EXPECTED_WAIT, Trigger.LENGTH})
"""Triggers that mean "it takes long here": for the others there is nobody here to compare a partner with."""
_MISTRUSTED = frozenset({Due.OFFER_EXPIRES, Due.HELD_BY, Due.LOST})
"""Deadlines that mean "nothing was heard": worth nothing where we did not listen."""
_ABANDONED_WHERE = {
    CallState.ARRIVED: "greeting",
    CallState.WAITING: "waiting",
    CallState.OFFERED: "ringing",
    CallState.RETURNING: "waiting",
    CallState.DIVERTING: "partner-ringing",
    CallState.CONNECTED: "connecting",
}


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
        switches: Iterable[m.RememberSwitch] = (),
    ) -> None:
        """Take up where the service stopped.

        ``intents``: what agents wanted, ``calls``: who was there, ``switches``: queues a supervisor had switched over.
        """
        self._directory = directory
        self._ids = ids
        self._switch_up = False
        self._calls: dict[CallId, LiveCall] = {}
        self._ended: dict[CallId, None] = {}
        self._left_early: dict[CallId, int] = {}
        """Causes of callers who hung up before we heard that they had come (two sockets, no order between them)."""
        self._out: list[Output] = []
        self._roster = Roster(directory, now, self._tell, self._set_due)
        self._roster.remember(intents)
        self._partners = PartnerBook()
        self._outlook, self._debt = Outlook(), Debt()
        self._blocked: dict[PartnerId, dict[CallId, None]] = {}
        """Calls that would go to a partner who has no channel left, oldest request first."""
        self._to_climb: dict[CallId, None] = {}
        """Waiting calls whose ladder is to be tried, because something may have changed for them."""
        self._switched: dict[QueueId, datetime] = {
            s.queue: s.until for s in switches if s.until is not None and s.queue in directory.queue
        }
        self._overflowing: set[tuple[QueueId, int]] = set()
        """Rungs for the expected wait that have begun to send calls away (hysteresis)."""
        self._arrivals = 0
        self._agenda: Agenda[LiveCall | LiveAgent] = Agenda(self._owner)
        self._now = now
        for known in calls:
            call = self._new_call(known.call, directory.entry_for(known.dialled, known.trunk), known.at)
            self._note_arrival(call, known)
            self._at_the_door(call)
        # One method per kind of signal; a test checks that none is missing.
        self._apply: dict[type[m.Signal], object] = {
            m.CallArrived: self._on_call_arrived,
            m.GreetingEnded: self._on_greeting_ended,
            m.CallerHeld: self._on_caller_held,
            m.OfferRinging: self._on_offer_ringing,
            m.OfferAnswered: self._on_offer_answered,
            m.PartiesBridged: self._on_parties_bridged,
            m.OfferFailed: self._on_offer_failed,
            m.AgentHungUp: self._on_agent_hung_up,
            m.CallerHungUp: self._on_caller_hung_up,
            m.CallTransferred: self._on_call_transferred,
            m.CallTakenByFailsafe: self._on_taken_by_failsafe,
            m.FailsafeAnswered: self._on_failsafe_answered,
            m.DivertAnswered: self._on_divert_answered,
            m.DivertFailed: self._on_divert_failed,
            m.AgentSignedIn: self._on_intent,
            m.AgentSignedOut: self._on_intent,
            m.AgentReady: self._on_intent,
            m.AgentNotReady: self._on_intent,
            m.PhoneStateChanged: self._on_phone_state,
            m.OrderFailed: self._on_order_failed,
            m.QueueSwitched: self._on_queue_switched,
            m.DirectoryChanged: self._on_directory_changed,
            m.SwitchLost: self._on_switch_lost,
            m.SwitchFound: self._on_switch_found,
            m.Tick: self._on_tick,
            m.Beat: self._on_beat,
        }

    # ------------------------------------------------------------ the three public methods

    def handle(self, signal: m.Signal, now: datetime) -> list[Output]:
        """Take in one signal at the moment ``now``; answer with everything that follows from it."""
        self._out, self._now = [], now
        self._expire()
        cast("Callable[[m.Signal], None]", self._apply[type(signal)])(signal)
        while self._settle() or self._expire():
            pass
        return self._out

    def next_deadline(self) -> datetime | None:
        """When to call ``handle(Tick(), ...)`` at the latest."""
        return self._agenda.next_at()

    @property
    def directory(self) -> Directory:
        """The directory in force."""
        return self._directory

    def view(self) -> AcdView:
        """An immutable picture, as of the last signal."""
        return picture(
            self._directory,
            self._calls.values(),
            self._roster.everybody(),
            self._now,
            switch_up=self._switch_up,
            switched=self._switched,
        )

    def _tell(self, output: Output) -> None:
        self._out.append(output)

    # ------------------------------------------------------------ deadlines

    def _set_due(self, owner: LiveCall | LiveAgent, due: Due, at: datetime) -> None:
        owner.deadlines[due] = at
        if owner.noted is not None and owner.noted <= at:
            return
        if isinstance(owner, LiveCall):
            self._agenda.note(at, agents=False, name=owner.id, owner=owner)
        else:
            self._agenda.note(at, agents=True, name=owner.agent.id, owner=owner)

    def _owner(self, agents: bool, name: str) -> LiveCall | LiveAgent | None:
        return self._roster.get(cast("AgentId", name)) if agents else self._calls.get(cast("CallId", name))

    def _expire(self) -> bool:
        """Act on every deadline that has come. Says whether anything did."""
        if self._agenda.quiet(self._now):
            return False
        acted = False
        while (come := self._agenda.take(self._now)) is not None:
            at, due, owner = come
            acted = True
            if isinstance(owner, LiveAgent):
                self._roster.due(owner, due, self._now)
            elif due in _MISTRUSTED and self._now - at > OVERSLEPT:
                self._set_due(owner, due, self._now + GRACE)
            else:
                self._call_due(owner, due)
        return acted

    def _call_due(self, call: LiveCall, due: Due) -> None:
        if due is Due.OFFER_EXPIRES:
            if call.state is CallState.DIVERTING:
                self._back_from_partner(call, "silent")
            self._offer_over(call, m.OfferFailure.PHONE_GONE)
            self._order_hold(call)
        elif due is Due.HELD_BY:
            self._order_hold(call)
        elif due is Due.PAUSE_ENDS:
            if call.state in (CallState.WAITING, CallState.DIVERTING):
                self._stand_in_line(call)
        elif due is Due.STEP:
            self._arm_step(call)
            if call.id in self._roster.matching:
                self._stand_in_line(call)
        elif due in (Due.LADDER, Due.CLOSING):
            if due is Due.CLOSING and call.closes_at is not None and self._now < call.closes_at:
                self._set_due(call, Due.CLOSING, call.closes_at)
            self._to_climb[call.id] = None
        elif due is Due.LOST and not self._switch_up:
            # We cannot see, so it is not the call that is lost.
            self._set_due(call, Due.LOST, self._now + LOST_AFTER)
        elif due is Due.LOST:
            self._end(call, Outcome(Result.FAILED, "lost-sight", Blame.SWITCH), 0)

    def _order_hold(self, call: LiveCall) -> None:
        """Send the caller back to the waiting loop; three times, then only ``LOST`` is left."""
        order = m.Hold(call.id)
        self._move(call, order)
        call.holds_ordered += 1
        if call.holds_ordered <= 3:
            self._set_due(call, Due.HELD_BY, self._now + HELD_WITHIN)
            self._out.append(order)

    # ------------------------------------------------------------ calls

    def _move(self, call: LiveCall, message: m.Signal | m.Order) -> None:
        """Change a call's state by the table, and whatever depends on the state alone."""
        call.state = advance(call.state, message)
        call.touched_at = self._now
        self._leave_line(call)
        state = call.state
        if len(call.deadlines) > 1:  # one of them is LOST
            for due in (Due.OFFER_EXPIRES, Due.HELD_BY, Due.PAUSE_ENDS):
                call.deadlines.pop(due, None)
        if state in (CallState.WAITING, CallState.OFFERED, CallState.RETURNING, CallState.FAILSAFE):
            # Whoever is back with us is not the partner's: a later transfer must not count as overflow.
            self._back_from_partner(call)
        if state is CallState.WAITING:
            # The dialplan itself ends the wait at max_wait; a minute later we stop believing in the call.
            lost_at = max(call.waiting_since + call.queue.max_wait + timedelta(minutes=1), self._now + LOST_AFTER)
        elif state in (CallState.CONNECTED, CallState.DIVERTED):
            lost_at = self._now + LONGEST_TALK
        elif state is CallState.FAILSAFE:
            lost_at = self._now + FAILSAFE_LONGEST + LONGEST_TALK
        else:
            lost_at = self._now + LOST_AFTER
        self._set_due(call, Due.LOST, lost_at)

    def _stand_in_line(self, call: LiveCall) -> None:
        """The call may be matched; whoever finds us closed is only looked after by the ladder."""
        self._to_climb[call.id] = None
        if call.closed and call.also is None:
            return
        if call.id not in self._roster.matching:
            self._outlook.line(call.queue.id, 1, self._now)
        place = (call.place[0].timestamp(), call.place[1])
        self._roster.matching.waits(call.id, call.queue.id, call.entry.tenant, call.step, place, call.also)

    def _leave_line(self, call: LiveCall) -> None:
        if call.id in self._roster.matching:
            self._roster.matching.leaves(call.id)
            self._outlook.line(call.queue.id, -1, self._now)

    def _begin_wait(self, call: LiveCall) -> None:
        """A wait begins, the first or one after a conversation: its steps, its ladder and its limits begin anew."""
        call.climbed, call.rung, call.also, call.numbers_tried = UNTRIED, None, None, 0
        call.forecast = call.told = None
        call.told_closing = False
        call.deadlines.pop(Due.LADDER, None)
        call.ahead = self._roster.matching.waiting_in(call.queue.id)
        self._arm_step(call)

    def _arm_step(self, call: LiveCall) -> None:
        """Which of the queue's steps the wait has come to, and when the next begins.

        It goes by the wait alone: also while a phone rings that nobody answers.
        """
        steps, waited = call.queue.steps, self._now - call.waiting_since
        while call.step + 1 < len(steps) and steps[call.step + 1].after <= waited:
            call.step += 1
        call.deadlines.pop(Due.STEP, None)
        if call.step + 1 < len(steps):
            self._set_due(call, Due.STEP, call.waiting_since + steps[call.step + 1].after)

    def _adopt(self, call_id: CallId, dialled: str, queue: QueueId | None, entered_at: datetime | None) -> LiveCall:
        """Take over a call we have never heard of: our memory of it is gone, or a signal was lost."""
        found = self._directory.entry_for(dialled)
        if queue is not None and found.entry.queue != queue:
            entry = next((e for e in self._directory.entries if e.queue == queue), found.entry)
            found = replace(found, entry=entry)
        # A channel's memory of its arrival may be garbage, but never lies in the future.
        call = self._new_call(call_id, found, min(entered_at or self._now, self._now))
        call.dialled = dialled[:80]
        self._at_the_door(call)
        self._out.append(m.PictureDiffered(call_id, "adopted"))
        return call

    def _new_call(self, call_id: CallId, found: Resolution, arrived: datetime) -> LiveCall:
        self._arrivals += 1
        queue = self._directory.queue[found.entry.queue]
        line = Timeline(arrived)
        # Not touched yet: a picture of the switch is younger than what we have read or been told about.
        call = LiveCall(call_id, found.entry, queue, (arrived, self._arrivals), line, arrived, arrived)
        call.emergency = found.number.kind is NumberKind.EMERGENCY
        self._calls[call_id] = call
        self._set_due(call, Due.LOST, self._now + LOST_AFTER)
        return call

    @staticmethod
    def _note_arrival(call: LiveCall, known: m.CallArrived | m.RememberCall) -> None:
        call.dialled, call.ani, call.caller_name = known.dialled[:80], known.ani, known.caller_name
        call.trunk, call.trunk_call_id = known.trunk, known.trunk_call_id

    def _live(self, signal: m.Signal, call_id: CallId) -> LiveCall | None:
        """The call a signal is about, if the signal means anything to it now; else the signal is ignored."""
        call = self._calls.get(call_id)
        if call is None:
            self._ignore(signal, "call already ended" if call_id in self._ended else "unknown call", call_id)
            return None
        if not knows(call.state, signal):
            self._ignore(signal, f"call is {call.state}", call_id)
            return None
        return call

    def _ignore(self, signal: m.Signal, why: str, about: str = "") -> None:
        self._out.append(m.Ignored(type(signal).__name__, why, about))

    def _on_call_arrived(self, signal: m.CallArrived) -> None:
        call = self._calls.get(signal.call)
        found = self._directory.entry_for(signal.dialled, signal.trunk)
        if call is None and signal.call in self._ended:
            # We wrote this call off while the caller was still there. It cannot get a second record, so
            # Asterisk looks after it alone.
            self._ignore(signal, "call already ended", signal.call)
            self._out.append(m.Treat(signal.call, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
            return
        if call is None:
            call = self._new_call(signal.call, found, self._now)
            self._note_arrival(call, signal)
            self._out.append(m.CallOffered(call.id, call.entry.tenant, call.queue.id, call.entry.kind))
            if not found.known and not call.emergency:
                self._out.append(m.NumberUnknown(call.id, call.dialled))
            self._at_the_door(call)
            if call.id in self._left_early:
                cause = self._left_early.pop(call.id)
                self._out.append(m.Treat(call.id, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
                self._end(call, self._outcome(call, cause), cause)
                return
            call.from_partner = call.entry.kind is EntryKind.PARTNER_INBOUND
            call.refused = self._not_promised(call)
            known = (call.dialled, call.ani, call.caller_name, call.trunk, call.trunk_call_id)
            self._out.append(m.RememberCall(call.id, *known, self._now))
        elif call.state is CallState.FAILSAFE:
            # The question was asked before Asterisk gave up on us; failsafe is one-way, nobody is held from there.
            self._ignore(signal, f"call is {call.state}", signal.call)
            self._out.append(m.Treat(signal.call, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
            return
        elif call.state in (CallState.CONNECTED, CallState.DIVERTED):
            # An agent transferred the caller to a service number of ours: another town's queue, the old place.
            call.entry, call.queue = found.entry, self._directory.queue[found.entry.queue]
            call.emergency = found.number.kind is NumberKind.EMERGENCY
            call.transfer_landed, call.waiting_since, call.step = True, self._now, 0
            self._at_the_door(call)
            self._begin_wait(call)
        self._out.append(self._treatment(call))

    def _look_at_the_clock(self, call: LiveCall, at: datetime) -> None:
        """Whether the number is served at this moment: the arrival, as a rule. Whoever came in time is served."""
        calendar = self._directory.calendar.get(call.entry.calendar) if call.entry.calendar is not None else None
        if calendar is None:
            call.closed, call.opens_at, call.closes_at = "", None, None
            call.deadlines.pop(Due.CLOSING, None)
            return
        opening = calendar.opening(at)
        call.closed = "" if opening.open else opening.why.value
        call.opens_at, call.closes_at = opening.opens_at, opening.closes_at
        if call.closes_at is not None:
            soon = call.closes_at - CLOSING_SOON
            self._set_due(call, Due.CLOSING, soon if soon > self._now else call.closes_at)

    def _at_the_door(self, call: LiveCall) -> None:
        self._look_at_the_clock(call, max(call.waiting_since, call.line.t_in))
        call.came_in_time = not call.closed

    def _not_promised(self, call: LiveCall) -> str:
        """Why a partner's call is not taken: more than was agreed, too few of us free, or it came from us."""
        entry = call.entry
        if entry.kind is not EntryKind.PARTNER_INBOUND:
            return ""
        others = [c for c in self._calls.values() if c is not call and not c.refused]
        if call.ani is not None:
            read = self._directory.number
            ani = read(call.ani, call.trunk)
            if any(c.partner is not None and c.ani is not None and read(c.ani, c.trunk) == ani for c in others):
                return "loop"
        here = [c for c in others if c.entry is entry]
        if entry.at_most is not None and len(here) >= entry.at_most:
            return "partner-limit"
        coming = sum(c.state is CallState.ARRIVED for c in here)
        if entry.spare and self._roster.matching.free_for(call.queue.id, entry.tenant, 0) - coming <= entry.spare:
            return "none-to-spare"
        return ""

    def _verdict(self, call: LiveCall) -> m.Verdict:
        if call.emergency:
            return m.Verdict.EMERGENCY
        if call.refused:
            return m.Verdict.BUSY
        if call.closed and not any(r.trigger == call.closed and self._is_for(r, call) for r in call.queue.ladder):
            return m.Verdict.CLOSED
        return m.Verdict.HOLD

    @staticmethod
    def _is_for(rung: Rung, call: LiveCall) -> bool:
        return not rung.kinds or call.entry.kind in rung.kinds

    def _treatment(self, call: LiveCall) -> m.Treat:
        tenant = self._directory.tenant.get(call.entry.tenant)  # gone with a new directory, perhaps
        verdict = self._verdict(call)
        if verdict is m.Verdict.CLOSED and not call.trigger:
            call.trigger = call.closed
            self._out.append(m.CallReleased(call.id, call.entry.tenant, call.queue.id, call.closed))
        return m.Treat(
            call.id,
            verdict,
            tenant=call.entry.tenant,
            queue=call.queue.id,
            entered_at=call.line.t_in,
            max_wait_at=call.waiting_since + call.queue.max_wait,
            patience=call.queue.max_wait,
            ring_for=call.queue.ring_for,
            greeting=None if call.closed else call.entry.greeting,
            announcement=call.entry.announcement,
            music=call.queue.music,
            label=tenant.label if tenant else "",
            caller_name=call.caller_name,
            ani=call.ani,
            failsafe=call.entry.failsafe,
            closed=call.entry.closed,
            opens_at=call.opens_at,
        )

    def _on_greeting_ended(self, signal: m.GreetingEnded) -> None:
        call = self._calls.get(signal.call)
        if call is None:
            self._ignore(signal, "unknown call", signal.call)
        elif call.line.t_ann_end is None:
            call.line.t_ann_end = self._now

    def _on_caller_held(self, signal: m.CallerHeld) -> None:
        if signal.call not in self._calls and signal.call not in self._ended:
            self._adopt(signal.call, "", signal.queue, signal.entered_at)
        call = self._live(signal, signal.call)
        if call is None:
            return
        if call.state is CallState.RELEASED or (call.state is CallState.DIVERTING and signal.after != FROM_OVERFLOW):
            self._ignore(signal, "from before the last order", call.id)
            return
        occupied = call.state is CallState.OFFERED or (call.state is CallState.CONNECTED and not call.transfer_landed)
        if occupied and signal.after != call.offer:
            # Told before the offer that now rings: believing it would chase the caller out of that offer.
            self._ignore(signal, "from before the offer in force", call.id)
            return
        self._held(call, signal)

    def _held(self, call: LiveCall, signal: m.CallerHeld) -> None:
        before = call.state
        if before is CallState.WAITING:
            call.saying_until = None  # after a prompt
            self._to_climb[call.id] = None
            return
        if before in (CallState.OFFERED, CallState.CONNECTED):
            self._let_go(call, m.OfferFailure.NOT_TALKED if before is CallState.CONNECTED else None)
        first = call.line.t_q is None
        again = before is CallState.DIVERTED or (before is CallState.CONNECTED and call.talked)
        if again:
            # A conversation was no waiting: the limits of the wait begin anew, the place does not.
            call.waiting_since, call.step = self._now, 0
        if before is CallState.DIVERTED and signal.queue is not None and signal.queue != call.queue.id:
            self._land(call, signal.queue)
        if first or again:
            self._begin_wait(call)
        self._move(call, signal)
        call.holds_ordered = 0
        call.line.t_q = call.line.t_q or self._now
        self._stand_in_line(call)
        call.hung_up_first = "unknown"  # whoever transferred the caller did not end the call
        if before is CallState.DIVERTED and not call.transfer_landed:
            # The target did not take the caller, who therefore went nowhere.
            call.transferred_to = call.transfer_blind = None
        if first:
            self._out.append(m.CallQueued(call.id, call.queue.id, call.ahead + 1))

    def _land(self, call: LiveCall, queue: QueueId) -> None:
        """An announced transfer into another queue of ours: the caller stands where the agent stood."""
        entry = next((e for e in self._directory.entries if e.queue == queue), None)
        if entry is not None:
            call.entry, call.queue, call.transfer_landed = entry, self._directory.queue[queue], True

    def _on_caller_hung_up(self, signal: m.CallerHungUp) -> None:
        if signal.call not in self._calls and signal.call not in self._ended:
            self._left_early[signal.call] = signal.cause
            if len(self._left_early) > REMEMBERED:
                del self._left_early[next(iter(self._left_early))]
        call = self._live(signal, signal.call)
        if call is not None:
            self._end(call, self._outcome(call, signal.cause), signal.cause)

    def _outcome(self, call: LiveCall, cause: int) -> Outcome:
        if call.state is CallState.FAILSAFE:
            return Outcome(Result.FAILSAFE, call.failsafe_why, Blame.US)
        if call.state is CallState.DIVERTED:
            if call.partner is not None:
                return Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)
            return Outcome(Result.SERVED, "transferred", Blame.NOBODY)
        if call.talked:
            # Also where a transfer failed and the caller gave up waiting for a second person.
            return Outcome(Result.SERVED, "talked", Blame.NOBODY)
        if call.emergency:
            return Outcome(Result.REFUSED, "emergency", Blame.NOBODY)
        if call.refused:
            return Outcome(Result.REFUSED, call.refused, Blame.US)
        if call.closed and not call.came_in_time and call.state in (CallState.ARRIVED, CallState.RELEASED):
            return Outcome(Result.CLOSED, call.closed, Blame.NOBODY)
        if call.state is CallState.RELEASED:
            return Outcome(Result.RELEASED, call.released_for, Blame.US)
        return Outcome(Result.ABANDONED, _ABANDONED_WHERE[call.state], blame_for(cause))

    def _end(self, call: LiveCall, outcome: Outcome, cause: int) -> None:
        """Close a call: free whom it occupies, write its one record."""
        abandoned = outcome.result is Result.ABANDONED
        if call.agent is not None:
            if self._talks(call):
                call.hung_up_first = "caller" if call.hung_up_first == "unknown" else call.hung_up_first
                self._wrap_up(call)
            else:
                self._note_offer(call, m.OfferFailure.CALLER_GONE)
                self._free(call, "caller gone")
        if not call.talked:
            # Picked up is not yet answered: the caller may have left during the announcement to the agent.
            call.line.t_ans = None
        if abandoned:
            call.hung_up_first = "caller"
        self._leave_line(call)
        if not call.talked and call.line.t_ovf_ans is None and call.line.t_q is not None:
            self._outlook.left(call.queue.id, self._now - call.waiting_since, self._now, gave_up=abandoned)
            if outcome.result in (Result.ABANDONED, Result.RELEASED, Result.FAILSAFE):
                self._count(call, in_time=False)
        partner = call.partner if call.line.t_ovf_ans is not None else None
        self._back_from_partner(call)
        for blocked in self._blocked.values():
            blocked.pop(call.id, None)
        self._to_climb.pop(call.id, None)
        call.state = CallState.ENDED
        call.deadlines.clear()
        del self._calls[call.id]
        self._ended[call.id] = None
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]
        line = call.line
        record = CallRecord(
            call=call.id, tenant=call.entry.tenant, queue=call.queue.id, kind=call.entry.kind,
            dialled=call.dialled, ani=call.ani, trunk=call.trunk, trunk_call_id=call.trunk_call_id,
            t_in=line.t_in, t_ann_end=line.t_ann_end, t_q=line.t_q, t_ans=line.t_ans, t_end=self._now,
            t_wrap_end=line.t_wrap_end, t_leave=self._now if abandoned else None, t_ovf=line.t_ovf,
            t_ovf_ans=line.t_ovf_ans, t_failsafe=line.t_failsafe, agent=call.served_by, partner=partner,
            transferred_to=call.transferred_to, transfer_blind=call.transfer_blind,
            failsafe_answered_by=call.failsafe_answered_by, hung_up_first=call.hung_up_first, cause=cause,
            outcome=outcome, in_time=line.t_ans is not None and line.t_ans - line.t_in <= call.queue.target,
            offers=tuple(line.offers), overflow_trigger=call.trigger if call.asked else "",
            overflow_partner=call.asked, rungs=call.rungs,
        )  # fmt: skip
        if abandoned:
            notice = m.CallAbandoned(call.id, record.tenant, record.queue, record.kind, self._now - line.t_in)
            self._out.append(notice)
        self._out += [m.SaveRecord(record), m.CallEnded(record)]

    def _count(self, call: LiveCall, *, in_time: bool) -> None:
        """One call more of the day's service level; its town's head start follows from that."""
        tenant = call.entry.tenant
        short = self._debt.count(call.queue, tenant, self._now, in_time=in_time)
        self._roster.matching.help_town(call.queue.id, tenant, short)

    # ------------------------------------------------------------ offers

    def _settle(self) -> bool:
        """Bring together one caller and one agent, or take one waiting call up its ladder. Says whether it did."""
        if not self._switch_up:
            return False
        matching = self._roster.matching
        if matching.stirred and (match := matching.next(self._now.timestamp())) is not None:
            self._offer(match)
            return True
        if len(self._to_climb) > 1:
            # Whoever came first is the first to get what has become free.
            there = [self._calls[c] for c in self._to_climb if c in self._calls]
            self._to_climb = dict.fromkeys(c.id for c in sorted(there, key=lambda c: c.place))
        while self._to_climb:
            call = self._calls.get(next(iter(self._to_climb)))
            del self._to_climb[next(iter(self._to_climb))]
            if call is not None and call.state is CallState.WAITING and self._climb(call):
                return True
        return False

    def _offer(self, match: Match) -> None:
        call, agent = self._calls[match.call], self._roster[match.agent]
        ring_for, why = call.queue.ring_for, self._reason(call, match)
        self._outlook.line(call.queue.id, -1, self._now)  # the matching has taken the call out already
        order = m.Offer(call.id, self._ids.offer(), agent.agent.id, agent.agent.phone, ring_for)
        call.offered_from = call.partner
        self._move(call, order)
        call.offer, call.agent = order.offer, agent.agent.id
        call.line.offers.append(OfferTried(order.offer, agent.agent.id, self._now, "open", why))
        self._set_due(call, Due.OFFER_EXPIRES, self._now + ring_for + GRACE)
        agent.call = call.id
        self._roster.set_work(agent, Work.OFFERED, "offer", self._now)
        self._out += [order, m.OfferMade(call.id, call.queue.id, agent.agent.id, why)]

    def _reason(self, call: LiveCall, match: Match) -> str:
        """How a pair was chosen, in one line: the rule, the next best, step and ladder, who was passed over for what.

        What it says of others is what was compared; the full list is ``dialog-acd route --why``.
        """
        said = [f"waited {match.waited:.0f} s"]
        if match.chosen == "call":
            weighed = abs(match.score - match.waited) > 0.5
            rule = f"first of {match.rivals} lines" + (f" by {match.score:.2f}" if weighed else "")
            said.append(rule + _then(match.others, ".2f" if weighed else ".0f"))
        else:
            said.append(f"idle for {match.idle:.0f} s" + _then(match.others, ".0f"))
        if match.step:
            said.append(f"step {match.step}")
        if call.rungs:
            said.append(f"after '{call.rungs[-1].rung}'")
        matching = self._roster.matching
        passed = {
            word: count for word, count in self._roster.standing.items() if count > 0 and word not in ("", "idle")
        }
        if matching.idle and (unable := matching.idle_elsewhere(call.queue.id, call.entry.tenant, call.step)):
            passed["idle without what is asked"] = unable
        if passed:
            said.append("passed over: " + ", ".join(f"{count} {word}" for word, count in sorted(passed.items())))
        return "; ".join(said)

    def _of_offer(
        self, signal: m.OfferRinging | m.OfferAnswered | m.PartiesBridged | m.OfferFailed | m.AgentHungUp
    ) -> LiveCall | None:
        """The call of an offer signal, if that offer is the one in force."""
        call = self._calls.get(signal.call)
        if call is None:
            self._ignore(signal, "unknown or ended call", signal.call)
            return None
        if call.offer is None or call.offer != signal.offer:
            self._ignore(signal, "offer not in force", signal.call)
            return None
        return call

    def _on_offer_ringing(self, signal: m.OfferRinging) -> None:
        self._of_offer(signal)

    def _on_offer_answered(self, signal: m.OfferAnswered) -> None:
        call = self._of_offer(signal)
        if call is not None:
            self._answered(call, signal)

    def _on_parties_bridged(self, signal: m.PartiesBridged) -> None:
        call = self._of_offer(signal)
        if call is not None and self._answered(call, signal):
            self._talking(call)

    def _answered(self, call: LiveCall, signal: m.OfferAnswered | m.PartiesBridged) -> bool:
        """The agent has picked up. Whether the two also talk is another question (the announcement)."""
        if not knows(call.state, signal):
            self._ignore(signal, f"call is {call.state}", call.id)
            return False
        if call.state is CallState.OFFERED:
            self._move(call, signal)
            call.transfer_landed = False
            # A second agent, after a transfer came back, does not undo the first answer.
            call.line.t_ans = call.line.t_ans or self._now
            self._roster.set_work(self._serving(call), Work.TALKING, "answered", self._now)
        return True

    def _talking(self, call: LiveCall, *, count: bool = True) -> None:
        if call.agent is None or self._talks(call):
            return
        agent = self._serving(call)
        first = count and not call.talked
        call.talked, call.served_by = True, agent.agent.id
        self._note_offer(call, None)
        self._out.append(m.OfferTaken(call.id, call.queue.id, agent.agent.id))
        rung_at = call.line.offers[-1].at
        errors = self._outlook.served(call.queue.id, rung_at - call.waiting_since, call.forecast, self._now)
        call.forecast = None
        if errors:
            self._out.append(m.WaitsCompared(call.queue.id, errors))
        if first:
            waited = (call.line.t_ans or self._now) - call.line.t_in
            self._count(call, in_time=waited <= call.queue.target)
            self._out.append(
                m.CallAnswered(
                    call.id, call.entry.tenant, call.queue.id, call.entry.kind, agent.agent.id, waited,
                    waited <= call.queue.target,
                )
            )  # fmt: skip

    def _talks(self, call: LiveCall) -> bool:
        """Whether the caller talks to the agent of *this* offer; ``talked`` remembers earlier ones, too."""
        return call.agent is not None and call.line.offers[-1].result == "answered"

    def _serving(self, call: LiveCall) -> LiveAgent:
        if call.agent is None:
            raise AssertionError(f"call {call.id} has no agent")  # invariant 2; a defect of this file
        return self._roster[call.agent]

    def _on_offer_failed(self, signal: m.OfferFailed) -> None:
        call = self._of_offer(signal)
        if call is None:
            return
        if not knows(call.state, signal):
            self._ignore(signal, f"call is {call.state}", call.id)
            return
        if self._talks(call):
            # Nothing failed: a late word, and no reason to take the two apart.
            self._ignore(signal, "they talk", call.id)
            return
        self._offer_over(call, signal.reason)
        self._move(call, signal)
        self._set_due(call, Due.HELD_BY, self._now + HELD_WITHIN)

    def _offer_over(self, call: LiveCall, reason: m.OfferFailure) -> None:
        """An offer came to nothing: the agent is freed, and taken out of the round where that was their doing."""
        agent_id = call.agent
        if agent_id is None:
            return
        self._note_offer(call, reason)
        if not call.talked:
            call.line.t_ans = None
        self._out.append(m.OfferMissed(call.id, call.queue.id, agent_id, reason))
        agent = self._roster[agent_id]
        self._free(call, reason)
        if reason in (m.OfferFailure.NO_ANSWER, m.OfferFailure.DECLINED, m.OfferFailure.NOT_TALKED):
            # Who signed out or paused while it rang has said what they want, and stays so.
            if agent.intent is Intent.READY:
                why = "rona" if reason is m.OfferFailure.NO_ANSWER else str(reason)
                self._roster.set_intent(agent, Intent.NOT_READY, why, self._now)
        elif reason in (m.OfferFailure.PHONE_BUSY, m.OfferFailure.PHONE_GONE):
            self._roster.set_aside(agent, self._now)

    def _let_go(self, call: LiveCall, reason: m.OfferFailure | None) -> None:
        """The caller is back in the waiting loop while we believed an agent had them."""
        if call.agent is None:
            return
        if self._talks(call):
            self._wrap_up(call)
        elif reason is not None:
            self._offer_over(call, reason)
        else:
            # How the offer went was never told; the agent is not to blame, but this phone is set aside.
            self._offer_over(call, m.OfferFailure.PHONE_GONE)

    def _note_offer(self, call: LiveCall, failure: m.OfferFailure | None) -> None:
        last = call.line.offers[-1]
        if last.result == "open":
            call.line.offers[-1] = replace(last, result=str(failure or "answered"))

    def _free(self, call: LiveCall, why: str) -> None:
        """Break the tie between a call and the agent it occupies, without wrap-up."""
        if call.agent is not None:
            agent = self._roster[call.agent]
            agent.call = None
            self._roster.set_work(agent, Work.IDLE, why, self._now)
        call.agent, call.offer = None, None

    def _wrap_up(self, call: LiveCall) -> None:
        """The agent's part in a conversation is over."""
        if call.agent is None:
            return
        agent, length = self._roster[call.agent], call.queue.wrap_up_for
        call.line.t_wrap_end = self._now + length
        self._outlook.handled(call.queue.id, self._now + length - call.line.offers[-1].at, self._now)
        agent.call, call.agent, call.offer = None, None, None
        self._roster.wrap_up(agent, length, self._now)

    def _on_agent_hung_up(self, signal: m.AgentHungUp) -> None:
        call = self._of_offer(signal)
        if call is None:
            return
        if call.state is CallState.OFFERED:
            # The answer was never told, the end of the conversation is: the dialplan knows that they talked.
            self._answered(call, m.OfferAnswered(call.id, signal.offer))
        if not knows(call.state, signal):
            self._ignore(signal, f"call is {call.state}", call.id)
            return
        self._talking(call)
        self._move(call, signal)
        call.hung_up_first = "agent"
        self._wrap_up(call)

    def _on_call_transferred(self, signal: m.CallTransferred) -> None:
        call = self._live(signal, signal.call)
        if call is not None and call.state is CallState.ARRIVED:
            self._ignore(signal, "nobody has answered yet", call.id)
        elif call is not None:
            self._hand_on(call, signal)

    def _hand_on(self, call: LiveCall, signal: m.CallTransferred) -> None:
        if call.agent is not None and call.offer is not None:
            self._talking(call)
        self._wrap_up(call)
        self._move(call, signal)
        call.transferred_to, call.transfer_blind = signal.target, signal.blind
        call.hung_up_first = "agent"

    # ------------------------------------------------------------ partners and failsafe

    def _climb(self, call: LiveCall) -> bool:
        """Try a waiting call's ladder from the top. Says whether a rung was taken."""
        if Due.PAUSE_ENDS in call.deadlines:
            return False  # a refused order a moment ago; it stands in line again after the pause, and comes back here
        now, again, somebody_later = self._now, None, False
        if call.saying_until is not None and now < call.saying_until:
            # Let the prompt be heard. (An agent who is free does not wait for it.)
            self._set_due(call, Due.LADDER, call.saying_until)
            return False
        first_look = call.forecast is None and call.id in self._roster.matching
        if first_look:
            staff = self._roster.matching.staff(call.queue.id)
            call.forecast = self._outlook.forecast(call.queue.id, call.ahead, staff, now)
        self._closing_time(call)
        situation = self._situation(call)
        for place, rung in enumerate(call.queue.ladder):
            if not self._is_for(rung, call):
                continue
            if place in call.climbed and ((wait := call.climbed[place]) is None or wait > now):
                again = _sooner(again, wait)
                continue
            overflowing = (call.queue.id, place) in self._overflowing
            why, look = fires(rung, now, situation._replace(overflowing=overflowing))
            if rung.trigger is Trigger.EXPECTED_WAIT and first_look:
                # Whoever joins says how the queue is; those in front of them expect less, of course.
                (self._overflowing.add if why else self._overflowing.discard)((call.queue.id, place))
            if not why:
                again = _sooner(again, look)
                continue
            obstacle = self._take_rung(call, place, rung, why)
            if obstacle is None:
                return True
            again, somebody_later = _sooner(again, obstacle.until), somebody_later or obstacle.passes
        if call.closed and not somebody_later and not self._served_elsewhere(call):
            self._release(call, call.closed, call.entry.closed)
            return True
        if again is not None:
            self._set_due(call, Due.LADDER, again)
        return self._warn_of_closing(call)

    def _closing_time(self, call: LiveCall) -> None:
        """Who is left waiting after closing, and everybody has gone home, has found us closed after all."""
        if call.closed or call.closes_at is None or self._now < call.closes_at:
            return
        if not self._roster.matching.anybody(call.queue.id, call.entry.tenant):
            self._look_at_the_clock(call, self._now)
            self._leave_line(call)
            self._stand_in_line(call)

    def _served_elsewhere(self, call: LiveCall) -> bool:
        return call.also is not None and self._roster.matching.anybody(call.also[0], call.entry.tenant)

    def _warn_of_closing(self, call: LiveCall) -> bool:
        """Whoever will probably not be served before closing is told so, once. Says whether."""
        if call.closed or call.told_closing or call.closes_at is None or self._now >= call.closes_at:
            return False
        left = call.closes_at - self._now
        expected = self._expected(call) if left < timedelta(hours=1) else None
        if expected is None or expected <= left:
            return False
        call.told_closing = True
        self._say(call, m.Say(call.id, "acd/closing-soon"))
        return True

    def _say(self, call: LiveCall, say: m.Say) -> None:
        """The caller is told as held once more when the prompt is over."""
        call.saying_until = self._now + SAID_WITHIN
        self._set_due(call, Due.LADDER, call.saying_until)
        self._out.append(say)

    def _expected(self, call: LiveCall) -> timedelta | None:
        """How much longer this caller will wait, on average; ``None``: nobody works for the queue."""
        matching, queue = self._roster.matching, call.queue.id
        return self._outlook.expected(queue, matching.ahead_of(call.id, queue), matching.staff(queue), self._now)

    def _situation(self, call: LiveCall) -> Situation:
        matching, queue, tenant = self._roster.matching, call.queue.id, call.entry.tenant
        return Situation(
            waiting_since=call.waiting_since,
            closed=call.closed,
            somebody=matching.anybody(queue, tenant),
            reachable=matching.reachable(queue, tenant),
            ahead=self._still_ahead(call) if any(r.trigger is Trigger.LENGTH for r in call.queue.ladder) else 0,
            expected=self._expected(call) if any(r.trigger is _EXPECTED for r in call.queue.ladder) else None,
            switched_until=self._switched.get(queue),
        )

    def _still_ahead(self, call: LiveCall) -> int:
        return min(call.ahead, self._roster.matching.ahead_of(call.id, call.queue.id))

    def _take_rung(self, call: LiveCall, place: int, rung: Rung, why: str) -> Obstacle | None:
        """Do what a rung says, unless something is in the way."""
        if rung.action is Action.PARTNER:
            partner = self._directory.partner[cast("PartnerId", rung.target)]
            obstacle = self._in_the_way(call, partner, rung.trigger)
            if obstacle is None:
                self._note_rung(call, rung, why)
                self._divert(call, place, rung, partner, why)
            return obstacle
        self._note_rung(call, rung, why)
        call.climbed = {**call.climbed, place: None}
        if rung.action is Action.WIDEN:
            call.step = max(call.step, int(rung.target))
            self._arm_step(call)
            self._stand_in_line(call)
            self._out.append(m.CallWidened(call.id, call.queue.id, f"{why}: step {call.step}"))
        elif rung.action is Action.QUEUE:
            call.also = (
                cast("QueueId", rung.target),
                len(self._directory.queue[cast("QueueId", rung.target)].steps) - 1,
            )
            self._stand_in_line(call)
            self._out.append(m.CallWidened(call.id, call.queue.id, f"{why}: queue {rung.target}"))
        elif rung.action is Action.ANNOUNCE:
            self._announce(call, rung.target)
        else:
            self._release(call, rung.trigger.value, call.entry.closed if call.closed else "acd/nobody")
        return None

    def _note_rung(self, call: LiveCall, rung: Rung, why: str) -> None:
        call.rungs = (*call.rungs[1 - MOST_RUNGS :], RungTaken(self._now, written(rung), why))

    def _announce(self, call: LiveCall, what: str) -> None:
        """A prompt; or, by their reserved names, what is expected of the wait: silent when that is not credible."""
        if what not in (POSITION, EXPECTED_WAIT):
            self._say(call, m.Say(call.id, what))
            return
        matching, queue = self._roster.matching, call.queue.id
        ahead = matching.ahead_of(call.id, queue)
        told = self._outlook.told(queue, ahead, matching.staff(queue), call.told, self._now)
        if told is None:
            self._to_climb[call.id] = None
            return
        call.told = told
        say = m.Say(call.id, _WAIT_PROMPTS[told.wait]) if what == EXPECTED_WAIT else None
        self._say(call, say or m.Say(call.id, "acd/position", told.position))

    def _in_the_way(self, call: LiveCall, partner: Partner, trigger: Trigger) -> Obstacle | None:
        if not call.queue.to_partners:
            return Obstacle("never to a partner")
        if call.from_partner or call.entry.kind is EntryKind.PARTNER_INBOUND:
            return Obstacle("came from a partner")
        calendar = self._directory.calendar.get(partner.calendar) if partner.calendar is not None else None
        obstacle = self._partners.obstacle(partner, calendar.opening(self._now) if calendar else None, self._now)
        if obstacle is None and partner.min_gain and trigger in _OF_WAITING:
            expected = self._expected(call)
            if expected is not None and expected <= partner.min_gain:
                return Obstacle("served sooner here", self._now + LOOK_AGAIN)
        if obstacle is not None and obstacle.until is None:
            self._blocked.setdefault(partner.id, {})[call.id] = None
        return obstacle

    def _divert(self, call: LiveCall, place: int, rung: Rung, partner: Partner, why: str) -> None:
        if call.rung != place:
            call.rung, call.numbers_tried = place, 0
        number = partner.numbers[call.numbers_tried]
        order = m.Divert(call.id, partner.id, number, partner.ring_for)
        self._move(call, order)
        self._rings_at(call, partner)
        call.trigger, call.asked = rung.trigger.value, partner.id
        self._blocked.get(partner.id, {}).pop(call.id, None)
        call.line.t_ovf = call.line.t_ovf or self._now
        # The partner may be slower than the next free agent here: the place in the queue is kept.
        self._stand_in_line(call)
        self._out += [
            order,
            m.CallDiverted(call.id, call.entry.tenant, call.queue.id, partner.id, why, call.trigger),
        ]

    def _rings_at(self, call: LiveCall, partner: Partner) -> None:
        """The call is with a partner, who may ring for a long time: nobody has lost sight of it meanwhile."""
        call.partner = partner.id
        self._partners.sends(call.id, partner.id, self._now)
        self._set_due(call, Due.LOST, self._now + partner.ring_for + LOST_AFTER)
        self._set_due(call, Due.OFFER_EXPIRES, self._now + partner.ring_for + GRACE)

    def _back_from_partner(self, call: LiveCall, failed: str = "") -> None:
        """The call is not with a partner any more; the channel there is free, for whoever asked for one first."""
        partner = call.partner
        if partner is None:
            return
        call.partner = None
        if not failed:
            self._partners.ends(call.id)
        elif self._partners.failed(call.id, self._now):
            self._out.append(m.PartnerShut(partner, self._now + CIRCUIT_OPEN))
        if failed:
            self._out.append(m.DivertMissed(call.id, call.queue.id, partner, failed))
            call.numbers_tried += 1
            asked = self._directory.partner.get(partner)
            if call.rung is not None and (asked is None or call.numbers_tried >= len(asked.numbers)):
                call.climbed, call.rung = {**call.climbed, call.rung: self._now + AGAIN}, None
        self._wake(partner)

    def _wake(self, partner: PartnerId) -> None:
        """Something has changed at a partner: whoever waits for it asks again, who asked first the first."""
        self._to_climb.update(self._blocked.get(partner, {}))

    def _release(self, call: LiveCall, why: str, prompt: str) -> None:
        order = m.Release(call.id, prompt, call.opens_at)
        self._move(call, order)
        call.released_for = why
        self._out += [order, m.CallReleased(call.id, call.entry.tenant, call.queue.id, why)]

    def _on_queue_switched(self, signal: m.QueueSwitched) -> None:
        if signal.queue not in self._directory.queue:
            self._ignore(signal, "unknown queue", signal.queue)
            return
        if signal.until is not None:
            ladder = self._directory.queue[signal.queue].ladder
            if not any(rung.trigger is Trigger.SWITCHED for rung in ladder):
                self._ignore(signal, "the queue's ladder has no rung 'switched: ...'", signal.queue)
                return
            if not self._now < signal.until <= self._now + LONGEST_SWITCH:
                self._ignore(signal, "'until' must lie ahead, by at most a week", signal.queue)
                return
        if signal.until is None:
            self._switched.pop(signal.queue, None)
        else:
            self._switched[signal.queue] = signal.until
        self._out.append(m.SwitchedOver(signal.queue, signal.until, signal.by))
        self._out.append(m.RememberSwitch(signal.queue, signal.until, signal.by))
        self._look_again(signal.queue)

    def _look_again(self, queue: QueueId | None = None) -> None:
        """Something has changed for all who wait (there)."""
        for call in self._calls.values():
            if call.state is CallState.WAITING and (queue is None or call.queue.id == queue):
                self._to_climb[call.id] = None

    def _on_divert_answered(self, signal: m.DivertAnswered) -> None:
        call = self._live(signal, signal.call)
        if call is not None:
            self._partners.answered(call.id)
            self._wake(signal.partner)
            self._move(call, signal)
            call.partner, call.line.t_ovf_ans = signal.partner, self._now
            self._outlook.left(call.queue.id, self._now - call.waiting_since, self._now, gave_up=False)
            if not call.talked:
                self._count(call, in_time=self._now - call.line.t_in <= call.queue.target)

    def _on_divert_failed(self, signal: m.DivertFailed) -> None:
        call = self._live(signal, signal.call)
        if call is not None and signal.partner != call.partner:
            self._ignore(signal, "not the partner that is rung", call.id)
        elif call is not None:
            self._back_from_partner(call, signal.reason)
            self._move(call, signal)
            self._set_due(call, Due.HELD_BY, self._now + HELD_WITHIN)

    def _on_taken_by_failsafe(self, signal: m.CallTakenByFailsafe) -> None:
        if signal.call not in self._calls and signal.call not in self._ended:
            self._adopt(signal.call, signal.dialled, None, None)
        call = self._live(signal, signal.call)
        if call is None or call.state is CallState.FAILSAFE:
            return
        if self._talks(call):
            self._wrap_up(call)
        elif call.agent is not None:
            self._note_offer(call, m.OfferFailure.CALLER_GONE)
            self._free(call, "failsafe")
        self._move(call, signal)
        call.failsafe_why, call.line.t_failsafe = signal.why, self._now
        self._out.append(m.FailsafeEntered(call.id, call.entry.tenant, call.queue.id, signal.why))

    def _on_failsafe_answered(self, signal: m.FailsafeAnswered) -> None:
        call = self._calls.get(signal.call)
        if call is None or call.state is not CallState.FAILSAFE:
            self._ignore(signal, "call is not in failsafe", signal.call)
        else:
            call.failsafe_answered_by = signal.by

    # ------------------------------------------------------------ agents

    def _on_intent(self, signal: m.AgentSignedIn | m.AgentSignedOut | m.AgentReady | m.AgentNotReady) -> None:
        agent = self._roster.get(signal.agent)
        if agent is None or signal.agent not in self._directory.agent:
            self._ignore(signal, "unknown agent", signal.agent)
        elif isinstance(signal, m.AgentSignedIn):
            if agent.intent is Intent.SIGNED_OUT:
                self._roster.set_intent(agent, Intent.NOT_READY, "signed-in", self._now)
        elif isinstance(signal, m.AgentSignedOut):
            self._roster.set_intent(agent, Intent.SIGNED_OUT, "", self._now)
            self._look_again()  # perhaps the last one
        elif isinstance(signal, m.AgentReady):
            self._roster.set_intent(agent, Intent.READY, "", self._now)
        elif agent.intent is Intent.SIGNED_OUT:
            self._ignore(signal, "agent is signed out", signal.agent)
        else:
            self._roster.set_intent(agent, Intent.NOT_READY, signal.why, self._now)

    def _on_phone_state(self, signal: m.PhoneStateChanged) -> None:
        agent = self._roster.at(signal.phone)
        if agent is None:
            self._ignore(signal, "nobody's phone", signal.phone)
        else:
            self._roster.set_phone(agent, PhoneState(signal.state))
            if agent.phone is PhoneState.UNREACHABLE:
                self._look_again()

    # ------------------------------------------------------------ the world around

    def _on_order_failed(self, signal: m.OrderFailed) -> None:
        order = signal.order
        call = self._calls.get(order.call)
        if call is None:
            self._ignore(signal, "unknown or ended call", order.call)
            return
        if not signal.certain or isinstance(order, m.Hold | m.Withdraw | m.Say):
            # Nobody knows whether it happened, or the caller is about to be gone: a deadline decides.
            self._ignore(signal, f"deadline decides: {signal.why}", order.call)
            return
        if isinstance(order, m.Offer):
            if call.state is not CallState.OFFERED or call.offer != order.offer:
                self._ignore(signal, "offer not in force", order.call)
                return
            self._note_offer(call, m.OfferFailure.CALLER_GONE)
            self._free(call, "switch refused")
        elif isinstance(order, m.Divert) and call.state is CallState.DIVERTING and order.partner == call.partner:
            self._partners.never_went(call.id)
            self._back_from_partner(call)
            if call.rung is not None:
                # Not at once again, or the rungs below would never have their turn.
                call.climbed, call.rung = {**call.climbed, call.rung: self._now + AGAIN}, None
        elif not isinstance(order, m.Release) or call.state is not CallState.RELEASED:
            self._ignore(signal, f"call is {call.state}", order.call)
            return
        self._move(call, signal)
        self._set_due(call, Due.PAUSE_ENDS, self._now + PAUSE)
        if isinstance(order, m.Offer) and call.offered_from is not None:
            self._still_with(call, call.offered_from)

    def _still_with(self, call: LiveCall, partner: PartnerId) -> None:
        """An offer was to fetch the caller from a ringing partner, and the switch refused: nobody moved."""
        asked = self._directory.partner.get(partner)
        if asked is None:
            return
        self._move(call, m.Divert(call.id, partner, asked.numbers[0], asked.ring_for))
        self._rings_at(call, asked)
        self._set_due(call, Due.PAUSE_ENDS, self._now + PAUSE)

    def _on_directory_changed(self, signal: m.DirectoryChanged) -> None:
        self._directory = directory = signal.directory
        in_line = [call for call in self._calls.values() if call.id in self._roster.matching]
        for call in in_line:
            self._leave_line(call)
        self._roster.take(directory, self._now)
        for (queue, tenant), short in self._debt.short.items():
            if queue in directory.queue:
                self._roster.matching.help_town(queue, tenant, short)
        entries = {entry.number: entry for entry in directory.entries}
        for call in self._calls.values():
            before = call.queue
            call.queue = directory.queue.get(call.queue.id) or directory.queue[directory.catch_all.queue]
            call.entry = entries.get(call.entry.number, call.entry)
            if call.queue.ladder != before.ladder:
                # Other rungs: what was taken of the old ones says nothing.
                call.climbed, call.rung, call.numbers_tried = UNTRIED, None, 0
            if call.queue.steps != before.steps:
                call.step = 0
            if call.also is not None and call.also[0] not in directory.queue:
                call.also = None
            if call.line.t_q is not None:
                self._arm_step(call)
            if not call.closed:
                self._other_hours(call)
        for call in in_line:
            self._stand_in_line(call)
        for queue in [q for q in self._switched if q not in directory.queue]:
            del self._switched[queue]
        self._look_again()
        self._keep_failsafe()

    def _other_hours(self, call: LiveCall) -> None:
        """A new directory, perhaps other hours: whoever is there is served as long as somebody is."""
        self._look_at_the_clock(call, self._now)
        if call.closed:
            call.closed, call.closes_at = "", self._now

    def _keep_failsafe(self) -> None:
        directory = self._directory
        entries = (e for e in directory.entries if e.kind is not EntryKind.CATCH_ALL)
        numbers = []
        for entry in entries:
            numbers.append((entry.number, entry.block, entry.failsafe))
            if entry.kind is EntryKind.SERVICE_115:
                # As a trunk may write it; the dialplan knows no area codes.
                codes = {(t.country_code, code) for t in directory.trunks for code in ("", t.area_code)}
                numbers += [(f"+{country}{code}115", False, entry.failsafe) for country, code in sorted(codes)]
        profiles = tuple((p, directory.partner[p.partner] if p.partner else None) for p in directory.failsafe_profiles)
        self._out.append(m.KeepFailsafe(profiles, tuple(numbers), directory.catch_all.failsafe))

    def _on_switch_lost(self, signal: m.SwitchLost) -> None:  # noqa: ARG002  there is one switch
        self._switch_up = False
        for call in self._calls.values():
            # Offers ring on without us; their deadlines stand still until we can see again.
            for due in (Due.OFFER_EXPIRES, Due.HELD_BY):
                call.deadlines.pop(due, None)

    def _on_switch_found(self, signal: m.SwitchFound) -> None:
        self._switch_up = True
        for phone, state in signal.phones:
            if (agent := self._roster.at(phone)) is not None:
                self._roster.set_phone(agent, PhoneState(state))
        seen = {c.call for c in signal.calls}
        for call in [c for c in self._calls.values() if c.id not in seen and c.touched_at <= signal.at]:
            self._out.append(m.PictureDiffered(call.id, "gone"))
            outcome = self._outcome(call, 0)
            if outcome.result is Result.ABANDONED:
                # Nobody saw how this ended: perhaps somebody answered. An abandonment would be our invention.
                outcome = Outcome(Result.FAILED, "lost-sight", Blame.UNKNOWN)
            self._end(call, outcome, 0)
        for theirs in signal.calls:
            ours = self._calls.get(theirs.call)
            if ours is None:
                if theirs.call in self._ended:
                    continue
                ours = self._adopt(theirs.call, "", theirs.queue, theirs.entered_at)
            elif ours.touched_at > signal.at:
                continue
            self._believe(ours, theirs)
        for call in self._calls.values():
            self._wind_up(call)
        if not signal.audit:
            self._keep_failsafe()
            # At once, not with the next beat: until it is there, every caller goes to failsafe.
            self._out.append(m.Heartbeat())

    def _wind_up(self, call: LiveCall) -> None:
        """We can see again: deadlines that stood still in the dark run on, whatever the picture said."""
        if call.state is CallState.OFFERED and Due.OFFER_EXPIRES not in call.deadlines:
            self._set_due(call, Due.OFFER_EXPIRES, self._now + call.queue.ring_for + GRACE)
        elif call.state is CallState.DIVERTING and Due.OFFER_EXPIRES not in call.deadlines:
            self._set_due(call, Due.OFFER_EXPIRES, self._now + LOST_AFTER)
        elif call.state is CallState.RETURNING and Due.HELD_BY not in call.deadlines:
            self._set_due(call, Due.HELD_BY, self._now + HELD_WITHIN)
        elif call.state is CallState.WAITING:
            self._to_climb[call.id] = None

    def _believe(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        """Bring one call into the state the switch shows."""
        state, place = ours.state, theirs.place
        # A call the switch shows is not lost from sight, even where we cannot tell who has it.
        self._set_due(ours, Due.LOST, max(ours.deadlines[Due.LOST], self._now + LOST_AFTER))
        if place == "wait" and state is not CallState.WAITING and knows(state, m.CallerHeld(ours.id)):
            self._held(ours, m.CallerHeld(ours.id))
        elif place in ("offer", "talk") and state in (CallState.ARRIVED, CallState.WAITING):
            self._believe_offer(ours, theirs)
        elif place == "offer" and state is CallState.OFFERED:
            self._set_due(ours, Due.OFFER_EXPIRES, self._now + ours.queue.ring_for + GRACE)
        elif place == "talk" and state is CallState.OFFERED and ours.offer is not None:
            self._answered(ours, m.PartiesBridged(ours.id, ours.offer))
            self._talking(ours)
        elif place == "talk" and state is CallState.CONNECTED:
            self._talking(ours)
        elif place == "failsafe" and state is not CallState.FAILSAFE:
            self._on_taken_by_failsafe(m.CallTakenByFailsafe(ours.id, "found-there"))
        elif place == "transfer" and state in (CallState.ARRIVED, CallState.CONNECTED):
            ours.talked = True  # or nobody could have handed the caller on
            ours.line.t_ans = ours.line.t_ans or _not_before(ours.line.t_in, theirs.talked_at) or self._now
            self._hand_on(ours, m.CallTransferred(ours.id, "unknown", blind=True))
        elif place in ("overflow", "partner") and state is CallState.ARRIVED:
            self._believe_partner(ours, theirs)
        elif place == "partner" and state is CallState.DIVERTING and ours.partner is not None:
            # Answered while we could not see. In the line no longer, or an offer would tear the two apart.
            self._on_divert_answered(m.DivertAnswered(ours.id, ours.partner))
        elif place == "arriving" or state in (CallState.WAITING, CallState.CONNECTED, CallState.FAILSAFE):
            pass
        elif state is CallState.RETURNING:
            self._set_due(ours, Due.HELD_BY, self._now + HELD_WITHIN)
        elif state is CallState.DIVERTING:
            self._set_due(ours, Due.OFFER_EXPIRES, self._now + LOST_AFTER)

    def _believe_offer(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        """After a restart of ours: a phone rings, or two people talk, and we did not know."""
        agent = self._roster.at(theirs.phone)
        if agent is None or agent.call is not None or theirs.offer is None:
            # Somebody has the caller whom we cannot name. The dialplan will hold them again or they hang up.
            return
        if ours.state is CallState.ARRIVED:
            self._begin_wait(ours)
            self._move(ours, m.CallerHeld(ours.id))
            ours.line.t_q = ours.line.t_in
        self._move(ours, m.Offer(ours.id, theirs.offer, agent.agent.id, agent.agent.phone, ours.queue.ring_for))
        agent.deadlines.pop(Due.WRAP_UP_ENDS, None)
        ours.offer, ours.agent, agent.call = theirs.offer, agent.agent.id, ours.id
        ours.line.offers.append(OfferTried(theirs.offer, agent.agent.id, self._now, "open"))
        self._roster.set_work(agent, Work.OFFERED, "found ringing", self._now)
        self._set_due(ours, Due.OFFER_EXPIRES, self._now + ours.queue.ring_for + GRACE)
        if theirs.place == "talk":
            ours.line.t_ans = ours.line.t_ans or _not_before(ours.line.t_in, theirs.talked_at)
            self._answered(ours, m.PartiesBridged(ours.id, theirs.offer))
            # Counted when it happened, by whoever was there then.
            self._talking(ours, count=False)

    def _believe_partner(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        partner = self._directory.partner.get(theirs.partner) if theirs.partner else None
        if partner is None:
            return
        self._begin_wait(ours)
        self._move(ours, m.Divert(ours.id, partner.id, partner.numbers[0], partner.ring_for))
        ours.partner, ours.asked, ours.line.t_ovf = partner.id, partner.id, ours.line.t_in
        self._partners.sends(ours.id, partner.id, self._now)
        if theirs.place == "partner":
            self._on_divert_answered(m.DivertAnswered(ours.id, partner.id))
        else:
            self._set_due(ours, Due.OFFER_EXPIRES, self._now + partner.ring_for + GRACE)
            self._stand_in_line(ours)

    def _on_tick(self, signal: m.Tick) -> None:
        """Everything a tick is for happens in ``_expire`` and ``_settle``."""

    def _on_beat(self, signal: m.Beat) -> None:  # noqa: ARG002
        if self._switch_up:
            self._out.append(m.Heartbeat())


def _not_before(arrival: datetime, moment: datetime | None) -> datetime | None:
    """A channel remembers whole seconds, which may lie before the arrival in the same second."""
    return None if moment is None else max(arrival, moment)


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other


def _then(others: tuple[tuple[str, float], ...], form: str) -> str:
    return f" (then {', '.join(f'{name} {score:{form}} s' for name, score in others)})" if others else ""
