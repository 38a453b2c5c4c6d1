"""Lengths of time left to chance, as a scenario writes them, and the dice they are thrown with.

Four shapes, one line each::

    fixed 20 s
    exponential 180 s
    lognormal 95 s cv 0.95
    uniform 60-300 s

The number is the mean; ``cv`` is the standard deviation over the mean. Handling times of real centres are lognormal
with a cv near 1, patience is nearly exponential, and both formulas of Erlang want the exponential one.

Each caller is given one number between 0 and 1 for the patience and one for the work, when they come. What length that
is follows by the inverse of the distribution, so the same caller is slow with anybody who serves them, and a change in
the staff changes neither who comes nor what they want. *Streams* do the same for the dice as a whole: every source of
chance has its own, named by seed, run and source, so one that is thrown more often disturbs no other.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from statistics import NormalDist

from dialog_acd.core.errors import RuleInvalid

_NUMBER = r"\d{1,6}(?:\.\d{1,3})?"
_FIXED = re.compile(rf"fixed\s+({_NUMBER})\s*s")
_EXPONENTIAL = re.compile(rf"exponential\s+({_NUMBER})\s*s")
_LOGNORMAL = re.compile(rf"lognormal\s+({_NUMBER})\s*s\s+cv\s+(\d(?:\.\d{{1,6}})?)")
_UNIFORM = re.compile(rf"uniform\s+({_NUMBER})\s*-\s*({_NUMBER})\s*s")
_FORMS = "'fixed 20 s', 'exponential 180 s', 'lognormal 95 s cv 0.95' or 'uniform 60-300 s', nothing below 0"
_LONGEST_S = 86_400.0
_STANDARD = NormalDist()
_LEAST = 2.0**-54
"""``random()`` may say 0, of which no normal distribution knows the quantile."""


@dataclass(frozen=True)
class Length:
    """A length of time. ``spread``: what the shape needs besides the mean."""

    shape: str
    mean_s: float
    spread: float = 0.0

    @cached_property
    def _log(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm."""
        variance = math.log1p(self.spread**2)
        return math.log(self.mean_s) - variance / 2, math.sqrt(variance)

    @property
    def none(self) -> bool:
        """Always no time at all."""
        return not self.mean_s

    def of(self, u: float) -> timedelta:
        """The length that a share ``u`` (0 to below 1) of all lengths do not exceed."""
        if self.shape == "fixed" or not self.mean_s:
            return timedelta(seconds=self.mean_s)
        if self.shape == "exponential":
            return timedelta(seconds=-self.mean_s * math.log1p(-u))
        if self.shape == "uniform":
            return timedelta(seconds=self.mean_s + self.spread * (2 * u - 1))
        mean, deviation = self._log
        return timedelta(seconds=math.exp(mean + deviation * _STANDARD.inv_cdf(max(u, _LEAST))))


AT_ONCE = Length("fixed", 0.0)


def parse_length(text: str) -> Length:
    """Read ``lognormal 95 s cv 0.95``. Raises ``RuleInvalid`` that says what was expected."""
    words = text.strip()
    if found := _FIXED.fullmatch(words):
        length = Length("fixed", float(found[1]))
    elif found := _EXPONENTIAL.fullmatch(words):
        length = Length("exponential", float(found[1]))
    elif found := _LOGNORMAL.fullmatch(words):
        length = Length("lognormal", float(found[1]), float(found[2]))
    elif found := _UNIFORM.fullmatch(words):
        least, most = float(found[1]), float(found[2])
        if most < least:
            raise RuleInvalid(text, "the second number is the larger one")
        length = Length("uniform", (least + most) / 2, (most - least) / 2)
    else:
        raise RuleInvalid(text, f"write a length of time as {_FORMS}")
    if length.mean_s > _LONGEST_S:
        raise RuleInvalid(text, f"the mean is at most {_LONGEST_S:.0f} s, a day")
    return length


def parse_patience(text: str) -> Length | None:
    """The same, and ``none`` for callers who never give up."""
    if text.strip() == "none":
        return None
    try:
        return parse_length(text)
    except RuleInvalid as error:
        raise RuleInvalid(text, f"{error.expected}; or 'none' for callers who never give up") from None


def stream(seed: int, run: int, source: str) -> random.Random:
    """The dice of one source in one run."""
    return random.Random(f"{seed}:{run}:{source}")  # noqa: S311  the same dice for whoever names the same seed


def factor(dice: random.Random, cv: float) -> float:
    """A gamma-distributed factor of mean 1: how much busier than usual a day or an hour is."""
    return dice.gammavariate(cv**-2, cv**2) if cv else 1.0
