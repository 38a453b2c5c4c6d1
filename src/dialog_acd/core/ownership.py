"""What of a shared directory is one town's: what it may see of it, and what it may change.

A centre's directory belongs to all its towns together. A town's administrator answers for what callers of the town
hear and for when the town is served, and for nothing that another town would feel: not for who waits before whom, not
for numbers, contracts and dates, which are agreed upon.

``trespasses`` compares two whole directories, whatever the edit was that lies between them. So it need not know how
edits are made, and an edit of a kind that is invented later is not allowed by being forgotten here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from dialog_acd.core.calendars import Calendar
from dialog_acd.core.model import Agent, Entry, Prompt, Queue, Tenant, TenantId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dialog_acd.core.directory import Directory

SEEN_BY_A_TOWN = frozenset({"tenants", "entries", "calendars", "prompts", "queues", "agents"})
"""The sections of a directory of which a town sees its part; of the others nothing."""
OWN_OF_A_TENANT = frozenset({"answers"})
OWN_OF_AN_ENTRY = frozenset({"greeting", "announcement", "closed", "calendar"})
"""Fields that a town may change where the thing is its own."""
_PLAYED = "acd/"
"""In front of a prompt's id, where an entry names it."""

_T = TypeVar("_T")


def town_of(directory: Directory, thing: object) -> TenantId | None:
    """The one town a thing concerns; ``None``: several, or the centre."""
    match thing:
        case Tenant():
            return thing.id
        case Entry() | Calendar() | Prompt():
            return thing.tenant
        case Agent():
            return thing.home
        case Queue():
            into = [entry for entry in directory.entries if entry.queue == thing.id]
            towns = {town for entry in into for town in entry.candidates or (entry.tenant,)}
            return towns.pop() if len(towns) == 1 else None
    return None


def seen_by(directory: Directory, town: TenantId) -> Callable[[object], bool]:
    """Says of each thing of this directory whether the town sees it.

    It sees itself, its entries, the queues they lead to, the agents in its town hall, and calendars and prompts that
    are its own or that its entries use.
    """
    entries = [entry for entry in directory.entries if entry.tenant == town]
    queues = {entry.queue for entry in entries}
    calendars = {entry.calendar for entry in entries}
    played = {prompt for entry in entries for prompt in (entry.greeting, entry.announcement, entry.closed)}

    def seen(thing: object) -> bool:
        match thing:
            case Queue():
                return thing.id in queues
            case Calendar():
                return thing.tenant == town or thing.id in calendars
            case Prompt():
                return thing.tenant == town or f"{_PLAYED}{thing.id}" in played
        return town_of(directory, thing) == town

    return seen


def trespasses(before: Directory, after: Directory, town: TenantId) -> Iterator[str]:
    """What a town's administrator would change that is not the town's, one sentence each; nothing: they may.

    Theirs are the town's ``answers``; of its entries greeting, announcement, closed and calendar; and calendars and
    prompts that are the town's before and after, which they may also make and take away. An entry may be given a
    calendar or prompt that is the town's or the centre's, not one of another town.
    """
    for section in (field.name for field in fields(before)):
        old, new = getattr(before, section), getattr(after, section)
        match section:
            case "calendars" | "prompts":
                # Also what was handed over to the town, or by it, is missing in one of the two.
                if _not_of(old, town) != _not_of(new, town):
                    yield f"{section} that are not {town}'s own, or shall not be, are the centre's to change"
            case "tenants":
                yield from _changed_beyond(section, old, new, town, OWN_OF_A_TENANT)
            case "entries":
                yield from _changed_beyond(section, old, new, town, OWN_OF_AN_ENTRY)
                yield from _borrowed(before, after, town)
            case _ if old != new:
                yield f"{section.replace('_', ' ')} are the centre's to change"


def _not_of(things: Sequence[Calendar | Prompt], town: TenantId) -> list[Calendar | Prompt]:
    return [thing for thing in things if thing.tenant != town]


def _changed_beyond(
    section: str, old: Sequence[_T], new: Sequence[_T], town: TenantId, own: frozenset[str]
) -> Iterator[str]:
    """Where more has changed than these fields of the town's own things."""
    if len(old) != len(new):
        yield f"which {section} there are is the centre's to say"
        return
    for was, becomes in zip(old, new, strict=True):
        if was == becomes:
            continue
        if not isinstance(was, Tenant | Entry) or (was.id if isinstance(was, Tenant) else was.tenant) != town:
            yield f"{section} of others than {town} are not {town}'s to change"
            continue
        changed = [f.name for f in fields(was) if getattr(was, f.name) != getattr(becomes, f.name)]
        if beyond := [name for name in changed if name not in own]:
            theirs = ", ".join(sorted(own))
            yield f"of {section} {town} may change {theirs}, and {', '.join(beyond)} is the centre's to change"


def _borrowed(before: Directory, after: Directory, town: TenantId) -> Iterator[str]:
    foreign_calendars = {c.id for c in after.calendars if c.tenant not in (None, town)}
    foreign_prompts = {f"{_PLAYED}{p.id}" for p in after.prompts if p.tenant not in (None, town)}
    for was, becomes in zip(before.entries, after.entries, strict=False):
        if becomes.calendar != was.calendar and becomes.calendar in foreign_calendars:
            yield f"calendar {becomes.calendar} is another town's"
        for name in ("greeting", "announcement", "closed"):
            prompt = getattr(becomes, name)
            if prompt != getattr(was, name) and prompt in foreign_prompts:
                yield f"prompt {prompt.removeprefix(_PLAYED)} is another town's"
