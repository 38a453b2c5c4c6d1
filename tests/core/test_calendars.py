"""When a number is served: Harburg's week to the second, both DST nights, holidays, and what a caller is told."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialog_acd.core.calendars import (
    LOOK_AHEAD,
    NEVER_CLOSES,
    Calendar,
    Hours,
    Opening,
    SpecialDay,
    Why,
    faults,
    parse_hours,
    written,
)
from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.model import CalendarId, Trigger

BERLIN = ZoneInfo("Europe/Berlin")
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def calendar(
    *hours: str, land: str | None = "NI", special: tuple[SpecialDay, ...] = (), zone: str = "Europe/Berlin"
) -> Calendar:
    return Calendar(CalendarId("test"), "Test", tuple(map(parse_hours, hours)), land, special, zone)


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    """A moment by the clock of the town hall."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def heard(opening: Opening) -> str:
    """What the closed announcement would say: the next opening by the caller's own clock."""
    assert opening.opens_at is not None
    return f"{opening.opens_at.astimezone(BERLIN):%a %d.%m.%Y %H:%M}"


def clock(moment: datetime | None, zone: ZoneInfo = BERLIN) -> str:
    assert moment is not None
    return f"{moment.astimezone(zone):%d.%m. %H:%M %z}"


HARBURG = calendar("mon-thu 07:00-18:00", "fri 07:00-15:00")
PROMISE_115 = calendar("mon-fri 08:00-18:00")
NIGHT = "sun 01:00-04:00"
SPRING, AUTUMN = "2026-03-29", "2026-10-25"


# ---------------------------------------------------------------- Harburg


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-10-05T06:59:59.999999", False),
        ("2026-10-05T07:00:00", True),
        ("2026-10-05T17:59:59.999999", True),
        ("2026-10-05T18:00:00", False),
        ("2026-10-09T06:59:59.999999", False),
        ("2026-10-09T07:00:00", True),
        ("2026-10-09T14:59:59", True),
        ("2026-10-09T14:59:59.999999", True),
        ("2026-10-09T15:00:00", False),
        ("2026-10-09T15:00:00.000001", False),
        ("2026-10-10T10:00:00", False),
        ("2026-10-11T10:00:00", False),
    ],
)
def test_harburg_is_staffed_to_the_second(moment: str, is_open: bool) -> None:
    opening = HARBURG.opening(at(moment))
    assert opening.open is is_open
    assert opening.why is (Why.OPEN if is_open else Why.HOURS)
    assert opening.name == ""


@pytest.mark.parametrize(
    ("moment", "own", "promised"),
    [("14:59:59", True, True), ("15:00:00", False, True), ("17:59:59", False, True), ("18:00:00", False, False)],
)
def test_on_friday_afternoon_115_is_promised_while_harburg_is_closed(moment: str, own: bool, promised: bool) -> None:
    friday = at(f"2026-10-30T{moment}")
    assert (HARBURG.opening(friday).open, PROMISE_115.opening(friday).open) == (own, promised)


def test_who_calls_on_friday_at_15_00_00_hears_monday_seven() -> None:
    assert heard(HARBURG.opening(at("2026-10-09T15:00:00"))) == "Mon 12.10.2026 07:00"


def test_who_calls_before_opening_hears_today_and_after_closing_tomorrow() -> None:
    assert heard(HARBURG.opening(at("2026-10-06T06:59:59"))) == "Tue 06.10.2026 07:00"
    assert heard(HARBURG.opening(at("2026-10-06T18:00:00"))) == "Wed 07.10.2026 07:00"


def test_while_open_the_end_of_the_stretch_is_known_and_nothing_else() -> None:
    opening = HARBURG.opening(at("2026-10-09T07:00:00"))
    assert opening == Opening(open=True, why=Why.OPEN, name="", closes_at=at("2026-10-09T15:00:00"), opens_at=None)
    assert opening.closes_at is not None
    assert opening.closes_at.utcoffset() == timedelta()


def test_a_lunch_break_splits_the_day() -> None:
    office = calendar("mon-fri 08:00-12:00", "mon-fri 13:00-16:00")
    assert office.opening(at("2026-10-06T11:59:59")).closes_at == at("2026-10-06T12:00:00")
    assert heard(office.opening(at("2026-10-06T12:00:00"))) == "Tue 06.10.2026 13:00"


