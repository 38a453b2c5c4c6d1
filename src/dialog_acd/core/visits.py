"""A caller's visit: how it begins at the door, is held, and ends in its one record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.floor import LOST_AFTER, REMEMBERED
from dialog_acd.core.ladder import is_for
from dialog_acd.core.lifecycle import CallState
from dialog_acd.core.live import Due, EndedCall, LiveCall
from dialog_acd.core.model import UNASSIGNED, EntryKind, OfferId
from dialog_acd.core.numbers import NumberKind, area_of
from dialog_acd.core.promises import Promise
from dialog_acd.core.records import PROMISED, Blame, CallRecord, Outcome, Result, Timeline, blame_for

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.directory import Resolution
    from dialog_acd.core.floor import Floor
    from dialog_acd.core.model import CallId, Entry, QueueId
    from dialog_acd.core.offers import Offers

FROM_OVERFLOW = OfferId("overflow")
"""What a caller who comes back from a partner comes back from."""
NO_TOWN_YET = "Ort?"
"""What the agent's phone shows in the place of the town, while that is the question."""
_ABANDONED_WHERE = {
    CallState.ARRIVED: "greeting",
    CallState.WAITING: "waiting",
    CallState.OFFERED: "ringing",
    CallState.RETURNING: "waiting",
    CallState.DIVERTING: "partner-ringing",
    CallState.CONNECTED: "connecting",
}


