"""The live state as it changes: whoever listens sees it soon, costs nothing while nothing happens, and ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI  # noqa: TC002  a fixture's
from structlog.testing import capture_logs

from dialog_acd.api import feed
from dialog_acd.api.app import end_streams
from dialog_acd.api.feed import change
from dialog_acd.api.schemas import Names
from dialog_acd.api.tokens import Role
from dialog_acd.core.lifecycle import CallState, Work
from dialog_acd.core.messages import Switch
from dialog_acd.core.model import CallId, QueueId, SwitchKind, TenantId

from .conftest import NOON, TOKEN, agent_view, picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.types import Message

    from dialog_acd.core.view import AcdView
    from dialog_acd.testing import ManualClock

    from .conftest import Book, Centre, Drawer

PATH = "/api/v1/live/stream"
LED = Names(agents=True, calls=True, counts=True)


class Board:
    """A screen on a wall that listens: what it is sent, and how it may be slow or leave."""

    def __init__(self, api: FastAPI, query: str, token: str) -> None:
        self.reads = asyncio.Event()
        """Cleared: it does not take what it is sent."""
        self.reads.set()
        self.left = asyncio.Event()
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = False
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {
            "type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": query.encode(),
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("acd", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip
        self.task = asyncio.create_task(api(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._asked:
            await self.left.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        self._sent.put_nowait(message)

    async def starts(self) -> int:
        async with asyncio.timeout(5):
            message = await self._sent.get()
        assert message["type"] == "http.response.start"
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return int(message["status"])

    async def word(self) -> str:
        """The next thing it is sent; empty: it is over."""
        async with asyncio.timeout(5):
            return str((await self._sent.get())["body"].decode())

    async def hears(self) -> tuple[str, Any]:
        """The next event: its name, and what it says."""
        while True:
            lines = (await self.word()).splitlines()
            fields = dict(line.split(": ", 1) for line in lines if line and not line.startswith(":"))
            if "event" in fields:
                self.number = int(fields["id"])
                return fields["event"], json.loads(fields["data"])

    async def ends(self) -> str:
        """Why it ended, after whatever else came; and nothing comes after that."""
        while True:
            name, said = await self.hears()
            if name == "end":
                assert await self.word() == ""
                await asyncio.wait_for(self.task, 5)
                assert self._sent.empty()
                return str(said["why"])


@asynccontextmanager
async def board(api: FastAPI, query: str = "per_second=10", token: str = TOKEN) -> AsyncIterator[Board]:
    listening = Board(api, query, token)
    try:
        assert await listening.starts() == 200
        yield listening
    finally:
        listening.reads.set()
        listening.left.set()
        await asyncio.wait_for(listening.task, 5)


def talking(seen: AcdView, *who: str) -> AcdView:
    return replace(
        seen, agents=tuple(replace(a, work=Work.TALKING, available=False) if a.id in who else a for a in seen.agents)
    )


# ---------------------------------------------------------------- what is heard


async def test_first_the_whole_picture_then_what_changes(
    api: FastAPI, centre: Centre, operator: httpx.AsyncClient
) -> None:
    async with board(api) as wall:
        assert wall.headers["content-type"].startswith("text/event-stream")
        assert wall.headers["cache-control"] == "no-store"
        assert await wall.word() == "retry: 2000\n\n"
        name, said = await wall.hears()
        assert (name, wall.number) == ("state", 1)
        assert said == (await operator.get("/api/v1/live")).json()

        centre.changes(talking(centre.seen, "anna"))
        name, said = await wall.hears()
        assert (name, wall.number) == ("change", 2)
        assert [(a["id"], a["state"]) for a in said["agents"]] == [("anna", "talking")]
        assert said["agents_by_state"] == {"signed-out": 1, "talking": 2}
        assert (said["queues"], said["calls"]) == ([], [])
        assert said["gone"] == {"queues": [], "agents": [], "calls": []}


async def test_calls_come_change_and_go(api: FastAPI, centre: Centre) -> None:
    [call] = centre.seen.calls
    async with board(api) as wall:
        await wall.hears()
        new = replace(call, id=CallId("c2"), state=CallState.ARRIVED)
        centre.changes(replace(centre.seen, calls=(replace(call, state=CallState.OFFERED, agent="anna"), new)))  # type: ignore[arg-type]
        said = (await wall.hears())[1]
        assert [(c["call"], c["state"], c["agent"]) for c in said["calls"]] == [
            ("acd1-1.7", "offered", "anna"),
            ("c2", "arrived", None),
        ]
        centre.changes(replace(centre.seen, calls=(new,), switch_up=False))
        said = (await wall.hears())[1]
        assert (said["gone"]["calls"], said["calls"], said["switch_up"]) == (["acd1-1.7"], [], False)


def test_that_a_wait_grows_is_no_change_and_that_another_waits_longest_is() -> None:
    before = picture()
    later = timedelta(seconds=7)
    [queue] = before.queues
    grown = replace(before, at=NOON + later, queues=(replace(queue, longest_wait=queue.longest_wait + later),))
    assert change(before, grown, LED) is None
    assert change(before, replace(before, at=NOON + later), LED) is not None
    nobody = replace(before, queues=(replace(queue, waiting=0, longest_wait=timedelta()),))
    assert change(nobody, replace(nobody, at=NOON + later), LED) is None
    assert change(before, replace(before, queues=()), LED).gone.queues == ["langenhagen"]  # type: ignore[union-attr]
    told = change(before, replace(before, agents=(*before.agents[1:], agent_view("dora"))), LED)
    assert told is not None
    assert ([a.id for a in told.agents], told.gone.agents) == (["dora"], ["anna"])


async def test_what_a_supervisor_switches_is_heard(api: FastAPI, centre: Centre) -> None:
    until = NOON + timedelta(hours=1)
    closed = Switch(SwitchKind.CLOSURE, "+495117307", until, "leitstelle", NOON, None, TenantId("langenhagen"))
    async with board(api) as wall:
        await wall.hears()
        centre.changes(replace(centre.seen, switches=(closed,)))
        assert [switch["about"] for switch in (await wall.hears())[1]["switches"]] == ["+495117307"]
        centre.changes(replace(centre.seen, switches=()))
        assert (await wall.hears())[1]["switches"] == []


async def test_a_part_is_listened_to(api: FastAPI, centre: Centre) -> None:
    async with board(api, "tenant=langenhagen&queue=langenhagen&per_second=10") as wall:
        _, said = await wall.hears()
        assert [a["id"] for a in said["agents"]] == ["anna"]
        centre.changes(talking(centre.seen, "cem"))  # not of this part
        centre.changes(talking(centre.seen, "anna"))
        assert [a["id"] for a in (await wall.hears())[1]["agents"]] == ["anna"]


async def test_a_part_that_is_not_there_any_more_is_the_end(api: FastAPI, centre: Centre) -> None:
    async with board(api, "queue=langenhagen&per_second=10") as wall:
        await wall.hears()
        centre.changes(replace(centre.seen, queues=()))
        assert await wall.ends() == "no-such-queue"


async def test_a_town_hears_of_itself_alone(api: FastAPI, centre: Centre, drawer: Drawer) -> None:
    drawer.give("acd_langenhagens-own-token", Role.TOWN_ADMIN, "langenhagen")
    async with board(api, token="acd_langenhagens-own-token") as wall:
        _, said = await wall.hears()
        assert (said["agents"], said["agents_by_state"]) == ([], {})  # one person is nobody's business
        [call], [queue] = centre.seen.calls, centre.seen.queues
        centre.changes(
            replace(
                talking(centre.seen, "cem"),
                calls=(call, replace(call, id=CallId("c2"), tenant=TenantId("hannover"))),
                queues=(queue, replace(queue, id=QueueId("hannover"))),
            )
        )
        centre.changes(replace(centre.seen, calls=()))
        _, said = await wall.hears()
        assert (said["calls"], said["queues"], said["agents"]) == ([], [], [])
        assert said["gone"]["calls"] == ["acd1-1.7"]
    for query, error in (("tenant=hannover", "no-such-tenant"), ("queue=hannover", "no-such-queue")):
        refused = Board(api, query, "acd_langenhagens-own-token")
        assert (await refused.starts(), json.loads(await refused.word())["error_id"]) == (404, error)


# ---------------------------------------------------------------- how often


async def test_nothing_is_looked_at_while_nothing_happens_nor_while_nobody_listens(
    api: FastAPI, centre: Centre
) -> None:
    assert centre.watching == []
    async with board(api) as one, board(api) as other:
        await one.hears()
        await other.hears()
        assert len(centre.watching) == 1
        looked = centre.looked
        for _ in range(100):
            await asyncio.sleep(0)
        assert centre.looked == looked
        centre.changes(talking(centre.seen, "anna"))
        await one.hears()
        await other.hears()
        assert centre.looked == looked + 1  # once, for both
    assert centre.watching == []


async def test_what_is_told_is_worked_out_once_for_all_who_have_seen_the_same(
    api: FastAPI, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out: list[object] = []

    def counted(before: AcdView | None, now: AcdView, names: Names) -> str | None:
        worked_out.append(now)
        return tell(before, now, names)

    tell = feed._tell
    monkeypatch.setattr(feed, "_tell", counted)
    async with board(api) as one, board(api) as other:
        assert await one.hears() == await other.hears()
        for who in (("anna",), ("anna", "cem"), ("cem",)):
            worked_out.clear()
            centre.changes(talking(picture(), *who))
            assert await one.hears() == await other.hears()
        assert len(worked_out) == 1


async def test_what_happens_in_quick_succession_is_told_together(api: FastAPI, centre: Centre) -> None:
    async with board(api) as wall:
        await wall.hears()
        looked = centre.looked
        for n in range(100):
            centre.changes(talking(centre.seen, "anna") if n % 2 else picture())
            await asyncio.sleep(0)
        assert [a["id"] for a in (await wall.hears())[1]["agents"]] == ["anna"]
        assert centre.looked - looked <= 2


async def test_a_slow_reader_gets_the_latest_and_nothing_is_kept_for_it(api: FastAPI, centre: Centre) -> None:
    async with board(api) as wall:
        await wall.hears()
        wall.reads.clear()
        for n in range(1000):
            centre.changes(replace(centre.seen, calls=(replace(centre.seen.calls[0], id=CallId(f"c{n}")),)))
            if n % 100 == 0:
                await asyncio.sleep(0.01)
        wall.reads.set()
        heard: list[str] = []
        while "c999" not in heard:
            heard += [c["call"] for c in (await wall.hears())[1]["calls"]]
        assert len(heard) <= 3


async def test_that_it_is_still_there_is_said_while_nothing_happens(
    api: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE", 0.01)
    async with board(api) as wall:
        await wall.hears()
        assert [await wall.word() for _ in range(3)] == [": still here\n\n"] * 3


async def test_a_switch_that_ends_by_itself_is_seen_to_end(
    api: FastAPI, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SOONEST", 0.01)
    switched = replace(centre.seen.queues[0], switched_until=NOON + timedelta(seconds=0.02))
    centre.seen = replace(centre.seen, queues=(switched,))
    async with board(api) as wall:
        await wall.hears()
        centre.seen = replace(centre.seen, queues=(replace(switched, switched_until=None),))  # and no signal tells
        assert (await wall.hears())[1]["queues"][0]["switched_until"] is None


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize(("query", "why", "events"), [("events=1", "events", 1), ("seconds=0.05", "seconds", 1)])
async def test_it_ends_where_it_was_to_end(
    operator: httpx.AsyncClient, centre: Centre, query: str, why: str, events: int
) -> None:
    answer = await operator.get(f"{PATH}?{query}")
    assert answer.status_code == 200
    assert answer.text.startswith("retry: 2000\n\nid: 1\nevent: state\ndata: {")
    assert answer.text.endswith(f'id: {events + 1}\nevent: end\ndata: {{"why": "{why}"}}\n\n')
    assert centre.watching == []


async def test_after_so_many_events(api: FastAPI, centre: Centre) -> None:
    async with board(api, "events=2&per_second=10") as wall:
        await wall.hears()
        centre.changes(talking(centre.seen, "anna"))
        assert await wall.ends() == "events"


async def test_the_service_stops_and_waits_for_no_reader(api: FastAPI, centre: Centre) -> None:
    async with board(api) as reads, board(api) as stands_still:
        await reads.hears()
        await stands_still.hears()
        stands_still.reads.clear()
        centre.changes(talking(centre.seen, "anna"))
        end_streams(api)
        assert await reads.ends() == "stopping"
        await asyncio.wait_for(stands_still.task, 5)
        late = Board(api, "", TOKEN)
        assert (await late.starts(), json.loads(await late.word())["error_id"]) == (503, "streams-taken")


async def test_a_reader_who_leaves_gives_the_place_back(api: FastAPI, centre: Centre) -> None:
    async with board(api) as wall:
        await wall.hears()
        wall.left.set()
        await asyncio.wait_for(wall.task, 5)
        assert centre.watching == []


async def test_a_reader_who_reads_nothing_is_left_after_its_time(api: FastAPI, centre: Centre) -> None:
    async with board(api, "seconds=0.05") as wall:
        wall.reads.clear()
        await asyncio.wait_for(wall.task, 5)
        assert centre.watching == []


@pytest.mark.parametrize(("away", "seconds"), [(None, 6), (ConnectionError("gone"), 61)])
async def test_a_token_that_is_not_in_force_any_more_hears_no_more(
    *, api: FastAPI, drawer: Drawer, clock: Any, monkeypatch: pytest.MonkeyPatch, away: Exception | None, seconds: int
) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE", 0.01)
    drawer.give("acd_soon-to-be-revoked", Role.SUPERVISOR)
    async with board(api, token="acd_soon-to-be-revoked") as wall:
        await wall.hears()
        drawer.kept.clear()
        drawer.locked = away
        with capture_logs():
            clock.advance(seconds)
            assert await wall.ends() == "token"


async def test_who_listens_is_written_down_at_once_and_in_every_hour(
    api: FastAPI, centre: Centre, book: Book, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the stream ends, an hour later; and not for each of its events."""
    monkeypatch.setattr(feed, "KEEP_ALIVE", 0.01)
    async with board(api) as wall:
        await wall.hears()
        assert [(line.who, line.action, line.details["by"]) for line in book.lines] == [
            ("admin", "agents.watch", "live.stream")
        ]
        centre.changes(talking(centre.seen, "anna"))
        await wall.hears()
        async with board(api) as second:
            await second.hears()
        assert len(book.lines) == 1
        clock.advance(3600)
        async with asyncio.timeout(5):
            while len(book.lines) == 1:
                assert await wall.word() == ": still here\n\n"
    assert [line.at.hour for line in book.lines] == [11, 12]


async def test_no_token_takes_all_places_and_all_together_are_so_many(
    api: FastAPI, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_STREAMS", 3)
    monkeypatch.setattr(feed, "MOST_OF_A_TOKEN", 2)
    drawer.give("acd_a-supervisors-token", Role.SUPERVISOR)

    async def refused(token: str) -> tuple[int, str]:
        more = Board(api, "", token)
        return await more.starts(), json.loads(await more.word())["error_id"]

    async with board(api) as one:
        async with board(api):
            assert await refused(TOKEN) == (429, "too-many-streams")
            async with board(api, token="acd_a-supervisors-token"):
                assert await refused("acd_a-supervisors-token") == (503, "streams-taken")
        await one.hears()
        async with board(api):
            pass


@pytest.mark.parametrize(
    "query",
    ["seconds=0", "seconds=3601", "seconds=nan", "seconds=inf", "events=0", "events=1000001", "per_second=0",
     "per_second=11", "per_second=nan"],
)  # fmt: skip
async def test_a_stream_has_bounds(operator: httpx.AsyncClient, query: str) -> None:
    assert (await operator.get(f"{PATH}?{query}")).status_code == 422
