"""Call sheets: what a caller and an agent live through, minute by minute.

Everybody is ready from before nine; the agent named first in the directory has been idle longest.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.kpi import Mean, figures
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.messages import (
    AgentReady,
    AgentSignedOut,
    CallAbandoned,
    CallAnswered,
    CallArrived,
    CallDiverted,
    CallerHeld,
    CallerHungUp,
    CallOffered,
    CallQueued,
    CallTakenByFailsafe,
    CallTransferred,
    DirectoryChanged,
    Divert,
    DivertAnswered,
    DivertFailed,
    FailsafeAnswered,
    FailsafeEntered,
    GreetingEnded,
    Hold,
    Ignored,
    KeepFailsafe,
    NumberUnknown,
    Offer,
    OfferAnswered,
    OfferFailed,
    OfferFailure,
    OfferMissed,
    OfferTaken,
    OrderFailed,
    PartiesBridged,
    PictureDiffered,
    RememberCall,
    SaveRecord,
    SwitchCall,
    Tick,
    ToFailsafe,
    Treat,
    Unsettled,
    Verdict,
)
from dialog_acd.core.model import AgentId, CallId, EntryKind, OfferId, PartnerId, Phone, QueueId, TenantId
from dialog_acd.core.records import MOST_OFFERS, Blame, OfferTried, Outcome, Result
from dialog_acd.core.shares import Usage
from dialog_acd.testing import HANNOVER, LANGENHAGEN, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory

OLDENBURG = PartnerId("oldenburg")
C1 = CallId("c1")


def moment(clock_time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{clock_time}").replace(tzinfo=UTC)


def tried(scenario: Scenario, call: str) -> list[tuple[str, str]]:
    return [(o.agent, o.result) for o in scenario.record(call).offers]


@pytest.fixture
def acd() -> Scenario:
    return Scenario()


# ------------------------------------------------------------ answered


def test_a_call_is_answered_and_its_record_says_everything(acd: Scenario) -> None:
    acd.at("09:00:00").arrives("c1", dialled="0511 7307-0")
    acd.expect(CallOffered, call="c1", tenant="langenhagen", kind=EntryKind.MAIN_NUMBER)
    treat = acd.expect(Treat, call="c1", verdict=Verdict.HOLD, queue="langenhagen", label="Langenhagen")
    assert (treat.entered_at, treat.max_wait_at) == (moment("09:00:00"), moment("09:15:00"))
    acd.at("09:00:02").tell(GreetingEnded(C1))
    acd.at("09:00:02.500").held("c1")
    acd.expect(CallQueued, call="c1", position=1)
    acd.expect(Offer, call="c1", agent="anna", phone="phone-anna", ring_for=timedelta(seconds=20))
    assert acd.agent_state("anna") == "offered"
    acd.at("09:00:05").at("09:00:08").answers("anna")
    acd.expect_no(CallAnswered)  # answered is not yet connected
    acd.at("09:00:09").tell(PartiesBridged(C1, acd.offer("anna").offer))
    acd.expect(OfferTaken, call="c1", agent="anna")
    acd.expect(CallAnswered, call="c1", agent="anna", waited=timedelta(seconds=8), in_time=True)
    assert (acd.state("c1"), acd.agent_state("anna")) == ("connected", "talking")
    acd.at("09:02:00").agent_hangs_up("anna")
    record = acd.record("c1")
    assert (record.t_in, record.t_ann_end, record.t_q) == (
        moment("09:00:00"),
        moment("09:00:02"),
        moment("09:00:02.500"),
    )
    assert (record.t_ans, record.t_end, record.t_wrap_end) == (
        moment("09:00:08"),
        moment("09:02:00"),
        moment("09:02:10"),
    )
    assert (record.t_leave, record.t_ovf, record.t_ovf_ans, record.t_failsafe) == (None, None, None, None)
    assert (record.dialled, record.ani, record.tenant, record.queue) == (
        "0511 7307-0",
        "+4951123559876",
        "langenhagen",
        "langenhagen",
    )
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)
    assert (record.agent, record.in_time, record.hung_up_first, record.cause) == ("anna", True, "agent", 16)
    why = "waited 2 s; idle for 3602 s (then bert 3600 s)"
    assert record.offers == (OfferTried("1", "anna", moment("09:00:02.500"), "answered", why),)
    assert record.waited == timedelta(seconds=8)
    assert acd.state("c1") == "gone"


@pytest.mark.parametrize(("answered_at", "in_time"), [("09:00:30.000", True), ("09:00:30.001", False)])
def test_thirty_seconds_is_in_time_and_a_millisecond_more_is_not(answered_at: str, in_time: bool) -> None:
    acd = Scenario(demo_directory(ring_s=60))
    acd.at("09:00:00").waits("c1").at(answered_at).talks("anna")
    acd.expect(CallAnswered, in_time=in_time)
    acd.at("09:01:00").caller_hangs_up("c1")
    assert acd.record("c1").in_time is in_time
    assert acd.record("c1").hung_up_first == "caller"


# ------------------------------------------------------------ offers that come to nothing


def test_no_answer_goes_to_the_next_agent_and_keeps_the_place(acd: Scenario) -> None:
    acd.is_not_ready("bert")
    acd.at("09:00:00").waits("c1")
    acd.expect(Offer, call="c1", agent="anna")
    acd.at("09:00:10").waits("c2")
    acd.at("09:00:20").offer_failed("anna", "no-answer")
    acd.expect(OfferMissed, agent="anna", reason=OfferFailure.NO_ANSWER)
    assert acd.state("c1") == "returning"
    assert acd.agent_state("anna") == "not-ready"
    assert acd.acd.view().agents[0].reason == "rona"
    acd.at("09:00:20.100").held("c1")
    acd.at("09:00:21").is_ready("bert")
    acd.expect(Offer, call="c1", agent="bert")  # c2 came later
    acd.expect_no(Offer, call="c2")
    acd.talks("bert").at("09:01:00").agent_hangs_up("bert")
    assert tried(acd, "c1") == [("anna", "no-answer"), ("bert", "answered")]


def test_between_a_failed_offer_and_the_next_hold_nobody_is_sent_after_the_caller(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:20").offer_failed("anna")
    acd.expect_no(Offer)
    acd.at("09:00:20.050").held("c1")
    acd.expect(Offer, call="c1", agent="bert")


def test_an_agent_who_declines_is_not_asked_again(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:03").offer_failed("anna", "declined").held("c1")
    assert (acd.agent_state("anna"), acd.acd.view().agents[0].reason) == ("not-ready", "declined")
    acd.expect(Offer, call="c1", agent="bert")


def test_a_busy_phone_is_set_aside_for_five_seconds() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").offer_failed("anna", "phone-busy").held("c1")
    assert acd.acd.view().agents[0].intent == "ready"
    acd.at("09:00:04.999")
    acd.expect_no(Offer)
    acd.at("09:00:05")
    acd.expect(Offer, call="c1", offer="2", agent="anna")


def test_a_phone_set_aside_is_back_as_soon_as_it_says_so() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").offer_failed("anna", "phone-gone").held("c1")
    acd.phone_is("anna", PhoneState.UNREACHABLE).at("09:00:07")
    acd.expect_no(Offer)
    acd.at("09:00:08").phone_is("anna", PhoneState.REACHABLE)
    acd.expect(Offer, offer="2")


def test_a_refused_order_costs_a_pause_and_nobody_their_place() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").refused("anna")
    assert (acd.state("c1"), acd.agent_state("anna")) == ("waiting", "available")
    acd.at("09:00:01").waits("c2")
    acd.expect(Offer, call="c2", agent="anna")  # the agent need not sit idle through c1's pause
    acd.at("09:00:01.500").caller_hangs_up("c2")
    acd.at("09:00:02")
    acd.expect(Offer, call="c1", offer="3")


def test_an_order_of_which_nobody_knows_is_left_to_its_deadline() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").refused("anna", "timeout", certain=False)
    assert acd.state("c1") == "offered"
    acd.expect(Ignored, signal="OrderFailed")


def test_a_silent_asterisk_is_asked_three_times_and_then_given_up() -> None:
    acd = Scenario(demo_directory(["anna"], ring_s=20))
    acd.at("09:00:00").waits("c1").at("09:00:21.999")
    acd.expect_no(Hold)
    acd.at("09:00:22")
    acd.expect(OfferMissed, reason=OfferFailure.PHONE_GONE)
    acd.expect(Hold, call="c1")
    acd.at("09:00:27").expect(Hold, call="c1")
    acd.at("09:00:32").expect(Hold, call="c1")
    acd.at("09:00:37").expect_no(Hold)
    assert acd.state("c1") == "returning"
    acd.at("09:05:37")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.FAILED, "lost-sight", Blame.SWITCH)
    acd.at("09:06:00").held("c1")
    acd.expect(ToFailsafe, call="c1")  # no second record, and not left alone
    acd.expect(PictureDiffered, call="c1", what="written off, and waiting")
    acd.at("09:07:00").switch_found(SwitchCall(C1, "wait"), audit=True).expect(ToFailsafe, call="c1")
    acd.arrives("c1").expect(Treat, call="c1", verdict=Verdict.FAILSAFE)


def test_an_asterisk_that_finds_its_tongue_gets_a_fresh_count() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").at("09:00:28").held("c1")
    acd.expect(Offer, offer="2")
    acd.at("09:00:50").expect(Hold)
    assert acd.acd._floor.calls[C1].holds_ordered == 1


def test_signing_out_while_it_rings_is_not_undone_by_the_missed_offer() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").at("09:00:05").signs_out("anna")
    assert acd.state("c1") == "offered"
    acd.at("09:00:20").offer_failed("anna").held("c1")
    assert acd.agent_state("anna") == "signed-out"
    acd.expect_no(Offer)


def test_a_pause_pressed_while_it_rings_keeps_its_reason() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").waits("c1").at("09:00:05").is_not_ready("anna", "lunch")
    acd.at("09:00:20").offer_failed("anna").held("c1")
    assert acd.acd.view().agents[0].reason == "lunch"


def test_signing_out_while_talking_ends_no_conversation() -> None:
    acd = Scenario(demo_directory(["anna"], wrap_up_s=0))
    acd.at("09:00:00").waits("c1").talks("anna").at("09:00:05").signs_out("anna")
    assert acd.state("c1") == "connected"
    acd.at("09:01:00").agent_hangs_up("anna")
    assert acd.record("c1").outcome.result is Result.SERVED
    acd.waits("c2").expect_no(Offer, call="c2")


# ------------------------------------------------------------ the caller hangs up


def test_hanging_up_while_waiting() -> None:
    acd = Scenario(demo_directory([]))
    acd.at("09:00:00").waits("c1").at("09:00:40").caller_hangs_up("c1")
    acd.expect(CallAbandoned, call="c1", waited=timedelta(seconds=40))
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.ABANDONED, "waiting", Blame.CALLER)
    assert (record.t_leave, record.hung_up_first) == (moment("09:00:40"), "caller")


def test_a_network_failure_is_not_the_callers_doing() -> None:
    acd = Scenario(demo_directory([]))
    acd.at("09:00:00").waits("c1").caller_hangs_up("c1", cause=38)
    assert acd.record("c1").outcome.blame is Blame.SWITCH


def test_hanging_up_while_it_rings_frees_the_agent_without_blame(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:05").caller_hangs_up("c1")
    assert acd.record("c1").outcome.reason == "ringing"
    assert tried(acd, "c1") == [("anna", "caller-gone")]
    assert acd.agent_state("anna") == "available"
    acd.at("09:00:06").waits("c2")
    acd.expect(Offer, call="c2", agent="anna")  # still the longest idle
    acd.tell(OfferFailed(C1, OfferId("1"), OfferFailure.CALLER_GONE))
    acd.expect(Ignored, signal="OfferFailed", why="unknown or ended call")


def test_hanging_up_during_the_announcement_is_abandoned_and_not_answered(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:05").answers("anna").at("09:00:06").caller_hangs_up("c1")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.ABANDONED, "connecting", Blame.CALLER)
    assert (record.t_ans, record.in_time, record.agent) == (None, False, None)
    assert record.waited == timedelta(seconds=6)
    assert acd.agent_state("anna") == "available"


def test_an_agent_who_leaves_during_the_announcement_gives_the_caller_back(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:05").answers("anna")
    acd.at("09:00:06").offer_failed("anna", "not-talked").held("c1")
    acd.expect(Offer, call="c1", agent="bert")
    assert acd.agent_state("anna") == "not-ready"
    acd.at("09:00:10").talks("bert").agent_hangs_up("bert")
    assert acd.record("c1").t_ans == moment("09:00:10")


def test_a_late_failure_does_not_take_two_people_apart(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").talks("anna").at("09:00:30").offer_failed("anna", "no-answer")
    acd.expect(Ignored, why="they talk")
    assert (acd.state("c1"), acd.agent_state("anna")) == ("connected", "talking")


def test_hanging_up_in_the_greeting() -> None:
    acd = Scenario()
    acd.at("09:00:00").arrives("c1").at("09:00:01").caller_hangs_up("c1")
    assert acd.record("c1").outcome.reason == "greeting"
    assert acd.record("c1").t_q is None


# ------------------------------------------------------------ order


def test_all_busy_and_the_longest_waiting_of_two_queues_comes_first() -> None:
    acd = Scenario(demo_directory(["anna"], wrap_up_s=0))
    acd.at("09:00:00").waits("c0").talks("anna")
    acd.at("09:00:10").waits("c1", HANNOVER)
    acd.at("09:00:20").waits("c2", LANGENHAGEN)
    acd.at("09:00:30").waits("c3", HANNOVER)
    acd.expect(CallQueued, call="c3", position=2)
    for n, call in enumerate(("c1", "c2", "c3"), 1):
        acd.at(f"09:0{n}:00").agent_hangs_up("anna")
        acd.expect(Offer, call=call, agent="anna")
        acd.talks("anna")


def test_the_longest_idle_agent_comes_first() -> None:
    acd = Scenario(demo_directory(["anna", "bert", "cleo"], wrap_up_s=0))
    acd.at("09:00:00").waits("c1").talks("anna").at("09:01:00").agent_hangs_up("anna")
    for n, agent in enumerate(("bert", "cleo", "anna"), 2):
        acd.at("09:02:00").waits(f"c{n}")
        acd.expect(Offer, call=f"c{n}", agent=agent)


def test_only_who_has_the_skill_at_the_level() -> None:
    acd = Scenario(demo_directory([demo_agent("anna", {"citizens": 5, "115": 1}), demo_agent("bert", {"115": 2})]))
    acd.at("09:00:00").waits("c1", "115")
    acd.expect(Offer, call="c1", agent="bert")
    acd.waits("c2", "115").expect_no(Offer, call="c2")


def test_wrap_up_lasts_its_time_and_then_the_next_caller_comes() -> None:
    acd = Scenario(demo_directory(["anna"], wrap_up_s=10))
    acd.at("09:00:00").waits("c1").talks("anna").waits("c2")
    acd.at("09:01:00").agent_hangs_up("anna")
    assert acd.agent_state("anna") == "wrap-up"
    acd.at("09:01:09.999").expect_no(Offer)
    acd.at("09:01:10").expect(Offer, call="c2", agent="anna")


# ------------------------------------------------------------ odd numbers


def test_a_number_nobody_owns_is_caught_and_told(acd: Scenario) -> None:
    acd.at("09:00:00").arrives("c1", dialled="0511 99-99999")
    acd.expect(NumberUnknown, call="c1", dialled="0511 99-99999")
    acd.expect(Treat, verdict=Verdict.HOLD, queue="hannover")
    acd.held("c1").expect(Offer, call="c1")


def test_an_emergency_number_is_never_queued(acd: Scenario) -> None:
    acd.at("09:00:00").arrives("c1", dialled="112")
    acd.expect(Treat, call="c1", verdict=Verdict.EMERGENCY)
    acd.expect_no(NumberUnknown)
    acd.at("09:00:10").caller_hangs_up("c1")
    assert acd.record("c1").outcome == Outcome(Result.REFUSED, "emergency", Blame.NOBODY)


@pytest.mark.parametrize(
    ("wrote", "kept"),
    [("04105 55-0", "+494105550"), ("0049 4105 550", "+494105550"), ("1680", None), ("anonymous", None), (None, None)],
)
def test_who_forwarded_stands_on_the_record_and_decides_nothing(wrote: str | None, kept: str | None) -> None:
    acd = Scenario(demo_directory())
    acd.tell(CallArrived(CallId("c1"), LANGENHAGEN, diversion=wrote, diversion_reason="no-answer"))
    remembered = acd.expect(RememberCall, call="c1")
    record = acd.held("c1").after(5).caller_hangs_up("c1").record("c1")
    assert (record.tenant, record.diversion, record.diversion_reason) == ("langenhagen", kept, "no-answer")
    assert remembered == replace(remembered, diversion=kept, diversion_reason="no-answer")

    again = Scenario(demo_directory(), found=False, calls=[remembered])
    again.at("09:00:10").switch_found()
    found = again.record("c1")
    assert (found.diversion, found.diversion_reason) == (kept, "no-answer")


# ------------------------------------------------------------ transfers


def test_a_blind_transfer_frees_the_agent_and_the_record_says_where(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").talks("anna").at("09:01:00").transferred("c1", "2001")
    assert (acd.state("c1"), acd.agent_state("anna")) == ("diverted", "wrap-up")
    acd.at("09:05:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.talk_ms, record.wrap_ms) == (60_000, 10_000)
    assert (record.transferred_to, record.transfer_blind) == ("2001", True)
    assert record.outcome == Outcome(Result.SERVED, "transferred", Blame.NOBODY)
    assert (record.agent, record.t_wrap_end, record.t_end) == ("anna", moment("09:01:10"), moment("09:05:00"))


def test_an_attended_transfer(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").talks("anna").at("09:01:00").transferred("c1", "2001", blind=False)
    acd.at("09:01:01").caller_hangs_up("c1")
    assert acd.record("c1").transfer_blind is False
    assert acd.agent_state("anna") == "wrap-up"


def test_an_office_that_does_not_answer_gives_the_caller_back_with_the_old_place() -> None:
    acd = Scenario(demo_directory(["anna", "bert"], wrap_up_s=0))
    acd.at("09:00:00").waits("c1").talks("anna")
    acd.at("09:00:10").waits("c2").talks("bert")
    acd.at("09:00:20").waits("c3")
    acd.at("09:01:00").is_not_ready("anna").transferred("c1", "2001").at("09:01:20").held("c1")
    assert acd.state("c1") == "waiting"
    acd.at("09:02:00").agent_hangs_up("bert")
    acd.expect(Offer, call="c1", agent="bert")  # before c3, who came later
    acd.at("09:02:05").talks("bert")
    acd.expect(OfferTaken, call="c1", agent="bert")
    acd.expect_no(CallAnswered)  # a call is answered once
    acd.at("09:03:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert tried(acd, "c1") == [("anna", "answered"), ("bert", "answered")]
    assert (record.agent, record.transferred_to, record.hung_up_first) == ("bert", None, "caller")
    assert (record.t_ans, record.waited, record.in_time) == (moment("09:00:00"), timedelta(), True)
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)


def test_the_wait_between_two_conversations_is_nobodys_work() -> None:
    """Transferred, the office silent, ten minutes in the line, a second agent: two conversations on the record."""
    acd = Scenario(demo_directory(["anna", "bert"], wrap_up_s=10))
    acd.is_not_ready("bert").at("09:00:00").waits("c1").talks("anna").at("09:01:00").transferred("c1", "2001")
    acd.is_not_ready("anna").at("09:01:20").held("c1").at("09:11:20").is_ready("bert")
    acd.at("09:11:22").talks("bert").at("09:13:22").agent_hangs_up("bert")
    record = acd.record("c1")
    assert (record.t_ans, record.t_end) == (moment("09:00:00"), moment("09:13:22"))
    assert (record.talk_ms, record.wrap_ms) == (60_000 + 120_000, 20_000)
    used = Usage()
    used.add(record)
    assert (used.talk_ms, used.wrap_up_ms) == (180_000, 20_000)
    assert (figures([record]).talk, figures([record]).aht) == (Mean(180, 1), Mean(200, 1))


def test_who_only_rang_for_a_returned_caller_has_not_talked() -> None:
    acd = Scenario(demo_directory(["anna", "bert"]))
    acd.at("09:00:00").waits("c1").talks("anna").is_not_ready("anna").at("09:01:00").transferred("c1", "2001")
    offer = acd.held("c1").offer("bert").offer
    acd.at("09:01:05").answers("bert").at("09:01:08").tell(CallerHeld(C1, after=offer))
    acd.at("09:02:00").caller_hangs_up("c1")
    assert tried(acd, "c1") == [("anna", "answered"), ("bert", "not-talked")]
    assert (acd.record("c1").talk_ms, acd.record("c1").wrap_ms) == (60_000, 10_000)


def test_nobodys_talk_is_none(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").caller_hangs_up("c1")
    assert (acd.record("c1").talk_ms, acd.record("c1").wrap_ms) == (None, None)


def test_an_agent_rung_for_a_returned_caller_gets_no_wrap_up_for_it() -> None:
    """The caller has talked before; that does not mean the second agent did."""
    acd = Scenario(demo_directory(["anna", "bert"]))
    acd.at("09:00:00").waits("c1").talks("anna").at("09:01:00").transferred("c1", "2001").held("c1")
    acd.expect(Offer, call="c1", agent="bert")
    acd.at("09:01:05").held("c1")  # back without a word how the offer went
    assert acd.agent_state("bert") == "set-aside"
    acd.expect(OfferMissed, agent="bert")
    acd.at("09:01:06").caller_hangs_up("c1")
    assert tried(acd, "c1") == [("anna", "answered"), ("bert", "phone-gone")]


def test_a_transfer_into_another_towns_number() -> None:
    """Another queue, another phone that says so; and in figures and bills the call that came to Langenhagen."""
    acd = Scenario(demo_directory(["anna", "bert"]))
    acd.at("09:00:00").waits("c1", LANGENHAGEN).talks("anna").at("09:01:00").transferred("c1", "1680")
    acd.at("09:01:01").arrives("c1", dialled=HANNOVER)
    treat = acd.expect(Treat, queue="hannover", label="Hannover")
    assert treat.entered_at == moment("09:00:00")
    acd.held("c1").expect(Offer, call="c1", agent="bert")
    acd.talks("bert").at("09:02:00").agent_hangs_up("bert")
    record = acd.record("c1")
    assert (record.tenant, record.queue, record.kind) == ("langenhagen", "langenhagen", "main-number")
    assert (record.entry, record.transferred_to, record.agent) == ("+495117307", "1680", "bert")


def stricter_in_hannover() -> Directory:
    """Langenhagen promises 30 seconds to 75 %, Hannover 5 seconds to 95 %; and there are lines of our own."""
    made = demo_directory(["anna", "bert"])
    stricter = {"target": timedelta(seconds=5), "target_share": 0.95}
    queues = tuple(replace(q, **stricter) if q.id == "hannover" else q for q in made.queues)  # type: ignore[arg-type]
    own = replace(next(e for e in made.entries if e.tenant == "hannover"), number="+495111689", block=False)
    return replace(made, queues=queues, entries=(*made.entries, replace(own, kind=EntryKind.INTERNAL)))


@pytest.mark.parametrize("dialled", [HANNOVER, "0511 1689"])
def test_what_was_promised_to_a_caller_is_not_promised_anew_by_a_transfer(dialled: str) -> None:
    """Nor does a citizen's call become one of our own staff, in no figure of any town, or in time because it waits."""
    acd = Scenario(stricter_in_hannover(), ready=("anna",))
    acd.at("09:00:00").arrives("c1", LANGENHAGEN).held("c1").at("09:00:20").talks("anna")
    acd.expect(CallAnswered, tenant="langenhagen", in_time=True)
    acd.is_not_ready("anna").at("09:01:00").transferred("c1", "1680").arrives("c1", dialled)
    acd.expect(Treat, queue="hannover")
    acd.held("c1").at("09:03:00").is_ready("bert").talks("bert").at("09:04:00").agent_hangs_up("bert")
    record = acd.record("c1")
    assert (record.tenant, record.queue, record.kind) == ("langenhagen", "langenhagen", "main-number")
    assert (record.target_ms, record.target_share, record.in_time) == (30_000, 0.75, True)
    assert (record.talk_ms, figures([record]).in_time) == (100_000, 1)


