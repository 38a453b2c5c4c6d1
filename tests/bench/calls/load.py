"""Callers and telephones for one measurement, and what can be seen of it from outside: at SIP's edge and in /proc."""

from __future__ import annotations

import math
import re
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.calls.centre import ticks
from rig.root import RigError
from rig.sipp import Sipp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.calls.centre import Centre

# Numbers that the Bundesnetzagentur keeps free for films: Berlin, Frankfurt, Hamburg, Köln, München.
NUMBERS = [f"{city}{n:03d}" for n in range(1000) for city in ("+493023125", "+496990009", "+494066969", "+492214710")]
HOPELESS = 600
"""Calls at the same time of which most wait for a telephone: a rate that is too high."""
_LINE = re.compile(r"(?P<what>[CIB]) (?P<s>[\d.]+) (?P<us>[\d.]+) ?(?P<rest>.*)")


@dataclass(slots=True)
class Seen:
    """What one measurement has shown. Times in seconds."""

    calls: int = 0
    lost: int = 0
    """Callers who never got to a telephone."""
    given_up: bool = False
    """It was clear before the end that so many calls are not carried."""
    connect: list[float] = field(default_factory=list)
    """From the trunk's INVITE to the phone's INVITE."""
    pickup: list[float] = field(default_factory=list)
    """From an agent's BYE to the next INVITE at that phone."""
    seconds: float = 0.0
    asterisk: float = 0.0
    """Processor seconds."""
    service: float = 0.0

    def __iadd__(self, other: Seen) -> Self:
        self.calls += other.calls
        self.lost += other.lost
        self.given_up |= other.given_up
        self.connect += other.connect
        self.pickup += other.pickup
        self.seconds += other.seconds
        self.asterisk += other.asterisk
        self.service += other.service
        return self


