"""The floor of the centre: what is alive on it, and the few moves by which that changes.

Everybody who decides something (``visits.py``, ``offers.py``, ``overflow.py``, ``resync.py``) works on this one picture
and changes what must hold together only through these moves: a call's state and its deadlines, its place in the
matching and the length of the line, a call with a partner and the channel it occupies there. What concerns one room
alone, such as how far up its ladder a call has come, that room writes itself.

The floor decides nothing. Each of its attributes is public to the rooms around it, and to nobody else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from dialog_acd.core import messages as m
from dialog_acd.core.ladder import AGAIN, CIRCUIT_OPEN, PartnerBook
from dialog_acd.core.lifecycle import CallState, advance, knows
from dialog_acd.core.live import UNTRIED, Agenda, Due, EndedCall, LiveAgent, LiveCall
from dialog_acd.core.outlook import Debt, Outlook
from dialog_acd.core.records import Counted
from dialog_acd.core.roster import Roster
from dialog_acd.core.switches import SwitchBook, opening, reopens_at

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import AgentId, CallId, Partner, PartnerId, QueueId

GRACE = timedelta(seconds=2)
"""Asterisk's ``Dial`` timeout fires first; ours is for the day Asterisk is silent."""
HELD_WITHIN = timedelta(seconds=5)
"""After a failed offer the dialplan needs milliseconds to hold the caller again."""
LOST_AFTER = timedelta(minutes=5)
"""A call in passing (arriving, returning) of which nothing more is heard."""
LONGEST_TALK = timedelta(hours=4, minutes=5)
"""The dialplan ends every call after four hours (``TIMEOUT(absolute)``)."""
FAILSAFE_LONGEST = timedelta(hours=1)
CLOSING_SOON = timedelta(minutes=5)
"""So long before closing, who still waits is looked at once more: will they be served?"""
REMEMBERED = 10_000
"""Ended calls whose late signals are still recognised as such, and whose town can be named without their record."""
_WITH_US = frozenset({CallState.WAITING, CallState.OFFERED, CallState.RETURNING, CallState.FAILSAFE})


