"""Call sheets of opening hours: Harburg to the second, and who is still there when it closes.

Wall time in Berlin is what a sheet says: ``friday("15:00:00")`` is three in the afternoon by the town hall's clock.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.model import (
    CalendarId,
    CallId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Partner,
    PartnerId,
    Queue,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Tenant,
    TenantId,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import Scenario, demo_agent

BERLIN = ZoneInfo("Europe/Berlin")
MAIN, SALZHAUSEN = "+494171693100", "+494172909915"
OLDENBURG = PartnerId("oldenburg")
FRIDAY = date(2026, 3, 6)
MONDAY_AT_SEVEN = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)
CLOSED_FOR_115 = "closed by hours for 115: partner oldenburg"


def at(day: date, clock_time: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock_time}").replace(tzinfo=BERLIN).astimezone(UTC)


def friday(clock_time: str) -> datetime:
    return at(FRIDAY, clock_time)


def harburg(
    *ladder: str,
    agents: tuple[str, ...] = ("anna", "bert"),
    hours: tuple[str, ...] = ("mon-thu 07:00-18:00", "fri 07:00-15:00"),
    special_days: tuple[SpecialDay, ...] = (),
    channels: int | None = None,
    max_wait: timedelta = timedelta(minutes=15),
) -> Directory:
    """One queue for the county's main number, 115 and Salzhausen's switchboard when it is unstaffed."""
    county, queue, skill = TenantId("harburg"), QueueId("service"), SkillId("service")
    house = Calendar(CalendarId("house"), "Landkreis Harburg", tuple(map(parse_hours, hours)), "NI", special_days)
    partner = Calendar(CalendarId("partner"), "Oldenburg", (parse_hours("mon-fri 07:00-20:00"),), "NI")
    return Directory(
        tenants=(Tenant(county, "Landkreis Harburg", "Harburg"), Tenant(TenantId("salzhausen"), "Salzhausen", "SZ")),
        queues=(
            Queue(
                queue, "Servicezentrum", (parse_step("from 0 s: service>=1"),), max_wait=max_wait,
                wrap_up_for=timedelta(), ladder=tuple(map(parse_rung, ladder or (CLOSED_FOR_115,))),
            ),
        ),
        entries=(
            Entry(MAIN, county, queue, EntryKind.MAIN_NUMBER, "standard", greeting="acd/welcome", calendar=house.id),
            Entry("115", county, queue, EntryKind.SERVICE_115, "standard", calendar=house.id),
            Entry(SALZHAUSEN, TenantId("salzhausen"), queue, EntryKind.FORWARDED, "standard", calendar=house.id),
            Entry("", county, queue, EntryKind.CATCH_ALL, "standard"),
        ),
        agents=tuple(demo_agent(name, {"service": 3}) for name in agents),
        partners=(Partner(OLDENBURG, "Oldenburg", ("+494412350",), calendar=partner.id, channels=channels),),
        failsafe_profiles=(FailsafeProfile("standard", "all"),),
        skills=(Skill(skill, "115", SkillKind.SERVICE_115),),
        calendars=(house, partner),
    )  # fmt: skip


def gone_home(moment: datetime, *ladder: str) -> Scenario:
    """Nobody is signed in."""
    return Scenario(harburg(*ladder), ready=()).until(moment)


def sent(acd: Scenario) -> list[str]:
    return [out.call for _, _, outs in acd.story for out in outs if isinstance(out, m.Divert)]


def not_yet(acd: Scenario, kind: type[object], call: str = "c1") -> None:
    """Nothing of this kind has come for the call, from the beginning of the sheet on."""
    assert not [
        out for _, _, outs in acd.story for out in outs if isinstance(out, kind) and getattr(out, "call", "") == call
    ]


# ------------------------------------------------------------ Friday to the second


@pytest.mark.parametrize("clock_time", ["07:00:00", "14:59:59", "14:59:59.999"])
@pytest.mark.parametrize("number", [MAIN, "115", SALZHAUSEN])
def test_friday_before_three_everybody_is_served(number: str, clock_time: str) -> None:
    acd = Scenario(harburg()).until(friday(clock_time)).arrives("c1", number)
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.HOLD, opens_at=None)
    acd.held("c1").expect(m.Offer, call="c1", agent="anna")


@pytest.mark.parametrize("clock_time", ["15:00:00", "15:00:00.001", "17:59:59", "17:59:59.999"])
def test_friday_from_three_to_six_115_goes_to_oldenburg_though_our_people_are_there(clock_time: str) -> None:
    acd = Scenario(harburg()).until(friday(clock_time)).arrives("c1", "115")
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.HOLD, greeting=None)
    acd.held("c1").expect(m.Divert, call="c1", partner="oldenburg", number="+494412350")
    acd.expect(m.CallDiverted, call="c1", why="closed by hours", trigger="closed-by-hours")
    acd.expect_no(m.Offer)
    acd.after(9).tell(m.DivertAnswered(CallId("c1"), OLDENBURG)).after(60).caller_hangs_up("c1")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)
    assert (record.overflow_trigger, record.partner, record.kind) == ("closed-by-hours", "oldenburg", "115")
    assert record.waited == timedelta(seconds=9)


@pytest.mark.parametrize("clock_time", ["15:00:00", "17:59:59.999", "18:00:00"])
@pytest.mark.parametrize("number", [MAIN, SALZHAUSEN])
def test_friday_from_three_on_a_towns_number_says_when_it_opens_again(number: str, clock_time: str) -> None:
    acd = Scenario(harburg()).until(friday(clock_time)).arrives("c1", number)
    acd.expect(
        m.Treat, call="c1", verdict=m.Verdict.CLOSED, closed="acd/closed", opens_at=MONDAY_AT_SEVEN, greeting=None
    )
    acd.expect(m.CallReleased, call="c1", why="closed-by-hours")
    record = acd.after(12).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CLOSED, "closed-by-hours", Blame.NOBODY)
    assert (record.t_leave, record.t_q, record.in_time) == (None, None, False)


def test_oldenburg_goes_home_as_well_and_then_115_is_told_too() -> None:
    """The partner's own calendar says so; at six 115 has promised nothing any more."""
    acd = Scenario(harburg()).until(friday("18:00:00")).waits("c1", "115")
    assert sent(acd) == ["c1"]
    acd.caller_hangs_up("c1").until(friday("20:00:00")).waits("c2", "115")
    acd.expect(m.Release, call="c2", prompt="acd/closed", opens_at=MONDAY_AT_SEVEN)
    assert acd.after(10).caller_hangs_up("c2").record("c2").outcome == Outcome(
        Result.CLOSED, "closed-by-hours", Blame.NOBODY
    )