def test_what_a_call_is_counted_as_is_settled_when_somebody_answers() -> None:
    """The number goes to another town and queue, with other promises: whoever was answered before had the old ones."""
    before = stricter_in_hannover()
    after = replace(
        before,
        queues=tuple(replace(q, target=timedelta(seconds=1)) for q in before.queues),
        entries=tuple(
            replace(e, tenant=TenantId("region"), queue=QueueId("hannover")) if e.number == "+495117307" else e
            for e in before.entries
        ),
    )
    acd = Scenario(before, ready=("anna",)).at("09:00:00").arrives("c1", LANGENHAGEN).held("c1").at("09:00:20")
    acd.waits("c2", LANGENHAGEN).talks("anna")
    kept = acd.expect(RememberCall, call="c1", t_ans=moment("09:00:20"))
    acd.tell(DirectoryChanged(after)).at("09:01:00").caller_hangs_up("c1").caller_hangs_up("c2")
    again = Scenario(after, found=False, calls=[kept], ready=()).at("09:05:00").switch_found()
    for record in (acd.record("c1"), again.record("c1")):
        assert (record.tenant, record.queue, record.target_ms, record.in_time) == (
            "langenhagen", "langenhagen", 30_000, True,
        )  # fmt: skip
    assert acd.record("c2").target_ms == 1000


