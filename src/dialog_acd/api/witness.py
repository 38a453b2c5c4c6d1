"""Writes down every change and every refused attempt, whichever route it was.

It stands around the routes, not in them: a route whose author thinks of nothing is in the audit log all the same.
What a line is about comes from the path; a route may add whom it concerns, and facts in a few words.

What never comes into a line: the query (it may hold a caller's number), bodies (reasons are about people), headers,
and whatever looks like a token. A line is short and printable: the path of a refused attempt was chosen by a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request

from dialog_acd.api.tokens import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Audit

NOBODY = "nobody"
_READS = ("GET", "HEAD", "OPTIONS")
_KEY = "dialog_acd.attempt"
_IN_A_LIST = 20
"""Of the differences that an edit made, these are told; the version has all of them."""


@dataclass(slots=True)
class Attempt:
    """What somebody asks for, as far as it is known yet."""

    action: str = ""
    """Empty until a route that is not open to everybody was found."""
    about: str = ""
    by: Principal | None = None
    tenant: str | None = None
    """The one town it concerns; ``None`` where it concerns several, or the centre."""
    details: dict[str, Any] = field(default_factory=dict)
    """Facts in a few words: nothing about a caller, no free text about a person."""

    def concerns(self, tenant: str | None) -> None:
        self.tenant = tenant


async def attempt_of(request: Request) -> Attempt:
    return cast("Attempt", request.scope[_KEY])


Noted = Annotated[Attempt, Depends(attempt_of)]


class Witness:
    def __init__(self, app: ASGIApp, audit: Audit, now: Callable[[], datetime]) -> None:
        self._app = app
        self._audit = audit
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        attempt = scope[_KEY] = Attempt()
        status = 500  # also where it breaks before anything is answered

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            if attempt.action and (status in (401, 403) or scope["method"] not in _READS):
                self._write(attempt, status, scope)

    def _write(self, attempt: Attempt, status: int, scope: Scope) -> None:
        by = attempt.by
        details: dict[str, Any] = {"method": scope["method"], "status": status, **attempt.details}
        if by is not None:
            details["token"] = by.token
        elif scope.get("client"):
            details["from"] = scope["client"][0]  # all there is to go after
        self._audit.put(
            at=self._now(),
            who=NOBODY if by is None else by.name,
            role="" if by is None else by.role.value,
            # A town's administrator who was refused something is that town's business.
            tenant=attempt.tenant if by is None or by.tenant is None else by.tenant,
            action=attempt.action,
            about=_clean(attempt.about),
            outcome=_outcome(status, known=by is not None),
            details={key: _cleaned(value) for key, value in details.items()},
        )


def _outcome(status: int, *, known: bool) -> str:
    if not known or status in (401, 403):
        return "refused"
    if status < 400:
        return "done"
    return "rejected" if status < 500 else "uncertain"


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return _clean(value)
        case list():
            return [_cleaned(one) for one in value[:_IN_A_LIST]]
    return value


def _clean(text: str) -> str:
    """In one line, and storable: PostgreSQL takes no NUL, and nobody takes half a surrogate."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in without_tokens(text)[:200])
