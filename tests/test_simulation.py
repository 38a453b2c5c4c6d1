"""The simulator: what an operator writes, what the pretended switch tells the core, and what the report says of it.

Whether the figures are right is another question, which takes longer (``tests/simulation``).
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialog_acd.core import erlang
from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.attendance import Attendance, Demand, occupancy, staffing
from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.kpi import Fate, Mean, Ratio, half_hour
from dialog_acd.core.records import Result
from dialog_acd.simulation import ScenarioInvalid, find, run_command
from dialog_acd.simulation import run as run_module
from dialog_acd.simulation import scenario as scenario_module
from dialog_acd.simulation.chance import Length, parse_length, parse_patience, stream
from dialog_acd.simulation.figures import Estimate, as_pair, estimate, named_kpis, t_975
from dialog_acd.simulation.predictors import Known
from dialog_acd.simulation.report import in_words
from dialog_acd.simulation.run import Run
from dialog_acd.simulation.scenario import BERLIN, Scenario, read_scenario

if TYPE_CHECKING:
    from dialog_acd.core.records import CallRecord

SCENARIOS = Path(__file__).parents[1] / "scenarios"
TOWN = "0511 168-0"

BASE: dict[str, Any] = {
    "name": "a test",
    "start": "2026-03-02T08:00",
    "end": "2026-03-02T10:00",
    "directory": {
        "tenants": [{"id": "town", "name": "Stadt", "label": "Stadt"}],
        "failsafe_profiles": [{"name": "standard", "group": "all"}],
        "skills": [{"id": "citizens", "name": "Bürgerfragen"}],
        "partners": [{"id": "oldenburg", "name": "Oldenburg", "numbers": ["+494412350"]}],
        "queues": [{"id": "q", "name": "Q", "steps": ["from 0 s: citizens"], "wrap_up_for": 0, "ladder": []}],
        "entries": [
            {"number": "+49511168", "tenant": "town", "queue": "q", "kind": "main-number", "failsafe": "standard",
             "block": True},
            {"tenant": "town", "queue": "q", "kind": "catch-all", "failsafe": "standard"},
        ],
    },
    "arrivals": [{"number": TOWN, "at": ["2026-03-02T08:00:10"]}],
    "handling": "fixed 60 s",
    "patience": "none",
    "agents": [{"name": "centre", "skills": {"citizens": 3}}],
}  # fmt: skip


def at(*clock_times: str) -> list[str]:
    return [f"2026-03-02T{clock_time}" for clock_time in clock_times]


def changed(**changes: object) -> dict[str, Any]:
    """The base scenario; a name like ``queue_ladder`` changes the queue, ``entry_greeting`` the number."""
    content = deepcopy(BASE)
    for name, value in changes.items():
        if name.startswith("queue_"):
            content["directory"]["queues"][0][name.removeprefix("queue_")] = value
        elif name.startswith("entry_"):
            content["directory"]["entries"][0][name.removeprefix("entry_")] = value
        elif name.startswith("directory_"):
            content["directory"][name.removeprefix("directory_")] = value
        else:
            content[name] = value
    return content


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))
    return path


def faults(tmp_path: Path, content: object) -> list[str]:
    with pytest.raises(ScenarioInvalid) as caught:
        read_scenario(written(tmp_path, content))
    return list(caught.value.faults)


class Sheet:
    """A run with everything that passed between the core and the switch, in order."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, changes: dict[str, Any]) -> None:
        self.scenario = read_scenario(written(path, changed(**changes)))
        self.told: list[tuple[datetime, m.Signal]] = []
        self.said: list[tuple[datetime, m.Order | m.Notice]] = []
        sheet = self

        class Recorded(Acd):
            def handle(self, signal: m.Signal, now: datetime) -> list[m.Order | m.Notice]:
                assert not sheet.told or now >= sheet.told[-1][0], "time goes back"
                out = super().handle(signal, now)
                assert (due := self.next_deadline()) is None or due > now, "a deadline was left behind"
                sheet.told.append((now, signal))
                sheet.said += [(now, message) for message in out]
                return out

        with monkeypatch.context() as patch:
            patch.setattr(run_module, "Acd", Recorded)
            self.outcome = Run(self.scenario, seed, 0).outcome()
        # Whatever the switch says must make sense to the core, or one of the two is wrong.
        assert not [message for _, message in self.said if isinstance(message, m.Ignored | m.PictureDiffered)]

    @property
    def records(self) -> dict[str, CallRecord]:
        return {s.record.call: s.record for _, s in self.said if isinstance(s, m.SaveRecord)}

    def record(self, number: int = 1) -> CallRecord:
        return self.records[f"c{number}"]

    def story(self, number: int = 1) -> list[tuple[float, str]]:
        """What the switch told of one call: seconds after eight o'clock, and the kind of signal."""
        return [
            ((now - self.scenario.start).total_seconds(), type(signal).__name__)
            for now, signal in self.told
            if getattr(signal, "call", None) == f"c{number}"
        ]

    def when(self, kind: type[object]) -> list[float]:
        return [(now - self.scenario.start).total_seconds() for now, said in self.told if isinstance(said, kind)]


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(**changes: object) -> Sheet:
        return Sheet(tmp_path, monkeypatch, 1, changes)

    return make


# ---------------------------------------------------------------- lengths of time


