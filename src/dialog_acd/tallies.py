"""Finished calls by tenant, queue and kind of entry, and how they are written for Prometheus.

A call is counted when it is over, from its record and by the definitions of the reports (``core/kpi.py``), which are
asked and not written down a second time: so whatever a recording rule makes of these counters is what a report makes of
the records. What is counted at the door and at the answer instead would put the two ends of one call into different
windows, and a restart in between would forget one of them; a record exists exactly once.

One *place* is a tenant, a queue and a kind of entry: a large centre has a thousand of them, with seventy series each.
The library keeps an object with a lock for every series, and makes another for every line of every scrape; at that size
it occupies the interpreter for most of a second, and the garbage collector after that, while callers wait. Here a place
is one flat list of numbers, a scrape is a copy of these lists, and the lines are written from the copy bit by bit.

How long calls were handled is a figure about those who handled them, and two scrapes fifteen seconds apart differ by
one call. So it is counted for the whole centre alone, and in heaps: calls go to the counter together when they are as
many as ``core/disclosure.py`` asks for, handled by as many people. What is not a heap yet is lost at a restart.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dialog_acd.core.disclosure import CALLS, PERSONS
from dialog_acd.core.kpi import Fate, Figures
from dialog_acd.core.model import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from prometheus_client.samples import Sample

    from dialog_acd.core.model import AgentId, EntryKind, QueueId, TenantId
    from dialog_acd.core.records import CallRecord

OTHER = "other"
WAIT_BUCKETS = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
"""Seconds. Fixed for all queues and for good: histograms over different grids cannot be added."""
WAITED = ("answered", "partner", "abandoned")
"""How a wait ended."""
OUTCOMES = tuple(fate.value for fate in Fate if fate is not Fate.TEST)
"""What became of a call, in the words of the reports; exactly one of these. All but the last three are offered."""
TRIGGERS = frozenset(trigger.value for trigger in Trigger)
LINES_AT_ONCE = 500
"""Written in less than a millisecond."""

_COUNTERS: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("acd_calls_offered_total", "Finished calls that were offered.", lambda f: f.offered),
    ("acd_calls_answered_total", "Finished calls that an agent had answered.", lambda f: f.answered),
    (
        "acd_calls_answered_in_time_total",
        "Finished calls that an agent had answered within what was promised, boundary included.",
        lambda f: f.in_time if f.answered else 0,
    ),
    (
        "acd_calls_answered_after_overflow_total",
        "Finished calls that an agent had answered after they had been sent to a partner.",
        lambda f: f.answered - f.answered_here,
    ),
    (
        "acd_calls_abandoned_total",
        "Finished calls whose caller hung up before anybody answered, or was told that nobody will.",
        lambda f: f.abandoned,
    ),
    (
        "acd_calls_abandoned_in_time_total",
        "Of these, whose caller was gone within what was promised.",
        lambda f: f.abandoned_in_time,
    ),
    (
        "acd_calls_abandoned_short_total",
        "Finished calls whose caller hung up within five seconds.",
        lambda f: f.abandoned_short,
    ),
    (
        "acd_wait_in_line_seconds_total",
        "Waits of answered callers, ours and partners', from the end of the announcement on.",
        lambda f: sum(f.waits_in_line) / 1000,
    ),
)
_BY_PARTNER = (
    ("acd_calls_answered_by_partner_total", "Finished calls that a partner had answered."),
    (
        "acd_calls_answered_by_partner_in_time_total",
        "Finished calls that a partner had answered within what was promised, boundary included.",
    ),
    (
        "acd_calls_overflowed_unknown_total",
        "Finished calls that were sent to this partner last, and nobody saw how they ended.",
    ),
)
_OF_HANDLED = (
    ("acd_handled_calls_total", "acd_handling_seconds_total"),
    (
        f"Calls that agents handled, in heaps of at least {CALLS} calls and {PERSONS} agents.",
        "Conversations and wrap-ups of the calls in acd_handled_calls_total.",
    ),
)
_LES = (*(repr(bucket) for bucket in WAIT_BUCKETS), "+Inf")
_OUTCOMES_AT = len(_COUNTERS)
_WAITS_AT = _OUTCOMES_AT + len(OUTCOMES)
_WAIT_SIZE = len(_LES) + 1
_SIZE = _WAITS_AT + len(WAITED) * _WAIT_SIZE
_OUTCOME_AT = {outcome: _OUTCOMES_AT + n for n, outcome in enumerate(OUTCOMES)}


def _waited(figures: Figures) -> tuple[str, int]:
    """How the wait of a single call ended, one of ``WAITED``, and its milliseconds. Empty: it was none of these."""
    for result, waits in (
        ("answered" if figures.answered else "partner", figures.waits),
        ("abandoned", figures.waits_of_abandoned),
    ):
        if waits:
            return result, waits[0]
    return "", 0


class _Handled:
    """How long our people were busy with calls, in heaps that tell of nobody. See the head of this file."""

    def __init__(self) -> None:
        self.calls = self.ms = 0
        """What may be told."""
        self._calls = self._ms = 0
        self._agents: set[AgentId] = set()

    def add(self, ms: int, agent: AgentId) -> None:
        self._calls += 1
        self._ms += ms
        self._agents.add(agent)
        if self._calls >= CALLS and len(self._agents) >= PERSONS:
            self.calls, self.ms = self.calls + self._calls, self.ms + self._ms
            self._calls = self._ms = 0
            self._agents.clear()


class _Place:
    """The numbers of one tenant, queue and kind, as one flat list: ``_COUNTERS``, ``OUTCOMES``, the waits, and behind
    them what is counted by partner and by trigger, in the order in which it was first heard of.
    """

    __slots__ = ("by_partner", "kind", "numbers", "queue", "sent", "tenant")

    def __init__(self, tenant: str, queue: str, kind: str) -> None:
        # As they stand in a line, already.
        self.kind, self.queue, self.tenant = label("kind", kind), label("queue", queue), label("tenant", tenant)
        self.numbers: list[float] = [0] * _SIZE
        self.by_partner: dict[str, int] = {}
        self.sent: dict[tuple[str, str], int] = {}

    def partner(self, partner: str) -> int:
        """Where answers of this partner are counted; behind it, those in time, and the calls nobody saw the end of."""
        at = self.by_partner.get(partner)
        if at is None:
            at = self.by_partner[partner] = len(self.numbers)
            self.numbers += [0] * len(_BY_PARTNER)
        return at

    def way(self, trigger: str, partner: str) -> int:
        """Where calls that this trigger sent to this partner are counted."""
        at = self.sent.get((trigger, partner))
        if at is None:
            at = self.sent[trigger, partner] = len(self.numbers)
            self.numbers.append(0)
        return at


class Tallies:
    """What has been counted of finished calls. See the head of this file."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], _Place] = {}
        self._handled = _Handled()

    def begin(self, tenant: TenantId, queue: QueueId, kind: EntryKind, ways: Iterable[tuple[str, str]]) -> None:
        """Such calls may come: their series begin at 0. ``ways``: (trigger, partner) that may take them away."""
        place = self._at(tenant, queue, kind)
        for trigger, partner in ways:
            place.partner(partner)
            place.way(trigger, partner)

    def _at(self, tenant: TenantId, queue: QueueId, kind: EntryKind) -> _Place:
        place = self._places.get((tenant, queue, kind.value))
        if place is None:
            place = self._places[tenant, queue, kind.value] = _Place(tenant, queue, kind.value)
            # So that a sum over all partners is always there.
            place.partner(OTHER)
            place.way(OTHER, OTHER)
        return place

    def count(self, record: CallRecord, partners: Container[str]) -> None:
        """A call is over. A partner who is none of ``partners`` is not known any more, and counts as ``OTHER``."""
        figures = Figures()
        figures.add(record)
        place = self._at(record.tenant, record.queue, record.kind)
        numbers = place.numbers
        for at, (_, _, what) in enumerate(_COUNTERS):
            numbers[at] += what(figures)
        for fate in figures.fates:
            numbers[_OUTCOME_AT[fate.value]] += 1
        result, wait_ms = _waited(figures)
        if result:
            at = _WAITS_AT + WAITED.index(result) * _WAIT_SIZE
            numbers[at + bisect_left(WAIT_BUCKETS, wait_ms / 1000)] += 1
            numbers[at + len(_LES)] += wait_ms / 1000
        if figures.overflowed:
            at = place.partner(record.partner if record.partner is not None and record.partner in partners else OTHER)
            numbers[at] += 1
            numbers[at + 1] += figures.in_time
        for sent in figures.sent:
            known = sent.partner if sent.partner in partners else OTHER
            at = place.way(sent.trigger if sent.trigger in TRIGGERS else OTHER, known)
            numbers[at] += 1
            if sent.fate is Fate.FAILED:
                numbers[place.partner(known) + 2] += 1
        if figures.answered and record.agent is not None:
            self._handled.add(figures.handled_ms, record.agent)

    def families(self) -> Iterator[Metric]:
        """All of it as of now, whenever the lines are written."""
        taken = [(place, place.numbers.copy()) for place in self._places.values()]
        for at, (name, text, _) in enumerate(_COUNTERS):
            yield Written(name, text, "counter", lambda name=name, at=at: _counter(name, at, taken))  # type: ignore[misc]
        for behind, (name, text) in enumerate(_BY_PARTNER):
            yield Written(name, text, "counter", lambda n=name, b=behind: _by_partner(n, b, taken))  # type: ignore[misc]
        yield Written(
            "acd_calls_overflowed_total",
            "Finished calls that were sent to a partner, each once: by what sent it last, and to whom.",
            "counter",
            lambda: _overflowed(taken),
        )
        yield Written(
            "acd_call_outcomes_total",
            "Finished calls by what became of them, each once. Closed, closed-callback and refused were not offered.",
            "counter",
            lambda: _outcomes(taken),
        )
        yield Written(
            "acd_wait_seconds",
            "From the door to a person, or to the caller's hang-up; announcements included. Finished calls.",
            "histogram",
            lambda: _waits(taken),
        )
        told = self._handled.calls, self._handled.ms / 1000
        for name, text, value in zip(*_OF_HANDLED, told, strict=True):
            yield Written(name, text, "counter", lambda n=name, v=value: iter((f"{n} {v!r}\n",)))  # type: ignore[misc]


