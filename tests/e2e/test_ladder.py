"""Hours, steps, priorities and a partner's contract, heard at real telephones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from e2e.stage import DISPATCH, HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play, Theatre

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("partner_trusted_again")]
AGENTS_VOICE, PARTNERS_VOICE = 700, 1100


async def test_harburgs_friday_at_15_115_goes_to_oldenburg_and_the_main_number_says_when_it_opens(play: Play) -> None:
    stage = await play(closed=True, group_115="demo", ladder=["closed by hours for 115: partner oldenburg"])
    oldenburg, phone = await stage.oldenburg(answers_after=0.3, voice=PARTNERS_VOICE), await stage.agent("agent01")

    citizen = await stage.dial("115")
    await citizen.media.hears_tone(PARTNERS_VOICE)
    local = await stage.dial(LANGENHAGEN)
    await local.media.hears_prompt("closed", mark=0)
    await local.media.hears_prompt("open-again", mark=0)
    await citizen.media.hears_tone(PARTNERS_VOICE)
    await citizen.hang_up()
    await local.media.hears_prompt("goodbye", limit=20, mark=0)
    await local.is_over(limit=14)
    assert not local.ended_by_us
    assert not phone.incoming
    record = await stage.record(citizen)
    assert (record["outcome"]["result"], record["partner"]) == ("overflowed", "oldenburg")
    assert record["overflow_trigger"] == "closed-by-hours"
    record = await stage.record(local)
    assert record["outcome"] == {"result": "closed", "reason": "closed-by-hours", "blame": "nobody"}
    assert record["overflow_partner"] is None
    assert await oldenburg.account() == {"rung": 1, "answered": 1, "left": 1}


async def test_partner_that_is_busy_after_hours_leaves_the_caller_with_the_announcement(play: Play) -> None:
    stage = await play(closed=True, ladder=["closed by hours: partner oldenburg"])
    oldenburg = await stage.oldenburg(refuses=486)

    call = await stage.dial(LANGENHAGEN)
    await oldenburg.sees("refused")
    await call.media.hears_prompt("closed", limit=12)
    await call.media.hears_prompt("goodbye", limit=20)
    await call.is_over(limit=14)
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["partner"], record["overflow_partner"]) == ("closed", None, "oldenburg")
    assert await oldenburg.account() == {"rung": 1, "refused": 1}


async def test_partner_gets_no_more_calls_than_agreed(play: Play) -> None:
    stage = await play(ladder=["all busy: partner oldenburg"], channels=1, partner_rings=20)
    oldenburg = await stage.oldenburg(answers_after=0.3, voice=PARTNERS_VOICE)

    first = await stage.dial()
    await first.media.hears_tone(PARTNERS_VOICE)
    second = await stage.dial(HANNOVER)
    await stage.live("waiting")
    await second.media.hears_music()
    await first.media.hears_tone(PARTNERS_VOICE)
    assert oldenburg.seen == {"rung": 1, "answered": 1}
    await first.hang_up()
    await second.media.hears_tone(PARTNERS_VOICE)
    assert oldenburg.seen == {"rung": 2, "answered": 2, "left": 1}
    await second.hang_up()
    records = [await stage.record(call) for call in (first, second)]
    assert [record["outcome"]["result"] for record in records] == ["overflowed"] * 2
    assert [record["overflow_trigger"] for record in records] == ["all-busy"] * 2
    assert await oldenburg.account() == {"rung": 2, "answered": 2, "left": 2}


async def test_steps_widen_while_a_phone_rings(play: Play) -> None:
    """The expert does not answer; meanwhile the wait has come to the step at which others may."""
    stage = await play(steps=["from 0 s: langenhagen>=4", "from 3 s: langenhagen>=1"], levels=[5, 1], ring_for=5)
    expert, beginner = await stage.agent("agent01"), await stage.agent("agent02")

    call = await stage.dial()
    at_expert = await expert.rings()
    assert not beginner.incoming
    await at_expert.is_over(limit=9)
    at_beginner = await beginner.rings(limit=4)
    await at_beginner.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    record = await stage.record(call)
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [
        ("agent01", "no-answer"),
        ("agent02", "answered"),
    ]
    assert "step 1" in record["offers"][1]["why"]


async def test_dispatch_call_is_answered_before_a_full_information_queue(play: Play) -> None:
    stage = await play(dispatch=True, overflow_after=600)
    waiting = [await stage.dial() for _ in range(3)]
    urgent = await stage.dial(DISPATCH)
    await stage.live("waiting", 4)

    phone = await stage.agent("agent01")
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await urgent.media.hears_tone(AGENTS_VOICE)
    for call in (urgent, *waiting):
        await call.hang_up()
    assert (await stage.record(urgent))["queue"] == "dispatch"


async def test_dispatch_call_never_reaches_a_partner_failsafe_included(play: Play, theatre: Theatre) -> None:
    stage = await play(dispatch=True, ladder=["all busy: partner oldenburg"], partner=True)
    partner = await stage.partner()
    urgent, ordinary = await stage.dial(DISPATCH), await stage.dial(HANNOVER)
    (await partner.rings(limit=8)).refuse(486)
    await stage.live("waiting", 2)
    await urgent.hang_up()
    await ordinary.hang_up()
    await stage.nothing_is_left()

    theatre.stack.kill_service()
    await stage.set_global("ACD_FAILSAFE_WAIT", "3")
    try:
        alone = await stage.dial(DISPATCH)
        await alone.media.hears_prompt("failsafe-end", limit=30)
        await alone.is_over(limit=14)
    finally:
        await stage.set_global("ACD_FAILSAFE_WAIT", "120")
    assert len(partner.calls) == 1


async def test_supervisor_switches_a_queue_over_and_back(play: Play) -> None:
    stage = await play(ladder=["switched: partner oldenburg"])
    partner = await stage.partner()
    waiting = await stage.dial()
    await stage.live("waiting")

    now = datetime.fromisoformat((await stage.api.get("/api/v1/queues"))["at"])
    too_long = {"until": (now + timedelta(days=8)).isoformat()}
    assert (await stage.api.web.put("/api/v1/queues/langenhagen/switch", json=too_long)).status_code == 409
    hour = {"until": (now + timedelta(hours=1)).isoformat()}
    (await stage.api.web.put("/api/v1/queues/langenhagen/switch", json=hour)).raise_for_status()
    at_partner = await partner.rings(limit=8)
    await at_partner.answer(tone=PARTNERS_VOICE)
    await waiting.media.hears_tone(PARTNERS_VOICE)
    await waiting.hang_up()
    await stage.api.web.delete("/api/v1/queues/langenhagen/switch")
    later = await stage.dial()
    await stage.live("waiting")
    await later.media.hears_music()
    assert len(partner.calls) == 1
    await later.hang_up()
    assert (await stage.record(waiting))["overflow_trigger"] == "switched"
