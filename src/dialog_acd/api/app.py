"""Builds the API: routes, the door, the one shape of errors.

``Door`` stands in front of everything the framework does, so that no answer leaves without the headers and no
body comes in without a limit, whether or not a route was found. Bodies are read here, before anybody is asked for a
token; but not a recording, which may be large: its route reads it, once it knows who brings it, and the limits hold
there as well. It is plain ASGI: a middleware class that wraps
responses would cost a task per request, and one that limits bodies inside the framework sees only some of them.

FastAPI's own documentation pages load their scripts from a foreign host, which a town hall's network does not reach
and should not; ours (``routes/docs.py``) loads from here alone. ``/openapi.json`` is for whoever has a token.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar, cast

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

import dialog_acd
from dialog_acd.api import problems
from dialog_acd.api.access import Reader, require_declarations
from dialog_acd.api.contract import DESCRIPTION, TAGS, complete, operation_id
from dialog_acd.api.feed import Feed
from dialog_acd.api.keys import Keyring
from dialog_acd.api.ports import Wiring
from dialog_acd.api.routes import (
    agents,
    audit,
    calls,
    directory,
    docs,
    health,
    queues,
    recordings,
    releases,
    reports,
    resolve,
    resources,
    statements,
    switches,
    tenants,
)
from dialog_acd.api.routes import live as live_routes
from dialog_acd.api.schemas import ProblemOut
from dialog_acd.api.tokens import digest
from dialog_acd.api.witness import Complaints, Strangers, Watchers, Witness

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

    from dialog_acd.api.people import People
    from dialog_acd.api.ports import (
        Agreements,
        Audit,
        Directories,
        Live,
        Readiness,
        Recordings,
        Records,
        Repeats,
        Reports,
        Statements,
        Tokens,
    )

BODY_LIMIT = 64 * 1024
"""Bytes. The largest body the API knows has some fifty, but for a whole directory."""
DIRECTORY_LIMIT = 8 * 1024 * 1024
"""Bytes. Five hundred towns with two thousand agents are about one and a half million."""
RECORDING_LIMIT = 20 * 1024 * 1024
"""Bytes. Two minutes of mono at 48 kHz and 24 bits are 17 million; a greeting of ten seconds, in stereo, three."""
BODY_WITHIN, RECORDING_WITHIN = 10.0, 60.0
"""Seconds a body may take to arrive. A town hall's line may carry 3 Mbit/s outwards."""
TOKEN_LEAST = 16
"""Characters. A shorter token is one somebody meant to replace."""

# Answers hold callers' numbers: no proxy and no browser may keep them.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

log = structlog.get_logger(__name__)

# The framework takes a millisecond or more to understand a route, on the event loop when the first request comes. So
# they are put together here once, and an application is given them as they are.
_ROUTES = APIRouter(generate_unique_id_function=operation_id)
_ROUTES.include_router(health.router)
_ROUTES.include_router(docs.router)
_REFUSALS = problems.fails(
    problems.NotAuthenticated, problems.NotAllowed, problems.KeysUnavailable, problems.DatabaseAway
)
_REFUSALS[422] = {"model": ProblemOut, "description": "`not-valid`"}
for _router in (
    live_routes.router,
    queues.router,
    switches.router,
    switches.queues,
    switches.entries,
    switches.centre,
    agents.router,
    agents.commands,
    calls.router,
    calls.commands,
    resolve.router,
    directory.router,
    resources.router,
    tenants.router,
    releases.policy,
    releases.router,
    releases.named,
    releases.own,
    audit.router,
    recordings.router,
    reports.router,
    statements.router,
):
    _ROUTES.include_router(_router, prefix="/api/v1", responses=_REFUSALS)


@_ROUTES.get("/openapi.json", include_in_schema=False, tags=["api"])
async def document(_: Reader, request: Request) -> dict[str, Any]:
    said: dict[str, Any] = request.app.openapi()
    return said