_Taken = list[tuple[_Place, list[float]]]


def _counter(name: str, at: int, taken: _Taken) -> Iterator[str]:
    for place, numbers in taken:
        yield f"{name}{{{place.kind},{place.queue},{place.tenant}}} {numbers[at]!r}\n"


def _by_partner(name: str, behind: int, taken: _Taken) -> Iterator[str]:
    for place, numbers in taken:
        for partner, at in tuple(place.by_partner.items()):
            if at < len(numbers):  # else it was first heard of after the copy
                who = label("partner", partner)
                yield f"{name}{{{place.kind},{who},{place.queue},{place.tenant}}} {numbers[at + behind]!r}\n"


def _overflowed(taken: _Taken) -> Iterator[str]:
    for place, numbers in taken:
        for (trigger, partner), at in tuple(place.sent.items()):
            if at < len(numbers):
                labels = f'{place.kind},{label("partner", partner)},{place.queue},{place.tenant},trigger="{trigger}"'
                yield f"acd_calls_overflowed_total{{{labels}}} {numbers[at]!r}\n"


def _outcomes(taken: _Taken) -> Iterator[str]:
    for place, numbers in taken:
        for outcome, at in _OUTCOME_AT.items():
            labels = f'{place.kind},{place.queue},result="{outcome}",{place.tenant}'
            yield f"acd_call_outcomes_total{{{labels}}} {numbers[at]!r}\n"


