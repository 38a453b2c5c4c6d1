"""What Prometheus sees.

Counters and histograms grow with the notices of the core (``observe``). Gauges are never kept: a collector reads
the picture (``view``) and the sources at the moment of the scrape, so a gauge cannot drift from the truth.

Labels come from a closed list: tenant, queue, kind, result, reason, state, why, partner, signal. Never a number, an
agent or a call: each new value of a label is a new series for as long as Prometheus remembers, and a label that an
outsider can choose is a way to fill its memory. Where a word comes from the wire it is kept only if we know it,
else it counts as ``other``.

Every labelled counter whose values can be known starts at 0 when the directory names them: ``increase()`` sees
nothing in a series that appears with its first 1, and the first call of the day would be missing.

What is counted cannot be counted otherwise later, and the town of a call to a number that several towns share is named
when the call is over, as a rule. Such calls stay with the tenant ``unassigned`` in the counters of calls, whoever got
them; ``acd_calls_moved_to_total`` and ``acd_calls_moved_from_total`` count at each town the calls it got by a naming
and those it lost by one, so that the two together correct any sum over a longer time. What is billed is counted from
records, never from here.

Calls known at the door as test calls are in ``acd_test_calls_total`` and in nothing else about calls. Who is marked as
one later has been counted like everybody; ``acd_calls_marked_test_total`` says how many those are.

The registry is passed in; there is none at module level, so two services in one process (a test, a simulation)
do not add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import UNASSIGNED, SwitchKind, Trigger
from dialog_acd.core.records import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import PartnerId
    from dialog_acd.core.view import AcdView

WAIT_BUCKETS = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
"""Seconds. Fixed for all queues and for good: histograms over different grids cannot be added."""

AGENT_STATES = (
    Intent.SIGNED_OUT.value,
    Intent.NOT_READY.value,
    "available",
    "set-aside",
    *(work.value for work in Work if work is not Work.IDLE),
    *(f"phone-{phone.value}" for phone in PhoneState if phone is not PhoneState.REACHABLE),
)
"""Every word ``AgentView.state`` can say."""

FAILSAFE_WHYS = ("heartbeat", "no-answer", "max-wait", "verdict", "dialplan")
"""As ``CallTakenByFailsafe.why``; it crosses the wire, so anything else is ``other``."""

OTHER = "other"
OUTCOMES: Mapping[Result, tuple[str, ...]] = {
    Result.SERVED: ("talked", "transferred"),
    Result.ABANDONED: ("greeting", "waiting", "ringing", "partner-ringing", "connecting"),
    Result.OVERFLOWED: ("partner",),
    Result.FAILSAFE: (*FAILSAFE_WHYS, OTHER),
    Result.CLOSED: ("closed-by-hours", "closed-by-day"),
    Result.CALLBACK: ("promised", "closed-by-hours", "closed-by-day"),
    Result.RELEASED: tuple(trigger.value for trigger in Trigger),
    Result.REFUSED: ("emergency", "loop", "partner-limit", "none-to-spare"),
    Result.FAILED: ("lost-sight",),
}
"""Reasons the core gives today, so that their series start at 0. One missing here is counted all the same."""
OFFER_RESULTS = ("answered", *(failure.value for failure in m.OfferFailure))
SIGNALS = frozenset(signal.__name__ for signal in get_args(m.Signal))

_CALL_LABELS = ("tenant", "queue", "kind")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers of the adapters are read at each scrape. Each must be quick and must not block.

    ``None`` (nothing measured yet) and a callable that raises leave their own series out and no other.
    """

    ami_link_up: Callable[[], bool]
    ami_reconnects: Callable[[], int]
    """Links made after the first one, since the start."""
    event_lag_seconds: Callable[[], float | None]
    """From Asterisk's timestamp of the latest message to the moment it was taken in."""
    heartbeat_age_seconds: Callable[[], float | None]
    """Since a heartbeat last reached the switch."""
    inbox_depth: Callable[[], int]
    records_pending: Callable[[], int]
    """In the spool, not yet in the database."""
    records_written: Callable[[], int]
    records_conflicting: Callable[[], int]
    """A second, different record for a call that has one: always worth an alarm."""
    records_lost: Callable[[], int]
    """Records no database, no disk and no memory would take: in the log alone. Must stay 0."""
    records_rejected: Callable[[], int]
    """Records put aside because no database would take them. Must stay 0."""
    orders_failed: Callable[[], int]
    """Orders Asterisk refused, or of which nothing more was heard."""
    messages_failed: Callable[[], int]
    """Messages of Asterisk we stumbled over. Must stay 0."""
    defects: Callable[[], int]
    """Signals the core could not handle. Must stay 0."""
    agi_questions: Callable[[], Mapping[str, int]]
    """Questions of the dialplan by how they ended; the keys must come from a fixed set."""
    retention_done_at: Callable[[], float | None] = lambda: None
    """When what may not be kept any more was last taken out, in seconds since 1970."""


