"""Who was there: the time of groups of people, by half hour, and whether they were enough.

A group is a team; agents without a team are a group of their own (``WITHOUT_TEAM``). Nothing here is about a person
once the half hour is over: what is kept is sums of a group's milliseconds, and *how many* different people they are
of, because figures of fewer than five persons are shown to nobody (staff council, NPersVG section 67).

**What an agent's time is made of.** At any moment an agent is in one part, or not signed in:

- a call has them: *ringing*, *talking* (hold included), *wrap-up*. This counts also for somebody who signed out
  meanwhile, and is done with the call first;
- *pause*: they said that they take no calls, for whatever reason. That is the agreed break;
- *not ready*, and nobody has agreed to it: signed in and never ready yet, or put out of the round after a call they
  did not take;
- else they are ready: *unreachable* where their phone could not ring, *elsewhere* where it is in use for something
  else, *free* otherwise.

Somebody who went home without signing out is ready for hours on a phone that is switched off. No caller could have
reached them, so ``unreachable`` is kept apart and is no part of the time signed in; all other parts add up to it.

**Occupancy** (Auslastung) of a group is handling time (talking and wrap-up) out of the time signed in without breaks.
**Staffed** is who takes calls: free, ringing, talking or in wrap-up. **Needed** is how many of those Erlang C asks for
(nobody gives up, see ``erlang.py``), so that the half hour's callers are answered as promised. So it answers "were
enough people planned", and is no forecast of the service level: that some callers give up makes the line shorter.

**Which group is needed for which queue.** A queue is served by whoever fulfils its last step, and these people
are often of several teams, which serve other queues, too; how they would share its calls is decided by who happens to
be free, so any split of a need among them would be invented. Hence a need is reckoned for a *pool*: teams and
queues that hang together, directly or through others. Often that is the centre as a whole, with a dispatch desk beside
it. The callers of a pool stand in one line before all its people; where queues have different targets it takes as many
as the most demanding of them asks for. That is the least that is needed: where not everybody may take every call, it
is more. What a rung of a ladder lends from another pool is help, and plans nobody's day.

Half hours begin at :00 and :30 UTC; as Berlin is whole hours from that, they are half hours on the wall there, too, and
a day has 46, 48 or 50 of them. A moment is counted in whole milliseconds since 1970, cut off, so sums do not depend on
where a half hour was cut.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.erlang import erlang_c_agents
from dialog_acd.core.kpi import Mean, Ratio
from dialog_acd.core.lifecycle import Intent, PhoneState, Work
from dialog_acd.core.model import TeamId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import AgentId, QueueId

WITHOUT_TEAM = TeamId("-")
"""The group of all agents who are in no team. No team can have this id."""
HALF_HOUR = timedelta(minutes=30)
HALF_HOUR_MS = 1_800_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_UNASKED = frozenset({"signed-in", "rona", m.OfferFailure.DECLINED.value, m.OfferFailure.NOT_TALKED.value})
"""Why somebody is not ready without having said that they want a break."""


class Part(StrEnum):
    """What an agent's time is made of. See the head of this file."""

    FREE = "free"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    PAUSE = "pause"
    NOT_READY = "not-ready"
    ELSEWHERE = "elsewhere"
    UNREACHABLE = "unreachable"


_AT_WORK = {Work.OFFERED: Part.RINGING, Work.TALKING: Part.TALKING, Work.WRAP_UP: Part.WRAP_UP}


def part_of(intent: Intent, reason: str, work: Work, phone: PhoneState) -> Part | None:
    """Which part an agent's time goes to now; ``None``: they are not there."""
    if work is not Work.IDLE:
        return _AT_WORK[work]
    if intent is Intent.SIGNED_OUT:
        return None
    if intent is Intent.NOT_READY:
        return Part.NOT_READY if reason in _UNASKED else Part.PAUSE
    if phone is PhoneState.UNREACHABLE:
        return Part.UNREACHABLE
    return Part.ELSEWHERE if phone is PhoneState.IN_USE else Part.FREE


# ---------------------------------------------------------------- what a group's half hour was made of


