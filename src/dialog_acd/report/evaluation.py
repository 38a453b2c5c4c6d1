"""The evaluation report of the pilot (domain sheet 1.2, no. 34): five chapters for councils.

Call figures, staffing, quality promise, service agreement, data basis. It is made of pooled counts alone; what it says
of staff obeys ``core/disclosure.py``. What has no source yet stands in it as *keine Daten*, so that nobody takes a
missing figure for a good one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dialog_acd.core.attendance import HALF_HOUR_MS, WITHOUT_TEAM, capacity, covered, occupancy
from dialog_acd.core.catalogue import DEFINITIONS, service_levels
from dialog_acd.core.disclosure import EVERYBODY, MONTH, OTHERS, Cell, Crowd, Sheet
from dialog_acd.core.kpi import Figures, berlin_day
from dialog_acd.core.model import Formula
from dialog_acd.report import german
from dialog_acd.report.document import Chapter, Chart, Document, Missing, Table, Unit, Value
from dialog_acd.report.figures import KINDS, figures_list, figures_table, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from dialog_acd.core.attendance import Attended, Staffed
    from dialog_acd.core.catalogue import Definition
    from dialog_acd.core.kpi import Promise, Ratio
    from dialog_acd.core.model import EntryKind
    from dialog_acd.report.document import Cell as Said

STRICT = DEFINITIONS["service-level-strict"]


def _those(*ids: str) -> tuple[Definition, ...]:
    return tuple(DEFINITIONS[id_] for id_ in ids)


_CALLS = _those("offered", "answered", "partner", "abandoned", "abandoned-short", "overflowed", "callback")
_REACHED = _those(
    *("acceptance-network", "acceptance-own", "acceptance-adjusted", "abandonment"),
    *("overflow", "overflow-acceptance", "callback-rate"),
)
_WAITED = _those("asa", "asa-in-line", "wait-median", "wait-p90", "wait-p95", "wait-max", "wait-of-abandoned")
_SOLVED = _those("fcr", "fcr-lower-bound", "transfer-rate", "ticket-rate", "referred-rate", "missing-dispositions")
_PROMISED_BACK = _those("callback-compliance")
_BASIS = _those("coverage", "age")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """All that the report is made of: finished calls of citizens. Groups without calls are absent."""

    since: date
    until: date
    """The last day."""
    as_of: datetime
    """Berlin's time."""
    towns: Mapping[str, str]
    """Name by id, in the order of the report."""
    town: str | None
    """The one the report is about; ``None``: all."""
    whole: Figures
    by_town: Mapping[str, Figures]
    by_kind: Mapping[EntryKind, Figures]
    by_month: Mapping[date, Figures]
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    """By town: the formula its contract goes by; where it is absent, the strict one."""
    attended: Sequence[Attended] = ()
    """Of the whole centre. Staff are shared, so the report of one town has none."""
    staffed: Sequence[Staffed] = ()
    teams: Mapping[str, str] = field(default_factory=dict)
    """Name by id."""


def evaluation(data: Evaluated) -> Document:
    chapters = (_calls(data), _staff(data), _quality(data), _agreement(data), _basis(data))
    used = {
        cell.definition: None
        for c in chapters
        for t in c.tables
        for row in t.rows
        for cell in row
        if isinstance(cell, Value)
    }
    about = data.towns.get(data.town, data.town) if data.town else "alle Kommunen"
    return Document(
        "evaluation",
        "Evaluationsbericht",
        f"{german.day(data.since)} bis {german.day(data.until)}, {about}",
        data.as_of,
        chapters,
        tuple(d for d in DEFINITIONS.values() if d.id in used),
        (
            ("Grundlage", "Alle beendeten Anrufe des Zeitraums, gezählt am Tag ihres Eintreffens (Zeitzone Berlin)."),
            ("Zusammenfassung", "Werte über mehrere Tage oder Orte sind aus Summen gerechnet, nie aus Prozentwerten."),
            ("Rundung", "Auf eine Stelle. Ob eine Zusage gehalten wurde, entscheidet der ungerundete Wert."),
        ),
    )


def _calls(data: Evaluated) -> Chapter:
    months = [(german.month(month), figures) for month, figures in sorted(data.by_month.items())]
    tables = [
        figures_table("anrufe-monate", "Anrufe je Monat", "Monat", [*months, ("Gesamt", data.whole)], _CALLS),
        figures_table(
            "anrufe-wege",
            "Anrufe nach Weg",
            "Weg",
            [*((KINDS[kind], data.by_kind[kind]) for kind in KINDS if kind in data.by_kind), ("Gesamt", data.whole)],
            _CALLS,
        ),
    ]
    if data.town is None:
        towns = [(name, data.by_town[id_]) for id_, name in data.towns.items() if id_ in data.by_town]
        tables.append(
            figures_table("anrufe-kommunen", "Anrufe je Kommune", "Kommune", [*towns, ("Gesamt", data.whole)], _CALLS)
        )
    tables.append(figures_list("erreichbarkeit", "Erreichbarkeit", data.whole, _REACHED))
    offered = Chart(
        "Angebotene Anrufe je Monat",
        Unit.COUNT,
        tuple(name for name, _ in months),
        tuple(float(figures.offered) for _, figures in months),
    )
    return Chapter("anrufzahlen", "Anrufzahlen", (), tuple(tables), (offered,) if months else ())


