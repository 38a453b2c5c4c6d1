"""Opening, migrating, and what an operator is told when it does not work."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text, update

from dialog_acd.core import rules
from dialog_acd.core.model import AgentId, QueueId, Skill, SkillId, Team, TeamId
from dialog_acd.store import database as database_module
from dialog_acd.store.database import (
    DatabaseUnavailable,
    SchemaOutdated,
    SchemaUnknown,
    migrate,
    open_database,
    require_current_schema,
    schema_version,
    writing,
)
from dialog_acd.store.directory_file import DirectoryFileInvalid, read_directory
from dialog_acd.store.directory_store import DirectoryStore, Edit
from dialog_acd.store.intent_store import IntentStore
from dialog_acd.store.tables import metadata
from directories import COUNTY

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

    # Where SQLite gives no number twice, its key is said with the column, and nameless; nothing ever changes it.
    nameless = {
        table.primary_key.name
        for table in metadata.tables.values()
        if engine.dialect.name == "sqlite" and table.dialect_options["sqlite"]["autoincrement"]
    }
    async with engine.connect() as connection:
        assert (
            await connection.run_sync(names) - {None}
            == {str(constraint.name) for table in metadata.tables.values() for constraint in table.constraints}
            - nameless
        )


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
    monkeypatch.setattr(database_module, "_head", lambda scripts: "0099")
    with pytest.raises(SchemaOutdated, match=f"schema {await schema_version(engine)}, this version needs 0099"):
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

    def fail_late(connection: Connection, config: Any, to: str) -> None:
        upgrade(connection, config, to)
        raise RuntimeError("late")

    monkeypatch.setattr(database_module, "_upgrade", fail_late)
    with pytest.raises(RuntimeError, match="late"):
        await migrate(empty_database_url)
    engine = await open_database(empty_database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(lambda c: inspect(c).get_table_names()) == []
    await engine.dispose()


# -- a database that has lived: what was said in the old form is said in the new, and back


OLD = """
INSERT INTO tenants VALUES ('town', 0, 'Stadt', 'Stadt');
INSERT INTO trunks VALUES ('trunk', 0, 'national', '511', '49');
INSERT INTO partners VALUES ('oldenburg', 0, 'Oldenburg', '115', 30000), ('hamburg', 1, 'Hamburg', '+4940115', 20000);
INSERT INTO failsafe_profiles VALUES ('main', 0, 'main', 'oldenburg', '["8:00-18:00,mon-fri,*,*"]');
INSERT INTO queues VALUES
    ('town', 1, 'Stadt', 'citizens', 3, 20000, 10000, 900000, 30000, 0.75, 90500, 'oldenburg', 'acd'),
    ('115', 0, '115', '115', 1, 15000, 2000, 900000, 30000, 0.8, NULL, NULL, 'acd'),
    ('late', 2, 'Spät', 'citizens', 1, 15000, 2000, 900000, 30000, 0.8, 0, 'hamburg', 'acd'),
    ('long', 3, 'Lang', 'citizens', 1, 15000, 2000, 900000, 30000, 0.8, 600000, 'hamburg', 'acd');
INSERT INTO entries VALUES
    ('115', 0, 'town', '115', '115', 'main', FALSE, NULL, NULL),
    ('+4951173070', 1, 'town', 'town', 'main-number', 'main', TRUE, 'acd/hello', 'acd/town'),
    ('', 2, 'town', 'late', 'catch-all', 'main', FALSE, NULL, NULL);
INSERT INTO agents VALUES
    ('anna', 0, 'Anna', 'phone-1', 'zentrum'), ('bert', 1, 'Bert', 'phone-2', ''),
    ('cem', 2, 'Cem', 'phone-3', 'aussen'), ('dora', 3, 'Dora', 'phone-4', 'zentrum'),
    ('emil', 4, 'Emil', 'phone-5', 'abend');
