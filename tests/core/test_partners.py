"""Call sheets of partners: who goes there, who comes back, and what is agreed with them; both ways round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import (
    CalendarId,
    CallId,
    Entry,
    EntryKind,
    PartnerId,
    QueueId,
    TenantId,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.rules import parse_rung
from dialog_acd.testing import HANNOVER, Scenario
from ladders import (
    C1,
    SENT_TO_US,
    laddered,
    moment,
    not_yet,
    orders,
    overflowing,
    partner_answers,
    partner_fails,
    queue_is,
    sent,
    switched,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.core.directory import Directory


# ------------------------------------------------------------ a partner that does not take the call


@pytest.mark.parametrize("reason", ["busy", "chanunavail", "noanswer", "congestion"])
def test_a_caller_who_comes_back_has_the_old_place(reason: str) -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:10").waits("c2").at("09:00:25").tell(m.DivertFailed(C1, PartnerId("oldenburg"), reason))
    acd.expect(m.DivertMissed, call="c1", queue="langenhagen", partner="oldenburg", reason=reason)
    assert acd.state("c1") == "returning"
    acd.held("c1").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    record = acd.at("09:00:28").talks("anna").agent_hangs_up("anna").record("c1")
    assert (record.t_in, record.waited, record.t_ovf) == (
        moment("09:00:00"), timedelta(seconds=28), moment("09:00:20"),
    )  # fmt: skip
    assert (record.overflow_trigger, record.overflow_partner, record.partner) == ("waited", "oldenburg", None)
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)


def test_a_silent_partner_brings_the_caller_back_without_a_word_of_the_switch() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", "waited 20 s: partner bremen", ring_for=timedelta(seconds=15))
    not_yet(acd.at("09:00:00").waits("c1").at("09:00:36.999"), m.Hold)
    acd.at("09:00:37").expect(m.DivertMissed, reason="unheard")
    acd.expect(m.Hold, call="c1")
    acd.held("c1").expect(m.Divert, call="c1", partner="bremen")


def test_a_partners_numbers_are_rung_in_order_and_again_after_a_minute() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", numbers=("+4944112", "+4944113")).at("09:00:00").waits("c1")
    partner_fails(acd.at("09:00:25"), "c1")
    partner_fails(acd.at("09:00:30"), "c1")
    acd.at("09:01:29.999").expect_no(m.Divert)
    acd.at("09:01:30")
    assert [order.number for order in orders(acd, m.Divert)] == ["+4944112", "+4944113", "+4944112"]


def test_when_all_numbers_of_a_partner_fail_the_next_rung_is_tried() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen", numbers=("+4944112", "+4944113"))
    partner_fails(partner_fails(acd.at("09:00:00").waits("c1").after(5), "c1").after(5), "c1")
    acd.expect(m.Divert, number="+49421115")
    partner_answers(acd.at("09:00:20"), "c1", "bremen").at("09:05:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.partner, record.overflow_partner, record.overflow_trigger) == ("bremen", "bremen", "all-busy")
    assert (record.t_ovf, record.t_ovf_ans) == (moment("09:00:00"), moment("09:00:20"))  # first sent, at last taken


def test_nobody_is_sent_to_a_partner_where_everything_failed_but_to_the_last_word() -> None:
    acd = overflowing("all busy: partner oldenburg", "waited 20 s: release").at("09:00:00").waits("c1")
    partner_fails(acd, "c1").at("09:00:20").expect(m.Release, call="c1")
    assert acd.caller_hangs_up("c1").record("c1").outcome.result is Result.RELEASED


def test_the_record_names_the_trigger_that_sent_the_caller_to_the_partner() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", "waited 20 s: release").at("09:00:00").waits("c1")
    record = partner_fails(acd, "c1").at("09:00:25").caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.RELEASED, "waited", Blame.US)
    assert (record.overflow_trigger, record.overflow_partner) == ("nobody-signed-in", "oldenburg")


def test_another_rung_between_two_numbers_does_not_begin_the_partners_numbers_anew() -> None:
    acd = overflowing(
        "waited 20 s: announce acd/long-wait", "all busy: partner oldenburg", numbers=("+4944112", "+4944113")
    )
    partner_fails(acd.at("09:00:00").waits("c1").at("09:00:25"), "c1")
    acd.held("c1")  # and the prompt is over
    assert [order.number for order in orders(acd, m.Divert)] == ["+4944112", "+4944113"]


def test_a_partner_who_has_lost_a_number_meanwhile_is_rung_at_the_first_again() -> None:
    """Two numbers have failed, and before the caller is held again the directory names one number only."""
    numbers = ("+4944112", "+4944113", "+4944114")
    acd = overflowing("all busy: partner oldenburg", numbers=numbers).at("09:00:00").waits("c1")
    partner_fails(acd, "c1")
    acd.tell(m.DivertFailed(C1, PartnerId("oldenburg"), "busy"))
    acd.tell(m.DirectoryChanged(laddered("all busy: partner oldenburg", numbers=("+4944112",)))).held("c1")
    assert [order.number for order in orders(acd, m.Divert)] == ["+4944112", "+4944113", "+4944112"]


# ------------------------------------------------------------ the circuit


def open_circuit(acd: Scenario) -> Scenario:
    """Three callers find the partner busy, each in turn."""
    for call in ("f1", "f2", "f3"):
        partner_fails(acd.waits(call), call)
    return acd


def test_three_failures_in_a_row_spare_everybody_the_ringing_for_a_minute() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    acd.expect(m.PartnerShut, partner="oldenburg", until=moment("09:01:00"))
    for call in ("f1", "f2", "f3"):
        acd.caller_hangs_up(call)
    acd.at("09:00:30").waits("c1")
    assert sent(acd.at("09:00:59.999")) == ["f1", "f2", "f3"]
    acd.at("09:01:00").expect(m.Divert, call="c1")


def test_a_partner_is_shown_as_shut_until_it_has_taken_a_call() -> None:
    """Also after the minute: that it would take one, nobody knows yet."""

    def seen(acd: Scenario) -> tuple[bool, int]:
        oldenburg = next(partner for partner in acd.acd.view().partners if partner.id == "oldenburg")
        return oldenburg.shut, oldenburg.calls

    acd = overflowing("all busy: partner oldenburg").at("09:00:00")
    assert seen(acd) == (False, 0)
    open_circuit(acd).caller_hangs_up("f1").caller_hangs_up("f2").caller_hangs_up("f3")
    assert seen(acd) == seen(acd.at("09:05:00")) == (True, 0)
    assert seen(acd.waits("c1")) == (True, 1)
    partner_answers(acd, "c1")
    assert seen(acd) == (False, 1)
    assert seen(acd.caller_hangs_up("c1")) == (False, 0)


def test_two_failures_and_a_success_are_no_three_in_a_row() -> None:
    acd = overflowing("all busy: partner oldenburg").at("09:00:00")
    for call in ("f1", "f2"):
        partner_fails(acd.waits(call), call)
    partner_answers(acd.waits("c1"), "c1")
    for call in ("f3", "f4"):
        partner_fails(acd.waits(call), call)
    acd.waits("c2").expect(m.Divert, call="c2")


def test_what_we_did_not_hear_is_not_held_against_the_partner() -> None:
    """The link is slow, not Oldenburg: whoever comes next is sent there all the same."""
    acd = overflowing("all busy: partner oldenburg", ring_for=timedelta(seconds=15)).at("09:00:00")
    for call in ("f1", "f2", "f3"):
        acd.waits(call).after(18).expect(m.DivertMissed, call=call, reason="unheard")
        acd.held(call).caller_hangs_up(call)
    acd.waits("c1").expect(m.Divert, call="c1")


def test_the_first_call_after_the_minute_is_the_trial_and_decides_for_all() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    for call in ("f1", "f2", "f3"):
        acd.caller_hangs_up(call)
    partner_fails(acd.at("09:01:05").waits("c1"), "c1")
    acd.expect(m.PartnerShut, until=moment("09:02:05"))
    acd.at("09:01:30").waits("c2").expect_no(m.Divert)
    partner_answers(acd.at("09:02:05"), "c1")
    acd.waits("c3").expect(m.Divert, call="c3")


def test_while_the_trial_rings_nobody_else_is_sent() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    acd.at("09:00:30").waits("c1").waits("c2").at("09:01:00")
    assert len(sent(acd)) == 4


def test_one_caller_with_several_numbers_is_one_failure_of_the_partner() -> None:
    acd = overflowing("all busy: partner oldenburg", numbers=("+4944112", "+4944113", "+4944114")).at("09:00:00")
    partner_fails(partner_fails(partner_fails(acd.waits("c1"), "c1"), "c1"), "c1")
    acd.waits("c2").expect(m.Divert, call="c2")


def test_a_caller_who_gives_up_while_the_partner_rings_is_no_failure_of_the_partners() -> None:
    acd = overflowing("all busy: partner oldenburg").at("09:00:00")
    for n in range(5):
        acd.waits(f"g{n}").caller_hangs_up(f"g{n}")
    record = acd.record("g4")
    assert record.outcome == Outcome(Result.ABANDONED, "partner-ringing", Blame.CALLER)
    assert (record.overflow_trigger, record.overflow_partner, record.partner) == ("all-busy", "oldenburg", None)
    acd.waits("c1").expect(m.Divert, call="c1")


# ------------------------------------------------------------ contracted channels, calls per hour, calendar


def test_who_finds_the_channels_full_waits_on_and_gets_the_next_longest_request_first() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", channels=2).at("09:00:00")
    for call in ("c4", "c3", "c2", "c1"):
        acd.waits(call).after(1)
    acd.at("09:00:30")
    assert sent(acd) == ["c4", "c3"]
    partner_answers(acd, "c3").at("09:01:00").caller_hangs_up("c3").expect(m.Divert, call="c2")
    acd.at("09:01:10").caller_hangs_up("c4").expect(m.Divert, call="c1")
    assert acd.acd._floor.partners.at(PartnerId("oldenburg")) == 2


def test_a_channel_is_free_again_when_an_own_agent_takes_the_ringing_caller() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1, agents=["anna"], ready=())
    acd.at("09:00:00").waits("c1").waits("c2").at("09:00:05").is_ready("anna")
    acd.expect(m.Offer, call="c1", agent="anna")
    acd.expect(m.Divert, call="c2")


def test_who_waits_for_a_channel_is_served_here_as_soon_as_somebody_is_free() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1, agents=["anna"], ready=()).at("09:00:00")
    partner_answers(acd.waits("c1"), "c1").waits("c2").at("09:00:05").is_ready("anna")
    acd.expect(m.Offer, call="c2", agent="anna")
    acd.talks("anna").at("09:01:00").caller_hangs_up("c1").expect_no(m.Divert)


def test_who_left_while_waiting_for_a_channel_does_not_hold_up_the_next() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00").waits("c1").waits("c2").waits("c3")
    acd.at("09:00:10").caller_hangs_up("c2").at("09:00:20").caller_hangs_up("c1").expect(m.Divert, call="c3")


def test_a_channel_that_is_free_again_behind_a_closed_circuit_is_not_forgotten() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00")
    for call in ("f1", "f2"):
        partner_fails(acd.waits(call), call).caller_hangs_up(call)
    acd.waits("f3").waits("c1").waits("c2")  # f3 rings there
    acd.at("09:00:10").tell(m.DivertFailed(CallId("f3"), PartnerId("oldenburg"), "busy")).caller_hangs_up("f3")
    acd.expect(m.PartnerShut, until=moment("09:01:10"))
    acd.at("09:00:30").caller_hangs_up("c1").at("09:01:10").expect(m.Divert, call="c2")


def test_a_partners_calls_per_hour_are_counted_within_any_sixty_minutes() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=2).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.at("09:10:00").waits("c2").caller_hangs_up("c2")  # how many are there at once is another matter
    acd.at("09:55:00").waits("c3").at("09:59:59.999")
    assert sent(acd) == ["c1", "c2"]
    acd.at("10:00:00").expect(m.Divert, call="c3")


def test_when_calls_of_the_hour_are_free_again_whoever_waits_longest_goes() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=1).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.at("09:50:00").waits("c9").at("09:50:10").waits("c10")
    assert sent(acd.at("10:00:00")) == ["c1", "c9"]


def test_an_order_the_switch_refused_is_none_of_the_hours_calls() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=1).at("09:00:00").waits("c1")
    acd.tell(m.OrderFailed(acd.expect(m.Divert), "no such channel", certain=True)).at("09:01:00")
    acd.expect(m.Divert, call="c1")


def test_a_partner_in_another_land_has_other_holidays() -> None:
    """Corpus Christi is none in Niedersachsen; the partner's day is over at six."""
    hours = (parse_hours("mon-fri 08:00-18:00"),)
    cologne = Calendar(CalendarId("cologne"), "Köln", hours, "NW")
    directory = replace(laddered("all busy: partner oldenburg"), calendars=(cologne,))
    directory = replace(directory, partners=(replace(directory.partners[0], calendar=cologne.id),))
    acd = Scenario(directory).until(datetime(2026, 6, 4, 8, 0, tzinfo=UTC)).waits("c1")
    assert sent(acd) == []
    acd.after(60).caller_hangs_up("c1").until(datetime(2026, 6, 5, 5, 59, 30, tzinfo=UTC)).waits("c2")
    not_yet(acd.after(29.999), m.Divert, "c2")
    acd.after(0.001).expect(m.Divert, call="c2")  # 08:00 in Cologne
    acd.until(datetime(2026, 6, 5, 16, 0, tzinfo=UTC)).waits("c3").expect_no(m.Divert)


