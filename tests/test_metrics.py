from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.erlang import erlang_c_service_level
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import (
    UNASSIGNED,
    Agent,
    AgentId,
    CalendarId,
    CallId,
    Contract,
    Entry,
    EntryKind,
    FailsafeProfile,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Step,
    SwitchKind,
    Target,
    Tenant,
    TenantId,
)
from dialog_acd.core.records import Blame, CallRecord, Outcome, Result
from dialog_acd.core.rules import parse_rung
from dialog_acd.core.view import AcdView, AgentView, CallView, PartnerView, QueueView
from dialog_acd.core.waiting import Compared, Predictor, PredictorError
from dialog_acd.metrics import AGENT_STATES, COUNTED, LEAST_PEOPLE, Metrics, Sources, groups
from dialog_acd.tallies import OUTCOMES, WAIT_BUCKETS
from dialog_acd.testing import LANGENHAGEN, Scenario, demo_directory
from records import served

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
TOWN, HALL, ANNA = TenantId("langenhagen"), QueueId("hall"), AgentId("anna")
MAIN = EntryKind.MAIN_NUMBER
ALLOWED_LABELS = {
    "tenant", "queue", "kind", "result", "reason", "trigger", "state", "group", "why", "partner", "signal", "le",
}  # fmt: skip

DIRECTORY = Directory(
    tenants=(Tenant(TOWN, "Stadt Langenhagen", "Langenhagen"),),
    queues=(Queue(HALL, "Rathaus", (Step(timedelta()),), ladder=(parse_rung("waited 60 s: partner oldenburg"),)),),
    entries=(
        Entry("+4951173070", TOWN, HALL, MAIN, "day"),
        Entry("", TOWN, HALL, EntryKind.CATCH_ALL, "day"),
    ),
    agents=(Agent(ANNA, "Anna", Phone("phone-1")),),
    partners=(Partner(PartnerId("oldenburg"), "Oldenburg", ("0441115",)),),
    failsafe_profiles=(FailsafeProfile("day", "day"),),
)


def test_nothing_that_is_counted_is_kept_from_being_counted() -> None:
    """Only the kinds in ``COUNTED`` are brought: one more that is counted must stand there, too."""
    counted = set(re.findall(r"(?:case|isinstance\(notice,) m\.(\w+)", inspect.getsource(Metrics.observe)))
    assert {kind.__name__ for kind in COUNTED} == counted


class Scrape:
    """What Prometheus would have read, by the text alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.text = generate_latest(registry).decode()
        self.samples = {
            (s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(self.text)
            for s in family.samples
            if not s.name.endswith("_created")
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def series(self, name: str) -> set[tuple[str, ...]]:
        return {tuple(value for _, value in labels) for found, labels in self.samples if found == name}


class Board:
    """A registry with the metrics on it, over a picture the test may change."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seen: AcdView | None = AcdView(NOON, True, (), (), ())
        self.expected: dict[str, float] = {}
        self.metrics = Metrics(self.registry, self._view, self._expected)
        self.metrics.directory_changed(DIRECTORY)

    def _view(self) -> AcdView:
        if self.seen is None:
            raise RuntimeError("dictionary changed size during iteration")
        return self.seen

    def _expected(self, queue: QueueId) -> timedelta | None:
        return timedelta(seconds=self.expected[queue]) if queue in self.expected else None

    def tell(self, *notices: m.Notice) -> None:
        for notice in notices:
            self.metrics.observe(notice)

    def scrape(self) -> Scrape:
        return Scrape(self.registry)


@pytest.fixture
def board() -> Board:
    return Board()


def call(result: Result = Result.SERVED, reason: str = "talked", waited: float = 10, **changes: Any) -> CallRecord:
    """Of somebody who waited so long, for an answer or until they left; thirty seconds were promised."""
    begun = NOON - timedelta(hours=1)
    then = begun + timedelta(seconds=waited)
    return replace(
        served("c1"),
        tenant=TOWN,
        queue=HALL,
        kind=MAIN,
        outcome=Outcome(result, reason, Blame.NOBODY),
        t_in=begun,
        t_ans=then if result is Result.SERVED else None,
        t_leave=then if result is Result.ABANDONED else None,
        t_end=then + timedelta(seconds=60),
        t_wrap_end=None,
        in_time=result is Result.SERVED and waited <= 30,
        target_ms=30_000,
        target_share=0.75,
        **changes,
    )


def ended(record: CallRecord) -> m.CallEnded:
    return m.CallEnded(record)


def agent(number: int, **changes: object) -> AgentView:
    view = AgentView(
        AgentId(f"agent-{number}"), "", Phone(f"phone-{number}"), "", Intent.READY, "", Work.IDLE,
        PhoneState.REACHABLE, True, NOON,
    )  # fmt: skip
    return replace(view, **changes)  # type: ignore[arg-type]


