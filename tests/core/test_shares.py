"""Finance splits the bill: what every town used, what it pays, and that nothing is lost or invented on the way."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.kpi import berlin_midnight, figures
from dialog_acd.core.model import (
    NOT_YET,
    UNASSIGNED,
    Contract,
    EntryKind,
    Key,
    PartnerId,
    Price,
    Span,
    Tenant,
    TenantId,
)
from dialog_acd.core.records import Blame, CallRecord, Outcome, Result
from dialog_acd.core.shares import (
    APART,
    Account,
    Element,
    Month,
    Share,
    Slice,
    Sort,
    Statement,
    Usage,
    Used,
    beside,
    clock,
    german,
    list_csv,
    positions_csv,
    rounded,
    slices,
    statement,
    usage_of,
    whole,
)
from records import served

MARCH = Month(2026, 3)
LATER = datetime(2028, 1, 1, tzinfo=UTC)


def euros(text: str) -> Decimal:
    return Decimal(text)


def town(id_: str, *prices: Price, inhabitants: int | None = None, **contract: Any) -> Tenant:
    agreed = Contract(prices=prices, inhabitants=inhabitants, **contract)
    return Tenant(TenantId(id_), id_.capitalize(), id_, contract=agreed)


def minutes(handling: Fraction | float, calls: int = 1) -> Usage:
    return Usage(calls, calls, 0, int(handling * 60_000), 0)


def bill(month: Month, tenant: Tenant, *used: Usage) -> Share:
    """One town's line, what it used given slice by slice."""
    account = Account(Sort.TOWN, tenant.id)
    cut = slices(month, [tenant])
    assert len(cut) == len(used), cut
    told = statement(
        month, [tenant], [(of, {account: u}) for of, u in zip(cut, used, strict=True)], version=1, as_of=LATER
    )
    return told.shares[0]


def amounts(share: Share) -> dict[str, Decimal]:
    return {position.element.value: position.amount for position in share.positions}


# ---------------------------------------------------------------- whose a call is


def call(name: str, t_in: str, talk_s: float = 60, wrap_s: float = 10, **changes: Any) -> CallRecord:
    """Answered at once."""
    begun = datetime.fromisoformat(t_in).astimezone(UTC)
    ended = begun + timedelta(seconds=talk_s)
    times = {"t_in": begun, "t_ans": begun, "t_end": ended, "t_wrap_end": ended + timedelta(seconds=wrap_s)}
    return served(name, **{**times, **changes})


def test_a_call_belongs_to_the_month_in_berlin_in_which_it_came() -> None:
    calls = [
        call("before", "2026-02-28T23:59:59.999+01:00"),
        call("first", "2026-03-01T00:00:00+01:00"),
        call("over midnight", "2026-03-31T23:59:59.999+02:00", talk_s=7200),
        call("after", "2026-04-01T00:00:00+02:00"),
    ]
    [(of, accounts)] = usage_of(calls, slices(MARCH, [town("langenhagen")]))
    assert of == Slice(date(2026, 3, 1), date(2026, 4, 1))
    [(account, used)] = accounts.items()
    assert account == Account(Sort.TOWN, TenantId("langenhagen"))
    assert (used.offered, used.accepted, used.talk_ms, used.wrap_up_ms) == (2, 2, 7_260_000, 20_000)


def test_the_month_of_the_change_to_summer_time_is_an_hour_shorter() -> None:
    assert berlin_midnight(MARCH.ends) - berlin_midnight(MARCH.begins) == timedelta(days=31, hours=-1)
    october = Month(2026, 10)
    assert berlin_midnight(october.ends) - berlin_midnight(october.begins) == timedelta(days=31, hours=1)
    assert berlin_midnight(date(2026, 3, 1)) == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert Month.at(datetime(2026, 12, 31, 23, tzinfo=UTC)) == Month(2027, 1)


