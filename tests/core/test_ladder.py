"""Call sheets of the overflow ladder: who is helped elsewhere, when, and what becomes of the place here.

Ladders are those of Langenhagen's queue; Oldenburg is the partner. Everybody who is ready is so from before nine.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.kpi import figures
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import (
    CalendarId,
    CallId,
    Entry,
    EntryKind,
    Partner,
    PartnerId,
    Phone,
    QueueId,
    Team,
    TeamId,
    TenantId,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import HANNOVER, REGION, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

C1 = CallId("c1")
BREMEN = Partner(PartnerId("bremen"), "Bremen", ("+49421115",))
SENT_TO_US = "+49511900115"
"""What another centre dials when it is full."""


def moment(clock_time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{clock_time}").replace(tzinfo=UTC)


def queue_is(directory: Directory, queue: str, **traits: Any) -> Directory:
    return replace(directory, queues=tuple(replace(q, **traits) if q.id == queue else q for q in directory.queues))


def entries_are(directory: Directory, kind: EntryKind, **traits: Any) -> Directory:
    return replace(directory, entries=tuple(replace(e, **traits) if e.kind is kind else e for e in directory.entries))


def laddered(
    *ladder: str, agents: Sequence[str | Agent] = (), steps: Sequence[str] = ("from 0 s: citizens>=1",), **partner: Any
) -> Directory:
    """Langenhagen with this ladder, Oldenburg with these traits, Bremen beside it; nobody is there unless named."""
    directory = demo_directory(agents, wrap_up_s=0)
    partners = (replace(directory.partners[0], **partner), BREMEN)
    rungs, needs = tuple(map(parse_rung, ladder)), tuple(map(parse_step, steps))
    return queue_is(replace(directory, partners=partners), "langenhagen", ladder=rungs, steps=needs)


def overflowing(
    *ladder: str, agents: Sequence[str | Agent] = (), ready: tuple[str, ...] | None = None, **partner: Any
) -> Scenario:
    return Scenario(laddered(*ladder, agents=agents, **partner), ready=ready)


def orders(acd: Scenario, kind: type[m.Divert | m.Say | m.Release | m.Offer]) -> list[Any]:
    """All that were ever given, in order."""
    return [out for _, _, outs in acd.story for out in outs if isinstance(out, kind)]


def sent(acd: Scenario) -> list[str]:
    """Which calls were sent to a partner, in order."""
    return [order.call for order in orders(acd, m.Divert)]


def not_yet(acd: Scenario, kind: type[object], call: str = "c1") -> None:
    """Nothing of this kind has come for the call, from the beginning of the sheet on."""
    assert not [
        out for _, _, outs in acd.story for out in outs if isinstance(out, kind) and getattr(out, "call", "") == call
    ]


def partner_answers(acd: Scenario, call: str, partner: str = "oldenburg") -> Scenario:
    return acd.tell(m.DivertAnswered(CallId(call), PartnerId(partner)))


def partner_fails(acd: Scenario, call: str, reason: str = "busy", partner: str = "oldenburg") -> Scenario:
    """As the dialplan tells it: how it went, and at once that it holds the caller again."""
    return acd.tell(m.DivertFailed(CallId(call), PartnerId(partner), reason)).held(call)


def switched(acd: Scenario, until: str | None, queue: str = "langenhagen") -> Scenario:
    return acd.tell(m.QueueSwitched(QueueId(queue), moment(until) if until else None, "frau-meyer"))


# ------------------------------------------------------------ every trigger with every action


def shut(directory: Directory, *, holiday: bool) -> Directory:
    """The towns' own numbers are closed all this Monday; 115 has no calendar."""
    hours = "daily 00:00-24:00" if holiday else "sun 03:00-04:00"
    special = (SpecialDay(moment("00:00").date(), "Betriebsausflug"),) if holiday else ()
    calendar = Calendar(CalendarId("shut"), "shut", (parse_hours(hours),), None, special)
    return entries_are(replace(directory, calendars=(calendar,)), EntryKind.MAIN_NUMBER, calendar=calendar.id)


WHYS = {
    "all busy": "all busy",
    "waited 20 s": "waited 20 s",
    "queue length 2": "2 already waited",
    "nobody signed in": "nobody signed in",
    "closed by hours": "closed by hours",
    "closed by day": "closed by day",
    "technical": "no phone reachable",
    "switched": "switched by a supervisor",
}
ACTIONS: dict[str, tuple[type[object], dict[str, object]]] = {
    "widen 1": (m.CallWidened, {}),
    "queue region": (m.CallWidened, {}),
    "partner oldenburg": (m.Divert, {"partner": "oldenburg", "number": "+494412350"}),
    "announce acd/long-wait": (m.Say, {"prompt": "acd/long-wait"}),
    "release": (m.Release, {}),
}


def come_into(trigger: str, rung: str) -> Scenario:
    """Bring caller c1 into the situation that a trigger names."""
    directory = laddered(rung, agents=["anna"], steps=("from 0 s: citizens>=3", "from 600 s: any"))
    if trigger.startswith("closed"):
        directory = shut(directory, holiday=trigger.endswith("day"))
    acd = Scenario(directory, ready=() if trigger == "nobody signed in" else None).at("09:00:00")
    if trigger in ("all busy", "waited 20 s", "queue length 2"):
        acd.waits("busy", "115").talks("anna")
    if trigger == "queue length 2":
        acd.waits("x1").waits("x2")
    if trigger == "technical":
        acd.phone_is("anna", PhoneState.UNREACHABLE)
    if trigger == "switched":
        acd.is_not_ready("anna")
        switched(acd, "10:00:00")
    return acd.waits("c1")


@pytest.mark.parametrize(
    ("trigger", "action"),
    # Nobody serves a closed number, at no step.
    [(t, a) for t in WHYS for a in ACTIONS if not (t.startswith("closed") and a == "widen 1")],
)
def test_every_trigger_leads_to_every_action(trigger: str, action: str) -> None:
    acd = come_into(trigger, f"{trigger}: {action}")
    kind, wanted = ACTIONS[action]
    if trigger == "waited 20 s":
        not_yet(acd.at("09:00:19.999"), kind)
        acd.at("09:00:20")
    acd.expect(kind, call="c1", **wanted)
    assert not [call for call in ("x1", "x2") if acd.state(call) not in ("waiting", "gone")]
    word = parse_rung(f"{trigger}: {action}").trigger.value
    if action == "partner oldenburg":
        acd.expect(m.CallDiverted, call="c1", why=WHYS[trigger], trigger=word)
    elif action == "release":
        acd.expect(m.CallReleased, call="c1", tenant="langenhagen", why=word)


@pytest.mark.parametrize("trigger", [t for t in WHYS if not t.startswith("closed")])
def test_a_rung_for_115_is_not_for_a_towns_own_number(trigger: str) -> None:
    acd = come_into(trigger, f"{trigger} for 115, partner-inbound: release")
    acd.at("09:00:20").expect_no(m.Release)
    assert acd.state("c1") == "waiting"


@pytest.mark.parametrize("trigger", ["closed by hours", "closed by day"])
def test_a_closed_number_whose_ladder_is_for_others_is_told_at_the_door(trigger: str) -> None:
    acd = come_into(trigger, f"{trigger} for 115: partner oldenburg")
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED)
    assert sent(acd) == []


def test_a_rung_for_115_is_for_115() -> None:
    directory = queue_is(laddered(), "115", ladder=(parse_rung("all busy for 115: partner oldenburg"),))
    acd = Scenario(directory).at("09:00:00").waits("c1", "115").waits("c2")
    assert sent(acd) == ["c1"]


# ------------------------------------------------------------ at entry


def test_nobody_is_sent_away_beside_an_agent_who_is_free() -> None:
    acd = overflowing("all busy: partner oldenburg", agents=["anna"]).at("09:00:00").waits("c1").waits("c2")
    acd.expect(m.Offer, call="c1", agent="anna")
    assert sent(acd) == ["c2"]


