"""Records of calls, on their way into the database and out of it.

A record exists exactly once per call, and none may be lost. ``RecordWriter.put`` writes it into the journal
(``journal.py``) and returns; a loop beside it carries the journal into the database, segment by segment:

* The call's id is the key and a row that is there stays there, so carrying a segment twice changes nothing, and
  after any doubt (no answer in time, a crash between commit and delete) it is simply carried again.
* A second record of a call with the *same* content is such a repetition. One with *different* content means that
  we told two stories about one caller: it is kept in ``record_conflicts``, counted, and logged as an error.
* While the database is away the journal grows, nothing else happens.
* What is said of a call after its end (its town, that it was a test, that its caller was called back) changes its row
  (``amend``). It travels the same way behind its record, so it does not matter where that is by then, and twice is
  once. A row that was changed is marked (``t_amended``): carried once more, the record as it was before is no second
  story.
* The numbers of people a record brings along are parted from it and kept beside it for some days
  (``number_store.py``); who reads the record meanwhile finds them in it.
* When the disk is full as well, records wait in memory, and are journalled as soon as there is room. Past
  ``memory_limit`` the oldest way out is the log: the record is written there, without numbers, and counted as lost.
* A record the database will never take (our own defect) must not hold up those behind it: it is put aside in the
  journal's folder, counted, and logged.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy import Text, case, cast, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from dialog_acd.core.kpi import berlin_day
from dialog_acd.core.model import CallId, EntryKind, TenantId
from dialog_acd.core.promises import GIVEN_UP_AFTER
from dialog_acd.core.records import Amendment, Blame, CallRecord, Outcome, Result, field_names
from dialog_acd.core.releases import OfOne, of_one
from dialog_acd.core.retention import NONE, NOTHING, Due, Numbers, Terms, day_of, due, parted, rejoined, without_agents
from dialog_acd.store import number_store
from dialog_acd.store.database import by_the_first, writing
from dialog_acd.store.figures_store import touched
from dialog_acd.store.journal import SEGMENT_RECORDS, Journal, Segment
from dialog_acd.store.record_json import (
    digest,
    encode,
    from_plain,
    offers_from_plain,
    offers_to_plain,
    rungs_from_plain,
    rungs_to_plain,
    salvaged,
    storable,
    storable_amendment,
    to_plain,
)
from dialog_acd.store.tables import record_conflicts, records

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, RowMapping, Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger(__name__)

EntryT = TypeVar("EntryT", CallRecord, Amendment)
Place = tuple["datetime", CallId]
"""Where a page of records ended: ``t_in`` and call of its last one; of those owed a call, ``t_due`` and call."""

COUNT_EVERY = 5.0
"""Seconds between two counts of the promises."""
COUNT_HOLDS = timedelta(minutes=5)
"""So long a count is told while the database cannot be asked."""
AT_ONCE = 16
"""Rows of one statement. The event loop makes them ready: a hundred at once, and for 9 ms no caller was answered."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
_COMPLAIN_EVERY = timedelta(seconds=10)
_LATER_BY_CHANCE = timedelta(minutes=1)
"""So far a clock may be set back in life."""
_BESIDE = {"ani", "diversion"}
"""Columns of ``caller_numbers``, never of ``records``."""
_MADE = {"kind", "outcome", "offers", "rungs", "candidates"}
_SAME_NAME = tuple(name for name in field_names() if name not in _BESIDE | _MADE)
_LIKE = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})


@dataclass(frozen=True, slots=True)
class RecordConflict:
    """A second, different record of a call."""

    seen_at: datetime
    record: CallRecord