def test_the_moment_may_come_in_any_zone_but_not_without_one() -> None:
    friday = at("2026-10-09T14:59:59")
    assert HARBURG.opening(friday.astimezone(ZoneInfo("Asia/Tokyo"))) == HARBURG.opening(friday)
    assert HARBURG.opening(friday.astimezone(BERLIN)) == HARBURG.opening(friday)
    with pytest.raises(TypeError):
        HARBURG.opening(friday.replace(tzinfo=None))


def test_the_reasons_are_the_words_of_the_overflow_triggers() -> None:
    assert {Why.HOURS, Why.DAY} == {Trigger.CLOSED_HOURS, Trigger.CLOSED_DAY}  # type: ignore[comparison-overlap]


# ---------------------------------------------------------------- holidays and special days


def test_reformation_day_closes_harburg_while_a_partner_in_nw_works() -> None:
    friday = at("2025-10-31T10:00:00")
    ours = HARBURG.opening(friday)
    assert (ours.open, ours.why, ours.name) == (False, Why.DAY, "Reformationstag")
    assert heard(ours) == "Mon 03.11.2025 07:00"
    assert replace(HARBURG, land="NW").opening(friday).open


def test_all_saints_on_a_monday_closes_the_partner_in_nw_while_harburg_works() -> None:
    monday = at("2027-11-01T10:00:00")
    partner = replace(HARBURG, land="NW").opening(monday)
    assert (partner.open, partner.why, partner.name) == (False, Why.DAY, "Allerheiligen")
    assert heard(partner) == "Tue 02.11.2027 07:00"
    assert HARBURG.opening(monday).open


def test_no_land_no_holidays() -> None:
    assert replace(HARBURG, land=None).opening(at("2025-12-25T10:00:00")).open


def test_christmas_eve_and_new_years_eve_are_no_holidays() -> None:
    assert HARBURG.opening(at("2025-12-24T10:00:00")).open
    assert HARBURG.opening(at("2025-12-31T10:00:00")).open


def test_the_first_call_after_easter() -> None:
    opening = HARBURG.opening(at("2026-04-02T18:00:00"))
    assert opening.why is Why.HOURS
    assert heard(opening) == "Tue 07.04.2026 07:00"
    assert HARBURG.opening(at("2026-04-06T10:00:00")).name == "Ostermontag"


def test_the_holiday_is_the_whole_local_day() -> None:
    for moment in ("00:00:00", "03:00:00", "10:00:00", "23:59:59.999999"):
        opening = HARBURG.opening(at(f"2025-10-31T{moment}"))
        assert (opening.why, opening.name) == (Why.DAY, "Reformationstag")
    assert HARBURG.opening(at("2025-10-31T00:00:00") - INSTANT).why is Why.HOURS
    after = HARBURG.opening(at("2025-11-01T00:00:00"))
    assert (after.why, after.name) == (Why.HOURS, "")


def test_the_staff_outing_closes_a_working_tuesday() -> None:
    town = replace(HARBURG, special_days=(SpecialDay(date(2026, 6, 16), "Betriebsausflug"),))
    opening = town.opening(at("2026-06-16T10:00:00"))
    assert (opening.open, opening.why, opening.name) == (False, Why.DAY, "Betriebsausflug")
    assert heard(opening) == "Wed 17.06.2026 07:00"
    assert town.opening(at("2026-06-15T10:00:00")).open


def test_christmas_eve_with_hours_of_its_own() -> None:
    town = replace(HARBURG, special_days=(SpecialDay(date(2025, 12, 24), "Heiligabend", ((time(8), time(12)),)),))
    assert town.opening(at("2025-12-24T07:59:59")).why is Why.DAY
    morning = town.opening(at("2025-12-24T08:00:00"))
    assert (morning.open, morning.why, morning.name) == (True, Why.OPEN, "Heiligabend")
    assert morning.closes_at == at("2025-12-24T12:00:00")
    noon = town.opening(at("2025-12-24T12:00:00"))
    assert (noon.open, noon.why, noon.name) == (False, Why.DAY, "Heiligabend")
    assert heard(noon) == "Mon 29.12.2025 07:00"


