"""The one loop: an inbox, a consumer, deadlines, and the carrying out of orders.

Everything that can happen enters through the inbox: AMI, AGI, REST, and the passing of time. One consumer means no
locks and no races inside, and that a call's story can be replayed. The loop waits for nothing but its inbox: orders
leave through ports that return at once.

A signal the core chokes on is our defect; it is logged with its story and counted, and the next signal is handled.
Nobody waiting in a queue may suffer for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, get_args

import structlog

from dialog_acd.core import messages as m

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from dialog_acd.clock import Clock
    from dialog_acd.core.acd import Acd
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import CallId
    from dialog_acd.core.records import Amendment, CallRecord
    from dialog_acd.core.view import AcdView, CallStory

log = structlog.get_logger()

BEAT_EVERY = 2.0
"""Seconds between two beats. The dialplan takes the service for dead after ``ACD_HEARTBEAT_MAX`` (ten)."""
LONE_AFTER = 0.0003
"""Seconds since the last turn after which a signal is alone: those of one read of a socket follow much closer."""
BREATHE_AFTER = 200
"""Signals handled in one go before other tasks (readers, the API) get their turn."""

_ORDERS = frozenset(get_args(m.Order))


class Switch(Protocol):
    def perform(self, order: m.Order) -> None:
        """Start carrying out an order; returns at once. A failure comes back as ``OrderFailed``."""
        ...


class IntentMemory(Protocol):
    def put(self, intent: m.RememberIntent | m.RememberSwitch) -> None:
        """Take in what an agent or a supervisor wants; returns at once and never raises."""
        ...


class CallMemory(Protocol):
    def put(self, call: m.RememberCall) -> None:
        """Remember who has arrived; returns at once and never raises."""
        ...

    def forget(self, call: CallId) -> None:
        """The record of this call has been taken in."""
        ...

    def alive(self, now: datetime) -> None:
        """We see what happens to them all; returns at once and never raises."""
        ...


class RecordSpool(Protocol):
    def put(self, record: CallRecord) -> None:
        """Take a record in; returns at once and never raises."""
        ...

    def amend(self, amendment: Amendment) -> None:
        """Change a record that was taken in before, wherever it is by now; returns at once and never raises."""
        ...


Outputs = list[m.Order | m.Notice]
Then = Callable[[Outputs | Exception], None]
"""Is given everything the core answered to a signal, or why it did not: a defect, or ``Stopped``."""
Observer = Callable[[m.Notice], None]


class _Letter(NamedTuple):
    """A signal in the inbox."""

    signal: m.Signal
    then: Then | None
    came: float
    """On ``time.perf_counter()``."""


class Stopped(RuntimeError):  # noqa: N818
    """The engine does not turn (any more); nobody will answer."""


class Engine:
    """Feeds the core and carries out what it decides. ``run`` is the loop; the rest may be called at any time."""

    def __init__(
        self,
        acd: Acd,
        clock: Clock,
        records: RecordSpool,
        observe: Sequence[Observer | tuple[Collection[type[m.Notice]] | None, Observer]],
        *,
        intents: IntentMemory | None = None,
        calls: CallMemory | None = None,
        took: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``observe`` is told every notice, or those of the kinds it comes with; ``took`` how many seconds each signal
        waited and was worked on.
        """
        self._acd = acd
        self._clock = clock
        self._records = records
        self._intents = intents
        self._calls = calls
        self._observe = [each if isinstance(each, tuple) else (None, each) for each in observe]
        self._observers_of: dict[type[m.Notice], tuple[Observer, ...]] = {}
        self._took = took
        self._switch: Switch | None = None
        self._inbox: deque[_Letter] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        """While it turns."""
        self._turning = False
        self._turned_at = 0.0
        """When the last turn was over, on ``time.perf_counter()``."""
        self._turn: asyncio.Handle | None = None
        """The next turn, if one is due."""
        self._alarm: asyncio.TimerHandle | None = None
        """When to look at deadlines though nothing has happened."""
        self._alarm_for: datetime | None = None
        self._over: asyncio.Future[None] | None = None
        self._stopped = False
        self._watching: list[Callable[[], None]] = []
        self.now = clock.now()
        """The moment of the signal in hand, or of the last one."""
        self.failures = 0
        """Signals the core could not handle, and orders a port could not take: each is a defect."""

    def attach(self, switch: Switch) -> None:
        """Introduce the switch. Separate from the constructor because the switch needs ``tell``."""
        self._switch = switch

    # ------------------------------------------------------------ ways in

    def tell(self, signal: m.Signal, then: Then | None = None) -> None:
        """Put it into the inbox. ``then`` is called as soon as it is handled, before its orders are carried out.

        Where nothing else waits, and the last turn is over for a moment, it is handled before this returns: a caller at
        the door, or an agent's hang-up, needs no further round of the event loop. In a burst, others have their turn.
        """
        if self._stopped and then is not None:
            then(Stopped())
            return
        came = time.perf_counter()
        self._inbox.append(_Letter(signal, then, came))
        if self._loop is None or self._turn is not None or self._turning:
            return
        if came - self._turned_at > LONE_AFTER:
            self._turn_once()
        else:
            self._turn = self._loop.call_soon(self._turn_once)

    async def ask(self, signal: m.Signal) -> Outputs:
        """Tell, and wait for everything the core answered to this signal. Raises ``Stopped``."""
        if self._stopped:
            raise Stopped
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()

        def answered(outputs: Outputs | Exception) -> None:
            if answer.done():
                return
            if isinstance(outputs, Exception):
                answer.set_exception(outputs)
            else:
                answer.set_result(outputs)

        self.tell(signal, answered)
        return await answer

    async def turning(self) -> bool:
        """Whether the loop still handles what is put into its inbox within a second."""
        try:
            async with asyncio.timeout(1.0):
                await self.ask(m.Tick())
        except (TimeoutError, Stopped):
            return False
        return True

    # ------------------------------------------------------------ ways to look

    def view(self) -> AcdView:
        return self._acd.view()

    def story(self, call: CallId) -> CallStory | None:
        """What has happened to a call so far; ``None`` for one that is not there (any more)."""
        return self._acd.story(call)

    def watch(self, stir: Callable[[], None]) -> Callable[[], None]:
        """Have ``stir`` called after each signal that may have changed the view; returns what ends that."""
        self._watching.append(stir)
        return partial(self._watching.remove, stir)

    def directory(self) -> Directory:
        """The directory in force."""
        return self._acd.directory

    @property
    def inbox_depth(self) -> int:
        return len(self._inbox)

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Turn until cancelled.

        No task of ours takes letters out: each turn is a callback of the event loop, put there by whoever brings the
        first letter. A call is told in some ten letters, and for each a task would have to be woken.
        """
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        beating = asyncio.create_task(self._beat(), name="beat")
        self._turn = self._loop.call_soon(self._turn_once)
        try:
            await self._over
        finally:
            self._stopped = True
            self._loop = None
            for due in (self._turn, self._alarm):
                if due is not None:
                    due.cancel()
            beating.cancel()
            while self._inbox:
                letter = self._inbox.popleft()
                if letter.then is None:
                    # Already heard: a hang-up among these is a record.
                    self._handle(letter)
                else:
                    letter.then(Stopped())

    async def _beat(self) -> None:
        # Through the inbox like everything else: a heartbeat means that the engine turns, not that a timer does.
        while True:
            self.tell(m.Beat())
            await asyncio.sleep(BEAT_EVERY)

    def _turn_once(self) -> None:
        """Handle what is there, but let others (readers, the API) have their turn now and then."""
        loop, over = self._loop, self._over
        if loop is None or over is None or over.done():
            return
        self._turning = True
        try:
            for _ in range(min(len(self._inbox), BREATHE_AFTER)):
                letter = self._inbox.popleft()
                self._handle(letter)
                self._turned_at = time.perf_counter()
                self._took(self._turned_at - letter.came)
        except BaseException as end:
            # Nothing that a signal may cause gets here. Whoever waits for us must see it.
            over.set_exception(end)
            raise
        finally:
            self._turning = False
        self._turn = loop.call_soon(self._turn_once) if self._inbox else None
        if self._turn is None:
            self._set_alarm(loop)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be woken for the next deadline. One that was set for an earlier moment stays: it costs a look."""
        deadline = self._acd.next_deadline()
        if deadline is None or (self._alarm is not None and deadline == self._alarm_for):
            return
        at = loop.time() + max(0.0, (deadline - self._clock.now()).total_seconds())
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return
            self._alarm.cancel()
        self._alarm, self._alarm_for = loop.call_at(at, self._rung), deadline

    def _rung(self) -> None:
        self._alarm = None
        if self._turn is None and self._loop is not None:
            if self._due(self._clock.now()):
                self.tell(m.Tick())
            else:
                self._set_alarm(self._loop)

    def _handle(self, letter: _Letter) -> None:
        signal, then = letter.signal, letter.then
        self.now = now = self._clock.now()
        # A beat, or a look whether we turn, at a moment for which nothing was to come.
        idle = bool(self._watching) and isinstance(signal, m.Beat | m.Tick) and not self._due(now)
        try:
            outputs = self._acd.handle(signal, now)
        except Exception as defect:
            self.failures += 1
            log.exception("engine.defect", signal=repr(signal))
            if then is not None:
                self._then(then, defect)
            return
        if then is not None:
            # First: a caller stands at the door, and what is noted of them can wait.
            self._then(then, outputs)
        for output in outputs:
            kind = type(output)
            if kind in _ORDERS:
                try:
                    self._carry_out(cast("m.Order", output))
                except Exception:  # a port that breaks its word; the next order may be another caller's
                    self.failures += 1
                    log.exception("engine.defect", order=repr(output))
            else:
                self._notify(cast("m.Notice", output))
        if self._watching and not (idle and all(isinstance(output, m.Heartbeat) for output in outputs)):
            for stir in tuple(self._watching):
                try:
                    stir()
                except Exception:  # whoever watches must not cost a call either
                    self.failures += 1
                    log.exception("engine.defect", watching=repr(stir))

    def _then(self, then: Then, outputs: Outputs | Exception) -> None:
        try:
            then(outputs)
        except Exception:  # whoever asked breaks their word; the next signal may be another caller's
            self.failures += 1
            log.exception("engine.defect", asked=repr(then))

    def _due(self, now: datetime) -> bool:
        deadline = self._acd.next_deadline()
        return deadline is not None and deadline <= now

    def _carry_out(self, order: m.Order) -> None:
        if isinstance(order, m.SaveRecord):
            self._records.put(order.record)
            if self._calls is not None:
                self._calls.forget(order.record.call)
        elif isinstance(order, m.AmendRecord):
            self._records.amend(order.amendment)
        elif isinstance(order, m.RememberCall):
            if self._calls is not None:
                self._calls.put(order)
        elif isinstance(order, m.RememberIntent | m.RememberSwitch):
            if self._intents is not None:
                self._intents.put(order)
        elif isinstance(order, m.Treat):
            pass  # the answer to a question: whoever asked gets it with the outputs
        else:
            if isinstance(order, m.Heartbeat) and self._calls is not None:
                self._calls.alive(self._clock.now())
            if self._switch is not None:
                self._switch.perform(order)

    def _notify(self, notice: m.Notice) -> None:
        kind = type(notice)
        observers = self._observers_of.get(kind)
        if observers is None:
            observers = tuple(observe for kinds, observe in self._observe if kinds is None or kind in kinds)
            self._observers_of[kind] = observers
        for observe in observers:
            try:
                observe(notice)
            except Exception:  # a broken counter must not cost a call
                log.exception("notice.lost", notice=kind.__name__)
