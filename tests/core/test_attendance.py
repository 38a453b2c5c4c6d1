"""The time of groups: what a pencil finds, to the millisecond, and nobody by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core import messages as m
from dialog_acd.core.attendance import (
    HALF_HOUR,
    HALF_HOUR_MS,
    WITHOUT_TEAM,
    Attendance,
    Attended,
    Demand,
    Part,
    Pool,
    Staffed,
    capacity,
    covered,
    needed,
    occupancy,
    part_of,
    pools,
    staffing,
)
from dialog_acd.core.erlang import erlang_c_agents, erlang_c_service_level
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.kpi import Mean, Ratio, half_hour
from dialog_acd.core.lifecycle import Intent, PhoneState, Work
from dialog_acd.core.model import AgentId, QueueId, Team, TeamId
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import MONDAY, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

OFFICE, HALL = TeamId("office"), TeamId("hall")


def centre(**team_of: TeamId | None) -> Directory:
    """These agents, in these teams."""
    base = demo_directory(team_of)
    return with_people(base, *(replace(a, team=team_of[a.id]) for a in base.agents))


def with_people(directory: Directory, *agents: Agent) -> Directory:
    """Another staff; its teams are there, too."""
    teams = dict.fromkeys(agent.team for agent in agents if agent.team is not None)
    return replace(directory, agents=agents, teams=tuple(Team(team, team) for team in teams))


def book_of(day: Scenario, until: datetime | None = None) -> Attendance:
    """What was told in the course of a scenario, written down."""
    book = Attendance(day.directory, MONDAY)
    for moment, signal, out in day.story:
        if isinstance(signal, m.DirectoryChanged):
            book.directory_changed(signal.directory, moment)
        for message in out:
            book.note(cast("m.Notice", message), moment)  # orders are among them, and change nothing
    book._advance(until or day.clock.now())
    return book


def spent(rows: Iterable[Attended]) -> dict[str, float]:
    """All of these together, in seconds; what is nothing is left out."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update({name[:-3]: ms for name, ms in asdict(row).items() if name.endswith("_ms")})
    return {name: ms / 1000 for name, ms in total.items() if ms}


def day_of(book: Attendance, day: Scenario) -> list[Attended]:
    return list(book.take(day.clock.now()))


# ---------------------------------------------------------------- a day


def test_a_morning_of_one_agent() -> None:
    day = Scenario(centre(anna=OFFICE), ready=())
    day.at("08:00:01").tell(m.AgentSignedIn(AgentId("anna")))
    day.at("08:00:30").is_ready("anna")
    day.at("08:02:00").waits("c1")
    day.at("08:02:04.250").talks("anna")
    day.at("08:03:00").agent_hangs_up("anna")  # ten seconds of wrap-up follow
    day.at("08:10:00").is_not_ready("anna", "Pause")
    day.at("08:15:00").signs_out("anna")
    day.at("08:20:00")
    [half] = day_of(book_of(day), day)
    assert (half.team, half.begins, half.people, half.working) == (OFFICE, MONDAY, 1, 1)
    assert half.signed_in_ms == 15 * 60_000 - 1000  # scenarios begin with a second of nothing
    assert half.not_ready_ms == 29_000
    assert half.ringing_ms == 4250
    assert half.talking_ms == 55_750
    assert half.wrap_up_ms == 10_000
    assert half.pause_ms == 300_000
    assert half.free_ms == 899_000 - 29_000 - 4250 - 55_750 - 10_000 - 300_000
    assert half.staffed_ms == half.free_ms + 70_000
    assert occupancy([half]) == Ratio(65_750, 599_000)