def test_what_is_no_town_s_has_a_line_of_its_own_and_test_calls_have_none() -> None:
    at = "2026-03-02T10:00:00+01:00"
    calls = [
        call("town", at),
        call("nobody's", at, tenant=UNASSIGNED),
        call("partner", at, kind=EntryKind.PARTNER_INBOUND),
        call("staff", at, kind=EntryKind.INTERNAL),
        call("staff", at, kind=EntryKind.INTERNAL, tenant=TenantId("hannover")),
        call("test", at, test=True),
        call("gone", at, tenant=TenantId("seelze")),
    ]
    towns = [town("langenhagen", Price(per_call=euros("1.00"))), town("hannover")]
    told = statement(MARCH, towns, usage_of(calls, slices(MARCH, towns)), version=7, as_of=LATER)
    assert [(s.name, s.accepted, s.handling_s, s.amount) for s in told.shares] == [
        ("Hannover", 0, 0, euros("0.00")),
        ("Langenhagen", 1, 70, euros("1.00")),
        ("seelze", 1, 70, euros("0.00")),  # a town that left the directory: its calls are not lost
        ("Nicht zugeordnet", 1, 70, euros("0.00")),
        ("Überlauf anderer Zentralen", 1, 70, euros("0.00")),
        ("Eigene Leitungen", 2, 140, euros("0.00")),
    ]
    assert told.total is not None
    assert (told.total.accepted, told.total.handling_s, told.total.amount) == (6, 420, euros("1.00"))
    assert tuple(share.account for share in told.shares[-3:]) == APART


def ended(result: Result, reason: str = "x", **changes: Any) -> CallRecord:
    return replace(
        call("x", "2026-03-02T10:00:00+01:00"),
        outcome=Outcome(result, reason, Blame.NOBODY),
        **changes,
    )


def test_offered_and_accepted_are_those_of_the_other_figures() -> None:
    """Whoever holds the report beside the bill finds the same calls."""
    nobody: dict[str, Any] = {"t_ans": None, "t_wrap_end": None}
    then = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    sent: dict[str, Any] = {**nobody, "t_ovf": then, "overflow_partner": PartnerId("oldenburg")}
    calls = [
        ended(Result.SERVED),
        ended(Result.ABANDONED, **nobody),
        ended(Result.OVERFLOWED, **sent, t_ovf_ans=then, partner=PartnerId("oldenburg")),
        ended(Result.SERVED, t_ovf=then),
        ended(Result.FAILSAFE, **nobody),
        ended(Result.CLOSED, **nobody),
        ended(Result.CLOSED, **sent),
        ended(Result.CALLBACK, "promised", **nobody),
        ended(Result.CALLBACK, "closed-by-hours", **nobody),
        ended(Result.RELEASED, **nobody),
        ended(Result.REFUSED, **nobody),
        ended(Result.FAILED),
        ended(Result.SERVED, test=True),
    ]
    [(_, accounts)] = usage_of(calls, slices(MARCH, []))
    [used] = accounts.values()
    other = figures(calls)
    assert (used.offered, used.accepted, used.by_partner) == (other.offered, other.answered, other.overflowed)
    assert (used.offered, used.accepted, used.by_partner) == (9, 3, 1)
    assert used.talk_ms + used.wrap_up_ms == other.handled_ms


@pytest.mark.parametrize(
    ("talk_s", "wrap_s", "talk_ms", "wrap_ms"),
    [
        (60, 10, 60_000, 10_000),
        (60, 0, 60_000, 0),
        # Transferred after 90 s: the wrap-up was over long before the caller left.
        (600, -500, 100_000, 0),
        (60, -90, 0, 0),
    ],
)
def test_talk_ends_with_the_call_or_with_the_agent_s_part(
    talk_s: float, wrap_s: float, talk_ms: int, wrap_ms: int
) -> None:
    used = Usage()
    used.add(call("x", "2026-03-02T10:00:00+01:00", talk_s, wrap_s))
    assert (used.talk_ms, used.wrap_up_ms) == (talk_ms, wrap_ms)


# ---------------------------------------------------------------- prices as they are known from elsewhere


