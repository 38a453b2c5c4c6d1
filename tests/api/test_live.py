from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


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
