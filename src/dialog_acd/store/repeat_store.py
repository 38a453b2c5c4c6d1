"""Requests that may come twice: a creation is done once, and told again as it was told first.

Whoever creates something names a key of their own (draft-ietf-httpapi-idempotency-key-header). When the answer is lost
on the way, they send the same request with the same key again. What is kept of a request is its digest: enough to tell
it from another one, and nothing to read.

A service that dies between doing and keeping leaves a key that says *running* for ever. After ``RUNNING_FOR`` nobody
believes it any more, and the request is done like a new one; if the first had come through, the second finds that the
thing is there already, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from dialog_acd.store.database import writing
from dialog_acd.store.tables import idempotency_keys as k

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

KEPT_FOR = timedelta(hours=24)
RUNNING_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What is known of a key that was used before."""

    request: str
    """Digest of the request it came with."""
    status: int | None
    """``None``: still running."""
    answer: Any


class RepeatStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, principal: str, key: str, request: str, at: datetime) -> Attempted | None:
        """What has become of this key, or ``None``: it is new, and the asker's until ``keep`` or ``forget``."""
        row = {"principal": principal, "key": key, "request": request, "at": at}
        try:
            async with writing(self._engine).begin() as connection:
                await connection.execute(delete(k).where(k.c.at <= at - KEPT_FOR))
                stale = _this(principal, key) & k.c.status.is_(None) & (k.c.at <= at - RUNNING_FOR)
                await connection.execute(delete(k).where(stale))
                if (found := await _find(connection, principal, key)) is not None:
                    return found
                await connection.execute(insert(k), row)
        except IntegrityError:
            # PostgreSQL lets two look at once, and one insert.
            return Attempted(request, None, None)
        return None

    async def keep(self, principal: str, key: str, status: int, answer: Any) -> None:
        """It is done, and this was told. ``answer``: what JSON can say."""
        async with writing(self._engine).begin() as connection:
            await connection.execute(update(k).where(_this(principal, key)).values(status=status, answer=answer))

    async def forget(self, principal: str, key: str) -> None:
        """Nothing was done; the key is as good as new."""
        async with writing(self._engine).begin() as connection:
            await connection.execute(delete(k).where(_this(principal, key)))


def _this(principal: str, key: str) -> Any:
    return (k.c.principal == principal) & (k.c.key == key)


async def _find(connection: Any, principal: str, key: str) -> Attempted | None:
    question = select(k.c.request, k.c.status, k.c.answer).where(_this(principal, key))
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else Attempted(row.request, row.status, row.answer)