def test_what_karlsruhe_agreed_with_baden_baden() -> None:
    """95,000 EUR a year up to 60,000 minutes, then 1.59 EUR a minute; calls were underestimated."""
    price = Price(flat=euros("95000"), included_minutes=60_000, per_minute=euros("1.59"), each=Span.YEAR)
    baden_baden = town("baden-baden", price)
    paid = []
    for number in range(1, 13):
        share = bill(Month(2020, number), baden_baden, *[minutes(5000)] * number)
        assert amounts(share)["per-minute"] == 0
        paid.append(share.amount)
    assert sum(paid) == euros("95000.00"), "twelve months are a year, to the cent"
    assert {*paid} == {euros("7916.66"), euros("7916.67")}

    # The year that came: 82,013 minutes and 12 seconds. Nothing is charged twice, nothing forgotten.
    months = [minutes(7000)] * 11 + [minutes(Fraction(501_320, 100) + Fraction(12, 60) - Fraction(20, 100))]
    year = [bill(Month(2020, number), baden_baden, *months[:number]) for number in range(1, 13)]
    assert [share.volumes[0].passed for share in year] == [()] * 6 + [(80,)] + [(80,)] + [(80, 100)] * 4
    assert [amounts(share)["per-minute"] for share in year[7:10]] == [0, euros("4770.00"), euros("11130.00")]
    seconds = sum(
        position.quantity for share in year for position in share.positions if position.element == "per-minute"
    )
    assert seconds == (82_013 - 60_000) * 60 + 12
    assert year[6].notes == ("81 % der Inklusivminuten des Jahres sind verbraucht: 816:40:00 von 1000:00:00 Stunden.",)


def test_what_hamburg_agreed_with_seevetal() -> None:
    """1.50 EUR a minute, and nothing else."""
    seevetal = town("seevetal", Price(per_minute=euros("1.50")))
    assert bill(MARCH, seevetal, minutes(1000)).amount == euros("1500.00")
    share = bill(MARCH, seevetal, Usage(1, 1, 0, 1_000, 0))
    [position] = share.positions
    assert (position.quantity, position.amount, position.basis) == (1, euros("0.03"), "1 s, zu 1,50 EUR je Minute")
    assert share.volumes == ()


def test_what_ronnenberg_and_burgdorf_expected_to_pay() -> None:
    for sum_, month in (("30000", "2500.00"), ("76000", "6333.33")):
        place = town("place", Price(flat=euros(sum_), each=Span.YEAR))
        assert bill(Month(2021, 1), place, minutes(1)).amount == euros(month)
        assert sum(bill(Month(2021, n), place, minutes(1)).amount for n in range(1, 13)) == euros(sum_)


def test_by_the_call_by_the_inhabitant_and_mixed() -> None:
    price = Price(
        flat=euros("2500.00"),
        per_call=euros("2.40"),
        per_inhabitant=euros("0.85"),
        per_minute=euros("0.5"),
        included_minutes=100,
    )
    share = bill(Month(2026, 1), town("laatzen", price, inhabitants=41_000), minutes(101, calls=37))
    assert amounts(share) == {
        "flat": euros("2500.00"),
        "per-inhabitant": euros("2904.17"),
        "per-call": euros("88.80"),
        "per-minute": euros("0.50"),
    }
    assert [position.basis for position in share.positions] == [
        "2.500,00 EUR im Monat, 31 von 31 Tagen",
        "41.000 Einwohner zu 0,85 EUR im Jahr, 31 von 31 Tagen",
        "37 angenommene Anrufe zu 2,40 EUR",
        "60 s über 6.000 s hinaus, die enthalten sind, zu 0,50 EUR je Minute",
    ]
    assert share.amount == euros("5493.47")
    assert share.volumes[0].passed == (80, 100)


def test_inhabitants_that_nobody_has_counted_are_no_silent_zero() -> None:
    share = bill(MARCH, town("laatzen", Price(per_inhabitant=euros("0.85"))), minutes(1))
    assert share.positions == ()
    assert share.notes == ("Die Einwohnerzahl ist nicht bekannt: nach Einwohnern wurde nichts berechnet.",)


# ---------------------------------------------------------------- the whole cost of the centre, shared out

RUNNING = Price(levy=euros("316500"), each=Span.YEAR)
"""268,000 EUR for people and 48,500 for material, refunded whole."""