def sources(**changes: Callable[[], object]) -> Sources:
    quiet = Sources(
        ami_link_up=lambda: True,
        ami_reconnects=lambda: 2,
        event_lag_seconds=lambda: 0.004,
        heartbeat_age_seconds=lambda: 1.5,
        inbox_depth=lambda: 7,
        spool_depth=lambda: 3,
        records_written=lambda: 40,
        records_conflicting=lambda: 0,
        records_lost=lambda: 2,
        records_rejected=lambda: 3,
        write_failures=lambda: 6,
        orders_failed=lambda: 4,
        messages_failed=lambda: 5,
        defects=lambda: 1,
        agi_questions=lambda: {"answered": 41, "too-late": 1},
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- calls


def test_a_morning_of_three_calls(board: Board) -> None:
    board.tell(
        ended(call(waited=30)),
        ended(call(waited=31)),
        ended(call(Result.ABANDONED, "waiting", waited=700)),
    )
    scrape = board.scrape()
    place = {"tenant": "langenhagen", "queue": "hall", "kind": "main-number"}
    assert scrape("acd_calls_offered_total", **place) == 3
    assert scrape("acd_calls_answered_total", **place) == 2
    assert scrape("acd_calls_answered_in_time_total", **place) == 1
    assert scrape("acd_calls_abandoned_total", **place) == 1
    assert scrape("acd_calls_abandoned_in_time_total", **place) == 0
    assert scrape("acd_wait_seconds_sum", result="answered", **place) == 61
    assert scrape("acd_wait_seconds_sum", result="abandoned", **place) == 700
    assert scrape("acd_handling_seconds_total") == 0, "two calls are not enough to be told of"


def test_a_call_is_counted_when_it_is_over_and_not_in_halves(board: Board) -> None:
    before = board.scrape().samples
    board.tell(
        m.CallOffered(CallId("c1"), TOWN, HALL, MAIN),
        m.CallAnswered(CallId("c1"), TOWN, HALL, MAIN, ANNA, timedelta(seconds=3), in_time=True),
        m.CallAbandoned(CallId("c2"), TOWN, HALL, MAIN, timedelta(seconds=3)),
        m.CallDiverted(CallId("c3"), TOWN, HALL, PartnerId("oldenburg"), "waited 120 s"),
    )
    assert board.scrape().samples == before


def test_each_outcome_is_its_own(board: Board) -> None:
    sent: dict[str, Any] = {"t_ovf": NOON, "overflow_trigger": "waited", "overflow_partner": PartnerId("oldenburg")}
    story: dict[str, CallRecord] = {
        "answered": call(),
        "partner": call(Result.OVERFLOWED, "partner", t_ovf_ans=NOON, partner=PartnerId("oldenburg"), **sent),
        "abandoned-here": call(Result.ABANDONED, "waiting", waited=5.001),
        "abandoned-short": call(Result.ABANDONED, "waiting", waited=5),
        "overflowed-lost": call(Result.ABANDONED, "partner-ringing", waited=5.001, **sent),
        "callback": call(Result.CALLBACK, "promised"),
        "released": call(Result.RELEASED, "nobody-signed-in"),
        "failsafe-answered": call(Result.FAILSAFE, "heartbeat", failsafe_answered_by="acd-failsafe-all"),
        "failsafe": call(Result.FAILSAFE, "heartbeat"),
        "failed": call(Result.FAILED, "lost-sight"),
        "closed": call(Result.CLOSED, "closed-by-day"),
        "closed-callback": call(Result.CALLBACK, "closed-by-hours"),
        "refused": call(Result.REFUSED, "emergency"),
    }
    assert tuple(story) == OUTCOMES
    place = {"tenant": "langenhagen", "queue": "hall", "kind": "main-number"}
    for so_far, (outcome, record) in enumerate(story.items(), 1):
        board.tell(ended(record))
        scrape = board.scrape()
        assert scrape("acd_call_outcomes_total", result=outcome, **place) == 1
        assert sum(scrape("acd_call_outcomes_total", result=name, **place) or 0 for name in OUTCOMES) == so_far
    board.tell(ended(call(test=True)))
    after = board.scrape()
    assert after("acd_test_calls_total", result="served") == 1
    assert after("acd_calls_offered_total", **place) == 10
    assert after("acd_calls_overflowed_total", trigger="waited", partner="oldenburg", **place) == 2
    assert after("acd_calls_answered_by_partner_total", partner="oldenburg", **place) == 1
    assert after("acd_calls_answered_by_partner_in_time_total", partner="oldenburg", **place) == 0


def test_what_was_promised_is_what_the_record_says(board: Board) -> None:
    """Not what the directory says by now, nor half a minute for all."""
    board.tell(
        ended(replace(call(Result.ABANDONED, "waiting", waited=60), target_ms=60_000)),
        ended(replace(call(Result.OVERFLOWED, "partner"), t_ovf_ans=NOON - timedelta(minutes=59), target_ms=60_000)),
    )
    scrape, place = board.scrape(), {"tenant": "langenhagen", "queue": "hall", "kind": "main-number"}
    assert scrape("acd_calls_abandoned_in_time_total", **place) == 1
    assert scrape("acd_calls_answered_by_partner_in_time_total", partner="other", **place) == 1


def test_the_grid_of_waits_is_fixed_and_includes_its_borders(board: Board) -> None:
    board.tell(ended(call(waited=30)), ended(call(waited=30.001)))
    scrape = board.scrape()
    grid = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600]
    assert list(WAIT_BUCKETS) == grid
    place = {"tenant": "langenhagen", "queue": "hall", "kind": "main-number", "result": "answered"}
    steps = [scrape("acd_wait_seconds_bucket", le=f"{le:.1f}", **place) for le in grid]
    assert steps == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2]
    assert scrape("acd_wait_seconds_bucket", le="+Inf", **place) == 2
    assert scrape("acd_wait_seconds_count", **place) == 2


def test_how_far_the_expected_wait_was_off(board: Board) -> None:
    def compared(error_s: float | None, used: Predictor = Predictor.RATE) -> m.WaitsCompared:
        found = tuple(PredictorError(p, 1, 9, 9, 9, 1, error_s if p is used else 77) for p in Predictor)
        return m.WaitsCompared(HALL, Compared(20, 1, found, used))

    board.tell(compared(-12.5), compared(-7.5, Predictor.QL_M), compared(4), compared(0), compared(None))
    scrape = board.scrape()
    longer, shorter = {"queue": "hall", "result": "longer"}, {"queue": "hall", "result": "shorter"}
    assert scrape("acd_expected_wait_error_seconds_sum", **longer) == 20
    assert scrape("acd_expected_wait_error_seconds_count", **longer) == 2
    assert scrape("acd_expected_wait_error_seconds_sum", **shorter) == 4
    assert scrape("acd_expected_wait_error_seconds_count", **shorter) == 2


def test_offers_by_how_they_ended(board: Board) -> None:
    c1 = CallId("c1")
    board.tell(
        m.OfferMade(c1, HALL, ANNA, "longest idle"),
        m.OfferMissed(c1, HALL, ANNA, m.OfferFailure.NO_ANSWER),
        m.OfferMissed(c1, HALL, ANNA, m.OfferFailure.NO_ANSWER),
        m.OfferTaken(c1, HALL, ANNA),
    )
    scrape = board.scrape()
    assert scrape("acd_offers_total", result="no-answer") == 2
    assert scrape("acd_offers_total", result="answered") == 1
    assert scrape("acd_offers_total", result="declined") == 0


