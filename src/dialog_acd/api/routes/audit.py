"""Who did what, and who was refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from dialog_acd.api.access import Chronicler  # noqa: TC001  read at run time
from dialog_acd.api.asking import Limit, Name, Since, To  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import NoSuchLine, fails
from dialog_acd.api.schemas import AuditLineOut, AuditOut
from dialog_acd.api.tokens import LEADING, Role
from dialog_acd.core.errors import DialogAcdError

router = APIRouter(prefix="/audit", tags=["audit"], responses=fails(NoSuchLine))


OF_STAFF = (
    "releases.ask",
    "releases.agree",
    "releases.revoke",
    "policy.weaken",
    "policy.strengthen",
    "agents.figures",
    "calls.recent",
    "calls.one",
    "calls.decisions",
    "agents.watch",
    # Who may speak for the council, or for both sides.
    "tokens.create",
    "tokens.revoke",
)
"""What the staff council reads: what was released, who used it, who watched what agents do, and who was given which
token.
"""


@router.get(
    "",
    summary="Changes, refused attempts, and who was told of agents by name, the latest first; for the staff council "
    "what concerns releases, and who watched the live state",
)
async def lines(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Chronicler,
    limit: Limit = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=2**63 - 1, description="`next` of the page before; absent: the newest.", examples=[4711]),
    ] = None,
    who: Annotated[
        Name, Query(description="Only what was done with the token of this name.", examples=["leitstelle"])
    ] = None,
    action: Annotated[Name, Query(description="Only this action.", examples=["queues.switch-over"])] = None,
    since: Since = None,
    to: To = None,
) -> AuditOut:
    # One more than wanted tells whether there is a next page, without counting the table.
    try:
        found = await wiring.audit.page(
            limit + 1,
            before,
            by.tenant,
            who=who,
            action=action,
            since=since,
            to=to,
            among=OF_STAFF if by.role is Role.STAFF_COUNCIL else None,
        )
    except DialogAcdError as problem:
        if problem.error_id == NoSuchLine.error_id:
            raise NoSuchLine(line=before) from problem
        raise
    page = found[:limit]
    # Whoever reads when Anna was signed in, made ready and signed out, line by line, has her working day.
    named = by.role in LEADING or by.role is Role.STAFF_COUNCIL
    lines = [AuditLineOut.of(line, named=named) for line in page]
    return AuditOut(lines=lines, next=page[-1].id if len(found) > limit else None)
