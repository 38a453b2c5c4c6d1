"""Reachability and speed, from finished records: numerators and denominators first, a percentage last.

The definitions are those of the 115 network and of the towns' contracts:

- **offered** (O): every call that wanted a person, and came when the number is served. A call to an emergency number
  was told where help is and wanted nobody here (refused); a call that found the number closed was told when it opens
  or promised to be called back (closed). Both are counted apart and are in no denominator. A call that came out of
  hours and was sent to a partner all the same (115 on a Friday afternoon) was promised a person, so it is offered.
- **answered** (own A): a person of ours answered, whatever became of the call later. **overflowed**: nobody of ours
  did, a partner's person did. **failsafe**: Asterisk took the call out of our hands and neither of the two had
  answered it before; whether the failsafe group then answered is reported with it where known. **released**: the
  caller waited and was told that nobody will answer. **promised**: the caller chose to be called back; neither answered
  nor abandoned. **abandoned** and **failed** (technical losses) are the rest. Each offered call is in exactly one of
  these seven.
- **sent** (V): handed to a partner at least once, whoever answered in the end.
- **wait** of a call: from the first signalling at our door until a person answers, announcements included; a
  partner's person counts.
- **service level, strict**: answered within the queue's target (boundary included: 30.000 s is in time) by ours or by
  a partner, out of *all* offered. The kinder formulas stand beside it under names of their own: the same day can
  "meet" 75/30 by one of them and miss it by the strict one, so none of them is ever printed without its name.

- **test calls** are in none of these. **unassigned**: offered calls of a number that several towns share of which
  nobody has said whose they were; a group of their own beside the towns.

A value over a period is made of pooled counts, never a mean of percentages, so a ``Ratio`` keeps both numbers,
``Figures`` of two days or towns add up, and nothing divided by nothing is ``None`` ("keine Daten"), never 0 % and
never 100 %.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.core.model import UNASSIGNED
from dialog_acd.core.records import PROMISED, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.model import QueueId, TenantId
    from dialog_acd.core.records import CallRecord

DEFAULT_TARGET = timedelta(seconds=30)
"""115: 75 per cent within 30 seconds."""
SHORT = timedelta(seconds=5)
"""Who leaves within so long was hardly there: a *short* abandon."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """So many of so many."""

    numerator: int
    denominator: int

    def percent(self) -> float | None:
        """Per cent, unrounded; ``None`` where there is nothing to divide by."""
        return 100 * self.numerator / self.denominator if self.denominator else None

    def share(self) -> float | None:
        """The same between 0 and 1."""
        return self.numerator / self.denominator if self.denominator else None

    def __str__(self) -> str:
        percent = self.percent()
        return "keine Daten" if percent is None else f"{percent:.1f} %".replace(".", ",")

    def __add__(self, other: Ratio) -> Ratio:
        """Pool two counts: the only right way to join days or towns."""
        return Ratio(self.numerator + other.numerator, self.denominator + other.denominator)


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum over so many."""

    total: float
    of: int

    def value(self) -> float | None:
        """``None`` where there is nothing to divide by."""
        return self.total / self.of if self.of else None

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.of + other.of)


