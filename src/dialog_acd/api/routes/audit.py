"""Who did what, and who was refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from dialog_acd.api.access import Inspector  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.schemas import AuditLineOut, AuditOut

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", summary="Changes and refused attempts, the latest first")
async def lines(
    wiring: Wired,
    by: Inspector,
    limit: Annotated[int, Query(ge=1, le=200, description="Lines in a page.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="'next' of the page before; absent: the newest.")
    ] = None,
) -> AuditOut:
    # One more than wanted tells whether there is a next page, without counting the table.
    found = await wiring.audit.page(limit + 1, before, by.tenant)
    page = found[:limit]
    return AuditOut(lines=[AuditLineOut.of(line) for line in page], next=page[-1].id if len(found) > limit else None)
