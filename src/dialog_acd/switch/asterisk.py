"""One Asterisk, as the engine sees it: orders go in, signals come out.

Joins the AMI link, the AGI server and the interpreter; decides nothing. Whatever takes time happens in tasks of its
own, so that ``perform`` returns at once and orders leave in the sequence in which they were given.
"""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from dialog_acd.core import messages as m
from dialog_acd.switch.agi import LOOPBACK, AgiServer
from dialog_acd.switch.ami import AmiDown, AmiError, AmiLink, AmiLoginRefused, AmiRefused, AmiUnsafe
from dialog_acd.switch.translate import NO_VERDICT, Interpreter, Untranslatable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from dialog_acd.clock import Clock
    from dialog_acd.core.directory import Directory
    from dialog_acd.switch.agi import AgiRequest, Reply
    from dialog_acd.switch.ami import AmiAddress, Message
    from dialog_acd.switch.translate import Intention

log = structlog.get_logger()

AUDIT_EVERY = 60.0
"""Seconds between two comparisons of our picture with Asterisk's. They should find nothing."""

ROWS_AT_ONCE = 50
"""Rows of failsafe profiles on their way to Asterisk."""

_ABOUT_A_CALL = m.Offer | m.Withdraw | m.Hold | m.Divert | m.Say | m.Release


Outputs = list[m.Order | m.Notice]


class Core(Protocol):
    """What the switch needs from whoever decides."""

    def tell(self, signal: m.Signal, then: Callable[[Outputs | Exception], None] | None = None) -> None:
        """``then`` is given what the core answered, or why it did not."""
        ...


