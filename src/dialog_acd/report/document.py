"""A report before it is written down: chapters of tables and charts, every number with where it comes from.

The same document becomes a page for people, JSON for programs, and CSV for a spreadsheet; so no two of them differ. A
cell that has no value says why: there are no data, or it is kept back because it would be about too few people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dialog_acd.core.catalogue import Definition


class Missing(StrEnum):
    """Why there is no value."""

    NO_DATA = "keine Daten"
    SUPPRESSED = "unterdrückt"


class Unit(StrEnum):
    """What a value is of; how it is written follows from it."""

    COUNT = "Anzahl"
    PERCENT = "%"
    SECONDS = "s"
    EUROS = "EUR"
    HOURS = "h"


@dataclass(frozen=True, slots=True)
class Value:
    """A number of a report."""

    value: float | None
    """In its unit, unrounded; a percentage is 0 to 100."""
    unit: Unit = Unit.COUNT
    numerator: float | None = None
    denominator: float | None = None
    missing: Missing = Missing.NO_DATA
    """Why ``value`` is ``None``."""
    definition: str = ""
    """Id of how it is defined; empty: plain counts."""
    made_of: str = ""
    """What numerator and denominator are of, where they are no counts: ``h``."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a row is about: its name for people, and for programs what does not change with names and languages."""

    name: str
    key: str
    """The id of a town or queue, a number, or a time in ISO's writing."""


Cell = Value | Label | str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the first of each names the row."""

    id: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns of a table, drawn; it shows nothing that the table does not say."""

    caption: str
    unit: Unit
    places: tuple[str, ...]
    """What stands under each bar."""
    values: tuple[float | None, ...]
    target: float | None = None
    """A line across."""
    target_name: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    title: str
    subtitle: str
    as_of: datetime
    """When the figures were taken, in Berlin's time."""
    chapters: tuple[Chapter, ...]
    definitions: tuple[Definition, ...] = ()
    basis: tuple[tuple[str, str], ...] = field(default_factory=tuple)
    """What the reader has to know of the data: name and what is so."""

    def tables(self) -> Iterator[Table]:
        for chapter in self.chapters:
            yield from chapter.tables


def plain(document: Document) -> dict[str, Any]:
    """As JSON says it."""
    return {
        "id": document.id,
        "title": document.title,
        "subtitle": document.subtitle,
        "as_of": document.as_of.isoformat(),
        "basis": [{"name": name, "text": text} for name, text in document.basis],
        "chapters": [
            {
                "id": chapter.id,
                "title": chapter.title,
                "paragraphs": list(chapter.paragraphs),
                "tables": [
                    {
                        "id": table.id,
                        "caption": table.caption,
                        "columns": list(table.columns),
                        "rows": [[_plain(cell) for cell in row] for row in table.rows],
                        "note": table.note,
                    }
                    for table in chapter.tables
                ],
            }
            for chapter in document.chapters
        ],
        "definitions": [
            {
                "id": d.id,
                "name": d.name,
                "numerator": d.numerator,
                "denominator": d.denominator,
                "note": d.note,
                "unit": d.unit.value,
                "source": d.source.value,
            }
            for d in document.definitions
        ],
    }


def _plain(cell: Cell) -> Any:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Label):
        return {"name": cell.name, "key": cell.key}
    return {
        "value": cell.value,
        "unit": cell.unit.value,
        "numerator": cell.numerator,
        "denominator": cell.denominator,
        "missing": cell.missing.value if cell.value is None else None,
        "definition": cell.definition or None,
    }
