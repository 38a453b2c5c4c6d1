"""For whom somebody is free, the phone rings with the answer to the dialplan's question: nobody needs to be held first.

Whoever must hear something before, or could not be given to anybody, waits as always; and nobody is passed over.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.kpi import figures
from dialog_acd.core.model import AgentId, CallId, EntryKind, SwitchKind
from dialog_acd.core.records import Result
from dialog_acd.testing import HANNOVER, LANGENHAGEN, Scenario, demo_agent, demo_directory
from ladders import entries_are, shut

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.records import CallRecord

C1, C2 = CallId("c1"), CallId("c2")


def answer(acd: Scenario, call: str, dialled: str = LANGENHAGEN) -> m.Treat:
    """A caller comes, and this is what the dialplan is told."""
    acd.arrives(call, dialled, takes_offer=True)
    return acd.expect(m.Treat, call=call)


def for_whom(acd: Scenario, call: str, dialled: str = LANGENHAGEN) -> str:
    """Whose phone is in the answer; nothing where the caller is to wait."""
    treat = answer(acd, call, dialled)
    assert treat.verdict is m.Verdict.HOLD
    return treat.offer.agent if treat.offer else ""


def tried(record: CallRecord) -> list[tuple[str, str]]:
    return [(offer.agent, offer.result) for offer in record.offers]


def stands_in_line(acd: Scenario, call: str) -> bool:
    return CallId(call) in acd.acd._floor.roster.matching


# ---------------------------------------------------------------- somebody is free


def test_the_phone_is_in_the_answer() -> None:
    acd = Scenario(demo_directory()).at("09:00:00")
    treat = answer(acd, "c1")
    assert treat.verdict is m.Verdict.HOLD
    assert treat.offer == acd.offer("anna")
    assert (treat.offer.call, treat.offer.ring_for) == (C1, timedelta(seconds=20))
    acd.expect_no(m.Offer)  # a second order, by the other wire
    acd.expect_no(m.Hold)
    made = acd.expect(m.OfferMade, call="c1", agent="anna")
    assert made.why.startswith("waited 0 s")
    assert (acd.state("c1"), acd.agent_state("anna"), acd.agent_state("bert")) == ("offered", "offered", "available")
    assert not stands_in_line(acd, "c1")


def test_with_it_comes_all_that_is_needed_to_wait() -> None:
    """For the day that phone is not answered."""
    held, offered = Scenario(demo_directory()), Scenario(demo_directory())
    held.at("09:00:00").arrives("c1")
    told = answer(offered.at("09:00:00"), "c1")
    assert told.offer is not None
    assert replace(told, offer=None) == held.expect(m.Treat)


def test_the_record_tells_of_a_caller_who_was_in_line_at_once() -> None:
    acd = Scenario(demo_directory()).at("09:00:00")
    answer(acd, "c1")
    acd.at("09:00:04").talks("anna")
    acd.expect(m.CallAnswered, call="c1", agent="anna", waited=timedelta(seconds=4), in_time=True)
    acd.at("09:01:00").agent_hangs_up("anna")
    record = acd.record("c1")
    assert record.t_q == record.t_in
    assert (record.waited, record.in_time, record.agent) == (timedelta(seconds=4), True, "anna")
    assert tried(record) == [("anna", "answered")]
    assert record.offers[0].at == record.t_in
    assert record.outcome.result is Result.SERVED
    assert acd.agent_state("anna") == "wrap-up"


def test_by_whichever_way_the_phone_rings_the_figures_are_the_same() -> None:
    held, offered = Scenario(demo_directory()), Scenario(demo_directory())
    for acd in (held, offered):
        acd.at("09:00:00").arrives("c1", takes_offer=acd is offered)
        if acd is held:
            acd.held("c1")
        acd.at("09:00:04").talks("anna").at("09:01:00").agent_hangs_up("anna")
        acd.at("09:02:00").arrives("c2", takes_offer=acd is offered)
        if acd is held:
            acd.held("c2")
        acd.at("09:02:09").caller_hangs_up("c2")
    assert offered.records == held.records
    assert figures(offered.records.values()) == figures(held.records.values())


def test_who_has_been_idle_longest_is_asked_first_and_one_phone_rings_for_one_caller() -> None:
    acd = Scenario(demo_directory())
    assert [for_whom(acd, call) for call in ("c1", "c2", "c3")] == ["anna", "bert", ""]


def test_a_caller_who_gives_up_while_that_phone_rings_is_abandoned() -> None:
    acd = Scenario(demo_directory()).at("09:00:00")
    answer(acd, "c1")
    acd.at("09:00:07").caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.outcome.result, record.outcome.reason) == (Result.ABANDONED, "ringing")
    assert tried(record) == [("anna", "caller-gone")]
    assert acd.agent_state("anna") == "available"


# ---------------------------------------------------------------- who is to wait


def shut_but_with_a_ladder() -> Directory:
    return shut(demo_directory(ladder=("closed by hours: callback",)), holiday=False)


def test_a_greeting_is_heard_first() -> None:
    acd = Scenario(entries_are(demo_directory(), EntryKind.MAIN_NUMBER, greeting="acd/hello"))
    assert for_whom(acd, "c1") == ""
    waits_as_always(acd)


def test_a_message_of_the_day_is_heard_first() -> None:
    acd = Scenario(demo_directory())
    until = acd.clock.now() + timedelta(hours=1)
    acd.tell(m.SupervisorSwitched(SwitchKind.CENTRE_MESSAGE, "", until, "supervisor", "storm-warning"))
    treat = answer(acd, "c1")
    assert (treat.offer, treat.messages) == (None, ("acd/storm-warning",))
    waits_as_always(acd)


def test_a_dialplan_that_does_not_know_of_it_is_told_to_hold() -> None:
    acd = Scenario(demo_directory()).arrives("c1")
    assert acd.expect(m.Treat).offer is None
    waits_as_always(acd)


def waits_as_always(acd: Scenario) -> None:
    """Not in line before they are held, whoever becomes free meanwhile; then at once."""
    assert acd.state("c1") == "arrived"
    assert not stands_in_line(acd, "c1")
    acd.after(2).is_not_ready("bert").is_ready("bert").expect_no(m.Offer)
    assert acd.held("c1").expect(m.Offer).agent == "anna"
    acd.after(5).talks("anna").after(30).agent_hangs_up("anna")
    record = acd.record("c1")
    assert record.t_q == record.t_in + timedelta(seconds=2)


def test_while_nobody_sees_the_switch_nobody_is_offered() -> None:
    acd = Scenario(demo_directory()).switch_lost()
    assert for_whom(acd, "c1") == ""
    assert not stands_in_line(acd, "c1")
    acd.switch_found(m.SwitchCall(C1, "arriving")).expect_no(m.Offer)
    assert acd.held("c1").expect(m.Offer).agent == "anna"


def test_where_nobody_is_free_there_is_no_offer_and_no_place_in_line_yet() -> None:
    acd = Scenario(demo_directory(), ready=())
    assert for_whom(acd, "c1") == ""
    assert not stands_in_line(acd, "c1")
    acd.after(1).is_ready("anna").expect_no(m.Offer)  # the dialplan is still on its way to the music
    assert acd.held("c1").expect(m.Offer).agent == "anna"
    assert acd.expect(m.CallQueued).position == 1


def test_who_finds_us_closed_climbs_the_ladder_though_somebody_is_there() -> None:
    acd = Scenario(shut_but_with_a_ladder())
    assert for_whom(acd, "c1") == ""
    acd.held("c1").expect_no(m.Offer)
    acd.expect(m.Say, callback=True)


@pytest.mark.parametrize(
    ("dialled", "verdict"), [("112", m.Verdict.EMERGENCY), (LANGENHAGEN, m.Verdict.CLOSED)], ids=["emergency", "closed"]
)
def test_who_is_not_to_wait_gets_no_agent_either(dialled: str, verdict: m.Verdict) -> None:
    acd = Scenario(shut(demo_directory(), holiday=False))
    treat = answer(acd, "c1", dialled)
    assert (treat.verdict, treat.offer) == (verdict, None)
    assert acd.agent_state("anna") == "available"


def test_who_has_hung_up_before_we_heard_of_them_gets_no_agent() -> None:
    acd = Scenario(demo_directory()).caller_hangs_up("c1")
    assert answer(acd, "c1").verdict is m.Verdict.FAILSAFE
    assert acd.agent_state("anna") == "available"


def test_who_was_transferred_to_a_number_of_ours_is_held_first() -> None:
    """Their channel comes from a conversation; nobody knows yet whether it arrives."""
    acd = Scenario(demo_directory()).waits("c1").talks("anna").after(10)
    acd.arrives("c1", HANNOVER, takes_offer=True)
    assert acd.expect(m.Treat, queue="hannover").offer is None
    acd.held("c1").expect(m.Offer, agent="bert")


def test_a_question_asked_twice_is_not_answered_with_two_phones() -> None:
    acd = Scenario(demo_directory())
    assert for_whom(acd, "c1") == "anna"
    assert for_whom(acd, "c1") == ""
    assert (acd.agent_state("anna"), acd.agent_state("bert")) == ("offered", "available")


# ---------------------------------------------------------------- nobody is passed over


def two_busy_agents() -> Scenario:
    """Both in a conversation, and two callers after them wait."""
    acd = Scenario(demo_directory()).at("09:00:00").waits("a").talks("anna").waits("b").talks("bert")
    return acd.at("09:00:10").waits("w1").at("09:00:11")


def test_an_agent_who_becomes_free_in_that_moment_goes_to_who_waits() -> None:
    """Wrap-up ends with the same signal that brings a new caller: nobody has looked at the line in between."""
    acd = two_busy_agents().at("09:00:50").agent_hangs_up("anna")
    acd.clock.set(acd.clock.now() + timedelta(seconds=10))
    assert for_whom(acd, "c1") == ""
    assert acd.offer("anna").call == "w1"
    assert not stands_in_line(acd, "c1")


def test_and_a_second_one_to_who_comes() -> None:
    acd = two_busy_agents().at("09:00:50").agent_hangs_up("anna").agent_hangs_up("bert")
    acd.clock.set(acd.clock.now() + timedelta(seconds=10))
    assert for_whom(acd, "c1") == "bert"
    assert acd.offer("anna").call == "w1"


def test_who_waits_for_somebody_else_does_not_keep_a_free_agent_from_who_comes() -> None:
    """115 asks for a skill anna does not have."""
    acd = Scenario(demo_directory((demo_agent("anna", {"citizens": 3}),)))
    acd.waits("w1", "115").expect_no(m.Offer)
    assert for_whom(acd, "c1", "115") == ""
    assert for_whom(acd, "c2", LANGENHAGEN) == "anna"


def test_who_comes_first_is_asked_by_the_first_step_alone() -> None:
    """At the door a wait has not begun: who may take it only after ten seconds does not get it now."""
    novice = demo_agent("novice", {"citizens": 1})
    acd = Scenario(demo_directory((novice, demo_agent("expert")), steps=("from 0 s: citizens>=3", "from 10 s: any")))
    assert for_whom(acd, "c1") == "expert"
    assert for_whom(acd, "c2") == ""
    acd.held("c2").after(9.9).expect_no(m.Offer)
    assert acd.after(0.1).expect(m.Offer).agent == "novice"


# ---------------------------------------------------------------- and then nobody answers


def test_who_is_not_answered_waits_on_with_their_place() -> None:
    acd = Scenario(demo_directory(), ready=("anna",)).at("09:00:00")
    assert for_whom(acd, "c1") == "anna"
    acd.at("09:00:05").waits("c2")
    acd.at("09:00:20").offer_failed("anna").held("c1")
    acd.expect(m.OfferMissed, call="c1", agent="anna", reason=m.OfferFailure.NO_ANSWER)
    assert (acd.state("c1"), acd.agent_state("anna")) == ("waiting", "not-ready")
    assert acd.at("09:00:30").is_ready("bert").expect(m.Offer).call == "c1"
    acd.talks("bert").at("09:01:00").agent_hangs_up("bert")
    record = acd.record("c1")
    assert tried(record) == [("anna", "no-answer"), ("bert", "answered")]
    assert record.t_q == record.t_in
    assert record.waited == timedelta(seconds=30)
    assert acd.at("09:01:10").expect(m.Offer, agent="bert").call == "c2"


def test_the_steps_of_the_wait_began_at_the_door() -> None:
    staff = (demo_agent("expert"), demo_agent("novice", {"citizens": 1}))
    acd = Scenario(demo_directory(staff, steps=("from 0 s: citizens>=3", "from 10 s: any"))).at("09:00:00")
    assert for_whom(acd, "c1") == "expert"
    assert acd.at("09:00:12").offer_failed("expert", "declined").held("c1").expect(m.Offer).agent == "novice"


def test_the_ladder_of_the_wait_began_at_the_door() -> None:
    acd = Scenario(demo_directory(("anna",), ladder=("waited 30 s: partner oldenburg",))).at("09:00:00")
    assert for_whom(acd, "c1") == "anna"
    acd.at("09:00:20").offer_failed("anna").held("c1").at("09:00:29.900").expect_no(m.Divert)
    acd.at("09:00:30").expect(m.Divert, call="c1")


def test_a_word_from_before_does_not_end_the_offer() -> None:
    """An ``AcdHeld`` without that offer on it is of some other moment."""
    acd = Scenario(demo_directory())
    assert for_whom(acd, "c1") == "anna"
    acd.tell(m.CallerHeld(C1)).expect(m.Ignored, signal="CallerHeld")
    assert (acd.state("c1"), acd.agent_state("anna")) == ("offered", "offered")


# ---------------------------------------------------------------- an answer that does not arrive


def test_asterisk_that_goes_to_failsafe_frees_the_agent() -> None:
    """Our answer was late. Nobody's phone rings, and the agent has done nothing wrong."""
    acd = Scenario(demo_directory()).at("09:00:00")
    assert for_whom(acd, "c1") == "anna"
    acd.at("09:00:03").tell(m.CallTakenByFailsafe(C1, "no-answer"))
    assert (acd.state("c1"), acd.agent_state("anna")) == ("failsafe", "available")
    acd.at("09:01:00").caller_hangs_up("c1")
    assert tried(acd.record("c1")) == [("anna", "caller-gone")]
    assert acd.record("c1").outcome.result is Result.FAILSAFE
    assert for_whom(acd, "c2") == "anna"


