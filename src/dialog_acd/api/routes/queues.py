"""Queues: how they are, and a supervisor's switch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import EngineSilent, NoSuchQueue, SwitchRefused
from dialog_acd.api.schemas import ProblemOut, QueueOut, QueuesOut, SwitchIn
from dialog_acd.core.messages import Ignored, QueueSwitched
from dialog_acd.core.model import QueueId

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.api.ports import Live, Principal
    from dialog_acd.core.view import QueueView

ANSWER_WITHIN = 3.0
"""Seconds, as for agents."""

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/queues", tags=["queues"])
commands = APIRouter(
    prefix="/queues/{queue}",
    tags=["queues"],
    responses={404: {"model": ProblemOut}, 409: {"model": ProblemOut}, 503: {"model": ProblemOut}},
)
_Id = Annotated[str, Path(max_length=100, description="Id of the queue.", examples=["langenhagen"])]


@router.get("", summary="Queues at this moment")
async def queues(wiring: Wired, _: Authorised) -> QueuesOut:
    return QueuesOut.of(wiring.live.view())


@commands.put("/switch", summary="Send the queue's calls over (rungs `switched`) until a moment")
async def switch_over(wiring: Wired, by: Authorised, queue: _Id, body: SwitchIn) -> QueueOut:
    return await _switch(wiring.live, by, queue, body.until)


@commands.delete("/switch", summary="Serve the queue's calls here again")
async def switch_back(wiring: Wired, by: Authorised, queue: _Id) -> QueueOut:
    return await _switch(wiring.live, by, queue, None)


def _find(live: Live, which: str) -> QueueView:
    for found in live.view().queues:
        if found.id == which:
            return found
    raise NoSuchQueue(queue=which)


async def _switch(live: Live, by: Principal, which: str, until: datetime | None) -> QueueOut:
    _find(live, which)
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            answer = await live.ask(QueueSwitched(QueueId(which), until, by.name))
    except TimeoutError:
        raise EngineSilent(queue=which) from None
    for part in answer:
        if isinstance(part, Ignored) and part.signal == QueueSwitched.__name__:
            raise SwitchRefused(f"Not possible for this queue: {part.why}.", queue=which, why=part.why)
    log.info("api.queue-switched", by=by.name, role=by.role, queue=which, until=until)
    return QueueOut.of(_find(live, which))
