"""What of the centre somebody sees: everything, or what is one town's.

Queues and agents of a shared centre have no single owner, so a town's part of the picture is

* the calls to the town's own numbers, and those for which it was named; a call of which nobody has said yet for which
  of several towns it is belongs to none of them;
* the queues to which a number of the town leads; where several towns share one, its figures count all of them,
  because a wait behind other towns' callers is a wait of the town's own;
* the agents who sit in the town hall (``home``). Who sits in the centre is not the town's staff;
* what a supervisor has switched about any of these queues, the town's own numbers, or the whole centre.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dialog_acd.api.problems import NoSuchQueue, NoSuchTenant, NotAllowed
from dialog_acd.core.model import UNASSIGNED, QueueId
from dialog_acd.core.switches import OF_QUEUES

if TYPE_CHECKING:
    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Entry
    from dialog_acd.core.view import AcdView


def sight(live: Live, by: Principal, tenant: str | None = None, queue: str | None = None) -> AcdView:
    """What somebody sees; with ``tenant`` that town's part of it, with ``queue`` only what is about this queue.

    Raises ``NoSuchTenant``, ``NoSuchQueue``, also for what somebody may not see: that it exists is not theirs to know.
    """
    return part(live.view(), live.directory(), seen_by(by, tenant, live.directory()), queue)


def seen_by(by: Principal, tenant: str | None, directory: Directory) -> str | None:
    """The one town that is looked at; ``None``: all. Raises ``NoSuchTenant``."""
    if tenant is None:
        return by.tenant
    if by.tenant not in (None, tenant) or tenant not in (UNASSIGNED, *directory.tenant):
        raise NoSuchTenant(tenant=tenant)
    return tenant


def sees_all_towns(by: Principal) -> None:
    """Raises ``NotAllowed`` for an auditor of one town, where what is told is that of all of them."""
    if by.tenant is not None:
        raise NotAllowed(role=by.role.value, tenant=by.tenant)


def part(view: AcdView, directory: Directory, tenant: str | None, queue: str | None) -> AcdView:
    """A part of the picture: a town's (or all), a queue's (or all). Raises ``NoSuchQueue``."""
    if tenant is not None:
        queues = {entry.queue for entry in directory.entries if entry.tenant == tenant}
        at_home = {agent.id for agent in directory.agents if agent.home == tenant}
        view = replace(
            view,
            queues=tuple(found for found in view.queues if found.id in queues),
            agents=tuple(agent for agent in view.agents if agent.id in at_home),
            calls=tuple(call for call in view.calls if call.tenant == tenant),
            switches=tuple(
                switch
                for switch in view.switches
                if switch.tenant in (None, tenant) and (switch.kind not in OF_QUEUES or switch.about in queues)
            ),
        )
    if queue is not None:
        found = directory.queue.get(QueueId(queue))
        if found is None or all(seen.id != queue for seen in view.queues):
            raise NoSuchQueue(queue=queue)
        able = {agent.id for agent in directory.able(found.id, -1)}
        view = replace(
            view,
            queues=tuple(seen for seen in view.queues if seen.id == queue),
            agents=tuple(agent for agent in view.agents if agent.id in able),
            calls=tuple(call for call in view.calls if call.queue == queue),
            switches=tuple(
                switch
                for switch in view.switches
                if not switch.about or (switch.kind in OF_QUEUES and switch.about == queue)
            ),
        )
    return view


def entry_in_sight(live: Live, by: Principal, number: str) -> Entry | None:
    """The entry with this number that is active now, as the directory or as a person writes it; a town's own alone."""
    entry = live.directory().entry_named(number, live.view().at)
    return entry if entry is not None and by.tenant in (None, entry.tenant) else None


def town_of_queue(live: Live, queue: str) -> str | None:
    """The town whose numbers alone lead there; ``None``: several towns', or nobody's."""
    into = [entry for entry in live.directory().entries if entry.queue == queue]
    towns = {town for entry in into for town in entry.candidates or (entry.tenant,)}
    return towns.pop() if len(towns) == 1 else None


def town_of_agent(live: Live, agent: str) -> str | None:
    """The town in whose hall the agent sits; ``None``: in the centre, or nobody knows the agent."""
    return next((found.home for found in live.directory().agents if found.id == agent), None)
