"""Management and staff council: what two of them can let out together, and what nobody gets out alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dialog_acd.api.feed import change
from dialog_acd.api.keys import Principal
from dialog_acd.api.sight import names_for
from dialog_acd.api.tokens import Role
from dialog_acd.api.witness import Complaints
from dialog_acd.core.lifecycle import Intent, Work
from dialog_acd.core.model import AgentId, CallId, QueueId, Statistics, TeamId, TenantId
from dialog_acd.core.retention import without_agents
from dialog_acd.testing import ManualClock, Scenario, demo_agent, demo_directory
from records import served

from .conftest import Book, Centre, Drawer, Folder, Shelf, agent_view, with_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

TOKENS = {role: f"acd_the-token-of-the-{role.value}-here" for role in Role}
LGH = TenantId("langenhagen")
MARCH = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-04-01T00:00:00+02:00"}
OF_ANNA = {
    "kind": "figures", "agents": ["anna"], "first_month": "2026-03", "last_month": "2026-03",
    "purpose": "Einarbeitung", "until": "2026-03-31",
}  # fmt: skip


class Desk:
    """Everybody's way to the API, by role."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, role: Role, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"}
        return await self._client.request(method, f"/api/v1/{path}", headers=headers, **more)

    async def get(self, role: Role, path: str, **params: str) -> Any:
        answer = await self(role, "GET", path, params=params)
        return answer.json() if answer.status_code == 200 else answer.json()["error_id"]

    async def asks(self, **changes: Any) -> int:
        answer = await self(Role.SUPERVISOR, "POST", "releases", json=OF_ANNA | changes)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])


@pytest.fixture
async def ask(api: FastAPI, drawer: Drawer) -> AsyncIterator[Desk]:
    for role, token in TOKENS.items():
        drawer.give(token, role, LGH if role is Role.TOWN_ADMIN else None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test") as client:
        yield Desk(client)


@pytest.fixture
def released(centre: Centre) -> None:
    centre.towns = with_policy(centre.towns, Statistics.RELEASED)


def annas(call: str, **changes: Any) -> Any:
    """Anna answers at once; Bert's phone rang in vain."""
    made = served(call, agent=AgentId("anna"), team="region", transferred_to="phone-bert", failsafe_answered_by="4711")
    bert, anna = made.offers[0], made.offers[1]
    offers = (replace(bert, agent="bert", why="idle for 95 s (then anna 40 s)"), replace(anna, agent="anna"))
    return replace(made, offers=offers, **changes)


# ---------------------------------------------------------------- two people


@pytest.mark.usefixtures("released")
async def test_named_figures_take_two_people_and_end(ask: Desk, shelf: Shelf, clock: ManualClock, book: Book) -> None:
    shelf.kept = [annas("c1"), annas("c2")]

    async def figures() -> Any:
        return await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-03")

    assert await figures() == "named-figures-not-released"
    number = await ask.asks()
    assert await figures() == "named-figures-not-released"
    agreed = await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/agree")
    assert (agreed.json()["state"], agreed.json()["agreed"]["by"]) == ("in-force", "the staff-council")
    book.lines.clear()
    assert await figures() == {
        "agent": "anna", "month": "2026-03", "policy": "released", "calls_answered": 2, "talk_seconds": 120.0,
        "wrap_up_seconds": 20.0, "offers": 2, "offers_missed": {}, "forgotten_to": None,
    }  # fmt: skip
    assert book.told() == [("the supervisor", "agents.figures", "anna", "done")]  # each reading, too
    assert book.lines[0].details["month"] == "2026-03"
    assert await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-02") == "named-figures-not-released"
    assert await ask.get(Role.SUPERVISOR, "agents/bert/figures", month="2026-03") == "named-figures-not-released"
    clock.advance(timedelta(days=29).total_seconds())  # 31 March, 13:00 in Berlin, by the tokens' clock as well
    assert (await figures())["calls_answered"] == 2
    clock.advance(timedelta(hours=11).total_seconds())
    assert await figures() == "named-figures-not-released"
    assert (await ask.get(Role.STAFF_COUNCIL, f"releases/{number}"))["state"] == "ended"


@pytest.mark.usefixtures("released")
async def test_a_month_of_which_half_is_forgotten_is_not_told_as_a_whole(
    ask: Desk, shelf: Shelf, folder: Folder
) -> None:
    folder.release("anna", first="2026-03", last="2026-03")
    gone = [without_agents(annas(f"c{n}", t_in=served("x").t_in - timedelta(hours=n))) for n in (1, 2)]
    shelf.kept = [annas("c7"), *gone, annas("c8"), without_agents(annas("t", test=True))]
    said = await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-03")
    assert (said["calls_answered"], said["forgotten_to"]) == (2, "2026-03-02T10:58:47.723456Z")
    for month, status in (("2026-02", 200), ("2026-01", 200), ("2025-12", 422)):
        months = {"first_month": month, "last_month": month}
        answer = await ask(Role.SUPERVISOR, "POST", "releases", json=OF_ANNA | months)
        assert answer.status_code == status, "January's last days are known in the first days of March"


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize("side", [Role.SUPERVISOR, Role.OPERATOR, Role.STAFF_COUNCIL])
async def test_either_side_takes_it_back_at_once(ask: Desk, side: Role) -> None:
    number = await ask.asks()
    await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/agree")
    assert (await ask(side, "POST", f"releases/{number}/revoke")).json()["state"] == "revoked"
    assert await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-03") == "named-figures-not-released"
    for step in ("agree", "revoke"):
        assert (await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/{step}")).json()["error_id"] == (
            "release-not-open"
        )


async def test_who_asks_does_not_agree_under_another_token(ask: Desk, drawer: Drawer) -> None:
    drawer.kept = [replace(g, name="The  Supervisor") if g.role == Role.STAFF_COUNCIL else g for g in drawer.kept]
    number = await ask.asks()
    answer = await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/agree")
    assert (answer.status_code, answer.json()["error_id"]) == (409, "same-person")


@pytest.mark.parametrize(
    ("role", "other"), [(Role.STAFF_COUNCIL, Role.OPERATOR), (Role.SUPERVISOR, Role.STAFF_COUNCIL)]
)
async def test_a_person_of_both_sides_is_neither(
    ask: Desk, api: FastAPI, monkeypatch: pytest.MonkeyPatch, role: Role, other: Role
) -> None:
    """As the identity provider may have somebody in the groups of both."""
    number = await ask.asks()
    keys = api.state.wiring.keys
    known = keys.principal

    async def of_both(token: str) -> Any:
        found = await known(token)
        return replace(found, also=frozenset({other})) if found.role is role else found

    monkeypatch.setattr(keys, "principal", of_both)
    path = f"releases/{number}/agree" if role is Role.STAFF_COUNCIL else "releases"
    answer = await ask(role, "POST", path, json=None if role is Role.STAFF_COUNCIL else OF_ANNA)
    assert (answer.status_code, answer.json()["error_id"]) == (409, "same-person")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agents": ["nobody-here"]}, "no-such-agent"),
        ({"agents": None, "team": "none"}, "release-refused"),
        ({"team": "region"}, "release-refused"),
        ({"agents": None}, "release-refused"),
        ({"until": "2026-06-01"}, "release-refused"),
        ({"until": "2026-03-01"}, "release-refused"),
        ({"last_month": None}, "release-refused"),
        ({"first_month": "2025-12", "last_month": "2025-12"}, "release-refused"),
        ({"kind": "policy"}, "release-refused"),
        ({"kind": "policy", "tenant": "nowhere"}, "no-such-tenant"),
        ({"purpose": " "}, "not-valid"),
        ({"purpose": "x\ny"}, "not-valid"),
        ({"first_month": "2026-3"}, "not-valid"),
        ({"forever": True}, "not-valid"),
    ],
)
async def test_what_cannot_be_asked_for(ask: Desk, folder: Folder, changes: dict[str, Any], error: str) -> None:
    answer = await ask(Role.SUPERVISOR, "POST", "releases", json=OF_ANNA | changes)
    assert answer.json()["error_id"] == error
    assert folder.kept == []