@pytest.mark.parametrize("trigger", ["technical", "switched"])
def test_where_nobody_can_answer_here_no_gain_is_too_small(trigger: str) -> None:
    """Our people are ready, but their phones are gone, or the house is being cleared."""
    acd = overflowing(f"{trigger}: partner oldenburg", agents=["anna"], min_gain=timedelta(hours=1)).at("09:00:00")
    acd.phone_is("anna", PhoneState.UNREACHABLE)
    switched(acd, "10:00:00").waits("c1").expect(m.Divert, call="c1")


def test_a_partner_who_may_be_rung_for_long_is_rung_for_long() -> None:
    acd = overflowing("all busy: partner oldenburg", ring_for=timedelta(minutes=6)).at("09:00:00").waits("c1")
    assert acd.at("09:05:30").state("c1") == "diverting"


# ------------------------------------------------------------ our own agent, and the partner's


def test_an_own_agent_free_before_the_partner_answers_wins_and_the_late_answer_changes_nothing() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    partner_answers(acd, "c1").expect(m.Ignored, signal="DivertAnswered", why="call is offered")
    record = acd.at("09:00:27").talks("anna").agent_hangs_up("anna").record("c1")
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)
    assert (record.partner, record.t_ovf_ans, record.overflow_partner) == (None, None, "oldenburg")
    assert record.waited == timedelta(seconds=27)