def test_what_somebody_should_look_at(board: Board) -> None:
    c1 = CallId("c1")
    board.tell(
        m.NumberUnknown(c1, "0511 999"),
        m.FailsafeEntered(c1, TOWN, HALL, "heartbeat"),
        m.PictureDiffered(c1, "ended: the switch does not know it"),
        m.Ignored("OfferAnswered", "call already ended", "c1"),
        ended(call(Result.ABANDONED, "ringing")),
    )
    scrape = board.scrape()
    assert scrape("acd_unknown_numbers_total") == 1
    assert scrape("acd_failsafe_entered_total", why="heartbeat") == 1
    assert scrape("acd_picture_differences_total") == 1
    assert scrape("acd_signals_ignored_total", signal="OfferAnswered") == 1
    assert scrape("acd_calls_ended_total", result="abandoned", reason="ringing") == 1


def test_a_transferred_call_is_counted_in_series_that_were_there_at_0() -> None:
    """Handed to a number that others share: there its town has no series."""
    made, others = demo_directory(["anna"]), (TenantId("hannover"), TenantId("region"))
    shared = tuple(replace(e, candidates=others) if e.number == "115" else e for e in made.entries)
    acd, board = Scenario(replace(made, entries=shared)), Board()
    board.metrics.directory_changed(acd.directory)
    before = board.scrape().series("acd_call_outcomes_total")
    acd.waits("c1", LANGENHAGEN).talks("anna").after(60).transferred("c1", "115").arrives("c1", "115").held("c1")
    acd.caller_hangs_up("c1")
    board.tell(m.CallEnded(acd.record("c1")))
    assert board.scrape().series("acd_call_outcomes_total") == before
    assert board.scrape()("acd_calls_answered_total", tenant=TOWN, queue="langenhagen", kind="main-number") == 1


def test_calls_that_moved_to_a_town_because_it_was_named() -> None:
    """What a town has is what was counted for it, and what it got, less what it lost."""
    board, c1, laatzen = Board(), CallId("c1"), TenantId("laatzen")
    tenants = (*DIRECTORY.tenants, Tenant(laatzen, "Laatzen", "Laatzen"))
    number = Entry("115", TOWN, HALL, EntryKind.SERVICE_115, "day", candidates=(TOWN, laatzen))
    board.metrics.directory_changed(replace(DIRECTORY, tenants=tenants, entries=(*DIRECTORY.entries, number)))
    scrape = board.scrape()
    assert ("115", "hall", "unassigned") in scrape.series("acd_calls_offered_total")
    assert scrape("acd_target_share", tenant="laatzen", queue="hall", kind="115") == 0.75
    for name in ("acd_calls_moved_to_total", "acd_calls_moved_from_total"):
        assert {scrape(name, tenant=t) for t in ("unassigned", "langenhagen", "laatzen")} == {0}
    board.tell(
        ended(replace(call(), kind=EntryKind.SERVICE_115, tenant=UNASSIGNED)),
        m.CallAssigned(c1, UNASSIGNED, TOWN, "anna", ANNA, counted=True),
        m.CallAssigned(c1, TOWN, laatzen, "desk", counted=True),
        # Another, who was asked while they talked, is counted as the town's at once.
        m.CallAssigned(CallId("c2"), UNASSIGNED, laatzen, "anna", ANNA),
        ended(replace(call(), kind=EntryKind.SERVICE_115, tenant=laatzen)),
    )
    scrape = board.scrape()
    offered = {
        t: scrape("acd_calls_offered_total", tenant=t, queue="hall", kind="115")
        for t in ("unassigned", "langenhagen", "laatzen")
    }
    assert offered == {"unassigned": 1, "langenhagen": 0, "laatzen": 1}
    gained = {t: scrape("acd_calls_moved_to_total", tenant=t) for t in ("unassigned", "langenhagen", "laatzen")}
    lost = {t: scrape("acd_calls_moved_from_total", tenant=t) for t in ("unassigned", "langenhagen", "laatzen")}
    assert (gained, lost) == (
        {"unassigned": 0, "langenhagen": 1, "laatzen": 1},
        {"unassigned": 1, "langenhagen": 1, "laatzen": 0},
    )


def test_a_test_call_is_in_a_counter_of_its_own_and_in_no_other(board: Board) -> None:
    before, c1 = board.scrape().samples, CallId("c1")
    waited = timedelta(seconds=5)
    board.tell(
        m.CallOffered(c1, TOWN, HALL, MAIN, test=True),
        m.NumberUnknown(c1, "0511 999", test=True),
        m.OfferMissed(c1, HALL, ANNA, m.OfferFailure.NO_ANSWER, test=True),
        m.OfferTaken(c1, HALL, ANNA, test=True),
        m.CallAnswered(c1, TOWN, HALL, MAIN, ANNA, waited, in_time=True, test=True),
        m.CallAbandoned(c1, TOWN, HALL, MAIN, waited, test=True),
        m.CallDiverted(c1, TOWN, HALL, PartnerId("oldenburg"), "waited 120 s", test=True),
        m.FailsafeEntered(c1, TOWN, HALL, "heartbeat", test=True),
        m.CallAssigned(c1, UNASSIGNED, TOWN, "anna", test=True),
        ended(call(test=True)),
    )
    after = board.scrape().samples
    changed = {key: value for key, value in after.items() if value != before.get(key)}
    assert changed == {("acd_test_calls_total", (("result", "served"),)): 1}


def test_calls_marked_after_their_end_have_been_counted_like_everybodys(board: Board) -> None:
    """Who is marked before, is counted as what they turned out to be."""
    c1, c2 = CallId("c1"), CallId("c2")
    board.tell(m.TestMarked(c1, test=True, by="lead"), ended(call(test=True)))
    board.tell(ended(call()), m.TestMarked(c2, test=True, by="lead", counted=True))
    board.tell(m.TestMarked(c2, test=False, by="lead", counted=True))
    scrape = board.scrape()
    assert scrape("acd_calls_marked_test_total") == 1
    assert scrape("acd_calls_ended_total", result="served", reason="talked") == 1
    assert scrape("acd_test_calls_total", result="served") == 1


