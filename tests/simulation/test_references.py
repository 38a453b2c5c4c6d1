"""Does the core, driven through its own front door, queue as queueing theory says?

Every reference is a scenario file with its exact figures (or those of a program that shares nothing with this one), and
every figure must lie within four standard errors. How long: ``ACD_SIMULATION=full`` is the length of the references
themselves (a million calls each, half an hour in all), ``tenth`` what the files say (three minutes), and by
default a fifth of that, which still tells a wrong order of calls or people, a step too late or a place too many by
more than those errors.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dialog_acd.core import waiting
from dialog_acd.core.erlang import erlang_a, erlang_b, erlang_c, erlang_c_asa, erlang_c_service_level, finite_room
from dialog_acd.simulation import find
from dialog_acd.simulation.scenario import read_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dialog_acd.simulation.report import Findings

pytestmark = pytest.mark.simulation

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LENGTHS = {"": 0.2, "tenth": 1.0, "full": 10.0}
LENGTH = LENGTHS[os.environ.get("ACD_SIMULATION", "")]
SEED = 1
MSE = "Mittlerer quadratischer Fehler"


def missed(findings: Findings) -> list[str]:
    found = [(expected, *findings.verdict(expected)) for expected in findings.scenario.expect]
    return [f"{expected}: {figure}" for expected, figure, met in found if met is not True]


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("reference-*.yaml")), ids=lambda path: path.stem)
def test_a_reference_system_is_reproduced(path: Path) -> None:
    scenario = read_scenario(path)
    assert missed(find(scenario, SEED, range(round(scenario.runs * LENGTH)))) == []


@pytest.mark.parametrize("name", ["e1", "e2", "e3"])
def test_a_core_that_has_nothing_to_learn_foretells_what_the_reference_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core's QL_M is worse than that of the literature because it learns from a hundred calls, and only for that.

    Born with the truth, and not to be shaken in it, it says the same of every single wait.
    """
    scenario = read_scenario(SCENARIOS / f"reference-{name}.yaml")
    learning = find(scenario, SEED, [0]).figure(f"{MSE} QL_M (gelernt) / QL_M")
    assert learning is not None
    assert learning.value > 1.005
    known = scenario.known
    assert known is not None
    monkeypatch.setattr(waiting, "PRIOR_AHT_S", known.aht_s)
    monkeypatch.setattr(waiting, "PRIOR_PATIENCE_S", known.patience_s)
    monkeypatch.setattr(waiting, "_PRIOR_CALLS", 1e9)
    monkeypatch.setattr(waiting, "_PRIOR_GIVEN_UP", 1e9)
    monkeypatch.setattr(waiting, "_KEEP", 1 - 1e-12)
    told = find(scenario, SEED, [0]).figure(f"{MSE} QL_M (gelernt) / QL_M")
    assert told is not None
    assert told.value == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "runs"),
    [("hannover-monday-972", 6), ("hannover-monday-1080", 6), ("hannover-2021", 4), ("harburg-monday", 30)],
)
def test_a_town_is_what_its_file_says(name: str, runs: int) -> None:
    scenario = read_scenario(SCENARIOS / f"{name}.yaml")
    assert missed(find(scenario, SEED, range(runs if LENGTH < 1 else scenario.runs))) == []


# ---------------------------------------------------------------- the formulas, by a simple scenario each


def one_queue(
    tmp_path: Path,
    *,
    per_hour: float,
    agents: int,
    aht_s: float,
    patience: str = "none",
    known: Mapping[str, float] | None = None,
    **queue: object,
) -> Findings:
    """Eight runs of ten hours, an hour to warm up, of one queue; forty where there is time."""
    own = {"id": "q", "name": "Q", "steps": ["from 0 s: s"], "wrap_up_for": 0, "max_wait": 86_400, **queue}
    entry = {"tenant": "t", "queue": "q", "failsafe": "f"}
    content: dict[str, Any] = {
        "name": "a formula",
        "start": "2026-03-02T00:00",
        "end": "2026-03-02T11:00",
        "warm_up": 3600,
        "directory": {
            "tenants": [{"id": "t", "name": "T", "label": "T"}],
            "failsafe_profiles": [{"name": "f", "group": "all"}],
            "skills": [{"id": "s", "name": "S"}],
            "queues": [own],
            "entries": [{**entry, "number": "+49511168", "kind": "main-number"}, {**entry, "kind": "catch-all"}],
        },
        "arrivals": [{"number": "0511 168", "per_hour": per_hour}],
        "handling": f"exponential {aht_s} s",
        "patience": patience,
        "agents": [{"name": "a", "count": agents, "skills": {"s": 3}}],
        "known": known,
    }
    path = tmp_path / "formula.yaml"
    path.write_text(yaml.safe_dump(content))
    return find(read_scenario(path), SEED, range(8 if LENGTH < 1 else 40))


