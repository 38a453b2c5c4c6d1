"""The directory is one text for each version, and nothing else: its eleven tables are taken away.

Applied when the old version is gone: it reads the tables. While it still runs it goes on writing records and agents'
intents, but could not start again nor take a new directory; so stop it, ``dialog-acd migrate``, start the new one.

The tables were what was in force. Where the youngest version says something else, or there is none yet, what the
tables say becomes the next version, "found in the database", by nobody. Lines of rules are carried over as they are;
what today's rules do not allow is told when the directory is read. The text of a version was YAML and becomes JSON
packed by zlib; one that is no YAML (somebody edited it by hand) is packed as it is, and told when it is asked for.

The way back fills the tables from the youngest version, as far as they have a place for what it says: fields and
sections that are younger than the tables are left out, and so is a row that names something they do not have. The
texts stay whole, but the old version may refuse to go back to one.
"""

from __future__ import annotations

import json
import zlib
from datetime import date
from typing import Any

import sqlalchemy as sa
import yaml
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The compiled ones take a fifth of the time, where there are such.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _table(name: str, *columns: sa.Column[Any] | sa.Constraint, key: str = "id") -> sa.Table:
    """One of the directory's tables as 0007 had it, ``key`` and ``position`` in front."""
    place = sa.Column("position", sa.Integer(), nullable=False, autoincrement=False)
    return sa.Table(name, _OLD, sa.Column(key, sa.Text(), nullable=False), place, *columns)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns or ("id",), name=f"pk_{table}")


