"""Tables of call figures: for each town, day, half hour or kind of entry the figures of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from dialog_acd.core import catalogue
from dialog_acd.core.kpi import BERLIN, By
from dialog_acd.core.model import EntryKind
from dialog_acd.report import german
from dialog_acd.report.document import Chapter, Document, Label, Missing, Table, Unit, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.catalogue import Definition
    from dialog_acd.core.kpi import Figures, Key, Promise
    from dialog_acd.report.document import Cell

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
    return Value(found, _UNITS[definition.unit], numerator, denominator, Missing.NO_DATA, definition=definition.id)


def figures_table(
    id_: str,
    caption: str,
    what: str,
    rows: Iterable[tuple[Label | str, Figures | None]],
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


def level_name(definition: Definition, promises: Iterable[Promise | None]) -> str:
    """``Servicelevel 75/30 strict`` where all were promised the same, else without numbers."""
    several = {*promises}
    if len(several) == 1 and (one := several.pop()) is not None:
        within = german.plain(one.target_ms / 1000, 3)
        return definition.name.replace("X/T", f"{german.plain(100 * one.share, 1)}/{within}")
    return definition.name.replace("X/T ", "")


KINDS = {
    EntryKind.MAIN_NUMBER: "Hauptnummern",
    EntryKind.SERVICE_115: "Behördennummer 115",
    EntryKind.FORWARDED: "Weitergeleitete Nummern",
    EntryKind.CATCH_ALL: "Unbekannte Nummern",
    EntryKind.PARTNER_INBOUND: "Anrufe von Partnern",
    EntryKind.INTERNAL: "Interne Nummern",
}
_WHAT = {
    By.TENANT: "Kommune",
    By.ENTRY: "Nummer",
    By.KIND: "Weg",
    By.QUEUE: "Warteschlange",
    By.HALF_HOUR: "Halbstunde",
    By.DAY: "Tag",
    By.MONTH: "Monat",
    By.YEAR: "Jahr",
    By.CLOCK: "Uhrzeit",
    By.WEEKDAY: "Wochentag",
}
_WEEKDAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
_ABOUT_STAFF = frozenset({"aht", "talk"})
ALL = tuple(d for d in catalogue.catalogue if d.of is not None and d.id not in _ABOUT_STAFF)
"""What is told of any group. How long agents talk is about them, and a group of calls may be one agent's."""


def calls_document(
    since: date,
    until: date,
    as_of: datetime,
    *,
    by: Sequence[By],
    groups: Mapping[Key, Figures],
    whole: Figures,
    towns: Mapping[str, str],
    town: str | None,
) -> Document:
    """Call figures, group by group, and all of them together."""
    rows: list[tuple[Cell, ...]] = [
        (*(labelled(part, one, towns) for part, one in zip(by, key, strict=True)), *(value_of(d, figures) for d in ALL))
        for key, figures in groups.items()
    ]
    total: tuple[Cell, ...] = ("Gesamt", *[""] * (len(by) - 1), *(value_of(d, whole) for d in ALL))
    table = Table(
        "anrufe",
        "Anrufe",
        (*(_WHAT[one] for one in by), *(level_name(d, whole.promises) for d in ALL)),
        (*rows, total),
    )
    about = towns.get(town, town) if town else "alle Kommunen"
    return Document(
        "calls",
        "Anrufzahlen",
        f"{german.day(since)} bis {german.day(until)}, {about}",
        as_of,
        (Chapter("anrufe-kapitel", "Anrufe", (), (table,)),),
        tuple(replace(d, name=level_name(d, whole.promises)) for d in ALL),
        (COUNTED,),
    )


COUNTED = (
    "Grundlage",
    "Alle beendeten Anrufe des Zeitraums außer denen von Partnern und internen, am Tag ihres Eintreffens in Berlin.",
)
"""What the figures of citizens rest on."""


def labelled(by: By, part: object, towns: Mapping[str, str]) -> Label:
    """A part of a group's key, as people and as programs call it."""
    match by, part:
        case By.TENANT, str():
            return Label(towns.get(part, part), part)
        case By.ENTRY, str():
            return Label(part or "Sammelnummer", part)
        case By.KIND, _:
            return Label(KINDS[EntryKind(str(part))], str(part))
        case By.HALF_HOUR, datetime():
            local = part.astimezone(BERLIN)
            return Label(_half_hour(local), local.isoformat())
        case By.DAY, date():
            return Label(german.day(part), part.isoformat())
        case By.MONTH, date():
            return Label(german.month(part), f"{part:%Y-%m}")
        case By.WEEKDAY, int():
            return Label(_WEEKDAYS[part - 1], str(part))
    return Label(str(part), str(part))


def _half_hour(local: datetime) -> str:
    """In the night of October the wall says the same twice."""
    said = german.moment(local)
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return said
    return f"{said} ({'Winterzeit' if local.fold else 'Sommerzeit'})"
