"""A report's tables as CSV that opens in a German office's spreadsheet by a double click.

Semicolons between the cells, commas in the numbers, and a byte order mark, without which Excel takes UTF-8 for
Windows-1252. A percentage or a mean has its numerator and denominator in columns of their own, so that whoever sums up
days sums up counts. Where there is no value the cell says why. Other programs read JSON.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from dialog_acd.core.spreadsheet import harmless
from dialog_acd.report import german
from dialog_acd.report.document import Unit, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dialog_acd.report.document import Cell, Table

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_PLACES = {Unit.COUNT: 0, Unit.PERCENT: 2, Unit.SECONDS: 3, Unit.EUROS: 2, Unit.HOURS: 3}


def sheet(tables: Iterable[Table]) -> str:
    """One below the other, an empty line between them; a single table stands alone."""
    several = list(tables)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    for n, table in enumerate(several):
        if len(several) > 1:
            if n:
                writer.writerow([])
            writer.writerow([harmless(table.caption)])
        split = [any(_has_parts(row[i]) for row in table.rows) for i in range(len(table.columns))]
        writer.writerow(_row(table.columns, split, heads=True))
        writer.writerows(_row(row, split) for row in table.rows)
    return MARK + out.getvalue()


def _row(cells: Iterable[Cell], split: list[bool], *, heads: bool = False) -> list[str]:
    said: list[str] = []
    for cell, parts in zip(cells, split, strict=True):
        if not isinstance(cell, Value):
            cell = cell if isinstance(cell, str) else cell.name  # noqa: PLW2901
            said.append(harmless(cell))
            said += [harmless(f"{cell}: Zähler"), harmless(f"{cell}: Nenner")] if heads and parts else [""] * 2 * parts
            continue
        said.append(cell.missing.value if cell.value is None else _number(cell.value, _PLACES[cell.unit]))
        if parts:
            said += ["" if part is None else _number(part, 3) for part in (cell.numerator, cell.denominator)]
    return said


def _has_parts(cell: Cell) -> bool:
    return isinstance(cell, Value) and cell.denominator is not None


def _number(value: float, places: int) -> str:
    return german.plain(value, places)
