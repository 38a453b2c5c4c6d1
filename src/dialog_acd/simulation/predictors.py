"""How near the foretold waits come to those that were waited: the core's own predictors, and some told the truth.

The core says after each wait that an agent ended how far its predictors were off (``core/waiting.py`` tells what they
are). They have learnt what they know from the calls before. Beside them, where a scenario says what is *known* (the
people, handling time, patience and calls of its only queue), stand those the literature compares, who need not learn:

- **Mittelwert**: always the mean wait of those who wait and are served, by Erlang C or A.
- **QL**, **QL_M**, **QL_S**: by the callers ahead; without regard for those who give up, with it, and for a caller who
  is served in the end (Ibrahim & Whitt 2009).
- **HOL**: what the first in line has waited by now (nothing, where nobody stands there), and *verfeinert*: what
  the callers who came since then take, (calls per second x HOL + 2) x handling time / people, as if nobody gave up.

Compared are calls that stood in line and were answered by an agent, with what was expected when they began to wait.
Who gives up is never compared: how long they would have waited nobody knows.

Where nobody gives up, all mean squared errors are known exactly (n people of rate mu, load r; in units of 1/(n mu)^2).
The wait behind j others is a sum of j + 1 exponential times, and j is geometric: QL 1/(1 - r), Mittelwert 1/(1 - r)^2.
If anybody stands in line (with probability r), the first has been there for an exponential time of mean 1/(1 - r), and
so had the last to enter service if they had waited at all; Poisson arrivals since then make up the place. That gives

- HOL: 2/(1 - r)
- HOL verfeinert: 2 r/(1 - r) + 2 (1 - r)
- LES: r (2 r/(1 - r) + (1 + r)^2 + 1 + r^2) + 2 (1 - r) (1 + r)^2
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core.erlang import erlang_a, ql, ql_m, ql_s
from dialog_acd.core.waiting import Predictor

if TYPE_CHECKING:
    from dialog_acd.core.waiting import Compared

LEARNT = {Predictor.QL_M: "QL_M (gelernt)", Predictor.RATE: "RATE (gelernt)", Predictor.LES: "LES"}
"""The core's own. LES needs no figures, so it has learnt none."""
CONSTANT, QL, QL_M, QL_S, HOL, REFINED = TOLD = ("Mittelwert", "QL", "QL_M", "QL_S", "HOL", "HOL verfeinert")
"""Told the truth."""


class Known(NamedTuple):
    """The truth about a queue whose agents serve no other. ``patience_s``: inf where nobody gives up."""

    agents: int
    aht_s: float
    patience_s: float
    calls_per_s: float

    @property
    def mean_wait_s(self) -> float:
        """Of those who wait and are served; inf where nobody gives up and there are more calls than can be served.

        ``ValueError`` for a line that nobody can sum, see ``erlang_a``.
        """
        erlang = self.calls_per_s * self.aht_s
        if self.patience_s == math.inf:
            return self.aht_s / (self.agents - erlang) if erlang < self.agents else math.inf
        line = erlang_a(self.agents, erlang, self.aht_s, self.patience_s)
        # So little to do that in floats nobody ever waits.
        share = line.p_wait - line.p_abandon
        return line.wait_served_s * (1 - line.p_abandon) / share if share > 0 else 0.0


class Told:
    """The predictors that know the truth."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._constant_s = known.mean_wait_s
        self._by_place: list[tuple[float, float, float]] = []

    def squared(self, ahead: int, head_s: float, waited_s: float) -> dict[str, float]:
        """The squared error of each, for a wait behind so many, whose first had waited ``head_s`` then."""
        agents, aht_s, patience_s, calls_per_s = self._known
        places = self._by_place
        while len(places) <= ahead:
            place = len(places), agents, aht_s
            places.append((ql(*place), ql_m(*place, patience_s), ql_s(*place, patience_s)))
        by_ql, by_ql_m, by_ql_s = places[ahead]
        refined_s = (calls_per_s * head_s + 2) * aht_s / agents
        return {
            CONSTANT: (self._constant_s - waited_s) ** 2,
            QL: (by_ql - waited_s) ** 2,
            QL_M: (by_ql_m - waited_s) ** 2,
            QL_S: (by_ql_s - waited_s) ** 2,
            HOL: (head_s - waited_s) ** 2,
            REFINED: (refined_s - waited_s) ** 2,
        }


def learnt(wait: Compared) -> dict[str, float]:
    """The squared error of each of the core's predictors that had something to say of this wait."""
    return {LEARNT[error.predictor]: error.last_s * error.last_s for error in wait.errors if error.last_s is not None}
