"""Queues: how they are, and a supervisor's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchQueue, SwitchRefused
from dialog_acd.api.schemas import ProblemOut, QueueOut, QueuesOut, SwitchIn
from dialog_acd.api.telling import ANSWER_WITHIN, tell
from dialog_acd.core.messages import QueueSwitched
from dialog_acd.core.model import QueueId

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.api.ports import Live, Principal
    from dialog_acd.core.view import QueueView

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
    refused = await tell(live, QueueSwitched(QueueId(which), until, by.name), ANSWER_WITHIN, queue=which)
    if refused is not None:
        raise SwitchRefused(f"Not possible for this queue: {refused}.", queue=which, why=refused)
    log.info("api.queue-switched", by=by.name, role=by.role, queue=which, until=until)
    return QueueOut.of(_find(live, which))
