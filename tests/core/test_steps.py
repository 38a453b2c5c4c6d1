"""Call sheets of skills over time: who may answer widens with the wait, and nothing else ever does.

Langenhagen's queue asks for its own people first. ``expert`` knows the town at level 5, ``fair`` at 2, ``other`` not
at all; whoever is not named is not signed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.lifecycle import PhoneState
from dialog_acd.core.model import AgentId, AgentOrder, CallId, QueueId, Skill, SkillId, SkillKind, TenantId
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import HANNOVER, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

C1 = CallId("c1")
STEPS = ("from 0 s: lgh>=4", "from 15 s: lgh>=2", "from 30 s: any")
PEOPLE = {
    "expert": demo_agent("expert", {"lgh": 5, "citizens": 3}),
    "fair": demo_agent("fair", {"lgh": 2, "citizens": 3}),
    "other": demo_agent("other", {"citizens": 3}),
}


def moment(clock_time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{clock_time}").replace(tzinfo=UTC)


def town(*steps: str, people: tuple[Agent, ...] = tuple(PEOPLE.values()), **traits: Any) -> Directory:
    base = demo_directory(people[:0], wrap_up_s=0)
    skills = (
        *base.skills,
        Skill(SkillId("lgh"), "Langenhagen", SkillKind.TENANT),
        Skill(SkillId("tuerkisch"), "Türkisch", SkillKind.LANGUAGE),
    )
    needs = tuple(map(parse_step, steps or STEPS))
    return replace(
        base,
        skills=skills,
        agents=people,
        queues=tuple(replace(q, steps=needs, **traits) if q.id == "langenhagen" else q for q in base.queues),
    )


def sheet(*ready: str, steps: tuple[str, ...] = (), **traits: Any) -> Scenario:
    return Scenario(town(*steps, **traits), ready=ready)


def keep_busy(acd: Scenario, *people: str) -> Scenario:
    """A conversation each, with callers of Hannover's, whom anybody may serve; whoever is named was ready first."""
    for agent in people:
        acd.waits(f"busy-{agent}", HANNOVER)
    for agent in people:
        acd.talks(agent)
    return acd


def offered(acd: Scenario, call: str = "c1") -> list[str]:
    return [out.agent for _, _, outs in acd.story for out in outs if isinstance(out, m.Offer) and out.call == call]


def not_yet(acd: Scenario, kind: type[object], call: str = "c1") -> None:
    """Nothing of this kind has come for the call, from the beginning of the sheet on."""
    assert not [
        out for _, _, outs in acd.story for out in outs if isinstance(out, kind) and getattr(out, "call", "") == call
    ]


# ------------------------------------------------------------ the wait widens it


def test_fifteen_and_thirty_seconds_to_the_millisecond() -> None:
    acd = keep_busy(sheet("expert", "fair", "other").at("09:00:00"), "expert", "fair")
    not_yet(acd.waits("c1").at("09:00:14.999").agent_hangs_up("fair"), m.Offer)
    acd.at("09:00:15").expect(m.Offer, call="c1", agent="fair")
    record = acd.talks("fair").agent_hangs_up("fair").record("c1")
    assert "step 1" in record.offers[0].why


def test_the_last_step_takes_whoever_is_there() -> None:
    acd = keep_busy(sheet("expert", "fair", "other").at("09:00:00"), "expert", "fair").waits("c1")
    not_yet(acd.at("09:00:29.999"), m.Offer)
    acd.at("09:00:30").expect(m.Offer, call="c1", agent="other")
    record = acd.talks("other").agent_hangs_up("other").record("c1")
    assert "step 2" in record.offers[0].why
    assert (record.t_in, record.waited) == (moment("09:00:00"), timedelta(seconds=30))


def test_an_expert_who_is_freed_is_asked_before_the_step_is_due() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1")
    acd.at("09:00:08").agent_hangs_up("expert").expect(m.Offer, call="c1", agent="expert")


def test_the_wait_counts_from_the_door_and_not_from_the_end_of_the_greeting() -> None:
    acd = keep_busy(sheet("expert", "fair").at("09:00:00"), "expert").arrives("c1").at("09:00:16").held("c1")
    acd.expect(m.Offer, call="c1", agent="fair")


def test_a_later_step_does_not_come_before_an_earlier_caller() -> None:
    """Both may have anybody by then, and one is freed: the first comes first."""
    acd = keep_busy(sheet("expert", "fair").at("09:00:00"), "expert", "fair").waits("c1").at("09:00:20").waits("c2")
    acd.at("09:00:40").agent_hangs_up("fair").expect(m.Offer, call="c1", agent="fair")


def test_a_younger_caller_may_be_served_first_by_whom_the_older_one_may_not_have_yet() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert", "other").waits("c1")
    acd.at("09:00:10").waits("h1", HANNOVER).at("09:00:12").agent_hangs_up("other")
    acd.expect(m.Offer, call="h1", agent="other")