async def test_a_team_is_those_who_are_in_it_when_it_is_asked_for(ask: Desk, centre: Centre) -> None:
    members = [replace(a, team=TeamId("region")) if a.id != "bert" else a for a in centre.towns.agents]
    # The demonstration's directory declares no teams, and nobody asks it here.
    object.__setattr__(centre.towns, "agents", tuple(members))
    number = await ask.asks(agents=None, team="region")
    assert (await ask.get(Role.STAFF_COUNCIL, f"releases/{number}"))["agents"] == ["anna", "cem"]


async def test_releases_page_by_page_and_what_the_council_reads_beside(ask: Desk, book: Book) -> None:
    numbers = [await ask.asks() for _ in range(3)]
    await ask(Role.SUPERVISOR, "POST", "agents/anna/ready")
    first = await ask.get(Role.STAFF_COUNCIL, "releases", limit="2")
    rest = await ask.get(Role.STAFF_COUNCIL, "releases", before=str(first["next"]))
    assert [r["id"] for r in first["releases"] + rest["releases"]] == numbers[::-1]
    assert await ask.get(Role.STAFF_COUNCIL, "releases/99") == "no-such-release"
    lines = (await ask.get(Role.STAFF_COUNCIL, "audit"))["lines"]
    assert {line["action"] for line in lines} == {"releases.ask"}  # and not what agents were told
    assert lines[0]["details"]["agents"] == ["anna"]