@pytest.mark.parametrize(
    ("text", "mean", "cv"),
    [
        ("fixed 20 s", 20, 0),
        ("exponential 180 s", 180, 1),
        ("lognormal 95 s cv 0.95", 95, 0.95),
        ("  lognormal  40.5s  cv 0.3 ", 40.5, 0.3),
        ("uniform 60-300 s", 180, 240 / math.sqrt(12) / 180),
    ],
)
def test_a_length_has_the_mean_and_the_spread_that_are_written(text: str, mean: float, cv: float) -> None:
    length, steps = parse_length(text), 20_000
    lengths = [length.of((step + 0.5) / steps).total_seconds() for step in range(steps)]
    found = math.fsum(lengths) / steps
    assert found == pytest.approx(mean, rel=2e-3)
    assert math.sqrt(math.fsum((x - found) ** 2 for x in lengths) / steps) / found == pytest.approx(cv, rel=0.02)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_a_slower_caller_is_slower_whoever_serves_them(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for text in ("fixed 20 s", "exponential 180 s", "lognormal 95 s cv 0.95", "uniform 60-300 s"):
        length = parse_length(text)
        assert timedelta() <= length.of(low) <= length.of(high)


@pytest.mark.parametrize(
    "text",
    ["-5 s", "fixed -5 s", "exponential -180 s", "exponential 180", "lognormal 95 s", "uniform 300-60 s", "none",
     "fixed 86401 s", "exponential nan s", "exponential 1e3 s", "", "Fixed 5 s"],
)  # fmt: skip
def test_what_is_no_length_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(RuleInvalid):
        parse_length(text)


def test_only_patience_may_be_without_end() -> None:
    assert parse_patience("none") is None
    assert parse_patience("exponential 180 s") == Length("exponential", 180.0)
    with pytest.raises(RuleInvalid, match="or 'none' for callers who never give up"):
        parse_patience("endless")


def test_each_source_of_chance_has_its_own_dice() -> None:
    thrown = {stream(seed, run, source).random() for seed in (1, 2) for run in (0, 1) for source in ("a", "b")}
    assert len(thrown) == 8
    assert stream(1, 0, "a").random() == stream(1, 0, "a").random()


# ---------------------------------------------------------------- what an operator writes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"handling": "exponential -60 s"}, "handling: 'exponential -60 s': write a length of time as 'fixed 20 s'"),
        ({"warm_up": -5}, "warm_up: -5 must be at least 0"),
        ({"prompt": -1}, "prompt: -1 must be at least 0"),
        ({"runs": 0}, "runs: 0 must be at least 1"),
        ({"end": "2026-03-02T07:00"}, "end: must lie after start"),
        ({"warm_up": 7200}, "warm_up: must be over before the end, or no call is counted"),
        ({"end": "2029-03-02T08:00"}, "end: a run is at most 400 days long"),
        ({"start": "0001-01-01T00:00"}, "start: 1 is not a year anybody simulates"),
        ({"start": "tomorrow"}, "start: 'tomorrow' is not a moment, write it as 2026-03-02T08:00"),
        ({"start": "2026-03-02T08:00+01:00"}, "start: write the moment in local time, without a zone"),
        ({"patient": "none"}, "patient: unknown field, did you mean 'patience'?"),
        ({"arrivals": []}, "arrivals: []: List should have at least 1 item"),
        (
            {"arrivals": [{"number": "0511 999", "per_hour": 5}]},
            "arrivals[0].number: nobody owns '0511 999', only the catch-all would take it",
        ),
        ({"arrivals": [{"number": 115, "per_hour": 5}]}, "arrivals[0].number: must be a text in quotes"),
        (
            {"arrivals": [{"number": TOWN, "per_hour": -5}]},
            "arrivals[0].per_hour: -5 must be at least 0 (in the one with number",
        ),
        ({"arrivals": [{"number": TOWN}]}, "arrivals[0]: say exactly one of per_hour"),
        ({"arrivals": [{"number": TOWN, "per_hour": 5, "calls": 5}]}, "arrivals[0]: say exactly one of per_hour"),
        (
            {"arrivals": [{"number": TOWN, "per_hour": 5, "shares": [1]}]},
            "arrivals[0].shares: spread the calls of a day, so say calls",
        ),
        ({"arrivals": [{"number": TOWN, "calls": 5}]}, "arrivals[0].hours: is missing: when do the calls of a day"),
        (
            {"arrivals": [{"number": TOWN, "calls": 5, "hours": "mon 08:00-10:00", "shares": [0, 0]}]},
            "arrivals[0].shares: at least one share must be above 0",
        ),
        (
            {"arrivals": [{"number": TOWN, "calls": 5, "hours": "mon 10:00-08:00"}]},
            "arrivals[0].hours: 'mon 10:00-08:00': it must close later than it opens",
        ),
        (
            {"arrivals": [{"number": TOWN, "at": at("07:59:59")}]},
            "arrivals[0].at[0]: must lie between start and end",
        ),
        ({"arrivals": [{"number": TOWN, "per_hour": 5, "trunk": "tronk"}]}, "arrivals[0].trunk: there is no trunk"),
        (
            {"arrivals": [{"number": TOWN, "per_hour": 999_999}], "runs": 100},
            "arrivals: 199999800 calls are expected in all, more than 20000000",
        ),
        (
            {"agents": [{"name": "centre", "skills": {"citizen": 3}}]},
            "agents[0]: agent centre-1 has skill 'citizen', which is not declared, did you mean 'citizens'?",
        ),
        (
            {"agents": [{"name": "centre", "shifts": ["mon 16:00-08:00"]}]},
            "agents[0].shifts[0]: 'mon 16:00-08:00': it must close later than it opens",
        ),
        (
            {"agents": [{"name": "centre", "shifts": ["mon 08:00-12:00", "mon 11:00-13:00"]}]},
            "agents[0].shifts: hours 'mon 08:00-12:00' and 'mon 11:00-13:00' overlap on mon",
        ),
        (
            {"agents": [{"name": "centre", "shifts": ["tue 08:00-12:00"]}]},
            "agents[0].shifts: lie wholly outside of the time from start to end",
        ),
        ({"agents": [{"name": "centre", "no_answer": 1}]}, "agents[0].no_answer: must be less than 1"),
        ({"agents": [{"name": "centre", "agents": ["anna"]}]}, "agents[0].agents[0]: there is no agent 'anna'"),
        (
            {"agents": [{"name": "centre", "agents": ["anna"], "count": 3}]},
            "agents[0].count: is known from the directory",
        ),
        ({"agents": [{"name": "c"}, {"name": "c"}]}, "agents[1].name: there is another group 'c'"),
        (
            {"known": {"agents": 1, "handling": 60, "per_hour": 60}},
            "known: more calls than these agents can serve, and nobody gives up: say a patience",
        ),
        (
            {
                "directory_queues": [*BASE["directory"]["queues"], {**BASE["directory"]["queues"][0], "id": "r"}],
                "known": {"agents": 1, "handling": 60, "per_hour": 1},
            },
            "known: is the truth about the only queue there is, and here are more",
        ),
        ({"known": {"agents": 1, "handling": 0, "per_hour": 1}}, "known.handling: 0 must be more than 0"),
        ({"known": {"agents": 1, "per_hour": 1}}, "known.handling: is missing"),
        (
            {"expect": [{"kpi": "Mittlerer quadratischer Fehler QL", "from": 1}]},
            "expect[0].kpi: there is no figure 'Mittlerer quadratischer Fehler QL'",
        ),
        ({"agents": [{"name": "centre", "team": "x"}]}, "agents[0]: agent centre-1 names team 'x', which does not"),
        ({"partners": {"oldenburgh": {}}}, "partners.oldenburgh: there is no partner 'oldenburgh', did you mean"),
        (
            {"partners": {"oldenburg": {"busy": 0.5, "silent": 0.6}}},
            "partners.oldenburg: the shares busy, refused and silent are more than 1 together",
        ),
        ({"partners": {"oldenburg": {"bussy": 0.5}}}, "partners.oldenburg.bussy: unknown field, did you mean 'busy'?"),
        ({"windows": {"noon": ["tue 12:00-13:00"]}}, "windows.noon: lies wholly outside of the time from start to end"),
        ({"expect": [{"kpi": "Abruchquote", "to": 5}]}, "expect[0].kpi: there is no figure 'Abruchquote', did you"),
        ({"expect": [{"kpi": "Abbruchquote", "of": "queue x", "to": 5}]}, "expect[0].of: there is no 'queue x' with"),
        ({"expect": [{"kpi": "Auslastung", "to": 5}]}, "expect[0].of: there is no 'all' with Auslastung (write group"),
        ({"expect": [{"kpi": "Abbruchquote", "in": "noon", "to": 5}]}, "expect[0].in: there is no window 'noon'"),
        ({"expect": [{"kpi": "Abbruchquote"}]}, "expect[0]: say either from and to (one of them is enough), or about"),
        ({"expect": [{"kpi": "Abbruchquote", "form": 5}]}, "expect[0].form: unknown field, did you mean 'from'?"),
        ({"expect": [{"kpi": "Abbruchquote", "from": 5, "to": 4}]}, "expect[0].to: must not be less than from (5)"),
        ({"expect": [{"kpi": "Abbruchquote", "to": 4, "se": 1}]}, "expect[0].se: is the standard error of about"),
        ({"directory": 5}, "directory: must be the path of a directory file, or a table of the same form"),
        ({"directory": "nowhere.toml"}, "directory: nowhere.toml: it cannot be read (No such file or directory)"),
        ({"queue_steps": ["from 0 s: x"]}, "directory: queue q: step 0 (from 0 s: x>=1) asks for skill 'x'"),
        ({"queue_stebs": []}, "directory: queues[0].stebs: unknown field, did you mean 'steps'? (in the one with id"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_expected(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    found = faults(tmp_path, changed(**changes))
    assert any(fault.startswith(told) for fault in found), found


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    content = changed(patience="soon", handling="5", runs=0, queue_target=-3)
    assert [fault.split(":")[0] for fault in faults(tmp_path, content)] == ["runs", "patience", "handling", "directory"]
    content = changed(end="2026-03-02T07:00", agents=[{"name": "a", "skills": {"x": 1}, "lines": ["y"]}])
    places = [fault.split(":")[0] for fault in faults(tmp_path, content)]
    assert places == ["end", "arrivals[0].at[0]", "agents[0]", "agents[0]"]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    found = faults(tmp_path, {"name": "x"})
    assert found == [f"{field}: is missing" for field in ("directory", "start", "end", "arrivals")]
    content = changed()
    del content["handling"]
    assert faults(tmp_path, content) == ["arrivals[0].handling: is missing, here or for the whole scenario"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nname: y\n", "it is not YAML: line 2, column 1: 'name' is written twice"),
        ("name: [x\n", "it is not YAML: line 2, column 1: while parsing a flow sequence"),
        ("- name: x\n", "it must be a table with names such as 'name', 'directory' and 'arrivals'"),
        ("", "it must be a table with names such as"),
        ("start: 2026-02-30\n", "it is not YAML: day is out of range for month"),
        ("name: !!python/object:os.system x\n", "it is not YAML: line 1, column 7: could not determine a constructor"),
    ],
)
def test_what_is_no_yaml(tmp_path: Path, text: str, told: str) -> None:
    (found,) = faults(tmp_path, text)
    assert found.startswith(told)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match=r"cannot be read \(No such file"):
        read_scenario(tmp_path / "none.yaml")


def test_a_directory_file_with_its_own_people(tmp_path: Path) -> None:
    (tmp_path / "town.toml").write_text("""
        tenants = [{id = "town", name = "Stadt", label = "Stadt"}]
        failsafe_profiles = [{name = "f", group = "all"}]
        skills = [{id = "citizens", name = "B"}]
        queues = [{id = "q", name = "Q", steps = ["from 0 s: citizens"]}]
        entries = [
            {number = "+49511168", tenant = "town", queue = "q", kind = "main-number", failsafe = "f", block = true},
            {tenant = "town", queue = "q", kind = "catch-all", failsafe = "f"},
        ]
        agents = [{id = "anna", name = "Anna", phone = "anna", skills = {citizens = 3}}]
    """)
    content = changed(
        directory="town.toml", agents=[{"name": "early", "agents": ["anna"]}, {"name": "new", "count": 2}]
    )
    scenario = read_scenario(written(tmp_path, content))
    assert [(group.name, group.agents) for group in scenario.groups] == [
        ("early", ("anna",)),
        ("new", ("new-1", "new-2")),
    ]
    assert sorted(scenario.directory.agent) == ["anna", "new-1", "new-2"]
    content["agents"][1] = {"name": "late", "agents": ["anna"]}
    assert faults(tmp_path, content) == ["agents[1]: agent 'anna' works in agents[0] already"]


def test_the_example_at_the_head_of_the_reader_can_be_used(tmp_path: Path) -> None:
    """With a directory that has what it names."""
    (_, _, example) = (scenario_module.__doc__ or "").partition("::\n\n")
    content = yaml.safe_load(textwrap.dedent(example.partition("\nWhoever")[0]))
    directory = changed()["directory"]
    directory["queues"][0]["id"] = "hannover"
    for entry in directory["entries"]:
        entry["queue"] = "hannover"
    directory["entries"].append({**directory["entries"][1], "number": "115", "kind": "115"})
    directory["agents"] = [{"id": name, "name": name, "phone": name} for name in ("anna", "bert")]
    scenario = read_scenario(written(tmp_path, {**content, "directory": directory}))
    assert [len(group.agents) for group in scenario.groups] == [7, 2]
    assert scenario.sources[0].patience != scenario.sources[1].patience
    assert scenario.prompts == {"acd/closed": timedelta(seconds=12)}


def test_shares_of_a_day_by_the_clock_on_the_wall(tmp_path: Path) -> None:
    """Sunday is the day on which the clocks go forward; Monday at eight is an hour earlier for the world."""
    arrivals = [{"number": TOWN, "calls": 90, "hours": "daily 08:00-11:00", "shares": [1, 3, 5]}]
    content = changed(arrivals=arrivals, start="2026-03-28T00:00", end="2026-03-30T09:30")
    (source,) = read_scenario(written(tmp_path, content)).sources
    spoken = [(f"{begin:%d %H:%M}", f"{until:%H:%M}", round(rate * 3600)) for begin, until, rate in source.rates]
    assert spoken == [
        ("28 07:00", "08:00", 10), ("28 08:00", "09:00", 30), ("28 09:00", "10:00", 50),
        ("29 06:00", "07:00", 10), ("29 07:00", "08:00", 30), ("29 08:00", "09:00", 50),
        ("30 06:00", "07:00", 10), ("30 07:00", "07:30", 30),
    ]  # fmt: skip


def test_a_slot_that_does_not_exist_brings_nobody(tmp_path: Path) -> None:
    """The clock goes from 02:00 to 03:00."""
    arrivals = [{"number": TOWN, "calls": 40, "hours": "sun 01:00-04:00", "shares": [1, 1, 1, 1, 1, 1]}]
    content = changed(arrivals=arrivals, start="2026-03-29T00:00", end="2026-03-29T06:00")
    (source,) = read_scenario(written(tmp_path, content)).sources
    assert [f"{begin.astimezone(BERLIN):%H:%M}" for begin, _, _ in source.rates] == ["01:00", "01:30", "03:00", "03:30"]


def test_the_rate_of_each_half_hour_is_what_comes(tmp_path: Path) -> None:
    """Three thousand calls in a quarter of the time, the other half hours in their proportion."""
    arrivals = [{"number": TOWN, "calls": 6000, "hours": "mon 08:00-10:00", "shares": [1, 3, 0, 8]}]
    scenario = read_scenario(written(tmp_path, changed(arrivals=arrivals)))
    half_hours = Counter(
        int((moment - scenario.start).total_seconds() // 1800)
        for moment in Run(scenario, 1, 0)._arrivals(scenario.sources[0])
    )
    assert half_hours[2] == 0
    for number, expected in ((0, 500), (1, 1500), (3, 4000)):
        assert abs(half_hours[number] - expected) < 4 * math.sqrt(expected)


def test_days_differ_as_much_as_is_written(tmp_path: Path) -> None:
    """The variance of a day's calls is that of Poisson and that of the factor: 100 + (0.3 * 100)^2 = 1000."""
    arrivals = [{"number": TOWN, "calls": 100, "hours": "daily 08:00-10:00", "day_cv": 0.3}]
    content = changed(arrivals=arrivals, start="2026-01-01T00:00", end="2027-01-01T00:00")
    scenario = read_scenario(written(tmp_path, content))
    days = Counter(moment.date() for moment in Run(scenario, 7, 0)._arrivals(scenario.sources[0]))
    mean = sum(days.values()) / 365
    variance = sum((days[day] - mean) ** 2 for day in days) / 364
    assert mean == pytest.approx(100, abs=4 * math.sqrt(1000 / 365))
    assert variance == pytest.approx(1000, rel=0.35)


def test_hours_differ_as_much_as_is_written(tmp_path: Path) -> None:
    """Of each hour of a month: 50 + (0.4 * 50)^2 = 450."""
    arrivals = [{"number": TOWN, "per_hour": 50, "hour_cv": 0.4}]
    content = changed(arrivals=arrivals, start="2026-01-01T00:00", end="2026-01-31T00:00")
    scenario = read_scenario(written(tmp_path, content))
    hours = Counter((moment.date(), moment.hour) for moment in Run(scenario, 3, 0)._arrivals(scenario.sources[0]))
    variance = sum((count - 50) ** 2 for count in hours.values()) / 720
    assert variance == pytest.approx(450, rel=0.35)


# ---------------------------------------------------------------- what the switch tells


def test_an_ordinary_call(sheet: Any) -> None:
    run = sheet()
    assert [name for _, name in run.story()][:4] == ["CallArrived", "CallerHeld", "OfferAnswered", "PartiesBridged"]
    assert run.story()[-1] == (70.0, "CallerHungUp")
    assert run.record().outcome.result is Result.SERVED
    assert run.record().agent == "centre-1"


def test_a_greeting_is_heard_first_and_counts_as_waiting(sheet: Any) -> None:
    run = sheet(entry_greeting="acd/hello", prompts={"acd/hello": 21})
    assert run.story()[:3] == [(10.0, "CallArrived"), (31.0, "GreetingEnded"), (31.0, "CallerHeld")]
    assert run.record().waited == timedelta(seconds=21)


def test_a_phone_rings_and_is_picked_up(sheet: Any) -> None:
    run = sheet(agents=[{"name": "a", "skills": {"citizens": 3}, "answers": "fixed 6 s"}])
    assert run.story()[1:3] == [(10.0, "CallerHeld"), (16.0, "OfferAnswered")]
    assert run.record().waited == timedelta(seconds=6)


def test_who_does_not_answer_is_asked_again_later(sheet: Any) -> None:
    """The phone rings out after 20 s; the caller waits on in line, and the agent is there again after 30 s."""
    arrivals = [{"number": TOWN, "at": at("08:00:10")}]
    agents = [{"name": "a", "skills": {"citizens": 3}, "answers": "fixed 20 s", "back_after": "fixed 30 s"}]
    run = sheet(arrivals=arrivals, agents=agents, patience="fixed 101 s")
    assert run.story() == [
        (10.0, "CallArrived"),
        (10.0, "CallerHeld"),
        (30.0, "OfferFailed"),
        (30.0, "CallerHeld"),
        (80.0, "OfferFailed"),
        (80.0, "CallerHeld"),
        (111.0, "CallerHungUp"),
    ]
    assert [offer.result for offer in run.record().offers] == ["no-answer", "no-answer", "caller-gone"]
    assert run.record().outcome.reason == "ringing"
    held = [signal.after for _, signal in run.told if isinstance(signal, m.CallerHeld)]
    assert held == [None, *(offer.offer for offer in run.record().offers[:2])]


def test_who_did_not_answer_stays_away_over_a_break(sheet: Any) -> None:
    """Back after eleven minutes, not when the break is over; and not out of a break that goes on."""
    agents = [{"name": "a", "skills": {"citizens": 3}, "answers": "fixed 20 s", "back_after": "fixed 660 s"}]
    for breaks, ready in (
        ("mon 08:05-08:10", [0, 690]),
        ("mon 08:05-08:15", [0, 900]),
        ("mon 08:20-08:25", [0, 690, 1500]),
    ):
        late = [{"number": TOWN, "at": at("08:00:10", "08:59:00")}]
        run = sheet(agents=[{**agents[0], "breaks": [breaks]}], patience="fixed 30 s", arrivals=late)
        assert run.when(m.AgentReady) == ready


def test_calls_of_the_warm_up_are_not_counted(sheet: Any) -> None:
    run = sheet(
        warm_up=60,
        arrivals=[{"number": TOWN, "at": at("08:00:10", "08:00:59", "08:01:00", "09:00:00")}],
        agents=[{"name": "a", "count": 3, "skills": {"citizens": 3}}],
        windows={"first": ["mon 08:00-08:02"]},
    )
    assert run.outcome.calls == 4
    assert sum(seen.figures.offered for seen in run.outcome.cells.values()) == 2
    # Of the first three conversations, what lies in the second minute: 10 s, 59 s and all of the third.
    load = run.outcome.loads["a", "first"]
    assert (load.handling_s, load.there_s) == (10 + 59 + 60, 180)


def test_one_phone_in_three_is_not_answered(sheet: Any) -> None:
    run = sheet(
        arrivals=[{"number": TOWN, "per_hour": 300}],
        agents=[{"name": "a", "count": 20, "skills": {"citizens": 3}, "no_answer": 0.3, "back_after": "fixed 5 s"}],
    )
    tried = Counter(offer.result for record in run.records.values() for offer in record.offers)
    assert set(tried) == {"answered", "no-answer"}
    share = tried["no-answer"] / tried.total()
    assert share == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / tried.total()))


