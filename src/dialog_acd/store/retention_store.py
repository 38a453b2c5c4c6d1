"""Takes out of the database what may not be kept any more. What that is says ``retention.py`` of the core.

Every step is done in pieces that hold a writer up for some hundredths of a second, and can be done twice. So a night
that was cut short is done once more, and finds less to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, delete, func, or_, select, text, update

from dialog_acd.core.retention import BERLIN, day_of
from dialog_acd.store.database import outside_transactions, writing
from dialog_acd.store.number_store import days_held, empty, keep_only
from dialog_acd.store.release_store import release_of
from dialog_acd.store.tables import (
    UtcDateTime,
    audit,
    caller_keys,
    caller_numbers,
    idempotency_keys,
    record_conflicts,
    records,
    releases,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.releases import Release
    from dialog_acd.core.retention import Due

DONE = "retention.run"
"""Action of the line in the audit log that says what was done."""
_BATCH = 100
"""Rows in one go: what is read of them is read where calls are decided, in some milliseconds."""
_BREATHE = 0.02
"""Seconds between two batches, in which everybody else may write."""
_STAYS = timedelta(days=30)
"""What the audit log's trigger gives of it has to be older than this."""
_CHECKPOINTS = 20
_SETTLE = 0.25


@dataclass(frozen=True, slots=True)
class Before:
    """The last time it was done."""

    at: datetime
    agents_before: datetime
    """Who answered is out of all records of calls that came before this."""


class RetentionStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def last(self, now: datetime, who: str, role: str) -> Before | None:
        """As ``who`` wrote it down. A line of a time that is still to come was written by a clock that ran wrong, and
        says nothing about tonight: otherwise that one start would have been the last night for as long.
        """
        question = select(audit.c.at, audit.c.details).where(
            audit.c.action == DONE,
            audit.c.outcome == "done",
            audit.c.at <= now,
            audit.c.who == who,
            audit.c.role == role,
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(question.order_by(audit.c.at.desc()).limit(1))).one_or_none()
        return None if row is None else Before(row.at, datetime.fromisoformat(row.details["agents_before"]))

    async def held(self) -> dict[int, date]:
        """The days there are numbers of."""
        async with self._engine.connect() as connection:
            return await days_held(connection)

    async def drop_numbers(self, due: Due, now: datetime | None) -> int:
        """Empty the tables of the days that are due, and of such as cannot be yet by ``now``, where the clock is
        believed: it may as well be that the clock is behind, and these days are the real ones. Returns how many days.
        """
        held = await self.held()
        tomorrow = date.max if now is None else day_of(now + timedelta(days=1))
        gone = [slot for slot, day in held.items() if not due.numbers_to < day <= tomorrow]
        for slot in gone:
            async with writing(self._engine).begin() as connection:
                # Somebody may have begun a new day in it since.
                if (await days_held(connection)).get(slot) == held[slot]:
                    await empty(connection, caller_numbers[slot])
        return len(gone)

    async def drop_keys(self, due: Due) -> int:
        """The keys that are old; what they have hashed is nobody's any more."""
        async with writing(self._engine).begin() as connection:
            return await keep_only(connection, caller_keys, caller_keys.c.made_at >= due.keys_before)

    async def forget_agents(self, due: Due, since: datetime | None, teams: Mapping[str, str]) -> int:
        """Take out of the records of calls that came before the day, from ``since`` on, who answered or was asked.

        Where a record is older than its field ``team``, it gets that of ``teams``. Returns how many were changed.
        """
        r, changed, last = records.c, 0, (since, "")
        here = (r.agent, r.failsafe_answered_by, r.transferred_to, r.trunk_call_id)
        columns = (r.call, r.t_in, r.offers, r.team, *here)
        change = (
            update(records)
            .where(r.call == bindparam("of"))
            .values(
                agent=None,
                failsafe_answered_by=case((r.failsafe_answered_by.is_not(None), "")),
                transferred_to=None,
                trunk_call_id="",
                offers=bindparam("offers_"),
                team=bindparam("team_"),
            )
        )
        while True:
            at, call = last
            where = [r.t_in < due.agents_before]
            if at is not None:
                where += [r.t_in >= at, or_(r.t_in > at, r.call > call)]
            async with self._engine.connect() as connection:
                question = select(*columns).where(*where).order_by(r.t_in, r.call).limit(_BATCH)
                rows = (await connection.execute(question)).all()
            if not rows:
                return changed
            last = (rows[-1].t_in, rows[-1].call)
            named = [
                {
                    "of": row.call,
                    "offers_": [offer | {"agent": "", "why": ""} for offer in row.offers],
                    "team_": row.team or teams.get(row.agent or ""),
                }
                for row in rows
                if any(row[-len(here) :]) or any(offer["agent"] for offer in row.offers)
            ]
            if named:
                async with writing(self._engine).begin() as connection:
                    await connection.execute(change, named)
                changed += len(named)
            await asyncio.sleep(_BREATHE)

    async def delete_conflicts(self, due: Due) -> int:
        return await self._delete(record_conflicts, record_conflicts.c.seen_at < due.agents_before)

    async def delete_repeats(self, before: datetime) -> int:
        """Answers to creations that were asked for long ago."""
        return await self._delete(idempotency_keys, idempotency_keys.c.at < before)

    async def delete_audit(self, due: Due) -> int:
        """The oldest lines. The database itself refuses to give any that is not 30 days older than the latest, and
        than its own clock; a night that asked for one would fail, and so would all after it.
        """
        question = select(func.max(audit.c.at), func.current_timestamp(type_=UtcDateTime()))
        async with self._engine.connect() as connection:
            latest, now = (await connection.execute(question)).one()
        # SQLite reckons in whole seconds there.
        given = min(latest or now, now) - _STAYS - timedelta(seconds=1)
        return await self._delete(audit, audit.c.at < min(due.audit_before, given))

    async def delete_releases(self, due: Due, matters: Callable[[Release], bool]) -> int:
        """Those that were over long ago and do not matter any more; also such as nobody has ever agreed to."""
        over = or_(
            releases.c.until < due.releases_before.astimezone(BERLIN).date(),
            releases.c.revoked_at < due.releases_before,
        )
        gone = last = 0
        while True:
            question = select(releases).where(over, releases.c.id > last).order_by(releases.c.id).limit(_BATCH)
            async with self._engine.connect() as connection:
                rows = (await connection.execute(question)).mappings().all()
            if not rows:
                return gone
            last = rows[-1]["id"]
            old = [release.id for release in map(release_of, rows) if not matters(release)]
            if old:
                async with writing(self._engine).begin() as connection:
                    await connection.execute(delete(releases).where(releases.c.id.in_(old)))
                gone += len(old)
            await asyncio.sleep(_BREATHE)

    async def _delete(self, table: Table, where: ColumnElement[bool]) -> int:
        keys: tuple[Any, ...] = tuple(table.primary_key.columns)
        gone = 0
        while True:
            async with writing(self._engine).begin() as connection:
                rows = (await connection.execute(select(*keys).where(where).limit(_BATCH))).all()
                if not rows:
                    return gone
                these = or_(*(and_(*(key == value for key, value in zip(keys, row, strict=True))) for row in rows))
                if len(keys) == 1:
                    these = keys[0].in_([row[0] for row in rows])
                await connection.execute(delete(table).where(these))
            gone += len(rows)
            await asyncio.sleep(_BREATHE)

    async def settle(self) -> bool:
        """See that what was deleted is not in SQLite's ``-wal`` either. ``False``: somebody reads, try again later."""
        if self._engine.dialect.name != "sqlite":
            return True
        for _ in range(_CHECKPOINTS):
            async with outside_transactions(self._engine).connect() as connection:
                # While it waits for a reader to end, it keeps all who write out. Better none than one that waits.
                waits = (await connection.execute(text("PRAGMA busy_timeout"))).scalar_one()
                await connection.execute(text("PRAGMA busy_timeout = 0"))
                try:
                    busy = (await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).one()[0]
                finally:
                    # Who is cancelled has no connection any more; to ask for it would put the error of that in the
                    # place of the cancellation, and who waits for this task's end would wait for ever.
                    if not connection.invalidated:
                        await connection.execute(text(f"PRAGMA busy_timeout = {waits}"))
            if not busy:
                return True
            await asyncio.sleep(_SETTLE)
        return False