def test_a_special_day_opens_a_holiday_and_a_sunday() -> None:
    ten_to_four = ((time(10), time(16)),)
    town = replace(
        HARBURG,
        special_days=(
            SpecialDay(date(2025, 10, 31), "Stadtfest", ten_to_four),
            SpecialDay(date(2026, 9, 13), "Wahlsonntag", ten_to_four),
        ),
    )
    festival = town.opening(at("2025-10-31T10:00:00"))
    assert (festival.open, festival.name, festival.closes_at) == (True, "Stadtfest", at("2025-10-31T16:00:00"))
    assert town.opening(at("2026-09-13T15:59:59")).open
    assert town.opening(at("2026-09-13T16:00:00")).name == "Wahlsonntag"


def test_who_calls_before_the_long_christmas_closing_hears_the_first_day_of_january() -> None:
    closed = tuple(SpecialDay(date(2025, 12, 24) + DAY * n, "Zwischen den Jahren") for n in range(10))
    town = replace(HARBURG, special_days=closed)
    assert heard(town.opening(at("2025-12-23T18:00:00"))) == "Mon 05.01.2026 07:00"
    assert town.opening(at("2026-01-01T10:00:00")).name == "Zwischen den Jahren"  # it wins over Neujahr by name too


def test_oldenburg_takes_over_on_carnival_days_only() -> None:
    monday = SpecialDay(date(2026, 2, 16), "Rosenmontag", ((time(8), time(18)),))
    carnival = calendar(special=(monday,))
    assert list(faults(carnival)) == []
    assert carnival.opening(at("2026-02-16T08:00:00")).open
    assert heard(carnival.opening(at("2026-01-02T10:00:00"))) == "Mon 16.02.2026 08:00"
    assert carnival.opening(at("2026-02-16T18:00:00")).opens_at is None


# ---------------------------------------------------------------- the two nights


def test_the_spring_night_is_an_hour_shorter() -> None:
    night = calendar(NIGHT)
    opening = night.opening(at(f"{SPRING}T01:00:00"))
    assert opening.closes_at is not None
    assert opening.closes_at - at(f"{SPRING}T01:00:00") == timedelta(hours=2)
    assert clock(opening.closes_at) == "29.03. 04:00 +0200"
    assert night.opening(opening.closes_at - INSTANT).open
    assert not night.opening(opening.closes_at).open


def test_the_autumn_night_is_an_hour_longer() -> None:
    night = calendar(NIGHT)
    opening = night.opening(at(f"{AUTUMN}T01:00:00"))
    assert opening.closes_at is not None
    assert opening.closes_at - at(f"{AUTUMN}T01:00:00") == timedelta(hours=4)
    assert clock(opening.closes_at) == "25.10. 04:00 +0100"
    assert night.opening(at(f"{AUTUMN}T02:30:00", fold=0)).open
    assert night.opening(at(f"{AUTUMN}T02:30:00", fold=1)).open


def test_an_opening_time_that_does_not_exist_is_the_first_moment_after_the_gap() -> None:
    late = calendar("sun 02:30-05:00")
    gap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    before = late.opening(gap - INSTANT)
    assert not before.open
    assert clock(before.opens_at) == "29.03. 03:00 +0200"
    assert late.opening(gap).open


def test_a_closing_time_that_does_not_exist_is_the_end_of_the_gap_too() -> None:
    early = calendar("sun 01:00-02:30")
    gap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert early.opening(gap - INSTANT).closes_at == gap
    assert not early.opening(gap).open


def test_a_stretch_inside_the_gap_does_not_take_place_that_night() -> None:
    inside = calendar("sun 02:10-02:50")
    opening = inside.opening(at(f"{SPRING}T01:00:00"))
    assert clock(opening.opens_at) == "05.04. 02:10 +0200"  # Easter Sunday is no holiday in NI


def test_an_hour_that_comes_twice_opens_the_first_time_and_closes_the_second() -> None:
    twice = calendar("sun 02:15-02:45")
    first, last = at(f"{AUTUMN}T02:15:00", fold=0), at(f"{AUTUMN}T02:45:00", fold=1)
    assert last - first == timedelta(hours=1, minutes=30)
    assert not twice.opening(first - INSTANT).open
    assert twice.opening(first).closes_at == last
    # In between the clock shows 02:50 and 02:05: one stretch opens once and closes once.
    assert twice.opening(at(f"{AUTUMN}T02:50:00", fold=0)).open
    assert twice.opening(at(f"{AUTUMN}T02:05:00", fold=1)).open
    assert twice.opening(last - INSTANT).open
    assert not twice.opening(last).open


