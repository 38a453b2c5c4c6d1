"""How a route tells the core something, and learns whether it meant anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dialog_acd.api.problems import EngineSilent
from dialog_acd.core.messages import Ignored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.api.ports import Live
    from dialog_acd.core.messages import Notice, Order, Signal

ANSWER_WITHIN = 3.0
"""Seconds the core may take to handle a signal; it needs microseconds unless something is very wrong."""


async def tell(live: Live, signal: Signal, within: float, **about: str) -> str | None:
    """Why the core ignored the signal; ``None``: it counts. Raises ``EngineSilent``, with what it is ``about``."""
    return refusal(signal, await ask(live, signal, within, **about))


async def ask(live: Live, signal: Signal, within: float, **about: str) -> Sequence[Order | Notice]:
    """All the core answered. Raises ``EngineSilent``, with what it is ``about``."""
    try:
        async with asyncio.timeout(within):
            return await live.ask(signal)
    except TimeoutError:
        raise EngineSilent(**about) from None


def refusal(signal: Signal, answer: Sequence[Order | Notice]) -> str | None:
    name = type(signal).__name__
    return next((part.why for part in answer if isinstance(part, Ignored) and part.signal == name), None)
