from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dialog_acd.core import messages as m
from dialog_acd.core.directory import Directory
from dialog_acd.core.lifecycle import CallState, Intent, PhoneState, Work
from dialog_acd.core.model import (
    UNASSIGNED,
    Agent,
    AgentId,
    CallId,
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
    Tenant,
    TenantId,
)
from dialog_acd.core.records import Blame, CallRecord, Outcome, Result
from dialog_acd.core.view import AcdView, AgentView, CallView, QueueView
from dialog_acd.metrics import AGENT_STATES, WAIT_BUCKETS, Metrics, Sources

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
TOWN, HALL, ANNA = TenantId("langenhagen"), QueueId("hall"), AgentId("anna")
MAIN = EntryKind.MAIN_NUMBER
ALLOWED_LABELS = {"tenant", "queue", "kind", "result", "reason", "state", "why", "partner", "signal", "le"}

DIRECTORY = Directory(
    tenants=(Tenant(TOWN, "Stadt Langenhagen", "Langenhagen"),),
    queues=(Queue(HALL, "Rathaus", (Step(timedelta()),)),),
    entries=(
        Entry("+4951173070", TOWN, HALL, MAIN, "day"),
        Entry("", TOWN, HALL, EntryKind.CATCH_ALL, "day"),
    ),
    agents=(Agent(ANNA, "Anna", Phone("phone-1")),),
    partners=(Partner(PartnerId("oldenburg"), "Oldenburg", ("0441115",)),),
    failsafe_profiles=(FailsafeProfile("day", "day"),),
)


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
        self.metrics = Metrics(self.registry, self._view)
        self.metrics.directory_changed(DIRECTORY)

    def _view(self) -> AcdView:
        if self.seen is None:
            raise RuntimeError("dictionary changed size during iteration")
        return self.seen

    def tell(self, *notices: m.Notice) -> None:
        for notice in notices:
            self.metrics.observe(notice)

    def scrape(self) -> Scrape:
        return Scrape(self.registry)


@pytest.fixture
def board() -> Board:
    return Board()


def answered(call: str, waited: float, in_time: bool) -> m.CallAnswered:
    return m.CallAnswered(CallId(call), TOWN, HALL, MAIN, ANNA, timedelta(seconds=waited), in_time)


def ended(result: Result, reason: str) -> m.CallEnded:
    return m.CallEnded(
        CallRecord(
            call=CallId("c1"), tenant=TOWN, queue=HALL, kind=MAIN, dialled="+4951173070", ani="+4930230125001",
            trunk="trunk", trunk_call_id="", t_in=NOON, t_ann_end=None, t_q=None, t_ans=None, t_end=NOON,
            t_wrap_end=None, t_leave=None, t_ovf=None, t_ovf_ans=None, t_failsafe=None, agent=None, partner=None,
            transferred_to=None, transfer_blind=None, failsafe_answered_by=None, hung_up_first="caller", cause=16,
            outcome=Outcome(result, reason, Blame.CALLER), in_time=False,
        )
    )  # fmt: skip


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
        records_pending=lambda: 3,
        records_written=lambda: 40,
        records_conflicting=lambda: 0,
        records_lost=lambda: 2,
        records_rejected=lambda: 3,
        orders_failed=lambda: 4,
        messages_failed=lambda: 5,
        defects=lambda: 1,
        agi_questions=lambda: {"answered": 41, "too-late": 1},
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- calls


def test_a_morning_of_three_calls(board: Board) -> None:
    for call in ("c1", "c2", "c3"):
        board.tell(m.CallOffered(CallId(call), TOWN, HALL, MAIN))
    board.tell(
        answered("c1", waited=30.0, in_time=True),
        answered("c2", waited=31.0, in_time=False),
        m.CallAbandoned(CallId("c3"), TOWN, HALL, MAIN, timedelta(seconds=700)),
    )
    scrape = board.scrape()
    place = {"tenant": "langenhagen", "queue": "hall", "kind": "main-number"}
    assert scrape("acd_calls_offered_total", **place) == 3
    assert scrape("acd_calls_answered_total", **place) == 2
    assert scrape("acd_calls_answered_in_time_total", **place) == 1
    assert scrape("acd_calls_abandoned_total", **place) == 1
    assert scrape("acd_wait_seconds_sum", queue="hall", result="answered") == 61
    assert scrape("acd_wait_seconds_sum", queue="hall", result="abandoned") == 700


