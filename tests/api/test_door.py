"""Who gets in, what may come in, and what every answer looks like."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog.testing import capture_logs

from dialog_acd.administration import Administration
from dialog_acd.api import app
from dialog_acd.api.app import BODY_LIMIT, Door, create_api
from dialog_acd.recordings import Recordings
from dialog_acd.sound.studio import Studio
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_plain import plain
from dialog_acd.store.directory_store import DirectoryStore
from dialog_acd.store.record_store import RecordReader
from dialog_acd.store.recording_store import RecordingStore
from dialog_acd.store.repeat_store import RepeatStore
from directories import DEMO

from .conftest import NOON, TOKEN, Archive, Book, Cabinet, Centre, Drawer, Folder, Press, Shelf, Twice, unsettled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx
    from starlette.types import Message, Receive, Scope, Send

    from dialog_acd.api.ports import Directories
    from dialog_acd.testing import ManualClock


def problem(answer: httpx.Response, status: int, error_id: str) -> dict[str, Any]:
    """Whatever went wrong, it has the one shape."""
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["error_id"]) == (status, error_id)
    assert set(told) == {"error_id", "message", "details"}
    assert told["message"]
    assert isinstance(told["details"], dict)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return told


def built(token: str) -> None:
    create_api(
        Centre(),
        Shelf(),
        cast("Directories", Cabinet()),
        readiness={},
        metrics_registry=CollectorRegistry(),
        token=token,
        tokens=Drawer(),
        audit_log=Book(),
        repeats=Twice(),
        agreements=Folder(),
        archive=Archive(),
        told=Press(),
        settlement=unsettled(),
        now=lambda: NOON,
    )


def test_a_token_with_umlauts_is_a_token_too() -> None:
    built("schlüssel-für-grünkohl")


@pytest.mark.parametrize("token", ["", "changeme", " " * 20, f"{TOKEN}\n"])
def test_a_placeholder_is_no_token(token: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        built(token)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/redoc",
        "/docs/",
        "/docs/index.html",
        "/docs/..%2Fapp.py",
        "/api/v1/",
        "/api/v1/queues/",
        "/api/v1/agents/a%2Fb/ready/x",
    ],
)
async def test_unknown_paths(operator: httpx.AsyncClient, path: str) -> None:
    problem(await operator.get(path), 404, "no-such-path")


async def test_a_wrong_method_says_which_is_right(operator: httpx.AsyncClient) -> None:
    answer = await operator.delete("/api/v1/queues")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_good_answer_is_kept_by_nobody(operator: httpx.AsyncClient) -> None:
    answer = await operator.get("/api/v1/live")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("broken", ["{", '{"why": ', "[" * 60_000, '{"why": "\\ud800"}', '{"\\ud800": 1}', "\x00"])
async def test_unreadable_json(operator: httpx.AsyncClient, centre: Centre, broken: str) -> None:
    answer = await operator.post(
        "/api/v1/agents/anna/not-ready", content=broken, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code, {400: "bad-request", 422: "not-valid"}[answer.status_code])
    assert centre.told == []


async def test_a_rejected_value_is_not_repeated(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/v1/agents/anna/not-ready", json={"why": ["hunter2"]})
    problem(answer, 422, "not-valid")
    assert "hunter2" not in answer.text


async def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not(
    operator: httpx.AsyncClient, centre: Centre
) -> None:
    fits = json.dumps({"why": "tea"}).ljust(BODY_LIMIT).encode()
    kind = {"Content-Type": "application/json"}
    path = "/api/v1/agents/anna/not-ready"
    assert (await operator.post(path, content=fits, headers=kind)).status_code == 200
    told = problem(await operator.post(path, content=fits + b" ", headers=kind), 413, "body-too-large")
    assert told["details"] == {"limit_bytes": 65536}
    assert len(centre.told) == 1


async def test_a_body_that_does_not_say_its_length_is_counted_and_one_that_does_is_not_read(
    stranger: httpx.AsyncClient,
) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10_000

    problem(await stranger.post("/no/such/path", content=endless()), 413, "body-too-large")
    assert taken == 7
    announced = await stranger.post("/no/such/path", content=endless(), headers={"Content-Length": "65537"})
    problem(announced, 413, "body-too-large")
    assert taken == 7


async def test_a_body_that_never_ends_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_WITHIN", 0.01)
    sent: list[Message] = []
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> Message:
        if (message := next(messages, None)) is not None:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def unreached(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async with asyncio.timeout(2):
        await Door(unreached)({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error_id"] == "body-too-slow"


async def test_who_leaves_in_the_middle_of_a_body_gets_no_answer() -> None:
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(messages)

    async def unreached(*_: object) -> None:
        raise AssertionError

    await Door(unreached)({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, unreached)


async def test_faults_are_told_in_short(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/v1/agents/anna/not-ready", json={"x" * 10_000: 1})
    assert len(problem(answer, 422, "not-valid")["details"]["faults"][0]["where"]) == 200


async def test_our_own_defect_is_logged_once_and_shows_nothing(operator: httpx.AsyncClient, centre: Centre) -> None:
    centre.broken = RuntimeError("secret inside")
    with capture_logs() as lines:
        answer = await operator.get("/api/v1/live")
    assert problem(answer, 500, "internal")["details"] == {}
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [(line["event"], line["path"]) for line in lines] == [("api.failed", "/api/v1/live")]


async def test_the_contract_describes_its_errors_and_units(operator: httpx.AsyncClient) -> None:
    contract = (await operator.get("/openapi.json")).json()
    schemas = contract["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert "seconds" in schemas["QueueOut"]["properties"]["longest_wait_seconds"]["description"]
    for path, methods in contract["paths"].items():
        for operation in methods.values():
            for status, told in operation["responses"].items():
                if int(status) >= 400:
                    assert told["content"]["application/json"]["schema"]["$ref"].endswith("/ProblemOut"), path


class TestWithoutADatabase:
    """Nobody listens where it should be: the drivers' own errors, not ours, come up from the stores."""

    @pytest.fixture
    async def nowhere(self) -> AsyncIterator[AsyncEngine]:
        engine = create_async_engine("postgresql+asyncpg://acd@127.0.0.1:1/acd")
        yield engine
        await engine.dispose()

    @pytest.fixture
    def shelf(self, nowhere: AsyncEngine) -> RecordReader:
        return RecordReader(nowhere)

    @pytest.fixture
    def directories(self, nowhere: AsyncEngine, clock: ManualClock) -> Administration:
        return Administration(DirectoryStore(nowhere), clock, lambda _: None)

    @pytest.fixture
    def archive(self, nowhere: AsyncEngine, clock: ManualClock) -> Recordings:
        return Recordings(RecordingStore(nowhere), Studio(), clock)

    @pytest.fixture
    def twice(self, nowhere: AsyncEngine) -> RepeatStore:
        return RepeatStore(nowhere)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "calls"),
            ("GET", "calls/c-1"),
            ("GET", "directory"),
            ("PUT", "directory"),
            ("GET", "directory/versions"),
            ("POST", "directory/versions/1/rollback"),
            ("GET", "directory/queues"),
            ("POST", "directory/teams"),
            ("PATCH", "directory/teams/centre"),
            ("GET", "tenants/langenhagen/gate"),
            ("POST", "tenants/langenhagen/go-live"),
            ("DELETE", "tenants/langenhagen/go-live"),
            ("GET", "recordings"),
            ("GET", f"recordings/{'0' * 64}/audio"),
        ],
    )
    async def test_that_it_is_away_is_not_our_defect(
        self, operator: httpx.AsyncClient, book: Book, method: str, path: str
    ) -> None:
        headers = {"If-Match": "*", "Idempotency-Key": "once"}
        body: dict[str, Any] | None = {
            "directory": json.loads(json.dumps(plain(read_directory(DEMO)), default=str)),
            "directory/teams": {"id": "x", "name": "X"},
            "tenants/langenhagen/go-live": {"on": "2026-04-01"},
        }.get(path, {})
        if method in ("GET", "DELETE"):
            body = None
        answer = await operator.request(method, f"/api/v1/{path}", headers=headers, json=body)
        problem(answer, 503, "database-away")
        assert [line.outcome for line in book.lines] == ([] if method == "GET" else ["uncertain"])
        assert gc.isenabled()