def test_who_loses_patience_leaves(sheet: Any) -> None:
    run = sheet(agents=[], patience="fixed 25 s")
    assert run.story()[-1] == (35.0, "CallerHungUp")
    assert run.record().outcome.result is Result.ABANDONED
    assert run.record().outcome.reason == "waiting"


def test_who_gave_up_may_call_again(sheet: Any) -> None:
    run = sheet(
        arrivals=[{"number": TOWN, "per_hour": 400}],
        agents=[],
        patience="fixed 5 s",
        redial={"share": 0.5, "after": "fixed 60 s"},
    )
    first = len(list(Run(run.scenario, 1, 0)._arrivals(run.scenario.sources[0])))
    # Half of half of half ...: twice as many, less those whose next call would come after the end.
    assert 1.7 * first < len(run.records) < 2.2 * first
    assert max(r.t_in for r in run.records.values()) < run.scenario.end


def test_people_come_pause_and_go(sheet: Any) -> None:
    """A break at nine, a second person from half past eight on; who talks when break or shift's end come talks on."""
    run = sheet(
        arrivals=[{"number": TOWN, "at": at("08:00:10", "08:59:50", "09:05:00", "09:59:59")}],
        agents=[
            {"name": "early", "skills": {"citizens": 3}, "shifts": ["mon 08:00-10:00"], "breaks": ["mon 09:00-09:15"]},
            {"name": "late", "skills": {"citizens": 3}, "shifts": ["mon 08:30-09:30"]},
        ],
        handling="fixed 120 s",
    )
    moved = [
        ((now - run.scenario.start).total_seconds() / 60, signal.agent, type(signal).__name__)
        for now, signal in run.told
        if isinstance(signal, m.AgentReady | m.AgentNotReady | m.AgentSignedOut)
    ]
    assert moved == [
        (0, "early-1", "AgentReady"),
        (30, "late-1", "AgentReady"),
        (60, "early-1", "AgentNotReady"),
        (75, "early-1", "AgentReady"),
        (90, "late-1", "AgentSignedOut"),
        (120, "early-1", "AgentSignedOut"),
    ]
    assert [run.record(n).agent for n in (1, 2, 3, 4)] == ["early-1", "early-1", "late-1", "early-1"]
    assert run.record(4).t_end > run.scenario.end
    early = run.outcome.loads["early", None]
    assert early.there_s == (120 - 15) * 60
    assert early.handling_s == 120 + 120 + 1  # of the last conversation, what lies before the end