def test_a_closing_at_the_time_the_clocks_are_set_back_to_is_not_an_hour_late() -> None:
    first = at(f"{AUTUMN}T02:00:00", fold=0)
    early = calendar("sun 00:00-02:00")
    assert early.opening(first - INSTANT).closes_at == first
    assert not early.opening(first).open
    assert not early.opening(at(f"{AUTUMN}T02:00:00", fold=1)).open


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25)])
def test_the_whole_sunday_is_as_long_as_it_is(day: str, hours: int) -> None:
    once = calendar(special=(SpecialDay(date.fromisoformat(day), "Notdienst", ((time(0), time(0)),)),))
    begins = at(f"{day}T00:00:00")
    assert not once.opening(begins - INSTANT).open
    assert once.opening(begins).closes_at == begins + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("moment", "story", "utc_hour"),
    [
        ("2026-03-27T15:00:00", "Mon 30.03.2026 07:00", 5),
        ("2026-10-23T15:00:00", "Mon 26.10.2026 07:00", 6),
        ("2026-10-16T15:00:00", "Mon 19.10.2026 07:00", 5),
    ],
)
def test_the_next_opening_keeps_its_wall_time_over_a_change_of_clocks(moment: str, story: str, utc_hour: int) -> None:
    opening = HARBURG.opening(at(moment))
    assert heard(opening) == story
    assert opening.opens_at is not None
    assert opening.opens_at.hour == utc_hour


def test_where_midnight_itself_is_skipped_or_doubled_all_day_is_still_all_day() -> None:
    # Havana changes its clocks at midnight: 8 March 2026 begins at 01:00, 1 November 2026 begins twice.
    havana = ZoneInfo("America/Havana")
    always = calendar("daily 00:00-24:00", land=None, zone="America/Havana")
    for day in ("2026-03-08", "2026-11-01"):
        for hours in range(-3, 4):
            assert always.opening(at(f"{day}T01:00:00", havana) + timedelta(hours=hours)).closes_at is None
    sunday = calendar("sun 00:00-24:00", land=None, zone="America/Havana")
    assert clock(sunday.opening(at("2026-03-07T12:00:00", havana)).opens_at, havana) == "08.03. 01:00 -0400"
    assert clock(sunday.opening(at("2026-11-01T12:00:00", havana)).closes_at, havana) == "02.11. 00:00 -0500"
    saturday = calendar("sat 00:00-24:00", land=None, zone="America/Havana")
    assert clock(saturday.opening(at("2026-10-31T12:00:00", havana)).closes_at, havana) == "01.11. 00:00 -0400"


# ---------------------------------------------------------------- long stretches


def test_a_night_in_two_lines_is_one_stretch() -> None:
    dispatch = calendar("fri 18:00-24:00", "sat 00:00-02:00")
    opening = dispatch.opening(at("2026-10-09T18:00:00"))
    assert opening.closes_at == at("2026-10-10T02:00:00")
    assert dispatch.opening(at("2026-10-10T00:00:00")).closes_at == at("2026-10-10T02:00:00")


def test_overlapping_and_adjoining_lines_are_one_stretch() -> None:
    long = calendar("mon 08:00-12:00", "mon 10:00-11:00", "mon 12:00-16:00")
    assert long.opening(at("2026-10-05T08:00:00")).closes_at == at("2026-10-05T16:00:00")


def test_round_the_clock_never_closes() -> None:
    opening = calendar("daily 00:00-24:00", land=None).opening(at("2026-10-09T15:00:00"))
    assert opening == Opening(open=True, why=Why.OPEN, name="", closes_at=None, opens_at=None)


def test_round_the_clock_until_the_next_holiday() -> None:
    opening = calendar("daily 00:00-24:00").opening(at("2026-06-01T15:00:00"))
    assert opening.closes_at == at("2026-10-03T00:00:00")


