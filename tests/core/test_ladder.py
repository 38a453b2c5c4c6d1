"""Call sheets of the overflow ladder: who is helped elsewhere, when, and what becomes of the place here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import (
    CallId,
    PartnerId,
    Phone,
    QueueId,
    Team,
    TeamId,
)
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.rules import parse_rung
from dialog_acd.testing import HANNOVER, REGION, Scenario, demo_agent, demo_directory
from ladders import (
    BREMEN,
    C1,
    laddered,
    moment,
    not_yet,
    orders,
    overflowing,
    partner_answers,
    partner_fails,
    queue_is,
    sent,
    shut,
    switched,
)

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory


# ------------------------------------------------------------ every trigger with every action


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
    switched(acd, "09:30:00").expect(
        m.SwitchTurned, kind="overflow", about="langenhagen", until=moment("09:30:00"), by="frau-meyer"
    )
    acd.expect(m.CallDiverted, call="c1", trigger="switched")
    acd.at("09:29:59.999").waits("c2").expect(m.Divert, call="c2")
    acd.at("09:30:00").waits("c3").expect_no(m.Divert)
    assert sent(acd) == ["c1", "c2"]


def test_switched_back_before_its_time() -> None:
    acd = switched(overflowing("switched: partner oldenburg"), "10:00:00").at("09:00:00").waits("c1")
    switched(acd, None).expect(m.SwitchTurned, until=None)
    acd.waits("c2")
    assert sent(acd) == ["c1"]
    assert acd.state("c1") == "diverting"  # whoever rings there goes on ringing


def test_a_later_word_of_the_supervisor_counts() -> None:
    acd = switched(switched(overflowing("switched: partner oldenburg"), "10:00:00"), "09:10:00")
    assert sent(acd.at("09:10:00").waits("c1")) == []


def test_a_queue_nobody_knows_cannot_be_switched() -> None:
    acd = switched(overflowing(), "10:00:00", queue="atlantis")
    acd.expect(m.Ignored, signal="SupervisorSwitched", why="unknown queue", about="atlantis")


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
