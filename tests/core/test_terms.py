"""What may be kept, for how long, and what of a number is told at all."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.model import EntryKind, Trunk
from dialog_acd.core.numbers import area_of, normalise
from dialog_acd.core.releases import month_at
from dialog_acd.core.retention import (
    NONE,
    SLOTS,
    Terms,
    as_dialled,
    due,
    fault_of,
    last_night,
    parted,
    rejoined,
    slot_of,
)
from records import served

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "night"),
    [
        ("2026-11-22T12:00+01:00", "2026-11-22T02:30+01:00"),
        ("2026-11-22T02:30+01:00", "2026-11-22T02:30+01:00"),
        ("2026-11-22T02:29:59+01:00", "2026-11-21T02:30+01:00"),
        # Half past two does not exist in the one night, and comes twice in the other.
        ("2026-03-29T12:00+02:00", "2026-03-29T03:30+02:00"),
        ("2026-10-25T12:00+01:00", "2026-10-25T02:30+02:00"),
    ],
)
def test_the_work_is_due_at_half_past_two_of_every_night(now: str, night: str) -> None:
    assert last_night(at(now)) == at(night)


@given(moments)
def test_there_is_one_night_in_every_day(now: datetime) -> None:
    night = last_night(now)
    assert timedelta() <= now - night < timedelta(hours=25)
    assert last_night(night) == night
    assert last_night(night - timedelta(microseconds=1)) < night


@given(moments, st.integers(1, 7))
def test_no_number_is_older_than_its_term_and_a_night(now: datetime, days: int) -> None:
    gone = due(Terms(numbers=days), now).numbers_to
    oldest = datetime.combine(gone + timedelta(days=1), datetime.min.time(), UTC)
    assert timedelta(days=days - 1) <= now - oldest < timedelta(days=days)
    # What is kept, and tomorrow, never meet in one table.
    kept = [gone + timedelta(days=n) for n in range(1, days + 2)]
    assert len({slot_of(day) for day in kept}) == len(kept) <= SLOTS


def test_the_months_of_the_keys_are_those_of_the_calendar_on_the_wall() -> None:
    assert month_at(at("2026-10-31T22:59:59+00:00")) == "2026-10"
    assert month_at(at("2026-10-31T23:00:00+00:00")) == "2026-11"


@pytest.mark.parametrize(
    ("name", "days", "why"),
    [
        ("numbers", 1, "at least 2 days"),
        ("numbers", 8, "at most 7 days, it can only be shortened: a caller's number is kept to call back"),
        ("hashes", 36, "at most 35 days"),
        ("agents", 36, "at most 35 days"),
        ("audit", 366, "at most 365 days"),
        ("audit", 29, "at least 30 days"),
        ("releases", 366, "at most 365 days"),
        ("hashes", 0, "at least 1 day"),
    ],
)
def test_terms_are_shortened_and_never_lengthened(name: str, days: int, why: str) -> None:
    assert str(fault_of(name, days)).startswith(why)


def test_the_longest_terms_are_those_without_a_setting() -> None:
    fields = [field.name for field in dataclasses.fields(Terms)]
    assert [fault_of(name, getattr(Terms(), name)) for name in fields] == [None] * len(fields)


@pytest.mark.parametrize(
    ("dialled", "told"),
    [
        ("+4917112345678", "+4917112345…"),
        ("017112345678", "017112345…"),
        ("115", "115"),
        ("112", "112"),
        ("EPOCH", "EPOCH"),
        ("", ""),
        ("frau.meier", "…"),
        ("0171/123 456", "…"),
        ("+4917112345…", "+4917112345…"),
    ],
)
def test_what_a_stranger_dialled_is_told_without_its_end(dialled: str, told: str) -> None:
    assert as_dialled(dialled) == told


def test_what_a_caller_of_ours_dialled_is_ours() -> None:
    record = served("c1", dialled="+495117307910115", ani=None)
    assert parted(record) == (record, NONE)
    strange = replace(record, kind=EntryKind.CATCH_ALL)
    alone, numbers = parted(strange)
    assert (alone.dialled, rejoined(alone, numbers)) == ("+495117307910…", strange)


@pytest.mark.parametrize(
    ("target", "stays"), [("4711", True), ("office01", True), ("phone-12", True), ("0511 730712", False), ("", True)]
)
def test_an_extension_is_no_number_of_a_person_outside(target: str, *, stays: bool) -> None:
    alone, _ = parted(served("c1", transferred_to=target))
    assert alone.transferred_to == (target if stays else None)


@pytest.mark.parametrize(
    ("shown", "area"),
    [
        ("0511 168-0", "511"),
        ("+4930230125001", "30"),
        ("+494941123456", "4941"),
        ("+493305112345", "3305"),
        ("+4917112345678", None),
        ("+491511234567", None),
        ("+4932221234567", None),
        ("+4970012345678", None),
        ("+498001234567", None),
        ("+4990612345", "906"),
        ("+43171234567", None),
        ("anonymous", None),
        ("115", None),
    ],
)
def test_the_area_is_of_lines_that_are_somewhere(shown: str, area: str | None) -> None:
    assert area_of(normalise(shown, Trunk("trunk"))) == area


def test_a_day_is_one_in_utc() -> None:
    assert due(Terms(), at("2026-11-22T00:30+01:00")).numbers_to == date(2026, 11, 14)
