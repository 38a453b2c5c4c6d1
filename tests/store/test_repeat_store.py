"""A creation that is sent twice is done once, also when the service was started anew in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from dialog_acd.store.database import open_database
from dialog_acd.store.repeat_store import KEPT_FOR, RUNNING_FOR, Attempted, RepeatStore
from records import NOON

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

ANSWER = {"body": {"version": 2, "differences": ["team centre is new"]}, "headers": {"ETag": '"1"'}}


async def test_a_key_is_known_again_after_a_restart(engine: AsyncEngine, database_url: str) -> None:
    store = RepeatStore(engine)
    assert await store.begin("id-1", "key", "digest", NOON) is None
    assert await store.begin("id-1", "key", "digest", NOON) == Attempted("digest", None, None)
    await store.keep("id-1", "key", 201, ANSWER)
    again = await open_database(database_url)
    assert await RepeatStore(again).begin("id-1", "key", "other", NOON) == Attempted("digest", 201, ANSWER)
    await again.dispose()


async def test_a_key_is_somebodys_own(engine: AsyncEngine) -> None:
    store = RepeatStore(engine)
    assert await store.begin("id-1", "key", "digest", NOON) is None
    assert await store.begin("id-2", "key", "digest", NOON) is None
    assert await store.begin("id-1", "key2", "digest", NOON) is None


async def test_a_key_is_forgotten_when_nothing_was_done(engine: AsyncEngine) -> None:
    store = RepeatStore(engine)
    await store.begin("id-1", "key", "digest", NOON)
    await store.begin("id-2", "key", "digest", NOON)
    await store.forget("id-1", "key")
    assert await store.begin("id-1", "key", "other", NOON) is None
    assert await store.begin("id-2", "key", "digest", NOON) is not None


async def test_a_key_is_kept_for_a_day_and_then_taken_out(engine: AsyncEngine) -> None:
    store = RepeatStore(engine)
    for key in ("a", "b"):
        await store.begin("id-1", key, "digest", NOON)
        await store.keep("id-1", key, 201, ANSWER)
    last = NOON + KEPT_FOR - timedelta(microseconds=1)
    assert await store.begin("id-1", "a", "digest", last) == Attempted("digest", 201, ANSWER)
    assert await store.begin("id-1", "a", "digest", NOON + KEPT_FOR) is None
    async with engine.connect() as connection:
        keys = (await connection.execute(text("SELECT key FROM idempotency_keys"))).scalars().all()
    assert keys == ["a"]


async def test_one_that_says_it_runs_is_not_believed_for_ever(engine: AsyncEngine) -> None:
    """The service died between doing and keeping."""
    store = RepeatStore(engine)
    await store.begin("id-1", "key", "digest", NOON)
    soon = NOON + RUNNING_FOR - timedelta(microseconds=1)
    assert await store.begin("id-1", "key", "digest", soon) == Attempted("digest", None, None)
    assert await store.begin("id-1", "key", "digest", NOON + RUNNING_FOR) is None


async def test_of_many_at_once_one_begins(database_url: str) -> None:
    engine = await open_database(database_url)
    store = RepeatStore(engine)
    begun = await asyncio.gather(*(store.begin("id-1", "key", "digest", NOON) for _ in range(8)))
    assert begun.count(None) == 1
    assert begun.count(Attempted("digest", None, None)) == 7
    await engine.dispose()
