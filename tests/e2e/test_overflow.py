"""A partner centre helps out: it takes the call, or the caller comes back to the old place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.stage import HANNOVER

if TYPE_CHECKING:
    from e2e.conftest import Play

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("partner_trusted_again")]
CALLERS_VOICE, AGENTS_VOICE, PARTNERS_VOICE = 440, 700, 1100


RULES = {"overflow_after": 2, "partner_rings": 4}


async def test_partner_takes_the_call(play: Play) -> None:
    stage = await play(**RULES)
    partner = await stage.partner()
    name = 'acd_overflowed_total{partner="oldenburg"}'
    before = (await stage.api.metrics())[name]

    call = await stage.dial(tone=CALLERS_VOICE)
    at_partner = await partner.rings(limit=8)
    assert at_partner.invite.start.startswith("INVITE sip:0441115@")
    await call.media.hears_music()
    await at_partner.answer(tone=PARTNERS_VOICE)
    await call.media.hears_tone(PARTNERS_VOICE)
    await at_partner.media.hears_tone(CALLERS_VOICE)
    await stage.live("diverted")
    await at_partner.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "overflowed", "reason": "partner", "blame": "nobody"}
    assert (record["partner"], record["agent"]) == ("oldenburg", None)
    assert record["t_ovf"] <= record["t_ovf_ans"] <= record["t_end"]
    assert (await stage.api.metrics())[name] == before + 1


@pytest.mark.parametrize("answer", [486, 503, None], ids=["busy", "out-of-service", "silent"])
async def test_partner_does_not_and_the_caller_keeps_the_place(play: Play, answer: int | None) -> None:
    stage = await play(**RULES)
    partner = await stage.partner()

    call = await stage.dial()
    at_partner = await partner.rings(limit=8)
    later = await stage.dial(HANNOVER)
    if answer is not None:
        at_partner.refuse(answer)
    else:
        await at_partner.is_over(limit=8)
        assert at_partner.cancelled
    await stage.until(
        stage.api.live_calls, lambda calls: calls[0]["state"] == "waiting", 5, "the first caller waits again"
    )
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
    assert record["t_ovf"] is not None
    assert record["t_ovf_ans"] is None


async def test_own_agent_is_free_before_the_partner_answers(play: Play) -> None:
    stage = await play(**RULES)
    partner = await stage.partner()

    call = await stage.dial()
    at_partner = await partner.rings(limit=8)
    phone = await stage.agent("agent01")
    at_phone = await phone.rings()
    await at_partner.is_over()
    assert at_partner.cancelled
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["agent"]) == ("served", "agent01")


async def test_caller_gives_up_while_the_partner_rings(play: Play) -> None:
    stage = await play(**RULES)
    partner = await stage.partner()

    call = await stage.dial()
    at_partner = await partner.rings(limit=8)
    await call.hang_up()
    await at_partner.is_over()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "abandoned", "reason": "partner-ringing", "blame": "caller"}
