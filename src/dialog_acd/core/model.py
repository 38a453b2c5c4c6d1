"""The nouns: what exists in a centre, as immutable values.

Everything here is configuration or identity. What *happens* to these things lives in ``acd.py``;
how it is told lives in ``messages.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping

TenantId = NewType("TenantId", str)
QueueId = NewType("QueueId", str)
SkillId = NewType("SkillId", str)
AgentId = NewType("AgentId", str)
PartnerId = NewType("PartnerId", str)
CallId = NewType("CallId", str)
"""Asterisk's Uniqueid of the caller's channel; ``systemname`` makes it unique across machines."""
OfferId = NewType("OfferId", str)
"""Decimal digits; travels through the dialplan as part of an extension."""
Phone = NewType("Phone", str)
"""Name of a PJSIP endpoint, ``[0-9a-z-]{1,30}``: it travels through the dialplan as an extension."""


class EntryKind(StrEnum):
    """Why a number exists; reports keep the kinds apart (a town's own number against 115)."""

    MAIN_NUMBER = "main-number"
    SERVICE_115 = "115"
    CATCH_ALL = "catch-all"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the centre: a town, a county, a region."""

    id: TenantId
    name: str
    label: str
    """What an agent's phone shows in front of the caller's name; short, a display has about 20 characters."""


@dataclass(frozen=True, slots=True)
class FailsafeProfile:
    """What Asterisk does with a number's calls when this service is not there.

    Kept inside Asterisk (AstDB), because the day it is needed nobody is there to be asked.
    """

    name: str
    """``[a-z0-9-]{1,30}``."""
    group: str
    """Name of a static group in queues.conf (``acd-failsafe-<group>``)."""
    partner: PartnerId | None = None
    """Where calls go when the group did not answer; ``None``: nowhere, a dispatch call stays here."""
    hours: tuple[str, ...] = ()
    """Asterisk time specifications (``8:00-18:00,mon-fri,*,*``), any of which must match; empty: always open."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A dialled number, or a block of them, and where it leads."""

    number: str
    """E.164 with plus; for the national short number the literal ``115``; for the catch-all an empty text."""
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    failsafe: str
    """Name of a failsafe profile."""
    block: bool = False
    """The number is the head of a direct-dial block: longer numbers belong to it as well."""
    greeting: str | None = None
    """Prompt that must be heard before anybody may answer; it counts as waiting time. ``None``: none."""
    announcement: str | None = None
    """Prompt the agent hears before the two are connected (the town's name)."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """The one overflow step of the first form: after so long, try this partner."""

    after: timedelta
    partner: PartnerId


@dataclass(frozen=True, slots=True)
class Queue:
    """Where calls wait, and what their callers need."""

    id: QueueId
    name: str
    skill: SkillId
    level: int = 1
    """Least level of the skill that serves, 1 to 5."""
    ring_for: timedelta = timedelta(seconds=20)
    wrap_up_for: timedelta = timedelta(seconds=10)
    max_wait: timedelta = timedelta(minutes=15)
    """After this the caller leaves the queue for the number's failsafe profile, with or without us."""
    target: timedelta = timedelta(seconds=30)
    """Waits up to and including this count as answered in time."""
    target_share: float = 0.75
    overflow: Overflow | None = None
    music: str = "acd"
    """Music-on-hold class."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who takes calls, and the phone at the place where they sit."""

    id: AgentId
    name: str
    phone: Phone
    skills: Mapping[SkillId, int] = field(default_factory=dict)
    """Skill to level, 1 to 5."""
    team: str = ""

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Partner:
    """A foreign centre that takes our calls."""

    id: PartnerId
    """Also the name of its PJSIP endpoint, ``[0-9a-z-]{1,30}``."""
    name: str
    number: str
    """Number to dial there, digits and plus only."""
    ring_for: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Trunk:
    """How one way in writes numbers (domain rule: a format is a property of the trunk, never guessed)."""

    name: str
    number_format: str = "national"
    """``national`` accepts +49, 0049 and 0 forms; ``cc-no-plus`` means 49... without plus; ``subscriber``
    completes bare numbers with the local area code."""
    area_code: str = "511"
    """Local area code (ONKz) without its leading zero."""
    country_code: str = "49"
