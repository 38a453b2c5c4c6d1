"""A town goes live on a day: what is missing is told before, somebody answers for it, and the day may be moved."""

from __future__ import annotations

import asyncio
import gc
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from dialog_acd import administration
from dialog_acd.administration import Administration
from dialog_acd.api.tokens import Role
from dialog_acd.app import reload
from dialog_acd.core.model import NOT_YET, EntryKind, Prompt, PromptId, TenantId
from dialog_acd.store.database import open_database
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_store import DirectoryStore, Edit
from directories import DEMO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from dialog_acd.core.directory import Directory
    from dialog_acd.testing import ManualClock

    from .conftest import Book, Drawer

TOWN = "langenhagen"
URL = f"/api/v1/tenants/{TOWN}"
TODAY = "2026-03-02"


@pytest.fixture
def in_force() -> list[Directory]:
    """What the centre was told."""
    return []


def waiting_town() -> Directory:
    demo = read_directory(DEMO)
    prompts = (Prompt(PromptId("greeting-langenhagen"), "Gruß", "Willkommen bei der Stadt Langenhagen."),)
    tenants = tuple(replace(t, live_from=NOT_YET) if t.id == TOWN else t for t in demo.tenants)
    return replace(demo, tenants=tenants, prompts=prompts)


@pytest.fixture
async def directories(
    tmp_path: Path, migrated_file: Path, in_force: list[Directory], clock: ManualClock
) -> AsyncIterator[Administration]:
    """The real store, with a demo in which Langenhagen waits to go live."""
    path = tmp_path / "acd.sqlite"
    shutil.copy(migrated_file, path)
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    store = DirectoryStore(database)
    await store.replace(waiting_town(), Edit("setup", clock.now()))
    yield Administration(store, clock, in_force.append)
    await database.dispose()


