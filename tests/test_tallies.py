"""Counters against reports: whatever calls there were, every figure is the same, whoever works it out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.kpi import Fate, Figures, Mean, Ratio, figures
from dialog_acd.core.model import UNASSIGNED, AgentId, EntryKind, Formula, PartnerId, QueueId, TenantId, Trigger
from dialog_acd.core.records import PROMISED, Blame, CallRecord, Outcome, Result
from dialog_acd.metrics import Metrics
from dialog_acd.simulation import run as simulated
from dialog_acd.simulation.scenario import read_scenario
from dialog_acd.tallies import LINES_AT_ONCE, OUTCOMES, WAIT_BUCKETS, Tallies, Written
from records import served

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from dialog_acd.core.view import AcdView

ROOT = Path(__file__).parents[1]
OLDENBURG = PartnerId("oldenburg")
NOT_OFFERED = ("closed", "closed-callback", "refused")


class Read:
    """Counters as Prometheus has them, added up over all series with these labels."""

    def __init__(self, families: Iterable[object]) -> None:
        text = "".join(piece for family in families if isinstance(family, Written) for piece in family.pieces())
        self.samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        found = [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        assert found, f"{name} {labels} is not there"
        return sum(found)

    def in_time(self, **labels: str) -> float:
        own = self("acd_calls_answered_in_time_total", **labels)
        return own + self("acd_calls_answered_by_partner_in_time_total", **labels)

    def waits(self, result: str, **labels: str) -> list[float]:
        """So many lie within each border of the grid, each border's own ones alone."""
        up_to = [
            self("acd_wait_seconds_bucket", result=result, le=le, **labels)
            for le in (*(str(bucket) for bucket in WAIT_BUCKETS), "+Inf")
        ]
        return [here - before for before, here in zip([0, *up_to], up_to, strict=False)]


def same(read: Read, found: Figures, **labels: str) -> None:
    """Each formula of the reports, from the counters alone."""
    o, answered, abandoned, v, by_partner = (
        read(f"acd_calls_{name}_total", **labels)
        for name in ("offered", "answered", "abandoned", "overflowed", "answered_by_partner")
    )
    early, short, after = (
        read(f"acd_calls_{name}_total", **labels)
        for name in ("abandoned_in_time", "abandoned_short", "answered_after_overflow")
    )
    in_time, accepted = read.in_time(**labels), answered + by_partner
    assert found.service_level(Formula.STRICT) == of(in_time, o)
    assert found.service_level(Formula.LATE_ABANDONS_ONLY) == of(in_time, o - early)
    assert found.service_level(Formula.SERVED_ONLY) == of(in_time, accepted)
    assert found.service_level(Formula.ABANDONS_COUNT) == of(o - (accepted - in_time) - (abandoned - early), o)
    assert found.service_level_short_excluded == of(in_time, o - short)
    assert found.accepted == of(accepted, o)
    assert found.accepted_own == of(answered - after, o - v)
    assert found.accepted_adjusted == of(accepted, o - short)
    assert found.abandon_rate == of(abandoned, o)
    assert found.sent_rate == of(v, o)
    unknown = read("acd_calls_overflowed_unknown_total", **labels)
    assert found.sent_accepted == of(by_partner, v - unknown)
    for trigger in {sent.trigger for sent in found.sent}:
        assert found.sent_by(trigger) == of(read("acd_calls_overflowed_total", trigger=trigger or "other", **labels), o)
    outcomes = {name: read("acd_call_outcomes_total", result=name, **labels) for name in OUTCOMES}
    assert found.callback_rate == of(outcomes["callback"], o)
    assert (outcomes["answered"], outcomes["partner"]) == (answered, by_partner)
    assert sum(number for name, number in outcomes.items() if name not in NOT_OFFERED) == o
    assert outcomes == {fate.value: found.fates[fate] for fate in Fate if fate is not Fate.TEST}
    waited = {
        name: read("acd_wait_seconds_sum", result=name, **labels) for name in ("answered", "partner", "abandoned")
    }
    alike(found.asa, waited["answered"] + waited["partner"], accepted)
    alike(found.asa_in_line, read("acd_wait_in_line_seconds_total", **labels), accepted)
    alike(found.wait_of_abandoned, waited["abandoned"], abandoned)
    ours, partners = read.waits("answered", **labels), read.waits("partner", **labels)
    assert [a + b for a, b in zip(ours, partners, strict=True)] == on_the_grid(found.waits)
    assert read.waits("abandoned", **labels) == on_the_grid(found.waits_of_abandoned)