class RecordWriter:
    """Takes records and gets them into the database, whatever happens to it meanwhile.

    ``spill_dir`` is the journal's folder, made if missing; ``flush_within`` seconds are given to each
    transaction; ``linger`` seconds are waited for more records to share it, and under load so many that transactions
    begin ``pace`` seconds apart; ``terms`` say what of a late record is not kept any more. Raises
    ``JournalUnavailable``.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        spill_dir: Path,
        clock_now: Callable[[], datetime],
        *,
        flush_within: float = 5.0,
        linger: float = 0.1,
        pace: float = 1.0,
        memory_limit: int = 100_000,
        terms: Terms = Terms(),  # noqa: B008  a value
    ) -> None:
        self._engine = engine
        self._terms = terms
        self._clock_now = clock_now
        self._flush_within = flush_within
        self._linger, self._pace = linger, pace
        self._memory_limit = memory_limit
        self._journal = Journal(spill_dir, clock_now)
        self._unjournalled: deque[CallRecord | Amendment] = deque()
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._quiet_until: dict[str, datetime] = {}
        self._took: Callable[[float], None] = lambda _: None
        self._sure: Callable[[], bool] = lambda: True
        self._failing = False
        self.failures = 0
        """Times the database did not take what was brought."""
        self.written = 0
        """Rows added by this process."""
        self.conflicts = 0
        """Second records with different content."""
        self.rejected = 0
        """Records put aside because no database would take them."""
        self.spilled = 0
        """Records that had to wait because the database was away."""
        self.lost = 0
        """Records that are in the log only: no database, no disk, no memory left."""
        self.last_error: str | None = None
        """What the database or the disk said last; ``None`` when all is well again."""
        if self._journal.depth:
            log.info("record.found-in-journal", records=self._journal.depth)
            self._wake.set()

    def watch(self, took: Callable[[float], None]) -> None:
        """Have every transaction's seconds told, also those of one that fails."""
        self._took = took

    def trust(self, sure: Callable[[], bool]) -> None:
        """Have it asked whether the clock is believed: before that, nothing is left out of a record for its age."""
        self._sure = sure

    @property
    def depth(self) -> int:
        """Records not yet in the database."""
        return self._journal.depth + len(self._unjournalled)

    @property
    def unjournalled(self) -> int:
        """Records in memory alone, because the disk takes nothing: the only ones a crash would lose."""
        return len(self._unjournalled)

    @property
    def unreadable(self) -> int:
        """Lines of the journal that were no record (torn by a power failure), put aside."""
        return self._journal.unreadable

    @property
    def failing(self) -> bool:
        """The last attempt to reach the database failed."""
        return self._failing

    def put(self, record: CallRecord) -> None:
        """Take charge of a record. Returns at once and never raises; when it returns, a crash loses nothing."""
        # Fast for the good: only what cannot be stored as it is gets rewritten.
        self._take(record, storable)

    def amend(self, amendment: Amendment) -> None:
        """Take charge of what is to be changed in a record given before; as ``put``."""
        # Never past its record, which may wait in memory for room on the disk that this short line would still find.
        self._take(amendment, storable_amendment, behind=len(self._unjournalled) > 0)

    def _take(self, entry: EntryT, fit: Callable[[EntryT], EntryT], *, behind: bool = False) -> None:
        """``behind``: after what waits in memory already."""
        try:
            try:
                entry = fit(entry)
                if behind:
                    self._keep_in_memory(entry, OSError("others wait for the journal already"))
                else:
                    self._journal.append(entry)
            except OSError as error:
                self._keep_in_memory(entry, error)
            except Exception as error:  # noqa: BLE001  a defect in a record must not become one in routing
                self._reject(entry, error)
            else:
                if self._failing:
                    self.spilled += 1
        finally:
            self._wake.set()

    async def run(self) -> None:
        """Carry records until ``close``. Never fails; waits longer and longer while the database is away."""
        pause = _FIRST_PAUSE
        begun = -self._pace
        while not self._closing.is_set():
            await self._wake.wait()
            await self._pause(max(self._linger, begun + self._pace - time.perf_counter()))
            begun = time.perf_counter()
            if await self.flush():
                pause = _FIRST_PAUSE
            else:
                await self._pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def flush(self) -> bool:
        """Carry everything there is into the database now. ``False``: it did not take it; nothing is lost."""
        async with self._turn:
            self._wake.clear()
            try:
                await self._carry_all()
            except Exception as error:  # noqa: BLE001  whatever a database can say, the answer is to try again
                self._wake.set()
                await self._stumbled(error)
                return False
            if self._failing:
                log.info("record.database-back", written=self.written)
            self._failing = False
            self.last_error = None
            return True

    async def forget(self, due: Due) -> int:
        """In the journal, too, nothing of anybody is kept for longer than in the database. Raises ``OSError``."""

        def fit(record: CallRecord) -> CallRecord:
            record = parted(record)[0] if day_of(record.t_in) <= due.numbers_to else record
            return record if record.t_in >= due.agents_before else without_agents(record)

        return await self._journal.forget(due.numbers_to, fit)

    async def close(self, grace: float) -> int:
        """Try for ``grace`` seconds to write the rest; return how many records stay in the journal instead."""
        self._closing.set()
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while not await self.flush():  # noqa: ASYNC110  a database cannot tell us that it is back
                    await asyncio.sleep(_FIRST_PAUSE)
        left = self.depth
        if left:
            self._journal_again()
            with suppress(OSError):
                await asyncio.to_thread(self._journal.sync)
            log.warning("record.left-in-journal", records=left, in_memory_only=len(self._unjournalled))
            self._last_words()
        self._journal.close()
        return left

    # -- carrying

    async def _carry_all(self) -> None:
        self._journal_again()
        while (segment := self._journal.oldest()) is not None:
            batch = await self._read(segment)
            await self._carry(batch)
            self._journal.remove(segment)
        while self._unjournalled:
            batch = [self._unjournalled[i] for i in range(min(SEGMENT_RECORDS, len(self._unjournalled)))]
            await self._carry(batch)
            for record in batch:
                # ``close``, out of patience, may have moved it into the journal meanwhile.
                if self._unjournalled and self._unjournalled[0] is record:
                    self._unjournalled.popleft()

    async def _read(self, segment: Segment) -> Sequence[CallRecord | Amendment]:
        try:
            return self._journal.read(segment)
        except FileNotFoundError:
            # Somebody deleted it under us. There is nothing left to carry, but it is not passed over in silence.
            log.error("record.lost", records=segment.count, why=f"{segment.path} was deleted")  # noqa: TRY400
            self.lost += segment.count
            return ()

    async def _carry(self, batch: Sequence[CallRecord | Amendment]) -> None:
        """All of them are in the database, kept as conflict, or put aside; or this raises."""
        if not batch:
            return
        try:
            await self._write(batch)
        except Exception as error:
            if not _record_is_at_fault(error):
                raise
            if len(batch) > 1:
                # Which one? Singly, each finds its own place; those already in are the same, and change nothing.
                for record in batch:
                    await self._carry([record])
            else:
                # Before it leaves the journal it has to be on the disk elsewhere: an OSError here means later.
                self._journal.put_aside("rejected", [encode(batch[0])])
                self.rejected += 1
                log.error("record.rejected", call=batch[0].call, why=_said(error))  # noqa: TRY400

    async def _write(self, batch: Sequence[CallRecord | Amendment]) -> None:
        told = [entry for entry in batch if isinstance(entry, CallRecord)]
        amendments = [entry for entry in batch if isinstance(entry, Amendment)]
        first = {record.call: record for record in reversed(told)}
        added: set[str] = set()
        now = self._clock_now()
        sure = self._sure()
        this = due(self._terms, now) if sure else NOTHING
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._flush_within), writing(self._engine).begin() as connection:
                if first:
                    added = await self._add(connection, first.values(), this, now if sure else None)
                again = [r for r in told if r.call not in added or r is not first[r.call]]
                contradicting = await self._contradicting(connection, again, now) if again else []
                new = await self._keep_conflicts(connection, contradicting) if contradicting else []
                days = {_town_and_day(record.tenant, record.t_in) for record in first.values() if record.call in added}
                for amendment in amendments:  # each stands behind its record
                    days |= await _amend(connection, amendment, this, now)
                await touched(connection, days)
        finally:
            self._took(time.perf_counter() - begun)
        self.written += len(added)
        self.conflicts += len(new)
        for record in new:
            log.error("record.conflict", call=record.call, result=record.outcome.result.value)
        log.debug("record.written", records=len(added), again=len(again), conflicts=len(new))

    async def _add(
        self, connection: AsyncConnection, told: Collection[CallRecord], this: Due, now: datetime | None
    ) -> set[str]:
        """Those whose call has no record yet, and beside them what of them is kept for days only."""
        callers = [(record.call, record.tenant, record.t_in, record.ani) for record in told]
        hashes = await number_store.hashes_of(connection, callers, this)
        beside: dict[CallRecord, Numbers] = {}
        added: set[str] = set()
        waiting = iter(told)
        while few := list(islice(waiting, AT_ONCE)):
            parts = {record: parted(_fit(record, this)) for record in few}
            rows = [_row(stays) | {"caller_hash": hashes.get(stays.call)} for stays, _ in parts.values()]
            new = await _insert(connection, records, rows, records.c.call)
            beside |= {r: numbers for r, (_, numbers) in parts.items() if numbers != NONE and r.call in new}
            added |= new
        await number_store.keep(connection, beside, this, now)
        return added

    async def _contradicting(
        self, connection: AsyncConnection, again: Iterable[CallRecord], now: datetime
    ) -> list[CallRecord]:
        again, this = list(again), due(self._terms, now)
        question = select(records).where(records.c.call.in_({r.call for r in again}))
        rows = (await connection.execute(question)).mappings().all()
        numbers = await number_store.numbers_of(connection, ((row["call"], row["t_in"]) for row in rows))
        stored: dict[str, CallRecord] = {}
        for row in rows:
            # A row this version cannot read (an outcome of a newer one) is different from anything we bring.
            with suppress(ValueError, KeyError, TypeError):
                stored[row["call"]] = _fit(_record(row, numbers.get(row["call"], NONE)), this)
        contradicting = []
        for record in again:
            # What is forgotten by now cannot be compared.
            told = _fit(record if record.call in numbers else parted(record)[0], this)
            if told != _before_it_was_amended(stored.get(record.call), told):
                contradicting.append(record)
        return contradicting

    async def _keep_conflicts(
        self, connection: AsyncConnection, contradicting: Iterable[CallRecord]
    ) -> list[CallRecord]:
        # Without numbers: it is kept for longer than they may be, and a digest of a number could be tried out.
        by_digest = {digest(record): record for record, _ in map(parted, contradicting)}
        now = self._clock_now()
        rows = [
            {"call": record.call, "digest": key, "seen_at": now, "content": to_plain(record)}
            for key, record in by_digest.items()
        ]
        added = await _insert(connection, record_conflicts, rows, record_conflicts.c.digest)
        return [by_digest[key] for key in added]

    # -- when it does not go well

    async def _stumbled(self, error: Exception) -> None:
        self.last_error = _said(error)
        self.failures += 1
        if not self._failing:
            self._failing = True
            self.spilled += self.depth
        self._complain("record.database-away", why=self.last_error, waiting=self.depth)
        try:
            # It may take a while now, so make the journal outlive the power as well.
            await asyncio.to_thread(self._journal.sync)
        except OSError as disk_error:
            self._complain("record.journal-not-synced", why=str(disk_error))

    def _keep_in_memory(self, record: CallRecord | Amendment, error: OSError) -> None:
        self.last_error = f"journal: {error}"
        if len(self._unjournalled) >= self._memory_limit:
            self.lost += 1
            log.critical("record.lost", record=_for_the_log(record), why="no room in database, journal and memory")
            return
        self._unjournalled.append(record)
        self._complain("record.not-journalled", why=str(error), in_memory=len(self._unjournalled))

    def _journal_again(self) -> None:
        while self._unjournalled:
            try:
                self._journal.append(self._unjournalled[0])
            except OSError:
                return
            self._unjournalled.popleft()

    def _reject(self, record: CallRecord | Amendment, error: Exception) -> None:
        self.rejected += 1
        self.last_error = _said(error)
        log.error("record.rejected", call=str(record.call), why=self.last_error)
        with suppress(OSError, ValueError, TypeError, RecursionError):
            self._journal.put_aside("rejected", [salvaged(record)])

    def _last_words(self) -> None:
        for record in self._unjournalled:
            self.lost += 1
            log.critical("record.lost", record=_for_the_log(record), why="stopped without database and journal")

    def _complain(self, what: str, **about: object) -> None:
        """An error that may come a hundred times a second is logged once in a while."""
        now = self._clock_now()
        if now >= self._quiet_until.get(what, now):
            self._quiet_until[what] = now + _COMPLAIN_EVERY
            log.error(what, **about)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


