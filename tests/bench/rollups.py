"""What a month's report costs over a million records, with rollups and without.

A year of 22 towns, as unlike as the towns of a region: the largest has three calls in ten. The month is the largest
town's busiest. What is measured is all a report needs: every figure of the catalogue, for the whole, by day, by half
hour and by entry. Beside it somebody looks every millisecond whether it is their turn: how late that comes is what a
signal would wait for.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pwd
import random
import shutil
import sqlite3
import tempfile
import time
from bisect import bisect
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import func, select

from bench.directory import in_ms, quantile
from dialog_acd.core.catalogue import catalogue
from dialog_acd.core.kpi import By, berlin_midnight
from dialog_acd.core.model import EntryKind
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.store.database import migrate, open_database
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import _row
from dialog_acd.store.tables import records, rollups
from records import served
from store.conftest import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), default=None)
CALLS = int(os.environ.get("CALLS", "1000000"))
TOWNS = 22
LARGEST = "t0"
NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)
YEAR = date(2026, 1, 1), date(2027, 1, 1)
MONTH = date(2026, 3, 1), date(2026, 4, 1)
WAYS: list[list[By]] = [[], [By.DAY], [By.HALF_HOUR], [By.ENTRY]]
COLUMNS = [column.name for column in records.columns]
SERVICE_DAYS = [d for n in range(365) if (d := YEAR[0] + timedelta(days=n)).weekday() < 5]
HALF_HOURS = (6, 8, 10, 10, 9, 9, 8, 7, 6, 5, 5, 6, 6, 6, 5, 5, 4, 4, 3, 3)
"""From eight o'clock on."""


def calls() -> Iterator[tuple[Any, ...]]:
    """Rows as the record writer makes them."""
    dice = random.Random(115)
    pattern = served("c", entry="", target_ms=30_000, target_share=0.75, team="centre")
    row = _row(replace(pattern, outcome=Outcome(Result.SERVED, "talked", Blame.NOBODY)))
    shares = list(accumulate([0.3, *(0.7 / (TOWNS - 1) for _ in range(TOWNS - 1))]))
    slots = list(accumulate(HALF_HOURS))
    kinds = list(EntryKind)
    nothing = dict.fromkeys(("t_ans", "t_wrap_end", "t_leave", "t_ovf", "t_ovf_ans", "agent", "team"))
    for n in range(CALLS):
        town = min(bisect(shares, dice.random()), TOWNS - 1)
        entry = dice.choices((0, 1, 2), (6, 3, 1))[0]
        day, slot = dice.choice(SERVICE_DAYS), dice.choices(range(len(slots)), cum_weights=slots)[0]
        came = datetime(day.year, day.month, day.day, 7, tzinfo=UTC) + timedelta(
            minutes=30 * slot, seconds=dice.random() * 1800
        )
        made = {
            **row, **nothing, "call": f"acd-{n}", "tenant": f"t{town}", "queue": f"q{town}",
            "entry": f"+49511{town}{entry}", "kind": kinds[entry].value, "t_in": came, "t_q": came,
            "t_ann_end": came + timedelta(seconds=4),
        }  # fmt: skip
        waited = came + timedelta(seconds=4 + dice.expovariate(1 / 20))
        until = waited + timedelta(seconds=dice.expovariate(1 / 90))
        luck = dice.random()
        if luck < 0.86:
            made |= {
                "t_ans": waited,
                "t_end": until,
                "t_wrap_end": until + timedelta(seconds=10),
                "agent": "bert",
                "team": "centre",
            }
        elif luck < 0.90:
            made |= {"t_ovf": came + timedelta(seconds=20), "t_ovf_ans": waited + timedelta(seconds=20), "t_end": until,
                     "result": "overflowed", "reason": "partner", "overflow_trigger": "waited",
                     "overflow_partner": "oldenburg", "partner": "oldenburg"}  # fmt: skip
        elif luck < 0.97:
            made |= {"t_leave": waited, "t_end": waited, "result": "abandoned", "reason": "waiting"}
        else:
            made |= {"t_end": came + timedelta(seconds=9), "result": "closed", "reason": "closed-by-hours"}
        yield tuple(made[name] for name in COLUMNS)


