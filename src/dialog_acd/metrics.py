"""What Prometheus sees.

Counters and histograms grow with the notices of the core (``observe``). Gauges are never kept: a collector reads
the picture (``view``) and the sources at the moment of the scrape, so a gauge cannot drift from the truth. But for
promises: the database counts them, and a scrape does not wait for it. They are as they were counted last.

Labels come from a closed list: tenant, queue, kind, result, reason, trigger, state, group, why, partner, signal. Never
a number, an agent or a call: each new value of a label is a new series for as long as Prometheus remembers, and a label
that an outsider can choose is a way to fill its memory. Where a word comes from the wire it is kept only if we know it,
else it counts as ``other``.

Every labelled counter whose values can be known starts at 0 when the directory names them: ``increase()`` sees
nothing in a series that appears with its first 1, and the first call of the day would be missing.

What is counted of a call by tenant, queue and kind is counted when it is over, by the definitions of the reports
(``tallies.py``).

What is counted cannot be counted otherwise later, and the town of a call to a number that several towns share may be
named when the call is over. Such calls stay with the tenant ``unassigned`` in the counters of calls, whoever got them;
``acd_calls_moved_to_total`` and ``acd_calls_moved_from_total`` count at each town the calls it got by a naming after
their end and those it lost by one, so that the two together correct any sum over a longer time. What is billed is
counted from records, never from here.

Test calls are in ``acd_test_calls_total`` and in nothing else about finished calls. Who is marked as one after the end
has been counted like everybody; ``acd_calls_marked_test_total`` says how many those are.

People are seen in groups of at least ``LEAST_PEOPLE`` alone (``groups``): a gauge that is kept every fifteen seconds is
a record of everybody whom it shows alone. The same goes for a shift: of a group of which fewer are there, it is told
how many are signed in, and no more (``states_told``); and while fewer are in the whole centre, of living calls none
that was answered is counted.

The registry is passed in; there is none at module level, so two services in one process (a test, a simulation)
do not add up.
"""

from __future__ import annotations

import math
from collections import Counter as Count
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, get_args

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from dialog_acd.core import messages as m
from dialog_acd.core.disclosure import PERSONS, SIGNED_IN, states_told
from dialog_acd.core.erlang import erlang_c_service_level
from dialog_acd.core.kpi import NOT_OFFERED, berlin_day, facts, fate
from dialog_acd.core.ladder import is_for
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import UNASSIGNED, Action, EntryKind, SwitchKind, Trigger
from dialog_acd.core.records import Result, handling_ms
from dialog_acd.core.switches import SwitchBook
from dialog_acd.core.waiting import PRIOR_AHT_S
from dialog_acd.tallies import OTHER, Tallies, Written, label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from prometheus_client.metrics_core import Metric

    from dialog_acd.core.calendars import Calendar
    from dialog_acd.core.directory import Directory, Period
    from dialog_acd.core.model import CalendarId, Entry, QueueId, Target, TenantId
    from dialog_acd.core.records import CallRecord
    from dialog_acd.core.view import AcdView, AgentView, QueueView