def _waits(taken: _Taken) -> Iterator[str]:
    for place, numbers in taken:
        at = _WAITS_AT
        for result in WAITED:
            behind, so_far = f'{place.queue},result="{result}",{place.tenant}}}', 0.0
            for le, number in zip(_LES, numbers[at : at + len(_LES)], strict=True):
                so_far += number
                yield f'acd_wait_seconds_bucket{{{place.kind},le="{le}",{behind} {so_far!r}\n'
            yield f"acd_wait_seconds_sum{{{place.kind},{behind} {numbers[at + len(_LES)]!r}\n"
            yield f"acd_wait_seconds_count{{{place.kind},{behind} {so_far!r}\n"
            at += _WAIT_SIZE


# ---------------------------------------------------------------- the text format


def label(name: str, text: str) -> str:
    """A label as it stands in a line."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'{name}="{escaped}"'


class Written(Metric):
    """A family whose lines are written only when they are read; and bit by bit, for whoever has other things to do."""

    def __init__(
        self, name: str, text: str, kind: str, lines: Callable[[], Iterator[str]], *, at_once: int = LINES_AT_ONCE
    ) -> None:
        """``lines``: begin to write. Each ends with a line feed. ``at_once``: as many are quickly written."""
        super().__init__(name.removesuffix("_total") if kind == "counter" else name, text, kind)
        self._written_as, self._lines, self._at_once = name, lines, at_once

    def pieces(self) -> Iterator[str]:
        """The family in Prometheus' text format (0.0.4), at most ``at_once`` lines at a time."""
        name, lines = self._written_as, self._lines()
        yield f"# HELP {name} {self.documentation}\n# TYPE {name} {self.type}\n"
        while piece := "".join(islice(lines, self._at_once)):
            yield piece

    @property
    def samples(self) -> list[Sample]:
        """As the library has them, for whoever reads the registry by its means."""
        text = "".join(self.pieces())
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    @samples.setter
    def samples(self, samples: list[Sample]) -> None:
        """The library sets them to nothing at the beginning."""