@pytest.mark.parametrize("number", [MAIN, "115"])
def test_monday_at_seven_it_is_open_again(number: str) -> None:
    acd = Scenario(harburg()).until(MONDAY_AT_SEVEN - timedelta(milliseconds=1)).arrives("c0", number)
    acd.expect_no(m.Treat, call="c0", greeting="acd/welcome")
    acd.until(MONDAY_AT_SEVEN).waits("c1", number).expect(m.Offer, call="c1", agent="anna")


def test_monday_evening_115_is_closed_by_hours_as_well_and_the_partner_helps() -> None:
    acd = Scenario(harburg()).until(at(date(2026, 3, 9), "18:00:00")).waits("c1", "115")
    assert sent(acd) == ["c1"]


# ------------------------------------------------------------ a partner who cannot, after hours


def test_after_hours_a_busy_partner_is_the_end_and_the_caller_is_told() -> None:
    acd = Scenario(harburg()).until(friday("15:30:00")).waits("c1", "115")
    acd.after(3).tell(m.DivertFailed(CallId("c1"), OLDENBURG, "busy")).held("c1")
    acd.expect(m.Release, call="c1", prompt="acd/closed", opens_at=MONDAY_AT_SEVEN)
    record = acd.after(10).caller_hangs_up("c1").record("c1")
    assert (record.overflow_partner, record.partner, record.t_ovf) == ("oldenburg", None, friday("15:30:00"))


def test_after_hours_with_the_contracted_channels_full_115_waits_for_one() -> None:
    acd = Scenario(harburg(channels=1)).until(friday("15:30:00")).waits("c1", "115").waits("c2", "115")
    acd.expect_no(m.Release, call="c2")
    acd.after(30).caller_hangs_up("c1").expect(m.Divert, call="c2")


def test_after_hours_nobody_of_ours_is_rung_while_the_partner_is() -> None:
    acd = gone_home(friday("15:30:00")).waits("c1", "115").after(2).is_ready("anna")
    acd.expect_no(m.Offer)


