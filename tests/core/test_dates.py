"""Numbers change hands at midnight: towns go live on a date, leave on one, and have it moved the evening before.

Dates are days by the clock on the wall in Berlin; a sheet's moments are UTC, as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialog_acd.core import messages as m
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import CallId, Entry, EntryKind, FailsafeProfile, QueueId, Tenant, TenantId
from dialog_acd.core.remarks import remarks
from dialog_acd.testing import LANGENHAGEN, MONDAY, Scenario, demo_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.core.directory import Directory

BERLIN = ZoneInfo("Europe/Berlin")
ISERNHAGEN, WEDEMARK = "0511 6153-0", "05130 581-0"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def town(number: str, name: str, since: date | None = None, to: date | None = None, *, block: bool = True) -> Entry:
    return Entry(
        number,
        TenantId(name),
        QueueId("region"),
        EntryKind.MAIN_NUMBER,
        "pilot",
        block,
        active_from=since,
        active_to=to,
    )


def centre(*entries: Entry) -> Directory:
    """Of the demo the Region, which takes what nobody else does; and these entries, in which towns come and go."""
    demo = demo_directory()
    kept = tuple(e for e in demo.entries if e.tenant == "region" or e.kind is EntryKind.CATCH_ALL)
    towns = dict.fromkeys(e.tenant for e in entries if e.tenant not in demo.tenant)
    return replace(
        demo,
        tenants=(*demo.tenants, *(Tenant(name, name.capitalize(), name) for name in towns)),
        entries=(*kept, *entries),
        failsafe_profiles=(*demo.failsafe_profiles, FailsafeProfile("pilot", "all")),
    )


def pilot(isernhagen: date = APRIL, wedemark: date = APRIL) -> Directory:
    return centre(
        town("+495116153", "isernhagen", isernhagen),
        town("+495130581", "wedemark", wedemark),
    )


def calls(acd: Scenario, call: str, dialled: str) -> str:
    """Call, and say which town is answered for."""
    return str(acd.arrives(call, dialled).expect(m.Treat, call=call).tenant)


def kept_in_the_switch(acd: Scenario) -> set[str]:
    """The numbers it was told of at this very moment."""
    orders = [out for moment, _, outs in acd.story if moment == acd.clock.now() for out in outs]
    (table,) = [out for out in orders if isinstance(out, m.KeepFailsafe)]
    return {number for number, _, _ in table.numbers}


# ---------------------------------------------------------------- the night of the switch


def test_a_town_goes_live_at_midnight_by_itself() -> None:
    acd = Scenario(pilot()).until(berlin("2026-03-31T23:59:59.999"))
    assert calls(acd, "c1", ISERNHAGEN) == "hannover", "the catch-all's"
    acd.until(berlin("2026-04-01T00:00:00"))
    assert calls(acd, "c2", ISERNHAGEN) == "isernhagen"
    assert not [signal for _, signal, _ in acd.story if isinstance(signal, m.DirectoryChanged)]


def test_a_town_is_served_to_the_end_of_its_last_day() -> None:
    acd = Scenario(centre(town("+495116153", "isernhagen", to=date(2026, 12, 31))))
    acd.until(berlin("2026-12-31T23:59:59.999"))
    assert calls(acd, "c1", ISERNHAGEN) == "isernhagen"
    acd.until(berlin("2027-01-01T00:00:00"))
    assert calls(acd, "c2", ISERNHAGEN) == "hannover"


@pytest.mark.parametrize(
    ("first", "midnight"),
    [
        ("2026-03-29", "2026-03-28T23:00"),  # that night the clocks are set forward, after the switch
        ("2026-03-30", "2026-03-29T22:00"),
        ("2026-10-25", "2026-10-24T22:00"),  # ... and back
        ("2026-10-26", "2026-10-25T23:00"),
        ("2027-01-01", "2026-12-31T23:00"),
        ("2028-02-29", "2028-02-28T23:00"),
    ],
)
def test_midnight_is_berlins(first: str, midnight: str) -> None:
    at = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    day = date.fromisoformat(first)
    directory = centre(town("+495116153", "a", to=day - DAY), town("+495116153", "b", day))
    assert directory.entry_for(ISERNHAGEN, at=at - timedelta(microseconds=1)).entry.tenant == "a"
    assert directory.entry_for(ISERNHAGEN, at=at).entry.tenant == "b"
    assert directory.next_switch(at - SECOND) == at
    assert directory.next_switch(at) is None


def test_on_the_first_of_a_month_with_one_town_postponed_ten_minutes_before() -> None:
    acd = Scenario(pilot()).until(berlin("2026-03-31T23:50:00")).tell(m.DirectoryChanged(pilot(wedemark=MAY)))
    acd.until(berlin("2026-04-01T00:00:00"))
    assert "+495116153" in kept_in_the_switch(acd)
    assert calls(acd, "c1", ISERNHAGEN) == "isernhagen"
    assert calls(acd, "c2", WEDEMARK) == "hannover"
    acd.until(berlin("2026-05-01T00:00:00"))
    assert kept_in_the_switch(acd) >= {"+495116153", "+495130581"}
    assert calls(acd, "c3", WEDEMARK) == "wedemark"


def test_a_date_may_be_moved_to_this_midnight_as_well() -> None:
    acd = Scenario(pilot(isernhagen=MAY)).until(berlin("2026-03-31T23:50:00")).tell(m.DirectoryChanged(pilot()))
    acd.until(berlin("2026-04-01T00:00:00"))
    assert calls(acd, "c1", ISERNHAGEN) == "isernhagen"


def test_two_towns_one_after_the_other_have_the_same_number() -> None:
    """A municipal merger: the number stays, and is answered in another name."""
    directory = centre(
        town("+495116153", "gemeinde", to=APRIL - DAY),
        town("+495116153", "stadt", APRIL, MAY - DAY),
        town("+495116153", "region", date(2026, 6, 1)),
    )
    moments = ["2026-03-31T23:59", "2026-04-01T00:00", "2026-04-30T23:59", "2026-05-01T00:00", "2026-06-01T00:00"]
    found = [directory.entry_for(ISERNHAGEN, at=berlin(moment)) for moment in moments]
    assert [f.entry.tenant for f in found] == ["gemeinde", "stadt", "stadt", "hannover", "region"]
    assert [f.known for f in found] == [True, True, True, False, True]


# ---------------------------------------------------------------- before and after


def test_a_shorter_block_takes_the_calls_of_one_that_is_not_yet_there() -> None:
    directory = centre(town("+49511", "region"), town("+495116153", "isernhagen", APRIL, MAY - DAY))
    before = directory.entry_for(ISERNHAGEN, at=berlin("2026-03-31T12:00"))
    assert (before.why, before.known, before.awaited) == ("block +49511", True, True)
    assert before.dormant == directory.entries[-1]
    active = directory.entry_for(ISERNHAGEN, at=berlin("2026-04-30T12:00"))
    assert (active.why, active.dormant) == ("block +495116153", None)
    after = directory.entry_for(ISERNHAGEN, at=berlin("2026-05-01T12:00"))
    assert (after.why, after.awaited, after.dormant) == ("block +49511", False, directory.entries[-1])


def test_a_single_number_of_a_block_may_have_dates_of_its_own() -> None:
    directory = centre(town("+495116153", "isernhagen"), town("+49511615399", "wedemark", APRIL, block=False))
    assert directory.entry_for("0511 6153-99", at=berlin("2026-03-31T12:00")).entry.tenant == "isernhagen"
    assert directory.entry_for("0511 6153-99", at=berlin("2026-04-01T12:00")).entry.tenant == "wedemark"


def test_a_number_that_is_not_yet_active_alarms_nobody() -> None:
    acd = Scenario(pilot()).until(berlin("2026-03-31T12:00")).arrives("c1", ISERNHAGEN)
    acd.expect_no(m.NumberUnknown)


def test_a_number_that_is_over_and_still_dialled_does() -> None:
    """The carrier goes on sending us a town that has left: somebody has to tell them."""
    acd = Scenario(centre(town("+495116153", "isernhagen", to=MARCH))).arrives("c1", ISERNHAGEN)
    acd.expect(m.NumberUnknown, call="c1")


@pytest.mark.parametrize(("day", "why"), [("2026-03-31", " yet"), ("2026-04-01", None), ("2026-05-01", " any more")])
def test_what_was_found_says_whether_it_is_to_come_or_over(day: str, why: str | None) -> None:
    directory = centre(town("+495116153", "isernhagen", APRIL, MAY - DAY))
    found = directory.entry_for(ISERNHAGEN, at=berlin(f"{day}T12:00"))
    assert found.why == ("block +495116153" if why is None else f"nobody owns this number{why}")
    assert found.awaited is (why == " yet")


def test_the_next_to_come_is_named_before_the_last_that_was() -> None:
    directory = centre(
        town("+4951161", "region", to=MARCH),
        town("+495116153", "a", to=MARCH),
        town("+495116153", "b", MAY),
        town("+495116153", "c", date(2026, 4, 15), date(2026, 4, 20)),
    )
    found = directory.entry_for(ISERNHAGEN, at=berlin("2026-04-01T12:00"))
    assert (found.dormant, found.awaited) == (directory.entries[-1], True)
    assert directory.entry_for("0511 61-1", at=berlin("2026-04-01T12:00")).dormant == directory.entries[2]


def test_of_what_is_over_the_last_of_the_longest_number_is_named_unless_a_block_is_to_come() -> None:
    over = (town("+495116153", "a", to=MARCH), town("+495116153", "b", MARCH + DAY, APRIL - DAY))
    found = centre(*over).entry_for(ISERNHAGEN, at=berlin("2026-04-01T12:00"))
    assert (found.dormant, found.awaited) == (over[1], False)
    region = town("+4951161", "region", MAY)
    found = centre(*over, region).entry_for(ISERNHAGEN, at=berlin("2026-04-01T12:00"))
    assert (found.dormant, found.awaited) == (region, True)


def test_115_and_extensions_have_dates_too() -> None:
    service = Entry("115", TenantId("region"), QueueId("115"), EntryKind.SERVICE_115, "pilot", active_from=APRIL)
    inside = Entry("4711", TenantId("region"), QueueId("region"), EntryKind.INTERNAL, "pilot", active_from=APRIL)
    directory = centre(service, inside)
    for dialled, entry in (("115", service), ("4711", inside)):
        before = directory.entry_for(dialled, at=berlin("2026-03-31T23:59"))
        assert (before.known, before.awaited, before.dormant) == (False, True, entry)
        assert directory.entry_for(dialled, at=berlin("2026-04-01T00:00")).entry == entry
    acd = Scenario(directory).until(berlin("2026-04-01T00:00"))
    assert kept_in_the_switch(acd) >= {"115", "+49115", "+49511115", "4711"}


# ---------------------------------------------------------------- who is there at midnight


def test_who_is_in_a_call_at_midnight_stays_the_town_they_called() -> None:
    old, new = town("+495116153", "gemeinde", to=APRIL - DAY), town("+495116153", "stadt", APRIL)
    acd = Scenario(centre(old, new)).until(berlin("2026-03-31T23:59:50")).waits("c1", ISERNHAGEN)
    offer = acd.expect(m.Offer, call="c1").agent
    acd.after(8).talks(offer).until(berlin("2026-04-01T00:05"))
    acd.tell(m.DirectoryChanged(centre(replace(old, greeting="acd/other"), new)))
    acd.agent_hangs_up(offer)
    assert acd.record("c1").tenant == "gemeinde"


@pytest.mark.parametrize("what", ["as it was", "the old one dropped", "the old one moved"])
def test_a_new_directory_after_midnight_hands_no_call_to_the_next_town(what: str) -> None:
    old, new = town("+495116153", "gemeinde", MARCH, APRIL - DAY), town("+495116153", "stadt", APRIL)
    acd = Scenario(centre(old, new)).until(berlin("2026-03-31T23:59:50")).arrives("c1", ISERNHAGEN)
    acd.until(berlin("2026-04-01T00:00:10"))
    changed = {
        "as it was": centre(new, old),
        "the old one dropped": centre(new),
        "the old one moved": centre(new, replace(old, active_from=MARCH + DAY)),
    }
    acd.tell(m.DirectoryChanged(changed[what])).held("c1").caller_hangs_up("c1")
    assert acd.record("c1").tenant == "gemeinde"


def test_an_entry_whose_date_is_cleared_once_it_is_past_hands_it_no_call_of_the_town_before() -> None:
    old, new = town("+495116153", "gemeinde", to=APRIL - DAY), town("+495116153", "stadt")
    acd = Scenario(centre(old, replace(new, active_from=APRIL)))
    acd.until(berlin("2026-03-31T23:59:50")).arrives("c1", ISERNHAGEN).until(berlin("2026-04-01T00:00:10"))
    acd.tell(m.DirectoryChanged(centre(new))).held("c1").caller_hangs_up("c1")
    assert acd.record("c1").tenant == "gemeinde"


def test_a_restart_after_midnight_finds_the_callers_of_before_where_they_were() -> None:
    directory = centre(town("+495116153", "gemeinde", to=MARCH), town("+495116153", "stadt", MARCH + DAY))
    came = berlin("2026-03-01T23:59:59")
    known = m.RememberCall(CallId("c1"), ISERNHAGEN, None, "", "trunk", "x", came)
    acd = Scenario(directory, calls=(known,)).held("c1").caller_hangs_up("c1")
    assert acd.record("c1").tenant == "gemeinde"


def test_a_call_nobody_knew_is_taken_over_for_the_town_that_has_the_queue_when_it_came() -> None:
    directory = centre(town("+495116153", "gemeinde", to=MARCH), town("+495116153", "stadt", MARCH + DAY))
    directory = replace(
        directory,
        entries=tuple(
            replace(e, queue=QueueId("langenhagen")) if e.number == "+495116153" else e for e in directory.entries
        ),
    )
    for call, came, tenant in (("c1", "2026-03-01T23:59:59", "gemeinde"), ("c2", "2026-03-02T00:00:00", "stadt")):
        acd = Scenario(directory)
        acd.tell(m.CallerHeld(CallId(call), QueueId("langenhagen"), berlin(came))).caller_hangs_up(call)
        assert acd.record(call).tenant == tenant


def test_who_is_transferred_into_a_queue_after_midnight_is_led_to_the_town_that_has_it_then() -> None:
    old, new = (
        replace(entry, queue=QueueId("langenhagen"))
        for entry in (town("+495116153", "gemeinde", to=APRIL - DAY), town("+495116153", "stadt", APRIL))
    )
    acd = Scenario(centre(old, new)).until(berlin("2026-03-31T23:59:50")).waits("c1", "0511 616-0")
    acd.talks(acd.expect(m.Offer, call="c1").agent).until(berlin("2026-04-01T00:05"))
    acd.transferred("c1", "06153", blind=False).tell(m.CallerHeld(CallId("c1"), QueueId("langenhagen")))
    assert acd.acd._floor.calls[CallId("c1")].entry.tenant == "stadt"
    acd.caller_hangs_up("c1")
    assert acd.record("c1").tenant == "region"


# ---------------------------------------------------------------- what the switch does without us


def test_the_switch_is_told_at_the_stroke_of_midnight_and_not_again() -> None:
    acd = Scenario(pilot())
    midnight = berlin("2026-04-01T00:00:00")
    assert acd.acd.next_deadline() == midnight, "somebody must come back for it, though nobody calls"
    assert acd.acd.next_deadline(midnight - SECOND) is None
    acd.until(midnight)
    assert kept_in_the_switch(acd) == {"+49511616", "+495116153", "+495130581"}
    assert acd.acd.next_deadline() is None
    acd.after(1).tell(m.Beat()).expect_no(m.KeepFailsafe)


def test_what_is_over_is_taken_out_of_the_switch() -> None:
    acd = Scenario(centre(town("+495116153", "isernhagen", to=MARCH + DAY))).until(berlin("2026-03-03T00:00"))
    assert kept_in_the_switch(acd) == {"+49511616"}


def test_a_machine_that_slept_over_midnight_tells_it_when_it_wakes() -> None:
    acd = Scenario(pilot())
    acd.clock.set(berlin("2026-04-01T07:00"))
    acd.tell(m.Beat())
    assert "+495116153" in kept_in_the_switch(acd)


def test_a_switch_that_is_away_at_midnight_is_told_when_it_is_found() -> None:
    acd = Scenario(pilot()).switch_lost().until(berlin("2026-04-01T00:00"))
    acd.expect_no(m.KeepFailsafe)
    acd.after(60).switch_found()
    assert "+495116153" in kept_in_the_switch(acd)


def test_a_postponed_date_is_no_deadline_any_more() -> None:
    acd = Scenario(pilot()).tell(m.DirectoryChanged(pilot(MAY, MAY)))
    assert acd.acd.next_deadline() == berlin("2026-05-01T00:00")
    acd.tell(m.DirectoryChanged(centre()))
    assert acd.acd.next_deadline() is None


def test_the_deadline_of_a_call_may_come_first() -> None:
    acd = Scenario(pilot()).arrives("c1", LANGENHAGEN)
    due = acd.acd.next_deadline()
    assert due is not None
    assert due < MONDAY + timedelta(hours=1)
    assert acd.acd.next_deadline(due) == due


# ---------------------------------------------------------------- said beforehand


FAULTS = {
    "number '+495116153' has two entries at once: one to 2026-04-01, the other from 2026-04-01": (
        town("+495116153", "a", APRIL),
        town("+495116153", "b", to=APRIL),
    ),
    "number '+495116153' has two entries at once: one without dates, the other from 2026-04-01 to 2026-05-01": (
        town("+495116153", "a", APRIL, MAY),
        town("+495116153", "b", block=False),
    ),
    "number '+495116153' has two entries at once: one from 2026-03-01 to 2026-05-01, the other from 2026-04-01": (
        town("+495116153", "a", MARCH, MAY),
        town("+495116153", "b", MARCH - DAY, MARCH - DAY),
        town("+495116153", "c", APRIL),
    ),
    "entry +495116153 (from 2026-04-01 to 2026-03-31): active_to is the last day, and lies before active_from": (
        town("+495116153", "a", APRIL, APRIL - DAY),
    ),
    "entry +495116153 (to 0001-01-01): active_to 0001-01-01 lies outside the years 2000 to 2099": (
        town("+495116153", "a", to=date.min),
    ),
    "entry +495116153 (from 9999-12-31): active_from 9999-12-31 lies outside the years 2000 to 2099": (
        town("+495116153", "a", date.max),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_dates_that_contradict_each_other_are_told_once(fault: str) -> None:
    with pytest.raises(DirectoryInvalid) as told:
        centre(*FAULTS[fault])
    (said,) = told.value.faults
    assert said.startswith(fault)


def test_the_catch_all_has_no_dates() -> None:
    entries = tuple(replace(e, active_from=APRIL) if e.kind is EntryKind.CATCH_ALL else e for e in centre().entries)
    with pytest.raises(DirectoryInvalid, match=r"entry catch-all \(from 2026-04-01\): the catch-all has no dates"):
        replace(centre(), entries=entries)


def told(at: str, *entries: Entry) -> list[str]:
    return [remark for remark in remarks(centre(*entries), berlin(at)) if "over" in remark or " end" in remark]


def test_what_is_over_for_good_is_remarked_on_from_its_midnight_on() -> None:
    entries = (town("+495116153", "a", to=APRIL - DAY), town("+495116153", "a", APRIL))
    assert told("2026-03-31T23:59:59", *entries) == []
    assert told("2026-04-01T00:00", *entries) == ["entry +495116153 (to 2026-03-31) is over for good, take it out"]


def test_a_town_whose_numbers_all_end_is_remarked_on_before_and_after() -> None:
    entries = (town("+495116153", "a", to=APRIL), town("+495130581", "a", MARCH, MAY))
    assert told("2026-03-02T12:00", *entries) == ["tenant a: all its numbers end, 2026-05-01 is the last day"]
    assert told("2026-05-02T00:00", *entries) == ["tenant a: all its numbers are over, 2026-05-01 was the last day"]
    assert told("2026-03-02T12:00", *entries, town("+495139", "a")) == []
    assert told("2026-03-02T12:00", town("+495116153", "a", MAY)) == [], "not yet is no mistake"


# ---------------------------------------------------------------- any dates at all

DAYS = st.one_of(st.none(), st.integers(0, 12).map(lambda n: date(2026, 3, 24) + n * DAY))
"""Around the night in which the clocks are set forward."""
NUMBERS = ("+4951161", "+495116153", "+49511615399")
ENTRIES = st.lists(
    st.builds(town, st.sampled_from(NUMBERS), st.sampled_from(["a", "b"]), DAYS, DAYS, block=st.booleans()), max_size=6
)


def days_of(entry: Entry) -> set[date]:
    """Day by day, as somebody with a calendar on the wall would."""
    every = [date(2026, 3, 1) + n * DAY for n in range(60)]
    return {
        day
        for day in every
        if (entry.active_from is None or day >= entry.active_from)
        and (entry.active_to is None or day <= entry.active_to)
    }


def contradict(entries: Sequence[Entry]) -> bool:
    return not all(map(days_of, entries)) or any(
        one.number == other.number and days_of(one) & days_of(other)
        for place, one in enumerate(entries)
        for other in entries[:place]
    )


@given(ENTRIES)
def test_a_directory_is_refused_where_a_number_has_two_entries_on_a_day(entries: list[Entry]) -> None:
    try:
        centre(*entries)
        refused = False
    except DirectoryInvalid:
        refused = True
    assert refused is contradict(entries)


@given(ENTRIES, st.integers(0, 14 * 24 * 2), st.sampled_from((*NUMBERS, "+495116153991", "+4951161539", "+4951161")))
def test_at_each_moment_the_longest_number_of_that_day_counts(
    entries: list[Entry], half_hours: int, dialled: str
) -> None:
    assume(not contradict(entries))
    directory = centre(*entries)
    at = datetime(2026, 3, 23, 22, tzinfo=UTC) + half_hours * timedelta(minutes=30)
    today = at.astimezone(BERLIN).date()
    fitting = [
        entry
        for entry in entries
        if today in days_of(entry) and (entry.number == dialled or (entry.block and dialled.startswith(entry.number)))
    ]
    expected = max(fitting, key=lambda entry: len(entry.number), default=directory.catch_all)
    for asked in (at, at.astimezone(BERLIN)):
        found = directory.entry_for(dialled, at=asked)
        assert found.entry == expected
        assert found.entry in directory.active_entries(asked)
        assert (found.dormant is None) <= (not found.awaited)
    later = directory.next_switch(at)
    assert later is None or later > at
    soon = at + timedelta(minutes=30)
    if later is None or later >= soon:
        assert directory.active_entries(at) == directory.active_entries(soon - timedelta(microseconds=1))
