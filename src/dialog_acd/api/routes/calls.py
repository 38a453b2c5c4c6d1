"""Records of finished calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from dialog_acd.api.ports import Authorised, Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchCall
from dialog_acd.api.schemas import CallOut, CallsOut, ProblemOut
from dialog_acd.core.model import CallId
from dialog_acd.core.records import Result  # noqa: TC001  read at run time

router = APIRouter(prefix="/calls", tags=["calls"], responses={404: {"model": ProblemOut}})


@router.get("", summary="Finished calls, the latest to come in first")
async def recent(
    wiring: Wired,
    _: Authorised,
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
        last = await wiring.records.by_call(CallId(before))
        if last is None:
            raise NoSuchCall(call=before)  # an unknown mark must not look like the end of the list
        mark = (last.t_in, last.call)
    # One more than wanted tells whether there is a next page, without counting the table.
    found = await wiring.records.recent(limit + 1, mark, result)
    page = found[:limit]
    return CallsOut(calls=[CallOut.of(record) for record in page], next=page[-1].call if len(found) > limit else None)


@router.get("/{call}", summary="One finished call")
async def one(
    wiring: Wired, _: Authorised, call: Annotated[str, Path(max_length=150, description="Id of the call.")]
) -> CallOut:
    record = await wiring.records.by_call(CallId(call))
    if record is None:
        raise NoSuchCall(call=call)
    return CallOut.of(record)
