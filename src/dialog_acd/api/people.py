"""Who somebody is here whom the identity provider knows.

The provider says in a claim which groups a person is in; the operator says in the settings what a group may here.
A person's first group *in the sequence of the settings* counts, and only that one. There is no "most powerful" of two
roles: a supervisor may not read the audit log and an auditor may not command, and somebody is one town's or all
towns'. Adding roles up would make principals nobody has declared; so whoever writes the settings says which comes
first, and a person never gets more than one line of them says.

What the provider takes away is gone here with the next token, so tokens should live for minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dialog_acd.api.issuer import Issuer, fault_of_url
from dialog_acd.api.keys import Principal
from dialog_acd.api.problems import NoRole, NotAuthenticated
from dialog_acd.api.tokens import Role, fault_of_scope, without_tokens
from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

NAME_AT_MOST = 60
"""Characters of a name people chose for themselves."""
SUBJECT_AT_MOST = 255
"""Characters of ``sub``, which is for ever the same person's: OpenID Connect Core 1.0, section 2."""

_RUN_TOGETHER = re.compile(rf"=({'|'.join(Role)})(:[^=,]+)?\s*,")


class PeopleMisconfigured(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The settings about the identity provider cannot be used."""

    error_id = "oidc-misconfigured"


@dataclass(frozen=True, slots=True)
class Place:
    """What a group may here."""

    role: Role
    tenant: str | None


class People:
    def __init__(self, issuer: Issuer, claim: str, places: Mapping[str, Place], agent_claim: str = "") -> None:
        """``places``: by name of the group, those that count before others first. ``agent_claim``: what says which
        agent of the directory somebody is.
        """
        self.issuer = issuer
        self.places = places
        self._claim = claim
        self._agent_claim = agent_claim

    async def principal(self, token: str) -> Principal:
        """Whose token this is. Raises ``NotAuthenticated``, ``NoRole`` and ``KeysUnavailable``."""
        claims = await self.issuer.claims(token)
        subject = claims["sub"]
        if len(subject) > SUBJECT_AT_MOST:
            raise NotAuthenticated("a subject longer than OpenID Connect allows")
        who = _who(claims)
        groups = _names(claims, self._claim)
        found = [place for name, place in self.places.items() if name in groups]
        if not found:
            raise NoRole(who, self._claim)
        place, agent = found[0], None
        if any(one.role is Role.AGENT for one in found):
            named = _names(claims, self._agent_claim)
            if len(named) == 1:  # one of several would be a guess, and about somebody's figures
                [agent] = named
            elif place.role is Role.AGENT:
                raise NoRole(who, self._agent_claim)
        return Principal(
            who, place.role, place.tenant, f"oidc:{subject}", agent, frozenset(other.role for other in found[1:])
        )


def people_of(  # noqa: PLR0917  as many as there are settings
    issuer: str, audience: str, claim: str, roles: str, now: Callable[[], datetime], agent_claim: str = ""
) -> People | None:
    """What ``ACD_OIDC__...`` says; ``None`` where nothing is set.

    Raises ``PeopleMisconfigured`` with every fault.
    """
    if not (issuer or audience or roles):
        return None
    said = {"ISSUER": issuer, "AUDIENCE": audience, "CLAIM": claim, "ROLES": roles}
    faults = [f"ACD_OIDC__{name}: is missing" for name, value in said.items() if not value.strip()]
    if issuer and (fault := fault_of_url(issuer) or ("ends in a question" if set("?#") & set(issuer) else None)):
        faults.append(f"ACD_OIDC__ISSUER: {issuer!r} {fault}")
    places: dict[str, Place] = {}
    for line in filter(None, (line.strip() for line in roles.split(";"))):
        name, place, fault = _place(line)
        if place is None:
            faults.append(f"ACD_OIDC__ROLES: {line!r} {fault}")
        elif name in places:
            faults.append(f"ACD_OIDC__ROLES: {name!r} is there twice")
        else:
            places[name] = place
    if any(place.role is Role.AGENT for place in places.values()) and not agent_claim.strip():
        faults.append("ACD_OIDC__AGENT_CLAIM: is missing: it says which agent of the directory somebody is")
    if faults:
        raise PeopleMisconfigured("; ".join(faults))
    return People(Issuer(issuer, audience, now), claim, places, agent_claim.strip())


def _place(line: str) -> tuple[str, Place | None, str | None]:
    """``GROUP=ROLE`` or ``GROUP=ROLE:TOWN``. The last ``=`` counts: a group of a directory service has some itself."""
    name, _, place = (part.strip() for part in line.rpartition("="))
    role, _, tenant = (part.strip() for part in place.partition(":"))
    if not name or not role:
        return name, None, "is not GROUP=ROLE or GROUP=ROLE:TOWN"
    if _RUN_TOGETHER.search(line):
        return name, None, "is more than one: they are separated by a semicolon"
    if role not in tuple(Role):
        return name, None, f"names no role; there are: {', '.join(Role)}"
    if ":" in place and not tenant:
        return name, None, "names no town after the colon"
    # Which agent, says each person's token.
    agent = "themselves" if role == Role.AGENT else None
    if (fault := fault_of_scope(Role(role), tenant or None, agent)) is not None:
        return name, None, f"does not fit: {fault.partition(':')[0]}"
    return name, Place(Role(role), tenant or None), None


def _names(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The texts under a claim; ``realm_access.roles`` is ``roles`` in ``realm_access``, unless a claim is called so."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return frozenset({found})
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def _who(claims: Mapping[str, Any]) -> str:
    """A name to be read, and the subject, by which it is always the same person and never one of our own tokens."""
    chosen = (claims.get(key) for key in ("preferred_username", "email"))
    name = next((text for text in chosen if isinstance(text, str) and text.strip()), "somebody")
    name, subject = without_tokens(name.strip())[:NAME_AT_MOST], claims["sub"]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in f"{name} ({subject})")
