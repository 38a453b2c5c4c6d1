"""Shares of cost: a month's statement, for all towns or one, and that it goes out.

A town reads its own line and nothing of the others; neither their totals, nor the centre's, from which with few towns
another's could be reckoned.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from dialog_acd.api.access import Inspector, Operator  # noqa: TC001  read at run time
from dialog_acd.api.asking import Name  # noqa: TC001  read at run time
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    CallsMissing,
    DirectoryUnreadable,
    IssuedMeanwhile,
    MonthNotBegun,
    MonthNotOver,
    NoSuchTenant,
    NoSuchVersion,
    NotIssued,
    UsageWithoutPrice,
    fails,
)
from dialog_acd.api.schemas import StatementOut
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.shares import Month, list_csv, positions_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

router = APIRouter(
    prefix="/statements/{month}",
    tags=["statements"],
    responses=fails(MonthNotBegun, NoSuchVersion, DirectoryUnreadable),
)
_Month = Annotated[
    str,
    Path(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        description="A month of the calendar in Berlin, in the years 2000 to 2099.",
        examples=["2026-03"],
    ),
]
_Version = Annotated[
    int | None,
    Query(
        ge=1,
        le=2**31 - 1,
        description="Version of the directory that the prices shall be from; absent: the one in force when the month "
        "ended. For a price that was corrected afterwards.",
        examples=[17],
    ),
]


class Form(StrEnum):
    """How the statement is told."""

    JSON = "json"
    CSV = "csv"
    POSITIONS = "positions-csv"


@router.get(
    "",
    name="one",
    summary="What each town used and pays, as it was issued last, or as it would be now; for one town its own line",
    response_model=StatementOut,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}, "example": "Monat;Kennung;Kommune"}},
            "description": "The statement; as CSV in UTF-8 with a byte order mark, semicolons and decimal commas.",
        },
        **fails(MonthNotBegun, NoSuchVersion, NotIssued, NoSuchTenant),
    },
)
async def statement(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Inspector,
    month: _Month,
    tenant: Annotated[Name, Query(description="Only this town's line.", examples=["baden-baden"])] = None,
    form: Annotated[
        Form,
        Query(
            alias="format",
            description="`csv`: a line for each town, in a draft with the amount that was issued last; "
            "`positions-csv`: a line for each price of each town.",
            examples=["csv"],
        ),
    ] = Form.JSON,
    number: Annotated[
        int | None,
        Query(
            ge=1,
            le=2**31 - 1,
            description="The statement issued under this number; absent: the last one, if any was issued.",
            examples=[1],
        ),
    ] = None,
    draft: Annotated[
        bool,
        Query(description="As it would be now, also where one was issued; and where it differs.", examples=[True]),
    ] = False,
    version: _Version = None,
) -> StatementOut | Response:
    town = by.tenant or tenant
    if by.tenant not in (None, town) or (tenant is not None and tenant != town):
        raise NoSuchTenant(tenant=tenant)
    with _told():
        found = await wiring.statements.settled(Month.read(month), version=version, draft=draft, number=number)
    if town is not None:
        found = found.of_town(town)
    told = found.statement
    if town is not None and not told.shares and town not in wiring.live.directory().tenant:
        raise NoSuchTenant(tenant=town)
    if form is Form.JSON:
        return StatementOut.of(found, town)
    before = found.before.statement if found.before is not None else None
    text = list_csv(told, before) if form is Form.CSV else positions_csv(told)
    name = f"{month}{'' if town is None else '-' + town}{'' if form is Form.CSV else '-positions'}.csv"
    headers = {"Content-Disposition": f'attachment; filename="statement-{name}"'}
    return Response(text, media_type="text/csv", headers=headers)


@router.post(
    "/issue",
    summary="Issue the statement: it is kept as it is now, and is what is told from now on",
    responses=fails(MonthNotBegun, NoSuchVersion, MonthNotOver, CallsMissing, UsageWithoutPrice, IssuedMeanwhile),
)
async def issue(wiring: Wired, by: Operator, noted: Noted, month: _Month, version: _Version = None) -> StatementOut:
    with _told():
        made = await wiring.statements.issue(Month.read(month), by.name, version=version)
    if made.issue is not None:
        noted.details |= {"number": made.issue.number, "version": made.statement.version}
    return StatementOut.of(made)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is refused about a statement, as the API says it."""
    try:
        yield
    except DialogAcdError as problem:
        for kind in (
            *(MonthNotBegun, NotIssued, MonthNotOver, CallsMissing, UsageWithoutPrice),
            *(IssuedMeanwhile, NoSuchVersion, DirectoryUnreadable),
        ):
            if problem.error_id == kind.error_id:
                raise kind(str(problem)) from problem
        if problem.error_id == "directory-empty":
            raise NoSuchVersion(str(problem)) from problem
        raise