class Metrics(Collector):
    """All series of the service, registered at ``registry``.

    ``view`` may raise while nothing is there to be seen (start, stop): the gauges over it are then absent from
    that scrape, everything else is served, and ``acd_metrics_unreadable_total`` counts it.
    """

    def __init__(self, registry: CollectorRegistry, view: Callable[[], AcdView]) -> None:
        self._view = view
        self._sources: Sources | None = None
        self._partners: frozenset[PartnerId] = frozenset()

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._offered = counter("acd_calls_offered_total", "Calls that came in.", _CALL_LABELS)
        self._answered = counter("acd_calls_answered_total", "Calls an agent answered.", _CALL_LABELS)
        self._in_time = counter(
            "acd_calls_answered_in_time_total",
            "Calls an agent answered within the queue's target, boundary included.",
            _CALL_LABELS,
        )
        self._abandoned = counter(
            "acd_calls_abandoned_total", "Calls whose caller hung up before anybody answered.", _CALL_LABELS
        )
        self._ended = counter(
            "acd_calls_ended_total", "Finished calls by the outcome in their record.", ("result", "reason")
        )
        self._waited = Histogram(
            "acd_wait_seconds",
            "From the door to an agent, or to the caller's hang-up; announcements included.",
            ("queue", "result"),
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self._moved_to = counter(
            "acd_calls_moved_to_total", "Calls a town got because somebody named it, or unassigned again.", ("tenant",)
        )
        self._moved_from = counter(
            "acd_calls_moved_from_total", "Calls a town, or unassigned, lost because another was named.", ("tenant",)
        )
        self._tests = counter(
            "acd_test_calls_total", "Finished test calls, known as such at the door; in no other counter.", ("result",)
        )
        self._marked = counter("acd_calls_marked_test_total", "Calls marked as test calls later, and counted before.")
        self._offers = counter("acd_offers_total", "Offers of a call to an agent by how they ended.", ("result",))
        self._unknown_numbers = counter("acd_unknown_numbers_total", "Calls to numbers nobody owns.")
        self._failsafe = counter("acd_failsafe_entered_total", "Calls Asterisk went on with alone.", ("why",))
        self._overflowed = counter("acd_overflowed_total", "Calls diverted to a partner centre.", ("partner",))
        self._ignored = counter("acd_signals_ignored_total", "Signals that made no sense when they came.", ("signal",))
        self._differences = counter(
            "acd_picture_differences_total", "Differences an audit found between Asterisk's picture and ours."
        )
        self._unreadable = counter(
            "acd_metrics_unreadable_total", "Times a scrape could not read the picture or one of the sources."
        )
        for result in OFFER_RESULTS:
            self._offers.labels(result)
        for outcome, reasons in OUTCOMES.items():
            self._tests.labels(outcome.value)
            for reason in reasons:
                self._ended.labels(outcome.value, reason)
        for why in (*FAILSAFE_WHYS, OTHER):
            self._failsafe.labels(why)
        for signal in (*sorted(SIGNALS), OTHER):
            self._ignored.labels(signal)
        registry.register(self)

    def watch(self, sources: Sources) -> None:
        """Read these from the next scrape on."""
        self._sources = sources

    def directory_changed(self, directory: Directory) -> None:
        """Start at 0 every series the directory makes possible. What it no longer names keeps its count."""
        self._partners = frozenset(directory.partner)
        for entry in directory.entries:
            tenant = UNASSIGNED if entry.candidates else entry.tenant
            for family in (self._offered, self._answered, self._in_time, self._abandoned):
                family.labels(tenant, entry.queue, entry.kind.value)
        shared = (entry for entry in directory.entries if entry.candidates)
        for town in {town for entry in shared for town in (*entry.candidates, UNASSIGNED)}:
            self._moved_to.labels(town)
            self._moved_from.labels(town)
        for queue in directory.queues:
            self._waited.labels(queue.id, "answered")
            self._waited.labels(queue.id, "abandoned")
        for partner in (*directory.partner, OTHER):
            self._overflowed.labels(partner)

    def observe(self, notice: m.Notice) -> None:
        """Count one notice. Notices that change only the picture (an agent's state) have no counter."""
        if not isinstance(notice, m.TestMarked) and getattr(notice, "test", False):
            if isinstance(notice, m.CallEnded):
                self._tests.labels(notice.record.outcome.result.value).inc()
            return
        match notice:
            case m.CallOffered(tenant=tenant, queue=queue, kind=kind):
                self._offered.labels(tenant, queue, kind.value).inc()
            case m.CallAnswered(tenant=tenant, queue=queue, kind=kind, waited=waited, in_time=in_time):
                self._answered.labels(tenant, queue, kind.value).inc()
                if in_time:
                    self._in_time.labels(tenant, queue, kind.value).inc()
                self._waited.labels(queue, "answered").observe(waited.total_seconds())
            case m.CallAbandoned(tenant=tenant, queue=queue, kind=kind, waited=waited):
                self._abandoned.labels(tenant, queue, kind.value).inc()
                self._waited.labels(queue, "abandoned").observe(waited.total_seconds())
            case m.CallEnded(record=record):
                outcome, reason = record.outcome.result, record.outcome.reason
                if outcome is Result.FAILSAFE:
                    reason = _failsafe_why(reason)
                self._ended.labels(outcome.value, reason).inc()
            case m.OfferTaken():
                self._offers.labels("answered").inc()
            case m.OfferMissed(reason=failure):
                self._offers.labels(failure.value).inc()
            case m.NumberUnknown():
                self._unknown_numbers.inc()
            case m.FailsafeEntered(why=why):
                self._failsafe.labels(_failsafe_why(why)).inc()
            case m.CallDiverted(partner=partner):
                self._overflowed.labels(partner if partner in self._partners else OTHER).inc()
            case m.Ignored(signal=signal):
                self._ignored.labels(signal if signal in SIGNALS else OTHER).inc()
            case m.PictureDiffered():
                self._differences.inc()
            case m.CallAssigned(before=before, tenant=tenant):
                self._moved_from.labels(before).inc()
                self._moved_to.labels(tenant).inc()
            case m.TestMarked(test=True):
                self._marked.inc()
            case m.CallQueued() | m.OfferMade() | m.AgentChanged():
                pass

    # -- the scrape

    def describe(self) -> Iterator[Metric]:
        """Nothing, on purpose: registering must not read a picture that does not exist yet."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Gauges over the picture, then the sources. Never raises: half a scrape beats none."""
        try:
            picture = tuple(_picture(self._view()))
        except Exception:  # noqa: BLE001  whatever is wrong with it, the other series are still true
            self._unreadable.inc()
        else:
            yield from picture
        if self._sources is not None:
            yield from self._read(self._sources)

    def _read(self, s: Sources) -> Iterator[Metric]:
        gauges: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
            ("acd_ami_link_up", "1 while the link to Asterisk's manager stands.", s.ami_link_up),
            ("acd_event_lag_seconds", "Age of the latest message from Asterisk on arrival.", s.event_lag_seconds),
            ("acd_heartbeat_age_seconds", "Since Asterisk last heard that we live.", s.heartbeat_age_seconds),
            ("acd_inbox_depth", "Signals that wait to be handled.", s.inbox_depth),
            ("acd_records_pending", "Records not yet in the database.", s.records_pending),
            (
                "acd_retention_last_success_timestamp_seconds",
                "When what may not be kept any more was last taken out.",
                s.retention_done_at,
            ),
        )
        counters: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
            ("acd_ami_reconnects_total", "Links to Asterisk's manager after the first.", s.ami_reconnects),
            ("acd_records_written_total", "Records in the database since the start.", s.records_written),
            ("acd_records_conflicting_total", "Second, different records for one call.", s.records_conflicting),
            ("acd_records_lost_total", "Records that are in the log alone.", s.records_lost),
            ("acd_records_rejected_total", "Records no database would take.", s.records_rejected),
            ("acd_orders_failed_total", "Orders Asterisk refused or never confirmed.", s.orders_failed),
            ("acd_messages_failed_total", "Messages of Asterisk we stumbled over.", s.messages_failed),
            ("acd_defects_total", "Signals the core could not handle.", s.defects),
        )
        for name, text, source in gauges:
            if (value := self._value(source)) is not None:
                yield GaugeMetricFamily(name, text, value=value)
        for name, text, source in counters:
            if (value := self._value(source)) is not None:
                yield CounterMetricFamily(name, text, value=value)
        questions = CounterMetricFamily(
            "acd_agi_questions_total", "Questions of the dialplan by how they ended.", labels=("result",)
        )
        try:
            for result, count in s.agi_questions().items():
                questions.add_metric((result,), count)
        except Exception:  # noqa: BLE001
            self._unreadable.inc()
        yield questions

    def _value(self, source: Callable[[], float | None]) -> float | None:
        try:
            value = source()
            return None if value is None or math.isnan(value) else float(value)
        except Exception:  # noqa: BLE001
            self._unreadable.inc()
            return None


