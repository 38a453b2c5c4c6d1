"""State machines of a call and of an agent, as tables.

The call. A caller may be offered in the answer to the question at the door, and from then on only while *held*, which
the dialplan says: between a failed ``Dial`` and the next ``AcdHeld`` lies the gap RETURNING, in which a second
``Redirect`` would chase a channel that is still moving. Overflow keeps the place: while a partner rings (DIVERTING) the
call stays in the order of the queue and may still be matched here; only the partner's answer ends that.

RELEASED callers hear their last words (closed, nobody left) and are hung up by the dialplan.

FAILSAFE is where Asterisk has taken the call out of our hands; we only watch it end.

DIVERTED covers everybody who talks to somebody else than our agent: a partner, or the office an agent
transferred to. An office that does not answer gives the caller back (``CallerHeld``): WAITING, with the old place.

The agent has three independent axes (the lesson of mod_callcenter): what the person wants (``Intent``), what
the person is doing for us (``Work``), what the phone can do (``PhoneState``). *Available* is computed from
the three, never stored.

Keys are (state, type of message); a message is a signal that came in or an order that went out, because an
order, too, changes what we believe. ``test_lifecycle.py`` visits every pair.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class CallState(StrEnum):
    ARRIVED = "arrived"
    WAITING = "waiting"
    OFFERED = "offered"
    RETURNING = "returning"
    CONNECTED = "connected"
    DIVERTING = "diverting"
    DIVERTED = "diverted"
    FAILSAFE = "failsafe"
    RELEASED = "released"
    ENDED = "ended"


class Intent(StrEnum):
    """What the agent wants."""

    SIGNED_OUT = "signed-out"
    READY = "ready"
    NOT_READY = "not-ready"


class Work(StrEnum):
    """What the agent is doing for us."""

    IDLE = "idle"
    OFFERED = "offered"
    TALKING = "talking"
    WRAP_UP = "wrap-up"


class PhoneState(StrEnum):
    """What the agent's phone can do, from Asterisk's device state."""

    REACHABLE = "reachable"
    IN_USE = "in-use"
    UNREACHABLE = "unreachable"


Message = type[m.Signal] | type[m.Order]

_S = CallState
CALL_TABLE: Mapping[tuple[CallState, type[object]], CallState] = {
    (_S.ARRIVED, m.CallerHeld): _S.WAITING,
    # In the answer to the question at the door: nobody needs to be held for whom somebody is free.
    (_S.ARRIVED, m.Offer): _S.OFFERED,
    # Found there after a restart of ours.
    (_S.ARRIVED, m.Divert): _S.DIVERTING,
    (_S.ARRIVED, m.CallTransferred): _S.DIVERTED,
    (_S.WAITING, m.Offer): _S.OFFERED,
    (_S.WAITING, m.Divert): _S.DIVERTING,
    # The key is pressed in the waiting loop; an offer may have been quicker, and be over before we hear of it.
    **{(s, m.CallbackAsked): s for s in (_S.WAITING, _S.OFFERED, _S.RETURNING)},
    (_S.DIVERTING, m.Offer): _S.OFFERED,
    (_S.DIVERTING, m.DivertAnswered): _S.DIVERTED,
    (_S.DIVERTING, m.DivertFailed): _S.RETURNING,
    (_S.DIVERTING, m.CallerHeld): _S.WAITING,
    (_S.DIVERTING, m.OrderFailed): _S.WAITING,
    (_S.DIVERTING, m.Hold): _S.RETURNING,
    (_S.OFFERED, m.OfferAnswered): _S.CONNECTED,
    (_S.OFFERED, m.PartiesBridged): _S.CONNECTED,
    (_S.OFFERED, m.OfferFailed): _S.RETURNING,
    (_S.OFFERED, m.Withdraw): _S.RETURNING,
    (_S.OFFERED, m.Hold): _S.RETURNING,
    (_S.OFFERED, m.OrderFailed): _S.WAITING,
    # The dialplan holds the caller again *after this very offer*, and never said how it went: it is over all the same.
    (_S.OFFERED, m.CallerHeld): _S.WAITING,
    # After a prompt (``Say``) the caller is told as held once more.
    (_S.WAITING, m.CallerHeld): _S.WAITING,
    (_S.ARRIVED, m.Release): _S.RELEASED,
    (_S.WAITING, m.Release): _S.RELEASED,
    # Refused by the switch: the caller is still there, and the dialplan's own limit ends the wait.
    (_S.RELEASED, m.OrderFailed): _S.WAITING,
    (_S.RELEASED, m.CallerHeld): _S.WAITING,
    (_S.RETURNING, m.CallerHeld): _S.WAITING,
    (_S.RETURNING, m.Hold): _S.RETURNING,
    (_S.CONNECTED, m.OfferAnswered): _S.CONNECTED,
    (_S.CONNECTED, m.PartiesBridged): _S.CONNECTED,
    (_S.CONNECTED, m.AgentHungUp): _S.CONNECTED,
    # The agent's leg was gone before anybody talked (hang-up during the announcement): the place is kept.
    (_S.CONNECTED, m.OfferFailed): _S.RETURNING,
    (_S.CONNECTED, m.CallerHeld): _S.WAITING,
    (_S.CONNECTED, m.CallTransferred): _S.DIVERTED,
    (_S.DIVERTED, m.CallTransferred): _S.DIVERTED,
    (_S.DIVERTED, m.CallerHeld): _S.WAITING,
    **{(s, m.CallTakenByFailsafe): _S.FAILSAFE for s in _S if s is not _S.ENDED},
    **{(s, m.CallerHungUp): _S.ENDED for s in _S if s is not _S.ENDED},
}


def knows(state: CallState, message: m.Signal | m.Order) -> bool:
    """Say whether this message means anything to a call in this state."""
    return (state, type(message)) in CALL_TABLE


def advance(state: CallState, message: m.Signal | m.Order) -> CallState:
    """Next state of a call. Raises ``IllegalTransition`` where the table has no answer: our own bug."""
    try:
        return CALL_TABLE[state, type(message)]
    except KeyError:
        raise IllegalTransition(f"a call that is {state} cannot go on with {type(message).__name__}") from None