@pytest.mark.parametrize("why", ["no-answer", "declined", "not-talked"])
def test_nobody_has_agreed_to_be_put_out_of_the_round(why: str) -> None:
    """What the core says of somebody who took no call is no break; what they say themselves is one."""
    day = Scenario(centre(anna=OFFICE))
    day.waits("c1").after(20).offer_failed("anna", why).after(100)
    [half] = day_of(book_of(day), day)
    assert (half.ringing_ms, half.not_ready_ms, half.pause_ms) == (20_000, 100_000, 0)
    assert half.staffed_ms == half.signed_in_ms - 100_000
    day.is_not_ready("anna", "lunch").after(50)
    [half] = day_of(book_of(day), day)
    assert (half.not_ready_ms, half.pause_ms) == (100_000, 50_000)


def test_who_signs_out_in_a_conversation_is_there_until_it_is_over() -> None:
    day = Scenario(centre(anna=OFFICE))
    day.waits("c1").talks("anna")
    begun = day.clock.now()
    day.after(10).signs_out("anna").after(30).agent_hangs_up("anna").after(600)
    found = spent(day_of(book_of(day), day))
    assert (found["talking"], found["wrap_up"]) == (40, 10)
    assert found["signed_in"] == (begun - MONDAY).total_seconds() - 1 + 50


def test_who_went_home_without_signing_out_was_not_there_all_night() -> None:
    day = Scenario(centre(anna=OFFICE))
    day.at("16:00:00").phone_is("anna", PhoneState.UNREACHABLE).at("22:00:00")
    rows = day_of(book_of(day), day)
    found = spent(rows)
    assert found["unreachable"] == 6 * 3600
    assert found["signed_in"] == 8 * 3600 - 1
    assert {row.people for row in rows if row.begins.hour >= 16} == {0}
    assert sum(row.staffed_ms for row in rows if row.begins.hour >= 16) == 0


def test_a_call_of_ones_own_is_neither_a_break_nor_taking_calls() -> None:
    day = Scenario(centre(anna=OFFICE))
    day.phone_is("anna", PhoneState.IN_USE).after(60).phone_is("anna", PhoneState.REACHABLE).after(60)
    [half] = day_of(book_of(day), day)
    assert half.elsewhere_ms == 60_000
    assert half.staffed_ms == half.free_ms == half.signed_in_ms - 60_000
    assert occupancy([half]) == Ratio(0, half.signed_in_ms)


def test_a_conversation_belongs_to_each_half_hour_it_was_in() -> None:
    day = Scenario(centre(anna=OFFICE))
    day.at("08:29:50").waits("c1").talks("anna").at("09:00:00.500").agent_hangs_up("anna").at("09:10:00")
    rows = day_of(book_of(day), day)
    assert [(row.begins.minute, row.talking_ms) for row in rows] == [(0, 10_000), (30, HALF_HOUR_MS), (0, 500)]
    assert [row.signed_in_ms for row in rows] == [HALF_HOUR_MS - 1000, HALF_HOUR_MS, 600_000]


def test_agents_of_no_team_are_a_group_of_their_own() -> None:
    day = Scenario(centre(anna=OFFICE, bert=None, cleo=None))
    day.at("08:30:00")
    rows = day_of(book_of(day), day)
    assert [(row.team, row.people) for row in rows] == [(WITHOUT_TEAM, 2), (OFFICE, 1)]
    with pytest.raises(DirectoryInvalid, match="team '-'"):
        centre(anna=WITHOUT_TEAM)


def test_another_team_counts_from_the_moment_of_the_new_directory() -> None:
    day = Scenario(centre(anna=OFFICE, bert=OFFICE))
    day.at("08:10:00").tell(m.DirectoryChanged(centre(anna=HALL, bert=OFFICE))).at("08:30:00")
    rows = {row.team: row for row in day_of(book_of(day), day)}
    assert rows[HALL].signed_in_ms == 20 * 60_000
    assert rows[OFFICE].signed_in_ms == 10 * 60_000 - 1000 + HALF_HOUR_MS - 2000
    assert (rows[HALL].people, rows[OFFICE].people) == (1, 2)


