"""Queues, as they are at this moment."""

from __future__ import annotations

from fastapi import APIRouter

from dialog_acd.api.access import Reader  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchTenant, fails
from dialog_acd.api.routes.live import OfTenant  # noqa: TC001  read at run time
from dialog_acd.api.schemas import QueuesOut
from dialog_acd.api.sight import names_for, sight

router = APIRouter(prefix="/queues", tags=["queues"])


@router.get(
    "",
    name="all",
    responses=fails(NoSuchTenant),
    summary="Queues at this moment; for one town those its numbers lead to",
)
async def queues(wiring: Wired, by: Reader, tenant: OfTenant = None) -> QueuesOut:
    return QueuesOut.of(sight(wiring.live, by, tenant), names_for(by, tenant))