class Floor:
    """What is alive. See the head of this file."""

    def __init__(self, directory: Directory, now: datetime) -> None:
        self.directory = directory
        self.now = now
        """The moment of the signal in hand."""
        self.out: list[m.Order | m.Notice] = []
        """What follows from the signal in hand."""
        self.switch_up = False
        self.calls: dict[CallId, LiveCall] = {}
        self.ended: dict[CallId, EndedCall] = {}
        """The last of those that are gone: their late signals are still recognised as such."""
        self.outlook, self.debt = Outlook(), Debt(now)
        self.partners = PartnerBook()
        self.blocked: dict[PartnerId, dict[CallId, None]] = {}
        """Calls that would go to a partner who has no channel left, oldest request first."""
        self.to_climb: dict[CallId, None] = {}
        """Waiting calls whose ladder is to be tried, because something may have changed for them."""
        self.switches = SwitchBook()
        self.unseen_since: datetime | None = None
        """Since when we cannot see what the switch does; ``None``: we can, or nobody knows."""
        self.agenda: Agenda[LiveCall | LiveAgent] = Agenda(self._owner)
        self.roster = Roster(directory, now, self.tell, self.set_due)

    def begin(self, now: datetime) -> None:
        """A signal has come."""
        self.out, self.now = [], now
        if now >= self.debt.day_ends:
            for queue, tenant in self.debt.new_day(now):
                self.roster.matching.help_town(queue, tenant, 0.0)

    def remember(self, call: LiveCall) -> None:
        """Have what is known of a call kept beyond a restart of ours, until its record is safe."""
        self.out.append(
            m.RememberCall(
                call.id, call.dialled, call.ani, call.caller_name, call.trunk, call.trunk_call_id, call.line.t_in,
                call.callback_at, call.diversion, call.diversion_reason, call.named, call.test, call.line.t_ann_end,
                call.line.t_ans if call.talked else None, call.served_by, call.line.t_talk if call.talked else None,
                call.line.talk_ms, call.line.wrap_ms, call.line.t_ovf, call.asked, call.trigger, call.counted,
            )
        )  # fmt: skip

    def seen_until(self) -> datetime:
        """How long a conversation is known to have gone on that we find over. What nobody saw is nobody's work: an
        outage over a weekend must be in no bill.
        """
        return self.now if self.unseen_since is None else min(self.unseen_since, self.now)

    def note_end(self, call: CallId, known: EndedCall) -> None:
        """What may still be asked of a call that is gone."""
        self.ended[call] = known
        if len(self.ended) > REMEMBERED:
            del self.ended[next(iter(self.ended))]

    def tell(self, output: m.Order | m.Notice) -> None:
        self.out.append(output)

    def set_due(self, owner: LiveCall | LiveAgent, due: Due, at: datetime) -> None:
        owner.deadlines[due] = at
        if owner.noted is not None and owner.noted <= at:
            return
        if isinstance(owner, LiveCall):
            self.agenda.note(at, agents=False, name=owner.id, owner=owner)
        else:
            self.agenda.note(at, agents=True, name=owner.agent.id, owner=owner)

    def _owner(self, agents: bool, name: str) -> LiveCall | LiveAgent | None:
        return self.roster.get(cast("AgentId", name)) if agents else self.calls.get(cast("CallId", name))

    def move(self, call: LiveCall, message: m.Signal | m.Order) -> None:
        """Change a call's state by the table, and whatever depends on the state alone."""
        call.state = advance(call.state, message)
        call.touched_at = self.now
        self.leave_line(call)
        state = call.state
        if len(call.deadlines) > 1:  # one of them is LOST
            for due in (Due.OFFER_EXPIRES, Due.HELD_BY, Due.PAUSE_ENDS):
                call.deadlines.pop(due, None)
        if call.partner is not None and state in _WITH_US:
            # Whoever is back with us is not the partner's: a later transfer must not count as overflow.
            self.back_from_partner(call)
        if state is CallState.WAITING:
            # The dialplan itself ends the wait at max_wait; a minute later we stop believing in the call.
            lost_at = max(call.waiting_since + call.queue.max_wait + timedelta(minutes=1), self.now + LOST_AFTER)
        elif state in (CallState.CONNECTED, CallState.DIVERTED):
            lost_at = self.now + LONGEST_TALK
        elif state is CallState.FAILSAFE:
            lost_at = self.now + FAILSAFE_LONGEST + LONGEST_TALK
        else:
            lost_at = self.now + LOST_AFTER
        self.set_due(call, Due.LOST, lost_at)

    def stand_in_line(self, call: LiveCall) -> None:
        """The call may be matched; whoever finds us closed is only looked after by the ladder."""
        self.to_climb[call.id] = None
        if call.closed and call.also is None:
            return
        if call.id not in self.roster.matching:
            self.line(call, 1)
        place = (call.place[0].timestamp(), call.place[1])
        self.roster.matching.waits(call.id, call.queue.id, call.entry.tenant, call.step, place, call.also)

    def leave_line(self, call: LiveCall) -> None:
        if call.id in self.roster.matching:
            self.roster.matching.leaves(call.id)
            self.line(call, -1)

    def line(self, call: LiveCall, change: int) -> None:
        """The line of which waits are learnt has one caller more, or fewer. Test calls do not stand in it."""
        if not call.test:
            self.outlook.line(call.queue.id, change, self.now)

    def begin_wait(self, call: LiveCall) -> None:
        """A wait begins, the first or one after a conversation: its steps, its ladder and its limits begin anew."""
        call.climbed, call.rung, call.also, call.numbers_tried = UNTRIED, None, None, 0
        call.forecast = call.told = None
        call.told_closing = False
        call.deadlines.pop(Due.LADDER, None)
        call.ahead = self.roster.matching.waiting_in(call.queue.id)
        self.arm_step(call)

    def arm_step(self, call: LiveCall) -> None:
        """Which of the queue's steps the wait has come to, and when the next begins.

        It goes by the wait alone: also while a phone rings that nobody answers.
        """
        steps, waited = call.queue.steps, self.now - call.waiting_since
        while call.step + 1 < len(steps) and steps[call.step + 1].after <= waited:
            call.step += 1
        call.deadlines.pop(Due.STEP, None)
        if call.step + 1 < len(steps):
            self.set_due(call, Due.STEP, call.waiting_since + steps[call.step + 1].after)

    def live(self, signal: m.Signal, call_id: CallId) -> LiveCall | None:
        """The call a signal is about, if the signal means anything to it now; else the signal is ignored."""
        call = self.calls.get(call_id)
        if call is None:
            self.ignore(signal, "call already ended" if call_id in self.ended else "unknown call", call_id)
            return None
        if not knows(call.state, signal):
            self.ignore(signal, f"call is {call.state}", call_id)
            return None
        return call

    def ignore(self, signal: m.Signal, why: str, about: str = "") -> None:
        self.out.append(m.Ignored(type(signal).__name__, why, about))

    def look_at_the_clock(self, call: LiveCall, at: datetime, *, at_the_door: bool = False) -> None:
        """Whether the number is served at this moment: the arrival, as a rule. Whoever came in time is served.

        A closure turns away at the door alone. Who is turned away later, for the hour, hears of it all the same.
        """
        calendar = self.directory.calendar.get(call.entry.calendar) if call.entry.calendar is not None else None
        closure = self.switches.met(call.entry, at).closure
        found, call.closure = opening(calendar, closure if at_the_door else None, at), None
        if found is None:
            call.closed, call.opens_at, call.closes_at = "", None, None
            call.deadlines.pop(Due.CLOSING, None)
            return
        call.closed = "" if found.open else found.why.value
        call.opens_at, call.closes_at = found.opens_at, found.closes_at
        if closure is not None and call.closed:
            call.closure, call.opens_at = closure, reopens_at(calendar, closure)
        if call.closes_at is not None:
            soon = call.closes_at - CLOSING_SOON
            self.set_due(call, Due.CLOSING, soon if soon > self.now else call.closes_at)

    def count(self, call: LiveCall, *, in_time: bool) -> None:
        """One call more of the day's service level; its town's head start follows from that."""
        if call.test:
            return
        tenant = call.entry.tenant
        short = self.debt.count(call.queue.id, tenant, self.counted(call).target_share, in_time=in_time)
        self.roster.matching.help_town(call.queue.id, tenant, short)

    def counted(self, call: LiveCall) -> Counted:
        """As what it is counted, by the contract in force on the day of its arrival."""
        if call.counted is not None:
            return call.counted
        entry, queue = call.entry, call.queue
        target = self.directory.target(entry, queue, call.line.t_in)
        within_ms = target.within // timedelta(milliseconds=1)
        return Counted(entry.tenant, entry.number, entry.kind, queue.id, within_ms, target.share)

    def rings_at(self, call: LiveCall, partner: Partner) -> None:
        """The call is with a partner, who may ring for a long time: nobody has lost sight of it meanwhile."""
        call.partner = partner.id
        self.partners.sends(call.id, partner.id, self.now)
        self.set_due(call, Due.LOST, self.now + partner.ring_for + LOST_AFTER)
        self.set_due(call, Due.OFFER_EXPIRES, self.now + partner.ring_for + GRACE)

    def back_from_partner(self, call: LiveCall, failed: str = "", *, at_fault: bool = True) -> None:
        """The call is not with a partner any more; the channel there is free, for whoever asked for one first.

        ``failed``: why the partner did not take it, and whether that is to be held against the partner.
        """
        partner = call.partner
        if partner is None:
            return
        call.partner = None
        if not failed or not at_fault:
            self.partners.ends(call.id)
        elif self.partners.failed(call.id, self.now):
            self.out.append(m.PartnerShut(partner, self.now + CIRCUIT_OPEN))
        if failed:
            self.out.append(m.DivertMissed(call.id, call.queue.id, partner, failed))
            call.numbers_tried += 1
            asked = self.directory.partner.get(partner)
            if call.rung is not None and (asked is None or call.numbers_tried >= len(asked.numbers)):
                call.climbed, call.rung = {**call.climbed, call.rung: self.now + AGAIN}, None
        self.wake(partner)

    def wake(self, partner: PartnerId) -> None:
        """Something has changed at a partner: whoever waits for it asks again, who asked first the first."""
        self.to_climb.update(self.blocked.get(partner, {}))

    def look_again(self, queue: QueueId | None = None) -> None:
        """Something has changed for all who wait (there)."""
        for call in self.calls.values():
            if call.state is CallState.WAITING and (queue is None or call.queue.id == queue):
                self.to_climb[call.id] = None