def test_the_first_rung_that_can_be_taken_is_taken() -> None:
    acd = overflowing("queue length 1: release", "nobody signed in: partner bremen", "all busy: partner oldenburg")
    acd.at("09:00:00").waits("c1").expect(m.Divert, partner="bremen")


def test_widened_at_entry_a_call_takes_whoever_is_there() -> None:
    directory = laddered(
        "all busy: widen 1", agents=[demo_agent("anna", {"citizens": 1}), "expert"],
        steps=("from 0 s: citizens>=3", "from 60 s: citizens>=1"),
    )  # fmt: skip
    acd = Scenario(directory).at("09:00:00").waits("c1").talks("expert").waits("c2")
    acd.expect(m.CallWidened, call="c2", queue="langenhagen", why="all busy: step 1")
    acd.expect(m.Offer, call="c2", agent="anna")
    assert "step 1" in acd.talks("anna").agent_hangs_up("anna").record("c2").offers[0].why


def test_another_queues_people_help_and_the_call_stays_its_towns() -> None:
    acd = overflowing("all busy: queue 115", agents=[demo_agent("anna", {"115": 3}), "bert"])
    acd.at("09:00:00").waits("c1").talks("bert").at("09:00:05").waits("c2")
    acd.expect(m.CallWidened, call="c2", why="all busy: queue 115")
    acd.expect(m.Offer, call="c2", agent="anna")
    record = acd.at("09:00:09").talks("anna").agent_hangs_up("anna").record("c2")
    assert (record.tenant, record.queue, record.t_in) == ("langenhagen", "langenhagen", moment("09:00:05"))
    assert record.outcome.result is Result.SERVED


def test_one_queues_own_people_still_count_after_another_is_asked() -> None:
    acd = overflowing("all busy: queue 115", agents=["anna"], ready=()).at("09:00:00").waits("c1").waits("c2", "115")
    acd.at("09:00:05").is_ready("anna").expect(m.Offer, call="c1", agent="anna")  # anna can both; c1 came first


def test_a_prompt_does_not_keep_a_free_agent_waiting() -> None:
    acd = overflowing("all busy: announce acd/long-wait", agents=["anna"], ready=())
    acd.at("09:00:00").waits("c1").expect(m.Say, call="c1")
    acd.at("09:00:02").is_ready("anna").expect(m.Offer, call="c1", agent="anna")


def test_a_prompt_is_heard_once_in_a_wait_and_its_end_changes_nothing() -> None:
    acd = overflowing("waited 10 s: announce acd/long-wait").at("09:00:00").waits("c1")
    acd.at("09:00:10").at("09:00:14").held("c1").at("09:05:00")
    assert [say.prompt for say in orders(acd, m.Say)] == ["acd/long-wait"]
    assert acd.state("c1") == "waiting"
    assert len([n for _, _, outs in acd.story for n in outs if isinstance(n, m.CallQueued)]) == 1


def test_whoever_is_released_hears_why_and_is_counted() -> None:
    acd = overflowing("waited 30 s: release").at("09:00:00").waits("c1").at("09:00:30")
    acd.expect(m.Release, call="c1", prompt="acd/nobody", opens_at=None)
    record = acd.at("09:00:36").caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.RELEASED, "waited", Blame.US)
    assert (record.waited, record.t_leave, record.overflow_partner) == (timedelta(seconds=36), None, None)