def test_a_living_test_call_is_in_no_gauge(board: Board) -> None:
    view = CallView(CallId("c1"), TOWN, HALL, MAIN, CallState.WAITING, NOON, None)
    board.seen = AcdView(NOON, True, (), (), (view, replace(view, id=CallId("c2"), test=True)))
    assert board.scrape()("acd_calls_live", state="waiting") == 1


# ---------------------------------------------------------------- labels


def test_every_series_is_there_at_zero_before_the_first_call(board: Board) -> None:
    scrape = board.scrape()
    places = {(kind, "hall", "langenhagen") for kind in ("main-number", "catch-all")}
    for name in (
        "acd_calls_offered_total", "acd_calls_answered_total", "acd_calls_answered_in_time_total",
        "acd_calls_answered_after_overflow_total", "acd_calls_abandoned_total", "acd_calls_abandoned_in_time_total",
        "acd_calls_abandoned_short_total", "acd_wait_in_line_seconds_total",
    ):  # fmt: skip
        assert scrape.series(name) == places
    partners = {(kind, partner, *place) for kind, *place in places for partner in ("oldenburg", "other")}
    assert scrape.series("acd_calls_answered_by_partner_total") == partners
    assert scrape.series("acd_calls_answered_by_partner_in_time_total") == partners
    assert scrape.series("acd_calls_overflowed_unknown_total") == partners
    ways = {("oldenburg", "waited"), ("other", "other")}
    assert scrape.series("acd_calls_overflowed_total") == {
        (kind, partner, *place, trigger) for kind, *place in places for partner, trigger in ways
    }
    assert scrape.series("acd_call_outcomes_total") == {
        (kind, queue, outcome, tenant) for kind, queue, tenant in places for outcome in OUTCOMES
    }
    assert scrape.series("acd_wait_seconds_count") == {
        (kind, queue, result, tenant)
        for kind, queue, tenant in places
        for result in ("answered", "partner", "abandoned")
    }
    assert scrape.series("acd_expected_wait_error_seconds_count") == {("hall", "longer"), ("hall", "shorter")}
    assert scrape.series("acd_offers_total") == {("answered",), *((str(f),) for f in m.OfferFailure)}
    assert scrape.series("acd_signals_ignored_total") == {("other",), *((s.__name__,) for s in get_args(m.Signal))}
    assert {result for _, result in scrape.series("acd_calls_ended_total")} == {str(result) for result in Result}
    assert {value for (name, _), value in scrape.samples.items() if name.endswith(("_total", "_count"))} == {0}


def test_a_new_town_starts_at_zero_and_an_old_one_keeps_its_count(board: Board) -> None:
    board.tell(ended(call()))
    new = TenantId("isernhagen")
    board.metrics.directory_changed(
        replace(
            DIRECTORY,
            tenants=(*DIRECTORY.tenants, Tenant(new, "Isernhagen", "Isernhagen")),
            entries=(DIRECTORY.catch_all, Entry("+4951161530", new, HALL, MAIN, "day")),
        )
    )
    scrape = board.scrape()
    assert scrape("acd_calls_offered_total", tenant="isernhagen", queue="hall", kind="main-number") == 0
    assert scrape("acd_calls_overflowed_total", tenant="isernhagen", queue="hall", kind="main-number",
                  trigger="waited", partner="oldenburg") == 0  # fmt: skip
    assert scrape("acd_calls_offered_total", tenant="langenhagen", queue="hall", kind="main-number") == 1


def test_words_from_the_wire_make_no_new_series(board: Board) -> None:
    def count() -> int:
        return len(board.scrape().samples)

    before = count()
    for n in range(50):
        board.tell(
            m.Ignored(f"Nonsense{n}", f"call {n} already ended", f"c{n}"),
            m.Ignored("Tick", f"reason {n}"),
            m.FailsafeEntered(CallId(f"c{n}"), TOWN, HALL, f"why-{n}"),
            m.NumberUnknown(CallId(f"c{n}"), f"+49{n}"),
            m.PictureDiffered(CallId(f"c{n}"), f"what-{n}"),
            m.WaitsCompared(QueueId(f"q{n}"), Compared(20, 1, (), Predictor.QL_M)),
            ended(call(Result.FAILSAFE, f"why-{n}")),
            ended(call(Result.OVERFLOWED, "partner", t_ovf=NOON, t_ovf_ans=NOON, overflow_trigger=f"why-{n}",
                       partner=PartnerId(f"p{n}"), overflow_partner=PartnerId(f"p{n}"))),
        )  # fmt: skip
    assert count() == before
    scrape, place = board.scrape(), {"tenant": "langenhagen", "queue": "hall", "kind": "main-number"}
    assert scrape("acd_signals_ignored_total", signal="other") == 50
    assert scrape("acd_signals_ignored_total", signal="Tick") == 50
    assert scrape("acd_failsafe_entered_total", why="other") == 50
    assert scrape("acd_calls_overflowed_total", partner="other", trigger="other", **place) == 50
    assert scrape("acd_calls_answered_by_partner_total", partner="other", **place) == 50
    assert scrape("acd_calls_ended_total", result="failsafe", reason="other") == 50


def test_agents_and_callers_never_become_series(board: Board) -> None:
    board.seen = AcdView(NOON, True, (), tuple(agent(n) for n in range(30)), ())
    board.metrics.watch(sources())
    before = len(board.scrape().samples)
    for n in range(30):
        who, its = AgentId(f"agent-{n}"), CallId(f"call-{n}")
        board.tell(
            m.AgentChanged(who, "intent", "ready", "not-ready", f"reason {n}"),
            m.CallQueued(its, HALL, n),
            m.OfferMade(its, HALL, who, f"level {n}"),
            m.OfferTaken(its, HALL, who),
        )
    scrape = board.scrape()
    assert len(scrape.samples) == before
    assert {label for _, labels in scrape.samples for label, _ in labels} <= ALLOWED_LABELS
    assert "agent-7" not in scrape.text
    assert "call-7" not in scrape.text