def test_a_closing_is_looked_for_over_a_year_and_no_longer() -> None:
    now = at("2026-01-01T12:00:00")
    for ahead, seen in ((NEVER_CLOSES, True), (NEVER_CLOSES + 1, False)):
        closed = date(2026, 1, 1) + DAY * ahead
        always = calendar("daily 00:00-24:00", land=None, special=(SpecialDay(closed, "Umzug"),))
        closes_at = always.opening(now).closes_at
        assert closes_at == (at(f"{closed}T00:00:00") if seen else None)


def test_an_opening_is_looked_for_four_hundred_days_ahead_and_no_further() -> None:
    now = at("2026-01-01T12:00:00")
    for ahead, seen in ((LOOK_AHEAD, True), (LOOK_AHEAD + 1, False)):
        opens = date(2026, 1, 1) + DAY * ahead
        rare = calendar(land=None, special=(SpecialDay(opens, "Wahl", ((time(8), time(18)),)),))
        assert rare.opening(now).opens_at == (at(f"{opens}T08:00:00") if seen else None)


def test_what_never_opens_is_closed_for_good() -> None:
    opening = calendar(land=None).opening(at("2026-10-09T10:00:00"))
    assert opening == Opening(open=False, why=Why.HOURS, name="", closes_at=None, opens_at=None)


# ---------------------------------------------------------------- answers are kept


def test_a_calendar_asked_for_years_forgets_and_still_answers_the_same() -> None:
    town = replace(HARBURG)
    start = at("2024-01-01T09:00:00")
    first = [town.opening(start + DAY * n) for n in range(0, 1400, 2)]
    assert len(town._plan._answers) <= 500
    assert len(town._plan._days) <= 1000
    assert [town.opening(start + DAY * n) for n in range(0, 1400, 2)] == first


def test_calendars_of_one_name_keep_their_own_answers() -> None:
    noon = at("2025-10-31T12:00:00")
    assert not HARBURG.opening(noon).open
    assert replace(HARBURG, land="NW").opening(noon).open
    assert not HARBURG.opening(noon).open


def test_a_calendar_stays_a_plain_value_after_being_asked() -> None:
    asked, fresh = replace(HARBURG), replace(HARBURG)
    asked.opening(at("2026-10-09T14:59:59"))
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    thawed = pickle.loads(pickle.dumps(asked))  # noqa: S301  our own bytes
    assert thawed == fresh
    assert thawed.opening(at("2026-10-09T15:00:00")) == fresh.opening(at("2026-10-09T15:00:00"))


# ---------------------------------------------------------------- as an operator writes it

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)


