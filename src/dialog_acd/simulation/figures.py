"""Figures by their proper names, and how sure several runs make us of them.

Names and definitions are those of the reports a town gets (``core/catalogue.py``), and a few that only a simulation can
know: how many were blocked, had to wait at all, waited on average however it ended (what queueing formulas speak of),
who served them, and how near the foretold waits came (``predictors.py``).

*How sure.* A share over several runs is the pooled numerator over the pooled denominator, never the mean of the runs'
shares; its spread is that of the residuals ``n - r d`` (ratio estimator). Percentiles are taken in each run, and their
mean over the runs is the figure. The interval is two-sided, 95 %, by Student's t with one degree less than there are
runs: with one run nothing is said.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from dialog_acd.core.catalogue import DEFINITIONS, Definition, service_levels
from dialog_acd.core.kpi import Fate, Figures, Mean, Rank, Ratio
from dialog_acd.core.model import Trigger
from dialog_acd.core.waiting import Predictor
from dialog_acd.simulation.predictors import HOL, LEARNT, QL, QL_M, TOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dialog_acd.core.model import EntryKind, QueueId


class Cell(NamedTuple):
    """What reports tell apart: each call lies in one of these."""

    entry: str
    queue: QueueId
    kind: EntryKind
    windows: int
    """A bit for each window of the scenario that the arrival lies in."""


@dataclass(slots=True)
class Seen:
    """What became of some of the calls."""

    figures: Figures = field(default_factory=Figures)
    blocked: int = 0
    by_group: Counter[str] = field(default_factory=Counter)
    """Answered by ours, by who answered."""
    squared: dict[str, float] = field(default_factory=dict)
    """Sums of squared errors of foretold waits, by predictor."""
    foretold: Counter[str] = field(default_factory=Counter)
    """So many waits each of them foretold."""
    foretold_s: float = 0.0
    """How long those were."""

    def compare(self, squared: Mapping[str, float], waited_s: float) -> None:
        """A wait is over that was foretold. Squared errors, by predictor."""
        self.foretold_s += waited_s
        for name, error in squared.items():
            self.squared[name] = self.squared.get(name, 0.0) + error
            self.foretold[name] += 1

    def join(self, other: Seen) -> None:
        self.figures.join(other.figures)
        self.blocked += other.blocked
        self.by_group.update(other.by_group)
        for name, error in other.squared.items():
            self.squared[name] = self.squared.get(name, 0.0) + error
        self.foretold.update(other.foretold)
        self.foretold_s += other.foretold_s


# ---------------------------------------------------------------- the figures

Unit = Literal["%", "s", "s²", "", "1", "d"]
"""Per cent, seconds, their squares, plain counts per run, a bare ratio, or days."""
Pair = tuple[float, float]
"""Of one run: numerator and denominator."""


@dataclass(frozen=True)
class Kpi:
    """A figure. ``of``: what one run says about it."""

    name: str
    unit: Unit
    of: Callable[[Seen], Ratio | Mean | Rank | Pair | float | None]


def _sent_by(trigger: str, seen: Seen) -> Ratio:
    return seen.figures.sent_by(trigger)


def _among_answered(group: str, seen: Seen) -> Ratio:
    return Ratio(seen.by_group[group], seen.figures.answered)


def _among_offered(group: str, seen: Seen) -> Ratio:
    return Ratio(seen.by_group[group], seen.figures.offered)


def _squared(name: str, seen: Seen) -> Mean:
    return Mean(seen.squared.get(name, 0.0), seen.foretold[name])


def _between(name: str, other: str, seen: Seen) -> Pair:
    return seen.squared.get(name, 0.0), seen.squared.get(other, 0.0)


_OF_THE_CALLERS = (
    "offered", Fate.ANSWERED, Fate.PARTNER, "abandoned", Fate.SHORT, "overflowed", Fate.LOST, Fate.CALLBACK,
    Fate.RELEASED, "technical-losses", "closed-in-all", "unassigned", Fate.REFUSED, "acceptance-network",
    "acceptance-own", "acceptance-adjusted", "abandonment", "overflow", "overflow-acceptance", "callback-rate",
    *(level.id for level in service_levels()), "service-level-short-excluded", "asa", "asa-in-line",
    "wait-of-abandoned", "wait-median", "wait-p90", "wait-p95", "wait-max", "aht", "talk",
)  # fmt: skip


def _defined(definition: Definition) -> Kpi:
    return Kpi(definition.name, definition.unit.value, lambda seen: definition.of and definition.of(seen.figures))


SERVICE_LEVEL = service_levels()[0].name
LOAD = DEFINITIONS["occupancy"].name
"""The one figure that is a group's and not the callers': handling time over time signed in less agreed breaks."""
_FIXED = (
    *(_defined(DEFINITIONS[id_]) for id_ in _OF_THE_CALLERS),
    Kpi("Blockiert", "", lambda s: s.blocked),
    *(Kpi(f"Überlaufquote ({trigger})", "%", partial(_sent_by, trigger.value)) for trigger in Trigger),
    Kpi("Verabschiedungsquote", "%", lambda s: Ratio(s.figures.fates[Fate.RELEASED], s.figures.offered)),
    Kpi("Blockierquote", "%", lambda s: Ratio(s.blocked, s.figures.offered + s.blocked)),
    Kpi("Wartezeit aller", "s", lambda s: s.figures.wait_of_all),
    Kpi("Anteil mit Wartezeit", "%", lambda s: Ratio(s.figures.had_to_wait, s.figures.offered)),
)
_MSE = "Mittlerer quadratischer Fehler"
_LEARNT = tuple(Kpi(f"{_MSE} {name}", "s²", partial(_squared, name)) for name in LEARNT.values())
# In heavy traffic the line is long today and short tomorrow, and all errors with it; not so their ratios.
_TOLD = (
    *(Kpi(f"{_MSE} {name}", "s²", partial(_squared, name)) for name in TOLD),
    *(
        Kpi(f"{_MSE} {name} / {other}", "1", partial(_between, name, other))
        for name, other in ((LEARNT[Predictor.QL_M], QL_M), (HOL, QL), (LEARNT[Predictor.LES], QL))
    ),
    Kpi(f"{_MSE} QL / Wartezeit", "s", lambda s: (s.squared.get(QL, 0.0), s.foretold_s)),
)


def named_kpis(groups: Iterable[str], *, known: bool = False) -> Mapping[str, Kpi]:
    """Every figure there is of callers, with the shares of these groups. ``known``: and predictors told the truth."""
    shares = [
        kpi
        for group in groups
        for kpi in (
            Kpi(f"Anteil {group} an Angenommenen", "%", partial(_among_answered, group)),
            Kpi(f"Anteil {group} an Angebotenen", "%", partial(_among_offered, group)),
        )
    ]
    return {kpi.name: kpi for kpi in (*_FIXED, *shares, *_LEARNT, *(_TOLD if known else ()))}


# ---------------------------------------------------------------- how sure

_T_975 = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
    2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
    2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272,
)  # fmt: skip
_Z_975 = 1.959963985


def t_975(freedom: int) -> float:
    """Student's t, two-sided 95 %. From 31 degrees on by the expansion at infinity (right to five digits there)."""
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z, v = _Z_975, freedom
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / v + second / v**2 + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / v**3