def test_two_services_in_one_process_do_not_add_up(board: Board) -> None:
    board.tell(m.NumberUnknown(CallId("c1"), "999"))
    assert Board().scrape()("acd_unknown_numbers_total") == 0


# ---------------------------------------------------------------- gauges


def test_gauges_are_the_picture_of_this_moment(board: Board) -> None:
    def living(n: int, state: CallState) -> CallView:
        return CallView(CallId(f"c{n}"), TOWN, HALL, MAIN, state, NOON, None)

    board.seen = AcdView(
        NOON,
        True,
        (QueueView(HALL, "Rathaus", 2, timedelta(seconds=41.5), 1, 3, 0),),
        (*(agent(n) for n in range(3)), agent(3, work=Work.TALKING), agent(4, work=Work.TALKING)),
        (living(1, CallState.WAITING), living(2, CallState.WAITING), living(3, CallState.CONNECTED)),
        tuple(m.Switch(SwitchKind.CLOSURE, number, NOON, "x", NOON) for number in ("115", "+495117307")),
        (PartnerView(PartnerId("oldenburg"), 4, True), PartnerView(PartnerId("unna"), 0, False)),
    )
    busy = board.scrape()
    assert busy("acd_calls_waiting", queue="hall") == 2
    assert busy("acd_longest_wait_seconds", queue="hall") == 41.5
    assert busy("acd_agents", group="other", state="talking") == 2
    assert busy("acd_agents", group="other", state="available") == 3
    assert busy("acd_calls_live", state="waiting") == 2
    assert busy("acd_calls_live", state="connected") == 1
    assert busy("acd_switches", kind="closure") == 2
    assert busy("acd_switches", kind="overflow") == 0
    assert (busy("acd_partner_circuit_open", partner="oldenburg"), busy("acd_partner_calls", partner="oldenburg")) == (
        1,
        4,
    )
    assert (busy("acd_partner_circuit_open", partner="unna"), busy("acd_partner_calls", partner="unna")) == (0, 0)
    assert "495117307" not in busy.text
    board.seen = replace(board.seen, queues=(), agents=(), calls=())
    quiet = board.scrape()
    assert quiet("acd_calls_live", state="waiting") == 0


@pytest.mark.parametrize(
    ("teams", "shown"),
    [
        ({}, {}),
        ({"day": 5}, {"day": "day"}),
        ({"day": 4}, {}),
        ({"": 4, "day": 5}, {"": "other", "day": "other"}),
        ({"": 4, "day": 5, "night": 7}, {"": "other", "day": "other", "night": "night"}),
        ({"a": 2, "b": 3, "day": 5}, {"a": "other", "b": "other", "day": "day"}),
        ({"a": 1, "b": 1}, {}),
        ({"": 9, "day": 0}, {"": "other"}),
        ({"other": 8, "day": 6}, {"other": "other", "day": "day"}),
    ],
)
def test_people_are_shown_in_groups_that_hide_them(teams: dict[str, int], shown: dict[str, str]) -> None:
    assert groups(teams) == shown


@given(st.dictionaries(st.sampled_from(["", "other", *"abcdefg"]), st.integers(0, 12)))
def test_no_subtraction_finds_a_small_group(teams: dict[str, int]) -> None:
    """Everybody is shown somewhere or nobody anywhere, so a total minus what is shown leaves nobody."""
    shown = groups(teams)
    sizes = Counter(dict.fromkeys(shown.values(), 0))
    for team, group in shown.items():
        sizes[group] += teams[team]
    assert all(size >= LEAST_PEOPLE for size in sizes.values())
    assert sizes.total() in (0, sum(teams.values()))
    assert (sizes.total() == 0) == (sum(teams.values()) < LEAST_PEOPLE)


def test_teams_by_state_and_who_is_there(board: Board) -> None:
    board.seen = AcdView(
        NOON,
        True,
        (),
        (
            *(agent(n, team="day") for n in range(5)),
            agent(5, team="day", intent=Intent.SIGNED_OUT),
            *(agent(n, team="it") for n in range(10, 13)),
            *(agent(n, intent=Intent.SIGNED_OUT) for n in range(20, 24)),
        ),
        (),
    )
    scrape = board.scrape()
    assert {group for group, _ in scrape.series("acd_agents")} == {"day", "other"}
    assert scrape("acd_agents", group="day", state="available") == 5
    assert scrape("acd_agents", group="other", state="signed-out") == 4
    assert (scrape("acd_agents_staffed", group="day"), scrape("acd_agents_staffed", group="other")) == (5, 3)


OFF = {"phone_state": PhoneState.UNREACHABLE, "available": False}


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        ([{"work": Work.TALKING}], {"signed-in": 1, "signed-out": 7}),
        ([{"work": Work.WRAP_UP}, {}, {}, {"intent": Intent.NOT_READY}], {"signed-in": 4, "signed-out": 4}),
        # Somebody signs in whom nobody has ever seen.
        ([{"work": Work.TALKING}, *(7 * [OFF])], {"signed-in": 8}),
        ([{"work": Work.TALKING}, *(4 * [{"intent": Intent.NOT_READY, **OFF}])], {"signed-in": 5, "signed-out": 3}),
        ([{"work": Work.TALKING}, {}, {}, {}, {}, OFF], {
            "talking": 1, "available": 4, "phone-unreachable": 1, "signed-out": 2,
        }),
        ([{"work": Work.TALKING, **OFF}, {}, {}, {}, {}], {"talking": 1, "available": 4, "signed-out": 3}),
        ([], {"signed-out": 8}),
    ],
)  # fmt: skip
def test_a_late_shift_of_one_is_no_diary(board: Board, there: list[dict[str, Any]], shown: dict[str, int]) -> None:
    """Of a group of eight, those who are there count, and not those who could be."""
    at_home = [agent(n, intent=Intent.SIGNED_OUT) for n in range(len(there), 8)]
    board.seen = AcdView(NOON, True, (), (*(agent(n, **one) for n, one in enumerate(there)), *at_home), ())
    scrape = board.scrape()
    found = {state: scrape("acd_agents", group="other", state=state) for state in AGENT_STATES}
    assert {state: count for state, count in found.items() if count} == shown
    assert scrape("acd_agents_staffed", group="other") == len(there)


