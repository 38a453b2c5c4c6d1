"""What groups of people did in half hours, kept for reports.

Written about once a minute and at the stop: the totals of the half hours that run, so that writing one twice changes
nothing. A service that starts anew within a half hour does not know what was before; so each start writes rows of its
own (``run``), and a half hour is the sum of them. Two starts may have counted the same people, so of the numbers of
people the largest counts: a figure that five persons must stand behind is then rather not shown than shown too early.

A database that is away costs nothing but time: totals wait in memory, the last of each half hour, and are written when
it is back. What the service had not written when it died is lost: a minute, as a rule.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from dialog_acd.core.attendance import Attended
from dialog_acd.core.model import TeamId
from dialog_acd.store.database import writing
from dialog_acd.store.tables import attendance as a

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from dialog_acd.core.attendance import Attendance

log = structlog.get_logger()

WRITE_EVERY = 60.0
WRITE_WITHIN = 5.0
BATCH = 500
"""Rows a transaction: others write to the same database."""
PENDING_AT_MOST = 20_000
"""Rows that wait for a database: ten teams for forty days and nights."""

_SUMS = (*(f.name for f in fields(Attended) if f.name.endswith("_ms")), "calls")
_COUNTS = ("people", "working")


class AttendanceWriter:
    """Carries what ``book`` counts into the database, in the background."""

    def __init__(self, engine: AsyncEngine, book: Attendance, now: Callable[[], datetime]) -> None:
        """To be made once for each start of the service: its moment tells the rows of this start from all others."""
        self._engine, self._book, self._now = engine, book, now
        self._run = now()
        self._pending: dict[tuple[datetime, TeamId], Attended] = {}
        self._turn = asyncio.Lock()
        self._failing = False
        self.lost = 0
        """Rows for which there was no room any more while the database was away."""

    async def run(self) -> None:
        """Write every minute. Never fails."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.flush()

    async def flush(self) -> bool:
        """Write what there is. Says whether that worked; what did not stays pending."""
        async with self._turn:
            try:
                self._collect()
                await self._write()
            except Exception as problem:  # noqa: BLE001  figures about yesterday must not end a service that routes
                if not self._failing:
                    why = str(problem).partition("\n")[0][:300] or type(problem).__name__
                    log.warning("attendance.not_written", why=why, kind=type(problem).__name__, rows=len(self._pending))
                self._failing = True
                return False
            self._failing = False
            return True

    async def close(self) -> None:
        """Write what there is, once more and not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_WITHIN):
                await self.flush()

    def _collect(self) -> None:
        for row in self._book.take(self._now()):
            self._pending[row.begins, row.team] = row
        too_many = len(self._pending) - PENDING_AT_MOST
        if too_many > 0:
            for key in sorted(self._pending)[:too_many]:
                del self._pending[key]
            self.lost += too_many
            log.error("attendance.lost", rows=too_many, lost=self.lost)

    async def _write(self) -> None:
        while self._pending:
            batch = list(islice(self._pending.values(), BATCH))
            async with asyncio.timeout(WRITE_WITHIN), writing(self._engine).begin() as connection:
                await _put(connection, [_row(one, self._run) for one in batch])
            # Only now: whoever is cancelled meanwhile has lost nothing, and writes the same totals once more.
            for one in batch:
                del self._pending[one.begins, one.team]


class AttendanceStore:
    """Reads what was written."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def between(self, since: datetime, until: datetime) -> list[Attended]:
        """Half hours that begin from ``since`` on and before ``until`` (aware), by time and team. The one that runs is
        there as of a minute ago.
        """
        question = (
            select(a.c.half_hour, a.c.team)
            .add_columns(*(func.sum(a.c[name]).label(name) for name in _SUMS))
            .add_columns(*(func.max(a.c[name]).label(name) for name in _COUNTS))
            .where(a.c.half_hour >= since, a.c.half_hour < until)
            .group_by(a.c.half_hour, a.c.team)
            .order_by(a.c.half_hour, a.c.team)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(question)).mappings()
            return [
                Attended(
                    team=TeamId(row["team"]),
                    begins=row["half_hour"],
                    # PostgreSQL's sums of eight bytes are decimals.
                    **{name: int(row[name]) for name in (*_SUMS, *_COUNTS)},
                )
                for row in rows
            ]


async def _put(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    statement = insert(a)
    totals = {name: statement.excluded[name] for name in (*_SUMS, *_COUNTS)}
    await connection.execute(statement.on_conflict_do_update(index_elements=a.primary_key, set_=totals), rows)


def _row(one: Attended, run: datetime) -> dict[str, Any]:
    sums = {name: getattr(one, name) for name in (*_SUMS, *_COUNTS)}
    return {"half_hour": one.begins, "team": one.team, "run": run, **sums}