class Asterisk:
    """The switch. ``run`` keeps the link; ``perform`` carries out; AGI questions are answered by ``core``."""

    def __init__(
        self,
        address: AmiAddress,
        core: Core,
        clock: Clock,
        directory: Callable[[], Directory],
        *,
        random: Callable[[], float],
        agi_answer_within: float = 2.0,
    ) -> None:
        self._core = core
        self._clock = clock
        self._directory = directory
        self._interpreter = Interpreter()
        self.link = AmiLink(address, greet=self._greet, hear=self._hear, lost=self._lost, random=random)
        self.agi = AgiServer(
            self._answer, NO_VERDICT, answer_within=agi_answer_within, peers=(*LOOPBACK, *_address(address.host))
        )
        self.orders_failed = 0
        """Orders Asterisk refused, or of which nothing more was heard."""
        self._heartbeat_at: datetime | None = None
        self._failsafe_owed: m.KeepFailsafe | None = None
        self._keeping: asyncio.Future[None] | None = None
        self._shut_out = asyncio.Event()

    async def run(self) -> None:
        """Keep the link up and the two pictures the same, until cancelled.

        Raises ``AmiLoginRefused`` when we are refused before we were ever let in: a wrong secret does not repair
        itself, and whoever has just started the service is there to read about it. Refused later, there are calls
        to come back to (and perhaps a manager.conf being edited), so it is tried again like any other outage.
        """
        tasks = [
            asyncio.create_task(self.link.run(), name="ami"),
            asyncio.create_task(self._audits(), name="audit"),
            asyncio.create_task(self._shut_out.wait(), name="shut-out"),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            if self._shut_out.is_set() and self.link.last_error is not None:
                raise self.link.last_error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------ facts

    async def _greet(self, link: AmiLink) -> None:
        await self._take_picture(link, audit=False)
        log.info("switch.found")

    async def _take_picture(self, link: AmiLink, *, audit: bool) -> None:
        at = self._clock.now()
        await link.call({"Action": "Ping"})  # Asterisk's clock, for the heartbeat
        known_before = self._interpreter.calls_known()
        channels = await link.call_list({"Action": "CoreShowChannels"})
        devices = await link.call_list({"Action": "DeviceStateList"})
        self._core.tell(self._interpreter.picture(channels, devices, at, audit=audit, known_before=known_before))

    async def _audits(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_EVERY)
            if not self.link.up:
                continue
            if self._failsafe_owed is not None:
                self._keep_failsafe()
            try:
                await self._take_picture(self.link, audit=True)
            except (AmiError, TimeoutError) as problem:
                log.warning("switch.audit_failed", why=str(problem))

    def _hear(self, message: Message) -> None:
        for signal in self._interpreter.signals(message):
            self._core.tell(signal)

    def _lost(self, _why: str) -> None:
        # Why is in the log already; the link said it with its address.
        if isinstance(self.link.last_error, AmiLoginRefused) and self.link.logins == 0:
            self._shut_out.set()
        self._core.tell(m.SwitchLost("asterisk"))

    # ------------------------------------------------------------ orders

    def heartbeat_age(self) -> float | None:
        """Seconds since Asterisk last confirmed a heartbeat."""
        return None if self._heartbeat_at is None else (self._clock.now() - self._heartbeat_at).total_seconds()

    def perform(self, order: m.Order) -> None:
        if isinstance(order, m.KeepFailsafe):
            self._failsafe_owed = order
            self._keep_failsafe()
            return
        try:
            for action in self._interpreter.actions(order, self.link.asterisk_now()):
                self.link.post(action).add_done_callback(lambda answer: self._performed(order, answer))
        except (Untranslatable, AmiUnsafe, AmiDown) as problem:
            # Not sent, so nothing has moved: every order about a call is a single action.
            self._failed(order, str(problem), certain=True)

    def _performed(self, order: m.Order, answer: asyncio.Future[Message]) -> None:
        if answer.cancelled():
            return
        problem = answer.exception()
        if isinstance(problem, AmiRefused):
            self._failed(order, str(problem), certain=True)
        elif problem is not None:
            self._failed(order, str(problem) or type(problem).__name__, certain=False)
        elif isinstance(order, m.Heartbeat):
            self._heartbeat_at = self._clock.now()

    def _keep_failsafe(self) -> None:
        """Write what is owed, unless somebody is at it: then that one goes on with the latest."""
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.ensure_future(self._write_failsafe())

    async def _write_failsafe(self) -> None:
        """All rows first; the generation is named only when every one of them is there. Else the audit tries again.

        A few at a time: thousands at once would stand before the next caller's offer, in our loop and on the link.
        """
        while (order := self._failsafe_owed) is not None:
            *rows, generation = await asyncio.to_thread(self._interpreter.actions, order, None)
            try:
                for start in range(0, len(rows), ROWS_AT_ONCE):
                    if self._failsafe_owed is not order:
                        break
                    await asyncio.gather(*[self.link.post(row) for row in rows[start : start + ROWS_AT_ONCE]])
                else:
                    await self.link.post(generation)
                    if self._failsafe_owed is order:
                        self._failsafe_owed = None
            except (AmiError, TimeoutError) as problem:
                self._failed(order, str(problem) or type(problem).__name__, certain=False)
                if self._failsafe_owed is order:
                    return

    def _failed(self, order: m.Order, why: str, *, certain: bool) -> None:
        self.orders_failed += 1
        log.warning("order.failed", order=type(order).__name__, why=why, certain=certain)
        if isinstance(order, _ABOUT_A_CALL):
            self._core.tell(m.OrderFailed(order, why, certain))

    # ------------------------------------------------------------ questions

    def _answer(self, request: AgiRequest, reply: Reply) -> None:
        if request.script == "arrive":
            arrival = self._interpreter.arrival(request.fields, request.arguments)
            self._core.tell(arrival, partial(self._treat, reply))
        elif request.script == "agent":
            intention = self._interpreter.intention(request.arguments, self._directory())
            if intention is None:
                reply(self._interpreter.confirmation(None, (), self._directory()))
            else:
                self._core.tell(intention.signal, partial(self._confirm, reply, intention))
        else:
            reply(NO_VERDICT)

    def _treat(self, reply: Reply, outputs: Outputs | Exception) -> None:
        said: Mapping[str, str] | None = None
        try:
            if not isinstance(outputs, Exception):
                treat = next((output for output in outputs if isinstance(output, m.Treat)), None)
                said = NO_VERDICT if treat is None else self._interpreter.variables(treat)
        finally:
            reply(said)

    def _confirm(self, reply: Reply, intention: Intention, outputs: Outputs | Exception) -> None:
        said: Mapping[str, str] | None = None
        try:
            if not isinstance(outputs, Exception):
                said = self._interpreter.confirmation(intention, outputs, self._directory())
        finally:
            reply(said)


def _address(host: str) -> Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The Asterisk we log in to may also ask us, where it is elsewhere. Only an address says who that is: a name would
    be for whoever answers for it to decide.
    """
    try:
        return (ipaddress.ip_network(host),)
    except ValueError:
        return ()