def test_the_grid_of_waits_is_fixed_and_includes_its_borders(board: Board) -> None:
    board.tell(answered("c1", 30.0, in_time=True), answered("c2", 30.001, in_time=False))
    scrape = board.scrape()
    grid = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600]
    assert list(WAIT_BUCKETS) == grid
    steps = [scrape("acd_wait_seconds_bucket", queue="hall", result="answered", le=f"{le:.1f}") for le in grid]
    assert steps == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2]
    assert scrape("acd_wait_seconds_bucket", queue="hall", result="answered", le="+Inf") == 2


def test_offers_by_how_they_ended(board: Board) -> None:
    call = CallId("c1")
    board.tell(
        m.OfferMade(call, HALL, ANNA, "longest idle"),
        m.OfferMissed(call, HALL, ANNA, m.OfferFailure.NO_ANSWER),
        m.OfferMissed(call, HALL, ANNA, m.OfferFailure.NO_ANSWER),
        m.OfferTaken(call, HALL, ANNA),
    )
    scrape = board.scrape()
    assert scrape("acd_offers_total", result="no-answer") == 2
    assert scrape("acd_offers_total", result="answered") == 1
    assert scrape("acd_offers_total", result="declined") == 0


def test_what_somebody_should_look_at(board: Board) -> None:
    call = CallId("c1")
    board.tell(
        m.NumberUnknown(call, "0511 999"),
        m.FailsafeEntered(call, TOWN, HALL, "heartbeat"),
        m.CallDiverted(call, TOWN, HALL, PartnerId("oldenburg"), "waited 120 s"),
        m.PictureDiffered(call, "ended: the switch does not know it"),
        m.Ignored("OfferAnswered", "call already ended", "c1"),
        ended(Result.ABANDONED, "ringing"),
    )
    scrape = board.scrape()
    assert scrape("acd_unknown_numbers_total") == 1
    assert scrape("acd_failsafe_entered_total", why="heartbeat") == 1
    assert scrape("acd_overflowed_total", partner="oldenburg") == 1
    assert scrape("acd_picture_differences_total") == 1
    assert scrape("acd_signals_ignored_total", signal="OfferAnswered") == 1
    assert scrape("acd_calls_ended_total", result="abandoned", reason="ringing") == 1


def test_calls_that_moved_to_a_town_because_it_was_named() -> None:
    """What a town has is what was counted for it, and what it got, less what it lost."""
    board, call, laatzen = Board(), CallId("c1"), TenantId("laatzen")
    tenants = (*DIRECTORY.tenants, Tenant(laatzen, "Laatzen", "Laatzen"))
    number = Entry("115", TOWN, HALL, EntryKind.SERVICE_115, "day", candidates=(TOWN, laatzen))
    board.metrics.directory_changed(replace(DIRECTORY, tenants=tenants, entries=(*DIRECTORY.entries, number)))
    scrape = board.scrape()
    assert ("115", "hall", "unassigned") in scrape.series("acd_calls_offered_total")
    assert ("115", "hall", "langenhagen") not in scrape.series("acd_calls_offered_total")
    for name in ("acd_calls_moved_to_total", "acd_calls_moved_from_total"):
        assert {scrape(name, tenant=t) for t in ("unassigned", "langenhagen", "laatzen")} == {0}
    board.tell(
        m.CallOffered(call, UNASSIGNED, HALL, EntryKind.SERVICE_115),
        m.CallAssigned(call, UNASSIGNED, TOWN, "anna", ANNA),
        m.CallAssigned(call, TOWN, laatzen, "desk"),
    )
    scrape = board.scrape()
    assert scrape("acd_calls_offered_total", tenant="unassigned", queue="hall", kind="115") == 1
    gained = {t: scrape("acd_calls_moved_to_total", tenant=t) for t in ("unassigned", "langenhagen", "laatzen")}
    lost = {t: scrape("acd_calls_moved_from_total", tenant=t) for t in ("unassigned", "langenhagen", "laatzen")}
    assert (gained, lost) == (
        {"unassigned": 0, "langenhagen": 1, "laatzen": 1},
        {"unassigned": 1, "langenhagen": 1, "laatzen": 0},
    )