def check(findings: Findings, *figures: tuple[str, float, str]) -> None:
    for kpi, exact, of in figures:
        found = findings.figure(kpi, of)
        assert found is not None
        assert found.se is not None
        assert abs(found.value - exact) <= 4 * found.se, (kpi, exact, found)


def test_nobody_waits_erlang_b(tmp_path: Path) -> None:
    """Whoever finds all three busy is told so: the overflow share of a Monday hour in Harburg."""
    findings = one_queue(tmp_path, per_hour=83, agents=3, aht_s=90, ladder=["all busy: release"])
    blocked = erlang_b(3, 83 * 90 / 3600)
    check(
        findings,
        ("Verabschiedungsquote", 100 * blocked, "all"),
        ("Auslastung", 100 * 83 * 90 / 3600 / 3 * (1 - blocked), "group a"),
    )
    assert findings.figure("max").value == 0  # type: ignore[union-attr]


def test_nobody_gives_up_erlang_c(tmp_path: Path) -> None:
    """Ten agents and eight erlang; and how near the foretold waits come, see ``simulation/predictors.py``."""
    known = {"agents": 10, "handling": 180, "per_hour": 160}
    findings = one_queue(tmp_path, per_hour=160, agents=10, aht_s=180, known=known)
    r, square = 0.8, 18**2
    les = r * (2 * r / (1 - r) + (1 + r) ** 2 + 1 + r**2) + 2 * (1 - r) * (1 + r) ** 2
    check(
        findings,
        (f"{MSE} Mittelwert", square / (1 - r) ** 2, "all"),
        (f"{MSE} QL", square / (1 - r), "all"),
        (f"{MSE} HOL", square * 2 / (1 - r), "all"),
        (f"{MSE} HOL verfeinert", square * (2 * r / (1 - r) + 2 * (1 - r)), "all"),
        (f"{MSE} LES", square * les, "all"),
        (f"{MSE} QL / Wartezeit", 18, "all"),
        (f"{MSE} HOL / QL", 2, "all"),
        (f"{MSE} LES / QL", les * (1 - r), "all"),
        ("Anteil mit Wartezeit", 100 * erlang_c(10, 8), "all"),
        ("Durchschnittliche Wartezeit (ASA)", erlang_c_asa(10, 8, 180), "all"),
        ("Servicelevel X/T strict", 100 * erlang_c_service_level(10, 8, 180, 30), "all"),
        ("Auslastung", 80, "group a"),
    )
    assert findings.figure("Annahmequote (Netz)").value == 100  # type: ignore[union-attr]


def test_some_give_up_erlang_a(tmp_path: Path) -> None:
    """A Monday hour in Harburg with six people and calls of three minutes."""
    findings = one_queue(tmp_path, per_hour=83, agents=6, aht_s=180, patience="exponential 180 s")
    exact = erlang_a(6, 83 * 180 / 3600, 180, 180)
    check(
        findings,
        ("Anteil mit Wartezeit", 100 * exact.p_wait, "all"),
        ("Abbruchquote", 100 * exact.p_abandon, "all"),
        ("Servicelevel X/T strict", 100 * exact.strict(30), "all"),
        ("Servicelevel ohne Frühabbrecher", 100 * exact.late_abandons_only(30), "all"),
        ("Servicelevel ohne kurze Abbrüche (<= 5 s)", 100 * exact.short_abandons_excluded(30), "all"),
        ("Auslastung", 100 * exact.occupancy, "group a"),
    )


def test_four_may_wait_finite_room(tmp_path: Path) -> None:
    """Who finds four waiting is told so at once: that takes some seconds, and such a caller has given up, too."""
    findings = one_queue(tmp_path, per_hour=160, agents=4, aht_s=90, ladder=["queue length 4: release"])
    exact = finite_room(4, 4.0, 90, 4)
    check(
        findings,
        ("Verabschiedungsquote", 100 * exact.p_blocked, "all"),
        ("Anteil mit Wartezeit", 100 * (exact.p_wait + exact.p_blocked), "all"),
        ("Durchschnittliche Wartezeit (ASA)", exact.wait_joined_s, "all"),
        ("Auslastung", 100 * exact.occupancy, "group a"),
    )
