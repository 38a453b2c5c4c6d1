"""Callers who would rather be called back, and say so with a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.stage import LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700


async def test_a_key_and_the_caller_is_promised_to_be_called_back(play: Play) -> None:
    stage = await play(ladder=["waited 1 s: callback"])
    before = await stage.api.metrics()

    call = await stage.dial(tone=CALLERS_VOICE)
    await call.media.hears_prompt("callback-offer")
    call.press("1")
    await call.media.hears_prompt("callback-noted")
    await call.media.hears_prompt("goodbye", limit=12)
    await call.is_over()
    assert not call.ended_by_us
    record = await stage.record(call)
    assert record["outcome"] == {"result": "callback", "reason": "promised", "blame": "nobody"}
    assert record["t_callback"] is not None
    [owed] = [r for r in (await stage.api.get("/api/v1/calls?result=callback"))["calls"] if r["call"] == record["call"]]
    assert owed["ani"].endswith(record["ani"][-6:])

    # Somebody dials the number and says so.
    gauge = f'acd_promises_open{{tenant="{record["tenant"]}"}}'

    async def still_owed() -> bool:
        calls = (await stage.api.get("/api/v1/calls?result=callback&open=true"))["calls"]
        return record["call"] in [call["call"] for call in calls]

    assert record["t_due"] > record["t_callback"]
    assert await still_owed()
    counted = await stage.until(stage.api.metrics, lambda seen: seen.get(gauge, 0) > before.get(gauge, 0), 9, gauge)
    await stage.api.post(f"/api/v1/calls/{record['call']}/called-back")
    await stage.until(stage.api.metrics, lambda seen: seen[gauge] < counted[gauge], 9, gauge)
    assert not await still_owed()


async def test_who_presses_nothing_or_another_key_waits_on(play: Play) -> None:
    stage = await play(ladder=["waited 1 s: callback"])

    silent, wrong = await stage.dial(tone=CALLERS_VOICE), await stage.dial(tone=CALLERS_VOICE)
    await wrong.media.hears_prompt("callback-offer")
    wrong.press("7")
    await wrong.media.hears_music()
    await silent.media.hears_music(limit=15)
    await stage.live("waiting", 2)
    phone = await stage.agent("agent01")
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await silent.media.hears_tone(AGENTS_VOICE)
    await silent.hang_up()
    await wrong.hang_up()
    assert (await stage.record(silent))["outcome"]["result"] == "served"
    assert (await stage.record(wrong))["outcome"]["result"] == "abandoned"


async def test_an_agent_who_becomes_free_during_the_offer_gets_the_call(play: Play) -> None:
    stage = await play(ladder=["waited 1 s: callback"])

    call = await stage.dial(LANGENHAGEN, tone=CALLERS_VOICE)
    await call.media.hears_prompt("callback-offer")
    phone = await stage.agent("agent01")
    at_phone = await phone.rings(limit=2)
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    assert (await stage.record(call))["t_callback"] is None


async def test_a_caller_without_a_number_is_not_asked(play: Play) -> None:
    stage = await play(ladder=["waited 1 s: callback", "waited 2 s: announce acd/long-wait"])

    call = await stage.dial(tone=CALLERS_VOICE, shown='"Anonymous" <sip:anonymous@anonymous.invalid>')
    await call.media.hears_prompt("long-wait")
    assert not call.media.was_said("callback-offer")
    await call.hang_up()
