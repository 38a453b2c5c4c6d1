"""A supervisor's switches, heard at real telephones."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from e2e.stage import HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play, Theatre
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
AGENTS_VOICE = 700
CLOSURE = "/api/v1/entries/%2B495117307/closure"
MESSAGE = "/api/v1/message"
NOT_RECORDED = "0815-was-never-recorded"
"""The name of a prompt that Asterisk does not have; it begins with a digit, as names of prompts may."""


async def switch(stage: Stage, path: str, prompt: str | None = None, until: datetime | None = None) -> dict[str, Any]:
    """For an hour, where no end is given."""
    until = until or await clock(stage) + timedelta(hours=1)
    body = {"until": until.isoformat()} | ({} if prompt is None else {"prompt": prompt})
    answer = await stage.api.web.put(path, json=body)
    answer.raise_for_status()
    return dict(answer.json()["switch"])


async def clock(stage: Stage) -> datetime:
    return datetime.fromisoformat((await stage.api.get("/api/v1/switches"))["at"])


async def back(stage: Stage, *paths: str) -> None:
    for path in paths:
        (await stage.api.web.delete(path)).raise_for_status()


async def test_supervisor_closes_a_number_who_waits_is_served_and_who_calls_hears_when_it_opens(
    play: Play, theatre: Theatre
) -> None:
    stage = await play()
    waiting = await stage.dial()
    await stage.live("waiting")
    closure = await switch(stage, CLOSURE)
    assert closure["about"] == "+495117307"
    try:
        turned_away = await stage.dial()
        await turned_away.media.hears_prompt("closed", mark=0)
        await turned_away.media.hears_prompt("open-again", mark=0)
        other = await stage.dial(HANNOVER)
        await stage.live("waiting", 2)
        await turned_away.media.hears_prompt("goodbye", limit=20, mark=0)
        await turned_away.is_over(limit=14)
        assert not turned_away.ended_by_us
        await stage.live("waiting", 2)

        # The service starts anew, and the number is still closed; another prompt is said in place of its own.
        await asyncio.to_thread(theatre.stack.end_service)
        await asyncio.to_thread(theatre.stack.start_service)
        await asyncio.to_thread(theatre.await_heartbeat)
        assert (await stage.api.get("/api/v1/switches"))["switches"] == [closure]
        await switch(stage, CLOSURE, "nobody")
        again = await stage.dial()
        await again.media.hears_prompt("nobody", mark=0)
        await again.media.hears_prompt("open-again", mark=0)
        assert not again.media.was_said("closed")
        await again.hang_up()
        # A prompt that Asterisk does not have is passed over, and the caller hears the rest.
        await switch(stage, CLOSURE, NOT_RECORDED)
        without = await stage.dial()
        await without.media.hears_prompt("open-again", mark=0)
        await without.hang_up()
    finally:
        await back(stage, CLOSURE)
    phone = await stage.agent("agent01")
    for call in (waiting, other):
        at_phone = await phone.rings()
        await at_phone.answer(tone=AGENTS_VOICE)
        await call.media.hears_tone(AGENTS_VOICE)
        await call.hang_up()
    reopened = await stage.dial()
    await (await phone.rings()).answer(tone=AGENTS_VOICE)
    await reopened.media.hears_tone(AGENTS_VOICE)
    await reopened.hang_up()
    for call in (turned_away, again, without):
        record = await stage.record(call)
        assert record["outcome"] == {"result": "closed", "reason": "closed-by-day", "blame": "nobody"}
    assert (await stage.record(waiting))["outcome"]["result"] == "served"
    lines = (await stage.api.get("/api/v1/audit"))["lines"]
    assert [(line["action"], line["tenant"]) for line in lines if line["about"] == "+495117307"][:2] == [
        ("entries.reopen", "langenhagen"),
        ("entries.close", "langenhagen"),
    ]


async def test_who_calls_is_told_of_one_oclock_too_and_to_the_end(play: Play) -> None:
    """Asterisk's own German date has no sound for one o'clock, and ends the call where a sound is missing."""
    stage = await play()
    now = (await clock(stage)).astimezone(ZoneInfo("Europe/Berlin"))
    one = now.replace(hour=1, minute=30, second=0, microsecond=0)
    await switch(stage, CLOSURE, until=one if one > now + timedelta(minutes=2) else one + timedelta(days=1))
    try:
        call = await stage.dial()
        for said in ("open-again", await stage.spoken("ein"), await stage.spoken("oclock"), "goodbye"):
            await call.media.hears_prompt(said, limit=14, mark=0)
        await call.is_over(limit=14)
        assert not call.ended_by_us
    finally:
        await back(stage, CLOSURE)
    assert (await stage.record(call))["outcome"]["result"] == "closed"


async def test_message_of_the_day_is_heard_once_after_the_greeting_and_before_anybody_answers(play: Play) -> None:
    stage = await play(greeting="acd/town-hannover")
    phone = await stage.agent("agent01")
    before = await stage.dial()
    at_phone = await phone.rings(limit=8)
    await at_phone.answer(tone=AGENTS_VOICE)
    await before.media.hears_tone(AGENTS_VOICE)
    try:
        await switch(stage, MESSAGE, NOT_RECORDED)
        await switch(stage, "/api/v1/queues/langenhagen/message", "long-wait")
        call = await stage.dial(LANGENHAGEN)
        await call.media.hears_prompt("town-hannover", mark=0)
        assert await stage.live("arrived", 1)
        await call.media.hears_prompt("long-wait", mark=0)
        await stage.live("waiting", limit=10)
        end = call.media.mark()
        await call.media.hears_music()
        await at_phone.hang_up()
        at_phone = await phone.rings()
        await at_phone.answer(tone=AGENTS_VOICE)
        await call.media.hears_tone(AGENTS_VOICE)
        assert not call.media.was_said("long-wait", end)
        await at_phone.hang_up()
    finally:
        await back(stage, MESSAGE, "/api/v1/queues/langenhagen/message")
    later = await stage.dial()
    await later.media.hears_prompt("town-hannover", mark=0)
    await (await phone.rings()).answer(tone=AGENTS_VOICE)
    await later.media.hears_tone(AGENTS_VOICE)
    assert not later.media.was_said("long-wait")
    assert not before.media.was_said("long-wait")
    await later.hang_up()
    record = await stage.record(call)
    assert record["t_in"] < record["t_ann_end"] <= record["t_q"] < record["t_ans"]