@dataclass(frozen=True, slots=True)
class Attended:
    """What the people of one group did in one half hour. Milliseconds, of all of them together."""

    team: TeamId
    begins: datetime
    """UTC."""
    signed_in_ms: int
    """All but ``unreachable_ms``."""
    pause_ms: int
    not_ready_ms: int
    ringing_ms: int
    talking_ms: int
    wrap_up_ms: int
    elsewhere_ms: int
    unreachable_ms: int
    people: int
    """How many different people ``signed_in_ms`` is of. After a restart of ours within the half hour it may be too low,
    never too high. Who was moved to another team within the half hour is one of either."""
    working: int
    """The same for the time without breaks: whose time ``occupancy`` is made of, and who has to be enough of them for
    it to be shown."""
    calls: int
    """Conversations that began in it; so many calls stand behind the group's figures. One that lasts over a restart of
    ours is counted once more."""

    @property
    def free_ms(self) -> int:
        return self.signed_in_ms - self.pause_ms - self.not_ready_ms - self.elsewhere_ms - self._with_calls_ms

    @property
    def handling_ms(self) -> int:
        return self.talking_ms + self.wrap_up_ms

    @property
    def staffed_ms(self) -> int:
        """Of those who take calls."""
        return self.free_ms + self._with_calls_ms

    @property
    def _with_calls_ms(self) -> int:
        return self.ringing_ms + self.talking_ms + self.wrap_up_ms


@dataclass(slots=True)
class _Person:
    team: TeamId
    since: int
    """Milliseconds since 1970 up to which their time is written down."""
    intent: Intent = Intent.SIGNED_OUT
    reason: str = ""
    work: Work = Work.IDLE
    phone: PhoneState = PhoneState.UNREACHABLE
    part: Part | None = None


@dataclass(slots=True)
class _Sheet:
    """A group's half hour while it lasts: the only place that knows who the people are."""

    spent: Counter[Part] = field(default_factory=Counter)
    people: set[AgentId] = field(default_factory=set)
    working: set[AgentId] = field(default_factory=set)
    calls: int = 0