def test_a_partners_answer_settles_it_too() -> None:
    before = demo_directory([], overflow_s=20)
    after = replace(before, queues=tuple(replace(q, target=timedelta(seconds=25)) for q in before.queues))
    acd = Scenario(before).at("09:00:00").waits("c1").at("09:00:20").at("09:00:28").tell(DivertAnswered(C1, OLDENBURG))
    record = acd.tell(DirectoryChanged(after)).at("09:05:00").caller_hangs_up("c1").record("c1")
    assert (record.target_ms, figures([record]).in_time) == (30_000, 1)


def test_who_is_found_handed_on_is_the_call_that_came() -> None:
    """Who answered, and that somebody did, was lost with us."""
    known = RememberCall(C1, LANGENHAGEN, None, "", "trunk", "", moment("08:55:00"))
    acd = Scenario(stricter_in_hannover(), found=False, calls=[known]).at("09:00:00")
    acd.switch_found(SwitchCall(C1, "transfer", QueueId("langenhagen"), talked_at=moment("08:55:09")))
    acd.at("09:01:00").arrives("c1", HANNOVER).held("c1").caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.tenant, record.queue, record.in_time) == ("langenhagen", "langenhagen", True)


def test_who_was_transferred_before_our_restart_waits_there_after_it() -> None:
    directory = stricter_in_hannover()
    acd = Scenario(directory, ready=("anna",)).at("09:00:00").waits("c1", LANGENHAGEN).talks("anna")
    acd.is_not_ready("anna").at("09:01:00").transferred("c1", "1680").arrives("c1", HANNOVER).held("c1")
    kept = [out for _, _, outs in acd.story for out in outs if isinstance(out, RememberCall)][-1]
    again = Scenario(directory, found=False, calls=[kept], ready=()).at("09:01:30")
    again.switch_found(SwitchCall(C1, "wait", QueueId("hannover"), moment("09:00:00")))
    assert [call.queue for call in again.acd.view().calls] == ["hannover"]
    record = again.at("09:02:00").caller_hangs_up("c1").record("c1")
    assert (record.tenant, record.queue, record.target_ms) == ("langenhagen", "langenhagen", 30_000)


