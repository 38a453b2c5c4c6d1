"""Tokens: never themselves, only their SHA-256.

That a fast hash without salt is enough is said where a token is made (``api/tokens.py``): it is random.
Making and revoking one is written to the audit log in the same transaction.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.store.database import writing
from dialog_acd.store.tables import audit, tokens

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Insert
    from sqlalchemy.ext.asyncio import AsyncEngine

COMMAND_LINE = "command-line"
"""Who makes and revokes tokens, for the audit log: somebody with a shell on this machine."""


class NoSuchToken(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """There is no token with this id."""

    error_id = "no-such-token"


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    role: str
    tenant: str | None
    digest: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    agent: str | None = None
    """The one agent whose figures its holder may see."""


class TokenStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(
        self,
        *,
        name: str,
        role: str,
        tenant: str | None,
        digest: str,
        at: datetime,
        expires_at: datetime,
        agent: str | None = None,
    ) -> Token:
        token = Token(secrets.token_hex(4), name, role, tenant, digest, at, expires_at, agent=agent)
        row = {name: getattr(token, name) for name in Token.__slots__}
        async with writing(self._engine).begin() as connection:
            await connection.execute(insert(tokens), row)
            await connection.execute(_line(at, token, "tokens.create", expires_at=expires_at.isoformat()))
        return token

    async def revoke(self, token_id: str, at: datetime) -> Token:
        """The token as it was before; one that was revoked already stays so since then. Raises ``NoSuchToken``."""
        async with writing(self._engine).begin() as connection:
            row = (await connection.execute(select(tokens).where(tokens.c.id == token_id))).mappings().one_or_none()
            if row is None:
                raise NoSuchToken(f"there is no token {token_id!r}; `dialog-acd token list` shows them")
            token = Token(**row)
            if token.revoked_at is None:
                await connection.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=at))
                await connection.execute(_line(at, token, "tokens.revoke"))
        return token

    async def all(self) -> list[Token]:
        """The youngest first, also those that are no longer in force."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id))
            return [Token(**row) for row in rows.mappings()]

    async def live(self) -> list[Token]:
        """All that are not revoked; also such as have expired."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(tokens).where(tokens.c.revoked_at.is_(None)))
            return [Token(**row) for row in rows.mappings()]


def _line(at: datetime, token: Token, action: str, **details: Any) -> Insert:
    return insert(audit).values(
        at=at,
        who=COMMAND_LINE,
        role="operator",
        tenant=token.tenant,
        action=action,
        about=token.id,
        outcome="done",
        # Whose figures a token opens is for the staff council to see.
        details={"name": token.name, "role": token.role, **({"agent": token.agent} if token.agent else {}), **details},
    )
