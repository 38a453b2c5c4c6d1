from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from dialog_acd.api.routes import agents
from dialog_acd.core.messages import AgentNotReady, AgentReady, AgentSignedIn, AgentSignedOut
from dialog_acd.core.model import AgentId

if TYPE_CHECKING:
    import httpx

    from .conftest import Centre

ANNA, CEM = AgentId("anna"), AgentId("cem")


async def test_an_agents_day_by_rest(operator: httpx.AsyncClient, centre: Centre) -> None:
    words = []
    for step in ("sign-in", "ready", "not-ready", "sign-out"):
        answer = await operator.post(f"/api/v1/agents/cem/{step}")
        assert answer.status_code == 200
        words.append((answer.json()["state"], answer.json()["reason"]))
    assert words == [("not-ready", "signed-in"), ("available", ""), ("not-ready", "pause"), ("signed-out", "")]
    assert centre.told == [AgentSignedIn(CEM), AgentReady(CEM), AgentNotReady(CEM, "pause"), AgentSignedOut(CEM)]


async def test_the_reason_for_not_ready_reaches_the_board(operator: httpx.AsyncClient, centre: Centre) -> None:
    answer = await operator.post("/api/v1/agents/anna/not-ready", json={"why": "  Rückfrage beim Amt "})
    assert answer.json()["reason"] == "Rückfrage beim Amt"
    assert centre.told == [AgentNotReady(ANNA, "Rückfrage beim Amt")]


@pytest.mark.parametrize(
    "body",
    [
        {"why": ""},
        {"why": "   "},
        {"why": "x" * 41},
        {"why": "tea\r\nAction: Originate"},
        {"why": "tea\x00"},
        {"why": None},
        {"why": 7},
        {"wy": "tea"},
        ["tea"],
    ],
)
async def test_an_odd_reason_is_refused_and_nothing_is_told(
    operator: httpx.AsyncClient, centre: Centre, body: object
) -> None:
    answer = await operator.post("/api/v1/agents/anna/not-ready", json=body)
    assert answer.status_code == 422
    assert answer.json()["error_id"] == "not-valid"
    assert answer.json()["details"]["faults"][0]["where"].startswith("body")
    assert centre.told == []


async def test_what_the_core_ignores_is_a_conflict_with_its_reason(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/v1/agents/cem/not-ready")
    assert answer.status_code == 409
    assert answer.json() == {
        "error_id": "agent-refused",
        "message": "Not possible for this agent now: agent is signed out.",
        "details": {"agent": "cem", "why": "agent is signed out"},
    }


@pytest.mark.parametrize("step", ["sign-in", "sign-out", "ready", "not-ready"])
async def test_nobody_is_told_about_an_unknown_agent(operator: httpx.AsyncClient, centre: Centre, step: str) -> None:
    answer = await operator.post(f"/api/v1/agents/ana/{step}")
    assert answer.status_code == 404
    assert answer.json()["error_id"] == "no-such-agent"
    assert answer.json()["details"] == {"agent": "ana"}
    assert centre.told == []
    assert (await operator.get("/api/v1/agents/ana")).json()["error_id"] == "no-such-agent"


async def test_a_silent_engine_does_not_hold_the_asker(
    operator: httpx.AsyncClient, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "ANSWER_WITHIN", 0.01)

    async def never() -> None:
        await asyncio.Event().wait()

    centre.silent = never
    async with asyncio.timeout(2):
        answer = await operator.post("/api/v1/agents/anna/ready")
    assert answer.status_code == 503
    assert answer.json()["error_id"] == "engine-silent"


async def test_the_log_says_who_told_what(operator: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await operator.post("/api/v1/agents/anna/ready")
    assert {"event": "api.agent-told", "by": "admin", "agent": "anna", "signal": "AgentReady"}.items() <= lines[
        0
    ].items()
