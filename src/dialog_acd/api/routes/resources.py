"""The directory thing by thing: towns, numbers, queues, calendars, ... each under its own path.

All of them are alike, so there is one set of routes, made once for each kind (``KINDS``): a page of them, one, a new
one, another in its place (PUT), some of its fields (PATCH, JSON Merge Patch, RFC 7396), and away with it. What a thing
may say is its form (``directory_form.py``), the same that reads a file; what it must not contradict is found out by
building the whole directory with it.

An edit says by ``If-Match`` which state of *this thing* it was made from. The framework does not read the bodies: the
forms do, as strictly as they read a file, and say what is wrong in the same sentences. So the framework does not know
what a body looks like either, and ``describe`` tells it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, create_model
from pydantic.json_schema import models_json_schema
from pydantic_core import from_json

from dialog_acd.api.access import may
from dialog_acd.api.asking import Limit  # noqa: TC001  read at run time
from dialog_acd.api.keys import Principal  # noqa: TC001  read at run time
from dialog_acd.api.ports import Address, Terms, Wired
from dialog_acd.api.problems import (
    ApiProblem,
    DirectoryBusy,
    DirectoryRefused,
    DirectoryUnreadable,
    KeyReused,
    MarkNotSaid,
    NoSuchThing,
    NotAllowed,
    NotTheirs,
    PolicyNotReleased,
    SeveralEntries,
    StillRunning,
    ThingExists,
    ThingMoved,
    directory_told,
    fails,
)
from dialog_acd.api.routes.directory import PATH, Why
from dialog_acd.api.schemas import EditedOut, ProblemOut, TestCallersIn, TestCallersOut
from dialog_acd.api.tokens import Role
from dialog_acd.api.witness import Attempt, Noted  # noqa: TC001  read at run time
from dialog_acd.core.model import Entry, EntryKind, SkillKind
from dialog_acd.core.ownership import SEEN_BY_A_TOWN
from dialog_acd.directory_form import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from dialog_acd.api.ports import Attempted, ThingEdited, ThingFound, Wiring

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/directory", tags=["directory"])

Wanted = Callable[[Any], bool]
"""Says of a thing of the directory whether it is asked for."""
_MARK = re.compile(r'(?:W/)?"([!#-~]*)"')

# ---------------------------------------------------------------- what is asked for in a list

_Search = Annotated[
    str | None, Query(max_length=100, description="In its id, number or name, small or capital.", examples=["langen"])
]
_Town = Annotated[str | None, Query(max_length=100, description="Only this town's.", examples=["langenhagen"])]
_Queue = Annotated[
    str | None, Query(max_length=100, description="Only those that lead to this queue.", examples=["laatzen"])
]


def _named_like(q: str | None) -> Wanted:
    if q is None:
        return lambda _: True
    folded = q.casefold()

    def named(one: Any) -> bool:
        if isinstance(one, Entry):
            return folded in one.number
        return folded in getattr(one, "id", "").casefold() or folded in getattr(one, "name", "").casefold()

    return named


async def _any(q: _Search = None) -> Wanted:
    return _named_like(q)


async def _of_a_town(tenant: _Town = None, q: _Search = None) -> Wanted:
    named = _named_like(q)
    return lambda one: tenant in (None, one.tenant) and named(one)


async def _entries(
    tenant: _Town = None,
    kind: Annotated[EntryKind | None, Query(description="Only of this kind.", examples=["115"])] = None,
    queue: _Queue = None,
    q: _Search = None,
) -> Wanted:
    named = _named_like(q)
    return lambda one: (
        tenant in (None, one.tenant) and kind in (None, one.kind) and queue in (None, one.queue) and named(one)
    )


async def _agents(
    team: Annotated[str | None, Query(max_length=100, description="Only of this team.", examples=["centre"])] = None,
    skill: Annotated[
        str | None, Query(max_length=100, description="Only who has this skill.", examples=["laatzen"])
    ] = None,
    tenant: Annotated[
        str | None, Query(max_length=100, description="Only who sits in this town's hall.", examples=["laatzen"])
    ] = None,
    q: _Search = None,
) -> Wanted:
    named = _named_like(q)
    return lambda one: (
        team in (None, one.team)
        and (skill is None or skill in one.skills)
        and tenant in (None, one.home)
        and named(one)
    )


async def _queues(
    skill: Annotated[
        str | None, Query(max_length=100, description="Only those that ask for this skill.", examples=["laatzen"])
    ] = None,
    q: _Search = None,
) -> Wanted:
    named = _named_like(q)
    return lambda one: (
        (skill is None or any(need.skill == skill for step in one.steps for need in step.needs)) and named(one)
    )


async def _skills(
    kind: Annotated[SkillKind | None, Query(description="Only of this kind.", examples=["tenant"])] = None,
    q: _Search = None,
) -> Wanted:
    named = _named_like(q)
    return lambda one: kind in (None, one.kind) and named(one)


# ---------------------------------------------------------------- the kinds of things


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing, as a path of its own."""

    section: str
    one: str
    """As its routes are called."""
    wanted: Callable[..., Any] = _any
    for_towns: frozenset[str] = frozenset()
    """Methods that a town's administrator may use, for what is the town's own."""
    note: str = ""
    """What must be known of it beyond its fields."""

    @property
    def path(self) -> str:
        return self.section.replace("_", "-")

    @property
    def form(self) -> type[BaseModel]:
        return TABLES[self.section]


