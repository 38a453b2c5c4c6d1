"""What the API needs from the rest of the house, and who may ask.

The ports are written here, by the one who needs them, so that no neighbour is imported. ``Wiring`` carries them
to the routes: FastAPI resolves a route's annotations at module level, so they cannot be closed over.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

# FastAPI reads the annotations of dependencies at run time; what they name must be imported for real.
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dialog_acd.api.problems import NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from prometheus_client import CollectorRegistry

    from dialog_acd.core.messages import Notice, Order, Signal
    from dialog_acd.core.model import CallId
    from dialog_acd.core.records import CallRecord, Result
    from dialog_acd.core.view import AcdView


class Live(Protocol):
    """The centre as it is now. All three are called on the event loop the engine runs on."""

    def view(self) -> AcdView: ...

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
        self, limit: int, before: tuple[datetime, CallId] | None = None, result: Result | None = None
    ) -> Sequence[CallRecord]:
        """Newest first by (``t_in``, ``call``); with ``before`` only those that come after it in this order.

        The call belongs to the mark: two may come in the same millisecond, and a time alone would then skip one
        of them or show it twice.
        """
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


class Directories(Protocol):
    """The directory, its history, and its edits. All raise ``DialogAcdError`` with the ``error_id`` the API names."""

    async def told(self, version: int | None = None) -> VersionTold: ...

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]: ...

    async def change(
        self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Change: ...

    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Change: ...


if TYPE_CHECKING:
    Readiness = Mapping[str, Callable[[], tuple[bool, str]]]
    """Name of a dependency to a quick look at it: (fit for calls, one sentence for a human)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. There is one today, the holder of the admin token, who may do everything.

    A tenant's scope belongs here once there are principals with less than everything, and not before: a field
    nobody enforces would promise what nobody keeps.
    """

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """All a route can reach."""

    live: Live
    records: Records
    directories: Directories
    readiness: Readiness
    metrics_registry: CollectorRegistry
    token: str = field(repr=False)


async def _wiring(request: Request) -> Wiring:
    return cast("Wiring", request.app.state.wiring)


Wired = Annotated[Wiring, Depends(_wiring)]

# auto_error off: the library's own refusal would be one more shape of error.
_bearer = HTTPBearer(auto_error=False, description="The admin token of this service.")


async def _principal(
    wiring: Wired, presented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """Raises ``NotAuthenticated``, without saying whether the token was absent or wrong."""
    # Servers hand out header bytes as Latin-1 text. Bytes on both sides also because compare_digest refuses
    # non-ASCII text with a TypeError, which would be a 500 for whoever likes one.
    if presented is None or not hmac.compare_digest(
        presented.credentials.encode("latin-1", "replace"), wiring.token.encode()
    ):
        raise NotAuthenticated
    return Principal(name="admin", role="admin")


Authorised = Annotated[Principal, Depends(_principal)]
