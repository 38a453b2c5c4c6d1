"""How fast the core decides, and what a waiting call costs: `make bench-core`.

Everything is measured twice, once at the bare matching (``core/matching.py``) and once through ``Acd.handle`` with
records, reasons, ladders and expected waits (keys with ``acd_``). Two regimes:

- *backlog*: five callers wait per agent. An agent is freed, takes the best call, and a new one joins the same queue.
- *spare*: half of the agents are idle. A call comes, takes the best agent, and another agent is freed.

Kinds of agents: 50 different skill profiles, or ``_different``: hardly two agents alike. One agent of ten queues has
20 queues, the others 100; five skills each, two steps per queue. Collected figures are medians of the rounds; nothing
is asserted. Last line: one JSON object.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import time
import tracemalloc
from collections import deque
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.directory import Directory
from dialog_acd.core.matching import Matching
from dialog_acd.core.model import (
    Agent,
    AgentId,
    CallId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Phone,
    Queue,
    QueueId,
    Skill,
    SkillId,
    Tenant,
    TenantId,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.simulation.run import Run
from dialog_acd.simulation.scenario import read_scenario
from dialog_acd.testing import MONDAY, SequentialIds

if TYPE_CHECKING:
    from collections.abc import Callable

TOWN = TenantId("town")
SCENARIOS = Path(__file__).parents[2] / "scenarios"
ROUNDS, SECONDS = 3, 1.0
PER_AGENT = 5


def centre(agents: int, queues: int, profiles: int) -> Directory:
    """A centre of chance: every queue asks for its own skill, every agent has five."""
    dice = random.Random(115)
    known = [
        {SkillId(f"s{n}"): dice.randint(1, 5) for n in dice.sample(range(queues), min(5, queues))}
        for _ in range(profiles)
    ]
    lines = tuple(
        Queue(
            QueueId(f"q{n}"),
            f"q{n}",
            (parse_step(f"from 0 s: s{n}>=3"), parse_step(f"from 15 s: s{n}>=1")),
            wrap_up_for=timedelta(),
            max_wait=timedelta(hours=10),
            ladder=(parse_rung("waited 600 s: announce acd/long-wait"),),
        )
        for n in range(queues)
    )
    numbers = tuple(Entry(f"+49511{n:05d}", TOWN, lines[n].id, EntryKind.MAIN_NUMBER, "f") for n in range(queues))
    return Directory(
        (Tenant(TOWN, "town", "town"),),
        lines,
        (*numbers, Entry("", TOWN, lines[0].id, EntryKind.CATCH_ALL, "f")),
        tuple(Agent(AgentId(f"a{n}"), f"a{n}", Phone(f"a{n}"), known[n % profiles]) for n in range(agents)),
        (),
        (FailsafeProfile("f", "g"),),
        skills=tuple(Skill(SkillId(f"s{n}"), f"s{n}") for n in range(queues)),
    )


def staffed(directory: Directory) -> Matching:
    matching = Matching(directory.plan)
    for agent in directory.agents:
        matching.signs_in(agent.id)
    return matching


class Index:
    """The bare matching."""

    def __init__(self, directory: Directory) -> None:
        self.directory, self.matching = directory, staffed(directory)
        self.dice = random.Random(1)
        self.calls, self.now = 0, 0.0
        self.number_of: dict[CallId, int] = {}

    def comes(self, number: int) -> CallId:
        self.calls += 1
        self.now += 0.001
        call = CallId(f"c{self.calls}")
        self.number_of[call] = number
        self.matching.waits(call, self.directory.queues[number].id, TOWN, 1, (self.now, self.calls))
        return call

    def backlog(self, seconds: float) -> tuple[int, list[float]]:
        queues, agents = self.directory.queues, self.directory.agents
        for n in range(PER_AGENT * len(agents)):
            self.comes(n % len(queues))
        while self.matching.next(self.now):
            pass
        freed = [self.dice.choice(agents).id for _ in range(4096)]
        made, took, end = 0, list[float](), time.perf_counter() + seconds
        while time.perf_counter() < end:
            for agent in freed:
                self.now += 0.001
                began = time.perf_counter()
                self.matching.idles(agent, self.now)
                match = self.matching.next(self.now)
                took.append(time.perf_counter() - began)
                if match is None:
                    self.matching.busies(agent)
                else:
                    made += 1
                    self.comes(self.number_of.pop(match.call))
                    self.matching.next(self.now)
        return made, took

    def spare(self, seconds: float) -> tuple[int, list[float]]:
        queues, agents = self.directory.queues, self.directory.agents
        for agent in agents[::2]:
            self.now += 0.001
            self.matching.idles(agent.id, self.now)
        busy = deque(agent.id for agent in agents[1::2])
        made, took, end = 0, list[float](), time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(512):
                began = time.perf_counter()
                call = self.comes(self.dice.randrange(len(queues)))
                match = self.matching.next(self.now)
                took.append(time.perf_counter() - began)
                if match is None:
                    self.matching.leaves(call)
                else:
                    made += 1
                    busy.append(match.agent)
                    self.matching.idles(busy.popleft(), self.now)
                    self.matching.next(self.now)
        return made, took


class Whole:
    """The core as the engine knows it."""

    def __init__(self, directory: Directory) -> None:
        self.directory, self.now = directory, MONDAY
        self.acd = Acd(directory, self.now, SequentialIds())
        self.tell(m.SwitchFound("bench", (), tuple((a.phone, "reachable") for a in directory.agents), self.now))
        self.calls = 0
        self.number_of: dict[CallId, int] = {}

    def tell(self, signal: m.Signal) -> list[m.Order | m.Notice]:
        return self.acd.handle(signal, self.now)

    def comes(self, queue: int) -> list[m.Order | m.Notice]:
        self.calls += 1
        call = CallId(f"acd1-1767225600.{self.calls}")
        self.number_of[call] = queue
        self.tell(m.CallArrived(call, f"+49511{queue:05d}", "+493023125001", trunk_call_id=f"{self.calls}@192.0.2.7"))
        return self.tell(m.CallerHeld(call))

    def backlog(self, seconds: float) -> tuple[int, list[float]]:
        for n in range(PER_AGENT * len(self.directory.agents)):
            self.comes(n % len(self.directory.queues))
            self.now += timedelta(milliseconds=50)
        talking: deque[m.Offer] = deque()
        for agent in self.directory.agents:
            talking.extend(o for o in self.tell(m.AgentReady(agent.id)) if isinstance(o, m.Offer))
        for offer in talking:
            self.tell(m.PartiesBridged(offer.call, offer.offer))
        made, took, end = 0, list[float](), time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.now += timedelta(milliseconds=50)
            call = talking.popleft().call
            began = time.perf_counter()
            out = self.tell(m.CallerHungUp(call))
            took.append(time.perf_counter() - began)
            for order in out:
                if isinstance(order, m.Offer):
                    made += 1
                    self.tell(m.PartiesBridged(order.call, order.offer))
                    talking.append(order)
                    self.comes(self.number_of.pop(order.call))
        return made, took


def bytes_per_waiting_call(hall: Index | Whole) -> float:
    many = 5000
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(many):
        hall.comes(n % 20)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / many


def measure(what: str, build: Callable[[], Index | Whole], regime: str) -> tuple[float, float]:
    """Assignments a second and the 99th percentile of one decision, microseconds: medians of the rounds."""
    rates, slow = [], []
    for _ in range(ROUNDS):
        hall = build()
        gc.collect()
        made, took = getattr(hall, regime)(SECONDS)
        rates.append(made / SECONDS)
        slow.append(sorted(took)[int(0.99 * len(took))] * 1e6)
    rate, p99 = statistics.median(rates), statistics.median(slow)
    print(f"{what:58} {rate:12,.0f}/s   p99 {p99:8.1f} us", flush=True)
    return rate, p99


def a_year() -> tuple[int, float]:
    """200,000 calls of Hannover's days through the simulator and this very core, records and reasons on; seconds."""
    scenario = read_scenario(SCENARIOS / "hannover-2021.yaml")
    calls = days = 0
    began = time.perf_counter()
    while calls < 200_000:
        calls += Run(scenario, 115, days).outcome().calls
        days += 1
    return calls, time.perf_counter() - began


