"""The live state as it changes, for whoever listens: server-sent events (WHATWG HTML, 9.2).

The first event is the whole picture, each further one what has changed since the one before, for this listener. So
nothing is kept for a slow reader: an event is made when the reader is ready for it, of the picture as it is then, and
what came and went in between is never told. Nor is anything looked at while nothing happens: the core says when its
picture may be another, and only while somebody listens. That a wait grows is no change; it is told from when on.

What is told is worked out aside, in a thread, and once for all who have seen the same: two thousand agents take some
milliseconds, sixty boards would take half a second of the calls' time. So all look at the same moments, when the clock
has counted on by a whole second (or what they have chosen instead).

Streams end by themselves: after their time, with the service, and soon after their token. A reader who reads nothing
is left after that time, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, cast

from starlette.responses import Response

from dialog_acd.api.problems import NoSuchQueue, StreamsTaken, TooManyStreams
from dialog_acd.api.schemas import AgentOut, GoneOut, LiveCallOut, LiveChangeOut, LiveOut, QueueOut, SwitchOut
from dialog_acd.api.sight import part

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live
    from dialog_acd.api.schemas import Names
    from dialog_acd.core.view import AcdView, QueueView

MOST_STREAMS = 64
MOST_OF_A_TOKEN = 8
KEEP_ALIVE = 15.0
"""Seconds without a word, after which proxies take a connection for dead (WHATWG HTML, 9.2.7)."""
RETRY_AFTER = 2000
"""Milliseconds a browser waits before it connects again."""
SOONEST = 1.0
"""Seconds between two looks whether a queue is switched back."""
LEFT_AFTER = 0.5
"""Seconds a reader who does not read is given at the end."""


class Feed:
    """Who listens, and the picture they share."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._listeners: dict[Listener, str] = {}
        self._unwatch: Callable[[], None] | None = None
        self._view: AcdView | None = None
        self._parts: dict[tuple[str | None, str | None], AcdView] = {}
        self._told: dict[tuple[int, int, Names], _Telling] = {}
        self._closed = False

    @property
    def listening(self) -> int:
        return len(self._listeners)

    def listen(self, by: Principal) -> Listener:
        """Take a place; ``Listener.leave`` gives it back. Raises ``TooManyStreams``, ``StreamsTaken``."""
        if Counter(self._listeners.values())[by.token] >= MOST_OF_A_TOKEN:
            raise TooManyStreams(at_most=MOST_OF_A_TOKEN)
        if self._closed or len(self._listeners) >= MOST_STREAMS:
            raise StreamsTaken(at_most=MOST_STREAMS)
        listener = Listener(self)
        self._listeners[listener] = by.token
        if self._unwatch is None:
            self._unwatch = self._live.watch(self._stir)
        return listener

    def forget(self, listener: Listener) -> None:
        self._listeners.pop(listener, None)
        if not self._listeners and self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
            self._see(None)

    def close(self) -> None:
        """The service stops."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    def view(self, tenant: str | None, queue: str | None, *, anew: bool) -> AcdView:
        """A part of the picture, made once for all who look at it after a change; ``anew``: also without one.

        Raises ``NoSuchQueue``.
        """
        if anew or self._view is None:
            self._see(self._live.view())
        if (found := self._parts.get((tenant, queue))) is None:
            found = part(cast("AcdView", self._view), self._live.directory(), tenant, queue)
            self._parts[tenant, queue] = found
        return found

    async def told(self, before: AcdView | None, now: AcdView, names: Names) -> str | None:
        """What somebody has to be told who was shown ``before`` (or nothing), as JSON; ``None``: nothing."""
        key = id(before), id(now), names
        if key not in self._told:
            words = asyncio.ensure_future(asyncio.to_thread(_tell, before, now, names))
            self._told[key] = _Telling(before, now, words)
        # Who leaves meanwhile must not take it from the others.
        return await asyncio.shield(self._told[key].words)

    def _see(self, view: AcdView | None) -> None:
        self._view = view
        self._parts, self._told = {}, {}

    def _stir(self) -> None:
        self._view = None
        for listener in self._listeners:
            listener.stir()


class _Telling(NamedTuple):
    """What is being worked out, and of what: as long as it stands here, no other picture has the same ``id``."""

    before: AcdView | None
    now: AcdView
    words: asyncio.Future[str | None]


class Listener:
    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._stirred = asyncio.Event()
        self._over = asyncio.Event()

    def stir(self) -> None:
        self._stirred.set()

    def end(self) -> None:
        self._over.set()
        self._stirred.set()

    def leave(self) -> None:
        self.feed.forget(self)

    @property
    def over(self) -> bool:
        return self._over.is_set()

    async def until_stirred(self, within: float) -> bool:
        """Say whether something may have changed within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._stirred.wait()
        except TimeoutError:
            return False
        self._stirred.clear()
        return True

    async def until_over(self, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._over.wait()


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to hear, and for how long."""

    tenant: str | None
    queue: str | None
    names: Names
    still: Callable[[], Awaitable[bool]]
    """Whether they still may."""
    seconds: float
    events: int | None
    per_second: float


class EventStream(Response):
    """The answer that goes on."""

    media_type = "text/event-stream"

    def __init__(self, listener: Listener, wish: Wish) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"  # nginx would keep events back until it has a page of them
        self._listener, self._wish, self._number = listener, wish, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        writing = asyncio.create_task(self._write(send), name="stream")
        # Whoever has left, or does not read: writing would wait for them.
        ends = [asyncio.create_task(_left(receive)), asyncio.create_task(self._overdue())]
        try:
            await asyncio.wait({writing, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            self._listener.leave()
            for task in (writing, *ends):
                task.cancel()
            await asyncio.gather(writing, *ends, return_exceptions=True)

    async def _overdue(self) -> None:
        await self._listener.until_over(self._wish.seconds)
        await asyncio.sleep(LEFT_AFTER)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._words()) as words:
            async for word in words:
                await send({"type": "http.response.body", "body": word, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _words(self) -> AsyncGenerator[bytes]:
        """Everything that is sent, each when the one before has gone out."""
        wish, listener, clock = self._wish, self._listener, asyncio.get_running_loop().time
        ends_at, spoke_at, asked_at = clock() + wish.seconds, clock(), clock()
        shown: AcdView | None = None
        back: float | None = None
        look = anew = True
        why = ""
        yield f"retry: {RETRY_AFTER}\n\n".encode()
        while not why:
            if look:
                try:
                    view = listener.feed.view(wish.tenant, wish.queue, anew=anew)
                except NoSuchQueue as problem:  # a new directory, without that queue
                    why = problem.error_id
                    break
                told = await listener.feed.told(shown, view, wish.names)
                if told is not None:
                    yield self._event("change" if shown else "state", told)
                    shown, spoke_at = view, clock()
                if self._number == wish.events:
                    why = "events"
                    break
                back = _back_in(view)
                # What changes meanwhile is looked at together.
                every = 1 / wish.per_second
                await listener.until_over(min(every - clock() % every, ends_at - clock()))
            if clock() - spoke_at >= KEEP_ALIVE:
                yield b": still here\n\n"
                spoke_at = clock()
            if clock() - asked_at >= KEEP_ALIVE:
                asked_at = clock()
                why = "" if await wish.still() else "token"
            stirred = await listener.until_stirred(min(KEEP_ALIVE, ends_at - clock(), back or KEEP_ALIVE))
            look = stirred or back is not None
            anew = not stirred
            why = why or ("stopping" if listener.over else "seconds" if clock() >= ends_at else "")
        yield self._event("end", json.dumps({"why": why}))

    def _event(self, name: str, data: str) -> bytes:
        self._number += 1
        return f"id: {self._number}\nevent: {name}\ndata: {data}\n\n".encode()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _back_in(view: AcdView) -> float | None:
    """Seconds until something is switched back, by itself and without a signal; the view has it with the next beat."""
    ends = [switch.until for switch in view.switches]
    ends += [queue.switched_until for queue in view.queues if queue.switched_until is not None]
    return max(SOONEST, (min(ends) - view.at).total_seconds()) if ends else None


# ---------------------------------------------------------------- what has changed


def _tell(before: AcdView | None, now: AcdView, names: Names) -> str | None:
    told = LiveOut.of(now, names) if before is None else change(before, now, names)
    return None if told is None else told.model_dump_json()


def change(before: AcdView, now: AcdView, names: Names) -> LiveChangeOut | None:
    """What somebody has to be told who was shown ``before``; ``None``: nothing.

    That nothing is told counts, too: an event at the moment in which an agent of no name has done something would say
    so.
    """
    had_queues = {queue.id: _standing(queue, before.at, names) for queue in before.queues}
    had_agents = {agent.id: agent for agent in before.agents} if names.agents else {}
    had_calls = {call.id: call for call in names.of_calls(before.calls)}
    queues = [queue for queue in now.queues if had_queues.pop(queue.id, None) != _standing(queue, now.at, names)]
    agents = [agent for agent in now.agents if had_agents.pop(agent.id, None) != agent] if names.agents else []
    calls = [call for call in names.of_calls(now.calls) if had_calls.pop(call.id, None) != call]
    counted = names.by_state(now.agents)
    other = (before.switch_up, before.switches) != (now.switch_up, now.switches)
    other = other or counted != names.by_state(before.agents)
    if not (other or queues or agents or calls or had_queues or had_agents or had_calls):
        return None
    return LiveChangeOut(
        at=now.at,
        switch_up=now.switch_up,
        queues=[QueueOut.of(queue, names) for queue in queues],
        agents_by_state=counted,
        agents=[AgentOut.of(agent) for agent in agents],
        calls=[LiveCallOut.of(call, now.at) for call in calls],
        switches=[SwitchOut.of(switch) for switch in now.switches],
        gone=GoneOut(queues=list(had_queues), agents=list(had_agents), calls=list(had_calls)),
    )


def _standing(queue: QueueView, at: datetime, names: Names) -> tuple[QueueView, datetime | None]:
    """A queue without what goes on by itself, since when somebody waits instead of how long; and without what is not
    told.
    """
    if not names.agents:
        queue = replace(queue, talking=0, agents_able=0, agents_available=0)
    return replace(queue, longest_wait=timedelta()), at - queue.longest_wait if queue.waiting else None
