"""What was uploaded is kept as it came, and stays what its digest says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from dialog_acd.store.recording_store import NoSuchRecording, Recording, RecordingStore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def recording(content: bytes, at: datetime = NINE, tenant: str | None = None) -> Recording:
    return Recording(
        digest=sha256(content).hexdigest(),
        name="Begrüßung",
        tenant=tenant,
        by="rathaus",
        uploaded_at=at,
        duration=timedelta(milliseconds=7481),
        peak=-3.1,
        loudness=-24.9,
        gain=2.9,
        findings=("2 channels were mixed to one", "made louder by 2.9 dB, to -22.0 LUFS"),
    )


async def keep(store: RecordingStore, content: bytes, at: datetime = NINE, tenant: str | None = None) -> Recording:
    return await store.add(recording(content, at, tenant), content=content, narrow=b"8" + content, wide=b"16" + content)


async def test_what_was_kept_is_found_again_bit_by_bit(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    content = bytes(range(256)) * 8192
    kept = await keep(store, content, tenant="langenhagen")
    assert await store.one(kept.digest) == kept == recording(content, tenant="langenhagen")
    assert await store.sound(kept.digest, "content") == content
    assert await store.sound(kept.digest, "narrow") == b"8" + content
    assert await store.sound(kept.digest, "wide") == b"16" + content


async def test_what_is_not_there(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    with pytest.raises(NoSuchRecording):
        await store.one("0" * 64)
    with pytest.raises(NoSuchRecording):
        await store.sound("0" * 64, "narrow")


async def test_the_same_content_is_kept_once_as_it_came_first(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    first = await keep(store, b"hello")
    later = replace(first, name="again", by="somebody else", uploaded_at=NINE + timedelta(hours=1))
    assert await store.add(later, content=b"hello", narrow=b"better", wide=b"better") == first
    assert await store.sound(first.digest, "narrow") == b"8hello"
    assert len(await store.page(10)) == 1


async def test_two_bring_the_same_at_once(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    mine = [replace(recording(b"hello"), by=str(n)) for n in range(2)]
    kept = await asyncio.gather(*(store.add(r, content=b"hello", narrow=b"n", wide=b"w") for r in mine))
    assert len(set(kept)) == 1
    assert sum(r is k for r, k in zip(mine, kept, strict=True)) == 1


async def test_pages_lead_back_through_all_of_them_once(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    kept = [await keep(store, bytes([n]), NINE + timedelta(seconds=n // 3)) for n in range(9)]
    found: list[Recording] = []
    while page := await store.page(2, found[-1] if found else None):
        found += page
    assert sorted(found, key=lambda r: (r.uploaded_at, r.digest), reverse=True) == found
    assert set(found) == set(kept)
    assert len(found) == 9


async def test_a_town_finds_its_own_and_the_centres(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    ours, centres = await keep(store, b"a", tenant="gehrden"), await keep(store, b"b", NINE + timedelta(1))
    await keep(store, b"c", tenant="hannover")
    assert list(await store.page(10, tenant="gehrden")) == [centres, ours]
    assert list(await store.page(10, centres, "gehrden")) == [ours]


async def test_which_of_many_are_missing(engine: AsyncEngine) -> None:
    store = RecordingStore(engine)
    here = {(await keep(store, bytes([n]))).digest for n in range(3)}
    none = {sha256(f"{n}".encode()).hexdigest() for n in range(1200)}
    assert await store.missing([]) == set()
    assert await store.missing(here) == set()
    assert await store.missing([*here, *none, *none]) == none