def test_a_test_call_is_in_a_counter_of_its_own_and_in_no_other(board: Board) -> None:
    before, call = board.scrape().samples, CallId("c1")
    waited = timedelta(seconds=5)
    board.tell(
        m.CallOffered(call, TOWN, HALL, MAIN, test=True),
        m.NumberUnknown(call, "0511 999", test=True),
        m.OfferMissed(call, HALL, ANNA, m.OfferFailure.NO_ANSWER, test=True),
        m.OfferTaken(call, HALL, ANNA, test=True),
        m.CallAnswered(call, TOWN, HALL, MAIN, ANNA, waited, in_time=True, test=True),
        m.CallAbandoned(call, TOWN, HALL, MAIN, waited, test=True),
        m.CallDiverted(call, TOWN, HALL, PartnerId("oldenburg"), "waited 120 s", test=True),
        m.FailsafeEntered(call, TOWN, HALL, "heartbeat", test=True),
        m.CallAssigned(call, UNASSIGNED, TOWN, "anna", test=True),
        replace(ended(Result.SERVED, "talked"), test=True),
    )
    after = board.scrape().samples
    changed = {key: value for key, value in after.items() if value != before.get(key)}
    assert changed == {("acd_test_calls_total", (("result", "served"),)): 1}


def test_calls_marked_later_have_been_counted_like_everybodys(board: Board) -> None:
    call = CallId("c1")
    board.tell(m.CallOffered(call, TOWN, HALL, MAIN), m.TestMarked(call, test=True, by="lead"))
    board.tell(m.TestMarked(call, test=False, by="lead"), ended(Result.SERVED, "talked"))
    scrape = board.scrape()
    assert scrape("acd_calls_marked_test_total") == 1
    assert scrape("acd_calls_ended_total", result="served", reason="talked") == 1
    assert scrape("acd_test_calls_total", result="served") == 0


def test_a_living_test_call_is_in_no_gauge(board: Board) -> None:
    view = CallView(CallId("c1"), TOWN, HALL, MAIN, CallState.WAITING, NOON, None)
    board.seen = AcdView(NOON, True, (), (), (view, replace(view, id=CallId("c2"), test=True)))
    assert board.scrape()("acd_calls_live", state="waiting") == 1


# ---------------------------------------------------------------- labels


def test_every_series_is_there_at_zero_before_the_first_call(board: Board) -> None:
    scrape = board.scrape()
    places = {(kind, "hall", "langenhagen") for kind in ("main-number", "catch-all")}
    for name in ("offered", "answered", "answered_in_time", "abandoned"):
        assert scrape.series(f"acd_calls_{name}_total") == places
    assert scrape.series("acd_wait_seconds_count") == {("hall", "answered"), ("hall", "abandoned")}
    assert scrape.series("acd_offers_total") == {("answered",), *((str(f),) for f in m.OfferFailure)}
    assert scrape.series("acd_overflowed_total") == {("oldenburg",), ("other",)}
    assert scrape.series("acd_signals_ignored_total") == {("other",), *((s.__name__,) for s in get_args(m.Signal))}
    assert {result for _, result in scrape.series("acd_calls_ended_total")} == {str(result) for result in Result}
    assert {value for (name, _), value in scrape.samples.items() if name.endswith(("_total", "_count"))} == {0}


def test_a_new_town_starts_at_zero_and_an_old_one_keeps_its_count(board: Board) -> None:
    board.tell(m.CallOffered(CallId("c1"), TOWN, HALL, MAIN))
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
            m.CallDiverted(CallId(f"c{n}"), TOWN, HALL, PartnerId(f"partner-{n}"), f"why-{n}"),
            m.NumberUnknown(CallId(f"c{n}"), f"+49{n}"),
            m.PictureDiffered(CallId(f"c{n}"), f"what-{n}"),
            ended(Result.FAILSAFE, f"why-{n}"),
        )
    assert count() == before
    scrape = board.scrape()
    assert scrape("acd_signals_ignored_total", signal="other") == 50
    assert scrape("acd_signals_ignored_total", signal="Tick") == 50
    assert scrape("acd_failsafe_entered_total", why="other") == 50
    assert scrape("acd_overflowed_total", partner="other") == 50
    assert scrape("acd_calls_ended_total", result="failsafe", reason="other") == 50


