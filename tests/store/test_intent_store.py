"""An agent is not made to sign in again because the service was updated."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from dialog_acd.core.messages import RememberIntent, RememberSwitch, Switch
from dialog_acd.core.model import AgentId, SwitchKind, TenantId
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


def switched(kind: SwitchKind, about: str, prompt: str | None = None, tenant: str | None = None) -> RememberSwitch:
    town = None if tenant is None else TenantId(tenant)
    return RememberSwitch(kind, about, Switch(kind, about, NINE + timedelta(hours=2), "frau-meyer", NINE, prompt, town))


async def test_what_a_supervisor_switched_is_so_after_a_restart_until_switched_back(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    over = switched(SwitchKind.OVERFLOW, "hall")
    closed = switched(SwitchKind.CLOSURE, "+495117307", "power-cut", "langenhagen")
    message = switched(SwitchKind.QUEUE_MESSAGE, "hall", "storm-warning")
    everybody = switched(SwitchKind.CENTRE_MESSAGE, "", "storm-warning")
    for word in (over, closed, message, everybody):
        store.put(word)
    await store.flush()
    store.put(RememberSwitch(SwitchKind.OVERFLOW, "hall", None))
    store.put(RememberSwitch(SwitchKind.ENTRY_MESSAGE, "+495117307", None))
    await store.flush()
    found = await IntentStore(engine).switches()
    assert {s.kind: s for s in found} == {w.kind: w.switch for w in (closed, message, everybody)}


async def test_the_last_word_about_one_thing_replaces_the_one_before(engine: AsyncEngine) -> None:
    store = IntentStore(engine)
    store.put(switched(SwitchKind.CLOSURE, "115"))
    await store.flush()
    last = switched(SwitchKind.CLOSURE, "115", "power-cut")
    store.put(switched(SwitchKind.CLOSURE, "115", "election"))
    store.put(last)
    await store.flush()
    assert await store.switches() == [last.switch]


async def test_a_kind_of_switch_that_a_later_version_knows_is_passed_over(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                'INSERT INTO switches (kind, about, until, "by", "at")'
                " VALUES ('siren', '', '2026-11-23 10:00:00', 'x', '2026-11-23 08:00:00')"
            )
        )
    assert await IntentStore(engine).switches() == []
