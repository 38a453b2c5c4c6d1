"""Releases that two people agree on: asked for, agreed to, revoked, and used.

What must not happen twice or by one person is said in the statement that changes the row, not looked up before it.
Asking, agreeing and revoking are routes and stand in the audit log by themselves. That a policy was changed is written
down here, in the transaction of the edit: the directory can be edited at the command line, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.model import AgentId, Statistics, TenantId
from dialog_acd.core.releases import BERLIN, Kind, Release, Signature
from dialog_acd.store.database import writing
from dialog_acd.store.tables import audit, releases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from dialog_acd.core.releases import PolicyChange

WEAKENED, STRENGTHENED = "policy.weaken", "policy.strengthen"
"""Actions in the audit log."""


class PolicyNotReleased(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Nobody weakens a town's policy for figures alone."""

    error_id = "policy-not-released"

    def __init__(self, change: PolicyChange) -> None:
        self.change = change
        super().__init__(
            f"{change.tenant}: its policy for figures about staff cannot become {change.after} (it is {change.before}) "
            "by one person's word: ask for a release of kind policy, and have the staff council agree to it"
        )


class ReleaseStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ask(self, release: Release) -> Release:
        """Keep a request; the answer has its number."""
        row = {
            "kind": release.kind.value,
            "purpose": release.purpose,
            "until": release.until,
            "agents": list(release.agents),
            "first_month": release.first_month,
            "last_month": release.last_month,
            "tenant": release.tenant,
            "level": None if release.level is None else release.level.value,
            **_signed("asked", release.asked),
        }
        async with writing(self._engine).begin() as connection:
            made = (await connection.execute(insert(releases).values(row).returning(releases))).mappings().one()
        return release_of(made)

    async def one(self, number: int) -> Release | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(releases).where(releases.c.id == number))).mappings().one_or_none()
        return None if row is None else release_of(row)

    async def page(self, limit: int, before: int | None = None) -> Sequence[Release]:
        """The latest first, also those that are over."""
        question = select(releases).order_by(releases.c.id.desc()).limit(limit)
        if before is not None:
            question = question.where(releases.c.id < before)
        async with self._engine.connect() as connection:
            return [release_of(row) for row in (await connection.execute(question)).mappings()]

    async def agreed(self, now: datetime) -> Sequence[Release]:
        """All that may be in force: agreed to, not revoked, not ended."""
        async with self._engine.connect() as connection:
            return await _agreed(connection, now)

    async def agree(self, number: int, by: Signature) -> bool:
        """Says whether it counts: not for what was agreed to or revoked before, nor by who has asked."""
        return await self._sign(
            number,
            "agreed",
            by,
            releases.c.agreed_at.is_(None),
            releases.c.revoked_at.is_(None),
            releases.c.asked_token != by.token,
            releases.c.asked_by != by.name,
        )

    async def revoke(self, number: int, by: Signature) -> bool:
        """Says whether it counts: not for what was revoked before."""
        return await self._sign(number, "revoked", by, releases.c.revoked_at.is_(None))

    async def _sign(self, number: int, what: str, by: Signature, *where: Any) -> bool:
        statement = update(releases).where(releases.c.id == number, *where).values(_signed(what, by))
        async with writing(self._engine).begin() as connection:
            return bool((await connection.execute(statement)).rowcount)


async def require_agreed(
    connection: AsyncConnection, changes: Iterable[PolicyChange], now: datetime
) -> dict[PolicyChange, int]:
    """By what weakens a policy, the release it happens under. Raises ``PolicyNotReleased`` where there is none."""
    weaker = [change for change in changes if change.weakens]
    if not weaker:
        return {}
    agreed = await _agreed(connection, now)
    under: dict[PolicyChange, int] = {}
    for change in weaker:
        found = next((release for release in agreed if release.allows(change.tenant, change.after, now)), None)
        if found is None:
            raise PolicyNotReleased(change)
        under[change] = found.id
    return under


async def settle(connection: AsyncConnection, changes: Sequence[PolicyChange], by: str, at: datetime) -> None:
    """Of an edit that is being stored. Raises ``PolicyNotReleased``; else what becomes of policies is written down."""
    under = await require_agreed(connection, changes, at)
    lines = [
        {
            "at": at,
            "who": by,
            "role": "operator",
            "tenant": change.tenant,
            "action": WEAKENED if change.weakens else STRENGTHENED,
            "about": change.tenant,
            "outcome": "done",
            "details": {"before": change.before, "after": change.after, "release": under.get(change)},
        }
        for change in changes
    ]
    if lines:
        await connection.execute(insert(audit), lines)


async def _agreed(connection: AsyncConnection, now: datetime) -> list[Release]:
    question = select(releases).where(
        releases.c.agreed_at.is_not(None),
        releases.c.revoked_at.is_(None),
        releases.c.until >= now.astimezone(BERLIN).date(),
    )
    return [release_of(row) for row in (await connection.execute(question)).mappings()]


def _signed(what: str, by: Signature) -> dict[str, Any]:
    return {f"{what}_by": by.name, f"{what}_token": by.token, f"{what}_at": by.at}


def _signature(row: RowMapping, what: str) -> Signature | None:
    at = row[f"{what}_at"]
    return None if at is None else Signature(row[f"{what}_by"], row[f"{what}_token"], at)


def release_of(row: RowMapping) -> Release:
    return Release(
        id=row["id"],
        kind=Kind(row["kind"]),
        purpose=row["purpose"],
        until=row["until"],
        asked=Signature(row["asked_by"], row["asked_token"], row["asked_at"]),
        agents=tuple(AgentId(agent) for agent in row["agents"]),
        first_month=row["first_month"],
        last_month=row["last_month"],
        tenant=None if row["tenant"] is None else TenantId(row["tenant"]),
        level=None if row["level"] is None else Statistics(row["level"]),
        agreed=_signature(row, "agreed"),
        revoked=_signature(row, "revoked"),
    )
