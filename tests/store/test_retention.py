"""Nights pass, and what may not be kept any more is nowhere: not in a row, not in a free page, not in a file beside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy import delete, event, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError

from dialog_acd import log as log_setup
from dialog_acd.core import messages as m
from dialog_acd.core.model import AgentId, CallId, Statistics, TenantId
from dialog_acd.core.records import Amendment, CallRecord, Result
from dialog_acd.core.releases import Kind, Release, Signature, matters
from dialog_acd.core.retention import Terms, due, last_night
from dialog_acd.retention import LOOK_EVERY, TRY_AGAIN, Retention
from dialog_acd.store import journal, tables
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.backup import back_up
from dialog_acd.store.call_store import CallMemory
from dialog_acd.store.database import migrate, open_database, outside_transactions, writing
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_json import decode, encode
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.retention_store import RetentionStore
from dialog_acd.testing import LANGENHAGEN, Scenario, demo_directory
from records import NOON, served
from store import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from .conftest import Cluster, Database

# Nobody's numbers (Bundesnetzagentur keeps them for films), each with a tail of its own to look for.
LANDLINE, MOBILE, PROMISED = "+493023125771", "+4917139200772", "+4915228817386"
LEFT, TWICE, REFUSED, MISDIALLED, TORN = (
    "+494066969773",
    "+492214710774",
    "+498999998775",
    "+4917139200776",
    "0171-3920-077",
)
TARGET, FORWARDER = "0152 28895456", "+496990009778"
TAILS = {
    "landline": b"23125771",
    "mobile": b"39200772",
    "promised": b"28817386",
    "left": b"66969773",
    "twice": b"14710774",
    "refused": b"99998775",
    "misdialled": b"39200776",
    "torn": b"3920-077",
    "target": b"28895456",
    "forwarder": b"90009778",
}
"""However somebody spells them: +49, 0049, 0, nothing before them."""


@dataclass
class Centre:
    """A service without Asterisk: the core on a call sheet, and everything that writes."""

    engine: AsyncEngine
    database: Database
    folder: Path
    said: StringIO
    sheet: Scenario
    writer: RecordWriter
    memory: CallMemory
    audit: AuditStore
    retention: Retention
    looks: bool = False
    leapt: timedelta = timedelta()
    """So far is the clock from the time that has passed since noon."""

    @property
    def reader(self) -> RecordReader:
        return RecordReader(self.engine)

    def now(self) -> datetime:
        return self.sheet.clock.now()

    def leaps(self, by: timedelta) -> None:
        self.leapt += by
        self.sheet.clock._now = self.now() + by  # also back, which a manual clock refuses

    def ticks(self) -> float:
        return (self.now() - NOON - self.leapt).total_seconds()

    def starts(self) -> None:
        """The service, once more: it knows what stands in the database and in its files."""
        self.retention = Retention(
            RetentionStore(self.engine),
            self.audit,
            self.sheet.clock,
            Terms(),
            matters=nobody_weakened,
            spool=self.writer,
            living=self.memory,
            teams=lambda: {"bert": "z"},
            count=FiguresStore(self.engine, self.sheet.clock.now).make,
            ticks=self.ticks,
        )
        self.writer.trust(self.retention.sure)
        self.looks = True

    async def numbers(self) -> dict[str, str | None]:
        return {record.call: record.ani for record in await self.reader.recent(99)}

    async def promises(self, days: int) -> dict[str, str | None]:
        """A call a day; all of them are owed one."""
        for day in range(days):
            if day:
                await self.passes(timedelta(days=1))
            self.writer.put(served(f"p{day}", self.now(), ani=PROMISED))
            assert await self.writer.flush(), self.writer.last_error
        return await self.numbers()

    async def passes(self, time: timedelta) -> None:
        self.sheet.clock.set(self.now() + time)
        if self.looks:
            await self.retention.look()

    async def lives(self) -> None:
        """Carry out what the core has answered so far."""
        for _, _, outputs in self.sheet.story:
            for output in outputs:
                if isinstance(output, m.RememberCall):
                    self.memory.put(output)
                elif isinstance(output, m.SaveRecord):
                    self.writer.put(output.record)
                    self.memory.forget(output.record.call)
                elif isinstance(output, m.Notice):
                    log_setup.tell(output)
        self.sheet.story.clear()
        assert await self.writer.flush()

    async def night(self) -> None:
        """To half past two of the next one, and what the service does then."""
        async with outside_transactions(self.engine).connect() as connection:
            await connection.execute(text("ANALYZE"))  # as PostgreSQL does by itself, now and then
        self.sheet.until(last_night(self.now() + timedelta(days=1)))
        assert not await self.retention._is_done()
        assert await self.retention.carry_out()
        assert await self.retention._is_done()

    def another(self, terms: Terms, **more: Any) -> Retention:
        """Without any files."""
        store = RetentionStore(self.engine)
        return Retention(store, self.audit, self.sheet.clock, terms, matters=nobody_weakened, **more)

    def traces(self) -> set[str]:
        """Which of the numbers are anywhere."""
        raw = self.raw() + self.said.getvalue().encode()
        return {name for name, tail in TAILS.items() if tail in raw}

    def raw(self) -> bytes:
        """All files, and what the database says."""
        raw = b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
        if (cluster := cluster_of(self.database)) is not None:
            raw += of_postgres(cluster, self.database.url)
        return raw


def nobody_weakened(release: Release) -> bool:
    return matters(release, demo_directory())


def cluster_of(database: Database) -> Cluster | None:
    return getattr(database, "cluster", None)


def of_postgres(cluster: Cluster, url: str) -> bytes:
    """What a dump says, and all files of the server. Not its write-ahead log: that is history, see the README."""
    name = str(make_url(url).database)
    dump = subprocess.run([*cluster.client("pg_dump"), name], check=True, capture_output=True, timeout=60)
    checkpoint = [*cluster.client("psql"), "-q", "-d", name, "-c", "CHECKPOINT"]
    subprocess.run(checkpoint, check=True, timeout=60)
    files = [p for p in cluster.folder.rglob("*") if p.is_file() and "pg_wal" not in p.parts]
    return dump.stdout + b"".join(path.read_bytes() for path in files)


@contextmanager
def logging_into(file: StringIO) -> Iterator[None]:
    before = structlog.get_config()
    log_setup.set_up(level="DEBUG")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=file), cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


@pytest.fixture
async def centre(database: Database, tmp_path: Path) -> AsyncIterator[Centre]:
    said = StringIO()
    with logging_into(said):
        engine = await open_database(database.url)
        sheet = Scenario()
        writer = RecordWriter(engine, tmp_path / "journal", sheet.clock.now)
        memory, audit = CallMemory(tmp_path / "journal"), AuditStore(engine)
        retention = Retention(
            RetentionStore(engine),
            audit,
            sheet.clock,
            Terms(),
            matters=nobody_weakened,
            spool=writer,
            living=memory,
            teams=lambda: {"bert": "z"},
            count=FiguresStore(engine, sheet.clock.now).make,
        )
        yield Centre(engine, database, tmp_path, said, sheet, writer, memory, audit, retention)
        memory.close()
        await writer.close(1)
        await engine.dispose()


def a_day_of_calls(sheet: Scenario) -> None:
    """Answered, transferred out, abandoned, promised to be called back, mislead, withheld."""
    arrives = sheet.tell
    arrives(m.CallArrived(CallId("landline"), LANGENHAGEN, LANDLINE, "Frau Meier", diversion=FORWARDER)).held(
        "landline"
    )
    sheet.after(3).talks("anna").after(60).agent_hangs_up("anna").after(20)
    sheet.arrives("mobile", ani=MOBILE).held("mobile").after(2).after(20).offer_failed("bert").held("mobile")
    sheet.after(1).talks("anna").after(30).transferred("mobile", TARGET).after(60).caller_hangs_up("mobile").after(20)
    sheet.signs_out("anna").signs_out("bert")
    sheet.arrives("left", ani="0049" + LEFT[3:]).held("left").after(40).caller_hangs_up("left")
    sheet.arrives("promised", ani=PROMISED).held("promised").after(40).tell(m.CallbackAsked(CallId("promised")))
    sheet.after(3).caller_hangs_up("promised")
    sheet.arrives("misdialled", MISDIALLED, None).held("misdialled").after(30).caller_hangs_up("misdialled")
    sheet.arrives("withheld", ani=None).held("withheld").after(30).caller_hangs_up("withheld")


async def test_after_eight_days_no_number_is_left_anywhere(centre: Centre) -> None:
    a_day_of_calls(centre.sheet)
    came = centre.now()
    await centre.lives()
    # A second story of one of them, one that cannot even be written down, and a line that is none.
    told = served("twice", centre.now(), ani=TWICE)
    record: CallRecord | None
    for record in (told, replace(told, cause=17), replace(served("refused", ani=REFUSED), t_end=datetime(2026, 1, 1))):  # noqa: DTZ001
        centre.writer.put(record)
    assert await centre.writer.flush()
    centre.writer._journal.put_aside("unreadable", [TORN.encode()])
    assert (centre.writer.conflicts, centre.writer.rejected) == (1, 1)

    assert centre.traces() == TAILS.keys() - {"refused"}, "what was looked for could be found"
    assert not [tail for tail in TAILS.values() if tail in centre.said.getvalue().encode()], "but never in the log"
    record = await centre.reader.by_call(CallId("mobile"))
    assert record is not None
    assert (record.ani, record.transferred_to, record.caller_area) == (MOBILE, TARGET, None)
    assert len(record.caller_hash or "") == 64
    left = await centre.reader.by_call(CallId("left"))
    assert left is not None
    assert (left.ani, left.caller_area) == (LEFT, "40"), "as everybody writes it"
    misdialled = await centre.reader.by_call(CallId("misdialled"))
    assert misdialled is not None
    assert misdialled.dialled == MISDIALLED
    owed = await centre.reader.recent(9, result=Result.CALLBACK)
    assert [(one.call, one.ani) for one in owed] == [("promised", PROMISED)]

    for _ in range(6):
        await centre.night()
    assert [one.ani for one in await centre.reader.recent(9, result=Result.CALLBACK)] == [PROMISED]
    for _ in range(2):
        await centre.night()
    assert centre.now() - came < timedelta(days=8)
    assert centre.traces() == set()

    kept = {one.call: one for one in await centre.reader.recent(99)}
    assert kept.keys() == {"landline", "mobile", "left", "promised", "misdialled", "withheld", "twice"}
    assert {one.ani for one in kept.values()} == {None}
    assert {call: one.caller_area for call, one in kept.items()} == {
        call: {"landline": "30", "left": "40"}.get(call) for call in kept
    }
    assert (kept[CallId("mobile")].transferred_to, kept[CallId("mobile")].transfer_blind) == (None, True)
    assert kept[CallId("misdialled")].dialled == "+4917139200…"
    assert kept[CallId("mobile")].agent == "anna"
    (conflict,) = await centre.reader.conflicts_since(came - timedelta(days=1))
    assert (conflict.record.call, conflict.record.cause, conflict.record.ani) == ("twice", 17, None)
    lines = [line for line in await centre.audit.page(99, None, None) if line.action == "retention.run"]
    assert len(lines) == 8
    assert sum(line.details["days_of_numbers"] for line in lines) == 1
    assert sum(line.details["files"] for line in lines) == 1
    (refused,) = (centre.folder / "journal").glob("rejected-*")
    assert json.loads(refused.read_bytes())["call"] == "refused"

    assert kept[CallId("mobile")].failsafe_answered_by is None
    assert [one.call for one in await centre.reader.by_trunk_call_id("twice@192.0.2.7")] == ["twice"]
    centre.writer.put(served("alone", came, failsafe_answered_by="office01", agent=None))
    assert await centre.writer.flush()

    for _ in range(28):
        await centre.night()
    kept = {one.call: one for one in await centre.reader.recent(99)}
    assert {one.agent for one in kept.values()} == {None}
    assert {one.trunk_call_id for one in kept.values()} == {""}
    assert await centre.reader.by_trunk_call_id("") == [], "of nothing there is not one call"
    assert kept[CallId("landline")].t_ans is not None
    assert kept[CallId("alone")].failsafe_answered_by == "", "somebody did, and that counts"
    assert [(offer.agent, bool(offer.result)) for offer in kept[CallId("mobile")].offers] == [("", True)] * 2
    assert kept[CallId("twice")].team == "z", "the team of Bert, where the record did not say"
    assert await centre.reader.conflicts_since(came - timedelta(days=1)) == []
    async with centre.engine.connect() as connection:
        assert (await connection.execute(select(tables.caller_keys))).all() == []
    assert kept[CallId("landline")].caller_hash is not None, "and nobody can say of whom"


async def test_ten_thousand_numbers_leave_nothing_in_the_pages(centre: Centre) -> None:
    """Full pages, several days at once, and days that begin while others end."""
    for day in range(9):
        for n in range(400):
            centre.writer.put(served(f"c{day}-{n:05}", centre.now(), ani=f"+49171555{day}{n:05}"))
        assert await centre.writer.flush()
        await centre.night()
    raw = centre.raw()
    found = {day: raw.count(b"171555%d" % day) for day in range(9)}
    assert {day for day, times in found.items() if times} == set(range(3, 9)), found


async def test_of_the_keys_nothing_is_left_either(centre: Centre) -> None:
    for n in range(9):
        centre.writer.put(served(f"c{n}", centre.now(), ani=LANDLINE, tenant=TenantId(f"town{n}")))
    assert await centre.writer.flush()
    await centre.night()
    async with centre.engine.connect() as connection:
        keys = (await connection.scalars(select(tables.caller_keys.c.key))).all()
    assert len(keys) == 9
    raw = centre.raw()
    assert all(key in raw for key in keys), "what is looked for can be found"
    centre.sheet.clock.set(centre.now() + timedelta(days=35))
    await centre.night()
    raw = centre.raw()
    assert not any(key in raw for key in keys)


async def test_a_backup_can_do_without_numbers(centre: Centre) -> None:
    a_day_of_calls(centre.sheet)
    centre.sheet.arrives("talking", ani="+493023125771")
    await centre.lives()
    centre.writer.put(served("in-the-journal", centre.now(), ani=TWICE))
    centre.writer._journal.put_aside("rejected", [TORN.encode()])
    saved = centre.folder / "saved"
    await back_up(centre.database.url, centre.folder / "journal", saved, numbers=False)
    raw = b"".join(path.read_bytes() for path in saved.rglob("*") if path.is_file())
    assert not [name for name, tail in TAILS.items() if tail in raw]
    assert b"in-the-journal" in raw
    assert [call.call for call in CallMemory(saved / "journal").calls] == ["talking"]
    await back_up(centre.database.url, centre.folder / "journal", centre.folder / "whole")
    raw = b"".join(path.read_bytes() for path in (centre.folder / "whole").rglob("*") if path.is_file())
    assert TAILS["twice"] in raw


async def test_a_database_of_an_earlier_version_forgets_while_it_is_migrated(
    empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    """A column that is dropped is hidden by PostgreSQL, and what an update replaces stays where it was."""
    await frozen.thaw(empty_database_url, "0013")

    def raw() -> bytes:
        if "postgresql" in empty_database_url:
            return of_postgres(request.getfixturevalue("cluster"), empty_database_url)
        file = Path(str(make_url(empty_database_url).database))
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))

    c = tables.record_conflicts.c
    engine = await open_database(empty_database_url)
    async with writing(engine).begin() as connection:
        seen = dict((await connection.execute(select(c.call, c.digest, c.seen_at, c.content))).mappings().one())
        told = seen | {"digest": "0", "content": seen["content"] | {"ani": "+4930230125770"}}
        await connection.execute(insert(tables.record_conflicts), told)
    await engine.dispose()

    # Of March; of four days ago; whom a caller was transferred to in March, and yesterday; of a conflict.
    tails = {b"30230125001", b"7012345678", b"117307200", b"5112345678", b"30230125770"}
    assert {tail for tail in tails if tail in raw()} == tails
    await migrate(empty_database_url, now=frozen.TODAY)
    assert {tail for tail in tails if tail in raw()} == {b"7012345678", b"5112345678"}


# ------------------------------------------------------------ the same caller


async def test_the_same_caller_is_the_same_within_a_town_and_a_month(centre: Centre) -> None:
    def calls(call: str, town: str, days: float, **changes: Any) -> CallRecord:
        return served(call, NOON + timedelta(days=days), ani=LANDLINE, tenant=TenantId(town), **changes)

    centre.sheet.clock.set(NOON + timedelta(days=60))
    hashes = {}
    for record in (calls("c1", "laatzen", 57), calls("c2", "laatzen", 58), calls("c3", "seelze", 58)):
        centre.writer.put(record)
    centre.writer.put(replace(calls("c4", "laatzen", 58), ani=MOBILE))
    centre.writer.put(calls("c5", "laatzen", 60))  # the first of May
    assert await centre.writer.flush()
    hashes = {one.call: one.caller_hash for one in await centre.reader.recent(9)}
    assert hashes[CallId("c1")] == hashes[CallId("c2")]
    assert len(set(hashes.values())) == 4

    # Said to be for another town after all, it is one of that town's callers; and says nothing when nobody knows whose.
    centre.writer.amend(Amendment(CallId("c3"), centre.now(), tenant=TenantId("laatzen")))
    assert await centre.writer.flush()
    moved = await centre.reader.by_call(CallId("c3"))
    assert moved is not None
    assert moved.caller_hash == hashes[CallId("c1")]


async def test_a_town_that_was_named_later_is_not_overwritten_by_what_was_said_before(centre: Centre) -> None:
    """A segment that is carried once more, after another that was said later."""
    centre.sheet.clock.set(NOON + timedelta(hours=3))
    said = [Amendment(CallId("c1"), NOON + timedelta(hours=n), tenant=TenantId(f"town{n}")) for n in range(3)]
    centre.writer.put(served("c1", NOON))
    for amendment in (said[1], said[2], said[1], said[2], said[0]):
        centre.writer.amend(amendment)
        assert await centre.writer.flush()
    record = await centre.reader.by_call(CallId("c1"))
    assert record is not None
    assert (record.tenant, record.t_amended) == ("town2", said[2].at)
    assert centre.said.getvalue().count("record.amendment-passed-over") == 2


async def test_a_town_that_was_named_by_a_clock_that_was_ahead_can_be_named_again(centre: Centre) -> None:
    """And a mark as a test be taken back: nobody would be told that it was not."""

    async def said(**what: Any) -> None:
        centre.writer.amend(Amendment(CallId("c1"), centre.now(), **what))
        assert await centre.writer.flush()

    centre.writer.put(served("c1", centre.now()))
    centre.leaps(HOUR)
    await said(tenant=TenantId("hannover"), test=True)
    centre.leaps(-HOUR)
    await said(tenant=TenantId("laatzen"))
    await said(test=False)
    record = await centre.reader.by_call(CallId("c1"))
    assert record is not None
    assert (record.tenant, record.test, record.t_amended) == ("laatzen", False, centre.now())


async def test_a_key_is_as_old_as_the_oldest_it_was_used_for(centre: Centre) -> None:
    centre.sheet.clock.set(NOON + timedelta(days=20))
    for call, day in (("now", 20), ("late", 1), ("later", 3)):
        centre.writer.put(served(call, NOON + timedelta(days=day), ani=LANDLINE))
        assert await centre.writer.flush()
    centre.sheet.clock.set(NOON + timedelta(days=36, minutes=1))
    assert await centre.retention.carry_out()
    async with centre.engine.connect() as connection:
        assert (await connection.execute(select(tables.caller_keys))).all() == []


# ------------------------------------------------------------ late, twice, cut short


async def test_what_comes_late_is_not_kept_for_longer(centre: Centre) -> None:
    centre.sheet.clock.set(NOON + timedelta(days=50))
    centre.writer.put(served("week", NOON + timedelta(days=42), ani=LANDLINE))
    centre.writer.put(served("month", NOON, ani=MOBILE))
    assert await centre.writer.flush()
    week, month = [await centre.reader.by_call(CallId(call)) for call in ("week", "month")]
    assert week is not None
    assert month is not None
    assert (week.ani, week.agent, bool(week.caller_hash)) == (None, "bert", True)
    assert (month.ani, month.agent, month.caller_hash) == (None, None, None)
    # Carried once more after a crash: the same story, as far as anybody may remember it.
    centre.writer.put(served("week", NOON + timedelta(days=42), ani=LANDLINE))
    centre.writer.put(served("month", NOON, ani=MOBILE))
    assert await centre.writer.flush()
    assert centre.writer.conflicts == 0
    assert centre.traces() == set()


async def test_how_many_answered_is_counted_before_it_is_forgotten_who(centre: Centre) -> None:
    """Nobody has asked for a report in five weeks."""
    centre.sheet.clock.set(NOON + timedelta(days=34))
    for n in range(6):
        centre.writer.put(served(f"c{n}", NOON - timedelta(hours=n), agent=AgentId(f"a{n}")))
    assert await centre.writer.flush()
    for _ in range(3):
        await centre.night()
    assert {one.agent for one in await centre.reader.recent(9)} == {None}
    figures = FiguresStore(centre.engine, centre.now)
    assert [found.people for found in (await figures.figures(date(2020, 1, 1), date(2030, 1, 1))).values()] == [6]


async def people_of(centre: Centre) -> int:
    (found,) = (await FiguresStore(centre.engine, centre.now).figures(date(2020, 1, 1), date(2030, 1, 1))).values()
    return found.people


async def test_who_answered_is_not_forgotten_before_it_is_counted_how_many_they_were(centre: Centre) -> None:
    for n in range(6):
        centre.writer.put(served(f"c{n}", centre.now(), agent=AgentId(f"a{n}")))
    assert await centre.writer.flush()
    count = centre.retention._count

    async def disk_is_full(*_: object) -> int:
        raise OSError("disk full")

    centre.retention._count = disk_is_full
    centre.sheet.until(centre.now() + timedelta(days=36))
    assert not await centre.retention.carry_out()
    assert {one.agent for one in await centre.reader.recent(9)} == {f"a{n}" for n in range(6)}
    centre.retention._count = count
    assert await centre.retention.carry_out()
    assert {one.agent for one in await centre.reader.recent(9)} == {None}
    assert await people_of(centre) == 6


async def test_what_cannot_be_counted_for_days_is_forgotten_all_the_same(centre: Centre) -> None:
    centre.writer.put(served("c1", centre.now()))
    assert await centre.writer.flush()

    async def disk_is_full(*_: object) -> int:
        raise OSError("disk full")

    centre.retention._count = disk_is_full
    centre.sheet.until(centre.now() + timedelta(days=37, minutes=1))
    assert not await centre.retention.carry_out()
    assert [one.agent for one in await centre.reader.recent(9)] == [None]


@pytest.mark.parametrize("strange", [{"result": "teleported"}, {"kind": "telepathy"}])
async def test_a_record_that_cannot_be_counted_ends_no_night(centre: Centre, strange: dict[str, str]) -> None:
    """A later version wrote it, and was taken back."""
    for n in range(7):
        centre.writer.put(served(f"c{n}", centre.now(), agent=AgentId(f"a{n}")))
    assert await centre.writer.flush()
    async with writing(centre.engine).begin() as connection:
        await connection.execute(update(tables.records).where(tables.records.c.call == "c6").values(**strange))
    centre.sheet.until(centre.now() + timedelta(days=36))
    assert await centre.retention.carry_out()
    async with centre.engine.connect() as connection:
        assert set(await connection.scalars(select(tables.records.c.agent))) == {None}
    assert await people_of(centre) == 6
    assert "figures.not-counted" in centre.said.getvalue()


async def test_what_waits_for_the_database_loses_its_numbers_in_time(centre: Centre, database: Database) -> None:
    centre.writer.put(served("c1", centre.now(), ani=LANDLINE))
    centre.writer._journal.seal()
    (segment,) = (centre.folder / "journal").glob("records-*")
    centre.sheet.clock.set(centre.now() + timedelta(days=8))
    centre.writer.put(served("c2", centre.now(), ani=MOBILE))
    assert LANDLINE.encode() in segment.read_bytes()
    assert await centre.writer.forget(due(Terms(), centre.now())) == 1
    assert LANDLINE.encode() not in segment.read_bytes()
    assert await centre.writer.forget(due(Terms(), centre.now())) == 0
    assert await centre.writer.flush()
    assert {(r.call, r.ani) for r in await centre.reader.recent(9)} == {("c1", None), ("c2", MOBILE)}


def waiting_segments(centre: Centre) -> list[Path]:
    return sorted((centre.folder / "journal").glob("records-*.jsonl"))


async def test_while_the_journal_is_written_anew_calls_go_on(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a week's outage there are hundreds of segments, and most of them are on the disk alone."""
    monkeypatch.setattr(journal, "SEGMENT_RECORDS", 2)
    monkeypatch.setattr(journal, "KEPT_IN_MEMORY", 4)
    for n in range(12):
        centre.writer.put(served(f"c{n}", centre.now(), ani=LANDLINE))
    with waiting_segments(centre)[-1].open("ab") as file:
        file.write(TORN.encode() + b"\n")
    in_memory = centre.writer._journal._in_memory
    left: list[int] = []

    async def watch() -> None:
        while not left or left[-1]:
            left.append(sum(LANDLINE.encode() in path.read_bytes() for path in waiting_segments(centre)))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    this = due(Terms(), centre.now() + timedelta(days=8))
    assert await centre.writer.forget(this) == 6
    await watching
    assert set(left) == set(range(7)), "one a turn"
    assert centre.writer._journal._in_memory == in_memory == 4, "what is on the disk alone stays there"
    assert (centre.writer.depth, centre.writer.unreadable) == (12, 1)
    assert centre.traces() == {"torn"}, "put aside, once"
    assert await centre.writer.forget(this) == 1
    again, turns = asyncio.create_task(centre.writer.forget(this)), 0
    while not again.done():
        turns += 1
        await asyncio.sleep(0)
    assert again.result() == 0
    assert turns > 6, "also where nothing is left to do"
    assert await centre.writer.flush()
    assert (centre.writer.written, centre.writer.unreadable, waiting_segments(centre)) == (12, 1, [])


