"""Councils, finance and town halls read what the centre did; a year later they read the same."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.attendance import Attended, Demand
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.kpi import By
from dialog_acd.core.model import (
    UNASSIGNED,
    AgentId,
    CalendarId,
    Contract,
    EntryKind,
    Formula,
    QueueId,
    Target,
    TeamId,
    TenantId,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.report import german
from dialog_acd.report.document import Chapter, Document, Label, Missing, Table, Unit, Value, plain
from dialog_acd.report.page import page, written
from dialog_acd.report.sheet import MARK, sheet
from dialog_acd.reports import Form, Range, RangeRefused, Reports, grouping, range_of, told
from dialog_acd.store.database import migrate, open_database
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.figures_store import FiguresStore, _Group
from dialog_acd.store.record_store import RecordWriter
from dialog_acd.testing import ManualClock, demo_directory
from records import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.records import CallRecord

MARCH = Range(date(2026, 3, 1), date(2026, 3, 31))
APRIL = datetime(2026, 4, 2, 8, tzinfo=UTC)


class Presence:
    """Who was there, as told."""

    def __init__(self) -> None:
        self.rows: list[Attended] = []

    async def between(self, since: datetime, until: datetime) -> list[Attended]:
        return [row for row in self.rows if since <= row.begins < until]


class Office:
    """A centre's database, and the reports made of it."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self.clock = ManualClock(APRIL)
        self.directories = DirectoryStore(engine)
        self.presence = Presence()
        self.reports = Reports(FiguresStore(engine, self.clock.now), self.presence, self.directories, self.clock.now)
        self._writer = RecordWriter(engine, folder, self.clock.now, linger=0)

    async def directory(self, directory: Directory, at: datetime) -> None:
        await self.directories.replace(directory, Edit("leitstelle", at, "agreed"))

    async def called(self, *records: CallRecord) -> None:
        for record in records:
            self._writer.put(record)
        await self._writer.close(5)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    url = f"sqlite:///{tmp_path}/acd.sqlite"
    await migrate(url)
    engine = await open_database(url)
    yield Office(engine, tmp_path / "journal")
    await engine.dispose()


def call(name: str, day: int = 2, wait: float = 12.0, **changes: Any) -> CallRecord:
    """Somebody called Langenhagen at ten in the morning and was answered."""
    came = datetime(2026, 3, day, 9, 0, tzinfo=UTC)
    usual: dict[str, Any] = {
        "t_in": came,
        "t_q": came,
        "t_ans": came + timedelta(seconds=wait),
        "t_end": came + timedelta(seconds=wait + 60),
        "t_wrap_end": came + timedelta(seconds=wait + 70),
        "in_time": wait <= 30,
        "entry": "+4951173070",
        "target_ms": 30_000,
        "target_share": 0.75,
    }
    return served(name, **(usual | changes))


def lost(name: str, day: int = 2, after: float = 40.0, **changes: Any) -> CallRecord:
    """... and gave up."""
    came = datetime(2026, 3, day, 9, 0, tzinfo=UTC)
    gone = came + timedelta(seconds=after)
    return call(
        name, day, t_ans=None, t_leave=gone, t_end=gone, t_wrap_end=None, agent=None, in_time=False,
        outcome=Outcome(Result.ABANDONED, "waiting", Blame.CALLER), **changes,
    )  # fmt: skip


