"""The three dashboards, written down once; `make dashboards` writes the JSON that Grafana reads beside this file.

**Jetzt** hangs on the wall, **Servicelevel** answers for a contract, **System** is for whoever is on call. Nothing here
shows a person: the service exports none.

How a share is asked for, everywhere alike:

- *Pooled counts.* A share over a time is the increase of one counter over the whole of it, divided by the increase of
  another; never a mean of shares. What is promised to several kinds of callers is pooled the same way, so the target of
  a town is what its contract asks of the calls it really had.
- *Nothing divided by nothing is no data.* Every divisor stands in ``(... > 0)``, which leaves the series out; the panel
  then says "keine Daten". 0/0 would be NaN, and Grafana would draw it or colour it green.
- *A series that does not exist is not a 0.* ``a + b`` is nothing where ``b`` has no series (a town without a partner),
  so sums of several counters are made inside one ``sum``; ``or`` alone would drop those of the second counter that bear
  the same labels as the first, hence the label ``counted_with``.
- *The threshold is a series, too.* What was promised comes from ``acd_target_share`` and ``acd_target_seconds``, that
  is from the contracts, and colours turn at a distance of 0 from it; no percentage is written down here. Where a panel
  has one colour for kept and one for missed, it asks twice and paints by query: Grafana cannot take the colours of a
  threshold from data.
- *What is shown now is asked for at this moment* (instant), not taken from the end of a line: when the service is gone,
  the last point of a line stays on the wall for as long as nobody looks.

Colours are those of Okabe and Ito, which people with any of the common colour blindnesses keep apart; kept and missed
are blue and vermilion, and always a sign or a word besides.

A call is counted when it is over, in all counters at once, so no window has a call above the line and not below it. A
half hour here is therefore the calls that *ended* in it; a report counts by the moment a call came in. Over a day the
two agree. What is billed or reported is never read here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as m_common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as m_heatmap
from grafana_foundation_sdk.models import prometheus as m_prometheus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.variants import Dataquery

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = model.DataSourceRef(type_val="prometheus", uid="prometheus")
TAG = "dialog-acd"
NO_DATA = "keine Daten"

BLUE, VERMILION, ORANGE, SKY = "#0072B2", "#D55E00", "#E69F00", "#56B4E9"
GREEN, PURPLE, YELLOW, GREY, INK = "#009E73", "#CC79A7", "#F0E442", "#8C8C8C", "#2F3A45"
KEPT, MISSED = BLUE, VERMILION

KINDS = {
    "115": "Behördennummer 115",
    "main-number": "Hauptnummer",
    "forwarded": "Weiterleitung",
    "partner-inbound": "für Partner",
    "internal": "intern",
    "catch-all": "unbekannte Nummer",
}
NOT_OF_CITIZENS = {"internal"}
"""Chosen by hand only: the staff's own line is in no figure of the citizens."""
KIND_COLOURS = (VERMILION, BLUE, GREEN, PURPLE, GREY, YELLOW)
TRIGGERS = {
    "all-busy": "alle im Gespräch",
    "waited": "zu lange gewartet",
    "expected-wait": "Wartezeit absehbar zu lang",
    "queue-length": "Schlange zu lang",
    "nobody-signed-in": "niemand angemeldet",
    "closed-by-hours": "außerhalb der Zeiten",
    "closed-by-day": "Feiertag oder Schließtag",
    "technical": "technische Störung",
    "switched": "von Hand umgeschaltet",
    "closing-soon": "kurz vor Schluss",
}
STATES = {
    "available": "frei",
    "offered": "Telefon klingelt",
    "talking": "im Gespräch",
    "wrap-up": "Nacharbeit",
    "not-ready": "nicht bereit",
    "set-aside": "zurückgestellt",
    "phone-in-use": "Telefon belegt",
    "phone-unreachable": "Telefon nicht erreichbar",
    "signed-in": "angemeldet (unter fünf: ohne Zustand)",
    "signed-out": "abgemeldet",
}
STATE_COLOURS = {
    "available": BLUE,
    "offered": YELLOW,
    "talking": GREEN,
    "wrap-up": SKY,
    "not-ready": ORANGE,
    "set-aside": PURPLE,
    "phone-in-use": VERMILION,
    "phone-unreachable": GREY,
    "signed-in": INK,
}
OUTCOMES = {
    "answered": "angenommen",
    "partner": "vom Partner angenommen",
    "abandoned-here": "abgebrochen",
    "abandoned-short": "sofort wieder aufgelegt",
    "overflowed-lost": "beim Partner abgebrochen",
    "callback": "Rückruf zugesagt",
    "released": "nach Ansage beendet",
    "failsafe-answered": "Notweg, angenommen",
    "failsafe": "Notweg, niemand abgenommen",
    "failed": "technisch verloren",
    "closed": "außerhalb der Zeiten",
    "closed-callback": "außerhalb der Zeiten, Rückruf zugesagt",
    "refused": "abgewiesen",
}
CALL_STATES = {
    "arrived": "angekommen",
    "waiting": "wartet",
    "offered": "wird angeboten",
    "returning": "kehrt zurück",
    "connected": "im Gespräch",
    "diverting": "klingelt beim Partner",
    "diverted": "beim Partner",
    "failsafe": "im Notweg",
    "released": "hört die letzte Ansage",
}
CALL_COLOURS = (GREY, VERMILION, YELLOW, PURPLE, GREEN, ORANGE, SKY, INK, BLUE)
QUESTIONS = {"answered": "beantwortet", "timed-out": "zu spät", "failed": "gescheitert", "broken": "unverständlich"}
OFFERS = {
    "answered": "angenommen",
    "no-answer": "nicht abgenommen",
    "declined": "abgelehnt",
    "phone-busy": "Telefon belegt",
    "phone-gone": "Telefon nicht erreichbar",
    "caller-gone": "Anrufer legte auf",
    "not-talked": "vor dem Gespräch aufgelegt",
}
FAILSAFE_WHYS = {
    "heartbeat": "kein Lebenszeichen",
    "no-answer": "keine Antwort",
    "max-wait": "Höchstwartezeit",
    "verdict": "so bestimmt",
    "dialplan": "Wählplan",
    "other": "anderes",
}

# ---------------------------------------------------------------- what is asked