# ---------------------------------------------------------------- staff


def _staff(data: Evaluated) -> Chapter:
    title = "Personalkapazitäten"
    if data.town is not None:
        return Chapter(
            "personal",
            title,
            ("Das Personal arbeitet für alle Kommunen; seine Zahlen stehen nur im Bericht über alle.",),
        )
    groups, rows = _groups_told(data), []
    for month, of_month in _by_month(data.attended).items():
        sheet = groups[month]
        for name, told_as, members in _told_in(sheet, data.teams, of_month):
            rows.append((german.month(month), name, *_of_group(sheet, told_as, members)))
    words = (
        (
            "Zahlen über Personal nennt dieser Bericht nur für Gruppen von mindestens fünf Personen und zwanzig"
            " Anrufen; was darunter liegt, oder sich aus dem Rest errechnen ließe, ist unterdrückt."
        ),
        (
            "Benötigt sind so viele Kräfte, wie nach Erlang C die zugesagte Zeit einhalten, je Halbstunde für das ganze"
            " Zentrum. Was zu einer Zeit zu viel ist, fehlt zu einer anderen: deshalb stehen Besetzung und Deckung"
            " nebeneinander."
        ),
    )
    tables = (
        Table(
            "gruppen",
            "Auslastung je Gruppe und Monat",
            ("Monat", "Gruppe", "Angemeldete Stunden", "Auslastung"),
            tuple(rows),
            DEFINITIONS["occupancy"].words,
        ),
        _capacity(data),
    )
    return Chapter("personal", title, words, tables)


def _by_month(attended: Sequence[Attended]) -> dict[date, list[Attended]]:
    months: dict[date, list[Attended]] = defaultdict(list)
    for one in attended:
        months[berlin_day(one.begins).replace(day=1)].append(one)
    return dict(sorted(months.items()))


def _groups_told(data: Evaluated) -> dict[date, Sheet]:
    return {
        month: Sheet(
            {
                (one.team, berlin_day(one.begins).isoformat(), one.begins): Crowd(one.working, one.calls)
                for one in of_month
            }
        )
        for month, of_month in _by_month(data.attended).items()
    }


def _told_in(
    sheet: Sheet, names: Mapping[str, str], attended: Sequence[Attended]
) -> list[tuple[str, str, list[Attended]]]:
    """Name, group of the sheet, and whose time it is."""
    told: dict[str, list[Attended]] = defaultdict(list)
    for one in attended:
        told[sheet.together[one.team]].append(one)
    called = {OTHERS: "Übrige Gruppen", WITHOUT_TEAM: "Ohne Gruppe", **names}
    own = sorted((called.get(group, group), group, members) for group, members in told.items())
    return [*own, ("Alle", EVERYBODY, list(attended))] if len(own) > 1 else own


def _of_group(sheet: Sheet, group: str, attended: Sequence[Attended]) -> tuple[Said, Said]:
    if not sheet.tells(Cell(group, MONTH)):
        kept_back = Missing.SUPPRESSED
        return Value(None, Unit.HOURS, missing=kept_back), Value(None, Unit.PERCENT, missing=kept_back)
    there = sum(one.signed_in_ms for one in attended)
    return Value(there / 3_600_000, Unit.HOURS), _share(occupancy(attended), "occupancy", per=3_600_000)


def _share(ratio: Ratio, definition: str, *, per: int = 1) -> Value:
    if not ratio.denominator:
        return Value(None, Unit.PERCENT, definition=definition)
    return Value(ratio.percent(), Unit.PERCENT, ratio.numerator / per, ratio.denominator / per, definition=definition)


def _capacity(data: Evaluated) -> Table:
    months: dict[date, list[Staffed]] = defaultdict(list)
    for one in data.staffed:
        months[berlin_day(one.begins).replace(day=1)].append(one)
    rows = [(german.month(month), of_month) for month, of_month in sorted(months.items())]
    sheets = _groups_told(data)
    told = all(sheets[month].tells(Cell(EVERYBODY, MONTH)) for month in months if month in sheets)
    kept_back = Value(None, Unit.PERCENT, missing=Missing.SUPPRESSED)
    return Table(
        "kapazitaet",
        "Besetzte und benötigte Kräfte im ganzen Zentrum",
        ("Monat", "Besetzt zu benötigt (Stunden)", "Deckung zur richtigen Zeit (Stunden)"),
        tuple(
            (
                name,
                _share(capacity(of), "staffing", per=2 * HALF_HOUR_MS),
                _share(covered(of), "staffing", per=2 * HALF_HOUR_MS),
            )
            if told
            else (name, kept_back, kept_back)
            for name, of in [*rows, *([("Gesamt", list(data.staffed))] if len(rows) > 1 else [])]
        ),
    )


