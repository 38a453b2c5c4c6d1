"""What went out to the towns is read a year later as it went out."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import text

from dialog_acd.core.model import Contract, Price, Span, Tenant, TenantId
from dialog_acd.core.shares import APART, Account, Month, Sort, Usage, slices, statement
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.testing import demo_directory

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

MARCH, NOON = Month(2026, 3), datetime(2026, 4, 1, 12, 0, 0, 1, tzinfo=UTC)
PRICES = (
    Price(None, Decimal(95000), Decimal("2.4"), Decimal("1.5900"), Decimal("0.85"), 1, Span.YEAR),
    Price(date(2026, 3, 15), Decimal("0.0001")),
)
TOWN = Tenant(TenantId("laatzen"), "Laatzen; „Süd“", "", contract=Contract(prices=PRICES, inhabitants=41_000))
USED = {Account(Sort.TOWN, TOWN.id): Usage(5, 4, 1, 1_234_567, 89_012), APART[0]: Usage(1, 1, 0, 1, 1)}
TOLD = statement(MARCH, [TOWN], [(of, USED) for of in slices(MARCH, [TOWN])], version=17, as_of=NOON)


async def test_a_statement_is_kept_to_the_letter_and_numbered_by_month(engine: AsyncEngine) -> None:
    store = StatementStore(engine)
    assert await store.latest(MARCH) is None
    first = await store.keep(TOLD, NOON, "kämmerei")
    second = await store.keep(TOLD.of_town("laatzen"), NOON + timedelta(days=1), "anna")
    assert ((await store.keep(TOLD, NOON, "x")).number, first.number, second.number) == (3, 1, 2)
    assert await store.latest(MARCH, 1) == first
    assert await store.latest(MARCH, 2) == second
    assert (await store.latest(MARCH, 2), await store.latest(MARCH, 4)) == (second, None)
    assert await store.latest(Month(2026, 4)) is None
    found = await store.latest(MARCH, 1)
    assert found is not None
    assert (found.statement, found.by, found.at) == (TOLD, "kämmerei", NOON)
    assert len(TOLD.shares[0].positions) == 5, "a test of something"
    assert found.statement.shares[0].positions[2].price == Decimal("2.4")
    assert type(found.statement.shares[0].account) is Account


async def test_two_who_issue_at_once_have_two_numbers(engine: AsyncEngine) -> None:
    store = StatementStore(engine)
    await store.keep(TOLD, NOON, "first")
    made = await asyncio.gather(*(store.keep(TOLD, NOON, who) for who in ("anna", "bert")))
    assert sorted(issue.number for issue in made) == [2, 3]


async def test_the_directory_of_a_moment_is_the_one_in_force_before_it(engine: AsyncEngine) -> None:
    store, directory = DirectoryStore(engine), demo_directory()
    for day in (1, 5, 9):
        await store.replace(directory, Edit("anna", datetime(2026, 3, day, tzinfo=UTC)))
    told = [
        await store.number_at(datetime(2026, 3, day, hour, tzinfo=UTC))
        for day, hour in ((5, 0), (5, 1), (20, 0), (1, 0))
    ]
    assert told == [1, 2, 3, 1]


async def test_a_clock_that_was_set_back_brings_no_earlier_directory_into_force(engine: AsyncEngine) -> None:
    store, directory = DirectoryStore(engine), demo_directory()
    for day in (9, 5):
        await store.replace(directory, Edit("anna", datetime(2026, 3, day, tzinfo=UTC)))
    assert await store.number_at(datetime(2026, 3, 20, tzinfo=UTC)) == 2


async def test_rows_are_what_they_look_like(engine: AsyncEngine) -> None:
    await StatementStore(engine).keep(TOLD, NOON, "anna")
    async with engine.connect() as connection:
        [row] = await connection.execute(text("SELECT month, number FROM statements"))
    assert tuple(row) == ("2026-03", 1)
