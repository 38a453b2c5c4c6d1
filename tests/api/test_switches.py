"""A supervisor sends a queue over, closes a number, has callers told something, and takes it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.api.tokens import Role
from dialog_acd.core.messages import Ignored, SupervisorSwitched, Switch
from dialog_acd.core.model import Prompt, PromptId, SwitchKind, TenantId

from .conftest import NOON

if TYPE_CHECKING:
    import httpx

    from api.conftest import Book, Centre, Drawer

FOUR = "2026-03-02T17:00:00+01:00"
UNTIL = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
LANGENHAGEN = "/api/v1/entries/%2B495117307"
TELLING = ["/api/v1/queues/langenhagen/message", f"{LANGENHAGEN}/message", "/api/v1/message"]
STORM = {"until": FOUR, "prompt": "storm-warning"}


@pytest.fixture
def town(stranger: httpx.AsyncClient, drawer: Drawer) -> httpx.AsyncClient:
    """Langenhagen's administrator."""
    drawer.give("acd_the-town-halls-token", Role.TOWN_ADMIN, "langenhagen")
    stranger.headers["Authorization"] = "Bearer acd_the-town-halls-token"
    return stranger


async def test_a_queue_is_switched_over_and_back(operator: httpx.AsyncClient, centre: Centre) -> None:
    answer = await operator.put("/api/v1/queues/langenhagen/switch", json={"until": FOUR})
    assert (answer.status_code, answer.json()["id"]) == (200, "langenhagen")
    assert (await operator.delete("/api/v1/queues/langenhagen/switch")).status_code == 200
    assert centre.told == [
        SupervisorSwitched(SwitchKind.OVERFLOW, "langenhagen", UNTIL, "admin"),
        SupervisorSwitched(SwitchKind.OVERFLOW, "langenhagen", None, "admin"),
    ]


async def test_a_number_is_closed_and_opened_again(operator: httpx.AsyncClient, centre: Centre) -> None:
    answer = await operator.put(f"{LANGENHAGEN}/closure", json={"until": FOUR, "prompt": "power-cut"})
    closure = {
        "kind": "closure",
        "about": "+495117307",
        "prompt": "power-cut",
        "until": "2026-03-02T16:00:00Z",
        "by": "admin",
        "since": "2026-03-02T11:00:00Z",
        "tenant": "langenhagen",
    }
    assert (answer.status_code, answer.json()) == (200, {"switch": closure})
    assert (await operator.get("/api/v1/switches")).json() == {"at": "2026-03-02T11:00:00Z", "switches": [closure]}
    assert (await operator.get("/api/v1/live")).json()["switches"] == [closure]
    answer = await operator.delete(f"{LANGENHAGEN}/closure")
    assert (answer.status_code, answer.json()) == (200, {"switch": None})
    assert (await operator.get("/api/v1/switches")).json()["switches"] == []
    assert centre.told == [
        SupervisorSwitched(SwitchKind.CLOSURE, "+495117307", UNTIL, "admin", "power-cut"),
        SupervisorSwitched(SwitchKind.CLOSURE, "+495117307", None, "admin"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%2B495117307", "+495117307"),
        ("+495117307", "+495117307"),
        ("05117307", "+495117307"),
        ("0511%207307", "+495117307"),
        ("00495117307", "+495117307"),
        ("115", "115"),
        ("0511115", "115"),
    ],
)
async def test_a_number_is_known_however_it_is_written(
    operator: httpx.AsyncClient, centre: Centre, written: str, meant: str
) -> None:
    answer = await operator.put(f"/api/v1/entries/{written}/closure", json={"until": FOUR})
    assert (answer.status_code, answer.json()["switch"]["about"]) == (200, meant)
    assert centre.told == [SupervisorSwitched(SwitchKind.CLOSURE, meant, UNTIL, "admin")]