def test_agents_and_callers_never_become_series(board: Board) -> None:
    board.seen = AcdView(NOON, True, (), tuple(agent(n) for n in range(30)), ())
    board.metrics.watch(sources())
    before = len(board.scrape().samples)
    for n in range(30):
        who, call = AgentId(f"agent-{n}"), CallId(f"call-{n}")
        board.tell(
            m.AgentChanged(who, "intent", "ready", "not-ready", f"reason {n}"),
            m.CallQueued(call, HALL, n),
            m.OfferMade(call, HALL, who, f"level {n}"),
            m.OfferTaken(call, HALL, who),
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
    def call(n: int, state: CallState) -> CallView:
        return CallView(CallId(f"c{n}"), TOWN, HALL, MAIN, state, NOON, None)

    board.seen = AcdView(
        NOON,
        True,
        (QueueView(HALL, "Rathaus", 2, timedelta(seconds=41.5), 1, 3, 0),),
        (agent(1), agent(2, work=Work.TALKING), agent(3, work=Work.TALKING)),
        (call(1, CallState.WAITING), call(2, CallState.WAITING), call(3, CallState.CONNECTED)),
        tuple(m.Switch(SwitchKind.CLOSURE, number, NOON, "x", NOON) for number in ("115", "+495117307")),
    )
    busy = board.scrape()
    assert busy("acd_calls_waiting", queue="hall") == 2
    assert busy("acd_longest_wait_seconds", queue="hall") == 41.5
    assert busy("acd_agents", state="talking") == 2
    assert busy("acd_agents", state="available") == 1
    assert busy("acd_calls_live", state="waiting") == 2
    assert busy("acd_calls_live", state="connected") == 1
    assert busy("acd_switches", kind="closure") == 2
    assert busy("acd_switches", kind="overflow") == 0
    assert "495117307" not in busy.text
    board.seen = replace(board.seen, queues=(), agents=(), calls=())
    quiet = board.scrape()
    assert quiet("acd_agents", state="talking") == 0
    assert quiet("acd_calls_live", state="waiting") == 0


def test_every_state_is_there_at_zero(board: Board) -> None:
    scrape = board.scrape()
    assert scrape.series("acd_agents") == {
        ("signed-out",), ("not-ready",), ("available",), ("offered",), ("talking",), ("wrap-up",),
        ("phone-in-use",), ("phone-unreachable",), ("set-aside",),
    }  # fmt: skip
    assert scrape.series("acd_switches") == {(kind,) for kind in SwitchKind}
    assert scrape.series("acd_calls_live") == {(state,) for state in CallState if state is not CallState.ENDED}


def test_no_agent_can_be_in_a_state_without_a_series(board: Board) -> None:
    everybody = [
        agent(0, intent=intent, work=work, phone_state=phone)
        for intent in Intent
        for work in Work
        for phone in PhoneState
    ]
    # Ready, idle, reachable, and yet kept back for a moment: the phone would not ring.
    everybody.append(replace(agent(0), available=False))
    assert {one.state for one in everybody} == set(AGENT_STATES)
    board.seen = AcdView(NOON, True, (), tuple(everybody), ())
    scrape = board.scrape()
    assert sum(scrape("acd_agents", state=state) or 0 for state in AGENT_STATES) == len(everybody)


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
    assert again("acd_agents", state="available") == 0
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
    assert scrape("acd_records_pending") == 3
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


def test_a_broken_source_costs_only_itself(board: Board) -> None:
    def breaks() -> int:
        raise ConnectionError

    board.metrics.watch(sources(records_pending=breaks, agi_questions=breaks))
    scrape = board.scrape()
    assert scrape("acd_records_pending") is None
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
        "acd_records_pending",
    }  # fmt: skip
    assert kinds["acd_ami_reconnects"] == kinds["acd_records_written"] == kinds["acd_agi_questions"] == "counter"
    assert kinds["acd_wait_seconds"] == "histogram"