# ------------------------------------------------------------ a phone rings, and nobody answers


def test_relaxation_goes_on_while_a_phone_rings_that_nobody_answers() -> None:
    acd = keep_busy(sheet("fair", "expert", "other").at("09:00:00"), "fair").waits("c1")
    acd.at("09:00:20").offer_failed("expert").held("c1").expect_no(m.Offer)  # fair talks, other may not yet
    acd.at("09:00:30").expect(m.Offer, call="c1", agent="other")  # not thirty seconds after the return
    record = acd.talks("other").agent_hangs_up("other").record("c1")
    assert [(o.agent, o.result) for o in record.offers] == [("expert", "no-answer"), ("other", "answered")]


def test_whoever_was_widened_while_it_rang_is_offered_at_once_on_the_return() -> None:
    acd = sheet("expert", "fair").at("09:00:00").waits("c1").at("09:00:20").offer_failed("expert").held("c1")
    acd.expect(m.Offer, call="c1", agent="fair")


def test_relaxation_goes_on_while_a_partner_rings() -> None:
    rung = (parse_rung("waited 5 s: partner oldenburg"),)
    acd = keep_busy(sheet("expert", "fair", ladder=rung).at("09:00:00"), "expert").waits("c1")
    acd.at("09:00:05").expect(m.Divert, call="c1")
    not_yet(acd.at("09:00:14.999"), m.Offer)
    acd.at("09:00:15").expect(m.Offer, call="c1", agent="fair")


def test_a_refused_order_does_not_hold_up_the_steps() -> None:
    acd = keep_busy(sheet("fair", "expert").at("09:00:00"), "fair").waits("c1").at("09:00:14").refused("expert")
    acd.is_not_ready("expert").agent_hangs_up("fair").at("09:00:16").expect(m.Offer, call="c1", agent="fair")


def test_steps_go_on_while_we_cannot_see_the_switch() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1").at("09:00:05").switch_lost()
    not_yet(acd.at("09:00:40"), m.Offer)
    talking = m.SwitchCall(CallId("busy-expert"), "talk", QueueId("hannover"), offer=acd.offer("expert").offer)
    acd.switch_found(m.SwitchCall(C1, "wait"), talking).expect(m.Offer, call="c1", agent="other")


# ------------------------------------------------------------ skipped, and back in force


def test_a_step_that_nobody_signed_in_could_fulfil_is_skipped() -> None:
    acd = sheet("fair").at("09:00:00").waits("c1").expect(m.Offer, call="c1", agent="fair")
    assert acd.offer == "1"


def test_both_steps_are_skipped_where_nobody_knows_the_town() -> None:
    acd = sheet("other").at("09:00:00").waits("c1")
    assert "step 2" in acd.expect(m.OfferMade, call="c1", agent="other").why


@pytest.mark.parametrize("how", ["talks", "pauses", "phone gone"])
def test_an_expert_who_is_there_and_busy_is_waited_for(how: str) -> None:
    acd = sheet("expert", "other").at("09:00:00")
    if how == "talks":
        keep_busy(acd, "expert")
    elif how == "pauses":
        acd.is_not_ready("expert")
    else:
        acd.phone_is("expert", PhoneState.UNREACHABLE)
    acd.waits("c1").at("09:00:29.999")
    assert offered(acd) == []
    acd.at("09:00:30").expect(m.Offer, call="c1", agent="other")


def test_a_step_is_back_in_force_as_soon_as_the_expert_signs_in() -> None:
    acd = keep_busy(sheet("other").at("09:00:00"), "other").waits("c1").at("09:00:05")
    acd.tell(m.AgentSignedIn(PEOPLE["expert"].id)).at("09:00:06").agent_hangs_up("other")
    not_yet(acd, m.Offer)
    acd.at("09:00:07").is_ready("expert").expect(m.Offer, call="c1", agent="expert")


def test_when_the_expert_goes_home_whoever_is_idle_is_rung_at_once() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1").at("09:00:05").signs_out("expert")
    acd.expect(m.Offer, call="c1", agent="other")


def test_a_phone_that_rings_already_is_not_called_back_when_the_expert_comes() -> None:
    acd = sheet("other").at("09:00:00").waits("c1").at("09:00:02").is_ready("expert")
    assert offered(acd) == ["other"]
    acd.at("09:00:05").offer_failed("other").held("c1").expect(m.Offer, call="c1", agent="expert")


