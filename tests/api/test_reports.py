"""Reports as the API tells them: to whom, about whom, and in which form."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dialog_acd.api.app import create_api
from dialog_acd.api.tokens import Role
from dialog_acd.core.model import TenantId
from dialog_acd.report.sheet import MARK
from dialog_acd.reports import NoDirectory, RangeRefused, Reports, Told
from dialog_acd.store.attendance_store import AttendanceStore
from dialog_acd.store.database import migrate, open_database
from dialog_acd.store.directory_file import DirectoryFileInvalid
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import RecordWriter
from dialog_acd.testing import ManualClock
from records import served

from .conftest import TOKEN, Centre, Folder, Twice, unsettled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dialog_acd.api.ports import Directories

    from .conftest import Archive, Book, Drawer, Press, Shelf

FORMS = ("application/json", "text/csv", "text/html")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html;q=0.1, text/csv ; Q=0.9, application/json;q=0", "text/csv"),
        ("image/png", "application/json"),
        ("text/csv;q=often,text/html;q=", "text/csv"),
        ("application/json;q=0, text/html;q=0", "application/json"),
        (",;,;q=1", "application/json"),
    ],
)
async def test_a_report_is_told_as_the_reader_likes_it(operator: httpx.AsyncClient, accept: str, media: str) -> None:
    answer = await operator.get("/api/v1/reports/calls", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == media
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("report", ["calls", "evaluation", "readiness"])
async def test_who_names_the_form_gets_it_whatever_else_is_accepted(operator: httpx.AsyncClient, report: str) -> None:
    for form, media in zip(("json", "csv", "html"), FORMS, strict=True):
        answer = await operator.get(f"/api/v1/reports/{report}?format={form}", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].split(";")[0] == media
    spreadsheet = await operator.get(f"/api/v1/reports/{report}?format=csv")
    assert spreadsheet.headers["content-disposition"] == f'attachment; filename="{report}.csv"'
    page = await operator.get(f"/api/v1/reports/{report}?format=html")
    assert "script" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Langenhagen" in page.text


async def test_what_was_asked_for_is_what_is_made(operator: httpx.AsyncClient, press: Press) -> None:
    await operator.get("/api/v1/reports/calls?from=2026-03-01&to=2026-03-31&by=town,half-hour&tenant=langenhagen")
    await operator.get("/api/v1/reports/evaluation?to=2026-03-31")
    await operator.get("/api/v1/reports/readiness?weeks=4")
    assert press.asked == [
        ("calls", date(2026, 3, 1), date(2026, 3, 31), "town,half-hour", "langenhagen"),
        ("evaluation", None, date(2026, 3, 31), None),
        ("readiness", 4),
    ]


async def test_a_town_is_told_about_itself_whatever_it_asks(
    stranger: httpx.AsyncClient, drawer: Drawer, press: Press
) -> None:
    roles = (Role.TOWN_ADMIN, Role.AUDITOR)
    for role in roles:
        drawer.give("acd_of-langenhagen-alone-" + role.value, role, "langenhagen")
    for role in roles:
        stranger.headers["Authorization"] = "Bearer acd_of-langenhagen-alone-" + role.value
        for report in ("calls", "evaluation"):
            press.asked.clear()
            assert (await stranger.get(f"/api/v1/reports/{report}")).status_code == 200
            assert press.asked[0][-1] == "langenhagen"
            for other in ("hannover", "nowhere", "unassigned"):
                answer = await stranger.get(f"/api/v1/reports/{report}?tenant={other}")
                assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-tenant")
            assert len(press.asked) == 1
        answer = await stranger.get("/api/v1/reports/readiness")
        assert (answer.status_code, answer.json()["error_id"]) == (403, "not-allowed")


@pytest.mark.parametrize("asked", ["from=yesterday", "by=town;drop", "format=pdf", "from=2026-02-30", "tenant=%00"])
async def test_what_is_no_question_is_refused_before_anything_is_counted(
    operator: httpx.AsyncClient, press: Press, asked: str
) -> None:
    answer = await operator.get(f"/api/v1/reports/calls?{asked}")
    assert answer.status_code in (404, 422)
    assert press.asked == []


async def test_a_range_that_cannot_be_is_said_in_words(operator: httpx.AsyncClient, press: Press) -> None:
    press.refuses = RangeRefused("the range has 1000 days, and may have 731: ask for a shorter one")
    answer = await operator.get("/api/v1/reports/calls?format=csv")
    assert (answer.status_code, answer.json()["error_id"]) == (422, "range-refused")
    assert "731" in answer.json()["message"]
    press.refuses = DirectoryFileInvalid(Path("version 7"), ("its label is longer than 20 letters",))
    answer = await operator.get("/api/v1/reports/calls")
    assert (answer.status_code, answer.json()["error_id"]) == (503, "directory-unreadable")
    press.refuses = NoDirectory("there is no directory yet: load one first")
    answer = await operator.get("/api/v1/reports/readiness")
    assert (answer.status_code, answer.json()["error_id"]) == (409, "no-directory")


# ------------------------------------------------------------ on a real database


@pytest.fixture
async def web(
    *, tmp_path: Path, centre: Centre, shelf: Shelf, directories: Directories, drawer: Drawer, book: Book,
    archive: Archive,
) -> AsyncIterator[httpx.AsyncClient]:  # fmt: skip
    """A centre with a month of calls: three for Langenhagen, seven for Hannover."""
    url = f"sqlite:///{tmp_path}/acd.sqlite"
    await migrate(url)
    engine = await open_database(url)
    clock = ManualClock(datetime(2026, 4, 2, 8, tzinfo=UTC))
    store = DirectoryStore(engine)
    await store.replace(centre.towns, Edit("leitstelle", datetime(2026, 1, 1, tzinfo=UTC), "agreed"))
    writer = RecordWriter(engine, tmp_path / "journal", clock.now, linger=0)
    for n in range(10):
        came = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        answered = came + timedelta(seconds=12)
        record = served(f"c{n}", t_in=came, t_q=came, t_ans=answered, t_end=answered, in_time=True)
        writer.put(replace(record, tenant=TenantId("langenhagen" if n < 3 else "hannover")))
    await writer.close(5)
    told = Told(Reports(FiguresStore(engine, clock.now), AttendanceStore(engine), store, clock.now), clock.now)
    api = create_api(
        centre, shelf, directories, readiness={}, metrics_registry=CollectorRegistry(), token=TOKEN, tokens=drawer,
        audit_log=book, repeats=Twice(), agreements=Folder(), archive=archive, told=told, settlement=unsettled(),
        now=clock.now,
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test") as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client
    await engine.dispose()


async def test_finance_opens_the_month_in_a_spreadsheet(web: httpx.AsyncClient) -> None:
    answer = await web.get("/api/v1/reports/calls?by=town,day&format=csv")
    text = answer.content.decode("utf-8")
    assert text.startswith(MARK)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(MARK)), delimiter=";"))
    assert [(row["Kommune"], row["Tag"], row["Angeboten"]) for row in rows] == [
        ("Hannover", "02.03.2026", "7"),
        ("Langenhagen", "02.03.2026", "3"),
        ("Gesamt", "", "10"),
    ]
    assert rows[0]["Annahmequote (Netz)"] == "100"
    assert (rows[0]["Annahmequote (Netz): Zähler"], rows[0]["Annahmequote (Netz): Nenner"]) == ("7", "7")


async def test_a_program_reads_names_and_what_does_not_change_with_them(web: httpx.AsyncClient) -> None:
    report = (await web.get("/api/v1/reports/calls?by=town,month")).json()
    (table,) = report["chapters"][0]["tables"]
    assert table["rows"][1][:2] == [
        {"name": "Langenhagen", "key": "langenhagen"},
        {"name": "März 2026", "key": "2026-03"},
    ]
    share = table["rows"][1][table["columns"].index("Annahmequote (Netz)")]
    assert (share["value"], share["numerator"], share["denominator"], share["unit"]) == (100, 3, 3, "%")
    assert share["definition"] in {definition["id"] for definition in report["definitions"]}


async def test_no_form_of_a_town_s_report_has_a_number_of_another(web: httpx.AsyncClient, drawer: Drawer) -> None:
    drawer.give("acd_of-langenhagen-alone", Role.TOWN_ADMIN, "langenhagen")
    web.headers["Authorization"] = "Bearer acd_of-langenhagen-alone"
    for report in ("evaluation", "calls?by=town,month", "calls?by=queue", "calls?by=half-hour"):
        answer = await web.get(f"/api/v1/reports/{report}")
        assert answer.status_code == 200
        counts = {
            cell["value"]
            for chapter in answer.json()["chapters"]
            for table in chapter["tables"]
            for row in table["rows"]
            for cell in row
            if isinstance(cell, dict) and cell.get("unit") == "Anzahl"
        }
        assert 3 in counts
        assert not counts & {7, 10}
        assert "hannover" not in {
            cell["key"]
            for chapter in answer.json()["chapters"]
            for table in chapter["tables"]
            for row in table["rows"]
            for cell in row
            if isinstance(cell, dict) and "key" in cell and not report.endswith("queue")
        }


async def test_a_town_that_has_left_is_reported_of_the_time_when_it_was_there(
    web: httpx.AsyncClient, centre: Centre, drawer: Drawer, tmp_path: Path
) -> None:
    centre.towns = less = replace(
        centre.towns,
        tenants=tuple(town for town in centre.towns.tenants if town.id != "langenhagen"),
        entries=tuple(entry for entry in centre.towns.entries if entry.tenant != "langenhagen"),
        agents=(),
    )
    engine = await open_database(f"sqlite:///{tmp_path}/acd.sqlite")
    await DirectoryStore(engine).replace(less, Edit("leitstelle", datetime(2026, 4, 1, 6, tzinfo=UTC), "left"))
    await engine.dispose()
    for report in ("calls?by=month&", "evaluation?", "calls?from=2026-03-02&to=2026-03-31&"):
        answer = await web.get(f"/api/v1/reports/{report}tenant=langenhagen")
        assert answer.status_code == 200, answer.text
        assert "Langenhagen" in answer.text
    table = list(csv.reader(io.StringIO((await web.get("/api/v1/reports/calls?tenant=langenhagen&format=csv")).text)))
    assert table[1][0].split(";")[:2] == ["Langenhagen", "3"]

    drawer.give("acd_of-hannover-alone", Role.TOWN_ADMIN, "hannover")
    drawer.give("acd_of-langenhagen-alone", Role.TOWN_ADMIN, "langenhagen")
    for token, asked, status in (
        (TOKEN, "tenant=nowhere", 404),
        (TOKEN, "tenant=langenhagen&from=2026-03-02&to=2026-04-01", 404),
        (TOKEN, "tenant=langenhagen&from=2026-04-01&to=2026-03-02", 422),
        ("acd_of-hannover-alone", "tenant=langenhagen", 404),
        ("acd_of-langenhagen-alone", "tenant=langenhagen", 200),
        ("acd_of-langenhagen-alone", "tenant=hannover", 404),
    ):
        answer = await web.get(f"/api/v1/reports/calls?{asked}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status, (token, asked)


async def test_half_hours_of_a_year_are_refused_in_words(web: httpx.AsyncClient) -> None:
    answer = await web.get("/api/v1/reports/calls?from=2026-01-01&to=2026-12-31&by=half-hour")
    assert (answer.status_code, answer.json()["error_id"]) == (422, "range-refused")
    assert "31 days" in answer.json()["message"]
    answer = await web.get("/api/v1/reports/calls?by=agent")
    assert (answer.status_code, answer.json()["error_id"]) == (422, "range-refused")
