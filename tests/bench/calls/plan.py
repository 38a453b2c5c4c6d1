"""What is measured, and in which order.

This machine is not alone in the world, and what it can do drifts by a third within minutes. So ways that are compared
take turns within seconds of each other, in rounds whose order is turned; what counts are ratios within one run.

Each part has its share of the time: all of them together stay below 25 minutes.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.calls.centre import Size, Way
from bench.calls.load import Seen, processors, rank
from rig.root import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.calls.centre import Centre
    from bench.calls.load import Load

RATE, TALK = 20.0, 0.2
"""Calls a second, and seconds a conversation, where no rate is looked for."""
QUICK_TALK = 0.02
"""So short where a rate is looked for, or sixteen agents would be the limit and not the processor."""
BASE = Size()
AXES = (
    Size(agents=500),
    Size(agents=5_000),
    Size(queues=50),
    Size(queues=500),
    Size(waiting=200),
    Size(waiting=1_000),
)
HELD_FOR, PROBED_FOR = 60.0, 5.0
TRY = HELD_FOR + 10.0
"""Seconds for a minute, with what comes before and after it."""
SLOW = 0.050
"""A rate is not held if one call in a hundred takes longer (seconds)."""
OVERRUN = 1.0
"""... and after so many seconds, whoever routes has more to catch up with than the next try should bear."""
CALM = 15.0
"""Seconds of rest after a minute that was given up."""
FIRST_RATE, NEXT = 150.0, 0.6
"""Where looking begins, and for the second of a pair, as a share of what the first can do."""
STEP, LESS, MORE = 1.2, 0.85, 1.1
RACES = (
    ((Way.QUEUE, Way.SERVICE), BASE.agents),
    ((Way.QUEUE, Way.SERVICE), 500),
    ((Way.DIAL, Way.FULL), BASE.agents),
)
"""Ways whose rates are compared, and with how many agents."""
WITHIN = 24 * 60.0
"""Seconds for everything: rates come last and share what is left."""


@dataclass(slots=True)
class Held:
    """The highest rate that was held for a minute; calls a second."""

    rate: float = 0.0
    seen: Seen = field(default_factory=Seen)
    short: float = 0.0
    """... and that was carried for some seconds: what is left to compare where a bad moment of the host ended each
    minute."""


@dataclass(slots=True)
class Findings:
    """Everything that was seen."""

    connect: dict[Way, Seen] = field(default_factory=dict)
    pickup: dict[Way, Seen] = field(default_factory=dict)
    rates: dict[tuple[Way, int], Held] = field(default_factory=dict)
    """By way and number of agents."""
    sizes: dict[tuple[Way, Size], Seen] = field(default_factory=dict)
    idle: dict[tuple[Way, int], Seen] = field(default_factory=dict)
    """By way and number of waiting callers."""
    resident: dict[int, float] = field(default_factory=dict)
    """Bytes of the service, by number of waiting callers."""
    grown: dict[int, float] = field(default_factory=dict)
    """Bytes by which the same process grew when they came."""
    events_per_call: float = 0.0
    read_per_second: float = 0.0
    """AMI events read and translated in a second of one processor."""
    took: float = 0.0
    taken_back: float = 0.0
    """By the host, as a share of what the processors here wanted to work meanwhile."""


class Plan:
    """Carries out the parts one after the other."""

    def __init__(self, centre: Centre, load: Load, progress: Callable[[str], None]) -> None:
        self._centre, self._load, self._progress = centre, load, progress
        self.found = Findings()
        self._began, self._processors = time.monotonic(), processors()

    def say(self, text: str) -> None:
        self.found.took = time.monotonic() - self._began
        busy, stolen = (now - then for now, then in zip(processors(), self._processors, strict=True))
        self.found.taken_back = stolen / max(busy + stolen, 1)
        self._progress(f"{self.found.took:6.0f} s  {text}")

    # ------------------------------------------------------------ from INVITE to INVITE

    def connect(self, rounds: int = 3, calls: int = 200) -> None:
        for turn in range(rounds):
            for way in _turned(tuple(Way), turn):
                seen = self._calls(way, BASE, calls)
                self.found.connect[way] = _sum(self.found.connect.get(way), seen)
                self.say(f"connect, round {turn + 1}, {way}: {_told(seen.connect)}")

    def _calls(self, way: Way, size: Size, calls: int) -> Seen:
        self._centre.prepare(way, size)
        dialled = self._centre.dialled(way, size)
        self._load.calls(dialled, count=20, rate=RATE, talk=TALK)  # nothing is as slow as the first
        return self._load.calls(dialled, count=calls, rate=RATE, talk=TALK, watched=way is Way.FULL)

    # ------------------------------------------------------------ from BYE to INVITE

    def pickup(self, rounds: int = 2, seconds: float = 12.0) -> None:
        for turn in range(rounds):
            for way in _turned((Way.QUEUE, Way.SERVICE, Way.FULL), turn):
                self._centre.prepare(way, BASE)
                dialled = self._centre.dialled(way, BASE)
                seen = self._load.pickups(dialled, waiting=200, agents=BASE.agents, seconds=seconds, talk=0.5)
                self.found.pickup[way] = _sum(self.found.pickup.get(way), seen)
                self.say(f"pick-up with 200 waiting, round {turn + 1}, {way}: {_told(seen.pickup)}")

    # ------------------------------------------------------------ the highest rate

    def rates(self) -> None:
        cap = max(self._began + WITHIN, time.monotonic() + len(RACES) * 2 * HELD_FOR)
        for done, (ways, agents) in enumerate(RACES):
            now = time.monotonic()
            self.found.rates |= {(way, agents): Held() for way in ways}
            try:
                self._race(ways, Size(agents=agents), now + (cap - now) / (len(RACES) - done), cap)
            except RigError as problem:  # it is overrun on purpose; what is known is told all the same
                self.say(f"rates: {problem}")
                with contextlib.suppress(RigError):
                    self._centre.begin_anew()
            for way in ways:
                held = self.found.rates[way, agents]
                reached = f"{held.rate:.0f}/s held for a minute, {held.short:.0f}/s for {PROBED_FOR:.0f} s"
                self.say(f"highest rate, {way}, {agents} agents: {reached}")

    def _race(self, ways: Sequence[Way], size: Size, until: float, cap: float) -> None:
        """Look for it in steps, a few seconds each; then hold less than that for a minute, in turn, and more or still
        less after it, as long as there is time: until then, one try longer for who has held nothing (a rate of nothing
        compares with none, so these go first), and never beyond the cap.
        """
        held = {way: self.found.rates[way, size.agents] for way in ways}
        first = FIRST_RATE
        for way in ways:
            held[way].short = self._about(way, size, first)
            first = (held[way].short or FIRST_RATE) * NEXT
        rate, too_high = {way: held[way].short * LESS for way in ways}, dict.fromkeys(ways, math.inf)
        turn = 0
        while left := [way for way in ways if 0 < rate[way] < too_high[way]]:
            behind = [way for way in left if not held[way].rate]
            left, end = (behind, until + TRY) if behind else (left, until)
            if time.monotonic() + len(left) * TRY > (min(end, cap) if turn else cap):  # for all of them or for none
                break
            turn += 1
            for way in _turned(left, turn):
                good, seen = self._try(way, size, rate[way], HELD_FOR)
                if good:
                    held[way].rate, held[way].seen = rate[way], seen
                    rate[way] *= MORE
                else:
                    # Perhaps it was the machine's bad moment, which the next try should not fall into as well.
                    time.sleep(CALM)
                    too_high[way] = rate[way]
                    rate[way] *= LESS if not held[way].rate else 1.0

    def _about(self, way: Way, size: Size, rate: float) -> float:
        """The highest rate that is carried for some seconds: steps until one is and one is not, and halfway once."""
        known = {True: 0.0, False: math.inf}
        for _ in range(7):
            between = known[True] > 0 and known[False] < math.inf
            good, _ = self._try(way, size, rate, PROBED_FOR)
            known[good] = rate
            if between:
                break
            if known[True] and known[False] < math.inf:
                rate = math.sqrt(known[True] * known[False])
            else:
                rate = rate * STEP if good else rate / STEP
        return known[True]

    def _begin(self, way: Way, size: Size) -> None:
        """What has just been started is not asked for its utmost at once."""
        if not self._centre.prepare(way, size):
            return
        self._load.calls(self._centre.dialled(way, size), count=200, rate=40.0, talk=QUICK_TALK)

    def _try(self, way: Way, size: Size, rate: float, seconds: float) -> tuple[bool, Seen]:
        self._begin(way, size)
        seen = self._load.calls(
            self._centre.dialled(way, size),
            count=round(rate * seconds),
            rate=rate,
            talk=QUICK_TALK,
            watched=way is Way.FULL,
            slow=SLOW,
        )
        late = rank(seen.connect, 0.99)
        good = seen.lost == 0 and late is not None and late < SLOW
        lost = "given up" if seen.given_up else f"{seen.lost} lost"
        self.say(
            f"  {way}, {size.agents} agents, {rate:.0f}/s for {seconds:.0f} s:"
            f" {_told(seen.connect)}, {lost}{'' if good else ' (not held)'}"
        )
        if late is None or late > OVERRUN or (seen.lost and not seen.given_up):
            self._centre.begin_anew()
        elif not good:
            self._centre.clear()
        return good, seen

    # ------------------------------------------------------------ the cost of size

    def sizes(self, sizes: Sequence[Size] = (BASE, *AXES), ways: Sequence[Way] = (Way.QUEUE, Way.SERVICE)) -> None:
        for turn, size in enumerate(sizes):
            for way in _turned(tuple(ways), turn):
                seen = self.found.sizes[way, size] = self._at_size(way, size)
                self.say(
                    f"{size.agents} agents, {size.queues} queues, {size.waiting} waiting, {way}: {_told(seen.connect)}"
                )

    def _at_size(self, way: Way, size: Size) -> Seen:
        """What those who wait cost by themselves is in the processor time of these calls, and told apart as `idle`."""
        if not size.waiting:
            return self._calls(way, size, 200)
        self._centre.prepare(way, size)
        noted = size == Size(waiting=size.waiting)
        ours = noted and way is Way.SERVICE
        if ours:
            # Memory that calls have once needed is kept; what waiting needs is seen after some.
            self._load.calls(self._centre.dialled(way, size), count=400, rate=2 * RATE, talk=TALK)
            self.found.idle[way, 0] = self._load.idle(8.0)
            self.found.resident[0] = self._load.resident()
        self._load.wait(self._centre.elsewhere(way, size), size.waiting)
        if noted:
            self.found.idle[way, size.waiting] = self._load.idle(8.0)
        if ours:
            self.found.resident[size.waiting] = self._load.resident()
            self.found.grown[size.waiting] = self.found.resident[size.waiting] - self.found.resident[0]
        try:
            return self._calls(way, size, 200)
        finally:
            self._load.leave()


def _turned(ways: Sequence[Way], turn: int) -> Sequence[Way]:
    at = turn % len(ways)
    return (*ways[at:], *ways[:at])


def _sum(known: Seen | None, seen: Seen) -> Seen:
    if known is None:
        return seen
    known += seen
    return known


def _told(values: Sequence[float]) -> str:
    p50, p99, most = (rank(values, share) for share in (0.5, 0.99, 1.0))
    if p50 is None or p99 is None or most is None:
        return "no call got there"
    return f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, max {most * 1000:.1f} ms ({len(values)})"