@pytest.mark.parametrize("kept", [0, 9])
@pytest.mark.parametrize("database_is_away", [False, True])
async def test_what_is_carried_while_it_is_written_anew_does_not_come_back(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, kept: int, database_is_away: bool
) -> None:
    monkeypatch.setattr(journal, "KEPT_IN_MEMORY", kept)
    begun, go_on, write_new = asyncio.Event(), threading.Event(), journal._write_new
    loop = asyncio.get_running_loop()

    def slowly(path: Path, lines: Iterable[bytes]) -> Path:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(10)
        return write_new(path, lines)

    monkeypatch.setattr(journal, "_write_new", slowly)
    centre.writer.put(served("c1", centre.now(), ani=LANDLINE))
    forgetting = asyncio.create_task(centre.writer.forget(due(Terms(), centre.now() + timedelta(days=8))))
    await begun.wait()
    with monkeypatch.context() as away:
        if database_is_away:

            async def is_away(*_: object) -> set[str]:
                raise OSError("no")

            away.setattr(RecordWriter, "_add", is_away)
        assert await centre.writer.flush() is not database_is_away
    go_on.set()
    assert await forgetting == database_is_away
    assert len(waiting_segments(centre)) == database_is_away
    assert not [*(centre.folder / "journal").glob("*.new")]
    assert await centre.writer.flush()
    assert (centre.writer.written, waiting_segments(centre)) == (1, [])
    assert await centre.numbers() == {"c1": None if database_is_away else LANDLINE}, "the nights are for these"


