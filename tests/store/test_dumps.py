"""What any earlier version of this program has stored is read by this one: nothing is lost, and it means the same."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from dialog_acd.api.keys import Keyring
from dialog_acd.store import database as database_module
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import migrate, open_database, require_current_schema, writing
from dialog_acd.store.directory_file import directory_from_yaml
from dialog_acd.store.directory_plain import _table
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.record_store import RecordReader, RecordWriter
from dialog_acd.store.token_store import TokenStore
from records import NOON, served
from store import frozen

every_schema = pytest.mark.parametrize("schema", frozen.frozen())
_THAWED: dict[str, tuple[bytes, dict[int, str]]] = {}
"""SQLite files of this run by their schema: thawing and migrating takes longer than most that is asked of them."""


pytestmark = pytest.mark.program


@dataclass
class Thawed:
    """A database of an earlier version, after ``dialog-acd migrate``."""

    url: str
    before: dict[int, str]
    """The texts of its versions before that."""


async def contents(url: str) -> dict[int, str]:
    """The texts of all versions, on a schema that has them as texts."""
    engine = await open_database(url)
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda c: inspect(c).has_table("directory_versions")):
            rows: list[Any] = []
        else:
            rows = [*await connection.execute(text("SELECT number, content FROM directory_versions"))]
    await engine.dispose()
    return {row.number: row.content for row in rows if isinstance(row.content, str)}


async def thaw(url: str, schema: str) -> dict[int, str]:
    await frozen.thaw(url, schema)
    before = await contents(url)
    await migrate(url, now=frozen.TODAY)
    return before


@pytest.fixture
def thawed(empty_database_url: str, schema: str) -> Thawed:
    if not empty_database_url.startswith("sqlite"):
        return Thawed(empty_database_url, asyncio.run(thaw(empty_database_url, schema)))
    file = Path(make_url(empty_database_url).database or "")
    if schema not in _THAWED:
        before = asyncio.run(thaw(empty_database_url, schema))
        _THAWED[schema] = file.read_bytes(), before
    content, before = _THAWED[schema]
    file.write_bytes(content)
    return Thawed(empty_database_url, before)


def test_every_schema_before_this_one_is_frozen() -> None:
    scripts = ScriptDirectory.from_config(database_module._alembic_config())
    known = sorted(script.revision for script in scripts.walk_revisions())
    assert known[:-1] == [schema for schema in frozen.frozen() if schema < known[-1]], "see tests/store/dumps/README.md"


def expected(schema: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((frozen.DUMPS / f"{schema}.json").read_text(encoding="utf-8"))
    return said


def what_may_still_be_known(said: dict[str, Any]) -> None:
    """Callers' numbers are older than the rule that they go after some days: dumps before it say more of them."""
    if any("caller_hash" in record for record in said["records"]):
        return
    since = frozen.TODAY - timedelta(days=7)
    for record in said["records"]:
        young = datetime.fromisoformat(record["t_in"]) >= since
        record["caller_hash"] = "by a key" if young and record["ani"] else None
        if not young:
            record.update(dict.fromkeys(_NUMBERS & record.keys()))
    for conflict in said["conflicts"]:
        conflict.update(dict.fromkeys(_NUMBERS & conflict.keys()))


_NUMBERS = {"ani", "diversion", "transferred_to"}


def same_but_for_what_is_new(found: Any, wanted: Any) -> None:
    """What was frozen is there; what a table has more (a later field) says nothing."""
    if isinstance(wanted, dict):
        assert {name: found[name] for name in wanted if name in found} == wanted
        assert not any(value for name, value in found.items() if name not in wanted)
    else:
        assert found == wanted


@every_schema
async def test_a_database_of_an_earlier_version_is_read_whole(thawed: Thawed, schema: str) -> None:
    engine = await open_database(thawed.url)
    await require_current_schema(engine)
    found, wanted = await frozen.read(engine), expected(schema)
    directory = await DirectoryStore(engine).load()
    await engine.dispose()

    what_may_still_be_known(wanted)
    assert found.keys() >= wanted.keys()
    assert not any(found["directory"][section] for section in found["directory"].keys() - wanted["directory"].keys())
    for section, things in wanted.pop("directory").items():
        kept = found["directory"][section]
        assert len(kept) == len(things), section
        for one, thing, now in zip(kept, things, getattr(directory, section), strict=True):
            if isinstance(thing, dict):
                assert {name: one[name] for name in thing} == thing
                # A field that is younger than the dump is at its default.
                assert _table(now).keys() <= thing.keys()
            else:
                assert one == thing
    for what, things in wanted.items():
        assert len(found[what]) == len(things), what
        for one, thing in zip(found[what], things, strict=True):
            same_but_for_what_is_new(one, thing)


@pytest.mark.parametrize("schema", [schema for schema in frozen.frozen() if schema <= "0007"])
async def test_every_version_says_what_it_said_and_the_way_back_keeps_it(thawed: Thawed) -> None:
    engine = await open_database(thawed.url)
    store = DirectoryStore(engine)
    for number, content in thawed.before.items():
        assert await store.version(number) == directory_from_yaml(content, Path("x.yaml"))
    directory, current = await store.load(), await store.current()
    await engine.dispose()
    # To the last schema that had tables, without its history: what they say alone is the same directory.
    await migrate(thawed.url, "0007")
    after = await contents(thawed.url)
    assert {number: yaml.safe_load(after[number]) for number in thawed.before} == {
        number: yaml.safe_load(content) for number, content in thawed.before.items()
    }
    engine = await open_database(thawed.url)
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM directory_versions"))
    await engine.dispose()
    await migrate(thawed.url)
    engine = await open_database(thawed.url)
    assert await DirectoryStore(engine).load() == directory
    assert await DirectoryStore(engine).current() == 1 <= current
    await engine.dispose()


