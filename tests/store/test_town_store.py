"""A town leaves the centre: it takes along what is its own, and nothing of its people stays behind."""

from __future__ import annotations

import asyncio
import csv
import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import insert, select

from dialog_acd.core.model import AgentId, CallId, Phone, TeamId, TenantId
from dialog_acd.core.records import RungTaken
from dialog_acd.store import tables, town_store
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import writing
from dialog_acd.store.directory_file import DirectoryFileInvalid
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.recording_store import Recording, RecordingStore
from dialog_acd.store.town_store import ErasureRefused, ExportRefused, TownStore, UnknownTown
from dialog_acd.testing import demo_directory
from records import NOON, served

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.records import CallRecord

LEAVES, STAYS = TenantId("langenhagen"), TenantId("hannover")
CALLER = "+493023125771"


class Town:
    """A centre of two towns with a day behind it."""

    def __init__(self, engine: AsyncEngine, folder: Path, clock: Any) -> None:
        self.engine, self.folder, self.clock = engine, folder, clock
        self.directories, self.reader = DirectoryStore(engine), RecordReader(engine)
        self.store = TownStore(engine, self.directories)

    async def lives(self) -> None:
        await self.directories.replace(demo_directory(), Edit("anna", NOON))
        writer = RecordWriter(self.engine, self.folder / "journal", self.clock)
        for town in (LEAVES, STAYS):
            for n in range(3):
                promised = NOON if n == 2 else None
                writer.put(served(f"{town}{n}", tenant=town, ani=CALLER, t_callback=promised, transferred_to="4711"))
            writer.put(replace(served(f"{town}0", tenant=town), cause=99))
        assert await writer.close(5) == 0
        assert writer.conflicts == 2
        audit = AuditStore(self.engine)
        for town in (LEAVES, STAYS):
            audit.put(
                at=NOON, who="x", role="town-admin", tenant=town, action="a.b", about=town, outcome="done", details={}
            )
            recording = Recording(town, "gruß.wav", town, "x", NOON, timedelta(seconds=2), -3.0, -22.0, 1.0, ())
            await RecordingStore(self.engine).add(recording, content=b"RIFF" + town.encode(), narrow=b"", wide=b"")
        await audit.flush()
        rows = [
            {
                "id": town,
                "name": f"Frau Meier, {town}",
                "role": "town-admin",
                "tenant": town,
                "digest": f"digest-{town}",
                "created_at": NOON,
                "expires_at": NOON,
            }
            for town in (LEAVES, STAYS)
        ]
        async with writing(self.engine).begin() as connection:
            await connection.execute(insert(tables.tokens), rows)

    async def leaves(self, **changes: Any) -> None:
        """The directory goes on without it."""
        with_it = await self.directories.load()
        without = replace(
            with_it,
            tenants=tuple(t for t in with_it.tenants if t.id != LEAVES),
            entries=tuple(e for e in with_it.entries if e.tenant != LEAVES),
            **changes,
        )
        await self.directories.replace(without, Edit("anna", self.clock()))


@pytest.fixture
async def town(engine: AsyncEngine, tmp_path: Path, clock: Any) -> Town:
    town = Town(engine, tmp_path, clock)
    await town.lives()
    return town


async def test_it_takes_along_what_is_its_own_and_nothing_else(town: Town) -> None:
    to = town.folder / "langenhagen"
    counts = await town.store.export(LEAVES, to, NOON, "anna")
    assert counts.pop("directory") > 2
    assert counts == {"records": 3, "callbacks": 1, "recordings": 1, "audit": 1, "tokens": 1}
    assert to.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.read_text(encoding="utf-8") for path in to.iterdir() if path.is_file()}
    directory = yaml.safe_load(files["directory.yaml"])
    assert [tenant["id"] for tenant in directory["tenants"]] == [LEAVES]
    assert {entry["tenant"] for entry in directory["entries"]} == {LEAVES}
    assert "hannover" not in "".join(files.values())
    told = [json.loads(line) for line in files["records.jsonl"].splitlines()]
    assert {record["call"] for record in told} == {"langenhagen0", "langenhagen1", "langenhagen2"}
    assert "caller_hash" not in told[0]
    rows = list(csv.DictReader(files["records.csv"].splitlines()))
    assert (rows[0]["result"], rows[0]["agent"], rows[0]["dialled"]) == ("served", "", "'+4951173070")
    assert "bert" not in "".join(files.values()), "the centre's staff is not the town's"
    assert [row["ani"] for row in csv.DictReader(files.pop("callbacks.csv").splitlines())] == [CALLER]
    assert CALLER not in "".join(files.values()), "but for whom the town owes a call"
    assert (to / "recordings" / "langenhagen.wav").read_bytes() == b"RIFFlangenhagen"
    assert "digest-" not in "".join(files.values())

    (line,) = [one for one in await AuditStore(town.engine).page(9, None, LEAVES) if one.action == "tenants.export"]
    assert line.details == counts | {"directory": line.details["directory"], "by": "anna"}

    with pytest.raises(ExportRefused, match="name a new one"):
        await town.store.export(LEAVES, to, NOON, "anna")
    with pytest.raises(UnknownTown):
        await town.store.export(TenantId("atlantis"), town.folder / "atlantis", NOON, "anna")