async def test_what_no_database_takes_loses_what_is_a_persons_and_stays(centre: Centre) -> None:
    """It is nowhere else, and somebody has yet to look at it."""
    folder, came = centre.folder / "journal", centre.now()
    path = folder / f"rejected-{came:%Y%m%d}.jsonl"
    centre.writer._journal.put_aside("rejected", [encode(served("huge", came, ani=LANDLINE)), TORN.encode()])
    centre.writer._journal.put_aside("rejected", [encode(Amendment(CallId("gone"), came, test=True))])
    centre.sheet.until(last_night(came + timedelta(days=8)))
    assert await centre.writer.forget(due(Terms(), centre.now())) == 1
    assert await centre.writer.forget(due(Terms(), centre.now())) == 0
    record, amendment = map(decode, path.read_bytes().splitlines())
    assert (record.call, amendment.call) == ("huge", "gone")
    assert (record.ani, record.agent) == (None, "bert")  # type: ignore[union-attr]
    assert centre.traces() == set()
    assert path.stat().st_mode & 0o777 == 0o600
    assert await centre.writer.forget(due(Terms(), came + timedelta(days=36))) == 1
    assert b"bert" not in path.read_bytes()


async def test_what_cannot_be_written_down_is_kept_without_persons(centre: Centre) -> None:
    """Else it would be gone with the week, and nobody would know what was wrong with it."""
    came = centre.now()
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    for call in ("one", "other"):
        centre.writer.put(replace(served(call, came, ani=REFUSED, transferred_to=TARGET), t_end=naive))
    centre.writer.amend(Amendment(CallId("one"), naive, test=True))
    later = json.loads(encode(served("later", came, ani=LANDLINE))) | {"whose_dog": "Frau Meier's"}
    centre.writer._journal.put_aside("rejected", [json.dumps(later).encode()])
    path = centre.folder / "journal" / f"rejected-{came:%Y%m%d}.jsonl"
    assert {"landline"} == centre.traces()
    for changed in (1, 0):
        assert await centre.writer.forget(due(Terms(), came + timedelta(days=40))) == changed
    assert centre.traces() == set()
    told = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line.get("call") or line["amends"] for line in told] == ["one", "other", "one", "later"]
    assert told[0]["t_end"] == "2026-01-01 00:00:00", "what was wrong with it"
    assert b"bert" not in path.read_bytes()
    assert b"Meier" not in path.read_bytes()


