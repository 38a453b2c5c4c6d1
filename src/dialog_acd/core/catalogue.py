"""Every figure there is, with its definition: what a report prints, and what it prints beside it.

No number means anything without the words for what stands above the line and below it: the same day has four service
levels. So whoever shows a figure takes its name, its unit and its words from here, and the figure itself by ``of``; a
new figure is a new line here, and the reports, the API and the documents have it.

The names are those of the 115 network and of the towns' evaluations. What has no ``of`` is reckoned elsewhere (how
busy a group is follows from who was signed in, not from calls), and has its name and its words from here all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from dialog_acd.core.kpi import SHORT, Dispositions, Fate, Figures, Mean, Rank, Ratio
from dialog_acd.core.model import Formula

if TYPE_CHECKING:
    from collections.abc import Callable


class Unit(StrEnum):
    """What a figure is told in."""

    COUNT = ""
    PERCENT = "%"
    SECONDS = "s"
    DAYS = "d"


class Source(StrEnum):
    """What a figure is made from; without it there is no data, which is no nought."""

    RECORDS = "Anrufdatensätze"
    DISPOSITIONS = "Gesprächsergebnisse"
    CALLBACKS = "Rückrufzusagen"
    ATTENDANCE = "Anwesenheit der Gruppe"
    TOPICS = "Themenkatalog"


Value = int | Ratio | Mean | Rank


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure, and all that has to be said of it. The words are German: they are printed."""

    id: str
    """Kebab-case, and never changed: programs read it."""
    name: str
    unit: Unit
    numerator: str
    """What stands above the line; of a count or of a wait, what it is."""
    denominator: str
    """What stands below it; of a wait, of whom. Empty: a count."""
    note: str = ""
    """What has to be known besides."""
    source: Source = Source.RECORDS
    of: Callable[[Figures], Value] | None = None
    formula: Formula | None = None
    """Of a service level that a contract can go by."""

    @property
    def words(self) -> str:
        """The definition in a sentence or two."""
        between = ", über: " if self.of and isinstance(self.of(Figures()), Rank) else " / "
        below = f"{between}{self.denominator}" if self.denominator else ""
        note = f" {self.note}" if self.note else ""
        return f"{self.numerator}{below}.{note}"

    def value(self, figures: Figures) -> float | None:
        """In its unit, unrounded. ``None``: keine Daten."""
        found = self.of(figures) if self.of else None
        match found:
            case Ratio():
                return found.percent()
            case Mean():
                return found.value()
            case Rank():
                return found.seconds
        return found

    def parts(self, figures: Figures) -> tuple[float, int] | None:
        """Numerator and denominator: two counts, or a sum of seconds and of how many. ``None``: it has no two parts."""
        found = self.of(figures) if self.of else None
        match found:
            case Ratio():
                return found.numerator, found.denominator
            case Mean():
                return found.total, found.of
        return None


_SHORT_S = f"{SHORT.total_seconds():.0f} s"
_OFFERED = "angebotene Anrufe"
_ACCEPTED = "angenommene Anrufe (eigene und Partner)"
_IN_TIME = "innerhalb der zugesagten Zeit angenommene Anrufe (eigene und Partner, Grenze eingeschlossen)"
_OWN_TARGET = "Jeder Anruf wird an der Zusage gemessen, die für ihn galt."
_OF_ACCEPTED = "Anrufe, bei denen ein Mensch abgenommen hat (eigene und Partner)"
_TOLD = "angenommene Anrufe ohne Fehlwahl, ohne abgebrochene Gespräche, ohne fehlendes Ergebnis"
_FROM_THE_DOOR = "Gezählt ab dem Eintreffen, Ansagen eingeschlossen."
_AFTER = "Gezählt ab dem Ende der Begrüßungsansage."


def _told(rate: Callable[[Dispositions], Ratio], figures: Figures) -> Ratio:
    return rate(figures.dispositions or Dispositions())


def _count(id_: str, name: str, words: str, of: Callable[[Figures], int], note: str = "") -> Definition:
    return Definition(id_, name, Unit.COUNT, words, "", note, of=of)


def _fate(became: Fate, name: str, words: str, note: str = "") -> Definition:
    return _count(became.value, name, words, lambda f: f.fates[became], note)


def _level(formula: Formula, name: str, above: str, below: str, note: str = "") -> Definition:
    return Definition(
        f"service-level-{formula}", name, Unit.PERCENT, above, below, f"{_OWN_TARGET} {note}".strip(),
        of=lambda f: f.service_level(formula), formula=formula,
    )  # fmt: skip


