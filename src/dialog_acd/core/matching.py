"""Who serves whom: everybody who is idle, every call that waits, and the next pair to bring together.

The rule. A *call* that begins to wait (or widens what it accepts) looks for the best idle agent; an *agent* who
becomes idle looks for the best waiting call over all queues. Both ways, so nobody is idle beside a caller whom they
could serve, and nothing has to be scanned: before each signal no pair fits, so only what is *fresh* can make one.

Order of calls, for one agent: priority class first; inside it the largest ``(wait + boost) / target`` (Van Mieghem's
generalized largest delay, 2003), where each of the two parts counts only if the agent's team has switched it on.
Without both that is plain longest waiting. The wait counts from the place, which never changes.

Order of agents, for one call: by tiers (home town, best level: whatever the queue asks for), inside a tier the
longest idle; of two idle for equally long, who signed in first.

The structure. Agents who are alike in all that any rule asks for form a *group*; calls of one queue, tenant and step
form a *class*. Who may serve what is two families of bit sets (a Python int each): ``Class.groups`` and
``Group.classes``. A decision looks at the head of each class or group that is not empty and fits, so its cost depends
on how many kinds of calls and agents there are, not on how many calls and agents. Both lines are heaps with lazy
deletion: an entry counts only while it is the very one written down for its owner, and a heap of mostly forgotten
entries is built anew.

A step is skipped while nobody signed in could fulfil it: then the class borrows the groups of the first later step
that somebody can. That depends on who is signed in and is kept per class, not per call. The steps of one queue and
tenant are neighbours in number, the later one first, so a class that borrows from *n* steps later is *n* above its
lender, and the classes of a group follow from those it could serve if nothing were borrowed: one shift for each *n*
(``_classes_of``). So nobody's coming or going touches every group.

What follows from the directory alone is a ``Plan``: it is made once, aside, and a swap only brings in who is there.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core.model import AgentOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dialog_acd.core.model import (
        Agent,
        AgentId,
        CallId,
        Need,
        Queue,
        QueueId,
        SkillId,
        Step,
        Team,
        TeamId,
        TenantId,
    )

MOST_HELP = 30.0
"""Seconds: the most that service-level debt may move a call forward. Unbounded feedback oscillates and takes from
towns that are fine."""
HELP_PER_CALL = 5.0
"""Seconds of head start for each call a town is short of its contract today."""
FEW = 16
"""Up to so many groups, their heads are simply compared."""
SHOWN = 3
"""How many others a decision names."""


class Match(NamedTuple):
    """A pair, and why it is this one. All times in seconds."""

    call: CallId
    agent: AgentId
    chosen: str
    """``call``: the agent was there and chose among calls; ``agent``: the call chose among agents."""
    step: int
    """The step in force: skipped ones are left out."""
    waited: float
    score: float
    """What put the call first: its wait, as the team's rules weigh it."""
    tier: int
    """0: the best kind of agent the queue asks for."""
    idle: float
    others: tuple[tuple[str, float], ...]
    """The next best: the first calls of other lines with their score, or agents of the same tier with their idle
    time."""
    rivals: int
    """How many kinds of calls or agents were compared."""


class Staff(NamedTuple):
    """Who works for a queue: ready, whether free, talking or in wrap-up."""

    servers: float
    """Each counts one over the number of queues they serve."""
    dedicated: bool
    """They serve no other queue."""


@dataclass(slots=True)
class _Group:
    """Agents who are alike in all that any rule asks for."""

    number: int
    sample: Agent
    by_target: bool
    help_debt: bool
    serving: int
    """Bit set of the classes whose own steps these agents fulfil."""
    classes: int = 0
    """Bit set of the classes whose calls they may serve, as of the stamp."""
    stamp: int = -1
    idle: list[_Idle] = field(default_factory=list)
    free: int = 0
    present: int = 0
    """Members who are signed in."""
    working: int = 0
    """Members who want calls, whatever they are doing now."""
    reached: int = 0
    """Members who are signed in at a phone that can be reached."""