def test_calls_that_were_answered_are_told_of_as_many_as_answer_them(board: Board) -> None:
    """A gauge of connected calls, and a late shift of one: by how many scrapes it was 1, they talked so long."""

    def told(there: int) -> dict[str, float | None]:
        people = [agent(n, intent=Intent.READY if n < there else Intent.SIGNED_OUT) for n in range(8)]
        board.seen = AcdView(NOON, True, (), tuple(people), calls)
        scrape = board.scrape()
        return {state: scrape("acd_calls_live", state=state) for (state,) in scrape.series("acd_calls_live")}

    waits = CallView(CallId("c1"), TOWN, HALL, MAIN, CallState.WAITING, NOON, None)
    partners = replace(waits, id=CallId("c2"), state=CallState.DIVERTED)
    talks = replace(waits, id=CallId("c3"), state=CallState.CONNECTED, answered=True)
    came_back = replace(waits, id=CallId("c4"), answered=True)
    office = replace(partners, id=CallId("c5"), answered=True)
    calls: tuple[CallView, ...] = (waits, partners)
    before = told(4)
    assert {state: count for state, count in before.items() if count} == {"waiting": 1, "diverted": 1}
    assert "connected" not in before
    calls = (waits, partners, talks, came_back, office)
    assert told(4) == before
    assert {state: count for state, count in told(5).items() if count} == {"waiting": 2, "diverted": 2, "connected": 1}


def test_every_state_is_there_at_zero(board: Board) -> None:
    board.seen = AcdView(NOON, True, (), tuple(agent(n, intent=Intent.SIGNED_OUT) for n in range(5)), ())
    scrape = board.scrape()
    assert scrape.series("acd_agents") == {
        ("other", state)
        for state in (
            "signed-out", "not-ready", "available", "offered", "talking", "wrap-up", "phone-in-use",
            "phone-unreachable", "set-aside", "signed-in",
        )
    }  # fmt: skip
    assert scrape.series("acd_switches") == {(kind,) for kind in SwitchKind}
    untold = {CallState.ENDED, CallState.CONNECTED}  # nobody is there
    assert scrape.series("acd_calls_live") == {(state,) for state in CallState if state not in untold}
    board.seen = replace(board.seen, agents=tuple(agent(n) for n in range(5)))
    assert board.scrape().series("acd_calls_live") - scrape.series("acd_calls_live") == {("connected",)}


def test_no_agent_can_be_in_a_state_without_a_series(board: Board) -> None:
    everybody = [
        agent(0, intent=intent, work=work, phone_state=phone)
        for intent in Intent
        for work in Work
        for phone in PhoneState
    ]
    # Ready, idle, reachable, and yet kept back for a moment: the phone would not ring.
    everybody.append(replace(agent(0), available=False))
    assert {*(one.state for one in everybody), "signed-in"} == set(AGENT_STATES)
    board.seen = AcdView(NOON, True, (), tuple(everybody), ())
    scrape = board.scrape()
    assert sum(scrape("acd_agents", group="other", state=state) or 0 for state in AGENT_STATES) == len(everybody)


def test_what_who_joins_now_has_to_expect(board: Board) -> None:
    """Nothing, where somebody is free; and nothing is known of a wait that has no end in sight."""
    line = QueueView(HALL, "Rathaus", 0, timedelta(), 1, 3, 1)
    board.seen = AcdView(NOON, True, (line, replace(line, id=QueueId("it"), agents_available=0)), (), ())
    board.expected = {"hall": 90.0, "it": 42.5}
    scrape = board.scrape()
    assert scrape("acd_expected_wait_seconds", queue="hall") == 0
    assert scrape("acd_expected_wait_seconds", queue="it") == 42.5
    board.seen = replace(board.seen, queues=(replace(line, waiting=1), replace(line, id=QueueId("night"))))
    board.expected = {"hall": 90.0}
    assert board.scrape()("acd_expected_wait_seconds", queue="hall") == 90
    board.seen = replace(board.seen, queues=(replace(line, agents_available=0, agents_able=0),))
    board.expected = {}
    assert board.scrape()("acd_expected_wait_seconds", queue="hall") is None


def test_nobody_is_there_though_the_number_is_served(board: Board) -> None:
    """From seven on; not at night, and not where a supervisor has closed it."""
    office = Calendar(CalendarId("office"), "Office", (parse_hours("mon-fri 07:00-18:00"),))
    entry = replace(DIRECTORY.entries[0], calendar=office.id)
    board.metrics.directory_changed(replace(DIRECTORY, entries=(entry, DIRECTORY.catch_all), calendars=(office,)))
    queue = QueueView(HALL, "Rathaus", 0, timedelta(), 0, 0, 0)
    seven = NOON.replace(hour=6)

    def unattended(at: datetime, able: int = 0, *switches: m.Switch) -> float | None:
        board.seen = AcdView(at, True, (replace(queue, agents_able=able),), (), (), switches)
        return board.scrape()("acd_queue_unattended", queue="hall")

    assert unattended(seven - timedelta(seconds=1)) == 0
    assert unattended(seven) == 1
    assert unattended(seven, 1) == 0
    closure = m.Switch(SwitchKind.CLOSURE, entry.number, NOON, "lead", seven, tenant=TOWN)
    assert unattended(seven, 0, closure) == 0
    assert unattended(NOON, 0, closure) == 1
    assert unattended(NOON.replace(hour=17)) == 0
    board.metrics.directory_changed(replace(DIRECTORY, entries=(replace(entry, calendar=None), DIRECTORY.catch_all),
                                            calendars=(office,)))  # fmt: skip
    assert unattended(NOON.replace(hour=3)) == 1
    board.metrics.directory_changed(replace(DIRECTORY, entries=(DIRECTORY.catch_all,)))
    assert unattended(NOON) == 0