def test_a_released_caller_is_nobodys_any_more() -> None:
    acd = overflowing("waited 30 s: release", agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:00:31")
    acd.is_ready("anna").expect_no(m.Offer)
    assert acd.state("c1") == "released"


def test_a_prompt_that_an_offer_cut_short_does_not_hold_up_the_ladder() -> None:
    ladder = "waited 10 s: announce acd/long-wait", "waited 20 s: partner oldenburg"
    acd = overflowing(*ladder, agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:00:11").is_ready("anna")
    acd.expect(m.Offer, call="c1")
    acd.at("09:00:14").offer_failed("anna", "declined").held("c1").at("09:00:20")
    assert sent(acd) == ["c1"]


# ------------------------------------------------------------ queue length


def test_the_queue_is_long_for_whoever_comes_then_and_not_for_who_is_there() -> None:
    acd = overflowing("queue length 2: partner oldenburg").at("09:00:00")
    for call in ("c1", "c2", "c3"):
        acd.waits(call)
    acd.at("09:05:00")
    assert sent(acd) == ["c3"]


def test_who_talks_or_rings_does_not_make_a_queue_long() -> None:
    acd = overflowing("queue length 1: partner oldenburg", agents=["anna", "bert"])
    acd.at("09:00:00").waits("c1").talks("anna").waits("c2").waits("c3")  # c1 talks, c2 rings
    assert sent(acd) == []
    acd.waits("c4")
    assert sent(acd) == ["c4"]


def test_the_queue_is_long_no_more_for_who_stands_at_its_head_by_now() -> None:
    acd = overflowing("queue length 1: partner oldenburg", channels=1).at("09:00:00")
    acd.waits("c0").waits("c1").waits("c2")  # c1 took the only channel
    acd.at("09:00:10").caller_hangs_up("c0").at("09:00:20").caller_hangs_up("c1")
    assert sent(acd) == ["c1"]


# ------------------------------------------------------------ waited


def test_the_wait_runs_through_until_the_partner_answers() -> None:
    acd = overflowing("waited 20 s: partner oldenburg").at("09:00:00").arrives("c1").at("09:00:04").held("c1")
    acd.at("09:00:20").expect(m.Divert, call="c1")  # since the door, not since the end of the greeting
    partner_answers(acd.at("09:00:29"), "c1").at("09:03:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert record.outcome == Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)
    assert (record.t_in, record.t_q, record.t_ovf, record.t_ovf_ans, record.t_end) == tuple(
        moment(f"09:0{at}") for at in ("0:00", "0:04", "0:20", "0:29", "3:00")
    )
    assert (record.overflow_trigger, record.overflow_partner, record.partner) == ("waited", "oldenburg", "oldenburg")
    assert (record.waited, record.t_ans, record.agent) == (timedelta(seconds=29), None, None)


def test_a_wait_after_a_conversation_begins_its_ladder_anew() -> None:
    acd = overflowing("waited 20 s: announce acd/long-wait", agents=["anna"]).at("09:00:00").waits("c0").talks("anna")
    acd.waits("c1").at("09:00:30").agent_hangs_up("anna").talks("anna")
    assert len(orders(acd, m.Say)) == 1
    acd.at("09:05:00").is_not_ready("anna").transferred("c1", "2001").held("c1").at("09:05:19").expect_no(m.Say)
    assert len(orders(acd.at("09:05:20"), m.Say)) == 2
    assert acd.at("09:06:00").caller_hangs_up("c1").record("c1").t_in == moment("09:00:00")


# ------------------------------------------------------------ nobody signed in


def test_a_pause_is_not_the_end_of_the_day() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", agents=["anna"]).is_not_ready("anna", "lunch")
    assert sent(acd.at("09:00:00").waits("c1")) == []


def test_somebody_who_could_not_serve_the_queue_at_its_widest_is_nobody() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", agents=[demo_agent("anna", {"115": 5})])
    assert sent(acd.at("09:00:00").waits("c1")) == ["c1"]


def test_when_the_last_one_signs_out_whoever_waits_is_sent_on() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", agents=["anna", "bert"])
    acd.at("09:00:00").waits("x1").talks("anna").waits("x2").talks("bert").at("09:00:10").waits("c1")
    assert sent(acd.at("09:00:20").signs_out("bert")) == []
    acd.at("09:00:30").signs_out("anna").expect(m.Divert, call="c1")
    record = partner_answers(acd, "c1").caller_hangs_up("c1").record("c1")
    assert (record.overflow_trigger, record.waited) == ("nobody-signed-in", timedelta(seconds=20))


def test_whoever_is_removed_from_the_directory_has_signed_out_too() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", agents=["anna"]).at("09:00:00").is_not_ready("anna")
    acd.waits("c1").tell(m.DirectoryChanged(laddered("nobody signed in: partner oldenburg")))
    assert sent(acd) == ["c1"]


# ------------------------------------------------------------ technical


def test_when_the_last_phone_is_lost_whoever_waits_is_sent_on() -> None:
    acd = overflowing("technical: partner oldenburg", agents=["anna", "bert"])
    acd.at("09:00:00").is_not_ready("anna").is_not_ready("bert").waits("c1")
    assert sent(acd.phone_is("bert", PhoneState.UNREACHABLE)) == []
    acd.at("09:00:10").phone_is("anna", PhoneState.UNREACHABLE).expect(m.Divert, call="c1")


@pytest.mark.parametrize("state", [PhoneState.IN_USE, PhoneState.REACHABLE])
def test_a_phone_in_use_is_no_technical_fault(state: PhoneState) -> None:
    acd = overflowing("technical: partner oldenburg", agents=["anna"]).is_not_ready("anna").phone_is("anna", state)
    assert sent(acd.at("09:00:00").waits("c1")) == []


def test_the_phone_of_somebody_who_went_home_helps_nobody() -> None:
    acd = overflowing("technical: partner oldenburg", agents=["anna", "bert"]).signs_out("bert")
    acd.at("09:00:00").phone_is("anna", PhoneState.UNREACHABLE).waits("c1")
    assert sent(acd) == ["c1"]


def test_nobody_signed_in_is_another_matter_than_no_phone_reachable() -> None:
    acd = overflowing("technical: release", agents=["anna"], ready=()).phone_is("anna", PhoneState.UNREACHABLE)
    acd.at("09:00:00").waits("c1").expect_no(m.Release)


# ------------------------------------------------------------ switched by a supervisor


def test_a_supervisor_switches_over_until_a_time_and_everybody_follows() -> None:
    acd = overflowing("switched: partner oldenburg").at("09:00:00").waits("c1").waits("h1", HANNOVER)
    switched(acd, "09:30:00").expect(m.SwitchedOver, queue="langenhagen", until=moment("09:30:00"), by="frau-meyer")
    acd.expect(m.CallDiverted, call="c1", trigger="switched")
    acd.at("09:29:59.999").waits("c2").expect(m.Divert, call="c2")
    acd.at("09:30:00").waits("c3").expect_no(m.Divert)
    assert sent(acd) == ["c1", "c2"]


def test_switched_back_before_its_time() -> None:
    acd = switched(overflowing("switched: partner oldenburg"), "10:00:00").at("09:00:00").waits("c1")
    switched(acd, None).expect(m.SwitchedOver, until=None)
    acd.waits("c2")
    assert sent(acd) == ["c1"]
    assert acd.state("c1") == "diverting"  # whoever rings there goes on ringing


def test_a_later_word_of_the_supervisor_counts() -> None:
    acd = switched(switched(overflowing("switched: partner oldenburg"), "10:00:00"), "09:10:00")
    assert sent(acd.at("09:10:00").waits("c1")) == []


def test_a_queue_nobody_knows_cannot_be_switched() -> None:
    acd = switched(overflowing(), "10:00:00", queue="atlantis")
    acd.expect(m.Ignored, signal="QueueSwitched", why="unknown queue", about="atlantis")


# ------------------------------------------------------------ a partner that does not take the call


@pytest.mark.parametrize("reason", ["busy", "chanunavail", "noanswer", "congestion"])
def test_a_caller_who_comes_back_has_the_old_place(reason: str) -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:10").waits("c2").at("09:00:25").tell(m.DivertFailed(C1, PartnerId("oldenburg"), reason))
    acd.expect(m.DivertMissed, call="c1", queue="langenhagen", partner="oldenburg", reason=reason)
    assert acd.state("c1") == "returning"
    acd.held("c1").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    record = acd.at("09:00:28").talks("anna").agent_hangs_up("anna").record("c1")
    assert (record.t_in, record.waited, record.t_ovf) == (
        moment("09:00:00"), timedelta(seconds=28), moment("09:00:20"),
    )  # fmt: skip
    assert (record.overflow_trigger, record.overflow_partner, record.partner) == ("waited", "oldenburg", None)
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)


def test_a_silent_partner_brings_the_caller_back_without_a_word_of_the_switch() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", "waited 20 s: partner bremen", ring_for=timedelta(seconds=15))
    not_yet(acd.at("09:00:00").waits("c1").at("09:00:36.999"), m.Hold)
    acd.at("09:00:37").expect(m.DivertMissed, reason="unheard")
    acd.expect(m.Hold, call="c1")
    acd.held("c1").expect(m.Divert, call="c1", partner="bremen")


def test_a_partners_numbers_are_rung_in_order_and_again_after_a_minute() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", numbers=("+4944112", "+4944113")).at("09:00:00").waits("c1")
    partner_fails(acd.at("09:00:25"), "c1")
    partner_fails(acd.at("09:00:30"), "c1")
    acd.at("09:01:29.999").expect_no(m.Divert)
    acd.at("09:01:30")
    assert [order.number for order in orders(acd, m.Divert)] == ["+4944112", "+4944113", "+4944112"]


def test_when_all_numbers_of_a_partner_fail_the_next_rung_is_tried() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen", numbers=("+4944112", "+4944113"))
    partner_fails(partner_fails(acd.at("09:00:00").waits("c1").after(5), "c1").after(5), "c1")
    acd.expect(m.Divert, number="+49421115")
    partner_answers(acd.at("09:00:20"), "c1", "bremen").at("09:05:00").caller_hangs_up("c1")
    record = acd.record("c1")
    assert (record.partner, record.overflow_partner, record.overflow_trigger) == ("bremen", "bremen", "all-busy")
    assert (record.t_ovf, record.t_ovf_ans) == (moment("09:00:00"), moment("09:00:20"))  # first sent, at last taken


def test_nobody_is_sent_to_a_partner_where_everything_failed_but_to_the_last_word() -> None:
    acd = overflowing("all busy: partner oldenburg", "waited 20 s: release").at("09:00:00").waits("c1")
    partner_fails(acd, "c1").at("09:00:20").expect(m.Release, call="c1")
    assert acd.caller_hangs_up("c1").record("c1").outcome.result is Result.RELEASED


def test_the_record_names_the_trigger_that_sent_the_caller_to_the_partner() -> None:
    acd = overflowing("nobody signed in: partner oldenburg", "waited 20 s: release").at("09:00:00").waits("c1")
    record = partner_fails(acd, "c1").at("09:00:25").caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.RELEASED, "waited", Blame.US)
    assert (record.overflow_trigger, record.overflow_partner) == ("nobody-signed-in", "oldenburg")


def test_another_rung_between_two_numbers_does_not_begin_the_partners_numbers_anew() -> None:
    acd = overflowing(
        "waited 20 s: announce acd/long-wait", "all busy: partner oldenburg", numbers=("+4944112", "+4944113")
    )
    partner_fails(acd.at("09:00:00").waits("c1").at("09:00:25"), "c1")
    acd.held("c1")  # and the prompt is over
    assert [order.number for order in orders(acd, m.Divert)] == ["+4944112", "+4944113"]


# ------------------------------------------------------------ the circuit


def open_circuit(acd: Scenario) -> Scenario:
    """Three callers find the partner busy, each in turn."""
    for call in ("f1", "f2", "f3"):
        partner_fails(acd.waits(call), call)
    return acd


def test_three_failures_in_a_row_spare_everybody_the_ringing_for_a_minute() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    acd.expect(m.PartnerShut, partner="oldenburg", until=moment("09:01:00"))
    for call in ("f1", "f2", "f3"):
        acd.caller_hangs_up(call)
    acd.at("09:00:30").waits("c1")
    assert sent(acd.at("09:00:59.999")) == ["f1", "f2", "f3"]
    acd.at("09:01:00").expect(m.Divert, call="c1")


def test_two_failures_and_a_success_are_no_three_in_a_row() -> None:
    acd = overflowing("all busy: partner oldenburg").at("09:00:00")
    for call in ("f1", "f2"):
        partner_fails(acd.waits(call), call)
    partner_answers(acd.waits("c1"), "c1")
    for call in ("f3", "f4"):
        partner_fails(acd.waits(call), call)
    acd.waits("c2").expect(m.Divert, call="c2")


def test_what_we_did_not_hear_is_not_held_against_the_partner() -> None:
    """The link is slow, not Oldenburg: whoever comes next is sent there all the same."""
    acd = overflowing("all busy: partner oldenburg", ring_for=timedelta(seconds=15)).at("09:00:00")
    for call in ("f1", "f2", "f3"):
        acd.waits(call).after(18).expect(m.DivertMissed, call=call, reason="unheard")
        acd.held(call).caller_hangs_up(call)
    acd.waits("c1").expect(m.Divert, call="c1")


def test_the_first_call_after_the_minute_is_the_trial_and_decides_for_all() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    for call in ("f1", "f2", "f3"):
        acd.caller_hangs_up(call)
    partner_fails(acd.at("09:01:05").waits("c1"), "c1")
    acd.expect(m.PartnerShut, until=moment("09:02:05"))
    acd.at("09:01:30").waits("c2").expect_no(m.Divert)
    partner_answers(acd.at("09:02:05"), "c1")
    acd.waits("c3").expect(m.Divert, call="c3")


def test_while_the_trial_rings_nobody_else_is_sent() -> None:
    acd = open_circuit(overflowing("all busy: partner oldenburg").at("09:00:00"))
    acd.at("09:00:30").waits("c1").waits("c2").at("09:01:00")
    assert len(sent(acd)) == 4


def test_one_caller_with_several_numbers_is_one_failure_of_the_partner() -> None:
    acd = overflowing("all busy: partner oldenburg", numbers=("+4944112", "+4944113", "+4944114")).at("09:00:00")
    partner_fails(partner_fails(partner_fails(acd.waits("c1"), "c1"), "c1"), "c1")
    acd.waits("c2").expect(m.Divert, call="c2")


def test_a_caller_who_gives_up_while_the_partner_rings_is_no_failure_of_the_partners() -> None:
    acd = overflowing("all busy: partner oldenburg").at("09:00:00")
    for n in range(5):
        acd.waits(f"g{n}").caller_hangs_up(f"g{n}")
    record = acd.record("g4")
    assert record.outcome == Outcome(Result.ABANDONED, "partner-ringing", Blame.CALLER)
    assert (record.overflow_trigger, record.overflow_partner, record.partner) == ("all-busy", "oldenburg", None)
    acd.waits("c1").expect(m.Divert, call="c1")


# ------------------------------------------------------------ contracted channels, calls per hour, calendar


def test_who_finds_the_channels_full_waits_on_and_gets_the_next_longest_request_first() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", channels=2).at("09:00:00")
    for call in ("c4", "c3", "c2", "c1"):
        acd.waits(call).after(1)
    acd.at("09:00:30")
    assert sent(acd) == ["c4", "c3"]
    partner_answers(acd, "c3").at("09:01:00").caller_hangs_up("c3").expect(m.Divert, call="c2")
    acd.at("09:01:10").caller_hangs_up("c4").expect(m.Divert, call="c1")
    assert acd.acd._floor.partners.at(PartnerId("oldenburg")) == 2


def test_a_channel_is_free_again_when_an_own_agent_takes_the_ringing_caller() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1, agents=["anna"], ready=())
    acd.at("09:00:00").waits("c1").waits("c2").at("09:00:05").is_ready("anna")
    acd.expect(m.Offer, call="c1", agent="anna")
    acd.expect(m.Divert, call="c2")