SHORT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, for what should take none."""

AGENT_STATES = (
    Intent.SIGNED_OUT.value,
    Intent.NOT_READY.value,
    "available",
    "set-aside",
    *(work.value for work in Work if work is not Work.IDLE),
    *(f"phone-{phone.value}" for phone in PhoneState if phone is not PhoneState.REACHABLE),
    SIGNED_IN,
)
"""Every word ``AgentView.state`` can say, and that for too few of them."""
FEW_LINES = 20
"""At once, of those of which each is reckoned for itself."""
LEAST_PEOPLE = PERSONS
"""Smaller groups are not shown, nor can they be reckoned from those that are."""

FAILSAFE_WHYS = ("heartbeat", "no-answer", "max-wait", "verdict", "dialplan")
"""As ``CallTakenByFailsafe.why``; it crosses the wire, so anything else is ``other``."""

REASONS: Mapping[Result, tuple[str, ...]] = {
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

_NOT_OF_CITIZENS = frozenset({EntryKind.CATCH_ALL, EntryKind.PARTNER_INBOUND})
"""Nobody was promised that somebody is there for these."""
HALF_HOUR = timedelta(minutes=30)


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
    spool_depth: Callable[[], int]
    """Records in the spool, not yet in the database."""
    records_written: Callable[[], int]
    records_conflicting: Callable[[], int]
    """A second, different record for a call that has one: always worth an alarm."""
    records_lost: Callable[[], int]
    """Records no database, no disk and no memory would take: in the log alone. Must stay 0."""
    records_rejected: Callable[[], int]
    """Records put aside because no database would take them. Must stay 0."""
    write_failures: Callable[[], int]
    """Times the database did not take records that were brought to it. They are brought again."""
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
    promises: Callable[[], Mapping[str, tuple[int, int]] | None] = lambda: None
    """By town: how many callers are still to be called back, and how many of them should have been by now. Who is not
    named has none."""


COUNTED = frozenset({
    m.CallEnded, m.OfferTaken, m.OfferMissed, m.NumberUnknown, m.FailsafeEntered, m.WaitsCompared, m.Ignored,
    m.PictureDiffered, m.CallAssigned, m.TestMarked,
})  # fmt: skip
"""The kinds of notices that ``Metrics.observe`` counts."""


class Metrics(Collector):
    """All series of the service, registered at ``registry``.

    ``view`` may raise while nothing is there to be seen (start, stop): the gauges over it are then absent from
    that scrape, everything else is served, and ``acd_metrics_unreadable_total`` counts it. ``expected_wait`` says how
    long somebody who joined a queue now would wait; ``None`` where nobody works for it.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        view: Callable[[], AcdView],
        expected_wait: Callable[[QueueId], timedelta | None] = lambda _: None,
    ) -> None:
        self._view, self._expected_wait = view, expected_wait
        self._sources: Sources | None = None
        self._directory: Directory | None = None
        self._tallies = Tallies()
        self._errors: dict[QueueId, list[float]] = {}
        """By queue: how many callers waited longer than expected, by how many seconds in all; and how many shorter."""
        self._hours = _Hours()
        self._load = _Load()
        self._targets: tuple[date, tuple[tuple[str, Target], ...]] | None = None
        """What is promised to callers of a place, and the day on which it is."""

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._ended = counter(
            "acd_calls_ended_total", "Finished calls by the outcome in their record.", ("result", "reason")
        )
        self._moved_to = counter(
            "acd_calls_moved_to_total",
            "Finished calls a town got because somebody named it, or unassigned again.",
            ("tenant",),
        )
        self._moved_from = counter(
            "acd_calls_moved_from_total",
            "Finished calls a town, or unassigned, lost because another was named.",
            ("tenant",),
        )
        self._tests = counter("acd_test_calls_total", "Finished test calls; in no other counter of them.", ("result",))
        self._marked = counter(
            "acd_calls_marked_test_total", "Calls marked as test calls after their end, and counted before."
        )
        self._offers = counter("acd_offers_total", "Offers of a call to an agent by how they ended.", ("result",))
        self._unknown_numbers = counter("acd_unknown_numbers_total", "Calls to numbers nobody owns.")
        self._failsafe = counter("acd_failsafe_entered_total", "Calls Asterisk went on with alone.", ("why",))
        self._ignored = counter("acd_signals_ignored_total", "Signals that made no sense when they came.", ("signal",))
        self._differences = counter(
            "acd_picture_differences_total", "Differences an audit found between Asterisk's picture and ours."
        )
        self._unreadable = counter(
            "acd_metrics_unreadable_total", "Times a scrape could not read the picture or one of the sources."
        )
        self.signal_took: Callable[[float], None] = Histogram(
            "acd_signal_seconds",
            "From a signal's arrival in the inbox until all that follows from it is ordered.",
            buckets=SHORT_BUCKETS,
            registry=registry,
        ).observe
        """Seconds that a signal took."""
        self.write_took: Callable[[float], None] = Histogram(
            "acd_database_write_seconds",
            "Transactions that brought records into the database, also those that failed.",
            buckets=SHORT_BUCKETS,
            registry=registry,
        ).observe
        """Seconds that a transaction took."""
        for result in OFFER_RESULTS:
            self._offers.labels(result)
        for outcome, reasons in REASONS.items():
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
        """Start at 0 every series the directory makes possible. What it no longer names keeps its count.

        Partners are counted where a ladder can lead to them.
        """
        self._directory, self._targets = directory, None
        self._hours.take(directory)
        for entry in directory.entries:
            ladder = directory.queue[entry.queue].ladder
            rungs = (rung for rung in ladder if rung.action is Action.PARTNER and is_for(rung, entry.kind))
            ways = [(rung.trigger.value, rung.target) for rung in rungs]
            for tenant in _towns(entry):
                self._tallies.begin(tenant, entry.queue, entry.kind, ways)
        for town in {town for entry in directory.entries if entry.candidates for town in _towns(entry)}:
            self._moved_to.labels(town)
            self._moved_from.labels(town)
        for queue in directory.queues:
            self._errors.setdefault(queue.id, [0, 0.0, 0, 0.0])

    def observe(self, notice: m.Notice) -> None:
        """Count one notice. Notices that change only the picture (an agent's state) have no counter."""
        if isinstance(notice, m.CallEnded):
            self._count(notice)
            return
        if not isinstance(notice, m.TestMarked) and getattr(notice, "test", False):
            return
        match notice:
            case m.OfferTaken():
                self._offers.labels("answered").inc()
            case m.OfferMissed(reason=failure):
                self._offers.labels(failure.value).inc()
            case m.NumberUnknown():
                self._unknown_numbers.inc()
            case m.FailsafeEntered(why=why):
                self._failsafe.labels(_failsafe_why(why)).inc()
            case m.WaitsCompared(queue=queue, wait=compared):
                if compared.error_s is not None and queue in self._errors:
                    error = self._errors[queue]
                    at = 0 if compared.error_s < 0 else 2
                    error[at] += 1
                    error[at + 1] += abs(compared.error_s)
            case m.Ignored(signal=signal):
                self._ignored.labels(signal if signal in SIGNALS else OTHER).inc()
            case m.PictureDiffered():
                self._differences.inc()
            case m.CallAssigned(before=before, tenant=tenant, counted=True):
                self._moved_from.labels(before).inc()
                self._moved_to.labels(tenant).inc()
            case m.TestMarked(test=True, counted=True):
                self._marked.inc()
            case _:
                pass

    def _count(self, ended: m.CallEnded) -> None:
        record = ended.record
        outcome, reason = record.outcome.result, record.outcome.reason
        if record.test:
            self._tests.labels(outcome.value).inc()
            return
        if outcome is Result.FAILSAFE:
            reason = _failsafe_why(reason)
        self._ended.labels(outcome.value, reason).inc()
        self._tallies.count(record, () if self._directory is None else self._directory.partner)
        self._load.add(record)

    # -- the scrape

    def describe(self) -> Iterator[Metric]:
        """Nothing, on purpose: registering must not read a picture that does not exist yet."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Finished calls, gauges over the picture, then the sources. Never raises: half a scrape beats none.

        Each family is worked out when it is asked for, so that whoever reads may let others have their turn in between.
        """
        yield from self._tallies.families()
        yield Written(
            "acd_expected_wait_error_seconds",
            "Difference between the wait a caller in line had been expected to have and the one they had.",
            "summary",
            self._error_lines,
        )
        try:
            view = self._view()
            now = view.at
            picture = [*_picture(view), *self._ahead(view)]
        except Exception:  # noqa: BLE001  whatever is wrong with it, the other series are still true
            self._unreadable.inc()
        else:
            yield from picture
            yield from self._promises(now)
        if self._sources is not None:
            yield from self._read(self._sources)
            yield from self._owed(self._sources)

    def _error_lines(self) -> Iterator[str]:
        for queue, error in tuple(self._errors.items()):
            for result, at in (("longer", 0), ("shorter", 2)):
                labels = f'{label("queue", queue)},result="{result}"'
                yield f"acd_expected_wait_error_seconds_sum{{{labels}}} {error[at + 1]!r}\n"
                yield f"acd_expected_wait_error_seconds_count{{{labels}}} {error[at]!r}\n"

    def _ahead(self, view: AcdView) -> Iterator[Metric]:
        """What is to be expected, and whether there are people for it."""
        switches = SwitchBook(view.switches)

        def expected() -> Iterator[str]:
            for queue in view.queues:
                wait = timedelta() if _free(queue) else self._expected_wait(queue.id)
                if wait is not None:
                    yield f"acd_expected_wait_seconds{{{label('queue', queue.id)}}} {wait.total_seconds()!r}\n"

        def unattended() -> Iterator[str]:
            for queue in view.queues:
                alone = not queue.agents_able and self._hours.served(queue.id, switches, view.at)
                yield f"acd_queue_unattended{{{label('queue', queue.id)}}} {int(alone)}\n"

        yield Written(
            "acd_expected_wait_seconds",
            "Wait to be expected by who joins the queue now, on average.",
            "gauge",
            expected,
            at_once=FEW_LINES,
        )
        yield Written(
            "acd_queue_unattended",
            "1 while a number of the queue is served at this hour and nobody who could answer is signed in.",
            "gauge",
            unattended,
            at_once=FEW_LINES,
        )
        yield GaugeMetricFamily(
            "acd_agents_needed",
            "Agents with whom the last half hour's callers would be answered as was promised to them (Erlang C).",
            value=self._load.needed(view.at),
        )

    def _promises(self, now: datetime) -> Iterator[Metric]:
        """The service level that is promised on this day, by place."""
        today = berlin_day(now)
        if self._directory is not None and (self._targets is None or self._targets[0] != today):
            self._targets = today, tuple(_targets(self._directory, now))
        targets = () if self._targets is None else self._targets[1]
        for name, text, what in (
            (
                "acd_target_seconds",
                "How long a caller may wait to be answered in time, by what is promised today.",
                lambda target: target.within.total_seconds(),
            ),
            (
                "acd_target_share",
                "Share of the callers that is to be answered in time, 0 to 1, by what is promised today.",
                lambda target: target.share,
            ),
        ):
            yield Written(name, text, "gauge", _promised(name, targets, what))

    def _read(self, s: Sources) -> Iterator[Metric]:
        gauges: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
            ("acd_ami_link_up", "1 while the link to Asterisk's manager stands.", s.ami_link_up),
            ("acd_event_lag_seconds", "Age of the latest message from Asterisk on arrival.", s.event_lag_seconds),
            ("acd_heartbeat_age_seconds", "Since Asterisk last heard that we live.", s.heartbeat_age_seconds),
            ("acd_inbox_depth", "Signals that wait to be handled.", s.inbox_depth),
            ("acd_spool_depth", "Records not yet in the database.", s.spool_depth),
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
            ("acd_database_write_failures_total", "Times records were not taken by the database.", s.write_failures),
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

    def _owed(self, s: Sources) -> Iterator[Metric]:
        """Calls that people were promised. Every town has its two lines, or, where nobody knows, none has."""
        try:
            found = s.promises()
        except Exception:  # noqa: BLE001
            self._unreadable.inc()
            return
        if found is None:
            return
        # A town that has left the directory still owes what was promised in its name.
        towns = {*found}
        if self._directory is not None:
            towns |= {tenant.id for tenant in self._directory.tenants}
            towns |= {UNASSIGNED for entry in self._directory.entries if entry.candidates}
        counted = [(label("tenant", town), *found.get(town, (0, 0))) for town in sorted(towns)]

        def owed() -> Iterator[str]:
            yield from (f"acd_promises_open{{{town}}} {owed}\n" for town, owed, _ in counted)

        def late() -> Iterator[str]:
            yield from (f"acd_promises_overdue{{{town}}} {late}\n" for town, _, late in counted)

        yield Written("acd_promises_open", "Callers who were promised a call and have not had it.", "gauge", owed)
        yield Written("acd_promises_overdue", "Those of them who should have been called by now.", "gauge", late)

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
    def waiting() -> Iterator[str]:
        for queue in view.queues:
            yield f"acd_calls_waiting{{{label('queue', queue.id)}}} {queue.waiting}\n"

    def longest() -> Iterator[str]:
        for queue in view.queues:
            wait = queue.longest_wait.total_seconds()
            yield f"acd_longest_wait_seconds{{{label('queue', queue.id)}}} {wait!r}\n"

    yield Written("acd_calls_waiting", "Callers of the queue who have no person yet.", "gauge", waiting)
    yield Written("acd_longest_wait_seconds", "Wait so far of the queue's longest-waiting caller.", "gauge", longest)

    on = GaugeMetricFamily("acd_switches", "Switches of the supervisors that are on now.", labels=("kind",))
    for kind in SwitchKind:
        on.add_metric((kind.value,), sum(switch.kind is kind for switch in view.switches))
    yield on

    agents = GaugeMetricFamily(
        "acd_agents", "Agents of a group by state; the states exclude each other.", labels=("group", "state")
    )
    staffed = GaugeMetricFamily("acd_agents_staffed", "Agents of a group who are signed in.", labels=("group",))
    for group, states in _by_group(view.agents).items():
        staffed.add_metric((group,), states.total() - states[Intent.SIGNED_OUT.value])
        for word in AGENT_STATES:
            agents.add_metric((group, word), states[word])
    yield agents
    yield staffed

    # What a state of calls says of who answers them is told of as many as a state of theirs is.
    few = sum(agent.there for agent in view.agents) < LEAST_PEOPLE
    untold = {CallState.ENDED, CallState.CONNECTED} if few else {CallState.ENDED}
    live = Count(call.state for call in view.calls if not (call.test or (few and call.answered)))
    calls = GaugeMetricFamily(
        "acd_calls_live",
        "Calls that have not ended, by state, without test calls; of those that were answered only while five or more "
        "agents are there.",
        labels=("state",),
    )
    for state in CallState:
        if state not in untold:
            calls.add_metric((state.value,), live[state])
    yield calls

    shut = GaugeMetricFamily(
        "acd_partner_circuit_open",
        "1 once a partner has taken none of several calls in a row, until it takes one.",
        labels=("partner",),
    )
    there = GaugeMetricFamily("acd_partner_calls", "Calls with a partner, ringing or talking.", labels=("partner",))
    for partner in view.partners:
        shut.add_metric((partner.id,), partner.shut)
        there.add_metric((partner.id,), partner.calls)
    yield shut
    yield there


