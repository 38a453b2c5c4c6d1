"""What the API needs from the rest of the house.

The ports are written here, by the one who needs them, so that no neighbour is imported. ``Wiring`` carries them
to the routes: FastAPI resolves a route's annotations at module level, so they cannot be closed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, cast

# FastAPI reads the annotations of dependencies at run time; what they name must be imported for real.
from fastapi import Depends, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date, datetime, timedelta

    from prometheus_client import CollectorRegistry

    from dialog_acd.api.feed import Feed
    from dialog_acd.api.keys import Keyring
    from dialog_acd.api.witness import Complaints, Watchers
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.gate import Verdict
    from dialog_acd.core.messages import Notice, Order, Signal
    from dialog_acd.core.model import CallId, TenantId
    from dialog_acd.core.records import CallRecord, Result
    from dialog_acd.core.releases import OfOne, Release, Signature
    from dialog_acd.core.shares import Beside, Month, Statement
    from dialog_acd.core.view import AcdView, CallStory


class Live(Protocol):
    """The centre as it is now. All of it is called on the event loop the engine runs on."""

    def view(self) -> AcdView: ...

    def story(self, call: CallId) -> CallStory | None:
        """What has happened to a call so far; ``None`` for one that is not there (any more)."""
        ...

    def watch(self, stir: Callable[[], None]) -> Callable[[], None]:
        """Have ``stir`` called whenever the view may have changed; returns what ends that.

        It returns at once and does nothing that takes time: a caller waits meanwhile.
        """
        ...

    def directory(self) -> Directory:
        """The one in force: which town a queue serves, where an agent is at home."""
        ...

    async def ask(self, signal: Signal) -> Sequence[Order | Notice]:
        """Tell the core and wait until it has handled the signal; everything it answered to it.

        The caller may give up waiting (the await is cancelled); the signal counts all the same.
        """
        ...

    async def turning(self) -> bool:
        """Whether the loop still handles what is put into its inbox. Asks the loop, not a flag."""
        ...


class Records(Protocol):
    """Finished calls, as far as they are in the database."""

    async def by_call(self, call: CallId) -> CallRecord | None: ...

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
        """Newest first by (``t_in``, ``call``); with ``before`` only those that come after it in this order.

        With ``tenant`` only this town's; with ``partner`` those for which it was last asked; from ``since`` on, before
        ``to``.

        The call belongs to the mark: two may come in the same millisecond, and a time alone would then skip one
        of them or show it twice.
        """
        ...

    async def of_agent(self, agent: str, since: datetime, to: datetime) -> OfOne:
        """One agent's figures, of the calls that came from ``since`` on and before ``to``."""
        ...


class Agreements(Protocol):
    """What two people have to agree on before figures come near a person."""

    async def ask(self, release: Release) -> Release:
        """Keep a request; the answer has its number."""
        ...

    async def one(self, number: int) -> Release | None: ...

    async def page(self, limit: int, before: int | None = None) -> Sequence[Release]:
        """The latest first, also those that are over."""
        ...

    async def agreed(self, now: datetime) -> Sequence[Release]:
        """All that may be in force."""
        ...

    async def agree(self, number: int, by: Signature) -> bool:
        """Says whether it counts: not for what was agreed to or revoked before, nor by who has asked."""
        ...

    async def revoke(self, number: int, by: Signature) -> bool:
        """Says whether it counts: not for what was revoked before."""
        ...


class VersionTold(Protocol):
    @property
    def version(self) -> int: ...
    @property
    def directory(self) -> dict[str, Any]:
        """Plain values, as a directory file says them."""
        ...


class Change(Protocol):
    @property
    def version(self) -> int: ...
    @property
    def differences(self) -> tuple[str, ...]: ...