class RecordReader:
    """Finished calls, as far as they are in the database (``RecordWriter.depth`` says how many are not yet)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_call(self, call: CallId) -> CallRecord | None:
        found = await self._read(records.c.call == call)
        return found[0] if found else None

    async def recent(
        self,
        limit: int,
        before: Place | None = None,
        result: Result | None = None,
        tenant: str | None = None,
        *,
        queue: str | None = None,
        partner: str | None = None,
        agent: str | None = None,
        since: datetime | None = None,
        to: datetime | None = None,
        owed_at: datetime | None = None,
    ) -> list[CallRecord]:
        """Youngest first, all or those that are asked for. The next page begins ``before`` the last's place.

        ``partner``: who was last asked, whether it answered or not. From ``since`` on, before ``to``. Each of them has
        an index of its own together with the time. ``owed_at``: whose caller was still to be called back at that
        moment, as far as is known now; who was due first is the first then.
        """
        where = by_the_first(
            (records.c.agent, agent),
            (records.c.queue, queue),
            (records.c.tenant, tenant),
            (records.c.overflow_partner, partner),
            (records.c.result, None if result is None else result.value),
            after=() if owed_at is None else _owed(owed_at),
        )
        # Of the promises there are few, and no other index helps; SQLite would take it all the same.
        came = records.c.t_in if owed_at is None else func.coalesce(records.c.t_in, records.c.t_in)
        if since is not None:
            where.append(came >= since)
        if to is not None:
            where.append(came < to)
        if before is not None:
            at, call = before
            # The first says nothing new but to the database, which finds the place by it instead of walking there.
            if owed_at is None:
                where += [records.c.t_in <= at, or_(records.c.t_in < at, records.c.call < call)]
            else:
                where += [records.c.t_due >= at, or_(records.c.t_due > at, records.c.call > call)]
        newest = (records.c.t_in.desc(), records.c.call.desc())
        order = newest if owed_at is None else (records.c.t_due, records.c.call)
        return await self._read(*where, order=order, limit=limit)

    async def promises(self, now: datetime) -> dict[str, tuple[int, int]]:
        """By town: how many callers are to be called back, and how many of those should have been by ``now``."""
        overdue = func.sum(case((records.c.t_due < now, 1), else_=0))
        # Not the bare column: SQLite would walk through its index, and that is one of all calls.
        town = records.c.tenant.concat(literal_column("''")).label("town")
        question = select(town, func.count(), overdue).where(*_owed(now)).group_by(town)
        async with self._engine.connect() as connection:
            return {tenant: (owed, late) for tenant, owed, late in await connection.execute(question)}

    async def of_agent(self, agent: str, since: datetime, to: datetime) -> OfOne:
        """One agent's figures, of the calls that came from ``since`` on and before ``to``.

        Whose phone rang in vain stands in the offers, a text to the database: it finds the calls in which the name
        occurs at all, and they are looked at here.
        """
        named = json.dumps(agent).translate(_LIKE)
        month = records.c.t_in >= since, records.c.t_in < to
        own = await self._read(
            *month, or_(records.c.agent == agent, cast(records.c.offers, Text).like(f"%{named}%", escape="!"))
        )
        nameless = records.c.agent.is_(None), records.c.t_ans.is_not(None), records.c.test.is_(False)
        # The latest says how far the month is forgotten.
        forgotten = await self._read(*month, *nameless, order=(records.c.t_in.desc(),), limit=1)
        return of_one([*own, *forgotten], agent)

    async def records_since(self, t: datetime) -> list[CallRecord]:
        """Of calls that came at ``t`` or later, oldest first. All of them: not for a year's worth."""
        return await self._read(records.c.t_in >= t, order=(records.c.t_in, records.c.call))

    async def by_trunk_call_id(self, trunk_call_id: str) -> list[CallRecord]:
        """What a carrier asks for. There should be one."""
        known = records.c.trunk_call_id != literal_column("''")  # in these words, or PostgreSQL does not use its index
        return await self._read(known, records.c.trunk_call_id == trunk_call_id, order=(records.c.t_in, records.c.call))

    async def count(self) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(records)) or 0

    async def conflicts_since(self, t: datetime) -> list[RecordConflict]:
        """Second, different records seen at ``t`` or later. Each one is a defect of ours."""
        question = (
            select(record_conflicts)
            .where(record_conflicts.c.seen_at >= t)
            .order_by(record_conflicts.c.seen_at, record_conflicts.c.call, record_conflicts.c.digest)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return [RecordConflict(row["seen_at"], from_plain(row["content"])) for row in rows]

    async def _read(
        self,
        *where: ColumnElement[bool],
        order: tuple[ColumnElement[Any], ...] = (),
        limit: int | None = None,
    ) -> list[CallRecord]:
        question = select(records).where(*where).order_by(*order).limit(limit)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(question)).mappings().all()
            numbers = await number_store.numbers_of(connection, ((row["call"], row["t_in"]) for row in rows))
        return [_record(row, numbers.get(row["call"], NONE)) for row in rows]


