"""What a waiting caller is told of the wait, heard at the caller's telephone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.sound import RATE, prompt_sound

if TYPE_CHECKING:
    from e2e.conftest import Play

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700
ENOUGH = 12
"""Calls answered within a minute that make an expected wait credible (core/waiting.py: one in thirty seconds)."""


async def test_position_and_expected_wait_are_told_once_they_are_credible_and_delay_nobody(play: Play) -> None:
    stage = await play(ladder=["waited 1 s: announce position", "waited 5 s: announce expected-wait"])
    one, two = await stage.spoken(1), await stage.spoken(2)
    phone = await stage.agent("agent01")

    # Nothing is known yet of this day: whoever waits hears music and no promises.
    await stage.dial(tone=CALLERS_VOICE)
    at_phone = await phone.rings()
    await at_phone.answer()
    waiting = await asyncio.gather(*(stage.dial(tone=CALLERS_VOICE) for _ in range(ENOUGH - 1)))
    await waiting[0].media.listen(1.5)
    await waiting[0].media.hears_music()
    assert not any(call.media.was_said("position") for call in waiting)

    for _ in waiting:
        await at_phone.hang_up()
        at_phone = await phone.rings()
        await at_phone.answer()
        await at_phone.media.listen(0.04)  # who hangs up before the two are connected has not answered
    first = await stage.dial()
    await stage.live("waiting")
    second = await stage.dial()
    for call, number, other in ((first, one, two), (second, two, one)):
        await call.media.hears_prompt("position", mark=0)
        await call.media.hears_prompt(number, mark=0)
        assert not call.media.was_said(other)
    await second.media.hears_music(1)

    # The end of the sentence is never said to who is answered meanwhile.
    await first.media.hears_prompt(prompt_sound("wait-under-2")[:RATE])
    await at_phone.hang_up()
    at_phone = await phone.rings(limit=1)
    await at_phone.answer(tone=AGENTS_VOICE)
    await first.media.hears_tone(AGENTS_VOICE)
    await second.media.hears_prompt("wait-under-2", mark=0)
    await second.media.hears_music(1)
    assert not first.media.was_said("wait-under-2")
    await first.hang_up()
    await second.hang_up()
    told = [("waited 1 s: announce position", "waited 1 s"), ("waited 5 s: announce expected-wait", "waited 5 s")]
    for call in (first, second):
        assert [(rung["rung"], rung["why"]) for rung in (await stage.record(call))["rungs"]] == told
