"""Whose token this is.

Tokens are few and requests are many, so all of them are read at once, at most every few seconds, and found in
memory. What a stranger presents therefore costs the database nothing, however much of it comes: a token that is not
found makes us read once more, because it may be a minute old, but not more often than ``AGAIN_AFTER``.

The price is that a revocation takes ``FRESH_FOR`` to be effective. While the database does not answer nobody can
revoke either, and a supervisor needs the switches most on such a day: those known go on for ``KEPT_FOR``, then
nobody but the first operator gets in, whose key is a file and no row.

People may bring a token of their identity provider instead, where one is set. It looks like nothing we make, so
neither side is ever asked about the other's: see ``api/issuer.py``.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from dialog_acd.api.problems import KeysUnavailable
from dialog_acd.api.tokens import FIRST, Role, digest, fault_of_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from dialog_acd.api.people import People
    from dialog_acd.api.ports import Grant, Tokens

FRESH_FOR = timedelta(seconds=5)
AGAIN_AFTER = timedelta(seconds=0.5)
KEPT_FOR = timedelta(seconds=60)
READ_WITHIN = 2.0
"""Seconds."""

log = structlog.get_logger(__name__)
_JWT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2}")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    name: str
    role: Role
    tenant: str | None
    """The one town they see; ``None``: all."""
    token: str
    """Id of the token, which is no secret; ``oidc:`` and the subject for a person of the identity provider."""
    agent: str | None = None
    """The agent they are, whose figures they see."""
    also: frozenset[Role] = frozenset()
    """What further groups of the person would give them, were they first. It lets them do nothing but look at their own
    figures as an agent; and what takes two people's word is not for somebody who could be both."""


class Keyring:
    def __init__(self, first: str, tokens: Tokens, now: Callable[[], datetime], people: People | None = None) -> None:
        """``first``: the first operator's key itself."""
        self._first = digest(first)
        self._people = people
        self._tokens = tokens
        self._now = now
        self._known: dict[str, tuple[Principal, datetime]] = {}
        self._read_at = self._tried_at = _NEVER
        self._turn = asyncio.Lock()

    async def principal(self, presented: str) -> Principal | None:
        """Who holds this token, ``None`` when it is none that is in force.

        Raises ``KeysUnavailable``; for a person's token also ``NotAuthenticated``, with the reason, and ``NoRole``.
        """
        # Servers hand out header bytes as Latin-1 text; these are the bytes that were sent.
        mark = digest(presented.encode("latin-1", "replace").decode(errors="replace"))
        if hmac.compare_digest(mark, self._first):
            return Principal(FIRST, Role.OPERATOR, None, "file")
        if self._people is not None and _JWT.fullmatch(presented):
            return await self._people.principal(presented)
        if not self._younger_than(FRESH_FOR, self._read_at):
            await self._read()
        if mark not in self._known:
            await self._read()
        if not self._younger_than(KEPT_FOR, self._read_at):
            raise KeysUnavailable
        found = self._known.get(mark)
        return found[0] if found is not None and self._now() < found[1] else None

    def _younger_than(self, age: timedelta, moment: datetime) -> bool:
        # A clock that was set back must not make old keys young.
        return timedelta() <= self._now() - moment < age

    async def _read(self) -> None:
        async with self._turn:
            if self._younger_than(AGAIN_AFTER, self._tried_at):
                return  # also all who waited here meanwhile
            try:
                async with asyncio.timeout(READ_WITHIN):
                    grants = await self._tokens.live()
            except Exception as problem:  # noqa: BLE001  whatever it is: the keys known go on, for a while
                log.warning("keys.not_read", why=str(problem).partition("\n")[0][:300], kind=type(problem).__name__)
            else:
                self._known = {grant.digest: (by, grant.expires_at) for grant in grants if (by := _holder(grant))}
                self._read_at = self._now()
            self._tried_at = self._now()


def _holder(grant: Grant) -> Principal | None:
    """``None`` for a row that nobody of ours has written: it opens nothing."""
    try:
        role = Role(grant.role)
    except ValueError:
        log.warning("keys.unknown_role", token=grant.id, role=grant.role)
        return None
    if (fault := fault_of_scope(role, grant.tenant, grant.agent)) is not None:
        log.warning("keys.no_scope", token=grant.id, role=grant.role, why=fault)
        return None
    return Principal(grant.name, role, grant.tenant, grant.id, grant.agent)
