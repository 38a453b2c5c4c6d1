"""A directory as plain values, as its file says it; and the difference of two, in words.

``plain`` is the way back of ``directory_from_plain``: what it gives, read again, is the same directory. Only what
differs from the defaults is written, in the order of the file, so an export is what a careful operator would type.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from dialog_acd.core import calendars
from dialog_acd.core.calendars import Calendar, Hours, SpecialDay
from dialog_acd.core.model import NOT_YET, Contract, Entry, Need, Price, Rung, Step, Target, Waiver
from dialog_acd.core.rules import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field

    from dialog_acd.core.directory import Directory

SECTIONS = (
    "tenants",
    "trunks",
    "skills",
    "teams",
    "calendars",
    "prompts",
    "partners",
    "failsafe_profiles",
    "queues",
    "entries",
    "agents",
)
"""The tables of a directory, what is referred to before what refers."""
_ALWAYS = ("tenants", "queues", "entries")
_EVERY_DAY = frozenset(range(7))
_ONE = {
    "tenants": "tenant",
    "trunks": "trunk",
    "skills": "skill",
    "teams": "team",
    "calendars": "calendar",
    "prompts": "prompt",
    "partners": "partner",
    "failsafe_profiles": "failsafe profile",
    "queues": "queue",
    "entries": "entry",
    "agents": "agent",
}


def plain(directory: Directory) -> dict[str, Any]:
    """The directory as its file says it: texts, numbers, lists and tables; dates as dates."""
    sections = {section: [_table(one) for one in getattr(directory, section)] for section in SECTIONS}
    said = {section: tables for section, tables in sections.items() if tables or section in _ALWAYS}
    return said | ({"test_callers": list(directory.test_callers)} if directory.test_callers else {})


def whole(one: Any) -> dict[str, Any]:
    """One thing with all its fields, those too that are as by default; dates as ISO texts: what JSON can say."""
    return _table(one, everything=True)


def _table(one: Any, *, everything: bool = False) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for field in fields(one):
        value = getattr(one, field.name)
        if isinstance(one, Calendar) and field.name == "land":
            # Said always: left out, it would be ours.
            table["land"] = value or "none"
        elif everything:
            table[field.name] = _json(value)
        elif value != _default(field) and not (isinstance(one, Entry) and field.name == "number" and not value):
            table[field.name] = _value(value)
    return table


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _json(value: Any) -> Any:
    match value:
        case str() | int() | float() | None:
            return value.value if isinstance(value, StrEnum) else value
        case Contract() | Price() | Waiver():
            return _table(value, everything=True)
        case SpecialDay():
            said = _json(_value(value))
            return {**said, "hours": said.get("hours", [])}
        case tuple():
            return [_json(one) for one in value]
        case dict():
            return {key: _json(one) for key, one in value.items()}
        case date():
            said = _value(value)
            return said if isinstance(said, str) else said.isoformat()
    return _value(value)


@singledispatch
def _value(value: Any) -> Any:
    return value


@_value.register
def _(value: StrEnum) -> str:
    return value.value


@_value.register
def _(value: timedelta) -> float:
    seconds = value / timedelta(seconds=1)
    return int(seconds) if seconds == int(seconds) else seconds


@_value.register
def _(value: date) -> date | str:
    return "not-yet" if value == NOT_YET else value


@_value.register
def _(value: Decimal) -> str:
    return f"{value:f}"


@_value.register(Contract)
@_value.register(Price)
@_value.register(Waiver)
def _(value: Contract | Price | Waiver) -> dict[str, Any]:
    return _table(value)


@_value.register(Step)
@_value.register(Rung)
@_value.register(Need)
@_value.register(Target)
def _(value: Step | Rung | Need | Target) -> str:
    return written(value)


@_value.register
def _(value: Hours) -> str:
    return calendars.written(value)


@_value.register
def _(value: SpecialDay) -> dict[str, Any]:
    stretches = [calendars.written(Hours(_EVERY_DAY, *stretch)).removeprefix("daily ") for stretch in value.hours]
    return {"day": value.day, "name": value.name} | ({"hours": stretches} if stretches else {})


@_value.register
def _(value: frozenset) -> list[Any]:  # type: ignore[type-arg]
    return sorted(map(_value, value))


@_value.register
def _(value: tuple) -> list[Any]:  # type: ignore[type-arg]
    return [_value(one) for one in value]


@_value.register
def _(value: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    return {str(key): _value(one) for key, one in value.items()}


# ---------------------------------------------------------------- the difference


def differences(before: Directory | None, after: Directory) -> tuple[str, ...]:
    """What changes from one directory to the other, a line each, as one would tell a colleague.

    ``queue langenhagen: ring_for 20 becomes 25``; nothing at all where both say the same.
    """
    old = plain(before) if before is not None else {}
    new = plain(after)
    lines = [line for section in SECTIONS for line in _section(section, old.get(section, []), new.get(section, []))]
    callers = [made.get("test_callers", []) for made in (old, new)]
    return (*lines, *([_change("test_callers", *callers)] if callers[0] != callers[1] else []))


def difference(section: str, before: Any | None, after: Any | None) -> tuple[str, ...]:
    """The same for one thing of a section, which may not have been there, or be no more.

    Here an entry that begins on another day is known to be the same; of two whole directories it cannot be said.
    """
    old, new = ([] if one is None else [_table(one)] for one in (before, after))
    if old and new:
        return tuple(_fields(f"{_ONE[section]} {_name(old[0])}", old[0], new[0]))
    return tuple(_section(section, old, new))


def called(section: str, thing: Any) -> str:
    """One thing as ``differences`` calls it: ``queue langenhagen``."""
    return f"{_ONE[section]} {_name(_table(thing))}"


def _section(section: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[str]:
    one = _ONE[section]
    before, after = _by_name(old), _by_name(new)
    for name in before.keys() - after.keys():
        yield f"{one} {name} is taken away"
    for name, table in after.items():
        if name not in before:
            said = ", ".join(f"{field} {_said(value)}" for field, value in table.items() if field not in _NAMES)
            yield f"{one} {name} is new" + (f": {said}" if said else "")
            continue
        yield from _fields(f"{one} {name}", before[name], table)
    if before.keys() == after.keys() and list(before) != list(after):
        yield f"the order of the {section.replace('_', ' ')} changes"


def _fields(who: str, was: dict[str, Any], becomes: dict[str, Any]) -> Iterator[str]:
    for field in dict.fromkeys((*was, *becomes)):
        if was.get(field) != becomes.get(field):
            yield f"{who}: {_change(field, was.get(field), becomes.get(field))}"


_NAMES = ("id", "number")


def _by_name(tables: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    """By what tells one from the other."""
    return {_name(table): table for table in tables}


def _name(table: dict[str, Any]) -> str:
    name = str(table.get("id") or table.get("number") or table.get("name") or table.get("kind", ""))
    return f"{name} from {table['active_from']}" if "active_from" in table else name


def _change(field: str, was: Any, becomes: Any) -> str:
    if isinstance(was, list) and isinstance(becomes, list):
        less = [_said(one) for one in was if one not in becomes]
        more = [_said(one) for one in becomes if one not in was]
        parts = [f"without {', '.join(less)}" if less else "", f"with {', '.join(more)}" if more else ""]
        return f"{field} " + (" and ".join(filter(None, parts)) or "in another order")
    if isinstance(was, dict) and isinstance(becomes, dict):
        changed = [key for key in dict.fromkeys((*was, *becomes)) if was.get(key) != becomes.get(key)]
        return "; ".join(_change(f"{field} {key}", was.get(key), becomes.get(key)) for key in changed)
    if was is None:
        return f"{field} is now {_said(becomes)}"
    if becomes is None:
        return f"{field} is no longer {_said(was)}"
    return f"{field} {_said(was)} becomes {_said(becomes)}"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_said, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_said(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}'" if isinstance(value, str) and (" " in value or not value) else str(value)