def test_a_transfer_after_the_partner_rang_in_vain_is_no_overflow() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=10), ready=())
    acd.at("09:00:00").waits("c1").at("09:00:12").is_ready("anna")
    acd.talks("anna").at("09:01:00").transferred("c1", "2001").caller_hangs_up("c1")
    assert acd.record("c1").outcome == Outcome(Result.SERVED, "transferred", Blame.NOBODY)
    assert acd.record("c1").partner is None
    assert acd.record("c1").t_ovf == moment("09:00:10")


# ------------------------------------------------------------ overflow


def test_the_partner_answers() -> None:
    acd = Scenario(demo_directory([], overflow_s=20))
    acd.at("09:00:00").waits("c1").at("09:00:20")
    acd.expect(Divert, call="c1", partner="oldenburg", number="+494412350")
    acd.expect(CallDiverted, why="waited 20 s")
    acd.at("09:00:31").tell(DivertAnswered(C1, OLDENBURG)).at("09:05:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)
    assert (record.t_ovf, record.t_ovf_ans, record.partner) == (moment("09:00:20"), moment("09:00:31"), "oldenburg")
    assert record.waited == timedelta(seconds=31)


def test_the_partner_is_busy_and_the_place_is_kept() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=20), ready=())
    acd.at("09:00:00").waits("c1").at("09:00:10").waits("c2")
    acd.at("09:00:25").tell(DivertFailed(C1, OLDENBURG, "busy"))
    assert acd.state("c1") == "returning"
    acd.held("c1").at("09:00:28").is_ready("anna")
    acd.expect(Offer, call="c1", agent="anna")
    acd.talks("anna").agent_hangs_up("anna")
    assert acd.record("c1").partner is None


