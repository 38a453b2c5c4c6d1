"""A call told in order: what happened to it, and why this and nothing else was done.

Nothing is kept for this: a record holds moments, offers and rungs already, and a call that has not ended has the same
by the same names. What happened in one and the same moment is put in the order in which one leads to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialog_acd.api.schemas import DecisionOut, MomentOut
from dialog_acd.core.records import CallRecord, Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dialog_acd.core.view import CallStory

_Told = tuple["datetime | None", str, str | None, str]


def timeline(call: CallRecord | CallStory) -> list[MomentOut]:
    told = [
        MomentOut(at=at, after_seconds=(at - call.t_in).total_seconds(), what=what, about=about, why=why)
        for at, what, about, why in _moments(call)
        if at is not None
    ]
    return sorted(told, key=lambda moment: moment.at)


def _moments(call: CallRecord | CallStory) -> Iterator[_Told]:
    """In the order in which one leads to the other."""
    yield call.t_in, "arrived", None, f"at {call.dialled}" if call.dialled else ""
    yield call.t_ann_end, "greeting-ended", None, ""
    yield call.t_q, "queued", call.queue if isinstance(call, CallRecord) else call.now.queue, ""
    for rung in call.rungs:
        yield rung.at, "rung-taken", rung.rung, rung.why
    # Which partner was asked first is said by its rung; the record names the one that was asked last.
    yield call.t_ovf, "overflow-began", None if call.rungs else call.overflow_partner, ""
    for offer in call.offers:
        yield offer.at, "offered", offer.agent or None, f"{offer.result}: {offer.why}" if offer.why else offer.result
    yield call.t_ans, "answered", call.agent, ""
    yield call.t_ovf_ans, "partner-answered", call.partner, ""
    yield call.t_failsafe, "failsafe-entered", call.failsafe_answered_by, ""
    yield call.t_callback, "callback-promised", None, ""
    if isinstance(call, CallRecord):
        yield call.t_leave, "left", None, "hung up while waiting"
        first = "" if call.hung_up_first == "unknown" else f"; the {call.hung_up_first} hung up first"
        sent = f"; transferred to {call.transferred_to}" if call.transferred_to else ""
        yield _end(call), "ended", None, f"{call.outcome.result}: {call.outcome.reason}{sent}{first}"
        late = call.t_called_back and call.t_due and call.t_called_back > call.t_due
        yield call.t_called_back, "called-back", None, "later than promised" if late else ""
    yield call.t_wrap_end, "wrap-up-ended", call.agent, ""


def _end(call: CallRecord) -> datetime | None:
    """Not told where who answered is not: how long they talked is a figure about them."""
    return call.t_end if call.t_ans is None or call.agent is not None else None


def decisions(call: CallRecord | CallStory) -> list[DecisionOut]:
    chosen, why = _of_record(call) if isinstance(call, CallRecord) else _of_story(call)
    told = [DecisionOut(at=call.t_in, decision="verdict", chosen=chosen, why=why, result=None)]
    told += [DecisionOut(at=r.at, decision="rung", chosen=r.rung, why=r.why, result=None) for r in call.rungs]
    told += [DecisionOut(at=o.at, decision="offer", chosen=o.agent, why=o.why, result=o.result) for o in call.offers]
    return sorted(told, key=lambda decision: decision.at)


_EMERGENCY = "emergency", "an emergency number: the caller is told where help is, never queued"
_WAIT = "wait", "the number is served at that hour, or a rung of the ladder is for callers who find it closed"


def _of_record(call: CallRecord) -> tuple[str, str]:
    """The verdict at arrival is not written down: it follows from how the call went on."""
    reason = call.outcome.reason
    if call.t_q is None:
        match call.outcome.result:
            case Result.REFUSED:
                return _EMERGENCY if reason == "emergency" else ("refused", reason)
            case Result.CLOSED:
                return "closed", reason
            case Result.FAILSAFE:
                return "failsafe", reason
            case _:
                pass
    return _WAIT


def _of_story(call: CallStory) -> tuple[str, str]:
    if call.turned_away:
        if call.turned_away == "emergency":
            return _EMERGENCY
        return "closed" if call.turned_away.startswith("closed-") else "refused", call.turned_away
    if call.t_failsafe is not None and call.t_q is None:
        return "failsafe", "Asterisk went on without an answer of ours"
    return _WAIT
