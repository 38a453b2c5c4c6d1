"""An agent is not made to sign in again because the service was updated."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from dialog_acd.core.messages import RememberIntent, RememberSwitch
from dialog_acd.core.model import AgentId, QueueId
from dialog_acd.store.intent_store import IntentStore
from patience import soon

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def wants(agent: str, intent: str, at: datetime = NINE, reason: str = "") -> RememberIntent:
    return RememberIntent(AgentId(agent), intent, reason, at)


async def test_last_word_of_each_agent_is_there_after_a_restart(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    store.put(wants("anna", "ready"))
    store.put(wants("bert", "ready"))
    await store.flush()
    store.put(wants("anna", "not-ready", reason="pause"))
    await store.flush()

    kept = await IntentStore(engine).load(since=NINE - timedelta(hours=14))

    assert {k.agent: (k.intent, k.reason) for k in kept} == {"anna": ("not-ready", "pause"), "bert": ("ready", "")}


async def test_yesterdays_intent_does_not_count(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    store.put(wants("anna", "ready", at=NINE - timedelta(hours=20)))
    await store.flush()

    assert await store.load(since=NINE - timedelta(hours=14)) == []


async def test_database_that_is_away_costs_nothing_but_time(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE agent_intents RENAME TO away"))
    store.put(wants("anna", "ready"))
    assert not await store.flush()
    store.put(wants("anna", "not-ready", reason="pause"))
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO agent_intents"))

    assert await store.flush()
    assert [k.intent for k in await store.load(since=NINE)] == ["not-ready"]


async def test_what_is_said_while_the_old_is_being_written_in_vain_is_the_last_word(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE agent_intents RENAME TO away"))
    store.put(wants("anna", "ready"))
    writing = asyncio.create_task(store.flush())
    await soon(lambda: not store._intents)
    store.put(wants("anna", "not-ready", reason="pause"))
    assert not await writing
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO agent_intents"))

    assert await store.flush()
    assert [k.intent for k in await store.load(since=NINE)] == ["not-ready"]


async def test_what_was_being_written_at_the_stop_is_written_by_the_last_flush(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    store.put(wants("anna", "ready"))
    writing = asyncio.create_task(store.flush())
    await soon(lambda: not store._intents)
    writing.cancel()
    await asyncio.wait({writing})
    assert writing.cancelled()

    assert await store.flush()
    assert [k.agent for k in await store.load(since=NINE)] == ["anna"]


async def test_a_queue_that_was_switched_over_is_so_after_a_restart_until_switched_back(engine: AsyncEngine) -> None:
    store, hall, region = IntentStore(engine), QueueId("hall"), QueueId("region")
    until = NINE + timedelta(hours=2)
    store.put(RememberSwitch(hall, until, "anna"))
    store.put(RememberSwitch(region, until, "anna"))
    await store.flush()
    store.put(RememberSwitch(region, None, "bert"))
    await store.flush()
    assert await IntentStore(engine).switches() == [RememberSwitch(hall, until, "anna")]
