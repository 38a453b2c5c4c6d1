"""Records of finished calls; and one call told in order, finished or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from dialog_acd.api.access import Reader  # noqa: TC001  read at run time
from dialog_acd.api.asking import PRINTABLE, Limit, Name, Since, To
from dialog_acd.api.ports import Wired, Wiring  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchCall, NoSuchTenant, fails
from dialog_acd.api.schemas import CallOut, CallSoFarOut, CallsOut, DecisionsOut, EndedCallOut
from dialog_acd.api.story import decisions, timeline
from dialog_acd.core.model import CallId
from dialog_acd.core.records import CallRecord, Result

if TYPE_CHECKING:
    from dialog_acd.api.keys import Principal
    from dialog_acd.core.view import CallStory

router = APIRouter(prefix="/calls", tags=["calls"], responses=fails(NoSuchCall))

_Id = Annotated[
    str, Path(max_length=150, pattern=PRINTABLE, description="Id of the call.", examples=["acd1-1767225600.17"])
]


@router.get(
    "",
    responses=fails(NoSuchCall, NoSuchTenant),
    summary="Finished calls, the latest to come in first; for one town its own",
)
async def recent(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    limit: Limit = 50,
    before: Annotated[
        str | None,
        Query(
            max_length=150,
            pattern=PRINTABLE,
            description="`next` of the page before; absent: the newest.",
            examples=["acd1-1767225600.17"],
        ),
    ] = None,
    result: Annotated[
        Result | None,
        Query(
            description="Only calls that ended so; `callback`: who was promised to be called back.",
            examples=["callback"],
        ),
    ] = None,
    tenant: Annotated[Name, Query(description="Only calls to this town's numbers.", examples=["langenhagen"])] = None,
    queue: Annotated[Name, Query(description="Only calls of this queue.", examples=["langenhagen"])] = None,
    partner: Annotated[
        Name,
        Query(
            description="Only calls for which this partner was last asked; with `result=overflowed` those it answered.",
            examples=["oldenburg"],
        ),
    ] = None,
    agent: Annotated[Name, Query(description="Only calls this agent answered.", examples=["anna"])] = None,
    since: Since = None,
    to: To = None,
) -> CallsOut:
    if by.tenant is not None and tenant not in (None, by.tenant):
        raise NoSuchTenant(tenant=tenant)
    mark = None
    if before is not None:
        last = await _find(wiring, by, before)  # an unknown mark must not look like the end of the list
        mark = (last.t_in, last.call)
    # One more than wanted tells whether there is a next page, without counting the table.
    found = await wiring.records.recent(
        limit + 1, mark, result, by.tenant or tenant, queue=queue, partner=partner, agent=agent, since=since, to=to
    )
    page = found[:limit]
    return CallsOut(calls=[CallOut.of(record) for record in page], next=page[-1].call if len(found) > limit else None)


@router.get("/{call}", summary="One call, finished or not, with what happened to it; another town's is not found")
async def one(wiring: Wired, by: Reader, call: _Id) -> EndedCallOut | CallSoFarOut:
    found = await _told(wiring, by, call)
    if isinstance(found, CallRecord):
        return EndedCallOut.told(found, timeline(found))
    return CallSoFarOut.told(found, timeline(found), wiring.now())


@router.get(
    "/{call}/decisions", name="decisions", summary="Why this and nothing else was done for one call, finished or not"
)
async def why(wiring: Wired, by: Reader, call: _Id) -> DecisionsOut:
    return DecisionsOut(call=call, decisions=decisions(await _told(wiring, by, call)))


async def _told(wiring: Wiring, by: Principal, call: str) -> CallRecord | CallStory:
    """A call that has not ended is asked for first: it is in memory. Raises ``NoSuchCall``."""
    story = wiring.live.story(CallId(call))
    if story is not None and by.tenant in (None, story.now.tenant):
        return story
    return await _find(wiring, by, call)


async def _find(wiring: Wiring, by: Principal, call: str) -> CallRecord:
    """Raises ``NoSuchCall``, also for another town's: that there is such a call is nobody else's business."""
    record = await wiring.records.by_call(CallId(call))
    if record is None or by.tenant not in (None, record.tenant):
        raise NoSuchCall(call=call)
    return record
