"""The directory goes into the database and comes back the same, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import (
    AgentOrder,
    CalendarId,
    EntryKind,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Team,
    TeamId,
    TenantId,
    Trunk,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.store.database import writing
from dialog_acd.store.directory_file import read_directory
from dialog_acd.store.directory_store import DirectoryMoved, DirectoryStore, Edit, NoSuchVersion
from directories import DEMO

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory


BY_HAND = Edit("anna", datetime(2026, 11, 23, 9, tzinfo=UTC))


@pytest.fixture
def directory() -> Directory:
    """The demo's, with everything set that it leaves alone."""
    demo = read_directory(DEMO)
    first, *others = demo.queues
    return replace(
        demo,
        skills=(*demo.skills, Skill(SkillId("tuerkisch"), "Türkisch", SkillKind.LANGUAGE)),
        teams=(Team(TeamId("zwei"), "Zwei", by_target=True), Team(TeamId("eins"), "Eins", help_debt=True), *demo.teams),
        calendars=(
            Calendar(
                CalendarId("rathaus"),
                "Rathaus",
                (
                    parse_hours("mon-thu 07:00-12:30"),
                    parse_hours("mon-thu 13:30-24:00"),
                    parse_hours("fri 07:00-15:00"),
                ),
                special_days=(
                    SpecialDay(date(2026, 12, 24), "Heiligabend", ((time(8), time(12)), (time(13), time()))),
                    SpecialDay(date(2026, 9, 3), "Betriebsausflug"),
                ),
                zone="Europe/London",
            ),
            *demo.calendars,
        ),
        partners=(
            replace(
                demo.partners[0],
                numbers=("+49441115", "115"),
                ring_for=timedelta(seconds=31.5),
                calendar=CalendarId("rathaus"),
                channels=4,
                calls_per_hour=60,
                min_gain=timedelta(seconds=45),
            ),
        ),
        queues=(
            replace(
                first,
                steps=tuple(
                    parse_step(step)
                    for step in ("from 0 s: hannover>=4 and tuerkisch>=2", "from 12.5 s: hannover>=2", "from 30 s: any")
                ),
                priority=7,
                agent_order=AgentOrder.BEST_LEVEL,
                home_first=True,
                ring_for=timedelta(seconds=12, milliseconds=345),
                max_wait=timedelta(days=1),
                target_share=1 / 3,
                ladder=tuple(
                    parse_rung(rung)
                    for rung in (
                        "closed by hours for 115, main-number: partner oldenburg",
                        "queue length 4: widen 1",
                        "expected wait 90.25 s: queue region",
                        "waited 120 s: announce acd/long-wait",
                        "nobody signed in: release",
                    )
                ),
                music="bach",
            ),
            replace(others[0], to_partners=False),
            *others[1:],
        ),
        entries=(
            *(replace(e, greeting=f"acd/{i}" if i % 2 else None, failsafe="stays") for i, e in enumerate(demo.entries)),
            replace(
                demo.entries[0],
                number="4711",
                block=False,
                kind=EntryKind.INTERNAL,
                calendar=CalendarId("rathaus"),
                closed="acd/it-closed",
                at_most=3,
                spare=2,
                active_to=date(2026, 12, 31),
            ),
            # The same number again, and the later one first: a directory keeps its order.
            replace(demo.entries[0], number="+495130", active_from=date(2027, 2, 28), active_to=date(2027, 2, 28)),
            replace(demo.entries[0], number="+495130", active_to=date(2027, 2, 27), block=False),
            replace(demo.entries[0], number="+495130", active_from=date(2028, 2, 29)),
        ),
        agents=(
            replace(
                demo.agents[0],
                team=None,
                home=TenantId("langenhagen"),
                lines=frozenset({QueueId("region"), QueueId("hannover")}),
            ),
            replace(demo.agents[1], skills={}, team=TeamId("eins")),
            *demo.agents[2:],
        ),
        failsafe_profiles=(
            replace(demo.failsafe_profiles[0], hours=("8:00-18:00,mon-fri,*,*", "9:00-12:00,sat,*,*")),
            replace(demo.failsafe_profiles[0], name="stays", partner=None),
        ),
        # Not in the order of their names: the first one counts.
        trunks=(Trunk("zebra", "cc-no-plus", "5102", "49"), Trunk("aachen", "subscriber", "241", "49")),
    )