TOWNS = "label_values(acd_calls_offered_total, tenant)"
RANGE, STEP, RATE = "$__range", "$__interval", "$__rate_interval"
PLACE = "tenant, queue, kind"
CHOSEN = 'tenant=~"$tenant",kind=~"$kind"'
OFFERED = ("acd_calls_offered_total",)
ABANDONED = ("acd_calls_abandoned_total",)
ABANDONED_IN_TIME = ("acd_calls_abandoned_in_time_total",)
ABANDONED_SHORT = ("acd_calls_abandoned_short_total",)
OURS, PARTNERS = "acd_calls_answered_total", "acd_calls_answered_by_partner_total"
ANSWERED = (OURS, PARTNERS)
IN_TIME = ("acd_calls_answered_in_time_total", "acd_calls_answered_by_partner_in_time_total")
OVERFLOWED = ("acd_calls_overflowed_total",)
UNKNOWN = ("acd_calls_overflowed_unknown_total",)


def total(by: str, window: str, *counters: str) -> str:
    """How many in the window, by label; without a label, in all."""
    return _pooled(by, *(f"increase({name}{{{CHOSEN}}}[{window}])" for name in counters))


def grown(*counters: str) -> str:
    """How many in the range, of the whole centre."""
    return _pooled("", *(f"increase({name}[{RANGE}])" for name in counters))


def share(numerator: str, denominator: str) -> str:
    return f"{numerator} / ({denominator} > 0)"


def less(counted: str, taken: str) -> str:
    """What is left, also where there is no series of what is taken (a town that no partner helps)."""
    return f"({counted} - {or_zero(taken, counted)})"


def or_zero(counted: str, beside: str) -> str:
    return f"({counted} or 0 * {beside})"


def service_level(by: str, window: str) -> str:
    """Strict: answered in time, by ours or by a partner, of all offered."""
    return share(total(by, window, *IN_TIME), total(by, window, *OFFERED))


def target(by: str, window: str) -> str:
    """The share promised, weighted with the calls it was promised to."""
    offered, to_whom = total(PLACE, window, *OFFERED), f"on ({PLACE})"
    promised = f"max by ({PLACE}) (acd_target_share)"
    return share(f"{_sum(by)} ({offered} * {to_whom} {promised})", f"{_sum(by)} ({offered} and {to_whom} {promised})")


def distance(by: str, window: str, level: str | None = None) -> str:
    """Service level less target. Rounded, or three of four would miss 75 % by the last bit."""
    return f"round({level or service_level(by, window)} - on ({by}) ({target(by, window)}), 0.000001)"


def points(by: str, window: str) -> str:
    """The same in percentage points."""
    return f"100 * {distance(by, window)}"


def kept(by: str, window: str) -> str:
    return f"{service_level(by, window)} and on ({by}) {distance(by, window)} >= 0"


def missed(by: str, window: str) -> str:
    return f"{service_level(by, window)} and on ({by}) {distance(by, window)} < 0"


VARIANTS = {
    "strict": ("strikt (Vertrag)", service_level),
    "late": (
        "ohne Frühabbrecher",
        lambda by, w: share(total(by, w, *IN_TIME), less(total(by, w, *OFFERED), total(by, w, *ABANDONED_IN_TIME))),
    ),
    "served": ("der Angenommenen", lambda by, w: share(total(by, w, *IN_TIME), total(by, w, *ANSWERED))),
    "positive": (
        "Abbruch ≤ T zählt positiv",
        lambda by, w: share(
            less(total(by, w, *OFFERED, *IN_TIME, *ABANDONED_IN_TIME), total(by, w, *ANSWERED, *ABANDONED)),
            total(by, w, *OFFERED),
        ),
    ),
}
"""The four formulas in use. One day can keep 75/30 by one and miss it by another, so none goes without its name."""


def of_queues(gauge: str) -> str:
    """A gauge by queue has no town; a queue is shown when calls of the chosen towns and kinds may lead to it."""
    return f"max by (queue) ({gauge}) and on (queue) acd_calls_offered_total{{{CHOSEN}}}"


def promised_wait() -> str:
    """Seconds, by queue: the shortest time promised to anybody who may wait there."""
    return f"min by (queue) (acd_target_seconds{{{CHOSEN}}})"


def grown_or_new(counter: str, window: str) -> str:
    """The increase; of a series that was not there a window ago, all it has counted.

    Calls go the failsafe path while the service is away, and are counted before it is first read again: a window that
    is shorter than the outage would see the counter come with its count, and no increase.
    """
    return f"({counter} unless {counter} offset {window}) or increase({counter}[{window}])"


def or_none(counted: str, label: str) -> str:
    """Only what happened; where nothing did, one bar of 0 that says so, for nothing is not the same as no data."""
    return f'sort_desc({counted} > 0 or on () label_replace(sum ({counted}), "{label}", "keine", "", "") == 0)'


def quantile(q: float, result: str, window: str) -> str:
    """Of the waits; where nobody waited, no series (and not NaN)."""
    series = f'{{{CHOSEN},result="{result}"}}[{window}]'
    return (
        f"histogram_quantile({q:g}, sum by (le) (increase(acd_wait_seconds_bucket{series})))"
        f" and on () sum (increase(acd_wait_seconds_count{series})) > 0"
    )


def mean_wait(result: str, window: str) -> str:
    series = f'{{{CHOSEN},result="{result}"}}[{window}]'
    return share(f"sum (increase(acd_wait_seconds_sum{series}))", f"sum (increase(acd_wait_seconds_count{series}))")


def predicted(part: str, way: str = ".+") -> str:
    """Sum (seconds) or count of the errors of what callers were told they would wait, by queue."""
    return f'sum by (queue) (increase(acd_expected_wait_error_seconds_{part}{{result=~"{way}"}}[{RANGE}]))'


def _sum(by: str) -> str:
    return f"sum by ({by})" if by else "sum"


def _pooled(by: str, *series: str) -> str:
    apart = [f'label_replace({more}, "counted_with", "{n}", "", "")' for n, more in enumerate(series[1:], 2)]
    return f"{_sum(by)} ({' or '.join([*series[:1], *apart])})"


# ---------------------------------------------------------------- how it is shown


class Shown(Protocol):
    """What all panel builders have in common; the library gives them no common class."""

    def id(self, id_val: int) -> Self: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: model.DataSourceRef) -> Self: ...
    def with_target(self, target: Builder[Dataquery]) -> Self: ...
    def height(self, h: int) -> Self: ...
    def span(self, w: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def decimals(self, decimals: float) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def with_override(self, matcher: model.MatcherConfig, properties: list[model.DynamicConfigValue]) -> Self: ...
    def build(self) -> model.Panel: ...


P = TypeVar("P", bound=Shown)
Override = tuple[str, str, dict[str, object]]
"""Which fields (matcher and its argument), and their properties by the names Grafana has for them."""

SHARE, POINTS, SECONDS, COUNT = "percentunit", "suffix: %-Punkte", "suffix: s", "none"


def now(expr: str, legend: str = "") -> prometheus.Dataquery:
    """Its value at this moment (or of the whole range, where it asks for one)."""
    return prometheus.Dataquery().expr(expr).instant().legend_format(legend or "__auto")


def line(expr: str, legend: str = "") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).range().legend_format(legend or "__auto")