def test_a_partner_who_answered_first_keeps_the_caller() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    partner_answers(acd.at("09:00:25"), "c1").is_ready("anna").expect_no(m.Offer)
    assert acd.state("c1") == "diverted"
    assert acd.agent_state("anna") == "available"


def test_our_agent_did_not_answer_either_and_the_partner_is_rung_again_at_once() -> None:
    acd = overflowing("all busy: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:05").is_ready("anna").at("09:00:25").offer_failed("anna").held("c1")
    assert sent(acd) == ["c1", "c1"]


def test_an_offer_refused_while_the_partner_rings_leaves_the_caller_there() -> None:
    """Nothing moved, so the partner rings on; its answer must count."""
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").is_ready("anna").refused("anna")
    partner_answers(acd.at("09:00:26"), "c1").at("09:02:00").caller_hangs_up("c1")
    assert acd.record("c1").outcome == Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)


def test_the_end_of_a_prompt_does_not_fetch_the_caller_back_from_the_partner() -> None:
    """The prompt was over, and the caller told as held, before the order to the partner reached the switch."""
    acd = overflowing("waited 15 s: announce acd/long-wait", "waited 20 s: partner oldenburg")
    acd.at("09:00:00").waits("c1").at("09:00:15").expect(m.Say, call="c1")
    acd.at("09:00:35").expect(m.Divert, call="c1")
    acd.tell(m.CallerHeld(C1))
    assert sent(acd) == ["c1"]
    assert acd.state("c1") == "diverting"


