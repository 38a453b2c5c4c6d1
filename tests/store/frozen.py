"""Frozen data: what a database of each earlier schema held, and what this program has to read from it.

``python -m store.frozen 0009`` (see ``dumps/README.md``) makes the next pair of files.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, MetaData

from dialog_acd.core.model import SwitchKind
from dialog_acd.core.shares import Month
from dialog_acd.store.attendance_store import AttendanceStore
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.database import migrate, open_database, writing
from dialog_acd.store.directory_plain import _value
from dialog_acd.store.directory_store import DirectoryStore
from dialog_acd.store.intent_store import IntentStore
from dialog_acd.store.record_json import to_plain
from dialog_acd.store.record_store import RecordReader
from dialog_acd.store.recording_store import Recording, RecordingStore
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.store.token_store import TokenStore

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory

DUMPS = Path(__file__).parent / "dumps"
FOUND = "found in the database"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When the dumps are migrated: callers' numbers of the last days are kept then, and hashes of some weeks."""
LATER = datetime(3000, 1, 1, tzinfo=UTC)


def frozen() -> list[str]:
    """The schemas there is a dump of, the oldest first."""
    return sorted(path.stem for path in DUMPS.glob("*.sql"))


async def thaw(url: str, schema: str) -> None:
    """Fill an empty database with the dump of this schema, at this schema."""
    await migrate(url, schema, now=TODAY)
    engine = await open_database(url)
    async with writing(engine).begin() as connection:
        for statement in re.split(r";\n", (DUMPS / f"{schema}.sql").read_text(encoding="utf-8")):
            if said := re.sub(r"^--.*\n", "", statement, flags=re.MULTILINE).strip():
                # Bytes are the one thing the two databases write differently.
                bytes_ = r"'\\x\1'" if connection.dialect.name == "postgresql" else r"X'\1'"
                await connection.exec_driver_sql(re.sub(r"\bX'([0-9a-f]*)'", bytes_, said))
    await engine.dispose()


async def read(engine: AsyncEngine) -> dict[str, Any]:
    """All that this program reads from a database, as plain values."""
    directories, intents, records = DirectoryStore(engine), IntentStore(engine), RecordReader(engine)
    recordings = RecordingStore(engine)
    versions = [
        # When it was found there is nobody's to say beforehand.
        {"number": v.number, "by": v.edit.by, "why": v.edit.why, "at": None if v.edit.why == FOUND else v.edit.at}
        for v in await directories.versions()
    ]
    switches = await intents.switches()
    said = {
        "directory": spelled(await directories.load()),
        "versions": versions,
        "records": [
            # Keys are random.
            to_plain(record) | {"caller_hash": record.caller_hash and "by a key"}
            for record in await records.records_since(LONG_AGO)
        ],
        "conflicts": [to_plain(conflict.record) for conflict in await records.conflicts_since(LONG_AGO)],
        "intents": sorted((asdict(intent) for intent in await intents.load(LONG_AGO)), key=lambda i: i["agent"]),
        # As they were before anything else could be switched: since when was not kept then.
        "switches": sorted(
            ({"queue": s.about, "until": s.until, "by": s.by} for s in switches if s.kind is SwitchKind.OVERFLOW),
            key=lambda s: str(s["queue"]),
        ),
        "closures_and_messages": sorted(
            (asdict(s) for s in switches if s.kind is not SwitchKind.OVERFLOW), key=lambda s: (s["kind"], s["about"])
        ),
        "recordings": [
            {name: getattr(recording, name) for name in Recording.__slots__ if name != "duration"}
            | {"seconds": recording.duration.total_seconds()}
            | {part: (await recordings.sound(recording.digest, part)).hex() for part in ("content", "narrow", "wide")}
            for recording in await recordings.page(1000)
        ],
        "statements": [
            {
                "number": issue.number,
                "at": issue.at,
                "by": issue.by,
                "amounts": [s.amount for s in issue.statement.shares],
            }
            for issue in [await StatementStore(engine).latest(Month(2026, 3))]
            if issue is not None
        ],
        "releases": [asdict(release) for release in await ReleaseStore(engine).page(1000)],
        "tokens": [asdict(token) for token in await TokenStore(engine).all()],
        "attendance": [asdict(row) for row in await AttendanceStore(engine).between(LONG_AGO, LATER)],
        "audit": [asdict(line) for line in await AuditStore(engine).page(1000, None, None)],
    }
    plain: dict[str, Any] = json.loads(json.dumps(said, default=_day_or_moment))
    return plain


def spelled(directory: Directory) -> dict[str, list[Any]]:
    """Every field, also those equal to their defaults: a default that changes would change what is stored."""
    return {section.name: [_spelled(one) for one in getattr(directory, section.name)] for section in fields(directory)}


def _spelled(one: Any) -> Any:
    return {f.name: _value(getattr(one, f.name)) for f in fields(one)} if is_dataclass(one) else one


def _day_or_moment(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    assert isinstance(value, date), value
    return value.isoformat()


# -- the next one


def written(connection: Connection) -> str:
    """Every row of an SQLite database, as INSERTs that both databases understand."""
    metadata = MetaData()
    metadata.reflect(connection)
    return "\n".join(
        f"INSERT INTO {table.name} ({', '.join(_names(table))}) VALUES\n    "
        + ",\n    ".join(
            "("
            + ", ".join(_literal(row[name.strip('"')], table.c[name.strip('"')].type) for name in _names(table))
            + ")"
            for row in rows
        )
        + ";\n"
        for table in metadata.sorted_tables
        if table.name != "alembic_version"
        and (rows := connection.exec_driver_sql(f"SELECT * FROM {table.name}").mappings().all())  # noqa: S608  ours
    )


def _names(table: Any) -> list[str]:
    # The audit log's ids are counted by the database: said, its counter would not know of them.
    return [f'"{c.name}"' for c in table.columns if (table.name, c.name) != ("audit", "id")]


def _literal(value: Any, type_: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(type_, Boolean):
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


async def freeze(schema: str) -> None:
    """Write the dump of this schema from the one before it, if there is none yet, and what is read from it."""
    sql, expected = DUMPS / f"{schema}.sql", DUMPS / f"{schema}.json"
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/acd.sqlite"
        if not sql.exists():
            await thaw(url, max(known for known in frozen() if known < schema))
            await migrate(url, schema, now=TODAY)
            engine = await open_database(url)
            async with engine.connect() as connection:
                text = await connection.run_sync(written)
            await engine.dispose()
            sql.write_text(f"-- As {schema} is made of the one before.\n\n{text}", encoding="utf-8")
        else:
            await thaw(url, schema)
        await migrate(url, now=TODAY)
        engine = await open_database(url)
        said = await read(engine)
        await engine.dispose()
    expected.write_text(_a_thing_a_line(said) + "\n", encoding="utf-8")


def _a_thing_a_line(said: dict[str, Any], indent: str = "") -> str:
    """JSON for people to check: every tenant, every record in a line of its own."""
    parts = []
    for name, value in said.items():
        if isinstance(value, dict):
            told = _a_thing_a_line(value, indent + " ")
        else:
            told = ",".join(f"\n{indent}  {json.dumps(one, ensure_ascii=False)}" for one in value)
            told = f"[{told}\n{indent} ]" if told else "[]"
        parts.append(f"{indent} {json.dumps(name)}: {told}")
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


if __name__ == "__main__":
    asyncio.run(freeze(sys.argv[1]))