def show(
    panel: P,
    title: str,
    says: str,
    size: tuple[int, int],
    *asked: prometheus.Dataquery,
    unit: str = COUNT,
    decimals: int = 0,
    overrides: Sequence[Override] = (),
) -> P:
    """Title, words, width (of 24) and height, and what is asked, lettered A, B, C in this order."""
    panel.title(title).description(says).datasource(SOURCE).span(size[0]).height(size[1])
    panel.unit(unit).decimals(decimals).no_value(NO_DATA)
    for letter, target in zip("ABCDEFGH", asked, strict=False):
        panel.with_target(target.ref_id(letter).datasource(SOURCE))
    for matcher, argument, properties in overrides or ():
        panel.with_override(
            model.MatcherConfig(id_val=matcher, options=argument),
            [model.DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()],
        )
    return panel


def painted(letter: str, colour: str, **more: object) -> Override:
    return ("byFrameRefID", letter, {"color": _fixed(colour), **more})


def worded(words: Mapping[str, str], colours: Mapping[str, str] | Sequence[str] = ()) -> list[Override]:
    """German names, and where given colours, for the series of a label's values."""
    if not isinstance(colours, dict):
        colours = dict(zip(words, colours, strict=False))
    return [
        ("byName", word, {"displayName": text} | ({"color": _fixed(colours[word])} if word in colours else {}))
        for word, text in words.items()
    ]


def _fixed(colour: str) -> dict[str, object]:
    return {"mode": "fixed", "fixedColor": colour}


def _thresholds(*steps: tuple[float | None, str]) -> dict[str, object]:
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def tile(*, big: int = 0, tiles: bool = False) -> stat.Panel:
    """Numbers to be read from across the room; ``big``: the size of their letters, else as large as fits."""
    text = common.VizTextDisplayOptions()
    if big:
        text = text.value_size(big).title_size(max(14, big // 2))
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).values(False).fields(""))
        .graph_mode(m_common.BigValueGraphMode.NONE)
        .color_mode(m_common.BigValueColorMode.BACKGROUND_SOLID)
        .text_mode(m_common.BigValueTextMode.VALUE_AND_NAME if tiles else m_common.BigValueTextMode.AUTO)
        .justify_mode(m_common.BigValueJustifyMode.CENTER)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(INK))
        .text(text)
    )


def lines(*, stacked: bool = False, legend: bool = True) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .line_width(2)
        .fill_opacity(60 if stacked else 0)
        .show_points(m_common.VisibilityMode.AUTO)
        .span_nulls(False)
        .tooltip(common.VizTooltipOptions().mode(m_common.TooltipDisplayMode.MULTI).sort(m_common.SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .show_legend(legend)
            .display_mode(m_common.LegendDisplayMode.LIST)
            .placement(m_common.LegendPlacement.BOTTOM)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(m_common.StackingMode.NORMAL).group("A"))
    return panel


DASHED: dict[str, object] = {"custom.lineStyle": {"fill": "dash", "dash": [10, 10]}, "custom.lineWidth": 2}


def bars() -> bargauge.Panel:
    return (
        bargauge.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).values(False).fields(""))
        .orientation(m_common.VizOrientation.HORIZONTAL)
        .display_mode(m_common.BarGaugeDisplayMode.BASIC)
        .value_mode(m_common.BarGaugeValueMode.TEXT)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(SKY))
        .min(0)
    )


def rows(first: str, heading: str, columns: Mapping[str, str], *, big: bool = False) -> table.Panel:
    """A table of several questions: a row for each value of the label ``first``, a column for each question."""
    renamed = {first: heading} | {f"Value #{letter}": name for letter, name in columns.items()}
    return (
        table.Panel()
        .show_header(True)
        .cell_height(m_common.TableCellHeight.LG if big else m_common.TableCellHeight.SM)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate(renamed)},
                    "renameByName": renamed,
                },
            )
        )
    )


def cells(expr: str) -> prometheus.Dataquery:
    return now(expr).format(m_prometheus.PromQueryFormat.TABLE)


DISTANCE_CELL: dict[str, object] = {
    "unit": "none",
    "decimals": 1,
    "custom.cellOptions": {"type": "color-background", "mode": "basic"},
    "thresholds": _thresholds((None, MISSED), (0, KEPT)),
}
"""Painted at 0: the distance is measured from what each town was promised."""


def half_hours(scheme: str, *, centred: float | None = None) -> heatmap.Panel:
    """Towns down, half hours across. Beyond a month Grafana takes longer steps, and the questions go along."""
    scale = m_heatmap.HeatmapColorScale.EXPONENTIAL if centred is None else m_heatmap.HeatmapColorScale.LINEAR
    colour = (
        heatmap.HeatmapColorOptions()
        .mode(m_heatmap.HeatmapColorMode.SCHEME)
        .scheme(scheme)
        .steps(64)
        .exponent(0.5)
        .fill("dark-blue")
        .scale(scale)
        .reverse(False)
    )
    if centred is not None:
        colour.min(-centred).max(centred)
    return (
        heatmap.Panel()
        .calculate(False)
        .color(colour)
        .cell_gap(1)
        .interval("30m")
        .max_data_points(1500)
        .y_axis(heatmap.YAxisConfig().axis_placement(m_common.AxisPlacement.LEFT))
        .show_legend()
        .mode(m_common.TooltipDisplayMode.SINGLE)
    )


def timeline() -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .show_value(m_common.VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(common.VizLegendOptions().show_legend(False))
    )