async def test_by_a_rehearsals_clock_no_release_comes_to_life_again(
    ask: Desk, api: FastAPI, centre: Centre, shelf: Shelf, folder: Folder
) -> None:
    """Started with ``ACD_REHEARSE_AT``, a service could be back in the days in which a release held."""
    centre.towns = with_policy(centre.towns, Statistics.RELEASED)
    shelf.kept = [annas("c1")]
    folder.release("anna")
    asked = await ask.asks()
    api.state.wiring = replace(api.state.wiring, rehearsal=True)
    answer = await ask(Role.SUPERVISOR, "GET", "agents/anna/figures", params={"month": "2026-03"})
    assert (answer.status_code, answer.json()["details"]["why"]) == (403, "rehearsal")
    assert await ask.get(Role.SUPERVISOR, "calls", agent="anna", **MARCH) == "named-figures-not-released"
    for path in ("calls", "calls/c1", "calls/c1/decisions"):
        answer = await ask(Role.OPERATOR, "GET", path)
        assert (answer.status_code, "anna" in answer.text) == (200, False), path
    for role, path, body in ((Role.SUPERVISOR, "releases", OF_ANNA), (Role.STAFF_COUNCIL, "releases/2/agree", None)):
        answer = await ask(role, "POST", path, json=body)
        assert (answer.status_code, answer.json()["error_id"]) == (409, "rehearsal")
    assert await ask.get(Role.AGENT, "me/figures", month="2026-03") != "named-figures-not-released", "one's own"
    assert (await ask(Role.STAFF_COUNCIL, "POST", f"releases/{asked}/revoke")).status_code == 200


# ---------------------------------------------------------------- the policy


async def test_who_revokes_a_weaker_policy_reads_that_it_still_holds(ask: Desk, centre: Centre) -> None:
    wanted = {"kind": "policy", "tenant": LGH, "level": "released", "agents": None, "first_month": None}
    number = await ask.asks(**wanted, last_month=None)
    assert (await ask.get(Role.STAFF_COUNCIL, f"releases/{number}"))["policy"] == "groups"
    await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/agree")
    centre.towns = with_policy(centre.towns, Statistics.RELEASED)  # the directory is edited
    said = (await ask(Role.STAFF_COUNCIL, "POST", f"releases/{number}/revoke")).json()
    assert (said["state"], said["level"], said["policy"]) == ("revoked", "released", "released")
    assert (await ask.get(Role.STAFF_COUNCIL, "policy"))["towns"][LGH] == "released"
    of_anna = await ask.asks()
    assert (await ask.get(Role.STAFF_COUNCIL, f"releases/{of_anna}"))["policy"] is None


async def test_the_policy_is_there_to_be_read(ask: Desk, centre: Centre) -> None:
    centre.towns = replace(
        centre.towns,
        tenants=tuple(
            replace(t, contract=replace(t.contract, statistics=Statistics.OWN)) if t.id == LGH else t
            for t in centre.towns.tenants
        ),
    )
    whole = await ask.get(Role.STAFF_COUNCIL, "policy")
    assert whole["towns"] == {"langenhagen": "own", "hannover": "groups", "region": "groups"}
    assert (whole["centre"], whole["persons"], whole["calls"]) == ("groups", 5, 20)
    for role in (Role.TOWN_ADMIN, Role.AGENT):  # anna sits there
        assert (await ask.get(role, "policy"))["towns"] == {"langenhagen": "own"}


@pytest.mark.parametrize(
    ("level", "told"),
    [(Statistics.GROUPS, False), (Statistics.OWN, True), (Statistics.RELEASED, True)],
)
async def test_own_figures_are_for_oneself(
    ask: Desk, centre: Centre, shelf: Shelf, book: Book, level: Statistics, *, told: bool
) -> None:
    centre.towns = with_policy(centre.towns, level)
    shelf.kept = [annas("c1")]
    found = await ask.get(Role.AGENT, "me/figures", month="2026-03")
    if not told:
        assert found == "named-figures-not-released"
        return
    assert (found["agent"], found["calls_answered"]) == ("anna", 1)
    assert book.lines == []  # when somebody looks at their own is nobody's business
    for path in ("agents/bert/figures", "agents/anna/figures", "calls", "live", "agents", "audit"):
        assert await ask.get(Role.AGENT, path, month="2026-03") == "not-allowed"
    assert await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-03") == "named-figures-not-released"


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize("role", [Role.STAFF_COUNCIL, Role.SUPERVISOR])
async def test_who_speaks_for_the_agents_is_one_and_has_figures_too(
    ask: Desk, api: FastAPI, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    shelf.kept = [annas("c1")]
    keys = api.state.wiring.keys
    known = keys.principal
    agent: list[str | None] = ["anna"]

    async def of_both(token: str) -> Any:
        return replace(await known(token), also=frozenset({Role.AGENT}), agent=agent[0])

    assert await ask.get(role, "me/figures", month="2026-03") == "not-allowed"
    monkeypatch.setattr(keys, "principal", of_both)
    assert (await ask.get(role, "me/figures", month="2026-03"))["agent"] == "anna"
    assert await ask.get(role, "agents/anna/figures", month="2026-03") == (
        "not-allowed" if role is Role.STAFF_COUNCIL else "named-figures-not-released"
    )
    agent[0] = "gone"
    assert (await ask.get(role, "policy"))["centre"] == "released"
    agent[0] = None
    assert await ask.get(role, "me/figures", month="2026-03") == "not-allowed"


async def test_own_figures_of_somebody_who_has_left(ask: Desk, drawer: Drawer) -> None:
    drawer.kept = [replace(g, agent="gone") if g.role == Role.AGENT else g for g in drawer.kept]
    assert await ask.get(Role.AGENT, "me/figures", month="2026-03") == "no-such-agent"


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "2026-03-01", "1999-01", "٢٠٢٦-٠٣"])
async def test_an_odd_month(ask: Desk, month: str) -> None:
    assert await ask.get(Role.AGENT, "me/figures", month=month) == "not-valid"