def _free(queue: QueueView) -> bool:
    """Who joins now is answered now."""
    return queue.waiting == 0 and queue.agents_available > 0


# ---------------------------------------------------------------- people


def groups(teams: Mapping[str, int]) -> dict[str, str]:
    """As what each team is shown: by its own name, or with others as ``OTHER``; or, where it is missing, not at all.

    ``teams``: how many people each has, those without a team under the empty name. The rest must be a group itself:
    were it but two people, whoever knows the centre's total would know of these two. So it takes in the smallest of the
    others until it is one; and where even all together are too few, nobody is shown.
    """
    by_size = sorted((name for name in teams if teams[name]), key=lambda name: (teams[name], name))
    rest = [name for name in by_size if teams[name] < LEAST_PEOPLE or name in ("", OTHER)]
    shown = [name for name in by_size if name not in rest]
    while rest and sum(teams[name] for name in rest) < LEAST_PEOPLE:
        if not shown:
            return {}
        rest.append(shown.pop(0))
    return {name: name for name in shown} | dict.fromkeys(rest, OTHER)


def _by_group(agents: Sequence[AgentView]) -> Mapping[str, Count[str]]:
    """How many people are in which state, by group."""
    shown = groups(Count(agent.team for agent in agents))
    found: dict[str, list[AgentView]] = {group: [] for group in sorted(set(shown.values()))}
    for agent in agents:
        if agent.team in shown:
            found[shown[agent.team]].append(agent)
    return {group: states_told(members) for group, members in found.items()}