def test_the_end_of_a_prompt_does_not_release_a_caller_twice() -> None:
    acd = overflowing("waited 15 s: announce acd/long-wait", "waited 20 s: release")
    acd.at("09:00:00").waits("c1").at("09:00:20").held("c1").at("09:01:00")
    assert acd.state("c1") == "released"


def test_a_doubled_failure_of_the_first_partner_is_not_the_seconds() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen").at("09:00:00").waits("c1")
    partner_fails(acd, "c1").expect(m.Divert, partner="bremen")
    acd.tell(m.DivertFailed(C1, PartnerId("oldenburg"), "busy"))
    assert acd.state("c1") == "diverting"


def test_a_late_refusal_of_the_first_order_is_not_the_seconds() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen").at("09:00:00").waits("c1")
    first = acd.expect(m.Divert, partner="oldenburg")
    partner_fails(acd, "c1").tell(m.OrderFailed(first, "gone", certain=True))
    assert acd.state("c1") == "diverting"


def test_a_partner_who_answered_while_we_could_not_see_keeps_the_caller() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").switch_lost().at("09:00:40")
    acd.switch_found(m.SwitchCall(C1, "partner", partner=PartnerId("oldenburg")))
    acd.at("09:00:50").is_ready("anna").expect_no(m.Offer)  # it would tear two people apart
    assert acd.caller_hangs_up("c1").record("c1").outcome.result is Result.OVERFLOWED