# ---------------------------------------------------------------- promises


def _quality(data: Evaluated) -> Chapter:
    contract = {data.formulas.get(town, Formula.STRICT) for town in data.by_town} or {Formula.STRICT}
    rows: list[tuple[Said, ...]] = []
    for definition in service_levels():
        goes_by = "ja" if definition.formula in contract else "nein"
        rows.append((definition.name, value_of(definition, data.whole), goes_by, definition.words))
    levels = Table(
        "servicelevel",
        "Servicelevel in vier Lesarten",
        ("Lesart", "Wert", "Lesart des Vertrags", "Definition"),
        tuple(rows),
        "Derselbe Zeitraum kann nach der einen Lesart die Zusage halten und nach der anderen nicht.",
    )
    months = sorted(data.by_month.items())
    shares = {promise.share for promise in data.whole.promises if promise is not None}
    target = 100 * shares.pop() if len(shares) == 1 else None
    chart = Chart(
        "Servicelevel (strict) je Monat",
        Unit.PERCENT,
        tuple(german.month(month) for month, _ in months),
        tuple(STRICT.value(figures) for _, figures in months),
        target,
        "" if target is None else f"Zusage {german.number(target, 0 if target == int(target) else 1)} %",
    )
    return Chapter(
        "qualitaet",
        "Einhaltung des Qualitätsversprechens",
        (),
        (
            levels,
            figures_list("wartezeiten", "Wartezeiten", data.whole, _WAITED),
            figures_list("erledigung", "Erledigung beim ersten Kontakt", data.whole, _SOLVED),
            figures_list("rueckrufe", "Rückmeldung innerhalb von 24 Stunden", data.whole, _PROMISED_BACK),
        ),
        (chart,) if months else (),
    )


def _agreement(data: Evaluated) -> Chapter:
    rows: list[tuple[Said, ...]] = []
    for town, name in data.towns.items():
        if town not in data.by_town:
            continue
        formula = data.formulas.get(town, Formula.STRICT)
        definition = next(d for d in service_levels() if d.formula is formula)
        for verdict in data.by_town[town].verdicts(formula):
            level = Value(
                verdict.level.percent(), Unit.PERCENT, verdict.level.numerator, verdict.level.denominator,
                definition=definition.id,
            )  # fmt: skip
            rows.append((name, promised(verdict.promise), level, definition.name, judged(verdict.kept)))
    return Chapter(
        "vereinbarung",
        "Servicevereinbarung je Kommune",
        ("Jeder Anruf wird an der Zusage seines Tages gemessen; hat sie gewechselt, steht jede für sich.",),
        (
            Table(
                "zusagen",
                "Zusage und Ergebnis",
                ("Kommune", "Zusage", "Erreicht", "Lesart des Vertrags", "Ergebnis"),
                tuple(rows),
            ),
        ),
    )


def promised(promise: Promise | None) -> str:
    """``75 % in 30 s``."""
    if promise is None:
        return "nicht festgehalten"
    share = 100 * promise.share
    within = promise.target_ms / 1000
    return (
        f"{german.number(share, 0 if share == int(share) else 1)} % in "
        f"{german.number(within, 0 if within == int(within) else 1)} s"
    )


def judged(kept: bool | None) -> str:
    return "keine Daten" if kept is None else "eingehalten" if kept else "nicht eingehalten"


def _basis(data: Evaluated) -> Chapter:
    facts = data.whole
    rows: tuple[tuple[Said, ...], ...] = (
        ("Angebotene Anrufe", Value(facts.offered)),
        ("Davon ohne genannten Ort", Value(facts.unassigned)),
        (
            "Anrufe, deren Zusage nicht festgehalten ist",
            Value(facts.promises[None].offered if None in facts.promises else 0),
        ),
        ("Kommunen mit Anrufen", Value(len(data.by_town))),
    )
    return Chapter(
        "datenbasis",
        "Datenbasis",
        (
            (
                "Ein Leistungskatalog mit Ansprechpartnern und Stand ist noch nicht angeschlossen, ebenso wenig"
                " Gesprächsergebnisse und Rückrufe; was auf ihnen beruht, hat keine Daten."
            ),
        ),
        (
            Table("grundlage", "Worauf die Zahlen beruhen", ("Grundlage", "Anzahl"), rows),
            figures_list("katalog", "Leistungskatalog", None, _BASIS),
        ),
    )