def test_a_caller_who_hangs_up_meanwhile_frees_the_agent() -> None:
    acd = Scenario(demo_directory(("anna",)))
    assert for_whom(acd, "c1") == "anna"
    acd.waits("c2").expect_no(m.Offer)
    assert acd.caller_hangs_up("c1").expect(m.Offer) == acd.offer("anna")
    assert acd.offer("anna").call == "c2"


def test_where_nothing_at_all_is_heard_the_deadline_frees_the_agent() -> None:
    acd = Scenario(demo_directory(("anna",))).at("09:00:00")
    assert for_whom(acd, "c1") == "anna"
    acd.at("09:00:21.999").expect_no(m.OfferMissed)
    acd.at("09:00:22").expect(m.OfferMissed, agent="anna", reason=m.OfferFailure.PHONE_GONE)
    assert acd.agent_state("anna") == "set-aside"
    acd.expect(m.Hold, call="c1")
    acd.at("09:00:28")
    assert acd.agent_state("anna") == "available"
    assert for_whom(acd, "c2") == "anna"
    acd.at("09:30:00")
    assert acd.state("c1") == "gone"
    assert acd.record("c1").outcome.result is Result.FAILED


def test_a_caller_who_is_found_after_all_is_offered_again() -> None:
    acd = Scenario(demo_directory(("anna",))).at("09:00:00")
    assert for_whom(acd, "c1") == "anna"
    acd.at("09:00:22").expect(m.Hold, call="c1")
    acd.held("c1")
    assert acd.at("09:00:27").expect(m.Offer, call="c1").agent == "anna"


