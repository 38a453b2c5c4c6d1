from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from dialog_acd.administration import Administration
from dialog_acd.api.app import create_api
from dialog_acd.api.tokens import Role, digest
from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import UNASSIGNED, AgentId, CallId, EntryKind, Phone, QueueId, Statistics, TenantId
from dialog_acd.core.releases import Kind, OfOne, Release, Signature, of_one
from dialog_acd.core.shares import usage_of
from dialog_acd.core.switches import OF_ENTRIES
from dialog_acd.core.view import AcdView, AgentView, CallStory, CallView, QueueView
from dialog_acd.recordings import Taken
from dialog_acd.report.document import Chapter, Document, Label, Table, Unit, Value
from dialog_acd.reports import Form
from dialog_acd.reports import told as written
from dialog_acd.settlement import Settlement
from dialog_acd.store.audit_store import NoSuchLine
from dialog_acd.store.directory_plain import plain
from dialog_acd.store.directory_store import DirectoryStore, Edit, NoSuchVersion, Version
from dialog_acd.store.recording_store import NoSuchRecording, Recording
from dialog_acd.store.release_store import PolicyNotReleased
from dialog_acd.store.statement_store import Issue
from dialog_acd.testing import ManualClock, demo_agent, demo_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date

    from fastapi import FastAPI

    from dialog_acd.api.people import People
    from dialog_acd.api.ports import Directories, Recordings, Statements
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.errors import DialogAcdError
    from dialog_acd.core.records import CallRecord, Result
    from dialog_acd.core.releases import PolicyChange
    from dialog_acd.core.shares import Month, Slice, Statement, Used

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


def with_policy(directory: Directory, level: Statistics) -> Directory:
    """The same, where this policy holds in all towns."""
    towns = (replace(town, contract=replace(town.contract, statistics=level)) for town in directory.tenants)
    return replace(directory, tenants=tuple(towns))


@dataclass
class Centre:
    """A live centre in memory: enough of the core's manners for the API to be told yes and no."""

    seen: AcdView = field(default_factory=picture)
    told: list[m.Signal] = field(default_factory=list)
    turns: Callable[[], Awaitable[bool]] | None = None
    silent: Callable[[], Awaitable[None]] | None = None
    broken: Exception | None = None
    refusals: list[m.Notice] = field(default_factory=list)
    """What is said to a supervisor who switches."""
    watching: list[Callable[[], None]] = field(default_factory=list)
    looked: int = 0
    """How often somebody asked for the picture."""
    stories: dict[str, CallStory] = field(default_factory=dict)
    towns: Directory = field(
        default_factory=lambda: demo_directory(
            [replace(demo_agent("anna"), home=TenantId("langenhagen")), demo_agent("bert"), demo_agent("cem")]
        )
    )

    def directory(self) -> Directory:
        return self.towns

    def view(self) -> AcdView:
        if self.broken is not None:
            raise self.broken
        self.looked += 1
        return self.seen

    def watch(self, stir: Callable[[], None]) -> Callable[[], None]:
        self.watching.append(stir)
        return lambda: self.watching.remove(stir)

    def changes(self, seen: AcdView) -> None:
        """Something happens, and whoever watches is told that something did."""
        self.seen = seen
        for stir in list(self.watching):
            stir()

    def story(self, call: CallId) -> CallStory | None:
        return self.stories.get(call)

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
            case m.SupervisorSwitched():
                return self.refusals or self._switch(signal)
            case m.TownNamed(call=call, tenant=tenant, by=by):
                return [m.CallAssigned(call, UNASSIGNED, tenant, by)]
            case m.CallMarked(call=call, test=test, by=by):
                return [m.TestMarked(call, test, by)]
        raise AssertionError(signal)

    def _switch(self, s: m.SupervisorSwitched) -> list[m.Notice]:
        on = [switch for switch in self.seen.switches if (switch.kind, switch.about) != (s.kind, s.about)]
        if s.until is not None:
            entry = self.towns.entry_named(s.about, NOON) if s.kind in OF_ENTRIES else None
            tenant = None if entry is None else entry.tenant
            on.append(m.Switch(s.kind, s.about, s.until, s.by, NOON, s.prompt, tenant))
        self.seen = replace(self.seen, switches=tuple(on))
        return [m.SwitchTurned(s.kind, s.about, s.until, s.by, s.prompt)]

    async def turning(self) -> bool:
        return await self.turns() if self.turns is not None else True

    def _change(self, who: str, intent: Intent, reason: str) -> list[m.Notice]:
        before = next(a for a in self.seen.agents if a.id == who)
        after = replace(before, intent=intent, reason=reason, available=intent is Intent.READY)
        self.seen = replace(self.seen, agents=tuple(after if a.id == who else a for a in self.seen.agents))
        return [m.AgentChanged(before.id, "intent", before.intent, intent, reason)]


