"""Reachability and speed, from finished records: numerators and denominators first, a percentage last.

The definitions are those of the 115 network and of the towns' contracts:

- **offered** (O): every call that wanted a person. A call to an emergency number was told where help is and wanted
  nobody here, so refused calls are counted apart and are in no denominator.
- **answered** (own A): a person of ours answered, whatever became of the call later. **overflowed**: nobody of ours
  did, a partner's person did. **failsafe**: Asterisk took the call out of our hands and neither of the two had
  answered it before; whether the failsafe group then answered is reported with it where known. **abandoned** and
  **failed** are the rest. Each offered call is in exactly one of these five.
- **wait** of a call: from the first signalling at our door until a person answers, announcements included; a
  partner's person counts.
- **service level, strict**: answered within the queue's target (boundary included: 30.000 s is in time) by ours or by
  a partner, out of *all* offered. The kinder formulas are left out here on purpose: the same day can "meet" 75/30 by
  one of them and miss it by the strict one.

A value over a period is made of pooled counts, never a mean of percentages, so a ``Ratio`` keeps both numbers, and
nothing divided by nothing is ``None`` ("keine Daten"), never 0 % and never 100 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.core.records import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.model import QueueId, TenantId
    from dialog_acd.core.records import CallRecord

DEFAULT_TARGET = timedelta(seconds=30)
"""115: 75 per cent within 30 seconds."""


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
class Figures:
    """What a table says about a town, or about all of them. Waits are seconds; ``None``: nobody was answered."""

    offered: int
    answered: int
    abandoned: int
    overflowed: int
    failsafe: int
    failed: int
    refused: int
    """Emergency numbers: not offered."""
    service_level: Ratio
    """Strict."""
    asa_s: float | None
    """Average speed of answer, over calls a person answered."""
    wait_p50_s: float | None
    wait_p99_s: float | None

    @property
    def accepted(self) -> Ratio:
        """Annahmequote (Netz): ours and the partners' answers out of all offered."""
        return Ratio(self.answered + self.overflowed, self.offered)


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
    """Count finished calls.

    ``targets``: how long may be waited, by queue; it is needed only for calls a partner answered, because a record
    itself says whether *our* answer was in time. Without it, thirty seconds.
    """
    offered = answered = abandoned = overflowed = failsafe = failed = refused = in_time = 0
    waits: list[float] = []
    for record in records:
        result = record.outcome.result
        if result is Result.REFUSED:
            refused += 1
            continue
        offered += 1
        if record.t_ans is not None:
            answered += 1
            in_time += record.in_time
            waits.append((record.t_ans - record.t_in).total_seconds())
        elif record.t_ovf_ans is not None:
            overflowed += 1
            wait = record.t_ovf_ans - record.t_in
            in_time += wait <= (targets or {}).get(record.queue, DEFAULT_TARGET)
            waits.append(wait.total_seconds())
        elif result is Result.FAILSAFE:
            failsafe += 1
        elif result is Result.ABANDONED:
            abandoned += 1
        else:
            failed += 1
    return Figures(
        offered=offered,
        answered=answered,
        abandoned=abandoned,
        overflowed=overflowed,
        failsafe=failsafe,
        failed=failed,
        refused=refused,
        service_level=Ratio(in_time, offered),
        asa_s=math.fsum(waits) / len(waits) if waits else None,
        wait_p50_s=percentile(waits, 0.5),
        wait_p99_s=percentile(waits, 0.99),
    )


def by_tenant(
    records: Iterable[CallRecord], targets: Mapping[QueueId, timedelta] | None = None
) -> dict[TenantId, Figures]:
    """Group calls by the town that owns them, towns in alphabetical order of their ids."""
    groups: dict[TenantId, list[CallRecord]] = {}
    for record in records:
        groups.setdefault(record.tenant, []).append(record)
    return {tenant: figures(groups[tenant], targets) for tenant in sorted(groups)}