def test_who_waits_for_a_channel_is_served_here_as_soon_as_somebody_is_free() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1, agents=["anna"], ready=()).at("09:00:00")
    partner_answers(acd.waits("c1"), "c1").waits("c2").at("09:00:05").is_ready("anna")
    acd.expect(m.Offer, call="c2", agent="anna")
    acd.talks("anna").at("09:01:00").caller_hangs_up("c1").expect_no(m.Divert)


def test_who_left_while_waiting_for_a_channel_does_not_hold_up_the_next() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00").waits("c1").waits("c2").waits("c3")
    acd.at("09:00:10").caller_hangs_up("c2").at("09:00:20").caller_hangs_up("c1").expect(m.Divert, call="c3")


def test_a_channel_that_is_free_again_behind_a_closed_circuit_is_not_forgotten() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00")
    for call in ("f1", "f2"):
        partner_fails(acd.waits(call), call).caller_hangs_up(call)
    acd.waits("f3").waits("c1").waits("c2")  # f3 rings there
    acd.at("09:00:10").tell(m.DivertFailed(CallId("f3"), PartnerId("oldenburg"), "busy")).caller_hangs_up("f3")
    acd.expect(m.PartnerShut, until=moment("09:01:10"))
    acd.at("09:00:30").caller_hangs_up("c1").at("09:01:10").expect(m.Divert, call="c2")


def test_a_partners_calls_per_hour_are_counted_within_any_sixty_minutes() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=2).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.at("09:10:00").waits("c2").caller_hangs_up("c2")  # how many are there at once is another matter
    acd.at("09:55:00").waits("c3").at("09:59:59.999")
    assert sent(acd) == ["c1", "c2"]
    acd.at("10:00:00").expect(m.Divert, call="c3")


def test_when_calls_of_the_hour_are_free_again_whoever_waits_longest_goes() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=1).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.at("09:50:00").waits("c9").at("09:50:10").waits("c10")
    assert sent(acd.at("10:00:00")) == ["c1", "c9"]


def test_an_order_the_switch_refused_is_none_of_the_hours_calls() -> None:
    acd = overflowing("all busy: partner oldenburg", calls_per_hour=1).at("09:00:00").waits("c1")
    acd.tell(m.OrderFailed(acd.expect(m.Divert), "no such channel", certain=True)).at("09:01:00")
    acd.expect(m.Divert, call="c1")


def test_a_partner_in_another_land_has_other_holidays() -> None:
    """Corpus Christi is none in Niedersachsen; the partner's day is over at six."""
    hours = (parse_hours("mon-fri 08:00-18:00"),)
    cologne = Calendar(CalendarId("cologne"), "Köln", hours, "NW")
    directory = replace(laddered("all busy: partner oldenburg"), calendars=(cologne,))
    directory = replace(directory, partners=(replace(directory.partners[0], calendar=cologne.id),))
    acd = Scenario(directory).until(datetime(2026, 6, 4, 8, 0, tzinfo=UTC)).waits("c1")
    assert sent(acd) == []
    acd.after(60).caller_hangs_up("c1").until(datetime(2026, 6, 5, 5, 59, 30, tzinfo=UTC)).waits("c2")
    not_yet(acd.after(29.999), m.Divert, "c2")
    acd.after(0.001).expect(m.Divert, call="c2")  # 08:00 in Cologne
    acd.until(datetime(2026, 6, 5, 16, 0, tzinfo=UTC)).waits("c3").expect_no(m.Divert)


@pytest.mark.parametrize("trigger", ["technical", "switched"])
def test_where_nobody_can_answer_here_no_gain_is_too_small(trigger: str) -> None:
    """Our people are ready, but their phones are gone, or the house is being cleared."""
    acd = overflowing(f"{trigger}: partner oldenburg", agents=["anna"], min_gain=timedelta(hours=1)).at("09:00:00")
    acd.phone_is("anna", PhoneState.UNREACHABLE)
    switched(acd, "10:00:00").waits("c1").expect(m.Divert, call="c1")