def test_a_partner_ringing_while_we_could_not_see_rings_on() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").switch_lost().at("09:00:40")
    acd.switch_found(m.SwitchCall(C1, "overflow", partner=PartnerId("oldenburg"))).expect_no(m.Divert)
    partner_answers(acd.at("09:00:45"), "c1").caller_hangs_up("c1")
    assert acd.record("c1").t_ovf_ans == moment("09:00:45")


# ------------------------------------------------------------ we are somebody's Oldenburg


def helping(*ladder: str, agents: Sequence[str] = ("anna", "bert"), **traits: Any) -> Directory:
    directory = laddered(*ladder, agents=agents)
    entry = Entry(SENT_TO_US, TenantId("langenhagen"), QueueId("langenhagen"), EntryKind.PARTNER_INBOUND, "standard")
    return replace(directory, entries=(*directory.entries, replace(entry, **traits)))


def test_no_more_of_a_partners_calls_than_we_promised() -> None:
    acd = Scenario(helping(at_most=2)).at("09:00:00")
    for call in ("p1", "p2", "p3"):
        acd.arrives(call, SENT_TO_US, ani=None)
    acd.expect(m.Treat, call="p2", verdict=m.Verdict.HOLD)
    acd.expect(m.Treat, call="p3", verdict=m.Verdict.BUSY)
    record = acd.caller_hangs_up("p3", cause=17).record("p3")
    assert record.outcome == Outcome(Result.REFUSED, "partner-limit", Blame.US)
    assert (record.kind, record.t_leave) == (EntryKind.PARTNER_INBOUND, None)
    acd.caller_hangs_up("p1").arrives("p4", SENT_TO_US, ani=None).expect(m.Treat, call="p4", verdict=m.Verdict.HOLD)


