"""What figures cost: `make bench-figures`.

``metrics``: a centre of 500 towns, each with its printed number and one to which its own switchboard forwards, two
partners and 2,000 agents, behind a real HTTP server. Another process reads ``/metrics`` over and over without a pause,
while signals keep coming in, one each millisecond; how long each waited for its answer is what callers would feel of a
scrape.

``sqlite``, ``postgres``: reports over a million records, with rollups and without (``rollups.py``).

Each part is a coroutine in ``PARTS`` that returns its findings; they are printed with the part's name before theirs.
``python -m bench.figures metrics`` measures only the parts that are named. Nothing is asserted. Last line: one JSON
object; times in milliseconds unless their names say otherwise.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from bench.directory import AGENTS, TOKEN, TOWNS, Nothing, country, in_ms, quantile
from bench.rollups import on_postgres, on_sqlite
from dialog_acd.api.app import create_api
from dialog_acd.clock import SystemClock
from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.model import AgentId, CallId, EntryKind, Partner, PartnerId
from dialog_acd.core.rules import parse_rung
from dialog_acd.engine import Engine
from dialog_acd.metrics import Metrics
from dialog_acd.testing import SequentialIds
from records import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dialog_acd.api.ports import (
        Agreements,
        Audit,
        Directories,
        Recordings,
        Records,
        Repeats,
        Reports,
        Statements,
        Tokens,
    )
    from dialog_acd.core.directory import Directory

SCRAPES = 30
WAITING = 200

# In a process of its own, as Prometheus is.
READER = """
import sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    with urllib.request.urlopen(sys.argv[1]) as answer:
        text = answer.read()
    print(time.perf_counter() - begun, len(text), text.count(b"\\n"), flush=True)
"""


def called_twice() -> Directory:
    """Every town also by way of its own switchboard, and two partners at the end of each ladder."""
    base = country(entries=TOWNS)
    partners = tuple(Partner(PartnerId(name), name, ("0441115",)) for name in ("oldenburg", "unna"))
    ladder = (parse_rung("waited 60 s: partner oldenburg"), parse_rung("waited 90 s: partner unna"))
    return replace(
        base,
        queues=tuple(replace(queue, ladder=ladder) for queue in base.queues),
        partners=partners,
        entries=(
            *base.entries,
            *(
                replace(entry, number=f"{entry.number[:-1]}9", kind=EntryKind.FORWARDED, block=False)
                for entry in base.entries
                if entry.number
            ),
        ),
    )


async def metrics() -> dict[str, object]:
    clock, directory = SystemClock(), called_twice().prepare()
    acd = Acd(directory, clock.now(), SequentialIds())
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    seen = Metrics(registry, acd.view, acd.expected_wait)
    seen.directory_changed(directory)
    engine = Engine(acd, clock, Nothing(), [seen.observe], took=seen.signal_took)
    engine.attach(Nothing())
    turning = asyncio.create_task(engine.run())
    for agent in directory.agents:
        await engine.ask(m.AgentSignedIn(agent.id))
    for n in range(WAITING):
        call = CallId(f"c{n}")
        await engine.ask(m.CallArrived(call, f"+49{4000 + n}0", None, "trunk"))
        await engine.ask(m.CallerHeld(call))
    for entry in directory.entries:
        record = replace(served(entry.number), tenant=entry.tenant, queue=entry.queue, kind=entry.kind)
        for waited in (3.2, 31.7, 412.5):
            seen.observe(m.CallEnded(replace(record, t_in=record.t_end - timedelta(seconds=waited))))
    unused = Nothing()
    api = create_api(
        engine,
        cast("Records", unused),
        cast("Directories", unused),
        readiness={},
        metrics_registry=registry,
        token=TOKEN,
        tokens=cast("Tokens", unused),
        audit_log=cast("Audit", unused),
        repeats=cast("Repeats", unused),
        agreements=cast("Agreements", unused),
        archive=cast("Recordings", unused),
        told=cast("Reports", unused),
        settlement=cast("Statements", unused),
        now=clock.now,
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(api, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
    await read(url, 3)  # what is worked out once, is by now

    gc.collect()
    gc.freeze()  # as the service does
    quiet: list[float] = []
    await keeps_asking(engine, quiet, asyncio.create_task(asyncio.sleep(2.0)))
    busy: list[float] = []
    reading = asyncio.create_task(read(url, SCRAPES))
    await keeps_asking(engine, busy, reading)
    scrapes = await reading
    server.should_exit = True
    await serving
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    took = [seconds for seconds, _, _ in scrapes]
    return {
        "towns": TOWNS,
        "agents": AGENTS,
        "lines": int(scrapes[-1][2]),
        "bytes": int(scrapes[-1][1]),
        "scrape_p50_s": round(quantile(took, 0.5), 3),
        "scrape_max_s": round(max(took), 3),
        "signals_in_scrapes": len(busy),
        "signal_p99_quiet": in_ms(quantile(quiet, 0.99)),
        "signal_max_quiet": in_ms(max(quiet)),
        "signal_p99_in_scrape": in_ms(quantile(busy, 0.99)),
        "signal_max_in_scrape": in_ms(max(busy)),
    }


async def keeps_asking(engine: Engine, waits: list[float], until: asyncio.Future[Any]) -> None:
    """One agent after the other is ready, and is not, a change each millisecond; slower if answers come slower."""
    n = 0
    while not until.done():
        begun = time.perf_counter()
        agent = AgentId(f"a{n // 2 % AGENTS}")
        await engine.ask(m.AgentNotReady(agent, "pause") if n % 2 else m.AgentReady(agent))
        waits.append(time.perf_counter() - begun)
        n += 1
        await asyncio.sleep(max(0.0, 0.001 - waits[-1]))


async def read(url: str, times: int) -> list[list[float]]:
    """Seconds, bytes and lines of each scrape."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, url, str(times), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return [[float(word) for word in line.split()] for line in said.decode().splitlines()]


PARTS: dict[str, Callable[[], Awaitable[dict[str, object]]]] = {
    "metrics": metrics,
    "sqlite": on_sqlite,
    "postgres": on_postgres,
}


async def measure(parts: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for part in parts:
        found |= {f"{part}_{name}": value for name, value in (await PARTS[part]()).items()}
    return found


def main() -> None:
    found = asyncio.run(measure(sys.argv[1:] or list(PARTS)))
    for name, value in found.items():
        print(f"{name:32} {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
