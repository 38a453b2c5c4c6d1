"""Call sheets of promises: who is offered to be called back, who is owed a call, and who is told that we close."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.kpi import Fate, facts, fate, figures
from dialog_acd.core.model import (
    CalendarId,
    EntryKind,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.testing import Scenario

# ------------------------------------------------------------ to be called back
from ladders import C1, entries_are, laddered, moment, not_yet, orders, overflowing, shut


def test_a_caller_who_presses_the_key_is_promised_to_be_called_back() -> None:
    acd = overflowing("waited 60 s: callback").at("09:00:00").waits("c1").at("09:01:00")
    acd.expect(m.Say, call="c1", prompt="acd/callback-offer", callback=True)
    acd.after(9).tell(m.CallbackAsked(C1))
    acd.expect(m.RememberCall, call="c1", ani="+4951123559876", callback_at=moment("09:01:09"))
    acd.expect(m.CallbackPromised, call="c1", tenant="langenhagen")
    acd.expect(m.Release, call="c1", prompt="acd/callback-noted", again=False)
    record = acd.held("c1").is_ready("anna").after(5).caller_hangs_up("c1").record("c1")
    not_yet(acd, m.Offer)
    assert record.outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    assert (record.ani, record.t_callback) == ("+4951123559876", moment("09:01:09"))


def test_the_wish_is_kept_before_it_is_confirmed() -> None:
    acd = overflowing("all busy: callback").at("09:00:00").waits("c1")
    outs = [type(out) for out in acd.tell(m.CallbackAsked(C1)).story[-1][2]]
    assert outs.index(m.RememberCall) < outs.index(m.Release)


def test_a_caller_who_presses_nothing_waits_on_and_is_not_asked_twice() -> None:
    acd = overflowing("waited 60 s: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:01:12")
    acd.held("c1").at("09:05:00").is_ready("anna").expect(m.Offer, call="c1")
    assert len(orders(acd, m.Say)) == 1


def test_an_agent_free_during_the_offer_of_a_callback_gets_the_call() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    acd.tell(m.CallbackAsked(C1))  # pressed in the same moment
    record = acd.talks("anna").after(60).caller_hangs_up("c1").record("c1")
    assert (record.outcome.result, record.t_callback) == (Result.SERVED, None)
    not_yet(acd, m.CallbackPromised)


@pytest.mark.parametrize("late", [False, True])
def test_who_pressed_the_key_and_whose_agent_does_not_answer_is_called_back(*, late: bool) -> None:
    """``late``: we hear of the key only after the phone has stopped ringing."""
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    if late:
        acd.offer_failed("anna").tell(m.CallbackAsked(C1)).held("c1")
    else:
        acd.tell(m.CallbackAsked(C1)).after(20).offer_failed("anna").held("c1")
    acd.expect(m.RememberCall, call="c1", ani="+4951123559876")
    acd.expect(m.Release, call="c1", prompt="acd/callback-noted", again=False)
    assert acd.after(5).caller_hangs_up("c1").record("c1").outcome.result is Result.CALLBACK


def test_who_pressed_the_key_and_left_while_a_phone_rang_is_called_back() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    record = acd.tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert (record.outcome.result, record.t_callback, record.t_leave) == (Result.CALLBACK, moment("09:00:08"), None)
    acd.expect(m.CallbackPromised, call="c1")


def test_a_key_pressed_for_somebody_who_answered_is_not_remembered_in_the_next_wait() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").tell(m.CallbackAsked(C1)).talks("anna").after(60).is_not_ready("anna")
    acd.transferred("c1", "2001").after(20).held("c1").after(60)
    not_yet(acd, m.Release)
    assert acd.state("c1") == "waiting"


@pytest.mark.parametrize(
    "ani",
    [None, "", "anonymous", "115", "0000000000", "+49110", "0118 33", "0137 1234567", "+49900123456", "0511 7307-0"],
)
def test_a_caller_without_a_number_is_not_offered_a_callback(ani: str | None) -> None:
    acd = overflowing("all busy: callback", "waited 20 s: announce acd/long-wait").at("09:00:00")
    acd.arrives("c1", ani=ani).held("c1").at("09:00:20")
    assert [say.prompt for say in orders(acd, m.Say)] == ["acd/long-wait"]
    acd.tell(m.CallbackAsked(C1)).expect(m.Ignored, why="no number to call back")


@pytest.mark.parametrize("ani", ["+4951123559876", "0170 1234567", "0043 1 4000", "0511 7307-230", "0906 12345"])
def test_a_caller_with_a_number_is(ani: str) -> None:
    """Also at a telephone in the town hall, and in Donauwörth."""
    acd = overflowing("all busy: callback").at("09:00:00").arrives("c1", ani=ani).held("c1")
    acd.expect(m.Say, call="c1", callback=True)


def test_a_promise_survives_a_restart_and_a_caller_who_left_meanwhile() -> None:
    directory = laddered("all busy: callback")
    acd = Scenario(directory).at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    kept = acd.expect(m.RememberCall, callback_at=moment("09:00:00"))
    again = Scenario(directory, calls=[kept], found=False).at("09:10:00").switch_found()  # and nobody is there
    assert again.record("c1").outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    assert again.record("c1").t_callback == moment("09:00:00")


def test_who_was_promised_a_call_and_is_found_waiting_after_a_restart_is_told() -> None:
    directory = laddered("all busy: callback")
    acd = Scenario(directory).at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    kept = acd.expect(m.RememberCall, callback_at=moment("09:00:00"))
    again = Scenario(directory, calls=[kept], found=False).at("09:00:05")
    again.switch_found(m.SwitchCall(C1, "wait")).expect(m.Release, call="c1", prompt="acd/callback-noted")
    assert again.after(5).caller_hangs_up("c1").record("c1").t_callback == moment("09:00:00")
    not_yet(again, m.CallbackPromised)  # once is enough


def test_a_promise_stands_where_the_last_words_could_not_be_said() -> None:
    """The caller waits on and is answered after all; or is not, and is owed a call."""
    for agents, result in ((["anna"], Result.SERVED), ([], Result.CALLBACK)):
        acd = overflowing("all busy: callback", agents=agents, ready=()).at("09:00:00").waits("c1")
        acd.tell(m.CallbackAsked(C1))
        acd.tell(m.OrderFailed(acd.expect(m.Release), "no such channel", certain=True)).after(5)
        if agents:
            acd.is_ready("anna").talks("anna")
        record = acd.after(60).caller_hangs_up("c1").record("c1")
        assert (record.outcome.result, record.t_callback) == (result, moment("09:00:00"))


def test_failsafe_does_not_forget_who_was_promised_to_be_called_back() -> None:
    acd = overflowing("all busy: callback").at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    record = acd.tell(m.CallTakenByFailsafe(C1, "heartbeat")).after(30).caller_hangs_up("c1").record("c1")
    assert record.outcome.result is Result.CALLBACK


def test_a_promise_after_a_conversation_is_owed_all_the_same() -> None:
    """The office to which anna transferred the caller did not answer."""
    acd = overflowing("all busy: callback", agents=["anna"]).at("09:00:00").waits("c1").talks("anna").at("09:01:00")
    acd.is_not_ready("anna").transferred("c1", "2001").after(20).held("c1").expect(m.Say, callback=True)
    record = acd.after(8).tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    found = figures([record])
    assert (found.offered, found.fates) == (1, {Fate.ANSWERED: 1})


def test_a_callback_promised_at_night_is_owed_and_in_no_service_level() -> None:
    acd = Scenario(shut(laddered("closed by hours: callback"), holiday=False)).at("09:00:00").waits("c1")
    record = acd.tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CALLBACK, "closed-by-hours", Blame.NOBODY)
    assert (figures([record]).offered, figures([record]).fates) == (0, {Fate.CLOSED_CALLBACK: 1})
    assert acd.acd._floor.debt.short == {}


def test_who_hangs_up_at_night_while_a_callback_is_offered_has_found_us_closed() -> None:
    acd = Scenario(shut(laddered("closed by hours: callback"), holiday=False)).at("09:00:00").waits("c1")
    acd.expect(m.Say, call="c1", prompt="acd/closed-callback", callback=True)
    record = acd.at("09:00:03").caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CLOSED, "closed-by-hours", Blame.NOBODY)
    assert fate(facts(record)) is Fate.CLOSED


def test_who_hangs_up_at_night_waiting_for_a_partners_free_line_has_waited_for_somebody() -> None:
    directory = shut(laddered("closed by hours: partner oldenburg", channels=1), holiday=False)
    acd = Scenario(directory).at("09:00:00").waits("c1").waits("c2").at("09:00:30")
    record = acd.caller_hangs_up("c2").record("c2")
    assert (record.t_ovf, record.outcome.result) == (None, Result.ABANDONED)


def test_a_callback_that_the_switch_would_not_offer_is_offered_again() -> None:
    acd = overflowing("waited 10 s: callback").at("09:00:00").waits("c1").at("09:00:10")
    acd.tell(m.OrderFailed(acd.expect(m.Say), "refused", certain=True)).at("09:01:09").expect_no(m.Say)
    acd.at("09:01:10").expect(m.Say, call="c1", callback=True)


def test_an_offer_of_a_callback_that_cannot_be_said_does_not_hold_up_the_rungs_below() -> None:
    acd = overflowing("waited 10 s: callback", "waited 20 s: partner oldenburg").at("09:00:00").waits("c1")
    acd.at("09:00:10").tell(m.OrderFailed(acd.expect(m.Say), "refused", certain=True))
    acd.at("09:00:20").expect(m.Divert, call="c1")


def test_the_offer_of_a_callback_cut_short_by_a_phone_nobody_answers_comes_again() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(1).is_ready("anna").after(3).offer_failed("anna", "declined").held("c1")
    acd.expect(m.Say, call="c1", callback=True)


def test_at_night_nobody_has_to_be_signed_in() -> None:
    """Who does not press the key hears that it is closed, and is not sent to a partner who was meant for the day."""
    ladder = ("closed by hours: callback", "nobody signed in: partner oldenburg", "all busy: partner oldenburg")
    acd = Scenario(shut(laddered(*ladder), holiday=False)).at("20:00:00").waits("c1").after(12).held("c1")
    acd.expect(m.Release, call="c1", prompt="acd/closed")
    not_yet(acd, m.Divert)


def test_who_is_offered_a_callback_at_night_is_not_asked_to_stay_on_the_line() -> None:
    acd = Scenario(shut(laddered("closed by hours: callback"), holiday=False)).at("20:00:00").waits("c1")
    acd.expect(m.Say, call="c1", prompt="acd/closed-callback", callback=True)
    acd.after(12).held("c1").expect(m.Release, call="c1", prompt="acd/closed")


# ------------------------------------------------------------ closing soon


def closing_early(*ladder: str) -> Scenario:
    """Open till 9:45; only anna is there, and her conversations take fifteen minutes."""
    calendar = Calendar(CalendarId("early"), "early", (parse_hours("daily 07:00-10:45"),))  # an hour later in Berlin
    directory = laddered(*ladder, agents=["anna"], steps=("from 0 s: citizens>=1", "from 600 s: any"))
    directory = entries_are(replace(directory, calendars=(calendar,)), EntryKind.MAIN_NUMBER, calendar=calendar.id)
    acd = Scenario(directory)
    for n in range(4):
        acd.waits(f"x{n}").talks("anna").after(900).caller_hangs_up(f"x{n}")
    for n in range(4, 10):
        acd.waits(f"x{n}")
    return acd.talks("anna")


def test_who_will_not_be_served_before_closing_is_told_so() -> None:
    acd = closing_early().at("09:10:00").waits("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-soon", False)


def test_who_will_not_be_served_before_closing_is_offered_a_callback() -> None:
    acd = closing_early("closing soon: callback").at("09:10:00").waits("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-callback", True)
    acd.tell(m.CallbackAsked(C1)).expect(m.Release, call="c1", prompt="acd/callback-noted")


def test_who_cannot_be_called_back_is_at_least_told_that_we_close_soon() -> None:
    acd = closing_early("closing soon: callback").at("09:10:00").arrives("c1", ani=None).held("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-soon", False)


def test_who_waits_for_people_in_their_break_is_told_five_minutes_before_closing() -> None:
    acd = closing_early().is_not_ready("anna").at("09:30:00").waits("c1").at("09:39:59")
    not_yet(acd, m.Say)
    acd.at("09:40:00").expect(m.Say, call="c1", prompt="acd/closing-soon")


def test_who_will_be_served_before_closing_hears_nothing_of_it() -> None:
    acd = closing_early("closing soon: callback")
    assert not [order for order in orders(acd, m.Say) if order.call == "x5"]


@pytest.mark.parametrize("action", ["widen 1", "queue region"])
def test_a_rung_that_says_nothing_does_not_keep_from_the_caller_that_we_close(action: str) -> None:
    acd = closing_early(f"closing soon: {action}").at("09:10:00").waits("c1")
    acd.expect(m.CallWidened, call="c1")
    assert [say.prompt for say in orders(acd, m.Say) if say.call == "c1"] == ["acd/closing-soon"]