def cells(document: Document, table: str) -> list[list[str]]:
    """A table as the page shows it."""
    (found,) = (t for t in document.tables() if t.id == table)
    return [[written(cell).replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in found.rows]


async def test_a_council_reads_whether_the_promise_was_kept(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(*(call(f"in-{n}") for n in range(8)), call("late", wait=31), lost("gone"))
    document = await office.reports.evaluation(MARCH)
    (row,) = cells(document, "zusagen")
    assert row == ["Langenhagen", "75 % in 30 s", "80,0 %", "Servicelevel 75/30 strict", "eingehalten"]
    assert [name for name, *_ in cells(document, "servicelevel")] == [
        "Servicelevel 75/30 strict",
        "Servicelevel ohne Frühabbrecher",
        "Servicelevel der Angenommenen",
        'Servicelevel "Abbruch<=T zählt positiv"',
    ]
    assert {chapter.id for chapter in document.chapters} == {
        *("anrufzahlen", "personal", "qualitaet", "vereinbarung", "datenbasis")
    }
    assert all(row[1] == "keine Daten" for row in cells(document, "erledigung"))


async def test_a_town_that_goes_by_another_formula_is_judged_by_it(office: Office) -> None:
    base = demo_directory()
    kinder = Contract(targets=(Target(0.75, timedelta(seconds=30)),), formula=Formula.SERVED_ONLY)
    towns = tuple(replace(t, contract=kinder) if t.id == "langenhagen" else t for t in base.tenants)
    await office.directory(replace(base, tenants=towns), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), call("b"), call("c"), lost("d"), lost("e"))
    document = await office.reports.evaluation(MARCH)
    (row,) = cells(document, "zusagen")
    assert row[2:] == ["100,0 %", "Servicelevel der Angenommenen", "eingehalten"]
    assert [row[2] for row in cells(document, "servicelevel")] == ["nein", "nein", "ja", "nein"]


async def test_the_same_range_gives_the_same_report_a_year_later(office: Office) -> None:
    """Meanwhile the town was renamed, promises less, and nobody of then works there any more."""
    base = demo_directory()
    await office.directory(base, datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), lost("b"), call("c", 31, wait=29.5))

    async def read() -> list[str]:
        documents = [await office.reports.evaluation(MARCH), await office.reports.calls(MARCH, (By.TENANT, By.DAY))]
        return [told(document, form) for document in documents for form in Form]

    office.presence.rows = [present("zentrale", n, 9, 60) for n in range(8)]
    then = await read()

    office.clock.set(datetime(2027, 4, 2, 8, tzinfo=UTC))
    poorer = Contract(targets=(Target(0.5, timedelta(seconds=60)),), formula=Formula.SERVED_ONLY)
    towns = tuple(
        replace(t, name="Große Kreisstadt", contract=poorer) if t.id == "langenhagen" else t for t in base.tenants
    )
    await office.directory(replace(base, tenants=towns, agents=base.agents[:1]), datetime(2026, 6, 1, tzinfo=UTC))
    now = await read()
    stands = (
        ("2026-04-02T10:00:00+02:00", "02.04.2026, 10:00 Uhr"),
        ("2027-04-02T10:00:00+02:00", "02.04.2027, 10:00 Uhr"),
    )
    for old, new in zip(*stands, strict=True):
        now = [text.replace(new, old) for text in now]
    assert now == then


async def test_a_town_reads_nothing_of_another(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), *(call(f"h{n}", tenant=TenantId("hannover")) for n in range(7)))
    for document in (
        await office.reports.evaluation(MARCH, "langenhagen"),
        await office.reports.calls(MARCH, (By.TENANT, By.MONTH), "langenhagen"),
    ):
        for form in Form:
            text = told(document, form)
            assert "Hannover" not in text.replace("Region Hannover", "")
        counts = {c.value for t in document.tables() for row in t.rows for c in row if isinstance(c, Value)}
        assert not counts & {7.0, 8.0}


async def test_the_calls_of_the_evaluation_add_up(office: Office) -> None:
    """Whatever became of a call: offered is answered, abandoned, called back or lost by technical fault."""
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))

    def ended(name: str, result: Result) -> CallRecord:
        return replace(lost(name), t_leave=None, outcome=Outcome(result, "promised", Blame.NOBODY))

    await office.called(call("a"), lost("b"), *(ended(result, result) for result in Result))
    rows = cells(await office.reports.evaluation(MARCH), "anrufe-zeit")
    for _, *counts in rows:
        offered, *parts = map(int, counts[:6])
        assert offered == sum(parts) == 9


async def test_calls_of_nobody_are_no_town(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), call("b", tenant=UNASSIGNED))
    rows = dict(cells(await office.reports.evaluation(MARCH), "grundlage"))
    assert (rows["Kommunen mit Anrufen"], rows["Davon ohne genannten Ort"]) == ("1", "1")


