"""The same figures from the records in Python, from the database in SQL, and from the counters of Prometheus.

A simulated day of ten thousand calls through the core that routes live ones. The three have nothing in common but what
happened: the SQL is written down here once more, from the definitions, and the counters were counted call by call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.catalogue import DEFINITIONS
from dialog_acd.core.kpi import By, Fate, Figures, Key, grouped
from dialog_acd.core.model import EntryKind
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.view import AcdView
from dialog_acd.metrics import Metrics
from dialog_acd.simulation import run as run_module
from dialog_acd.simulation.run import Run
from dialog_acd.simulation.scenario import read_scenario
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.record_store import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.records import CallRecord
    from store.conftest import Clock

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
LADDER = [
    "closed by hours for 115: partner oldenburg",
    "waited 45 s: partner oldenburg",
    "waited 150 s: partner oldenburg",
    "waited 280 s: release",
]
_QUEUE = {"wrap_up_for": 10, "max_wait": 330, "target": 30}
A_DAY: dict[str, Any] = {
    "name": "a day",
    "start": "2026-03-02T06:30",
    "end": "2026-03-02T19:00",
    "directory": {
        "tenants": [
            {"id": "langenhagen", "name": "Stadt Langenhagen", "label": "Langenhagen",
             "contract": {"targets": ["75 % within 30 s", "80 % within 20 s for 115"]}},
            {"id": "laatzen", "name": "Stadt Laatzen", "label": "Laatzen",
             "contract": {"targets": ["75 % within 60 s"], "formula": "late-abandons-only"}},
        ],
        "failsafe_profiles": [{"name": "standard", "group": "all"}],
        "skills": [{"id": "citizens", "name": "Bürgerfragen"}, {"id": "it", "name": "IT"}],
        "calendars": [{"id": "c", "name": "C", "hours": ["mon-fri 07:00-18:00"]}],
        "partners": [{"id": "oldenburg", "name": "Oldenburg", "numbers": ["+494412350"], "channels": 12}],
        "prompts": [{"id": "hello", "name": "Begrüßung", "text": "Guten Tag."}],
        "queues": [
            {"id": "langenhagen", "name": "L", "steps": ["from 0 s: citizens"], "ladder": LADDER, **_QUEUE},
            {"id": "laatzen", "name": "Z", "steps": ["from 0 s: citizens"], "ladder": LADDER[1:2], **_QUEUE,
             "max_wait": 150},
            {"id": "it", "name": "IT", "steps": ["from 0 s: it"], **_QUEUE, "to_partners": False},
        ],
        "entries": [
            {"number": number, "tenant": tenant, "queue": queue, "kind": kind, "failsafe": "standard", "calendar": "c",
             **more}
            for number, tenant, queue, kind, more in (
                ("+4951173070", "langenhagen", "langenhagen", "main-number", {"greeting": "acd/hello"}),
                ("115", "langenhagen", "langenhagen", "115", {}),
                ("+49511900115", "langenhagen", "langenhagen", "partner-inbound", {"at_most": 4}),
                ("+4951182050", "laatzen", "laatzen", "forwarded", {"greeting": "acd/hello"}),
                ("+4951182059", "laatzen", "it", "internal", {}),
                ("", "langenhagen", "langenhagen", "catch-all", {}),
            )
        ],
    },
    "arrivals": [
        {"number": number, "calls": calls, "hours": "mon 06:45-18:15"}
        for number, calls in (
            ("+4951173070", 4200), ("115", 1500), ("+49511900115", 800), ("+4951182050", 3300), ("+4951182059", 350),
        )
    ],
    "handling": "lognormal 80 s cv 1",
    "patience": "exponential 180 s",
    "prompts": {"acd/hello": 4},
    "agents": [
        {"name": "centre", "count": 19, "skills": {"citizens": 3}, "answers": "exponential 4 s", "no_answer": 0.005,
         "back_after": "fixed 60 s"},
        {"name": "it", "count": 1, "skills": {"it": 3}},
    ],
    "partners": {"oldenburg": {"people": 9, "answers": "exponential 9 s", "handling": "exponential 100 s",
                               "busy": 0.1, "silent": 0.05, "down": ["mon 10:00-10:40"], "while_down": "busy"}},
}  # fmt: skip


def as_nobody_simulates(n: int, record: CallRecord) -> CallRecord:
    """Simulated callers press no keys, nothing breaks, and nobody tests; so a few of them are said to."""
    result = record.outcome.result
    if n % 97 == 0:
        return replace(record, test=True)
    if n % 3 == 0:
        record = replace(record, talk_ms=None, wrap_ms=None)  # as an older version wrote it
    if result is Result.ABANDONED and n % 5 == 0:
        return replace(record, outcome=Outcome(Result.CALLBACK, "promised", Blame.NOBODY), t_leave=None)
    if result is Result.ABANDONED and n % 31 == 1:
        return replace(record, outcome=Outcome(Result.FAILED, "lost-sight", Blame.UNKNOWN), t_leave=None)
    if result is Result.CLOSED and n % 5 == 0:
        return replace(record, outcome=Outcome(Result.CALLBACK, "closed-by-hours", Blame.NOBODY))
    if result is Result.ABANDONED and n % 31 in (2, 3) and record.t_ovf is None:
        by = "acd-failsafe-all" if n % 2 else None
        outcome = Outcome(Result.FAILSAFE, "no-answer", Blame.US)
        return replace(record, outcome=outcome, t_leave=None, t_failsafe=record.t_end, failsafe_answered_by=by)
    return record


class Day(NamedTuple):
    directory: Directory
    records: list[CallRecord]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    path = tmp_path_factory.mktemp("day") / "day.yaml"
    path.write_text(yaml.safe_dump(A_DAY, allow_unicode=True), encoding="utf-8")
    scenario = read_scenario(path)
    calls: list[CallRecord] = []

    class Overheard(Acd):
        def handle(self, signal: m.Signal, now: datetime) -> list[m.Order | m.Notice]:
            said = super().handle(signal, now)
            calls.extend(one.record for one in said if isinstance(one, m.CallEnded))
            return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "Acd", Overheard)
        Run(scenario, 115, 0).outcome()
    return Day(scenario.directory, [as_nobody_simulates(n, record) for n, record in enumerate(calls)])


def test_everything_happens_on_such_a_day(day: Day) -> None:
    assert len(day.records) == pytest.approx(10_000, rel=0.05)
    [found] = grouped(day.records, [], kinds=[*EntryKind]).values()
    assert {fate for fate in Fate if found.fates[fate] < 3} == set()
    assert {promise.target_ms for promise in found.promises if promise} == {20_000, 30_000, 60_000}
    assert found.answered > found.answered_here


Place = tuple[str, str, str]
Said = dict[Place, dict[str, float | None]]
"""Of each town, queue and kind of entry, some figures of the catalogue by their ids."""
COUNTED = (
    "offered", "answered", "partner", "abandoned", "abandoned-short", "overflowed", "overflowed-lost", "callback",
    "released", "failsafe-answered", "failsafe", "failed", "closed", "closed-callback", "refused",
)  # fmt: skip
SHARES = (
    "acceptance-network", "acceptance-own", "acceptance-adjusted", "abandonment", "overflow", "overflow-acceptance",
    "callback-rate", "service-level-strict", "service-level-late-abandons-only", "service-level-served-only",
    "service-level-abandons-count", "service-level-short-excluded", "asa", "asa-in-line", "wait-of-abandoned",
)  # fmt: skip
HANDLED = ("aht", "talk")
"""Told of no place by Prometheus."""
RANKS = (
    "wait-median", "wait-p90", "wait-p95", "wait-max", "wait-in-line-median", "wait-in-line-p90", "wait-in-line-p95",
    "wait-in-line-max",
)  # fmt: skip


def by_python(day: Day) -> Said:
    groups = grouped(day.records, [By.TENANT, By.QUEUE, By.KIND], kinds=[*EntryKind])
    return by_the_catalogue(groups)


def by_the_catalogue(groups: dict[Key, Figures]) -> Said:
    ids = (*COUNTED, *SHARES, *RANKS, *HANDLED, "test")
    return {
        (str(tenant), str(queue), str(kind)): {id_: DEFINITIONS[id_].value(found) for id_ in ids}
        for (tenant, queue, kind), found in groups.items()
    }


# ---------------------------------------------------------------- SQL


def sql(dialect: str) -> str:
    """Every figure once more, from the rows alone."""

    def us(column: str) -> str:
        return f"(unixepoch(substr({column}, 1, 19)) * 1000000 + substr({column}, 21, 6))"

    def ms(later: str, earlier: str) -> str:
        if dialect == "sqlite":
            return f"(({us(later)} - {us(earlier)} + 999) / 1000)"
        return f"ceil(extract(epoch from ({later} - {earlier})) * 1000)"

    def cut(moment: str) -> str:
        if dialect == "sqlite":
            return f"({us(moment)} / 1000)"
        return f"(extract(epoch from date_trunc('milliseconds', {moment})) * 1000)"

    def count(condition: str) -> str:
        return f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)"

    def rank(of: str, tenths: int, among: int) -> str:
        return f"max(CASE WHEN rank_{of} = (answers * {tenths} + {among - 1}) / {among} THEN {of} END) / 1000.0"

    first = "coalesce(t_ans, t_ovf_ans)"
    own, partner = "t_ans IS NOT NULL", "(t_ans IS NULL AND t_ovf_ans IS NOT NULL)"
    nobody = "(t_ans IS NULL AND t_ovf_ans IS NULL)"
    shut = "(result = 'closed' OR (result = 'callback' AND reason <> 'promised'))"
    offered = f"(NOT {nobody} OR (result <> 'refused' AND NOT ({shut} AND t_ovf IS NULL)))"
    hung_up, sent_away = f"({nobody} AND result = 'abandoned')", f"({nobody} AND result IN ('released', 'closed'))"
    gave_up = f"({hung_up} OR ({sent_away} AND {offered}))"
    good, early, brief = (
        "(waited <= target_ms)", f"({gave_up} AND stayed <= target_ms)", f"({hung_up} AND stayed <= 5000)",
    )  # fmt: skip
    unknown = f"({nobody} AND result = 'failed' AND t_ovf IS NOT NULL)"
    late = f"(waited > target_ms OR ({gave_up} AND stayed > target_ms))"
    accepted, all_ = f"1.0 * {count('NOT ' + nobody)}", count(offered)
    in_time, sent = count(good), count(f"{offered} AND t_ovf IS NOT NULL")
    figures = {
        "offered": all_,
        "answered": count(own),
        "partner": count(partner),
        "abandoned": count(gave_up),
        "abandoned-short": count(brief),
        "overflowed": sent,
        "overflowed-lost": count(f"{hung_up} AND t_ovf IS NOT NULL AND stayed > 5000"),
        "callback": count(f"{nobody} AND result = 'callback' AND {offered}"),
        "released": count(f"{sent_away} AND {offered}"),
        "failsafe-answered": count(f"{nobody} AND result = 'failsafe' AND failsafe_answered_by IS NOT NULL"),
        "failsafe": count(f"{nobody} AND result = 'failsafe' AND failsafe_answered_by IS NULL"),
        "failed": count(f"{nobody} AND result = 'failed'"),
        "closed": count("result = 'closed' AND t_ovf IS NULL"),
        "closed-callback": count(f"{nobody} AND NOT {offered} AND result = 'callback'"),
        "refused": count("result = 'refused'"),
        "acceptance-network": f"100 * {accepted} / nullif({all_}, 0)",
        "acceptance-own": f"100.0 * {count(f'{own} AND t_ovf IS NULL')} / nullif({all_} - {sent}, 0)",
        "acceptance-adjusted": f"100 * {accepted} / nullif({all_} - {count(brief)}, 0)",
        "abandonment": f"100.0 * {count(gave_up)} / nullif({all_}, 0)",
        "overflow": f"100.0 * {sent} / nullif({all_}, 0)",
        "overflow-acceptance": f"100.0 * {count(partner)} / nullif({sent} - {count(unknown)}, 0)",
        "callback-rate": f"100.0 * {count(f'{nobody} AND result = {chr(39)}callback{chr(39)} AND {offered}')}"
        f" / nullif({all_}, 0)",
        "service-level-strict": f"100.0 * {in_time} / nullif({all_}, 0)",
        "service-level-late-abandons-only": f"100.0 * {in_time} / nullif({all_} - {count(early)}, 0)",
        "service-level-served-only": f"100.0 * {in_time} / nullif({count('NOT ' + nobody)}, 0)",
        "service-level-abandons-count": f"100.0 * ({all_} - {count(late)}) / nullif({all_}, 0)",
        "service-level-short-excluded": f"100.0 * {in_time} / nullif({all_} - {count(brief)}, 0)",
        "asa": "avg(waited) / 1000.0",
        "asa-in-line": "avg(in_line) / 1000.0",
        "wait-of-abandoned": f"avg(CASE WHEN {gave_up} THEN stayed END) / 1000.0",
        "aht": "avg(handled) / 1000.0",
        "talk": "avg(talked) / 1000.0",
        **{
            f"wait-{within}{name}": rank(of, tenths, among)
            for within, of in (("", "waited"), ("in-line-", "in_line"))
            for name, tenths, among in (("median", 1, 2), ("p90", 9, 10), ("p95", 19, 20), ("max", 1, 1))
        },
    }
    over = "CASE WHEN coalesce(t_wrap_end, t_end) < t_end THEN coalesce(t_wrap_end, t_end) ELSE t_end END"
    columns = ", ".join(f'{formula} AS "{id_}"' for id_, formula in figures.items())
    return f"""
        WITH calls AS (
            SELECT *, {ms(first, "t_in")} AS waited, {ms("coalesce(t_leave, t_end)", "t_in")} AS stayed,
                {ms(first, "coalesce(t_ann_end, t_in)")} AS in_line,
                CASE WHEN {own} THEN coalesce(talk_ms + wrap_ms, {cut("coalesce(t_wrap_end, t_end)")} - {cut("t_ans")})
                    END AS handled,
                CASE WHEN {own} THEN coalesce(talk_ms, {cut(over)} - {cut("t_ans")}) END AS talked
            FROM records WHERE NOT test
        ), ranked AS (
            SELECT *,
                row_number() OVER (PARTITION BY tenant, queue, kind, waited IS NULL ORDER BY waited) AS rank_waited,
                row_number() OVER (PARTITION BY tenant, queue, kind, waited IS NULL ORDER BY in_line) AS rank_in_line,
                count(waited) OVER (PARTITION BY tenant, queue, kind) AS answers
            FROM calls
        )
        SELECT tenant, queue, kind, {columns} FROM ranked GROUP BY tenant, queue, kind"""  # noqa: S608


async def by_sql(engine: AsyncEngine) -> Said:
    async with engine.connect() as connection:
        rows = (await connection.execute(text(sql(engine.dialect.name)))).mappings().all()
        tests = await connection.execute(
            text("SELECT tenant, queue, kind, count(*) AS n FROM records WHERE test GROUP BY tenant, queue, kind")
        )
        test = {(row.tenant, row.queue, row.kind): row.n for row in tests.all()}
    return {
        (key := (row["tenant"], row["queue"], row["kind"])): {
            **{id_: None if value is None else float(value) for id_, value in row.items() if id_ not in A_PLACE},
            "test": test.get(key, 0),
        }
        for row in rows
    }


A_PLACE = ("tenant", "queue", "kind")


# ---------------------------------------------------------------- Prometheus


def by_prometheus(day: Day) -> Said:
    """What a recording rule makes of the counters' last values."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, lambda: AcdView(datetime(2026, 3, 3, tzinfo=UTC), True, (), (), ()))
    metrics.directory_changed(day.directory)
    for record in day.records:
        metrics.observe(m.CallEnded(record))
    totals: dict[tuple[str, str, str], dict[str, float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            if set(A_PLACE) <= sample.labels.keys() and not sample.name.startswith("acd_target_"):
                place = sample.labels["tenant"], sample.labels["queue"], sample.labels["kind"]
                # A wait of whom, a call of which outcome; by partner and by trigger they are added up.
                name = f"{sample.name} {sample.labels.get('result', '')}".strip()
                group = totals.setdefault(place, {})
                group[name] = group.get(name, 0) + (sample.value if "le" not in sample.labels else 0)
    return {place: _rules(t) for place, t in totals.items() if any(t.values())}


def _rules(t: dict[str, float]) -> dict[str, float | None]:
    def calls(name: str) -> float:
        return t[f"acd_calls_{name}_total"]

    def over(above: float, below: float, factor: float = 100) -> float | None:
        return factor * above / below if below else None

    offered, sent, short = calls("offered"), calls("overflowed"), calls("abandoned_short")
    accepted = calls("answered") + calls("answered_by_partner")
    in_time = calls("answered_in_time") + calls("answered_by_partner_in_time")
    here = calls("answered") - calls("answered_after_overflow")
    waited = t["acd_wait_seconds_sum answered"] + t["acd_wait_seconds_sum partner"]
    early = calls("abandoned_in_time")
    assert t["acd_wait_seconds_count answered"] + t["acd_wait_seconds_count partner"] == accepted
    outcomes = {id_: t[f"acd_call_outcomes_total {id_}"] for id_ in COUNTED if f"acd_call_outcomes_total {id_}" in t}
    return {
        **outcomes,
        "offered": offered,
        "answered": calls("answered"),
        "partner": calls("answered_by_partner"),
        "abandoned": calls("abandoned"),
        "abandoned-short": short,
        "overflowed": sent,
        "acceptance-network": over(accepted, offered),
        "acceptance-own": over(here, offered - sent),
        "acceptance-adjusted": over(accepted, offered - short),
        "abandonment": over(calls("abandoned"), offered),
        "overflow": over(sent, offered),
        "overflow-acceptance": over(calls("answered_by_partner"), sent - calls("overflowed_unknown")),
        "callback-rate": over(outcomes["callback"], offered),
        "service-level-strict": over(in_time, offered),
        "service-level-late-abandons-only": over(in_time, offered - early),
        "service-level-served-only": over(in_time, accepted),
        "service-level-abandons-count": over(offered - (accepted - in_time) - (calls("abandoned") - early), offered),
        "service-level-short-excluded": over(in_time, offered - short),
        "asa": over(waited, accepted, 1),
        "asa-in-line": over(t["acd_wait_in_line_seconds_total"], accepted, 1),
        "wait-of-abandoned": over(t["acd_wait_seconds_sum abandoned"], t["acd_wait_seconds_count abandoned"], 1),
    }


def same(one: Said, other: Said, *ids: str) -> None:
    assert one.keys() == other.keys()
    for place, figures in one.items():
        for id_ in ids:
            wanted, found = figures[id_], other[place][id_]
            # Exact but for the last digit of a division.
            assert found == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9)), (place, id_)


async def test_a_figure_is_the_same_in_python_in_sql_and_in_prometheus(
    day: Day, engine: AsyncEngine, tmp_path: Path, clock: Clock
) -> None:
    writer = RecordWriter(engine, tmp_path / "spool", clock, flush_within=60)
    for record in day.records:
        writer.put(record)
    assert await writer.flush()
    assert writer.written == len(day.records)
    python = by_python(day)
    assert len(python) == 5
    same(python, await by_sql(engine), *COUNTED, *SHARES, *RANKS, *HANDLED, "test")
    same(python, by_prometheus(day), *COUNTED, *SHARES)
    # And the fourth, which is what a report is made of.
    clock.time = datetime(2026, 3, 4, 12, tzinfo=UTC)
    figures = FiguresStore(engine, clock)
    for _ in ("counted", "kept"):
        found = await figures.figures(
            MONDAY, TUESDAY + timedelta(days=1), by=[By.TENANT, By.QUEUE, By.KIND], kinds=[*EntryKind]
        )
        same(python, by_the_catalogue(found), *COUNTED, *SHARES, *RANKS, *HANDLED, "test")
