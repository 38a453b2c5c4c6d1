"""The evaluation report of the pilot (domain sheet 1.2, no. 34): five chapters for councils.

Call figures, staffing, quality promise, service agreement, data basis. It is made of pooled counts alone. What has no
source yet stands in it as *keine Daten*, so that nobody takes a missing figure for a good one.

What it says of staff obeys ``core/disclosure.py``: whole months that are over, whatever days are asked for, as a report
to the 10th less one to the 9th is one day. How long agents talk for a town is told where at least twenty calls stand
behind each month, and five people who answered them (``Figures.people``); and no total over the towns, from which one
that is kept back would follow.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dialog_acd.core.attendance import HALF_HOUR_MS, WITHOUT_TEAM, capacity, covered, occupancy
from dialog_acd.core.catalogue import DEFINITIONS, service_levels
from dialog_acd.core.disclosure import CALLS, EVERYBODY, MONTH, OTHERS, PERSONS, Cell, Crowd, Sheet
from dialog_acd.core.kpi import By, Figures, berlin_day
from dialog_acd.core.model import UNASSIGNED, Formula
from dialog_acd.report import german
from dialog_acd.report.document import Chapter, Chart, Document, Label, Missing, Table, Unit, Value
from dialog_acd.report.figures import COUNTED, KINDS, figures_list, figures_table, labelled, level_name, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from dialog_acd.core.attendance import Attended, Staffed
    from dialog_acd.core.catalogue import Definition
    from dialog_acd.core.kpi import Promise, Ratio
    from dialog_acd.core.model import EntryKind
    from dialog_acd.report.document import Cell as Said

STRICT = DEFINITIONS["service-level-strict"]
MS_PER_HOUR = 2 * HALF_HOUR_MS


def _those(*ids: str) -> tuple[Definition, ...]:
    return tuple(DEFINITIONS[id_] for id_ in ids)


_CALLS = _those(
    *("offered", "answered", "partner", "abandoned", "callback", "technical-losses"),  # which add up to the first
    *("abandoned-short", "released", "overflowed"),
)
_REACHED = _those(
    *("acceptance-network", "acceptance-own", "acceptance-adjusted", "abandonment"),
    *("overflow", "overflow-acceptance", "callback-rate"),
)
_WAITED = _those("asa", "asa-in-line", "wait-median", "wait-p90", "wait-p95", "wait-max", "wait-of-abandoned")
_SOLVED = _those("fcr", "fcr-lower-bound", "transfer-rate", "ticket-rate", "referred-rate", "missing-dispositions")
_PROMISED_BACK = _those("callback-compliance")
_HANDLED = _those("aht", "talk")
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
    by_time: Mapping[date, Figures]
    """By day, or where that would be too many, by the first day of each month."""
    daily: bool
    handled: Mapping[str, Sequence[Figures]]
    """By town, of each whole month that is over."""
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    """By town: the formula its contract goes by; where it is absent, the strict one."""
    attended: Sequence[Attended] = ()
    """Of the whole centre, in whole months that are over. Staff are shared, so the report of one town has none."""
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
        tuple(replace(d, name=level_name(d, data.whole.promises)) for d in DEFINITIONS.values() if d.id in used),
        (
            COUNTED,
            ("Zusammenfassung", "Werte über mehrere Tage oder Orte sind aus Summen gerechnet, nie aus Prozentwerten."),
            ("Rundung", "Auf eine Stelle. Ob eine Zusage gehalten wurde, entscheidet der ungerundete Wert."),
        ),
    )


def _calls(data: Evaluated) -> Chapter:
    times = [(_time(data, at), figures) for at, figures in sorted(data.by_time.items())]
    when, caption = ("Tag", "Anrufe je Tag") if data.daily else ("Monat", "Anrufe je Monat")
    tables = [
        figures_list("erreichbarkeit", "Erreichbarkeit", data.whole, _REACHED),
        figures_table(
            "anrufe-wege",
            "Anrufe nach Weg",
            "Weg",
            [
                *((Label(KINDS[kind], kind.value), data.by_kind[kind]) for kind in KINDS if kind in data.by_kind),
                ("Gesamt", data.whole),
            ],
            _CALLS,
        ),
    ]
    if data.town is None:
        towns = [(Label(name, town), data.by_town[town]) for town, name in _towns(data)]
        tables.append(
            figures_table("anrufe-kommunen", "Anrufe je Kommune", "Kommune", [*towns, ("Gesamt", data.whole)], _CALLS)
        )
    if data.handled:
        tables.append(_handling(data))
    by_time = figures_table("anrufe-zeit", caption, when, [*times, ("Gesamt", data.whole)], _CALLS)
    offered = Chart(
        f"Angebotene Anrufe je {when}",
        Unit.COUNT,
        tuple(_short(data, at) for at in sorted(data.by_time)),
        tuple(float(figures.offered) for _, figures in times),
    )
    return Chapter("anrufzahlen", "Anrufzahlen", (), (by_time, *tables), (offered,) if times else ())


def _time(data: Evaluated, at: date) -> Label:
    return labelled(By.DAY if data.daily else By.MONTH, at, {})


def _short(data: Evaluated, at: date) -> str:
    """Under a bar."""
    return f"{at.day}.{at.month}." if data.daily else f"{at:%m.%y}"


def _towns(data: Evaluated) -> list[tuple[str, str]]:
    """Those that had calls; also one that has left since."""
    named = [(town, name) for town, name in data.towns.items() if town in data.by_town]
    return [*named, *((town, town) for town in sorted(data.by_town.keys() - data.towns.keys()))]


def _handling(data: Evaluated) -> Table:
    rows: list[tuple[Said, ...]] = []
    for town, name in _towns(data):
        months = data.handled.get(town, ())
        whole = Figures()
        for month in months:
            whole.join(month)
        told = all(month.aht.of >= CALLS and month.people >= PERSONS for month in months if month.aht.of)
        kept_back = Value(None, Unit.SECONDS, missing=Missing.SUPPRESSED)
        rows.append((
            Label(name, town),
            *(value_of(d, whole) if told else replace(kept_back, definition=d.id) for d in _HANDLED),
        ))  # fmt: skip
    return Table(
        "bearbeitung",
        "Bearbeitungszeit je Kommune",
        ("Kommune", *(d.name for d in _HANDLED)),
        tuple(rows),
        f"Nur ganze, abgeschlossene Monate, in denen mindestens {PERSONS} eigene Kräfte an einem Tag und zusammen"
        f" mindestens {CALLS} Anrufe angenommen haben.",
    )


# ---------------------------------------------------------------- staff


def _staff(data: Evaluated) -> Chapter:
    title = "Personalkapazitäten"
    if data.town is not None:
        return Chapter(
            "personal",
            title,
            ("Das Personal arbeitet für alle Kommunen; seine Zahlen stehen nur im Bericht über alle.",),
        )
    groups, rows = _groups_told(data), list[tuple["Said", ...]]()
    for month, of_month in _by_month(data.attended).items():
        sheet = groups[month]
        for name, told_as, members in _told_in(sheet, data.teams, of_month):
            rows.append((labelled(By.MONTH, month, {}), name, *_of_group(sheet, told_as, members)))
    words = (
        (
            "Zahlen über Personal nennt dieser Bericht nur für Gruppen von mindestens fünf Personen und zwanzig"
            " Anrufen und nur für ganze, abgeschlossene Monate, in denen zwei Drittel der Anwesenheit auf Halbstunden"
            " mit fünf Personen zugleich fallen; was darunter liegt, oder sich aus dem Rest errechnen ließe, ist"
            " unterdrückt."
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
            f"{DEFINITIONS['occupancy'].numerator} / {DEFINITIONS['occupancy'].denominator}.",
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
                (one.team, berlin_day(one.begins).isoformat(), one.begins): Crowd.at_once(
                    one.working or min(one.people, 1), one.calls
                )
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
    return Value(there / MS_PER_HOUR, Unit.HOURS), _share(occupancy(attended), "occupancy", per=MS_PER_HOUR)


def _share(ratio: Ratio, definition: str, *, per: int = 1) -> Value:
    if not ratio.denominator:
        return Value(None, Unit.PERCENT, definition=definition)
    numerator, denominator = ratio.numerator / per, ratio.denominator / per
    return Value(ratio.percent(), Unit.PERCENT, numerator, denominator, definition=definition, made_of="h")


def _capacity(data: Evaluated) -> Table:
    months: dict[date, list[Staffed]] = defaultdict(list)
    for one in data.staffed:
        months[berlin_day(one.begins).replace(day=1)].append(one)
    sheets = _groups_told(data)
    told = {month: month in sheets and sheets[month].tells(Cell(EVERYBODY, MONTH)) for month in months}
    kept_back = Value(None, Unit.PERCENT, missing=Missing.SUPPRESSED, definition="staffing")
    rows: list[tuple[Label | str, Sequence[Staffed], bool]] = [
        (labelled(By.MONTH, month, {}), of, told[month]) for month, of in sorted(months.items())
    ]
    if len(rows) > 1:
        # One month that is kept back would follow from the sum and the others.
        rows.append(("Gesamt", data.staffed, all(told.values())))
    return Table(
        "kapazitaet",
        "Besetzte und benötigte Kräfte im ganzen Zentrum",
        ("Monat", "Besetzt zu benötigt", "Davon zur richtigen Zeit"),
        tuple(
            (name, _share(capacity(of), "staffing", per=MS_PER_HOUR), _share(covered(of), "staffing", per=MS_PER_HOUR))
            if tell
            else (name, kept_back, kept_back)
            for name, of, tell in rows
        ),
    )


# ---------------------------------------------------------------- promises


def _quality(data: Evaluated) -> Chapter:
    contract = {data.formulas[town] for town in data.by_town if town in data.formulas} or {Formula.STRICT}
    rows: list[tuple[Said, ...]] = []
    for definition in service_levels():
        goes_by = "ja" if definition.formula in contract else "nein"
        name = level_name(definition, data.whole.promises)
        rows.append((name, value_of(definition, data.whole), goes_by, definition.words))
    levels = Table(
        "servicelevel",
        "Servicelevel in vier Lesarten",
        ("Lesart", "Wert", "Lesart des Vertrags", "Definition"),
        tuple(rows),
        "Derselbe Zeitraum kann nach der einen Lesart die Zusage halten und nach der anderen nicht.",
    )
    shown = next((d for d in service_levels() if {d.formula} == contract), STRICT)
    name = level_name(shown, data.whole.promises)
    when = "Tag" if data.daily else "Monat"
    times = sorted(data.by_time.items())
    shares = {None if promise is None else promise.share for promise in data.whole.promises}
    target = 100 * shares.pop() if len(shares) == 1 and None not in shares else None  # type: ignore[operator]
    chart = Chart(
        f"{name} je {when}",
        Unit.PERCENT,
        tuple(_short(data, at) for at, _ in times),
        tuple(shown.value(figures) for _, figures in times),
        target,
        "" if target is None else f"Zusage {german.plain(target, 1)} %",
    )
    by_time = Table(
        "servicelevel-zeit",
        f"{name} je {when}",
        (when, name),
        tuple((_time(data, at), value_of(shown, figures)) for at, figures in times),
    )
    return Chapter(
        "qualitaet",
        "Einhaltung des Qualitätsversprechens",
        (),
        (
            *((by_time,) if times else ()),
            levels,
            figures_list("wartezeiten", "Wartezeiten", data.whole, _WAITED),
            figures_list("erledigung", "Erledigung beim ersten Kontakt", data.whole, _SOLVED),
            figures_list("rueckrufe", "Rückmeldung innerhalb von 24 Stunden", data.whole, _PROMISED_BACK),
        ),
        (chart,) if times else (),
    )


def _agreement(data: Evaluated) -> Chapter:
    rows: list[tuple[Said, ...]] = []
    for town, name in _towns(data):
        formula = data.formulas.get(town, Formula.STRICT)
        definition = next(d for d in service_levels() if d.formula is formula)
        for verdict in data.by_town[town].verdicts(formula):
            level = Value(
                verdict.level.percent(), Unit.PERCENT, verdict.level.numerator, verdict.level.denominator,
                definition=definition.id,
            )  # fmt: skip
            reading = level_name(definition, [verdict.promise])
            rows.append((Label(name, town), promised(verdict.promise), level, reading, judged(verdict.kept)))
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
    return f"{german.plain(100 * promise.share, 1)} % in {german.plain(promise.target_ms / 1000, 3)} s"


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
        ("Kommunen mit Anrufen", Value(len(data.by_town.keys() - {UNASSIGNED}))),
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