def shared_out(month: Month, towns: list[Tenant], *used: dict[str, Usage]) -> Statement:
    cut = slices(month, towns)
    told = [
        (of, {Account(Sort.TOWN, TenantId(t)): u for t, u in one.items()}) for of, one in zip(cut, used, strict=True)
    ]
    return statement(month, towns, told, version=1, as_of=LATER)


@pytest.mark.parametrize(
    ("key", "paid"),
    [
        (Key.MINUTES, ["13187.50", "8791.67", "4395.83"]),
        (Key.CALLS, ["2637.50", "2637.50", "21100.00"]),
        (Key.INHABITANTS, ["10550.00", "10550.00", "5275.00"]),
        (Key.EQUALLY, ["8791.67", "8791.67", "8791.66"]),
    ],
)
def test_what_the_centre_costs_is_refunded_whole_by_whatever_key(key: Key, paid: list[str]) -> None:
    price = replace(RUNNING, levy_by=key)
    towns = [town(name, price, inhabitants=n) for name, n in (("a", 40_000), ("b", 40_000), ("c", 20_000))]
    used = {"a": minutes(30, calls=1), "b": minutes(20, calls=1), "c": minutes(10, calls=8)}
    told = shared_out(MARCH, towns, used)
    assert told.total is not None
    assert told.total.amount == euros("26375.00")
    assert [str(share.amount) for share in told.shares[:3]] == paid


def test_twelve_months_of_what_the_centre_costs_are_its_year() -> None:
    towns = [town(name, replace(RUNNING, levy=euros("316501"))) for name in "abc"]
    year = [shared_out(Month(2026, n), towns, {"a": minutes(7 * n), "b": minutes(11)}) for n in range(1, 13)]
    assert sum(told.total.amount for told in year if told.total is not None) == euros("316501.00")
    assert (
        year[0].shares[0].positions[0].basis
        == "Anteil an 316.501,00 EUR im Jahr nach Bearbeitungszeit, 31 von 31 Tagen"
    )


def test_a_month_in_which_nobody_called_is_paid_all_the_same() -> None:
    told = shared_out(MARCH, [town("a", RUNNING), town("b", RUNNING)], {})
    assert [str(share.amount) for share in told.shares[:2]] == ["13187.50", "13187.50"]
    assert "zu gleichen Teilen" in told.shares[0].positions[0].basis


def test_a_town_that_joins_shares_the_cost_from_its_first_day_on() -> None:
    """April: 26,375.00 EUR; twenty days are a's alone, ten are shared one to one."""
    towns = [town("a", RUNNING), town("b", RUNNING, valid_from=date(2026, 4, 21)), town("c", Price(flat=euros("5")))]
    told = shared_out(Month(2026, 4), towns, {"a": minutes(1)}, {"a": minutes(3), "b": minutes(3), "c": minutes(9)})
    assert [str(p.amount) for p in told.shares[0].positions] == ["17583.33", "4395.84"]
    assert [str(p.amount) for p in told.shares[1].positions] == ["4395.83"]
    assert str(told.shares[2].amount) == "5.00"
    assert told.total is not None
    assert str(told.total.amount) == "26380.00"


def test_what_another_town_agrees_on_does_not_touch_the_sharing() -> None:
    new = Price(date(2026, 3, 9), flat=euros("1"))
    used = [{"a": minutes(1), "b": minutes(9)}, {"a": minutes(9), "b": minutes(1)}]
    told = shared_out(MARCH, [town("a", RUNNING), town("b", RUNNING), town("c", new)], *used)
    assert [str(share.amount) for share in told.shares[:2]] == ["13187.50", "13187.50"]
    assert len(told.shares[0].positions) == 1


# ---------------------------------------------------------------- prices that change


