"""What of the centre somebody sees: everything, or what is one town's.

Queues and agents of a shared centre have no single owner, so a town's part of the picture is

* the calls to the town's own numbers, and those for which it was named; a call of which nobody has said yet for which
  of several towns it is belongs to none of them;
* the queues to which a number of the town leads; where several towns share one, its figures count all of them,
  because a wait behind other towns' callers is a wait of the town's own;
* the agents who sit in the town hall (``home``). Who sits in the centre is not the town's staff;
* what a supervisor has switched about any of these queues, the town's own numbers, or the whole centre.

And who of the staff is named to whom (domain sheet 5.3). What many calls say of one agent added up is an evaluation of
that agent, whatever question it was asked by. So

* the live state tells names and what each does to who leads the day, operator and supervisor, because they have to
  see whose phone does not ring; to the desks who has which call, or nobody could name its town; to everybody else
  calls until somebody answers them, because where one agent is there the end of a call is the end of their talk, and
  counts, of five people or more, and of all they see together: two counts that differ by a filter differ by a person;
* calls that are over name nobody and tell nothing of how they were handled (when they ended, and who hung up). A
  single call does to an operator, as long as its caller may complain, and that is written down; a list only those whom
  a release names, in the months it is about, and that is, too;
* a list is not searched for an agent unless that agent is released for the whole time that is asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.api.problems import NoSuchQueue, NoSuchTenant, NotAllowed
from dialog_acd.api.schemas import Names
from dialog_acd.api.tokens import LEADING, Role
from dialog_acd.core.disclosure import PERSONS
from dialog_acd.core.lifecycle import CallState
from dialog_acd.core.model import UNASSIGNED, AgentId, Phone, QueueId, Statistics
from dialog_acd.core.releases import MOST_MONTHS, month_at, policy_of
from dialog_acd.core.retention import is_outside
from dialog_acd.core.switches import OF_QUEUES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dialog_acd.api.keys import Principal
    from dialog_acd.api.ports import Live, Wiring
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Entry
    from dialog_acd.core.records import CallRecord
    from dialog_acd.core.releases import Release
    from dialog_acd.core.view import AcdView, CallStory


def names_for(by: Principal, tenant: str | None = None, queue: str | None = None) -> Names:
    """Whom the live state, or this part of it, names to somebody."""
    return Names(
        agents=by.role in LEADING,
        calls=by.role in LEADING or by.role is Role.DESK,
        counts=tenant in (None, by.tenant) and queue is None,
    )


class Named:
    """Whom releases name to somebody now, in which months."""

    def __init__(
        self, releases: Sequence[Release], directory: Directory, at: datetime, *, rehearsal: bool = False
    ) -> None:
        self._releases, self._directory, self._at, self._rehearsal = releases, directory, at, rehearsal
        self._agents = {agent.id: agent for agent in directory.agents}
        self._phones = {agent.phone: agent.id for agent in directory.agents}
        self._partners = {str(partner.id) for partner in directory.partners}
        self._teams = Counter(agent.team for agent in directory.agents)

    def why_not(self, agent: str, month: str) -> str | None:
        """What is in the way of the agent's figures of this month; ``None``: nothing is."""
        if self._rehearsal:
            return "rehearsal"
        found = self._agents.get(AgentId(agent))
        if found is None or policy_of(self._directory, found) is not Statistics.RELEASED:
            return "policy"
        return None if any(r.covers(agent, month, self._at) for r in self._releases) else "release"

    def why_not_all(self, agent: str, since: datetime | None, to: datetime | None) -> str | None:
        """The same for all months of a time."""
        if since is None or to is None:
            return "months"
        first, last = month_at(since), month_at(max(since, to - timedelta(microseconds=1)))
        year, number = int(first[:4]), int(first[5:])
        for _ in range(MOST_MONTHS):
            month = f"{year}-{number:02}"
            if (why := self.why_not(agent, month)) is not None:
                return why
            if month == last:
                return None
            year, number = (year + 1, 1) if number == 12 else (year, number + 1)
        return "months"

    def tell(self, call: CallRecord, *, all_of_them: bool = False) -> tuple[CallRecord, bool]:
        """A call that is over, without what it says of people who are not named; and whether anybody is.

        ``all_of_them``: all are. How a call was handled is told with who handled it, or not at all.
        """
        month = month_at(call.t_in)

        def keep(agent: str) -> bool:
            return all_of_them or (bool(self._releases) and self.why_not(agent, month) is None)

        def phone(named: str | None) -> str | None:
            if not named or all_of_them:
                return named
            if (holder := self._phones.get(Phone(named))) is not None:
                return named if keep(holder) else None
            # An extension names the colleague who has it, and what is no number may be the phone of one who has left.
            return named if named in self._partners or (named.lstrip("+").isdigit() and is_outside(named)) else None

        offers = tuple(offer if keep(offer.agent) else replace(offer, agent="", why="") for offer in call.offers)
        told = call.agent is not None and keep(call.agent)
        less = replace(
            call,
            offers=offers,
            transferred_to=phone(call.transferred_to),
            failsafe_answered_by=phone(call.failsafe_answered_by),
        )
        # By the answer, not by the name: a call of which nobody knows any more who took it was still one person's.
        if (call.agent is not None or call.t_ans is not None) and not told:
            team = None if call.team is not None and self._teams[call.team] < PERSONS else call.team
            less = replace(
                less, agent=None, team=team, t_wrap_end=None, talk_ms=None, wrap_ms=None, hung_up_first="unknown"
            )
        return less, told or any(offer.agent for offer in offers)


async def named_to(wiring: Wiring, by: Principal) -> Named:
    """Whom releases name to somebody: nobody, but to the management; and nobody in a rehearsal."""
    at = wiring.now()
    releases = await wiring.agreements.agreed(at) if by.role in LEADING else ()
    return Named(releases, wiring.live.directory(), at, rehearsal=wiring.rehearsal)


def nameless_story(call: CallStory) -> CallStory:
    """A call that has not ended, without the names of agents; of one that was answered no more than that it was."""
    call = replace(
        call,
        now=replace(call.now, agent=None),
        agent=None,
        offers=tuple(replace(offer, agent="", why="") for offer in call.offers),
        transferred_to=None,
        failsafe_answered_by=None,
    )
    return call if call.t_ans is None else _until(call, call.t_ans)


def _until(call: CallStory, at: datetime) -> CallStory:
    """Its story up to a moment at which somebody answered: a caller who comes back to the queue says when they were
    done.
    """

    def told(moment: datetime | None) -> datetime | None:
        return moment if moment is not None and moment <= at else None

    return replace(
        call,
        now=replace(call.now, state=CallState.CONNECTED),
        t_wrap_end=None,
        t_ovf=told(call.t_ovf),
        t_ovf_ans=None,
        t_failsafe=None,
        t_callback=told(call.t_callback),
        partner=None,
        offers=tuple(offer for offer in call.offers if offer.at <= at),
        rungs=tuple(rung for rung in call.rungs if rung.at <= at),
    )


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
