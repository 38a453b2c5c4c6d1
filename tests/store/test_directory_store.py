"""The directory goes into the database and comes back the same, or not at all."""

from __future__ import annotations

import asyncio
import gc
import json
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from dialog_acd.administration import Administration, Changed
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.errors import DirectoryInvalid, OurFault
from dialog_acd.core.model import (
    AgentOrder,
    CalendarId,
    EntryKind,
    Prompt,
    PromptId,
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
from dialog_acd.store import directory_store
from dialog_acd.store.database import open_database, writing
from dialog_acd.store.directory_file import (
    DirectoryFileInvalid,
    directory_from_json,
    directory_from_yaml,
    read_directory,
)
from dialog_acd.store.directory_plain import plain
from dialog_acd.store.directory_store import DirectoryMoved, DirectoryStore, Edit, NoSuchVersion
from dialog_acd.store.recording_store import Recording, RecordingStore
from dialog_acd.store.tables import directory_versions as versions
from dialog_acd.testing import ManualClock
from directories import DEMO

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def stored(engine: AsyncEngine) -> Directory:
    """As another program reads it: a store that has just written it need not look."""
    return await DirectoryStore(engine).load()


async def edited(engine: AsyncEngine, edit: Callable[[dict[str, Any]], object]) -> None:
    """Somebody changes what is in force in the database itself."""
    async with writing(engine).begin() as connection:
        found = await connection.scalar(select(func.max(versions.c.number)))
        content = await connection.scalar(select(versions.c.content).where(versions.c.number == found))
        assert content is not None
        said = json.loads(zlib.decompress(content))
        edit(said)
        packed = zlib.compress(json.dumps(said).encode())
        await connection.execute(update(versions).where(versions.c.number == found).values(content=packed))


async def test_what_is_stored_is_loaded(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    assert await store.is_empty()
    await store.replace(directory, BY_HAND)
    assert not await store.is_empty()
    assert await store.load() == await stored(engine) == directory


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
        assert await stored(engine) == one


async def test_the_new_directory_takes_the_place_of_the_old(engine: AsyncEngine, directory: Directory) -> None:
    store, other = DirectoryStore(engine), DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    assert await other.load() == directory
    smaller = replace(directory, agents=directory.agents[3:5], trunks=directory.trunks[1:])
    await store.replace(smaller, BY_HAND)
    assert await store.load() == await other.load() == smaller


async def test_what_is_asked_again_is_not_read_again(engine: AsyncEngine, directory: Directory) -> None:
    """Reading a large directory takes a quarter of a second of a processor that routes calls."""
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    assert await store.load() is directory
    other = DirectoryStore(engine)
    found = await other.load()
    assert await other.load() is found


async def test_a_directory_that_would_not_come_back_leaves_the_old_one_alive(
    engine: AsyncEngine, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    finer = replace(directory.queues[0], ring_for=timedelta(seconds=3, microseconds=1))
    with pytest.raises(DirectoryFileInvalid, match="at most three digits after the point"):
        await store.replace(replace(directory, queues=(finer, *directory.queues[1:])), BY_HAND)

    def forgetful(said: Directory) -> dict[str, Any]:
        return plain(said) | {"tenants": [{**tenant, "name": "Stadt"} for tenant in plain(said)["tenants"]]}

    monkeypatch.setattr(directory_store, "plain", forgetful)
    with pytest.raises(OurFault, match="would not come back"):
        await store.replace(directory, BY_HAND)
    assert await store.current() == 1
    assert await store.load() == await stored(engine) == directory


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
    assert await stored(engine) in (one, two)
    assert await store.load() == await stored(engine)


async def test_of_two_edits_made_from_the_same_version_one_is_refused(
    engine: AsyncEngine, directory: Directory
) -> None:
    """Two programs, each with a database of its own opened: the service, and somebody at the command line."""
    await DirectoryStore(engine).replace(directory, BY_HAND)
    one = replace(directory, agents=directory.agents[:1])
    two = replace(directory, agents=directory.agents[1:9])
    other = await open_database(engine.url.render_as_string(hide_password=False), busy_for=4)
    done = await asyncio.gather(
        DirectoryStore(engine).replace(one, BY_HAND, expected=1),
        DirectoryStore(other).replace(two, BY_HAND, expected=1),
        return_exceptions=True,
    )
    await other.dispose()
    assert done.count(2) == 1
    (refused,) = (said for said in done if said != 2)
    assert isinstance(refused, DirectoryMoved | OperationalError)  # or SQLite had no more patience
    assert await stored(engine) == (one if done[0] == 2 else two)
    assert await DirectoryStore(engine).current() == 2


async def test_an_edit_waits_for_one_that_is_not_done_yet_and_is_refused(
    engine: AsyncEngine, directory: Directory
) -> None:
    """What the other one is about to say cannot be seen yet; both would take the same number."""
    await DirectoryStore(engine).replace(directory, BY_HAND)
    theirs, ours = [await open_database(engine.url.render_as_string(hide_password=False)) for _ in range(2)]
    async with writing(theirs).begin() as connection:
        columns = [versions.c.at, versions.c.by, versions.c.why, versions.c.content]
        again = select(versions.c.number + 1, *columns)
        await connection.execute(insert(versions).from_select(["number", *(c.name for c in columns)], again))
        edit = asyncio.create_task(DirectoryStore(ours).replace(directory, BY_HAND, expected=1))
        async with asyncio.timeout(10):
            while engine.dialect.name == "postgresql" and not edit.done():
                if await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    break
    with pytest.raises(DirectoryMoved, match="is at version 2 by now"):
        await edit
    await theirs.dispose()
    await ours.dispose()


async def test_a_database_edited_into_nonsense_is_told_with_every_fault(
    engine: AsyncEngine, directory: Directory
) -> None:
    def nonsense(said: dict[str, Any]) -> None:
        queue = next(queue for queue in said["queues"] if queue["id"] == "region")
        queue |= {"steps": ["from 0 s: region>=9", "from 5 s"], "ladder": ["waited: release"]}
        said["calendars"][0] |= {"hours": ["mon 7-18"], "special_days": [{"day": "24.12.2026", "name": "x"}]}
        said["agents"][0]["shoe_size"] = 43

    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    await edited(engine, nonsense)
    with pytest.raises(DirectoryFileInvalid) as caught:
        await store.load()
    assert "version 1" in str(caught.value)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "queues[1].steps[0]",
        "queues[1].steps[1]",
        "queues[1].ladder[0]",
        "agents[0].shoe_size",
        "calendars[0].hours[0]",
        "calendars[0].special_days[0].day",
    ]


async def test_what_contradicts_itself_is_told_too(engine: AsyncEngine, directory: Directory) -> None:
    def contradict(said: dict[str, Any]) -> None:
        said["entries"] = [entry for entry in said["entries"] if entry["kind"] != "catch-all"]
        said["agents"][5]["phone"] = "?"

    await DirectoryStore(engine).replace(directory, BY_HAND)
    await edited(engine, contradict)
    with pytest.raises(DirectoryFileInvalid) as caught:
        await stored(engine)
    assert [fault.partition(",")[0] for fault in caught.value.faults] == [
        "there must be exactly one catch-all entry",
        f"agent {directory.agents[5].id}: phone '?' is not of the form [0-9a-z-]",
    ]


@pytest.mark.parametrize("content", [b"", b"tenants: []", zlib.compress(b"tenants: []"), zlib.compress(b"[]")])
async def test_what_is_no_directory_at_all_is_told_and_can_be_replaced(
    engine: AsyncEngine, directory: Directory, content: bytes
) -> None:
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    async with writing(engine).begin() as connection:
        await connection.execute(update(versions).values(content=content))
    for ask in (store.load, store.text_of, store.plain_of):
        with pytest.raises(DirectoryFileInvalid, match="version 1"):
            await ask()
    assert await store.replace(directory, BY_HAND) == 2
    assert await stored(engine) == directory


async def test_an_empty_database_is_no_directory(engine: AsyncEngine) -> None:
    with pytest.raises(DirectoryInvalid, match=r"no directory yet: load one with `dialog-acd load FILE`\.$"):
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


async def test_a_version_is_told_as_a_file_that_can_be_applied(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    dated = replace(directory, tenants=(replace(directory.tenants[0], name="2026-12-24"), *directory.tenants[1:]))
    await store.replace(dated, BY_HAND)
    await store.replace(directory, BY_HAND)
    assert directory_from_yaml(await store.text_of(1), Path("x.yaml")) == dated
    assert directory_from_yaml(await store.text_of(), Path("x.yaml")) == directory
    number, said = await store.plain_of(1)
    assert number == 1
    assert directory_from_json(json.dumps(said).encode(), "x") == dated


async def test_a_version_that_is_not_allowed_any_more_is_told_so_that_it_can_be_corrected(
    engine: AsyncEngine, directory: Directory
) -> None:
    """Yesterday's program had a rule less, or a field more."""
    store = DirectoryStore(engine)
    await store.replace(directory, BY_HAND)
    await edited(engine, lambda said: said["queues"][0].update(forgotten="often"))
    with pytest.raises(DirectoryFileInvalid, match="unknown field"):
        await store.version(1)
    told = await store.text_of(1)
    assert told.count("    forgotten: often\n") == 1
    assert directory_from_yaml(told.replace("    forgotten: often\n", ""), Path("x.yaml")) == directory


async def test_a_directory_nobody_can_read_any_more_can_still_be_replaced(
    engine: AsyncEngine, directory: Directory
) -> None:
    store, now = DirectoryStore(engine), BY_HAND.at
    await store.replace(directory, BY_HAND)
    await edited(engine, lambda said: said["queues"][0].update(ladder=["release me"]))
    told: list[Directory] = []
    administration = Administration(store, ManualClock(now), told.append)
    looked = await administration.put(directory, "bert", "", 1, dry_run=True)
    assert looked.differences[0] == "version 1, which is in force, cannot be read, and all of it is replaced"
    assert (looked.version, told) == (1, [])
    changed = await administration.put(directory, "bert", "", 1)
    assert (changed.version, told) == (2, [directory])
    assert await stored(engine) == directory


async def test_the_garbage_collector_stands_still_in_an_edit(engine: AsyncEngine, directory: Directory) -> None:
    """With a large directory it would hold up the loop for longer than an edit may."""
    on: list[bool] = []
    administration = Administration(
        DirectoryStore(engine), ManualClock(BY_HAND.at), lambda _: on.append(gc.isenabled())
    )
    await administration.put(directory, "bert", "", None)
    await administration.roll_back(1, "bert", "", None)
    await administration.reload()
    with pytest.raises(NoSuchVersion):
        await administration.roll_back(9, "bert", "", None)
    assert (on, gc.isenabled()) == ([False, False], True)


async def test_the_first_directory_is_put_in_force_like_any_other(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    administration = Administration(store, ManualClock(BY_HAND.at), lambda _: None)
    with pytest.raises(DirectoryMoved):
        await administration.put(directory, "bert", "", 1)
    changed = await administration.put(directory, "bert", "first", 0)
    assert changed.version == 1
    assert changed.differences[0].startswith("tenant hannover is new")
    assert await administration.put(directory, "bert", "again", None) == Changed(1, ())


async def test_a_prompt_names_only_recordings_that_were_brought(engine: AsyncEngine, directory: Directory) -> None:
    store = DirectoryStore(engine)
    told: list[Directory] = []
    administration = Administration(store, ManualClock(BY_HAND.at), told.append)
    await administration.put(directory, "bert", "first", 0)

    def with_prompts(*digests: str) -> Directory:
        prompts = (Prompt(PromptId(f"p{n}"), "Gruß", recording=digest) for n, digest in enumerate(digests))
        return replace(directory, prompts=(*directory.prompts, *prompts))

    brought, lost = "a" * 64, "b" * 64
    recording = Recording(brought, "", None, "bert", BY_HAND.at, timedelta(seconds=1), -3.0, -22.0, 0.0, ())
    await RecordingStore(engine).add(recording, content=b"c", narrow=b"n", wide=b"w")
    for dry_run in (True, False):
        with pytest.raises(DirectoryInvalid) as caught:
            await administration.put(with_prompts(brought, lost), "bert", "", None, dry_run=dry_run)
        assert caught.value.faults == (f"prompt p1: nobody has brought the recording {lost}: upload it first",)
    assert (await administration.put(with_prompts(brought), "bert", "", None)).version == 2
    assert len(told) == 2
    # One that was lost (a backup without it) must not stand in the way of another edit.
    await store.replace(with_prompts(lost), BY_HAND)
    assert (await administration.put(with_prompts(lost, brought), "bert", "", None)).version == 4