def test_a_call_before_hours_in_the_night_of_a_holiday_says_the_holidays_reason() -> None:
    acd = Scenario(harburg()).until(at(date(2026, 4, 3), "03:00:00")).arrives("c1", MAIN)  # Good Friday
    tuesday = at(date(2026, 4, 7), "07:00:00")  # after Easter Monday, and in summer time
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED, opens_at=tuesday)
    assert acd.caller_hangs_up("c1").record("c1").outcome.reason == "closed-by-day"


def test_the_rung_for_closing_hours_is_not_for_holidays_and_the_other_way_round() -> None:
    for rung, day, result in (
        ("closed by hours for 115: partner oldenburg", date(2026, 5, 14), []),  # Ascension Day
        ("closed by day for 115: partner oldenburg", date(2026, 5, 14), []),  # Oldenburg rests that day, too
        ("closed by day for 115: partner oldenburg", date(2026, 5, 12), ["c1"]),  # the staff outing
        ("closed by hours for 115: partner oldenburg", date(2026, 5, 12), []),
    ):
        outing = (SpecialDay(date(2026, 5, 12), "Betriebsausflug"),)
        acd = Scenario(harburg(rung, special_days=outing)).until(at(day, "10:00:00")).waits("c1", "115")
        assert sent(acd) == result, (rung, day)


def with_a_night_watch() -> Directory:
    """Another queue whose people answer after hours."""
    base = harburg()
    night = replace(base.queues[0], id=QueueId("night"), steps=(parse_step("from 0 s: any"),), ladder=())
    day = replace(base.queues[0], ladder=(parse_rung("closed by hours: queue night"),))
    return replace(base, queues=(day, night), agents=(demo_agent("watchman", {}),))


def test_the_closed_number_may_have_a_queue_elsewhere_that_serves_it() -> None:
    acd = Scenario(with_a_night_watch()).until(friday("22:00:00"))
    acd.waits("c1", MAIN).expect(m.Offer, call="c1", agent="watchman")
    assert acd.talks("watchman").agent_hangs_up("watchman").record("c1").outcome.result is Result.SERVED


def test_a_closed_number_whose_helpers_have_gone_home_does_not_keep_its_callers() -> None:
    acd = Scenario(with_a_night_watch(), ready=()).until(friday("22:00:00")).waits("c1", MAIN)
    acd.expect(m.Release, call="c1", opens_at=MONDAY_AT_SEVEN)


# ------------------------------------------------------------ who is still there when it closes


def test_who_came_in_time_is_served_after_closing_as_long_as_somebody_is_there() -> None:
    acd = Scenario(harburg(agents=("anna",))).until(friday("14:59:00")).waits("c0", MAIN).talks("anna")
    not_yet(acd.until(friday("14:59:59.999")).waits("c1", MAIN).until(friday("15:03:00")), m.Release)
    acd.agent_hangs_up("anna").expect(m.Offer, call="c1", agent="anna")
    record = acd.talks("anna").after(60).agent_hangs_up("anna").record("c1")
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)


def test_a_greeting_over_the_closing_hour_costs_nobody_the_call() -> None:
    acd = Scenario(harburg()).until(friday("14:59:58")).arrives("c1", MAIN).until(friday("15:00:04")).held("c1")
    acd.expect(m.Offer, call="c1", agent="anna")


def test_an_office_that_gives_the_caller_back_after_closing_gives_them_back_to_us() -> None:
    acd = Scenario(harburg()).until(friday("14:58:00")).waits("c1", MAIN).talks("anna")
    acd.until(friday("15:01:00")).transferred("c1", "2001").until(friday("15:01:30")).held("c1")
    acd.expect(m.Offer, call="c1", agent="bert")


def line(many: int, clock_time: str) -> Scenario:
    """Both our people talk; ``c1``, ``c2`` and so on wait for them, and a conversation takes some 80 seconds."""
    acd = Scenario(harburg()).until(friday(clock_time))
    acd.waits("served1", MAIN).talks("anna").waits("served2", MAIN).talks("bert")
    for number in range(1, many + 1):
        acd.waits(f"c{number}", MAIN)
    return acd


def warned(acd: Scenario) -> list[str]:
    said = (out for _, _, outs in acd.story for out in outs if isinstance(out, m.Say))
    return [say.call for say in said if say.prompt == "acd/closing-soon"]


def test_who_comes_too_late_to_be_served_before_closing_is_told_so() -> None:
    assert warned(line(3, "14:58:00")) == ["c2", "c3"]


def test_it_is_told_once() -> None:
    acd = line(2, "14:58:00").after(8).held("c2").until(friday("14:58:50"))
    assert warned(acd) == ["c2"]