def test_a_partner_who_may_be_rung_for_long_is_rung_for_long() -> None:
    acd = overflowing("all busy: partner oldenburg", ring_for=timedelta(minutes=6)).at("09:00:00").waits("c1")
    assert acd.at("09:05:30").state("c1") == "diverting"


# ------------------------------------------------------------ our own agent, and the partner's


def test_an_own_agent_free_before_the_partner_answers_wins_and_the_late_answer_changes_nothing() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    partner_answers(acd, "c1").expect(m.Ignored, signal="DivertAnswered", why="call is offered")
    record = acd.at("09:00:27").talks("anna").agent_hangs_up("anna").record("c1")
    assert record.outcome == Outcome(Result.SERVED, "talked", Blame.NOBODY)
    assert (record.partner, record.t_ovf_ans, record.overflow_partner) == (None, None, "oldenburg")
    assert record.waited == timedelta(seconds=27)


def test_a_partner_who_answered_first_keeps_the_caller() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    partner_answers(acd.at("09:00:25"), "c1").is_ready("anna").expect_no(m.Offer)
    assert acd.state("c1") == "diverted"
    assert acd.agent_state("anna") == "available"


def test_our_agent_did_not_answer_either_and_the_partner_is_rung_again_at_once() -> None:
    acd = overflowing("all busy: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:05").is_ready("anna").at("09:00:25").offer_failed("anna").held("c1")
    assert sent(acd) == ["c1", "c1"]


def test_an_offer_refused_while_the_partner_rings_leaves_the_caller_there() -> None:
    """Nothing moved, so the partner rings on; its answer must count."""
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").is_ready("anna").refused("anna")
    partner_answers(acd.at("09:00:26"), "c1").at("09:02:00").caller_hangs_up("c1")
    assert acd.record("c1").outcome == Outcome(Result.OVERFLOWED, "partner", Blame.NOBODY)


def test_the_end_of_a_prompt_does_not_fetch_the_caller_back_from_the_partner() -> None:
    """The prompt was over, and the caller told as held, before the order to the partner reached the switch."""
    acd = overflowing("waited 15 s: announce acd/long-wait", "waited 20 s: partner oldenburg")
    acd.at("09:00:00").waits("c1").at("09:00:15").expect(m.Say, call="c1")
    acd.at("09:00:35").expect(m.Divert, call="c1")
    acd.tell(m.CallerHeld(C1))
    assert sent(acd) == ["c1"]
    assert acd.state("c1") == "diverting"


def test_the_end_of_a_prompt_does_not_release_a_caller_twice() -> None:
    acd = overflowing("waited 15 s: announce acd/long-wait", "waited 20 s: release")
    acd.at("09:00:00").waits("c1").at("09:00:20").held("c1").at("09:01:00")
    assert acd.state("c1") == "released"


def test_a_doubled_failure_of_the_first_partner_is_not_the_seconds() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen").at("09:00:00").waits("c1")
    partner_fails(acd, "c1").expect(m.Divert, partner="bremen")
    acd.tell(m.DivertFailed(C1, PartnerId("oldenburg"), "busy"))
    assert acd.state("c1") == "diverting"


def test_a_late_refusal_of_the_first_order_is_not_the_seconds() -> None:
    acd = overflowing("all busy: partner oldenburg", "all busy: partner bremen").at("09:00:00").waits("c1")
    first = acd.expect(m.Divert, partner="oldenburg")
    partner_fails(acd, "c1").tell(m.OrderFailed(first, "gone", certain=True))
    assert acd.state("c1") == "diverting"


def test_a_partner_who_answered_while_we_could_not_see_keeps_the_caller() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").switch_lost().at("09:00:40")
    acd.switch_found(m.SwitchCall(C1, "partner", partner=PartnerId("oldenburg")))
    acd.at("09:00:50").is_ready("anna").expect_no(m.Offer)  # it would tear two people apart
    assert acd.caller_hangs_up("c1").record("c1").outcome.result is Result.OVERFLOWED