# ---------------------------------------------------------------- hours, promises, load


class _Hours:
    """Which queues are served at a moment. A calendar is asked again only when its answer is over."""

    def __init__(self) -> None:
        self._periods: dict[QueueId, list[Period]] = {}
        self._calendars: Mapping[CalendarId, Calendar] = {}
        self._known: dict[CalendarId, tuple[bool, datetime]] = {}

    def take(self, directory: Directory) -> None:
        self._calendars, self._known, self._periods = directory.calendar, {}, {}
        for period in directory.periods:
            if period.entry.kind not in _NOT_OF_CITIZENS:
                self._periods.setdefault(period.entry.queue, []).append(period)

    def served(self, queue: QueueId, switches: SwitchBook, now: datetime) -> bool:
        """Whether some number of the queue is served now."""
        return any(
            period.begins <= now < period.ends
            and (period.entry.calendar is None or self._open(period.entry.calendar, now))
            and switches.met(period.entry, now).closure is None
            for period in self._periods.get(queue, ())
        )

    def _open(self, calendar: CalendarId, now: datetime) -> bool:
        known = self._known.get(calendar)
        if known is None or now >= known[1]:
            opening = self._calendars[calendar].opening(now)
            until = opening.closes_at if opening.open else opening.opens_at
            known = self._known[calendar] = opening.open, until or now + timedelta(days=1)
        return known[0]


