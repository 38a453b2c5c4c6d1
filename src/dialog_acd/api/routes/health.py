"""For supervisors and Prometheus; no person's token, and nothing about anybody's call.

*Live* means that the engine's loop turns: restart the service when it does not. *Ready* means that calls can be
taken: do not restart for that, a restart brings no database back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Response
from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from dialog_acd.api.access import scraper
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import EngineSilent, MetricsForThisMachine, NotAuthenticated, NotReady, fails
from dialog_acd.api.schemas import DependencyOut, LivenessOut, ReadinessOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
    # The samples are taken on the loop, where nobody changes them meanwhile; writing them out is two thirds of
    # the work and needs nothing of ours, so it does not stand in the way of a call.
    taken = _Taken(tuple(wiring.metrics_registry.collect()))
    return Response(await asyncio.to_thread(generate_latest, taken), media_type=_PROMETHEUS_TEXT)


@dataclass(frozen=True, slots=True)
class _Taken(Collector):
    """Samples already taken, in the form the writer wants to be given them."""

    families: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        return self.families
