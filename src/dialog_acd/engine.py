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
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, get_args

import structlog

from dialog_acd.core import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
BREATHE_AFTER = 200
"""Signals handled in one go before other tasks (readers, the API) get their turn."""

_ORDERS = get_args(m.Order)


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


class _Letter(NamedTuple):
    """A signal in the inbox."""

    signal: m.Signal
    answer: asyncio.Future[list[m.Order | m.Notice]] | None
    """Who waits for what the core says to it."""
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
        observe: Sequence[Callable[[m.Notice], None]],
        *,
        intents: IntentMemory | None = None,
        calls: CallMemory | None = None,
        took: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``observe`` is told every notice, ``took`` how many seconds each signal waited and was worked on."""
        self._acd = acd
        self._clock = clock
        self._records = records
        self._intents = intents
        self._calls = calls
        self._observe = observe
        self._took = took
        self._switch: Switch | None = None
        self._inbox: asyncio.Queue[_Letter] = asyncio.Queue()
        self._stopped = False
        self._watching: list[Callable[[], None]] = []
        self.failures = 0
        """Signals the core could not handle, and orders a port could not take: each is a defect."""

    def attach(self, switch: Switch) -> None:
        """Introduce the switch. Separate from the constructor because the switch needs ``tell``."""
        self._switch = switch

    # ------------------------------------------------------------ ways in

    def tell(self, signal: m.Signal) -> None:
        self._inbox.put_nowait(_Letter(signal, None, time.perf_counter()))

    async def ask(self, signal: m.Signal) -> list[m.Order | m.Notice]:
        """Tell, and wait for everything the core answered to this signal. Raises ``Stopped``."""
        if self._stopped:
            raise Stopped
        answer: asyncio.Future[list[m.Order | m.Notice]] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(_Letter(signal, answer, time.perf_counter()))
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
        return self._inbox.qsize()

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Turn until cancelled."""
        beating = asyncio.create_task(self._beat(), name="beat")
        handled = 0
        try:
            while True:
                signal, answer, came = await self._next_signal()
                self._handle(signal, answer)
                self._took(time.perf_counter() - came)
                handled += 1
                if handled % BREATHE_AFTER == 0:
                    await asyncio.sleep(0)
        finally:
            self._stopped = True
            beating.cancel()
            while not self._inbox.empty():
                signal, answer, _ = self._inbox.get_nowait()
                if answer is None:
                    # Already heard: a hang-up among these is a record.
                    self._handle(signal, None)
                elif not answer.done():
                    answer.set_exception(Stopped())

    async def _beat(self) -> None:
        # Through the inbox like everything else: a heartbeat means that the engine turns, not that a timer does.
        while True:
            self.tell(m.Beat())
            await asyncio.sleep(BEAT_EVERY)

    async def _next_signal(self) -> _Letter:
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        deadline = self._acd.next_deadline()
        if deadline is None:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(max(0.0, (deadline - self._clock.now()).total_seconds())):
                return await self._inbox.get()
        except TimeoutError:
            return _Letter(m.Tick(), None, time.perf_counter())

    def _handle(self, signal: m.Signal, answer: asyncio.Future[list[m.Order | m.Notice]] | None) -> None:
        now = self._clock.now()
        # A beat, or a look whether we turn, at a moment for which nothing was to come.
        idle = bool(self._watching) and isinstance(signal, m.Beat | m.Tick) and not self._due(now)
        try:
            outputs = self._acd.handle(signal, now)
        except Exception as defect:
            self.failures += 1
            log.exception("engine.defect", signal=repr(signal))
            if answer is not None and not answer.done():
                answer.set_exception(defect)
            return
        for output in outputs:
            if isinstance(output, _ORDERS):
                try:
                    self._carry_out(cast("m.Order", output))
                except Exception:  # a port that breaks its word; the next order may be another caller's
                    self.failures += 1
                    log.exception("engine.defect", order=repr(output))
            else:
                self._notify(cast("m.Notice", output))
        if answer is not None and not answer.done():
            answer.set_result(outputs)
        if not idle or not all(isinstance(output, m.Heartbeat) for output in outputs):
            for stir in tuple(self._watching):
                try:
                    stir()
                except Exception:  # whoever watches must not cost a call either
                    self.failures += 1
                    log.exception("engine.defect", watching=repr(stir))

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
        for observe in self._observe:
            try:
                observe(notice)
            except Exception:  # a broken counter must not cost a call
                log.exception("notice.lost", notice=type(notice).__name__)