def words(table_: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """Numbers as a word and a colour."""
    return [
        model.ValueMap(
            options={
                value: model.ValueMappingResult(text=text, color=colour or None, index=place)
                for place, (value, (text, colour)) in enumerate(table_.items())
            }
        )
    ]


def mapped(table_: Mapping[str, tuple[str, str]]) -> list[dict[str, object]]:
    """The same for an override."""
    return [mapping.to_json() for mapping in words(table_)]


# ---------------------------------------------------------------- the boards


def board(
    uid: str, title: str, says: str, *, time: tuple[str, str], refresh: str, chosen: bool = True
) -> build.Dashboard:
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(says)
        .tags([TAG])
        .readonly()
        .timezone("Europe/Berlin")
        .week_start("monday")
        .time(*time)
        .refresh(refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .timepicker(build.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m", "15m"]))
    )
    for other, name in BOARDS.items():
        if other != uid:
            # By address and not by tag: the order on the wall stays the same.
            made.link(
                build.DashboardLink(name)
                .type(model.DashboardLinkType.LINK)
                .url(f"/d/{other}")
                .icon("dashboard")
                .tooltip(name)
                .include_vars(True)
                .keep_time(False)
                .as_dropdown(False)
                .target_blank(False)
                .tags([])
            )
    if chosen:
        towns = model.VariableOption(selected=True, text=["Alle"], value=["$__all"])
        citizens = [kind for kind in KINDS if kind not in NOT_OF_CITIZENS]
        kinds = model.VariableOption(selected=True, text=[KINDS[kind] for kind in citizens], value=list(citizens))
        made.with_variable(
            build.QueryVariable("tenant")
            .label("Stadt")
            .description("Der Mandant, dem der Anruf gehört; unassigned: noch keiner Stadt zugeordnet.")
            .query({"qryType": 1, "query": TOWNS, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
            .datasource(SOURCE)
            .refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".+")
            .current(towns)
        )
        made.with_variable(
            build.CustomVariable("kind")
            .label("Art")
            .description("Warum es die angerufene Nummer gibt. Interne zählen nicht zu den Zahlen der Bürger.")
            .values(", ".join(f"{text} : {kind}" for kind, text in KINDS.items()))
            .multi(True)
            .include_all(True)
            .all_value(".+")
            .current(kinds)
        )
    return made


BOARDS = {"acd-jetzt": "Jetzt", "acd-servicelevel": "Servicelevel", "acd-system": "System"}


STRICT = (
    "Zähler: angenommen innerhalb der Zielzeit des Anrufs, von uns oder vom Partner (Grenze eingeschlossen). "
    "Nenner: alle angebotenen Anrufe. Gepoolte Zahlen, nie ein Mittel von Quoten."
)
TARGET = "Ziel: was die Verträge versprechen (acd_target_share), gewichtet mit den angebotenen Anrufen."
COLOURS = "▲ blau: Ziel erreicht, ▼ orange: verfehlt."
QUEUES_SHOWN = "Warteschlangen, in die Anrufe der gewählten Städte und Arten führen."


def wall() -> build.Dashboard:
    """To be read from three metres: few, large, nothing to scroll."""
    town = {"links": [{"title": "Servicelevel von ${__field.labels.tenant}", "url": TOWN_LINK}]}
    waiting, longest = of_queues("acd_calls_waiting"), of_queues("acd_longest_wait_seconds")
    late = f"count (({longest}) > on (queue) {promised_wait()})"
    return (
        board(
            "acd-jetzt",
            "Jetzt",
            "Für die Wand: wer wartet, wie lange, wer da ist, und ob heute gehalten wird, was versprochen ist.",
            time=("now/d", "now"),
            refresh="5s",
        )
        .with_panel(
            show(
                tile(),
                "Es warten",
                f"Summe der Anrufer, die noch mit keinem Menschen sprechen. {QUEUES_SHOWN}",
                (5, 6),
                now(f"sum ({waiting})", "wartend"),
            )
        )
        .with_panel(
            show(
                tile(),
                "Am längsten wartet",
                "Sekunden des am längsten Wartenden, jetzt. Orange, sobald in einer Schlange länger gewartet wird "
                "als die kürzeste dort versprochene Zielzeit (acd_target_seconds).",
                (5, 6),
                now(f"max ({longest}) unless on () {late} > 0", "▲ im Ziel"),
                now(f"max ({longest}) and on () {late} > 0", "▼ über der Zielzeit"),
                unit=SECONDS,
                overrides=[painted("A", KEPT), painted("B", MISSED)],
            )
        )
        .with_panel(
            show(
                tile(),
                "Agenten frei",
                "Agenten, die jetzt einen Anruf annehmen können, ganzes Zentrum. Nur von Gruppen, von denen "
                "mindestens fünf angemeldet sind.",
                (4, 6),
                now('sum (acd_agents{state="available"})', "frei"),
            )
        )
        .with_panel(
            show(
                tile(),
                "Im Gespräch",
                "Agenten, die jetzt mit einem Anrufer sprechen, ganzes Zentrum. Nur von Gruppen, von denen "
                "mindestens fünf angemeldet sind.",
                (4, 6),
                now('sum (acd_agents{state="talking"})', "im Gespräch"),
            )
        )
        .with_panel(
            show(
                tile(tiles=True),
                "Servicelevel heute (strikt)",
                f"Seit Mitternacht. {STRICT} {TARGET} {COLOURS}",
                (6, 6),
                now(kept("", RANGE), "▲ erreicht"),
                now(missed("", RANGE), "▼ verfehlt"),
                now(target("", RANGE), "Ziel"),
                unit=SHARE,
                decimals=1,
                overrides=[painted("A", KEPT), painted("B", MISSED)],
            )
            .time_from("now/d")
            .hide_time_override(True)
        )
        .with_panel(
            show(
                rows(
                    "queue",
                    "Warteschlange",
                    {
                        "A": "Es warten",
                        "B": "Längste",
                        "C": "Erwartet",
                        "D": "Zielzeit",
                        "E": "Zielzeit verbraucht",
                        "F": "Besetzung",
                    },
                    big=True,
                ),
                "Warteschlangen",
                "Jetzt. Längste: Wartezeit des am längsten Wartenden. Erwartet: die Voraussage für den nächsten "
                "Anrufer; leer, solange dort niemand arbeitet. Zielzeit: die kürzeste dort versprochene. "
                "Zielzeit verbraucht: Längste / Zielzeit; über 100 % ist das Versprechen für diesen Anruf gebrochen. "
                "Niemand da: jetzt ist Servicezeit, und niemand ist angemeldet, der annehmen kann.",
                (14, 11),
                cells(waiting),
                cells(longest),
                cells(of_queues("acd_expected_wait_seconds")),
                cells(promised_wait()),
                cells(f"({longest}) / on (queue) ({promised_wait()} > 0)"),
                cells(of_queues("acd_queue_unattended")),
                overrides=[
                    ("byRegexp", "Längste|Erwartet|Zielzeit", {"unit": SECONDS, "decimals": 0}),
                    (
                        "byName",
                        "Zielzeit verbraucht",
                        {
                            "unit": SHARE,
                            "decimals": 0,
                            "min": 0,
                            "max": 2,
                            "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
                            "color": {"mode": "thresholds"},
                            "thresholds": _thresholds((None, KEPT), (1, MISSED)),
                        },
                    ),
                    (
                        "byName",
                        "Besetzung",
                        {
                            "mappings": mapped({"0": ("ja", SKY), "1": ("niemand da", MISSED)}),
                            "custom.cellOptions": {"type": "color-text"},
                        },
                    ),
                    ("byName", "Es warten", {"custom.cellOptions": {"type": "color-text"}, "color": _fixed(SKY)}),
                ],
            )
        )
        .with_panel(
            show(
                tile(tiles=True),
                "Servicelevel heute je Stadt (strikt)",
                f"Seit Mitternacht. {STRICT} {TARGET} {COLOURS} Ein Klick führt zum Servicelevel der Stadt.",
                (10, 11),
                now(kept("tenant", RANGE), "▲ {{tenant}}"),
                now(missed("tenant", RANGE), "▼ {{tenant}}"),
                unit=SHARE,
                decimals=0,
                overrides=[painted("A", KEPT, **town), painted("B", MISSED, **town)],
            )
            .time_from("now/d")
            .hide_time_override(True)
        )
        .with_panel(
            show(
                lines(stacked=True).interval("15s"),
                "Wartende je Warteschlange",
                f"Anrufer, die noch mit keinem Menschen sprechen, in den letzten drei Stunden. {QUEUES_SHOWN}",
                (9, 9),
                line(waiting, "{{queue}}"),
            ).time_from("3h")
        )
        .with_panel(
            show(
                lines(stacked=True).interval("15s"),
                "Angemeldete Agenten",
                "Nach Zustand, in den letzten drei Stunden. Gestrichelt: gebraucht, nach Erlang C aus den Anrufen der "
                "letzten halben Stunde und deren Zielen, ganzes Zentrum. Nur Zahlen von Gruppen ab fünf Personen; sind "
                "weniger als fünf von ihnen da, ohne deren Zustand.",
                (9, 9),
                line('sum by (state) (acd_agents{state!="signed-out"})', "{{state}}"),
                line("max (acd_agents_needed)", "gebraucht"),
                overrides=[
                    *worded(STATES, STATE_COLOURS),
                    painted("B", "text", **DASHED, **{"custom.stacking": {"mode": "none"}, "custom.fillOpacity": 0}),
                ],
            ).time_from("3h")
        )
        .with_panel(
            show(
                bars(),
                "Überlauf heute",
                "Anrufe, die heute an einen Partner gingen, nach dem Auslöser; wer auch immer sie am Ende annahm.",
                (6, 9),
                now(or_none(total("trigger", RANGE, *OVERFLOWED), "trigger"), "{{trigger}}"),
                overrides=worded(TRIGGERS),
            )
            .time_from("now/d")
            .hide_time_override(True)
        )
    )


def levels() -> build.Dashboard:
    """For whoever answers for a contract. The time is chosen above; day, week and month have tables of their own."""
    made = board(
        "acd-servicelevel",
        "Servicelevel",
        "Was versprochen ist und was daraus wurde: je Stadt und je Art, Tag, Woche, Monat, jede halbe Stunde. "
        "Verbindlich für Abrechnung und Bericht ist der Bericht, nicht diese Anzeige.",
        time=("now-7d/d", "now"),
        refresh="5m",
    )
    made.with_row(build.Row("Gewählter Zeitraum"))
    made.with_panel(
        show(
            tile(tiles=True),
            "Servicelevel strikt (Vertrag)",
            f"Gewählter Zeitraum. {STRICT} {TARGET} {COLOURS}",
            (6, 6),
            now(kept("", RANGE), "▲ erreicht"),
            now(missed("", RANGE), "▼ verfehlt"),
            now(target("", RANGE), "Ziel"),
            unit=SHARE,
            decimals=1,
            overrides=[painted("A", KEPT), painted("B", MISSED)],
        )
    )
    letters = dict(zip("ABCDEFGH", VARIANTS.values(), strict=False))
    four = (
        "Dieselben Anrufe nach den vier üblichen Formeln; im Vertrag steht die erste. "
        "Strikt: in Zielzeit angenommen / angeboten. Ohne Frühabbrecher: / (angeboten − innerhalb der Zielzeit "
        "abgebrochen). Der Angenommenen: / angenommen. Abbruch ≤ T zählt positiv: (in Zielzeit angenommen + "
        "in Zielzeit abgebrochen) / angeboten."
    )
    made.with_panel(
        show(
            bars().max(1),
            "Vier Rechenweisen, eine gilt",
            f"Gewählter Zeitraum. {four}",
            (8, 6),
            *(now(ask("", RANGE), name) for name, ask in letters.values()),
            unit=SHARE,
            decimals=1,
            overrides=[painted("A", KEPT)] + [painted(letter, GREY) for letter in "BCD"],
        )
    )
    made.with_panel(
        show(
            bars(),
            "Was aus den Anrufen wurde",
            "Gewählter Zeitraum. Jeder beendete Anruf steht in genau einer Zeile, Testanrufe in keiner. Außerhalb der "
            "Zeiten und abgewiesen zählen nicht als angeboten.",
            (10, 6),
            now(or_none(total("result", RANGE, "acd_call_outcomes_total"), "result"), "{{result}}"),
            overrides=worded(OUTCOMES),
        )
    )
    for title, asked, colour, says in (
        ("Angeboten", total("", RANGE, *OFFERED), None, "Anrufe, die einen Menschen wollten und zu den Zeiten kamen."),
        (
            "Annahmequote (Netz)",
            share(total("", RANGE, *ANSWERED), total("", RANGE, *OFFERED)),
            SHARE,
            "Zähler: angenommen, von uns oder vom Partner. Nenner: angeboten.",
        ),
        (
            "Annahmequote (eigen)",
            share(
                less(total("", RANGE, OURS), total("", RANGE, "acd_calls_answered_after_overflow_total")),
                less(total("", RANGE, *OFFERED), total("", RANGE, *OVERFLOWED)),
            ),
            SHARE,
            "Zähler: von uns angenommen, ohne zuvor übergelaufene. Nenner: angeboten − übergelaufen.",
        ),
        (
            "Annahmequote bereinigt",
            share(total("", RANGE, *ANSWERED), less(total("", RANGE, *OFFERED), total("", RANGE, *ABANDONED_SHORT))),
            SHARE,
            "Zähler: angenommen. Nenner: angeboten − Kurzabbrecher (bis 5 s), deren Zahl daneben steht.",
        ),
        (
            "Kurzabbrecher",
            total("", RANGE, *ABANDONED_SHORT),
            None,
            "Anrufer, die nach höchstens 5 Sekunden wieder auflegten.",
        ),
        (
            "Abbruchquote",
            share(total("", RANGE, *ABANDONED), total("", RANGE, *OFFERED)),
            SHARE,
            "Zähler: vor der Annahme aufgelegt oder verabschiedet. Nenner: angeboten.",
        ),
        (
            "Überlaufquote",
            share(or_zero(total("", RANGE, *OVERFLOWED), total("", RANGE, *OFFERED)), total("", RANGE, *OFFERED)),
            SHARE,
            "Zähler: an einen Partner gegeben, wer auch immer annahm. Nenner: angeboten.",
        ),
        (
            "Überlauf-Annahmequote",
            share(total("", RANGE, PARTNERS), less(total("", RANGE, *OVERFLOWED), total("", RANGE, *UNKNOWN))),
            SHARE,
            "Zähler: vom Partner angenommen. Nenner: an einen Partner gegeben und Ausgang bekannt.",
        ),
    ):
        made.with_panel(
            show(
                tile(),
                title,
                f"Gewählter Zeitraum. {says}",
                (3, 4),
                now(asked, title),
                unit=colour or COUNT,
                decimals=1 if colour else 0,
            )
        )

    made.with_row(build.Row("Je Stadt: Tag, Woche, Monat"))
    columns = {"A": "Angeboten", "B": "Angenommen", "C": "Servicelevel", "D": "Ziel", "E": "Abstand, %-Punkte"}
    for title, since in (("Heute", "now/d"), ("Diese Woche", "now/w"), ("Dieser Monat", "now/M")):
        made.with_panel(
            show(
                rows("tenant", "Stadt", columns),
                f"{title} je Stadt (strikt)",
                f"Vom Beginn bis jetzt, unabhängig vom gewählten Zeitraum. {STRICT} {TARGET} "
                "Abstand: Servicelevel − Ziel in Prozentpunkten; blau: erreicht, orange: verfehlt.",
                (8, 9),
                cells(total("tenant", RANGE, *OFFERED)),
                cells(total("tenant", RANGE, *ANSWERED)),
                cells(service_level("tenant", RANGE)),
                cells(target("tenant", RANGE)),
                cells(points("tenant", RANGE)),
                overrides=[
                    ("byRegexp", "Servicelevel|Ziel", {"unit": SHARE, "decimals": 1}),
                    ("byName", "Abstand, %-Punkte", DISTANCE_CELL),
                    ("byName", "Stadt", {"links": [{"title": "Nur diese Stadt", "url": TOWN_CELL_LINK}]}),
                ],
            ).time_from(since)
        )

    made.with_row(build.Row("Jede halbe Stunde"))
    made.with_panel(
        show(
            half_hours("PuOr", centred=25),
            "Abstand vom Ziel je halbe Stunde",
            f"Servicelevel strikt − Ziel in Prozentpunkten, der Anrufe, die in der halben Stunde endeten. {STRICT} "
            f"{TARGET} Violett: über dem Ziel, orange: darunter, von ±25 Punkten an voll; leer: niemand rief an.",
            (24, 10),
            line(points("tenant", STEP), "{{tenant}}"),
            unit=POINTS,
            decimals=0,
        )
    )
    made.with_panel(
        show(
            half_hours("Blues"),
            "Angebotene Anrufe je halbe Stunde",
            "Wie viele Anrufe in der halben Stunde endeten, die einen Menschen wollten: wie schwer die halbe Stunde "
            "in der Anzeige darüber wiegt.",
            (24, 10),
            line(total("tenant", STEP, *OFFERED), "{{tenant}}"),
            decimals=0,
        )
    )

    made.with_row(build.Row("115 und Hauptnummern"))
    made.with_panel(
        show(
            lines().interval("1h").max_data_points(400).span_nulls(True).min(0).max(1),
            "Servicelevel je Art der Nummer (strikt)",
            f"Je Stunde, über längere Zeiträume je Tag. {STRICT} Gestrichelt das Ziel. {TARGET}",
            (14, 9),
            line(service_level("kind", STEP), "{{kind}}"),
            line(target("kind", STEP), "Ziel {{kind}}"),
            unit=SHARE,
            overrides=[
                *worded(KINDS, KIND_COLOURS),
                *worded({f"Ziel {kind}": f"Ziel {text}" for kind, text in KINDS.items()}, KIND_COLOURS),
                ("byFrameRefID", "B", DASHED),
            ],
        )
    )
    named = {letter: name for letter, (name, _) in letters.items()} | {"E": "Ziel", "F": "Angeboten"}
    made.with_panel(
        show(
            rows("kind", "Art", named),
            "Vier Rechenweisen je Art der Nummer",
            f"Gewählter Zeitraum. {four}",
            (10, 9),
            *(cells(ask("kind", RANGE)) for _, ask in letters.values()),
            cells(target("kind", RANGE)),
            cells(total("kind", RANGE, *OFFERED)),
            unit=SHARE,
            decimals=1,
            overrides=[
                ("byName", "Angeboten", {"unit": COUNT, "decimals": 0}),
                ("byName", "Art", {"mappings": mapped({kind: (text, "") for kind, text in KINDS.items()})}),
                ("byName", VARIANTS["strict"][0], {"custom.cellOptions": {"type": "color-text"}, "color": _fixed(SKY)}),
            ],
        )
    )

    made.with_row(build.Row("Wartezeiten und Überlauf"))
    made.with_panel(
        show(
            lines().interval("30m").max_data_points(400),
            "Wartezeit der Angenommenen",
            "Von der ersten Signalisierung bis ein Mensch antwortet, Ansagen eingeschlossen; bei uns. Mittel: Summe "
            "der Wartezeiten / Angenommene. Die Quantile sind aus den festen Stufen von 5 bis 600 s geschätzt.",
            (12, 9),
            line(mean_wait("answered", STEP), "Mittel"),
            line(quantile(0.5, "answered", STEP), "Median"),
            line(quantile(0.9, "answered", STEP), "P90"),
            line(quantile(0.95, "answered", STEP), "P95"),
            unit=SECONDS,
            overrides=[painted(letter, c) for letter, c in zip("ABCD", (GREY, BLUE, ORANGE, VERMILION), strict=True)],
        )
    )
    made.with_panel(
        show(
            rows("result", "Wer", {"A": "Anrufe", "B": "Mittel", "C": "Median", "D": "P90", "E": "P95"}),
            "Wie lange gewartet wurde",
            "Gewählter Zeitraum: bis zur Annahme bei uns, bis zur Annahme beim Partner, bis zum Auflegen. "
            "Mittel: Summe / Anzahl. Die Quantile sind aus den festen Stufen von 5 bis 600 s geschätzt.",
            (12, 9),
            cells(f"{WAITS} > 0"),
            cells(share(WAITED, WAITS)),
            *(cells(f"{_quantiles(q)} and on (result) {WAITS} > 0") for q in (0.5, 0.9, 0.95)),
            unit=SECONDS,
            decimals=1,
            overrides=[
                ("byName", "Anrufe", {"unit": COUNT, "decimals": 0}),
                (
                    "byName",
                    "Wer",
                    {
                        "mappings": mapped(
                            {
                                "answered": ("angenommen", ""),
                                "partner": ("vom Partner angenommen", ""),
                                "abandoned": ("abgebrochen", ""),
                            }
                        ),
                    },
                ),
            ],
        )
    )
    made.with_panel(
        show(
            bars(),
            "Überlauf nach Auslöser",
            "Gewählter Zeitraum. Anrufe, die an einen Partner gegeben wurden, nach dem letzten Auslöser.",
            (8, 8),
            now(or_none(total("trigger", RANGE, *OVERFLOWED), "trigger"), "{{trigger}}"),
            overrides=worded(TRIGGERS),
        )
    )
    made.with_panel(
        show(
            rows("partner", "Partner", {"A": "Übergeben", "B": "Angenommen", "C": "Überlauf-Annahmequote"}),
            "Überlauf nach Partner",
            "Gewählter Zeitraum. Übergeben: zuletzt an diesen Partner. Überlauf-Annahmequote: von ihm "
            "angenommen / ihm übergeben, soweit der Ausgang bekannt ist.",
            (8, 8),
            cells(total("partner", RANGE, *OVERFLOWED)),
            cells(total("partner", RANGE, PARTNERS)),
            cells(
                share(
                    total("partner", RANGE, PARTNERS),
                    less(total("partner", RANGE, *OVERFLOWED), total("partner", RANGE, *UNKNOWN)),
                )
            ),
            overrides=[("byName", "Überlauf-Annahmequote", {"unit": SHARE, "decimals": 1})],
        )
    )
    made.with_panel(
        show(
            rows("queue", "Warteschlange", {"A": "Mittlerer Fehler", "B": "Zu kurz vorausgesagt"}),
            "Wie gut die Wartezeit vorausgesagt wurde",
            "Gewählter Zeitraum. Mittlerer Fehler: Summe der Beträge von (vorausgesagt − gewartet) / Anzahl der "
            "Voraussagen. Zu kurz vorausgesagt: Anrufer, die länger warteten als vorausgesagt / Anzahl.",
            (8, 8),
            cells(of_queues(share(predicted("sum"), predicted("count")))),
            cells(of_queues(share(predicted("count", "longer"), predicted("count")))),
            overrides=[
                ("byName", "Mittlerer Fehler", {"unit": SECONDS, "decimals": 1}),
                ("byName", "Zu kurz vorausgesagt", {"unit": SHARE, "decimals": 0}),
            ],
        )
    )
    return made


TOWN_LINK = "/d/acd-servicelevel?${kind:queryparam}&var-tenant=${__field.labels.tenant}"
TOWN_CELL_LINK = "/d/acd-servicelevel?${kind:queryparam}&var-tenant=${__value.raw}&${__url_time_range}"
WAITS = f"sum by (result) (increase(acd_wait_seconds_count{{{CHOSEN}}}[{RANGE}]))"
WAITED = f"sum by (result) (increase(acd_wait_seconds_sum{{{CHOSEN}}}[{RANGE}]))"


def _quantiles(q: float) -> str:
    return f"histogram_quantile({q:g}, sum by (le, result) (increase(acd_wait_seconds_bucket{{{CHOSEN}}}[{RANGE}])))"


def system() -> build.Dashboard:
    """For whoever is on call: does it stand, is it quick, is anything lost."""
    made = board(
        "acd-system",
        "System",
        "Für die Rufbereitschaft: steht die Verbindung, ist es schnell, geht etwas verloren?",
        time=("now-6h", "now"),
        refresh="10s",
        chosen=False,
    )
    up = words({"0": ("getrennt", MISSED), "1": ("verbunden", KEPT)})
    made.with_row(build.Row("Jetzt"))
    link = tile().mappings(up).color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    made.with_panel(
        show(link, "Asterisk", "1, solange die Verbindung zum AMI steht.", (4, 5), now("min (acd_ami_link_up)", "AMI"))
    )
    for title, says, expr, unit, limit in (
        (
            "Lebenszeichen",
            "Sekunden, seit Asterisk zuletzt von uns hörte. Von 10 an gehen neue Anrufe den Notweg.",
            "max (acd_heartbeat_age_seconds)",
            SECONDS,
            10,
        ),
        (
            "Notweg",
            "Anrufe, mit denen Asterisk allein weiterging, in der gewählten Zeit.",
            grown("acd_failsafe_entered_total"),
            COUNT,
            0.5,
        ),
        (
            "Noch nicht in der Datenbank",
            "Datensätze im Journal, die noch geschrieben werden. Wächst es, ist die Datenbank fort oder zu langsam.",
            "sum (acd_spool_depth)",
            COUNT,
            100,
        ),
        (
            "Verloren oder widersprüchlich",
            "Datensätze, die nichts nehmen wollte oder die einem anderen widersprechen, im Zeitraum. Muss 0 sein.",
            grown("acd_records_lost_total", "acd_records_rejected_total", "acd_records_conflicting_total"),
            COUNT,
            0.5,
        ),
        (
            "Defekte",
            "Signale und Meldungen Asterisks, an denen der Dienst scheiterte, im Zeitraum. Muss 0 sein.",
            grown("acd_defects_total", "acd_messages_failed_total"),
            COUNT,
            0.5,
        ),
    ):
        panel = tile().color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        panel.thresholds(_steps((None, KEPT), (limit, MISSED)))
        made.with_panel(show(panel, title, says, (4, 5), now(expr, title), unit=unit))
    made.with_panel(
        show(
            timeline().mappings(up),
            "Verbindung zu Asterisk",
            "AMI, über die gewählte Zeit.",
            (8, 6),
            line("min (acd_ami_link_up)", "AMI"),
        )
    )
    made.with_panel(
        show(
            timeline().mappings(words({"0": ("erreichbar", KEPT), "1": ("gesperrt", MISSED)})),
            "Partner",
            "Gesperrt: mehrere Anrufe nacheinander wurden nicht angenommen; der Partner bekommt eine Weile keine.",
            (8, 6),
            line("max by (partner) (acd_partner_circuit_open)", "{{partner}}"),
        )
    )

    alarms = show(
        timeline().mappings(words({"1": ("Alarm", MISSED)})),
        "Alarme",
        "Was alarmiert, nach den Regeln in docker/prometheus/rules; was dann zu tun ist, steht in der README daneben.",
        (8, 6),
        line('max by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}"),
    )
    made.with_panel(alarms.no_value("kein Alarm"))

    made.with_row(build.Row("Notweg und Verbindung"))
    for title, says, expr, legend, named in (
        (
            "Anrufe im Notweg",
            "Anrufe, mit denen Asterisk allein weiterging, nach dem Grund, je Zeitschritt.",
            f"sum by (why) ({grown_or_new('acd_failsafe_entered_total', RATE)})",
            "{{why}}",
            FAILSAFE_WHYS,
        ),
        (
            "Fragen des Wählplans",
            "AGI-Fragen in der Sekunde, nach ihrem Ausgang.",
            f"sum by (result) (rate(acd_agi_questions_total[{RATE}]))",
            "{{result}}",
            QUESTIONS,
        ),
        (
            "Angebote an Agenten",
            "Wie angebotene Anrufe endeten, je Zeitschritt; ganzes Zentrum.",
            f"sum by (result) (increase(acd_offers_total[{RATE}]))",
            "{{result}}",
            OFFERS,
        ),
    ):
        made.with_panel(
            show(
                lines(stacked=True).min(0), title, says, (8, 8), line(expr, legend), decimals=1, overrides=worded(named)
            )
        )
    made.with_panel(
        show(
            lines(),
            "Lebenszeichen und Alter der Meldungen",
            "Lebenszeichen: Sekunden, seit Asterisk zuletzt von uns hörte. Alter: vom Zeitstempel der letzten Meldung "
            "Asterisks bis sie aufgenommen war.",
            (8, 8),
            line("max (acd_heartbeat_age_seconds)", "Lebenszeichen"),
            line("max (acd_event_lag_seconds)", "Alter der letzten Meldung"),
            unit="s",
            decimals=2,
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Abweichungen",
            "Je Zeitschritt: Unterschiede zwischen Asterisks Bild und unserem, abgelehnte Aufträge, unpassende "
            "Signale, neue Verbindungen. Einzelne sind normal, viele nicht.",
            (8, 8),
            line(f"sum (increase(acd_picture_differences_total[{RATE}]))", "Unterschiede im Bild"),
            line(f"sum (increase(acd_orders_failed_total[{RATE}]))", "Aufträge abgelehnt"),
            line(f"sum (increase(acd_signals_ignored_total[{RATE}]))", "unpassende Signale"),
            line(f"sum (increase(acd_ami_reconnects_total[{RATE}]))", "neue Verbindungen"),
            decimals=1,
        )
    )
    made.with_panel(
        show(
            lines(stacked=True).min(0),
            "Lebende Anrufe",
            "Anrufe, die noch nicht beendet sind, nach Zustand; ohne Testanrufe. Angenommene nur, solange mindestens "
            "fünf Agenten da sind.",
            (8, 8),
            line("sum by (state) (acd_calls_live)", "{{state}}"),
            overrides=worded(CALL_STATES, CALL_COLOURS),
        )
    )

    made.with_row(build.Row("Geschwindigkeit"))
    made.with_panel(
        show(
            lines().min(0),
            "Vom Signal zur Entscheidung",
            "Warten im Eingang und Bearbeiten eines Signals; Median und P99 aus den Stufen geschätzt, Mittel: "
            "Summe / Anzahl.",
            (8, 8),
            line(_quick("acd_signal_seconds", 0.5), "Median"),
            line(_quick("acd_signal_seconds", 0.99), "P99"),
            line(_mean("acd_signal_seconds"), "Mittel"),
            unit="s",
            decimals=1,
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Eingang",
            "Signale, die darauf warten, bearbeitet zu werden.",
            (8, 8),
            line("max (acd_inbox_depth)", "wartende Signale"),
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Abfrage der Zahlen",
            "Wie lange Prometheus auf /metrics dieses Dienstes wartet.",
            (8, 8),
            line("max by (instance) (scrape_duration_seconds and on (job, instance) acd_inbox_depth)", "{{instance}}"),
            unit="s",
            decimals=1,
        )
    )

    made.with_row(build.Row("Datensätze und Datenbank"))
    made.with_panel(
        show(
            lines().min(0),
            "Schreiben in die Datenbank",
            "Eine Transaktion mit Datensätzen; Median und P99 aus den Stufen geschätzt, Mittel = Summe / Anzahl.",
            (6, 8),
            line(_quick("acd_database_write_seconds", 0.5), "Median"),
            line(_quick("acd_database_write_seconds", 0.99), "P99"),
            line(_mean("acd_database_write_seconds"), "Mittel"),
            unit="s",
            decimals=1,
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Datensätze",
            "Im Journal: noch nicht in der Datenbank. Geschrieben und Fehlversuche: je Zeitschritt.",
            (6, 8),
            line("sum (acd_spool_depth)", "im Journal"),
            line(f"sum (increase(acd_records_written_total[{RATE}]))", "geschrieben"),
            line(f"sum (increase(acd_database_write_failures_total[{RATE}]))", "Fehlversuche"),
            decimals=1,
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Prozess",
            "Rechenzeit in Kernen (1 = ein Kern voll) und offene Dateien im Verhältnis zu den erlaubten.",
            (6, 8),
            line(
                f"max by (instance) (rate(process_cpu_seconds_total[{RATE}]) and on (job, instance) acd_inbox_depth)",
                "Rechenzeit",
            ),
            line(
                "max by (instance) (process_open_fds / process_max_fds and on (job, instance) acd_inbox_depth)",
                "offene Dateien",
            ),
            unit=SHARE,
            decimals=1,
        )
    )
    made.with_panel(
        show(
            lines().min(0),
            "Speicher",
            "Arbeitsspeicher des Dienstes.",
            (6, 8),
            line("max by (instance) (process_resident_memory_bytes and on (job, instance) acd_inbox_depth)", "belegt"),
            unit="bytes",
            decimals=0,
        )
    )
    return made


def _quick(name: str, q: float) -> str:
    return (
        f"histogram_quantile({q:g}, sum by (le) (rate({name}_bucket[{RATE}])))"
        f" and on () sum (rate({name}_count[{RATE}])) > 0"
    )


def _mean(name: str) -> str:
    return share(f"sum (rate({name}_sum[{RATE}]))", f"sum (rate({name}_count[{RATE}]))")


def _steps(*steps: tuple[float | None, str]) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def written() -> dict[str, str]:
    """The files as they have to be, by name."""
    files = {}
    for made in (wall(), levels(), system()):
        built = made.build()
        for number, panel in enumerate(built.panels or [], 1):
            panel.id_val = number
        files[f"{built.uid}.json"] = (
            json.dumps(built, cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        )
    return files


def main() -> int:
    """Write them beside this file."""
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
