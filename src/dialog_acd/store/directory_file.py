"""The directory as a file an operator writes: TOML or YAML, seconds as plain numbers.

Whoever mistypes a word must be told which one and where, and must be told all faults at once. So unknown fields
are refused, types are taken at their word (``"20"`` is not 20), and what the file as a whole gets wrong (a queue
nobody has) is reported in the same list.

Rules are lines of text (``from 15 s: langenhagen>=2``, ``waited 60 s: partner oldenburg``, ``mon-thu 07:00-18:00``),
read by the core, which also says what is wrong with them. An older form of the file (one skill and one overflow to a
queue, one number to a partner) is refused with the very lines it has to be written in now.

Other files of an operator (a scenario of the simulator) are read with the same parts: the kinds of lines and
lengths, and ``told``, which says what is wrong with a table of whatever form.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, ValidationError
from pydantic_core import PydanticCustomError

from dialog_acd.core.calendars import Calendar, Hours, SpecialDay, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid, RuleInvalid
from dialog_acd.core.model import (
    Agent,
    AgentId,
    AgentOrder,
    CalendarId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Rung,
    Skill,
    SkillId,
    SkillKind,
    Step,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Trunk,
)
from dialog_acd.core.numbers import FORMATS
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.store.yaml_text import YamlInvalid, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails


class DirectoryFileInvalid(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The directory file cannot be used."""

    error_id = "directory-file-invalid"

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        self.path = path
        self.faults = faults
        super().__init__(f"The directory file {path} cannot be used: " + "; ".join(faults))


def _speakable(text: str) -> str:
    # These texts reach displays, the dialplan and the database, and none of them has a use for a NUL or a line end.
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("must not contain control characters")
    return text


def _whole_milliseconds(seconds: float) -> float:
    if abs(seconds * 1000 - round(seconds * 1000)) > 1e-6:
        raise ValueError("seconds have at most three digits after the point")
    return seconds


T = TypeVar("T")


def rule_line(parse: Callable[[str], T]) -> BeforeValidator:
    """A value written as one line of text; ``parse`` raises ``RuleInvalid``."""

    def read(line: object) -> T:
        if not isinstance(line, str):
            raise PydanticCustomError("string_type", "not a text")
        try:
            return parse(_speakable(line))
        except RuleInvalid as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _parse_stretch(text: str) -> tuple[time, time]:
    """``08:00-12:00``: what is said of one day has no weekday in front."""
    if not re.match(r"\s*[0-9]", text):
        raise RuleInvalid(text, "write the hours of a special day as '08:00-12:00', without a day of the week")
    try:
        hours = parse_hours(f"daily {text}")
    except RuleInvalid as error:
        raise RuleInvalid(text, error.expected) from error
    return hours.opens, hours.closes


def _no_land(land: str | None) -> str | None:
    return None if land == "none" else land


Words = Annotated[str, AfterValidator(_speakable)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_speakable)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), AfterValidator(_whole_milliseconds)]
StepLine = Annotated[InstanceOf[Step], rule_line(parse_step)]
RungLine = Annotated[InstanceOf[Rung], rule_line(parse_rung)]
HoursLine = Annotated[InstanceOf[Hours], rule_line(parse_hours)]
Stretch = Annotated[tuple[time, time], rule_line(_parse_stretch)]