async def gaps(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get(f"{URL}/gate")
    assert answer.status_code == 200
    return [finding["id"] for finding in answer.json()["findings"] if finding["waiver"] is None]


def waived(ids: list[str]) -> list[dict[str, str]]:
    return [{"finding": id_, "by": "A. Muster", "why": "folgt im März"} for id_ in ids]


async def test_a_town_with_gaps_does_not_go_live_and_with_somebody_who_answers_it_does(
    operator: httpx.AsyncClient, in_force: list[Directory], book: Book
) -> None:
    missing = await gaps(operator)
    assert "question:pbx" in missing
    refused = await operator.post(f"{URL}/go-live", json={"on": "2026-04-01"})
    assert (refused.status_code, refused.json()["error_id"]) == (409, "not-ready-to-go-live")
    assert [finding["id"] for finding in refused.json()["details"]["findings"]] == missing
    assert not in_force

    answer = await operator.post(f"{URL}/go-live", json={"on": "2026-04-01", "waivers": waived(missing)})
    assert answer.status_code == 200
    assert answer.json()["gate"]["go"]
    assert "tenant langenhagen: live_from not-yet becomes 2026-04-01" in answer.json()["differences"]
    (directory,) = in_force
    assert directory.tenant[next(iter(t for t in directory.tenant if t == TOWN))].live_from == date(2026, 4, 1)
    assert not await gaps(operator)
    assert [(line.action, line.tenant, line.outcome) for line in book.lines] == [
        ("tenants.go-live", TOWN, "rejected"),
        ("tenants.go-live", TOWN, "done"),
    ]


async def test_the_day_is_moved_the_evening_before_and_put_off(
    operator: httpx.AsyncClient, in_force: list[Directory], clock: ManualClock
) -> None:
    missing = await gaps(operator)
    await operator.post(f"{URL}/go-live", json={"on": "2026-04-01", "waivers": waived(missing)})
    clock.set(datetime(2026, 3, 31, 21, 50, tzinfo=UTC))  # ten to midnight in Berlin
    assert (await operator.post(f"{URL}/go-live", json={"on": "2026-05-01"})).status_code == 200
    assert in_force[-1].next_switch(clock.now()) == datetime(2026, 4, 30, 22, tzinfo=UTC)
    off = await operator.delete(f"{URL}/go-live")
    assert (off.status_code, off.json()["on"]) == (200, "2026-03-31")
    assert in_force[-1].next_switch(clock.now()) is None


async def test_a_town_goes_live_today_once_and_for_all(
    operator: httpx.AsyncClient, in_force: list[Directory], clock: ManualClock
) -> None:
    begin: dict[str, Any] = {"on": TODAY, "waivers": waived(await gaps(operator))}
    assert (await operator.post(f"{URL}/go-live", json=begin)).status_code == 200
    assert in_force[-1].entry_for("0511 7307-0", at=clock.now()).entry.tenant == TOWN
    again = await operator.post(f"{URL}/go-live", json=begin)
    assert (again.status_code, again.json()["differences"]) == (200, [])
    for answer in (
        await operator.post(f"{URL}/go-live", json=begin | {"on": "2026-04-01"}),
        await operator.delete(f"{URL}/go-live"),
    ):
        assert (answer.status_code, answer.json()["error_id"]) == (409, "day-refused")


APRIL: dict[str, Any] = {"on": "2026-04-01"}
TOWNS = "/api/v1/tenants"


@pytest.mark.parametrize(
    ("town", "body", "refusal"),
    [
        (TOWN, {"on": "2026-03-01"}, (409, "day-refused")),
        (TOWN, {"on": "tomorrow"}, (422, "not-valid")),
        (TOWN, {"on": 1775001600}, (422, "not-valid")),  # the 1st of April in seconds: a number is no day
        (TOWN, {"on": "2026-04-01T00:00:00"}, (422, "not-valid")),
        (TOWN, APRIL | {"waivers": [{"finding": "x", "by": " ", "why": "so"}]}, (422, "not-valid")),
        (TOWN, APRIL | {"waivers": [{"finding": "x", "by": "a\nb", "why": "so"}]}, (422, "not-valid")),
        ("hannover", APRIL, (409, "day-refused")),
        ("nowhere", APRIL, (404, "no-such-tenant")),
    ],
)
async def test_a_day_that_cannot_be_is_refused(
    operator: httpx.AsyncClient, in_force: list[Directory], town: str, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await operator.post(f"{TOWNS}/{town}/go-live", json=body)
    assert (answer.status_code, answer.json()["error_id"]) == refusal
    assert not in_force


async def test_a_town_sees_its_own_gaps_and_nobody_elses(operator: httpx.AsyncClient, drawer: Drawer) -> None:
    drawer.give("acd_the-token-of-the-town-hall", Role.TOWN_ADMIN, TOWN)
    operator.headers["Authorization"] = "Bearer acd_the-token-of-the-town-hall"
    assert await gaps(operator)
    answer = await operator.get("/api/v1/tenants/hannover/gate")
    assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-tenant")


async def test_who_changes_another_town_meanwhile_keeps_nobody_from_going_live(
    operator: httpx.AsyncClient,
    directories: Administration,
    in_force: list[Directory],
    monkeypatch: pytest.MonkeyPatch,
    book: Book,
) -> None:
    begin = {"on": "2026-04-01", "waivers": waived(await gaps(operator))}
    store = directories._store  # what the command line writes to
    stored = DirectoryStore.replace

    async def after_another(self: DirectoryStore, *args: Any, **more: Any) -> int:
        monkeypatch.setattr(DirectoryStore, "replace", stored)
        beside = await store.load()
        label = f"{beside.tenants[1].label}!"
        renamed = tuple(replace(t, label=label) if n == 1 else t for n, t in enumerate(beside.tenants))
        await store.replace(replace(beside, tenants=renamed), Edit("somebody", datetime(2026, 3, 2, tzinfo=UTC)))
        return await stored(self, *args, **more)

    for ask, live_from in (
        (operator.post(f"{URL}/go-live", json=begin), date(2026, 4, 1)),
        (operator.delete(f"{URL}/go-live"), NOT_YET),
    ):
        was = (await store.load()).tenants[1].label
        monkeypatch.setattr(DirectoryStore, "replace", after_another)
        answer = await ask
        assert answer.status_code == 200, answer.json()
        towns = in_force[-1].tenants
        assert {t.id: t.live_from for t in towns}[TenantId(TOWN)] == live_from
        assert towns[1].label == f"{was}!"
        assert book.lines[-1].details["version"] == await store.current()


async def test_a_signal_to_read_anew_does_not_undo_an_edit_that_came_in_between(
    directories: Administration, in_force: list[Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directories._store
    read, first_read, go_on = store.load, asyncio.Event(), asyncio.Event()

    async def slow() -> Directory:
        found = await read()
        first_read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(store, "load", slow)
    reloading = asyncio.create_task(directories.reload())
    await first_read.wait()
    edited = replace(waiting_town(), test_callers=("+493023125000",))
    editing = asyncio.create_task(directories.put(edited, "anna", "", None))
    await asyncio.wait({editing}, timeout=0.5)
    go_on.set()
    await asyncio.gather(reloading, editing)
    assert in_force[-1].test_callers == edited.test_callers


async def test_a_database_that_falls_silent_holds_nobody_up_for_ever(
    operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = {"on": "2026-04-01", "waivers": waived(await gaps(operator))}
    with monkeypatch.context() as patch:
        patch.setattr(administration, "EDIT_WITHIN", 0.05)
        patch.setattr(DirectoryStore, "in_force", lambda _: asyncio.Event().wait())
        async with asyncio.timeout(5):
            silent = await operator.post(f"{URL}/go-live", json=begin)
    assert (silent.status_code, silent.json()["error_id"]) == (503, "database-away")
    assert gc.isenabled()
    assert (await operator.post(f"{URL}/go-live", json=begin)).status_code == 200


async def test_a_town_reads_of_a_gap_without_reading_of_others(
    operator: httpx.AsyncClient, directories: Administration, drawer: Drawer, clock: ManualClock
) -> None:
    """Somebody else's agents, and who has the town's number meanwhile, are not its to know."""
    demo = waiting_town()
    queue = next(e.queue for e in demo.entries if e.tenant == TOWN and e.kind is EntryKind.MAIN_NUMBER)
    need = demo.queue[queue].steps[0].needs[0]
    able = [a for a in demo.agents if a.skills.get(need.skill, 0) >= need.level]
    one = able[0]
    agents = tuple(
        replace(a, home=TenantId("hannover"))
        if a is one
        else replace(a, skills={s: n for s, n in a.skills.items() if s != need.skill})
        if a in able
        else a
        for a in demo.agents
    )
    await directories._store.replace(replace(demo, agents=agents), Edit("setup", clock.now()))
    assert any(one.name in note for note in (await operator.get(f"{URL}/gate")).json()["notes"])

    drawer.give("acd_the-token-of-the-town-hall", Role.TOWN_ADMIN, TOWN)
    drawer.give("acd_the-token-of-a-town-that-left", Role.TOWN_ADMIN, "gone")
    operator.headers["Authorization"] = "Bearer acd_the-token-of-the-town-hall"
    told = (await operator.get(f"{URL}/gate")).json()
    assert not any(one.name in note for note in told["notes"])
    assert any("one agent alone has what its first step asks for" in note for note in told["notes"])

    operator.headers["Authorization"] = "Bearer acd_the-token-of-a-town-that-left"
    answer = await operator.get("/api/v1/tenants/gone/gate")
    assert answer.status_code == 404
    assert "hannover" not in answer.text


@pytest.mark.parametrize("whole", [True, False])
async def test_an_edit_whose_answer_got_lost_is_in_force_once_it_is_sent_again(
    operator: httpx.AsyncClient, in_force: list[Directory], monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    stored = DirectoryStore.replace

    async def and_away(self: DirectoryStore, *args: Any, **more: Any) -> int:
        await stored(self, *args, **more)
        raise ConnectionResetError

    async def edit() -> httpx.Response:
        if not whole:
            change = {"label": "LGH!"}
            return await operator.patch(f"/api/v1/directory/tenants/{TOWN}", headers={"If-Match": "*"}, json=change)
        directory = (await operator.get("/api/v1/directory")).json()["directory"]
        next(t for t in directory["tenants"] if t["id"] == TOWN)["label"] = "LGH!"
        return await operator.put("/api/v1/directory", headers={"If-Match": "*"}, json=directory)

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "replace", and_away)
        assert (await edit()).json()["error_id"] == "database-away"
    assert not in_force
    again = await edit()
    assert (again.status_code, again.json()["differences"]) == (200, [])
    assert [d.tenant[TenantId(TOWN)].label for d in in_force] == ["LGH!"]
    await edit()
    assert len(in_force) == 1


async def test_a_signal_while_the_database_is_away_is_answered_in_the_log(
    directories: Administration, in_force: list[Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> Directory:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(DirectoryStore, "load", away)
    with capture_logs() as lines:
        await reload(directories)
    assert [(line["event"], line["why"]) for line in lines] == [("directory.kept", "nobody listens")]
    assert not in_force
