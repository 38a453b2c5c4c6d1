"""What was done stays written, and writing it down costs nobody anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from dialog_acd.store import audit_store
from dialog_acd.store.audit_store import AuditStore, NoSuchLine
from dialog_acd.store.database import writing
from patience import soon

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def note(store: AuditStore, about: str, tenant: str | None = None, **details: Any) -> None:
    store.put(
        at=NINE,
        who="leitstelle",
        role="supervisor",
        tenant=tenant,
        action="agents.ready",
        about=about,
        outcome="done",
        details=details,
    )


async def about(store: AuditStore, limit: int = 100, before: int | None = None, tenant: str | None = None) -> list[str]:
    return [line.about for line in await store.page(limit, before, tenant)]


async def test_whoever_looks_at_once_finds_what_was_just_done(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    with capture_logs() as told:
        note(store, "anna", "langenhagen", status=200, until=None)
    assert told[0]["action"] == "agents.ready"
    assert "anna" not in str(told), "no log names agents"
    [line] = await store.page(10, None, None)
    assert (line.at, line.who, line.role, line.tenant) == (NINE, "leitstelle", "supervisor", "langenhagen")
    assert (line.action, line.about, line.outcome) == ("agents.ready", "anna", "done")
    assert line.details == {"status": 200, "until": None}


async def test_some_of_the_lines_and_the_time_counts_not_the_sequence_of_writing(engine: AsyncEngine) -> None:
    """The command line writes at once, the service when it can: a later id may be of an earlier moment."""
    store = AuditStore(engine)
    for n, (minutes, who) in enumerate([(0, "a"), (5, "b"), (3, "a"), (5, "a"), (1, "b")], 1):
        at = NINE + timedelta(minutes=minutes)
        store.put(
            at=at, who=who, role="", tenant=None, action=f"x{n % 2}", about=str(n), outcome="done", details={}
        )  # fmt: skip

    async def read(before: int | None = None, **sought: Any) -> list[str]:
        return [line.about for line in await store.page(9, before, None, **sought)]

    assert await read() == ["4", "2", "3", "5", "1"]
    assert await read(3) == ["5", "1"]
    assert await read(who="a") == ["4", "3", "1"]
    assert await read(4, who="a") == ["3", "1"]
    assert await read(action="x1", who="b") == ["5"]
    assert await read(since=NINE + timedelta(minutes=1), to=NINE + timedelta(minutes=5)) == ["3", "5"]
    assert await read(2, since=NINE + timedelta(minutes=1)) == ["3", "5"]
    with pytest.raises(NoSuchLine):
        await read(99)


async def test_pages_lead_back_through_all_lines_once(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    for n in range(7):
        note(store, str(n), "langenhagen" if n % 2 else None)
    first = await store.page(3, None, None)
    assert [line.about for line in first] == ["6", "5", "4"]
    note(store, "7")  # meanwhile
    assert await about(store, 3, first[-1].id) == ["3", "2", "1"]
    assert await about(store, tenant="langenhagen") == ["5", "3", "1"]
    assert await about(store, tenant="hannover") == []


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'somebody else'", "DELETE FROM audit"])
async def test_what_is_written_cannot_be_changed(engine: AsyncEngine, change: str) -> None:
    store = AuditStore(engine)
    note(store, "anna")
    await store.flush()
    with pytest.raises(DBAPIError, match="audit is append-only"):
        async with writing(engine).begin() as connection:
            await connection.execute(text(change))
    assert await about(store) == ["anna"]


@pytest.mark.postgres
async def test_not_even_all_at_once(engine: AsyncEngine) -> None:
    if engine.dialect.name == "sqlite":
        return  # knows no TRUNCATE
    with pytest.raises(DBAPIError, match="audit is append-only"):
        async with engine.begin() as connection:
            await connection.execute(text("TRUNCATE audit"))


async def test_a_database_that_is_away_costs_nothing_but_time(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    async with writing(engine).begin() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO away"))
    note(store, "anna")
    with capture_logs() as lines:
        assert not await store.flush()
    assert [line["event"] for line in lines] == ["audit.not_written"]
    note(store, "bert")
    async with writing(engine).begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO audit"))
    assert await store.flush()
    assert await about(store) == ["bert", "anna"]


async def test_it_writes_by_itself(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    running = asyncio.create_task(store.run())
    note(store, "anna")
    await soon(lambda: not store._pending)
    running.cancel()
    await asyncio.wait({running})
    assert await about(AuditStore(engine)) == ["anna"]


async def test_a_stranger_who_knocks_for_hours_does_not_fill_the_memory(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_store, "PENDING_AT_MOST", 5)
    store = AuditStore(engine)
    with capture_logs() as lines:
        for n in range(7):
            note(store, str(n))
    # What has no place in the database is in the log all the same.
    assert [line["event"] for line in lines] == ["audit"] * 6 + ["audit.lost", "audit", "audit.lost"]
    assert store.lost == 2
    assert await about(store) == ["4", "3", "2", "1", "0"]


async def test_more_lines_than_a_batch(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_store, "BATCH", 2)
    store = AuditStore(engine)
    for n in range(5):
        note(store, str(n))
    assert await about(store) == ["4", "3", "2", "1", "0"]


async def test_a_line_the_database_refuses_does_not_keep_out_the_others(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    note(store, "anna")
    nothing: Any = None
    note(store, nothing)  # not as promised
    note(store, "bert")
    with capture_logs() as lines:
        assert await about(store) == ["bert", "anna"]
    assert [line["event"] for line in lines] == ["audit.lost"]
    assert store.lost == 1


async def test_what_agents_did_is_not_found_by_their_names(engine: AsyncEngine) -> None:
    """Nor is more told than the actions that somebody may read about."""
    store = AuditStore(engine)
    for role, action in (("agent", "calls.name-town"), ("supervisor", "releases.ask")):
        store.put(at=NINE, who="anna", role=role, tenant=None, action=action, about="1", outcome="done", details={})
    assert [line.role for line in await store.page(9, None, None, who="anna")] == ["supervisor"]
    assert [line.role for line in await store.page(9, None, None, among=("calls.name-town",))] == ["agent"]
    assert await store.page(9, None, None, among=()) == []
