"""A new directory comes into force while people wait and talk: ``dialog-acd load FILE``, then SIGHUP."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from e2e.stage import directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from e2e.conftest import Play, Theatre
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE, OFFICES_VOICE = 440, 700, 1100
NEW = "+495119999"


async def load(stage: Stage, theatre: Theatre, wanted: str) -> None:
    """The operator's two steps; the service has not been restarted for it."""
    before = theatre.stack.service_pid
    theatre.file.write_text(wanted, encoding="utf-8")
    await asyncio.to_thread(theatre.stack.command, "load", str(theatre.file))
    os.kill(before, signal.SIGHUP)
    await stage.api.get("/api/v1/live")
    assert theatre.serving


async def routed_to(stage: Stage, number: str) -> str:
    call = await stage.dial(number)
    await call.hang_up()
    return str((await stage.record(call))["kind"])


async def test_new_number_is_routed_and_nobody_notices(play: Play, theatre: Theatre) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    talking = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await phone.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)
    waiting = await stage.dial(tone=CALLERS_VOICE)
    (before,) = await stage.live("waiting")
    assert await routed_to(stage, NEW) == "catch-all"

    await load(stage, theatre, directory(profiles={NEW: {"group": "solo"}}))
    await stage.until(lambda: routed_to(stage, NEW), lambda kind: kind == "main-number", 8, "the new number is known")
    (after,) = await stage.live("waiting")
    assert (after["call"], after["arrived_at"]) == (before["call"], before["arrived_at"])
    await talking.media.hears_tone(AGENTS_VOICE)
    await in_talk.media.hears_tone(CALLERS_VOICE)
    assert (await stage.api.agent("agent01"))["work"] == "talking"
    await in_talk.hang_up()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await waiting.media.hears_tone(AGENTS_VOICE)
    assert waiting.media.longest_silence() < 1.5
    await waiting.hang_up()
    for call in (talking, waiting):
        record = await stage.record(call)
        assert (record["outcome"]["result"], record["agent"]) == ("served", "agent01")
        assert [offer["result"] for offer in record["offers"]] == ["answered"]
    # Asterisk has been told as well: without the service, the new number has its own group.
    theatre.stack.kill_service()
    office = await stage.phone("office03")
    call = await stage.dial(NEW)
    at_office = await office.rings(limit=15)
    await at_office.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await call.hang_up()


@pytest.fixture
async def dialplan_of_old(theatre: Theatre, tmp_path: Path) -> AsyncIterator[None]:
    """Asterisk has one whose lines have other numbers, as before orders went by way of ``i``."""
    asterisk = theatre.stack.asterisk
    ours, old = asterisk.dialplans, tmp_path / "dialplans"
    shutil.copytree(ours, old, ignore=shutil.ignore_patterns("sounds"))
    text = (old / "acd.conf").read_text("utf-8")
    assert (text.count("]!,100,"), text.count(",offer)")) == (5, 1)
    # Nor could an answer at the door be an offer then.
    (old / "acd.conf").write_text(text.replace("]!,100,", "]!,1,").replace(",offer)", ")"), "utf-8")
    asterisk.dialplans = old
    await asyncio.to_thread(asterisk.reload_dialplan)
    asterisk.dialplans = ours
    yield
    await asyncio.to_thread(asterisk.reload_dialplan)


@pytest.mark.usefixtures("dialplan_of_old")
async def test_who_talked_while_the_dialplan_was_replaced_is_not_rung_again(play: Play, theatre: Theatre) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    call = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await phone.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await asyncio.to_thread(theatre.stack.asterisk.reload_dialplan)
    await in_talk.hang_up()
    await call.is_over()
    assert not phone.incoming
    record = await stage.record(call)
    assert (record["outcome"]["reason"], record["agent"]) == ("talked", "agent01")
    assert [offer["result"] for offer in record["offers"]] == ["answered"]


@pytest.mark.usefixtures("dialplan_of_old", "partner_trusted_again")
async def test_nor_is_a_partner(play: Play, theatre: Theatre) -> None:
    stage = await play(overflow_after=1, partner_rings=2)
    oldenburg = await stage.oldenburg(answers_after=0.3, talk=2)
    call = await stage.dial(tone=CALLERS_VOICE)
    await oldenburg.sees("answered")
    await asyncio.to_thread(theatre.stack.asterisk.reload_dialplan)
    await call.is_over()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["partner"]) == ("overflowed", "oldenburg")
    assert await oldenburg.account() == {"rung": 1, "answered": 1, "hung_up": 1}
