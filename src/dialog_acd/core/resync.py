"""The picture of the switch, and how what we believe is brought into line with it.

After a restart of ours, a lost link, or a lost signal, the switch knows better than we do who is there and who has
them. What we learnt of a call after the picture began to be taken is younger than it and stands. A call in the picture
that we never heard of is taken over; one of ours that it does not show is gone, and nobody saw how: that is never
counted as an abandonment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.floor import GRACE, HELD_WITHIN, LOST_AFTER
from dialog_acd.core.lifecycle import CallState, PhoneState, Work, knows
from dialog_acd.core.live import Due
from dialog_acd.core.model import EntryKind
from dialog_acd.core.records import Blame, OfferTried, Outcome, Result

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.floor import Floor
    from dialog_acd.core.live import LiveCall
    from dialog_acd.core.offers import Offers
    from dialog_acd.core.overflow import Overflow
    from dialog_acd.core.visits import Visits


class Resync:
    """Lost from sight, and seen again. See the head of this file."""

    def __init__(self, floor: Floor, visits: Visits, offers: Offers, overflow: Overflow) -> None:
        self._floor, self._visits, self._offers, self._overflow = floor, visits, offers, overflow

    def on_switch_lost(self, signal: m.SwitchLost) -> None:  # noqa: ARG002  there is one switch
        if self._floor.switch_up:
            self._floor.unseen_since = self._floor.now
        self._floor.switch_up = False
        for call in self._floor.calls.values():
            # Offers ring on without us; their deadlines stand still until we can see again.
            for due in (Due.OFFER_EXPIRES, Due.HELD_BY):
                call.deadlines.pop(due, None)

    def on_switch_found(self, signal: m.SwitchFound) -> None:
        self._floor.switch_up = True
        for phone, state in signal.phones:
            if (agent := self._floor.roster.at(phone)) is not None:
                self._floor.roster.set_phone(agent, PhoneState(state))
        seen = {c.call for c in signal.calls}
        for call in [c for c in self._floor.calls.values() if c.id not in seen and c.touched_at <= signal.at]:
            self._floor.out.append(m.PictureDiffered(call.id, "gone"))
            outcome = self._visits.outcome(call, 0)
            if outcome.result is Result.ABANDONED:
                # Nobody saw how this ended: perhaps somebody answered. An abandonment would be our invention.
                outcome = Outcome(Result.FAILED, "lost-sight", Blame.UNKNOWN)
            self._visits.end(call, outcome, 0)
        for theirs in signal.calls:
            ours = self._floor.calls.get(theirs.call)
            if ours is None:
                if (ended := self._floor.ended.get(theirs.call)) is not None:
                    # Not one who hung up while the picture was taken.
                    if theirs.place == "wait" and ended.ended_at <= signal.at:
                        self._visits.still_here(theirs.call)
                    continue
                ours = self._visits.adopt(theirs.call, "", theirs.queue, theirs.entered_at)
            elif ours.touched_at > signal.at:
                continue
            self._believe(ours, theirs)
        self._floor.unseen_since = None
        for call in self._floor.calls.values():
            self._wind_up(call)
        if not signal.audit:
            self.keep_failsafe()
            # At once, not with the next beat: until it is there, every caller goes to failsafe.
            self._floor.out.append(m.Heartbeat())

    def _wind_up(self, call: LiveCall) -> None:
        """We can see again: deadlines that stood still in the dark run on, whatever the picture said."""
        if call.state is CallState.OFFERED and Due.OFFER_EXPIRES not in call.deadlines:
            self._floor.set_due(call, Due.OFFER_EXPIRES, self._floor.now + call.queue.ring_for + GRACE)
        elif call.state is CallState.DIVERTING and Due.OFFER_EXPIRES not in call.deadlines:
            self._floor.set_due(call, Due.OFFER_EXPIRES, self._floor.now + LOST_AFTER)
        elif call.state is CallState.RETURNING and Due.HELD_BY not in call.deadlines:
            self._floor.set_due(call, Due.HELD_BY, self._floor.now + HELD_WITHIN)
        elif call.state is CallState.WAITING:
            self._floor.to_climb[call.id] = None

    def _believe(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        """Bring one call into the state the switch shows."""
        state, place = ours.state, theirs.place
        # A call the switch shows is not lost from sight, even where we cannot tell who has it.
        self._floor.set_due(ours, Due.LOST, max(ours.deadlines[Due.LOST], self._floor.now + LOST_AFTER))
        if place not in ("talk", "arriving"):
            self._visits.conversation_over(ours)
        if state is CallState.ARRIVED and ours.talked and theirs.queue not in (None, ours.queue.id):
            self._visits.land(ours, theirs.queue)
        if place == "wait" and state is not CallState.WAITING and knows(state, m.CallerHeld(ours.id)):
            self._visits.held(ours, m.CallerHeld(ours.id))
        elif place in ("offer", "talk") and state in (CallState.ARRIVED, CallState.WAITING):
            self._believe_offer(ours, theirs)
        elif place == "offer" and state is CallState.OFFERED:
            self._floor.set_due(ours, Due.OFFER_EXPIRES, self._floor.now + ours.queue.ring_for + GRACE)
        elif place == "talk" and state is CallState.OFFERED and ours.offer is not None:
            self._offers.answered(ours, m.PartiesBridged(ours.id, ours.offer))
            self._offers.talking(ours)
        elif place == "talk" and state is CallState.CONNECTED:
            self._offers.talking(ours)
        elif place == "failsafe" and state is not CallState.FAILSAFE:
            self._visits.on_taken_by_failsafe(m.CallTakenByFailsafe(ours.id, "found-there"))
        elif place == "transfer" and state in (CallState.ARRIVED, CallState.CONNECTED):
            ours.talked = True  # or nobody could have handed the caller on
            ours.line.t_ans = ours.line.t_ans or _not_before(ours.line.t_in, theirs.talked_at) or self._floor.now
            if state is CallState.ARRIVED and ours.line.talk_ms is None:
                # Nobody knows since when the office has the caller.
                ours.line.t_talk = ours.line.t_ans
                ours.line.talked(self._floor.seen_until(), timedelta())
            self._offers.hand_on(ours, m.CallTransferred(ours.id, "unknown", blind=True))
        elif place in ("overflow", "partner") and state is CallState.ARRIVED:
            self._believe_partner(ours, theirs)
        elif place == "partner" and state is CallState.DIVERTING and ours.partner is not None:
            # Answered while we could not see. In the line no longer, or an offer would tear the two apart.
            at = _not_before(ours.line.t_ovf or ours.line.t_in, theirs.talked_at)
            self._overflow.on_divert_answered(m.DivertAnswered(ours.id, ours.partner, at))
        elif place == "arriving" or state in (CallState.WAITING, CallState.CONNECTED, CallState.FAILSAFE):
            pass
        elif state is CallState.RETURNING:
            self._floor.set_due(ours, Due.HELD_BY, self._floor.now + HELD_WITHIN)
        elif state is CallState.DIVERTING:
            self._floor.set_due(ours, Due.OFFER_EXPIRES, self._floor.now + LOST_AFTER)

    def _believe_offer(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        """After a restart of ours: a phone rings, or two people talk, and we did not know."""
        agent = self._floor.roster.at(theirs.phone)
        if agent is None or agent.call is not None or theirs.offer is None:
            # Somebody has the caller whom we cannot name. The dialplan will hold them again or they hang up.
            return
        if ours.state is CallState.ARRIVED:
            self._floor.begin_wait(ours)
            self._floor.move(ours, m.CallerHeld(ours.id))
            ours.line.t_q = ours.line.t_in
        self._floor.move(ours, m.Offer(ours.id, theirs.offer, agent.agent.id, agent.agent.phone, ours.queue.ring_for))
        agent.deadlines.pop(Due.WRAP_UP_ENDS, None)
        ours.offer, ours.agent, agent.call = theirs.offer, agent.agent.id, ours.id
        ours.line.offers.append(OfferTried(theirs.offer, agent.agent.id, self._floor.now, "open"))
        self._floor.roster.set_work(agent, Work.OFFERED, "found ringing", self._floor.now)
        self._floor.set_due(ours, Due.OFFER_EXPIRES, self._floor.now + ours.queue.ring_for + GRACE)
        if theirs.place == "talk":
            began = _not_before(ours.line.t_in, theirs.talked_at)
            ours.line.t_ans = ours.line.t_ans or began
            self._offers.answered(ours, m.PartiesBridged(ours.id, theirs.offer))
            ours.line.t_talk = began or ours.line.t_talk
            # Counted when it happened, by whoever was there then.
            self._offers.talking(ours, count=False)

    def _believe_partner(self, ours: LiveCall, theirs: m.SwitchCall) -> None:
        partner = self._floor.directory.partner.get(theirs.partner) if theirs.partner else None
        if partner is None:
            return
        self._floor.begin_wait(ours)
        self._floor.move(ours, m.Divert(ours.id, partner.id, partner.numbers[0], partner.ring_for))
        ours.partner, ours.asked, ours.line.t_ovf = partner.id, partner.id, ours.line.t_ovf or ours.line.t_in
        self._floor.partners.sends(ours.id, partner.id, self._floor.now)
        if theirs.place == "partner":
            at = _not_before(ours.line.t_in, theirs.talked_at)
            self._overflow.on_divert_answered(m.DivertAnswered(ours.id, partner.id, at))
        else:
            self._floor.set_due(ours, Due.OFFER_EXPIRES, self._floor.now + partner.ring_for + GRACE)
            self._floor.stand_in_line(ours)

    def keep_failsafe(self) -> None:
        """Tell the switch all that it must know on the day we are not there.

        It knows no dates: what is active now is told, and again whenever a date has passed.
        """
        directory = self._floor.directory
        entries = (e for e in directory.active_entries(self._floor.now) if e.kind is not EntryKind.CATCH_ALL)
        numbers = []
        for entry in entries:
            numbers.append((entry.number, entry.block, entry.failsafe))
            if entry.kind is EntryKind.SERVICE_115:
                # As a trunk may write it; the dialplan knows no area codes.
                codes = {(t.country_code, code) for t in directory.trunks for code in ("", t.area_code)}
                numbers += [(f"+{country}{code}115", False, entry.failsafe) for country, code in sorted(codes)]
        profiles = tuple((p, directory.partner[p.partner] if p.partner else None) for p in directory.failsafe_profiles)
        self._floor.out.append(m.KeepFailsafe(profiles, tuple(numbers), directory.catch_all.failsafe))


def _not_before(arrival: datetime, moment: datetime | None) -> datetime | None:
    """A channel remembers whole seconds, which may lie before the arrival in the same second."""
    return None if moment is None else max(arrival, moment)
