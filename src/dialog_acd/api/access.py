"""Who may what. Whatever is not declared is denied.

A route says ``by: Annotated[Principal, may(Role.OPERATOR, ...)]`` and that is all of it: the token is read, the role
compared, the attempt noted. ``require_declarations`` looks at every route before the service starts; one that
declares nobody ends the start, so a forgotten declaration is never an open door.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING, Annotated, Any

# FastAPI reads the annotations of dependencies at run time; what they name must be imported for real.
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dialog_acd.api.keys import Principal
from dialog_acd.api.ports import Wired  # noqa: TC001  read at run time
from dialog_acd.api.problems import MetricsForThisMachine, NoRole, NotAllowed, NotAuthenticated
from dialog_acd.api.tokens import Role, digest
from dialog_acd.api.witness import Noted  # noqa: TC001  read at run time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from starlette.routing import BaseRoute

OPEN = frozenset({"/health/live", "/health/ready", "/metrics", "/docs", "/docs/{asset}"})
"""For whoever watches over the service (metrics: see ``scraper``), and files that are the same in every installation;
nothing there is about anybody's call, nor about this centre."""

# auto_error off: the library's own refusal would be one more shape of error.
_bearer = HTTPBearer(
    auto_error=False,
    description="A token of this service (`dialog-acd token create`), or, where an identity provider is set, an "
    "access token or ID token (JWT) that it has made for this service.",
)
_Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_gates: dict[Callable[..., Any], frozenset[Role]] = {}


def may(*roles: Role) -> Any:
    """The dependency that lets these roles in and nobody else."""
    allowed = frozenset(roles)

    async def gate(request: Request, wiring: Wired, attempt: Noted, presented: _Presented) -> Principal:
        """Raises ``NotAuthenticated`` (without saying why), ``NoRole``, ``NotAllowed``, ``KeysUnavailable``."""
        route = request.scope["route"]
        attempt.action = f"{route.tags[0] if route.tags else 'api'}.{route.name.replace('_', '-')}"
        attempt.about = "/".join(str(part) for part in request.path_params.values())
        if presented is not None:
            try:
                attempt.by = await wiring.keys.principal(presented.credentials)
            except NotAuthenticated as refused:
                attempt.details["why"] = refused.why
                raise
            except NoRole as known:
                attempt.who = known.who
                raise
        if attempt.by is None:
            raise NotAuthenticated
        # An agent who speaks for the staff, or leads a shift, has figures of their own like everybody.
        oneself = allowed == {Role.AGENT} and Role.AGENT in attempt.by.also and attempt.by.agent is not None
        if attempt.by.role not in allowed and not oneself:
            raise NotAllowed(role=attempt.by.role.value, allowed=sorted(role.value for role in allowed))
        return attempt.by

    _gates[gate] = allowed
    return Depends(gate)


Onlooker = Annotated[Principal, may(Role.OPERATOR, Role.TOWN_ADMIN, Role.SUPERVISOR, Role.AUDITOR, Role.DESK)]
"""Who may see what is going on now; what they see ends where their town ends."""
Reader = Annotated[Principal, may(Role.OPERATOR, Role.TOWN_ADMIN, Role.SUPERVISOR, Role.AUDITOR)]
"""Every person with a token; likewise."""
Commander = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR)]
"""Who leads the agents' day."""
Namer = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.DESK)]
"""Who may say for which town a call was."""
Keeper = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.DESK, Role.TOWN_ADMIN)]
"""Who may say that a caller has been called back; a town's administrator one of the town's."""
Porter = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.TOWN_ADMIN)]
"""Who may close a number for a while; a town's administrator those of the town."""
Operator = Annotated[Principal, may(Role.OPERATOR)]
"""Who answers for all towns."""
Announcer = Annotated[Principal, may(Role.OPERATOR, Role.TOWN_ADMIN)]
"""Who may bring what callers hear."""
Whole = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.AUDITOR)]
"""Who may see all towns at once."""
Inspector = Annotated[Principal, may(Role.OPERATOR, Role.AUDITOR, Role.TOWN_ADMIN)]
"""Who may look into a town's affairs."""
Chronicler = Annotated[Principal, may(Role.OPERATOR, Role.AUDITOR, Role.TOWN_ADMIN, Role.STAFF_COUNCIL)]
"""Who may read who did what; the staff council what concerns its releases."""
Council = Annotated[Principal, may(Role.STAFF_COUNCIL)]
"""Who agrees to what comes near a person."""
Signatory = Annotated[Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.STAFF_COUNCIL)]
"""The two sides of a release."""
Concerned = Annotated[
    Principal, may(Role.OPERATOR, Role.SUPERVISOR, Role.TOWN_ADMIN, Role.AUDITOR, Role.STAFF_COUNCIL, Role.AGENT)
]
"""Who may know which policy holds for figures about staff."""
Oneself = Annotated[Principal, may(Role.AGENT)]
"""Who may see what is about themselves."""


async def scraper(request: Request, wiring: Wired, attempt: Noted) -> None:
    """The door of ``/metrics``. Its key is a file of its own and no row: figures are needed most while the database is
    away. Without one, who asks has to be on this machine, as many a scraper is; behind a proxy that says for whom
    it asks (``X-Forwarded-For``), whoever that is.

    Raises ``NotAuthenticated``, ``MetricsForThisMachine``.
    """
    attempt.action = "health.metrics"
    if wiring.scraper is None:
        if not _is_here(request):
            raise MetricsForThisMachine
        return
    way, _, presented = request.headers.get("authorization", "").partition(" ")
    mark = digest(presented.strip().encode("latin-1", "replace").decode(errors="replace"))
    if way.lower() != "bearer" or not hmac.compare_digest(mark, wiring.scraper):
        raise NotAuthenticated


def _is_here(request: Request) -> bool:
    try:
        address = ipaddress.ip_address(request.client.host.partition("%")[0] if request.client else "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def require_declarations(routes: Iterable[BaseRoute]) -> None:
    """Raise ``RuntimeError`` for a route that declares nobody and is not meant to be open."""
    for route in _each(routes):
        path = getattr(route, "path", type(route).__name__)
        if not isinstance(route, APIRoute):
            raise RuntimeError(f"{path}: only routes of FastAPI can say who may use them")  # noqa: TRY004
        declared = [d.call for d in route.dependant.dependencies if d.call in _gates]
        if len(declared) != (0 if path in OPEN else 1):
            raise RuntimeError(f"{path} has to declare who may use it, once; see dialog_acd.api.access.may")


def _each(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        # Newer FastAPI keeps an included router as one route; older copies its routes.
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _each(inner.routes)