@dataclass
class Press:
    """Prints the same little report for everybody, and remembers who asked for what."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    refuses: DialogAcdError | None = None

    async def calls(self, since: date | None, until: date | None, by: str, town: str | None, form: str) -> str:
        return self._print(form, "calls", since, until, by, town)

    async def evaluation(self, since: date | None, until: date | None, town: str | None, form: str) -> str:
        return self._print(form, "evaluation", since, until, town)

    async def readiness(self, weeks: int, form: str) -> str:
        return self._print(form, "readiness", weeks)

    async def towns(self, since: date | None, until: date | None) -> Collection[str]:
        return {"langenhagen", "hannover"}

    def _print(self, form: str, *asked: object) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append(asked)
        row = (Label("Langenhagen", "langenhagen"), Value(92.0, Unit.PERCENT, 920, 1000))
        table = Table("t", "Anrufe", ("Kommune", "Wert"), (row,))
        return written(Document("calls", "Anrufe", "März", NOON, (Chapter("c", "Anrufe", (), (table,)),)), Form(form))


@dataclass
class Shelf:
    """Records in memory, in the order the port promises."""

    kept: list[CallRecord] = field(default_factory=list)

    async def by_call(self, call: CallId) -> CallRecord | None:
        return next((r for r in self.kept if r.call == call), None)

    async def recent(
        self,
        limit: int,
        before: tuple[datetime, CallId] | None = None,
        result: Result | None = None,
        tenant: str | None = None,
        *,
        queue: str | None = None,
        partner: str | None = None,
        agent: str | None = None,
        since: datetime | None = None,
        to: datetime | None = None,
    ) -> Sequence[CallRecord]:
        ordered = sorted(self.kept, key=lambda r: (r.t_in, r.call), reverse=True)
        ordered = [
            r
            for r in ordered
            if queue in (None, r.queue)
            and partner in (None, r.overflow_partner)
            and agent in (None, r.agent)
            and (since is None or since <= r.t_in)
            and (to is None or r.t_in < to)
        ]
        if result is not None:
            ordered = [r for r in ordered if r.outcome.result is result]
        if tenant is not None:
            ordered = [r for r in ordered if r.tenant == tenant]
        if before is not None:
            ordered = [r for r in ordered if (r.t_in, r.call) < before]
        return ordered[:limit]

    async def of_agent(self, agent: str, since: datetime, to: datetime) -> OfOne:
        return of_one([r for r in self.kept if since <= r.t_in < to], agent)


@dataclass
class Folder:
    """Releases in memory."""

    kept: list[Release] = field(default_factory=list)

    async def ask(self, release: Release) -> Release:
        self.kept.append(replace(release, id=len(self.kept) + 1))
        return self.kept[-1]

    async def one(self, number: int) -> Release | None:
        return self.kept[number - 1] if number <= len(self.kept) else None

    async def page(self, limit: int, before: int | None = None) -> Sequence[Release]:
        return [r for r in reversed(self.kept) if before is None or r.id < before][:limit]

    async def agreed(self, now: datetime) -> Sequence[Release]:
        return [r for r in self.kept if r.agreed is not None]

    async def agree(self, number: int, by: Signature) -> bool:
        self.kept[number - 1] = replace(self.kept[number - 1], agreed=by)
        return True

    async def revoke(self, number: int, by: Signature) -> bool:
        self.kept[number - 1] = replace(self.kept[number - 1], revoked=by)
        return True

    def release(self, *agents: str, first: str = "2026-01", last: str = "2026-12", days: int = 30) -> None:
        """One that is in force."""
        asked, agreed = Signature("the supervisor", "id-2", NOON), Signature("the staff-council", "id-9", NOON)
        until = NOON.date() + timedelta(days=days)
        named = tuple(AgentId(agent) for agent in agents)
        self.kept.append(
            Release(len(self.kept) + 1, Kind.FIGURES, "a test", until, asked, named, first, last, agreed=agreed)
        )


@dataclass(frozen=True)
class Given:
    """A token somebody was given."""

    id: str
    name: str
    role: str
    tenant: str | None
    digest: str
    expires_at: datetime
    agent: str | None = None


@dataclass
class Drawer:
    """Tokens in memory; it counts how often somebody looked."""

    kept: list[Given] = field(default_factory=list)
    looked: int = 0
    locked: Exception | None = None

    def give(
        self,
        token: str,
        role: Role | str,
        tenant: str | None = None,
        *,
        until: datetime = NOON + timedelta(days=90),
        agent: str | None = None,
    ) -> None:
        name = f"the {role}"
        if role == Role.AGENT:
            agent = agent or "anna"
        self.kept.append(Given(f"id-{len(self.kept)}", name, str(role), tenant, digest(token), until, agent))

    async def live(self) -> Sequence[Given]:
        self.looked += 1
        if self.locked is not None:
            raise self.locked
        return list(self.kept)


@dataclass(frozen=True)
class Line:
    id: int
    at: datetime
    who: str
    role: str
    tenant: str | None
    action: str
    about: str
    outcome: str
    details: Mapping[str, Any]


@dataclass
class Book:
    """The audit log in memory."""

    lines: list[Line] = field(default_factory=list)

    def put(self, **said: Any) -> None:
        self.lines.append(Line(len(self.lines) + 1, **said))

    async def page(
        self,
        limit: int,
        before: int | None,
        tenant: str | None,
        *,
        who: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        to: datetime | None = None,
        among: Collection[str] | None = None,
    ) -> Sequence[Line]:
        if before is not None and all(line.id != before for line in self.lines):
            raise NoSuchLine
        found = [
            line
            for line in reversed(self.lines)
            if tenant in (None, line.tenant)
            and (among is None or line.action in among)
            and who in (None, line.who)
            and action in (None, line.action)
            and (since is None or since <= line.at)
            and (to is None or line.at < to)
        ]
        return [line for line in found if before is None or line.id < before][:limit]

    def told(self) -> list[tuple[str, str, str, str]]:
        return [(line.who, line.action, line.about, line.outcome) for line in self.lines]


@dataclass
class Archive:
    """Recordings in memory, in the order they came; whatever comes is a good one of a second's length."""

    kept: dict[str, tuple[Recording, bytes]] = field(default_factory=dict)
    refusing: Exception | None = None

    async def take(self, content: bytes, *, name: str, by: str, tenant: str | None) -> Taken:
        if self.refusing is not None:
            raise self.refusing
        digest = hashlib.sha256(content).hexdigest()
        if fresh := digest not in self.kept:
            second = timedelta(seconds=1)
            at = NOON + second * len(self.kept)
            recording = Recording(digest, name, tenant, by, at, second, -6.0, -20.0, -2.0, ("made quieter by 2.0 dB",))
            self.kept[digest] = recording, content
        return Taken(self.kept[digest][0], fresh)

    async def one(self, digest: str) -> Recording:
        if digest not in self.kept:
            raise NoSuchRecording
        return self.kept[digest][0]

    async def page(self, limit: int, before: str | None, tenant: str | None) -> Sequence[Recording]:
        found = [recording for recording, _ in reversed(self.kept.values())]
        if before is not None:
            found = found[found.index(await self.one(before)) + 1 :]
        return [recording for recording in found if tenant is None or recording.tenant in (None, tenant)][:limit]

    async def sound(self, digest: str, part: str) -> bytes:
        await self.one(digest)
        return self.kept[digest][1] if part == "content" else f"RIFF {part}".encode()


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def centre() -> Centre:
    return Centre()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