@pytest.mark.parametrize(
    ("text", "days", "opens", "closes", "canonical"),
    [
        ("mon-thu 07:00-18:00", {MON, TUE, WED, THU}, time(7), time(18), "mon-thu 07:00-18:00"),
        ("fri 7:00-15:00", {FRI}, time(7), time(15), "fri 07:00-15:00"),
        ("mon,wed 08:00-12:00", {MON, WED}, time(8), time(12), "mon,wed 08:00-12:00"),
        ("sat-mon 10:30-11:45", {SAT, SUN, MON}, time(10, 30), time(11, 45), "sat-mon 10:30-11:45"),
        ("fri-tue,thu 00:00-00:01", {FRI, SAT, SUN, MON, TUE, THU}, time(0), time(0, 1), "thu-tue 00:00-00:01"),
        ("daily 00:00-24:00", set(range(7)), time(0), time(0), "daily 00:00-24:00"),
        ("mon-sun 23:59-24:00", set(range(7)), time(23, 59), time(0), "daily 23:59-24:00"),
        ("thu-wed 8:00-9:00", set(range(7)), time(8), time(9), "daily 08:00-09:00"),
        ("  Mon , Wed - Thu\t08:00 - 12:00 ", {MON, WED, THU}, time(8), time(12), "mon,wed-thu 08:00-12:00"),
        ("tue-tue 08:00-12:00", {TUE}, time(8), time(12), "tue 08:00-12:00"),
    ],
)
def test_hours_are_read_and_written(text: str, days: set[int], opens: time, closes: time, canonical: str) -> None:
    hours = parse_hours(text)
    assert hours == Hours(frozenset(days), opens, closes)
    assert written(hours) == canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mon-thu 07:00-18:00"),
        ("mon", "mon-thu 07:00-18:00"),
        ("07:00-18:00", "mon-thu 07:00-18:00"),
        ("mon-thu07:00-18:00", "mon-thu 07:00-18:00"),
        ("montag 07:00-18:00", "'montag' is not a day"),
        ("mon,,tue 07:00-18:00", "'' is not a day"),
        ("mon-wed-fri 07:00-18:00", "'mon-wed-fri' is not a day"),
        ("mon- 07:00-18:00", "'mon-' is not a day"),
        ("daily,mon 07:00-18:00", "'daily' is not a day"),
        ("mon 7-18", "'7-18' is not a stretch of time"),
        ("mon 07:00", "'07:00' is not a stretch of time"),
        ("mon 07:60-18:00", "is not a stretch of time"),
        ("mon 07:00:30-18:00", "is not a stretch of time"),
        ("mon 07:00-18:00 and more", "is not a stretch of time"),
        ("mon 07:00–18:00", "is not a stretch of time"),  # a dash from a word processor
        ("mon ٠٧:00-18:00", "write hours as"),
        ("mon 0٧:00-18:00", "is not a stretch of time"),
        ("mon 24:00-24:00", "last closing at 24:00"),
        ("mon 07:00-24:01", "last closing at 24:00"),
        ("mon 07:00-25:00", "last closing at 24:00"),
        ("mon 18:00-07:00", "close later than it opens"),
        ("mon 08:00-08:00", "close later than it opens"),
        ("mon 18:00-00:00", "the day is 24:00"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(RuleInvalid) as refused:
        parse_hours(text)
    assert refused.value.text == text
    assert expected in refused.value.expected


minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def any_hours(draw: st.DrawFn) -> Hours:
    opens = draw(minutes)
    closes = draw(st.integers(opens + 1, 24 * 60)) % (24 * 60)
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return Hours(days, time(*divmod(opens, 60)), time(*divmod(closes, 60)))


@settings(max_examples=200)
@given(any_hours())
def test_what_is_written_can_be_typed(hours: Hours) -> None:
    assert parse_hours(written(hours)) == hours
    assert written(parse_hours(written(hours))) == written(hours)


@settings(max_examples=200)
@given(st.text(alphabet="montuewdhfrisa,-: 0123456789\n", max_size=40) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        hours = parse_hours(text)
    except RuleInvalid:
        return
    assert not list(faults(Calendar(CalendarId("x"), "X", (hours,))))


# ---------------------------------------------------------------- impossible calendars

DAYTIME = ((time(8), time(12)),)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"hours": ()}, "no hours at all"),
        ({"hours": (Hours(frozenset({MON}), time(18), time(7)),)}, "'mon 18:00-07:00' must close later than it opens"),
        ({"hours": (Hours(frozenset({MON}), time(8), time(8)),)}, "'mon 08:00-08:00' must close later than it opens"),
        ({"hours": (Hours(frozenset(), time(8), time(9)),)}, "08:00-09:00 need days of the week"),
        ({"hours": (Hours(frozenset({7}), time(8), time(9)),)}, "08:00-09:00 need days of the week"),
        ({"hours": (Hours(frozenset({MON}), time(8, 0, 1), time(9)),)}, "whole minutes"),
        ({"hours": (Hours(frozenset({MON}), time(8, tzinfo=UTC), time(9)),)}, "of local time"),
        (
            {"hours": (parse_hours("mon-thu 07:00-18:00"), parse_hours("wed-fri 17:59-19:00"))},
            "'mon-thu 07:00-18:00' and 'wed-fri 17:59-19:00' overlap on wed-thu",
        ),
        (
            {"hours": (parse_hours("daily 00:00-24:00"), parse_hours("sun 23:00-24:00"))},
            "'daily 00:00-24:00' and 'sun 23:00-24:00' overlap on sun",
        ),
        ({"land": "XX"}, "Land 'XX' is unknown"),
        ({"land": "Niedersachsen"}, "write one of BB, BE, BW, BY, HB, HE, HH, MV, NI, NW, RP, SH, SL, SN, ST, TH"),
        ({"land": "Augsburg"}, "Land 'Augsburg' is unknown"),
        ({"land": ""}, "Land '' is unknown"),
        ({"zone": "Europe/Nowhere"}, "'Europe/Nowhere' is unknown"),
        ({"zone": "Europe"}, "'Europe' is unknown"),
        ({"zone": "../Europe/Berlin"}, "is unknown"),
        ({"zone": ""}, "'' is unknown"),
        (
            {
                "special_days": (
                    SpecialDay(date(2026, 6, 16), "Ausflug"),
                    SpecialDay(date(2026, 6, 16), "Fest", DAYTIME),
                )
            },
            "special day 2026-06-16 appears 2 times",
        ),
        (
            {"special_days": (SpecialDay(date(2025, 12, 24), "Heiligabend", ((time(12), time(8)),)),)},
            "special day 2025-12-24 (Heiligabend): 12:00-08:00 must close later than it opens",
        ),
        (
            {"special_days": (SpecialDay(date(2025, 12, 24), "Heiligabend", (*DAYTIME, (time(11), time(14)))),)},
            "special day 2025-12-24 (Heiligabend): 08:00-12:00 and 11:00-14:00 overlap",
        ),
    ],
)
def test_an_impossible_calendar_is_described_once(changed: dict[str, object], fault: str) -> None:
    impossible = replace(HARBURG, **changed)  # type: ignore[arg-type]
    found = list(faults(impossible))
    assert len(found) == 1
    assert found[0].startswith("calendar test")
    assert fault in found[0]