class Table(BaseModel):
    """What is written in it is all there may be, and is taken at its word."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TenantTable(Table):
    id: Name
    name: Name
    label: Name


class TrunkTable(Table):
    name: Name
    number_format: Annotated[str, Field(pattern=f"^({'|'.join(FORMATS)})$")] = "national"
    area_code: Annotated[str, Field(pattern="^[1-9][0-9]{1,4}$")] = "511"
    country_code: Annotated[str, Field(pattern="^[1-9][0-9]{0,2}$")] = "49"


class SkillTable(Table):
    id: Name
    name: Name
    # TOML has no enums: the word is looked up, here and below.
    kind: Annotated[SkillKind, Field(strict=False)] = SkillKind.TOPIC


class TeamTable(Table):
    id: Name
    name: Name
    by_target: bool = False
    help_debt: bool = False


class SpecialDayTable(Table):
    day: date
    name: Name
    hours: list[Stretch] = []


class CalendarTable(Table):
    id: Name
    name: Name
    hours: list[HoursLine]
    # "none" is said, not left out: whoever forgets the Land would serve on Christmas Day.
    land: Annotated[str | None, AfterValidator(_no_land)] = "NI"
    special_days: list[SpecialDayTable] = []
    zone: Name = "Europe/Berlin"


class PartnerTable(Table):
    id: Name
    name: Name
    numbers: list[Name]
    ring_for: Annotated[Seconds, Field(ge=1)] = 30
    calendar: Name | None = None
    channels: int | None = None
    calls_per_hour: int | None = None
    min_gain: Seconds = 0


class FailsafeTable(Table):
    name: Name
    group: Name
    partner: Name | None = None
    hours: list[Name] = []


class QueueTable(Table):
    id: Name
    name: Name
    steps: list[StepLine]
    priority: int = 0
    agent_order: Annotated[AgentOrder, Field(strict=False)] = AgentOrder.LONGEST_IDLE
    home_first: bool = False
    to_partners: bool = True
    ring_for: Seconds = 20
    wrap_up_for: Seconds = 10
    max_wait: Annotated[Seconds, Field(ge=1)] = 900
    target: Seconds = 30
    target_share: Annotated[float, Field(ge=0, le=1)] = 0.75
    ladder: list[RungLine] = []
    music: Name = "acd"


class EntryTable(Table):
    number: Words = ""
    tenant: Name
    queue: Name
    kind: Annotated[EntryKind, Field(strict=False)]
    failsafe: Name
    block: bool = False
    greeting: Name | None = None
    announcement: Name | None = None
    calendar: Name | None = None
    closed: Name = "acd/closed"
    at_most: int | None = None
    spare: int = 0
    active_from: date | None = None
    active_to: date | None = None


class AgentTable(Table):
    id: Name
    name: Name
    phone: Name
    skills: dict[Name, int] = {}
    team: Name | None = None
    home: Name | None = None
    lines: list[Name] = []


class DirectoryTable(Table):
    tenants: list[TenantTable]
    queues: list[QueueTable]
    entries: list[EntryTable]
    agents: list[AgentTable] = []
    partners: list[PartnerTable] = []
    failsafe_profiles: list[FailsafeTable] = []
    trunks: list[TrunkTable] = Field(default_factory=lambda: [TrunkTable(name="trunk")])
    skills: list[SkillTable] = []
    teams: list[TeamTable] = []
    calendars: list[CalendarTable] = []


def read_directory(path: Path) -> Directory:
    """Read and check the file: YAML by its name (``.yaml``, ``.yml``), else TOML.

    Raises ``DirectoryFileInvalid`` naming every fault and its place.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix in {".yaml", ".yml"}:
            return directory_from_yaml(text, path)
        content = tomllib.loads(text)
    except OSError as error:
        raise DirectoryFileInvalid(path, (f"it cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise DirectoryFileInvalid(path, ("it is not UTF-8 text; save it as UTF-8",)) from error
    except tomllib.TOMLDecodeError as error:
        raise DirectoryFileInvalid(path, (_not_toml(error),)) from error
    return directory_from_plain(content, path)


def directory_from_yaml(text: str, source: Path) -> Directory:
    """The same for a text in YAML. Raises ``DirectoryFileInvalid``."""
    try:
        content = parse_yaml(text, "'tenants', 'queues' and 'entries'")
    except YamlInvalid as error:
        raise DirectoryFileInvalid(source, (str(error),)) from error
    return directory_from_plain(content, source)


def directory_from_json(text: bytes, source: str) -> Directory:
    """The same for a text in JSON, dates written as texts. Raises ``DirectoryFileInvalid``."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DirectoryFileInvalid(Path(source), (f"it is not JSON: {error}",)) from error
    if not isinstance(content, dict):
        raise DirectoryFileInvalid(Path(source), ("it must be an object with names such as 'tenants' and 'queues'",))
    return _checked(lambda: DirectoryTable.model_validate_json(text), content, Path(source))


def _not_toml(error: tomllib.TOMLDecodeError) -> str:
    # The reader knows a date when it sees one, and does not say that it is the day that is wrong.
    said = str(error).replace(
        "Invalid date or datetime", "a date or time that the calendar does not have, as 2026-02-31 would be"
    )
    return f"it is not TOML: {said}"


def directory_from_plain(content: dict[str, Any], source: Path) -> Directory:
    """Check and build what a file of this form says, once it is read into plain values (TOML's, or YAML's).

    Raises ``DirectoryFileInvalid`` naming ``source``, every fault and its place.
    """
    return _checked(lambda: DirectoryTable.model_validate(content), content, source)


def _checked(read: Callable[[], DirectoryTable], content: dict[str, Any], source: Path) -> Directory:
    """The directory that ``read`` finds in the content; whatever is wrong with it is told with its place."""
    try:
        return _directory(read())
    except ValidationError as error:
        raise DirectoryFileInvalid(source, told(error, content, DirectoryTable, _TABLES, _written_now)) from error
    except DirectoryInvalid as error:
        raise DirectoryFileInvalid(source, error.faults) from error


def _directory(table: DirectoryTable) -> Directory:
    return Directory(
        tenants=tuple(Tenant(TenantId(t.id), t.name, t.label) for t in table.tenants),
        queues=tuple(_queue(q) for q in table.queues),
        entries=tuple(
            Entry(
                number=e.number,
                tenant=TenantId(e.tenant),
                queue=QueueId(e.queue),
                kind=e.kind,
                failsafe=e.failsafe,
                block=e.block,
                greeting=e.greeting,
                announcement=e.announcement,
                calendar=CalendarId(e.calendar) if e.calendar else None,
                closed=e.closed,
                at_most=e.at_most,
                spare=e.spare,
                active_from=e.active_from,
                active_to=e.active_to,
            )
            for e in table.entries
        ),
        agents=tuple(
            Agent(
                id=AgentId(a.id),
                name=a.name,
                phone=Phone(a.phone),
                skills={SkillId(skill): level for skill, level in a.skills.items()},
                team=TeamId(a.team) if a.team else None,
                home=TenantId(a.home) if a.home else None,
                lines=frozenset(QueueId(line) for line in a.lines),
            )
            for a in table.agents
        ),
        partners=tuple(
            Partner(
                id=PartnerId(p.id),
                name=p.name,
                numbers=tuple(p.numbers),
                ring_for=_duration(p.ring_for),
                calendar=CalendarId(p.calendar) if p.calendar else None,
                channels=p.channels,
                calls_per_hour=p.calls_per_hour,
                min_gain=_duration(p.min_gain),
            )
            for p in table.partners
        ),
        failsafe_profiles=tuple(
            FailsafeProfile(p.name, p.group, PartnerId(p.partner) if p.partner else None, tuple(p.hours))
            for p in table.failsafe_profiles
        ),
        trunks=tuple(Trunk(t.name, t.number_format, t.area_code, t.country_code) for t in table.trunks),
        skills=tuple(Skill(SkillId(s.id), s.name, s.kind) for s in table.skills),
        teams=tuple(Team(TeamId(t.id), t.name, t.by_target, t.help_debt) for t in table.teams),
        calendars=tuple(
            Calendar(
                id=CalendarId(c.id),
                name=c.name,
                hours=tuple(c.hours),
                land=c.land,
                special_days=tuple(SpecialDay(s.day, s.name, tuple(s.hours)) for s in c.special_days),
                zone=c.zone,
            )
            for c in table.calendars
        ),
    )


def _queue(table: QueueTable) -> Queue:
    return Queue(
        id=QueueId(table.id),
        name=table.name,
        steps=tuple(table.steps),
        priority=table.priority,
        agent_order=table.agent_order,
        home_first=table.home_first,
        to_partners=table.to_partners,
        ring_for=_duration(table.ring_for),
        wrap_up_for=_duration(table.wrap_up_for),
        max_wait=_duration(table.max_wait),
        target=_duration(table.target),
        target_share=table.target_share,
        ladder=tuple(table.ladder),
        music=table.music,
    )


def _duration(seconds: float) -> timedelta:
    return timedelta(milliseconds=round(seconds * 1000))


# -- saying what is wrong, in an operator's words

_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be a text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "string_too_short": "must not be empty",
    "date_type": "must be a date without quotes, as 2026-12-24",
    "date_from_datetime_inexact": "must be a date without a time, as 2026-12-24",
    "finite_number": "must be an ordinary number",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_ONE_OF = re.compile(r"\^\(([a-z0-9-]+(?:\|[a-z0-9-]+)*)\)\$")
"""A pattern that is a choice of words."""


Place = tuple[int | str, ...]


def told(
    error: ValidationError,
    content: dict[str, Any],
    form: type[Table],
    tables: Mapping[str, type[Table]],
    older: Callable[[Place, dict[str, Any]], str] = lambda _place, _content: "",
) -> tuple[str, ...]:
    """Every fault with its place, in an operator's words.

    ``form`` is the table as a whole, ``tables`` those inside it by the name they stand under; ``older`` says how a
    field of an older form is written now (empty: it never was one).
    """
    return tuple(_fault(d, content, form, tables, older) for d in error.errors(include_url=False))


def _fault(
    details: ErrorDetails,
    content: dict[str, Any],
    form: type[Table],
    tables: Mapping[str, type[Table]],
    older: Callable[[Place, dict[str, Any]], str],
) -> str:
    kind = details["type"]
    place = details["loc"]
    if kind == "extra_forbidden" and (now := older(place, content)):
        sentence = now
    elif kind == "extra_forbidden":
        sentence = "unknown field"
        # Of what was meant, the closest: the typing error is nearly always one letter.
        if meant := get_close_matches(str(place[-1]), _fields_at(place[:-1], form, tables), n=1):
            sentence += f", did you mean {meant[0]!r}?"
    elif kind in {"enum", "literal_error"}:
        sentence = f"{details['input']!r} must be {details.get('ctx', {}).get('expected', 'another word')}"
    elif kind == "value_error":
        sentence = str(details["ctx"]["error"])
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind]
    elif kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        sentence = f"{details['input']!r} must be {words} {details['ctx'][bound]:g}"
    elif kind == "string_pattern_mismatch" and (choice := _ONE_OF.fullmatch(details["ctx"]["pattern"])):
        sentence = f"{details['input']!r} must be one of: {', '.join(choice[1].split('|'))}"
    elif kind == "string_pattern_mismatch":
        sentence = f"{details['input']!r} must be of the form {details['ctx']['pattern'].strip('^$')}"
    else:
        sentence = f"{details['input']!r}: {details['msg']}"
    return f"{_written(place)}: {sentence}{_of_which(place, content)}"


def _written(place: Place) -> str:
    """``entries[2].number``; the first is 0."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _written_now(place: Place, content: dict[str, Any]) -> str:
    """What an older form of the file says, as it is said now; empty: it was never a field."""
    table = _table_at(place, content)
    match place[0], place[-1]:
        case "queues", "skill":
            level = table.get("level", 1)
            return f'is written in steps now: steps = ["from 0 s: {table.get("skill")}>={level}"]'
        case "queues", "level":
            return f'belongs to the need of a step now: steps = ["from 0 s: SKILL>={table.get("level")}"]'
        case "queues", "overflow":
            old = table.get("overflow")
            after, partner = (old.get("after"), old.get("partner")) if isinstance(old, dict) else (60, "NAME")
            return f'is written in the ladder now: ladder = ["waited {after} s: partner {partner}"]'
        case "partners", "number":
            return f'is a list now: numbers = ["{table.get("number")}"]'
    return ""


def _of_which(place: Place, content: dict[str, Any]) -> str:
    """Nobody counts tables in a long file, so say which one it is by its own name."""
    table = _table_at(place, content) if len(place) > 1 else {}
    for key in ("id", "number", "name"):
        if isinstance(table.get(key), str):
            return f" (in the one with {key} {table[key]!r})"
    return ""


def _table_at(place: Place, content: dict[str, Any]) -> dict[str, Any]:
    try:
        table = content[str(place[0])][place[1]]
    except (KeyError, IndexError, TypeError):
        return {}
    return table if isinstance(table, dict) else {}


_TABLES: dict[str, type[Table]] = {
    "tenants": TenantTable,
    "queues": QueueTable,
    "entries": EntryTable,
    "agents": AgentTable,
    "partners": PartnerTable,
    "failsafe_profiles": FailsafeTable,
    "trunks": TrunkTable,
    "skills": SkillTable,
    "teams": TeamTable,
    "calendars": CalendarTable,
    "special_days": SpecialDayTable,
}


def _fields_at(place: Place, form: type[Table], tables: Mapping[str, type[Table]]) -> list[str]:
    """Of the innermost table that the place lies in, as they are written."""
    named = [str(step) for step in place if str(step) in tables]
    fields = (tables[named[-1]] if named else form).model_fields
    return [field.alias or name for name, field in fields.items()]
