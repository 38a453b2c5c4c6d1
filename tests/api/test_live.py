from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest

from dialog_acd.api.routes.agents import AgentWord
from dialog_acd.api.routes.live import CallWord
from dialog_acd.api.tokens import Role
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import AgentId, CallId, QueueId, TenantId

from .conftest import agent_view

if TYPE_CHECKING:
    import httpx

    from .conftest import Centre, Drawer


async def test_the_whole_picture_in_one_answer(operator: httpx.AsyncClient) -> None:
    answer = (await operator.get("/api/v1/live")).json()
    assert answer["at"] == "2026-03-02T11:00:00Z"
    assert answer["switch_up"] is True
    assert answer["queues"] == [
        {
            "id": "langenhagen",
            "name": "Stadt Langenhagen",
            "waiting": 2,
            "longest_wait_seconds": 41.25,
            "talking": 1,
            "agents_able": 2,
            "agents_available": 1,
            "switched_until": None,
        }
    ]
    assert answer["agents_by_state"] == {"available": 1, "signed-out": 1, "talking": 1}
    assert [agent["id"] for agent in answer["agents"]] == ["anna", "bert", "cem"]
    assert answer["calls"] == [
        {
            "call": "acd1-1.7",
            "tenant": "langenhagen",
            "candidates": [],
            "test": False,
            "queue": "langenhagen",
            "kind": "main-number",
            "state": "waiting",
            "arrived_at": "2026-03-02T10:59:18.750000Z",
            "age_seconds": 41.25,
            "agent": None,
        }
    ]
    assert answer["switches"] == []


async def test_queues_and_agents_are_parts_of_the_same_picture(operator: httpx.AsyncClient) -> None:
    whole = (await operator.get("/api/v1/live")).json()
    queues = (await operator.get("/api/v1/queues")).json()
    agents = (await operator.get("/api/v1/agents")).json()
    assert queues == {"at": whole["at"], "queues": whole["queues"]}
    assert agents == {"at": whole["at"], "by_state": whole["agents_by_state"], "agents": whole["agents"]}


async def test_one_agent_with_the_three_axes_behind_the_word(operator: httpx.AsyncClient) -> None:
    assert (await operator.get("/api/v1/agents/bert")).json() == {
        "id": "bert",
        "name": "Bert",
        "phone": "phone-bert",
        "team": "region",
        "state": "talking",
        "intent": "ready",
        "reason": "",
        "work": "talking",
        "phone_state": "reachable",
        "available": False,
        "since": "2026-03-02T11:00:00Z",
    }


# ---------------------------------------------------------------- parts of the picture


@pytest.fixture
def busy(centre: Centre) -> Centre:
    """Two towns, two queues, calls in three states."""
    [queue], [call] = centre.seen.queues, centre.seen.calls
    hannover = replace(queue, id=QueueId("hannover"))
    centre.seen = replace(
        centre.seen,
        queues=(queue, hannover),
        calls=(
            call,
            replace(call, id=CallId("c2"), state=CallState.CONNECTED, agent=AgentId("bert")),
            replace(call, id=CallId("c3"), tenant=TenantId("hannover"), queue=QueueId("hannover")),
        ),
    )
    return centre


async def ids(operator: httpx.AsyncClient, path: str, part: str) -> list[str]:
    answer = await operator.get(f"/api/v1/{path}")
    assert answer.status_code == 200
    return [one.get("id") or one["call"] for one in answer.json()[part]]


@pytest.mark.parametrize(
    ("path", "part", "found"),
    [
        ("live?tenant=hannover", "queues", ["hannover"]),
        ("live?tenant=hannover", "calls", ["c3"]),
        ("live?tenant=langenhagen", "agents", ["anna"]),
        ("live?queue=hannover", "calls", ["c3"]),
        ("live?queue=langenhagen", "queues", ["langenhagen"]),
        ("live/calls", "calls", ["acd1-1.7", "c2", "c3"]),
        ("live/calls?state=waiting", "calls", ["acd1-1.7", "c3"]),
        ("live/calls?state=waiting&state=connected&queue=langenhagen", "calls", ["acd1-1.7", "c2"]),
        ("live/calls?tenant=langenhagen&state=waiting", "calls", ["acd1-1.7"]),
        ("live/calls?state=failsafe", "calls", []),
        ("queues?tenant=langenhagen", "queues", ["langenhagen"]),
        ("agents?state=available", "agents", ["anna"]),
        ("agents?state=talking&state=signed-out", "agents", ["bert", "cem"]),
        ("agents?tenant=langenhagen&state=talking", "agents", []),
        ("agents?queue=hannover", "agents", ["anna", "bert", "cem"]),
    ],
)
async def test_a_part_of_the_picture(
    operator: httpx.AsyncClient, busy: Centre, path: str, part: str, found: list[str]
) -> None:
    assert await ids(operator, path, part) == found


async def test_who_can_serve_a_queue(operator: httpx.AsyncClient, centre: Centre) -> None:
    kept = [replace(a, lines=frozenset({QueueId("115")})) if a.id == "bert" else a for a in centre.towns.agents]
    centre.towns = replace(centre.towns, agents=tuple(kept))
    assert await ids(operator, "agents?queue=langenhagen", "agents") == ["anna", "cem"]


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("live?tenant=laatzen", 404, "no-such-tenant"),
        ("live?queue=laatzen", 404, "no-such-queue"),
        ("live/calls?queue=laatzen", 404, "no-such-queue"),
        ("live/stream?tenant=laatzen", 404, "no-such-tenant"),
        ("queues?tenant=laatzen", 404, "no-such-tenant"),
        ("agents?tenant=laatzen", 404, "no-such-tenant"),
        ("agents?queue=laatzen", 404, "no-such-queue"),
        ("agents?state=asleep", 422, "not-valid"),
        ("live/calls?state=ended", 422, "not-valid"),
    ],
)
async def test_what_is_not_there_is_said_and_is_no_empty_list(
    operator: httpx.AsyncClient, query: str, status: int, error: str
) -> None:
    answer = await operator.get(f"/api/v1/{query}")
    assert (answer.status_code, answer.json()["error_id"]) == (status, error)


@pytest.mark.parametrize("path", ["live", "live/calls", "queues", "agents", "live/stream"])
async def test_another_town_is_not_there_for_a_town(stranger: httpx.AsyncClient, drawer: Drawer, path: str) -> None:
    drawer.give("acd_langenhagens-own-token", Role.TOWN_ADMIN, "langenhagen")
    stranger.headers["Authorization"] = "Bearer acd_langenhagens-own-token"
    theirs = await stranger.get(f"/api/v1/{path}?tenant=hannover")
    nobodys = await stranger.get(f"/api/v1/{path}?tenant=laatzen")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text.replace("hannover", "laatzen") == nobodys.text


def test_the_words_for_states_are_those_there_are() -> None:
    assert {*get_args(CallWord)} == {*CallState} - {CallState.ENDED}
    told = set()
    for intent in Intent:
        for work in Work:
            for phone in PhoneState:
                for available in (False, True):
                    told.add(agent_view("a", intent=intent, work=work, phone_state=phone, available=available).state)
    assert {*get_args(AgentWord)} == told
