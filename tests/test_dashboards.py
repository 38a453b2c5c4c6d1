"""The dashboards as they are delivered: Grafana gets what was written down, and it says what it shows.

What the expressions give is for a real Prometheus (tests/e2e/test_figures.py).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model

import boards
from dialog_acd.core.lifecycle import CallState
from dialog_acd.core.model import EntryKind, Trigger
from dialog_acd.metrics import AGENT_STATES, FAILSAFE_WHYS, OFFER_RESULTS
from dialog_acd.tallies import OTHER, OUTCOMES
from rig.prometheus import DASHBOARDS, filled, panels, questions
from rig.root import RigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES = {file.name: file.read_text(encoding="utf-8") for file in DASHBOARDS.glob("*.json")}
BOARDS: Mapping[str, dict[str, Any]] = {name: json.loads(text) for name, text in FILES.items()}
LABELS = {
    *("tenant", "queue", "kind", "result", "reason", "trigger", "partner", "state", "group", "why", "le"),
    *("job", "instance", "counted_with", "alertname", "alertstate"),
}
PANELS = [pytest.param(panel, id=f"{b['title']}-{panel['title']}") for b in BOARDS.values() for panel in panels(b)]


def test_what_is_delivered_is_what_was_written_down() -> None:
    assert boards.written() == FILES, "make dashboards"


def test_the_library_reads_back_what_grafana_gets() -> None:
    """Its classes are made from Grafana's schema; a field they do not know would be lost on the way."""
    register_default_plugins()
    for name, text in FILES.items():
        read = json.loads(json.dumps(model.Dashboard.from_json(json.loads(text)), cls=JSONEncoder))
        assert not list(missing(json.loads(text), read)), name


def missing(part: Any, whole: Any, at: str = "") -> Iterator[str]:
    """Where ``whole`` lacks something of ``part``, or has something else. It may have more: defaults of its own."""
    if isinstance(part, dict) and isinstance(whole, dict):
        for key, value in part.items():
            yield from missing(value, whole.get(key, "nothing at all"), f"{at}/{key}")
    elif isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        for place, (mine, other) in enumerate(zip(part, whole, strict=True)):
            yield from missing(mine, other, f"{at}/{place}")
    elif part != whole or type(part) is not type(whole):
        yield at


