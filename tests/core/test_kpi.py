"""Worked numbers: what the towns are told must be what a person with a pencil finds."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core.kpi import Ratio, by_tenant, figures, percentile
from dialog_acd.core.model import QueueId, TenantId
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.testing import Scenario

if TYPE_CHECKING:
    from dialog_acd.core.records import CallRecord


@pytest.fixture(scope="module")
def pattern() -> CallRecord:
    scenario = Scenario()
    scenario.waits("c1").caller_hangs_up("c1")
    return scenario.record("c1")


def ended(pattern: CallRecord, result: Result, wait_s: float | None = None, town: str = "langenhagen") -> CallRecord:
    """A call that ended so; ``wait_s`` until one of ours (served) or the partner (overflowed) answered."""
    then = None if wait_s is None else pattern.t_in + timedelta(seconds=wait_s)
    served = result is Result.SERVED
    return replace(
        pattern,
        tenant=TenantId(town),
        outcome=Outcome(result, "x", Blame.NOBODY),
        t_leave=None,
        t_ans=then if served else None,
        t_ovf_ans=then if result is Result.OVERFLOWED else None,
        in_time=served and wait_s is not None and wait_s <= 30,
    )


def test_the_worked_day(pattern: CallRecord) -> None:
    """1000 offered; 880 by ours, 40 of 45 overflows by the partner, 80 abandoned; 700 within 30 s: 92,0 and 70,0."""
    day = [
        *[ended(pattern, Result.SERVED, 10)] * 690,
        *[ended(pattern, Result.SERVED, 31)] * 190,
        *[ended(pattern, Result.OVERFLOWED, 30)] * 10,
        *[ended(pattern, Result.OVERFLOWED, 60)] * 30,
        *[ended(pattern, Result.ABANDONED)] * 80,
    ]
    day += [ended(pattern, Result.REFUSED)] * 3
    found = figures(day)
    assert (found.offered, found.answered, found.overflowed, found.abandoned) == (1000, 880, 40, 80)
    assert (found.failsafe, found.failed, found.refused) == (0, 0, 3)
    assert found.service_level == Ratio(700, 1000)
    assert str(found.service_level) == "70,0 %"
    assert str(found.accepted) == "92,0 %"
    assert found.asa_s == pytest.approx((690 * 10 + 190 * 31 + 10 * 30 + 30 * 60) / 920)
    assert (found.wait_p50_s, found.wait_p99_s) == (10, 60)


def later(record: CallRecord, **seconds: float) -> CallRecord:
    """Moments of a call, in seconds after it came."""
    moments: dict[str, Any] = {name: record.t_in + timedelta(seconds=after) for name, after in seconds.items()}
    return replace(record, **moments)


def test_a_thousand_calls_and_every_formula(pattern: CallRecord) -> None:
    """880 by ours, 45 sent on of whom 40 were taken there, 80 gave up: 15 within 5 s, 30 within 30 s.

    Answered within 30 s: 700. Of the formulas for the service level, only one "meets" 75/30.
    """
    sent = {"t_ovf": 20.0}
    gone = ended(pattern, Result.ABANDONED)
    day = [
        *[ended(pattern, Result.SERVED, 10)] * 690,
        *[ended(pattern, Result.SERVED, 31)] * 190,
        *[later(ended(pattern, Result.OVERFLOWED, 30), **sent)] * 10,
        *[later(ended(pattern, Result.OVERFLOWED, 60), **sent)] * 30,
        *[later(gone, t_leave=90, **sent)] * 5,
        *[later(gone, t_leave=5)] * 15,
        *[later(gone, t_leave=30)] * 14,
        later(gone, t_leave=5.001),
        *[later(gone, t_leave=31)] * 45,
    ]
    found = figures([replace(call, overflow_trigger="waited" if call.t_ovf else "") for call in day])
    assert (found.offered, found.abandoned, found.abandoned_short) == (1000, 80, 15)
    assert found.accepted == Ratio(920, 1000)
    assert found.accepted_own == Ratio(880, 955)
    assert found.accepted_adjusted == Ratio(920, 985)
    assert found.abandon_rate == Ratio(80, 1000)
    assert found.sent_rate == found.sent_by("waited") == Ratio(45, 1000)
    assert found.sent_by("all-busy") == Ratio(0, 1000)
    assert found.sent_accepted == Ratio(40, 45)
    assert found.service_level == Ratio(700, 1000)
    assert found.service_level_late_abandons_only == Ratio(700, 970)
    assert found.service_level_served_only == Ratio(700, 920)
    assert found.service_level_abandons_count == Ratio(730, 1000)
    assert found.service_level_short_excluded == Ratio(700, 985)
    assert found.wait_of_abandoned.value() == pytest.approx((5 * 90 + 15 * 5 + 14 * 30 + 5.001 + 45 * 31) / 80)
    assert found.wait_of_all == found.asa + found.wait_of_abandoned
    assert (found.wait_p90_s, found.wait_max_s) == (31, 60)
    day += [ended(pattern, result) for result in Result]
    halves = figures(day[0::2])
    halves.join(figures(day[1::2]))
    whole = figures(day)
    for figure in fields(whole):
        mine, theirs = getattr(halves, figure.name), getattr(whole, figure.name)
        assert sorted(mine) == sorted(theirs) if isinstance(mine, list) else mine == theirs, figure.name


def test_who_came_back_from_a_partner_is_no_measure_of_our_own_staff(pattern: CallRecord) -> None:
    """Both were sent and came back; with the one who was then answered counted, it would be two of one."""
    answered, given_up = ended(pattern, Result.SERVED, 50), ended(pattern, Result.ABANDONED)
    calls = [later(answered, t_ovf=20), later(given_up, t_ovf=20, t_leave=90), ended(pattern, Result.SERVED, 5)]
    assert figures(calls).accepted_own == Ratio(1, 1)
    assert figures(calls).accepted == Ratio(2, 3)


def test_handling_is_conversation_and_wrap_up_and_an_announcement_is_no_waiting_in_line(pattern: CallRecord) -> None:
    call = later(ended(pattern, Result.SERVED, 25), t_ann_end=21, t_end=85, t_wrap_end=95)
    found = figures([call, replace(call, t_wrap_end=None)])
    assert found.aht.value() == (70 + 60) / 2
    assert (found.asa.value(), found.asa_in_line.value()) == (25, 4)


def test_closed_is_not_offered_and_released_is(pattern: CallRecord) -> None:
    """But who came out of hours and was sent to a partner all the same had been promised a person."""
    closed = ended(pattern, Result.CLOSED)
    found = figures([closed, closed, later(closed, t_ovf=1), ended(pattern, Result.RELEASED)])
    assert (found.offered, found.closed, found.released, found.failed) == (2, 2, 2, 0)
    assert found.service_level == Ratio(0, 2)


def test_who_is_promised_a_call_is_neither_answered_nor_abandoned_and_stays_offered(pattern: CallRecord) -> None:
    promised = replace(pattern, outcome=Outcome(Result.CALLBACK, "promised", Blame.NOBODY), t_leave=None)
    found = figures([promised, ended(pattern, Result.SERVED, 10)])
    assert (found.offered, found.answered, found.abandoned, found.promised) == (2, 1, 0, 1)
    assert (found.callback_rate, found.abandon_rate, found.service_level) == (Ratio(1, 2), Ratio(0, 2), Ratio(1, 2))


def test_who_is_promised_a_call_at_night_is_not_offered(pattern: CallRecord) -> None:
    promised = replace(pattern, outcome=Outcome(Result.CALLBACK, "closed-by-hours", Blame.NOBODY), t_leave=None)
    assert (figures([promised]).offered, figures([promised]).closed) == (0, 1)


def test_only_who_came_in_the_very_moment_did_not_wait(pattern: CallRecord) -> None:
    gone = ended(pattern, Result.ABANDONED)
    calls = [ended(pattern, Result.SERVED, 0), ended(pattern, Result.SERVED, 0.001), later(gone, t_leave=3)]
    assert figures(calls).had_to_wait == 2


def test_the_boundary_is_in_time_for_partners_too(pattern: CallRecord) -> None:
    calls = [ended(pattern, Result.OVERFLOWED, s) for s in (29.999, 30.000, 30.001)]
    assert figures(calls).service_level == Ratio(2, 3)
    assert figures(calls, {QueueId("langenhagen"): timedelta(seconds=60)}).service_level == Ratio(3, 3)


def test_nothing_divided_by_nothing_is_no_number() -> None:
    found = figures([])
    assert found.service_level.percent() is None
    assert found.service_level.share() is None
    assert str(found.accepted) == "keine Daten"
    assert (found.asa_s, found.wait_p50_s, found.wait_p99_s) == (None, None, None)


def test_a_lone_failsafe_call_is_offered_and_not_answered(pattern: CallRecord) -> None:
    found = figures([ended(pattern, Result.FAILSAFE), ended(pattern, Result.FAILED)])
    assert (found.offered, found.failsafe, found.failed, found.answered) == (2, 1, 1, 0)
    assert found.service_level == Ratio(0, 2)


def test_a_call_answered_before_failsafe_took_it_was_answered(pattern: CallRecord) -> None:
    served = ended(pattern, Result.SERVED, 5)
    found = figures([replace(served, outcome=Outcome(Result.FAILSAFE, "max-wait", Blame.US))])
    assert (found.answered, found.failsafe) == (1, 0)


def test_percentiles_are_somebodys_wait() -> None:
    assert percentile([15, 20, 35, 40, 50], 0.5) == 35
    assert percentile([15, 20, 35, 40], 0.5) == 20
    assert percentile([15, 20, 35, 40, 50], 0.99) == 50
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile(list(range(1, 101)), 0.07) == 7
    assert percentile([7], 0.01) == 7
    assert percentile([3, 1, 2], 1) == 3
    assert percentile([], 0.5) is None
    with pytest.raises(ValueError, match="above 0"):
        percentile([1], 0)


def test_towns_apart_and_pooled(pattern: CallRecord) -> None:
    records = [
        ended(pattern, Result.SERVED, 5, "region"),
        ended(pattern, Result.SERVED, 5, "hannover"),
        ended(pattern, Result.SERVED, 45, "hannover"),
        ended(pattern, Result.ABANDONED, None, "hannover"),
    ]
    towns = by_tenant(records)
    assert list(towns) == ["hannover", "region"]
    assert towns[TenantId("hannover")].service_level == Ratio(1, 3)
    pooled = towns[TenantId("hannover")].service_level + towns[TenantId("region")].service_level
    assert pooled == figures(records).service_level == Ratio(2, 4)
    assert Ratio(1, 3).percent() == pytest.approx(33.333333)