def test_five_minutes_before_closing_the_line_is_looked_at_once_more() -> None:
    acd = line(8, "14:54:30").until(friday("14:54:59.999"))
    assert warned(acd) == []
    assert warned(acd.until(friday("14:55:00"))) == ["c7", "c8"]


def test_where_nobody_works_only_the_last_minutes_tell() -> None:
    """Nobody can say how long the wait will be; that they will not all be back before closing, anybody can."""
    acd = gone_home(friday("14:50:00")).waits("c1", MAIN).until(friday("14:54:59.999"))
    assert warned(acd) == []
    assert warned(acd.until(friday("14:55:00"))) == ["c1"]


def test_at_closing_time_with_nobody_there_the_caller_is_told() -> None:
    acd = gone_home(friday("14:50:00")).waits("c1", MAIN).until(friday("14:59:59.999"))
    not_yet(acd, m.Release)
    acd.until(friday("15:00:00")).expect(m.Release, call="c1", prompt="acd/closed", opens_at=MONDAY_AT_SEVEN)
    acd.expect(m.CallReleased, call="c1", why="closed-by-hours")


def test_when_the_last_one_goes_home_after_closing_whoever_waits_is_told() -> None:
    acd = Scenario(harburg()).until(friday("14:59:00")).waits("x1", MAIN).talks("anna").waits("x2", MAIN).talks("bert")
    not_yet(acd.waits("c1", MAIN).until(friday("15:02:00")).signs_out("bert"), m.Release)
    acd.until(friday("15:04:00")).signs_out("anna").expect(m.Release, call="c1", opens_at=MONDAY_AT_SEVEN)


def test_when_the_last_one_goes_home_115_is_sent_to_the_partner_and_not_away() -> None:
    acd = gone_home(friday("14:59:30")).waits("c1", "115").until(friday("15:00:00"))
    acd.expect(m.Divert, call="c1", partner="oldenburg")
    not_yet(acd, m.Release)


def test_who_waited_and_was_told_at_closing_had_come_in_opening_hours() -> None:
    """In the service level of a town this is a caller nobody answered, not one who came too late."""
    acd = gone_home(friday("14:50:00")).waits("c1", MAIN).until(friday("15:00:10")).caller_hangs_up("c1")
    assert acd.record("c1").outcome.result is Result.RELEASED


def test_at_the_lunch_break_nobody_is_there_and_after_it_nobody_is_told_that_it_is_closed() -> None:
    lunch = ("mon-fri 08:00-12:00", "mon-fri 13:00-16:00")
    directory = harburg(hours=lunch, max_wait=timedelta(hours=2))
    acd = Scenario(directory, ready=("anna",)).until(friday("11:59:00")).waits("x", MAIN).talks("anna")
    acd.waits("c1", MAIN).until(friday("13:05:00")).signs_out("anna").waits("c2", MAIN)
    assert (acd.state("c1"), acd.state("c2")) == ("waiting", "waiting")


def test_after_our_restart_the_hours_are_known_again() -> None:
    """The service was updated at ten to three; somebody waited and goes on waiting."""
    known = m.RememberCall(CallId("c1"), MAIN, None, "", "trunk", "", friday("14:49:00"))
    acd = Scenario(harburg(), ready=(), found=False, calls=(known,)).until(friday("14:50:00"))
    acd.switch_found(m.SwitchCall(CallId("c1"), "wait", QueueId("service"), friday("14:49:00")))
    acd.until(friday("15:00:00")).expect(m.Release, call="c1", opens_at=MONDAY_AT_SEVEN)


def test_after_our_restart_115_is_still_closed() -> None:
    """After three nobody of ours answers 115; the partner was busy, and the service was restarted just then."""
    known = m.RememberCall(CallId("c1"), "115", None, "", "trunk", "", friday("15:29:00"))
    acd = Scenario(harburg(), ready=(), found=False, calls=(known,)).until(friday("15:30:00"))
    acd.switch_found(m.SwitchCall(CallId("c1"), "wait", QueueId("service"), friday("15:29:00")))
    acd.expect(m.Divert, call="c1", partner="oldenburg")


# ------------------------------------------------------------ hours that change under a caller


def test_longer_hours_reach_who_waits_already() -> None:
    acd = gone_home(friday("14:50:00")).waits("c1", MAIN).until(friday("14:55:00"))
    acd.tell(m.DirectoryChanged(harburg(hours=("mon-fri 07:00-18:00",))))
    acd.until(friday("15:00:00")).expect_no(m.Release)
    assert acd.state("c1") == "waiting"
    acd.is_ready("anna").expect(m.Offer, call="c1")


