"""For supervisors and Prometheus; no person's token, and nothing about anybody's call.

*Live* means that the engine's loop turns: restart the service when it does not. *Ready* means that calls can be
taken: do not restart for that, a restart brings no database back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from dialog_acd.api.access import scraper
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import EngineSilent, MetricsForThisMachine, NotAuthenticated, NotReady, fails
from dialog_acd.api.schemas import DependencyOut, LivenessOut, ReadinessOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

ANSWER_WITHIN = 2.0
"""Seconds; a supervisor's own patience is usually longer."""

# The text format every Prometheus reads; newer content types depend on what the scraper says it accepts.
_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["health"])


@router.get("/health/live", name="live", summary="Does the engine turn?", responses=fails(EngineSilent))
async def alive(wiring: Wired) -> LivenessOut:
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            turning = await wiring.live.turning()
    except TimeoutError:
        turning = False
    if not turning:
        raise EngineSilent
    return LivenessOut(alive=True)


@router.get("/health/ready", summary="Can calls be taken?", responses=fails(NotReady))
async def ready(wiring: Wired) -> ReadinessOut:
    found = {name: _look(check) for name, check in wiring.readiness.items()}
    if not all(dependency.ok for dependency in found.values()):
        raise NotReady(dependencies={name: dependency.model_dump() for name, dependency in found.items()})
    return ReadinessOut(ready=True, dependencies=found)


def _look(check: Callable[[], tuple[bool, str]]) -> DependencyOut:
    try:
        ok, detail = check()
    except Exception as fault:  # noqa: BLE001  one broken check must not hide the others
        return DependencyOut(ok=False, detail=f"the check itself failed: {type(fault).__name__}")
    return DependencyOut(ok=ok, detail=detail)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    description="For this machine alone; or, where the operator has set a token for it, for whoever shows that one.",
    dependencies=[Depends(scraper)],
    response_class=Response,
    responses={
        **fails(NotAuthenticated, MetricsForThisMachine),
        200: {
            "description": "Prometheus' text format, version 0.0.4.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "acd_ami_link_up 1.0\n"}},
        },
    },
)
async def metrics(wiring: Wired) -> Response:
    return StreamingResponse(_written(wiring.metrics_registry), media_type=_PROMETHEUS_TEXT)


async def _written(registry: CollectorRegistry) -> AsyncIterator[bytes]:
    """On the loop, in small pieces with everybody's turn in between, and each sent before the next is made.

    A thread would not do: it shares the interpreter with the loop, and hands it back five milliseconds after it is
    asked to.
    """
    for family in registry.collect():
        if isinstance(family, InPieces):
            for piece in family.pieces():
                yield piece.encode()
                await asyncio.sleep(0)
        else:
            yield generate_latest(_One(family))
            await asyncio.sleep(0)


@runtime_checkable
class InPieces(Protocol):
    """A family that is too large to be written at once."""

    def pieces(self) -> Iterator[str]:
        """Its lines and those above them, some of them at a time; each takes about a millisecond."""
        ...


@dataclass(frozen=True, slots=True)
class _One(Collector):
    """A family in the form the library's writer wants to be given it."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.family,)
