"""Worked numbers: what the towns are told must be what a person with a pencil finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.catalogue import DEFINITIONS, Source, Unit, catalogue, service_levels
from dialog_acd.core.kpi import (
    GAVE_UP,
    NOT_OFFERED,
    OFFERED,
    By,
    Dispositions,
    Fate,
    Figures,
    Mean,
    Promise,
    Ratio,
    berlin_day,
    berlin_midnight,
    cell_of,
    facts,
    fate,
    figures,
    grouped,
    half_hour,
    percentile,
)
from dialog_acd.core.model import EntryKind, Formula, PartnerId
from dialog_acd.core.records import CallRecord, Result
from dialog_acd.core.shares import Usage
from ladders import overflowing, partner_answers, partner_fails
from records import anything, call

STRICT = Formula.STRICT


SENT: dict[str, Any] = {"t_ovf": 20, "overflow_trigger": "waited", "overflow_partner": PartnerId("oldenburg")}
THE_DAY = [
    *[call(wait=10)] * 690,
    *[call(wait=31)] * 190,
    *[call(Result.OVERFLOWED, 30, **SENT)] * 10,
    *[call(Result.OVERFLOWED, 60, **SENT)] * 30,
    *[call(Result.ABANDONED, 90, **SENT)] * 5,
    *[call(Result.ABANDONED, 5)] * 15,
    *[call(Result.ABANDONED, 30)] * 14,
    call(Result.ABANDONED, 5.001),
    *[call(Result.ABANDONED, 31)] * 45,
]
"""880 by ours, 45 sent on of whom 40 were taken there, 80 gave up: 15 within 5 s, 30 within 30 s. In time: 700."""
BESIDES = [
    *[call(Result.CLOSED)] * 7,
    *[call(Result.CALLBACK, reason="closed-by-hours")] * 2,
    *[call(Result.REFUSED)] * 3,
    *[call(wait=1, test=True)] * 4,
]
"""Offered to nobody, on the same day."""
ENDED = Dispositions(final=560, transferred=210, ticket=100, misdial=20, missing=30)


def test_a_thousand_calls_and_every_formula_to_the_digit() -> None:
    day = figures([*THE_DAY, *BESIDES])
    day.dispositions = ENDED
    assert ENDED.answered == 920
    found = {definition.id: definition.of(day) for definition in catalogue if definition.of is not None}
    told = {id_: str(figure) for id_, figure in found.items() if isinstance(figure, Ratio)}
    assert told == {
        "acceptance-network": "92,0 %",
        "acceptance-own": "92,1 %",
        "acceptance-adjusted": "93,4 %",
        "abandonment": "8,0 %",
        "overflow": "4,5 %",
        "overflow-acceptance": "88,9 %",
        "callback-rate": "0,0 %",
        "service-level-strict": "70,0 %",
        "service-level-late-abandons-only": "72,2 %",
        "service-level-served-only": "76,1 %",
        "service-level-abandons-count": "73,0 %",
        "service-level-short-excluded": "71,1 %",
        "fcr": "64,4 %",
        "fcr-lower-bound": "62,2 %",
        "transfer-rate": "24,1 %",
        "ticket-rate": "11,5 %",
        "referred-rate": "0,0 %",
        "missing-dispositions": "3,3 %",
        "callback-compliance": "keine Daten",
    }
    assert found["acceptance-own"] == Ratio(880, 955)
    assert found["acceptance-adjusted"] == Ratio(920, 985)
    assert found["overflow-acceptance"] == Ratio(40, 45)
    assert found["service-level-late-abandons-only"] == Ratio(700, 970)
    assert found["service-level-abandons-count"] == Ratio(1000 - 220 - 50, 1000)
    assert (found["fcr"], found["fcr-lower-bound"]) == (Ratio(560, 870), Ratio(560, 900))
    assert {id_: figure for id_, figure in found.items() if isinstance(figure, int) and figure} == {
        "calls": 1016, "offered": 1000, "answered": 880, "partner": 40, "abandoned": 80, "abandoned-here": 60,
        "abandoned-short": 15, "overflowed-lost": 5, "overflowed": 45, "closed-in-all": 9, "closed": 7,
        "closed-callback": 2, "refused": 3, "test": 4,
    }  # fmt: skip
    assert found["asa"] == Mean(690 * 10 + 190 * 31 + 10 * 30 + 30 * 60, 920)
    assert DEFINITIONS["wait-of-abandoned"].parts(day) == pytest.approx((450 + 75 + 420 + 5.001 + 45 * 31, 80))
    waits = [DEFINITIONS[f"wait-{which}"].value(day) for which in ("median", "p90", "p95", "max")]
    assert waits == [10, 31, 31, 60]


def test_only_one_of_four_service_levels_keeps_the_promise() -> None:
    day = figures(THE_DAY)
    verdicts = {formula: day.verdicts(formula) for formula in Formula}
    assert {formula: verdict.kept for formula, [verdict] in verdicts.items()} == {
        Formula.STRICT: False,
        Formula.LATE_ABANDONS_ONLY: False,
        Formula.SERVED_ONLY: True,
        Formula.ABANDONS_COUNT: False,
    }
    assert verdicts[STRICT][0].promise == Promise(30_000, 0.75)


# ---------------------------------------------------------------- no two outcomes are one


@pytest.mark.parametrize(
    ("record", "became"),
    [
        (call(wait=3), Fate.ANSWERED),
        (call(wait=50, **SENT), Fate.ANSWERED),
        (call(Result.OVERFLOWED, 40, **SENT), Fate.PARTNER),
        (call(Result.ABANDONED, 5.001), Fate.ABANDONED_HERE),
        (call(Result.ABANDONED, 5), Fate.SHORT),
        (call(Result.ABANDONED, 5, **SENT | {"t_ovf": 1}), Fate.SHORT),
        (call(Result.ABANDONED, 90, **SENT), Fate.LOST),
        (call(Result.CALLBACK, reason="promised"), Fate.CALLBACK),
        (call(Result.CALLBACK, reason="closed-by-day"), Fate.CLOSED_CALLBACK),
        (call(Result.CALLBACK, reason="closed-by-day", **SENT), Fate.CALLBACK),
        (call(Result.CALLBACK, reason="promised", t_ans=4), Fate.ANSWERED),
        (call(Result.CLOSED), Fate.CLOSED),
        (call(Result.CLOSED, **SENT), Fate.RELEASED),
        (call(Result.RELEASED), Fate.RELEASED),
        (call(Result.FAILSAFE), Fate.FAILSAFE),
        (call(Result.FAILSAFE, failsafe_answered_by="acd-failsafe-all"), Fate.FAILSAFE_ANSWERED),
        (call(Result.FAILSAFE, t_ans=5), Fate.ANSWERED),
        (call(Result.FAILED), Fate.FAILED),
        (call(Result.REFUSED), Fate.REFUSED),
        (call(Result.SERVED), Fate.FAILED),
        (call(wait=3, test=True), Fate.TEST),
        (call(Result.ABANDONED, 3, test=True, **SENT), Fate.TEST),
    ],
)
def test_what_became_of_a_call(record: CallRecord, became: Fate) -> None:
    assert fate(facts(record)) is became
    assert figures([record]).fates == {became: 1}


def test_what_is_neither_answered_nor_a_callback_nor_a_technical_loss_was_abandoned() -> None:
    """Ten calls: whoever was sent away is not better served than who hung up; a callback is neither good nor bad."""
    calls = [
        *[call(wait=20), call(wait=40), call(Result.ABANDONED, 20), call(Result.ABANDONED, 40)],
        *[call(Result.RELEASED, t_end=25), call(Result.RELEASED, t_end=45)],
        *[call(Result.CALLBACK, reason="promised"), call(Result.FAILED), call(Result.FAILSAFE), call(Result.FAILSAFE)],
    ]
    found = figures(calls)
    assert (found.offered, found.abandoned, found.abandoned_in_time) == (10, 4, 2)
    assert found.abandon_rate == Ratio(4, 10)
    assert found.wait_of_abandoned == Mean(20 + 40 + 25 + 45, 4)
    assert found.service_level(Formula.ABANDONS_COUNT) == Ratio(10 - 1 - 2, 10)
    assert found.service_level(Formula.LATE_ABANDONS_ONLY) == Ratio(1, 10 - 2)


@given(st.lists(anything, max_size=30))
def test_every_call_has_one_fate_and_no_share_is_beyond_all(records: list[CallRecord]) -> None:
    found = figures(records)
    assert found.calls == found.fates.total() == len(records)
    assert found.offered == sum(found.fates[became] for became in OFFERED) == sum(map(offered, records))
    assert sum(found.fates[became] for became in NOT_OFFERED) == len(records) - found.offered
    assert found.abandoned == sum(found.fates[became] for became in GAVE_UP) == len(found.waits_of_abandoned)
    assert found.answered + found.overflowed == len(found.waits) == len(found.waits_in_line) == found.pooled.accepted
    assert sum(kept.offered for kept in found.promises.values()) == found.offered
    assert found.sent.total() == sum(offered(record) and record.t_ovf is not None for record in records)
    for definition in catalogue:
        figure = definition.of(found) if definition.of else None
        if isinstance(figure, Ratio):
            assert 0 <= figure.numerator <= figure.denominator, definition.id


def offered(record: CallRecord) -> bool:
    """Said once more, in other words."""
    if record.test:
        return False
    if record.t_ans or record.t_ovf_ans:
        return True
    if record.outcome.result is Result.REFUSED:
        return False
    at_night = record.outcome.result is Result.CLOSED or (
        record.outcome.result is Result.CALLBACK and record.outcome.reason == "closed-by-hours"
    )
    return not at_night or record.t_ovf is not None


@given(st.lists(st.tuples(anything, st.booleans()), max_size=20))
def test_two_parts_are_the_whole(records: list[tuple[CallRecord, bool]]) -> None:
    whole, one, other = figures([r for r, _ in records]), Figures(), Figures()
    for record, first in records:
        (one if first else other).add(record)
    one.join(other)
    for figure in (whole, one):
        for waits in (figure.waits, figure.waits_in_line, figure.waits_of_abandoned):
            waits.sort()
    assert one == whole


def test_what_was_said_of_calls_is_pooled_too() -> None:
    one, other = figures([]), figures([])
    one.dispositions, other.dispositions, other.callbacks = ENDED, Dispositions(final=1, referred=2), Ratio(1, 2)
    one.join(other)
    one.join(figures([]))
    assert (one.dispositions.final, one.dispositions.referred, one.callbacks) == (561, 2, Ratio(1, 2))


def test_who_was_told_whom_to_call_is_answered_where_the_town_says_so() -> None:
    said = Dispositions(final=50, transferred=20, ticket=10, referred=20, misdial=5, dropped=5, missing=10)
    assert said.fcr() == Ratio(50, 100)
    assert said.fcr(referred_counts=True) == Ratio(70, 100)
    assert said.fcr_lower_bound(referred_counts=True) == Ratio(70, 110)
    assert said.missing_rate == Ratio(10, 120)
    assert said.fcr() + said.transfer_rate + said.ticket_rate + said.referred_rate == Ratio(100, 400)


# ---------------------------------------------------------------- partners


def test_a_partners_answer_counts_from_the_door_and_own_staff_had_no_part_in_it() -> None:
    acd = overflowing("waited 20 s: partner oldenburg").at("09:00:00").waits("c1")
    record = partner_answers(acd.at("09:00:26"), "c1").after(60).caller_hangs_up("c1").record("c1")
    found = figures([record])
    assert (found.fates, found.waits) == ({Fate.PARTNER: 1}, [26_000])
    assert (found.accepted, found.accepted_own, found.aht.of) == (Ratio(1, 1), Ratio(0, 0), 0)
    assert found.sent_accepted_at("oldenburg") == found.service_level() == Ratio(1, 1)
    assert found.sent_accepted_at("bremen") == Ratio(0, 0)


def test_who_came_back_from_a_partner_is_no_measure_of_our_own_staff() -> None:
    """Both were sent and came back; with the one who was then answered counted, it would be two of one."""
    acd = (
        overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1").waits("c2")
    )
    partner_fails(partner_fails(acd.at("09:00:25"), "c1"), "c2")
    acd.held("c1").held("c2").is_ready("anna").talks("anna").at("09:02:00").caller_hangs_up("c2")
    came_back = acd.agent_hangs_up("anna").record("c1"), acd.record("c2")
    found = figures([*came_back, call(wait=5)])
    assert found.fates == {Fate.ANSWERED: 2, Fate.LOST: 1}
    assert (found.accepted_own, found.accepted, found.sent_accepted) == (Ratio(1, 1), Ratio(2, 3), Ratio(0, 2))


def test_nobody_knows_how_a_call_ended_at_a_partner_that_nobody_saw_end() -> None:
    found = figures([call(Result.FAILED, **SENT), call(Result.OVERFLOWED, 30, **SENT)])
    assert (found.sent_rate, found.sent_accepted) == (Ratio(2, 2), Ratio(1, 1))
    assert found.sent_by("waited") == Ratio(2, 2)
    assert found.sent_by("technical") == Ratio(0, 2)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("result", [Result.SERVED, Result.OVERFLOWED])
def test_the_boundary_is_in_time_and_a_breath_later_is_not(result: Result) -> None:
    found = figures([call(result, s) for s in (29.999, 30.000, 30.000001, 30.001)])
    assert found.service_level() == Ratio(2, 4)
    assert found.waits == [29_999, 30_000, 30_001, 30_001]


def test_the_boundary_is_early_for_who_gives_up() -> None:
    found = figures([call(Result.ABANDONED, s) for s in (5, 5.000001, 30, 30.000001)])
    assert (found.abandoned_short, found.abandoned_in_time) == (1, 3)


def test_every_call_is_measured_by_what_was_promised_to_it() -> None:
    """The contract changed in July: 75/30 until then, 80/20 since; three calls are older than the field."""
    calls = [
        *[call(wait=25)] * 8,
        *[call(wait=40)] * 2,
        *[call(wait=25, target_ms=20_000, target_share=0.8)] * 3,
        *[call(wait=20, target_ms=20_000, target_share=0.8)] * 7,
        *[call(wait=25, target_ms=None, target_share=None)] * 3,
    ]
    found = figures(calls)
    assert found.service_level() == Ratio(8 + 7 + 3, 23)
    assert found.verdicts() == [
        (None, Ratio(3, 3), None),
        (Promise(20_000, 0.8), Ratio(7, 10), False),
        (Promise(30_000, 0.75), Ratio(8, 10), True),
    ]
    assert figures(calls[-3:], timedelta(seconds=20)).service_level() == Ratio(0, 3)


def test_a_promise_is_kept_at_exactly_its_share_whatever_floats_make_of_it() -> None:
    assert Ratio(55, 100).reaches(0.55)
    assert not Ratio(549, 1000).reaches(0.55)
    assert Ratio(0, 0).reaches(0.75) is None


def test_a_call_that_spans_midnight_is_of_the_day_in_which_it_came() -> None:
    late = call(wait=40, t_in=datetime(2026, 3, 2, 22, 59, 50, tzinfo=UTC))
    assert {key: of.answered for key, of in grouped([late], [By.DAY, By.CLOCK]).items()} == {
        (date(2026, 3, 2), "23:30"): 1
    }
    soon = replace(late, t_in=late.t_in + timedelta(seconds=10))
    assert list(grouped([soon], [By.DAY, By.MONTH, By.YEAR, By.WEEKDAY])) == [
        (date(2026, 3, 3), date(2026, 3, 1), 2026, 2)
    ]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 2), 24)])
def test_the_days_on_which_the_clock_is_changed_count_every_call_once(day: date, hours: int) -> None:
    begin, end = (berlin_midnight(d).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    assert end - begin == timedelta(hours=hours)
    calls = [call(wait=10, t_in=begin + timedelta(minutes=10 * n)) for n in range(6 * hours)]
    assert {berlin_day(c.t_in) for c in calls} == {day}
    assert {berlin_day(edge) for edge in (begin - timedelta(microseconds=1), end)} == {
        day - timedelta(days=1),
        day + timedelta(days=1),
    }
    by_half_hour = grouped(calls, [By.HALF_HOUR])
    assert [of.offered for of in by_half_hour.values()] == [3] * 2 * hours
    begins = [begin for (begin,) in by_half_hour if isinstance(begin, datetime)]
    assert {later - earlier for earlier, later in pairwise(begins)} == {timedelta(minutes=30)}
    by_clock = {key[0]: of.offered for key, of in grouped(calls, [By.CLOCK]).items()}
    assert by_clock.get("02:30") == {23: None, 24: 3, 25: 6}[hours]
    assert sum(by_clock.values()) == len(calls)
    assert half_hour(begin + timedelta(minutes=59)) == begin + timedelta(minutes=30)


def test_handling_is_conversation_and_wrap_up_and_an_announcement_is_no_waiting_in_line() -> None:
    found = figures([call(wait=25, t_ann_end=21, t_end=85, t_wrap_end=95), call(wait=25, t_ann_end=30, t_end=85)])
    assert (found.aht, found.talk) == (Mean(70 + 70, 2), Mean(60 + 60, 2))
    assert (found.asa, found.asa_in_line) == (Mean(50, 2), Mean(4, 2))
    assert (found.wait(0.5).seconds, found.wait_in_line(1).seconds, found.wait(1).of) == (25, 4, 2)


def test_who_was_transferred_talks_on_with_an_office_and_not_with_us() -> None:
    found = figures([call(wait=5, t_end=600, t_wrap_end=75)])
    assert (found.talk, found.aht) == (Mean(70, 1), Mean(70, 1))


@given(anything)
def test_a_report_has_the_milliseconds_of_the_bill(record: CallRecord) -> None:
    used = Usage()
    used.add(record)
    found = figures([record])
    assert (found.talked_ms, found.handled_ms) == (used.talk_ms, used.talk_ms + used.wrap_up_ms)


def test_only_who_came_in_the_very_moment_did_not_wait() -> None:
    assert figures([call(wait=0), call(wait=0.001), call(Result.ABANDONED, 3)]).had_to_wait == 2


def test_nothing_divided_by_nothing_is_no_number() -> None:
    found = figures([])
    assert (found.service_level().percent(), found.service_level().share(), str(found.accepted)) == (
        None, None, "keine Daten",
    )  # fmt: skip
    assert (found.asa.value(), found.wait(0.5).seconds, found.verdicts()) == (None, None, [])
    nothing = {definition.id: definition.value(found) for definition in catalogue}
    assert {value for id_, value in nothing.items() if DEFINITIONS[id_].unit is not Unit.COUNT} == {None}


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


# ---------------------------------------------------------------- groups


def test_towns_apart_and_pooled() -> None:
    records = [
        call(wait=5, tenant="region"),
        call(wait=5, tenant="hannover"),
        call(wait=45, tenant="hannover"),
        call(Result.ABANDONED, 9, tenant="hannover"),
    ]
    towns = grouped(records, [By.TENANT])
    assert list(towns) == [("hannover",), ("region",)]
    assert towns["hannover",].service_level() == Ratio(1, 3)
    pooled = towns["hannover",].service_level() + towns["region",].service_level()
    assert pooled == figures(records).service_level() == Ratio(2, 4)
    assert Ratio(1, 3).percent() == pytest.approx(33.333333)


def test_other_lines_of_the_same_room_are_in_no_citizens_figure() -> None:
    records = [call(wait=5, kind=kind) for kind in EntryKind]
    assert {key[0] for key in grouped(records, [By.KIND])} == set(EntryKind) - {
        EntryKind.PARTNER_INBOUND,
        EntryKind.INTERNAL,
    }
    assert list(grouped(records, [By.KIND], kinds=[EntryKind.INTERNAL])) == [(EntryKind.INTERNAL,)]
    assert grouped(records, [], kinds=[*EntryKind])[()].offered == len(EntryKind)


@given(st.lists(anything, max_size=20), st.lists(st.sampled_from(By), max_size=3))
def test_however_calls_are_grouped_each_is_in_one_group(records: list[CallRecord], by: list[By]) -> None:
    groups = grouped(records, by)
    assert sum(of.calls for of in groups.values()) == len(records)
    assert Counter(sum((of.fates for of in groups.values()), Counter())) == figures(records).fates
    assert all(len(key) == len(by) for key in groups)
    assert len({cell_of(facts(record)) for record in records}) >= len(groups)


# ---------------------------------------------------------------- the catalogue


def test_no_figure_is_without_its_definition() -> None:
    assert len(DEFINITIONS) == len(catalogue) == len({definition.name for definition in catalogue})
    sample = figures([*THE_DAY, *BESIDES])
    for definition in catalogue:
        assert definition.words.endswith("."), definition.id
        assert definition.numerator, definition.id
        assert bool(definition.denominator) == (definition.unit is not Unit.COUNT), definition.id
        figure = definition.of(sample) if definition.of else None
        assert isinstance(figure, int) == (definition.unit is Unit.COUNT), definition.id
        assert (definition.parts(sample) is not None) == isinstance(figure, Ratio | Mean), definition.id
        assert definition.of is not None or definition.source in (Source.ATTENDANCE, Source.TOPICS), definition.id
    assert [definition.formula for definition in service_levels()] == list(Formula)


def test_every_fate_is_in_the_catalogue_and_together_they_are_all_calls() -> None:
    sample = figures([*THE_DAY, *BESIDES])
    assert sum(int(DEFINITIONS[became].value(sample) or 0) for became in Fate) == sample.calls