class Cabinet:
    """Versions of a directory in memory, as the database keeps them."""

    def __init__(self, *versions: Directory) -> None:
        self.kept = [(Edit("setup", NOON, "the first"), directory) for directory in versions]
        self.beside: Callable[[], None] | None = None
        """What somebody at the command line does just before the next edit is stored."""
        self.recordings: set[str] = set()
        self.released: set[str] = set()
        """Towns whose policy may be weakened."""

    async def current(self) -> int:
        return len(self.kept)

    async def in_force(self) -> tuple[int, Directory]:
        return len(self.kept), self.kept[-1][1]

    async def load(self) -> Directory:
        return self.kept[-1][1]

    async def number_at(self, moment: datetime) -> int:
        return max((n for n, (edit, _) in enumerate(self.kept, 1) if edit.at < moment), default=1)

    async def plain_of(self, number: int | None = None) -> tuple[int, dict[str, Any]]:
        directory = await self.version(number or len(self.kept))
        return number or len(self.kept), json.loads(json.dumps(plain(directory), default=str))

    async def version(self, number: int) -> Directory:
        if number > len(self.kept):
            raise NoSuchVersion
        return self.kept[number - 1][1]

    async def versions(self, limit: int = 50, before: int | None = None) -> Sequence[Version]:
        made = [Version(number, edit) for number, (edit, _) in enumerate(self.kept, 1)]
        return [v for v in reversed(made) if before is None or v.number < before][:limit]

    async def require_released(self, policies: Sequence[PolicyChange], now: datetime) -> None:
        for change in policies:
            if change.weakens and change.tenant not in self.released:
                raise PolicyNotReleased(change)

    async def replace(
        self, directory: Directory, edit: Edit, expected: int | None = None, policies: Sequence[PolicyChange] = ()
    ) -> int:
        await self.require_released(policies, edit.at)
        if (beside := self.beside) is not None:
            self.beside = None
            beside()
        self.require(expected, len(self.kept))
        self.kept.append((edit, directory))
        return len(self.kept)

    @staticmethod
    def require(expected: int | None, found: int) -> None:
        DirectoryStore.require(expected, found)

    async def missing_recordings(self, digests: set[str]) -> set[str]:
        return digests - self.recordings