def test_who_stays_longer_than_may_be_waited_is_taken_by_failsafe(sheet: Any) -> None:
    run = sheet(agents=[], queue_max_wait=60)
    assert run.story()[2:] == [(70.000001, "CallTakenByFailsafe"), (190.000001, "CallerHungUp")]
    assert run.record().outcome.result is Result.FAILSAFE


def test_last_words_are_heard_before_the_line_is_dead(sheet: Any) -> None:
    run = sheet(agents=[], queue_ladder=["nobody signed in: release"], prompts={"acd/nobody": 9})
    assert run.story()[-1] == (19.0, "CallerHungUp")
    assert run.record().outcome.result is Result.RELEASED


def test_a_prompt_in_between_costs_nobody_their_agent(sheet: Any) -> None:
    run = sheet(
        arrivals=[{"number": TOWN, "at": at("08:00:10", "08:00:20")}],
        queue_ladder=["waited 30 s: announce acd/long-wait"],
        prompts={"acd/long-wait": 60},
        handling="fixed 55 s",
    )
    # The prompt begins at 50 s and would end at 110 s; at 65 s the agent is free.
    assert run.record(2).t_ans == run.scenario.start + timedelta(seconds=65)
    assert [name for _, name in run.story(2)].count("CallerHeld") == 1
    waiting = sheet(agents=[], queue_ladder=["waited 30 s: announce acd/long-wait"], patience="fixed 90 s")
    assert waiting.story()[1:3] == [(10.0, "CallerHeld"), (45.0, "CallerHeld")]


def test_who_has_heard_a_prompt_is_in_line_again(sheet: Any) -> None:
    """Once for each prompt, when it is over."""
    ladder = ["waited 10 s: announce acd/long-wait", "waited 20 s: announce acd/longer-wait"]
    run = sheet(agents=[], queue_ladder=ladder, patience="fixed 60 s")
    assert run.story()[1:] == [(10, "CallerHeld"), (25, "CallerHeld"), (35, "CallerHeld"), (70, "CallerHungUp")]


def test_who_is_left_to_failsafe_may_give_up_there(sheet: Any) -> None:
    run = sheet(agents=[], queue_max_wait=60, patience="fixed 100 s")
    assert run.story()[-1] == (110.0, "CallerHungUp")


def test_one_conversation_in_two_is_ended_by_the_agent(sheet: Any) -> None:
    run = sheet(
        arrivals=[{"number": TOWN, "per_hour": 200}], agents=[{"name": "a", "count": 9, "skills": {"citizens": 3}}]
    )
    by = Counter(record.hung_up_first for record in run.records.values())
    assert set(by) == {"agent", "caller"}
    assert by["agent"] == pytest.approx(by.total() / 2, abs=2 * math.sqrt(by.total()))


def test_a_closed_number_says_so_and_hangs_up(sheet: Any) -> None:
    run = sheet(
        directory_calendars=[{"id": "c", "name": "C", "hours": ["mon 09:00-10:00"]}], entry_calendar="c", prompt=7
    )
    assert run.story() == [(10.0, "CallArrived"), (17.0, "CallerHungUp")]
    (seen,) = run.outcome.cells.values()
    assert (seen.figures.fates[Fate.CLOSED], seen.figures.offered) == (1, 0)


def test_what_a_partner_was_not_promised_is_busy_and_in_no_figure(sheet: Any) -> None:
    run = sheet(
        entry_kind="partner-inbound", entry_at_most=1, arrivals=[{"number": TOWN, "at": at("08:00:10", "08:00:20")}]
    )
    assert run.story(2) == [(20.0, "CallArrived"), (20.0, "CallerHungUp")]
    assert run.record(2).cause == 17
    (seen,) = run.outcome.cells.values()
    assert (seen.figures.fates[Fate.REFUSED], seen.figures.offered) == (1, 1)