# ---------------------------------------------------------------- an inquisitive supervisor


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.OPERATOR, Role.AUDITOR, Role.TOWN_ADMIN])
@pytest.mark.parametrize("level", list(Statistics))
async def test_no_list_names_anybody_or_says_how_long_they_took(  # noqa: PLR0917  fixtures
    ask: Desk, centre: Centre, shelf: Shelf, book: Book, role: Role, level: Statistics
) -> None:
    """Whatever the filter: a one-person shift, a hall with one agent, a half hour with one call."""
    centre.towns = with_policy(centre.towns, level)
    talk: dict[str, Any] = {"talk_ms": 60_000, "wrap_ms": 10_000}
    shelf.kept = [annas("c1", **talk), annas("c2", transferred_to="4711"), without_agents(annas("c3", **talk))]
    half_hour = {"from": "2026-03-02T11:30:00Z", "to": "2026-03-02T12:00:00Z"}
    for params in ({}, half_hour, {"tenant": LGH}, {"queue": LGH}, {"result": "served", "limit": "1"}):
        answer = await ask(role, "GET", "calls", params=params)
        assert answer.status_code == 200
        for name in ("anna", "bert", "region"):
            assert name not in answer.text
        for call in answer.json()["calls"]:
            assert (call["t_end"], call["t_wrap_end"], call["hung_up_first"]) == (None, None, "unknown")
            assert (call["talk_seconds"], call["wrap_up_seconds"]) == (None, None)
            assert call["waited_seconds"] == 12.4  # what the caller had of it is not about who answered
    assert await ask.get(role, "calls", agent="anna", **MARCH) == "named-figures-not-released"
    assert [line.outcome for line in book.lines] == ["refused"]


@pytest.mark.parametrize(
    ("phone", "told"),
    [
        ("phone-bert", None),
        ("phone-dora", None),
        ("phone-123456", None),
        ("21", None),
        ("04711", None),
        ("+495111680", "+495111680"),
        ("0511168", "0511168"),
        ("oldenburg", "oldenburg"),
        ("", ""),
    ],
)
async def test_a_colleague_s_phone_or_extension_names_them_as_well(
    ask: Desk, shelf: Shelf, phone: str, told: str | None
) -> None:
    """Dora is in no directory any more; 21 was dialled for a blind transfer."""
    shelf.kept = [annas("c1", transferred_to=phone, failsafe_answered_by=phone)]
    [call] = (await ask.get(Role.AUDITOR, "calls"))["calls"]
    assert (call["transferred_to"], call["failsafe_answered_by"]) == (told, told)
    complaint = await ask.get(Role.OPERATOR, "calls/c1")
    assert complaint["transferred_to"] == phone


@pytest.mark.parametrize(
    ("since", "to", "why"),
    [
        (None, None, "months"),
        ("2026-03-01T00:00:00+01:00", None, "months"),
        ("2026-02-28T23:00:00+01:00", "2026-03-02T00:00:00+01:00", "release"),
        ("2026-03-01T00:00:00+01:00", "2026-04-01T00:00:01+02:00", "release"),
        ("2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00", ""),
        ("2026-03-05T00:00:00+01:00", "2026-03-01T00:00:00+01:00", ""),
        ("2999-01-01T00:00:00+01:00", "1999-01-01T00:00:00+01:00", "release"),
    ],
)
@pytest.mark.usefixtures("released")
async def test_a_list_of_one_agents_calls_stays_within_a_release(  # noqa: PLR0917  fixtures
    ask: Desk, folder: Folder, shelf: Shelf, book: Book, since: str | None, to: str | None, why: str
) -> None:
    folder.release("anna", first="2026-03", last="2026-03")
    shelf.kept = [annas("c1")]
    params = {"agent": "anna"} | ({"from": since} if since else {}) | ({"to": to} if to else {})
    answer = await ask(Role.SUPERVISOR, "GET", "calls", params=params)
    if why:
        assert (answer.status_code, answer.json()["details"]["why"]) == (403, why)
        return
    assert answer.status_code == 200
    for call in answer.json()["calls"]:
        assert (call["agent"], call["t_end"]) == ("anna", "2026-03-02T12:00:00.123456Z")
        assert [offer["agent"] for offer in call["offers"]] == ["", "anna"]  # and nobody else
        assert call["transferred_to"] is None
    assert book.told() == [("the supervisor", "calls.recent", "", "done")]


