"""The directory goes into the database and comes back the same, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import Overflow, PartnerId, Trunk
from dialog_acd.store.database import writing
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_store import DirectoryStore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory

DEMO = Path(__file__).parents[2] / "asterisk" / "demo-directory.toml"


@pytest.fixture
def directory() -> Directory:
    """The demo's, with everything set that it leaves alone."""
    demo = read_directory(DEMO)
    first, *others = demo.queues
    return replace(
        demo,
        queues=(
            replace(
                first,
                level=3,
                ring_for=timedelta(seconds=12, milliseconds=345),
                max_wait=timedelta(days=1),
                target_share=1 / 3,
                overflow=Overflow(timedelta(minutes=2), PartnerId("oldenburg")),
                music="bach",
            ),
            *others,
        ),
        entries=tuple(replace(e, greeting=f"acd/{i}" if i % 2 else None) for i, e in enumerate(demo.entries)),
        failsafe_profiles=(
            replace(demo.failsafe_profiles[0], hours=("8:00-18:00,mon-fri,*,*", "9:00-12:00,sat,*,*")),
            replace(demo.failsafe_profiles[0], name="dispatch", partner=None),
        ),
        # Not in the order of their names: the first one counts.
        trunks=(Trunk("zebra", "cc-no-plus", "5102", "49"), Trunk("aachen", "subscriber", "241", "49")),
    )


async def test_what_is_stored_is_loaded(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    assert await store.is_empty()
    await store.replace(directory)
    assert not await store.is_empty()
    assert await store.load() == directory


async def test_the_new_directory_takes_the_place_of_the_old(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory)
    smaller = replace(directory, agents=directory.agents[3:5], trunks=directory.trunks[1:])
    await store.replace(smaller)
    assert await store.load() == smaller


async def test_the_order_is_the_one_of_the_positions(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory)
    async with writing(engine).begin() as connection:
        await connection.execute(text("UPDATE trunks SET position = 1 - position"))
    assert (await store.load()).trunks == directory.trunks[::-1]


async def test_a_directory_that_cannot_be_written_leaves_the_old_one_alive(
    engine: AsyncEngine, directory: Directory
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory)
    finer = replace(directory.queues[0], ring_for=timedelta(seconds=3, microseconds=1))
    with pytest.raises(StatementError, match="not a whole number of milliseconds"):
        await store.replace(replace(directory, queues=(finer, *directory.queues[1:])))
    assert await store.load() == directory


async def test_two_edits_at_once_leave_one_of_them_whole(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory)
    one = replace(directory, agents=directory.agents[:1], trunks=directory.trunks[:1])
    two = replace(directory, agents=directory.agents[1:9])
    done = await asyncio.gather(store.replace(one), store.replace(two), return_exceptions=True)
    if engine.dialect.name == "postgresql":
        assert list(done) == [None, None], "the second waits for the first"
    # SQLite may tell the second to come again; it never mixes them.
    assert None in done
    loaded = await store.load()
    assert loaded in (one, two)


async def test_a_database_edited_into_nonsense_is_refused_whole(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory)
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM entries WHERE kind = 'catch-all'"))
        await connection.execute(text("UPDATE queues SET level = 9 WHERE id = 'region'"))
    with pytest.raises(DirectoryInvalid) as caught:
        await store.load()
    assert len(caught.value.faults) == 2


async def test_an_empty_database_is_no_directory(engine: AsyncEngine) -> None:
    with pytest.raises(DirectoryInvalid):
        await DirectoryStore(engine).load()