# ---------------------------------------------------------------- partners

OVER: dict[str, Any] = {"queue_ladder": ["waited 20 s: partner oldenburg"], "agents": []}


def test_a_partner_that_nobody_described_is_always_there(sheet: Any) -> None:
    run = sheet(**OVER)
    assert run.story()[2:] == [(30.0, "DivertAnswered"), (90.0, "CallerHungUp")]
    assert run.record().outcome.result is Result.OVERFLOWED


def test_a_partner_takes_a_while_and_works_in_its_own_way(sheet: Any) -> None:
    run = sheet(
        **OVER, partners={"oldenburg": {"answers": "fixed 8 s", "handling": "fixed 200 s"}}, patience="fixed 40 s"
    )
    assert run.story()[2:] == [(38.0, "DivertAnswered"), (238.0, "CallerHungUp")]


@pytest.mark.parametrize(
    ("ways", "reason", "after"),
    [
        ({"busy": 1.0}, "busy", 0),
        ({"refused": 1.0}, "congestion", 0),
        ({"silent": 1.0}, "noanswer", 30),
        ({"answers": "fixed 31 s"}, "noanswer", 30),
        ({"people": 0}, "busy", 0),
        ({"down": ["mon 08:00-08:10"], "while_down": "refused"}, "congestion", 0),
        ({"down": ["mon 08:00-08:10"]}, "noanswer", 30),
    ],
)
def test_a_partner_that_does_not_answer_gives_the_caller_back(
    sheet: Any, ways: dict[str, object], reason: str, after: float
) -> None:
    run = sheet(**OVER, partners={"oldenburg": ways}, patience="fixed 75 s")
    failed = next(signal for _, signal in run.told if isinstance(signal, m.DivertFailed))
    assert failed.reason == reason
    assert run.story()[2:4] == [(30.0 + after, "DivertFailed"), (30.0 + after, "CallerHeld")]
    assert run.record().outcome.result is Result.ABANDONED
    assert run.record().waited == timedelta(seconds=75)


def test_a_partner_is_back_after_having_been_down(sheet: Any) -> None:
    run = sheet(**OVER, partners={"oldenburg": {"down": ["mon 08:00-08:01"], "while_down": "busy"}})
    assert run.story()[-2:] == [(90.0, "DivertAnswered"), (150.0, "CallerHungUp")]


def test_two_people_at_the_partner_take_two_calls(sheet: Any) -> None:
    run = sheet(
        agents=[],
        arrivals=[{"number": TOWN, "at": at("08:00:10", "08:00:11", "08:00:12", "08:01:10")}],
        queue_ladder=["all busy: partner oldenburg"],
        partners={"oldenburg": {"people": 2}},
        patience="fixed 30 s",
    )
    over = [run.record(n).outcome.result is Result.OVERFLOWED for n in (1, 2, 3, 4)]
    assert over == [True, True, False, True]
    assert run.record(3).outcome.result is Result.ABANDONED


def test_an_own_agent_is_free_while_the_partner_rings(sheet: Any) -> None:
    """And the partner's person, whose phone stops ringing, is free for the next."""
    run = sheet(
        arrivals=[{"number": TOWN, "at": at("08:00:00", "08:00:10", "08:00:50")}],
        queue_ladder=["waited 20 s: partner oldenburg"],
        partners={"oldenburg": {"people": 1, "answers": "fixed 29 s"}},
        handling="fixed 40 s",
    )
    assert run.record(2).agent == "centre-1"
    assert run.record(2).t_ans == run.scenario.start + timedelta(seconds=40)
    assert not run.when(m.DivertAnswered)
    assert not run.when(m.DivertFailed)  # busy, if the person there still belonged to the second caller
    assert run.record(3).agent == "centre-1"


def test_a_caller_gives_up_while_the_partner_rings(sheet: Any) -> None:
    run = sheet(**OVER, partners={"oldenburg": {"people": 1, "answers": "fixed 20 s"}}, patience="fixed 30 s")
    assert run.record().outcome.reason == "partner-ringing"


# ---------------------------------------------------------------- room


def test_who_would_be_one_too_many_is_blocked(sheet: Any) -> None:
    """One talks, two wait, the next two are blocked; once there is a place again, one may wait again."""
    run = sheet(
        room=2,
        arrivals=[{"number": TOWN, "at": at("08:00:00", "08:00:01", "08:00:02", "08:00:03", "08:00:04", "08:01:30")}],
    )
    (seen,) = run.outcome.cells.values()
    assert seen.blocked == 2
    assert (seen.figures.offered, seen.figures.answered) == (4, 4)
    assert [run.record(n).cause for n in (3, 4, 5, 6)] == [16, 34, 34, 16]


def test_without_room_nobody_waits_but_a_free_agent_still_answers(sheet: Any) -> None:
    run = sheet(room=0, arrivals=[{"number": TOWN, "at": at("08:00:00", "08:00:01", "08:02:00")}])
    (seen,) = run.outcome.cells.values()
    assert (seen.blocked, seen.figures.answered) == (1, 2)


def test_who_comes_back_from_a_busy_partner_is_blocked_only_when_nobody_else_is_asked(sheet: Any) -> None:
    """The second rung is tried before the place in line is counted."""
    second = {"id": "bremen", "name": "Bremen", "numbers": ["+494211150"]}
    run = sheet(
        room=0,
        agents=[],
        directory_partners=[*BASE["directory"]["partners"], second],
        queue_ladder=["all busy: partner oldenburg", "all busy: partner bremen"],
        partners={"oldenburg": {"people": 0}, "bremen": {"people": 1}},
        arrivals=[{"number": TOWN, "at": at("08:00:10", "08:00:20")}],
    )
    assert run.record(1).partner == "bremen"
    (seen,) = run.outcome.cells.values()
    assert (seen.blocked, seen.figures.overflowed) == (1, 1)


# ---------------------------------------------------------------- the same callers, the same output

BUSY: dict[str, Any] = {
    "arrivals": [{"number": TOWN, "per_hour": 120, "day_cv": 0.1, "hour_cv": 0.1}],
    "handling": "lognormal 90 s cv 1",
    "patience": "exponential 60 s",
}


def test_the_staff_changes_neither_who_comes_nor_what_they_want(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[datetime, float, timedelta | None]]] = []
    real = Run._new_caller

    def noted(self: Run, source: Any, work: float, patience: float) -> None:
        seen[-1].append((self._now, work, source.patience.of(patience)))
        real(self, source, work, patience)

    monkeypatch.setattr(Run, "_new_caller", noted)
    for count, rings in ((1, "fixed 0 s"), (4, "exponential 9 s")):
        agents = [{"name": "a", "count": count, "skills": {"citizens": 3}, "answers": rings, "no_answer": 0.1}]
        seen.append([])
        Run(read_scenario(written(tmp_path, changed(**BUSY, agents=agents))), 5, 3).outcome()
    assert len(seen[0]) > 100
    assert seen[0] == seen[1]


def test_another_line_of_arrivals_changes_nothing_in_the_first(tmp_path: Path) -> None:
    one = read_scenario(written(tmp_path, changed(**BUSY)))
    arrivals = [*BUSY["arrivals"], {"number": TOWN, "per_hour": 10}]
    two = read_scenario(written(tmp_path, changed(**{**BUSY, "arrivals": arrivals})))
    assert [source.name for source in two.sources] == [TOWN, f"{TOWN} 2"]
    first = [list(Run(scenario, 1, 0)._arrivals(scenario.sources[0])) for scenario in (one, two)]
    assert first[0] == first[1]


def run_in_a_process(path: Path, hash_seed: str) -> bytes:
    code = "import sys, pathlib, dialog_acd.simulation as s; s.run_command(pathlib.Path(sys.argv[1]), 1, 2, True)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], env=environment, check=True, capture_output=True
    ).stdout