INSERT INTO agent_skills VALUES ('anna', 'citizens', 4), ('anna', 'tuerkisch', 2), ('bert', '115', 1);
INSERT INTO agent_intents VALUES ('anna', 'ready', '', '2026-03-02 08:00:00');
"""
OLD_RECORD = """
INSERT INTO records (call, tenant, queue, kind, dialled, trunk, trunk_call_id, t_in, t_end, hung_up_first, cause,
    result, reason, blame, in_time, offers) VALUES ('{call}', 'town', 'town', 'main-number', '115', 'trunk', 'x',
    '2026-03-02 08:00:00', '2026-03-02 08:01:00', 'caller', 16, 'served', 'answered', 'nobody', TRUE, '[]')
"""


class Lived:
    """A database that ``migrate`` of an older version has made."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def change(self, to: str) -> None:
        """Up to the revision or down to it."""
        await migrate(self.url, to)

    async def say(self, script: str) -> None:
        engine = await open_database(self.url)
        async with writing(engine).begin() as connection:
            for statement in filter(str.strip, script.split(";")):
                await connection.execute(text(statement.replace(":", "\\:")))
        await engine.dispose()

    async def ask(self, question: str) -> list[tuple[Any, ...]]:
        engine = await open_database(self.url)
        async with engine.connect() as connection:
            rows = [tuple(row) for row in await connection.execute(text(question))]
        await engine.dispose()
        return rows

    async def everything(self) -> dict[str, list[str]]:
        """All rows of all tables but the version, in no order, columns by name."""

        def read(connection: Connection) -> dict[str, list[str]]:
            return {
                table: sorted(
                    str(sorted(row.items()))
                    for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()  # noqa: S608  ours
                )
                for table in inspect(connection).get_table_names()
                if table != "alembic_version"
            }

        engine = await open_database(self.url)
        async with engine.connect() as connection:
            found = await connection.run_sync(read)
            if engine.dialect.name == "sqlite":
                assert (await connection.execute(text("PRAGMA foreign_key_check"))).all() == []
        await engine.dispose()
        return found

    async def load(self) -> Any:
        engine = await open_database(self.url)
        try:
            await require_current_schema(engine)
            return await DirectoryStore(engine).load()
        finally:
            await engine.dispose()


@pytest.fixture
async def lived(empty_database_url: str) -> Lived:
    lived = Lived(empty_database_url)
    await lived.change("0001")
    await lived.say(OLD + OLD_RECORD.format(call="c1"))
    return lived


async def test_a_directory_of_the_first_form_means_the_same_in_the_second(lived: Lived) -> None:
    await migrate(lived.url)
    directory = await lived.load()
    assert [q.id for q in directory.queues] == ["115", "town", "late", "long"]
    queue = directory.queue
    assert {id_: [rules.written(step) for step in q.steps] for id_, q in queue.items()} == {
        "115": ["from 0 s: 115>=1"],
        "town": ["from 0 s: citizens>=3"],
        "late": ["from 0 s: citizens>=1"],
        "long": ["from 0 s: citizens>=1"],
    }
    assert {id_: [rules.written(rung) for rung in q.ladder] for id_, q in queue.items()} == {
        "115": [],
        "town": ["waited 90.5 s: partner oldenburg"],
        "late": ["waited 0 s: partner hamburg"],
        "long": ["waited 600 s: partner hamburg"],
    }
    assert {(q.priority, q.agent_order.value, q.home_first, q.to_partners) for q in directory.queues} == {
        (0, "longest-idle", False, True)
    }
    assert queue[QueueId("town")].ring_for.total_seconds() == 20
    assert [(p.id, p.numbers, p.channels, p.calls_per_hour, p.calendar) for p in directory.partners] == [
        ("oldenburg", ("115",), None, None, None),
        ("hamburg", ("+4940115",), None, None, None),
    ]
    assert directory.skills == tuple(Skill(SkillId(id_), id_) for id_ in ("115", "citizens", "tuerkisch"))
    assert directory.teams == tuple(Team(TeamId(id_), id_) for id_ in ("zentrum", "aussen", "abend"))
    agents = [(a.id, a.team, a.home, a.lines) for a in directory.agents]
    assert agents == [
        ("anna", "zentrum", None, frozenset()),
        ("bert", None, None, frozenset()),
        ("cem", "aussen", None, frozenset()),
        ("dora", "zentrum", None, frozenset()),
        ("emil", "abend", None, frozenset()),
    ]
    assert directory.agent[AgentId("anna")].skills == {"citizens": 4, "tuerkisch": 2}
    assert [(e.number, e.block, e.greeting, e.calendar, e.closed, e.at_most, e.spare) for e in directory.entries] == [
        ("115", False, None, None, "acd/closed", None, 0),
        ("+4951173070", True, "acd/hello", None, "acd/closed", None, 0),
        ("", False, None, None, "acd/closed", None, 0),
    ]
    assert await lived.ask("SELECT call, overflow_trigger, overflow_partner FROM records") == [("c1", "", None)]
    assert await lived.ask("SELECT agent, intent FROM agent_intents") == [("anna", "ready")]