class PromiseCount:
    """How many callers are still to be called back, asked again and again, because a scrape must not wait for it."""

    def __init__(self, reader: RecordReader, clock_now: Callable[[], datetime]) -> None:
        self._reader, self._clock_now = reader, clock_now
        self._found: tuple[datetime, dict[str, tuple[int, int]]] | None = None

    def latest(self) -> dict[str, tuple[int, int]] | None:
        """As ``RecordReader.promises``. ``None``: nobody has known for ``COUNT_HOLDS``, or ever."""
        if self._found is None or self._clock_now() - self._found[0] > COUNT_HOLDS:
            return None
        return self._found[1]

    async def run(self) -> None:
        """Count until cancelled."""
        failing = False
        while True:
            now = self._clock_now()
            try:
                async with asyncio.timeout(COUNT_EVERY):
                    self._found = now, await self._reader.promises(now)
                failing = False
            except Exception as error:  # noqa: BLE001  whatever a database can say, it is asked again
                if not failing:
                    log.warning("promises.not-counted", why=_said(error))
                failing = True
            await asyncio.sleep(COUNT_EVERY)


def _owed(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Calls whose caller is still to be called back."""
    return records.c.t_due >= now - GIVEN_UP_AFTER, records.c.t_called_back.is_(None), records.c.test.is_(False)


def _fit(record: CallRecord, this: Due) -> CallRecord:
    """As it may be written down now: of one that was long on its way, not who answered."""
    return record if record.t_in >= this.agents_before else without_agents(record)


async def _amend(connection: AsyncConnection, amendment: Amendment, this: Due, now: datetime) -> set[tuple[str, date]]:
    """Whose days it concerns: the town's that had the call as well as that of the one that gets it."""
    changes = {"tenant": amendment.tenant, "test": amendment.test}
    said: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    if amendment.kept is not None:
        said["t_called_back"] = amendment.kept_at
    question = select(records.c.tenant, records.c.t_in, records.c.t_amended).where(records.c.call == amendment.call)
    before = (await connection.execute(question)).first()
    if before is None:
        log.error("record.not-there-to-amend", call=amendment.call, **said)
        return set()
    if before.t_amended is not None and amendment.at < before.t_amended <= now + _LATER_BY_CHANCE:
        # Carried once more, and a later one has been said since. Later than now it was said by a clock that was wrong.
        log.info("record.amendment-passed-over", call=amendment.call, since=before.t_amended.isoformat(), **said)
        return set()
    if amendment.tenant is not None:
        said["caller_hash"] = await _hash_for(connection, amendment, before.t_in, this)
    statement = update(records).where(records.c.call == amendment.call).values(**said, t_amended=amendment.at)
    await connection.execute(statement)
    if amendment.tenant is None and amendment.test is None:
        return set()  # promises are counted by the records, not by the day on which a call came
    return {_town_and_day(town, before.t_in) for town in (before.tenant, amendment.tenant or before.tenant)}


def _town_and_day(tenant: str, came: datetime) -> tuple[str, date]:
    return tenant, berlin_day(came)


async def _hash_for(connection: AsyncConnection, amendment: Amendment, t_in: datetime, this: Due) -> str | None:
    """The caller's hash among those of another town. Where the number is gone by now, there is none."""
    call, tenant = amendment.call, amendment.tenant or ""
    ani = (await number_store.numbers_of(connection, [(call, t_in)])).get(call, NONE).ani
    return (await number_store.hashes_of(connection, [(call, tenant, t_in, ani)], this)).get(call)


def _for_the_log(entry: CallRecord | Amendment) -> dict[str, Any]:
    return to_plain(parted(entry)[0] if isinstance(entry, CallRecord) else entry)


def _before_it_was_amended(stored: CallRecord | None, record: CallRecord) -> CallRecord | None:
    """What is stored, but for what an amendment has changed, which is as the record brought again has it."""
    if stored is None or stored.t_amended is None:
        return stored
    return replace(
        stored,
        tenant=record.tenant,
        test=record.test,
        t_called_back=record.t_called_back,
        t_amended=record.t_amended,
    )


async def _insert(
    connection: AsyncConnection, table: Table, rows: list[dict[str, Any]], key: ColumnElement[str]
) -> set[str]:
    """Add the rows whose key is not there yet, and say which those were."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing().returning(key)
    return set((await connection.execute(statement, rows)).scalars())


def _row(record: CallRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _SAME_NAME}
    row["kind"] = record.kind.value
    row["result"] = record.outcome.result.value
    row["reason"] = record.outcome.reason
    row["blame"] = record.outcome.blame.value
    row["offers"] = offers_to_plain(record.offers)
    row["rungs"] = rungs_to_plain(record.rungs)
    row["candidates"] = list(record.candidates) or None
    return row


def _record(row: RowMapping, numbers: Numbers) -> CallRecord:
    alone = CallRecord(
        **{name: row[name] for name in _SAME_NAME},
        ani=None,
        diversion=None,
        kind=EntryKind(row["kind"]),
        outcome=Outcome(Result(row["result"]), row["reason"], Blame(row["blame"])),
        offers=offers_from_plain(row["offers"]),
        rungs=rungs_from_plain(row["rungs"] or ()),
        candidates=tuple(TenantId(tenant) for tenant in row["candidates"] or ()),
    )
    return alone if numbers == NONE else rejoined(alone, numbers)


def _record_is_at_fault(error: BaseException) -> bool:
    """The database is well and would refuse this record again: a value it has no place for.

    Everything else (unreachable, locked, full, read-only, no such table) is the database's, and passes.
    """
    if isinstance(error, DataError | IntegrityError | OverflowError | UnicodeError):
        return True
    if isinstance(error, DBAPIError):
        # asyncpg's own refusals are ValueErrors; the server's have SQLSTATE class 22 (data), 23 (constraint) or
        # 54 (limit: a key too long for its index).
        said = error.orig
        return isinstance(getattr(said, "__cause__", None), ValueError) or str(
            getattr(said, "sqlstate", None) or ""
        ).startswith(("22", "23", "54"))
    return isinstance(error, StatementError)


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = str(getattr(error, "orig", None) or error).split("\n", 1)[0]
    return f"{type(error).__name__}: {said}"[:300]
