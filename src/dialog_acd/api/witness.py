"""Writes down every change and every refused attempt, whichever route it was, and who was told of named persons.

It stands around the routes, not in them: a route whose author thinks of nothing is in the audit log all the same.
What a line is about comes from the path; a route may add whom it concerns, and facts in a few words.

What never comes into a line: the query (it may hold a caller's number), bodies (reasons are about people), headers,
and whatever looks like a token. A line is short and printable: the path of a refused attempt was chosen by a stranger.

A stranger also chooses how often. What nobody of ours attempts is therefore written line by line only as far as
somebody could read it; the rest of a minute is counted and told in one line. There is no throttle beside that: whom
it locked out would be all behind the same address, a whole town hall's, and what it saved would be next to nothing,
as a wrong token costs us less than the request that brings it, and 2^255 tries are out of reach at any speed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request

from dialog_acd.api.tokens import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Audit
    from dialog_acd.api.schemas import Names

NOBODY = "nobody"
EACH_MINUTE = timedelta(minutes=1)
LINES_EACH = 10
"""Lines in a minute about one address, or one person of the identity provider without a role."""
LINES_IN_ALL = 30
ASKERS_AT_MOST = 100
"""Who are told apart in a minute; a stranger may have more addresses than we have memory."""
NAMED = 10
_OTHERS = "others"
_READS = ("GET", "HEAD", "OPTIONS")
_KEY = "dialog_acd.attempt"
_TOKEN = "token"  # noqa: S105  the name of the id of one
_NAMING = ("calls.one", "calls.decisions")
COMPLAINTS = 20
"""Calls of which one operator is told within ``WITHIN`` who answered."""
WITHIN = timedelta(days=1)
LINES = 500
"""Of the audit log, read at a time."""
_IN_A_LIST = 20
"""Of the differences that an edit made, these are told; the version has all of them."""


@dataclass(slots=True)
class Attempt:
    """What somebody asks for, as far as it is known yet."""

    action: str = ""
    """Empty until a route that is not open to everybody was found."""
    about: str = ""
    by: Principal | None = None
    who: str = NOBODY
    """Who asks, where that is known of somebody who is nobody here."""
    tenant: str | None = None
    """The one town it concerns; ``None`` where it concerns several, or the centre."""
    told: bool = False
    """Also where nothing was changed it is to be written down: somebody was told what is about a named person."""
    details: dict[str, Any] = field(default_factory=dict)
    """Facts in a few words: nothing about a caller, no free text about a person."""

    def concerns(self, tenant: str | None) -> None:
        self.tenant = tenant


async def attempt_of(request: Request) -> Attempt:
    return cast("Attempt", request.scope[_KEY])


Noted = Annotated[Attempt, Depends(attempt_of)]


class Complaints:
    """Of which calls somebody was told who answered: to answer a complaint, of ``COMPLAINTS`` within ``WITHIN``. More
    are no complaints.

    By the id of the token, or the subject of a person: a name can be changed. Kept here, because a line of the audit
    log is written after the answer, and two hundred questions at once would find it empty; at the start it is read from
    there, so a restart does not begin anew.
    """

    def __init__(self, audit: Audit, now: Callable[[], datetime]) -> None:
        self._audit, self._now = audit, now
        self._told: dict[str, dict[str, datetime]] | None = None
        self._turn = asyncio.Lock()

    async def take(self, by: Principal, call: str) -> bool:
        """Whether this call may be told to somebody; from then on it is one of theirs."""
        async with self._turn:
            if self._told is None:
                self._told = await self._read()
        # Nothing is waited for from here on.
        now = self._now()
        told = {about: at for about, at in self._told.get(_clean(by.token), {}).items() if now - at <= WITHIN}
        self._told[_clean(by.token)] = told
        if call not in told and len(told) >= COMPLAINTS:
            return False
        told[call] = now
        return True

    async def _read(self) -> dict[str, dict[str, datetime]]:
        found: dict[str, dict[str, datetime]] = {}
        before: int | None = None
        while True:
            lines = await self._audit.page(LINES, before, None, among=_NAMING, since=self._now() - WITHIN)
            for line in lines:
                if line.outcome == "done":
                    found.setdefault(str(line.details.get(_TOKEN)), {}).setdefault(line.about, line.at)
            if len(lines) < LINES:
                return found
            before = lines[-1].id


class Strangers:
    """Counts what nobody of ours attempts, minute by minute, and tells what no line was written about."""

    def __init__(self, audit: Audit, now: Callable[[], datetime]) -> None:
        self._audit, self._now = audit, now
        self._since = now()
        self._attempts: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()

    def worth_a_line(self, asker: str) -> bool:
        self.tell_if_due()
        if asker not in self._attempts and len(self._attempts) >= ASKERS_AT_MOST:
            asker = _OTHERS
        self._attempts[asker] += 1
        if self._attempts[asker] <= LINES_EACH and self._attempts.total() - self._untold.total() <= LINES_IN_ALL:
            return True
        self._untold[asker] += 1
        return False

    def tell_if_due(self) -> None:
        # A clock that was set back must not make a minute last for hours.
        if not timedelta() <= self._now() - self._since < EACH_MINUTE:
            self.tell()

    def tell(self) -> None:
        """End the minute now."""
        if self._untold:
            self._audit.put(
                at=self._now(),
                who=NOBODY,
                role="",
                tenant=None,
                action="api.refuse-more",
                about="",
                outcome="refused",
                details={
                    "attempts": self._untold.total(),
                    "since": self._since.isoformat(),
                    "from": {_clean(asker): many for asker, many in self._untold.most_common(NAMED)},
                },
            )
        self._attempts.clear()
        self._untold.clear()
        self._since = self._now()


class Watchers:
    """Writes down who is shown what agents do, by name: a line for each person and hour, not for each look.

    A board is told of every change, and shows all there are; that somebody watches, and when, is all a line could say.
    It stands there when they begin to, also of a stream that goes on for an hour.
    """

    def __init__(self, audit: Audit, now: Callable[[], datetime]) -> None:
        self._audit, self._now = audit, now
        self._hour: datetime | None = None
        self._noted: set[Principal] = set()

    def note(self, by: Principal, where: str, names: Names) -> None:
        """``where``: the action of the route; ``names``: whom it names to them.

        Who has which call, as desks are told, says no more than the people around them see, and a desk is a program.
        """
        if not names.agents:
            return
        now = self._now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour, self._noted = hour, set()
        if by in self._noted:
            return
        self._noted.add(by)
        self._audit.put(
            at=now,
            who=by.name,
            role=by.role.value,
            tenant=by.tenant,
            action="agents.watch",
            about="",
            outcome="done",
            details={"by": where, "token": by.token},
        )


class Witness:
    def __init__(self, app: ASGIApp, audit: Audit, now: Callable[[], datetime], strangers: Strangers) -> None:
        self._app = app
        self._audit = audit
        self._now = now
        self._strangers = strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Here, as somebody or something asks every few seconds; whoever reads the log finds it complete.
        self._strangers.tell_if_due()
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
            if attempt.action and (attempt.told or status in (401, 403) or scope["method"] not in _READS):
                self._write(attempt, status, scope)

    def _write(self, attempt: Attempt, status: int, scope: Scope) -> None:
        by = attempt.by
        address = scope["client"][0] if scope.get("client") else ""
        if by is None and not self._strangers.worth_a_line(address if attempt.who == NOBODY else attempt.who):
            return
        details: dict[str, Any] = {"method": scope["method"], "status": status, **attempt.details}
        if by is not None:
            details[_TOKEN] = by.token
        elif address:
            details["from"] = address  # all there is to go after
        self._audit.put(
            at=self._now(),
            who=attempt.who if by is None else by.name,
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
