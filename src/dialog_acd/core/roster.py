"""The people who take calls: what each of them wants, does and can, and what follows from that for the matching.

Three independent axes (``lifecycle.py``). Whoever changes one of them does it here, so that three things cannot
drift apart: the agent, what is told about the agent, and whether the matching holds them for idle.

Idle time counts from the end of the last conversation's wrap-up (or from getting ready): a phone that was set aside,
in use, or not answered in time does not send its agent to the end of the row.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import Intent, PhoneState, Work
from dialog_acd.core.live import Due, LiveAgent
from dialog_acd.core.matching import Matching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import AgentId, Phone

SET_ASIDE = timedelta(seconds=5)
"""A phone that would not ring gets no offer for so long, or until its state changes."""


class Roster:
    """All agents of the directory, and those of an earlier one who are still in a conversation."""

    def __init__(
        self,
        directory: Directory,
        now: datetime,
        tell: Callable[[m.Order | m.Notice], None],
        note_due: Callable[[LiveAgent, Due, datetime], None],
    ) -> None:
        """``tell`` takes what follows from a change, ``note_due`` an agent's new deadline."""
        self._tell, self._note_due = tell, note_due
        self._directory = directory
        self._agents: dict[AgentId, LiveAgent] = {a.id: LiveAgent(a, now, now) for a in directory.agents}
        self._standing: dict[AgentId, str] = {}
        self.standing: Counter[str] = Counter()
        """How many of those signed in are ``idle``, ``talking``, ``wrap-up``, ``not-ready``, ...: one word each."""
        self.matching = Matching(directory.plan)

    def __getitem__(self, agent: AgentId) -> LiveAgent:
        return self._agents[agent]

    def __iter__(self) -> Iterator[LiveAgent]:
        return iter(self._agents.values())

    def get(self, agent: AgentId) -> LiveAgent | None:
        return self._agents.get(agent)

    def everybody(self) -> Collection[LiveAgent]:
        return self._agents.values()

    def at(self, phone: Phone | None) -> LiveAgent | None:
        """Whose phone it is."""
        known = self._directory.agent_at.get(phone) if phone else None
        return self._agents.get(known.id) if known else None

    def remember(self, intents: Iterable[m.RememberIntent]) -> None:
        """What agents wanted when the service last ran. Nobody is told: nothing has changed."""
        for kept in intents:
            if (agent := self._agents.get(kept.agent)) is not None:
                agent.intent, agent.reason = Intent(kept.intent), kept.reason
                self._stand(agent)

    # ---------------------------------------------------------------- the three axes

    def set_work(self, agent: LiveAgent, work: Work, why: str, now: datetime) -> None:
        if agent.work is not work:
            self._tell(m.AgentChanged(agent.agent.id, "work", agent.work, work, why))
            agent.work, agent.since = work, now
        if work is Work.IDLE and agent.agent.id not in self._directory.agent:
            # The last conversation of somebody whom the directory no longer knows is over.
            self._agents.pop(agent.agent.id, None)
        self._stand(agent)

    def set_intent(self, agent: LiveAgent, intent: Intent, reason: str, now: datetime) -> None:
        if agent.intent is intent and agent.reason == reason:
            return
        self._tell(m.AgentChanged(agent.agent.id, "intent", agent.intent, intent, reason))
        if agent.intent is not Intent.READY and intent is Intent.READY:
            agent.idle_since = now
        agent.intent, agent.reason, agent.since = intent, reason, now
        self._tell(m.RememberIntent(agent.agent.id, intent.value, reason, now))
        self._stand(agent)

    def set_phone(self, agent: LiveAgent, state: PhoneState) -> None:
        if state is PhoneState.REACHABLE:
            agent.deadlines.pop(Due.ASIDE_ENDS, None)
        if agent.phone is not state:
            self._tell(m.AgentChanged(agent.agent.id, "phone", agent.phone, state, "switch"))
            agent.phone = state
        self._stand(agent)

    def set_aside(self, agent: LiveAgent, now: datetime) -> None:
        """The phone would not ring."""
        self._note_due(agent, Due.ASIDE_ENDS, now + SET_ASIDE)
        self._stand(agent)

    def wrap_up(self, agent: LiveAgent, length: timedelta, now: datetime) -> None:
        """A conversation is over."""
        if length > timedelta():
            self.set_work(agent, Work.WRAP_UP, "after-call work", now)
            self._note_due(agent, Due.WRAP_UP_ENDS, now + length)
        else:
            agent.idle_since = now
            self.set_work(agent, Work.IDLE, "no wrap-up", now)

    def due(self, agent: LiveAgent, due: Due, now: datetime) -> None:
        """An agent's deadline has come."""
        if due is Due.WRAP_UP_ENDS:
            agent.idle_since = now
            self.set_work(agent, Work.IDLE, "wrap-up over", now)
        else:
            self._stand(agent)  # ASIDE_ENDS: being gone from the deadlines is all there is to it

    # ---------------------------------------------------------------- the matching's view

    def _stand(self, agent: LiveAgent) -> None:
        """Tell the matching, and count, what has become of an agent."""
        name, matching = agent.agent.id, self.matching
        known = self._agents.get(name) is agent and name in self._directory.agent
        there = known and agent.intent is not Intent.SIGNED_OUT
        standing = _standing(agent) if there else ""
        before = self._standing.get(name, "")
        self._count(name, standing)
        if not known:
            return
        presence = (there, agent.intent is Intent.READY, agent.phone is not PhoneState.UNREACHABLE)
        if agent.presence != presence:  # seldom; work changes with every offer
            agent.presence = presence
            matching.works(name, there and presence[1])
            matching.reaches(name, there and presence[2])
            if there:
                matching.signs_in(name)
        if standing == "idle":
            if before != "idle" or not matching.is_idle(name, agent.idle_since.timestamp()):
                matching.idles(name, agent.idle_since.timestamp())
        elif before == "idle":
            matching.busies(name)
        if not there:
            matching.signs_out(name)

    def take(self, directory: Directory, now: datetime) -> None:
        """A new directory. Whoever is gone ends their conversation; nobody gets a new one."""
        self._directory = directory
        present = self.matching.present
        self.matching = Matching(directory.plan)
        moved: list[LiveAgent] = []
        phones = {a.agent.phone: a.phone for a in self._agents.values()}
        for agent in directory.agents:
            ours = self._agents.get(agent.id)
            if ours is None:
                ours = self._agents[agent.id] = LiveAgent(agent, now, now)
                if (known := phones.get(agent.phone)) is not None and known is not ours.phone:
                    self._tell(m.AgentChanged(agent.id, "phone", ours.phone, known, "directory"))
                    ours.phone = known
                continue
            if ours.agent.phone != agent.phone:
                moved.append(ours)
            ours.agent = agent
        for ours in list(self._agents.values()):
            ours.presence = None  # the new matching knows nobody yet
            if ours.agent.id not in directory.agent:
                self.set_intent(ours, Intent.SIGNED_OUT, "", now)
                self._count(ours.agent.id, "")
                if ours.work is Work.IDLE:
                    del self._agents[ours.agent.id]
        self.matching.come_in(self._there(present))
        for ours in moved:
            # The old phone says nothing of the new. If that was somebody's, it is known, else the next picture tells.
            self.set_phone(ours, phones.get(ours.agent.phone, PhoneState.UNREACHABLE))

    def _there(self, present: Iterable[AgentId]) -> Iterator[tuple[AgentId, bool, bool, float | None]]:
        """Those of them who are still known, as the matching wants to know it. Told one by one, it takes too long."""
        for name in present:
            agent = self._agents.get(name)
            if agent is None or agent.intent is Intent.SIGNED_OUT or name not in self._directory.agent:
                continue
            standing = _standing(agent)
            self._count(name, standing)
            ready, reachable = agent.intent is Intent.READY, agent.phone is not PhoneState.UNREACHABLE
            agent.presence = True, ready, reachable
            yield name, ready, reachable, agent.idle_since.timestamp() if standing == "idle" else None

    def _count(self, name: AgentId, standing: str) -> None:
        before = self._standing.get(name, "")
        if standing != before:
            self._standing[name] = standing
            self.standing[standing] += 1
            self.standing[before] -= 1


def _standing(agent: LiveAgent) -> str:
    if agent.work is not Work.IDLE:
        return agent.work.value
    if agent.intent is not Intent.READY:
        return "not-ready"
    if agent.phone is not PhoneState.REACHABLE:
        return f"phone-{agent.phone.value}"
    return "set-aside" if Due.ASIDE_ENDS in agent.deadlines else "idle"
