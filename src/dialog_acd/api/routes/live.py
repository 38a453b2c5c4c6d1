"""The centre at this moment."""

from __future__ import annotations

from fastapi import APIRouter

from dialog_acd.api.access import Onlooker  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.schemas import LiveOut
from dialog_acd.api.sight import sight

router = APIRouter(tags=["live"])


@router.get("/live", summary="The whole picture, or one town's part of it")
async def whole_picture(wiring: Wired, by: Onlooker) -> LiveOut:
    return LiveOut.of(sight(wiring.live, by))
