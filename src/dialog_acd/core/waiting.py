"""How long will this caller wait? What a queue learns about its waits, what it expects, and what may be said aloud.

Three predictors run side by side; two are fit to be used, the third is there to be compared with:

- **QL_M** (queue length, Markovian, with abandonment; Ibrahim & Whitt 2009): with j callers ahead, s agents, handling
  time AHT and patience 1/theta the mean wait is the sum over i = 0..j of 1 / (s/AHT + i theta). It knows at once when
  agents come or go. Right where the agents serve this queue alone. Where they are shared, s is the sum of each agent's
  share, 1 / (number of queues they serve), which is a guess: those queues are not equally busy.
- **RATE**: the time between two service starts of this queue while callers stood in its line, j + 1 times over; and,
  since those ahead may give up here as well, by the same sum with the measured rate in the place of s/AHT. It needs no
  s, so it is right where agents are shared (Avaya's expected wait works on this idea), once there are enough recent
  starts; before that QL_M with the shares stands in. Plain (j + 1) times the gap, without regard for them, has about a
  third more squared error (measured: two queues that share ten agents, patience 300 s).
- **LES** (last to enter service): what the last call to be answered had waited. In centres of four to ten agents it is
  worse than always announcing the average; it is measured here so that this can be seen on one's own calls.

Single waits in small centres cannot be foretold closely by any method: with one caller ahead the wait is as scattered
as two throws of an exponential dice. So what is announced is never a number of minutes but a range, chosen by the wait
that nine of ten callers do not exceed (Jouini, Aksin & Dallery 2011: 90 per cent is near the best for 3 to 100 agents;
the mean would be exceeded by every second caller).

What is learnt, and how it fades:

- The handling time and patience fade by calls, to a memory of about ``MEMORY_CALLS``: a quiet night does not make
  yesterday's handling time wrong.
- The rate of service starts fades by calls *and* by time (``MEMORY_S``), because it is made of who works just now.
  It is (starts of calls that had stood in line) / (time somebody stood in line), not an average of gaps: a gap that is
  still open, or was cut short because the line emptied, counts with what was seen of it. Averaging only finished gaps
  would call a queue fast whose agents have just gone home.
- Patience: theta = callers who gave up / time stood in line by *all* (a call that was served is a patience we saw only
  the beginning of). Who hangs up within ``SHORT_S`` has misdialled and counts as nothing; then, for the rest, the time
  up to ``SHORT_S`` must not count either, or everybody would look the more patient for it.

All of it costs the same for every signal, whatever the queue's length or history (predictions: a sum over at most
``EXACT_AHEAD`` callers), and nothing here grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core.erlang import ql_m, ql_m_beyond, ql_m_quantile, ql_m_sd

if TYPE_CHECKING:
    from datetime import datetime

QUANTILE = 0.9
MEMORY_CALLS = 100
MEMORY_S = 3600.0
PRIOR_AHT_S = 180.0
PRIOR_PATIENCE_S = 180.0
SHORT_S = 5.0
"""Who hangs up sooner never meant to wait."""
RATE_NEEDS = 10.0
"""Recent (faded) service starts below which the rate of starts is not believed."""
EXACT_AHEAD = 50
"""Up to so many callers ahead figures are exact; see ``_outlook``."""
ENOUGH_STARTS = 30
"""Avaya's experience: so many answered calls until an expected wait is worth announcing, ..."""
ENOUGH_FLOW_S = 30.0
"""... or one answered in so many seconds just now."""
FLOW_S = 300.0
"""What "just now" means there."""
PROVEN_CALLS = 50
LEAST_COVERED = 0.7
"""A quantile that was to cover 90 per cent and covers less than this over ``PROVEN_CALLS`` is kept to ourselves."""
_KEEP = 1 - 1 / MEMORY_CALLS
_PRIOR_CALLS = 5.0
_PRIOR_GIVEN_UP = 2.0
_LEAST_AHT_S = 1.0


class Predictor(StrEnum):
    QL_M = "ql-m"
    RATE = "rate"
    LES = "les"


class Silence(StrEnum):
    """Why an expected wait is not announced."""

    NOBODY = "nobody-works"
    """No agent works for the queue: the wait has no end in sight."""
    UNPROVEN = "too-few-starts"
    UNRELIABLE = "misses-too-often"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a caller with so many ahead has to expect from now on. Seconds; inf where nobody works."""

    predictor: Predictor
    """Which one was used."""
    ahead: int
    mean_s: float
    p90_s: float
    """Nine of ten such callers wait no longer."""
    silent: Silence | None = None
    """Not credible enough to be said to a caller, and why. As a trigger of overflow it still counts."""


class Forecast(NamedTuple):
    """What every predictor knew when a caller got in line; the call carries it until it is answered.

    The ingredients, not the results: most are needed only for calls that are answered, and only then worked out.
    """

    ahead: int
    departure_s: float | None
    """QL_M: handling time / agents. ``None``: nobody worked."""
    patience_s: float
    gap_s: float | None
    """RATE: between two service starts. ``None``: not known."""
    last_wait_s: float | None
    """LES."""


@dataclass(frozen=True, slots=True)
class PredictorError:
    """How well a predictor did lately, over calls that stood in line and were answered."""

    predictor: Predictor
    calls: int
    """Compared in all; the figures below fade, to the last hundred or so."""
    mae_s: float
    """Mean absolute error."""
    mse_s2: float
    """Mean squared error."""
    bias_s: float
    """Mean of predicted less waited: above 0, we promise worse than it comes."""
    covered: float
    """Share of calls that waited no longer than the 90 per cent quantile."""
    last_s: float | None
    """Of the call just compared: predicted less waited. ``None``: of this one, the predictor had nothing to say."""


class Compared(NamedTuple):
    """A wait that ended with an agent, and what had been expected of it when it began."""

    waited_s: float
    ahead: int
    """Callers before this one, when the wait began."""
    errors: tuple[PredictorError, ...]
    used: Predictor
    """The one that speaks for this queue."""

    @property
    def error_s(self) -> float | None:
        """What had been expected, less what was waited; ``None``: nothing had been expected."""
        return next((error.last_s for error in self.errors if error.predictor is self.used), None)


def in_use(gap_s: float | None, *, dedicated: bool) -> Predictor:
    """Which predictor speaks for a queue with this time between two service starts (``None``: not known)."""
    return Predictor.QL_M if dedicated or gap_s is None else Predictor.RATE


class _Score:
    """Fading sums of one predictor's errors."""

    __slots__ = ("absolute", "calls", "covered", "last_s", "signed", "squared", "weight")

    def __init__(self) -> None:
        self.calls = 0
        self.last_s: float | None = None
        self.weight = self.absolute = self.squared = self.signed = self.covered = 0.0

    def add(self, error_s: float, *, covered: bool) -> None:
        self.calls += 1
        self.last_s = error_s
        self.weight = self.weight * _KEEP + 1
        self.absolute = self.absolute * _KEEP + abs(error_s)
        self.squared = self.squared * _KEEP + error_s * error_s
        self.signed = self.signed * _KEEP + error_s
        self.covered = self.covered * _KEEP + covered

    def error(self, predictor: Predictor) -> PredictorError:
        return PredictorError(
            predictor,
            self.calls,
            mae_s=self.absolute / self.weight,
            mse_s2=self.squared / self.weight,
            bias_s=self.signed / self.weight,
            covered=self.covered / self.weight,
            last_s=self.last_s,
        )

    def unreliable(self) -> bool:
        return self.calls >= PROVEN_CALLS and self.covered < LEAST_COVERED * self.weight