def test_a_picture_taken_while_the_answer_is_on_its_way_does_not_take_it_back() -> None:
    """The channel still asks; a moment later it rings."""
    acd = Scenario(demo_directory())
    assert for_whom(acd, "c1") == "anna"
    acd.after(0.5).switch_found(m.SwitchCall(C1, "arriving"), audit=True)
    assert (acd.state("c1"), acd.agent_state("anna")) == ("offered", "offered")
    acd.after(3).talks("anna")
    assert acd.agent_state("anna") == "talking"


def test_a_picture_that_shows_them_waiting_frees_the_agent() -> None:
    acd = Scenario(demo_directory())
    assert for_whom(acd, "c1") == "anna"
    acd.after(5).switch_found(m.SwitchCall(C1, "wait"), audit=True)
    assert acd.offer("bert").call == "c1"
    assert acd.agent_state("anna") == "set-aside"


def test_an_agent_who_signs_out_while_that_phone_rings_goes_home_afterwards() -> None:
    acd = Scenario(demo_directory())
    assert for_whom(acd, "c1") == "anna"
    acd.signs_out("anna").after(20).offer_failed("anna").held("c1")
    assert acd.expect(m.Offer, call="c1").agent == "bert"
    assert acd.acd.view().agents[0].id == AgentId("anna")
    assert acd.agent_state("anna") == "signed-out"
