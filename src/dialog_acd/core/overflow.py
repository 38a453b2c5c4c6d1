"""What becomes of a caller who waits: up the ladder, to a partner and back, told something, released.

``ladder.py`` says of one rung whether it fires and of one partner whether it may be asked; here that is looked at for
a living call, and done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from dialog_acd.core import messages as m
from dialog_acd.core.floor import CLOSING_SOON, HELD_WITHIN
from dialog_acd.core.ladder import AGAIN, LOOK_AGAIN, Obstacle, Situation, fires, is_for
from dialog_acd.core.lifecycle import CallState
from dialog_acd.core.live import Due
from dialog_acd.core.model import Action, EntryKind, Trigger
from dialog_acd.core.records import MOST_RUNGS, RungTaken
from dialog_acd.core.rules import EXPECTED_WAIT, POSITION, written

if TYPE_CHECKING:
    from dialog_acd.core.floor import Floor
    from dialog_acd.core.live import LiveCall
    from dialog_acd.core.model import Partner, PartnerId, QueueId, Rung

SAID_WITHIN = timedelta(seconds=20)
"""No prompt is longer; usually the dialplan tells sooner that it is over."""
_WAIT_PROMPTS = ("acd/wait-under-2", "acd/wait-2-to-5", "acd/wait-5-to-10", "acd/wait-over-10")
_OF_PEOPLE = frozenset({Trigger.NOBODY, Trigger.TECHNICAL})
_OF_WAITING = frozenset({Trigger.ALL_BUSY, Trigger.WAITED, Trigger.EXPECTED_WAIT, Trigger.LENGTH})
"""Triggers that mean "it takes long here": for the others there is nobody here to compare a partner with."""


class Overflow:
    """Ladders and partners of the living calls. See the head of this file."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._overflowing: set[tuple[QueueId, int]] = set()
        """Rungs for the expected wait that have begun to send calls away (hysteresis)."""

    def climb(self, call: LiveCall) -> bool:
        """Try a waiting call's ladder from the top. Says whether a rung was taken."""
        if Due.PAUSE_ENDS in call.deadlines:
            return False  # a refused order a moment ago; it stands in line again after the pause, and comes back here
        if call.wants_callback:
            self._promise(call)
            return True
        now, again, somebody_later = self._floor.now, None, False
        if call.saying_until is not None and now < call.saying_until:
            # Let the prompt be heard. (An agent who is free does not wait for it.)
            self._floor.set_due(call, Due.LADDER, call.saying_until)
            return False
        first_look = call.forecast is None and call.id in self._floor.roster.matching
        if first_look:
            staff = self._floor.roster.matching.staff(call.queue.id)
            call.forecast = self._floor.outlook.forecast(call.queue.id, call.ahead, staff, now)
        self._closing_time(call)
        for place, rung in enumerate(call.queue.ladder):
            if not is_for(rung, call.entry.kind):
                continue
            if place in call.climbed and ((wait := call.climbed[place]) is None or wait > now):
                again = _sooner(again, wait)
                continue
            overflowing = (call.queue.id, place) in self._overflowing
            why, look = fires(rung, now, self._situation(call, rung.trigger), overflowing=overflowing)
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
            self._release(call, call.closed, call.closing_words)
            return True
        if again is not None:
            self._floor.set_due(call, Due.LADDER, again)
        return self._warn_of_closing(call)

    def _closing_time(self, call: LiveCall) -> None:
        """Who is left waiting after closing, and everybody has gone home, has found us closed after all."""
        if call.closed or call.closes_at is None or self._floor.now < call.closes_at:
            return
        if not self._floor.roster.matching.anybody(call.queue.id, call.entry.tenant):
            self._floor.look_at_the_clock(call, self._floor.now)
            self._floor.leave_line(call)
            self._floor.stand_in_line(call)

    def _served_elsewhere(self, call: LiveCall) -> bool:
        return call.also is not None and self._floor.roster.matching.anybody(call.also[0], call.entry.tenant)

    def _warn_of_closing(self, call: LiveCall) -> bool:
        """Whoever will probably not be served before closing is told so, once. Says whether."""
        if call.told_closing or not self._too_late(call):
            return False
        call.told_closing = True
        self._say(call, m.Say(call.id, "acd/closing-soon"))
        return True

    def _too_late(self, call: LiveCall) -> bool:
        """Whether closing will probably come before the caller's turn."""
        if call.closed or call.closes_at is None or self._floor.now >= call.closes_at:
            return False
        left = call.closes_at - self._floor.now
        expected = self._expected(call) if left < timedelta(hours=1) else None
        # Nobody works for the queue: in the last minutes that is an answer, too.
        return expected > left if expected is not None else left <= CLOSING_SOON

    def _say(self, call: LiveCall, say: m.Say) -> None:
        """The caller is told as held once more when the prompt is over."""
        call.saying_until = self._floor.now + SAID_WITHIN
        self._floor.set_due(call, Due.LADDER, call.saying_until)
        self._floor.out.append(say)

    def not_said(self, call: LiveCall) -> None:
        """The switch would not play a prompt. A callback is offered again after a while; other words are not missed."""
        if call.asking is not None:
            call.climbed, call.asking = {**call.climbed, call.asking: self._floor.now + AGAIN}, None
            call.saying_until = None
            self._floor.to_climb[call.id] = None  # the rungs that come due meanwhile must not wait for this one

    def _expected(self, call: LiveCall) -> timedelta | None:
        """How much longer this caller will wait, on average; ``None``: nobody works for the queue."""
        matching, queue = self._floor.roster.matching, call.queue.id
        return self._floor.outlook.expected(
            queue, matching.ahead_of(call.id, queue), matching.staff(queue), self._floor.now
        )

    def _situation(self, call: LiveCall, trigger: Trigger) -> Situation:
        """What there is to know for this trigger; all else is as if it did not matter."""
        matching, queue, tenant = self._floor.roster.matching, call.queue.id, call.entry.tenant
        somebody = reachable = True
        if trigger in _OF_PEOPLE:
            somebody, reachable = matching.anybody(queue, tenant), matching.reachable(queue, tenant)
        return Situation(
            call.waiting_since,
            call.closed,
            somebody,
            reachable,
            self._still_ahead(call) if trigger is Trigger.LENGTH else 0,
            self._expected(call) if trigger is Trigger.EXPECTED_WAIT else None,
            trigger is Trigger.CLOSING_SOON and self._too_late(call),
            self._floor.switches.overflow_until(queue),
        )

    def _still_ahead(self, call: LiveCall) -> int:
        return min(call.ahead, self._floor.roster.matching.ahead_of(call.id, call.queue.id))

    def _take_rung(self, call: LiveCall, place: int, rung: Rung, why: str) -> Obstacle | None:
        """Do what a rung says, unless something is in the way."""
        if rung.action is Action.PARTNER:
            partner = self._floor.directory.partner[cast("PartnerId", rung.target)]
            obstacle = self._in_the_way(call, partner, rung.trigger)
            if obstacle is None:
                self._note_rung(call, rung, why)
                self._divert(call, place, rung, partner, why)
            return obstacle
        if rung.action is Action.CALLBACK and (call.owed or not self._can_be_called_back(call)):
            return Obstacle("no number to call back")
        self._note_rung(call, rung, why)
        if rung.action in (Action.ANNOUNCE, Action.CALLBACK):
            # What says nothing does not keep from the caller that we close.
            call.told_closing = call.told_closing or rung.trigger is Trigger.CLOSING_SOON
        call.climbed = {**call.climbed, place: None}
        if rung.action is Action.WIDEN:
            call.step = max(call.step, int(rung.target))
            self._floor.arm_step(call)
            self._floor.stand_in_line(call)
            self._floor.out.append(m.CallWidened(call.id, call.queue.id, f"{why}: step {call.step}"))
        elif rung.action is Action.QUEUE:
            call.also = (
                cast("QueueId", rung.target),
                len(self._floor.directory.queue[cast("QueueId", rung.target)].steps) - 1,
            )
            self._floor.stand_in_line(call)
            self._floor.out.append(m.CallWidened(call.id, call.queue.id, f"{why}: queue {rung.target}"))
        elif rung.action is Action.ANNOUNCE:
            self._announce(call, rung.target)
        elif rung.action is Action.CALLBACK:
            closing = "acd/closing-callback" if rung.trigger is Trigger.CLOSING_SOON else "acd/callback-offer"
            call.asking = place
            self._say(call, m.Say(call.id, "acd/closed-callback" if call.closed else closing, callback=True))
        else:
            self._release(call, rung.trigger.value, call.closing_words if call.closed else "acd/nobody")
        return None

    def _note_rung(self, call: LiveCall, rung: Rung, why: str) -> None:
        call.rungs = (*call.rungs[1 - MOST_RUNGS :], RungTaken(self._floor.now, written(rung), why))

    def _announce(self, call: LiveCall, what: str) -> None:
        """A prompt; or, by their reserved names, what is expected of the wait: silent when that is not credible."""
        if what not in (POSITION, EXPECTED_WAIT):
            self._say(call, m.Say(call.id, what))
            return
        matching, queue = self._floor.roster.matching, call.queue.id
        ahead = matching.ahead_of(call.id, queue)
        told = self._floor.outlook.told(queue, ahead, matching.staff(queue), call.told, self._floor.now)
        if told is None:
            self._floor.to_climb[call.id] = None
            return
        call.told = told
        say = m.Say(call.id, _WAIT_PROMPTS[told.wait]) if what == EXPECTED_WAIT else None
        self._say(call, say or m.Say(call.id, "acd/position", told.position))

    def _in_the_way(self, call: LiveCall, partner: Partner, trigger: Trigger) -> Obstacle | None:
        if not call.queue.to_partners:
            return Obstacle("never to a partner")
        if call.from_partner or call.entry.kind is EntryKind.PARTNER_INBOUND:
            return Obstacle("came from a partner")
        calendar = self._floor.directory.calendar.get(partner.calendar) if partner.calendar is not None else None
        obstacle = self._floor.partners.obstacle(
            partner, calendar.opening(self._floor.now) if calendar else None, self._floor.now
        )
        if obstacle is None and partner.min_gain and trigger in _OF_WAITING:
            expected = self._expected(call)
            if expected is not None and expected <= partner.min_gain:
                return Obstacle("served sooner here", self._floor.now + LOOK_AGAIN)
        if obstacle is not None and obstacle.until is None:
            self._floor.blocked.setdefault(partner.id, {})[call.id] = None
        return obstacle

    def _divert(self, call: LiveCall, place: int, rung: Rung, partner: Partner, why: str) -> None:
        if call.rung != place or call.numbers_tried >= len(partner.numbers):  # fewer, with a new directory
            call.rung, call.numbers_tried = place, 0
        number = partner.numbers[call.numbers_tried]
        order = m.Divert(call.id, partner.id, number, partner.ring_for)
        self._floor.move(call, order)
        self._floor.rings_at(call, partner)
        call.trigger, call.asked = rung.trigger.value, partner.id
        self._floor.blocked.get(partner.id, {}).pop(call.id, None)
        call.line.t_ovf = call.line.t_ovf or self._floor.now
        self._floor.remember(call)
        # The partner may be slower than the next free agent here: the place in the queue is kept.
        self._floor.stand_in_line(call)
        self._floor.out += [
            order,
            m.CallDiverted(call.id, call.town, call.queue.id, partner.id, why, call.trigger, call.test_at_door),
        ]

    def _can_be_called_back(self, call: LiveCall) -> bool:
        floor = self._floor
        return call.ani is not None and floor.directory.may_call_back(call.ani, call.trunk, at=floor.now)

    def on_callback_asked(self, signal: m.CallbackAsked) -> None:
        """Who has been offered to an agent meanwhile gets a person instead, who can note it, too; or if nobody answers,
        the promise.
        """
        call = self._floor.live(signal, signal.call)
        if call is None:
            return
        if not call.owed and not self._can_be_called_back(call):
            self._floor.ignore(signal, "no number to call back", signal.call)
        elif call.state is CallState.WAITING:
            self._promise(call)
        else:
            call.wants_callback = True

    def _promise(self, call: LiveCall) -> None:
        """Keep the wish, and only then confirm it.

        It is kept beyond a restart of ours, and stands even if the last words cannot be said.
        """
        call.wants_callback = False
        if not call.owed:
            call.callback_at, call.owed = self._floor.now, True
            self._floor.remember(call)
            self._floor.out.append(m.CallbackPromised(call.id, call.town, call.queue.id))
        order = m.Release(call.id, "acd/callback-noted", again=False)
        self._floor.move(call, order)
        call.released_for = "callback"
        self._floor.out.append(order)

    def _release(self, call: LiveCall, why: str, prompt: str) -> None:
        order = m.Release(call.id, prompt, call.opens_at)
        self._floor.move(call, order)
        call.released_for = why
        self._floor.out += [order, m.CallReleased(call.id, call.town, call.queue.id, why)]

    def on_divert_answered(self, signal: m.DivertAnswered) -> None:
        call = self._floor.live(signal, signal.call)
        if call is not None:
            self._floor.partners.answered(call.id)
            self._floor.wake(signal.partner)
            self._floor.move(call, signal)
            at = min(signal.at or self._floor.now, self._floor.now)
            call.partner, call.line.t_ovf_ans = signal.partner, at
            call.counted = self._floor.counted(call)
            if not call.test:
                waited = max(at - call.waiting_since, timedelta())
                self._floor.outlook.left(call.queue.id, waited, self._floor.now, gave_up=False)
            if not call.talked:
                self._floor.count(call, in_time=call.counted.in_time(at - call.line.t_in))

    def on_divert_failed(self, signal: m.DivertFailed) -> None:
        call = self._floor.live(signal, signal.call)
        if call is not None and signal.partner != call.partner:
            self._floor.ignore(signal, "not the partner that is rung", call.id)
        elif call is not None:
            self._floor.back_from_partner(call, signal.reason)
            self._floor.move(call, signal)
            self._floor.set_due(call, Due.HELD_BY, self._floor.now + HELD_WITHIN)


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other
