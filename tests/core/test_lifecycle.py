"""Every pair of state and message: either the table knows where it leads, or it is refused as a defect of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.errors import IllegalTransition
from dialog_acd.core.lifecycle import CALL_TABLE, CallState, advance, knows
from dialog_acd.core.model import AgentId, CallId, OfferId, PartnerId, Phone
from dialog_acd.testing import Scenario, demo_directory

C, O, A, P = CallId("c1"), OfferId("1"), AgentId("anna"), PartnerId("oldenburg")  # noqa: E741
_OFFER = m.Offer(C, O, A, Phone("phone-anna"), timedelta(seconds=20))
ABOUT_A_CALL: tuple[m.Signal | m.Order, ...] = (
    m.CallArrived(C, "115"),
    m.GreetingEnded(C),
    m.CallerHeld(C),
    m.OfferAnswered(C, O),
    m.PartiesBridged(C, O),
    m.OfferFailed(C, O, m.OfferFailure.NO_ANSWER),
    m.AgentHungUp(C, O),
    m.CallerHungUp(C),
    m.CallTransferred(C, "2001", blind=True),
    m.CallTakenByFailsafe(C, "heartbeat"),
    m.FailsafeAnswered(C, "phone-anna"),
    m.CallbackAsked(C),
    m.DivertAnswered(C, P),
    m.DivertFailed(C, P, "busy"),
    m.OrderFailed(_OFFER, "refused", certain=True),
    m.Treat(C, m.Verdict.HOLD),
    _OFFER,
    m.Withdraw(C, O),
    m.Hold(C),
    m.Divert(C, P, "+494412350", timedelta(seconds=30)),
    m.Say(C, "prompt"),
    m.Release(C, "acd/nobody"),
)
NOT_ABOUT_A_CALL = {
    m.AgentSignedIn, m.AgentSignedOut, m.AgentReady, m.AgentNotReady, m.PhoneStateChanged, m.DirectoryChanged,
    m.SupervisorSwitched, m.SwitchLost, m.SwitchFound, m.Tick, m.Beat, m.SaveRecord, m.RememberIntent,
    m.RememberSwitch, m.RememberCall, m.Heartbeat, m.KeepFailsafe,
    # About a call, and whatever its state: it may have ended long ago.
    m.TownNamed, m.TownDialled, m.CallMarked, m.PromiseMarked, m.AmendRecord, m.ToFailsafe,
}  # fmt: skip

# Written down a second time on purpose, state by state, as one would tell it to an operator.
ALWAYS = {"CallTakenByFailsafe": "failsafe", "CallerHungUp": "ended"}
EXPECTED: dict[str, dict[str, str]] = {
    "arrived": {
        "CallerHeld": "waiting", "Divert": "diverting", "CallTransferred": "diverted", "Release": "released",
        "Offer": "offered",
    },
    "waiting": {
        "Offer": "offered", "Divert": "diverting", "CallerHeld": "waiting", "Release": "released",
        "CallbackAsked": "waiting",
    },
    "released": {"OrderFailed": "waiting", "CallerHeld": "waiting"},
    "offered": {
        "OfferAnswered": "connected", "PartiesBridged": "connected", "OfferFailed": "returning",
        "Withdraw": "returning", "Hold": "returning", "OrderFailed": "waiting", "CallerHeld": "waiting",
        "CallbackAsked": "offered",
    },
    "returning": {"CallerHeld": "waiting", "Hold": "returning", "CallbackAsked": "returning"},
    "connected": {
        "OfferAnswered": "connected", "PartiesBridged": "connected", "AgentHungUp": "connected",
        "OfferFailed": "returning", "CallerHeld": "waiting", "CallTransferred": "diverted",
    },
    "diverting": {
        "Offer": "offered", "DivertAnswered": "diverted", "DivertFailed": "returning", "CallerHeld": "waiting",
        "OrderFailed": "waiting", "Hold": "returning",
    },
    "diverted": {"CallTransferred": "diverted", "CallerHeld": "waiting"},
    "failsafe": {},
}  # fmt: skip


def test_the_list_above_has_every_message() -> None:
    every = {*get_args(m.Signal), *get_args(m.Order)}
    assert {type(message) for message in ABOUT_A_CALL} | NOT_ABOUT_A_CALL == every
    assert {kind for _, kind in CALL_TABLE} <= {type(message) for message in ABOUT_A_CALL}


@pytest.mark.parametrize("message", ABOUT_A_CALL, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("state", CallState)
def test_every_pair(state: CallState, message: m.Signal | m.Order) -> None:
    name = type(message).__name__
    wanted = {} if state is CallState.ENDED else {**EXPECTED[state], **ALWAYS}
    if name in wanted:
        assert knows(state, message)
        assert advance(state, message) == CallState(wanted[name])
    else:
        assert not knows(state, message)
        with pytest.raises(IllegalTransition, match=f"{state} cannot go on with {name}"):
            advance(state, message)


def test_every_state_can_be_reached_and_left() -> None:
    reached, frontier = {CallState.ARRIVED}, [CallState.ARRIVED]
    while frontier:
        here = frontier.pop()
        for (start, _), end in CALL_TABLE.items():
            if start is here and end not in reached:
                reached.add(end)
                frontier.append(end)
    assert reached == set(CallState)
    assert {start for start, _ in CALL_TABLE} == set(CallState) - {CallState.ENDED}


def test_the_core_listens_to_every_kind_of_signal() -> None:
    scenario = Scenario()
    assert set(scenario.acd._apply) == set(get_args(m.Signal))


def test_no_signal_about_a_call_nobody_knows_is_an_error() -> None:
    """What the wire says about ghosts is answered with ``Ignored``; a held ghost is a caller, and adopted."""
    for message in ABOUT_A_CALL:
        if not isinstance(message, get_args(m.Signal)):
            continue
        scenario = Scenario(demo_directory(()))
        scenario.tell(message)
        if isinstance(message, m.CallArrived | m.CallerHeld | m.CallTakenByFailsafe):
            assert scenario.state("c1") in ("arrived", "waiting", "failsafe")
        else:
            scenario.expect(m.Ignored, signal=type(message).__name__)