def test_a_price_that_changes_on_the_15th_counts_from_the_15th_on() -> None:
    """Calls and minutes by the price of their day, the flat sum by days: 14 of 31, 17 of 31."""
    old, new = Price(flat=euros("1000"), per_call=euros("2")), Price(date(2026, 3, 15), euros("2000"), euros("3"))
    laatzen = town("laatzen", old, new)
    assert [of.begins.day for of in slices(MARCH, [laatzen])] == [1, 15]
    share = bill(MARCH, laatzen, minutes(1, calls=10), minutes(1, calls=20))
    told = [(p.element.value, p.begins.day, p.last.day, p.quantity, p.amount) for p in share.positions]
    assert told == [
        ("flat", 1, 14, 14, euros("451.61")),  # 1000 * 14/31
        ("per-call", 1, 14, 10, euros("20.00")),
        ("flat", 15, 31, 17, euros("1096.77")),  # 2000 less 903.23
        ("per-call", 15, 31, 20, euros("60.00")),
    ]
    calls = [call("a", "2026-03-14T23:59:59.999+01:00"), call("b", "2026-03-15T00:00:00+01:00")]
    by_day = usage_of(calls, slices(MARCH, [laatzen]))
    assert [sum(usage.accepted for usage in accounts.values()) for _, accounts in by_day] == [1, 1]


def test_a_price_that_changes_to_itself_changes_nothing() -> None:
    same = Price(date(2026, 3, 15), euros("1000"), included_minutes=60, per_minute=euros("1.59"))
    cut = bill(MARCH, town("laatzen", replace(same, since=None), same), minutes(10), minutes(70))
    plain = bill(MARCH, town("laatzen", replace(same, since=None)), minutes(80))
    assert (cut.amount, cut.volumes) == (plain.amount, plain.volumes)
    assert cut.amount == euros("1031.80")


def test_another_town_s_new_price_changes_nothing_for_this_one() -> None:
    price = Price(flat=euros("100"), per_call=euros("1"), per_minute=euros("1.59"), included_minutes=2)
    laatzen, other = town("laatzen", price), town("other", price, replace(price, since=date(2026, 3, 9)))
    account, one, two = Account(Sort.TOWN, laatzen.id), minutes(Fraction(31, 30)), minutes(Fraction(37, 30))
    joined = Usage()
    joined.join(one)
    joined.join(two)
    cut = slices(MARCH, [laatzen, other])
    told = statement(
        MARCH, [laatzen, other], [(cut[0], {account: one}), (cut[1], {account: two})], version=1, as_of=LATER
    )
    assert told.of_town("laatzen").shares == (bill(MARCH, laatzen, joined),)


def test_included_minutes_that_change_have_each_their_part_of_the_month() -> None:
    """April: 3000 minutes for 30 days; from the 16th on 6000. 1500 and 3000 are there."""
    old = Price(flat=euros("10"), included_minutes=3000, per_minute=euros("1"))
    new = replace(old, since=date(2026, 4, 16), included_minutes=6000, per_minute=euros("2"))
    share = bill(Month(2026, 4), town("laatzen", old, new), minutes(1501), minutes(3002))
    assert [(v.included_s, v.used_s) for v in share.volumes] == [(90_000, 90_060), (180_000, 180_120)]
    over = [(p.quantity, p.amount) for p in share.positions if p.element is Element.PER_MINUTE]
    assert over == [(60, euros("1.00")), (120, euros("4.00"))]


def test_a_volume_of_the_year_goes_on_through_a_new_price_and_starts_anew_in_january() -> None:
    old = Price(flat=euros("1200"), included_minutes=1000, per_minute=euros("1"), each=Span.YEAR)
    dearer = replace(old, since=date(2026, 2, 15), per_minute=euros("2"))
    laatzen = town("laatzen", old, dearer)
    assert [of.begins for of in slices(Month(2026, 2), [laatzen])] == [
        date(2026, 1, 1),
        date(2026, 2, 1),
        date(2026, 2, 15),
    ]
    share = bill(Month(2026, 2), laatzen, minutes(900), minutes(150), minutes(10))
    over = [(p.quantity, p.amount) for p in share.positions if p.element is Element.PER_MINUTE]
    assert over == [(3000, euros("50.00")), (600, euros("20.00"))]
    assert [(v.begins, v.last, v.used_s) for v in share.volumes] == [(date(2026, 1, 1), date(2026, 12, 31), 63_600)]
    assert len(slices(Month(2027, 1), [laatzen])) == 1
    assert bill(Month(2027, 1), laatzen, minutes(1000)).amount == euros("100.00")


