"""Records of finished calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from dialog_acd.api.access import Reader  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired, Wiring  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchCall
from dialog_acd.api.schemas import CallOut, CallsOut, ProblemOut
from dialog_acd.core.model import CallId
from dialog_acd.core.records import Result  # noqa: TC001  read at run time

if TYPE_CHECKING:
    from dialog_acd.api.keys import Principal
    from dialog_acd.core.records import CallRecord

router = APIRouter(prefix="/calls", tags=["calls"], responses={404: {"model": ProblemOut}})


@router.get("", summary="Finished calls, the latest to come in first; for one town its own")
async def recent(
    wiring: Wired,
    by: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Records in a page.")] = 50,
    before: Annotated[
        str | None, Query(max_length=150, description="'next' of the page before; absent: the newest.")
    ] = None,
    result: Annotated[
        Result | None, Query(description="Only calls that ended so; `callback`: who was promised to be called back.")
    ] = None,
) -> CallsOut:
    mark = None
    if before is not None:
        last = await _find(wiring, by, before)  # an unknown mark must not look like the end of the list
        mark = (last.t_in, last.call)
    # One more than wanted tells whether there is a next page, without counting the table.
    found = await wiring.records.recent(limit + 1, mark, result, by.tenant)
    page = found[:limit]
    return CallsOut(calls=[CallOut.of(record) for record in page], next=page[-1].call if len(found) > limit else None)


@router.get("/{call}", summary="One finished call; another town's is not found")
async def one(
    wiring: Wired, by: Reader, call: Annotated[str, Path(max_length=150, description="Id of the call.")]
) -> CallOut:
    return CallOut.of(await _find(wiring, by, call))


async def _find(wiring: Wiring, by: Principal, call: str) -> CallRecord:
    """Raises ``NoSuchCall``, also for another town's: that there is such a call is nobody else's business."""
    record = await wiring.records.by_call(CallId(call))
    if record is None or by.tenant not in (None, record.tenant):
        raise NoSuchCall(call=call)
    return record