async def test_there_and_back_leaves_everything_as_it_was(lived: Lived) -> None:
    before = await lived.everything()
    await migrate(lived.url)
    assert await lived.everything() != before
    await lived.change("0001")
    assert await lived.everything() == before
    await migrate(lived.url)
    await lived.load()


async def test_the_old_version_goes_on_writing_its_records(lived: Lived) -> None:
    """It runs until it is stopped, and a record it could not write would wait in the journal for nothing."""
    await migrate(lived.url)
    await lived.say(OLD_RECORD.format(call="c2"))
    assert await lived.ask("SELECT overflow_trigger FROM records WHERE call = 'c2'") == [("",)]


async def test_a_word_that_is_none_any_more_is_carried_over_and_told(lived: Lived) -> None:
    await lived.say("UPDATE agent_skills SET skill = 'Türkisch 2' WHERE skill = 'tuerkisch'")
    await lived.say(
        "UPDATE queues SET skill = 'Bürger' WHERE id = 'town'; UPDATE agents SET team = 'Team A' WHERE id = 'cem'"
    )
    await migrate(lived.url)
    with pytest.raises(DirectoryFileInvalid, match="version 1") as caught:
        await lived.load()
    (fault,) = caught.value.faults
    assert fault.startswith("queues[1].steps[0]: 'from 0 s: Bürger>=3': 'Bürger>=3' is not a need")
    await lived.change("0007")
    await lived.say("""UPDATE queues SET steps = '["from 0 s: any"]' WHERE id = 'town'""")
    await migrate(lived.url)
    with pytest.raises(DirectoryFileInvalid, match="version 2") as caught:
        await lived.load()
    assert list(caught.value.faults) == [
        "skill 'Bürger' is not of the form [0-9a-z-], 1 to 30 characters",
        "skill 'Türkisch 2' is not of the form [0-9a-z-], 1 to 30 characters",
        "team 'Team A' is not of the form [0-9a-z-], 1 to 30 characters",
    ]


async def test_an_empty_database_migrates_too(empty_database_url: str) -> None:
    """Migrated by the first version and never filled."""
    lived = Lived(empty_database_url)
    await lived.change("0001")
    await migrate(lived.url)
    assert not any((await lived.everything()).values())


