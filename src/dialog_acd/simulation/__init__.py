"""What would happen? ``dialog-acd simulate SCENARIO.yaml`` lets a centre be called, and tells the figures.

``scenario.py`` reads what an operator writes, ``run.py`` turns the very core that routes live calls in virtual time,
``figures.py`` says what is counted and how sure it is, ``report.py`` prints it. The same seed gives the same output,
to the byte: nothing here reads a clock, and every source of chance has dice of its own (``chance.py``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from dialog_acd.simulation.report import Findings, print_report, to_json
from dialog_acd.simulation.run import Run
from dialog_acd.simulation.scenario import ScenarioInvalid, read_scenario

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dialog_acd.simulation.scenario import Scenario

__all__ = ["ScenarioInvalid", "find", "run_command"]

_WIDTH = 140
"""Of tables that go into a file, where no terminal says how wide it is."""


def find(scenario: Scenario, seed: int, numbers: Iterable[int]) -> Findings:
    """Run a scenario, once for each of these numbers."""
    findings = Findings(scenario, seed)
    for number in numbers:
        findings.add(Run(scenario, seed, number).outcome())
    return findings


def run_command(file: Path, seed: int, runs: int | None, as_json: bool) -> int:
    """Run the scenario in ``file`` (``runs`` times, or as often as it says itself) and print what it gave.

    Returns 0, or 1 where an expectation of the scenario is missed; where runs are too few to judge, none is. Raises
    ``ScenarioInvalid``.
    """
    scenario = read_scenario(file)
    if runs is not None and runs < 1:
        raise ScenarioInvalid(file, (f"runs: {runs} are none, write 1 or more",))
    numbers: Iterable[int] = range(scenario.runs if runs is None else runs)
    bar = Console(stderr=True)
    if bar.is_terminal:
        numbers = track(numbers, scenario.name, console=bar, transient=True)
    findings = find(scenario, seed, numbers)
    if as_json:
        sys.stdout.write(to_json(findings) + "\n")
    else:
        console = Console(file=sys.stdout)
        print_report(findings, console if console.is_terminal else Console(file=sys.stdout, width=_WIDTH))
    return 1 if findings.as_expected is False else 0