async def test_an_afternoon_by_half_hours(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    early, later = datetime(2026, 3, 2, 12, 29, 59, tzinfo=UTC), datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    await office.called(call("a", t_in=early), call("b", t_in=later), call("c", t_in=later))
    document = await office.reports.calls(MARCH, (By.HALF_HOUR,))
    rows = [row[:3] for row in cells(document, "anrufe")]
    (table,) = document.tables()
    assert [row[0].key for row in table.rows if isinstance(row[0], Label)] == [
        "2026-03-02T13:00:00+01:00",
        "2026-03-02T13:30:00+01:00",
    ]
    assert [(name, offered) for name, _, offered in rows] == [
        ("02.03.2026, 13:00 Uhr", "1"),
        ("02.03.2026, 13:30 Uhr", "2"),
        ("Gesamt", "3"),
    ]


async def test_the_hour_that_comes_twice_is_two_hours(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    office.clock.set(datetime(2026, 11, 2, 8, tzinfo=UTC))
    night = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)
    await office.called(*(call(f"n{n}", t_in=night + timedelta(hours=n)) for n in range(3)))
    document = await office.reports.calls(Range(date(2026, 10, 25), date(2026, 10, 25)), (By.HALF_HOUR,))
    assert [row[0] for row in cells(document, "anrufe")] == [
        "25.10.2026, 02:00 Uhr (Sommerzeit)",
        "25.10.2026, 02:00 Uhr (Winterzeit)",
        "25.10.2026, 03:00 Uhr",
        "Gesamt",
    ]


async def test_more_rows_than_anybody_reads_are_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), call("b", 3), call("c", 4))
    monkeypatch.setattr("dialog_acd.reports.MOST_ROWS", 2)
    with pytest.raises(RangeRefused, match="more than the 2 rows"):
        await office.reports.calls(MARCH, (By.DAY,))
    await office.reports.calls(Range(date(2026, 3, 1), date(2026, 3, 3)), (By.DAY,))


# ------------------------------------------------------------ staff