async def test_what_a_crash_left_half_rewritten_goes_at_the_next_start(centre: Centre) -> None:
    centre.writer.put(served("c1", centre.now()))
    await centre.writer.close(0)
    (segment,) = (centre.folder / "journal").glob("records-*.jsonl")
    segment.with_suffix(".new").write_text(LANDLINE)
    again = RecordWriter(centre.engine, centre.folder / "journal", centre.sheet.clock.now)
    assert centre.traces() == set()
    assert again.depth == 1
    assert await again.close(1) == 0


async def test_a_list_of_living_calls_that_cannot_be_written_anew_puts_the_night_off(centre: Centre) -> None:
    await centre.lives()
    (centre.folder / "journal" / "calls.new").mkdir()
    centre.writer._journal.put_aside("unreadable", [TORN.encode()])
    centre.sheet.until(last_night(centre.now() + timedelta(days=8)))
    assert not await centre.retention.carry_out()
    assert centre.traces() == set(), "the other files do not wait for it"
    assert "calls.not_rewritten" in centre.said.getvalue()
    (centre.folder / "journal" / "calls.new").rmdir()
    assert await centre.retention.carry_out()


async def test_where_no_night_has_made_room_the_oldest_days_do(centre: Centre) -> None:
    """Ten days of calls, and a retention that fails every night."""
    assert [ani for _, ani in sorted((await centre.promises(10)).items())] == [None] + [PROMISED] * 9