def _rank(id_: str, name: str, share: float, words: str) -> tuple[Definition, Definition]:
    return (
        Definition(
            f"wait-{id_}", name, Unit.SECONDS, words, _OF_ACCEPTED, _FROM_THE_DOOR, of=lambda f: f.wait(share)
        ),
        Definition(
            f"wait-in-line-{id_}", f"{name} ohne Ansage", Unit.SECONDS, words, _OF_ACCEPTED, _AFTER,
            of=lambda f: f.wait_in_line(share),
        ),
    )  # fmt: skip


_RANKS = (
    _rank("median", "Median", 0.5, "Wartezeit, die die Hälfte nicht überschritten hat"),
    _rank("p90", "P90", 0.9, "Wartezeit, die neun von zehn nicht überschritten haben"),
    _rank("p95", "P95", 0.95, "Wartezeit, die neunzehn von zwanzig nicht überschritten haben"),
    _rank("max", "max", 1.0, "längste Wartezeit"),
)

catalogue: tuple[Definition, ...] = (
    _count("calls", "Anrufe", "alle Anrufe, auch geschlossene, abgewiesene und Testanrufe", lambda f: f.calls),
    _count(
        "offered", "Angeboten", "Anrufe zur Servicezeit, die einen Menschen wollten", lambda f: f.offered,
        "Abgebrochene und übergelaufene gehören dazu; ebenso Anrufe außerhalb der Servicezeit, die an einen Partner"
        " gegeben wurden. Nicht: geschlossen, abgewiesen, Testanruf.",
    ),
    _fate(Fate.ANSWERED, "Angenommen (eigen)", "angebotene Anrufe, die eine eigene Kraft angenommen hat"),
    _fate(Fate.PARTNER, "Angenommen (Partner)", "angebotene Anrufe, die nur ein Partner angenommen hat"),
    _count(
        "abandoned", "Abgebrochen",
        "angebotene Anrufe ohne angenommene, Rückrufwünsche und technische Verluste", lambda f: f.abandoned,
        "Summe der vier folgenden Zeilen: wer auflegte, ehe jemand annahm, und wer verabschiedet wurde.",
    ),
    _fate(
        Fate.ABANDONED_HERE, "Abbrüche ohne Überlauf",
        f"nach mehr als {_SHORT_S} aufgelegt, nie an einen Partner gegeben",
    ),
    _fate(Fate.SHORT, f"Kurze Abbrüche (<= {_SHORT_S})", f"innerhalb von {_SHORT_S} aufgelegt"),
    _fate(
        Fate.LOST, "Übergelaufen und verloren",
        f"an einen Partner gegeben, von niemandem angenommen, nach mehr als {_SHORT_S} aufgelegt",
    ),
    _fate(Fate.RELEASED, "Verabschiedet", "angebotene Anrufe, denen gesagt wurde, dass niemand abnehmen wird"),
    _count(
        "overflowed", "Übergelaufen", "angebotene Anrufe, die mindestens einmal an einen Partner gegeben wurden",
        lambda f: f.sent.total(), "Wer immer sie dann angenommen hat.",
    ),
    _fate(
        Fate.CALLBACK, "Rückrufwünsche", "angebotene Anrufe, die statt zu warten einen Rückruf gewählt haben",
        "Weder angenommen noch abgebrochen.",
    ),
    _fate(
        Fate.FAILSAFE_ANSWERED, "Notbetrieb, angenommen",
        "angebotene Anrufe, die die Telefonanlage allein weiterführte und die dort jemand annahm",
        "Nicht unter den angenommenen: Wartezeit und Ergebnis sind nicht bekannt.",
    ),
    _fate(
        Fate.FAILSAFE, "Notbetrieb, nicht angenommen",
        "angebotene Anrufe, die die Telefonanlage allein weiterführte und bei denen niemand annahm",
    ),
    _fate(Fate.FAILED, "Technisch verloren", "angebotene Anrufe, deren Ende niemand gesehen hat"),
    _count(
        "technical-losses", "Technische Verluste", "technisch verloren oder im Notbetrieb",
        lambda f: f.fates[Fate.FAILED] + f.failsafe,
    ),
    _count(
        "closed-in-all", "Geschlossen", "Anrufe außerhalb der Servicezeit",
        lambda f: f.fates[Fate.CLOSED] + f.fates[Fate.CLOSED_CALLBACK], "Nicht angeboten.",
    ),
    _fate(
        Fate.CLOSED, "Geschlossen, angesagt", "Anrufe außerhalb der Servicezeit, denen die Öffnungszeit gesagt wurde"
    ),
    _fate(
        Fate.CLOSED_CALLBACK, "Geschlossen, Rückruf zugesagt",
        "Anrufe außerhalb der Servicezeit, denen ein Rückruf zugesagt wurde",
    ),
    _fate(
        Fate.REFUSED, "Nicht angenommen (Partnerlimit, Notruf)",
        "Anrufe eines Partners über das Vereinbarte hinaus, und gewählte Notrufnummern", "Nicht angeboten.",
    ),
    _fate(Fate.TEST, "Testanrufe", "Anrufe, die als Test gekennzeichnet sind", "In keiner anderen Zahl außer Anrufe."),
    _count(
        "unassigned", "Ohne Ort", "angebotene Anrufe auf eine gemeinsame Nummer, für die niemand den Ort genannt hat",
        lambda f: f.unassigned, "In den Zahlen keines Ortes.",
    ),
    # ------------------------------------------------------------ Erreichbarkeit
    Definition(
        "acceptance-network", "Annahmequote (Netz)", Unit.PERCENT, _ACCEPTED, _OFFERED, of=lambda f: f.accepted
    ),
    Definition(
        "acceptance-own", "Annahmequote (eigen)", Unit.PERCENT,
        "von eigenen Kräften angenommene Anrufe, die nie an einen Partner gegeben wurden",
        "angebotene Anrufe ohne übergelaufene", of=lambda f: f.accepted_own,
    ),
    Definition(
        "acceptance-adjusted", "Annahmequote bereinigt", Unit.PERCENT, _ACCEPTED,
        f"angebotene Anrufe ohne kurze Abbrüche (<= {_SHORT_S})", "Nur neben der Zahl der kurzen Abbrüche zu lesen.",
        of=lambda f: f.accepted_adjusted,
    ),
    Definition(
        "abandonment", "Abbruchquote", Unit.PERCENT, "abgebrochene Anrufe", _OFFERED, of=lambda f: f.abandon_rate
    ),
    Definition("overflow", "Überlaufquote", Unit.PERCENT, "übergelaufene Anrufe", _OFFERED, of=lambda f: f.sent_rate),
    Definition(
        "overflow-acceptance", "Überlauf-Annahmequote", Unit.PERCENT, "vom Partner angenommene Anrufe",
        "übergelaufene Anrufe, deren Ausgang bekannt ist", of=lambda f: f.sent_accepted,
    ),
    Definition(
        "callback-rate", "Rückrufwunsch-Quote", Unit.PERCENT, "Rückrufwünsche", _OFFERED, of=lambda f: f.callback_rate
    ),
    # ------------------------------------------------------------ Schnelligkeit
    _level(Formula.STRICT, "Servicelevel X/T strict", _IN_TIME, _OFFERED),
    _level(
        Formula.LATE_ABANDONS_ONLY, "Servicelevel ohne Frühabbrecher", _IN_TIME,
        "angebotene Anrufe ohne die, die innerhalb der zugesagten Zeit auflegten",
    ),
    _level(
        Formula.SERVED_ONLY, "Servicelevel der Angenommenen", _IN_TIME, _ACCEPTED,
        "Verschweigt, wer aufgegeben hat.",
    ),
    _level(
        Formula.ABANDONS_COUNT, 'Servicelevel "Abbruch<=T zählt positiv"',
        "angebotene Anrufe ohne die, die erst nach der zugesagten Zeit angenommen wurden oder abbrachen", _OFFERED,
        "Auch Rückrufwünsche und technische Verluste zählen positiv.",
    ),
    Definition(
        "service-level-short-excluded", f"Servicelevel ohne kurze Abbrüche (<= {_SHORT_S})", Unit.PERCENT, _IN_TIME,
        f"angebotene Anrufe ohne kurze Abbrüche (<= {_SHORT_S})", _OWN_TARGET,
        of=lambda f: f.service_level_short_excluded,
    ),
    Definition(
        "asa", "Durchschnittliche Wartezeit (ASA)", Unit.SECONDS, "Summe der Wartezeiten", _OF_ACCEPTED, _FROM_THE_DOOR,
        of=lambda f: f.asa,
    ),
    Definition(
        "asa-in-line", "Wartezeit ohne Ansage", Unit.SECONDS, "Summe der Wartezeiten", _OF_ACCEPTED, _AFTER,
        of=lambda f: f.asa_in_line,
    ),
    *(plain for plain, _ in _RANKS),
    *(in_line for _, in_line in _RANKS),
    Definition(
        "wait-of-abandoned", "Wartezeit der Abbrecher", Unit.SECONDS,
        "Summe der Zeiten bis zum Auflegen oder bis nach der Verabschiedung",
        "abgebrochene Anrufe", of=lambda f: f.wait_of_abandoned,
    ),
    # ------------------------------------------------------------ Erledigung
    Definition(
        "fcr", "Erstlösungsquote", Unit.PERCENT, "abschließend beantwortete Anrufe", _TOLD,
        "Nur neben der unteren Schranke und dem Anteil ohne Ergebnis zu lesen.", Source.DISPOSITIONS,
        partial(_told, Dispositions.fcr),
    ),
    Definition(
        "fcr-lower-bound", "Erstlösungsquote, untere Schranke", Unit.PERCENT, "abschließend beantwortete Anrufe",
        "angenommene Anrufe ohne Fehlwahl, ohne abgebrochene Gespräche",
        "Anrufe ohne Ergebnis gelten als nicht gelöst.", Source.DISPOSITIONS,
        partial(_told, Dispositions.fcr_lower_bound),
    ),
    Definition(
        "transfer-rate", "Weitervermittlungsquote", Unit.PERCENT, "weitervermittelte Anrufe", _TOLD, "",
        Source.DISPOSITIONS, partial(_told, lambda d: d.transfer_rate),
    ),
    Definition(
        "ticket-rate", "Ticketquote", Unit.PERCENT, "Anrufe, aus denen ein Ticket wurde", _TOLD, "",
        Source.DISPOSITIONS, partial(_told, lambda d: d.ticket_rate),
    ),
    Definition(
        "referred-rate", "Verweisquote", Unit.PERCENT, "Anrufe, denen die richtige Stelle genannt wurde", _TOLD, "",
        Source.DISPOSITIONS, partial(_told, lambda d: d.referred_rate),
    ),
    Definition(
        "missing-dispositions", "Anteil ohne Ergebnis", Unit.PERCENT, "angenommene Anrufe ohne Ergebnis", _ACCEPTED, "",
        Source.DISPOSITIONS, partial(_told, lambda d: d.missing_rate),
    ),
    Definition(
        "callback-compliance", "Rückruf-Einhaltung", Unit.PERCENT,
        "Rückrufzusagen, zu denen sich bis zur Frist jemand gemeldet hat",
        "Rückrufzusagen, deren Frist in den Zeitraum fällt, auch noch offene", "", Source.CALLBACKS,
        lambda f: f.callbacks or Ratio(0, 0),
    ),
    # ------------------------------------------------------------ Aufwand
    Definition(
        "aht", "AHT", Unit.SECONDS, "Summe aus Gespräch und Nacharbeit", "von eigenen Kräften angenommene Anrufe",
        of=lambda f: f.aht,
    ),
    Definition(
        "talk", "Gesprächsdauer", Unit.SECONDS, "Summe der Gespräche", "von eigenen Kräften angenommene Anrufe",
        "Bei weiterverbundenen Anrufen, bis die eigene Kraft sie abgegeben hat; kam der Anruf zurück, alle Gespräche.",
        of=lambda f: f.talk,
    ),
    Definition(
        "occupancy", "Auslastung", Unit.PERCENT, "Zeit für Gespräche und Nacharbeit",
        "angemeldete Zeit ohne vereinbarte Pausen", "Nur je Gruppe und halber Stunde.", Source.ATTENDANCE,
    ),
    Definition(
        "staffing", "Besetzungsgrad", Unit.PERCENT, "besetzte Halbstunden", "benötigte Halbstunden",
        "Benötigt nach Erlang C für die zugesagte Zeit.", Source.ATTENDANCE,
    ),
    Definition(
        "coverage", "Abdeckung der Datenbasis", Unit.PERCENT, "vollständig beschriebene Leistungen der Top 100", "100",
        "", Source.TOPICS,
    ),
    Definition(
        "age", "Alter der Datenbasis", Unit.DAYS, "Tage seit der letzten Bestätigung (Median)",
        "beschriebene Leistungen", "", Source.TOPICS,
    ),
)  # fmt: skip
"""In the order of a report."""

DEFINITIONS = {definition.id: definition for definition in catalogue}


def service_levels() -> tuple[Definition, ...]:
    """The four a contract can go by, the strict one first."""
    return tuple(definition for definition in catalogue if definition.formula is not None)
