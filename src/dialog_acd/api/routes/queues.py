"""Queues: how they are, and a supervisor's switch."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path

from dialog_acd.api.access import Commander, Reader  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import EngineSilent, NoSuchQueue, NoSuchTenant, SwitchRefused, fails
from dialog_acd.api.routes.live import OfTenant  # noqa: TC001  read at run time
from dialog_acd.api.schemas import QueueOut, QueuesOut, SwitchIn
from dialog_acd.api.sight import sight, town_of_queue
from dialog_acd.api.telling import ANSWER_WITHIN, tell
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.messages import QueueSwitched
from dialog_acd.core.model import QueueId

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live
    from dialog_acd.api.witness import Attempt
    from dialog_acd.core.view import QueueView

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/queues", tags=["queues"])
commands = APIRouter(
    prefix="/queues/{queue}",
    tags=["queues"],
    responses=fails(NoSuchQueue, SwitchRefused, EngineSilent),
)
_Id = Annotated[str, Path(max_length=100, description="Id of the queue.", examples=["langenhagen"])]


@router.get(
    "",
    name="all",
    responses=fails(NoSuchTenant),
    summary="Queues at this moment; for one town those its numbers lead to",
)
async def queues(wiring: Wired, by: Reader, tenant: OfTenant = None) -> QueuesOut:
    return QueuesOut.of(sight(wiring.live, by, tenant))


@commands.put("/switch", summary="Send the queue's calls over (rungs `switched`) until a moment")
async def switch_over(wiring: Wired, by: Commander, noted: Noted, queue: _Id, body: SwitchIn) -> QueueOut:
    return await _switch(wiring.live, by, noted, queue, body.until)


@commands.delete("/switch", summary="Serve the queue's calls here again")
async def switch_back(wiring: Wired, by: Commander, noted: Noted, queue: _Id) -> QueueOut:
    return await _switch(wiring.live, by, noted, queue, None)


def _find(live: Live, by: Principal, which: str) -> QueueView:
    for found in sight(live, by).queues:
        if found.id == which:
            return found
    raise NoSuchQueue(queue=which)


async def _switch(live: Live, by: Principal, noted: Attempt, which: str, until: datetime | None) -> QueueOut:
    noted.concerns(town_of_queue(live, which))
    if until is not None:
        noted.details["until"] = until.astimezone(UTC).isoformat()
    _find(live, by, which)
    refused = await tell(live, QueueSwitched(QueueId(which), until, by.name), ANSWER_WITHIN, queue=which)
    if refused is not None:
        raise SwitchRefused(f"Not possible for this queue: {refused}.", queue=which, why=refused)
    log.info("api.queue-switched", by=by.name, role=by.role, queue=which, until=until)
    return QueueOut.of(_find(live, by, which))