async def test_the_way_back_keeps_what_the_first_form_can_say(lived: Lived) -> None:
    await lived.change("0007")
    await lived.say(
        """
        UPDATE queues SET steps = '["from 0 s: any"]', ladder = '["nobody signed in: release"]' WHERE id = '115';
        UPDATE queues SET steps = '["from 0 s: citizens>=4 and tuerkisch>=1", "from 15 s: any"]',
            ladder = '["waited 9 s: widen 1", "waited 1.25 s: partner hamburg", "waited 5 s: partner oldenburg"]'
            WHERE id = 'town';
        UPDATE partners SET numbers = '["+4940115", "115"]', channels = 2 WHERE id = 'hamburg';
        INSERT INTO calendars VALUES ('always', 0, 'x', '["daily 00:00-24:00"]', NULL, '[]', 'Europe/Berlin');
        UPDATE entries SET calendar = 'always';
        UPDATE partners SET calendar = 'always';
        UPDATE agents SET home = 'town', team = NULL;
        INSERT INTO entries (number, position, tenant, queue, kind, failsafe, block, closed, spare) VALUES
            ('+49511999', 3, 'town', 'town', 'forwarded', 'main', FALSE, 'x', 0),
            ('+49511998', 4, 'town', 'town', 'internal', 'main', FALSE, 'x', 0),
            ('4711', 5, 'town', 'town', 'internal', 'main', FALSE, 'x', 0)
        """
    )
    await migrate(lived.url)
    await lived.load()
    await lived.change("0001")
    question = "SELECT id, skill, level, overflow_after_ms, overflow_partner FROM queues ORDER BY position"
    assert await lived.ask(question) == [
        ("115", "any", 1, None, None),
        ("town", "citizens", 4, 1250, "hamburg"),
        ("late", "citizens", 1, 0, "hamburg"),
        ("long", "citizens", 1, 600_000, "hamburg"),
    ]
    assert await lived.ask("SELECT number FROM partners ORDER BY position") == [("115",), ("+4940115",)]
    assert await lived.ask("SELECT number, kind FROM entries ORDER BY position") == [
        ("115", "115"),
        ("+4951173070", "main-number"),
        ("", "catch-all"),
        ("+49511999", "main-number"),
        ("+49511998", "main-number"),
    ]
    assert set(await lived.ask("SELECT team FROM agents")) == {("",)}
    await lived.everything()


DATED = "INSERT INTO entries (number, position, tenant, queue, kind, failsafe, block, closed, spare"


async def test_the_fourth_form_takes_a_number_several_times(lived: Lived) -> None:
    await lived.change("0003")
    await lived.say(f"{DATED}) VALUES ('+49511999', 3, 'town', 'town', 'forwarded', 'main', FALSE, 'x', 0)")
    await lived.change("0004")
    # The version before still runs, and replaces its directory: it writes no dates.
    await lived.say(f"{DATED}) VALUES ('+49511998', 4, 'town', 'town', 'forwarded', 'main', FALSE, 'x', 0)")
    await lived.say(
        f"""{DATED}, active_from, active_to) VALUES
            ('+49511997', 5, 'town', 'town', 'forwarded', 'main', FALSE, 'x', 0, NULL, '2026-12-31'),
            ('+49511997', 6, 'town', 'town', 'forwarded', 'main', FALSE, 'x', 0, '2027-01-01', NULL)"""
    )
    await migrate(lived.url)
    directory = await lived.load()
    assert [(e.number, e.active_from, e.active_to) for e in directory.entries] == [
        ("115", None, None),
        ("+4951173070", None, None),
        ("", None, None),
        ("+49511999", None, None),
        ("+49511998", None, None),
        ("+49511997", None, date(2026, 12, 31)),
        ("+49511997", date(2027, 1, 1), None),
    ]


async def test_the_way_back_from_dates_leaves_who_answers_today(lived: Lived) -> None:
    """An entry that has yet to begin must not answer at once because its date is forgotten."""
    await lived.change("0003")
    before = await lived.everything()
    await lived.change("0004")
    await lived.say(
        f"""{DATED}, active_from, active_to) VALUES
            ('+49511997', 5, 'town', 'town', 'forwarded', 'main', FALSE, 'over', 0, NULL, '2001-12-31'),
            ('+49511997', 6, 'town', 'town', 'forwarded', 'main', FALSE, 'active', 0, '2002-01-01', '2098-12-31'),
            ('+49511997', 7, 'town', 'town', 'forwarded', 'main', FALSE, 'to come', 0, '2099-01-01', NULL)"""
    )
    await lived.change("0003")
    assert await lived.ask("SELECT number, closed FROM entries WHERE position > 2") == [("+49511997", "active")]
    await lived.say("DELETE FROM entries WHERE position > 2")
    assert await lived.everything() == before


