"""What a wall, a contract and whoever is on call get to see: a real Prometheus is asked all that the dashboards ask.

One story with a call of each sort, and Prometheus reads the service every second meanwhile. Then every expression of
every panel, every variable and every rule is evaluated over the time of the story, as Grafana would: each gives
something at some moment, and a number at each.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core.kpi import figures
from dialog_acd.core.model import Formula
from e2e.stage import DISPATCH, HANNOVER
from rig.plots import week_of_four_towns
from rig.prometheus import DASHBOARDS, Prometheus, filled, questions
from rig.week import simulated_week

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.conftest import Play, Theatre
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
EVERY = 1.0
STEP = 5.0
"""Seconds of ``$__interval`` and ``$__rate_interval``: a half hour of this small day."""
TOWNS = {"tenant": ".+", "kind": ".+"}
SEVERAL = {"tenant": ["hannover", "langenhagen"], "kind": ["115", "main-number"]}
NOWHERE = {"tenant": "nowhere", "kind": ".+"}


async def test_every_figure_on_the_dashboards_is_one(play: Play, theatre: Theatre, tmp_path: Path) -> None:
    # It looks for whom to read five seconds after its start; the service starts meanwhile.
    with Prometheus(tmp_path, theatre.stack.api_url.removeprefix("http://"), every=EVERY) as prometheus:
        stage = await play(
            promised={"langenhagen": "75 % within 30 s", "hannover": "80 % within 1 s"},
            ladder=["waited 1.5 s: partner oldenburg"],
            group_115="demo",
            dispatch=True,
            max_wait=4,
            at_home=2,
        )
        await prometheus_sees(stage, prometheus, "min (count_over_time(acd_inbox_depth[1m])) >= 2")
        since = time.time()
        before = {row["tenant"]: points[0][1] for row, points in prometheus.moment(OFFERED)}
        calls = sum(before.values())
        await a_call_of_each_sort(stage, prometheus, calls)
        await prometheus_sees(stage, prometheus, f"sum ({OFFERED}) == {calls + 5}")
        # Two readings after the last call: what grows is reckoned between two.
        until = time.time() + 2 * EVERY
        await prometheus_sees(stage, prometheus, f"vector({until}) <= on () max (timestamp(acd_inbox_depth))")
        await asyncio.to_thread(all_that_is_asked, prometheus, since, until)
        offered = {row["tenant"]: points[0][1] - before[row["tenant"]] for row, points in prometheus.moment(OFFERED)}
        assert {town: n for town, n in offered.items() if n} == {"langenhagen": 2, "hannover": 2, "center": 1}
        await asyncio.to_thread(kept_and_missed, prometheus, until)


def test_a_monday_morning_comes_out_as_in_the_reports(tmp_path: Path) -> None:
    """A thousand simulated calls: what the panels say of them is what the records say, by each formula."""
    scenario = week_of_four_towns(tmp_path)
    week = scenario.read_text(encoding="utf-8")
    scenario.write_text(week.replace('end: "2026-11-13T18:00"', 'end: "2026-11-09T12:00"'), encoding="utf-8")
    since, until, records = simulated_week(scenario, tmp_path / "data")
    said = figures(records)
    assert said.offered > 800
    wanted: dict[str, tuple[float | None, ...]] = {
        "Angeboten": (said.offered,),
        "Vier Rechenweisen, eine gilt": (*(said.service_level(formula).share() for formula in Formula),),
        "Annahmequote (Netz)": (said.accepted.share(),),
        "Annahmequote (eigen)": (said.accepted_own.share(),),
        "Annahmequote bereinigt": (said.accepted_adjusted.share(),),
        "Kurzabbrecher": (said.abandoned_short,),
        "Abbruchquote": (said.abandon_rate.share(),),
        "Überlaufquote": (said.sent_rate.share(),),
        "Überlauf-Annahmequote": (said.sent_accepted.share(),),
    }
    shown: dict[str, tuple[float, ...]] = {}
    with Prometheus(tmp_path, "", rules=None) as prometheus:
        for question in questions():
            if question.panel in wanted:
                # From a minute before the first reading, at which all was 0: nothing is stretched.
                expr = filled(question.expr, TOWNS, range=until - since + 60)
                ((_, ((_, value),)),) = prometheus.moment(expr, until)
                shown[question.panel] = (*shown.get(question.panel, ()), value)
    assert shown == {panel: pytest.approx(values, rel=1e-9) for panel, values in wanted.items()}


OFFERED = "sum by (tenant) (acd_calls_offered_total)"


async def a_call_of_each_sort(stage: Stage, prometheus: Prometheus, calls: float) -> None:
    """In time; answered by the partner, too late; given up; nobody there, and on the failsafe path."""
    oldenburg = await stage.oldenburg(answers_after=0.3, talk=1)
    phone = await stage.agent("agent01")
    await prometheus_sees(stage, prometheus, "acd_expected_wait_seconds >= 0")
    first = await stage.dial()
    at_phone = await phone.rings()
    await at_phone.answer()
    await stage.live("connected")
    second = await stage.dial()
    await stage.live("waiting")
    await first.hang_up()
    at_phone = await phone.rings()
    await at_phone.answer()
    await stage.live("connected")
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    await second.hang_up()
    # Until now, all is well.
    await prometheus_sees(stage, prometheus, f"sum ({OFFERED}) == {calls + 2}")
    duty = await stage.dial(DISPATCH)
    over = await stage.dial(HANNOVER)
    gone = await stage.dial("115")
    await stage.live("waiting", 3)
    await gone.hang_up()
    await oldenburg.sees("answered")
    await stage.live("failsafe", limit=8)
    await duty.hang_up()
    await over.is_over()
    results = [(await stage.record(call))["outcome"]["result"] for call in (first, second, over, gone, duty)]
    assert results == ["served", "served", "overflowed", "abandoned", "failsafe"]


def all_that_is_asked(prometheus: Prometheus, since: float, until: float) -> None:
    silent, wrong = [], []
    spans = {"range": until - since + STEP, "interval": STEP, "rate_interval": STEP}
    for question in questions():
        for chosen in (TOWNS, SEVERAL, NOWHERE):
            expr = filled(question.expr, chosen, **spans)
            series = prometheus.course(expr, since, until, EVERY)
            wrong += [(str(question), expr) for _, points in series for _, value in points if not math.isfinite(value)]
            if chosen is TOWNS and not series:
                silent.append((str(question), expr))
            if question.instant:
                # More than one series of one name would be two tiles of one name, or fight for a cell.
                names = [tuple(sorted(labels.items())) for labels, _ in prometheus.moment(expr, until)]
                assert len(names) == len(set(names)), question
    for group in prometheus.groups():
        for rule in group["rules"]:
            series = prometheus.course(rule["expr"], since, until, EVERY)
            wrong += [(str(rule), "") for _, points in series for _, value in points if not math.isfinite(value)]
            if "record" in rule:
                recorded = prometheus.course(rule["record"], since, until, EVERY)
                silent += [(rule["record"], rule["expr"])] if not (series and recorded) else []
    assert not wrong, "not a number:\n" + "\n".join(f"{who}: {expr}" for who, expr in wrong)
    assert not silent, "no data:\n" + "\n".join(f"{who}: {expr}" for who, expr in silent)
    for board in DASHBOARDS.glob("*.json"):
        for variable in json.loads(board.read_text(encoding="utf-8")).get("templating", {}).get("list", ()):
            if variable["type"] == "query":
                metric, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").split(", ")
                assert {"hannover", "langenhagen"} <= set(prometheus.values(metric, label))


def kept_and_missed(prometheus: Prometheus, until: float) -> None:
    """The tiles say of each town whether its own promise was kept."""
    asked = {q.letter: q for q in questions() if q.panel == "Servicelevel heute je Stadt (strikt)"}

    def shown(letter: str) -> dict[str, float]:
        expr = filled(asked[letter].expr, TOWNS, range=60)
        return {labels["tenant"]: points[0][1] for labels, points in prometheus.moment(expr, until)}

    four = [q for q in questions() if q.panel == "Vier Rechenweisen, eine gilt"]
    values = [prometheus.moment(filled(q.expr, TOWNS, range=60), until)[0][1][0][1] for q in four]
    # Of five calls two were in time, three answered, one who gave up did so in time, and one was lost: late was one
    # alone. What grows is stretched to the edges of the time that is asked for, a little differently where a counter
    # began at 0.
    assert values == pytest.approx([2 / 5, 2 / 4, 2 / 3, 4 / 5], rel=0.05)
    assert shown("A") == {"langenhagen": 1}
    assert shown("B") == {"hannover": 0, "center": 0}


async def prometheus_sees(stage: Stage, prometheus: Prometheus, expr: str, limit: float = 10) -> None:
    async def look() -> Any:
        return await asyncio.to_thread(prometheus.moment, expr)

    holds: Callable[[Any], bool] = bool
    await stage.until(look, holds, limit, expr)