def _refers(table: str, column: str, to: str, key: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.{key}"], name=f"fk_{table}_{column}_{to}")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _milliseconds(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=False)


_OLD = sa.MetaData()
_TABLES = (
    # What is referred to before what refers.
    _table("tenants", _text("name"), _text("label"), _key("tenants")),
    _table(
        "trunks",
        _text("number_format"),
        _text("area_code"),
        _text("country_code"),
        _key("trunks", "name"),
        key="name",
    ),
    _table("skills", _text("name"), _text("kind"), _key("skills")),
    _table("teams", _text("name"), _flag("by_target"), _flag("help_debt"), _key("teams")),
    _table(
        "calendars",
        _text("name"),
        _list("hours"),
        _text("land", nullable=True),
        _list("special_days"),
        _text("zone"),
        _key("calendars"),
    ),
    _table(
        "partners",
        _text("name"),
        _list("numbers"),
        _milliseconds("ring_for_ms"),
        _text("calendar", nullable=True),
        _number("channels", nullable=True),
        _number("calls_per_hour", nullable=True),
        _milliseconds("min_gain_ms"),
        _key("partners"),
        _refers("partners", "calendar", "calendars"),
    ),
    _table(
        "failsafe_profiles",
        _text("group"),
        _text("partner", nullable=True),
        _list("hours"),
        _key("failsafe_profiles", "name"),
        _refers("failsafe_profiles", "partner", "partners"),
        key="name",
    ),
    _table(
        "queues",
        _text("name"),
        _list("steps"),
        _number("priority"),
        _text("agent_order"),
        _flag("home_first"),
        _flag("to_partners"),
        _milliseconds("ring_for_ms"),
        _milliseconds("wrap_up_for_ms"),
        _milliseconds("max_wait_ms"),
        _milliseconds("target_ms"),
        sa.Column("target_share", sa.Double(), nullable=False),
        _list("ladder"),
        _text("music"),
        _key("queues"),
    ),
    _table(
        "entries",
        _text("tenant"),
        _text("queue"),
        _text("kind"),
        _text("failsafe"),
        _flag("block"),
        _text("greeting", nullable=True),
        _text("announcement", nullable=True),
        _text("calendar", nullable=True),
        _text("closed"),
        _number("at_most", nullable=True),
        _number("spare"),
        sa.Column("active_from", sa.Date(), nullable=True),
        sa.Column("active_to", sa.Date(), nullable=True),
        _key("entries", "number", "position"),
        _refers("entries", "tenant", "tenants"),
        _refers("entries", "queue", "queues"),
        _refers("entries", "failsafe", "failsafe_profiles", "name"),
        _refers("entries", "calendar", "calendars"),
        key="number",
    ),
    _table(
        "agents",
        _text("name"),
        _text("phone"),
        _text("team", nullable=True),
        _text("home", nullable=True),
        _list("lines"),
        _key("agents"),
        sa.UniqueConstraint("phone", name="uq_agents_phone"),
        _refers("agents", "team", "teams"),
        _refers("agents", "home", "tenants"),
    ),
)
_AGENT_SKILLS = sa.Table(
    "agent_skills",
    _OLD,
    _text("agent"),
    _text("skill"),
    _number("level"),
    _key("agent_skills", "agent", "skill"),
    _refers("agent_skills", "agent", "agents"),
    _refers("agent_skills", "skill", "skills"),
)

# What a field means about which a text is silent, by the rules of 0007.
_SILENT: dict[str, dict[str, Any]] = {
    "tenants": {},
    "trunks": {"number_format": "national", "area_code": "511", "country_code": "49"},
    "skills": {"kind": "topic"},
    "teams": {"by_target": False, "help_debt": False},
    "calendars": {"land": "NI", "special_days": [], "zone": "Europe/Berlin"},
    "partners": {"ring_for": 30, "calendar": None, "channels": None, "calls_per_hour": None, "min_gain": 0},
    "failsafe_profiles": {"partner": None, "hours": []},
    "queues": {
        "priority": 0,
        "agent_order": "longest-idle",
        "home_first": False,
        "to_partners": True,
        "ring_for": 20,
        "wrap_up_for": 10,
        "max_wait": 900,
        "target": 30,
        "target_share": 0.75,
        "ladder": [],
        "music": "acd",
    },
    "entries": {
        "number": "",
        "block": False,
        "greeting": None,
        "announcement": None,
        "calendar": None,
        "closed": "acd/closed",
        "at_most": None,
        "spare": 0,
        "active_from": None,
        "active_to": None,
    },
    "agents": {"skills": {}, "team": None, "home": None, "lines": []},
}
_ALWAYS = ("tenants", "queues", "entries")

_before = sa.table("directory_versions", sa.column("number"), sa.column("content", sa.Text()))
_between = sa.table(
    "directory_versions",
    sa.column("number"),
    sa.column("packed", sa.LargeBinary()),
    sa.column("written", sa.Text()),
)
_after = sa.table(
    "directory_versions",
    sa.column("number"),
    sa.column("at"),
    sa.column("by"),
    sa.column("why"),
    sa.column("content", sa.LargeBinary()),
)


def upgrade() -> None:
    connection = op.get_bind()
    with op.batch_alter_table("directory_versions") as batch:
        batch.add_column(sa.Column("packed", sa.LargeBinary(), nullable=True))
    latest, youngest = 0, None
    for number in connection.scalars(sa.select(_before.c.number).order_by(_before.c.number)).all():
        # One at a time: a hundred versions of a large directory need not be in memory together.
        said = connection.scalar(sa.select(_before.c.content).where(_before.c.number == number)) or ""
        latest, youngest = number, _from_yaml(said)
        packed = zlib.compress(said.encode()) if youngest is None else _packed(youngest)
        connection.execute(sa.update(_between).where(_between.c.number == number).values(packed=packed))
    found = _read_tables(connection)
    with op.batch_alter_table("directory_versions") as batch:
        batch.drop_column("content")
        batch.alter_column(
            "packed", new_column_name="content", existing_type=sa.LargeBinary(), existing_nullable=True, nullable=False
        )
    if found is not None and found != youngest:
        row = {"number": latest + 1, "at": sa.func.current_timestamp(), "by": "", "why": "found in the database"}
        connection.execute(sa.insert(_after).values(**row, content=_packed(found)))
    _OLD.drop_all(connection, checkfirst=False)


def _read_tables(connection: sa.Connection) -> dict[str, Any] | None:
    """The directory as an export of it would say; ``None`` where nothing was ever put in."""
    skills: dict[str, dict[str, int]] = {}
    for row in connection.execute(sa.select(_AGENT_SKILLS).order_by("agent", "skill")):
        skills.setdefault(row.agent, {})[row.skill] = row.level
    directory: dict[str, Any] = {}
    for table in _TABLES:
        rows = connection.execute(sa.select(table).order_by(table.c.position)).mappings()
        said = [_said(table.name, {**row, "skills": skills.get(row.get("id", ""), {})}) for row in rows]
        if said or table.name in _ALWAYS:
            directory[table.name] = said
    return directory if any(directory.values()) else None


def _said(section: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as a file says it: nothing about position, seconds for milliseconds, silence for what is usual."""
    silent = _SILENT[section]
    said: dict[str, Any] = {}
    for column, stored in row.items():
        field, value = column.removesuffix("_ms"), stored
        if field != column:
            value = stored // 1000 if stored % 1000 == 0 else stored / 1000
        elif isinstance(stored, date):
            value = stored.isoformat()
        if field == "special_days":
            value = [{name: one for name, one in day.items() if name != "hours" or one} for day in stored]
        if (section, field) == ("calendars", "land"):
            said[field] = value or "none"
        elif field == "position" or (field == "skills" and section != "agents"):
            continue
        elif field not in silent or value != silent[field]:
            said[field] = value
    return said


def _from_yaml(text: str) -> dict[str, Any] | None:
    """``None``: it is not what this program has written."""
    try:
        said = yaml.load(text, _LOADER)  # noqa: S506  both are SafeLoaders
        # There and back, so that its dates are texts.
        said = json.loads(json.dumps(said, default=_day_written))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _packed(directory: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(directory, ensure_ascii=False, separators=(",", ":")).encode())


def _day_written(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a directory")


def downgrade() -> None:
    connection = op.get_bind()
    with op.batch_alter_table("directory_versions") as batch:
        batch.add_column(sa.Column("written", sa.Text(), nullable=True))
    youngest: dict[str, Any] | None = None
    for number in connection.scalars(sa.select(_after.c.number).order_by(_after.c.number)).all():
        packed = connection.scalar(sa.select(_after.c.content).where(_after.c.number == number)) or b""
        youngest, written = _to_yaml(packed)
        connection.execute(sa.update(_between).where(_between.c.number == number).values(written=written))
    with op.batch_alter_table("directory_versions") as batch:
        batch.drop_column("content")
        batch.alter_column(
            "written", new_column_name="content", existing_type=sa.Text(), existing_nullable=True, nullable=False
        )
    _OLD.create_all(connection, checkfirst=False)
    if youngest is not None:
        _fill_tables(connection, youngest)


def _to_yaml(packed: bytes) -> tuple[dict[str, Any] | None, str]:
    """What a version says, and its text; ``None`` where nobody can read it."""
    try:
        text = zlib.decompress(packed).decode()
    except (zlib.error, UnicodeDecodeError):
        return None, ""
    try:
        said = json.loads(text)
        for entry in said.get("entries", ()):
            _set_days(entry, "active_from", "active_to")
        for calendar in said.get("calendars", ()):
            for special in calendar.get("special_days", ()):
                _set_days(special, "day")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None, text
    return said, yaml.dump(said, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110)


def _set_days(table: dict[str, Any], *names: str) -> None:
    """Dates of texts: the old version takes no other, neither in YAML nor in its columns."""
    table.update({name: date.fromisoformat(table[name]) for name in names if table.get(name)})


def _fill_tables(connection: sa.Connection, directory: dict[str, Any]) -> None:
    if not directory.get("trunks"):
        directory["trunks"] = [{"name": "trunk"}]
    kept: dict[str, set[str]] = {}
    for table in _TABLES:
        rows: list[dict[str, Any]] = []
        for said in directory.get(table.name, ()):
            row = _row(table, {**_SILENT[table.name], **said})
            if row is not None and _refers_to_kept(table, row, kept):
                rows.append({**row, "position": len(rows)})
        kept[table.name] = {row[next(iter(table.columns)).name] for row in rows}
        if rows:
            connection.execute(sa.insert(table), rows)
    levels = [
        {"agent": agent["id"], "skill": skill, "level": level}
        for agent in directory.get("agents", ())
        for skill, level in agent.get("skills", {}).items()
    ]
    levels = [row for row in levels if _refers_to_kept(_AGENT_SKILLS, row, kept)]
    if levels:
        connection.execute(sa.insert(_AGENT_SKILLS), levels)


def _row(table: sa.Table, said: dict[str, Any]) -> dict[str, Any] | None:
    """``None`` where it is silent about something the table must have."""
    row: dict[str, Any] = {}
    for column in table.columns:
        value = said.get(column.name.removesuffix("_ms"))
        if column.name == "land":
            value = None if value == "none" else value
        elif column.name == "special_days":
            value = [{**day, "day": day["day"].isoformat(), "hours": day.get("hours", [])} for day in value or ()]
        elif column.name.endswith("_ms") and value is not None:
            value = round(value * 1000)
        if value is None and not column.nullable and column.name != "position":
            return None
        row[column.name] = value
    return row


def _refers_to_kept(table: sa.Table, row: dict[str, Any], kept: dict[str, set[str]]) -> bool:
    return all(
        row[key.parent.name] is None or row[key.parent.name] in kept[key.column.table.name]
        for key in table.foreign_keys
    )
