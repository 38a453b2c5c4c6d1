"""`make plots`: some minutes of calls, and the dashboards drawn from what a real Prometheus says of them.

No screenshots: Grafana is not run here. Each panel is read from the JSON that Grafana reads, its expressions are asked
as Grafana asks them, and what comes back is drawn at its place, in its colours and with its words. So a panel that is
empty, mislabelled or unreadable is seen here before it hangs on a wall.

The day is a small one: promises are in seconds, and a step is ten seconds where a dashboard has half an hour. What
half hours look like is drawn from a simulated week (``week.py``).
"""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure
from PIL import Image

from rig.demo import alone, citizens
from rig.prometheus import DASHBOARDS, Prometheus, filled, panels
from rig.root import REPOSITORY
from rig.sipp import callers, partner_centre
from rig.stack import Keeper, Stack, directory_for
from rig.week import simulated_week

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

    from rig.prometheus import Series

RUN_DIR = REPOSITORY / ".run" / "plots"
PLOTS = REPOSITORY / "docker" / "grafana" / "plots"
BERLIN = ZoneInfo("Europe/Berlin")
AGENTS = 16
WAVES = ((0.0, 40, 0.8), (50.0, 100, 2.0), (110.0, 50, 0.6))
"""Seconds from the start, calls, calls a second: a quiet hour, a rush, a quiet one."""
RUSH, KILLED, BACK, END = 88.0, 150.0, 164.0, 215.0
"""A wall is looked at in the rush."""
STEP, DAY = 10.0, 86400
COLUMN, ROW = 0.62, 0.40
"""Inches of a cell of the grid."""
GROUND, PANEL, INK, FAINT = "#F4F5F7", "#FFFFFF", "#22252B", "#6E7480"
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C", "#F0E442")
SCHEMES = {"PuOr": "PuOr", "Blues": "Blues"}


def plots() -> int:
    """Run it, draw it. Exit status 0."""
    with alone(RUN_DIR):
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        RUN_DIR.mkdir(parents=True)
        _week()
        directory = RUN_DIR / "small-day.toml"
        directory.write_text(
            _promising(
                ("hannover", 8, 0.75, '["waited 14 s: partner oldenburg"]'),
                ("region", 8, 0.75, '["waited 14 s: partner oldenburg"]'),
                ("langenhagen", 20, 0.75, "[]"),
                ("service115", 10, 0.8, '["all busy: partner oldenburg"]'),
            ),
            encoding="utf-8",
        )
        stack = Stack(RUN_DIR / "stack", agents=AGENTS, directory=directory, progress=print)
        with stack, Prometheus(RUN_DIR / "prometheus", stack.api_url.removeprefix("http://")) as prometheus:
            began = _calls(stack)
            for name in ("acd-jetzt", "acd-servicelevel", "acd-system"):
                until = began + (RUSH if name == "acd-jetzt" else END)
                what = "aus einem Lauf mit echten SIP-Anrufen; Ziele und Schritte in Sekunden"
                _draw(name, Drawing(prometheus, began, until, STEP, what))
    return 0


def week_of_four_towns(folder: Path) -> Path:
    """The scenario and its directory, written there."""
    scenario = folder / "week.yaml"
    shutil.copy(Path(__file__).with_name("week.yaml"), scenario)
    scenario.with_suffix(".toml").write_text(
        _promising(
            ("hannover", 30, 0.75, '["waited 60 s: partner oldenburg"]'),
            ("region", 30, 0.75, '["waited 60 s: partner oldenburg"]'),
            ("langenhagen", 30, 0.8, "[]"),
            ("service115", 30, 0.8, '["waited 20 s: partner oldenburg"]'),
        ),
        encoding="utf-8",
    )
    return scenario


def _week() -> None:
    """Half hours need days: those are simulated."""
    scenario = week_of_four_towns(RUN_DIR)
    print("plots: a week is simulated")
    home = RUN_DIR / "week"
    since, until, _ = simulated_week(scenario, home / "data")
    with Prometheus(home, "", rules=None) as prometheus:
        what = "aus einer simulierten Woche: derselbe Kern, dieselben Zähler"
        _draw("acd-servicelevel", Drawing(prometheus, since, until, 1800, what), "-week")


