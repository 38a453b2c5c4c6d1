"""For which town was a call, and was it a test: said over REST to a real core, of living calls and of finished ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dialog_acd.api.app import create_api
from dialog_acd.api.tokens import Role
from dialog_acd.core import messages as m
from dialog_acd.core.model import UNASSIGNED, CallId, EntryKind, TenantId
from dialog_acd.testing import LANGENHAGEN, Scenario, demo_directory
from records import served

from .conftest import TOKEN, Folder, Press, Twice, unsettled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from dialog_acd.api.ports import Directories
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.view import AcdView, CallStory
    from dialog_acd.testing import ManualClock

    from .conftest import Archive, Book, Drawer, Shelf

TOKENS = {role: f"acd_the-token-of-the-{role.value}-here" for role in Role}
TOWNS = (TenantId("hannover"), TenantId("langenhagen"))


def shared() -> Directory:
    made = demo_directory(("anna", "bert"))
    return replace(
        made,
        tenants=tuple(replace(t, code=str(n)) for n, t in enumerate(made.tenants, 1)),
        entries=tuple(replace(e, candidates=TOWNS) if e.kind is EntryKind.SERVICE_115 else e for e in made.entries),
    )


@dataclass
class RealCentre:
    """The core itself, without a loop around it."""

    sheet: Scenario = field(default_factory=lambda: Scenario(shared()))

    def view(self) -> AcdView:
        return self.sheet.acd.view()

    def directory(self) -> Directory:
        return self.sheet.acd.directory

    def story(self, call: CallId) -> CallStory | None:
        return self.sheet.acd.story(call)

    def watch(self, stir: Callable[[], None]) -> Callable[[], None]:
        return stir

    async def ask(self, signal: m.Signal) -> Sequence[m.Order | m.Notice]:
        return self.sheet.tell(signal).story[-1][2]

    async def turning(self) -> bool:
        return True


@pytest.fixture
def real() -> RealCentre:
    """Anna talks with c1, who dialled 115."""
    real = RealCentre()
    real.sheet.at("09:00:00").waits("c1", "115").after(5).talks("anna").after(60)
    return real


@pytest.fixture
async def web(
    *,
    real: RealCentre,
    shelf: Shelf,
    directories: Directories,
    drawer: Drawer,
    book: Book,
    archive: Archive,
    clock: ManualClock,
) -> AsyncIterator[httpx.AsyncClient]:
    for role, token in TOKENS.items():
        drawer.give(token, role, "langenhagen" if role is Role.TOWN_ADMIN else None)
    api = create_api(
        real, shelf, directories, readiness={}, metrics_registry=CollectorRegistry(), token=TOKEN, tokens=drawer,
        audit_log=book, repeats=Twice(), agreements=Folder(), archive=archive, told=Press(), settlement=unsettled(),
        now=clock.now,
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test") as client:
        client.headers["Authorization"] = f"Bearer {TOKENS[Role.DESK]}"
        yield client


def of(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


async def name(web: httpx.AsyncClient, call: str, tenant: str | None, role: Role = Role.DESK) -> tuple[int, str]:
    answer = await web.put(f"/api/v1/calls/{call}/town", json={"tenant": tenant}, headers=of(role))
    told = answer.json()
    if answer.status_code == 200:
        assert told == {"call": call, "tenant": tenant or "unassigned"}
    return answer.status_code, told.get("error_id", "")


def amendments(real: RealCentre) -> list[tuple[str | None, bool | None]]:
    said = [out.amendment for _, _, outs in real.sheet.story for out in outs if isinstance(out, m.AmendRecord)]
    return [(amendment.tenant, amendment.test) for amendment in said]


async def test_the_desk_sees_what_can_be_chosen_and_chooses(web: httpx.AsyncClient, real: RealCentre) -> None:
    [call] = (await web.get("/api/v1/live")).json()["calls"]
    assert (call["tenant"], call["agent"]) == ("unassigned", "anna")
    assert call["candidates"] == [
        {"tenant": "hannover", "name": "Hannover", "code": "2"},
        {"tenant": "langenhagen", "name": "Langenhagen", "code": "1"},
    ]
    assert await name(web, call["call"], "langenhagen") == (200, "")
    [call] = (await web.get("/api/v1/live")).json()["calls"]
    assert call["tenant"] == "langenhagen"
    assert real.sheet.agent_hangs_up("anna").record("c1").tenant == "langenhagen"


@pytest.mark.parametrize(
    ("call", "tenant", "status", "error_id"),
    [
        ("c1", "region", 409, "town-refused"),
        ("c1", "atlantis", 422, "no-such-town"),
        ("c1", "unassigned", 422, "no-such-town"),
        ("c9", "hannover", 404, "no-such-call"),
        ("c1", "x" * 101, 422, "not-valid"),
        ("c1", "han\nnover", 422, "not-valid"),
    ],
)
async def test_what_cannot_be_named(  # noqa: PLR0917
    web: httpx.AsyncClient, real: RealCentre, call: str, tenant: str, status: int, error_id: str
) -> None:
    assert await name(web, call, tenant) == (status, error_id)
    assert [c.tenant for c in real.view().calls] == [UNASSIGNED]


async def test_only_an_operator_names_a_town_that_is_no_candidate(web: httpx.AsyncClient, real: RealCentre) -> None:
    assert await name(web, "c1", "region", Role.SUPERVISOR) == (409, "town-refused")
    assert await name(web, "c1", "region", Role.OPERATOR) == (200, "")
    assert [c.tenant for c in real.view().calls] == ["region"]


@pytest.mark.parametrize("path", ["calls/c%001/town", "calls/c1%0A/test", "calls/%00", "calls?tenant=%00"])
async def test_no_control_character_comes_as_far_as_a_database(web: httpx.AsyncClient, path: str) -> None:
    method = "PUT" if path.endswith(("town", "test")) else "GET"
    answer = await web.request(method, f"/api/v1/{path}", json={"tenant": "hannover"}, headers=of(Role.SUPERVISOR))
    assert (answer.status_code, answer.json()["error_id"]) == (422, "not-valid")


async def test_a_body_has_to_say_something(web: httpx.AsyncClient) -> None:
    bodies: list[object] = [{}, {"town": "hannover"}, {"tenant": 7}, {"tenant": ""}, []]
    for body in bodies:
        assert (await web.put("/api/v1/calls/c1/town", json=body)).status_code == 422


async def test_a_call_that_has_just_ended_is_named_before_its_record_is_anywhere(
    web: httpx.AsyncClient, real: RealCentre, shelf: Shelf
) -> None:
    real.sheet.agent_hangs_up("anna")
    assert shelf.kept == []
    assert await name(web, "c1", "hannover") == (200, "")
    assert amendments(real) == [("hannover", None)]


async def test_an_older_call_is_named_by_its_record_for_a_day(
    web: httpx.AsyncClient, real: RealCentre, shelf: Shelf
) -> None:
    now = real.sheet.clock.now()
    nobodys = replace(served("c7", ended=now), tenant=UNASSIGNED, candidates=TOWNS)
    shelf.kept = [nobodys, served("c8", ended=now), replace(nobodys, call=CallId("c6"))]
    assert await name(web, "c7", "region") == (409, "town-refused")
    assert await name(web, "c7", "hannover") == (200, "")
    assert await name(web, "c7", None) == (200, "")
    assert await name(web, "c8", "hannover") == (409, "town-refused")  # it came by a number of Langenhagen's own
    assert await name(web, "c8", None, Role.OPERATOR) == (409, "town-refused")
    assert await name(web, "c8", "hannover", Role.OPERATOR) == (200, "")
    assert amendments(real) == [("hannover", None), ("unassigned", None), ("hannover", None)]
    real.sheet.after(24 * 3600 + 1)
    answer = await web.put("/api/v1/calls/c6/town", json={"tenant": "hannover"})
    assert (answer.status_code, answer.json()["details"]["why"]) == (409, "too-late")


async def test_an_older_call_is_marked_for_a_day(web: httpx.AsyncClient, real: RealCentre, shelf: Shelf) -> None:
    now = real.sheet.clock.now()
    shelf.kept = [served("c7", ended=now), served("c8", ended=now)]
    assert (await web.put("/api/v1/calls/c7/test", headers=of(Role.SUPERVISOR))).status_code == 200
    real.sheet.after(24 * 3600 + 1)
    for call in ("c7", "c8"):
        answer = await web.request(
            "DELETE" if call == "c7" else "PUT", f"/api/v1/calls/{call}/test", headers=of(Role.SUPERVISOR)
        )
        assert (answer.status_code, answer.json()["error_id"]) == (409, "mark-refused")
    assert amendments(real) == [(None, True)]


async def test_nobodys_calls_are_listed_for_who_sees_all_towns_and_for_no_town(
    web: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.kept = [
        replace(served("c7"), tenant=UNASSIGNED, candidates=TOWNS),
        served("c8"),
        replace(served("c9"), tenant=TenantId("hannover"), candidates=TOWNS),
    ]

    async def listed(role: Role, query: str) -> tuple[int, list[str]]:
        answer = await web.get(f"/api/v1/calls{query}", headers=of(role))
        return answer.status_code, [call["call"] for call in answer.json().get("calls", [])]

    for role in (Role.OPERATOR, Role.SUPERVISOR, Role.AUDITOR):
        assert await listed(role, "?tenant=unassigned") == (200, ["c7"])
        assert await listed(role, "?tenant=hannover") == (200, ["c9"])
    assert await listed(Role.TOWN_ADMIN, "") == (200, ["c8"])
    assert await listed(Role.TOWN_ADMIN, "?tenant=langenhagen") == (200, ["c8"])
    assert await listed(Role.TOWN_ADMIN, "?tenant=unassigned") == (404, [])
    assert (await web.get("/api/v1/calls/c7", headers=of(Role.TOWN_ADMIN))).status_code == 404
    assert (await web.get("/api/v1/calls/c7", headers=of(Role.AUDITOR))).json()["candidates"] == list(TOWNS)


async def test_a_towns_administrator_sees_a_shared_call_once_it_is_the_towns(
    web: httpx.AsyncClient, real: RealCentre
) -> None:
    async def seen(path: str = "live/calls", role: Role = Role.TOWN_ADMIN) -> list[str]:
        answer = await web.get(f"/api/v1/{path}", headers=of(role))
        return [c["call"] for c in answer.json()["calls"]]

    real.sheet.waits("c2", "115")
    for call, listed in (("c1", False), ("c2", True)):  # somebody has answered the first
        story = f"/api/v1/calls/{call}"
        for town, found in ((None, False), ("langenhagen", True), ("hannover", False)):
            await name(web, call, town)
            assert (await web.get(story, headers=of(Role.TOWN_ADMIN))).status_code == (200 if found else 404)
            assert await seen() == ([call] if found and listed else [])
            assert await seen("live/calls?tenant=langenhagen", Role.OPERATOR) == ([call] if found else [])


async def test_who_named_what_is_written_down_and_no_town_reads_of_another(web: httpx.AsyncClient, book: Book) -> None:
    await name(web, "c1", "langenhagen")
    await name(web, "c1", "hannover", Role.SUPERVISOR)
    await name(web, "c1", None)
    await name(web, "c1", "region")
    await name(web, "c1", "atlantis")
    said = [(line.who, line.action, line.about, line.outcome, line.tenant) for line in book.lines]
    assert said == [
        ("the desk", "calls.name-town", "c1", "done", "langenhagen"),
        ("the supervisor", "calls.name-town", "c1", "done", None),
        ("the desk", "calls.name-town", "c1", "done", "hannover"),
        ("the desk", "calls.name-town", "c1", "rejected", "region"),
        ("the desk", "calls.name-town", "c1", "rejected", None),
    ]
    assert [(line.details.get("before"), line.details.get("tenant")) for line in book.lines] == [
        ("unassigned", "langenhagen"),
        ("langenhagen", "hannover"),
        ("hannover", "unassigned"),
        (None, "region"),
        (None, None),
    ]


# ---------------------------------------------------------------- test calls


async def test_a_call_is_marked_as_a_test_and_back(
    web: httpx.AsyncClient, real: RealCentre, shelf: Shelf, book: Book
) -> None:
    lead = of(Role.SUPERVISOR)
    answer = await web.put("/api/v1/calls/c1/test", headers=lead)
    assert (answer.status_code, answer.json()) == (200, {"call": "c1", "test": True})
    [call] = (await web.get("/api/v1/live")).json()["calls"]
    assert call["test"] is True
    assert (await web.put("/api/v1/calls/c1/test", headers=lead)).json()["test"] is True
    assert (await web.delete("/api/v1/calls/c1/test", headers=lead)).json() == {"call": "c1", "test": False}
    assert not real.sheet.agent_hangs_up("anna").record("c1").test
    shelf.kept = [served("c8", ended=real.sheet.clock.now())]
    for call_id in ("c1", "c8"):
        assert (await web.put(f"/api/v1/calls/{call_id}/test", headers=lead)).status_code == 200
    assert amendments(real) == [(None, True), (None, True)]
    assert (await web.delete("/api/v1/calls/c9/test", headers=lead)).json()["error_id"] == "no-such-call"
    assert [(line.action, line.about, line.outcome, line.details.get("test")) for line in book.lines] == [
        ("calls.mark-test", "c1", "done", True),
        ("calls.mark-test", "c1", "done", True),
        ("calls.unmark-test", "c1", "done", False),
        ("calls.mark-test", "c1", "done", True),
        ("calls.mark-test", "c8", "done", True),
        ("calls.unmark-test", "c9", "rejected", None),
    ]


async def test_test_calls_are_in_the_lists_as_what_they_are(web: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.kept = [replace(served("c7"), test=True), served("c8")]
    calls = (await web.get("/api/v1/calls", headers=of(Role.AUDITOR))).json()["calls"]
    assert [(call["call"], call["test"]) for call in calls] == [("c8", False), ("c7", True)]


async def test_a_queue_of_several_towns_is_no_single_towns_business(web: httpx.AsyncClient, book: Book) -> None:
    await web.put("/api/v1/queues/115/switch", json={"until": "2026-03-02T17:00:00+01:00"}, headers=of(Role.SUPERVISOR))
    assert [line.tenant for line in book.lines] == [None]


async def test_the_desk_gets_what_it_must_and_nothing_else(web: httpx.AsyncClient) -> None:
    for path in ("/api/v1/calls", "/api/v1/calls/c1", "/api/v1/agents", "/api/v1/queues", "/api/v1/audit",
                 "/api/v1/directory", "/openapi.json"):  # fmt: skip
        assert (await web.get(path)).status_code == 403
    assert (await web.get("/api/v1/live")).status_code == 200
    assert "4951123559876" not in (await web.get("/api/v1/live")).text
    assert LANGENHAGEN not in (await web.get("/api/v1/live")).text