def test_shorter_hours_reach_who_waits_already() -> None:
    acd = gone_home(friday("13:50:00")).waits("c1", MAIN).until(friday("13:55:00"))
    acd.tell(m.DirectoryChanged(harburg(hours=("mon-fri 07:00-14:00",))))
    acd.until(friday("14:00:00")).expect(m.Release, call="c1", opens_at=MONDAY_AT_SEVEN)


def test_a_calendar_that_is_gone_closes_nobody() -> None:
    acd = gone_home(friday("14:50:00")).waits("c1", MAIN)
    old = harburg()
    always = replace(
        old, entries=tuple(replace(e, calendar=None) for e in old.entries), calendars=old.calendars[1:]
    )  # fmt: skip
    not_yet(acd.tell(m.DirectoryChanged(always)).until(friday("15:00:30")), m.Release)
    assert acd.state("c1") == "waiting"


def test_a_transfer_to_a_number_that_is_closed_is_told_there() -> None:
    old = harburg()
    shut = Calendar(CalendarId("shut"), "shut", (parse_hours("sun 03:00-04:00"),), None)
    entries = tuple(replace(e, calendar=shut.id) if e.number == SALZHAUSEN else e for e in old.entries)
    directory = replace(old, entries=entries, calendars=(*old.calendars, shut))
    acd = Scenario(directory).until(friday("10:00:00")).waits("c1", MAIN).talks("anna").after(60)
    acd.transferred("c1", "4172").arrives("c1", SALZHAUSEN)
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED, label="SZ", opens_at=at(date(2026, 3, 8), "03:00:00"))
    record = acd.after(10).caller_hangs_up("c1").record("c1")
    assert record.outcome.result is Result.SERVED
    assert record.t_ans == friday("10:00:00")


# ------------------------------------------------------------ when clocks change


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        (date(2026, 3, 27), datetime(2026, 3, 27, 14, 0, tzinfo=UTC)),
        (date(2026, 4, 10), datetime(2026, 4, 10, 13, 0, tzinfo=UTC)),  # summer time: an hour earlier by UTC
        (date(2026, 10, 23), datetime(2026, 10, 23, 13, 0, tzinfo=UTC)),
        (date(2026, 10, 30), datetime(2026, 10, 30, 14, 0, tzinfo=UTC)),
    ],
)
def test_three_oclock_is_three_oclock_in_summer_and_winter(day: date, closes: datetime) -> None:
    acd = Scenario(harburg()).until(closes - timedelta(milliseconds=1)).arrives("c1", MAIN)
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.HOLD)
    monday = at(day + timedelta(days=3), "07:00:00")
    acd.until(closes).arrives("c2", MAIN).expect(m.Treat, call="c2", verdict=m.Verdict.CLOSED, opens_at=monday)


def test_in_the_night_of_25_hours_a_caller_waits_through_both_halves_past_two() -> None:
    """Closing at half past two comes when the clock has passed it for good: the second time, 01:30 UTC."""
    night = harburg(hours=("sun 01:00-02:30",), max_wait=timedelta(hours=3))
    acd = Scenario(night, ready=()).until(datetime(2026, 10, 25, 0, 20, tzinfo=UTC)).waits("c1", MAIN)
    not_yet(acd.until(datetime(2026, 10, 25, 1, 29, 59, tzinfo=UTC)), m.Release)  # 02:29:59, the second time
    acd.until(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)).expect(m.Release, call="c1")


def test_in_the_night_of_23_hours_it_opens_the_first_moment_after_the_gap() -> None:
    night = harburg(hours=("sun 02:30-05:00",))
    acd = Scenario(night).until(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)).arrives("c1", MAIN)
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED, opens_at=datetime(2026, 3, 29, 1, 0, tzinfo=UTC))
    acd.until(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)).waits("c2", MAIN).expect(m.Offer, call="c2")


def test_a_wait_over_the_change_of_clocks_is_as_long_as_it_was() -> None:
    night = harburg("waited 60 s: release", hours=("sun 01:00-05:00",))
    acd = Scenario(night, ready=()).until(datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)).waits("c1", MAIN)
    not_yet(acd.until(datetime(2026, 3, 29, 1, 0, 29, tzinfo=UTC)), m.Release)
    acd.after(1).expect(m.Release, call="c1")
    assert acd.caller_hangs_up("c1").record("c1").waited == timedelta(seconds=60)