async def test_what_is_stored_is_loaded(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    assert await store.is_empty()
    await store.replace(directory, BY_HAND)
    assert not await store.is_empty()
    assert await store.load() == directory


@st.composite
def periods(draw: st.DrawFn) -> list[tuple[date | None, date | None]]:
    """Of one number, none of them overlapping, in any order; the first or the last perhaps without an end."""
    days = sorted(draw(st.sets(st.dates(date(2000, 1, 1), date(2099, 12, 31)), min_size=2, max_size=10)))
    found: list[tuple[date | None, date | None]] = list(zip(days[::2], days[1::2], strict=False))
    if draw(st.booleans()):
        found[0] = (None, found[0][1])
    if draw(st.booleans()):
        found[-1] = (found[-1][0], None)
    return draw(st.permutations(found))


async def test_entries_with_whatever_dates_come_back_as_they_were(engine: AsyncEngine, directory: Directory) -> None:
    made: list[Directory] = []

    # Collected first: hypothesis calls a plain function, the databases want to be awaited.
    @settings(max_examples=25, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(periods(), periods())
    def collect(one: list[tuple[date | None, date | None]], other: list[tuple[date | None, date | None]]) -> None:
        entries = [
            replace(directory.entries[0], number=number, active_from=since, active_to=to)
            for number, its in (("+49513", one), ("+495139", other))
            for since, to in its
        ]
        made.append(replace(directory, entries=(*entries, *directory.entries)))

    collect()
    store = DirectoryStore(engine)
    for one in made:
        await store.replace(one, BY_HAND)
        assert await store.load() == one


async def test_the_new_directory_takes_the_place_of_the_old(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    smaller = replace(directory, agents=directory.agents[3:5], trunks=directory.trunks[1:])
    await store.replace(smaller, BY_HAND)
    assert await store.load() == smaller


async def test_the_order_is_the_one_of_the_positions(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    async with writing(engine).begin() as connection:
        await connection.execute(text("UPDATE trunks SET position = 1 - position"))
    assert (await store.load()).trunks == directory.trunks[::-1]


async def test_a_directory_that_cannot_be_written_leaves_the_old_one_alive(
    engine: AsyncEngine, directory: Directory
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    finer = replace(directory.queues[0], ring_for=timedelta(seconds=3, microseconds=1))
    with pytest.raises(StatementError, match="not a whole number of milliseconds"):
        await store.replace(replace(directory, queues=(finer, *directory.queues[1:])), BY_HAND)
    assert await store.load() == directory


async def test_two_edits_at_once_leave_one_of_them_whole(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    one = replace(directory, agents=directory.agents[:1], trunks=directory.trunks[:1])
    two = replace(directory, agents=directory.agents[1:9])
    done = await asyncio.gather(store.replace(one, BY_HAND), store.replace(two, BY_HAND), return_exceptions=True)
    if engine.dialect.name == "postgresql":
        assert {*done} == {2, 3}, "the second waits for the first"
    # SQLite may tell the second to come again; it never mixes them.
    assert any(isinstance(number, int) for number in done)
    loaded = await store.load()
    assert loaded in (one, two)


async def test_a_database_edited_into_nonsense_is_refused_whole(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    edits = {
        "queues": """steps = '["from 0 s: region>=9", "from 5 s"]', ladder = '["waited: release"]'
            WHERE id = 'region'""",
        "calendars": """hours = '["mon 7-18"]', special_days = '[{"day": "2026-12-24", "name": "x", "hours": ["8"]}]'
            WHERE id = 'rathaus'""",
        "agents": "phone = '?' WHERE id = 'agent05'",
    }
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM entries WHERE kind = 'catch-all'"))
        for table, edit in edits.items():
            # A colon before a word would be a parameter.
            await connection.execute(text(f"UPDATE {table} SET {edit}".replace(":", "\\:")))  # noqa: S608  ours
    with pytest.raises(DirectoryInvalid) as caught:
        await store.load()
    told = [
        "calendar rathaus: 'mon 7-18': ",
        "calendar rathaus: 'daily 8': ",
        "queue region: 'from 0 s: region>=9': 'region>=9' is not a need",
        "queue region: 'from 5 s': write a step as",
        "queue region: 'waited: release': say after how many seconds",
        "there must be exactly one catch-all entry",
        "agent agent05: phone '?' is not of the form",
    ]
    assert len(caught.value.faults) == len(told), caught.value.faults
    for fault, begin in zip(caught.value.faults, told, strict=True):
        assert fault.startswith(begin)


@pytest.mark.parametrize("rows", ["queues", "calendars"])
async def test_one_line_nobody_can_read_is_enough(engine: AsyncEngine, directory: Directory, rows: str) -> None:
    """What cannot be read must not be left out: a queue without its rungs would serve otherwise than was said."""
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    edit = "ladder = '[\"release\"]'" if rows == "queues" else "hours = '[\"mon\"]' WHERE id = 'always'"
    async with writing(engine).begin() as connection:
        await connection.execute(text(f"UPDATE {rows} SET {edit}"))  # noqa: S608  ours
    with pytest.raises(DirectoryInvalid) as caught:
        await store.load()
    assert len(caught.value.faults) == (len(directory.queues) if rows == "queues" else 1)


async def test_an_empty_database_is_no_directory(engine: AsyncEngine) -> None:
    with pytest.raises(DirectoryInvalid):
        await DirectoryStore(engine).load()


# ---------------------------------------------------------------- versions


async def test_every_directory_that_was_in_force_is_kept_with_who_when_and_why(
    engine: AsyncEngine, directory: Directory
) -> None:
    store, noon = DirectoryStore(engine), datetime(2026, 11, 23, 12, tzinfo=UTC)
    renamed = replace(directory, tenants=(replace(directory.tenants[0], name="Neu"), *directory.tenants[1:]))
    assert await store.current() == 0
    assert await store.replace(directory, Edit("anna", noon, "go-live")) == 1
    assert await store.replace(renamed, Edit("bert", noon + timedelta(hours=1))) == 2
    assert await store.current() == 2
    said = [(v.number, v.edit.by, v.edit.at, v.edit.why) for v in await store.versions()]
    assert said == [(2, "bert", noon + timedelta(hours=1), ""), (1, "anna", noon, "go-live")]
    assert await store.version(1) == directory
    assert await store.version(2) == await store.load() == renamed
    assert [v.number for v in await store.versions(before=2)] == [1]
    with pytest.raises(NoSuchVersion):
        await store.version(3)


async def test_an_edit_made_from_an_older_version_is_refused_and_changes_nothing(
    engine: AsyncEngine, directory: Directory
) -> None:
    store, other = DirectoryStore(engine), replace(directory, partners=directory.partners)
    await store.replace(directory, BY_HAND)
    await store.replace(directory, BY_HAND, expected=1)
    without = replace(other, agents=other.agents[:1])
    with pytest.raises(DirectoryMoved, match="is at version 2 by now, this edit was made from version 1"):
        await store.replace(without, BY_HAND, expected=1)
    assert await store.load() == directory
    assert await store.current() == 2


async def test_what_a_version_before_versions_has_left_can_be_rolled_back_to(
    engine: AsyncEngine, directory: Directory
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM directory_versions"))
    assert await store.replace(replace(directory, agents=directory.agents[:1]), BY_HAND) == 2
    assert await store.version(1) == directory


async def test_a_directory_nobody_can_read_any_more_can_still_be_replaced(
    engine: AsyncEngine, directory: Directory
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM directory_versions"))
        await connection.execute(text("UPDATE queues SET ladder = '[\"release me\"]'"))
    assert await store.replace(directory, BY_HAND) == 1
    assert await store.load() == directory
