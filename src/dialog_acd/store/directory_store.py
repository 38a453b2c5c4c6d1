"""The directory in the database: read whole, replaced whole.

There is no editing of single rows. An edit builds a new ``Directory``, which refuses contradictions, and only then
takes the place of the old one, in one transaction: nobody ever reads half of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, func, insert, select, text

from dialog_acd.core.directory import Directory
from dialog_acd.core.model import (
    Agent,
    Entry,
    EntryKind,
    FailsafeProfile,
    Overflow,
    Partner,
    Queue,
    Tenant,
    Trunk,
)
from dialog_acd.store import tables
from dialog_acd.store.database import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from dialog_acd.core.model import SkillId


class DirectoryStore:
    """Loads and replaces the directory."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> Directory:
        """The whole directory, as one moment saw it. Raises ``DirectoryInvalid``, also where there is none yet."""
        engine = self._engine
        if engine.dialect.name == "postgresql":
            # Eight questions, one answer: each SELECT of a plain transaction may see another state.
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        async with engine.connect() as connection:
            skills: dict[str, dict[SkillId, int]] = {}
            for row in (await connection.execute(select(tables.agent_skills))).mappings():
                skills.setdefault(row["agent"], {})[row["skill"]] = row["level"]
            rows = {
                table.name: (await connection.execute(select(table).order_by(table.c.position))).mappings().all()
                for table in tables.CONFIGURATION
                if table is not tables.agent_skills
            }
        return _directory(rows, skills)

    async def replace(self, directory: Directory) -> None:
        """Put this directory in the place of the one stored. It is valid, or it could not have been built."""
        async with writing(self._engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two edits at once: the second waits, and replaces what the first has left. Without the lock it
                # would not see the first one's rows, and fail on their keys.
                await connection.execute(text("LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE"))
            for table in reversed(tables.CONFIGURATION):
                await connection.execute(table.delete())
            for table, rows in _rows(directory):
                await _fill(connection, table, rows)

    async def is_empty(self) -> bool:
        """Nothing was ever stored. (A directory always has its catch-all entry.)"""
        async with self._engine.connect() as connection:
            return (await connection.scalar(select(func.count()).select_from(tables.entries))) == 0


async def _fill(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    if "position" in table.c:
        rows = [{**row, "position": position} for position, row in enumerate(rows)]
    if rows:
        await connection.execute(insert(table), rows)


def _rows(directory: Directory) -> Iterable[tuple[Table, list[dict[str, Any]]]]:
    """In the order of ``tables.CONFIGURATION``."""
    yield tables.tenants, [{"id": t.id, "name": t.name, "label": t.label} for t in directory.tenants]
    yield (
        tables.trunks,
        [
            {
                "name": t.name,
                "number_format": t.number_format,
                "area_code": t.area_code,
                "country_code": t.country_code,
            }
            for t in directory.trunks
        ],
    )
    yield (
        tables.partners,
        [{"id": p.id, "name": p.name, "number": p.number, "ring_for_ms": p.ring_for} for p in directory.partners],
    )
    yield (
        tables.failsafe_profiles,
        [
            {"name": p.name, "group": p.group, "partner": p.partner, "hours": list(p.hours)}
            for p in directory.failsafe_profiles
        ],
    )
    yield (
        tables.queues,
        [
            {
                "id": q.id,
                "name": q.name,
                "skill": q.skill,
                "level": q.level,
                "ring_for_ms": q.ring_for,
                "wrap_up_for_ms": q.wrap_up_for,
                "max_wait_ms": q.max_wait,
                "target_ms": q.target,
                "target_share": q.target_share,
                "overflow_after_ms": q.overflow.after if q.overflow else None,
                "overflow_partner": q.overflow.partner if q.overflow else None,
                "music": q.music,
            }
            for q in directory.queues
        ],
    )
    yield (
        tables.entries,
        [
            {
                "number": e.number,
                "tenant": e.tenant,
                "queue": e.queue,
                "kind": e.kind.value,
                "failsafe": e.failsafe,
                "block": e.block,
                "greeting": e.greeting,
                "announcement": e.announcement,
            }
            for e in directory.entries
        ],
    )
    yield (
        tables.agents,
        [{"id": a.id, "name": a.name, "phone": a.phone, "team": a.team} for a in directory.agents],
    )
    yield (
        tables.agent_skills,
        [
            {"agent": a.id, "skill": skill, "level": level}
            for a in directory.agents
            for skill, level in a.skills.items()
        ],
    )


def _directory(rows: dict[str, Sequence[RowMapping]], skills: dict[str, dict[SkillId, int]]) -> Directory:
    def plain(name: str) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if key != "position"} for row in rows[name]]

    return Directory(
        tenants=tuple(Tenant(**row) for row in plain("tenants")),
        trunks=tuple(Trunk(**row) for row in plain("trunks")),
        partners=tuple(
            Partner(id=row["id"], name=row["name"], number=row["number"], ring_for=row["ring_for_ms"])
            for row in plain("partners")
        ),
        failsafe_profiles=tuple(
            FailsafeProfile(**{**row, "hours": tuple(row["hours"])}) for row in plain("failsafe_profiles")
        ),
        queues=tuple(_queue(row) for row in plain("queues")),
        entries=tuple(Entry(**{**row, "kind": EntryKind(row["kind"])}) for row in plain("entries")),
        agents=tuple(Agent(**row, skills=skills.get(row["id"], {})) for row in plain("agents")),
    )


def _queue(row: dict[str, Any]) -> Queue:
    overflow = None
    if row["overflow_after_ms"] is not None and row["overflow_partner"] is not None:
        overflow = Overflow(after=row["overflow_after_ms"], partner=row["overflow_partner"])
    return Queue(
        id=row["id"],
        name=row["name"],
        skill=row["skill"],
        level=row["level"],
        ring_for=row["ring_for_ms"],
        wrap_up_for=row["wrap_up_for_ms"],
        max_wait=row["max_wait_ms"],
        target=row["target_ms"],
        target_share=row["target_share"],
        overflow=overflow,
        music=row["music"],
    )