async def test_it_does_not_take_along_how_long_the_centres_staff_took(town: Town) -> None:
    def after(seconds: float) -> datetime:
        return NOON - timedelta(seconds=60) + timedelta(seconds=seconds)  # the answer

    back = served(
        "back", tenant=LEAVES, team=TeamId("alone"), talk_ms=33_000, wrap_ms=7000, t_amended=after(61),
        t_leave=after(58),
        rungs=(RungTaken(after(-5), "widen 1", ""), RungTaken(after(40), "widen 1", "")),
    )  # fmt: skip
    left = served("left", tenant=LEAVES, t_ans=None, t_wrap_end=None)
    writer = RecordWriter(town.engine, town.folder / "journal", town.clock)
    for record in (back, left):
        writer.put(record)
    assert await writer.close(5) == 0
    await town.store.export(LEAVES, town.folder / "out", NOON, "anna")
    lines = (town.folder / "out" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    told = {record["call"]: record for record in map(json.loads, lines)}
    record = told["back"]
    moments = {value for name, value in record.items() if name.startswith("t_") and value}
    moments |= {one["at"] for one in (*record["offers"], *record["rungs"]) if one["at"]}
    assert max(moments) == record["t_ans"], "of what came after it there is no time"
    assert (record["team"], record["talk_ms"], record["wrap_ms"]) == (None, None, None)
    assert [bool(offer["at"]) for offer in record["offers"]] == [True, False]
    assert told["left"]["t_end"] == left.t_end.isoformat(), "where nobody answered nobody is timed"
    assert "alone" not in (town.folder / "out" / "records.csv").read_text(encoding="utf-8")


async def test_it_is_not_erased_while_calls_may_come_or_live(town: Town, clock: Any) -> None:
    with pytest.raises(ErasureRefused, match="directory in force"):
        await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")
    clock.advance(days=1)
    await town.leaves()
    clock.advance(hours=23)
    with pytest.raises(ErasureRefused, match="less than a day ago"):
        await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")
    assert await town.store.export(LEAVES, town.folder / "late", NOON, "anna"), "what it was is remembered"


async def test_nothing_of_its_people_stays_and_the_sums_do(town: Town, clock: Any) -> None:
    clock.advance(days=1)
    await town.leaves()
    clock.advance(days=2)
    gone = await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")
    assert gone == {
        "records": 3, "numbers": 3, "keys": 1, "conflicts": 1, "recordings": 1, "tokens": 1, "switches": 0
    }  # fmt: skip
    for call in ("langenhagen0", "langenhagen2"):
        record, before = await town.reader.by_call(CallId(call)), served(call)
        assert record is not None
        assert (record.ani, record.agent, record.caller_hash, record.transferred_to, record.trunk_call_id) == (
            None, None, None, None, ""
        )  # fmt: skip
        assert {offer.agent for offer in record.offers} == {""}
        assert (record.t_in, record.t_ans, record.t_end, record.outcome) == (
            before.t_in, before.t_ans, before.t_end, before.outcome
        )  # fmt: skip
    other = await town.reader.by_call(CallId("hannover2"))
    assert other is not None
    assert (other.ani, other.agent, other.transferred_to) == (CALLER, "bert", "4711")
    assert [conflict.record.tenant for conflict in await town.reader.conflicts_since(NOON)] == [STAYS]
    async with town.engine.connect() as connection:
        for table in (tables.recordings, tables.tokens, tables.caller_keys):
            assert set(await connection.scalars(select(table.c.tenant))) == {STAYS}, table.name
        lines = (await connection.execute(select(tables.audit.c.action, tables.audit.c.tenant))).all()
    assert sorted(tuple(line) for line in lines) == [
        ("a.b", STAYS), ("a.b", LEAVES), ("tenants.erase", LEAVES), ("tenants.erase-begun", LEAVES)
    ]  # fmt: skip
    assert sum((await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")).values()) == 3, (
        "the offers are looked at once more"
    )


async def test_how_many_of_them_answered_is_counted_before_nobody_can(town: Town, clock: Any) -> None:
    """Nobody has asked for a report of the town before it left."""
    writer = RecordWriter(town.engine, town.folder / "journal", clock)
    for n in range(6):
        writer.put(served(f"answered{n}", tenant=LEAVES, agent=AgentId(f"a{n}")))
    assert await writer.close(5) == 0
    clock.advance(days=1)
    await town.leaves()
    clock.advance(days=2)
    await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")
    (found,) = (await FiguresStore(town.engine, clock).figures(NOON.date(), clock().date(), [LEAVES])).values()
    assert found.people == 7, "with Bert"


async def test_a_later_directory_that_todays_rules_do_not_allow_is_in_nobodys_way(town: Town, clock: Any) -> None:
    clock.advance(days=1)
    await town.leaves()
    today = town.directories.version

    async def version(number: int) -> Any:
        if number == 2:
            raise DirectoryFileInvalid(town.folder, ("not allowed any more",))
        return await today(number)

    town.directories.version = version  # type: ignore[method-assign]
    clock.advance(days=2)
    assert await town.store.export(LEAVES, town.folder / "langenhagen", NOON, "anna")
    town.directories.load = version  # type: ignore[assignment, method-assign]
    assert (await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal"))["records"] == 3


async def test_who_would_come_back_with_a_record_that_waits_is_not_erased_yet(town: Town, clock: Any) -> None:
    clock.advance(days=1)
    await town.leaves()
    journal = town.folder / "journal"
    writer = RecordWriter(town.engine, journal, clock)
    writer.put(served("hannover9", tenant=STAYS, ani=CALLER))
    clock.advance(days=2)
    await town.store.require_gone(LEAVES, clock(), journal)
    writer.put(served("langenhagen9", tenant=LEAVES, ani=CALLER))
    with pytest.raises(ErasureRefused, match=r"1 records or changes of langenhagen wait in .* and would bring"):
        await town.store.erase(LEAVES, clock(), "anna", journal)
    assert not [one for one in await AuditStore(town.engine).page(9, None, LEAVES) if one.action != "a.b"]
    assert await writer.close(5) == 0
    assert (await town.store.erase(LEAVES, clock(), "anna", journal))["records"] == 4


async def test_what_its_town_halls_agents_see_of_themselves_ends_with_it(town: Town, clock: Any) -> None:
    directory = await town.directories.load()
    stays, moves = directory.agents
    leaves = replace(moves, id=AgentId("carl"), phone=Phone("phone-carl"))
    hall = tuple(replace(agent, home=LEAVES) for agent in (moves, leaves))
    await town.directories.replace(replace(directory, agents=(stays, *hall)), Edit("anna", clock()))
    clock.advance(days=1)
    await town.leaves(agents=(stays, replace(moves, home=None)))
    token = {"role": "agent", "tenant": None, "created_at": NOON, "expires_at": NOON}
    rows = [token | {"id": a.id, "name": a.name, "agent": a.id, "digest": a.id} for a in (stays, moves, leaves)]
    async with writing(town.engine).begin() as connection:
        await connection.execute(insert(tables.tokens), rows)
    clock.advance(days=2)
    assert (await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal"))["tokens"] == 2
    async with town.engine.connect() as connection:
        left = set(await connection.scalars(select(tables.tokens.c.id)))
    assert left == {STAYS, stays.id, moves.id}


async def test_an_erasure_that_is_cut_short_was_begun_by_somebody(
    town: Town, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(days=1)
    await town.leaves()
    clock.advance(days=2)

    async def ends(*_: object) -> int:
        raise OSError("killed")

    monkeypatch.setattr(TownStore, "_erase_numbers", ends)
    with pytest.raises(OSError, match="killed"):
        await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal")
    (line, *_) = await AuditStore(town.engine).page(9, None, LEAVES)
    assert (line.action, line.details) == ("tenants.erase-begun", {"by": "anna"})


async def test_a_town_of_many_calls_is_erased_in_pieces_between_which_others_write(
    town: Town, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(days=1)
    await town.leaves()
    clock.advance(days=2)
    writer = RecordWriter(town.engine, town.folder / "journal", clock)

    async def breathes(_: float) -> None:
        writer.put(served(f"new{writer.written}", tenant=STAYS))
        assert await writer.flush()

    monkeypatch.setattr(town_store, "_BATCH", 1)  # they all came at the same moment
    monkeypatch.setattr(town_store, "asyncio", SimpleNamespace(sleep=breathes, to_thread=asyncio.to_thread))
    assert (await town.store.erase(LEAVES, clock(), "anna", town.folder / "journal"))["records"] == 3
    assert writer.written == 3
    assert {(await town.reader.by_call(CallId(f"langenhagen{n}"))).agent for n in range(3)} == {None}  # type: ignore[union-attr]
    await writer.close(1)


async def test_what_it_takes_along_is_written_as_it_is_read(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls there were, they are never all in the memory."""
    to, reads, pages = town.folder / "langenhagen", RecordReader.recent, 0

    async def recent(*asked: Any, **more: Any) -> list[CallRecord]:
        nonlocal pages
        pages += 1
        if pages == 3:
            raise OSError("out of memory")
        return await reads(*asked, **more)

    monkeypatch.setattr(town_store, "_BATCH", 1)
    monkeypatch.setattr(RecordReader, "recent", recent)
    with pytest.raises(OSError, match="out of memory"):
        await town.store.export(LEAVES, to, NOON, "anna")
    assert len((to / "records.jsonl").read_text().splitlines()) == 2
    assert len((to / "records.csv").read_text().splitlines()) == 3
