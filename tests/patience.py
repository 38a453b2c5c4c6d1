"""How a test waits: for something that shows, never for a span of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Awaited:
    """Something that can be waited for: ``until`` looks again whenever ``moved`` is called."""

    def __init__(self) -> None:
        self._pulse = asyncio.Event()

    def moved(self) -> None:
        self._pulse.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(3):
            while not condition():
                self._pulse.clear()
                await self._pulse.wait()


class Tally(Awaited):
    """Counts how often it was asked; as dice (it always answers a half), how often something was tried."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0

    def count(self) -> float:
        self.counted += 1
        self.moved()
        return 0.5

    async def more(self, times: int) -> None:
        wanted = self.counted + times
        await self.until(lambda: self.counted >= wanted)


async def soon(condition: Callable[[], bool], *, within: float = 3, pause: float = 0) -> None:
    """Let the loop turn until it is so: for what nobody announces, a counter or a flag.

    A ``pause``, in seconds, leaves the processor to another thread or process that has to act first.
    """
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  what nobody announces cannot be awaited
            await asyncio.sleep(pause)
