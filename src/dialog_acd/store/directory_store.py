"""The directory in the database: read whole, replaced whole.

There is no editing of single rows. An edit builds a new ``Directory``, which refuses contradictions, and only then
takes the place of the old one, in one transaction: nobody ever reads half of each.

Every directory that was in force is kept, as the text that was applied, with who, when and why (*version*). An edit
says which version it was made from; if another is in force by then, it is refused, and nobody overwrites what they
have not seen.

Steps, rungs and hours are stored as the lines an operator writes. A line that cannot be read (a migration carries over
what an older version had accepted; somebody edits the database by hand) is a fault of the directory like any other,
told together with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import RowMapping, func, insert, select, text

from dialog_acd.core import calendars, rules
from dialog_acd.core.calendars import Calendar, Hours, SpecialDay
from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid, RuleInvalid
from dialog_acd.core.model import (
    Agent,
    AgentOrder,
    Entry,
    EntryKind,
    FailsafeProfile,
    Partner,
    Queue,
    Skill,
    SkillKind,
    Step,
    Team,
    Tenant,
    Trunk,
)
from dialog_acd.store import tables
from dialog_acd.store.database import writing
from dialog_acd.store.directory_file import directory_from_yaml
from dialog_acd.store.directory_plain import plain
from dialog_acd.store.yaml_text import write_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from dialog_acd.core.model import SkillId

T = TypeVar("T")
_EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changes the directory, when, and why, in their own words."""

    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A directory that was in force from ``edit.at`` until the next one."""

    number: int
    edit: Edit


class DirectoryMoved(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Somebody else has changed the directory since this edit was begun."""

    error_id = "directory-moved"

    def __init__(self, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"The directory is at version {found} by now, this edit was made from version {expected}: "
            "look at what has changed, and make it again."
        )


class NoSuchVersion(DialogAcdError):  # noqa: N818
    """There is no version of the directory with this number."""

    error_id = "no-such-version"