@dataclass(slots=True)
class _Class:
    """Calls of one queue and tenant at one step, and of one other queue where they overflowed to it, too."""

    number: int
    queue: Queue
    tenant: TenantId
    step: int
    also: Also | None
    pace: float
    """1 / target."""
    own: int
    """Bit set of the groups that fulfil the step."""
    groups: int
    """Bit set of the groups that may serve now: those of the step in force."""
    in_force: int
    tiers: tuple[int, ...] = ()
    """``groups``, split by how the queue wants agents ordered, best first; worked out when first asked."""
    line: list[_Waiting] = field(default_factory=list)
    waiting: int = 0
    boost: float = 0.0


Also = tuple["QueueId", int]
"""Another queue whose agents may serve the call, too, and at which of its steps."""
_Idle = tuple[float, int, "AgentId", int]
"""Idle since, order of signing in, agent, number of the group."""
_Waiting = tuple[float, int, "CallId", int]
"""Place (arrival and order of arrival), call, number of the class."""


def fulfils(agent: Agent, step: Step) -> bool:
    """Whether the agent's skills are enough for the step. Lines are another question (``may_serve``)."""
    return all(agent.skills.get(need.skill, 0) >= need.level for need in step.needs)


def may_serve(agent: Agent, queue: Queue, step: Step) -> bool:
    """Whether the agent could take the queue's calls at this step."""
    return (not agent.lines or queue.id in agent.lines) and fulfils(agent, step)


def _mask(numbers: Iterable[int]) -> int:
    bits = bytearray()
    for number in numbers:
        while number >> 3 >= len(bits):
            bits.extend(bytes(len(bits) or 8))
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def bits(mask: int) -> Iterator[int]:
    """The numbers in a bit set, the least first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Plan:
    """What follows from a directory alone: who is alike, and who could serve what. Does not change."""

    def __init__(
        self,
        queues: Iterable[Queue],
        agents: Iterable[Agent],
        teams: Iterable[Team] = (),
        expected: Iterable[tuple[QueueId, TenantId]] = (),
    ) -> None:
        """``expected``: of which queue and tenant calls are to be expected."""
        self.queues: dict[QueueId, Queue] = {q.id: q for q in queues}
        self.kinds: list[tuple[Agent, bool, bool]] = []
        """For each group one of its agents, and its team's rules (by target, help for debt)."""
        self.group_of: dict[AgentId, int] = {}
        self._form_groups(agents, {t.id: t for t in teams})
        self._skilled: dict[SkillId, list[tuple[int, int]]] = {}
        """Level and number of the groups that have a skill."""
        unbound: list[int] = []
        bound: dict[QueueId, list[int]] = {}
        for number, (agent, *_) in enumerate(self.kinds):
            for skill, level in agent.skills.items():
                self._skilled.setdefault(skill, []).append((level, number))
            for line in agent.lines:
                bound.setdefault(line, []).append(number)
            if not agent.lines:
                unbound.append(number)
        self._unbound, self._bound = _mask(unbound), {queue: _mask(numbers) for queue, numbers in bound.items()}
        self._having: dict[Need, int] = {}
        self.own = {q.id: tuple(self._groups_for(q, step) for step in q.steps) for q in self.queues.values()}
        """Of each queue and step, the groups that fulfil it, as a bit set."""
        self.first: dict[tuple[QueueId, TenantId], int] = {}
        """Of each expected queue and tenant, the number of their first class: that of the last step."""
        self.serving: list[int] = [0] * len(self.kinds)
        """Of each group, the expected classes it could serve."""
        classes: dict[int, list[int]] = {}
        number = 0
        for expected_one in expected:
            if expected_one in self.first:
                continue
            self.first[expected_one] = number
            for own in reversed(self.own[expected_one[0]]):
                classes.setdefault(own, []).append(number)
                number += 1
        self.size = number
        """How many classes there will be, if nothing else comes."""
        for own, numbers in classes.items():
            served = _mask(numbers)
            for group in bits(own):
                self.serving[group] |= served

    def _form_groups(self, agents: Iterable[Agent], teams: dict[TeamId, Team]) -> None:
        thresholds: dict[SkillId, set[int]] = {}
        exact: set[SkillId] = set()
        for queue in self.queues.values():
            for step in queue.steps:
                for need in step.needs:
                    thresholds.setdefault(need.skill, set()).add(need.level)
            if queue.agent_order is AgentOrder.BEST_LEVEL and queue.steps[0].needs:
                exact.add(queue.steps[0].needs[0].skill)
        homes = any(queue.home_first for queue in self.queues.values())
        found: dict[object, int] = {}
        for agent in agents:
            known = frozenset(
                (skill, level if skill in exact else sum(level >= least for least in thresholds[skill]))
                for skill, level in agent.skills.items()
                if skill in thresholds
            )
            team = teams.get(agent.team) if agent.team is not None else None
            rules = (team is not None and team.by_target, team is not None and team.help_debt)
            key = (known, rules, agent.home if homes else None, agent.lines)
            number = found.get(key)
            if number is None:
                number = found[key] = len(self.kinds)
                self.kinds.append((agent, *rules))
            self.group_of[agent.id] = number

    def _groups_having(self, need: Need) -> int:
        mask = self._having.get(need)
        if mask is None:
            able = (number for level, number in self._skilled.get(need.skill, ()) if level >= need.level)
            mask = self._having[need] = _mask(able)
        return mask

    def _groups_for(self, queue: Queue, step: Step) -> int:
        mask = self._unbound | self._bound.get(queue.id, 0)
        for need in step.needs:
            mask &= self._groups_having(need)
        return mask


