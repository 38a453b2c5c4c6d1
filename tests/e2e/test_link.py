"""The link between Asterisk and the service is cut; calls do not notice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from e2e.stage import HANNOVER

if TYPE_CHECKING:
    from e2e.conftest import Play
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700


async def cut(stage: Stage) -> None:
    """Asterisk ends the session of the service, and the service has noticed and come back."""
    before = (await stage.api.metrics())["acd_ami_reconnects_total"]
    connected = await stage.console("manager show connected")
    (descriptor,) = re.findall(r"^\s*dialog-acd\s+\S+\s+\d+\s+\d+\s+(\d+)", connected, re.MULTILINE)
    await stage.console(f"manager kick session {descriptor}")
    await stage.until(
        stage.api.metrics,
        lambda seen: seen["acd_ami_reconnects_total"] == before + 1 and seen["acd_ami_link_up"] == 1,
        8,
        "a new link",
    )


async def test_calls_survive_a_cut_and_the_next_offer_works(play: Play) -> None:
    stage = await play(ring_for=15)
    first = await stage.agent("agent01")
    talking = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await first.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)
    second = await stage.agent("agent02")
    ringing = await stage.dial(HANNOVER)
    rung = await second.rings()
    waiting = await stage.dial()

    await cut(stage)
    await talking.media.hears_tone(AGENTS_VOICE)
    await in_talk.media.hears_tone(CALLERS_VOICE)
    await rung.answer(tone=AGENTS_VOICE)
    await ringing.media.hears_tone(AGENTS_VOICE)
    await stage.live("waiting")
    await waiting.media.hears_music()
    await cut(stage)
    await in_talk.hang_up()
    await talking.is_over()
    late = await first.rings()
    await late.answer(tone=AGENTS_VOICE)
    await waiting.media.hears_tone(AGENTS_VOICE)
    await rung.hang_up()
    await late.hang_up()
    for call, agent in ((talking, "agent01"), (ringing, "agent02"), (waiting, "agent01")):
        record = await stage.record(call)
        assert (record["outcome"]["result"], record["agent"]) == ("served", agent)
        assert [offer["result"] for offer in record["offers"]] == ["answered"]
