"""115 readiness: does the centre keep, week by week, what the network asks of it?

The profile is the one of regular operation (domain sheet 2.1): served Monday to Friday from 8 to 18, 75 per cent of the
callers answered within 30 seconds, 65 per cent of the matters settled at the first contact, what is left open answered
within 24 service hours. Whatever a town's own contract says, the network asks for these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.core.catalogue import DEFINITIONS
from dialog_acd.core.kpi import Figures, Ratio
from dialog_acd.report import german
from dialog_acd.report.document import Chapter, Chart, Document, Label, Missing, Table, Unit, Value
from dialog_acd.report.figures import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from dialog_acd.core.calendars import Hours
    from dialog_acd.core.catalogue import Definition
    from dialog_acd.report.document import Cell

SHARE, WITHIN, FIRST_CONTACT, WEEKS = 0.75, timedelta(seconds=30), 0.65, 12
_LEVEL = replace(
    DEFINITIONS["service-level-strict"],
    id="service-level-115",
    name=f"Annahme in {WITHIN.seconds} Sekunden",
    numerator=f"innerhalb von {WITHIN.seconds} s angenommene Anrufe (eigene und Partner, Grenze eingeschlossen)",
    note="Was immer den Anrufern sonst zugesagt war.",
    of=None,
    formula=None,
)


@dataclass(frozen=True, slots=True)
class Readied:
    """Figures of 115 calls alone."""

    as_of: datetime
    """Berlin's time."""
    weeks: Mapping[date, Figures | None]
    """By Monday, the oldest first; whole weeks. ``None``: nobody called."""
    hours: Sequence[tuple[str, Sequence[Hours]]]
    """Each 115 entry, and when in the promised hours neither we nor a partner take its calls."""


def answered_within(figures: Figures, within: timedelta) -> Ratio:
    """Strict: out of all offered, whatever was promised to the caller."""
    most = within // timedelta(milliseconds=1)
    return Ratio(sum(wait <= most for wait in figures.waits), figures.offered)


def readiness(data: Readied) -> Document:
    whole = Figures()
    for figures in data.weeks.values():
        if figures is not None:
            whole.join(figures)
    level = answered_within(whole, WITHIN)
    fcr, lower, back = (DEFINITIONS[id_] for id_ in ("fcr", "fcr-lower-bound", "callback-compliance"))
    late = [(entry, gaps) for entry, gaps in data.hours if gaps]
    criteria: tuple[tuple[Cell, ...], ...] = (
        (
            "Servicezeit",
            "Montag bis Freitag 8 bis 18 Uhr, durch das Zentrum oder einen Partner",
            _of(Ratio(len(data.hours) - len(late), len(data.hours))),
            _said(None if not data.hours else not late),
        ),
        (
            "Annahme",
            f"{german.number(100 * SHARE)} % der angebotenen Anrufe in {WITHIN.seconds} s",
            _of(level, _LEVEL.id),
            _said(level.reaches(SHARE)),
        ),
        (
            "Erstlösung",
            f"{german.number(100 * FIRST_CONTACT)} % der angenommenen Anrufe, untere Schranke",
            value_of(lower, whole),
            _said(_reaches(lower, whole, FIRST_CONTACT)),
        ),
        (
            "Rückmeldung",
            "innerhalb von 24 Stunden während der Servicezeit",
            value_of(back, whole),
            _said(_reaches(back, whole, 1.0)),
        ),
    )
    weeks = tuple(
        (
            Label(f"Woche ab {german.day(monday)}", monday.isoformat()),
            Value(0 if f is None else f.offered),
            _of(answered_within(f or Figures(), WITHIN), _LEVEL.id),
        )
        for monday, f in data.weeks.items()
    )
    first, last = min(data.weeks), max(data.weeks) + timedelta(days=6)
    chapters = [
        Chapter(
            "anforderungen",
            "Anforderungen",
            (),
            (
                Table(
                    "anforderungen-tabelle",
                    "Anforderungen des 115-Verbunds",
                    ("Anforderung", "Maß", "Wert", "Ergebnis"),
                    criteria,
                ),
            ),
        ),
        Chapter(
            "wochen",
            "Annahme in 30 Sekunden je Woche",
            (),
            (
                Table(
                    "wochen-tabelle",
                    "Anrufe über die 115 je Woche",
                    ("Woche", "Angeboten", "Innerhalb von 30 s angenommen"),
                    weeks,
                ),
            ),
            (
                Chart(
                    "Innerhalb von 30 Sekunden angenommen",
                    Unit.PERCENT,
                    tuple(f"{monday.day}.{monday.month}." for monday in data.weeks),
                    tuple(answered_within(f or Figures(), WITHIN).percent() for f in data.weeks.values()),
                    100 * SHARE,
                    f"Ziel {german.number(100 * SHARE)} %",
                ),
            ),
        ),
    ]
    if late:
        rows = tuple((entry, german.hours(gap.days, gap.opens, gap.closes)) for entry, gaps in late for gap in gaps)
        chapters.append(
            Chapter(
                "luecken",
                "Lücken der Servicezeit",
                (),
                (
                    Table(
                        "luecken-tabelle", "Weder vom Zentrum noch von einem Partner bedient", ("Nummer", "Wann"), rows
                    ),
                ),
            )
        )
    return Document(
        "readiness",
        "115-Bereitschaft",
        f"{len(data.weeks)} Wochen, {german.day(first)} bis {german.day(last)}",
        data.as_of,
        tuple(chapters),
        (_LEVEL, fcr, lower, back),
        (("Grundlage", "Nur Anrufe über die Behördennummer 115, gezählt am Tag ihres Eintreffens (Zeitzone Berlin)."),),
    )


def _of(ratio: Ratio, definition: str = "") -> Value:
    if not ratio.denominator:
        return Value(None, Unit.PERCENT, missing=Missing.NO_DATA, definition=definition)
    return Value(ratio.percent(), Unit.PERCENT, ratio.numerator, ratio.denominator, definition=definition)


def _reaches(definition: Definition, figures: Figures, share: float) -> bool | None:
    parts = definition.parts(figures)
    return None if parts is None else Ratio(int(parts[0]), parts[1]).reaches(share)


def _said(reached: bool | None) -> str:
    return "keine Daten" if reached is None else "erfüllt" if reached else "nicht erfüllt"
