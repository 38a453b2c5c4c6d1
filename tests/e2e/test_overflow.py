"""A partner centre helps out: it takes the call, or the caller comes back to the old place.

SIPp plays the partner, so what is said about its side is SIPp's own account.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from e2e.stage import HANNOVER

if TYPE_CHECKING:
    from e2e.conftest import Play
    from e2e.phone import Phone

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("partner_trusted_again")]
CALLERS_VOICE, AGENTS_VOICE, PARTNERS_VOICE = 440, 700, 1100


RULES = {"overflow_after": 1, "partner_rings": 2}


async def test_partner_takes_the_call(play: Play) -> None:
    stage = await play(**RULES)
    oldenburg = await stage.oldenburg(answers_after=1.2, talk=1.5)
    place = 'kind="main-number",partner="oldenburg",queue="langenhagen",tenant="langenhagen"'
    name = f'acd_calls_overflowed_total{{{place},trigger="waited"}}'
    before = (await stage.api.metrics())[name]

    call = await stage.dial(tone=CALLERS_VOICE)
    await oldenburg.sees("rung")
    await call.media.hears_music()
    # From a partner who says what it hears: both directions.
    await call.media.hears_tone(CALLERS_VOICE)
    await stage.live("diverted")
    await call.is_over()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "overflowed", "reason": "partner", "blame": "nobody"}
    assert (record["partner"], record["agent"]) == ("oldenburg", None)
    assert record["t_ovf"] <= record["t_ovf_ans"] <= record["t_end"]
    assert (await stage.api.metrics())[name] == before + 1
    assert await oldenburg.account() == {"rung": 1, "answered": 1, "hung_up": 1}


@pytest.mark.parametrize(
    ("how", "end"),
    [({"refuses": 486}, "refused"), ({"refuses": 503}, "refused"), ({}, "cancelled"), ({"silent_for": 2.5}, "refused")],
    ids=["busy", "out-of-service", "rings-and-rings", "silent"],
)
async def test_partner_does_not_and_the_caller_keeps_the_place(play: Play, how: dict[str, Any], end: str) -> None:
    stage = await play(**RULES)
    oldenburg = await stage.oldenburg(**how)

    call = await stage.dial()
    await oldenburg.sees("rung")
    later = await stage.dial(HANNOVER)
    await oldenburg.sees(end, limit=3.5)  # by the dialplan's clock: ours would be slower
    await oldenburg.sees("rung", 2)
    await stage.live("waiting", 2)
    await call.media.hears_music()
    phone = await stage.agent("agent01")
    at_phone = await phone.rings()
    assert at_phone.invite.display == "Langenhagen"
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    await later.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["agent"], record["partner"]) == ("served", "agent01", None)
    assert (record["overflow_partner"], record["overflow_trigger"]) == ("oldenburg", "waited")
    assert record["t_ovf"] is not None
    assert record["t_ovf_ans"] is None
    await oldenburg.sees(end, 2)
    assert await oldenburg.account() == {"rung": 2, end: 2}


async def test_own_agent_is_free_before_the_partner_answers(play: Play) -> None:
    stage = await play(overflow_after=1, partner_rings=20)
    oldenburg = await stage.oldenburg()

    call = await stage.dial()
    await oldenburg.sees("rung")
    phone = await stage.agent("agent01")
    at_phone = await phone.rings()
    await oldenburg.sees("cancelled")
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["agent"]) == ("served", "agent01")
    assert await oldenburg.account() == {"rung": 1, "cancelled": 1}


async def test_partner_and_an_own_agent_answer_in_the_same_moment(play: Play) -> None:
    """One of the two has the caller, the other one is rid of the call, and the record says which.

    Each attempt is nearer than the one before to the moment in which it is the other one who wins.
    """
    rings_for, won = 0.5, list[int]()
    stage = await play(ladder=["all busy: partner oldenburg"], partner_rings=20)
    oldenburg = await stage.oldenburg(answers_after=rings_for, voice=PARTNERS_VOICE)
    phone, loop = await stage.phone("agent01"), asyncio.get_running_loop()

    async def attempt(agent_is_later: float) -> bool:
        """Whether the partner has won."""
        call = await stage.dial()
        await oldenburg.sees("rung", len(won) + 1)
        ready_at = loop.time() + rings_for + agent_is_later
        picking_up = asyncio.create_task(_pick_up(phone))
        await asyncio.sleep(ready_at - loop.time())  # the moment itself is what is played with
        await stage.api.post("/api/v1/agents/agent01/ready")
        voice = await call.media.hears_one_of([AGENTS_VOICE, PARTNERS_VOICE])
        await call.media.hears_no_tone(AGENTS_VOICE + PARTNERS_VOICE - voice, 0.3)
        await call.media.hears_tone(voice)
        await call.hang_up()
        picking_up.cancel()
        await stage.api.post("/api/v1/agents/agent01/sign-out")
        record = await stage.record(call)
        whose = ("agent01", None) if voice == AGENTS_VOICE else (None, "oldenburg")
        assert (record["agent"], record["partner"]) == whose
        await stage.nothing_is_left()
        won.append(voice)
        return voice == PARTNERS_VOICE

    assert not await attempt(-0.4)
    assert await attempt(0.4)
    least, most = -0.015, 0.02
    for _ in range(6):
        middle = (least + most) / 2
        if await attempt(middle):
            most = middle
        else:
            least = middle
    account = Counter(await oldenburg.account())
    assert account["rung"] == len(won) == account["cancelled"] + account["left"]
    assert account["left"] >= won.count(PARTNERS_VOICE)
    assert all(call.ended for call in phone.calls.values())


async def _pick_up(phone: Phone) -> None:
    while True:
        await (await phone.rings(limit=30)).answer(tone=AGENTS_VOICE)


async def test_caller_gives_up_while_the_partner_rings(play: Play) -> None:
    stage = await play(**RULES)
    oldenburg = await stage.oldenburg()

    call = await stage.dial()
    await oldenburg.sees("rung")
    await call.hang_up()
    await oldenburg.sees("cancelled")
    record = await stage.record(call)
    assert record["outcome"] == {"result": "abandoned", "reason": "partner-ringing", "blame": "caller"}
    assert await oldenburg.account() == {"rung": 1, "cancelled": 1}