class DirectoryStore:
    """Loads and replaces the directory, and remembers what it was."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> Directory:
        """The whole directory, as one moment saw it. Raises ``DirectoryInvalid``, also where there is none yet."""
        engine = self._engine
        if engine.dialect.name == "postgresql":
            # Many questions, one answer: each SELECT of a plain transaction may see another state.
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

    async def replace(self, directory: Directory, edit: Edit, expected: int | None = None) -> int:
        """Put this directory in the place of the one stored. It is valid, or it could not have been built.

        ``expected``: the version the edit was made from. Returns the number of the new version. Raises
        ``DirectoryMoved``, and nothing has changed.
        """
        before = await self._unversioned()
        async with writing(self._engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two edits at once: the second waits, and replaces what the first has left. Without the lock it
                # would not see the first one's rows, and fail on their keys.
                await connection.execute(text("LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE"))
            found = await _current(connection)
            self.require(expected, found)
            if before is not None and not found:
                found = 1
                await _keep(connection, found, before, Edit("", edit.at, "found in the database"))
            for table in reversed(tables.CONFIGURATION):
                await connection.execute(table.delete())
            for table, rows in _rows(directory):
                await _fill(connection, table, rows)
            await _keep(connection, found + 1, directory, edit)
            return found + 1

    @staticmethod
    def require(expected: int | None, found: int) -> None:
        """Raise ``DirectoryMoved`` where an edit was made from another version than the one found."""
        if expected is not None and expected != found:
            raise DirectoryMoved(expected, found)

    async def _unversioned(self) -> Directory | None:
        """What an older version of this program has left, which kept no versions."""
        async with self._engine.connect() as connection:
            if await _current(connection):
                return None
        if await self.is_empty():
            return None
        try:
            return await self.load()
        except DirectoryInvalid:
            return None  # nothing that could ever be rolled back to

    async def current(self) -> int:
        """Number of the version in force; 0 where none was ever kept."""
        async with self._engine.connect() as connection:
            return await _current(connection)

    async def versions(self, limit: int = 50, before: int | None = None) -> list[Version]:
        """The latest first; with ``before`` only older ones than that number."""
        v = tables.directory_versions
        question = select(v.c.number, v.c.at, v.c.by, v.c.why).order_by(v.c.number.desc()).limit(limit)
        if before is not None:
            question = question.where(v.c.number < before)
        async with self._engine.connect() as connection:
            return [Version(r.number, Edit(r.by, r.at, r.why)) for r in await connection.execute(question)]

    async def text_of(self, number: int) -> str:
        """What was applied, as YAML. Raises ``NoSuchVersion``."""
        v = tables.directory_versions
        async with self._engine.connect() as connection:
            content = await connection.scalar(select(v.c.content).where(v.c.number == number))
        if content is None:
            raise NoSuchVersion(f"there is no version {number} of the directory")
        return str(content)

    async def version(self, number: int) -> Directory:
        """The directory as it was. Raises ``NoSuchVersion``, and ``DirectoryFileInvalid`` where today's rules do not
        allow it any more.
        """
        return directory_from_yaml(await self.text_of(number), Path(f"version {number}"))

    async def is_empty(self) -> bool:
        """Nothing was ever stored. (A directory always has its catch-all entry.)"""
        async with self._engine.connect() as connection:
            return (await connection.scalar(select(func.count()).select_from(tables.entries))) == 0


async def _current(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.max(tables.directory_versions.c.number))) or 0


async def _keep(connection: AsyncConnection, number: int, directory: Directory, edit: Edit) -> None:
    row = {"number": number, "at": edit.at, "by": edit.by, "why": edit.why, "content": write_yaml(plain(directory))}
    await connection.execute(insert(tables.directory_versions), row)


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
    yield tables.skills, [{"id": s.id, "name": s.name, "kind": s.kind.value} for s in directory.skills]
    yield (
        tables.teams,
        [{"id": t.id, "name": t.name, "by_target": t.by_target, "help_debt": t.help_debt} for t in directory.teams],
    )
    yield (
        tables.calendars,
        [
            {
                "id": c.id,
                "name": c.name,
                "hours": [calendars.written(hours) for hours in c.hours],
                "land": c.land,
                "special_days": [_special_day_row(special) for special in c.special_days],
                "zone": c.zone,
            }
            for c in directory.calendars
        ],
    )
    yield (
        tables.partners,
        [
            {
                "id": p.id,
                "name": p.name,
                "numbers": list(p.numbers),
                "ring_for_ms": p.ring_for,
                "calendar": p.calendar,
                "channels": p.channels,
                "calls_per_hour": p.calls_per_hour,
                "min_gain_ms": p.min_gain,
            }
            for p in directory.partners
        ],
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
                "steps": [rules.written(step) for step in q.steps],
                "priority": q.priority,
                "agent_order": q.agent_order.value,
                "home_first": q.home_first,
                "to_partners": q.to_partners,
                "ring_for_ms": q.ring_for,
                "wrap_up_for_ms": q.wrap_up_for,
                "max_wait_ms": q.max_wait,
                "target_ms": q.target,
                "target_share": q.target_share,
                "ladder": [rules.written(rung) for rung in q.ladder],
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
                "calendar": e.calendar,
                "closed": e.closed,
                "at_most": e.at_most,
                "spare": e.spare,
                "active_from": e.active_from,
                "active_to": e.active_to,
            }
            for e in directory.entries
        ],
    )
    yield (
        tables.agents,
        [
            {
                "id": a.id,
                "name": a.name,
                "phone": a.phone,
                "team": a.team,
                "home": a.home,
                "lines": sorted(a.lines),
            }
            for a in directory.agents
        ],
    )
    yield (
        tables.agent_skills,
        [
            {"agent": a.id, "skill": skill, "level": level}
            for a in directory.agents
            for skill, level in a.skills.items()
        ],
    )


def _special_day_row(special: SpecialDay) -> dict[str, Any]:
    stretches = [calendars.written(Hours(_EVERY_DAY, *stretch)) for stretch in special.hours]
    return {
        "day": special.day.isoformat(),
        "name": special.name,
        "hours": [stretch.removeprefix("daily ") for stretch in stretches],
    }


def _directory(rows: dict[str, Sequence[RowMapping]], skills: dict[str, dict[SkillId, int]]) -> Directory:
    def plain(name: str) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if key != "position"} for row in rows[name]]

    unreadable: list[str] = []
    try:
        directory = Directory(
            tenants=tuple(Tenant(**row) for row in plain("tenants")),
            trunks=tuple(Trunk(**row) for row in plain("trunks")),
            skills=tuple(Skill(**{**row, "kind": SkillKind(row["kind"])}) for row in plain("skills")),
            teams=tuple(Team(**row) for row in plain("teams")),
            calendars=tuple(_calendar(row, unreadable) for row in plain("calendars")),
            partners=tuple(
                Partner(
                    id=row["id"],
                    name=row["name"],
                    numbers=tuple(row["numbers"]),
                    ring_for=row["ring_for_ms"],
                    calendar=row["calendar"],
                    channels=row["channels"],
                    calls_per_hour=row["calls_per_hour"],
                    min_gain=row["min_gain_ms"],
                )
                for row in plain("partners")
            ),
            failsafe_profiles=tuple(
                FailsafeProfile(**{**row, "hours": tuple(row["hours"])}) for row in plain("failsafe_profiles")
            ),
            queues=tuple(_queue(row, unreadable) for row in plain("queues")),
            entries=tuple(Entry(**{**row, "kind": EntryKind(row["kind"])}) for row in plain("entries")),
            agents=tuple(
                Agent(**{**row, "lines": frozenset(row["lines"])}, skills=skills.get(row["id"], {}))
                for row in plain("agents")
            ),
        )
    except DirectoryInvalid as error:
        raise DirectoryInvalid((*unreadable, *error.faults)) from error
    if unreadable:
        raise DirectoryInvalid(tuple(unreadable))
    return directory


def _lines(lines: list[str], parse: Callable[[str], T], whose: str, unreadable: list[str]) -> tuple[T, ...]:
    """What can be read; what cannot be is added to ``unreadable``."""
    read: list[T] = []
    for line in lines:
        try:
            read.append(parse(line))
        except RuleInvalid as error:
            unreadable.append(f"{whose}: {error}")
    return tuple(read)


def _calendar(row: dict[str, Any], unreadable: list[str]) -> Calendar:
    whose, before = f"calendar {row['id']}", len(unreadable)

    def special_day(row: dict[str, Any]) -> SpecialDay:
        stretches = _lines([f"daily {stretch}" for stretch in row["hours"]], calendars.parse_hours, whose, unreadable)
        return SpecialDay(date.fromisoformat(row["day"]), row["name"], tuple((h.opens, h.closes) for h in stretches))

    hours = _lines(row["hours"], calendars.parse_hours, whose, unreadable)
    special_days = tuple(special_day(special) for special in row["special_days"])
    if len(unreadable) > before:  # of its hours, enough has been said
        hours = (calendars.parse_hours("daily 00:00-24:00"),)
    return Calendar(row["id"], row["name"], hours, row["land"], special_days, row["zone"])


def _queue(row: dict[str, Any], unreadable: list[str]) -> Queue:
    whose = f"queue {row['id']}"
    steps = _lines(row["steps"], rules.parse_step, whose, unreadable)
    ladder = _lines(row["ladder"], rules.parse_rung, whose, unreadable)
    if len(steps) < len(row["steps"]):  # of its steps, and of what widens to them, enough has been said
        steps, ladder = (Step(timedelta()),), ()
    return Queue(
        id=row["id"],
        name=row["name"],
        steps=steps,
        priority=row["priority"],
        agent_order=AgentOrder(row["agent_order"]),
        home_first=row["home_first"],
        to_partners=row["to_partners"],
        ring_for=row["ring_for_ms"],
        wrap_up_for=row["wrap_up_for_ms"],
        max_wait=row["max_wait_ms"],
        target=row["target_ms"],
        target_share=row["target_share"],
        ladder=ladder,
        music=row["music"],
    )
