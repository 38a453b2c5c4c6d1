"""The night's work: what may not be kept any more goes, in the database and in the files beside it.

It is due once a night (``core/retention.py`` says when) and done by the service itself, by its own clock: nothing has
to be set up for it, and nobody can forget it. Whoever starts later finds in the audit log when it was last done, and
does at once what was missed. What fails is tried again soon; steps that went well have then nothing left to do. Only
the service's own nights count: whoever does it by hand has neither its files nor, it may be, its terms.

What is gone is gone, so a clock that leaps is not believed at once: a machine that says it is next year would take away
the numbers of all who were promised a call. Somebody has a day to set it right; then it is believed after all.
"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from dialog_acd.core.kpi import berlin_day
from dialog_acd.core.retention import due, last_night
from dialog_acd.store.repeat_store import KEPT_FOR
from dialog_acd.store.retention_store import DONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from dialog_acd.core.releases import Release
    from dialog_acd.core.retention import Due, Terms
    from dialog_acd.store.audit_store import AuditStore
    from dialog_acd.store.retention_store import Before, RetentionStore

log = structlog.get_logger()

LOOK_EVERY = 30.0
"""Seconds between two looks at the clock."""
TRY_AGAIN = 600.0
LEAP = timedelta(hours=12)
"""So far may the clock be ahead of the time that has really passed. It is set right by an hour or two, no further."""
AWAY_FOR = timedelta(days=30)
"""So long may a service have been away before its clock is doubted at its start."""
DOUBTED_FOR = 86_400.0
"""Seconds."""
BY = "dialog-acd"
ROLE = "service"


class Clock(Protocol):
    def now(self) -> datetime: ...


class Spool(Protocol):
    """A ``RecordWriter``."""

    def forget(self, due: Due) -> int:
        """Take the numbers out of what has waited for too long, and delete what was put aside long ago. Returns how
        many files were changed or deleted.
        """
        ...


class Living(Protocol):
    """A ``CallMemory``."""

    def tidy(self) -> None:
        """Leave nothing in the file of calls that are over. Raises ``OSError``."""
        ...


class Retention:
    """``run`` never ends and never fails. Without ``spool`` and ``living`` it is somebody else's process that has them;
    the database is done all the same.
    """

    def __init__(
        self,
        store: RetentionStore,
        audit: AuditStore,
        clock: Clock,
        terms: Terms,
        *,
        matters: Callable[[Release], bool],
        teams: Callable[[], Mapping[str, str]] = dict,
        count: Callable[[date, date], Awaitable[int]] | None = None,
        spool: Spool | None = None,
        living: Living | None = None,
        by: str = BY,
        role: str = ROLE,
        ticks: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        """``matters``: whether a release that is over has to stay (``core/releases.py``). ``teams``: the team of each
        agent who is in the directory in force. ``count``: have the calls of these days
        counted (``FiguresStore.make``), while it can be known how many people answered them. ``ticks``: seconds nobody
        can set.
        """
        self._count, self._matters = count, matters
        self._store, self._audit, self._clock, self._terms = store, audit, clock, terms
        self._teams, self._spool, self._living = teams, spool, living
        self._by, self._role, self._ticks = by, role, ticks
        self._seen: tuple[datetime, float] | None = None
        """The clock and the ticks, when they were last looked at."""
        self._doubted_until = 0.0
        self.done_at: datetime | None = None
        """When the service last did it as a whole; ``None``: never, or nobody has looked yet."""

    async def run(self) -> None:
        while True:
            pause = await self.look()
            await asyncio.sleep(pause)

    async def look(self) -> float:
        """Do what is due, and say in how many seconds to look again."""
        try:
            done = await self._is_done()
        except Exception as problem:  # noqa: BLE001  whatever a database can say, the answer is to try again
            log.warning("retention.put-off", why=_said(problem))
            done = False
        doubted = self._doubted()
        if done or doubted:
            return LOOK_EVERY
        try:
            return LOOK_EVERY if await self.carry_out() else TRY_AGAIN
        except Exception as problem:  # noqa: BLE001
            log.warning("retention.put-off", why=_said(problem))
            return TRY_AGAIN

    async def _is_done(self) -> bool:
        now = self._clock.now()
        night = last_night(now)
        if self.done_at is None or not night <= self.done_at <= now:
            last = await self._store.last(now, BY, ROLE)  # another may have done it before we started
            self.done_at = None if last is None else last.at
        return self.done_at is not None and self.done_at >= night

    def _doubted(self) -> bool:
        now, ticks = self._clock.now(), self._ticks()
        if self._seen is not None:
            before, then = self._seen
            ahead = now - before - timedelta(seconds=ticks - then)
            leapt = ahead > LEAP
        else:
            ahead = now - (self.done_at or now)
            leapt = ahead > AWAY_FOR
        self._seen = now, ticks
        if leapt:
            self._doubted_until = ticks + DOUBTED_FOR
            log.error("retention.clock-doubted", now=now.isoformat(), ahead_hours=round(ahead / timedelta(hours=1)))
        return ticks < self._doubted_until

    async def carry_out(self) -> bool:
        """Do now whatever is due. ``False``: something of it failed and was logged; the rest is done."""
        now = self._clock.now()
        this = due(self._terms, now)
        try:
            last = await self._store.last(now, BY, ROLE)
        except Exception as problem:  # noqa: BLE001
            # It may be away for days. What waits for it beside it is not allowed to wait for longer.
            log.error("retention.failed", step="last", why=_said(problem))  # noqa: TRY400
            try:
                await self._files(this)
            except OSError as fault:
                log.error("retention.failed", step="files", why=_said(fault))  # noqa: TRY400
            return False
        steps: dict[str, Callable[[], Awaitable[int]]] = {
            "days_of_numbers": lambda: self._store.drop_numbers(this, now),
            "keys": lambda: self._store.drop_keys(this),
            "days_counted": lambda: self._counted(last, this),
            "agents": lambda: self._store.forget_agents(
                # A day more: who was late then is not looked for among all records there are.
                this,
                None if last is None else min(last.agents_before, this.agents_before) - timedelta(days=1),
                self._teams(),
            ),
            "conflicts": lambda: self._store.delete_conflicts(this),
            "creations": lambda: self._store.delete_repeats(now - KEPT_FOR),
            "audit": lambda: self._store.delete_audit(this),
            "releases": lambda: self._store.delete_releases(this, self._matters),
            "files": lambda: self._files(this),
            "settled": self._settle,
        }
        told: dict[str, object] = {}
        failed = []
        for name, step in steps.items():
            try:
                told[name] = await step()
            except Exception as problem:  # noqa: BLE001  the other steps do not wait for this one
                failed.append(name)
                log.error("retention.failed", step=name, why=_said(problem))  # noqa: TRY400  no trace, it shows rows
        if failed:
            return False
        del told["settled"]
        self._audit.put(
            at=now,
            who=self._by,
            role=self._role,
            tenant=None,
            action=DONE,
            about="",
            outcome="done",
            details=told | {"agents_before": this.agents_before.isoformat()},
        )
        await self._audit.flush()
        if (self._by, self._role) == (BY, ROLE):
            self.done_at = now
        return True

    async def _counted(self, last: Before | None, this: Due) -> int:
        if self._count is None:
            return 0
        since = date.min
        if last is not None:
            since = berlin_day(min(last.agents_before, this.agents_before)) - timedelta(days=1)
        return await self._count(since, berlin_day(this.agents_before) + timedelta(days=1))

    async def _files(self, this: Due) -> int:
        try:
            return 0 if self._spool is None else self._spool.forget(this)
        finally:
            if self._living is not None:
                self._living.tidy()

    async def _settle(self) -> int:
        if not await self._store.settle():
            raise TimeoutError("somebody reads the database all the time")
        return 0


def _said(problem: BaseException) -> str:
    return str(getattr(problem, "orig", None) or problem).partition("\n")[0][:300] or type(problem).__name__