def _draw(name: str, drawing: Drawing, more: str = "") -> None:
    picture = PLOTS / f"{name}{more}.png"
    drawing.save(json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8")), picture)
    print(f"plots: {picture.relative_to(REPOSITORY)}, {picture.stat().st_size // 1024} kB")


def _promising(*queues: tuple[str, float, float, str]) -> str:
    """The directory of the demo; of these queues the target in seconds, the share, and the ladder."""
    text = directory_for(AGENTS)
    for queue, target, share, ladder in queues:
        head, tail = text.split(f'[[queues]]\nid = "{queue}"\n', 1)
        tail = tail.replace("target = 30", f"target = {target:g}", 1)
        tail = tail.replace("target_share = 0.75", f"target_share = {share:g}\nladder = {ladder}", 1)
        text = f'{head}[[queues]]\nid = "{queue}"\n{tail}'
    return text


def _calls(stack: Stack) -> float:
    """They come in waves, and in the third one the service is killed for a while. Unix time of the beginning."""
    partner = partner_centre(stack.asterisk, after=2.5, talk=6).start()
    time.sleep(8)  # Prometheus looks for whom to read five seconds after its start
    began, running = time.time(), []

    def wait(until: float) -> None:
        time.sleep(max(0.0, began + until - time.time()))

    with Keeper(stack.api).on_duty():
        for number, (at, calls, rate) in enumerate(WAVES):
            wait(at)
            print(f"plots: {calls} citizens call, {rate:g} a second")
            running.append(callers(stack.asterisk, citizens(calls, seed=115 + number), rate=rate).start())
        wait(KILLED)
        print("plots: the service is gone")
        stack.kill_service()
        wait(BACK)
        stack.start_service()
        wait(END)
    for wave in running:
        wave.stop()
    partner.stop()
    return began


# ---------------------------------------------------------------- drawing


@dataclass(slots=True)
class Line:
    """A series as it is to be seen."""

    name: str
    points: list[tuple[float, float]]
    look: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    letter: str = ""

    @property
    def last(self) -> float:
        return self.points[-1][1]


class Drawing:
    """A dashboard, its panels at their places."""

    def __init__(self, prometheus: Prometheus, since: float, until: float, step: float, what: str) -> None:
        """Unix times; seconds of ``$__interval``; and in German from what this is."""
        self._prometheus, self._since, self._until, self._step, self._what = prometheus, since, until, step, what

    def save(self, board: Mapping[str, Any], picture: Path) -> None:
        """As PNG of few colours."""
        mpl.rcParams.update({"font.family": "DejaVu Sans", "axes.edgecolor": FAINT, "text.color": INK})
        shown = list(panels(board))
        titles = [panel for panel in board["panels"] if panel["type"] == "row"]
        height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in shown)
        figure = Figure(figsize=(24 * COLUMN, (height + 1.4) * ROW), facecolor=GROUND, dpi=100)
        top = height + 1.4
        figure.text(0.006, 1 - 0.62 / top, board["title"], fontsize=17, weight="bold", va="center")
        form = "%H:%M:%S" if self._until - self._since < DAY else "%d.%m.%Y %H:%M"
        clock = [f"{datetime.fromtimestamp(at, BERLIN):{form}}" for at in (self._since, self._until)]
        figure.text(
            0.994,
            1 - 0.62 / top,
            f"Plot (kein Bildschirmfoto) der Ausdrücke aller Felder, {self._what}; {clock[0]} bis {clock[1]}",
            fontsize=9,
            color=FAINT,
            ha="right",
            va="center",
        )
        for row in titles:
            y = 1 - (row["gridPos"]["y"] + 1.4 + 0.55) / top
            figure.text(0.006, y, f"▾ {row['title']}", fontsize=11, weight="bold", va="center")
        for panel in shown:
            at = panel["gridPos"]
            left, width = at.get("x", 0) / 24, at["w"] / 24
            bottom = 1 - (at.get("y", 0) + at["h"] + 1.4) / top
            self._panel(figure, panel, (left, bottom, width, at["h"] / top))
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture)
        with Image.open(picture) as drawn:
            drawn.convert("RGB").quantize(255, kmeans=2, dither=Image.Dither.NONE).save(picture, optimize=True)

    def _panel(self, figure: Figure, panel: Mapping[str, Any], place: tuple[float, float, float, float]) -> None:
        left, bottom, width, height = place
        wide, high = figure.get_size_inches()
        gap_x, gap_y = 0.05 / wide, 0.05 / high
        axes = figure.add_axes((left + gap_x, bottom + gap_y, width - 2 * gap_x, height - 2 * gap_y), facecolor=PANEL)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#D9DCE1")
        title = 0.28 / high
        figure.text(
            left + 3 * gap_x,
            bottom + height - gap_y - title * 0.62,
            panel["title"],
            fontsize=min(9.5, 9.5 * width * wide / (0.09 * len(panel["title"]))),
            va="center",
            weight="bold",
        )
        inner = (left + 3 * gap_x, bottom + 2.5 * gap_y, width - 6 * gap_x, height - 4 * gap_y - title)
        found = self._lines(panel)
        draw = {
            "stat": _tiles,
            "bargauge": _bars,
            "timeseries": _course,
            "table": _table,
            "heatmap": _heat,
            "state-timeline": _states,
        }[panel["type"]]
        drawn = figure.add_axes(inner, facecolor=PANEL)
        if found:
            draw(drawn, panel, found)
        else:
            _blank(drawn)
            drawn.text(0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], ha="center", va="center", color=FAINT)

    def _lines(self, panel: Mapping[str, Any]) -> list[Line]:
        since = max(self._since, self._start_of(panel.get("timeFrom", "")))
        spans = {"range": self._until - since, "interval": self._step, "rate_interval": self._step}
        found = []
        for target in panel["targets"]:
            expr = filled(target["expr"], {"tenant": ".+", "kind": ".+"}, **spans)
            if target["instant"]:
                series: Series = self._prometheus.moment(expr, self._until)
            else:
                step = self._step if "$__interval" in target["expr"] else 1.0
                # Whole steps, as Grafana takes them.
                series = self._prometheus.course(expr, math.ceil(self._since / step) * step, self._until, step)
            for labels, points in series:
                name = _legend(target["legendFormat"], labels)
                found.append(Line(name, points, _look(panel, name, target["refId"]), labels, target["refId"]))
                found[-1].name = str(found[-1].look.get("displayName", name))
        return found

    def _start_of(self, span: str) -> float:
        """Unix time at which the day or the week began, where a panel has its own time; else long ago."""
        day = datetime.fromtimestamp(self._until, BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
        starts = {"now/d": day, "now/w": day - timedelta(days=day.weekday())}
        return starts[span].timestamp() if span in starts else 0.0


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), form)