def test_who_is_taken_out_of_the_directory_counts_for_their_team_until_they_hang_up() -> None:
    day = Scenario(centre(anna=OFFICE, bert=HALL))
    day.at("08:05:00").waits("c1").talks("anna")
    day.at("08:06:00").tell(m.DirectoryChanged(centre(bert=HALL)))
    day.at("08:08:00").agent_hangs_up("anna").at("08:30:00")
    book = book_of(day)
    assert set(book.parts()) == {"bert"}
    assert set(book._people) == {"bert"}
    rows = {row.team: row for row in day_of(book, day)}
    assert (rows[OFFICE].talking_ms, rows[OFFICE].wrap_up_ms) == (180_000, 10_000)
    assert rows[OFFICE].signed_in_ms == 8 * 60_000 + 10_000 - 1000


def test_who_is_not_there_and_not_known_any_more_is_forgotten() -> None:
    day = Scenario(centre(anna=OFFICE, bert=HALL), ready=())
    day.after(60).tell(m.DirectoryChanged(centre(bert=HALL))).after(60)
    book = book_of(day)
    assert set(book._people) == {"bert"}
    assert book.take(day.clock.now()) == ()


def test_who_inherits_a_telephone_is_reached_at_once() -> None:
    """The phone's state is known, and nobody tells it again: the book has to hear it with the new directory."""
    day = Scenario(centre(anna=OFFICE))
    heir = replace(demo_agent("emil", phone="phone-anna"), team=HALL)
    day.at("08:10:00").tell(m.DirectoryChanged(with_people(day.directory, heir))).is_ready("emil")
    day.at("08:20:00")
    assert day.agent_state("emil") == "available"
    assert book_of(day).parts() == {"emil": Part.FREE}


def test_a_restart_loses_what_happened_meanwhile_and_nothing_else() -> None:
    """What agents wanted is known at the start; who talks is told when Asterisk is found."""
    directory = centre(anna=OFFICE, bert=OFFICE, cleo=OFFICE, dora=OFFICE)
    wanted = [
        m.RememberIntent(AgentId("anna"), "ready", "", MONDAY),
        m.RememberIntent(AgentId("bert"), "not-ready", "lunch", MONDAY),
        m.RememberIntent(AgentId("cleo"), "signed-out", "", MONDAY),
        m.RememberIntent(AgentId("gone"), "ready", "", MONDAY),
    ]
    book = Attendance(directory, MONDAY, wanted)
    book.note(m.AgentChanged(AgentId("anna"), "phone", "unreachable", "in-use", "switch"), MONDAY)
    book.note(m.AgentChanged(AgentId("anna"), "work", "idle", "talking", "found"), MONDAY)
    [half] = book.take(MONDAY + timedelta(seconds=90))
    assert spent([half]) == {"signed_in": 180, "pause": 90, "talking": 90}
    assert (half.people, half.working) == (2, 1)


# ---------------------------------------------------------------- how many people


def test_how_many_people_there_were_and_how_many_of_them_not_only_in_a_break() -> None:
    names = ("anna", "bert", "cleo", "dora", "emil")
    day = Scenario(centre(**dict.fromkeys(names, OFFICE)))
    for name in names[1:]:
        day.is_not_ready(name)
    day.at("08:30:00").signs_out("emil")
    day.at("09:00:00")
    first, second = day_of(book_of(day), day)
    assert (first.people, first.working) == (5, 5)
    # Of the five, four were in a break from beginning to end: what was handled then is Anna's alone.
    assert (second.people, second.working) == (4, 1)


def test_who_comes_and_goes_in_one_moment_makes_no_group_larger() -> None:
    day = Scenario(centre(anna=OFFICE, bert=OFFICE), ready=("anna",))
    day.is_ready("bert").signs_out("bert").at("08:10:00")
    [half] = day_of(book_of(day), day)
    assert half.people == 1


def test_who_leaves_at_half_past_was_not_there_after_it() -> None:
    day = Scenario(centre(anna=OFFICE, bert=OFFICE))
    day.at("08:30:00").signs_out("bert").at("08:40:00")
    assert [row.people for row in day_of(book_of(day), day)] == [2, 1]