def test_all_faults_are_told_at_once() -> None:
    wrong = Hours(frozenset({MON}), time(18), time(7))
    impossible = Calendar(CalendarId("x"), "X", (wrong, wrong), "XX", (SpecialDay(date(2026, 1, 2), "Y"),) * 2, "Z")
    assert len(list(faults(impossible))) == 5


@pytest.mark.parametrize("land", ["NI", "NW", "HB", "HH", "BY", None])
def test_sound_calendars_have_no_faults(land: str | None) -> None:
    assert list(faults(replace(HARBURG, land=land))) == []
    assert list(faults(calendar("mon 08:00-12:00", "mon 12:00-24:00", "tue 00:00-08:00", land=land))) == []


def test_an_impossible_stretch_never_opens() -> None:
    # 02:45 to 02:15 in the night in which 02:15 comes once more after 02:45.
    backwards = Calendar(CalendarId("x"), "X", (Hours(frozenset({SUN}), time(2, 45), time(2, 15)),))
    assert not backwards.opening(at(f"{AUTUMN}T02:05:00", fold=1)).open


# ---------------------------------------------------------------- against a clock watched minute by minute


@dataclass(frozen=True)
class Window:
    """Some days of some place, with the holidays in them as a wall calendar of the town hall prints them."""

    zone: str
    first: date
    days: int
    holidays: dict[str | None, dict[date, str]]


GERMANY: dict[str | None, dict[date, str]] = {None: {}, "NI": {}, "NW": {}}
WINDOWS = (
    Window("Europe/Berlin", date(2026, 3, 28), 3, GERMANY),
    Window("Europe/Berlin", date(2026, 10, 24), 3, GERMANY),
    Window(
        "Europe/Berlin",
        date(2025, 10, 30),
        4,
        {
            None: {},
            "NI": {date(2025, 10, 31): "Reformationstag"},
            "NW": {date(2025, 11, 1): "Allerheiligen"},
        },
    ),
    Window(
        "Europe/Berlin",
        date(2025, 12, 31),
        3,
        {None: {}, "NI": {date(2026, 1, 1): "Neujahr"}, "NW": {date(2026, 1, 1): "Neujahr"}},
    ),
    # Clocks that change at midnight, and by half an hour.
    Window("America/Havana", date(2026, 3, 7), 3, {None: {}}),
    Window("America/Havana", date(2026, 10, 31), 3, {None: {}}),
    Window("Australia/Lord_Howe", date(2026, 10, 3), 3, {None: {}}),
    Window("Australia/Lord_Howe", date(2026, 4, 4), 3, {None: {}}),
)


