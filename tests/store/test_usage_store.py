"""The bill by SQL is the bill by Python, to the millisecond, on both databases."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.kpi import berlin_midnight
from dialog_acd.core.model import UNASSIGNED, CallId, Contract, EntryKind, Price, Span, Tenant, TenantId
from dialog_acd.core.records import Amendment, Blame, CallRecord, Outcome, Result
from dialog_acd.core.shares import Account, Month, Sort, Usage, slices, usage_of
from dialog_acd.store.record_store import RecordWriter
from dialog_acd.store.usage_store import UsageStore
from records import served

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from .conftest import Clock

MARCH = Month(2026, 3)
PRICES = (
    Price(per_call=Decimal(1), flat=Decimal(1), included_minutes=1, each=Span.YEAR),
    Price(datetime(2026, 3, 15, tzinfo=UTC).date(), per_call=Decimal(2), included_minutes=1, each=Span.YEAR),
)
TOWNS = [Tenant(TenantId("langenhagen"), "Langenhagen", "", contract=Contract(prices=PRICES))]


def some(number: int) -> list[CallRecord]:
    """Calls of every kind and end from January to April, at awkward microseconds; some clocks go backwards."""
    dice = random.Random(1706)
    begins = berlin_midnight(Month(2026, 1).begins)
    calls = []
    for n in range(number):
        t_in = begins + timedelta(microseconds=dice.randrange(100 * 86_400 * 10**6))
        t_ans = t_in + timedelta(microseconds=dice.randrange(60 * 10**6))
        t_end = t_ans + timedelta(microseconds=dice.randrange(-(10**6), 600 * 10**6))
        wrap = None if dice.random() < 0.1 else t_end + timedelta(microseconds=dice.randrange(-200 * 10**6, 60 * 10**6))
        answered, sent, there = dice.random() < 0.8, dice.random() < 0.2, dice.random() < 0.5
        calls.append(
            replace(
                served(f"c{n}"),
                tenant=TenantId(dice.choice(["langenhagen", "hannover", UNASSIGNED])),
                kind=dice.choice([*EntryKind]),
                t_in=t_in,
                t_ans=t_ans if answered else None,
                t_end=t_end,
                t_wrap_end=wrap,
                talk_ms=dice.choice([None, dice.randrange(600_000)]),
                wrap_ms=dice.choice([None, 10_000]),
                t_ovf=t_ans if sent else None,
                t_ovf_ans=t_ans if sent and there else None,
                outcome=Outcome(dice.choice([*Result]), dice.choice(["promised", "closed-by-hours"]), Blame.NOBODY),
                test=dice.random() < 0.05,
            )
        )
    edges = (
        berlin_midnight(MARCH.begins),
        berlin_midnight(MARCH.ends),
        berlin_midnight(PRICES[1].since or MARCH.begins),
    )
    for n, edge in enumerate(edges):
        for before in (0, 1):
            moment = edge - timedelta(microseconds=before)
            calls.append(served(f"e{n}{before}", moment + timedelta(hours=1), t_in=moment, t_ans=moment))
    return calls


async def kept(engine: AsyncEngine, folder: Path, clock: Clock, calls: list[CallRecord]) -> RecordWriter:
    writer = RecordWriter(engine, folder, clock, linger=0)
    for call in calls:
        writer.put(call)
    assert await writer.flush()
    return writer


async def test_the_database_sums_up_what_the_records_say(engine: AsyncEngine, tmp_path: Path, clock: Clock) -> None:
    calls = some(800)
    await kept(engine, tmp_path / "journal", clock, calls)
    cut = slices(MARCH, TOWNS)
    assert len(cut) == 4, "January, February, and March in two parts"
    summed = await UsageStore(engine).usage(cut)
    assert summed == usage_of(calls, cut)
    everything = [usage for _, accounts in summed for usage in accounts.values()]
    assert sum(usage.accepted for usage in everything) > 200, "a test of something"
    assert {account.sort for _, accounts in summed for account in accounts} == {*Sort}
    assert all(isinstance(usage.talk_ms, int) for usage in everything)


async def test_a_call_that_was_somebody_else_s_or_a_test_is_so_in_the_next_sum(
    engine: AsyncEngine, tmp_path: Path, clock: Clock
) -> None:
    writer = await kept(engine, tmp_path / "journal", clock, [served("a"), served("b")])
    store, cut = UsageStore(engine), slices(MARCH, [])
    assert await store.usage(cut) == [
        (cut[0], {Account(Sort.TOWN, TenantId("langenhagen")): Usage(2, 2, 0, 120_000, 20_000)})
    ]
    writer.amend(Amendment(CallId("a"), clock(), tenant=UNASSIGNED))
    writer.amend(Amendment(CallId("b"), clock(), test=True))
    assert await writer.flush()
    assert await store.usage(cut) == [(cut[0], {Account(Sort.UNASSIGNED): Usage(1, 1, 0, 60_000, 10_000)})]


@pytest.mark.parametrize("micro", [0, 1, 999, 1000, 123_456, 999_999])
async def test_parts_of_a_millisecond_are_cut_off_alike(
    engine: AsyncEngine, tmp_path: Path, clock: Clock, micro: int
) -> None:
    call = served("a")
    assert call.t_ans is not None
    call = replace(call, t_ans=call.t_ans.replace(microsecond=micro))
    await kept(engine, tmp_path / "journal", clock, [call])
    cut = slices(MARCH, [])
    assert await UsageStore(engine).usage(cut) == usage_of([call], cut)