def test_a_volume_that_comes_back_later_in_the_year_is_another_one() -> None:
    old = Price(included_minutes=1200, per_minute=euros("1"), each=Span.YEAR)
    less, again = replace(old, since=date(2026, 4, 1), included_minutes=600), replace(old, since=date(2026, 7, 1))
    laatzen = town("laatzen", old, less, again)
    for month, included, used in ((2, 300, 20), (5, 150, 20), (8, 600, 20)):
        share = bill(Month(2026, month), laatzen, *[minutes(10)] * month)
        assert [(v.included_s, v.used_s) for v in share.volumes] == [(60 * included, 60 * used)], month


def test_a_contract_that_begins_and_ends_within_the_month_is_paid_for_its_days() -> None:
    price = Price(flat=euros("3000"), per_call=euros("1"), included_minutes=300, per_minute=euros("1"))
    short = town("short", price, valid_from=date(2026, 4, 11), valid_to=date(2026, 4, 20))
    share = bill(Month(2026, 4), short, minutes(500, calls=5), minutes(101, calls=7), minutes(500, calls=9))
    assert amounts(share) == {"flat": euros("1000.00"), "per-call": euros("7.00"), "per-minute": euros("1.00")}
    assert share.handling_s == 1101 * 60, "what was used is shown all the same"
    assert bill(Month(2026, 5), short, minutes(5)).positions == ()


def test_a_town_that_waits_to_go_live_pays_nothing_yet() -> None:
    waiting = replace(town("laatzen", Price(flat=euros("3100"))), live_from=NOT_YET)
    assert bill(MARCH, waiting, minutes(1)).positions == ()
    assert bill(MARCH, replace(waiting, live_from=date(2026, 3, 22)), minutes(0), minutes(1)).amount == euros("1000.00")
    signed = replace(waiting, contract=replace(waiting.contract, valid_from=date(2026, 1, 1)))
    assert bill(MARCH, signed, minutes(1)).amount == euros("3100.00"), "a contract that names its day counts from then"


# ---------------------------------------------------------------- what holds for any month

