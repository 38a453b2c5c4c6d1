"""An operator's file: what it says, and what they are told when a word is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core import calendars, rules
from dialog_acd.core.calendars import SpecialDay
from dialog_acd.core.matching import may_serve
from dialog_acd.core.model import (
    AgentId,
    AgentOrder,
    CalendarId,
    EntryKind,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Team,
    TeamId,
)
from dialog_acd.core.numbers import FORMATS
from dialog_acd.core.remarks import remarks
from dialog_acd.store.directory_file import DirectoryFileInvalid, read_directory
from dialog_acd.testing import MONDAY
from directories import COUNTY, DEMO, TOWN

if TYPE_CHECKING:
    from pathlib import Path


def faults(tmp_path: Path, content: str | bytes) -> tuple[str, ...]:
    path = tmp_path / "directory.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DirectoryFileInvalid) as caught:
        read_directory(path)
    assert str(path) in str(caught.value)
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def test_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "directory.toml"
    path.write_text("\ufeff" + TOWN)  # as Windows' Notepad writes it
    directory = read_directory(path)
    (queue,) = directory.queues
    assert queue.ring_for == timedelta(seconds=12.5)
    assert queue.max_wait == timedelta(minutes=15)
    assert [rules.written(step) for step in queue.steps] == ["from 0 s: citizens>=3", "from 15 s: any"]
    assert [rules.written(rung) for rung in queue.ladder] == ["waited 90 s: partner oldenburg"]
    assert (queue.priority, queue.agent_order, queue.home_first, queue.to_partners) == (
        0,
        AgentOrder.LONGEST_IDLE,
        False,
        True,
    )
    assert directory.skills == (Skill(SkillId("citizens"), "Citizens", SkillKind.TOPIC),)
    anna = directory.agents[0]
    assert (anna.team, anna.home, anna.lines) == (None, None, frozenset())
    partner = directory.partners[0]
    assert (partner.numbers, partner.calendar, partner.channels, partner.calls_per_hour) == (("115",), None, None, None)
    assert directory.agent[AgentId("anna")].skills == {SkillId("citizens"): 4}
    assert directory.failsafe_profiles[0].hours == ("8:00-18:00,mon-fri,*,*",)
    assert [t.name for t in directory.trunks] == ["trunk"]


def test_a_file_that_says_all_there_is_to_say(tmp_path: Path) -> None:
    path = tmp_path / "directory.toml"
    path.write_text(COUNTY)
    directory = read_directory(path)
    assert directory.skills == (
        Skill(SkillId("harburg"), "Landkreis Harburg", SkillKind.TENANT),
        Skill(SkillId("tuerkisch"), "Türkisch", SkillKind.LANGUAGE),
    )
    assert directory.teams == (Team(TeamId("centre"), "DialogCenter", by_target=True, help_debt=False),)
    ours, theirs = directory.calendars
    assert [calendars.written(line) for line in ours.hours] == ["mon-thu 07:00-18:00", "fri 07:00-15:00"]
    assert (ours.land, ours.zone) == ("NI", "Europe/Berlin")
    assert ours.special_days == (
        SpecialDay(date(2026, 12, 24), "Heiligabend", ((time(8), time(12)), (time(22), time()))),
        SpecialDay(date(2026, 5, 12), "Betriebsausflug"),
    )
    assert (theirs.land, theirs.zone, theirs.special_days) == (None, "Europe/London", ())
    (partner,) = directory.partners
    assert (partner.numbers, partner.ring_for) == (("115", "+494412350"), timedelta(seconds=25))
    assert (partner.calendar, partner.channels, partner.calls_per_hour) == ("theirs", 4, 60)
    assert partner.min_gain == timedelta(seconds=45.5)
    assert [(t.name, t.number_format, t.area_code) for t in directory.trunks] == [
        ("trunk", "national", "4171"),
        ("pbx", "subscriber", "4171"),
    ]
    service, dispatch = directory.queues
    assert [rules.written(step) for step in service.steps] == [
        "from 0 s: harburg>=4",
        "from 20 s: harburg>=2",
        "from 40.5 s: any",
    ]
    assert [rules.written(rung) for rung in service.ladder] == [
        "closed by hours for 115, internal: partner oldenburg",
        "queue length 4: widen 1",
        "waited 60 s: partner oldenburg",
        "all busy: queue dispatch",
    ]
    assert (service.priority, service.agent_order, service.home_first) == (2, AgentOrder.BEST_LEVEL, True)
    assert (service.to_partners, dispatch.to_partners) == (True, False)
    main, service_115, inside, catch_all = directory.entries
    assert [(e.kind, e.block) for e in (main, service_115)] == [
        (EntryKind.MAIN_NUMBER, True),
        (EntryKind.SERVICE_115, False),
    ]
    assert (inside.kind, inside.calendar, inside.closed) == (EntryKind.INTERNAL, "house", "acd/it-closed")
    assert (inside.at_most, inside.spare) == (3, 2)
    assert (catch_all.calendar, catch_all.closed, catch_all.at_most, catch_all.spare) == (None, "acd/closed", None, 0)
    anna = directory.agent[AgentId("anna")]
    assert (anna.team, anna.home, sorted(anna.lines)) == ("centre", "harburg", ["dispatch", "service"])


@pytest.mark.parametrize(
    ("dialled", "tenant", "queue"),
    [
        ("0511 168-0", "hannover", "hannover"),
        ("0511 168-41234", "hannover", "hannover"),
        ("+49 (0)511 616-0", "region", "region"),
        ("00495117307-0", "langenhagen", "langenhagen"),
        ("0511 7307-9101", "langenhagen", "langenhagen"),
        ("115", "center", "service115"),
        ("0511115", "center", "service115"),
        ("0511 999999", "center", "catchall"),
        ("", "center", "catchall"),
        ("sip:büro", "center", "catchall"),
    ],
)
def test_the_demo_leads_numbers_where_they_belong(dialled: str, tenant: str, queue: str) -> None:
    entry = read_directory(DEMO).entry_for(dialled, at=MONDAY).entry
    assert (entry.tenant, entry.queue) == (tenant, queue)


def test_a_number_stands_there_once_for_each_of_its_times(tmp_path: Path) -> None:
    content = COUNTY.replace('number = "115"', 'number = "115"\nactive_from = 2026-04-01\nactive_to = 2026-12-31')
    entry = COUNTY.split("[[entries]]")[2].replace('number = "115"', 'number = "115"\nactive_from = 2027-01-01')
    path = tmp_path / "directory.toml"
    path.write_text(f"{content}\n[[entries]]{entry}")
    found = [(e.active_from, e.active_to) for e in read_directory(path).entries if e.number == "115"]
    assert found == [(date(2026, 4, 1), date(2026, 12, 31)), (date(2027, 1, 1), None)]
    (fault,) = faults(tmp_path, f"{content}\n[[entries]]{entry}".replace("2026-12-31", "2027-01-01"))
    assert fault.startswith("number '115' has two entries at once: one from 2026-04-01 to 2027-01-01")


def test_the_demo_has_sixteen_agents_who_can_serve_every_queue() -> None:
    directory = read_directory(DEMO)
    assert [a.id for a in directory.agents] == [f"agent{n:02}" for n in range(1, 17)]
    for agent in directory.agents:
        assert str(agent.phone) == str(agent.id)
        assert agent.team == "centre"
        for queue in directory.queues:
            assert may_serve(agent, queue, queue.steps[0]), "nobody waits beside a free agent"
    assert len({tuple(a.skills.values()) for a in directory.agents}) > 10
    assert all(q.wrap_up_for == timedelta(seconds=2) for q in directory.queues)
    assert {e.kind for e in directory.entries} == {EntryKind.MAIN_NUMBER, EntryKind.SERVICE_115, EntryKind.CATCH_ALL}


def test_the_demo_works_at_any_hour_of_any_day_and_nothing_in_it_looks_like_a_mistake() -> None:
    directory = read_directory(DEMO)
    used = {e.calendar for e in directory.entries} - {None}
    assert used == {"always"}, "it shows one off"
    always = directory.calendar[CalendarId("always")]
    for day in range(2 * 366):
        opening = always.opening(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=7 * day))
        assert (opening.open, opening.closes_at) == (True, None)
    assert not any(q.ladder for q in directory.queues), "nobody plays Oldenburg"
    assert remarks(directory, MONDAY) == ()


def test_what_the_demo_shows_in_comments_can_be_typed(tmp_path: Path) -> None:
    content = DEMO.read_text()
    shown = [line.removeprefix("#") for line in content.splitlines() if line.startswith("#   ")]
    calendar = "\n".join(line for line in shown if "ladder" not in line)
    (ladder,) = (line for line in shown if "ladder" in line)
    assert "[[calendars]]" in calendar
    path = tmp_path / "directory.toml"
    path.write_text(content.replace('agent_order = "best-level"', ladder.strip()) + calendar)
    directory = read_directory(path)
    assert [str(c.id) for c in directory.calendars] == ["always", "town-hall"]
    assert len(directory.queue[QueueId("langenhagen")].ladder) == 3


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        (
            'number = "+495117307"',
            'numbr = "+495117307"',
            "entries[0].numbr: unknown field, did you mean 'number'?",
        ),
        ("ring_for = 12.5", 'ring_for = "12"', "queues[0].ring_for: must be a number, without quotes"),
        ("ring_for = 12.5", "ring_for = 0.0001", "queues[0].ring_for: seconds have at most three digits"),
        ("ring_for = 12.5", "ring_for = nan", "queues[0].ring_for: must be an ordinary number"),
        ("ring_for = 12.5", "ring_for = -1", "queues[0].ring_for: -1 must be at least 0 (in the"),
        ("ring_for = 12.5", "ring_for = 1e5", "queues[0].ring_for: 100000.0 must be at most 86400"),
        (
            'kind = "catch-all"',
            'kind = "catchall"',
            "entries[1].kind: 'catchall' must be 'main-number', '115', 'forwarded', ",
        ),
        (
            "citizens = 4",
            'citizens = "4"',
            "agents[0].skills.citizens: must be a whole number",
        ),
        (
            "citizens = 4",
            "citizens = true",
            "agents[0].skills.citizens: must be a whole number",
        ),
        ('phone = "phone-anna"', "", "agents[0].phone: is missing (in the one with id 'anna')"),
        ('label = "Stadt"', 'label = ""', "tenants[0].label: must not be empty"),
        ('label = "Stadt"', 'label = "a\\u0000b"', "tenants[0].label: must not contain control characters"),
        ("[[partners]]", "[[partner]]", "partner: unknown field, did you mean 'partners'?"),
        ("[[tenants]]", "[tenants]", "tenants: must be a list"),
        ('tenant = "town"', 'tenant = "twn"', "entry +495117307 names tenant 'twn', which does not exist"),
        ("citizens>=3", "c>=3", "queue town: step 0 (from 0 s: c>=3) asks for skill 'c', which is not declared"),
        (
            "citizens>=3",
            "citizens>3",
            "queues[0].steps[0]: 'from 0 s: citizens>3': 'citizens>3' is not a need: write skill>=level with a level",
        ),
        ("from  15 s :", "15 s:", "queues[0].steps[1]: '15 s: any': write a step as 'from 15 s: "),
        ('"from 0 s: citizens>=3"', "3", "queues[0].steps[0]: must be a text in quotes (in the one with id 'town')"),
        ("steps = [", "stesp = [", "queues[0].steps: is missing (in the one with id 'town')"),
        ("waited 90 s", "waited 90", "queues[0].ladder[0]: 'waited 90: partner oldenburg': say after how many seconds"),
        ("waited 90 s", "wartet 90 s", "queues[0].ladder[0]: 'wartet 90 s: partner oldenburg': begin a rung with one"),
        (
            'numbers = ["115"]',
            'numbers = "115"',
            "partners[0].numbers: must be a list (in the one with id 'oldenburg')",
        ),
        # the form of before
        (
            'steps = ["from 0 s: citizens>=3", "from  15 s : any"]',
            'skill = "citizens"\nlevel = 3',
            "queues[0].skill: is written in steps now: steps = [\"from 0 s: citizens>=3\"] (in the one with id 'town')",
        ),
        (
            'steps = ["from 0 s: citizens>=3", "from  15 s : any"]',
            'skill = "citizens"',
            'queues[0].skill: is written in steps now: steps = ["from 0 s: citizens>=1"]',
        ),
        (
            "ring_for = 12.5",
            "level = 3",
            'queues[0].level: belongs to the need of a step now: steps = ["from 0 s: SKILL>=3"]',
        ),
        (
            'ladder = ["waited 90 s: partner oldenburg"]',
            'overflow = { after = 90, partner = "oldenburg" }',
            'queues[0].overflow: is written in the ladder now: ladder = ["waited 90 s: partner oldenburg"]',
        ),
        ('numbers = ["115"]', 'number = "115"', 'partners[0].number: is a list now: numbers = ["115"]'),
        ("skills = { citizens = 4 }", 'team = ""', "agents[0].team: must not be empty (in the one with id 'anna')"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, right: str, wrong: str, fault: str) -> None:
    assert right in TOWN
    found = faults(tmp_path, TOWN.replace(right, wrong))
    assert any(f.startswith(fault) for f in found), found


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        (
            'kind = "language"',
            'kind = "speech"',
            "skills[1].kind: 'speech' must be 'tenant', 'topic', 'language' or '115'",
        ),
        (
            'agent_order = "best-level"',
            'agent_order = "best"',
            "queues[0].agent_order: 'best' must be 'longest-idle' or",
        ),
        (
            'kind = "internal"',
            'kind = "intern"',
            "entries[2].kind: 'intern' must be 'main-number', '115', 'forwarded', ",
        ),
        ("by_target = true", "by_traget = true", "teams[0].by_traget: unknown field, did you mean 'by_target'?"),
        ("by_target = true", 'by_target = "yes"', "teams[0].by_target: must be true or false, without quotes"),
        (
            "mon-thu 07:00-18:00",
            "mon-thu 7-18",
            "calendars[0].hours[0]: 'mon-thu 7-18': '7-18' is not a stretch of time",
        ),
        (
            "mon-thu 07:00-18:00",
            "mon-thu 07:00-12:00, 13:00-18:00",
            "calendars[0].hours[0]: 'mon-thu 07:00-12:00, 13:00-18:00': a line has one stretch of time: write 2 lines",
        ),
        (
            "mon-thu 07:00-18:00",
            "mo-do 07:00-18:00",
            "calendars[0].hours[0]: 'mo-do 07:00-18:00': 'mo-do' is not a day",
        ),
        (
            '"mon-thu 07:00-18:00", "Fri 7:00-15:00"',
            '"mon-fri 07:00-18:00", "fri 7:00-15:00"',
            "calendar house: hours 'mon-fri 07:00-18:00' and 'fri 07:00-15:00' overlap on fri",
        ),
        ('land = "none"', 'land = "NDS"', "calendar theirs: Land 'NDS' is unknown: write one of "),
        ('zone = "Europe/London"', 'zone = "London"', "calendar theirs: time zone 'London' is unknown"),
        (
            "day = 2026-12-24",
            'day = "2026-12-24"',
            "calendars[0].special_days[0].day: must be a date without quotes, as 2026-12-24 (in the one with id",
        ),
        ("day = 2026-12-24", "day = 2026-12-24T08:00:00", "calendars[0].special_days[0].day: must be a date without "),
        (
            "day = 2026-05-12",
            "dya = 2026-05-12",
            "calendars[0].special_days[1].dya: unknown field, did you mean 'day'?",
        ),
        (
            '"08:00-12:00"',
            '"thu 08:00-12:00"',
            "calendars[0].special_days[0].hours[0]: 'thu 08:00-12:00': write the hours of a special day as '08:00-",
        ),
        (
            '"08:00-12:00"',
            '"12:00-08:00"',
            "calendars[0].special_days[0].hours[0]: '12:00-08:00': it must close later than it opens",
        ),
        ('"08:00-12:00"', "8", "calendars[0].special_days[0].hours[0]: must be a text in quotes"),
        (
            'number_format = "subscriber"',
            'number_format = "local"',
            "trunks[1].number_format: 'local' must be one of: national, plus, 00, cc-no-plus, sub",
        ),
        ("channels = 4", "channels = 4.5", "partners[0].channels: must be a whole number"),
        ("channels = 4", "channels = 0", "partner oldenburg: channels 0 would send no call"),
        ("min_gain = 45.5", "min_gain = -1", "partners[0].min_gain: -1 must be at least 0"),
        ("at_most = 3", 'at_most = "3"', "entries[2].at_most: must be a whole number"),
        (
            "at_most = 3",
            'active_from = "01.04.2026"',
            "entries[2].active_from: must be a date without quotes, as 2026-12-24 (in the one with number '4711')",
        ),
        ("at_most = 3", "active_to = 2026-12-31T24:00:00", "it is not TOML: "),
        ("at_most = 3", "active_to = 2026-12-31T23:59:59", "entries[2].active_to: must be a date without "),
        ("at_most = 3", "active_until = 2026-12-31", "entries[2].active_until: unknown field"),
        (
            "at_most = 3",
            "active_from = 2026-04-01\nactive_to = 2026-03-31",
            "entry 4711 (from 2026-04-01 to 2026-03-31): active_to is the last day",
        ),
        (
            '["service", "dispatch"]',
            '"service"',
            "agents[0].lines: must be a list (in the one with id 'anna')",
        ),
        ('"subscriber"', '"e164"', "trunks[1].number_format: 'e164' must be one of: "),
        ('"subscriber"', '"00"\ncountry_code = "+49"', "trunks[1].country_code: '+49' must be of the form "),
        ('["service", "dispatch"]', '["r"]', "agent anna keeps to queue 'r', which does not exist"),
        (
            "queue length 4: widen 1",
            "queue length 4: widen 3",
            "queue service: rung 'queue length 4: widen 3' widens to a step",
        ),
    ],
)
def test_a_mistake_in_what_few_need_is_named_with_its_place(tmp_path: Path, right: str, wrong: str, fault: str) -> None:
    assert right in COUNTY
    found = faults(tmp_path, COUNTY.replace(right, wrong))
    assert len(found) == (2 if "unknown field" in fault and "dya" in wrong else 1), found
    assert any(f.startswith(fault) for f in found), found


@pytest.mark.parametrize("number_format", FORMATS)
def test_every_way_a_trunk_writes_numbers_can_be_written(tmp_path: Path, number_format: str) -> None:
    path = tmp_path / "directory.toml"
    path.write_text(COUNTY.replace('"subscriber"', f'"{number_format}"'))
    assert [t.number_format for t in read_directory(path).trunks] == ["national", number_format]


def test_a_trunk_in_an_area_that_is_none_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, COUNTY.replace('"4171"', '"5111"', 1))
    assert found == ("trunk trunk: 5111 is no German area code, write it without its 0, as 511 or 5130",)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    content = TOWN.replace("ring_for", "ringfor").replace("skills = ", "skill = ").replace("label", "lable")
    assert {f.split(":")[0] for f in faults(tmp_path, content)} == {
        "queues[0].ringfor",
        "agents[0].skill",
        "tenants[0].lable",
        "tenants[0].label",
    }


def test_a_file_that_is_not_toml_not_utf8_or_not_there(tmp_path: Path) -> None:
    assert "line 3" in faults(tmp_path, "[[tenants]]\nid = 'a'\nname = \n")[0]
    (no_such_day,) = faults(tmp_path, COUNTY.replace("2026-05-12", "2026-02-31"))
    assert no_such_day.startswith("it is not TOML: a date or time that the calendar does not have")
    assert "(at line 58, " in no_such_day
    assert faults(tmp_path, TOWN.encode().replace(b"Stadt", b"M\xfcnchen")) == (
        "it is not UTF-8 text; save it as UTF-8",
    )
    with pytest.raises(DirectoryFileInvalid, match=r"it cannot be read \(No such file or directory\)"):
        read_directory(tmp_path / "nowhere.toml")