@pytest.mark.parametrize("level", [Statistics.GROUPS, Statistics.OWN])
async def test_a_release_does_not_help_where_the_policy_has_become_stricter(
    ask: Desk, centre: Centre, folder: Folder, level: Statistics
) -> None:
    centre.towns = with_policy(centre.towns, level)
    folder.release("anna")
    assert await ask.get(Role.SUPERVISOR, "agents/anna/figures", month="2026-03") == "named-figures-not-released"
    assert await ask.get(Role.SUPERVISOR, "calls", agent="anna", **MARCH) == "named-figures-not-released"


@pytest.mark.parametrize(
    ("role", "hours", "named"),
    [
        (Role.OPERATOR, 1, True),
        (Role.OPERATOR, 7 * 24 + 2, False),
        (Role.SUPERVISOR, 1, False),
        (Role.AUDITOR, 1, False),
        (Role.TOWN_ADMIN, 1, False),
    ],
)
async def test_a_single_call_names_its_agents_while_somebody_may_complain(  # noqa: PLR0917  fixtures
    ask: Desk, shelf: Shelf, book: Book, clock: ManualClock, role: Role, hours: int, *, named: bool
) -> None:
    shelf.kept = [annas("c1")]
    clock.advance(timedelta(hours=hours).total_seconds())
    for path in ("calls/c1", "calls/c1/decisions"):
        answer = await ask(role, "GET", path)
        assert answer.status_code == 200
        assert ("anna" in answer.text, "bert" in answer.text) == (named, named)
    moments = {m["what"] for m in (await ask.get(role, "calls/c1"))["timeline"]}
    assert ("ended" in moments, "wrap-up-ended" in moments) == (named, named)
    told = [(line.action, line.about, line.tenant, line.outcome) for line in book.lines]
    assert told == ([(f"calls.{w}", "c1", LGH, "done") for w in ("one", "decisions", "one")] if named else [])


async def test_who_looks_at_every_call_has_no_complaints(
    *, ask: Desk, shelf: Shelf, book: Book, clock: ManualClock, api: FastAPI, drawer: Drawer
) -> None:
    """One by one it would be the list that names nobody."""
    shelf.kept = [annas(f"c{n}") for n in range(25)]

    def restart() -> None:
        api.state.wiring = replace(api.state.wiring, complaints=Complaints(book, clock.now))

    async def named(n: int, path: str = "") -> bool:
        answer = await ask(Role.OPERATOR, "GET", f"calls/c{n}{path}")
        assert answer.status_code == 200
        return "anna" in answer.text

    assert [await named(n % 10) for n in range(20)] == [True] * 20, "ten calls, each of them twice"
    assert [await named(n, "/decisions") for n in range(10, 25)] == [True] * 10 + [False] * 5
    assert await named(3), "of whom it was told already"
    assert {line.about for line in book.lines} == {f"c{n}" for n in range(20)}
    restart()
    assert not await named(22)
    assert await named(3)
    drawer.kept = [replace(given, name="another name") for given in drawer.kept]
    clock.advance(60)
    assert not await named(22)
    restart()
    assert not await named(22)
    drawer.kept = [replace(given, id="another") if given.role == Role.OPERATOR else given for given in drawer.kept]
    clock.advance(60)
    assert await named(22), "to another operator"
    clock.advance(timedelta(hours=24, seconds=1).total_seconds())
    assert [await named(n) for n in range(22)] == [True] * 20 + [False] * 2


async def test_calls_that_name_nobody_are_not_among_the_twenty(ask: Desk, shelf: Shelf, book: Book) -> None:
    gone = replace(annas("u"), agent=None, t_ans=None, offers=(), transferred_to="+49511168", failsafe_answered_by=None)
    shelf.kept = [annas("c1"), *(replace(gone, call=CallId(f"u{n}")) for n in range(25))]
    for n in range(25):
        assert (await ask(Role.OPERATOR, "GET", f"calls/u{n}")).status_code == 200
    assert book.lines == []
    assert "anna" in (await ask(Role.OPERATOR, "GET", "calls/c1")).text


