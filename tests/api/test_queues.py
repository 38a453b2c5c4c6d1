"""A supervisor sends a queue over, and takes it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.messages import Ignored, QueueSwitched
from dialog_acd.core.model import QueueId

if TYPE_CHECKING:
    import httpx

    from api.conftest import Centre

FOUR = "2026-03-02T17:00:00+01:00"


async def test_a_queue_is_switched_over_and_back(operator: httpx.AsyncClient, centre: Centre) -> None:
    answer = await operator.put("/api/v1/queues/langenhagen/switch", json={"until": FOUR})
    assert (answer.status_code, answer.json()["id"]) == (200, "langenhagen")
    assert (await operator.delete("/api/v1/queues/langenhagen/switch")).status_code == 200
    until = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
    assert centre.told == [
        QueueSwitched(QueueId("langenhagen"), until, "admin"),
        QueueSwitched(QueueId("langenhagen"), None, "admin"),
    ]


async def test_what_the_core_refuses_is_a_conflict_with_its_reason(operator: httpx.AsyncClient, centre: Centre) -> None:
    why = "the queue's ladder has no rung 'switched: ...'"
    centre.refusals = [Ignored("QueueSwitched", why, "langenhagen")]
    answer = await operator.put("/api/v1/queues/langenhagen/switch", json={"until": FOUR})
    assert (answer.status_code, answer.json()["error_id"]) == (409, "switch-refused")
    assert why in answer.json()["message"]


async def test_a_queue_nobody_knows(operator: httpx.AsyncClient, centre: Centre) -> None:
    answer = await operator.delete("/api/v1/queues/nowhere/switch")
    assert (answer.status_code, answer.json()["error_id"]) == (404, "no-such-queue")
    assert centre.told == []


@pytest.mark.parametrize(
    "body", [{}, {"until": "later"}, {"until": "2026-03-02T17:00:00"}, {"until": FOUR, "by": "me"}]
)
async def test_a_moment_without_a_zone_or_with_more_than_asked_is_refused(
    operator: httpx.AsyncClient, body: dict[str, str]
) -> None:
    answer = await operator.put("/api/v1/queues/langenhagen/switch", json=body)
    assert answer.status_code == 422