def of(numerator: float, denominator: float) -> Ratio:
    assert float(numerator).is_integer(), numerator
    assert float(denominator).is_integer(), denominator
    return Ratio(int(numerator), int(denominator))


def alike(mean: Mean, total: float, of: float) -> None:
    assert mean.of == of
    assert total == pytest.approx(mean.total)


def on_the_grid(waits: Iterable[float]) -> list[float]:
    borders = [0.0, *WAIT_BUCKETS, float("inf")]
    waits = [max(wait / 1000, 1e-9) for wait in waits]
    return [sum(low < wait <= high for wait in waits) for low, high in pairwise(borders)]


# ---------------------------------------------------------------- whatever calls there are

SECONDS = st.one_of(
    st.sampled_from([0, 5, 5.001, 20, 30, 30.001, 600, 600.001]), st.floats(0, 1000).map(lambda s: round(s, 3))
)


@st.composite
def calls(draw: st.DrawFn) -> CallRecord:
    """A call as there could be one: it waits, perhaps is sent to a partner, and ends in one of all ways."""
    record = served(draw(st.uuids()).hex)
    begun = record.t_in

    def after(seconds: float) -> datetime:
        return begun + timedelta(seconds=seconds)

    waited, within = draw(SECONDS), draw(st.sampled_from([None, 20, 30, 60]))
    result = draw(st.sampled_from(Result))
    sent = result is Result.OVERFLOWED or draw(st.booleans())
    answered = result is Result.SERVED or (result in (Result.FAILSAFE, Result.CALLBACK) and draw(st.booleans()))
    trigger = draw(st.sampled_from([*(trigger.value for trigger in Trigger), ""]))
    at_night = draw(st.sampled_from([PROMISED, Trigger.CLOSED_HOURS.value]))
    return replace(
        record,
        tenant=draw(st.sampled_from([TenantId("langenhagen"), TenantId("hannover"), UNASSIGNED])),
        queue=draw(st.sampled_from([QueueId("one"), QueueId("two")])),
        kind=draw(st.sampled_from([EntryKind.MAIN_NUMBER, EntryKind.SERVICE_115])),
        outcome=Outcome(result, at_night if result is Result.CALLBACK else "x", Blame.NOBODY),
        t_ann_end=draw(st.sampled_from([None, begun])),
        t_ans=after(waited) if answered else None,
        t_ovf=after(0) if sent else None,
        t_ovf_ans=after(waited) if result is Result.OVERFLOWED else None,
        t_leave=after(waited) if result is Result.ABANDONED else None,
        t_end=after(waited + draw(SECONDS)),
        t_wrap_end=None,
        in_time=answered and waited <= (30 if within is None else within),
        overflow_trigger=trigger if sent else "",
        overflow_partner=draw(st.sampled_from([OLDENBURG, PartnerId("gone")])) if sent else None,
        partner=draw(st.sampled_from([OLDENBURG, PartnerId("gone")])) if result is Result.OVERFLOWED else None,
        target_ms=None if within is None else within * 1000,
        test=draw(st.sampled_from([False] * 9 + [True])),
    )


def counted(records: Iterable[CallRecord]) -> Figures:
    return figures(records)