def test_the_same_seed_gives_the_same_output_to_the_byte(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    over = {"queue_ladder": ["all busy: partner oldenburg"], "partners": {"oldenburg": {"people": 2, "busy": 0.2}}}
    path = written(tmp_path, changed(**BUSY, **over, windows={"a": ["mon 08:00-09:00"]}))
    run_command(path, 1, 2, True)
    here = capfd.readouterr().out.encode()
    assert run_in_a_process(path, "1") == here
    run_command(path, 2, 2, True)
    assert capfd.readouterr().out.encode() != here
    for _ in range(2):
        run_command(path, 1, 2, False)
    text = capfd.readouterr().out
    assert text[: len(text) // 2] == text[len(text) // 2 :]


# ---------------------------------------------------------------- whatever the scenario

_LENGTHS = st.sampled_from(["fixed 0 s", "fixed 19 s", "fixed 20 s", "exponential 40 s", "lognormal 30 s cv 2"])
_RUNGS = st.sampled_from(
    [
        "all busy: partner oldenburg",
        "waited 5 s: partner oldenburg",
        "waited 10 s: announce acd/long-wait",
        "queue length 2: release",
        "queue length 1: widen 1",
        "nobody signed in: partner oldenburg",
        "nobody signed in: release",
        "waited 40 s: release",
        "expected wait 20 s: partner oldenburg",
    ]
)
_SHARES = st.sampled_from([0.0, 0.1, 0.4])


@given(
    st.fixed_dictionaries(
        {
            "per_hour": st.sampled_from([30, 120, 400]),
            "patience": st.one_of(st.just("none"), _LENGTHS),
            "handling": _LENGTHS,
            "answers": _LENGTHS,
            "no_answer": _SHARES,
            "breaks": st.sampled_from([[], ["mon 08:05-08:10"]]),
            "shifts": st.sampled_from([[], ["mon 08:02-08:12"]]),
            "wrap_up": st.sampled_from([0, 7]),
            "max_wait": st.sampled_from([30, 900]),
            "ladder": st.lists(_RUNGS, max_size=3, unique=True),
            "greeting": st.sampled_from([None, "acd/hello"]),
            "room": st.sampled_from([None, None, 0, 2]),
            "people": st.sampled_from([None, 0, 1]),
            "partner_answers": _LENGTHS,
            "busy": _SHARES,
            "silent": _SHARES,
            "down": st.sampled_from([[], ["mon 08:03-08:06"]]),
            "redial": st.sampled_from([None, {"share": 0.3, "after": "uniform 5-60 s"}]),
            "seed": st.integers(0, 9),
        }
    )
)
@example(
    # Two agents come in the moment in which a partner is busy: what follows from the first is told before the second.
    {"per_hour": 400, "patience": "none", "handling": "fixed 19 s", "answers": "exponential 40 s", "no_answer": 0.0,
     "breaks": [], "shifts": ["mon 08:02-08:12"], "wrap_up": 0, "max_wait": 30,
     "ladder": ["all busy: partner oldenburg"], "greeting": "acd/hello", "room": None, "people": 0,
     "partner_answers": "fixed 0 s", "busy": 0.1, "silent": 0.4, "down": [], "redial": None, "seed": 4}
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_every_caller_has_one_end_and_the_core_understands_every_word(
    tmp_path_factory: pytest.TempPathFactory, what: dict[str, Any]
) -> None:
    ladder = [rung for rung in what["ladder"] if "release" not in rung] + [r for r in what["ladder"] if "release" in r]
    with pytest.MonkeyPatch.context() as patch:
        run = Sheet(
            tmp_path_factory.mktemp("any"),
            patch,
            what["seed"],
            {
                "end": "2026-03-02T08:15",
                "arrivals": [{"number": TOWN, "per_hour": what["per_hour"]}],
                "patience": what["patience"],
                "handling": what["handling"],
                "queue_steps": ["from 0 s: citizens>=3", "from 30 s: any"],
                "queue_wrap_up_for": what["wrap_up"],
                "queue_max_wait": what["max_wait"],
                "queue_ladder": ladder,
                "entry_greeting": what["greeting"],
                "room": what["room"],
                "redial": what["redial"],
                "agents": [
                    {"name": "a", "count": 2, "skills": {"citizens": 3}, "answers": what["answers"],
                     "no_answer": what["no_answer"], "shifts": what["shifts"], "breaks": what["breaks"]},
                    {"name": "b", "skills": {}, "answers": what["answers"]},
                ],
                "partners": {
                    "oldenburg": {"people": what["people"], "answers": what["partner_answers"], "busy": what["busy"],
                                  "silent": what["silent"], "down": what["down"]}
                },
            },
        )  # fmt: skip
    assert len(run.records) == run.outcome.calls
    counted = 0
    for seen in run.outcome.cells.values():
        f = seen.figures
        assert f.fates[Fate.FAILED] == f.fates[Fate.TEST] == 0
        assert seen.by_group.total() == f.answered
        counted += f.calls + seen.blocked
    assert counted == run.outcome.calls
    for load in run.outcome.loads.values():
        assert 0 <= load.handling_s <= 3 * 900
    patience = run.scenario.sources[0].patience
    if patience is not None and patience.shape == "fixed":
        for record in run.records.values():
            if record.outcome.result is Result.ABANDONED and record.cause == 16:
                in_line = record.waited - ((record.t_ann_end or record.t_in) - record.t_in)
                assert in_line == timedelta(seconds=patience.mean_s)


# ---------------------------------------------------------------- the report


def test_a_share_over_several_runs_is_pooled_and_its_spread_is_that_of_the_residuals() -> None:
    found = estimate([(8, 10), (30, 50), (12, 20)], "%")
    # 50 of 80; residuals 8 - 6.25, 30 - 31.25, 12 - 12.5: s^2 = (1.75^2 + 1.25^2 + 0.5^2) / 2 = 2.4375
    assert found is not None
    assert found.value == pytest.approx(62.5)
    assert found.half is not None
    assert found.half == pytest.approx(100 * 4.302653 * math.sqrt(2.4375) * math.sqrt(3) / 80)
    assert found.se == pytest.approx(found.half / 1.959963985)


def test_one_run_says_nothing_of_how_sure_it_is() -> None:
    assert estimate([(8, 10)], "%") == Estimate(80.0, None)
    assert estimate([(0, 0), (0, 0)], "%") is None
    assert estimate([], "s") is None
    two = estimate([(3, 1), (5, 1)], "")
    assert two is not None
    assert two.value == 4
    assert two.half == pytest.approx(12.706205)


def test_what_one_run_says_is_a_pair() -> None:
    assert as_pair(Ratio(3, 4)) == (3, 4)
    assert as_pair(Mean(7.5, 3)) == (7.5, 3)
    assert as_pair(2.5) == (2.5, 1.0)
    assert as_pair(None) == (0.0, 0.0)


def test_students_t() -> None:
    known = {1: 12.7062, 10: 2.22814, 30: 2.04227, 31: 2.03951, 40: 2.02108, 60: 2.00030, 100: 1.98397, 1000: 1.96234}
    for freedom, quantile in known.items():
        assert t_975(freedom) == pytest.approx(quantile, abs=2e-5)


def test_figures_have_the_names_of_the_reports() -> None:
    names = set(named_kpis(["home"]))
    assert names >= {
        "Annahmequote (Netz)", "Annahmequote (eigen)", "Annahmequote bereinigt", "Abbruchquote", "Überlaufquote",
        "Überlaufquote (all-busy)", "Überlaufquote (waited)", "Überlaufquote (closed-by-hours)",
        "Überlauf-Annahmequote", "Servicelevel X/T strict", "Servicelevel ohne Frühabbrecher",
        "Servicelevel der Angenommenen", 'Servicelevel "Abbruch<=T zählt positiv"', "Durchschnittliche Wartezeit (ASA)",
        "Wartezeit der Abbrecher", "Median", "P90", "max", "AHT", "Anteil home an Angenommenen",
    }  # fmt: skip


SMALL: dict[str, Any] = {
    "arrivals": [{"number": TOWN, "at": at("08:00:00", "08:00:30", "08:00:40", "09:30:00")}],
    "patience": "fixed 25 s",
    "queue_target": 30,
    "windows": {"first": ["mon 08:00-08:30"], "second": ["mon 09:00-10:00"]},
}
"""One talks for a minute; the second gives up at 55 s, the third is answered at 60 s, the fourth at once."""


def test_the_figures_of_a_morning_with_a_pencil(tmp_path: Path) -> None:
    findings = find(read_scenario(written(tmp_path, changed(**SMALL))), 1, [0])
    expected = {
        "Angeboten": 4,
        "Angenommen (eigen)": 3,
        "Abgebrochen": 1,
        "Annahmequote (Netz)": 75,
        "Servicelevel X/T strict": 75,
        "Servicelevel ohne Frühabbrecher": 100,
        "Servicelevel der Angenommenen": 100,
        "Durchschnittliche Wartezeit (ASA)": 20 / 3,
        "Wartezeit der Abbrecher": 25,
        "Wartezeit aller": 45 / 4,
        "Anteil mit Wartezeit": 50,
        "Median": 0,
        "P90": 20,
        "max": 20,
        "AHT": 60,
    }

    def value(kpi: str, of: str = "all", within: str | None = None) -> float | None:
        found = findings.figure(kpi, of, within)
        return None if found is None else found.value

    for of in ("all", "queue q", "kind main-number", "number +49511168"):
        for kpi, wanted in expected.items():
            assert value(kpi, of) == pytest.approx(wanted), kpi
    assert (value("Angeboten", "all", "first"), value("Angeboten", "all", "second")) == (3, 1)
    assert value("Annahmequote (Netz)", "all", "first") == pytest.approx(200 / 3)
    assert value("Annahmequote (Netz)", "all", "second") == 100
    assert value("Angeboten", "kind catch-all") == 0
    assert value("Abbruchquote", "kind catch-all") is None
    assert value("Auslastung", "group centre") == pytest.approx(100 * 180 / 7200)
    assert value("Auslastung", "group centre", "second") == pytest.approx(100 * 60 / 3600)


def test_two_ways_to_the_same_occupancy_and_a_plan_that_fits(sheet: Any) -> None:
    """What agents were told to be doing, and what the records of their calls say: the same, to the millisecond a call.

    Seven people at a peak of 185 calls an hour are as many as Erlang C asks for, on a morning that has as many calls.
    """
    day: Sheet = sheet(
        arrivals=[{"number": TOWN, "calls": 370, "hours": "mon 08:00-10:00", "shares": [25, 25, 25, 25]}],
        handling="lognormal 85 s cv 1",
        patience="exponential 180 s",
        queue_wrap_up_for=10,
        agents=[{"name": "centre", "count": 7, "skills": {"citizens": 3}}],
    )
    scenario = day.scenario
    book = Attendance(scenario.directory, scenario.start)
    for moment, message in day.said:
        if moment <= scenario.end and isinstance(message, m.AgentChanged):
            book.note(message, moment)
    rows = book.take(scenario.end)
    assert [row.people for row in rows] == [7, 7, 7, 7]

    load = day.outcome.loads["centre", None]
    found = occupancy(rows)
    assert found.denominator == 1000 * load.there_s == 7 * 7_200_000
    assert found.numerator == pytest.approx(1000 * load.handling_s, abs=len(day.records))
    assert 0.5 < (found.share() or 0) < 1

    demands = []
    for row in rows:
        came = [r for r in day.records.values() if half_hour(r.t_in) == row.begins]
        lengths = [(r.t_wrap_end - r.t_ans).total_seconds() * 1000 for r in came if r.t_ans and r.t_wrap_end]
        demands.append(
            Demand(row.begins, came[0].queue, len(came), round(sum(lengths)), len(lengths), 0.75, timedelta(seconds=30))
        )
    halves = staffing(rows, demands)
    assert [half.agents.value() for half in halves] == [7, 7, 7, 7]
    assert sum(half.calls for half in halves) == len(day.records)
    assert 6 <= sum(half.needed or 0 for half in halves) / 4 <= 8


def test_how_near_the_foretold_waits_came_with_a_pencil(tmp_path: Path) -> None:
    """Only the third caller waits and is served: behind one other, who had waited 10 s then, for 20 s."""
    known = {"agents": 1, "handling": 60, "patience": 25, "per_hour": 2}
    findings = find(read_scenario(written(tmp_path, changed(**SMALL, known=known))), 1, [0])

    def error(name: str, within: str | None = None) -> float | None:
        found = findings.figure(f"Mittlerer quadratischer Fehler {name}", "queue q", within)
        return None if found is None else found.value

    # The core knows nothing yet and assumes three minutes each; whoever was answered last had not waited.
    assert error("QL_M (gelernt)") == pytest.approx((180 + 90 - 20) ** 2)
    assert error("LES") == pytest.approx(20**2)
    assert error("RATE (gelernt)") is None
    ql_m, ql_s = 60 + 1 / (1 / 60 + 1 / 25), 1 / (1 / 60 + 1 / 25) + 1 / (1 / 60 + 2 / 25)
    assert error("Mittelwert") == pytest.approx((Known(1, 60, 25, 2 / 3600).mean_wait_s - 20) ** 2)
    assert error("QL") == pytest.approx((120 - 20) ** 2)
    assert error("QL_M") == pytest.approx((ql_m - 20) ** 2)
    assert error("QL_S") == pytest.approx((ql_s - 20) ** 2)
    assert error("HOL") == pytest.approx((10 - 20) ** 2)
    assert error("HOL verfeinert") == pytest.approx(((10 * 2 / 3600 + 2) * 60 - 20) ** 2)
    assert error("HOL / QL") == pytest.approx(10**2 / 100**2)
    assert error("LES / QL") == pytest.approx(20**2 / 100**2)
    assert error("QL_M (gelernt) / QL_M") == pytest.approx(250**2 / (ql_m - 20) ** 2)
    assert error("QL / Wartezeit") == pytest.approx(100**2 / 20)
    assert (error("QL", "first"), error("QL", "second")) == (error("QL"), None)


def test_a_known_truth_that_nobody_can_sum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erlang, "LONGEST_LINE", 1000)
    known = {"agents": 1, "handling": 86400, "patience": 86400, "per_hour": 100_000}
    assert faults(tmp_path, changed(known=known)) == [
        "known: more than 1000 callers would stand in line; is a patience of 86400.0 s meant?"
    ]


def test_who_stands_first_in_line(sheet: Any) -> None:
    """Who is answered, gives up or goes to the partner does not stand there any more."""
    moments = at("08:00:00", "08:00:10", "08:00:20", "08:01:05", "08:01:06", "08:02:30", "08:02:31")
    run = sheet(
        arrivals=[{"number": TOWN, "at": moments}],
        patience="fixed 90 s",
        queue_ladder=["waited 30 s: partner oldenburg"],
        partners={"oldenburg": {"people": 1, "handling": "fixed 3600 s"}},
        known={"agents": 1, "handling": 60, "patience": 90, "per_hour": 4},
    )
    # The second goes to the partner at 08:00:40. The third is served at 08:01:00, the fourth at 08:02:00, the fifth
    # gives up at 08:02:36, having been first since then, and the sixth is served at 08:03:00.
    compared = [message.wait for _, message in run.said if isinstance(message, m.WaitsCompared)]
    assert [(wait.waited_s, wait.ahead) for wait in compared] == [(40, 1), (55, 0), (30, 1), (89, 2)]
    heads = [10, 0, 84, 85]
    seen = next(iter(run.outcome.cells.values()))
    assert seen.squared["HOL"] == sum((head - w.waited_s) ** 2 for head, w in zip(heads, compared, strict=True))


def test_without_a_known_truth_there_is_what_the_core_has_learnt(tmp_path: Path) -> None:
    findings = find(read_scenario(written(tmp_path, changed(**SMALL))), 1, [0])
    assert "Mittlerer quadratischer Fehler QL_M (gelernt)" in findings.kpis
    assert "Mittlerer quadratischer Fehler QL_M" not in findings.kpis


def test_the_mean_wait_that_is_known() -> None:
    assert Known(1, 60, math.inf, 1 / 120).mean_wait_s == pytest.approx(120), "of those who wait: 60 / (1 - 0.5)"
    assert Known(1, 60, math.inf, 1 / 60).mean_wait_s == math.inf
    assert Known(9000, 60, 60, 1 / 3600).mean_wait_s == 0, "nobody will ever see it"
    # By the chances of every place in the line, summed elsewhere.
    assert Known(10, 180, 180, 220 / 3600).mean_wait_s == pytest.approx(48.69815175962856)
    assert Known(4, 60, 120, 160 / 3600).mean_wait_s == pytest.approx(23.22079696004639)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ({"from": 75, "to": 75}, True),
        ({"from": 75.1}, False),
        ({"to": 74.9}, False),
        ({"to": 80}, True),
        ({"about": 75}, True),
        ({"about": 74}, False),
        ({"of": "kind catch-all", "to": 100}, False),
        ({"in": "second", "from": 100}, True),
    ],
)
def test_what_is_expected_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: dict[str, object], met: bool
) -> None:
    """One run is enough where nothing is left to chance."""
    path = written(tmp_path, changed(**SMALL, expect=[{"kpi": "Annahmequote (Netz)", **wanted}]))
    assert run_command(path, 1, None, True) == (0 if met else 1)
    said = json.loads(capsys.readouterr().out)
    assert said["expect"][0]["met"] is met
    assert said["as_expected"] is met