class QueueWaits:
    """What one queue has learnt about its waits.

    Told of every change: ``line`` whenever the number of callers in line changes (or the last agent goes),
    ``forecast`` when a caller gets in line, then ``service_started`` or ``left``, and ``handled`` when an agent has
    done with a call. A caller is *in line* while no agent's phone rings for them; who is offered to an agent at once
    never was.
    """

    __slots__ = (
        "_asked_s",
        "_at",
        "_flow",
        "_given_up",
        "_handled",
        "_handled_s",
        "_in_line",
        "_last_wait_s",
        "_line_s",
        "_line_starts",
        "_scores",
        "_starts",
    )

    def __init__(self, now: datetime) -> None:
        self._at = now
        self._in_line = False
        # Faded: handled calls and their seconds, beginning with what is assumed before anything is known.
        self._handled, self._handled_s = _PRIOR_CALLS, _PRIOR_CALLS * PRIOR_AHT_S
        self._given_up, self._asked_s = _PRIOR_GIVEN_UP, _PRIOR_GIVEN_UP * PRIOR_PATIENCE_S
        # Faded: starts of calls that had stood in line, and the time in which somebody stood there.
        self._line_starts = self._line_s = 0.0
        # Faded over minutes: all starts.
        self._flow = 0.0
        self._starts = 0
        self._last_wait_s: float | None = None
        self._scores = {predictor: _Score() for predictor in Predictor}

    # ------------------------------------------------------------ what is learnt

    @property
    def aht_s(self) -> float:
        """Average handling time, wrap-up included."""
        return max(_LEAST_AHT_S, self._handled_s / self._handled)

    @property
    def patience_s(self) -> float:
        """Mean patience; inf when nobody gave up for a very long time."""
        return self._asked_s / self._given_up if self._given_up else math.inf

    def gap_s(self, now: datetime) -> float | None:
        """Time between two service starts while callers stand in line; ``None``: too few recent starts to say."""
        self._pass_time(now)
        return self._line_s / self._line_starts if self._line_starts >= RATE_NEEDS and self._line_s > 0 else None

    def errors(self) -> tuple[PredictorError, ...]:
        """Of every predictor that was compared at least once."""
        return tuple(score.error(predictor) for predictor, score in self._scores.items() if score.calls)

    # ------------------------------------------------------------ what happens

    def line(self, now: datetime, waiting: int, *, staffed: bool = True) -> None:
        """So many callers stand in line from now on: in total, so that a report that was missed does no harm.

        ``staffed`` off: nobody works for the queue. Such time says nothing about the rate of those who come back.
        """
        self._pass_time(now)
        self._in_line = staffed and waiting > 0

    def service_started(self, now: datetime, waited_s: float, forecast: Forecast | None = None) -> None:
        """A person, ours or a partner's, took a call of the queue.

        ``waited_s``: since the caller got in line, 0 for one who never stood there; those have no ``forecast``.
        """
        self._pass_time(now)
        self._flow += 1
        self._starts += 1
        self._last_wait_s = waited_s
        self._stood(waited_s, gave_up=False)
        if forecast is not None:
            self._line_starts = self._line_starts * _KEEP + 1
            self._line_s *= _KEEP
            self._compare(forecast, waited_s)

    def handled(self, seconds: float) -> None:
        """An agent has done with a call of this queue, wrap-up included.

        Best counted from the moment the agent's phone began to ring: that, too, keeps them from the next caller.
        """
        self._handled = self._handled * _KEEP + 1
        self._handled_s = self._handled_s * _KEEP + max(0.0, seconds)

    def left(self, waited_s: float, *, gave_up: bool = True) -> None:
        """A caller left the line unserved. Not of their own accord (sent to another queue, released): ``gave_up`` off.

        Such calls are never compared with their forecast: how long they would have waited nobody knows.
        """
        self._stood(waited_s, gave_up=gave_up)

    # ------------------------------------------------------------ what is expected

    def forecast(self, now: datetime, ahead: int, servers: float) -> Forecast:
        """To be carried by a caller who gets in line behind ``ahead`` others. ``servers`` as in ``predict``."""
        return Forecast(
            ahead,
            departure_s=self.aht_s / servers if servers > 0 else None,
            patience_s=self.patience_s,
            gap_s=self.gap_s(now),
            last_wait_s=self._last_wait_s,
        )

    def predict(self, now: datetime, ahead: int, servers: float, *, dedicated: bool) -> Prediction:
        """Expect how much longer a caller with ``ahead`` others before them will wait, all agents being busy.

        ``servers``: agents who work for this queue now, busy or free; each counts 1 / (queues they serve).
        ``dedicated``: these agents serve this queue alone, so QL_M is right; else the measured rate, where known.
        """
        if servers <= 0:
            return Prediction(Predictor.QL_M, ahead, math.inf, math.inf, Silence.NOBODY)
        predictor, step_s = self._step(now, servers, dedicated=dedicated)
        mean_s, p90_s = _outlook(ahead, step_s, self.patience_s)
        return Prediction(predictor, ahead, mean_s, p90_s, self._silence(now, predictor))

    def mean(self, now: datetime, ahead: int, servers: float, *, dedicated: bool) -> float:
        """Seconds: the mean of ``predict`` alone, which costs far less than its quantile."""
        if servers <= 0:
            return math.inf
        return _mean(ahead, self._step(now, servers, dedicated=dedicated)[1], self.patience_s)

    def _step(self, now: datetime, servers: float, *, dedicated: bool) -> tuple[Predictor, float]:
        """By which predictor, and the time between two service starts as it sees it."""
        gap_s = None if dedicated else self.gap_s(now)
        return in_use(gap_s, dedicated=dedicated), self.aht_s / servers if gap_s is None else gap_s

    def _silence(self, now: datetime, predictor: Predictor) -> Silence | None:
        self._pass_time(now)
        if self._starts < ENOUGH_STARTS and self._flow < FLOW_S / ENOUGH_FLOW_S:
            return Silence.UNPROVEN
        return Silence.UNRELIABLE if self._scores[predictor].unreliable() else None

    # ------------------------------------------------------------ inside

    def _pass_time(self, now: datetime) -> None:
        """Let memories fade. If the clock was set back, nothing has passed, and time goes on from there."""
        passed_s = (now - self._at).total_seconds()
        self._at = now
        if passed_s <= 0:
            return
        keep = math.exp(-passed_s / MEMORY_S)
        self._line_starts *= keep
        self._line_s *= keep
        if self._in_line:
            # What was added at the beginning of this stretch has itself faded by now.
            self._line_s += MEMORY_S * (1 - keep)
        self._flow *= math.exp(-passed_s / FLOW_S)

    def _stood(self, waited_s: float, *, gave_up: bool) -> None:
        """Learn from somebody's time in line, of which the first seconds count for nothing."""
        asked_s = waited_s - SHORT_S
        if asked_s < 0:
            return
        # Fades by calls that put somebody's patience to the test; those answered at once teach nothing of it.
        self._asked_s = self._asked_s * _KEEP + asked_s
        self._given_up = self._given_up * _KEEP + gave_up

    def _compare(self, forecast: Forecast, waited_s: float) -> None:
        ahead = forecast.ahead
        patience_s = forecast.patience_s
        for predictor, step_s in ((Predictor.QL_M, forecast.departure_s), (Predictor.RATE, forecast.gap_s)):
            if step_s is None:
                self._scores[predictor].last_s = None
            else:
                error_s = _mean(ahead, step_s, patience_s) - waited_s
                self._scores[predictor].add(error_s, covered=_covered(waited_s, ahead, step_s, patience_s))
        if forecast.last_wait_s is None:
            self._scores[Predictor.LES].last_s = None
        else:
            # It has no distribution of its own; taken as exponential, the widest of the usual shapes.
            p90_s = -math.log1p(-QUANTILE) * forecast.last_wait_s
            self._scores[Predictor.LES].add(forecast.last_wait_s - waited_s, covered=waited_s <= p90_s)