class Version(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def edit(self) -> Edit: ...


class Edit(Protocol):
    @property
    def by(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def why(self) -> str: ...


class ThingFound(Protocol):
    """A town, a queue, ... as it is in force."""

    @property
    def section(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def since(self) -> str | None:
        """Of an entry: the day it begins (ISO); ``none`` where others of its number do."""
        ...

    @property
    def said(self) -> dict[str, Any]:
        """All its fields, as JSON says them."""
        ...

    @property
    def etag(self) -> str: ...


class ThingsPage(Protocol):
    @property
    def things(self) -> Sequence[ThingFound]: ...
    @property
    def next(self) -> str | None: ...


class ThingEdited(Change, Protocol):
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def thing(self) -> ThingFound | None: ...
    @property
    def town(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Address:
    """What a thing is found by."""

    section: str
    name: str
    since: str | None = None
    """Of an entry, where its number has several: the day it begins (ISO); ``none``: it has no beginning."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who edits, and on what terms."""

    by: str
    town: str | None = None
    """A town's administrator: nothing beyond the town's own is changed."""
    why: str = ""
    found: frozenset[str] | None = None
    """The edit was made from a thing (its ETag) like one of these; ``None``: whatever it is like."""
    dry_run: bool = False


class Directories(Protocol):
    """The directory, its history, and its edits. All raise ``DialogAcdError`` with the ``error_id`` the API names."""

    async def page(
        self, section: str, limit: int, after: str, wanted: Callable[[Any], bool], town: str | None = None
    ) -> ThingsPage:
        """Things of a section by name, of those that ``wanted`` says yes to; of one town what it sees."""
        ...

    async def thing(self, address: Address, town: str | None = None) -> tuple[ThingFound, str | None]:
        """A thing, and the one town it concerns."""
        ...

    async def create(self, section: str, content: dict[str, Any], terms: Terms) -> ThingEdited: ...

    async def edit(
        self, address: Address, change: Callable[[dict[str, Any]], dict[str, Any] | None], terms: Terms
    ) -> ThingEdited:
        """Put in the place of a thing what ``change`` makes of it; nothing: take it away."""
        ...

    async def test_callers(self) -> tuple[Sequence[str], str]:
        """Their numbers, and the ETag of the list."""
        ...

    async def set_test_callers(self, numbers: Sequence[str], terms: Terms) -> ThingEdited: ...
    async def current(self) -> int: ...

    async def told(self, version: int | None = None) -> VersionTold: ...

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]: ...

    async def change(
        self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Change: ...

    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Change: ...

    async def gate(self, tenant: TenantId, on: date | None, home: TenantId | None = None) -> Verdict:
        """Whether the town may go live on that day; ``None``: on the day that is planned, or else today.

        ``home``: told to this town, which reads of no other.
        """
        ...

    async def go_live(
        self, tenant: TenantId, on: date, waivers: Sequence[tuple[str, str, str]], by: str, why: str
    ) -> tuple[Verdict, Change | None]:
        """Set, or move, the day. Waivers: finding, who, why. Nothing has changed where something is missing."""
        ...

    async def put_off(self, tenant: TenantId, by: str) -> tuple[Verdict, Change]:
        """No day is known any more."""
        ...


if TYPE_CHECKING:
    Readiness = Mapping[str, Callable[[], tuple[bool, str]]]
    """Name of a dependency to a quick look at it: (fit for calls, one sentence for a human)."""


class Grant(Protocol):
    """A token as the database knows it, which is not enough to make one."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def digest(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


class Tokens(Protocol):
    async def live(self) -> Sequence[Grant]:
        """All that are not revoked; also such as have expired."""
        ...


class AuditLine(Protocol):
    """Who did what, or tried to."""

    @property
    def id(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def who(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def action(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def details(self) -> Mapping[str, Any]: ...


class Audit(Protocol):
    def put(
        self,
        *,
        at: datetime,
        who: str,
        role: str,
        tenant: str | None,
        action: str,
        about: str,
        outcome: str,
        details: Mapping[str, Any],
    ) -> None:
        """Take note. Returns at once and never raises: what is asked of the centre does not wait for this."""
        ...

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
    ) -> Sequence[AuditLine]:
        """The latest first; with ``before`` only those that come after this line, with ``tenant`` only this town's,
        with ``among`` only these actions. ``who`` finds nobody who acted as an agent.

        From ``since`` on, before ``to``. Raises a ``DialogAcdError`` with the ``error_id`` ``no-such-line``.
        """
        ...


class Attempted(Protocol):
    """What is known of an idempotency key that was used before."""

    @property
    def request(self) -> str:
        """Digest of the request it came with."""
        ...

    @property
    def status(self) -> int | None:
        """``None``: still running."""
        ...

    @property
    def answer(self) -> Any: ...


class Repeats(Protocol):
    """Requests that may come twice."""

    async def begin(self, principal: str, key: str, request: str, at: datetime) -> Attempted | None:
        """What has become of this key, or ``None``: it is new, and the asker's until ``keep`` or ``forget``."""
        ...

    async def keep(self, principal: str, key: str, status: int, answer: Any) -> None: ...

    async def forget(self, principal: str, key: str) -> None: ...


class Recording(Protocol):
    """What somebody brought to be played to callers; all but the sound."""

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def by(self) -> str: ...
    @property
    def uploaded_at(self) -> datetime: ...
    @property
    def duration(self) -> timedelta: ...
    @property
    def peak(self) -> float: ...
    @property
    def loudness(self) -> float: ...
    @property
    def gain(self) -> float: ...
    @property
    def findings(self) -> tuple[str, ...]: ...


class Taken(Protocol):
    @property
    def recording(self) -> Recording: ...
    @property
    def fresh(self) -> bool:
        """False: it was here already."""
        ...


class Recordings(Protocol):
    """All raise ``DialogAcdError`` with the ``error_id`` the API names."""

    async def take(self, content: bytes, *, name: str, by: str, tenant: str | None) -> Taken: ...

    async def one(self, digest: str) -> Recording: ...

    async def page(self, limit: int, before: str | None, tenant: str | None) -> Sequence[Recording]:
        """The latest first, after ``before``; with ``tenant`` this town's and the centre's."""
        ...

    async def sound(self, digest: str, part: Literal["content", "narrow", "wide"]) -> bytes: ...


class Reports(Protocol):
    """Reports as text: ``form`` is ``json``, ``csv`` or ``html``. All raise ``DialogAcdError`` with the ``error_id``
    the API names.
    """

    async def calls(self, since: date | None, until: date | None, by: str, town: str | None, form: str) -> str: ...

    async def evaluation(self, since: date | None, until: date | None, town: str | None, form: str) -> str: ...

    async def readiness(self, weeks: int, form: str) -> str: ...

    async def towns(self, since: date | None, until: date | None) -> Collection[str]:
        """Ids of the towns there were when that range ended."""
        ...


class Issue(Protocol):
    """That a statement has gone out."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def by(self) -> str: ...
    @property
    def statement(self) -> Statement: ...


class Settled(Protocol):
    @property
    def statement(self) -> Statement: ...
    @property
    def issue(self) -> Issue | None:
        """``None``: this is how it would be now."""
        ...

    @property
    def before(self) -> Issue | None:
        """Of how it would be now: what was issued last."""
        ...

    @property
    def differences(self) -> Sequence[Beside]:
        """... and the lines that differ from that."""
        ...

    def of_town(self, tenant: str) -> Settled:
        """That town's lines alone."""
        ...


class Statements(Protocol):
    """Who used what, and who pays what. Both raise ``DialogAcdError`` with the ``error_id`` the API names."""

    async def settled(
        self, month: Month, *, version: int | None = None, draft: bool = False, number: int | None = None
    ) -> Settled: ...

    async def issue(self, month: Month, by: str, *, version: int | None = None) -> Settled: ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """All a route can reach."""

    live: Live
    records: Records
    directories: Directories
    readiness: Readiness
    metrics_registry: CollectorRegistry
    keys: Keyring
    audit: Audit
    recordings: Recordings
    repeats: Repeats
    reports: Reports
    agreements: Agreements
    statements: Statements
    now: Callable[[], datetime]
    feed: Feed
    watchers: Watchers
    complaints: Complaints
    scraper: str | None = None
    """Digest of what a scraper has to show; ``None``: it has to be on this machine."""
    rehearsal: bool = False
    """The clock is not the machine's: by it a release that has ended could hold again, so nobody is named at all."""


async def _wiring(request: Request) -> Wiring:
    return cast("Wiring", request.app.state.wiring)


Wired = Annotated[Wiring, Depends(_wiring)]
