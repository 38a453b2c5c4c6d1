"""Who may what: every route and every role, and what each sees of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from structlog.testing import capture_logs

from dialog_acd.administration import name_of
from dialog_acd.api.access import require_declarations
from dialog_acd.api.tokens import LEADING, Role, digest, new_token
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.gate import gate
from dialog_acd.core.model import (
    NOT_YET,
    AgentId,
    CalendarId,
    CallId,
    FailsafeProfile,
    PartnerId,
    Phone,
    Prompt,
    PromptId,
    QueueId,
    Skill,
    SkillId,
    Statistics,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Trunk,
)
from dialog_acd.store.directory_plain import plain, whole
from dialog_acd.testing import demo_agent
from records import served

from .conftest import TOKEN, Cabinet, agent_view, with_policy

if TYPE_CHECKING:
    from dialog_acd.testing import ManualClock

    from .conftest import Archive, Book, Centre, Drawer, Folder, Shelf

OPERATOR, TOWN_ADMIN, SUPERVISOR, AUDITOR = Role.OPERATOR, Role.TOWN_ADMIN, Role.SUPERVISOR, Role.AUDITOR
DESK = Role.DESK
AGENT, COUNCIL = Role.AGENT, Role.STAFF_COUNCIL
ALL = {OPERATOR, TOWN_ADMIN, SUPERVISOR, AUDITOR}
"""All people who run the centre, or look over it. The desk is a program, and gets what it must; an agent what is about
themselves; the staff council what is about people."""
LOCKED: dict[tuple[str, str], set[Role]] = {
    ("GET", "/openapi.json"): ALL,
    ("GET", "/api/v1/live"): {*ALL, DESK},
    ("GET", "/api/v1/live/calls"): {*ALL, DESK},
    ("GET", "/api/v1/live/stream"): {*ALL, DESK},
    ("GET", "/api/v1/queues"): ALL,
    ("PUT", "/api/v1/queues/{queue}/switch"): {OPERATOR, SUPERVISOR},
    ("DELETE", "/api/v1/queues/{queue}/switch"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/switches"): ALL,
    ("PUT", "/api/v1/message"): {OPERATOR, SUPERVISOR},
    ("DELETE", "/api/v1/message"): {OPERATOR, SUPERVISOR},
    ("PUT", "/api/v1/queues/{queue}/message"): {OPERATOR, SUPERVISOR},
    ("DELETE", "/api/v1/queues/{queue}/message"): {OPERATOR, SUPERVISOR},
    ("PUT", "/api/v1/entries/{number}/message"): {OPERATOR, SUPERVISOR},
    ("DELETE", "/api/v1/entries/{number}/message"): {OPERATOR, SUPERVISOR},
    ("PUT", "/api/v1/entries/{number}/closure"): {OPERATOR, SUPERVISOR, TOWN_ADMIN},
    ("DELETE", "/api/v1/entries/{number}/closure"): {OPERATOR, SUPERVISOR, TOWN_ADMIN},
    ("GET", "/api/v1/agents"): ALL,
    ("GET", "/api/v1/agents/{agent}"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/agents/{agent}/figures"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/me/figures"): {AGENT},
    ("GET", "/api/v1/policy"): {*ALL, AGENT, COUNCIL},
    ("GET", "/api/v1/releases"): {OPERATOR, SUPERVISOR, COUNCIL},
    ("POST", "/api/v1/releases"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/releases/{release}"): {OPERATOR, SUPERVISOR, COUNCIL},
    ("POST", "/api/v1/releases/{release}/agree"): {COUNCIL},
    ("POST", "/api/v1/releases/{release}/revoke"): {OPERATOR, SUPERVISOR, COUNCIL},
    ("POST", "/api/v1/agents/{agent}/sign-in"): {OPERATOR, SUPERVISOR},
    ("POST", "/api/v1/agents/{agent}/sign-out"): {OPERATOR, SUPERVISOR},
    ("POST", "/api/v1/agents/{agent}/ready"): {OPERATOR, SUPERVISOR},
    ("POST", "/api/v1/agents/{agent}/not-ready"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/calls"): ALL,
    ("GET", "/api/v1/calls/{call}"): ALL,
    ("PUT", "/api/v1/calls/{call}/town"): {OPERATOR, SUPERVISOR, DESK},
    ("PUT", "/api/v1/calls/{call}/test"): {OPERATOR, SUPERVISOR},
    ("DELETE", "/api/v1/calls/{call}/test"): {OPERATOR, SUPERVISOR},
    ("GET", "/api/v1/calls/{call}/decisions"): ALL,
    ("GET", "/api/v1/resolve"): ALL,
    ("GET", "/api/v1/directory"): {OPERATOR, SUPERVISOR, AUDITOR},
    ("PUT", "/api/v1/directory"): {OPERATOR},
    ("GET", "/api/v1/directory/versions"): {OPERATOR, SUPERVISOR, AUDITOR},
    ("POST", "/api/v1/directory/versions/{version}/rollback"): {OPERATOR},
    ("GET", "/api/v1/directory/test-callers"): {OPERATOR, SUPERVISOR, AUDITOR},
    ("PUT", "/api/v1/directory/test-callers"): {OPERATOR},
    ("GET", "/api/v1/tenants/{tenant}/gate"): ALL,
    ("POST", "/api/v1/tenants/{tenant}/go-live"): {OPERATOR},
    ("DELETE", "/api/v1/tenants/{tenant}/go-live"): {OPERATOR},
    ("GET", "/api/v1/reports/calls"): ALL,
    ("GET", "/api/v1/reports/evaluation"): ALL,
    ("GET", "/api/v1/reports/readiness"): {OPERATOR, SUPERVISOR, AUDITOR},
    ("GET", "/api/v1/audit"): {OPERATOR, TOWN_ADMIN, AUDITOR, COUNCIL},
    ("GET", "/api/v1/statements/{month}"): {OPERATOR, TOWN_ADMIN, AUDITOR},
    ("POST", "/api/v1/statements/{month}/issue"): {OPERATOR},
    ("POST", "/api/v1/recordings"): {OPERATOR, TOWN_ADMIN},
    ("GET", "/api/v1/recordings"): ALL,
    ("GET", "/api/v1/recordings/{digest}"): ALL,
    ("GET", "/api/v1/recordings/{digest}/audio"): ALL,
}
RESOURCES: dict[str, tuple[set[Role], set[Role], set[Role]]] = {
    # who reads; who changes one; who makes one and takes it away
    "tenants": (ALL, {OPERATOR, TOWN_ADMIN}, {OPERATOR}),
    "entries": (ALL, {OPERATOR, TOWN_ADMIN}, {OPERATOR}),
    "calendars": (ALL, {OPERATOR, TOWN_ADMIN}, {OPERATOR, TOWN_ADMIN}),
    "prompts": (ALL, {OPERATOR, TOWN_ADMIN}, {OPERATOR, TOWN_ADMIN}),
    "queues": (ALL, {OPERATOR}, {OPERATOR}),
    "agents": (ALL, {OPERATOR}, {OPERATOR}),
    "trunks": (ALL - {TOWN_ADMIN}, {OPERATOR}, {OPERATOR}),
    "teams": (ALL - {TOWN_ADMIN}, {OPERATOR}, {OPERATOR}),
    "skills": (ALL - {TOWN_ADMIN}, {OPERATOR}, {OPERATOR}),
    "partners": (ALL - {TOWN_ADMIN}, {OPERATOR}, {OPERATOR}),
    "failsafe-profiles": (ALL - {TOWN_ADMIN}, {OPERATOR}, {OPERATOR}),
}
for _kind, (_read, _change, _make) in RESOURCES.items():
    _all, _one = (
        f"/api/v1/directory/{_kind}",
        f"/api/v1/directory/{_kind}/{{{'number' if _kind == 'entries' else 'id'}}}",
    )
    LOCKED |= {("GET", _all): _read, ("POST", _all): _make, ("GET", _one): _read}
    LOCKED |= {("PUT", _one): _change, ("PATCH", _one): _change, ("DELETE", _one): _make}
OPEN = {
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    # The same in every installation; the document that the page shows needs a token.
    ("GET", "/docs"),
    ("GET", "/docs/{asset}"),
}
GOES_LIVE = {("POST", "/api/v1/tenants/{tenant}/go-live")}
BODIES: dict[str, dict[str, str]] = {
    "/api/v1/calls/{call}/town": {"tenant": "langenhagen"},
    **{
        path: {"until": "2026-03-02T17:00:00+01:00", "prompt": "storm-warning"}
        for _, path in LOCKED
        if path.endswith("/message")
    },
}
TOWN, NUMBER = "langenhagen", "%2B495117307"
TOKENS = {role: f"acd_the-token-of-the-{role.value}-here" for role in Role}


ASKED = {
    "/api/v1/resolve": "?called=0511 7307-0",
    "/api/v1/live/stream": "?events=1",
    "/api/v1/agents/{agent}/figures": "?month=2026-03",
    "/api/v1/me/figures": "?month=2026-03",
}
"""What a route cannot do without, or would not end without."""


def where(method: str, path: str) -> str:
    id_ = SPARE if method == "DELETE" else MEANT.get(path.split("/")[4] if "{id}" in path else "", SPARE)
    number = "%2B49511999" if method == "DELETE" and "/directory/" in path else "%2B495117307"
    sound = hashlib.sha256(b"RIFF").hexdigest()
    named = {
        "agent": "anna",
        "asset": "docs.js",
        "call": "c1",
        "queue": TOWN,
        "tenant": TOWN,
        "version": 1,
        "month": "2026-02",
        "release": 2 if path.endswith("/agree") else 1,
    }
    return path.format(**named, digest=sound, id=id_, number=number) + ASKED.get(path, "")


UNCHANGED = {"/api/v1/directory", "/api/v1/directory/versions/{version}/rollback"}
"""What is asked for there is what there is."""
NAMING = ("/api/v1/calls", "/api/v1/live", "/api/v1/agents")
"""Who leads the day is told of people by name there, and that is written down."""
SPARE = "spare"
"""A thing of each kind that nothing names; the town's own where a thing has a town."""
MEANT = {"tenants": TOWN, "queues": TOWN, "agents": "anna"}
"""Other things that are meant, so that a town sees them."""


def told_to(method: str, path: str, cabinet: Cabinet) -> Any:
    """A body that changes something of the town's own."""
    if method == "PUT" and not path.startswith("/api/v1/directory"):
        return BODIES.get(path, {"until": "2026-03-02T17:00:00+01:00"})
    if path == "/api/v1/releases":
        return {"kind": "policy", "tenant": TOWN, "level": "own", "purpose": "a test", "until": "2026-03-31"}
    if path == "/api/v1/directory":
        return json.loads(json.dumps(plain(cabinet.kept[-1][1]), default=str)) if method == "PUT" else None
    if (method, path) in GOES_LIVE:
        missing = gate(cabinet.kept[-1][1], TenantId(TOWN), date(2026, 4, 1)).missing
        waivers = [{"finding": finding.id, "by": "A. Muster", "why": "later"} for finding in missing]
        return {"on": "2026-04-01", "waivers": waivers}
    if path.endswith("test-callers"):
        return {"test_callers": ["+493023125000"]}
    kind = path.split("/")[4] if path.startswith("/api/v1/directory/") else ""
    if method not in ("POST", "PUT", "PATCH") or kind not in RESOURCES:
        return None
    changes: dict[str, dict[str, Any]] = {
        "tenants": {"answers": {"pbx": "Innovaphone"}},
        "entries": {"closed": "acd/away"},
        "trunks": {"area_code": "5130"},
        "failsafe-profiles": {"group": "centre"},
    }
    change = changes.get(kind, {"name": "other"})
    if method == "PATCH":
        return change
    directory = cabinet.kept[-1][1]
    name = {"tenants": TOWN, "queues": TOWN, "agents": "anna", "entries": "+495117307"}.get(kind, SPARE)
    said = next(whole(t) for t in getattr(directory, kind.replace("-", "_")) if name_of(t) == name)
    if method == "PUT":
        return {**said, **change}
    new = {"entries": {"number": "+4951177777"}, "agents": {"id": "new", "phone": "phone-new"}}
    named = "name" if kind in ("trunks", "failsafe-profiles") else "id"
    return {**said, **new.get(kind, {named: "new"})}


@pytest.fixture
def cabinet(centre: Centre) -> Cabinet:
    town, before = TenantId(TOWN), centre.towns
    entry = next(e for e in before.entries if e.tenant == town)
    return Cabinet(
        replace(
            before,
            tenants=(
                *(replace(t, live_from=NOT_YET) if t.id == town else t for t in before.tenants),
                Tenant(TenantId(SPARE), SPARE, SPARE),
            ),
            entries=(*before.entries, replace(entry, number="+49511999")),
            calendars=(Calendar(CalendarId(SPARE), SPARE, (parse_hours("daily 08:00-18:00"),), tenant=town),),
            prompts=(Prompt(PromptId(SPARE), SPARE, "Guten Tag.", tenant=town),),
            queues=(*before.queues, replace(before.queues[0], id=QueueId(SPARE))),
            agents=(*before.agents, replace(before.agents[0], id=AgentId(SPARE), phone=Phone("phone-spare"))),
            trunks=(*before.trunks, Trunk(SPARE)),
            teams=(Team(TeamId(SPARE), SPARE),),
            skills=(*before.skills, Skill(SkillId(SPARE), SPARE)),
            partners=(*before.partners, replace(before.partners[0], id=PartnerId(SPARE))),
            failsafe_profiles=(*before.failsafe_profiles, FailsafeProfile(SPARE, SPARE)),
        )
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def everybody(drawer: Drawer) -> Drawer:
    for role, token in TOKENS.items():
        drawer.give(token, role, TOWN if role is Role.TOWN_ADMIN else None)
    return drawer


@pytest.fixture
def town(stranger: httpx.AsyncClient, everybody: Drawer) -> httpx.AsyncClient:
    """Langenhagen's administrator."""
    stranger.headers.update(bearer(TOKENS[TOWN_ADMIN]))
    return stranger


# ---------------------------------------------------------------- the table


def test_every_route_is_in_the_table(api: FastAPI) -> None:
    there = {
        (method, str(route.path)) for route in iter_route_contexts(api.routes) for method in route.methods or {"?"}
    }
    assert there == {*LOCKED, *OPEN}


@pytest.mark.parametrize(("method", "path"), LOCKED)
@pytest.mark.parametrize("role", Role)
async def test_a_role_may_what_the_table_says_and_nothing_else(
    *,
    stranger: httpx.AsyncClient,
    everybody: Drawer,
    centre: Centre,
    shelf: Shelf,
    book: Book,
    cabinet: Cabinet,
    archive: Archive,
    folder: Folder,
    method: str,
    path: str,
    role: Role,
) -> None:
    shelf.kept = [replace(served("c1"), tenant=TenantId(TOWN))]
    centre.towns = with_policy(centre.towns, Statistics.RELEASED)
    folder.release("anna")
    folder.release("anna")
    folder.kept[1] = replace(folder.kept[1], agreed=None)
    if method == "GET":
        await archive.take(b"RIFF", name="", by="somebody", tenant=None)
    sent: dict[str, Any] = {"json": told_to(method, path, cabinet)}
    headers = bearer(TOKENS[role]) | {"If-Match": "*"}
    if path.endswith("/recordings") and method == "POST":
        sent, headers = {"content": b"RIFF"}, headers | {"Content-Type": "audio/wav"}
    before = centre.seen
    answer = await stranger.request(method, where(method, path), headers=headers, **sent)
    if role in LOCKED[method, path]:
        assert answer.status_code in (200, 201), answer.text
        changes = method != "GET" and "/directory/" in path and path not in UNCHANGED
        assert len(cabinet.kept) == (2 if changes or (method, path) in GOES_LIVE else 1)
        told = path.endswith("{agent}/figures") or (role in LEADING and path.startswith(NAMING))
        assert [line.outcome for line in book.lines] == ([] if method == "GET" and not told else ["done"])
    else:
        assert (answer.status_code, answer.json()["error_id"]) == (403, "not-allowed")
        assert set(answer.json()["details"]["allowed"]) == {r.value for r in LOCKED[method, path]}
        assert (centre.told, centre.seen, len(cabinet.kept)) == ([], before, 1)
        [line] = book.lines
        assert (line.who, line.role, line.outcome) == (f"the {role}", role, "refused")
        assert line.tenant == (TOWN if role is TOWN_ADMIN else None)


@pytest.mark.parametrize(("method", "path"), LOCKED)
async def test_without_a_token_nothing_is_told_and_nothing_done_and_it_is_noted(
    *, stranger: httpx.AsyncClient, everybody: Drawer, centre: Centre, book: Book, method: str, path: str
) -> None:
    headers: list[dict[str, Any]] = [
        {},
        bearer("wrong-token-of-some-length"),
        bearer(TOKEN[:-1]),
        bearer(f"{TOKEN}x"),
        {"Authorization": f"Basic {TOKEN}"},
        bearer(""),
        {"Authorization": TOKEN},
        {"Authorization": b"Bearer \xff\xe4\xf6"},
        bearer(digest(TOKENS[OPERATOR])),  # whoever has stolen the table has no token
    ]
    for header in headers:
        answer = await stranger.request(method, where(method, path), headers=header)
        assert (answer.status_code, answer.json()["error_id"]) == (401, "not-authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert centre.told == []
    assert len(book.lines) == len(headers)
    for line in book.lines:
        assert (line.who, line.role, line.tenant, line.outcome) == ("nobody", "", None, "refused")
        assert line.details == {"method": method, "status": 401, "from": "127.0.0.1"}


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
async def test_what_watches_over_us_needs_no_token(
    stranger: httpx.AsyncClient, book: Book, method: str, path: str
) -> None:
    assert (await stranger.request(method, where(method, path))).status_code == 200
    assert book.lines == []


async def test_the_contract_says_which_routes_want_a_token(operator: httpx.AsyncClient) -> None:
    paths = (await operator.get("/openapi.json")).json()["paths"]
    locked = {(m.upper(), path) for path, ways in paths.items() for m, way in ways.items() if way.get("security")}
    assert locked == set(LOCKED) - {("GET", "/openapi.json")}
    assert all({"401", "403"} <= set(paths[path][method.lower()]["responses"]) for method, path in locked)


def test_a_route_that_declares_nobody_ends_the_start() -> None:
    forgotten = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @forgotten.get("/api/v1/secrets")
    async def secrets() -> None: ...

    with pytest.raises(RuntimeError, match="/api/v1/secrets has to declare who may use it"):
        require_declarations(forgotten.routes)


def test_also_one_that_cannot_declare() -> None:
    with pytest.raises(RuntimeError, match=r"openapi\.json: only routes of FastAPI"):
        require_declarations(FastAPI(docs_url=None, redoc_url=None).routes)


# ---------------------------------------------------------------- one town


async def test_a_town_sees_its_own_calls_and_no_others(town: httpx.AsyncClient, shelf: Shelf) -> None:
    ours, theirs = TenantId(TOWN), TenantId("hannover")
    shelf.kept = [replace(served(f"c{n}"), tenant=ours if n % 2 else theirs) for n in range(6)]
    first = (await town.get("/api/v1/calls?limit=2")).json()
    rest = (await town.get(f"/api/v1/calls?before={first['next']}")).json()
    assert [c["call"] for c in first["calls"] + rest["calls"]] == ["c5", "c3", "c1"]
    assert (await town.get("/api/v1/calls/c1")).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/calls/{}", "/api/v1/calls/{}/decisions", "/api/v1/calls?before={}"])
async def test_another_towns_call_is_not_there_in_the_very_same_words(
    town: httpx.AsyncClient, shelf: Shelf, path: str
) -> None:
    shelf.kept = [replace(served("c2"), tenant=TenantId("hannover"))]
    theirs, none = await town.get(path.format("c2")), await town.get(path.format("c9"))
    assert theirs.status_code == none.status_code == 404
    assert theirs.text.replace("c2", "c9") == none.text


async def test_a_towns_part_of_the_picture(town: httpx.AsyncClient, centre: Centre) -> None:
    queue, call = centre.seen.queues[0], centre.seen.calls[0]
    centre.seen = replace(
        centre.seen,
        queues=(queue, replace(queue, id=QueueId("hannover")), replace(queue, id=QueueId("115"))),
        calls=(call, replace(call, id=CallId("c2"), tenant=TenantId("hannover"))),
    )
    theirs = [agent_view(who) for who in ("anna", "dora", "emil", "fritz", "gitta")]
    at_home = [replace(demo_agent(agent.id), home=TenantId(TOWN)) for agent in theirs[1:]]
    centre.towns = replace(centre.towns, agents=(*centre.towns.agents, *at_home))
    centre.seen = replace(centre.seen, agents=(*centre.seen.agents[1:], *theirs))
    live = (await town.get("/api/v1/live")).json()
    assert [q["id"] for q in live["queues"]] == [TOWN]
    assert live["agents"] == []
    assert live["agents_by_state"] == {"available": 5}  # who sits in the centre is not the town's staff
    assert [c["tenant"] for c in live["calls"]] == [TOWN]
    assert (await town.get("/api/v1/queues")).json()["queues"] == live["queues"]
    assert (await town.get("/api/v1/agents")).json()["agents"] == live["agents"]
    assert (await town.get("/api/v1/agents")).json()["by_state"] == live["agents_by_state"]


async def test_a_queue_that_a_town_shares_is_in_its_picture(town: httpx.AsyncClient, centre: Centre) -> None:
    queue = centre.seen.queues[0]
    centre.seen = replace(centre.seen, queues=(replace(queue, id=QueueId("hannover")),))
    entries = [replace(e, queue=QueueId("hannover")) if e.tenant == TenantId(TOWN) else e for e in centre.towns.entries]
    centre.towns = replace(centre.towns, entries=tuple(entries))
    assert [q["id"] for q in (await town.get("/api/v1/queues")).json()["queues"]] == ["hannover"]


async def test_an_auditor_may_be_one_towns(stranger: httpx.AsyncClient, drawer: Drawer, shelf: Shelf) -> None:
    drawer.give("acd_auditor-of-one-town", AUDITOR, TOWN)
    shelf.kept = [replace(served("c2"), tenant=TenantId("hannover"))]
    stranger.headers.update(bearer("acd_auditor-of-one-town"))
    assert (await stranger.get("/api/v1/calls")).json()["calls"] == []
    assert (await stranger.get("/api/v1/calls/c2")).status_code == 404


# ---------------------------------------------------------------- tokens


def test_tokens_are_long_random_and_recognised_as_what_they_are() -> None:
    some = {new_token() for _ in range(100)}
    assert len(some) == 100
    assert all(token.startswith("acd_") and len(token) == 47 for token in some)


async def test_a_token_ends_when_it_expires(stranger: httpx.AsyncClient, drawer: Drawer, clock: ManualClock) -> None:
    drawer.give("acd_until-one-oclock", SUPERVISOR, until=clock.now() + timedelta(hours=1))
    stranger.headers.update(bearer("acd_until-one-oclock"))
    clock.advance(3599.9)
    assert (await stranger.get("/api/v1/live")).status_code == 200
    clock.advance(0.1)
    assert (await stranger.get("/api/v1/live")).status_code == 401


async def test_a_revoked_token_ends_within_seconds_and_a_new_one_begins_at_once(
    stranger: httpx.AsyncClient, drawer: Drawer, clock: ManualClock
) -> None:
    drawer.give("acd_the-old-one-here", SUPERVISOR)
    assert (await stranger.get("/api/v1/live", headers=bearer("acd_the-old-one-here"))).status_code == 200
    drawer.kept.clear()
    drawer.give("acd_the-new-one-here", SUPERVISOR)
    clock.advance(1)
    assert (await stranger.get("/api/v1/live", headers=bearer("acd_the-new-one-here"))).status_code == 200
    assert (await stranger.get("/api/v1/live", headers=bearer("acd_the-old-one-here"))).status_code == 401


async def test_revoked_and_nobody_else_asks(stranger: httpx.AsyncClient, drawer: Drawer, clock: ManualClock) -> None:
    drawer.give("acd_the-only-one-here", SUPERVISOR)
    stranger.headers.update(bearer("acd_the-only-one-here"))
    assert (await stranger.get("/api/v1/live")).status_code == 200
    drawer.kept.clear()
    clock.advance(5)
    assert (await stranger.get("/api/v1/live")).status_code == 401


async def test_requests_cost_the_database_next_to_nothing_whoever_asks(
    stranger: httpx.AsyncClient, everybody: Drawer, clock: ManualClock
) -> None:
    for n in range(200):
        token = TOKENS[SUPERVISOR] if n % 2 else f"acd_guess-number-{n}-of-many"
        answer = await stranger.get("/api/v1/live", headers=bearer(token))
        assert answer.status_code == (200 if n % 2 else 401)
        clock.advance(0.02)
    assert everybody.looked <= 4 / 0.5 + 1


async def test_a_database_that_is_away_locks_nobody_out_at_once(
    stranger: httpx.AsyncClient, everybody: Drawer, clock: ManualClock, book: Book
) -> None:
    async def asks(token: str) -> int:
        with capture_logs():
            return (await stranger.post("/api/v1/agents/anna/ready", headers=bearer(token))).status_code

    assert await asks(TOKENS[SUPERVISOR]) == 200
    everybody.locked = ConnectionError("gone")
    clock.advance(59)
    assert (await asks(TOKENS[SUPERVISOR]), await asks("acd_somebody-else-here")) == (200, 401)
    clock.advance(2)
    assert (await asks(TOKENS[SUPERVISOR]), await asks(TOKEN)) == (503, 200)
    assert [(line.who, line.outcome) for line in book.lines][-2:] == [("nobody", "refused"), ("admin", "done")]
    everybody.locked = None
    clock.advance(1)
    assert await asks(TOKENS[SUPERVISOR]) == 200


@pytest.mark.parametrize(
    ("role", "tenant"),
    [
        ("emperor", None),
        ("town-admin", None),
        ("town-admin", ""),
        (OPERATOR, TOWN),
        (DESK, TOWN),
        (AUDITOR, "unassigned"),
    ],
)
async def test_a_row_that_nobody_of_ours_has_written_opens_nothing(
    stranger: httpx.AsyncClient, drawer: Drawer, role: str, tenant: str | None
) -> None:
    drawer.give("acd_written-by-somebody", role, tenant)
    with capture_logs():
        answer = await stranger.get("/api/v1/live", headers=bearer("acd_written-by-somebody"))
    assert answer.status_code == 401


# ---------------------------------------------------------------- the audit log


async def test_a_supervisors_morning_in_the_book(
    stranger: httpx.AsyncClient, everybody: Drawer, centre: Centre, book: Book
) -> None:
    stranger.headers.update(bearer(TOKENS[SUPERVISOR]))
    await stranger.post("/api/v1/agents/anna/not-ready", json={"why": "at the doctor's"})
    await stranger.put("/api/v1/queues/langenhagen/switch", json={"until": "2026-03-02T17:00:00+01:00"})
    await stranger.post("/api/v1/agents/nobody-here/ready")
    await stranger.put("/api/v1/queues/langenhagen/switch", json={"until": "later"})
    centre.broken = RuntimeError("inside")
    with capture_logs():
        await stranger.delete("/api/v1/queues/hannover/switch")
    who = "the supervisor"
    assert book.told() == [
        (who, "agents.not-ready", "anna", "done"),
        (who, "queues.switch-over", TOWN, "done"),
        (who, "agents.ready", "nobody-here", "rejected"),
        (who, "queues.switch-over", TOWN, "rejected"),
        (who, "queues.switch-back", "hannover", "uncertain"),
    ]
    assert [line.tenant for line in book.lines] == [TOWN, TOWN, None, None, "hannover"]
    assert book.lines[1].details == {
        "method": "PUT",
        "status": 200,
        "token": "id-2",
        "until": "2026-03-02T16:00:00+00:00",
    }
    assert "doctor" not in str(book.lines)


async def test_reading_is_not_written_down(operator: httpx.AsyncClient, book: Book) -> None:
    await operator.get("/api/v1/calls")
    await operator.get("/api/v1/nothing")
    assert book.lines == []


async def test_neither_tokens_nor_numbers_nor_line_breaks_come_into_the_book(
    stranger: httpx.AsyncClient, book: Book
) -> None:
    lost = new_token()
    await stranger.post(
        f"/api/v1/agents/{lost}%0Aroot%00{'x' * 300}/ready?caller=%2B4951112345678", headers=bearer(lost)
    )
    [line] = book.lines
    assert (line.who, line.outcome) == ("nobody", "refused")
    assert line.about.startswith("acd_***\ufffdroot\ufffdxxx")
    assert len(line.about) == 200
    assert lost not in str(line)
    assert "4951112345678" not in str(line)


def caller_at(api: FastAPI, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api, client=(address, 4711)), base_url="http://acd.test")


async def test_a_thousand_wrong_tokens_are_eleven_lines(
    api: FastAPI, operator: httpx.AsyncClient, book: Book, clock: ManualClock
) -> None:
    """And whoever else tries meanwhile is told of all the same, and whoever holds a token is not kept waiting."""
    async with caller_at(api, "10.0.0.7") as loud, caller_at(api, "10.0.0.9") as quiet:
        for n in range(1000):
            assert (await loud.get("/api/v1/live", headers=bearer(f"acd_guess-number-{n}"))).status_code == 401
            clock.advance(0.05)
        await quiet.get("/api/v1/live", headers=bearer("acd_one-guess-only"))
        # The right token from the very address is no guess.
        assert (await loud.post("/api/v1/agents/anna/ready", headers=bearer(TOKEN))).status_code == 200
        assert [line.details.get("from") for line in book.lines] == ["10.0.0.7"] * 10 + ["10.0.0.9", None]
        clock.advance(10)
        await loud.get("/api/v1/live", headers=bearer("acd_the-next-minute"))
    more, next_one = book.lines[12:]
    assert (more.who, more.action, more.outcome, more.tenant) == ("nobody", "api.refuse-more", "refused", None)
    assert more.details == {"attempts": 990, "since": "2026-03-02T11:00:00+00:00", "from": {"10.0.0.7": 990}}
    assert (next_one.action, next_one.at) == ("live.picture", clock.now())


async def test_whoever_reads_the_book_finds_the_count_there(
    operator: httpx.AsyncClient, stranger: httpx.AsyncClient, book: Book, clock: ManualClock
) -> None:
    for _ in range(15):
        await stranger.get("/api/v1/live", headers=bearer("acd_wrong-again"))
    assert len(book.lines) == 10
    clock.advance(60)
    lines = (await operator.get("/api/v1/audit")).json()["lines"]
    assert [line["details"].get("attempts") for line in lines] == [5] + [None] * 10


async def test_a_stranger_with_many_addresses_fills_neither_the_book_nor_the_memory(
    api: FastAPI, operator: httpx.AsyncClient, book: Book, clock: ManualClock
) -> None:
    for n in range(500):
        async with caller_at(api, f"2001:db8::{n:x}") as stranger:
            await stranger.get("/api/v1/live")
    assert len(book.lines) == 30
    assert len(api.state.strangers._attempts) <= 101
    clock.advance(60)
    await operator.get("/health/live")
    more = book.lines[-1].details
    assert more["attempts"] == 470
    assert len(more["from"]) == 10
    assert more["from"]["others"] == 400


async def test_what_was_counted_is_told_when_the_service_stops(
    api: FastAPI, stranger: httpx.AsyncClient, book: Book
) -> None:
    for _ in range(12):
        await stranger.get("/api/v1/live")
    api.state.strangers.tell()
    assert book.lines[-1].details["attempts"] == 2
    api.state.strangers.tell()
    assert len(book.lines) == 11


async def test_what_somebody_of_ours_does_is_never_counted_only(
    stranger: httpx.AsyncClient, everybody: Drawer, book: Book
) -> None:
    for _ in range(40):
        await stranger.post("/api/v1/agents/anna/ready", headers=bearer(TOKENS[AUDITOR]))
    assert [line.outcome for line in book.lines] == ["refused"] * 40


async def test_the_book_is_read_in_pages_and_a_town_reads_its_own(
    stranger: httpx.AsyncClient, everybody: Drawer, book: Book
) -> None:
    for n in range(5):
        await stranger.post(f"/api/v1/agents/{'anna' if n % 2 else 'bert'}/ready", headers=bearer(TOKENS[OPERATOR]))

    async def read(token: str, **params: Any) -> tuple[list[int], int | None]:
        page = (await stranger.get("/api/v1/audit", params=params, headers=bearer(token))).json()
        return [line["id"] for line in page["lines"]], page["next"]

    assert await read(TOKENS[AUDITOR], limit=3) == ([5, 4, 3], 3)
    assert await read(TOKENS[AUDITOR], limit=3, before=3) == ([2, 1], None)
    assert await read(TOKENS[OPERATOR]) == ([5, 4, 3, 2, 1], None)
    assert await read(TOKENS[TOWN_ADMIN]) == ([4, 2], None)
    page = (await stranger.get("/api/v1/audit?limit=1", headers=bearer(TOKENS[TOWN_ADMIN]))).json()
    assert page["lines"] == [
        {
            "id": 4,
            "at": "2026-03-02T11:00:00Z",
            "who": "the operator",
            "role": "operator",
            "tenant": TOWN,
            "action": "agents.ready",
            "about": "",  # which agent is said to who leads them
            "outcome": "done",
            "details": {"method": "POST", "status": 200, "token": "id-0"},
        }
    ]


async def test_some_of_the_book(stranger: httpx.AsyncClient, everybody: Drawer, book: Book, clock: ManualClock) -> None:
    for role in (OPERATOR, SUPERVISOR):
        for step in ("ready", "not-ready"):
            await stranger.post(f"/api/v1/agents/bert/{step}", headers=bearer(TOKENS[role]))
            clock.advance(60)

    async def read(**params: str) -> list[int]:
        page = (await stranger.get("/api/v1/audit", params=params, headers=bearer(TOKENS[AUDITOR]))).json()
        return [line["id"] for line in page["lines"]]

    assert await read(who="the supervisor") == [4, 3]
    assert await read(action="agents.ready") == [3, 1]
    assert await read(action="agents.ready", who="the operator") == [1]
    assert await read(**{"from": "2026-03-02T11:01:00Z", "to": "2026-03-02T11:03:00Z"}) == [3, 2]
    assert await read(who="nobody") == []


async def test_a_line_that_is_not_there_is_not_the_end_of_the_book(operator: httpx.AsyncClient) -> None:
    answer = await operator.get("/api/v1/audit?before=9")
    assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-line")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "before=0", "before=x", f"before={2**63}", "who=", "action=%00", "from=2026"]
)
async def test_an_odd_page_of_the_book_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    assert (await operator.get(f"/api/v1/audit?{query}")).status_code == 422