def main() -> None:
    said: dict[str, float] = {}
    calls, seconds = a_year()
    said["sim_calls_per_s"], said["year_of_200000_calls_s"] = calls / seconds, 200_000 * seconds / calls
    print(f"simulated: {calls:,} calls of Hannover in {seconds:.1f} s, {calls / seconds:,.0f}/s", flush=True)
    sizes = ((10, 20), (1000, 100), (10_000, 100))
    for agents, queues in sizes:
        directory = centre(agents, queues, 50 if agents > 50 else 10)
        of = f"{agents:,} agents, {queues} queues"
        rate, p99 = measure(f"matching, backlog, {of}", partial(Index, directory), "backlog")
        said[f"assignments_per_s_{agents}"], said[f"decision_p99_us_{agents}"] = rate, p99
        rate, p99 = measure(f"matching, spare, {of}", partial(Index, directory), "spare")
        said[f"spare_assignments_per_s_{agents}"] = rate
        rate, p99 = measure(f"Acd.handle, backlog, {of}", partial(Whole, directory), "backlog")
        said[f"acd_assignments_per_s_{agents}"], said[f"acd_decision_p99_us_{agents}"] = rate, p99
    different = centre(10_000, 100, 10_000)
    for regime in ("backlog", "spare"):
        rate, _ = measure(f"matching, {regime}, 10,000 agents, all different", partial(Index, different), regime)
        said[f"{regime}_different_assignments_per_s_10000"] = rate
    small = centre(100, 20, 10)
    said["bytes_per_waiting_call"] = bytes_per_waiting_call(Index(small))
    said["acd_bytes_per_waiting_call"] = bytes_per_waiting_call(Whole(small))
    for which in ("", "acd_"):
        print(f"{which or 'matching'}: {said[which + 'bytes_per_waiting_call']:.0f} bytes for a waiting call")
    said["cost_10000_vs_10"] = said["assignments_per_s_10"] / said["assignments_per_s_10000"]
    said["acd_cost_10000_vs_10"] = said["acd_assignments_per_s_10"] / said["acd_assignments_per_s_10000"]
    print(json.dumps({name: round(value, 2) for name, value in said.items()}))


if __name__ == "__main__":
    main()