def rank(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not exceeded by ``share`` of them; ``None`` of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


class Load:
    """Makes calls in a centre and looks at them."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._numbers = cycle(NUMBERS)
        self._waiting: Sipp | None = None

    # ------------------------------------------------------------ what is done

    def calls(
        self,
        dialled: Sequence[str],
        *,
        count: int,
        rate: float,
        talk: float,
        watched: bool = False,
        slow: float = math.inf,
    ) -> Seen:
        """So many calls, `rate` a second, each of whom somebody answers and talks to for `talk` seconds; given up when
        a look shows that one in a hundred of all has taken longer than `slow` seconds.
        """
        phones, next_look = self._phones(talk, 0.0), 0.0

        def late() -> int:
            nonlocal next_look
            began = time.monotonic()
            if slow == math.inf or began < next_look:
                return 0
            sent, (rung, _) = _caller_log(callers.logged()), _phone_log(phones.logged())
            found = sum(took > slow for took in _connects(sent, rung))
            # Looking takes time that is then missing for what is looked at: a fiftieth of all at most.
            next_look = time.monotonic() + 50 * (time.monotonic() - began)
            return found

        def hopeless() -> bool:
            return callers.tally().current > HOPELESS or late() > count / 100

        with phones:
            callers = self._callers(dialled, count, "-r", f"{rate * 10:.0f}", "-rp", "10000", "-l", "3000")
            with self._measured(watched=watched) as measured:
                callers.start()
                given_up = self._until(lambda: not callers.running, count / rate + 15, hopeless)
                callers.stop(grace=0.1)
        seen = measured.seen
        seen.given_up = given_up
        rung, _ = _phone_log(phones.logged())
        sent = _caller_log(callers.logged())
        seen.connect = _connects(sent, rung)
        seen.calls = sum(map(len, sent.values()))
        seen.lost = max(seen.calls - len(seen.connect), count - seen.calls)
        return seen

    def pickups(self, dialled: Sequence[str], *, waiting: int, agents: int, seconds: float, talk: float) -> Seen:
        """`waiting` people always wait; whoever is answered is followed by another caller."""
        phones = self._phones(talk, talk)
        with phones:
            most = waiting + agents
            callers = self._callers(dialled, 100_000, "-r", "100", "-l", str(most))
            callers.start()
            with callers:
                self._until(lambda: callers.tally().current >= most, most / 50 + 10)
                time.sleep(1.0)
                began = time.time()
                with self._measured() as measured:
                    time.sleep(seconds)
                ended = time.time()
            self._centre.clear()
        rung, left = _phone_log(phones.logged())
        seen = measured.seen
        seen.pickup = [late for at, late in _pickups(rung, left) if began <= at <= ended]
        seen.calls = len(seen.pickup)
        return seen

    def wait(self, dialled: str, count: int, *, rate: float = 60.0) -> None:
        """So many people wait where nobody is, until ``leave``."""
        self._waiting = self._callers([dialled], count, "-r", f"{rate:.0f}", "-l", str(count))
        self._waiting.start()
        waiting = self._waiting
        self._until(lambda: waiting.tally()["connected"] >= count, count / rate + 20)
        if waiting.tally()["connected"] < count:
            raise RigError(f"only {waiting.tally()['connected']} of {count} people wait")
        time.sleep(2.0)

    def leave(self) -> None:
        """Whoever waits is hung up on."""
        self._centre.clear()
        if self._waiting is not None:
            self._waiting.stop(grace=0.2)
            self._waiting = None

    def idle(self, seconds: float) -> Seen:
        """What is used while nobody calls."""
        with self._measured() as measured:
            time.sleep(seconds)
        return measured.seen

    def resident(self) -> float:
        """Bytes of memory the service has in use."""
        pid = self._centre.service_pid
        status = Path(f"/proc/{pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) * 1024 if found else math.nan

    # ------------------------------------------------------------ within

    def _phones(self, talk: float, spread: float) -> Sipp:
        return Sipp(
            self._centre.asterisk,
            "bench-phone",
            remote=self._centre.asterisk.phone_sip,
            port=self._centre.phones_port,
            keys={"talk_ms": round(talk * 1000), "spread_ms": round(spread * 1000)},
        )

    def _callers(self, dialled: Iterable[str], count: int, *arguments: str) -> Sipp:
        rows = list(islice(zip(cycle(dialled), self._numbers, strict=False), min(count, len(NUMBERS))))
        return Sipp(
            self._centre.asterisk,
            "bench-caller",
            remote=self._centre.asterisk.sip,
            rows=rows,
            arguments=["-m", str(count), *arguments],
        )

    @staticmethod
    def _until(done: Callable[[], bool], limit: float, hopeless: Callable[[], bool] = lambda: False) -> bool:
        """Whether it was found hopeless, which is asked once a second."""
        began, asked = time.monotonic(), 1.0
        while not done() and (took := time.monotonic() - began) < limit:
            if took > asked:
                asked = took + 1.0
                if hopeless():
                    return True
            time.sleep(0.05)
        return False

    def _measured(self, *, watched: bool = False) -> _Measured:
        pids = {"asterisk": self._centre.asterisk.pid}
        if (service := self._centre.service_pid) is not None:
            pids["service"] = service
        return _Measured(pids, self._centre.look if watched else None)


class _Measured:
    """Takes the processor time that processes use while it is entered."""

    def __init__(self, pids: dict[str, int], look: Callable[[], None] | None) -> None:
        self._pids, self._look = pids, look
        self.seen = Seen()
        self._over = threading.Event()
        self._looking: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._look is not None:
            self._looking = threading.Thread(target=self._keep_looking, daemon=True)
            self._looking.start()
        self._began = time.monotonic(), self._used()
        return self

    def __exit__(self, *_: object) -> None:
        at, used = self._began
        self.seen.seconds = time.monotonic() - at
        now = self._used()
        self.seen.asterisk = now["asterisk"] - used["asterisk"]
        self.seen.service = now.get("service", 0.0) - used.get("service", 0.0)
        self._over.set()
        if self._looking is not None:
            self._looking.join(timeout=5)

    def _used(self) -> dict[str, float]:
        return {who: _processor_seconds(pid) for who, pid in self._pids.items()}

    def _keep_looking(self) -> None:
        while not self._over.wait(1.0):
            if self._look is not None:
                self._look()


def processors() -> tuple[int, int]:
    """Ticks since the machine came up: worked, and taken back by its host (``/proc/stat``, proc(5))."""
    _, user, nice, system, _, _, irq, softirq, stolen, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return sum(map(int, (user, nice, system, irq, softirq))), int(stolen)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks()


def _at(found: re.Match[str]) -> float:
    return float(found["s"]) + float(found["us"]) / 1e6


def _caller_log(lines: Iterable[str]) -> dict[str, list[float]]:
    """When each number called."""
    sent: dict[str, list[float]] = {}
    for found in filter(None, map(_LINE.match, lines)):
        sent.setdefault(found["rest"].strip(), []).append(_at(found))
    return sent


def _phone_log(lines: Iterable[str]) -> tuple[list[tuple[float, str, str]], list[tuple[float, str]]]:
    """When which phone was rung by whom, and when which phone hung up."""
    rung: list[tuple[float, str, str]] = []
    left: list[tuple[float, str]] = []
    for found in filter(None, map(_LINE.match, lines)):
        words = found["rest"].replace("INVITE", "").replace("sip:", "").split()
        if found["what"] == "I":
            rung.append((_at(found), words[0], words[1] if len(words) > 1 else ""))
        elif found["what"] == "B":
            left.append((_at(found), words[0]))
    return rung, left


def _connects(sent: dict[str, list[float]], rung: Sequence[tuple[float, str, str]]) -> list[float]:
    """For each call the time to its first ring; a call that rang at a second phone, too, is one call."""
    first: dict[tuple[str, int], float] = {}
    for at, _, number in sorted(rung):
        index = bisect_right(sent.get(number, []), at) - 1
        if index >= 0:
            first.setdefault((number, index), at)
    return [at - sent[number][index] for (number, index), at in first.items()]


def _pickups(rung: Sequence[tuple[float, str, str]], left: Sequence[tuple[float, str]]) -> list[tuple[float, float]]:
    """For each hang-up its moment, and how long until that phone rang again."""
    found: list[tuple[float, float]] = []
    free: dict[str, float] = {}
    marks = chain(((at, phone, True) for at, phone in left), ((at, phone, False) for at, phone, _ in rung))
    for at, phone, hung_up in sorted(marks):
        if hung_up:
            free[phone] = at
        elif phone in free:
            found.append((free[phone], at - free.pop(phone)))
    return found