def test_language_is_preferred_and_never_a_trap() -> None:
    steps = ("from 0 s: citizens>=1 and tuerkisch>=2", "from 20 s: citizens>=1")
    fatma = demo_agent("fatma", {"citizens": 2, "tuerkisch": 5})
    people = (fatma, PEOPLE["other"])
    acd = Scenario(town(*steps, people=people)).at("09:00:00").waits("c1").expect(m.Offer, call="c1", agent="fatma")
    assert acd.offer == "1"
    nobody = Scenario(town(*steps, people=people), ready=("other",)).at("09:00:00").waits("c1")
    nobody.expect(m.Offer, call="c1", agent="other")
    busy = Scenario(town(*steps, people=people)).at("09:00:00").waits("c0").talks("fatma").waits("c1")
    not_yet(busy.at("09:00:19.999"), m.Offer)
    busy.at("09:00:20").expect(m.Offer, call="c1", agent="other")


# ------------------------------------------------------------ who of those who may


def test_of_those_who_may_the_best_level_comes_first_where_the_queue_says_so() -> None:
    acd = sheet("other", "fair", "expert", agent_order=AgentOrder.BEST_LEVEL, steps=("from 0 s: lgh>=1",))
    acd.at("09:00:00").waits("c1").waits("c2")
    assert (offered(acd, "c1"), offered(acd, "c2")) == (["expert"], ["fair"])


def test_of_those_who_may_the_longest_idle_comes_first_where_it_does_not() -> None:
    acd = sheet("fair", "expert", steps=("from 0 s: lgh>=1",)).at("09:00:00").waits("c1")
    assert offered(acd) == ["fair"]


def test_people_in_the_callers_town_hall_come_first() -> None:
    home = replace(PEOPLE["other"], home=TenantId("langenhagen"))
    people = (PEOPLE["expert"], home)
    acd = Scenario(town("from 0 s: any", people=people, home_first=True)).at("09:00:00").waits("c1").waits("c2")
    assert (offered(acd, "c1"), offered(acd, "c2")) == (["other"], ["expert"])


def test_who_keeps_to_the_dispatch_line_is_not_rung_for_anything_else() -> None:
    desk = replace(PEOPLE["expert"], lines=frozenset({QueueId("region")}))
    acd = Scenario(town(people=(desk,))).at("09:00:00").waits("c1").at("09:05:00")
    assert offered(acd) == []
    acd.waits("d1", "0511 616-0").expect(m.Offer, call="d1", agent="expert")


# ------------------------------------------------------------ place and steps through everything


def test_neither_place_nor_arrival_ever_change() -> None:
    """Unanswered, at the partner, back, answered, transferred, back: still before whoever came a second later."""
    rung = (parse_rung("waited 30 s: partner oldenburg"),)
    acd = keep_busy(sheet("fair", "expert", ladder=rung).at("08:59:00"), "fair")
    acd.at("09:00:00").waits("c1").at("09:00:01").waits("c2")
    acd.at("09:00:20").offer_failed("expert").held("c1")  # rona
    acd.at("09:00:35").tell(m.DivertFailed(C1, acd.expect(m.Divert, call="c1").partner, "busy")).held("c1")
    acd.is_ready("expert").expect(m.Offer, call="c1", agent="expert")
    acd.talks("expert").at("09:05:00").is_not_ready("expert").transferred("c1", "2001").at("09:05:20").held("c1")
    acd.caller_hangs_up("c2").waits("c3").at("09:05:25").is_ready("expert")
    acd.expect(m.Offer, call="c1", agent="expert")
    record = acd.talks("expert").agent_hangs_up("expert").record("c1")
    assert [o.at for o in record.offers] == [moment(f"09:0{at}") for at in ("0:00", "0:35", "5:25")]
    assert (record.t_in, record.t_q, record.t_ans) == (moment("09:00:00"), moment("09:00:00"), moment("09:00:35"))
    assert record.waited == timedelta(seconds=35)


def test_after_a_conversation_the_steps_begin_anew() -> None:
    """The limits of the wait are of this wait; the place is still the old one."""
    acd = sheet("expert", "fair").at("09:00:00").waits("c1").at("09:00:18").talks("expert").at("09:10:00")
    acd.is_not_ready("expert").transferred("c1", "2001").at("09:10:20").held("c1")
    assert offered(acd.at("09:10:34.999")) == ["expert"]
    assert offered(acd.at("09:10:35")) == ["expert", "fair"]


def test_in_another_town_the_steps_are_that_towns() -> None:
    acd = sheet("expert", "other").at("09:00:00").waits("h1", HANNOVER)
    agent = acd.expect(m.Offer, call="h1").agent
    acd.talks(agent).at("09:10:00").is_not_ready(agent).transferred("h1", "7307").at("09:10:01")
    acd.arrives("h1", "0511 7307-0").held("h1").at("09:10:30.999")
    assert offered(acd, "h1") == ["expert"]
    assert offered(acd.at("09:10:31"), "h1") == ["expert", "other"]