@dataclass(slots=True)
class Figures:
    """What a table says about a town, or about all of them: finished calls, counted one by one with ``add``.

    Waits are seconds; ``None``: nobody was answered. German names are those of the reports.
    """

    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    overflowed: int = 0
    failsafe: int = 0
    failed: int = 0
    released: int = 0
    promised: int = 0
    """Chose to be called back instead of waiting: neither answered nor abandoned."""
    refused: int = 0
    """Emergency numbers, and calls of a partner beyond what was agreed: not offered."""
    closed: int = 0
    """Came when nobody serves the number: not offered."""
    unassigned: int = 0
    """Offered, and nobody has said for which of several towns: in no town's figures, and in nobody's bill."""
    sent: Counter[str] = field(default_factory=Counter)
    """V, by what sent them: values of ``model.Trigger``."""
    answered_here: int = 0
    """Of ``answered``, those never sent to a partner."""
    in_time: int = 0
    abandoned_in_time: int = 0
    """Left within the target."""
    abandoned_short: int = 0
    had_to_wait: int = 0
    """Answered or abandoned, and not in the very moment they came."""
    waits: list[float] = field(default_factory=list)
    """Of whoever a person answered."""
    waits_in_line: list[float] = field(default_factory=list)
    """The same, without the announcement that had to be heard."""
    waits_of_abandoned: list[float] = field(default_factory=list)
    handling: list[float] = field(default_factory=list)
    """Conversation and wrap-up, of calls answered by ours."""

    def add(self, record: CallRecord, target: timedelta | None = None) -> None:
        """Count a finished call. ``target``: how long may be waited in its queue; without it, thirty seconds.

        A record itself says whether *our* answer was in time; the target is for partners and for who abandoned. A test
        call counts nowhere.
        """
        if record.test:
            return
        result = record.outcome.result
        if result is Result.REFUSED:
            self.refused += 1
            return
        at_night = result is Result.CALLBACK and record.outcome.reason != PROMISED
        if (result is Result.CLOSED or at_night) and record.t_ovf is None:
            self.closed += 1
            return
        self.offered += 1
        self.unassigned += record.tenant == UNASSIGNED
        if record.t_ovf is not None:
            self.sent[record.overflow_trigger] += 1
        answer = record.t_ans or record.t_ovf_ans
        if answer is not None:
            wait = answer - record.t_in
            self.waits.append(wait.total_seconds())
            self.waits_in_line.append((answer - (record.t_ann_end or record.t_in)).total_seconds())
            self.had_to_wait += wait > timedelta()
            if record.t_ans is not None:
                self.answered += 1
                self.answered_here += record.t_ovf is None
                self.in_time += record.in_time
                self.handling.append(((record.t_wrap_end or record.t_end) - answer).total_seconds())
            else:
                self.overflowed += 1
                self.in_time += wait <= (target or DEFAULT_TARGET)
        elif result is Result.FAILSAFE:
            self.failsafe += 1
        elif result is Result.ABANDONED:
            wait = record.waited
            self.abandoned += 1
            self.abandoned_in_time += wait <= (target or DEFAULT_TARGET)
            self.abandoned_short += wait <= SHORT
            self.had_to_wait += wait > timedelta()
            self.waits_of_abandoned.append(wait.total_seconds())
        elif result is Result.CALLBACK:
            self.promised += 1
        elif result in (Result.RELEASED, Result.CLOSED):
            self.released += 1
        else:
            self.failed += 1

    def join(self, other: Figures) -> None:
        """Pool the counts of other calls with these."""
        self.offered += other.offered
        self.answered += other.answered
        self.abandoned += other.abandoned
        self.overflowed += other.overflowed
        self.failsafe += other.failsafe
        self.failed += other.failed
        self.released += other.released
        self.promised += other.promised
        self.refused += other.refused
        self.closed += other.closed
        self.unassigned += other.unassigned
        self.sent.update(other.sent)
        self.answered_here += other.answered_here
        self.in_time += other.in_time
        self.abandoned_in_time += other.abandoned_in_time
        self.abandoned_short += other.abandoned_short
        self.had_to_wait += other.had_to_wait
        self.waits += other.waits
        self.waits_in_line += other.waits_in_line
        self.waits_of_abandoned += other.waits_of_abandoned
        self.handling += other.handling

    # ---------------------------------------------------------------- reachability

    @property
    def accepted(self) -> Ratio:
        """Annahmequote (Netz): ours and the partners' answers out of all offered."""
        return Ratio(self.answered + self.overflowed, self.offered)

    @property
    def accepted_own(self) -> Ratio:
        """Annahmequote (eigen): what our own people made of the calls that were left to them.

        A call that was sent and came back is in neither number: with it above and not below, a partner who is down
        would lift the share beyond 100 %.
        """
        return Ratio(self.answered_here, self.offered - self.sent.total())

    @property
    def accepted_adjusted(self) -> Ratio:
        """Annahmequote bereinigt: short abandons are not offered. Never printed without their count."""
        return Ratio(self.answered + self.overflowed, self.offered - self.abandoned_short)

    @property
    def abandon_rate(self) -> Ratio:
        """Abbruchquote."""
        return Ratio(self.abandoned, self.offered)

    @property
    def sent_rate(self) -> Ratio:
        """Überlaufquote."""
        return Ratio(self.sent.total(), self.offered)

    def sent_by(self, trigger: str) -> Ratio:
        """Überlaufquote by what sent the call."""
        return Ratio(self.sent[trigger], self.offered)

    @property
    def sent_accepted(self) -> Ratio:
        """Überlauf-Annahmequote: how many of those sent the partner answered."""
        return Ratio(self.overflowed, self.sent.total())

    @property
    def callback_rate(self) -> Ratio:
        """Rückrufwunsch-Quote: who chose to be called back out of all offered."""
        return Ratio(self.promised, self.offered)

    # ---------------------------------------------------------------- speed

    @property
    def service_level(self) -> Ratio:
        """Servicelevel X/T strict."""
        return Ratio(self.in_time, self.offered)

    @property
    def service_level_late_abandons_only(self) -> Ratio:
        """Servicelevel ohne Frühabbrecher: who left within the target is not offered."""
        return Ratio(self.in_time, self.offered - self.abandoned_in_time)

    @property
    def service_level_served_only(self) -> Ratio:
        """Servicelevel der Angenommenen: hides who gave up."""
        return Ratio(self.in_time, self.answered + self.overflowed)

    @property
    def service_level_abandons_count(self) -> Ratio:
        """Servicelevel "Abbruch<=T zählt positiv"."""
        return Ratio(self.in_time + self.abandoned_in_time, self.offered)

    @property
    def service_level_short_excluded(self) -> Ratio:
        """Strict, but short abandons are not offered: the wording of some contracts."""
        return Ratio(self.in_time, self.offered - self.abandoned_short)

    @property
    def asa(self) -> Mean:
        """Durchschnittliche Wartezeit (ASA), of whoever a person answered."""
        return Mean(math.fsum(self.waits), len(self.waits))

    @property
    def asa_in_line(self) -> Mean:
        """The same from the end of the announcement on."""
        return Mean(math.fsum(self.waits_in_line), len(self.waits_in_line))

    @property
    def wait_of_abandoned(self) -> Mean:
        """Wartezeit der Abbrecher."""
        return Mean(math.fsum(self.waits_of_abandoned), len(self.waits_of_abandoned))

    @property
    def wait_of_all(self) -> Mean:
        """Both together: what queueing formulas call the mean wait."""
        return self.asa + self.wait_of_abandoned

    @property
    def aht(self) -> Mean:
        """AHT: conversation and wrap-up of the calls our own people answered."""
        return Mean(math.fsum(self.handling), len(self.handling))

    @property
    def asa_s(self) -> float | None:
        """Average speed of answer, over calls a person answered."""
        return self.asa.value()

    @property
    def wait_p50_s(self) -> float | None:
        return percentile(self.waits, 0.5)

    @property
    def wait_p90_s(self) -> float | None:
        return percentile(self.waits, 0.9)

    @property
    def wait_p99_s(self) -> float | None:
        return percentile(self.waits, 0.99)

    @property
    def wait_max_s(self) -> float | None:
        return max(self.waits, default=None)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least ``share`` (0 to 1) of all values do not exceed.

    Always a wait that somebody really had; no interpolation between two callers. ``None`` without values.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and not above 1, not {share}")
    if not values:
        return None
    # 0.07 * 100 is 7.000000000000001: without rounding, the rank would be one too high.
    return sorted(values)[math.ceil(round(share * len(values), 9)) - 1]


def figures(records: Iterable[CallRecord], targets: Mapping[QueueId, timedelta] | None = None) -> Figures:
    """Count finished calls. ``targets``: how long may be waited, by queue; without it, thirty seconds."""
    found, targets = Figures(), targets or {}
    for record in records:
        found.add(record, targets.get(record.queue))
    return found


def by_tenant(
    records: Iterable[CallRecord], targets: Mapping[QueueId, timedelta] | None = None
) -> dict[TenantId, Figures]:
    """Group calls by the town that owns them, towns in alphabetical order of their ids.

    Calls of which nobody has said whose they are stand under ``UNASSIGNED``.
    """
    groups: dict[TenantId, list[CallRecord]] = {}
    for record in records:
        if not record.test:
            groups.setdefault(record.tenant, []).append(record)
    return {tenant: figures(groups[tenant], targets) for tenant in sorted(groups)}