class Attendance:
    """Adds up the time of groups from the notices of the core, which are given to it as they come.

    It begins as the core does: with what agents wanted when the service last ran, no calls, and no phone in reach.
    """

    def __init__(self, directory: Directory, now: datetime, intents: Iterable[m.RememberIntent] = ()) -> None:
        self._now = _ms(now)
        self._people: dict[AgentId, _Person] = {}
        self._sheets: dict[tuple[int, TeamId], _Sheet] = {}
        self._team_of = _teams(directory)
        for kept in intents:
            if kept.agent in self._team_of:
                person = self._person(kept.agent)
                person.intent, person.reason = Intent(kept.intent), kept.reason
                person.part = _part(person)

    def note(self, notice: m.Notice, now: datetime) -> None:
        """Take in what the core has told; what is not about an agent's state changes nothing."""
        if not isinstance(notice, m.AgentChanged):
            return
        self._advance(now)
        person = self._person(notice.agent)
        if notice.axis == "work":
            person.work = Work(notice.after)
        elif notice.axis == "phone":
            person.phone = PhoneState(notice.after)
        else:
            person.intent, person.reason = Intent(notice.after), notice.why
        part = _part(person)
        if part is not person.part:
            self._write_down(notice.agent, person)
            person.part = part
            if part is Part.TALKING:
                self._sheet(self._now // HALF_HOUR_MS, person.team).calls += 1
        if part is None and notice.agent not in self._team_of:
            del self._people[notice.agent]

    def directory_changed(self, directory: Directory, now: datetime) -> None:
        """A new directory is in force: who has another team there counts for it from now on. Whoever it does not know
        goes on counting for their old one until they are done.
        """
        self._advance(now)
        self._team_of = _teams(directory)
        for name, person in list(self._people.items()):
            team = self._team_of.get(name)
            if team is None:
                if person.part is None:
                    del self._people[name]
            elif team != person.team:
                self._write_down(name, person)
                person.team = team

    def take(self, now: datetime) -> tuple[Attended, ...]:
        """What there is of each half hour that was not over when this was last asked, by time and group: totals since
        the beginning, not what was added. Half hours that are over by now are forgotten here.
        """
        self._advance(now)
        for name, person in self._people.items():
            self._write_down(name, person)
        current = self._now // HALF_HOUR_MS
        found = tuple(_attended(begun, team, self._sheets[begun, team]) for begun, team in sorted(self._sheets))
        self._sheets = {key: sheet for key, sheet in self._sheets.items() if key[0] >= current}
        return found

    def parts(self) -> Mapping[AgentId, Part]:
        """Who is there now, and in which part of their time."""
        return {name: person.part for name, person in self._people.items() if person.part is not None}

    def _advance(self, now: datetime) -> None:
        # Whoever asks late may have an earlier moment than was told already; time written down is not taken back.
        self._now = max(self._now, _ms(now))

    def _person(self, name: AgentId) -> _Person:
        person = self._people.get(name)
        if person is None:
            person = self._people[name] = _Person(self._team_of.get(name, WITHOUT_TEAM), self._now)
        return person

    def _sheet(self, number: int, team: TeamId) -> _Sheet:
        sheet = self._sheets.get((number, team))
        if sheet is None:
            sheet = self._sheets[number, team] = _Sheet()
        return sheet

    def _write_down(self, name: AgentId, person: _Person) -> None:
        begin, person.since, part = person.since, self._now, person.part
        if part is None:
            return
        while begin < self._now:
            number = begin // HALF_HOUR_MS
            end = min(self._now, (number + 1) * HALF_HOUR_MS)
            sheet = self._sheet(number, person.team)
            sheet.spent[part] += end - begin
            if part is not Part.UNREACHABLE:
                sheet.people.add(name)
                if part is not Part.PAUSE:
                    sheet.working.add(name)
            begin = end


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def _part(person: _Person) -> Part | None:
    return part_of(person.intent, person.reason, person.work, person.phone)


def _teams(directory: Directory) -> Mapping[AgentId, TeamId]:
    return {agent.id: agent.team or WITHOUT_TEAM for agent in directory.agents}


def _attended(number: int, team: TeamId, sheet: _Sheet) -> Attended:
    spent = sheet.spent
    return Attended(
        team=team,
        begins=_EPOCH + number * HALF_HOUR,
        signed_in_ms=spent.total() - spent[Part.UNREACHABLE],
        pause_ms=spent[Part.PAUSE],
        not_ready_ms=spent[Part.NOT_READY],
        ringing_ms=spent[Part.RINGING],
        talking_ms=spent[Part.TALKING],
        wrap_up_ms=spent[Part.WRAP_UP],
        elsewhere_ms=spent[Part.ELSEWHERE],
        unreachable_ms=spent[Part.UNREACHABLE],
        people=len(sheet.people),
        working=len(sheet.working),
        calls=sheet.calls,
    )


def occupancy(attended: Iterable[Attended]) -> Ratio:
    """Auslastung: handling time out of the time signed in without breaks, both in milliseconds."""
    handling = available = 0
    for one in attended:
        handling += one.handling_ms
        available += one.signed_in_ms - one.pause_ms
    return Ratio(handling, available)


# ---------------------------------------------------------------- were they enough


@dataclass(frozen=True, slots=True)
class Pool:
    """Teams and queues that hang together: the calls of these queues are all served by people of these teams."""

    teams: frozenset[TeamId]
    """Empty: nobody could serve these queues."""
    queues: frozenset[QueueId]
    """Empty: these people take no calls."""


def pools(directory: Directory) -> tuple[Pool, ...]:
    """All teams (and ``WITHOUT_TEAM``, where somebody is in none) and all queues, each in exactly one pool.

    Ask the directory that was in force then: another one has other pools.
    """
    found: list[tuple[set[TeamId], set[QueueId]]] = [
        ({team}, set()) for team in dict.fromkeys(agent.team or WITHOUT_TEAM for agent in directory.agents)
    ]
    able: dict[int, frozenset[TeamId]] = {}
    for queue in directory.queues:
        people = directory.able(queue.id, len(queue.steps) - 1)
        teams = able.get(id(people))  # the directory gives the same tuple for the same people
        if teams is None:
            teams = able[id(people)] = frozenset(agent.team or WITHOUT_TEAM for agent in people)
        joined: tuple[set[TeamId], set[QueueId]] = (set(teams), {queue.id})
        apart = []
        for pool in found:
            if pool[0] & teams:
                joined[0].update(pool[0])
                joined[1].update(pool[1])
            else:
                apart.append(pool)
        found = [*apart, joined]
    return tuple(Pool(frozenset(teams), frozenset(queues)) for teams, queues in found)


@dataclass(frozen=True, slots=True)
class Demand:
    """Calls of one queue that came in one half hour, and what was promised to them.

    A queue whose callers were promised different things has several of these.
    """

    begins: datetime
    """The half hour in which they came (``kpi.half_hour``)."""
    queue: QueueId
    calls: int
    """All offered ones, whatever became of them; without test calls."""
    handling_ms: int
    """Conversation and wrap-up of those that our own people answered, whenever that ended."""
    handled: int
    """How many that were."""
    share: float
    """What was promised: so large a share of the callers (0 to 1) ..."""
    within: timedelta
    """... is answered within so long."""


def needed(demands: Iterable[Demand], usual_ms: Mapping[QueueId, float] | None = None) -> int | None:
    """How many agents it takes at once for all that came in *one* half hour, in one line.

    ``usual_ms``: handling time to reckon with for queues of which nobody was answered in this half hour.
    ``None`` ("keine Daten"): there were calls, and nobody knows how long one takes.
    """
    load_ms, calls = 0.0, 0
    promised: set[tuple[float, timedelta]] = set()
    for demand in demands:
        if demand.calls <= 0:
            continue
        if demand.handled:
            aht_ms: float | None = demand.handling_ms / demand.handled
        else:
            aht_ms = (usual_ms or {}).get(demand.queue)
        if aht_ms is None:
            return None
        load_ms += demand.calls * aht_ms
        calls += demand.calls
        promised.add((demand.share, demand.within))
    if not calls:
        return 0
    if load_ms <= 0:
        return 1  # somebody has to pick up, if only for a moment
    return max(
        erlang_c_agents(load_ms / HALF_HOUR_MS, load_ms / calls / 1000, share, within.total_seconds())
        for share, within in promised
    )


@dataclass(frozen=True, slots=True)
class Staffed:
    """Personalkapazität of one half hour: who took calls, and how many it takes."""

    begins: datetime
    staffed_ms: int
    """Of all of them together: half an hour of one agent is 1 800 000."""
    calls: int
    needed: int | None
    """Agents at once; ``None``: nobody can say, see ``needed``."""

    @property
    def agents(self) -> Mean:
        """How many were there, on average over the half hour."""
        return Mean(self.staffed_ms, HALF_HOUR_MS)

    @property
    def needed_ms(self) -> int | None:
        return None if self.needed is None else self.needed * HALF_HOUR_MS


def staffing(attended: Iterable[Attended], demands: Iterable[Demand]) -> tuple[Staffed, ...]:
    """Staffed against needed in each half hour in which somebody was there or called, by time.

    Give it everything for the whole centre, or the teams and the queues of one pool. Only half hours that are over:
    one that has just begun has hardly any staffed time yet. A half hour in which nobody of a queue was answered is
    reckoned with the mean handling time of that queue over all that is given, else of all queues.
    """
    staffed: Counter[datetime] = Counter()
    for one in attended:
        staffed[one.begins] += one.staffed_ms
    came: dict[datetime, list[Demand]] = {}
    length: Counter[QueueId] = Counter()
    handled: Counter[QueueId] = Counter()
    for demand in demands:
        came.setdefault(demand.begins, []).append(demand)
        length[demand.queue] += demand.handling_ms
        handled[demand.queue] += demand.handled
    usual = {}
    if handled.total():
        of_all = length.total() / handled.total()
        usual = {queue: length[queue] / handled[queue] if handled[queue] else of_all for queue in length}
    found = []
    for begins in sorted(staffed.keys() | came.keys()):
        theirs = came.get(begins, [])
        found.append(Staffed(begins, staffed[begins], sum(d.calls for d in theirs), needed(theirs, usual)))
    return tuple(found)


def capacity(half_hours: Iterable[Staffed]) -> Ratio:
    """Agent half hours staffed out of those needed, in milliseconds: above 100 % there were more than it takes.

    What is too much at one time makes up for what is missing at another, so look at ``covered``, too. Half hours of
    which the need is not known are in neither number.
    """
    staffed = wanted = 0
    for one in half_hours:
        if one.needed_ms is not None:
            staffed += one.staffed_ms
            wanted += one.needed_ms
    return Ratio(staffed, wanted)


def covered(half_hours: Iterable[Staffed]) -> Ratio:
    """How much of what was needed was there at the time it was needed, in milliseconds: never above 100 %."""
    there = wanted = 0
    for one in half_hours:
        if one.needed_ms is not None:
            there += min(one.staffed_ms, one.needed_ms)
            wanted += one.needed_ms
    return Ratio(there, wanted)