def test_our_own_agent_is_free_before_the_partner_answers() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=20), ready=())
    acd.at("09:00:00").waits("c1").at("09:00:25").is_ready("anna")
    acd.expect(Offer, call="c1", agent="anna")
    acd.tell(DivertFailed(C1, OLDENBURG, "cancelled"))
    acd.expect(Ignored, signal="DivertFailed", why="call is offered")
    acd.talks("anna").agent_hangs_up("anna")
    assert acd.record("c1").outcome.result is Result.SERVED


def test_a_silent_partner_leg_is_called_back() -> None:
    acd = Scenario(demo_directory([], overflow_s=20))
    acd.at("09:00:00").waits("c1").at("09:00:52").expect(Hold, call="c1")
    acd.held("c1").at("09:01:51").expect_no(Divert)
    acd.at("09:01:52").expect(Divert, call="c1")


def test_a_refused_divert_waits_on() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=20), ready=())
    acd.at("09:00:00").waits("c1").at("09:00:20")
    acd.tell(OrderFailed(acd.expect(Divert), "refused", certain=True))
    acd.at("09:00:21").is_ready("anna").expect_no(Offer)
    acd.at("09:00:22").expect(Offer, call="c1")


def test_overflow_due_while_a_phone_rings_is_not_forgotten_by_a_refused_order() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=20, ring_s=60))
    acd.at("09:00:00").waits("c1").at("09:00:30").is_not_ready("anna").refused("anna")
    acd.expect_no(Divert)  # the pause is for this channel, whoever wants it
    acd.at("09:00:32").expect(Divert, call="c1")


def test_overflow_due_while_the_switch_was_lost_is_made_up_for() -> None:
    acd = Scenario(demo_directory([], overflow_s=20))
    acd.at("09:00:00").waits("c1").at("09:00:10").switch_lost().at("09:00:40")
    acd.expect_no(Divert)
    acd.switch_found(SwitchCall(C1, "wait")).expect(Divert, call="c1")


# ------------------------------------------------------------ failsafe