async def test_who_asks_for_two_hundred_calls_at_once_is_told_of_twenty(
    ask: Desk, shelf: Shelf, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.kept = [annas(f"c{n}") for n in range(200)]
    read = book.page

    async def page(*asked: Any, **more: Any) -> Any:
        found = await read(*asked, **more)
        await asyncio.sleep(0)  # a database takes a moment
        return found

    monkeypatch.setattr(book, "page", page)
    answers = await asyncio.gather(*(ask(Role.OPERATOR, "GET", f"calls/c{n}") for n in range(200)))
    assert sum("anna" in answer.text for answer in answers) == 20
    assert len(book.lines) == 20


async def test_at_a_start_the_whole_day_s_log_is_read(
    *, ask: Desk, shelf: Shelf, book: Book, clock: ManualClock, drawer: Drawer
) -> None:
    """Also where more than a page of it is about what others were told."""
    shelf.kept = [annas("c99")]
    [operator] = [given for given in drawer.kept if given.role == Role.OPERATOR]
    line: dict[str, Any] = {"role": "operator", "tenant": None, "action": "calls.one", "outcome": "done"}
    at = clock.now() - timedelta(hours=1)
    for n in range(20):
        book.put(**line, at=at, about=f"c{n}", who="the operator", details={"token": operator.id})
    for n in range(1200):
        book.put(**line, at=at, about=f"c{n}", who="the operator", details={"token": "another"})
    assert "anna" not in (await ask(Role.OPERATOR, "GET", "calls/c99")).text


async def test_a_call_nobody_answered_is_told_whole(ask: Desk, shelf: Shelf) -> None:
    shelf.kept = [replace(annas("c1"), agent=None, t_ans=None, t_wrap_end=None, offers=())]
    [call] = (await ask.get(Role.AUDITOR, "calls"))["calls"]
    assert (call["t_end"], call["hung_up_first"]) == ("2026-03-02T12:00:00.123456Z", "caller")


# ---------------------------------------------------------------- the live state


@pytest.fixture
def busy(centre: Centre) -> Centre:
    """Six agents, five of them in Langenhagen's hall; Bert talks."""
    who = ("anna", "dora", "emil", "fritz", "gitta")
    at_home = tuple(replace(demo_agent(name), home=LGH) for name in who)
    bert = agent_view("bert", work=Work.TALKING, available=False)
    object.__setattr__(centre.towns, "agents", (*at_home, demo_agent("bert")))
    call = replace(centre.seen.calls[0], agent=AgentId("bert"))
    centre.seen = replace(centre.seen, agents=(*map(agent_view, who), bert), calls=(call,))
    return centre


@pytest.mark.parametrize(
    ("role", "names", "call"),
    [
        (Role.OPERATOR, True, "bert"),
        (Role.SUPERVISOR, True, "bert"),
        (Role.DESK, False, "bert"),  # or nobody could say for which town the call is that rings there
        (Role.AUDITOR, False, None),
        (Role.TOWN_ADMIN, False, None),
    ],
)
async def test_who_is_named_now(ask: Desk, busy: Centre, role: Role, call: str | None, *, names: bool) -> None:
    live = await ask.get(role, "live")
    assert bool(live["agents"]) is names
    assert [c["agent"] for c in live["calls"]] == [call]
    assert [c["agent"] for c in (await ask.get(role, "live/calls"))["calls"]] == [call]
    stream = (await ask(role, "GET", "live/stream", params={"events": "1"})).text
    assert ('"name":"Anna"' in stream, '"agent":"bert"' in stream) == (names, call == "bert")


async def test_a_queue_tells_of_its_people_to_who_leads_them(ask: Desk, busy: Centre) -> None:
    """A queue of one agent, and when she is free."""
    [queue] = busy.seen.queues
    answered = replace(queue, talking=queue.talking + 1, agents_available=0, agents_able=queue.agents_able + 1)
    for role in Role.OPERATOR, Role.SUPERVISOR, Role.DESK, Role.AUDITOR, Role.TOWN_ADMIN:
        led = role in {Role.OPERATOR, Role.SUPERVISOR}
        for path in ["live"] if role is Role.DESK else ["live", "queues"]:
            [said] = (await ask.get(role, path))["queues"]
            people = [said[name] for name in ("talking", "agents_able", "agents_available")]
            assert people == ([queue.talking, queue.agents_able, queue.agents_available] if led else [None] * 3)
            assert said["waiting"] == queue.waiting
        stream = (await ask(role, "GET", "live/stream", params={"events": "1"})).text
        assert ('"agents_able":null' in stream) is not led
        names = names_for(Principal("somebody", role, None, "id"))
        told = change(busy.seen, replace(busy.seen, queues=(answered,)), names)
        assert bool(told) is led, "not even that something has happened"


async def test_counts_are_of_all_that_somebody_sees_or_there_are_none(ask: Desk, busy: Centre) -> None:
    """Six in all and five in the hall would be Bert."""

    async def counts(role: Role, **params: str) -> Any:
        live = (await ask.get(role, "live", **params))["agents_by_state"]
        if role is not Role.DESK and not {"state"} & params.keys():
            assert (await ask.get(role, "agents", **params))["by_state"] == live
        return live

    assert await counts(Role.AUDITOR) == {"available": 5, "talking": 1}
    assert await counts(Role.DESK) == {"available": 5, "talking": 1}
    assert await counts(Role.TOWN_ADMIN) == await counts(Role.TOWN_ADMIN, tenant=LGH) == {"available": 5}
    for part in ({"tenant": LGH}, {"queue": LGH}, {"tenant": "hannover"}):
        assert await counts(Role.AUDITOR, **part) == {}
    assert await counts(Role.TOWN_ADMIN, queue=LGH) == {}
    assert await counts(Role.SUPERVISOR, tenant=LGH) == {"available": 5}
    busy.seen = replace(busy.seen, agents=busy.seen.agents[1:])
    assert await counts(Role.TOWN_ADMIN) == {}


async def test_a_late_shift_of_one_is_told_to_nobody_but_its_lead(ask: Desk, busy: Centre) -> None:
    """Five at home, and what Bert does minute by minute."""
    [*others, bert] = busy.seen.agents
    home = [replace(one, intent=Intent.SIGNED_OUT) for one in others]
    busy.seen = replace(busy.seen, agents=(*home, bert))
    for role in (Role.AUDITOR, Role.DESK):
        assert (await ask.get(role, "live"))["agents_by_state"] == {"signed-in": 1, "signed-out": 5}
    assert (await ask.get(Role.AUDITOR, "agents", state="talking"))["by_state"] == {}
    assert (await ask.get(Role.SUPERVISOR, "live"))["agents_by_state"] == {"signed-out": 5, "talking": 1}
    auditor = names_for(Principal("somebody", Role.AUDITOR, None, "id"))
    free = replace(busy.seen, agents=(*home, agent_view("bert")))
    assert change(busy.seen, free, auditor) is None


class Eye:
    """Whoever looks at the picture of a call sheet with every signal, as one role, and notes what is told of calls."""

    def __init__(self, role: Role, sheet: Scenario) -> None:
        self._names = names_for(Principal("somebody", role, None, "id"))
        self._sheet, self._seen = sheet, sheet.acd.view()

    def sees(self) -> tuple[list[tuple[str, str]], list[str]] | None:
        """Calls that have changed, and those that are gone, since the last look; ``None``: nothing was told at all."""
        before, self._seen = self._seen, self._sheet.acd.view()
        told = change(before, self._seen, self._names)
        return None if told is None else ([(call.call, call.state) for call in told.calls], told.gone.calls)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.TOWN_ADMIN])