def _look(panel: Mapping[str, Any], name: str, letter: str) -> dict[str, Any]:
    """The field's properties: the panel's, and what overrides them, in order."""
    defaults = panel["fieldConfig"]["defaults"]
    look: dict[str, Any] = {
        key: defaults[key]
        for key in ("unit", "decimals", "color", "thresholds", "mappings", "min", "max")
        if key in defaults
    }
    look |= {f"custom.{key}": value for key, value in (defaults.get("custom") or {}).items()}
    for override in panel["fieldConfig"].get("overrides", ()):
        how, argument = override["matcher"]["id"], override["matcher"]["options"]
        if (
            (how == "byName" and argument == name)
            or (how == "byFrameRefID" and argument == letter)
            or (how == "byRegexp" and re.search(argument, name))
        ):
            look |= {one["id"]: one["value"] for one in override["properties"]}
    return look


def _value(value: float, look: Mapping[str, Any]) -> str:
    """As a German reads it."""
    unit, decimals = look.get("unit", "none"), int(look.get("decimals", 0))
    for mapping in look.get("mappings", ()):
        if (known := mapping["options"].get(f"{value:g}")) is not None:
            return str(known["text"])
    if unit == "percentunit":
        text = f"{100 * value:.{decimals}f} %"
    elif unit == "bytes":
        text = f"{value / 2**20:.{decimals}f} MiB"
    elif unit == "s":
        text = f"{value:.{decimals}f} s" if abs(value) >= 1 else f"{1000 * value:.{decimals}f} ms"
    else:
        text = f"{value:.{decimals}f}{unit.removeprefix('suffix:') if unit.startswith('suffix:') else ''}"
    return text.replace(".", ",").replace("-", "−")


