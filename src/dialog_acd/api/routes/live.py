"""The centre at this moment."""

from __future__ import annotations

from fastapi import APIRouter

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.schemas import LiveOut, QueuesOut

router = APIRouter(tags=["live"])


@router.get("/live", summary="The whole picture")
async def whole_picture(wiring: Wired, _: Authorised) -> LiveOut:
    return LiveOut.of(wiring.live.view())


@router.get("/queues", summary="Queues at this moment")
async def queues(wiring: Wired, _: Authorised) -> QueuesOut:
    return QueuesOut.of(wiring.live.view())