@pytest.mark.parametrize(
    "written", ["%2B4951173070", "0511999", "110", "112", "anonymous", "langenhagen", "%00", "%20", "%2B", "0511/7307"]
)
@pytest.mark.parametrize("what", ["closure", "message"])
async def test_a_number_that_is_no_entrys_is_not_there(
    operator: httpx.AsyncClient, centre: Centre, written: str, what: str
) -> None:
    answers = [
        await operator.put(f"/api/v1/entries/{written}/{what}", json=STORM),
        await operator.delete(f"/api/v1/entries/{written}/{what}"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert centre.told == []


@pytest.mark.parametrize(
    ("path", "kind", "about"),
    [
        (TELLING[0], SwitchKind.QUEUE_MESSAGE, "langenhagen"),
        (TELLING[1], SwitchKind.ENTRY_MESSAGE, "+495117307"),
        (TELLING[2], SwitchKind.CENTRE_MESSAGE, ""),
    ],
)
async def test_callers_are_told_something(
    operator: httpx.AsyncClient, centre: Centre, path: str, kind: SwitchKind, about: str
) -> None:
    switch = (await operator.put(path, json=STORM)).json()["switch"]
    assert (switch["kind"], switch["about"], switch["prompt"]) == (kind, about, "storm-warning")
    assert (await operator.delete(path)).json() == {"switch": None}
    assert centre.told == [
        SupervisorSwitched(kind, about, UNTIL, "admin", "storm-warning"),
        SupervisorSwitched(kind, about, None, "admin"),
    ]


@pytest.mark.parametrize("path", ["/api/v1/queues/langenhagen/switch", f"{LANGENHAGEN}/closure", *TELLING])
async def test_what_the_core_refuses_is_a_conflict_with_its_reason(
    operator: httpx.AsyncClient, centre: Centre, path: str
) -> None:
    why = "'until' must lie ahead, by at most a week"
    centre.refusals = [Ignored("SupervisorSwitched", why)]
    body = {"until": FOUR} if path.endswith("switch") else STORM
    answer = await operator.put(path, json=body)
    assert (answer.status_code, answer.json()["error_id"]) == (409, "switch-refused")
    assert why in answer.json()["message"]


@pytest.mark.parametrize("what", ["switch", "message"])
async def test_a_queue_nobody_knows(operator: httpx.AsyncClient, centre: Centre, what: str) -> None:
    answer = await operator.delete(f"/api/v1/queues/nowhere/{what}")
    assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-queue")
    assert centre.told == []


@pytest.mark.parametrize("path", ["/api/v1/queues/langenhagen/switch", f"{LANGENHAGEN}/closure", *TELLING])
@pytest.mark.parametrize(
    "change",
    [
        {"until": None},
        {"until": "later"},
        {"until": "2026-03-02T17:00:00"},
        {"until": 1e300},
        {"until": 1772467200},  # 16:00, in seconds since 1970: a number is no time
        {"until": "1772467200"},
        {"until": "9999-12-31T23:59:59-23:00"},
        {"until": "0001-01-01T00:00:00+23:00"},
        {"by": "me"},
    ],
)
async def test_a_moment_without_a_zone_or_with_more_than_asked_is_refused(
    operator: httpx.AsyncClient, centre: Centre, path: str, change: dict[str, Any]
) -> None:
    body = {**({"until": FOUR} if path.endswith("switch") else STORM), **change}
    assert (await operator.put(path, json=body)).status_code == 422
    assert centre.told == []


@pytest.mark.parametrize("path", [f"{LANGENHAGEN}/closure", *TELLING])
@pytest.mark.parametrize(
    "prompt", ["", "-x", "x" * 31, "../x", "acd/x", "a&b", "a*1", "Storm", "a\n", "a,b", "${EPOCH}", "ä", 7]
)
async def test_a_name_that_is_no_prompts_is_refused(
    operator: httpx.AsyncClient, centre: Centre, path: str, prompt: object
) -> None:
    assert (await operator.put(path, json={"until": FOUR, "prompt": prompt})).status_code == 422
    assert centre.told == []


@pytest.mark.parametrize("path", TELLING)
async def test_a_message_needs_a_prompt(operator: httpx.AsyncClient, path: str) -> None:
    assert (await operator.put(path, json={"until": FOUR})).status_code == 422


# ---------------------------------------------------------------- one town


async def test_a_town_closes_and_opens_its_own_numbers_and_nobody_elses(
    town: httpx.AsyncClient, centre: Centre, book: Book
) -> None:
    assert (await town.put(f"{LANGENHAGEN}/closure", json={"until": FOUR})).status_code == 200
    assert (await town.delete(f"{LANGENHAGEN}/closure")).status_code == 200
    theirs = await town.put("/api/v1/entries/%2B49511168/closure", json={"until": FOUR})
    none = await town.put("/api/v1/entries/%2B49511999/closure", json={"until": FOUR})
    assert theirs.status_code == none.status_code == 404
    assert theirs.text.replace("49511168", "49511999") == none.text
    assert len(centre.told) == 2
    who = "the town-admin"
    assert book.told() == [
        (who, "entries.close", "+495117307", "done"),
        (who, "entries.reopen", "+495117307", "done"),
        (who, "entries.close", "+49511168", "rejected"),
        (who, "entries.close", "+49511999", "rejected"),
    ]
    assert {line.tenant for line in book.lines} == {"langenhagen"}


async def test_a_town_sees_what_concerns_it(town: httpx.AsyncClient, centre: Centre) -> None:
    def on(kind: SwitchKind, about: str, tenant: str | None = None) -> Switch:
        return Switch(kind, about, UNTIL, "leitstelle", NOON, "x", None if tenant is None else TenantId(tenant))

    ours = [
        on(SwitchKind.CLOSURE, "+495117307", "langenhagen"),
        on(SwitchKind.QUEUE_MESSAGE, "langenhagen"),
        on(SwitchKind.CENTRE_MESSAGE, ""),
    ]
    theirs = [
        on(SwitchKind.CLOSURE, "+49511168", "hannover"),
        on(SwitchKind.ENTRY_MESSAGE, "115", "hannover"),
        on(SwitchKind.OVERFLOW, "hannover"),
    ]
    centre.seen = replace(centre.seen, switches=tuple(theirs + ours))
    seen = (await town.get("/api/v1/switches")).json()["switches"]
    assert [(s["kind"], s["about"]) for s in seen] == [(s.kind, s.about) for s in ours]
    assert (await town.get("/api/v1/live")).json()["switches"] == seen


async def test_the_book_says_which_town_until_when_and_with_which_prompt(
    operator: httpx.AsyncClient, book: Book
) -> None:
    await operator.put("/api/v1/entries/115/closure", json={"until": FOUR})
    await operator.put(TELLING[0], json=STORM)
    await operator.put("/api/v1/message", json=STORM)
    await operator.delete("/api/v1/message")
    assert [(line.action, line.about, line.tenant) for line in book.lines] == [
        ("entries.close", "115", "hannover"),
        ("queues.tell-callers", "langenhagen", "langenhagen"),
        ("centre.tell-everybody", "", None),
        ("centre.tell-everybody-no-more", "", None),
    ]
    until = "2026-03-02T16:00:00+00:00"
    said = [{key: line.details.get(key) for key in ("until", "prompt")} for line in book.lines]
    assert said[0] == {"until": until, "prompt": None}
    assert said[1] == said[2] == {"until": until, "prompt": "storm-warning"}
    assert said[3] == {"until": None, "prompt": None}


async def test_a_town_does_not_close_with_what_another_town_says(town: httpx.AsyncClient, centre: Centre) -> None:
    """As it may not name it in an entry."""
    prompts = (
        Prompt(PromptId("power-cut"), "Strom", "Der Strom ist weg.", tenant=TenantId("hannover")),
        Prompt(PromptId("storm"), "Sturm", "Es stürmt.", tenant=TenantId("langenhagen")),
    )
    centre.towns = replace(centre.towns, prompts=prompts)
    path = f"{LANGENHAGEN}/closure"
    answer = await town.put(path, json={"until": FOUR, "prompt": "power-cut"})
    assert (answer.status_code, answer.json()["details"]["why"]) == (409, "prompt-not-theirs")
    assert not centre.told
    for own in ("storm", "closed-today"):
        assert (await town.put(path, json={"until": FOUR, "prompt": own})).status_code == 200
