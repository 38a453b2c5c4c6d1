"""Offers to agents, and the conversations they become.

A caller and an agent are tied to each other from the offer until the conversation is over, and nowhere else is that
tie made or broken. An offer ends in one of three ways: the two talk (``talked``; picked up is not enough), it fails
through somebody (who does not answer is taken out of the round), or it fails through nobody (the caller is gone).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from dialog_acd.core import messages as m
from dialog_acd.core.floor import GRACE, HELD_WITHIN
from dialog_acd.core.lifecycle import CallState, Intent, Work, knows
from dialog_acd.core.live import Due
from dialog_acd.core.records import MOST_OFFERS, OfferTried

if TYPE_CHECKING:
    from dialog_acd.core.floor import Floor
    from dialog_acd.core.live import LiveAgent, LiveCall
    from dialog_acd.core.matching import Match
    from dialog_acd.core.model import OfferId


class IdSource(Protocol):
    def offer(self) -> OfferId:
        """A new offer id: decimal digits, never used before, also not before a restart."""
        ...


class Offers:
    """Who rings for whom. See the head of this file."""

    def __init__(self, floor: Floor, ids: IdSource) -> None:
        self._floor, self._ids = floor, ids

    def at_the_door(self, call: LiveCall) -> m.Offer | None:
        """The answer to the question of a caller for whom somebody is free: that phone rings at once, and one way to
        the switch and back is saved. ``None``: they are to wait.

        They stand in line for this moment like all others, so nobody is passed over who waits already.
        """
        floor = self._floor
        floor.stand_in_line(call)
        made: m.Offer | None = None
        matching = floor.roster.matching
        while made is None and matching.stirred and (match := matching.next(floor.now.timestamp())) is not None:
            order = self.offer(match)
            if match.call == call.id:
                made = order
            else:
                floor.out.append(order)
        floor.to_climb.pop(call.id, None)
        if made is None:
            floor.leave_line(call)
        else:
            floor.begin_wait(call)
            call.line.t_q = floor.now
        return made

    def offer(self, match: Match) -> m.Offer:
        """The order is the caller's to give."""
        call, agent = self._floor.calls[match.call], self._floor.roster[match.agent]
        ring_for, why = call.queue.ring_for, self._reason(call, match)
        self._floor.line(call, -1)  # the matching has taken the call out already
        order = m.Offer(call.id, self._ids.offer(), agent.agent.id, agent.agent.phone, ring_for)
        call.offered_from = call.partner
        self._floor.move(call, order)
        call.offer, call.agent = order.offer, agent.agent.id
        if len(call.line.offers) >= MOST_OFFERS:
            del call.line.offers[0]
        call.line.offers.append(OfferTried(order.offer, agent.agent.id, self._floor.now, "open", why))
        self._floor.set_due(call, Due.OFFER_EXPIRES, self._floor.now + ring_for + GRACE)
        agent.call = call.id
        self._floor.roster.set_work(agent, Work.OFFERED, "offer", self._floor.now)
        self._floor.out.append(m.OfferMade(call.id, call.queue.id, agent.agent.id, why))
        return order

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
        matching = self._floor.roster.matching
        passed = {
            word: count for word, count in self._floor.roster.standing.items() if count > 0 and word not in ("", "idle")
        }
        if matching.idle and (unable := matching.idle_elsewhere(call.queue.id, call.entry.tenant, call.step)):
            passed["idle without what is asked"] = unable
        if passed:
            said.append("passed over: " + ", ".join(f"{count} {word}" for word, count in sorted(passed.items())))
        return "; ".join(said)

    def _of_offer(self, signal: m.OfferAnswered | m.PartiesBridged | m.OfferFailed | m.AgentHungUp) -> LiveCall | None:
        """The call of an offer signal, if that offer is the one in force."""
        call = self._floor.calls.get(signal.call)
        if call is None:
            self._floor.ignore(signal, "unknown or ended call", signal.call)
            return None
        if call.offer is None or call.offer != signal.offer:
            self._floor.ignore(signal, "offer not in force", signal.call)
            return None
        return call

    def on_offer_answered(self, signal: m.OfferAnswered) -> None:
        call = self._of_offer(signal)
        if call is not None:
            self.answered(call, signal)

    def on_parties_bridged(self, signal: m.PartiesBridged) -> None:
        call = self._of_offer(signal)
        if call is not None and self.answered(call, signal):
            self.talking(call)

    def answered(self, call: LiveCall, signal: m.OfferAnswered | m.PartiesBridged) -> bool:
        """The agent has picked up. Whether the two also talk is another question (the announcement)."""
        if not knows(call.state, signal):
            self._floor.ignore(signal, f"call is {call.state}", call.id)
            return False
        if call.state is CallState.OFFERED:
            self._floor.move(call, signal)
            call.transfer_landed = False
            # A second agent, after a transfer came back, does not undo the first answer.
            call.line.t_ans = call.line.t_ans or self._floor.now
            call.line.t_talk = self._floor.now
            self._floor.roster.set_work(self._serving(call), Work.TALKING, "answered", self._floor.now)
        return True

    def talking(self, call: LiveCall, *, count: bool = True) -> None:
        if call.agent is None or self.talks(call):
            return
        agent = self._serving(call)
        first = count and not call.talked
        call.talked, call.served_by, call.wants_callback, call.owed = True, agent.agent.id, False, False
        call.counted = self._floor.counted(call)
        self.note_offer(call, None)
        agent.last_call = call.id
        self._floor.remember(call)
        self._floor.out.append(m.OfferTaken(call.id, call.queue.id, agent.agent.id, call.test_at_door))
        if not call.test:
            waited_in_line = call.line.offers[-1].at - call.waiting_since
            staff = self._floor.roster.matching.staff(call.queue.id)
            compared = self._floor.outlook.served(
                call.queue.id, waited_in_line, call.forecast, self._floor.now, dedicated=staff.dedicated
            )
            if compared:
                self._floor.out.append(m.WaitsCompared(call.queue.id, compared))
        call.forecast = None
        if first:
            waited = (call.line.t_ans or self._floor.now) - call.line.t_in
            in_time = call.counted.in_time(waited)
            self._floor.count(call, in_time=in_time)
            self._floor.out.append(
                m.CallAnswered(
                    call.id, call.town, call.counted.queue, call.counted.kind, agent.agent.id, waited,
                    in_time, call.test_at_door,
                )
            )  # fmt: skip

    def talks(self, call: LiveCall) -> bool:
        """Whether the caller talks to the agent of *this* offer; ``talked`` remembers earlier ones, too."""
        return call.agent is not None and call.line.offers[-1].result == "answered"

    def _serving(self, call: LiveCall) -> LiveAgent:
        if call.agent is None:
            raise AssertionError(f"call {call.id} has no agent")  # invariant 2; a defect of this file
        return self._floor.roster[call.agent]

    def on_offer_failed(self, signal: m.OfferFailed) -> None:
        call = self._of_offer(signal)
        if call is None:
            return
        if not knows(call.state, signal):
            self._floor.ignore(signal, f"call is {call.state}", call.id)
            return
        if self.talks(call):
            # Nothing failed: a late word, and no reason to take the two apart.
            self._floor.ignore(signal, "they talk", call.id)
            return
        self.offer_over(call, signal.reason)
        self._floor.move(call, signal)
        self._floor.set_due(call, Due.HELD_BY, self._floor.now + HELD_WITHIN)

    def offer_over(self, call: LiveCall, reason: m.OfferFailure) -> None:
        """An offer came to nothing: the agent is freed, and taken out of the round where that was their doing."""
        agent_id = call.agent
        if agent_id is None:
            return
        self.note_offer(call, reason)
        if not call.talked:
            call.line.t_ans = None
        self._floor.out.append(m.OfferMissed(call.id, call.queue.id, agent_id, reason, call.test_at_door))
        agent = self._floor.roster[agent_id]
        self.free(call, reason)
        if reason in (m.OfferFailure.NO_ANSWER, m.OfferFailure.DECLINED, m.OfferFailure.NOT_TALKED):
            # Who signed out or paused while it rang has said what they want, and stays so.
            if agent.intent is Intent.READY:
                why = "rona" if reason is m.OfferFailure.NO_ANSWER else str(reason)
                self._floor.roster.set_intent(agent, Intent.NOT_READY, why, self._floor.now)
        elif reason in (m.OfferFailure.PHONE_BUSY, m.OfferFailure.PHONE_GONE):
            self._floor.roster.set_aside(agent, self._floor.now)

    def let_go(self, call: LiveCall, reason: m.OfferFailure | None) -> None:
        """The caller is back in the waiting loop while we believed an agent had them."""
        if call.agent is None:
            return
        if self.talks(call):
            self.wrap_up(call)
        elif reason is not None:
            self.offer_over(call, reason)
        else:
            # How the offer went was never told; the agent is not to blame, but this phone is set aside.
            self.offer_over(call, m.OfferFailure.PHONE_GONE)

    def note_offer(self, call: LiveCall, failure: m.OfferFailure | None) -> None:
        last = call.line.offers[-1]
        if last.result == "open":
            call.line.offers[-1] = replace(last, result=str(failure or "answered"))

    def free(self, call: LiveCall, why: str) -> None:
        """Break the tie between a call and the agent it occupies, without wrap-up."""
        if call.agent is not None:
            agent = self._floor.roster[call.agent]
            agent.call = None
            self._floor.roster.set_work(agent, Work.IDLE, why, self._floor.now)
        call.agent, call.offer, call.line.t_talk = None, None, None

    def wrap_up(self, call: LiveCall) -> None:
        """The agent's part in a conversation is over."""
        if call.agent is None:
            return
        agent, length = self._floor.roster[call.agent], call.queue.wrap_up_for
        call.line.t_wrap_end = self._floor.now + length
        call.line.talked(self._floor.seen_until(), length)
        if not call.test:
            handled = max(self._floor.seen_until() - call.line.offers[-1].at, timedelta()) + length
            self._floor.outlook.handled(call.queue.id, handled, self._floor.now)
        agent.call, call.agent, call.offer = None, None, None
        self._floor.roster.wrap_up(agent, length, self._floor.now)

    def on_agent_hung_up(self, signal: m.AgentHungUp) -> None:
        call = self._of_offer(signal)
        if call is None:
            return
        if call.state is CallState.OFFERED:
            # The answer was never told, the end of the conversation is: the dialplan knows that they talked.
            self.answered(call, m.OfferAnswered(call.id, signal.offer))
        if not knows(call.state, signal):
            self._floor.ignore(signal, f"call is {call.state}", call.id)
            return
        self.talking(call)
        self._floor.move(call, signal)
        call.hung_up_first = "agent"
        self.wrap_up(call)

    def on_call_transferred(self, signal: m.CallTransferred) -> None:
        call = self._floor.live(signal, signal.call)
        if call is not None and call.state is CallState.ARRIVED:
            self._floor.ignore(signal, "nobody has answered yet", call.id)
        elif call is not None:
            self.hand_on(call, signal)

    def hand_on(self, call: LiveCall, signal: m.CallTransferred) -> None:
        if call.agent is not None and call.offer is not None:
            self.talking(call)
        self.wrap_up(call)
        self._floor.remember(call)
        self._floor.move(call, signal)
        call.transferred_to, call.transfer_blind = signal.target, signal.blind
        call.hung_up_first = "agent"


def _then(others: tuple[tuple[str, float], ...], form: str) -> str:
    return f" (then {', '.join(f'{name} {score:{form}} s' for name, score in others)})" if others else ""
