"""What the runs say, for people and for programs, and whether it is what was expected.

*What is expected.* Either bounds, or the figure somebody has worked out (``about``). The latter is met when it lies
within four standard errors, its own included: with thirty figures to a file, an interval of 95 % would be missed by
one or two of them although nothing is wrong. Where chance has a hand in it, fewer than ``FEWEST`` runs say nothing
of how sure a figure is: then people are shown no interval, and nothing is judged.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dialog_acd.simulation.figures import LOAD, SERVICE_LEVEL, Seen, as_pair, estimate, named_kpis
from dialog_acd.simulation.scenario import BERLIN, called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

    from dialog_acd.simulation.figures import Cell, Estimate, Pair, Unit
    from dialog_acd.simulation.run import Outcome
    from dialog_acd.simulation.scenario import Expectation, Scenario

SIGMAS = 4
FEWEST = 4
"""Runs. Of three, Student's t makes an interval more than four standard errors wide on either side."""
_COLUMNS = 4
"""Of figures beside each other; more do not fit a terminal."""

Scope = tuple[str, str | None]
"""Of whom (``all``, ``kind 115``, ``queue langenhagen``, ``number 115``, ``group home``), and in which window."""


@dataclass
class Findings:
    """Everything the runs have found so far. Of each run only numerators and denominators are kept."""

    scenario: Scenario
    seed: int
    calls: int = 0
    runs: int = 0
    pairs: dict[Scope, dict[str, list[Pair]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.kpis = named_kpis((group.name for group in scenario.groups), known=scenario.known is not None)
        entries = scenario.directory.entries
        # Only what can come: of a large directory a scenario may call a single number.
        self.words = list(
            dict.fromkeys(
                [
                    "all",
                    *(f"kind {entry.kind.value}" for entry in entries),
                    *(f"queue {queue.id}" for queue in scenario.directory.queues),
                    *(f"number {source.entry}" for source in scenario.sources),
                ]
            )
        )

    def add(self, outcome: Outcome) -> None:
        """Take in one more run."""
        self.calls += outcome.calls
        self.runs += 1
        made: dict[frozenset[Cell], dict[str, Pair]] = {}
        for position, window in enumerate((None, *self.scenario.windows)):
            of: dict[str, list[Cell]] = {word: [] for word in self.words}
            for cell in outcome.cells:
                if window is None or cell.windows >> (position - 1) & 1:
                    for word in (f"kind {cell.kind.value}", f"queue {cell.queue}", f"number {cell.entry}", "all"):
                        of[word].append(cell)
            for word, cells in of.items():
                # A centre with one queue has the same calls under four names.
                known = frozenset(cells)
                if known not in made:
                    seen = _joined(outcome.cells[cell] for cell in cells)
                    made[known] = {name: as_pair(kpi.of(seen)) for name, kpi in self.kpis.items()}
                self._note((word, window), made[known])
        for (group, window), load in outcome.loads.items():
            self._note((f"group {group}", window), {LOAD: (load.handling_s, load.there_s)})

    def _note(self, scope: Scope, found: Mapping[str, Pair]) -> None:
        kept = self.pairs.setdefault(scope, {})
        for name, pair in found.items():
            kept.setdefault(name, []).append(pair)

    def figure(self, kpi: str, of: str = "all", within: str | None = None) -> Estimate | None:
        """One figure; ``None`` where there is nothing to divide by."""
        return estimate(self.pairs[of, within][kpi], self.unit(kpi))

    def unit(self, kpi: str) -> Unit:
        return "%" if kpi == LOAD else self.kpis[kpi].unit

    def verdict(self, expected: Expectation) -> tuple[Estimate | None, bool | None]:
        """The figure, and whether it is what was expected. ``None``: too few runs to judge."""
        found = self.figure(expected.kpi, expected.of, expected.within)
        if self.too_few:
            return found, None
        if found is None:
            return None, False
        if expected.about is not None:
            # What is the same in every run has no spread; then only the last digit may differ.
            allowed = SIGMAS * math.hypot(found.se or 0.0, expected.se) + 1e-9
            return found, abs(found.value - expected.about) <= allowed
        least, most = expected.at_least, expected.at_most
        return found, (least is None or found.value >= least) and (most is None or found.value <= most)

    @property
    def too_few(self) -> bool:
        """Whether the runs are too few to say how sure their figures are."""
        return self.runs < FEWEST and self.scenario.by_chance

    @property
    def as_expected(self) -> bool | None:
        """Nothing that was expected is missed; ``None``: nothing is, but not all could be judged."""
        said = [self.verdict(expected)[1] for expected in self.scenario.expect]
        return False if False in said else None if None in said else True

    def shown(self, kpi: str, words: Iterable[str]) -> str:
        """The name with X and T filled in, where all calls in question were promised the same."""
        if kpi != SERVICE_LEVEL:
            return kpi
        directory = self.scenario.directory
        start, end = self.scenario.start, self.scenario.end
        entries = [called(directory, s.dialled, s.trunk, start, end).entry for s in self.scenario.sources]
        asked = {*words}
        promised = {
            (target.share, target.within.total_seconds())
            for entry in entries
            if {"all", f"kind {entry.kind.value}", f"queue {entry.queue}", f"number {entry.number}"} & asked
            for target in [directory.target(entry, directory.queue[entry.queue], start)]
        }
        if len(promised) != 1:
            return kpi
        share, target = promised.pop()
        return kpi.replace("X/T", f"{100 * share:g}/{target:g}")


def _joined(seen: Iterable[Seen]) -> Seen:
    whole = Seen()
    for one in seen:
        whole.join(one)
    return whole


# ---------------------------------------------------------------- for programs


def to_json(findings: Findings) -> str:
    """One JSON object, on one line. Figures in per cent, seconds, or counts per run; ``null``: keine Daten."""
    scenario = findings.scenario
    said = {
        "scenario": scenario.name,
        "seed": findings.seed,
        "runs": findings.runs,
        "calls": findings.calls,
        "start": _wall(scenario.start),
        "counted_from": _wall(scenario.counted_from),
        "end": _wall(scenario.end),
        "figures": [
            {
                "of": of,
                "in": window,
                "kpis": {name: _number(findings, name, of, window) for name in kpis},
            }
            for (of, window), kpis in findings.pairs.items()
        ],
        "expect": [_expected(findings, expected) for expected in scenario.expect],
        "as_expected": findings.as_expected,
        "notes": list(scenario.notes),
    }
    return json.dumps(said, ensure_ascii=False)


def _number(findings: Findings, kpi: str, of: str, window: str | None) -> dict[str, object]:
    found = findings.figure(kpi, of, window)
    half = None if found is None or found.half is None else round(found.half, 6)
    said: dict[str, object] = {
        "value": None if found is None else round(found.value, 6),
        "half_width": half,
        "unit": findings.unit(kpi) or "1",
    }
    if kpi == SERVICE_LEVEL:
        said["shown"] = findings.shown(kpi, [of])
    return said


def _expected(findings: Findings, expected: Expectation) -> dict[str, object]:
    found, met = findings.verdict(expected)
    bounds = (("from", expected.at_least), ("to", expected.at_most), ("about", expected.about))
    return {
        "kpi": expected.kpi,
        "of": expected.of,
        "in": expected.within,
        **{word: value for word, value in bounds if value is not None},
        "found": None if found is None else round(found.value, 6),
        "met": met,
    }


# ---------------------------------------------------------------- for people


def print_report(findings: Findings, console: Console) -> None:
    """Tables: the figures of each window, the groups, and what was expected."""
    scenario = findings.scenario
    console.print(scenario.name, style="bold", highlight=False)
    if scenario.text:
        console.print(scenario.text, highlight=False)
    runs = "1 run" if findings.runs == 1 else f"{findings.runs} runs"
    calls = "1 call" if findings.calls == 1 else f"{findings.calls} calls"
    period = f"{_wall_words(scenario.counted_from)} to {_wall_words(scenario.end)}"
    console.print(f"{runs}, seed {findings.seed}, {calls}; counted {period}", highlight=False)
    if findings.too_few:
        console.print(
            f"fewer than {FEWEST} runs are too few to judge: no figure says how sure it is; counts are per run",
            highlight=False,
        )
    elif findings.runs > 1:
        console.print(
            "± half the width of the 95 % interval, none where all runs are alike; counts are per run", highlight=False
        )
    for note in scenario.notes:
        console.print(f"note  {note}", highlight=False, markup=False)
    words = _worth_a_column(findings)
    for window in (None, *scenario.windows):
        for first in range(0, len(words), _COLUMNS):
            console.print(_figures(findings, words[first : first + _COLUMNS], window))
    if scenario.groups:
        console.print(_groups(findings))
    if scenario.expect:
        console.print(_expectations(findings))


def _worth_a_column(findings: Findings) -> list[str]:
    """``all``, and whatever differs from it and from what stands before it."""
    columns: dict[str, str] = {}
    for word in findings.words:
        pairs = findings.pairs.get((word, None), {})
        if any(pair[0] for name in ("Angeboten", "Geschlossen", "Blockiert") for pair in pairs.get(name, ())):
            columns.setdefault(repr(pairs), word)
    return [*columns.values()] or ["all"]


def _figures(findings: Findings, words: Sequence[str], window: str | None) -> Table:
    table = _table("All calls" if window is None else f"Calls that came {_window(findings.scenario, window)}")
    table.add_column("figure", no_wrap=True)
    for word in words:
        table.add_column(word, justify="right")
    # One group answers everything: nothing to be told apart.
    alone = len(findings.scenario.groups) < 2
    kpis = [name for name in findings.kpis if not (alone and name.startswith("Anteil ") and " an An" in name)]
    for name in kpis:
        found = [findings.figure(name, word, window) for word in words]
        # What never happens needs no line, but for the headline figures.
        if any(f is not None and f.value for f in found) or name in ("Angeboten", "Annahmequote (Netz)", SERVICE_LEVEL):
            unit = findings.unit(name)
            table.add_row(findings.shown(name, words), *(in_words(f, unit, sure=not findings.too_few) for f in found))
    return table


def _groups(findings: Findings) -> Table:
    windows = (None, *findings.scenario.windows)
    table = _table(f"{LOAD} of each group")
    for heading in ("group", "people"):
        table.add_column(heading, justify="left" if heading == "group" else "right")
    for window in windows:
        table.add_column(Text("all the time" if window is None else f"“{window}”"), justify="right")
    for group in findings.scenario.groups:
        found = [findings.figure(LOAD, f"group {group.name}", window) for window in windows]
        table.add_row(
            group.name, str(len(group.agents)), *(in_words(load, "%", sure=not findings.too_few) for load in found)
        )
    return table


def _expectations(findings: Findings) -> Table:
    table = _table("What the scenario expects")
    for heading in ("figure", "of", "in", "expected", "found", "verdict"):
        table.add_column(heading, justify="right" if heading in ("expected", "found") else "left")
    for expected in findings.scenario.expect:
        found, met = findings.verdict(expected)
        unit = findings.unit(expected.kpi)
        said = "too few runs to judge" if met is None else "met" if met else "NOT MET"
        style = "green" if met else "yellow" if met is None else "bold red"
        table.add_row(
            findings.shown(expected.kpi, [expected.of]), expected.of, expected.within or "", _wanted(expected, unit),
            in_words(found, unit, digits=2, sure=not findings.too_few), f"[{style}]{said}[/]",
        )  # fmt: skip
    return table


def _table(title: str) -> Table:
    return Table(title=Text(f"\n{title}"), title_justify="left", show_edge=False, pad_edge=False)


def _window(scenario: Scenario, window: str) -> str:
    """The window's name, and which hours it is if that is one stretch: “until 15” (Fri 14:45 to 15:00)."""
    stretches = scenario.windows[window]
    begin, until = (moment.astimezone(BERLIN) for moment in stretches[0])
    when = f" ({begin:%a %H:%M} to {until:%H:%M})" if len(stretches) == 1 else ""
    return f"in “{window}”{when}"


def _wanted(expected: Expectation, unit: Unit) -> str:
    sign = "" if unit == "1" else f" {unit}".rstrip()
    if expected.about is not None:
        return f"about {_shortest(expected.about)}{sign}"
    least, most = expected.at_least, expected.at_most
    if least is not None and least == most:
        return f"{_shortest(least)}{sign}"
    words = [f"{word} {_shortest(bound)}" for word, bound in (("from", least), ("to", most)) if bound is not None]
    return " ".join(words) + sign


def in_words(found: Estimate | None, unit: Unit, digits: int = 1, *, sure: bool = True) -> str:
    """A figure as people read it. Counts without decimals, unless they are a few; no interval where all runs agree."""
    if found is None:
        return "–"
    half = found.half if sure and found.half else 0.0
    if not unit and (found.value >= 10 or found.value.is_integer()) and (half >= 10 or half.is_integer()):
        digits = 0  # a count
    spread = f" ± {_german(half, digits)}" if half else ""
    sign = "" if unit == "1" else f" {unit}".rstrip()
    return f"{_german(found.value, digits)}{spread}{sign}"


def _shortest(value: float) -> str:
    return _german(value, 2).rstrip("0").rstrip(",")


def _german(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def _wall(moment: datetime) -> str:
    return moment.astimezone(BERLIN).isoformat(timespec="seconds")


def _wall_words(moment: datetime) -> str:
    return f"{moment.astimezone(BERLIN):%a %d.%m.%Y %H:%M}"
