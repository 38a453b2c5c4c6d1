"""Calls: records of finished ones, and what people say of a call, living or finished: its town, and that it was a test.

The core decides what may be said, of living calls and of ended ones. It remembers only the last that ended; of an older
call the record is looked up and told with the signal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Path, Query

from dialog_acd.api.access import Commander, Namer, Reader  # noqa: TC001  read at run time
from dialog_acd.api.asking import PRINTABLE, Limit, Name, Since, To
from dialog_acd.api.ports import Wired, Wiring  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    EngineSilent,
    MarkRefused,
    NoSuchCall,
    NoSuchTenant,
    NoSuchTown,
    NotReleased,
    TownRefused,
    fails,
)
from dialog_acd.api.schemas import (
    CallOut,
    CallSoFarOut,
    CallsOut,
    DecisionsOut,
    EndedCallOut,
    TestOut,
    TownIn,
    TownOut,
)
from dialog_acd.api.sight import named_to, nameless_story, names_for
from dialog_acd.api.story import decisions, timeline
from dialog_acd.api.telling import ANSWER_WITHIN, ask, refusal
from dialog_acd.api.tokens import Role
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.messages import CallAssigned, CallMarked, NamingFault, TownNamed
from dialog_acd.core.model import UNASSIGNED, CallId, TenantId
from dialog_acd.core.records import CallRecord, Result
from dialog_acd.core.releases import NAMED_FOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.witness import Attempt
    from dialog_acd.core.messages import Notice, Order
    from dialog_acd.core.view import CallStory

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/calls", tags=["calls"], responses=fails(NoSuchCall))
commands = APIRouter(prefix="/calls/{call}", tags=["calls"], responses=fails(NoSuchCall, EngineSilent))
_Id = Annotated[
    str, Path(max_length=150, pattern=PRINTABLE, description="Id of the call.", examples=["acd1-1767225600.17"])
]
_REFUSED = {
    NamingFault.NOT_A_CANDIDATE: "it is none of the towns that share the number the call came by",
    NamingFault.TOO_LATE: "the call ended more than a day ago",
}


@router.get(
    "",
    responses=fails(NoSuchCall, NoSuchTenant, NotReleased),
    summary="Finished calls, the latest to come in first; for one town its own",
)
async def recent(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    noted: Noted,
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
    tenant: Annotated[
        Name,
        Query(
            description="Only calls for this town; `unassigned`: of which nobody has said for which.",
            examples=["unassigned"],
        ),
    ] = None,
    queue: Annotated[Name, Query(description="Only calls of this queue.", examples=["langenhagen"])] = None,
    partner: Annotated[
        Name,
        Query(
            description="Only calls for which this partner was last asked; with `result=overflowed` those it answered.",
            examples=["oldenburg"],
        ),
    ] = None,
    agent: Annotated[
        Name,
        Query(
            description="Only calls this agent answered: to the management, where a release is about the agent and all "
            "months from `from` to `to`.",
            examples=["anna"],
        ),
    ] = None,
    since: Since = None,
    to: To = None,
) -> CallsOut:
    if by.tenant is not None and tenant not in (None, by.tenant):
        raise NoSuchTenant(tenant=tenant)
    named = await named_to(wiring, by)
    if agent is not None and (why := named.why_not_all(agent, since, to)) is not None:
        raise NotReleased(why=why, agent=agent)
    mark = None
    if before is not None:
        last = await _find(wiring, by, before)  # an unknown mark must not look like the end of the list
        mark = (last.t_in, last.call)
    # One more than wanted tells whether there is a next page, without counting the table.
    found = await wiring.records.recent(
        limit + 1, mark, result, by.tenant or tenant, queue=queue, partner=partner, agent=agent, since=since, to=to
    )
    page = found[:limit]
    told = [named.tell(record) for record in page]
    if agent is not None or any(somebody for _, somebody in told):
        noted.told = True
        noted.details |= {"agent": agent, "calls": len(page)}
    return CallsOut(
        calls=[CallOut.of(record) for record, _ in told], next=page[-1].call if len(found) > limit else None
    )


@router.get("/{call}", summary="One call, finished or not, with what happened to it; another town's is not found")
async def one(wiring: Wired, by: Reader, noted: Noted, call: _Id) -> EndedCallOut | CallSoFarOut:
    found = await _told(wiring, by, noted, call)
    if isinstance(found, CallRecord):
        return EndedCallOut.told(found, timeline(found))
    return CallSoFarOut.told(found, timeline(found), wiring.now())


@router.get(
    "/{call}/decisions", name="decisions", summary="Why this and nothing else was done for one call, finished or not"
)
async def why(wiring: Wired, by: Reader, noted: Noted, call: _Id) -> DecisionsOut:
    return DecisionsOut(call=call, decisions=decisions(await _told(wiring, by, noted, call)))


async def _told(wiring: Wiring, by: Principal, noted: Attempt, call: str) -> CallRecord | CallStory:
    """A call that has not ended is asked for first: it is in memory. Raises ``NoSuchCall``."""
    story = wiring.live.story(CallId(call))
    if story is not None and by.tenant in (None, story.now.tenant):
        names = names_for(by)
        wiring.watchers.note(by, noted.action, names)
        return story if names.agents else nameless_story(story)
    record = await _find(wiring, by, call)
    named = await named_to(wiring, by)
    shown, noted.told = named.tell(record)
    # By a rehearsal's clock a call of last month is one of today.
    if by.role is Role.OPERATOR and not wiring.rehearsal and wiring.now() - record.t_in < NAMED_FOR:
        # Somebody answers a complaint with it.
        whole, _ = named.tell(record, all_of_them=True)
        if whole != shown and await wiring.complaints.take(by, record.call):
            shown, noted.told = whole, True
    if noted.told:
        noted.concerns(None if record.tenant == UNASSIGNED else record.tenant)
    return shown


@commands.put(
    "/town",
    summary="Say for which town a call is or was, while it lives and for a day after it",
    responses=fails(TownRefused, NoSuchTown),
)
async def name_town(wiring: Wired, by: Namer, noted: Noted, call: _Id, body: TownIn) -> TownOut:
    tenant = UNASSIGNED if body.tenant is None else TenantId(body.tenant)
    if body.tenant == UNASSIGNED:
        raise NoSuchTown(tenant=tenant)  # the one way to say that is null
    if tenant in wiring.live.directory().tenant:
        noted.concerns(tenant)
        noted.details["tenant"] = tenant
    signal = TownNamed(CallId(call), tenant, by.name, anywhere=by.role is Role.OPERATOR)
    answer = await _say(wiring, signal)
    match refusal(signal, answer):
        case None:
            pass
        case NamingFault.NO_CALL:
            raise NoSuchCall(f"There is no call {call!r}.", call=call)
        case NamingFault.NO_TOWN:
            raise NoSuchTown(tenant=tenant)
        case why:
            raise TownRefused(
                f"Not this town: {_REFUSED.get(NamingFault(why), why)}.", call=call, tenant=tenant, why=why
            )
    moved = next((part for part in answer if isinstance(part, CallAssigned)), None)
    if moved is not None:
        noted.details |= {"before": moved.before, "tenant": moved.tenant}
        # Taken from one town and given to another, it concerns both, and neither reads of the other.
        towns = {moved.before, moved.tenant} - {UNASSIGNED}
        noted.concerns(towns.pop() if len(towns) == 1 else None)
    log.info("api.town-named", by=by.name, role=by.role, call=call, tenant=tenant, moved=moved is not None)
    return TownOut(call=call, tenant=tenant)


@commands.put(
    "/test",
    summary="Mark a call as a test call, while it lives and for a day after it: it is in no figure from then on",
    responses=fails(MarkRefused),
)
async def mark_test(wiring: Wired, by: Commander, noted: Noted, call: _Id) -> TestOut:
    return await _mark(wiring, by, noted, call, test=True)


@commands.delete("/test", summary="Take the mark of a test call back, as long", responses=fails(MarkRefused))
async def unmark_test(wiring: Wired, by: Commander, noted: Noted, call: _Id) -> TestOut:
    return await _mark(wiring, by, noted, call, test=False)


async def _mark(wiring: Wiring, by: Principal, noted: Attempt, call: str, *, test: bool) -> TestOut:
    signal = CallMarked(CallId(call), test, by.name)
    match refusal(signal, await _say(wiring, signal)):
        case None:
            pass
        case NamingFault.TOO_LATE:
            raise MarkRefused(f"Not marked: {_REFUSED[NamingFault.TOO_LATE]}.", call=call)
        case _:
            raise NoSuchCall(f"There is no call {call!r}.", call=call)
    noted.details["test"] = test
    log.info("api.call-marked", by=by.name, role=by.role, call=call, test=test)
    return TestOut(call=call, test=test)


async def _say(wiring: Wiring, signal: TownNamed | CallMarked) -> Sequence[Order | Notice]:
    """Tell the core, and where it does not know the call (any more), tell it again with the call's record."""
    answer = await ask(wiring.live, signal, ANSWER_WITHIN, call=signal.call)
    if refusal(signal, answer) == NamingFault.NO_CALL:
        record = await wiring.records.by_call(signal.call)
        if record is not None:
            answer = await ask(wiring.live, replace(signal, record=record), ANSWER_WITHIN, call=signal.call)
    return answer


async def _find(wiring: Wiring, by: Principal, call: str) -> CallRecord:
    """Raises ``NoSuchCall``, also for another town's: that there is such a call is nobody else's business."""
    record = await wiring.records.by_call(CallId(call))
    if record is None or by.tenant not in (None, record.tenant):
        raise NoSuchCall(call=call)
    return record