class Visits:
    """Callers come, are held, and leave. See the head of this file."""

    def __init__(self, floor: Floor, offers: Offers) -> None:
        self._floor, self._offers = floor, offers
        self._arrivals = 0
        self._left_early: dict[CallId, int] = {}
        """Causes of callers who hung up before we heard that they had come (two sockets, no order between them)."""

    def adopt(self, call_id: CallId, dialled: str, queue: QueueId | None, entered_at: datetime | None) -> LiveCall:
        """Take over a call we have never heard of: our memory of it is gone, or a signal was lost."""
        # A channel's memory of its arrival may be garbage, but never lies in the future.
        arrived = min(entered_at or self._floor.now, self._floor.now)
        found = self._floor.directory.entry_for(dialled, at=arrived)
        if queue is not None and found.entry.queue != queue:
            entry = self._floor.directory.entry_into(queue, arrived)
            found = replace(found, entry=entry or found.entry)
        call = self.new_call(call_id, found, arrived)
        call.dialled = dialled[:80]
        self.at_the_door(call)
        self._floor.out.append(m.PictureDiffered(call_id, "adopted"))
        return call

    def new_call(self, call_id: CallId, found: Resolution, arrived: datetime) -> LiveCall:
        self._arrivals += 1
        queue = self._floor.directory.queue[found.entry.queue]
        line = Timeline(arrived)
        # Not touched yet: a picture of the switch is younger than what we have read or been told about.
        call = LiveCall(call_id, found.entry, queue, (arrived, self._arrivals), line, arrived, arrived)
        call.emergency = found.number.kind is NumberKind.EMERGENCY
        call.candidates = found.entry.candidates
        self._floor.calls[call_id] = call
        self._floor.set_due(call, Due.LOST, self._floor.now + LOST_AFTER)
        return call

    def note_arrival(self, call: LiveCall, known: m.CallArrived | m.RememberCall) -> None:
        call.dialled, call.ani, call.caller_name = known.dialled[:80], known.ani, known.caller_name
        call.trunk, call.trunk_call_id = known.trunk, known.trunk_call_id
        call.diversion_reason = known.diversion_reason
        if known.diversion is not None:
            forwarded = self._floor.directory.number(known.diversion, known.trunk)
            call.diversion = forwarded.text if forwarded.kind is NumberKind.E164 else None
        call.test = call.test_at_door = self._floor.directory.is_test_caller(known.ani, known.trunk)
        if isinstance(known, m.RememberCall):
            call.named, call.test = known.named, known.test
            call.talked, call.served_by, call.counted = known.t_ans is not None, known.agent, known.counted
            call.asked, call.trigger = known.asked, known.trigger
            line = call.line
            line.t_ann_end, line.t_ans, line.t_ovf = known.t_ann_end, known.t_ans, known.t_ovf
            line.t_talk, line.talk_ms, line.wrap_ms = known.t_talk, known.talk_ms, known.wrap_ms

    def on_call_arrived(self, signal: m.CallArrived) -> None:
        call = self._floor.calls.get(signal.call)
        found = self._floor.directory.entry_for(signal.dialled, signal.trunk, at=self._floor.now)
        if call is None and signal.call in self._floor.ended:
            # We wrote this call off while the caller was still there. It cannot get a second record, so
            # Asterisk looks after it alone.
            self._floor.ignore(signal, "call already ended", signal.call)
            self._floor.out.append(m.Treat(signal.call, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
            return
        if call is None:
            call = self.new_call(signal.call, found, self._floor.now)
            self.note_arrival(call, signal)
            self._floor.out.append(m.CallOffered(call.id, call.town, call.queue.id, call.entry.kind, call.test_at_door))
            if not found.known and not found.awaited and not call.emergency:
                self._floor.out.append(m.NumberUnknown(call.id, call.dialled, call.test_at_door))
            self.at_the_door(call)
            if call.id in self._left_early:
                cause = self._left_early.pop(call.id)
                self._floor.out.append(m.Treat(call.id, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
                self.end(call, self.outcome(call, cause), cause)
                return
            call.from_partner = call.entry.kind is EntryKind.PARTNER_INBOUND
            call.refused = self._not_promised(call)
            self._floor.remember(call)
            self._floor.out.append(self._treatment(call, takes_offer=signal.takes_offer and self._floor.switch_up))
            return
        if call.state is CallState.FAILSAFE:
            # The question was asked before Asterisk gave up on us; failsafe is one-way, nobody is held from there.
            self._floor.ignore(signal, f"call is {call.state}", signal.call)
            self._floor.out.append(m.Treat(signal.call, m.Verdict.FAILSAFE, failsafe=found.entry.failsafe))
            return
        if call.state in (CallState.CONNECTED, CallState.DIVERTED):
            # An agent transferred the caller to a service number of ours: another town's queue, the old place.
            self._transfer_to(call, found.entry)
            call.emergency = found.number.kind is NumberKind.EMERGENCY
            call.heard |= frozenset(call.messages)
            call.transfer_landed, call.waiting_since, call.step = True, self._floor.now, 0
            self.at_the_door(call)
            self._floor.begin_wait(call)
        self._floor.out.append(self._treatment(call))

    def _transfer_to(self, call: LiveCall, entry: Entry) -> None:
        """By a transfer, the call stands where calls of this entry stand, and is counted as the one it was.

        Nobody hands on whom nobody has answered, also where the answer was not told.
        """
        call.counted = self._floor.counted(call)
        call.entry, call.queue = entry, self._floor.directory.queue[entry.queue]

    def at_the_door(self, call: LiveCall) -> None:
        at = max(call.waiting_since, call.line.t_in)
        self._floor.look_at_the_clock(call, at, at_the_door=True)
        call.came_in_time = not call.closed
        told = self._floor.switches.met(call.entry, at).prompts
        call.messages = tuple(prompt for prompt in told if prompt not in call.heard)

    def _not_promised(self, call: LiveCall) -> str:
        """Why a partner's call is not taken: more than was agreed, too few of us free, or it came from us."""
        entry = call.entry
        if entry.kind is not EntryKind.PARTNER_INBOUND:
            return ""
        others = [c for c in self._floor.calls.values() if c is not call and not c.refused]
        if call.ani is not None:
            read = self._floor.directory.number
            ani = read(call.ani, call.trunk)
            if any(c.partner is not None and c.ani is not None and read(c.ani, c.trunk) == ani for c in others):
                return "loop"
        here = [c for c in others if c.entry is entry]
        if entry.at_most is not None and len(here) >= entry.at_most:
            return "partner-limit"
        coming = sum(c.state is CallState.ARRIVED for c in here)
        if entry.spare and self._floor.roster.matching.free_for(call.queue.id, entry.tenant, 0) - coming <= entry.spare:
            return "none-to-spare"
        return ""

    def _verdict(self, call: LiveCall) -> m.Verdict:
        if call.emergency:
            return m.Verdict.EMERGENCY
        if call.refused:
            return m.Verdict.BUSY
        if call.closed and not any(r.trigger == call.closed and is_for(r, call.entry.kind) for r in call.queue.ladder):
            return m.Verdict.CLOSED
        return m.Verdict.HOLD

    def _treatment(self, call: LiveCall, *, takes_offer: bool = False) -> m.Treat:
        """The answer at the door. Where somebody is free and nothing must be heard before, it may be an offer."""
        town = call.shown_town
        tenant = self._floor.directory.tenant.get(town)  # gone with a new directory, perhaps
        label = tenant.label if tenant else ""
        if town == UNASSIGNED:
            label = f"115 {NO_TOWN_YET}" if call.entry.kind is EntryKind.SERVICE_115 else NO_TOWN_YET
        verdict = self._verdict(call)
        if verdict is m.Verdict.CLOSED and not call.trigger:
            call.trigger = call.closed
            self._floor.out.append(m.CallReleased(call.id, call.town, call.queue.id, call.closed))
        greeting = None if call.closed else call.entry.greeting
        messages = () if call.closed else tuple(f"acd/{prompt}" for prompt in call.messages)
        at_once = takes_offer and verdict is m.Verdict.HOLD and greeting is None and not messages
        return m.Treat(
            call.id,
            verdict,
            tenant=town,
            queue=call.queue.id,
            entered_at=call.line.t_in,
            max_wait_at=call.waiting_since + call.queue.max_wait,
            patience=call.queue.max_wait,
            ring_for=call.queue.ring_for,
            greeting=greeting,
            messages=messages,
            announcement=call.entry.announcement,
            music=call.queue.music,
            label=label,
            caller_name=call.caller_name,
            ani=call.ani,
            failsafe=call.entry.failsafe,
            closed=call.closing_words,
            opens_at=call.opens_at,
            offer=self._offers.at_the_door(call) if at_once else None,
        )

    def on_greeting_ended(self, signal: m.GreetingEnded) -> None:
        call = self._floor.calls.get(signal.call)
        if call is None:
            self._floor.ignore(signal, "unknown call", signal.call)
        elif call.line.t_ann_end is None:
            call.line.t_ann_end = self._floor.now

    def on_caller_held(self, signal: m.CallerHeld) -> None:
        if signal.call not in self._floor.calls:
            if signal.call in self._floor.ended:
                self.still_here(signal.call)
            else:
                self.adopt(signal.call, "", signal.queue, signal.entered_at)
        call = self._floor.live(signal, signal.call)
        if call is None:
            return
        if call.state is CallState.RELEASED or (call.state is CallState.DIVERTING and signal.after != FROM_OVERFLOW):
            self._floor.ignore(signal, "from before the last order", call.id)
            return
        occupied = call.state is CallState.OFFERED or (call.state is CallState.CONNECTED and not call.transfer_landed)
        if occupied and signal.after != call.offer:
            # Told before the offer that now rings: believing it would chase the caller out of that offer.
            self._floor.ignore(signal, "from before the offer in force", call.id)
            return
        self.held(call, signal)

    def still_here(self, call: CallId) -> None:
        """Written off, and waiting all the same: there is no second record, so Asterisk looks after them alone."""
        self._floor.out.append(m.PictureDiffered(call, "written off, and waiting"))
        self._floor.out.append(m.ToFailsafe(call))

    def held(self, call: LiveCall, signal: m.CallerHeld) -> None:
        before = call.state
        if call.asking is not None and before is not CallState.WAITING:
            # Cut short by a phone that nobody answered: the callback is offered again.
            call.climbed = {place: again for place, again in call.climbed.items() if place != call.asking}
        call.saying_until = call.asking = None  # after a prompt, or after what has cut it short
        if before is CallState.WAITING:
            self._floor.to_climb[call.id] = None
            return
        if before in (CallState.OFFERED, CallState.CONNECTED):
            self._offers.let_go(call, m.OfferFailure.NOT_TALKED if before is CallState.CONNECTED else None)
        first = call.line.t_q is None
        again = before is CallState.DIVERTED or (before is CallState.CONNECTED and call.talked)
        if again:
            # A conversation was no waiting: the limits of the wait begin anew, the place does not.
            call.waiting_since, call.step = self._floor.now, 0
        if before is CallState.DIVERTED and signal.queue is not None and signal.queue != call.queue.id:
            self.land(call, signal.queue)
        if first or again:
            self._floor.begin_wait(call)
        self._floor.move(call, signal)
        call.holds_ordered = 0
        call.line.t_q = call.line.t_q or self._floor.now
        self._floor.stand_in_line(call)
        call.hung_up_first = "unknown"  # whoever transferred the caller did not end the call
        if before is CallState.DIVERTED and not call.transfer_landed:
            # The target did not take the caller, who therefore went nowhere.
            call.transferred_to = call.transfer_blind = None
        if first:
            self._floor.out.append(m.CallQueued(call.id, call.queue.id, call.ahead + 1))

    def land(self, call: LiveCall, queue: QueueId) -> None:
        """An announced transfer into another queue of ours: the caller stands where the agent stood.

        Or a transfer before our restart: the channel knows where it led, what we remember is the door.
        """
        entry = self._floor.directory.entry_into(queue, self._floor.now)
        if entry is not None:
            self._transfer_to(call, entry)
            call.transfer_landed = True

    def on_caller_hung_up(self, signal: m.CallerHungUp) -> None:
        if signal.call not in self._floor.calls and signal.call not in self._floor.ended:
            self._left_early[signal.call] = signal.cause
            if len(self._left_early) > REMEMBERED:
                del self._left_early[next(iter(self._left_early))]
        call = self._floor.live(signal, signal.call)
        if call is not None:
            self.end(call, self.outcome(call, signal.cause), signal.cause)

    def outcome(self, call: LiveCall, cause: int) -> Outcome:
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
        if call.closed and not call.came_in_time and self._nobody_was_asked(call):
            return Outcome(Result.CLOSED, call.closed, Blame.NOBODY)
        if call.state is CallState.RELEASED:
            return Outcome(Result.RELEASED, call.released_for, Blame.US)
        return Outcome(Result.ABANDONED, _ABANDONED_WHERE[call.state], blame_for(cause))

    def _nobody_was_asked(self, call: LiveCall) -> bool:
        """Of who came out of hours: is still told so, was told so, or is offered a callback instead of a person."""
        if call.state is not CallState.WAITING:
            return call.state in (CallState.ARRIVED, CallState.RELEASED)
        waits_for_somebody = call.also is not None or any(call.id in calls for calls in self._floor.blocked.values())
        return call.line.t_ovf is None and not call.line.offers and not waits_for_somebody

    def end(self, call: LiveCall, outcome: Outcome, cause: int) -> None:
        """Close a call: free whom it occupies, write its one record."""
        if call.wants_callback and not call.owed:
            # The key was pressed, and before anybody answered the caller was gone, sure of a call.
            self._floor.promise(call)
        promise: Promise | None = None
        if call.owed and call.state is not CallState.DIVERTED and call.failsafe_answered_by is None:
            # Whatever ended it, even if nobody saw how: we owe this caller a call.
            if call.callback_at is not None and call.due_at is not None:
                promise = Promise(call.callback_at, call.due_at)
            outcome = Outcome(Result.CALLBACK, PROMISED if call.came_in_time else call.closed or PROMISED, Blame.NOBODY)
        abandoned = outcome.result is Result.ABANDONED
        if call.agent is not None:
            if self._offers.talks(call):
                call.hung_up_first = "caller" if call.hung_up_first == "unknown" else call.hung_up_first
                self._offers.wrap_up(call)
            else:
                self._offers.note_offer(call, m.OfferFailure.CALLER_GONE)
                self._offers.free(call, "caller gone")
        self.conversation_over(call)
        if not call.talked:
            # Picked up is not yet answered: the caller may have left during the announcement to the agent.
            call.line.t_ans = None
        if abandoned:
            call.hung_up_first = "caller"
        self._floor.leave_line(call)
        if not call.talked and call.line.t_ovf_ans is None and call.line.t_q is not None and not call.test:
            self._floor.outlook.left(
                call.queue.id, self._floor.now - call.waiting_since, self._floor.now, gave_up=abandoned
            )
            counts = outcome.result in (Result.ABANDONED, Result.RELEASED, Result.FAILSAFE)
            if counts or (outcome.result is Result.CALLBACK and outcome.reason == PROMISED):
                self._floor.count(call, in_time=False)
        partner = call.partner if call.line.t_ovf_ans is not None else None
        self._floor.back_from_partner(call)
        for blocked in self._floor.blocked.values():
            blocked.pop(call.id, None)
        self._floor.to_climb.pop(call.id, None)
        call.state = CallState.ENDED
        call.deadlines.clear()
        del self._floor.calls[call.id]
        self._floor.note_end(call.id, EndedCall(call.town, call.candidates, self._floor.now, call.test, promise))
        line, counted = call.line, self._floor.counted(call)
        caller = None if call.ani is None else self._floor.directory.number(call.ani, call.trunk)
        # The same caller on two trunks is the same caller.
        ani = caller.text if caller is not None and caller.kind is NumberKind.E164 else call.ani
        agent = self._floor.directory.agent.get(call.served_by) if call.served_by else None
        record = CallRecord(
            call=call.id, tenant=call.town, queue=counted.queue, kind=counted.kind,
            dialled=call.dialled, ani=ani, trunk=call.trunk, trunk_call_id=call.trunk_call_id,
            t_in=line.t_in, t_ann_end=line.t_ann_end, t_q=line.t_q, t_ans=line.t_ans, t_end=self._floor.now,
            t_wrap_end=line.t_wrap_end, t_leave=self._floor.now if abandoned else None, t_ovf=line.t_ovf,
            t_ovf_ans=line.t_ovf_ans, t_failsafe=line.t_failsafe, agent=call.served_by, partner=partner,
            transferred_to=call.transferred_to, transfer_blind=call.transfer_blind,
            failsafe_answered_by=call.failsafe_answered_by, hung_up_first=call.hung_up_first, cause=cause,
            outcome=outcome,
            in_time=line.t_ans is not None and counted.in_time(line.t_ans - line.t_in),
            offers=tuple(line.offers), overflow_trigger=call.trigger if call.asked else "",
            overflow_partner=call.asked, rungs=call.rungs, t_callback=call.callback_at,
            t_due=promise.due_at if promise else None,
            diversion=call.diversion, diversion_reason=call.diversion_reason, candidates=call.candidates,
            test=call.test, entry=counted.entry, target_ms=counted.target_ms,
            target_share=counted.target_share, team=agent.team if agent else None,
            caller_area=None if caller is None else area_of(caller),
            talk_ms=line.talk_ms, wrap_ms=line.wrap_ms,
        )  # fmt: skip
        if abandoned:
            self._floor.out.append(
                m.CallAbandoned(
                    call.id, call.town, record.queue, record.kind, self._floor.now - line.t_in, call.test_at_door
                )
            )
        self._floor.out += [m.SaveRecord(record), m.CallEnded(record)]

    def conversation_over(self, call: LiveCall) -> None:
        """One that began before our restart, with somebody whom nothing ties to the call any more."""
        if call.agent is None:
            call.line.talked(self._floor.seen_until(), call.queue.wrap_up_for)

    def on_taken_by_failsafe(self, signal: m.CallTakenByFailsafe) -> None:
        if signal.call not in self._floor.calls and signal.call not in self._floor.ended:
            self.adopt(signal.call, signal.dialled, None, None)
        call = self._floor.live(signal, signal.call)
        if call is None or call.state is CallState.FAILSAFE:
            return
        if self._offers.talks(call):
            self._offers.wrap_up(call)
        elif call.agent is not None:
            self._offers.note_offer(call, m.OfferFailure.CALLER_GONE)
            self._offers.free(call, "failsafe")
        self._floor.move(call, signal)
        call.failsafe_why, call.line.t_failsafe = signal.why, self._floor.now
        self._floor.out.append(m.FailsafeEntered(call.id, call.town, call.queue.id, signal.why, call.test_at_door))

    def on_failsafe_answered(self, signal: m.FailsafeAnswered) -> None:
        call = self._floor.calls.get(signal.call)
        if call is None or call.state is not CallState.FAILSAFE:
            self._floor.ignore(signal, "call is not in failsafe", signal.call)
        else:
            call.failsafe_answered_by = signal.by
