"""How long a large directory takes to change, to be asked, and to be listed: `make bench-directory`.

Five hundred towns with ten numbers each, and two thousand agents. While the directory is changed over and over, signals
keep coming in, one each millisecond; how long each waited for its answer is what callers would feel of the change.
``swap`` is from the request of an administrator to the moment the centre works by the new rules, stored and all.

Nothing is asserted. Last line: one JSON object; times in milliseconds unless their names say otherwise.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from prometheus_client import CollectorRegistry

from dialog_acd.administration import Administration
from dialog_acd.api.app import create_api
from dialog_acd.api.ports import Address, Terms
from dialog_acd.clock import SystemClock
from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.model import (
    Agent,
    AgentId,
    CalendarId,
    CallId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Phone,
    Queue,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Team,
    TeamId,
    Tenant,
    TenantId,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.engine import Engine
from dialog_acd.recordings import Recordings
from dialog_acd.reports import Reports, Told
from dialog_acd.settlement import Settlement
from dialog_acd.sound.studio import Studio
from dialog_acd.store.attendance_store import AttendanceStore
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import migrate, open_database
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import RecordReader
from dialog_acd.store.recording_store import RecordingStore
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.repeat_store import RepeatStore
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.store.token_store import TokenStore
from dialog_acd.store.usage_store import UsageStore
from dialog_acd.testing import SequentialIds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOWNS, ENTRIES, AGENTS = 500, 5_000, 2_000
EDITS, QUESTIONS, PAGES = 10, 2_000, 300
TOKEN = "the-token-of-a-benchmark"


def country(towns: int = TOWNS, entries: int = ENTRIES, agents: int = AGENTS) -> Directory:
    """So many towns with a queue and a calendar each; every agent knows five towns."""
    dice = random.Random(115)
    ids = [f"t{n}" for n in range(towns)]
    each = entries // towns
    return Directory(
        tenants=tuple(Tenant(TenantId(id_), f"Stadt {id_}", id_) for id_ in ids),
        queues=tuple(
            Queue(
                QueueId(id_),
                f"Stadt {id_}",
                (parse_step(f"from 0 s: {id_}>=3"), parse_step(f"from 15 s: {id_}"), parse_step("from 60 s: any")),
                ladder=(parse_rung("waited 300 s: announce acd/long-wait"),),
            )
            for id_ in ids
        ),
        entries=(
            *(
                Entry(
                    f"+49{4000 + n}{k}",
                    TenantId(id_),
                    QueueId(id_),
                    EntryKind.MAIN_NUMBER,
                    "standard",
                    block=True,
                    calendar=CalendarId(id_),
                )
                for n, id_ in enumerate(ids)
                for k in range(each)
            ),
            Entry("", TenantId("t0"), QueueId("t0"), EntryKind.CATCH_ALL, "standard"),
        ),
        agents=tuple(
            Agent(
                AgentId(f"a{n}"),
                f"Agent {n}",
                Phone(f"phone-{n}"),
                {SkillId(id_): dice.randint(1, 5) for id_ in dice.sample(ids, 5)},
                TeamId("centre"),
            )
            for n in range(agents)
        ),
        failsafe_profiles=(FailsafeProfile("standard", "all"),),
        skills=tuple(Skill(SkillId(id_), id_, SkillKind.TENANT) for id_ in ids),
        teams=(Team(TeamId("centre"), "Centre"),),
        calendars=tuple(
            Calendar(CalendarId(id_), id_, (parse_hours("mon-thu 07:00-18:00"), parse_hours("fri 07:00-15:00")))
            for id_ in ids
        ),
    )


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def in_ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


class Nothing:
    """A switch and a spool that take everything."""

    def perform(self, order: object) -> None: ...

    def put(self, record: object) -> None: ...

    def amend(self, amendment: object) -> None: ...


async def keeps_asking(engine: Engine, waits: list[float], over: asyncio.Event) -> None:
    """Agents go to and fro, a change a millisecond; as fast as answers come if they come slower."""
    n = 0
    while not over.is_set():
        begun = time.perf_counter()
        agent = AgentId(f"a{n % AGENTS}")
        await engine.ask(m.AgentNotReady(agent, "pause") if n % 2 else m.AgentReady(agent))
        waits.append(time.perf_counter() - begun)
        n += 1
        await asyncio.sleep(max(0.0, 0.001 - waits[-1]))


async def measure() -> dict[str, object]:
    clock, base = SystemClock(), country()
    found: dict[str, object] = {
        "towns": len(base.tenants),
        "entries": len(base.entries) - 1,
        "agents": len(base.agents),
    }
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'acd.sqlite'}"
        await migrate(url)
        database = await open_database(url)
        store = DirectoryStore(database)
        await store.replace(base, Edit("bench", clock.now()))
        acd = Acd(base, clock.now(), SequentialIds())
        engine = Engine(acd, clock, Nothing(), [])
        engine.attach(Nothing())
        turning = asyncio.create_task(engine.run())
        for agent in base.agents:
            await engine.ask(m.AgentSignedIn(agent.id))
        for n in range(200):  # callers who wait while the rules change under them
            call = CallId(f"c{n}")
            await engine.ask(m.CallArrived(call, f"+49{4000 + n}0", None, "trunk"))
            await engine.ask(m.CallerHeld(call))
        administration = Administration(store, clock, lambda new: engine.tell(m.DirectoryChanged(new)))

        gc.collect()
        gc.freeze()  # as the service does
        quiet: list[float] = []
        await beside(engine, quiet, asyncio.sleep(1.0))
        found["signal_p99_quiet"], found["signal_max_quiet"] = in_ms(quantile(quiet, 0.99)), in_ms(max(quiet))
        swaps: list[float] = []
        waits: list[float] = []
        for n in range(EDITS):
            town = base.tenants[n]
            edited = json.dumps(renamed(await administration.told(), n)).encode()
            begun = time.perf_counter()
            await beside(engine, waits, administration.change(edited, "bench", town.id, None))
            await engine.ask(m.Tick())
            swaps.append(time.perf_counter() - begun)
        found["swap_p50_s"], found["swap_max_s"] = round(quantile(swaps, 0.5), 3), round(max(swaps), 3)
        found["signal_p99_in_swap"], found["signal_max_in_swap"] = in_ms(quantile(waits, 0.99)), in_ms(max(waits))

        edits: list[float] = []
        waits = []
        for n in range(EDITS):
            ring_for, queue = 26 + n, Address("queues", base.queues[n].id)
            edit = administration.edit(queue, ringing_for(ring_for), Terms("bench"))
            begun = time.perf_counter()
            await beside(engine, waits, edit)
            await engine.ask(m.Tick())
            edits.append(time.perf_counter() - begun)
        found["edit_p50_s"], found["edit_max_s"] = round(quantile(edits, 0.5), 3), round(max(edits), 3)
        found["signal_p99_in_edit"], found["signal_max_in_edit"] = in_ms(quantile(waits, 0.99)), in_ms(max(waits))

        audit = AuditStore(database)
        reports = Reports(FiguresStore(database, clock.now), AttendanceStore(database), store, clock.now)
        api = create_api(
            engine,
            RecordReader(database),
            administration,
            readiness={},
            metrics_registry=CollectorRegistry(),
            token=TOKEN,
            tokens=TokenStore(database),
            audit_log=audit,
            archive=Recordings(RecordingStore(database), Studio(), clock),
            repeats=RepeatStore(database),
            agreements=ReleaseStore(database),
            told=Told(reports, clock.now),
            settlement=Settlement(UsageStore(database), DirectoryStore(database), StatementStore(database), clock),
            now=clock.now,
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://bench") as client:
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            for name, path, times in PATHS:
                took = []
                for n in range(times):
                    begun = time.perf_counter()
                    answer = await client.get(path.format(n=4000 + n % TOWNS, k=n % 10, town=f"t{n % TOWNS}"))
                    took.append(time.perf_counter() - begun)
                    answer.raise_for_status()
                found[f"{name}_p50"], found[f"{name}_p99"] = in_ms(quantile(took, 0.5)), in_ms(quantile(took, 0.99))
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        await database.dispose()
    return found


PATHS: list[tuple[str, str, int]] = [
    ("resolve", "/api/v1/resolve?called=0{n}{k}123&at=2026-03-02T10:00:00Z", QUESTIONS),
    ("page_entries", "/api/v1/directory/entries?limit=200&q={n}", PAGES),
    ("page_agents", "/api/v1/directory/agents?limit=200&skill={town}", PAGES),
    ("page_of_a_town", "/api/v1/directory/entries?tenant={town}", PAGES),
    ("one_entry", "/api/v1/directory/tenants/{town}", PAGES),
    ("page_live", "/api/v1/live", PAGES // 10),
]


def ringing_for(seconds: int) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda said: {**said, "ring_for": seconds}


def renamed(told: object, n: int) -> object:
    directory = json.loads(json.dumps(told.directory))  # type: ignore[attr-defined]
    directory["queues"][n]["ring_for"] = 25
    directory["agents"][n]["skills"] = {"t0": 5}
    return directory


async def beside(engine: Engine, waits: list[float], work: object) -> None:
    """Do the work while signals come in."""
    over = asyncio.Event()
    asking = asyncio.create_task(keeps_asking(engine, waits, over))
    try:
        await work  # type: ignore[misc]
    finally:
        over.set()
        await asking


def main() -> None:
    found = asyncio.run(measure())
    for name, value in found.items():
        print(f"{name:24} {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