def in_sqlite(path: Path) -> None:
    """As one transaction of the driver's."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        return "[]" if isinstance(value, list) else value

    connection = sqlite3.connect(path, isolation_level=None)
    # Nothing is to be kept here but what comes out of it.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'records'")
    again = [(name, sql) for name, sql in indexes if sql]
    connection.execute("BEGIN")
    for name, _ in again:
        connection.execute(f"DROP INDEX {name}")
    places = ", ".join("?" * len(COLUMNS))
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    connection.executemany(
        f"INSERT INTO records ({names}) VALUES ({places})",  # noqa: S608  ours
        (tuple(map(plain, row)) for row in calls()),
    )
    for _, sql in again:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.close()


async def in_postgres(folder: Path, name: str) -> None:
    connection = await asyncpg.connect(host=str(folder), user="acd", database=name)
    # Made when all are there, they take a tenth of the time.
    again = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'records' AND indexname <> 'pk_records'"
    )
    for index in again:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    rows = (tuple("[]" if isinstance(value, list) else value for value in row) for row in calls())
    while handful := list(islice(rows, 20_000)):
        await connection.copy_records_to_table("records", records=handful, columns=COLUMNS)
    for index in again:
        await connection.execute(index["indexdef"])
    await connection.execute("VACUUM ANALYZE records")
    await connection.close()


class Beside:
    """Somebody who wants to be asked every millisecond: how late that is, and for how much of it we have worked."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.turns: list[float] = []

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look())
        await asyncio.sleep(0.05)
        self.late.clear()
        self.turns.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            begun, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.late.append(time.perf_counter() - begun - 0.001)
            self.turns.append(time.thread_time() - worked)


async def report(store: FiguresStore, tenants: list[str] | None, since: date, until: date) -> int:
    """All figures of all groups; how many there are."""
    told = 0
    for table in await store.tables(since, until, tenants, groupings=WAYS):
        for figures in table.values():
            for definition in catalogue:
                # Of a year's calls each takes some milliseconds.
                definition.value(figures)
                if figures.calls > 1000:
                    await asyncio.sleep(0)
                definition.parts(figures)
                if figures.calls > 1000:
                    await asyncio.sleep(0)
                told += 1
            await asyncio.sleep(0)
    return told


async def measured(url: str) -> dict[str, object]:
    found: dict[str, object] = {}
    database = await open_database(url)
    store = FiguresStore(database, lambda: NOW)
    gc.collect()
    gc.freeze()  # as the service does
    for name, tenants, (since, until) in (
        ("month_first", [LARGEST], MONTH),
        ("month_again", [LARGEST], MONTH),
        ("year_first", [LARGEST], YEAR),
        ("year_again", [LARGEST], YEAR),
    ):
        async with Beside() as beside:
            begun, worked = time.perf_counter(), time.process_time()
            found[f"{name}_figures"] = await report(store, tenants, since, until)
            found[f"{name}_s"] = round(time.perf_counter() - begun, 3)
            found[f"{name}_cpu_s"] = round(time.process_time() - worked, 3)
        for what, seconds in (("late", beside.late), ("turn", beside.turns)):
            found[f"{name}_{what}_p99_ms"] = in_ms(quantile(seconds, 0.99))
            found[f"{name}_{what}_max_ms"] = in_ms(max(seconds))
    begun = time.perf_counter()
    found["rolled_up_days"] = await store.make(*YEAR)
    found["rolled_up_s"] = round(time.perf_counter() - begun, 1)
    begun = time.perf_counter()
    by_month = await store.figures(*YEAR, by=[By.TENANT, By.MONTH])
    found["all_towns_by_month_s"] = round(time.perf_counter() - begun, 2)
    assert sum(of.calls for of in by_month.values()) == CALLS
    async with database.connect() as connection:
        size = await connection.scalar(select(func.sum(func.length(rollups.c.cells))))
        found["kept_mb"] = round((size or 0) / 1e6, 1)
        since, until = map(berlin_midnight, MONTH)
        those = (records.c.tenant == LARGEST, records.c.t_in >= since, records.c.t_in < until)
        month = await connection.scalar(select(func.count()).select_from(records).where(*those))
        found["month_records"] = month
    await database.dispose()
    return found


async def on_sqlite() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acd.sqlite"
        await migrate(f"sqlite:///{path}")
        begun = time.perf_counter()
        in_sqlite(path)
        loaded = round(time.perf_counter() - begun, 1)
        return {"loaded_s": loaded} | await measured(f"sqlite:///{path}")


async def on_postgres() -> dict[str, object]:
    programs = PROGRAMS
    if programs is None:
        return {"missing": "PostgreSQL is not installed"}
    user = "nobody" if os.geteuid() == 0 else None  # initdb refuses root
    folder = Path(tempfile.mkdtemp(prefix="acd-bench-pg-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    cluster = Cluster(programs, folder, user)
    try:
        cluster.run("initdb", "-D", "data", "-U", "acd", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        cluster.start()
        try:
            cluster.create("figures")
            await migrate(cluster.url("figures"))
            begun = time.perf_counter()
            await in_postgres(folder, "figures")
            loaded = round(time.perf_counter() - begun, 1)
            return {"loaded_s": loaded} | await measured(cluster.url("figures"))
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)
