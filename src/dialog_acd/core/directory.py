"""The configuration snapshot: one immutable value, valid as a whole or not at all.

Routing never waits for a database: it asks this. An edit builds a new directory, checks it, and swaps it in
(``DirectoryChanged``); a live call takes the new rules at its next decision.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import EntryKind, Trunk
from dialog_acd.core.numbers import Number, NumberKind, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dialog_acd.core.model import (
        Agent,
        AgentId,
        Entry,
        FailsafeProfile,
        Partner,
        PartnerId,
        Phone,
        Queue,
        QueueId,
        Tenant,
        TenantId,
    )

_DIALPLAN_WORD = re.compile(r"[0-9a-z][0-9a-z-]{0,29}")
_E164 = re.compile(r"\+[0-9]{3,15}")


@dataclass(frozen=True)
class Resolution:
    """Where a dialled number leads, and how that was found."""

    entry: Entry
    number: Number
    why: str

    @property
    def known(self) -> bool:
        return self.entry.kind is not EntryKind.CATCH_ALL


@dataclass(frozen=True)
class Directory:
    """All tenants, numbers, queues, agents and partners. Raises ``DirectoryInvalid`` on contradiction."""

    tenants: tuple[Tenant, ...]
    queues: tuple[Queue, ...]
    entries: tuple[Entry, ...]
    agents: tuple[Agent, ...] = ()
    partners: tuple[Partner, ...] = ()
    failsafe_profiles: tuple[FailsafeProfile, ...] = ()
    trunks: tuple[Trunk, ...] = field(default_factory=lambda: (Trunk("trunk"),))

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise DirectoryInvalid(faults)

    # -- look-ups

    @cached_property
    def tenant(self) -> Mapping[TenantId, Tenant]:
        return {t.id: t for t in self.tenants}

    @cached_property
    def queue(self) -> Mapping[QueueId, Queue]:
        return {q.id: q for q in self.queues}

    @cached_property
    def agent(self) -> Mapping[AgentId, Agent]:
        return {a.id: a for a in self.agents}

    @cached_property
    def agent_at(self) -> Mapping[Phone, Agent]:
        return {a.phone: a for a in self.agents}

    @cached_property
    def partner(self) -> Mapping[PartnerId, Partner]:
        return {p.id: p for p in self.partners}

    @cached_property
    def catch_all(self) -> Entry:
        return next(e for e in self.entries if e.kind is EntryKind.CATCH_ALL)

    @cached_property
    def _exact(self) -> Mapping[str, Entry]:
        return {e.number: e for e in self.entries if e.kind is not EntryKind.CATCH_ALL}

    @cached_property
    def _blocks(self) -> Mapping[str, Entry]:
        return {e.number: e for e in self.entries if e.block}

    def number(self, dialled: str, trunk: str = "trunk") -> Number:
        """Read a dialled number by the profile of its trunk; an unknown trunk is read like the first one."""
        profile = next((t for t in self.trunks if t.name == trunk), self.trunks[0])
        return normalise(dialled, profile)

    def entry_for(self, dialled: str, trunk: str = "trunk") -> Resolution:
        """Entry of a dialled number: exact beats block, the longest block beats the shorter, else the catch-all.

        ``0511 7307`` alone is the head of the block and means its switchboard, so it belongs to the block too.
        """
        number = self.number(dialled, trunk)
        if number.kind in (NumberKind.E164, NumberKind.SERVICE_115):
            if (exact := self._exact.get(number.text)) is not None:
                return Resolution(exact, number, f"number {number.text}")
            for length in range(len(number.text), 3, -1):
                if (block := self._blocks.get(number.text[:length])) is not None:
                    return Resolution(block, number, f"block {block.number}")
        return Resolution(self.catch_all, number, "nobody owns this number")

    # -- consistency

    def _faults(self) -> Iterator[str]:
        yield from _twice("tenant", (t.id for t in self.tenants))
        yield from _twice("queue", (q.id for q in self.queues))
        yield from _twice("agent", (a.id for a in self.agents))
        yield from _twice("phone", (a.phone for a in self.agents))
        yield from _twice("partner", (p.id for p in self.partners))
        yield from _twice("failsafe profile", (p.name for p in self.failsafe_profiles))
        yield from _twice("number", (e.number for e in self.entries))
        if not self.trunks:
            yield "there is no trunk profile"
        tenants = {t.id for t in self.tenants}
        queues = {q.id for q in self.queues}
        partners = {p.id for p in self.partners}
        profiles = {p.name for p in self.failsafe_profiles}
        if sum(e.kind is EntryKind.CATCH_ALL for e in self.entries) != 1:
            yield "there must be exactly one catch-all entry, or a caller with an odd number is dropped"
        for entry in self.entries:
            who = f"entry {entry.number or entry.kind}"
            if entry.tenant not in tenants:
                yield f"{who} names tenant {entry.tenant!r}, which does not exist"
            if entry.queue not in queues:
                yield f"{who} names queue {entry.queue!r}, which does not exist"
            if entry.failsafe not in profiles:
                yield f"{who} names failsafe profile {entry.failsafe!r}, which does not exist"
            if entry.kind is EntryKind.MAIN_NUMBER and not _E164.fullmatch(entry.number):
                yield f"{who}: write the number in E.164, as +4951173070"
            if entry.kind is EntryKind.SERVICE_115 and entry.number != "115":
                yield f"{who}: an entry of kind 115 has the number 115"
        for queue in self.queues:
            if not 1 <= queue.level <= 5:
                yield f"queue {queue.id}: level {queue.level} is not between 1 and 5"
            if queue.ring_for.total_seconds() < 1:
                yield f"queue {queue.id}: a phone must ring for at least one second"
            if queue.overflow is not None and queue.overflow.partner not in partners:
                yield f"queue {queue.id} overflows to {queue.overflow.partner!r}, which does not exist"
        for agent in self.agents:
            if not _DIALPLAN_WORD.fullmatch(agent.phone):
                yield f"agent {agent.id}: phone {agent.phone!r} is not of the form [0-9a-z-], 1 to 30 characters"
            for skill, level in agent.skills.items():
                if not 1 <= level <= 5:
                    yield f"agent {agent.id}: level {level} of skill {skill} is not between 1 and 5"
        for partner in self.partners:
            if not _DIALPLAN_WORD.fullmatch(partner.id):
                yield f"partner {partner.id!r} is not of the form [0-9a-z-], 1 to 30 characters"
            if not re.fullmatch(r"\+?[0-9]{1,20}", partner.number):
                yield f"partner {partner.id}: number {partner.number!r} is not made of digits"
        for profile in self.failsafe_profiles:
            for word in (profile.name, profile.group):
                if not _DIALPLAN_WORD.fullmatch(word):
                    yield f"failsafe profile {profile.name!r}: {word!r} is not of the form [0-9a-z-]"
            if profile.partner is not None and profile.partner not in partners:
                yield f"failsafe profile {profile.name} names partner {profile.partner!r}, which does not exist"
            for hours in profile.hours:
                if not re.fullmatch(r"[0-9a-z:*-]+(,[0-9a-z*-]+){3}", hours):
                    yield f"failsafe profile {profile.name}: {hours!r} is not like 8:00-18:00,mon-fri,*,*"


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{what} {name!r} appears {times} times"
