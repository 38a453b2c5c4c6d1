"""A week of calls as Prometheus would have read it: half hours need days, and nobody wants to wait for them.

The simulator turns the core that routes live calls, in virtual time. Its notices are counted by the service's own
metrics, these are written down every five minutes of that time as a scrape would, and promtool makes of it the blocks
of a database for a real Prometheus. What is left out is what only a running service has: people, queues of the moment,
the link to Asterisk.
"""

from __future__ import annotations

import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.metrics import Metrics
from dialog_acd.simulation.run import Run
from dialog_acd.simulation.scenario import read_scenario
from dialog_acd.tallies import Written
from dialog_acd.testing import SequentialIds
from rig.root import RigError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import TextIO

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.records import CallRecord
    from dialog_acd.simulation.scenario import Scenario

EVERY = timedelta(minutes=5)
WANTED = ("acd_call", "acd_wait", "acd_target", "acd_expected_wait_error")
"""Of what is read, the figures of the dashboard Servicelevel."""
BERLIN, AWAKE = ZoneInfo("Europe/Berlin"), range(7, 19)
"""Nobody calls at night, so nothing is written down."""


class _Read(Acd):
    """The core, with somebody who reads its figures every five minutes."""

    def __init__(self, directory: Directory, now: datetime, out: TextIO) -> None:
        super().__init__(directory, now, SequentialIds())
        self._out = out
        self.records: list[CallRecord] = []
        self._metrics = Metrics(CollectorRegistry(), self.view)
        self._metrics.directory_changed(directory)
        self._next_read_at = now

    def handle(self, signal: m.Signal, now: datetime) -> list[m.Order | m.Notice]:
        self.read_until(now)
        told = super().handle(signal, now)
        self.records += (one.record for one in told if isinstance(one, m.SaveRecord))
        for one in told:
            self._metrics.observe(one)  # type: ignore[arg-type]  # orders are nothing to it
        return told

    def read_until(self, now: datetime) -> None:
        while self._next_read_at <= now:
            at = f" {self._next_read_at.timestamp():.0f}\n"
            if self._next_read_at.astimezone(BERLIN).hour in AWAKE:
                for family in self._metrics.collect():
                    if isinstance(family, Written) and family.name.startswith(WANTED):
                        text = "".join(family.pieces()).replace("{", '{instance="week",job="dialog-acd",')
                        lines = (line for line in text.splitlines() if not line.startswith("#"))
                        self._out.writelines(line + at for line in lines)
            self._next_read_at += EVERY


class _Week(Run):
    def __init__(self, scenario: Scenario, out: TextIO) -> None:
        super().__init__(scenario, seed=115, number=0)
        self._acd: _Read = _Read(scenario.directory, scenario.start, out)


def simulated_week(scenario: Path, data: Path) -> tuple[float, float, list[CallRecord]]:
    """Run it, and fill the directory of a Prometheus that is not running.

    Unix time of the beginning and of the end, and the records of the calls.
    """
    read = read_scenario(scenario)
    text = scenario.with_suffix(".om")
    with text.open("w", encoding="utf-8") as out:
        week = _Week(read, out)
        week.outcome()
        week._acd.read_until(read.end + timedelta(minutes=30))  # noqa: SLF001  ours
        out.write("# EOF\n")
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RigError(f"promtool makes no blocks of {text}: {done.stderr[-1000:]}")
    return read.start.timestamp(), (read.end + timedelta(minutes=30)).timestamp(), week._acd.records  # noqa: SLF001