@every_schema
async def test_life_goes_on_in_it(thawed: Thawed, tmp_path: Path) -> None:
    """Edits, records, tokens, the audit log: what is added finds its place behind what was there."""
    engine = await open_database(thawed.url)
    store = DirectoryStore(engine)
    current = await store.current()
    assert await store.replace(await store.load(), Edit("anna", NOON, "again"), expected=current) == current + 1

    reader, writer = RecordReader(engine), RecordWriter(engine, tmp_path / "journal", lambda: NOON)
    had = await reader.records_since(frozen.LONG_AGO)
    for record in (*had, served("new")):  # also all that were there: found in a journal after a crash
        writer.put(record)
    assert await writer.flush()
    await writer.close(1)
    assert (writer.written, writer.conflicts) == (1, 0)
    assert await reader.count() == len(had) + 1

    audit = AuditStore(engine)
    lines = len(await audit.page(1000, None, None))
    audit.put(at=NOON, who="a", role="operator", tenant=None, action="x", about="", outcome="done", details={})
    assert sorted(line.id for line in await audit.page(1000, None, None)) == list(range(1, lines + 2))
    for change in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="audit is append-only"):
            async with writing(engine).begin() as connection:
                await connection.execute(text(change))
    await engine.dispose()


@pytest.mark.parametrize("schema", [schema for schema in frozen.frozen() if schema >= "0006"])
async def test_who_had_a_token_still_has_it(thawed: Thawed) -> None:
    engine = await open_database(thawed.url)
    keyring = Keyring("the-first-operator", TokenStore(engine), lambda: NOON)
    found = {}
    for name in ("town-admin", "operator", "revoked", "expired"):
        holder = await keyring.principal(f"acd_frozen-{name}")
        found[name] = holder and (holder.name, holder.role.value, holder.tenant)
    await engine.dispose()
    assert found == {
        "town-admin": ("rathaus-langenhagen", "town-admin", "langenhagen"),
        "operator": ("leitstelle", "operator", None),
        "revoked": None,
        "expired": None,
    }


async def test_what_the_first_databases_of_0014_went_without_is_made_up_for(
    empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    await frozen.thaw(empty_database_url, "0016")
    await migrate(empty_database_url, "0016")
    postgres = empty_database_url.startswith("postgresql")
    engine = await open_database(empty_database_url)
    numbers = [
        f"caller_numbers_{n}.{name}" for n in range(9) for name in ("ani", "diversion", "transferred_to", "dialled")
    ]
    hidden = [one.split(".") for one in (*numbers, "caller_keys.key")]
    async with writing(engine).begin() as connection:
        if postgres:
            for table, column in hidden:
                await connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1"))
            for n in range(20):
                said = {"call": f"c{n}", "ani": "+493023125771"}
                await connection.execute(
                    text("INSERT INTO caller_numbers_0 (call, day, ani) VALUES (:call, '2026-03-02', :ani)"), said
                )
            await connection.execute(text("ANALYZE caller_numbers_0"))
            await connection.execute(text("DROP INDEX ix_records_trunk_call_id"))
            await connection.execute(
                text("CREATE INDEX ix_records_trunk_call_id ON records USING hash (trunk_call_id)")
            )
            young = "OLD.at > (SELECT max(at) FROM audit) - interval '30 days'"
            refuse = f"IF {young} THEN RAISE EXCEPTION 'audit is append-only'; END IF;"
            await connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION audit_young_stay() RETURNS trigger LANGUAGE plpgsql AS"
                    f" $$ BEGIN {refuse} RETURN OLD; END $$"
                )
            )
        else:
            await connection.execute(text("DROP TRIGGER audit_no_DELETE"))
            await connection.execute(
                text(
                    "CREATE TRIGGER audit_no_DELETE BEFORE DELETE ON audit"
                    " WHEN OLD.at > datetime((SELECT max(at) FROM audit), '-30 days')"
                    " BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
                )
            )

    async def samples() -> list[str]:
        question = "SELECT attname FROM pg_stats WHERE tablename LIKE 'caller%' AND attname = 'ani'"
        async with engine.connect() as connection:
            return [row.attname for row in await connection.execute(text(question))]

    if postgres:
        assert await samples() == ["ani"]
    for _ in range(2):  # twice is once
        await migrate(empty_database_url)
        audit = AuditStore(engine)
        for days in (0, 3000):
            at = datetime.now(UTC) + timedelta(days=days)
            audit.put(
                at=at, who="a", role="operator", tenant=None, action="x", about=f"{days}", outcome="done", details={}
            )
        await audit.flush()
        # A line of years to come opens nothing: the database's own clock says what is young.
        with pytest.raises(DBAPIError, match="audit is append-only"):
            async with writing(engine).begin() as connection:
                await connection.execute(text("DELETE FROM audit WHERE about = '0'"))
        if postgres:
            assert await samples() == []
            async with engine.connect() as connection:
                question = (
                    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
                    " WHERE a.attstattarget = 0 AND a.attnum > 0 AND c.relname LIKE 'caller_%'"
                )
                found = sorted([*row] for row in await connection.execute(text(question)))
                assert found == sorted(hidden)
                said = await connection.scalar(
                    text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_records_trunk_call_id'")
                )
                assert "WHERE (trunk_call_id <> ''" in said
        await migrate(empty_database_url, "0016")
    await engine.dispose()