async def test_what_was_switched_over_stays_so_in_the_ninth_form_and_back(lived: Lived) -> None:
    await lived.change("0008")
    await lived.say("INSERT INTO queue_switches VALUES ('town', '2026-03-02 16:00:00', 'frau-meyer')")
    before = await lived.everything()
    await lived.change("0009")
    engine = await open_database(lived.url)
    [switch] = await IntentStore(engine).switches()
    await engine.dispose()
    assert (switch.kind, switch.about, switch.by) == ("overflow", "town", "frau-meyer")
    assert switch.until == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert (switch.prompt, switch.tenant) == (None, None)
    assert abs(datetime.now(UTC) - switch.at) < timedelta(minutes=5)
    await lived.say(
        """INSERT INTO switches VALUES
            ('closure', '115', '2026-03-02 16:00:00', 'x', '2026-03-02 08:00:00', NULL, 'town'),
            ('queue-message', 'town', '2026-03-02 16:00:00', 'x', '2026-03-02 08:00:00', 'storm-warning', NULL)"""
    )
    await lived.change("0008")
    assert await lived.everything() == before


async def versions_of(lived: Lived) -> list[tuple[Any, ...]]:
    return await lived.ask("SELECT number, by, why FROM directory_versions ORDER BY number")


FOUND = (1, "", "found in the database")


async def test_what_the_tables_say_becomes_a_version_once(lived: Lived) -> None:
    await migrate(lived.url)
    assert await versions_of(lived) == [FOUND]
    directory = await lived.load()
    await lived.change("0007")
    await migrate(lived.url)
    assert await versions_of(lived) == [FOUND], "the tables said what the youngest version says"
    assert await lived.load() == directory
    ((at,),) = await lived.ask("SELECT at FROM directory_versions")
    assert at is not None


async def test_what_the_tables_say_beside_the_youngest_version_was_in_force_and_is_kept(lived: Lived) -> None:
    """An older program that still ran has replaced the directory, and knew of no versions."""
    await migrate(lived.url)
    before = await lived.load()
    await lived.change("0007")
    await lived.say("UPDATE tenants SET name = 'Neustadt'; DELETE FROM agents WHERE id = 'emil'")
    await migrate(lived.url)
    assert await versions_of(lived) == [FOUND, (2, "", "found in the database")]
    after = await lived.load()
    assert (after.tenants[0].name, len(after.agents)) == ("Neustadt", len(before.agents) - 1)
    engine = await open_database(lived.url)
    assert await DirectoryStore(engine).version(1) == before
    await engine.dispose()


async def test_a_version_nobody_can_read_is_carried_over_and_back_as_it_is(lived: Lived) -> None:
    await migrate(lived.url)
    await lived.change("0007")
    await lived.say("UPDATE directory_versions SET content = 'tenants: [Grüße'")
    await migrate(lived.url)
    assert await versions_of(lived) == [FOUND, (2, "", "found in the database")]
    await lived.load()
    engine = await open_database(lived.url)
    with pytest.raises(DirectoryFileInvalid, match="version 1"):
        await DirectoryStore(engine).version(1)
    await engine.dispose()
    await lived.change("0007")
    assert await lived.ask("SELECT content FROM directory_versions WHERE number = 1") == [("tenants: [Grüße",)]


