"""Lists are read where they lie: no filter walks through a large table, whichever page is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from dialog_acd.core.model import AgentId, CallId, PartnerId, QueueId, TenantId
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.record_store import RecordReader, RecordWriter
from records import NOON, served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.records import CallRecord

MARK = (NOON, CallId("c3"))
FILTERS: list[dict[str, Any]] = [
    {},
    {"tenant": "langenhagen"},
    {"queue": "115"},
    {"result": Result.CALLBACK},
    {"partner": "oldenburg"},
    {"agent": "anna"},
    {"since": NOON, "to": NOON + timedelta(days=1)},
    {"result": Result.SERVED, "queue": "115"},
    {"result": Result.CALLBACK, "partner": "oldenburg", "tenant": "langenhagen"},
    {"tenant": "langenhagen", "queue": "115", "partner": "oldenburg", "agent": "anna", "since": NOON},
]


async def _plans(engine: AsyncEngine, ask: Any, among: str = "ORDER BY") -> list[str]:
    """How the database would find what is asked for, a step a line."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT") and among in statement:
            asked.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        await ask()
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
    sqlite = engine.dialect.name == "sqlite"
    steps: list[str] = []
    async with engine.connect() as connection:
        if not sqlite:
            for way in ("seqscan", "bitmapscan", "sort"):  # the table is too small for an index to pay
                await connection.execute(text(f"SET enable_{way} = off"))
        for statement, parameters in asked:
            how = f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}"
            rows = (await connection.exec_driver_sql(how, parameters)).all()
            steps += [str(row[-1]) for row in rows]
    assert steps
    return steps


def _walks(steps: Sequence[str]) -> list[str]:
    """Steps that look at every row, or put all that is found in order before the first is shown."""
    return [
        step
        for step in steps
        if "Seq Scan" in step
        or step in ("SCAN records", "SCAN audit", "USE TEMP B-TREE FOR ORDER BY")
        or step.strip("-> ").startswith("Sort  (")
    ]


@pytest.mark.parametrize("before", [None, MARK])
@pytest.mark.parametrize("sought", FILTERS)
async def test_no_page_of_calls_walks_through_all_of_them(
    engine: AsyncEngine, sought: dict[str, Any], before: Any
) -> None:
    reader = RecordReader(engine)
    steps = await _plans(engine, lambda: reader.recent(51, before, **sought))
    assert _walks(steps) == []
    fewest_first = [name for name in ("agent", "queue", "tenant", "partner", "result") if name in sought]
    index = {"partner": "overflow_partner"}.get(fewest_first[0], fewest_first[0]) + "_t_in" if fewest_first else "t_in"
    assert any(f"ix_records_{index}" in step.split() for step in steps)


@pytest.mark.parametrize("before", [None, MARK])
@pytest.mark.parametrize("sought", FILTERS)
async def test_nor_does_the_list_of_who_is_still_to_be_called_back(
    engine: AsyncEngine, sought: dict[str, Any], before: Any
) -> None:
    reader = RecordReader(engine)
    steps = await _plans(engine, lambda: reader.recent(51, before, **sought, owed_at=NOON))
    assert _walks(steps) == []
    assert any("ix_records_t_due" in step.split() for step in steps)


async def test_nor_does_counting_them(engine: AsyncEngine) -> None:
    steps = await _plans(engine, lambda: RecordReader(engine).promises(NOON), among="GROUP BY")
    assert any("ix_records_t_due" in step.split() for step in steps)


@pytest.mark.parametrize("sought", [{}, {"who": "anna"}, {"action": "agents.ready"}, {"since": NOON, "to": NOON}])
@pytest.mark.parametrize("tenant", [None, "langenhagen"])
@pytest.mark.parametrize("before", [None, 1])
async def test_no_page_of_the_audit_log_does(
    engine: AsyncEngine, sought: dict[str, Any], tenant: str | None, before: int | None
) -> None:
    store = AuditStore(engine)
    store.put(at=NOON, who="", role="", tenant=None, action="", about="", outcome="", details={})
    steps = await _plans(engine, lambda: store.page(51, before, tenant, **sought))
    assert _walks(steps) == []
    index = next(
        (f"{name}_at_id" for name in ("tenant", "who", "action") if {"tenant": tenant, **sought}.get(name)), "at_id"
    )
    assert any(f"ix_audit_{index}" in step.split() for step in steps)


async def test_every_filter_finds_what_it_says_and_pages_lead_through_it(
    engine: AsyncEngine, tmp_path: Path, clock: Any
) -> None:
    kept: list[CallRecord] = []
    writer = RecordWriter(engine, tmp_path / "journal", clock)
    for n in range(48):
        kept.append(
            replace(
                served(f"c{n:02}"),
                trunk_call_id=f"t{n}",
                t_in=NOON + timedelta(seconds=n // 3),
                tenant=TenantId("langenhagen" if n % 2 else "hannover"),
                queue=QueueId("115" if n % 3 else "town"),
                agent=AgentId("anna" if n % 5 else "bert"),
                overflow_partner=PartnerId("oldenburg") if n % 7 else None,
                outcome=Outcome(Result.CALLBACK if n % 4 else Result.SERVED, "talked", Blame.NOBODY),
            )
        )
        writer.put(kept[-1])
    assert await writer.close(5) == 0
    reader = RecordReader(engine)
    for sought in FILTERS:
        since, to = sought.get("since", NOON), sought.get("to", NOON + timedelta(days=1))
        found = [
            r
            for r in reversed(kept)
            if sought.get("tenant") in (None, r.tenant)
            and sought.get("queue") in (None, r.queue)
            and sought.get("agent") in (None, r.agent)
            and sought.get("partner") in (None, r.overflow_partner)
            and sought.get("result") in (None, r.outcome.result)
            and since <= r.t_in < to
        ]
        read: list[CallRecord] = []
        before = None
        while page := await reader.recent(5, before, **sought):
            read += page
            before = (page[-1].t_in, page[-1].call)
        assert read == found
    assert await reader.recent(9, to=NOON + timedelta(seconds=1)) == kept[2::-1]
