"""The rules for Prometheus: that they say what they should is for ``promtool`` to find out; that they are about what
there is, for us.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from test_metrics import Board, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.program
FOLDER = Path(__file__).parents[1] / "docker" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = sorted((FOLDER / "tests").glob("*.yml"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: 'make tools' does that")


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def promtool(*words: str | Path) -> None:
    quick = os.environ | {"GOGC": "400"}  # it looks for garbage a quarter as often, of which it has little
    said = subprocess.run([PROMTOOL or "", *words], env=quick, text=True, capture_output=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@needs_promtool
@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_the_rules_can_be_read(file: Path) -> None:
    promtool("check", "rules", "--lint-fatal", file)


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_rules_say_what_they_should(file: Path) -> None:
    promtool("test", "rules", file)


def test_no_figure_is_forgotten_before_it_is_made_anew() -> None:
    """Prometheus looks back for five minutes; an evaluation that comes late or fails must not leave a gap."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            number, unit = re.fullmatch(r"(\d+)([sm])", group.get("interval", "15s")).groups()  # type: ignore[union-attr]
            assert int(number) * {"s": 1, "m": 60}[unit] <= 150, group["name"]


def test_each_alert_is_shown_firing_and_resolving() -> None:
    """In one of the written tests it is silent, then fires, then is silent again."""
    shown: dict[str, set[str]] = {}
    for test in yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text(encoding="utf-8"))["tests"]:
        story: dict[str, str] = {}
        for asked in test.get("promql_expr_test", ()):
            name = re.search(r'alertname="(\w+)"', asked["expr"])
            assert name is not None, asked
            story[name[1]] = story.get(name[1], "") + ("1" if asked["exp_samples"] else "0")
        for name_of, moments in story.items():
            shown.setdefault(name_of, set()).add(moments)
    for alert in alerts():
        told = shown.get(alert["alert"], set())
        assert any(re.search("01+0", moments) for moments in told), f"{alert['alert']}: {told}"


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    headings = {
        heading.lower()
        for heading in re.findall(r"^### (\w+)$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    }
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"]
        said, _, place = alert["annotations"]["runbook"].rpartition(" docker/prometheus/README.md#")
        assert said.endswith("."), alert["alert"]
        assert place == alert["alert"].lower()
    assert headings == {alert["alert"].lower() for alert in alerts()}


def test_rules_are_about_what_there_is() -> None:
    board = Board()
    board.metrics.watch(sources(retention_done_at=lambda: 0.0, promises=dict))
    seen = board.scrape()
    families = {
        family.name if family.type != "counter" else f"{family.name}_total": family
        for family in text_string_to_metric_families(seen.text)
    }
    # Without a picture of people, partners and queues some have no sample yet; their names are there all the same.
    known = {*families, *(f"{name}_{part}" for name in families for part in ("sum", "count", "bucket"))}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        expression = re.sub(r'"[^"]*"', "", rule["expr"])
        for name in re.findall(r"\b(acd[a-z_:0-9]+)", expression):
            assert name in known | recorded, f"{rule.get('record') or rule.get('alert')}: {name}"
