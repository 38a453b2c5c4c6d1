"""The incremental matching against one that looks at everybody each time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.matching import HELP_PER_CALL, MOST_HELP, Match, Matching, Plan, may_serve
from dialog_acd.core.model import (
    Agent,
    AgentId,
    AgentOrder,
    CallId,
    Phone,
    Queue,
    QueueId,
    SkillId,
    Team,
    TeamId,
    TenantId,
)
from dialog_acd.core.rules import parse_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LANGENHAGEN, HANNOVER = TenantId("langenhagen"), TenantId("hannover")


def queue(name: str, *steps: str, **other: object) -> Queue:
    made = Queue(QueueId(name), name, tuple(parse_step(s) for s in steps or (f"from 0 s: {name}>=1",)))
    return replace(made, **other)  # type: ignore[arg-type]


def agent(
    name: str, team: str | None = None, home: str | None = None, lines: Sequence[str] = (), **skills: int
) -> Agent:
    return Agent(
        AgentId(name),
        name,
        Phone(name),
        {SkillId(skill): level for skill, level in skills.items()},
        TeamId(team) if team else None,
        TenantId(home) if home else None,
        frozenset(QueueId(line) for line in lines),
    )


@dataclass
class Hall:
    """A room with agents, in which calls wait; times in seconds from now on."""

    queues: Sequence[Queue]
    agents: Sequence[Agent]
    teams: Sequence[Team] = ()
    now: float = 0.0

    def __post_init__(self) -> None:
        self.matching = Matching(Plan(self.queues, self.agents, self.teams))
        for agent in self.agents:
            self.matching.signs_in(agent.id)
        self._places = 0

    def idle(self, *names: str) -> Hall:
        for name in names:
            self.now += 1
            self.matching.idles(AgentId(name), self.now)
        return self

    def waits(
        self, call: str, queue: str, step: int = 0, tenant: TenantId = HANNOVER, since: float | None = None
    ) -> Hall:
        self.now += 1
        self._places += 1
        place = (self.now if since is None else since, self._places)
        self.matching.waits(CallId(call), QueueId(queue), tenant, step, place)
        return self

    def pairs(self) -> list[tuple[str, str]]:
        return [(match.call, match.agent) for match in self.matches()]

    def matches(self) -> Iterator[Match]:
        while (match := self.matching.next(self.now)) is not None:
            yield match


# ---------------------------------------------------------------- which agent


def test_longest_idle_agent_gets_the_call() -> None:
    hall = Hall([queue("a")], [agent("anna", a=1), agent("bert", a=5)]).idle("anna", "bert")
    assert hall.waits("c1", "a").pairs() == [("c1", "anna")]


def test_best_level_comes_first_where_the_queue_says_so() -> None:
    best = queue("a", agent_order=AgentOrder.BEST_LEVEL)
    hall = Hall([best], [agent("anna", a=1), agent("bert", a=5), agent("cleo", a=5)]).idle("anna", "bert", "cleo")
    assert hall.waits("c1", "a").pairs() == [("c1", "bert")]


def test_best_level_of_what_the_queue_first_asks_for_also_after_it_was_widened() -> None:
    best = queue("a", "from 0 s: a>=4", "from 10 s: any", agent_order=AgentOrder.BEST_LEVEL)
    hall = Hall([best], [agent("boss", a=4), agent("zoe"), agent("anna", a=2)]).idle("zoe", "anna")
    assert hall.waits("c1", "a", step=1).pairs() == [("c1", "anna")]


def test_town_hall_answers_its_own_town_first() -> None:
    staff = [agent("centre", a=3), agent("townhall", a=3, home="langenhagen")]
    hall = Hall([queue("a", home_first=True)], staff).idle("centre", "townhall")
    assert hall.waits("c1", "a", tenant=LANGENHAGEN).pairs() == [("c1", "townhall")]
    hall = Hall([queue("a", home_first=True)], staff).idle("centre", "townhall")
    assert hall.waits("c1", "a", tenant=HANNOVER).pairs() == [("c1", "centre")]


def test_dispatch_desk_keeps_to_its_line() -> None:
    staff = [agent("desk", lines=["dispatch"], a=5, dispatch=5), agent("anna", a=1)]
    hall = Hall([queue("a", "from 0 s: any"), queue("dispatch")], staff).idle("desk", "anna")
    assert hall.waits("c1", "a").waits("c2", "a").waits("c3", "dispatch").pairs() == [("c3", "desk"), ("c1", "anna")]


# ---------------------------------------------------------------- which call


def test_freed_agent_takes_the_longest_waiting_call_of_all_queues() -> None:
    hall = Hall([queue("a"), queue("b")], [agent("anna", a=1, b=1)])
    assert hall.waits("c1", "b").waits("c2", "a").pairs() == []
    assert hall.idle("anna").pairs() == [("c1", "anna")]


def test_dispatch_call_goes_before_a_full_information_queue() -> None:
    hall = Hall([queue("a"), queue("dispatch", priority=5)], [agent("anna", a=1, dispatch=1)])
    for number in range(20):
        hall.waits(f"c{number}", "a")
    assert hall.waits("emergency", "dispatch").idle("anna").pairs() == [("emergency", "anna")]


def test_contract_of_20_s_presses_more_than_one_of_60_s_where_the_team_says_so() -> None:
    queues = [queue("a", target=timedelta(seconds=60)), queue("b", target=timedelta(seconds=20))]
    for by_target, first in ((False, "c1"), (True, "c2")):
        hall = Hall(queues, [agent("anna", team="t", a=1, b=1)], [Team(TeamId("t"), "t", by_target=by_target)])
        hall.waits("c1", "a", since=0).waits("c2", "b", since=10)
        hall.now = 30.0  # 30 of 60 s against 20 of 20 s
        hall.matching.idles(AgentId("anna"), 30.0)
        assert [pair[0] for pair in hall.pairs()][:1] == [first]


def test_town_below_its_contract_is_helped_by_at_most_half_a_minute() -> None:
    teams = [Team(TeamId("t"), "t", help_debt=True)]

    def first(ahead: float, short: float) -> str:
        hall = Hall([queue("a"), queue("b")], [agent("anna", team="t", a=1, b=1)], teams)
        hall.waits("fine", "a", since=0).waits("short", "b", since=ahead)
        hall.matching.help_town(QueueId("b"), HANNOVER, short)
        hall.now = 100.0
        hall.matching.idles(AgentId("anna"), 100.0)
        return hall.pairs()[0][0]

    assert first(ahead=HELP_PER_CALL - 1, short=1) == "short"
    assert first(ahead=HELP_PER_CALL + 1, short=1) == "fine"
    assert first(ahead=MOST_HELP - 1, short=1000) == "short"
    assert first(ahead=MOST_HELP + 1, short=1000) == "fine"
    assert first(ahead=1, short=-5) == "fine"


def test_agent_of_a_team_without_the_rule_takes_the_longest_waiting_all_the_same() -> None:
    teams = [Team(TeamId("t"), "t", help_debt=True), Team(TeamId("plain"), "plain")]
    hall = Hall([queue("a"), queue("b")], [agent("anna", team="plain", a=1, b=1)], teams)
    hall.matching.help_town(QueueId("b"), HANNOVER, 100)
    assert hall.waits("c1", "a").waits("c2", "b").idle("anna").pairs() == [("c1", "anna")]


# ---------------------------------------------------------------- steps


STEPS = ("from 0 s: a>=4", "from 15 s: a>=2", "from 30 s: any")


def test_call_waits_for_the_expert_who_is_signed_in_and_then_takes_the_next_best() -> None:
    hall = Hall([queue("a", *STEPS)], [agent("expert", a=4), agent("anna", a=2), agent("zoe")])
    hall.idle("zoe", "anna").waits("c1", "a")
    assert hall.pairs() == []
    assert hall.waits("c1", "a", step=1).pairs() == [("c1", "anna")]


def test_step_nobody_signed_in_could_fulfil_is_skipped() -> None:
    hall = Hall([queue("a", *STEPS)], [agent("expert", a=4), agent("anna", a=2), agent("zoe")])
    hall.idle("anna").waits("c1", "a")
    assert hall.pairs() == []
    assert hall.matching.signs_out(AgentId("expert"))
    [match] = hall.matches()
    assert (match.call, match.agent, match.step) == ("c1", "anna", 1)


def test_expert_who_signs_in_is_waited_for_again() -> None:
    hall = Hall([queue("a", *STEPS)], [agent("expert", a=4), agent("anna", a=2)])
    hall.matching.signs_out(AgentId("expert"))
    hall.idle("anna").matching.signs_in(AgentId("expert"))
    assert hall.waits("c1", "a").pairs() == []


def test_nobody_signed_in_skips_nothing() -> None:
    hall = Hall([queue("a", *STEPS)], [agent("expert", a=4)])
    assert hall.matching.anybody(QueueId("a"), HANNOVER)
    hall.matching.signs_out(AgentId("expert"))
    assert not hall.matching.anybody(QueueId("a"), HANNOVER)
    [pair] = hall.waits("c1", "a").idle("expert").matches()
    assert pair.step == 0


# ---------------------------------------------------------------- places


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abx")), max_size=40))
def test_position_is_how_many_of_the_queue_came_before(happenings: list[tuple[int, str]]) -> None:
    hall, there = Hall([queue("a"), queue("b")], [agent("anna", a=1)]), dict[str, str]()
    for n, where in happenings:
        call = f"c{n}"
        if where == "x":
            hall.matching.leaves(CallId(call))
            there.pop(call, None)
        elif call not in there:
            hall.waits(call, where)
            there[call] = where
        for known, of in there.items():
            earlier = list(there).index(known)
            before = sum(there[other] == of for other in list(there)[:earlier])
            assert hall.matching.ahead_of(CallId(known), QueueId(of)) == before
    assert hall.matching.ahead_of(CallId("nobody"), QueueId("a")) == 0


# ---------------------------------------------------------------- why


def test_decision_names_what_was_compared() -> None:
    hall = Hall([queue("a"), queue("b"), queue("c")], [agent("anna", a=1, b=1)])
    hall.waits("c1", "a").waits("c2", "b").waits("c3", "c")
    hall.now = 60
    hall.matching.idles(AgentId("anna"), 50.0)
    [match] = [hall.matching.next(60.0)]
    anna = AgentId("anna")
    assert match == Match(CallId("c1"), anna, "call", 0, 59.0, 59.0, 0, 10.0, (("c2", 58.0),), 2)


# ---------------------------------------------------------------- against one that looks at everybody


@dataclass
class Brute:
    """The rules said plainly. Scans everything, keeps nothing."""

    queues: dict[str, Queue]
    agents: dict[str, Agent]
    teams: dict[str, Team]
    present: list[str] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, tuple[str, TenantId, int, tuple[float, int]]] = field(default_factory=dict)
    short: dict[tuple[str, TenantId], float] = field(default_factory=dict)

    def accepts(self, call: str, name: str) -> bool:
        queue_id, _, step, _ = self.waiting[call]
        queue = self.queues[queue_id]
        for later in queue.steps[step:]:
            if any(may_serve(self.agents[n], queue, later) for n in self.present):
                return may_serve(self.agents[name], queue, later)
        return False

    def rank_of_call(self, call: str, name: str, now: float) -> tuple[float, ...]:
        queue_id, tenant, _, place = self.waiting[call]
        team = self.teams.get(self.agents[name].team or "")
        score = now - place[0]
        if team and team.help_debt:
            score += min(max(self.short.get((queue_id, tenant), 0.0), 0.0) * HELP_PER_CALL, MOST_HELP)
        if team and team.by_target:
            score *= 1.0 / self.queues[queue_id].target.total_seconds()
        return (-self.queues[queue_id].priority, -score, *place)

    def rank_of_agent(self, name: str, call: str) -> tuple[float, ...]:
        queue_id, tenant, _, _ = self.waiting[call]
        queue, agent = self.queues[queue_id], self.agents[name]
        away = queue.home_first and agent.home != tenant
        best_level = queue.agent_order is AgentOrder.BEST_LEVEL and queue.steps[0].needs
        level = agent.skills.get(queue.steps[0].needs[0].skill, 0) if best_level else 0
        return (away, -level, self.idle[name], self.present.index(name))

    def pair(self, call: str) -> tuple[str, str]:
        able = [n for n in self.idle if self.accepts(call, n)]
        best = min(able, key=lambda n: self.rank_of_agent(n, call))
        del self.idle[best], self.waiting[call]
        return call, best

    def next(self, now: float) -> tuple[str, str] | None:
        for name in sorted(self.idle, key=lambda n: (self.idle[n], self.present.index(n))):
            fitting = [c for c in self.waiting if self.accepts(c, name)]
            if fitting:
                return self.pair(min(fitting, key=lambda c: self.rank_of_call(c, name, now)))
        return None


def random_centre(dice: random.Random) -> tuple[list[Queue], list[Agent], list[Team]]:
    skills = [f"s{n}" for n in range(dice.randint(1, 4))]
    queues = []
    for number in range(dice.randint(1, 5)):
        skill = dice.choice(skills)
        level = dice.randint(1, 5)
        steps = [f"from 0 s: {skill}>={level}" + (f" and {dice.choice(skills)}>=2" if dice.random() < 0.3 else "")]
        if dice.random() < 0.6:
            steps.append(f"from 10 s: {skill}>={dice.randint(1, level)}")
        if dice.random() < 0.4:
            steps.append("from 20 s: any")
        made = queue(
            f"q{number}",
            *steps,
            priority=dice.choice([0, 0, 0, 3]),
            agent_order=dice.choice(list(AgentOrder)),
            home_first=dice.random() < 0.3,
            target=timedelta(seconds=dice.choice([20, 30, 60])),
        )
        queues.append(made)
    teams = [Team(TeamId("x"), "x", by_target=True), Team(TeamId("y"), "y", help_debt=True)]
    teams.append(Team(TeamId("z"), "z", by_target=True, help_debt=True))
    staff = []
    for number in range(dice.randint(1, 8)):
        known = {skill: dice.randint(1, 5) for skill in skills if dice.random() < 0.6}
        team = dice.choice([None, None, "x", "y", "z"])
        lines = [dice.choice(queues).id] if dice.random() < 0.15 else []
        staff.append(agent(f"a{number}", team, dice.choice([None, "hannover", "langenhagen"]), lines, **known))
    return queues, staff, teams


def test_decides_as_one_that_looks_at_everybody() -> None:
    assert sum(decisions_compared(seed) for seed in range(40)) > 2500


def expected_of(dice: random.Random, queues: Sequence[Queue]) -> list[tuple[QueueId, TenantId]]:
    """Some calls are expected, of others nobody thought."""
    return [(queue.id, TenantId(town)) for queue in queues for town in ("hannover", "x") if dice.random() < 0.5]


def swapped(brute: Brute, plan: Plan) -> Matching:
    """As after a new directory: everybody comes in at once, then the calls take their places."""
    matching = Matching(plan)
    matching.come_in((AgentId(name), True, True, brute.idle.get(name)) for name in brute.present)
    for (queue_id, tenant), short in brute.short.items():
        matching.help_town(QueueId(queue_id), tenant, short)
    for call, (queue_id, tenant, step, place) in brute.waiting.items():
        matching.waits(CallId(call), QueueId(queue_id), tenant, step, place)
    return matching


def decisions_compared(seed: int) -> int:
    """A random day in a random centre: arrivals at any step, several things at one moment, equal times, late words."""
    dice = random.Random(seed)
    queues, staff, teams = random_centre(dice)
    matching = Matching(Plan(queues, staff, teams, expected_of(dice, queues)))
    brute = Brute({q.id: q for q in queues}, {a.id: a for a in staff}, {t.id: t for t in teams})
    now, places = 0.0, 0
    made = 0
    for _ in range(400):
        now += dice.choice([0, 0, 1, 1, 7])
        if dice.random() < 0.05:
            matching = swapped(brute, Plan(queues, staff, teams, expected_of(dice, queues)))
        for _ in range(dice.choice([1, 1, 1, 2, 4])):
            name, what = dice.choice(staff).id, dice.random()
            if what < 0.15 and name not in brute.present:
                brute.present.append(name)
                matching.signs_in(name)
            elif what < 0.18 and name in brute.present and name not in brute.idle:
                brute.present.remove(name)
                matching.signs_out(name)
            elif what < 0.45 and name in brute.present:
                since = now if dice.random() < 0.8 else now - dice.randint(0, 20)
                brute.idle.pop(name, None)
                brute.idle[name] = since
                matching.idles(name, since)
            elif what < 0.5:
                brute.idle.pop(name, None)
                matching.busies(name)
            elif what < 0.75:
                places += 1
                into = dice.choice(queues)
                row = (into.id, dice.choice([HANNOVER, LANGENHAGEN]), dice.randrange(len(into.steps)))
                place = (now - dice.choice([0, 0, 0, 5]), places)
                brute.waiting[f"c{places}"] = (*row, place)
                matching.waits(CallId(f"c{places}"), *row, place)
            elif what < 0.85 and brute.waiting:
                call = dice.choice(list(brute.waiting))
                queue_id, tenant, step, place = brute.waiting[call]
                step = min(step + 1, len(brute.queues[queue_id].steps) - 1)
                brute.waiting[call] = (queue_id, tenant, step, place)
                matching.waits(CallId(call), QueueId(queue_id), tenant, step, place)
            elif what < 0.93:
                call = f"c{dice.randint(1, places + 1)}"  # also one that is long gone
                brute.waiting.pop(call, None)
                matching.leaves(CallId(call))
            else:
                key = (dice.choice(queues).id, dice.choice([HANNOVER, LANGENHAGEN]))
                brute.short[key] = dice.randint(-3, 9)
                matching.help_town(*key, brute.short[key])
        while True:
            match, wanted = matching.next(now), brute.next(now)
            assert (None if match is None else (match.call, match.agent)) == wanted
            if match is None:
                break
            made += 1
        assert (matching.idle, matching.waiting) == (len(brute.idle), len(brute.waiting))
    return made