def test_where_one_agent_is_there_nobody_sees_how_long_a_call_takes_them(role: Role) -> None:
    sheet = Scenario(demo_directory(("anna",))).is_ready("anna")
    eye, lead, desk = (Eye(of, sheet) for of in (role, Role.SUPERVISOR, Role.DESK))
    sheet.arrives("c1").held("c1")
    assert eye.sees() == desk.sees() == lead.sees() == ([("c1", "offered")], [])
    sheet.after(3).talks("anna")
    assert eye.sees() == ([], ["c1"]), "nobody waits any more: that is told to everybody"
    assert lead.sees() == desk.sees() == ([("c1", "connected")], [])
    sheet.after(67).caller_hangs_up("c1")
    assert eye.sees() is None
    assert lead.sees() == desk.sees() == ([], ["c1"])


def test_a_caller_who_is_given_back_says_not_when_the_first_agent_was_done() -> None:
    sheet = Scenario(demo_directory(("anna",))).is_ready("anna")
    sheet.waits("c1").after(3).talks("anna").after(67).transferred("c1", "4711")
    eye = Eye(Role.AUDITOR, sheet)
    sheet.after(20).held("c1").after(5)
    told = eye.sees()
    assert told is not None
    assert told == ([], [])


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AUDITOR, Role.TOWN_ADMIN])
async def test_the_story_of_an_answered_call_stands_still_until_it_is_over(
    ask: Desk, centre: Centre, role: Role
) -> None:
    sheet = Scenario(demo_directory(("anna", "bert"))).at("09:00:00").is_ready("anna").waits("c1").after(5)

    async def told() -> Any:
        story = sheet.acd.story(CallId("c1"))
        assert story is not None
        centre.stories["c1"] = story
        one = await ask.get(role, "calls/c1")
        del one["age_seconds"]
        return one, await ask.get(role, "calls/c1/decisions")

    sheet.talks("anna")
    then, why = await told()
    assert (then["state"], then["timeline"][-1]["what"]) == ("connected", "answered")
    sheet.after(67).transferred("c1", "4711").after(20).is_ready("bert").held("c1")
    assert (sheet.state("c1"), len(sheet.acd.story(CallId("c1")).offers)) == ("offered", 2)  # type: ignore[union-attr]
    assert (await told() == (then, why)) is (role is not Role.SUPERVISOR)


def test_what_an_agent_does_is_no_event_for_who_sees_counts(busy: Centre) -> None:
    [*others, bert] = busy.seen.agents
    now = replace(busy.seen, agents=(*others, replace(bert, since=bert.since + timedelta(seconds=1))))
    auditor = names_for(Principal("somebody", Role.AUDITOR, None, "id"))
    assert change(busy.seen, now, auditor) is None
    ready = replace(busy.seen, agents=(*others, agent_view("bert")), calls=())
    told = change(busy.seen, ready, auditor)
    assert told is not None
    assert (told.agents, told.gone.agents, told.agents_by_state) == ([], [], {"available": 6})


