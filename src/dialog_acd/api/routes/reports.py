"""Reports: figures of calls, the evaluation, the readiness for 115; as data, for a spreadsheet, or as a page.

A town reads what is its own: no figure of another town, and none of the centre as a whole, from which with few towns
another's could be reckoned.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from dialog_acd.api.access import Reader, Whole  # noqa: TC001  read at run time
from dialog_acd.api.asking import Day, Name
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import DirectoryUnreadable, NoDirectory, NoSuchTenant, RangeRefused, fails
from dialog_acd.api.schemas import ReportOut
from dialog_acd.api.sight import seen_by, sees_all_towns
from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Wiring

router = APIRouter(prefix="/reports", tags=["reports"], responses=fails(RangeRefused, NoDirectory, DirectoryUnreadable))


class Form(StrEnum):
    """How a report is told."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


_Form = Annotated[
    Form | None,
    Query(
        alias="format",
        description="`csv`: its tables, in UTF-8 with a byte order mark, semicolons and decimal commas; `html`: a page "
        "to be read or printed. Absent: as `Accept` says, else `json`.",
        examples=["csv"],
    ),
]
_Accept = Annotated[str, Header(alias="Accept", include_in_schema=False)]
_From = Annotated[
    Day | None,
    Query(alias="from", description="The first day, in Berlin; absent: that of last month.", examples=["2026-03-01"]),
]
_To = Annotated[
    Day | None,
    Query(description="The last day, in Berlin; absent: that of last month, or yesterday.", examples=["2026-03-31"]),
]
_Tenant = Annotated[Name, Query(description="About this town alone.", examples=["langenhagen"])]
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "Kommune;Angeboten"},
            "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>"},
        },
        "description": "The report.",
    }
}
_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


@router.get(
    "/calls",
    summary="Every figure of calls, in groups",
    response_model=ReportOut,
    responses={**_FORMS, **fails(NoSuchTenant)},
)
async def calls(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    since: _From = None,
    to: _To = None,
    tenant: _Tenant = None,
    groups: Annotated[
        str,
        Query(
            alias="by",
            max_length=100,
            pattern=r"^[a-z,\- ]*$",
            description="Up to three of town, entry, kind, queue, half-hour, day, month, year, clock, weekday, with "
            "commas between.",
            examples=["town,month"],
        ),
    ] = "town",
    form: _Form = None,
    accept: _Accept = "",
) -> Any:
    wanted = _wanted(form, accept)
    with _told():
        town = await _town(wiring, by, tenant, since, to)
        return _answer(await wiring.reports.calls(since, to, groups, town, wanted.value), wanted, "calls")


@router.get(
    "/evaluation",
    summary="The evaluation of the pilot: call figures, staffing, quality promise, service agreement, data basis",
    response_model=ReportOut,
    responses={**_FORMS, **fails(NoSuchTenant)},
)
async def evaluation(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Reader,
    since: _From = None,
    to: _To = None,
    tenant: _Tenant = None,
    form: _Form = None,
    accept: _Accept = "",
) -> Any:
    wanted = _wanted(form, accept)
    with _told():
        town = await _town(wiring, by, tenant, since, to)
        return _answer(await wiring.reports.evaluation(since, to, town, wanted.value), wanted, "evaluation")


@router.get(
    "/readiness",
    summary="Whether the centre keeps what the 115 network asks for, week by week",
    response_model=ReportOut,
    responses=_FORMS,
)
async def readiness(
    wiring: Wired,
    by: Whole,
    weeks: Annotated[int, Query(ge=1, le=104, description="The last whole weeks.", examples=[12])] = 12,
    form: _Form = None,
    accept: _Accept = "",
) -> Any:
    sees_all_towns(by)
    wanted = _wanted(form, accept)
    with _told():
        return _answer(await wiring.reports.readiness(weeks, wanted.value), wanted, "readiness")


async def _town(wiring: Wiring, by: Principal, tenant: str | None, since: date | None, to: date | None) -> str | None:
    """Whom the report is about. A town that was there when the range ended may be asked for when it has left."""
    try:
        return seen_by(by, tenant, wiring.live.directory())
    except NoSuchTenant:
        if by.tenant in (None, tenant) and tenant in await wiring.reports.towns(since, to):
            return tenant
        raise


_MEDIA = {Form.JSON: "application/json", Form.CSV: "text/csv", Form.HTML: "text/html"}


def _wanted(form: Form | None, accept: str) -> Form:
    """As is asked for by name, else the first of what is accepted that there is; who accepts none of it gets JSON."""
    if form is not None:
        return form
    liked: list[tuple[float, Form]] = []
    for words in accept[:_ACCEPT_AT_MOST].lower().split(","):
        media, *said = (word.strip() for word in words.split(";"))
        weight = next((q for word in said if (q := _weight(word)) is not None), 1.0)
        liked += [(weight, one) for one, called in _MEDIA.items() if called == media and weight > 0]
    return max(liked, key=lambda one: one[0])[1] if liked else Form.JSON


_ACCEPT_AT_MOST = 1000


def _weight(word: str) -> float | None:
    """``q=0.8``; what is no weight at all is none."""
    name, _, value = word.partition("=")
    with contextlib.suppress(ValueError):
        return float(value) if name.strip() == "q" else None
    return None


def _answer(text: str, form: Form, name: str) -> Response:
    headers = {"Vary": "Accept"}
    if form is Form.HTML:
        headers |= _PAGE
    if form is Form.CSV:
        headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return Response(text, media_type=_MEDIA[form], headers=headers)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is refused about a report, as the API says it."""
    try:
        yield
    except DialogAcdError as problem:
        for kind in (RangeRefused, NoDirectory, DirectoryUnreadable):
            if problem.error_id == kind.error_id:
                raise kind(str(problem)) from problem
        if problem.error_id == "directory-file-invalid":  # an old version, by rules of today
            raise DirectoryUnreadable(str(problem)) from problem
        raise