def test_what_is_promised_today(board: Board) -> None:
    """By the town's contract for this kind of entry, from its day on; else by the queue."""
    promises = (
        Target(0.8, timedelta(seconds=60), kinds=frozenset({MAIN})),
        Target(0.9, timedelta(seconds=20), since=NOON.date() + timedelta(days=1), kinds=frozenset({MAIN})),
    )
    town = Tenant(TOWN, "Langenhagen", "L", contract=Contract(targets=promises))
    assert board.scrape()("acd_target_share", tenant="langenhagen", queue="hall", kind="main-number") == 0.75
    board.metrics.directory_changed(replace(DIRECTORY, tenants=(town,)))

    def promised(kind: str) -> tuple[float | None, float | None]:
        scrape, place = board.scrape(), {"tenant": "langenhagen", "queue": "hall", "kind": kind}
        return scrape("acd_target_share", **place), scrape("acd_target_seconds", **place)

    assert promised("main-number") == (0.8, 60)
    assert promised("catch-all") == (0.75, 30)
    midnight = NOON.replace(hour=23)  # in Berlin
    board.seen = AcdView(midnight - timedelta(seconds=1), True, (), (), ())
    assert promised("main-number") == (0.8, 60)
    board.seen = AcdView(midnight, True, (), (), ())
    assert promised("main-number") == (0.9, 20)


def test_how_many_agents_the_last_half_hour_would_have_needed(board: Board) -> None:
    """90 calls of three minutes in half an hour are nine erlangs; 75 % within 30 s take twelve agents."""
    records = [call(waited=0) for _ in range(90)]
    begun = NOON - timedelta(minutes=30)
    for n, record in enumerate(records):
        end = begun + timedelta(seconds=20 * n + 1)
        board.tell(ended(replace(record, t_in=end, t_ans=end - timedelta(seconds=180), t_end=end)))
        # They came, too, and asked for nobody.
        board.tell(ended(replace(call(Result.CLOSED, "closed-by-day"), t_end=end)))
        board.tell(ended(replace(call(Result.REFUSED, "emergency"), t_end=end)))

    def needed(at: datetime) -> float | None:
        board.seen = AcdView(at, True, (), (), ())
        return board.scrape()("acd_agents_needed")

    assert erlang_c_service_level(11, 9, 180, 30) < 0.75 < erlang_c_service_level(12, 9, 180, 30)
    assert needed(NOON) == 12
    assert needed(NOON + timedelta(hours=1)) == 0


def test_each_caller_is_owed_what_was_promised_to_them(board: Board) -> None:
    """Sixty of two minutes: one half to be answered nearly all at once, the other when there is time."""
    begun = NOON - timedelta(minutes=30)
    for n in range(60):
        end = begun + timedelta(seconds=30 * n + 1)
        promise: dict[str, Any] = {"target_ms": 5_000, "target_share": 0.95} if n % 2 else {"target_share": 0.2}
        board.tell(ended(replace(call(), t_in=end, t_ans=end - timedelta(seconds=120), t_end=end, **promise)))

    def kept(agents: int) -> float:
        return sum(erlang_c_service_level(agents, 4, 120, within_s) for within_s in (5, 30)) / 2

    board.seen = AcdView(NOON, True, (), (), ())
    assert board.scrape()("acd_agents_needed") == next(n for n in range(5, 99) if kept(n) >= (0.95 + 0.2) / 2)


def test_who_came_at_night_has_asked_for_nobody(board: Board) -> None:
    """Neither who was promised a callback then, nor who was sent to a partner by plan."""
    begun = NOON - timedelta(minutes=30)

    def came(n: int, **changes: Any) -> None:
        end = begun + timedelta(seconds=30 * n + 1)
        times = {"t_in": end - timedelta(seconds=180), "t_ans": end - timedelta(seconds=180), "t_end": end}
        board.tell(ended(replace(call(), **times | changes)))

    def needed() -> float | None:
        return board.scrape()("acd_agents_needed")

    for n in range(59):
        came(n)
    board.seen = AcdView(NOON, True, (), (), ())
    before = needed()
    for result, reason in ((Result.CALLBACK, "closed-by-hours"), (Result.CLOSED, "closed-by-hours")):
        for _ in range(60):
            came(59, t_ans=None, outcome=Outcome(result, reason, Blame.NOBODY))
    for _ in range(60):
        sent: dict[str, Any] = {"t_ovf": begun, "t_ovf_ans": begun, "overflow_trigger": "closed-by-hours"}
        came(59, t_ans=None, outcome=Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY), **sent)
    assert needed() == before


def test_who_never_goes_to_a_partner_has_no_series_of_one(board: Board) -> None:
    hall = replace(DIRECTORY.queues[0], ladder=(parse_rung("waited 60 s for 115: partner unna"),))
    partners = (*DIRECTORY.partners, Partner(PartnerId("unna"), "Unna", ("02303115",)))
    board.metrics.directory_changed(replace(DIRECTORY, queues=(hall,), partners=partners))
    assert {partner for _, partner, *_ in board.scrape().series("acd_calls_overflowed_total")} == {"oldenburg", "other"}


def test_a_missing_picture_costs_only_its_own_gauges(board: Board) -> None:
    board.tell(m.NumberUnknown(CallId("c1"), "999"))
    board.metrics.watch(sources())
    board.seen = None
    blind = board.scrape()
    assert blind.series("acd_agents") == set()
    assert blind("acd_unknown_numbers_total") == 1
    assert blind("acd_inbox_depth") == 7
    board.seen = AcdView(NOON, True, (), (), ())
    again = board.scrape()
    assert again("acd_calls_live", state="waiting") == 0
    assert again("acd_metrics_unreadable_total") == 1


def test_nothing_is_read_before_the_first_scrape() -> None:
    looks = 0

    def look() -> AcdView:
        nonlocal looks
        looks += 1
        return AcdView(NOON, True, (), (), ())

    registry = CollectorRegistry(auto_describe=True)
    Metrics(registry, look)
    assert looks == 0
    Scrape(registry)
    assert looks == 1


# ---------------------------------------------------------------- sources


