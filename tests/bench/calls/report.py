"""What was seen: ratios, a table, a chart, and one JSON object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from rich.table import Table

from bench.calls.centre import Way
from bench.calls.load import Seen, rank
from bench.calls.plan import AXES, BASE, HELD_FOR, PROBED_FOR, RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.calls.plan import Findings

COLOURS = {Way.DIAL: "#8C8C8C", Way.ASK: "#009E73", Way.QUEUE: "#E69F00", Way.SERVICE: "#0072B2", Way.FULL: "#56B4E9"}
INK, FAINT = "#22252B", "#6E7480"
Figures = dict[str, Any]
Legend = Literal["lower right", "center"]
"""Where the curves leave room for it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be."""

    figure: str
    most: float | None = None
    least: float | None = None

    def met(self, value: float | None) -> bool | None:
        if value is None or math.isnan(value):
            return None
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"


GOALS = (
    Goal("connect_p50_vs_app_queue", most=1.3),
    Goal("connect_p99_vs_app_queue", most=1.5),
    Goal("connect_p50_vs_app_queue_500_agents", most=1.0),
    Goal("connect_p50_vs_app_queue_5000_agents", most=1.0),
    Goal("pickup_p50_vs_app_queue", most=0.02),
    Goal("pickup_p99_vs_app_queue", most=0.1),
    Goal("max_rate_vs_app_queue", least=0.9),
    Goal("max_rate_vs_app_queue_500_agents", least=1.0),
    Goal("cpu_service_vs_asterisk", most=0.25),
    Goal("cpu_growth_agents", most=1.5),
    Goal("cpu_growth_queues", most=1.5),
    Goal("cpu_growth_waiting", most=1.5),
    Goal("idle_cpu_1000_waiting", most=0.05),
    Goal("memory_idle_mb", most=150),
    Goal("memory_per_waiting_call_kb", most=4),
    Goal("ami_events_per_call", most=12),
    Goal("ami_events_read_per_second", least=40_000),
)


def figures(found: Findings) -> Figures:
    """Everything, flat; milliseconds, seconds, calls a second. ``None``: not measured."""
    said: Figures = {"took_s": round(found.took), "host_took_back": round(found.taken_back, 3)}
    for way, seen in found.connect.items():
        said |= _spread(f"connect_{_key(way)}", seen.connect) | _cost(_key(way), seen)
        said[f"lost_{_key(way)}"] = seen.lost
    for way, seen in found.pickup.items():
        said |= _spread(f"pickup_{_key(way)}", seen.pickup)
    for (way, agents), held in found.rates.items():
        said[f"max_rate_{_key(way)}_{agents}_agents"] = round(held.rate, 1) or None  # none was held
        said[f"short_rate_{_key(way)}_{agents}_agents"] = round(held.short, 1) or None
        if held.rate:
            said[f"max_rate_{_key(way)}_{agents}_agents_p99_ms"] = _ms(rank(held.seen.connect, 0.99))
            said |= _cost(f"{_key(way)}_{agents}_agents_at_max_rate", held.seen)
    for (way, size), seen in found.sizes.items():
        name = f"{_key(way)}_{size.agents}_agents_{size.queues}_queues_{size.waiting}_waiting"
        said |= _spread(f"connect_{name}", seen.connect) | _cost(name, seen)
        said[f"lost_{name}"] = seen.lost
    for (way, waiting), seen in found.idle.items():
        said[f"idle_cpu_asterisk_{_key(way)}_{waiting}_waiting"] = round(seen.asterisk / seen.seconds, 4)
        if way is Way.SERVICE:
            said[f"idle_cpu_{waiting}_waiting"] = round(seen.service / seen.seconds, 4)
    said |= _memory(found)
    said["ami_events_per_call"] = round(found.events_per_call, 2)
    said["ami_events_read_per_second"] = round(found.read_per_second)
    return said | ratios(said)


def ratios(said: Figures) -> Figures:
    """What counts: the same in one run, seconds apart."""

    def of(above: str, below: str) -> float | None:
        over, under = said.get(above), said.get(below)
        return None if over is None or not under else round(over / under, 4)

    def size(agents: int = 16, queues: int = 1, waiting: int = 0) -> str:
        return f"{agents}_agents_{queues}_queues_{waiting}_waiting"

    def growth(name: str, to: str) -> float | None:
        return of(f"cpu_ms_per_call_{name}_{to}_service", f"cpu_ms_per_call_{name}_{size()}_service")

    def total(name: str) -> float | None:
        parts = said.get(f"cpu_ms_per_call_{name}_service"), said.get(f"cpu_ms_per_call_{name}_asterisk")
        return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]

    whole, asked, queue = total("service"), total("dial_after_agi"), said.get("cpu_ms_per_call_app_queue_asterisk")
    found: Figures = {
        "connect_p50_vs_app_queue": of("connect_service_p50_ms", "connect_app_queue_p50_ms"),
        "connect_p99_vs_app_queue": of("connect_service_p99_ms", "connect_app_queue_p99_ms"),
        "connect_p50_asking_vs_app_queue": of("connect_dial_after_agi_p50_ms", "connect_app_queue_p50_ms"),
        "connect_p50_vs_dial": of("connect_service_p50_ms", "connect_dial_p50_ms"),
        "connect_full_p50_vs_app_queue": of("connect_service_full_p50_ms", "connect_app_queue_p50_ms"),
        "pickup_p50_vs_app_queue": of("pickup_service_p50_ms", "pickup_app_queue_p50_ms"),
        "pickup_p99_vs_app_queue": of("pickup_service_p99_ms", "pickup_app_queue_p99_ms"),
        "max_rate_vs_app_queue": of("max_rate_service_16_agents", "max_rate_app_queue_16_agents"),
        "max_rate_vs_app_queue_500_agents": of("max_rate_service_500_agents", "max_rate_app_queue_500_agents"),
        "short_rate_vs_app_queue": of("short_rate_service_16_agents", "short_rate_app_queue_16_agents"),
        "short_rate_vs_app_queue_500_agents": of("short_rate_service_500_agents", "short_rate_app_queue_500_agents"),
        "cpu_service_vs_asterisk": of("cpu_ms_per_call_service_service", "cpu_ms_per_call_service_asterisk"),
        "cpu_service_asking_vs_asterisk": of(
            "cpu_ms_per_call_dial_after_agi_service", "cpu_ms_per_call_dial_after_agi_asterisk"
        ),
        "cpu_service_vs_asterisk_at_max_rate": of(
            "cpu_ms_per_call_service_16_agents_at_max_rate_service",
            "cpu_ms_per_call_service_16_agents_at_max_rate_asterisk",
        ),
        "cpu_total_vs_app_queue": None if whole is None or not queue else round(whole / queue, 4),
        "cpu_total_asking_vs_app_queue": None if asked is None or not queue else round(asked / queue, 4),
        "cpu_growth_agents": growth("service", size(agents=5_000)),
        "cpu_growth_queues": growth("service", size(queues=500)),
        "cpu_growth_waiting": growth("service", size(waiting=1_000)),
    }
    for agents in (500, 5_000):
        for share in ("p50", "p99"):
            found[f"connect_{share}_vs_app_queue_{agents}_agents"] = of(
                f"connect_service_{size(agents)}_{share}_ms", f"connect_app_queue_{size(agents)}_{share}_ms"
            )
    return found


def _key(way: Way) -> str:
    return way.value.replace("-", "_")


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _spread(name: str, values: Sequence[float]) -> Figures:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {f"{name}_{word}_ms": _ms(rank(values, share)) for word, share in shares.items()} | {
        f"{name}_n": len(values)
    }


def _cost(name: str, seen: Seen) -> Figures:
    """Processor milliseconds of a call."""
    if not seen.calls:
        return {}
    return {
        f"cpu_ms_per_call_{name}_asterisk": round(seen.asterisk / seen.calls * 1000, 3),
        f"cpu_ms_per_call_{name}_service": round(seen.service / seen.calls * 1000, 3),
    }


def _memory(found: Findings) -> Figures:
    said: Figures = {f"memory_{n}_waiting_mb": round(size / 2**20, 1) for n, size in found.resident.items()}
    if 0 in found.resident:
        said["memory_idle_mb"] = said["memory_0_waiting_mb"]
    if found.grown:
        most = max(found.grown)
        said["memory_per_waiting_call_kb"] = round(found.grown[most] / most / 1024, 2)
    return said


# ---------------------------------------------------------------- for people


def tables(said: Figures) -> Iterator[Table]:
    yield _latencies(said)
    yield _sizes(said)
    goals = Table(title="Ratios and goals")
    for column, justify in (("figure", "left"), ("seen", "right"), ("goal", "left"), ("", "left")):
        goals.add_column(column, justify=justify)  # type: ignore[arg-type]
    for goal in GOALS:
        value = said.get(goal.figure)
        met = goal.met(value)
        goals.add_row(goal.figure, _n(value), str(goal), "" if met is None else "met" if met else "missed")
    for name in (
        "host_took_back",
        "connect_p50_vs_dial",
        "connect_p50_asking_vs_app_queue",
        "short_rate_vs_app_queue",
        "short_rate_vs_app_queue_500_agents",
        "cpu_total_vs_app_queue",
        "cpu_total_asking_vs_app_queue",
        "cpu_service_vs_asterisk_at_max_rate",
        "cpu_service_asking_vs_asterisk",
    ):
        goals.add_row(name, _n(said.get(name)), "", "")
    yield goals


def _latencies(said: Figures) -> Table:
    table = Table(title=f"{BASE.agents} agents, one queue; {RATE:.0f} calls a second, pick-up with 200 waiting")
    table.add_column("")
    for way in Way:
        table.add_column(way, justify="right")
    rows: list[tuple[str, Callable[[str], object]]] = [
        ("INVITE to INVITE, p50 / p99 / max (ms)", lambda k: _three(said, f"connect_{k}")),
        ("BYE to INVITE, p50 / p99 / max (ms)", lambda k: _three(said, f"pickup_{k}")),
        (f"calls a second held for {HELD_FOR:.0f} s", lambda k: _n(said.get(f"max_rate_{k}_{BASE.agents}_agents"))),
        (f"carried for {PROBED_FOR:.0f} s", lambda k: _n(said.get(f"short_rate_{k}_{BASE.agents}_agents"))),
        ("held with 500 agents", lambda k: _n(said.get(f"max_rate_{k}_500_agents"))),
        ("Asterisk, processor ms a call", lambda k: _n(said.get(f"cpu_ms_per_call_{k}_asterisk"))),
        ("service, processor ms a call", lambda k: _n(said.get(f"cpu_ms_per_call_{k}_service"))),
    ]
    for name, cell in rows:
        table.add_row(name, *(str(cell(_key(way))) for way in Way))
    return table


def _sizes(said: Figures) -> Table:
    table = Table(title="The cost of size")
    for name in ("agents", "queues", "waiting"):
        table.add_column(name, justify="right")
    for way in (Way.QUEUE, Way.SERVICE):
        table.add_column(f"{way}: p50 / p99 / max (ms)", justify="right")
        table.add_column("processor ms", justify="right")
    for size in (BASE, *AXES):
        cells = [str(size.agents), str(size.queues), str(size.waiting)]
        for way in (Way.QUEUE, Way.SERVICE):
            name = f"{_key(way)}_{size.agents}_agents_{size.queues}_queues_{size.waiting}_waiting"
            costs = [said.get(f"cpu_ms_per_call_{name}_{who}") for who in ("asterisk", "service")]
            cells += [_three(said, f"connect_{name}"), " + ".join(_n(c) for c in costs if c)]
        table.add_row(*cells)
    return table


def _three(said: Figures, name: str) -> str:
    if said.get(f"{name}_p50_ms") is None:
        return ""
    return " / ".join(_n(said.get(f"{name}_{word}_ms")) for word in ("p50", "p99", "max"))


def _n(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


# ---------------------------------------------------------------- the chart


def chart(found: Findings, said: Figures, file: Path) -> None:
    """Four pictures: waiting for a phone, waiting for an agent, how many calls, what a call costs."""
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "axes.edgecolor": FAINT, "text.color": INK}):
        figure = Figure(figsize=(9, 6), layout="constrained")
        connect, pickup, rates, cost = figure.subplots(2, 2).flat
        _shares(connect, {way: seen.connect for way, seen in found.connect.items()}, "INVITE in to INVITE at the phone")
        _shares(
            pickup,
            {way: seen.pickup for way, seen in found.pickup.items()},
            "BYE of an agent to the next INVITE",
            legend="center",
        )
        _rates(rates, said)
        _costs(cost, said)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _shares(axes: Axes, by_way: dict[Way, list[float]], title: str, legend: Legend = "lower right") -> None:
    for way, values in by_way.items():
        if values:  # of those who wait for an agent, two ways know nothing
            ordered = np.sort(np.asarray(values)) * 1000
            share = np.arange(1, len(ordered) + 1) / len(ordered) * 100
            axes.step(ordered, share, where="post", color=COLOURS[way], label=str(way), linewidth=1.4)
    axes.set(title=title, xlabel="milliseconds", ylabel="% of calls", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(color="#D8DADF", linewidth=0.5)
    if any(by_way.values()):
        axes.legend(frameon=False, loc=legend)


def _rates(axes: Axes, said: Figures) -> None:
    bars = [(way, agents) for agents in (BASE.agents, 500) for way in Way]
    known = [(w, a, rate) for w, a in bars if (rate := said.get(f"max_rate_{_key(w)}_{a}_agents")) is not None]
    for at, (way, _, rate) in enumerate(known):
        axes.bar(at, rate, color=COLOURS[way])
        axes.text(at, rate, f"{rate:.0f}", ha="center", va="bottom")
    axes.margins(y=0.1)
    axes.set_xticks(range(len(known)), [f"{way}\n{agents} agents" for way, agents, _ in known], fontsize=6)
    axes.set(title=f"calls a second held for {HELD_FOR:.0f} s", ylabel="calls a second")


def _costs(axes: Axes, said: Figures) -> None:
    for at, way in enumerate(Way):
        asterisk = said.get(f"cpu_ms_per_call_{_key(way)}_asterisk") or 0.0
        service = said.get(f"cpu_ms_per_call_{_key(way)}_service") or 0.0
        axes.bar(at, asterisk, color="#B9BDC6", label="Asterisk" if at == 0 else None)
        axes.bar(at, service, bottom=asterisk, color=COLOURS[Way.SERVICE], label="service" if at == 0 else None)
    axes.set_xticks(range(len(Way)), [str(way) for way in Way])
    axes.set(title=f"processor time of a call at {RATE:.0f} a second", ylabel="milliseconds")
    axes.legend(frameon=False)