def _failsafe_why(why: str) -> str:
    return why if why in FAILSAFE_WHYS else OTHER


def _picture(view: AcdView) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("acd_calls_waiting", "Callers of the queue who have no person yet.", labels=("queue",))
    longest = GaugeMetricFamily(
        "acd_longest_wait_seconds", "Wait so far of the queue's longest-waiting caller.", labels=("queue",)
    )
    for queue in view.queues:
        waiting.add_metric((queue.id,), queue.waiting)
        longest.add_metric((queue.id,), queue.longest_wait.total_seconds())
    yield waiting
    yield longest

    on = GaugeMetricFamily("acd_switches", "Switches of the supervisors that are on now.", labels=("kind",))
    for kind in SwitchKind:
        on.add_metric((kind.value,), sum(switch.kind is kind for switch in view.switches))
    yield on

    by_state = dict.fromkeys(AGENT_STATES, 0)
    for agent in view.agents:
        by_state[agent.state] += 1
    agents = GaugeMetricFamily("acd_agents", "Agents by state; the states exclude each other.", labels=("state",))
    for word, count in by_state.items():
        agents.add_metric((word,), count)
    yield agents

    live: dict[CallState, int] = {state: 0 for state in CallState if state is not CallState.ENDED}
    for call in view.calls:
        live[call.state] += not call.test
    calls = GaugeMetricFamily(
        "acd_calls_live", "Calls that have not ended, by state, without test calls.", labels=("state",)
    )
    for state, count in live.items():
        calls.add_metric((state.value,), count)
    yield calls