def test_asterisk_takes_a_waiting_call() -> None:
    acd = Scenario(demo_directory([]))
    acd.at("09:00:00").waits("c1").at("09:15:00").tell(CallTakenByFailsafe(C1, "max-wait"))
    acd.expect(FailsafeEntered, call="c1", tenant="langenhagen", why="max-wait")
    acd.at("09:15:10").tell(FailsafeAnswered(C1, "phone-7")).at("09:16:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.FAILSAFE, "max-wait", Blame.US)
    assert (record.t_failsafe, record.failsafe_answered_by) == (moment("09:15:00"), "phone-7")


def test_a_call_we_only_hear_of_in_failsafe_has_a_record_too(acd: Scenario) -> None:
    acd.at("09:00:00").tell(CallTakenByFailsafe(C1, "heartbeat", LANGENHAGEN)).at("09:01:00").caller_hangs_up("c1")
    assert acd.record("c1").tenant == "langenhagen"
    assert acd.record("c1").outcome.reason == "heartbeat"


def test_failsafe_while_a_phone_rings_frees_the_agent(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").tell(CallTakenByFailsafe(C1, "dialplan"))
    assert acd.agent_state("anna") == "available"
    acd.caller_hangs_up("c1")
    assert tried(acd, "c1") == [("anna", "caller-gone")]


def test_nobody_is_held_from_failsafe(acd: Scenario) -> None:
    """The question at the door, answered too late: Asterisk has gone its own way."""
    acd.at("09:00:00").tell(CallTakenByFailsafe(C1, "no-answer", LANGENHAGEN)).arrives("c1")
    acd.expect(Treat, call="c1", verdict=Verdict.FAILSAFE, failsafe="standard")


# ------------------------------------------------------------ the switch goes and comes


def test_nobody_is_offered_while_the_switch_is_lost(acd: Scenario) -> None:
    acd.at("09:00:00").switch_lost().waits("c1").expect_no(Offer)
    acd.at("09:00:05").switch_found(SwitchCall(C1, "wait"))
    acd.expect(Offer, call="c1", agent="anna")
    acd.expect(KeepFailsafe)


def test_an_offer_outlives_a_lost_link_and_its_deadline_stands_still(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:10").switch_lost().at("09:00:40")
    assert acd.state("c1") == "offered"
    acd.switch_found(SwitchCall(C1, "offer", phone=Phone("phone-anna"))).at("09:01:01").expect_no(Hold)
    acd.at("09:01:02").expect(Hold, call="c1")


def test_a_conversation_that_began_in_the_dark_counts_as_one(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:05").answers("anna").switch_lost()
    acd.at("09:00:10").switch_found(SwitchCall(C1, "talk", phone=Phone("phone-anna")))
    acd.expect(CallAnswered, call="c1", agent="anna")
    acd.at("09:01:00").caller_hangs_up("c1")
    assert acd.record("c1").outcome.result is Result.SERVED


def test_a_call_that_went_in_the_dark_has_its_record(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:05").switch_lost().at("09:00:10").switch_found()
    acd.expect(PictureDiffered, call="c1", what="gone")
    acd.expect(SaveRecord)
    assert acd.record("c1").outcome == Outcome(Result.FAILED, "lost-sight", Blame.UNKNOWN)
    assert acd.record("c1").t_leave is None
    acd.expect_no(CallAbandoned)
    assert acd.agent_state("anna") == "available"


def test_what_is_younger_than_the_picture_wins(acd: Scenario) -> None:
    acd.at("09:00:10").waits("c1").switch_found(audit=True, at=moment("09:00:09"))
    assert acd.state("c1") == "offered"
    acd.expect_no(PictureDiffered)


def test_after_our_restart_waiting_ringing_and_talking_callers_are_taken_over() -> None:
    acd = Scenario(demo_directory(["anna", "bert", "cleo"]), found=False)
    acd.at("09:00:00").switch_found(
        SwitchCall(CallId("w"), "wait", QueueId("langenhagen"), moment("08:59:00")),
        SwitchCall(
            CallId("r"), "offer", QueueId("langenhagen"), moment("08:59:30"), OfferId("71"), Phone("phone-bert")
        ),
        SwitchCall(CallId("t"), "talk", QueueId("hannover"), moment("08:50:00"), OfferId("70"), Phone("phone-cleo")),
    )
    acd.expect(Offer, call="w", agent="anna")
    assert (acd.agent_state("bert"), acd.agent_state("cleo")) == ("offered", "talking")
    acd.tell(PartiesBridged(CallId("r"), OfferId("71"))).expect(OfferTaken, call="r", agent="bert")
    for call in "wrt":
        acd.at("09:01:00").caller_hangs_up(call)
    assert acd.record("w").t_in == moment("08:59:00")
    assert acd.record("w").outcome.result is Result.ABANDONED
    assert acd.record("r").agent == "bert"
    assert (acd.record("t").agent, acd.record("t").tenant) == ("cleo", "hannover")


def test_a_conversation_found_in_somebodys_wrap_up_is_not_cut_short_by_its_end() -> None:
    acd = Scenario(demo_directory(["anna"], wrap_up_s=10))
    acd.at("09:00:00").waits("c1").talks("anna").at("09:00:30").agent_hangs_up("anna")
    call = SwitchCall(CallId("x"), "talk", QueueId("hannover"), None, OfferId("70"), Phone("phone-anna"))
    acd.at("09:00:35").switch_found(call, audit=True).at("09:01:00")
    assert acd.agent_state("anna") == "talking"


def test_a_caller_whom_the_switch_still_shows_is_not_lost_from_sight() -> None:
    acd = Scenario()
    shown = SwitchCall(C1, "overflow", QueueId("hannover"))
    acd.at("09:00:00").switch_found(shown)
    for minute in range(1, 12):
        acd.at(f"09:{minute:02}:00").switch_found(shown, audit=True)
    assert acd.state("c1") == "arrived"
    acd.at("09:12:00").switch_found(audit=True)
    assert acd.state("c1") == "gone"


def test_after_a_pause_of_the_machine_nobody_is_torn_apart(acd: Scenario) -> None:
    """The service stood still while the phone rang and was answered; the news waits in the inbox behind a deadline."""
    acd.at("09:00:00").waits("c1")
    offer = acd.offer("anna")
    acd.clock.advance(timedelta(seconds=40))
    acd.tell(OfferAnswered(C1, offer.offer), PartiesBridged(C1, offer.offer))
    acd.expect_no(Hold)
    assert acd.agent_state("anna") == "talking"


def test_a_word_from_before_the_offer_does_not_end_it(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").expect(Offer, agent="anna")
    acd.tell(CallerHeld(C1)).expect(Ignored, why="from before the offer in force")
    acd.talks("anna")
    assert acd.agent_state("anna") == "talking"


def test_a_conversation_is_no_waiting_for_the_limits_of_the_wait() -> None:
    acd = Scenario(demo_directory(["anna"], overflow_s=60))
    acd.at("09:00:00").waits("c1").talks("anna").at("09:20:00").transferred("c1", "2001")
    acd.tell(AgentSignedOut(AgentId("anna"))).at("09:20:30").held("c1")
    acd.expect_no(Divert)
    assert max(q.longest_wait for q in acd.acd.view().queues) == timedelta()
    acd.at("09:21:29").expect_no(Divert)
    acd.at("09:21:31").expect(Divert, call="c1")


def test_a_caller_who_left_before_we_heard_of_the_arrival_has_a_record_at_once(acd: Scenario) -> None:
    acd.at("09:00:00").tell(CallerHungUp(C1, 16)).arrives("c1")
    assert acd.record("c1").outcome == Outcome(Result.ABANDONED, "greeting", Blame.CALLER)
    assert acd.state("c1") == "gone"


def test_who_was_there_when_we_last_ran_is_not_forgotten() -> None:
    known = ("0511 7307-0", "+493023125001", "Erika", "trunk", "abc@carrier")
    kept = [RememberCall(CallId(c), *known, moment("08:55:00")) for c in ("gone", "w", "t", "h", "p")]
    acd = Scenario(demo_directory(["anna", "bert"]), found=False, calls=kept)
    acd.at("09:00:00").switch_found(
        SwitchCall(CallId("w"), "wait", QueueId("langenhagen"), moment("08:55:00")),
        SwitchCall(
            CallId("t"), "talk", QueueId("langenhagen"), None, OfferId("7"), Phone("phone-bert"),
            talked_at=moment("08:55:20"),
        ),
        SwitchCall(CallId("h"), "transfer", QueueId("langenhagen"), talked_at=moment("08:55:09")),
        SwitchCall(
            CallId("p"), "partner", QueueId("langenhagen"), partner=PartnerId("oldenburg"),
            talked_at=moment("08:55:25"),
        ),
    )  # fmt: skip
    acd.expect_no(PictureDiffered, what="adopted")
    acd.expect(Offer, call="w", agent="anna")
    acd.expect_no(CallAnswered)
    gone = acd.record("gone")
    assert (gone.outcome.result, gone.outcome.reason, gone.outcome.blame) == (
        Result.FAILED,
        "lost-sight",
        Blame.UNKNOWN,
    )
    assert (gone.ani, gone.trunk_call_id, gone.dialled) == ("+493023125001", "abc@carrier", "0511 7307-0")
    for call in "thp":
        acd.at("09:10:00").caller_hangs_up(call)
    assert (acd.record("t").t_ans, acd.record("t").in_time) == (moment("08:55:20"), True)
    assert (acd.record("t").talk_ms, acd.record("h").talk_ms) == (880_000, 291_000)
    assert (acd.record("h").outcome.result, acd.record("h").t_ans) == (Result.SERVED, moment("08:55:09"))
    assert (acd.record("p").outcome.result, acd.record("p").partner) == (Result.OVERFLOWED, "oldenburg")
    assert (acd.record("p").t_ovf_ans, acd.record("p").waited) == (moment("08:55:25"), timedelta(seconds=25))


def test_a_partner_that_answered_while_the_link_was_down_answered_then() -> None:
    acd = Scenario(demo_directory([], overflow_s=60)).at("09:00:00").waits("c1").at("09:01:00").switch_lost()
    there = SwitchCall(C1, "partner", partner=OLDENBURG, talked_at=moment("09:01:07"))
    acd.at("09:04:00").switch_found(there).at("09:05:00").caller_hangs_up("c1")
    assert (acd.record("c1").outcome.result, acd.record("c1").t_ovf_ans) == (Result.OVERFLOWED, moment("09:01:07"))


def test_who_was_answered_before_our_restart_and_gives_up_after_it_was_answered() -> None:
    """Anna transferred the caller, nobody took the call there, and it was back in the line when we came back."""
    directory = demo_directory(["anna"])
    acd = Scenario(directory).at("09:00:00").arrives("c1").at("09:00:04").tell(GreetingEnded(C1)).held("c1")
    acd.at("09:00:10").talks("anna").is_not_ready("anna").at("09:01:10").transferred("c1", "2001")
    kept = [out for _, _, outs in acd.story for out in outs if isinstance(out, RememberCall)][-1]
    again = Scenario(directory, found=False, calls=[kept], ready=()).at("09:01:30")
    again.switch_found(SwitchCall(C1, "wait", QueueId("langenhagen"), moment("09:00:00")))
    record = again.at("09:02:00").caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)
    assert (record.t_ann_end, record.t_ans, record.agent) == (moment("09:00:04"), moment("09:00:10"), "anna")
    assert (record.talk_ms, record.wrap_ms) == (60_000, 10_000)
    again.expect_no(CallAbandoned)


def test_who_talked_when_we_went_is_known_by_the_answer_when_we_come_back() -> None:
    acd = Scenario(demo_directory(["anna"])).at("09:00:00").waits("c1").at("09:00:05").talks("anna")
    kept = acd.expect(RememberCall, t_ans=moment("09:00:05"), agent="anna")
    again = Scenario(demo_directory(["anna"]), found=False, calls=[kept]).at("09:05:00").switch_found()
    assert (again.record("c1").outcome.result, again.record("c1").agent) == (Result.SERVED, "anna")


def test_a_conversation_that_ended_unseen_is_counted_as_long_as_it_was_seen() -> None:
    acd = Scenario(demo_directory(["anna"])).at("09:00:00").waits("c1").at("09:00:05").talks("anna")
    kept = acd.expect(RememberCall, t_talk=moment("09:00:05"))
    again = Scenario(demo_directory(["anna"]), found=False, calls=[kept], stopped_at=moment("09:01:00"))
    record = again.at("21:00:00").switch_found().record("c1")
    assert (record.outcome.result, record.talk_ms, record.wrap_ms) == (Result.SERVED, 55_000, 10_000)

    record = acd.at("09:02:00").switch_lost().at("13:00:00").switch_found().record("c1")
    assert (record.outcome.result, record.talk_ms, record.wrap_ms) == (Result.SERVED, 115_000, 10_000)


@pytest.mark.parametrize("seen", [(), (SwitchCall(C1, "transfer", talked_at=moment("09:02:10")),)])
def test_the_second_conversation_counts_too_where_it_ended_unseen(seen: tuple[SwitchCall, ...]) -> None:
    acd = Scenario(demo_directory(["anna", "bert"])).at("09:00:00").waits("c1").at("09:00:05").talks("anna")
    acd.at("09:01:05").transferred("c1", "2001").at("09:02:05").held("c1").at("09:02:10").talks("bert")
    kept = acd.expect(RememberCall, t_talk=moment("09:02:10"))
    assert (kept.talk_ms, kept.wrap_ms) == (60_000, 10_000)

    again = Scenario(demo_directory(["anna", "bert"]), found=False, calls=[kept], stopped_at=moment("09:05:10"))
    again.at("09:12:10").switch_found(*seen)
    if seen:
        again.at("09:20:00").caller_hangs_up("c1")
    assert (again.record("c1").talk_ms, again.record("c1").wrap_ms) == (240_000, 20_000)


def test_a_conversation_we_come_back_to_is_counted_to_its_end() -> None:
    acd = Scenario(demo_directory(["anna"])).at("09:00:00").waits("c1").at("09:00:05").talks("anna")
    kept, offer = acd.expect(RememberCall, t_talk=moment("09:00:05")), acd.offer("anna")
    again = Scenario(demo_directory(["anna"]), found=False, calls=[kept], stopped_at=moment("09:01:00"))
    there = SwitchCall(C1, "talk", offer=offer.offer, phone=offer.phone, talked_at=moment("09:00:05"))
    again.at("09:03:00").switch_found(there).at("09:04:05").caller_hangs_up("c1")
    assert (again.record("c1").talk_ms, again.record("c1").wrap_ms) == (240_000, 10_000)


def test_who_was_sent_to_a_partner_before_our_restart_was_sent() -> None:
    directory = demo_directory([], overflow_s=60)
    acd = Scenario(directory).at("09:00:00").waits("c1").at("09:01:00")
    kept = acd.expect(RememberCall, t_ovf=moment("09:01:00"))
    again = Scenario(directory, found=False, calls=[kept]).at("09:01:10")
    again.switch_found(SwitchCall(C1, "wait", QueueId("langenhagen"), moment("09:00:00")))
    record = again.caller_hangs_up("c1").record("c1")
    assert (record.t_ovf, record.overflow_partner, record.overflow_trigger) == (
        moment("09:01:00"), "oldenburg", "waited",
    )  # fmt: skip


def test_a_call_is_remembered_from_its_arrival_on(acd: Scenario) -> None:
    acd.at("09:00:00").arrives("c1", dialled="115")
    kept = acd.expect(RememberCall, call="c1")
    assert (kept.dialled, kept.at) == ("115", moment("09:00:00"))


def test_nobody_is_given_up_while_we_cannot_see(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:01").switch_lost().at("09:30:00")
    assert acd.state("c1") == "offered"


# ------------------------------------------------------------ doubled and late


def test_everything_twice_changes_nothing(acd: Scenario) -> None:
    acd.at("09:00:00").arrives("c1").arrives("c1")
    acd.expect(CallOffered)
    with pytest.raises(AssertionError, match="no CallOffered"):
        acd.expect(CallOffered)
    acd.held("c1").talks("anna").talks("anna")
    acd.expect(CallAnswered)
    with pytest.raises(AssertionError, match="no CallAnswered"):
        acd.expect(CallAnswered)
    acd.at("09:01:00").agent_hangs_up("anna").agent_hangs_up("anna").caller_hangs_up("c1")
    assert len(acd.records) == 1
    assert tried(acd, "c1") == [("anna", "answered")]


def test_an_answer_to_an_offer_long_over(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:20").offer_failed("anna").held("c1")
    acd.answers("anna").expect(Ignored, signal="OfferAnswered", why="offer not in force")
    assert acd.acd._floor.calls[C1].agent == "bert"


def test_the_end_of_a_conversation_of_which_the_beginning_was_never_told(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1").at("09:00:10").agent_hangs_up("anna")
    assert acd.record("c1").outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)
    assert acd.agent_state("anna") == "wrap-up"


def test_asking_for_the_next_deadline_changes_nothing() -> None:
    """A replay need not ask when an engine asked. (Here one deadline is set twice for one moment.)"""
    told = []
    for ask in (True, False):
        acd = Scenario(demo_directory(["anna", "bert", "cleo"], ring_s=10)).at("09:00:00").acd
        signals = (
            CallerHeld(CallId("z1")),
            CallerHeld(CallId("z2")),
            PartiesBridged(CallId("z1"), OfferId("1")),
            CallerHeld(CallId("z1")),
        )
        for signal in signals:
            acd.handle(signal, moment("09:00:00"))
            if ask:
                acd.next_deadline()
        told.append(acd.handle(Tick(), moment("09:00:12")))
    assert told[0] == told[1]


# ------------------------------------------------------------ a new directory


def test_a_removed_agent_ends_the_conversation_and_gets_no_new_one() -> None:
    acd = Scenario(demo_directory(["anna", "bert"], wrap_up_s=0))
    acd.at("09:00:00").waits("c1").talks("anna")
    acd.tell(DirectoryChanged(demo_directory(["bert"], wrap_up_s=0))).is_ready("anna")
    acd.expect(Ignored, signal="AgentReady", why="unknown agent")
    acd.at("09:01:00").agent_hangs_up("anna").waits("c2")
    assert acd.record("c1").agent == "anna"
    acd.expect(Offer, call="c2", agent="bert")
    assert [a.id for a in acd.acd.view().agents] == ["bert"]


def test_a_queue_that_is_gone_leaves_its_callers_to_the_catch_all() -> None:
    acd = Scenario(demo_directory(["anna"]), ready=())
    acd.at("09:00:00").waits("c1").at("09:00:10").waits("c2", HANNOVER)
    old = acd.directory
    new = replace(
        old,
        queues=old.queues[1:],
        entries=tuple(replace(e, queue=QueueId("hannover")) if e.queue == "langenhagen" else e for e in old.entries),
    )
    acd.tell(DirectoryChanged(new)).at("09:00:20").is_ready("anna")
    acd.expect(Offer, call="c1", agent="anna")


@pytest.mark.parametrize("who", [["carla"], ["anna", "bert"]])
def test_who_takes_over_a_phone_that_was_somebodys_can_be_called_at_once(who: list[str]) -> None:
    """A successor, or two who change places: the switch need not say again what it has said of these phones."""
    acd = Scenario(demo_directory(["anna", "bert"]), ready=()).at("09:00:00")
    phones = ["phone-bert", "phone-anna"]
    after = [demo_agent(name, phone=phone) for name, phone in zip(who, phones, strict=False)]
    acd.tell(DirectoryChanged(demo_directory(after))).waits("c1").after(2).is_ready(who[0])
    acd.expect(Offer, call="c1", agent=who[0])


def test_an_agent_who_moves_to_another_phone_waits_until_that_phone_is_seen() -> None:
    acd = Scenario(demo_directory(["anna"]))
    acd.at("09:00:00").tell(DirectoryChanged(demo_directory([demo_agent("anna", phone="desk-9")]))).waits("c1")
    acd.expect_no(Offer)
    acd.directory = demo_directory([demo_agent("anna", phone="desk-9")])
    acd.phone_is("anna", PhoneState.REACHABLE).expect(Offer, phone="desk-9")


def test_a_new_overflow_rule_reaches_who_waits_already() -> None:
    acd = Scenario(demo_directory([]))
    acd.at("09:00:00").waits("c1").at("09:00:10").tell(DirectoryChanged(demo_directory([], overflow_s=20)))
    acd.at("09:00:20").expect(Divert, call="c1")


def test_a_sheet_that_expects_the_wrong_thing_tells_the_story(acd: Scenario) -> None:
    acd.at("09:00:00").waits("c1")
    with pytest.raises(AssertionError, match=r"no Offer\(agent='bert'\)[\s\S]*09:00:00[\s\S]*CallArrived"):
        acd.expect(Offer, agent="bert")
    with pytest.raises(AssertionError, match="unwanted Offer"):
        acd.expect_no(Offer, agent="anna")
    with pytest.raises(ValueError, match="time does not go back"):
        acd.at("08:00:00")
    assert acd.acd_agent("anna").id == AgentId("anna")


def test_an_announced_transfer_into_another_towns_queue_lands_there() -> None:
    """The agent's own call stood in that queue; the caller takes its place and keeps the own one. A picture that comes
    before the caller is told as held changes nothing.
    """
    acd = Scenario(demo_directory(["anna", "bert"]))
    acd.at("09:00:00").waits("c1", LANGENHAGEN).talks("anna").tell(AgentSignedOut(AgentId("bert")))
    acd.at("09:01:00").tell(CallTransferred(C1, "unknown", blind=False))
    acd.at("09:01:01").switch_found(SwitchCall(C1, "arriving"), audit=True)
    acd.at("09:01:02").tell(CallerHeld(C1, QueueId("hannover")))
    assert [call.queue for call in acd.acd.view().calls] == ["hannover"]
    acd.tell(AgentReady(AgentId("bert"))).talks("bert").at("09:02:00").agent_hangs_up("bert")
    record = acd.record("c1")
    assert (record.queue, record.tenant, record.transferred_to) == ("langenhagen", "langenhagen", "unknown")
    assert (record.agent, record.t_in) == ("bert", moment("09:00:00"))


def test_a_rule_that_feeds_itself_costs_a_complaint_and_not_the_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    acd = Scenario().at("09:00:00")
    with monkeypatch.context() as defect:
        defect.setattr(acd.acd, "_settle", lambda: True)
        acd.arrives("c1").expect(Unsettled, signal="CallArrived")
        acd.expect(Treat, call="c1")
    acd.held("c1").expect(Offer, call="c1")


def test_a_record_stays_short_where_phone_after_phone_fails() -> None:
    """A broken network: every phone seems to be there, and none rings."""
    acd = Scenario(demo_directory([f"a{n}" for n in range(80)])).at("09:00:00").arrives("c1").held("c1")
    for n in range(80):
        acd.offer_failed(f"a{n}", "phone-gone").held("c1")
    offers = acd.caller_hangs_up("c1").record("c1").offers
    assert [offer.agent for offer in offers] == [f"a{n}" for n in range(80 - MOST_OFFERS, 80)]