_OWN = frozenset({"PUT", "PATCH"})
KINDS = (
    Kind(
        "tenants",
        "tenant",
        for_towns=_OWN,
        note="A town that is created without `live_from` waits (`not-yet`) until it goes live; in a file, and in "
        "another's place (PUT), nothing said is no date. A town's administrator may change `answers`.",
    ),
    Kind(
        "entries",
        "entry",
        _entries,
        for_towns=_OWN,
        note="A number may have several entries, one after the other; `active_from` says which. The catch-all, which "
        "has no number, is called `catch-all`. A town's administrator may change greeting, announcement, closed and "
        "calendar of the town's own.",
    ),
    Kind("trunks", "trunk"),
    Kind("queues", "queue", _queues),
    Kind("calendars", "calendar", _of_a_town, for_towns=_OWN | {"POST", "DELETE"}),
    Kind("prompts", "prompt", _of_a_town, for_towns=_OWN | {"POST", "DELETE"}),
    Kind("teams", "team"),
    Kind("agents", "agent", _agents),
    Kind("skills", "skill", _skills),
    Kind("partners", "partner"),
    Kind("failsafe_profiles", "failsafe_profile"),
)


def _address_in(kind: Kind) -> Callable[..., Any]:
    """The dependency that reads what of this kind is meant."""
    if kind.section == "entries":

        async def entry(
            number: Annotated[
                str,
                Path(
                    max_length=100,
                    description="The number as the directory has it, + as %2B; `catch-all`: the one without a number.",
                    examples=["+495117307"],
                ),
            ],
            active_from: Annotated[
                str | None,
                Query(
                    pattern=r"^(none|[0-9]{4}-[0-9]{2}-[0-9]{2})$",
                    description="The day it begins; `none`: without a beginning. To be said of a number with several.",
                    examples=["2026-01-01"],
                ),
            ] = None,
        ) -> Address:
            return Address(kind.section, number, active_from)

        return entry

    async def thing(
        id: Annotated[str, Path(max_length=100, description="What others name it by.", examples=["langenhagen"])],  # noqa: A002
    ) -> Address:
        return Address(kind.section, id)

    return thing


_WHOLE = may(Role.OPERATOR, Role.SUPERVISOR, Role.AUDITOR)
_EVERYBODY = may(Role.OPERATOR, Role.TOWN_ADMIN, Role.SUPERVISOR, Role.AUDITOR)
_OPERATOR = may(Role.OPERATOR)
_OWNERS = may(Role.OPERATOR, Role.TOWN_ADMIN)


_IfMatch = Annotated[
    str | None,
    Header(
        max_length=500,
        description="What the edit was made from: the ETag that `GET` gave; `*`: whatever it is like.",
        examples=['"9f86d081884c7d659a2feaa0c55ad015"'],
    ),
]
_DryRun = Annotated[bool, Query(description="Change nothing, only say what would change.", examples=[True])]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,102}$",
        description="A word of your own, as a UUID. Sent again with the same request within 24 hours it gives the same "
        "answer, and nothing is created twice; a request that was refused has not used it up.",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]