def test_what_is_lost_would_be_seen() -> None:
    assert list(missing({"a": [1, {"b": 2}]}, {"a": [1, {"c": 2}], "d": 3})) == ["/a/1/b"]


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_shows_and_where_nothing_is(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert len(panel["description"]) > 20
    assert panel["description"].endswith((".", "%."))
    assert defaults["noValue"] == ("kein Alarm" if panel["title"] == "Alarme" else "keine Daten")
    assert defaults["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["instant"] is not target["range"]
    if defaults["unit"] == "percentunit" and "Zielzeit" not in panel["title"]:
        says = panel["description"]
        assert "/" in says or ("Zähler" in says and "Nenner" in says) or "Verhältnis" in says, "which of what?"


def test_places_on_the_wall_do_not_overlap() -> None:
    for name, board in BOARDS.items():
        taken: dict[tuple[int, int], str] = {}
        numbers = []
        for panel in board["panels"]:
            at = panel["gridPos"]
            numbers.append(panel["id"])
            assert at.get("x", 0) + at["w"] <= 24, (name, panel["title"])
            for x in range(at.get("x", 0), at.get("x", 0) + at["w"]):
                for y in range(at.get("y", 0), at.get("y", 0) + at["h"]):
                    assert (x, y) not in taken, (name, panel["title"], taken[x, y])
                    taken[x, y] = panel["title"]
        assert sorted(set(numbers)) == sorted(numbers)
    # A cell of the grid is 30 px with 8 px between two; nobody scrolls a wall of 1080 px.
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in BOARDS["acd-jetzt.json"]["panels"])
    assert bottom * 38 <= 1080


def test_links_lead_from_each_to_the_other_two() -> None:
    addresses = {f"/d/{board['uid']}" for board in BOARDS.values()}
    assert len(addresses) == 3
    for board in BOARDS.values():
        assert {link["url"] for link in board["links"]} == addresses - {f"/d/{board['uid']}"}
        assert all(link["includeVars"] for link in board["links"])
    for text in FILES.values():
        assert set(re.findall(r"/d/[a-z-]+", text)) <= addresses


def test_no_label_is_a_person_a_number_or_a_call() -> None:
    for question in questions():
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", question.expr))
        for names in re.findall(r"(?:by|on|ignoring|without|group_left|group_right) \(([^)]*)\)", question.expr):
            used |= {name.strip() for name in names.split(",") if name.strip()}
        used |= set(re.findall(r"\{\{(\w+)\}\}", question.legend))
        assert used <= LABELS, question


def test_nothing_is_divided_by_what_may_be_nothing() -> None:
    for question in questions():
        for divisor in divisors(question.expr):
            assert re.search(r"> 0\)$", divisor) or divisor == "process_max_fds", (question, divisor)


def test_nothing_is_taken_from_what_may_not_be_there() -> None:
    """``a - b`` is nothing where ``b`` has no series; only a distance wants both."""
    for question in questions():
        for taken in divisors(question.expr, " - "):
            assert " or 0 * " in taken or "acd_target_share" in taken, (question, taken)


def divisors(expr: str, sign_of: str = " / ") -> Iterator[str]:
    """What stands behind each stroke: a whole bracket, or a name."""
    for stroke in re.finditer(sign_of + r"(?:on \([^)]*\) )?", expr):
        rest = expr[stroke.end() :]
        if not rest.startswith("("):
            yield re.split(r"[^\w]", rest)[0]
            continue
        depth = 0
        for place, sign in enumerate(rest):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth == 0:
                yield rest[: place + 1]
                break


def test_a_divisor_without_its_guard_would_be_seen() -> None:
    assert list(divisors("a / (sum (b) > 0) + c / on (x) (d)")) == ["(sum (b) > 0)", "(d)"]
    assert list(divisors("a - (b or 0 * a)", " - ")) == ["(b or 0 * a)"]
    assert list(divisors("a / process_max_fds and b")) == ["process_max_fds"]


def test_every_word_has_its_german_one() -> None:
    assert set(boards.KINDS) == {kind.value for kind in EntryKind}
    assert set(boards.TRIGGERS) == {trigger.value for trigger in Trigger}
    assert set(boards.STATES) == set(AGENT_STATES)
    assert set(boards.OUTCOMES) == set(OUTCOMES)
    assert set(boards.OFFERS) == set(OFFER_RESULTS)
    assert set(boards.FAILSAFE_WHYS) == {*FAILSAFE_WHYS, OTHER}
    assert set(boards.CALL_STATES) == {state.value for state in CallState} - {CallState.ENDED.value}
    chosen = [v for v in BOARDS["acd-jetzt.json"]["templating"]["list"] if v["name"] == "kind"]
    assert {pair.split(" : ")[1] for pair in chosen[0]["query"].split(", ")} == set(boards.KINDS)


def test_only_variables_the_dashboard_has_are_asked_with() -> None:
    spans = {"range": 3600, "interval": 30, "rate_interval": 60}
    for board in BOARDS.values():
        variables = {v["name"]: v["allValue"] for v in board.get("templating", {}).get("list", ())}
        for question in (q for q in questions() if q.dashboard == board["title"]):
            assert "$" not in filled(question.expr, variables, **spans)
    with pytest.raises(RigError, match="town"):
        filled('x{tenant=~"$town"}', {"tenant": ".+"})
    assert filled('x{t=~"$tenant"}[$__range]', {"tenant": ["a", "b"]}, range=7) == 'x{t=~"(a|b)"}[7s]'


def test_colours_are_those_everybody_keeps_apart() -> None:
    okabe_ito = {"#0072B2", "#D55E00", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442"}
    for name, text in FILES.items():
        colours = {colour.upper() for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", text)}
        assert colours - okabe_ito <= {"#8C8C8C", "#2F3A45", "#FFFFFF"}, name
        assert not re.search(r'"(?:semi-dark-|dark-|light-)?(?:green|red)"', text), name
