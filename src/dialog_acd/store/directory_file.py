"""The directory as a file an operator writes: TOML, seconds as plain numbers.

Whoever mistypes a word must be told which one and where, and must be told all faults at once. So unknown fields
are refused, types are taken at their word (``"20"`` is not 20), and what the file as a whole gets wrong (a queue
nobody has) is reported in the same list.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path  # noqa: TC003  in a public signature
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.core.model import (
    Agent,
    AgentId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Overflow,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    SkillId,
    Tenant,
    TenantId,
    Trunk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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


Words = Annotated[str, AfterValidator(_speakable)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_speakable)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), AfterValidator(_whole_milliseconds)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TenantTable(_Table):
    id: Name
    name: Name
    label: Name


class TrunkTable(_Table):
    name: Name
    number_format: Annotated[str, Field(pattern="^(national|cc-no-plus|subscriber)$")] = "national"
    area_code: Annotated[str, Field(pattern="^[1-9][0-9]{1,4}$")] = "511"
    country_code: Annotated[str, Field(pattern="^[1-9][0-9]{0,2}$")] = "49"


class PartnerTable(_Table):
    id: Name
    name: Name
    number: Name
    ring_for: Annotated[Seconds, Field(ge=1)] = 30


class FailsafeTable(_Table):
    name: Name
    group: Name
    partner: Name | None = None
    hours: list[Name] = []


class OverflowTable(_Table):
    after: Seconds
    partner: Name


class QueueTable(_Table):
    id: Name
    name: Name
    skill: Name
    level: int = 1
    ring_for: Seconds = 20
    wrap_up_for: Seconds = 10
    max_wait: Annotated[Seconds, Field(ge=1)] = 900
    target: Seconds = 30
    target_share: Annotated[float, Field(ge=0, le=1)] = 0.75
    overflow: OverflowTable | None = None
    music: Name = "acd"


class EntryTable(_Table):
    number: Words = ""
    tenant: Name
    queue: Name
    # TOML has no enums: the word is looked up.
    kind: Annotated[EntryKind, Field(strict=False)]
    failsafe: Name
    block: bool = False
    greeting: Name | None = None
    announcement: Name | None = None


class AgentTable(_Table):
    id: Name
    name: Name
    phone: Name
    team: Words = ""
    skills: dict[Name, int] = {}


class DirectoryTable(_Table):
    tenants: list[TenantTable]
    queues: list[QueueTable]
    entries: list[EntryTable]
    agents: list[AgentTable] = []
    partners: list[PartnerTable] = []
    failsafe_profiles: list[FailsafeTable] = []
    trunks: list[TrunkTable] = Field(default_factory=lambda: [TrunkTable(name="trunk")])


def read_directory(path: Path) -> Directory:
    """Read and check the file. Raises ``DirectoryFileInvalid`` naming every fault and its place."""
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DirectoryFileInvalid(path, (f"it cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise DirectoryFileInvalid(path, ("it is not UTF-8 text; save it as UTF-8",)) from error
    except tomllib.TOMLDecodeError as error:
        raise DirectoryFileInvalid(path, (f"it is not TOML: {error}",)) from error
    try:
        table = DirectoryTable.model_validate(content)
    except ValidationError as error:
        faults = tuple(_fault(details, content) for details in error.errors(include_url=False))
        raise DirectoryFileInvalid(path, faults) from error
    try:
        return _directory(table)
    except DirectoryInvalid as error:
        raise DirectoryFileInvalid(path, error.faults) from error


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
            )
            for e in table.entries
        ),
        agents=tuple(
            Agent(
                id=AgentId(a.id),
                name=a.name,
                phone=Phone(a.phone),
                skills={SkillId(skill): level for skill, level in a.skills.items()},
                team=a.team,
            )
            for a in table.agents
        ),
        partners=tuple(
            Partner(PartnerId(p.id), p.name, p.number, ring_for=_duration(p.ring_for)) for p in table.partners
        ),
        failsafe_profiles=tuple(
            FailsafeProfile(p.name, p.group, PartnerId(p.partner) if p.partner else None, tuple(p.hours))
            for p in table.failsafe_profiles
        ),
        trunks=tuple(Trunk(t.name, t.number_format, t.area_code, t.country_code) for t in table.trunks),
    )


def _queue(table: QueueTable) -> Queue:
    overflow = table.overflow
    return Queue(
        id=QueueId(table.id),
        name=table.name,
        skill=SkillId(table.skill),
        level=table.level,
        ring_for=_duration(table.ring_for),
        wrap_up_for=_duration(table.wrap_up_for),
        max_wait=_duration(table.max_wait),
        target=_duration(table.target),
        target_share=table.target_share,
        overflow=Overflow(_duration(overflow.after), PartnerId(overflow.partner)) if overflow else None,
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
}


def _fault(details: ErrorDetails, content: dict[str, Any]) -> str:
    kind = details["type"]
    place = details["loc"]
    if kind == "extra_forbidden":
        sentence = "unknown field"
        # Of what was meant, the closest: the typing error is nearly always one letter.
        if meant := get_close_matches(str(place[-1]), _fields_at(place[:-1]), n=1):
            sentence += f", did you mean {meant[0]!r}?"
    elif kind in {"enum", "literal_error"}:
        sentence = f"{details['input']!r} must be {details.get('ctx', {}).get('expected', 'another word')}"
    elif kind == "value_error":
        sentence = str(details["ctx"]["error"])
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind]
    else:
        sentence = f"{details['input']!r}: {details['msg']}"
    return f"{_written(place)}: {sentence}{_of_which(place, content)}"


def _written(place: tuple[int | str, ...]) -> str:
    """``entries[2].number``; the first is 0."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _of_which(place: tuple[int | str, ...], content: dict[str, Any]) -> str:
    """Nobody counts tables in a long file, so say which one it is by its own name."""
    for name in _names_at(place, content):
        return f" (in the one with {name})"
    return ""


def _names_at(place: tuple[int | str, ...], content: dict[str, Any]) -> Iterator[str]:
    if len(place) < 2 or not isinstance(place[1], int):
        return
    try:
        table = content[str(place[0])][place[1]]
        yield from (f"{key} {table[key]!r}" for key in ("id", "number", "name") if isinstance(table.get(key), str))
    except (KeyError, IndexError, TypeError, AttributeError):
        return


_TABLES: dict[str, type[_Table]] = {
    "tenants": TenantTable,
    "queues": QueueTable,
    "entries": EntryTable,
    "agents": AgentTable,
    "partners": PartnerTable,
    "failsafe_profiles": FailsafeTable,
    "trunks": TrunkTable,
}


def _fields_at(place: tuple[int | str, ...]) -> list[str]:
    if not place:
        return list(_TABLES)
    if place[-1] == "overflow":
        return list(OverflowTable.model_fields)
    return list(_TABLES[str(place[0])].model_fields)
