"""Queueing formulas: what a line of callers before a group of agents does in the long run.

Calls come at random (Poisson), a call occupies an agent for a random time (exponential, wrap-up included), whoever
finds all agents busy stands in one line, first come, first served. The models differ in what a caller does there:

- **Erlang B**: there is no line; who finds all busy is gone.
- **Erlang C**: everybody waits for ever. Without meaning from 100 % load on: the line grows without limit.
- **Erlang A** (Palm; Garnett, Mandelbaum & Reiman 2002): everybody has patience, exponential with a known mean, and
  gives up when it ends. Stable under any load; the one to use for people.
- **finite room** (M/M/n/n+K): only so many may wait, the next one is turned away or goes to a partner.
- **overflow after a time** (M/M/n+G, Zeltyn & Mandelbaum 2005): who has waited exactly so long goes to a partner who
  always has somebody free.

Symbols in comments: lambda calls per second, mu = 1 / AHT, theta = 1 / mean patience, n agents, erlang = lambda / mu,
rho = erlang / n. All times are seconds, all shares lie between 0 and 1, and a share is one of *all* calls offered
unless its name says otherwise. Arguments without meaning (no agents, negative times) raise ``ValueError``.

How Erlang A is computed. Let r = n mu. The chain of states "n busy and j waiting" has the weights
w(j) = prod_{i=1..j} lambda / (r + i theta) relative to "n busy, nobody waiting". A caller who finds j waiting
goes through j + 1 stages of rates r + theta, ..., r + (j + 1) theta, in each of which either an agent becomes free or
somebody of those still there gives up, this caller or another. That makes

- P(served | j) = r / (r + (j + 1) theta), and the wait, if served, sum_{i=1..j+1} 1 / (r + i theta);
- P(gives up | j) = (j + 1) theta / (r + (j + 1) theta), evenly spread over the stages.

All figures are sums of positive terms over w(j): nothing cancels, however small theta is, which the textbook's closed
form 1/(rho S) + 1 - 1/rho does. The weights overflow in deep overload; they are scaled down on the way, so the sum
ends with the right figures instead of inf/inf. The share served within a time has no such sum; it is the integral of
the density of the wait that would be needed, f(x) = c exp(lambda (1 - e^(-theta x)) / theta - r x), taken by
Gauss-Legendre in steps small enough for full double precision.

The wait from a place in the line. With j callers ahead and all agents busy, the wait a caller would have to sit
through is the sum of exponential times with rates r, r + theta, ..., r + j theta (those behind do not matter, those
ahead may give up). Because these rates rise evenly, e^(-theta wait) is Beta(r/theta, j + 1) distributed, so the tail
is a finite sum of positive terms, exact for every j and for theta = 0 as well, where it becomes Erlang's. The usual
partial fractions cancel beyond ten callers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 5_000_000
"""A line that may grow beyond this is refused instead of summed: patience was meant to be something else."""
_SCALE = 1e-250
_LOG_SCALE = math.log(_SCALE)
_HUGE = 1 / _SCALE


# ---------------------------------------------------------------- nobody waits: Erlang B


def erlang_b(agents: int, erlang: float) -> float:
    """Share of calls that find all agents busy and are gone. 0 agents: all of them."""
    return 1 / _inverse_b(agents, erlang) if erlang else float(agents == 0)


def _inverse_b(agents: int, erlang: float) -> float:
    """1/B. Its recursion only adds, and a load so small that B underflows gives inf, not a division by zero."""
    if agents < 0 or not 0 < erlang < math.inf:
        raise ValueError(f"agents and load are 0 or more, not {agents} and {erlang}")
    inverse = 1.0
    for busy in range(1, agents + 1):
        inverse = 1 + inverse * busy / erlang
    return inverse


# ---------------------------------------------------------------- all wait: Erlang C


def erlang_c(agents: int, erlang: float) -> float:
    """P(wait): share of calls that have to wait when nobody gives up. From 100 % load on: 1."""
    _check(agents=agents)
    if erlang >= agents:
        return 1.0
    blocked = erlang_b(agents, erlang)
    return agents * blocked / (agents - erlang * (1 - blocked))


def erlang_c_asa(agents: int, erlang: float, aht_s: float) -> float:
    """Average speed of answer over all calls; inf from 100 % load on."""
    _check(agents=agents, aht_s=aht_s)
    return erlang_c(agents, erlang) * aht_s / (agents - erlang) if erlang < agents else math.inf


def erlang_c_queue_length(agents: int, erlang: float) -> float:
    """Callers in line on average (Little: calls per second times ASA)."""
    return erlang * erlang_c_asa(agents, erlang, 1.0)


def erlang_c_service_level(agents: int, erlang: float, aht_s: float, within_s: float) -> float:
    """Share answered within ``within_s``; nobody gives up, so the usual five formulas are one. 0 in overload."""
    _check(agents=agents, aht_s=aht_s, within_s=within_s)
    if erlang >= agents:
        return 0.0
    return 1 - erlang_c(agents, erlang) * math.exp(-(agents - erlang) * within_s / aht_s)


def erlang_c_quantile(agents: int, erlang: float, aht_s: float, share: float) -> float:
    """The wait that ``share`` of all calls do not exceed; inf in overload."""
    _check(agents=agents, aht_s=aht_s, share=share)
    if erlang >= agents:
        return math.inf
    waits = erlang_c(agents, erlang)
    return math.log(waits / (1 - share)) * aht_s / (agents - erlang) if waits > 1 - share else 0.0


def erlang_c_agents(erlang: float, aht_s: float, share: float, within_s: float) -> int:
    """The fewest agents with whom at least ``share`` (0 to 1) of all calls are answered within so long.

    Always more than the load, or the line would grow. All calls (``share`` 1) means: but for so few that a double
    cannot tell.
    """
    _check(erlang=erlang, aht_s=aht_s, within_s=within_s)
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not {share}")
    inverse, agents = 1.0, 0
    while True:
        agents += 1
        inverse = 1 + inverse * agents / erlang  # as in _inverse_b, one step for each agent
        if agents > erlang:
            blocked = 1 / inverse
            waits = agents * blocked / (agents - erlang * (1 - blocked))
            if 1 - waits * math.exp(-(agents - erlang) * within_s / aht_s) >= share:
                return agents


# ---------------------------------------------------------------- people with patience: Erlang A


@dataclass(frozen=True, slots=True)
class _Needed:
    """The wait V a caller would need to be served, where it is above 0: f(x) = exp(log_c + growth(x)).

    Where a partner takes all who have waited a while, this holds up to that moment.
    """

    log_c: float
    arrivals: float
    """lambda"""
    services: float
    """r = n mu"""
    theta: float

    def here(self, at_s: float) -> float:
        """(1 - e^(-theta x)) / theta: the mean time a caller stays of the first x seconds. x itself at theta = 0."""
        return -math.expm1(-self.theta * at_s) / self.theta if self.theta else at_s

    def growth(self, at_s: float) -> float:
        """Logarithm of the density, but for its constant; rises while lambda e^(-theta x) > r, then falls for ever."""
        return self.arrivals * self.here(at_s) - self.services * at_s

    def peak_s(self) -> float:
        if self.arrivals <= self.services:
            return 0.0
        return math.log(self.arrivals / self.services) / self.theta if self.theta else math.inf

    def up_to(self, limit_s: float) -> tuple[float, float, float]:
        """Over 0 < x <= limit: the integrals of f(x), of f(x) e^(-theta x), and of f(x) here(x)."""
        needed = served = stayed = 0.0
        if limit_s <= 0 or self.log_c == -math.inf:
            return needed, served, stayed
        # The exponent changes by less than one half from the middle of a panel to its end, so five points give
        # about 1e-16 of the panel's value.
        width = 1 / (self.arrivals + self.services + self.theta)
        begin = 0.0
        while begin < limit_s:
            width = min(width, limit_s - begin)
            here = 0.0
            for point, weight in _GAUSS:
                x = begin + point * width
                stay = self.here(x)
                f = weight * width * math.exp(self.log_c + self.arrivals * stay - self.services * x)
                here += f
                served += f * (1 - self.theta * stay)
                stayed += f * stay
            needed += here
            if here < 1e-19 * needed:
                # It can only be past the peak.
                break
            begin += width
        return needed, served, stayed


def _gauss() -> Iterator[tuple[float, float]]:
    """Five points of Gauss-Legendre on 0..1 with their weights (Abramowitz & Stegun 25.4.30)."""
    inner, outer = (math.sqrt(5 - s * 2 * math.sqrt(10 / 7)) / 3 for s in (1, -1))
    heavy, light = ((322 + s * 13 * math.sqrt(70)) / 1800 for s in (1, -1))
    yield 0.5, 64 / 225
    for sign in (-1, 1):
        yield 0.5 + sign * inner / 2, heavy
        yield 0.5 + sign * outer / 2, light


_GAUSS = tuple(_gauss())


@dataclass(frozen=True, slots=True)
class ErlangA:
    """The long run of agents before people with patience. Made by ``erlang_a``."""

    p_wait: float
    """All agents busy on arrival."""
    p_abandon: float
    wait_s: float
    """Mean time in line of all calls, those who gave up and those who did not wait at all included."""
    wait_served_s: float
    """Mean wait of the calls that were served (0 for those who did not wait)."""
    wait_abandoned_s: float
    """Mean time after which those who gave up gave up."""
    queue_length: float
    """Callers in line on average."""
    occupancy: float
    """Share of their time the agents are busy."""
    _needed: _Needed = field(repr=False)

    def strict(self, within_s: float) -> float:
        """Answered in time out of all offered (SL1)."""
        _check(within_s=within_s)
        return 1 - self.p_wait + self._needed.up_to(within_s)[1]

    def abandoned_within(self, within_s: float) -> float:
        """Share of all offered who gave up within this time."""
        _check(within_s=within_s)
        needed, _, stayed = self._needed.up_to(within_s)
        # Who needs longer than within_s gives up before with 1 - e^(-theta within_s).
        longer = max(0.0, self.p_wait - needed)
        return self._needed.theta * (stayed + longer * self._needed.here(within_s))

    def served_only(self, within_s: float) -> float:
        """Answered in time out of all answered (SL2): hides every abandonment."""
        return self.strict(within_s) / (1 - self.p_abandon)

    def abandons_count(self, within_s: float) -> float:
        """Answered or gone in time out of all offered (SL3)."""
        return self.strict(within_s) + self.abandoned_within(within_s)

    def late_abandons_only(self, within_s: float) -> float:
        """Answered in time out of all offered but those gone in time (SL4)."""
        return self.strict(within_s) / (1 - self.abandoned_within(within_s))

    def short_abandons_excluded(self, within_s: float, short_s: float = 5.0) -> float:
        """Answered in time out of all offered but those gone at once (SL5)."""
        return self.strict(within_s) / (1 - self.abandoned_within(short_s))


def erlang_a(agents: int, erlang: float, aht_s: float, patience_s: float) -> ErlangA:
    """Solve M/M/n+M for a mean patience of ``patience_s``, which must be finite: else it is Erlang C.

    The work grows with the callers in line (overload times patience); ``ValueError`` beyond ``LONGEST_LINE``.
    """
    _check(agents=agents, erlang=erlang, aht_s=aht_s, patience_s=patience_s)
    arrivals, services, theta = erlang / aht_s, agents / aht_s, 1 / patience_s
    # unit is what the weight of "n busy, nobody waiting" has become after scaling: 1, or next to nothing.
    weight = unit = 1.0
    log_unit = 0.0
    # Sums over j of w(j), and of w(j) times: mean time in line, that of the served, that of those who gave up.
    total = in_line = served = gone = 0.0
    wait_if_served = stages = 0.0
    for ahead in range(LONGEST_LINE):
        leave = services + (ahead + 1) * theta
        wait_if_served += 1 / leave
        stages += (ahead + 1) / leave
        total += weight
        in_line += weight * (ahead + 1) / leave
        served += weight * services / leave * wait_if_served
        gone += weight * theta / leave * stages
        step = arrivals / leave
        # The rest is less than a geometric series of this step; ahead + 1 bounds what each term is multiplied by.
        if step < 1 and weight * (ahead + 1) < 1e-18 * (1 - step) * total:
            break
        weight *= step
        if total > _HUGE:
            weight, unit, total = weight * _SCALE, unit * _SCALE, total * _SCALE
            in_line, served, gone = in_line * _SCALE, served * _SCALE, gone * _SCALE
            log_unit += _LOG_SCALE
    else:
        raise ValueError(
            f"more than {LONGEST_LINE} callers would stand in line; is a patience of {patience_s} s meant?"
        )
    # What is left of 1 below "n busy" is (1/B - 1) of its weight.
    full = 1 / ((_inverse_b(agents, erlang) - 1) * unit + total)
    p_abandon = theta * full * in_line
    log_c = math.log(full) + log_unit + math.log(services) if full else -math.inf
    return ErlangA(
        p_wait=full * total,
        p_abandon=p_abandon,
        wait_s=full * in_line,
        wait_served_s=full * served / (1 - p_abandon),
        wait_abandoned_s=gone / (theta * in_line),
        queue_length=arrivals * full * in_line,
        occupancy=erlang / agents * (1 - p_abandon),
        _needed=_Needed(log_c, arrivals, services, theta),
    )


# ---------------------------------------------------------------- a line with so many places


@dataclass(frozen=True, slots=True)
class FiniteRoom:
    """The long run with only so many places in line. Made by ``finite_room``."""

    p_blocked: float
    """Turned away (or sent on) because the line was full. With no places: Erlang B."""
    p_wait: float
    """Found all agents busy and a place in line."""
    p_abandon: float
    wait_joined_s: float
    """Mean time in line of those who were let in, who did not wait included."""
    queue_length: float
    occupancy: float
    _places: tuple[float, ...] = field(repr=False)
    """P(all busy and j in line) for every j below the room."""
    _services: float = field(repr=False)
    _theta: float = field(repr=False)

    @property
    def p_all_busy(self) -> float:
        return self.p_wait + self.p_blocked

    def served_within(self, within_s: float) -> float:
        """Answered in time out of those let in. (Without patience: P(wait <= time | let in).)"""
        _check(within_s=within_s)
        served = 1 - self.p_all_busy
        for ahead, chance in enumerate(self._places):
            stays = self._services / (self._services + (ahead + 1) * self._theta)
            served += chance * stays * (1 - _beyond(within_s, ahead, self._services + self._theta, self._theta)[0])
        return served / (1 - self.p_blocked)


def finite_room(agents: int, erlang: float, aht_s: float, room: int, patience_s: float = math.inf) -> FiniteRoom:
    """Solve M/M/n/n+K(+M): at most ``room`` callers wait; without patience they stay for ever."""
    _check(agents=agents, erlang=erlang, aht_s=aht_s)
    if room < 0 or not patience_s > 0:
        raise ValueError(f"room is 0 or more and patience above 0, not {room} and {patience_s}")
    arrivals, services, theta = erlang / aht_s, agents / aht_s, 1 / patience_s
    logs = [0.0]
    for waiting in range(1, room + 1):
        logs.append(logs[-1] + math.log(arrivals / (services + waiting * theta)))
    # Relative to the likeliest of these states, so that a thousand places in overload do not overflow.
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    full = 1 / ((_inverse_b(agents, erlang) - 1) * math.exp(-top) + math.fsum(weights))
    *places, blocked = (full * weight for weight in weights)
    in_line = math.fsum(p * (ahead + 1) / (services + (ahead + 1) * theta) for ahead, p in enumerate(places))
    return FiniteRoom(
        p_blocked=blocked,
        p_wait=math.fsum(places),
        p_abandon=theta * in_line,
        wait_joined_s=in_line / (1 - blocked),
        queue_length=arrivals * in_line,
        occupancy=erlang / agents * (1 - blocked - theta * in_line),
        _places=tuple(places),
        _services=services,
        _theta=theta,
    )


# ---------------------------------------------------------------- to the partner after so many seconds


@dataclass(frozen=True, slots=True)
class OverflowAfter:
    """The long run where a partner takes whoever has waited so long. Made by ``overflow_after``."""

    p_wait: float
    p_overflow: float
    p_abandon: float
    p_served: float
    """Served here."""
    wait_s: float
    """Mean time in line here, of all calls, however it ended."""


def overflow_after(
    agents: int, erlang: float, aht_s: float, after_s: float, patience_s: float = math.inf
) -> OverflowAfter:
    """Solve M/M/n+min(M, D): after exactly ``after_s`` a partner with ample agents answers.

    This is what an Erlang C tail is *not*: overflowed calls leave the line, so the true share is smaller.
    """
    _check(agents=agents, erlang=erlang, aht_s=aht_s, after_s=after_s)
    if not patience_s > 0:
        raise ValueError(f"patience is above 0, not {patience_s}")
    arrivals, services, theta = erlang / aht_s, agents / aht_s, 1 / patience_s
    shape = _Needed(0.0, arrivals, services, theta)
    # Relative to the density's peak; beyond the limit nobody stands in line any more and it falls with n mu.
    top = shape.growth(min(after_s, shape.peak_s()))
    shape = _Needed(-top, arrivals, services, theta)
    needed, served, stayed = shape.up_to(after_s)
    longer = math.exp(shape.growth(after_s) - top) / services
    c = arrivals / (_inverse_b(agents - 1, erlang) * math.exp(-top) + arrivals * (needed + longer))
    p_wait = c * (needed + longer)
    wait_s = c * (stayed + longer * shape.here(after_s))
    return OverflowAfter(
        p_wait=p_wait,
        p_overflow=c * longer * math.exp(-theta * after_s),
        p_abandon=theta * wait_s,
        p_served=1 - p_wait + c * served,
        wait_s=wait_s,
    )


# ---------------------------------------------------------------- the wait from a place in the line


def ql(ahead: int, agents: float, aht_s: float) -> float:
    """QL: mean wait of a caller with ``ahead`` callers before them, all agents busy, nobody gives up.

    ``agents`` may be a fraction: an agent who also serves other queues counts as a part.
    """
    _check_place(ahead, agents, aht_s)
    return (ahead + 1) * aht_s / agents


def ql_m(ahead: int, agents: float, aht_s: float, patience_s: float) -> float:
    """QL_M: the same where those ahead may give up; the mean wait of a caller who stays (Ibrahim & Whitt 2009)."""
    _check_place(ahead, agents, aht_s, patience_s)
    services, theta = agents / aht_s, 1 / patience_s
    return math.fsum(1 / (services + i * theta) for i in range(ahead + 1))


def ql_s(ahead: int, agents: float, aht_s: float, patience_s: float) -> float:
    """QL_S: the mean wait of such a caller *if they are served before their own patience ends*.

    Shorter than QL_M: the long waits are those that are given up.
    """
    _check_place(ahead, agents, aht_s, patience_s)
    services, theta = agents / aht_s, 1 / patience_s
    return math.fsum(1 / (services + i * theta) for i in range(1, ahead + 2))


def ql_m_sd(ahead: int, agents: float, aht_s: float, patience_s: float) -> float:
    """Standard deviation of the wait of which ``ql_m`` is the mean."""
    _check_place(ahead, agents, aht_s, patience_s)
    services, theta = agents / aht_s, 1 / patience_s
    return math.sqrt(math.fsum((services + i * theta) ** -2 for i in range(ahead + 1)))


def ql_m_beyond(wait_s: float, ahead: int, agents: float, aht_s: float, patience_s: float) -> float:
    """P(the wait of which ``ql_m`` is the mean exceeds ``wait_s``), exact."""
    _check_place(ahead, agents, aht_s, patience_s)
    return _beyond(wait_s, ahead, agents / aht_s, 1 / patience_s)[0] if wait_s > 0 else 1.0


def ql_m_quantile(share: float, ahead: int, agents: float, aht_s: float, patience_s: float) -> float:
    """The wait that with probability ``share`` is not exceeded, exact to about 1e-9 of itself."""
    _check(share=share)
    mean, sd = ql_m(ahead, agents, aht_s, patience_s), ql_m_sd(ahead, agents, aht_s, patience_s)
    services, theta, log_rest = agents / aht_s, 1 / patience_s, math.log1p(-share)
    # Newton on the logarithm of the tail: it is concave (the hazard of such a sum only rises), so the steps
    # cannot run away: after at most one step too far they come down on the root from above.
    wait_s = mean + (1.2 if share > 0.5 else 0.0) * sd
    for _ in range(100):
        tail, density = _beyond(wait_s, ahead, services, theta)
        step = (math.log(tail) - log_rest) * tail / density
        wait_s += step
        if abs(step) <= 1e-9 * wait_s:
            break
    return wait_s


def _beyond(wait_s: float, ahead: int, services: float, theta: float) -> tuple[float, float]:
    """P(wait > t) and the density at t of a sum of exponentials with rates r, r + theta, ..., r + ahead theta.

    The i-th term is the chance that exactly i of the stages are over after t.
    """
    here = -math.expm1(-theta * wait_s) / theta if theta else wait_s
    term = total = 1.0
    log = -services * wait_s
    for i in range(1, ahead + 1):
        term *= (services + (i - 1) * theta) * here / i
        total += term
        if total > _HUGE:
            term, total, log = term * _SCALE, total * _SCALE, log - _LOG_SCALE
    scale = math.exp(log)
    return min(1.0, total * scale), term * scale * (services + ahead * theta)


# ---------------------------------------------------------------- what has a meaning


def _check(
    *,
    agents: int = 1,
    erlang: float = 1,
    aht_s: float = 1,
    patience_s: float = 1,
    within_s: float = 0,
    after_s: float = 0,
    share: float = 0.5,
) -> None:
    if agents < 1:
        raise ValueError(f"at least one agent is needed, not {agents}")
    for name, value in (("load in erlang", erlang), ("handling time", aht_s), ("patience", patience_s)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is above 0 and finite, not {value}")
    if not (within_s >= 0 and 0 <= after_s < math.inf):
        raise ValueError(f"a time limit is 0 or more, not {within_s if after_s == 0 else after_s}")
    if not 0 < share < 1:
        raise ValueError(f"a share lies between 0 and 1, not {share}")


def _check_place(ahead: int, agents: float, aht_s: float, patience_s: float = math.inf) -> None:
    if not (ahead >= 0 and agents > 0 and aht_s > 0 and patience_s > 0):
        raise ValueError(
            f"nobody or somebody is ahead, agents, handling time and patience are above 0, "
            f"not {ahead}, {agents}, {aht_s}, {patience_s}"
        )