def test_a_partner_ringing_while_we_could_not_see_rings_on() -> None:
    acd = overflowing("waited 20 s: partner oldenburg", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.at("09:00:25").switch_lost().at("09:00:40")
    acd.switch_found(m.SwitchCall(C1, "overflow", partner=PartnerId("oldenburg"))).expect_no(m.Divert)
    partner_answers(acd.at("09:00:45"), "c1").caller_hangs_up("c1")
    assert acd.record("c1").t_ovf_ans == moment("09:00:45")


# ------------------------------------------------------------ the dispatch line


def dispatch(ladder: str = "all busy: partner oldenburg") -> Directory:
    """The Ordnungsdienst on the Region's number; Langenhagen's queue is everybody's information."""
    directory = laddered(ladder, agents=["anna"])
    return queue_is(directory, "region", priority=5, to_partners=False)


def test_the_dispatch_line_is_answered_before_a_full_information_queue() -> None:
    acd = Scenario(dispatch("waited 600 s: release")).at("09:00:00").waits("c0").talks("anna")
    for n in range(1, 9):
        acd.at(f"09:00:0{n}").waits(f"c{n}")
    acd.at("09:05:00").waits("d1", REGION).at("09:05:10").agent_hangs_up("anna")
    acd.expect(m.Offer, call="d1", agent="anna")


def test_the_dispatch_line_never_reaches_a_partner() -> None:
    """Not even by a ladder that the directory should have refused, not by another queue's."""
    directory = queue_is(dispatch(), "region", ladder=(parse_rung("all busy: queue langenhagen"),))
    acd = Scenario(directory, ready=()).at("09:00:00").waits("d1", REGION).waits("c1").at("09:10:00")
    assert set(sent(acd)) == {"c1"}


# ------------------------------------------------------------ we are somebody's Oldenburg


def helping(*ladder: str, agents: Sequence[str] = ("anna", "bert"), **traits: Any) -> Directory:
    directory = laddered(*ladder, agents=agents)
    entry = Entry(SENT_TO_US, TenantId("langenhagen"), QueueId("langenhagen"), EntryKind.PARTNER_INBOUND, "standard")
    return replace(directory, entries=(*directory.entries, replace(entry, **traits)))


def test_no_more_of_a_partners_calls_than_we_promised() -> None:
    acd = Scenario(helping(at_most=2)).at("09:00:00")
    for call in ("p1", "p2", "p3"):
        acd.arrives(call, SENT_TO_US, ani=None)
    acd.expect(m.Treat, call="p2", verdict=m.Verdict.HOLD)
    acd.expect(m.Treat, call="p3", verdict=m.Verdict.BUSY)
    record = acd.caller_hangs_up("p3", cause=17).record("p3")
    assert record.outcome == Outcome(Result.REFUSED, "partner-limit", Blame.US)
    assert (record.kind, record.t_leave) == (EntryKind.PARTNER_INBOUND, None)
    acd.caller_hangs_up("p1").arrives("p4", SENT_TO_US, ani=None).expect(m.Treat, call="p4", verdict=m.Verdict.HOLD)


def test_a_refused_call_that_is_not_gone_yet_takes_nobodys_place() -> None:
    acd = Scenario(helping(at_most=1)).at("09:00:00")
    acd.arrives("p1", SENT_TO_US, ani=None).arrives("p2", SENT_TO_US, ani=None).caller_hangs_up("p1")
    acd.arrives("p3", SENT_TO_US, ani=None).expect(m.Treat, call="p3", verdict=m.Verdict.HOLD)


def test_a_partners_call_is_taken_only_while_enough_of_us_stay_free() -> None:
    acd = Scenario(helping(spare=1)).at("09:00:00").waits("p1", SENT_TO_US)
    acd.expect(m.Offer, call="p1", agent="anna")
    acd.talks("anna").arrives("p2", SENT_TO_US, ani=None).expect(m.Treat, call="p2", verdict=m.Verdict.BUSY)
    assert acd.caller_hangs_up("p2", 17).record("p2").outcome.reason == "none-to-spare"
    acd.arrives("c1").expect(m.Treat, call="c1", verdict=m.Verdict.HOLD)  # of course


def test_two_of_a_partners_calls_in_one_breath_do_not_take_the_last_one_of_us() -> None:
    acd = Scenario(helping(spare=1, greeting="acd/welcome")).at("09:00:00")
    acd.arrives("p1", SENT_TO_US, ani=None).arrives("p2", SENT_TO_US, ani=None)
    acd.expect(m.Treat, call="p2", verdict=m.Verdict.BUSY)


def test_a_partners_call_is_never_sent_on() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", "waited 60 s: release", agents=())).at("09:00:00")
    acd.waits("p1", SENT_TO_US).waits("c1")
    assert sent(acd) == ["c1"]
    acd.at("09:01:00").expect(m.Release, call="p1")


def test_a_partners_call_is_never_sent_on_from_another_town_either() -> None:
    """Our agent handed it to Hannover's number, whose people are gone."""
    directory = queue_is(helping(agents=["anna"]), "hannover", ladder=(parse_rung("waited 20 s: partner oldenburg"),))
    acd = Scenario(directory).at("09:00:00").waits("p1", SENT_TO_US).talks("anna").is_not_ready("anna")
    acd.at("09:01:00").transferred("p1", "1680").arrives("p1", HANNOVER).held("p1").at("09:02:00")
    assert sent(acd) == []


def test_a_call_of_ours_that_comes_back_from_the_partner_is_refused_there() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1")
    acd.arrives("p1", SENT_TO_US).expect(m.Treat, call="p1", verdict=m.Verdict.BUSY)
    assert acd.caller_hangs_up("p1", 17).record("p1").outcome == Outcome(Result.REFUSED, "loop", Blame.US)
    acd.arrives("p2", SENT_TO_US, ani="+4930115").expect(m.Treat, call="p2", verdict=m.Verdict.HOLD)
    acd.arrives("p3", SENT_TO_US, ani=None).expect(m.Treat, call="p3", verdict=m.Verdict.HOLD)


def test_the_loop_is_seen_in_whatever_form_the_partner_writes_the_number() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1")
    acd.arrives("p1", SENT_TO_US, ani="051123559876").expect(m.Treat, call="p1", verdict=m.Verdict.BUSY)


def test_a_caller_who_was_with_the_partner_before_and_is_sent_to_us_now_is_no_loop() -> None:
    acd = Scenario(helping("all busy: partner oldenburg", agents=())).at("09:00:00").waits("c1").caller_hangs_up("c1")
    acd.arrives("p1", SENT_TO_US).expect(m.Treat, call="p1", verdict=m.Verdict.HOLD)


# ------------------------------------------------------------ what is known of the line


def test_the_line_of_which_waits_are_learnt_is_as_long_as_the_line() -> None:
    acd = overflowing(agents=["anna"]).at("09:00:00").waits("c1").talks("anna").waits("c2").at("09:01:00")
    acd.agent_hangs_up("anna").talks("anna")
    assert acd.acd._floor.outlook._lines[QueueId("langenhagen")] == acd.acd._floor.roster.matching.waiting == 0


# ------------------------------------------------------------ orders the switch refuses


def test_a_refused_order_to_the_partner_is_given_again_and_is_nobodys_failure() -> None:
    """After a minute: meanwhile the rungs below have their turn."""
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00").waits("c1")
    for minute in (1, 2, 3, 4):
        acd.tell(m.OrderFailed(acd.expect(m.Divert, call="c1"), "refused", certain=True))
        assert acd.acd._floor.partners.at(PartnerId("oldenburg")) == 0
        acd.at(f"09:0{minute}:00")
    acd.expect(m.Divert, call="c1")


def test_an_order_to_the_partner_of_which_nobody_knows_is_left_to_its_deadline() -> None:
    acd = overflowing("all busy: partner oldenburg").at("09:00:00").waits("c1")
    acd.tell(m.OrderFailed(acd.expect(m.Divert), "timeout", certain=False)).expect(m.Ignored, signal="OrderFailed")
    assert acd.state("c1") == "diverting"
    acd.at("09:00:32").expect(m.Hold, call="c1")


@pytest.mark.parametrize("certain", [True, False])
def test_a_prompt_that_could_not_be_played_is_not_missed(*, certain: bool) -> None:
    acd = overflowing("all busy: announce acd/long-wait", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.tell(m.OrderFailed(acd.expect(m.Say), "refused", certain))
    assert acd.state("c1") == "waiting"
    acd.at("09:00:01").is_ready("anna").expect(m.Offer, call="c1")


def test_a_caller_whom_the_switch_would_not_release_waits_on() -> None:
    acd = overflowing("waited 30 s: release", agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:00:30")
    acd.tell(m.OrderFailed(acd.expect(m.Release), "refused", certain=True))
    assert acd.state("c1") == "waiting"
    acd.at("09:00:33").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    record = acd.talks("anna").agent_hangs_up("anna").record("c1")
    assert (record.outcome.result, record.overflow_trigger) == (Result.SERVED, "")


def test_a_release_of_which_nobody_knows_is_settled_by_the_next_picture() -> None:
    acd = overflowing("waited 30 s: release", agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:00:30")
    acd.tell(m.OrderFailed(acd.expect(m.Release), "timeout", certain=False))
    assert acd.state("c1") == "released"
    acd.at("09:01:00").switch_found(m.SwitchCall(C1, "wait"), audit=True).is_ready("anna")
    acd.expect(m.Offer, call="c1", agent="anna")


# ------------------------------------------------------------ another directory in the midst


LADDER = ("waited 20 s: partner oldenburg", "waited 30 s: announce acd/long-wait")


def test_the_partner_who_rings_is_gone_from_the_directory() -> None:
    acd = overflowing(*LADDER, agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:00:25")
    new = replace(laddered(agents=["anna"]), partners=(BREMEN,))
    partner_fails(acd.tell(m.DirectoryChanged(new)), "c1").expect(m.DivertMissed, partner="oldenburg")
    acd.at("09:00:40").is_ready("anna").expect(m.Offer, call="c1", agent="anna")


def test_the_partner_who_answers_is_gone_from_the_directory() -> None:
    acd = overflowing(*LADDER).at("09:00:00").waits("c1").at("09:00:25")
    acd.tell(m.DirectoryChanged(replace(laddered(), partners=(BREMEN,))))
    assert partner_answers(acd, "c1").caller_hangs_up("c1").record("c1").partner == "oldenburg"


def test_a_queue_that_helped_is_gone_and_the_call_still_has_its_own() -> None:
    acd = overflowing("all busy: queue 115", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    old = laddered(agents=["anna"])
    without = replace(
        old,
        queues=tuple(q for q in old.queues if q.id != "115"),
        entries=tuple(e for e in old.entries if e.queue != "115"),
    )
    acd.tell(m.DirectoryChanged(without)).at("09:00:05").is_ready("anna").expect(m.Offer, call="c1", agent="anna")


def test_more_channels_are_used_at_once() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=1).at("09:00:00").waits("c1").waits("c2")
    acd.tell(m.DirectoryChanged(laddered("all busy: partner oldenburg", channels=2)))
    assert sent(acd) == ["c1", "c2"]
    assert acd.acd._floor.partners.at(PartnerId("oldenburg")) == 2


def test_fewer_channels_tear_nobody_away() -> None:
    acd = overflowing("all busy: partner oldenburg", channels=2).at("09:00:00").waits("c1").waits("c2")
    acd.tell(m.DirectoryChanged(laddered("all busy: partner oldenburg", channels=1))).waits("c3")
    acd.caller_hangs_up("c1").expect_no(m.Divert, call="c3")
    acd.caller_hangs_up("c2").expect(m.Divert, call="c3")


def test_an_edit_elsewhere_does_not_make_callers_hear_everything_again() -> None:
    ladder = "waited 20 s: announce acd/long-wait"
    acd = overflowing(ladder).at("09:00:00").waits("c1").at("09:00:30")
    acd.tell(m.DirectoryChanged(laddered(ladder, agents=["anna"]))).at("09:01:00")
    assert len(orders(acd, m.Say)) == 1


def test_a_queue_that_is_gone_is_switched_over_no_more() -> None:
    ladder = parse_rung("switched: partner oldenburg")
    old = queue_is(laddered(), "hannover", ladder=(ladder,))
    acd = switched(Scenario(old), "10:00:00", queue="hannover").at("09:00:00")
    gone = replace(
        old,
        queues=tuple(q for q in old.queues if q.id != "hannover"),
        entries=tuple(replace(e, queue=QueueId("langenhagen")) if e.queue == "hannover" else e for e in old.entries),
    )
    acd.tell(m.DirectoryChanged(gone)).tell(m.DirectoryChanged(old)).waits("h1", HANNOVER)
    assert sent(acd) == []


def test_a_number_that_is_gone_while_its_caller_hears_the_greeting() -> None:
    """The signal of the arrival comes twice, as signals do; the town is gone with the number."""
    old = laddered(agents=["anna"])
    region = [e for e in old.entries if e.tenant != "region"]
    acd = Scenario(old).at("09:00:00").arrives("c1", REGION)
    acd.tell(m.DirectoryChanged(replace(
        old, entries=tuple(region), tenants=tuple(t for t in old.tenants if t.id != "region")
    )))  # fmt: skip
    acd.arrives("c1", REGION).held("c1").expect(m.Offer, call="c1", agent="anna")


# ------------------------------------------------------------ what is said of it


def test_an_offer_says_from_which_rung_of_the_ladder_it_came() -> None:
    acd = overflowing("all busy: queue 115", agents=[demo_agent("anna", {"115": 3})]).at("09:00:00").waits("c1")
    assert "queue 115" in acd.expect(m.OfferMade, call="c1").why


def test_what_is_doubled_is_told_once() -> None:
    acd = Scenario(shut(laddered(), holiday=False)).at("09:00:00").arrives("c1").arrives("c1")
    assert len([n for _, _, outs in acd.story for n in outs if isinstance(n, m.CallReleased)]) == 1


def test_after_our_restart_a_caller_found_with_the_partner_keeps_channel_and_place() -> None:
    acd = Scenario(laddered("waited 20 s: partner oldenburg", agents=["anna"], channels=1), ready=(), found=False)
    there = m.SwitchCall(C1, "overflow", QueueId("langenhagen"), moment("08:59:00"), partner=PartnerId("oldenburg"))
    other = m.SwitchCall(CallId("c2"), "wait", QueueId("langenhagen"), moment("08:59:10"))
    acd.at("09:00:00").switch_found(there, other).expect_no(m.Divert)  # the one channel is taken
    acd.at("09:00:05").is_ready("anna").expect(m.Offer, call="c1", agent="anna")
    assert acd.talks("anna").agent_hangs_up("anna").record("c1").t_in == moment("08:59:00")


def test_after_our_restart_a_phone_found_talking_is_nobodys_technical_fault() -> None:
    acd = Scenario(laddered("technical: partner oldenburg", agents=["anna"]), found=False).at("09:00:00")
    acd.tell(m.SwitchFound("pbx", (), ((Phone("phone-anna"), PhoneState.IN_USE),), moment("09:00:00"))).waits("c1")
    assert sent(acd) == []


# ------------------------------------------------------------ a town's debt


def test_a_town_starts_a_new_day_without_the_debt_of_the_last() -> None:
    """Hannover was served badly on Monday. On Tuesday whoever came first is first again."""
    directory = demo_directory(["anna"], wrap_up_s=0)
    anna = replace(directory.agents[0], team=TeamId("all"))
    directory = replace(directory, agents=(anna,), teams=(Team(TeamId("all"), "all", help_debt=True),))

    def who_is_first(day: str) -> str:
        acd = Scenario(directory, ready=()).at("22:40:00")
        for n in range(9):
            acd.waits(f"x{n}", dialled=HANNOVER).after(60).caller_hangs_up(f"x{n}")
        acd.until(datetime.fromisoformat(day))
        acd.waits("langenhagens").after(5).waits("hannovers", dialled=HANNOVER).is_ready("anna")
        return acd.expect(m.Offer).call

    assert who_is_first("2026-03-02T22:59:40+00:00") == "hannovers"  # 23:59:40 in Berlin
    assert who_is_first("2026-03-02T23:00:00+00:00") == "langenhagens"


# ------------------------------------------------------------ to be called back


def test_a_caller_who_presses_the_key_is_promised_to_be_called_back() -> None:
    acd = overflowing("waited 60 s: callback").at("09:00:00").waits("c1").at("09:01:00")
    acd.expect(m.Say, call="c1", prompt="acd/callback-offer", callback=True)
    acd.after(9).tell(m.CallbackAsked(C1))
    acd.expect(m.RememberCall, call="c1", ani="+4951123559876", callback_at=moment("09:01:09"))
    acd.expect(m.CallbackPromised, call="c1", tenant="langenhagen")
    acd.expect(m.Release, call="c1", prompt="acd/callback-noted", again=False)
    record = acd.held("c1").is_ready("anna").after(5).caller_hangs_up("c1").record("c1")
    not_yet(acd, m.Offer)
    assert record.outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    assert (record.ani, record.t_callback) == ("+4951123559876", moment("09:01:09"))


def test_the_wish_is_kept_before_it_is_confirmed() -> None:
    acd = overflowing("all busy: callback").at("09:00:00").waits("c1")
    outs = [type(out) for out in acd.tell(m.CallbackAsked(C1)).story[-1][2]]
    assert outs.index(m.RememberCall) < outs.index(m.Release)


def test_a_caller_who_presses_nothing_waits_on_and_is_not_asked_twice() -> None:
    acd = overflowing("waited 60 s: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1").at("09:01:12")
    acd.held("c1").at("09:05:00").is_ready("anna").expect(m.Offer, call="c1")
    assert len(orders(acd, m.Say)) == 1


def test_an_agent_free_during_the_offer_of_a_callback_gets_the_call() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    acd.tell(m.CallbackAsked(C1))  # pressed in the same moment
    record = acd.talks("anna").after(60).caller_hangs_up("c1").record("c1")
    assert (record.outcome.result, record.t_callback) == (Result.SERVED, None)
    not_yet(acd, m.CallbackPromised)


@pytest.mark.parametrize("late", [False, True])
def test_who_pressed_the_key_and_whose_agent_does_not_answer_is_called_back(*, late: bool) -> None:
    """``late``: we hear of the key only after the phone has stopped ringing."""
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    if late:
        acd.offer_failed("anna").tell(m.CallbackAsked(C1)).held("c1")
    else:
        acd.tell(m.CallbackAsked(C1)).after(20).offer_failed("anna").held("c1")
    acd.expect(m.RememberCall, call="c1", ani="+4951123559876")
    acd.expect(m.Release, call="c1", prompt="acd/callback-noted", again=False)
    assert acd.after(5).caller_hangs_up("c1").record("c1").outcome.result is Result.CALLBACK


def test_who_pressed_the_key_and_left_while_a_phone_rang_is_called_back() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").expect(m.Offer, call="c1")
    record = acd.tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert (record.outcome.result, record.t_callback, record.t_leave) == (Result.CALLBACK, moment("09:00:08"), None)
    acd.expect(m.CallbackPromised, call="c1")


def test_a_key_pressed_for_somebody_who_answered_is_not_remembered_in_the_next_wait() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(3).is_ready("anna").tell(m.CallbackAsked(C1)).talks("anna").after(60).is_not_ready("anna")
    acd.transferred("c1", "2001").after(20).held("c1").after(60)
    not_yet(acd, m.Release)
    assert acd.state("c1") == "waiting"


@pytest.mark.parametrize(
    "ani",
    [None, "", "anonymous", "115", "0000000000", "+49110", "0118 33", "0137 1234567", "+49900123456", "0511 7307-0"],
)
def test_a_caller_without_a_number_is_not_offered_a_callback(ani: str | None) -> None:
    acd = overflowing("all busy: callback", "waited 20 s: announce acd/long-wait").at("09:00:00")
    acd.arrives("c1", ani=ani).held("c1").at("09:00:20")
    assert [say.prompt for say in orders(acd, m.Say)] == ["acd/long-wait"]
    acd.tell(m.CallbackAsked(C1)).expect(m.Ignored, why="no number to call back")


@pytest.mark.parametrize("ani", ["+4951123559876", "0170 1234567", "0043 1 4000", "0511 7307-230", "0906 12345"])
def test_a_caller_with_a_number_is(ani: str) -> None:
    """Also at a telephone in the town hall, and in Donauwörth."""
    acd = overflowing("all busy: callback").at("09:00:00").arrives("c1", ani=ani).held("c1")
    acd.expect(m.Say, call="c1", callback=True)


def test_a_promise_survives_a_restart_and_a_caller_who_left_meanwhile() -> None:
    directory = laddered("all busy: callback")
    acd = Scenario(directory).at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    kept = acd.expect(m.RememberCall, callback_at=moment("09:00:00"))
    again = Scenario(directory, calls=[kept], found=False).at("09:10:00").switch_found()  # and nobody is there
    assert again.record("c1").outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    assert again.record("c1").t_callback == moment("09:00:00")


def test_who_was_promised_a_call_and_is_found_waiting_after_a_restart_is_told() -> None:
    directory = laddered("all busy: callback")
    acd = Scenario(directory).at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    kept = acd.expect(m.RememberCall, callback_at=moment("09:00:00"))
    again = Scenario(directory, calls=[kept], found=False).at("09:00:05")
    again.switch_found(m.SwitchCall(C1, "wait")).expect(m.Release, call="c1", prompt="acd/callback-noted")
    assert again.after(5).caller_hangs_up("c1").record("c1").t_callback == moment("09:00:00")
    not_yet(again, m.CallbackPromised)  # once is enough


def test_a_promise_stands_where_the_last_words_could_not_be_said() -> None:
    """The caller waits on and is answered after all; or is not, and is owed a call."""
    for agents, result in ((["anna"], Result.SERVED), ([], Result.CALLBACK)):
        acd = overflowing("all busy: callback", agents=agents, ready=()).at("09:00:00").waits("c1")
        acd.tell(m.CallbackAsked(C1))
        acd.tell(m.OrderFailed(acd.expect(m.Release), "no such channel", certain=True)).after(5)
        if agents:
            acd.is_ready("anna").talks("anna")
        record = acd.after(60).caller_hangs_up("c1").record("c1")
        assert (record.outcome.result, record.t_callback) == (result, moment("09:00:00"))


def test_failsafe_does_not_forget_who_was_promised_to_be_called_back() -> None:
    acd = overflowing("all busy: callback").at("09:00:00").waits("c1").tell(m.CallbackAsked(C1))
    record = acd.tell(m.CallTakenByFailsafe(C1, "heartbeat")).after(30).caller_hangs_up("c1").record("c1")
    assert record.outcome.result is Result.CALLBACK


def test_a_promise_after_a_conversation_is_owed_all_the_same() -> None:
    """The office to which anna transferred the caller did not answer."""
    acd = overflowing("all busy: callback", agents=["anna"]).at("09:00:00").waits("c1").talks("anna").at("09:01:00")
    acd.is_not_ready("anna").transferred("c1", "2001").after(20).held("c1").expect(m.Say, callback=True)
    record = acd.after(8).tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CALLBACK, "promised", Blame.NOBODY)
    found = figures([record])
    assert (found.offered, found.answered, found.promised) == (1, 1, 0)


def test_a_callback_promised_at_night_is_owed_and_in_no_service_level() -> None:
    acd = Scenario(shut(laddered("closed by hours: callback"), holiday=False)).at("09:00:00").waits("c1")
    record = acd.tell(m.CallbackAsked(C1)).after(5).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CALLBACK, "closed-by-hours", Blame.NOBODY)
    assert (figures([record]).offered, figures([record]).closed) == (0, 1)
    assert acd.acd._floor.debt.short == {}


def test_a_callback_that_the_switch_would_not_offer_is_offered_again() -> None:
    acd = overflowing("waited 10 s: callback").at("09:00:00").waits("c1").at("09:00:10")
    acd.tell(m.OrderFailed(acd.expect(m.Say), "refused", certain=True)).at("09:01:09").expect_no(m.Say)
    acd.at("09:01:10").expect(m.Say, call="c1", callback=True)


def test_the_offer_of_a_callback_cut_short_by_a_phone_nobody_answers_comes_again() -> None:
    acd = overflowing("all busy: callback", agents=["anna"], ready=()).at("09:00:00").waits("c1")
    acd.after(1).is_ready("anna").after(3).offer_failed("anna", "declined").held("c1")
    acd.expect(m.Say, call="c1", callback=True)


def test_who_is_offered_a_callback_at_night_is_not_asked_to_stay_on_the_line() -> None:
    acd = Scenario(shut(laddered("closed by hours: callback"), holiday=False)).at("20:00:00").waits("c1")
    acd.expect(m.Say, call="c1", prompt="acd/closed-callback", callback=True)
    acd.after(12).held("c1").expect(m.Release, call="c1", prompt="acd/closed")


# ------------------------------------------------------------ closing soon


def closing_early(*ladder: str) -> Scenario:
    """Open till 9:45; only anna is there, and her conversations take fifteen minutes."""
    calendar = Calendar(CalendarId("early"), "early", (parse_hours("daily 07:00-10:45"),))  # an hour later in Berlin
    directory = laddered(*ladder, agents=["anna"], steps=("from 0 s: citizens>=1", "from 600 s: any"))
    directory = entries_are(replace(directory, calendars=(calendar,)), EntryKind.MAIN_NUMBER, calendar=calendar.id)
    acd = Scenario(directory)
    for n in range(4):
        acd.waits(f"x{n}").talks("anna").after(900).caller_hangs_up(f"x{n}")
    for n in range(4, 10):
        acd.waits(f"x{n}")
    return acd.talks("anna")


def test_who_will_not_be_served_before_closing_is_told_so() -> None:
    acd = closing_early().at("09:10:00").waits("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-soon", False)


def test_who_will_not_be_served_before_closing_is_offered_a_callback() -> None:
    acd = closing_early("closing soon: callback").at("09:10:00").waits("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-callback", True)
    acd.tell(m.CallbackAsked(C1)).expect(m.Release, call="c1", prompt="acd/callback-noted")


def test_who_cannot_be_called_back_is_at_least_told_that_we_close_soon() -> None:
    acd = closing_early("closing soon: callback").at("09:10:00").arrives("c1", ani=None).held("c1")
    [say] = [order for order in orders(acd, m.Say) if order.call == "c1"]
    assert (say.prompt, say.callback) == ("acd/closing-soon", False)


def test_who_waits_for_people_in_their_break_is_told_five_minutes_before_closing() -> None:
    acd = closing_early().is_not_ready("anna").at("09:30:00").waits("c1").at("09:39:59")
    not_yet(acd, m.Say)
    acd.at("09:40:00").expect(m.Say, call="c1", prompt="acd/closing-soon")


def test_who_will_be_served_before_closing_hears_nothing_of_it() -> None:
    acd = closing_early("closing soon: callback")
    assert not [order for order in orders(acd, m.Say) if order.call == "x5"]


@pytest.mark.parametrize("action", ["widen 1", "queue region"])
def test_a_rung_that_says_nothing_does_not_keep_from_the_caller_that_we_close(action: str) -> None:
    acd = closing_early(f"closing soon: {action}").at("09:10:00").waits("c1")
    acd.expect(m.CallWidened, call="c1")
    assert [say.prompt for say in orders(acd, m.Say) if say.call == "c1"] == ["acd/closing-soon"]