# ---------------------------------------------------------------- the sums, and long lines


def _outlook(ahead: int, step_s: float, patience_s: float) -> tuple[float, float]:
    """Mean and 90 per cent quantile with ``step_s`` between two service starts.

    Exact up to ``EXACT_AHEAD``. Beyond it the sum of the stages is taken as an integral (off by less than 1 in 10,000)
    and the distribution as having the shape it has at ``EXACT_AHEAD``, stretched to the right mean and deviation:
    for one caller more nothing jumps, and as the line grows it errs by a few hundredths of a deviation, to the long
    side. A plain normal tail would be wrong where callers are impatient: there the wait stays skewed however long the
    line, because it is made of its last few stages.
    """
    if ahead <= EXACT_AHEAD:
        return ql_m(ahead, 1, step_s, patience_s), ql_m_quantile(QUANTILE, ahead, 1, step_s, patience_s)
    mean_s, near_s, stretch = _long(ahead, step_s, patience_s)
    return mean_s, mean_s + stretch * (ql_m_quantile(QUANTILE, EXACT_AHEAD, 1, step_s, patience_s) - near_s)


def _mean(ahead: int, step_s: float, patience_s: float) -> float:
    return ql_m(ahead, 1, step_s, patience_s) if ahead <= EXACT_AHEAD else _long(ahead, step_s, patience_s)[0]


