"""The service is dead, hangs, or was never there: Asterisk goes on alone, and nobody is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from e2e.stage import BEAT, HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from e2e.conftest import Play, Theatre
    from e2e.phone import Call, Phone
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE, OFFICES_VOICE = 440, 700, 1100
NOTICED = BEAT + 3.0
"""Seconds until a caller who waits is in failsafe: the oldest heartbeat that still counts, and one turn of the loop."""


def kill(theatre: Theatre) -> None:
    theatre.stack.kill_service()


def freeze(theatre: Theatre) -> None:
    theatre.stack.stop_service()


@pytest.fixture(autouse=True)
async def next_story_finds_a_service(theatre: Theatre) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(theatre.stack.kill_service)
    if theatre.stack.asterisk.running:
        await asyncio.to_thread(theatre.stack.asterisk.console, "dialplan set global ACD_FAILSAFE_WAIT 120")


async def talk(call: Call, at_phone: Call) -> None:
    call.say(CALLERS_VOICE)
    await at_phone.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)


@pytest.mark.parametrize("trouble", [kill, freeze])
async def test_new_caller_reaches_the_failsafe_group(
    play: Play, theatre: Theatre, trouble: Callable[[Theatre], None]
) -> None:
    stage = await play()
    office = await stage.phone("office01")
    trouble(theatre)

    started = asyncio.get_running_loop().time()
    call = await (await stage.caller()).dial(LANGENHAGEN)
    await call.answered(limit=5)
    await call.media.hears_prompt("failsafe-hold", mark=0, limit=5)
    at_office = await office.rings(limit=6)
    # A service that accepts the question and says nothing costs three seconds and a half; a dead one nothing.
    assert asyncio.get_running_loop().time() - started < 3.6 + 4.5
    await call.media.hears_music()
    await talk(call, at_office)
    await at_office.hang_up()
    await call.is_over()


@pytest.mark.parametrize("trouble", [kill, freeze])
async def test_caller_who_already_waits_reaches_it_too(
    play: Play, theatre: Theatre, trouble: Callable[[Theatre], None]
) -> None:
    stage = await play()
    office = await stage.phone("office01")
    call = await stage.dial()
    await stage.live("waiting")
    trouble(theatre)

    await call.media.hears_prompt("failsafe-hold", limit=NOTICED + 3)
    at_office = await office.rings(limit=5)
    await talk(call, at_office)
    assert call.media.longest_silence() < 1.5
    await call.hang_up()
    await at_office.is_over()


@pytest.mark.parametrize("trouble", [kill, freeze])
async def test_phone_that_rings_when_it_happens_can_still_be_answered(
    play: Play, theatre: Theatre, trouble: Callable[[Theatre], None]
) -> None:
    stage = await play(ring_for=8, whisper=True)
    phone = await stage.agent("agent01")
    call = await stage.dial(tone=CALLERS_VOICE)
    at_phone = await phone.rings()
    trouble(theatre)

    await call.media.hears_music()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)
    await call.hang_up()
    await at_phone.is_over()


async def test_conversation_goes_on_and_is_recorded_once_after_the_service_came_back(
    play: Play, theatre: Theatre
) -> None:
    """Killed while one talks, one rings and one waits; all three come to their end under the new service."""
    stage = await play(ring_for=15)
    first = await stage.agent("agent01")
    talking = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await first.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)
    second = await stage.agent("agent02")
    ringing = await stage.dial(HANNOVER, tone=CALLERS_VOICE)
    rung = await second.rings()
    waiting = await stage.dial(tone=CALLERS_VOICE)
    ids = [call["call"] for call in await stage.api.live_calls()]
    assert len(ids) == 3

    theatre.stack.kill_service()
    await asyncio.to_thread(theatre.stack.start_service)
    await stage.live("connected")
    await stage.live("offered")
    await stage.live("waiting")
    assert (await stage.api.agent("agent01"))["work"] == "talking"
    assert (await stage.api.agent("agent02"))["work"] == "offered"
    await talking.media.hears_tone(AGENTS_VOICE)
    await rung.answer(tone=AGENTS_VOICE)
    await ringing.media.hears_tone(AGENTS_VOICE)
    await stage.agent_is("agent02", work="talking")
    await in_talk.hang_up()
    await talking.is_over()
    await rung.hang_up()
    await ringing.is_over()
    # Whoever waited is still there, with the old place, for the first agent who is ready.
    await stage.api.post("/api/v1/agents/agent01/ready")
    late = await first.rings(limit=8)
    await late.answer(tone=AGENTS_VOICE)
    await waiting.media.hears_tone(AGENTS_VOICE)
    await waiting.hang_up()
    records = [await stage.record(call) for call in ids]
    assert [record["outcome"]["result"] for record in records] == ["served"] * 3
    assert [record["agent"] for record in records] == ["agent01", "agent02", "agent01"]
    assert [record["tenant"] for record in records] == ["langenhagen", "hannover", "langenhagen"]
    assert all(record["t_in"] <= record["t_ans"] <= record["t_end"] for record in records)


async def test_frozen_service_wakes_up_and_knows_what_happened(play: Play, theatre: Theatre) -> None:
    stage = await play()
    office = await stage.phone("office01")
    waiting = await stage.dial()
    await stage.live("waiting")
    theatre.stack.stop_service()
    await waiting.media.hears_prompt("failsafe-hold", limit=NOTICED + 3)
    await talk(waiting, await office.rings())
    theatre.stack.continue_service()

    (live,) = await stage.live("failsafe", limit=8)
    await waiting.hang_up()
    record = await stage.record(live["call"])
    assert record["outcome"] == {"result": "failsafe", "reason": "heartbeat", "blame": "us"}
    assert record["failsafe_answered_by"] == "PJSIP/office01"
    await theatre_beats(stage)
    phone = await stage.agent("agent01")
    call = await stage.dial()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    assert (await stage.record(call))["outcome"]["result"] == "served"


async def theatre_beats(stage: Stage) -> None:
    """The heartbeat is young again."""
    await stage.until(
        stage.api.metrics, lambda seen: seen.get("acd_heartbeat_age_seconds", 99) < 3, 5, "a young heartbeat"
    )


async def test_first_caller_after_a_start_meets_the_service(play: Play, theatre: Theatre) -> None:
    """Ready means ready: nobody lands in failsafe because the first heartbeat is still to come."""
    stage = await play()
    await asyncio.to_thread(theatre.stack.end_service)
    await asyncio.to_thread(theatre.stack.asterisk.restart)
    await asyncio.to_thread(theatre.stack.start_service)

    call = await stage.dial()
    await stage.live("waiting")
    await call.hang_up()
    assert (await stage.record(call))["outcome"]["result"] == "abandoned"


# ---------------------------------------------------------------- Asterisk restarted, no service anywhere


async def alone(stage: Stage, theatre: Theatre, *, group_rings_for: int = 120) -> None:
    """Asterisk starts anew and has never heard of a service; what it was told before lies in its database."""
    theatre.stack.kill_service()
    await asyncio.to_thread(theatre.stack.asterisk.restart)
    theatre.begin()
    await stage.set_global("ACD_FAILSAFE_WAIT", str(group_rings_for))


async def test_profile_is_in_force_after_a_restart_of_asterisk(play: Play, theatre: Theatre) -> None:
    """7307-0 rings its own group, every other number the general one."""
    stage = await play(group="solo")
    await alone(stage, theatre)
    own, general = await stage.phone("office03"), await stage.phone("office01")

    for number in (LANGENHAGEN, "+4951173070", "0049511730712"):
        call = await stage.dial(number)
        await talk(call, await own.rings(limit=8))
        await call.hang_up()
    call = await stage.dial(HANNOVER)
    await talk(call, await general.rings(limit=8))
    await call.hang_up()
    assert not own.incoming
    assert not general.incoming


async def test_nobody_answers_and_there_is_no_partner_a_sentence_and_the_end(play: Play, theatre: Theatre) -> None:
    stage = await play()
    await alone(stage, theatre, group_rings_for=4)
    office = await stage.phone("office01")
    partner = await stage.partner()

    call = await stage.dial()
    await office.rings(limit=8)
    await call.media.hears_music()
    await call.media.hears_prompt("failsafe-end", limit=14)
    await call.is_over(limit=14)
    assert not call.ended_by_us
    assert call.media.longest_silence(until=call.ended_at) < 3
    assert not partner.incoming, "a call without partner stays here, always"
    # Once round, and not again.
    prompts = call.media.since(0)
    assert call.media.was_said("failsafe-hold")
    assert len(prompts) / 8000 < 30


async def test_no_phone_at_all_a_sentence_and_the_end(play: Play, theatre: Theatre) -> None:
    stage = await play()
    await alone(stage, theatre, group_rings_for=3)

    call = await stage.dial()
    await call.media.hears_prompt("failsafe-end", limit=14)
    await call.is_over(limit=14)
    assert call.media.longest_silence(until=call.ended_at) < 3


async def test_nobody_answers_and_the_partner_takes_the_call(play: Play, theatre: Theatre) -> None:
    stage = await play(partner=True)
    await alone(stage, theatre, group_rings_for=3)
    partner = await stage.partner()

    call = await stage.dial()
    at_partner = await partner.rings(limit=14)
    assert at_partner.invite.start.startswith("INVITE sip:0441115@")
    await call.media.hears_music()
    await talk(call, at_partner)
    await at_partner.hang_up()
    await call.is_over()
    assert not call.media.was_said("failsafe-end")


async def test_partner_is_busy_a_sentence_and_the_end(play: Play, theatre: Theatre) -> None:
    stage = await play(partner=True)
    await alone(stage, theatre, group_rings_for=3)
    partner = await stage.partner()

    call = await stage.dial()
    (await partner.rings(limit=14)).refuse(486)
    await call.media.hears_prompt("failsafe-end")
    await call.is_over(limit=14)


async def test_closed_a_sentence_and_the_end(play: Play, theatre: Theatre) -> None:
    """Open in three hours, for an hour: closed now, whenever this runs."""
    berlin = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    opens, closes = (f"{berlin + timedelta(hours=hours):%H:%M}" for hours in (3, 4))
    stage = await play(hours=[f"{opens}-{closes},*,*,*"])
    await alone(stage, theatre)
    office = await stage.phone("office01")

    call = await stage.dial()
    await call.media.hears_prompt("closed", limit=16, mark=0)
    await call.is_over(limit=14)
    assert not call.ended_by_us
    assert not office.incoming


async def test_open_by_the_second_of_two_specifications(play: Play, theatre: Theatre) -> None:
    berlin = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    opens, closes = (f"{berlin + timedelta(hours=hours):%H:%M}" for hours in (3, 4))
    stage = await play(hours=[f"{opens}-{closes},*,*,*", "*,mon-sun,*,*"])
    await alone(stage, theatre)
    office = await stage.phone("office01")

    call = await stage.dial()
    await talk(call, await office.rings(limit=8))
    await call.hang_up()


# ---------------------------------------------------------------- with the service


async def test_caller_who_has_waited_the_longest_time_reaches_the_failsafe_group(play: Play) -> None:
    stage = await play(max_wait=4)
    office = await stage.phone("office01")

    call = await stage.dial()
    await call.media.hears_prompt("failsafe-hold", limit=10)
    await talk(call, await office.rings())
    (live,) = await stage.live("failsafe")
    await call.hang_up()
    record = await stage.record(live["call"])
    assert record["trunk_call_id"] == call.call_id
    assert record["outcome"] == {"result": "failsafe", "reason": "max-wait", "blame": "us"}
    assert record["failsafe_answered_by"] == "PJSIP/office01"


async def test_feature_code_without_a_service(play: Play, theatre: Theatre) -> None:
    stage = await play()
    phone: Phone = await stage.phone("agent01")
    theatre.stack.stop_service()

    call = await phone.dial("*73")
    await call.answered()
    await call.media.hears_prompt("service-down", limit=10)
    await call.is_over()
    theatre.stack.kill_service()
    call = await phone.dial("*73")
    await call.answered()
    await call.media.hears_prompt("service-down", limit=10, mark=0)
    await call.is_over()