class Matching:
    """Everybody who is idle and every call that waits. Made anew for each directory; see the head of this file."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._queues = plan.queues
        self._groups = [
            _Group(number, *kind, serving)
            for number, (kind, serving) in enumerate(zip(plan.kinds, plan.serving, strict=True))
        ]
        self._classes: dict[int, _Class] = {}
        """By number: those that calls have come for."""
        self._next_class = plan.size
        self._classes_in: dict[QueueId, list[_Class]] = {q: [] for q in self._queues}
        self._class_of: dict[tuple[QueueId, TenantId, int, Also | None], _Class] = {}
        self._borrowing: list[int] = [0]
        """Of each *n*, the classes whose step in force is *n* steps later, as a bit set."""
        self._stamp = 0
        """Rises whenever a step in force, or a class, is another."""
        self._idle: dict[AgentId, _Idle] = {}
        self._row: list[_Idle] = []
        """Everybody idle, the longest first, from ``_row_from`` on; forgotten entries included. For where very many
        groups fit."""
        self._row_from = 0
        self._waiting: dict[CallId, _Waiting] = {}
        self._ranked: dict[QueueId, list[_Waiting]] = {}
        """Lines in order, made when somebody asks for a position, forgotten at the next change."""
        self._present: dict[AgentId, int] = {}
        """Who is signed in, and as the how-manieth."""
        self._signed_in = 0
        self._idle_groups = 0
        self._present_groups = 0
        self._reached: set[AgentId] = set()
        self._reached_groups = 0
        self._working: set[AgentId] = set()
        self._serves: list[int] = []
        """For each group, how many queues it serves; worked out when first asked."""
        self._staff: dict[int, Staff] = {}
        """Forgotten whenever somebody begins or ends work."""
        self._filled = 0
        """Bit set of the classes in which calls wait."""
        self._of_priority = dict.fromkeys(sorted({q.priority for q in self._queues.values()}, reverse=True), 0)
        self._help: dict[tuple[QueueId, TenantId], float] = {}
        self._fresh_agents: list[_Idle] = []
        self._fresh_calls: list[_Waiting] = []

    # ---------------------------------------------------------------- kinds of calls

    def _class(self, queue_id: QueueId, tenant: TenantId, wanted: int, also: Also | None = None) -> _Class:
        made = self._class_of.get((queue_id, tenant, wanted, also))
        if made is not None:
            return made
        # All steps, the last first: what a skipped step borrows must be there, and be its neighbour.
        queue = self._queues[queue_id]
        number = self._plan.first.get((queue_id, tenant)) if also is None else None
        if number is None:
            number = self._next_class
            self._next_class += len(queue.steps)
            self._make_known(queue_id, also, number)
        pace = 1.0 / max(queue.target.total_seconds(), 1.0)
        boost, these = self._help.get((queue_id, tenant), 0.0), 0
        for step in reversed(range(len(queue.steps))):
            own = self._own(queue_id, step, also)
            made = _Class(number, queue, tenant, step, also, pace, own, own, step)
            made.boost = boost
            self._classes[number] = made
            self._classes_in[queue_id].append(made)
            self._class_of[queue_id, tenant, step, also] = made
            these |= 1 << number
            number += 1
            self._borrowing[0] |= 1 << made.number
            self._put_in_force(made)
        self._of_priority[queue.priority] |= these
        self._stamp += 1
        return self._class_of[queue_id, tenant, wanted, also]

    def _own(self, queue: QueueId, step: int, also: Also | None) -> int:
        """The groups that fulfil a step, or that of the other queue a call has overflowed to."""
        own = self._plan.own[queue][step]
        if also is not None:
            other = self._plan.own[also[0]]
            own |= other[min(also[1], len(other) - 1)]
        return own

    def _make_known(self, queue: QueueId, also: Also | None, number: int) -> None:
        """Tell each group of classes that the plan did not expect."""
        for step in reversed(range(len(self._queues[queue].steps))):
            for group in bits(self._own(queue, step, also)):
                self._groups[group].serving |= 1 << number
            number += 1

    def _put_in_force(self, made: _Class) -> bool:
        """Find the step in force of a class. Says whether it has changed."""
        source, present = made, self._present_groups
        while not source.own & present and source.step + 1 < len(made.queue.steps):
            source = self._classes[source.number - 1]
        if not source.own & present:
            source = made  # nobody at all: skipping would say what is not so
        if source.step == made.in_force:
            return False
        bit, before, now = 1 << made.number, made.in_force - made.step, source.step - made.step
        while len(self._borrowing) <= now:
            self._borrowing.append(0)
        self._borrowing[before] &= ~bit
        self._borrowing[now] |= bit
        self._stamp += 1
        made.groups, made.in_force, made.tiers = source.own, source.step, ()
        return True

    def _classes_of(self, group: _Group) -> int:
        """Bit set of the classes whose calls these agents may serve, by the steps in force."""
        if group.stamp != self._stamp:
            classes = 0
            for later, borrowers in enumerate(self._borrowing):
                if borrowers:
                    classes |= borrowers & group.serving << later
            group.classes, group.stamp = classes, self._stamp
        return group.classes

    def _tiers(self, made: _Class) -> tuple[int, ...]:
        """The groups of a class, split by how its queue wants agents ordered, best first."""
        if made.tiers:
            return made.tiers
        made.tiers = self._in_tiers(made)
        return made.tiers

    def _in_tiers(self, made: _Class) -> tuple[int, ...]:
        queue = made.queue
        tiers: dict[tuple[bool, int], int] = {}
        needs = queue.steps[0].needs
        by_level = needs[0].skill if queue.agent_order is AgentOrder.BEST_LEVEL and needs else None
        if by_level is None and not queue.home_first:
            return (made.groups,)
        for number in bits(made.groups):
            agent = self._groups[number].sample
            away = queue.home_first and agent.home != made.tenant
            rank = (away, -agent.skills.get(by_level, 0) if by_level is not None else 0)
            tiers[rank] = tiers.get(rank, 0) | 1 << number
        return tuple(tiers[rank] for rank in sorted(tiers)) or (0,)

    # ---------------------------------------------------------------- what happens

    def signs_in(self, agent: AgentId) -> bool:
        """Somebody is there now, ready or not. Says whether a step in force has changed."""
        if agent in self._present:
            return False
        self._signed_in += 1
        self._present[agent] = self._signed_in
        group = self._group(agent)
        group.present += 1
        if group.present > 1:
            return False
        self._present_groups |= 1 << group.number
        return self._review()

    def _group(self, agent: AgentId) -> _Group:
        return self._groups[self._plan.group_of[agent]]

    def signs_out(self, agent: AgentId) -> bool:
        """Somebody is gone. Says whether a step in force has changed."""
        if self._present.pop(agent, None) is None:
            return False
        group = self._group(agent)
        group.present -= 1
        if group.present:
            return False
        self._present_groups &= ~(1 << group.number)
        return self._review()

    def come_in(self, agents: Iterable[tuple[AgentId, bool, bool, float | None]]) -> None:
        """Many are there at once, in the order of their signing in: whether they want calls, whether their phones can
        be reached, and since when they are available.
        """
        idle: list[tuple[float, int, AgentId]] = []
        for agent, working, reached, since in agents:
            self._signed_in += 1
            self._present[agent] = self._signed_in
            group = self._group(agent)
            group.present += 1
            self._present_groups |= 1 << group.number
            if working:
                group.working += 1
                self._working.add(agent)
            if reached:
                group.reached += 1
                self._reached.add(agent)
                self._reached_groups |= 1 << group.number
            if since is not None:
                idle.append((since, self._signed_in, agent))
        self._staff.clear()
        self._review()
        idle.sort()
        for since, _, agent in idle:
            self.idles(agent, since)

    def _review(self) -> bool:
        changed = False
        for made in self._classes.values():
            if self._put_in_force(made):
                changed = True
                # Calls that nobody idle could serve until now may have become servable.
                for number in bits(made.groups & self._idle_groups if made.waiting else 0):
                    self._fresh_agents += [e for e in self._groups[number].idle if self._idle.get(e[2]) is e]
        return changed

    def works(self, agent: AgentId, working: bool) -> None:
        """Whether the agent wants calls, whatever they are doing now."""
        if working == (agent in self._working):
            return
        self._staff.clear()
        self._group(agent).working += 1 if working else -1
        if working:
            self._working.add(agent)
        else:
            self._working.remove(agent)

    def staff(self, queue_id: QueueId) -> Staff:
        """Who works for a queue now, by its widest step."""
        # By the groups and not by the queue: in many centres anybody may serve any queue in the end.
        groups = self._plan.own[queue_id][-1]
        known = self._staff.get(groups)
        if known is not None:
            return known
        if not self._serves:
            self._serves = [0] * len(self._groups)
            for alike, queues in Counter(self._plan.own[queue][-1] for queue in self._queues).items():
                for number in bits(alike):
                    self._serves[number] += queues
        servers, dedicated = 0.0, True
        for number in bits(groups):
            working = self._groups[number].working
            servers += working / self._serves[number]
            dedicated = dedicated and (not working or self._serves[number] == 1)
        found = self._staff[groups] = Staff(servers, dedicated)
        return found

    def reaches(self, agent: AgentId, reached: bool) -> None:
        """Whether the agent's phone can be reached at all (ringing or talking, it can)."""
        if reached == (agent in self._reached):
            return
        group = self._group(agent)
        if reached:
            self._reached.add(agent)
        else:
            self._reached.remove(agent)
        group.reached += 1 if reached else -1
        if group.reached == (1 if reached else 0):
            self._reached_groups ^= 1 << group.number

    def idles(self, agent: AgentId, since: float) -> None:
        """An agent is available; ``since``: when the idle time began (seconds, any epoch the calls use, too)."""
        if agent in self._idle:
            self.busies(agent)
        group = self._group(agent)
        entry = (since, self._present.get(agent, 0), agent, group.number)
        self._idle[agent] = entry
        heapq.heappush(group.idle, entry)
        group.free += 1
        self._idle_groups |= 1 << group.number
        row = self._row
        if not row or row[-1] <= entry:
            row.append(entry)
        else:
            insort(row, entry, lo=self._row_from)
        if len(row) > len(self._idle) + len(self._idle) // 4 + 64:
            self._row, self._row_from = [e for e in row if self._idle.get(e[2]) is e], 0
        if len(self._fresh_agents) > 2 * len(self._idle) + 64:  # nobody asks, the switch being gone
            self._fresh_agents = [e for e in self._fresh_agents if self._idle.get(e[2]) is e]
        self._fresh_agents.append(entry)

    def busies(self, agent: AgentId) -> None:
        """An agent is no longer available."""
        entry = self._idle.pop(agent, None)
        if entry is None:
            return
        group = self._groups[entry[3]]
        group.free -= 1
        if not group.free:
            group.idle.clear()
            self._idle_groups &= ~(1 << group.number)
        elif len(group.idle) > 2 * group.free + 64:
            group.idle = [e for e in group.idle if self._idle.get(e[2]) is e]
            heapq.heapify(group.idle)

    def waits(  # noqa: PLR0917  the hottest call; names would cost a tenth of it
        self,
        call: CallId,
        queue: QueueId,
        tenant: TenantId,
        step: int,
        place: tuple[float, int],
        also: Also | None = None,
    ) -> None:
        """A call may be matched from now on; also said when what it accepts changes."""
        if call in self._waiting:
            self.leaves(call)
        into = self._class(queue, tenant, step, also)
        entry = (place[0], place[1], call, into.number)
        self._waiting[call] = entry
        if self._ranked:
            self._ranked.clear()
        heapq.heappush(into.line, entry)
        into.waiting += 1
        self._filled |= 1 << into.number
        if len(self._fresh_calls) > 2 * len(self._waiting) + 64:
            self._fresh_calls = [w for w in self._fresh_calls if self._waiting.get(w[2]) is w]
        self._fresh_calls.append(entry)

    def leaves(self, call: CallId) -> None:
        """A call may not be matched any more."""
        entry = self._waiting.pop(call, None)
        if entry is None:
            return
        if self._ranked:
            self._ranked.clear()
        left = self._classes[entry[3]]
        left.waiting -= 1
        if not left.waiting:
            left.line.clear()
            self._filled &= ~(1 << left.number)
        elif len(left.line) > 2 * left.waiting + 64:
            left.line = [e for e in left.line if self._waiting.get(e[2]) is e]
            heapq.heapify(left.line)

    def help_town(self, queue: QueueId, tenant: TenantId, short: float) -> None:
        """A town is ``short`` calls of its contract today (negative: it has some in hand)."""
        boost = min(max(short, 0.0) * HELP_PER_CALL, MOST_HELP)
        if self._help.get((queue, tenant), 0.0) == boost:
            return
        self._help[queue, tenant] = boost
        for made in self._classes_in[queue]:
            if made.tenant == tenant:
                made.boost = boost

    # ---------------------------------------------------------------- what is

    @property
    def stirred(self) -> bool:
        """Somebody has become idle, or some call has come, since ``next`` last found nothing."""
        return bool(self._fresh_agents or self._fresh_calls)

    def __contains__(self, call: object) -> bool:
        return call in self._waiting

    @property
    def present(self) -> Collection[AgentId]:
        """Who is signed in, in the order of their signing in."""
        return self._present.keys()

    def is_idle(self, agent: AgentId, since: float) -> bool:
        """Whether the agent is held for idle, since that moment."""
        entry = self._idle.get(agent)
        return entry is not None and entry[0] == since

    @property
    def idle(self) -> int:
        """Agents available now."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Calls that may be matched now."""
        return len(self._waiting)

    def anybody(self, queue: QueueId, tenant: TenantId) -> bool:
        """Whether somebody signed in could serve the queue at its widest step."""
        return bool(self._class(queue, tenant, len(self._queues[queue].steps) - 1).own & self._present_groups)

    def reachable(self, queue: QueueId, tenant: TenantId) -> bool:
        """Whether one of those (``anybody``) has a phone that can be reached."""
        widest = self._class(queue, tenant, len(self._queues[queue].steps) - 1)
        return bool(widest.own & self._present_groups & self._reached_groups)

    def waiting_in(self, queue: QueueId) -> int:
        """How many calls of the queue may be matched now."""
        return sum(made.waiting for made in self._classes_in[queue])

    def idle_elsewhere(self, queue: QueueId, tenant: TenantId, step: int) -> int | None:
        """How many idle agents may not take a call of the queue at this step; ``None``: too many kinds to count now."""
        if self._idle_groups.bit_count() > 4 * FEW:
            return None
        return len(self._idle) - self.free_for(queue, tenant, step)

    def ahead_of(self, call: CallId, queue: QueueId) -> int:
        """How many calls of the queue have an earlier place. For announcements: looks at each of them, and once for
        all who ask before the line has changed.
        """
        entry = self._waiting.get(call)
        if entry is None:
            return 0
        ranked = self._ranked.get(queue)
        if ranked is None:
            lines = (made.line for made in self._classes_in[queue] if made.waiting)
            live = self._waiting
            ranked = self._ranked[queue] = sorted(w for line in lines for w in line if live.get(w[2]) is w)
        return bisect_left(ranked, entry)

    def free_for(self, queue: QueueId, tenant: TenantId, step: int) -> int:
        """How many agents are idle who may take a call of the queue at this step."""
        return sum(self._groups[n].free for n in bits(self._class(queue, tenant, step).groups & self._idle_groups))

    # ---------------------------------------------------------------- the next pair

    def next(self, now: float) -> Match | None:
        """The next pair, taken out of both lines, or ``None`` when nobody who waits can be served by anybody idle.

        Of all idle agents for whom a call waits, the longest idle chooses among calls; the call chosen then takes the
        best agent for it, who need not be the same. Where only one call came, that is: the call takes its best agent.
        """
        agents, calls = self._fresh_agents, self._fresh_calls
        while agents and not self._may_begin(agents[-1]):
            agents.pop()
        while calls and not self._may_be_taken(calls[-1]):
            calls.pop()
        if not agents:
            if not calls:
                return None
            if len(calls) == 1:
                waiting = calls.pop()
                return self._for_call(self._classes[waiting[3]], waiting, now)
        if len(agents) == 1 and not calls:
            group = self._groups[agents[0][3]]
        else:
            agents[:] = filter(self._may_begin, agents)
            calls[:] = filter(self._may_be_taken, calls)
            fitting = 0
            for number in {waiting[3] for waiting in calls}:
                fitting |= self._classes[number].groups & self._idle_groups
            first = min([*agents, *(self._longest(self._groups[number]) for number in bits(fitting))])
            group = self._groups[first[3]]
        return self._for_agent(group, self._filled & self._classes_of(group), now)

    def _may_begin(self, entry: _Idle) -> bool:
        if self._idle.get(entry[2]) is not entry:
            return False
        group = self._groups[entry[3]]
        return bool(self._filled & (group.classes if group.stamp == self._stamp else self._classes_of(group)))

    def _may_be_taken(self, waiting: _Waiting) -> bool:
        of = self._classes[waiting[3]]
        return self._waiting.get(waiting[2]) is waiting and bool(of.groups & self._idle_groups)

    def _first(self, of: _Class) -> _Waiting:
        line, live = of.line, self._waiting
        while live.get(line[0][2]) is not line[0]:
            heapq.heappop(line)
        return line[0]

    def _longest(self, group: _Group) -> _Idle:
        idle, live = group.idle, self._idle
        while live.get(idle[0][2]) is not idle[0]:
            heapq.heappop(idle)
        return idle[0]

    def _for_agent(self, group: _Group, fitting: int, now: float) -> Match:
        if len(self._of_priority) > 1:
            fitting = next(filter(None, (fitting & of_priority for of_priority in self._of_priority.values())))
        classes, live = self._classes, self._waiting
        heads: list[_Waiting] = []
        while fitting:
            low = fitting & -fitting
            fitting ^= low
            of = classes[low.bit_length() - 1]
            head = of.line[0]
            # Looked at here as well as in _first: this line is run for every kind of call at every decision.
            heads.append(head if live.get(head[2]) is head else self._first(of))
        if group.by_target or group.help_debt:
            ranked = sorted((-self._score(group, classes[head[3]], now - head[0]), head) for head in heads)
            score, best = -ranked[0][0], ranked[0][1]
            others = tuple([(head[2], -lower) for lower, head in ranked[1 : SHOWN + 1]])
        else:
            heads.sort()  # the earliest place is the longest wait
            best = heads[0]
            score = now - best[0]
            others = tuple([(head[2], now - head[0]) for head in heads[1 : SHOWN + 1]])
        of = classes[best[3]]
        tier, agent, _, _ = self._best_agent(of)
        self.leaves(best[2])
        self.busies(agent[2])
        return Match(
            best[2], agent[2], "call", of.in_force, now - best[0], score, tier, now - agent[0], others, len(heads)
        )

    @staticmethod
    def _score(group: _Group, of: _Class, waited: float) -> float:
        """A wait, as the rules of the agent's team weigh it."""
        if group.help_debt:
            waited += of.boost
        return waited * of.pace if group.by_target else waited

    def _for_call(self, of: _Class, waiting: _Waiting, now: float) -> Match:
        tier, agent, others, rivals = self._best_agent(of)
        waited = now - waiting[0]
        self.leaves(waiting[2])
        self.busies(agent[2])
        return Match(
            waiting[2], agent[2], "agent", of.in_force, waited, waited, tier, now - agent[0],
            tuple((other[2], now - other[0]) for other in others), rivals,
        )  # fmt: skip

    def _best_agent(self, of: _Class) -> tuple[int, _Idle, list[_Idle], int]:
        """Tier, entry, the next best of that tier, and how many groups were compared."""
        for tier, groups in enumerate(of.tiers or self._tiers(of)):
            mask = groups & self._idle_groups
            if mask and len(self._idle) == 1:  # a backlog: whoever is freed is the only one
                return tier, next(iter(self._idle.values())), [], 1
            if mask:
                kinds = mask.bit_count()
                if found := self._longest_of_many(of, mask, kinds):
                    return tier, found[0], found[1:], kinds
                heads = [self._longest(self._groups[number]) for number in bits(mask)]
                heads.sort()
                return tier, heads[0], heads[1 : SHOWN + 1], len(heads)
        raise AssertionError("asked for an agent where none is idle")  # a defect of this file

    def _longest_of_many(self, of: _Class, mask: int, kinds: int) -> list[_Idle]:
        """The longest idle of these groups and the next few, by walking down the row of everybody idle.

        Where ``kinds`` groups fit, about one in ``idle / kinds`` agents does, so few have to be looked at, also where
        hardly two agents are alike; at the worst a few times the square root of all. Empty: not found that soon, and
        the heads of the groups have to be compared.
        """
        row, live = self._row, self._idle
        found: list[_Idle] = []
        start = self._row_from
        while live.get(row[start][2]) is not row[start]:  # ends: where groups are idle, somebody is
            start += 1
        self._row_from = start
        # Of very many groups, a bit of the group's classes is sooner looked at than one of the mask: it is shorter.
        one_tier, number, stamp, groups = len(of.tiers) == 1, of.number, self._stamp, self._groups
        far = FEW if kinds * kinds < len(row) else 8 * FEW + 8 * len(row) // kinds
        for entry in islice(row, start, start + far):
            if live.get(entry[2]) is not entry:
                continue
            group = groups[entry[3]]
            classes = group.classes if group.stamp == stamp else self._classes_of(group)
            if classes >> number & 1 and (one_tier or mask >> entry[3] & 1):
                found.append(entry)
                if len(found) > SHOWN:
                    break
        return found