@pytest.mark.parametrize(
    ("role", "named"),
    [(Role.SUPERVISOR, True), (Role.OPERATOR, True), (Role.AUDITOR, False), (Role.TOWN_ADMIN, False)],
)
async def test_a_call_that_goes_on_names_agents_to_who_leads_them(
    ask: Desk, centre: Centre, role: Role, *, named: bool
) -> None:
    sheet = (
        Scenario(demo_directory(("anna", "bert"))).at("09:00:00").is_ready("anna").waits("c1").after(5).talks("anna")
    )
    told = sheet.acd.story(CallId("c1"))
    assert told is not None
    centre.stories["c1"] = told
    for path in ("calls/c1", "calls/c1/decisions"):
        answer = await ask(role, "GET", path)
        assert answer.status_code == 200
        assert ("anna" in answer.text) is named


def test_whom_a_stream_names_is_said_once_for_all_parts() -> None:
    for role in (Role.AUDITOR, Role.DESK):
        by = Principal("somebody", role, None, "id")
        assert names_for(by, None, QueueId(LGH)) == replace(names_for(by), counts=False)


async def test_who_watches_is_written_down_once_an_hour(
    ask: Desk, busy: Centre, book: Book, clock: ManualClock
) -> None:
    """A board looks every second; a council wants to know who had one, and when."""
    shows = ("live", "live/calls", "agents", "agents/bert", "agents?tenant=langenhagen")
    for role in (Role.DESK, Role.AUDITOR, Role.TOWN_ADMIN):  # none of whom is told what an agent does
        for path in shows[:3]:
            await ask(role, "GET", path)
    await ask(Role.SUPERVISOR, "GET", "live?queue=nowhere")
    assert all(line.outcome == "refused" for line in book.lines)
    book.lines.clear()
    for path in shows * 2:
        assert (await ask(Role.SUPERVISOR, "GET", path)).status_code == 200
    assert (await ask(Role.OPERATOR, "GET", "agents/bert")).status_code == 200
    assert book.told() == [(f"the {role}", "agents.watch", "", "done") for role in ("supervisor", "operator")]
    assert [line.details["by"] for line in book.lines] == ["live.picture", "agents.one"]
    assert "bert" not in str(book.lines), "they all do, and it is no list of whom"
    for minutes, lines in ((59, 2), (1, 3)):
        clock.advance(minutes * 60)
        for path in ("agents", "live"):
            await ask(Role.SUPERVISOR, "GET", path)
        assert len(book.lines) == lines
    read = (await ask.get(Role.STAFF_COUNCIL, "audit", action="agents.watch"))["lines"]
    assert [line["who"] for line in read] == ["the supervisor", "the operator", "the supervisor"]


@pytest.mark.parametrize("path", ["live", "live/calls", "agents", "agents/bert", "calls/c1", "calls/c1/decisions"])
async def test_each_way_to_watch_is_one(ask: Desk, busy: Centre, book: Book, path: str) -> None:
    day = Scenario().waits("c1").talks("anna")
    story = day.acd.story(CallId("c1"))
    assert story is not None
    busy.stories["c1"] = story
    assert (await ask(Role.SUPERVISOR, "GET", path)).status_code == 200
    assert [line.action for line in book.lines] == ["agents.watch"]


async def test_the_audit_log_is_nobodys_time_sheet(ask: Desk, book: Book, centre: Centre) -> None:
    for step in ("sign-in", "ready", "sign-out"):
        await ask(Role.SUPERVISOR, "POST", f"agents/anna/{step}")
    await ask.asks()
    for role in (Role.AUDITOR, Role.OPERATOR):
        lines = (await ask.get(role, "audit"))["lines"]
        assert [line["action"] for line in lines][::-1] == [
            "agents.sign-in", "agents.ready", "agents.sign-out", "releases.ask",
        ]  # fmt: skip
        assert ("anna" in str(lines)) is (role is Role.OPERATOR)
    assert "anna" in str(await ask.get(Role.STAFF_COUNCIL, "audit"))
    book.lines = [replace(line, tenant=LGH) for line in book.lines]
    said = (await ask.get(Role.TOWN_ADMIN, "audit"))["lines"]
    assert len(said) == 4
    assert "anna" not in str(said)


async def test_nobody_is_looked_for_in_the_audit_log(ask: Desk, book: Book) -> None:
    said: dict[str, Any] = {"tenant": None, "action": "calls.name-town", "about": "c1", "outcome": "done"}
    book.put(**said, at=served("c").t_in, who="anna", role="agent", details={})
    [line] = (await ask.get(Role.OPERATOR, "audit"))["lines"]
    assert line["who"] == "agent"
