"""A record comes back as it went: through JSON, and through both databases, to the microsecond."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.exc import StatementError

from dialog_acd.core.model import AgentId, CallId, EntryKind, PartnerId, QueueId, TeamId, TenantId
from dialog_acd.core.records import Amendment, Blame, CallRecord, OfferTried, Outcome, Result, RungTaken
from dialog_acd.core.retention import NONE, parted, rejoined, without_agents
from dialog_acd.store import tables
from dialog_acd.store.database import writing
from dialog_acd.store.record_json import UnreadableRecord, decode, digest, encode, storable, storable_amendment
from dialog_acd.store.record_store import RecordReader, RecordWriter
from records import NOON, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

# Any text at all, as the wire has it.
texts = st.text(alphabet=st.characters(), max_size=40)
moments = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))]),
)
maybe_moments = st.none() | moments
outcomes = st.builds(Outcome, st.sampled_from(Result), texts, st.sampled_from(Blame))
offers = st.builds(OfferTried, offer=texts, agent=texts, at=moments, result=texts, why=texts)
rungs = st.builds(RungTaken, at=moments, rung=texts, why=texts)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "call": texts.map(CallId),
    "tenant": texts.map(TenantId),
    "queue": texts.map(QueueId),
    "kind": st.sampled_from(EntryKind),
    "dialled": texts,
    "ani": st.none() | texts,
    "trunk": texts,
    "trunk_call_id": texts,
    "t_in": moments,
    "t_ann_end": maybe_moments,
    "t_q": maybe_moments,
    "t_ans": maybe_moments,
    "t_end": moments,
    "t_wrap_end": maybe_moments,
    "t_leave": maybe_moments,
    "t_ovf": maybe_moments,
    "t_ovf_ans": maybe_moments,
    "t_failsafe": maybe_moments,
    "agent": st.none() | texts.map(AgentId),
    "partner": st.none() | texts.map(PartnerId),
    "transferred_to": st.none() | texts,
    "transfer_blind": st.none() | st.booleans(),
    "failsafe_answered_by": st.none() | texts,
    "hung_up_first": texts,
    "cause": st.integers(0, 127),
    "outcome": outcomes,
    "in_time": st.booleans(),
    "offers": st.lists(offers, max_size=4).map(tuple),
    "overflow_trigger": texts,
    "overflow_partner": st.none() | texts.map(PartnerId),
    "rungs": st.lists(rungs, max_size=3).map(tuple),
    "t_callback": maybe_moments,
    "t_due": maybe_moments,
    "t_called_back": maybe_moments,
    "diversion": texts | st.none(),
    "diversion_reason": texts,
    "candidates": st.lists(texts.map(TenantId), max_size=3).map(tuple),
    "test": st.booleans(),
    "t_amended": maybe_moments,
    "entry": texts,
    "target_ms": st.none() | st.integers(0, 2**31 - 1),
    "target_share": st.none() | st.floats(0, 1),
    "team": st.none() | texts.map(TeamId),
    "caller_area": st.none() | texts,
    "talk_ms": st.none() | st.integers(0, 2**31 - 1),
    "wrap_ms": st.none() | st.integers(0, 2**31 - 1),
    "caller_hash": st.none() | texts,
}
records = st.builds(CallRecord, **FIELDS)


def test_every_field_is_drawn() -> None:
    """One with a default would be left at it, and everything below would be true of it."""
    assert set(inspect.signature(CallRecord).parameters) == set(FIELDS)


def texts_of(record: CallRecord) -> Iterator[str]:
    yield from (v for f in fields(record) if isinstance(v := getattr(record, f.name), str) and f.name != "kind")
    yield record.outcome.reason
    for offer in record.offers:
        yield from (offer.offer, offer.agent, offer.result, offer.why)
    for rung in record.rungs:
        yield from (rung.rung, rung.why)
    yield from record.candidates


# Thirty fields are slow to draw, and no decision hangs on two of them at once: a hundred records say it all.
FEWER = settings(max_examples=settings().max_examples // 3)


@FEWER
@given(records)
def test_json_there_and_back(record: CallRecord) -> None:
    record = storable(record)
    line = encode(record)
    assert b"\n" not in line
    again = decode(line)
    assert again == record
    assert isinstance(again, CallRecord)
    assert digest(again) == digest(record)


def test_every_text_is_made_fit_for_every_database() -> None:
    hostile = "a\x00b\ud800"
    words: dict[str, Any] = dict.fromkeys(
        (
            *("tenant", "queue", "dialled", "ani", "trunk", "trunk_call_id", "agent", "partner", "transferred_to"),
            *(
                "failsafe_answered_by",
                "hung_up_first",
                "overflow_trigger",
                "overflow_partner",
                "diversion",
                "diversion_reason",
                "entry",
                "team",
                "caller_area",
                "caller_hash",
            ),
        ),
        hostile,
    )
    record = served(
        hostile,
        **words,
        outcome=Outcome(Result.SERVED, hostile, Blame.NOBODY),
        offers=(OfferTried(hostile, hostile, NOON, hostile, hostile),),
        rungs=(RungTaken(NOON, hostile, hostile),),
        candidates=(TenantId(hostile),),
    )
    assert set(texts_of(record)) == {hostile}
    assert set(texts_of(storable(record))) == {"a\ufffdb\ufffd"}


amendments = st.builds(
    Amendment,
    call=texts.map(CallId),
    at=moments,
    tenant=st.none() | texts.map(TenantId),
    test=st.none() | st.booleans(),
    kept=st.none() | st.booleans(),
    kept_at=maybe_moments,
)


@given(amendments)
def test_an_amendment_there_and_back(amendment: Amendment) -> None:
    fit = storable_amendment(amendment)
    assert decode(encode(fit)) == fit
    assert fit.call == storable(served(amendment.call)).call  # it finds its record


@FEWER
@given(records)
def test_what_is_storable_stays_as_it_is(record: CallRecord) -> None:
    once = storable(record)
    assert storable(once) is once
    assert "\x00" not in "".join(texts_of(once))
    "".join(texts_of(once)).encode("utf-8", "strict")


@settings(max_examples=10)
@given(records)
def test_a_part_of_a_line_is_never_taken_for_a_record(record: CallRecord) -> None:
    line = encode(storable(record))
    for cut in range(len(line)):
        with pytest.raises(UnreadableRecord):
            decode(line[:cut])


@given(st.binary(max_size=200))
@example(b"null")
@example(b"[]")
@example(b"{}")
@example(b"[" * 100_000)
def test_no_line_makes_reading_fail_in_any_other_way(line: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        decode(line)


async def test_both_databases_there_and_back(engine: AsyncEngine, tmp_path: Path, clock: Any) -> None:
    writer = RecordWriter(engine, tmp_path / "journal", clock)
    reader = RecordReader(engine)
    await _there_and_back(writer, reader, engine)
    await writer.close(1)


async def _there_and_back(writer: RecordWriter, reader: RecordReader, engine: AsyncEngine) -> None:
    drawn: list[list[CallRecord]] = []

    # Collected first: hypothesis calls a plain function, the databases want to be awaited.
    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(st.lists(records, min_size=1, max_size=8, unique_by=lambda r: storable(r).call))
    def draw(batch: list[CallRecord]) -> None:
        drawn.append(batch)

    draw()
    for batch in drawn:
        async with writing(engine).begin() as connection:
            await connection.execute(tables.records.delete())
        for record in batch * 2:
            writer.put(record)
        assert await writer.flush()
        found = await reader.recent(100)
        # Of most days there ever were, numbers are not kept any more, or not yet.
        kept = {r.call: r for r in found}
        for told in map(storable, batch):
            assert kept.pop(told.call) in (told, parted(told)[0], parted(without_agents(told))[0])
        assert not kept
        assert all(moment.utcoffset() == timedelta(0) for r in found for moment in (r.t_in, r.t_end))
    assert (writer.conflicts, writer.rejected, writer.unreadable) == (0, 0, 0)


@settings(max_examples=30)
@given(records)
def test_numbers_are_parted_from_a_record_and_joined_again(record: CallRecord) -> None:
    alone, numbers = parted(record)
    assert rejoined(alone, numbers) == record
    assert (alone.ani, alone.diversion) == (None, None)
    assert parted(alone) == (alone, NONE)


async def test_a_naive_moment_is_refused_by_the_table(engine: AsyncEngine) -> None:
    row = {"call": "c", "digest": "d", "seen_at": datetime(2026, 1, 1), "content": {}}  # noqa: DTZ001
    with pytest.raises(StatementError, match="has no time zone"):
        async with engine.begin() as connection:
            await connection.execute(insert(tables.record_conflicts), row)


async def test_reading_pages_and_spans(engine: AsyncEngine, tmp_path: Path, clock: Any) -> None:
    writer = RecordWriter(engine, tmp_path / "journal", clock)
    base = served("c0")
    # Three calls came in the same microsecond: a page may end among them.
    came = [base.t_in + timedelta(microseconds=max(0, n - 2)) for n in range(6)]
    told = [replace(base, call=CallId(f"c{n}"), trunk_call_id=f"t{n % 5}", t_in=t) for n, t in enumerate(came)]
    for record in told:
        writer.put(record)
    assert await writer.close(5) == 0
    reader = RecordReader(engine)

    pages: list[list[CallRecord]] = []
    before = None
    while page := await reader.recent(2, before):
        pages.append(page)
        before = (page[-1].t_in, page[-1].call)
    assert [r for page in pages for r in page] == told[::-1]
    assert await reader.records_since(came[3]) == told[3:]
    assert await reader.by_call(CallId("c4")) == told[4]
    assert await reader.by_call(CallId("nobody")) is None
    assert [r.call for r in await reader.by_trunk_call_id("t0")] == ["c0", "c5"]
    assert await reader.count() == 6


async def test_a_towns_pages_hold_its_own_calls_alone(engine: AsyncEngine, tmp_path: Path, clock: Any) -> None:
    writer = RecordWriter(engine, tmp_path / "journal", clock)
    for n in range(6):
        town = TenantId("langenhagen" if n % 2 else "hannover")
        writer.put(replace(served(f"c{n}"), tenant=town, trunk_call_id=f"t{n}"))
    assert await writer.close(5) == 0
    reader = RecordReader(engine)
    first = await reader.recent(2, tenant="langenhagen")
    rest = await reader.recent(2, (first[-1].t_in, first[-1].call), Result.SERVED, "langenhagen")
    assert [r.call for r in first + rest] == ["c5", "c3", "c1"]
    assert await reader.recent(9, tenant="nowhere") == []