@settings(max_examples=settings().max_examples // 5)
@given(st.lists(calls(), max_size=40))
def test_every_figure_is_the_same_from_counters_and_from_records(records: list[CallRecord]) -> None:
    tallies = Tallies()
    kinds = (EntryKind.MAIN_NUMBER, EntryKind.SERVICE_115)
    for tenant in ("langenhagen", "hannover", UNASSIGNED):
        for queue in ("one", "two"):
            for kind in kinds:
                tallies.begin(TenantId(tenant), QueueId(queue), kind, [("waited", "oldenburg")])
    for record in records:
        if not record.test:
            tallies.count(record, {OLDENBURG})
    read = Read(tallies.families())
    same(read, counted(records))
    for tenant in ("langenhagen", "hannover", UNASSIGNED):
        same(read, counted(r for r in records if r.tenant == tenant), tenant=tenant)
    for kind in kinds:
        same(read, counted(r for r in records if r.kind is kind), kind=kind.value)


def test_how_long_calls_took_is_told_in_heaps_that_tell_of_nobody() -> None:
    """Who reads before and after each call learns of none how long it took, nor of a night how long its one agent."""
    tallies, names = Tallies(), ["anna", "ben", "cem", "dora", "emil"]

    def handled(name: str | None, seconds: int) -> tuple[float, float]:
        call = served("c")
        answered = None if name is None else call.t_in
        agent = None if name is None else AgentId(name)
        outcome = call.outcome if name else Outcome(Result.ABANDONED, "waiting", Blame.NOBODY)
        end = call.t_in + timedelta(seconds=seconds)
        call = replace(call, agent=agent, outcome=outcome, t_ans=answered, t_end=end, t_wrap_end=None)
        tallies.count(call, ())
        read = Read(tallies.families())
        assert "queue" not in {label for s in read.samples if "handl" in s.name for label in s.labels}
        return read("acd_handled_calls_total"), read("acd_handling_seconds_total")

    assert {handled("anna", 60) for _ in range(30)} == {(0, 0)}, "a night alone"
    assert {handled(name, 100) for name in names[1:4]} == {(0, 0)}
    assert handled(None, 500) == (0, 0)
    assert handled("emil", 100) == (34, 2200), "the fifth of them"
    assert {handled(name, 10) for name in names * 3} | {handled("anna", 10) for _ in range(4)} == {(34, 2200)}
    assert handled("ben", 10) == (54, 2400)


# ---------------------------------------------------------------- a day with a real core


@pytest.mark.parametrize(("scenario", "fewest"), [("harburg-friday", 10), ("hannover-2021", 300)])
def test_a_day_of_a_town(scenario: str, fewest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the core tells, and the records it leaves: 115 on a Friday afternoon at the partner, a day in the centre."""
    read = read_scenario(ROOT / "scenarios" / f"{scenario}.yaml")
    registry, records = CollectorRegistry(), list[CallRecord]()

    def blind() -> AcdView:
        raise RuntimeError

    metrics = Metrics(registry, blind)
    metrics.directory_changed(read.directory)

    class Watched(Acd):
        def handle(self, signal: m.Signal, now: datetime) -> list[m.Order | m.Notice]:
            outputs = super().handle(signal, now)
            for output in outputs:
                if isinstance(output, m.SaveRecord):
                    records.append(output.record)
                elif isinstance(output, m.Notice):
                    metrics.observe(output)
            return outputs

    monkeypatch.setattr(simulated, "Acd", Watched)
    simulated.Run(read, 1, 0).outcome()
    assert len(records) > fewest
    found = Read(registry.collect())
    same(found, counted(records))
    for tenant in {record.tenant for record in records}:
        same(found, counted(r for r in records if r.tenant == tenant), tenant=tenant)


def test_the_library_reads_the_same_lines() -> None:
    registry = CollectorRegistry()
    tallies = Tallies()
    tallies.begin(TenantId('a"b\\c\nd\\n'), QueueId("one"), EntryKind.SERVICE_115, [])

    class All(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from tallies.families()

    registry.register(All())
    ours = Read(tallies.families()).samples
    theirs = text_string_to_metric_families(generate_latest(registry).decode())
    assert [sample for family in theirs for sample in family.samples] == ours
    assert {sample.labels.get("tenant") for sample in ours} == {'a"b\\c\nd\\n', None}


def test_no_piece_is_long_and_a_scrape_is_of_one_moment() -> None:
    tallies = Tallies()
    for n in range(100):
        tallies.begin(TenantId(f"town-{n}"), QueueId("one"), EntryKind.SERVICE_115, [("waited", "oldenburg")])
    families = list(tallies.families())
    sent = replace(served("c1"), tenant=TenantId("town-7"), kind=EntryKind.SERVICE_115, queue=QueueId("one"))
    tallies.count(replace(sent, t_ovf=sent.t_in, overflow_trigger="length", overflow_partner=OLDENBURG), ())
    unna = PartnerId("unna")
    tallies.count(replace(sent, t_ans=None, t_ovf=sent.t_in, t_ovf_ans=sent.t_end, partner=unna), {unna})
    pieces = [piece for family in families if isinstance(family, Written) for piece in family.pieces()]
    assert max(piece.count("\n") for piece in pieces) <= LINES_AT_ONCE
    assert len(pieces) > 20
    assert {sample.value for sample in Read(families).samples} == {0}
    assert Read(tallies.families())("acd_calls_offered_total", tenant="town-7") == 2