PRICES = st.builds(
    Price,
    st.none() | st.dates(date(2025, 12, 1), date(2026, 4, 30)),
    st.integers(0, 10**8).map(lambda n: Decimal(n).scaleb(-4)),
    st.integers(0, 10**5).map(lambda n: Decimal(n).scaleb(-4)),
    st.integers(0, 10**5).map(lambda n: Decimal(n).scaleb(-4)),
    st.integers(0, 10**5).map(lambda n: Decimal(n).scaleb(-4)),
    st.integers(0, 100),
    st.sampled_from(Span),
    st.sampled_from([Decimal(0), Decimal(316500), Decimal("0.07")]),
    st.sampled_from(Key),
)
TOWNS = st.lists(
    st.tuples(
        st.lists(PRICES, max_size=2, unique_by=lambda p: p.since),
        st.none() | st.dates(date(2026, 1, 1), date(2026, 4, 9)),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda told: [
        Tenant(
            TenantId(f"t{n}"),
            f"T{n}",
            "",
            contract=Contract(prices=tuple(prices), valid_from=begins, inhabitants=997 * n + 1),
        )
        for n, (prices, begins) in enumerate(told)
    ]
)
USAGES = st.builds(
    Usage, st.integers(0, 99), st.integers(0, 99), st.integers(0, 9), st.integers(0, 10**7), st.integers(0, 10**6)
)


@st.composite
def months(draw: st.DrawFn) -> tuple[list[Tenant], list[Used]]:
    towns = draw(TOWNS)
    accounts = [*(Account(Sort.TOWN, tenant.id) for tenant in towns), *APART]
    return towns, [(of, draw(st.dictionaries(st.sampled_from(accounts), USAGES))) for of in slices(MARCH, towns)]


def told_of(towns: list[Tenant], used: list[Used], as_of: datetime = LATER) -> Statement:
    return statement(MARCH, towns, used, version=1, as_of=as_of)


@given(months(), st.sampled_from([1, 3600]))
def test_seconds_and_cents_of_the_towns_add_up_to_the_centre_s(
    month: tuple[list[Tenant], list[Used]], unit_s: int
) -> None:
    """To the second, and before the month is settled to the hour."""
    told = told_of(*month, LATER if unit_s == 1 else datetime(2026, 3, 31, tzinfo=UTC))
    assert told.total is not None
    cut = [of for of, _ in month[1]]
    assert (cut[0].begins in (MARCH.begins, date(2026, 1, 1)), cut[-1].ends) == (True, MARCH.ends)
    assert all(a.ends == b.begins for a, b in pairwise(cut))
    assert all(Month.of(of.begins) == Month.of(of.ends - timedelta(days=1)) for of in cut)
    march = [usage for of, accounts in month[1] if of.begins >= MARCH.begins for usage in accounts.values()]
    for name in ("offered", "accepted", "by_partner"):
        assert (
            sum(getattr(s, name) for s in told.shares)
            == getattr(told.total, name)
            == sum(getattr(u, name) for u in march)
        )
    for name in ("talk", "wrap_up"):
        ms = sum(getattr(usage, f"{name}_ms") for usage in march)
        assert (
            sum(getattr(s, f"{name}_s") for s in told.shares)
            == getattr(told.total, f"{name}_s")
            == (ms + 500 * unit_s) // (1000 * unit_s) * unit_s
        )
        assert all(getattr(s, f"{name}_s") % unit_s == 0 for s in told.shares)
    assert sum(s.handling_s for s in told.shares) == told.total.handling_s
    assert sum(p.amount for s in told.shares for p in s.positions) == told.total.amount
    for share in told.shares:
        assert share.amount == share.amount.quantize(Decimal("0.01"))
        assert all(p.amount >= 0 and p.quantity >= 0 for p in share.positions)
        own = [
            accounts[share.account]
            for of, accounts in month[1]
            if of.begins >= MARCH.begins and share.account in accounts
        ]
        assert abs(share.talk_s * 1000 - sum(usage.talk_ms for usage in own)) < 1000 * unit_s * max(len(own), 1)


@given(months(), st.integers(1, 10**6), st.data())
def test_who_uses_more_never_pays_less(month: tuple[list[Tenant], list[Used]], more: int, data: st.DataObject) -> None:
    towns, used = month
    of, accounts = data.draw(st.sampled_from([part for part in used if part[0].begins >= MARCH.begins]))
    account = Account(Sort.TOWN, data.draw(st.sampled_from(towns)).id)
    before = accounts.get(account, Usage())
    after = replace(before, accepted=before.accepted + 1, wrap_up_ms=before.wrap_up_ms + more)
    grown = [(at, {**found, account: after} if at == of else found) for at, found in used]
    [then], [now] = (told_of(towns, told).of_town(account.tenant).shares for told in (used, grown))
    assert now.handling_s >= then.handling_s
    assert now.amount >= then.amount


@given(st.lists(st.integers(0, 10**6), max_size=30), st.integers(1, 5000))
def test_what_is_rounded_adds_up_and_nobody_is_a_whole_unit_off(parts: list[int], unit: int) -> None:
    found = whole(parts, unit)
    assert sum(found) == rounded(Fraction(sum(parts), unit))
    assert all(abs(each * unit - part) < unit for each, part in zip(found, parts, strict=True))


# ---------------------------------------------------------------- on paper


def test_a_month_is_read_as_it_is_written() -> None:
    assert Month.read("2026-12") == Month(2026, 12)
    assert (str(Month(2026, 3)), Month(2026, 12).ends) == ("2026-03", date(2027, 1, 1))
    for wrong in ("2026-13", "2026-00", "2026-3", "26-03", "1999-12", "2026-03-01", "２０２６-03", ""):
        with pytest.raises(ValueError, match="a month is written as 2026-03"):
            Month.read(wrong)


def test_numbers_are_written_as_they_are_here() -> None:
    assert [german(n) for n in (0, 1234567, euros("7916.67"), euros("2.4"), euros("1.5900"), euros("95000"))] == [
        "0",
        "1.234.567",
        "7.916,67",
        "2,40",
        "1,5900",
        "95.000,00",
    ]
    assert [clock(s) for s in (0, 3909, 3_600_000)] == ["0:00:00", "1:05:09", "1000:00:00"]


def test_the_list_for_the_spreadsheet_and_its_positions() -> None:
    names = [
        replace(town("laatzen", Price(flat=euros("7916.67"), included_minutes=1)), name="=HYPERLINK(1);2"),
        replace(town("seelze"), name="＝1+1"),
    ]
    told = statement(
        MARCH,
        names,
        [(slices(MARCH, names)[0], {Account(Sort.TOWN, TenantId("laatzen")): minutes(2)})],
        version=1,
        as_of=LATER,
    )
    text = list_csv(told)
    assert text.startswith("\N{BYTE ORDER MARK}Monat;Kennung;Kommune;")
    head, *rows = csv.reader(text[1:].splitlines(), delimiter=";")
    assert len(rows) == 2 + len(APART) + 1
    assert rows[1][2] == "'＝1+1"
    assert rows[0] == [
        "2026-03",
        "laatzen",
        "'=HYPERLINK(1);2",
        "1",
        "1",
        "0",
        "120",
        "0",
        "120",
        "60",
        "120",
        "7916,67",
    ]
    assert rows[1][-3:] == ["", "", "0,00"]
    assert dict(zip(head, rows[-1], strict=True))["Betrag (EUR)"] == "7916,67"
    assert rows[-1][2] == "Summe"
    _, *lines = csv.reader(positions_csv(told)[1:].splitlines(), delimiter=";")
    assert [line[3:10] for line in lines] == [
        ["Grundbetrag", "01.03.2026", "31.03.2026", "31", "Tage", "7916,67", "7916,67"]
    ]
    alone = told.of_town("seelze")
    assert "Summe" not in list_csv(alone)
    assert "laatzen" not in list_csv(alone)


def test_a_statement_says_whether_its_month_was_settled() -> None:
    assert not statement(MARCH, [], [], version=1, as_of=datetime(2026, 4, 2, 3, 59, 59, tzinfo=UTC)).complete
    assert statement(MARCH, [], [], version=1, as_of=datetime(2026, 4, 2, 4, tzinfo=UTC)).complete


def test_beside_what_was_issued_a_line_may_be_gone_or_new() -> None:
    def told(*ids: str) -> Statement:
        names = [town(id_, Price(per_call=euros("2.50"))) for id_ in ids]
        used = {Account(Sort.TOWN, TenantId(id_)): minutes(2, calls=len(ids)) for id_ in ids}
        return statement(MARCH, names, [(slices(MARCH, names)[0], used)], version=1, as_of=LATER)

    lines = beside(told("laatzen", "seelze"), told("burgdorf", "laatzen"))
    assert [(of.now.account.tenant, of.issued.amount, of.now.amount) for of in lines if of.differs] == [
        ("burgdorf", euros("0.00"), euros("5.00")), ("seelze", euros("5.00"), euros("0.00")),
    ]  # fmt: skip
    head, *rows = csv.reader(
        list_csv(told("burgdorf", "laatzen"), told("laatzen", "seelze")).splitlines(), delimiter=";"
    )
    assert {row[1]: (row[3], *row[-2:]) for row in rows if row[1] in {"burgdorf", "seelze"}} == {
        "burgdorf": ("2", "5,00", "0,00"), "seelze": ("0", "0,00", "5,00"),
    }  # fmt: skip
    assert {len(head), *map(len, rows)} == {13}


@given(st.integers(0, 3), st.integers(0, 3))
def test_lines_differ_where_anything_that_is_told_of_them_does(issued: int, now: int) -> None:
    def told(calls: int) -> Statement:
        names = [town("laatzen", Price(flat=euros("100.00")))]  # the amount stays
        used = {Account(Sort.TOWN, TenantId("laatzen")): minutes(calls, calls=calls)}
        return statement(MARCH, names, [(slices(MARCH, names)[0], used)], version=1, as_of=LATER)

    assert any(of.differs for of in beside(told(issued), told(now))) == (issued != now)