def test_a_refused_call_that_is_not_gone_yet_takes_nobodys_place() -> None:
    acd = Scenario(helping(at_most=1)).at("09:00:00")
    acd.arrives("p1", SENT_TO_US, ani=None).arrives("p2", SENT_TO_US, ani=None).caller_hangs_up("p1")
    acd.arrives("p3", SENT_TO_US, ani=None).expect(m.Treat, call="p3", verdict=m.Verdict.HOLD)


def test_a_partners_call_is_taken_only_while_enough_of_us_stay_free() -> None:
    acd = Scenario(helping(spare=1)).at("09:00:00").waits("p1", SENT_TO_US)
    acd.expect(m.Offer, call="p1", agent="anna")
    acd.talks("anna").arrives("p2", SENT_TO_US, ani=None).expect(m.Treat, call="p2", verdict=m.Verdict.BUSY)
    assert acd.caller_hangs_up("p2", 17).record("p2").outcome.reason == "none-to-spare"
    acd.arrives("c1").expect(m.Treat, call="c1", verdict=m.Verdict.HOLD)  # of course


def test_two_of_a_partners_calls_in_one_breath_do_not_take_the_last_one_of_us() -> None:
    acd = Scenario(helping(spare=1, greeting="acd/welcome")).at("09:00:00")
    acd.arrives("p1", SENT_TO_US, ani=None).arrives("p2", SENT_TO_US, ani=None)
    acd.expect(m.Treat, call="p2", verdict=m.Verdict.BUSY)


def test_a_partners_call_is_never_sent_on() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", "waited 60 s: release", agents=())).at("09:00:00")
    acd.waits("p1", SENT_TO_US).waits("c1")
    assert sent(acd) == ["c1"]
    acd.at("09:01:00").expect(m.Release, call="p1")


def test_a_partners_call_is_never_sent_on_from_another_town_either() -> None:
    """Our agent handed it to Hannover's number, whose people are gone."""
    directory = queue_is(helping(agents=["anna"]), "hannover", ladder=(parse_rung("waited 20 s: partner oldenburg"),))
    acd = Scenario(directory).at("09:00:00").waits("p1", SENT_TO_US).talks("anna").is_not_ready("anna")
    acd.at("09:01:00").transferred("p1", "1680").arrives("p1", HANNOVER).held("p1").at("09:02:00")
    assert sent(acd) == []


def test_a_call_of_ours_that_comes_back_from_the_partner_is_refused_there() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1")
    acd.arrives("p1", SENT_TO_US).expect(m.Treat, call="p1", verdict=m.Verdict.BUSY)
    assert acd.caller_hangs_up("p1", 17).record("p1").outcome == Outcome(Result.REFUSED, "loop", Blame.US)
    acd.arrives("p2", SENT_TO_US, ani="+4930115").expect(m.Treat, call="p2", verdict=m.Verdict.HOLD)
    acd.arrives("p3", SENT_TO_US, ani=None).expect(m.Treat, call="p3", verdict=m.Verdict.HOLD)


def test_the_loop_is_seen_in_whatever_form_the_partner_writes_the_number() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1")
    acd.arrives("p1", SENT_TO_US, ani="051123559876").expect(m.Treat, call="p1", verdict=m.Verdict.BUSY)


def test_a_caller_who_was_with_the_partner_before_and_is_sent_to_us_now_is_no_loop() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.arrives("p1", SENT_TO_US).expect(m.Treat, call="p1", verdict=m.Verdict.HOLD)
