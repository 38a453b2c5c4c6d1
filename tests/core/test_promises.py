"""By when somebody has to be called back, and who says that they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.model import CalendarId, CallId, EntryKind, TenantId
from dialog_acd.core.promises import GIVEN_UP_AFTER, Promise, Rule, due
from dialog_acd.core.records import Result
from dialog_acd.testing import Scenario
from ladders import C1, entries_are, laddered, moment, overflowing

BERLIN = ZoneInfo("Europe/Berlin")
SAME_TIME, END_OF_DAY, SERVICE_HOURS = Rule
DAY = timedelta(days=1)
T = TypeVar("T")


def calendar(*hours: str, **more: object) -> Calendar:
    return Calendar(CalendarId("c"), "c", tuple(map(parse_hours, hours)), **more)  # type: ignore[arg-type]


OFFICE = calendar("mon-fri 08:00-18:00")
HALL = calendar("mon-thu 07:00-18:00", "fri 07:00-12:00", "fri 13:00-15:00")
NIGHT = calendar("fri 22:00-24:00", "sat 00:00-06:00", land=None)


def told(made: str, rule: Rule = SAME_TIME, of: Calendar | None = OFFICE) -> str:
    """Both by the clock in Berlin."""
    at = due(of, datetime.fromisoformat(made).replace(tzinfo=BERLIN).astimezone(UTC), rule)
    assert at.tzinfo is UTC
    return f"{at.astimezone(BERLIN):%a %d.%m. %H:%M}"


@pytest.mark.parametrize(
    ("made", "same_time", "end_of_day", "service_hours"),
    [
        ("2025-11-04 10:15", "Wed 05.11. 10:15", "Wed 05.11. 18:00", "Thu 06.11. 14:15"),
        ("2025-11-07 16:40", "Mon 10.11. 16:40", "Mon 10.11. 18:00", "Wed 12.11. 10:40"),
        # The day after is Reformation Day, a holiday in Lower Saxony.
        ("2025-10-30 16:00", "Mon 03.11. 16:00", "Mon 03.11. 18:00", "Wed 05.11. 10:00"),
        # Saturday: the clock starts on Monday.
        ("2025-11-08 09:00", "Tue 11.11. 08:00", "Tue 11.11. 18:00", "Wed 12.11. 12:00"),
    ],
)
def test_what_within_24_hours_during_the_service_times_means(
    made: str, same_time: str, end_of_day: str, service_hours: str
) -> None:
    assert told(made) == told(made, SAME_TIME) == same_time
    assert told(made, END_OF_DAY) == end_of_day
    assert told(made, SERVICE_HOURS) == service_hours


@pytest.mark.parametrize(
    ("made", "by", "of"),
    [
        ("2025-11-04 06:30", "Wed 05.11. 08:00", OFFICE),  # before the opening
        ("2025-11-04 18:00", "Thu 06.11. 08:00", OFFICE),  # at the very close it is closed
        ("2025-11-04 17:59", "Wed 05.11. 17:59", OFFICE),
        ("2025-11-06 17:00", "Fri 07.11. 15:00", HALL),  # the next day closes sooner
        ("2025-11-06 12:30", "Fri 07.11. 13:00", HALL),  # ... and has a break then
        ("2025-11-06 12:00", "Fri 07.11. 12:00", HALL),
        ("2025-11-07 12:30", "Mon 10.11. 13:00", HALL),  # in the break: from its end on
        ("2025-11-07 23:00", "Sat 08.11. 06:00", NIGHT),  # what is two local days is two service days
        ("2026-03-27 23:30", "Sat 28.03. 06:00", NIGHT),
        ("2026-12-23 16:00", "Mon 04.01. 16:00", replace(OFFICE, special_days=tuple(
            SpecialDay(date(2026, 12, 24) + n * DAY, "Betriebsruhe") for n in range(8)))),
        ("2026-03-28 02:30", "Sun 29.03. 03:00", None),  # always served, and that hour does not exist
        ("2026-10-24 02:30", "Sun 25.10. 02:30", None),
        ("2026-10-25 12:00", "Mon 26.10. 12:00", None),
    ],
)  # fmt: skip
def test_the_same_time_of_the_next_service_day(made: str, by: str, of: Calendar | None) -> None:
    assert told(made, of=of) == by


def test_the_doubled_hour_of_autumn_is_due_when_the_clock_first_shows_it() -> None:
    first = datetime(2026, 10, 24, 0, 30, tzinfo=UTC)
    assert due(None, first) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_where_nothing_opens_any_more_a_day_is_a_day() -> None:
    never = calendar(special_days=(SpecialDay(date(2025, 1, 2), "", ((time(8), time(12)),)),))
    for rule in Rule:
        assert told("2025-11-04 10:15", rule, never) == "Wed 05.11. 10:15"
        assert told("2025-01-01 10:15", rule, never) == "Fri 03.01. 08:00"


spans = st.tuples(st.integers(0, 23 * 60), st.integers(60, 24 * 60)).filter(lambda span: span[0] + 60 <= span[1])
plans = st.dictionaries(st.integers(0, 6), st.lists(spans, min_size=1, max_size=2), min_size=1)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def planned(plan: dict[int, list[tuple[int, int]]]) -> Calendar | None:
    lines = []
    for day, several in plan.items():
        before = -1
        for opens, closes in sorted(several):
            if opens <= before:
                return None
            before = closes
            lines.append(f"{WEEK[day]} {opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}")
    return calendar(*lines)


moments = st.integers(0, 730 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


def doubled(at: datetime) -> bool:
    local = at.astimezone(BERLIN)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@given(plans.map(planned), moments, st.timedeltas(timedelta(), timedelta(days=10)), st.sampled_from(Rule))
def test_a_promise_is_due_later_within_the_hours_and_in_turn(
    of: Calendar | None, made: datetime, later: timedelta, rule: Rule
) -> None:
    at = due(of, made, rule)
    assert made < at <= made + timedelta(days=800)
    if of is not None:
        assert of.opening(at).open or of.opening(at - timedelta(microseconds=1)).open
    assume(not doubled(made))
    assume(not doubled(made + later))
    assert due(of, made + later, rule) >= at, "who is promised it later is not due sooner"


# ---------------------------------------------------------------- on the record


def outputs(acd: Scenario, kind: type[T]) -> list[T]:
    return [out for _, _, outs in acd.story for out in outs if isinstance(out, kind)]


def promised(acd: Scenario, call: str = "c1") -> Scenario:
    """The caller presses the key, and is gone."""
    return acd.waits(call).tell(m.CallbackAsked(C1)).after(5).caller_hangs_up(call)


def test_by_when_is_settled_when_it_is_promised_and_by_the_hours_of_then() -> None:
    few = calendar("mon 08:00-18:00", "thu 08:00-12:00")
    directory = replace(laddered("all busy: callback"), calendars=(few,))
    acd = Scenario(entries_are(directory, EntryKind.MAIN_NUMBER, calendar=few.id))
    acd.at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    acd.tell(m.DirectoryChanged(laddered("all busy: callback"))).after(5).caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.t_callback, record.t_called_back) == (moment("09:00:00"), None)
    assert record.t_due == due(few, moment("09:00:00")) == moment("09:00:00") + 3 * DAY
    [kept] = [one for one in outputs(acd, m.RememberCall) if one.callback_at]
    again = Scenario(laddered("all busy: callback"), calls=[kept], found=False).at("09:10:00").switch_found()
    assert again.record("c1").t_due == record.t_due


def test_nobody_is_due_to_whom_somebody_has_talked_after_all() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.tell(m.CallbackAsked(C1))
    acd.tell(m.OrderFailed(acd.expect(m.Release), "no such channel", certain=True)).after(5)
    acd.is_ready("anna").talks("anna").after(60).caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.outcome.result, record.t_due) == (Result.SERVED, None)
    acd.tell(m.PromiseMarked(C1, kept=True)).expect(m.Ignored, why="no-promise")


def test_who_has_called_back_says_so_once() -> None:
    acd = promised(overflowing("all busy: callback").at("09:00:00"))
    acd.after(3600).tell(m.PromiseMarked(C1, kept=True, by="desk"))
    acd.expect(m.AmendRecord)
    made = acd.expect(m.CallbackMade, call="c1", tenant="langenhagen", by="desk")
    assert (made.at, made.due_at) == (moment("10:00:05"), moment("09:00:00") + DAY)
    assert outputs(acd, m.AmendRecord)[-1].amendment.kept_at == moment("10:00:05")
    acd.after(60).tell(m.PromiseMarked(C1, kept=True))
    assert acd.expect(m.CallbackMade).at == moment("10:00:05")
    acd.tell(m.PromiseMarked(C1, kept=False)).expect(m.CallbackMade, at=None)
    acd.tell(m.PromiseMarked(C1, kept=False))
    assert [one.amendment.kept for one in outputs(acd, m.AmendRecord)] == [True, False]


def test_it_is_said_of_promises_that_were_made_and_while_they_are_anybodys_business() -> None:
    acd = promised(overflowing("all busy: callback").at("09:00:00"))
    record = acd.record("c1")

    def refused(signal: m.PromiseMarked, why: str) -> None:
        before = len(outputs(acd, m.AmendRecord))
        acd.tell(signal).expect(m.Ignored, why=why)
        assert len(outputs(acd, m.AmendRecord)) == before

    refused(m.PromiseMarked(C1, kept=True, at=moment("08:59:59")), "too-early")
    refused(m.PromiseMarked(C1, kept=True, at=moment("09:00:06")), "to-come")
    refused(m.PromiseMarked(C1, kept=True, tenant=TenantId("hannover")), "no-such-call")
    refused(m.PromiseMarked(CallId("c9"), kept=True), "no-such-call")
    older = m.PromiseMarked(C1, kept=True, record=replace(record, t_due=None))
    acd = Scenario(laddered("all busy: callback")).at("10:00:00")
    refused(older, "no-promise")
    acd.after((DAY + GIVEN_UP_AFTER).total_seconds() - 3600)
    acd.tell(m.PromiseMarked(C1, kept=True, record=record, tenant=record.tenant)).expect(m.AmendRecord)
    acd.after(1)
    refused(m.PromiseMarked(C1, kept=False), "too-late")
    assert acd.acd._floor.ended[C1].promise == Promise(
        moment("09:00:00"), moment("09:00:00") + DAY, moment("09:00:00") + DAY + GIVEN_UP_AFTER
    )
    # To say what is known already is no change, however late.
    acd.tell(m.PromiseMarked(C1, kept=True)).expect(m.CallbackMade)


def test_a_call_that_goes_on_is_not_one_that_was_called_back() -> None:
    acd = overflowing("all busy: callback").at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    acd.tell(m.PromiseMarked(C1, kept=True)).expect(m.Ignored, why="no-promise")


def test_the_promise_stays_with_a_call_whose_town_is_named() -> None:
    acd = promised(overflowing("all busy: callback").at("09:00:00"))
    acd.tell(m.TownNamed(C1, TenantId("hannover"), "desk", anywhere=True))
    acd.tell(m.PromiseMarked(C1, kept=True, tenant=TenantId("hannover")))
    acd.expect(m.CallbackMade, tenant="hannover", at=moment("09:00:05"))