@lru_cache
def watched(zone: str, first: date, days: int) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Every minute of the window, and what the clock on the wall shows then."""
    place = ZoneInfo(zone)
    begin, end = (datetime.combine(first + DAY * n, time(12), UTC) - DAY for n in (0, days + 2))
    every = (begin + timedelta(minutes=n) for n in range(int((end - begin) / timedelta(minutes=1))))
    shown = [(moment, moment.astimezone(place).replace(tzinfo=None)) for moment in every]
    inside = [(m, wall) for m, wall in shown if first <= wall.date() < first + DAY * days]
    return tuple(m for m, _ in inside), tuple(wall for _, wall in inside)


handy = st.sampled_from([0, 60, 90, 120, 135, 150, 165, 180, 181, 240, 8 * 60, 12 * 60, 18 * 60, 24 * 60])


@st.composite
def stretches(draw: st.DrawFn) -> tuple[time, time]:
    one, other = draw(st.tuples(handy, handy | minutes).filter(lambda pair: pair[0] != pair[1]))
    opens, closes = sorted((one, other))
    return time(*divmod(opens, 60)), time(*divmod(closes % (24 * 60), 60))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Window, Calendar]:
    window = draw(st.sampled_from(WINDOWS))
    dates = [window.first + DAY * n for n in range(window.days)]
    weekdays = st.frozensets(st.sampled_from(sorted({day.weekday() for day in dates})), min_size=1)
    hours = draw(st.lists(st.builds(lambda d, s: Hours(d, *s), weekdays, stretches()), min_size=1, max_size=3))
    special = st.builds(
        SpecialDay, st.sampled_from(dates), st.just("Fest"), st.lists(stretches(), max_size=2).map(tuple)
    )
    specials = draw(st.lists(special, max_size=2, unique_by=lambda s: s.day))
    land = draw(st.sampled_from(list(window.holidays)))
    return window, Calendar(CalendarId("any"), "Any", tuple(hours), land, tuple(specials), window.zone)


def by_watching(
    window: Window, any_calendar: Calendar, walls: tuple[datetime, ...]
) -> tuple[list[bool], dict[date, str]]:
    """Is it open in each minute; and the days that differ. No time zone is known here, only what the clock shows."""
    is_open = [False] * len(walls)
    differing = dict(window.holidays[any_calendar.land])
    differing.update({special.day: special.name for special in any_calendar.special_days})
    special_hours = {special.day: special.hours for special in any_calendar.special_days}
    for day in (window.first + DAY * n for n in range(window.days)):
        weekly = tuple((h.opens, h.closes) for h in any_calendar.hours if day.weekday() in h.days)
        for opens, closes in special_hours.get(day, () if day in differing else weekly):
            opening = datetime.combine(day, opens)
            closing = datetime.combine(day, closes) + (DAY if closes == time(0) else timedelta())
            reached = next((n for n, wall in enumerate(walls) if wall >= opening), len(walls))
            passed = next((n for n in range(len(walls) - 1, -1, -1) if walls[n] < closing), -1) + 1
            is_open[reached:passed] = [True] * (passed - reached)
    return is_open, differing


@settings(max_examples=settings().max_examples * 2 // 5)
@given(cases(), st.data())
def test_any_calendar_agrees_with_a_clock_watched_minute_by_minute(
    case: tuple[Window, Calendar], data: st.DataObject
) -> None:
    window, any_calendar = case
    moments, walls = watched(window.zone, window.first, window.days)
    is_open, differing = by_watching(window, any_calendar, walls)
    changes = [n for n in range(1, len(moments)) if is_open[n] != is_open[n - 1]]
    anywhere = data.draw(st.lists(st.integers(0, len(moments) - 1), min_size=3, max_size=6))
    within = data.draw(st.timedeltas(timedelta(), timedelta(minutes=1) - INSTANT))
    asked = [(n, moments[n] + within) for n in anywhere]
    asked += [(n, moments[n]) for n in changes] + [(n - 1, moments[n] - INSTANT) for n in changes]
    for n, now in data.draw(st.permutations(asked)):
        opening = any_calendar.opening(now)
        day = walls[n].date()
        assert opening.open is is_open[n], now
        assert opening.name == differing.get(day, "")
        assert opening.why is (Why.OPEN if is_open[n] else Why.DAY if day in differing else Why.HOURS)
        told, other = (opening.closes_at, opening.opens_at) if is_open[n] else (opening.opens_at, opening.closes_at)
        assert other is None
        change = next((c for c in changes if c > n), None)
        if change is not None:
            assert told == moments[change]
        else:  # not before the window ends; what comes then, nobody watched
            assert told is None or told > moments[-1]