async def test_a_step_that_fails_keeps_up_no_other_and_the_night_is_done_again(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day_of_calls(centre.sheet)
    await centre.lives()

    async def fails(*_: object) -> int:
        raise OSError("no")

    centre.sheet.until(centre.now() + timedelta(days=8))
    monkeypatch.setattr(RetentionStore, "drop_keys", fails)
    assert not await centre.retention.carry_out()
    assert centre.retention.done_at is None
    assert centre.traces() == set()
    monkeypatch.undo()
    assert await centre.retention.carry_out()
    assert await centre.retention._is_done()
    assert await centre.retention.carry_out(), "twice is once"


# ------------------------------------------------------------ whose night, and by which clock


def done_line(at: datetime, who: str = "dialog-acd", role: str = "service", days: int = 35) -> dict[str, Any]:
    return {
        "at": at,
        "who": who,
        "role": role,
        "tenant": None,
        "action": "retention.run",
        "about": "",
        "outcome": "done",
        "details": {"agents_before": (at - timedelta(days=days)).isoformat()},
    }


async def test_one_start_by_a_clock_that_is_years_ahead_is_not_the_last_night(centre: Centre) -> None:
    a_day_of_calls(centre.sheet)
    await centre.lives()
    async with writing(centre.engine).begin() as connection:
        await connection.execute(insert(tables.audit), done_line(centre.now() + timedelta(days=2000)))
    for _ in range(8):
        await centre.night()
    assert centre.traces() == set()
    for _ in range(28):
        await centre.night()
    assert {one.agent for one in await centre.reader.recent(99)} == {None}, "nor is its day the one to begin at"
    # And of the clock that was right again while the service ran.
    centre.retention.done_at = centre.now() + timedelta(days=9)
    centre.sheet.until(last_night(centre.now() + timedelta(days=1)))
    assert not await centre.retention._is_done()


async def test_done_by_hand_the_service_has_its_night_all_the_same(centre: Centre) -> None:
    centre.starts()
    await centre.retention.look()
    centre.writer.put(replace(served("c1", centre.now(), ani=LANDLINE)))
    assert await centre.writer.flush()
    centre.writer._journal.put_aside("unreadable", [TORN.encode()])
    centre.sheet.until(last_night(centre.now() + timedelta(days=8)))
    by_hand = centre.another(Terms(), by="command-line", role="operator")
    assert await by_hand.carry_out()
    assert centre.traces() == {"torn"}, "whoever does it by hand has no files"
    assert by_hand.done_at is None
    async with writing(centre.engine).begin() as connection:
        others = [done_line(centre.now(), "dialog-acd", "operator"), done_line(centre.now(), "somebody", "service")]
        await connection.execute(insert(tables.audit), others)
    assert not await centre.retention._is_done()
    assert await centre.retention.look() == LOOK_EVERY
    assert centre.traces() == set()
    assert await centre.retention._is_done()


async def test_while_the_database_is_away_the_files_do_not_wait_for_it(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.starts()
    await centre.retention.look()
    centre.writer.put(served("c1", centre.now(), ani=LANDLINE))  # and nobody writes into this segment any more
    centre.writer._journal.put_aside("unreadable", [TORN.encode()])
    centre.sheet.until(last_night(centre.now() + timedelta(days=8)))
    assert centre.traces() == {"landline", "torn"}

    async def is_away(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(RetentionStore, "last", is_away)
    assert await centre.retention.look() == TRY_AGAIN
    assert centre.traces() == set()
    centre.writer.put(served("c2", centre.now(), ani=None))
    assert b'"c2"' in centre.raw(), "what comes then is in a file that is there"
    monkeypatch.undo()
    assert await centre.retention.look() == LOOK_EVERY
    assert await centre.writer.flush()
    assert [(one.call, one.ani) for one in await centre.reader.recent(9)] == [("c2", None), ("c1", None)]


async def test_a_clock_that_leaps_has_a_day_to_be_set_right(centre: Centre) -> None:
    ticks = 0.0
    retention = Retention(
        RetentionStore(centre.engine),
        centre.audit,
        centre.sheet.clock,
        Terms(),
        ticks=lambda: ticks,
        matters=nobody_weakened,
    )
    centre.writer.put(served("promised", centre.now(), ani=PROMISED))
    assert await centre.writer.flush()

    async def looks(*, clock: timedelta, passed: timedelta) -> datetime | None:
        nonlocal ticks
        centre.sheet.clock.set(centre.now() + clock)
        ticks += passed.total_seconds()
        await retention.look()
        return retention.done_at

    hour, day = timedelta(hours=1), timedelta(days=1)
    assert await looks(clock=timedelta(), passed=timedelta()) == centre.now()
    assert await looks(clock=day, passed=day) == centre.now(), "a day is a day"
    first = retention.done_at
    assert await looks(clock=300 * day, passed=hour) == first
    assert await looks(clock=20 * hour, passed=20 * hour) == first
    assert "promised" in centre.traces()
    assert centre.said.getvalue().count("retention.clock-doubted") == 1
    assert await looks(clock=5 * hour, passed=5 * hour) == centre.now(), "nobody has set it right, so it is"
    assert "promised" not in centre.traces()
    # The same at a start: nobody was away for a year.
    retention = Retention(
        RetentionStore(centre.engine),
        centre.audit,
        centre.sheet.clock,
        Terms(),
        ticks=lambda: ticks,
        matters=nobody_weakened,
    )
    last = centre.now()
    assert await looks(clock=300 * day, passed=hour) == last
    assert await looks(clock=25 * hour, passed=25 * hour) == centre.now()


# ------------------------------------------------------------ releases


async def test_a_release_is_there_for_a_year_after_its_end(centre: Centre) -> None:
    """Who was to be looked at and what for is people's data, too; where it still has an effect it has to be shown."""
    store, today = ReleaseStore(centre.engine), centre.now()
    leads, council = Signature("leitung", "id-1", today - timedelta(days=600)), Signature("rat", "id-2", today)
    of_anna = Release(0, Kind.FIGURES, "Einarbeitung", today.date(), leads, (AgentId("anna"),), "2026-02", "2026-03")
    of_town = replace(of_anna, kind=Kind.POLICY, agents=(), tenant=TenantId("langenhagen"), level=Statistics.OWN)

    async def asked(of: Release, days: int, *, agreed: bool = True, revoked: int | None = None) -> int:
        number = (await store.ask(replace(of, until=today.date() + timedelta(days=days)))).id
        if agreed:
            assert await store.agree(number, council)
        if revoked is not None:
            assert await store.revoke(number, replace(leads, at=today + timedelta(days=revoked)))
        return number

    stay = [await asked(of_anna, -300), await asked(of_anna, 80), await asked(of_town, -363, agreed=False)]
    go = [await asked(of_anna, -366), await asked(of_anna, -366, agreed=False), await asked(of_anna, 80, revoked=-366)]
    go += [await asked(of_town, -400, agreed=False), await asked(of_anna, -400, revoked=-500)]
    weakened = [await asked(of_town, -400), await asked(of_town, 30, revoked=-400)]
    last = max(weakened)

    async def left() -> set[int]:
        return {release.id for release in await store.page(99)}

    assert await left() == {*stay, *go, *weakened}
    demo = demo_directory()
    towns = (replace(t, contract=replace(t.contract, statistics=Statistics.OWN)) for t in demo.tenants)
    weak = replace(demo, tenants=tuple(towns))
    centre.retention._matters = lambda release: matters(release, weak)
    await centre.night()
    assert await left() == {*stay, *weakened}, "what these two allowed is so still"
    centre.retention._matters = nobody_weakened
    await centre.night()
    assert await left() == {*stay}
    assert [line.details["releases"] for line in await centre.audit.page(99, None, None)] == [2, 5]
    assert await asked(of_anna, 30) > last, "the audit log tells of those that are gone by their numbers"


DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def test_a_start_in_a_year_long_past_takes_no_number_away(centre: Centre) -> None:
    """A machine whose battery is empty, or one that starts before it has asked for the time."""
    centre.starts()
    owed = await centre.promises(6)
    back = timedelta(days=800)
    centre.leaps(-back)
    centre.starts()
    await centre.retention.look()
    assert centre.said.getvalue().count("retention.clock-doubted") == 1
    by_hand = Retention(
        RetentionStore(centre.engine),
        centre.audit,
        centre.sheet.clock,
        Terms(),
        matters=nobody_weakened,
        by="command-line",
        role="operator",
    )
    assert await by_hand.carry_out()
    assert await centre.numbers() == owed
    # A call meanwhile, and one that has waited for the database: neither costs anybody a number, or is without one.
    centre.writer.put(served("meanwhile", centre.now(), ani=MOBILE))
    centre.writer.put(served("waited", centre.now() + back, ani=LANDLINE))
    assert await centre.writer.flush()
    owed |= {"meanwhile": MOBILE, "waited": LANDLINE}
    assert await centre.numbers() == owed
    # Set right within the day, the service goes on at once; what came in that year has no number any more.
    centre.leaps(back)
    await centre.passes(HOUR)
    assert centre.retention.sure()
    await centre.passes(20 * HOUR)
    assert centre.retention.done_at == centre.now()
    assert await centre.numbers() == owed | {"meanwhile": None}


async def test_a_clock_that_is_set_back_while_the_service_runs_takes_no_number_away(centre: Centre) -> None:
    centre.starts()
    owed = await centre.promises(6)
    centre.leaps(-4 * DAY)
    await centre.passes(HOUR)
    assert await centre.numbers() == owed
    for _ in range(2):
        await centre.passes(23 * HOUR)
    assert set((await centre.numbers()).values()) == {PROMISED, None}, "nobody has set it right, so it is"


@pytest.mark.parametrize("ahead", [3, 8, 29, 300])
async def test_a_start_by_a_clock_that_is_ahead_is_doubted_and_so_is_the_next(centre: Centre, ahead: int) -> None:
    centre.starts()
    owed = await centre.promises(6)
    centre.leaps(ahead * DAY)
    for _ in range(3):
        centre.starts()
        await centre.retention.look()
        await centre.passes(20 * HOUR)
        assert not centre.retention.sure()
        # It came by the wrong clock, and is no proof that this is right.
        centre.writer.put(served(f"at {centre.now()}", centre.now(), ani=None))
        assert await centre.writer.flush()
    assert {call: ani for call, ani in (await centre.numbers()).items() if call in owed} == owed
    await centre.passes(5 * HOUR)
    assert centre.retention.done_at == centre.now(), "nobody has set it right, so it is"


async def test_a_database_that_has_never_had_a_night_is_no_proof_that_the_clock_is_right(centre: Centre) -> None:
    centre.writer.put(served("promised", centre.now(), ani=PROMISED))
    assert await centre.writer.flush()
    centre.leaps(300 * DAY)
    centre.starts()
    await centre.passes(HOUR)
    assert centre.retention.done_at is None
    assert await centre.numbers() == {"promised": PROMISED}


async def test_a_start_is_looked_at_once_the_database_is_there(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    centre.starts()
    owed = await centre.promises(6)
    centre.writer.put(served("waits", centre.now(), ani=LANDLINE))
    centre.leaps(300 * DAY)
    centre.starts()
    with monkeypatch.context() as away:

        async def is_away(*_: object) -> None:
            raise OSError("no")

        away.setattr(RetentionStore, "last", is_away)
        for _ in range(3):
            await centre.passes(HOUR)
    assert LANDLINE.encode() in centre.raw(), "nor do the files believe it"
    await centre.passes(HOUR)
    assert "retention.clock-doubted" in centre.said.getvalue()
    await centre.passes(22 * HOUR)
    assert await centre.numbers() == owed, "it has the whole day"
    # The same, and all is well.
    centre.leaps(-300 * DAY)
    await centre.passes(HOUR)
    assert centre.retention.done_at == centre.now()


async def test_the_first_call_after_a_leap_costs_nobody_a_number(centre: Centre) -> None:
    centre.starts()
    owed = await centre.promises(6)
    centre.writer.put(served("waited", centre.now(), ani=LANDLINE))
    for leap in range(9):
        centre.leaps((365 if not leap else 1) * DAY)
        centre.writer.put(served(f"wrong{leap}", centre.now(), ani=MOBILE))
        assert await centre.writer.flush()
        found = await centre.numbers()
        assert found == found | owed | {"waited": LANDLINE}
    assert [found[f"wrong{leap}"] for leap in range(9)] == [MOBILE] * 3 + [None] * 6, "while there is room"
    assert centre.said.getvalue().count("record.no-room-for-its-numbers") == 6
    waited = await centre.reader.by_call(CallId("waited"))
    assert waited is not None
    assert (waited.agent, bool(waited.caller_hash)) == ("bert", True)
    # The clock is right again, and these days are none.
    centre.leaps(-373 * DAY)
    centre.writer.put(served("right", centre.now(), ani=MOBILE))
    assert await centre.writer.flush()
    await centre.passes(18 * HOUR)
    found = await centre.numbers()
    assert {call for call, ani in found.items() if ani is None} == {f"wrong{leap}" for leap in range(9)}


# ------------------------------------------------------------ the audit log


async def test_only_the_oldest_lines_of_the_audit_log_can_go(centre: Centre) -> None:
    day = centre.now()
    for age in (0, 20, 40, 364, 366):
        centre.audit.put(
            at=day - timedelta(days=age),
            who="anna",
            role="operator",
            tenant=None,
            action="x.y",
            about=f"{age}",
            outcome="done",
            details={},
        )
    assert await centre.audit.flush()

    async def refused(statement: Any) -> None:
        with pytest.raises(DBAPIError, match="audit is append-only"):
            async with writing(centre.engine).begin() as connection:
                await connection.execute(statement)

    await refused(delete(tables.audit).where(tables.audit.c.about == "20"))
    await refused(delete(tables.audit))
    await refused(update(tables.audit).where(tables.audit.c.about == "366").values(who="nobody"))
    await centre.night()
    assert {line.about for line in await centre.audit.page(99, None, None)} == {"", "0", "20", "40", "364"}
    async with writing(centre.engine).begin() as connection:
        await connection.execute(delete(tables.audit).where(tables.audit.c.about == "40"))


def lines_of(days: Iterable[int], today: datetime) -> list[dict[str, Any]]:
    return [done_line(today - timedelta(days=n), "anna", "operator") | {"about": str(n), "action": "x.y"} for n in days]


async def test_the_shortest_term_of_the_audit_log_ends_no_night(centre: Centre) -> None:
    """Its latest line is of yesterday, and says what may go."""
    retention = Retention(
        RetentionStore(centre.engine), centre.audit, centre.sheet.clock, Terms(audit=30), matters=nobody_weakened
    )
    async with writing(centre.engine).begin() as connection:
        await connection.execute(insert(tables.audit), lines_of((1, 30, 32), centre.now()))
    centre.sheet.clock.set(centre.now() + timedelta(hours=23))
    assert await retention.carry_out()
    assert {line.about for line in await centre.audit.page(99, None, None)} == {"", "1", "30"}
    assert await retention.carry_out()


async def test_one_line_of_a_time_to_come_does_not_open_the_log(centre: Centre) -> None:
    today = datetime.now(UTC)
    async with writing(centre.engine).begin() as connection:
        await connection.execute(insert(tables.audit), lines_of((-3000, 0, 20, 29, 40), today))
    for gone in ("29", "20", "0"):
        with pytest.raises(DBAPIError, match="audit is append-only"):
            async with writing(centre.engine).begin() as connection:
                await connection.execute(delete(tables.audit).where(tables.audit.c.about == gone))
    centre.sheet.clock.set(today + timedelta(days=2900))
    assert await centre.retention.carry_out(), "what may not go does not keep up the night"
    assert {line.about for line in await centre.audit.page(99, None, None)} == {"", "-3000", "0", "20", "29"}


async def test_a_reader_who_does_not_end_puts_the_night_off(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite cannot empty its log while somebody reads from it; that is found out, and tried again."""
    monkeypatch.setattr("dialog_acd.store.retention_store._CHECKPOINTS", 2)
    monkeypatch.setattr("dialog_acd.store.retention_store._SETTLE", 0.0)
    engine = await open_database(centre.database.url, busy_for=0.01)
    store = RetentionStore(engine)
    async with centre.engine.connect() as reading:
        await reading.execute(select(tables.records))
        async with writing(engine).begin() as connection:
            await connection.execute(
                insert(tables.agent_intents), {"agent": "a", "intent": "i", "reason": "", "at": NOON}
            )
        # PostgreSQL has nothing of the kind.
        assert await store.settle() is (cluster_of(centre.database) is not None)
    assert await store.settle()
    await engine.dispose()


async def test_a_service_that_stops_in_the_middle_of_the_night_stops(centre: Centre) -> None:
    """What is put back afterwards is not put back on a connection that went with the cancellation: that has an error
    of its own, which the night would live through.
    """
    engine, asked = await open_database(centre.database.url), list[str]()
    night = asyncio.create_task(RetentionStore(engine).settle())

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def stop(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)
        if "wal_checkpoint" in statement:
            night.cancel()

    await asyncio.wait({night})
    assert night.cancelled() or (not asked and cluster_of(centre.database) is not None)
    await engine.dispose()


async def test_while_the_night_waits_for_a_reader_nobody_waits_for_it(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cluster_of(centre.database) is not None:
        pytest.skip("PostgreSQL has nothing of the kind")
    monkeypatch.setattr("dialog_acd.store.retention_store._CHECKPOINTS", 1)
    engine = await open_database(centre.database.url, busy_for=3.0)
    a_call = insert(tables.agent_intents)
    begun = time.monotonic()
    async with centre.engine.connect() as reading:
        await reading.execute(select(tables.records))
        async with writing(engine).begin() as connection:
            await connection.execute(a_call, {"agent": "a", "intent": "i", "reason": "", "at": NOON})
        assert not await RetentionStore(engine).settle()
    assert time.monotonic() - begun < 2.5
    async with engine.connect() as connection:
        assert await connection.scalar(text("PRAGMA busy_timeout")) == 3000, "everybody else waits their turn"
    await engine.dispose()
