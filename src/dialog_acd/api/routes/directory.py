"""The directory: as it is, as it was, and edits of all of it.

An edit is the whole directory. It is taken whole or not at all, and says by ``If-Match`` which version it was made
from, so two administrators cannot overwrite each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Body, Header, Path, Query, Request, Response

from dialog_acd.api.access import Operator, Whole  # noqa: TC001  read at run time
from dialog_acd.api.asking import PRINTABLE, Limit
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import (
    DirectoryMoved,
    DirectoryRefused,
    DirectoryUnreadable,
    NoSuchVersion,
    PolicyNotReleased,
    VersionNotSaid,
    directory_told,
    fails,
)
from dialog_acd.api.schemas import ChangedOut, DirectoryOut, VersionOut, VersionsOut, WhyIn
from dialog_acd.api.sight import sees_all_towns
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time

if TYPE_CHECKING:
    from dialog_acd.api.ports import Change
    from dialog_acd.api.witness import Attempt

PATH = "/api/v1/directory"
log = structlog.get_logger(__name__)
router = APIRouter(prefix="/directory", tags=["directory"])
_EDITS = fails(NoSuchVersion, DirectoryMoved, VersionNotSaid, DirectoryRefused, PolicyNotReleased, DirectoryUnreadable)
_IfMatch = Annotated[
    str | None,
    Header(
        max_length=40,
        description="Version the edit was made from: the ETag of `GET /api/v1/directory`; `*`: whatever is in force.",
        examples=['"7"'],
    ),
]
_Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.", examples=[7])]
Why = Annotated[
    str,
    Query(max_length=500, pattern=PRINTABLE, description="Why, kept with the version.", examples=["Laatzen goes live"]),
]


@router.get(
    "",
    name="read",
    summary="The whole directory",
    response_model=DirectoryOut,
    responses={304: {"description": "Still the one of `If-None-Match`."}, **fails(NoSuchVersion, DirectoryUnreadable)},
)
async def directory(
    wiring: Wired,
    by: Whole,
    response: Response,
    if_none_match: Annotated[
        str | None,
        Header(
            max_length=40,
            description="ETag of an earlier answer: nothing is sent again where it is still the one in force.",
            examples=['"7"'],
        ),
    ] = None,
    version: Annotated[
        int | None,
        Query(ge=1, le=2**31 - 1, description="An earlier version; absent: the one in force.", examples=[7]),
    ] = None,
) -> DirectoryOut | Response:
    sees_all_towns(by)
    with directory_told():
        if if_none_match is not None and version is None:
            # What is asked for each minute by another host is answered without reading the directory.
            tag = f'"{await wiring.directories.current()}"'
            if if_none_match.removeprefix("W/") == tag:
                return Response(status_code=304, headers={"ETag": tag})
        told = await wiring.directories.told(version)
    response.headers["ETag"] = f'"{told.version}"'
    return DirectoryOut(version=told.version, directory=told.directory)


@router.put(
    "",
    summary="Put another directory in force, all of it or nothing",
    responses=_EDITS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {
                        "tenants": [{"id": "langenhagen", "name": "Stadt Langenhagen", "label": "Langenhagen"}]
                    },
                }
            },
            "description": "The directory as `GET` gives it under `directory`.",
        }
    },
)
async def change(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Operator,
    noted: Noted,
    request: Request,
    response: Response,
    if_match: _IfMatch = None,
    why: Why = "",
    dry_run: Annotated[bool, Query(description="Change nothing, only say what would change.", examples=[True])] = False,
) -> ChangedOut:
    with directory_told():
        changed = await wiring.directories.change(
            await request.body(), by.name, why, _version(if_match), dry_run=dry_run
        )
    if dry_run:
        noted.details["dry_run"] = True
    else:
        _note(noted, changed)
        log.info("api.directory-changed", by=by.name, role=by.role, version=changed.version)
    response.headers["ETag"] = f'"{changed.version}"'
    return ChangedOut(version=changed.version, differences=list(changed.differences))


@router.get("/versions", summary="Who changed the directory, when and why; the latest first")
async def versions(
    wiring: Wired,
    by: Whole,
    limit: Limit = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=2**31 - 1, description="`next` of the page before; absent: the newest.", examples=[3]),
    ] = None,
) -> VersionsOut:
    sees_all_towns(by)
    # One more than wanted tells whether there is a next page.
    found = await wiring.directories.versions(limit + 1, before)
    page = [VersionOut(version=v.number, at=v.edit.at, by=v.edit.by, why=v.edit.why) for v in found[:limit]]
    return VersionsOut(versions=page, next=page[-1].version if len(found) > limit else None)


@router.post("/versions/{version}/rollback", summary="Put an earlier version in force again", responses=_EDITS)
async def roll_back(  # noqa: PLR0917  FastAPI's parameters
    wiring: Wired,
    by: Operator,
    noted: Noted,
    response: Response,
    version: _Number,
    if_match: _IfMatch = None,
    body: Annotated[WhyIn | None, Body()] = None,
) -> ChangedOut:
    with directory_told():
        why = body.why if body is not None else ""
        changed = await wiring.directories.roll_back(version, by.name, why, _version(if_match))
    _note(noted, changed)
    log.info("api.directory-rolled-back", by=by.name, role=by.role, to=version, version=changed.version)
    response.headers["ETag"] = f'"{changed.version}"'
    return ChangedOut(version=changed.version, differences=list(changed.differences))


def _note(noted: Attempt, changed: Change) -> None:
    noted.details["version"] = changed.version
    # Of the test callers not which: they are callers' numbers.
    noted.details["differences"] = [
        "test_callers" if line.startswith("test_callers ") else line for line in changed.differences
    ]


def _version(if_match: str | None) -> int | None:
    """The number of an ETag of ours; ``None`` for ``*``: whatever is in force.

    Raises ``VersionNotSaid``, and ``DirectoryMoved`` for one that is none of ours.
    """
    if if_match is None:
        raise VersionNotSaid
    if if_match == "*":
        return None
    number = if_match.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdecimal()) or len(number) > 10:
        raise DirectoryMoved(f"{if_match!r} is no version of the directory.", expected=if_match)
    return int(number)
