"""Settles a month between the towns: whose prices, of which day, on what was used, and what stays so.

The prices are those of the directory that was in force when the month ended, and the statement names that version, so
the same month gives the same statement a year later. A town that was taken out of the directory within the month is
charged by the last version that had it: who leaves pays up to the day the contract says. Two things may still move it:
a call that is named or marked after the month (the statement says as of when it is), and a price that was written wrong
and is corrected afterwards (another version can be asked for). What was sent to the towns should move by neither: it is
*issued*, and kept as a document.

Of a month that is not settled, whole days alone of whose calls nothing can be said any more, and whole hours: two
statements, before and after a call, a naming or a day with one call, would tell how long its agent had talked.

Used-up volumes are looked at every hour. Who is to hear of one, hears of it once: what was told stands in the audit
log, so a restart does not tell it again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.kpi import berlin_midnight, settled_before
from dialog_acd.core.model import TenantId
from dialog_acd.core.shares import WITHOUT_PRICE, Month, beside, slices, statement, warning_of
from dialog_acd.store.directory_file import DirectoryFileInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Tenant
    from dialog_acd.core.shares import Beside, Share, Slice, Statement, Used, Volume
    from dialog_acd.store.statement_store import Issue

log = structlog.get_logger()

EVERY = timedelta(hours=1)
LATE = timedelta(days=1)
"""So long after the end of a month its volumes are looked at."""
TOLD = "contract.volume"
"""In the log and, as the action, in the audit log."""


class Clock(Protocol):
    def now(self) -> datetime: ...


class Uses(Protocol):
    async def usage(self, slices: Iterable[Slice]) -> Sequence[Used]: ...


class Directories(Protocol):
    async def number_at(self, moment: datetime) -> int: ...

    async def version(self, number: int) -> Directory: ...

    async def plain_of(self, number: int) -> tuple[int, dict[str, Any]]: ...


class Issues(Protocol):
    async def latest(self, month: Month, number: int | None = None) -> Issue | None: ...

    async def keep(self, statement: Statement, at: datetime, by: str) -> Issue: ...


class AuditLine(Protocol):
    @property
    def about(self) -> str: ...
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
    ) -> None: ...

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
    ) -> Sequence[AuditLine]: ...


class Spool(Protocol):
    """``store.record_store.RecordWriter``."""

    @property
    def depth(self) -> int: ...

    async def flush(self) -> bool: ...


class MonthNotBegun(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The month has not begun yet."""

    error_id = "month-not-begun"


class MonthNotOver(DialogAcdError):  # noqa: N818
    """The month is not over yet, or towns may still be named for its last calls (to the second of the next month,
    06:00): its statement can be looked at, and not be issued.
    """

    error_id = "month-not-over"


class CallsMissing(DialogAcdError):  # noqa: N818
    """Calls of that month are not in the database yet: its statement can be looked at, and not be issued."""

    error_id = "calls-missing"


class UsageWithoutPrice(DialogAcdError):  # noqa: N818
    """Calls are of a town that no version of the directory had in that month: nobody would pay for them."""

    error_id = "usage-without-price"


class NotIssued(DialogAcdError):  # noqa: N818
    """No such statement was issued for this month."""

    error_id = "not-issued"


class PricesUnreadable(DialogAcdError):  # noqa: N818
    """The directory that the prices are from cannot be read."""

    error_id = "directory-unreadable"


@dataclass(frozen=True, slots=True)
class Settled:
    """A statement, and whether it has gone out as it is."""

    statement: Statement
    issue: Issue | None = None
    """``None``: this is a draft."""
    before: Issue | None = None
    """Of a draft: what was issued last for this month."""

    @property
    def differences(self) -> tuple[Beside, ...]:
        """The lines of a draft that are not as they were issued."""
        if self.before is None:
            return ()
        return tuple(lines for lines in beside(self.before.statement, self.statement) if lines.differs)

    def of_town(self, tenant: str) -> Settled:
        """That town's lines alone."""
        before = self.before
        if before is not None:
            before = replace(before, statement=before.statement.of_town(tenant))
        return Settled(self.statement.of_town(tenant), self.issue, before)