@dataclass(frozen=True)
class Estimate:
    """A figure over all runs, in its unit. ``half``: half the width of the 95 % interval; ``None``: nobody knows."""

    value: float
    half: float | None

    @property
    def se(self) -> float | None:
        """Standard error, as the four-sigma rule reckons it."""
        return None if self.half is None else self.half / _Z_975


def as_pair(part: Ratio | Mean | Rank | Pair | float | None) -> Pair:
    """Without anything to divide by, a run says nothing: nought over nought."""
    if isinstance(part, Ratio):
        return part.numerator, part.denominator
    if isinstance(part, Mean):
        return part.total, part.of
    if isinstance(part, Rank):
        part = part.seconds
    if isinstance(part, tuple):
        return part
    return (0.0, 0.0) if part is None else (part, 1.0)


def estimate(pairs: Sequence[Pair], unit: Unit) -> Estimate | None:
    """Join what the runs found; ``None`` where no run had anything to say."""
    below = math.fsum(d for _, d in pairs)
    if not below:
        return None
    factor = 100.0 if unit == "%" else 1.0
    value, runs = math.fsum(n for n, _ in pairs) / below, len(pairs)
    if runs < 2:
        return Estimate(factor * value, None)
    spread = math.sqrt(math.fsum((n - value * d) ** 2 for n, d in pairs) / (runs - 1))
    return Estimate(factor * value, factor * t_975(runs - 1) * spread * math.sqrt(runs) / below)
