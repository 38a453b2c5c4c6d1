"""Who did what: lines that are added and never changed.

Written in the background, as nobody's call waits for a log. What is pending is written before a page is read, so
whoever has just done something finds it there. A crash of the service can cost the lines of the last moment; the
service's own log has had them before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import insert, or_, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.store.database import by_the_first, writing
from dialog_acd.store.tables import audit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

WRITE_WITHIN = 5.0
RETRY_AFTER = 5.0
PENDING_AT_MOST = 10_000
"""Lines, some megabytes: a database that is away while a stranger knocks must not fill the memory."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class AuditLine:
    id: int
    at: datetime
    who: str
    role: str
    tenant: str | None
    action: str
    about: str
    outcome: str
    details: Mapping[str, Any]


class NoSuchLine(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """There is no line of the audit log with this id."""

    error_id = "no-such-line"


class AuditStore:
    """``put`` returns at once and never raises; ``run`` writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pending: deque[dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self.lost = 0
        """Lines that are nowhere but in the log."""

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
        said = {"who": who, "role": role, "tenant": tenant, "action": action, "about": about, "outcome": outcome}
        # First of all, and whatever becomes of the database; but for the agents, whom no log names.
        log.info(
            "audit",
            **said | ({"about": ""} if action.startswith("agents.") else {}),
            details={name: value for name, value in details.items() if name not in ("agent", "agents")},
        )
        if len(self._pending) >= PENDING_AT_MOST:
            self.lost += 1
            log.error("audit.lost", why="too many lines wait for the database", lost=self.lost)
            return
        self._pending.append({"at": at, **said, "details": dict(details)})
        self._wake.set()

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
    ) -> list[AuditLine]:
        """The latest first; with ``before`` only those that come after this line, with ``tenant`` only this town's,
        with ``among`` only these actions. ``who`` finds nobody who acted as an agent: all lines of one would tell their
        work.

        From ``since`` on, before ``to``. Raises ``NoSuchLine``.
        """
        await self.flush()
        question = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
        question = question.where(*by_the_first((audit.c.tenant, tenant), (audit.c.who, who), (audit.c.action, action)))
        if who is not None:
            question = question.where(audit.c.role != "agent")
        if among is not None:
            question = question.where(audit.c.action.in_(among))
        if since is not None:
            question = question.where(audit.c.at >= since)
        if to is not None:
            question = question.where(audit.c.at < to)
        async with self._engine.connect() as connection:
            if before is not None:
                at = await connection.scalar(select(audit.c.at).where(audit.c.id == before))
                if at is None:
                    raise NoSuchLine
                # The first says nothing new but to the database, which finds the place by it.
                question = question.where(audit.c.at <= at, or_(audit.c.at < at, audit.c.id < before))
            return [AuditLine(**row) for row in (await connection.execute(question)).mappings()]

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            if not await self.flush():
                await asyncio.sleep(RETRY_AFTER)

    async def flush(self) -> bool:
        """Write what is pending. Says whether that worked; what did not stays pending."""
        async with self._turn:
            self._wake.clear()
            while self._pending:
                batch = list(islice(self._pending, BATCH))
                try:
                    await self._write(batch)
                except (SQLAlchemyError, OSError, TimeoutError) as problem:
                    log.warning("audit.not_written", why=_said(problem), lines=len(self._pending))
                    self._wake.set()
                    return False
                # Only now: whoever is cancelled meanwhile has lost nothing, and may have written twice.
                for _ in batch:
                    self._pending.popleft()
            return True

    async def _write(self, batch: list[dict[str, Any]]) -> None:
        try:
            async with asyncio.timeout(WRITE_WITHIN), writing(self._engine).begin() as connection:
                await connection.execute(insert(audit), batch)
        except (DataError, IntegrityError) as problem:
            # The database is well and takes no such line. It must not keep out those behind it.
            if len(batch) == 1:
                self.lost += 1
                log.error("audit.lost", why=_said(problem), lost=self.lost)  # noqa: TRY400  no trace, it shows the line
                return
            for line in batch:
                await self._write([line])


def _said(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    # The first line alone: the others repeat the statement and what was to be written.
    return str(getattr(problem, "orig", None) or problem).partition("\n")[0][:300]