@pytest.mark.parametrize("by_chance", [
    {"arrivals": [{"number": TOWN, "per_hour": 60}]},
    {"handling": "exponential 60 s"},
    {"patience": "uniform 20-30 s"},
    {"redial": {"share": 0.5, "after": "fixed 60 s"}},
    {"agents": [{"name": "centre", "count": 1, "skills": {"citizens": 3}, "no_answer": 0.1}]},
    {"agents": [{"name": "centre", "count": 1, "skills": {"citizens": 3}, "answers": "exponential 2 s"}]},
    {"partners": {"oldenburg": {"busy": 0.5}}},
    {"partners": {"oldenburg": {"answers": "exponential 4 s"}}},
])  # fmt: skip
def test_of_few_runs_that_chance_decides_nothing_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by_chance: dict[str, object]
) -> None:
    """Not even what could hardly be missed, and a status of 1 would stop somebody's night for nothing."""
    expect = [{"kpi": "Annahmequote (Netz)", "from": 0}, {"kpi": "Annahmequote (Netz)", "to": -1}]
    path = written(tmp_path, changed(**{**SMALL, **by_chance}, expect=expect))
    assert run_command(path, 1, 3, True) == 0
    said = json.loads(capsys.readouterr().out)
    assert [expected["met"] for expected in said["expect"]] == [None, None]
    assert said["as_expected"] is None
    assert run_command(path, 1, 3, False) == 0
    text = capsys.readouterr().out
    assert text.count("too few runs to judge") == 2
    assert "fewer than 4 runs are too few" in text
    assert "±" not in text
    assert run_command(path, 1, 4, True) == 1
    said = json.loads(capsys.readouterr().out)
    assert [expected["met"] for expected in said["expect"]] == [True, False]


