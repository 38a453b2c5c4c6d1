from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dialog_acd.api.routes import health

from .conftest import TOKEN, Book, Centre

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI


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


@pytest.mark.parametrize(
    ("address", "status"),
    [
        *[(here, 200) for here in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")],
        *[(elsewhere, 403) for elsewhere in ("172.31.115.6", "::ffff:10.0.0.7", "fe80::1%eth0", "")],
    ],
)
async def test_without_a_token_of_its_own_prometheus_has_to_be_here(api: FastAPI, address: str, status: int) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api, client=(address, 1)), base_url="http://acd.test"
    ) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == status
        assert status == 200 or answer.json()["error_id"] == "metrics-for-this-machine"
        assert (await client.get("/health/live")).status_code == 200


class TestATokenForMetrics:
    @pytest.fixture
    def metrics_token(self) -> str:
        return "grünkohl-for-prometheus"

    @pytest.mark.parametrize("address", ["127.0.0.1", "172.31.115.6"])
    async def test_opens_metrics_from_everywhere_and_nothing_else_does(
        self, api: FastAPI, book: Book, address: str, metrics_token: str
    ) -> None:
        key = f"Bearer {metrics_token}".encode()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(api, client=(address, 1)), base_url="http://acd.test"
        ) as client:
            assert (await client.get("/metrics", headers={b"authorization": key})).status_code == 200
            for wrong in (None, b"Bearer ", b"Bearer " + TOKEN.encode(), b"Basic " + metrics_token.encode(), key[:-1]):
                answer = await client.get("/metrics", headers={} if wrong is None else {b"authorization": wrong})
                assert (answer.status_code, answer.json()["error_id"]) == (401, "not-authenticated")
            assert (await client.get("/api/v1/live", headers={b"authorization": key})).status_code == 401
        assert {line[1:] for line in book.told()} == {
            ("health.metrics", "", "refused"),
            ("live.picture", "", "refused"),
        }
