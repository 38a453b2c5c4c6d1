"""Call sheets of numbers that several towns share: whose is a call, who says so, and until when. And of test calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.kpi import By, figures, grouped
from dialog_acd.core.model import UNASSIGNED, AgentId, CallId, EntryKind, PartnerId, Team, TeamId, TenantId
from dialog_acd.core.rules import parse_rung
from dialog_acd.testing import LANGENHAGEN, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory

C1 = CallId("c1")
HANNOVER, TOWN, REGION = TenantId("hannover"), TenantId("langenhagen"), TenantId("region")
CODES = {HANNOVER: "1", TOWN: "2", REGION: "33"}
CANARY = "+493023125777"
DAY = 24 * 3600


def shared(*agents: str, wrap_up_s: float = 10) -> Directory:
    """115 is Hannover's or Langenhagen's; the Region has a number of its own."""
    made = demo_directory(agents or ("anna", "bert"), wrap_up_s=wrap_up_s)
    return replace(
        made,
        tenants=tuple(replace(t, code=CODES[t.id]) for t in made.tenants),
        entries=tuple(
            replace(e, candidates=(HANNOVER, TOWN)) if e.kind is EntryKind.SERVICE_115 else e for e in made.entries
        ),
        test_callers=(CANARY,),
    )


def answered(dialled: str = "115", directory: Directory | None = None) -> Scenario:
    """Anna talks with c1."""
    return Scenario(directory or shared()).at("09:00:00").waits("c1", dialled).after(5).talks("anna").after(60)


def named(call: str, tenant: str, **more: object) -> m.TownNamed:
    return replace(m.TownNamed(CallId(call), TenantId(tenant), "desk"), **more)  # type: ignore[arg-type]


def dials(agent: str, code: str) -> m.TownDialled:
    return m.TownDialled(AgentId(agent), code)


def live_town(acd: Scenario) -> str:
    return next(c.tenant for c in acd.acd.view().calls if c.id == C1)


# ---------------------------------------------------------------- whose call is it


def test_a_call_that_may_be_several_towns_is_nobodys_until_somebody_says_whose() -> None:
    acd = answered().agent_hangs_up("anna")
    record = acd.record("c1")
    assert (record.tenant, record.candidates) == (UNASSIGNED, (HANNOVER, TOWN))
    acd.expect(m.CallOffered, tenant=UNASSIGNED)
    acd.expect(m.CallAnswered, tenant=UNASSIGNED)


def test_a_call_to_a_towns_own_number_is_the_towns() -> None:
    record = answered(LANGENHAGEN).agent_hangs_up("anna").record("c1")
    assert (record.tenant, record.candidates) == (TOWN, ())


def test_the_phone_shows_that_the_town_is_the_question_and_no_town() -> None:
    acd = Scenario(shared()).at("09:00:00").arrives("c1", "115")
    assert acd.expect(m.Treat).label == "115 Ort?"


def test_a_town_that_was_named_stands_on_the_record() -> None:
    acd = answered().tell(named("c1", "langenhagen"))
    acd.expect(m.CallAssigned, call="c1", before=UNASSIGNED, tenant=TOWN, by="desk", agent=None, counted=False)
    assert live_town(acd) == TOWN
    assert acd.agent_hangs_up("anna").record("c1").tenant == TOWN


def test_what_is_told_of_a_call_names_the_town_it_has_by_then() -> None:
    acd = Scenario(shared(), ready=()).at("09:00:00").waits("c1", "115").tell(named("c1", "hannover"))
    acd.is_ready("anna").talks("anna").expect(m.CallAnswered, tenant=HANNOVER)
    acd.waits("c2", "115").tell(named("c2", "hannover")).caller_hangs_up("c2").expect(m.CallAbandoned, tenant=HANNOVER)
    assert acd.record("c2").tenant == HANNOVER


def test_the_desk_is_shown_what_can_be_chosen() -> None:
    acd = answered()
    [call] = acd.acd.view().calls
    assert call.tenant == UNASSIGNED
    assert [(t.id, t.name, t.code) for t in call.candidates] == [
        ("hannover", "Hannover", "1"),
        ("langenhagen", "Langenhagen", "2"),
    ]


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        (named("c1", "region"), "not-a-candidate"),
        (named("c1", "atlantis"), "no-such-town"),
        (named("c1", "atlantis", anywhere=True), "no-such-town"),
        (named("c9", "hannover"), "no-such-call"),
    ],
)
def test_what_cannot_be_named(signal: m.TownNamed, why: str) -> None:
    acd = answered().tell(signal)
    acd.expect(m.Ignored, signal="TownNamed", why=why)
    assert live_town(acd) == UNASSIGNED


def test_whoever_answers_for_all_towns_may_name_any() -> None:
    assert answered().tell(named("c1", "region", anywhere=True)).agent_hangs_up("anna").record("c1").tenant == REGION
    acd = answered(LANGENHAGEN).tell(named("c1", "hannover"))
    acd.expect(m.Ignored, why="not-a-candidate")
    acd.tell(named("c1", "hannover", anywhere=True))
    assert acd.agent_hangs_up("anna").record("c1").tenant == HANNOVER


def test_a_name_may_be_changed_and_taken_back() -> None:
    acd = answered().tell(named("c1", "hannover"), named("c1", "langenhagen"))
    acd.expect(m.CallAssigned, before=UNASSIGNED, tenant=HANNOVER)
    acd.expect(m.CallAssigned, before=HANNOVER, tenant=TOWN)
    acd.tell(named("c1", "unassigned")).expect(m.CallAssigned, before=TOWN, tenant=UNASSIGNED)
    assert acd.agent_hangs_up("anna").record("c1").tenant == UNASSIGNED


def test_a_towns_own_call_is_never_made_nobodys() -> None:
    for anywhere in (False, True):
        answered(LANGENHAGEN).tell(named("c1", "unassigned", anywhere=anywhere)).expect(
            m.Ignored, why="not-a-candidate"
        )


def test_naming_it_twice_is_naming_it_once() -> None:
    acd = answered().tell(named("c1", "hannover"))
    assert acd.tell(named("c1", "hannover")).story[-1][2] == []


# ---------------------------------------------------------------- afterwards


def test_a_record_that_is_written_is_changed() -> None:
    acd = answered().agent_hangs_up("anna").after(30).tell(named("c1", "langenhagen"))
    amendment = acd.expect(m.AmendRecord).amendment
    assert (amendment.call, amendment.tenant, amendment.test, amendment.at) == (C1, TOWN, None, acd.clock.now())
    acd.expect(m.CallAssigned, before=UNASSIGNED, tenant=TOWN, counted=True)
    acd.tell(named("c1", "hannover")).expect(m.CallAssigned, before=TOWN, tenant=HANNOVER, counted=True)


def test_a_day_later_the_bill_may_be_written() -> None:
    acd = answered().agent_hangs_up("anna").after(DAY).tell(named("c1", "hannover"))
    acd.expect(m.AmendRecord)
    acd.after(1).tell(named("c1", "langenhagen", anywhere=True)).expect(m.Ignored, why="too-late")


def test_a_call_from_before_a_restart_is_named_by_its_record() -> None:
    record = answered().agent_hangs_up("anna").record("c1")
    again = Scenario(shared()).at("09:10:00").tell(named("c1", "hannover"))
    again.expect(m.Ignored, why="no-such-call")
    again.tell(named("c1", "region", record=record)).expect(m.Ignored, why="not-a-candidate")
    again.tell(named("c1", "hannover", record=record)).expect(m.AmendRecord)
    # From now on it is known, also where the record that somebody has read is older.
    again.tell(named("c1", "langenhagen", record=record)).expect(m.CallAssigned, before=HANNOVER, tenant=TOWN)


def test_anothers_record_is_none() -> None:
    record = answered().agent_hangs_up("anna").record("c1")
    Scenario(shared()).tell(named("c2", "hannover", record=record)).expect(m.Ignored, why="no-such-call")


def test_a_town_that_was_named_survives_a_restart_while_the_call_lives() -> None:
    acd = answered()
    kept = acd.tell(named("c1", "langenhagen")).expect(m.RememberCall, named=TOWN)
    again = Scenario(shared(), calls=[kept], found=False).at("09:10:00")
    offer = m.SwitchCall(C1, "talk", offer=acd.offer("anna").offer, phone=acd.acd_agent("anna").phone)
    again.switch_found(offer)
    assert live_town(again) == TOWN
    assert again.caller_hangs_up("c1").record("c1").tenant == TOWN


# ---------------------------------------------------------------- at the phone


def test_the_agent_dials_the_code_after_the_call() -> None:
    acd = answered().agent_hangs_up("anna").after(4).tell(dials("anna", "2"))
    acd.expect(m.CallAssigned, call="c1", tenant=TOWN, by="anna", agent="anna")
    assert acd.expect(m.AmendRecord).amendment.tenant == TOWN


def test_or_during_the_call_on_a_second_line() -> None:
    acd = answered().tell(dials("anna", "1"))
    assert acd.agent_hangs_up("anna").record("c1").tenant == HANNOVER


def test_or_when_the_call_has_been_handed_on() -> None:
    acd = answered().transferred("c1", "2001").after(5).tell(dials("anna", "1"))
    assert acd.after(60).caller_hangs_up("c1").record("c1").tenant == HANNOVER


@pytest.mark.parametrize(("code", "why"), [("9", "no-such-town"), ("", "no-such-town"), ("33", "not-a-candidate")])
def test_a_code_that_names_no_town_of_this_call(code: str, why: str) -> None:
    acd = answered().agent_hangs_up("anna").tell(dials("anna", code))
    acd.expect(m.Ignored, signal="TownDialled", why=why)


def test_an_agent_without_a_conversation_has_nothing_to_name() -> None:
    acd = answered()
    acd.tell(dials("bert", "1")).expect(m.Ignored, why="no-such-call")
    acd.tell(dials("nobody", "1")).expect(m.Ignored, why="no-such-call")


def test_the_last_conversation_is_meant_and_never_an_older_one() -> None:
    acd = answered(directory=shared("anna", wrap_up_s=0)).agent_hangs_up("anna")
    acd.waits("c2", LANGENHAGEN).talks("anna").after(9).agent_hangs_up("anna")
    acd.tell(dials("anna", "1")).expect(m.Ignored, why="no-such-call")
    assert acd.record("c1").tenant == UNASSIGNED


def test_a_call_that_was_only_offered_is_no_conversation() -> None:
    acd = answered(directory=shared("anna", wrap_up_s=0)).agent_hangs_up("anna").waits("c2", "115").offer_failed("anna")
    acd.tell(dials("anna", "1")).expect(m.CallAssigned, call="c1")


# ---------------------------------------------------------------- handed on


def test_no_transfer_says_for_which_town_a_call_was() -> None:
    acd = answered().transferred("c1", "+4951173070").arrives("c1", LANGENHAGEN).held("c1").after(5)
    assert live_town(acd) == UNASSIGNED
    acd.tell(named("c1", "hannover"))
    assert acd.caller_hangs_up("c1").record("c1").tenant == HANNOVER


@pytest.mark.parametrize("blind", [True, False])
def test_a_towns_call_that_is_transferred_to_a_shared_number_stays_the_towns(*, blind: bool) -> None:
    acd = answered(LANGENHAGEN).transferred("c1", "115", blind=blind)
    if blind:
        acd.arrives("c1", "115")
        assert acd.expect(m.Treat, queue="115").label == "Langenhagen"
        acd.held("c1")
    else:
        acd.tell(m.CallerHeld(C1, queue=shared().queues[-1].id))
    assert acd.after(5).caller_hangs_up("c1").record("c1").tenant == TOWN


def test_a_towns_call_stays_the_towns_over_two_transfers_and_the_phone_shows_where_it_is() -> None:
    acd = answered(LANGENHAGEN).transferred("c1", "115").arrives("c1", "115").held("c1").after(5).talks("bert")
    acd.transferred("c1", "+49511168").arrives("c1", "0511 168-0").expect(m.Treat, label="Hannover", tenant=HANNOVER)
    assert live_town(acd) == TOWN
    assert acd.held("c1").caller_hangs_up("c1").record("c1").tenant == TOWN
    acd = answered(LANGENHAGEN).transferred("c1", "115").arrives("c1", "115").held("c1").after(5).talks("bert")
    acd.tell(named("c1", "region", anywhere=True)).transferred("c1", "+49511168").arrives("c1", "0511 168-0").held("c1")
    assert acd.caller_hangs_up("c1").record("c1").tenant == "region", "a person has said so"


def test_a_directory_that_changes_makes_no_other_town_of_a_call() -> None:
    without = replace(shared(), entries=tuple(replace(e, candidates=()) for e in shared().entries))
    acd = answered().tell(m.DirectoryChanged(without))
    assert live_town(acd) == UNASSIGNED
    assert acd.tell(named("c1", "hannover")).agent_hangs_up("anna").record("c1").tenant == HANNOVER
    acd = answered(directory=without).tell(m.DirectoryChanged(shared()))
    assert acd.agent_hangs_up("anna").record("c1").tenant == HANNOVER  # the entry's, as when it came


def test_figures_have_a_group_for_what_nobody_has_named() -> None:
    acd = (
        answered()
        .agent_hangs_up("anna")
        .after(20)
        .waits("c2", LANGENHAGEN)
        .after(3)
        .talks("bert")
        .agent_hangs_up("bert")
    )
    records = list(acd.records.values())
    assert {key: of.offered for key, of in grouped(records, [By.TENANT]).items()} == {(UNASSIGNED,): 1, (TOWN,): 1}
    assert (figures(records).offered, figures(records).unassigned) == (2, 1)


# ---------------------------------------------------------------- test calls


def canary(call: str, acd: Scenario, ani: str = "030 23125777") -> Scenario:
    return acd.arrives(call, LANGENHAGEN, ani).held(call)


def test_calls_of_a_test_caller_are_test_calls_however_the_trunk_writes_the_number() -> None:
    for ani in ("030 23125777", "+493023125777", "0049 30 23125777"):
        acd = (
            canary("c1", Scenario(shared()).at("09:00:00"), ani).after(2).talks("anna").after(9).agent_hangs_up("anna")
        )
        assert acd.record("c1").test
        for notice in (m.CallOffered, m.OfferTaken, m.CallAnswered):
            acd.expect(notice, test=True)
    assert not answered().agent_hangs_up("anna").record("c1").test


def test_a_test_call_is_routed_as_everybodys_and_in_no_figure() -> None:
    acd = canary("c1", Scenario(shared(), ready=()).at("09:00:00")).after(5).waits("c2", LANGENHAGEN)
    [queue] = [q for q in acd.acd.view().queues if q.id == "langenhagen"]
    assert (queue.waiting, queue.longest_wait.total_seconds()) == (1, 0)
    assert [(c.id, c.test) for c in acd.acd.view().calls] == [("c1", True), ("c2", False)]
    acd.is_ready("anna").expect(m.Offer, call="c1")
    acd.talks("anna").agent_hangs_up("anna").caller_hangs_up("c2")
    records = list(acd.records.values())
    assert [r.test for r in records] == [True, False]
    assert (figures(records).offered, figures(records).abandoned, figures(records).waits) == (1, 1, [])
    assert figures(records[:1]).offered == 0


@pytest.mark.parametrize("how", ["answered", "gave up", "a partner answered"])
def test_nothing_is_learnt_from_a_test_call(how: str) -> None:
    """What is expected of a wait afterwards is what would be if it had never been."""
    made = shared("anna")
    ladder = (parse_rung("waited 40 s: partner oldenburg"),) if how == "a partner answered" else ()
    directory = replace(made, queues=tuple(replace(q, ladder=ladder) for q in made.queues))

    def learnt(ani: str | None) -> object:
        acd = Scenario(directory, ready=()).at("09:00:00")
        if ani is not None:
            acd.arrives("c1", LANGENHAGEN, ani).held("c1").after(50)
            if how == "answered":
                acd.is_ready("anna").talks("anna").after(900).agent_hangs_up("anna")
            elif how == "a partner answered":
                acd.tell(m.DivertAnswered(C1, PartnerId("oldenburg"))).after(60).caller_hangs_up("c1")
            else:
                acd.caller_hangs_up("c1")
        acd.at("10:00:00")
        waits = acd.acd._floor.outlook._of(made.queues[0].id, acd.clock.now())
        return waits.aht_s, waits.patience_s, waits._starts, waits._line_s, waits._in_line, waits._flow

    assert learnt(CANARY) == learnt(None) != learnt("+4930230125001")


@pytest.mark.parametrize("marked_first", [True, False])
def test_a_mark_on_a_waiting_call_keeps_the_line_in_order(*, marked_first: bool) -> None:
    acd = (
        Scenario(shared("anna"), ready=()).at("09:00:00").arrives("c1", ani=CANARY if marked_first else None).held("c1")
    )
    line = acd.acd._floor.outlook._lines
    queue = shared().queues[0].id
    assert line[queue] == (0 if marked_first else 1)
    acd.tell(m.CallMarked(C1, not marked_first, "lead"))
    acd.expect(m.TestMarked, call="c1", test=not marked_first, counted=False)
    acd.expect(m.RememberCall, test=not marked_first)
    assert line[queue] == (1 if marked_first else 0)
    assert acd.tell(m.CallMarked(C1, not marked_first)).story[-1][2] == []
    acd.after(5).caller_hangs_up("c1")
    assert line[queue] == 0
    assert acd.record("c1").test is not marked_first
    acd.expect(m.CallAbandoned, test=marked_first)  # told as it came


def test_no_town_owes_or_is_owed_for_a_test_call() -> None:
    teams = (Team(TeamId("all"), "all", help_debt=True),)
    agents = [replace(demo_agent("anna"), team=TeamId("all"))]
    made = replace(demo_directory(["anna"]), agents=tuple(agents), teams=teams, test_callers=(CANARY,))
    acd = canary("c1", Scenario(made, ready=()).at("09:00:00")).after(100).caller_hangs_up("c1")
    assert acd.acd._floor.debt.short == {}
    acd.waits("c2").after(100).caller_hangs_up("c2")
    assert acd.acd._floor.debt.short != {}


def test_a_record_is_marked_afterwards_and_back() -> None:
    acd = answered().agent_hangs_up("anna").after(DAY - 1).tell(m.CallMarked(C1, True, "lead"))
    amendment = acd.expect(m.AmendRecord).amendment
    assert (amendment.test, amendment.tenant) == (True, None)
    acd.tell(m.CallMarked(C1, False, "lead")).expect(m.TestMarked, test=False, counted=True)
    acd.tell(m.CallMarked(CallId("c9"), True)).expect(m.Ignored, why="no-such-call")
    record = acd.record("c1")
    Scenario(shared()).tell(m.CallMarked(C1, True, "lead", record)).expect(m.AmendRecord)


def test_a_month_that_is_over_does_not_change_by_a_mark() -> None:
    """Two reports, of which one has a call less, tell how long it took."""
    acd = answered().agent_hangs_up("anna")
    record = acd.record("c1")
    acd.after(DAY + 1).tell(m.CallMarked(C1, True, "lead")).expect(m.Ignored, why="too-late")
    assert not acd.acd._floor.ended[C1].test
    older = replace(record, call=CallId("c7"), test=True)
    acd.tell(m.CallMarked(CallId("c7"), False, "lead", older)).expect(m.Ignored, why="too-late")
    # What it is already is no change.
    assert acd.tell(m.CallMarked(CallId("c7"), True, "lead", older)).story[-1][2] == []


def test_a_mark_survives_a_restart_either_way() -> None:
    acd = canary("c1", Scenario(shared(), ready=()).at("09:00:00"))
    kept = acd.tell(m.CallMarked(C1, False)).expect(m.RememberCall, test=False)
    again = Scenario(shared(), calls=[kept], found=False).switch_found(m.SwitchCall(C1, "wait"))
    assert not again.caller_hangs_up("c1").record("c1").test
    kept = replace(kept, test=True, ani="+4930230125001")
    again = Scenario(shared(), calls=[kept], found=False).switch_found(m.SwitchCall(C1, "wait"))
    assert again.caller_hangs_up("c1").record("c1").test