def test_whoever_would_press_1_waits_on(sheet: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A simulated caller has no number: the ladder goes on below the callback, and both outputs say so."""
    ladder = ["all busy: callback", "all busy: partner oldenburg"]
    run = sheet(arrivals=[{"number": TOWN, "at": at("08:00:00", "08:00:05")}], queue_ladder=ladder)
    assert [r.outcome.result for r in run.records.values()].count(Result.OVERFLOWED) == 1
    path = written(tmp_path, changed(**SMALL, queue_ladder=ladder))
    run_command(path, 1, None, True)
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("queue q: simulated callers have no number to be called back at")
    run_command(path, 1, None, False)
    assert "note  queue q: simulated callers have no number" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "noted"), [(20, False), (10, False), (1, False), (19, True), (21, True)])
def test_one_share_too_many_moves_all_that_follow(tmp_path: Path, count: int, noted: bool) -> None:
    line = {"number": TOWN, "calls": 10, "hours": "mon-thu 08:00-18:00", "shares": [1] * count}
    notes = read_scenario(written(tmp_path, changed(arrivals=[line]))).notes
    assert [note for note in notes if "half hours would be 20 shares" in note and "mon-thu 08:00-18:00" in note] == [
        *notes
    ]
    assert bool(notes) is noted


def test_four_sigma(tmp_path: Path) -> None:
    """With five runs the spread is known; what lies within four of its standard errors is met, beyond it is not."""
    agents = [{"name": "a", "count": 3, "skills": {"citizens": 3}}]
    figure = find(read_scenario(written(tmp_path, changed(**BUSY, agents=agents))), 1, range(5)).figure("Abbruchquote")
    assert figure is not None
    assert figure.se is not None
    off = [figure.value + sigmas * figure.se for sigmas in (3.9, 4.1, -3.9, -4.1)]
    expect = [
        *({"kpi": "Abbruchquote", "about": value} for value in off),
        {"kpi": "Abbruchquote", "about": off[1], "se": figure.se},
    ]
    findings = find(read_scenario(written(tmp_path, changed(**BUSY, agents=agents, expect=expect))), 1, range(5))
    assert [findings.verdict(e)[1] for e in findings.scenario.expect] == [True, False, True, False, True]


def test_the_text_names_what_it_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expect = [{"kpi": "Servicelevel X/T strict", "from": 80}, {"kpi": "Abbruchquote", "to": 30}]
    path = written(tmp_path, changed(**SMALL, expect=expect, text="Three\nare served."))
    assert run_command(path, 4, None, False) == 1
    text = capsys.readouterr().out
    for said in ("a test", "Three are served.", "1 run, seed 4, 4 calls", "counted Mon 02.03.2026 08:00", "75,0 %",
                 "Servicelevel 75/30 strict", "NOT MET", "from 80 %", "Auslastung of each group", "verdict",
                 "Calls that came in “first” (Mon 08:00 to 08:30)", "All calls"):  # fmt: skip
        assert said in text, said
    assert "Überlaufquote" not in text  # what never happened needs no line


def test_counts_are_told_as_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expect = [{"kpi": "Angeboten", "from": 4, "to": 4}, {"kpi": "Abgebrochen", "to": 1}]
    run_command(written(tmp_path, changed(**SMALL, expect=expect)), 1, 2, False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Angeboten", "│", "4"] in lines
    assert ["Angeboten", "│", "all", "│", "│", "4", "│", "4", "│", "met"] in lines
    assert ["Abgebrochen", "│", "all", "│", "│", "to", "1", "│", "1", "│", "met"] in lines


@pytest.mark.parametrize(
    ("unit", "value", "half", "told"),
    [
        ("", 4, None, "4"),
        ("", 4, 0, "4"),
        ("", 889.4, 330.4, "889 ± 330"),
        ("", 16.33, 8.8, "16,3 ± 8,8"),
        ("", 0.5, None, "0,5"),
        ("%", 100, 0, "100,0 %"),
        ("%", 98.44, 1.02, "98,4 ± 1,0 %"),
        ("1", 12, 11, "12,0 ± 11,0"),
        ("", 4, 127, "4 ± 127"),
    ],
)
def test_a_figure_has_the_digits_that_mean_something(unit: Any, value: float, half: float | None, told: str) -> None:
    assert in_words(Estimate(float(value), None if half is None else float(half)), unit) == told


def test_json_is_one_object_with_figures_for_every_scope(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(written(tmp_path, changed(**SMALL)), 1, None, True)
    out = capsys.readouterr().out
    said = json.loads(out)
    assert out.count("\n") == 1
    assert (said["runs"], said["seed"], said["calls"], said["start"]) == (1, 1, 4, "2026-03-02T08:00:00+01:00")
    scopes = [(scope["of"], scope["in"]) for scope in said["figures"]]
    assert len(scopes) == len(set(scopes))
    assert {("all", None), ("queue q", "first"), ("kind main-number", "second"), ("group centre", None)} <= set(scopes)
    figures = said["figures"][0]["kpis"]
    assert figures["Annahmequote (Netz)"] == {"value": 75.0, "half_width": None, "unit": "%"}
    assert figures["Servicelevel X/T strict"]["shown"] == "Servicelevel 75/30 strict"
    assert figures["Überlauf-Annahmequote"]["value"] is None


def test_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match="runs: 0 are none"):
        run_command(written(tmp_path, changed()), 1, 0, True)


# ---------------------------------------------------------------- the files that come with it


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_can_be_used(path: Path) -> None:
    scenario = read_scenario(path)
    assert isinstance(scenario, Scenario)
    assert scenario.expect
    assert scenario.start.astimezone(BERLIN).year == 2026


def test_a_friday_afternoon_in_harburg(capsys: pytest.CaptureFixture[str]) -> None:
    """From 15:00:00 to 17:59:59 every 115 call is answered in Oldenburg, and the county's own number is closed."""
    assert run_command(SCENARIOS / "harburg-friday.yaml", 1, None, True) == 0
    said = json.loads(capsys.readouterr().out)
    assert all(expected["met"] for expected in said["expect"])
    assert datetime.fromisoformat(said["start"]) == datetime(2026, 3, 6, 13, 45, tzinfo=UTC)