def test_the_adapters_numbers_are_read_at_the_scrape(board: Board) -> None:
    up = True
    board.metrics.watch(sources(ami_link_up=lambda: up))
    scrape = board.scrape()
    assert scrape("acd_ami_link_up") == 1
    assert scrape("acd_ami_reconnects_total") == 2
    assert scrape("acd_event_lag_seconds") == 0.004
    assert scrape("acd_heartbeat_age_seconds") == 1.5
    assert scrape("acd_inbox_depth") == 7
    assert scrape("acd_spool_depth") == 3
    assert scrape("acd_database_write_failures_total") == 6
    assert scrape("acd_records_written_total") == 40
    assert scrape("acd_records_conflicting_total") == 0
    assert scrape("acd_records_lost_total") == 2
    assert scrape("acd_records_rejected_total") == 3
    assert scrape("acd_orders_failed_total") == 4
    assert scrape("acd_messages_failed_total") == 5
    assert scrape("acd_defects_total") == 1
    assert scrape("acd_agi_questions_total", result="answered") == 41
    assert scrape("acd_agi_questions_total", result="too-late") == 1
    up = False
    assert board.scrape()("acd_ami_link_up") == 0


def test_what_was_never_measured_is_absent_and_not_zero(board: Board) -> None:
    board.metrics.watch(sources(event_lag_seconds=lambda: None, heartbeat_age_seconds=lambda: float("nan")))
    scrape = board.scrape()
    assert scrape("acd_event_lag_seconds") is None
    assert scrape("acd_heartbeat_age_seconds") is None
    assert scrape("acd_metrics_unreadable_total") == 0


def test_the_last_night_in_which_all_was_forgotten_is_a_moment(board: Board) -> None:
    board.metrics.watch(sources(retention_done_at=lambda: 1795311000.0))
    assert board.scrape()("acd_retention_last_success_timestamp_seconds") == 1795311000
    board.metrics.watch(sources())
    assert board.scrape()("acd_retention_last_success_timestamp_seconds") is None, "not yet"


def test_every_town_owes_nothing_until_somebody_says_how_many_calls(board: Board) -> None:
    def owed(town: str) -> tuple[float | None, float | None]:
        scrape = board.scrape()
        return scrape("acd_promises_open", tenant=town), scrape("acd_promises_overdue", tenant=town)

    board.metrics.watch(sources(promises=dict))
    assert owed("langenhagen") == (0, 0)
    assert owed("unassigned") == (None, None), "there is no number that several towns share"
    laatzen = Tenant(TenantId("laatzen"), "Laatzen", "Laatzen")
    number = Entry("115", TOWN, HALL, EntryKind.SERVICE_115, "day", candidates=(TOWN, laatzen.id))
    tenants = (*DIRECTORY.tenants, laatzen)
    board.metrics.directory_changed(replace(DIRECTORY, tenants=tenants, entries=(*DIRECTORY.entries, number)))
    board.metrics.watch(sources(promises=lambda: {"langenhagen": (3, 1), "gone": (1, 1)}))
    assert [owed(town) for town in ("langenhagen", "laatzen", "unassigned")] == [(3, 1), (0, 0), (0, 0)]
    assert owed("gone") == (1, 1), "who has left the directory owes what was promised"


def test_nobody_owes_anything_where_nobody_has_counted(board: Board) -> None:
    board.metrics.watch(sources())
    assert "acd_promises" not in board.scrape().text

    def breaks() -> None:
        raise OSError

    board.metrics.watch(sources(promises=breaks))
    assert "acd_promises" not in board.scrape().text
    assert board.scrape()("acd_metrics_unreadable_total") == 1


def test_a_broken_source_costs_only_itself(board: Board) -> None:
    def breaks() -> int:
        raise ConnectionError

    board.metrics.watch(sources(spool_depth=breaks, agi_questions=breaks))
    scrape = board.scrape()
    assert scrape("acd_spool_depth") is None
    assert scrape.series("acd_agi_questions_total") == set()
    assert scrape("acd_records_written_total") == 40
    assert board.scrape()("acd_metrics_unreadable_total") == 2


def test_counters_are_counters_and_gauges_are_gauges(board: Board) -> None:
    board.metrics.watch(sources())
    kinds = {
        family.name: family.type
        for family in text_string_to_metric_families(board.scrape().text)
        if not family.name.endswith("_created")
    }
    assert {name for name, kind in kinds.items() if kind == "gauge"} == {
        "acd_switches", "acd_calls_waiting", "acd_longest_wait_seconds", "acd_agents", "acd_calls_live",
        "acd_ami_link_up", "acd_event_lag_seconds", "acd_heartbeat_age_seconds", "acd_inbox_depth",
        "acd_spool_depth", "acd_expected_wait_seconds", "acd_queue_unattended", "acd_agents_staffed",
        "acd_agents_needed", "acd_partner_circuit_open", "acd_partner_calls", "acd_target_seconds", "acd_target_share",
    }  # fmt: skip
    assert kinds["acd_ami_reconnects"] == kinds["acd_records_written"] == kinds["acd_agi_questions"] == "counter"
    assert kinds["acd_calls_offered"] == kinds["acd_call_outcomes"] == kinds["acd_calls_overflowed"] == "counter"
    assert (
        kinds["acd_wait_seconds"] == kinds["acd_signal_seconds"] == kinds["acd_database_write_seconds"] == "histogram"
    )
    assert kinds["acd_expected_wait_error_seconds"] == "summary"


def test_how_long_signals_and_the_database_take(board: Board) -> None:
    board.metrics.signal_took(0.004)
    board.metrics.write_took(0.3)
    scrape = board.scrape()
    assert scrape("acd_signal_seconds_bucket", le="0.0025") == 0
    assert scrape("acd_signal_seconds_bucket", le="0.005") == 1
    assert scrape("acd_database_write_seconds_sum") == 0.3


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(board: Board) -> None:
    board.metrics.watch(sources(promises=dict))
    board.seen = AcdView(
        NOON,
        True,
        (QueueView(HALL, "Rathaus", 2, timedelta(seconds=41.5), 1, 3, 0),),
        tuple(agent(n) for n in range(6)),
        (),
        (),
        (PartnerView(PartnerId("oldenburg"), 4, True),),
    )
    board.expected = {"hall": 9.0}
    said = subprocess.run(
        [shutil.which("promtool") or "", "check", "metrics"], input=board.scrape().text, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
