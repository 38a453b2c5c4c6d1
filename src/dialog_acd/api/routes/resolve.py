"""What would happen to a call: the running service's directory questioned, with nobody disturbed.

A town may ask about its own numbers alone. Whatever else it asks about, another town's number, one that nobody owns,
110 or 115, is answered in the same words, so that nothing can be learnt by trying numbers: not who is a customer of
the centre, nor when the next town joins it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from dialog_acd.api.access import Reader  # noqa: TC001  read at run time
from dialog_acd.api.asking import PRINTABLE, plus, plus_in_time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchMoment, NoSuchTrunk, NotYourNumber, fails
from dialog_acd.api.schemas import ResolveOut
from dialog_acd.core import inquiry
from dialog_acd.core.model import TenantId

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.inquiry import Answer

router = APIRouter(prefix="/resolve", tags=["resolve"], responses=fails(NoSuchTrunk, NotYourNumber, NoSuchMoment))


@router.get(
    "",
    name="call",
    summary="Which town, entry and queue a call would come to, who may answer, and what if nobody does",
    response_model_exclude_unset=True,  # without `why` nobody is named, in the very words of the command line
)
async def resolve(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    called: Annotated[
        str,
        Query(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
            description="The number dialled, as the trunk or a person writes it.",
            examples=["0511 7307-0"],
        ),
    ],
    trunk: Annotated[
        str, Query(max_length=100, description="Name of the trunk it comes in on.", examples=["trunk"])
    ] = "trunk",
    caller: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=PRINTABLE,
            description="The caller's number: decides whether a callback can be offered. Absent: one that can be "
            "called back; empty or `anonymous`: one that cannot.",
            examples=["030 230125001"],
        ),
    ] = None,
    diversion: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=PRINTABLE,
            description="Who forwarded the call, where the trunk tells; decides nothing.",
            examples=["04105 55-0"],
        ),
    ] = None,
    at: Annotated[
        str | None,
        Query(
            max_length=40,
            description="When: ISO 8601, in Berlin if no zone is given, in the years 2000 to 2099. Absent: now.",
            examples=["2026-10-30T15:30"],
        ),
    ] = None,
    why: Annotated[
        bool, Query(description="Also say by name who could answer, and who could not for what.", examples=[False])
    ] = False,
) -> ResolveOut:
    directory = wiring.live.directory()
    try:
        moment = wiring.now() if at is None else inquiry.moment_of(str(plus_in_time(at)))
    except inquiry.NoSuchMoment as problem:
        raise NoSuchMoment(f"{problem}.", at=at) from problem
    try:
        inquiry.require_trunk(directory, trunk)
    except inquiry.NoSuchTrunk as problem:
        # Which trunks there are is in the problem's words: not for a town.
        raise NoSuchTrunk(f"{problem}." if by.tenant is None else None, trunk=trunk) from problem

    town = None if by.tenant is None else TenantId(by.tenant)

    def answer() -> ResolveOut:
        shown = _callable(directory, plus(caller), trunk, moment, town)
        found = inquiry.inquire(directory, plus(called) or "", trunk, moment, shown, diversion=plus(diversion))
        if town is not None:
            found = _for_town(directory, found, town)
        return ResolveOut.model_validate(inquiry.plainly(found, why=why, home=town))

    # With `why` there is a sentence for each of thousands of agents and each step: calls must not wait for that.
    return await asyncio.to_thread(answer) if why else answer()


def _for_town(directory: Directory, answer: Answer, town: TenantId) -> Answer:
    """The answer without other towns in it. Raises ``NotYourNumber``."""
    found, by = answer.found, answer.diversion
    dormant = found.dormant if found.dormant is not None and found.dormant.tenant == town else None
    if town not in (found.entry.candidates or (found.entry.tenant,)) if found.known else dormant is None:
        raise NotYourNumber(called=answer.called)
    if by is not None and by.entry.tenant != town:
        by = replace(by, entry=directory.catch_all)
    return replace(answer, found=replace(found, dormant=dormant), diversion=by)


def _callable(directory: Directory, caller: str | None, trunk: str, at: datetime, town: TenantId | None) -> str | None:
    """A caller with a number of ours cannot be called back; that it is another town's would be told by that."""
    if caller is None or town is None:
        return caller
    found = directory.entry_for(caller, trunk, at=at)
    return None if found.known and found.entry.tenant != town else caller