def _colour(value: float, look: Mapping[str, Any], otherwise: str) -> str:
    for mapping in look.get("mappings", ()):
        if (known := mapping["options"].get(f"{value:g}")) is not None and known.get("color"):
            return str(known["color"])
    colour = look.get("color", {})
    if colour.get("mode") == "fixed":
        return str(colour["fixedColor"])
    if "thresholds" in look and look["thresholds"]["steps"]:
        return _step(value, look["thresholds"]["steps"])
    return otherwise


def _step(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def _blank(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _tiles(axes: Axes, panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    _blank(axes)
    across = 1 if len(found) == 1 else min(len(found), 2 if panel["gridPos"]["w"] > 5 else 1)
    down = math.ceil(len(found) / across)
    named = panel["options"]["textMode"] == "value_and_name"
    box = axes.get_window_extent()
    longest = max(len(_value(line.last, line.look)) for line in found)
    size = min(box.height / down * 0.36, box.width / across * 0.95 / max(longest, 4), 44)
    for place, line in enumerate(found):
        x, y = place % across / across, 1 - (place // across + 1) / down
        colour = _colour(line.last, line.look, "#2F3A45")
        axes.add_patch(
            mpl.patches.Rectangle((x + 0.004, y + 0.012), 1 / across - 0.008, 1 / down - 0.024, color=colour)
        )
        middle = y + (0.40 if named else 0.5) / down
        text = _value(line.last, line.look)
        axes.text(x + 0.5 / across, middle, text, ha="center", va="center", fontsize=size, color="white", weight="bold")
        if named:
            axes.text(
                x + 0.5 / across,
                y + 0.8 / down,
                line.name,
                ha="center",
                va="center",
                fontsize=max(8, size * 0.42),
                color="white",
            )


def _bars(axes: Axes, _panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    most = max([line.last for line in found] + [line.look.get("max", 0) for line in found]) or 1
    _blank(axes)
    axes.set_ylim(max(len(found), 4), 0)
    axes.set_xlim(0, 1)
    for place, line in enumerate(found):
        axes.text(0.0, place + 0.26, line.name, va="center", fontsize=8.5)
        colour = _colour(line.last, line.look, CYCLE[0])
        axes.barh(place + 0.66, 0.84, height=0.36, color="#ECEEF1")
        axes.barh(place + 0.66, 0.84 * line.last / most, height=0.36, color=colour)
        axes.text(0.85, place + 0.66, _value(line.last, line.look), va="center", fontsize=9, weight="bold")


def _course(axes: Axes, panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    box = axes.get_position()
    axes.set_position((box.x0 + 0.026, box.y0 + 0.25 * box.height, box.width - 0.03, box.height * 0.75))
    stacked = [line for line in found if line.look.get("custom.stacking", {}).get("mode") == "normal"]
    colours = {
        id(line): _colour(0, {**line.look, "thresholds": {"steps": []}}, CYCLE[n % len(CYCLE)])
        for n, line in enumerate(found)
    }
    if stacked:
        moments = sorted({at for line in stacked for at, _ in line.points})
        usual = min((b - a for a, b in pairwise(moments)), default=1)
        for before, after in pairwise(tuple(moments)):
            if after - before > 1.5 * usual:
                moments += [before + 0.01, after - 0.01]
        moments.sort()
        heights = [[dict(line.points).get(at, 0.0) for at in moments] for line in stacked]
        axes.stackplot(
            _clock(moments),
            heights,
            colors=[colours[id(line)] for line in stacked],
            labels=[line.name for line in stacked],
            alpha=0.85,
            linewidth=0,
        )
    for line in found:
        if line not in stacked:
            dashed = line.look.get("custom.lineStyle", {}).get("fill") == "dash"
            colour = INK if colours[id(line)] == "text" else colours[id(line)]
            apart = [b[0] - a[0] for a, b in pairwise(line.points)]
            usual = min(apart, default=1)
            xs, ys = [], []
            for n, (at, value) in enumerate(line.points):
                if n and apart[n - 1] > 1.5 * usual and not line.look.get("custom.spanNulls"):
                    xs.append(at - usual)
                    ys.append(math.nan)
                xs.append(at)
                ys.append(value)
            axes.plot(
                _clock(xs),
                ys,
                color=colour,
                linewidth=1.8,
                linestyle="--" if dashed else "-",
                label=line.name,
                marker="o" if len(line.points) == 1 else "",
                markersize=4,
            )
    look = found[0].look
    axes.yaxis.set_major_formatter(
        lambda value, _: _value(value, {**look, "mappings": (), "decimals": _fine(axes, look)})
    )
    _scale(axes, panel)
    axes.tick_params(labelsize=7.5, colors=FAINT, length=2)
    axes.grid(color="#E7E9ED", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0)
    low, high = axes.get_ylim()
    axes.set_ylim(look.get("min", min(low, 0)), max(1.04 * high, look.get("max", high)) if high > 0 else 1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    columns = max(1, min(len(found), -(-panel["gridPos"]["w"] // 3)))
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.47, -0.11),
        ncols=columns,
        fontsize=7,
        frameon=False,
        handlelength=1.1,
        columnspacing=1.0,
        labelspacing=0.25,
        borderaxespad=0.2,
    )


def _fine(axes: Axes, look: Mapping[str, Any]) -> int:
    """Decimals that tell the ticks of this axis apart."""
    low, high = axes.get_ylim()
    scale = {"percentunit": 100, "bytes": 2**-20}.get(look.get("unit", ""), 1)
    if look.get("unit") == "s" and high < 1:
        scale = 1000
    return 0 if (high - low) * scale >= 4 else 1 if (high - low) * scale >= 0.4 else 2


def _clock(moments: Iterable[float]) -> Any:
    return dates.date2num([datetime.fromtimestamp(at, BERLIN) for at in moments])  # type: ignore[no-untyped-call]


def _scale(axes: Axes, panel: Mapping[str, Any]) -> None:
    """A time each half minute, or where there is less room each minute; or each day."""
    low, high = axes.get_xlim()
    if high - low > 1:
        axes.xaxis.set_major_locator(dates.HourLocator(8, tz=BERLIN))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(lambda at, _: _day(at))
        return
    seconds = (0,) if panel["gridPos"]["w"] <= 8 else (0, 30)
    axes.xaxis.set_major_locator(dates.SecondLocator(seconds, tz=BERLIN))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S", tz=BERLIN))  # type: ignore[no-untyped-call]


def _day(at: float) -> str:
    day = dates.num2date(at, BERLIN)  # type: ignore[no-untyped-call]
    return f"{('Mo', 'Di', 'Mi', 'Do', 'Fr', 'Sa', 'So')[day.weekday()]} {day:%d.%m. %H:%M}"


def _table(axes: Axes, panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    _blank(axes)
    organized = next(t["options"] for t in panel["transformations"] if t["id"] == "organize")
    renamed, places = organized["renameByName"], organized["indexByName"]
    first, *columns = sorted(renamed, key=places.__getitem__)
    shown: dict[str, dict[str, float]] = {}
    for line in found:
        shown.setdefault(line.labels[first], {})[f"Value #{line.letter}"] = line.last
    edges = [0.0, *(0.26 + 0.74 * n / len(columns) for n in range(len(columns) + 1))]
    high = 1 / max(len(shown) + 1, 6)
    big = 11 if panel["options"].get("cellHeight") == "lg" else 8.5
    for n, column in enumerate([first, *columns]):
        x = edges[n] if n == 0 else edges[n + 1] - 0.01
        axes.text(
            x,
            1 - high / 2,
            fill(renamed[column], 13),
            fontsize=big - 1.5,
            color=FAINT,
            ha="left" if n == 0 else "right",
            va="center",
            linespacing=1.05,
        )
    for row, (name, values) in enumerate(sorted(shown.items()), 1):
        y = 1 - (row + 0.5) * high
        axes.axhline(1 - row * high, color="#E7E9ED", linewidth=0.7)
        heading = _look(panel, renamed[first], "")
        text = next((m["options"][name]["text"] for m in heading.get("mappings", ()) if name in m["options"]), name)
        axes.text(0, y, text, fontsize=big, va="center")
        for n, column in enumerate(columns, 1):
            if column not in values:
                continue
            value, look = values[column], _look(panel, renamed[column], "")
            kind, ink = look.get("custom.cellOptions", {}).get("type"), INK
            left, right = edges[n] + 0.008, edges[n + 1]
            if kind == "color-background":
                colour, ink = _step(value, look["thresholds"]["steps"]), "white"
                axes.add_patch(mpl.patches.Rectangle((left, y - 0.42 * high), right - left, 0.84 * high, color=colour))
            elif kind == "gauge":
                wide = (right - left) * 0.4
                colour = _step(value, look["thresholds"]["steps"])
                axes.add_patch(mpl.patches.Rectangle((left, y - 0.3 * high), wide, 0.6 * high, color="#ECEEF1"))
                part = min(1.0, value / look["max"])
                axes.add_patch(mpl.patches.Rectangle((left, y - 0.3 * high), wide * part, 0.6 * high, color=colour))
            axes.text(
                right - 0.01,
                y,
                _value(value, look),
                fontsize=big,
                ha="right",
                va="center",
                color=ink,
                weight="bold" if ink == "white" else "normal",
            )


def _heat(axes: Axes, panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    box = axes.get_position()
    axes.set_position((box.x0 + 0.055, box.y0 + 0.1 * box.height, box.width - 0.1, box.height * 0.88))
    names = sorted({line.name for line in found}, reverse=True)
    moments = sorted({at for line in found for at, _ in line.points})
    step = min((b - a for a, b in pairwise(moments)), default=STEP)
    grid = np.full((len(names), round((moments[-1] - moments[0]) / step) + 1), np.nan)
    for line in found:
        for at, value in line.points:
            grid[names.index(line.name), round((at - moments[0]) / step)] = value
    colour = panel["options"]["color"]
    edges = _clock([moments[0] + (n - 1) * step for n in range(grid.shape[1] + 1)])
    # Grafana's "PuOr" of d3 runs from orange to purple, too.
    drawn = axes.pcolormesh(
        edges,
        np.arange(len(names) + 1),
        grid,
        cmap=SCHEMES[colour["scheme"]],
        vmin=colour.get("min", 0),
        vmax=colour.get("max"),
        edgecolors="white",
        linewidth=0.6 if grid.shape[1] < 60 else 0,
    )
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    _scale(axes, panel)
    axes.tick_params(labelsize=8, colors=FAINT, length=0)
    axes.set_facecolor("#ECEEF1")
    look = found[0].look
    beside = axes.figure.add_axes((box.x1 - 0.035, box.y0 + 0.1 * box.height, 0.008, box.height * 0.88))
    bar = axes.figure.colorbar(drawn, cax=beside)
    bar.ax.yaxis.set_major_formatter(lambda value, _: _value(value, {**look, "unit": "none", "decimals": 0}))
    bar.ax.tick_params(labelsize=7, colors=FAINT, length=2)
    bar.outline.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _states(axes: Axes, panel: Mapping[str, Any], found: Sequence[Line]) -> None:
    box = axes.get_position()
    margin = 0.01 + 0.0047 * max(len(line.name) for line in found)
    axes.set_position((box.x0 + margin, box.y0 + 0.2 * box.height, box.width - margin - 0.005, box.height * 0.75))
    for row, line in enumerate(found):
        for at, value in line.points:
            axes.barh(
                row,
                _clock([at + 1])[0] - _clock([at])[0],
                left=_clock([at])[0],
                height=0.7,
                color=_colour(value, line.look, CYCLE[0]),
            )
        axes.text(
            _clock([line.points[0][0] + 3])[0],
            row,
            _value(line.points[0][1], line.look),
            va="center",
            fontsize=8,
            color="white",
        )
    axes.set_yticks(range(len(found)), [line.name for line in found])
    axes.xaxis_date(BERLIN)
    _scale(axes, panel)
    axes.tick_params(labelsize=8, colors=FAINT, length=0)
    axes.margins(x=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