_After = Annotated[
    str,
    Query(max_length=200, description="`next` of the page before; absent: from the beginning.", examples=["laatzen"]),
]

_SCHEMAS = "#/components/schemas/"
_ETAG = {"ETag": {"description": "Mark of its content, for `If-Match`.", "schema": {"type": "string"}}}


_LOCATION = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}


# There are many of these routes. Named, a model is not looked into anew for each of them; ``describe`` adds them.
def _ref(model: str, description: str = "Successful Response", **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{model}"}}}
    return {"description": description, "content": content, **more}


def _refusals(*kinds: type[ApiProblem]) -> dict[int | str, dict[str, Any]]:
    return {status: _ref("ProblemOut", told["description"]) for status, told in fails(*kinds).items()}


_EDITING = (MarkNotSaid, ThingMoved, DirectoryRefused, DirectoryBusy, DirectoryUnreadable)


# ---------------------------------------------------------------- the routes of a kind


def _routes(kind: Kind) -> None:
    one, form = kind.one.replace("_", " "), kind.form
    several = kind.section.replace("_", " ")
    address_in, wanted_in = Depends(_address_in(kind)), Depends(kind.wanted)
    reader = _EVERYBODY if kind.section in SEEN_BY_A_TOWN else _WHOLE
    writers = {
        method: _OWNERS if method in kind.for_towns else _OPERATOR for method in ("POST", "PUT", "PATCH", "DELETE")
    }
    item = f"/{kind.path}/{{{'number' if kind.section == 'entries' else 'id'}}}"
    named = (NoSuchThing, SeveralEntries) if kind.section == "entries" else (NoSuchThing,)

    policies = (PolicyNotReleased,) if kind.section in {"tenants", "agents"} else ()

    def edits(method: str) -> dict[int | str, dict[str, Any]]:
        theirs = (NotTheirs,) if method in kind.for_towns else ()
        return {200: _ref("EditedOut", headers=_ETAG), **_refusals(*named, *theirs, *policies, *_EDITING)}

    @router.get(
        f"/{kind.path}",
        name=f"list_{kind.section}",
        summary=f"{several.capitalize()}, by name; for a town what it sees of them"
        if reader is _EVERYBODY
        else f"{several.capitalize()}, by name",
        response_model=None,
        responses={200: _ref(_page_name(kind)), **_refusals(DirectoryUnreadable)},
    )
    async def page(
        *,
        wiring: Wired,
        by: Principal = reader,
        wanted: Any = wanted_in,
        limit: Limit = 50,
        after: _After = "",
    ) -> Any:
        _may_see(kind, by)
        with directory_told():
            found = await wiring.directories.page(kind.section, limit, after, wanted, by.tenant)
        return JSONResponse({kind.section: [thing.said for thing in found.things], "next": found.next})

    @router.get(
        item,
        name=kind.one,
        summary=f"One {one}",
        response_model=None,
        responses={200: _ref(form.__name__, headers=_ETAG), **_refusals(*named, DirectoryUnreadable)},
    )
    async def get(wiring: Wired, by: Principal = reader, address: Address = address_in) -> Any:
        _may_see(kind, by)
        with directory_told(address):
            thing, _ = await wiring.directories.thing(address, by.tenant)
        return JSONResponse(thing.said, headers={"ETag": f'"{thing.etag}"'})

    @router.post(
        f"/{kind.path}",
        name=f"create_{kind.one}",
        summary=f"A new {one}",
        description=kind.note or None,
        status_code=201,
        response_model=None,
        responses={
            200: _ref("EditedOut", "`dry_run`: what would change."),
            201: _ref("EditedOut", headers=_ETAG | _LOCATION),
            **_refusals(
                *(ThingExists, KeyReused, StillRunning, DirectoryRefused, DirectoryBusy, DirectoryUnreadable),
                *((NotTheirs,) if "POST" in kind.for_towns else ()),
                *policies,
            ),
        },
        openapi_extra=_body(kind),
    )
    async def create(
        *,
        wiring: Wired,
        request: Request,
        noted: Noted,
        by: Principal = writers["POST"],
        key: _Key = None,
        why: Why = "",
        dry_run: _DryRun = False,
    ) -> Any:
        terms = Terms(by.name, by.tenant, why, None, dry_run)

        async def make() -> _Answer:
            content = _read(await request.body())
            if kind.section == "tenants":
                content.setdefault("live_from", "not-yet")
            with directory_told():
                edited = await wiring.directories.create(kind.section, content, terms)
            _note(noted, edited, by, dry_run=dry_run)
            headers = _headers(edited)
            if edited.thing is not None:
                headers["Location"] = _path(edited.thing)
            return _Answer(200 if dry_run else 201, _out(edited), headers)

        if key is None or dry_run:
            return (await make()).sent()
        return (await _once(wiring, by, key.strip('"'), request=request, noted=noted, make=make)).sent()

    async def edit(
        *,
        wiring: Wiring,
        noted: Attempt,
        by: Principal,
        address: Address,
        terms: Terms,
        change: Callable[[dict[str, Any]], dict[str, Any] | None],
    ) -> JSONResponse:
        with directory_told(address):
            _, town = await wiring.directories.thing(address, by.tenant)
            noted.concerns(town)
            edited = await wiring.directories.edit(address, change, terms)
        _note(noted, edited, by, dry_run=terms.dry_run)
        headers = _headers(edited)
        if edited.thing is not None:
            # The day it begins is part of where an entry is.
            headers["Content-Location"] = _path(edited.thing)
        return JSONResponse(_out(edited), headers=headers)

    @router.put(
        item,
        name=f"replace_{kind.one}",
        summary=f"Another {one} in the place of this one; what is not said is as by default",
        description=kind.note or None,
        response_model=None,
        responses=edits("PUT"),
        openapi_extra=_body(kind),
    )
    async def put(
        *,
        wiring: Wired,
        request: Request,
        noted: Noted,
        by: Principal = writers["PUT"],
        address: Address = address_in,
        if_match: _IfMatch = None,
        why: Why = "",
        dry_run: _DryRun = False,
    ) -> Any:
        terms = Terms(by.name, by.tenant, why, _marks(if_match), dry_run)
        content = _read(await request.body())
        return await edit(wiring=wiring, noted=noted, by=by, address=address, terms=terms, change=lambda _: content)

    @router.patch(
        item,
        name=f"change_{kind.one}",
        summary=f"Some fields of the {one}; null: as by default",
        description=kind.note or None,
        response_model=None,
        responses=edits("PATCH"),
        openapi_extra=_body(kind, patch=True),
    )
    async def patch(
        *,
        wiring: Wired,
        request: Request,
        noted: Noted,
        by: Principal = writers["PATCH"],
        address: Address = address_in,
        if_match: _IfMatch = None,
        why: Why = "",
        dry_run: _DryRun = False,
    ) -> Any:
        terms = Terms(by.name, by.tenant, why, _marks(if_match), dry_run)
        content = _read(await request.body())
        # Taken away, a field that there is not would be gone without a word; as null it is a fault like any other.
        known = {field.alias or name for name, field in form.model_fields.items()}
        strange = {name: None for name, value in content.items() if value is None and name not in known}
        return await edit(
            wiring=wiring,
            noted=noted,
            by=by,
            address=address,
            terms=terms,
            change=lambda said: merged(said, content) | strange,
        )

    @router.delete(
        item,
        name=f"delete_{kind.one}",
        summary=f"Take the {one} away; refused while anything names it",
        response_model=None,
        responses=edits("DELETE"),
    )
    async def delete(
        *,
        wiring: Wired,
        noted: Noted,
        by: Principal = writers["DELETE"],
        address: Address = address_in,
        if_match: _IfMatch = None,
        why: Why = "",
        dry_run: _DryRun = False,
    ) -> Any:
        terms = Terms(by.name, by.tenant, why, _marks(if_match), dry_run)
        return await edit(wiring=wiring, noted=noted, by=by, address=address, terms=terms, change=lambda _: None)


# ---------------------------------------------------------------- test callers: a list, and no more


@router.get(
    "/test-callers",
    name="test_callers",
    summary="Numbers whose calls are test calls",
    response_model=None,
    responses={200: _ref("TestCallersOut", headers=_ETAG), **_refusals(DirectoryUnreadable)},
)
async def callers_for_tests(wiring: Wired, by: Principal = _WHOLE) -> Any:
    _sees_all(by)
    with directory_told():
        numbers, etag = await wiring.directories.test_callers()
    return JSONResponse({"test_callers": list(numbers)}, headers={"ETag": f'"{etag}"'})


@router.put(
    "/test-callers",
    name="replace_test_callers",
    summary="Another list of them",
    response_model=None,
    responses={200: _ref("EditedOut", headers=_ETAG), **_refusals(*_EDITING)},
)
async def set_test_callers(
    *,
    wiring: Wired,
    noted: Noted,
    body: Annotated[TestCallersIn, Body()],
    by: Principal = _OPERATOR,
    if_match: _IfMatch = None,
    why: Why = "",
    dry_run: _DryRun = False,
) -> Any:
    with directory_told():
        terms = Terms(by.name, None, why, _marks(if_match), dry_run)
        edited = await wiring.directories.set_test_callers(body.test_callers, terms)
    if not dry_run:
        # Not which: they are callers' numbers.
        noted.details["version"] = edited.version
    return JSONResponse(_out(edited), headers=_headers(edited))


# ---------------------------------------------------------------- parts of them


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def sent(self) -> JSONResponse:
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


async def _once(
    wiring: Wiring,
    by: Principal,
    key: str,
    *,
    request: Request,
    noted: Attempt,
    make: Callable[[], Any],
) -> _Answer:
    """What ``make`` answers; where it has done so for this key before, the same answer, and nothing is made.

    Raises ``KeyReused``, ``StillRunning``, and what ``make`` raises: then the key is as good as new.
    """
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    digest = hashlib.sha256(asked).hexdigest()
    before: Attempted | None = await wiring.repeats.begin(by.token, key, digest, wiring.now())
    if before is not None:
        if before.request != digest:
            raise KeyReused
        if before.status is None:
            raise StillRunning
        noted.details["again"] = True
        noted.about = before.answer["about"]
        noted.concerns(before.answer["town"])
        return _Answer(before.status, before.answer["body"], before.answer["headers"])
    try:
        answer: _Answer = await make()
    except BaseException:
        await wiring.repeats.forget(by.token, key)
        raise
    try:
        kept = {"body": answer.body, "headers": answer.headers, "about": noted.about, "town": noted.tenant}
        await wiring.repeats.keep(by.token, key, answer.status, kept)
    except Exception:
        # It is done, and to be told so. Whoever repeats it is told that it is running, then that it is there.
        log.exception("api.answer-not-kept")
    return answer


def _marks(if_match: str | None) -> frozenset[str] | None:
    """The ETags an edit may have been made from; ``None``: whatever it is like. Raises ``MarkNotSaid``."""
    if if_match is None:
        raise MarkNotSaid
    # What is no ETag of ours is that of nothing.
    return None if if_match.strip() == "*" else frozenset(_MARK.findall(if_match))


def merged(said: Any, patch: Any) -> Any:
    """RFC 7396: fields that are named are replaced, those that are null taken away, tables go on inside."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(said) if isinstance(said, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


def _read(body: bytes) -> dict[str, Any]:
    """Raises ``DirectoryRefused``."""
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise DirectoryRefused(None, faults=[f"it is not JSON: {str(error)[:200]}"]) from None
    if not isinstance(content, dict):
        raise DirectoryRefused(None, faults=["it must be an object, with the fields of the thing"])
    return content


def _may_see(kind: Kind, by: Principal) -> None:
    if kind.section not in SEEN_BY_A_TOWN:
        _sees_all(by)


def _sees_all(by: Principal) -> None:
    """Raises ``NotAllowed`` for an auditor of one town."""
    if by.tenant is not None:
        raise NotAllowed(role=by.role.value, tenant=by.tenant)


def _note(noted: Attempt, edited: ThingEdited, by: Principal, *, dry_run: bool) -> None:
    noted.concerns(edited.town)
    if edited.thing is not None:
        noted.about = edited.thing.name
    if dry_run:
        noted.details["dry_run"] = True
        return
    noted.details["version"] = edited.version
    noted.details["differences"] = list(edited.differences)
    log.info("api.directory-changed", by=by.name, role=by.role, version=edited.version)


def _out(edited: ThingEdited) -> dict[str, Any]:
    return {
        "version": edited.version,
        "differences": list(edited.differences),
        "remarks": list(edited.remarks),
    }


def _headers(edited: ThingEdited) -> dict[str, str]:
    return {} if edited.etag is None else {"ETag": f'"{edited.etag}"'}


def _path(thing: ThingFound) -> str:
    path = f"{PATH}/{thing.section.replace('_', '-')}/{quote(thing.name, safe='')}"
    return path if thing.since is None else f"{path}?active_from={thing.since}"


# ---------------------------------------------------------------- the description


def _body(kind: Kind, *, patch: bool = False) -> dict[str, Any]:
    """What the description says of a body that the framework does not read."""
    examples = {name: field.examples[0] for name, field in kind.form.model_fields.items() if field.examples}
    if patch:
        examples = {"name": examples["name"]} if "name" in examples else {"spare": examples["spare"]}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/merge-patch+json" if patch else "application/json": {
                    "schema": {"$ref": f"{_SCHEMAS}{kind.form.__name__}-{'Patch' if patch else 'Input'}"},
                    "example": examples,
                }
            },
        }
    }


def _page_name(kind: Kind) -> str:
    return f"{kind.form.__name__.removesuffix('Table')}PageOut"


def _page(kind: Kind) -> type[BaseModel]:
    things = (list[kind.form], Field(description="All fields, also those that are as by default."))  # type: ignore[name-defined]
    following = Field(description="Give this as 'after' to get the next page; null: this is the last.", examples=[None])
    fields: Any = {kind.section: things, "next": (str | None, following)}
    about = f"A page of {kind.section.replace('_', ' ')}, by name."
    return create_model(_page_name(kind), __doc__=about, **fields)


def describe(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document what the bodies and answers of these routes look like."""
    added: dict[str, Any] = {}
    for models, mode, suffix in (
        ([EditedOut, TestCallersOut, ProblemOut, *map(_page, KINDS)], "serialization", ""),
        ([kind.form for kind in KINDS], "validation", "-Input"),
    ):
        asked: Any = [(model, mode) for model in models]
        _, found = models_json_schema(asked, ref_template=f"{_SCHEMAS}{{model}}{suffix}")
        added |= {f"{name}{suffix}": schema for name, schema in found["$defs"].items()}
    for kind in KINDS:
        whole = added[f"{kind.form.__name__}-Input"]
        added[f"{kind.form.__name__}-Patch"] = {
            "type": "object",
            "title": f"{whole['title']}Patch",
            "description": f"Those fields of a {kind.one.replace('_', ' ')} that change; null: as by default.",
            "additionalProperties": False,
            "properties": {name: _or_null(field) for name, field in whole["properties"].items()},
        }
    # What a rule is made of inside is described as well, and nothing refers to it: a rule is a line of text.
    schemas: dict[str, Any] = document["components"]["schemas"]
    wanted = list(_named([document["paths"], schemas]))
    for name in wanted:  # grows meanwhile
        if name in added:
            schemas[name] = added.pop(name)
            wanted.extend(_named(schemas[name]))


def _named(part: Any) -> Iterator[str]:
    """The models that a part of the description refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix(_SCHEMAS)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _named(one)


def _or_null(field: Mapping[str, Any]) -> dict[str, Any]:
    told_of = {name: field[name] for name in ("description", "examples", "title") if name in field}
    schema = {name: value for name, value in field.items() if name not in ("default", *told_of)}
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = {"anyOf": [schema["additionalProperties"], {"type": "null"}]}
    return {**told_of, "anyOf": [schema, {"type": "null"}]}


for _kind in KINDS:
    _routes(_kind)