def test_people_are_forgotten_with_their_half_hour() -> None:
    day = Scenario(centre(anna=OFFICE))
    book = book_of(day.at("09:05:00"))
    assert len(book.take(day.clock.now())) == 3
    assert {moment for moment, _ in book._sheets} == {(day.clock.now() - datetime(1970, 1, 1, tzinfo=UTC)) // HALF_HOUR}
    [again] = book.take(day.clock.now())
    assert again.begins.hour == 9
    assert "anna" not in repr(again)


# ---------------------------------------------------------------- properties

NAMES = ("anna", "bert", "cleo", "dora")
AXES = {
    "intent": [*Intent],
    "work": [*Work],
    "phone": [*PhoneState],
}
changes = st.tuples(
    st.integers(0, 50 * 60_000),  # milliseconds until the next
    st.sampled_from(NAMES),
    st.sampled_from([(axis, after) for axis, states in AXES.items() for after in states]),
    st.sampled_from(("pause", "rona", "signed-in")),
)
DIRECTORIES = (
    centre(anna=OFFICE, bert=OFFICE, cleo=HALL, dora=None),
    centre(anna=HALL, bert=OFFICE, cleo=HALL, dora=None),
    centre(anna=OFFICE, bert=OFFICE, dora=OFFICE),
)
swaps = st.tuples(st.integers(0, 50 * 60_000), st.sampled_from(range(len(DIRECTORIES))))
Told = tuple[int, str, tuple[str, str], str] | tuple[int, int]


def told(book: Attendance, story: list[Told], looks: Iterable[int] = ()) -> dict[tuple[datetime, TeamId], Attended]:
    """Tell a book a story, ask it at these moments (ms), and at the end; the last word on each half hour counts."""
    found: dict[tuple[datetime, TeamId], Attended] = {}
    asked = sorted(looks)
    now = 0

    def look_until(moment: int) -> None:
        while asked and asked[0] <= moment:
            for row in book.take(MONDAY + timedelta(milliseconds=asked.pop(0))):
                found[row.begins, row.team] = row

    for word in story:
        now += word[0]
        look_until(now)
        at = MONDAY + timedelta(milliseconds=now)
        if len(word) == 2:
            book.directory_changed(DIRECTORIES[word[1]], at)
        else:
            _, name, (axis, after), why = word
            book.note(m.AgentChanged(AgentId(name), axis, "", after, why), at)
    look_until(now + 60_000)
    for row in book.take(MONDAY + timedelta(milliseconds=now + 60_000)):
        found[row.begins, row.team] = row
    return found


stories = st.lists(st.one_of(changes, changes, changes, swaps), max_size=30)


@given(stories)
def test_the_parts_add_up_to_the_time_signed_in(story: list[Told]) -> None:
    for row in told(Attendance(DIRECTORIES[0], MONDAY), story).values():
        parts = (row.free_ms, row.pause_ms, row.not_ready_ms, row.ringing_ms, row.talking_ms, row.wrap_up_ms)
        assert sum(parts) + row.elsewhere_ms == row.signed_in_ms
        assert all(part >= 0 for part in (*parts, row.elsewhere_ms, row.unreachable_ms))
        assert row.signed_in_ms <= row.people * HALF_HOUR_MS
        assert row.signed_in_ms - row.pause_ms <= row.working * HALF_HOUR_MS
        assert 0 <= row.working <= row.people <= len(NAMES)
        assert (row.people == 0) == (row.signed_in_ms == 0)
        assert (row.working == 0) == (row.signed_in_ms == row.pause_ms)
        assert row.begins == half_hour(row.begins)
        assert occupancy([row]).numerator <= occupancy([row]).denominator


@given(stories, st.lists(st.integers(0, 8 * 3_600_000), max_size=20))
def test_it_does_not_matter_how_often_and_when_the_book_is_asked(story: list[Told], looks: list[int]) -> None:
    alone = told(Attendance(DIRECTORIES[0], MONDAY), story)
    assert told(Attendance(DIRECTORIES[0], MONDAY), story, looks) == alone


@given(st.lists(changes, max_size=30))
def test_each_millisecond_of_each_agent_is_in_one_part_of_one_half_hour(story: list[Told]) -> None:
    """Reckoned once more, person by person, without cutting anything into half hours."""
    axes = {name: {"intent": "signed-out", "work": "idle", "phone": "unreachable", "why": ""} for name in NAMES}
    total: Counter[tuple[TeamId, Part]] = Counter()
    teams = {a.id: a.team or WITHOUT_TEAM for a in DIRECTORIES[0].agents}
    for word in [*story, (60_000, "", ("", ""), "")]:
        for name, axis in axes.items():
            part = part_of(Intent(axis["intent"]), axis["why"], Work(axis["work"]), PhoneState(axis["phone"]))
            if part is not None:
                total[teams[AgentId(name)], part] += word[0]
        if len(word) == 4 and word[1]:
            axes[word[1]][word[2][0]] = word[2][1]
            if word[2][0] == "intent":
                axes[word[1]]["why"] = word[3]
    found: Counter[tuple[TeamId, Part]] = Counter()
    for row in told(Attendance(DIRECTORIES[0], MONDAY), story).values():
        for part in Part:
            found[row.team, part] += getattr(row, f"{part.value.replace('-', '_')}_ms")
    assert +found == +total


@given(st.integers(0, 10**9), st.integers(1, 3_600_000_000))
def test_moments_between_two_milliseconds_neither_add_nor_lose_time(begin_us: int, length_us: int) -> None:
    directory = centre(anna=OFFICE)
    begin = MONDAY + timedelta(microseconds=begin_us)
    end = begin + timedelta(microseconds=length_us)
    book = Attendance(directory, MONDAY)
    book.note(m.AgentChanged(AgentId("anna"), "intent", "", "not-ready", "pause"), begin)
    cut = book.take(begin + timedelta(microseconds=length_us // 3))
    rows = {(row.begins, row.team): row for row in (*cut, *book.take(end))}
    assert abs(spent(rows.values()).get("signed_in", 0) - length_us / 1e6) < 0.001


def test_an_earlier_moment_takes_nothing_back() -> None:
    book = Attendance(centre(anna=OFFICE), MONDAY, [m.RememberIntent(AgentId("anna"), "not-ready", "pause", MONDAY)])
    book.take(MONDAY + timedelta(seconds=60))
    book.note(
        m.AgentChanged(AgentId("anna"), "intent", "not-ready", "not-ready", "rona"), MONDAY + timedelta(seconds=59)
    )
    assert spent(book.take(MONDAY + timedelta(seconds=90))) == {"signed_in": 90, "pause": 60, "not_ready": 30}


# ---------------------------------------------------------------- days that are not 24 hours long


@pytest.mark.parametrize(("day", "half_hours"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-11-23", 48)])
def test_a_day_on_the_wall_has_as_many_half_hours_as_it_lasts(day: str, half_hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(day).replace(tzinfo=berlin)
    begins, ends = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
    signed_in = m.RememberIntent(AgentId("anna"), "not-ready", "pause", begins)
    rows = Attendance(centre(anna=OFFICE), begins, [signed_in]).take(ends)
    assert len(rows) == half_hours
    assert {row.signed_in_ms for row in rows} == {HALF_HOUR_MS}
    on_the_wall = Counter(f"{row.begins.astimezone(berlin):%H:%M}" for row in rows)
    if half_hours == 46:
        assert not {"02:00", "02:30"} & on_the_wall.keys()
    elif half_hours == 50:
        assert {time for time, often in on_the_wall.items() if often == 2} == {"02:00", "02:30"}
    assert (on_the_wall["00:00"], on_the_wall["23:30"]) == (1, 1)


@pytest.mark.parametrize(
    ("moment", "begins"),
    [
        ("2026-10-25T02:59:59.999999+02:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:00:00+01:00", "2026-10-25T01:00:00+00:00"),
        ("2026-11-23T12:30:00+00:00", "2026-11-23T12:30:00+00:00"),
    ],
)
def test_the_half_hour_of_a_moment(moment: str, begins: str) -> None:
    assert half_hour(datetime.fromisoformat(moment)) == datetime.fromisoformat(begins)


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 10, tzinfo=berlin)
    assert half_hour(first.replace(fold=1)) - half_hour(first) == timedelta(hours=1)


# ---------------------------------------------------------------- how many it takes

# Calls in the Monday's peak hour, handling time in seconds, load in erlang, agents for 75 % within 30 s.
PEAKS = [
    (185, 60, 3.1, 5), (185, 75, 3.8, 6), (185, 95, 4.9, 7), (185, 150, 7.7, 10), (185, 180, 9.2, 12),
    (185, 240, 12.3, 16), (205, 60, 3.4, 5), (205, 95, 5.4, 8),
    (83, 60, 1.4, 3), (83, 90, 2.1, 4), (83, 120, 2.8, 5), (83, 180, 4.1, 6),
    # Town after town comes in.
    (207, 60, 3.45, 5), (281, 95, 7.4, 10), (317, 150, 13.2, 16), (361, 60, 6.0, 8), (361, 95, 9.5, 12),
    (361, 150, 15.0, 18),
]  # fmt: skip
HANNOVER_MONDAY = (6, 8, 9.5, 9.5, 9, 8.5, 7.5, 6.5, 4.5, 3.5, 4, 4, 4, 3.5, 3.2, 2.8, 2.2, 1.6, 1.3, 0.9)
HARBURG_MONDAY = (
    *(1.5, 2.5, 5, 7, 8.5, 8.5, 8.5, 8, 7, 6, 4.5, 3.5, 3.8, 3.8, 3.8, 3.6, 3.4, 3.2, 2.6, 2.2, 1.7, 1.4),
)
ROSTERS = [
    (972, HANNOVER_MONDAY, 60, "3 4 5 5 5 4 4 4 3 3 3 3 3 3 2 2 2 2 2 1"),
    (972, HANNOVER_MONDAY, 95, "5 6 7 7 7 6 6 5 4 3 4 4 4 3 3 3 3 2 2 2"),
    (972, HANNOVER_MONDAY, 150, "7 9 10 10 10 9 9 8 6 5 5 5 5 5 5 4 4 3 3 2"),
    (486, HARBURG_MONDAY, 90, "2 2 3 3 4 4 4 4 3 3 3 2 2 2 2 2 2 2 2 2 2 2"),
]


@pytest.mark.parametrize(("an_hour", "aht_s", "load", "agents"), PEAKS)
def test_agents_for_the_peak_of_a_monday(an_hour: int, aht_s: int, load: float, agents: int) -> None:
    erlang = an_hour * aht_s / 3600
    assert erlang == pytest.approx(load, abs=0.06)
    assert erlang_c_agents(erlang, aht_s, 0.75, 30) == agents


@pytest.mark.parametrize(("calls", "shares", "aht_s", "agents"), ROSTERS)
def test_agents_for_each_half_hour_of_a_monday(calls: int, shares: tuple[float, ...], aht_s: int, agents: str) -> None:
    assert sum(shares) == pytest.approx(100)
    assert [erlang_c_agents(calls * share / 100 * aht_s / 1800, aht_s, 0.75, 30) for share in shares] == [
        int(n) for n in agents.split()
    ]


@given(st.floats(0.001, 300), st.floats(1, 1000), st.floats(0, 1), st.floats(0, 120))
def test_it_is_the_fewest_that_keep_the_promise(erlang: float, aht_s: float, share: float, within_s: float) -> None:
    agents = erlang_c_agents(erlang, aht_s, share, within_s)
    assert agents > erlang
    assert erlang_c_service_level(agents, erlang, aht_s, within_s) >= share - 1e-12
    if agents - 1 > erlang:
        assert erlang_c_service_level(agents - 1, erlang, aht_s, within_s) < share + 1e-12


def test_a_share_beyond_all_is_no_promise() -> None:
    assert erlang_c_agents(5, 60, 1, 30) > erlang_c_agents(5, 60, 0.99, 30)
    assert erlang_c_agents(5, 60, 0, 30) == 6
    for share in (-0.01, 1.01):
        with pytest.raises(ValueError, match="share"):
            erlang_c_agents(5, 60, share, 30)


def asked(calls: int, aht_s: float, handled: int | None = None, queue: str = "hall") -> Demand:
    handled = calls if handled is None else handled
    return Demand(MONDAY, QueueId(queue), calls, round(handled * aht_s * 1000), handled, 0.75, timedelta(seconds=30))


def test_needed_in_a_half_hour() -> None:
    # 92 in the half hour are 184 an hour: the peak of a Monday in Hannover.
    assert needed([asked(92, 95)]) == 7
    assert needed([asked(92, 95, handled=40)]) == 7, "who gave up needed somebody, too"
    assert needed([]) == needed([asked(0, 0)]) == 0
    assert needed([asked(1, 60)]) == 1
    assert needed([asked(3, 0)]) == 1, "somebody picks up"


def test_nobody_can_say_how_many_where_nobody_knows_how_long_a_call_takes() -> None:
    assert needed([asked(5, 0, handled=0)]) is None
    assert needed([asked(5, 0, handled=0), asked(5, 60, queue="115")]) is None
    assert needed([asked(92, 0, handled=0)], {QueueId("hall"): 95_000}) == 7
    assert needed([asked(0, 0)], {}) == 0


def test_of_several_promises_the_most_demanding_is_kept() -> None:
    """One line: two queues of half the calls need as many as one with all of them, and 95/5 more than 75/30."""
    halves = [asked(46, 95), asked(46, 95, queue="115")]
    assert needed(halves) == 7
    strict = erlang_c_agents(92 * 95 / 1800, 95, 0.95, 5)
    assert strict > 7
    assert needed([halves[0], replace(halves[1], share=0.95, within=timedelta(seconds=5))]) == strict
    nobody = replace(halves[1], calls=0, share=0.95, within=timedelta(seconds=5))
    assert needed([asked(92, 95), nobody]) == 7, "promised to nobody"


def there(begins: datetime, agents: float, team: TeamId = OFFICE) -> Attended:
    """So many agents who take calls, on average; one more has a break."""
    free = round(agents * HALF_HOUR_MS)
    return Attended(team, begins, free + HALF_HOUR_MS, HALF_HOUR_MS, 0, 0, 0, 0, 0, 0, 9, 8, 30)


def test_staffed_against_needed() -> None:
    nine = MONDAY + 2 * HALF_HOUR
    rows = [there(MONDAY, 5, HALL), there(MONDAY, 1.5), there(MONDAY + HALF_HOUR, 9), there(nine, 2)]
    calls = [
        asked(92, 95),
        replace(asked(92, 95), begins=MONDAY + HALF_HOUR),
        replace(asked(4, 0, handled=0), begins=nine),
        replace(asked(4, 0, handled=0), begins=nine + HALF_HOUR),
    ]
    first, second, third, fourth = staffing(rows, calls)
    assert (first.begins, first.staffed_ms, first.calls, first.needed) == (MONDAY, 6.5 * HALF_HOUR_MS, 92, 7)
    assert first.agents == Mean(6.5 * HALF_HOUR_MS, HALF_HOUR_MS)
    assert first.agents.value() == 6.5
    assert (second.agents.value(), second.needed) == (9, 7)
    # Nobody was answered: the queue's mean of the day says how long a call takes.
    assert (third.agents.value(), third.needed) == (2, erlang_c_agents(4 * 95 / 1800, 95, 0.75, 30))
    assert (fourth.begins, fourth.agents.value(), fourth.needed) == (nine + HALF_HOUR, 0, third.needed)
    need = 14 + 2 * (third.needed or 0)
    assert capacity([first, second, third, fourth]) == Ratio(round(17.5 * HALF_HOUR_MS), need * HALF_HOUR_MS)
    assert covered([first, second, third, fourth]) == Ratio(
        round((6.5 + 7 + min(2, third.needed or 0)) * HALF_HOUR_MS), need * HALF_HOUR_MS
    )


def test_a_queue_nobody_was_answered_in_all_day_is_reckoned_like_the_others() -> None:
    [half] = staffing([], [asked(46, 95), asked(46, 0, handled=0, queue="115")])
    assert (half.calls, half.needed) == (92, 7)
    [half] = staffing([], [asked(46, 0, handled=0)])
    assert (half.calls, half.needed) == (46, None)
    assert str(capacity([half])) == str(covered([half])) == "keine Daten"


def test_what_cannot_be_reckoned_is_in_neither_number() -> None:
    unknown = Staffed(MONDAY, 5 * HALF_HOUR_MS, 3, None)
    known = Staffed(MONDAY, 5 * HALF_HOUR_MS, 3, 4)
    quiet = Staffed(MONDAY, 2 * HALF_HOUR_MS, 0, 0)
    assert capacity([unknown, known, quiet]) == Ratio(7 * HALF_HOUR_MS, 4 * HALF_HOUR_MS)
    assert covered([unknown, known, quiet]) == Ratio(4 * HALF_HOUR_MS, 4 * HALF_HOUR_MS)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20) | st.none())))
def test_never_more_is_covered_than_was_needed_or_there(halves: list[tuple[int, int | None]]) -> None:
    found = [Staffed(MONDAY, staffed * HALF_HOUR_MS, 1, need) for staffed, need in halves]
    there_, all_ = covered(found), capacity(found)
    assert there_.denominator == all_.denominator
    assert 0 <= there_.numerator <= min(there_.denominator, all_.numerator)


# ---------------------------------------------------------------- who serves what


def test_teams_and_queues_that_hang_together_are_one_pool() -> None:
    """The citizens' queues end with *anybody*; 115 needs more than any of the hall has."""
    directory = with_people(
        demo_directory(steps=("from 0 s: citizens>=3", "from 20 s: any")),
        replace(demo_agent("anna", {"citizens": 3, "115": 3}), team=OFFICE),
        replace(demo_agent("bert", {"citizens": 1}), team=HALL),
    )
    assert pools(directory) == (
        Pool(frozenset({OFFICE, HALL}), frozenset(map(QueueId, ("langenhagen", "hannover", "region", "115")))),
    )


def test_a_dispatch_desk_is_a_pool_of_its_own_and_a_rung_does_not_change_that() -> None:
    langenhagen, hannover, region, service = (QueueId(q) for q in ("langenhagen", "hannover", "region", "115"))
    base = demo_directory()
    other_steps = {region: "from 0 s: 115>=5", langenhagen: "from 0 s: citizens>=1", hannover: "from 0 s: citizens>=1"}
    queues = tuple(
        replace(q, steps=(parse_step(other_steps[q.id]),), ladder=(parse_rung("waited 20 s: queue 115"),))
        if q.id in other_steps
        else q
        for q in base.queues
    )
    directory = with_people(
        replace(base, queues=queues),
        replace(demo_agent("anna", {"citizens": 3}), team=OFFICE),
        replace(demo_agent("bert", {"115": 3}), team=HALL, lines=frozenset({service})),
        demo_agent("cleo", {"citizens": 1}),
        replace(demo_agent("dora", {}), team=TeamId("back")),
    )
    found = set(pools(directory))
    assert found == {
        Pool(frozenset({OFFICE, WITHOUT_TEAM}), frozenset({langenhagen, hannover})),
        Pool(frozenset({HALL}), frozenset({service})),
        Pool(frozenset({TeamId("back")}), frozenset()),
        Pool(frozenset(), frozenset({region})),
    }