class Ledger:
    """What was issued, and what was used, in memory."""

    depth = 0
    """Records that wait for a database."""

    def __init__(self) -> None:
        self.living: list[datetime] = []
        """When calls came that have not ended."""
        self.calls: list[CallRecord] = []
        self.issues: list[Issue] = []

    async def usage(self, slices: Iterable[Slice]) -> list[Used]:
        return usage_of(self.calls, slices)

    async def flush(self) -> bool:
        return not self.depth

    async def latest(self, month: Month, number: int | None = None) -> Issue | None:
        found = [i for i in self.issues if i.statement.month == month and number in (None, i.number)]
        return found[-1] if found else None

    async def keep(self, statement: Statement, at: datetime, by: str) -> Issue:
        number = 1 + sum(issue.statement.month == statement.month for issue in self.issues)
        self.issues.append(Issue(statement, number, at, by))
        return self.issues[-1]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def unsettled() -> Settlement:
    """For whoever does not ask for it."""
    return Settlement(Ledger(), Cabinet(), Ledger(), ManualClock(NOON))


@pytest.fixture
def settlement(ledger: Ledger, cabinet: Cabinet, clock: ManualClock) -> Settlement:
    return Settlement(ledger, cabinet, ledger, clock, spool=ledger, living=lambda: ledger.living)


@dataclass
class Attempt:
    request: str
    status: int | None = None
    answer: Any = None


@dataclass
class Twice:
    """Idempotency keys in memory."""

    known: dict[tuple[str, str], Attempt] = field(default_factory=dict)

    async def begin(self, principal: str, key: str, request: str, at: datetime) -> Attempt | None:
        if (found := self.known.get((principal, key))) is not None:
            return found
        self.known[principal, key] = Attempt(request)
        return None

    async def keep(self, principal: str, key: str, status: int, answer: Any) -> None:
        kept = self.known[principal, key]
        kept.status, kept.answer = status, answer

    async def forget(self, principal: str, key: str) -> None:
        del self.known[principal, key]


@pytest.fixture
def cabinet(centre: Centre) -> Cabinet:
    return Cabinet(centre.towns)


@pytest.fixture
def in_force() -> list[Directory]:
    """What the centre was told."""
    return []


@pytest.fixture
def directories(cabinet: Cabinet, clock: ManualClock, in_force: list[Directory]) -> Directories:
    return Administration(cast("DirectoryStore", cabinet), clock, in_force.append)


@pytest.fixture
def twice() -> Twice:
    return Twice()


@pytest.fixture
def folder() -> Folder:
    return Folder()


@pytest.fixture
def readiness() -> dict[str, Callable[[], tuple[bool, str]]]:
    return {
        "asterisk": lambda: (True, "connected to Asterisk 22.10.1"),
        "database": lambda: (True, "last write 2 s ago"),
    }


@pytest.fixture
def people() -> People | None:
    """Who comes from an identity provider; here is none."""
    return None


@pytest.fixture
def metrics_token() -> str | None:
    """What Prometheus has to show; here it is on this machine, and has to show nothing."""
    return None


@pytest.fixture
def api(
    *,
    centre: Centre,
    shelf: Shelf,
    directories: Directories,
    readiness: dict[str, Callable[[], tuple[bool, str]]],
    drawer: Drawer,
    book: Book,
    twice: Twice,
    clock: ManualClock,
    people: People | None,
    archive: Recordings,
    folder: Folder,
    press: Press,
    settlement: Statements,
    metrics_token: str | None,
) -> FastAPI:
    registry = CollectorRegistry()
    Counter("acd_unknown_numbers_total", "Calls to numbers nobody owns.", registry=registry).inc(3)
    return create_api(
        centre,
        shelf,
        directories,
        readiness=readiness,
        metrics_registry=registry,
        token=TOKEN,
        tokens=drawer,
        audit_log=book,
        repeats=twice,
        agreements=folder,
        archive=archive,
        told=press,
        settlement=settlement,
        now=clock.now,
        people=people,
        metrics_token=metrics_token,
    )


@pytest.fixture
def press() -> Press:
    return Press()


@pytest.fixture
async def stranger(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://acd.test") as client:
        yield client


@pytest.fixture
async def operator(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same connection, with the admin token."""
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger
