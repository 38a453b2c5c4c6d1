"""A real Prometheus beside the stack, asked what Grafana would ask it.

The panels are read from the JSON that Grafana reads, not from the program that wrote it: what is delivered is what is
asked. Grafana's own part is small and stands in ``filled``: it writes the values of the variables into an expression,
and asks for one moment or for a line. An address without ``GET`` limits is not needed: Prometheus takes long ones.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import yaml

from rig.ports import free_port
from rig.program import start_program
from rig.root import REPOSITORY, RigError
from rig.stack import Api

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

DASHBOARDS = REPOSITORY / "docker" / "grafana" / "dashboards"
RULES = REPOSITORY / "docker" / "prometheus" / "rules"
READY_LIMIT = 15.0  # seconds; one or two are usual

Labels = dict[str, str]
Series = list[tuple[Labels, list[tuple[float, float]]]]
"""Each with its points: Unix time and value."""


@dataclass(frozen=True, slots=True)
class Question:
    """One target of one panel."""

    dashboard: str
    panel: str
    letter: str
    expr: str
    instant: bool
    legend: str
    unit: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel} / {self.letter}"


def questions(folder: Path = DASHBOARDS) -> Iterator[Question]:
    """All that the dashboards ask, in the order in which they are seen. Rows may hold panels of their own."""
    for file in sorted(folder.glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        for panel in panels(board):
            for target in panel.get("targets", ()):
                yield Question(
                    board["title"],
                    panel["title"],
                    target["refId"],
                    target["expr"],
                    target["instant"],
                    target.get("legendFormat", ""),
                    panel["fieldConfig"]["defaults"].get("unit", ""),
                )


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Without the rows between them."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


def filled(expr: str, variables: Mapping[str, str | Iterable[str]], **spans: float) -> str:
    """The expression as Grafana sends it. Several values of a variable become ``(a|b)``.

    ``spans``: seconds of ``range``, ``interval`` and ``rate_interval``. Raises RigError for a variable nobody knows.
    """
    words = {name: value if isinstance(value, str) else f"({'|'.join(value)})" for name, value in variables.items()}
    words |= {f"__{name}": f"{max(1, round(seconds))}s" for name, seconds in spans.items()}

    def value(match: re.Match[str]) -> str:
        try:
            return words[match[1]]
        except KeyError:
            raise RigError(f"{match[0]} is no variable here: {expr}") from None

    return re.sub(r"\$(\w+)", value, expr)


class Prometheus:
    """One of our own, on a free port, that reads ``target`` (host:port; empty: nobody) every so many seconds.

    With our rules, or others; with the data that is there, however old.
    """

    def __init__(self, home: Path, target: str, *, every: float = 1.0, rules: Path | None = RULES) -> None:
        self.home, self._every, self._rules = home, every, rules
        self._targets = [target] if target else []
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Raises RigError when it is not installed or does not get ready."""
        program = shutil.which("prometheus")
        if program is None:
            raise RigError("Prometheus is not installed: apt-get install prometheus")
        self.home.mkdir(parents=True, exist_ok=True)
        every = f"{round(self._every * 1000)}ms"
        # Groups have an interval of their own, made for years; here a minute is all there is.
        rules = {"groups": [{**group, "interval": every} for group in self.groups()]}
        (self.home / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "dialog-acd", "static_configs": [{"targets": self._targets}]}],
        }
        (self.home / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process, _ = start_program(
            [
                program,
                f"--config.file={self.home / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.home / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            log=self.home / "prometheus.log",
        )
        until = time.monotonic() + READY_LIMIT
        while True:
            try:
                Api(self.url, "").text("/-/ready")
            except RigError as silence:
                if time.monotonic() > until or self._process.poll() is not None:
                    log = (self.home / "prometheus.log").read_text(encoding="utf-8", errors="replace")
                    self.stop()
                    raise RigError(f"Prometheus does not start ({silence}): {log[-2000:]}") from None
                time.sleep(0.05)
            else:
                return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait(timeout=10)

    def groups(self) -> list[dict[str, Any]]:
        """Groups of rules, recording and alerting, as delivered."""
        found: list[dict[str, Any]] = []
        for file in sorted(self._rules.glob("*.yml")) if self._rules is not None else ():
            found += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        return found

    # What it says. Raises Refused for an expression it does not understand.

    def moment(self, expr: str, at: float | None = None) -> Series:
        """At this moment, or that."""
        answer = self._ask("query", query=expr, **({} if at is None else {"time": f"{at:.3f}"}))
        if answer["resultType"] == "scalar":
            return [({}, [_point(answer["result"])])]
        return [(row["metric"], [_point(row["value"])]) for row in answer["result"]]

    def course(self, expr: str, since: float, until: float, step: float = 1.0) -> Series:
        """As a line."""
        answer = self._ask("query_range", query=expr, start=f"{since:.3f}", end=f"{until:.3f}", step=f"{step:g}")
        return [(row["metric"], [_point(point) for point in row["values"]]) for row in answer["result"]]

    def values(self, metric: str, label: str) -> list[str]:
        """As Grafana's ``label_values(metric, label)``."""
        return [str(value) for value in self._ask(f"label/{label}/values", **{"match[]": metric})]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"}

    def _ask(self, what: str, **how: str) -> Any:
        answer = Api(self.url, "", patience=30).get(f"/api/v1/{what}?{urlencode(how)}")
        if answer["status"] != "success":
            raise RigError(f"Prometheus: {answer}")
        return answer["data"]


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
