"""What a token is, and what its holder may be.

A token is 256 random bits, and nobody remembers or chooses it. So its plain SHA-256 may lie in the database: slow
hashes and salts protect words that can be guessed, and there is nothing to guess here; whoever steals the table
would have to try 2^255 tokens for one of them. A fast hash also means that a request costs microseconds, and that
the hash itself can be the key to look a token up by.

The prefix lets a person, and a program that searches repositories for secrets, see what a lost line is.

Nothing slow is imported here: the command line asks for the roles before it knows what is wanted of it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.model import UNASSIGNED

PREFIX = "acd_"
FIRST = "admin"
"""Name of the first operator's key, the one in the token file. No other token may bear it."""

_TOKEN = re.compile(rf"\b{PREFIX}[\w-]{{8,}}")


class Role(StrEnum):
    OPERATOR = "operator"
    """Runs the centre's system: all towns, everything."""
    TOWN_ADMIN = "town-admin"
    """Administers one town and sees that one alone."""
    SUPERVISOR = "supervisor"
    """Leads the agents of the centre: sees all towns, commands agents and queues."""
    AUDITOR = "auditor"
    """Reads, changes nothing; all towns, or the one the token names."""
    DESK = "desk"
    """The program at the agents' places: sees who calls now, and names the town a call was for. Nothing else."""
    AGENT = "agent"
    """Somebody who takes calls: sees their own figures, where the policy is that they may. Nothing else."""
    STAFF_COUNCIL = "staff-council"
    """The Personalrat: reads policy, releases and who used them, agrees and revokes. Nothing else."""


LEADING = frozenset({Role.OPERATOR, Role.SUPERVISOR})
"""The management: who may ask for a release, and be told what it releases."""


class TokenRefused(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """A token like this cannot be made."""

    error_id = "token-refused"


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def without_tokens(text: str) -> str:
    """The text, where something in it looks like a token without that."""
    return _TOKEN.sub(f"{PREFIX}***", text)


def fault_of_scope(role: Role, tenant: str | None, agent: str | None = None) -> str | None:
    """Why this role does not go together with this town and this agent; ``None``: it does."""
    if (role is Role.AGENT) != bool(agent):
        return "an agent's token names the agent, and no other does: --agent"
    if tenant == UNASSIGNED:
        return f"{UNASSIGNED} is no town"
    if role is Role.TOWN_ADMIN and not tenant:
        return "a town-admin needs a town: --tenant"
    if role in (Role.AGENT, Role.STAFF_COUNCIL) and tenant is not None:
        return "who sits where says the directory: leave --tenant out"
    if role in (Role.OPERATOR, Role.SUPERVISOR, Role.DESK) and tenant is not None:
        # It would promise what nobody keeps: agents and queues serve several towns.
        return f"the work of a role like {role.value} has no limits at a town's border: leave --tenant out"
    return None
