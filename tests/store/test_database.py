"""Opening, migrating, and what an operator is told when it does not work."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from dialog_acd.store import database as database_module
from dialog_acd.store.database import (
    DatabaseUnavailable,
    SchemaOutdated,
    migrate,
    open_database,
    require_current_schema,
    schema_version,
    writing,
)
from dialog_acd.store.tables import metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine


async def test_the_migrated_schema_is_the_one_of_the_tables(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> Any:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_constraint_has_the_name_of_the_convention(engine: AsyncEngine) -> None:
    """compare_metadata does not look at them, and SQLite cannot change what has no name."""

    def names(connection: Connection) -> set[str | None]:
        found = inspect(connection)
        return {
            name
            for table in metadata.tables
            for name in (
                found.get_pk_constraint(table)["name"],
                *(c["name"] for c in found.get_foreign_keys(table)),
                *(c["name"] for c in found.get_unique_constraints(table)),
            )
        }

    async with engine.connect() as connection:
        assert await connection.run_sync(names) == {
            str(constraint.name) for table in metadata.tables.values() for constraint in table.constraints
        }


async def test_migrate_makes_the_schema_once_and_changes_nothing_the_second_time(empty_database_url: str) -> None:
    engine = await open_database(empty_database_url)
    assert await schema_version(engine) is None
    with pytest.raises(SchemaOutdated, match=r"no tables yet.*run `dialog-acd migrate`"):
        await require_current_schema(engine)
    version = await migrate(empty_database_url)
    assert await schema_version(engine) == version
    await require_current_schema(engine)
    assert await migrate(empty_database_url) == version
    await engine.dispose()


async def test_an_older_schema_is_refused_and_a_newer_one_accepted(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_head", lambda scripts: "0002")
    with pytest.raises(SchemaOutdated, match="schema 0001, this version needs 0002"):
        await require_current_schema(engine)
    monkeypatch.undo()
    async with writing(engine).begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    await require_current_schema(engine)  # the old version, restarted in the middle of an upgrade


async def test_down_and_up_again(engine: AsyncEngine) -> None:
    def down(connection: Connection) -> list[str]:
        config = database_module._alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    async with writing(engine).begin() as connection:
        assert await connection.run_sync(down) == ["alembic_version"]
        await connection.run_sync(database_module._upgrade, database_module._alembic_config())
    await require_current_schema(engine)


async def test_a_failing_migration_leaves_nothing_behind(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = database_module._upgrade

    def fail_late(connection: Connection, config: Any) -> None:
        upgrade(connection, config)
        raise RuntimeError("late")

    monkeypatch.setattr(database_module, "_upgrade", fail_late)
    with pytest.raises(RuntimeError, match="late"):
        await migrate(empty_database_url)
    engine = await open_database(empty_database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == []
    await engine.dispose()


# -- what an operator reads


async def told(url: str) -> str:
    with pytest.raises(DatabaseUnavailable) as caught:
        await open_database(url, connect_within=1)
    said = str(caught.value)
    assert caught.value.error_id == "database-unavailable"
    assert "\n" not in said
    assert said.endswith(".")
    return said


async def test_a_missing_folder(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert await told(f"sqlite+aiosqlite:///{folder}/acd.db") == (
        f"The folder {folder} for the database file acd.db does not exist; create it (mkdir -p {folder}) or name"
        " another in ACD_STORE__DATABASE_URL."
    )
    assert not folder.exists(), "a mistyped folder must not come into being"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "acd.db").write_text("Sehr geehrte Damen und Herren, " * 100)
    said = await told(f"sqlite+aiosqlite:///{tmp_path}/acd.db")
    assert "acd.db cannot be used (file is not a database); check that it is a SQLite database" in said


async def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    assert "cannot be opened (Is a directory); give this user the right" in await told(
        f"sqlite+aiosqlite:///{tmp_path}"
    )


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    assert "forgets every record; name a file" in await told(url)


@pytest.mark.parametrize("url", ["", "acd.db", "mysql://u:geheim@h/d", "postgresql://u:geheim@h:port/d"])
async def test_an_address_that_is_none(url: str) -> None:
    said = await told(url)
    assert "set ACD_STORE__DATABASE_URL to sqlite+aiosqlite:////path/to/file.db or postgresql+asyncpg://" in said
    assert "geheim" not in said


async def test_an_unreachable_postgresql_is_named_without_its_password() -> None:
    # Port 1 of this machine: refused at once, and nobody is bothered.
    said = await told("postgresql+asyncpg://acd:geheim@127.0.0.1:1/acd")
    assert said.startswith("PostgreSQL at postgresql+asyncpg://acd:***@127.0.0.1:1/acd cannot be used (")
    assert "refused" in said.lower() or "Connect call failed" in said
    assert "check that it runs and that name, user and password in ACD_STORE__DATABASE_URL are right" in said
    assert "geheim" not in said


@pytest.mark.postgres
async def test_a_postgresql_without_our_database(cluster: Any) -> None:
    said = await told(cluster.url("nowhere"))
    assert '(database "nowhere" does not exist); check' in said


# -- SQLite's ways


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/acd.db"  # the driver is ours to know
    await migrate(url)
    engine = await open_database(url)
    async with writing(engine).begin() as connection:
        await connection.execute(text("DELETE FROM tenants"))
        modes = {name: os.stat(tmp_path / name).st_mode & 0o777 for name in os.listdir(tmp_path)}  # noqa: PTH116, PTH208
    await engine.dispose()
    assert modes == {"acd.db": 0o600, "acd.db-wal": 0o600, "acd.db-shm": 0o600}


async def test_sqlite_is_set_up_for_durability_and_foreign_keys(tmp_path: Path) -> None:
    engine = await open_database(f"sqlite:///{tmp_path}/acd.db", busy_for=1.5)
    async with engine.connect() as connection:
        said = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engine.dispose()
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 1500}


async def test_several_selects_of_a_transaction_see_one_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/acd.db"
    await migrate(url)
    engine = await open_database(url)
    count = text("SELECT count(*) FROM tenants")
    async with engine.connect() as connection:
        assert await connection.scalar(count) == 0
        with sqlite3.connect(tmp_path / "acd.db") as other:
            other.execute("INSERT INTO tenants VALUES ('t', 0, 'Town', 'Town')")
        other.close()
        assert await connection.scalar(count) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(count) == 1
    await engine.dispose()