def create_api(
    live: Live,
    records: Records,
    directories: Directories,
    *,
    readiness: Readiness,
    metrics_registry: CollectorRegistry,
    token: str,
    tokens: Tokens,
    audit_log: Audit,
    repeats: Repeats,
    agreements: Agreements,
    archive: Recordings,
    told: Reports,
    settlement: Statements,
    now: Callable[[], datetime],
    people: People | None = None,
    metrics_token: str | None = None,
    rehearsal: bool = False,
) -> FastAPI:
    """Build the application. ``token``: the first operator's key, in force whatever the database says; ``people``:
    who comes from the identity provider, where there is one; ``metrics_token``: what a scraper has to show;
    ``rehearsal``: ``now`` is another time than that of the machine.

    Raises ``ValueError`` for one too short to be one, ``RuntimeError`` for a route nobody is declared for.
    """
    if len(token) < TOKEN_LEAST or token != token.strip():
        raise ValueError(f"the admin token needs at least {TOKEN_LEAST} characters and no blanks around it")
    api = _Api(
        title="dialog-acd",
        summary="Call distribution for municipal citizen service centres",
        description=DESCRIPTION,
        version=dialog_acd.__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Newer FastAPI reports requests to OpenTelemetry by itself, and where to is read from the environment.
        # Requests name calls and agents; they are told to our log and to nobody else.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    keys = Keyring(token, tokens, now, people)
    api.state.wiring = Wiring(
        live,
        records,
        directories,
        readiness,
        metrics_registry,
        keys,
        audit_log,
        archive,
        repeats,
        told,
        agreements,
        settlement,
        now,
        Feed(live),
        Watchers(audit_log, now),
        Complaints(audit_log, now),
        None if metrics_token is None else digest(metrics_token),
        rehearsal,
    )
    api.router.routes.extend(_ROUTES.routes)
    require_declarations(api.routes)
    # Starlette types these as taking any exception; each is called only with its own.
    api.add_exception_handler(problems.ApiProblem, cast("ExceptionHandler", problems.on_problem))
    api.add_exception_handler(HTTPException, cast("ExceptionHandler", problems.on_http_exception))
    api.add_exception_handler(RequestValidationError, cast("ExceptionHandler", problems.on_invalid))
    api.state.strangers = Strangers(audit_log, now)
    api.add_middleware(Witness, audit=audit_log, now=now, strangers=api.state.strangers)
    api.add_middleware(Door)  # the last is the outermost
    return api


def end_streams(api: FastAPI) -> None:
    """The service stops: whoever listens to the live state is told so, and nobody begins to."""
    cast("Wiring", api.state.wiring).feed.close()


class _Api(FastAPI):
    _document: ClassVar[dict[str, Any]] = {}

    def openapi(self) -> dict[str, Any]:
        """The document, made at the first call: of ``_ROUTES``, so it is the same for every application."""
        if not self._document:
            document = super().openapi()
            resources.describe(document)
            complete(document)
            _Api._document = document
        return self._document


class Door:
    """Every request enters and every answer leaves here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def send_on(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("date", formatdate(usegmt=True))
            await send(message)

        try:
            if (scope["method"], scope["path"]) == ("POST", recordings.PATH):
                _require_size(scope, RECORDING_LIMIT)
                await self._app(scope, _limited(receive), send_on)
                return
            body = await _read_body(scope, receive)
            if body is None:
                return
            await self._app(scope, _given(body, receive), send_on)
        except ClientDisconnect:
            pass
        except problems.ApiProblem as problem:
            await problems.of_problem(problem)(scope, receive, send_on)
        except Exception as error:
            if problems.is_of_database(error) and not answered:
                why = str(getattr(error, "orig", None) or error).partition("\n")[0][:300]
                log.warning("api.database-away", path=scope["path"], kind=type(error).__name__, why=why)
                await problems.of_problem(problems.DatabaseAway())(scope, receive, send_on)
                return
            log.exception("api.failed", method=scope["method"], path=scope["path"])
            if answered:
                raise  # half an answer is out; only a broken connection tells the asker now
            await problems.internal()(scope, receive, send_on)


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body, or ``None`` when the asker left. Raises ``BodyTooLarge``, ``BodyTooSlow``."""
    limit = DIRECTORY_LIMIT if scope["path"] == directory.PATH else BODY_LIMIT
    _require_size(scope, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > limit:
                    raise problems.BodyTooLarge(limit_bytes=limit)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise problems.BodyTooSlow(within_seconds=BODY_WITHIN) from None


def _require_size(scope: Scope, limit: int) -> None:
    """Refuse what is announced as too large before its first byte. What is said may be wrong; it is counted, too."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise problems.BodyTooLarge(limit_bytes=limit)


def _limited(receive: Receive) -> Receive:
    """A ``receive`` for whoever reads a recording; it raises what ``_read_body`` would."""
    taken, more = 0, True
    until = asyncio.get_running_loop().time() + RECORDING_WITHIN

    async def receive_on() -> Message:
        nonlocal taken, more
        if not more:
            return await receive()  # the asker's leaving
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise problems.BodyTooSlow(within_seconds=RECORDING_WITHIN) from None
        taken += len(message.get("body", b""))
        if taken > RECORDING_LIMIT:
            raise problems.BodyTooLarge(limit_bytes=RECORDING_LIMIT)
        more = message.get("more_body", False)
        return message

    return receive_on


def _given(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that hands out the body once, then whatever else comes (the asker's leaving)."""
    handed_out = False

    async def receive_on() -> Message:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_on