class Settlement:
    """Without ``spool`` and ``living`` it is somebody else's process that has them, and nothing is issued by this one.

    ``living``: when calls came that have not ended.
    """

    def __init__(
        self,
        uses: Uses,
        directories: Directories,
        issues: Issues,
        clock: Clock,
        *,
        spool: Spool | None = None,
        living: Callable[[], Iterable[datetime]] = tuple,
    ) -> None:
        self._uses, self._directories, self._issues, self._clock = uses, directories, issues, clock
        self._spool, self._living = spool, living

    async def settled(
        self, month: Month, *, version: int | None = None, draft: bool = False, number: int | None = None
    ) -> Settled:
        """The statement of a month as it was issued last (``number``: then), or as it would be now.

        ``draft``, or a ``version`` of the directory that the prices shall be from: as it would be now, also where one
        was issued. Raises ``MonthNotBegun``, ``NotIssued``, ``PricesUnreadable`` and what the directories raise for a
        version they do not have.
        """
        if version is not None or draft:
            return Settled(await self._statement(month, version), before=await self._issues.latest(month))
        issue = await self._issues.latest(month, number)
        if issue is not None:
            return Settled(issue.statement, issue)
        if number is not None:
            raise NotIssued
        return Settled(await self._statement(month, version))

    async def issue(self, month: Month, by: str, *, version: int | None = None) -> Settled:
        """Keep the statement as it is now, for good.

        Raises ``MonthNotOver``, ``CallsMissing``, ``UsageWithoutPrice`` and what ``settled`` raises.
        """
        now = self._clock.now()
        if settled_before(now) < month.ends:
            raise MonthNotBegun if now < berlin_midnight(month.begins) else MonthNotOver
        await self._all_there(month)
        made = await self._statement(month, version)
        if unpaid := [s.account.tenant for s in made.shares if s.notes and s.notes[0].startswith(WITHOUT_PRICE)]:
            raise UsageWithoutPrice(
                f"there are calls of {', '.join(unpaid)}, and no prices: name a version that has some"
            )
        issue = await self._issues.keep(made, self._clock.now(), by)
        log.info("statement.issued", month=str(month), number=issue.number, by=by, version=made.version)
        return Settled(made, issue)

    async def _all_there(self, month: Month) -> None:
        """Raise ``CallsMissing`` unless all calls of the month are in the database."""
        if self._spool is None:
            raise CallsMissing("whether all calls are in the database knows the running service alone: ask it to issue")
        begins, ends = berlin_midnight(month.begins), berlin_midnight(month.ends)
        # First those, or one that ends between the two looks is in neither.
        lives = sum(begins <= came < ends for came in self._living())
        waits = 0 if await self._spool.flush() else max(self._spool.depth, 1)
        why = []
        if waits:
            why.append(f"{waits} records of finished calls wait for the database (acd_spool_depth)")
        if lives:
            why.append(f"{lives} calls of {month} have not ended (/api/v1/live), or nobody can see that they have")
        if why:
            raise CallsMissing(f"{' and '.join(why)}: issue the statement when that is over")

    async def _statement(self, month: Month, version: int | None, *, today: bool = False) -> Statement:
        """``today``: with this day's calls, and to the second, because nobody reads it."""
        now = self._clock.now()
        if now < berlin_midnight(month.begins):
            raise MonthNotBegun
        number = await self._directories.number_at(berlin_midnight(month.ends)) if version is None else version
        try:
            towns = [*(await self._directories.version(number)).tenants]
            left, mistaken = await self._left(month, {town.id for town in towns})
        except DirectoryFileInvalid as problem:
            raise PricesUnreadable(f"The prices are from a directory that cannot be read: {problem}") from problem
        towns += left
        of = slices(month, towns)
        until = month.ends if today else settled_before(now)
        used = await self._uses.usage(one._replace(ends=min(one.ends, until)) for one in of)
        whole = [(one, accounts) for one, (_, accounts) in zip(of, used, strict=True)]
        mistaken -= {account.tenant for _, accounts in whole for account in accounts}
        return statement(
            month,
            [town for town in towns if town.id not in mistaken],
            whole,
            version=number,
            as_of=now,
            left={town.id: number for town, number in left.items() if town.id not in mistaken},
            unread=today,
        )

    async def _left(self, month: Month, known: set[TenantId]) -> tuple[dict[Tenant, int], set[TenantId]]:
        """Towns that were there within the month and neither are among these nor were there at its end, each with the
        last version that had it.

        And which of them came within the month and went again: without a call, that was a mistake, and it pays nothing.
        """
        left: dict[Tenant, int] = {}
        first, last = [await self._directories.number_at(berlin_midnight(day)) for day in (month.begins, month.ends)]
        there: set[TenantId] = set()
        for number in range(last, first - 1, -1):
            # Reading a directory whole takes long, and hardly ever has anybody left.
            _, plain = await self._directories.plain_of(number)
            there = {TenantId(town["id"]) for town in plain.get("tenants", ())}
            if number == last:
                known |= there
            if there - known:
                gone = [town for town in (await self._directories.version(number)).tenants if town.id not in known]
                left |= dict.fromkeys(gone, number)
                known |= {town.id for town in gone}
        return left, {town.id for town in left} - there

    # -- volumes that are used up

    async def watch(self, audit: Audit) -> None:
        """Look every hour, for ever."""
        while True:
            try:
                await self.tell_of_volumes(audit)
            except Exception as problem:  # noqa: BLE001  a database that is away is looked at again in an hour
                log.warning("contract.volume-not-looked-at", why=str(problem).partition("\n")[0][:300])
            await asyncio.sleep(EVERY.total_seconds())

    async def tell_of_volumes(self, audit: Audit) -> None:
        """Log, and note for the town and the operator, which included volumes have come to 80 or 100 per cent."""
        now = self._clock.now()
        # On the first day of a month also the last one: its last calls end, and are written, when it is over.
        for month in sorted({Month.at(now - LATE), Month.at(now)}):
            version = await self._directories.number_at(berlin_midnight(month.ends))
            towns = (await self._directories.version(version)).tenants
            if any(price.included_minutes for town in towns for price in town.contract.prices):
                for share in (await self._statement(month, version, today=True)).shares:
                    for volume in share.volumes:
                        await self._tell(audit, share, volume, now)

    async def _tell(self, audit: Audit, share: Share, volume: Volume, now: datetime) -> None:
        if not volume.passed:
            return
        about, limit = f"{share.account.tenant}/{volume.begins}", max(volume.passed)
        lines = await audit.page(200, None, share.account.tenant, action=TOLD, since=berlin_midnight(volume.begins))
        if any(line.about == about and line.details.get("limit", 0) >= limit for line in lines):
            return
        said = {"limit": limit, "included_seconds": volume.included_s, "says": warning_of(limit, volume)}
        log.warning(TOLD, tenant=share.account.tenant, since=volume.begins.isoformat(), **said)
        audit.put(
            at=now,
            who="dialog-acd",
            role="",
            tenant=share.account.tenant,
            action=TOLD,
            about=about,
            outcome="done",
            details=said,
        )