def test_widened_by_the_ladder_the_later_steps_still_come() -> None:
    steps = ("from 0 s: lgh>=4", "from 60 s: lgh>=2", "from 90 s: any")
    rung = (parse_rung("waited 10 s: widen 1"),)
    acd = keep_busy(sheet("expert", "fair", "other", steps=steps, ladder=rung).at("09:00:00"), "expert").waits("c1")
    acd.at("09:00:10").expect(m.Offer, call="c1", agent="fair")
    acd.at("09:00:30").offer_failed("fair").held("c1").at("09:01:29.999")
    assert offered(acd) == ["fair"]
    assert offered(acd.at("09:01:30")) == ["fair", "other"]


def test_a_rung_that_widens_to_where_the_wait_has_come_takes_nothing_back() -> None:
    rung = (parse_rung("waited 40 s: widen 1"),)
    acd = keep_busy(sheet("expert", "fair", "other", ladder=rung).at("09:00:00"), "expert", "fair", "other")
    acd.waits("c1").at("09:00:45").agent_hangs_up("other").expect(m.Offer, call="c1", agent="other")


# ------------------------------------------------------------ other steps under a waiting caller


def test_fewer_steps_reach_who_waits_already() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1").at("09:00:05")
    acd.tell(m.DirectoryChanged(town("from 0 s: any"))).expect(m.Offer, call="c1", agent="other")


def test_sooner_steps_reach_who_has_waited_that_long() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1").at("09:00:05")
    acd.tell(m.DirectoryChanged(town("from 0 s: lgh>=4", "from 4 s: any")))
    acd.expect(m.Offer, call="c1", agent="other")


def test_later_steps_are_waited_for_again() -> None:
    """The rule in force is the one in the directory: who was widened too soon is not any more."""
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert", "other").waits("c1").at("09:00:31")
    acd.tell(m.DirectoryChanged(town("from 0 s: lgh>=4", "from 60 s: lgh>=2", "from 90 s: any")))
    not_yet(acd.at("09:00:40").agent_hangs_up("other"), m.Offer)


def test_a_skill_learnt_counts_at_once() -> None:
    acd = keep_busy(sheet("expert", "other").at("09:00:00"), "expert").waits("c1").at("09:00:05")
    learnt = replace(PEOPLE["other"], skills={SkillId("lgh"): 4})
    acd.tell(m.DirectoryChanged(town(people=(PEOPLE["expert"], PEOPLE["fair"], learnt))))
    acd.expect(m.Offer, call="c1", agent="other")


def test_a_skill_forgotten_tears_nobody_apart() -> None:
    acd = sheet("expert").at("09:00:00").waits("c1")
    acd.tell(m.DirectoryChanged(town(people=(replace(PEOPLE["expert"], skills={}), PEOPLE["other"]))))
    acd.talks("expert").at("09:02:00").agent_hangs_up("expert")
    assert acd.record("c1").agent == "expert"


def test_a_rung_that_had_widened_widens_again_where_the_steps_were_changed() -> None:
    """The steps begin anew with other steps, and so must what a rung had said of them."""
    ladder = (parse_rung("all busy: widen 1"),)
    acd = Scenario(town("from 0 s: lgh>=4", "from 600 s: any", ladder=ladder), ready=())
    acd.tell(m.AgentSignedIn(AgentId("expert"))).at("09:00:00").waits("c1")
    acd.tell(m.DirectoryChanged(town("from 0 s: lgh>=5", "from 600 s: any", ladder=ladder)))
    acd.after(5).is_ready("other").expect(m.Offer, call="c1", agent="other")


def test_a_call_sent_to_another_queue_too_is_for_all_its_people_also_where_that_has_one_step_more() -> None:
    ladder = (parse_rung("all busy: queue region"),)

    def region(*steps: str) -> Directory:
        made = town(ladder=ladder)
        needs = tuple(map(parse_step, steps))
        return replace(made, queues=tuple(replace(q, steps=needs) if q.id == "region" else q for q in made.queues))

    acd = Scenario(region("from 0 s: citizens>=3"), ready=()).at("09:00:00")
    acd.tell(m.AgentSignedIn(AgentId("expert"))).waits("c1")
    acd.tell(m.DirectoryChanged(region("from 0 s: citizens>=4", "from 600 s: citizens>=3")))
    acd.after(5).is_ready("other").expect(m.Offer, call="c1", agent="other")


def test_who_signed_in_first_is_still_the_first_of_two_idle_for_equally_long() -> None:
    acd = sheet()
    for name in ("other", "expert"):
        acd.tell(m.AgentSignedIn(AgentId(name)))
    acd.is_ready("expert").is_ready("other").tell(m.DirectoryChanged(town()))
    acd.waits("c1", HANNOVER).expect(m.Offer, call="c1", agent="other")
