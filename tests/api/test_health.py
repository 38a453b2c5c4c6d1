from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from dialog_acd.api.routes import health

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import pytest

    from .conftest import Centre


async def test_alive_while_the_engine_answers(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_not_alive_when_the_engine_says_so(stranger: httpx.AsyncClient, centre: Centre) -> None:
    async def stopped() -> bool:
        return False

    centre.turns = stopped
    answer = await stranger.get("/health/live")
    assert (answer.status_code, answer.json()["error_id"]) == (503, "engine-silent")


async def test_not_alive_when_the_engine_says_nothing(
    stranger: httpx.AsyncClient, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN", 0.01)
    centre.turns = asyncio.get_running_loop().create_future  # resolved by nobody
    async with asyncio.timeout(2):
        answer = await stranger.get("/health/live")
    assert (answer.status_code, answer.json()["error_id"]) == (503, "engine-silent")


async def test_ready_when_everything_is(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "dependencies": {
            "asterisk": {"ok": True, "detail": "connected to Asterisk 22.10.1"},
            "database": {"ok": True, "detail": "last write 2 s ago"},
        },
    }


async def test_not_ready_names_what_is_missing_and_what_is_not(
    stranger: httpx.AsyncClient, readiness: dict[str, Callable[[], tuple[bool, str]]]
) -> None:
    readiness["asterisk"] = lambda: (False, "no link since 12 s")
    answer = await stranger.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["error_id"] == "not-ready"
    assert answer.json()["details"]["dependencies"] == {
        "asterisk": {"ok": False, "detail": "no link since 12 s"},
        "database": {"ok": True, "detail": "last write 2 s ago"},
    }


async def test_a_check_that_breaks_hides_neither_itself_nor_the_others(
    stranger: httpx.AsyncClient, readiness: dict[str, Callable[[], tuple[bool, str]]]
) -> None:
    def breaks() -> tuple[bool, str]:
        raise ConnectionError("password=hunter2")

    readiness["database"] = breaks
    answer = await stranger.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["details"]["dependencies"]["asterisk"]["ok"] is True
    assert answer.json()["details"]["dependencies"]["database"]["ok"] is False
    assert "hunter2" not in answer.text


async def test_prometheus_reads_without_a_token(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {s.name: s.value for family in text_string_to_metric_families(answer.text) for s in family.samples}
    assert samples["acd_unknown_numbers_total"] == 3