async def test_a_directory_with_younger_fields_goes_back_and_its_version_comes_again_whole(
    empty_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "directory.toml").write_text(COUNTY, encoding="utf-8")
    directory = read_directory(tmp_path / "directory.toml")
    lived = Lived(empty_database_url)
    await migrate(lived.url)
    engine = await open_database(lived.url)
    await DirectoryStore(engine).replace(directory, Edit("anna", datetime(2026, 11, 23, 9, tzinfo=UTC), "go-live"))
    await engine.dispose()
    await lived.change("0007")
    assert await lived.ask("SELECT count(*) FROM entries") == [(len(directory.entries),)]
    await migrate(lived.url)
    assert await versions_of(lived) == [(1, "anna", "go-live"), (2, "", "found in the database")]
    engine = await open_database(lived.url)
    store = DirectoryStore(engine)
    assert await store.version(1) == directory
    assert [e.number for e in (await store.load()).entries] == [e.number for e in directory.entries]
    await engine.dispose()


async def test_the_way_back_from_the_text_leaves_out_what_the_tables_have_no_place_for(lived: Lived) -> None:
    await migrate(lived.url)
    before = await lived.load()
    engine = await open_database(lived.url)
    _, said = await DirectoryStore(engine).plain_of()
    said["tenants"][0]["price_model"] = {"per_call": 3.5, "from": "2026-01-01"}
    said["entries"].append({"number": "+49511900", "tenants": ["town"], "queue": "town", "kind": "115"})
    said["entries"].append({**said["entries"][0], "number": "+49511901", "queue": "lost"})
    said["agents"][0]["skills"]["unheard-of"] = 1
    said["texts"] = [{"id": "x"}]
    async with writing(engine).begin() as connection:
        packed = zlib.compress(json.dumps(said).encode())
        await connection.execute(update(metadata.tables["directory_versions"]).values(content=packed))
    await engine.dispose()
    await lived.change("0007")
    ((written,),) = await lived.ask("SELECT content FROM directory_versions")
    assert yaml.safe_load(written) == said, "the text stays whole"
    await migrate(lived.url)
    assert await lived.load() == before


async def test_the_tables_that_come_back_are_those_that_went(empty_database_url: str) -> None:
    """With every key and constraint: an older version relies on them."""
    lived = Lived(empty_database_url)

    def shape(connection: Connection) -> dict[str, Any]:
        found = inspect(connection)
        return {
            table: (
                {(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)},
                found.get_pk_constraint(table),
                sorted(found.get_foreign_keys(table), key=str),
                sorted(found.get_unique_constraints(table), key=str),
                sorted(found.get_indexes(table), key=str),
            )
            for table in found.get_table_names()
        }

    async def look() -> dict[str, Any]:
        engine = await open_database(lived.url)
        async with engine.connect() as connection:
            seen = await connection.run_sync(shape)
        await engine.dispose()
        return seen

    await lived.change("0007")
    before = await look()
    assert len(before) > 15
    await lived.change("0008")
    assert len(await look()) == len(before) - 11
    await lived.change("0007")
    assert await look() == before


async def test_a_schema_nobody_here_knows_is_neither_migrated_nor_aimed_at(engine: AsyncEngine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    head = await schema_version(engine)
    with pytest.raises(SchemaUnknown, match=rf"no schema '7'; there are 0001 to {head}\.$"):
        await migrate(url, "7")
    async with writing(engine).begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(SchemaUnknown, match=rf"has schema 0099.*`dialog-acd migrate --to {head}` with that one"):
        await migrate(url)
    assert await schema_version(engine) == "0099"


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
        await connection.execute(text("DELETE FROM tokens"))
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
    count = text("SELECT count(*) FROM agent_intents")
    async with engine.connect() as connection:
        assert await connection.scalar(count) == 0
        with sqlite3.connect(tmp_path / "acd.db") as other:
            other.execute("INSERT INTO agent_intents VALUES ('anna', 'ready', '', '2026-11-23 09:00:00')")
        other.close()
        assert await connection.scalar(count) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(count) == 1
    await engine.dispose()
