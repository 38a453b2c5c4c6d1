from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from dialog_acd.api.app import create_api
from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import AgentId, CallId, EntryKind, Phone, QueueId, TenantId
from dialog_acd.core.view import AcdView, AgentView, CallView, QueueView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from dialog_acd.api.ports import Change, Directories, Version, VersionTold
    from dialog_acd.core.records import CallRecord, Result

NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
TOKEN = "a-token-long-enough-for-one"


def agent_view(who: str, **changes: Any) -> AgentView:
    view = AgentView(
        id=AgentId(who),
        name=who.capitalize(),
        phone=Phone(f"phone-{who}"),
        team="region",
        intent=Intent.READY,
        reason="",
        work=Work.IDLE,
        phone_state=PhoneState.REACHABLE,
        available=True,
        since=NOON,
    )
    return replace(view, **changes)


def picture() -> AcdView:
    queue = QueueView(
        id=QueueId("langenhagen"),
        name="Stadt Langenhagen",
        waiting=2,
        longest_wait=timedelta(seconds=41.25),
        talking=1,
        agents_able=2,
        agents_available=1,
    )
    call = CallView(
        id=CallId("acd1-1.7"),
        tenant=TenantId("langenhagen"),
        queue=QueueId("langenhagen"),
        kind=EntryKind.MAIN_NUMBER,
        state=CallState.WAITING,
        arrived_at=NOON - timedelta(seconds=41.25),
        agent=None,
    )
    agents = (
        agent_view("anna"),
        agent_view("bert", work=Work.TALKING, available=False),
        agent_view("cem", intent=Intent.SIGNED_OUT, available=False),
    )
    return AcdView(at=NOON, switch_up=True, queues=(queue,), agents=agents, calls=(call,))


@dataclass
class Centre:
    """A live centre in memory: enough of the core's manners for the API to be told yes and no."""

    seen: AcdView = field(default_factory=picture)
    told: list[m.Signal] = field(default_factory=list)
    turns: Callable[[], Awaitable[bool]] | None = None
    silent: Callable[[], Awaitable[None]] | None = None
    broken: Exception | None = None
    refusals: list[m.Notice] = field(default_factory=list)
    """What a switch-over is answered with."""

    def view(self) -> AcdView:
        if self.broken is not None:
            raise self.broken
        return self.seen

    async def ask(self, signal: m.Signal) -> Sequence[m.Order | m.Notice]:
        if self.silent is not None:
            await self.silent()
        self.told.append(signal)
        match signal:
            case m.AgentSignedIn(agent=who):
                return self._change(who, intent=Intent.NOT_READY, reason="signed-in")
            case m.AgentSignedOut(agent=who):
                return self._change(who, intent=Intent.SIGNED_OUT, reason="")
            case m.AgentReady(agent=who):
                return self._change(who, intent=Intent.READY, reason="")
            case m.AgentNotReady(agent=who, why=why):
                if next(a for a in self.seen.agents if a.id == who).intent is Intent.SIGNED_OUT:
                    return [m.Ignored("AgentNotReady", "agent is signed out", who)]
                return self._change(who, intent=Intent.NOT_READY, reason=why)
            case m.QueueSwitched():
                return self.refusals
        raise AssertionError(signal)

    async def turning(self) -> bool:
        return await self.turns() if self.turns is not None else True

    def _change(self, who: str, intent: Intent, reason: str) -> list[m.Notice]:
        before = next(a for a in self.seen.agents if a.id == who)
        after = replace(before, intent=intent, reason=reason, available=intent is Intent.READY)
        self.seen = replace(self.seen, agents=tuple(after if a.id == who else a for a in self.seen.agents))
        return [m.AgentChanged(before.id, "intent", before.intent, intent, reason)]


@dataclass
class Shelf:
    """Records in memory, in the order the port promises."""

    kept: list[CallRecord] = field(default_factory=list)

    async def by_call(self, call: CallId) -> CallRecord | None:
        return next((r for r in self.kept if r.call == call), None)

    async def recent(
        self, limit: int, before: tuple[datetime, CallId] | None = None, result: Result | None = None
    ) -> Sequence[CallRecord]:
        ordered = sorted(self.kept, key=lambda r: (r.t_in, r.call), reverse=True)
        if result is not None:
            ordered = [r for r in ordered if r.outcome.result is result]
        if before is not None:
            ordered = [r for r in ordered if (r.t_in, r.call) < before]
        return ordered[:limit]


@pytest.fixture
def centre() -> Centre:
    return Centre()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


class Nobody:
    """No directory at all: for those who do not ask for one."""

    async def told(self, version: int | None = None) -> VersionTold:
        raise NotImplementedError

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]:
        raise NotImplementedError

    async def change(self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False) -> Change:
        raise NotImplementedError

    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Change:
        raise NotImplementedError


@pytest.fixture
def directories() -> Directories:
    return Nobody()


@pytest.fixture
def readiness() -> dict[str, Callable[[], tuple[bool, str]]]:
    return {
        "asterisk": lambda: (True, "connected to Asterisk 22.10.1"),
        "database": lambda: (True, "last write 2 s ago"),
    }


@pytest.fixture
async def stranger(
    centre: Centre,
    shelf: Shelf,
    directories: Directories,
    readiness: dict[str, Callable[[], tuple[bool, str]]],
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    registry = CollectorRegistry()
    Counter("acd_unknown_numbers_total", "Calls to numbers nobody owns.", registry=registry).inc(3)
    api = create_api(centre, shelf, directories, readiness=readiness, metrics_registry=registry, token=TOKEN)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test") as client:
        yield client


@pytest.fixture
async def operator(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same connection, with the admin token."""
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger
