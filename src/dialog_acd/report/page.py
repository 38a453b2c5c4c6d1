"""A document as one page of HTML, to be read, heard or printed (WCAG 2.1 AA; NBGG 9a asks for it).

Everything is in the one file: no script, no foreign host, no font to load. Each chart stands beside the table it is
drawn from and is named for those who do not see it. What comes from a directory (names of towns) is escaped like
everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from dialog_acd.report import german
from dialog_acd.report.document import Chart, Label, Table, Unit, Value

if TYPE_CHECKING:
    from dialog_acd.report.document import Cell, Document

_WIDTH, _HEIGHT = 680, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 120, 16, 30
_FIGURES_AT_MOST = 7
"""Columns of figures that fit on a sheet of paper."""
_LABELS_AT_MOST = 16
"""More of them under the bars would run into each other."""


def page(document: Document) -> str:
    return _templates.get_template("page.html.j2").render(document=document)


def parts(table: Table) -> list[Table]:
    """A table that is wider than a sheet of paper as several, each with what its rows are about."""
    named = 0
    while named < len(table.columns) and not _numeric(table, named):
        named += 1
    if len(table.columns) - named <= _FIGURES_AT_MOST:
        return [table]
    firsts = range(named, len(table.columns), _FIGURES_AT_MOST)
    return [
        Table(
            f"{table.id}-{n}",
            f"{table.caption} ({n} von {len(firsts)})",
            table.columns[:named] + table.columns[first : first + _FIGURES_AT_MOST],
            tuple(row[:named] + row[first : first + _FIGURES_AT_MOST] for row in table.rows),
            table.note if n == len(firsts) else "",
        )
        for n, first in enumerate(firsts, 1)
    ]


def written(cell: Cell) -> str:
    """As it stands in a German table."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Label):
        return cell.name
    if cell.value is None:
        return cell.missing.value
    match cell.unit:
        case Unit.PERCENT:
            return f"{german.number(cell.value, 1)}\N{NO-BREAK SPACE}%"
        case Unit.SECONDS:
            return german.seconds(cell.value)
        case Unit.EUROS:
            return german.euros(Decimal(repr(cell.value)))
        case Unit.HOURS:
            return german.duration(timedelta(hours=cell.value))
        case Unit.COUNT:
            return german.number(cell.value, 0 if cell.value == int(cell.value) else 1)


def counts(cell: Cell) -> str:
    """What a value was made of, ``700 von 1.000``; empty for what was counted itself."""
    if not isinstance(cell, Value) or cell.denominator is None or cell.numerator is None or cell.value is None:
        return ""
    above, below = (german.number(part, 0 if part == int(part) else 1) for part in (cell.numerator, cell.denominator))
    if cell.unit is Unit.SECONDS:
        return f"{above}\N{NO-BREAK SPACE}s bei {below}"
    of = f"\N{NO-BREAK SPACE}{cell.made_of}" if cell.made_of else ""
    return f"{above} von {below}{of}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in the coordinates of its picture."""

    width: int
    height: int
    bars: tuple[tuple[float, float, float, float, str], ...]
    """Left, top, width, height, and what it says."""
    labels: tuple[tuple[float, str], ...]
    """Middle, and text."""
    lines: tuple[tuple[float, str], ...]
    """Height of a line of the grid, and what it stands for."""
    target: float | None
    """Height of the line that is to be reached."""
    floor: float
    left: float
    right: float


def drawn(chart: Chart) -> Drawing:
    known = [value for value in (*chart.values, chart.target) if value is not None]
    top = 100.0 if chart.unit is Unit.PERCENT else _above(max(known, default=1.0))
    high, wide = _HEIGHT - _TOP - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    step = wide / max(len(chart.values), 1)

    def y(value: float) -> float:
        return round(_TOP + high * (1 - value / top), 1)

    bars = tuple(
        (
            round(_LEFT + step * i + step * 0.12, 1),
            y(value),
            round(step * 0.76, 1),
            round(_TOP + high - y(value), 1),
            f"{place}: {written(Value(value, chart.unit))}",
        )
        for i, (place, value) in enumerate(zip(chart.places, chart.values, strict=True))
        if value is not None
    )
    every = max(1, math.ceil(len(chart.places) / _LABELS_AT_MOST))
    labels = tuple((round(_LEFT + step * (i + 0.5), 1), p) for i, p in enumerate(chart.places) if i % every == 0)
    lines = tuple((y(top * n / 4), written(Value(top * n / 4, chart.unit))) for n in range(5))
    target = None if chart.target is None else y(chart.target)
    return Drawing(_WIDTH, _HEIGHT, bars, labels, lines, target, _TOP + high, _LEFT, _WIDTH - _RIGHT)


def _above(value: float) -> float:
    """The next round number, so that quarters of it are readable."""
    if value <= 0:
        return 4.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * n for n in (1, 1.2, 1.6, 2, 2.4, 4, 6, 8, 10) if size * n >= value)


def _numeric(table: Table, column: int) -> bool:
    return any(isinstance(row[column], Value) for row in table.rows if len(row) > column)


_templates = Environment(
    loader=PackageLoader("dialog_acd.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"written": written, "counts": counts, "parts": parts, "drawn": drawn, "moment": german.moment}
_templates.tests |= {"numeric": _numeric, "value": lambda cell: isinstance(cell, Value)}
