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
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_origin

from pydantic import TypeAdapter, ValidationError

from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.directory_form import TABLES, THINGS, DirectoryTable, Table, directory_of
from dialog_acd.store.yaml_text import YamlInvalid, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

    from dialog_acd.core.directory import Directory


class DirectoryFileInvalid(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The directory file cannot be used."""

    error_id = "directory-file-invalid"

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        self.path = path
        self.faults = faults
        super().__init__(f"The directory file {path} cannot be used: " + "; ".join(faults))


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
    return _checked(lambda: _in_slices(content) or DirectoryTable.model_validate_json(text), content, Path(source))


_SLICE = 50
"""Rows. A few milliseconds."""
_ROWS = {
    name: TypeAdapter(cast("Any", field.annotation))
    for name, field in DirectoryTable.model_fields.items()
    if get_origin(field.annotation) is list
}


def _in_slices(content: dict[str, Any]) -> DirectoryTable | None:
    """A large directory takes a tenth of a second to be read, in which no other thread comes to anything, and so no
    call. So it is read a few rows at a time. Nothing: something is wrong with it, and the whole will say what.
    """
    required = {name for name, field in DirectoryTable.model_fields.items() if field.is_required()}
    if not required <= content.keys() <= _ROWS.keys():
        return None
    sections: dict[str, list[Table]] = {}
    for name, rows in content.items():
        if not isinstance(rows, list):
            return None
        read = sections[name] = []
        for start in range(0, len(rows), _SLICE):
            try:
                # As text, because it is in texts that JSON has its dates.
                read += _ROWS[name].validate_json(json.dumps(rows[start : start + _SLICE]))
            except ValidationError:
                return None
    return DirectoryTable.model_construct(None, **sections)


def thing_from_json(section: str, content: dict[str, Any]) -> Any:
    """One thing of a section by itself, from what JSON can say. Whether it contradicts others only they can tell.

    Raises ``DirectoryFileInvalid``; places are those inside the thing.
    """
    form = TABLES[section]
    try:
        return THINGS[section](form.model_validate_json(json.dumps(content)))
    except ValidationError as error:
        raise DirectoryFileInvalid(Path(section), told(error, content, form, TABLES)) from error


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
        return directory_of(read())
    except ValidationError as error:
        raise DirectoryFileInvalid(source, told(error, content, DirectoryTable, TABLES, _written_now)) from error
    except DirectoryInvalid as error:
        raise DirectoryFileInvalid(source, error.faults) from error


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


def _fields_at(place: Place, form: type[Table], tables: Mapping[str, type[Table]]) -> list[str]:
    """Of the innermost table that the place lies in, as they are written."""
    named = [str(step) for step in place if str(step) in tables]
    fields = (tables[named[-1]] if named else form).model_fields
    return [field.alias or name for name, field in fields.items()]
