"""The centre at this moment."""

from __future__ import annotations

from fastapi import APIRouter

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.schemas import LiveOut

router = APIRouter(tags=["live"])


@router.get("/live", summary="The whole picture")
async def whole_picture(wiring: Wired, _: Authorised) -> LiveOut:
    return LiveOut.of(wiring.live.view())
