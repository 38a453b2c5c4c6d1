"""Tables of call figures: for each town, day, half hour or kind of entry the figures of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialog_acd.core import catalogue
from dialog_acd.report.document import Missing, Table, Unit, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dialog_acd.core.catalogue import Definition
    from dialog_acd.core.kpi import Figures

_UNITS = {
    catalogue.Unit.COUNT: Unit.COUNT,
    catalogue.Unit.PERCENT: Unit.PERCENT,
    catalogue.Unit.SECONDS: Unit.SECONDS,
    catalogue.Unit.DAYS: Unit.COUNT,
}


def value_of(definition: Definition, figures: Figures | None) -> Value:
    """A figure as a cell. Without figures, or where its source does not exist: keine Daten."""
    found = definition.value(figures) if figures is not None else None
    numerator, denominator = (definition.parts(figures) if figures is not None else None) or (None, None)
    return Value(found, _UNITS[definition.unit], numerator, denominator, Missing.NO_DATA, definition.id)


def figures_table(
    id_: str,
    caption: str,
    what: str,
    rows: Iterable[tuple[str, Figures | None]],
    definitions: Sequence[Definition],
    *,
    note: str = "",
) -> Table:
    """A row for each thing, a column for each figure. ``what``: what stands in the first column."""
    return Table(
        id_,
        caption,
        (what, *(d.name for d in definitions)),
        tuple((name, *(value_of(d, figures) for d in definitions)) for name, figures in rows),
        note,
    )


def figures_list(
    id_: str, caption: str, figures: Figures | None, definitions: Sequence[Definition], *, note: str = ""
) -> Table:
    """A row for each figure, with its definition beside it."""
    rows = tuple((d.name, value_of(d, figures), d.words) for d in definitions)
    return Table(id_, caption, ("Kennzahl", "Wert", "Definition"), rows, note)