def _towns(entry: Entry) -> tuple[TenantId, ...]:
    """Whose its calls may be."""
    return (*entry.candidates, UNASSIGNED) if entry.candidates else (entry.tenant,)


def _targets(directory: Directory, now: datetime) -> Iterator[tuple[str, Target]]:
    """What is promised at this moment to callers of each place; where numbers of one place differ, the most."""
    found: dict[str, Target] = {}
    for entry in directory.entries:
        target = directory.target(entry, directory.queue[entry.queue], now)
        for tenant in _towns(entry):
            place = f"{label('kind', entry.kind.value)},{label('queue', entry.queue)},{label('tenant', tenant)}"
            known = found.get(place)
            if known is None or (target.share, -target.within) > (known.share, -known.within):
                found[place] = target
    yield from found.items()


def _promised(
    name: str, targets: Sequence[tuple[str, Target]], what: Callable[[Target], float]
) -> Callable[[], Iterator[str]]:
    return lambda: (f"{name}{{{place}}} {what(target)!r}\n" for place, target in targets)


class _Load:
    """What the calls of the last half hour asked for, minute by minute."""

    def __init__(self) -> None:
        self._minutes: dict[int, _Minute] = {}
        self._since: datetime | None = None

    def add(self, record: CallRecord) -> None:
        """A call is over. Who found the number closed, or was refused, asked for nobody here."""
        known = facts(record)
        by_plan = known.overflow_trigger in (Trigger.CLOSED_HOURS, Trigger.CLOSED_DAY) and known.t_ans is None
        if by_plan or fate(known) in NOT_OFFERED:
            return
        self._since = self._since or record.t_end
        at = int(record.t_end.timestamp() // 60)
        if (minute := self._minutes.get(at)) is None:
            minute = self._minutes[at] = _Minute()
            self._forget(at)
        minute.calls += 1
        if record.t_ans is not None:
            minute.handled += 1
            minute.handling_s += (
                sum(handling_ms(record.talk_ms, record.wrap_ms, record.t_ans, record.t_end, record.t_wrap_end)) / 1000
            )
        if record.target_ms is not None and record.target_share is not None:
            minute.promised[record.target_ms / 1000, record.target_share] += 1

    def _forget(self, now: int) -> None:
        for old in [minute for minute in self._minutes if minute <= now - HALF_HOUR // timedelta(minutes=1)]:
            del self._minutes[old]

    def needed(self, now: datetime) -> int:
        """The fewest agents with whom so many callers as were promised it are answered in time, in the long run."""
        self._forget(int(now.timestamp() // 60))
        calls = sum(minute.calls for minute in self._minutes.values())
        promised: Count[tuple[float, float]] = sum((minute.promised for minute in self._minutes.values()), Count())
        if not promised or self._since is None:
            return 0
        handled = sum(minute.handled for minute in self._minutes.values())
        handling_s = sum(minute.handling_s for minute in self._minutes.values())
        aht_s = max(1.0, handling_s / handled if handled else PRIOR_AHT_S)
        # After a start less than half an hour has been seen; of less than five minutes nothing can be said.
        seen_s = min(max((now - self._since).total_seconds(), 300.0), HALF_HOUR.total_seconds())
        erlang = calls * aht_s / seen_s
        owed = sum(share * count for (_, share), count in promised.items())
        agents = int(erlang) + 1
        while (
            sum(
                erlang_c_service_level(agents, erlang, aht_s, within_s) * count
                for (within_s, _), count in promised.items()
            )
            < owed
        ):
            agents += 1
        return agents


class _Minute:
    """What has been seen in one."""

    __slots__ = ("calls", "handled", "handling_s", "promised")

    def __init__(self) -> None:
        self.calls = self.handled = 0
        self.handling_s = 0.0
        self.promised: Count[tuple[float, float]] = Count()
        """By how long was to be waited at most, and by how large a share: how many calls."""