def present(team: str, half_hour: int, working: int, calls: int, day: int = 2) -> Attended:
    begins = datetime(2026, 3, day, 7, 0, tzinfo=UTC) + timedelta(minutes=30 * half_hour)
    time = working * 1_800_000
    return Attended(TeamId(team), begins, time, 0, 0, 0, time // 2, 0, 0, 0, working, working, calls)


async def test_a_group_of_four_is_nobody_s_business(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    office.presence.rows = [present("zentrale", n, 4, 100) for n in range(8)]
    document = await office.reports.evaluation(MARCH)
    assert [row[2:] for row in cells(document, "gruppen")] == [["unterdrückt", "unterdrückt"]]
    assert {cell for row in cells(document, "kapazitaet") for cell in row[1:]} == {"unterdrückt"}


async def test_calls_have_their_turn_while_a_year_of_half_hours_is_reckoned(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made of all queues' half hours is made beside the loop, a month at a time, and nothing of it is kept."""
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    days = range(2, 30)
    await office.called(*(call(f"c{day}-{n}", day, queue=QueueId(f"q{n}")) for day in days for n in range(5)))
    office.presence.rows = [present("zentrale", n, 9, 60, day) for day in days for n in range(8)]
    made: list[tuple[int, bool]] = []

    def told_where(**what: Any) -> Demand:
        made.append((what["begins"].month, threading.current_thread() is threading.main_thread()))
        return Demand(**what)

    monkeypatch.setattr("dialog_acd.reports.Demand", told_where)
    monkeypatch.setattr("dialog_acd.store.figures_store._Group", Thrifty)
    Thrifty.most = 0
    await office.reports.evaluation(MARCH)
    assert made == [(3, False)] * (5 * len(days))
    assert Thrifty.most < 5 * len(days)


async def test_who_goes_to_a_partner_by_plan_needs_nobody_here(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Friday afternoon: nobody works, 115 goes to Oldenburg. One of them was answered here all the same."""
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    by_plan: dict[str, Any] = {"t_ovf": datetime(2026, 3, 2, 9, tzinfo=UTC), "overflow_trigger": "closed-by-hours"}
    late = by_plan | {"overflow_trigger": "waited"}
    await office.called(call("a", **by_plan), lost("b", **by_plan), lost("c", **late), call("d"))
    office.presence.rows = [present("zentrale", n, 9, 60) for n in range(8)]
    asked: list[tuple[int, int]] = []

    def demand(**what: Any) -> Demand:
        asked.append((what["calls"], what["handled"]))
        return Demand(**what)

    monkeypatch.setattr("dialog_acd.reports.Demand", demand)
    await office.reports.evaluation(MARCH)
    assert asked == [(3, 2)]


class Thrifty(_Group):
    """Counts the groups that are made."""

    most = 0

    def __init__(self) -> None:
        super().__init__()
        Thrifty.most += 1


async def test_a_large_group_is_told_and_a_town_hall_of_one_is_in_it(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    office.presence.rows = [
        row for n in range(8) for row in (present("zentrale", n, 9, 60), present("rathaus", n, 1, 5))
    ]
    document = await office.reports.evaluation(MARCH)
    assert cells(document, "gruppen") == [["März 2026", "Übrige Gruppen", "40:00:00 h", "50,0 %"]]


async def test_the_report_of_one_town_says_nothing_of_staff(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    office.presence.rows = [present("zentrale", n, 9, 60) for n in range(8)]
    document = await office.reports.evaluation(MARCH, "langenhagen")
    (staff,) = (chapter for chapter in document.chapters if chapter.id == "personal")
    assert not staff.tables


async def test_a_range_to_the_tenth_less_one_to_the_ninth_is_nobody_s_day(office: Office) -> None:
    """Staff figures are of whole months of whose calls nothing can be said any more, whatever days are asked for."""
    office.clock._now = datetime(2026, 3, 31, 21, 59, tzinfo=UTC)
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    march = [present("zentrale", n, 9, 60, day) for n in range(8) for day in (2, 9, 10)]
    office.presence.rows = [replace(row, begins=row.begins - timedelta(28)) for row in march] + march
    await office.called(*(call(f"c{n}") for n in range(30)))
    for until in (9, 10, 30):
        document = await office.reports.evaluation(Range(date(2026, 2, 1), date(2026, 3, until)))
        assert [row[0] for row in cells(document, "gruppen")] == ["Februar 2026"]
        assert [row[0] for row in cells(document, "kapazitaet")] == ["Februar 2026"]
        assert "bearbeitung" not in {table.id for table in document.tables()}
    for moment in (
        datetime(2026, 3, 31, 21, 59, tzinfo=UTC),
        datetime(2026, 3, 31, 22, tzinfo=UTC),  # calls of the last day may be named, or marked, one by one
        datetime(2026, 4, 2, 3, 59, tzinfo=UTC),
    ):
        office.clock.set(moment)
        document = await office.reports.evaluation(MARCH)
        assert "bearbeitung" not in {table.id for table in document.tables()}
        assert cells(document, "gruppen") == cells(document, "kapazitaet") == []
    office.clock.set(datetime(2026, 4, 2, 4, tzinfo=UTC))
    document = await office.reports.evaluation(MARCH)
    assert [row[0] for row in cells(document, "gruppen")] == ["März 2026"]
    assert len(cells(document, "bearbeitung")) == 1


@pytest.mark.parametrize(
    ("answered", "people", "said"),
    [(19, 5, "unterdrückt"), (20, 5, "70,0 s"), (40, 4, "unterdrückt"), (40, 1, "unterdrückt")],
)
async def test_how_long_agents_take_is_told_of_twenty_calls_and_five_people(
    office: Office, answered: int, people: int, said: str
) -> None:
    """Also where somebody has named a town for all calls of one agent."""
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(
        *(call(f"c{n}", agent=AgentId(f"a{n % people}")) for n in range(answered)),
        *(
            call(f"h{n}", agent=AgentId(f"a{n}"), tenant=TenantId("hannover"), queue=QueueId("hannover"))
            for n in range(25)
        ),
    )
    document = await office.reports.evaluation(MARCH)
    assert {row[0]: row[1] for row in cells(document, "bearbeitung")} == {"Hannover": "70,0 s", "Langenhagen": said}
    document = await office.reports.calls(MARCH, (By.TENANT, By.MONTH))
    assert not {"aht", "talk"} & {d.id for d in document.definitions}


async def test_a_small_month_is_not_what_a_quarter_has_more_than_the_others(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    february = timedelta(days=28)
    early: dict[str, Any] = {
        at: getattr(call("f"), at) - february for at in ("t_in", "t_q", "t_ans", "t_end", "t_wrap_end")
    }
    await office.called(*(call(f"m{n}") for n in range(3)))
    office.clock._now = datetime(2026, 3, 1, tzinfo=UTC)  # while the names are known
    await office.called(*(call(f"f{n}", agent=AgentId(f"a{n}"), **early) for n in range(30)))
    office.clock.set(APRIL)
    document = await office.reports.evaluation(Range(date(2026, 2, 1), date(2026, 3, 31)))
    assert cells(document, "bearbeitung") == [["Langenhagen", "unterdrückt", "unterdrückt"]]
    document = await office.reports.evaluation(Range(date(2026, 2, 1), date(2026, 2, 28)))
    assert cells(document, "bearbeitung") == [["Langenhagen", "70,0 s", "60,0 s"]]


async def test_partners_calls_need_people_too_and_nobody_is_missed_before_they_were_counted(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    office.presence.rows = [present("zentrale", n, 9, 60) for n in range(8)]
    at: dict[str, Any] = {"t_in": datetime(2026, 3, 2, 7, 5, tzinfo=UTC)}
    await office.called(*(call(f"c{n}", **at) for n in range(20)))
    alone = cells(await office.reports.evaluation(MARCH), "kapazitaet")
    await office.called(call("before", 1))
    assert cells(await office.reports.evaluation(MARCH), "kapazitaet") == alone
    await office.called(*(call(f"p{n}", **at, kind=EntryKind.PARTNER_INBOUND) for n in range(80)))
    assert cells(await office.reports.evaluation(MARCH), "kapazitaet") != alone


async def test_a_town_that_left_within_the_range_is_still_in_its_total(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    await office.called(call("a"), call("b", tenant=TenantId("gone")))
    document = await office.reports.evaluation(MARCH)
    assert [row[:2] for row in cells(document, "anrufe-kommunen")] == [
        ["Langenhagen", "1"],
        ["gone", "1"],
        ["Gesamt", "2"],
    ]


# ------------------------------------------------------------ 115


async def test_the_network_asks_for_the_last_whole_weeks(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    hotline: dict[str, Any] = {"kind": EntryKind.SERVICE_115, "queue": QueueId("115"), "tenant": UNASSIGNED}
    await office.called(
        *(call(f"in-{n}", 23, **hotline) for n in range(3)), call("late", 24, wait=30.001, **hotline), call("town")
    )
    document = await office.reports.readiness(2)
    assert document.subtitle == "2 Wochen, 16.03.2026 bis 29.03.2026"
    assert cells(document, "wochen-tabelle") == [
        ["Woche ab 16.03.2026", "0", "keine Daten"],
        ["Woche ab 23.03.2026", "4", "75,0 %"],
    ]
    found = {row[0]: row[3] for row in cells(document, "anforderungen-tabelle")}
    assert found["Annahme"] == "erfüllt"
    assert found["Erstlösung"] == found["Rückmeldung"] == "keine Daten"


async def test_a_friday_afternoon_that_nobody_serves_is_told_in_german(office: Office) -> None:
    short = Calendar(CalendarId("kurz"), "Kurz", (parse_hours("mon-thu 08:00-18:00"), parse_hours("fri 08:00-15:00")))
    base = demo_directory()
    entries = tuple(replace(e, calendar=short.id) if e.kind is EntryKind.SERVICE_115 else e for e in base.entries)
    queues = tuple(replace(q, ladder=()) for q in base.queues)
    await office.directory(
        replace(base, calendars=(*base.calendars, short), entries=entries, queues=queues),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    document = await office.reports.readiness(1)
    (hours,) = (row for row in cells(document, "anforderungen-tabelle") if row[0] == "Servicezeit")
    assert hours[2:] == ["0,0 %", "nicht erfüllt"]
    assert [row[1] for row in cells(document, "luecken-tabelle")] == ["Fr 15:00 bis 18:00 Uhr"]


# ------------------------------------------------------------ what is asked, and how it is written


@pytest.mark.parametrize(
    ("since", "until", "span"),
    [
        (None, None, ("2026-03-01", "2026-03-31")),
        ("2026-03-10", None, ("2026-03-10", "2026-04-01")),
        (None, "2026-02-10", ("2026-02-01", "2026-02-10")),
        ("2026-03-10", "2026-03-10", ("2026-03-10", "2026-03-10")),
    ],
)
def test_what_is_left_out_of_a_range_is_last_month(since: str | None, until: str | None, span: tuple[str, str]) -> None:
    first, last = (None if day is None else date.fromisoformat(day) for day in (since, until))
    found = range_of(first, last, date(2026, 4, 2))
    assert (found.since.isoformat(), found.until.isoformat()) == span


@pytest.mark.parametrize(("since", "until"), [("2026-03-02", "2026-03-01"), ("2020-01-01", "2026-01-01")])
def test_an_odd_range_is_refused(since: str, until: str) -> None:
    with pytest.raises(RangeRefused):
        Range(date.fromisoformat(since), date.fromisoformat(until))


@pytest.mark.parametrize("by", ["", "agent", "town,town", "town,day,kind,month"])
def test_an_odd_grouping_is_refused(by: str) -> None:
    with pytest.raises(RangeRefused, match="grouped by"):
        grouping(by)


async def test_half_hours_of_a_whole_year_are_refused(office: Office) -> None:
    with pytest.raises(RangeRefused, match="31 days"):
        await office.reports.calls(Range(date(2026, 1, 1), date(2026, 12, 31)), (By.HALF_HOUR,))


def test_a_spreadsheet_runs_nothing_that_a_town_is_called() -> None:
    table = Table(
        "t",
        "T",
        ("Kommune", "Wert"),
        (("=cmd|' /C calc'!A0", Value(1.5, Unit.PERCENT, 3, 200)), ("+49", Value(None, Unit.PERCENT))),
    )
    text = sheet([table])
    assert text.startswith(MARK)
    rows = list(csv.reader(io.StringIO(text.removeprefix(MARK)), delimiter=";"))
    assert rows == [
        ["Kommune", "Wert", "Wert: Zähler", "Wert: Nenner"],
        ["'=cmd|' /C calc'!A0", "1,5", "3", "200"],
        ["'+49", "keine Daten", "", ""],
    ]


def test_a_page_shows_names_and_runs_none() -> None:
    hostile = "<script>alert(1)</script>"
    assert hostile not in page(_document(hostile))
    assert "&lt;script&gt;" in page(_document(hostile))


def _document(name: str) -> Document:
    table = Table("t", name, (name, "Wert"), ((name, Value(1)),))
    return Document("d", name, name, APRIL, (Chapter("c", name, (name,), (table,)),))


def test_what_is_missing_says_why() -> None:
    assert plain(_document("x"))["chapters"][0]["tables"][0]["rows"] == [
        [
            "x",
            {"value": 1, "unit": "Anzahl", "numerator": None, "denominator": None, "missing": None, "definition": None},
        ]
    ]
    kept_back = Value(None, Unit.HOURS, missing=Missing.SUPPRESSED)
    assert "unterdrückt" in sheet([Table("t", "T", ("a", "b"), (("x", kept_back),))])


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4), st.integers(0, 3))
def test_a_german_number_is_the_rounded_number(value: Decimal, places: int) -> None:
    said = german.number(value, places)
    read = Decimal(said.replace(".", "").replace(",", "."))
    assert abs(read - value) <= Decimal(5).scaleb(-places - 1)
    whole = said.lstrip("-").split(",")[0].split(".")
    assert [len(group) for group in whole[1:]] == [3] * (len(whole) - 1)


@pytest.mark.parametrize(("value", "places", "said"), [(0.125, 2, "0,13"), (1234567.5, 0, "1.234.568"), (2.5, 0, "3")])
def test_half_is_rounded_up(value: float, places: int, said: str) -> None:
    assert german.number(value, places) == said


async def test_rows_add_up_and_every_percentage_has_its_counts(office: Office) -> None:
    await office.directory(demo_directory(), datetime(2026, 1, 1, tzinfo=UTC))
    towns: Sequence[str] = ("langenhagen", "hannover", "seelze")
    await office.called(
        *(call(f"c{n}", 2 + n % 20, wait=n * 1.7, tenant=TenantId(towns[n % 3])) for n in range(40)),
        *(lost(f"l{n}", 2 + n % 20, after=n * 2.0, tenant=TenantId(towns[n % 3])) for n in range(20)),
    )
    document = await office.reports.calls(MARCH, (By.TENANT,))
    (table,) = document.tables()
    *groups, total = table.rows
    for column, heading in enumerate(table.columns[1:], 1):
        parts = [row[column] for row in (*groups, total)]
        assert all(isinstance(cell, Value) for cell in parts)
        values = [cell for cell in parts if isinstance(cell, Value)]
        if values[0].unit is Unit.COUNT:
            assert sum(cell.value or 0 for cell in values[:-1]) == values[-1].value, heading
        for cell in values:
            if cell.unit is Unit.PERCENT and cell.value is not None:
                assert cell.numerator is not None
                assert cell.denominator
                assert cell.value == pytest.approx(100 * cell.numerator / cell.denominator)
    assert json.loads(told(document, Form.JSON))["definitions"]