def _covered(waited_s: float, ahead: int, step_s: float, patience_s: float) -> bool:
    """Whether the wait was within the 90 per cent quantile: its tail asked once, where the quantile is a search."""
    if ahead > EXACT_AHEAD:
        mean_s, near_s, stretch = _long(ahead, step_s, patience_s)
        waited_s, ahead = near_s + (waited_s - mean_s) / stretch, EXACT_AHEAD
    return ql_m_beyond(waited_s, ahead, 1, step_s, patience_s) >= 1 - QUANTILE


def _long(ahead: int, step_s: float, patience_s: float) -> tuple[float, float, float]:
    """Beyond ``EXACT_AHEAD``: the mean, the mean there, and the deviation as a multiple of the one there."""
    near_s, near_sd = ql_m(EXACT_AHEAD, 1, step_s, patience_s), ql_m_sd(EXACT_AHEAD, 1, step_s, patience_s)
    services, theta = 1 / step_s, 1 / patience_s
    more = ahead - EXACT_AHEAD
    # Midpoint rule backwards: the sum over i of 1/(r + i theta) is the integral from half a step before to half after.
    low, high = services + (EXACT_AHEAD + 0.5) * theta, services + (ahead + 0.5) * theta
    further_s = math.log1p(more * theta / low) / theta if theta else more / low
    variance = more / (low * high)
    return near_s + further_s, near_s, math.sqrt(1 + variance / (near_sd * near_sd))


# ---------------------------------------------------------------- what is said aloud


class WaitRange(IntEnum):
    """What a caller is told, shortest first."""

    UNDER_2 = 0
    FROM_2_TO_5 = 1
    FROM_5_TO_10 = 2
    OVER_10 = 3

    @classmethod
    def of(cls, p90_s: float) -> WaitRange:
        """Whole minutes, rounded up: 61 seconds are two minutes."""
        minutes = math.ceil(p90_s / 60) if p90_s < math.inf else math.inf
        return next(
            (
                said
                for said, most in ((cls.UNDER_2, 2), (cls.FROM_2_TO_5, 5), (cls.FROM_5_TO_10, 10))
                if minutes <= most
            ),
            cls.OVER_10,
        )

    @property
    def text(self) -> str:
        return ("under 2 minutes", "2 to 5 minutes", "5 to 10 minutes", "more than 10 minutes")[self]


@dataclass(frozen=True, slots=True)
class Announcement:
    position: int
    """1: next."""
    wait: WaitRange


def announce(prediction: Prediction, told: Announcement | None = None) -> Announcement | None:
    """Choose what to tell a caller who was last ``told`` that; ``None``: say nothing, and keep ``told``.

    Neither the range nor the position ever grows for a caller. If things have become worse than what they were told,
    they hear what they were told.
    """
    if prediction.silent is not None:
        return None
    position, wait = prediction.ahead + 1, WaitRange.of(prediction.p90_s)
    if told is not None:
        position, wait = min(position, told.position), min(wait, told.wait)
    return Announcement(position, wait)
