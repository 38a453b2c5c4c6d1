"""Going live: what is missing for a town, and the day it begins."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Query, Response

from dialog_acd.api.access import Operator, Reader  # noqa: TC001  read at run time
from dialog_acd.api.asking import Day  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    DayRefused,
    DirectoryBusy,
    DirectoryRefused,
    DirectoryUnreadable,
    NoSuchTenant,
    NotReadyForCitizens,
    directory_told,
    fails,
)
from dialog_acd.api.schemas import GateOut, GoLiveIn, GoLiveOut
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.model import TenantId

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/tenants/{tenant}", tags=["tenants"], responses=fails(NoSuchTenant))
_AWAY = DirectoryBusy, DirectoryUnreadable
_Tenant = Annotated[str, Path(max_length=100, description="Id of the town.", examples=["langenhagen"])]


@router.get("/gate", summary="What is missing before a town goes live", responses=fails(DirectoryUnreadable))
async def gate(
    wiring: Wired,
    by: Reader,
    tenant: _Tenant,
    on: Annotated[
        Day | None,
        Query(description="The day it would go live; absent: as planned, or else today.", examples=["2022-03-01"]),
    ] = None,
) -> GateOut:
    # Also for who has a token of a town that is no more: which others there are is in the problem's words.
    if by.tenant not in (None, tenant) or (by.tenant is not None and by.tenant not in wiring.live.directory().tenant):
        raise NoSuchTenant(tenant=tenant)
    with directory_told():
        home = None if by.tenant is None else TenantId(by.tenant)
        verdict = await wiring.directories.gate(TenantId(tenant), on, home)
    return GateOut.of(verdict)


@router.post(
    "/go-live",
    summary="Let a town go live on a day, or move that day",
    responses=fails(NotReadyForCitizens, DayRefused, DirectoryRefused, *_AWAY),
)
async def go_live(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired, by: Operator, noted: Noted, response: Response, tenant: _Tenant, body: GoLiveIn
) -> GoLiveOut:
    noted.concerns(tenant)
    noted.details["on"] = body.on.isoformat()
    waivers = [(waiver.finding, waiver.by, waiver.why) for waiver in body.waivers]
    if waivers:
        noted.details["waivers"] = [finding for finding, *_ in waivers][:20]
    with directory_told():
        verdict, changed = await wiring.directories.go_live(TenantId(tenant), body.on, waivers, by.name, body.why)
    if changed is None:
        raise NotReadyForCitizens(
            f"What is missing: {len(verdict.missing)}. Close the gaps, or answer for them by name (waivers).",
            findings=[{"id": finding.id, "what": finding.what} for finding in verdict.missing],
        )
    noted.details["version"] = changed.version
    log.info("api.town-goes-live", by=by.name, role=by.role, tenant=tenant, on=body.on.isoformat())
    response.headers["ETag"] = f'"{changed.version}"'
    return GoLiveOut(
        version=changed.version, differences=list(changed.differences), on=body.on, gate=GateOut.of(verdict)
    )


@router.delete(
    "/go-live",
    summary="Put off going live: no day is known any more",
    responses=fails(DayRefused, DirectoryRefused, *_AWAY),
)
async def put_off(wiring: Wired, by: Operator, noted: Noted, tenant: _Tenant) -> GateOut:
    noted.concerns(tenant)
    with directory_told():
        verdict, changed = await wiring.directories.put_off(TenantId(tenant), by.name)
    noted.details["version"] = changed.version
    log.info("api.town-put-off", by=by.name, role=by.role, tenant=tenant)
    return GateOut.of(verdict)
